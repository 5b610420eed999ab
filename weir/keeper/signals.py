"""Being told to stop by a signal, in the middle of anything."""

from __future__ import annotations

import select
import signal
import socket
import sys
import threading
from types import FrameType

__all__ = ["Signals"]


class Signals:
    """Set by SIGINT and SIGTERM, so that a step is finished before the keeper ends; the second ends it.

    An `Event` could hang here: a handler that interrupts its `wait` would wait for a lock that is held below
    it.
    """

    def __init__(self) -> None:
        self._set = False
        self._told, self._tell = socket.socketpair()

    def listen(self) -> None:
        """Handles the signals from now on."""
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, self._leave)
            signal.signal(signal.SIGTERM, self._leave)

    def is_set(self) -> bool:
        """Whether one has come."""
        return self._set

    def wait(self, timeout: float | None = None) -> bool:
        """Sleeps until one comes, at most for `timeout` seconds; whether one has come."""
        if not self._set:
            select.select([self._told], [], [], timeout)
        return self._set

    def _leave(self, number: int, _: FrameType | None) -> None:
        if self._set:
            sys.exit(128 + number)
        self._set = True
        self._tell.send(b"!")
