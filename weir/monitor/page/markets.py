"""Markets: price, feed, open interest, who holds it, and what the funds may still pay for them."""

from __future__ import annotations

from collections.abc import Callable

from weir.monitor.concentration import TOP, concentration
from weir.monitor.page.model import View
from weir.monitor.page.parts import Panel, card

__all__ = ["markets"]


def markets() -> Callable[[View], None]:
    """The table."""
    with card(
        "Markets",
        "Budgets are what is left in this window. HHI is the sum of squared shares of a side: 1 where one "
        "account holds it all.",
        "full",
    ):
        panel = Panel("markets", "scroll")

    def show(view: View) -> None:
        reading = view.reading
        rows = []
        if reading is not None:
            both = zip(reading.markets, reading.status["markets"], strict=True)
            rows = [
                {**told, "id": state.id, "sides": concentration(reading.accounts, state.id)}
                for state, told in both
            ]
        panel.show(rows=rows, reading=reading, top=TOP)

    return show
