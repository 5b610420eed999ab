"""A figure with the interval that its sample size allows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from weir.risk.errors import RiskError

__all__ = ["Estimate", "check_fraction", "check_sample", "probability", "probability_bounds"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value, and the interval around it; at which confidence, the function that made it says."""

    value: float
    low: float
    high: float


def probability_bounds(counts: ArrayLike, trials: int, confidence: float = 0.95) -> tuple[Floats, Floats]:
    """Clopper–Pearson bounds of a probability of which `counts` of `trials` independent draws came true.

    Exact: covers with at least `confidence`, whatever the probability (Clopper and Pearson: The use of
    confidence or fiducial limits, Biometrika 26, 1934). Arrays of the shape of `counts`. Raises `RiskError`
    for a confidence outside (0, 1), and for counts that are not from 0 to `trials`.
    """
    check_fraction("confidence", confidence)
    hits = np.asarray(counts, dtype=np.float64)
    if trials < 1 or (hits < 0).any() or (hits > trials).any():
        raise RiskError(f"counts: from 0 to trials, of which there must be one (got {trials} trials)")
    tail = (1 - confidence) / 2
    low = np.where(hits == 0, 0.0, stats.beta.ppf(tail, np.maximum(hits, 1), trials - hits + 1))
    high = np.where(hits == trials, 1.0, stats.beta.ppf(1 - tail, hits + 1, np.maximum(trials - hits, 1)))
    return low, high


def probability(count: int, trials: int, confidence: float = 0.95) -> Estimate:
    """The share of draws that came true, and its Clopper–Pearson interval; errors as `probability_bounds`."""
    low, high = probability_bounds(count, trials, confidence)
    return Estimate(count / trials, float(low), float(high))


def check_fraction(name: str, value: float) -> None:
    """Refuses what is not strictly between 0 and 1."""
    if not 0 < value < 1:
        raise RiskError(f"{name}: between 0 and 1, both excluded (got {value})")


def check_sample(name: str, sample: ArrayLike) -> Floats:
    """A sample of losses as an array (N,); refuses an empty one, and one that is not finite everywhere."""
    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or not len(values):
        raise RiskError(f"{name}: one figure for each of at least one path (got shape {values.shape})")
    if not np.isfinite(values).all():
        raise RiskError(f"{name}: {int((~np.isfinite(values)).sum())} of {len(values)} are not finite")
    return values
