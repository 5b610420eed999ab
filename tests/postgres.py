"""A real PostgreSQL server for tests, from the package that carries one."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["postgres"]


@contextmanager
def postgres() -> Iterator[str]:
    """The address of an empty database, for as long as the context lasts; it listens on a socket file."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # where it keeps its lock
        import pgserver

    with tempfile.TemporaryDirectory(prefix="weir-postgres-", ignore_cleanup_errors=True) as folder:
        server = pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
