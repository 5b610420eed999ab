"""A law with an empirical body and generalised Pareto tails."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.risk.errors import RiskError
from weir.risk.forecast.pareto import ParetoTail, fit_tail

__all__ = ["TAIL", "SemiParametric"]

Floats = NDArray[np.float64]

TAIL = 0.1
"""Share of a sample in each tail: 100 of 1,000 in McNeil and Frey (2000), section 2.2, who find that the
estimates of quantiles hardly depend on it around there."""


@dataclass(frozen=True, slots=True)
class SemiParametric:
    """Piecewise linear between order statistics, and beyond the thresholds two Pareto tails.

    With k of n values in each tail, the thresholds are the (k+1)-th values from either end, at probabilities
    k/n and 1 - k/n, and the values between them split what remains evenly. McNeil, Frey: Estimation of
    tail-related risk measures for heteroscedastic financial time series, Journal of Empirical Finance 7
    (2000).
    """

    lower: ParetoTail
    """Of minus the value."""
    upper: ParetoTail
    values: Floats
    """(n - 2k,) ascending, from one threshold to the other."""
    levels: Floats
    """(n - 2k,) their probabilities."""
    sums: Floats
    """(n - 2k,) the integral of ppf from 0 to each of `levels`; minus infinity where there is none."""

    @classmethod
    def fit(cls, sample: ArrayLike, *, tail: float = TAIL, name: str = "sample") -> SemiParametric:
        """From a sample (n,), with a share `tail` of it (above 0, below 0.5) in each tail.

        RiskError where a tail has fewer than 10 values, or all its values are the same.
        """
        if not 0 < tail < 0.5:
            raise RiskError(f"tail: above 0 and below 0.5 (got {tail:g})")
        x = np.sort(np.asarray(sample, dtype=np.float64))
        n = len(x)
        k = int(tail * n + 1e-9)
        values = x[k : n - k]
        if k == 0 or len(values) < 2:
            raise RiskError(f"{name}: {n} values are too few for tails of {tail:g} each")
        lower = fit_tail(-x[:k], -values[0], of=n, name=f"{name}, lower tail")
        upper = fit_tail(x[n - k :], values[-1], of=n, name=f"{name}, upper tail")
        # ties at a threshold leave fewer than k beyond it
        levels = np.linspace(lower.share, 1 - upper.share, len(values))
        steps = np.diff(levels) * (values[1:] + values[:-1]) / 2
        below = -lower.share * float(lower.shortfall(lower.share))
        return cls(lower, upper, values, levels, below + np.concatenate([[0.0], np.cumsum(steps)]))

    def ppf(self, p: ArrayLike) -> Floats:
        """The quantile, for p of any shape, above 0 and below 1."""
        level = np.asarray(p, dtype=np.float64)
        body = np.interp(level, self.levels, self.values)
        body = np.where(level < self.levels[0], -self.lower.isf(np.minimum(level, self.lower.share)), body)
        rest = np.minimum(1 - level, self.upper.share)
        return np.asarray(np.where(level > self.levels[-1], self.upper.isf(rest), body))

    def isf(self, p: ArrayLike) -> Floats:
        """What is exceeded with probability p: `ppf(1 - p)`, exact for small p."""
        level = np.asarray(p, dtype=np.float64)
        beyond = self.upper.isf(np.minimum(level, self.upper.share))
        return np.asarray(
            np.where(level < self.upper.share, beyond, self.ppf(1 - np.maximum(level, self.upper.share)))
        )

    def lower_mean(self, p: ArrayLike) -> Floats:
        """The mean of the lowest share p."""
        level = np.asarray(p, dtype=np.float64)
        return np.asarray(self._integral(level) / level)

    def upper_mean(self, p: ArrayLike) -> Floats:
        """The mean of the highest share p."""
        level = np.asarray(p, dtype=np.float64)
        tail = self.upper.shortfall(np.minimum(level, self.upper.share))
        total = self.sums[-1] + self.upper.share * self.upper.shortfall(self.upper.share)
        return np.asarray(
            np.where(level <= self.upper.share, tail, (total - self._integral(1 - level)) / level)
        )

    def _integral(self, level: Floats) -> Floats:
        """∫ ppf from 0 to level."""
        within = np.minimum(level, self.levels[-1])
        before = np.clip(np.searchsorted(self.levels, within, side="right") - 1, 0, len(self.levels) - 1)
        part = (within - self.levels[before]) * (self.values[before] + self.ppf(within)) / 2
        upper = self.upper.share * self.upper.shortfall(self.upper.share)
        rest = np.clip(1 - level, 1e-300, self.upper.share)
        beyond = upper - rest * self.upper.shortfall(rest)
        body = self.sums[before] + part + np.where(level > self.levels[-1], beyond, 0)
        within = np.clip(level, 1e-300, self.lower.share)
        return np.asarray(np.where(level < self.lower.share, -within * self.lower.shortfall(within), body))
