"""One model for each market, and a copula between them: what the simulation draws from."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from weir.risk.errors import RiskError
from weir.risk.forecast.copula import fit_copula
from weir.risk.forecast.laws import Law
from weir.risk.forecast.models import DEFAULT, Forecast, model_named
from weir.risk.simulation.model import Depeg, FactorModel, QuantileTable

__all__ = ["fit_joint", "fit_markets", "quantile_table"]

Floats = NDArray[np.float64]

POINTS = 4_097
FARTHEST = 1e-18
"""Probability beyond either end of a table: no simulation gets there."""


def fit_markets(markets: Sequence[str], returns: Floats, *, model: str = DEFAULT) -> dict[str, Forecast]:
    """Each market's forecast, from log returns (T, M) as fractions, oldest first.

    RiskError, naming the market, for one that the model can not be fitted to (too short, not finite,
    constant), or whose tail has no mean (a shape of 1 or more); for an unknown model.
    """
    chosen = model_named(model)
    forecasts = {market: chosen.fit(returns[:, k], name=market) for k, market in enumerate(markets)}
    for market, forecast in forecasts.items():
        for side in ("long", "short"):
            if not np.isfinite(forecast.shortfall(0.99, side)):
                raise RiskError(f"{market}: the tail of a {side}'s losses is too heavy to have a mean")
    return forecasts


def fit_joint(
    forecasts: Mapping[str, Forecast], *, steps: int, depeg: Depeg, stablecoins: Sequence[str] = ()
) -> FactorModel:
    """The joint law of markets, at least one, and of stablecoins, over `steps` bars.

    `forecasts`: by market, of one model and the same bars, as `fit_markets` gives them.
    """
    copula = fit_copula(np.column_stack([forecast.residuals for forecast in forecasts.values()]))
    dynamics = [forecast.dynamics for forecast in forecasts.values()]
    return FactorModel(
        factors=(*forecasts, *stablecoins),
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
