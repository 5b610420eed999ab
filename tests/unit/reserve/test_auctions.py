"""Reserve (SPECIFICATION.md section 6.3): when it sells and buys, and at what price."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.expect import ZERO_ADDRESS, event, reverts
from tests.system import MILLION, WAD, System
from tests.unit.fund_helpers import next_block_at, wait_until
from tests.unit.reserve.books import (
    ALL,
    ASSETS,
    BTC,
    SALE,
    SAVE,
    SUSD,
    USDX,
    USDY,
    cost,
    kill_vault,
    offer,
    pay,
    scale,
    skin,
    tokens,
    units_for,
    value,
)

# ------------------------------------------------------- the specification, read


def payment(symbol: str, units: int, factor: int, price: int = WAD) -> int:
    return units * price * factor // (scale(symbol) * MILLION)


# ----------------------------------------------------------------------- stage


def shut_the_gate(system: System, market_maker: Any, trader: Any) -> None:
    """Somebody is known to be insolvent."""
    system.deposit(market_maker, 100_000)
    system.deposit(trader, 600)
    system.trade(trader, market_maker, 1, 10_000)
    system.set_price(BTC, 9_000)
    system.flag(trader)
    assert system.clearing_house.insolvencies() == 1


def now_is(timestamp: int) -> None:
    """The last block is of this time."""
    ape.chain.mine(timestamp=timestamp)


# ----------------------------------------------------------------------- start


@pytest.mark.parametrize(
    ("skin_has", "held", "buying"),
    [
        pytest.param(88_000, "12000", None, id="at the upper end of the band"),
        pytest.param(88_000, "12000.000001", False, id="above it"),
        pytest.param(92_000, "8000", None, id="at the lower end"),
        pytest.param(92_000, "7999.999999", True, id="below it"),
        pytest.param(0, "1", False, id="nothing but the asset"),
    ],
)
def test_an_asset_outside_its_band_is_converted(
    empty_reserve: System, deployer: Any, keeper: Any, skin_has: int, held: str, buying: bool | None
) -> None:
    """USDY should be a tenth of everything, within a fiftieth of everything."""
    system = empty_reserve
    if skin_has:
        system.contribute(deployer, skin_has)
    system.donate(deployer, "USDY", held)
    if buying is None:
        with reverts("NothingToConvert", asset=USDY):
            system.reserve.start(USDY, sender=keeper)
        return
    receipt = system.reserve.start(USDY, sender=keeper)
    started = receipt.timestamp
    assert event(receipt, "AuctionStarted") == {
        "asset": USDY,
        "buying": buying,
        "endsAt": started + 2 * SALE,
    }
    assert tuple(system.reserve.auctionOf(USDY)) == (started, started + 2 * SALE, buying)


def test_what_is_not_listed_cannot_be_started(filled_reserve: System, keeper: Any) -> None:
    with reverts("UnknownAsset", asset=4):
        filled_reserve.reserve.start(4, sender=keeper)
    assert tuple(filled_reserve.reserve.auctionOf(USDX)) == (0, 0, False)


def test_what_no_weight_claims_stays_in_s(filled_reserve: System, keeper: Any) -> None:
    with reverts("NothingToConvert", asset=SUSD):
        filled_reserve.reserve.start(SUSD, sender=keeper)


def test_with_the_gate_shut_nothing_is_bought(
    filled_reserve: System, market_maker: Any, trader: Any, keeper: Any
) -> None:
    shut_the_gate(filled_reserve, market_maker, trader)
    with reverts("GateClosed"):
        filled_reserve.reserve.start(USDY, sender=keeper)
    with reverts("NothingToConvert", asset=SUSD):
        filled_reserve.reserve.start(SUSD, sender=keeper)


def test_with_the_gate_shut_something_is_sold(
    filled_reserve: System, market_maker: Any, trader: Any, deployer: Any, keeper: Any, stranger: Any
) -> None:
    system = filled_reserve
    system.donate(deployer, "USDX", 20_000)
    shut_the_gate(system, market_maker, trader)
    system.reserve.start(USDX, sender=keeper)
    pay(system, stranger)
    receipt = system.reserve.buy(USDX, ALL, stranger, ALL, sender=stranger)
    assert skin(system) == system.usd(100_000) + event(receipt, "AssetSold")["cost"] >= system.usd(104_000)


@pytest.mark.parametrize(("price", "buys"), [("0.995", True), ("0.99499999", False)])
def test_nothing_is_bought_off_its_peg(filled_reserve: System, keeper: Any, price: str, buys: bool) -> None:
    system = filled_reserve
    system.set_asset_price("USDY", price)
    if buys:
        assert event(system.reserve.start(USDY, sender=keeper), "AuctionStarted")["buying"]
    else:
        with reverts("OffPeg", asset=USDY):
            system.reserve.start(USDY, sender=keeper)


def test_nothing_is_bought_without_a_price(filled_reserve: System, keeper: Any) -> None:
    filled_reserve.asset_feeds["USDY"].setMode(1, sender=keeper)
    with reverts("OffPeg", asset=USDY):
        filled_reserve.reserve.start(USDY, sender=keeper)


def test_shares_of_a_dead_vault_are_not_bought(filled_reserve: System, keeper: Any) -> None:
    """They are on their peg, and yet have no price."""
    kill_vault(filled_reserve, "SAVE")
    with reverts("NoPrice", asset=SAVE):
        filled_reserve.reserve.start(SAVE, sender=keeper)


def test_what_has_no_price_is_not_sold(empty_reserve: System, deployer: Any, keeper: Any) -> None:
    empty_reserve.donate(deployer, "USDY", 100)
    empty_reserve.asset_feeds["USDY"].setMode(1, sender=keeper)
    with reverts("NothingToConvert", asset=USDY):
        empty_reserve.reserve.start(USDY, sender=keeper)


def test_an_auction_runs_to_its_end(filled_reserve: System, keeper: Any) -> None:
    """Until then it can't be started anew; then it can, from par."""
    reserve = filled_reserve.reserve
    started = reserve.start(USDX, sender=keeper).timestamp
    ends = started + 2 * SALE
    wait_until(ends - 60)
    with reverts("AuctionRunning", asset=USDX, endsAt=ends):
        reserve.start(USDX, sender=keeper)
    assert reserve.quote(USDX, 1)[0] == 1
    reserve.start(USDY, sender=keeper)
    wait_until(ends)
    with ape.reverts(reserve.AuctionNotRunning, asset=USDX):
        reserve.quote(USDX, 1)
    again = reserve.start(USDX, sender=keeper).timestamp
    assert tuple(reserve.auctionOf(USDX)) == (again, again + 2 * SALE, True)


def test_an_auction_in_the_other_direction_takes_its_place(
    filled_reserve: System, deployer: Any, keeper: Any, stranger: Any
) -> None:
    system = filled_reserve
    reserve = system.reserve
    reserve.start(USDX, sender=keeper)
    system.wait(SALE)
    system.donate(deployer, "USDX", 30_000)
    receipt = reserve.start(USDX, sender=keeper)
    assert event(receipt, "AuctionStarted") == {
        "asset": USDX,
        "buying": False,
        "endsAt": receipt.timestamp + 2 * SALE,
    }
    with reverts("AuctionNotRunning", asset=USDX):
        reserve.sell(USDX, 1, stranger, 0, sender=stranger)
    system.contribute(deployer, 300_000)
    assert event(reserve.start(USDX, sender=keeper), "AuctionStarted")["buying"]
    with reverts("AuctionNotRunning", asset=USDX):
        reserve.buy(USDX, 1, stranger, ALL, sender=stranger)


# ------------------------------------------------------- buying from the reserve


@pytest.fixture
def selling(filled_reserve: System, deployer: Any, keeper: Any, stranger: Any) -> System:
    """40,000 USDX beside 100,000 of skin: 12,000 are above the weight. The stranger has S."""
    filled_reserve.donate(deployer, "USDX", 30_000)
    filled_reserve.reserve.start(USDX, sender=keeper)
    pay(filled_reserve, stranger)
    return filled_reserve


@pytest.mark.parametrize(
    ("after", "off"),
    [
        pytest.param(10, 277, id="rounded down"),
        pytest.param(900, 25_000, id="half the discount"),
        pytest.param(1_799, 49_972, id="nearly all of it"),
        pytest.param(1_800, 50_000, id="all of it"),
        pytest.param(3_599, 50_000, id="to the end"),
    ],
)
def test_the_price_falls_to_the_discount(selling: System, after: int, off: int) -> None:
    """All that is above the weight, for its worth less what the price is off."""
    now_is(selling.reserve.auctionOf(USDX)[0] + after)
    factor = MILLION - off
    units = units_for("USDX", selling.usd(12_000), factor)
    assert tuple(selling.reserve.quote(USDX, ALL)) == (units, cost("USDX", units, factor))
    assert tuple(selling.reserve.quote(USDX, 10**15)) == (10**15, cost("USDX", 10**15, factor))


def test_a_buyer_pays_skin_and_gets_the_units(selling: System, stranger: Any, trader: Any) -> None:
    """Half way down: no more than what is above the weight, from his wallet, to whom he names."""
    system = selling
    started = system.reserve.auctionOf(USDX)[0]
    factor = MILLION - 25_000
    units = units_for("USDX", system.usd(12_000), factor)
    paid = cost("USDX", units, factor)
    had = system.token.balanceOf(stranger)
    next_block_at(started + 900)
    receipt = system.reserve.buy(USDX, ALL, trader, paid, sender=stranger)
    assert event(receipt, "AssetSold") == {
        "asset": USDX,
        "buyer": stranger.address,
        "to": trader.address,
        "amount": units,
        "cost": paid,
    }
    assert event(receipt, "FromReserve") == {"amount": paid, "holds": True}
    assert had - system.token.balanceOf(stranger) == paid
    assert system.assets["USDX"].balanceOf(trader) == units
    left = tokens("USDX", 40_000) - units
    assert system.reserve.amountOf(USDX) == system.assets["USDX"].balanceOf(system.reserve) == left
    assert skin(system) == system.usd(100_000) + paid
    assert system.token.balanceOf(system.fund) == system.usd(160_000) + paid
    assert system.fund.totalAssets() == system.usd(160_000) + paid + value("USDX", left)
    assert system.usd(12_000) <= paid <= system.usd(12_000) + 1


def test_a_buyer_may_take_less(selling: System, stranger: Any) -> None:
    selling.reserve.buy(USDX, tokens("USDX", 100), stranger, ALL, sender=stranger)
    assert selling.reserve.amountOf(USDX) == tokens("USDX", 39_900)


def test_nothing_is_sold_below_the_weight(selling: System, stranger: Any, deployer: Any) -> None:
    """The band decides when to start, the weight when to stop; a gift can bring it below while it runs."""
    selling.reserve.buy(USDX, ALL, stranger, ALL, sender=stranger)
    held, target, band = selling.reserve.weighing(USDX)
    assert held - target < band
    selling.contribute(deployer, 100_000)
    with reverts("NothingToConvert", asset=USDX):
        selling.reserve.buy(USDX, 1, stranger, ALL, sender=stranger)


def test_a_buyer_says_what_it_may_cost(selling: System, stranger: Any) -> None:
    units = tokens("USDX", 100)
    started = selling.reserve.auctionOf(USDX)[0]
    wait_until(started + SALE)
    price = cost("USDX", units, MILLION - 50_000)
    with reverts("CostAboveMax", cost=price, maxCost=price - 1):
        selling.reserve.buy(USDX, units, stranger, price - 1, sender=stranger)
    selling.reserve.buy(USDX, units, stranger, price, sender=stranger)


def test_a_unit_costs_at_least_a_unit(selling: System) -> None:
    assert tuple(selling.reserve.quote(USDX, 1)) == (1, 1)


def test_what_a_purchase_is_refused_for(selling: System, stranger: Any, keeper: Any) -> None:
    """Each before those that follow it."""
    reserve = selling.reserve
    with reverts("UnknownAsset", asset=4):
        reserve.buy(4, 0, ZERO_ADDRESS, 0, sender=stranger)
    with reverts("ZeroAmount"):
        reserve.buy(USDY, 0, ZERO_ADDRESS, 0, sender=stranger)
    with reverts("ZeroAddress"):
        reserve.buy(USDY, 1, ZERO_ADDRESS, 0, sender=stranger)
    with reverts("AuctionNotRunning", asset=USDY):
        reserve.buy(USDY, 1, stranger, 0, sender=stranger)
    selling.asset_feeds["USDX"].setMode(1, sender=keeper)
    with reverts("NoPrice", asset=USDX):
        reserve.buy(USDX, 1, stranger, 0, sender=stranger)


def test_who_cannot_pay_gets_nothing(selling: System, trader: Any) -> None:
    with reverts("ERC20InsufficientAllowance"):
        selling.reserve.buy(USDX, ALL, trader, ALL, sender=trader)


def test_what_is_off_its_peg_is_sold_for_what_it_is(
    filled_reserve: System, deployer: Any, keeper: Any, stranger: Any
) -> None:
    """40,000 at 0.87: 34,800 of 134,800, of which a fifth may stay."""
    system = filled_reserve
    system.donate(deployer, "USDX", 30_000)
    system.set_asset_price("USDX", "0.87")
    system.reserve.start(USDX, sender=keeper)
    pay(system, stranger)
    started = system.reserve.auctionOf(USDX)[0]
    price, factor = system.wad("0.87"), MILLION - 50_000
    units = units_for("USDX", system.usd(34_800 - 26_960), factor, price)
    next_block_at(started + SALE)
    receipt = system.reserve.buy(USDX, ALL, stranger, ALL, sender=stranger)
    assert event(receipt, "AssetSold")["amount"] == units
    assert event(receipt, "AssetSold")["cost"] == cost("USDX", units, factor, price)


# --------------------------------------------------------- selling to the reserve


@pytest.mark.parametrize(("after", "off"), [(10, 277), (900, 25_000), (1_800, 50_000), (3_599, 50_000)])
def test_the_price_rises_by_the_discount(buying: System, after: int, off: int) -> None:
    """As many as are missing at their worth, for more than it."""
    now_is(buying.reserve.auctionOf(USDX)[0] + after)
    units = tokens("USDX", 12_000)
    assert tuple(buying.reserve.quote(USDX, ALL)) == (units, payment("USDX", units, MILLION + off))


def test_a_seller_is_paid_from_skin(buying: System, stranger: Any, trader: Any) -> None:
    system = buying
    units = tokens("USDX", 12_000)
    paid = payment("USDX", units, MILLION + 25_000)
    had = system.assets["USDX"].balanceOf(stranger)
    next_block_at(system.reserve.auctionOf(USDX)[0] + 900)
    receipt = system.reserve.sell(USDX, ALL, trader, paid, sender=stranger)
    assert event(receipt, "AssetBought") == {
        "asset": USDX,
        "seller": stranger.address,
        "to": trader.address,
        "amount": units,
        "paid": paid,
    }
    assert event(receipt, "PaidForReserve") == {"to": trader.address, "amount": paid}
    assert had - system.assets["USDX"].balanceOf(stranger) == units
    held = tokens("USDX", 22_000)
    assert system.reserve.amountOf(USDX) == system.assets["USDX"].balanceOf(system.reserve) == held
    assert system.token.balanceOf(trader) == paid == system.usd(12_300)
    assert skin(system) == system.usd(100_000) - paid
    assert system.fund.totalAssets() == system.usd(160_000) - paid + value("USDX", held)


def test_a_first_purchase_makes_the_fund_ask(
    empty_reserve: System, deployer: Any, keeper: Any, stranger: Any
) -> None:
    system = empty_reserve
    system.contribute(deployer, 1_000)
    system.reserve.start(USDY, sender=keeper)
    units = offer(system, stranger, "USDY", 40)
    system.reserve.sell(USDY, units, stranger, 0, sender=stranger)
    assert system.reserve.amountOf(USDY) == units
    assert system.fund.totalAssets() == skin(system) + system.usd(38)


def test_a_seller_may_give_less_and_says_what_he_wants(buying: System, stranger: Any) -> None:
    wait_until(buying.reserve.auctionOf(USDX)[0] + SALE)
    units = tokens("USDX", 100)
    price = buying.usd(105)
    with reverts("PaymentBelowMin", paid=price, minPaid=price + 1):
        buying.reserve.sell(USDX, units, stranger, price + 1, sender=stranger)
    buying.reserve.sell(USDX, units, stranger, price, sender=stranger)
    assert buying.reserve.amountOf(USDX) == tokens("USDX", 10_100)


def test_a_payment_rounds_down(buying: System) -> None:
    wait_until(buying.reserve.auctionOf(USDX)[0] + SALE)
    assert tuple(buying.reserve.quote(USDX, 10**12 - 1)) == (10**12 - 1, 1)
    assert tuple(buying.reserve.quote(USDX, 1)) == (1, 0)


def test_nothing_is_bought_above_the_weight(buying: System, stranger: Any) -> None:
    """What is paid beyond par makes everything a little less, and its target with it."""
    wait_until(buying.reserve.auctionOf(USDX)[0] + 900)
    buying.reserve.sell(USDX, ALL, stranger, 0, sender=stranger)
    with reverts("NothingToConvert", asset=USDX):
        buying.reserve.sell(USDX, 1, stranger, 0, sender=stranger)


def test_nothing_is_bought_beyond_the_cap(buying: System, deployer: Any) -> None:
    """A quarter of what is missing fits; then nothing."""
    buying.contribute(deployer, 900_000)
    units = tokens("USDX", 40_000)
    assert buying.reserve.quote(USDX, ALL)[0] == units
    offer(buying, deployer, "USDX", 40_000)
    buying.reserve.sell(USDX, units, deployer, 0, sender=deployer)
    assert buying.reserve.amountOf(USDX) == tokens("USDX", 50_000)
    with ape.reverts(buying.reserve.NothingToConvert, asset=USDX):
        buying.reserve.quote(USDX, ALL)


def test_a_lower_cap_than_what_is_held_refuses_and_takes_nothing(
    buying: System, governor: Any, deployer: Any
) -> None:
    parameters = (100_000, 50_000, 200_000, 0, 0, tokens("USDX", 1))
    buying.stablecoins.setAsset(USDX, buying.assets["USDX"], False, parameters, sender=governor)
    with ape.reverts(buying.reserve.NothingToConvert, asset=USDX):
        buying.reserve.quote(USDX, ALL)
    with reverts("CapExceeded", asset=USDX, total=tokens("USDX", 10_000) + 1, cap=tokens("USDX", 1)):
        buying.reserve.contribute(USDX, 1, sender=deployer)


def test_nothing_is_bought_beyond_what_skin_has(
    empty_reserve: System, governor: Any, deployer: Any, keeper: Any, stranger: Any
) -> None:
    """Skin has 100 of 10,100, and USDX should be everything: 100 buy what they pay for, at 1.05 each."""
    system = empty_reserve
    for asset, weight in ((USDY, 0), (SAVE, 0), (USDX, MILLION)):
        symbol = ASSETS[asset].symbol
        parameters = (100_000, 50_000, weight, 0, 0, tokens(symbol, 10**6))
        system.stablecoins.setAsset(
            asset, system.assets[symbol], symbol == "SAVE", parameters, sender=governor
        )
    system.contribute(deployer, 100)
    system.donate(deployer, "USDY", 10_000)
    system.reserve.start(USDX, sender=keeper)
    offer(system, stranger, "USDX", 1_000)
    started = system.reserve.auctionOf(USDX)[0]
    units = system.usd(100) * scale("USDX") * MILLION // (WAD * (MILLION + 50_000))
    assert payment("USDX", units, MILLION + 50_000) <= system.usd(100)
    wait_until(started + SALE)
    assert system.reserve.quote(USDX, ALL)[0] == units
    system.reserve.sell(USDX, ALL, stranger, 0, sender=stranger)
    assert skin(system) == system.usd(100) - payment("USDX", units, MILLION + 50_000) == 1


def test_what_a_sale_to_it_is_refused_for(
    buying: System, market_maker: Any, trader: Any, stranger: Any
) -> None:
    """Each before those that follow it."""
    reserve = buying.reserve
    with reverts("UnknownAsset", asset=4):
        reserve.sell(4, 0, ZERO_ADDRESS, ALL, sender=stranger)
    with reverts("ZeroAmount"):
        reserve.sell(USDY, 0, ZERO_ADDRESS, ALL, sender=stranger)
    with reverts("ZeroAddress"):
        reserve.sell(USDY, 1, ZERO_ADDRESS, ALL, sender=stranger)
    with reverts("AuctionNotRunning", asset=USDY):
        reserve.sell(USDY, 1, stranger, ALL, sender=stranger)
    buying.set_asset_price("USDX", "0.9949")
    with reverts("OffPeg", asset=USDX):
        reserve.sell(USDX, 1, stranger, ALL, sender=stranger)
    shut_the_gate(buying, market_maker, trader)
    with reverts("GateClosed"):
        reserve.sell(USDX, 1, stranger, ALL, sender=stranger)


def test_a_vault_that_dies_ends_the_purchase(filled_reserve: System, keeper: Any, stranger: Any) -> None:
    filled_reserve.reserve.start(SAVE, sender=keeper)
    kill_vault(filled_reserve, "SAVE")
    with reverts("NoPrice", asset=SAVE):
        filled_reserve.reserve.sell(SAVE, 1, stranger, 0, sender=stranger)


def test_whoever_sells_must_have_it(buying: System, trader: Any) -> None:
    with reverts("ERC20InsufficientAllowance"):
        buying.reserve.sell(USDX, ALL, trader, 0, sender=trader)
