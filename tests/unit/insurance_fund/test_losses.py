"""InsuranceFund: the order of losses, budgets and bounties (SPECIFICATION.md section 5)."""

from __future__ import annotations

from typing import Any

import ape
import pytest
from eth_utils import to_checksum_address

from tests.expect import event, events
from tests.unit.fund_helpers import (
    BTC,
    DAY,
    ETH,
    MILLION,
    PARAMETERS,
    FundSystem,
    next_block_at,
)
from tests.unit.insurance_fund.books import (
    HOUR,
    STREAM,
    UINT128,
    next_window,
    paid_by_layer,
    record_of,
    start_stream,
)
from weir.states import DefaultRecord

# ------------------------------------------------------------ layers of a loss


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
    record = record_of(full, 1)
    assert (record.account, record.market, record.time) == (stranger.address, BTC, receipt.timestamp)
    assert record.shortfall == units(shortfall)
    assert paid_by_layer(record) == tuple(map(units, paid))
    assert record.remainder == units(remainder)
    assert sum(paid_by_layer(record)) + record.remainder == record.shortfall  # P4

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
    assert logged["remainder"] == record.remainder
    account, *values = logged["record"]
    assert DefaultRecord(1, to_checksum_address(account), *values, record.remainder, 0) == record


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
    record = record_of(full, 1)
    assert paid_by_layer(record) == tuple(map(full.units, paid))
    assert record.remainder == 0
    full.cover(MILLION, 123_456)
    assert record_of(full, 1) == record, "a record keeps the ratio of its time"


def test_coinsurance_of_all_profit_leaves_no_second_part(full: FundSystem, stranger: Any) -> None:
    full.cover(MILLION, MILLION)
    full.resolve(stranger, 800, 50)
    record = record_of(full, 1)
    assert paid_by_layer(record) == tuple(map(full.units, (0, 50, 100, 200, 300, 0, 0)))
    assert record.remainder == full.units(150)


def test_unvested_income_pays_after_skin(full: FundSystem, keeper: Any, stranger: Any) -> None:
    since = start_stream(full, keeper, 70)
    next_block_at(since + DAY)
    full.resolve(stranger, 130)
    record = record_of(full, 1)
    assert paid_by_layer(record) == tuple(map(full.units, (0, 0, 130, 0, 0, 0, 0)))
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
    record = record_of(full, 1)
    assert paid_by_layer(record) == tuple(map(units, paid))
    assert record.remainder == units(remainder)
    assert sum(paid_by_layer(record)) + record.remainder == record.shortfall == units(shortfall)  # P4
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
    assert DefaultRecord(1, to_checksum_address(account), *values, record.remainder, 0) == record


def test_mutual_comes_before_the_rest_of_unpaid_profit(full: FundSystem, stranger: Any) -> None:
    full.house.setSources(0, full.units(150), False, sender=stranger)
    full.resolve(stranger, 740, 50)
    assert paid_by_layer(record_of(full, 1)) == tuple(map(full.units, (0, 0, 100, 200, 300, 140, 0)))
    full.resolve(stranger, 70, 50)
    assert paid_by_layer(record_of(full, 2)) == tuple(map(full.units, (0, 0, 0, 0, 0, 10, 50)))


def test_the_fund_s_budget_is_not_the_members(full: FundSystem, stranger: Any) -> None:
    """Own and mutual neither need it nor use it up."""
    full.cover(100_000)
    next_window(full)
    full.house.setSources(full.units(50), full.units(150), False, sender=stranger)
    full.resolve(stranger, 250)
    assert paid_by_layer(record_of(full, 1)) == tuple(map(full.units, (50, 0, 60, 0, 0, 140, 0)))
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
    record = record_of(system, 1)
    assert paid_by_layer(record) == (0, 0, 0, 0, 0, 0, system.units(30))
    assert record.remainder == system.units(70)
    assert event(system.house.payBounty(BTC, 5, sender=stranger), "Paid")["amount"] == 0


def test_a_market_without_cover_gets_nothing(full: FundSystem, stranger: Any) -> None:
    receipt = full.resolve(stranger, 100, 30, market=9)
    assert event(receipt, "Resolved") == {"fromProfit": full.units(30), "fromFund": 0}
    assert full.fund.totalAssets() == full.units(600)


def test_zero_layers_are_passed_over(system: FundSystem, other_staker: Any, stranger: Any) -> None:
    system.cover(MILLION)
    system.stake(system.senior, other_staker, 50)
    system.resolve(stranger, 20)
    assert paid_by_layer(record_of(system, 1)) == (0, 0, 0, 0, system.units(20), 0, 0)


def test_the_largest_shortfall_resolves(full: FundSystem, stranger: Any) -> None:
    full.house.resolve(stranger, BTC, UINT128, UINT128, sender=stranger)
    record = record_of(full, 1)
    assert record.shortfall == UINT128
    assert record.unpaid_profit == UINT128 - full.units(600)
    assert record.remainder == 0


def test_records_are_numbered_from_one(full: FundSystem, stranger: Any) -> None:
    for market, shortfall in ((BTC, 10), (ETH, 20)):
        full.resolve(stranger, shortfall, market=market)
    assert full.fund.defaultCount() == 2
    for id_, (market, shortfall) in enumerate(((BTC, 10), (ETH, 20)), start=1):
        record = record_of(full, id_)
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
    assert event(receipt, "BountyPaid") == {"market": BTC, "amount": 0, "skin": 0, "junior": 0, "senior": 0}


# -------------------------------------------------------------------- budgets


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
    assert record_of(full, 2).remainder == full.units(50)
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
