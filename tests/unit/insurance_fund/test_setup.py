"""InsuranceFund: wiring, access, parameters, gifts, stakes, and odd tokens."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_abi import decode

from tests.expect import ZERO_ADDRESS, event, reverts
from tests.unit.fund_helpers import (
    BTC,
    DAY,
    ETH,
    MILLION,
    PARAMETERS,
    FundSystem,
)
from tests.unit.insurance_fund.books import (
    HOUR,
    UINT96,
    UINT256,
    paid_by_layer,
    record_of,
)

# ---------------------------------------------------------------- construction


def test_wiring(system: FundSystem) -> None:
    fund = system.fund
    assert fund.asset() == system.token.address
    assert fund.vault() == fund.clearingHouse() == system.house.address
    assert (fund.junior(), fund.senior()) == (system.junior.address, system.senior.address)
    assert fund.treasury() == system.treasury.address
    assert fund.policy() == fund.guaranty() == fund.reserve() == system.house.address
    assert tuple(fund.parameters()) == tuple(PARAMETERS.values())
    assert fund.defaultCount() == fund.totalAssets() == 0
    assert fund.capacity() == UINT96


@pytest.mark.parametrize("missing", range(1, 10))
def test_wiring_has_no_zero_address(project: Any, system: FundSystem, deployer: Any, missing: int) -> None:
    arguments: list[Any] = [system.authority, *[system.house] * 9, tuple(PARAMETERS.values())]
    arguments[missing] = ZERO_ADDRESS
    with reverts("ZeroAddress"):
        deployer.deploy(project.InsuranceFund, *arguments)


# --------------------------------------------------------------------- access


def test_only_the_clearing_house_spends(system: FundSystem, deployer: Any, stranger: Any) -> None:
    for caller in (deployer, stranger):
        with reverts("OnlyClearingHouse"):
            system.fund.resolve(stranger, BTC, 1, 0, sender=caller)
        with reverts("OnlyClearingHouse"):
            system.fund.payBounty(BTC, 1, sender=caller)


def test_only_tranches_stake_and_unstake(full: FundSystem, deployer: Any, stranger: Any) -> None:
    for caller in (deployer, stranger):
        with reverts("OnlyTranche"):
            full.fund.stake(1, sender=caller)
        with reverts("OnlyTranche"):
            full.fund.unstake(1, True, sender=caller)


def test_only_the_reserve_moves_skin(full: FundSystem, deployer: Any, stranger: Any) -> None:
    for caller in (deployer, stranger):
        with reverts("OnlyReserve"):
            full.fund.fromReserve(0, False, sender=caller)
        with reverts("OnlyReserve"):
            full.fund.payForReserve(caller, 1, sender=caller)


def test_only_the_manager_sets_parameters(system: FundSystem, stranger: Any) -> None:
    with reverts("AccessManagedUnauthorized", caller=stranger):
        system.fund.setParameters(tuple(PARAMETERS.values()), sender=stranger)
    with reverts("AccessManagedUnauthorized", caller=stranger):
        system.fund.setMarketCover(BTC, 0, 0, sender=stranger)
    with reverts("AccessManagedUnauthorized", caller=stranger):
        system.fund.writeOffAdvances(sender=stranger)


def test_tranche_views_know_two_tranches(system: FundSystem, stranger: Any) -> None:
    with ape.reverts(system.fund.OnlyTranche):
        system.fund.trancheState(stranger)
    with ape.reverts(system.fund.OnlyTranche):
        system.fund.shareEpochOf(stranger)


# ----------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("skinTarget", 0, UINT96),
        ("juniorShare", 0, MILLION),
        ("streamDuration", DAY, 90 * DAY),
        ("budgetWindow", HOUR, 30 * DAY),
        ("memberShare", 0, MILLION),
    ],
)
def test_parameters_have_bounds(system: FundSystem, deployer: Any, name: str, low: int, high: int) -> None:
    fund = system.fund
    for value in (low, high):
        wanted = tuple((PARAMETERS | {name: value}).values())
        receipt = fund.setParameters(wanted, sender=deployer)
        assert tuple(fund.parameters()) == wanted
        assert tuple(event(receipt, "ParametersSet")["parameters"]) == wanted
    for value in {max(low - 1, 0), high + 1} - {low}:
        with reverts(
            "ParameterOutOfBounds", name=name.encode().ljust(32, b"\0"), value=value, min=low, max=high
        ):
            fund.setParameters(tuple((PARAMETERS | {name: value}).values()), sender=deployer)


def test_parameters_are_checked_at_birth(project: Any, system: FundSystem, deployer: Any) -> None:
    wrong = tuple((PARAMETERS | {"budgetWindow": 0}).values())
    with reverts("ParameterOutOfBounds"):
        deployer.deploy(project.InsuranceFund, system.authority, *[system.house] * 9, wrong)


def test_setting_parameters_keeps_the_default_count(full: FundSystem, deployer: Any, stranger: Any) -> None:
    full.resolve(stranger, 1)
    full.fund.setParameters(tuple(PARAMETERS.values()), sender=deployer)
    assert full.fund.defaultCount() == 1


def test_market_cover_has_bounds(system: FundSystem, deployer: Any) -> None:
    fund = system.fund
    for name, values in (("budgetShare", (MILLION + 1, 0)), ("coinsurance", (0, MILLION + 1))):
        with reverts(
            "ParameterOutOfBounds",
            name=name.encode().ljust(32, b"\0"),
            value=MILLION + 1,
            min=0,
            max=MILLION,
        ):
            fund.setMarketCover(BTC, *values, sender=deployer)
    receipt = fund.setMarketCover(BTC, MILLION, MILLION, sender=deployer)
    assert event(receipt, "MarketCoverSet") == {
        "market": BTC,
        "budgetShare": MILLION,
        "coinsurance": MILLION,
    }
    assert tuple(fund.marketCover(BTC))[:2] == (MILLION, MILLION)
    assert tuple(fund.marketCover(ETH))[:2] == (500_000, 0)


# --------------------------------------------------------------- contributions


def test_contribution_becomes_skin(system: FundSystem, deployer: Any) -> None:
    receipt = system.contribute(deployer, 5)
    assert event(receipt, "Contributed") == {"from": deployer.address, "amount": system.units(5)}
    assert system.layers() == (system.units(5), 0, 0, 0)
    assert system.token.balanceOf(system.fund) == system.fund.totalAssets() == system.units(5)


def test_contribution_of_nothing(system: FundSystem, deployer: Any) -> None:
    with reverts("ZeroAmount"):
        system.fund.contribute(0, sender=deployer)


def test_contribution_must_arrive_whole(deploy: Any, deployer: Any) -> None:
    system = deploy("FeeToken", 6, 10_000)
    with reverts("InexactTransfer", expected=system.units(100), received=system.units(99)):
        system.contribute(deployer, 100)


def test_donation_belongs_to_nobody(full: FundSystem, stranger: Any) -> None:
    before = full.layers(), full.fund.available(BTC), full.junior.convertToAssets(10**12)
    full.token.mint(full.fund, full.units(1000), sender=stranger)
    assert (full.layers(), full.fund.available(BTC), full.junior.convertToAssets(10**12)) == before


def test_capacity(deploy: Any, deployer: Any) -> None:
    system = deploy("TestToken", "Dollar", "USD", 18)
    system.token.mint(deployer, UINT96 + 1, sender=deployer)
    system.token.approve(system.fund, UINT256, sender=deployer)
    with reverts("CapacityExceeded", amount=UINT96 + 1, capacity=UINT96):
        system.fund.contribute(UINT96 + 1, sender=deployer)
    system.fund.contribute(UINT96 - 1, sender=deployer)
    assert system.fund.capacity() == 1
    system.token.approve(system.junior, UINT256, sender=deployer)
    with reverts("CapacityExceeded", amount=2, capacity=1):
        system.junior.deposit(2, deployer, sender=deployer)
    with reverts("CapacityExceeded", amount=system.units(0.8), capacity=1):
        system.collect(deployer, 1)


# --------------------------------------------------------------------- stakes


def test_stake_and_unstake_move_the_layer(full: FundSystem, staker: Any) -> None:
    fund, junior = full.fund, full.junior
    receipt = full.stake(junior, staker, 50)
    assert event(receipt, "Staked") == {"tranche": junior.address, "assets": full.units(50)}
    assert full.layers() == tuple(full.units(x) for x in (100, 0, 250, 300))

    junior.requestRedeem(junior.balanceOf(staker) // 5, staker, staker, sender=staker)
    full.roll(junior)
    receipt = full.roll(junior)
    assert event(receipt, "Unstaked") == {"tranche": junior.address, "assets": full.units(50)}
    assert full.layers() == tuple(full.units(x) for x in (100, 0, 200, 300))
    assert full.token.balanceOf(junior) == full.units(50)
    assert full.token.balanceOf(fund) == fund.totalAssets()


# ------------------------------------------------------------------------ gate


def test_gate(full: FundSystem) -> None:
    assert full.fund.gateOpen()
    full.close_gate()
    assert not full.fund.gateOpen()
    full.open_gate()
    assert full.fund.gateOpen()


# --------------------------------------------------------------------- tokens


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(("TestToken", "Dollar", "USD", 6), id="6 decimals"),
        pytest.param(("TestToken", "Dollar", "USD", 8), id="8 decimals"),
        pytest.param(("TestToken", "Dollar", "USD", 18), id="18 decimals"),
        pytest.param(("SilentToken", 6), id="returns nothing"),
    ],
)
def test_life_of_a_fund(
    deploy: Any, token: tuple[Any, ...], deployer: Any, staker: Any, other_staker: Any, stranger: Any
) -> None:
    system: FundSystem = deploy(*token)
    system.cover(MILLION, 100_000)
    system.contribute(deployer, 100)
    system.stake(system.junior, staker, 200)
    system.stake(system.senior, other_staker, 300)
    system.collect(stranger, fees=50)
    system.resolve(stranger, 500, 20)
    record = record_of(system, 1)
    assert sum(paid_by_layer(record)) == record.shortfall == system.units(500)
    assert record.remainder == 0
    assert record.coinsurance == system.units(20)
    assert record.skin + record.junior + record.senior == system.units(480)
    assert system.token.balanceOf(system.fund) == system.fund.totalAssets() == system.units(160)
    assert system.token.balanceOf(system.treasury) == system.units(10)
    assert system.fund.shareEpochOf(system.junior) == 1


def test_a_token_that_returns_false_is_refused(deploy: Any, deployer: Any) -> None:
    system: FundSystem = deploy("FalseToken", 6)
    with reverts("SafeERC20FailedOperation"):
        system.fund.contribute(1, sender=deployer)


def test_a_token_that_calls_back_cannot_be_counted_twice(deploy: Any, deployer: Any) -> None:
    """While a contribution arrives, the token hands over income: the arrival is not what was stated."""
    system: FundSystem = deploy("ReentrantToken", 6)
    system.token.mint(system.house, 7, sender=deployer)
    system.house.setIncome(0, 7, 0, 0, sender=deployer)
    system.fill(deployer, system.fund, 1)
    system.token.arm(system.fund, system.fund.collect.encode_input(), sender=deployer)
    with reverts("InexactTransfer", expected=system.units(1), received=system.units(1) + 7):
        system.fund.contribute(system.units(1), sender=deployer)


def test_a_token_that_calls_back_finds_an_advance_booked(
    deploy: Any, deployer: Any, staker: Any, other_staker: Any, stranger: Any
) -> None:
    """While S leaves for the vault: what has been advanced is no longer S, and the gate is shut."""
    system: FundSystem = deploy("ReentrantToken", 6)
    system.cover(MILLION)
    system.contribute(deployer, 100)
    system.stake(system.junior, staker, 200)
    system.stake(system.senior, other_staker, 300)
    system.hold(350)
    system.token.arm(system.fund, system.fund.layers.encode_input(), sender=deployer)
    system.resolve(stranger, 400)
    assert system.token.succeeded()
    seen = decode(["uint256"] * 7, bytes(system.token.result()))
    assert seen == (*system.layers(), system.units(350), *system.advanced())
    assert seen == tuple(map(system.units, (0, 0, 0, 200, 350, 200, 100)))


def test_a_token_that_calls_back_cannot_be_advanced_for_twice(
    deploy: Any, deployer: Any, staker: Any, stranger: Any
) -> None:
    """It causes another default while the first one's S leaves: both together are within what was there."""
    system: FundSystem = deploy("ReentrantToken", 6)
    system.cover(MILLION)
    system.contribute(deployer, 100)
    system.stake(system.junior, staker, 200)
    system.hold(150)
    call = system.house.resolve.encode_input(stranger, BTC, system.units(80), 0)
    system.token.arm(system.house, call, sender=deployer)
    system.resolve(stranger, 200)
    assert system.token.succeeded()
    assert paid_by_layer(record_of(system, 1)) == tuple(map(system.units, (0, 0, 200, 0, 0, 0, 0)))
    assert paid_by_layer(record_of(system, 2)) == tuple(map(system.units, (0, 0, 50, 30, 0, 0, 0)))
    assert system.layers() == tuple(map(system.units, (0, 0, 20, 0)))
    assert system.advanced() == (system.units(150), 0)
    assert system.token.balanceOf(system.fund) == system.units(20)
