"""What the tests of the insurance fund read and do."""

from __future__ import annotations

from typing import Any

import ape

from tests.expect import event
from tests.unit.fund_helpers import PARAMETERS, FundSystem, wait_until
from weir.layers import LAYERS
from weir.states import DefaultRecord

UINT96, UINT128, UINT256 = 2**96 - 1, 2**128 - 1, 2**256 - 1
STREAM = PARAMETERS["streamDuration"]
HOUR = 3600


def start_stream(system: FundSystem, caller: Any, tokens: float) -> int:
    """Lets income stream to the tranches; returns when it began."""
    system.collect(caller, 0, levies=tokens)
    unvested, since, end = system.fund.stream()
    assert (unvested, end - since) == (system.units(tokens), STREAM)
    return int(since)


def record_of(system: FundSystem, id_: int) -> DefaultRecord:
    """A default's record, as the client has it."""
    record, remainder = system.fund.defaultRecord(id_)
    back, _ = system.fund.recovered(id_)
    return DefaultRecord(id_, *record, remainder, back)


def paid_by_layer(record: DefaultRecord) -> tuple[int, ...]:
    """What each layer paid, in the order of the waterfall."""
    return tuple(getattr(record, layer) for layer in LAYERS)


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
