"""One model for each market, and a copula between them: what the simulation draws from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from weir.risk.errors import RiskError
from weir.risk.forecast.copula import fit_copula
from weir.risk.forecast.laws import Law
from weir.risk.forecast.models import DEFAULT, model_named
from weir.risk.simulation.model import Depeg, FactorModel, QuantileTable

__all__ = ["fit_joint", "quantile_table"]

Floats = NDArray[np.float64]

POINTS = 4_097
FARTHEST = 1e-18
"""Probability beyond either end of a table: no simulation gets there."""


def fit_joint(
    returns: Mapping[str, ArrayLike],
    *,
    steps: int,
    depeg: Depeg,
    stablecoins: Sequence[str] = (),
    model: str = DEFAULT,
) -> FactorModel:
    """The joint law of the markets, in the order of `returns`, and of stablecoins, over `steps` bars.

    `returns`: (T,) log returns of each market as fractions, oldest first, the same bars for all; NaN before a
    market was listed. Each market is fitted to all that it has, the copula to the bars that all have.

    RiskError, naming the market, for one that the model can not be fitted to (too short, a gap, constant), or
    whose tail has no mean (a shape of 1 or more); for an unknown model; for no market.
    """
    chosen = model_named(model)
    listed = _listed(returns)
    forecasts = {market: chosen.fit(history, name=market) for market, history in listed.items()}
    for market, forecast in forecasts.items():
        for side in ("long", "short"):
            if not np.isfinite(forecast.shortfall(0.99, side)):
                raise RiskError(f"{market}: the tail of a {side}'s losses is too heavy to have a mean")
    shared = min(len(forecast.residuals) for forecast in forecasts.values())
    copula = fit_copula(np.column_stack([f.residuals[-shared:] for f in forecasts.values()]))
    dynamics = [forecast.dynamics for forecast in forecasts.values()]
    return FactorModel(
        factors=(*returns, *stablecoins),
        steps=steps,
        mean=np.array([d.mean for d in dynamics]),
        ar=np.array([d.ar for d in dynamics]),
        omega=np.array([d.omega for d in dynamics]),
        alpha=np.array([d.alpha for d in dynamics]),
        beta=np.array([d.beta for d in dynamics]),
        last_return=np.array([d.last_return for d in dynamics]),
        next_variance=np.array([d.next_variance for d in dynamics]),
        cholesky=copula.cholesky,
        degrees=copula.degrees,
        table=quantile_table([forecast.law for forecast in forecasts.values()], copula.degrees),
        depeg=depeg,
    )


def quantile_table(laws: Sequence[Law], degrees: float) -> QuantileTable:
    """What each law makes of a Student variate with these degrees of freedom (infinite: a normal one).

    Either half is read from its own end, so that tails keep their digits. The grid ends where a variate goes
    beyond it with probability 1e-18, at most at asinh(w) = ±16.
    """
    farthest = ndtri(FARTHEST) if math.isinf(degrees) else stdtrit(degrees, FARTHEST)
    reach = min(16.0, float(np.arcsinh(-farthest)))
    below = np.sinh(np.linspace(-reach, 0, POINTS // 2 + 1))
    p = ndtr(below) if math.isinf(degrees) else stdtr(degrees, below)
    values = [np.concatenate([law.ppf(p), law.isf(p[-2::-1])]) for law in laws]
    return QuantileTable(reach, np.vstack(values))


def _listed(returns: Mapping[str, ArrayLike]) -> dict[str, Floats]:
    """Each market's returns from its first on."""
    histories = {market: np.asarray(history, dtype=np.float64) for market, history in returns.items()}
    if not histories:
        raise RiskError("returns: of at least one market")
    shape = next(iter(histories.values())).shape
    for market, history in histories.items():
        if history.shape != shape:
            raise RiskError(f"{market}: returns of shape {history.shape}, where other markets have {shape}")
    return {
        market: history[np.logical_or.accumulate(~np.isnan(history))] for market, history in histories.items()
    }
