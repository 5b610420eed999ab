"""Pledging: what arrives is held, within a cap, and makes its owner an account."""

import pytest

from tests.expect import ZERO_ADDRESS, event, reverts
from tests.unit.collateral.moves import (
    ONE_SAVE,
    ONE_USDX,
    REVERTING,
    SAVE,
    USDX,
    held,
    list_asset,
    pledge_share,
    set_asset,
)


@pytest.fixture
def list_variant(pledged_system, project, deployer, attacker):
    """Lists a token of some kind as asset 2; the attacker has 1,000 units, and lets them be taken."""

    def listed(kind, *arguments):
        token = deployer.deploy(getattr(project, kind), *arguments)
        list_asset(pledged_system, 2, token)
        token.mint(attacker, 1_000, sender=attacker)
        token.approve(pledged_system.collateral, 1_000, sender=attacker)
        return token

    return listed


def test_what_is_pledged_is_held_for_its_owner(pledged_system, other_trader, trader):
    system, collateral = pledged_system, pledged_system.collateral
    receipt = system.pledge(other_trader, "USDX", 250)
    amount = 250 * ONE_USDX
    assert event(receipt, "Deposited") == {"account": other_trader, "asset": USDX, "amount": amount}
    assert held(system, other_trader, trader) == [amount, 10_000 * ONE_USDX]
    assert collateral.totalOf(USDX) == system.assets["USDX"].balanceOf(collateral) == 10_250 * ONE_USDX
    assert (collateral.assetsOf(other_trader), collateral.valueOf(other_trader)) == (1, system.usd(225))
    assert system.assets["USDX"].balanceOf(other_trader) == 0


def test_who_pledges_again_holds_the_sum(pledged_system, trader):
    pledged_system.pledge(trader, "USDX", 5)
    pledged_system.pledge(trader, "USDX", 7)
    assert held(pledged_system, trader) == [10_012 * ONE_USDX]


def test_who_only_pledges_is_an_account_once(pledged_system, attacker):
    system = pledged_system
    count = system.vault.accountCount()
    system.pledge(attacker, "USDX", 1)
    system.pledge(attacker, "USDX", 1)
    pledge_share(system, attacker, 1)
    system.deposit(attacker, 1)
    assert system.vault.accountCount() == count + 1
    assert list(system.vault.accounts(count, 10)) == [attacker]


def test_who_is_an_account_does_not_become_another(pledged_system, liquidator):
    count = pledged_system.vault.accountCount()
    pledged_system.pledge(liquidator, "USDX", 1)
    assert pledged_system.vault.accountCount() == count


def test_all_accounts_together_stay_within_the_cap(pledged_system, trader, other_trader):
    """1,000 SAVE; what is withdrawn makes room."""
    system = pledged_system
    pledge_share(system, trader, 600)
    pledge_share(system, other_trader, 400)
    cap = 1_000 * ONE_SAVE
    with reverts("CapExceeded", asset=SAVE, total=cap + 1, cap=cap):
        pledge_share(system, trader, "0.000001")
    system.collateral.withdraw(SAVE, 2 * ONE_SAVE, other_trader, [], sender=other_trader)
    pledge_share(system, trader, 2)
    assert held(system, trader, other_trader, asset=SAVE) == [602 * ONE_SAVE, 398 * ONE_SAVE]
    assert system.collateral.totalOf(SAVE) == cap


def test_a_cap_that_was_lowered_lets_nothing_more_in_and_everything_out(pledged_system, other_trader):
    system, token = pledged_system, pledged_system.assets["USDX"]
    system.pledge(other_trader, "USDX", 10)
    set_asset(system, USDX, token, collateralCap=ONE_USDX)
    with reverts("CapExceeded", asset=USDX, total=10_011 * ONE_USDX, cap=ONE_USDX):
        system.pledge(other_trader, "USDX", 1)
    system.collateral.withdraw(USDX, 10 * ONE_USDX, other_trader, [], sender=other_trader)
    assert system.collateral.totalOf(USDX) == 10_000 * ONE_USDX


def test_nothing_can_not_be_pledged(pledged_system, trader):
    with reverts("ZeroAmount"):
        pledged_system.collateral.deposit(USDX, 0, sender=trader)


def test_what_is_not_listed_can_not_be_pledged(pledged_system, trader):
    with reverts("UnknownAsset", asset=2):
        pledged_system.collateral.deposit(2, 1, sender=trader)


def test_only_what_its_owner_allows_is_taken(pledged_system, other_trader):
    system = pledged_system
    system.assets["USDX"].mint(other_trader, 10, sender=other_trader)
    with reverts("ERC20InsufficientAllowance"):
        system.collateral.deposit(USDX, 10, sender=other_trader)
    assert system.collateral.totalOf(USDX) == 10_000 * ONE_USDX


def test_what_has_no_price_can_be_pledged_and_counts_for_nothing(pledged_system, deployer, other_trader):
    system = pledged_system
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    system.pledge(other_trader, "USDX", 10)
    assert held(system, other_trader) == [10 * ONE_USDX]
    assert system.vault.net(other_trader) == 0


def test_what_merely_arrives_belongs_to_nobody(pledged_system, other_trader, stranger):
    system, collateral = pledged_system, pledged_system.collateral
    system.assets["USDX"].mint(collateral, 5, sender=stranger)
    assert collateral.totalOf(USDX) == 10_000 * ONE_USDX
    system.pledge(other_trader, "USDX", 1)
    assert held(system, other_trader) == [ONE_USDX]
    assert system.assets["USDX"].balanceOf(collateral) == 10_001 * ONE_USDX + 5


# ---- tokens of another kind


def test_a_token_that_takes_a_fee_is_refused(pledged_system, list_variant, attacker):
    list_variant("FeeToken", 18, 10_000)
    with reverts("InexactTransfer", expected=1_000, received=990):
        pledged_system.collateral.deposit(2, 1_000, sender=attacker)


def test_a_token_that_returns_nothing_is_as_good(pledged_system, list_variant, attacker, stranger):
    system, token = pledged_system, list_variant("SilentToken", 18)
    system.collateral.deposit(2, 1_000, sender=attacker)
    system.collateral.withdraw(2, 400, stranger, [], sender=attacker)
    assert (token.balanceOf(system.collateral), token.balanceOf(stranger)) == (600, 400)
    assert held(system, attacker, asset=2) == [600]


def test_a_token_that_says_no_is_heard(pledged_system, list_variant, attacker):
    list_variant("FalseToken", 18)
    with reverts("SafeERC20FailedOperation"):
        pledged_system.collateral.deposit(2, 1_001, sender=attacker)
    pledged_system.collateral.deposit(2, 1_000, sender=attacker)


# ---- trading on it


def test_an_account_without_cash_trades_on_its_collateral(pledged_system, market_maker, attacker, governor):
    """2,000 USDX count for 1,800, which carry 36,000; nothing is charged for the trade."""
    system, house = pledged_system, pledged_system.clearing_house
    parameters = list(house.marketParameters(0))
    parameters[2:4] = 0, 0  # the fees
    house.setMarketParameters(0, tuple(parameters), sender=governor)
    system.pledge(attacker, "USDX", 2_000)
    with reverts(
        "InitialMarginNotMet", account=attacker, equity=system.usd(1_800), required=system.usd(1_850)
    ):
        system.trade(attacker, market_maker, "3.7", 10_000)
    system.trade(attacker, market_maker, "3.6", 10_000)
    assert system.size(attacker) == system.wad("3.6")
    assert system.vault.cashOf(attacker) == 0


def test_fees_want_cash(pledged_system, market_maker, attacker):
    """Unless the trade itself brings it: at 9,990 the buyer of one gets 10, and owes 4.995."""
    system = pledged_system
    system.pledge(attacker, "USDX", 2_000)
    with reverts("InsufficientCash", account=attacker, cash=0, needed=system.usd(5)):
        system.trade(attacker, market_maker, 1, 10_000)
    system.trade(attacker, market_maker, 1, 9_990)
    assert system.vault.cashOf(attacker) == system.usd("5.005")


# ---- wiring


def test_the_wiring(pledged_system, project, deployer):
    system, collateral = pledged_system, pledged_system.collateral
    wired = [collateral.stablecoins(), collateral.vault(), collateral.clearingHouse(), collateral.fund()]
    assert wired == [system.stablecoins, system.vault, system.clearing_house, system.fund]
    assert system.vault.collateral() == collateral
    for missing in range(4):
        arguments = [ZERO_ADDRESS if i == missing else address for i, address in enumerate(wired)]
        with reverts("ZeroAddress"):
            deployer.deploy(project.Collateral, *arguments)
