"""The console command `weir monitor`."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from importlib.resources import as_file, files
from pathlib import Path
from shutil import copytree
from types import FrameType
from typing import TYPE_CHECKING

import click

from weir.cli import deployment_option, rpc_option
from weir.serving import HOST, Health, port_option, serve

if TYPE_CHECKING:
    from weir.monitor.watch import Watcher
    from weir.store import Store

__all__ = ["FILES", "health", "monitor"]

log = logging.getLogger(__name__)

FILES = "files"
"""The package's folder of what an operator's Prometheus and Grafana load."""
RPC_SECONDS = 20.0
"""After which a node that does not answer a request is given up."""
STALE_SECONDS = 60.0
"""Age from which what was read last is too old for a monitor to be healthy, or so many intervals."""
STALE_INTERVALS = 5


@click.group("monitor", invoke_without_command=True)
@rpc_option
@deployment_option
@click.option(
    "--store",
    "store_url",
    metavar="URL",
    envvar="WEIR_STORE",
    help="The index's database (or WEIR_STORE), for what happened before.  [default: none]",
)
@click.option(
    "--interval",
    type=click.FloatRange(0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two readings of the chain.",
)
@port_option("--port", "Show the page on this port", 8600)
@port_option("--metrics-port", "Answer /healthz and /metrics on this port", 8601)
@click.option("--no-page", is_flag=True, help="Metrics only.")
@click.pass_context
def monitor(
    context: click.Context,
    rpc: str,
    deployment: Path | None,
    store_url: str | None,
    interval: float,
    port: int,
    metrics_port: int,
    no_page: bool,
) -> None:
    """Watch a deployment: a live page for people, metrics for Prometheus. Both listen on loopback only.

    Goes on while the node or the database is away, and says so, until it is told to stop.
    """
    if context.invoked_subcommand is not None:
        return
    from weir.chain import connect
    from weir.client import Weir
    from weir.monitor.metrics import registry
    from weir.monitor.watch import Watcher

    def client() -> Weir:
        return Weir.load(connect(rpc, timeout=RPC_SECONDS), deployment)

    connect(rpc)  # an address that can't be one is told at once
    stop = _set_by_signals()
    store = _opener(store_url)
    watcher = Watcher(client, store, interval)
    watcher.start()
    try:
        with ExitStack() as serving:
            served = serving.enter_context(
                serve(metrics_port, registry(watcher), lambda: health(watcher, interval))
            )
            click.echo(f"metrics on http://{HOST}:{served}/metrics")
            if not no_page:
                from weir.monitor import page

                shown = serving.enter_context(page.serve(port, watcher, client, store, interval=interval))
                click.echo(f"page on http://{HOST}:{shown}")
            stop.wait()
    finally:
        watcher.stop()


@monitor.command(FILES)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
def write_files(folder: Path) -> None:
    """Write out what Prometheus and Grafana load: scrape settings, alert rules, and the dashboard.

    Files of the same name in DIR are replaced.
    """
    with as_file(files("weir.monitor") / FILES) as source:
        copytree(source, folder, dirs_exist_ok=True)
        for path in sorted(each for each in source.rglob("*") if each.is_file()):
            click.echo(str(folder / path.relative_to(source)))


def health(watcher: Watcher, interval: float) -> Health:
    """Healthy while what was read last is young enough; a chain that stands still is told."""
    from weir.monitor.watch import STILL_SECONDS

    reading, error = watcher.latest(), watcher.error()
    if reading is None:
        return Health(False, error or "nothing has been read yet")
    now = time.time()
    age, unchanged = now - reading.taken_at, now - reading.new_at
    facts = {
        "block": reading.block,
        "age_seconds": round(age, 1),
        "block_unchanged_seconds": round(unchanged, 1),
        "store_error": watcher.store_error(),
    }
    if age > max(STALE_SECONDS, STALE_INTERVALS * interval, STALE_INTERVALS * reading.seconds):
        return Health(False, error or "the last reading is old", facts)
    still = unchanged > STILL_SECONDS
    return Health(True, error or ("the node shows no new block" if still else "ok"), facts)


def _opener(url: str | None) -> Callable[[], Store] | None:
    """Opens the database when it is needed; raises `StoreUrlError` at once for what is no address of one."""
    if url is None:
        return None
    from weir.store import Store, StoreError

    try:
        Store.open(url).close()
    except StoreError as error:
        log.warning("%s", error)
    return lambda: Store.open(url)


def _set_by_signals() -> threading.Event:
    """Set by SIGINT and SIGTERM from now on."""
    stop = threading.Event()

    def leave(number: int, _: FrameType | None) -> None:
        log.info("%s: stopping", signal.Signals(number).name)
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, leave)
    return stop
