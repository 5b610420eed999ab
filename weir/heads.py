"""Following a chain that may change its mind: the last blocks seen, against those that a node has now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from weir.chain import Chain

__all__ = ["WINDOW", "ChainMovedError", "Head", "Look", "headers", "look"]

WINDOW = 256
"""Blocks that are remembered, and so the deepest reorganisation that is followed."""


class ChainMovedError(RuntimeError):
    """The blocks that a node gave are not of one chain: it changed in between. Worth another look."""


@dataclass(frozen=True, slots=True)
class Head:
    """A block by number, hash and parent's hash (0x…), and its time, Unix seconds.

    `bloom` is the filter of its logs, as far as a node has just told it (0: it has not).
    """

    number: int
    hash: str
    parent: str
    time: int
    bloom: int = field(default=0, compare=False, repr=False)

    @classmethod
    def of(cls, header: Mapping[str, Any]) -> Self:
        """Of a header as a node gives it."""
        return cls(
            int(header["number"], 16),
            header["hash"],
            header["parentHash"],
            int(header["timestamp"], 16),
            int(header.get("logsBloom") or "0x0", 16),
        )


@dataclass(frozen=True, slots=True)
class Look:
    """The node's latest block, and the newest of the known ones that its chain has too (None: none of them).

    `behind`: the node has not come to the newest known block yet (or it, or another behind the same address,
    has gone back). Nothing is wrong so far, and nothing is to be undone.
    """

    latest: Head
    agreed: Head | None
    behind: bool


def look(chain: Chain, known: Sequence[Head]) -> Look:
    """Compares known blocks, oldest first, with the chain; one request, more only where they differ."""
    latest = Head.of(chain.block("latest"))
    within = [head for head in known if head.number <= latest.number]
    if known and not within:
        return Look(latest, None, behind=True)
    behind = len(within) < len(known)
    for start in (-1, -16, -WINDOW):
        if not (part := within[start:]):
            break
        numbers = [("eth_getBlockByNumber", (hex(head.number), False)) for head in part]
        found = chain.rpc_batch(numbers)
        for head, answer in zip(reversed(part), reversed(found), strict=True):
            if isinstance(answer, Exception):
                raise answer
            if answer is not None and answer["hash"] == head.hash:
                return Look(latest, head, behind and head == within[-1])
    return Look(latest, None, behind=False)


def headers(chain: Chain, first: int, last: int) -> list[Head]:
    """Blocks first..last (both counted); raises `ChainMovedError` where they do not follow each other."""
    found: list[Head] = []
    for answer in chain.rpc_batch(
        [("eth_getBlockByNumber", (hex(number), False)) for number in range(first, last + 1)]
    ):
        if isinstance(answer, Exception):
            raise answer
        if answer is None:
            raise ChainMovedError(f"no block {first + len(found)}: the node has gone back")
        head = Head.of(answer)
        if found and head.parent != found[-1].hash:
            raise ChainMovedError(f"block {head.number} does not follow {found[-1].number}")
        found.append(head)
    return found
