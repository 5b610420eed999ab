"""Defaults: a list, and one of them opened as a waterfall."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from nicegui import background_tasks, ui

from weir.formatting import address, usd, utc
from weir.monitor.page import charts
from weir.monitor.page.colours import palette
from weir.monitor.page.model import Model, NoIndexError, View
from weir.monitor.page.parts import Chart, Panel, card
from weir.monitor.page.steps import of_default

__all__ = ["defaults"]

MOST = 200
"""Defaults that the list shows, the newest."""


def defaults(model: Model) -> Callable[[View], None]:
    """The list and the one that is open."""
    return _Defaults(model).show


class _Defaults:
    def __init__(self, model: Model) -> None:
        self._model = model
        self._dark = False
        self._known: dict[int, dict[str, Any]] = {}
        self._rows: dict[int, ui.element] = {}
        self._open: int | None = None
        self._indexed: int | None = None
        self._told: tuple[dict[str, Any], int | None] | None = None
        self._decimals = 0
        with card("Defaults", "Open one to see who paid for it.", "half"):
            self._none = ui.label("No defaults yet.").classes("empty").props("data-empty=defaults")
            self._more = ui.label().classes("note")
            self._list = ui.element("div").classes("list").props('role=group aria-label="Defaults"')
        with card("Who paid", "", "half"):
            self._detail = Panel("default")
            self._chart = Chart("default", "The shortfall, layer by layer, down to zero", 380)
            self._after = Panel("post_mortem")

    def show(self, view: View) -> None:
        """Rows that stay keep their place, so nothing jumps under the pointer."""
        all_of_them = view.reading.status["defaults"] if view.reading else []
        found = {default["id"]: default for default in all_of_them[-MOST:]}
        self._dark = view.dark
        self._indexed = view.memory.end.block if view.memory else None
        self._decimals = view.reading.deployment.decimals if view.reading else 0
        for gone in self._rows.keys() - found.keys():
            self._rows.pop(gone).delete()
        for number, default in found.items():
            if number not in self._rows:
                self._rows[number] = self._row(number)
                self._rows[number].move(self._list, target_index=0)
            if self._known.get(number) != default:
                self._write(self._rows[number], default)
        self._known = found
        self._none.set_visibility(not found)
        hidden = len(all_of_them) - len(found)
        self._more.set_text(f"The newest {MOST}; {hidden} older ones are not shown." if hidden else "")
        if self._open not in found:
            self._open = max(found, default=None)
        self._draw()

    # ---- the list

    def _row(self, number: int) -> ui.element:
        with self._list:
            row = ui.element("button").classes("entry")
            row.props(f"type=button data-default={number}")
            row.on("click", lambda: self._choose(number))
        return row

    def _write(self, row: ui.element, default: dict[str, Any]) -> None:
        row.clear()
        with row:
            ui.label(f"#{default['id']}").classes("id")
            ui.label(f"{address(default['account'])} · {default['market']}")
            ui.label(f"{utc(default['time'])} UTC").classes("when")
            ui.label(usd(default["shortfall"], 0)).classes("amount")

    def _choose(self, number: int) -> None:
        self._open = number
        self._draw()

    # ---- the one that is open

    def _draw(self) -> None:
        for number, row in self._rows.items():
            row.props(f"aria-current={'true' if number == self._open else 'false'}")
        default = self._known.get(self._open) if self._open is not None else None
        if default is None:
            self._detail.show(default=None)
            self._after.show(default=None)
            self._chart.say("No defaults yet: nothing has had to be paid.")
            self._told = None
            return
        steps = of_default(default)
        self._detail.show(default=default, steps=steps)
        self._chart.show(charts.waterfall("Shortfall", steps, palette(dark=self._dark)))
        told, self._told = self._told, (default, self._indexed)
        if told is None or told[0]["id"] != default["id"]:
            self._after.show(default=default, found=None, problem="Asking the index…")
        if told != self._told:
            background_tasks.create(self._ask(default))

    async def _ask(self, default: dict[str, Any]) -> None:
        """What else the index knows; asked again when default or index have changed."""
        try:
            found, problem = await asyncio.to_thread(self._model.post_mortem, default["id"]), None
        except NoIndexError as error:
            found, problem = None, str(error)
        if self._told is not None and default == self._told[0]:
            self._after.show(default=default, found=found, problem=problem, decimals=self._decimals)
