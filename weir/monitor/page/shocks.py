"""What accounts would be worth after a move of prices, in exact integers: the heat map's arithmetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import nsmallest
from math import inf

from weir.states import AccountState, MarketState
from weir.units import MILLION

__all__ = ["SHOCKS", "Cell", "Row", "nearest", "shocked"]

SHOCKS = tuple(range(-300_000, 300_001, 50_000))
"""ppm: the columns of the heat map."""


@dataclass(frozen=True, slots=True)
class Cell:
    """An account after a shock (ppm): exact, in units of the settlement token."""

    shock: int
    equity: Fraction
    margin: Fraction
    """Maintenance margin."""

    @property
    def ratio(self) -> float | None:
        """Equity over maintenance margin: below 1 it can be liquidated. None where nothing is asked for."""
        return float(self.equity / self.margin) if self.margin else None


@dataclass(frozen=True, slots=True)
class Row:
    """An account over the shocks. `distance`: the smallest move of the shocked markets, a fraction with its
    sign, after which its equity is below its maintenance margin; None where none is.
    """

    account: AccountState
    distance: Fraction | None
    cells: tuple[Cell, ...]


def shocked(account: AccountState, markets: Collection[MarketState], shock: int) -> Cell:
    """The account after all these markets have moved by `shock` ppm of their price, and nothing else has."""
    gain, margin = _slopes(account, _ratios(markets))
    move = Fraction(shock, MILLION)
    return Cell(
        shock, account.equity + move * gain, account.maintenance_margin + move * Fraction(margin, MILLION)
    )


def nearest(
    accounts: Iterable[AccountState],
    markets: Collection[MarketState],
    shocks: Sequence[int] = SHOCKS,
    most: int = 20,
) -> tuple[Row, ...]:
    """The accounts that the smallest move of these markets makes liable to liquidation, nearest first.

    Those without a position in them are left out, and those that cannot be priced now.
    """
    ratios = _ratios(markets)
    held = (
        (_distance(account, ratios), account)
        for account in accounts
        if account.priced
        and account.maintenance_margin
        and any(position.market in ratios and position.size for position in account.positions)
    )
    return tuple(
        Row(account, distance and Fraction(*distance), tuple(shocked(account, markets, s) for s in shocks))
        for distance, account in nsmallest(most, held, key=_order)
    )


def _ratios(markets: Iterable[MarketState]) -> dict[int, int]:
    return {market.id: market.maintenance_margin_ratio for market in markets}


def _order(held: tuple[tuple[int, int] | None, AccountState]) -> tuple[float, str]:
    distance, account = held
    return inf if distance is None else abs(distance[0] / distance[1]), account.address


def _slopes(account: AccountState, ratios: Mapping[int, int]) -> tuple[int, int]:
    """What equity (units) and maintenance margin (millionths of them) gain as prices double."""
    gain = margin = 0
    for position in account.positions:
        if position.live and position.market in ratios:
            gain += position.notional if position.size > 0 else -position.notional
            margin += position.notional * ratios[position.market]
    return gain, margin


def _distance(account: AccountState, ratios: Mapping[int, int]) -> tuple[int, int] | None:
    """`Row.distance` as numerator and denominator: there may be very many accounts."""
    spare = account.equity - account.maintenance_margin
    if spare < 0:
        return 0, 1
    gain, margin = _slopes(account, ratios)
    slope = margin - MILLION * gain
    # A price can't fall by more than all of itself.
    return (MILLION * spare, slope) if slope > 0 or MILLION * spare < -slope else None
