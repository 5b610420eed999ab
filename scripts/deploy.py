"""`ape run deploy --network …`: `weir deploy` on the network that Ape is connected to."""

from pathlib import Path

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from weir.cli import deploy_to, folder_option, keystore_option, one_line_errors, parameters_option


@click.command(cls=ConnectedProviderCommand)
@keystore_option
@parameters_option
@folder_option
def cli(provider: ProviderAPI, keystore: Path | None, parameters: Path | None, folder: Path) -> None:
    """Deploy Weir, or find that it already is deployed as wanted; prints the addresses."""
    with one_line_errors():
        deploy_to(provider.web3, keystore, parameters, folder)
