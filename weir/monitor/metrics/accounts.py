"""Accounts by what is the matter with them, and whether the books of all of them add up (P1 to P3)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

from weir.monitor.metrics.metric import Figure, Number, Sample, one, usd
from weir.monitor.watch import Reading
from weir.states import AccountState
from weir.status import DUST, NEAR

__all__ = ["FIGURES", "STATES", "state"]

STATES = ("insolvent", "due", "flagged", "unpriced", "in debt", "near", "healthy", "idle")
"""An account is in the first of these that it fits."""


def state(account: AccountState) -> str:
    """Which of `STATES` an account is in."""
    if account.insolvent:
        return "insolvent"
    if account.priced and account.equity < (0 if account.flagged_at else account.maintenance_margin):
        return "due"
    if account.flagged_at:
        return "flagged"
    if not account.priced:
        return "unpriced"
    if account.debt:
        return "in debt"
    if not account.maintenance_margin:
        return "idle"
    return "near" if account.maintenance_margin >= NEAR * account.equity else "healthy"


def _states(reading: Reading) -> Iterator[Sample]:
    found = Counter(map(state, reading.accounts))
    return (((each,), found[each]) for each in STATES)


def _flagged_for(reading: Reading) -> Number | None:
    since = [
        account.flagged_at
        for account in reading.accounts
        if account.flagged_at and account.priced and account.equity < account.maintenance_margin
    ]
    return reading.time - min(since) if since else None


def _lines(value: Callable[[dict[str, Any]], Any]) -> Callable[[Reading], Iterator[Sample]]:
    """Something of each line of the identities, labelled with the identity and what it is about."""

    def read(reading: Reading) -> Iterator[Sample]:
        for line in reading.status["identities"]:
            identity, _, subject = line["id"].partition(":")
            yield (identity, subject or "S"), value(line)

    return read


def _difference(*identities: str, of: str) -> Callable[[Reading], Iterator[Sample]]:
    """The differences of some identities; `of`: "USD", or what is counted in units of its own."""

    def value(line: dict[str, Any]) -> Decimal | None:
        in_usd = line["unit"] == "USD"
        wanted = line["id"].partition(":")[0] in identities and in_usd == (of == "USD")
        return line["difference"] if wanted else None

    return _lines(value)


def _slack_used(reading: Reading) -> Iterator[Sample]:
    found = reading.seen.identities
    symbols = {market.id: market.symbol for market in reading.markets}
    for books in found.markets:
        symbol = symbols[books.market]
        yield ("P2", symbol), max(0, -books.surplus) / max(1, found.accounts)
        yield ("P3", symbol), books.mismatch / DUST


IDENTITY = ("identity", "subject")

FIGURES = (
    Figure(
        "weir_account_count",
        "Accounts by state. insolvent: marked, owes more than it has; due: below maintenance margin and not "
        "flagged, or below zero and not marked, which any keeper could change; flagged: may be liquidated, "
        "or has recovered and nobody has taken its flag off; unpriced: in a market without a price; in debt: "
        "owes a market's pool, and is good for it; near: maintenance margin is most of its equity; healthy; "
        "idle: has no position.",
        _states,
        ("state",),
    ),
    Figure(
        "weir_account_flagged_seconds",
        "Of the accounts that are flagged and below maintenance margin now: for how long the one flagged "
        "first has been, by the chain's clock; absent where there is none, or none with a price.",
        one(_flagged_for),
    ),
    Figure(
        "weir_account_deficit_usd",
        "What accounts with negative equity owe beyond all they have, be they flagged, marked, or neither: "
        "what their defaults would cost now. A market without a price counts at its last one.",
        one(lambda reading: usd(reading, sum(max(0, -account.equity) for account in reading.accounts))),
    ),
    Figure(
        "weir_identity_holds",
        "1 while an accounting identity holds, roundings allowed for; 0 means that money or positions are "
        "missing. P1: what the vault (or, of a stablecoin, its holders) has covers what it owes; P2: a "
        "market's pool covers claims and profits; P3: longs equal shorts.",
        _lines(lambda line: int(line["holds"])),
        IDENTITY,
    ),
    Figure(
        "weir_identity_slack_used_ratio",
        "Part of what roundings may open an identity by that they have: above 1 it does not hold.",
        _slack_used,
        IDENTITY,
    ),
    Figure(
        "weir_identity_difference_usd",
        "P1: what the vault holds beyond its books (donations). P2: what a market's pool has beyond what it "
        "owes, below 0 what roundings have taken.",
        _difference("P1", "P2", of="USD"),
        IDENTITY,
    ),
    Figure(
        "weir_identity_difference_tokens",
        "P1 of a stablecoin: tokens that its holders have beyond their books (donations).",
        _difference("P1", of="tokens"),
        IDENTITY,
    ),
    Figure(
        "weir_identity_difference_size",
        "P3: the larger difference between open interest and one side's positions, in units of the "
        "underlying.",
        _difference("P3", of="size"),
        IDENTITY,
    ),
)
