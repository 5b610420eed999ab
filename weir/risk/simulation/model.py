"""The joint law of the factors over the horizon, in the form that the simulation reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weir.risk.errors import RiskError

__all__ = ["Depeg", "FactorModel", "QuantileTable"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class QuantileTable:
    """x = Q(T_nu(w)) for each market on an even grid of s = asinh(w), w the copula's Student variate.

    Linear between points, the last value beyond the ends. With tails of a power of w, an even grid of
    asinh(w) bounds the relative error everywhere (4,097 points over ±16: below 1e-4 for shapes up to 1).
    """

    reach: float
    """The grid goes from -reach to reach."""
    values: Floats
    """(M, points) standardised residuals (mean 0 and variance 1 are the model's matter)."""


@dataclass(frozen=True, slots=True)
class Depeg:
    """Jumps of stablecoins, A of them, which come together: one uniform decides for all, one for their sizes.

    In a step, coin a loses `1 - exp(-size)` of its par with probability `base[a]`, or `stressed[a]` where the
    mean of the markets' copula variates, as a uniform, is below `threshold`. `size` is exponential with mean
    `mean_size[a]`. When the likeliest to jump is spared, so are all: the worst dependence there is, as when
    USDC took DAI and FRAX with it (2023-03-11).
    """

    base: Floats
    stressed: Floats
    mean_size: Floats
    threshold: float


@dataclass(frozen=True, slots=True)
class FactorModel:
    """M markets with AR(1)-GARCH(1,1) returns and a t copula between their residuals, then A stablecoins.

    In each of `steps` steps, for market k: `r = mean + ar·r₋₁ + sigma·x`, `sigma² = omega + alpha·e₋₁² +
    beta·sigma₋₁²`, with e = sigma·x and x from the table. Log returns in fractions (0.01 is 1 %). A model
    without memory has ar = alpha = beta = 0 and omega the variance.
    """

    factors: tuple[str, ...]
    """Names: M markets, then A stablecoins, as in `Exposures.factors`."""
    steps: int
    """Bars of the price history that make up the horizon."""
    mean: Floats
    ar: Floats
    omega: Floats
    alpha: Floats
    beta: Floats
    last_return: Floats
    """(M,) the last return seen."""
    next_variance: Floats
    """(M,) sigma² of the first step."""
    cholesky: Floats
    """(M, M) lower triangle; its product with its transpose is the copula's correlation matrix."""
    degrees: float
    """nu of the t copula; infinite: Gaussian."""
    table: QuantileTable
    depeg: Depeg

    def __post_init__(self) -> None:
        m = len(self.mean)
        if self.steps < 1:
            raise RiskError(f"steps: at least 1 (got {self.steps})")
        if self.cholesky.shape != (m, m) or self.table.values.shape[0] != m:
            raise RiskError("cholesky, table: one row for each market")
        if len(self.factors) != m + len(self.depeg.base):
            raise RiskError("factors: the markets, then the stablecoins of depeg")
