"""The guardian's pause: what it stops, for how long, and what it can't stop (SPECIFICATION.md section 8)."""

import pytest

from tests.expect import event, reverts
from tests.unit.clearing_house.numbers import AUCTION

BTC = 0
DAY = 86_400

pytestmark = pytest.mark.usefixtures("opened")


def pause(system, duration):
    return system.clearing_house.pauseNewRisk(duration, sender=system.actors["guardian"])


@pytest.fixture
def paused(opened):
    pause(opened, DAY)
    return opened


def test_a_pause_ends_by_itself(opened, house, trader, market_maker, chain):
    receipt = pause(opened, 3_600)
    until = receipt.timestamp + 3_600
    assert event(receipt, "NewRiskPaused") == {"until": until}
    assert house.pausedUntil() == until
    order = opened.order(market_maker, is_buy=False, size=1, price=10_000, expiry=until)
    chain.pending_timestamp = until - 1
    with reverts("NewRiskIsPaused", until=until):
        opened.fill(order, trader)
    chain.pending_timestamp = until
    opened.fill(order, trader)
    assert opened.size(trader) == opened.wad(11)


def test_a_pause_stops_new_positions_of_makers_and_takers(paused, house, other_trader, trader):
    until = house.pausedUntil()
    with reverts("NewRiskIsPaused", until=until):
        paused.trade(other_trader, trader, 1, 10_000)
    with reverts("NewRiskIsPaused", until=until):
        paused.trade(trader, other_trader, 1, 10_000)


def test_a_pause_does_not_stop_anyone_from_reducing(paused, trader, market_maker):
    paused.trade(market_maker, trader, 4, 10_000)
    assert paused.size(trader) == paused.wad(6)


def test_a_pause_stops_no_money_and_no_liquidation(paused, trader, liquidator, other_trader):
    paused.deposit(trader, 1)
    paused.vault.withdraw(1, other_trader, [], sender=other_trader)
    paused.set_price(BTC, 9_250)
    paused.flag(trader)
    paused.liquidate(trader, liquidator, "0.1")
    assert paused.size(liquidator) == paused.wad(1)
    paused.wait(AUCTION + 1)
    paused.deleverage(trader)
    assert paused.size(trader) == 0


def test_a_pause_lasts_three_days_at_most(opened, house):
    with reverts("PauseTooLong", duration=3 * DAY + 1, max=3 * DAY):
        pause(opened, 3 * DAY + 1)
    receipt = pause(opened, 3 * DAY)
    assert house.pausedUntil() == receipt.timestamp + 3 * DAY


def test_the_next_pause_is_a_week_after_the_last_began(opened, house, chain):
    began = pause(opened, 60).timestamp
    chain.pending_timestamp = began + 7 * DAY - 1
    with reverts("PauseTooSoon", allowedFrom=began + 7 * DAY):
        pause(opened, 60)
    chain.pending_timestamp = began + 7 * DAY
    pause(opened, 60)
    assert house.pausedUntil() == began + 7 * DAY + 60
