"""Tests of forecasts of value at risk and expected shortfall against what then happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy
from scipy.stats import binom, chi2

from weir.risk.errors import RiskError

__all__ = [
    "SIGNIFICANCE",
    "ZONED",
    "Test",
    "Zone",
    "acerbi_szekely",
    "christoffersen",
    "conditional_coverage",
    "kupiec",
    "traffic_light",
]

Floats = NDArray[np.float64]
Zone = Literal["green", "yellow", "red"]

SIGNIFICANCE = 0.05
"""A test with a p-value below this rejects the forecasts."""
ZONED = 0.99
"""The level for which the zones of `traffic_light` are defined."""


@dataclass(frozen=True, slots=True)
class Test:
    """A statistic, and the probability of one at least as bad where the forecasts are right."""

    statistic: float
    p_value: float


def kupiec(exceptions: int, observations: int, level: float) -> Test:
    """Unconditional coverage: do exceptions occur with probability 1 - level?

    Likelihood ratio, chi² of 1 degree. Kupiec: Techniques for verifying the accuracy of risk measurement
    models, Journal of Derivatives 3 (1995). RiskError for exceptions below 0 or above the observations, for
    no observations, or a level not between 0 and 1.
    """
    if observations < 1 or not 0 <= exceptions <= observations:
        raise RiskError(f"exceptions: 0 to the number of observations, {observations} (got {exceptions})")
    _check(level)
    ratio = 2 * (
        _log_likelihood(exceptions, observations, exceptions / observations)
        - _log_likelihood(exceptions, observations, 1 - level)
    )
    return _chi2(ratio, 1)


def christoffersen(hits: ArrayLike) -> Test:
    """Independence: is an exception as likely after an exception as after none?

    `hits`: (n,) whether each observation was an exception, in time order. Likelihood ratio, chi² of 1 degree;
    0 where no exception is followed by anything, for then nothing speaks against it. Christoffersen:
    Evaluating interval forecasts, International Economic Review 39 (1998).
    """
    hit = np.asarray(hits, dtype=bool)
    after, now = hit[:-1], hit[1:]
    follows, calm = int(after.sum()), int((~after).sum())
    both, alone = int((after & now).sum()), int((~after & now).sum())
    if follows == 0 or calm == 0:
        return Test(0.0, 1.0)
    ratio = 2 * (
        _log_likelihood(both, follows, both / follows)
        + _log_likelihood(alone, calm, alone / calm)
        - _log_likelihood(both + alone, follows + calm, (both + alone) / (follows + calm))
    )
    return _chi2(ratio, 1)


def conditional_coverage(hits: ArrayLike, level: float) -> Test:
    """Coverage and independence at once: the sum of both ratios, chi² of 2 degrees (Christoffersen 1998)."""
    hit = np.asarray(hits, dtype=bool)
    ratio = kupiec(int(hit.sum()), len(hit), level).statistic + christoffersen(hit).statistic
    return _chi2(ratio, 2)


def traffic_light(exceptions: int, observations: int = 250, level: float = 0.99) -> tuple[Zone, float]:
    """The zone, and the probability of as many exceptions or fewer where the level is right.

    Yellow begins at a probability of 95 %, red at 99.99 %. Basel Committee on Banking Supervision:
    Supervisory framework for the use of "backtesting" in conjunction with the internal models approach to
    market risk capital requirements (1996). RiskError as `kupiec`.
    """
    if observations < 1 or not 0 <= exceptions <= observations:
        raise RiskError(f"exceptions: 0 to the number of observations, {observations} (got {exceptions})")
    _check(level)
    cumulative = float(binom.cdf(exceptions, observations, 1 - level))
    zone: Zone = "green" if cumulative < 0.95 else "yellow" if cumulative < 0.9999 else "red"
    return zone, cumulative


def acerbi_szekely(losses: ArrayLike, var: ArrayLike, shortfall: ArrayLike, level: float) -> Floats:
    """Z2 = 1 - (sum of loss/shortfall over the exceptions) / (n·(1 - level)).

    `losses`: (..., n), the last axis time; `var`, `shortfall`: (n,) forecasts. 0 on average where the
    forecasts are right, below 0 where shortfalls are too small, 1 with no exception. Acerbi, Székely:
    Back-testing expected shortfall, Risk (December 2014), who find a 5 % critical value of -0.70 for n = 250
    and level 0.975, nearly whatever the tail. RiskError for a shortfall that is not above 0.
    """
    _check(level)
    loss, at, mean = (np.asarray(v, dtype=np.float64) for v in (losses, var, shortfall))
    if not (mean > 0).all():
        raise RiskError("shortfall: above 0 everywhere for this test")
    expected = loss.shape[-1] * (1 - level)
    return np.asarray(1 - np.where(loss > at, loss / mean, 0).sum(axis=-1) / expected)


def _log_likelihood(successes: int, trials: int, probability: float) -> float:
    return float(xlogy(successes, probability) + xlogy(trials - successes, 1 - probability))


def _chi2(ratio: float, degrees: int) -> Test:
    ratio = max(ratio, 0.0)  # a likelihood ratio of 0 may come out a rounding error below it
    return Test(ratio, float(chi2.sf(ratio, degrees)))


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise RiskError(f"level: above 0 and below 1 (got {level:g})")
