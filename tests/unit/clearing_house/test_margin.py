"""What a position changes and must meet once it is there (SPECIFICATION.md section 3).

The trader holds 10 BTC bought at 10,000. Below, it sells as maker: its fee is 0.02%.
"""

import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import index

BTC, ETH = 0, 1

pytestmark = pytest.mark.usefixtures("opened")


def cash(system, *accounts):
    return [system.vault.cashOf(account) for account in accounts]


# ---- sizes


def test_a_position_that_crosses_zero_changes_sides(opened, house, trader, market_maker):
    opened.trade(market_maker, trader, 12, 10_000)
    assert (opened.size(trader), opened.size(market_maker)) == (opened.wad(-2), opened.wad(2))
    state = house.marketState(BTC)
    assert (state.openInterest, state.long.positions, state.short.positions) == (opened.wad(2), 1, 1)
    assert house.position(trader, BTC).index == index(True, state.valueIndex)


def test_a_position_that_becomes_flat_is_deleted(opened, house, trader, market_maker):
    receipt = opened.trade(market_maker, trader, 10, 10_000)
    for account in (trader, market_maker):
        assert house.position(account, BTC).multiplier == 0
        assert house.positionMarkets(account) == 0
    assert {log["size"] for log in events(receipt, "PositionChanged")} == {0}
    state = house.marketState(BTC)
    assert (state.openInterest, state.long.positions, state.short.positions) == (0, 0, 0)
    # Nothing stale is left behind, so no epoch has to end.
    assert (state.long.epoch, state.short.epoch) == (0, 0)


def test_a_position_passed_on_leaves_open_interest_alone(opened, house, trader, other_trader):
    receipt = opened.trade(other_trader, trader, 10, 10_000)
    assert house.marketState(BTC).openInterest == opened.wad(10)
    assert event(receipt, "Traded")["openInterest"] == opened.wad(10)
    assert (opened.size(trader), opened.size(other_trader)) == (0, opened.wad(10))


def test_a_trade_settles_both_first(opened, house, trader, market_maker):
    opened.set_price(BTC, 10_100)
    before = cash(opened, market_maker, trader)
    receipt = opened.trade(trader, market_maker, 1, 10_100)
    pnl = {log["account"]: log["pnl"] for log in events(receipt, "Settled")}
    assert pnl == {trader.address: opened.usd(1_000), market_maker.address: -opened.usd(1_000)}
    fees = opened.usd("2.02"), opened.usd("5.05")
    moved = [a - b for a, b in zip(cash(opened, market_maker, trader), before, strict=True)]
    # Whoever is settled first, the loser has paid; the winner may have to wait for its next settlement.
    assert moved[0] == -opened.usd(1_000) - fees[0]
    assert moved[1] + opened.vault.claimsOf(trader, BTC) == opened.usd(1_000) - fees[1]
    assert house.position(trader, BTC).index == index(False, house.marketState(BTC).valueIndex)


# ---- initial margin


def test_requirements_of_all_markets_add_up(opened, house, trader, market_maker):
    # 5,000 are needed for BTC; 196 ETH need 4,900 and cost 19.6.
    opened.trade(market_maker, trader, 196, 500, market=ETH)
    equity, initial, maintenance, value = house.health(trader)
    assert (equity, initial) == (opened.usd("9930.4"), opened.usd(9_900))
    assert (maintenance, value) == (opened.usd(5_940), opened.usd(198_000))
    with reverts("InitialMarginNotMet", account=trader):
        opened.trade(market_maker, trader, 2, 500, market=ETH)


def test_unsettled_losses_elsewhere_count(opened, trader, market_maker):
    opened.set_price(BTC, 9_500)
    # 4,950 of equity; 4,750 are needed for BTC.
    with reverts("InitialMarginNotMet", account=trader):
        opened.trade(trader, market_maker, 10, 500, market=ETH)
    opened.trade(trader, market_maker, 7, 500, market=ETH)


def test_claims_count_as_equity(opened, trader, market_maker):
    opened.set_price(BTC, 11_000)
    opened.settle(trader)
    assert opened.vault.claimsOf(trader, BTC) == opened.usd(10_000)
    # 19,950 of equity, 9,950 of it in cash: 30 BTC at 11,000 need 16,500.
    opened.trade(trader, market_maker, 20, 11_000)
    assert opened.size(trader) == opened.wad(30)


# ---- reducing below initial margin


def test_whoever_is_below_initial_margin_may_reduce(opened, house, trader, market_maker):
    opened.set_price(BTC, 9_100)
    # 950 of equity, 4,550 needed.
    opened.trade(market_maker, trader, 1, 9_100)
    equity, initial, *_ = house.health(trader)
    assert (equity, initial) == (opened.usd("948.18"), opened.usd(4_095))


def test_reducing_must_not_worsen_the_ratio(opened, trader, market_maker):
    opened.set_price(BTC, 9_100)
    # Selling 2% below the mark costs 182 and a fee of 1.7836: 766.2164 / 4,095 is less than 950 / 4,550.
    with reverts(
        "InitialMarginNotMet", account=trader, equity=opened.usd("766.2164"), required=opened.usd(4_095)
    ):
        opened.trade(market_maker, trader, 1, 8_918)


def test_reducing_at_a_bad_price_is_fine_while_the_ratio_rises(opened, house, trader, market_maker):
    opened.set_price(BTC, 9_400)
    # 3,950 / 4,700 = 0.840; selling 2% below: (3,950 - 188 - 1.8424) / 4,230 = 0.889.
    opened.trade(market_maker, trader, 1, 9_212)
    assert house.health(trader)[:2] == (opened.usd("3760.1576"), opened.usd(4_230))


def test_the_ratio_may_stay_as_it_is_to_the_last_unit(opened, house, trader, market_maker, governor):
    """E' * IM >= E * IM' is exact: a price at which both sides are equal passes, one below it does not."""
    free = without_fees(opened)
    house.setMarketParameters(BTC, free, sender=governor)
    opened.set_price(BTC, 9_105)
    # E = 1,000, IM = 4,552.5. Selling 1 BTC at p keeps the ratio where 9,105 - p = 100.
    with reverts("InitialMarginNotMet", account=trader, equity=opened.usd(900) - 1):
        opened.trade(market_maker, trader, 1, "9004.999999")
    opened.trade(market_maker, trader, 1, 9_005)
    assert house.health(trader)[:2] == (opened.usd(900), opened.usd("4097.25"))


def without_fees(system):
    parameters = list(system.clearing_house.marketParameters(BTC))
    parameters[2:4] = [0, 0]
    return tuple(parameters)


def test_an_insolvent_account_trades_in_no_market(opened, trader, market_maker):
    opened.trade(trader, market_maker, 10, 500, market=ETH)
    opened.set_price(BTC, 8_900)
    # Not in debt yet, but E' < 0.
    with reverts("InitialMarginNotMet", account=trader):
        opened.trade(market_maker, trader, 5, 500, market=ETH)


@pytest.mark.parametrize("role", ["maker", "taker"])
def test_an_account_in_debt_does_not_trade(opened, trader, market_maker, role):
    opened.set_price(BTC, 8_900)
    with reverts("AccountInDebt", account=trader):
        if role == "taker":
            opened.trade(market_maker, trader, 1, 8_900)
        else:
            opened.fill(opened.order(trader, is_buy=False, size=1, price=8_900), market_maker)


def test_crossing_zero_is_not_reducing(opened, trader, market_maker):
    opened.set_price(BTC, 9_100)
    with reverts("InitialMarginNotMet", account=trader):
        opened.trade(market_maker, trader, 15, 9_100)


def test_closing_to_the_last_needs_no_margin(opened, house, trader, market_maker):
    opened.set_price(BTC, 9_007)
    # 20 of equity, 18.014 of fees.
    opened.trade(market_maker, trader, 10, 9_007)
    assert house.health(trader) == (opened.usd("1.986"), 0, 0, 0)


def test_a_trade_back_above_initial_margin_takes_the_flag_away(opened, house, trader, market_maker):
    opened.set_price(BTC, 9_200)
    opened.flag(trader)
    opened.trade(market_maker, trader, 1, 9_200)
    assert house.flagOf(trader)[0] != 0
    receipt = opened.trade(market_maker, trader, 5, 9_200)
    assert event(receipt, "Unflagged") == {"account": trader}
    assert house.flagOf(trader) == (0, False)


# ---- reduce-only orders


def test_a_reduce_only_order_only_reduces(opened, trader, market_maker):
    order = opened.order(trader, is_buy=False, size=12, price=10_000, reduce_only=True)
    with reverts("OrderReduceOnly", maker=trader):
        opened.fill(order, market_maker)
    opened.fill(order, market_maker, 10)
    assert opened.size(trader) == 0
    with reverts("OrderReduceOnly", maker=trader):
        opened.fill(order, market_maker, 1)


def test_a_reduce_only_order_never_enlarges(opened, trader, market_maker):
    order = opened.order(trader, is_buy=True, size=1, price=10_000, reduce_only=True)
    with reverts("OrderReduceOnly", maker=trader):
        opened.fill(order, market_maker)


# ---- limits


def test_no_trade_leaves_dust(opened, trader, other_trader):
    with reverts(
        "PositionBelowMinimum", account=trader, notional=opened.usd("99.99"), minNotional=opened.usd(100)
    ):
        opened.trade(other_trader, trader, "9.990001", 10_000)
    opened.trade(other_trader, trader, "9.99", 10_000)
    assert opened.size(trader) == opened.wad("0.01")
    # What the price has made too small may be closed, and not be reduced.
    opened.set_price(BTC, 9_900)
    with reverts("PositionBelowMinimum", account=trader):
        opened.trade(other_trader, trader, "0.001", 9_900)
    opened.trade(other_trader, trader, "0.01", 9_900)
    assert opened.size(trader) == 0


def test_a_crossing_leaves_no_dust_either(opened, trader, market_maker):
    with reverts("PositionBelowMinimum", notional=opened.usd(10)):
        opened.trade(market_maker, trader, "10.001", 10_000)


@pytest.fixture
def capped(opened, house, governor):
    """Open interest may not exceed 8 BTC, and is at 10."""
    parameters = list(house.marketParameters(BTC))
    parameters[7] = opened.wad(8)
    house.setMarketParameters(BTC, tuple(parameters), sender=governor)
    return opened


def test_open_interest_has_a_cap(capped, trader, other_trader, market_maker):
    with reverts("OpenInterestAboveCap", market=BTC, openInterest=capped.wad(11), max=capped.wad(8)):
        capped.trade(other_trader, market_maker, 1, 10_000)
    # What does not add to it goes on above the cap.
    capped.trade(other_trader, trader, 5, 10_000)
    capped.trade(market_maker, trader, 3, 10_000)
    with reverts("OpenInterestAboveCap", openInterest=capped.wad("8.5")):
        capped.trade(other_trader, market_maker, "1.5", 10_000)
    capped.trade(other_trader, market_maker, 1, 10_000)
