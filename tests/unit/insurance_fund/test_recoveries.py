"""InsuranceFund: what comes back of a default, and to whom (SPECIFICATION.md section 5)."""

from __future__ import annotations

from typing import Any

import ape
import pytest

from tests.expect import event, events, reverts
from tests.unit.fund_helpers import (
    BTC,
    ETH,
    MILLION,
    FundSystem,
)
from tests.unit.insurance_fund.books import (
    UINT96,
    UINT256,
    paid_by_layer,
    record_of,
    recover,
    recovery_of,
)

# ----------------------------------------------------------------- recoveries


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
    assert paid_by_layer(record_of(owed, 2)) == tuple(map(owed.units, (0, 0, 0, 60, 10, 0, 0)))
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
