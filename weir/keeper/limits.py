"""What a keeper may spend, and how it stands with that."""

from __future__ import annotations

from dataclasses import dataclass

from weir.heads import Head
from weir.keeper.roles import URGENT, Kind
from weir.units import MILLION

__all__ = ["Limits", "Tally"]

_FOR_MONEY = frozenset({Kind.LIQUIDATE, Kind.BUY_COLLATERAL, Kind.BUY_FROM_RESERVE, Kind.SELL_TO_RESERVE})
"""What is done for what it brings; all else is done for the common good."""
GAS_SHARE = 10_000
"""ppm of what is moved for the common good that its gas may cost."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What may be spent: at most `max_fee` (wei) for a unit of gas, and `daily` (wei) in a day of the chain;
    half of that is kept for what is urgent.

    With the chain's own coin at `native_price` (units of S per wei; 0: unknown, and nothing below is looked
    at), gas may cost what an action brings less `min_profit`; where it brings nothing `max_gas_cost`, and no
    more than `GAS_SHARE` of what it moves (units of S).
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

    def of_day(self, kind: Kind) -> int:
        """The most that the day may have cost with an action of this kind, wei."""
        return self.daily if kind in URGENT else self.daily // 2

    def allowed(self, kind: Kind, bounty: int, moves: int | None = None) -> int:
        """What the gas of an action may cost that brings the keeper a bounty, or moves so much for others
        (None: it is not done for that); units of S.
        """
        if kind in _FOR_MONEY:
            return bounty - self.min_profit
        worth_it = self.max_gas_cost if moves is None else moves * GAS_SHARE // MILLION
        return min(self.max_gas_cost, worth_it)

    def too_dear(self, cost: int, kind: Kind, bounty: int, moves: int | None = None) -> str:
        """Why gas for so much (wei) costs more than it may: the action is "too dear" (for what it brings, or
        for any), or moves "too little"; "" where it does not.
        """
        if not self.is_too_dear(cost, self.allowed(kind, bounty, moves)):
            return ""
        return "too dear" if self.is_too_dear(cost, self.allowed(kind, bounty)) else "too little"

    def is_too_dear(self, cost: int, allowed: int) -> bool:
        """Whether gas for so much (wei) costs more than it may."""
        return self.native_price > 0 and cost * self.native_price > allowed


@dataclass(slots=True)
class Tally:
    """What has happened since the process began, and how things stand: for metrics and health. `oldest`:
    seconds, by the chain's clock, for which the lowest nonce that is on its way has been. `limited`: the
    daily limit keeps something from being sent; `halved`: its half, something that is not urgent.
    """

    head: Head | None = None
    balance: int = 0
    spent: int = 0
    in_flight: int = 0
    oldest: int = 0
    limited: bool = False
    halved: bool = False
    poor: bool = False
    dear: bool = False
    replaced: int = 0
    cancelled: int = 0
    reorgs: int = 0
