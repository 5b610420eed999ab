"""Sections 3 to 5 by worked example: trade, settle, flag, liquidate, deleverage, loss. No fees unless set."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.stage import DOLLAR, FREE, UNIT, UNPAID, Stage, units, wei
from weir.model import WAD, LiquidationParameters, MarketParameters, dump, errors
from weir.model.numbers import FLOOR_A, ONE_A


@pytest.fixture
def stage() -> Stage:
    """One market at 100 dollars, three accounts with 1000 dollars each."""
    stage = Stage(100)
    stage.fund_account(trader=1_000, market_maker=1_000, other_trader=1_000)
    return stage


# ---- trade


def test_a_trade_opens_both_sides(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 5)
    assert (stage.size("trader"), stage.size("market_maker")) == (5, -5)
    assert stage.world.house.markets[0].open_interest == 5 * UNIT


def test_fees_and_price_difference_move_cash() -> None:
    stage = Stage(100, parameters=MarketParameters(maker_fee=200, taker_fee=500))
    stage.fund_account(maker=1_000, taker=1_000)
    order = stage.order("maker", True, 10, 101)
    stage.call("trade", "taker", order, order.size)
    # the buyer pays (101 - 100) x 10 to the seller; fees are on 1010 dollars
    assert stage.cash("maker") == pytest.approx(1_000 - 10 - 0.202)
    assert stage.cash("taker") == pytest.approx(1_000 + 10 - 0.505)
    assert stage.world.ledger.fees == units(0.707)
    assert stage.world.house.markets[0].last_premium == 10_000


def test_fees_round_up_and_the_difference_down() -> None:
    stage = Stage(100, parameters=MarketParameters(maker_fee=200, taker_fee=500))
    stage.fund_account(maker=1, taker=1)
    order = stage.order("maker", False, 0.000001, 99.5)
    stage.call("trade", "taker", order, 10**9)  # 1e-7 dollars of notional
    assert stage.world.ledger.fees == 2
    assert (stage.world.ledger.cash["maker"], stage.world.ledger.cash["taker"]) == (DOLLAR - 1, DOLLAR - 1)


def test_crossing_zero_changes_the_side(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 5)
    stage.trade("other_trader", "trader", 8)
    assert [stage.size(a) for a in ("trader", "market_maker", "other_trader")] == [-3, -5, 8]
    market = stage.world.house.markets[0]
    assert (market.open_interest, market.long.positions, market.short.positions) == (8 * UNIT, 1, 2)


def test_closing_deletes_the_records(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 5)
    stage.trade("market_maker", "trader", 5)
    market = stage.world.house.markets[0]
    assert (market.open_interest, market.long.positions, market.short.positions, market.long.epoch) == (
        0,
        0,
        0,
        0,
    )
    assert not stage.world.house.positions["trader"]


def test_initial_margin_is_needed_for_more_risk(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)  # exactly 20x
    with pytest.raises(errors.InitialMarginNotMet):
        stage.trade("trader", "market_maker", 0.000001)


def test_below_initial_margin_a_trade_may_not_worsen_the_ratio(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    stage.price(96)  # equity 200, margin 960
    with pytest.raises(errors.InitialMarginNotMet):
        stage.trade("market_maker", "trader", 50, 94.999999)
    stage.trade("market_maker", "trader", 50, 95)  # equity 150, margin 720: the same ratio
    assert (stage.size("trader"), stage.cash("trader")) == (150, 150)


def test_a_losing_account_may_give_up_its_equity_but_not_more(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    stage.price(99)  # equity 800
    with pytest.raises(errors.InsufficientCash):
        stage.trade("market_maker", "trader", 200, 94.99)
    stage.trade("market_maker", "trader", 200, 95)
    assert (stage.cash("trader"), stage.size("trader")) == (0, 0)


def test_accounts_in_debt_do_not_trade(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    stage.price(90)
    with pytest.raises(errors.AccountInDebt):
        stage.trade("market_maker", "trader", 200)


def test_a_trade_may_not_leave_dust(stage: Stage) -> None:
    stage.world.set_liquidation_parameters(replace(UNPAID, min_notional=100 * DOLLAR))
    with pytest.raises(errors.PositionBelowMinimum):
        stage.trade("trader", "market_maker", 0.9)
    stage.trade("trader", "market_maker", 5)
    with pytest.raises(errors.PositionBelowMinimum):
        stage.trade("market_maker", "trader", 4.5)
    stage.trade("market_maker", "trader", 5)


def test_open_interest_is_capped(stage: Stage) -> None:
    stage.world.set_market_parameters(0, replace(FREE, max_open_interest=5 * UNIT))
    stage.trade("trader", "market_maker", 5)
    with pytest.raises(errors.OpenInterestAboveCap):
        stage.trade("trader", "market_maker", 0.1)
    stage.trade("other_trader", "trader", 5)  # passes on, open interest does not grow


def test_a_paused_market_only_reduces(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 5)
    stage.call("pause", 3 * 86_400)
    with pytest.raises(errors.NewRiskIsPaused):
        stage.trade("trader", "market_maker", 1)
    with pytest.raises(errors.NewRiskIsPaused):
        stage.trade("market_maker", "trader", 6)
    stage.trade("market_maker", "trader", 4)
    with pytest.raises(errors.PauseTooSoon):
        stage.call("pause", 1)
    stage.world.advance(3 * 86_400)
    stage.trade("trader", "market_maker", 1)


def test_reduce_only_orders_never_open_or_cross(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 5)
    opening = stage.order("other_trader", True, 1, reduce_only=True)
    crossing = stage.order("trader", False, 6, reduce_only=True)
    for order in (opening, crossing):
        with pytest.raises(errors.OrderReduceOnly):
            stage.call("trade", "market_maker", order, order.size)
    stage.call("trade", "market_maker", crossing, wei(5))


def test_orders_are_filled_in_part_and_never_beyond(stage: Stage) -> None:
    order = stage.order("trader", True, 3)
    stage.call("trade", "market_maker", order, wei(1))
    stage.call("trade", "market_maker", order, wei(2))
    with pytest.raises(errors.OrderOverfilled):
        stage.call("trade", "market_maker", order, 1)


def test_orders_end(stage: Stage) -> None:
    world = stage.world
    expiring = stage.order("trader", True, 3, expiry=world.clock.time)
    stage.call("trade", "market_maker", expiring, wei(1))
    cancelled, generation = stage.order("trader", True, 3), stage.order("trader", True, 3)
    with pytest.raises(errors.NotMaker):
        stage.call("cancel", "market_maker", cancelled)
    stage.call("cancel", "trader", cancelled)
    with pytest.raises(errors.OrderOverfilled):
        stage.call("trade", "market_maker", cancelled, 1)
    stage.call("cancel_all", "trader")
    with pytest.raises(errors.OrderGenerationMismatch):
        stage.call("trade", "market_maker", generation, 1)
    world.advance(1)
    with pytest.raises(errors.OrderExpired):
        stage.call("trade", "market_maker", expiring, 1)


@pytest.mark.parametrize(
    ("price", "inside"), [(105, True), (105.000001, False), (95, True), (94.999999, False)]
)
def test_trades_lie_within_the_band(stage: Stage, price: float, inside: bool) -> None:
    if inside:
        stage.trade("trader", "market_maker", 1, price)
    else:
        with pytest.raises(errors.PriceOutsideBand):
            stage.trade("trader", "market_maker", 1, price)


def test_an_order_needs_two_accounts_and_a_size(stage: Stage) -> None:
    order = stage.order("trader", True, 1)
    with pytest.raises(errors.SelfTrade):
        stage.call("trade", "trader", order, order.size)
    with pytest.raises(errors.ZeroSize):
        stage.call("trade", "market_maker", order, 0)


def test_at_most_eight_positions() -> None:
    stage = Stage(*[1] * 9)
    stage.fund_account(trader=1_000, market_maker=1_000, other_trader=1_000)
    for market in range(8):
        stage.trade("trader", "market_maker", 1, market=market)
    with pytest.raises(errors.TooManyPositions):
        stage.trade("trader", "other_trader", 1, market=8)


def test_a_refused_call_changes_nothing(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    stage.price(99)
    before = dump(stage.world)
    order = stage.order("other_trader", True, 900)
    with pytest.raises(errors.InitialMarginNotMet):
        stage.call("trade", "trader", order, order.size)
    assert dump(stage.world) == before
    assert order not in stage.world.house.filled


# ---- settlement and withdrawal


def test_winners_draw_in_the_losers_payments(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 10)
    stage.price(110)
    with pytest.raises(errors.InsufficientCash):
        stage.call("withdraw", "trader", units(1_040), "trader")
    stage.call("withdraw", "trader", units(1_040), "trader", ["market_maker"])
    assert (stage.cash("trader"), stage.cash("market_maker")) == (60, 900)


def test_withdrawal_leaves_initial_margin(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 100)
    with pytest.raises(errors.InitialMarginNotMet):
        stage.call("withdraw", "trader", units(500.000001), "trader")
    stage.call("withdraw", "trader", units(500), "trader")


def test_a_dead_feed_stops_only_what_needs_it(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 1)
    stage.world.set_price(0, None)
    stage.world.advance(1)
    stage.call("withdraw", "other_trader", units(1_000), "other_trader")
    stage.call("deposit", "trader", "trader", 1)
    for method, args in (
        ("withdraw", ("trader", 1, "trader")),
        ("settle", (["trader"],)),
        ("flag", ("trader",)),
    ):
        with pytest.raises(errors.PriceUnavailable):
            stage.call(method, *args)


def test_a_dead_market_is_closed_within_the_band_and_everyone_settles(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 10)
    with pytest.raises(errors.PriceStillLive):
        stage.call("close_market", 0, wei(90))
    stage.world.set_price(0, None)
    stage.world.advance(86_399)
    with pytest.raises(errors.PriceStillLive):
        stage.call("close_market", 0, wei(90))
    stage.world.advance(1)
    with pytest.raises(errors.ClosePriceOutOfBand):
        stage.call("close_market", 0, wei(79.999999))
    stage.call("close_market", 0, wei(80))
    stage.world.advance(1)
    stage.settle("trader", "market_maker")
    assert (stage.cash("trader"), stage.cash("market_maker")) == (800, 1_200)
    with pytest.raises(errors.MarketNotOpen):
        stage.trade("trader", "market_maker", 1, price=80)


def test_a_position_that_owes_nothing_keeps_its_record(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 10)
    record = stage.world.house.positions["trader"][0]
    stage.settle("trader")
    assert stage.world.house.positions["trader"][0] == record


# ---- flags


def test_flags_follow_equity(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    flags = stage.world.house.flags
    with pytest.raises(errors.NothingToFlag):
        stage.call("flag", "trader")
    stage.price(98)  # equity 600 of 19600 notional: above 3 %
    with pytest.raises(errors.NothingToFlag):
        stage.call("flag", "trader")
    stage.price(97.9)
    stage.call("flag", "trader")
    flagged_at = stage.world.clock.time
    stage.price(94)
    stage.call("flag", "trader")
    flags = stage.world.house.flags
    assert (flags["trader"].time, flags["trader"].insolvent, stage.world.house.insolvencies) == (
        flagged_at,
        True,
        1,
    )
    stage.price(96)
    stage.call("flag", "trader")
    assert not stage.world.house.flags["trader"].insolvent
    with pytest.raises(errors.AccountFlagged):
        stage.call("withdraw", "trader", 1, "trader")
    stage.price(100)
    stage.call("flag", "trader")
    assert not stage.world.house.flags


def test_a_trade_that_restores_margin_clears_the_flag(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    stage.price(97.9)
    stage.call("flag", "trader")
    stage.trade("market_maker", "trader", 190)
    assert not stage.world.house.flags


# ---- liquidation


def test_the_bounty_grows_with_the_auction_and_the_account_pays() -> None:
    stage = Stage(100, liquidation=LiquidationParameters(2_000, 15_000, 5_000, auction_duration=100))
    stage.fund_account(trader=1_000, market_maker=2_000, liquidator=5_000)
    stage.trade("trader", "market_maker", 200)
    stage.price(97.5)  # equity 500, notional 19500
    stage.call("flag", "trader")
    stage.world.advance(50)
    stage.call("liquidate", "liquidator", "trader", WAD // 10)
    # a tenth of 19500 at (2000 + 13000 / 2) ppm; penalty at 5000 ppm
    assert stage.cash("liquidator") == pytest.approx(5_000 + 1_950 * 0.0085)
    assert stage.world.ledger.levies == units(1_950 * 0.005)
    assert (stage.size("trader"), stage.size("liquidator")) == (180, 20)
    assert "trader" in stage.world.house.flags


@settings(max_examples=30, deadline=None)
@given(st.integers(9_580_000, 9_690_000), st.integers(0, 2_000))
def test_a_liquidation_of_all_stops_where_initial_margin_is_restored(price: int, wait: int) -> None:
    stage = Stage(100, 50, liquidation=LiquidationParameters(auction_duration=1_000))
    stage.fund_account(trader=1_500, market_maker=5_000, liquidator=50_000)
    stage.trade("trader", "market_maker", 150)
    stage.trade("market_maker", "trader", 200, market=1)
    stage.price(price / 100_000)
    stage.price(51.5, market=1)
    stage.call("flag", "trader")
    stage.world.advance(wait)
    stage.call("liquidate", "liquidator", "trader", WAD)
    health = stage.world.house.health("trader")
    # Roundings, of margin in each market too.
    assert health.initial - 2 <= health.equity <= health.initial + 5
    assert stage.size("trader") > 0
    assert ("trader" in stage.world.house.flags) == (health.equity < health.initial)


def test_a_liquidation_takes_and_leaves_no_dust() -> None:
    stage = Stage(100, liquidation=replace(UNPAID, min_notional=5_000 * DOLLAR))
    stage.fund_account(trader=1_000, market_maker=2_000, liquidator=5_000)
    stage.trade("trader", "market_maker", 200)
    stage.price(97.9)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", 1)
    assert stage.size("liquidator") * 97.9 == pytest.approx(5_000)
    stage.price(95.5)
    stage.call("liquidate", "liquidator", "trader", WAD * 7 // 10)  # would leave 4268 dollars
    assert stage.size("trader") == 0


def test_hedged_positions_are_sold_together() -> None:
    stage = Stage(100, 100)
    stage.fund_account(trader=1_000, market_maker=5_000, liquidator=5_000)
    stage.trade("trader", "market_maker", 100)
    stage.trade("market_maker", "trader", 90, market=1)
    stage.price(95)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD)
    # equity 500, margin 925: what restores it is all that is taken
    taken = (925 - 500) / 925
    assert stage.size("liquidator") == pytest.approx(100 * taken)
    assert stage.size("liquidator", 1) == pytest.approx(-90 * taken)
    assert stage.size("trader") + stage.size("liquidator") == 100


def test_the_fund_pays_the_bounty_when_the_account_has_nothing() -> None:
    stage = Stage(100, liquidation=LiquidationParameters(10_000, 10_000, 0), budget_share=1_000_000)
    stage.fund_account(trader=1_000, market_maker=5_000, liquidator=5_000)
    stage.call("contribute", "founder", units(5_000))
    stage.trade("trader", "market_maker", 200)
    stage.price(90)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD // 2)
    assert stage.cash("liquidator") == 5_000 + 90  # 1 % of half of 18000
    assert stage.world.fund.skin == units(5_000 - 90)
    assert stage.debt("trader") == 1_000  # not resolved before the last piece
    stage.call("liquidate", "liquidator", "trader", WAD)
    assert stage.world.fund.skin == units(5_000 - 180 - 1_000)


def test_who_may_liquidate(stage: Stage) -> None:
    stage.fund_account(liquidator=2_000)
    stage.trade("trader", "market_maker", 200)
    with pytest.raises(errors.AccountNotFlagged):
        stage.call("liquidate", "liquidator", "trader", WAD)
    stage.price(97.9)
    stage.call("flag", "trader")
    with pytest.raises(errors.SelfTrade):
        stage.call("liquidate", "trader", "trader", WAD)
    with pytest.raises(errors.ZeroSize):
        stage.call("liquidate", "liquidator", "trader", 0)
    with pytest.raises(errors.InitialMarginNotMet):
        stage.call("liquidate", "pauper", "trader", WAD)
    stage.price(100)
    with pytest.raises(errors.NotLiquidatable):
        stage.call("liquidate", "liquidator", "trader", WAD)


def test_a_flagged_account_does_not_liquidate(stage: Stage) -> None:
    stage.fund_account(market_maker=5_000)
    stage.trade("trader", "market_maker", 190)
    stage.trade("other_trader", "market_maker", 190)
    stage.price(97.5)
    stage.call("flag", "trader")
    stage.call("flag", "other_trader")
    with pytest.raises(errors.AccountFlagged):
        stage.call("liquidate", "other_trader", "trader", WAD)


def test_a_liquidator_does_not_end_in_debt() -> None:
    stage = Stage(100, 100, maturity=3_600)
    stage.fund_account(trader=1_000, market_maker=20_000, liquidator=1_000)
    stage.trade("liquidator", "market_maker", 100, market=1)
    stage.trade("market_maker", "liquidator", 40)
    stage.trade("market_maker", "trader", 200)
    stage.price(140, market=1)
    stage.call("withdraw", "liquidator", units(990), "liquidator")  # 4000 of claims are margin enough
    stage.price(102.1)  # its short loses 84, its cash is 10
    stage.call("flag", "trader")
    with pytest.raises(errors.AccountInDebt):
        stage.call("liquidate", "liquidator", "trader", WAD)
    stage.fund_account(liquidator=100)
    stage.call("liquidate", "liquidator", "trader", WAD)


# ---- deleveraging and loss


def test_deleveraging_waits_for_the_auction_unless_the_fund_is_dry(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 200)
    stage.price(97.5)
    stage.call("flag", "trader")
    with pytest.raises(errors.AuctionStillRunning):
        stage.call("deleverage", "trader")
    stage.price(94)  # insolvent, and the fund has nothing
    stage.call("deleverage", "trader")
    assert stage.size("trader") == 0


def test_deleveraging_closes_the_other_side_pro_rata(stage: Stage) -> None:
    stage.fund_account(bear=10_000, bull=10_000)
    stage.trade("trader", "market_maker", 150)
    stage.trade("bull", "bear", 50)
    stage.price(94)
    stage.deleverage("trader")
    assert [stage.size(a) for a in ("market_maker", "bear", "bull")] == [-37.5, -12.5, 50]
    assert stage.world.house.markets[0].short.multiplier == ONE_A // 4


def test_loss_is_borne_in_order() -> None:
    stage = Stage(100, budget_share=1_000_000, coinsurance=100_000)
    stage.fund_account(trader=1_000, market_maker=20_000)
    stage.call("contribute", "founder", units(100))
    stage.call("stake", "junior", "staker", units(200))
    stage.call("stake", "senior", "other_staker", units(300))
    stage.trade("trader", "market_maker", 200)
    stage.price(85)  # loses 3000 with 1000
    stage.call("flag", "trader")
    stage.deleverage("trader", ["market_maker"])
    record = stage.world.fund.defaults[0]
    paid = (
        record.coinsurance,
        record.skin,
        record.junior,
        record.senior,
        record.unpaid_profit,
        record.remainder,
    )
    assert record.shortfall == units(2_000)
    assert paid == tuple(units(x) for x in (200, 100, 200, 300, 1_200, 0))
    # 3000 of profit: 1000 was the trader's, 600 the fund's, 1400 nobody's
    assert stage.cash("market_maker") == 20_000
    stage.settle("market_maker")
    assert stage.cash("market_maker") == 21_600


def test_unsettled_profit_bears_the_remainder_through_the_index() -> None:
    stage = Stage(100)
    stage.fund_account(trader=1_000, market_maker=20_000, bear=20_000, bull=20_000)
    stage.trade("trader", "market_maker", 150)
    stage.trade("bull", "bear", 50)
    stage.price(90)  # the trader loses 1500 with 1000; nobody else has settled
    stage.deleverage("trader")
    assert stage.world.fund.defaults[0].remainder == units(500)
    stage.settle("bull", "market_maker", "bear")
    assert stage.cash("market_maker") == 20_000 + 1_500 - 375
    assert stage.cash("bear") == 20_000 + 500 - 125


def test_claims_elsewhere_are_margin_and_their_debt_waits_for_them() -> None:
    stage = Stage(100, 100, maturity=3_600)
    stage.fund_account(trader=100, loser=1_000, winner=1_000, liquidator=10_000)
    stage.trade("trader", "loser", 10)
    stage.trade("trader", "winner", 9, market=1)
    stage.price(130)
    stage.price(55, market=1)
    stage.settle("loser", "trader", "winner")
    assert (stage.claims("trader"), stage.debt("trader", 1)) == (300, 305)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD)
    # it defaults on 5 alone; the winner's other claims wait for the trader's
    assert [record.shortfall for record in stage.world.fund.defaults] == [units(5)]
    assert (stage.debt("trader", 1), stage.claims("winner", 1), stage.pool(1)) == (300, 400, 100)
    with pytest.raises(errors.AccountInDebt):
        stage.call("withdraw", "trader", 1, "trader")
    stage.world.advance(7_200)
    stage.settle("trader", "winner")
    assert (stage.debt("trader", 1), stage.cash("winner")) == (0, 1_000 + 400)


def test_an_empty_record_stays_while_its_loss_is_owed() -> None:
    stage = Stage(100, 100, maturity=3_600)
    stage.fund_account(whale=3_000, trader=100, market_maker=50_000, other_trader=50_000)
    stage.trade("whale", "market_maker", 90)
    stage.trade("whale", "trader", 10)
    stage.trade("trader", "whale", 10, market=1)
    stage.trade("market_maker", "whale", 190, market=1)
    stage.trade("market_maker", "other_trader", 100, market=1)
    stage.price(130)
    stage.price(140, market=1)
    stage.deleverage("whale")  # it held all longs of the first market: the trader's short there is stale
    stage.settle("trader")
    record = stage.world.house.positions["trader"][0]
    assert (record.size, record.multiplier, record.epoch, stage.debt("trader")) == (0, ONE_A, 0, 200)
    assert stage.size("trader", 1) == pytest.approx(10 / 3)
    stage.world.advance(4_000)
    stage.settle("other_trader")
    stage.settle("trader")  # its claims pay the debt, after its records have been settled
    assert stage.debt("trader") == 0
    stage.settle("trader")
    assert list(stage.world.house.positions["trader"]) == [1]


def test_whoever_holds_a_whole_side_takes_the_market_with_it(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 150)
    stage.trade("trader", "other_trader", 50)
    stage.price(94)
    stage.deleverage("trader")
    market = stage.world.house.markets[0]
    assert (market.open_interest, market.long.epoch, market.short.epoch) == (0, 1, 1)
    assert (stage.size("market_maker"), stage.size("other_trader")) == (0, 0)
    stage.price(50)
    stage.settle("market_maker", "other_trader")  # as of 94: 1200 between them, 200 of it uncovered
    assert stage.cash("market_maker") + stage.cash("other_trader") == 3_000
    stage.trade("market_maker", "other_trader", 1)
    assert stage.world.house.positions["market_maker"][0].epoch == 1


def test_dust_never_keeps_a_market_shut(stage: Stage) -> None:
    stage.trade("trader", "market_maker", 150)
    order = stage.order("other_trader", True, 1)
    stage.call("trade", "market_maker", order, 3)  # three wei beside the trader's 150
    stage.price(93)
    stage.deleverage("trader")
    assert stage.world.house.markets[0].open_interest == 0
    stage.trade("other_trader", "market_maker", 1)


def test_a_stale_default_leaves_a_hole_that_the_next_profits_fill() -> None:
    stage = Stage(100, 100)
    stage.fund_account(whale=30, early=1_000, late=10, winner=1_000, loser=1_000, other=1_000)
    stage.trade("whale", "early", 1)
    stage.trade("whale", "other", 2, market=1)
    stage.price(90)
    stage.trade("whale", "late", 1)
    stage.price(125)  # the late short has lost 35 with 10
    stage.price(40, market=1)
    stage.call("flag", "whale")
    stage.deleverage("whale", ["early"])
    assert stage.world.house.markets[0].long.epoch == 1
    stage.trade("winner", "loser", 3)
    stage.price(135)
    stage.settle("loser", "whale")  # the old epoch's winner takes the new loser's cash
    stage.settle("late")
    assert stage.world.ledger.markets[0].residual > 0
    stage.settle("winner")
    market = stage.world.ledger.markets[0]
    assert (market.residual, market.total_claims) == (0, 0)


def test_a_long_chain_of_deleveraging_ends_the_epoch_at_the_floor() -> None:
    """Each round a whale takes, and loses, nearly all of one side; the multiplier reaches its floor."""
    stage = Stage(100, 100)
    stage.fund_account(survivor=10**6, market_maker=10**9)
    scaled = 0
    for round_ in range(4):
        whale = f"whale{round_}"
        stage.fund_account(**{whale: 10**5})
        stage.trade("survivor", "market_maker", 0.5)
        stage.trade(whale, "market_maker", 15_000)
        stage.price(93 if round_ % 2 == 0 else 92)
        stage.deleverage(whale)
        multiplier = stage.world.house.markets[0].short.multiplier
        assert multiplier >= FLOOR_A
        scaled += multiplier < ONE_A
        if stage.world.house.markets[0].short.epoch:
            break
        stage.price(100)
    assert scaled >= 1
    assert stage.world.house.markets[0].short.epoch == 1
    stage.settle("survivor", "market_maker")
    stage.trade("survivor", "market_maker", 1)
