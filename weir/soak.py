"""`make soak`: the living market goes on for 2,000 blocks; does anything grow that should not?

Memory of a process may rise while it warms up. After that a straight line is fitted through its resident
memory over blocks: what the line rises by in `BLOCKS` must stay below `ALLOWED` of its level. Anvil keeps
every block and state, and the market is for simulations alone; both are shown, and neither is judged.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import linear_regression, median
from typing import Any

import click

from weir.cli import one_line_errors
from weir.operate import down, up
from weir.operate.running import Running

__all__ = ["Growth", "Sample", "growth"]

BLOCKS = 2_000
WARM_UP = 0.3
"""Part of the run that is not judged: what is read once is read, and caches fill."""
ALLOWED = 0.05
"""Of a process's level: what its memory may grow by in `BLOCKS`, by the fitted line."""
EVERY = 20
"""Blocks from one sample to the next."""
NOT_JUDGED = frozenset({"chain", "market"})
PAGE = Path("docs/soak.md")
MIB = 2**20


class SoakError(RuntimeError):
    """A process ended, or its memory grew."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen at a block: bytes of resident memory by process, bytes of files by name."""

    block: int
    memory: Mapping[str, int]
    files: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Growth:
    """A process's memory after its warm-up: its level (bytes), and what it grows by in `BLOCKS`, as a part of
    that.
    """

    name: str
    level: float
    growth: float

    @property
    def judged(self) -> bool:
        """Whether it may not grow."""
        return self.name not in NOT_JUDGED

    @property
    def steady(self) -> bool:
        """Whether it grows by no more than is allowed."""
        return self.growth <= ALLOWED


def growth(name: str, samples: Sequence[Sample]) -> Growth:
    """Of one process over a run; raises `ValueError` where there are fewer than two samples to judge."""
    first, last = samples[0].block, samples[-1].block
    judged = [each for each in samples if each.block >= first + WARM_UP * (last - first)]
    if len(judged) < 2:
        raise ValueError("too few samples")
    memory = [each.memory[name] for each in judged]
    level = median(memory)
    slope, _ = linear_regression([each.block for each in judged], memory)
    return Growth(name, level, slope * BLOCKS / level)


@click.command()
@click.option("--blocks", type=click.IntRange(200), default=BLOCKS, show_default=True)
@click.option("--pace", type=click.FloatRange(1), default=600.0, show_default=True, help="As of `weir up`.")
@click.option("--port", type=int, default=8545, show_default=True, help="As of `weir up`.")
@click.option("--pages", type=int, default=8600, show_default=True, help="As of `weir up`.")
@click.option("--write", is_flag=True, help=f"Write {PAGE}.")
def main(blocks: int, pace: float, port: int, pages: int, write: bool) -> None:
    """Run everything for so many blocks and judge memory; ends with 1 where it grows."""
    with tempfile.TemporaryDirectory(prefix="weir-soak-") as name, _everything(Path(name), pace, port, pages):
        samples = list(_samples(Path(name), f"http://127.0.0.1:{port}", blocks))
        restarts = _running(Path(name)).restarts
    found = [growth(name, samples) for name in samples[-1].memory]
    page = _page(samples, found)
    click.echo(page)
    if write:
        PAGE.write_text(page, encoding="utf-8")
    if restarts:
        raise SoakError(f"processes ended: {dict(restarts)}")
    if growing := [each.name for each in found if each.judged and not each.steady]:
        raise SoakError(f"memory grows: {', '.join(growing)}")


@contextmanager
def _everything(folder: Path, pace: float, port: int, pages: int) -> Iterator[None]:
    options = ["--folder", str(folder)]
    ports = ["--port", f"{port}", "--pages", f"{pages}"]
    up.main([*options, *ports, "--pace", f"{pace:g}"], standalone_mode=False)
    try:
        yield
    finally:
        down.main(options, standalone_mode=False)


def _running(folder: Path) -> Running:
    if (found := Running.read(folder)) is None:
        raise SoakError("the supervisor has ended")
    return found


def _samples(folder: Path, rpc: str, blocks: int) -> Iterator[Sample]:
    from weir.node import Node

    node = Node.at(rpc)
    first = due = int(node.rpc("eth_blockNumber"), 16)
    bar: Any = click.progressbar(length=blocks, label="blocks", file=sys.stderr)
    with bar:
        while (block := int(node.rpc("eth_blockNumber"), 16)) < first + blocks:
            bar.update(block - first - bar.pos)
            if block >= due:
                due = block + EVERY
                yield _sample(folder, block)
            time.sleep(0.2)
    yield _sample(folder, block)


def _sample(folder: Path, block: int) -> Sample:
    memory = {
        name: process.memory_info().rss
        for name, mark in _running(folder).children.items()
        if (process := mark.found()) is not None
    }
    return Sample(block, memory, {file.name: file.stat().st_size for file in folder.iterdir()})


def _page(samples: Sequence[Sample], found: Sequence[Growth]) -> str:
    first, last = samples[0], samples[-1]
    processes = [
        f"| {each.name} | {first.memory[each.name] / MIB:.1f} | {each.level / MIB:.1f} "
        f"| {max(s.memory[each.name] for s in samples) / MIB:.1f} | {100 * each.growth:+.1f}% "
        f"| {('steady' if each.steady else 'grows') if each.judged else 'not judged'} |"
        for each in found
        if each.name in first.memory
    ]
    files = [
        f"| {name} | {first.files.get(name, 0) / MIB:.2f} | {size / MIB:.2f} |"
        for name, size in sorted(last.files.items())
        if size >= MIB / 100
    ]
    return "\n".join(
        [
            "# Soak",
            "",
            f"`make soak` lets everything that `weir up` starts run for {BLOCKS:,} blocks and writes this "
            f"page. After the first {WARM_UP:.0%} of them a line is fitted through each process's resident "
            f"memory over blocks; it is steady where the line rises by at most {ALLOWED:.0%} of its level in "
            f"{BLOCKS:,} blocks. The chain (Anvil keeps every state) and the market, which only simulations "
            "have, are shown and not judged.",
            "",
            f"This run: {last.block - first.block:,} blocks, {len(samples)} samples.",
            "",
            "| process | at first, MiB | level, MiB | most, MiB | growth in the fit | |",
            "|---|---:|---:|---:|---:|---|",
            *processes,
            "",
            "| file | at first, MiB | at last, MiB |",
            "|---|---:|---:|",
            *files,
            "",
        ]
    )


if __name__ == "__main__":
    with one_line_errors():
        main.main(standalone_mode=False)
