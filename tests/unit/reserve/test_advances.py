"""Reserve (SPECIFICATION.md section 6.3): what it sells to repay the tranches; odd tokens."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import decode
from eth_utils import keccak

from tests.expect import event, events, reverts
from tests.system import MILLION, WAD, System
from tests.unit.fund_helpers import next_block_at
from tests.unit.reserve.books import (
    ALL,
    BTC,
    FEE,
    HOOK,
    SALE,
    SAVE,
    SILENT,
    SUSD,
    USDX,
    USDY,
    cost,
    give_shares,
    lose,
    pay,
    skin,
    tokens,
    units_for,
)
from weir.parameters import AssetParameters

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
