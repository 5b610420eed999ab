"""The first screen: how fresh this is, whether the fund is enough, and what is wrong."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from weir.formatting import percent, usd_short
from weir.monitor.page.model import View
from weir.monitor.page.parts import Panel
from weir.monitor.page.verdict import coverage_level, troubles
from weir.monitor.watch import Reading
from weir.units import MILLION

__all__ = ["ago", "bar", "headline", "verdict"]


def bar() -> Callable[[View], None]:
    """The line on top: chain, block, and whether what is shown is of now."""
    with ui.element("header").classes("bar"):
        with ui.element("div").classes("topline"):
            facts = Panel("bar", "facts-line")
            age = ui.label().classes("age").props("data-test=age")
            pill = Panel("state")
        notice = Panel("notice")

    def show(view: View) -> None:
        reading = view.reading
        facts.show(reading=reading)
        age.set_text("" if reading is None else f"read {ago(view.now - reading.taken_at)} ago")
        pill.show(state=view.state)
        notice.show(state=view.state, reading=reading)

    return show


def verdict() -> Callable[[View], None]:
    """The answer in one sentence, with what needs attention beside it."""
    panel = Panel("verdict", "verdict")

    def show(view: View) -> None:
        reading = view.reading
        if reading is None:
            panel.show(reading=None, state=view.state)
            return
        fund, policy = reading.status["fund"], reading.seen.policy
        panel.show(
            reading=reading,
            state=view.state,
            fund=fund,
            headline=headline(reading),
            level=coverage_level(reading),
            filled=100 if fund["coverage"] is None else min(100.0, 100 * fund["coverage"]),
            marks=(policy.stress_from / MILLION, policy.stop_below / MILLION),
            troubles=troubles(reading),
        )

    return show


def headline(reading: Reading) -> str:
    """Whether the fund is enough, in a sentence."""
    fund = reading.status["fund"]
    held = usd_short(fund["assets"])
    if fund["coverage"] is None:
        return f"The fund holds {held}; nothing is asked of it"
    target = usd_short(fund["target"])
    if fund["coverage"] >= 1:
        return f"The fund is enough: {held} for a target of {target}"
    missing = usd_short(fund["target"] - fund["assets"])
    return f"The fund covers {percent(fund['coverage'], 0)} of its target; {missing} is missing"


def ago(seconds: float) -> str:
    """`3 s`, `4 min`, `2 h`, `5 d`."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{int(seconds // length)} {unit}"
    return f"{max(int(seconds), 0)} s"
