"""Where a keeper's transactions go: to a chain that mines at once, nowhere, or (`sender`) to a real chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from eth_account.signers.local import LocalAccount

from weir.chain import Call, ContractError, Receipt
from weir.client import Weir
from weir.keeper.following import Heads, follow
from weir.keeper.memory import Rests, Totals
from weir.keeper.policy import Task

__all__ = ["Immediate", "Outbox", "Outcome", "Rehearsal", "bounty_of"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """How sending a task went: `what` is the word for it, `receipt` there once it has been mined.

    "sent": it is on its way, or mined already. "failed": it reverted. "waiting": the same is on its way, or
    too much else is. "planned": a dry run would send it. "too dear": at the present fee it costs more than it
    brings, or than it may. "too little": it moves too little for its gas. "limit": the day's spending limit
    would be passed. "over half": half of it would, and it is not urgent. "held": the fee is above the
    ceiling, the account has too little, or the node does not want it. "unanswered": the node failed.
    """

    what: str
    receipt: Receipt | None = None


@dataclass(frozen=True, slots=True)
class Settled:
    """What has come of something sent in an earlier step: "done", "failed", "cancelled" or "dropped"."""

    kind: str
    subject: str
    reason: str
    outcome: str
    gas: int = 0
    bounty: int = 0


class Outbox(Protocol):
    """Takes what a keeper sends, and knows what came of it."""

    rests: Rests

    def begin(self) -> Sequence[Settled]:
        """At the start of each step: what has come of earlier ones. Raises where nothing should be done."""

    @property
    def newest(self) -> int:
        """The newest block seen: what is read must not be older."""

    def busy(self, key: str) -> bool:
        """Whether the same is on its way, or as much as may be at once."""

    def send(self, task: Task, call: Call, key: str) -> Outcome:
        """Sends what the task needs, unless something is against it."""

    def visible(self) -> bool:
        """Whether what was sent shows in what is read of the pending block."""

    def totals(self) -> Totals:
        """What has come of everything."""


class Immediate:
    """Sends, and waits for the block: for chains that mine at once, as those of simulations do. It keeps
    nothing but in mind. `gas` is a fixed gas limit; without one each transaction's is estimated.
    """

    newest = 0

    def __init__(self, weir: Weir, account: LocalAccount, *, gas: int | None = None) -> None:
        self.weir = weir
        self.account = account
        self.gas = gas
        self.rests = Rests()
        self._totals = Totals()

    def begin(self) -> Sequence[Settled]:
        return ()

    def busy(self, key: str) -> bool:  # noqa: ARG002
        return False

    def send(self, task: Task, call: Call, key: str) -> Outcome:  # noqa: ARG002 (nothing is ever on its way)
        try:
            receipt = self.weir.chain.send(self.account, call, gas=self.gas)
        except ContractError:
            self._totals.failed[task.kind] += 1
            return Outcome("failed")
        self._totals.add(task.kind, True, receipt.gas_used, receipt.fee, bounty_of(receipt))
        return Outcome("sent", receipt)

    def visible(self) -> bool:
        return True

    def totals(self) -> Totals:
        return self._totals


class Rehearsal:
    """Sends nothing: what a dry run has."""

    def __init__(self, weir: Weir, heads: Heads) -> None:
        self.weir = weir
        self.heads = heads
        self.newest = 0
        self.rests = Rests()

    def begin(self) -> Sequence[Settled]:
        self.newest = follow(self.weir.chain, self.heads).head.number
        return ()

    def busy(self, key: str) -> bool:  # noqa: ARG002
        return False

    def send(self, task: Task, call: Call, key: str) -> Outcome:  # noqa: ARG002
        return Outcome("planned")

    def visible(self) -> bool:
        return True

    def totals(self) -> Totals:
        return Totals()


def bounty_of(receipt: Receipt) -> int:
    """What a liquidation has paid, units of S; 0 for anything else."""
    return sum(e["bountyFromAccount"] + e["bountyFromFund"] for e in receipt.named("Liquidated"))
