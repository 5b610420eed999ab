"""How far the index is, and everything, rebuilt at a block."""

from __future__ import annotations

from weir.heads import Head
from weir.index.reading import at_block
from weir.index.rebuild.state import State
from weir.index.tables import NotIndexedError, about, last_blocks, tip
from weir.store import Store


def newest(store: Store) -> Head:
    """The last block indexed: while it is the same, every answer is."""
    about(store)
    with store.read() as connection:
        for head in last_blocks(connection, 1):
            return head
    raise NotIndexedError(f"{store.where}: no block is indexed yet")


def state_at(store: Store, block: int | None = None) -> State:
    """What events up to a block (the last one indexed where None) make of everything.

    Its `block` and `time` are those of the last event. Raises `LookupError` for a block that is not indexed.
    """
    known = about(store)
    with store.read() as connection:
        last = tip(connection)
        if last is None:
            raise NotIndexedError(f"{store.where}: no block is indexed yet")
        if block is not None and not known.start <= block <= last:
            raise LookupError(f"block {block} is not indexed: blocks {known.start} to {last} are")
        return at_block(connection, known, last if block is None else block)
