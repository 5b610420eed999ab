"""Flags: what sets them, clears them, and marks an insolvency (SPECIFICATION.md section 4)."""

import pytest

from tests.expect import event, events, reverts

BTC, ETH = 0, 1

pytestmark = pytest.mark.usefixtures("opened")


def flagged_at(system, account):
    return system.clearing_house.flagOf(account)[0]


def test_an_account_below_maintenance_margin_is_flagged(opened, house, trader):
    opened.set_price(BTC, 9_250)
    receipt = opened.flag(trader)
    assert event(receipt, "Flagged") == {
        "account": trader,
        "equity": opened.usd(2_450),
        "maintenanceMargin": opened.usd(2_775),
    }
    assert house.flagOf(trader) == (receipt.timestamp, False)
    assert house.insolvencies() == 0
    assert events(receipt, "InsolvencyMarked") == []


def test_maintenance_margin_itself_is_enough(opened, trader):
    """7,850 of cash: at 9,500 both equity and maintenance margin are 2,850."""
    opened.vault.withdraw(opened.usd(2_100), trader, [], sender=trader)
    opened.set_price(BTC, 9_500)
    with reverts(
        "NothingToFlag", account=trader, equity=opened.usd(2_850), maintenanceMargin=opened.usd(2_850)
    ):
        opened.flag(trader)
    opened.set_price(BTC, "9499.99999999")
    opened.flag(trader)
    assert flagged_at(opened, trader) != 0


def test_a_flag_changes_no_balance(opened, trader):
    opened.set_price(BTC, 8_900)

    def state():
        return (
            opened.vault.net(trader),
            opened.vault.marketLedger(BTC),
            opened.clearing_house.position(trader, BTC),
        )

    before = state()
    opened.flag(trader)
    assert state() == before


def test_all_markets_are_valued_at_present_prices(opened, trader, market_maker):
    opened.trade(trader, market_maker, 40, 500, market=ETH)
    opened.set_price(BTC, 9_500)
    opened.set_price(ETH, 425)
    receipt = opened.flag(trader)
    # 9,950 - 10 fees - 5,000 - 3,000; 3% of 95,000 + 17,000.
    assert event(receipt, "Flagged")["equity"] == opened.usd(1_940)
    assert event(receipt, "Flagged")["maintenanceMargin"] == opened.usd(3_360)
    assert {log["market"] for log in events(receipt, "MarketRefreshed")} == {BTC, ETH}


def test_the_time_of_a_flag_is_kept(opened, house, trader):
    opened.set_price(BTC, 9_250)
    opened.flag(trader)
    since = flagged_at(opened, trader)
    opened.wait(30)
    with reverts("NothingToFlag", account=trader):
        opened.flag(trader)
    opened.set_price(BTC, 8_900)
    opened.flag(trader)
    assert house.flagOf(trader) == (since, True)


def test_between_maintenance_and_initial_margin_a_flag_stays(opened, house, trader):
    opened.set_price(BTC, 9_250)
    opened.flag(trader)
    since = flagged_at(opened, trader)
    opened.set_price(BTC, 9_400)
    with reverts("NothingToFlag", equity=opened.usd(3_950), maintenanceMargin=opened.usd(2_820)):
        opened.flag(trader)
    assert house.flagOf(trader) == (since, False)


def test_initial_margin_clears_the_flag(opened, house, trader):
    """8,750 of cash: at 9,605 equity is 4,800 of the 4,802.5 needed; at 9,606 it is 4,810 of 4,803."""
    opened.vault.withdraw(opened.usd(1_200), trader, [], sender=trader)
    opened.set_price(BTC, 9_250)
    opened.flag(trader)
    opened.set_price(BTC, 9_605)
    with reverts("NothingToFlag", equity=opened.usd(4_800)):
        opened.flag(trader)
    opened.set_price(BTC, 9_606)
    receipt = opened.flag(trader)
    assert event(receipt, "Unflagged") == {"account": trader}
    assert house.flagOf(trader) == (0, False)


def test_exactly_initial_margin_clears_the_flag(opened, house, trader):
    """8,800 of cash: at 9,600 both equity and initial margin are 4,800."""
    opened.vault.withdraw(opened.usd(1_150), trader, [], sender=trader)
    opened.set_price(BTC, 9_250)
    opened.flag(trader)
    opened.set_price(BTC, 9_600)
    opened.flag(trader)
    assert house.flagOf(trader) == (0, False)


def test_a_deposit_lets_the_flag_be_cleared(opened, trader):
    opened.set_price(BTC, 9_250)
    opened.flag(trader)
    opened.deposit(trader, 3_000)
    assert flagged_at(opened, trader) != 0
    opened.flag(trader)
    assert flagged_at(opened, trader) == 0


def test_a_flat_account_is_not_flagged(opened, stranger, other_trader):
    with reverts("NothingToFlag", account=stranger, equity=0, maintenanceMargin=0):
        opened.flag(stranger)
    with reverts("NothingToFlag", account=other_trader, equity=opened.usd(10_000), maintenanceMargin=0):
        opened.flag(other_trader)


# ---- insolvency


def test_an_insolvent_account_is_flagged_and_marked_at_once(opened, house, trader):
    opened.set_price(BTC, 8_900)
    receipt = opened.flag(trader)
    assert event(receipt, "Flagged")["equity"] == -opened.usd(1_050)
    assert event(receipt, "InsolvencyMarked") == {"account": trader}
    assert house.flagOf(trader) == (receipt.timestamp, True)
    assert (house.insolvencies(), opened.fund.gateOpen()) == (1, False)


def test_equity_of_zero_is_not_insolvent(opened, house, trader):
    opened.set_price(BTC, 9_005)
    opened.flag(trader)
    assert opened.equity(trader) == 0
    assert house.insolvencies() == 0


def test_the_mark_follows_equity_while_flagged(opened, house, trader):
    opened.set_price(BTC, 8_900)
    opened.flag(trader)
    opened.set_price(BTC, 9_100)
    receipt = opened.flag(trader)
    assert event(receipt, "InsolvencyCleared") == {"account": trader}
    assert events(receipt, "Unflagged") == []
    assert (house.insolvencies(), opened.fund.gateOpen()) == (0, True)
    assert house.flagOf(trader)[1] is False
    assert flagged_at(opened, trader) != 0
    opened.set_price(BTC, 8_900)
    assert event(opened.flag(trader), "InsolvencyMarked") == {"account": trader}
    assert house.insolvencies() == 1


def test_recovery_takes_flag_and_mark_away(opened, house, trader):
    opened.set_price(BTC, 8_900)
    opened.flag(trader)
    opened.set_price(BTC, 10_000)
    receipt = opened.flag(trader)
    assert event(receipt, "Unflagged") == event(receipt, "InsolvencyCleared") == {"account": trader}
    assert (house.flagOf(trader), house.insolvencies()) == ((0, False), 0)


def test_every_insolvency_is_counted(opened, house, trader, other_trader, market_maker):
    opened.trade(other_trader, market_maker, 10, 10_000)
    opened.set_price(BTC, 8_900)
    for count, account in enumerate((trader, other_trader), start=1):
        opened.flag(account)
        assert house.insolvencies() == count
    opened.deposit(trader, 10_000)
    opened.flag(trader)
    assert (house.insolvencies(), opened.fund.gateOpen()) == (1, False)


def test_claims_and_unsettled_profit_count(opened, trader, market_maker):
    """A loss in one market, more profit in another."""
    opened.trade(trader, market_maker, 100, 500, market=ETH)
    opened.set_price(BTC, 9_000)
    opened.set_price(ETH, 600)
    with reverts("NothingToFlag", equity=opened.usd(9_950 - 25 - 10_000 + 10_000)):
        opened.flag(trader)
