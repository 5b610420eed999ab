"""The pages: sections put together, shown anew as the model's view changes."""

from __future__ import annotations

import asyncio

from nicegui import ui

from weir.monitor.page import accounts, defaults, fund, header, markets, reserve, whatif
from weir.monitor.page.colours import STYLES
from weir.monitor.page.model import Model, NoIndexError, View
from weir.monitor.page.parts import Panel

__all__ = ["account_page", "live_page"]

EVENTS = 200
"""Of an account's history, the newest."""


def live_page(model: Model) -> None:
    """Everything at a glance, live."""
    _style()
    scheme = _Scheme()
    top = header.bar()
    with ui.element("div").classes("grid") as grid:
        sections = [
            header.verdict(),
            fund.figures(),
            fund.layers(scheme.dark),
            fund.refill(scheme.dark),
            whatif.what_if(model, scheme.dark),
            accounts.accounts(scheme.dark),
            defaults.defaults(model, scheme.dark),
            markets.markets(),
            reserve.reserve(),
        ]
    shown: list[tuple[View | None, bool]] = [(None, False)]

    def tick() -> None:
        view = model.view()
        top(view)
        before, was_dark = shown[0]
        if before is None or not before.same(view) or was_dark != scheme.dark():
            shown[0] = view, scheme.dark()
            old = view.state.kind == "stale"
            grid.classes(add="old" if old else None, remove=None if old else "old")
            for section in sections:
                section(view)

    tick()
    ui.timer(1.0, tick)


async def account_page(model: Model, address: str) -> None:
    """What the index knows of an account, the newest first."""
    _style()
    panel = Panel("account")
    try:
        found, problem = await asyncio.to_thread(model.history, address, EVENTS), None
    except NoIndexError as error:
        found, problem = (), str(error)
    panel.show(address=address, happenings=tuple(reversed(found)), problem=problem, most=EVENTS)


class _Scheme:
    """Whether the viewer's system asks for dark colours; light until it has said so."""

    def __init__(self) -> None:
        self._dark = False
        ui.on("scheme", self._set)
        ui.add_body_html(
            "<script>(() => { const dark = matchMedia('(prefers-color-scheme: dark)');"
            "const tell = () => window.emitEvent ? emitEvent('scheme', dark.matches) : setTimeout(tell, 100);"
            "dark.addEventListener('change', tell); addEventListener('load', tell); })()</script>"
        )

    def _set(self, event: object) -> None:
        self._dark = bool(getattr(event, "args", False))

    def dark(self) -> bool:
        return self._dark


def _style() -> None:
    ui.add_css("\n".join(style.read_text("utf-8") for style in STYLES))
