"""What a keeper may spend, and how it stands with that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from weir.heads import Head

__all__ = ["Limits", "Tally"]


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


@dataclass(slots=True)
class Tally:
    """What has happened since the process began, and how things stand: for metrics and health."""

    head: Head | None = None
    balance: int = 0
    spent: int = 0
    in_flight: int = 0
    limited: bool = False
    poor: bool = False
    dear: bool = False
    replaced: int = 0
    cancelled: int = 0
    reorgs: int = 0
    settled: Counter[tuple[str, str]] = field(default_factory=Counter)
