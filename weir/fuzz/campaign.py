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
from contextlib import contextmanager, nullcontext
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


def _work(campaign: Campaign, number: int, setting: str, calls: int) -> Part:
    """One sequence."""
    subject = _subject(campaign.factory, setting, campaign.root)
    done = run(subject, f"{campaign.seed} {number}", calls)
    if not done.violation:
        done.steps.clear()
    evm = getattr(subject, "evm", None)
    return Part(number, setting, done, touched(evm.revm) if campaign.coverage and evm else frozenset())


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
    try:
        for part in _in_order(campaign, plan, jobs, dask):
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
    campaign: Campaign, plan: Sequence[tuple[int, str, int]], jobs: int, dask: str | None
) -> Iterator[Part]:
    """The parts in order, whoever worked on them."""
    if jobs == 1 and not dask:
        for sequence in plan:
            yield _work(campaign, *sequence)
        return
    with _executor(jobs, dask) as executor:
        ahead = 4 * jobs if not dask else 256
        running: deque[Future[Part]] = deque()
        try:
            for sequence in plan:
                running.append(executor.submit(_work, campaign, *sequence))
                if len(running) >= ahead:
                    yield running.popleft().result()
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()


@contextmanager
def _executor(jobs: int, dask: str | None) -> Iterator[Executor]:
    if not dask:
        with ProcessPoolExecutor(jobs, initializer=_ignore_interrupts) as pool:
            yield pool
        return
    import distributed

    tools: Any = distributed  # which has no types
    settings = {
        "n_workers": jobs,
        "threads_per_worker": 1,
        "dashboard_address": None,
        "silence_logs": "ERROR",
    }
    with (
        tools.LocalCluster(**settings) if dask == "local" else nullcontext(dask) as where,
        tools.Client(where) as client,
    ):
        yield client.get_executor(pure=False)
