"""`make reconcile`: every scenario, replayed, indexed, and compared with its chain at every block."""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from weir import files
from weir.cli import one_line_errors
from weir.client import Weir
from weir.index.follow import Follower
from weir.index.verify import MOST_DIFFERENCES, Verified, verify
from weir.results import RunResult
from weir.scenarios import available, load
from weir.simulation.engine import Settings, simulate
from weir.store import Store

__all__ = ["Reconciled", "main", "page"]

PAGE = Path("docs/reconcile.md")
Tell = Callable[[str, int, int], None]
"""What is being done, how much of it is done, and of how much."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """A scenario's replay, and what the comparison found; `events` went into the index, in `indexing` seconds
    (the comparison took `comparing`).
    """

    scenario: str
    events: int
    found: Verified
    indexing: float
    comparing: float

    def __str__(self) -> str:
        found = self.found
        return (
            f"{self.scenario}: blocks {found.first} to {found.last}, {self.events:,} events in"
            f" {self.indexing:.1f} s; {found.blocks:,} blocks and {found.words:,} numbers compared in"
            f" {self.comparing:.1f} s, {_count(found)} differences"
        )


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--traders", type=click.IntRange(1), default=44, show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Who takes part.")
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Blocks from one to the next."
)
@click.option("--write", is_flag=True, help=f"Write {PAGE}; of all scenarios.")
def main(names: tuple[str, ...], traders: int, seed: int, every: int, write: bool) -> None:
    """Replay scenarios (by default all) on a local chain; ends with 1 where events do not make its state."""
    if write and names:
        raise click.UsageError("--write records all scenarios: name none")
    done = []
    with _progress() as tell:
        for name in names or available():
            done.append(_reconcile(name, Settings(traders=traders), seed, every, tell))
            for difference in done[-1].found.differences:
                click.echo(str(difference))
            click.echo(str(done[-1]))
    if write:
        files.write(PAGE, page(done, traders, seed, every))
    sys.exit(1 if any(each.found.differences for each in done) else 0)


def _reconcile(name: str, settings: Settings, seed: int, every: int, tell: Tell) -> Reconciled:
    found = []

    def compare(_result: RunResult, weir: Weir) -> None:
        found.append(_compare(name, weir, every, tell))

    simulate(
        load(name),
        seed=seed,
        settings=settings,
        progress=lambda now: tell(f"{name}: {now.stage}", now.done, now.total),
        then=compare,
    )
    return found[0]


def _compare(name: str, weir: Weir, every: int, tell: Tell) -> Reconciled:
    """Indexes a chain from the deployment on, and compares."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'index.sqlite3'}")
        follower = Follower(weir.chain, weir.deployment, store)
        started, taken, behind = time.monotonic(), 0, True
        while behind:
            step = follower.step()
            taken, behind = taken + step.events, step.behind > 0
            tell(f"{name}: indexing", step.block, step.latest)
        indexed = time.monotonic()
        found = verify(
            weir.chain,
            weir.deployment,
            store,
            every=every,
            progress=lambda done, total: tell(f"{name}: comparing blocks", done, total),
        )
        compared = time.monotonic()
        store.close()
    return Reconciled(name, taken, found, indexed - started, compared - indexed)


@contextmanager
def _progress() -> Iterator[Tell]:
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None)
        yield lambda what, done, total: bar.update(task, description=what, completed=done, total=total)


def _count(found: Verified) -> str:
    """How many differences there are, as far as they were counted."""
    count = len(found.differences)
    return f"{count} or more" if count >= MOST_DIFFERENCES else str(count)


def page(done: Sequence[Reconciled], traders: int, seed: int, every: int) -> str:
    """What was compared, and what was found, in Markdown."""
    rows = [
        f"| {each.scenario} | {seed} | {each.events:,} | {each.found.blocks:,} | {each.found.words:,} "
        f"| {_count(each.found)} |"
        for each in done
    ]
    which = "every block" if every == 1 else f"every {every}th block and the last"
    blocks, words = (sum(getattr(each.found, name) for each in done) for name in ("blocks", "words"))
    return "\n".join(
        [
            "# Reconciliation",
            "",
            f"`make reconcile` replays every scenario ({traders} traders), takes its events into an index, "
            f"and compares the state that they make with the contracts' own views at {which} from the "
            "deployment on, word by word; then it writes this page. [index.md](index.md) says what that is, "
            "and what is left out.",
            "",
            f"This run: {blocks:,} blocks, {words:,} numbers.",
            "",
            "| scenario | seed | events | blocks compared | numbers compared | differences |",
            "|---|---:|---:|---:|---:|---:|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    with one_line_errors():
        main.main(standalone_mode=False)
