"""The database in which keepers and the index remember: SQLite in a file, or PostgreSQL, by URL.

Tables are declared next to what uses them, on the one `metadata`; `Store.open` makes those that are missing.
All reading and writing happens in short transactions; whatever a database refuses comes out as `StoreError`.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import click
from sqlalchemy import (
    Column,
    Connection,
    Dialect,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError
from sqlalchemy.types import TypeDecorator, TypeEngine

__all__ = [
    "DEFAULT_URL",
    "Store",
    "StoreError",
    "StoreUrlError",
    "StoreVersionError",
    "Whole",
    "metadata",
    "store_option",
]

log = logging.getLogger(__name__)

DEFAULT_URL = "sqlite:///weir.sqlite3"
SCHEMA = 1
"""Grows when a table's columns change."""
_BUSY_MS = 10_000
"""For which SQLite waits for another process's transaction."""

# PostgreSQL, over a network that may fail: each wait has an end.
_CONNECT_SECONDS = 5
_LOCK_MS = 10_000
"""For which another's transaction is waited for, as with SQLite."""
_STATEMENT_MS = 300_000
"""What a single statement may take: the longest reads the whole index."""
_IDLE_MS = 30_000
"""After which the server ends a writer's transaction that asks for nothing more: its process may be gone."""
_SILENT_MS = 15_000
"""For which a server may leave what was sent to it unacknowledged."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_N_label)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)
_about = Table("about", metadata, Column("schema", Integer, primary_key=True))

store_option = click.option(
    "--store",
    "store_url",
    metavar="URL",
    envvar="WEIR_STORE",
    default=DEFAULT_URL,
    show_default=True,
    help="The database, SQLite or PostgreSQL (or WEIR_STORE; give passwords there, not here).",
)


class StoreError(RuntimeError):
    """The database is away, full, locked for too long, or of another version; nothing was written."""


class StoreVersionError(StoreError):
    """The tables are another version's: trying again changes nothing."""


class StoreUrlError(ValueError):
    """Not the address of a database that is known here."""


class Whole(TypeDecorator[int]):
    """An integer of any size: exact in both databases, where SQLite's own end at 64 bits."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        kind = Numeric(98, 0) if dialect.name == "postgresql" else String(100)
        return dialect.type_descriptor(kind)

    def process_bind_param(self, value: int | None, dialect: Dialect) -> Any:
        return value if value is None or dialect.name == "postgresql" else str(value)

    def process_result_value(self, value: Any, _dialect: Dialect) -> int | None:
        return None if value is None else int(value)


class Store:
    """A database, open. For any number of threads; processes that write at once take turns."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine

    @classmethod
    def open(cls, url: str = DEFAULT_URL) -> Self:
        """Connects, and makes the tables that are missing; raises `StoreUrlError`, `StoreVersionError` where
        they are another version's, or another `StoreError`.
        """
        store = cls(_engine(_parsed(url)))
        with store.write(lock="schema") as connection:
            metadata.create_all(connection)
            found = connection.execute(select(_about.c.schema)).scalar()
            if found is None:
                connection.execute(insert(_about).values(schema=SCHEMA))
        if found is None:
            log.warning("a new database: %s", store.where)
        elif found != SCHEMA:
            store.close()
            raise StoreVersionError(f"{store.where} has tables of version {found}, this program of {SCHEMA}")
        return store

    @property
    def where(self) -> str:
        """The address, without its password and its parameters, of which one may be another."""
        return self.engine.url.set(query={}).render_as_string(hide_password=True)

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A transaction that sees one state of the database, and writes nothing."""
        with self._told(), self.engine.connect() as connection, connection.begin():
            if connection.dialect.name == "postgresql":
                connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"))
                # Nobody waits for a reader, and some ask the chain about each row.
                connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
            yield connection

    @contextmanager
    def write(self, *, lock: str | None = None) -> Iterator[Connection]:
        """A transaction: all of it is written, durably, or nothing. Those with the same `lock` take turns, in
        whichever process.
        """
        with self._told(), self.engine.connect() as connection:
            connection = connection.execution_options(weir_write=True)
            with connection.begin():
                if lock is not None and connection.dialect.name == "postgresql":
                    number = int.from_bytes(hashlib.sha256(lock.encode()).digest()[:8], "big", signed=True)
                    connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
                yield connection

    def close(self) -> None:
        """Gives every connection back."""
        self.engine.dispose()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise
        except DBAPIError as error:
            reason = " ".join(str(error.orig).split())
            raise StoreError(f"{self.where}: {reason}") from error
        except SQLAlchemyError as error:
            raise StoreError(f"{self.where}: {' '.join(str(error).split())}") from error


def _parsed(url: str) -> URL:
    # What is no address is not told: it may be one, mistyped, with a password.
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise StoreUrlError(f"not a database's address, such as {DEFAULT_URL}") from None
    kind = parsed.get_backend_name()
    if kind not in ("sqlite", "postgresql"):
        raise StoreUrlError(f"{kind}: only sqlite and postgresql are known")
    if kind == "sqlite" and parsed.database in (None, "", ":memory:"):
        raise StoreUrlError(f"sqlite: a file is needed, such as {DEFAULT_URL}")
    # The driver that comes with Weir, whatever the address says or leaves open.
    return parsed.set(drivername="postgresql+psycopg") if kind == "postgresql" else parsed


def _engine(url: URL) -> Engine:
    try:
        if url.get_backend_name() == "postgresql":
            return create_engine(url, pool_pre_ping=True, connect_args=_patience(url))
        Path(url.database or "").resolve().parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, connect_args={"timeout": _BUSY_MS / 1000})
    except (NoSuchModuleError, ImportError) as error:
        raise StoreUrlError(str(error)) from None
    except OSError as error:
        raise StoreError(f"{url.database}: {error.strerror or error}") from None
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def _patience(url: URL) -> dict[str, Any]:
    """How long to wait for a server and what goes on there, but for what the address itself says."""
    limits = {
        "lock_timeout": _LOCK_MS,
        "statement_timeout": _STATEMENT_MS,
        "idle_in_transaction_session_timeout": _IDLE_MS,
    }
    arguments = {
        "connect_timeout": _CONNECT_SECONDS,
        "options": " ".join(f"-c {name}={milliseconds}" for name, milliseconds in limits.items()),
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": _SILENT_MS,
    }
    return {name: value for name, value in arguments.items() if name not in url.query}


def _prepare(connection: Any, _record: Any) -> None:
    """SQLite: other processes read while one writes; what is committed survives a loss of power."""
    connection.isolation_level = None  # transactions begin below, not where the driver guesses
    cursor = connection.cursor()
    for setting in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _begin(connection: Connection) -> None:
    """A writer waits for its turn at once: one that began as a reader would be refused when it writes."""
    writes = connection.get_execution_options().get("weir_write", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
