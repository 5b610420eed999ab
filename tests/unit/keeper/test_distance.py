"""How far accounts are from liquidation: what the distance promises, on made-up accounts and moves."""

import random
from dataclasses import replace

import pytest

from tests.unit.keeper.made_up import ETHER, TRADER, USD, account, asset, market, pledge
from weir.keeper.distance import distance, revalued
from weir.states import AccountState, MarketState, SideState

ONE = 10**36
MARKETS = (market(0), market(1, maintenance_margin_ratio=60_000, initial_margin_ratio=100_000))


def quoted(markets: tuple[MarketState, ...], *moves: float) -> tuple[MarketState, ...]:
    """Markets whose prices have moved by so much, relative, with what that means to each side's index."""
    found = []
    for number, state in enumerate(markets):
        price = round(state.price * (1 + (moves[number] if number < len(moves) else 0)))
        change = (price - state.price) * ONE
        long, short = (
            SideState(multiplier=ONE, epoch=1, positions=1, index=sign * change) for sign in (1, -1)
        )
        found.append(replace(state, price=price, long=long, short=short, status="open", feed_status="ok"))
    return tuple(found)


def person(equity: int, *sizes: float) -> AccountState:
    """With the margin that the markets above ask for."""
    plain = account(TRADER, equity, *sizes)
    maintenance = sum(
        p.notional * MARKETS[p.market].maintenance_margin_ratio // 10**6 for p in plain.positions
    )
    return replace(plain, maintenance_margin=maintenance)


def after(of: AccountState, *moves: float) -> AccountState:
    found = revalued(of, None, quoted(MARKETS), quoted(MARKETS, *moves), (), 6)
    assert found is not None
    return found


def test_of_a_long_and_a_short() -> None:
    # 1,000 of equity, 300 of margin: a fall of x leaves 1,000 - 10,000 x against 300 - 300 x.
    assert distance(person(1_000, 1), MARKETS) == pytest.approx(700 / 9_700)
    assert distance(person(1_000, -1), MARKETS) == pytest.approx(700 / 10_300)
    assert distance(person(200, 1), MARKETS) == pytest.approx(-100 / 9_700)
    assert distance(person(1_000), MARKETS) is None


def test_no_smaller_moves_reach_it_and_larger_ones_against_it_do() -> None:
    rng = random.Random(1)
    for _ in range(500):
        sizes = [rng.uniform(-2, 2) for _ in range(2)]
        held = person(rng.randint(0, 9_000), *sizes)
        far = distance(held, MARKETS)
        assert far is not None
        if not 0 < far < 0.9:
            continue
        for _ in range(5):
            moved = after(held, *(far * rng.uniform(-0.999, 0.999) for _ in range(2)))
            assert moved.equity >= moved.maintenance_margin
        beyond = after(held, *(-1.001 * far if size > 0 else 1.001 * far for size in sizes))
        assert beyond.equity < beyond.maintenance_margin
        assert distance(beyond, quoted(MARKETS)) == pytest.approx(0, abs=0.01)


def test_a_side_that_was_shrunk_has_less_size_and_the_same_profit() -> None:
    then, now = quoted(MARKETS), quoted(MARKETS, 0.1)
    halved = replace(now[0], long=replace(now[0].long, multiplier=ONE // 2))
    found = revalued(person(1_000, 2), None, then, (halved, now[1]), (), 6)
    assert found is not None
    assert found.positions[0].size == ETHER
    assert found.unsettled == 2 * 1_000 * USD
    assert found.initial_margin == 11_000 * USD * 5 // 100


def test_a_side_that_has_ended_is_not_guessed_at() -> None:
    now = quoted(MARKETS)
    ended = replace(now[0], long=replace(now[0].long, epoch=2))
    assert revalued(person(1_000, 2), None, now, (ended, now[1]), (), 6) is None
    assert revalued(person(1_000, -2), None, now, (ended, now[1]), (), 6) is not None


def test_pledges_count_at_the_price_of_now() -> None:
    held = replace(person(1_000, 1), collateral=90 * USD)
    found = revalued(held, pledge(TRADER, 100), quoted(MARKETS), quoted(MARKETS), (asset(price=ETHER),), 6)
    assert found is not None
    assert (found.collateral, found.equity) == (95 * USD, held.equity + 5 * USD)


def test_a_market_without_a_price_says_so() -> None:
    now = quoted(MARKETS)
    silent = replace(now[0], feed_status="stale")
    for state, priced in ((silent, False), (replace(silent, status="closed"), True)):
        found = revalued(person(1_000, 1), None, now, (state, now[1]), (), 6)
        assert found is not None
        assert found.priced is priced
