"""The client and the keeper with other stablecoins, on a chain: pledges and their sales, and the reserve."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from io import StringIO
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount
from rich.console import Console

from tests.moves import (
    WAD,
    an_order,
    contribute,
    deployer,
    deposit,
    fill,
    liquidator,
    market_maker,
    mint,
    mint_coins,
    set_price,
    stranger,
    trader,
)
from weir.chain import ContractError, connect
from weir.client import Weir
from weir.deployment import deploy
from weir.formatting import exact_json
from weir.keeper.policy import Kind, Options
from weir.keeper.roles import USUAL, Role
from weir.keeper.runner import Keeper
from weir.node import Node
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import AssetParameters, MarketParameters, Parameters
from weir.stablecoins import cost, price_off, worth
from weir.status import collect, render

DAY = 86_400
SALE = 1_800
"""Seconds from par to the discount."""

PARAMETERS = Parameters(
    markets=(MarketParameters(symbol="BTC", price=Decimal(60_000), heartbeat=DAY),),
    funding=FREE,
    assets=(
        AssetParameters(symbol="USDC", weight=500_000, collateral_cap=Decimal(50_000)),
        AssetParameters(symbol="SAVE", share_of="S"),
    ),
)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as running:
        yield running


@pytest.fixture
def weir(node: Node) -> Iterator[Weir]:
    """The trader has 500 S and 10,000 USDC as margin, and is long 3 BTC; what a test does is undone."""
    snapshot = node.rpc("evm_snapshot")
    w3 = connect(node.url)
    system = Weir(w3, deploy(w3, deployer, PARAMETERS))
    for account, amount in ((market_maker, 1_000_000), (trader, 500), (liquidator, 100_000)):
        deposit(system, account, amount)
    system.assets.pledge(trader, "USDC", _coins(system, trader, 10_000))
    fill(system, trader, an_order(system, size=2 * WAD))
    yield system
    node.rpc("evm_revert", snapshot)


def _coins(weir: Weir, account: LocalAccount, amount: int) -> int:
    return mint_coins(weir, account, "USDC", amount)


def _coin_balance(weir: Weir, account: Any) -> int:
    return int(weir.chain.call(weir.assets.token("USDC").functions.balanceOf(account.address)))


def _wait(node: Node, weir: Weir, seconds: int) -> None:
    node.mine(timestamp=weir.chain.timestamp() + seconds)


def _in_debt(weir: Weir) -> int:
    """Bitcoin falls by 1,000, which costs the trader 2,000; what it then owes beyond its cash."""
    set_price(weir, weir.feed("BTC"), "59000")
    weir.chain.send(stranger, weir.clearing_house.functions.settle([trader.address]))
    return weir.account(trader.address).debt


# ------------------------------------------------------------------ collateral


def test_what_is_pledged_counts_at_its_haircut(weir: Weir) -> None:
    account = weir.account(trader.address)
    assert account.collateral == weir.units(Decimal(9_500))
    assert account.equity == account.cash + account.collateral
    (pledge,) = weir.assets.pledges()
    assert (pledge.address, pledge.value) == (trader.address, account.collateral)
    assert pledge.held == (weir.assets.units("USDC", Decimal(10_000)), 0)
    usdc, save = weir.assets.states()
    assert (usdc.symbol, usdc.decimals, usdc.status, usdc.price, usdc.is_share) == (
        "USDC",
        6,
        "ok",
        WAD,
        False,
    )
    assert (usdc.pledged, usdc.pledged_value) == (pledge.held[0], pledge.value)
    assert (usdc.haircut, usdc.discount, usdc.weight) == (50_000, 20_000, 500_000)
    assert (save.symbol, save.status, save.price, save.is_share) == ("SAVE", "ok", WAD, True)
    set_price(weir, weir.assets.feed("USDC"), "0.87")
    assert weir.account(trader.address).collateral == weir.units(Decimal(8_265))
    # More than a dollar counts as a dollar.
    set_price(weir, weir.assets.feed("USDC"), "1.01")
    assert weir.assets.states()[0].price == WAD


def test_it_is_taken_back_as_far_as_margin_allows(weir: Weir) -> None:
    units = weir.assets.units("USDC", Decimal(1_000))
    weir.assets.take_back(trader, "USDC", units, to=stranger.address)
    assert _coin_balance(weir, stranger) == units
    with pytest.raises(ContractError, match="InitialMarginNotMet"):
        weir.assets.take_back(trader, "USDC", 9 * units)


def test_the_cap_holds(weir: Weir) -> None:
    with pytest.raises(ContractError, match="CapExceeded"):
        weir.assets.pledge(stranger, "USDC", _coins(weir, stranger, 40_001))


def test_debts_are_paid_by_a_sale(weir: Weir, node: Node) -> None:
    debt = _in_debt(weir)
    assert debt > 0
    with pytest.raises(ContractError, match="SaleNotRunning"):
        weir.assets.buy_collateral(stranger, trader.address, "USDC", 1, 1)
    weir.assets.start_sale(stranger, trader.address)
    with pytest.raises(ContractError, match="SaleRunning"):
        weir.assets.start_sale(stranger, trader.address)
    (pledge,) = weir.assets.pledges([trader.address])
    assert (pledge.due, pledge.default_id, pledge.startable) == (debt, 0, False)
    _wait(node, weir, SALE // 2 - 5)
    (asset, _), now = weir.assets.states(), weir.chain.timestamp()
    factor = 10**6 - price_off(asset.discount, pledge.sale_started_at, now, weir.assets.sale_duration())
    assert 990_000 < factor < 991_000
    money = mint(weir, stranger, 2_000)
    receipt = weir.assets.buy_collateral(stranger, trader.address, "USDC", pledge.held[0], money)
    sold = receipt.event("Sold")
    # A second or two later than what was foreseen.
    assert 0 <= cost(asset, sold["amount"], factor, 6) - sold["cost"] < 10**6
    assert sold["cost"] >= worth(asset, sold["amount"], 6) * 98 // 100
    assert _coin_balance(weir, stranger) == sold["amount"]
    assert weir.account(trader.address).debt == 0
    (pledge,) = weir.assets.pledges([trader.address])
    assert pledge.due == 0
    with pytest.raises(ContractError, match="NothingToSell"):
        weir.assets.buy_collateral(stranger, trader.address, "USDC", pledge.held[0], money)


# ----------------------------------------------------------------- the reserve


def test_the_reserve_sells_what_is_above_its_weight_and_buys_it_back(weir: Weir, node: Node) -> None:
    weir.assets.contribute(stranger, "USDC", _coins(weir, stranger, 1_000))
    usdc = weir.assets.states()[0]
    assert weir.usd(usdc.reserve_worth) == 1_000
    assert (weir.usd(usdc.reserve_value), weir.usd(usdc.reserve_target)) == (950, 500)
    assert weir.fund_state().reserve == usdc.reserve_value
    assert usdc.auction.startable
    assert (usdc.auction.factor, usdc.auction.off) == (0, 0)

    weir.assets.start_conversion(stranger, "USDC")
    _wait(node, weir, SALE)
    auction = weir.assets.states()[0].auction
    assert (auction.factor, auction.off) == (980_000, 20_000)
    assert not auction.buying | auction.startable
    money = mint(weir, liquidator, 1_000)
    sold = weir.assets.buy_from_reserve(liquidator, "USDC", usdc.reserve, money).event("AssetSold")
    assert sold["cost"] == -(-sold["amount"] * 98 // 100)
    assert weir.fund_state().skin == sold["cost"]

    # With more S the reserve has less of it than its weight.
    contribute(weir, stranger, 2_000)
    assert weir.assets.states()[0].auction.startable
    weir.assets.start_conversion(stranger, "USDC")
    _wait(node, weir, SALE)
    assert weir.assets.states()[0].auction.off == 20_000
    paid = weir.assets.sell_to_reserve(trader, "USDC", _coins(weir, trader, 100), 0).event("AssetBought")
    assert weir.usd(paid["paid"]) == 102
    with pytest.raises(ContractError, match="PaymentBelowMin"):
        weir.assets.sell_to_reserve(trader, "USDC", _coins(weir, trader, 100), 103 * 10**6)


def test_books_of_tokens(weir: Weir) -> None:
    weir.assets.contribute(stranger, "USDC", _coins(weir, stranger, 1_000))
    usdc, save = weir.assets.books()
    assert usdc.holds
    assert save.holds
    assert (usdc.pledged, usdc.of_accounts, usdc.reserve) == (10_000 * 10**6, 10_000 * 10**6, 1_000 * 10**6)
    assert usdc.donations == save.donations == 0
    gift = weir.assets.token("USDC").functions.transfer(weir.assets.reserve.address, 7)
    _coins(weir, stranger, 1)
    weir.chain.send(stranger, gift)
    assert weir.assets.books()[0].donations == 7
    assert weir.assets.books()[0].holds


# ------------------------------------------------------------------------ names


def test_what_is_not_there_is_named(weir: Weir) -> None:
    with pytest.raises(LookupError, match="no asset 'DAI'; the assets are USDC, SAVE"):
        weir.assets.id("DAI")
    with pytest.raises(LookupError, match="SAVE has no feed: it is a share of the settlement token"):
        weir.assets.feed("SAVE")


def test_without_other_stablecoins_there_is_nothing_to_see(node: Node) -> None:
    snapshot = node.rpc("evm_snapshot")
    w3 = connect(node.url)
    plain = Weir(w3, deploy(w3, deployer, Parameters()))
    assert not plain.assets
    assert (plain.assets.states(), plain.assets.pledges(), plain.assets.books()) == ((), (), ())
    with pytest.raises(LookupError, match="no asset 'USDC'; there is none"):
        plain.assets.record("USDC")
    found = collect(plain)
    assert found["stablecoins"] == {"assets": [], "pledging": 0, "owing": []}
    assert "stablecoin" not in _shown(found)
    node.rpc("evm_revert", snapshot)


# ----------------------------------------------------------------------- keeper


def _keeper(weir: Weir, account: Any, **options: Any) -> Keeper:
    return Keeper(weir, account, Options(execute=True, min_collect=10**18, **options))


def _sent(keeper: Keeper) -> dict[str, int]:
    return dict(keeper.step().count("sent"))


def test_a_keeper_starts_sales_and_buys_at_the_discount_it_wants(weir: Weir, node: Node) -> None:
    set_price(weir, weir.feed("BTC"), "59000")
    keeper = _keeper(weir, stranger, roles=USUAL | {Role.BUY}, min_discount=10_000)
    # The loss has not been settled yet: the keeper sees that it will be a debt.
    assert weir.account(trader.address).debt == 0
    assert _sent(keeper) == {Kind.START_SALE: 1}
    assert weir.account(trader.address).debt > 0
    _wait(node, weir, SALE // 4)
    assert _sent(keeper) == {}
    _wait(node, weir, SALE // 2)
    # It has no money.
    assert _sent(keeper) == {}
    mint(weir, stranger, 1_000)
    # Nor has it approved any.
    assert _sent(keeper) == {}
    collateral = weir.assets.collateral.address
    weir.chain.send(stranger, weir.token.functions.approve(collateral, 800 * 10**6))
    debt = weir.account(trader.address).debt
    assert _sent(keeper) == {Kind.BUY_COLLATERAL: 1}
    assert debt - weir.account(trader.address).debt == pytest.approx(800 * 10**6, abs=2)
    weir.chain.send(stranger, weir.token.functions.approve(collateral, 10**30))
    mint(weir, stranger, 10_000)
    assert _sent(keeper) == {Kind.BUY_COLLATERAL: 1}
    assert weir.account(trader.address).debt == 0
    assert _sent(keeper) == {}


def test_a_keeper_converts_the_reserve(weir: Weir, node: Node) -> None:
    weir.assets.contribute(stranger, "USDC", _coins(weir, stranger, 1_000))
    keeper = _keeper(weir, stranger, roles=USUAL | {Role.BUY}, min_discount=20_000)
    mint(weir, stranger, 5_000)
    weir.chain.send(stranger, weir.token.functions.approve(weir.assets.reserve.address, 10**30))
    assert _sent(keeper) == {Kind.START_CONVERSION: 1}
    _wait(node, weir, SALE)
    assert _sent(keeper) == {Kind.BUY_FROM_RESERVE: 1}
    assert weir.assets.states()[0].reserve_worth <= weir.assets.states()[0].reserve_target + 10**6


def test_a_keeper_sells_to_a_reserve_that_buys(weir: Weir, node: Node) -> None:
    """Half of the fund's stake should be USDC; it has none."""
    contribute(weir, stranger, 1_000)
    keeper = _keeper(weir, stranger, roles=USUAL | {Role.BUY}, min_discount=20_000)
    assert _sent(keeper) == {Kind.START_CONVERSION: 1}
    _wait(node, weir, SALE)
    coins = _coins(weir, stranger, 400)
    # It has approved nothing.
    assert _sent(keeper) == {}
    weir.chain.send(
        stranger, weir.assets.token("USDC").functions.approve(weir.assets.reserve.address, 10**30)
    )
    assert _sent(keeper) == {Kind.SELL_TO_RESERVE: 1}
    assert weir.assets.states()[0].reserve == coins
    assert weir.chain.call(weir.token.functions.balanceOf(stranger.address)) == coins * 102 // 100
    assert _sent(keeper) == {}


def test_a_liquidator_takes_collateral_over(weir: Weir) -> None:
    set_price(weir, weir.feed("BTC"), "56500")
    sent = _sent(_keeper(weir, liquidator))
    assert sent["flag"] == sent["liquidate"] == 1
    mine, (theirs,) = weir.assets.pledges([liquidator.address]), weir.assets.pledges([trader.address])
    assert mine[0].held[0] > 0
    assert mine[0].held[0] + theirs.held[0] == 10_000 * 10**6
    assert weir.account(liquidator.address).collateral == mine[0].value


def test_what_it_took_over_is_taken_out_as_far_as_its_margin_allows(weir: Weir) -> None:
    """Where initial margin is some 3,150, a margin use of 3.25% needs 97,000; the usual one needs less."""
    set_price(weir, weir.feed("BTC"), "56500")
    first = _sent(_keeper(weir, liquidator))
    assert first[Kind.LIQUIDATE] == 1
    took = weir.assets.pledges([liquidator.address])[0].held[0]
    careful = _keeper(weir, liquidator, roles=USUAL | {Role.WITHDRAW}, margin_use=32_500, min_sale=10**6)
    assert _sent(careful) == {Kind.WITHDRAW: 1}
    out, own = _coin_balance(weir, liquidator), weir.account(liquidator.address)
    assert 0 < out < took
    assert weir.assets.pledges([liquidator.address])[0].held[0] == took - out
    assert own.initial_margin / own.equity == pytest.approx(0.0325, rel=1e-6)
    assert _sent(careful) == {}
    assert _sent(_keeper(weir, liquidator, roles=frozenset({Role.WITHDRAW}))) == {Kind.WITHDRAW: 1}
    assert _coin_balance(weir, liquidator) == took


def test_a_keeper_without_money_tells_what_it_leaves_alone(weir: Weir) -> None:
    """Until it has some."""
    set_price(weir, weir.feed("BTC"), "56500")
    keeper = _keeper(weir, stranger)
    for news in (True, False):
        report = keeper.step()
        assert report.passed_over == 1
        (task,) = [task for task in report.tasks if task["kind"] == Kind.LIQUIDATE]
        assert (task["subject"], task["outcome"], task["news"]) == (trader.address, "no margin", news)
        assert any("no margin liquidate" in line for line in report.lines()) is news
    deposit(weir, stranger, 50_000)
    report = keeper.step()
    assert report.count("sent")[Kind.LIQUIDATE] == 1
    assert (report.passed_over, report.cash) == (0, 50_000 * 10**6)


# ----------------------------------------------------------------------- status


def _shown(found: dict[str, Any]) -> str:
    console = Console(file=StringIO(), width=200, no_color=True)
    console.print(render(found))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_status_shows_assets_collateral_and_reserve(weir: Weir, node: Node) -> None:
    weir.assets.contribute(stranger, "USDC", _coins(weir, stranger, 1_000))
    set_price(weir, weir.assets.feed("USDC"), "0.95")
    debt = _in_debt(weir)
    found = collect(weir)
    coins = json.loads(exact_json(found))["stablecoins"]
    usdc, save = coins["assets"]
    assert (usdc["symbol"], usdc["price"], usdc["feed"]) == ("USDC", "0.950000000000000000", "ok")
    assert (usdc["haircut"], usdc["discount"], usdc["weight"]) == (0.05, 0.02, 0.5)
    assert {name: Decimal(amount) for name, amount in usdc["collateral"].items()} == {
        "amount": 10_000,
        "cap": 50_000,
        "counts": 9_025,
    }
    reserve = usdc["reserve"]
    assert [Decimal(reserve[name]) for name in ("amount", "worth", "counts", "target")] == [
        1_000,
        950,
        Decimal("902.5"),
        475,
    ]
    assert (reserve["auction"], reserve["startable"]) == (None, True)
    assert Decimal(save["reserve"]["amount"]) == 0
    assert coins["pledging"] == 1
    (owing,) = coins["owing"]
    assert (owing["address"], Decimal(owing["due"])) == (trader.address, weir.usd(debt))
    assert (owing["default"], owing["startable"]) == (None, True)
    assert [line["holds"] for line in found["identities"] if line["id"].startswith("P1:")] == [True, True]
    assert Decimal(found["fund"]["reserve"]) == Decimal("902.5")

    weir.assets.start_sale(stranger, trader.address)
    weir.assets.start_conversion(stranger, "USDC")
    _wait(node, weir, SALE)
    text = _shown(collect(weir))
    assert "Other stablecoins (1 accounts have pledged)" in text
    assert "$0.9500" in text
    assert "sells at 2.00% off" in text
    assert "Collateral to be sold (of 1 accounts)" in text
    assert "P1:USDC" in text
