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


# ---- contributions


def test_a_contribution_is_taken_from_cash(funded, trader):
    receipt = funded.send("chargeContribution", trader, 300)
    assert event(receipt, "ContributionPaid") == {"account": trader, "amount": 300}
    assert (cash(funded, trader), funded.vault.uncollected()) == ([700], (0, 300))
    funded.send("chargeContribution", trader, 700)
    assert (cash(funded, trader), funded.vault.uncollected()) == ([0], (0, 1_000))
    assert funded.held() == 2_000  # P1: with what is not yet collected, and the other's cash


def test_a_contribution_takes_no_more_than_cash(funded, trader):
    """Nor are claims as good as cash."""
    funded.settle(trader, 5_000)
    with reverts("InsufficientCash", account=trader, cash=1_000, needed=1_001):
        funded.send("chargeContribution", trader, 1_001)


@pytest.mark.parametrize("amount", [0, 1])
def test_an_account_in_debt_contributes_nothing(funded, stranger, amount):
    funded.settle(stranger, -1)
    with reverts("AccountInDebt", account=stranger):
        funded.send("chargeContribution", stranger, amount)


# ---- bounties and penalties


@pytest.mark.parametrize(
    ("bounty", "penalty", "paid"),
    [(300, 200, (300, 200)), (300, 701, (300, 700)), (1_000, 1, (1_000, 0)), (1_001, 5, (1_000, 0))],
)
def test_a_liquidation_takes_the_bounty_then_the_penalty(funded, trader, liquidator, bounty, penalty, paid):
    receipt = funded.send("chargeLiquidation", trader, liquidator, 0, bounty, penalty)
    assert event(receipt, "LiquidationCharged") == {
        "account": trader,
        "liquidator": liquidator,
        "bounty": paid[0],
        "penalty": paid[1],
    }
    assert cash(funded, trader, liquidator) == [1_000 - sum(paid), paid[0]]
    assert funded.vault.uncollected() == (0, paid[1])


def test_an_account_without_cash_is_charged_nothing(funded, trader, stranger):
    receipt = funded.send("chargeLiquidation", stranger, trader, 0, 5, 5)
    assert events(receipt, "LiquidationCharged") == []
    assert (cash(funded, trader), funded.vault.uncollected()) == ([1_000], (0, 0))


def test_a_bounty_pays_the_liquidators_debts_first(funded, trader, stranger):
    funded.settle(stranger, -120)
    funded.send("chargeLiquidation", trader, stranger, 0, 200, 0)
    assert cash(funded, trader, stranger) == [800, 80]
    assert (funded.vault.debtOf(stranger, 0), funded.pool()) == (0, 120)


def test_accounts_are_known_with_their_first_cash(funded, trader, other_trader, liquidator, stranger):
    funded.settle(stranger, -5)
    funded.send("chargeLiquidation", trader, liquidator, 0, 10, 0)
    funded.send("creditCash", stranger, 5)
    assert funded.vault.accounts(0, 9) == [trader, other_trader, liquidator, stranger]


def test_or_with_their_first_profit(funded, trader, other_trader, stranger, liquidator):
    """An account of the clearing house has had cash by then; the fund's has not."""
    funded.settle(stranger, 50)
    funded.send("chargeLiquidation", trader, liquidator, 0, 10, 0)
    funded.send("exchange", trader, stranger, 10, 0, 0)
    assert funded.vault.accounts(0, 9) == [trader, other_trader, stranger, liquidator]


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


def test_the_fund_collects_fees_penalties_and_contributions(funded, trader, other_trader, liquidator):
    funded.send("exchange", trader, other_trader, 0, 30, 20)
    funded.send("chargeLiquidation", trader, liquidator, 0, 60, 40)
    funded.send("chargeContribution", other_trader, 7)
    receipt = funded.vault.collect(sender=funded.fund)
    assert event(receipt, "Collected") == {"fees": 50, "levies": 47, "premium": 0}
    assert funded.token.balanceOf(funded.fund) == 97
    assert funded.vault.uncollected() == (0, 0)
    # P1: all that is left is cash of the three.
    assert funded.held() == sum(cash(funded, trader, other_trader, liquidator)) == 1_903


def test_there_may_be_nothing_to_collect(funded):
    receipt = funded.vault.collect(sender=funded.fund)
    assert event(receipt, "Collected") == {"fees": 0, "levies": 0, "premium": 0}
    assert funded.token.balanceOf(funded.fund) == 0


# ---- the fund's own account


def test_the_fund_is_known_with_its_first_profit(funded, trader, other_trader):
    assert funded.vault.accounts(0, 9) == [trader, other_trader]
    funded.settle(funded.fund, 300)
    assert funded.vault.accounts(0, 9) == [trader, other_trader, funded.fund]
    funded.settle(funded.fund, 300)
    funded.vault.collect(sender=funded.fund)
    assert funded.vault.accountCount() == 3


def test_the_funds_claims_convert_before_they_are_collected(funded, trader):
    """Those in all markets, as far as the losers have paid; the rest waits."""
    for market, pool in ((0, 300), (3, 500)):
        funded.settle(funded.fund, 400, market=market)
        funded.settle(trader, -pool, market=market)
    assert cash(funded, funded.fund, trader) == [0, 200]
    receipt = funded.vault.collect(sender=funded.fund)
    converted = [(log["market"], log["amount"]) for log in events(receipt, "ClaimsConverted")]
    assert converted == [(0, 300), (3, 400)]
    assert event(receipt, "Collected") == {"fees": 0, "levies": 0, "premium": 700}
    assert funded.token.balanceOf(funded.fund) == 700
    assert cash(funded, funded.fund) == [0]
    assert [funded.vault.claimsOf(funded.fund, market) for market in (0, 3)] == [100, 0]
    # P1: the traders' cash and what is left in a pool.
    assert funded.held() == 1_000 + 200 + funded.pool(3) == 1_300

    funded.settle(trader, -150)
    assert event(funded.vault.collect(sender=funded.fund), "Collected")["premium"] == 100
    assert funded.vault.ledgerMarkets(funded.fund) == (0, 0)


def test_what_a_pool_paid_the_fund_at_once_is_collected_too(funded, trader):
    funded.settle(trader, -300)
    funded.settle(funded.fund, 200)
    assert cash(funded, funded.fund) == [200]
    receipt = funded.vault.collect(sender=funded.fund)
    assert events(receipt, "ClaimsConverted") == []
    assert event(receipt, "Collected")["premium"] == 200
    assert (funded.pool(), cash(funded, funded.fund)) == (100, [0])


def test_claims_of_the_fund_wait_until_they_are_mature(funded, governor, trader, chain):
    funded.vault.setMaturity(0, 3_600, sender=governor)
    receipt = funded.settle(funded.fund, 400)
    funded.settle(trader, -400)
    assert event(funded.vault.collect(sender=funded.fund), "Collected")["premium"] == 0
    assert funded.vault.claimsOf(funded.fund, 0) == 400
    chain.mine(timestamp=receipt.timestamp + 3_600)
    assert event(funded.vault.collect(sender=funded.fund), "Collected")["premium"] == 400
    assert (funded.vault.claimsOf(funded.fund, 0), funded.pool()) == (0, 0)


def test_the_funds_claims_bear_write_offs_like_any_others(funded, trader, stranger):
    funded.settle(funded.fund, 400)
    funded.settle(trader, 600)
    funded.write_off(500, stranger)
    assert funded.claims(funded.fund, trader) == [200, 300]
