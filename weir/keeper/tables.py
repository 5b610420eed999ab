"""The tables that keepers remember in, and the rows of those that are read whole."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple

import rlp  # type: ignore[import-untyped]
from eth_utils.address import to_checksum_address
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from weir.chain import Fees
from weir.store import Whole, metadata

__all__ = [
    "Attempt",
    "Draft",
    "Intent",
    "State",
    "accounts",
    "attempts",
    "heads",
    "intents",
    "key_of",
    "rests",
]


class State(StrEnum):
    """How far an attempt has come, or what an intent came to.

    An intent is open, and then done, failed (reverted), cancelled (its nonce was given up), or dropped (no
    attempt can be mined any more). An attempt is prepared before it leaves, broadcast, and then mined (and
    done), failed, replaced (another of its nonce was mined), refused by the node, or dropped (something else
    was mined at its nonce, as it seems).
    """

    OPEN = "open"
    PREPARED = "prepared"
    BROADCAST = "broadcast"
    DONE = "done"
    FAILED = "failed"
    REPLACED = "replaced"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    DROPPED = "dropped"


_Id = BigInteger().with_variant(Integer, "sqlite")  # SQLite counts up only those that it calls INTEGER


def _account(**options: Any) -> Column[int]:
    return Column("account_id", _Id, ForeignKey("keeper_accounts.id"), nullable=False, **options)


accounts = Table(
    "keeper_accounts",
    metadata,
    Column("id", _Id, primary_key=True),
    Column("chain_id", BigInteger, nullable=False),
    Column("genesis", String(66), nullable=False),
    Column("address", String(42), nullable=False),
    Column("holder", Text),
    Column("held_until", Float),
    UniqueConstraint("chain_id", "genesis", "address"),
)
"""Accounts that send, each on one chain. A process that sends for one holds its lease."""

heads = Table(
    "keeper_heads",
    metadata,
    _account(primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("hash", String(66), nullable=False),
    Column("parent", String(66), nullable=False),
    Column("time", BigInteger, nullable=False),
)
"""The last blocks that an account's keeper has seen."""

intents = Table(
    "keeper_intents",
    metadata,
    Column("id", _Id, primary_key=True),
    _account(),
    Column("clearing_house", String(42), nullable=False),
    Column("key", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("allowed", Whole, nullable=False),
    Column("state", String(9), nullable=False),
    Index("ix_keeper_intents_state", "account_id", "state"),
)
"""What was to be done: at most one that is open for each key. One that a reorganisation has undone after the
same was meant again is cancelled, while its attempts are open: its nonce is to become an empty transaction.
"""

attempts = Table(
    "keeper_attempts",
    metadata,
    Column("id", _Id, primary_key=True),
    _account(),
    Column("intent_id", _Id, ForeignKey("keeper_intents.id")),
    Column("nonce", BigInteger, nullable=False),
    Column("cancels", Boolean, nullable=False),
    Column("hash", String(66), nullable=False),
    Column("raw", Text, nullable=False),
    Column("gas", BigInteger, nullable=False),
    Column("priority_fee", Whole, nullable=False),
    Column("max_fee", Whole, nullable=False),
    Column("day", Integer, nullable=False),
    Column("sent_at", BigInteger, nullable=False),
    Column("sent_block", BigInteger, nullable=False),
    Column("state", String(9), nullable=False),
    Column("block", BigInteger),
    Column("block_hash", String(66)),
    Column("gas_used", BigInteger),
    Column("fee", Whole),
    Column("bounty", Whole),
    Column("reorgs", Integer, nullable=False),
    UniqueConstraint("account_id", "hash"),
    Index("ix_keeper_attempts_state", "account_id", "state"),
    Index("ix_keeper_attempts_day", "account_id", "day"),
    Index("ix_keeper_attempts_nonce", "account_id", "nonce"),
    Index("ix_keeper_attempts_block", "account_id", "block"),
)
"""Signed transactions, written before they leave. Fees in wei, bounties in units of S, `sent_at` and `day`
(since 1970, UTC) by the chain's clock. `block` is that in which its nonce was used, or (dropped) the newest
when that was found out; `reorgs` is how often that block was undone. `raw` is empty once nothing can undo it.
"""

rests = Table(
    "keeper_rests",
    metadata,
    _account(primary_key=True),
    Column("clearing_house", String(42), primary_key=True),
    Column("key", Text, primary_key=True),
    Column("failures", Integer, nullable=False),
    Column("until", BigInteger, nullable=False),
)
"""Actions that failed lately, and until when they rest."""


class Intent(NamedTuple):
    """Something to be done: `key` says what, about whom, and on which state of it (failures are remembered by
    it, too), `allowed` what its gas may cost, units of S.
    """

    key: str
    kind: str
    subject: str
    reason: str
    allowed: int


class Draft(NamedTuple):
    """A transaction that has been signed and has not left; the columns of `attempts` that it settles."""

    nonce: int
    cancels: bool
    raw: bytes
    gas: int
    fees: Fees
    day: int
    sent_at: int
    sent_block: int


@dataclass(frozen=True, slots=True)
class Attempt:
    """A signed transaction that may still be mined, with what it is for (a filled gap is for nothing). It
    `is_wanted` while that is still to be done by it.
    """

    id: int
    intent: int | None
    nonce: int
    cancels: bool
    hash: str
    raw: bytes
    gas: int
    fees: Fees
    sent_at: int
    sent_block: int
    state: State
    reorgs: int
    house: str
    key: str
    kind: str
    subject: str
    reason: str
    allowed: int
    is_wanted: bool

    @property
    def is_open(self) -> bool:
        """Whether it may still be mined (a refused one should not)."""
        return self.state in (State.PREPARED, State.BROADCAST)

    @property
    def target(self) -> tuple[str, bytes]:
        """Whom it calls, and with what."""
        signed: Any = rlp.decode(self.raw[1:])
        return to_checksum_address(signed[5]), signed[7]

    @property
    def worst(self) -> int:
        """The most it can cost, wei."""
        return self.gas * self.fees.most


def key_of(result: Any) -> int:
    """The primary key of the row that was inserted."""
    (number,) = result.inserted_primary_key
    return int(number)
