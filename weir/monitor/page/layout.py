"""The pages: sections put together, shown anew as the model's view changes."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import replace

from nicegui import ui
from nicegui.events import GenericEventArguments

from weir.index.queries.history import AddressError
from weir.monitor.page import accounts, defaults, fund, header, markets, reserve, whatif
from weir.monitor.page.colours import STYLES
from weir.monitor.page.model import Model, NoIndexError, State, View
from weir.monitor.page.parts import Panel

__all__ = ["account_page", "live_page"]

log = logging.getLogger(__name__)

SCHEME = """<script>(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const tell = () => emitEvent("scheme", dark.matches);
  dark.addEventListener("change", tell);
  addEventListener("load", tell);
})()</script>"""
"""Tells whether the viewer's system asks for dark colours, which charts must know."""
EVENTS = 200
"""Of an account's history, the newest."""


def live_page(model: Model) -> None:
    """Everything at a glance, live."""
    _style()
    live = _Live(model)
    live.tick()
    ui.timer(1.0, live.tick)


class _Live:
    """One viewer's sections, and what they show."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._dark = False
        self._shown: View | None = None
        ui.on("scheme", self._scheme)
        ui.add_body_html(SCHEME)
        self._top = header.bar()
        with ui.element("div").classes("grid") as self._grid:
            self._sections = (
                header.verdict(),
                fund.figures(),
                fund.layers(),
                fund.refill(),
                whatif.what_if(model),
                accounts.accounts(),
                defaults.defaults(model),
                markets.markets(),
                reserve.reserve(),
            )

    def tick(self) -> None:
        """Shows what is new. What can't be shown is told, and tried again."""
        view = replace(self._model.view(), dark=self._dark)
        try:
            if self._shown is None or not self._shown.same(view):
                for section in self._sections:
                    section(view)
                self._shown = view
        except Exception as error:
            log.exception("the page can't show block %s", view.reading.block if view.reading else None)
            problem = f"this page can't show what was read: {type(error).__name__}: {error}"
            view = replace(view, state=State("stale", "Broken", problem))
        old = view.state.kind in ("stale", "still")
        self._grid.classes(add="old" if old else None, remove=None if old else "old")
        self._top(view)

    def _scheme(self, event: GenericEventArguments) -> None:
        self._dark = event.args is True


async def account_page(model: Model, address: str) -> None:
    """What the index knows of an account, the newest first."""
    _style()
    panel = Panel("account")
    try:
        found, problem = await asyncio.to_thread(model.history, address, EVENTS), None
    except (NoIndexError, AddressError) as error:
        found, problem = (), str(error)
    panel.show(address=address, happenings=tuple(reversed(found)), problem=problem, most=EVENTS)


def _style() -> None:
    ui.add_css("\n".join(style.read_text("utf-8") for style in STYLES))
