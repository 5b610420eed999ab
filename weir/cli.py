"""The console command `weir`.

Bad input ends with one line and exit code 2, a failure (a node that can't be reached, a call that reverts)
with one line and exit code 1. What a command needs is imported when it runs.
"""

from __future__ import annotations

import importlib
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

if TYPE_CHECKING:
    from web3 import Web3

__all__ = [
    "cli",
    "deploy_to",
    "deployment_option",
    "folder_option",
    "json_option",
    "keystore_option",
    "main",
    "one_line_errors",
    "parameters_option",
    "rpc_option",
    "show_status",
]

_LAZY = {
    "contribution": "weir.funding_commands:contribution",
    "demo": "weir.simulation:command",
    "down": "weir.operate:down",
    "fuzz": "weir.fuzz.command:command",
    "govern": "weir.governance_commands:govern",
    "index": "weir.index.command:index",
    "keeper": "weir.keeper:command",
    "keystore": "weir.keystores:keystore",
    "monitor": "weir.monitor.command:monitor",
    "post": "weir.funding_commands:post",
    "risk": "weir.risk.command:risk",
    "up": "weir.operate:up",
}
"""Commands that live in modules of their own."""


class _Group(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted([*super().list_commands(ctx), *_LAZY])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if place := _LAZY.get(cmd_name):
            module, _, name = place.partition(":")
            command: click.Command = getattr(importlib.import_module(module), name)
            return command
        return super().get_command(ctx, cmd_name)


rpc_option = click.option(
    "--rpc",
    metavar="URL",
    envvar="WEIR_RPC",
    default="http://127.0.0.1:8545",
    show_default=True,
    help="The node (or WEIR_RPC).",
)
deployment_option = click.option(
    "--deployment",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The deployment's file.  [default: deployments/<chain id>.json]",
)
keystore_option = click.option(
    "--keystore",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Key to sign with (password: WEIR_PASSWORD). Else WEIR_PRIVATE_KEY; locally, a development key.",
)
parameters_option = click.option(
    "--parameters",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="JSON file of what to deploy; without it the defaults, on local chains only.",
)
folder_option = click.option(
    "--folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("deployments"),
    show_default=True,
    help="Where the deployment's file is kept.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="JSON instead of tables.")


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(package_name="weir", message="%(version)s")
@click.option("-v", "--verbose", is_flag=True, help="Say what is being done.")
def cli(verbose: bool) -> None:
    """Weir: a clearing house for perpetuals and its insurance fund."""
    logging.basicConfig(
        level=logging.INFO if verbose else logging.WARNING, format="%(message)s", stream=sys.stderr
    )


@cli.command()
def scenarios() -> None:
    """List the price scenarios that a demo can replay."""
    from weir.scenarios import available, load

    for name in available():
        scenario = load(name)
        quoted = "+".join((*scenario.markets, *scenario.assets))
        click.echo(f"{name:14} {quoted:8} {scenario.bars:3} bars  {scenario.title}")


@cli.command()
@rpc_option
@deployment_option
@json_option
def status(rpc: str, deployment: Path | None, as_json: bool) -> None:
    """Show markets, the fund, accounts at risk, defaults, and whether the books balance."""
    from weir.chain import connect

    show_status(connect(rpc), deployment, as_json=as_json)


def show_status(w3: Web3, deployment: Path | None, *, as_json: bool) -> None:
    """What `weir status` does, on any client."""
    from rich.console import Console

    from weir.client import Weir
    from weir.formatting import exact_json
    from weir.status import collect, render

    found = collect(Weir.load(w3, deployment))
    if as_json:
        click.echo(exact_json(found))
    else:
        Console().print(render(found))


@cli.command()
@rpc_option
@keystore_option
@parameters_option
@folder_option
def deploy(rpc: str, keystore: Path | None, parameters: Path | None, folder: Path) -> None:
    """Deploy Weir, or find that it already is deployed as wanted; prints the addresses."""
    from weir.chain import connect

    deploy_to(connect(rpc), keystore, parameters, folder)


def deploy_to(w3: Web3, keystore: Path | None, parameters: Path | None, folder: Path) -> None:
    """What `weir deploy` does, on any client."""
    from weir.accounts import choose_account
    from weir.chain import Chain
    from weir.deployment import deploy as deploy_weir
    from weir.parameters import Parameters

    wanted = Parameters.load(parameters) if parameters else Parameters()
    chain_id = Chain(w3).id
    deployment = deploy_weir(w3, choose_account(chain_id, keystore), wanted, folder=folder)
    for name, record in deployment.contracts.items():
        click.echo(f"{name:16} {record.address}")
    click.echo(f"{'recorded in':16} {folder / f'{chain_id}.json'}")


@cli.command()
@click.argument("result", type=click.Path(exists=True, dir_okay=False, path_type=Path), metavar="JSON")
@click.argument("page", type=click.Path(dir_okay=False, path_type=Path), metavar="HTML")
def report(result: Path, page: Path) -> None:
    """Write the HTML report of a demo's JSON."""
    from pydantic import ValidationError

    from weir.report import write
    from weir.results import RunResult

    try:
        run = RunResult.load(result)
    except ValidationError as error:
        raise click.UsageError(f"{result} is not what a demo writes: {error.error_count()} errors") from None
    write(run, page)
    click.echo(str(page))


def main(arguments: Sequence[str] | None = None) -> None:
    """Runs the command and ends the process."""
    with one_line_errors():
        sys.exit(cli.main(args=arguments, prog_name="weir", standalone_mode=False) or 0)


@contextmanager
def one_line_errors() -> Iterator[None]:
    """Ends the process where what is done inside fails: with one line, and exit code 1, or 2 for bad
    input.
    """
    try:
        yield
    except click.ClickException as error:
        _fail(error.format_message(), 2)
    except (click.Abort, KeyboardInterrupt):
        _fail("stopped", 130)
    except OSError as error:
        _fail(str(error) or type(error).__name__, 1)
    except (ValueError, RuntimeError) as error:
        # Those that Weir raises say all there is to say; any other is a bug, and wants its traceback.
        if not type(error).__module__.startswith("weir."):
            raise
        _fail(str(error), 2 if isinstance(error, ValueError) else 1)


def _fail(message: str, code: int) -> NoReturn:
    click.echo("weir: " + " ".join(message.split()), err=True)
    sys.exit(code)
