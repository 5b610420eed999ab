"""The charts of a memo's page. Each draws figures that the page's tables or the memo's JSON have too."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap
from typing import Any

from weir import formatting
from weir.charts import Figure, line, plain, x
from weir.layers import LAYERS as NAMES
from weir.risk.memo import LAYERS, Memo, RiskMeasure, StressRow

__all__ = ["LAYER_NAMES", "by_loss", "figures", "horizon"]

LAYER_NAMES = {layer: NAMES.get(layer, layer.capitalize()) for layer in LAYERS}
"""In print, in the order in which they bear losses."""
BRIEF = 48
"""Letters of a scenario's title beside its bar."""


def figures(memo: Memo) -> dict[str, Figure]:
    """By the names that the page's template has for them; a chart that would be empty is left out."""
    found = {"target": _target(memo)}
    curve = memo.exceedance
    if any(loss > 0 < chance for loss, chance in zip(curve.losses, curve.probability, strict=True)):
        found["exceedance"] = _exceedance(memo)
    if memo.funding.trajectory:
        found["funding"] = _funding(memo)
    if any(row.loss for row in memo.stresses):
        found["waterfall"] = _waterfall(memo)
    if memo.backtest is not None:
        found |= {f"strip-{market}": _strip(strip) for market, strip in memo.backtest.strips.items()}
    return found


def horizon(memo: Memo) -> float | None:
    """Days that the exceedance curve and the layers look ahead; None where the parameters do not say."""
    days = memo.parameters.get("horizon_days")
    return float(days) if isinstance(days, int | float) else None


def _target(memo: Memo) -> Figure:
    """The parts, the largest of which is raised by what a depeg takes, and what the fund has."""
    target = memo.target
    rows: list[tuple[str, float, str]] = [
        (
            f"{part.name}, binding" if part.name == target.binding else part.name,
            part.value,
            "@senior" if part.name == target.binding else "@aside",
        )
        for part in target.parts
    ]
    raised = max(0.0, target.value - target.before_depeg)
    if raised:
        rows.append(("target, after a depeg", target.before_depeg, "@senior"))
    top = max([target.value, target.assets, *(part.value for part in target.parts)])
    places = list(range(len(rows)))
    bars: list[Figure] = [
        {
            "type": "bar",
            "orientation": "h",
            "showlegend": False,
            "x": [value for _, value, _ in rows],
            "y": places,
            "hovertext": [f"{plain(name)}: {formatting.usd(value, 0)}" for name, value, _ in rows],
            "hovertemplate": "%{hovertext}<extra></extra>",
            "marker": {"color": [colour for *_, colour in rows]},
        }
    ]
    if raised:
        bars.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": "Added for a depeg",
                "x": [raised],
                "y": places[-1:],
                "hovertemplate": "%{x:$,.0f}",
                "marker": {
                    "color": "@skin",
                    "pattern": {"shape": "/", "fillmode": "overlay", "fgcolor": "@card", "solidity": 0.2},
                },
            }
        )
    ends = [value for _, value, _ in rows]
    if raised:
        ends[-1] = target.value
    return {
        "data": [*bars, _upright("The fund has", target.assets, [-0.5, len(rows) - 0.5], "@ink")],
        "layout": {
            "barmode": "stack",
            "bargap": 0.35,
            "xaxis": _dollars("USD") | {"range": [0, 1.16 * top or 1]},
            "yaxis": _rows(name.capitalize() for name, *_ in rows),
            "annotations": [
                {
                    "x": end,
                    "y": place,
                    "text": formatting.usd_short(end),
                    "xanchor": "left",
                    "xshift": 5,
                    "bgcolor": "@card",
                    "showarrow": False,
                }
                for place, end in zip(places, ends, strict=True)
            ],
        },
    }


def _exceedance(memo: Memo) -> Figure:
    """P(loss ≥ x) with its band on logarithmic axes, which have no place for 0."""
    curve = memo.exceedance
    points = [
        (loss, *chances)
        for loss, *chances in zip(curve.losses, curve.probability, curve.low, curve.high, strict=True)
        if loss > 0
    ]
    losses, probability, low, high = (list(column) for column in zip(*points, strict=True))
    floor = min(chance for chance in (*probability, *low, *high) if chance > 0) / 2
    band = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "line": {"width": 0}, "x": losses}
    quantiles = [one for one in memo.measures if one.horizon_days == horizon(memo) and one.var.value > 0]
    data: list[Figure] = [
        band | {"y": [max(floor, chance) for chance in high], "showlegend": False},
        band
        | {
            "y": [max(floor, chance) for chance in low],
            "fill": "tonexty",
            "fillcolor": "@band",
            "name": f"{formatting.percent(memo.confidence, 0)} band",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": "P(loss ≥ x)",
            "x": losses,
            # Where no path lost more the curve ends.
            "y": [chance or None for chance in probability],
            "line": {"color": "@senior", "width": 2},
            "hovertemplate": "%{x:$,.0f}: %{y:.3~%}<extra></extra>",
        },
    ]
    if quantiles:
        data.append(_quantiles(quantiles, floor))
    ends = [floor, min(1.0, 2 * max(high))]
    reach = (min(losses) / 2, 2 * max(losses))
    for name, loss, colour in (
        ("The fund has", memo.target.assets, "@ink"),
        ("Target", memo.target.value, "@open_interest"),
    ):
        if reach[0] < loss < reach[1]:
            data.append(_upright(name, loss, ends, colour))
    return {
        "data": data,
        "layout": {
            "legend": {"traceorder": "normal"},
            "xaxis": _dollars("Loss of the fund and all behind it, USD") | {"type": "log", "showgrid": True},
            "yaxis": {
                "type": "log",
                "title": {"text": "Probability of at least this loss"},
                "tickformat": "~%",
            },
        },
    }


def _quantiles(measures: Sequence[RiskMeasure], floor: float) -> Figure:
    """VaR at each level, with its interval lying."""
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "VaR",
        "x": [one.var.value for one in measures],
        "y": [max(floor, 1 - one.level) for one in measures],
        "error_x": {
            "type": "data",
            "symmetric": False,
            "array": [one.var.high - one.var.value for one in measures],
            # A logarithmic axis has no place for an interval that begins at 0.
            "arrayminus": [one.var.value - max(one.var.low, one.var.value / 100) for one in measures],
            "color": "@ink",
            "thickness": 1,
        },
        "text": [f"VaR {100 * one.level:.10g}%, {formatting.usd(one.var.value, 0)}" for one in measures],
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {"symbol": "diamond", "size": 9, "color": "@card", "line": {"color": "@ink", "width": 2}},
    }


def _funding(memo: Memo) -> Figure:
    """What the fund has by day without losses, the target, and the days that the table tells."""
    funding, target = memo.funding, memo.target.value
    days = list(funding.trajectory_days)
    data: list[Figure] = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": "Fund, without losses",
            "x": days,
            "y": list(funding.trajectory),
            "line": {"color": "@senior", "width": 2},
            "hovertemplate": "day %{x:,.0f}: %{y:$,.0f}<extra></extra>",
        },
        {
            "type": "scatter",
            "mode": "lines",
            "name": f"Target, {formatting.usd_short(target)}",
            "x": [days[0], days[-1]],
            "y": [target, target],
            "line": {"color": "@open_interest", "width": 1.5, "dash": "dash"},
            "hovertemplate": "%{y:$,.0f}",
        },
    ]
    half = memo.target.assets + (target - memo.target.assets) / 2
    for name, day, height, symbol in (
        (f"Today, {formatting.usd_short(memo.target.assets)}", 0.0, memo.target.assets, "circle"),
        ("Half of what is missing", funding.half_life_days, half, "square"),
        ("At target", funding.days_to_target, target, "star"),
    ):
        # A fund beyond its target misses nothing; what lies beyond the last day would stretch the axis.
        if day is not None and day <= days[-1] and (symbol == "circle" or memo.target.assets < target):
            data.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "name": name if symbol == "circle" else f"{name}, day {formatting.number(day)}",
                    "x": [day],
                    "y": [height],
                    "hovertemplate": "day %{x:,.1f}: %{y:$,.0f}",
                    "marker": {
                        "symbol": symbol,
                        "size": 11,
                        "color": "@card",
                        "line": {"color": "@ink", "width": 2},
                    },
                }
            )
    return {
        "data": data,
        "layout": {
            "xaxis": _number("Days from now", ",~g") | {"range": [-0.02 * (days[-1] or 1), days[-1] or 1]},
            "yaxis": {"title": {"text": "USD"}, "tickformat": "$~s", "rangemode": "tozero"},
        },
    }


def _brief(title: str) -> str:
    """One that leaves room for its neighbours; the table below has it whole."""
    return title if len(title) <= BRIEF else f"{title[: BRIEF - 1].rstrip()}…"


def _waterfall(memo: Memo) -> Figure:
    """A bar for each scenario, its loss by layer, the largest on top; above them what each layer has."""
    sizes = {row.layer: row.size for row in memo.layers}
    stresses = by_loss(memo.stresses)
    held = {layer: sizes.get(layer) or 0.0 for layer in LAYERS}
    # Last, as the legend takes its colours from the first: the layers' own are paler.
    rows = [*(row.layers for row in stresses), held]
    places = [*range(1, len(rows)), 0]
    data: list[Figure] = []
    for layer, name in LAYER_NAMES.items():
        size = sizes.get(layer)
        data.append(
            {
                "type": "bar",
                "orientation": "h",
                "name": name if size is None else f"{name}, {formatting.usd_short(size)}",
                "y": places,
                "x": [row.get(layer, 0.0) for row in rows],
                "hovertemplate": f"{name}: %{{x:$,.0f}}<extra></extra>",
                "marker": {
                    "color": f"@{layer.replace(' ', '_')}",
                    "opacity": [*[1.0] * len(stresses), 0.5],
                    "line": {"color": "@card", "width": 1},
                },
            }
        )
    loss, size = max(row.loss for row in stresses), sum(held.values())
    # Losses that are small beside the layers would be slivers.
    end = 1.5 * loss if loss < size / 4 else 1.12 * max(loss, size)
    return {
        "data": data,
        "layout": {
            "barmode": "stack",
            "bargap": 0.3,
            "legend": {"traceorder": "normal"},
            "xaxis": _dollars("USD") | {"range": [0, end]},
            "yaxis": _rows(["What the layers have", *(_brief(row.title) for row in stresses)]),
            "annotations": [
                {
                    "x": row.loss,
                    "y": place,
                    "text": formatting.usd_short(row.loss),
                    "xanchor": "left",
                    "xshift": 4,
                    "showarrow": False,
                }
                for place, row in enumerate(stresses, 1)
            ],
        },
    }


def by_loss(stresses: Iterable[StressRow]) -> list[StressRow]:
    """The scenarios, the dearest first."""
    return sorted(stresses, key=lambda row: -row.loss)


def _strip(strip: dict[str, Any]) -> Figure:
    """Losses of a long in a market against the VaR that was forecast for them."""
    times, losses = strip["times"], strip["losses"]
    level = f"{100 * strip['level']:.10g}%"
    exceptions = strip["exceptions"]
    return {
        "data": [
            {
                "type": "scatter",
                "mode": "markers",
                "name": "Loss",
                "x": [x(time) for time in times],
                "y": losses,
                "hovertemplate": "%{y:.2%}",
                "marker": {"size": 3, "color": "@muted"},
            },
            line(f"VaR {level}, forecast before", times, strip["var"], "@senior", ".2%"),
            {
                "type": "scatter",
                "mode": "markers",
                "name": f"Exception ({len(exceptions)})",
                "x": [x(times[i]) for i in exceptions],
                "y": [losses[i] for i in exceptions],
                "hovertemplate": "%{y:.2%}",
                "marker": {"symbol": "x", "size": 8, "color": "@bad"},
            },
        ],
        "layout": {
            "hovermode": "x unified",
            "xaxis": {"tickformat": "%b %Y"},
            "yaxis": {"title": {"text": "Loss, % of notional"}, "tickformat": ".0%"},
        },
    }


def _upright(name: str, value: float, ends: Sequence[float], colour: str) -> Figure:
    """A line across the chart at this value; as data, so that it has a place in the legend."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"{name}, {formatting.usd_short(value)}",
        "x": [value, value],
        "y": list(ends),
        "hovertemplate": f"{name}: {formatting.usd(value, 0)}<extra></extra>",
        "line": {"color": colour, "width": 1.5, "dash": "dash"},
    }


def _dollars(title: str) -> dict[str, Any]:
    return _number(title, "$~s") | {"hoverformat": "$,.0f"}


def _number(title: str, pattern: str) -> dict[str, Any]:
    """An axis of numbers; those of the page's script are of time."""
    return {"type": "linear", "title": {"text": title}, "tickformat": pattern, "hoverformat": pattern}


def _rows(labels: Iterable[str]) -> dict[str, Any]:
    """An axis of rows, the first on top. By number: two scenarios may have the same name."""
    texts = ["<br>".join(plain(part) for part in wrap(label, 26)) for label in labels]
    return {
        "type": "linear",
        "tickmode": "array",
        "tickvals": list(range(len(texts))),
        "ticktext": texts,
        "range": [len(texts) - 0.5, -0.5],
        "showgrid": False,
        "zeroline": False,
    }
