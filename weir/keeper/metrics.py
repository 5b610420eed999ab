"""What a keeper tells of itself: figures for Prometheus, and whether it does its work."""

from __future__ import annotations

import time
from decimal import Decimal

from prometheus_client import CollectorRegistry, Counter, Gauge

from weir.chain import ContractError, RpcError
from weir.heads import ChainMovedError, Head
from weir.keeper.following import NodeBehindError
from weir.keeper.memory import Totals
from weir.keeper.runner import Keeper, StepReport
from weir.keeper.sender import Sender
from weir.serving import Health
from weir.store import StoreError

__all__ = ["Metrics"]

MISSED_STEPS = 6
"""Intervals without a successful step from which on a keeper is not well."""
LEAST_PATIENCE = 30.0
"""Seconds that this is at the least."""
STILL_SECONDS = 120.0
"""Without a new block, after which the chain, or the node, is taken to stand still."""
STUCK_SECONDS = 600
"""For which something may be on its way, by the chain's clock."""
NODE_ERRORS = (RpcError, ContractError, OSError, NodeBehindError, ChainMovedError)
"""What a step fails of when it is for the node."""
ETHER = 10**18


class Metrics:
    """Observes a keeper's steps, once there is one. Read from another thread than that of the steps."""

    _keeper: Keeper

    def __init__(self, interval: float) -> None:
        self.registry = CollectorRegistry()
        self._sender: Sender | None = None
        self._begun = False
        self._patience = max(MISSED_STEPS * interval, LEAST_PATIENCE)
        self._last = time.monotonic()
        self._stepped = False
        self._error = ""
        self._before = (0, 0, 0)
        self._block_number = 0
        self._missed = 0
        self._summed_at = -1
        self._seen: Head | int | None = None
        self._moved = time.monotonic()
        self._make()

    def _make(self) -> None:
        def gauge(name: str, text: str) -> Gauge:
            return Gauge(f"weir_keeper_{name}", text, registry=self.registry)

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(f"weir_keeper_{name}", text, labels, registry=self.registry)

        self._block = gauge("head_block", "Number of the newest block that the keeper has acted on.")
        behind = gauge("behind_seconds", "How long ago that block was, by this machine's clock.")
        behind.set_function(self._behind)
        self._head_time = 0
        still = gauge("head_age_seconds", "For how long no new block has come, by the process's own clock.")
        still.set_function(self._still)
        self._steps = counter("steps_total", "Rounds of looking and acting, by how they ended.", "outcome")
        self._stepped_at = gauge("last_step_time_seconds", "When the last round succeeded, Unix seconds.")
        self._actions = counter(
            "actions_total",
            "Actions that were due in a round, or have ended since an earlier one, by kind and by what came "
            "of them: sent, done (mined), failed (reverted), refused (by simulation), resting (failed "
            "lately), waiting (on its way), no margin (of the keeper's own), too dear, too little (moves too "
            "little for its gas), limit, over half (of the limit, and not urgent), held, unanswered, planned "
            "(dry run), cancelled, dropped.",
            *("kind", "outcome"),
        )
        self._replaced = counter("replacements_total", "Stuck transactions sent again with a higher fee.")
        self._cancelled = counter("cancellations_total", "Stuck transactions given up for an empty one.")
        self._reorgs = counter("reorgs_total", "Times that the chain took blocks back that had been seen.")
        self._rpc_errors = counter("rpc_errors_total", "Rounds that a node's failure ended.")
        self._store_errors = counter("store_errors_total", "Rounds that the database's failure ended.")
        self._spent = gauge("spent_today_ether", "Fees of this UTC day, at worst for what is on its way.")
        self._limit = gauge("daily_limit_ether", "The most that may be spent on fees in a UTC day.")
        self._limited = gauge("limit_reached", "1 while the daily limit keeps something from being sent.")
        self._dear = gauge("gas_too_dear", "1 while gas costs more than the ceiling allows to pay for it.")
        self._gas = gauge("gas_used", "Gas used by everything that this account's journal knows of.")
        self._fees = gauge("fees_paid_ether", "Fees paid for that gas, in the chain's own coin.")
        self._bounty = gauge("bounty_usd", "Bounties earned by liquidations, as the journal knows them.")
        self._balance = gauge("balance_ether", "The account's balance, which fees are paid from.")
        self._low = gauge("balance_low", "1 while the balance is too low for a few transactions.")
        self._equity = gauge("equity_usd", "The keeper's equity in the vault, which liquidations need.")
        self._cash = gauge(
            "cash_usd", "Settlement coin of the keeper in the vault: liquidations pay others' coins with it."
        )
        self._used = gauge(
            "margin_used_ratio",
            "Initial margin of the keeper's positions over its equity; 0 without positions, +Inf where equity"
            " is not positive.",
        )
        self._passed_over = gauge(
            "passed_over",
            "Accounts that the last round left alone for want of the keeper's own margin or cash.",
        )
        self._flying = gauge("in_flight", "Transactions that are on their way.")
        self._oldest = gauge(
            "oldest_in_flight_seconds",
            "For how long the first of these has been (it holds up the rest), by the chain's clock.",
        )
        self._resting = gauge("resting", "Actions that failed lately and are left alone for a while.")

    def _behind(self) -> float:
        return max(0.0, time.time() - self._head_time) if self._head_time else 0.0

    def _still(self) -> float:
        return time.monotonic() - self._moved

    # ---- what happens

    def waits(self, reason: str) -> None:
        """While there is no keeper yet: why."""
        self._error = reason

    def begin(self, keeper: Keeper) -> None:
        """Here it is."""
        self._keeper = keeper
        self._sender = keeper.outbox if isinstance(keeper.outbox, Sender) else None
        self._last = self._moved = time.monotonic()
        self._error, self._begun = "", True

    def stepped(self, report: StepReport) -> None:
        """After a step that succeeded."""
        self._last, self._stepped, self._error = time.monotonic(), True, ""
        self._steps.labels("done").inc()
        self._stepped_at.set_to_current_time()
        self._block_number = report.block
        self._block.set(report.block)
        self._equity.set(self._usd(report.equity))
        self._cash.set(self._usd(report.cash))
        self._used.set(report.margin_used)
        self._passed_over.set(report.passed_over)
        self._missed = report.passed_over
        self._resting.set(len(self._keeper.outbox.rests))
        for each in (*report.tasks, *report.settled):
            self._actions.labels(str(each["kind"]), each["outcome"]).inc()
        head = self._sender.tally.head if self._sender else report.block
        if head != self._seen:
            self._seen, self._moved = head, self._last
        if self._sender is None:
            self._head_time = report.time
        else:
            self._told(self._sender)
            if report.settled or self._sender.tally.reorgs != self._summed_at:
                self._summed_at = self._sender.tally.reorgs
                self._summed(self._keeper.outbox.totals())

    def _told(self, sender: Sender) -> None:
        tally = sender.tally
        if tally.head is not None:
            self._head_time = tally.head.time
        now = tally.replaced, tally.cancelled, tally.reorgs
        counters = self._replaced, self._cancelled, self._reorgs
        for counter, new, old in zip(counters, now, self._before, strict=True):
            counter.inc(new - old)
        self._before = now
        self._spent.set(tally.spent / ETHER)
        self._limit.set(sender.limits.daily / ETHER)
        self._limited.set(tally.limited)
        self._dear.set(tally.dear)
        self._balance.set(tally.balance / ETHER)
        self._low.set(tally.poor)
        self._flying.set(tally.in_flight)
        self._oldest.set(tally.oldest)

    def _summed(self, totals: Totals) -> None:
        self._gas.set(totals.gas)
        self._fees.set(totals.fees / ETHER)
        self._bounty.set(self._usd(totals.bounty))

    def failed(self, error: Exception) -> None:
        """After a step that failed."""
        self._error = " ".join(str(error).split()) or type(error).__name__
        self._steps.labels("failed").inc()
        if isinstance(error, StoreError):
            self._store_errors.inc()
        elif isinstance(error, NODE_ERRORS):
            self._rpc_errors.inc()

    def _usd(self, units: int) -> float:
        return float(self._keeper.weir.usd(units))

    # ---- health

    def health(self) -> Health:
        """Healthy while steps succeed, fees can be paid, and what was sent is mined. At the daily limit,
        while gas is too dear, its own margin too little or no block comes, and until the first step, it is
        healthy and says so; while it waits for what it needs for a first one, it is not.
        """
        if not self._begun:
            return Health(False, self._error or "starting")
        since = time.monotonic() - self._last
        facts = {"block": self._block_number, "seconds_since_step": round(since, 1)}
        if since > self._patience:
            return Health(False, f"no step has succeeded for {since:.0f} s: {self._error or 'busy'}", facts)
        tally = self._sender.tally if self._sender else None
        if tally and tally.poor:
            balance = Decimal(tally.balance) / ETHER
            return Health(False, f"the account's balance is too low: {balance:.6f}", facts)
        if tally and tally.oldest > STUCK_SECONDS:
            return Health(False, f"a transaction has been on its way for {tally.oldest} s", facts)
        if tally and tally.limited:
            return Health(True, "degraded: the daily limit is reached, nothing more is sent today", facts)
        if tally and tally.halved:
            return Health(True, "degraded: half of the daily limit is kept for what is urgent", facts)
        if tally and tally.dear:
            return Health(True, "degraded: gas costs more than may be paid, nothing is sent", facts)
        if missed := self._missed:
            some = "an account is" if missed == 1 else f"{missed} accounts are"
            reason = f"degraded: {some} left alone for want of margin or cash of its own"
            return Health(True, reason, facts)
        if not self._stepped:
            return Health(True, "starting", facts)
        if (still := self._still()) > STILL_SECONDS:
            return Health(True, f"degraded: no block has come for {still:.0f} s", facts)
        return Health(True, f"the last step failed: {self._error}" if self._error else "ok", facts)
