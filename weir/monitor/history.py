"""What only the logs tell: since when the tranche gate has been closed and accounts have been insolvent, and
for whom somebody has joined the guaranty fund.

The contracts keep that it is so, not since when. A monitor's own memory would forget at every restart.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from weir.chain import Event
from weir.client import Weir
from weir.heads import WINDOW
from weir.snapshot import Snapshot

__all__ = ["Closure", "Joined", "closure"]

SPAN = 2_000
"""Blocks that are looked at at once."""
SPANS = 10
"""How often; what lies further back is only known to be at least as old as that."""

NAMES = ("InsolvencyMarked", "InsolvencyCleared", "Advanced", "AdvanceRepaid", "AdvanceWrittenOff")
"""Events that close the gate or help to open it."""


class Joined:
    """Accounts that somebody has joined the guaranty fund for, which need not be the vault's. Each block is
    searched once, and those again that may have been replaced.
    """

    def __init__(self) -> None:
        self._of = ""
        self._found: dict[str, None] = {}
        self._until = 0

    def by(self, weir: Weir, block: int) -> tuple[str, ...]:
        """All up to a block, and perhaps some that a reorganisation has taken back."""
        if weir.guaranty.address != self._of or block < self._until:
            self._of, self._found, self._until = weir.guaranty.address, {}, 0
        first = max(weir.deployment.block, self._until - WINDOW)
        for event in weir.chain.logs([weir.guaranty.address], first, block, ["Joined"]):
            self._found[event["account"]] = None
        self._until = block
        return tuple(self._found)


@dataclass(frozen=True, slots=True)
class Closure:
    """Block times, Unix seconds: since when the gate is closed, and accounts are marked insolvent."""

    gate: int
    accounts: dict[str, int]


@dataclass(slots=True)
class _Backwards:
    """What keeps the gate closed, undone event by event; `gate` and `accounts` are block numbers."""

    insolvent: set[str]
    advanced: int
    gate: int | None = None
    accounts: dict[str, int] = field(default_factory=dict)

    def undo(self, event: Event) -> None:
        match event.name:
            case "InsolvencyMarked":
                self.insolvent.discard(event["account"])
                self.accounts.setdefault(event["account"], event.block)
            case "InsolvencyCleared":
                self.insolvent.add(event["account"])
            case "Advanced":
                self.advanced -= event["junior"] + event["senior"]
            case _:
                self.advanced += event["junior"] + event["senior"]
        if self.gate is None and not self.insolvent and not self.advanced:
            self.gate = event.block


def closure(weir: Weir, seen: Snapshot) -> Closure | None:
    """None while the gate is open, which costs nothing to know."""
    if seen.fund.gate_open:
        return None
    marked = {account.address for account in seen.accounts if account.insolvent}
    back = _Backwards(set(marked), seen.fund.advanced_junior + seen.fund.advanced_senior)
    oldest = seen.block
    for first, last in _spans(weir.deployment.block, seen.block):
        for event in reversed(_events(weir, first, last)):
            back.undo(event)
        oldest = first
        if back.gate is not None and marked <= back.accounts.keys():
            break
    gate = oldest if back.gate is None else back.gate
    accounts = {account: back.accounts.get(account, oldest) for account in marked}
    times = {block: int(weir.chain.block(block)["timestamp"], 16) for block in {gate, *accounts.values()}}
    return Closure(times[gate], {account: times[block] for account, block in accounts.items()})


def _spans(first: int, last: int) -> Iterator[tuple[int, int]]:
    """The latest first, back to block `first` or as far as is looked."""
    for end in range(last, max(first - 1, last - SPAN * SPANS), -SPAN):
        yield max(first, end - SPAN + 1), end


def _events(weir: Weir, first: int, last: int) -> list[Event]:
    return weir.chain.logs([weir.clearing_house.address, weir.fund.address], first, last, NAMES)
