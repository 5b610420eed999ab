"""GuarantyFund: SPECIFICATION.md section 6.2, on the whole protocol; a test plays the insurance fund.

BTC stands at 10,000, nothing is charged for trading. A contribution is at least 100; an account of the middle
tier needs 2% of its notional beyond 10,000. A market may cost half of what members have in a day.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
import pytest

from tests.expect import ZERO_ADDRESS, event, events, reverts
from tests.system import FREE, System
from tests.unit.fund_helpers import next_block_at, wait_until
from weir.parameters import (
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    guaranty_struct,
    market_struct,
)

BTC, ETH = 0, 1
MILLION = 10**6
HOUR, DAY = 3_600, 86_400
UINT96 = 2**96 - 1
NOTICE, WINDOW = 14 * DAY, 3 * DAY
REVERTING = 1
UNITS = 10**6
"""Of the guaranty fund, for each unit of S that the first to come brings."""

GUARANTY = GuarantyParameters(
    min_contribution=Decimal(100),
    notice_period=NOTICE,
    exit_window=WINDOW,
    loss_window=DAY,
    loss_share=500_000,
)
FUNDING = FREE.model_copy(
    update={
        "share_min": 800_000,
        "share_slope": 0,
        "member_threshold": Decimal(10_000),
        "member_ratio": 10_000,
        "member_step": 5_000,
    }
)
MARKETS = tuple(
    MarketParameters(
        symbol=symbol,
        price=Decimal(price),
        maker_fee=0,
        taker_fee=0,
        max_funding_rate=0,
        budget_share=1_000_000,
        coinsurance=0,
    )
    for symbol, price in (("BTC", 10_000), ("ETH", 500))
)


@pytest.fixture(scope="session")
def quiet(deploy_system: Any, actors: dict[str, Any]) -> System:
    """Traders have deposited; the fund is empty, nobody has joined."""
    made: System = deploy_system(
        markets=MARKETS,
        liquidation=LiquidationParameters(bounty_start=0, bounty_max=0, penalty=0),
        fund=FundParameters(skin_target=Decimal(0)),
        funding=FUNDING,
        guaranty=GUARANTY,
    )
    made.deposit(actors["market_maker"], 1_000_000)
    for role in ("trader", "other_trader", "liquidator"):
        made.deposit(actors[role], 10_000)
    return made


@pytest.fixture(scope="session", autouse=True)
def stage(
    quiet: System,
    deployer: Any,
    governor: Any,
    treasury: Any,
    poster: Any,
    liquidator: Any,
    staker: Any,
    other_staker: Any,
    attacker: Any,
    accomplice: Any,
    keeper: Any,
    stranger: Any,
) -> None:
    """Everything of session scope, first: for a latecomer ape would have to start its module over."""


@pytest.fixture
def guaranty(quiet: System) -> Any:
    return quiet.guaranty


@pytest.fixture
def insurer(quiet: System) -> Any:
    """The insurance fund, which does what a test tells it."""
    ape.chain.provider.set_balance(quiet.fund.address, 10**21)
    return ape.accounts.test_accounts.impersonate_account(quiet.fund.address)


@pytest.fixture
def members(quiet: System, staker: Any, other_staker: Any, trader: Any) -> System:
    """The staker has 100, the other staker 200, the trader 300."""
    for account, amount in ((staker, 100), (other_staker, 200), (trader, 300)):
        quiet.join(account, amount)
    return quiet


def balances(system: System, *accounts: Any) -> list[int]:
    return [system.guaranty.balanceOf(account) for account in accounts]


def usd(system: System, *amounts: Any) -> list[int]:
    return [system.usd(amount) for amount in amounts]


def book(system: System) -> tuple[int, int, int]:
    return tuple(system.guaranty.book())


def at_rest(system: System) -> bool:
    """What is booked is there."""
    held: int = system.token.balanceOf(system.guaranty)
    return held == system.guaranty.totalAssets() == book(system)[0]


def give_notice(system: System, account: Any, amount: Any = 10**9) -> int:
    """Of all by default; when it may first be released."""
    receipt = system.guaranty.requestExit(system.usd(amount), sender=account)
    return int(event(receipt, "ExitRequested")["from"])


def leave(system: System, account: Any, amount: Any = 10**9) -> Any:
    """Notice, wait, release; the receipt."""
    wait_until(give_notice(system, account, amount))
    system.renew_prices()
    return system.guaranty.release(account, sender=account)


def set_guaranty(system: System, **changes: Any) -> Any:
    values = guaranty_struct(GUARANTY.model_copy(update=changes), system.deployment.decimals)
    return system.guaranty.setParameters(tuple(values.values()), sender=system.actors["governor"])


def give_index(system: System, insurer: Any, earned: int) -> None:
    """Members earn `earned` units of S, so that a unit is worth more than one."""
    system.token.mint(system.guaranty, earned, sender=insurer)
    system.guaranty.earn(earned, sender=insurer)


def shut_gate(system: System) -> None:
    """The accomplice is known to be insolvent."""
    accomplice = system.actors["accomplice"]
    system.deposit(accomplice, 1_000)
    system.trade(accomplice, system.actors["market_maker"], 1, 10_000)
    system.set_price(BTC, 8_000)
    system.flag(accomplice)
    assert system.clearing_house.insolvencies() == 1


# ---------------------------------------------------------------- construction


def test_wiring(quiet: System, guaranty: Any) -> None:
    assert guaranty.asset() == quiet.token.address
    assert guaranty.vault() == quiet.vault.address
    assert guaranty.clearingHouse() == quiet.clearing_house.address
    assert guaranty.fund() == quiet.fund.address
    assert guaranty.policy() == quiet.policy.address
    assert tuple(guaranty.parameters()) == (quiet.usd(100), NOTICE, WINDOW, DAY, 500_000)
    assert tuple(guaranty.book()) == (0, 0, 0)
    assert guaranty.totalAssets() == 0


def arguments(system: System, token: Any = None) -> list[Any]:
    wired = (system.vault, system.clearing_house, system.fund, system.policy)
    return [
        *(system.authority, token or system.token, *wired),
        tuple(guaranty_struct(GUARANTY, system.deployment.decimals).values()),
    ]


@pytest.mark.parametrize("missing", range(1, 6))
def test_wiring_has_no_zero_address(project: Any, quiet: System, deployer: Any, missing: int) -> None:
    wrong = arguments(quiet)
    wrong[missing] = ZERO_ADDRESS
    with reverts("ZeroAddress"):
        deployer.deploy(project.GuarantyFund, *wrong)


# ----------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("minContribution", 1, UINT96),
        ("noticePeriod", DAY, 90 * DAY),
        ("exitWindow", DAY, 30 * DAY),
        ("lossWindow", HOUR, 30 * DAY),
        ("lossShare", 0, MILLION),
    ],
)
def test_parameters_have_bounds(guaranty: Any, governor: Any, name: str, low: int, high: int) -> None:
    values = guaranty_struct(GUARANTY, 6)
    for good in (low, high):
        wanted = tuple((values | {name: good}).values())
        receipt = guaranty.setParameters(wanted, sender=governor)
        assert tuple(event(receipt, "ParametersSet")["parameters"]) == wanted
        assert tuple(guaranty.parameters()) == wanted
    for bad in (low - 1, high + 1):
        if bad < 0 or bad > UINT96:
            continue
        with reverts(
            "ParameterOutOfBounds", name=name.encode().ljust(32, b"\0"), value=bad, min=low, max=high
        ):
            guaranty.setParameters(tuple((values | {name: bad}).values()), sender=governor)


def test_parameters_are_checked_at_birth(project: Any, quiet: System, deployer: Any) -> None:
    wrong = arguments(quiet)
    wrong[-1] = (0, *wrong[-1][1:])
    with reverts("ParameterOutOfBounds", value=0, min=1, max=UINT96):
        deployer.deploy(project.GuarantyFund, *wrong)


def test_only_the_governor_sets_parameters(guaranty: Any, stranger: Any, deployer: Any) -> None:
    for caller in (stranger, deployer):
        with reverts("AccessManagedUnauthorized", caller=caller):
            guaranty.setParameters(tuple(guaranty.parameters()), sender=caller)


# --------------------------------------------------------------------- joining


def test_who_joins_has_what_it_brought(quiet: System, guaranty: Any, staker: Any) -> None:
    receipt = quiet.join(staker, 150)
    assert event(receipt, "Joined") == {
        "account": staker,
        "payer": staker,
        "amount": quiet.usd(150),
        "units": quiet.usd(150) * UNITS,
    }
    assert guaranty.balanceOf(staker) == guaranty.totalAssets() == quiet.usd(150)
    assert book(quiet) == (quiet.usd(150), quiet.usd(150) * UNITS, 0)
    assert tuple(guaranty.member(staker)) == (quiet.usd(150), 0, 0, 0)
    assert quiet.token.balanceOf(staker) == 0
    assert at_rest(quiet)


def test_units_are_bought_at_the_index_and_round_down(
    members: System, guaranty: Any, insurer: Any, stranger: Any
) -> None:
    """600 have become 700: 200 buys 1200/7."""
    give_index(members, insurer, members.usd(100))
    receipt = members.join(stranger, 200)
    units = 1_200 * 10**6 * UNITS // 7
    assert event(receipt, "Joined")["units"] == units == 171_428_571_428_571
    assert book(members) == (members.usd(900), members.usd(600) * UNITS + units, 0)
    assert guaranty.balanceOf(stranger) == members.usd(200) - 1
    assert at_rest(members)


def test_anyone_joins_for_anyone(quiet: System, guaranty: Any, stranger: Any, trader: Any) -> None:
    quiet.mint(stranger, 150)
    quiet.token.approve(guaranty, quiet.usd(150), sender=stranger)
    log = event(guaranty.join(trader, quiet.usd(150), sender=stranger), "Joined")
    assert (log["account"], log["payer"]) == (trader, stranger)
    assert balances(quiet, trader, stranger) == usd(quiet, 150, 0)
    assert quiet.token.balanceOf(stranger) == 0


def test_a_contribution_has_a_minimum(quiet: System, guaranty: Any, staker: Any) -> None:
    quiet.mint(staker, 101)
    quiet.token.approve(guaranty, quiet.usd(101), sender=staker)
    least = quiet.usd(100)
    with reverts("BelowMinimum", balance=least - 1, minimum=least):
        guaranty.join(staker, least - 1, sender=staker)
    guaranty.join(staker, least, sender=staker)
    guaranty.join(staker, 1, sender=staker)
    assert guaranty.balanceOf(staker) == least + 1


def test_who_has_fallen_below_the_minimum_joins_up_to_it(
    members: System, guaranty: Any, insurer: Any, staker: Any, stranger: Any
) -> None:
    """After a loss of a third the staker has 66.67 left."""
    guaranty.bear(stranger, BTC, 0, members.usd(200), sender=insurer)
    with reverts("BelowMinimum", minimum=members.usd(100)):
        members.join(staker, 33)
    members.join(staker, 34)


def test_nothing_is_no_contribution(guaranty: Any, staker: Any) -> None:
    with reverts("ZeroAmount"):
        guaranty.join(staker, 0, sender=staker)


def test_nobody_joins_while_an_insolvency_is_known(quiet: System, staker: Any) -> None:
    shut_gate(quiet)
    with reverts("GateClosed"):
        quiet.join(staker, 100)
    quiet.set_price(BTC, 10_000)
    quiet.flag(quiet.actors["accomplice"])
    quiet.join(staker, 100)


def test_who_pays_needs_to_have_it(quiet: System, guaranty: Any, staker: Any) -> None:
    with reverts("ERC20InsufficientAllowance", needed=quiet.usd(100)):
        guaranty.join(staker, quiet.usd(100), sender=staker)


def earn_fees(system: System, amount: int) -> None:
    """Fees of so many USD lie in the vault."""
    with_fee = MARKETS[ETH].model_copy(update={"taker_fee": 10_000})
    governor, market_maker = system.actors["governor"], system.actors["market_maker"]
    system.clearing_house.setMarketParameters(ETH, tuple(market_struct(with_fee).values()), sender=governor)
    system.deposit(system.actors["liquidator"], 10_000)
    system.trade(system.actors["liquidator"], market_maker, amount * 100 // 500, 500, market=ETH)
    assert system.vault.uncollected().fees == system.usd(amount)


def test_who_joins_just_in_time_gets_nothing_of_income_already_earned(
    quiet: System, guaranty: Any, staker: Any, other_staker: Any, attacker: Any, keeper: Any
) -> None:
    """Of 100, 20 are the treasury's; of the rest the staker has earned T/(T + assets) = 3/4 of half."""
    quiet.join(staker, 900)
    quiet.contribute(other_staker, 300)
    earn_fees(quiet, 100)
    receipt = quiet.join(attacker, 900_000)
    assert event(receipt, "IncomeCollected")["toMembers"] == quiet.usd(30)
    assert event(receipt, "Earned") == {"amount": quiet.usd(30)}
    assert guaranty.balanceOf(staker) == quiet.usd(930)
    # It has less than it brought, by a unit.
    assert guaranty.balanceOf(attacker) == quiet.usd(900_000) - 1
    quiet.fund.collect(sender=keeper)
    assert guaranty.balanceOf(attacker) == quiet.usd(900_000) - 1
    assert at_rest(quiet)


# ---- tokens


def stand_alone(project: Any, system: System, deployer: Any, token: str, *about: Any) -> tuple[Any, Any]:
    """A guaranty fund of another token beside the protocol; the token and the fund."""
    made = deployer.deploy(getattr(project, token), *about)
    return made, deployer.deploy(project.GuarantyFund, *arguments(system, made))


def test_a_contribution_must_arrive_whole(project: Any, quiet: System, deployer: Any, staker: Any) -> None:
    token, fund = stand_alone(project, quiet, deployer, "FeeToken", 6, 10_000)
    token.mint(staker, quiet.usd(200), sender=staker)
    token.approve(fund, quiet.usd(200), sender=staker)
    with reverts("InexactTransfer", expected=quiet.usd(200), received=quiet.usd(198)):
        fund.join(staker, quiet.usd(200), sender=staker)


def test_more_must_not_arrive_either(project: Any, quiet: System, deployer: Any, staker: Any) -> None:
    token, fund = stand_alone(project, quiet, deployer, "ReentrantToken", 6)
    token.mint(staker, quiet.usd(200), sender=staker)
    token.approve(fund, quiet.usd(200), sender=staker)
    token.arm(token, token.mint.encode_input(fund, 7), sender=staker)
    with reverts("InexactTransfer", expected=quiet.usd(200), received=quiet.usd(200) + 7):
        fund.join(staker, quiet.usd(200), sender=staker)


def test_a_token_that_returns_false_is_refused(
    project: Any, quiet: System, deployer: Any, staker: Any
) -> None:
    _, fund = stand_alone(project, quiet, deployer, "FalseToken", 6)
    with reverts("SafeERC20FailedOperation"):
        fund.join(staker, quiet.usd(200), sender=staker)


def test_a_token_that_returns_nothing_comes_and_goes(
    project: Any, quiet: System, deployer: Any, staker: Any
) -> None:
    token, fund = stand_alone(project, quiet, deployer, "SilentToken", 6)
    token.mint(staker, quiet.usd(200), sender=staker)
    token.approve(fund, quiet.usd(200), sender=staker)
    fund.join(staker, quiet.usd(200), sender=staker)
    fund.requestExit(quiet.usd(200), sender=staker)
    quiet.wait(NOTICE)
    fund.release(staker, sender=staker)
    assert token.balanceOf(staker) == quiet.usd(200)
    assert tuple(fund.book()) == (0, 0, 0)


def test_a_donation_belongs_to_nobody(members: System, guaranty: Any, stranger: Any, staker: Any) -> None:
    before = book(members), guaranty.balanceOf(staker), guaranty.lossBudget(BTC)
    members.token.mint(guaranty, members.usd(1_000), sender=stranger)
    assert (book(members), guaranty.balanceOf(staker), guaranty.lossBudget(BTC)) == before


def test_capacity(project: Any, quiet: System, deployer: Any, staker: Any) -> None:
    token, fund = stand_alone(project, quiet, deployer, "TestToken", "Dollar", "USD", 18)
    token.mint(staker, UINT96 + 1, sender=staker)
    token.approve(fund, UINT96 + 1, sender=staker)
    with reverts("CapacityExceeded", amount=UINT96 + 1, capacity=UINT96):
        fund.join(staker, UINT96 + 1, sender=staker)
    fund.join(staker, UINT96 - 1, sender=staker)
    with reverts("CapacityExceeded", amount=2, capacity=1):
        fund.join(staker, 2, sender=staker)
    fund.join(staker, 1, sender=staker)
    assert fund.totalAssets() == UINT96


# ---------------------------------------------------------------------- notice


def test_a_notice_is_for_the_end_of_its_period(members: System, guaranty: Any, trader: Any) -> None:
    receipt = guaranty.requestExit(members.usd(120), sender=trader)
    since = receipt.timestamp + NOTICE
    assert event(receipt, "ExitRequested") == {
        "account": trader,
        "units": members.usd(120) * UNITS,
        "from": since,
        "until": since + WINDOW,
    }
    assert tuple(guaranty.member(trader)) == (members.usd(300), members.usd(120), since, since + WINDOW)
    assert guaranty.balanceOf(trader) == members.usd(300)


@pytest.mark.parametrize("amount", ["300", "300.000001", "1000000"])
def test_the_whole_balance_or_more_is_all(members: System, guaranty: Any, trader: Any, amount: str) -> None:
    receipt = guaranty.requestExit(members.usd(amount), sender=trader)
    assert event(receipt, "ExitRequested")["units"] == members.usd(300) * UNITS


def test_noticed_units_round_up(members: System, guaranty: Any, insurer: Any, trader: Any) -> None:
    """600 have become 700: 100 takes 600/7."""
    give_index(members, insurer, members.usd(100))
    receipt = guaranty.requestExit(members.usd(100), sender=trader)
    assert event(receipt, "ExitRequested")["units"] == -(-600 * 10**6 * UNITS // 7) == 85_714_285_714_286
    assert guaranty.member(trader).noticed == members.usd(100)


def test_a_new_notice_replaces_the_one_before(members: System, guaranty: Any, trader: Any) -> None:
    give_notice(members, trader, 50)
    members.wait(10 * DAY)
    since = give_notice(members, trader, 80)
    assert tuple(guaranty.member(trader)) == (*usd(members, 300, 80), since, since + WINDOW)
    with reverts("NotReleasable", account=trader, **{"from": since, "until": since + WINDOW}):
        guaranty.release(trader, sender=trader)


def test_a_notice_is_taken_back(members: System, guaranty: Any, trader: Any) -> None:
    give_notice(members, trader, 50)
    receipt = guaranty.requestExit(0, sender=trader)
    assert event(receipt, "ExitRequested") == {"account": trader, "units": 0, "from": 0, "until": 0}
    assert tuple(guaranty.member(trader)) == (members.usd(300), 0, 0, 0)
    members.wait(NOTICE)
    with reverts("NoNotice", account=trader):
        guaranty.release(trader, sender=trader)


@pytest.mark.usefixtures("members")
def test_only_members_give_notice(guaranty: Any, stranger: Any) -> None:
    for amount in (0, 1):
        with reverts("NotAMember", account=stranger):
            guaranty.requestExit(amount, sender=stranger)


def test_notice_is_given_while_an_insolvency_is_known(members: System, trader: Any) -> None:
    shut_gate(members)
    give_notice(members, trader)


def test_a_new_notice_period_is_for_the_next_notices(members: System, guaranty: Any, trader: Any) -> None:
    since = give_notice(members, trader)
    set_guaranty(members, notice_period=30 * DAY, exit_window=5 * DAY)
    assert tuple(guaranty.member(trader))[2:] == (since, since + 5 * DAY)
    receipt = guaranty.requestExit(1, sender=trader)
    assert event(receipt, "ExitRequested")["from"] == receipt.timestamp + 30 * DAY


# --------------------------------------------------------------------- release


@pytest.mark.parametrize(
    ("after", "open_"),
    [
        pytest.param(-1, False, id="a second before"),
        pytest.param(0, True, id="the first second"),
        pytest.param(WINDOW - 1, True, id="the last second"),
        pytest.param(WINDOW, False, id="too late"),
    ],
)
def test_the_window_of_a_release(
    members: System, guaranty: Any, staker: Any, after: int, open_: bool
) -> None:
    since = give_notice(members, staker)
    next_block_at(since + after)
    if open_:
        receipt = guaranty.release(staker, sender=staker)
        assert receipt.timestamp == since + after
        assert guaranty.balanceOf(staker) == 0
        return
    with reverts("NotReleasable", account=staker, **{"from": since, "until": since + WINDOW}):
        guaranty.release(staker, sender=staker)


def test_who_has_left_has_its_share_and_nothing_stays(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any
) -> None:
    """A sixth of 700."""
    give_index(members, insurer, members.usd(100))
    receipt = leave(members, staker)
    amount = members.usd(700) // 6
    assert event(receipt, "Released") == {
        "account": staker,
        "amount": amount,
        "units": members.usd(100) * UNITS,
    }
    assert members.token.balanceOf(staker) == amount
    assert tuple(guaranty.member(staker)) == (0, 0, 0, 0)
    assert book(members) == (members.usd(700) - amount, members.usd(500) * UNITS, 0)
    assert sum(balances(members, other_staker, trader)) <= guaranty.totalAssets()
    assert at_rest(members)


def test_a_part_leaves_and_the_rest_stays(
    members: System, guaranty: Any, other_staker: Any, keeper: Any
) -> None:
    wait_until(give_notice(members, other_staker, 60))
    assert guaranty.release.call(other_staker, sender=keeper) == members.usd(60)
    guaranty.release(other_staker, sender=other_staker)
    assert tuple(guaranty.member(other_staker)) == (members.usd(140), 0, 0, 0)
    assert members.token.balanceOf(other_staker) == members.usd(60)
    with reverts("NoNotice", account=other_staker):
        guaranty.release(other_staker, sender=other_staker)


def test_anyone_closes_the_door_behind_a_member(
    members: System, guaranty: Any, staker: Any, stranger: Any
) -> None:
    """What leaves goes to the member all the same."""
    wait_until(give_notice(members, staker))
    guaranty.release(staker, sender=stranger)
    assert members.token.balanceOf(staker) == members.usd(100)
    assert members.token.balanceOf(stranger) == 0


def test_a_lapsed_notice_is_given_anew(members: System, guaranty: Any, staker: Any) -> None:
    since = give_notice(members, staker)
    wait_until(since + WINDOW)
    with reverts("NotReleasable", account=staker):
        guaranty.release(staker, sender=staker)
    leave(members, staker)
    assert guaranty.balanceOf(staker) == 0


@pytest.mark.usefixtures("members")
def test_without_a_notice_nothing_leaves(guaranty: Any, staker: Any, stranger: Any) -> None:
    for account in (staker, stranger):
        with reverts("NoNotice", account=account):
            guaranty.release(account, sender=stranger)


def test_nobody_leaves_while_an_insolvency_is_known(
    members: System, guaranty: Any, staker: Any, accomplice: Any
) -> None:
    wait_until(give_notice(members, staker))
    members.renew_prices()
    shut_gate(members)
    with reverts("GateClosed"):
        guaranty.release(staker, sender=staker)
    members.set_price(BTC, 10_000)
    members.flag(accomplice)
    guaranty.release(staker, sender=staker)


@pytest.fixture
def invested(members: System, trader: Any, other_trader: Any, market_maker: Any) -> System:
    """The trader, with 10,000 of margin, is long 2 BTC: beyond 10,000 it needs 200 of its 300."""
    for seller in (other_trader, market_maker):
        members.trade(trader, seller, 1, 10_000)
    return members


def test_an_account_below_initial_margin_does_not_leave(invested: System, guaranty: Any, trader: Any) -> None:
    """At 5,200 it has 400, and should have 520; it is not even to be liquidated."""
    wait_until(give_notice(invested, trader, 100))
    invested.set_price(BTC, 5_200)
    with reverts("InitialMarginNotMet", account=trader, equity=invested.usd(400), required=invested.usd(520)):
        guaranty.release(trader, sender=trader)
    invested.set_price(BTC, 5_400)
    guaranty.release(trader, sender=trader)


def test_what_stays_is_at_least_the_requirement(invested: System, guaranty: Any, trader: Any) -> None:
    wait_until(give_notice(invested, trader, "100.000001"))
    invested.renew_prices()
    with reverts(
        "MembershipRequired", account=trader, balance=invested.usd(200) - 1, requirement=invested.usd(200)
    ):
        guaranty.release(trader, sender=trader)
    leave(invested, trader, 100)
    assert guaranty.balanceOf(trader) == invested.usd(200)


def test_who_has_a_requirement_does_not_leave_altogether(
    invested: System, guaranty: Any, trader: Any
) -> None:
    wait_until(give_notice(invested, trader))
    invested.renew_prices()
    with reverts("MembershipRequired", account=trader, balance=0, requirement=invested.usd(200)):
        guaranty.release(trader, sender=trader)
    invested.trade(invested.actors["market_maker"], trader, 1, 10_000)
    guaranty.release(trader, sender=trader)
    assert guaranty.balanceOf(trader) == 0


def test_the_requirement_is_the_one_of_the_present(invested: System, guaranty: Any, trader: Any) -> None:
    """18,000 of notional at 9,000 need 160."""
    wait_until(give_notice(invested, trader, 140))
    invested.set_price(BTC, 9_000)
    guaranty.release(trader, sender=trader)
    assert guaranty.balanceOf(trader) == invested.usd(160)


def test_while_a_price_is_missing_nobody_with_a_position_there_leaves(
    invested: System, guaranty: Any, trader: Any, staker: Any, deployer: Any
) -> None:
    give_notice(invested, staker)
    wait_until(give_notice(invested, trader, 100))
    invested.feeds[BTC].setMode(REVERTING, sender=deployer)
    with reverts("PriceUnavailable", market=BTC):
        guaranty.release(trader, sender=trader)
    guaranty.release(staker, sender=staker)


def test_what_stays_is_nothing_or_the_minimum(members: System, guaranty: Any, other_staker: Any) -> None:
    leave(members, other_staker, 100)
    assert guaranty.balanceOf(other_staker) == members.usd(100)
    leave(members, other_staker, "0.000001")
    assert members.token.balanceOf(other_staker) == members.usd(200)
    assert guaranty.balanceOf(other_staker) == 0
    assert at_rest(members)


def test_a_unit_that_somebody_adds_keeps_nobody_in(
    members: System, guaranty: Any, other_staker: Any, attacker: Any
) -> None:
    wait_until(give_notice(members, other_staker))
    members.mint(attacker, 1)
    members.token.approve(guaranty, 1, sender=attacker)
    guaranty.join(other_staker, 1, sender=attacker)
    receipt = guaranty.release(other_staker, sender=other_staker)
    assert event(receipt, "Released")["amount"] == members.usd(200) + 1
    assert tuple(guaranty.member(other_staker)) == (0, 0, 0, 0)


@pytest.fixture
def close_at(invested: System, deployer: Any, governor: Any) -> Any:
    """Gives what closes BTC below 5,000 with nobody flagged, in the first second in which the trader may go.

    It has noticed all of its 300, or what is said; at 5,000 its 10,000 of margin are just gone.
    """

    def close(price: int, noticed: Any = 10**9) -> None:
        since = give_notice(invested, invested.actors["trader"], noticed)
        wait_until(since - DAY - HOUR)
        invested.set_price(BTC, 5_000)
        invested.clearing_house.refresh(BTC, sender=deployer)
        invested.feeds[BTC].setMode(REVERTING, sender=deployer)
        invested.wait(DAY)
        invested.clearing_house.closeMarket(BTC, invested.wad(price), sender=governor)
        assert invested.clearing_house.insolvencies() == 0
        wait_until(since)

    return close


@pytest.mark.parametrize(
    ("noticed", "price", "own", "released"),
    [
        pytest.param(10**9, 4_900, 200, 100, id="all of 300 noticed, 200 lost"),
        pytest.param(150, 4_900, 200, 100, id="150 noticed, 100 left"),
        pytest.param(150, 4_950, 100, 150, id="150 noticed, 200 left, but for the minimum"),
        pytest.param(150, 4_950, 100, 200, id="150 noticed, 200 left, 50 are too few to stay"),
        pytest.param(10**9, 4_850, 300, 0, id="all lost"),
    ],
)
def test_a_default_found_on_the_way_out_takes_the_contribution_first(
    invested: System,
    guaranty: Any,
    trader: Any,
    close_at: Any,
    noticed: int,
    price: int,
    own: int,
    released: int,
) -> None:
    if released == 150:
        set_guaranty(invested, min_contribution=Decimal(50))
    close_at(price, noticed)
    receipt = guaranty.release(trader, sender=trader)
    assert event(receipt, "LossBorne")["own"] == invested.usd(own)
    assert event(receipt, "Released")["amount"] == invested.usd(released)
    assert invested.token.balanceOf(trader) == invested.usd(released)
    assert guaranty.balanceOf(trader) == invested.usd(300 - own - released)
    assert invested.default_record(1)["own"] == invested.usd(own)
    assert at_rest(invested)


def test_the_others_bear_on_the_way_out_what_its_own_does_not(
    invested: System, guaranty: Any, trader: Any, staker: Any, other_staker: Any, close_at: Any
) -> None:
    """Of 400 its own bears 300, a third of what the others have the rest; it leaves with nothing."""
    close_at(4_800)
    guaranty.release(trader, sender=trader)
    assert invested.default_record(1)["mutual"] == invested.usd(100)
    assert invested.token.balanceOf(trader) == guaranty.balanceOf(trader) == 0
    assert balances(invested, staker, other_staker) == [invested.usd(200) // 3, invested.usd(400) // 3]


def test_until_released_a_member_bears_earns_and_counts(
    invested: System,
    guaranty: Any,
    insurer: Any,
    trader: Any,
    market_maker: Any,
    liquidator: Any,
    stranger: Any,
) -> None:
    since = give_notice(invested, trader, 150)
    guaranty.bear(stranger, BTC, 0, invested.usd(150), sender=insurer)
    assert tuple(guaranty.member(trader))[:2] == tuple(usd(invested, 225, "112.5"))
    give_index(invested, insurer, invested.usd(50))
    assert tuple(guaranty.member(trader))[:2] == tuple(usd(invested, 250, 125))
    assert tuple(guaranty.requirementOf(trader)) == (invested.usd(200), 0)
    invested.trade(trader, liquidator, "0.25", 10_000)  # for which it needs 250
    invested.trade(market_maker, trader, 1, 10_000)
    wait_until(since)
    invested.renew_prices()
    guaranty.release(trader, sender=trader)
    assert invested.token.balanceOf(trader) == guaranty.balanceOf(trader) == invested.usd(125)


# ------------------------------------------------------------- the requirement


@pytest.mark.parametrize(
    ("size", "tier", "requirement"),
    [
        pytest.param("0.5", 2, 0, id="below the threshold"),
        pytest.param(1, 2, 0, id="at the threshold"),
        pytest.param("1.5", 2, 100, id="half as much again"),
        pytest.param("1.5", 1, 75, id="a better tier"),
        pytest.param("1.5", 3, 125, id="a worse tier"),
        pytest.param("-1.5", 2, 100, id="a short"),
    ],
)
def test_what_an_account_has_to_contribute(
    members: System,
    guaranty: Any,
    trader: Any,
    market_maker: Any,
    poster: Any,
    size: Any,
    tier: int,
    requirement: int,
) -> None:
    evidence = b"\1" * 32, b"\2" * 32, ape.chain.blocks.head.number
    members.policy.postTiers([trader], [tier], evidence, sender=poster)
    buyer, seller = (trader, market_maker) if Decimal(size) > 0 else (market_maker, trader)
    members.join(market_maker, 1_000)
    members.trade(buyer, seller, abs(Decimal(size)), 10_000)
    assert tuple(guaranty.requirementOf(trader)) == (members.usd(requirement), 0)


def test_what_is_missing_of_the_requirement(
    invested: System, guaranty: Any, insurer: Any, trader: Any, staker: Any, stranger: Any, keeper: Any
) -> None:
    """After a loss of half, and at another price: 2 BTC at 11,000 need 240."""
    guaranty.bear(stranger, BTC, 0, invested.usd(300), sender=insurer)
    assert tuple(guaranty.requirementOf(trader)) == tuple(usd(invested, 200, 50))
    invested.set_price(BTC, 11_000)
    assert tuple(guaranty.requirementOf(trader)) == tuple(usd(invested, 200, 50)), "as last refreshed"
    invested.clearing_house.refresh(BTC, sender=keeper)
    assert tuple(guaranty.requirementOf(trader)) == tuple(usd(invested, 240, 90))
    assert tuple(guaranty.requirementOf(staker)) == (0, 0)


# ------------------------------------------------------- for the insurance fund


@pytest.mark.parametrize("role", ["deployer", "governor", "treasury", "trader", "attacker"])
@pytest.mark.usefixtures("members")
def test_only_the_fund_tells_of_losses_income_and_recoveries(
    guaranty: Any, actors: dict[str, Any], role: str
) -> None:
    caller = actors[role]
    for call in (
        lambda: guaranty.bear(caller, BTC, 0, 1, sender=caller),
        lambda: guaranty.earn(1, sender=caller),
        lambda: guaranty.restore(caller, 1, 0, sender=caller),
    ):
        with reverts("OnlyFund"):
            call()


def test_a_mutual_loss_is_borne_pro_rata(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any, stranger: Any
) -> None:
    held = members.token.balanceOf(members.vault)
    receipt = guaranty.bear(stranger, BTC, 0, members.usd(60), sender=insurer)
    assert event(receipt, "LossBorne") == {
        "account": stranger,
        "market": BTC,
        "own": 0,
        "units": 0,
        "mutual": members.usd(60),
    }
    assert balances(members, staker, other_staker, trader) == usd(members, 90, 180, 270)
    assert book(members) == (members.usd(540), members.usd(600) * UNITS, 0)
    assert members.token.balanceOf(members.vault) - held == members.usd(60)
    assert at_rest(members)


def test_a_default_takes_its_own_and_nothing_of_the_others(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any
) -> None:
    receipt = guaranty.bear(trader, BTC, members.usd(120), 0, sender=insurer)
    log = event(receipt, "LossBorne")
    assert (log["own"], log["units"], log["mutual"]) == (members.usd(120), members.usd(120) * UNITS, 0)
    assert not events(receipt, "LossBudgetOpened")
    assert balances(members, staker, other_staker, trader) == usd(members, 100, 200, 180)
    assert book(members) == (members.usd(480), members.usd(480) * UNITS, 0)


def test_units_of_its_own_round_against_the_defaulter(
    members: System, guaranty: Any, insurer: Any, staker: Any, trader: Any
) -> None:
    """600 have become 700: 100 takes 600/7."""
    give_index(members, insurer, members.usd(100))
    before = guaranty.balanceOf(staker)
    receipt = guaranty.bear(trader, BTC, members.usd(100), 0, sender=insurer)
    assert event(receipt, "LossBorne")["units"] == 85_714_285_714_286
    assert guaranty.balanceOf(staker) == before


def test_the_defaulter_bears_nothing_of_what_is_mutual(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any
) -> None:
    guaranty.bear(trader, BTC, members.usd(300), members.usd(60), sender=insurer)
    assert balances(members, staker, other_staker, trader) == usd(members, 80, 160, 0)
    assert book(members) == (members.usd(240), members.usd(300) * UNITS, 0)


def test_the_last_member_s_own_takes_the_last_units(
    quiet: System, guaranty: Any, insurer: Any, trader: Any, staker: Any
) -> None:
    quiet.join(trader, 300)
    receipt = guaranty.bear(trader, BTC, quiet.usd(300), 0, sender=insurer)
    assert not events(receipt, "WipedOut")
    assert book(quiet) == (0, 0, 0)
    quiet.join(staker, 100)
    assert balances(quiet, staker, trader) == usd(quiet, 100, 0)


def test_what_a_default_could_cost(
    members: System, guaranty: Any, staker: Any, trader: Any, stranger: Any
) -> None:
    """Its own, and half of what the others have."""
    assert tuple(guaranty.sources(trader, BTC)) == tuple(usd(members, 300, 150))
    assert tuple(guaranty.sources(staker, BTC)) == tuple(usd(members, 100, 250))
    assert tuple(guaranty.sources(stranger, BTC)) == tuple(usd(members, 0, 300))


def test_without_members_there_is_nothing(guaranty: Any, stranger: Any) -> None:
    assert tuple(guaranty.sources(stranger, BTC)) == (0, 0)
    assert guaranty.lossBudget(BTC)[0] == 0


# ------------------------------------------------------------ the loss budgets


def next_window(system: System) -> int:
    """Moves to the start of the next loss window; returns its index."""
    length = system.guaranty.parameters().lossWindow
    index = ape.chain.blocks.head.timestamp // length + 1
    wait_until(index * length)
    return int(index)


def test_a_market_costs_members_its_budget_and_no_more(
    members: System, guaranty: Any, insurer: Any, trader: Any, stranger: Any
) -> None:
    window = next_window(members)
    assert tuple(guaranty.lossBudget(BTC)) == (members.usd(300), window)
    receipt = guaranty.bear(stranger, BTC, 0, members.usd(200), sender=insurer)
    assert event(receipt, "LossBudgetOpened") == {
        "market": BTC,
        "window": window,
        "budget": members.usd(300),
    }
    assert tuple(guaranty.lossBudget(BTC)) == (members.usd(100), window)
    assert guaranty.sources(stranger, BTC).mutual == members.usd(100)
    receipt = guaranty.bear(stranger, BTC, 0, members.usd(100), sender=insurer)
    assert not events(receipt, "LossBudgetOpened")
    assert tuple(guaranty.sources(stranger, BTC)) == (0, 0)
    assert guaranty.sources(trader, BTC).own == members.usd(150), "its own has no budget"


def test_a_payment_beyond_the_budget_is_refused(
    members: System, guaranty: Any, insurer: Any, stranger: Any
) -> None:
    with reverts("Panic", code=0x11):
        guaranty.bear(stranger, BTC, 0, members.usd(300) + 1, sender=insurer)


def test_each_market_has_its_budget(members: System, guaranty: Any, insurer: Any, stranger: Any) -> None:
    """That of ETH is opened when ETH first pays, with what is left then."""
    next_window(members)
    guaranty.bear(stranger, BTC, 0, members.usd(300), sender=insurer)
    assert guaranty.lossBudget(ETH)[0] == members.usd(150)
    guaranty.bear(stranger, ETH, 0, members.usd(10), sender=insurer)
    assert guaranty.lossBudget(ETH)[0] == members.usd(140)


def test_the_budget_is_of_what_is_left_after_its_own(
    members: System, guaranty: Any, insurer: Any, trader: Any
) -> None:
    """Half of 300, not of 600."""
    assert guaranty.sources(trader, BTC).mutual == members.usd(150)
    receipt = guaranty.bear(trader, BTC, members.usd(300), members.usd(150), sender=insurer)
    assert event(receipt, "LossBudgetOpened")["budget"] == members.usd(150)
    assert guaranty.lossBudget(BTC)[0] == 0


def test_a_new_window_opens_a_new_budget(members: System, guaranty: Any, insurer: Any, stranger: Any) -> None:
    next_window(members)
    guaranty.bear(stranger, BTC, 0, members.usd(300), sender=insurer)
    assert guaranty.lossBudget(BTC)[0] == 0
    window = next_window(members)
    assert tuple(guaranty.lossBudget(BTC)) == (members.usd(150), window)
    receipt = guaranty.bear(stranger, BTC, 0, 1, sender=insurer)
    assert event(receipt, "LossBudgetOpened")["budget"] == members.usd(150)


def test_who_joins_does_not_raise_a_budget_that_is_open(
    members: System, guaranty: Any, insurer: Any, stranger: Any
) -> None:
    next_window(members)
    guaranty.bear(stranger, BTC, 0, members.usd(100), sender=insurer)
    members.join(stranger, 1_000)
    assert guaranty.lossBudget(BTC)[0] == members.usd(200)


def test_the_budget_counts_no_more_than_there_is(
    members: System, guaranty: Any, insurer: Any, stranger: Any
) -> None:
    """Of 300 for each of two markets the second finds the 299 that the first has left."""
    next_window(members)
    set_guaranty(members, loss_share=1_000_000)
    guaranty.bear(stranger, ETH, 0, members.usd(1), sender=insurer)
    guaranty.bear(stranger, BTC, 0, members.usd(500), sender=insurer)
    assert guaranty.lossBudget(ETH)[0] == members.usd(599)
    assert guaranty.sources(stranger, ETH).mutual == members.usd(99)


def test_without_a_loss_share_members_bear_their_own_only(
    members: System, guaranty: Any, trader: Any
) -> None:
    set_guaranty(members, loss_share=0)
    assert tuple(guaranty.sources(trader, BTC)) == (members.usd(300), 0)


def test_a_new_loss_window_opens_budgets_anew(
    members: System, guaranty: Any, insurer: Any, stranger: Any
) -> None:
    guaranty.bear(stranger, BTC, 0, members.usd(300), sender=insurer)
    assert guaranty.lossBudget(BTC)[0] == 0
    set_guaranty(members, loss_window=HOUR)
    assert guaranty.lossBudget(BTC)[0] == members.usd(150)


# ------------------------------------------------------------------- wiped out


@pytest.fixture
def wiped(members: System, guaranty: Any, insurer: Any, trader: Any, stranger: Any) -> System:
    """Everything is lost, of which the trader had given notice."""
    set_guaranty(members, loss_share=1_000_000)
    give_notice(members, trader)
    receipt = guaranty.bear(stranger, BTC, 0, members.usd(600), sender=insurer)
    assert event(receipt, "WipedOut") == {"epoch": 1}
    return members


def test_a_loss_of_everything_voids_all_units(
    wiped: System, guaranty: Any, staker: Any, other_staker: Any, trader: Any
) -> None:
    assert book(wiped) == (0, 0, 1)
    assert balances(wiped, staker, other_staker, trader) == [0, 0, 0]
    assert tuple(guaranty.member(trader)) == (0, 0, 0, 0)
    assert tuple(guaranty.sources(trader, BTC)) == (0, 0)
    assert at_rest(wiped)


def test_void_units_neither_leave_nor_give_notice(wiped: System, guaranty: Any, trader: Any) -> None:
    with reverts("NotAMember", account=trader):
        guaranty.requestExit(1, sender=trader)
    wiped.wait(NOTICE)
    with reverts("NoNotice", account=trader):
        guaranty.release(trader, sender=trader)


def test_a_new_epoch_begins_at_the_first_price(
    wiped: System, guaranty: Any, staker: Any, trader: Any
) -> None:
    """For old members too: what they had is not counted again, nor is the notice."""
    assert event(wiped.join(trader, 150), "Joined")["units"] == wiped.usd(150) * UNITS
    assert tuple(guaranty.member(trader)) == (wiped.usd(150), 0, 0, 0)
    assert balances(wiped, staker, trader) == usd(wiped, 0, 150)
    assert book(wiped) == (wiped.usd(150), wiped.usd(150) * UNITS, 1)


def test_own_that_comes_back_to_an_empty_fund_is_its_first_units(
    wiped: System, guaranty: Any, insurer: Any, trader: Any
) -> None:
    wiped.token.mint(guaranty, wiped.usd(50), sender=insurer)
    guaranty.restore(trader, wiped.usd(50), 0, sender=insurer)
    assert book(wiped) == (wiped.usd(50), wiped.usd(50) * UNITS, 1)
    assert guaranty.balanceOf(trader) == wiped.usd(50)


@pytest.mark.parametrize(("left", "wiped_out"), [(5_999, True), (6_000, False)])
def test_what_is_left_below_a_millionth_counts_as_nothing(
    quiet: System, guaranty: Any, insurer: Any, staker: Any, stranger: Any, left: int, wiped_out: bool
) -> None:
    """Of 6,000, 0.006; the units are a million times as many."""
    quiet.join(staker, 6_000)
    set_guaranty(quiet, loss_share=1_000_000)
    guaranty.bear(stranger, BTC, 0, quiet.usd(6_000) - left, sender=insurer)
    assert book(quiet) == ((0, 0, 1) if wiped_out else (left, quiet.usd(6_000) * UNITS, 0))
    assert guaranty.balanceOf(staker) == (0 if wiped_out else left)


# ------------------------------------------------------- income and recoveries


def test_income_raises_what_everybody_has(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any
) -> None:
    members.token.mint(guaranty, members.usd(60), sender=insurer)
    receipt = guaranty.earn(members.usd(60), sender=insurer)
    assert event(receipt, "Earned") == {"amount": members.usd(60)}
    assert balances(members, staker, other_staker, trader) == usd(members, 110, 220, 330)
    assert book(members) == (members.usd(660), members.usd(600) * UNITS, 0)
    assert at_rest(members)


def test_a_recovery_gives_all_their_part_and_the_defaulter_its_own(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any
) -> None:
    """What all get back is not the defaulter's, who has nothing when it comes."""
    guaranty.bear(trader, BTC, members.usd(300), members.usd(60), sender=insurer)
    members.token.mint(guaranty, members.usd(330), sender=insurer)
    receipt = guaranty.restore(trader, members.usd(270), members.usd(60), sender=insurer)
    assert event(receipt, "Restored") == {
        "account": trader,
        "own": members.usd(270),
        "units": members.usd(270) * UNITS,
        "mutual": members.usd(60),
    }
    assert balances(members, staker, other_staker, trader) == usd(members, 100, 200, 270)
    assert at_rest(members)


def test_own_comes_back_at_the_present_index(
    members: System, guaranty: Any, insurer: Any, staker: Any, trader: Any, stranger: Any
) -> None:
    guaranty.bear(trader, BTC, members.usd(300), 0, sender=insurer)
    guaranty.bear(stranger, BTC, 0, members.usd(150), sender=insurer)
    members.token.mint(guaranty, members.usd(300), sender=insurer)
    receipt = guaranty.restore(trader, members.usd(300), 0, sender=insurer)
    assert event(receipt, "Restored")["units"] == members.usd(600) * UNITS
    assert balances(members, staker, trader) == usd(members, 50, 300)


def test_a_recovery_for_all_makes_nobody_a_member(
    members: System, guaranty: Any, insurer: Any, stranger: Any
) -> None:
    members.token.mint(guaranty, members.usd(60), sender=insurer)
    guaranty.restore(stranger, 0, members.usd(60), sender=insurer)
    assert guaranty.balanceOf(stranger) == 0
    assert guaranty.totalAssets() == members.usd(660)


# -------------------------------------------------------------- rounding games


def test_the_value_of_a_unit_falls_by_losses_only(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, trader: Any, stranger: Any
) -> None:
    """P7, through everything that happens to members, at an index that divides nothing."""
    token = members.token

    def earn() -> None:
        token.mint(guaranty, 1_234_567, sender=insurer)
        guaranty.earn(1_234_567, sender=insurer)

    def restore() -> None:
        token.mint(guaranty, 33 + 17, sender=insurer)
        guaranty.restore(trader, 33, 17, sender=insurer)

    steps = {
        "earn": earn,
        "join": lambda: members.join(stranger, "333.333333"),
        "own": lambda: guaranty.bear(trader, BTC, 77_777_777, 0, sender=insurer),
        "loss": lambda: guaranty.bear(stranger, ETH, 0, 11_111_111, sender=insurer),
        "join again": lambda: members.join(staker, "11.111111"),
        "restore": restore,
        "leave in part": lambda: leave(members, other_staker, "55.555555"),
        "own to the last": lambda: guaranty.bear(trader, BTC, guaranty.balanceOf(trader), 0, sender=insurer),
        "leave": lambda: leave(members, stranger),
    }
    for name, act in steps.items():
        total, units, _ = book(members)
        act()
        total_after, units_after, epoch = book(members)
        assert epoch == 0
        fell = total_after * units < total * units_after
        assert fell == (name == "loss"), name
        assert at_rest(members), name


def test_coming_and_going_gains_nothing_and_costs_nobody(
    members: System, guaranty: Any, insurer: Any, staker: Any, other_staker: Any, attacker: Any
) -> None:
    """In odd amounts, at an index above and below one."""
    set_guaranty(members, notice_period=DAY)
    brought = left = 0
    for i in range(6):
        if i % 2:
            guaranty.bear(attacker, BTC, 0, 12_345_678 + i, sender=insurer)
        else:
            give_index(members, insurer, 98_765_432 + i)
        before = balances(members, staker, other_staker)
        amount = Decimal(100) + Decimal(i * 7919 + 1) / MILLION
        members.join(attacker, amount)
        brought += members.usd(amount)
        assert guaranty.balanceOf(attacker) <= members.usd(amount)
        members.join(attacker, "0.000003")
        brought += 3
        leave(members, attacker)
        assert guaranty.balanceOf(attacker) == 0
        left = members.token.balanceOf(attacker)
        assert left <= brought
        after = balances(members, staker, other_staker)
        assert all(new >= old for old, new in zip(before, after, strict=True))
    assert brought - left <= 4 * 6, "and it loses no more than it is rounded by"
    assert at_rest(members)


def test_the_first_member_cannot_make_units_too_dear_for_the_next(
    quiet: System, guaranty: Any, attacker: Any, staker: Any, stranger: Any
) -> None:
    """It leaves but for the minimum, and sends S here: that is nobody's, and moves no price."""
    quiet.join(attacker, 101)
    leave(quiet, attacker, 1)
    quiet.token.mint(guaranty, quiet.usd(10**6), sender=stranger)
    quiet.join(staker, 100)
    assert guaranty.balanceOf(staker) == quiet.usd(100)
