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
from scipy import stats

from weir.parameters import FundingParameters
from weir.risk.errors import RiskError
from weir.risk.measures.intervals import Estimate, check_sample, probability_bounds
from weir.risk.measures.replenishment import DAYS_A_YEAR, Activity, daily_income

__all__ = ["YEAR_END", "YearOfRuin", "equilibrium", "exponential_ruin", "ruin", "ruin_in_a_year"]

Floats = NDArray[np.float64]

REPEATS = 20
"""Samples drawn anew from the sample, to see how much hangs on it."""
YEAR_END = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles of what is left at the year's end."""


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
    """Probability that at some time it can't pay a loss."""
    assets: Floats
    """(5,) USD at the year's end: the quantiles `YEAR_END` over all paths, ruined ones with 0."""


def ruin_in_a_year(
    losses: ArrayLike,
    horizon: int,
    assets: float,
    policy: FundingParameters,
    activity: Activity,
    reserve_losses: ArrayLike | None = None,
    paths: int = 20_000,
    seed: int = 0,
    confidence: float = 0.95,
) -> YearOfRuin:
    """The fund's year: income by the funding policy each day, and at the end of each horizon a loss.

    A loss is drawn, with replacement, from the sample `losses` (N,), USD in `horizon` whole days; a part of a
    horizon at the year's end has none. With it comes its row of `reserve_losses` (N,), what the fund's own
    reserve loses of today's assets, as a share of whatever it then has. Ruin is a loss beyond `assets` USD
    (skin, junior, senior).

    The sample says little of losses that are rarer than it is long, and the interval says so: it is `REPEATS`
    bootstrap samples' spread (Efron and Tibshirani: An Introduction to the Bootstrap, 1993), and reaches at
    least to where single losses beyond all assets may be as frequent as Clopper and Pearson's bound. The same
    seed gives the same figures. Raises `RiskError` for losses or amounts below 0, for samples of different
    length, and for a horizon or a number of paths below 1.
    """
    sample = _sample("losses", losses)
    reserve = np.zeros_like(sample) if reserve_losses is None else _sample("reserve_losses", reserve_losses)
    if reserve.shape != sample.shape:
        raise RiskError(f"reserve_losses: one for each of {len(sample)} losses (got {len(reserve)})")
    if not (assets >= 0 and math.isfinite(assets)):
        raise RiskError(f"assets: at least 0 (got {assets})")
    for name, number in (("horizon", horizon), ("paths", paths)):
        if number < 1:
            raise RiskError(f"{name}: at least 1 (got {number})")
    shrunk: Floats = np.ones_like(sample)
    if assets:
        shrunk -= np.minimum(reserve / assets, 1.0)

    year = _Year(horizon, assets, policy, activity)
    held, gone = year.play(np.random.Generator(np.random.Philox(key=[seed, 0])), sample, shrunk, paths)
    generator, shares = np.random.Generator(np.random.Philox(key=[seed, 1])), np.empty(REPEATS)
    for repeat in range(REPEATS):
        rows = generator.integers(len(sample), size=len(sample))
        shares[repeat] = year.play(generator, sample[rows], shrunk[rows], max(paths // REPEATS, 1))[1].mean()
    value = float(gone.mean())
    reach = float(stats.t.ppf((1 + confidence) / 2, REPEATS - 1) * shares.std(ddof=1))
    _, rare = probability_bounds(int((sample > assets).sum()), len(sample), confidence)
    once = 1 - (1 - float(rare)) ** (DAYS_A_YEAR // horizon)
    interval = Estimate(value, max(value - reach, 0.0), min(max(value + reach, once), 1.0))
    quantiles = np.quantile(held, YEAR_END)
    return YearOfRuin(interval, quantiles)


def _sample(name: str, values: ArrayLike) -> Floats:
    found = check_sample(name, values)
    if (found < 0).any():
        raise RiskError(f"{name}: at least 0 (got {found.min()})")
    return found


@dataclass(frozen=True, slots=True)
class _Year:
    horizon: int
    assets: float
    policy: FundingParameters
    activity: Activity

    def play(
        self, generator: np.random.Generator, sample: Floats, shrunk: Floats, paths: int
    ) -> tuple[Floats, NDArray[np.bool_]]:
        """(paths,) what is left, and whether it was not enough, of years drawn from a sample (N,)."""
        held, gone = np.full(paths, self.assets), np.zeros(paths, dtype=np.bool_)
        for day in range(1, DAYS_A_YEAR + 1):
            held += daily_income(self.policy, held, self.activity)
            if day % self.horizon:
                continue
            drawn = generator.integers(len(sample), size=paths)
            held *= shrunk[drawn]
            held -= sample[drawn]
            gone |= held < 0
            np.maximum(held, 0, out=held)
        return np.where(gone, 0.0, held), gone
