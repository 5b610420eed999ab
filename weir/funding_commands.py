"""The console commands `weir contribution` and `weir post`."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import click

from weir.cli import deployment_option, json_option, keystore_option, rpc_option

__all__ = ["contribution", "post"]


class _AddressType(click.ParamType):
    """An address, in checksum form whatever it was given in."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        from weir.accounts import checked_address

        try:
            return checked_address(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class _DecimalType(click.ParamType):
    """An exact number other than 0."""

    name = "number"

    def __init__(self, *, positive: bool) -> None:
        self.positive = positive

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Decimal:
        try:
            found = Decimal(value)
        except InvalidOperation:
            self.fail(f"{value!r} is not a number", param, ctx)
        if not found.is_finite() or found == 0 or (self.positive and found < 0):
            self.fail(f"{value!r} is not a number {'above' if self.positive else 'other than'} 0", param, ctx)
        return found


ADDRESS = _AddressType()


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (json_option, deployment_option, rpc_option):
        function = option(function)
    return function


@click.group()
def contribution() -> None:
    """Show what new risk costs beyond its fee and why, and what accounts have paid for it."""


@contribution.command("preview")
@click.option("--market", required=True, metavar="SYMBOL", help="Such as BTC.")
@click.option(
    "--size",
    required=True,
    type=_DecimalType(positive=False),
    metavar="NUMBER",
    help="Units of the underlying: 1.5 buys, -1.5 sells.",
)
@click.option(
    "--price", type=_DecimalType(positive=True), metavar="USD", help="[default: the mark of the last refresh]"
)
@click.option("--maker", is_flag=True, help="The account makes the order, and pays the maker's fee.")
@click.option(
    "--against",
    type=ADDRESS,
    metavar="ADDRESS",
    help="The other side.  [default: somebody without a position in the market]",
)
@click.argument("account", type=ADDRESS)
@_options
def preview_command(
    account: str,
    market: str,
    size: Decimal,
    price: Decimal | None,
    maker: bool,
    against: str | None,
    rpc: str,
    deployment: Path | None,
    as_json: bool,
) -> None:
    """What a trade would cost ACCOUNT beyond its fee, factor by factor.

    The policy is asked, not the clearing house: whether margin suffices is not looked at. Ends with exit code
    1 where the policy would refuse the trade.
    """
    from rich.console import Console

    from weir.chain import connect
    from weir.client import Weir
    from weir.contributions import preview, preview_json, render_preview

    weir = Weir.load(connect(rpc), deployment)
    found = preview(weir, account, market, size, price, is_maker=maker, counterparty=against)
    if as_json:
        click.echo(preview_json(found))
    else:
        Console().print(render_preview(found))


@contribution.command("paid")
@click.argument("account", type=ADDRESS, required=False)
@_options
def paid_command(account: str | None, rpc: str, deployment: Path | None, as_json: bool) -> None:
    """What ACCOUNT, or every account, has paid so far, and the premium that its positions pay now."""
    from rich.console import Console

    from weir.chain import connect
    from weir.client import Weir
    from weir.contributions import paid, paid_json, render_paid

    payers = paid(Weir.load(connect(rpc), deployment), account)
    if as_json:
        click.echo(paid_json(payers))
    else:
        Console().print(render_paid(payers))


@click.command("post")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@keystore_option
@click.option(
    "--dry-run", is_flag=True, help="Only say what would be sent, and whether it would be accepted."
)
@_options
def post(
    file: Path, keystore: Path | None, dry_run: bool, rpc: str, deployment: Path | None, as_json: bool
) -> int:
    """Post the fund's target and accounts' tiers, as the poster; docs/funding.md describes FILE.

    Everything is simulated first, and nothing sent where anything would be refused: then the exit code is 1.
    """
    from weir.accounts import choose_account
    from weir.chain import connect
    from weir.client import Weir
    from weir.posting import POSTER_ACCOUNT, Posting, PostReport

    posting = Posting.load(file)
    weir = Weir.load(connect(rpc), deployment)
    poster = choose_account(weir.chain.id, keystore, development=POSTER_ACCOUNT)
    report = PostReport.plan(weir, poster.address, posting)
    if not dry_run:
        report.require_accepted()
    try:
        for line in report.intended() if dry_run else report.send(weir, poster):
            if not as_json:
                click.echo(line)
    finally:
        # Also where a later transaction failed: what was posted before it is posted.
        if as_json:
            click.echo(report.to_json(dry_run=dry_run))
    return 0 if report.accepted else 1
