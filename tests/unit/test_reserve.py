"""Reserve: SPECIFICATION.md section 6.3, in the whole protocol."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
import pytest
from eth_abi import decode
from eth_utils import keccak

from tests.expect import ZERO_ADDRESS, event, events, reverts
from tests.system import MILLION, WAD, System
from tests.unit.fund_helpers import next_block_at, wait_until
from weir.deployment import to_units
from weir.parameters import AssetParameters, ConversionParameters, FundParameters

ALL = 2**256 - 1
BTC = 0
SALE = 1_800
"""Seconds until an auction's price is off by the whole discount; it runs twice as long."""

ASSETS = (
    AssetParameters(
        symbol="USDX",
        decimals=18,
        haircut=100_000,
        discount=50_000,
        weight=200_000,
        reserve_cap=Decimal(50_000),
    ),
    AssetParameters(symbol="USDY", decimals=6, haircut=50_000, discount=20_000, weight=100_000),
    AssetParameters(symbol="SAVE", share_of="S", haircut=40_000, discount=10_000, weight=100_000),
    AssetParameters(symbol="SUSD", share_of="USDX", haircut=200_000, discount=50_000, max_growth=100_000),
)
USDX, USDY, SAVE, SUSD = range(4)
WIDTH = {"USDX": 18, "USDY": 6, "SAVE": 6, "SUSD": 18}


# ------------------------------------------------------- the specification, read


def scale(symbol: str) -> int:
    """10^(18 + da - d), for a settlement token of 6 decimals."""
    return int(10 ** (18 + WIDTH[symbol] - 6))


def worth(symbol: str, units: int, price: int = WAD) -> int:
    return units * price // scale(symbol)


def value(symbol: str, units: int, price: int = WAD) -> int:
    haircut = next(asset.haircut for asset in ASSETS if asset.symbol == symbol)
    return worth(symbol, units, price) * (MILLION - haircut) // MILLION


def cost(symbol: str, units: int, factor: int, price: int = WAD) -> int:
    return -(-units * price * factor // (scale(symbol) * MILLION))


def units_for(symbol: str, amount: int, factor: int, price: int = WAD) -> int:
    """The fewest that cost so much."""
    return -(-amount * scale(symbol) * MILLION // (price * factor))


def payment(symbol: str, units: int, factor: int, price: int = WAD) -> int:
    return units * price * factor // (scale(symbol) * MILLION)


def tokens(symbol: str, amount: Any) -> int:
    return to_units(Decimal(str(amount)), WIDTH[symbol])


# ----------------------------------------------------------------------- stage


@pytest.fixture(scope="session", autouse=True)
def reserve_stage(
    deployer: Any,
    governor: Any,
    market_maker: Any,
    trader: Any,
    liquidator: Any,
    staker: Any,
    other_staker: Any,
    keeper: Any,
    stranger: Any,
    empty_reserve: Any,
    filled_reserve: Any,
    odd_reserve: Any,
) -> None:
    """Everything of session scope, first: for a latecomer ape would have to start its module over."""


def deploy_reserve(deploy_system: Any, governor: Any) -> System:
    system: System = deploy_system(assets=ASSETS, fund=FundParameters(skin_target=Decimal(0)))
    system.fund.setMarketCover(BTC, MILLION, 0, sender=governor)
    return system


@pytest.fixture(scope="session")
def empty_reserve(deploy_system: Any, governor: Any) -> System:
    """The fund has nothing; a market may take everything, and nothing is coinsured."""
    return deploy_reserve(deploy_system, governor)


@pytest.fixture(scope="session")
def filled_reserve(
    deploy_system: Any, governor: Any, deployer: Any, staker: Any, other_staker: Any
) -> System:
    """Skin 100,000, the reserve 10,000 USDX, junior 20,000, senior 40,000."""
    system = deploy_reserve(deploy_system, governor)
    system.contribute(deployer, 100_000)
    system.stake(system.junior, staker, 20_000)
    system.stake(system.senior, other_staker, 40_000)
    system.donate(deployer, "USDX", 10_000)
    return system


@pytest.fixture(scope="session")
def odd_reserve(deploy_system: Any, project: Any, deployer: Any) -> System:
    """Assets whose tokens take a fee, return nothing, call back; skin 1,000."""
    listed = [
        AssetParameters(symbol=symbol, token=deployer.deploy(*made).address, weight=200_000)
        for symbol, made in {
            "FEE": (project.FeeToken, 6, 10_000),
            "SILENT": (project.SilentToken, 6),
            "HOOK": (project.ReentrantToken, 6),
        }.items()
    ]
    system: System = deploy_system(assets=tuple(listed), conversion=ConversionParameters(rebalance_band=0))
    system.contribute(deployer, 1_000)
    return system


def the_house(system: System) -> Any:
    """The clearing house, with ether of its own."""
    address = system.clearing_house.address
    ape.chain.provider.set_balance(address, 10**21)
    return ape.accounts.test_accounts.impersonate_account(address)


def lose(system: System, amount: Any) -> Any:
    """A default that costs the fund so much."""
    return system.fund.resolve(system.actors["trader"], BTC, system.usd(amount), 0, sender=the_house(system))


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


def pay(system: System, buyer: Any, amount: Any = 10**6) -> None:
    """So much S in the wallet, for the reserve to take."""
    system.mint(buyer, amount)
    system.token.approve(system.reserve, ALL, sender=buyer)


def offer(system: System, seller: Any, symbol: str, amount: Any) -> int:
    """So many tokens in the wallet, for the reserve to take."""
    token, units = system.assets[symbol], tokens(symbol, amount)
    token.mint(seller, units, sender=seller)
    token.approve(system.reserve, ALL, sender=seller)
    return units


def skin(system: System) -> int:
    return int(system.fund.layers().skin)


def kill_vault(system: System, symbol: str) -> None:
    """It answers nothing any more, and burns all the gas it is given."""
    ape.chain.provider.set_code(system.assets[symbol].address, "0xfe")


# ---------------------------------------------------------------- construction


def test_the_reserve_knows_its_fund_and_its_registry(empty_reserve: System) -> None:
    assert empty_reserve.reserve.fund() == empty_reserve.fund.address
    assert empty_reserve.reserve.stablecoins() == empty_reserve.stablecoins.address
    assert empty_reserve.fund.reserve() == empty_reserve.reserve.address


@pytest.mark.parametrize("missing", [0, 1])
def test_wiring_has_no_zero_address(project: Any, empty_reserve: System, deployer: Any, missing: int) -> None:
    arguments: list[Any] = [empty_reserve.stablecoins, empty_reserve.fund]
    arguments[missing] = ZERO_ADDRESS
    with reverts("ZeroAddress"):
        deployer.deploy(project.Reserve, *arguments)


# --------------------------------------------------------------- contributions


def test_a_contribution_is_booked_and_counts(empty_reserve: System, deployer: Any) -> None:
    """The fund hears of the first, of whatever asset, and asks from then on."""
    system = empty_reserve
    receipt = system.donate(deployer, "USDX", 1_000)
    units = tokens("USDX", 1_000)
    assert event(receipt, "Contributed") == {"asset": USDX, "from": deployer.address, "amount": units}
    assert event(receipt, "FromReserve") == {"amount": 0, "holds": True}
    assert system.reserve.amountOf(USDX) == system.assets["USDX"].balanceOf(system.reserve) == units
    assert system.reserve.value() == system.fund.totalAssets() == system.usd(900)
    assert system.reserve.worth() == system.usd(1_000)
    assert skin(system) == 0

    receipt = system.donate(deployer, "USDY", 100)
    assert not events(receipt, "FromReserve")
    assert system.reserve.value() == system.fund.totalAssets() == system.usd(900 + 95)
    system.donate(deployer, "USDX", 1)
    assert system.reserve.amountOf(USDX) == tokens("USDX", 1_001)
    assert system.fund.layers().reserve == system.usd("995.9")


def test_a_contribution_of_nothing(empty_reserve: System, deployer: Any) -> None:
    with reverts("ZeroAmount"):
        empty_reserve.reserve.contribute(99, 0, sender=deployer)


def test_a_contribution_of_what_is_not_listed(empty_reserve: System, deployer: Any) -> None:
    with reverts("UnknownAsset", asset=4):
        empty_reserve.reserve.contribute(4, ALL, sender=deployer)


def test_gifts_wait_while_an_advance_is_open(filled_reserve: System, deployer: Any, keeper: Any) -> None:
    """A little of something would keep it from being written off."""
    system = filled_reserve
    lose(system, 105_000)
    with reverts("AdvanceOpen"):
        system.reserve.contribute(USDX, ALL, sender=deployer)
    with reverts("UnknownAsset", asset=4):
        system.reserve.contribute(4, 1, sender=deployer)
    system.contribute(keeper, 5_000)
    system.donate(deployer, "USDX", 1)


def test_contributions_end_at_the_cap(empty_reserve: System, deployer: Any) -> None:
    cap = tokens("USDX", 50_000)
    empty_reserve.donate(deployer, "USDX", 49_999)
    offer(empty_reserve, deployer, "USDX", 2)
    with reverts("CapExceeded", asset=USDX, total=cap + 1, cap=cap):
        empty_reserve.reserve.contribute(USDX, tokens("USDX", 1) + 1, sender=deployer)
    with reverts("CapExceeded", asset=USDX, total=ALL, cap=cap):
        empty_reserve.reserve.contribute(USDX, ALL, sender=deployer)
    empty_reserve.reserve.contribute(USDX, tokens("USDX", 1), sender=deployer)
    assert empty_reserve.reserve.amountOf(USDX) == cap


def test_what_is_merely_sent_belongs_to_nobody(filled_reserve: System, stranger: Any) -> None:
    system = filled_reserve
    before = system.reserve.value(), system.fund.totalAssets(), tuple(system.reserve.weighing(USDX))
    system.assets["USDX"].mint(system.reserve, tokens("USDX", 500), sender=stranger)
    assert (system.reserve.value(), system.fund.totalAssets(), tuple(system.reserve.weighing(USDX))) == before


# ----------------------------------------------------------------------- value


@pytest.mark.parametrize(
    ("price", "counts"), [("1", "1"), ("1.02", "1"), ("0.87", "0.87"), ("0.0999", "0"), ("2.01", "0")]
)
def test_what_is_off_its_peg_counts_for_less(filled_reserve: System, price: str, counts: str) -> None:
    """And for nothing where its price is out of bounds."""
    system = filled_reserve
    system.set_asset_price("USDX", price)
    units = tokens("USDX", 10_000)
    assert system.reserve.value() == value("USDX", units, to_units(Decimal(counts), 18))
    assert system.fund.totalAssets() == system.usd(160_000) + system.reserve.value()
    assert system.reserve.worth() == system.usd(100_000) + worth("USDX", units, system.wad(counts))


def test_what_has_no_price_any_more_counts_for_nothing(filled_reserve: System) -> None:
    filled_reserve.asset_feeds["USDX"].setMode(1, sender=filled_reserve.actors["deployer"])
    assert filled_reserve.reserve.value() == 0
    assert filled_reserve.fund.totalAssets() == filled_reserve.usd(160_000)


def give_shares(system: System, giver: Any, symbol: str, amount: Any) -> int:
    """Deposits so much in the share's vault, and contributes the shares."""
    shares = system.assets[symbol]
    under = system.token if symbol == "SAVE" else system.assets["USDX"]
    units = tokens(symbol, amount)
    under.mint(giver, units, sender=giver)
    under.approve(shares, units, sender=giver)
    shares.deposit(units, giver, sender=giver)
    shares.approve(system.reserve, units, sender=giver)
    system.reserve.contribute(system.asset_id(symbol), units, sender=giver)
    return units


def test_a_share_of_s_needs_no_feed(filled_reserve: System, deployer: Any) -> None:
    """It falls with its vault at once."""
    system = filled_reserve
    before = system.reserve.value()
    units = give_shares(system, deployer, "SAVE", 1_000)
    assert system.reserve.value() - before == system.usd(960)
    system.assets["SAVE"].lose(system.usd(100), sender=deployer)
    rate = system.assets["SAVE"].convertToAssets(10**6)
    assert rate == 900_000
    assert system.reserve.value() - before == value("SAVE", units, WAD * rate // 10**6) == system.usd(864)


def test_a_share_counts_for_the_stablecoin_it_is_of(filled_reserve: System, deployer: Any) -> None:
    system = filled_reserve
    system.set_asset_price("USDX", "0.9")
    before = system.reserve.value()
    give_shares(system, deployer, "SUSD", 1_000)
    assert system.reserve.value() - before == system.usd(720)


def test_a_gift_to_a_vault_raises_no_coverage(filled_reserve: System, deployer: Any, attacker: Any) -> None:
    """Beyond the growth that governance foresaw, of a tenth a year."""
    system = filled_reserve
    before = system.reserve.value()
    units = give_shares(system, deployer, "SUSD", 1_000)
    system.assets["USDX"].mint(system.assets["SUSD"], tokens("USDX", 10**6), sender=attacker)
    assert system.assets["SUSD"].convertToAssets(WAD) > 900 * WAD
    price = (system.reserve.value() - before) * WAD // value("SUSD", units)
    assert WAD <= price < WAD * 10_001 // 10_000


def test_a_dead_vault_counts_for_nothing_and_stops_nothing(
    filled_reserve: System, deployer: Any, keeper: Any
) -> None:
    """Neither a default, nor the sale of what else there is, nor income."""
    system = filled_reserve
    give_shares(system, deployer, "SAVE", 1_000)
    kill_vault(system, "SAVE")
    assert system.reserve.value() == system.usd(9_000)
    lose(system, 101_000)
    assert tuple(system.fund.skin()) == (0, system.usd(1_000))
    system.fund.collect(sender=keeper)
    system.reserve.start(USDX, sender=keeper)
    pay(system, keeper)
    system.reserve.buy(USDX, ALL, keeper, ALL, sender=keeper)
    assert system.fund.gateOpen()


# --------------------------------------------------------------------- weights


def test_weights_are_of_skin_and_all_that_the_reserve_is_worth(filled_reserve: System, deployer: Any) -> None:
    system = filled_reserve
    system.donate(deployer, "USDY", 5_000)
    system.set_asset_price("USDX", "0.8")
    everything = 100_000 + 8_000 + 5_000
    assert system.reserve.worth() == system.usd(everything)
    for asset, held, weight in ((USDX, 8_000, "0.2"), (USDY, 5_000, "0.1"), (SAVE, 0, "0.1"), (SUSD, 0, "0")):
        assert tuple(system.reserve.weighing(asset)) == (
            system.usd(held),
            system.usd(everything * Decimal(weight)),
            system.usd(everything * Decimal("0.02")),
        )


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


@pytest.fixture
def buying(filled_reserve: System, keeper: Any, stranger: Any) -> System:
    """10,000 USDX of 110,000: 12,000 are below the weight. The stranger has USDX."""
    filled_reserve.reserve.start(USDX, sender=keeper)
    offer(filled_reserve, stranger, "USDX", 100_000)
    return filled_reserve


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


# -------------------------------------------------------------------- advances


def test_an_advance_is_repaid_by_a_sale(
    filled_reserve: System, staker: Any, keeper: Any, stranger: Any
) -> None:
    """105,000 are lost: 5,000 advanced on 9,000. At the full discount the reserve sells what repays them."""
    system = filled_reserve
    lose(system, 105_000)
    assert tuple(system.fund.skin()) == (0, system.usd(5_000))
    assert (system.fund.layers().junior, system.fund.layers().advancedJunior) == (
        system.usd(15_000),
        system.usd(5_000),
    )
    assert system.junior.totalAssets() == system.usd(20_000)
    receipt = system.reserve.start(USDX, sender=keeper)
    assert not event(receipt, "AuctionStarted")["buying"], "though it is below its weight"
    pay(system, stranger)
    factor = MILLION - 50_000
    units = units_for("USDX", system.usd(5_000), factor)
    paid = cost("USDX", units, factor)
    next_block_at(receipt.timestamp + SALE)
    receipt = system.reserve.buy(USDX, ALL, stranger, ALL, sender=stranger)
    assert event(receipt, "AssetSold")["amount"] == units
    assert event(receipt, "AdvanceRepaid") == {"junior": system.usd(5_000), "senior": 0}
    assert (skin(system), system.fund.gateOpen()) == (paid - system.usd(5_000), True)
    assert paid - system.usd(5_000) <= 1
    assert system.fund.layers().junior == system.usd(20_000)
    assert system.reserve.amountOf(USDX) == tokens("USDX", 10_000) - units
    system.stake(system.junior, staker, 1)


def test_a_sale_in_parts_repays_in_parts(filled_reserve: System, keeper: Any, stranger: Any) -> None:
    system = filled_reserve
    lose(system, 105_000)
    system.reserve.start(USDX, sender=keeper)
    pay(system, stranger)
    next_block_at(system.reserve.auctionOf(USDX)[0] + SALE)
    receipt = system.reserve.buy(USDX, tokens("USDX", 1_000), stranger, ALL, sender=stranger)
    assert event(receipt, "AdvanceRepaid") == {"junior": system.usd(950), "senior": 0}
    assert tuple(system.fund.skin()) == (0, system.usd(4_050))
    assert not system.fund.gateOpen()


def test_every_asset_is_for_sale_while_an_advance_is_open(
    filled_reserve: System, deployer: Any, keeper: Any, stranger: Any
) -> None:
    """Whatever its weight; and one that is being bought is sold instead."""
    system = filled_reserve
    system.donate(deployer, "USDY", 1)
    system.reserve.start(USDY, sender=keeper)
    assert system.reserve.auctionOf(USDY)[2]
    lose(system, 105_000)
    with reverts("GateClosed"):
        system.reserve.sell(USDY, 1, stranger, 0, sender=stranger)
    receipt = system.reserve.start(USDY, sender=keeper)
    assert not event(receipt, "AuctionStarted")["buying"]
    with reverts("GateClosed"):
        system.reserve.start(SAVE, sender=keeper)


def test_a_peg_lost_during_an_advance_is_the_tranches_loss(
    filled_reserve: System, keeper: Any, stranger: Any
) -> None:
    """9,000 are advanced on 10,000 USDX; at 0.87, a twentieth off, they bring 8,265, and junior loses."""
    system = filled_reserve
    lose(system, 109_000)
    assert tuple(system.fund.skin()) == (0, system.usd(9_000))
    assert system.reserve.value() == system.usd(9_000)
    system.set_asset_price("USDX", "0.87")
    assert system.reserve.value() == system.usd(7_830)

    lose(system, 1_000)
    record = system.default_record(2)
    assert (record["skin"], record["junior"]) == (0, system.usd(1_000)), "nothing more is advanced"
    assert system.junior.totalAssets() == system.usd(19_000)

    system.reserve.start(USDX, sender=keeper)
    pay(system, stranger)
    price, factor = system.wad("0.87"), MILLION - 50_000
    next_block_at(system.reserve.auctionOf(USDX)[0] + SALE)
    receipt = system.reserve.buy(USDX, ALL, stranger, ALL, sender=stranger)
    brought = cost("USDX", tokens("USDX", 10_000), factor, price)
    assert event(receipt, "AssetSold")["cost"] == brought == system.usd(8_265)
    assert event(receipt, "FromReserve") == {"amount": brought, "holds": False}
    assert event(receipt, "AdvanceRepaid") == {"junior": brought, "senior": 0}
    assert event(receipt, "AdvanceWrittenOff") == {"junior": system.usd(735), "senior": 0}
    assert not events(receipt, "TrancheWiped")
    assert system.fund.gateOpen()
    assert system.junior.totalAssets() == system.usd(20_000 - 1_000 - 735)
    assert system.fund.totalAssets() == system.usd(20_000 - 1_000 - 735 + 40_000)
    assert system.reserve.value() == system.reserve.amountOf(USDX) == 0


def test_while_anything_is_held_nothing_is_written_off(
    filled_reserve: System, deployer: Any, governor: Any, keeper: Any, stranger: Any
) -> None:
    """A unit of another asset that counts for nothing: anyone sells it too, or governance decides."""
    system = filled_reserve
    give_shares(system, deployer, "SUSD", "0.000000000000000001")
    lose(system, 109_000)
    system.set_asset_price("USDX", "0.87")
    pay(system, stranger)
    system.reserve.start(USDX, sender=keeper)
    next_block_at(system.reserve.auctionOf(USDX)[0] + SALE)
    receipt = system.reserve.buy(USDX, ALL, stranger, ALL, sender=stranger)
    assert event(receipt, "FromReserve")["holds"]
    assert not events(receipt, "AdvanceWrittenOff")
    assert tuple(system.fund.skin()) == (0, system.usd(735))
    assert system.reserve.value() == 0
    with ape.chain.isolate():
        receipt = system.fund.writeOffAdvances(sender=governor)
        assert event(receipt, "AdvanceWrittenOff") == {"junior": system.usd(735), "senior": 0}
    system.reserve.start(SUSD, sender=keeper)
    receipt = system.reserve.buy(SUSD, ALL, stranger, ALL, sender=stranger)
    assert (event(receipt, "AssetSold")["amount"], event(receipt, "AssetSold")["cost"]) == (1, 1)
    assert event(receipt, "AdvanceWrittenOff") == {"junior": system.usd(735) - 1, "senior": 0}


def test_governance_writes_off_what_has_no_price(
    filled_reserve: System, governor: Any, deployer: Any
) -> None:
    system = filled_reserve
    lose(system, 109_000)
    with reverts("AdvancesBacked", value=system.usd(9_000)):
        system.fund.writeOffAdvances(sender=governor)
    system.asset_feeds["USDX"].setMode(1, sender=deployer)
    system.fund.writeOffAdvances(sender=governor)
    assert system.fund.gateOpen()
    assert system.junior.totalAssets() == system.usd(11_000)
    system.asset_feeds["USDX"].setMode(0, sender=deployer)
    assert system.fund.totalAssets() == system.usd(51_000 + 9_000)


def test_an_advance_in_a_real_default(
    filled_reserve: System, market_maker: Any, trader: Any, liquidator: Any, keeper: Any
) -> None:
    """What it costs beyond skin is advanced, and repaid by whoever buys: no tranche loses anything."""
    system = filled_reserve
    for account, amount in ((market_maker, 1_000_000), (trader, 60_000), (liquidator, 500_000)):
        system.deposit(account, amount)
    system.trade(trader, market_maker, 100, 10_000)
    coverage = system.policy.coverage()
    assert coverage == system.fund.totalAssets() * MILLION // system.policy.target()
    shares = system.junior.convertToAssets(10**12)
    system.set_price(BTC, 8_400)
    system.flag(trader)
    receipt = system.liquidate(trader, liquidator)
    bounty = event(receipt, "BountyPaid")["amount"] if events(receipt, "BountyPaid") else 0
    record = system.default_record(1)
    lost = bounty + record["skin"]
    assert record["skin"] == record["shortfall"]
    owed = lost - system.usd(100_000)
    assert 0 < owed < system.usd(9_000)
    assert tuple(system.fund.skin()) == (0, owed)
    assert system.junior.convertToAssets(10**12) == shares
    assert not system.fund.gateOpen()

    system.reserve.start(USDX, sender=keeper)
    pay(system, keeper)
    system.reserve.buy(USDX, ALL, keeper, ALL, sender=keeper)
    assert system.fund.gateOpen()
    assert system.junior.convertToAssets(10**12) == shares
    layers = system.fund.layers()
    assert (layers.junior, layers.senior) == (system.usd(20_000), system.usd(40_000))


# ---------------------------------------------------------------------- tokens


@pytest.mark.parametrize(("settlement", "asset"), [(18, 6), (8, 0), (18, 18)])
def test_life_of_a_reserve_of_other_decimals(
    deploy_system: Any, deployer: Any, keeper: Any, stranger: Any, settlement: int, asset: int
) -> None:
    """Bought to its weight a little above par, then, at 0.9, sold below it."""
    listed = AssetParameters(symbol="ODD", decimals=asset, haircut=100_000, discount=50_000, weight=500_000)
    system: System = deploy_system(assets=(listed,), token_decimals=settlement)
    unit, width = 10**asset, 10 ** (18 + asset - settlement)
    system.contribute(deployer, 1_000)
    started = system.reserve.start(0, sender=keeper).timestamp
    token = system.assets["ODD"]
    token.mint(stranger, 10_000 * unit, sender=stranger)
    token.approve(system.reserve, ALL, sender=stranger)
    next_block_at(started + 900)
    system.reserve.sell(0, ALL, stranger, 0, sender=stranger)
    assert system.reserve.amountOf(0) == 500 * unit
    assert system.token.balanceOf(stranger) == system.usd("512.5")
    assert system.reserve.value() == system.usd(450)

    system.set_asset_price("ODD", "0.5")
    system.donate(deployer, "ODD", 5_000)
    held, price, factor = 5_500 * unit, WAD // 2, MILLION - 50_000
    all_worth = system.usd("487.5") + held * price // width
    due = held * price // width - all_worth // 2
    started = system.reserve.start(0, sender=keeper).timestamp
    units = -(-due * width * MILLION // (price * factor))
    pay(system, stranger)
    had = system.token.balanceOf(stranger)
    next_block_at(started + SALE)
    system.reserve.buy(0, ALL, stranger, ALL, sender=stranger)
    assert system.reserve.amountOf(0) == held - units
    assert had - system.token.balanceOf(stranger) == -(-units * price * factor // (width * MILLION))


FEE, SILENT, HOOK = range(3)


def odd(project: Any, system: System, number: int, holder: Any, amount: int = 10**9) -> Any:
    """The token, with so much in the holder's wallet for the reserve to take."""
    kind = (project.FeeToken, project.SilentToken, project.ReentrantToken)[number]
    token = kind.at(system.stablecoins.asset(number).token)
    token.mint(holder, amount, sender=holder)
    token.approve(system.reserve, amount, sender=holder)
    return token


def test_what_comes_must_come_whole(project: Any, odd_reserve: System, keeper: Any, stranger: Any) -> None:
    system = odd_reserve
    odd(project, system, FEE, stranger)
    with reverts("InexactTransfer", expected=100, received=99):
        system.reserve.contribute(FEE, 100, sender=stranger)
    system.reserve.start(FEE, sender=keeper)
    with reverts("InexactTransfer", expected=10**6, received=990_000):
        system.reserve.sell(FEE, 10**6, stranger, 0, sender=stranger)


def test_a_payment_must_arrive_whole(
    deploy_system: Any, project: Any, deployer: Any, keeper: Any, stranger: Any
) -> None:
    """Without any skin the asset is everything, which is more than its weight."""
    fee_token = deployer.deploy(project.FeeToken, 6, 10_000)
    listed = AssetParameters(symbol="USDY", weight=100_000)
    system: System = deploy_system(assets=(listed,), token=fee_token.address)
    system.donate(deployer, "USDY", 1_000)
    system.reserve.start(0, sender=keeper)
    fee_token.mint(stranger, 10**9, sender=stranger)
    fee_token.approve(system.reserve, ALL, sender=stranger)
    with reverts("InexactTransfer"):
        system.reserve.buy(0, ALL, stranger, ALL, sender=stranger)


def test_a_token_that_returns_nothing(project: Any, odd_reserve: System, keeper: Any, stranger: Any) -> None:
    system = odd_reserve
    token = odd(project, system, SILENT, stranger)
    system.reserve.contribute(SILENT, 900 * 10**6, sender=stranger)
    system.reserve.start(SILENT, sender=keeper)
    pay(system, stranger)
    system.reserve.buy(SILENT, 10 * 10**6, stranger, ALL, sender=stranger)
    assert token.balanceOf(stranger) == 110 * 10**6
    assert token.balanceOf(system.reserve) == system.reserve.amountOf(SILENT) == 890 * 10**6


@pytest.mark.parametrize("entry", ["contribute", "buy", "sell"])
def test_a_token_that_calls_back_finds_the_reserve_locked(
    project: Any, odd_reserve: System, stranger: Any, entry: str
) -> None:
    system = odd_reserve
    reserve = system.reserve
    token = odd(project, system, HOOK, stranger)
    call = {
        "contribute": reserve.contribute.encode_input(HOOK, 1),
        "buy": reserve.buy.encode_input(HOOK, 1, stranger, ALL),
        "sell": reserve.sell.encode_input(HOOK, 1, stranger, 0),
    }[entry]
    token.arm(reserve, call, sender=stranger)
    reserve.contribute(HOOK, 10**6, sender=stranger)
    assert (token.called(), token.succeeded()) == (True, False)
    assert bytes(token.result()) == keccak(text="ReentrancyGuardReentrantCall()")[:4]
    assert reserve.amountOf(HOOK) == token.balanceOf(reserve) == 10**6


def seen_by(token: Any) -> tuple[int, ...]:
    assert token.succeeded()
    return tuple(decode(["uint256"] * 7, bytes(token.result())))


def test_an_asset_that_calls_back_finds_books_whole(
    project: Any, odd_reserve: System, keeper: Any, stranger: Any
) -> None:
    """What comes is not booked yet, what goes is no longer, and the money for it is there."""
    system = odd_reserve
    reserve, fund = system.reserve, system.fund
    token = odd(project, system, HOOK, stranger)
    layers = fund.layers.encode_input()

    token.arm(fund, layers, sender=stranger)
    reserve.contribute(HOOK, 600 * 10**6, sender=stranger)
    assert seen_by(token)[4] == 0

    reserve.start(HOOK, sender=keeper)
    pay(system, stranger)
    before = fund.layers()
    token.arm(fund, layers, sender=stranger)
    paid = event(reserve.buy(HOOK, 100 * 10**6, stranger, ALL, sender=stranger), "AssetSold")["cost"]
    assert seen_by(token) == tuple(fund.layers())
    assert seen_by(token)[0] == before.skin + paid
    assert seen_by(token)[4] == 500 * 95 * 10**4

    system.contribute(keeper, 9_000)
    reserve.start(HOOK, sender=keeper)
    before = tuple(fund.layers())
    token.arm(fund, layers, sender=stranger)
    reserve.sell(HOOK, 100 * 10**6, stranger, 0, sender=stranger)
    assert seen_by(token) == before
    assert fund.layers().reserve == 600 * 95 * 10**4


def test_a_settlement_token_that_calls_back_finds_books_whole(
    deploy_system: Any, project: Any, deployer: Any, keeper: Any, stranger: Any
) -> None:
    """While a buyer's money comes nothing has been sold; while a seller's goes it is skin's no longer."""
    s = deployer.deploy(project.ReentrantToken, 6)
    listed = AssetParameters(symbol="USDY", weight=100_000)
    system: System = deploy_system(assets=(listed,), token=s.address)
    reserve, fund = system.reserve, system.fund
    layers = fund.layers.encode_input()
    system.contribute(deployer, 1_000)
    system.donate(deployer, "USDY", 1_000)
    reserve.start(0, sender=keeper)
    pay(system, stranger, 5_000)
    before = tuple(fund.layers())
    s.arm(fund, layers, sender=stranger)
    reserve.buy(0, 10**6, stranger, ALL, sender=stranger)
    assert seen_by(s) == before
    assert tuple(fund.layers()) != before

    s.arm(reserve, reserve.buy.encode_input(0, 1, stranger, ALL), sender=stranger)
    reserve.buy(0, 10**6, stranger, ALL, sender=stranger)
    assert (s.called(), s.succeeded()) == (True, False)
    assert reserve.amountOf(0) == 998 * 10**6

    system.contribute(deployer, 50_000)
    reserve.start(0, sender=keeper)
    system.assets["USDY"].mint(stranger, 10**9, sender=stranger)
    system.assets["USDY"].approve(reserve, ALL, sender=stranger)
    s.arm(fund, layers, sender=stranger)
    reserve.sell(0, 10**9, stranger, 0, sender=stranger)
    assert seen_by(s) == tuple(fund.layers())
