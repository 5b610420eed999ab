"""Real databases for tests: a SQLite file, and PostgreSQL, from the package that carries a server."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

KINDS = ("sqlite", "postgresql")


class Postgres:
    """A server with an empty database, listening on a socket file of its own."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # where it keeps its lock
            self._package = pytest.importorskip("pgserver", reason="no PostgreSQL comes for this platform")
        self._folder = folder
        self._server: Any = self._package.get_server(folder, cleanup_mode="stop")
        self.url: str = self._server.get_uri()

    def stop(self) -> None:
        """At once, as when its machine is cut off."""
        command = ["-w", "-m", "immediate", "stop"]
        self._package.pg_ctl(command, pgdata=self._folder, user=self._server.system_user)

    def start(self) -> None:
        """Again, with what it had written."""
        self._server.ensure_postgres_running()

    def close(self) -> None:
        """For good."""
        self._server.cleanup()


@contextmanager
def postgresql() -> Iterator[Postgres]:
    """A server for as long as the context lasts."""
    # Not in pytest's folders: those are closed to the server, which does not run as root.
    with tempfile.TemporaryDirectory(prefix="weir-postgres-", ignore_cleanup_errors=True) as folder:
        server = Postgres(Path(folder) / "data")
        try:
            yield server
        finally:
            server.close()


@contextmanager
def database(kind: str, folder: Path) -> Iterator[str]:
    """The address of an empty database of this kind; a SQLite file lies in the folder."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'weir.sqlite3'}"
    else:
        with postgresql() as server:
            yield server.url
