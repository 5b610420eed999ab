"""Cash that moves, and what the vault collects for the fund (SPECIFICATION.md section 2, P1, P10)."""

import pytest

from tests.expect import event, events, reverts


@pytest.fixture
def funded(ledger, trader, other_trader):
    ledger.deposit(trader, 1_000)
    ledger.deposit(other_trader, 1_000)
    return ledger


def cash(ledger, *accounts):
    return [ledger.vault.cashOf(account) for account in accounts]


# ---- withdrawals


def test_a_withdrawal_sends_cash_to_whom_one_likes(funded, trader, stranger):
    receipt = funded.vault.withdraw(400, stranger, [], sender=trader)
    assert event(receipt, "Withdrawn") == {"account": trader, "to": stranger, "amount": 400}
    assert (cash(funded, trader), funded.token.balanceOf(stranger)) == ([600], 400)


def test_a_withdrawal_takes_no_more_than_cash(funded, trader):
    funded.settle(trader, 5_000)
    with reverts("InsufficientCash", account=trader, cash=1_000, needed=1_001):
        funded.vault.withdraw(1_001, trader, [], sender=trader)


# ---- cash from the fund


def test_cash_from_the_fund_pays_debts_first(funded, stranger):
    funded.settle(stranger, -120)
    funded.token.mint(funded.vault, 200, sender=stranger)
    receipt = funded.send("creditCash", stranger, 200)
    assert event(receipt, "CashCredited") == {"account": stranger, "amount": 200}
    assert (cash(funded, stranger), funded.pool(), funded.vault.inDebt(stranger)) == ([80], 120, False)


# ---- the cash side of a trade


def test_a_trade_moves_its_difference_and_its_fees(funded, trader, other_trader):
    receipt = funded.send("exchange", trader, other_trader, 100, 7, 3)
    assert event(receipt, "Exchanged") == {
        "payer": trader,
        "payee": other_trader,
        "amount": 100,
        "payerFee": 7,
        "payeeFee": 3,
    }
    assert cash(funded, trader, other_trader) == [893, 1_097]
    assert funded.vault.uncollected() == (10, 0)


def test_fees_are_paid_in_cash(funded, trader, other_trader):
    funded.settle(trader, 5_000)
    with reverts("InsufficientCash", account=trader, cash=1_000, needed=1_001):
        funded.send("exchange", trader, other_trader, 990, 11, 0)
    with reverts("InsufficientCash", account=other_trader, cash=1_010, needed=1_011):
        funded.send("exchange", trader, other_trader, 10, 0, 1_011)
    funded.send("exchange", trader, other_trader, 990, 10, 1_990)
    assert cash(funded, trader, other_trader) == [0, 0]


def test_an_account_in_debt_does_not_trade(funded, trader, stranger):
    funded.settle(stranger, -1)
    for payer, payee in ((trader, stranger), (stranger, trader)):
        with reverts("AccountInDebt", account=stranger):
            funded.send("exchange", payer, payee, 0, 0, 0)


def test_an_account_in_debt_does_not_withdraw(funded, stranger):
    funded.settle(stranger, -1)
    with reverts("AccountInDebt", account=stranger):
        funded.vault.withdraw(1, stranger, [], sender=stranger)


# ---- bounties and penalties


@pytest.mark.parametrize(
    ("bounty", "penalty", "paid"),
    [(300, 200, (300, 200)), (300, 701, (300, 700)), (1_000, 1, (1_000, 0)), (1_001, 5, (1_000, 0))],
)
def test_a_liquidation_takes_the_bounty_then_the_penalty(funded, trader, liquidator, bounty, penalty, paid):
    receipt = funded.send("chargeLiquidation", trader, liquidator, bounty, penalty)
    assert event(receipt, "LiquidationCharged") == {
        "account": trader,
        "liquidator": liquidator,
        "bounty": paid[0],
        "penalty": paid[1],
    }
    assert cash(funded, trader, liquidator) == [1_000 - sum(paid), paid[0]]
    assert funded.vault.uncollected() == (0, paid[1])


def test_an_account_without_cash_is_charged_nothing(funded, trader, stranger):
    receipt = funded.send("chargeLiquidation", stranger, trader, 5, 5)
    assert events(receipt, "LiquidationCharged") == []
    assert (cash(funded, trader), funded.vault.uncollected()) == ([1_000], (0, 0))


def test_a_bounty_pays_the_liquidators_debts_first(funded, trader, stranger):
    funded.settle(stranger, -120)
    funded.send("chargeLiquidation", trader, stranger, 200, 0)
    assert cash(funded, trader, stranger) == [800, 80]
    assert (funded.vault.debtOf(stranger, 0), funded.pool()) == (0, 120)


def test_accounts_are_known_with_their_first_cash(funded, trader, other_trader, liquidator, stranger):
    funded.settle(stranger, 50)
    funded.send("chargeLiquidation", trader, liquidator, 10, 0)
    funded.send("exchange", trader, stranger, 10, 0, 0)
    assert funded.vault.accounts(0, 9) == [trader, other_trader, liquidator, stranger]


# ---- a default's debt


def test_a_shortfall_is_taken_off_the_debt(funded, trader, stranger):
    funded.settle(trader, 600)
    funded.settle(stranger, -500)
    funded.token.mint(funded.vault, 150, sender=trader)
    receipt = funded.send("resolveDebt", stranger, 0, 500, 200, 150)
    assert event(receipt, "DebtResolved") == {
        "account": stranger,
        "market": 0,
        "shortfall": 500,
        "fromProfit": 200,
        "fromFund": 150,
    }
    assert (funded.vault.debtOf(stranger, 0), funded.vault.inDebt(stranger)) == (0, False)
    assert (funded.pool(), funded.claims(trader)) == (150, [400])
    assert funded.vault.totalClaims(0) == 400


def test_debt_that_claims_cover_stays(funded, stranger):
    funded.settle(stranger, -500)
    funded.send("resolveDebt", stranger, 0, 120, 0, 0)
    assert (funded.vault.debtOf(stranger, 0), funded.vault.inDebt(stranger)) == (380, True)


def test_a_default_without_profit_writes_nothing_off(funded, stranger):
    funded.settle(stranger, -500)
    receipt = funded.send("resolveDebt", stranger, 0, 500, 0, 0)
    assert events(receipt, "ClaimsWrittenOff") == []
    assert funded.vault.marketLedger(0).claimsEpoch == 0


def test_debts_are_cleared_market_by_market(funded, stranger):
    funded.settle(stranger, -500, market=1)
    funded.settle(stranger, -300, market=2)
    funded.send("resolveDebt", stranger, 1, 500, 0, 0)
    assert [funded.vault.debtOf(stranger, market) for market in (1, 2)] == [0, 300]
    assert funded.vault.inDebt(stranger)


# ---- collection


def test_the_fund_collects_fees_and_penalties(funded, trader, other_trader, liquidator):
    funded.send("exchange", trader, other_trader, 0, 30, 20)
    funded.send("chargeLiquidation", trader, liquidator, 60, 40)
    receipt = funded.vault.collect(sender=funded.fund)
    assert event(receipt, "Collected") == {"fees": 50, "penalties": 40}
    assert funded.token.balanceOf(funded.fund) == 90
    assert funded.vault.uncollected() == (0, 0)
    # P1: all that is left is cash of the three.
    assert funded.held() == sum(cash(funded, trader, other_trader, liquidator)) == 1_910


def test_there_may_be_nothing_to_collect(funded):
    receipt = funded.vault.collect(sender=funded.fund)
    assert event(receipt, "Collected") == {"fees": 0, "penalties": 0}
    assert funded.token.balanceOf(funded.fund) == 0
