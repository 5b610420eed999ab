"""The index as a monitor reads it: that of the deployment it watches, and no other's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weir.deployment import Deployment
from weir.units import HOUR

if TYPE_CHECKING:
    from weir.index.queries import Day
    from weir.store import Store

__all__ = ["LATE", "Index", "IndexedDays"]

LATE = HOUR
"""Seconds, by the chain's clock, from which an index is too far behind for rates to be made of it."""


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
