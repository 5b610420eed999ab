"""Scenarios of other stablecoins: pledged as collateral, and held by the fund in its reserve.

Where a figure stands beside one in the settlement token alone, all but the stablecoin is the same.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from web3.contract import Contract

from weir.bench import scenarios
from weir.bench.actions import BenchError
from weir.bench.stage import PARAMETERS, Figures, Stage, account
from weir.chain import Call
from weir.parameters import to_units
from weir.units import HOUR, MILLION

__all__ = ["SCENARIOS"]

USDX, SHARE = "USDX", "sUSDX"
UNLIMITED = 2**256 - 1


class _Assets:
    """What scenarios do with other stablecoins on a stage, in whole tokens."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.collateral = self._contract("Collateral")
        self.reserve = self._contract("Reserve")
        self._records = {record.symbol: record for record in stage.weir.deployment.assets}

    # ---- tokens

    def mint(self, role: str, symbol: str, amount: int, *spenders: Contract) -> None:
        """Gives a role tokens, of which these may take any amount; shares against what they are of."""
        token, units = self.token(symbol), self.units(symbol, amount)
        if symbol == SHARE:
            self.mint("deployer", USDX, amount, token)
            self.stage.send("deployer", token.functions.deposit(units, account(role).address))
        else:
            self.stage.send("deployer", token.functions.mint(account(role).address, units))
        for spender in spenders:
            self.stage.send(role, token.functions.approve(spender.address, UNLIMITED))

    def token(self, symbol: str) -> Contract:
        kind = "TestShares" if symbol == SHARE else "TestToken"
        return self.stage.weir.chain.contract(kind, self._records[symbol].token)

    def units(self, symbol: str, amount: int) -> int:
        return to_units(Decimal(amount), self._records[symbol].decimals)

    # ---- collateral

    def pledge(self, role: str, amount: int, symbol: str = USDX) -> None:
        """From a wallet that has none of it yet."""
        self.mint(role, symbol, amount, self.collateral)
        self.stage.send(role, self.deposit(amount, symbol))

    def deposit(self, amount: int, symbol: str = USDX) -> Call:
        return self.collateral.functions.deposit(self._id(symbol), self.units(symbol, amount))

    def withdraw(self, role: str, amount: int) -> Call:
        units = self.units(USDX, amount)
        return self.collateral.functions.withdraw(self._id(USDX), units, account(role).address, [])

    def start_sale(self, role: str) -> Call:
        return self.collateral.functions.startSale(account(role).address)

    def buy_collateral(self, role: str, amount: int, buyer: str) -> Call:
        units, to = self.units(USDX, amount), account(buyer).address
        return self.collateral.functions.buy(account(role).address, self._id(USDX), units, to, UNLIMITED)

    def due(self, role: str) -> tuple[int, int]:
        """What a sale of the role's collateral is to pay, and the default that it is for (0: debts)."""
        due, default = self.stage.weir.chain.call(self.collateral.functions.dueOf(account(role).address))
        return due, default

    # ---- the reserve

    def contribute(self, amount: int) -> Call:
        return self.reserve.functions.contribute(self._id(USDX), self.units(USDX, amount))

    def start(self) -> Call:
        return self.reserve.functions.start(self._id(USDX))

    def buy(self, role: str, amount: int) -> Call:
        units, to = self.units(USDX, amount), account(role).address
        return self.reserve.functions.buy(self._id(USDX), units, to, UNLIMITED)

    def sell(self, role: str, amount: int) -> Call:
        units, to = self.units(USDX, amount), account(role).address
        return self.reserve.functions.sell(self._id(USDX), units, to, 0)

    def fill_reserve(self, amount: int) -> None:
        """With what the deployer gives it."""
        self.mint("deployer", USDX, amount, self.reserve)
        self.stage.send("deployer", self.contribute(amount))

    def owed(self) -> int:
        """What skin owes to the tranches."""
        _, owed = self.stage.weir.chain.call(self.stage.weir.fund.functions.skin())
        return int(owed)

    # ---- helpers

    def _contract(self, name: str) -> Contract:
        record = self.stage.weir.deployment.contracts[name]
        return self.stage.weir.chain.contract(record.artifact, record.address)

    def _id(self, symbol: str) -> int:
        return self._records[symbol].id


# ------------------------------------------------------------------ collateral


def _pledges(stage: Stage) -> Figures:
    assets = _Assets(stage)
    assets.pledge("market_maker", 10_000)  # not the first of all
    assets.mint("saver", USDX, 100_000, assets.collateral)
    yield "pledge_first", stage.send("saver", assets.deposit(10_000))
    yield "pledge", stage.send("saver", assets.deposit(10_000))
    yield "withdraw_collateral", stage.send("saver", assets.withdraw("saver", 1_000))

    _exchange_for_cash(assets, "trader", 80_000)
    for price in (60_050, 60_100):
        stage.wait(HOUR)
        stage.price(BTC=price)
        stage.send("keeper", stage.weir.clearing_house.functions.refresh(stage.weir.market_id("BTC")))
    yield "withdraw_collateral_position", stage.send("trader", assets.withdraw("trader", 60_000))


def _trades(stage: Stage) -> Figures:
    _Assets(stage).pledge("trader", 10_000)
    yield "trade_pledging", _trade(stage)


def _trades_with_share(stage: Stage) -> Figures:
    assets = _Assets(stage)
    for symbol in (USDX, SHARE):
        assets.pledge("trader", 10_000, symbol)
    yield "trade_pledging_share", _trade(stage)


def _trades_of_two(stage: Stage) -> Figures:
    for role in ("trader", "dealer"):
        _Assets(stage).pledge(role, 10_000)
    yield "trade_pledging_both", _trade(stage)


def _trade(stage: Stage) -> int:
    """The one that is measured without any collateral, after the same."""
    return dict(scenarios.trades(stage))["trade"]


def _settlement(stage: Stage) -> Figures:
    _Assets(stage).pledge("dealer", 10_000)
    stage.price(BTC=60_100)
    yield "settle_pledging", stage.send("keeper", stage.settle("dealer"))


def _liquidation(stage: Stage) -> Figures:
    """Cash is withdrawn for what the collateral counts: margin and prices are as without any."""
    assets = _Assets(stage)
    assets.pledge("market_maker", 10_000)
    _exchange_for_cash(assets, "debtor", 20_000)
    yield "liquidate_part_pledging", dict(scenarios.liquidation_of_a_part(stage))["liquidate_part"]
    stage.price(BTC=57_300, ETH=2_865)
    yield "liquidate_part_pledging_again", stage.send("liquidator", stage.liquidate("debtor", "0.3"))


def _exchange_for_cash(assets: _Assets, role: str, amount: int) -> None:
    """Pledges so much, and withdraws what it counts for."""
    stage = assets.stage
    assets.pledge(role, amount)
    usd = Decimal(amount) * (1 - Decimal(PARAMETERS.assets[0].haircut) / MILLION)
    withdraw = stage.weir.vault.functions.withdraw(stage.weir.units(usd), account(role).address, [])
    stage.send(role, withdraw)


def _sale_for_debt(stage: Stage) -> Figures:
    assets = _Assets(stage)
    _buyer(assets)
    _exchange_for_cash(assets, "debtor", 50_000)
    stage.buy("debtor", "market_maker", "BTC", 5, 60_010)
    stage.price(BTC=57_000)
    stage.send("keeper", stage.settle("debtor"))
    stage.price(BTC=56_950)
    yield "start_sale", stage.send("keeper", assets.start_sale("debtor"))
    due, default = assets.due("debtor")
    if default or due < stage.units(2_000):
        raise BenchError(f"the account owes {due} for default {default}: no debt, or too little")
    stage.wait(PARAMETERS.conversion.sale_duration // 2)
    yield "buy_collateral", stage.send("saver", assets.buy_collateral("debtor", 1_000, "saver"))


def _sale_for_default(stage: Stage) -> Figures:
    """Deleveraged, and the debts that its collateral covered paid, the account owes for its default alone."""
    assets = _Assets(stage)
    _buyer(assets)
    assets.pledge("debtor", 100_000)
    stage.buy("debtor", "market_maker", "BTC", 16, 60_010)
    stage.price(BTC=50_000)
    stage.send("keeper", stage.flag("debtor"))
    stage.wait(PARAMETERS.liquidation.auction_duration)
    stage.price(BTC=50_000)
    stage.send("keeper", stage.deleverage("debtor"))
    stage.send("keeper", assets.start_sale("debtor"))
    stage.wait(PARAMETERS.conversion.sale_duration // 2)
    stage.send("saver", assets.buy_collateral("debtor", 100_000, "saver"))
    due, default = assets.due("debtor")
    if not default or due < stage.units(2_000):
        raise BenchError(f"the account owes {due} for default {default}: no default, or too little")
    yield "buy_collateral_default", stage.send("saver", assets.buy_collateral("debtor", 1_000, "saver"))


def _buyer(assets: _Assets) -> None:
    """The saver has money for either kind of sale, and some of the asset."""
    assets.stage.mint("saver", 200_000, assets.collateral, assets.reserve)
    assets.mint("saver", USDX, 100_000, assets.reserve)


# ----------------------------------------------------------------- the reserve


def _reserve(stage: Stage) -> Figures:
    assets = _Assets(stage)
    _buyer(assets)
    assets.mint("deployer", USDX, 100_000, assets.reserve)
    yield "contribute_asset_first", stage.send("deployer", assets.contribute(1_000))
    yield "contribute_asset", stage.send("deployer", assets.contribute(1_000))

    yield "start_buying", stage.send("keeper", assets.start())
    stage.wait(PARAMETERS.conversion.sale_duration // 2)
    yield "sell_to_reserve", stage.send("saver", assets.sell("saver", 5_000))
    stage.send("deployer", assets.contribute(50_000))  # more than its weight
    yield "start_selling", stage.send("keeper", assets.start())
    stage.wait(PARAMETERS.conversion.sale_duration // 2)
    yield "buy_from_reserve", stage.send("saver", assets.buy("saver", 5_000))


def _trades_with_reserve(stage: Stage) -> Figures:
    _Assets(stage).fill_reserve(30_000)
    yield "trade_reserve", _trade(stage)


def _income_with_reserve(stage: Stage) -> Figures:
    _Assets(stage).fill_reserve(30_000)
    yield "collect_reserve", dict(scenarios.income(stage))["collect"]


def _advance(stage: Stage) -> Figures:
    """The bad debt that is measured without a reserve, and what repays the tranches."""
    assets = _Assets(stage)
    assets.fill_reserve(30_000)
    _buyer(assets)
    yield "liquidate_bad_debt_advance", dict(scenarios.bad_debt(stage))["liquidate_bad_debt"]
    if not assets.owed():
        raise BenchError("the tranches have advanced nothing")
    stage.send("keeper", assets.start())
    stage.wait(PARAMETERS.conversion.sale_duration // 2)
    yield "repay_advance", stage.send("saver", assets.buy("saver", 5_000))
    if not assets.owed():
        raise BenchError("nothing is left of the advance")


SCENARIOS: tuple[Callable[[Stage], Figures], ...] = (
    _pledges,
    _trades,
    _trades_with_share,
    _trades_of_two,
    _settlement,
    _liquidation,
    _sale_for_debt,
    _sale_for_default,
    _reserve,
    _trades_with_reserve,
    _income_with_reserve,
    _advance,
)
