"""GuarantyFund (SPECIFICATION.md section 6.2): notices, releases, and what positions ask for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import ape
import pytest

from tests.expect import event, reverts
from tests.system import System
from tests.unit.fund_helpers import next_block_at, wait_until
from tests.unit.guaranty_fund.books import (
    BTC,
    DAY,
    HOUR,
    NOTICE,
    REVERTING,
    UNITS,
    WINDOW,
    at_rest,
    balances,
    book,
    give_index,
    give_notice,
    leave,
    set_guaranty,
    shut_gate,
    usd,
)

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
