"""A thread that keeps reading a deployment, so that metrics and the page always have the latest state."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from weir.client import AccountState, FundState, MarketState, Weir
from weir.deployment import Deployment
from weir.heads import WINDOW, ChainMovedError, Head, headers, look
from weir.monitor.history import Closure, closure
from weir.snapshot import Snapshot, take
from weir.status import describe

__all__ = ["Reading", "Watcher"]

log = logging.getLogger(__name__)

CONNECT_SECONDS = 30.0
"""After which the deployment is looked up anew: on a local chain it may have been replaced."""
MAX_PAUSE = 30.0
"""Longest pause between two attempts while reading fails, seconds."""
LAGS = 5
"""Attempts for which a node that shows an older head than before is waited for; then it is believed."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that a deployment said of itself at one block.

    `status` is `weir.status.collect`'s; `seen` the same as typed states, in the units of the chain.
    `taken_at` is Unix seconds by this machine's clock, `seconds` how long the reading took.
    `closure`: since when the tranche gate is closed and accounts are insolvent; None while it is open.
    """

    seen: Snapshot
    status: dict[str, Any]
    taken_at: float
    seconds: float
    closure: Closure | None

    @property
    def deployment(self) -> Deployment:
        """Addresses, symbols, and the settlement token's decimals."""
        return self.seen.deployment

    @property
    def accounts(self) -> tuple[AccountState, ...]:
        """Every account."""
        return self.seen.accounts

    @property
    def markets(self) -> tuple[MarketState, ...]:
        """Every market."""
        return self.seen.markets

    @property
    def fund(self) -> FundState:
        """The insurance fund."""
        return self.seen.fund

    @property
    def block(self) -> int:
        """The block's number."""
        return self.seen.block

    @property
    def time(self) -> int:
        """The block's time, Unix seconds."""
        return self.seen.time


class Watcher:
    """Reads a deployment every `interval` seconds in a thread of its own, and keeps the latest reading.

    `connect` gives a client (`Weir.connect`), and is asked again after every failure and now and then. What
    fails is kept as a reason, and tried again after ever longer pauses; `latest` stays what it was. A large
    deployment is read less often, so that reading takes a third of the time at most.
    """

    def __init__(self, connect: Callable[[], Weir], *, interval: float = 2.0) -> None:
        self._connect = connect
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._weir: Weir | None = None
        self._connected_at = 0.0
        self._known: list[Head] = []
        self._lags = 0
        self._latest: Reading | None = None
        self._error: str | None = None
        self._failures = 0
        self._in_a_row = 0

    # ---- what it has found

    def latest(self) -> Reading | None:
        """The last reading that succeeded; None before the first."""
        return self._latest

    def error(self) -> str | None:
        """Why the last attempt failed, in one line; None where it did not."""
        return self._error

    @property
    def failures(self) -> int:
        """How many attempts have failed."""
        return self._failures

    # ---- life

    def start(self) -> None:
        """Starts reading, unless it does already."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends after the attempt that is under way."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self.step()
            self._stop.wait(self._pause())

    def _pause(self) -> float:
        if self._in_a_row:
            longer = self._interval * 2.0 ** min(self._in_a_row - 1, 8)
            return max(self._interval, min(MAX_PAUSE, longer))
        return max(self._interval, 2 * self._latest.seconds) if self._latest else self._interval

    # ---- reading

    def step(self) -> None:
        """One attempt; never raises."""
        try:
            reading = self._read()
        except Exception as error:  # whatever it is: people must learn of it, and watching goes on
            self._failures += 1
            self._in_a_row += 1
            self._error = " ".join(str(error).split()) or type(error).__name__
            self._weir = None
            expected = isinstance(error, OSError | RuntimeError | ValueError)
            log.info("reading failed: %s", self._error, exc_info=not expected)
        else:
            self._error, self._in_a_row = None, 0
            self._latest = reading

    def _read(self) -> Reading:
        weir = self._client()
        head = self._head(weir)
        last = self._latest
        if last is not None and self._known[-1:] == [head] and last.deployment == weir.deployment:
            return replace(last, taken_at=time.time())  # a block says the same whenever it is asked
        began = time.monotonic()
        seen = take(weir, head.number)
        closed = closure(weir, seen)
        if headers(weir.chain, head.number, head.number) != [head]:
            raise ChainMovedError(f"block {head.number} was replaced while it was read")
        self._known = [*self._known, head][-WINDOW:]
        return Reading(
            seen=seen,
            status=describe(weir, seen),
            closure=closed,
            taken_at=time.time(),
            seconds=time.monotonic() - began,
        )

    def _client(self) -> Weir:
        """The one that has served so far, or a new one where it failed or is old."""
        now = time.monotonic()
        if self._weir is None or now - self._connected_at > CONNECT_SECONDS:
            self._weir, self._connected_at = self._connect(), now
        return self._weir

    def _head(self, weir: Weir) -> Head:
        """The latest block; raises `ChainMovedError` where the node has gone back, unless it stays there."""
        found = look(weir.chain, self._known)
        if found.behind and self._lags < LAGS:
            self._lags += 1
            known, now = self._known[-1].number, found.latest.number
            raise ChainMovedError(f"the node shows block {now}, and has shown {known} before")
        # What a node does not come back to is not of its chain any more.
        agreed = -1 if found.agreed is None else found.agreed.number
        self._known = [head for head in self._known if head.number <= agreed]
        self._lags = 0
        return found.latest
