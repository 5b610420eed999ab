"""Booking a position's profit or loss: the order of SPECIFICATION.md section 2."""

import pytest

from tests.expect import event, events, reverts


def state(ledger, account, market=0):
    """cash, claims and debt of the account, and the market's pool."""
    vault = ledger.vault
    return (
        vault.cashOf(account),
        vault.claimsOf(account, market),
        vault.debtOf(account, market),
        ledger.pool(market),
    )


# ---- profit


def test_a_profit_waits_as_claims_while_the_pool_is_empty(ledger, trader):
    receipt = ledger.settle(trader, 1_000)
    assert state(ledger, trader) == (0, 1_000, 0, 0)
    assert event(receipt, "Settled") == {
        "account": trader,
        "market": 0,
        "pnl": 1_000,
        "absorbed": 0,
        "cash": 0,
    }
    assert event(receipt, "ClaimsMinted") == {
        "account": trader,
        "market": 0,
        "amount": 1_000,
        "units": 1_000,
        "maturesAt": receipt.timestamp,
    }
    book = ledger.vault.marketLedger(0)
    assert (book.totalClaims, book.totalClaimUnits, book.claimsEpoch) == (1_000, 1_000, 0)
    assert ledger.vault.net(trader) == 1_000
    assert ledger.vault.ledgerMarkets(trader) == (1, 0)


def test_a_profit_is_cash_as_far_as_the_pool_goes(ledger, trader, other_trader):
    ledger.fill_pool(other_trader, 700)
    ledger.settle(trader, 400)
    assert state(ledger, trader) == (400, 0, 0, 300)
    ledger.settle(trader, 450)
    assert state(ledger, trader) == (700, 150, 0, 0)


def test_the_next_profit_waits_behind_the_claims_of_its_account(ledger, trader, other_trader):
    ledger.settle(trader, 500)
    ledger.fill_pool(other_trader, 800)
    receipt = ledger.settle(trader, 100)
    assert state(ledger, trader) == (600, 0, 0, 200)
    assert event(receipt, "ClaimsConverted") == {"account": trader, "market": 0, "amount": 600, "units": 600}


def test_a_profit_of_one_market_takes_nothing_from_another(ledger, trader, other_trader):
    ledger.fill_pool(other_trader, 900, market=1)
    ledger.settle(trader, 400, market=0)
    assert state(ledger, trader) == (0, 400, 0, 0)
    assert ledger.pool(1) == 900


def test_a_settlement_without_profit_or_loss_converts(ledger, trader, other_trader):
    ledger.settle(trader, 500)
    ledger.fill_pool(other_trader, 300)
    ledger.settle(trader, 0)
    assert state(ledger, trader) == (300, 200, 0, 0)


def test_a_profit_repays_the_debt_of_its_market_first(ledger, trader):
    ledger.settle(trader, -300)
    receipt = ledger.settle(trader, 200)
    repaid = {"account": trader, "market": 0, "fromCash": 0, "fromProfit": 200}
    assert event(receipt, "DebtRepaid") == repaid
    assert state(ledger, trader) == (0, 0, 100, 0)

    receipt = ledger.settle(trader, 250)
    assert event(receipt, "DebtRepaid") == {**repaid, "fromProfit": 100}
    assert event(receipt, "ClaimsMinted")["amount"] == 150
    assert state(ledger, trader) == (0, 150, 0, 0)


def test_cash_from_a_profit_pays_debts_elsewhere(ledger, trader, other_trader):
    ledger.settle(trader, -300, market=3)
    ledger.fill_pool(other_trader, 1_000)
    receipt = ledger.settle(trader, 400)
    assert event(receipt, "DebtRepaid") == {"account": trader, "market": 3, "fromCash": 300, "fromProfit": 0}
    assert state(ledger, trader) == (100, 0, 0, 600)
    assert (ledger.pool(3), ledger.vault.inDebt(trader)) == (300, False)


# ---- loss


def test_a_loss_goes_from_cash_to_the_pool(ledger, trader):
    ledger.deposit(trader, 1_000)
    receipt = ledger.settle(trader, -400)
    assert state(ledger, trader) == (600, 0, 0, 400)
    assert event(receipt, "Settled") == {
        "account": trader,
        "market": 0,
        "pnl": -400,
        "absorbed": 0,
        "cash": -400,
    }


def test_a_loss_burns_the_claims_of_its_market_first(ledger, trader):
    ledger.deposit(trader, 1_000)
    ledger.settle(trader, 300)
    receipt = ledger.settle(trader, -200)
    assert event(receipt, "ClaimsBurned") == {"account": trader, "market": 0, "amount": 200, "units": 200}
    # What is left of the claims is not paid by the account's own cash.
    assert state(ledger, trader) == (1_000, 100, 0, 0)
    ledger.settle(trader, -250)
    assert state(ledger, trader) == (850, 0, 0, 150)
    assert ledger.vault.marketLedger(0).totalClaimUnits == 0


def test_what_cash_can_not_pay_is_debt(ledger, trader):
    ledger.deposit(trader, 100)
    receipt = ledger.settle(trader, -350)
    assert event(receipt, "DebtIncurred") == {"account": trader, "market": 0, "amount": 250}
    assert event(receipt, "Settled")["cash"] == -100
    assert state(ledger, trader) == (0, 0, 250, 100)
    assert ledger.vault.ledgerMarkets(trader) == (0, 1)
    ledger.settle(trader, -50)
    assert state(ledger, trader) == (0, 0, 300, 100)
    assert ledger.vault.net(trader) == -300


def test_at_par_a_first_profit_is_cash_at_once_whoever_waits(ledger, trader, other_trader, stranger):
    """A unit is worth one, so claims would be minted and burnt for the same amount."""
    ledger.settle(trader, 500)
    ledger.fill_pool(other_trader, 300)
    receipt = ledger.settle(stranger, 200)
    assert events(receipt, "ClaimsMinted") == events(receipt, "ClaimsConverted") == []
    assert event(receipt, "Settled")["cash"] == 200
    assert state(ledger, stranger) == (200, 0, 0, 100)
    assert ledger.claims(trader) == [500]


def test_below_par_a_profit_becomes_claims_first(ledger, trader, other_trader, stranger):
    """It is converted at the market's index, to which all round."""
    ledger.settle(trader, 500)
    ledger.write_off(250, other_trader)
    ledger.fill_pool(other_trader, 300)
    receipt = ledger.settle(stranger, 200)
    assert event(receipt, "ClaimsMinted")["units"] == 400
    assert event(receipt, "Settled")["cash"] == 0
    assert state(ledger, stranger) == (200, 0, 0, 100)


# ---- converting all claims


def test_claims_of_all_markets_convert_and_pay_debts(ledger, trader, other_trader):
    for market in (4, 2):
        ledger.settle(trader, 100, market=market)
    ledger.settle(trader, -150, market=3)
    for market in (4, 2):
        ledger.fill_pool(other_trader, 80, market=market)
    receipt = ledger.convert(trader)
    converted = [(log["market"], log["amount"]) for log in events(receipt, "ClaimsConverted")]
    assert converted == [(2, 80), (4, 80)]
    assert event(receipt, "DebtRepaid") == {"account": trader, "market": 3, "fromCash": 150, "fromProfit": 0}
    assert state(ledger, trader, market=3) == (10, 0, 0, 150)


def test_without_claims_nothing_converts(ledger, trader):
    ledger.deposit(trader, 100)
    assert ledger.convert(trader).events == []
    assert ledger.vault.cashOf(trader) == 100


# ---- losses and claims elsewhere


def test_before_debt_claims_elsewhere_convert_lowest_market_first(ledger, trader, other_trader):
    for market in (4, 2):
        ledger.settle(trader, 100, market=market)
        ledger.fill_pool(other_trader, 80, market=market)
    ledger.deposit(trader, 50)
    receipt = ledger.settle(trader, -200, market=3)
    converted = [(log["market"], log["amount"]) for log in events(receipt, "ClaimsConverted")]
    assert converted == [(2, 80), (4, 80)]
    # 50 + 80 + 80 - 200 is left; both markets still owe 20.
    assert state(ledger, trader, market=3) == (10, 0, 0, 200)
    assert [ledger.vault.claimsOf(trader, market) for market in (2, 4)] == [20, 20]
    assert event(receipt, "Settled")["cash"] == -200


def test_claims_elsewhere_that_have_not_matured_do_not_convert(ledger, trader, other_trader, governor):
    ledger.vault.setMaturity(2, 3_600, sender=governor)
    ledger.settle(trader, 100, market=2)
    ledger.fill_pool(other_trader, 100, market=2)
    ledger.settle(trader, -60, market=0)
    assert state(ledger, trader) == (0, 0, 60, 0)
    assert ledger.vault.claimsOf(trader, 2) == 100
    assert ledger.vault.net(trader) == 40


def test_an_account_has_claims_or_debt_in_a_market_never_both(ledger, trader):
    for pnl, expected in ((-100, (0, 100)), (150, (50, 0)), (-50, (0, 0)), (-1, (0, 1)), (2, (1, 0))):
        ledger.settle(trader, pnl)
        assert (ledger.vault.claimsOf(trader, 0), ledger.vault.debtOf(trader, 0)) == expected


# ---- the residual


@pytest.fixture
def residual_ledger(ledger):
    receipt = ledger.send("addResidual", 0, 500)
    assert event(receipt, "ResidualAdded") == {"market": 0, "amount": 500}
    return ledger


def test_a_profit_bears_the_residual_first(residual_ledger, trader):
    receipt = residual_ledger.settle(trader, 800)
    assert event(receipt, "Settled")["absorbed"] == 500
    assert residual_ledger.vault.marketLedger(0).residual == 0
    assert state(residual_ledger, trader) == (0, 300, 0, 0)


def test_a_profit_bears_no_more_than_itself(residual_ledger, trader):
    receipt = residual_ledger.settle(trader, 200)
    assert event(receipt, "Settled")["absorbed"] == 200
    assert residual_ledger.vault.marketLedger(0).residual == 300
    assert state(residual_ledger, trader) == (0, 0, 0, 0)


def test_the_residual_goes_before_the_repayment_of_debt(residual_ledger, trader):
    residual_ledger.settle(trader, -100)
    residual_ledger.settle(trader, 550)
    assert state(residual_ledger, trader) == (0, 0, 50, 0)


def test_a_residual_is_of_one_market_and_of_profits(residual_ledger, trader, other_trader):
    residual_ledger.settle(trader, 800, market=1)
    receipt = residual_ledger.settle(other_trader, -100)
    assert event(receipt, "Settled")["absorbed"] == 0
    assert residual_ledger.vault.marketLedger(0).residual == 500
    assert state(residual_ledger, trader, market=1) == (0, 800, 0, 0)


def test_residuals_add_up(residual_ledger):
    residual_ledger.send("addResidual", 0, 70)
    assert residual_ledger.vault.marketLedger(0).residual == 570


# ---- widths


def test_amounts_beyond_their_width_are_refused(ledger, trader):
    with reverts("Overflow"):
        ledger.settle(trader, 2**112)
    with reverts("Overflow"):
        ledger.settle(trader, -(2**128))
    with reverts("Overflow"):
        ledger.send("addResidual", 0, 2**104)
