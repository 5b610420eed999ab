"""Section 2.1: what other stablecoins and shares of them count for, and the auction that sells them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weir.model import AssetParameters, StablecoinParameters, World, dump, errors
from weir.model.environment import Clock, Feeds
from weir.model.numbers import ASSET_FEEDS, MAX_PRICE, MILLION, ceil_div
from weir.model.stablecoins import Auction, Stablecoins

NOW = 1_600_000_000
YEAR = 31_536_000
UNIT = 10**18  # of price
COIN = AssetParameters(decimals=6, haircut=100_000, discount=50_000)
SHARE = AssetParameters(decimals=18, is_share=True, underlying_decimals=6, max_growth=100_000)


def new_coins(
    *parameters: AssetParameters, decimals: int = 6, answers: dict[int, int | None] | None = None
) -> Stablecoins:
    """Each at a dollar; a share's vault answers one and a tenth."""
    coins = Stablecoins(Clock(NOW, 1), Feeds(), StablecoinParameters(), decimals)
    coins.answers = {**dict.fromkeys(range(len(parameters)), 1_100_000), **(answers or {})}
    for asset, given_parameters in enumerate(parameters):
        coins.feeds.prices[ASSET_FEEDS + asset] = UNIT
        coins.set_asset(asset, given_parameters)
    return coins


# ---- prices


@pytest.mark.parametrize(
    ("feed", "par"),
    [
        (UNIT, UNIT),
        (UNIT + 1, UNIT),  # never more than a dollar
        (3 * UNIT, UNIT),
        (UNIT - 1, UNIT - 1),
        (1, 1),
        (None, 0),  # not Ok
    ],
)
def test_par_is_the_feed_up_to_a_dollar(feed: int | None, par: int) -> None:
    coins = new_coins(COIN, COIN)
    coins.feeds.prices[ASSET_FEEDS + 1] = feed
    assert (coins.par(1), coins.price(1)) == (par, par)
    assert coins.price(0) == UNIT  # each has its own feed


def test_an_asset_whose_feed_was_never_set_counts_for_nothing() -> None:
    coins = Stablecoins(Clock(NOW, 1), Feeds(), StablecoinParameters(), 6)
    coins.set_asset(0, COIN)
    assert (coins.par(0), coins.price(0), coins.value(0, 10**12)) == (0, 0, 0)


def test_a_share_is_worth_what_it_stands_for_at_par() -> None:
    coins = new_coins(SHARE)
    assert coins.price(0) == 1_100_000 * 10**12
    coins.feeds.prices[ASSET_FEEDS] = 9 * UNIT // 10
    assert coins.price(0) == 990_000 * 10**12  # 0.9 x 1.1
    assert coins.worth(0, 3 * 10**18) == 2_970_000
    coins.feeds.prices[ASSET_FEEDS] = None
    assert coins.price(0) == 0


def test_a_share_of_s_has_no_feed() -> None:
    coins = new_coins(replace(SHARE, of_settlement=True, underlying_decimals=18))  # S has 6, whatever is said
    coins.feeds.prices.clear()
    assert (coins.par(0), coins.price(0)) == (UNIT, 1_100_000 * 10**12)
    coins.answers[0] = None
    assert (coins.par(0), coins.price(0)) == (UNIT, 0)


def test_the_decimals_of_what_it_is_a_share_of() -> None:
    coins = new_coins(replace(SHARE, underlying_decimals=18), answers={0: 12 * 10**17})
    assert coins.price(0) == 12 * 10**17
    coins = new_coins(replace(SHARE, underlying_decimals=2), answers={0: 333})
    assert coins.price(0) == 333 * 10**16


def test_the_price_of_a_share_fits_its_width() -> None:
    coins = new_coins(replace(SHARE, underlying_decimals=0), answers={0: 2**128})
    assert coins.price(0) == MAX_PRICE == 2**128 - 1


def test_a_share_falls_at_once() -> None:
    coins = new_coins(SHARE)
    coins.answers[0] = 550_000
    assert coins.price(0) == 550_000 * 10**12
    coins.answers[0] = None  # the vault does not answer
    assert (coins.rate(0), coins.price(0)) == (0, 0)
    coins.answers[0] = 1_100_000  # and comes back
    assert coins.price(0) == 1_100_000 * 10**12


@pytest.mark.parametrize(
    ("seconds", "most"),
    [
        (0, 1_100_000),
        (286, 1_100_000),  # a unit takes 286.7 s: 31,536,000 / 110,000
        (287, 1_100_001),
        (YEAR // 2, 1_155_000),
        (YEAR, 1_210_000),
        (3 * YEAR, 1_430_000),  # of what it was, not compound
    ],
)
def test_a_share_rises_no_faster_than_governance_allows(seconds: int, most: int) -> None:
    coins = new_coins(SHARE)
    coins.clock.time += seconds
    coins.answers[0] = 10**12  # somebody has given the vault a million times what it had
    assert coins.rate(0) == most
    coins.answers[0] = most - 1
    assert coins.rate(0) == most - 1


def test_set_anew_a_share_may_grow_from_what_the_vault_answers_now() -> None:
    coins = new_coins(SHARE)
    coins.clock.time += YEAR
    coins.answers[0] = 2_000_000
    assert coins.rate(0) == 1_210_000
    coins.set_asset(0, replace(SHARE, max_growth=200_000))
    assert (coins.assets[0].rate, coins.assets[0].since) == (2_000_000, NOW + YEAR)
    coins.answers[0] = 10**12
    assert coins.rate(0) == 2_000_000
    coins.clock.time += YEAR
    assert coins.rate(0) == 2_400_000


def test_a_vault_that_did_not_answer_then_is_worth_nothing_until_set_anew() -> None:
    coins = new_coins(SHARE, answers={0: None})
    coins.answers[0] = 1_100_000
    coins.clock.time += YEAR
    assert coins.price(0) == 0
    coins.set_asset(0, SHARE)
    assert coins.price(0) == 1_100_000 * 10**12


# ---- amounts


@pytest.mark.parametrize(
    ("decimals", "of_asset", "units", "worth"),
    [
        (6, 6, 1_000_001, 990_000),  # x 0.99, of 990,000.99
        (6, 18, 10**18, 990_000),
        (6, 18, 10**12 - 1, 0),
        (18, 6, 1, 990_000_000_000),
        (18, 2, 3, 29_700_000_000_000_000),
        (18, 18, 101, 99),
        (8, 0, 7, 693_000_000),
    ],
)
def test_worth_is_rounded_down_in_units_of_s(decimals: int, of_asset: int, units: int, worth: int) -> None:
    coins = new_coins(replace(COIN, decimals=of_asset), decimals=decimals)
    coins.feeds.prices[ASSET_FEEDS] = 99 * UNIT // 100
    assert coins.worth(0, units) == worth


def test_value_is_what_the_haircut_leaves_of_the_rounded_worth() -> None:
    coins = new_coins(COIN)
    coins.feeds.prices[ASSET_FEEDS] = UNIT // 2
    assert (coins.worth(0, 39), coins.value(0, 39)) == (19, 17)  # of 19.5; of 17.1, where 17.55 would be too
    assert (coins.worth(0, 41), coins.value(0, 41)) == (20, 18)
    assert (coins.worth(0, 43), coins.value(0, 43)) == (21, 18)  # of 18.9, where 21.5 would give 19
    coins.set_asset(0, replace(COIN, haircut=MILLION))
    assert coins.value(0, 10**12) == 0


def test_a_buyer_pays_rounded_up() -> None:
    coins = new_coins(COIN)
    coins.feeds.prices[ASSET_FEEDS] = UNIT // 2
    assert coins.cost_up(0, 100, MILLION) == 50
    assert coins.cost_up(0, 101, MILLION) == 51  # of 50.5
    assert coins.cost_up(0, 100, 950_000) == 48  # of 47.5
    assert coins.cost_up(0, 1, 1) == 1
    assert coins.cost_up(0, 0, MILLION) == 0


AMOUNTS, RATIOS, PRICES = st.integers(0, 2**96 - 1), st.integers(1, MILLION), st.integers(1, UNIT)
DECIMALS = st.integers(0, 18)


@given(AMOUNTS, RATIOS, PRICES, DECIMALS, st.sampled_from((6, 8, 18)))
def test_no_units_cost_less_than_their_part_of_the_worth(
    units: int, ratio: int, price: int, of_asset: int, decimals: int
) -> None:
    coins = new_coins(replace(COIN, decimals=of_asset), decimals=decimals)
    coins.feeds.prices[ASSET_FEEDS] = price
    cost = coins.cost_up(0, units, ratio)
    assert cost * MILLION >= coins.worth(0, units) * ratio
    assert cost <= ceil_div((coins.worth(0, units) + 1) * ratio, MILLION)
    if ratio >= MILLION - COIN.haircut:
        assert cost >= coins.value(0, units)  # so a sale lowers nobody's equity


@given(AMOUNTS, RATIOS, PRICES, DECIMALS, st.sampled_from((6, 8, 18)))
def test_units_for_an_amount_are_the_fewest_that_bring_it(
    amount: int, ratio: int, price: int, of_asset: int, decimals: int
) -> None:
    coins = new_coins(replace(COIN, decimals=of_asset), decimals=decimals)
    coins.feeds.prices[ASSET_FEEDS] = price
    units = coins.units_for(0, amount, ratio)
    assert units * price * ratio >= amount * coins.scale(0) * MILLION
    assert units == 0 or (units - 1) * price * ratio < amount * coins.scale(0) * MILLION


# ---- the auction


@pytest.mark.parametrize(
    ("seconds", "off"),
    [(0, 0), (1, 27), (900, 25_000), (1_799, 49_972), (1_800, 50_000), (1_801, 50_000), (3_599, 50_000)],
)
def test_the_price_falls_to_the_discount_and_stays(seconds: int, off: int) -> None:
    assert Auction(NOW).off(NOW + seconds, 1_800, 50_000) == off  # 50,000 / 1,800 = 27.8 a second


def test_it_runs_for_twice_its_duration() -> None:
    auction = Auction(NOW)
    assert auction.running(NOW, 1_800)
    assert auction.running(NOW + 3_599, 1_800)
    assert not auction.running(NOW + 3_600, 1_800)
    assert not Auction().running(NOW, 1_800)


# ---- governance


def test_assets_are_added_in_order_and_set_anew() -> None:
    world = World()
    for asset in (-1, 1):
        with pytest.raises(errors.UnknownAsset) as refused:
            world.set_asset(asset, COIN)
        assert refused.value.args == (asset,)
    world.set_price(ASSET_FEEDS, UNIT)
    world.set_asset(0, COIN)
    world.set_asset(0, replace(COIN, haircut=200_000))
    assert len(world.stablecoins.assets) == 1
    assert world.stablecoins.value(0, 100) == 80
    assert dump(world)["stablecoins.asset[0].price"] == UNIT


def test_there_are_at_most_eight() -> None:
    world = World()
    for asset in range(8):
        world.set_asset(asset, COIN)
    with pytest.raises(errors.UnknownAsset):
        world.set_asset(8, COIN)
    assert len(world.stablecoins.assets) == 8


def test_a_refused_asset_is_not_there() -> None:
    world = World()
    for view in (world.stablecoins.par, world.stablecoins.price, world.stablecoins.scale):
        with pytest.raises(errors.UnknownAsset):
            view(0)
