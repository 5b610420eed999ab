"""The index as a monitor reads it: that of the deployment it watches, and no other's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weir.deployment import Deployment
from weir.parameters import HOUR

if TYPE_CHECKING:
    from weir.index.queries import Day, LayerPoint
    from weir.store import Store

__all__ = ["LATE", "Index", "IndexedDays", "last_point", "until"]

LATE = HOUR
"""Seconds, by the chain's clock, from which an index is too far behind for rates to be made of it."""
FOREVER = 2**62
"""Beyond every block's time."""


@dataclass(frozen=True, slots=True)
class IndexedDays:
    """The last days of an index, whose newest block has the time `until`."""

    days: tuple[Day, ...]
    until: int


class Index:
    """A database that is opened when it is needed, and then kept open."""

    def __init__(self, open_store: Callable[[], Store]) -> None:
        self._open = open_store
        self._store: Store | None = None

    def of(self, deployment: Deployment) -> Store:
        """To query; raises `OtherDeploymentError` where the database is another deployment's index, and
        `NotIndexedError` where it is nobody's.
        """
        from weir.index.tables import OtherDeploymentError, about

        self._store = self._store or self._open()
        found = about(self._store)
        addresses = {name: each.address for name, each in deployment.contracts.items()}
        if (found.chain, dict(found.addresses)) != (deployment.chain_id, addresses):
            raise OtherDeploymentError(f"{self._store.where} is the index of another deployment")
        return self._store


def until(store: Store) -> int:
    """The newest indexed block's time, Unix seconds; raises `NotIndexedError` where there is none."""
    from sqlalchemy import func, select

    from weir.index.tables import NotIndexedError, blocks

    with store.read() as connection:
        found: int | None = connection.execute(select(func.max(blocks.c.time))).scalar()
    if found is None:
        raise NotIndexedError("it has not reached the deployment yet")
    return found


def last_point(store: Store) -> LayerPoint | None:
    """The last point of the fund's layers over time."""
    from weir.index.queries.layers import last_before

    return last_before(store, FOREVER)
