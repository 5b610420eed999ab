"""What collateral counts for: in `net`, at its haircut, at the price of the moment, and nowhere else."""

import pytest

from tests.expect import event, reverts
from tests.unit.collateral.moves import (
    BTC,
    ONE_USDX,
    REVERTING,
    SAVE,
    USDX,
    cash,
    list_asset,
    pledge_share,
    set_asset,
)


def test_it_counts_less_its_haircut(pledged_system, trader, market_maker):
    system = pledged_system
    assert system.collateral.valueOf(trader) == system.usd(9_000)
    assert system.vault.net(trader) == system.equity(trader) == system.usd(10_000)
    assert cash(system, trader) == [system.usd(1_000)]
    assert system.collateral.valueOf(market_maker) == 0


@pytest.mark.parametrize(
    ("price", "value"), [("0.9", 8_100), ("0.50000001", "4500.00009"), (1, 9_000), ("1.5", 9_000)]
)
def test_it_follows_its_price_up_to_a_dollar(pledged_system, trader, price, value):
    system = pledged_system
    system.set_asset_price("USDX", price)
    assert system.vault.net(trader) == system.usd(1_000) + system.usd(value)


def test_without_a_price_it_counts_for_nothing(pledged_system, trader, deployer):
    system = pledged_system
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    assert system.equity(trader) == system.usd(1_000)
    system.flag(trader)
    assert system.clearing_house.flagOf(trader)[0] != 0


def test_each_asset_counts_at_its_own_haircut(pledged_system, trader):
    system = pledged_system
    pledge_share(system, trader, 200)
    assert system.collateral.assetsOf(trader) == 0b11
    assert system.collateral.valueOf(trader) == system.usd(9_000 + 190)
    system.set_asset_price("USDX", "0.5")
    assert system.vault.net(trader) == system.usd(1_000 + 4_500 + 190)


def test_each_asset_is_rounded_down(pledged_system, project, deployer, stranger):
    """1.9 units of S of one and 1.9 of another: 90% of 1 each, which is 0; 11.9 of each are 9 each."""
    system = pledged_system
    tokens = [deployer.deploy(project.TestToken, "Test", "T", 7) for _ in range(2)]
    for asset, token in enumerate(tokens, start=2):
        list_asset(system, asset, token)
        token.mint(stranger, 119, sender=stranger)
        token.approve(system.collateral, 119, sender=stranger)
        system.collateral.deposit(asset, 19, sender=stranger)
    assert system.vault.net(stranger) == 0
    for asset in (2, 3):
        system.collateral.deposit(asset, 100, sender=stranger)
    assert system.vault.net(stranger) == 18


def test_a_share_that_loses_counts_less_at_once(pledged_system, other_trader, deployer):
    """Of 200 its vault loses 50: 200 shares count for 95% of 150, less the virtual share's part."""
    system = pledged_system
    pledge_share(system, other_trader, 200)
    system.assets["SAVE"].lose(system.usd(50), sender=deployer)
    assert system.collateral.valueOf(other_trader) == system.usd("142.5")


def test_a_gift_to_a_share_s_vault_is_no_margin(pledged_system, other_trader):
    system = pledged_system
    pledge_share(system, other_trader, 200)
    system.token.mint(system.assets["SAVE"], system.usd(1_000_000), sender=other_trader)
    # It was listed some seconds ago: at 20% a year it may have grown by a millionth.
    assert system.usd(190) <= system.collateral.valueOf(other_trader) <= system.usd(190) + 1_000


def test_another_haircut_holds_at_once(pledged_system, trader):
    system = pledged_system
    set_asset(system, USDX, system.assets["USDX"], haircut=300_000)
    assert system.vault.net(trader) == system.usd(1_000 + 7_000)


def test_who_pledges_more_loses_its_flag(pledged_system, trader):
    """At 8,200 equity is 1,000, for an initial margin of 2,050: 1,050 are missing, 1,166.67 USDX."""
    system, house = pledged_system, pledged_system.clearing_house
    system.set_price(BTC, 8_200)
    system.flag(trader)
    system.pledge(trader, "USDX", 1_166)
    with reverts("NothingToFlag", account=trader):
        system.flag(trader)
    system.pledge(trader, "USDX", 1)
    assert event(system.flag(trader), "Unflagged") == {"account": trader}
    assert house.flagOf(trader) == (0, False)


def test_a_depeg_flags_and_marks(pledged_system, trader):
    """At 9,750 the cash and 250 more are lost; a price below 0.1 is out of the feed's bounds."""
    system, house = pledged_system, pledged_system.clearing_house
    system.set_price(BTC, 9_750)
    system.set_asset_price("USDX", "0.1")
    # 1,000 - 1,250 + 900
    receipt = system.flag(trader)
    assert event(receipt, "Flagged") == {
        "account": trader,
        "equity": system.usd(650),
        "maintenanceMargin": system.usd("1462.5"),
    }
    system.set_asset_price("USDX", "0.09")
    assert event(system.flag(trader), "InsolvencyMarked") == {"account": trader}
    assert house.insolvencies() == 1
    system.set_asset_price("USDX", "0.1")
    assert event(system.flag(trader), "InsolvencyCleared") == {"account": trader}


def test_a_loss_leaves_collateral_where_it_is(pledged_system, trader):
    """At 9,500 the cash is gone, and 1,500 are owed."""
    system = pledged_system
    system.set_price(BTC, 9_500)
    system.settle(trader)
    assert cash(system, trader) == [0]
    assert system.vault.debtOf(trader, BTC) == system.usd(1_500)
    assert system.collateral.heldOf(trader, USDX) == 10_000 * ONE_USDX
    assert system.vault.net(trader) == system.usd(7_500)
    assert system.fund.defaultCount() == 0


def test_views_of_who_has_nothing(pledged_system, stranger):
    collateral = pledged_system.collateral
    assert (collateral.valueOf(stranger), collateral.assetsOf(stranger)) == (0, 0)
    assert (collateral.heldOf(stranger, SAVE), collateral.totalOf(SAVE)) == (0, 0)
    assert (collateral.dueOf(stranger), collateral.saleOf(stranger)) == ((0, 0), (0, 0))
    assert (collateral.openDefaultOf(stranger), list(collateral.defaultsOf(stranger))) == (0, [])
