"""What skin holds beside the settlement token, and what accounts have pledged."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from weir.monitor.page.model import View
from weir.monitor.page.parts import Panel, card
from weir.status import Status

__all__ = ["mix", "reserve"]

SETTLEMENT = "settlement token"


def reserve() -> Callable[[View], None]:
    """The mix as a bar and a table."""
    with card(
        "Reserve",
        "What skin holds beside the settlement token counts at its price, at most a dollar, less a haircut.",
        "full",
    ):
        bar = Panel("reserve")
        table = Panel("assets", "scroll")

    def show(view: View) -> None:
        reading = view.reading
        if reading is None:
            bar.show(reading=None)
            table.show(assets=())
            return
        held = mix(reading.status)
        assets = reading.status["stablecoins"]["assets"]
        bar.show(
            reading=reading, assets=assets, held=held, whole=sum(held.values()), settled=held[SETTLEMENT]
        )
        table.show(assets=assets)

    return show


def mix(status: Status) -> dict[str, Decimal]:
    """What skin holds, USD that it counts for by asset, the settlement token first."""
    fund, assets = status["fund"], status["stablecoins"]["assets"]
    return {
        SETTLEMENT: fund["skin"] + fund["unvested"],
        **{asset["symbol"]: asset["reserve"]["counts"] for asset in assets},
    }
