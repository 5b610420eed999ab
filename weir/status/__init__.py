"""The state of a deployment at one block, for people and for monitors.

Money and prices are in USD, sizes in units of the underlying, both exact (strings in JSON); ratios are
floats (1.0 is 100 %), times Unix seconds. `collect` gathers it, `tables` shows it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from weir.status.collect import DUST, NEAR, Status, collect, describe

if TYPE_CHECKING:
    from rich.console import RenderableType

__all__ = [
    "DUST",
    "NEAR",
    "Status",
    "collect",
    "describe",
    "render",
]


def render(status: Status) -> RenderableType:
    """The status as tables, ready for `rich.console.Console.print`."""
    from weir.status import tables  # who only collects, as monitors do, need not load rich

    return tables.render(status)
