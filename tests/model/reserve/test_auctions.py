"""The model's reserve: gifts, weights, auctions, and shares of vaults."""

import pytest

from tests.model.reserve.books import COIN, MINUTE, PLENTY, START, Scene, _earn, in_debt_to_the_tranches
from tests.model.stage import units
from weir.model import (
    AssetParameters,
    dump,
    errors,
)
from weir.model.house import Flag
from weir.model.numbers import MILLION

WEIGHTED = AssetParameters(haircut=100_000, discount=20_000, weight=300_000)
SHARE = AssetParameters(
    decimals=18, is_share=True, underlying_decimals=6, max_growth=0, haircut=100_000, discount=20_000
)

# ---- gifts


def test_a_gift_of_an_asset() -> None:
    scene = Scene(AssetParameters(haircut=100_000, reserve_cap=units(60)))
    scene.give(50)
    assert scene.world.fund.reserve.value() == units(45)
    assert scene.refused(errors.CapExceeded, "contribute_asset", "founder", 0, units(10) + 1) == (
        0,
        units(60) + 1,
        units(60),
    )
    scene.give(10)
    assert dump(scene.world)["reserve.amount[0]"] == units(60)
    assert dump(scene.world)["reserve.held[0]"] == units(60)


def test_a_gift_waits_while_an_advance_is_open() -> None:
    """Else dust could keep a reserve without any price from being written off."""
    scene = in_debt_to_the_tranches()
    assert scene.refused(errors.AdvanceOpen, "contribute_asset", "founder", 0, 1) == ()


# ---- weights and bands


@pytest.mark.parametrize(
    ("skin", "held", "outcome"),
    [  # W = 100: target 30, band 2
        (68, 32, None),
        (67.999999, 32.000001, False),
        (72, 28, None),
        (72.000001, 27.999999, True),
        (100, 0, True),
        (0, 100, False),
    ],
)
def test_a_conversion_starts_beyond_the_band(skin: float, held: float, outcome: bool | None) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=skin, reserve=held)
    if outcome is None:
        assert scene.refused(errors.NothingToConvert, "start_conversion", 0) == (0,)
        return
    scene.start()
    assert scene.world.fund.reserve.auctions[0].buying is outcome


def test_an_advance_sells_within_the_band_too() -> None:
    scene = in_debt_to_the_tranches(AssetParameters(haircut=100_000, discount=20_000, weight=MILLION))
    scene.start()
    assert scene.buy() == (40, 40)
    scene.refused(errors.NothingToConvert, "buy_from_reserve", "buyer", 0, 1, PLENTY)


def test_a_band_wider_than_the_target_means_no_purchase() -> None:
    scene = Scene(AssetParameters(weight=10_000))
    scene.capital(skin=100)
    scene.refused(errors.NothingToConvert, "start_conversion", 0)


def test_the_weight_is_of_skin_and_all_assets_without_haircuts() -> None:
    scene = Scene(WEIGHTED, COIN)
    scene.capital(skin=40, junior=1_000, senior=1_000)
    scene.give(60, asset=1)
    scene.start()
    assert scene.sell() == (30, 30)


@pytest.mark.parametrize(
    ("seconds", "paid"),
    [(0, 30), (MINUTE, 30.01998), (15 * MINUTE, 30.3), (30 * MINUTE, 30.6), (3_599, 30.6)],
)
def test_the_reserve_pays_more_the_longer_it_waits(seconds: int, paid: float) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    scene.wait(seconds)
    assert scene.sell() == (30, paid)
    assert (scene.held(), scene.layers()[0]) == (30, pytest.approx(100 - paid))
    assert scene.world.token.balances["seller"] == units(paid)


@pytest.mark.parametrize(
    ("seconds", "sold", "cost"),
    [(0, 20, 20), (15 * MINUTE, 20.202021, 20.000001), (3_599, 20.408164, 20.000001)],
)
def test_the_reserve_sells_down_to_its_weight(seconds: int, sold: float, cost: float) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=50, reserve=50)
    scene.start()
    scene.wait(seconds)
    assert scene.buy() == (sold, cost)
    assert scene.layers()[0] == 50 + cost


def test_a_purchase_ends_at_the_weight() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    assert scene.sell(10) == (10, 10)
    assert scene.sell(50) == (20, 20)
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)


def test_an_auction_whose_reason_is_gone_converts_nothing() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    scene.give(50)
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)
    scene.start()
    scene.call("contribute", "founder", units(100))
    scene.refused(errors.NothingToConvert, "buy_from_reserve", "buyer", 0, 1, PLENTY)


def test_a_purchase_ends_at_the_cap() -> None:
    scene = Scene(AssetParameters(weight=300_000, reserve_cap=units(12)))
    scene.capital(skin=100)
    scene.start()
    assert scene.sell() == (12, 12)
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)
    scene.call("set_asset", 0, AssetParameters(weight=300_000, reserve_cap=units(10)))
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)


def test_a_purchase_ends_where_skin_does() -> None:
    scene = Scene(WEIGHTED, COIN)
    scene.capital(skin=1)
    scene.give(99, asset=1)
    scene.start()
    scene.wait(30 * MINUTE)
    assert scene.sell() == (0.980392, 0.999999)  # 1 / 1.02
    assert scene.layers()[0] == 0.000001
    scene.call("contribute", "founder", 1)
    assert scene.sell() == (0.000001, 0.000001)


@pytest.mark.parametrize("price", [0.994999, None])
def test_nothing_is_bought_off_its_peg(price: float | None) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.peg(price)
    assert scene.refused(errors.OffPeg, "start_conversion", 0) == (0,)
    scene.peg(0.995)
    scene.start()
    assert scene.sell(10) == (10, 9.95)
    scene.peg(price)
    assert scene.refused(errors.OffPeg, "sell_to_reserve", "seller", 0, 1, 0) == (0,)


def test_what_is_off_its_peg_is_sold() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(reserve=100)
    scene.peg(0.5)  # 50, of which 15 may stay
    scene.start()
    assert scene.buy() == (70, 35)


def test_nothing_counts_for_more_than_a_dollar() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.peg(1.25)
    scene.start()
    assert scene.sell() == (30, 30)


def test_nothing_is_bought_while_the_gate_is_shut() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.refused(errors.GateClosed, "start_conversion", 0)
    del scene.world.house.flags["trader"]
    scene.start()
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.refused(errors.GateClosed, "sell_to_reserve", "seller", 0, 1, 0)


def test_sales_go_on_while_the_gate_is_shut() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=50, reserve=50)
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.start()
    assert scene.buy(5) == (5, 5)


# ---- auctions


def test_an_auction_runs_for_an_hour_and_starts_anew() -> None:
    scene = in_debt_to_the_tranches()
    scene.start()
    end = scene.world.clock.time + 3_600
    assert scene.refused(errors.AuctionRunning, "start_conversion", 0) == (0, end)
    scene.wait(3_599)
    scene.refused(errors.AuctionRunning, "start_conversion", 0)
    assert scene.buy(1) == (1, 0.98)
    scene.wait(1)
    assert scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 0, 1, PLENTY) == (0,)
    scene.start()
    assert scene.buy(1) == (1, 1)


def test_an_auction_of_the_other_direction_ends() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=50, reserve=50)
    scene.start()
    scene.call("contribute", "founder", units(1_000))
    scene.refused(errors.AuctionNotRunning, "sell_to_reserve", "seller", 0, 1, 0)
    scene.wait(MINUTE)
    scene.start()
    scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 0, 1, PLENTY)
    assert scene.sell(10) == (10, 10)  # it has begun anew
    scene.give(1_000)
    scene.start()
    scene.refused(errors.AuctionNotRunning, "sell_to_reserve", "seller", 0, 1, 0)
    assert scene.buy(1) == (1, 1)


def test_a_sale_by_weight_becomes_one_for_the_advances() -> None:
    """An auction that runs when an advance opens serves it, at its own price."""
    scene = Scene(WEIGHTED)
    scene.capital(junior=100, reserve=50)
    scene.start()
    scene.lose(45)
    off = 20_000 * (scene.world.clock.time - scene.world.fund.reserve.auctions[0].started_at) // 1_800
    assert scene.world.fund.owed == units(45)
    bought, cost = scene.buy()
    assert bought == pytest.approx(45 / (1 - off / MILLION), abs=1e-6)
    assert cost == pytest.approx(45, abs=2e-6)
    assert scene.world.fund.owed == 0


def test_assets_are_converted_each_by_itself() -> None:
    scene = Scene(COIN, COIN)
    scene.capital(junior=90, reserve=50)
    scene.give(50, asset=1)
    scene.lose(80)
    scene.start()
    scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 1, 1, PLENTY)
    scene.wait(30 * MINUTE)
    scene.start(1)
    assert scene.buy(10) == (10, 9.8)
    assert scene.buy(10, asset=1) == (10, 10)


def test_a_limit_on_the_cost() -> None:
    scene = in_debt_to_the_tranches()
    scene.start()
    args = ("buy_from_reserve", "buyer", 0, units(10))
    assert scene.refused(errors.CostAboveMax, *args, units(10) - 1) == (units(10), units(10) - 1)
    assert scene.buy(10, max_cost=units(10)) == (10, 10)


def test_a_limit_on_the_payment() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    args = ("sell_to_reserve", "seller", 0, units(10))
    assert scene.refused(errors.PaymentBelowMin, *args, units(10) + 1) == (units(10), units(10) + 1)
    assert scene.sell(10, min_paid=units(10)) == (10, 10)


def test_what_is_wrong_first_is_told_first() -> None:
    """In each list, a call that breaks the rule named and all that follow it."""
    scene = Scene(WEIGHTED)
    scene.refused(errors.ZeroAmount, "contribute_asset", "founder", 9, 0)
    scene.refused(errors.UnknownAsset, "contribute_asset", "founder", 9, PLENTY)
    scene.refused(errors.UnknownAsset, "start_conversion", 9)
    scene.refused(errors.UnknownAsset, "buy_from_reserve", "buyer", 9, 0, 0)
    scene.refused(errors.ZeroAmount, "buy_from_reserve", "buyer", 0, 0, 0)
    scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 0, 1, 0)
    scene.refused(errors.UnknownAsset, "sell_to_reserve", "seller", 9, 0, PLENTY)
    scene.refused(errors.ZeroAmount, "sell_to_reserve", "seller", 0, 0, PLENTY)
    scene.refused(errors.AuctionNotRunning, "sell_to_reserve", "seller", 0, 1, PLENTY)
    scene.capital(skin=50, reserve=50)
    scene.start()
    scene.buy()
    scene.peg(None)
    scene.refused(errors.NoPrice, "buy_from_reserve", "buyer", 0, 1, 0)
    scene.peg(1)
    scene.refused(errors.NothingToConvert, "buy_from_reserve", "buyer", 0, 1, 0)
    scene.call("contribute", "founder", units(1_000))
    scene.start()
    scene.peg(0.5)
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.refused(errors.GateClosed, "start_conversion", 0)
    scene.refused(errors.GateClosed, "sell_to_reserve", "seller", 0, 1, PLENTY)
    del scene.world.house.flags["trader"]
    scene.refused(errors.OffPeg, "start_conversion", 0)
    scene.refused(errors.OffPeg, "sell_to_reserve", "seller", 0, 1, PLENTY)
    scene.peg(1)
    scene.refused(errors.AuctionRunning, "start_conversion", 0)
    scene.sell()
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, PLENTY)


def test_a_conversion_vests_first() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100, junior=100)
    _earn(scene, 10)
    scene.start()
    scene.wait(MINUTE)
    scene.sell(10)
    assert scene.world.fund.since == scene.world.clock.time
    scene.give(100)
    scene.start()
    scene.wait(MINUTE)
    scene.buy(10)
    assert scene.world.fund.since == scene.world.clock.time


# ---- shares of vaults


def test_a_share_counts_for_what_it_stands_for() -> None:
    scene = Scene(COIN, SHARE)
    scene.world.set_rate(1, 1_100_000)
    scene.call("set_asset", 1, SHARE)
    scene.call("contribute_asset", "founder", 1, 10 * 10**18)
    assert scene.world.fund.reserve.value() == units(9.9)  # 11 at the haircut
    scene.world.set_rate(1, 2_200_000)  # a donation to the vault
    assert scene.world.fund.reserve.value() == units(9.9)
    scene.world.set_rate(1, 550_000)
    assert scene.world.fund.reserve.value() == units(4.95)
    scene.peg(0.8, 1)
    assert scene.world.fund.reserve.value() == units(3.96)


def test_shares_are_sold_at_their_price() -> None:
    scene = Scene(COIN, SHARE)
    scene.world.set_rate(1, 1_250_000)
    scene.call("set_asset", 1, SHARE)
    scene.capital(junior=100)
    scene.call("contribute_asset", "founder", 1, 40 * 10**18)  # 50, counted as 45
    scene.lose(45)
    scene.start(1)
    scene.wait(30 * MINUTE)
    bought, cost = scene.call("buy_from_reserve", "buyer", 1, 100 * 10**18, PLENTY)
    assert (bought, cost) == (36_734_693_877_551_020_409, units(45) + 1)  # 45 / (1.25 x 0.98), both up
    assert scene.layers() == (0.000001, 100, 0, 0, 0)


def test_shares_are_bought_at_their_price() -> None:
    weighted = AssetParameters(decimals=18, is_share=True, max_growth=0, discount=20_000, weight=500_000)
    scene = Scene(weighted)
    scene.world.set_rate(0, 1_250_000)
    scene.call("set_asset", 0, weighted)
    scene.capital(skin=100)
    scene.start()
    scene.wait(30 * MINUTE)
    assert scene.call("sell_to_reserve", "seller", 0, 10**21, 0) == (40 * 10**18, units(51))


def test_the_peg_of_a_share_is_that_of_its_stablecoin() -> None:
    weighted = AssetParameters(decimals=18, is_share=True, weight=500_000)
    scene = Scene(weighted)
    scene.capital(skin=100)
    scene.world.set_rate(0, 1_250_000)
    scene.call("set_asset", 0, weighted)
    scene.peg(0.99)  # a share is worth 1.2375
    scene.refused(errors.OffPeg, "start_conversion", 0)
    scene.peg(1)
    scene.world.set_rate(0, 500_000)
    scene.start()
    assert scene.call("sell_to_reserve", "seller", 0, 10**21, 0) == (100 * 10**18, units(50))


def test_a_vault_that_does_not_answer_leaves_its_share_without_a_price() -> None:
    """Its stablecoin holds its peg, but nobody could say what to pay for the share."""
    weighted = AssetParameters(decimals=18, is_share=True, weight=500_000)
    scene = Scene(weighted)
    scene.capital(skin=100)
    scene.start()
    scene.world.set_rate(0, None)
    scene.refused(errors.OffPeg, "sell_to_reserve", "seller", 0, 1, 0)
    scene.wait(3_600)
    scene.refused(errors.OffPeg, "start_conversion", 0)
