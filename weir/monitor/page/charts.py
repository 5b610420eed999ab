"""Options of ECharts, as pure functions of figures and a palette."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import escape

from weir.formatting import address, percent, usd, usd_short
from weir.monitor.page.colours import contrast, mix
from weir.monitor.page.history import LAYERS, Point
from weir.monitor.page.outlook import Outlook
from weir.monitor.page.shocks import Cell, Row
from weir.monitor.page.steps import Step

__all__ = ["BANDS", "Options", "band", "heat_map", "layers_over_time", "refill", "waterfall"]

Options = dict[str, Any]
"""A key that begins with a colon has JavaScript as its value."""
Palette = Mapping[str, str]

_DOLLARS = (
    "v => (v < 0 ? '\\u2212$' : '$') + new Intl.NumberFormat('en', "
    "{notation: 'compact', maximumSignificantDigits: 3}).format(Math.abs(v))"
)
_EXACT = (
    "v => v == null ? '\\u2013' : (v < 0 ? '\\u2212$' : '$') + "
    "Math.abs(v).toLocaleString('en', {minimumFractionDigits: 2, maximumFractionDigits: 2})"
)
_SHARE = "v => v == null ? '\\u2013' : (100 * v).toFixed(1) + '%'"
_SHARE_AXIS = "v => Math.round(100 * v) + '%'"
_TIP = "p => p.data.tip"

NARROW = 560
"""Pixels up to which a chart is a phone's."""
MOST_COVERAGE = 2
"""At which the axis ends: a fund that is asked for next to nothing would flatten the rest."""

_DECALS: Mapping[str, Options] = {
    "unvested": {"symbol": "rect", "dashArrayX": [1, 0], "dashArrayY": [2, 4], "rotation": -0.785},
    "reserve": {"symbol": "circle", "dashArrayX": [[6, 6]], "dashArrayY": 6, "symbolSize": 0.5},
    "guaranty": {"symbol": "rect", "dashArrayX": [1, 0], "dashArrayY": [1, 5], "rotation": 0.785},
}
"""Patterns of the layers whose colours are near another's."""


def layer_colour(layer: str, palette: Palette) -> str:
    """Of a layer over time: what is skin's is yellow."""
    match layer:
        case "unvested" | "reserve":
            return mix(palette["skin"], palette["card"], 0.55)
        case "guaranty":
            return palette["mutual"]
        case _:
            return palette[layer]


# ------------------------------------------------------------------------ time


def layers_over_time(points: Sequence[Point], palette: Palette) -> Options:
    """Two charts on one axis of time: the layers stacked with the target, and below them coverage."""
    shown = [layer for layer in LAYERS if any(getattr(point, layer) for point in points)]
    series: list[Options] = [
        _line(LAYERS[layer], points, layer, layer_colour(layer, palette))
        | {
            "stack": "fund",
            "itemStyle": {"color": layer_colour(layer, palette), **_pattern(layer, palette)},
            "areaStyle": {"opacity": 0.4 if layer == "guaranty" else 0.9},
            "lineStyle": {"width": 1, "color": mix(layer_colour(layer, palette), palette["ink"], 0.6)},
        }
        for layer in shown
    ]
    series.append(
        _line("Target", points, "target", palette["open_interest"])
        | {"lineStyle": {"width": 2, "type": "dashed", "color": palette["open_interest"]}, "z": 5}
    )
    series.append(
        _line("Coverage", points, "coverage", palette["ink"])
        | {
            "xAxisIndex": 1,
            "yAxisIndex": 1,
            "tooltip": {":valueFormatter": _SHARE},
            "markLine": {
                "silent": True,
                "symbol": "none",
                "label": {"formatter": "target", "color": palette["muted"], "position": "insideEndTop"},
                "lineStyle": {"color": palette["open_interest"], "type": "dashed", "width": 1.5},
                "data": [{"yAxis": 1}],
            },
        }
    )
    time = _axis("", palette) | {"type": "time", "boundaryGap": False, "splitLine": {"show": False}}
    time["axisLabel"] |= {"hideOverlap": True}
    return _base(palette) | {
        "useUTC": True,
        "legend": {
            "top": 0,
            "left": 0,
            "icon": "roundRect",
            "itemWidth": 14,
            "itemHeight": 10,
            "textStyle": {"color": palette["ink"]},
            "data": [item["name"] for item in series[:-1]],
        },
        "grid": [
            {"left": 62, "right": 14, "top": 64, "bottom": 206},
            {"left": 62, "right": 14, "bottom": 48, "height": 84},
        ],
        "axisPointer": {"link": [{"xAxisIndex": "all"}]},
        "tooltip": _tooltip(palette) | {"trigger": "axis", ":valueFormatter": _EXACT},
        "xAxis": [
            time | {"axisLabel": {"show": False}, "axisTick": {"show": False}},
            time | {"gridIndex": 1, "name": "Block time, UTC"},
        ],
        "yAxis": [
            _axis("USD", palette) | {"type": "value", "axisLabel": _label(palette, _DOLLARS)},
            _axis("Coverage, % of target", palette)
            | {
                "type": "value",
                "gridIndex": 1,
                "min": 0,
                **({"max": MOST_COVERAGE} if any((p.coverage or 0) > MOST_COVERAGE for p in points) else {}),
                "splitNumber": 2,
                "axisLabel": _label(palette, _SHARE_AXIS),
            },
        ],
        "series": series,
        "media": _media({"grid": [{"top": 108}, {}]}, {"grid": [{"top": 64}, {}]}),
    }


def _line(name: str, points: Sequence[Point], field: str, colour: str) -> Options:
    """In steps: a value stands until the next one."""
    return {
        "name": name,
        "type": "line",
        "step": "end",
        "showSymbol": len(points) < 2,
        "symbolSize": 5,
        "itemStyle": {"color": colour},
        "lineStyle": {"width": 2, "color": colour},
        "emphasis": {"disabled": True},
        "data": [[1000 * point.time, getattr(point, field)] for point in points],
    }


def refill(found: Outlook, palette: Palette) -> Options:
    """The fund by day without losses, and its target."""
    last = len(found.path) - 1
    return _base(palette) | {
        "grid": {"left": 62, "right": 18, "top": 34, "bottom": 46},
        "tooltip": _tooltip(palette) | {"trigger": "axis", ":valueFormatter": _EXACT},
        "xAxis": _axis("Days from now", palette)
        | {"type": "value", "min": 0, "max": last, "splitLine": {"show": False}},
        "yAxis": _axis("USD", palette) | {"type": "value", "axisLabel": _label(palette, _DOLLARS)},
        "series": [
            {
                "name": "Fund",
                "type": "line",
                "showSymbol": False,
                "itemStyle": {"color": palette["senior"]},
                "lineStyle": {"width": 2.5},
                "areaStyle": {"opacity": 0.12},
                "data": [[day, round(held, 2)] for day, held in enumerate(found.path)],
                "markLine": {
                    "silent": True,
                    "symbol": "none",
                    "label": {
                        "formatter": f"target {usd_short(found.target)}",
                        "color": palette["ink"],
                        "position": "insideStartTop",
                    },
                    "lineStyle": {"color": palette["open_interest"], "type": "dashed", "width": 2},
                    "data": [{"yAxis": found.target}],
                },
            }
        ],
    }


# ------------------------------------------------------------------- waterfall


def waterfall(total: str, steps: Sequence[Step], palette: Palette) -> Options:
    """From the whole loss (`total` names it) down to zero, a row for each layer in its order."""
    first = steps[0].left + steps[0].amount
    names = [total, *(step.name for step in steps)]
    bars: list[Options] = [_bar(total, float(first), palette["muted"], palette)]
    bars += [_bar(step.name, float(step.amount), palette[step.colour], palette) for step in steps]
    return _base(palette) | {
        "grid": {"left": 4, "right": 62, "top": 6, "bottom": 26, "containLabel": True},
        "tooltip": _tooltip(palette) | {"trigger": "item", ":formatter": _TIP},
        "xAxis": _axis("USD", palette)
        | {"type": "value", "min": 0, "axisLabel": _label(palette, _DOLLARS) | {"hideOverlap": True}}
        | {"nameLocation": "middle", "nameGap": 26},
        "yAxis": _axis("", palette)
        | {
            "type": "category",
            "inverse": True,
            "data": names,
            "axisTick": {"show": False},
            "axisLabel": {"color": palette["ink"], "width": 128, "overflow": "break", "lineHeight": 13},
            "splitLine": {"show": False},
        },
        "series": [
            {
                "type": "bar",
                "stack": "loss",
                "silent": True,
                "itemStyle": {"color": "transparent"},
                "data": [0, *(float(step.left) for step in steps)],
            },
            {"type": "bar", "stack": "loss", "barWidth": "62%", "data": bars},
        ],
    }


def _bar(name: str, amount: float, colour: str, palette: Palette) -> Options:
    return {
        "value": amount,
        "tip": str(escape(f"{name}: {usd(amount)}")),
        "itemStyle": {"color": colour, "borderColor": mix(colour, palette["ink"], 0.6), "borderWidth": 1}
        if amount
        else {"color": "transparent"},
        "label": {
            "show": True,
            "position": "right",
            "formatter": usd_short(amount) if amount else "–",
            "color": palette["ink"] if amount else palette["muted"],
            "fontWeight": 600 if amount else 400,
        },
    }


# -------------------------------------------------------------------- heat map

BANDS: Mapping[str, str] = {
    "insolvent": "below 0: insolvent",
    "liquidated": "below 1: can be liquidated",
    "near": "below 1.25: near",
    "calm": "below 2",
    "safe": "from 2 on",
}
"""What a ratio of equity to maintenance margin means; the palette has their colours."""
INKS = ("#ffffff", "#16202c")
"""Of the numbers in cells: whichever is easier to read."""


def band(cell: Cell) -> str:
    """The name among `BANDS`."""
    ratio = cell.ratio
    if cell.equity < 0:
        return "insolvent"
    if ratio is None or ratio >= 2:
        return "safe"
    return "liquidated" if ratio < 1 else "near" if ratio < 1.25 else "calm"


def heat_map(rows: Sequence[Row], decimals: int, palette: Palette) -> Options:
    """Rows are accounts, the nearest on top, columns are shocks, a cell equity over maintenance margin."""
    shocks = [percent(cell.shock / 10**6, 0) for cell in rows[0].cells] if rows else []
    data = [
        _cell(column, line, row, cell, decimals, palette)
        for line, row in enumerate(rows)
        for column, cell in enumerate(row.cells)
    ]
    axis = {"axisTick": {"show": False}, "axisLine": {"show": False}, "splitLine": {"show": False}}
    return _base(palette) | {
        "grid": {"left": 4, "right": 6, "top": 42, "bottom": 4, "containLabel": True},
        "tooltip": _tooltip(palette) | {":formatter": _TIP},
        "xAxis": _axis("Move of the price", palette)
        | {"type": "category", "position": "top", "data": [_signed(text) for text in shocks], **axis}
        | {"axisLabel": {"color": palette["ink"], "interval": 0, "fontSize": 11}},
        "yAxis": _axis("", palette)
        | {"type": "category", "inverse": True, **axis}
        | {"data": [address(row.account.address) for row in rows]}
        | {"axisLabel": {"color": palette["ink"], "fontFamily": "monospace", "fontSize": 11}},
        "series": [{"type": "heatmap", "data": data, "label": {"show": True}}],
        "media": _media(_cells(8, every=2), _cells(11, every=1)),
    }


def _cells(points: int, *, every: int) -> Options:
    """The size of numbers, and which columns have a name."""
    return {
        "xAxis": {"axisLabel": {"fontSize": points, "interval": every - 1}},
        "yAxis": {"axisLabel": {"fontSize": points}},
        "series": [{"label": {"fontSize": points}}],
    }


def _cell(column: int, line: int, row: Row, cell: Cell, decimals: int, palette: Palette) -> Options:
    name = band(cell)
    colour = palette[f"band-{name}"]
    equity, margin = (float(units) / 10**decimals for units in (cell.equity, cell.margin))
    tip = (
        f"<b>{escape(address(row.account.address))}</b> at {_signed(percent(cell.shock / 10**6, 0))}<br>"
        f"equity {usd(equity)}<br>maintenance margin {usd(margin)}<br>{escape(BANDS[name])}"
    )
    ink = max(INKS, key=lambda each: contrast(each, colour))
    return {
        "value": [column, line, cell.ratio],
        "tip": tip,
        "itemStyle": {"color": colour, "borderColor": palette["card"], "borderWidth": 1},
        "label": {"formatter": _ratio(cell.ratio), "color": ink},
    }


def _ratio(ratio: float | None) -> str:
    """Short enough for a cell on a phone."""
    if ratio is None or ratio >= 100:
        return "99+"
    if ratio < 0:
        return "<0"
    return f"{ratio:.1f}" if ratio < 9.95 else f"{ratio:.0f}"


def _signed(text: str) -> str:
    return text if text[0] in "0\N{MINUS SIGN}" else f"+{text}"


# ----------------------------------------------------------------------- parts


def _base(palette: Palette) -> Options:
    return {
        "animation": False,
        "backgroundColor": "transparent",
        "textStyle": {"color": palette["ink"], "fontFamily": "system-ui, sans-serif"},
    }


def _media(narrow: Options, wide: Options) -> list[Options]:
    """What differs on a phone, where a legend takes more lines and a cell less."""
    return [
        {"query": {"maxWidth": NARROW}, "option": narrow},
        {"query": {"minWidth": NARROW + 1}, "option": wide},
    ]


def _tooltip(palette: Palette) -> Options:
    return {
        "confine": True,
        "backgroundColor": palette["card"],
        "borderColor": palette["line"],
        "textStyle": {"color": palette["ink"], "fontSize": 12},
    }


def _axis(name: str, palette: Palette) -> Options:
    return {
        "name": name,
        "nameLocation": "middle" if name not in ("USD", "Coverage, % of target") else "end",
        "nameGap": 28 if name not in ("USD", "Coverage, % of target") else 10,
        "nameTextStyle": {"color": palette["muted"], "align": "left" if name.startswith("Cov") else "center"},
        "axisLine": {"show": True, "lineStyle": {"color": palette["line"]}},
        "axisLabel": {"color": palette["muted"]},
        "splitLine": {"lineStyle": {"color": palette["grid"]}},
    }


def _label(palette: Palette, formatter: str) -> Options:
    return {"color": palette["muted"], ":formatter": formatter}


def _pattern(layer: str, palette: Palette) -> Options:
    """Of layers whose colour is near another's; none of the others."""
    if layer not in _DECALS:
        return {}
    return {"decal": {**_DECALS[layer], "color": mix(layer_colour(layer, palette), palette["ink"], 0.6)}}
