"""The end of a demo run on the console: who paid each default, the fund before and after, who funded it, the
identities.
"""

from __future__ import annotations

from decimal import Decimal

from rich import box
from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from weir.formatting import address, number, percent, usd
from weir.layers import BRIEFLY, FUND_LAYERS, GUARANTY_LAYERS, LAYERS, WATERFALL
from weir.results import (
    CONVERSIONS,
    FACTORS,
    RunResult,
    Stablecoins,
)

__all__ = ["render"]

TOP = 5
"""Accounts that are named as those who contributed most; the page names more."""
_NOTHING = Decimal(0)


def render(result: RunResult) -> RenderableType:
    """Everything, ready for `rich.console.Console.print`."""
    parts = (
        _headline,
        _defaults,
        _fund,
        _stablecoins,
        _income,
        _contributors,
        _members,
        _refusals,
        _identities,
    )
    return Group(*(shown for part in parts if (shown := part(result)) is not None))


def _headline(result: RunResult) -> RenderableType:
    counts = (
        f"{number(result.accounts)} accounts, {number(result.trades)} trades, "
        f"{number(result.liquidations)} liquidations, {number(result.deleverages)} deleveragings, "
        f"{len(result.defaults)} defaults in {number(result.chain.blocks)} blocks"
    )
    text = Text(f"{counts}\n").append(result.outcome, style="bold")
    return Panel(text, title=Text(f"{result.title} · seed {result.seed} · {result.node}"), title_align="left")


def _defaults(result: RunResult) -> RenderableType:
    if not result.defaults:
        return Text("No account defaulted: no layer of the waterfall paid anything.\n")
    return Group(_waterfall(result), _records(result))


def _waterfall(result: RunResult) -> Table:
    """The layers from top to bottom, all defaults together."""
    table = _table("The waterfall: which layer paid what, USD", show_footer=True)
    table.add_column("Layer", "All")
    table.add_column("Paid", _amount(result.shortfall), justify="right")
    table.add_column("Share", justify="right")
    for layer, amount in (*result.paid.items(), ("remainder", result.remainder)):
        share = amount / result.shortfall if result.shortfall else None
        table.add_row(WATERFALL[layer], _amount(amount), percent(share))
    return table


def _records(result: RunResult) -> Table:
    """Each default; of the layers those that paid, in their order."""
    table = _table("Defaults, USD")
    table.add_column("Id", justify="right")
    for name in ("Market", "Account"):
        table.add_column(name)
    table.add_column("Shortfall", justify="right")
    table.add_column("Paid by")
    for default in result.defaults:
        paid = [*default.paid.items(), ("remainder", default.remainder)]
        table.add_row(
            str(default.id),
            Text(default.market),
            Text(address(default.account)),
            _amount(default.shortfall),
            Text(", ".join(f"{BRIEFLY[layer]} {usd(amount, 0)}" for layer, amount in paid if amount)),
        )
    return table


def _fund(result: RunResult) -> RenderableType:
    before, after, paid = result.fund.before, result.fund.after, result.paid
    table = _table("The fund, USD")
    for name in ("", "Before", "Income, net", "Paid to defaults", "After"):
        table.add_column(name, justify="right" if name else "left")
    for layer in FUND_LAYERS:
        first, last, out = getattr(before, layer), getattr(after, layer), getattr(paid, layer)
        table.add_row(LAYERS[layer], *map(_amount, (first, last - first + out, out, last)))
    if result.stablecoins:
        first, last = before.reserve, after.reserve
        table.add_row("Reserve, at its haircut", *map(_amount, (first, last - first, _NOTHING, last)))
    table.add_section()
    first, last = before.assets, after.assets
    table.add_row("Assets", *map(_amount, (first, last - first + paid.fund, paid.fund, last)), style="bold")
    first, last, out = before.guaranty, after.guaranty, paid.guaranty
    table.add_row("Guaranty fund", *map(_amount, (first, last - first + out, out, last)))
    table.add_row("Target", _amount(before.target), "", "", _amount(after.target))
    table.add_row("Coverage", percent(before.coverage), "", "", percent(after.coverage))
    return table


def _stablecoins(result: RunResult) -> RenderableType | None:
    found = result.stablecoins
    if found is None:
        return None
    asset, low = found.lowest
    text = (
        f"{asset} fell to ${low:.4f}. Sales of collateral paid {usd(found.debts_paid, 0)} of debts and gave "
        f"{usd(found.recovered, 0)} back to those who bore defaults."
    )
    if found.advances:
        opened, repaid, lost = (usd(found.advanced(kind), 0) for kind in ("opened", "repaid", "written off"))
        text += f" The tranches advanced {opened}, got {repaid} back and wrote {lost} off."
    return Group(_converted(found), _reserve(found), Text(text + "\n"))


def _converted(found: Stablecoins) -> RenderableType:
    if not found.conversions:
        return Text("No other stablecoin was converted.\n")
    table = _table("Other stablecoins that were converted, USD")
    for name in ("", "Times", "Worth", "Paid", "Lost"):
        table.add_column(name, justify="right" if name else "left")
    for kind, times, worth, paid, lost in found.totals:
        table.add_row(CONVERSIONS[kind], number(times), _amount(worth), _amount(paid), percent(lost, 2))
    return table


def _reserve(found: Stablecoins) -> Table:
    """Skin as it is worth; what of it counts is less by the haircut."""
    table = _table("Skin in the game, at market, USD")
    for name in ("", "Before", "At the lowest price", "After"):
        table.add_column(name, justify="right" if name else "left")
    asset, _ = found.lowest
    low = min(found.series, key=lambda point: point.market[asset])
    points = (found.series[0], low, found.series[-1])
    table.add_row("S", *(_amount(point.skin) for point in points))
    for each in found.assets:
        table.add_row(Text(each.symbol), *(_amount(point.reserve[each.symbol]) for point in points))
    table.add_row("Advanced by tranches", *(_amount(point.advanced) for point in points))
    return table


def _income(result: RunResult) -> RenderableType:
    table = _table("Who funded the fund, USD", show_footer=True)
    income = result.fees.income
    table.add_column("Source", "All")
    table.add_column("Paid by accounts", _amount(income), justify="right")
    table.add_column("Share", justify="right")
    for name, amount in result.sources:
        table.add_row(name, _amount(amount), percent(amount / income if income else None))
    return table


def _contributors(result: RunResult) -> RenderableType:
    people = result.contributors(TOP)
    if not people:
        return Text("No account paid a contribution.\n")
    table = _table("Who contributed most, USD")
    table.add_column("Account")
    table.add_column("Role")
    for name in (*FACTORS.values(), "Contributed", "Trading fees"):
        table.add_column(name, justify="right", overflow="fold")
    for one in people:
        amounts = (*(amount for _, amount in one.contributions.items()), one.contributions.total, one.fees)
        table.add_row(Text(address(one.address)), Text(one.role), *map(_amount, amounts))
    return table


def _members(result: RunResult) -> RenderableType:
    people = result.members
    if not people:
        return Text("No account contributed to the guaranty fund, or had to.\n")
    table = _table("Members of the guaranty fund, USD", show_footer=True)
    table.add_column("Account", "All")
    table.add_column("Role")
    fields = ("contributed", "earned", *GUARANTY_LAYERS, "balance", "owed")
    names = ("Put in", "Earned", "Own default", "Others' defaults", "Has", "Owes")
    for name, field in zip(names, fields, strict=True):
        amounts = (getattr(one.membership, field) for one in people)
        table.add_column(name, _amount(sum(amounts, Decimal(0))), justify="right", overflow="fold")
    for one in people:
        figures = (_amount(getattr(one.membership, field)) for field in fields)
        table.add_row(Text(address(one.address)), Text(one.role), *figures)
    return table


def _refusals(result: RunResult) -> RenderableType:
    counts = ", ".join(f"{name} {number(count)}" for name, count in result.refusals.items())
    return Text(f"Refused or cut down, orders and other wishes of traders: {counts or 'none'}.\n")


def _identities(result: RunResult) -> RenderableType:
    table = _table("Identities, from the chain")
    for name in ("Id", "Statement", "Slack", "Bound", "Unit", "Result"):
        table.add_column(name, justify="right" if name in ("Slack", "Bound") else "left")
    for identity in result.identities:
        verdict = Text("holds", style="green") if identity.holds else Text("BROKEN", style="bold red")
        table.add_row(
            Text(identity.id),
            Text(identity.statement),
            f"{identity.slack:f}",
            f"{identity.bound:f}",
            Text(identity.unit),
            verdict,
        )
    return table


def _table(title: str, *, show_footer: bool = False) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
        show_footer=show_footer,
    )


def _amount(value: Decimal) -> Text:
    """Whole dollars, which fit a console; the JSON and the page have every digit."""
    return Text(usd(value, 0)) if value else Text("–", style="dim")
