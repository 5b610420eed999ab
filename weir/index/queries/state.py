"""Everything, rebuilt at a block."""

from __future__ import annotations

from weir.index.rebuild.state import State
from weir.store import Store


def state_at(store: Store, block: int | None = None) -> State:
    """What events up to a block (the last one indexed where None) make of everything.

    Raises `LookupError` for a block that is not indexed.
    """
    raise NotImplementedError
