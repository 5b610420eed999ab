"""What sections are made of: a template's HTML, and a chart; both are sent only when they change."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader
from nicegui import ui
from nicegui.elements.echart import EChart
from nicegui.elements.html import Html

from weir import formatting, pages
from weir.monitor.page.charts import Options

__all__ = ["Chart", "Panel", "card"]

_TEMPLATES = Path(__file__).parent / "templates"


class Panel:
    """A template, drawn anew where its text has changed."""

    def __init__(self, template: str, classes: str = "") -> None:
        self._template = template
        self._element: Html = ui.html("", sanitize=False).classes(classes)  # templates escape everything

    def show(self, **context: object) -> None:
        """Draws it with these variables."""
        text = _templates().get_template(f"{self._template}.html.j2").render(context)
        if text != self._element.content:
            self._element.set_content(text)


class Chart:
    """An ECharts chart of a fixed height, or a sentence where there is nothing to draw."""

    def __init__(self, name: str, label: str, height: int) -> None:
        self._options: Options | None = None
        self._height = 0
        self._chart: EChart = ui.echart({}).classes("chart")
        self._chart.props["role"] = "img"
        self._chart.props["aria-label"] = label
        self._chart.props["data-chart"] = name
        self._empty = ui.label().classes("empty").props(f"data-empty={name}")
        self._resize(height)

    def show(self, options: Options, *, height: int | None = None) -> None:
        """Draws it; nothing happens where it is the same as before."""
        self._empty.set_visibility(False)
        self._chart.set_visibility(True)
        if height is not None:
            self._resize(height)
        if options != self._options:
            self._options = options
            self._chart.options.clear()
            self._chart.options.update(options)

    def say(self, text: str) -> None:
        """A sentence instead of a chart."""
        self._chart.set_visibility(False)
        self._empty.set_visibility(True)
        self._empty.set_text(text)

    def _resize(self, height: int) -> None:
        if height != self._height:
            self._height = height
            self._chart.style(f"height: {height}px")


def card(title: str, note: str = "", classes: str = "") -> ui.element:
    """A section with a heading, to put things in: `with card("Fund"):`."""
    section = ui.element("section").classes(f"card {classes}")
    with section:
        ui.html(title, sanitize=False, tag="h2")
        if note:
            ui.html(note, sanitize=False, tag="p").classes("note")
    return section


@cache
def _templates() -> Environment:
    """The page's own, with the filters and the strictness of the report's."""
    environment = pages.templates()
    environment.loader = FileSystemLoader(_TEMPLATES)
    environment.filters.update({name: getattr(formatting, name) for name in formatting.__all__})
    return environment
