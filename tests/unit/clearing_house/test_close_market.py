"""A market whose feed is dead: when and at which price it is closed (SPECIFICATION.md section 7)."""

import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import band_edges, index

BTC, ETH = 0, 1
PRICE = 10_000 * 10**18
CLOSE_BAND = 100_000
DAY = 86_400
REVERTING = 1

pytestmark = pytest.mark.usefixtures("opened")


@pytest.fixture
def dead(opened, outage):
    """The feed of BTC answers no more; the last good price was 10,000, a day ago."""
    outage()
    return opened


def close(system, price, market=BTC):
    return system.clearing_house.closeMarket(market, price, sender=system.actors["governor"])


def test_a_market_with_a_price_is_not_closed(opened):
    opened.wait(DAY)
    opened.set_price(BTC, 10_000)
    with reverts("PriceStillLive", market=BTC):
        close(opened, PRICE)


def test_a_market_is_closed_after_a_day_without_a_price(opened, house, deployer, chain):
    since = house.marketState(BTC).updatedAt
    opened.feeds[BTC].setMode(REVERTING, sender=deployer)
    chain.pending_timestamp = since + DAY - 1
    with reverts("PriceStillLive", market=BTC):
        close(opened, PRICE)
    chain.pending_timestamp = since + DAY
    close(opened, PRICE)
    assert house.marketState(BTC).status == 2


@pytest.mark.parametrize("fault", ["stale", "out of bounds"])
def test_any_fault_of_the_feed_will_do(opened, house, fault):
    opened.wait(DAY)
    if fault == "out of bounds":
        opened.set_price(BTC, 20_000_000)
    close(opened, PRICE)
    assert house.marketState(BTC).status == 2


@pytest.mark.parametrize("edge", [0, 1])
def test_the_price_lies_within_the_band_around_the_last_good_one(dead, house, edge):
    limit = band_edges(PRICE, CLOSE_BAND)[edge]
    beyond = limit + (1 if edge else -1)
    with reverts("PriceOutsideBand", price=beyond, mark=PRICE, band=CLOSE_BAND):
        close(dead, beyond)
    close(dead, limit)
    assert house.marketState(BTC).price == limit


def test_everyone_is_closed_at_the_price(dead, house, trader, market_maker):
    price = dead.wad(9_400)
    receipt = close(dead, price)
    assert event(receipt, "MarketClosed") == {"market": BTC, "price": price}
    assert event(receipt, "MarketRefreshed") == {
        "market": BTC,
        "price": price,
        "valueIndex": price,
        "premium": 0,
    }
    assert event(receipt, "OpenInterestChanged") == {"market": BTC, "openInterest": 0}
    finals = {bool(log["isShort"]): log["finalIndex"] for log in events(receipt, "EpochEnded")}
    assert finals == {False: index(False, price), True: index(True, price)}
    state = house.marketState(BTC)
    assert (state.status, state.price, state.valueIndex, state.openInterest) == (2, price, price, 0)
    assert house.openInterestNotional() == 0

    settled = {log["account"]: log["pnl"] for log in events(dead.settle(trader, market_maker), "Settled")}
    assert settled == {trader.address: -dead.usd(6_000), market_maker.address: dead.usd(6_000)}
    assert [house.positionMarkets(account) for account in (trader, market_maker)] == [0, 0]
    assert dead.vault.cashOf(trader) == dead.usd(3_950)


def test_a_closed_market_stays_as_it_is(dead, house, deployer, keeper):
    close(dead, PRICE)
    before = house.marketState(BTC)
    dead.feeds[BTC].setMode(0, sender=deployer)
    dead.set_price(BTC, 12_000)
    house.refresh(BTC, sender=keeper)
    assert house.marketState(BTC) == before


def test_nobody_trades_in_a_closed_market(dead, deployer, trader, market_maker):
    close(dead, PRICE)
    dead.feeds[BTC].setMode(0, sender=deployer)
    dead.set_price(BTC, 10_000)
    with reverts("MarketNotOpen", market=BTC):
        dead.trade(market_maker, trader, 10, 10_000)


def test_a_market_is_closed_once(dead):
    close(dead, PRICE)
    with reverts("MarketNotOpen", market=BTC):
        close(dead, PRICE)


def test_an_unknown_market_is_not_closed(opened):
    with reverts("MarketNotOpen", market=2):
        close(opened, PRICE, market=2)


def test_other_markets_go_on(dead, trader, market_maker):
    with reverts("PriceUnavailable", market=BTC):
        dead.trade(trader, market_maker, 10, 500, market=ETH)
    close(dead, PRICE)
    dead.trade(trader, market_maker, 10, 500, market=ETH)
    assert dead.size(trader, ETH) == dead.wad(10)


def test_while_a_feed_is_dead_only_what_needs_no_price_goes_on(dead, trader, market_maker, other_trader):
    for refused in (
        lambda: dead.settle(trader),
        lambda: dead.flag(trader),
        lambda: dead.trade(market_maker, trader, 1, 10_000),
        lambda: dead.vault.withdraw(1, trader, [], sender=trader),
    ):
        with reverts("PriceUnavailable", market=BTC):
            refused()
    dead.deposit(trader, 1)
    dead.vault.withdraw(1, other_trader, [], sender=other_trader)
    dead.trade(other_trader, dead.actors["liquidator"], 1, 500, market=ETH)
