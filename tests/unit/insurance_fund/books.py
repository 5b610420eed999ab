"""What the tests of the insurance fund read and do."""

from __future__ import annotations

from typing import Any, NamedTuple

import ape

from tests.expect import event
from tests.unit.fund_helpers import (
    PARAMETERS,
    FundSystem,
    wait_until,
)

UINT96, UINT128, UINT256 = 2**96 - 1, 2**128 - 1, 2**256 - 1
STREAM = PARAMETERS["streamDuration"]
HOUR = 3600


def start_stream(system: FundSystem, caller: Any, tokens: float) -> int:
    """Lets income stream to the tranches; returns when it began."""
    system.collect(caller, 0, levies=tokens)
    unvested, since, end = system.fund.stream()
    assert (unvested, end - since) == (system.units(tokens), STREAM)
    return int(since)


class Record(NamedTuple):
    account: str
    market: int
    time: int
    shortfall: int
    own: int
    coinsurance: int
    skin: int
    junior: int
    senior: int
    mutual: int
    unpaid_profit: int

    @property
    def paid(self) -> tuple[int, ...]:
        return self[4:]


def record_of(system: FundSystem, id_: int) -> tuple[Record, int]:
    """A default's record and its remainder."""
    values, remainder = system.fund.defaultRecord(id_)
    return Record(*values), remainder


def recover(system: FundSystem, payer: Any, tokens: float, id_: int = 1) -> Any:
    return system.fund.recover(id_, system.fill(payer, system.fund, tokens), sender=payer)


def recovery_of(receipt: Any) -> tuple[int, ...]:
    """To mutual, senior, junior, skin, own."""
    return tuple(event(receipt, "Recovered")["recovery"])


def next_window(system: FundSystem) -> int:
    """Moves to the start of the next budget window; returns its index."""
    length = system.fund.parameters().budgetWindow
    index = ape.chain.blocks.head.timestamp // length + 1
    wait_until(index * length)
    return int(index)


def advance(system: FundSystem, account: Any, reserve: float, shortfall: float) -> Any:
    """A default while the reserve counts for so much."""
    system.hold(reserve)
    return system.resolve(account, shortfall)
