"""Tokens that call back: a settlement token in the middle of a sale, a collateral token in any transfer.

The token is an account too. The trader's 10,000 USDX count for 9,000, and deleveraged at 8,200 it owes 8,000.
"""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.expect import PANIC_ARITHMETIC, event, reverts
from tests.system import System
from tests.unit.collateral.moves import (
    ASSETS,
    BTC,
    DURATION,
    ONE_USDX,
    USDX,
    buy,
    cash,
    fund_buyer,
    held,
    list_asset,
    ruin,
    set_asset,
    start_sale,
)

HOOK = 1
LOCKED = bytes.fromhex("3ee5aeb5")
"""The selector of ReentrancyGuardReentrantCall."""


@pytest.fixture
def hooked(
    deploy_system: Any, project: Any, deployer: Any, market_maker: Any, trader: Any, liquidator: Any
) -> System:
    """As `pledged_system`, but S calls back, and so does asset 1."""
    token = deployer.deploy(project.ReentrantToken, 6)
    system: System = deploy_system(assets=ASSETS[:1], token=token.address)
    system.token = project.ReentrantToken.at(token.address)
    hook = deployer.deploy(project.ReentrantToken, 18)
    list_asset(system, HOOK, hook)
    system.assets["HOOK"] = hook
    for account, amount in ((market_maker, 1_000_000), (trader, 1_025), (liquidator, 200_000)):
        system.deposit(account, amount)
    system.contribute(deployer, 70_000)
    return system


@pytest.fixture
def treacherous_sale(hooked: System, trader: Any, market_maker: Any, stranger: Any) -> System:
    """The trader's sale runs; the stranger has the money."""
    hooked.pledge(trader, "USDX", 10_000)
    hooked.trade(trader, market_maker, 5, 10_000)
    ruin(hooked, trader, 8_200)
    start_sale(hooked, trader)
    fund_buyer(hooked, stranger, 20_000)
    hooked.wait(DURATION)
    hooked.renew_prices()
    return hooked


@pytest.fixture
def as_account(impersonated: Any) -> Any:
    return impersonated


def arm(system: System, token: Any, target: Any, data: Any, transfer: int = 1) -> Any:
    """The token's n-th transfer from now on calls the target."""
    for _ in range(transfer - 1):
        target, data = token, token.arm.encode_input(target, data)
    token.arm(target, data, sender=system.actors["deployer"])
    return token


def settle_call(system: System, *accounts: Any) -> Any:
    return system.clearing_house.settle.encode_input(list(accounts))


# ---- S, in the middle of a sale


@pytest.mark.parametrize("transfer", [1, 2], ids=["the buyer's", "the deposit"])
def test_nobody_is_resolved_in_the_middle_of_its_sale(
    treacherous_sale: System, trader: Any, stranger: Any, transfer: int
) -> None:
    """8,000 / 0.95 of 10,000 USDX leave: 1,578.9 that stay count for 1,421, less than the debt.

    Were they gone before the money is there, settling it then would make it default on 6,579.
    """
    system = treacherous_sale
    token = arm(system, system.token, system.clearing_house, settle_call(system, trader), transfer)
    receipt = buy(system, trader, stranger)
    assert event(receipt, "Sold")["cost"] == system.usd(8_000) + 1
    assert (token.called(), token.succeeded()) == (True, True)
    assert (system.fund.defaultCount(), system.vault.inDebt(trader)) == (0, False)


@pytest.mark.parametrize("transfer", [1, 2], ids=["the buyer's", "the deposit"])
def test_collateral_is_locked_in_the_middle_of_a_sale(
    treacherous_sale: System, trader: Any, stranger: Any, as_account: Any, transfer: int
) -> None:
    """Nobody withdraws, pledges, buys or starts a sale then: not the token, which has pledged something."""
    system, collateral = treacherous_sale, treacherous_sale.collateral
    caller = as_account(system.token)
    system.pledge(caller, "USDX", 100)
    calls = (
        collateral.withdraw.encode_input(USDX, ONE_USDX, caller, []),
        collateral.deposit.encode_input(USDX, 1),
        collateral.startSale.encode_input(trader),
        collateral.buy.encode_input(trader, USDX, 1, caller, 2**256 - 1),
    )
    for call in calls:
        with ape.chain.isolate():
            token = arm(system, system.token, collateral, call, transfer)
            buy(system, trader, stranger)
            assert (token.called(), token.succeeded(), token.result()) == (True, False, LOCKED)
    assert held(system, caller) == [100 * ONE_USDX]


def test_who_is_liquidated_in_the_middle_of_its_sale_is_not_sold(
    hooked: System, market_maker: Any, trader: Any, stranger: Any, as_account: Any
) -> None:
    """At 7,900 it owes 9,500 and has no equity. The token takes it over amid the buyer's payment, whole."""
    system = hooked
    system.pledge(trader, "USDX", 10_000)
    system.trade(trader, market_maker, 5, 10_000)
    system.set_price(BTC, 7_900)
    system.flag(trader)
    caller = as_account(system.token)
    system.deposit(caller, 20_000)
    start_sale(system, trader)
    fund_buyer(system, stranger, 20_000)
    take = system.clearing_house.liquidate.encode_input(trader, 10**18, [])
    with ape.chain.isolate():
        system.liquidate(trader, caller)
    arm(system, system.token, system.clearing_house, take)
    with reverts("Panic", code=PANIC_ARITHMETIC):
        buy(system, trader, stranger)
    assert system.token.balanceOf(stranger) == system.usd(20_000)
    assert held(system, trader) == [10_000 * ONE_USDX]


def test_who_pays_the_debt_in_the_middle_of_a_sale_does_no_harm(
    treacherous_sale: System, trader: Any, stranger: Any, as_account: Any
) -> None:
    """The sale goes on at its price, and the money is the account's."""
    system = treacherous_sale
    caller = as_account(system.token)
    system.mint(caller, 8_000)
    system.token.approve(system.vault, system.usd(8_000), sender=caller)
    arm(system, system.token, system.vault, system.vault.deposit.encode_input(trader, system.usd(8_000)))
    receipt = buy(system, trader, stranger)
    assert system.token.succeeded()
    cost = event(receipt, "Sold")["cost"]
    assert (cash(system, trader), cost) == ([cost], system.usd(8_000) + 1)
    assert system.token.balanceOf(system.collateral) == 0


# ---- S, in the middle of a recovery


@pytest.fixture
def defaulter(hooked: System, market_maker: Any, stranger: Any, as_account: Any) -> Any:
    """The token itself: 5,000 of its 10,000 USDX count, its debts of 5,000 are paid, 1,000 are open."""
    system = hooked
    caller = as_account(system.token)
    set_asset(system, USDX, system.assets["USDX"], haircut=500_000)
    system.deposit(caller, 1_025)
    system.pledge(caller, "USDX", 10_000)
    system.trade(caller, market_maker, 5, 10_000)
    ruin(system, caller, 8_600)
    system.deposit(caller, 5_000)
    assert system.collateral.dueOf(caller) == (system.usd(1_000), 1)
    start_sale(system, caller)
    fund_buyer(system, stranger, 20_000)
    system.wait(DURATION)
    system.renew_prices()
    return caller


@pytest.mark.parametrize("transfer", [1, 2], ids=["the buyer's", "the fund's"])
def test_a_defaulter_gets_nothing_out_in_the_middle_of_its_recovery(
    hooked: System, defaulter: Any, stranger: Any, transfer: int
) -> None:
    system, collateral = hooked, hooked.collateral
    call = collateral.withdraw.encode_input(USDX, 9_000 * ONE_USDX, defaulter, [])
    with ape.chain.isolate():
        token = arm(system, system.token, collateral, call, transfer)
        buy(system, defaulter, stranger)
        assert (token.called(), token.succeeded(), token.result()) == (True, False, LOCKED)
        assert system.fund.recovered(1) == (system.usd(1_000), 0)
    token = arm(system, system.token, system.clearing_house, settle_call(system, defaulter), transfer)
    buy(system, defaulter, stranger)
    assert (token.called(), token.succeeded(), system.fund.defaultCount()) == (True, True, 1)


def test_who_pays_for_the_default_meanwhile_leaves_the_money_to_its_owner(
    hooked: System, defaulter: Any, stranger: Any
) -> None:
    """400 of it come from elsewhere amid the buyer's payment; the fund takes the 600 that are open."""
    system = hooked
    system.mint(defaulter, 400)
    system.token.approve(system.fund, system.usd(400), sender=defaulter)
    token = arm(system, system.token, system.fund, system.fund.recover.encode_input(1, system.usd(400)))
    buy(system, defaulter, stranger)
    assert token.succeeded()
    assert system.fund.recovered(1) == (system.usd(1_000), 0)
    assert cash(system, defaulter) == [system.usd(400) + 1]
    assert system.token.balanceOf(system.collateral) == 0


# ---- a collateral token


@pytest.fixture
def hook_account(hooked: System, as_account: Any) -> Any:
    """The collateral token, which holds and has pledged some of itself."""
    caller = as_account(hooked.assets["HOOK"])
    hooked.pledge(caller, "HOOK", 100)
    hooked.assets["HOOK"].mint(caller, 100 * ONE_USDX, sender=caller)
    hooked.assets["HOOK"].approve(hooked.collateral, 100 * ONE_USDX, sender=caller)
    return caller


def test_what_is_being_pledged_can_not_be_withdrawn(hooked: System, hook_account: Any) -> None:
    """Nor pledged twice."""
    system, collateral = hooked, hooked.collateral
    for call in (
        collateral.withdraw.encode_input(HOOK, 150 * ONE_USDX, hook_account, []),
        collateral.deposit.encode_input(HOOK, 10 * ONE_USDX),
    ):
        with ape.chain.isolate():
            token = arm(system, system.assets["HOOK"], collateral, call)
            collateral.deposit(HOOK, 50 * ONE_USDX, sender=hook_account)
            assert (token.called(), token.succeeded(), token.result()) == (True, False, LOCKED)
            assert held(system, hook_account, asset=HOOK) == [150 * ONE_USDX]
            assert token.balanceOf(collateral) == collateral.totalOf(HOOK) == 150 * ONE_USDX


def test_what_is_being_withdrawn_is_not_there_any_more(hooked: System, hook_account: Any) -> None:
    """The lock refuses a second time; and the vault no longer counts it, if a trade were tried."""
    system, collateral = hooked, hooked.collateral
    call = collateral.withdraw.encode_input(HOOK, 100 * ONE_USDX, hook_account, [])
    token = arm(system, system.assets["HOOK"], collateral, call)
    collateral.withdraw(HOOK, 100 * ONE_USDX, hook_account, [], sender=hook_account)
    assert (token.called(), token.succeeded(), token.result()) == (True, False, LOCKED)
    assert (collateral.totalOf(HOOK), token.balanceOf(collateral)) == (0, 0)

    collateral.deposit(HOOK, 100 * ONE_USDX, sender=hook_account)
    arm(system, token, system.vault, system.vault.net.encode_input(hook_account))
    collateral.withdraw(HOOK, 100 * ONE_USDX, hook_account, [], sender=hook_account)
    assert int.from_bytes(token.result(), "big") == 0


def test_amid_its_delivery_the_account_has_been_paid(
    hooked: System, trader: Any, market_maker: Any, stranger: Any
) -> None:
    """Whatever the sold token does then, debts are paid already."""
    system = hooked
    system.pledge(trader, "HOOK", 10_000)
    system.trade(trader, market_maker, 5, 10_000)
    ruin(system, trader, 8_200)
    start_sale(system, trader)
    fund_buyer(system, stranger, 20_000)
    token = arm(system, system.assets["HOOK"], system.vault, system.vault.inDebt.encode_input(trader))
    buy(system, trader, stranger, asset=HOOK)
    assert (token.called(), int.from_bytes(token.result(), "big")) == (True, 0)


def test_no_token_takes_part_in_a_liquidation(
    hooked: System, trader: Any, market_maker: Any, liquidator: Any
) -> None:
    """One that would call back, or refuse, is not asked."""
    system = hooked
    system.pledge(trader, "HOOK", 10_000)
    system.trade(trader, market_maker, 5, 10_000)
    system.set_price(BTC, 8_200)
    system.flag(trader)
    token = arm(system, system.assets["HOOK"], system.vault, b"")
    ape.chain.provider.set_code(token.address, "0x")
    system.liquidate(trader, liquidator, "0.5")
    assert held(system, liquidator, asset=HOOK) == [5_000 * ONE_USDX]
