"""Laws of a standardised residual: what the forecasting models differ in, apart from their dynamics.

A law answers for each of its ends on its own, so that nothing is lost to 1 - p deep in a tail.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special
from scipy.optimize import minimize

from weir.risk.errors import RiskError

__all__ = ["Empirical", "Law", "Normal", "Student"]

Floats = NDArray[np.float64]


class Law(Protocol):
    """A distribution on the line; arguments of any shape, results of the same."""

    def ppf(self, p: ArrayLike) -> Floats:
        """The least x with P(X <= x) >= p, for p above 0 and below 1."""

    def isf(self, p: ArrayLike) -> Floats:
        """The x that is exceeded with probability p: `ppf(1 - p)`, exact for small p."""

    def lower_mean(self, p: ArrayLike) -> Floats:
        """The mean of the lowest share p of X: (1/p) ∫ ppf(q) dq from 0 to p."""

    def upper_mean(self, p: ArrayLike) -> Floats:
        """The mean of the highest share p of X."""


class _Symmetric:
    """The upper end of a law that is symmetric around its centre."""

    __slots__ = ()

    @property
    def centre(self) -> float:
        return 0.0

    def ppf(self, p: ArrayLike) -> Floats:
        raise NotImplementedError

    def lower_mean(self, p: ArrayLike) -> Floats:
        raise NotImplementedError

    def isf(self, p: ArrayLike) -> Floats:
        return 2 * self.centre - self.ppf(p)

    def upper_mean(self, p: ArrayLike) -> Floats:
        return 2 * self.centre - self.lower_mean(p)


@dataclass(frozen=True, slots=True)
class Normal(_Symmetric):
    """The standard normal law."""

    def ppf(self, p: ArrayLike) -> Floats:
        return np.asarray(special.ndtri(p))

    def lower_mean(self, p: ArrayLike) -> Floats:
        """-density(ppf(p))/p: McNeil, Frey, Embrechts, Quantitative Risk Management (2015), example 2.14."""
        share = np.asarray(p, dtype=np.float64)
        return np.asarray(-np.exp(-(special.ndtri(share) ** 2) / 2) / math.sqrt(2 * math.pi) / share)


@dataclass(frozen=True, slots=True)
class Student(_Symmetric):
    """Student's t with its degrees of freedom, moved to `centre` and stretched by `scale`."""

    degrees: float
    centre: float = 0.0
    scale: float = 1.0

    @classmethod
    def fit(cls, sample: ArrayLike) -> Student:
        """By maximum likelihood, from a roughly standardised sample (n,); degrees between 1.05 and 1,000."""
        x = np.asarray(sample, dtype=np.float64)

        def cost(point: Floats) -> float:
            centre, scale, degrees = point[0], math.exp(point[1]), 1 / point[2]
            kernel = (degrees + 1) / 2 * np.log1p(((x - centre) / scale) ** 2 / degrees).mean()
            ratio = special.gammaln((degrees + 1) / 2) - special.gammaln(degrees / 2)
            return float(kernel - ratio + math.log(degrees) / 2 + math.log(scale))

        start = np.array([np.median(x), math.log(0.8 * x.std()), 0.2])
        bounds = [(x.min(), x.max()), (-10, 10), (1e-3, 1 / 1.05)]
        found = minimize(cost, start, method="L-BFGS-B", bounds=bounds)
        return cls(1 / float(found.x[2]), float(found.x[0]), math.exp(found.x[1]))

    def ppf(self, p: ArrayLike) -> Floats:
        return np.asarray(self.centre + self.scale * special.stdtrit(self.degrees, p))

    def lower_mean(self, p: ArrayLike) -> Floats:
        """McNeil, Frey, Embrechts, Quantitative Risk Management (2015), example 2.15."""
        nu, share = self.degrees, np.asarray(p, dtype=np.float64)
        quantile = special.stdtrit(nu, share)
        log = special.gammaln((nu + 1) / 2) - special.gammaln(nu / 2) - math.log(math.pi * nu) / 2
        density = np.exp(log - (nu + 1) / 2 * np.log1p(quantile**2 / nu))
        tail = density / share * (nu + quantile**2) / (nu - 1)
        return np.asarray(self.centre - self.scale * tail)


@dataclass(frozen=True, slots=True)
class Empirical:
    """Each of n values with probability 1/n: historical simulation."""

    values: Floats
    """(n,) ascending."""
    lowest: Floats
    """(n + 1,) sums of the lowest 0, 1, ..., n values, over n."""
    highest: Floats
    """(n + 1,) sums of the highest, likewise."""

    @classmethod
    def fit(cls, sample: ArrayLike) -> Empirical:
        """The law of a sample (n,), n at least 1."""
        values = np.sort(np.asarray(sample, dtype=np.float64))
        if not len(values):
            raise RiskError("sample: empty")
        lowest, highest = (
            np.concatenate([[0.0], np.cumsum(end)]) / len(values) for end in (values, values[::-1])
        )
        return cls(values, lowest, highest)

    def ppf(self, p: ArrayLike) -> Floats:
        return np.asarray(self.values[self._rank(p)])

    def isf(self, p: ArrayLike) -> Floats:
        return np.asarray(self.values[len(self.values) - 1 - self._rank(p)])

    def lower_mean(self, p: ArrayLike) -> Floats:
        """Acerbi, Tasche: On the coherence of expected shortfall, Journal of Banking & Finance 26 (2002)."""
        share = np.asarray(p, dtype=np.float64)
        return np.asarray(np.interp(share, np.linspace(0, 1, len(self.lowest)), self.lowest) / share)

    def upper_mean(self, p: ArrayLike) -> Floats:
        share = np.asarray(p, dtype=np.float64)
        return np.asarray(np.interp(share, np.linspace(0, 1, len(self.highest)), self.highest) / share)

    def _rank(self, p: ArrayLike) -> NDArray[np.int64]:
        """Which value from its end; a level such as 1 - 0.99 is not to fall a rounding error past its own."""
        n = len(self.values)
        rank = np.ceil(n * np.asarray(p, dtype=np.float64) - 1e-9).astype(np.int64) - 1
        return np.asarray(np.clip(rank, 0, n - 1))
