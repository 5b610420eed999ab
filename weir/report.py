"""The report of a demo run: one HTML page that needs no network (`weir.pages`).

`render` gives the page as text, `write` puts it in a file.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from pathlib import Path
from typing import Any

from weir import files, formatting, pages, report_stablecoins
from weir.charts import Figure, line, plain, x
from weir.layers import FUND_LAYERS, GUARANTY_LAYERS, LAYERS, WATERFALL
from weir.results import (
    CONVERSIONS,
    FACTORS,
    CloseOut,
    Participant,
    RunResult,
    SeriesPoint,
)

__all__ = ["render", "write"]

TOP = 10
"""Accounts that the page names as those who contributed most."""


def write(result: RunResult, path: Path) -> None:
    """Writes the page to this path, making the folder where there is none."""
    files.write(path, render(result))


def render(result: RunResult) -> str:
    """The page, complete and self-contained."""
    return pages.render(
        "report.html.j2",
        _figures(result),
        result=result,
        layers=LAYERS,
        factors=FACTORS,
        contributors=result.contributors(TOP),
        fund_layers=FUND_LAYERS,
        guaranty_layers=GUARANTY_LAYERS,
        conversions=CONVERSIONS,
        capped=_coverage_top(result) is not None,
    )


def _figures(result: RunResult) -> dict[str, Figure]:
    figures = {f"price-{market}": _price(result, market) for market in result.markets}
    figures["fund"] = _fund(result)
    figures["coverage"] = _coverage(result)
    figures["open-interest"] = _open_interest(result)
    if any(point.margin_used is not None for point in result.series):
        figures["margin"] = _margin(result)
    if result.stablecoins:
        figures |= report_stablecoins.figures(result.stablecoins)
    half = round(_step(result) / 2)
    for figure in figures.values():
        ends = (result.series[0].time - half, result.series[-1].time + half)
        figure["layout"] |= {"hovermode": "x unified", "xaxis": {"range": [x(time) for time in ends]}}
    if any(one.leverage is not None for one in result.participants):
        figures["traders"] = _traders(result)
    if result.defaults:
        figures["waterfall"] = _waterfall(result)
    return figures


def _price(result: RunResult, market: str) -> Figure:
    defaults = [default for default in result.defaults if default.market == market]
    points = [_point_at(result, default.time) for default in defaults]
    texts = [f"Default {default.id}: {formatting.usd(default.shortfall)} short" for default in defaults]
    price = _line(result, market, lambda point: point.prices[market], "@ink", "$,.8~g")
    price["line"]["shape"] = "linear"
    return {
        "data": [
            price,
            _closings(result, market, "Liquidated", "triangle-down", result.liquidation_events),
            _closings(result, market, "Deleveraged", "x", result.deleverage_events),
            _defaults(points, [float(point.prices[market]) for point in points], texts),
        ],
        "layout": {"yaxis": {"title": {"text": f"{plain(market)} price, USD"}, "tickformat": "$,.8~g"}},
    }


def _closings(result: RunResult, market: str, name: str, symbol: str, events: Iterable[CloseOut]) -> Figure:
    """What was closed in one market, one mark per step of the series; its area grows with the notional."""
    steps: defaultdict[int, list[Decimal]] = defaultdict(list)
    prices: dict[int, float] = {}
    for event in events:
        point = _point_at(result, event.time)
        notionals = [position.notional for position in event.positions if position.market == market]
        if notionals:
            steps[point.time] += notionals
            prices[point.time] = float(point.prices[market])
    totals = {time: sum(notionals, Decimal(0)) for time, notionals in steps.items()}
    largest = max(totals.values(), default=Decimal(0)) or Decimal(1)
    return {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        "x": [x(time) for time in steps],
        "y": [prices[time] for time in steps],
        "text": [
            f"{name}: {len(notionals)} position{'' if len(notionals) == 1 else 's'}, "
            f"{formatting.usd_short(totals[time])}"
            for time, notionals in steps.items()
        ],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "symbol": symbol,
            "color": f"@{name.lower()}",
            "opacity": 0.85,
            "size": [7 + 13 * float(total / largest) ** 0.5 for total in totals.values()],
        },
    }


def _defaults(points: Sequence[SeriesPoint], heights: Sequence[float], texts: Sequence[str]) -> Figure:
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "Default",
        "x": [x(point.time) for point in points],
        "y": list(heights),
        "text": [plain(text) for text in texts],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": "diamond", "size": 10, "color": "@card", "line": {"color": "@bad", "width": 2}},
    }


def _fund(result: RunResult) -> Figure:
    # The layer that pays first lies on top, so that losses eat the stack from above.
    stack = [
        _line(
            result,
            LAYERS[layer],
            attrgetter(layer),
            f"@{layer}",
            "$,.2f",
            stackgroup="fund",
            fillcolor=f"@{layer}",
        )
        for layer in reversed(FUND_LAYERS)
    ]
    for layer in stack:
        # A line would outline a layer that has nothing left.
        layer["line"]["width"] = 0
    points = [_point_at(result, default.time) for default in result.defaults]
    texts = [
        f"Default {default.id}, {default.market}: fund paid {formatting.usd(default.paid.fund)}"
        for default in result.defaults
    ]
    marks = _defaults(points, [float(_assets(point)) for point in points], texts)
    # Not of the stack: the members' money is not the insurance fund's.
    members = _line(result, "Guaranty fund", attrgetter("guaranty"), "@mutual", "$,.2f")
    return {
        "data": [*stack, members, marks],
        "layout": {
            "yaxis": {"title": {"text": "Fund assets, USD"}, "tickformat": "$~s", "rangemode": "tozero"},
        },
    }


def _coverage(result: RunResult) -> Figure:
    top = _coverage_top(result)
    yaxis: dict[str, Any] = {
        "title": {"text": "Assets ÷ target, %"},
        "tickformat": ".0%",
        "rangemode": "tozero",
    }
    if top is not None:
        yaxis["range"] = [0, top]
    premium = _line(
        result, "Premium rate, % a year", lambda p: p.premium_rate / 1e4, "@bad", ".2f", yaxis="y2"
    )
    scarcity = _line(
        result, "Scarcity, bp of new notional", lambda p: p.scarcity / 100, "@skin", ".2f", yaxis="y2"
    )
    # At the usual parameters both lines grow alike: the dashes let the one below be seen.
    scarcity["line"]["dash"] = "dash"
    return {
        "data": [
            _line(result, "Coverage", attrgetter("coverage"), "@senior", ".1%", fill="tozeroy"),
            premium,
            scarcity,
        ],
        "layout": {
            "yaxis": yaxis,
            "yaxis2": {
                "title": {"text": "% a year · bp"},
                "tickformat": "~g",
                "tickmode": "auto",
                "rangemode": "tozero",
            },
            "shapes": [
                {
                    "type": "line",
                    "xref": "paper",
                    "x0": 0,
                    "x1": 1,
                    "y0": 1,
                    "y1": 1,
                    "line": {"color": "@muted", "width": 1.5, "dash": "dash"},
                }
            ],
            "annotations": [
                {
                    "xref": "paper",
                    "x": 1,
                    "y": 1,
                    "yanchor": "bottom",
                    "xanchor": "right",
                    "text": "target",
                    "bgcolor": "@card",
                    "showarrow": False,
                }
            ],
        },
    }


def _coverage_top(result: RunResult) -> float | None:
    """Where the axis of coverage ends; None where every value fits.

    The target falls with open interest: late in a crash coverage can be many times what it was before.
    """
    values = [point.coverage for point in result.series if point.coverage is not None]
    return 3.0 if values and max(values) > 3.0 and min(values) < 1.0 else None


def _open_interest(result: RunResult) -> Figure:
    def bars(name: str, colour: str, events: Iterable[CloseOut]) -> Figure:
        totals: defaultdict[int, Decimal] = defaultdict(Decimal)
        for event in events:
            totals[_point_at(result, event.time).time] += sum(
                (position.notional for position in event.positions), Decimal(0)
            )
        return {
            "type": "bar",
            "name": name,
            "x": [x(time) for time in sorted(totals)],
            "y": [float(totals[time]) for time in sorted(totals)],
            "width": 0.7 * 1000 * _step(result),
            "hovertemplate": "%{y:$,.0f}",
            "marker": {"color": f"@{colour}"},
        }

    return {
        "data": [
            _line(result, "Open interest, one side", attrgetter("open_interest"), "@ink", "$,.0f"),
            bars("Liquidated", "liquidated", result.liquidation_events),
            bars("Deleveraged", "deleveraged", result.deleverage_events),
        ],
        "layout": {
            "barmode": "stack",
            "yaxis": {"title": {"text": "Notional, USD"}, "tickformat": "$~s", "rangemode": "tozero"},
        },
    }


def _margin(result: RunResult) -> Figure:
    return {
        "data": [
            _line(result, "Margin used", lambda point: point.margin_used, "@junior", ".1%", fill="tozeroy")
        ],
        "layout": {
            "showlegend": False,
            "yaxis": {
                "title": {"text": "Required margin ÷ equity, %"},
                "tickformat": ".0%",
                "rangemode": "tozero",
            },
        },
    }


def _waterfall(result: RunResult) -> Figure:
    """Bad debt from the top bar down to zero, each layer taking its part off the end of the bar before."""
    whole = left = result.shortfall
    rows: list[tuple[str, str, Decimal, Decimal]] = [("Shortfall", "ink", Decimal(0), whole)]
    for layer, amount in result.paid.items():
        left -= amount
        rows.append((LAYERS[layer], layer, left, amount))
    rows.append((WATERFALL["remainder"], "open_interest", Decimal(0), result.remainder))
    return {
        "data": [
            {
                "type": "bar",
                "orientation": "h",
                "y": [name for name, *_ in rows],
                "x": [float(amount) for *_, amount in rows],
                "base": [float(base) for _, _, base, _ in rows],
                "hovertext": [f"{name}: {formatting.usd(amount)}" for name, _, _, amount in rows],
                "hovertemplate": "%{hovertext}<extra></extra>",
                "marker": {"color": [f"@{colour}" for _, colour, _, _ in rows]},
            }
        ],
        "layout": {
            "showlegend": False,
            "bargap": 0.28,
            "xaxis": {"type": "linear", "title": {"text": "USD"}, "tickformat": "$~s", "rangemode": "tozero"},
            "yaxis": {"autorange": "reversed", "automargin": True, "showgrid": False},
            "annotations": [
                _label(_part(amount, whole), base, base + amount, whole, row)
                for row, (_, _, base, amount) in enumerate(rows)
            ],
            # Each layer begins where the one before it ended.
            "shapes": [
                {
                    "type": "line",
                    "x0": float(end),
                    "x1": float(end),
                    "y0": row,
                    "y1": row + 1,
                    "layer": "below",
                    "line": {"color": "@muted", "width": 1, "dash": "dot"},
                }
                for row, end in enumerate([whole, *(base for _, _, base, _ in rows[1:-1])])
            ],
        },
    }


def _label(text: str, start: Decimal, end: Decimal, whole: Decimal, row: int) -> Figure:
    """The label of a bar from `start` to `end`: beside it where there is more room, else upon it."""
    before, after = start, whole - end
    if end - start > max(before, after):
        place = {"x": float(start + end) / 2, "bgcolor": "@card", "borderpad": 2}
    elif before > after:
        place = {"x": float(start), "xanchor": "right", "xshift": -4}
    else:
        place = {"x": float(end), "xanchor": "left", "xshift": 4}
    return {"text": text, "y": row, "showarrow": False, **place}


def _traders(result: RunResult) -> Figure:
    """Return against leverage, one mark per account that has a leverage; its area grows with the deposit."""
    traders = [one for one in result.participants if one.leverage is not None and one.deposited > 0]
    largest = max((one.deposited for one in traders), default=Decimal(1))

    def marks(name: str, colour: str, symbol: str, chosen: Sequence[Participant]) -> Figure:
        gains = [float((one.equity - one.deposited) / one.deposited) for one in chosen]
        return {
            "type": "scatter",
            "mode": "markers",
            "name": name,
            "x": [one.leverage for one in chosen],
            "y": gains,
            "text": [
                f"{plain(formatting.address(one.address))}: {formatting.usd_short(one.deposited)} at "
                f"{one.leverage}×, {formatting.percent(gain)}"
                for one, gain in zip(chosen, gains, strict=True)
            ],
            "hovertemplate": "%{text}<extra></extra>",
            "marker": {
                "symbol": symbol,
                "color": f"@{colour}",
                "opacity": 0.8,
                "size": [7 + 13 * float(one.deposited / largest) ** 0.5 for one in chosen],
            },
        }

    return {
        "data": [
            marks("Never liquidated", "senior", "circle", [one for one in traders if not one.liquidations]),
            marks("Liquidated", "liquidated", "triangle-down", [one for one in traders if one.liquidations]),
        ],
        "layout": {
            "xaxis": {
                "type": "linear",
                "title": {"text": "Leverage, ×"},
                "tickformat": "~g",
                "rangemode": "tozero",
            },
            "yaxis": {"title": {"text": "Profit or loss, % of deposit"}, "tickformat": ".0%"},
        },
    }


def _part(amount: Decimal, whole: Decimal) -> str:
    """`$1.23M · 45%`; a dash for nothing."""
    return f"{formatting.usd_short(amount)} · {formatting.percent(amount / whole, 0)}" if amount else "–"


def _line(
    result: RunResult,
    name: str,
    value: Callable[[SeriesPoint], Decimal | float | None],
    colour: str,
    pattern: str,
    **more: object,
) -> Figure:
    """One value over time, in steps: it stands until the next point of the series."""
    values = (value(point) for point in result.series)
    return line(name, (point.time for point in result.series), values, colour, pattern, **more)


def _point_at(result: RunResult, time: int) -> SeriesPoint:
    """The last point of the series at or before this time; the first where there is none."""
    return next((point for point in reversed(result.series) if point.time <= time), result.series[0])


def _assets(point: SeriesPoint) -> Decimal:
    return sum((getattr(point, layer) for layer in FUND_LAYERS), Decimal(0))


def _step(result: RunResult) -> float:
    """Mean distance of two points of the series, seconds."""
    first, last = result.series[0].time, result.series[-1].time
    return (last - first) / max(1, len(result.series) - 1) or 1.0
