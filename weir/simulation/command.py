"""The console command `weir demo`, also run by `make demo` and `ape run demo`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING, Any

import click

from weir.cli import one_line_errors
from weir.serving import port_option

if TYPE_CHECKING:
    from weir.client import Weir
    from weir.node import Kind
    from weir.results import RunResult
    from weir.simulation.engine import Progress

__all__ = ["command", "market_options"]


def market_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a live market can be told, as options of a command: `scenario`, `pace` and `seed`."""
    for option in (
        click.option("--seed", type=int, default=1, show_default=True, help="Who takes part."),
        click.option(
            "--pace",
            type=click.FloatRange(1, 3_600),
            default=60.0,
            show_default=True,
            help="Seconds that pass on the chain in one of ours, where the machine can follow.",
        ),
        click.option(
            "--scenario",
            default="2020-03-12",
            show_default=True,
            help="The first scenario that prices follow: a name (`weir scenarios`), or a file of your own.",
        ),
    ):
        function = option(function)
    return function


@click.command("demo")
@click.option(
    "--scenario",
    default="2020-03-12",
    show_default=True,
    help="A scenario's name (see `weir scenarios`), or the file of one of your own.",
)
@click.option("--node", type=click.Choice(["anvil", "ganache"]), default="anvil", show_default=True)
@click.option("--seed", type=int, default=1, show_default=True, help="Same seed, same node: same result.")
@click.option(
    "--json",
    "as_json",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write the result in JSON.",
)
@click.option(
    "--report",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("build/report.html"),
    show_default=True,
    help="Where to write the report, one page.",
)
@click.option(
    "--fund", type=click.FloatRange(0), default=1.0, show_default=True, help="Multiplies the fund's layers."
)
@click.option(
    "--leverage",
    type=click.FloatRange(0, min_open=True),
    help="Multiplies what traders take.  [default: the scenario's]",
)
@click.option(
    "--substeps",
    type=click.IntRange(1, 60),
    help="Steps between two known prices: the fewer, the larger the gaps.  [default: the scenario's, or 4]",
)
@port_option("--stay", "Keep the chain on this port after the replay, until stopped (Ctrl-C)", fixed=True)
def command(
    scenario: str,
    node: str,
    seed: int,
    as_json: Path | None,
    page: Path,
    fund: float,
    leverage: float | None,
    substeps: int | None,
    stay: int | None,
) -> None:
    """Replay a crash on a local chain: traders, makers, keepers, the fund, and who paid for what.

    Ends with exit code 1 when an identity does not hold. With --stay, the deployment is written to
    deployments/<chain id>.json as `weir deploy` does.
    """
    with one_line_errors():
        sys.exit(_demo(scenario, node, seed, as_json, page, fund, leverage, substeps, stay))


def _demo(
    scenario: str,
    node: str,
    seed: int,
    as_json: Path | None,
    page: Path,
    fund: float,
    leverage: float | None,
    substeps: int | None,
    stay: int | None,
) -> int:
    from rich.console import Console

    from weir import report, report_console
    from weir.scenarios import load
    from weir.simulation.engine import Settings, simulate

    console = Console()
    settings = Settings(substeps=substeps, fund_factor=fund, leverage=leverage)
    kind: Kind = "ganache" if node == "ganache" else "anvil"
    holding = ExitStack()

    def told(result: RunResult, weir: Weir) -> None:
        holding.close()  # the bar
        console.print(report_console.render(result))
        report.write(result, page)
        console.print(f"Report: {page}", soft_wrap=True)
        if as_json:
            result.save(as_json)
            console.print(f"JSON:   {as_json}", soft_wrap=True)
        if stay is not None:
            file = Path("deployments") / f"{weir.chain.id}.json"
            weir.deployment.save(file)
            console.print(
                f"The chain stays at http://127.0.0.1:{stay} ({file}). Ctrl-C ends it.", soft_wrap=True
            )
            with suppress(KeyboardInterrupt):
                Event().wait()

    with holding:
        tell = holding.enter_context(_progress())
        result = simulate(load(scenario), kind, seed, settings, tell, port=stay, then=told)
    return 0 if all(identity.holds for identity in result.identities) else 1


@contextmanager
def _progress() -> Iterator[Callable[[Progress], None]]:
    """A bar on a terminal's standard error; a line now and then elsewhere."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Lines()
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def tell(progress: Progress) -> None:
            bar.update(task, completed=progress.done, total=progress.total, description=_describe(progress))

        yield tell


class _Lines:
    """Says something whenever the stage changes."""

    def __init__(self) -> None:
        self._last = ""

    def __call__(self, progress: Progress) -> None:
        if progress.stage != self._last:
            self._last = progress.stage
            click.echo(_describe(progress), err=True)


def _describe(progress: Progress) -> str:
    prices = " ".join(f"{symbol} {price:,.0f}" for symbol, price in progress.prices.items())
    counts = f"{progress.liquidations} liquidations, {progress.defaults} defaults" if progress.prices else ""
    return " · ".join(part for part in (progress.stage, prices, counts) if part)
