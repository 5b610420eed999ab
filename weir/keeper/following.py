"""Following the chain: the newest block, never an older one, and what was undone since the last look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from weir.chain import Chain
from weir.heads import WINDOW, ChainMovedError, Head, headers, look

__all__ = ["Heads", "Moved", "NodeBehindError", "Remembered", "follow"]


class NodeBehindError(RuntimeError):
    """The node has not come to the newest block that was seen: what it answers is of the past."""


class Heads(Protocol):
    """The last blocks seen, oldest first."""

    def known(self) -> Sequence[Head]:
        """At most `WINDOW` blocks."""

    def move(self, after: int | None, new: Sequence[Head]) -> None:
        """Forgets the blocks after this number, with all that happened in them (None: keeps all), and adds
        the new ones.
        """


class Remembered:
    """Blocks kept in mind, for as long as a process lasts."""

    def __init__(self) -> None:
        self._known: list[Head] = []

    def known(self) -> Sequence[Head]:
        return self._known

    def move(self, after: int | None, new: Sequence[Head]) -> None:
        kept = [head for head in self._known if after is None or head.number <= after]
        self._known = [*kept, *new][-WINDOW:]


@dataclass(frozen=True, slots=True)
class Moved:
    """The newest block, and how many of those known before are undone."""

    head: Head
    undone: int


def follow(chain: Chain, heads: Heads) -> Moved:
    """Goes on to the newest block; raises `NodeBehindError` or `ChainMovedError`, and then nothing changes.

    Where the chain no longer has any of the known blocks, all of them are undone.
    """
    known = heads.known()
    seen = look(chain, known)
    if seen.behind:
        raise NodeBehindError(f"the node is at block {seen.latest.number}, after {known[-1].number} was seen")
    if not known:
        heads.move(None, [seen.latest])
        return Moved(seen.latest, 0)
    kept = seen.agreed.number if seen.agreed else known[0].number - 1
    undone = known[-1].number - kept
    new = _since(chain, seen.agreed, seen.latest)
    if new or undone:
        heads.move(kept if undone else None, new)
    return Moved(seen.latest, undone)


def _since(chain: Chain, agreed: Head | None, latest: Head) -> list[Head]:
    """The blocks after the agreed one, as far as they are to be known."""
    if agreed == latest:
        return []
    first = max(0, latest.number - WINDOW + 1)
    if agreed is not None and agreed.number >= first - 1:
        first = agreed.number + 1
    new = headers(chain, first, latest.number)
    linked = agreed is None or first > agreed.number + 1 or new[0].parent == agreed.hash
    if not linked or new[-1] != latest:
        raise ChainMovedError("the chain moved while it was looked at")
    return new
