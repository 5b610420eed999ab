"""Where chunks of work are done: on this machine's threads, or on a Dask cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

from weir.risk.errors import RiskError

__all__ = ["Cluster", "Executor", "Threads", "executor"]

Shared = TypeVar("Shared")
Result = TypeVar("Result")


class Executor(Protocol):
    """Does work on numbers, and yields what came of it in their order."""

    device: str
    """What a chunk is computed on, wherever that is: cpu or cuda."""

    def map(
        self, work: Callable[[Shared, int], Result], shared: Shared, numbers: Iterable[int]
    ) -> Iterator[Result]:
        """`work(shared, number)` for each number; `work` must be importable by its name."""
        ...


class Threads:
    """Threads of this process; compiled code lets go of the interpreter's lock."""

    def __init__(self, workers: int | None = None, device: str = "cpu") -> None:
        self.device = device
        self.workers = workers or os.cpu_count() or 1

    def map(
        self, work: Callable[[Shared, int], Result], shared: Shared, numbers: Iterable[int]
    ) -> Iterator[Result]:
        if self.workers == 1:
            yield from (work(shared, number) for number in numbers)
            return
        with ThreadPoolExecutor(self.workers) as pool:
            futures = [pool.submit(work, shared, number) for number in numbers]
            try:
                while futures:
                    yield futures.pop(0).result()
            finally:
                for future in futures:
                    future.cancel()


class Cluster:
    """The workers of a Dask scheduler, which need this package. What a dead worker had is done again."""

    RETRIES = 10
    PATIENCE = "10s"

    def __init__(self, scheduler: str, device: str = "cpu") -> None:
        self.device = device
        self.scheduler = scheduler

    def map(
        self, work: Callable[[Shared, int], Result], shared: Shared, numbers: Iterable[int]
    ) -> Iterator[Result]:
        import distributed

        tools: Any = distributed  # which has no types
        try:
            client = tools.Client(self.scheduler, timeout=self.PATIENCE, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RiskError(f"scheduler: no Dask scheduler answers at {self.scheduler}") from error
        with client:
            # A task's result, not scattered data: the scheduler can make it again when all who had it died.
            held = client.submit(_same, shared, pure=False, retries=self.RETRIES)
            futures = [client.submit(work, held, n, pure=False, retries=self.RETRIES) for n in numbers]
            while futures:
                first = futures.pop(0)
                yield first.result()
                first.release()


def _same(shared: Shared) -> Shared:
    return shared


def executor(workers: int | None = None, scheduler: str | None = None, device: str = "cpu") -> Executor:
    """By options of a command: `workers` threads here (None: one for each core), or a Dask `scheduler`.

    With `device` cuda, chunks are computed on the GPU of this machine, or of each of the scheduler's workers.
    Raises RiskError for workers beside a scheduler, fewer than one, and a GPU that is not here.
    """
    if device not in ("cpu", "cuda"):
        raise RiskError(f"device: cpu or cuda (got {device})")
    if workers is not None and workers < 1:
        raise RiskError(f"workers: at least 1 (got {workers})")
    if scheduler is not None:
        if workers is not None:
            raise RiskError("workers: of this machine, not of a scheduler; give one or the other")
        return Cluster(scheduler, device)
    if device == "cuda":
        from weir.risk.simulation.cuda import require_gpu

        require_gpu()
        return Threads(workers or 1, device)
    return Threads(workers)
