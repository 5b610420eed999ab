"""The fund over time: from the index where there is one, else what this monitor has seen itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Self

from weir.layers import WATERFALL
from weir.monitor.watch import Reading
from weir.parameters import from_units
from weir.units import MILLION

if TYPE_CHECKING:
    from weir.index.queries import LayerPoint

__all__ = ["LAYERS", "MOST", "Point", "point", "remembered", "thinned"]

LAYERS: Mapping[str, str] = MappingProxyType(
    {
        "skin": WATERFALL["skin"],
        "unvested": "Skin, not vested yet",
        "reserve": "Skin, in other stablecoins",
        "junior": WATERFALL["junior"],
        "senior": WATERFALL["senior"],
        "guaranty": "Guaranty fund (members)",
    }
)
"""Fields of `Point` in the order in which they bear losses, with names for a chart."""
MOST = 400
"""Points that a chart is given."""


@dataclass(frozen=True, slots=True)
class Point:
    """The fund at a block's time (Unix seconds). USD, for a chart; `coverage` as a fraction, None without a
    target.
    """

    time: int
    skin: float
    unvested: float
    reserve: float
    junior: float
    senior: float
    guaranty: float
    target: float
    coverage: float | None

    @classmethod
    def of_index(cls, found: LayerPoint, decimals: int) -> Self:
        """Of a point that the index gives, in units of a token of so many decimals."""
        names = ("skin", "unvested", "reserve", "junior", "senior", "guaranty", "target")
        usd = {name: float(from_units(getattr(found, name), decimals)) for name in names}
        return cls(time=found.time, coverage=found.coverage, **usd)


def point(reading: Reading) -> Point:
    """Of a reading."""
    fund, decimals = reading.fund, reading.deployment.decimals

    def usd(units: int) -> float:
        return float(from_units(units, decimals))

    return Point(
        time=reading.time,
        skin=usd(fund.skin),
        unvested=usd(fund.unvested),
        reserve=usd(fund.reserve),
        junior=usd(fund.junior),
        senior=usd(fund.senior),
        guaranty=usd(fund.guaranty.total),
        target=usd(fund.target),
        coverage=None if fund.coverage is None else fund.coverage / MILLION,
    )


def thinned(points: Iterable[Point], most: int = MOST) -> tuple[Point, ...]:
    """At most so many, evenly spread, the first and the last among them."""
    found: Sequence[Point] = tuple(points)
    if len(found) <= most:
        return tuple(found)
    last = len(found) - 1
    return tuple(found[round(i * last / (most - 1))] for i in range(most))


def remembered(seen: Sequence[Point], new: Point) -> tuple[Point, ...]:
    """With a new one at the end; what a chain that went back showed after it is forgotten. Half are dropped
    where there are twice as many as a chart is given.
    """
    kept = [each for each in seen if each.time < new.time]
    return thinned([*kept, new]) if len(kept) >= 2 * MOST else (*kept, new)
