"""The history of a run: the contracts' events and the blocks they are in."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from functools import cached_property
from typing import Any

from weir.chain import Event, pages
from weir.client import Weir
from weir.parameters import from_units

__all__ = ["History", "whole"]

_BATCH = 200


class History:
    """The events of the vault, the clearing house, both funds and the policy, in order, from one block to
    another.
    """

    def __init__(self, weir: Weir, first: int, last: int) -> None:
        self.weir = weir
        self.first = first
        self.last = last
        self.contracts = (weir.vault, weir.clearing_house, weir.fund, weir.guaranty, weir.policy)
        self.symbols = tuple(market.symbol for market in weir.deployment.markets)
        self.events = weir.chain.logs([contract.address for contract in self.contracts], first, last)

    # ---- events

    def named(self, *names: str) -> list[Event]:
        """The events of these names."""
        return [event for event in self.events if event.name in names]

    def by_transaction(self) -> Iterable[list[Event]]:
        """The events of each transaction, in order."""
        found: defaultdict[str, list[Event]] = defaultdict(list)
        for event in self.events:
            found[event.transaction].append(event)
        return found.values()

    def total(self, name: str, *arguments: str) -> int:
        """The sum of arguments over all events of a name."""
        return sum(event[argument] for event in self.named(name) for argument in arguments)

    def totals(self, name: str, argument: str, *, by: str) -> Counter[Any]:
        """The sums of an argument over the events of a name, by another argument of theirs."""
        found: Counter[Any] = Counter()
        for event in self.named(name):
            found[event[by]] += event[argument]
        return found

    def time(self, event: Event) -> int:
        """When it happened, Unix seconds."""
        return int(self.blocks[event.block]["timestamp"], 16)

    def sender(self, event: Event) -> str:
        """Who sent the transaction."""
        (sender,) = (
            t["from"] for t in self.blocks[event.block]["transactions"] if t["hash"] == event.transaction
        )
        return self.weir.chain.w3.to_checksum_address(sender)

    def price(self, market: int, event: Event) -> Decimal:
        """The mark of a market when something happened, USD."""
        marks = self._marks[market]
        found = bisect_right(marks, (event.block, event.log_index, 0)) - 1
        return whole(marks[found][2])

    @cached_property
    def _marks(self) -> dict[int, list[tuple[int, int, int]]]:
        marks: defaultdict[int, list[tuple[int, int, int]]] = defaultdict(list)
        for event in self.named("MarketRefreshed"):
            marks[event["market"]].append((event.block, event.log_index, event["price"]))
        return dict(marks)

    # ---- blocks

    @cached_property
    def blocks(self) -> dict[int, dict[str, Any]]:
        """Blocks with their transactions, by number."""
        requests = [("eth_getBlockByNumber", [hex(n), True]) for n in range(self.first, self.last + 1)]
        found = [self.weir.chain.rpc_batch(requests[a : a + n]) for a, n in pages(len(requests), _BATCH)]
        return {int(block["number"], 16): block for chunk in found for block in chunk}

    @property
    def transactions(self) -> int:
        """How many there were, those that failed included."""
        return sum(len(block["transactions"]) for block in self.blocks.values())

    # ---- names and units

    def symbol(self, market: int) -> str:
        """The symbol of a market."""
        return self.symbols[market]

    def usd(self, units: int) -> Decimal:
        """Units of S in USD."""
        return self.weir.usd(units)


def whole(parts: int) -> Decimal:
    """Parts of 1e-18, in which contracts count sizes and prices, as a number of whole ones."""
    return from_units(parts, 18)
