"""What one move of the factors would do to a book: who fails, what that costs, and which layers bear it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from weir.risk.inputs.book import Book
from weir.risk.measures.layers import LAYERS, OPEN_INTEREST, split
from weir.risk.simulation.engine import Scenarios
from weir.risk.simulation.exposures import Impact

__all__ = ["Outcome", "outcome"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Outcome:
    """After the cascade that a move sets off. Money is USD."""

    moves: Floats
    """(K,) the factors' own."""
    close_out: Floats
    """(K,) with what closing positions adds to them."""
    costs: Floats
    """(n,) what each account costs the fund."""
    own: float
    """What defaulters' own contributions to the guaranty fund pay before anybody else."""
    reserve: float
    """What the fund's reserve loses as stablecoins leave their par."""
    loss: float
    """What defaults cost the layers."""
    layers: Mapping[str, float]
    """Who bears loss and reserve: skin, junior, senior, mutual, then open interest, which nobody covers."""


def outcome(book: Book, scenarios: Scenarios, impact: Impact, moves: Floats) -> Outcome:
    """Of `moves` (K,), relative changes of the book's factors; `scenarios` are on the book's exposures.

    Market budgets and coinsurance are not looked at: layers bear what they hold. Raises `RiskError` for moves
    that are not finite or below -1.
    """
    exposures = scenarios.exposures
    (loss,), (after,) = scenarios.losses_at(impact, moves[None])
    worth = exposures.notional @ after
    costs = np.maximum(-(exposures.resources + worth), 0)
    own = float((np.maximum(-(exposures.equity + worth), 0) - costs).sum())
    held = np.array([coin.reserve for coin in book.stablecoins.values()])
    reserve = float(-(after[exposures.markets :] @ held))
    (borne,) = split(np.array([loss]), book.fund.layers, np.array([reserve]), own)
    return Outcome(
        moves=moves,
        close_out=after,
        costs=costs,
        own=own,
        reserve=reserve,
        loss=float(loss),
        layers=MappingProxyType(dict(zip((*LAYERS, OPEN_INTEREST), borne.tolist(), strict=True))),
    )
