"""From the chain into the database: span by span, each in one transaction, undone where the chain changes its
mind.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from weir.chain import Chain, ContractError, Event, RpcError
from weir.deployment import Deployment
from weir.heads import WINDOW, ChainMovedError, Head, headers, look
from weir.index import bloom, reading, tables
from weir.index.events import concerned, dump, plain
from weir.index.queries.layers import point
from weir.index.rebuild import Applied, UnknownEventError, apply, checkpoint
from weir.index.rebuild.fold import HANDLERS
from weir.index.rebuild.state import State
from weir.index.tables import About, OtherDeploymentError, blocks, checkpoints, concerns, events, points
from weir.store import Store

__all__ = ["Follower", "Step"]

log = logging.getLogger(__name__)

_FIRST_SPAN, _WIDEST_SPAN = 200, 4_000
"""Blocks of one transaction."""
_MOST_EVENTS = 10_000
"""Of one span; one with more is followed by a narrower."""
_BETWEEN_CHECKPOINTS = 2_000
_CHECKPOINTS = 64
"""Events between two checkpoints, and about how many of those are kept however long the history."""
_PATIENCE = 30
"""Steps for which a node that is not as far as the index is waited for; then it is believed."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did: to which `block` it came of the node's `latest`, with how many new `events`.

    `undone` is the number of blocks that it took back first; `rebuilt`: all of them, for the chain had
    changed deeper than is remembered. `waiting`: the node is not as far as the index, and nothing was done.
    """

    block: int
    latest: int
    events: int = 0
    undone: int = 0
    rebuilt: bool = False
    waiting: bool = False

    @property
    def behind(self) -> int:
        """Blocks that are still to come."""
        return max(0, self.latest - self.block)


@dataclass(frozen=True, slots=True)
class _Span:
    heads: dict[int, Head]
    events: list[Event]


class Follower:
    """Follows a deployment's chain. One step at a time, in one thread; several processes on one database do
    no harm.

    Raises `weir.index.tables.OtherDeploymentError` where the database is another's.
    """

    def __init__(self, chain: Chain, deployment: Deployment, store: Store) -> None:
        self.chain = chain
        self.store = store
        self.about = About.of(deployment, headers(chain, deployment.block, deployment.block)[0].hash)
        tables.claim(store, self.about)
        self._names = {deployment.address(name): name for name in HANDLERS}
        tokens = {asset.token for asset in deployment.assets}
        self._contracts = frozenset({*self.about.addresses.values(), deployment.token, *tokens})
        self._span = _FIRST_SPAN
        self._waited = 0
        self._known: list[Head] | None = None
        self._state: State | None = None

    # ---- one step

    def step(self) -> Step:
        """Looks at the chain, undoes what it has undone, and takes in one span more.

        Raises what the node or the database raises; nothing is lost by that, and the next step goes on.
        """
        try:
            return self._step()
        except BaseException:
            self._known = self._state = None  # what is remembered here may not be what is written there
            raise

    def _step(self) -> Step:
        known = self._heads()
        seen = look(self.chain, known)
        here = known[-1].number if known else self.about.start
        if seen.behind and self._waited < _PATIENCE:
            self._waited += 1
            return Step(here, seen.latest.number, waiting=True)
        self._waited = 0
        if seen.agreed is None:
            self._check_anchor()
        undone, rebuilt = 0, False
        if known and (seen.agreed is None or seen.agreed.number < here):
            rebuilt = seen.agreed is None
            there = self.about.start if seen.agreed is None else seen.agreed.number
            self._rewind(there, rebuilt)
            undone, here = here - there, there
        last = min(here + self._span, seen.latest.number)
        if last <= here:
            return Step(here, seen.latest.number, undone=undone, rebuilt=rebuilt)
        last, span = self._fetch(here + 1, last, seen.latest.number)
        self._write(here, last, span)
        return Step(last, seen.latest.number, len(span.events), undone, rebuilt)

    def _heads(self) -> list[Head]:
        """The last blocks indexed, oldest first."""
        if self._known is None:
            with self.store.read() as connection:
                self._known = tables.last_blocks(connection, WINDOW)
        return self._known

    def _check_anchor(self) -> None:
        """Nothing that is known is on the chain: is it still the one of which this is to be the index?"""
        start = self.about.start
        if headers(self.chain, start, start)[0].hash != self.about.anchor:
            raise OtherDeploymentError(f"block {start} is another one now: the node's chain was replaced")

    def _check_tip(self, connection: Connection, block: int) -> None:
        """Refuses to go on from what another process has written over, or undone, since it was read."""
        known, written = self._heads()[-1:], tables.last_blocks(connection, 1)
        if known != written or block != (known[0].number if known else self.about.start):
            raise ChainMovedError("another process is indexing into the same database")

    def _rewind(self, block: int, rebuild: bool) -> None:
        if rebuild:
            log.warning("the chain has changed more than %d blocks deep: indexing it anew", WINDOW)
        else:
            log.warning("the chain has changed: back to block %d", block)
        with self.store.write(lock="index") as connection:
            self._check_tip(connection, self._heads()[-1].number)
            tables.rewind(connection, block)
        self._known = self._state = None

    # ---- reading

    def _fetch(self, first: int, last: int, latest: int) -> tuple[int, _Span]:
        """A span that the node gives whole, from `first` to `last` or, where that is too much, less far."""
        while True:
            try:
                return last, self._read(first, last, latest)
            except ContractError:
                raise
            except RpcError as error:
                if last == first or error.method == "batch":
                    raise
                self._span = max(1, (last - first + 1) // 2)
                last = first + self._span - 1
                log.info("the node refuses so many blocks (%s): %d from now on", error, self._span)

    def _read(self, first: int, last: int, latest: int) -> _Span:
        """Blocks and events that are of one chain, the one that is known.

        Where the chain may still change, a block's events are asked for by its hash. Far behind, they are
        asked for by number, all at once, and only blocks that have any are kept.
        """
        known = self._heads()
        near = max(first, latest - WINDOW)
        if last < near:
            before = headers(self.chain, last, last)
            found = self._logs([{"fromBlock": hex(first), "toBlock": hex(last)}])
            heads = self._at({event.block for event in found})
            if self._at({last})[last] != before[0]:
                raise ChainMovedError(f"block {last} has changed meanwhile")
            heads[last] = before[0]
        else:
            near_heads = headers(self.chain, near, last)
            far = [{"fromBlock": hex(first), "toBlock": hex(near - 1)}] if near > first else []
            found = self._logs([*far, *({"blockHash": head.hash} for head in near_heads)])
            found = self._asked_again(found, near_heads)
            heads = self._at({event.block for event in found if event.block < near})
            heads |= {head.number: head for head in near_heads}
        after = heads.get(first)
        if after is not None and after.parent != (known[-1].hash if known else self.about.anchor):
            raise ChainMovedError(f"block {first} does not follow the one that is known")
        for event in found:
            if heads[event.block].hash != event.block_hash:
                raise ChainMovedError(f"block {event.block} has changed meanwhile")
        return _Span(heads, sorted(found, key=lambda event: (event.block, event.log_index)))

    def _logs(self, filters: Sequence[Mapping[str, Any]]) -> list[Event]:
        addresses = list(self._names)
        queries = [("eth_getLogs", ({"address": addresses, **each},)) for each in filters]
        raw: list[Mapping[str, Any]] = []
        for answer in self.chain.rpc_batch(queries):
            if isinstance(answer, Exception):
                raise answer
            if not isinstance(answer, list):
                raise RpcError("eth_getLogs", -1, f"the node answered {answer!r}")
            raw += answer
        found = self.chain.events(raw)
        if len(found) != len(raw):
            raise UnknownEventError(
                "the contracts tell what this program does not know: it is older than they"
            )
        return found

    def _asked_again(self, found: list[Event], heads: Sequence[Head]) -> list[Event]:
        """The events, with those of blocks asked for once more whose header tells of logs that did not come:
        a node may know a block before its logs.
        """
        told = {(event.block, event.address) for event in found}
        doubtful = {
            head.number: head.hash
            for head in heads
            if any(bloom.has(head.bloom, each) and (head.number, each) not in told for each in self._names)
        }
        again = self._logs([{"blockHash": block_hash} for block_hash in doubtful.values()])
        return [*(event for event in found if event.block not in doubtful), *again]

    def _at(self, numbers: set[int]) -> dict[int, Head]:
        """The blocks of these numbers."""
        ordered = sorted(numbers)
        queries = [("eth_getBlockByNumber", (hex(number), False)) for number in ordered]
        found: dict[int, Head] = {}
        for number, answer in zip(ordered, self.chain.rpc_batch(queries), strict=True):
            if isinstance(answer, Exception):
                raise answer
            if answer is None:
                raise ChainMovedError(f"no block {number}: the node has gone back")
            found[number] = Head.of(answer)
        return found

    # ---- writing

    def _write(self, before: int, last: int, span: _Span) -> None:
        """The whole span, or nothing."""
        arguments = [plain(event.arguments) for event in span.events]
        with self.store.write(lock="index") as connection:
            self._check_tip(connection, before)
            if self._state is None:
                self._state = reading.at_block(connection, self.about, before)
            _insert(connection, blocks, [_block(head) for head in span.heads.values()])
            _insert(
                connection, events, [self._event(*pair) for pair in zip(span.events, arguments, strict=True)]
            )
            _insert(connection, concerns, self._concerns(span.events, arguments))
            _insert(connection, points, self._fold(self._state, span, arguments))
            self._checkpoint(connection, self._state, last)
            tables.prune(connection, before - WINDOW, last - WINDOW)
            heads = tables.last_blocks(connection, WINDOW)
        self._known = heads
        wide = len(span.events) < _MOST_EVENTS
        self._span = min(2 * self._span, _WIDEST_SPAN) if wide else max(1, self._span // 2)

    def _event(self, event: Event, arguments: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "block": event.block,
            "log_index": event.log_index,
            "transaction": event.transaction,
            "contract": self._names[event.address],
            "name": event.name,
            "arguments": dump(arguments),
        }

    def _concerns(self, found: Sequence[Event], arguments: Sequence[Any]) -> list[dict[str, Any]]:
        return [
            {"account": account, "block": event.block, "log_index": event.log_index}
            for event, values in zip(found, arguments, strict=True)
            for account in dict.fromkeys(concerned(values, self._contracts))
        ]

    def _fold(self, state: State, span: _Span, arguments: Sequence[Any]) -> list[dict[str, Any]]:
        """Brings the state up to the span's end; the points of the blocks in which anything happened."""
        by_block: dict[int, list[Applied]] = defaultdict(list)
        for event, values in zip(span.events, arguments, strict=True):
            time, name = span.heads[event.block].time, self._names[event.address]
            by_block[event.block].append(
                Applied(event.block, time, event.log_index, name, event.name, values)
            )
        rows: list[dict[str, Any]] = []
        for found in by_block.values():
            for each in found:
                apply(state, each)
            if (row := point(state)) is not None:
                rows.append(row)
        return rows

    def _checkpoint(self, connection: Connection, state: State, last: int) -> None:
        shape = checkpoint.shape()
        ours = select(func.max(checkpoints.c.events)).where(checkpoints.c.shape == shape)
        written = connection.execute(ours).scalar() or 0
        since = state.events - written
        if since >= max(_BETWEEN_CHECKPOINTS, state.events // _CHECKPOINTS):
            data = checkpoint.dump(state)
            row = {"block": last, "events": state.events, "shape": shape, "state": data}
            connection.execute(delete(checkpoints).where(checkpoints.c.shape != shape))
            connection.execute(insert(checkpoints).values(row))


def _insert(connection: Connection, table: Any, rows: Sequence[Mapping[str, Any]]) -> None:
    if rows:
        connection.execute(insert(table), rows)


def _block(head: Head) -> dict[str, Any]:
    return {"number": head.number, "hash": head.hash, "parent": head.parent, "time": head.time}
