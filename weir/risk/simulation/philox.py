"""Random numbers that are a pure function of where they are used: no state, no order, no stream to split.

For compiled code of any target. Numba's cache of `factors` does not see a change here: remove `__pycache__`
after one. Philox4x32-10: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

__all__ = ["philox", "uniform"]

_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_LOW, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)


@register_jitable
def philox(a: Any, b: Any, c: Any, d: Any, k: Any, q: Any) -> Any:
    """Four random 32-bit words from a counter of four words and a key of two, all as uint64."""
    for _ in range(10):
        left, right = _MULTIPLIERS[0] * a, _MULTIPLIERS[1] * c
        a, b, c, d = (right >> _WORD) ^ b ^ k, right & _LOW, (left >> _WORD) ^ d ^ q, left & _LOW
        k, q = (k + _WEYL[0]) & _LOW, (q + _WEYL[1]) & _LOW
    return a, b, c, d


@register_jitable
def uniform(high: Any, low: Any) -> Any:
    """A float64 inside (0, 1) from two words: the middle of one of 2**52 equal parts.

    Of 2**52, not 2**53: there the last middle would round to 1, and a radius to 0.
    """
    return (np.float64((high << np.uint64(20)) | (low >> np.uint64(12))) + 0.5) * 2.0**-52
