"""Real databases for tests: a SQLite file, and a PostgreSQL server of their own."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KINDS = ("sqlite", "postgresql")


@contextmanager
def postgresql(folder: Path) -> Iterator[Any]:
    """A server with its data in this folder (of a short path: its socket lies there too), stopped afterwards.

    `get_uri()` is its address.
    """
    pgserver = pytest.importorskip("pgserver", reason="no PostgreSQL is packaged for this platform")
    server = pgserver.get_server(folder)
    try:
        yield server
    finally:
        server.cleanup()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database of this kind."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'weir.sqlite3'}"
    else:
        with postgresql(folder / "pg") as server:
            yield server.get_uri()
