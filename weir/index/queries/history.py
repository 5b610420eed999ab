"""What happened to an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eth_utils.address import to_checksum_address
from sqlalchemy import Connection, and_, select

from weir.index.events import load
from weir.index.queries.words import Words
from weir.index.reading import between
from weir.index.tables import About, about, blocks, concerns, events
from weir.store import Store


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, in words (`text`) and numbers (`arguments`, as the contract gave them)."""

    block: int
    time: int
    log_index: int
    transaction: str
    contract: str
    name: str
    text: str
    arguments: Mapping[str, Any]


class AddressError(ValueError):
    """Not the address of an account."""


def account_history(
    store: Store,
    account: str,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int | None = None,
) -> tuple[Happening, ...]:
    """Everything that concerns an account between two times, oldest first; the last `limit` where given.

    Nothing for an account that is not known; raises `AddressError` for what is no address.
    """
    known = about(store)
    with store.read() as connection:
        return happenings(connection, known, checked(account), since=since, until=until, limit=limit)


def checked(account: str) -> str:
    """An address with its checksum; raises `AddressError`."""
    try:
        return to_checksum_address(account)
    except (TypeError, ValueError):
        raise AddressError(f"{account!r} is not the address of an account") from None


def happenings(
    connection: Connection,
    known: About,
    account: str,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int | None = None,
) -> tuple[Happening, ...]:
    """`account_history`, in a transaction."""
    same = and_(events.c.block == concerns.c.block, events.c.log_index == concerns.c.log_index)
    query = (
        select(events, blocks.c.time)
        .select_from(concerns)
        .join(events, same)
        .join(blocks, blocks.c.number == events.c.block)
        .where(concerns.c.account == account)
        .order_by(events.c.block.desc(), events.c.log_index.desc())
    )
    query = query.where(*between(since, until))
    words, found = Words(known), []
    for row in connection.execute(query.limit(limit)):
        arguments = load(row.arguments)
        text = words.say(row.contract, row.name, arguments, account)
        found.append(
            Happening(
                row.block,
                row.time,
                row.log_index,
                row.transaction,
                row.contract,
                row.name,
                text,
                arguments,
            )
        )
    return tuple(reversed(found))
