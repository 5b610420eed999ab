"""What a sizing is made from: book, prices and parameters in the form in which figures are computed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir.risk.errors import RiskError
from weir.risk.forecast.joint import fit_joint, fit_markets
from weir.risk.forecast.models import Forecast
from weir.risk.inputs.book import Book
from weir.risk.inputs.prices import PriceHistory, aligned_returns
from weir.risk.measures.quantiles import paths_needed
from weir.risk.parameters import RiskParameters
from weir.risk.simulation.engine import Scenarios, account_shortfalls, moves
from weir.risk.simulation.exposures import Exposures, Impact
from weir.risk.simulation.model import Depeg, FactorModel
from weir.units import DAY

__all__ = ["LEVELS", "Case", "impact_on", "over"]

Floats = NDArray[np.float64]

ABOUT = 0.02
"""By which a year of horizons may be longer or shorter than a year."""
LEVELS = (0.95, 0.99, 0.995, 0.999)
"""Of VaR and ES, beside that of the target."""


@dataclass(frozen=True)
class Case:
    """Everything that figures are made from."""

    book: Book
    parameters: RiskParameters
    exposures: Exposures
    impact: Impact
    forecasts: Mapping[str, Forecast]
    """By market, of the next bar."""
    model: FactorModel
    """Of all markets and stablecoins over the horizon."""
    returns: Floats
    """(T, M) of the bars that all markets have."""
    bar_days: float
    sizes: dict[str, float]
    """USD of the four layers."""

    @classmethod
    def prepare(cls, book: Book, prices: Mapping[str, PriceHistory], parameters: RiskParameters) -> Case:
        """Fits the model; raises `RiskError` for what does not go together, before anything is simulated."""
        if parameters.paths < (needed := paths_needed(max(*LEVELS, parameters.level), parameters.confidence)):
            raise RiskError(
                f"paths: at least {needed} for a level of {max(*LEVELS, parameters.level):g} "
                f"(got {parameters.paths})"
            )
        if missing := book.markets.keys() - prices.keys():
            raise RiskError(f"prices: no history for {', '.join(sorted(missing))}")
        if unknown := prices.keys() - book.markets.keys():
            known = ", ".join(book.markets)
            raise RiskError(
                f"prices: {', '.join(sorted(unknown))}: not a market of the book, which has {known}"
            )
        for kind, named, known_names in (
            ("impact", parameters.impact, book.markets),
            ("depeg", parameters.depeg, book.stablecoins),
        ):
            if strange := named.keys() - known_names.keys():
                raise RiskError(f"{kind}: {', '.join(sorted(strange))}: not in the book")
        histories = {name: prices[name] for name in book.markets}
        returns = aligned_returns(histories)
        bar_days = next(iter(histories.values())).bar_seconds / DAY
        forecasts = fit_markets(tuple(histories), returns, model=parameters.model)
        bar = fit_joint(
            forecasts,
            steps=1,
            stablecoins=tuple(book.stablecoins),
            depeg=_depeg(book, parameters, bar_days),
        )
        return cls(
            book=book,
            parameters=parameters,
            exposures=book.exposures(),
            impact=impact_on(book, parameters, returns.std(axis=0) / math.sqrt(bar_days)),
            forecasts=forecasts,
            model=over(bar, parameters.horizon_days, bar_days),
            returns=returns,
            bar_days=bar_days,
            sizes=book.fund.layers,
        )

    @property
    def daily_covariance(self) -> Floats:
        """(K, K) of the factors' daily log returns over the whole history; stablecoins do not move in it."""
        found, k = np.zeros((len(self.exposures.factors),) * 2), self.exposures.markets
        found[:k, :k] = np.atleast_2d(np.cov(self.returns, rowvar=False)) / self.bar_days
        return found

    def losses_at(self, changes: Floats, depth: float = 1.0) -> tuple[Floats, Floats]:
        """Of moves (S, K): losses (S,), and the moves after the cascade, with so much of the depth left."""
        return self.scenarios.losses_at(self.impact.thinned(depth), changes)

    @cached_property
    def scenarios(self) -> Scenarios:
        """The book, to ask what given moves cost."""
        return Scenarios(self.exposures)

    def spent(self, losses: Floats) -> Floats:
        """(N,) USD that defaulters' own contributions have paid, on the paths that reach the members."""
        fund, found = self.book.fund, np.zeros(len(losses))
        reserve = sum(coin.reserve for coin in self.book.stablecoins.values())
        reached = np.flatnonzero(losses > fund.assets - reserve)
        if fund.guaranty and len(reached):
            changes = moves(self.exposures, self.model, self.impact, reached, self.parameters.seed)
            found[reached] = np.maximum(account_shortfalls(self.exposures, changes) - losses[reached], 0)
        return found

    def reserve_losses(self, stablecoins: NDArray[np.floating[Any]]) -> Floats:
        """USD (N,) that the fund loses of its stablecoins where they change by (N, A)."""
        held = np.array([coin.reserve for coin in self.book.stablecoins.values()])
        return np.asarray(-(stablecoins.astype(np.float64) @ held))


def over(bar: FactorModel, days: float, bar_days: float) -> FactorModel:
    """The law over so many days, from that of the next bar, which is `bar_days` long.

    Bars follow one another. Raises `RiskError` where they are not a whole number: a part of a bar has no law
    of its own, as the square root of time would take the jumps out of it.
    """
    bars = days / bar_days
    if bars < 1 - 1e-6 or abs(bars - round(bars)) > 1e-6:
        near = dict.fromkeys(max(n, 1) * bar_days for n in (math.floor(bars), math.ceil(bars)))
        told = " or ".join(f"{each:.9g}" for each in near)
        raise RiskError(f"horizon_days: whole bars of the prices, such as {told} (got {days:g})")
    if abs(round(parts := max(days, 1 / days)) / parts - 1) > ABOUT:
        raise RiskError(f"horizon_days: whole days, or about a whole part of one (got {days:g})")
    return replace(bar, steps=round(bars))


def _depeg(book: Book, parameters: RiskParameters, bar_days: float) -> Depeg:
    found = [parameters.depeg_of(name) for name in book.stablecoins]

    def in_a_bar(daily: Floats) -> Floats:
        return np.asarray(1 - (1 - daily) ** bar_days)

    return Depeg(
        base=in_a_bar(np.array([each.probability for each in found])),
        stressed=in_a_bar(np.array([each.stressed for each in found])),
        mean_size=np.array([each.mean_size for each in found]),
        threshold=parameters.crypto_tail,
    )


def impact_on(book: Book, parameters: RiskParameters, volatility: Floats) -> Impact:
    """How closing positions moves the book's markets, whose daily volatilities are (M,)."""
    interest = book.open_interest()
    found = {name: parameters.impact_of(name) for name in book.markets}
    coins = len(book.stablecoins)
    depth = [
        each.depth if each.depth is not None else interest[name] / (each.stress * sigma) ** 2 or math.inf
        for (name, each), sigma in zip(found.items(), volatility.tolist(), strict=True)
    ]
    return Impact(
        depth=np.array([*depth, *[math.inf] * coins]),
        exponent=np.array([*(each.exponent for each in found.values()), *[1.0] * coins]),
        cap=np.array([*(each.cap for each in found.values()), *[0.0] * coins]),
    )
