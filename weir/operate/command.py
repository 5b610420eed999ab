"""The console commands `weir up` and `weir down`."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from threading import Event
from typing import TYPE_CHECKING

import click

from weir.serving import port_option
from weir.simulation.command import market_options

if TYPE_CHECKING:
    from weir.operate.plan import Plan
    from weir.operate.running import Running

__all__ = ["OperateError", "down", "up"]

FOLDER = Path("build/up")
MOST_PAGES = 7
"""Ports from the page's on, at most: page, monitor, index, three keepers, a buyer."""
PATIENCE = 240.0
"""Seconds in which everything must have become healthy, and in which it must have stopped."""

_folder = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=FOLDER,
    show_default=True,
    help="Where logs, database, deployment and the list of processes are kept.",
)


class OperateError(RuntimeError):
    """What was asked for did not come about; the message says where to look."""


@click.command()
@market_options
@port_option("--port", "The chain's port", 8545, fixed=True)
@port_option(
    "--pages",
    "The page's port; metrics and health are on those that follow",
    8600,
    fixed=True,
    more=MOST_PAGES - 1,
)
@click.option(
    "--keepers",
    type=click.IntRange(0, 3),
    default=2,
    show_default=True,
    help="How many; one more buys, where there are other stablecoins.",
)
@click.option(
    "--store",
    metavar="URL",
    envvar="WEIR_STORE",
    help="The database of keepers and index (or WEIR_STORE).  [default: a file in the folder]",
)
@_folder
@click.option("--foreground", is_flag=True, help="Stay, and stop everything on Ctrl-C.")
def up(
    scenario: str,
    pace: float,
    seed: int,
    port: int,
    pages: int,
    keepers: int,
    store: str | None,
    folder: Path,
    foreground: bool,
) -> None:
    """Run everything on this machine: a chain, a market that lives on it, keepers, index, monitor and page.

    Returns once all of it is healthy. A process that ends is started again; `weir down` stops all. The chain
    is a fresh one each time, its clock begins now, and its accounts are those that everybody knows.
    """
    from weir.operate.plan import Plan
    from weir.scenarios import load

    load(scenario)
    plan = Plan(folder, scenario, pace, seed, port, pages, keepers, store)
    if (running := _running(folder)) is not None:
        click.echo("It runs already; `weir down` stops it.")
        _show(running, plan)
        return
    _sweep(folder)
    _require_ports(plan)
    if foreground:
        _supervise(plan)
    else:
        _detach(plan)


@click.command()
@_folder
def down(folder: Path) -> None:
    """Stop what `weir up` started: the market first, keepers when they have finished, the chain last."""
    running = _running(folder)
    if running is not None and (supervisor := running.supervisor.found()) is not None:
        supervisor.terminate()
        deadline = time.monotonic() + PATIENCE
        while running.supervisor.found() is not None:
            if time.monotonic() > deadline:
                raise OperateError(f"it has not stopped in {PATIENCE:.0f} s: see {folder / 'supervisor.log'}")
            time.sleep(0.1)
    left = _sweep(folder)
    if running is not None:
        click.echo("Stopped.")
    elif left:
        click.echo(f"The supervisor was gone; stopped what it had left: {', '.join(left)}.")
    else:
        click.echo("Nothing runs.")


def _running(folder: Path) -> Running | None:
    """What a living supervisor says."""
    from weir.operate.running import Running

    found = Running.read(folder)
    return found if found is not None and found.supervisor.found() is not None else None


def _sweep(folder: Path) -> list[str]:
    """Ends what a supervisor that is gone has left behind; their names."""
    import psutil  # type: ignore[import-untyped]

    from weir.operate.running import Running
    from weir.operate.supervisor import DRAIN

    found = Running.read(folder)
    if found is None:
        return []
    left = {name: process for name, mark in found.children.items() if (process := mark.found())}
    for process in left.values():
        process.terminate()
    _, deaf = psutil.wait_procs(left.values(), timeout=DRAIN)
    for process in deaf:
        process.kill()
    Running.remove(folder)
    return sorted(left)


def _require_ports(plan: Plan) -> None:
    from weir.node import require_free

    for port in plan.ports:
        require_free(port)


def _supervise(plan: Plan) -> None:
    from weir.operate.running import only_one
    from weir.operate.supervisor import Supervisor

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s", force=True)
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with only_one(plan.folder):
        Supervisor(plan, stop).run()


def _detach(plan: Plan) -> None:
    """Starts the supervisor as a process of its own, and waits until it says that everything is healthy."""
    from rich.console import Console

    plan.folder.mkdir(parents=True, exist_ok=True)
    for old in plan.folder.glob("*.log"):
        old.unlink()
    log = plan.folder / "supervisor.log"
    with log.open("wb") as output:
        supervisor = subprocess.Popen(
            _again(plan),
            env={**os.environ, **({"WEIR_STORE": plan.store} if plan.store else {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    deadline, last = time.monotonic() + PATIENCE, ""
    with Console(stderr=True).status("starting") as status:
        try:
            while (running := _running(plan.folder)) is None or not running.ready:
                if supervisor.poll() is not None:
                    words = log.read_text(errors="replace").strip().splitlines() or ["it said nothing"]
                    raise OperateError(f"{words[-1].removeprefix('weir: ')} (see {log})")
                if running is not None and (waiting := ", ".join(running.waiting_for)) != last:
                    last = waiting
                    status.update(f"waiting for {last}")
                if time.monotonic() > deadline:
                    raise OperateError(
                        f"not healthy in {PATIENCE:.0f} s: {last}; see the logs in {plan.folder}"
                    )
                time.sleep(0.1)
        except BaseException:
            supervisor.terminate()
            supervisor.wait()
            raise
    _show(running, plan)


def _again(plan: Plan) -> list[str]:
    """This command, in the foreground; the store's address, which may hold a password, stays out of it."""
    return [
        *(sys.executable, "-m", "weir", "up", "--foreground", "--folder", str(plan.folder)),
        *("--scenario", plan.scenario, "--pace", f"{plan.pace:g}", "--seed", f"{plan.seed}"),
        *("--port", f"{plan.port}", "--pages", f"{plan.pages}", "--keepers", f"{plan.keepers}"),
    ]


def _show(running: Running, plan: Plan) -> None:
    width = max(map(len, running.places), default=0)
    for name, place in running.places.items():
        click.echo(f"{name:{width}}  {place}")
    click.echo(f"{'deployment':{width}}  {plan.deployment}")
    click.echo(f"{'logs':{width}}  {plan.folder}")
