"""`ape run status --network …`: `weir status` on the network that Ape is connected to."""

from pathlib import Path

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from weir.cli import deployment_option, json_option, one_line_errors, show_status


@click.command(cls=ConnectedProviderCommand)
@deployment_option
@json_option
def cli(provider: ProviderAPI, deployment: Path | None, as_json: bool) -> None:
    """Show markets, the fund, accounts at risk, defaults, and whether the books balance."""
    with one_line_errors():
        show_status(provider.web3, deployment, as_json=as_json)
