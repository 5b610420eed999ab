"""Value at risk and expected shortfall of a sample of losses, with intervals.

Losses count upward: VaR at level a is the least x with P(L <= x) >= a, ES the mean of VaR over the levels
from a to 1 (Acerbi and Tasche: On the coherence of expected shortfall, J. Banking & Finance 26, 2002), which
is right for samples with ties, too.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.measures.intervals import Estimate, check_fraction, check_sample, probability_bounds

__all__ = [
    "LEAST_TAIL",
    "ExceedanceCurve",
    "TailRisk",
    "exceedance_curve",
    "expected_shortfall",
    "paths_needed",
    "tail_count",
    "tail_risks",
    "value_at_risk",
]

Floats = NDArray[np.float64]

LEAST_TAIL = 30
"""Losses beyond VaR without which the interval of ES means nothing."""


@dataclass(frozen=True, slots=True)
class TailRisk:
    """VaR and ES of a sample at a level, USD."""

    level: float
    var: Estimate
    es: Estimate


@dataclass(frozen=True, slots=True)
class ExceedanceCurve:
    """P(L >= loss), with its pointwise band: arrays of one length, losses rising, probabilities falling."""

    loss: Floats
    probability: Floats
    low: Floats
    high: Floats


# ---------------------------------------------------------------------- sample


def tail_count(paths: int, level: float) -> float:
    """How many of the paths are the tail, N(1 - level): not whole in general."""
    count = paths * (1 - level)
    near = round(count)
    # 1e5 * (1 - 0.999) is 100.00000000000009: what is meant is 100.
    return float(near) if math.isclose(count, near, rel_tol=1e-9) else count


def value_at_risk(losses: ArrayLike, level: float) -> float:
    """VaR of the sample (N,), USD; raises `RiskError` for a bad level, or losses that are not finite."""
    ordered = _largest(check_sample("losses", losses), level)
    return float(ordered[_rank(tail_count(np.size(losses), level))])


def expected_shortfall(losses: ArrayLike, level: float) -> float:
    """ES of the sample (N,), USD; errors as `value_at_risk`."""
    ordered = _largest(check_sample("losses", losses), level)
    return _shortfall(ordered, tail_count(np.size(losses), level))


def paths_needed(level: float, confidence: float = 0.95) -> int:
    """The least number of paths with which `tail_risks` answers at this level.

    VaR's interval needs an order statistic on either side, max(a, 1 - a)^N <= (1 - confidence)/2; ES's needs
    `LEAST_TAIL` losses in the tail. Raises `RiskError` for fractions outside (0, 1).
    """
    check_fraction("level", level)
    check_fraction("confidence", confidence)
    for_var = math.log((1 - confidence) / 2) / math.log(max(level, 1 - level))
    # From below, as both quotients may be a rounding error too large.
    needed = max(math.floor(for_var), math.floor(LEAST_TAIL / (1 - level)) - 1, 1)
    while tail_count(needed, level) < LEAST_TAIL or not _ranks(needed, level, confidence):
        needed += 1
    return needed


def tail_risks(losses: ArrayLike, levels: Sequence[float], confidence: float = 0.95) -> tuple[TailRisk, ...]:
    """VaR and ES at each level with their intervals; losses (N,) in USD, independent paths.

    VaR's interval is of order statistics, for any law: ranks r and s with P(r <= Binomial(N, a) < s) at least
    `confidence` (David and Nagaraja: Order Statistics, 2003, section 7.1). ES's is asymptotic, with the
    variance (s² + a (ES - VaR)²) / (N (1 - a)), s² of the losses in the tail (Manistre and Hancock: Variance
    of the CTE estimator, North American Actuarial Journal 9, 2005), and Student quantiles for as many degrees
    as the tail has losses less one. It assumes that a loss has a variance. Raises `RiskError` where there are
    fewer paths than `paths_needed` says, for bad fractions, and for losses that are not finite.
    """
    ordered = np.sort(check_sample("losses", losses))[::-1]
    return tuple(_tail_risk(ordered, level, confidence) for level in levels)


def exceedance_curve(losses: ArrayLike, confidence: float = 0.95, points: int = 200) -> ExceedanceCurve:
    """Probability of losing at least so much, at up to `points` losses of the sample (N,) that are above 0.

    They lie evenly in the logarithm of the probability, for what matters is in the tail. The band is
    Clopper–Pearson's at each point; it is not one for the whole curve. Empty where nothing was lost. Raises
    `RiskError` for a bad confidence, fewer than 2 points, and losses that are not finite.
    """
    if points < 2:
        raise RiskError(f"points: at least 2 (got {points})")
    check_fraction("confidence", confidence)
    ordered = np.sort(check_sample("losses", losses))[::-1]
    positive = int((ordered > 0).sum())
    if not positive:
        nothing = np.empty(0)
        return ExceedanceCurve(nothing, nothing, nothing, nothing)
    ranks = np.unique(np.geomspace(1, positive, points).round().astype(np.int64))
    chosen = np.unique(ordered[ranks - 1])
    counts = len(ordered) - np.searchsorted(ordered[::-1], chosen, side="left")
    low, high = probability_bounds(counts, len(ordered), confidence)
    return ExceedanceCurve(chosen, counts / len(ordered), low, high)


def _tail_risk(ordered: Floats, level: float, confidence: float) -> TailRisk:
    """`ordered` falls."""
    check_fraction("level", level)
    check_fraction("confidence", confidence)
    paths = len(ordered)
    count, ranks = tail_count(paths, level), _ranks(paths, level, confidence)
    if count < LEAST_TAIL or ranks is None:
        raise RiskError(
            f"losses: {paths} paths are too few for level {level} at confidence {confidence}; "
            f"it takes {paths_needed(level, confidence)}"
        )
    var, es = float(ordered[_rank(count)]), _shortfall(ordered, count)
    low, high = ranks
    tail = ordered[: math.ceil(count)]
    variance = (float(tail.var(ddof=1)) + level * (es - var) ** 2) / count
    reach = float(stats.t.ppf((1 + confidence) / 2, len(tail) - 1)) * math.sqrt(variance)
    return TailRisk(
        level=level,
        var=Estimate(var, float(ordered[paths - low]), float(ordered[paths - high])),
        es=Estimate(es, es - reach, es + reach),
    )


def _ranks(paths: int, level: float, confidence: float) -> tuple[int, int] | None:
    """Ranks from below, the smallest loss being 1, of VaR's interval; None where it would be open."""
    low = int(stats.binom.ppf((1 - confidence) / 2, paths, level))
    high = int(stats.binom.ppf((1 + confidence) / 2, paths, level)) + 1
    return (low, high) if low >= 1 and high <= paths else None


def _largest(losses: Floats, level: float) -> Floats:
    """As many of the largest losses as VaR and ES look at, falling."""
    check_fraction("level", level)
    wanted = min(math.floor(tail_count(len(losses), level)) + 1, len(losses))
    return np.sort(np.partition(losses, len(losses) - wanted)[len(losses) - wanted :])[::-1]


def _rank(count: float) -> int:
    """Where VaR stands among falling losses: the first that the tail does not take wholly."""
    return math.floor(count)


def _shortfall(ordered: Floats, count: float) -> float:
    whole = math.floor(count)
    return float((ordered[:whole].sum() + (count - whole) * ordered[_rank(count)]) / count)
