"""The rules for a nonce that is on its way and not mined."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.keeper.desk import GWEI
from weir.chain import Fees
from weir.keeper.fees import Quote
from weir.keeper.limits import Limits
from weir.keeper.stuck import CANCELS, REPLACEMENTS, Replacement, Waiting, replacement
from weir.keeper.tables import Attempt, State

LIMITS = Limits(max_fee=900 * GWEI, daily=0)  # actions pay 800 at most
CHEAP, DEAR, CLOSED = (Quote(base * GWEI, GWEI) for base in (10, 500, 900))
FEES = Fees(GWEI, 100 * GWEI)
TRIED = Attempt(
    1, 1, 4, False, "0x1", b"", 1, FEES, 0, 0, State.BROADCAST, 0, "", "", "flag", "0x20", "", 0, True
)
EMPTY = replace(TRIED, cancels=True)


def waits(*attempts: Attempt, first: bool = True, others: bool = True) -> Waiting:
    return Waiting(attempts, known=True, first=first, others=others)


def move(nonce: Waiting, now: Quote, *, useless: bool = False) -> str:
    found = replacement(nonce, now, LIMITS, useless=useless)
    if found is None:
        return "wait"
    assert all(found.fees.most * 1000 >= 1125 * each.fees.most for each in nonce.attempts if each.is_open)
    assert found.fees.most <= (LIMITS.max_fee if found.cancels else LIMITS.action_fee)
    return "cancel" if found.cancels else "raise"


@pytest.mark.parametrize("tried", [1, REPLACEMENTS, 4 * REPLACEMENTS])
def test_what_is_priced_out_is_raised_whatever_it_has_taken(tried: int) -> None:
    assert move(waits(*[TRIED] * tried), DEAR) == "raise"
    assert move(waits(*[TRIED] * tried, first=False), DEAR) == "raise"
    assert move(waits(TRIED, *[EMPTY] * tried), DEAR) == "cancel"


def test_what_should_be_mined_is_raised_and_then_given_up_for_what_waits_behind_it() -> None:
    assert move(waits(*[TRIED] * REPLACEMENTS), CHEAP) == "raise"
    done = [TRIED] * (1 + REPLACEMENTS)
    assert move(waits(*done), CHEAP) == "cancel"
    assert move(waits(*done, others=False), CHEAP) == "wait"
    assert move(waits(*done, *[EMPTY] * (CANCELS - 1)), CHEAP) == "cancel"
    assert move(waits(*done, *[EMPTY] * CANCELS), CHEAP) == "wait"
    # What nodes refused, or blocks held that are undone, is not counted.
    refused, undone = replace(TRIED, state=State.REFUSED), replace(TRIED, reorgs=1)
    assert move(waits(TRIED, *[refused] * 9), CHEAP) == "raise"
    assert move(waits(*[undone] * 9), CHEAP) == "raise"


def test_at_the_ceiling_it_waits() -> None:
    highest = replace(TRIED, fees=Fees(GWEI, LIMITS.action_fee))
    assert move(waits(highest), Quote(LIMITS.action_fee, GWEI)) == "wait"
    assert move(waits(TRIED), CLOSED) == "wait"
    assert move(waits(EMPTY), CLOSED) == "wait"
    # Not for the price: others are let past.
    assert move(waits(highest), CHEAP) == "cancel"
    assert move(waits(highest, others=False), CHEAP) == "wait"


def test_one_that_waits_for_others_is_left_alone() -> None:
    assert move(waits(TRIED, first=False), CHEAP) == "wait"
    assert move(waits(*[TRIED] * 9, first=False), CHEAP) == "wait"
    assert move(waits(TRIED, first=False), DEAR, useless=True) == "wait"


def test_what_is_of_no_use_is_given_up() -> None:
    assert move(waits(TRIED), CHEAP, useless=True) == "cancel"
    meant_again = replace(TRIED, is_wanted=False)
    assert move(waits(meant_again, first=False), CHEAP) == "cancel"


def test_a_refused_fee_is_passed_as_far_as_nodes_may_want() -> None:
    def refused(gwei: int) -> Attempt:
        return replace(TRIED, state=State.REFUSED, fees=Fees(GWEI, gwei * GWEI))

    passed = Replacement(False, Fees(1_125_000_000, 225 * GWEI))
    assert replacement(waits(TRIED, refused(200)), CHEAP, LIMITS, useless=False) == passed
    assert replacement(waits(TRIED, refused(200), refused(700)), CHEAP, LIMITS, useless=False) == passed
