"""Previews and payers as JSON and as tables of rich."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from functools import partial

from rich.console import Group, RenderableType
from rich.text import Text

from weir.contributions.factors import FACTORS
from weir.contributions.paid import Payer
from weir.contributions.preview import Preview
from weir.formatting import address, exact_json, number, percent, usd
from weir.tables import new_table
from weir.units import MILLION

ROWS = 20
"""Accounts that a table shows; the JSON has all."""

_table = partial(new_table, texts=("Why",))


def preview_json(found: Preview) -> str:
    """Rates, coverage in ppm; the rest as decimals in strings."""
    factors = [{"name": f.name, "ppm": f.ppm, "amount": f.amount, "reason": f.reason} for f in found.factors]
    return exact_json(
        {
            "account": found.account,
            "market": found.market,
            "block": found.block,
            "size": found.size,
            "price": found.price,
            "maker": found.is_maker,
            "against": found.counterparty,
            "new_risk": found.new_risk,
            "new_notional": found.new_notional,
            "coverage_ppm": found.coverage,
            "rate_ppm": found.rate,
            "amount": found.amount,
            "factors": factors,
        }
    )


def render_preview(found: Preview) -> RenderableType:
    """The factors as a table, ready for `rich.console.Console.print`."""
    side = "long" if found.size > 0 else "short"
    trade = (
        f"{abs(found.size).normalize():,f} {found.market} {side} at {usd(found.price)}, "
        f"as {'maker' if found.is_maker else 'taker'}"
    )
    if not found.factors:
        return Text(f"{trade}: nothing beyond the fee, for the trade adds no risk to the account.")
    table = _table(trade, "Factor", "ppm", "USD", "Why")
    for factor in found.factors:
        table.add_row(factor.name, number(factor.ppm), usd(factor.amount), factor.reason)
    table.add_section()
    risk = f"of {usd(found.new_notional)}, the new risk at the mark"
    table.add_row("contribution", number(found.rate), usd(found.amount), risk, style="bold")
    return table


def paid_json(payers: Sequence[Payer]) -> str:
    """Every payer; decimals in strings, the premium's rate in ppm."""
    return exact_json(
        [
            {
                "account": payer.account,
                "charges": payer.charges,
                **payer.factors,
                "total": payer.total,
                "guaranty": payer.guaranty,
                "premium_charged": payer.premium_charged,
                "notional": payer.notional,
                "premium_a_year": payer.premium,
                "premium_rate_ppm": payer.premium_rate,
            }
            for payer in payers
        ]
    )


def render_paid(payers: Sequence[Payer]) -> RenderableType:
    """The payers as a table, ready for `rich.console.Console.print`."""
    if not payers:
        return Text("Contributions: none, and no open position")
    title = "Contributions and premium paid, and the premium that positions pay now"
    factors = (name.capitalize() for name in FACTORS)
    columns = ("Charges", *factors, "Total", "Guaranty", "Premium", "Notional", "Premium a year")
    table = _table(title, "Account", *columns)
    for payer in payers[:ROWS]:
        rate = "" if payer.premium_rate is None else f" ({percent(payer.premium_rate / MILLION, 2)})"
        table.add_row(
            address(payer.account),
            number(payer.charges),
            *(usd(payer.factors[name]) for name in FACTORS),
            usd(payer.total),
            usd(payer.guaranty),
            usd(payer.premium_charged),
            usd(payer.notional),
            usd(payer.premium) + rate,
        )
    if len(payers) == 1:
        return table
    table.add_section()
    table.add_row(
        "all",
        number(sum(payer.charges for payer in payers)),
        *(usd(_sum(payer.factors[name] for payer in payers)) for name in FACTORS),
        usd(_sum(payer.total for payer in payers)),
        usd(_sum(payer.guaranty for payer in payers)),
        usd(_sum(payer.premium_charged for payer in payers)),
        usd(_sum(payer.notional for payer in payers)),
        usd(_sum(payer.premium for payer in payers)),
        style="bold",
    )
    more = len(payers) - ROWS
    return Group(table, Text(f"and {number(more)} accounts that paid less")) if more > 0 else table


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))
