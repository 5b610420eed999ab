"""What skin holds beside the settlement token, and what accounts have pledged."""

from __future__ import annotations

from collections.abc import Callable

from weir.monitor.page.model import View
from weir.monitor.page.parts import Panel, card

__all__ = ["reserve"]


def reserve() -> Callable[[View], None]:
    """The mix as a bar and a table."""
    with card("Reserve", "", "full"):
        panel = Panel("reserve")

    def show(view: View) -> None:
        reading = view.reading
        if reading is None:
            panel.show(reading=None)
            return
        fund, coins = reading.status["fund"], reading.status["stablecoins"]
        settled = fund["skin"] + fund["unvested"]
        panel.show(
            reading=reading,
            fund=fund,
            coins=coins,
            settled=settled,
            whole=settled + sum(asset["reserve"]["counts"] for asset in coins["assets"]),
            now=reading.time,
        )

    return show
