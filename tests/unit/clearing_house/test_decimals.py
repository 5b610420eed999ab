"""The same story with tokens of 6, 8 and 18 decimals (SPECIFICATION.md section 1)."""

import pytest

from tests.unit.clearing_house.numbers import ONE_A, notional, part_up, unsettled

BTC = 0


@pytest.fixture(scope="module", params=[6, 8, 18])
def system_of(request, system, deploy_system):
    if request.param == 6:
        return system
    other = deploy_system(token_decimals=request.param)
    other.deposit(other.actors["market_maker"], 1_000_000)
    other.deposit(other.actors["trader"], 10_000)
    other.contribute(other.actors["deployer"], 10_000)
    return other


def test_amounts_are_in_units_of_the_token(system_of, trader, market_maker):
    system, decimals = system_of, system_of.deployment.decimals
    house, vault = system.clearing_house, system.vault
    assert vault.assetDecimals() == decimals
    size, price = system.wad("1.234567890123456789"), system.wad("10012.345678901234567891")
    start = [vault.cashOf(account) for account in (market_maker, trader)]
    assert start == [1_000_000 * 10**decimals, 10_000 * 10**decimals]

    order = system.order(
        market_maker, is_buy=False, size="1.234567890123456789", price="10012.345678901234567891"
    )
    system.fill(order, trader)
    mark = system.wad(10_000)
    difference = notional(size, price - mark, decimals)
    fees = [part_up(size, price, rate, decimals) for rate in (200, 500)]
    cash = [start[0] + difference - fees[0], start[1] - difference - fees[1]]
    assert [vault.cashOf(account) for account in (market_maker, trader)] == cash

    initial, maintenance = (part_up(size, mark, ratio, decimals) for ratio in (50_000, 30_000))
    assert house.health(trader) == (cash[1], initial, maintenance, notional(size, mark, decimals))
    assert house.liquidationParameters().minNotional == 100 * 10**decimals

    system.set_price(BTC, "9876.54321")
    system.settle(trader, market_maker)
    # The premium of the trade is paid as funding, second by second, so the index says what has moved.
    change = house.marketState(BTC).valueIndex - mark
    lost = -unsettled(size, ONE_A, ONE_A * change, decimals)
    won = unsettled(size, ONE_A, -ONE_A * change, decimals)
    assert lost > 0
    assert 0 <= lost - won <= 1
    assert [vault.cashOf(account) for account in (market_maker, trader)] == [cash[0] + won, cash[1] - lost]
    assert vault.marketLedger(BTC).pool == lost - won

    before = system.token.balanceOf(trader)
    vault.withdraw(10**decimals, trader, [], sender=trader)
    assert system.token.balanceOf(trader) - before == 10**decimals


def test_a_default_is_paid_in_units_of_the_token(system_of, trader, market_maker, chain):
    system, decimals = system_of, system_of.deployment.decimals
    system.trade(trader, market_maker, 10, 10_000)
    system.set_price(BTC, 8_900)
    since = system.flag(trader).timestamp
    chain.pending_timestamp = since + 601
    system.deleverage(trader)
    assert system.default_record(1)["shortfall"] == 1_050 * 10**decimals
    assert system.token.balanceOf(system.fund) == system.fund.totalAssets()
