"""The keeper itself: reads the chain, does what the policy says, and goes on whatever happens."""

from __future__ import annotations

import logging
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

from eth_account.signers.local import LocalAccount

from weir.chain import Call, ContractError, Receipt, RpcError, TransactionTimeoutError
from weir.client import Weir
from weir.keeper.policy import (
    Kind,
    Options,
    Task,
    conversions,
    flags,
    housekeeping,
    purchases,
    resolutions,
    sales,
    settlements,
)
from weir.keeper.roles import Role
from weir.keeper.state import InFlight, KeeperState
from weir.keeper.view import Reader, View

__all__ = ["Keeper", "StepReport"]

log = logging.getLogger(__name__)

TRANSIENT = (RpcError, OSError, TransactionTimeoutError)
"""What a node that is slow, busy or away raises: worth waiting for."""
LONGEST_PAUSE = 60.0
"""Seconds between two attempts to reach a node that does not answer."""


@dataclass(slots=True)
class StepReport:
    """What one step found and did: tasks by kind, and each task with how it went.

    `outcome` of a task is "sent", "planned" (dry run), "refused" (its simulation reverted), "failed" (the
    transaction did), or "resting" (it failed lately).
    """

    block: int
    time: int
    tasks: list[dict[str, Any]] = field(default_factory=list)
    gas: int = 0
    bounty: int = 0

    def count(self, *outcomes: str) -> Counter[str]:
        """Number of tasks by kind, only those with these outcomes where any are given."""
        return Counter(task["kind"] for task in self.tasks if not outcomes or task["outcome"] in outcomes)

    @property
    def failed(self) -> bool:
        """Whether something that was worth trying did not succeed."""
        return any(task["outcome"] in ("refused", "failed") for task in self.tasks)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a log: one line for each task."""
        return [
            f"block {self.block}: {task['outcome']} {task['kind']} {task['subject']} ({task['reason']})"
            for task in self.tasks
        ]


class Keeper:
    """Settles, flags, liquidates, deleverages, collects fees, rolls tranches, starts the auctions of other
    stablecoins and, if told to, buys there; all with one account.

    Dry unless `options.execute`. `gas` is a fixed gas limit; without one each transaction's is estimated.
    Needs nothing but the chain: what `state` remembers only spares attempts.
    """

    def __init__(
        self,
        weir: Weir,
        account: LocalAccount,
        options: Options | None = None,
        *,
        state: KeeperState | None = None,
        gas: int | None = None,
        reader: Reader | None = None,
    ) -> None:
        self.weir = weir
        self.account = account
        self.options = options or Options()
        self.gas = gas
        self.state = state or KeeperState.open(None, weir.chain.id, weir.clearing_house.address)
        self._reader = reader or Reader(weir)

    # ---- stepping

    def step(self) -> StepReport:
        """One round: what is urgent first; raises what `TRANSIENT` names when the node fails."""
        self._finish_in_flight()
        view = self._read()
        report = StepReport(view.block, view.time)
        before = [*settlements(view, self.options), *flags(view, self.options)]
        for task in before:
            self._perform(task, report)
        if report.count("sent"):
            view = self._read()
        own = self.account.address
        self._one_by_one(view, report, lambda seen: resolutions(seen, own, self.options))
        if self.weir.assets:
            self._convert(report)
        for task in housekeeping(view, self.options):
            self._perform(task, report)
        self.state.steps += 1
        self.state.block = view.block
        self.state.forget(view.time)
        self.state.save()
        return report

    def run(
        self,
        *,
        interval: float = 5.0,
        steps: int | None = None,
        stop: threading.Event | None = None,
        observe: Callable[[StepReport], None] | None = None,
    ) -> StepReport | None:
        """Steps until `stop` is set or `steps` are done, `interval` seconds apart; the last report, if any.

        A node that fails is tried again, ever more slowly. With `steps`, its failure at the last of them is
        raised.
        """
        stop = stop or threading.Event()
        report, done, failures = None, 0, 0
        while not stop.is_set():
            done += 1
            try:
                report = self.step()
                failures = 0
                if observe:
                    observe(report)
            except TRANSIENT as error:
                failures += 1
                log.warning("the node failed, %d in a row: %s", failures, error)
                if done == steps:
                    raise
            if done == steps:
                break
            stop.wait(min(interval * 2**failures, max(LONGEST_PAUSE, interval)))
        return report

    def _read(self) -> View:
        return self._reader.read(self.account.address, wallet=Role.BUY in self.options.roles)

    def _one_by_one(self, view: View, report: StepReport, tasks: Callable[[View], list[Task]]) -> None:
        """One subject after another, the most urgent first, each with a fresh look at what is left."""
        tried: set[str] = set()
        while True:
            task = next((task for task in tasks(view) if task.subject not in tried), None)
            if task is None:
                return
            tried.add(task.subject)
            if self._perform(task, report) is not None:
                view = self._read()

    def _convert(self, report: StepReport) -> None:
        """Auctions of other stablecoins: starts those that are due, and buys where it pays."""
        view = self._read()
        for task in (*sales(view, self.options), *conversions(view, self.options)):
            self._perform(task, report)
        view = self._read()
        self._one_by_one(view, report, lambda seen: purchases(seen, self.account.address, self.options))

    # ---- tasks

    def _perform(self, task: Task, report: StepReport) -> Receipt | None:
        """Simulates and sends one task; None where it was not sent or failed."""
        outcome, receipt = self._attempt(task, report.time)
        report.tasks.append(task.as_dict() | {"outcome": outcome})
        log.log(
            logging.INFO if outcome in ("sent", "planned") else logging.DEBUG,
            "%s %s %s (%s)",
            outcome,
            task.kind,
            task.subject,
            task.reason,
        )
        if receipt is not None:
            bounty = _bounty(receipt)
            report.gas += receipt.gas_used
            report.bounty += bounty
            self.state.totals.gas += receipt.gas_used
            self.state.totals.bounty += bounty
        return receipt

    def _attempt(self, task: Task, now: int) -> tuple[str, Receipt | None]:
        if self.state.rests(task.key, now):
            return "resting", None
        call = self._call(task)
        try:
            self.weir.chain.call(call, sender=self.account.address, block="pending")
        except ContractError as error:
            log.debug("simulation of %s %s: %s", task.kind, task.subject, error)
            self.state.failed(task.key, now)
            return "refused", None
        if not self.options.execute:
            return "planned", None
        try:
            receipt = self._send(task, call)
        except ContractError as error:
            # Someone else was faster, or the price moved: the next step looks again.
            log.info("%s %s failed: %s", task.kind, task.subject, error)
            self.state.failed(task.key, now)
            self.state.totals.failed[task.kind] += 1
            return "failed", None
        self.state.succeeded(task.key)
        self.state.totals.sent[task.kind] += 1
        return "sent", receipt

    def _send(self, task: Task, call: Call) -> Receipt:
        transaction = self.weir.chain.submit(self.account, call, gas=self.gas)
        self.state.in_flight.append(InFlight(transaction=transaction, kind=task.kind, subject=task.subject))
        self.state.save()
        try:
            receipt = self.weir.chain.wait(transaction)
        except ContractError:
            self.state.in_flight.pop()
            raise
        self.state.in_flight.pop()
        return receipt

    def _finish_in_flight(self) -> None:
        """After a restart, or a timeout: waits for what was sent, drops what the node has never seen."""
        for sent in tuple(self.state.in_flight):
            if self.weir.chain.rpc("eth_getTransactionByHash", sent.transaction) is not None:
                log.info("waiting for %s %s: %s", sent.kind, sent.subject, sent.transaction)
                try:
                    receipt = self.weir.chain.wait(sent.transaction)
                except ContractError as error:
                    log.info("%s %s failed: %s", sent.kind, sent.subject, error)
                    self.state.totals.failed[sent.kind] += 1
                else:
                    self.state.totals.sent[sent.kind] += 1
                    self.state.totals.gas += receipt.gas_used
                    self.state.totals.bounty += _bounty(receipt)
            self.state.in_flight.remove(sent)

    def _call(self, task: Task) -> Call:
        house = self.weir.clearing_house.functions
        match task.kind:
            case Kind.SETTLE:
                return house.settle([*task.settle_first, task.subject])
            case Kind.FLAG:
                return house.flag(task.subject)
            case Kind.LIQUIDATE:
                return house.liquidate(task.subject, task.fraction, list(task.settle_first))
            case Kind.DELEVERAGE:
                return house.deleverage(task.subject, list(task.settle_first))
            case Kind.START_SALE:
                return self.weir.assets.collateral.functions.startSale(task.subject)
            case Kind.BUY_COLLATERAL:
                terms = task.asset, task.units, self.account.address, task.cost
                return self.weir.assets.collateral.functions.buy(task.subject, *terms)
            case Kind.START_CONVERSION:
                return self.weir.assets.reserve.functions.start(task.asset)
            case Kind.BUY_FROM_RESERVE:
                terms = task.asset, task.units, self.account.address, task.cost
                return self.weir.assets.reserve.functions.buy(*terms)
            case Kind.SELL_TO_RESERVE:
                terms = task.asset, task.units, self.account.address, task.cost
                return self.weir.assets.reserve.functions.sell(*terms)
            case Kind.COLLECT:
                return self.weir.fund.functions.collect()
            case Kind.ROLL:
                tranche = self.weir.junior if task.subject == "junior" else self.weir.senior
                return tranche.functions.roll()
            case Kind.POST:
                assert task.call is not None
                return task.call


def _bounty(receipt: Receipt) -> int:
    return sum(e["bountyFromAccount"] + e["bountyFromFund"] for e in receipt.named("Liquidated"))
