"""Forecasts of each bar of a history from those before it, and how they held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.risk.backtest.coverage import (
    SIGNIFICANCE,
    Test,
    Zone,
    acerbi_szekely,
    christoffersen,
    conditional_coverage,
    kupiec,
    traffic_light,
)
from weir.risk.errors import RiskError
from weir.risk.forecast.laws import Law
from weir.risk.forecast.models import DEFAULT, Model, Side, checked, model_named, tail_mean, tail_quantile

__all__ = ["LEAST_FORECASTS", "Backtest", "Result", "backtest"]

Floats = NDArray[np.float64]
Times = NDArray[np.datetime64]

DRAWS = 2_000
"""Histories that the p-value of Z2 is simulated from: its standard error near 5 % is half a percent."""
LEAST_FORECASTS = 30
YEAR = 250
"""Forecasts that the traffic light looks back on."""


@dataclass(frozen=True, slots=True)
class Result:
    """One model at one level, for one side, over n forecasts."""

    model: str
    side: Side
    level: float
    var: Floats
    """(n,) value at risk forecast for each bar: a loss by log return, as a fraction."""
    shortfall: Floats
    """(n,) expected shortfall, likewise."""
    hits: NDArray[np.bool_]
    """(n,) whether the loss went beyond the value at risk."""
    coverage: Test
    """Kupiec."""
    independence: Test
    """Christoffersen."""
    conditional: Test
    """Both at once."""
    z2: Test
    """Acerbi and Székely; its p-value is one-sided, against too small a shortfall."""
    zone: Zone
    """Traffic light over the last 250 forecasts, or all where there are fewer."""

    @property
    def exceptions(self) -> int:
        """Bars with a loss beyond the value at risk."""
        return int(self.hits.sum())

    @property
    def expected(self) -> float:
        """Exceptions to be expected of a right model."""
        return len(self.hits) * (1 - self.level)

    @property
    def p_values(self) -> dict[str, float]:
        """By name of test."""
        return {
            "kupiec": self.coverage.p_value,
            "independence": self.independence.p_value,
            "conditional": self.conditional.p_value,
            "z2": self.z2.p_value,
        }

    def rejected(self) -> tuple[str, ...]:
        """Names of the tests that reject it."""
        return tuple(name for name, p in self.p_values.items() if p < SIGNIFICANCE)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What `backtest` found: one result for each model, side and level, in that order."""

    times: Times
    """(n,) of the bars forecast."""
    returns: Floats
    """(n,) their log returns."""
    window: int
    refit: int
    results: tuple[Result, ...]

    def as_dict(self) -> dict[str, Any]:
        """All but the series of forecasts, ready for JSON; times in ISO 8601, losses as fractions."""
        return {
            "window": self.window,
            "refit": self.refit,
            "observations": len(self.returns),
            "first": str(self.times[0]),
            "last": str(self.times[-1]),
            "results": [self._result(result) for result in self.results],
        }

    def _result(self, result: Result) -> dict[str, Any]:
        losses = _losses(self.returns, result.side)
        return {
            "model": result.model,
            "side": result.side,
            "level": result.level,
            "exceptions": result.exceptions,
            "expected": result.expected,
            "p_values": result.p_values,
            "statistics": {
                "kupiec": result.coverage.statistic,
                "independence": result.independence.statistic,
                "conditional": result.conditional.statistic,
                "z2": result.z2.statistic,
            },
            "zone": result.zone,
            "dates": [
                {"time": str(self.times[i]), "loss": float(losses[i]), "var": float(result.var[i])}
                for i in np.flatnonzero(result.hits)
            ],
        }


def backtest(
    times: ArrayLike,
    closes: ArrayLike,
    *,
    models: Sequence[str] = (DEFAULT,),
    levels: Sequence[float] = (0.95, 0.99, 0.995),
    sides: Sequence[Side] = ("long",),
    window: int = 1_000,
    refit: int = 20,
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
) -> Backtest:
    """One-step forecasts over a history, each from the `window` returns before the last refit and any later.

    `times`: (T,) of the bars, datetime64 or seconds since 1970, ascending; `closes`: (T,) prices above 0.
    Models are fitted anew every `refit` bars; in between only mean and variance follow the returns.
    `progress` is called with the refits done and how many there are. The same arguments give the same result.

    RiskError for a bad price or time, an unknown model, a history without 30 bars to forecast, or one that a
    model can not be fitted to.
    """
    stamps, prices = _history(times, closes)
    chosen = {name: model_named(name) for name in models}
    if refit < 1:
        raise RiskError(f"refit: at least 1 bar (got {refit})")
    for level in levels:
        if not 0.5 < level < 1:
            raise RiskError(f"level: above 0.5 and below 1 (got {level:g})")
    returns = np.diff(np.log(prices))
    if len(returns) < window + LEAST_FORECASTS:
        least = window + LEAST_FORECASTS + 1
        raise RiskError(f"closes: {len(prices)} bars; a window of {window} needs at least {least}")

    ahead = returns[window:]
    tracks = {(name, side): _Track(len(ahead), side, levels, seed) for name in chosen for side in sides}
    starts = range(0, len(ahead), refit)
    for done, start in enumerate(starts):
        past, block = returns[start : start + window], ahead[start : start + refit]
        for name, law, means, sigmas in _forecasts(chosen, past, block, stamps[start + window]):
            for side in sides:
                tracks[name, side].add(start, law, means, sigmas)
        if progress is not None:
            progress(done + 1, len(starts))
    results = (result for (name, _), track in tracks.items() for result in track.results(name, ahead))
    return Backtest(stamps[window + 1 :], ahead, window, refit, tuple(results))


def _forecasts(
    models: dict[str, Model], past: Floats, block: Floats, now: np.datetime64
) -> Iterator[tuple[str, Law, Floats, Floats]]:
    """Each model's law, means and sigmas for the block; models with the same dynamics share their fit."""
    name = f"returns up to {now}"
    fitted = {}
    for model in models.values():
        returns = checked(past, fewest=model.fewest, model=model.name, name=name)
        if model.dynamics not in fitted:
            dynamics, residuals = model.dynamics(returns, name)
            means, sigmas, _ = dynamics.forecasts(block)
            fitted[model.dynamics] = residuals, means, sigmas
        residuals, means, sigmas = fitted[model.dynamics]
        yield model.name, model.law(residuals, name), means, sigmas


class _Track:
    """One model's forecasts for one side, and histories drawn from them to judge Z2 by."""

    def __init__(self, n: int, side: Side, levels: Sequence[float], seed: int) -> None:
        self.side = side
        self.levels = levels
        self.var = np.empty((len(levels), n))
        self.shortfall = np.empty((len(levels), n))
        self.sums = np.zeros((len(levels), DRAWS))
        """Of loss over shortfall where beyond the value at risk, in each history drawn."""
        self.random = np.random.default_rng(seed)

    def add(self, start: int, law: Law, means: Floats, sigmas: Floats) -> None:
        """Takes forecasts in, from bar `start` on."""
        centre = _losses(means, self.side)
        ranks = 1 - self.random.random((DRAWS, len(means)))  # above 0
        draw, bar = np.nonzero(ranks < 1 - min(self.levels))
        rank = ranks[draw, bar]
        losses = centre[bar] + sigmas[bar] * tail_quantile(law, 1 - rank, self.side)
        for k, level in enumerate(self.levels):
            part = slice(start, start + len(means))
            self.var[k, part] = centre + sigmas * tail_quantile(law, level, self.side)
            self.shortfall[k, part] = centre + sigmas * tail_mean(law, level, self.side)
            hit = losses > self.var[k, part][bar]
            ratios = losses[hit] / self.shortfall[k, part][bar[hit]]
            self.sums[k] += np.bincount(draw[hit], ratios, DRAWS)

    def results(self, model: str, returns: Floats) -> Iterator[Result]:
        """One for each level."""
        losses = _losses(returns, self.side)
        for k, level in enumerate(self.levels):
            var, shortfall = self.var[k], self.shortfall[k]
            hits = losses > var
            recent = hits[-YEAR:]
            z2 = float(acerbi_szekely(losses, var, shortfall, level))
            drawn = 1 - self.sums[k] / (len(losses) * (1 - level))
            yield Result(
                model,
                self.side,
                level,
                var,
                shortfall,
                hits,
                kupiec(int(hits.sum()), len(hits), level),
                christoffersen(hits),
                conditional_coverage(hits, level),
                Test(z2, float((1 + (drawn <= z2).sum()) / (1 + DRAWS))),
                traffic_light(int(recent.sum()), len(recent), level)[0],
            )


def _history(times: ArrayLike, closes: ArrayLike) -> tuple[Times, Floats]:
    stamps = np.asarray(times)
    if not np.issubdtype(stamps.dtype, np.datetime64):
        stamps = stamps.astype("datetime64[s]")
    prices = np.asarray(closes, dtype=np.float64)
    if prices.ndim != 1 or stamps.shape != prices.shape:
        raise RiskError(f"closes: one for each of {stamps.shape} times (got shape {prices.shape})")
    if not (np.diff(stamps) > np.timedelta64(0)).all():
        raise RiskError("times: each later than the one before")
    bad = np.flatnonzero(~(np.isfinite(prices) & (prices > 0)))
    if len(bad):
        raise RiskError(f"closes: above 0 (got {prices[bad[0]]:g} at {stamps[bad[0]]})")
    return stamps, prices


def _losses(returns: Floats, side: Side) -> Floats:
    return -returns if side == "long" else returns
