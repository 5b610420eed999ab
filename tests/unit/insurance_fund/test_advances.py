"""InsuranceFund: what the tranches advance for the reserve (SPECIFICATION.md section 6.3)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.expect import PANIC_ARITHMETIC, event, events, reverts
from tests.unit.fund_helpers import (
    BTC,
    DAY,
    ETH,
    MILLION,
    FundSystem,
    next_block_at,
    wait,
)
from tests.unit.insurance_fund.books import (
    UINT96,
    UINT128,
    UINT256,
    advance,
    next_window,
    paid_by_layer,
    record_of,
    start_stream,
)

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
    record = record_of(full, 1)
    skin, junior, senior = map(units, paid)
    assert paid_by_layer(record) == (0, 0, skin, junior, senior, 0, 0)
    assert record.remainder == units(shortfall) - skin - junior - senior  # P4
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
    assert paid_by_layer(record_of(full, 1)) == (0, 0, full.units(200), 0, 0, 0, 0)
    assert full.advanced() == (full.units(100), 0)
    assert full.fund.available(BTC) == full.fund.marketCover(BTC)[2] == 0


def test_what_is_advanced_already_is_not_advanced_again(full: FundSystem, stranger: Any) -> None:
    """Of 150, 100 are: of the next 100, 50 are advanced, and 50 are junior's own."""
    advance(full, stranger, 150, 200)
    full.resolve(stranger, 100)
    assert paid_by_layer(record_of(full, 2)) == tuple(map(full.units, (0, 0, 50, 50, 0, 0, 0)))
    assert full.advanced() == (full.units(150), 0)
    assert full.layers() == (0, 0, 0, full.units(300))


def test_nothing_is_advanced_on_what_has_lost_its_peg(full: FundSystem, stranger: Any) -> None:
    """150 are advanced; at 0.87 the reserve counts for 130.5: junior bears the next loss itself."""
    advance(full, stranger, 150, 250)
    full.revalue(150 * 0.87)
    full.resolve(stranger, 30)
    assert paid_by_layer(record_of(full, 2)) == tuple(map(full.units, (0, 0, 0, 30, 0, 0, 0)))
    assert full.advanced() == (full.units(150), 0)
    full.revalue(160)
    full.resolve(stranger, 30)
    assert paid_by_layer(record_of(full, 3)) == tuple(map(full.units, (0, 0, 10, 10, 10, 0, 0)))
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
    assert record_of(full, 1).skin == full.units(200)


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
    assert paid_by_layer(record_of(full, 1)) == tuple(map(full.units, (50, 50, 250, 50, 300, 150, 0)))


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
