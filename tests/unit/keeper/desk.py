"""A keeper on a real chain, with all that it needs, for tests of what it sends."""

from __future__ import annotations

from collections import Counter

from eth_account.signers.local import LocalAccount

from tests.exchange import KEEPER, Exchange
from weir.chain import Fees
from weir.keeper.journal import Journal
from weir.keeper.lease import Lease
from weir.keeper.limits import Limits
from weir.keeper.policy import Options
from weir.keeper.roles import USUAL, Role
from weir.keeper.runner import Keeper, StepReport
from weir.keeper.sender import Sender
from weir.store import Store

GWEI, ETHER = 10**9, 10**18
LIMITS = Limits(max_fee=10_000 * GWEI, daily=100 * ETHER)
CRASH, BELOW = 9_300, 7
"""A price, and how many of the eight traders it takes below maintenance margin."""
FLAGS = frozenset({Role.FLAG})


class Desk:
    """A keeper with its sender and journal, on the exchange."""

    def __init__(
        self,
        exchange: Exchange,
        store: Store,
        limits: Limits = LIMITS,
        account: LocalAccount = KEEPER,
        roles: frozenset[Role] = USUAL,
    ) -> None:
        self.exchange, self.node, self.account = exchange, exchange.node, account
        weir = exchange.fresh()
        lease = Lease.of(store, weir.chain.id, weir.chain.block(0)["hash"], account.address)
        lease.take()
        self.journal = Journal(lease, weir.clearing_house.address)
        self.sender = Sender(weir, account, self.journal, limits)
        self.keeper = Keeper(weir, account, Options(roles, execute=True), outbox=self.sender)
        self.step = self.keeper.step

    def flying(self) -> dict[int, list[Fees]]:
        return {n: [e.fees for e in attempts] for n, attempts in self.journal.pending().items()}

    def mine(self, blocks: int = 1, *, base: int | None = None) -> None:
        """Blocks of this base fee (wei) each, by hand."""
        for _ in range(blocks):
            if base is not None:
                self.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(base))
            self.node.mine()

    def settle_everything(self) -> StepReport:
        """Steps and blocks, until nothing is left to do."""
        for _ in range(20):
            report = self.step()
            self.mine()
            if not (report.tasks or self.journal.pending()):
                return report
        raise AssertionError("it never ends")


def outcomes(report: StepReport) -> Counter[tuple[str, str]]:
    return Counter((each["kind"], each["outcome"]) for each in (*report.tasks, *report.settled))
