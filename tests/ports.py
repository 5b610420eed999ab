"""Ports for what listens where it is told to: they stay free until it does."""

from __future__ import annotations

import os
import socket
from itertools import cycle

__all__ = ["free_ports"]

HOST = "127.0.0.1"
FIRST, EACH = 10_000, 100
"""Below those that the system gives to whoever asks for any; each process has a hundred of its own."""
_mine = cycle(range(FIRST + os.getpid() % 200 * EACH, FIRST + (os.getpid() % 200 + 1) * EACH))


def free_ports(count: int) -> list[int]:
    """So many in a row that nobody listens on; those given before come last."""
    for _ in range(EACH):
        found = [next(_mine) for _ in range(count)]
        if found[-1] - found[0] == count - 1 and all(map(_is_free, found)):
            return found
    raise AssertionError("no free ports")


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True
