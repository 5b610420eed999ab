"""The console command `weir govern`: roles, and calls that wait. Dry unless told to send."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from weir.cli import deployment_option, json_option, keystore_option, rpc_option

if TYPE_CHECKING:
    from rich.console import RenderableType

    from weir.calls import Change
    from weir.chain import Call, Receipt
    from weir.governing import Governance, Holder, Waiting

__all__ = ["govern"]

_GOVERNOR = 1
_ACTING = {"pauseNewRisk": 2, "postTarget": 4, "postTiers": 4}
"""Development accounts that have the role of these functions on local chains; of all others the governor."""


def _options(function: Callable[..., Any]) -> Callable[..., Any]:
    return rpc_option(deployment_option(function))


def _sending(function: Callable[..., Any]) -> Callable[..., Any]:
    for option in (
        click.option("--send", is_flag=True, help="Send it; without this it is only simulated."),
        click.option(
            "--as",
            "acting_as",
            metavar="ADDRESS",
            help="Simulate as this account, such as a multisignature, and print what it would have to send.",
        ),
        keystore_option,
    ):
        function = option(function)
    return _options(function)


_function = click.argument("function", metavar="CONTRACT.FUNCTION")
_arguments = click.argument("arguments", nargs=-1, metavar="[ARGUMENT]... [NAME=VALUE]...")
_operation = click.argument("operation", metavar="ID")


@click.group()
def govern() -> None:
    """Show who holds which role and which calls wait; announce, make and cancel calls.

    A call is CONTRACT.FUNCTION with its arguments in order; parameters are given as NAME=VALUE, and those not
    named keep their present value. Numbers are in the chain's units (250e18, 2d and 12h are numbers, too);
    markets and roles have names. docs/governance.md has what may be set, and within which bounds.
    """


@govern.command()
@_options
@json_option
def show(rpc: str, deployment: Path | None, as_json: bool) -> None:
    """Who holds which role, how long their calls wait, and the calls that wait now."""
    from rich.console import Console

    governance = _load(rpc, deployment)
    holders, waiting = governance.holders(), governance.waiting()
    if as_json:
        click.echo(json.dumps(_as_dict(holders, waiting), indent=2))
    else:
        Console().print(_rendered(governance.weir.chain.timestamp(), holders, waiting))


@govern.command()
@_options
def check(rpc: str, deployment: Path | None) -> int:
    """Compare roles, delays and the contracts' wiring with what a deployment leaves.

    Ends with exit code 1 where anything differs.
    """
    problems = _load(rpc, deployment).problems()
    for line in problems or ["roles, delays and wiring are as a deployment leaves them"]:
        click.echo(line)
    return 1 if problems else 0


@govern.command()
@_function
@_arguments
@_sending
@click.option("--anyway", is_flag=True, help="Announce what would be refused now; by then it may be allowed.")
def schedule(function: str, arguments: tuple[str, ...], anyway: bool, **given: Any) -> int:
    """Announce a call that has to wait, and say from when on it may be made."""
    from weir.chain import encode_call
    from weir.formatting import utc
    from weir.governing import GovernRefusedError

    sender = _Sender(function, **given)
    governance = sender.governance
    change = governance.calls.parse(function, arguments)
    delay = governance.wait(sender.address, change)
    if not delay:
        raise GovernRefusedError(f"{sender.address} need not wait with this: weir govern call")
    _describe(change)
    if objection := governance.objection(sender.address, change):
        click.echo(f"  would be refused now: {objection}")
        if not anyway:
            return 1
    announce = governance.weir.authority.functions.schedule
    receipt = sender.send(announce(change.call.address, encode_call(change.call), 0))
    if receipt is None:
        now = governance.weir.chain.timestamp()
        click.echo(f"  announced now, it may be made from {utc(now + delay)} UTC on")
    else:
        announced = receipt.event("OperationScheduled")
        click.echo(f"  id 0x{announced['operationId'].hex()}")
        click.echo(f"  may be made from {utc(announced['schedule'])} UTC on")
    return 0


@govern.command()
@_operation
@_sending
def execute(operation: str, **given: Any) -> None:
    """Make a call that was announced and has waited; ID is as `show` has it, or its beginning."""
    sender = _Sender(**given)
    waiting = sender.governance.find(operation)
    _describe(waiting.change)
    sender.governance.require_ready(sender.address, waiting)
    make = sender.governance.weir.authority.functions.execute
    sender.send(make(waiting.target, waiting.data))


@govern.command()
@_operation
@_sending
def cancel(operation: str, **given: Any) -> None:
    """Take back a call that was announced: whoever announced it may, and every admin."""
    sender = _Sender(**given)
    waiting = sender.governance.find(operation)
    _describe(waiting.change)
    take_back = sender.governance.weir.authority.functions.cancel
    sender.send(take_back(waiting.caller, waiting.target, waiting.data))


@govern.command()
@_function
@_arguments
@_sending
def call(function: str, arguments: tuple[str, ...], **given: Any) -> None:
    """Make a call that need not wait: the guardian's pause, or one that anyone may make."""
    from weir.governing import GovernRefusedError

    sender = _Sender(function, **given)
    change = sender.governance.calls.parse(function, arguments)
    if sender.governance.wait(sender.address, change):
        raise GovernRefusedError(f"{sender.address} has to announce this: weir govern schedule")
    _describe(change)
    sender.send(change.call)


# -------------------------------------------------------------------- sending


class _Sender:
    """Who acts, with a key or only as an address, and whether anything is sent."""

    def __init__(
        self,
        function: str = "",
        *,
        rpc: str,
        deployment: Path | None,
        keystore: Path | None,
        acting_as: str | None,
        send: bool,
    ) -> None:
        from weir.accounts import checked_address, choose_account

        if acting_as and (send or keystore):
            raise click.UsageError("--as only simulates: leave --send and --keystore out")
        self.governance = _load(rpc, deployment)
        self._sends = send
        self._account = None
        if acting_as:
            try:
                self.address = checked_address(acting_as)
            except ValueError as error:
                raise click.UsageError(str(error)) from None
        else:
            number = _ACTING.get(function.rpartition(".")[2], _GOVERNOR)
            chain_id = self.governance.weir.chain.id
            self._account = choose_account(chain_id, keystore, development=number)
            self.address = self._account.address

    def send(self, call: Call) -> Receipt | None:
        """Simulates, and sends where that is wanted; then the receipt. Raises where it would be refused."""
        from weir.chain import encode_call

        chain = self.governance.weir.chain
        chain.call(call, sender=self.address, block="pending")
        if self._sends and self._account is not None:
            receipt = chain.send(self._account, call)
            click.echo(f"  sent in {receipt.transaction}")
            return receipt
        click.echo(f"  dry run as {self.address}: accepted")
        if self._account is None:
            click.echo(f"  to {call.address}")
            click.echo(f"  data 0x{encode_call(call).hex()}")
        return None


def _load(rpc: str, deployment: Path | None) -> Governance:
    from weir.chain import connect
    from weir.client import Weir
    from weir.governing import Governance

    return Governance(Weir.load(connect(rpc), deployment))


# -------------------------------------------------------------------- showing


def _words(change: Change | None) -> list[str]:
    return [change.text, *change.lines()] if change else ["a call of something else than this deployment"]


def _describe(change: Change | None) -> None:
    first, *others = _words(change)
    click.echo(first)
    for line in others:
        click.echo(f"  {line}")


def _as_dict(holders: Sequence[Holder], waiting: Sequence[Waiting]) -> dict[str, Any]:
    return {
        "roles": [{"role": each.role, "account": each.account, "delay": each.delay} for each in holders],
        "waiting": [
            {
                "id": each.id,
                "caller": each.caller,
                "target": each.target,
                "data": f"0x{each.data.hex()}",
                "words": _words(each.change),
                "ready_at": each.ready_at,
                "lapses_at": each.lapses_at,
            }
            for each in waiting
        ],
    }


def _rendered(now: int, holders: Sequence[Holder], waiting: Sequence[Waiting]) -> RenderableType:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from weir.formatting import number, utc
    from weir.units import DAY

    roles = Table("Role", "Held by", "Waits", title="Roles", title_justify="left")
    for holder in holders:
        waits = f"{number(holder.delay / DAY, 1)} days" if holder.delay else "not at all"
        roles.add_row(holder.role, holder.account, waits)
    lines = [f"Calls that wait (it is {utc(now)} UTC):" if waiting else "Calls that wait: none"]
    for each in waiting:
        lines.append(f"{each.id[:10]}  may be made from {utc(each.ready_at)} to {utc(each.lapses_at)}")
        lines += [f"    {line}" for line in _words(each.change)]
    return Group(roles, Text("\n".join(lines)))
