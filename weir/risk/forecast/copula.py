"""How markets move together: a t copula."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, ndtri, stdtrit
from scipy.stats import kendalltau, rankdata

from weir.risk.errors import RiskError

__all__ = ["TCopula", "fit_copula", "nearest_correlation"]

Floats = NDArray[np.float64]

SMALLEST = 1e-6
"""Least eigenvalue of a correlation matrix: two markets with the same returns stay apart by a thousandth."""
HEAVIEST = 2.0
"""Range of the degrees of freedom that are fitted; beyond the upper end the copula is Gaussian."""
LIGHTEST = 200.0


@dataclass(frozen=True, slots=True)
class TCopula:
    """The copula of M Student variates with these degrees of freedom (infinite: Gaussian)."""

    correlation: Floats
    """(M, M), positive definite."""
    degrees: float

    @property
    def cholesky(self) -> Floats:
        """(M, M) lower triangle; its product with its transpose is the correlation matrix."""
        return np.asarray(np.linalg.cholesky(self.correlation))


def fit_copula(residuals: ArrayLike) -> TCopula:
    """The t copula of residuals (n, M): correlation from Kendall's tau, degrees by maximum pseudo-likelihood.

    Each correlation is sin(π/2·tau), the whole moved to the nearest positive definite matrix, and the degrees
    of freedom maximise the copula's likelihood of the ranks over n + 1. McNeil, Frey, Embrechts: Quantitative
    Risk Management (2015), section 7.5; Genest, Ghoudi, Rivest, Biometrika 82 (1995). One market depends on
    nothing: its copula is Gaussian, with correlation [[1]]. RiskError for fewer than 2 rows.
    """
    x = np.asarray(residuals, dtype=np.float64)
    n, m = x.shape
    if n < 2:
        raise RiskError(f"residuals: at least 2 rows (got {n})")
    correlation = np.eye(m)
    for i in range(m):
        for j in range(i):
            tau = kendalltau(x[:, i], x[:, j]).statistic
            correlation[i, j] = correlation[j, i] = math.sin(math.pi / 2 * tau)
    correlation = nearest_correlation(correlation)
    if m == 1:
        return TCopula(correlation, math.inf)
    uniforms = rankdata(x, axis=0) / (n + 1)
    found = minimize_scalar(
        lambda inverse: -_log_likelihood(uniforms, correlation, 1 / inverse),
        bounds=(1 / LIGHTEST, 1 / HEAVIEST),
        method="bounded",
        options={"xatol": 1e-5},
    )
    gaussian = -found.fun <= _log_likelihood(uniforms, correlation, math.inf)
    return TCopula(correlation, math.inf if gaussian else 1 / float(found.x))


def nearest_correlation(matrix: ArrayLike) -> Floats:
    """The matrix (M, M), or where it is not positive definite one close to it that is.

    Eigenvalues are raised to 1e-6, and rows and columns scaled to a diagonal of 1: algorithm 7.57 of McNeil,
    Frey, Embrechts, Quantitative Risk Management (2015), after Rousseeuw and Molenberghs (1993).
    """
    given = np.asarray(matrix, dtype=np.float64)
    values, vectors = np.linalg.eigh(given)
    if values[0] >= SMALLEST:
        return given
    raised = (vectors * np.maximum(values, SMALLEST)) @ vectors.T
    scale = np.sqrt(np.diag(raised))
    raised = raised / np.outer(scale, scale)
    return np.asarray((raised + raised.T) / 2)


def _log_likelihood(uniforms: Floats, correlation: Floats, nu: float) -> float:
    """Of uniforms (n, M), by the density of the t copula (of the Gaussian for an infinite nu)."""
    n, m = uniforms.shape
    x = ndtri(uniforms) if math.isinf(nu) else stdtrit(nu, uniforms)
    lower = np.linalg.cholesky(correlation)
    distance = (np.linalg.solve(lower, x.T) ** 2).sum(axis=0)
    log_root = float(np.log(np.diag(lower)).sum())
    if math.isinf(nu):
        return float((x**2).sum() / 2 - distance.sum() / 2 - n * log_root)
    constant = gammaln((nu + m) / 2) + (m - 1) * gammaln(nu / 2) - m * gammaln((nu + 1) / 2) - log_root
    joint = -(nu + m) / 2 * np.log1p(distance / nu).sum()
    single = -(nu + 1) / 2 * np.log1p(x**2 / nu).sum()
    return float(n * constant + joint - single)
