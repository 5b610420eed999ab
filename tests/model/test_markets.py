"""Section 3: value and side indices, funding, positions, epochs."""

from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.model.markets import Market
from weir.model.numbers import DUST, FLOOR_A, ONE_A, ceil_div, size_scale
from weir.model.parameters import MarketParameters

UNIT = 10**18
PRICES = st.integers(10**12, 10**24)
SIZES = st.integers(10**9, 10**21)


def new_market(price: int = 100 * UNIT, decimals: int = 6) -> Market:
    return Market(
        MarketParameters(), size_scale(decimals), price, updated_at=0, updated_block=0, value_index=price
    )


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_profit_is_size_times_price_change(decimals: int) -> None:
    market = new_market(decimals=decimals)
    long, short = market.record(2 * UNIT), market.record(-2 * UNIT)
    market.move_price(103 * UNIT)
    assert market.unsettled(long) == 6 * 10**decimals
    assert market.unsettled(short) == -6 * 10**decimals


def test_unsettled_rounds_toward_minus_infinity() -> None:
    market = new_market()
    long, short = market.record(1), market.record(-1)
    market.move_price(101 * UNIT)
    assert (market.unsettled(long), market.unsettled(short)) == (0, -1)


def test_funding_is_the_time_weighted_premium_and_longs_pay() -> None:
    market = new_market()
    long, short = market.record(UNIT), market.record(-UNIT)
    market.last_premium = 5_000
    market.refresh(14_400, 1, market.price)  # half a period: half way to the last premium
    assert market.premium == 2_500
    assert market.value_index == 100 * UNIT - 100 * UNIT * 2_500 * 14_400 // (10**6 * 28_800)
    assert market.unsettled(long) == -125_000
    assert market.unsettled(short) == 125_000


def test_premium_and_funding_round_toward_zero_when_negative() -> None:
    market = new_market(price=1)
    market.last_premium = -3
    market.refresh(14_400, 1, 1)
    assert market.premium == -1  # -1.5
    assert market.value_index == 1  # far less than 1e-18


def test_funding_rate_is_clamped() -> None:
    market = new_market()
    market.last_premium = 50_000
    market.refresh(28_800, 1, market.price)
    assert (market.premium, market.value_index) == (50_000, 99 * UNIT)


@settings(deadline=None)
@given(PRICES, PRICES, SIZES, st.integers(1, ONE_A))
def test_index_does_not_jump_when_the_multiplier_moves(a: int, b: int, size: int, multiplier: int) -> None:
    market = new_market(a)
    for sign in (1, -1):
        record, side = market.record(sign * size), market.side(sign)
        before = side.index(market.value_index)
        side.scale(multiplier, market.value_index)
        assert side.index(market.value_index) == before
        assert market.unsettled(record) == 0
    market.move_price(b)
    # afterwards the position gains as one of the scaled size would
    for sign in (1, -1):
        side = market.side(sign)
        gain = side.index(market.value_index) - sign * ONE_A * a
        assert Fraction(gain, ONE_A) == sign * (b - a) * Fraction(multiplier, ONE_A)


@settings(deadline=None)
@given(st.lists(SIZES, min_size=1, max_size=6), st.data())
def test_deleveraging_closes_pro_rata(sizes: list[int], data: st.DataObject) -> None:
    market = new_market()
    records = [market.record(-size) for size in sizes]
    market.open_interest = sum(sizes)
    least = max(DUST, ceil_div(sum(sizes) * FLOOR_A, ONE_A))  # less would close the whole market
    closed = data.draw(st.integers(0, sum(sizes) - least))
    market.deleverage(-1, closed)
    left = [market.size(record) for record in records]
    assert market.open_interest == sum(sizes) - closed
    for size, rest in zip(sizes, left, strict=True):
        exact = Fraction(size * market.open_interest, sum(sizes))
        assert exact - 1 - Fraction(size, ONE_A) <= rest <= exact
    assert 0 <= market.open_interest - sum(left) <= market.short.dropped + len(left)


def test_charge_takes_at_least_the_amount_by_size() -> None:
    market = new_market()
    records = [market.record(size * UNIT) for size in (1, 2)]
    market.open_interest = 3 * UNIT
    market.charge(1, 100)
    assert [market.unsettled(record) for record in records] == [-34, -67]


def test_stale_records_settle_at_the_end_of_their_epoch() -> None:
    market = new_market()
    long, short = market.record(UNIT), market.record(-UNIT)
    market.long.positions = market.short.positions = 1
    market.move_price(110 * UNIT)
    market.open_interest = 0
    market.after_change()
    market.move_price(500 * UNIT)
    assert (market.long.epoch, market.short.epoch) == (1, 1)
    assert (market.size(long), market.size(short)) == (0, 0)
    assert (market.unsettled(long), market.unsettled(short)) == (10 * 10**6, -10 * 10**6)
    assert (market.long.multiplier, market.long.base, market.long.positions) == (ONE_A, 0, 0)


@pytest.mark.parametrize(
    ("open_interest", "closed", "multiplier"),
    [(UNIT, UNIT - DUST + 1, ONE_A), (UNIT, UNIT // 2, 2 * FLOOR_A - 1)],
    ids=["dust left", "below the floor"],
)
def test_too_little_left_closes_the_market_at_the_mark(
    open_interest: int, closed: int, multiplier: int
) -> None:
    market = new_market()
    market.short.multiplier = multiplier
    long, short = market.record(UNIT), market.record(-UNIT)
    market.open_interest = open_interest
    market.long.positions = market.short.positions = 1
    market.move_price(90 * UNIT)
    market.deleverage(-1, closed)
    assert (market.open_interest, market.long.epoch, market.short.epoch) == (0, 1, 1)
    assert (market.unsettled(long), market.unsettled(short)) == (-10 * 10**6, 10 * 10**6)


def test_more_than_dust_left_keeps_the_market_open() -> None:
    market = new_market()
    market.open_interest = UNIT
    market.deleverage(-1, UNIT - DUST)
    assert (market.open_interest, market.short.epoch, market.short.multiplier) == (DUST, 0, ONE_A // 10**9)


@pytest.mark.parametrize(("last", "premium"), [(0, 1_250), (1_000, 2_000), (-1_001, 499)])
def test_premium_is_weighted_by_size(last: int, premium: int) -> None:
    market = new_market()
    market.open_interest, market.last_premium = 4 * UNIT, last
    market.observe(100 * UNIT + UNIT // 2, UNIT)
    assert market.last_premium == premium
    market.observe(99 * UNIT, 4 * UNIT)
    assert market.last_premium == -10_000
