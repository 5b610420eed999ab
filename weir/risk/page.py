"""The page of a memo: one HTML file that needs no network (`weir.pages`), for who signs it and who checks it.

`render` gives the page as text. It shows what the memo has and works nothing out
beyond sums, shares and differences of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from math import floor, isfinite, log10

from weir import pages
from weir.formatting import number, percent
from weir.risk.backtest.coverage import SIGNIFICANCE
from weir.risk.errors import RiskError
from weir.risk.memo import AccountRow, Memo
from weir.risk.page_charts import LAYER_NAMES, by_loss, figures, horizon

__all__ = ["render"]

ACCOUNTS = 50
"""Rows of the accounts' table; the JSON has them all."""

_STRIP = {"level", "times", "losses", "var", "exceptions"}


def render(memo: Memo) -> str:
    """The page, complete and self-contained; money is USD, times are UTC.

    Raises `RiskError` where a figure of the memo is not finite, or lists that belong together differ in
    length.
    """
    _check(memo)
    shown = memo.account_rows[:ACCOUNTS]
    return pages.render(
        "risk.html.j2",
        figures(memo),
        styles=("risk.css",),
        filters={
            "chance": _chance,
            "days": _days,
            "figure": _figure,
            "level": lambda level: f"{100 * level:.10g}%",
            "move": _move,
        },
        memo=memo,
        names=LAYER_NAMES,
        horizon=horizon(memo),
        measures=sorted(memo.measures, key=lambda one: (one.horizon_days, one.level)),
        stresses=by_loss(memo.stresses),
        factors=_factors(memo),
        shown=shown,
        hidden=memo.account_rows[ACCOUNTS:],
        contributions=_sum(memo.account_rows),
        tests=_tests(memo),
        rejected=SIGNIFICANCE,
        parameters=list(_leaves(memo.parameters)),
    )


def _check(memo: Memo) -> None:
    """Refuses what a chart or a table could not show truly."""
    for path, value in _leaves(memo.model_dump()):
        if isinstance(value, float) and not isfinite(value):
            raise RiskError(f"{path}: a finite number (got {value})")
    curve, outlook, heat = memo.exceedance, memo.funding, memo.heat_map
    shape = [len(heat.shocks)] * len(heat.rows)
    _same("exceedance", map(len, (curve.losses, curve.probability, curve.low, curve.high)))
    _same("funding.trajectory", map(len, (outlook.trajectory_days, outlook.trajectory)))
    for name, values in (("liquidated", heat.liquidated), ("loss", heat.loss)):
        if [len(row) for row in values] != shape:
            raise RiskError(f"heat_map.{name}: {len(heat.rows)} rows of {len(heat.shocks)} figures")
    if memo.backtest is None:
        return
    for market, strip in memo.backtest.strips.items():
        path = f"backtest.strips.{market}"
        if missing := _STRIP - strip.keys():
            raise RiskError(f"{path}: {', '.join(sorted(missing))} missing (got {', '.join(sorted(strip))})")
        _same(path, (len(strip[name]) for name in ("times", "losses", "var")))
        if not all(0 <= i < len(strip["times"]) for i in strip["exceptions"]):
            raise RiskError(f"{path}.exceptions: from 0 to below {len(strip['times'])}, the number of times")


def _same(path: str, lengths: Iterator[int]) -> None:
    found = list(lengths)
    if len(set(found)) > 1:
        raise RiskError(f"{path}: lists of one length (got {', '.join(map(str, found))})")


def _leaves(value: object, path: str = "") -> Iterator[tuple[str, object]]:
    """Every figure and word within, by its path; what is empty stands for itself."""
    if isinstance(value, Mapping) and value:
        for name, each in value.items():
            yield from _leaves(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list | tuple) and value:
        for i, each in enumerate(value):
            yield from _leaves(each, f"{path}[{i}]")
    else:
        yield path, value


def _factors(memo: Memo) -> list[str]:
    """Every factor that a scenario moves: markets in the memo's order, then the others."""
    moved = dict.fromkeys(
        factor for row in memo.stresses for moves in (row.moves, row.close_out) for factor in moves
    )
    markets = [row.market for row in memo.markets if row.market in moved]
    return [*markets, *(factor for factor in moved if factor not in markets)]


def _tests(memo: Memo) -> list[str]:
    rows = memo.backtest.rows if memo.backtest is not None else ()
    return list(dict.fromkeys(name for row in rows for name in row.p_values))


def _sum(rows: Sequence[AccountRow]) -> dict[str, float]:
    names = ("es_contribution", "required_contribution", "expected_loss", "equity", "notional")
    return {name: sum(getattr(row, name) for row in rows) for name in names}


def _chance(probability: float) -> str:
    """`0.0123%`: three significant digits of the probability, or of what is missing to 1."""
    left = min(abs(probability), abs(1 - probability))
    if 0 < left < 1e-9:
        return "<0.0000001%" if probability < 0.5 else ">99.9999999%"
    if not left:
        return percent(probability, 0)
    return percent(probability, max(0, min(9, -floor(log10(left)))))


def _days(days: float | None) -> str:
    if days is None:
        return "never"
    text = f"{_trimmed(number(days, 1 if days < 100 else 0))} day{'' if days == 1 else 's'}"
    return f"{text} ({number(days / 365, 1)} years)" if days >= 730 else text


def _figure(value: object) -> str:
    """A value of any unit: floats with six significant digits at least, whole from a million on."""
    if isinstance(value, bool) or value is None:
        return {None: "–", True: "yes", False: "no"}[value]
    if isinstance(value, int):
        return number(value)
    if isinstance(value, float):
        if abs(value) < 1e-6:
            return f"{value:.6g}"
        return _trimmed(number(value, max(0, 5 - floor(log10(abs(value))))))
    return value if isinstance(value, str) else json.dumps(value)


def _move(ratio: float) -> str:
    """`+12.3%`: a change, with its sign; `-40%` where it is round."""
    return f"{'+' if ratio > 0 else ''}{_trimmed(number(100 * ratio, 1))}%"


def _trimmed(text: str) -> str:
    """Without zeros that say nothing."""
    return text.rstrip("0").rstrip(".") if "." in text else text
