"""P6: given live prices, every liquidatable account can be resolved, without a fund, by anyone, in bounded
gas (SPECIFICATION.md).
"""

import pytest
from ape import chain

from tests.expect import event, events, reverts
from tests.integration import books
from tests.integration.stage import (
    BTC,
    ETH,
    backing,
    begin_budget_window,
    cover,
    fall_below,
    fill_fund,
    is_below,
    layers,
    refresh_all,
    resolve_everyone,
    withdraw,
)

MILLION = 10**6
WAD = 10**18
DUST = 10**9

MOST_GAS = {"flag": 500_000, "settle": 1_200_000, "liquidate": 3_000_000, "deleverage": 3_000_000}
"""For one account with positions in 8 markets, the most it may have, that defaults in each of them. A
block has 30 million or more.
"""

CASH = {
    "market_maker": 100_000,
    "liquidator": 100_000,
    "trader": 2_000,
    "other_trader": 1_500,
    "attacker": 1_000,
    "accomplice": 600,
    "keeper": 700,
}


@pytest.fixture(scope="module")
def people(plain, actors):
    for role, amount in CASH.items():
        plain.deposit(actors[role], amount)
    return plain


@pytest.fixture(scope="module")
def everybody(actors):
    return [actors[role] for role in CASH]


# ---- whatever the fund is


@pytest.fixture(params=["empty", "without budget", "wiped out"])
def poor(request, people, trader, market_maker, liquidator):
    """A protocol whose fund has nothing to pay, for each of the reasons there are."""
    if request.param == "without budget":
        fill_fund(people, skin=1_000, junior=1_000, senior=1_000)
        for market in (BTC, ETH):
            cover(people, market, budget_share=0, coinsurance=500_000)
    if request.param == "wiped out":
        fill_fund(people, skin=1, junior=2, senior=3)
        people.trade(trader, market_maker, 1, 10_000)
        people.set_price(BTC, 7_000)
        people.flag(trader)
        receipt = people.liquidate(trader, liquidator)
        assert len(events(receipt, "TrancheWiped")) == 2
        people.trade(market_maker, liquidator, 1, 7_000)
        people.set_price(BTC, 10_000)
        people.deposit(trader, 2_000)
    return people


def test_a_crash_that_nobody_pays_for_is_resolved_to_the_last_account(poor, actors, everybody, stranger):
    """BTC falls and ETH rises by more than most have. A stranger without a unit resolves them all.

    The keeper, who went short at the bottom, has won nothing, and is brought down by the remainders of the
    others.
    """
    for buyer, seller, size, market in (
        ("trader", "market_maker", "2", BTC),
        ("other_trader", "accomplice", "1", BTC),
        ("attacker", "market_maker", "1", BTC),
        ("market_maker", "attacker", "10", ETH),
        ("liquidator", "other_trader", "18", ETH),
        ("market_maker", "trader", "15", ETH),
    ):
        mark = 10_000 if market == BTC else 500
        poor.trade(actors[buyer], actors[seller], size, mark, market=market)
    poor.set_price(BTC, 7_400)
    poor.set_price(ETH, 800)
    poor.trade(actors["liquidator"], actors["keeper"], "1", 7_400)
    refresh_all(poor)
    broken = [actors[role] for role in ("trader", "other_trader", "attacker")]
    assert [account for account in everybody if is_below(poor, account)] == broken

    receipts = resolve_everyone(poor, everybody, stranger)
    assert poor.vault.cashOf(stranger) == poor.token.balanceOf(stranger) == 0
    defaulted = {log["account"] for receipt in receipts for log in events(receipt, "Defaulted")}
    assert defaulted == {account.address for account in (*broken, actors["keeper"])}
    now = books.read(poor)
    assert now.donated == now.insolvencies == 0
    assert all(not market.debts for market in now.markets)
    for market in now.markets:
        assert 0 <= market.surplus <= 3 * len(receipts)
    # Who is left can leave.
    poor.settle(*everybody, *everybody)
    for account in everybody:
        if not poor.clearing_house.health(account)[1]:
            withdraw(poor, account)
    assert backing(poor, everybody) == 0


def test_the_fund_may_be_spent_at_any_moment_of_an_auction(people, trader, market_maker, stranger):
    """Nobody waits for an auction that nobody would bid in: once the fund may pay nothing, an insolvent
    account is closed at once.
    """
    fill_fund(people, skin=100)
    people.trade(trader, market_maker, 1, 10_000)
    people.set_price(BTC, 7_000)
    people.flag(trader)
    cover(people, BTC, budget_share=0, coinsurance=0)
    receipt = people.clearing_house.deleverage(trader, [], sender=stranger)
    assert event(receipt, "Defaulted")["remainder"] == people.usd(1_000)


def test_after_a_wipe_out_the_next_default_and_the_next_staker_are_served(
    people, staker, other_staker, trader, other_trader, market_maker, liquidator
):
    fill_fund(people, junior=10, senior=20)
    people.trade(trader, market_maker, 1, 10_000)
    people.trade(other_trader, market_maker, 1, 10_000)
    people.set_price(BTC, 7_000)
    people.flag(trader)
    people.liquidate(trader, liquidator)
    assert people.junior.balanceOf(staker) == people.senior.balanceOf(other_staker) == 0
    # The gate is open between the two, as far as anyone knows.
    begin_budget_window(people)
    people.stake(people.junior, other_staker, 100)
    assert people.junior.convertToAssets(people.junior.balanceOf(other_staker)) == people.usd(100)
    people.flag(other_trader)
    people.liquidate(other_trader, liquidator)
    assert people.default_record(2)["junior"] == people.usd(100)
    assert layers(people) == (0, 0, 0, 0)


# ---- dust


@pytest.fixture
def crumbs(people, governor, trader, other_trader, market_maker):
    """Positions of a thousand millionth of a BTC may be opened: the other trader has one, and the trader a
    real one.
    """
    parameters = tuple(people.clearing_house.liquidationParameters())
    people.clearing_house.setLiquidationParameters((*parameters[:4], 1, parameters[5]), sender=governor)
    crumb = people.order(market_maker, is_buy=False, size="0.0000000005", price=10_000)
    people.fill(crumb, other_trader)
    people.trade(trader, market_maker, 1, 10_000)
    return people


def test_open_interest_that_is_only_dust_is_closed_at_the_mark(
    crumbs, trader, other_trader, market_maker, stranger
):
    crumbs.set_price(BTC, 8_100)
    fall_below(crumbs, trader)
    receipt = crumbs.clearing_house.deleverage(trader, [], sender=stranger)
    assert len(events(receipt, "EpochEnded")) == 2
    state = crumbs.clearing_house.marketState(BTC)
    assert (state.openInterest, state.long.positions, state.short.positions) == (0, 0, 0)
    crumbs.settle(other_trader, market_maker)
    assert crumbs.size(other_trader) == crumbs.size(market_maker) == 0
    # And it can be traded again.
    crumbs.trade(other_trader, market_maker, "0.0000000005", 8_100)


def test_dust_below_maintenance_margin_is_resolved_like_anything(
    crumbs, trader, other_trader, market_maker, stranger
):
    """It holds 5 units of S worth of BTC, and all but one unit of its cash is gone."""
    crumbs.trade(market_maker, trader, 1, 10_000)
    assert crumbs.clearing_house.marketState(BTC).openInterest < DUST
    cash = crumbs.vault.cashOf(other_trader)
    crumbs.vault.withdraw(cash - 1, other_trader, [], sender=other_trader)
    crumbs.set_price(BTC, 4_000)
    crumbs.clearing_house.flag(other_trader, sender=stranger)
    crumbs.clearing_house.deleverage(other_trader, [], sender=stranger)
    assert crumbs.default_record(1)["shortfall"] == crumbs.default_record(1)["remainder"] == 2
    crumbs.settle(market_maker, other_trader)
    assert crumbs.vault.net(other_trader) == 0
    # Too little is open to be charged: the winner's profit bears it when it is settled.
    assert crumbs.vault.marketLedger(BTC).residual == 0
    assert crumbs.vault.cashOf(market_maker) == crumbs.usd(100_000) + 1


def test_the_last_two_of_a_market_may_need_a_third(
    people, trader, market_maker, liquidator, stranger, attacker
):
    """The deleveraging of another has cost one of them a wei of size: 2 long against 2 less a wei short.
    They can close all but the minimum among themselves; a newcomer lets either of them out.
    """
    people.trade(trader, market_maker, 1, 10_000)
    people.trade(liquidator, market_maker, 2, 10_000)
    people.set_price(BTC, 7_900)
    people.flag(trader)
    people.clearing_house.deleverage(trader, [], sender=stranger)
    people.settle(market_maker, liquidator)
    assert people.size(liquidator) == 2 * WAD == 1 - people.size(market_maker)

    order = people.order(liquidator, is_buy=False, size=2, price=7_900)
    signature = people.sign(order)
    for size, left_with_dust in ((2 * WAD - 1, liquidator), (2 * WAD, market_maker)):
        with reverts("PositionBelowMinimum", account=left_with_dust):
            people.clearing_house.trade(order.as_tuple(), signature, size, sender=market_maker)
    people.clearing_house.trade(order.as_tuple(), signature, people.wad("1.98"), sender=market_maker)
    people.trade(attacker, liquidator, "0.02", 7_900)
    withdraw(people, liquidator)
    assert people.equity(liquidator) == people.clearing_house.positionMarkets(liquidator) == 0


# ---- gas


@pytest.fixture(scope="module")
def full(crowded, actors):
    """The trader is long 10 in each of 8 markets, the most there may be; the market maker and the
    liquidator are short 5 each.
    """
    for role, amount in {"market_maker": 500_000, "liquidator": 500_000, "trader": 5_000}.items():
        crowded.deposit(actors[role], amount)
    fill_fund(crowded, skin=100, junior=200, senior=300)
    for market in range(8):
        for role in ("market_maker", "liquidator"):
            crowded.trade(actors["trader"], actors[role], 5, 1_000, market=market)
    return crowded


@pytest.fixture
def crashed(full):
    """Half of every price is gone; the trader owes 40,000 and has not even 5,000."""
    for market in range(8):
        full.set_price(market, 500)
    return full


def within(receipt, action):
    assert receipt.gas_used <= MOST_GAS[action], f"{action} took {receipt.gas_used} gas"
    return receipt


def test_flagging_in_8_markets_is_bounded(crashed, trader):
    within(crashed.flag(trader), "flag")


def test_settling_in_8_markets_is_bounded(crashed, trader, market_maker):
    within(crashed.settle(trader), "settle")
    within(crashed.settle(market_maker), "settle")
    # It has claims in 8 markets now, and what the trader paid in converts some of them.
    within(crashed.settle(market_maker), "settle")


@pytest.mark.parametrize("bystanders_first", [False, True])
def test_deleveraging_in_8_markets_is_bounded(crashed, trader, liquidator, stranger, bystanders_first):
    """Its default goes through every layer of 8 waterfalls. With winners settled first there are claims to
    be written off as well.
    """
    crashed.flag(trader)
    crashed.pass_auction()
    if bystanders_first:
        crashed.settle(liquidator)
    receipt = within(crashed.clearing_house.deleverage(trader, [], sender=stranger), "deleverage")
    defaults = events(receipt, "Defaulted")
    assert len(defaults) >= 6
    assert sum(log["remainder"] for log in defaults) > 0
    assert len(events(receipt, "Deleveraged")) == 8
    assert bool(events(receipt, "ClaimsWrittenOff")) == bystanders_first


def test_liquidating_in_8_markets_is_bounded(crashed, trader, liquidator):
    """The worst there is: the one who takes over has positions on the other side in each of them, and
    profits to settle.
    """
    crashed.flag(trader)
    receipt = within(crashed.liquidate(trader, liquidator), "liquidate")
    assert event(receipt, "Liquidated")["fraction"] == WAD
    assert len(events(receipt, "Defaulted")) >= 6
    assert crashed.size(trader) == 0


def test_deleveraging_costs_the_same_however_many_stand_opposite(
    people, actors, trader, market_maker, stranger
):
    """One short, and then seven: the same gas but for the bytes of numbers."""

    def cost(shorts):
        for short in shorts:
            people.trade(trader, actors[short], "0.1", 10_000)
        people.set_price(BTC, 6_500)
        people.flag(trader)
        return people.clearing_house.deleverage(trader, [], sender=stranger).gas_used

    people.trade(actors["liquidator"], market_maker, 1, 10_000)
    with chain.isolate():
        alone = cost(["market_maker"] * 6)
    together = cost(["other_trader", "attacker", "accomplice", "keeper", "market_maker", "liquidator"])
    assert abs(together - alone) <= 2_000
