"""The console command `weir keeper`; `ape run keeper` is the same on Ape's network."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weir.cli import deployment_option, keystore_option, rpc_option
from weir.keeper.patience import NONE, Patience
from weir.keeper.roles import MARGIN_USE, USUAL, Role
from weir.keeper.signals import Signals
from weir.serving import HOST, port_option, serve
from weir.store import StoreError, store_option

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from web3 import Web3

    from weir.client import Weir
    from weir.keeper.limits import Limits
    from weir.keeper.metrics import Metrics
    from weir.keeper.outbox import Outbox
    from weir.keeper.policy import Options
    from weir.keeper.runner import Keeper, StepReport

__all__ = ["command", "drain", "keep", "keeper_options", "opened"]

log = logging.getLogger(__name__)

RPC_SECONDS = 15.0
"""For which a node's answer is waited for."""
DRAIN_SECONDS = 30.0
"""For which a keeper that ends waits for what it has sent."""
GWEI, ETHER = 10**9, 10**18

_OPTIONS = (
    deployment_option,
    keystore_option,
    click.option(
        "--execute", is_flag=True, help="Send what is due; without it everything is only simulated."
    ),
    click.option(
        "--role",
        "roles",
        multiple=True,
        type=click.Choice([role.value for role in Role]),
        help="What to do; may be given several times.  [default: all but post and buy, which need authority "
        "or money, and withdraw, which takes out other stablecoins that liquidations have brought]",
    ),
    store_option,
    port_option("--port", "Answer /healthz and /metrics on this port"),
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
        "--max-fee",
        type=click.FloatRange(0, min_open=True),
        default=500.0,
        show_default=True,
        metavar="GWEI",
        help="The most to pay for a unit of gas.",
    ),
    click.option(
        "--daily-limit",
        type=click.FloatRange(0),
        default=0.5,
        show_default=True,
        metavar="ETH",
        help="The most to spend on gas in a UTC day, in the chain's own coin; half of it is kept for what is "
        "urgent.",
    ),
    click.option(
        "--native-price",
        type=click.FloatRange(0),
        metavar="USD",
        help="Price of the chain's own coin, which gas is paid in; with 0 gas is not weighed against what an "
        "action brings.  [default: none; --execute needs it, but on local chains]",
    ),
    click.option(
        "--max-gas-cost",
        type=click.FloatRange(0),
        default=50.0,
        show_default=True,
        metavar="USD",
        help="The most that the gas of an action may cost which brings the keeper nothing; of one that moves "
        "money, as collecting fees does, at most 1% of that.",
    ),
    click.option(
        "--min-collect",
        type=click.FloatRange(0),
        default=100.0,
        show_default=True,
        metavar="USD",
        help="Fees from which on they are collected, whatever gas costs.",
    ),
    click.option(
        "--min-sale",
        type=click.FloatRange(0),
        default=10.0,
        show_default=True,
        metavar="USD",
        help="Collateral of who owes something from which on it is put up for sale, and of the keeper's own "
        "from which on it is taken out (--role withdraw), whatever gas costs.",
    ),
    click.option(
        "--min-profit",
        type=float,
        default=0.0,
        show_default=True,
        metavar="USD",
        help="What a liquidation or a purchase must bring beyond its gas.",
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
        default=MARGIN_USE,
        show_default=True,
        metavar="PPM",
        help="Most of the keeper's equity that initial margin may take after a liquidation: where that is 5% "
        "of notional, 300000 allows positions of 6 times its equity, 900000 of 18 times.",
    ),
    click.option(
        "--min-discount",
        type=click.IntRange(0, 1_000_000),
        metavar="PPM",
        help="Buy other stablecoins at auction from this discount on, with what the wallet has approved to "
        "Collateral and Reserve (as --role buy does at any).  [default: never]",
    ),
    click.option(
        "--posting",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Post what `weir risk report --payload` wrote to this file, and what it writes next, with an "
        "account that has the poster's role.  [default: never; --role post needs it]",
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

    Told to stop (SIGTERM, Ctrl-C), it finishes its step, waits a while for what it has sent, and ends with
    exit code 0; told twice, it ends at once. Where its node, its database or the right to its account is away
    it waits, and says so on --port. After --steps it ends with 1 when the last of them tried something that
    did not succeed.
    """
    from weir.chain import connect

    return keep(connect(rpc, timeout=RPC_SECONDS), **options)


def keep(
    w3: Web3, *, port: int | None, steps: int | None, interval: float, as_json: bool, **options: Any
) -> int:
    """What `weir keeper` does, on any client; the exit code."""
    from weir.keeper.metrics import Metrics

    stop, metrics = Signals(), Metrics(interval)
    stop.listen()

    def observe(report: StepReport) -> None:
        metrics.stepped(report)
        if not as_json:
            _print(report)

    patience = _patience(stop, metrics, retries=steps is None)
    with _served(port, metrics), opened(w3, patience, **options) as keeper:
        metrics.begin(keeper)
        last = keeper.run(interval=interval, steps=steps, stop=stop, observe=observe, fail=metrics.failed)
        drain(keeper, last)
        if as_json:
            click.echo(json.dumps(_summary(keeper, last), indent=2))
    return 1 if last is not None and last.failed and not stop.is_set() else 0


def _patience(stop: Signals, metrics: Metrics, *, retries: bool) -> Patience:
    """That of a process, which may be asked meanwhile what it waits for, and be told to stop."""

    def sleep(seconds: float) -> None:
        if stop.wait(seconds):
            sys.exit(0)

    def tell(reason: str) -> None:
        log.warning("%s", reason)
        metrics.waits(reason)

    return Patience(sleep, tell, retries)


@contextmanager
def opened(
    w3: Web3,
    patience: Patience = NONE,
    *,
    deployment: Path | None,
    keystore: Path | None,
    roles: tuple[str, ...],
    store_url: str,
    posting: Path | None,
    **rules: Any,
) -> Iterator[Keeper]:
    """A keeper by the command's options; meanwhile nobody else sends with its account."""
    from weir.accounts import choose_account
    from weir.client import Weir
    from weir.keeper.posting import Poster
    from weir.keeper.runner import Keeper

    chosen = _roles(roles, buys=rules["min_discount"] is not None, posts=posting is not None)
    weir = patience.get(lambda: Weir.load(w3, deployment))
    rules["native_price"] = _native_price(weir.chain.id, rules["native_price"], sends=rules["execute"])
    account = choose_account(weir.chain.id, keystore)
    options = _policy(weir, chosen, **rules)
    with _outbox(weir, account, options, store_url, rules, patience) as outbox:
        poster = Poster(weir, account.address, posting) if posting else None
        yield Keeper(weir, account, options, outbox=outbox, poster=poster)


def _roles(named: tuple[str, ...], *, buys: bool, posts: bool) -> frozenset[Role]:
    """Those named, or else the usual ones and those that other options ask for."""
    chosen = frozenset(Role(role) for role in named)
    if Role.POST in chosen and not posts:
        raise click.UsageError("--role post needs --posting FILE")
    if chosen and posts and Role.POST not in chosen:
        raise click.UsageError("--posting is for --role post, which is not among the roles")
    if chosen and buys and Role.BUY not in chosen:
        raise click.UsageError("--min-discount is for --role buy, which is not among the roles")
    wanted = {Role.BUY: buys, Role.POST: posts}
    return chosen or USUAL | {role for role, is_wanted in wanted.items() if is_wanted}


def _native_price(chain_id: int, given: float | None, *, sends: bool) -> float:
    """USD. Who spends real coins says what they are worth, or that it does not matter."""
    from weir.accounts import is_local_chain

    if given is None and sends:
        if not is_local_chain(chain_id):
            raise click.UsageError(
                f"chain {chain_id} is not a local one: --execute needs --native-price USD to weigh gas "
                "against what it brings (0: do not)"
            )
        log.warning("without --native-price gas is not weighed against what it brings")
    return given or 0.0


def _policy(
    weir: Weir,
    roles: frozenset[Role],
    *,
    execute: bool,
    min_profit: float,
    native_price: float,
    min_bounty: int,
    margin_use: int,
    min_collect: float,
    min_sale: float,
    min_discount: int | None,
    **_: float,
) -> Options:
    from weir.keeper.policy import Options

    return Options(
        roles=roles,
        execute=execute,
        min_profit=weir.units(Decimal(str(min_profit))),
        native_price=native_price * 10.0 ** (weir.deployment.decimals - 18),
        min_bounty_rate=min_bounty,
        margin_use=margin_use,
        min_collect=weir.units(Decimal(str(min_collect))),
        min_sale=weir.units(Decimal(str(min_sale))),
        min_discount=min_discount or 0,
    )


def _limits(weir: Weir, options: Options, rules: dict[str, Any]) -> Limits:
    from weir.keeper.limits import Limits

    return Limits(
        max_fee=int(rules["max_fee"] * GWEI),
        daily=int(rules["daily_limit"] * ETHER),
        native_price=options.native_price,
        min_profit=options.min_profit,
        max_gas_cost=weir.units(Decimal(str(rules["max_gas_cost"]))),
    )


@contextmanager
def _outbox(
    weir: Weir,
    account: LocalAccount,
    options: Options,
    store_url: str,
    rules: dict[str, Any],
    patience: Patience,
) -> Iterator[Outbox]:
    """Where what is due goes: a journal and the chain, or nowhere in a dry run. Holds the account's lease."""
    from weir.keeper.following import Remembered
    from weir.keeper.journal import Journal
    from weir.keeper.lease import Lease
    from weir.keeper.outbox import Rehearsal
    from weir.keeper.sender import Sender
    from weir.store import Store

    if not options.execute:
        yield Rehearsal(weir, Remembered())
        return

    def sender() -> Sender:
        genesis = weir.chain.block(0)["hash"]
        lease = Lease.of(store, weir.chain.id, genesis, account.address)
        lease.take(sleep=patience.sleep, tell=patience.tell)
        journal = Journal(lease, weir.clearing_house.address)
        return Sender(weir, account, journal, _limits(weir, options, rules))

    store = patience.get(lambda: Store.open(store_url))
    try:
        made = patience.get(sender)
        try:
            yield made
        finally:
            with suppress(StoreError):  # it runs out by itself
                made.journal.lease.release()
    finally:
        store.close()


@contextmanager
def _served(port: int | None, metrics: Metrics) -> Iterator[None]:
    with serve(port, metrics.registry, metrics.health) if port is not None else nullcontext() as found:
        if found is not None:
            click.echo(f"http://{HOST}:{found}/healthz and /metrics", err=True)
        yield


def drain(keeper: Keeper, last: StepReport | None = None) -> None:
    """Waits for what is on its way, as long as that may take."""
    from weir.keeper.sender import Sender

    if isinstance(keeper.outbox, Sender):
        settled = keeper.outbox.drain(DRAIN_SECONDS)
        if last is not None:
            last.note(settled)


def _print(report: StepReport) -> None:
    for line in report.lines():
        click.echo(line)


def _summary(keeper: Keeper, last: StepReport | None) -> dict[str, Any]:
    weir = keeper.weir
    return {
        "account": keeper.account.address,
        "chain_id": weir.chain.id,
        "clearing_house": weir.clearing_house.address,
        "execute": keeper.options.execute,
        "roles": sorted(keeper.options.roles),
        "totals": keeper.outbox.totals().as_dict(),
        "last_step": last.as_dict() if last else None,
    }
