"""Journals for tests of what is kept in them."""

from __future__ import annotations

from itertools import count

from sqlalchemy import select

from weir.chain import Fees, Receipt
from weir.heads import Head
from weir.keeper.journal import Journal
from weir.keeper.lease import Lease
from weir.keeper.tables import Attempt, Draft, Intent, State, attempts, intents
from weir.store import Store

GENESIS, HOUSE, LIQUIDATOR, TRADER = "0x" + "9e" * 32, "0xhouse", "0xliquidator", "0xtrader"
DAY = 86_400
_numbers = count()


def a_lease(store: Store, *, holder: str | None = None, chain_id: int = 31337) -> Lease:
    return Lease.of(store, chain_id, GENESIS, LIQUIDATOR, holder=holder)


def a_journal(store: Store, *, house: str = HOUSE, chain_id: int = 31337, genesis: str = GENESIS) -> Journal:
    """With the lease taken."""
    lease = Lease.of(store, chain_id, genesis, LIQUIDATOR)
    lease.take()
    return Journal(lease, house)


def block(number: int, branch: str = "a", time: int = 0) -> Head:
    parent = f"{branch if number != 100 else 'a'}{number - 1}"
    return Head(number, f"{branch}{number}", parent, time or 1_000 + number)


def an_intent(key: str = "flag:0xtrader:0", *, kind: str = "flag", allowed: int = 5) -> Intent:
    return Intent(key, kind, TRADER, "for a test", allowed)


def a_draft(nonce: int, *, most: int = 100, day: int = 0, cancels: bool = False, raw: bytes = b"") -> Draft:
    unique = raw or f"transaction {next(_numbers)}".encode()
    return Draft(nonce, cancels, unique, 1_000, Fees(1, most), day, day * DAY + 5, 7)


def sent_twice(store: Store) -> list[str]:
    """Keys of what was signed again, at another nonce, before the first had been mined."""
    columns = intents.c.key, attempts.c.nonce, attempts.c.sent_block, attempts.c.block, attempts.c.state
    with store.read() as connection:
        rows = connection.execute(select(*columns).join_from(attempts, intents).order_by(attempts.c.id)).all()
    done = [row for row in rows if row.state in (State.DONE, State.FAILED)]
    return [
        first.key
        for first in done
        for again in done
        if first.key == again.key and first.nonce < again.nonce and again.sent_block < first.block
    ]


def a_receipt(attempt: Attempt, at: Head, *, succeeded: bool = True, gas: int = 600) -> Receipt:
    return Receipt(attempt.hash, LIQUIDATOR, at.number, gas, 50, (), None, at.hash, succeeded)
