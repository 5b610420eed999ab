"""Figures of the simulated losses: VaR and ES, the exceedance curve, what each layer bears."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from weir.risk.forecast.semiparametric import SemiParametric
from weir.risk.measures.intervals import probability
from weir.risk.measures.layers import layer_risks
from weir.risk.measures.quantiles import exceedance_curve, tail_risks, value_at_risk
from weir.risk.memo import Estimate, ExceedanceCurve, LayerRow, Liquidations, MarketRow, RiskMeasure
from weir.risk.simulation.model import FactorModel
from weir.risk.sizing.case import LEVELS, Case

__all__ = ["dependence", "estimate", "exceedance", "layers", "liquidations", "markets", "measures"]

Floats = NDArray[np.float64]


class _Interval(Protocol):
    @property
    def value(self) -> float: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def estimate(found: _Interval) -> Estimate:
    """The same for a memo."""
    return Estimate(value=found.value, low=found.low, high=found.high)


def measures(case: Case, losses: Floats) -> tuple[RiskMeasure, ...]:
    """VaR and ES of losses (N,), USD, at `LEVELS` and the target's, with intervals."""
    levels = sorted({*LEVELS, case.parameters.level})
    return tuple(
        RiskMeasure(
            level=each.level,
            horizon_days=case.parameters.horizon_days,
            var=estimate(each.var),
            es=Estimate(value=each.es.value, low=max(each.es.low, 0.0), high=each.es.high),
        )
        for each in tail_risks(losses, levels, case.parameters.confidence)
    )


def exceedance(losses: Floats, confidence: float) -> ExceedanceCurve:
    """The curve of losses (N,), USD, with its band at this confidence."""
    curve = exceedance_curve(losses, confidence)
    return ExceedanceCurve(
        losses=tuple(curve.loss.tolist()),
        probability=tuple(curve.probability.tolist()),
        low=tuple(curve.low.tolist()),
        high=tuple(curve.high.tolist()),
    )


def markets(case: Case) -> tuple[MarketRow, ...]:
    """Each market with the forecast of its next return; losses are fractions of a long's notional."""
    interest = case.book.open_interest()
    found = []
    for k, (name, market) in enumerate(case.book.markets.items()):
        forecast = case.forecasts[name]
        tail = forecast.law.lower if isinstance(forecast.law, SemiParametric) else None
        found.append(
            MarketRow(
                market=name,
                price=market.price,
                open_interest=interest[name],
                volatility=float(np.sqrt(_horizon_variance(case.model, k))),
                var_99=-float(np.expm1(-forecast.quantile(0.99))),
                es_99=-float(np.expm1(-forecast.shortfall(0.99))),
                tail_shape=tail.shape if tail else None,
                tail_shape_error=tail.shape_error if tail and math.isfinite(tail.shape_error) else None,
            )
        )
    return tuple(found)


def _horizon_variance(model: FactorModel, k: int) -> float:
    """Of the log return over the steps: each step's GARCH variance, with what the AR makes of it later."""
    variance, total, ar = float(model.next_variance[k]), 0.0, float(model.ar[k])
    for left in range(model.steps, 0, -1):
        total += variance * ((1 - ar**left) / (1 - ar)) ** 2
        variance = float(model.omega[k] + (model.alpha[k] + model.beta[k]) * variance)
    return total


def dependence(model: FactorModel) -> str:
    """The copula in words: its degrees of freedom, and each pair's correlation."""
    correlation = model.cholesky @ model.cholesky.T
    markets = model.factors[: len(model.mean)]
    kind = "Gaussian" if math.isinf(model.degrees) else f"t, {model.degrees:.1f} degrees of freedom"
    pairs = [
        f"{markets[i]} and {markets[j]} {correlation[i, j]:.2f}"
        for i in range(len(markets))
        for j in range(i)
    ]
    return f"copula: {kind}" + (f"; correlations: {', '.join(pairs)}" if pairs else "")


def layers(case: Case, losses: Floats, stablecoins: NDArray[np.float32]) -> tuple[LayerRow, ...]:
    """What layers bear of losses (N,), USD, and of stablecoins' changes (N, A), and their premiums a year."""
    days = case.parameters.horizon_days
    found = layer_risks(
        losses,
        case.sizes,
        days,
        reserve_losses=case.reserve_losses(stablecoins),
        spent=case.spent(losses),
        sharpe=case.parameters.sharpe,
        confidence=case.parameters.confidence,
    )
    rows = []
    for risk in found:
        bounded = math.isfinite(risk.size)
        fair = risk.expected_loss * 365 / days
        loaded = fair if risk.loaded_premium is None else risk.loaded_premium * risk.size
        rows.append(
            LayerRow(
                layer=risk.name,
                size=risk.size if bounded else None,
                attachment=estimate(risk.attachment),
                exhaustion=estimate(risk.exhaustion) if bounded else None,
                expected_loss=risk.expected_loss,
                expected_loss_error=risk.error,
                fair_premium=fair,
                loaded_premium=loaded,
            )
        )
    return tuple(rows)


def liquidations(case: Case, closed_out: Floats) -> Liquidations:
    """Of what is closed out on each path (N,), USD."""
    p = case.parameters
    hits = int((closed_out > 0).sum())
    return Liquidations(
        probability=estimate(probability(hits, len(closed_out), p.confidence)),
        mean=float(closed_out.mean()),
        level=p.level,
        most=value_at_risk(closed_out, p.level),
    )
