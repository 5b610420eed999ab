"""Keeps reading a deployment, so that metrics and the page always have the latest state."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from weir.client import Weir
from weir.deployment import Deployment
from weir.heads import WINDOW, ChainMovedError, Head, headers, look
from weir.monitor.history import Closure, Joined, closure
from weir.monitor.index import Index, IndexedDays
from weir.monitor.repeated import Repeated
from weir.snapshot import Snapshot, take
from weir.states import AccountState, FundState, MarketState
from weir.status import describe
from weir.units import DAY

if TYPE_CHECKING:
    from weir.store import Store

__all__ = ["STILL_SECONDS", "Reading", "Watcher"]

CONNECT_SECONDS = 30.0
"""After which the deployment is looked up anew: on a local chain it may have been replaced."""
LAGS = 5
"""Attempts for which a node that shows an older head than before is waited for; then it is believed."""
STILL_SECONDS = 300.0
"""Without a new block, by this machine's clock, after which a chain counts as standing still."""
DAYS_SECONDS = 10.0
"""Between two looks at the index's days."""
DAYS = 8
"""Days that are looked at: a week, and what there is of today."""


@dataclass(frozen=True, slots=True)
class Reading:
    """Everything that a deployment said of itself at one block.

    `status` is `weir.status.collect`'s; `seen` the same as typed states, in the units of the chain.
    `deployed_at` is the chain's time when the deployment began. By this machine's clock, Unix seconds:
    `taken_at`, when it was found to be so the last time, and `new_at`, when the block was first seen.
    `seconds`: how long the reading took.
    `closure`: since when the tranche gate is closed and accounts are insolvent; None while it is open.
    """

    seen: Snapshot
    status: dict[str, Any]
    deployed_at: int
    taken_at: float
    new_at: float
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
    """Keeps reading a deployment every `interval` seconds, and the index's last days where there is a store.

    Both in threads of their own that outlive whatever fails; nothing here raises. `connect` gives a client
    (`Weir.connect`), and is asked again after every failure and now and then; `store` likewise.
    """

    def __init__(
        self,
        connect: Callable[[], Weir],
        store: Callable[[], Store] | None = None,
        interval: float = 2.0,
    ) -> None:
        self._reader = _Reader(connect)
        self._readings = Repeated("watcher", self._reader.read, interval)
        self._days = Repeated("days", _DaysReader(store, self.latest).read, DAYS_SECONDS) if store else None

    def start(self) -> None:
        """Starts reading, unless it does already."""
        for each in self._parts:
            each.start()

    def stop(self) -> None:
        """Ends after the reading that is under way."""
        for each in self._parts:
            each.stop()

    def step(self) -> None:
        """One attempt now, in this thread: for who has not started it."""
        for each in self._parts:
            each.step()

    def latest(self) -> Reading | None:
        """The last reading that succeeded; None before the first."""
        return self._readings.latest()

    def error(self) -> str | None:
        """Why the last attempt to read failed, in one line; None where it did not."""
        return self._readings.error()

    @property
    def failures(self) -> int:
        """How many attempts to read have failed because of the node: it was away, or answered errors."""
        return self._readings.failures - self._reader.moves

    @property
    def moves(self) -> int:
        """How many attempts to read have failed because the chain was another than before."""
        return self._reader.moves

    def days(self) -> IndexedDays | None:
        """The index's last days; None without a store, before the first reading, and while the index can't be
        read.
        """
        return self._days.latest() if self._days and not self._days.error() else None

    def store_error(self) -> str | None:
        """Why the index could not be read the last time, in one line; None where it could, or is not."""
        return self._days.error() if self._days else None

    @property
    def store_failures(self) -> int | None:
        """How many attempts to read the index have failed; None without a store."""
        return self._days.failures if self._days else None

    @property
    def _parts(self) -> tuple[Repeated[Any], ...]:
        return (self._readings, self._days) if self._days else (self._readings,)


class _DaysReader:
    """Asks the index for its last days."""

    def __init__(self, store: Callable[[], Store], latest: Callable[[], Reading | None]) -> None:
        self._index = Index(store)
        self._latest = latest

    def read(self) -> IndexedDays | None:
        """Nothing before it is known whose index it should be."""
        from weir.index.queries import days, newest

        reading = self._latest()
        if reading is None:
            return None
        store = self._index.of(reading.deployment)
        end = newest(store).time
        return IndexedDays(days(store, since=end - DAYS * DAY, until=end), end)


class _Reader:
    """Reads one state after the other, and notices when the chain is another."""

    def __init__(self, connect: Callable[[], Weir]) -> None:
        self._connect = connect
        self._weir: Weir | None = None
        self._connected_at = 0.0
        self._known: list[Head] = []
        self._lags = 0
        self._joined = Joined()
        self._last: Reading | None = None
        self.moves = 0

    def read(self) -> Reading:
        """The state at the latest block; raises whatever goes wrong."""
        try:
            self._last = self._read()
        except Exception as error:
            self._weir = None
            self.moves += isinstance(error, ChainMovedError)
            raise
        return self._last

    def _read(self) -> Reading:
        weir = self._client()
        head = self._head(weir)
        last = self._last
        if last is not None and self._known[-1:] == [head] and last.deployment == weir.deployment:
            return replace(last, taken_at=time.time())  # a block says the same whenever it is asked
        new_at, began = time.time(), time.monotonic()
        seen = take(weir, head.number, joined=self._joined.by(weir, head.number))
        closed = closure(weir, seen)
        if headers(weir.chain, head.number, head.number) != [head]:
            raise ChainMovedError(f"block {head.number} was replaced while it was read")
        self._known = [*self._known, head][-WINDOW:]
        return Reading(
            seen=seen,
            status=describe(weir, seen),
            closure=closed,
            deployed_at=int(weir.chain.block(weir.deployment.block)["timestamp"], 16),
            taken_at=time.time(),
            new_at=new_at,
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
        if found.agreed is None:
            self._joined = Joined()
        self._known = [head for head in self._known if head.number <= agreed]
        self._lags = 0
        return found.latest
