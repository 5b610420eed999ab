"""InsuranceFund: how advances end (SPECIFICATION.md section 6.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.expect import event, events, reverts
from tests.unit.fund_helpers import (
    DAY,
    MILLION,
    PARAMETERS,
    FundSystem,
    next_block_at,
    wait_until,
)
from tests.unit.insurance_fund.books import (
    STREAM,
    advance,
    paid_by_layer,
    record_of,
    recover,
    recovery_of,
    start_stream,
)

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
    assert paid_by_layer(record_of(advanced, 2)) == tuple(map(advanced.units, (0, 0, 200, 0, 60, 0, 0)))


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
    assert paid_by_layer(record_of(full, 1)) == tuple(map(full.units, (0, 0, 350, 0, 250, 0, 0)))
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
    assert paid_by_layer(record_of(advanced, 2)) == tuple(map(advanced.units, (0, 0, 90, 0, 10, 0, 0)))


def test_without_an_advance_there_is_nothing_to_write_off(full: FundSystem, deployer: Any) -> None:
    with reverts("NoAdvance"):
        full.fund.writeOffAdvances(sender=deployer)
    full.hold(0)
    with reverts("NoAdvance"):
        full.fund.writeOffAdvances(sender=deployer)
