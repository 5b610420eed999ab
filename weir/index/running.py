"""`weir index run`: steps without end, and what is told of them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge

from weir.chain import ContractError, NodeUnreachableError, RpcError
from weir.heads import ChainMovedError
from weir.index.follow import Follower, Step
from weir.serving import Health
from weir.store import StoreError

__all__ = ["Runner"]

log = logging.getLogger(__name__)

PASSING = (NodeUnreachableError, RpcError, ContractError, ChainMovedError, StoreError)
"""What another try may cure: a node or a database that is away, a chain that is changing."""
_LONGEST_PAUSE = 30.0
_UNHEALTHY_AFTER = 60.0
"""Seconds without a step that went through."""


class Runner:
    """Follows until it is told to stop; `registry` has its metrics."""

    def __init__(self, follower: Callable[[], Follower], interval: float) -> None:
        self._make = follower
        self._follower: Follower | None = None
        self._interval = interval
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._state = _Standing(time.monotonic(), None, "nothing read yet")
        self.registry = CollectorRegistry()
        self._metrics = _Metrics(self.registry)

    def stop(self) -> None:
        """Ends `run` after the transaction that is under way."""
        self._stop.set()

    def run(self, *, once: bool = False, progress: Callable[[Step], None] = lambda _step: None) -> None:
        """Steps until stopped, or `once` until nothing is left to read.

        What may pass is tried again, ever later; `once`, it is raised. A node that is not as far as the index
        is waited for.
        """
        failures = 0
        while not self._stop.is_set():
            try:
                if self._follower is None:
                    self._follower = self._make()
                step = self._follower.step()
            except PASSING as error:
                failures += 1
                self._failed(error)
                if once and not isinstance(error, ChainMovedError):
                    raise
                pause = min(self._interval * 2 ** min(failures, 10), _LONGEST_PAUSE)
            else:
                failures = 0
                self._went(step)
                progress(step)
                if not step.behind:
                    if once and not step.waiting:
                        return
                    pause = self._interval
                else:
                    pause = 0.0
            self._stop.wait(pause)

    def _went(self, step: Step) -> None:
        with self._lock:
            if step.waiting:
                why = f"the node shows block {step.latest}, the index has block {step.block}: waiting"
                self._state = _Standing(self._state.since, step, why)
            else:
                self._state = _Standing(time.monotonic(), step, None)
        self._metrics.note(step)
        if step.events or step.undone:
            log.info("block %d of %d: %d events", step.block, step.latest, step.events)

    def _failed(self, error: Exception) -> None:
        log.warning("%s", " ".join(str(error).split()))
        self._metrics.failures.labels(type(error).__name__).inc()
        with self._lock:
            self._state = _Standing(self._state.since, self._state.step, str(error))

    def health(self) -> Health:
        """Well while the last step that went through is not long ago."""
        with self._lock:
            standing = self._state
        age = time.monotonic() - standing.since
        step = standing.step
        facts = {"block": step.block, "latest": step.latest, "behind": step.behind} if step else {}
        if age > max(_UNHEALTHY_AFTER, 3 * self._interval):
            return Health(False, standing.error or "stuck", {**facts, "seconds_since_success": round(age)})
        return Health(True, standing.error or "ok", facts)


@dataclass(frozen=True, slots=True)
class _Standing:
    since: float
    step: Step | None
    error: str | None


class _Metrics:
    def __init__(self, registry: CollectorRegistry) -> None:
        self.block = Gauge("weir_index_block", "Last block in the index.", registry=registry)
        self.latest = Gauge("weir_index_chain_block", "Latest block of the node.", registry=registry)
        self.behind = Gauge(
            "weir_index_behind_blocks", "Blocks of the node that are not in the index yet.", registry=registry
        )
        self.waiting = Gauge(
            "weir_index_waiting",
            "1 while the node is not as far as the index: nothing is taken in until it is.",
            registry=registry,
        )
        self.events = Counter(
            "weir_index_events_total", "Events taken in, those of undone blocks too.", registry=registry
        )
        self.reorgs = Counter(
            "weir_index_reorgs_total", "Times that the chain changed its mind.", registry=registry
        )
        self.undone = Counter(
            "weir_index_undone_blocks_total", "Blocks taken back because of that.", registry=registry
        )
        self.rebuilds = Counter(
            "weir_index_rebuilds_total", "Times that everything was indexed anew.", registry=registry
        )
        self.failures = Counter(
            "weir_index_failures_total",
            "Steps that failed and were tried again.",
            ["error"],
            registry=registry,
        )
        self.success = Gauge(
            "weir_index_last_success_timestamp_seconds", "When a step last went through.", registry=registry
        )

    def note(self, step: Step) -> None:
        self.block.set(step.block)
        self.latest.set(step.latest)
        self.behind.set(step.behind)
        self.events.inc(step.events)
        self.waiting.set(step.waiting)
        if not step.waiting:
            self.success.set_to_current_time()
        if step.undone:
            self.reorgs.inc()
            self.undone.inc(step.undone)
        if step.rebuilt:
            self.rebuilds.inc()
