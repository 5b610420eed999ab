"""What is done about a nonce that is on its way and not mined: all the rules, in one place.

What is priced out (gas costs more than it may pay) is raised, up to the ceiling, and waits there. What should
be mined and is not is raised a few times and then, where others wait behind it, given up: an empty
transaction takes its nonce. So does one where what was meant would only revert, has been meant again at
another nonce, or has become too dear for what it brings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from weir.chain import Fees
from weir.keeper.fees import Quote, higher
from weir.keeper.limits import Limits
from weir.keeper.tables import Attempt, State

__all__ = ["CANCELS", "REPLACEMENTS", "STUCK_BLOCKS", "Replacement", "Waiting", "replacement"]

STUCK_BLOCKS = 3
"""Blocks without a transaction, while it is the next, after which it is taken to be stuck."""
REPLACEMENTS = 5
"""Times that one which should be mined is sent again with a higher fee, before its nonce is given up."""
CANCELS = 3
"""Times that an empty one is, in its place."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """A nonce on its way. `known`: the node has one of its attempts, which are oldest first; `first`: it is
    the account's next; `others` wait behind it.
    """

    attempts: Sequence[Attempt]
    known: bool
    first: bool
    others: bool

    @property
    def last(self) -> Attempt:
        """The newest that may be mined."""
        return [each for each in self.attempts if each.is_open][-1]

    @property
    def unsent(self) -> bool:
        """Whether the node has yet to take it, or to take it again."""
        return self.last.state is State.PREPARED or not self.known

    @property
    def tried_at(self) -> int:
        """Block of the newest attempt, refused or not."""
        return max(each.sent_block for each in self.attempts)

    @property
    def is_unwanted(self) -> bool:
        """Whether the same has been meant again at another nonce, and this one not been given up yet."""
        return not (self.last.is_wanted or self.last.cancels)

    def is_dear(self, now: Quote) -> bool:
        """Whether gas costs more than it may pay."""
        return now.price > self._most

    @property
    def _most(self) -> int:
        return max(each.fees.most for each in self.attempts if each.is_open)

    def tried(self, *, cancels: bool) -> int:
        """How many of a kind nodes have taken, since the last reorganisation that it was in."""
        return sum(e.is_open and e.cancels == cancels and not e.reorgs for e in self.attempts)

    def to_beat(self) -> list[Fees]:
        """The fees that another of this nonce must pass. Of those refused only what is within reach: nodes
        want at most twice as much, and one that is refused for want of money says nothing about fees.
        """
        return [e.fees for e in self.attempts if e.is_open or e.fees.most <= 2 * self._most]


@dataclass(frozen=True, slots=True)
class Replacement:
    """What is sent at the same nonce: the same again, or (`cancels`) nothing."""

    cancels: bool
    fees: Fees


def replacement(nonce: Waiting, now: Quote, limits: Limits, *, useless: bool) -> Replacement | None:
    """What replaces one that is stuck, or of no use any more; None where it waits.

    One that is not first is only raised where its own fee is too low: it may be mined as soon as the others.
    """
    if now.fees(limits.max_fee) is None:
        return None  # no fee that may be paid would help
    dear, given_up = nonce.is_dear(now), nonce.last.cancels
    if nonce.is_unwanted or (useless and nonce.first and not given_up):
        return _offer(nonce, now, limits.max_fee, cancels=True)
    if not nonce.first and (useless or not dear):
        return None
    if given_up:
        may = dear or nonce.tried(cancels=True) < CANCELS
        return _offer(nonce, now, limits.max_fee, cancels=True) if may else None
    if dear or nonce.tried(cancels=False) <= REPLACEMENTS:
        raised = _offer(nonce, now, limits.action_fee, cancels=False)
        if raised or dear:
            return raised
    return _offer(nonce, now, limits.max_fee, cancels=True) if nonce.others else None


def _offer(nonce: Waiting, now: Quote, ceiling: int, *, cancels: bool) -> Replacement | None:
    fees = higher(nonce.to_beat(), now, ceiling)
    return Replacement(cancels, fees) if fees else None
