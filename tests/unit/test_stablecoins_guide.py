"""docs/stablecoins.md says what the exact model finds with the defaults; its bounds are the contract's."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.expect import reverts
from tests.guide import Guide
from tests.model.stage import Stage, units, wei
from tests.system import System
from weir.model import AssetParameters as ModelAsset
from weir.model.numbers import ASSET_FEEDS, MILLION
from weir.parameters import (
    AssetParameters,
    ConversionParameters,
    asset_struct,
    conversion_struct,
)

GUIDE = Guide("stablecoins")
TEXT = GUIDE.text
DEFAULTS, AUCTION = AssetParameters(symbol="USDC"), ConversionParameters()
COIN = ModelAsset(haircut=DEFAULTS.haircut, discount=DEFAULTS.discount)
QUARTER = 15 * 60
PLENTY = 10**15
UINT96 = 2**96 - 1


def dollars(amount: int) -> str:
    """Units of a token of 6 decimals as the guide writes money."""
    return f"${amount / MILLION:,.0f}"


def coins(amount: int) -> str:
    return f"{Decimal(amount) / MILLION:,.6f}"


class Scene(Stage):
    """A market at 100 in which the trader is long, and a coin with the defaults."""

    def __init__(self) -> None:
        super().__init__(100, budget_share=MILLION)
        self.peg("1")
        self.call("set_asset", 0, COIN)
        self.fund_account(market_maker=1_000_000)

    def peg(self, price: str | None) -> None:
        self.world.set_price(ASSET_FEEDS, None if price is None else wei(float(price)))

    def pledge_and_lose(self, loss: int) -> None:
        """1,000 of cash and 10,000 coins; the position is closed at the loss."""
        self.fund_account(trader=1_000)
        self.call("deposit_collateral", "trader", 0, units(10_000))
        self.trade("trader", "market_maker", 1_000)
        self.price(100 - loss / 1_000)

    def buy(self, after: int) -> tuple[int, int]:
        """All that the trader's debts ask for, so many seconds after the start of the sale."""
        self.call("start_sale", "trader")
        self.world.advance(after)
        bought: tuple[int, int] = self.call("buy_collateral", "buyer", "trader", 0, PLENTY, PLENTY)
        return bought


def test_what_a_coin_counts_for() -> None:
    scene = Scene()
    rows = GUIDE.table("price", "worth", "counts for")
    assert len(rows) == 4
    for price, worth, value in rows:
        scene.peg(None if price == "none" else price.strip("$"))
        coins = scene.world.stablecoins
        amount = units(10_000)
        assert [dollars(coins.worth(0, amount)), dollars(coins.value(0, amount))] == [worth, value]


def test_how_the_price_falls() -> None:
    scene = Scene()
    coins = scene.world.stablecoins
    rows = GUIDE.table("after", "price")
    assert len(rows) == 4
    for after, price in rows:
        elapsed = int(after.split()[0]) * 60
        ratio = MILLION - DEFAULTS.discount * min(elapsed, AUCTION.sale_duration) // AUCTION.sale_duration
        assert price == f"{ratio / 10_000:.1f}%"
        assert coins.parameters.sale_duration == AUCTION.sale_duration > elapsed // 2


def test_cash_is_spent_and_collateral_is_not() -> None:
    scene = Scene()
    scene.pledge_and_lose(4_000)
    scene.settle("trader")
    assert scene.world.ledger.debt("trader", 0) == units(3_000)
    assert scene.world.ledger.net("trader") == units(6_500)
    assert "it is $3,000 in debt, and its equity is $6,500" in TEXT
    bought, cost = scene.buy(QUARTER)
    assert f"after 15 minutes {coins(bought)} coins pay the debt" in TEXT
    assert units(3_000) <= cost <= units(3_000) + 1
    assert not scene.world.ledger.in_debt("trader")


def test_a_liquidator_takes_its_part() -> None:
    coins = Scene().world.stablecoins
    cost = coins.cost_up(0, units(2_500), MILLION - DEFAULTS.discount)
    assert f"A quarter of the 10,000 coins costs {dollars(cost)}." in TEXT


def test_more_is_lost_than_the_collateral_counts_for() -> None:
    scene = Scene()
    scene.call("contribute", "founder", units(5_000))
    scene.pledge_and_lose(12_000)
    scene.deleverage("trader")
    (record,) = scene.world.fund.defaults
    assert (record.shortfall, record.skin) == (units(1_500), units(1_500))
    assert scene.world.ledger.debt("trader", 0) == units(9_500)
    _, cost = scene.buy(QUARTER)
    assert units(9_500) <= cost <= units(9_500) + 1
    _, rest = scene.call("buy_collateral", "buyer", "trader", 0, PLENTY, PLENTY)
    assert (dollars(cost + rest), dollars(rest)) == ("$9,900", "$400")
    assert "brings $9,900, of which $9,500 pay the debt and $400 go back" in TEXT
    assert dollars(scene.world.fund.recovered[1]) == "$400"


@pytest.fixture
def advanced() -> Scene:
    """The guide's default of 120,000."""
    scene = Scene()
    for layer, amount in (("junior", 100_000), ("senior", 200_000)):
        scene.call("stake", layer, "staker", units(amount))
    scene.call("contribute", "founder", units(60_000))
    scene.call("contribute_asset", "founder", 0, units(50_000))
    return scene


def lose(scene: Scene) -> None:
    scene.fund_account(trader=60_000)
    scene.trade("trader", "market_maker", 10_000)
    scene.price(100 - 18)
    scene.deleverage("trader")


def test_what_the_tranches_advance(advanced: Scene) -> None:
    fund = advanced.world.fund
    reserve = fund.reserve.value()
    lose(advanced)
    (record,) = fund.defaults
    assert record.shortfall == units(120_000)
    paid = {
        "skin, in S": (units(60_000), units(60_000)),
        "skin, advanced by junior": (reserve, fund.junior.advanced),
        "junior": (units(100_000) - reserve, record.junior),
        "senior": (units(200_000), record.senior),
    }
    shown = {layer: (has, pays) for layer, has, pays in GUIDE.table("layer", "has", "pays")}
    assert shown == {layer: (dollars(has), dollars(pays)) for layer, (has, pays) in paid.items()}
    assert f"The record says that skin paid {dollars(record.skin)}." in TEXT
    left, owed, lost = fund.junior.balance, fund.junior.advanced, record.junior
    assert f"Junior now has {dollars(left)} and is owed {dollars(owed)}" in TEXT
    assert f"have lost what it bore, {dollars(lost)}." in TEXT
    assert not advanced.world.gate_open

    advanced.call("start_conversion", 0)
    advanced.world.advance(QUARTER)
    sold, _ = advanced.call("buy_from_reserve", "buyer", 0, PLENTY, PLENTY)
    rest = fund.reserve.amounts[0]
    assert f"{coins(sold)} coins repay all of it, and {coins(rest)} are" in TEXT
    assert (fund.owed, advanced.world.gate_open) == (0, True)
    assert fund.junior.balance == units(87_500)


def test_what_a_depeg_costs_junior(advanced: Scene) -> None:
    world = advanced.world.clone()
    advanced.peg("0.87")
    value = advanced.world.fund.reserve.value()
    lose(advanced)
    (record,) = advanced.world.fund.defaults
    assert f"counted for {dollars(value)}, and junior would have borne {dollars(record.junior)}" in TEXT

    advanced.world = world
    lose(advanced)
    advanced.peg("0.87")
    advanced.call("start_conversion", 0)
    advanced.world.advance(AUCTION.sale_duration)
    _, cost = advanced.call("buy_from_reserve", "buyer", 0, PLENTY, PLENTY)
    assert f"at most {dollars(cost)} would come back (at 98%)" in TEXT
    assert (advanced.world.fund.owed, advanced.world.gate_open) == (0, True)
    assert advanced.world.fund.junior.balance == units(40_000) + cost


ASSET = ("haircut", "discount", "weight", "max_growth", "collateral_cap", "reserve_cap")
CONVERSION = ("sale_duration", "rebalance_band", "par_floor")
PARAMETERS = {
    row[0].strip("`"): row for row in GUIDE.table("parameter", "unit", "within", "default", "meaning")
}


def test_the_guide_lists_every_parameter_with_its_default() -> None:
    assert tuple(PARAMETERS) == (*ASSET, *CONVERSION)
    given = dict(DEFAULTS) | dict(AUCTION)
    for name, (_, _, _, default, _) in PARAMETERS.items():
        assert Decimal(default.replace(",", "")) == given[name], name


def bounds(name: str) -> tuple[int, int]:
    """The least and the most that the guide allows, in the contract's units."""
    within = PARAMETERS[name][2]
    if "96 bits" in within:
        return 0, UINT96
    low, high = (Decimal(part.split(", ")[0].replace(",", "")) for part in within.split(" to "))
    scale = 10**18 if name == "par_floor" else 1
    return int(low * scale), int(high * scale)


@pytest.mark.parametrize("name", [*ASSET, *CONVERSION])
def test_the_contract_holds_the_bounds(deploy_system: Any, governor: Any, name: str) -> None:
    system: System = deploy_system(assets=(AssetParameters(symbol="USDX", haircut=900_000),))
    contract, token = system.stablecoins, system.assets["USDX"]
    camel = name.split("_")[0] + "".join(part.capitalize() for part in name.split("_")[1:])
    low, high = bounds(name)

    def put(value: int) -> None:
        if name in ASSET:
            values = asset_struct(AssetParameters(symbol="USDX", haircut=900_000), 6) | {camel: value}
            if name == "haircut" and value < values["discount"]:
                values["discount"] = max(1_000, value)
            contract.setAsset(0, token, False, tuple(values.values()), sender=governor)
        else:
            values = conversion_struct(AUCTION) | {camel: value}
            contract.setConversionParameters(tuple(values.values()), sender=governor)

    for good in (low, high):
        put(good)
    for bad in (low - 1, high + 1):
        if 0 <= bad < UINT96:
            with reverts("ParameterOutOfBounds"):
                put(bad)
