"""InsuranceFund: who gets what of the income (SPECIFICATION.md section 6)."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.expect import event, events, reverts
from tests.unit.fund_helpers import (
    DAY,
    FUND_SHARE,
    MILLION,
    PARAMETERS,
    FundSystem,
    next_block_at,
    wait,
    wait_until,
)
from tests.unit.insurance_fund.books import (
    HOUR,
    STREAM,
    start_stream,
)

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
