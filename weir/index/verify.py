"""The strong claim, put to the test: the state from events alone, beside the chain at the same block."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, func, select

from weir.chain import Chain
from weir.deployment import Deployment
from weir.index.comparing import Comparison, Difference
from weir.index.reading import applied, at_block
from weir.index.rebuild import Applied, apply
from weir.index.rebuild.fold import HANDLERS
from weir.index.tables import NotIndexedError, about, events, tip
from weir.store import Store

__all__ = ["Verified", "comparison_of", "verify"]

MOST_DIFFERENCES = 20
"""After which there is no use in going on."""


@dataclass(frozen=True, slots=True)
class Verified:
    """So many blocks were compared, from `first` to `last`, in so many `words` of views' answers."""

    first: int
    last: int
    blocks: int
    words: int
    differences: tuple[Difference, ...]


def comparison_of(deployment: Deployment, root: Path | None = None) -> Comparison:
    """For the contracts of a deployment."""
    contracts = {name: deployment.contracts[name] for name in HANDLERS}
    addresses = {name: record.address for name, record in contracts.items()}
    return Comparison(addresses, {name: record.artifact for name, record in contracts.items()}, root)


def verify(
    chain: Chain,
    deployment: Deployment,
    store: Store,
    *,
    first: int | None = None,
    last: int | None = None,
    every: int = 1,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Verified:
    """Compares at every block (or every so many, and the last) between two, by default all that are indexed.

    The node must still know the states of those blocks. `progress` is told blocks done and to do. Raises
    `LookupError` for blocks that are not indexed.
    """
    known, comparison = about(store), comparison_of(deployment, chain.root)
    with store.read() as connection:
        newest = tip(connection)
        if newest is None:
            raise NotIndexedError(f"{store.where}: no block is indexed yet")
        complete = _complete(connection, known.start, newest)
        begin = complete if first is None else first
        end = newest if last is None else last
        if not complete <= begin <= end <= newest:
            raise LookupError(f"blocks {begin} to {end} can't be compared: {complete} to {newest} can")
        state = at_block(connection, known, begin - 1)
        coming = applied(connection, events.c.block >= begin, events.c.block <= end)
        done = words = 0
        total = end - begin + 1
        differences: list[Difference] = []
        for block, found in _by_block(coming, begin, end):
            for event in found:
                apply(state, event)
            if (block - begin) % every and block != end:
                continue
            found_here, compared = comparison.differences(chain, state, block)
            differences += found_here
            done, words = done + 1, words + compared
            progress(block - begin + 1, total)
            if len(differences) >= MOST_DIFFERENCES:
                end = block
                break
    return Verified(begin, end, done, words, tuple(differences[:MOST_DIFFERENCES]))


def _complete(connection: Connection, start: int, newest: int) -> int:
    """The block from which on every contract is there: markets are added after that."""
    query = select(func.min(events.c.block)).where(events.c.name == "MarketAdded", events.c.block > start)
    found: int | None = connection.execute(query).scalar()
    return newest if found is None else found


def _by_block(coming: Iterator[Applied], begin: int, end: int) -> Iterator[tuple[int, list[Applied]]]:
    """Every block, with its events."""
    waiting = next(coming, None)
    for block in range(begin, end + 1):
        found: list[Applied] = []
        while waiting is not None and waiting.block == block:
            found.append(waiting)
            waiting = next(coming, None)
        yield block, found
