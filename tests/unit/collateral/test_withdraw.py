"""Taking collateral back: as a withdrawal of cash in the amount by which its value falls."""

import pytest

from tests.expect import ZERO_ADDRESS, event, events, reverts
from tests.unit.collateral.moves import (
    BTC,
    ONE_SAVE,
    ONE_USDX,
    REVERTING,
    SAVE,
    USDX,
    cash,
    held,
    pledge_share,
    ruin,
)
from weir.parameters import FundingParameters, funding_struct


@pytest.fixture
def withdraw(pledged_system, trader):
    """The trader takes so many units of USDX."""

    def take(amount, first=(), by=trader, to=None, asset=USDX):
        return pledged_system.collateral.withdraw(asset, amount, to or by, list(first), sender=by)

    return take


def test_who_has_no_position_takes_what_it_likes(pledged_system, withdraw, other_trader, stranger):
    system, collateral = pledged_system, pledged_system.collateral
    system.pledge(other_trader, "USDX", 100)
    receipt = withdraw(40 * ONE_USDX, by=other_trader, to=stranger)
    assert event(receipt, "Withdrawn") == {
        "account": other_trader,
        "asset": USDX,
        "to": stranger,
        "amount": 40 * ONE_USDX,
    }
    token = system.assets["USDX"]
    assert [token.balanceOf(account) for account in (stranger, other_trader)] == [40 * ONE_USDX, 0]
    assert held(system, other_trader) == [60 * ONE_USDX]
    assert collateral.totalOf(USDX) == token.balanceOf(collateral) == 10_060 * ONE_USDX
    assert system.vault.net(other_trader) == system.usd(54)


def test_who_takes_all_has_nothing_pledged_any_more(pledged_system, withdraw, other_trader):
    system, collateral = pledged_system, pledged_system.collateral
    system.pledge(other_trader, "USDX", 100)
    pledge_share(system, other_trader, 10)
    count = system.vault.accountCount()
    assert collateral.assetsOf(other_trader) == 0b11
    withdraw(100 * ONE_USDX, by=other_trader)
    assert (collateral.assetsOf(other_trader), system.vault.net(other_trader)) == (0b10, system.usd("9.5"))
    withdraw(10 * ONE_SAVE, by=other_trader, asset=SAVE)
    assert (collateral.assetsOf(other_trader), system.vault.net(other_trader)) == (0, 0)
    # It stays an account, and comes back as the same.
    system.pledge(other_trader, "USDX", 1)
    assert (collateral.assetsOf(other_trader), system.vault.accountCount()) == (1, count)


# ---- refusals


def test_nothing_can_not_be_taken(withdraw):
    with reverts("ZeroAmount"):
        withdraw(0)


def test_it_goes_to_somebody(withdraw):
    with reverts("ZeroAddress"):
        withdraw(1, to=ZERO_ADDRESS)


def test_what_is_not_listed_can_not_be_taken(withdraw):
    with reverts("UnknownAsset", asset=2):
        withdraw(1, asset=2)


def test_no_more_is_taken_than_is_held(pledged_system, withdraw, trader, other_trader):
    """Whatever others hold."""
    pledged_system.pledge(other_trader, "USDX", 3)
    with reverts(
        "InsufficientCollateral",
        account=other_trader,
        asset=USDX,
        held=3 * ONE_USDX,
        amount=3 * ONE_USDX + 1,
    ):
        withdraw(3 * ONE_USDX + 1, by=other_trader)
    with reverts("InsufficientCollateral", account=trader, asset=SAVE, held=0, amount=1):
        withdraw(1, asset=SAVE)


@pytest.mark.parametrize(
    ("amount", "left"),
    [
        # 1,666.666667 are worth 1,666.666667, of which 1,500.0000003 count.
        (8_333_333_333 * 10**12, 2_500_000_000),
        # Of 1,666.666666 it is 1,499.9999994.
        (8_333_333_334 * 10**12, None),
    ],
)
def test_initial_margin_stays(pledged_system, withdraw, trader, amount, left):
    """50,000 of notional need 2,500, of which 1,000 are cash."""
    if left is None:
        with reverts("InitialMarginNotMet", account=trader, equity=2_499_999_999, required=2_500_000_000):
            withdraw(amount)
        return
    withdraw(amount)
    assert pledged_system.equity(trader) == left
    assert held(pledged_system, trader) == [10_000 * ONE_USDX - amount]
    with reverts("InitialMarginNotMet"):
        withdraw(10**12)


def test_who_is_flagged_takes_nothing(pledged_system, withdraw, trader):
    """At 8,200 its equity of 1,000 is below the 1,230 of maintenance margin."""
    pledged_system.set_price(BTC, 8_200)
    pledged_system.flag(trader)
    with reverts("AccountFlagged", account=trader):
        withdraw(1)


def test_who_is_in_debt_takes_nothing(pledged_system, withdraw, trader):
    """At 9,500 it owes 1,500, and has an equity of 7,500, for a margin of 2,375."""
    pledged_system.set_price(BTC, 9_500)
    with reverts("AccountInDebt", account=trader):
        withdraw(1)
    # That is not what its equity forbids.
    pledged_system.deposit(trader, 1_500)
    withdraw(5_000 * ONE_USDX)


def test_who_is_in_debt_without_a_position_takes_nothing(pledged_system, withdraw, trader):
    """Its debt of 8,000 is covered by what its collateral counts for, and waits."""
    ruin(pledged_system, trader, 8_200)
    assert pledged_system.vault.debtOf(trader, BTC) == pledged_system.usd(8_000)
    assert pledged_system.size(trader) == 0
    with reverts("AccountInDebt", account=trader):
        withdraw(1)
    pledged_system.deposit(trader, 8_000)
    withdraw(10_000 * ONE_USDX)
    assert pledged_system.assets["USDX"].balanceOf(trader) == 10_000 * ONE_USDX


def test_with_a_position_its_market_needs_a_price(pledged_system, withdraw, other_trader, deployer):
    pledged_system.pledge(other_trader, "USDX", 1)
    pledged_system.feeds[BTC].setMode(REVERTING, sender=deployer)
    with reverts("PriceUnavailable", market=BTC):
        withdraw(1)
    withdraw(1, by=other_trader)


# ---- what has no price


def test_what_has_no_price_leaves_freely_without_a_position(pledged_system, withdraw, other_trader, deployer):
    pledged_system.pledge(other_trader, "USDX", 100)
    pledged_system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    withdraw(100 * ONE_USDX, by=other_trader)
    assert pledged_system.assets["USDX"].balanceOf(other_trader) == 100 * ONE_USDX


def test_what_has_no_price_leaves_where_the_rest_is_margin_enough(pledged_system, withdraw, trader, deployer):
    pledged_system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    equity, required = pledged_system.usd(1_000), pledged_system.usd(2_500)
    with reverts("InitialMarginNotMet", account=trader, equity=equity, required=required):
        withdraw(1)
    pledged_system.deposit(trader, 1_500)
    withdraw(10_000 * ONE_USDX)
    assert pledged_system.equity(trader) == required


# ---- settled first


def test_the_account_and_whom_it_names_are_settled_first(
    pledged_system, withdraw, trader, market_maker, other_trader
):
    """At 10,400 the trader has won 2,000, which the market maker pays."""
    system = pledged_system
    system.set_price(BTC, 10_400)
    receipt = withdraw(ONE_USDX, first=[market_maker, other_trader])
    settled = [(log["account"], log["pnl"]) for log in events(receipt, "Settled")]
    assert settled == [(market_maker, -system.usd(2_000)), (trader, system.usd(2_000))]
    assert cash(system, trader, market_maker) == [system.usd(3_000), system.usd(997_990)]


def test_what_it_has_lost_counts(pledged_system, withdraw, trader):
    """At 9,900 it has 500 less, and needs 2,475: 1,975 of 9,000 must stay, which are 2,194.44 USDX."""
    system = pledged_system
    system.set_price(BTC, 9_900)
    withdraw(7_805 * ONE_USDX)
    assert system.equity(trader) == system.usd("2475.5")
    with reverts("InitialMarginNotMet"):
        withdraw(ONE_USDX)


# ---- leverage


@pytest.fixture
def leverage_costs(pledged_system, governor):
    """1% of notional at 20x, nothing at 5x, in proportion between."""
    free = dict.fromkeys(("max_scarcity", "max_concentration", "premium_min", "premium_max"), 0)
    costly = FundingParameters(
        **free, stop_below=0, max_leverage=10_000, tier_rates=(0,) * 5, member_ratio=0, member_step=0
    )
    pledged_system.policy.setParameters(funding_struct(costly, 6), sender=governor)
    return pledged_system


def test_more_leverage_is_charged_as_for_cash(leverage_costs, withdraw, trader):
    """From 10,000 of equity, 5x, to 5,500: 9.090910x. 4.090910 / 15 of 1% are 2,728 ppm, of 50,000."""
    system = leverage_costs
    receipt = withdraw(5_000 * ONE_USDX)
    assert event(receipt, "LeverageCharged") == {
        "account": trader,
        "amount": system.usd("136.4"),
        "leverage": 2_728,
    }
    assert event(receipt, "ContributionPaid") == {"account": trader, "amount": system.usd("136.4")}
    assert cash(system, trader) == [system.usd("863.6")]
    assert system.equity(trader) == system.usd("5363.6")


def test_initial_margin_is_met_after_the_charge(leverage_costs, withdraw, trader):
    """2,790 of equity would do; at 17.921147x they cost 8,615 ppm, 430.75, and are 2,359.25."""
    with reverts(
        "InitialMarginNotMet",
        account=trader,
        equity=leverage_costs.usd("2359.25"),
        required=leverage_costs.usd(2_500),
    ):
        withdraw(8_011_111_111 * 10**12)


def test_the_charge_is_paid_in_cash(leverage_costs, withdraw, trader):
    """A withdrawal of 970 in cash, to 5.537099x, costs 359 ppm, 17.95; that leaves 12.05.

    To take 4,000 USDX then is to go from 5.548128x, 366 ppm, to 9.238644x, 2,826 ppm: 123.
    """
    system = leverage_costs
    system.vault.withdraw(system.usd(970), trader, [], sender=trader)
    assert cash(system, trader) == [system.usd("12.05")]
    with reverts("InsufficientCash", account=trader, cash=system.usd("12.05"), needed=system.usd(123)):
        withdraw(4_000 * ONE_USDX)
    system.deposit(trader, "110.95")
    withdraw(3_900 * ONE_USDX)
