"""What the page shows: the watcher's readings, what the index remembers, and what the risk engine answers.

One `Model` serves every viewer; each is given an immutable `View`. Everything that asks a node or a database
runs in other threads than the page's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

from weir.client import Weir
from weir.formatting import utc
from weir.heads import Head
from weir.index.tables import OtherDeploymentError
from weir.monitor.index import LATE, Index
from weir.monitor.page.history import MOST, Point, point, remembered, thinned
from weir.monitor.page.outlook import Outlook, outlook
from weir.monitor.page.scenario import Choice, Result, ask, chosen
from weir.monitor.repeated import Repeated
from weir.monitor.replenishment import Replenishment, replenishment
from weir.monitor.watch import STILL_SECONDS, Reading, Watcher
from weir.parameters import from_units
from weir.risk.inputs.book import Book
from weir.risk.inputs.chain import read_book
from weir.snapshot import Snapshot
from weir.states import DefaultRecord
from weir.store import Store
from weir.units import DAY, HOUR

if TYPE_CHECKING:
    from weir.index.queries import Happening, LayerPoint, PostMortem

__all__ = ["Memory", "Model", "NoIndexError", "State", "View", "state"]

_T = TypeVar("_T")

NO_INDEX = "no index is connected (run `weir index run`, and the monitor with its --store)"
INDEX_SECONDS = 5.0
"""Between two looks at the index."""
LATE_SECONDS = 10.0
"""Beyond its interval, after which a reading counts as stale."""
FEES_SECONDS = 600
"""Of the chain's clock, after which fees are summed up anew though nothing has happened."""
POST_MORTEMS = 64
"""Of so many defaults the newest that were asked for are kept."""


class NoIndexError(LookupError):
    """The index is not there, or can't answer; the message says why."""


@dataclass(frozen=True, slots=True)
class State:
    """How far what is shown can be trusted: `kind` is live, still (the chain has no new blocks), stale, or
    waiting (nothing was read yet).
    """

    kind: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the index says of the past: `end` is the last of its points, `until` its newest block.

    `fees` are USD a day, those of the day that ended at the time `measured`, or since a younger deployment;
    None where that is less than an hour old.
    """

    points: tuple[Point, ...]
    end: LayerPoint
    until: Head
    fees: float | None
    measured: int


@dataclass(frozen=True, slots=True)
class Recalled:
    """The last that the index has said, and why it can't say more, if it can't."""

    memory: Memory | None
    problem: str | None


@dataclass(frozen=True, slots=True)
class View:
    """All that a page shows at one moment. `points` are the index's, and what this monitor has seen since.

    `replenishment` is what the index has measured; `index_problem`: why it can't say anything, or nothing
    newer.
    """

    state: State
    now: float
    reading: Reading | None = None
    outlook: Outlook | None = None
    replenishment: Replenishment | None = None
    points: tuple[Point, ...] = ()
    memory: Memory | None = None
    index_problem: str | None = None
    dark: bool = False
    """Whether its viewer's system asks for dark colours."""

    def same(self, other: View) -> bool:
        """Whether both show the same but for the time."""
        mine, others = (
            (
                None if view.reading is None else id(view.reading.seen),
                id(view.points),
                view.replenishment,
                view.memory,
                view.index_problem,
                view.state,
                view.dark,
            )
            for view in (self, other)
        )
        return mine == others


def state(reading: Reading | None, error: str | None, now: float, interval: float) -> State:
    """`now` is Unix seconds, `interval` those between two readings."""
    if reading is None:
        if error is None:
            return State("waiting", "Connecting", "Nothing was read from the chain yet.")
        return State("waiting", "No data", error)
    age = now - reading.taken_at
    if error is not None or age > max(3 * interval, 3 * reading.seconds) + LATE_SECONDS:
        return State("stale", "Stale", error or "no reading has come through since")
    if now - reading.new_at > STILL_SECONDS:
        since = utc(int(reading.new_at), "%Y-%m-%d %H:%M:%S")
        return State("still", "Stands still", f"The node has shown no new block since {since} UTC.")
    return State("live", "Live", "")


class Model:
    """Gathers in threads of its own from `start` to `stop`; `view` is for any number of viewers.

    `connect` gives a client for the thread that calls it; `open_store` opens the index's database, where
    there is one.
    """

    def __init__(
        self,
        watcher: Watcher,
        connect: Callable[[], Weir],
        open_store: Callable[[], Store] | None,
        interval: float,
    ) -> None:
        self._watcher = watcher
        self._connect = connect
        self._index = Index(open_store) if open_store else None
        self._interval = interval
        self._gathered = Repeated("page", self._gather, min(interval, 1.0))
        self._recalled = Repeated("index", self._recall, INDEX_SECONDS) if open_store else None
        self._seen: tuple[Point, ...] = ()
        self._book: tuple[Snapshot, Book] | None = None
        self._asking = threading.Lock()
        self._looking_back = threading.Lock()
        self._post_mortems: dict[DefaultRecord, PostMortem] = {}

    def start(self) -> None:
        """Begins to gather."""
        for each in (self._recalled, self._gathered):
            if each is not None:
                each.start()

    def stop(self) -> None:
        """Ends, after what is under way."""
        for each in (self._recalled, self._gathered):
            if each is not None:
                each.stop()

    # ---- for viewers

    def view(self) -> View:
        """The latest; its parts are the same objects as long as nothing has changed."""
        now = time.time()
        error = self._watcher.error() or self._gathered.error()
        found = self._gathered.latest() or View(State("", "", ""), now)
        return replace(found, state=state(found.reading, error, now, self._interval), now=now)

    def what_if(self, choice: Choice) -> Result:
        """Computed on the book at the last block read; takes a while. Raises what chain or engine raise."""
        with self._asking:  # one at a time: viewers share the book that was read
            return ask(self._book_now(), choice)

    def scenario(self, name: str, volatility: float) -> Choice:
        """What a historical scenario does to this book's markets; raises as `what_if` does."""
        with self._asking:
            return chosen(name, self._book_now(), volatility)

    def post_mortem(self, default: int) -> PostMortem:
        """From the index, which is asked once for each state of a default; raises `NoIndexError`."""

        def query(store: Store) -> PostMortem:
            from weir.index.queries import post_mortem

            return post_mortem(store, default)

        reading = self._watcher.latest()
        defaults = reading.seen.defaults if reading else ()
        record = next((each for each in defaults if each.id == default), None)
        with self._looking_back:  # one at a time: every viewer wants the same
            if record is not None and (known := self._post_mortems.get(record)):
                return known
            found = self._indexed(query)
            if record is not None and found.recovered == record.recovered:
                self._post_mortems = dict([*self._post_mortems.items(), (record, found)][-POST_MORTEMS:])
            return found

    def history(self, account: str, limit: int) -> tuple[Happening, ...]:
        """The last so many events of an account, oldest first, from the index; raises `NoIndexError`."""

        def query(store: Store) -> tuple[Happening, ...]:
            from weir.index.queries import account_history

            return account_history(store, account, limit=limit)

        return self._indexed(query)

    # ---- gathering

    def _gather(self) -> View:
        """What there is to show now; parts that have not changed are those of before."""
        reading, before = self._watcher.latest(), self._gathered.latest()
        recalled = (self._recalled.latest() if self._recalled else None) or Recalled(None, None)
        memory = recalled.memory
        told = replace(
            before or View(State("", "", ""), 0.0),
            reading=reading,
            memory=memory,
            index_problem=(recalled.problem or self._recalled.error()) if self._recalled else NO_INDEX,
        )
        if reading is None:
            return told
        days = self._watcher.days()
        told = replace(told, replenishment=replenishment(reading, days) if days else None)
        if before and before.reading and before.reading.seen is reading.seen and before.memory is memory:
            return told
        self._seen = remembered(self._seen, point(reading))
        late = memory is None or reading.time - memory.until.time > LATE
        return replace(
            told,
            outlook=outlook(reading, None if memory is None or late else memory.fees),
            points=_joined(memory.points if memory else (), self._seen),
        )

    def _recall(self) -> Recalled:
        """What the index knows, the same object while that is nothing new; or why it can't say."""
        last = self._recalled.latest() if self._recalled else None
        memory = last.memory if last else None
        reading = self._watcher.latest()
        if reading is None:
            return Recalled(memory, None)
        try:
            found = self._indexed(lambda store: _recall(store, reading, memory))
        except NoIndexError as error:
            return Recalled(memory, str(error))
        return Recalled(found, None)

    def _book_now(self) -> Book:
        """The book at the last block read, which is read again only for another one."""
        reading = self._watcher.latest()
        if reading is None:
            raise LookupError("nothing has been read from the chain yet")
        if self._book is None or self._book[0] is not reading.seen:
            self._book = reading.seen, read_book(self._connect(), block=reading.block)
        return self._book[1]

    def _indexed(self, query: Callable[[Store], _T]) -> _T:
        if self._index is None:
            raise NoIndexError(NO_INDEX)
        reading = self._watcher.latest()
        if reading is None:
            raise NoIndexError("nothing has been read from the chain yet")
        try:
            return query(self._index.of(reading.deployment))
        except (LookupError, RuntimeError, OtherDeploymentError) as error:
            raise NoIndexError(f"the index can't say: {error}") from error


def _recall(store: Store, reading: Reading, last: Memory | None) -> Memory:
    """With what `last` has: points where there is no newer one, and fees that were summed up not long ago."""
    from weir.index.queries import last_point, layers, newest

    head, end, decimals = newest(store), last_point(store), reading.deployment.decimals
    if end is None:
        raise NoIndexError("it has not reached the deployment yet")
    if last is None or last.end != end:
        points = tuple(Point.of_index(each, decimals) for each in layers(store, points=MOST))
    elif 0 <= head.time - last.measured < FEES_SECONDS:
        return last if last.until == head else replace(last, until=head)
    else:
        points = last.points
    return Memory(points, end, until=head, fees=_fees(store, reading, head.time), measured=head.time)


def _fees(store: Store, reading: Reading, now: int) -> float | None:
    """USD a day, of the day up to a time."""
    from weir.index.queries import income_by_source

    began = max(reading.deployed_at, now - DAY)
    if now - began < HOUR:
        return None
    found = income_by_source(store, period=None, since=began + 1, until=now)
    paid = sum(each.fees for each in found)
    return float(from_units(paid, reading.deployment.decimals)) * DAY / (now - began)


def _joined(indexed: Sequence[Point], seen: Sequence[Point]) -> tuple[Point, ...]:
    """The index's, and what has been seen since its last."""
    if not indexed:
        return thinned(seen)
    return (*indexed, *(each for each in seen if each.time > indexed[-1].time))
