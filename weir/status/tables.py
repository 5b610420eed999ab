"""The collected state of a deployment as tables of rich."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from functools import partial
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weir.formatting import address, number, percent, usd, utc
from weir.layers import BRIEFLY
from weir.status.collect import Status
from weir.tables import new_table
from weir.units import DAY, HOUR

ROWS = 20
"""Accounts, members and defaults that a table shows; the JSON has all."""

_TEXTS = ("Account", "Paid by", "Positions", "Statement", "Time")
_table = partial(new_table, texts=_TEXTS)


def render(status: Status) -> RenderableType:
    """The status as tables, ready for `rich.console.Console.print`."""
    header = f"chain {status['chain_id']} · block {number(status['block'])} · {utc(status['time'])} UTC"
    return Group(
        Text(header, style="bold"),
        _market_table(status["markets"]),
        _fund_table(status["fund"]),
        *_stablecoin_tables(status["fund"], status["stablecoins"]),
        _funding_table(status["fund"]),
        _guaranty_table(status["guaranty"]),
        _member_table(status["members"], status["time"]),
        _risk_table(status["accounts"]),
        _default_table(status["defaults"]),
        _identity_table(status["identities"]),
    )


def _market_table(markets: Iterable[Status]) -> Table:
    columns = (
        *("Status", "Price", "Feed", "Open interest", "Notional", "Funding"),
        *("Pool", "Unpaid profit", "Residual", "Fund may pay", "Members may pay"),
    )
    table = _table("Markets", "Market", *columns)
    for market in markets:
        table.add_row(
            market["symbol"],
            _state(market["status"], market["status"] == "open"),
            usd(market["price"]),
            _state(market["feed"], market["feed"] == "ok"),
            number(market["open_interest"], 4),
            usd(market["notional"]),
            percent(market["funding_rate"], 4),
            *(usd(market[name]) for name in ("pool", "unpaid_profit", "residual")),
            *(usd(market[name]) for name in ("fund_may_pay", "members_may_pay")),
        )
    return table


def _fund_table(fund: Mapping[str, Any]) -> Table:
    columns = ("Skin", "Streaming", "Junior", "Senior", "Assets", "Target", "Coverage", "Gate")
    table = _table("Insurance fund", *columns)
    reasons = [f"{number(fund['insolvencies'])} insolvent"] if fund["insolvencies"] else []
    reasons += ["advances open"] if fund["advanced_junior"] + fund["advanced_senior"] else []
    table.add_row(
        *(usd(fund[name]) for name in ("skin", "unvested", "junior", "senior", "assets", "target")),
        percent(fund["coverage"]),
        _state("open" if fund["gate_open"] else f"closed: {', '.join(reasons)}", fund["gate_open"]),
    )
    return table


def _stablecoin_tables(fund: Mapping[str, Any], stablecoins: Mapping[str, Any]) -> list[RenderableType]:
    """Nothing where there is no other stablecoin than the settlement token."""
    if not stablecoins["assets"]:
        return []
    shown: list[RenderableType] = [_asset_table(stablecoins), _reserve_table(fund, stablecoins["assets"])]
    if stablecoins["owing"]:
        shown.append(_sale_table(stablecoins["owing"]))
    return shown


def _asset_table(stablecoins: Mapping[str, Any]) -> Table:
    columns = ("Price", "Feed", "Haircut", "Most a sale loses", "Collateral", "Counts for", "Of its cap")
    title = f"Other stablecoins ({number(stablecoins['pledging'])} accounts have pledged)"
    table = _table(title, "Asset", *columns)
    for asset in stablecoins["assets"]:
        collateral = asset["collateral"]
        cap = collateral["cap"]
        table.add_row(
            asset["symbol"],
            usd(asset["price"], 4),
            _state(asset["feed"], asset["feed"] == "ok"),
            percent(asset["haircut"]),
            percent(asset["discount"]),
            number(collateral["amount"], 2),
            usd(collateral["counts"]),
            percent(collateral["amount"] / cap if cap else None),
        )
    return table


def _reserve_table(fund: Mapping[str, Any], assets: Sequence[Status]) -> Table:
    """What skin holds beside S, and what it owes to the tranches until that is sold."""
    advanced = fund["advanced_junior"] + fund["advanced_senior"]
    owed = f", {usd(advanced)} advanced by the tranches" if advanced else ""
    columns = ("Amount", "Worth", "Counts for", "Target", "Auction")
    table = _table(f"Reserve ({usd(fund['reserve'])} of skin{owed})", "Asset", *columns)
    for asset in assets:
        reserve, auction = asset["reserve"], asset["reserve"]["auction"]
        state = "due" if reserve["startable"] else "none"
        if auction:
            state = f"{'buys' if auction['buying'] else 'sells'} at {percent(auction['off'], 2)} off"
        table.add_row(
            asset["symbol"],
            number(reserve["amount"], 2),
            *(usd(reserve[name]) for name in ("worth", "counts", "target")),
            _state(state, state == "none"),
        )
    return table


def _sale_table(owing: Sequence[Status]) -> Table:
    """Those that owe most first."""
    title = f"Collateral to be sold (of {number(len(owing))} accounts)"
    table = _table(title, "Account", "Counts for", "Due", "For", "Auction")
    for each in sorted(owing, key=lambda one: -one["due"])[:ROWS]:
        ends = each["sale_ends_at"]
        state = "due" if each["startable"] else f"until {utc(ends)}"
        table.add_row(
            address(each["address"]),
            usd(each["counts"]),
            usd(each["due"]),
            f"default {each['default']}" if each["default"] else "debts",
            _state(state, not each["startable"]),
        )
    return table


def _funding_table(fund: Mapping[str, Any]) -> Table:
    columns = ("Share of fees", "Premium a year", "Scarcity", "Cap on a market", "Posted target")
    table = _table("Funding policy", *columns)
    table.add_row(
        percent(fund["fund_share"]),
        percent(fund["premium_rate"], 2),
        percent(fund["scarcity"], 3),
        usd(fund["open_interest_cap"]),
        _posted(fund["posted_target"]),
    )
    return table


def _guaranty_table(guaranty: Mapping[str, Any]) -> Table:
    columns = ("Contributions", "Members", "To leave", "Owed", "Most for a market", "Window", "Notice")
    table = _table("Guaranty fund", *columns)
    table.add_row(
        usd(guaranty["total"]),
        number(guaranty["members"]),
        usd(guaranty["noticed"]),
        usd(guaranty["owed"]),
        percent(guaranty["loss_share"]),
        f"{number(guaranty['loss_window'] / HOUR)} h",
        f"{number(guaranty['notice_period'] / DAY)} days",
    )
    return table


def _member_table(members: Sequence[Status], now: int) -> RenderableType:
    """Those that owe most first, then the largest."""
    if not members:
        return Text("Members: none\n")
    title = f"Members ({number(len(members))})"
    table = _table(title, "Account", "Contributed", "Notional", "Tier", "Required", "Owed", "State")
    for member in sorted(members, key=lambda each: (-each["owed"], -each["balance"]))[:ROWS]:
        table.add_row(
            address(member["address"]),
            usd(member["balance"]),
            usd(member["notional"]),
            str(member["tier"]),
            usd(member["requirement"]),
            usd(member["owed"]),
            _state(*_membership(member, now)),
        )
    return table


def _membership(member: Mapping[str, Any], now: int) -> tuple[str, bool]:
    """In words, and whether nothing is owed."""
    if member["owed"]:
        return "owes: no new risk", False
    if not member["noticed"] or now >= member["closes_at"]:
        return "member", True
    if now >= member["opens_at"]:
        return f"may leave until {utc(member['closes_at'])}", True
    return f"leaves from {utc(member['opens_at'])}", True


def _posted(posted: Mapping[str, Any] | None) -> str:
    if posted is None:
        return "none"
    hours = number(posted["age"] / HOUR, 1)
    return f"{usd(posted['amount'])}, {hours} h ago{'' if posted['fresh'] else ', expired'}"


def _risk_table(accounts: Mapping[str, Any]) -> RenderableType:
    risky = accounts["at_risk"]
    title = f"Accounts near liquidation ({number(len(risky))} of {number(accounts['count'])})"
    if not risky:
        return Text(f"{title}: none\n")
    table = _table(title, "Account", "Equity", "Maintenance", "Margin used", "Debt", "Positions", "State")
    for account in risky[:ROWS]:
        state = "insolvent" if account["insolvent"] else "flagged" if account["flagged_at"] else "near"
        table.add_row(
            address(account["address"]),
            usd(account["equity"]),
            usd(account["maintenance_margin"]),
            percent(account["margin_used"]),
            usd(account["debt"]),
            ", ".join(f"{number(size, 4)} {symbol}" for symbol, size in account["positions"].items()),
            _state(state, state == "near"),
        )
    return table


def _default_table(defaults: list[Status]) -> RenderableType:
    if not defaults:
        return Text("Defaults: none\n")
    title = f"Defaults (the last {min(ROWS, len(defaults))} of {number(len(defaults))})"
    table = _table(title, "Id", "Time", "Account", "Market", "Shortfall", "Paid by", "Recovered")
    for default in defaults[-ROWS:]:
        table.add_row(
            str(default["id"]),
            utc(default["time"]),
            address(default["account"]),
            default["market"],
            usd(default["shortfall"]),
            ", ".join(f"{name} {usd(default[key])}" for key, name in BRIEFLY.items() if default[key]),
            usd(default["recovered"]),
        )
    return table


def _identity_table(identities: Iterable[Status]) -> Table:
    table = _table("Identities", "Id", "Statement", "Difference", "Holds")
    for line in identities:
        difference: Decimal = line["difference"]
        table.add_row(
            line["id"],
            line["statement"],
            f"{difference.normalize():f} {line['unit']}",
            _state("yes" if line["holds"] else "NO", line["holds"]),
        )
    return table


def _state(text: str, good: bool) -> Text:
    return Text(text, style="green" if good else "bold red")
