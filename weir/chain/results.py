"""What a chain answers: events, and receipts of transactions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

__all__ = ["Event", "Receipt"]


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log: `arguments` by their names in the ABI, structs as mappings."""

    name: str
    arguments: Mapping[str, Any]
    address: str
    block: int
    block_hash: str
    log_index: int
    transaction: str

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction in a block.

    `events` in order, logs of unknown contracts left out; gas price in wei; `contract` is what it created;
    `l1_fee`, wei, is what rollups of the OP stack take beside its gas for its data on L1. Not `succeeded`: it
    reverted, and only these were paid.
    """

    transaction: str
    sender: str
    block: int
    gas_used: int
    gas_price: int
    events: tuple[Event, ...]
    contract: str | None = None
    block_hash: str = ""
    succeeded: bool = True
    l1_fee: int = 0

    @property
    def fee(self) -> int:
        """What it has cost its sender, wei."""
        return self.gas_used * self.gas_price + self.l1_fee

    def named(self, name: str) -> tuple[Event, ...]:
        """The events of this name."""
        return tuple(event for event in self.events if event.name == name)

    def event(self, name: str) -> Event:
        """The one event of this name; raises `LookupError` where there is none or there are several."""
        found = self.named(name)
        if len(found) != 1:
            raise LookupError(f"{len(found)} events {name!r} in {self.transaction}")
        return found[0]
