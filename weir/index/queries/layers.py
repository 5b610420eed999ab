"""The fund's layers, its target and its coverage over time."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from sqlalchemy import ColumnElement, Connection, Float, Select, cast, func, or_, select

from weir.index.reading import between
from weir.index.rebuild import views
from weir.index.rebuild.state import State
from weir.index.tables import about
from weir.index.tables import points as table
from weir.store import Store

_ASSETS = ("skin", "unvested", "junior", "senior", "reserve")


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
        return sum(getattr(self, name) for name in _ASSETS)

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
    """The series between two times, oldest first. Where it has more than so many points it is thinned to no
    more: first and last stay, and of each of equal stretches of blocks in between the point with the least
    assets.
    """
    about(store)
    where = between(since, until, table.c.time)
    edges = select(func.count(), func.min(table.c.block), func.max(table.c.block)).where(*where)
    with store.read() as connection:
        count, first, last = connection.execute(edges).one()
        if count > max(points, 2):
            kept = table.c.block.in_((first, last))
            where.append(
                or_(kept, table.c.block.in_(_lowest(points - 2, first, last))) if points > 2 else kept
            )
        return _read(connection, *where)


def last_point(store: Store, before: int | None = None) -> LayerPoint | None:
    """The newest point, or the newest before a time; None where there is none."""
    where = between(None, None if before is None else before - 1, table.c.time)
    query = select(table).where(*where).order_by(table.c.block.desc()).limit(1)
    with store.read() as connection:
        row = connection.execute(query).one_or_none()
    return None if row is None else _of(row)


def last_of_days(store: Store, since: int | None, until: int | None) -> tuple[LayerPoint, ...]:
    """The last point of each UTC day that has one, between two times, oldest first."""
    query = (
        select(func.max(table.c.block))
        .where(*between(since, until, table.c.time))
        .group_by(table.c.time // 86_400)
    )
    with store.read() as connection:
        return _read(connection, table.c.block.in_(query))


def _lowest(stretches: int, first: int, last: int) -> Select[Any]:
    """The blocks with the least assets of each stretch between two blocks; in the database, for there may be
    very many, and so to the precision of a float.
    """
    assets = sum((cast(table.c[name], Float) for name in _ASSETS[1:]), cast(table.c[_ASSETS[0]], Float))
    stretch = (table.c.block - first - 1) * stretches // (last - first - 1)
    rank = func.row_number().over(partition_by=stretch, order_by=(assets, table.c.block))
    inner = select(table.c.block, rank.label("rank")).where(table.c.block > first, table.c.block < last)
    ranked = inner.subquery()
    return select(ranked.c.block).where(ranked.c.rank == 1)


def _read(connection: Connection, *where: ColumnElement[bool]) -> tuple[LayerPoint, ...]:
    rows = connection.execute(select(table).where(*where).order_by(table.c.block))
    return tuple(_of(row) for row in rows)


def _of(row: Any) -> LayerPoint:
    return LayerPoint(*(getattr(row, field.name) for field in fields(LayerPoint)))
