"""Euler allocation: how much of expected shortfall is whose.

A component's share is what it loses on average where the total is in its tail, E[C | L >= VaR]; shares sum to
ES, and are its derivatives in the components' sizes (Tasche: Risk contributions and performance measurement,
TU München 1999; McNeil, Frey, Embrechts: Quantitative Risk Management, 2015, section 8.5).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.risk.errors import RiskError
from weir.risk.measures.intervals import check_sample
from weir.risk.measures.quantiles import tail_count, value_at_risk

__all__ = ["Allocation", "Tail", "allocate", "tail"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Tail:
    """The paths that make up ES: it is `weights @ losses[indices]`."""

    indices: Ints
    """(T,) rising."""
    weights: Floats
    """(T,) summing to 1, less what paths without any loss would have."""


@dataclass(frozen=True, slots=True)
class Allocation:
    """(n,) each, USD: the components' shares of ES, and the standard errors of these."""

    shares: Floats
    errors: Floats
    """As if the tail's paths were given: VaR's own error is not in them."""


def tail(losses: ArrayLike, level: float) -> Tail:
    """The tail of a sample (N,) at a level.

    Losses beyond VaR weigh 1/(N (1 - level)) each; what is left of the tail is spread evenly over all that
    are VaR, so that shares do not depend on the order of equal losses. Losses of exactly 0 are left out: no
    component lost anything there. Raises `RiskError` as `value_at_risk` does.
    """
    sample = check_sample("losses", losses)
    var, count = value_at_risk(sample, level), tail_count(len(sample), level)
    beyond, equal = np.flatnonzero(sample > var), np.flatnonzero(sample == var)
    weights = np.full(len(sample), 0.0)
    weights[beyond] = 1 / count
    if var != 0:
        weights[equal] = (1 - len(beyond) / count) / len(equal)
    indices = np.flatnonzero((weights > 0) & (sample != 0)).astype(np.int64)
    return Tail(indices, weights[indices])


def allocate(losses_of: Callable[[int], Floats], found: Tail) -> Allocation:
    """Shares of n components, given their losses on the tail's path number i: `losses_of(i)` -> (n,), USD.

    `i` counts within the tail, from 0. One path at a time, so that memory is n however long the tail is.
    Where each path's component losses sum to its loss, shares sum to ES. Raises `RiskError` for an empty
    tail.
    """
    if not len(found.indices):
        raise RiskError("tail: no path with a loss in it, so there is nothing to share out")
    shares: Floats = np.asarray(losses_of(0), dtype=np.float64) * found.weights[0]
    squares: Floats = shares**2 / found.weights[0]
    for i in range(1, len(found.weights)):
        part = np.asarray(losses_of(i), dtype=np.float64)
        shares = shares + found.weights[i] * part
        squares += found.weights[i] * part**2
    effective = found.weights.sum() ** 2 / (found.weights**2).sum()
    return Allocation(shares, np.sqrt(np.maximum(squares - shares**2, 0) / effective))
