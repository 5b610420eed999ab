"""`ape run bench`: what every action costs in gas, measured on a chain of its own."""

from pathlib import Path

import click
from rich.console import Console

from weir.bench import (
    DOCUMENT,
    SNAPSHOT,
    Snapshot,
    compare,
    measurements,
    render,
    render_changes,
    rewrite_table,
)
from weir.cli import one_line_errors

WIDTH = 160
"""Columns that the table needs; narrow terminals and logs wrap its lines instead of its cells."""


@click.command()
@click.option(
    "--check", is_flag=True, help="Compare with the committed snapshot; exit code 1 if it is worse."
)
@click.option(
    "--json", "path", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here."
)
@click.option("--write", is_flag=True, help="Commit to these figures: renew bench/gas.json and docs/gas.md.")
def cli(check: bool, path: Path | None, write: bool) -> None:
    """Measure the gas of every action, and show it beside its limit and what other systems need."""
    console = Console()
    console.width = max(console.width, WIDTH)
    with one_line_errors():
        committed = Snapshot.load(SNAPSHOT) if check else None
        with console.status("measuring"):
            snapshot = Snapshot(gas=dict(measurements()))
        console.print(render(snapshot))
        if path:
            snapshot.save(path)
        if write:
            snapshot.save(SNAPSHOT)
            DOCUMENT.write_text(rewrite_table(DOCUMENT.read_text("utf-8"), snapshot), "utf-8")
        if committed:
            changes = compare(committed, snapshot)
            console.print(render_changes(changes))
            if any(change.regression for change in changes):
                raise SystemExit(1)
