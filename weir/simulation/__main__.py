"""`python -m weir.simulation`: a market lives on a chain that runs already, until stopped."""

from __future__ import annotations

import logging
import signal
from pathlib import Path
from threading import Event

import click

from weir.cli import one_line_errors, rpc_option
from weir.client import Weir
from weir.deployment import Deployment
from weir.node import Node
from weir.scenarios import load
from weir.simulation.command import market_options
from weir.simulation.live import LiveMarket


@click.command()
@rpc_option
@click.option(
    "--deployment",
    type=click.Path(dir_okay=False, path_type=Path),
    required=True,
    help="Written once the market is open. Where the file is there already, the market goes on.",
)
@market_options
def main(rpc: str, deployment: Path, scenario: str, pace: float, seed: int) -> None:
    """Let a market live on a chain that runs already (Anvil), until stopped."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stop = Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    before = Weir.connect(rpc, deployment) if deployment.exists() else None
    market = LiveMarket(Node.at(rpc), load(scenario), seed, weir=before, pace=pace, stop=stop)
    market.play(lambda weir: _save(weir.deployment, deployment))


def _save(deployment: Deployment, file: Path) -> None:
    """At once: others start when they see it."""
    new = file.with_suffix(".new")
    deployment.save(new)
    new.replace(file)


if __name__ == "__main__":
    with one_line_errors():
        main.main(standalone_mode=False)
