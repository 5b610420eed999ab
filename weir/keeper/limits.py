"""What a keeper may spend, and how it stands with that."""

from __future__ import annotations

from dataclasses import dataclass

from weir.heads import Head
from weir.keeper.roles import Kind

__all__ = ["Limits", "Tally"]

_FOR_MONEY = frozenset({Kind.LIQUIDATE, Kind.BUY_COLLATERAL, Kind.BUY_FROM_RESERVE, Kind.SELL_TO_RESERVE})
"""What is done for what it brings; all else is done for the common good."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent: at most `max_fee` (wei) for a unit of gas, and `daily` (wei) in a day of the chain.

    With the chain's own coin at `native_price` (units of S per wei; 0: unknown, and nothing below is looked
    at), gas may cost what an action brings less `min_profit`, or `max_gas_cost` where it brings nothing
    (units of S).
    """

    max_fee: int
    daily: int
    native_price: float = 0.0
    min_profit: int = 0
    max_gas_cost: int = 0

    @property
    def action_fee(self) -> int:
        """The most that an action pays for a unit of gas: an empty transaction must be able to pay more."""
        return self.max_fee * 8 // 9

    def allowed(self, kind: Kind, bounty: int) -> int:
        """What the gas of an action may cost, units of S."""
        return bounty - self.min_profit if kind in _FOR_MONEY else self.max_gas_cost

    def is_too_dear(self, cost: int, allowed: int) -> bool:
        """Whether gas for so much (wei) costs more than it may."""
        return self.native_price > 0 and cost * self.native_price > allowed


@dataclass(slots=True)
class Tally:
    """What has happened since the process began, and how things stand: for metrics and health. `oldest`:
    seconds, by the chain's clock, for which the lowest nonce that is on its way has been.
    """

    head: Head | None = None
    balance: int = 0
    spent: int = 0
    in_flight: int = 0
    oldest: int = 0
    limited: bool = False
    poor: bool = False
    dear: bool = False
    replaced: int = 0
    cancelled: int = 0
    reorgs: int = 0
