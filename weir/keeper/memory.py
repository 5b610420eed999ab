"""What a keeper keeps in mind: actions that failed lately and rest, and what has come of all that it sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from weir.keeper.roles import URGENT

__all__ = ["FIRST_DELAY", "LAST_DELAY", "URGENT_DELAY", "Rest", "Rests", "Totals"]

FIRST_DELAY, LAST_DELAY = 15, 900
"""Seconds, on the chain's clock, that an action rests after its first failure, and at most."""
URGENT_DELAY = 30
"""The most for what is urgent."""


class Rest(NamedTuple):
    """An action that failed: how often in a row, and the time (Unix seconds) before which it rests."""

    failures: int
    until: int


class Rests:
    """Actions that failed lately, by key. Kept in mind; a subclass may `keep` them elsewhere too."""

    def __init__(self, known: Mapping[str, Rest] | None = None) -> None:
        self._known = dict(known or {})

    def __len__(self) -> int:
        return len(self._known)

    def __getitem__(self, key: str) -> Rest:
        return self._known[key]

    def rests(self, key: str, now: int) -> bool:
        """Whether an action that failed is to be left alone for now."""
        return key in self._known and now < self._known[key].until

    def failed(self, key: str, kind: str, now: int) -> None:
        """Doubles the rest of an action with each failure in a row, up to what its kind may rest."""
        failures = self._known[key].failures + 1 if key in self._known else 1
        delay = min(FIRST_DELAY * 2 ** (failures - 1), URGENT_DELAY if kind in URGENT else LAST_DELAY)
        self._known[key] = Rest(failures, now + delay)
        self.keep(key, self._known[key])

    def succeeded(self, key: str) -> None:
        """Forgets an action's failures."""
        if self._known.pop(key, None):
            self.keep(key, None)

    def forget(self, now: int) -> None:
        """Drops the failures of long ago."""
        for key in [key for key, rest in self._known.items() if now >= rest.until + LAST_DELAY]:
            self.succeeded(key)

    def keep(self, key: str, rest: Rest | None) -> None:
        """Called with what is known of a key from now on (None: nothing)."""


@dataclass(slots=True)
class Totals:
    """Since a keeper began: transactions that did what they were for, and those that failed, by kind; gas,
    fees in wei, and bounties in units of S.
    """

    sent: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    gas: int = 0
    fees: int = 0
    bounty: int = 0

    def add(self, kind: str, succeeded: bool, gas: int, fee: int, bounty: int) -> None:
        """One more transaction."""
        (self.sent if succeeded else self.failed)[kind] += 1
        self.gas += gas
        self.fees += fee
        self.bounty += bounty

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {each.name: getattr(self, each.name) for each in fields(self)}
