"""`ape run keeper --network …`: `weir keeper` on the network that Ape is connected to."""

import sys
from typing import Any

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from weir.cli import one_line_errors
from weir.keeper.command import keep, keeper_options


@click.command(cls=ConnectedProviderCommand)
@keeper_options
def cli(provider: ProviderAPI, **options: Any) -> None:
    """Settle, flag, liquidate and deleverage accounts, collect fees, roll tranches."""
    with one_line_errors():
        sys.exit(keep(provider.web3, **options))
