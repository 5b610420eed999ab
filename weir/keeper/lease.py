"""The right to send with an account: one process has it at a time, and proves it with every write.

It is a row in the database. It runs out when its holder gives no sign of life for a while, by the database's
clock. That only decides how long others wait: a holder that comes back after another has taken over finds so
in the transaction in which it writes down what it is about to send, and sends nothing.
"""

from __future__ import annotations

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple, Self

from sqlalchemy import Connection, insert, literal_column, select, update

from weir.keeper.tables import accounts, key_of
from weir.store import Store

__all__ = ["Lease", "LeaseHeldError", "LeaseLostError"]

log = logging.getLogger(__name__)

LEASE_SECONDS = 60.0
"""For which a process that gives no sign of life, and is not known to have ended, keeps others from its
account.
"""

GLANCE = 1.0
"""Seconds after which it is looked again whether such a process has given one."""


class LeaseHeldError(RuntimeError):
    """Another process sends with this account."""


class LeaseLostError(RuntimeError):
    """Another process has taken the account over: this one must send nothing any more."""


class _Standing(NamedTuple):
    """Who holds it, until when by the database's clock, and how many seconds that is from now."""

    holder: str
    until: float
    left: float


class Lease:
    """An account on one chain, as it is recorded in a store, and who may send with it."""

    def __init__(self, store: Store, account_id: int, address: str, holder: str) -> None:
        self.store = store
        self.account_id = account_id
        self.address = address
        self.holder = holder

    @classmethod
    def of(
        cls, store: Store, chain_id: int, genesis: str, address: str, *, holder: str | None = None
    ) -> Self:
        """That of an account, not yet taken. `genesis`: the hash of the chain's block 0, since local chains
        share an id; `holder`: who asks, by default this process.
        """
        key = {"chain_id": chain_id, "genesis": genesis, "address": address}
        with store.write(lock="keeper accounts") as connection:
            account_id = connection.execute(select(accounts.c.id).filter_by(**key)).scalar()
            if account_id is None:
                account_id = key_of(connection.execute(insert(accounts).values(**key)))
        return cls(store, account_id, address, holder or myself())

    def take(
        self,
        *,
        sleep: Callable[[float], object] = time.sleep,
        tell: Callable[[str], object] = log.warning,
    ) -> None:
        """Makes this process the one that sends with the account; raises `LeaseHeldError` as soon as its
        holder gives a sign of life. `tell` hears who is waited for.

        One that has ended on this machine is followed at once, any other when its lease has run out: it may
        hang, or be out of reach.
        """
        found = self._try()
        if found is None:
            return
        tell(f"{_named(found.holder)} may send with {self.address}: waiting")
        first = found[:2]
        while found:
            if found[:2] != first:
                raise LeaseHeldError(
                    f"{_named(found.holder)} sends with {self.address}: one account, one keeper"
                )
            sleep(min(found.left, GLANCE))
            found = self._try()

    def _try(self) -> _Standing | None:
        """How another holds it; None when it has been taken."""
        with self.store.write(lock=self._lock) as connection:
            query = select(accounts.c.holder, accounts.c.held_until).where(self._row)
            holder, until = connection.execute(query).one()
            if holder not in (None, self.holder):
                left: float = until - _now(connection)
                if left > 0 and not _is_gone(holder):
                    return _Standing(holder, until, left)
            self._hold(connection)
        return None

    def release(self) -> None:
        """Lets the next process have the account at once."""
        with self.store.write(lock=self._lock) as connection:
            mine = update(accounts).where(self._row, accounts.c.holder == self.holder)
            connection.execute(mine.values(holder=None))

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A transaction of the process that holds the lease, which lasts longer thereby; raises
        `LeaseLostError`, and nothing is written.
        """
        with self.store.write(lock=self._lock) as connection:
            if connection.execute(select(accounts.c.holder).where(self._row)).scalar() != self.holder:
                raise LeaseLostError(f"another process sends with {self.address} now")
            self._hold(connection)
            yield connection

    def renew(self) -> None:
        """Gives a sign of life; raises `LeaseLostError`."""
        with self.write():
            pass

    def _hold(self, connection: Connection) -> None:
        values = {"holder": self.holder, "held_until": _now(connection) + LEASE_SECONDS}
        connection.execute(update(accounts).where(self._row).values(**values))

    @property
    def _row(self) -> Any:
        return accounts.c.id == self.account_id

    @property
    def _lock(self) -> str:
        return f"keeper {self.account_id}"


def _now(connection: Connection) -> float:
    """The database's own clock, Unix seconds: one for all processes that share it."""
    if connection.dialect.name == "postgresql":
        expression = "extract(epoch from clock_timestamp())"
    else:
        expression = "(julianday('now') - 2440587.5) * 86400.0"
    return float(connection.execute(select(literal_column(expression))).scalar_one())


@cache
def myself() -> str:
    """This process: machine, number, when it began, and something that no other has."""
    pid = os.getpid()
    return " ".join((_machine(), str(pid), _began(pid), secrets.token_hex(4)))


def _is_gone(holder: str) -> bool:
    """Whether that process is known to have ended; never of those on other machines."""
    machine, number, began, *_ = (*holder.split(" "), "", "", "")
    if machine != _machine() or not number.isdecimal():
        return False
    try:
        os.kill(int(number), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        pass
    return _began(int(number)) != began


def _named(holder: str) -> str:
    machine, process, *_ = holder.split(" ")
    return f"process {process}" if machine == _machine() else "a process on another machine"


@cache
def _machine() -> str:
    """What process numbers are counted in: on Linux this boot's namespace, so that two containers differ."""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{os.readlink('/proc/self/ns/pid')}"
    return socket.gethostname()


def _began(pid: int) -> str:
    """When a process began (numbers are used again); "" where that is not told, and for one that has ended
    though its parent does not know yet.
    """
    with suppress(OSError):
        state, *rest = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return "" if state in "ZX" else rest[18]
    return ""
