"""Events and states out of the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, select

from weir.index.events import load
from weir.index.rebuild import Applied, apply, checkpoint, genesis
from weir.index.rebuild.state import State
from weir.index.tables import About, blocks, checkpoints, events

__all__ = ["applied", "at_block", "between", "of_row", "select_events", "state_until"]

_COLUMNS = (events, blocks.c.time)


def select_events(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Row[Any]]:
    """Rows of events with their blocks' times, in the order in which they happened."""
    query = (
        select(*_COLUMNS)
        .join(blocks, blocks.c.number == events.c.block)
        .where(*where)
        .order_by(events.c.block, events.c.log_index)
    )
    return iter(connection.execute(query, execution_options={"yield_per": 2_000}))


def between(
    since: int | None, until: int | None, time: ColumnElement[int] = blocks.c.time
) -> list[ColumnElement[bool]]:
    """Conditions on the time of an event, or on another."""
    found: list[ColumnElement[bool]] = []
    if since is not None:
        found.append(time >= since)
    if until is not None:
        found.append(time <= until)
    return found


def of_row(row: Any) -> Applied:
    """An event as the fold takes it."""
    return Applied(row.block, row.time, row.log_index, row.contract, row.name, load(row.arguments))


def applied(connection: Connection, *where: ColumnElement[bool]) -> Iterator[Applied]:
    """`select_events`, as the fold takes them."""
    return (of_row(row) for row in select_events(connection, *where))


def at_block(connection: Connection, about: About, block: int) -> State:
    """The state after a block: from the last checkpoint before, and the events since."""
    state = _last_checkpoint(connection, about, block)
    for event in applied(connection, events.c.block > state.block, events.c.block <= block):
        apply(state, event)
    return state


def state_until(connection: Connection, about: About, block: int, log_index: int) -> State:
    """The state in the middle of a block, after the event at this place."""
    state = at_block(connection, about, block - 1)
    for event in applied(connection, events.c.block == block, events.c.log_index <= log_index):
        apply(state, event)
    return state


def _last_checkpoint(connection: Connection, about: About, block: int) -> State:
    found = connection.execute(
        select(checkpoints.c.state)
        .where(checkpoints.c.block <= block, checkpoints.c.shape == checkpoint.shape())
        .order_by(checkpoints.c.block.desc())
        .limit(1)
    ).scalar()
    return checkpoint.load(found) if found else genesis(about.decimals, about.addresses)
