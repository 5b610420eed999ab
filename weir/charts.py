"""Parts of Plotly figures that the report's charts share."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from html import escape
from typing import Any

from weir.formatting import utc

__all__ = ["Figure", "line", "plain", "x"]

Figure = dict[str, Any]
"""A Plotly figure, `data` and `layout`. A colour "@name" stands for the page's `--name`, light or dark."""


def line(
    name: str,
    times: Iterable[int],
    values: Iterable[Decimal | float | None],
    colour: str,
    pattern: str,
    **more: object,
) -> Figure:
    """One value over time, in steps: it stands until the next time."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": plain(name),
        "x": [x(time) for time in times],
        "y": [None if y is None else float(y) for y in values],
        "hovertemplate": f"%{{y:{pattern}}}",
        "line": {"color": colour, "width": 2, "shape": "hv"},
        **more,
    }


def x(time: int) -> str:
    """A Unix time on an axis."""
    return utc(time, "%Y-%m-%d %H:%M:%S")


def plain(text: str) -> str:
    """Text for a chart, whose labels would otherwise be read as a subset of HTML."""
    return escape(text, quote=False)
