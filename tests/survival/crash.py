"""A crash in a small market, tick by tick: the price falls, accounts are flagged, liquidated, deleveraged,
and default on all layers of the fund.

Time is the chain's own and stands still until a tick is over, so that how long something took can be told
without a clock: a tick ends when keeper and index have come to its last block, or, while something is the
matter with them, at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain as chained
from itertools import repeat
from pathlib import Path

from eth_account.signers.local import LocalAccount

from tests.exchange import AUCTION, GAS, MAKER, Exchange
from tests.integration.books import Reader
from tests.integration.properties import (
    Payments,
    Step,
    Trail,
    backing_gaps,
    check_budgets,
    check_contributions,
    check_outsiders,
    check_shares,
    check_terms,
    check_waterfall,
    holds_p2,
    holds_p3,
)
from weir.accounts import development_account
from weir.chain import Call, ContractError, Event
from weir.node import Node

TICK = AUCTION // 3
PRICES = (9_620, 9_400, 9_400, 9_150, 9_150, 8_000, 8_000, 8_000)
MOST_TICKS = 40
DEEPEST = 12
"""Blocks that a reorganisation undoes at most."""
TREASURY, JUNIOR_STAKER, SENIOR_STAKER, STRANGER = (development_account(i) for i in (3, 13, 14, 15))


@dataclass
class Course:
    """How a crash went, in ticks: at the ends of how many in a row each account was below maintenance margin,
    now and at most; how many there were in all, and in how many the operation was out of order.
    """

    below: Counter[str] = field(default_factory=Counter)
    longest: Counter[str] = field(default_factory=Counter)
    ticks: int = 0
    outage: int = 0

    @property
    def slowest(self) -> int:
        """The longest that anybody was left below maintenance margin."""
        return max(self.longest.values(), default=0)

    def note(self, below: set[str]) -> None:
        """A tick ends with these accounts below."""
        self.ticks += 1
        self.below = Counter({account: self.below[account] + 1 for account in below})
        self.longest |= self.below


class Crash(Exchange):
    """The exchange of keepers' tests, with every layer of the fund filled; to be played again and again."""

    def __init__(self, node: Node, folder: Path) -> None:
        super().__init__(node, folder, traders=8)
        for staker, tranche, usd in (
            (JUNIOR_STAKER, self.weir.junior, 300),
            (SENIOR_STAKER, self.weir.senior, 300),
        ):
            amount = self._money(staker, tranche.address, usd)
            self._send(staker, tranche.functions.deposit(amount, staker.address))
        amount = self._money(MAKER, self.weir.guaranty.address, 500)
        self._send(MAKER, self.weir.guaranty.functions.join(MAKER.address, amount))
        node.mine(DEEPEST)  # what is undone is the crash's, not what came before
        self._snapshot = node.rpc("evm_snapshot")
        self.opened = self.head

    def _send(self, sender: LocalAccount, call: Call) -> None:
        self.weir.chain.send(sender, call, gas=GAS)

    @property
    def head(self) -> int:
        return int(self.weir.chain.rpc("eth_blockNumber"), 16)

    def again(self) -> None:
        """As it was before the first price fell."""
        assert self.node.rpc("evm_revert", self._snapshot)
        self._snapshot = self.node.rpc("evm_snapshot")
        self.fresh()

    def reorganise(self, depth: int, price: int) -> int:
        """Other blocks, empty ones, take the place of the last; the feed's price is reported anew. How many
        seconds of the chain were undone.
        """
        chain = self.weir.chain
        undone = chain.timestamp() - int(chain.block(self.head - depth)["timestamp"], 16)
        self.node.rpc("anvil_reorg", depth, [])
        self.fresh()
        self.price(price)
        return undone

    def ticks(self) -> Iterator[tuple[int, int]]:
        """Lets the price fall: number and price (USD) of each tick, until nobody has anything left to do."""
        for number, price in enumerate(chained(PRICES, repeat(PRICES[-1]))):
            assert number < MOST_TICKS, f"not over: {self.weir.actionable(block=self.head)}"
            self.node.set_next_block_timestamp(self.node.now() + TICK)
            self.price(price)
            yield number, price
            if number >= len(PRICES) and not self.weir.actionable(block=self.head):
                return

    def below(self) -> set[str]:
        """Whoever has positions and less than maintenance margin now."""
        accounts = self.weir.accounts(block=self.head)
        return {each.address for each in accounts if each.positions and each.equity < each.maintenance_margin}

    # ---- what must hold

    def check(self, reader: Reader) -> int:
        """P1 to P10 after every block of the crash in which something happened; the number of defaults."""
        weir, (market,) = self.weir, self.weir.deployment.parameters.markets
        addresses = [record.address for record in weir.deployment.contracts.values()]
        events: dict[int, list[Event]] = {}
        for event in weir.chain.logs(addresses, weir.deployment.block, self.head):
            events.setdefault(event.block, []).append(event)
        first = min(block for block, found in events.items() if any(e.name == "Deposited" for e in found))
        opening = [
            event for block in sorted(events) if first <= block <= self.opened for event in events[block]
        ]
        before = reader.read(self.opened)
        setup = Step("crash", "before it", reader.read(first - 1), before, tuple(opening))
        trail, paid, defaults = Trail(), Payments(weir.fund.address), 0
        trail.follow(setup, 0)
        paid.follow(setup)
        for block, found in sorted((b, found) for b, found in events.items() if b > self.opened):
            after = reader.read(block)
            step = Step("crash", f"block {block}", before, after, tuple(found))
            assert backing_gaps(step) == (0, 0, 0), step.name
            trail.follow(step, 0)
            assert holds_p2(step, 0, trail), step.name
            assert holds_p3(step, 0, trail), step.name
            defaults += check_waterfall(step, [market.coinsurance])
            check_outsiders(step, weir.fund.address)
            check_shares(step)
            check_contributions(step)
            check_budgets(step)
            check_terms(step, {}, Counter())  # keepers take positions over, they do not trade
            paid.follow(step)
            before = after
        assert defaults == before.defaults
        return defaults

    def check_end(self) -> None:
        """P6: nobody is left to be resolved, and whoever comes could be, by anyone, without the fund."""
        weir = self.weir
        assert not weir.actionable(block=self.head)
        assert weir.fund_state().insolvencies == 0
        assert all(account.debt == 0 for account in weir.accounts())
        self.node.set_next_block_timestamp(self.node.now() + TICK)
        self.price(PRICES[-1] // 2)
        for _ in range(len(self.traders)):
            below = self.below()
            if not below:
                break
            house = weir.clearing_house.functions
            for account in sorted(below):
                self._try(house.flag(account))
            self.node.increase_time(AUCTION)
            self._try(house.refresh(0))
            for account in sorted(below):
                self._try(house.deleverage(account, []))
        assert not self.below()
        assert weir.fund_state().insolvencies == 0

    def _try(self, call: Call) -> None:
        """As somebody without a deposit; what is flagged, or gone with another's default, is refused."""
        with suppress(ContractError):
            self._send(STRANGER, call)
