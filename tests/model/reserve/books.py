"""Scenes with a reserve, in the model: dollars, by hand."""

from typing import Any

import pytest

from tests.model.stage import DOLLAR, Stage, units, wei
from weir.model import (
    AssetParameters,
    dump,
    errors,
)
from weir.model.numbers import ASSET_FEEDS, MILLION

MINUTE, DAY = 60, 86_400
START = 20_000 * DAY
PLENTY = 10**12  # units: more than anybody has
COIN = AssetParameters(haircut=100_000, discount=20_000)  # counts for 90 %, sold at 98 % or more


class Scene(Stage):
    """A market whose traders default at will, and assets at a dollar."""

    def __init__(self, *assets: AssetParameters, **options: Any) -> None:
        super().__init__(100, budget_share=MILLION, **options)
        self.traders = 0
        for number, parameters in enumerate(assets):
            self.peg(1, number)
            self.world.set_rate(number, 1_000_000)
            self.call("set_asset", number, parameters)
        self.fund_account(market_maker=10_000)

    def peg(self, price: float | None, asset: int = 0) -> None:
        self.world.set_price(ASSET_FEEDS + asset, None if price is None else wei(price))

    def capital(self, skin: float = 0, junior: float = 0, senior: float = 0, reserve: float = 0) -> None:
        if skin:
            self.call("contribute", "founder", units(skin))
        for tranche, assets in (("junior", junior), ("senior", senior)):
            if assets:
                self.call("stake", tranche, "staker", units(assets))
        if reserve:
            self.give(reserve)

    def give(self, amount: float, asset: int = 0) -> None:
        self.call("contribute_asset", "founder", asset, units(amount))

    def lose(self, dollars: float) -> None:
        """A trader with 60 of margin defaults on this much; everything else is as before."""
        trader, self.traders = f"trader{self.traders}", self.traders + 1
        self.fund_account(**{trader: 60})
        self.trade(trader, "market_maker", 10)
        self.price(100 - (60 + dollars) / 10)
        self.deleverage(trader)
        self.price(100)

    def wait(self, seconds: int) -> None:
        self.world.advance(seconds)

    def start(self, asset: int = 0) -> None:
        self.call("start_conversion", asset)

    def buy(self, amount: float = 10**6, asset: int = 0, max_cost: int = PLENTY) -> tuple[float, float]:
        """Units and dollars of a purchase from the reserve."""
        bought, cost = self.call("buy_from_reserve", "buyer", asset, units(amount), max_cost)
        return bought / DOLLAR, cost / DOLLAR

    def sell(self, amount: float = 10**6, asset: int = 0, min_paid: int = 0) -> tuple[float, float]:
        """Units and dollars of a sale to the reserve."""
        sold, paid = self.call("sell_to_reserve", "seller", asset, units(amount), min_paid)
        return sold / DOLLAR, paid / DOLLAR

    def layers(self) -> tuple[float, ...]:
        """skin, junior, senior, advanced by junior, by senior."""
        fund = self.world.fund
        balances = fund.skin, fund.junior.balance, fund.senior.balance
        return tuple(x / DOLLAR for x in (*balances, fund.junior.advanced, fund.senior.advanced))

    def held(self, asset: int = 0) -> float:
        return self.world.fund.reserve.amounts[asset] / DOLLAR

    def refused(self, error: type[errors.Revert], method: str, *args: Any) -> tuple[Any, ...]:
        """The error's arguments; nothing has changed."""
        before = dump(self.world)
        with pytest.raises(error) as caught:
            self.call(method, *args)
        assert dump(self.world) == before
        return caught.value.args


def in_debt_to_the_tranches(*assets: AssetParameters, **options: Any) -> Scene:
    """Skin of 10 and 50 coins (45 at the haircut) have met a loss of 50: 30 + 10 of it are advanced."""
    scene = Scene(*(assets or (COIN,)), **options)
    scene.capital(skin=10, junior=30, senior=40, reserve=50)
    scene.lose(50)
    return scene


def _earn(scene: Scene, dollars: float) -> None:
    """A deposit for the fund's own account is income."""
    scene.call("deposit", "patron", "fund", units(dollars))
    scene.call("collect")
