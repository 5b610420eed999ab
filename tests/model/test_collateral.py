"""Section 2.2: collateral in and out, its part of a liquidation, its sale, what goes back to a default."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.model.stage import DOLLAR, UNIT, UNPAID, Stage, units, wei
from weir.model import (
    WAD,
    AssetParameters,
    FundingParameters,
    LiquidationParameters,
    MarketParameters,
    StablecoinParameters,
    World,
    dump,
    errors,
    properties,
)
from weir.model.numbers import ASSET_FEEDS, MILLION
from weir.model.properties import Moment

COIN = AssetParameters(decimals=6, haircut=100_000, discount=50_000)
HOUR = 3_600
LOTS = 10**30  # a cost that nobody minds


class Pledges(Stage):
    """A market at 100 (5% and 3% margin), a coin at a dollar (haircut 10%, discount 5%), a rich counterparty.

    The fund has 1,000 of skin, all of it behind the market.
    """

    def __init__(self, *assets: AssetParameters, **changes: Any) -> None:
        super().__init__(100, budget_share=MILLION, **changes)
        for number, parameters in enumerate(assets or (COIN,)):
            self.peg(1, number)
            self.call("set_asset", number, parameters)
        self.call("contribute", "founder", units(1_000))
        self.fund_account(market_maker=100_000)

    def peg(self, dollars: float | None, asset: int = 0) -> None:
        self.world.set_price(ASSET_FEEDS + asset, None if dollars is None else wei(dollars))

    def pledge(self, account: str, coins: float, asset: int = 0) -> None:
        self.call("deposit_collateral", account, asset, units(coins))

    def take_back(self, account: str, coins: float, asset: int = 0, settle_first: Sequence[str] = ()) -> None:
        self.call("withdraw_collateral", account, asset, units(coins), settle_first)

    def buy(self, account: str, coins: float, asset: int = 0) -> tuple[int, int]:
        bought: tuple[int, int] = self.call("buy_collateral", "buyer", account, asset, units(coins), LOTS)
        return bought

    def held(self, account: str, asset: int = 0) -> float:
        return self.world.collateral.held[account][asset] / DOLLAR

    def wallet(self, account: str, asset: int = 0) -> float:
        return self.world.tokens[asset].balances[account] / DOLLAR

    def open_default(self, account: str) -> tuple[int, float] | None:
        found = self.world.house.open_default(account)
        return (found[0], found[1] / DOLLAR) if found else None

    def refused(self, error: type[errors.Revert], method: str, *args: Any) -> tuple[Any, ...]:
        """The arguments of the error; nothing has changed."""
        before = dump(self.world)
        with pytest.raises(error) as refused:
            self.call(method, *args)
        assert dump(self.world) == before
        return refused.value.args

    def fill(self, account: str, size: float = 10, cash: float = 50, coins: float = 100) -> None:
        """A long position over cash and a pledge, against the market maker."""
        if cash:
            self.call("deposit", account, account, units(cash))
        if coins:
            self.pledge(account, coins)
        self.trade(account, "market_maker", size)


@pytest.fixture
def stage() -> Pledges:
    return Pledges()


@pytest.fixture
def debtor(stage: Pledges) -> Pledges:
    """The trader, 10 long at 100 with 50 in cash and 100 coins (90 of margin), has lost 100 and owes 50."""
    stage.fill("trader")
    stage.price(90)
    stage.settle("trader")
    assert (stage.debt("trader"), stage.equity("trader")) == (50, 40)
    return stage


@pytest.fixture
def defaulter(stage: Pledges) -> Pledges:
    """The same has lost 200 and been closed: 60 went to the fund, and 90 is owed against 100 coins."""
    stage.fill("trader")
    stage.price(80)
    stage.deleverage("trader")
    assert (stage.debt("trader"), stage.equity("trader"), stage.size("trader")) == (90, 0, 0)
    assert stage.world.fund.skin == units(940)
    return stage


# ---- deposits


def test_collateral_counts_at_its_haircut() -> None:
    stage = Pledges(COIN, replace(COIN, decimals=18, haircut=200_000))
    stage.call("deposit_collateral", "trader", 0, units(100))
    stage.call("deposit_collateral", "trader", 1, 10 * UNIT)
    assert stage.equity("trader") == 98  # 90 + 8
    assert stage.world.ledger.net("trader") == stage.world.collateral.value("trader") == units(98)
    assert stage.cash("trader") == 0
    stage.peg(0.5)
    assert stage.equity("trader") == 53  # 45 + 8
    stage.peg(2)
    assert stage.equity("trader") == 98  # never beyond par
    stage.peg(None)
    assert stage.equity("trader") == 8
    assert (stage.wallet("trader"), stage.wallet("collateral")) == (-100, 100)
    assert dump(stage.world)["collateral.held[trader][1]"] == 10 * UNIT
    assert dump(stage.world)["collateral.value[trader]"] == units(8)


def test_deposits_are_capped_over_all_accounts() -> None:
    stage = Pledges(replace(COIN, collateral_cap=units(100)))
    stage.pledge("trader", 60)
    assert stage.refused(errors.CapExceeded, "deposit_collateral", "other", 0, units(40) + 1) == (
        0,
        units(100) + 1,
        units(100),
    )
    stage.pledge("other", 40)
    assert stage.world.collateral.totals[0] == units(100)
    stage.take_back("trader", 1)
    stage.pledge("other", 1)


def test_refused_deposits(stage: Pledges) -> None:
    stage.refused(errors.ZeroAmount, "deposit_collateral", "trader", 1, 0)
    assert stage.refused(errors.UnknownAsset, "deposit_collateral", "trader", 1, 1) == (1,)


def test_collateral_is_margin_and_never_money(stage: Pledges) -> None:
    stage.pledge("trader", 100)
    stage.trade("trader", "market_maker", 18)  # 5% of 1,800 is 90
    with pytest.raises(errors.InitialMarginNotMet):
        stage.trade("trader", "market_maker", 0.01)
    stage.pledge("payer", 100)
    stage.world.house.market(0).parameters = MarketParameters(maker_fee=1, taker_fee=0)
    with pytest.raises(errors.InsufficientCash):
        stage.trade("payer", "market_maker", 1)  # a fee is paid in S


def test_a_donation_counts_for_nobody(stage: Pledges) -> None:
    stage.pledge("trader", 100)
    stage.world.donate("trader", "collateral", units(7), 0)
    stage.settle("trader")  # P1, donations aside
    assert (stage.equity("trader"), stage.world.collateral.totals[0]) == (90, units(100))


# ---- withdrawals


def test_without_positions_everything_goes_back(stage: Pledges) -> None:
    stage.pledge("trader", 100)
    stage.peg(None)  # no price is needed
    stage.take_back("trader", 40)
    assert (stage.held("trader"), stage.wallet("trader")) == (60, -60)
    stage.take_back("trader", 60)
    assert (stage.held("trader"), stage.wallet("trader"), stage.world.collateral.totals[0]) == (0, 0, 0)


def test_refused_withdrawals_in_their_order(stage: Pledges) -> None:
    stage.pledge("trader", 100)
    stage.refused(errors.ZeroAmount, "withdraw_collateral", "trader", 1, 0)
    stage.refused(errors.UnknownAsset, "withdraw_collateral", "trader", 1, 1)
    assert stage.refused(
        errors.InsufficientCollateral, "withdraw_collateral", "trader", 0, units(100) + 1
    ) == (
        "trader",
        0,
        units(100),
        units(100) + 1,
    )
    assert stage.refused(errors.InsufficientCollateral, "withdraw_collateral", "other", 0, 1) == (
        "other",
        0,
        0,
        1,
    )


def test_with_positions_initial_margin_stays(stage: Pledges) -> None:
    stage.fill("trader", cash=0)  # equity 90, initial margin 50
    most = 44_444_445  # leaves 55,555,555 coins, which count for 49,999,999.5
    assert stage.refused(errors.InitialMarginNotMet, "withdraw_collateral", "trader", 0, most) == (
        "trader",
        49_999_999,
        units(50),
    )
    stage.call("withdraw_collateral", "trader", 0, most - 1)
    assert stage.world.house.health("trader").equity == units(50)  # 55,555,556 x 0.9 = 50,000,000.4


def test_the_fall_of_the_value_is_what_leaves_not_the_value_of_the_units(stage: Pledges) -> None:
    """Of 11 units, which count for 9, one beyond 10 adds nothing: it can go where equity just suffices."""
    stage.call("deposit_collateral", "trader", 0, 11)
    assert [stage.world.collateral.fall("trader", 0, amount) for amount in (1, 2, 11)] == [0, 1, 9]


def test_an_asset_without_a_price_can_leave_beside_a_position(stage: Pledges) -> None:
    stage.fill("trader")  # 50 of cash are the initial margin
    stage.peg(None)
    stage.take_back("trader", 100)
    assert (stage.equity("trader"), stage.wallet("trader")) == (50, 0)


def test_a_withdrawal_pays_for_the_leverage_it_adds() -> None:
    """As a withdrawal of 45 in cash: at a notional of 1,000, equity falls from 140 to 95."""
    policy = FundingParameters(max_leverage=100_000, leverage_from=5_000_000, leverage_to=15_000_000)
    stage, cash = Pledges(funding=policy), Pledges(funding=policy)
    for side in (stage, cash):
        side.fund_account(trader=100)
        side.pledge("trader", 100)
        side.trade("trader", "market_maker", 10)
    paid = units(100) - stage.world.ledger.cash["trader"]
    assert paid == cash.world.ledger.levies > 0  # equity was 190: leverage 5.27
    stage.take_back("trader", 50)
    cash.call("withdraw", "trader", units(45), "trader")
    assert stage.world.ledger.levies == cash.world.ledger.levies > paid
    before, after = 1_000 * MILLION * MILLION, MILLION * MILLION
    equity = units(190) - paid
    rise = _leverage_rate(-(-before // (equity - units(45)))) - _leverage_rate(-(-before // equity))
    assert stage.world.ledger.levies - paid == -(-1_000 * after * rise // (MILLION * MILLION))


def _leverage_rate(leverage: int) -> int:
    """100,000 ppm between 5 and 15."""
    return -(-100_000 * (leverage - 5_000_000) // 10_000_000)


def test_a_withdrawal_without_the_cash_for_its_leverage_is_refused() -> None:
    policy = FundingParameters(max_leverage=100_000, leverage_from=11_200_000, leverage_to=20_000_000)
    stage = Pledges(funding=policy)
    stage.fill("trader", cash=0)  # leverage 11.1, free
    account, cash, needed = stage.refused(
        errors.InsufficientCash, "withdraw_collateral", "trader", 0, units(20)
    )
    assert (account, cash) == ("trader", 0)
    assert needed == units(30.556)  # equity 72: leverage 13,888,889, ⌈2,688,889 x 100,000 / 8,800,000⌉ ppm


def test_no_withdrawal_while_flagged_or_in_debt(debtor: Pledges) -> None:
    assert debtor.refused(errors.AccountInDebt, "withdraw_collateral", "trader", 0, 1) == ("trader",)
    debtor.price(87)  # equity 10, maintenance 26.1
    debtor.call("flag", "trader")
    assert debtor.refused(errors.AccountFlagged, "withdraw_collateral", "trader", 0, 1) == ("trader",)


def test_a_withdrawal_settles_first(stage: Pledges) -> None:
    """What is lost shows before it is too late; and others named are settled as well."""
    stage.fill("trader", cash=50)
    stage.fill("other", cash=50)
    stage.pledge("bystander", 10)
    stage.price(94)
    stage.refused(errors.AccountInDebt, "withdraw_collateral", "trader", 0, 1)
    stage.take_back("bystander", 10, settle_first=["other"])
    assert (stage.debt("other"), stage.debt("trader")) == (10, 0)


def test_no_withdrawal_while_a_default_is_open(defaulter: Pledges) -> None:
    defaulter.fund_account(trader=90)  # pays its debt
    assert defaulter.open_default("trader") == (1, 60)
    assert defaulter.refused(errors.OpenDefault, "withdraw_collateral", "trader", 0, 1) == ("trader", 1)
    defaulter.call("recover", "trader", 1, units(60) - 1)
    assert defaulter.refused(errors.OpenDefault, "withdraw_collateral", "trader", 0, 1) == ("trader", 1)
    defaulter.call("recover", "anyone", 1, 1)
    defaulter.take_back("trader", 100)


def test_who_owes_for_a_default_neither_trades_nor_withdraws(defaulter: Pledges) -> None:
    """A debt is looked for first; then a default that the collateral is still to pay for."""
    defaulter.refused(errors.AccountInDebt, "withdraw_collateral", "trader", 0, 1)
    defaulter.refused(errors.InsufficientCollateral, "withdraw_collateral", "trader", 0, units(101))
    defaulter.call("deposit", "trader", "trader", units(100))
    assert (defaulter.debt("trader"), defaulter.cash("trader")) == (0, 10)
    assert defaulter.refused(errors.OpenDefault, "withdraw_collateral", "trader", 0, 1) == ("trader", 1)
    assert defaulter.refused(errors.OpenDefault, "withdraw", "trader", 1, "trader") == ("trader", 1)
    with pytest.raises(errors.OpenDefault):
        defaulter.fill("trader", 1, cash=0, coins=0)
    defaulter.call("recover", "anyone", 1, units(60))
    defaulter.call("withdraw", "trader", units(10), "trader")
    defaulter.take_back("trader", 100)
    assert (defaulter.cash("trader"), defaulter.held("trader")) == (0, 0)


def test_nobody_leaves_a_default_behind_by_the_withdrawal_that_brings_it_about(stage: Pledges) -> None:
    """A debt that the pledge covered, and its feed is gone: settling the account makes it a default.

    What counts for nothing would be free to go then, had the open default been looked for before only.
    """
    stage.fill("trader")
    stage.fill("other", cash=500, coins=0)
    stage.price(85)  # 150 lost: 100 owed
    stage.settle("trader")
    stage.world.house.market(0).end_both()  # as when the market is closed: no position is left
    stage.settle("trader")
    assert (stage.debt("trader"), stage.open_default("trader")) == (90, (1, 10))
    stage.call("recover", "anyone", 1, units(10))
    assert stage.open_default("trader") is None
    stage.peg(None)
    assert stage.refused(errors.OpenDefault, "withdraw_collateral", "trader", 0, units(100)) == ("trader", 2)


# ---- liquidation


def test_a_liquidation_takes_its_part_of_the_collateral(stage: Pledges) -> None:
    """A quarter of it."""
    stage.world.set_liquidation_parameters(replace(UNPAID, bounty_start=10_000, bounty_max=10_000, penalty=0))
    stage.fill("trader")
    stage.price(88)  # 120 lost, 70 owed: equity 20, maintenance 26.4, initial 44
    stage.fund_account(liquidator=1_000)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD // 4)
    assert (stage.held("trader"), stage.held("liquidator")) == (75, 25)
    assert stage.size("trader") == 7.5
    # 25 coins at 0.95 are 23.75, which pay debts: no cash is left for the bounty, and net is positive
    assert stage.debt("trader") == 46.25
    assert stage.cash("liquidator") == 976.25
    assert stage.equity("trader") == 21.25  # 75 x 0.9 - 46.25
    assert stage.world.collateral.totals[0] == units(100)
    assert stage.wallet("liquidator") == 0


def test_the_collateral_is_paid_for_before_bounty_and_penalty(stage: Pledges) -> None:
    terms = LiquidationParameters(bounty_start=10_000, bounty_max=10_000, penalty=5_000)
    stage.world.set_liquidation_parameters(terms)
    stage.fill("trader", cash=0)
    stage.price(93)  # 70 owed, equity 20 of 46.5, maintenance 27.9
    stage.fund_account(liquidator=1_000)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD)
    # (46.5 - 20) / (46.5 - 930 x 1.5%) = 0.814...: the cap, of the haircut value, before the sale
    fraction = -(-(46_500_000 - 20_000_000) * WAD // (46_500_000 - 13_950_000))
    sold = units(100) * fraction // WAD
    taken = units(10) * 10**12 * fraction // WAD
    notional = taken * 93 // 10**12
    cost = -(-sold * 950_000 // MILLION)
    assert sold == 81_413_210
    assert cost == 77_342_550  # 77,342,549.5
    bounty, penalty = notional * 10_000 // MILLION, notional * 5_000 // MILLION
    there = cost - units(70)  # after the debt
    assert there == 7_342_550
    assert bounty == 7_571_428  # more than there is: the account's net is positive, so the fund pays nothing
    assert stage.world.ledger.cash["liquidator"] == units(1_000) - cost + there
    assert (stage.debt("trader"), stage.cash("trader"), stage.world.ledger.levies) == (0, 0, 0)
    assert penalty > 0
    assert stage.world.collateral.held["liquidator"][0] == sold
    assert stage.world.fund.skin == units(1_000)


def test_a_liquidation_leaves_what_has_no_price() -> None:
    stage = Pledges(COIN, replace(COIN, decimals=18), COIN)
    stage.fill("trader")
    stage.call("deposit_collateral", "trader", 1, 10 * UNIT)
    stage.pledge("trader", 7, asset=2)
    stage.price(80)  # 150 owed; worth 90 + 9 + 6.3
    stage.peg(None, 2)
    stage.fund_account(liquidator=1_000)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD)
    assert stage.cash("liquidator") == 895.5  # 110 x 0.95
    assert (stage.held("trader", 0), stage.held("trader", 2), stage.held("liquidator", 2)) == (0, 7, 0)
    assert stage.world.collateral.held["liquidator"] == {0: units(100), 1: 10 * UNIT, 2: 0}
    assert stage.world.collateral.held["trader"][1] == 0
    assert stage.world.fund.defaults[0].shortfall == units(45.5)  # 150 - 104.5
    assert stage.open_default("trader") == (1, 45.5)  # noted with what is left
    stage.peg(1, 2)
    stage.call("start_sale", "trader")
    assert stage.buy("trader", 100, asset=2) == (units(7), units(7))
    assert (stage.open_default("trader"), stage.world.fund.recovered) == ((1, 38.5), {1: units(7)})


def test_a_default_that_leaves_no_collateral_is_not_noted(stage: Pledges) -> None:
    stage.fill("trader")
    stage.price(80)
    stage.fund_account(liquidator=1_000)
    stage.call("flag", "trader")
    stage.call("liquidate", "liquidator", "trader", WAD)
    assert stage.world.fund.defaults[0].shortfall == units(55)  # 150 - 95
    assert stage.open_default("trader") is None
    stage.pledge("trader", 5)
    stage.take_back("trader", 5)


def test_a_liquidator_pays_for_collateral_in_cash(stage: Pledges) -> None:
    stage.fill("trader")
    stage.price(88)
    stage.call("flag", "trader")
    stage.fund_account(liquidator=20)
    stage.pledge("liquidator", 10_000)
    assert stage.refused(errors.InsufficientCash, "liquidate", "liquidator", "trader", WAD // 4) == (
        "liquidator",
        units(20),
        units(23.75),
    )
    stage.fund_account(liquidator=3.75)
    stage.call("liquidate", "liquidator", "trader", WAD // 4)
    assert (stage.cash("liquidator"), stage.held("liquidator")) == (0, 10_025)


def test_a_liquidator_in_debt_gets_no_collateral(stage: Pledges) -> None:
    stage.fill("liquidator", cash=10, coins=10_000)
    stage.fill("trader")
    stage.price(88)
    stage.settle("liquidator")
    assert stage.debt("liquidator") == 110
    stage.call("flag", "trader")
    assert stage.refused(errors.AccountInDebt, "liquidate", "liquidator", "trader", WAD) == ("liquidator",)


def test_a_liquidation_without_collateral_asks_no_cash(stage: Pledges) -> None:
    stage.fill("trader", cash=60, coins=0)
    stage.price(96)
    stage.call("flag", "trader")
    stage.pledge("liquidator", 1_000)
    stage.call("liquidate", "liquidator", "trader", WAD)
    assert stage.size("liquidator") == pytest.approx(10 * 28 / 48)


# ---- debts that collateral covers


def test_a_debt_that_collateral_covers_waits_for_its_sale(debtor: Pledges) -> None:
    debtor.world.house.market(0).end_both()
    debtor.settle("trader", "market_maker")
    assert (debtor.debt("trader"), debtor.world.fund.defaults) == (50, [])
    debtor.call("start_sale", "trader")
    assert debtor.buy("trader", 1_000) == (units(50), units(50))  # no more than it owes
    assert (debtor.debt("trader"), debtor.held("trader"), debtor.wallet("buyer")) == (0, 50, 50)
    assert debtor.world.token.balances["buyer"] == -units(50)
    debtor.settle("market_maker")
    assert debtor.cash("market_maker") == 100_100  # the winner is paid in full
    debtor.take_back("trader", 50)


def test_what_collateral_does_not_cover_is_a_default(defaulter: Pledges) -> None:
    (record,) = defaulter.world.fund.defaults
    assert (record.shortfall, record.skin) == (units(60), units(60))
    assert defaulter.open_default("trader") == (1, 60)
    assert defaulter.world.collateral.noted["trader"] == [1]


def test_a_debt_whose_collateral_falls_is_a_second_default(defaulter: Pledges) -> None:
    defaulter.peg(0.5)
    defaulter.settle("trader")
    assert (defaulter.debt("trader"), defaulter.equity("trader")) == (45, 0)
    assert [record.shortfall for record in defaulter.world.fund.defaults] == [units(60), units(45)]
    assert defaulter.world.collateral.noted["trader"] == [1, 2]
    assert defaulter.open_default("trader") == (1, 60)


# ---- the sale


def test_who_owes_nothing_is_not_sold(stage: Pledges) -> None:
    stage.fill("trader")
    assert stage.refused(errors.NothingToSell, "start_sale", "trader") == ("trader",)
    assert stage.refused(errors.NothingToSell, "start_sale", "stranger") == ("stranger",)


def test_who_has_no_collateral_is_not_sold(stage: Pledges) -> None:
    stage.fill("trader", coins=0, cash=60)
    stage.price(93)
    stage.settle("trader")
    assert stage.debt("trader") == 10
    assert stage.refused(errors.NothingToSell, "start_sale", "trader") == ("trader",)


def test_starting_a_sale_settles_the_account(stage: Pledges) -> None:
    stage.fill("trader")
    stage.price(90)
    stage.call("start_sale", "trader")
    assert stage.debt("trader") == 50
    assert dump(stage.world)["collateral.sale[trader].startedAt"] == stage.world.clock.time


def test_a_sale_runs_an_hour_and_starts_anew(debtor: Pledges) -> None:
    debtor.call("start_sale", "trader")
    start = debtor.world.clock.time
    debtor.world.advance(HOUR - 1)
    assert debtor.refused(errors.SaleRunning, "start_sale", "trader") == ("trader", start + HOUR)
    debtor.buy("trader", 1)
    debtor.world.advance(1)
    assert debtor.refused(errors.SaleNotRunning, "buy_collateral", "buyer", "trader", 0, 1, LOTS) == (
        "trader",
    )
    debtor.call("start_sale", "trader")
    assert debtor.buy("trader", 1) == (units(1), units(1))  # at the full price again


def test_a_running_sale_is_told_before_there_is_nothing_to_sell(debtor: Pledges) -> None:
    debtor.call("start_sale", "trader")
    debtor.buy("trader", 100)
    debtor.refused(errors.SaleRunning, "start_sale", "trader")
    debtor.refused(errors.NothingToSell, "buy_collateral", "buyer", "trader", 0, 1, LOTS)


def test_the_price_falls_to_the_discount(debtor: Pledges) -> None:
    debtor.call("start_sale", "trader")
    debtor.world.advance(900)
    assert debtor.buy("trader", 1) == (units(1), 975_000)
    debtor.world.advance(900)
    assert debtor.buy("trader", 1) == (units(1), 950_000)
    debtor.world.advance(1_799)
    assert debtor.buy("trader", 1) == (units(1), 950_000)
    debtor.world.stablecoins.parameters = StablecoinParameters(sale_duration=10_000)
    assert debtor.buy("trader", 1) == (units(1), 982_005)  # off by 50,000 x 3,599 / 10,000 = 17,995 ppm


def test_no_more_is_sold_than_is_owed(debtor: Pledges) -> None:
    debtor.call("start_sale", "trader")
    debtor.world.advance(900)
    # ⌈50 / 0.975⌉ = 51,282,051.3 units, which cost 50,000,000.7: the unit too many is the account's cash
    assert debtor.buy("trader", 1_000) == (51_282_052, 50_000_001)
    assert (debtor.debt("trader"), debtor.world.ledger.cash["trader"]) == (0, 1)


def test_every_debt_is_paid_lowest_market_first() -> None:
    stage = Pledges()
    stage.world.set_price(1, wei(10))
    stage.call("add_market", stage.world.house.market(0).parameters)
    stage.pledge("trader", 200)
    for market, size in ((0, 5), (1, 50)):
        stage.trade("trader", "market_maker", size, market=market)
    stage.price(90)
    stage.price(9, market=1)
    stage.call("start_sale", "trader")
    assert (stage.debt("trader", 0), stage.debt("trader", 1)) == (50, 50)
    assert stage.buy("trader", 60) == (units(60), units(60))
    assert (stage.debt("trader", 0), stage.debt("trader", 1)) == (0, 40)
    assert stage.buy("trader", 60) == (units(40), units(40))


def test_refused_buys_in_their_order(debtor: Pledges) -> None:
    def refused(error: type[errors.Revert], *args: Any) -> tuple[Any, ...]:
        return debtor.refused(error, "buy_collateral", *args)

    refused(errors.UnknownAsset, "trader", "trader", 1, 0, 0)
    assert refused(errors.OwnCollateral, "trader", "trader", 0, 0, 0) == ("trader",)
    refused(errors.ZeroAmount, "buyer", "trader", 0, 0, 0)
    assert refused(errors.SaleNotRunning, "buyer", "trader", 0, 1, 0) == ("trader",)
    debtor.call("start_sale", "trader")
    debtor.peg(None)
    assert refused(errors.NoPrice, "buyer", "trader", 0, 1, 0) == (0,)
    debtor.peg(1)
    assert refused(errors.CostAboveMax, "buyer", "trader", 0, units(7), units(7) - 1) == (
        units(7),
        units(7) - 1,
    )
    debtor.call("buy_collateral", "buyer", "trader", 0, units(7), units(7))
    debtor.fund_account(trader=43)
    debtor.peg(None)
    refused(errors.NoPrice, "buyer", "trader", 0, 1, 0)
    debtor.peg(1)
    assert refused(errors.NothingToSell, "buyer", "trader", 0, 1, 0) == ("trader",)


def test_an_asset_that_the_account_lacks_is_not_sold() -> None:
    stage = Pledges(COIN, COIN)
    stage.fill("trader")
    stage.price(90)
    stage.call("start_sale", "trader")
    stage.refused(errors.NothingToSell, "buy_collateral", "buyer", "trader", 1, 1, LOTS)


def test_the_buyer_chooses_the_asset() -> None:
    stage = Pledges(COIN, replace(COIN, decimals=18, discount=20_000))
    stage.fill("trader", coins=50)
    stage.call("deposit_collateral", "trader", 1, 50 * UNIT)
    stage.price(90)
    stage.call("start_sale", "trader")
    stage.world.advance(1_800)
    bought = stage.call("buy_collateral", "buyer", "trader", 1, 20 * UNIT, LOTS)
    assert bought == (20 * UNIT, units(19.6))
    assert stage.buy("trader", 100) == (units(32), units(30.4))  # 30.4 was left, / 0.95


def test_a_sale_serves_an_account_with_positions_too(debtor: Pledges) -> None:
    debtor.call("start_sale", "trader")
    debtor.buy("trader", 100)
    assert (debtor.size("trader"), debtor.debt("trader"), debtor.equity("trader")) == (10, 0, 45)
    debtor.trade("market_maker", "trader", 1)  # and it can trade again


# ---- what goes back to a default


def test_what_collateral_brings_beyond_its_haircut_goes_back_to_the_default(defaulter: Pledges) -> None:
    defaulter.call("start_sale", "trader")
    assert defaulter.buy("trader", 100) == (units(90), units(90))  # the debt first, all of it
    assert (defaulter.debt("trader"), defaulter.world.fund.recovered) == (0, {})
    assert defaulter.buy("trader", 100) == (units(10), units(10))
    assert (defaulter.open_default("trader"), defaulter.world.fund.skin) == ((1, 50), units(950))
    assert (defaulter.cash("trader"), defaulter.held("trader")) == (0, 0)
    defaulter.world.advance(HOUR)
    defaulter.refused(errors.NothingToSell, "start_sale", "trader")  # it holds nothing any more
    defaulter.pledge("trader", 80)
    defaulter.call("start_sale", "trader")  # what it pledges now is good for it too
    assert defaulter.buy("trader", 100) == (units(50), units(50))
    assert defaulter.open_default("trader") is None
    defaulter.take_back("trader", 30)


def test_no_more_goes_back_than_is_open(defaulter: Pledges) -> None:
    defaulter.fund_account(trader=90)
    defaulter.call("recover", "anyone", 1, units(20))
    defaulter.call("start_sale", "trader")
    defaulter.world.advance(1_234)
    # off by 50,000 x 1,234 / 1,800 = 34,277 ppm: 40 / 0.965723 = 41,419,744.6 units, which cost 40,000,000.4
    assert defaulter.buy("trader", 100) == (41_419_745, 40_000_001)
    assert defaulter.world.fund.recovered == {1: units(60)}
    assert (defaulter.world.ledger.cash["trader"], defaulter.world.fund.skin) == (1, units(1_000))


def test_the_first_open_default_is_first(defaulter: Pledges) -> None:
    defaulter.peg(0.5)
    defaulter.settle("trader")  # a second one, of 45
    defaulter.fund_account(trader=45)
    defaulter.call("start_sale", "trader")
    assert defaulter.buy("trader", 40) == (units(40), units(20))
    assert defaulter.open_default("trader") == (1, 40)
    defaulter.call("recover", "anyone", 1, units(35))
    assert defaulter.buy("trader", 100) == (units(10), units(5))  # one default at a time
    assert defaulter.open_default("trader") == (2, 45)
    assert dump(defaulter.world)["collateral.openDefault[trader]"] == 2
    assert defaulter.buy("trader", 100) == (units(50), units(25))
    assert defaulter.world.fund.recovered == {1: units(60), 2: units(25)}


def test_a_default_recovered_meanwhile_is_passed_over(defaulter: Pledges) -> None:
    defaulter.peg(0.5)
    defaulter.settle("trader")
    defaulter.call("recover", "anyone", 2, units(45))
    defaulter.call("recover", "anyone", 1, units(60))
    assert defaulter.open_default("trader") is None
    assert defaulter.refused(errors.AccountInDebt, "withdraw_collateral", "trader", 0, 1) == ("trader",)


def test_a_default_that_cost_no_fund_anything_is_never_open() -> None:
    """Claims and open interest have borne it: recover gives nobody anything back."""
    stage = Pledges()
    stage.call("set_market_cover", 0, 0, 0)
    stage.fill("trader")
    stage.price(80)
    stage.deleverage("trader")
    assert stage.world.fund.defaults[0].from_fund == 0
    assert stage.open_default("trader") is None
    stage.fund_account(trader=90)
    stage.take_back("trader", 100)


def test_a_defaulter_gets_its_own_contribution_back_last() -> None:
    stage = Pledges()
    stage.join(trader=25)
    stage.fill("trader")
    stage.price(80)
    stage.deleverage("trader")
    record = stage.world.fund.defaults[0]
    assert (record.own, record.skin) == (units(25), units(35))
    stage.fund_account(trader=90)
    stage.call("start_sale", "trader")
    stage.buy("trader", 40)
    assert (stage.world.fund.skin, stage.balance("trader")) == (units(1_000), 5)


# ---- the properties see damage


def _lend_to_a_thief(world: World) -> None:
    world.tokens[0].move("collateral", "thief", 1)


def _pledge_twice(world: World) -> None:
    world.collateral.held["trader"][0] += 1


def _owe_collateral(world: World) -> None:
    world.collateral.held["trader"][0] -= 1_000 * DOLLAR
    world.collateral.held["other"][0] += 1_000 * DOLLAR


def _swap_notes(world: World) -> None:
    world.collateral.noted["trader"].reverse()


def _blame_another(world: World) -> None:
    world.collateral.noted["other"].append(1)


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (_lend_to_a_thief, "P1 collateral 0"),
        (_pledge_twice, "P1 collateral 0 accounts"),
        (_owe_collateral, "P1 collateral 0 signs"),
        (_swap_notes, "noted defaults"),
        (_blame_another, "noted defaults"),
    ],
)
def test_damage_is_seen(defaulter: Pledges, damage: Callable[[World], None], name: str) -> None:
    defaulter.peg(0.5)
    defaulter.settle("trader")
    damage(defaulter.world)
    assert name in {check.name for check in properties.check(defaulter.world) if not check.holds}


@pytest.mark.parametrize(
    ("off", "name"), [(-1, "conversion floor"), (1, None), (51_282, "conversion ceiling")]
)
def test_a_conversion_off_its_bounds_is_seen(debtor: Pledges, off: int, name: str | None) -> None:
    debtor.call("start_sale", "trader")
    debtor.world.advance(1_800)
    before = Moment.of(debtor.world)
    debtor.call("buy_collateral", "buyer", "trader", 0, 1_025_641, LOTS)  # 974,358.95 at 5% off
    (sold,) = debtor.world.collateral.conversions
    assert sold.paid == 974_359
    debtor.world.collateral.conversions[0] = replace(sold, paid=sold.paid + off + (off > 1))
    broken = [c.name for c in properties.over_a_call(before, debtor.world) if not c.holds]
    assert broken == ([name] if name else [])


def test_an_outsider_that_pays_with_collateral_is_seen(stage: Pledges) -> None:
    stage.fill("trader")
    stage.fund_account(bystander=0.000001)
    stage.pledge("bystander", 10)
    stage.price(80)
    before = Moment.of(stage.world)
    stage.deleverage("trader")
    stage.world.collateral.held["bystander"][0] -= units(1)
    assert "P5 cash" in {c.name for c in properties.seniority(before, stage.world) if not c.holds}
