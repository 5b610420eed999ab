"""Every scenario, indexed, and compared with its chain at every block: `python -m weir.index.scenarios`."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import click

from weir.client import Weir
from weir.index.follow import Follower
from weir.index.verify import verify
from weir.results import RunResult
from weir.scenarios import available, load
from weir.simulation.engine import Settings, simulate
from weir.store import Store

__all__ = ["main"]


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--traders", type=click.IntRange(1), default=44, show_default=True)
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Blocks from one to the next."
)
def main(names: tuple[str, ...], traders: int, every: int) -> None:
    """Replay scenarios (by default all) on a local chain; ends with 1 where events do not make its state."""
    differences = 0
    for name in names or available():

        def compare(_result: RunResult, weir: Weir, name: str = name) -> None:
            nonlocal differences
            differences += _compare(name, weir, every)

        simulate(load(name), settings=Settings(traders=traders), then=compare)
    raise SystemExit(1 if differences else 0)


def _compare(name: str, weir: Weir, every: int) -> int:
    """How many differences there are; tells what was done, and how long it took."""
    with tempfile.TemporaryDirectory() as folder:
        store = Store.open(f"sqlite:///{Path(folder) / 'index.sqlite3'}")
        follower = Follower(weir.chain, weir.deployment, store)
        started, taken, behind = time.monotonic(), 0, True
        while behind:
            step = follower.step()
            taken, behind = taken + step.events, step.behind > 0
        indexed = time.monotonic()
        found = verify(weir.chain, weir.deployment, store, every=every)
        compared = time.monotonic()
        store.close()
    for difference in found.differences:
        click.echo(str(difference))
    click.echo(
        f"{name}: blocks {found.first} to {found.last}, {taken:,} events in {indexed - started:.1f} s;"
        f" {found.blocks} blocks and {found.words:,} numbers compared in {compared - indexed:.1f} s,"
        f" {len(found.differences) or 'no'} differences"
    )
    return len(found.differences)


if __name__ == "__main__":
    main()
