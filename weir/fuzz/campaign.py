"""A campaign: many seeded sequences, on this machine's cores or on a Dask cluster.

Every sequence has its number, and its seed, setting and length follow from that alone; results are put
together in that order. So a campaign finds the same however its work was split.
"""

from __future__ import annotations

import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Hashable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from concurrent.futures import wait as wait_for
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from weir.fuzz.coverage import touched
from weir.fuzz.sequence import Run, run
from weir.fuzz.steps import Step
from weir.fuzz.subject import Slack, Subject

__all__ = ["Campaign", "Found", "Result", "SubjectFactory", "conduct"]

LENGTH = 200  # calls of an ordinary sequence
LONG, EVERY = 10, 40  # every so many sequences one is so many times as long
_CHUNK = 4  # sequences that a worker takes at a time


class SubjectFactory(Hashable, Protocol):
    """Makes the subject of a setting, by its name. Must be importable by workers."""

    def __call__(self, setting: str, root: Path | None) -> Subject: ...


@dataclass(frozen=True)
class Campaign:
    """What is to be done. `root` is the project whose compiled contracts are fuzzed."""

    factory: SubjectFactory
    settings: tuple[str, ...]
    calls: int
    seed: int = 0
    root: Path | None = None
    coverage: bool = False

    def sequences(self) -> list[tuple[int, str, int]]:
        """Number, setting and calls of each sequence."""
        found: list[tuple[int, str, int]] = []
        left = self.calls
        while left > 0:
            number = len(found)
            length = LENGTH * (LONG if number % EVERY == EVERY - 1 else 1)
            found.append((number, self.settings[number % len(self.settings)], min(length, left)))
            left -= length
        return found


@dataclass(frozen=True)
class Found:
    """A violation, with the steps that led to it."""

    sequence: int
    setting: str
    rule: str
    detail: str
    steps: tuple[Step, ...]


@dataclass
class Result:
    """What a campaign did; `outcomes` by call and result, `seconds` by the clock."""

    calls: int = 0
    sequences: int = 0
    seconds: float = 0.0
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    slack: dict[str, Slack] = field(default_factory=dict)
    violations: list[Found] = field(default_factory=list)
    touched: set[int] = field(default_factory=set)
    interrupted: bool = False

    def add(self, part: Part) -> None:
        self.calls += part.run.calls
        self.sequences += 1
        self.outcomes += part.run.outcomes
        self.seen += part.run.seen
        for rule, slack in part.run.slack.items():
            self.slack[rule] = self.slack[rule] + slack if rule in self.slack else slack
        self.touched |= part.touched
        if part.run.violation:
            rule, detail = part.run.violation
            self.violations.append(Found(part.number, part.setting, rule, detail, tuple(part.run.steps)))

    @property
    def accepted(self) -> int:
        return sum(count for (_, outcome), count in self.outcomes.items() if outcome == "ok")


@dataclass
class Part:
    """One sequence's share of the result."""

    number: int
    setting: str
    run: Run
    touched: frozenset[int] = frozenset()


# ---------------------------------------------------------------------- workers


@lru_cache(maxsize=16)
def _subject(factory: SubjectFactory, setting: str, root: Path | None) -> Subject:
    """Deployed once in each process."""
    return factory(setting, root)


def _work(campaign: Campaign, sequences: Sequence[tuple[int, str, int]]) -> list[Part]:
    """Sequences in turn, up to the first that finds something."""
    parts = []
    for number, setting, calls in sequences:
        subject = _subject(campaign.factory, setting, campaign.root)
        done = run(subject, f"{campaign.seed} {number}", calls)
        if not done.violation:
            done.steps.clear()
        evm = getattr(subject, "evm", None)
        marks = touched(evm.revm) if campaign.coverage and evm else frozenset()
        parts.append(Part(number, setting, done, marks))
        if done.violation:
            break
    return parts


def _ignore_interrupts() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop


# --------------------------------------------------------------------- conduct


def conduct(
    campaign: Campaign,
    *,
    jobs: int = 1,
    dask: str | None = None,
    progress: Callable[[Result], None] = lambda _: None,
) -> Result:
    """Runs a campaign to its end, to the first violation, or to an interrupt.

    `jobs` processes share the work, or the workers of the Dask scheduler at the address `dask` ("local"
    starts one here). The violation of the lowest sequence is the one reported, and what came after it is left
    out: the same for every split.
    """
    result, started = Result(), time.monotonic()
    plan = campaign.sequences()
    size = min(_CHUNK, max(1, len(plan) // (4 * jobs)))
    chunks = [plan[at : at + size] for at in range(0, len(plan), size)]
    try:
        for parts in _in_order(campaign, chunks, jobs, dask):
            for part in parts:
                result.add(part)
            result.seconds = time.monotonic() - started
            progress(result)
            if result.violations:
                break
    except KeyboardInterrupt:
        result.interrupted = True
    result.seconds = time.monotonic() - started
    return result


def _in_order(
    campaign: Campaign, chunks: Sequence[Sequence[tuple[int, str, int]]], jobs: int, dask: str | None
) -> Iterator[list[Part]]:
    """The parts of each chunk, in order, whoever worked on it."""
    if jobs == 1 and not dask:
        for chunk in chunks:
            yield _work(campaign, chunk)
        return
    with _executor(jobs, dask) as executor:
        ahead = 2 * (jobs if not dask else 64)
        running: deque[Future[list[Part]]] = deque()
        waiting = iter(chunks)
        try:
            for chunk in waiting:
                running.append(executor.submit(_work, campaign, chunk))
                if len(running) >= ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
            if not dask:
                wait_for([future for future in running if not future.cancelled()], timeout=60)


def _executor(jobs: int, dask: str | None) -> Executor:
    if not dask:
        return ProcessPoolExecutor(jobs, initializer=_ignore_interrupts)
    # Dask has no types.
    import distributed

    dask_tools: Any = distributed
    local = {"n_workers": jobs, "threads_per_worker": 1, "dashboard_address": None}
    where = dask_tools.LocalCluster(**local) if dask == "local" else dask
    executor: Executor = dask_tools.Client(where).get_executor(pure=False)
    return executor
