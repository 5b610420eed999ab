"""What a keeper may spend, and on what."""

import pytest

from weir.keeper.limits import Limits
from weir.keeper.memory import FIRST_DELAY, URGENT_DELAY, Rests
from weir.keeper.roles import URGENT, Kind

LIMITS = Limits(max_fee=9, daily=101, native_price=2.0, min_profit=5, max_gas_cost=50)


@pytest.mark.parametrize(
    ("moves", "allowed"), [(None, 50), (0, 0), (99, 0), (100, 1), (4_999, 49), (5_000, 50), (10**9, 50)]
)
def test_gas_may_cost_a_hundredth_of_what_is_moved_and_never_more_than_anything_may(
    moves: int | None, allowed: int
) -> None:
    assert LIMITS.allowed(Kind.COLLECT, 0, moves) == allowed


def test_what_is_done_for_money_must_bring_it() -> None:
    assert LIMITS.allowed(Kind.LIQUIDATE, 12) == 7
    assert LIMITS.too_dear(3, Kind.LIQUIDATE, 12) == ""
    assert LIMITS.too_dear(4, Kind.LIQUIDATE, 12) == "too dear"


def test_which_limit_is_in_the_way_is_told() -> None:
    # Gas for 25 wei costs 50.
    assert LIMITS.too_dear(25, Kind.COLLECT, 0, 5_000) == ""
    assert LIMITS.too_dear(25, Kind.COLLECT, 0, 4_999) == "too little"
    assert LIMITS.too_dear(26, Kind.COLLECT, 0, 10**9) == "too dear"
    assert LIMITS.too_dear(25, Kind.FLAG, 0) == ""
    assert LIMITS.too_dear(26, Kind.FLAG, 0) == "too dear"


def test_where_gas_is_not_weighed_nothing_is_too_dear() -> None:
    free = Limits(max_fee=9, daily=101, max_gas_cost=50)
    assert free.too_dear(10**18, Kind.COLLECT, 0, 0) == ""


@pytest.mark.parametrize("kind", Kind)
def test_half_of_the_day_is_kept_for_what_is_urgent(kind: Kind) -> None:
    assert LIMITS.of_day(kind) == (101 if kind in URGENT else 50)


@pytest.mark.parametrize("kind", Kind)
def test_what_is_urgent_rests_for_less_long(kind: Kind) -> None:
    rests = Rests()
    for _ in range(3):
        rests.failed("it", kind, 0)
    assert rests["it"].until == (URGENT_DELAY if kind in URGENT else 4 * FIRST_DELAY)
