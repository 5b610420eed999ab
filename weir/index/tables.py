"""The index's tables, and which deployment of which chain a database is the index of."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
    func,
    insert,
    select,
)
from sqlalchemy import delete as delete_from

from weir.deployment import Deployment
from weir.heads import Head
from weir.store import Store, Whole, metadata

__all__ = [
    "About",
    "NotIndexedError",
    "OtherDeploymentError",
    "about",
    "blocks",
    "checkpoints",
    "claim",
    "concerns",
    "events",
    "last_blocks",
    "points",
    "prune",
    "rewind",
    "tip",
]

_HASH, _ADDRESS = 66, 42

_about = Table(
    "index_about",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("chain", BigInteger, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("anchor", String(_HASH), nullable=False),
    Column("decimals", Integer, nullable=False),
    Column("addresses", Text, nullable=False),
    Column("markets", Text, nullable=False),
    Column("assets", Text, nullable=False),
)
blocks = Table(
    "index_block",
    metadata,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("hash", String(_HASH), nullable=False),
    Column("parent", String(_HASH), nullable=False),
    Column("time", BigInteger, nullable=False, index=True),
)
events = Table(
    "index_event",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
    Column("transaction", String(_HASH), nullable=False),
    Column("contract", String(32), nullable=False),
    Column("name", String(48), nullable=False),
    Column("arguments", Text, nullable=False),
)
Index("ix_index_event_name", events.c.name, events.c.contract, events.c.block)
concerns = Table(
    "index_concern",
    metadata,
    Column("account", String(_ADDRESS), primary_key=True),
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("log_index", Integer, primary_key=True, autoincrement=False),
)
Index("ix_index_concern_block", concerns.c.block)
checkpoints = Table(
    "index_checkpoint",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("events", BigInteger, nullable=False),
    Column("shape", String(16), nullable=False),
    Column("state", LargeBinary, nullable=False),
)
points = Table(
    "index_point",
    metadata,
    Column("block", BigInteger, primary_key=True, autoincrement=False),
    Column("time", BigInteger, nullable=False, index=True),
    *(
        Column(name, Whole, nullable=False)
        for name in ("skin", "unvested", "junior", "senior", "advanced", "guaranty", "reserve", "target")
    ),
)


class NotIndexedError(RuntimeError):
    """Nothing is indexed in this database yet."""


class OtherDeploymentError(ValueError):
    """The database is the index of another chain, or of another deployment."""


@dataclass(frozen=True, slots=True)
class About:
    """What a database is the index of.

    `start` is the last block before the deployment and `anchor` its hash; contracts' `addresses` by name,
    symbols by number. `decimals` are those of S, and of each asset.
    """

    chain: int
    start: int
    anchor: str
    decimals: int
    addresses: Mapping[str, str]
    markets: tuple[str, ...]
    assets: tuple[tuple[str, int], ...]

    @classmethod
    def of(cls, deployment: Deployment, anchor: str) -> About:
        """Of a deployment, on the chain on which its first block has this hash."""
        return cls(
            chain=deployment.chain_id,
            start=deployment.block,
            anchor=anchor,
            decimals=deployment.decimals,
            addresses={name: record.address for name, record in deployment.contracts.items()},
            markets=tuple(market.symbol for market in deployment.markets),
            assets=tuple((asset.symbol, asset.decimals) for asset in deployment.assets),
        )


def _read_about(connection: Connection) -> About | None:
    row = connection.execute(select(_about)).one_or_none()
    if row is None:
        return None
    return About(
        chain=row.chain,
        start=row.start,
        anchor=row.anchor,
        decimals=row.decimals,
        addresses=json.loads(row.addresses),
        markets=tuple(json.loads(row.markets)),
        assets=tuple((symbol, decimals) for symbol, decimals in json.loads(row.assets)),
    )


def about(store: Store) -> About:
    """What is indexed there; raises `NotIndexedError`."""
    with store.read() as connection:
        found = _read_about(connection)
    if found is None:
        raise NotIndexedError(f"{store.where} has no index yet: run `weir index run` first")
    return found


def claim(store: Store, wanted: About) -> None:
    """Makes a database the index of this; raises `OtherDeploymentError` where it is another's."""
    with store.write(lock="index") as connection:
        found = _read_about(connection)
        if found is None:
            row = {
                "id": 1,
                "chain": wanted.chain,
                "start": wanted.start,
                "anchor": wanted.anchor,
                "decimals": wanted.decimals,
                "addresses": json.dumps(dict(wanted.addresses)),
                "markets": json.dumps(wanted.markets),
                "assets": json.dumps(wanted.assets),
            }
            connection.execute(insert(_about).values(row))
            return
    if (found.chain, dict(found.addresses)) != (wanted.chain, dict(wanted.addresses)):
        raise OtherDeploymentError(
            f"{store.where} is the index of another deployment (chain {found.chain}); name another database"
        )
    if found.anchor != wanted.anchor:
        raise OtherDeploymentError(
            f"{store.where} is the index of another chain with this number: block {found.start} is not"
            " the same; name another database"
        )


def tip(connection: Connection) -> int | None:
    """The last block indexed."""
    found: int | None = connection.execute(select(func.max(blocks.c.number))).scalar()
    return found


def last_blocks(connection: Connection, most: int) -> list[Head]:
    """The last so many that are remembered, oldest first."""
    rows = connection.execute(select(blocks).order_by(blocks.c.number.desc()).limit(most)).all()
    return [Head(row.number, row.hash, row.parent, row.time) for row in reversed(rows)]


def prune(connection: Connection, after: int, last: int) -> None:
    """Forgets the blocks without events among those after one block, up to another."""
    told = select(events.c.block).where(events.c.block == blocks.c.number).exists()
    range_ = (blocks.c.number > after, blocks.c.number <= last)
    connection.execute(delete_from(blocks).where(*range_, ~told))


def rewind(connection: Connection, block: int) -> None:
    """Forgets everything after a block."""
    connection.execute(delete_from(blocks).where(blocks.c.number > block))
    for table in (events, concerns, checkpoints, points):
        connection.execute(delete_from(table).where(table.c.block > block))
