"""`ape run funding_curves`: the curves of the funding policy with its defaults, from a fresh deployment."""

import click
from ape.api import ProviderAPI
from ape.cli import ConnectedProviderCommand

from weir.accounts import development_account
from weir.cli import one_line_errors
from weir.client import Weir
from weir.deployment import deploy
from weir.funding_curves import PICTURE, draw, read
from weir.parameters import Parameters


@click.command(cls=ConnectedProviderCommand)
@click.option("--write", is_flag=True, help="Renew docs/funding.svg.")
def cli(provider: ProviderAPI, write: bool) -> None:
    """Draw what follows from coverage, concentration and leverage, as the contract answers it."""
    with one_line_errors():
        w3 = provider.web3
        picture = draw(read(Weir(w3, deploy(w3, development_account(0), Parameters()))))
        if write:
            PICTURE.write_text(picture, "utf-8")
            click.echo(str(PICTURE))
        else:
            click.echo(picture)
