"""What a keeper remembers across restarts: transactions on their way, what failed lately, and its sums.

Nothing here is needed for correctness, since every step reads the chain anew. It spares a restarted keeper
from sending twice and from trying at once what has just failed.
"""

from __future__ import annotations

import logging
import os
import tempfile
from collections import Counter
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

__all__ = ["Backoff", "InFlight", "KeeperState", "Totals"]

log = logging.getLogger(__name__)

FIRST_DELAY, LAST_DELAY = 15, 900
"""Seconds, on the chain's clock, that an action rests after its first failure, and at most."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid")


class InFlight(_Model):
    """A transaction that has been sent and whose receipt has not been seen."""

    transaction: str
    kind: str
    subject: str


class Backoff(_Model):
    """An action that failed: how often in a row, and the time (Unix seconds) before which it rests."""

    failures: int
    until: int


class Totals(_Model):
    """Since the state began: transactions by kind, those that failed, gas, and bounties in units of S."""

    sent: Counter[str] = Field(default_factory=Counter)
    failed: Counter[str] = Field(default_factory=Counter)
    gas: int = 0
    bounty: int = 0


class KeeperState(_Model):
    """A keeper's memory of one deployment, in a JSON file where `path` is given to `open`."""

    version: Literal[1] = 1
    chain_id: int
    clearing_house: str
    steps: int = 0
    block: int = 0
    in_flight: list[InFlight] = Field(default_factory=list)
    backoff: dict[str, Backoff] = Field(default_factory=dict)
    totals: Totals = Field(default_factory=Totals)

    _path: Path | None = None

    @classmethod
    def open(cls, path: Path | None, chain_id: int, clearing_house: str) -> Self:
        """The state that the file holds; a new one where it is missing, damaged, or of another deployment."""
        state = cls(chain_id=chain_id, clearing_house=clearing_house)
        if path is not None and path.exists():
            try:
                found = cls.model_validate_json(path.read_text(encoding="utf-8"))
            except (OSError, ValidationError, UnicodeDecodeError) as error:
                log.warning("%s is not a keeper's state, starting anew: %s", path, str(error).splitlines()[0])
            else:
                if (found.chain_id, found.clearing_house) == (chain_id, clearing_house):
                    state = found
                else:
                    log.warning("%s belongs to another deployment, starting anew", path)
        state._path = path
        return state

    def save(self) -> None:
        """Replaces the file in one step, so that a crash leaves the old one or the new one."""
        if self._path is None:
            return
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=self._path.name, suffix=".new", dir=self._path.parent)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(self.model_dump_json(indent=2) + "\n")
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise

    # ---- what failed

    def rests(self, key: str, now: int) -> bool:
        """Whether an action that failed is to be left alone for now."""
        return key in self.backoff and now < self.backoff[key].until

    def failed(self, key: str, now: int) -> None:
        """Doubles the rest of an action with each failure in a row."""
        failures = self.backoff[key].failures + 1 if key in self.backoff else 1
        delay = min(FIRST_DELAY * 2 ** (failures - 1), LAST_DELAY)
        self.backoff[key] = Backoff(failures=failures, until=now + delay)

    def succeeded(self, key: str) -> None:
        """Forgets an action's failures."""
        self.backoff.pop(key, None)

    def forget(self, now: int) -> None:
        """Drops the failures of long ago."""
        self.backoff = {key: rest for key, rest in self.backoff.items() if now < rest.until + LAST_DELAY}
