"""What the page shows: the watcher's readings, what the index remembers, and what the risk engine answers.

One `Model` serves every viewer; each is given an immutable `View`. Everything that asks a node or a database
runs in other threads than the page's.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

from weir.client import Weir
from weir.monitor.page.history import MOST, Point, point, remembered, thinned
from weir.monitor.page.outlook import Outlook, outlook
from weir.monitor.page.scenario import Choice, Result, ask, chosen
from weir.monitor.watch import Reading, Watcher
from weir.risk.inputs.book import Book
from weir.risk.inputs.chain import read_book
from weir.store import Store, StoreError

if TYPE_CHECKING:
    from weir.index.queries import Day, Happening, PostMortem

__all__ = ["Memory", "Model", "NoIndexError", "State", "View", "state"]

_T = TypeVar("_T")

DAY = 86_400
NO_INDEX = "no index is connected: start the monitor with --store, and `weir index` beside it"
LATE_SECONDS = 10.0
"""Beyond its interval, after which a reading counts as stale."""


class NoIndexError(LookupError):
    """The index is not there, or can't answer; the message says why."""


@dataclass(frozen=True, slots=True)
class State:
    """How far what is shown can be trusted: `kind` is live, stale, or waiting (nothing was read yet)."""

    kind: str
    title: str
    detail: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What the index says of the past; `problem`: why it can't say anything, or nothing newer."""

    points: tuple[Point, ...] = ()
    days: tuple[Day, ...] = ()
    fees: float | None = None
    """USD of trading fees in the last day."""
    block: int | None = None
    """The last that is indexed."""
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class View:
    """All that a page shows at one moment. `points` are the index's, or what this monitor has seen."""

    state: State
    now: float
    reading: Reading | None = None
    outlook: Outlook | None = None
    points: tuple[Point, ...] = ()
    memory: Memory = field(default_factory=Memory)


def state(reading: Reading | None, error: str | None, now: float, interval: float) -> State:
    """`now` is Unix seconds, `interval` those between two readings."""
    if reading is None:
        if error is None:
            return State("waiting", "Connecting", "Nothing was read from the chain yet.")
        return State("waiting", "No data", error)
    age = now - reading.taken_at
    if error is None and age <= max(3 * interval, 3 * reading.seconds) + LATE_SECONDS:
        return State("live", "Live", "")
    why = error or "no reading has come through since"
    return State("stale", "Stale", why)


class Model:
    """Gathers in `refresh`, which one thread calls; `view` is for any number of viewers.

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
        self._open_store = open_store
        self._store: Store | None = None
        self._interval = interval
        self._seen: tuple[Point, ...] = ()
        self._view = View(state(None, None, 0.0, interval), 0.0)
        self._memory = Memory(problem=None if open_store else NO_INDEX)
        self._book: tuple[int, Book] | None = None
        self._asking = threading.Lock()

    # ---- for viewers

    def view(self) -> View:
        """The latest; its parts are the same objects as long as nothing has changed."""
        now = time.time()
        told = state(self._watcher.latest(), self._watcher.error(), now, self._interval)
        return replace(self._view, state=told, now=now)

    def what_if(self, choice: Choice) -> Result:
        """Computed on the book at the last block read; takes a while. Raises what chain or engine raise."""
        with self._asking:  # one at a time: viewers share the book that was read
            return ask(self._book_now(), choice)

    def scenario(self, name: str, volatility: float) -> Choice:
        """What a historical scenario does to this book's markets; raises as `what_if` does."""
        with self._asking:
            return chosen(name, self._book_now(), volatility)

    def post_mortem(self, default: int) -> PostMortem:
        """From the index; raises `NoIndexError`."""

        def query(store: Store) -> PostMortem:
            from weir.index.queries import post_mortem

            return post_mortem(store, default)

        return self._indexed(query)

    def history(self, account: str, limit: int) -> tuple[Happening, ...]:
        """The last so many events of an account, oldest first, from the index; raises `NoIndexError`."""

        def query(store: Store) -> tuple[Happening, ...]:
            from weir.index.queries import account_history

            return account_history(store, account, limit=limit)

        return self._indexed(query)

    # ---- gathering

    def refresh(self) -> None:
        """Looks at the watcher and the index once; never raises for what they could not do."""
        reading = self._watcher.latest()
        if reading is None:
            return
        before = self._view
        memory = self._remember(reading)
        if reading is not before.reading or memory is not before.memory:
            self._seen = remembered(self._seen, point(reading))
            self._view = View(
                state=before.state,
                now=before.now,
                reading=reading,
                outlook=outlook(reading, memory.fees),
                points=_joined(memory.points, self._seen),
                memory=memory,
            )

    def _remember(self, reading: Reading) -> Memory:
        """What the index knows now; the same object while it knows nothing new."""
        if self._open_store is None:
            return self._memory
        last = self._memory
        try:
            self._memory = self._indexed(lambda store: _recall(store, reading.deployment.decimals, last))
        except NoIndexError as error:
            if str(error) != last.problem:
                self._memory = replace(last, problem=str(error))
        return self._memory

    def _book_now(self) -> Book:
        reading = self._watcher.latest()
        block = None if reading is None else reading.block
        if self._book is None or block != self._book[0]:
            book = read_book(self._connect(), block=block)
            self._book = (book.source.block if book.source else 0, book)
        return self._book[1]

    def _indexed(self, query: Callable[[Store], _T]) -> _T:
        if self._open_store is None:
            raise NoIndexError(NO_INDEX)
        try:
            self._store = self._store or self._open_store()
            return query(self._store)
        except (LookupError, StoreError) as error:
            raise NoIndexError(f"the index can't say: {error}") from error


def _recall(store: Store, decimals: int, last: Memory) -> Memory:
    """What the index knows; the same object while it knows nothing new."""
    from weir.index.queries import about, days, income_by_source, layers

    indexed = about(store)
    if indexed.block == last.block and last.problem is None:
        return last
    found = layers(store, points=MOST)
    (income,) = income_by_source(store, period=None, since=indexed.time - DAY + 1, until=indexed.time)
    return Memory(
        points=tuple(Point.of_index(each, decimals) for each in found),
        days=days(store),
        fees=income.fees / 10**decimals,
        block=indexed.block,
    )


def _joined(indexed: Sequence[Point], seen: Sequence[Point]) -> tuple[Point, ...]:
    """The index's, and what has been seen since its last."""
    if not indexed:
        return thinned(seen)
    return (*indexed, *(each for each in seen if each.time > indexed[-1].time))
