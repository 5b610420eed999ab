"""The console command `weir index`."""

from __future__ import annotations

import json
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weir.cli import deployment_option, json_option, rpc_option
from weir.serving import HOST, port_option, serve
from weir.store import Store, store_option
from weir.units import DAY

if TYPE_CHECKING:
    from weir.index.follow import Follower, Step
    from weir.index.running import Runner

__all__ = ["index"]

_PIPE_WIDTH = 160
"""Characters of a table that nobody's terminal bounds."""


@click.group()
def index() -> None:
    """Everything that happened, from events: follow the chain, ask, and check against it."""


# ------------------------------------------------------------------- the chain


@index.command()
@rpc_option
@deployment_option
@store_option
@click.option("--once", is_flag=True, help="Stop when nothing is left to read.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.05),
    default=2.0,
    show_default=True,
    help="Seconds between two looks at the chain.",
)
@port_option("--port", "Answer /healthz and /metrics on this port")
def run(
    rpc: str, deployment: Path | None, store_url: str, once: bool, interval: float, port: int | None
) -> None:
    """Take events into the database, and go on as the chain does."""
    from weir.index.running import Runner

    store = Store.open(store_url)
    runner = Runner(lambda: _follower(rpc, deployment, store), interval)
    _stop_on_signals(runner)
    serving = nullcontext() if port is None else serve(port, runner.registry, runner.health)
    with serving as listening, _progress() as progress:
        if listening is not None:
            click.echo(f"http://{HOST}:{listening}/metrics", err=True)
        runner.run(once=once, progress=progress)
    store.close()


def _follower(rpc: str, deployment: Path | None, store: Store) -> Follower:
    from weir.chain import connect
    from weir.client import Weir
    from weir.index.follow import Follower

    weir = Weir.load(connect(rpc), deployment)
    return Follower(weir.chain, weir.deployment, store)


def _stop_on_signals(runner: Runner) -> None:
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: runner.stop())


@contextmanager
def _progress() -> Iterator[Callable[[Step], None]]:
    """A bar while there is much to catch up with, where somebody watches."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("blocks"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    task = bar.add_task("blocks", total=None, visible=False)

    def tell(step: Step) -> None:
        bar.update(task, completed=step.block, total=step.latest, visible=step.behind > 0)

    with bar:
        yield tell


@index.command()
@rpc_option
@deployment_option
@store_option
@click.option(
    "--every", type=click.IntRange(1), default=1, show_default=True, help="Blocks from one to the next."
)
@click.option("--from", "first", type=click.IntRange(0), help="First block.  [default: the deployment's]")
@click.option("--to", "last", type=click.IntRange(0), help="Last block.  [default: the last one indexed]")
@json_option
def verify(
    rpc: str,
    deployment: Path | None,
    store_url: str,
    every: int,
    first: int | None,
    last: int | None,
    as_json: bool,
) -> int:
    """Compare the state that events make with the chain's views, block by block.

    Ends with exit code 1 and the first differences where they are not the same. The node must still know
    the states of those blocks.
    """
    from weir.chain import connect
    from weir.client import Weir
    from weir.index.verify import verify as compare

    weir, store = Weir.load(connect(rpc), deployment), Store.open(store_url)
    with _counted("blocks compared") as tell:
        try:
            found = compare(
                weir.chain, weir.deployment, store, first=first, last=last, every=every, progress=tell
            )
        except LookupError as error:
            raise click.UsageError(str(error)) from None
    if as_json:
        click.echo(json.dumps(asdict(found), default=str))
    else:
        for difference in found.differences:
            click.echo(str(difference))
        click.echo(
            f"blocks {found.first} to {found.last}: {found.blocks} compared, {found.words} numbers, "
            f"{len(found.differences) or 'no'} difference{'' if len(found.differences) == 1 else 's'}"
        )
    return 1 if found.differences else 0


@contextmanager
def _counted(what: str) -> Iterator[Callable[[int, int], None]]:
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


# --------------------------------------------------------------------- queries


class _Time(click.ParamType):
    """Unix seconds, or a date or time such as 2022-11-09, 2022-11-09T12:00 (UTC) or 2022-11-09T12:00+02:00.

    A date alone is its first second, or, where that `ends` something, its last.
    """

    name = "time"

    def __init__(self, *, ends: bool = False) -> None:
        self._ends = ends

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> int:
        if isinstance(value, int) or str(value).isdigit():
            return int(value)
        try:
            time = datetime.fromisoformat(value)
            if time.tzinfo is None:
                time = time.replace(tzinfo=UTC)
            is_date = ":" not in value and "T" not in value
            return int(time.timestamp()) + (DAY - 1 if self._ends and is_date else 0)
        except ValueError:
            self.fail(f"{value!r} is neither Unix seconds nor a date such as 2022-11-09T12:00", param, ctx)


def _between(function: Callable[..., Any]) -> Callable[..., Any]:
    function = click.option(
        "--until", type=_Time(ends=True), metavar="TIME", help="UTC, or Unix seconds; of a date, its end."
    )(function)
    return click.option("--since", type=_Time(), metavar="TIME", help="UTC, or Unix seconds.")(function)


@index.command()
@click.argument("account")
@store_option
@_between
@click.option("--limit", type=click.IntRange(1), help="The last so many.")
@json_option
def history(
    account: str, store_url: str, since: int | None, until: int | None, limit: int | None, as_json: bool
) -> None:
    """What happened to ACCOUNT."""
    from weir.index import queries, showing

    store = Store.open(store_url)
    found = queries.account_history(store, account, since=since, until=until, limit=limit)

    def nothing() -> str:
        then = " in that time" if since is not None or until is not None else ""
        last = queries.newest(store).number
        return f"Nothing has happened to {account}{then}; the index goes up to block {last}."

    _show(found, as_json, lambda: showing.history(found) if found else nothing())


@index.command()
@click.argument("number", type=click.IntRange(1))
@store_option
@json_option
def default(number: int, store_url: str, as_json: bool) -> None:
    """The post-mortem of default NUMBER."""
    from weir.index import queries, showing

    store = Store.open(store_url)
    try:
        found = queries.post_mortem(store, number)
    except LookupError as error:
        raise click.UsageError(str(error)) from None
    _show(found, as_json, lambda: showing.post_mortem(found, queries.about(store)))


@index.command()
@store_option
@_between
@click.option(
    "--period",
    type=click.Choice(("hour", "day", "week", "all")),
    default="day",
    show_default=True,
    help="Of each row.",
)
@json_option
def income(store_url: str, since: int | None, until: int | None, period: str, as_json: bool) -> None:
    """What the fund lives on, by source, and where it went."""
    from weir.index import queries, showing

    seconds = {"hour": 3_600, "day": 86_400, "week": 7 * 86_400, "all": None}[period]
    store = Store.open(store_url)
    found = queries.income_by_source(store, period=seconds, since=since, until=until)
    _show(found, as_json, lambda: showing.income(found, queries.about(store)))


@index.command()
@store_option
@_between
@json_option
def contributions(store_url: str, since: int | None, until: int | None, as_json: bool) -> None:
    """Who contributed what: traders, stakers, members, givers."""
    from weir.index import queries, showing

    store = Store.open(store_url)
    found = queries.contributions(store, since=since, until=until)
    _show(found, as_json, lambda: showing.contributions(found, queries.about(store)))


@index.command()
@store_option
@_between
@json_option
def days(store_url: str, since: int | None, until: int | None, as_json: bool) -> None:
    """Losses, income, utilisation and replenishment by UTC day."""
    from weir.index import queries, showing

    store = Store.open(store_url)
    found = queries.days(store, since=since, until=until)
    _show(found, as_json, lambda: showing.days(found, queries.about(store)))


@index.command()
@store_option
@_between
@click.option("--points", type=click.IntRange(2), default=30, show_default=True, help="At most so many rows.")
@json_option
def layers(store_url: str, since: int | None, until: int | None, points: int, as_json: bool) -> None:
    """The fund's layers, its target and its coverage over time."""
    from weir.index import queries, showing

    store = Store.open(store_url)
    found = queries.layers(store, points=points, since=since, until=until)
    _show(found, as_json, lambda: showing.layers(found, queries.about(store)))


@index.command()
@store_option
@click.option("--block", type=click.IntRange(0), help="[default: the last one indexed]")
@json_option
def state(store_url: str, block: int | None, as_json: bool) -> None:
    """Everything, rebuilt from events at a block."""
    from weir.index import queries, showing

    store = Store.open(store_url)
    try:
        found = queries.state_at(store, block)
    except LookupError as error:
        raise click.UsageError(str(error)) from None
    _show(found, as_json, lambda: showing.state(found, queries.about(store)))


def _show(found: Any, as_json: bool, table: Callable[[], Any]) -> None:
    """JSON in the units of the chain, or a table."""
    if as_json:
        plain = [asdict(each) for each in found] if isinstance(found, tuple) else asdict(found)
        click.echo(json.dumps(plain, indent=2))
        return
    from rich.console import Console

    console = Console()
    # A file or a pipe has no width of its own.
    (console if console.is_terminal else Console(width=_PIPE_WIDTH)).print(table())
