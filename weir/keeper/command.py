"""The console command `weir keeper`; `ape run keeper` is the same on Ape's network."""

from __future__ import annotations

import json
import logging
import signal
import threading
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from weir.cli import deployment_option, keystore_option, rpc_option

if TYPE_CHECKING:
    from web3 import Web3

    from weir.keeper.runner import Keeper, StepReport

__all__ = ["command", "keep", "keeper_options"]

log = logging.getLogger(__name__)

_OPTIONS = (
    deployment_option,
    keystore_option,
    click.option(
        "--execute", is_flag=True, help="Send what is due; without it everything is only simulated."
    ),
    click.option(
        "--steps", type=click.IntRange(1), help="Stop after so many steps.  [default: when told to]"
    ),
    click.option(
        "--interval",
        type=click.FloatRange(0),
        default=5.0,
        show_default=True,
        help="Seconds between two steps.",
    ),
    click.option(
        "--state",
        type=click.Path(dir_okay=False, path_type=Path),
        help="File to remember across restarts what is on its way and what failed.",
    ),
    click.option(
        "--min-profit",
        type=float,
        default=0.0,
        show_default=True,
        metavar="USD",
        help="What a liquidation must bring beyond its gas.",
    ),
    click.option(
        "--native-price",
        type=click.FloatRange(0),
        default=0.0,
        show_default=True,
        metavar="USD",
        help="Price of the chain's own coin, which gas is paid in.",
    ),
    click.option(
        "--min-bounty",
        type=click.IntRange(0, 1_000_000),
        default=0,
        show_default=True,
        metavar="PPM",
        help="Bounty to wait for, of the notional taken over.",
    ),
    click.option(
        "--margin-use",
        type=click.IntRange(1, 1_000_000),
        default=900_000,
        show_default=True,
        metavar="PPM",
        help="Most of the keeper's equity that initial margin may take.",
    ),
    click.option(
        "--min-discount",
        type=click.IntRange(0, 1_000_000),
        metavar="PPM",
        help="Buy other stablecoins at auction from this discount on, with what the wallet has approved to "
        "Collateral and Reserve.  [default: never]",
    ),
    click.option("--json", "as_json", is_flag=True, help="End with a summary in JSON."),
)


def keeper_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The options of `keep`, on a command."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@click.command("keeper")
@rpc_option
@keeper_options
def command(rpc: str, **options: Any) -> int:
    """Settle, flag, liquidate and deleverage accounts, collect fees, roll tranches, sell other stablecoins.

    Ends with exit code 1 when its last step tried something that did not succeed.
    """
    from weir.chain import connect

    return keep(connect(rpc), **options)


def keep(
    w3: Web3,
    *,
    deployment: Path | None,
    keystore: Path | None,
    execute: bool,
    steps: int | None,
    interval: float,
    state: Path | None,
    min_profit: float,
    native_price: float,
    min_bounty: int,
    margin_use: int,
    min_discount: int | None,
    as_json: bool,
) -> int:
    """What `weir keeper` does, on any client; the exit code."""
    from weir.accounts import choose_account
    from weir.client import Weir
    from weir.keeper.policy import Options
    from weir.keeper.roles import USUAL, Role
    from weir.keeper.runner import Keeper
    from weir.keeper.state import KeeperState

    weir = Weir.load(w3, deployment)
    options = Options(
        execute=execute,
        min_profit=weir.units(Decimal(str(min_profit))),
        native_price=native_price * 10.0 ** (weir.deployment.decimals - 18),
        min_bounty_rate=min_bounty,
        margin_use=margin_use,
        min_collect=weir.units(Decimal(1)),
        min_sale=weir.units(Decimal(1)),
        roles=USUAL if min_discount is None else USUAL | {Role.BUY},
        min_discount=min_discount or 0,
    )
    memory = KeeperState.open(state, weir.chain.id, weir.clearing_house.address)
    keeper = Keeper(weir, choose_account(weir.chain.id, keystore), options, state=memory)
    last = keeper.run(
        interval=interval,
        steps=steps,
        stop=_stopped_by_signal(),
        observe=None if as_json else _print,
    )
    if as_json:
        click.echo(json.dumps(_summary(keeper, last), indent=2))
    return 1 if last is not None and last.failed else 0


def _print(report: StepReport) -> None:
    for line in report.lines():
        click.echo(line)


def _stopped_by_signal() -> threading.Event:
    """Set by SIGINT and SIGTERM, so that a step is finished before the keeper ends."""
    stop = threading.Event()

    def leave(number: int, _: FrameType | None) -> None:
        log.info("%s: finishing this step", signal.Signals(number).name)
        stop.set()

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, leave)
        signal.signal(signal.SIGTERM, leave)
    return stop


def _summary(keeper: Keeper, last: StepReport | None) -> dict[str, Any]:
    return {
        "account": keeper.account.address,
        "execute": keeper.options.execute,
        **keeper.state.model_dump(mode="json"),
        "last_step": last.as_dict() if last else None,
    }
