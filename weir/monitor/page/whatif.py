"""What if prices moved now: sliders or a historical scenario, answered by the risk engine."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace

from nicegui import ui
from nicegui.elements.slider import Slider

from weir.formatting import percent
from weir.monitor.page import charts
from weir.monitor.page.colours import palette
from weir.monitor.page.model import Model, View
from weir.monitor.page.parts import Chart, Panel, card
from weir.monitor.page.scenario import USUAL, VOLATILITIES, Choice, Result
from weir.monitor.page.steps import of_outcome
from weir.risk.stress.library import library

__all__ = ["what_if"]

OWN = "own moves"
ASKING = "Asking the risk engine…"
NEVER = -1
"""The number of no block."""
SETTLED_SECONDS = 0.3
"""For which a choice has stayed the same before it is computed."""
AGAIN_SECONDS = 5.0
"""Least time between two answers to the same choice, as blocks come."""


def what_if(model: Model) -> Callable[[View], None]:
    """The control and its answer."""
    return _WhatIf(model).show


class _Slider(Slider):
    """One that a slow answer does not pull back under a finger that has moved on."""

    LOOPBACK = False


class _WhatIf:
    """One viewer's choice. The answer follows the choice and the blocks, one at a time."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._dark = False
        self._choice = Choice()
        self._chosen_at = 0.0
        self._wanted: str | None = None  # a scenario whose moves are not known yet
        self._problem: str | None = None
        self._asked: tuple[Choice, int] | None = None
        self._asked_at = 0.0
        self._result: Result | None = None
        self._block = NEVER
        self._sliders: dict[str, tuple[_Slider, ui.label]] = {}
        self._quiet = False
        with card(
            "What if prices moved now",
            "The risk engine closes out every account that falls below its margin, and says which layers "
            "that would reach.",
            "full what-if",
        ):
            with ui.element("div").classes("inputs"):
                self._controls()
            with ui.element("div").classes("answer"):
                self._answer = Panel("what_if")
                self._chart = Chart("what-if", "What the move would cost, layer by layer", 310)
                with ui.element("div"):
                    self._borne = Panel("borne", "scroll")
                    self._rest = Panel("defaulters")
        ui.timer(0.2, self._work)

    def show(self, view: View) -> None:
        """Sliders for the markets and stablecoins of this reading."""
        reading, self._dark = view.reading, view.dark
        self._block = NEVER if reading is None else reading.block
        factors = [] if reading is None else [market.symbol for market in reading.markets if market.price]
        coins = [] if reading is None else [asset.symbol for asset in reading.seen.assets]
        if list(self._sliders) != [*factors, *coins]:
            self._make(factors, coins)
        self._draw()

    # ---- the control

    def _controls(self) -> None:
        named = {each.name: f"{each.date:%Y-%m}  {each.title}" for each in library()}
        self._picker = ui.select(
            {OWN: "Own moves (the sliders below)", **named},
            value=OWN,
            label="Scenario",
            on_change=lambda event: self._pick(event.value),
        ).props("dense outlined options-dense data-test=scenario")
        self._place = ui.element("div").classes("sliders")
        self._depth = ui.select(
            dict(VOLATILITIES),
            value=USUAL,
            label="How closing out moves prices",
            on_change=lambda event: self._set(replace(self._choice, volatility=event.value)),
        ).props("dense outlined options-dense data-test=depth")
        ui.button("Back to no move", on_click=self._reset).props(
            "outline dense no-caps data-test=reset"
        ).classes("reset")

    def _make(self, markets: list[str], coins: list[str]) -> None:
        self._place.clear()
        self._sliders = {}
        with self._place:
            for name in (*markets, *coins):
                low, high = (-90, 100) if name in markets else (-50, 0)
                with ui.element("div").classes("slider"):
                    ui.label(name)
                    slider = _Slider(min=low, max=high, step=1, value=0)
                    slider.props["aria-label"] = f"Move of {name}, percent"  # symbols are the chain's
                    slider.props["data-shock"] = name
                    shown = ui.label("0%").classes("value")
                slider.on_value_change(lambda event, name=name: self._slid(name, event.value))
                self._sliders[name] = slider, shown
        self._put(self._choice)

    def _slid(self, name: str, value: float) -> None:
        self._sliders[name][1].set_text(_signed(value / 100))
        if not self._quiet:
            self._set(self._choice.moved(name, value / 100))

    def _set(self, choice: Choice) -> None:
        self._choice, self._chosen_at, self._problem = choice, time.monotonic(), None
        if choice.empty or self._result is None:
            self._draw()
        if choice.scenario is None and self._picker.value != OWN:
            self._wanted = None
            self._picker.set_value(OWN)

    def _pick(self, name: str) -> None:
        self._wanted, self._problem = None if name == OWN else name, None
        self._draw()

    def _reset(self) -> None:
        self._set(Choice(volatility=self._choice.volatility))
        self._put(self._choice)

    def _put(self, choice: Choice) -> None:
        """Moves the sliders to a choice, without taking that for a person's."""
        self._quiet = True
        for name, (slider, shown) in self._sliders.items():
            change = choice.moves.get(name, 0.0)
            slider.set_value(round(100 * change))
            shown.set_text(_signed(change))
        self._quiet = False

    # ---- the answer

    async def _work(self) -> None:
        """Answers what has been chosen, off the event loop."""
        name = self._wanted
        try:
            if name is not None:
                choice = await asyncio.to_thread(self._model.scenario, name, self._choice.volatility)
                if self._wanted == name:
                    self._wanted = None
                    self._set(choice)
                    self._put(choice)
            if self._due():
                self._asked, self._asked_at = (self._choice, self._block), time.monotonic()
                result = await asyncio.to_thread(self._model.what_if, self._choice)
                if result.choice == self._choice:
                    self._result, self._problem = result, None
                    self._draw()
        except (OSError, RuntimeError, ValueError, LookupError) as error:
            if self._wanted == name:
                self._wanted = None
            self._result = None
            self._asked, self._asked_at = (self._choice, NEVER), time.monotonic()  # once more, later
            self._problem = f"The risk engine can't answer: {error}"
            self._draw()

    def _due(self) -> bool:
        now = time.monotonic()
        if self._choice.empty or self._block == NEVER or now - self._chosen_at < SETTLED_SECONDS:
            return False
        if self._asked is None or self._asked[0] != self._choice:
            return True
        return self._asked[1] != self._block and now - self._asked_at > AGAIN_SECONDS

    def _draw(self) -> None:
        if self._problem is not None:
            self._chart.say(self._problem)
        elif self._choice.empty:
            self._result = None
            self._chart.say(ASKING if self._wanted else "Choose a scenario, or move a slider.")
        elif self._result is None:
            self._chart.say(ASKING)
        else:
            steps = of_outcome(self._result.outcome)
            if any(step.amount for step in steps):
                self._chart.show(charts.waterfall("Owed beyond equity", steps, palette(dark=self._dark)))
            else:
                self._chart.say("Nothing: margins absorb it, and no layer is reached.")
        self._tell()

    def _tell(self) -> None:
        for panel in (self._answer, self._borne, self._rest):
            panel.show(result=self._result)


def _signed(change: float) -> str:
    text = percent(change, 0)
    return f"+{text}" if change > 0 else text
