"""Answers of the index as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from rich.console import Group, RenderableType
from rich.table import Table

from weir.formatting import address, number, percent, usd, utc
from weir.index.queries import (
    About,
    Contributor,
    Day,
    Happening,
    Income,
    LayerPoint,
    PostMortem,
)
from weir.index.rebuild import views
from weir.index.rebuild.state import State
from weir.layers import WATERFALL
from weir.tables import new_table

__all__ = ["contributions", "days", "history", "income", "layers", "post_mortem", "state"]


def _table(title: str, texts: Sequence[str], numbers: Sequence[str] = ()) -> Table:
    return new_table(title, *texts, *numbers, texts=texts)


def _usd(units: int, about: About) -> str:
    return usd(Decimal(units).scaleb(-about.decimals))


def history(found: Sequence[Happening]) -> RenderableType:
    table = _table(f"{len(found)} events", ("time (UTC)", "block", "what"))
    for each in found:
        table.add_row(utc(each.time, "%Y-%m-%d %H:%M:%S"), str(each.block), each.text)
    return table


def income(found: Sequence[Income], about: About) -> RenderableType:
    paid = ("fees", "penalties", "contributions", "premium")
    went = ("treasury", "skin", "stream", "members", "junior", "senior")
    table = _table(
        "Income: paid by source, and where what was collected went",
        ("from (UTC)",),
        (*paid, *(f"to {name}" for name in went[:4]), *(f"vested {name}" for name in went[4:])),
    )
    for each in found:
        amounts = (_usd(getattr(each, name), about) for name in (*paid, *went))
        table.add_row(utc(each.start), *amounts)
    return table


def contributions(found: Sequence[Contributor], about: About) -> RenderableType:
    table = _table("Who contributed what", ("part", "account"), ("put in", "taken out", "times"))
    decimals = {f"gift of {symbol}": (symbol, places) for symbol, places in about.assets}
    for each in found:
        if each.part in decimals:
            symbol, places = decimals[each.part]
            put_in = f"{number(Decimal(each.put_in).scaleb(-places), 2)} {symbol}"
        else:
            put_in = _usd(each.put_in, about)
        taken = _usd(each.taken_out, about) if each.taken_out else ""
        table.add_row(each.part, address(each.account), put_in, taken, str(each.times))
    return table


def days(found: Sequence[Day], about: About) -> RenderableType:
    table = _table(
        "The fund by day",
        ("day (UTC)",),
        (
            "defaults",
            "losses",
            "mutual",
            "income",
            "to members",
            "utilisation",
            "replenishment",
            "fund",
            "coverage",
        ),
    )
    for each in found:
        table.add_row(
            utc(each.start, "%Y-%m-%d"),
            str(each.defaults),
            _usd(each.losses, about),
            _usd(each.mutual, about),
            _usd(each.income, about),
            _usd(each.to_members, about),
            percent(each.utilisation, 2),
            percent(each.replenishment, 2),
            _usd(each.fund_end, about),
            percent(each.coverage),
        )
    return table


def layers(found: Sequence[LayerPoint], about: About) -> RenderableType:
    names = ("skin", "unvested", "junior", "senior", "reserve", "guaranty", "target")
    table = _table("The fund's layers", ("time (UTC)", "block"), (*names, "coverage"))
    for each in found:
        amounts = (_usd(getattr(each, name), about) for name in names)
        table.add_row(utc(each.time), str(each.block), *amounts, percent(each.coverage))
    return table


def post_mortem(found: PostMortem, about: About) -> RenderableType:
    market = about.markets[found.market] if found.market < len(about.markets) else str(found.market)
    flagged = f"flagged {utc(found.flagged_at, '%H:%M:%S')}" if found.flagged_at else "never flagged"
    when = f"{utc(found.time, '%Y-%m-%d %H:%M:%S')} UTC, block {found.block}"
    head = (
        f"Default {found.id}: {found.account} in {market}, {when}\n"
        f"{_usd(found.shortfall, about)} short, {_usd(found.remainder, about)} of that left to"
        f" open interest; {flagged}; {_usd(found.recovered, about)} recovered, {_usd(found.open, about)} open"
    )
    columns = ("paid", "S left in the layer", "advances still open to it", "left of its limit")
    waterfall = _table("Who paid", ("layer",), columns)
    for each in found.layers:
        left = "" if each.left is None else _usd(each.left, about)
        limit = "" if each.limit is None else _usd(each.limit, about)
        advances = _usd(each.advances, about) if each.advances else ""
        waterfall.add_row(WATERFALL[each.layer], _usd(each.paid, about), left, advances, limit)
    charged = _table("Who was charged", ("who", "what"), ("amount",))
    for bearer in found.charged:
        charged.add_row(address(bearer.who), bearer.what, _usd(bearer.amount, about))
    tries = _table("Attempts", ("time", "what", "by"), ("part", "notional", "bounty"))
    for attempt in found.attempts:
        tries.add_row(
            utc(attempt.time, "%H:%M:%S"),
            attempt.kind,
            address(attempt.caller or ""),
            percent(attempt.fraction),
            _usd(attempt.notional, about),
            _usd(attempt.bounty_from_account + attempt.bounty_from_fund, about),
        )
    prices = _table("Prices in the hour before", ("time", "market"), ("price",))
    for point in found.prices:
        symbol = about.markets[point.market] if point.market < len(about.markets) else str(point.market)
        prices.add_row(utc(point.time, "%H:%M:%S"), symbol, usd(Decimal(point.price).scaleb(-18)))
    hour = history(found.hour)
    if isinstance(hour, Table):
        hour.title = "The account's last hour"
    return Group(head, waterfall, charged, tries, prices, hour)


def state(found: State, about: About) -> RenderableType:
    now = views.layers(found, found.time)
    head = f"Block {found.block}, {utc(found.time, '%Y-%m-%d %H:%M:%S')} UTC, after {found.events} events"
    fund = _table("The funds", ("layer",), ("amount",))
    for name in ("skin", "unvested", "junior", "senior", "advanced_junior", "advanced_senior"):
        fund.add_row(name.replace("_", " "), _usd(getattr(now, name), about))
    fund.add_row("guaranty", _usd(found.guaranty.total, about))
    fund.add_row("target", _usd(views.target(found, found.time), about))
    columns = ("price", "open interest", "pool", "claims", "residual")
    markets = _table("Markets", ("market", "status"), columns)
    for market in found.markets.values():
        markets.add_row(
            market.symbol,
            "open" if market.status == 1 else "closed",
            usd(Decimal(market.price).scaleb(-18)),
            _usd(views.notional(found, market), about),
            _usd(market.pool, about),
            _usd(market.claims, about),
            _usd(market.residual, about),
        )
    flagged = sum(account.flagged_at != 0 for account in found.accounts.values())
    accounts = (
        f"{len(found.accounts)} accounts, {flagged} flagged, {found.insolvencies} insolvent;"
        f" {len(found.fund.defaults)} defaults"
    )
    return Group(head, fund, markets, accounts)
