"""The probability of ruin: in closed form, for any law of claims on a grid, and of the actual fund in a year.

The first two are those of the classical risk process: claims come at Poisson times, the premium is (1 +
loading) times the mean claim, and nobody looks at a horizon.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.parameters import FundingParameters
from weir.risk.errors import RiskError
from weir.risk.measures.intervals import Estimate, check_sample, probability
from weir.risk.measures.replenishment import DAYS_A_YEAR, Activity, daily_income

__all__ = ["YearOfRuin", "equilibrium", "exponential_ruin", "ruin", "ruin_in_a_year"]

Floats = NDArray[np.float64]

BLOCK = 16_384
"""Paths drawn at a time; part of what a seed means."""


def exponential_ruin(loading: float, reserve: float, mean: float = 1.0) -> float:
    """Ruin with exponential claims: exp(-loading·u/((1 + loading) mean))/(1 + loading).

    Cramér–Lundberg (Asmussen and Albrecher: Ruin Probabilities, 2010, chapter IV). Certain (1) with a
    loading of 0 or less. Raises `RiskError` for a reserve below 0, or a mean not above it.
    """
    _check(reserve, mean)
    if loading <= 0:
        return 1.0
    return math.exp(-loading * reserve / ((1 + loading) * mean)) / (1 + loading)


def equilibrium(claims: ArrayLike) -> Callable[[Floats], Floats]:
    """x -> E[min(X, x)]/E[X] of a sample of claims: the law of a ladder height, the integrated tail.

    Raises `RiskError` for claims that are below 0, or all 0.
    """
    ordered = np.sort(check_sample("claims", claims))
    if ordered[0] < 0 or ordered[-1] == 0:
        raise RiskError("claims: at least 0, and not all of them 0")
    sums = np.concatenate([[0.0], np.cumsum(ordered)])

    def law(x: Floats) -> Floats:
        below = np.searchsorted(ordered, x, side="right")
        return np.asarray((sums[below] + x * (len(ordered) - below)) / sums[-1])

    return law


def ruin(loading: float, ladder: Callable[[Floats], Floats], reserve: float, steps: int = 2_000) -> Estimate:
    """Ruin from a reserve (in the claims' unit) for any law of claims, with bounds that hold for certain.

    Pollaczek–Khinchine, also Beekman's convolution formula: the largest loss is a geometric number of ladder
    heights, of which `ladder` is the distribution function (`equilibrium` makes it of a sample). Rounded down
    and up to a grid of reserve/steps, Panjer's recursion sums them exactly (Dufresne and Gerber: Three
    methods to calculate the probability of ruin, ASTIN Bulletin 19, 1989); the value is the middle. Certain
    with a loading of 0 or less. Raises `RiskError` for a reserve below 0, or fewer than 2 steps.
    """
    _check(reserve, 1.0)
    if steps < 2:
        raise RiskError(f"steps: at least 2 (got {steps})")
    if loading <= 0:
        return Estimate(1.0, 1.0, 1.0)
    again = 1 / (1 + loading)
    if reserve == 0:
        return Estimate(again, again, again)
    heights = np.diff(np.asarray(ladder(np.linspace(0, reserve, steps + 1)), dtype=np.float64))
    if (heights < -1e-12).any():
        raise RiskError("ladder: a distribution function, which never falls")
    # A height in (0, step] is a step when rounded up, and 0 when rounded down; a sum of those that reaches
    # the reserve is ruin for sure, as heights have a density.
    high = 1 - _sum_of_geometric(again, np.concatenate([[0.0], heights]))
    low = 1 - _sum_of_geometric(again, heights)
    return Estimate((low + high) / 2, max(low, 0.0), min(high, 1.0))


def _sum_of_geometric(again: float, heights: Floats) -> float:
    """P(sum <= the grid's last point): Panjer's recursion, ASTIN Bulletin 12, 1981."""
    scale = again / (1 - again * heights[0])
    masses = np.empty(len(heights))
    masses[0] = (1 - again) / (1 - again * heights[0])
    for k in range(1, len(heights)):
        masses[k] = scale * (heights[1 : k + 1] @ masses[k - 1 :: -1])
    return float(masses.sum())


def _check(reserve: float, mean: float) -> None:
    if not (reserve >= 0 and math.isfinite(reserve)):
        raise RiskError(f"reserve: at least 0 (got {reserve})")
    if not (mean > 0 and math.isfinite(mean)):
        raise RiskError(f"mean: above 0 (got {mean})")


# -------------------------------------------------------------- the actual fund


@dataclass(frozen=True, slots=True)
class YearOfRuin:
    """What a year does to the fund."""

    ruin: Estimate
    """Probability that at some time its layers can't pay a loss."""
    paths: int
    assets: Floats
    """(5,) USD at the year's end: the quantiles 5%, 25%, 50%, 75%, 95% over all paths, ruined ones with 0."""


def ruin_in_a_year(
    losses: ArrayLike,
    horizon: int,
    assets: float,
    policy: FundingParameters,
    activity: Activity,
    cover: float = 0.0,
    paths: int = 20_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> YearOfRuin:
    """The fund's year: income by the funding policy each day, and at the end of each horizon a loss.

    A loss is drawn, with replacement, from the sample `losses` (N,), USD in `horizon` whole days; a part of a
    horizon at the year's end has none. The layers are `assets` USD (skin, junior, senior), which earn and set
    the policy's coverage, then `cover` USD (the members'), which pays only when they are gone and does not
    fill again. Ruin is a loss beyond both. The same seed gives the same figures (Philox, in blocks of 16,384
    paths); the interval is Clopper–Pearson's at `confidence`. Raises `RiskError` for losses or amounts below
    0, and for a horizon or a number of paths below 1.
    """
    sample = check_sample("losses", losses)
    if (sample < 0).any():
        raise RiskError(f"losses: at least 0 (got {sample.min()})")
    for name, value in (("assets", assets), ("cover", cover)):
        if not (value >= 0 and math.isfinite(value)):
            raise RiskError(f"{name}: at least 0 (got {value})")
    for name, number in (("horizon", horizon), ("paths", paths)):
        if number < 1:
            raise RiskError(f"{name}: at least 1 (got {number})")
    ends, ruined = [], 0
    for block, start in enumerate(range(0, paths, BLOCK)):
        generator = np.random.Generator(np.random.Philox(key=[seed, block]))
        held, gone = _year(
            generator, sample, horizon, min(BLOCK, paths - start), (assets, cover), policy, activity
        )
        ends.append(held)
        ruined += int(gone.sum())
    quantiles = np.quantile(np.concatenate(ends), [0.05, 0.25, 0.5, 0.75, 0.95])
    return YearOfRuin(probability(ruined, paths, confidence), paths, quantiles)


def _year(
    generator: np.random.Generator,
    sample: Floats,
    horizon: int,
    paths: int,
    layers: tuple[float, float],
    policy: FundingParameters,
    activity: Activity,
) -> tuple[Floats, NDArray[np.bool_]]:
    held, cover = np.full(paths, layers[0]), np.full(paths, layers[1])
    gone = np.zeros(paths, dtype=np.bool_)
    for day in range(1, DAYS_A_YEAR + 1):
        held += daily_income(policy, held, activity)
        if day % horizon:
            continue
        loss = sample[generator.integers(len(sample), size=paths)]
        beyond = np.maximum(loss - held, 0)
        held = np.maximum(held - loss, 0)
        gone |= beyond > cover
        cover = np.maximum(cover - beyond, 0)
    return np.where(gone, 0.0, held), gone
