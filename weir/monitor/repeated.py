"""Something that is done again and again in a thread of its own, whatever goes wrong with it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["Repeated"]

log = logging.getLogger(__name__)

MAX_PAUSE = 30.0
"""Longest pause between two attempts while they fail, seconds; a longer interval stays."""
STOP_SECONDS = 5.0
"""For which an attempt that is under way is waited for at the end."""
BUSY = 1 / 3
"""Most of the time that it may take up: what is slow is done less often."""

T = TypeVar("T")


class Repeated(Generic[T]):
    """Calls `attempt` every `interval` seconds, and keeps what it returned last.

    What it raises is kept as a reason, and tried again after ever longer pauses; `latest` stays what it was.
    """

    def __init__(self, name: str, attempt: Callable[[], T], interval: float) -> None:
        self._name = name
        self._attempt = attempt
        self._interval = interval
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._latest: T | None = None
        self._error: str | None = None
        self._failures = 0
        self._in_a_row = 0
        self._seconds = 0.0

    # ---- what it has found

    def latest(self) -> T | None:
        """What the last attempt that succeeded returned; None before the first."""
        return self._latest

    def error(self) -> str | None:
        """Why the last attempt failed, in one line; None where it did not."""
        return self._error

    @property
    def failures(self) -> int:
        """How many attempts have failed."""
        return self._failures

    # ---- life

    def start(self) -> None:
        """Begins, unless it has."""
        if self._thread is None:
            self._stop.clear()
            self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Ends, after the attempt that is under way, for which it waits a while."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(STOP_SECONDS)
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            self.step()
            self._stop.wait(self.pause())

    def pause(self) -> float:
        """Seconds until the next attempt."""
        if not self._in_a_row:
            return max(self._interval, self._seconds * (1 / BUSY - 1))
        longer = self._interval * 2.0 ** min(self._in_a_row - 1, 8)
        return max(self._interval, min(MAX_PAUSE, longer))

    def step(self) -> None:
        """One attempt; never raises."""
        began = time.monotonic()
        try:
            found = self._attempt()
        except Exception as error:  # noqa: BLE001 (whatever it is, it is told, and the next attempt comes)
            self._failures += 1
            self._in_a_row += 1
            self._tell(error)
        else:
            if self._in_a_row:
                log.warning("%s: works again", self._name)
            self._latest, self._error, self._in_a_row = found, None, 0
        self._seconds = time.monotonic() - began

    def _tell(self, error: Exception) -> None:
        """Keeps the reason, and logs it once."""
        reason = " ".join(str(error).split()) or type(error).__name__
        if reason != self._error:
            known = isinstance(error, OSError | RuntimeError | ValueError | LookupError)
            log.warning("%s: %s", self._name, reason, exc_info=not known)
        self._error = reason
