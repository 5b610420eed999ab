"""What the fund pays: over accounts, the sum of what each owes beyond all it has.

Accounts are put down once as rows of float32 in an order that leaves similar ones together. For a group of
similar accounts and similar paths, bounds often show that none can lose anything; such a block is left out,
which changes no bit of the result, since it would add zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from weir.risk.errors import RiskError
from weir.risk.simulation import lanes
from weir.risk.simulation.exposures import Exposures
from weir.risk.simulation.order import neighbours

__all__ = ["MOST", "Deficits", "columns", "shortfall_deficits", "shortfalls"]

MOST = 32  # factors: above, float32 may round by more than the bounds allow for

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Deficits:
    """For each account, what it lacks as a linear function of the changes; above 0 it is in deficit."""

    items: Singles
    """(n, K + 1 + F): the slope by factor, the constant, and F amounts that count where it is in deficit."""
    bounds: Floats
    """(2, K, groups) least and greatest slope / -constant; NaN where a group has a constant not below 0."""
    totals: Floats
    """(groups, F) the amounts added up, as a block adds them."""
    order: NDArray[np.intp]
    """(n,) which account each row is."""

    @classmethod
    def of(cls, slopes: Floats, constants: Floats, amounts: Floats) -> Deficits:
        """From (n, K), (n,) and (n, F), in USD. Raises RiskError for more than `MOST` factors."""
        n, k = slopes.shape
        if k > MOST:
            raise RiskError(f"factors: at most {MOST} (got {k})")
        groups = -(-n // lanes.GROUP)
        with np.errstate(divide="ignore", invalid="ignore"):
            steep = np.where(constants[:, None] < 0, slopes / -constants[:, None], np.nan)
        places = np.where(np.isnan(steep), 2.0, steep / (1 + np.abs(steep)))  # infinite slopes apart
        order: NDArray[np.intp] = neighbours(places, lanes.GROUP)
        items = np.column_stack([slopes, constants, amounts])[order].astype(np.float32, order="C")
        spread = np.full((groups * lanes.GROUP, k), np.nan)
        spread[:n] = steep[order]
        spread[n:] = spread[n - 1] if n else np.nan
        spread = spread.reshape(groups, lanes.GROUP, k)
        extra = np.zeros((groups * lanes.GROUP, amounts.shape[1]), np.float32)
        extra[:n] = items[:, k + 1 :]
        extra = extra.reshape(groups, lanes.GROUP, amounts.shape[1])
        sums = np.cumsum(extra, axis=1, dtype=np.float32)[:, -1]  # one after another, as a block does
        bounds = np.stack([spread.min(axis=1).T, spread.max(axis=1).T])
        return cls(items, np.ascontiguousarray(bounds), sums.astype(np.float64), order)

    def without_bounds(self) -> Deficits:
        """The same, computed for every account and path: what a benchmark measures."""
        return replace(self, bounds=np.full((2, 1, self.bounds.shape[2]), np.nan))


def shortfall_deficits(exposures: Exposures, own: Floats) -> Deficits:
    """What each account owes beyond `own` (n,) USD, which pays first."""
    return Deficits.of(-exposures.notional, -own, np.empty((len(own), 0)))


def columns(changes: Floats) -> tuple[Singles, ...]:
    """(P, K) as K arrays of float32, filled up with the last path to a whole number of blocks."""
    paths = len(changes)
    padded = -(-paths // lanes.WIDTH) * lanes.WIDTH
    return tuple(
        np.ascontiguousarray(np.pad(each, (0, padded - paths), "edge"), np.float32) for each in changes.T
    )


def shortfalls(deficits: Deficits, changes: Floats) -> Floats:
    """(P,) USD: for each row of changes (P, K), the sum over accounts of max(0, deficit).

    Products are float32: the error is below (K + 4) * 2**-24 of the gross amounts (constants and slopes times
    changes, absolute) of accounts in deficit, plus 31 * 2**-24 of the result; 1e-7 of it as measured.
    """
    if not len(changes):
        return np.zeros(0)
    values = columns(changes)
    out = np.empty(len(values[0]))
    lanes.shortfalls(deficits.items, deficits.bounds, values, (out,))
    return out[: len(changes)]
