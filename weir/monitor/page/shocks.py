"""What accounts would be worth after a move of prices, in exact integers: the heat map's arithmetic."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from heapq import nsmallest

from weir.client import AccountState, MarketState

__all__ = ["SHOCKS", "Cell", "Row", "nearest", "shocked"]

MILLION = 10**6
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
    gain, margin = _slopes(account, markets)
    move = Fraction(shock, MILLION)
    return Cell(shock, account.equity + move * gain, account.maintenance_margin + move * margin)


def nearest(
    accounts: Iterable[AccountState],
    markets: Collection[MarketState],
    shocks: Sequence[int] = SHOCKS,
    most: int = 20,
) -> tuple[Row, ...]:
    """The accounts that the smallest move of these markets makes liable to liquidation, nearest first.

    Those without a position in them are left out, and those that cannot be priced now.
    """
    ids = {market.id for market in markets}
    held = (
        (account, _distance(account, markets))
        for account in accounts
        if account.priced
        and account.maintenance_margin
        and any(position.market in ids and position.size for position in account.positions)
    )
    return tuple(
        Row(account, distance, tuple(shocked(account, markets, shock) for shock in shocks))
        for account, distance in nsmallest(most, held, key=_order)
    )


def _order(held: tuple[AccountState, Fraction | None]) -> tuple[bool, Fraction, str]:
    account, distance = held
    return distance is None, abs(distance or Fraction(0)), account.address


def _slopes(account: AccountState, markets: Collection[MarketState]) -> tuple[int, Fraction]:
    """What equity and maintenance margin gain as prices double."""
    ratios = {market.id: market.maintenance_margin_ratio for market in markets}
    held = [each for each in account.positions if each.market in ratios and each.live]
    gain = sum(each.notional if each.size > 0 else -each.notional for each in held)
    margin = Fraction(sum(each.notional * ratios[each.market] for each in held), MILLION)
    return gain, margin


def _distance(account: AccountState, markets: Collection[MarketState]) -> Fraction | None:
    spare = account.equity - account.maintenance_margin
    if spare < 0:
        return Fraction(0)
    gain, margin = _slopes(account, markets)
    if gain == margin:
        return None
    move = Fraction(spare) / (margin - gain)
    return move if move > -1 else None
