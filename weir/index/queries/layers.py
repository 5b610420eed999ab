"""The fund's layers, its target and its coverage over time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

from sqlalchemy import select

from weir.index.rebuild import views
from weir.index.rebuild.state import State
from weir.index.tables import about
from weir.index.tables import points as table
from weir.store import Store


@dataclass(frozen=True, slots=True)
class LayerPoint:
    """The funds as a block left them, what has vested by then in the tranches.

    `advanced` is what the tranches have paid for skin beside their S, `guaranty` the guaranty fund's.
    `target` is the funding policy's. `reserve` is what the reserve counts for: its prices are no events, so
    it follows from the last coverage that the policy observed (0 while the reserve holds nothing).
    """

    block: int
    time: int
    skin: int
    unvested: int
    junior: int
    senior: int
    advanced: int
    guaranty: int
    reserve: int
    target: int

    @property
    def assets(self) -> int:
        """Of the insurance fund, as its policy counts them."""
        return self.skin + self.unvested + self.junior + self.senior + self.reserve

    @property
    def coverage(self) -> float | None:
        """Assets over target; None where the target is zero."""
        return self.assets / self.target if self.target else None


def point(state: State) -> dict[str, Any] | None:
    """A row of the series: the state's; None before the funds are there."""
    if not state.fund.parameters or not state.policy.parameters:
        return None
    now = views.layers(state, state.time)
    return {
        "block": state.block,
        "time": state.time,
        "skin": now.skin,
        "unvested": now.unvested,
        "junior": now.junior,
        "senior": now.senior,
        "advanced": now.advanced_junior + now.advanced_senior,
        "guaranty": state.guaranty.total,
        "reserve": state.policy.reserve if views.reserve_held(state) else 0,
        "target": views.target(state, state.time),
    }


def layers(
    store: Store, *, points: int = 500, since: int | None = None, until: int | None = None
) -> tuple[LayerPoint, ...]:
    """The series between two times, oldest first, thinned to about so many points: first and last stay, and
    of each stretch in between the point with the least assets.
    """
    about(store)
    query = select(table).order_by(table.c.block)
    if since is not None:
        query = query.where(table.c.time >= since)
    if until is not None:
        query = query.where(table.c.time <= until)
    with store.read() as connection:
        rows = connection.execute(query).all()
    return _thinned([_of(row) for row in rows], points)


def last_before(store: Store, time: int) -> LayerPoint | None:
    """The newest point before a time."""
    query = select(table).where(table.c.time < time).order_by(table.c.block.desc()).limit(1)
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _of(row)


def _of(row: Any) -> LayerPoint:
    return LayerPoint(*(getattr(row, field.name) for field in fields(LayerPoint)))


def _thinned(series: Sequence[LayerPoint], most: int) -> tuple[LayerPoint, ...]:
    if len(series) <= max(most, 2):
        return tuple(series)
    inner = series[1:-1]
    stretches = max(1, most - 2)
    edges = [len(inner) * i // stretches for i in range(stretches + 1)]
    lowest = (min(inner[a:b], key=lambda each: each.assets) for a, b in pairwise(edges) if a < b)
    return (series[0], *lowest, series[-1])
