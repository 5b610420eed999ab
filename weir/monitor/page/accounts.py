"""Accounts near liquidation, as a heat map over moves of prices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from nicegui import ui

from weir.monitor.page import charts
from weir.monitor.page.colours import palette
from weir.monitor.page.model import View
from weir.monitor.page.parts import Chart, Panel, card
from weir.monitor.page.shocks import nearest
from weir.monitor.page.verdict import unpriced
from weir.monitor.watch import Reading
from weir.states import MarketState

__all__ = ["accounts"]

ALL = "all markets together"
ROW_HEIGHT = 21
AXES_HEIGHT = 70


@dataclass(slots=True)
class _Chosen:
    """Which markets move; None: all."""

    market: str | None = None


def accounts() -> Callable[[View], None]:
    """The map, with a choice of the market that moves, and the same as a table."""
    chosen = _Chosen()
    latest: list[View] = []

    def choose(value: str) -> None:
        chosen.market = None if value == ALL else value
        for view in latest[-1:]:
            show(view)

    with card(
        "Accounts near liquidation",
        "Equity over maintenance margin if prices moved by so much at once, with everything else as it is "
        "now. Nearest first.",
        "full",
    ):
        with ui.row().classes("controls"):
            picker = ui.select(
                [ALL], value=ALL, label="Prices that move", on_change=lambda e: choose(e.value)
            ).props("dense outlined options-dense data-test=heat-market")
            ui.html(_legend(), sanitize=False).classes("legend")
        missing = ui.label().classes("note").props("data-test=unpriced")
        chart = Chart("heat", "Accounts' equity over maintenance margin after moves of prices", 300)
        with ui.element("details").classes("alternative"):
            ui.html("The same as a table", sanitize=False, tag="summary")
            table = Panel("heat", "scroll")

    def show(view: View) -> None:
        latest[:] = [view]
        reading = view.reading
        if reading is None:
            chart.say("Nothing has been read from the chain yet.")
            table.show(rows=())
            return
        symbols = [market.symbol for market in reading.markets]
        if picker.options != [ALL, *symbols]:
            picker.set_options([ALL, *symbols])
        rows = nearest(reading.accounts, _moving(reading, chosen.market))
        table.show(rows=rows, decimals=reading.deployment.decimals, market=chosen.market or ALL)
        lack = unpriced(reading)
        missing.set_visibility(bool(rows and lack))
        missing.set_text(f"Not shown: {lack}." if rows and lack else "")
        if rows:
            options = charts.heat_map(rows, reading.deployment.decimals, palette(dark=view.dark))
            chart.show(options, height=AXES_HEIGHT + ROW_HEIGHT * len(rows))
        else:
            chart.say(f"{lack}." if lack else "No account holds a position here.")

    return show


def _moving(reading: Reading, symbol: str | None) -> Sequence[MarketState]:
    return [market for market in reading.markets if symbol in (None, market.symbol)]


def _legend() -> str:
    keys = [
        f'<span><i class="key" style="background: var(--band-{name})"></i>{text}</span>'
        for name, text in charts.BANDS.items()
    ]
    return "".join(keys)
