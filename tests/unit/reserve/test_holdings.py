"""Reserve (SPECIFICATION.md section 6.3): what it holds, and what that counts for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.expect import ZERO_ADDRESS, event, events, reverts
from tests.system import WAD, System
from tests.unit.reserve.books import (
    ALL,
    SAVE,
    SUSD,
    USDX,
    USDY,
    give_shares,
    kill_vault,
    lose,
    offer,
    pay,
    skin,
    tokens,
    value,
    worth,
)
from weir.deployment import to_units

# ---------------------------------------------------------------- construction


def test_the_reserve_knows_its_fund_and_its_registry(empty_reserve: System) -> None:
    assert empty_reserve.reserve.fund() == empty_reserve.fund.address
    assert empty_reserve.reserve.stablecoins() == empty_reserve.stablecoins.address
    assert empty_reserve.fund.reserve() == empty_reserve.reserve.address


@pytest.mark.parametrize("missing", [0, 1])
def test_wiring_has_no_zero_address(project: Any, empty_reserve: System, deployer: Any, missing: int) -> None:
    arguments: list[Any] = [empty_reserve.stablecoins, empty_reserve.fund]
    arguments[missing] = ZERO_ADDRESS
    with reverts("ZeroAddress"):
        deployer.deploy(project.Reserve, *arguments)


# --------------------------------------------------------------- contributions


def test_a_contribution_is_booked_and_counts(empty_reserve: System, deployer: Any) -> None:
    """The fund hears of the first, of whatever asset, and asks from then on."""
    system = empty_reserve
    receipt = system.donate(deployer, "USDX", 1_000)
    units = tokens("USDX", 1_000)
    assert event(receipt, "Contributed") == {"asset": USDX, "from": deployer.address, "amount": units}
    assert event(receipt, "FromReserve") == {"amount": 0, "holds": True}
    assert system.reserve.amountOf(USDX) == system.assets["USDX"].balanceOf(system.reserve) == units
    assert system.reserve.value() == system.fund.totalAssets() == system.usd(900)
    assert system.reserve.worth() == system.usd(1_000)
    assert skin(system) == 0

    receipt = system.donate(deployer, "USDY", 100)
    assert not events(receipt, "FromReserve")
    assert system.reserve.value() == system.fund.totalAssets() == system.usd(900 + 95)
    system.donate(deployer, "USDX", 1)
    assert system.reserve.amountOf(USDX) == tokens("USDX", 1_001)
    assert system.fund.layers().reserve == system.usd("995.9")


def test_a_contribution_of_nothing(empty_reserve: System, deployer: Any) -> None:
    with reverts("ZeroAmount"):
        empty_reserve.reserve.contribute(99, 0, sender=deployer)


def test_a_contribution_of_what_is_not_listed(empty_reserve: System, deployer: Any) -> None:
    with reverts("UnknownAsset", asset=4):
        empty_reserve.reserve.contribute(4, ALL, sender=deployer)


def test_gifts_wait_while_an_advance_is_open(filled_reserve: System, deployer: Any, keeper: Any) -> None:
    """A little of something would keep it from being written off."""
    system = filled_reserve
    lose(system, 105_000)
    with reverts("AdvanceOpen"):
        system.reserve.contribute(USDX, ALL, sender=deployer)
    with reverts("UnknownAsset", asset=4):
        system.reserve.contribute(4, 1, sender=deployer)
    system.contribute(keeper, 5_000)
    system.donate(deployer, "USDX", 1)


def test_contributions_end_at_the_cap(empty_reserve: System, deployer: Any) -> None:
    cap = tokens("USDX", 50_000)
    empty_reserve.donate(deployer, "USDX", 49_999)
    offer(empty_reserve, deployer, "USDX", 2)
    with reverts("CapExceeded", asset=USDX, total=cap + 1, cap=cap):
        empty_reserve.reserve.contribute(USDX, tokens("USDX", 1) + 1, sender=deployer)
    with reverts("CapExceeded", asset=USDX, total=ALL, cap=cap):
        empty_reserve.reserve.contribute(USDX, ALL, sender=deployer)
    empty_reserve.reserve.contribute(USDX, tokens("USDX", 1), sender=deployer)
    assert empty_reserve.reserve.amountOf(USDX) == cap


def test_what_is_merely_sent_belongs_to_nobody(filled_reserve: System, stranger: Any) -> None:
    system = filled_reserve
    before = system.reserve.value(), system.fund.totalAssets(), tuple(system.reserve.weighing(USDX))
    system.assets["USDX"].mint(system.reserve, tokens("USDX", 500), sender=stranger)
    assert (system.reserve.value(), system.fund.totalAssets(), tuple(system.reserve.weighing(USDX))) == before


# ----------------------------------------------------------------------- value


@pytest.mark.parametrize(
    ("price", "counts"), [("1", "1"), ("1.02", "1"), ("0.87", "0.87"), ("0.0999", "0"), ("2.01", "0")]
)
def test_what_is_off_its_peg_counts_for_less(filled_reserve: System, price: str, counts: str) -> None:
    """And for nothing where its price is out of bounds."""
    system = filled_reserve
    system.set_asset_price("USDX", price)
    units = tokens("USDX", 10_000)
    assert system.reserve.value() == value("USDX", units, to_units(Decimal(counts), 18))
    assert system.fund.totalAssets() == system.usd(160_000) + system.reserve.value()
    assert system.reserve.worth() == system.usd(100_000) + worth("USDX", units, system.wad(counts))


def test_what_has_no_price_any_more_counts_for_nothing(filled_reserve: System) -> None:
    filled_reserve.asset_feeds["USDX"].setMode(1, sender=filled_reserve.actors["deployer"])
    assert filled_reserve.reserve.value() == 0
    assert filled_reserve.fund.totalAssets() == filled_reserve.usd(160_000)


def test_a_share_of_s_needs_no_feed(filled_reserve: System, deployer: Any) -> None:
    """It falls with its vault at once."""
    system = filled_reserve
    before = system.reserve.value()
    units = give_shares(system, deployer, "SAVE", 1_000)
    assert system.reserve.value() - before == system.usd(960)
    system.assets["SAVE"].lose(system.usd(100), sender=deployer)
    rate = system.assets["SAVE"].convertToAssets(10**6)
    assert rate == 900_000
    assert system.reserve.value() - before == value("SAVE", units, WAD * rate // 10**6) == system.usd(864)


def test_a_share_counts_for_the_stablecoin_it_is_of(filled_reserve: System, deployer: Any) -> None:
    system = filled_reserve
    system.set_asset_price("USDX", "0.9")
    before = system.reserve.value()
    give_shares(system, deployer, "SUSD", 1_000)
    assert system.reserve.value() - before == system.usd(720)


def test_a_gift_to_a_vault_raises_no_coverage(filled_reserve: System, deployer: Any, attacker: Any) -> None:
    """Beyond the growth that governance foresaw, of a tenth a year."""
    system = filled_reserve
    before = system.reserve.value()
    units = give_shares(system, deployer, "SUSD", 1_000)
    system.assets["USDX"].mint(system.assets["SUSD"], tokens("USDX", 10**6), sender=attacker)
    assert system.assets["SUSD"].convertToAssets(WAD) > 900 * WAD
    price = (system.reserve.value() - before) * WAD // value("SUSD", units)
    assert WAD <= price < WAD * 10_001 // 10_000


def test_a_dead_vault_counts_for_nothing_and_stops_nothing(
    filled_reserve: System, deployer: Any, keeper: Any
) -> None:
    """Neither a default, nor the sale of what else there is, nor income."""
    system = filled_reserve
    give_shares(system, deployer, "SAVE", 1_000)
    kill_vault(system, "SAVE")
    assert system.reserve.value() == system.usd(9_000)
    lose(system, 101_000)
    assert tuple(system.fund.skin()) == (0, system.usd(1_000))
    system.fund.collect(sender=keeper)
    system.reserve.start(USDX, sender=keeper)
    pay(system, keeper)
    system.reserve.buy(USDX, ALL, keeper, ALL, sender=keeper)
    assert system.fund.gateOpen()


# --------------------------------------------------------------------- weights


def test_weights_are_of_skin_and_all_that_the_reserve_is_worth(filled_reserve: System, deployer: Any) -> None:
    system = filled_reserve
    system.donate(deployer, "USDY", 5_000)
    system.set_asset_price("USDX", "0.8")
    everything = 100_000 + 8_000 + 5_000
    assert system.reserve.worth() == system.usd(everything)
    for asset, held, weight in ((USDX, 8_000, "0.2"), (USDY, 5_000, "0.1"), (SAVE, 0, "0.1"), (SUSD, 0, "0")):
        assert tuple(system.reserve.weighing(asset)) == (
            system.usd(held),
            system.usd(everything * Decimal(weight)),
            system.usd(everything * Decimal("0.02")),
        )
