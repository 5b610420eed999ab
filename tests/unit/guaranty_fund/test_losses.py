"""GuarantyFund (SPECIFICATION.md section 6.2): losses, their budgets, income, recoveries, roundings."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
import pytest

from tests.expect import event, events, reverts
from tests.system import System
from tests.unit.fund_helpers import wait_until
from tests.unit.guaranty_fund.books import (
    BTC,
    DAY,
    ETH,
    HOUR,
    MILLION,
    NOTICE,
    UNITS,
    at_rest,
    balances,
    book,
    give_index,
    give_notice,
    leave,
    set_guaranty,
    usd,
)

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
