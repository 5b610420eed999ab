"""Cash that moves between accounts, and what the vault collects for the fund (SPECIFICATION.md section 2, P1, P10)."""

import pytest

from tests.expect import event, events, reverts


@pytest.fixture
def funded(ledger, trader, other_trader):
    ledger.deposit(trader, 1_000)
    ledger.deposit(other_trader, 1_000)
    return ledger


def cash(ledger, *accounts):
    return [ledger.vault.cashOf(account) for account in accounts]


# ---- transfers


def test_cash_moves_from_one_account_to_another(funded, trader, other_trader):
    receipt = funded.send("transferCash", trader, other_trader, 300)
    assert event(receipt, "CashTransferred") == {"from": trader, "to": other_trader, "amount": 300}
    assert cash(funded, trader, other_trader) == [700, 1_300]


def test_an_account_can_not_pay_more_than_its_cash(funded, trader, other_trader):
    funded.settle(trader, 5_000)
    with reverts("InsufficientCash", account=trader, cash=1_000, needed=1_001):
        funded.send("transferCash", trader, other_trader, 1_001)


def test_a_transfer_pays_the_receivers_debts(funded, trader, stranger):
    funded.settle(stranger, -120)
    funded.send("transferCash", trader, stranger, 200)
    assert cash(funded, trader, stranger) == [800, 80]
    assert (funded.vault.debtOf(stranger, 0), funded.pool()) == (0, 120)


def test_cash_from_the_fund_pays_debts_too(funded, stranger):
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


def test_an_account_in_debt_does_not_withdraw(funded, trader, stranger):
    funded.settle(stranger, -1)
    with reverts("AccountInDebt", account=stranger):
        funded.vault.withdraw(1, stranger, [], sender=stranger)


# ---- penalties


@pytest.mark.parametrize(("penalty", "paid"), [(400, 400), (1_000, 1_000), (1_001, 1_000)])
def test_a_penalty_takes_no_more_than_cash(funded, trader, penalty, paid):
    receipt = funded.send("chargePenalty", trader, penalty)
    assert event(receipt, "PenaltyCharged") == {"account": trader, "amount": paid}
    assert (cash(funded, trader), funded.vault.uncollected()) == ([1_000 - paid], (0, paid))


def test_an_account_without_cash_pays_no_penalty(funded, stranger):
    receipt = funded.send("chargePenalty", stranger, 5)
    assert events(receipt, "PenaltyCharged") == []
    assert funded.vault.uncollected() == (0, 0)


# ---- a default's debt


def test_a_debt_is_cleared_by_profit_and_by_the_fund(funded, trader, stranger):
    funded.settle(trader, 600)
    funded.settle(stranger, -500)
    funded.token.mint(funded.vault, 150, sender=trader)
    receipt = funded.send("resolveDebt", stranger, 0, 200, 150)
    assert event(receipt, "DebtResolved") == {
        "account": stranger,
        "market": 0,
        "debt": 500,
        "fromProfit": 200,
        "fromFund": 150,
    }
    assert (funded.vault.debtOf(stranger, 0), funded.vault.inDebt(stranger)) == (0, False)
    assert (funded.pool(), funded.claims(trader)) == (150, [400])


def test_a_default_without_profit_writes_nothing_off(funded, stranger):
    funded.settle(stranger, -500)
    receipt = funded.send("resolveDebt", stranger, 0, 0, 0)
    assert events(receipt, "ClaimsWrittenOff") == []
    assert funded.vault.marketLedger(0).claimsEpoch == 0


def test_debts_are_cleared_market_by_market(funded, stranger):
    funded.settle(stranger, -500, market=1)
    funded.settle(stranger, -300, market=2)
    assert funded.vault.shortfall(stranger, 1) == (500, 0)
    funded.send("resolveDebt", stranger, 1, 0, 0)
    assert [funded.vault.debtOf(stranger, market) for market in (1, 2)] == [0, 300]
    assert funded.vault.inDebt(stranger)


# ---- collection


def test_the_fund_collects_fees_penalties_and_recoveries(funded, trader, other_trader, stranger):
    funded.send("exchange", trader, other_trader, 0, 30, 20)
    funded.send("chargePenalty", trader, 40)
    funded.settle(stranger, 500, market=1)
    funded.settle(stranger, -200, market=0)
    funded.send("seizeClaims", stranger)
    funded.fill_pool(trader, 150, market=1)

    receipt = funded.vault.collect(sender=funded.fund)
    assert event(receipt, "Collected") == {"fees": 50, "penalties": 40, "recovered": 150}
    assert funded.token.balanceOf(funded.fund) == 240
    assert funded.vault.uncollected() == (0, 0)
    assert (funded.vault.claimsOf(funded.fund, 1), funded.vault.cashOf(funded.fund)) == (50, 0)
    # P1: all that is left is cash of the two, and no pool.
    assert funded.held() == sum(cash(funded, trader, other_trader))


def test_there_may_be_nothing_to_collect(funded):
    receipt = funded.vault.collect(sender=funded.fund)
    assert event(receipt, "Collected") == {"fees": 0, "penalties": 0, "recovered": 0}
    assert funded.token.balanceOf(funded.fund) == 0
