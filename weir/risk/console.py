"""A memo, a backtest and the scenarios as tables for a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from functools import partial

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weir.formatting import address, number, percent, usd, usd_short, utc
from weir.risk.backtest.coverage import SIGNIFICANCE, ZONED
from weir.risk.backtest.rolling import Backtest
from weir.risk.memo import LAYERS, Estimate, Memo
from weir.risk.stress.library import Scenario
from weir.tables import new_table

__all__ = ["render", "render_backtest", "render_scenarios"]

ROWS = 12
"""Accounts and scenarios that a table shows; the memo has all."""
TESTS = {"kupiec": "Kupiec", "independence": "Indep.", "conditional": "Both", "z2": "Z2"}
"""Tests of a backtest, with names for a table."""
_TEXTS = (
    "Account",
    "Layer",
    "Market",
    "Model",
    "Part",
    "Reasons",
    "Moves",
    "Scenario",
    "Smallest move",
    "Why",
)
_table = partial(new_table, texts=_TEXTS)


def render(memo: Memo) -> RenderableType:
    """The memo's figures, ready for `rich.console.Console.print`."""
    return Group(
        _headline(memo),
        *(Text(f"! {warning}", style="bold yellow") for warning in memo.warnings),
        _target(memo),
        _measures(memo),
        _layers(memo),
        _stresses(memo),
        _reverse(memo),
        _accounts(memo),
        _funding(memo),
    )


def _headline(memo: Memo) -> Text:
    where = (
        "a book without a chain" if memo.block is None else f"chain {memo.chain} · block {number(memo.block)}"
    )
    target = memo.target
    return Text.assemble(
        (f"The fund should hold {_usd(target.value)}", "bold"),
        f"; it has {_usd(target.assets)}, {percent(target.coverage)} of that\n",
        (f"{where} · {number(memo.accounts)} accounts · model {memo.model_hash[:10]} · ", "dim"),
        (f"inputs {memo.inputs[:10]} · {utc(memo.created)} UTC", "dim"),
    )


def _target(memo: Memo) -> Table:
    table = _table("What decides the target: the largest of", "Part", "USD", "Why")
    for part in memo.target.parts:
        style = "bold" if part.name == memo.target.binding else ""
        table.add_row(part.name, _usd(part.value), Text(part.why), style=style)
    table.add_section()
    left = percent(memo.target.depeg_left, 2)
    table.add_row("over what a depeg leaves", left, Text(memo.target.depeg_why))
    table.add_row("target", _usd(memo.target.value), "", style="bold")
    return table


def _measures(memo: Memo) -> Table:
    interval = f"{memo.confidence:.0%} interval"
    table = _table("Loss of the fund", "Level", "Horizon", "VaR", interval, "ES", interval)
    for each in memo.measures:
        table.add_row(
            f"{each.level:.4g}",
            _days(each.horizon_days),
            *(shown for part in (each.var, each.es) for shown in (_usd(part.value), _interval(part))),
        )
    return table


def _layers(memo: Memo) -> Table:
    days = _days(memo.measures[0].horizon_days)
    columns = ("Layer", "Size", f"Hit in {days}", f"{memo.confidence:.0%} interval", "Gone", "Expected loss")
    table = _table(f"Who bears it, over {days}", *columns, "Fair premium a year", "Loaded")
    for row in memo.layers:
        gone = "–" if row.exhaustion is None else percent(row.exhaustion.value, 3)
        reached = f"{percent(row.attachment.low, 3)[:-1]}–{percent(row.attachment.high, 3)}"
        size = "–" if row.size is None else _short(row.size)
        chance = percent(row.attachment.value, 3)
        amounts = (_short(each) for each in (row.expected_loss, row.fair_premium, row.loaded_premium))
        table.add_row(row.layer, size, chance, reached, gone, *amounts)
    return table


def _stresses(memo: Memo) -> Table:
    found = sorted(memo.stresses, key=lambda row: -row.loss)
    shown = [row for row in found if row.loss > 0][:ROWS]
    worst = f"the {len(shown)} of {len(found)} scenarios that cost most" if shown else "none costs the fund"
    table = _table(f"Stress: {worst}", "Scenario", "Date", "Loss", *LAYERS)
    for row in shown:
        borne = (_short(row.layers[layer]) if row.layers[layer] else "–" for layer in LAYERS)
        table.add_row(row.id, row.date, _short(row.loss), *borne)
    return table


def _reverse(memo: Memo) -> Table:
    title = "Reverse stress: the smallest move that exhausts a layer and those before it"
    table = _table(title, "Layer", "Smallest move", "Deviations of a day")
    for layer in dict.fromkeys(row.layer for row in memo.reverse):
        rows = [row for row in memo.reverse if row.layer == layer]
        found = [row for row in rows if row.sigmas is not None]
        if not found:
            table.add_row(layer, Text(rows[0].why), "–")
            continue
        least = min(found, key=lambda row: row.sigmas or 0.0)
        moves = (
            f"{name} {'+' if change > 0 else ''}{percent(change)}"
            for name, change in (least.moves or {}).items()
            if change
        )
        table.add_row(layer, ", ".join(moves), number(least.sigmas or 0.0, 1))
    return table


def _accounts(memo: Memo) -> Table:
    columns = ("Account", "Score", "Tier", "ES share", "To contribute", "P(liquidated)", "P(default)")
    shown = [row for row in memo.account_rows if row.notional][:ROWS]
    title = f"Accounts: the {len(shown)} of {number(memo.accounts)} that cost most"
    table = _table(title, *columns, "Reasons")
    for row in shown:
        before = "" if row.tier_before in (None, row.tier) else f"{row.tier_before} → "
        more = f" +{len(row.reasons) - 1}" if len(row.reasons) > 1 else ""
        table.add_row(
            address(row.account),
            number(row.score),
            f"{before}{row.tier}",
            _short(row.es_contribution),
            _short(row.required_contribution),
            percent(row.liquidation_probability, 2),
            percent(row.default_probability, 2),
            f"{row.reasons[0]}{more}" if row.reasons else "–",
        )
    return table


def _funding(memo: Memo) -> Table:
    funding = memo.funding
    table = _table("Will it last", "Part", "Value", "Why")
    low, value, high = (percent(p, 2) for p in (funding.ruin.low, funding.ruin.value, funding.ruin.high))
    table.add_row(
        "ruin within a year",
        f"{value} ({low} to {high})",
        f"{memo.confidence:.0%} interval; every day as the next, with income under the policy",
    )
    worst, *_, best = (_usd(amount) for amount in funding.year_end)
    middle = _usd(funding.year_end[2])
    table.add_row(
        "after a year", f"{middle} ({worst} to {best})", "losses included: median, nine years in ten"
    )
    table.add_row("income a day", _usd(funding.income_day), Text(funding.assumptions))
    table.add_row("days to target", _whole(funding.days_to_target), "from what it has, without losses")
    table.add_row("half-life", _whole(funding.half_life_days), "days until half of what is missing is there")
    table.add_row("recovery", _whole(funding.recovery_days), "the same, after losing what ES may be at most")
    return table


# --------------------------------------------------------------------- backtest


def render_backtest(found: Mapping[str, Backtest]) -> RenderableType:
    """A table for each series: exceptions, expected, and p-values by model and level."""
    return Group(*(_backtest(name, each) for name, each in found.items()))


def _backtest(name: str, found: Backtest) -> Table:
    first, last = (str(np.datetime_as_string(time, unit="m")) for time in (found.times[0], found.times[-1]))
    title = (
        f"{name}: {number(len(found.returns))} forecasts, {first} to {last}; * rejected at {SIGNIFICANCE:.0%}"
    )
    table = _table(title, "Model", "Level", "Beyond", "Expected", *TESTS.values(), "Zone")
    for each in found.results:
        rejected = each.rejected()
        table.add_row(
            each.model,
            f"{each.level:.4g}",
            number(each.exceptions),
            number(each.expected, 1),
            *(_p_value(each.p_values[test]) for test in TESTS),
            each.zone if each.level == ZONED else "–",
            style="bold" if rejected else "",
        )
    return table


def render_scenarios(scenarios: Iterable[Scenario]) -> RenderableType:
    """Names, dates and moves; the sources are in the JSON."""
    table = _table("Scenarios", "Scenario", "Date", "Why", "Moves", "Depth left")
    table.columns[0].no_wrap = True
    for each in scenarios:
        named = {**each.shocks, **each.stablecoins, "others": each.default}
        if each.thinnest is not None:
            named["a thin market"] = each.thinnest
        moves = ", ".join(f"{name} {percent(move, 0)}" for name, move in named.items() if move)
        table.add_row(each.name, each.date.isoformat(), each.title, moves, percent(each.depth, 0))
    return table


# ------------------------------------------------------------------------ parts


def _usd(amount: float) -> str:
    return usd(Decimal(str(round(amount, 2))), 0)


def _short(amount: float) -> str:
    return usd_short(Decimal(str(amount))) if amount >= 1 else _usd(amount)


def _interval(estimate: Estimate) -> str:
    return f"{_usd(estimate.low)} to {_usd(estimate.high)}"


def _days(days: float) -> str:
    amount, unit = (days, "day") if days >= 1 else (days * 24, "hour")
    return f"{amount:.4g} {unit}{'' if round(amount, 4) == 1 else 's'}"


def _whole(days: float | None) -> str:
    return "never" if days is None else number(days, 1)


def _p_value(p: float) -> str:
    shown = f"{p:.3f}" if p >= 0.001 else "<0.001"
    return f"{shown}*" if p < SIGNIFICANCE else shown
