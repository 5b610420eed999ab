"""The state of a deployment at one block, for people and for monitors.

Money and prices are in USD, sizes in units of the underlying, both exact (strings in JSON); ratios are
floats (1.0 is 100 %), times Unix seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weir.client import Weir
from weir.formatting import address, number, percent, usd, utc
from weir.parameters import from_units
from weir.snapshot import Snapshot, take
from weir.stablecoins import AssetBooks, AssetState, AuctionState
from weir.states import AccountState, MemberState

__all__ = ["DEFAULT_LAYERS", "DUST", "NEAR", "collect", "describe", "render", "to_json"]

MILLION = 1_000_000
NEAR = 0.8
"""Maintenance margin over equity from which an account counts as near liquidation."""
DUST = 10**9
"""Wei of size by which roundings may open P3; the protocol itself ignores open interest below it."""
HOUR, DAY = 3_600, 86_400
ROWS = 20
"""Accounts, members and defaults that a table shows; the JSON has all."""

DEFAULT_LAYERS: dict[str, str] = {
    "own": "own",
    "coinsurance": "coinsurance",
    "skin": "skin",
    "junior": "junior",
    "senior": "senior",
    "mutual": "mutual",
    "unpaid_profit": "unpaid profit",
    "remainder": "open interest",
}
"""Who bore a default, in the order of the waterfall, with names for a table."""

Status = dict[str, Any]

_TEXTS = ("Account", "Paid by", "Positions", "Statement", "Time")


# -------------------------------------------------------------------- collect


def collect(weir: Weir) -> Status:
    """Everything at the latest block; some requests to the node per hundred accounts."""
    return describe(weir, take(weir))


def describe(weir: Weir, seen: Snapshot) -> Status:
    """What has been read, as `collect` gives it; asks nothing of the node but its chain's id, once."""
    return {
        "chain_id": weir.chain.id,
        "block": seen.block,
        "time": seen.time,
        "markets": _markets(weir, seen),
        "fund": _fund(weir, seen),
        "guaranty": _guaranty(weir, seen),
        "members": [_member(weir, member) for member in seen.members],
        "accounts": {"count": len(seen.accounts), "at_risk": _at_risk(weir, seen)},
        "stablecoins": _stablecoins(weir, seen),
        "defaults": _defaults(weir, seen),
        "identities": [
            *_identities(weir, seen),
            *(_backing(books) for books in seen.asset_books),
        ],
    }


def _markets(weir: Weir, seen: Snapshot) -> list[Status]:
    return [
        {
            "symbol": market.symbol,
            "status": market.status,
            "price": from_units(market.price, 18),
            "feed": market.feed_status,
            "open_interest": from_units(market.open_interest, 18),
            "notional": weir.usd(market.notional),
            "funding_rate": market.funding_rate / MILLION,
            "pool": weir.usd(market.pool),
            "unpaid_profit": weir.usd(market.claims),
            "residual": weir.usd(market.residual),
            "fund_may_pay": weir.usd(market.available),
            "members_may_pay": weir.usd(min(budget.left, seen.fund.guaranty.total)),
        }
        for market, budget in zip(seen.markets, seen.budgets, strict=True)
    ]


def _fund(weir: Weir, seen: Snapshot) -> Status:
    """Its layers, and what its funding policy makes of them; the posted target with its age in seconds."""
    fund = seen.fund
    amounts = (
        *("skin", "unvested", "junior", "senior", "reserve", "advanced_junior", "advanced_senior"),
        *("assets", "target", "open_interest_cap"),
    )
    ratios = ("fund_share", "premium_rate", "scarcity")
    age = seen.time - fund.posted_at
    posted = {"amount": weir.usd(fund.posted_target), "age": age, "fresh": fund.fresh}
    return {name: weir.usd(getattr(fund, name)) for name in amounts} | {
        "coverage": None if fund.coverage is None else fund.coverage / MILLION,
        **{name: getattr(fund, name) / MILLION for name in ratios},
        "posted_target": posted if fund.posted_at else None,
        "gate_open": fund.gate_open,
        "insolvencies": fund.insolvencies,
        "defaults": fund.defaults,
    }


def _guaranty(weir: Weir, seen: Snapshot) -> Status:
    """What the members have together, how many they are, what is owed, and the parameters."""
    state, members = seen.fund.guaranty, seen.members
    return {
        "total": weir.usd(state.total),
        "members": sum(member.balance > 0 for member in members),
        "noticed": weir.usd(sum(member.noticed for member in members)),
        "owed": weir.usd(sum(member.owed for member in members)),
        "wipe_outs": state.epoch,
        "min_contribution": weir.usd(state.min_contribution),
        "loss_share": state.loss_share / MILLION,
        **{name: getattr(state, name) for name in ("notice_period", "exit_window", "loss_window")},
    }


def _member(weir: Weir, member: MemberState) -> Status:
    amounts = ("balance", "noticed", "notional", "requirement", "owed")
    return {
        "address": member.address,
        **{name: weir.usd(getattr(member, name)) for name in amounts},
        "tier": member.tier,
        "opens_at": member.opens_at or None,
        "closes_at": member.closes_at or None,
    }


def _at_risk(weir: Weir, seen: Snapshot) -> list[Status]:
    """Flagged, insolvent, in debt, or near it; the most endangered first."""

    def used(account: AccountState) -> float:
        return float("inf") if account.margin_used is None else account.margin_used

    risky = [
        account
        for account in seen.accounts
        if account.flagged_at or account.debt or (account.maintenance_margin and used(account) >= NEAR)
    ]
    return [
        {
            "address": account.address,
            "equity": weir.usd(account.equity),
            "maintenance_margin": weir.usd(account.maintenance_margin),
            "margin_used": account.margin_used,
            "debt": weir.usd(account.debt),
            "collateral": weir.usd(account.collateral),
            "flagged_at": account.flagged_at or None,
            "insolvent": account.insolvent,
            "positions": {
                seen.markets[position.market].symbol: from_units(position.size, 18)
                for position in account.positions
            },
        }
        for account in sorted(risky, key=used, reverse=True)
    ]


def _stablecoins(weir: Weir, seen: Snapshot) -> Status:
    """Other stablecoins: collateral, the fund's reserve and its auctions, and whose collateral is to be sold.

    Prices are USD of a token, amounts tokens; worth, targets and what counts are USD.
    """
    return {
        "assets": [_asset(weir, asset) for asset in seen.assets],
        "pledging": len(seen.pledges),
        "owing": [
            {
                "address": pledge.address,
                "counts": weir.usd(pledge.value),
                "due": weir.usd(pledge.due),
                "default": pledge.default_id or None,
                "sale_ends_at": pledge.sale_ends_at or None,
                "startable": pledge.startable,
            }
            for pledge in seen.pledges
            if pledge.due
        ],
    }


def _asset(weir: Weir, asset: AssetState) -> Status:
    ratios = ("haircut", "discount", "weight")
    auction = asset.auction
    return {
        "symbol": asset.symbol,
        "price": from_units(asset.price, 18),
        "feed": asset.status,
        **{name: getattr(asset, name) / MILLION for name in ratios},
        "collateral": {
            "amount": from_units(asset.pledged, asset.decimals),
            "cap": from_units(asset.collateral_cap, asset.decimals),
            "counts": weir.usd(asset.pledged_value),
        },
        "reserve": {
            "amount": from_units(asset.reserve, asset.decimals),
            "cap": from_units(asset.reserve_cap, asset.decimals),
            "worth": weir.usd(asset.reserve_worth),
            "counts": weir.usd(asset.reserve_value),
            "target": weir.usd(asset.reserve_target),
            "auction": _auction(auction),
            "startable": auction.startable,
        },
    }


def _auction(auction: AuctionState) -> Status | None:
    """The one that runs, if any; `off`: by how much the price is off, a ratio."""
    if not auction.factor:
        return None
    return {"buying": auction.buying, "ends_at": auction.ends_at, "off": auction.off / MILLION}


def _defaults(weir: Weir, seen: Snapshot) -> list[Status]:
    amounts = ("shortfall", *DEFAULT_LAYERS, "recovered")
    return [
        {
            "id": default.id,
            "time": default.time,
            "account": default.account,
            "market": seen.markets[default.market].symbol,
        }
        | {name: weir.usd(getattr(default, name)) for name in amounts}
        for default in seen.defaults
    ]


def _identities(weir: Weir, seen: Snapshot) -> list[Status]:
    """P1 to P3 with their differences; `holds` allows what roundings can have done."""
    found = seen.identities
    lines: list[Status] = [
        {
            "id": "P1",
            "statement": "held by the vault = cash + pools + fees + levies (+ donations)",
            "difference": weir.usd(found.donations),
            "unit": "USD",
            "holds": found.donations >= 0,
        }
    ]
    for books in found.markets:
        symbol = seen.markets[books.market].symbol
        lines += [
            {
                "id": f"P2:{symbol}",
                "statement": "pool + residual >= claims + unsettled - debt",
                "difference": weir.usd(books.surplus),
                "unit": "USD",
                "holds": books.surplus >= -found.accounts,
            },
            {
                "id": f"P3:{symbol}",
                "statement": "open interest = longs = shorts",
                "difference": from_units(books.mismatch, 18),
                "unit": symbol,
                "holds": books.mismatch <= DUST,
            },
        ]
    return lines


def _backing(books: AssetBooks) -> Status:
    """P1 of another stablecoin."""
    return {
        "id": f"P1:{books.symbol}",
        "statement": "held for collateral = what accounts hold, by the reserve = its amount (+ donations)",
        "difference": from_units(books.donations, books.decimals),
        "unit": books.symbol,
        "holds": books.holds,
    }


def to_json(status: Status) -> str:
    """The status as JSON; decimals as strings without exponents."""
    return json.dumps(status, indent=2, default=lambda value: format(value, "f"))


# --------------------------------------------------------------------- render


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
            ", ".join(f"{name} {usd(default[key])}" for key, name in DEFAULT_LAYERS.items() if default[key]),
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


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(first)
    for name in others:
        table.add_column(name, justify="left" if name in _TEXTS else "right", overflow="fold")
    return table


def _state(text: str, good: bool) -> Text:
    return Text(text, style="green" if good else "bold red")
