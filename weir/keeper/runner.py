"""The keeper itself: reads the chain, does what the policy says, and goes on whatever happens."""

from __future__ import annotations

import logging
import math
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

from eth_account.signers.local import LocalAccount

from weir.chain import ContractError, RpcError
from weir.client import Weir
from weir.keeper.auctions import conversions, purchases, sales, withdrawals
from weir.keeper.calls import call_of, intent_key
from weir.keeper.following import NodeBehindError, Remembered
from weir.keeper.lease import LeaseLostError
from weir.keeper.outbox import Immediate, Outbox, Outcome, Rehearsal, Settled, bounty_of
from weir.keeper.policy import Options, Task, flags, housekeeping, resolutions, settlements
from weir.keeper.posting import Poster
from weir.keeper.roles import Role
from weir.keeper.view import Reader, View

__all__ = ["Keeper", "StepReport"]

log = logging.getLogger(__name__)

LONGEST_PAUSE = 15.0
"""Seconds between two steps while they fail, at most."""


class Stop(Protocol):
    """What ends a run: as `threading.Event`."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool: ...


@dataclass(slots=True)
class StepReport:
    """What one step found and did: tasks by kind, each with how it went, and what has come of earlier ones.

    `outcome` of a task is a word of `outbox.Outcome`, "refused" (its simulation reverted), "resting" (it
    failed lately), or "no margin" (the keeper's own margin or cash keeps it from a liquidation); it is `news`
    where it was another in the step before. `equity`, `cash`, and the initial `margin` of positions are the
    keeper's own as the step began, units of S.
    """

    block: int
    time: int
    tasks: list[dict[str, Any]] = field(default_factory=list)
    settled: list[dict[str, Any]] = field(default_factory=list)
    gas: int = 0
    bounty: int = 0
    equity: int = 0
    cash: int = 0
    margin: int = 0

    @property
    def margin_used(self) -> float:
        """Initial margin over equity; infinite without equity, 0 without positions."""
        if not self.margin:
            return 0.0
        return self.margin / self.equity if self.equity > 0 else math.inf

    @property
    def passed_over(self) -> int:
        """Accounts left alone for want of the keeper's own margin or cash."""
        return self.count("no margin").total()

    def count(self, *outcomes: str) -> Counter[str]:
        """Number of tasks by kind, only those with these outcomes where any are given."""
        return Counter(task["kind"] for task in self.tasks if not outcomes or task["outcome"] in outcomes)

    @property
    def failed(self) -> bool:
        """Whether something that was worth trying did not succeed."""
        return any(each["outcome"] in ("refused", "failed") for each in (*self.tasks, *self.settled))

    def note(self, settled: Sequence[Settled]) -> None:
        """Adds what has come of earlier tasks."""
        for each in settled:
            self.settled.append(asdict(each))
            self.gas += each.gas
            self.bounty += each.bounty

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def lines(self) -> list[str]:
        """For a log: one line for each task, unless it is as before."""
        return [
            f"block {self.block}: {each['outcome']} {each['kind']} {each['subject']} ({each['reason']})"
            for each in (*self.settled, *self.tasks)
            if each.get("news", True)
        ]


class Keeper:
    """Does what its roles are, all with one account; dry unless `options.execute`.

    What it sends goes to an `outbox`: by default one for chains that mine at once, with a fixed `gas` limit
    where one is given. A `poster` has what is posted.
    """

    def __init__(
        self,
        weir: Weir,
        account: LocalAccount,
        options: Options | None = None,
        *,
        gas: int | None = None,
        reader: Reader | None = None,
        outbox: Outbox | None = None,
        poster: Poster | None = None,
    ) -> None:
        self.weir = weir
        self.account = account
        self.options = options or Options()
        self.outbox = outbox or self._usual_outbox(gas)
        self._reader = reader or Reader(weir)
        self._poster = poster
        self._unanswered: list[RpcError] = []
        self._answered = 0
        self._before: dict[tuple[str, str], str] = {}
        self._now: dict[tuple[str, str], str] = {}

    def _usual_outbox(self, gas: int | None) -> Outbox:
        if self.options.execute:
            return Immediate(self.weir, self.account, gas=gas)
        return Rehearsal(self.weir, Remembered())

    # ---- stepping

    def step(self) -> StepReport:
        """One round: what is urgent first. Raises whatever a node or a database that fails makes of it; where
        that is about single tasks, in the end, and only if it is about all.
        """
        self._unanswered.clear()
        self._answered = 0
        self._before, self._now = self._now, {}
        settled = self.outbox.begin()
        view = self._read()
        own = self.account.address
        mine = view.accounts[own]
        report = StepReport(
            view.block, view.time, equity=mine.equity, cash=mine.cash, margin=mine.initial_margin
        )
        report.note(settled)
        for task in (*settlements(view, self.options), *flags(view, self.options)):
            self._perform(task, view, report)
        if report.count("sent"):
            view = self._look_again()
        self._one_by_one(view, report, lambda seen: resolutions(seen, own, self.options))
        if self.weir.assets:
            self._convert(report)
        for task in (*housekeeping(view, self.options), *self._postings(view)):
            self._perform(task, view, report)
        self.outbox.rests.forget(view.time)
        if self._unanswered and not self._answered:
            raise self._unanswered[0]
        return report

    def run(
        self,
        *,
        interval: float = 5.0,
        steps: int | None = None,
        stop: Stop | None = None,
        observe: Callable[[StepReport], None] | None = None,
        fail: Callable[[Exception], None] | None = None,
    ) -> StepReport | None:
        """Steps until `stop` is set or `steps` are done, `interval` seconds apart; the last report, if any.

        After a step that failed the next comes ever later. With `steps`, the failure of the last is raised.
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
            except LeaseLostError:
                raise
            except Exception as error:
                failures += 1
                known = isinstance(error, OSError) or type(error).__module__.startswith("weir.")
                log.warning("step failed, %d in a row: %s", failures, error, exc_info=not known)
                if fail:
                    fail(error)
                if done == steps:
                    raise
            if done == steps:
                break
            stop.wait(_pause(interval, failures))
        return report

    def _read(self) -> View:
        view = self._reader.read(self.account.address, wallet=Role.BUY in self.options.roles)
        if view.block < self.outbox.newest:
            raise NodeBehindError(f"the node is at block {view.block}, after {self.outbox.newest} was seen")
        return view

    def _look_again(self) -> View:
        """What was sent since the last reading may not be in a block yet, but it counts."""
        self._reader.forget()
        return self._read()

    def _one_by_one(self, view: View, report: StepReport, tasks: Callable[[View], list[Task]]) -> View:
        """One subject after another, the most urgent first, each with a fresh look at what is left: they use
        the keeper's own money. The rest waits while the node does not show what was sent. The last look.
        """
        tried: set[str] = set()
        found = tasks(view)
        while task := next((task for task in found if task.subject not in tried), None):
            tried.add(task.subject)
            if not task.is_affordable:
                self._note(task, Outcome("no margin"), report)
            elif not self.outbox.visible():
                self._note(task, Outcome("waiting"), report)
            elif self._perform(task, view, report).what == "sent" and self.outbox.visible():
                view = self._look_again()
                found = tasks(view)
        return view

    def _convert(self, report: StepReport) -> None:
        """Other stablecoins: starts auctions that are due, takes out what the keeper's margin does not need,
        and buys and sells where it pays.
        """
        own, view = self.account.address, self._read()
        due = [*sales(view, self.options), *conversions(view, self.options)]
        if "sent" in [self._perform(task, view, report).what for task in due]:
            view = self._look_again()
        view = self._one_by_one(view, report, lambda seen: withdrawals(seen, own, self.options))
        self._one_by_one(view, report, lambda seen: purchases(seen, own, self.options))

    def _postings(self, view: View) -> list[Task]:
        return self._poster.tasks(view) if self._poster and Role.POST in self.options.roles else []

    # ---- tasks

    def _perform(self, task: Task, view: View, report: StepReport) -> Outcome:
        """Simulates and sends one task."""
        return self._note(task, self._attempt(task, view), report)

    def _note(self, task: Task, outcome: Outcome, report: StepReport) -> Outcome:
        what = str(task.kind), task.subject
        self._now[what] = outcome.what
        is_news = outcome.what == "sent" or self._before.get(what) != outcome.what
        report.tasks.append(task.as_dict() | {"outcome": outcome.what, "news": is_news})
        shown = logging.INFO if outcome.what in ("sent", "planned") else logging.DEBUG
        log.log(shown, "%s %s %s (%s)", outcome.what, task.kind, task.subject, task.reason)
        if outcome.receipt is not None:
            report.gas += outcome.receipt.gas_used
            report.bounty += bounty_of(outcome.receipt)
        return outcome

    def _attempt(self, task: Task, view: View) -> Outcome:
        rests, now = self.outbox.rests, view.time
        key = intent_key(task, view)
        if rests.rests(key, now):
            return Outcome("resting")
        if self.outbox.busy(key):
            return Outcome("waiting")
        call = call_of(self.weir, task, self.account.address)
        try:
            self.weir.chain.call(call, sender=self.account.address, block="pending")
            outcome = self.outbox.send(task, call, key)
        except ContractError as error:
            log.debug("simulation of %s %s: %s", task.kind, task.subject, error)
            outcome = Outcome("refused")
        except RpcError as error:
            log.warning("%s %s can't be simulated: %s", task.kind, task.subject, error)
            self._unanswered.append(error)
            outcome = Outcome("unanswered")
        self._answered += outcome.what != "unanswered"
        if outcome.what in ("refused", "failed", "unanswered"):
            rests.failed(key, task.kind, now)
        elif outcome.receipt is not None:
            rests.succeeded(key)
        return outcome


def _pause(interval: float, failures: int) -> float:
    """Seconds until the next step; after failures longer, and not the same for all keepers."""
    if not failures:
        return interval
    longest = max(LONGEST_PAUSE, interval)
    return min(max(interval, 0.1) * 2.0 ** min(failures, 20), longest) * random.uniform(0.75, 1.0)
