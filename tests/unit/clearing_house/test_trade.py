"""What a trade does to cash, positions and the market, and what it must meet (SPECIFICATION.md section 3)."""

from dataclasses import replace

import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import ONE_A, band_edges, index, notional, part_up, trunc_div

BTC, ETH = 0, 1
MAKER_FEE, TAKER_FEE, BAND = 200, 500, 20_000
PRICE = 10_000 * 10**18


def cash(system, *accounts):
    return [system.vault.cashOf(account) for account in accounts]


# ---- opening


def test_a_trade_opens_a_long_and_a_short(system, house, trader, market_maker):
    order = system.order(market_maker, is_buy=False, size=10, price=10_000)
    receipt = system.fill(order, trader)
    size = system.wad(10)
    value_index = house.marketState(BTC).valueIndex
    assert value_index == PRICE

    for account, is_short in ((trader, False), (market_maker, True)):
        record = house.position(account, BTC)
        assert (record.size, record.multiplier, record.epoch, record.isShort) == (size, ONE_A, 0, is_short)
        assert record.index == index(is_short, value_index)
        assert house.positionMarkets(account) == 1 << BTC
    signed = {log["account"]: (log["market"], log["size"]) for log in events(receipt, "PositionChanged")}
    assert signed == {trader.address: (BTC, size), market_maker.address: (BTC, -size)}
    state = house.marketState(BTC)
    assert (state.openInterest, state.long.positions, state.short.positions) == (size, 1, 1)
    assert event(receipt, "Traded") == {
        "orderHash": house.hashOrder(order.as_tuple()),
        "maker": market_maker,
        "taker": trader,
        "market": BTC,
        "makerBuys": False,
        "size": size,
        "price": PRICE,
        "makerFee": system.usd(20),
        "takerFee": system.usd(50),
        "openInterest": size,
    }


def test_both_pay_their_fee_in_cash(system, trader, market_maker):
    before = cash(system, market_maker, trader)
    receipt = system.trade(trader, market_maker, 10, 10_000)
    assert cash(system, market_maker, trader) == [before[0] - system.usd(20), before[1] - system.usd(50)]
    assert system.vault.uncollected() == (system.usd(70), 0)
    # At the mark no difference is paid: only the fees remain, whoever counts as payer.
    exchanged = event(receipt, "Exchanged")
    assert exchanged["amount"] == 0
    assert {exchanged["payerFee"], exchanged["payeeFee"]} == {system.usd(20), system.usd(50)}


def test_fees_are_rounded_up(system, trader, market_maker):
    size, price = 123_456_789_012_345_678, 10_000 * 10**18 + 1
    order = system.order(
        market_maker, is_buy=False, size="0.123456789012345678", price="10000.000000000000000001"
    )
    before = cash(system, market_maker, trader)
    fees = [part_up(size, price, MAKER_FEE), part_up(size, price, TAKER_FEE)]
    system.fill(order, trader)
    after = cash(system, market_maker, trader)
    # The difference of 1e-18 dollars is less than a unit.
    assert [b - a for a, b in zip(after, before, strict=True)] == fees
    assert (size * price * TAKER_FEE) % (10**30 * 10**6) != 0


def test_positions_add_up_over_several_trades(system, house, trader, other_trader, market_maker):
    system.trade(trader, market_maker, 4, 10_000)
    system.trade(other_trader, market_maker, 3, 10_000)
    system.trade(market_maker, trader, 1, 10_000)
    assert [system.size(account) for account in (trader, other_trader, market_maker)] == [
        system.wad(size) for size in (3, 3, -6)
    ]
    state = house.marketState(BTC)
    assert (state.openInterest, state.long.positions, state.short.positions) == (system.wad(6), 2, 1)


# ---- the difference to the mark


@pytest.mark.parametrize("maker_buys", [True, False])
@pytest.mark.parametrize("price", [10_150, 9_850])
def test_the_difference_to_the_mark_is_paid_at_once(system, trader, market_maker, price, maker_buys):
    order = system.order(market_maker, is_buy=maker_buys, size=2, price=price)
    before = cash(system, market_maker, trader)
    receipt = system.fill(order, trader)
    difference = system.usd(300) * (1 if price > 10_000 else -1)  # that the buyer pays
    fees = [part_up(order.size, order.price, rate) for rate in (MAKER_FEE, TAKER_FEE)]
    to_maker = -difference if maker_buys else difference
    assert cash(system, market_maker, trader) == [
        before[0] + to_maker - fees[0],
        before[1] - to_maker - fees[1],
    ]
    payer, payee = (trader, market_maker) if to_maker > 0 else (market_maker, trader)
    assert event(receipt, "Exchanged") == {
        "payer": payer,
        "payee": payee,
        "amount": system.usd(300),
        "payerFee": fees[0] if payer is market_maker else fees[1],
        "payeeFee": fees[1] if payer is market_maker else fees[0],
    }
    # Both start at the mark: what the price was worth has been paid.
    assert system.clearing_house.health(trader)[0] == system.vault.net(trader)


def test_the_difference_is_rounded_down(system, trader, market_maker):
    size, price = 123_456_789_012_345_678, 10_000_000_333 * 10**12
    order = system.order(market_maker, is_buy=False, size="0.123456789012345678", price="10000.000333")
    before = cash(system, market_maker)[0]
    system.fill(order, trader)
    gained = cash(system, market_maker)[0] - before + part_up(size, price, MAKER_FEE)
    assert gained == notional(size, price - PRICE) == 41
    assert size * (price - PRICE) % 10**30 != 0


def test_a_difference_needs_cash(system, stranger, market_maker):
    system.deposit(stranger, 100)
    order = system.order(market_maker, is_buy=False, size=1, price=10_150)
    with reverts("InsufficientCash", account=stranger, cash=system.usd(100)):
        system.fill(order, stranger)


@pytest.mark.parametrize(
    ("price", "premium"), [("10150", 15_000), ("9850", -15_000), ("10000.0199", 1), ("9999.9801", -1)]
)
def test_the_premium_of_the_last_trade_is_kept(system, house, trader, market_maker, price, premium):
    system.trade(trader, market_maker, 1, price)
    assert house.marketState(BTC).lastPremium == premium
    system.trade(market_maker, trader, 1, 10_000)
    assert house.marketState(BTC).lastPremium == 0


@pytest.mark.parametrize(("size", "price"), [("2.5", 10_100), ("0.7", 9_900), ("3", 10_000)])
def test_the_premium_moves_by_the_share_of_open_interest(
    system, house, trader, other_trader, market_maker, size, price
):
    system.trade(trader, market_maker, 10, 10_080)
    assert house.marketState(BTC).lastPremium == 8_000
    system.trade(other_trader, market_maker, size, price)
    premium = (price - 10_000) * 100
    open_interest = system.wad(10) + system.wad(size)
    expected = 8_000 + trunc_div((premium - 8_000) * system.wad(size), open_interest)
    assert house.marketState(BTC).lastPremium == expected


# ---- the band


@pytest.mark.parametrize("edge", [0, 1])
def test_a_price_lies_within_the_band(system, trader, market_maker, edge):
    limit = band_edges(PRICE, BAND)[edge]
    outside = limit + (1 if edge else -1)
    order = system.order(market_maker, is_buy=False, size=1, price=1)
    with reverts("PriceOutsideBand", price=outside, mark=PRICE, band=BAND):
        system.fill(replace(order, price=outside), trader)
    system.fill(replace(order, price=limit), trader)
    assert system.size(trader) == system.wad(1)


def test_the_band_is_around_the_mark_of_this_block(system, trader, market_maker):
    order = system.order(market_maker, is_buy=False, size=1, price=10_000)
    system.set_price(BTC, 10_300)
    with reverts("PriceOutsideBand", price=PRICE, mark=system.wad(10_300), band=BAND):
        system.fill(order, trader)


# ---- initial margin


def test_a_new_position_needs_initial_margin(system, house, trader, market_maker):
    # 10,000 in cash; each BTC costs 5 in fees and needs 500.
    with reverts(
        "InitialMarginNotMet", account=trader, equity=system.usd("9900.95"), required=system.usd("9905")
    ):
        system.trade(trader, market_maker, "19.81", 10_000)
    system.trade(trader, market_maker, "19.8", 10_000)
    assert house.health(trader) == (
        system.usd(9_901),
        system.usd(9_900),
        system.usd(5_940),
        system.usd(198_000),
    )


def test_the_maker_needs_initial_margin_too(system, trader, market_maker):
    # Each BTC costs 2 in fees and needs 500.
    order = system.order(trader, is_buy=True, size="19.93", price=10_000)
    with reverts(
        "InitialMarginNotMet", account=trader, equity=system.usd("9960.14"), required=system.usd("9965")
    ):
        system.fill(order, market_maker)


# ---- limits


def test_a_position_has_a_minimum(system, trader, market_maker):
    with reverts("PositionBelowMinimum", notional=system.usd("99.9999"), minNotional=system.usd(100)):
        system.trade(trader, market_maker, "0.00999999", 10_000)
    system.trade(trader, market_maker, "0.01", 10_000)


def test_nobody_trades_with_itself(system, trader):
    with reverts("SelfTrade", account=trader):
        system.trade(trader, trader, 1, 10_000)


def test_a_trade_has_a_size(system, trader, market_maker):
    order = system.order(market_maker, is_buy=False, size=1, price=10_000)
    with reverts("ZeroSize"):
        system.fill(order, trader, 0)


def test_there_is_no_trade_without_a_market(system, trader, market_maker):
    with reverts("MarketNotOpen", market=2):
        system.trade(trader, market_maker, 1, 10_000, market=2)


def test_there_is_no_trade_without_a_price(system, trader, market_maker):
    system.wait(2 * 3_600)
    with reverts("PriceUnavailable", market=BTC, status=1):
        system.trade(trader, market_maker, 1, 10_000)
