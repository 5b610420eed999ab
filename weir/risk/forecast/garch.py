"""How the mean and the variance of a return follow from those before it: AR(1)-GARCH(1,1), or neither."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from arch.univariate import ARX, GARCH, ConstantMean
from numba import njit
from numpy.typing import ArrayLike, NDArray

from weir.risk.errors import RiskError

__all__ = ["Dynamics", "fit_flat", "fit_garch"]

Floats = NDArray[np.float64]

FOUND = (0, 8)
"""SLSQP's flags for a maximum; 8, a line search that gains nothing, is usual where alpha + beta is 1."""


@dataclass(frozen=True, slots=True)
class Dynamics:
    """r = mean + ar·r₋₁ + sigma·x, with sigma² = omega + alpha·e₋₁² + beta·sigma₋₁² and e = sigma·x.

    Log returns as fractions (0.01 is 1 %). The fields of one market in `simulation.model.FactorModel`.
    Bollerslev: Generalized autoregressive conditional heteroskedasticity, Journal of Econometrics 31 (1986).
    """

    mean: float
    ar: float
    omega: float
    alpha: float
    beta: float
    last_return: float
    next_variance: float
    """sigma² of the return after the last one."""

    @property
    def next_mean(self) -> float:
        """The expected next return."""
        return self.mean + self.ar * self.last_return

    def forecasts(self, returns: ArrayLike) -> tuple[Floats, Floats, Dynamics]:
        """Means and sigmas, (n,) each, of the n returns to come, each given those before; what follows."""
        r = np.ascontiguousarray(returns, dtype=np.float64)
        if not len(r):
            return np.empty(0), np.empty(0), self
        means = self.mean + self.ar * np.concatenate([[self.last_return], r[:-1]])
        variances = _variances(r - means, self.omega, self.alpha, self.beta, self.next_variance)
        after = replace(self, last_return=float(r[-1]), next_variance=float(variances[-1]))
        return means, np.sqrt(variances[:-1]), after


def fit_flat(returns: ArrayLike) -> tuple[Dynamics, Floats]:
    """No memory: the mean and variance of returns (n,), and the standardised returns (n,)."""
    r = np.asarray(returns, dtype=np.float64)
    mean, variance = float(r.mean()), float(r.var())
    dynamics = Dynamics(mean, 0.0, variance, 0.0, 0.0, float(r[-1]), variance)
    return dynamics, np.asarray((r - mean) / math.sqrt(variance))


def fit_garch(returns: ArrayLike, *, ar: bool = True, name: str = "returns") -> tuple[Dynamics, Floats]:
    """Gaussian quasi-maximum likelihood fit to returns (n,), and the standardised residuals.

    (n - 1,) residuals, from the second return on; without `ar` the mean is constant, and there are n. The
    likelihood is `arch`'s, of the returns over their standard deviation, so that bars of any length are
    fitted alike. RiskError where the optimiser finds no maximum.
    """
    r = np.ascontiguousarray(returns, dtype=np.float64)
    unit = float(r.std())
    mean_model = (
        ARX(r / unit, lags=1, volatility=GARCH(), rescale=False)
        if ar
        else ConstantMean(r / unit, volatility=GARCH(), rescale=False)
    )
    found = mean_model.fit(disp="off", show_warning=False)
    if found.convergence_flag not in FOUND:
        start = [0.0] * (2 if ar else 1) + [0.05, 0.05, 0.9]
        found = mean_model.fit(disp="off", show_warning=False, starting_values=np.array(start))
    if found.convergence_flag not in FOUND:
        raise RiskError(f"{name}: no GARCH(1,1) fits them (optimiser's flag {found.convergence_flag})")
    mean, *slope, omega, alpha, beta = (float(v) for v in np.asarray(found.params))
    error, sigma = float(found.resid[-1]), float(found.conditional_volatility[-1])
    dynamics = Dynamics(
        mean=unit * mean,
        ar=slope[0] if slope else 0.0,
        omega=unit**2 * omega,
        alpha=alpha,
        beta=beta,
        last_return=float(r[-1]),
        next_variance=unit**2 * (omega + alpha * error**2 + beta * sigma**2),
    )
    return dynamics, np.asarray(found.std_resid[int(ar) :], dtype=np.float64)


@njit(cache=True)
def _variances(errors: Floats, omega: float, alpha: float, beta: float, first: float) -> Floats:
    """(n + 1,) variances, from the first error's to that of the one after the last."""
    variances = np.empty(len(errors) + 1)
    variances[0] = first
    for t in range(len(errors)):
        variances[t + 1] = omega + alpha * errors[t] ** 2 + beta * variances[t]
    return variances
