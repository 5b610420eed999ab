"""HTML pages that need no network: what the report of a run and the memo of the risk engine share.

A page carries its style, its script and the library of its charts within it, and a policy that forbids it to
load anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

from weir import formatting
from weir.charts import Figure

__all__ = ["render", "templates"]

_TEMPLATES = Path(__file__).parent / "templates"


def templates(**options: Any) -> Environment:
    """Weir's templates: everything is escaped, and nothing left out in silence; `options` are Jinja's."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        **options,
    )


def render(
    template: str,
    figures: Mapping[str, Figure],
    *,
    styles: Iterable[str] = (),
    filters: Mapping[str, Callable[..., object]] | None = None,
    **context: object,
) -> str:
    """A page of this template, which extends `page.html.j2`, with these charts.

    The functions of `weir.formatting` are its filters, and `filters` beside them; `styles` are the files
    that come after `report.css`.
    """
    environment = templates()
    environment.filters.update({name: getattr(formatting, name) for name in formatting.__all__})
    environment.filters.update(filters or {})
    return environment.get_template(template).render(
        figures=figures,
        plotly=Markup(get_plotlyjs()),
        style=Markup("\n".join(_text(name) for name in ("report.css", *styles))),
        script=Markup(_text("report.js")),
        **context,
    )


def _text(name: str) -> str:
    return (_TEMPLATES / name).read_text(encoding="utf-8")
