"""The same on a GPU: a thread for each path, with the very code of the factors and of the impact.

Sums have the processor's order and precision (float32 in groups of accounts, float64 over groups), so results
differ only where a library function rounds differently: by about 1e-6 of a loss, and, where an account stands
within that of its margin, by that account's liquidation.
"""

from __future__ import annotations

import math
from typing import Any

import numba.cuda
import numpy as np
from numba import float32, float64
from numpy.typing import NDArray

from weir.risk.errors import RiskError
from weir.risk.simulation.cascade import ROUNDS, CloseOut
from weir.risk.simulation.exposures import Impact
from weir.risk.simulation.factors import Law, travel
from weir.risk.simulation.kernel import MOST, Deficits
from weir.risk.simulation.lanes import GROUP, pushed

__all__ = ["closed_out", "require_gpu"]

Floats = NDArray[np.float64]

cuda: Any = numba.cuda  # which has no types

THREADS = 128
SUMS = MOST + 1


def require_gpu() -> None:
    """Raises RiskError where there is no GPU."""
    if not cuda.is_available():
        raise RiskError("device: cuda, where this machine has no CUDA GPU with its driver; use cpu")


@cuda.jit
def _draw(law: Any, limits: Any, steps: int, numbers: Any, seed: Any, out: Any) -> None:
    path = cuda.grid(1)
    if path < numbers.shape[0]:
        scratch = cuda.local.array((5, SUMS), float64)
        travel(law, limits, steps, numbers, seed, scratch, path, path + 1, out)


@cuda.jit
def _settle(
    items: Any, own: Any, markets: int, impact: Any, rounds: int, out: Any, closed: Any, moving: Any
) -> None:
    """As `lanes.settle`, for one path: `own` and `out` (P, K) changes before and after."""
    path = cuda.grid(1)
    if path < own.shape[0]:
        factors = own.shape[1]
        values, part = cuda.local.array(MOST, float32), cuda.local.array(SUMS, float32)
        sums, push = cuda.local.array(SUMS, float64), cuda.local.array(MOST, float64)
        for k in range(factors):
            values[k] = own[path, k]
            push[k] = 0.0
        left, moved = rounds, True
        while moved and left > 0:
            left -= 1
            moved = False
            for f in range(markets + 1):
                sums[f] = 0.0
            for first in range(0, items.shape[0], GROUP):
                for f in range(markets + 1):
                    part[f] = 0.0
                last = first + GROUP if first + GROUP < items.shape[0] else items.shape[0]
                for i in range(first, last):
                    lacks = items[i, factors]
                    for k in range(factors):
                        lacks = cuda.fma(items[i, k], values[k], lacks)
                    if lacks > 0:
                        for f in range(markets + 1):
                            part[f] += items[i, factors + 1 + f]
                for f in range(markets + 1):
                    sums[f] += part[f]
            for k in range(markets):
                before = 1 + own[path, k]
                now = pushed(push[k], sums[k] * before, impact[0, k], impact[1, k], impact[2, k])
                if now != push[k]:
                    push[k] = now
                    values[k] = own[path, k] + now * before
                    moved = True
        for k in range(factors):
            out[path, k] = own[path, k] + push[k] * (1 + own[path, k])
        closed[path] = sums[markets]
        moving[path] = moved


@cuda.jit
def _shortfalls(items: Any, changes: Any, out: Any) -> None:
    path = cuda.grid(1)
    if path < changes.shape[0]:
        factors = changes.shape[1]
        values = cuda.local.array(MOST, float32)
        for k in range(factors):
            values[k] = changes[path, k]
        total = float64(0.0)
        for first in range(0, items.shape[0], GROUP):
            part = float32(0.0)
            last = first + GROUP if first + GROUP < items.shape[0] else items.shape[0]
            for i in range(first, last):
                lacks = items[i, factors]
                for k in range(factors):
                    lacks = cuda.fma(items[i, k], values[k], lacks)
                if lacks > 0:
                    part += lacks
            total += part
        out[path] = total


def closed_out(
    law: Law,
    margins: Deficits,
    owed: Deficits,
    impact: Impact,
    markets: int,
    numbers: NDArray[np.integer[Any]],
    seed: int,
) -> tuple[CloseOut, Floats]:
    """Where the paths of these numbers end, and (P,) their cost. Raises RiskError where no GPU is."""
    require_gpu()
    paths, factors = len(numbers), law.factors
    shape = math.ceil(paths / THREADS), THREADS
    own, after = cuda.device_array((paths, factors)), cuda.device_array((paths, factors))
    closed, losses, moving = (
        cuda.device_array(paths),
        cuda.device_array(paths),
        cuda.device_array(paths, bool),
    )
    arrays = tuple(cuda.to_device(each) for each in law.arrays)
    given = cuda.to_device(np.ascontiguousarray(numbers, np.uint64))
    _draw[shape](arrays, law.limits, law.steps, given, np.uint64(seed), own)
    power = cuda.to_device(np.stack([impact.depth, impact.exponent, impact.cap]))
    _settle[shape](cuda.to_device(margins.items), own, markets, power, ROUNDS, after, closed, moving)
    _shortfalls[shape](cuda.to_device(owed.items), after, losses)
    out = CloseOut(after.copy_to_host(), closed.copy_to_host(), int(moving.copy_to_host().sum()))
    return out, losses.copy_to_host()
