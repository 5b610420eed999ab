"""The forecasting models: dynamics of a return, and a law of its standardised residual."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.risk.errors import RiskError
from weir.risk.forecast.garch import Dynamics, fit_flat, fit_garch
from weir.risk.forecast.laws import Empirical, Law, Normal, Student
from weir.risk.forecast.semiparametric import SemiParametric

__all__ = [
    "DEFAULT",
    "MODELS",
    "Forecast",
    "Model",
    "Side",
    "checked",
    "model_named",
    "tail_mean",
    "tail_quantile",
]

Floats = NDArray[np.float64]
Side = Literal["long", "short"]

DEFAULT = "garch-evt"


@dataclass(frozen=True, slots=True)
class Forecast:
    """The law of the next log return: `dynamics.next_mean + sqrt(dynamics.next_variance)·x`, x from `law`.

    Losses are of one unit of exposure, by the log return: minus it for a long, it for a short.
    """

    dynamics: Dynamics
    law: Law
    residuals: Floats
    """(n,) standardised, those that the law was fitted to; the last belongs to the last return."""

    def quantile(self, level: ArrayLike, side: Side = "long") -> Floats:
        """Value at risk, the loss not exceeded with probability `level` (0.99), of any shape."""
        return self._loss(tail_quantile(self.law, level, side), side)

    def shortfall(self, level: ArrayLike, side: Side = "long") -> Floats:
        """Expected shortfall, the mean of the worst share 1 - level of losses; infinite without a mean."""
        return self._loss(tail_mean(self.law, level, side), side)

    @property
    def _sigma(self) -> float:
        return float(np.sqrt(self.dynamics.next_variance))

    def _loss(self, residual: Floats, side: Side) -> Floats:
        sign = -1 if side == "long" else 1
        return np.asarray(sign * self.dynamics.next_mean + self._sigma * residual)


def tail_quantile(law: Law, level: ArrayLike, side: Side) -> Floats:
    """The quantile of the loss of one sigma: that of -x for a long, of x for a short."""
    p = 1 - np.asarray(level, dtype=np.float64)
    return -law.ppf(p) if side == "long" else law.isf(p)


def tail_mean(law: Law, level: ArrayLike, side: Side) -> Floats:
    """Expected shortfall of the loss of one sigma."""
    p = 1 - np.asarray(level, dtype=np.float64)
    return -law.lower_mean(p) if side == "long" else law.upper_mean(p)


@dataclass(frozen=True, slots=True)
class Model:
    """A way to forecast: whether volatility has memory, and how the law of the residuals is found."""

    name: str
    about: str
    dynamics: Callable[[Floats, str], tuple[Dynamics, Floats]]
    """From returns and their name: the dynamics, and the standardised residuals."""
    law: Callable[[Floats, str], Law]
    """From residuals and their name."""
    fewest: int
    """Returns that a fit needs at least."""

    def fit(self, returns: ArrayLike, *, name: str = "returns") -> Forecast:
        """The forecast for the return after the last of returns (n,), oldest first.

        RiskError, with `name` in it, for too short a history, a value that is not finite, or a constant
        series.
        """
        r = checked(returns, fewest=self.fewest, model=self.name, name=name)
        dynamics, residuals = self.dynamics(r, name)
        return Forecast(dynamics, self.law(residuals, name), residuals)


def checked(returns: ArrayLike, *, fewest: int, model: str, name: str) -> Floats:
    """Returns (n,) that a model can be fitted to."""
    r = np.ascontiguousarray(returns, dtype=np.float64)
    if r.ndim != 1:
        raise RiskError(f"{name}: returns in one dimension belong there (got shape {r.shape})")
    if len(r) < fewest:
        raise RiskError(f"{name}: {len(r)} returns, {model} needs at least {fewest}")
    if not np.isfinite(r).all():
        raise RiskError(f"{name}: return {int(np.argmin(np.isfinite(r)))} is not a finite number")
    if r.std() <= 1e-12 * np.abs(r).max() or r.std() == 0:
        raise RiskError(f"{name}: all returns are the same ({r[0]:g})")
    return r


def _flat(returns: Floats, _name: str) -> tuple[Dynamics, Floats]:
    return fit_flat(returns)


def _garch(returns: Floats, name: str) -> tuple[Dynamics, Floats]:
    return fit_garch(returns, name=name)


def _empirical(residuals: Floats, _name: str) -> Law:
    return Empirical.fit(residuals)


def _normal(_residuals: Floats, _name: str) -> Law:
    return Normal()


def _student(residuals: Floats, _name: str) -> Law:
    return Student.fit(residuals)


def _pareto(residuals: Floats, name: str) -> Law:
    return SemiParametric.fit(residuals, name=name)


MODELS = {
    model.name: model
    for model in (
        Model("historical", "past returns, equally likely (historical simulation)", _flat, _empirical, 100),
        Model("normal", "normal, constant variance", _flat, _normal, 100),
        Model("student-t", "Student's t, constant variance", _flat, _student, 100),
        Model("evt", "empirical body, Pareto tails, constant variance", _flat, _pareto, 250),
        Model("garch-normal", "AR(1)-GARCH(1,1), normal residuals", _garch, _normal, 250),
        Model("garch-t", "AR(1)-GARCH(1,1), Student's t residuals", _garch, _student, 250),
        # McNeil, Frey, Journal of Empirical Finance 7 (2000)
        Model("garch-evt", "AR(1)-GARCH(1,1), residuals with Pareto tails", _garch, _pareto, 250),
    )
}


def model_named(name: str) -> Model:
    """The model of that name; RiskError for an unknown one."""
    if name not in MODELS:
        raise RiskError(f"model: one of {', '.join(MODELS)} (got {name})")
    return MODELS[name]
