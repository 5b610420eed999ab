"""The two funds with a settlement token that calls back: it is a member, and acts amid a transfer."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
import pytest

from tests.expect import reverts
from tests.system import System
from tests.unit.fund_helpers import wait_until
from tests.unit.guaranty_fund.books import (
    BTC,
    DAY,
    FUNDING,
    GUARANTY,
    HOUR,
    MARKETS,
    REVERTING,
    at_rest,
    give_notice,
)
from weir.parameters import FundParameters, LiquidationParameters


@pytest.fixture
def treacherous(deploy_system: Any, project: Any, deployer: Any, market_maker: Any, trader: Any) -> System:
    """Trades cost the taker a fee; the skin needs nothing, so members get a part of what the fund earns."""
    token = deployer.deploy(project.ReentrantToken, 6)
    made: System = deploy_system(
        markets=tuple(market.model_copy(update={"taker_fee": 500}) for market in MARKETS),
        liquidation=LiquidationParameters(bounty_start=0, bounty_max=0, penalty=0),
        fund=FundParameters(skin_target=Decimal(0)),
        funding=FUNDING,
        guaranty=GUARANTY,
        token=token.address,
    )
    made.deposit(market_maker, 1_000_000)
    made.deposit(trader, 10_000)
    return made


@pytest.fixture
def caller(treacherous: System) -> Any:
    """The token, as an account."""
    address = treacherous.token.address
    ape.chain.provider.set_balance(address, 10**21)
    return ape.accounts.test_accounts.impersonate_account(address)


def arm(project: Any, system: System, *call: Any) -> Any:
    """What the next transfer calls; the token, to ask how it went."""
    token = project.ReentrantToken.at(system.token.address)
    token.arm(*call, sender=system.actors["deployer"])
    return token


def test_a_notice_given_in_the_middle_of_a_release_is_not_due(
    project: Any,
    treacherous: System,
    caller: Any,
    deployer: Any,
    governor: Any,
    market_maker: Any,
    trader: Any,
    staker: Any,
) -> None:
    """It has noticed a unit; its default is found on the way out, and amid the payment it notices all."""
    system, guaranty = treacherous, treacherous.guaranty
    system.deposit(caller, 10_000)
    for account, amount in ((staker, 100), (caller, 500)):
        system.join(account, amount)
    for seller in (market_maker, trader):
        system.trade(caller, seller, 1, 10_000)
    since = give_notice(system, caller, "0.000001")
    wait_until(since - DAY - HOUR)
    system.set_price(BTC, 5_000)
    system.clearing_house.refresh(BTC, sender=deployer)
    system.feeds[BTC].setMode(REVERTING, sender=deployer)
    system.wait(DAY)
    system.clearing_house.closeMarket(BTC, system.wad(4_950), sender=governor)
    wait_until(since)
    with ape.chain.isolate():
        guaranty.release(caller, sender=caller)
        assert system.default_record(1)["own"] > 0
    balance = guaranty.balanceOf(caller)
    arm(project, system, guaranty, guaranty.requestExit.encode_input(10**12))
    with reverts("NotReleasable", account=caller):
        guaranty.release(caller, sender=caller)
    assert guaranty.balanceOf(caller) == balance


def test_who_joins_while_income_is_paid_out_gets_nothing_of_it(
    project: Any, treacherous: System, caller: Any, staker: Any, market_maker: Any, trader: Any, keeper: Any
) -> None:
    """A fee of 5: 4 are the fund's, of which the staker, the only capital there is, has earned half."""
    system, guaranty = treacherous, treacherous.guaranty
    system.join(staker, 100)
    system.trade(trader, market_maker, 1, 10_000)
    system.mint(caller, 1_000_000)
    system.token.approve(guaranty, 10**12, sender=caller)
    # The first transfer is from the vault, before anything is booked; the second is what is paid out.
    join = guaranty.join.encode_input(caller, 10**12)
    again = project.ReentrantToken.at(system.token.address).arm.encode_input(guaranty, join)
    token = arm(project, system, system.token, again)
    system.fund.collect(sender=keeper)
    assert token.called()
    assert token.succeeded()
    assert guaranty.balanceOf(staker) == system.usd(102)
    assert guaranty.balanceOf(caller) <= 10**12
    assert at_rest(system)


def test_who_joins_while_a_recovery_is_paid_out_gets_nothing_of_it(
    project: Any,
    treacherous: System,
    caller: Any,
    staker: Any,
    market_maker: Any,
    other_trader: Any,
    keeper: Any,
) -> None:
    """Of a default of about 1,000 the staker, the only member, bore half of its 100; it gets that back."""
    system, guaranty = treacherous, treacherous.guaranty
    system.join(staker, 100)
    system.deposit(other_trader, 2_000)
    system.trade(other_trader, market_maker, 1, 10_000)
    system.set_price(BTC, 7_000)
    system.flag(other_trader)
    system.liquidate(other_trader, market_maker)
    mutual = system.default_record(1)["mutual"]
    assert mutual > 0
    system.mint(caller, 1_000_000)
    system.token.approve(guaranty, 10**12, sender=caller)
    system.mint(keeper, 100)
    system.token.approve(system.fund, mutual, sender=keeper)
    # The first transfer is the payer's; the second brings the members their part. Joining collects first,
    # which finds nothing any more.
    system.fund.collect(sender=keeper)
    before = guaranty.balanceOf(staker)
    join = guaranty.join.encode_input(caller, 10**12)
    again = project.ReentrantToken.at(system.token.address).arm.encode_input(guaranty, join)
    token = arm(project, system, system.token, again)
    system.fund.recover(1, mutual, sender=keeper)
    assert token.called()
    assert token.succeeded()
    assert guaranty.balanceOf(staker) == before + mutual
    assert guaranty.balanceOf(caller) <= 10**12
    assert at_rest(system)
