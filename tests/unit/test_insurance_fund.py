"""InsuranceFund: SPECIFICATION.md sections 5 and 6, with a stub for all that it is wired to."""

from __future__ import annotations

from typing import Any, NamedTuple

import ape
import pytest
from eth_abi import decode
from eth_utils import to_checksum_address

from tests.expect import PANIC_ARITHMETIC, ZERO_ADDRESS, event, events, reverts
from tests.unit.fund_helpers import (
    BTC,
    DAY,
    ETH,
    FUND_SHARE,
    MILLION,
    PARAMETERS,
    FundSystem,
    deploy_fund,
    next_block_at,
    wait,
    wait_until,
)

UINT96, UINT128, UINT256 = 2**96 - 1, 2**128 - 1, 2**256 - 1
STREAM = PARAMETERS["streamDuration"]
HOUR = 3600


@pytest.fixture(scope="session")
def deploy(project: Any, deployer: Any, treasury: Any) -> Any:
    def build(
        token: str = "TestToken", *arguments: Any, parameters: dict[str, int] | None = None
    ) -> FundSystem:
        made = deployer.deploy(getattr(project, token), *(arguments or ("Dollar", "USD", 6)))
        return deploy_fund(project, deployer, treasury, made, parameters)

    return build


@pytest.fixture(scope="session")
def system(deploy: Any) -> FundSystem:
    """Nobody has paid anything in; both markets are covered with half of the assets, without coinsurance."""
    made: FundSystem = deploy()
    for market in (BTC, ETH):
        made.cover(500_000, market=market)
    return made


@pytest.fixture(scope="session")
def full(deploy: Any, deployer: Any, staker: Any, other_staker: Any) -> FundSystem:
    """skin 100, junior 200, senior 300; a market may take everything."""
    system: FundSystem = deploy()
    system.contribute(deployer, 100)
    system.stake(system.junior, staker, 200)
    system.stake(system.senior, other_staker, 300)
    for market in (BTC, ETH):
        system.cover(MILLION, market=market)
    return system


def start_stream(system: FundSystem, caller: Any, tokens: float) -> int:
    """Lets income stream to the tranches; returns when it began."""
    system.collect(caller, 0, levies=tokens)
    unvested, since, end = system.fund.stream()
    assert (unvested, end - since) == (system.units(tokens), STREAM)
    return int(since)


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


# --------------------------------------------------------------------- income


def test_income_restores_skin_then_streams(deploy: Any, keeper: Any) -> None:
    system = deploy(parameters={"skinTarget": 80 * 10**6})
    system.house.setFundShare(MILLION, sender=keeper)
    receipt = system.collect(keeper, fees=40, levies=15, premium=5)
    assert event(receipt, "IncomeCollected") == {
        "fees": system.units(40),
        "levies": system.units(15),
        "premium": system.units(5),
        "treasury": 0,
        "toSkin": system.units(60),
        "toMembers": 0,
    }
    assert system.layers() == (system.units(60), 0, 0, 0)
    assert system.fund.stream()[0] == 0

    receipt = system.collect(keeper, fees=50)
    assert event(receipt, "IncomeCollected")["toSkin"] == system.units(20)
    assert system.layers() == (system.units(80), system.units(30), 0, 0)
    unvested, since, end = system.fund.stream()
    assert (unvested, since, end - since) == (system.units(30), receipt.timestamp, STREAM)
    assert system.token.balanceOf(system.fund) == system.units(110)


def test_a_skin_target_below_the_skin_takes_nothing_out(full: FundSystem, keeper: Any) -> None:
    full.collect(keeper, 0, levies=10)
    assert full.layers()[0] == full.units(100)


def test_collect_returns_the_income_of_the_fund(full: FundSystem, keeper: Any) -> None:
    full.token.mint(full.house, full.units(18), sender=keeper)
    full.house.setIncome(full.units(10), full.units(5), full.units(3), 0, sender=keeper)
    assert full.fund.collect.call(sender=keeper) == full.units(10) * 8 // 10 + full.units(8)


def test_collect_of_nothing_changes_nothing(full: FundSystem, keeper: Any) -> None:
    since = start_stream(full, keeper, 10)
    wait(HOUR)
    before = full.fund.totalAssets()
    receipt = full.collect(keeper, 0)
    assert event(receipt, "IncomeCollected")["toSkin"] == 0
    assert full.fund.totalAssets() == before
    assert full.fund.stream()[2] == since + STREAM, "income of nothing does not prolong the stream"


def test_collect_checks_what_arrives(full: FundSystem, keeper: Any) -> None:
    full.token.mint(full.house, full.units(10), sender=keeper)
    for income in ((full.units(10), 0, 0), (0, full.units(10), 0), (0, 0, full.units(10))):
        full.house.setIncome(*income, 1, sender=keeper)
        with reverts("InexactTransfer", expected=full.units(10), received=full.units(10) - 1):
            full.fund.collect(sender=keeper)


def test_income_joins_the_stream_at_the_average_duration(full: FundSystem, keeper: Any) -> None:
    """After 2 of 7 days 50 of 70 are left for 5 days; 10 more for 7 days make 60 for 16/3 days."""
    since = start_stream(full, keeper, 70)
    full.token.mint(full.house, full.units(10), sender=keeper)
    full.house.setIncome(0, full.units(10), 0, 0, sender=keeper)
    now = since + 2 * DAY
    next_block_at(now)
    full.fund.collect(sender=keeper)
    assert tuple(full.fund.stream()) == (full.units(60), now, now + 16 * DAY // 3)


def test_dust_does_not_put_off_what_is_due(full: FundSystem, keeper: Any, attacker: Any) -> None:
    """An attacker who collects a unit of income every hour delays the stream by seconds, not by days."""
    since = start_stream(full, keeper, 70)
    full.token.mint(full.house, 24, sender=attacker)
    for hour in range(1, 25):
        full.house.setIncome(0, 1, 0, 0, sender=attacker)
        next_block_at(since + hour * HOUR)
        full.fund.collect(sender=attacker)
    assert since + STREAM <= full.fund.stream()[2] <= since + STREAM + 60


def test_the_average_duration_rounds_up(full: FundSystem, keeper: Any) -> None:
    full.token.mint(full.house, 2, sender=keeper)
    full.house.setIncome(0, 1, 0, 0, sender=keeper)
    full.fund.collect(sender=keeper)
    since = full.fund.stream()[1]
    full.house.setIncome(0, 1, 0, 0, sender=keeper)
    next_block_at(since + 3)
    full.fund.collect(sender=keeper)
    unvested, since, end = full.fund.stream()
    assert (unvested, end - since) == (2, STREAM - 1), "the average of STREAM - 3 and STREAM"


# -------------------------------------------------------------------- members


@pytest.mark.parametrize(
    ("share", "members", "income", "part"),
    [
        pytest.param(500_000, 600, 100, 25, id="as much capital, half the rate"),
        pytest.param(MILLION, 600, 100, 50, id="as much capital, the same rate"),
        pytest.param(MILLION, 200, 100, 25, id="a quarter of all capital"),
        pytest.param(250_000, 1_800, 100, 18.75, id="three quarters of it, a quarter of the rate"),
        pytest.param(0, 600, 100, 0, id="no share"),
        pytest.param(500_000, 0, 100, 0, id="no members"),
        pytest.param(500_000, 600, 0, 0, id="no income"),
    ],
)
def test_members_earn_by_their_capital(
    full: FundSystem, keeper: Any, deployer: Any, share: int, members: float, income: float, part: float
) -> None:
    """The fund has 600; what it pays out leaves it, what streams stays."""
    full.fund.setParameters(tuple((PARAMETERS | {"memberShare": share}).values()), sender=deployer)
    full.house.setSources(0, full.units(members), False, sender=keeper)
    held = full.token.balanceOf(full.house)
    receipt = full.collect(keeper, 0, levies=income)
    assert event(receipt, "IncomeCollected")["toMembers"] == full.units(part)
    assert [log["amount"] for log in events(receipt, "Earned")] == [full.units(part)] * (part > 0)
    assert full.token.balanceOf(full.house) - held == full.units(part)
    assert full.layers() == tuple(map(full.units, (100, income - part, 200, 300)))
    assert full.token.balanceOf(full.fund) == full.fund.totalAssets()


def test_members_earn_of_what_skin_and_treasury_leave(full: FundSystem, keeper: Any, deployer: Any) -> None:
    """20 of the fees are the treasury's, 30 fill skin up; of 50, T/(T + 600) of half."""
    wanted = PARAMETERS | {"skinTarget": full.units(130), "memberShare": 500_000}
    full.fund.setParameters(tuple(wanted.values()), sender=deployer)
    full.house.setSources(full.units(100), full.units(100), False, sender=keeper)
    receipt = full.collect(keeper, fees=100)
    log = event(receipt, "IncomeCollected")
    assert (log["treasury"], log["toSkin"]) == (full.units(20), full.units(30))
    assert log["toMembers"] == full.units(50) * 500_000 * full.units(200) // (MILLION * full.units(800))
    assert log["toMembers"] == full.units(6.25)
    assert full.layers() == tuple(map(full.units, (130, 43.75, 200, 300)))


def test_the_members_part_rounds_down(full: FundSystem, keeper: Any, deployer: Any) -> None:
    full.fund.setParameters(tuple((PARAMETERS | {"memberShare": 999_999}).values()), sender=deployer)
    full.house.setSources(0, full.units(600), False, sender=keeper)
    full.token.mint(full.house, 2, sender=keeper)
    full.house.setIncome(0, 2, 0, 0, sender=keeper)
    assert event(full.fund.collect(sender=keeper), "IncomeCollected")["toMembers"] == 0
    assert full.fund.totalAssets() == full.units(600) + 2


def test_members_of_an_empty_fund_earn_their_share(system: FundSystem, keeper: Any, deployer: Any) -> None:
    system.fund.setParameters(tuple((PARAMETERS | {"memberShare": 500_000}).values()), sender=deployer)
    system.house.setSources(0, 1, False, sender=keeper)
    assert event(system.collect(keeper, 0, levies=10), "IncomeCollected")["toMembers"] == system.units(5)
    assert system.layers() == (0, system.units(5), 0, 0)


def test_all_income_can_be_the_members(system: FundSystem, keeper: Any, deployer: Any) -> None:
    """At the same rate beside an empty fund: nothing streams, and there is nothing to average."""
    system.fund.setParameters(tuple((PARAMETERS | {"memberShare": MILLION}).values()), sender=deployer)
    system.house.setSources(0, 1, False, sender=keeper)
    assert event(system.collect(keeper, 0, levies=10), "IncomeCollected")["toMembers"] == system.units(10)
    assert system.layers() == (0, 0, 0, 0)
    assert system.token.balanceOf(system.fund) == 0


def test_collect_returns_the_income_with_the_members_part_taken_off(
    full: FundSystem, keeper: Any, deployer: Any
) -> None:
    full.fund.setParameters(tuple((PARAMETERS | {"memberShare": MILLION}).values()), sender=deployer)
    full.house.setSources(0, full.units(600), False, sender=keeper)
    full.token.mint(full.house, full.units(10), sender=keeper)
    full.house.setIncome(0, full.units(10), 0, 0, sender=keeper)
    assert full.fund.collect.call(sender=keeper) == full.units(5)


# ------------------------------------------------------------------- treasury


@pytest.mark.parametrize(
    ("share", "insolvencies", "paid"),
    [
        pytest.param(FUND_SHARE, 0, 20, id="a fifth"),
        pytest.param(500_000, 0, 50, id="half"),
        pytest.param(0, 0, 100, id="all that the policy leaves"),
        pytest.param(MILLION, 0, 0, id="nothing left"),
        pytest.param(FUND_SHARE, 1, 0, id="an insolvency is known"),
        pytest.param(0, 1, 0, id="an insolvency is known, whatever the policy says"),
    ],
)
def test_the_treasury_gets_of_fees_what_the_policy_leaves(
    full: FundSystem, keeper: Any, share: int, insolvencies: int, paid: int
) -> None:
    """Of levies and of the premium it never gets anything."""
    full.house.setFundShare(share, sender=keeper)
    full.house.setInsolvencies(insolvencies, sender=keeper)
    before = full.token.balanceOf(full.treasury)
    receipt = full.collect(keeper, fees=100, levies=200, premium=50)
    assert event(receipt, "IncomeCollected")["treasury"] == full.units(paid)
    assert full.token.balanceOf(full.treasury) - before == full.units(paid)
    assert full.fund.totalAssets() == full.units(950 - paid)
    assert full.token.balanceOf(full.fund) == full.fund.totalAssets()


def test_the_premium_is_wholly_the_funds(full: FundSystem, keeper: Any) -> None:
    full.house.setFundShare(0, sender=keeper)
    receipt = full.collect(keeper, fees=0, premium=30)
    assert event(receipt, "IncomeCollected") == {
        "fees": 0,
        "levies": 0,
        "premium": full.units(30),
        "treasury": 0,
        "toSkin": 0,
        "toMembers": 0,
    }
    assert full.layers()[1] == full.units(30)


@pytest.mark.parametrize(("fees", "rest"), [(9, 1), (10, 2), (1, 0), (4, 0), (5, 1)])
def test_the_fund_s_share_rounds_up(full: FundSystem, keeper: Any, fees: int, rest: int) -> None:
    full.token.mint(full.house, fees, sender=keeper)
    full.house.setIncome(fees, 0, 0, 0, sender=keeper)
    receipt = full.fund.collect(sender=keeper)
    assert event(receipt, "IncomeCollected")["treasury"] == rest


def test_what_the_gate_kept_from_the_treasury_stays_the_funds(full: FundSystem, keeper: Any) -> None:
    full.close_gate()
    full.collect(keeper, fees=100)
    full.open_gate()
    before = full.token.balanceOf(full.treasury)
    full.collect(keeper, fees=0)
    assert full.token.balanceOf(full.treasury) == before
    assert full.fund.totalAssets() == full.units(700)


# -------------------------------------------------------------------- vesting


def vested_parts(system: FundSystem) -> tuple[int, int]:
    """What the tranches have above their stakes."""
    _, _, junior, senior = system.layers()
    return junior - system.units(200), senior - system.units(300)


def test_income_vests_evenly(full: FundSystem, keeper: Any) -> None:
    since = start_stream(full, keeper, 70)
    for days, total in ((1, 10), (3, 30), (7, 70), (20, 70)):
        wait_until(since + days * DAY)
        junior, senior = vested_parts(full)
        elapsed = min(ape.chain.blocks.head.timestamp - since, STREAM)
        vested = full.units(70) * elapsed // STREAM
        assert vested == pytest.approx(full.units(total), abs=full.units(0.01))
        assert junior == vested * 6 // 10
        assert junior + senior == vested
        assert full.layers()[1] == full.units(70) - vested
        assert tuple(full.fund.trancheState(full.junior)) == (full.units(200) + junior, 0)
        assert tuple(full.fund.trancheState(full.senior)) == (full.units(300) + senior, 0)


def test_vesting_is_booked_with_the_next_change(full: FundSystem, keeper: Any, staker: Any) -> None:
    since = start_stream(full, keeper, 70)
    full.fill(staker, full.senior, 1)
    next_block_at(since + DAY)
    receipt = full.senior.deposit(full.units(1), staker, sender=staker)
    assert event(receipt, "Vested") == {"junior": full.units(6), "senior": full.units(4)}
    assert tuple(full.fund.stream()) == (full.units(60), since + DAY, since + STREAM)


def test_total_assets_do_not_change_by_vesting(full: FundSystem, keeper: Any) -> None:
    start_stream(full, keeper, 70)
    assert full.fund.totalAssets() == full.units(670)
    wait(3 * DAY)
    assert full.fund.totalAssets() == sum(full.layers()) == full.units(670)


@pytest.mark.parametrize("staked", ["junior", "senior"])
def test_a_tranche_without_shares_gives_its_part_to_the_other(
    system: FundSystem, keeper: Any, staker: Any, staked: str
) -> None:
    system.stake(getattr(system, staked), staker, 10)
    since = start_stream(system, keeper, 70)
    wait_until(since + STREAM)
    _, unvested, junior, senior = system.layers()
    assert unvested == 0
    assert (junior, senior)[:: 1 if staked == "junior" else -1] == (system.units(80), 0)


def test_a_tranche_that_everybody_left_gives_its_part_to_the_other(
    full: FundSystem, keeper: Any, staker: Any
) -> None:
    full.junior.requestRedeem(full.junior.balanceOf(staker), staker, staker, sender=staker)
    full.roll(full.junior)
    full.roll(full.junior)
    assert full.layers()[2] == 0
    start_stream(full, keeper, 70)
    wait(STREAM)
    assert full.layers()[1:] == (0, 0, full.units(370))


def test_a_wiped_tranche_gives_its_part_to_the_other(full: FundSystem, keeper: Any, stranger: Any) -> None:
    full.resolve(stranger, 300)
    start_stream(full, keeper, 70)
    wait(STREAM)
    assert full.layers() == (0, 0, 0, full.units(370))


def test_without_shares_the_stream_waits(system: FundSystem, keeper: Any, staker: Any) -> None:
    since = start_stream(system, keeper, 70)
    wait_until(since + 30 * DAY)
    assert system.layers() == (0, system.units(70), 0, 0)
    receipt = system.stake(system.junior, staker, 10)
    joined = receipt.timestamp
    assert not events(receipt, "Vested"), "the first staker gets nothing of the past"
    assert tuple(system.fund.stream()) == (system.units(70), joined, joined + STREAM)
    wait_until(joined + DAY)
    elapsed = ape.chain.blocks.head.timestamp - joined
    assert system.layers()[2] == system.units(10) + system.units(70) * elapsed // STREAM


def test_a_new_junior_share_is_for_the_future_only(full: FundSystem, keeper: Any, deployer: Any) -> None:
    since = start_stream(full, keeper, 70)
    next_block_at(since + DAY)
    full.fund.setParameters(tuple((PARAMETERS | {"juniorShare": 0}).values()), sender=deployer)
    assert vested_parts(full) == (full.units(6), full.units(4))
    wait(STREAM)
    assert vested_parts(full) == (full.units(6), full.units(64))


# ------------------------------------------------------------ layers of a loss


class Record(NamedTuple):
    account: str
    market: int
    time: int
    shortfall: int
    own: int
    coinsurance: int
    skin: int
    junior: int
    senior: int
    mutual: int
    unpaid_profit: int

    @property
    def paid(self) -> tuple[int, ...]:
        return self[4:]


def record_of(system: FundSystem, id_: int) -> tuple[Record, int]:
    """A default's record and its remainder."""
    values, remainder = system.fund.defaultRecord(id_)
    return Record(*values), remainder


@pytest.mark.parametrize(
    ("shortfall", "profit", "paid", "remainder", "left"),
    [
        pytest.param(60, 50, (0, 0, 60, 0, 0, 0, 0), 0, (40, 0, 200, 300), id="skin"),
        pytest.param(150, 50, (0, 0, 100, 50, 0, 0, 0), 0, (0, 0, 150, 300), id="skin and junior"),
        pytest.param(400, 50, (0, 0, 100, 200, 100, 0, 0), 0, (0, 0, 0, 200), id="skin, junior and senior"),
        pytest.param(620, 50, (0, 0, 100, 200, 300, 0, 20), 0, (0, 0, 0, 0), id="unpaid profit"),
        pytest.param(700, 50, (0, 0, 100, 200, 300, 0, 50), 50, (0, 0, 0, 0), id="a remainder"),
    ],
)
def test_resolve_pays_in_order(
    full: FundSystem,
    stranger: Any,
    shortfall: int,
    profit: int,
    paid: tuple[int, ...],
    remainder: int,
    left: tuple[int, ...],
) -> None:
    units = full.units
    held = full.token.balanceOf(full.house)
    receipt = full.resolve(stranger, shortfall, profit)
    record, rest = record_of(full, 1)
    assert (record.account, record.market, record.time) == (stranger.address, BTC, receipt.timestamp)
    assert record.shortfall == units(shortfall)
    assert record.paid == tuple(map(units, paid))
    assert rest == units(remainder)
    assert sum(record.paid) + rest == record.shortfall  # P4

    from_fund = units(sum(paid[2:5]))
    assert event(receipt, "Resolved") == {
        "fromProfit": units(paid[1] + paid[6]),
        "fromFund": from_fund,
    }
    assert full.token.balanceOf(full.house) - held == from_fund
    assert full.token.balanceOf(full.fund) == full.fund.totalAssets() == units(600) - from_fund
    assert full.layers() == tuple(map(units, left))

    logged = event(receipt, "Defaulted")
    assert (logged["id"], logged["account"], logged["market"]) == (1, stranger.address, BTC)
    assert logged["remainder"] == rest
    account, *values = logged["record"]
    assert (to_checksum_address(account), *values) == record


@pytest.mark.parametrize(
    ("coinsurance", "paid"),
    [
        pytest.param(0, (0, 0, 80, 0, 0, 0, 0), id="0%"),
        pytest.param(500_000, (0, 40, 40, 0, 0, 0, 0), id="50%"),
        pytest.param(MILLION, (0, 50, 30, 0, 0, 0, 0), id="100%, more than there is"),
    ],
)
def test_coinsurance(full: FundSystem, stranger: Any, coinsurance: int, paid: tuple[int, ...]) -> None:
    full.cover(MILLION, coinsurance)
    full.resolve(stranger, 80, 50)
    record, remainder = record_of(full, 1)
    assert record.paid == tuple(map(full.units, paid))
    assert remainder == 0
    full.cover(MILLION, 123_456)
    assert record_of(full, 1) == (record, 0), "a record keeps the ratio of its time"


def test_coinsurance_of_all_profit_leaves_no_second_part(full: FundSystem, stranger: Any) -> None:
    full.cover(MILLION, MILLION)
    full.resolve(stranger, 800, 50)
    record, remainder = record_of(full, 1)
    assert record.paid == tuple(map(full.units, (0, 50, 100, 200, 300, 0, 0)))
    assert remainder == full.units(150)


def test_unvested_income_pays_after_skin(full: FundSystem, keeper: Any, stranger: Any) -> None:
    since = start_stream(full, keeper, 70)
    next_block_at(since + DAY)
    full.resolve(stranger, 130)
    record, _ = record_of(full, 1)
    assert record.paid == tuple(map(full.units, (0, 0, 130, 0, 0, 0, 0)))
    assert full.layers() == tuple(map(full.units, (0, 30, 206, 304))), "what has vested is the tranches'"
    assert tuple(full.fund.stream()) == (full.units(30), since + DAY, since + STREAM)


@pytest.mark.parametrize(
    ("shortfall", "paid", "remainder", "left"),
    [
        pytest.param(40, (40, 0, 0, 0, 0, 0, 0), 0, (100, 0, 200, 300), id="own is enough"),
        pytest.param(60, (50, 2, 8, 0, 0, 0, 0), 0, (92, 0, 200, 300), id="coinsured: what own leaves"),
        pytest.param(850, (50, 50, 100, 200, 300, 150, 0), 0, (0, 0, 0, 0), id="the last of the mutual"),
        pytest.param(900, (50, 50, 100, 200, 300, 150, 0), 50, (0, 0, 0, 0), id="no profit left after it"),
    ],
)
def test_own_comes_first_and_mutual_after_senior(
    full: FundSystem,
    stranger: Any,
    shortfall: int,
    paid: tuple[int, ...],
    remainder: int,
    left: tuple[int, ...],
) -> None:
    """A fifth is coinsured, of 50 of unpaid profit; the defaulter has contributed 50, the others 150."""
    units = full.units
    full.cover(MILLION, 200_000)
    full.house.setSources(units(50), units(150), False, sender=stranger)
    held = full.token.balanceOf(full.house)
    receipt = full.resolve(stranger, shortfall, 50)
    record, rest = record_of(full, 1)
    assert record.paid == tuple(map(units, paid))
    assert rest == units(remainder)
    assert sum(record.paid) + rest == record.shortfall == units(shortfall)  # P4
    assert full.layers() == tuple(map(units, left))

    own, coinsurance, skin, junior, senior, mutual, unpaid = paid
    assert event(receipt, "Resolved") == {
        "fromProfit": units(coinsurance + unpaid),
        "fromFund": units(own + skin + junior + senior + mutual),
    }
    assert event(receipt, "Borne") == {
        "account": stranger.address,
        "market": BTC,
        "own": units(own),
        "mutual": units(mutual),
    }
    # The guaranty fund sends its part itself.
    assert full.token.balanceOf(full.house) - held == units(skin + junior + senior)
    account, *values = event(receipt, "Defaulted")["record"]
    assert (to_checksum_address(account), *values) == record


def test_mutual_comes_before_the_rest_of_unpaid_profit(full: FundSystem, stranger: Any) -> None:
    full.house.setSources(0, full.units(150), False, sender=stranger)
    full.resolve(stranger, 740, 50)
    assert record_of(full, 1)[0].paid == tuple(map(full.units, (0, 0, 100, 200, 300, 140, 0)))
    full.resolve(stranger, 70, 50)
    assert record_of(full, 2)[0].paid == tuple(map(full.units, (0, 0, 0, 0, 0, 10, 50)))


def test_the_fund_s_budget_is_not_the_members(full: FundSystem, stranger: Any) -> None:
    """Own and mutual neither need it nor use it up."""
    full.cover(100_000)
    next_window(full)
    full.house.setSources(full.units(50), full.units(150), False, sender=stranger)
    full.resolve(stranger, 250)
    assert record_of(full, 1)[0].paid == tuple(map(full.units, (50, 0, 60, 0, 0, 140, 0)))
    assert full.fund.available(BTC) == 0
    assert full.fund.available(ETH) == full.units(540)


def test_who_has_contributed_nothing_asks_the_guaranty_fund_for_nothing(
    full: FundSystem, stranger: Any
) -> None:
    full.house.setSources(0, full.units(150), False, sender=stranger)
    receipt = full.resolve(stranger, 600)
    assert not events(receipt, "Borne")


def test_a_bounty_is_not_the_members(full: FundSystem, stranger: Any) -> None:
    full.house.setSources(full.units(50), full.units(150), False, sender=stranger)
    receipt = full.house.payBounty(BTC, full.units(700), sender=stranger)
    assert event(receipt, "Paid")["amount"] == full.units(600)
    assert not events(receipt, "Borne")


def test_an_empty_fund_resolves(system: FundSystem, stranger: Any) -> None:
    """P6: nothing there is no reason to stop a liquidation."""
    receipt = system.resolve(stranger, 100, 30)
    assert event(receipt, "Resolved") == {"fromProfit": system.units(30), "fromFund": 0}
    record, remainder = record_of(system, 1)
    assert record.paid == (0, 0, 0, 0, 0, 0, system.units(30))
    assert remainder == system.units(70)
    assert event(system.house.payBounty(BTC, 5, sender=stranger), "Paid")["amount"] == 0


def test_a_market_without_cover_gets_nothing(full: FundSystem, stranger: Any) -> None:
    receipt = full.resolve(stranger, 100, 30, market=9)
    assert event(receipt, "Resolved") == {"fromProfit": full.units(30), "fromFund": 0}
    assert full.fund.totalAssets() == full.units(600)


def test_zero_layers_are_passed_over(system: FundSystem, other_staker: Any, stranger: Any) -> None:
    system.cover(MILLION)
    system.stake(system.senior, other_staker, 50)
    system.resolve(stranger, 20)
    assert record_of(system, 1)[0].paid == (0, 0, 0, 0, system.units(20), 0, 0)


def test_the_largest_shortfall_resolves(full: FundSystem, stranger: Any) -> None:
    full.house.resolve(stranger, BTC, UINT128, UINT128, sender=stranger)
    record, remainder = record_of(full, 1)
    assert record.shortfall == UINT128
    assert record.unpaid_profit == UINT128 - full.units(600)
    assert remainder == 0


def test_records_are_numbered_from_one(full: FundSystem, stranger: Any) -> None:
    for market, shortfall in ((BTC, 10), (ETH, 20)):
        full.resolve(stranger, shortfall, market=market)
    assert full.fund.defaultCount() == 2
    for id_, (market, shortfall) in enumerate(((BTC, 10), (ETH, 20)), start=1):
        record, _ = record_of(full, id_)
        assert (record.market, record.shortfall) == (market, full.units(shortfall))
    for unknown in (0, 3):
        with ape.reverts(full.fund.UnknownDefault, id=unknown):
            full.fund.defaultRecord(unknown)


# -------------------------------------------------------------------- wipe-out


def test_losing_the_last_unit_wipes_a_tranche(full: FundSystem, stranger: Any) -> None:
    receipt = full.house.resolve(stranger, BTC, full.units(300) - 1, 0, sender=stranger)
    assert not events(receipt, "TrancheWiped")
    assert tuple(full.fund.trancheState(full.junior)) == (1, 0)

    receipt = full.house.resolve(stranger, BTC, 1, 0, sender=stranger)
    assert event(receipt, "TrancheWiped") == {"tranche": full.junior.address, "shareEpoch": 1}
    assert tuple(full.fund.trancheState(full.junior)) == (0, 1)
    assert full.fund.shareEpochOf(full.junior) == 1
    assert full.fund.shareEpochOf(full.senior) == 0

    receipt = full.resolve(stranger, 1)
    assert not events(receipt, "TrancheWiped"), "an empty tranche is not wiped again"


def test_one_default_wipes_both_tranches(full: FundSystem, stranger: Any) -> None:
    receipt = full.resolve(stranger, 1000)
    wiped = [log["tranche"] for log in events(receipt, "TrancheWiped")]
    assert wiped == [full.junior.address, full.senior.address]
    for tranche in wiped:
        assert tuple(full.fund.trancheState(tranche)) == (0, 1)


def test_a_bounty_can_wipe(full: FundSystem, stranger: Any) -> None:
    receipt = full.house.payBounty(BTC, full.units(300), sender=stranger)
    assert event(receipt, "TrancheWiped") == {"tranche": full.junior.address, "shareEpoch": 1}


# --------------------------------------------------------------------- bounty


def test_bounty_comes_from_the_layers_in_order(full: FundSystem, stranger: Any) -> None:
    held = full.token.balanceOf(full.house)
    receipt = full.house.payBounty(BTC, full.units(150), sender=stranger)
    assert event(receipt, "BountyPaid") == {
        "market": BTC,
        "amount": full.units(150),
        "skin": full.units(100),
        "junior": full.units(50),
        "senior": 0,
    }
    assert event(receipt, "Paid")["amount"] == full.units(150)
    assert full.token.balanceOf(full.house) - held == full.units(150)
    assert full.fund.defaultCount() == 0
    assert full.fund.available(BTC) == full.units(450)


def test_bounty_stays_within_the_budget(full: FundSystem, stranger: Any) -> None:
    full.cover(10_000)
    receipt = full.house.payBounty(BTC, full.units(150), sender=stranger)
    assert event(receipt, "Paid")["amount"] == full.units(6)
    receipt = full.house.payBounty(BTC, 1, sender=stranger)
    assert event(receipt, "Paid")["amount"] == 0
    assert not events(receipt, "BountyPaid")


# ----------------------------------------------------------------- recoveries


def recover(system: FundSystem, payer: Any, tokens: float, id_: int = 1) -> Any:
    return system.fund.recover(id_, system.fill(payer, system.fund, tokens), sender=payer)


def recovery_of(receipt: Any) -> tuple[int, ...]:
    """To mutual, senior, junior, skin, own."""
    return tuple(event(receipt, "Recovered")["recovery"])


@pytest.fixture
def owed(full: FundSystem, stranger: Any) -> FundSystem:
    """Default 1 cost own 50, skin 100, junior 140 (of 200, for the budget), mutual 60 (of 110)."""
    full.cover(400_000)
    next_window(full)
    full.house.setSources(full.units(50), full.units(110), False, sender=stranger)
    full.resolve(stranger, 350)
    assert record_of(full, 1)[0].paid == tuple(map(full.units, (50, 0, 100, 140, 0, 60, 0)))
    assert full.layers() == tuple(map(full.units, (0, 0, 60, 300)))
    return full


@pytest.fixture
def wiped(full: FundSystem, stranger: Any) -> FundSystem:
    """Default 1 cost skin 100, junior all of its 200, senior 150 of its 300."""
    full.resolve(stranger, 450)
    assert full.layers() == tuple(map(full.units, (0, 0, 0, 150)))
    return full


def test_a_recovery_goes_back_in_the_reverse_order(owed: FundSystem, stranger: Any, keeper: Any) -> None:
    """In four steps; the defaulter is the last to get anything, and nobody gets more than he bore."""
    steps = [
        (30, 30, (30, 0, 0, 0, 0)),
        (50, 50, (30, 0, 20, 0, 0)),
        (150, 150, (0, 0, 120, 30, 0)),
        (1_000, 120, (0, 0, 0, 70, 50)),
    ]
    back = 0
    assert tuple(owed.fund.recovered(1)) == (0, owed.units(350))
    for offered, paid, parts in steps:
        amount = owed.fill(keeper, owed.fund, offered)
        assert owed.fund.recover.call(1, amount, sender=keeper) == owed.units(paid)
        held = owed.token.balanceOf(keeper), owed.token.balanceOf(owed.house)
        receipt = owed.fund.recover(1, amount, sender=keeper)
        log = event(receipt, "Recovered")
        assert (log["id"], log["payer"]) == (1, keeper.address)
        assert tuple(log["recovery"]) == tuple(map(owed.units, parts))
        assert held[0] - owed.token.balanceOf(keeper) == owed.units(paid)
        to_guaranty = owed.units(parts[0] + parts[4])
        assert owed.token.balanceOf(owed.house) - held[1] == to_guaranty
        assert events(receipt, "Restored") == (
            [
                {
                    "account": stranger.address,
                    "own": owed.units(parts[4]),
                    "mutual": owed.units(parts[0]),
                }
            ]
            if to_guaranty
            else []
        )
        back += paid
        assert tuple(owed.fund.recovered(1)) == (owed.units(back), owed.units(350 - back))
        assert owed.token.balanceOf(owed.fund) == owed.fund.totalAssets()
    assert owed.layers() == tuple(map(owed.units, (100, 0, 200, 300)))
    with reverts("NothingToRecover", id=1):
        owed.fund.recover(1, 1, sender=keeper)


def test_all_at_once_is_what_the_steps_are(owed: FundSystem, keeper: Any) -> None:
    assert recovery_of(recover(owed, keeper, 350)) == tuple(map(owed.units, (60, 0, 140, 100, 50)))


def test_a_recovery_leaves_the_record_and_the_budget_as_they_are(owed: FundSystem, keeper: Any) -> None:
    record, left = owed.fund.defaultRecord(1), owed.fund.marketCover(BTC)[2]
    recover(owed, keeper, 300)
    assert owed.fund.defaultRecord(1) == record
    assert owed.fund.marketCover(BTC)[2] == left == 0


def test_each_default_has_its_own_recovery(owed: FundSystem, stranger: Any, keeper: Any) -> None:
    owed.resolve(stranger, 70, market=ETH)
    assert record_of(owed, 2)[0].paid == tuple(map(owed.units, (0, 0, 0, 60, 10, 0, 0)))
    assert recovery_of(recover(owed, keeper, 90, id_=1)) == tuple(map(owed.units, (60, 0, 0, 30, 0)))
    assert tuple(owed.fund.recovered(1)) == (owed.units(90), owed.units(260))
    assert tuple(owed.fund.recovered(2)) == (0, owed.units(70))


def test_nothing_is_no_recovery(owed: FundSystem, keeper: Any) -> None:
    with reverts("ZeroAmount"):
        owed.fund.recover(1, 0, sender=keeper)


@pytest.mark.parametrize("unknown", [0, 2])
def test_an_unknown_default_cannot_be_recovered(owed: FundSystem, keeper: Any, unknown: int) -> None:
    with reverts("UnknownDefault", id=unknown):
        owed.fund.recover(unknown, 1, sender=keeper)
    with ape.reverts(owed.fund.UnknownDefault, id=unknown):
        owed.fund.recovered(unknown)


def test_profit_and_open_interest_have_no_names_any_more(
    system: FundSystem, stranger: Any, keeper: Any
) -> None:
    system.resolve(stranger, 100, 30)
    assert tuple(system.fund.recovered(1)) == (0, 0)
    with reverts("NothingToRecover", id=1):
        system.fund.recover(1, 1, sender=keeper)


def test_a_recovery_is_taken_while_an_insolvency_is_known(owed: FundSystem, keeper: Any) -> None:
    owed.close_gate()
    recover(owed, keeper, 350)
    assert owed.fund.totalAssets() == owed.units(600)


def test_who_pays_needs_to_have_it(owed: FundSystem, keeper: Any) -> None:
    with reverts("ERC20InsufficientAllowance", needed=owed.units(350)):
        owed.fund.recover(1, UINT256, sender=keeper)


def test_a_recovery_must_arrive_whole(deploy: Any, deployer: Any, stranger: Any) -> None:
    system: FundSystem = deploy("FeeToken", 6, 10_000)
    system.house.setSources(system.units(100), 0, False, sender=deployer)
    system.resolve(stranger, 100)
    with reverts("InexactTransfer", expected=system.units(100), received=system.units(99)):
        recover(system, deployer, 100)


def test_a_recovery_cannot_exceed_the_capacity(deploy: Any, deployer: Any, stranger: Any) -> None:
    """The books are full: S that belongs to layers finds no room, and stays with who offers it."""
    system: FundSystem = deploy("TestToken", "Dollar", "USD", 18)
    system.cover(MILLION)
    system.contribute(deployer, 10)
    system.resolve(stranger, 10)
    system.token.mint(deployer, UINT96, sender=deployer)
    system.token.approve(system.fund, UINT256, sender=deployer)
    system.fund.contribute(UINT96, sender=deployer)
    system.token.mint(deployer, 1, sender=deployer)
    with reverts("CapacityExceeded", amount=1, capacity=0):
        system.fund.recover(1, 1, sender=deployer)


# ---- to whom, when shares are gone


def test_what_a_wiped_tranche_bore_goes_to_skin(wiped: FundSystem, keeper: Any) -> None:
    """Senior, which is still there, gets what it bore, at the price of its shares."""
    price = wiped.senior.convertToAssets(10**12)
    assert recovery_of(recover(wiped, keeper, 450)) == tuple(map(wiped.units, (0, 150, 0, 300, 0)))
    assert wiped.layers() == tuple(map(wiped.units, (300, 0, 0, 300)))
    assert wiped.senior.convertToAssets(10**12) == pytest.approx(2 * price, abs=1)


def test_who_comes_after_a_wipe_out_gets_nothing_of_it(
    wiped: FundSystem, other_staker: Any, keeper: Any
) -> None:
    wiped.stake(wiped.junior, other_staker, 10)
    recover(wiped, keeper, 450)
    assert wiped.layers() == tuple(map(wiped.units, (300, 0, 10, 300)))


def test_what_a_later_default_wiped_out_goes_to_skin_too(
    full: FundSystem, stranger: Any, other_staker: Any, keeper: Any
) -> None:
    """Default 1 took 50 of junior, default 2 the rest; a third is of those who came then."""
    full.resolve(stranger, 150)
    full.resolve(stranger, 150)
    full.stake(full.junior, other_staker, 40)
    full.resolve(stranger, 10)
    for id_, parts in ((1, (0, 0, 0, 150, 0)), (2, (0, 0, 0, 150, 0)), (3, (0, 0, 10, 0, 0))):
        assert recovery_of(recover(full, keeper, 1_000, id_)) == tuple(map(full.units, parts))
    assert full.layers() == tuple(map(full.units, (300, 0, 40, 300)))


def test_what_a_bounty_wiped_out_between_two_defaults(
    full: FundSystem, stranger: Any, other_staker: Any, keeper: Any
) -> None:
    full.resolve(stranger, 150)
    assert events(full.house.payBounty(BTC, full.units(150), sender=stranger), "TrancheWiped")
    full.stake(full.junior, other_staker, 40)
    full.resolve(stranger, 10)
    assert recovery_of(recover(full, keeper, 150, id_=1)) == tuple(map(full.units, (0, 0, 0, 150, 0)))
    assert recovery_of(recover(full, keeper, 10, id_=2)) == tuple(map(full.units, (0, 0, 10, 0, 0)))


def test_a_bounty_that_wipes_before_any_default_voids_no_later_one(
    full: FundSystem, stranger: Any, other_staker: Any, keeper: Any
) -> None:
    full.house.payBounty(BTC, full.units(300), sender=stranger)
    full.stake(full.junior, other_staker, 40)
    full.resolve(stranger, 10)
    assert recovery_of(recover(full, keeper, 10)) == tuple(map(full.units, (0, 0, 10, 0, 0)))


def test_both_tranches_wiped_leave_all_to_skin(full: FundSystem, stranger: Any, keeper: Any) -> None:
    full.resolve(stranger, 600)
    assert recovery_of(recover(full, keeper, 600)) == tuple(map(full.units, (0, 0, 0, 600, 0)))
    assert full.layers() == tuple(map(full.units, (600, 0, 0, 0)))


def test_a_tranche_that_everybody_left_gets_nothing_back(owed: FundSystem, staker: Any, keeper: Any) -> None:
    owed.junior.requestRedeem(owed.junior.balanceOf(staker), staker, staker, sender=staker)
    owed.roll(owed.junior)
    owed.roll(owed.junior)
    assert owed.fund.shareEpochOf(owed.junior) == 0
    assert recovery_of(recover(owed, keeper, 200)) == tuple(map(owed.units, (60, 0, 0, 140, 0)))
    assert owed.layers() == tuple(map(owed.units, (140, 0, 0, 300)))


def test_it_goes_to_those_who_hold_the_shares_now(
    owed: FundSystem, staker: Any, other_staker: Any, keeper: Any
) -> None:
    """60 of junior are left; who stakes another 60 has half of the 140 that come back."""
    owed.stake(owed.junior, other_staker, 60)
    recover(owed, keeper, 200)
    for holder in (staker, other_staker):
        shares = owed.junior.balanceOf(holder)
        assert owed.junior.convertToAssets(shares) == pytest.approx(owed.units(130), abs=2)


def test_what_members_bore_who_were_wiped_out_goes_to_skin(
    full: FundSystem, stranger: Any, keeper: Any
) -> None:
    """Though others have contributed since."""
    full.house.setSources(0, full.units(50), True, sender=stranger)
    full.resolve(stranger, 650)
    full.house.setSources(full.units(10), full.units(70), False, sender=stranger)
    assert recovery_of(recover(full, keeper, 50)) == tuple(map(full.units, (0, 0, 0, 50, 0)))
    full.resolve(stranger, 60)
    assert recovery_of(recover(full, keeper, 60, id_=2)) == tuple(map(full.units, (50, 0, 0, 0, 10)))


def test_without_members_it_goes_to_skin_and_the_defaulter_s_own_to_him(
    owed: FundSystem, stranger: Any, keeper: Any
) -> None:
    owed.house.setSources(0, 0, False, sender=stranger)
    receipt = recover(owed, keeper, 350)
    assert recovery_of(receipt) == tuple(map(owed.units, (0, 0, 140, 160, 50)))
    assert event(receipt, "Restored") == {"account": stranger.address, "own": owed.units(50), "mutual": 0}


# -------------------------------------------------------------------- budgets


def next_window(system: FundSystem) -> int:
    """Moves to the start of the next budget window; returns its index."""
    length = system.fund.parameters().budgetWindow
    index = ape.chain.blocks.head.timestamp // length + 1
    wait_until(index * length)
    return int(index)


def test_a_market_spends_its_budget_and_no_more(full: FundSystem, stranger: Any) -> None:
    full.cover(250_000)
    window = next_window(full)
    assert full.fund.available(BTC) == full.units(150)
    assert tuple(full.fund.marketCover(BTC)) == (250_000, 0, full.units(150), window)

    receipt = full.resolve(stranger, 100)
    assert event(receipt, "BudgetOpened") == {
        "market": BTC,
        "window": window,
        "budget": full.units(150),
    }
    assert full.fund.available(BTC) == full.units(50)

    receipt = full.resolve(stranger, 100)
    assert not events(receipt, "BudgetOpened")
    assert event(receipt, "Resolved")["fromFund"] == full.units(50)
    assert record_of(full, 2)[1] == full.units(50)
    assert full.fund.available(BTC) == 0
    assert full.fund.totalAssets() == full.units(450), "the other layers are not touched for this market"
    assert full.fund.available(ETH) == full.units(450), "another market's budget is its own"


def test_every_layer_spends_the_budget(full: FundSystem, stranger: Any) -> None:
    full.cover(900_000)
    next_window(full)
    full.resolve(stranger, 500)
    assert full.fund.available(BTC) == full.units(40)
    assert event(full.resolve(stranger, 100), "Resolved")["fromFund"] == full.units(40)


def test_a_new_window_opens_a_new_budget(full: FundSystem, stranger: Any) -> None:
    full.cover(250_000)
    next_window(full)
    full.resolve(stranger, 200)
    assert full.fund.available(BTC) == 0
    window = next_window(full)
    assert full.fund.available(BTC) == full.units(450) // 4
    receipt = full.resolve(stranger, 200)
    assert event(receipt, "BudgetOpened") == {
        "market": BTC,
        "window": window,
        "budget": full.units(450) // 4,
    }
    assert event(receipt, "Resolved")["fromFund"] == full.units(450) // 4


def test_a_bounty_and_a_default_share_the_budget(full: FundSystem, stranger: Any) -> None:
    full.cover(250_000)
    next_window(full)
    full.house.payBounty(BTC, full.units(100), sender=stranger)
    assert event(full.resolve(stranger, 100), "Resolved")["fromFund"] == full.units(50)


def test_a_new_share_applies_from_the_next_window(full: FundSystem, stranger: Any) -> None:
    full.cover(250_000)
    next_window(full)
    full.resolve(stranger, 50)
    full.cover(0)
    assert full.fund.available(BTC) == full.units(100)
    next_window(full)
    assert full.fund.available(BTC) == 0
    full.resolve(stranger, 1)
    full.cover(MILLION)
    assert full.fund.available(BTC) == 0


def test_available_is_no_more_than_the_assets(full: FundSystem, stranger: Any) -> None:
    next_window(full)
    full.house.payBounty(ETH, full.units(1), sender=stranger)
    full.resolve(stranger, 500)
    assert full.fund.marketCover(ETH)[2] == full.units(599)
    assert full.fund.available(ETH) == full.fund.totalAssets() == full.units(99)


def test_a_new_window_length_opens_budgets_anew(full: FundSystem, deployer: Any, stranger: Any) -> None:
    full.cover(250_000)
    full.resolve(stranger, 600)
    assert full.fund.available(BTC) == 0
    full.fund.setParameters(tuple((PARAMETERS | {"budgetWindow": HOUR}).values()), sender=deployer)
    assert full.fund.available(BTC) == full.units(450) // 4


# ---------------------------------------------------------- what the reserve is


def test_the_reserve_counts_as_assets_and_not_as_money(full: FundSystem) -> None:
    """It widens budgets by what it counts for, and a market can still spend no more than the S there is."""
    full.cover(500_000)
    receipt = full.hold(200)
    assert event(receipt, "FromReserve") == {"amount": 0, "holds": True}
    assert full.fund.totalAssets() == full.units(800)
    assert full.layers() == tuple(map(full.units, (100, 0, 200, 300)))
    assert full.fund.layers().reserve == full.units(200)
    assert full.fund.capacity() == UINT96 - full.units(600)
    assert full.fund.available(BTC) == full.units(400)
    assert full.fund.available(ETH) == full.units(600)
    assert full.fund.marketCover(ETH)[2] == full.units(800)


def test_a_fund_without_a_reserve_does_not_ask_it(full: FundSystem, stranger: Any) -> None:
    full.revalue(200)
    assert full.fund.totalAssets() == full.fund.marketCover(BTC)[2] == full.units(600)
    assert full.fund.layers().reserve == 0
    full.resolve(stranger, 180)
    assert full.advanced() == (0, 0)


def test_a_reserve_that_holds_nothing_any_more_counts_for_nothing(full: FundSystem) -> None:
    full.hold(200)
    full.house.setReserve(full.units(200), False, sender=full.governor)
    assert full.fund.totalAssets() == full.units(600)


def test_what_the_reserve_sells_becomes_skin(full: FundSystem) -> None:
    full.hold(200)
    receipt = full.convert(50, left=140)
    assert event(receipt, "FromReserve") == {"amount": full.units(50), "holds": True}
    assert full.layers() == tuple(map(full.units, (150, 0, 200, 300)))
    assert full.fund.totalAssets() == full.units(790)
    assert full.token.balanceOf(full.fund) == full.units(650)


def test_what_the_reserve_buys_is_paid_from_skin(full: FundSystem, stranger: Any) -> None:
    full.revalue(57)
    receipt = full.house.payForReserve(stranger, full.units(60), sender=full.governor)
    assert event(receipt, "PaidForReserve") == {"to": stranger.address, "amount": full.units(60)}
    assert full.token.balanceOf(stranger) == full.units(60)
    assert full.layers() == tuple(map(full.units, (40, 0, 200, 300)))
    assert full.fund.totalAssets() == full.units(597), "and from now on the reserve is asked"


def test_skin_alone_pays_for_the_reserve(full: FundSystem, stranger: Any) -> None:
    with reverts("Panic", code=PANIC_ARITHMETIC):
        full.house.payForReserve(stranger, full.units(100) + 1, sender=full.governor)
    full.house.payForReserve(stranger, full.units(100), sender=full.governor)
    assert full.layers() == tuple(map(full.units, (0, 0, 200, 300)))


def test_what_the_reserve_sells_must_fit_into_the_books(deploy: Any, deployer: Any) -> None:
    system: FundSystem = deploy("TestToken", "Dollar", "USD", 18)
    system.token.mint(deployer, UINT96, sender=deployer)
    system.token.approve(system.fund, UINT256, sender=deployer)
    system.fund.contribute(UINT96, sender=deployer)
    system.hold(1)
    system.token.mint(system.house, 1, sender=deployer)
    with reverts("CapacityExceeded", amount=1, capacity=0):
        system.house.sellFromReserve(1, True, sender=deployer)


def test_a_reserve_beyond_all_measure_stops_nothing(full: FundSystem, stranger: Any) -> None:
    full.house.setReserve(UINT256, True, sender=stranger)
    assert full.fund.totalAssets() == full.units(600) + UINT96
    receipt = full.house.resolve(stranger, BTC, UINT128, 0, sender=stranger)
    assert event(receipt, "BudgetOpened")["budget"] == UINT96
    assert event(receipt, "Resolved")["fromFund"] == full.units(600)
    assert full.advanced() == (full.units(200), full.units(300))


# -------------------------------------------------------------------- advances


def advance(system: FundSystem, account: Any, reserve: float, shortfall: float) -> Any:
    """A default while the reserve counts for so much."""
    system.hold(reserve)
    return system.resolve(account, shortfall)


@pytest.fixture
def advanced(full: FundSystem, stranger: Any) -> FundSystem:
    """Default 1 cost 400 with 350 in the reserve: skin had 100, junior advanced its 200, senior 100."""
    advance(full, stranger, 350, 400)
    return full


@pytest.mark.parametrize(
    ("reserve", "shortfall", "paid", "left", "owed"),
    [
        pytest.param(150, 100, (100, 0, 0), (0, 200, 300), (0, 0), id="skin is enough"),
        pytest.param(150, 180, (180, 0, 0), (0, 120, 300), (80, 0), id="junior advances"),
        pytest.param(350, 400, (400, 0, 0), (0, 0, 200), (200, 100), id="then senior"),
        pytest.param(150, 251, (250, 1, 0), (0, 49, 300), (150, 0), id="beyond it junior loses"),
        pytest.param(150, 300, (250, 50, 0), (0, 0, 300), (150, 0), id="the last of its S"),
        pytest.param(150, 400, (250, 50, 100), (0, 0, 200), (150, 0), id="then senior loses"),
        pytest.param(250, 400, (350, 0, 50), (0, 0, 200), (200, 50), id="senior has advanced, and loses"),
        pytest.param(1_000, 900, (600, 0, 0), (0, 0, 0), (200, 300), id="no more than there is"),
    ],
)
def test_what_skin_owes_is_advanced_by_the_tranches(
    full: FundSystem,
    stranger: Any,
    reserve: int,
    shortfall: int,
    paid: tuple[int, ...],
    left: tuple[int, ...],
    owed: tuple[int, ...],
) -> None:
    """Layer 4 pays it; what layers 5 and 6 have is what is left of theirs."""
    units = full.units
    held = full.token.balanceOf(full.house)
    receipt = advance(full, stranger, reserve, shortfall)
    record, remainder = record_of(full, 1)
    skin, junior, senior = map(units, paid)
    assert record.paid == (0, 0, skin, junior, senior, 0, 0)
    assert remainder == units(shortfall) - skin - junior - senior  # P4
    assert event(receipt, "Defaulted")["record"][6] == skin
    skin_left, *tranches_left = map(units, left)
    assert full.layers() == (skin_left, 0, *tranches_left)
    assert full.advanced() == tuple(map(units, owed))
    logged = [{"junior": units(owed[0]), "senior": units(owed[1])}] if any(owed) else []
    assert events(receipt, "Advanced") == logged
    assert tuple(full.fund.skin()) == (skin_left, units(sum(owed)))
    assert full.token.balanceOf(full.house) - held == skin + junior + senior
    assert full.token.balanceOf(full.fund) == sum(full.layers())
    assert full.fund.totalAssets() == sum(full.layers()) + units(reserve)


def test_an_advance_costs_its_tranche_nothing(full: FundSystem, stranger: Any, staker: Any) -> None:
    """P7: assets and share prices stay what they were; a loss of its own lowers them."""
    tranches = full.junior, full.senior
    before = [(t.totalAssets(), t.convertToAssets(10**12)) for t in tranches]
    advance(full, stranger, 350, 400)
    assert [(t.totalAssets(), t.convertToAssets(10**12)) for t in tranches] == before
    assert full.junior.convertToAssets(full.junior.balanceOf(staker)) == full.units(200)
    full.resolve(stranger, 100)
    assert full.advanced() == (full.units(200), full.units(150))
    assert [t.totalAssets() for t in tranches] == [full.units(200), full.units(250)]


def test_an_advance_spends_the_market_s_budget(full: FundSystem, stranger: Any) -> None:
    """A quarter of 600 and 200."""
    full.cover(250_000)
    next_window(full)
    advance(full, stranger, 200, 300)
    assert record_of(full, 1)[0].paid == (0, 0, full.units(200), 0, 0, 0, 0)
    assert full.advanced() == (full.units(100), 0)
    assert full.fund.available(BTC) == full.fund.marketCover(BTC)[2] == 0


def test_what_is_advanced_already_is_not_advanced_again(full: FundSystem, stranger: Any) -> None:
    """Of 150, 100 are: of the next 100, 50 are advanced, and 50 are junior's own."""
    advance(full, stranger, 150, 200)
    full.resolve(stranger, 100)
    assert record_of(full, 2)[0].paid == tuple(map(full.units, (0, 0, 50, 50, 0, 0, 0)))
    assert full.advanced() == (full.units(150), 0)
    assert full.layers() == (0, 0, 0, full.units(300))


def test_nothing_is_advanced_on_what_has_lost_its_peg(full: FundSystem, stranger: Any) -> None:
    """150 are advanced; at 0.87 the reserve counts for 130.5: junior bears the next loss itself."""
    advance(full, stranger, 150, 250)
    full.revalue(150 * 0.87)
    full.resolve(stranger, 30)
    assert record_of(full, 2)[0].paid == tuple(map(full.units, (0, 0, 0, 30, 0, 0, 0)))
    assert full.advanced() == (full.units(150), 0)
    full.revalue(160)
    full.resolve(stranger, 30)
    assert record_of(full, 3)[0].paid == tuple(map(full.units, (0, 0, 10, 10, 10, 0, 0)))
    assert full.advanced() == (full.units(160), 0)
    assert full.layers() == (0, 0, 0, full.units(290))


def test_unvested_income_is_spent_before_anything_is_advanced(
    full: FundSystem, keeper: Any, stranger: Any
) -> None:
    since = start_stream(full, keeper, 70)
    full.hold(500)
    next_block_at(since + DAY)
    full.resolve(stranger, 200)
    assert full.layers() == tuple(map(full.units, (0, 0, 206 - 40, 304)))
    assert full.advanced() == (full.units(40), 0)
    assert record_of(full, 1)[0].skin == full.units(200)


def test_a_bounty_can_be_advanced(full: FundSystem, stranger: Any) -> None:
    full.hold(150)
    receipt = full.house.payBounty(BTC, full.units(260), sender=stranger)
    assert event(receipt, "BountyPaid") == {
        "market": BTC,
        "amount": full.units(260),
        "skin": full.units(250),
        "junior": full.units(10),
        "senior": 0,
    }
    assert event(receipt, "Advanced") == {"junior": full.units(150), "senior": 0}
    assert full.advanced() == (full.units(150), 0)


def test_the_other_layers_stay_in_order(full: FundSystem, stranger: Any) -> None:
    full.cover(MILLION, 200_000)
    full.house.setSources(full.units(50), full.units(150), False, sender=stranger)
    full.hold(150)
    full.resolve(stranger, 850, 50)
    assert record_of(full, 1)[0].paid == tuple(map(full.units, (50, 50, 250, 50, 300, 150, 0)))


# ---- the gate


def test_while_an_advance_is_open_nobody_enters_or_leaves(
    advanced: FundSystem, staker: Any, keeper: Any, deployer: Any
) -> None:
    junior = advanced.junior
    assert not advanced.fund.gateOpen()
    assert junior.maxDeposit(staker) == junior.maxMint(staker) == 0
    amount = advanced.fill(staker, junior, 10)
    with reverts("GateClosed"):
        junior.deposit(amount, staker, sender=staker)
    wait(junior.epochDuration())
    with reverts("GateClosed"):
        junior.roll(sender=keeper)
    advanced.contribute(deployer, 299)
    assert not advanced.fund.gateOpen()
    advanced.contribute(deployer, 1)
    assert advanced.fund.gateOpen()
    junior.roll(sender=keeper)
    junior.deposit(amount, staker, sender=staker)
    assert advanced.layers() == tuple(map(advanced.units, (0, 0, 210, 300)))


def test_an_insolvency_shuts_the_gate_too(advanced: FundSystem, deployer: Any) -> None:
    advanced.close_gate()
    advanced.contribute(deployer, 300)
    assert not advanced.fund.gateOpen()
    advanced.open_gate()
    assert advanced.fund.gateOpen()


# ---- repayment


REPAYMENTS = [
    pytest.param(60, (0, 60), 0, id="a part of senior's"),
    pytest.param(100, (0, 100), 0, id="senior's"),
    pytest.param(130, (30, 100), 0, id="then a part of junior's"),
    pytest.param(300, (200, 100), 0, id="everything"),
    pytest.param(320, (200, 100), 20, id="and skin has the rest"),
]


def check_repaid(system: FundSystem, receipt: Any, parts: tuple[int, int], rest: int) -> None:
    junior, senior = map(system.units, parts)
    assert event(receipt, "AdvanceRepaid") == {"junior": junior, "senior": senior}
    assert system.layers() == (system.units(rest), 0, junior, system.units(200) + senior)
    assert system.advanced() == (system.units(200) - junior, system.units(100) - senior)
    assert system.fund.gateOpen() == (parts == (200, 100))
    assert system.token.balanceOf(system.fund) == sum(system.layers())


@pytest.mark.parametrize(("amount", "parts", "rest"), REPAYMENTS)
def test_a_gift_repays_advances_first(
    advanced: FundSystem, deployer: Any, amount: int, parts: tuple[int, int], rest: int
) -> None:
    receipt = advanced.contribute(deployer, amount)
    assert event(receipt, "Contributed")["amount"] == advanced.units(amount)
    check_repaid(advanced, receipt, parts, rest)


@pytest.mark.parametrize(("amount", "parts", "rest"), REPAYMENTS)
def test_a_sale_repays_advances_first(
    advanced: FundSystem, amount: int, parts: tuple[int, int], rest: int
) -> None:
    check_repaid(advanced, advanced.convert(amount, left=10), parts, rest)


@pytest.mark.parametrize(("amount", "parts", "rest"), REPAYMENTS)
def test_a_recovery_repays_advances_first(
    advanced: FundSystem, keeper: Any, amount: int, parts: tuple[int, int], rest: int
) -> None:
    """What layer 4 bore was not the tranches' loss, and comes back to skin, which owes it to them."""
    receipt = recover(advanced, keeper, amount)
    assert recovery_of(receipt) == (0, 0, 0, advanced.units(amount), 0)
    check_repaid(advanced, receipt, parts, rest)


@pytest.mark.parametrize(("amount", "parts", "rest"), REPAYMENTS)
def test_income_repays_advances_first(
    advanced: FundSystem, keeper: Any, deployer: Any, amount: int, parts: tuple[int, int], rest: int
) -> None:
    """320 = the target of 370, and 300 that are owed, less the 350 in the reserve."""
    wanted = PARAMETERS | {"skinTarget": advanced.units(370)}
    advanced.fund.setParameters(tuple(wanted.values()), sender=deployer)
    receipt = advanced.collect(keeper, 0, levies=amount)
    assert event(receipt, "IncomeCollected")["toSkin"] == advanced.units(amount)
    check_repaid(advanced, receipt, parts, rest)


def test_a_second_repayment_goes_on_where_the_first_ended(advanced: FundSystem, deployer: Any) -> None:
    advanced.contribute(deployer, 90)
    receipt = advanced.contribute(deployer, 30)
    assert event(receipt, "AdvanceRepaid") == {"junior": advanced.units(20), "senior": advanced.units(10)}


def test_a_fund_that_owes_nothing_repays_nothing(full: FundSystem, deployer: Any) -> None:
    full.hold(100)
    assert not events(full.contribute(deployer, 10), "AdvanceRepaid")
    assert not events(full.convert(10, left=90), "AdvanceRepaid")


def test_what_has_been_repaid_can_be_advanced_again(
    advanced: FundSystem, stranger: Any, deployer: Any
) -> None:
    """Of 350, 150 are owed: 200 more can be advanced, and junior's S comes first again."""
    advanced.contribute(deployer, 150)
    assert advanced.advanced() == (advanced.units(150), 0)
    advanced.resolve(stranger, 260)
    assert advanced.advanced() == (advanced.units(200), advanced.units(150))
    assert record_of(advanced, 2)[0].paid == tuple(map(advanced.units, (0, 0, 200, 0, 60, 0, 0)))


# ---- income


@pytest.mark.parametrize(
    ("target", "reserve", "income", "to_skin"),
    [
        pytest.param(130, 20, 100, 10, id="the reserve counts as skin"),
        pytest.param(130, 30, 100, 0, id="to the last unit"),
        pytest.param(130, 500, 100, 0, id="more than the target"),
        pytest.param(130, 0, 100, 30, id="no reserve"),
    ],
)
def test_income_restores_what_skin_and_reserve_lack(
    full: FundSystem, keeper: Any, deployer: Any, target: int, reserve: int, income: int, to_skin: int
) -> None:
    wanted = PARAMETERS | {"skinTarget": full.units(target)}
    full.fund.setParameters(tuple(wanted.values()), sender=deployer)
    if reserve:
        full.hold(reserve)
    receipt = full.collect(keeper, 0, levies=income)
    assert event(receipt, "IncomeCollected")["toSkin"] == full.units(to_skin)
    assert full.layers() == tuple(map(full.units, (100 + to_skin, income - to_skin, 200, 300)))


@pytest.mark.parametrize(
    ("target", "reserve", "to_skin"),
    [
        pytest.param(130, 150, 60, id="target and 80 owed, less the reserve"),
        pytest.param(0, 150, 0, id="the reserve covers what is owed"),
        pytest.param(0, 70, 10, id="it does not any more"),
        pytest.param(130, 0, 100, id="all of it"),
    ],
)
def test_income_restores_what_is_owed_too(
    full: FundSystem, keeper: Any, deployer: Any, stranger: Any, target: int, reserve: int, to_skin: int
) -> None:
    """Junior has advanced 80; of 100, the rest streams."""
    advance(full, stranger, 150, 180)
    full.revalue(reserve)
    wanted = PARAMETERS | {"skinTarget": full.units(target)}
    full.fund.setParameters(tuple(wanted.values()), sender=deployer)
    receipt = full.collect(keeper, 0, levies=100)
    assert event(receipt, "IncomeCollected")["toSkin"] == full.units(to_skin)
    repaid = min(to_skin, 80)
    assert full.layers() == tuple(map(full.units, (to_skin - repaid, 100 - to_skin, 120 + repaid, 300)))
    assert full.advanced() == (full.units(80 - repaid), 0)


def test_while_an_advance_is_open_the_treasury_gets_nothing(advanced: FundSystem, keeper: Any) -> None:
    receipt = advanced.collect(keeper, fees=100)
    assert event(receipt, "IncomeCollected")["treasury"] == 0
    assert advanced.token.balanceOf(advanced.treasury) == 0
    assert advanced.fund.totalAssets() == advanced.units(200 + 350 + 100)


def test_members_earn_beside_a_fund_with_a_reserve(full: FundSystem, keeper: Any, deployer: Any) -> None:
    """Of 100: 200/(200 + 800), since 200 in the reserve count as the fund's."""
    full.fund.setParameters(tuple((PARAMETERS | {"memberShare": MILLION}).values()), sender=deployer)
    full.house.setSources(0, full.units(200), False, sender=keeper)
    full.hold(200)
    assert event(full.collect(keeper, 0, levies=100), "IncomeCollected")["toMembers"] == full.units(20)


def test_vesting_goes_on_while_an_advance_is_open(advanced: FundSystem, keeper: Any) -> None:
    since = start_stream(advanced, keeper, 70)
    wait_until(since + STREAM)
    assert advanced.layers() == tuple(map(advanced.units, (0, 0, 42, 228)))
    assert advanced.fund.trancheState(advanced.junior)[0] == advanced.units(242)


# ---- write-off


def test_the_last_sale_writes_off_what_it_does_not_repay(advanced: FundSystem) -> None:
    """At 0.87 of 300 it brings 261: senior has its 100 back, junior 161 of 200."""
    receipt = advanced.convert(261, left=0)
    assert event(receipt, "AdvanceRepaid") == {"junior": advanced.units(161), "senior": advanced.units(100)}
    assert event(receipt, "AdvanceWrittenOff") == {"junior": advanced.units(39), "senior": 0}
    assert not events(receipt, "TrancheWiped")
    assert advanced.layers() == tuple(map(advanced.units, (0, 0, 161, 300)))
    assert advanced.advanced() == (0, 0)
    assert advanced.fund.trancheState(advanced.junior) == [advanced.units(161), 0]
    assert advanced.fund.gateOpen()
    assert advanced.fund.totalAssets() == advanced.units(461)


def test_a_last_sale_that_repays_everything_writes_nothing_off(advanced: FundSystem) -> None:
    receipt = advanced.convert(310, left=0)
    assert not events(receipt, "AdvanceWrittenOff")
    assert advanced.layers() == tuple(map(advanced.units, (10, 0, 200, 300)))
    assert advanced.fund.gateOpen()


def test_a_tranche_that_loses_its_advance_and_has_no_s_is_wiped_out(advanced: FundSystem) -> None:
    """Junior has nothing but what it advanced, and gets nothing of it; senior still has S."""
    receipt = advanced.convert(50, left=0)
    assert event(receipt, "AdvanceWrittenOff") == {
        "junior": advanced.units(200),
        "senior": advanced.units(50),
    }
    assert event(receipt, "TrancheWiped") == {"tranche": advanced.junior.address, "shareEpoch": 1}
    assert advanced.layers() == tuple(map(advanced.units, (0, 0, 0, 250)))
    assert advanced.fund.trancheState(advanced.junior) == [0, 1]
    assert advanced.fund.trancheState(advanced.senior) == [advanced.units(250), 0]


def test_a_write_off_can_wipe_both(full: FundSystem, stranger: Any, staker: Any, other_staker: Any) -> None:
    advance(full, stranger, 500, 600)
    receipt = full.convert(0, left=0)
    assert [log["tranche"] for log in events(receipt, "TrancheWiped")] == [
        full.junior.address,
        full.senior.address,
    ]
    assert full.junior.balanceOf(staker) == full.senior.balanceOf(other_staker) == 0
    assert full.fund.totalAssets() == 0
    assert full.fund.gateOpen()


def test_a_tranche_that_lost_no_advance_is_not_wiped_by_a_write_off(full: FundSystem, stranger: Any) -> None:
    """Junior has S besides, and senior advanced nothing."""
    advance(full, stranger, 150, 180)
    receipt = full.convert(0, left=0)
    assert event(receipt, "AdvanceWrittenOff") == {"junior": full.units(80), "senior": 0}
    assert not events(receipt, "TrancheWiped")
    assert full.layers() == tuple(map(full.units, (0, 0, 120, 300)))


def test_what_vested_before_a_write_off_saves_a_tranche(advanced: FundSystem, keeper: Any) -> None:
    since = start_stream(advanced, keeper, 70)
    advanced.revalue(0)
    advanced.token.mint(advanced.house, 1, sender=keeper)
    next_block_at(since + DAY)
    receipt = advanced.house.sellFromReserve(1, False, sender=keeper)
    assert event(receipt, "Vested") == {"junior": advanced.units(6), "senior": advanced.units(4)}
    assert not events(receipt, "TrancheWiped")
    assert advanced.layers() == (0, *map(advanced.units, (60, 6)), advanced.units(204) + 1)


def test_a_tranche_that_has_advanced_is_not_wiped_by_its_own_loss(
    full: FundSystem, stranger: Any, staker: Any, deployer: Any
) -> None:
    """It still has what it advanced; once that is back it can be wiped."""
    receipt = advance(full, stranger, 150, 300)
    assert full.layers() == tuple(map(full.units, (0, 0, 0, 300)))
    assert not events(receipt, "TrancheWiped")
    assert full.fund.trancheState(full.junior) == [full.units(150), 0]
    assert full.junior.balanceOf(staker) > 0

    full.contribute(deployer, 150)
    assert full.layers() == tuple(map(full.units, (0, 0, 150, 300)))
    full.revalue(0)
    receipt = full.resolve(stranger, 150)
    assert event(receipt, "TrancheWiped") == {"tranche": full.junior.address, "shareEpoch": 1}


def test_senior_is_not_wiped_by_its_own_loss_either(full: FundSystem, stranger: Any) -> None:
    receipt = advance(full, stranger, 250, 600)
    assert record_of(full, 1)[0].paid == tuple(map(full.units, (0, 0, 350, 0, 250, 0, 0)))
    assert full.layers() == (0, 0, 0, 0)
    assert full.advanced() == (full.units(200), full.units(50))
    assert not events(receipt, "TrancheWiped")
    receipt = full.convert(20, left=0)
    wiped = [log["tranche"] for log in events(receipt, "TrancheWiped")]
    assert wiped == [full.junior.address], "senior has 20 of its 50 back"
    assert full.layers() == (0, 0, 0, full.units(20))


def test_a_wiped_tranche_earns_no_more(advanced: FundSystem, keeper: Any) -> None:
    advanced.convert(50, left=0)
    since = start_stream(advanced, keeper, 70)
    wait_until(since + STREAM)
    assert advanced.layers() == tuple(map(advanced.units, (0, 0, 0, 320)))


# ---- recoveries, where something was advanced


def test_layer_4_gets_back_what_it_and_its_advances_paid(
    full: FundSystem, stranger: Any, keeper: Any
) -> None:
    """Skin 100, 150 advanced, junior 50, senior 100: in reverse, and skin pays the advances back."""
    advance(full, stranger, 150, 400)
    receipt = recover(full, keeper, 400)
    assert recovery_of(receipt) == tuple(map(full.units, (0, 100, 50, 250, 0)))
    assert event(receipt, "AdvanceRepaid") == {"junior": full.units(150), "senior": 0}
    assert full.layers() == tuple(map(full.units, (100, 0, 200, 300)))
    assert full.fund.gateOpen()


def test_what_a_tranche_bore_that_a_write_off_wiped_goes_to_skin(
    full: FundSystem, stranger: Any, other_staker: Any, keeper: Any
) -> None:
    advance(full, stranger, 150, 400)
    assert events(full.convert(0, left=0), "TrancheWiped")
    full.stake(full.junior, other_staker, 40)
    full.resolve(stranger, 10)
    assert recovery_of(recover(full, keeper, 400)) == tuple(map(full.units, (0, 100, 0, 300, 0)))
    assert recovery_of(recover(full, keeper, 10, 2)) == tuple(map(full.units, (0, 0, 10, 0, 0)))
    assert full.layers() == tuple(map(full.units, (300, 0, 40, 300)))


# ---- governance


def test_governance_writes_off_what_nothing_of_value_backs(
    advanced: FundSystem, deployer: Any, stranger: Any
) -> None:
    """The reserve still holds something: when that has a price again it counts again."""
    with reverts("AdvancesBacked", value=advanced.units(350)):
        advanced.fund.writeOffAdvances(sender=deployer)
    advanced.house.setValue(1, sender=stranger)
    with reverts("AdvancesBacked", value=1):
        advanced.fund.writeOffAdvances(sender=deployer)
    advanced.revalue(0)
    receipt = advanced.fund.writeOffAdvances(sender=deployer)
    assert event(receipt, "AdvanceWrittenOff") == {
        "junior": advanced.units(200),
        "senior": advanced.units(100),
    }
    assert event(receipt, "TrancheWiped") == {"tranche": advanced.junior.address, "shareEpoch": 1}
    assert advanced.layers() == tuple(map(advanced.units, (0, 0, 0, 200)))
    assert advanced.advanced() == (0, 0)
    assert advanced.fund.gateOpen()

    advanced.revalue(90)
    assert advanced.fund.totalAssets() == advanced.units(290)
    advanced.resolve(stranger, 100)
    assert advanced.advanced() == (0, advanced.units(90))
    assert record_of(advanced, 2)[0].paid == tuple(map(advanced.units, (0, 0, 90, 0, 10, 0, 0)))


def test_without_an_advance_there_is_nothing_to_write_off(full: FundSystem, deployer: Any) -> None:
    with reverts("NoAdvance"):
        full.fund.writeOffAdvances(sender=deployer)
    full.hold(0)
    with reverts("NoAdvance"):
        full.fund.writeOffAdvances(sender=deployer)


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
    record, remainder = record_of(system, 1)
    assert sum(record.paid) == record.shortfall == system.units(500)
    assert remainder == 0
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
    assert record_of(system, 1)[0].paid == tuple(map(system.units, (0, 0, 200, 0, 0, 0, 0)))
    assert record_of(system, 2)[0].paid == tuple(map(system.units, (0, 0, 50, 30, 0, 0, 0)))
    assert system.layers() == tuple(map(system.units, (0, 0, 20, 0)))
    assert system.advanced() == (system.units(150), 0)
    assert system.token.balanceOf(system.fund) == system.units(20)
