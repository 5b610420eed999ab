"""What if: a move of prices, asked of the risk engine on the book of now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np

from weir.risk.inputs.book import Book
from weir.risk.parameters import RiskParameters
from weir.risk.simulation.engine import Scenarios
from weir.risk.simulation.exposures import Impact
from weir.risk.sizing.case import impact_on
from weir.risk.stress.library import Scenario, apply, library
from weir.risk.stress.outcome import Outcome, outcome

__all__ = ["VOLATILITIES", "Choice", "Defaulter", "Result", "ask", "chosen", "scenario"]

VOLATILITIES: Mapping[float, str] = MappingProxyType(
    {
        0.0: "none: positions close at the shocked price",
        0.02: "deep: 2% of daily volatility",
        0.04: "usual: 4% of daily volatility",
        0.08: "thin: 8% of daily volatility",
    }
)
"""How far closing positions moves prices: by the square-root law at this daily volatility."""
USUAL = 0.04


@dataclass(frozen=True, slots=True)
class Choice:
    """A move by factor (relative changes; those that are missing stay), and how thin markets are.

    `scenario` is the name of the one it comes from, as long as nobody has changed it; it says what is left of
    the markets' `depth`.
    """

    moves: Mapping[str, float] = field(default_factory=dict)
    volatility: float = USUAL
    depth: float = 1.0
    scenario: str | None = None

    @property
    def empty(self) -> bool:
        """Nothing moves."""
        return not any(self.moves.values())

    def moved(self, factor: str, change: float) -> Choice:
        """With another move of one factor: nobody's scenario any more."""
        if self.moves.get(factor, 0.0) == change:
            return self
        return replace(self, moves={**self.moves, factor: change}, scenario=None)


@dataclass(frozen=True, slots=True)
class Defaulter:
    """An account that costs the fund something, with what it is (USD), and its equity now."""

    account: str
    cost: float
    equity: float


@dataclass(frozen=True, slots=True)
class Result:
    """What the engine answers, on the book of a block; `sizes` are what each layer has now, USD."""

    choice: Choice
    block: int
    outcome: Outcome
    sizes: Mapping[str, float]
    factors: tuple[str, ...]
    liquidated: int
    """Accounts below their maintenance margin after the cascade."""
    defaulters: tuple[Defaulter, ...]
    """The dearest first."""


def scenario(name: str) -> Scenario:
    """The built-in one of this name; raises `LookupError`."""
    for each in library():
        if each.name == name:
            return each
    raise LookupError(f"no scenario {name!r}")


def chosen(name: str, book: Book, volatility: float) -> Choice:
    """What a built-in scenario would do to the factors of a book."""
    found = scenario(name)
    moves = apply(found, tuple(book.markets), tuple(book.stablecoins), book.open_interest())
    return Choice(dict(zip(book.factors, moves.tolist(), strict=True)), volatility, found.depth, name)


def ask(book: Book, choice: Choice) -> Result:
    """The engine's answer. Raises `RiskError` for moves that make no sense."""
    exposures = book.exposures()
    moves = np.array([choice.moves.get(name, 0.0) for name in book.factors], dtype=np.float64)
    found = outcome(book, Scenarios(exposures), impact(book, choice), moves)
    worth = exposures.equity + exposures.notional @ found.close_out
    below = worth < exposures.margin @ (1 + found.close_out)
    dearest = [i for i in np.argsort(-found.costs, kind="stable").tolist() if found.costs[i] > 0]
    return Result(
        choice=choice,
        block=book.source.block if book.source else 0,
        outcome=found,
        sizes=book.fund.layers,
        factors=book.factors,
        liquidated=int(below.sum()),
        defaulters=tuple(
            Defaulter(exposures.accounts[i], float(found.costs[i]), float(exposures.equity[i]))
            for i in dearest
        ),
    )


def impact(book: Book, choice: Choice) -> Impact:
    """How closing positions moves prices under a choice."""
    volatility = np.full(len(book.markets), choice.volatility or 1.0)
    found = impact_on(book, RiskParameters(), volatility).thinned(choice.depth)
    return found if choice.volatility else replace(found, cap=np.zeros_like(found.cap))
