"""The fund: its figures, its layers over time, and how fast it fills again."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from weir.formatting import number
from weir.monitor.page import charts
from weir.monitor.page.colours import palette
from weir.monitor.page.model import View
from weir.monitor.page.outlook import DAYS, Outlook
from weir.monitor.page.parts import Chart, Panel, card
from weir.monitor.page.verdict import unpriced
from weir.status import NEAR

__all__ = ["days", "figures", "layers", "refill"]


def figures() -> Callable[[View], None]:
    """The tiles."""
    panel = Panel("figures")

    def show(view: View) -> None:
        reading = view.reading
        if reading is None or view.outlook is None:
            panel.show(reading=None)
            return
        panel.show(
            reading=reading,
            fund=reading.status["fund"],
            guaranty=reading.status["guaranty"],
            at_risk=reading.status["accounts"]["at_risk"],
            near=NEAR,
            unpriced=unpriced(reading),
            outlook=view.outlook,
            half_life=days(view.outlook.half_life),
            to_target=days(view.outlook.days_to_target),
            open_interest=sum(market["notional"] for market in reading.status["markets"]),
            measured=view.replenishment,
        )

    return show


def layers() -> Callable[[View], None]:
    """Over time, and now."""
    with card(
        "Layers over time",
        "In the order in which they bear losses, the first at the bottom. The guaranty fund, hatched, is the "
        "members': it does not count for the target.",
        "wide",
    ):
        over_time = Chart("layers", "The fund's layers, its target and its coverage over time", 480)
        source = Panel("source", "note")
    with card("Layers now", "", "narrow"):
        now = Panel("layers")

    def show(view: View) -> None:
        source.show(view=view)
        now.show(view=view, status=view.reading.status if view.reading else None)
        if view.points:
            over_time.show(charts.layers_over_time(view.points, palette(dark=view.dark)))
        else:
            over_time.say("Nothing has been read from the chain yet.")

    return show


def refill() -> Callable[[View], None]:
    """The way back to the target."""
    with card("Filling up again", "", "narrow"):
        chart = Chart("refill", "The fund over the days to come, without losses, against its target", 260)
        told = ui.label().classes("note")

    def show(view: View) -> None:
        found = view.outlook
        if found is None:
            chart.say("Nothing has been read from the chain yet.")
            told.set_text("")
            return
        told.set_text(assumptions(found))
        if found.days_to_target == 0:
            chart.say("The fund is at its target.")
        else:
            chart.show(charts.refill(found, palette(dark=view.dark)))

    return show


def assumptions(found: Outlook) -> str:
    """What the days to the target rest on."""
    fees = f"{number(found.fees, 0)} USD of fees a day"
    assumed = f"assuming that {found.turnover:g}× open interest is traded a day"
    whence = "as of late" if found.measured else assumed
    return f"Without another loss, with open interest as it is and {fees}, {whence}."


def days(found: float | None) -> str:
    """Days as a person says them."""
    if found is None:
        return f"over {number(DAYS / 365)} years"
    if found == 0:
        return "none"
    if found < 2:
        return f"{number(24 * found)} h"
    return f"{number(found)} days" if found < 730 else f"{number(found / 365, 1)} years"
