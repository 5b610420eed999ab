"""Which contracts a block's header says have logged in it: always all that have, now and then one more."""

from __future__ import annotations

from functools import cache

from eth_utils.crypto import keccak

__all__ = ["has"]


def has(bloom: int, address: str) -> bool:
    """Whether logs of this address may be under a header's filter of 2,048 bits."""
    return bloom & (bits := _bits(address)) == bits


@cache
def _bits(address: str) -> int:
    digest = keccak(hexstr=address)
    found = 0
    for at in (0, 2, 4):
        found |= 1 << (int.from_bytes(digest[at : at + 2], "big") & 2_047)
    return found
