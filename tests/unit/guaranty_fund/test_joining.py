"""GuarantyFund (SPECIFICATION.md section 6.2): its parameters, who joins, and with which tokens."""

from __future__ import annotations

from typing import Any

import pytest

from tests.expect import ZERO_ADDRESS, event, reverts
from tests.system import System
from tests.unit.guaranty_fund.books import (
    BTC,
    DAY,
    ETH,
    GUARANTY,
    HOUR,
    MARKETS,
    MILLION,
    NOTICE,
    UNITS,
    WINDOW,
    at_rest,
    balances,
    book,
    give_index,
    shut_gate,
    usd,
)
from weir.parameters import (
    guaranty_struct,
    market_struct,
)

UINT96 = 2**96 - 1

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
