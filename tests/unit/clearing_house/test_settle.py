"""Settling accounts: what reaches the vault, and what may leave it (SPECIFICATION.md sections 2 to 4)."""

import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import ONE_A, index, unsettled

BTC, ETH = 0, 1

pytestmark = pytest.mark.usefixtures("opened")


def state(system, account, market=BTC):
    """Cash, claims and debt."""
    vault = system.vault
    return vault.cashOf(account), vault.claimsOf(account, market), vault.debtOf(account, market)


def test_anyone_settles_anyone(opened, house, trader, stranger):
    opened.set_price(BTC, 9_900)
    before = state(opened, trader)
    receipt = house.settle([trader], sender=stranger)
    assert state(opened, trader) == (before[0] - opened.usd(1_000), 0, 0)
    assert opened.vault.marketLedger(BTC).pool == opened.usd(1_000)
    settled = event(receipt, "Settled")
    assert (settled["account"], settled["pnl"]) == (trader, -opened.usd(1_000))
    record = house.position(trader, BTC)
    assert (record.size, record.multiplier) == (opened.wad(10), ONE_A)
    assert record.index == index(False, house.marketState(BTC).valueIndex)


def test_settling_twice_books_once(opened, trader):
    opened.set_price(BTC, 9_900)
    opened.settle(trader)
    before = state(opened, trader)
    receipt = opened.settle(trader)
    assert all(log["pnl"] == 0 for log in events(receipt, "Settled"))
    assert state(opened, trader) == before


def test_equity_is_the_same_before_and_after(opened, house, trader, market_maker):
    opened.set_price(BTC, "10123.45678901")
    house.refresh(BTC, sender=trader)
    before = [opened.equity(account) for account in (trader, market_maker)]
    opened.settle(trader, market_maker)
    assert [opened.equity(account) for account in (trader, market_maker)] == before


def test_a_settlement_rounds_against_the_account(opened, trader, market_maker):
    """A loss up, a profit down: 10 BTC times a price change that is no whole number of units."""
    opened.trade(trader, market_maker, "0.123456789012345678", 10_000)
    size = opened.size(trader)
    opened.set_price(BTC, "10000.00000007")
    change = 70 * 10**9
    net = [opened.vault.net(account) for account in (trader, market_maker)]
    opened.settle(trader, market_maker)
    gained = [opened.vault.net(a) - n for a, n in zip((trader, market_maker), net, strict=True)]
    expected = [unsettled(size, ONE_A, ONE_A * change), unsettled(size, ONE_A, -ONE_A * change)]
    assert gained == expected
    assert sum(gained) == -1


def test_a_winner_is_paid_once_the_loser_has_paid(opened, trader, market_maker):
    opened.set_price(BTC, 10_100)
    cash = opened.vault.cashOf(trader)
    opened.settle(trader)
    assert state(opened, trader) == (cash, opened.usd(1_000), 0)
    opened.settle(market_maker, trader)
    assert state(opened, trader) == (cash + opened.usd(1_000), 0, 0)
    assert opened.vault.marketLedger(BTC).pool == 0


def test_an_order_of_settlement_pays_at_once(opened, trader, market_maker):
    opened.set_price(BTC, 10_100)
    cash = opened.vault.cashOf(trader)
    receipt = opened.settle(market_maker, trader)
    assert state(opened, trader) == (cash + opened.usd(1_000), 0, 0)
    paid = {log["account"]: log["cash"] for log in events(receipt, "Settled")}
    assert paid == {market_maker.address: -opened.usd(1_000), trader.address: opened.usd(1_000)}


def test_a_flat_account_is_paid_what_it_has_earned(opened, house, trader, other_trader, market_maker):
    """The winner leaves before its loser has paid: its claims must still turn into cash."""
    opened.set_price(BTC, 10_100)
    opened.trade(other_trader, trader, 10, 10_100)
    assert house.positionMarkets(trader) == 0
    cash, claims, _ = state(opened, trader)
    assert claims == opened.usd(1_000)
    opened.settle(market_maker)
    opened.settle(trader)
    assert state(opened, trader) == (cash + claims, 0, 0)


def test_claims_convert_where_there_is_no_position_any_more(opened, trader, other_trader, market_maker):
    opened.set_price(BTC, 10_100)
    opened.trade(other_trader, trader, 10, 10_100)
    opened.trade(market_maker, trader, 10, 500, market=ETH)
    cash, claims, _ = state(opened, trader)
    opened.settle(market_maker)
    opened.settle(trader)
    assert state(opened, trader) == (cash + claims, 0, 0)


def test_all_markets_of_an_account_are_settled(opened, trader, market_maker):
    opened.trade(trader, market_maker, 20, 500, market=ETH)
    opened.set_price(BTC, 9_900)
    opened.set_price(ETH, 510)
    receipt = opened.settle(trader)
    assert {log["market"]: log["pnl"] for log in events(receipt, "Settled")} == {
        BTC: -opened.usd(1_000),
        ETH: opened.usd(200),
    }


def test_a_debt_with_a_position_waits(opened, trader):
    """It is resolved only with the last position (or when the account can pay)."""
    opened.set_price(BTC, 8_900)
    receipt = opened.settle(trader)
    assert event(receipt, "DebtIncurred") == {"account": trader, "market": BTC, "amount": opened.usd(1_050)}
    assert state(opened, trader) == (0, 0, opened.usd(1_050))
    assert opened.fund.defaultCount() == 0
    assert opened.size(trader) == opened.wad(10)
    opened.set_price(BTC, 9_000)
    opened.settle(trader)
    assert state(opened, trader) == (0, 0, opened.usd(50))


def test_settling_nobody_and_nothing_changes_nothing(opened, house, stranger):
    assert opened.settle().events == []
    receipt = opened.settle(stranger, stranger)
    assert [log for log in receipt.events if log.contract_address == house.address] == []
    assert house.positionMarkets(stranger) == 0


def test_a_settlement_needs_the_prices_of_open_positions(opened, trader):
    opened.wait(2 * 3_600)
    with reverts("PriceUnavailable", market=BTC):
        opened.settle(trader)


# ---- withdrawals (the vault asks the clearing house)


def withdraw(system, account, amount, *first, to=None):
    return system.vault.withdraw(system.usd(amount), to or account, list(first), sender=account)


def test_a_flat_account_withdraws_all_it_has_to_anyone(opened, other_trader, stranger):
    receipt = withdraw(opened, other_trader, 10_000, to=stranger)
    expected = {"account": other_trader, "to": stranger, "amount": opened.usd(10_000)}
    assert event(receipt, "Withdrawn") == expected
    assert opened.token.balanceOf(stranger) == opened.usd(10_000)
    assert opened.vault.cashOf(other_trader) == 0


def test_a_flat_account_withdraws_without_prices(opened, other_trader):
    opened.wait(2 * 3_600)
    withdraw(opened, other_trader, 10_000)


def test_nobody_withdraws_more_than_its_cash(opened, other_trader):
    with reverts(
        "InsufficientCash", account=other_trader, cash=opened.usd(10_000), needed=opened.usd(10_001)
    ):
        withdraw(opened, other_trader, 10_001)


def test_a_withdrawal_has_an_amount_and_a_receiver(opened, other_trader):
    with reverts("ZeroAmount"):
        withdraw(opened, other_trader, 0)
    with reverts("ZeroAddress"):
        withdraw(opened, other_trader, 1, to="0x" + "00" * 20)


def test_initial_margin_stays(opened, trader):
    # 9,950 of equity, 5,000 needed.
    with reverts(
        "InitialMarginNotMet", account=trader, equity=opened.usd("4999.999999"), required=opened.usd(5_000)
    ):
        withdraw(opened, trader, "4950.000001")
    withdraw(opened, trader, 4_950)
    assert opened.clearing_house.health(trader)[:2] == (opened.usd(5_000), opened.usd(5_000))


def test_unsettled_losses_can_not_be_withdrawn(opened, trader):
    opened.set_price(BTC, 9_500)
    # 4,950 of equity, 4,750 needed.
    with reverts("InitialMarginNotMet", equity=opened.usd(4_749)):
        withdraw(opened, trader, 201)
    withdraw(opened, trader, 200)


def test_a_winner_settles_its_losers_within_its_withdrawal(opened, trader, market_maker):
    opened.set_price(BTC, 11_000)
    cash = opened.usd(9_950)
    with reverts("InsufficientCash", account=trader, cash=cash):
        withdraw(opened, trader, 12_000)
    # 19,950 of equity, 5,500 needed.
    withdraw(opened, trader, 14_450, market_maker)
    assert opened.vault.cashOf(trader) == opened.usd(5_500)


def test_a_winner_that_was_settled_early_is_not_forgotten(opened, trader, market_maker):
    """The price does not move again between its settlement and its withdrawal."""
    opened.set_price(BTC, 11_000)
    opened.settle(trader)
    withdraw(opened, trader, 14_450, market_maker)
    assert opened.vault.cashOf(trader) == opened.usd(5_500)


def test_a_flagged_account_does_not_withdraw(opened, trader):
    opened.set_price(BTC, 9_200)
    opened.flag(trader)
    with reverts("AccountFlagged", account=trader):
        withdraw(opened, trader, 1)


def test_an_account_in_debt_does_not_withdraw(opened, trader, market_maker):
    """Its equity is in claims elsewhere, more than initial margin."""
    opened.trade(trader, market_maker, 100, 500, market=ETH)
    opened.set_price(ETH, 700)
    opened.settle(trader)
    opened.set_price(BTC, 8_900)
    opened.settle(trader)
    assert opened.vault.inDebt(trader)
    assert opened.equity(trader) > opened.clearing_house.health(trader)[1]
    with reverts("AccountInDebt", account=trader):
        withdraw(opened, trader, 1)


def test_only_the_vault_asks_for_a_withdrawal(house, trader, governor):
    for caller in (trader, governor):
        with reverts("OnlyVault"):
            house.authorizeWithdrawal(trader, 1, [], sender=caller)
