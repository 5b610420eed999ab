"""Deposits: the exact amount, who is credited, whose debts are paid (SPECIFICATION.md section 2, P1)."""

import pytest

from tests.expect import ZERO_ADDRESS, event, events, reverts


def test_a_deposit_is_cash_at_once(ledger, trader):
    receipt = ledger.deposit(trader, 1_000)
    assert event(receipt, "Deposited") == {"account": trader, "payer": trader, "amount": 1_000}
    assert ledger.vault.cashOf(trader) == ledger.vault.net(trader) == ledger.held() == 1_000


def test_anyone_may_deposit_for_anyone(ledger, trader, stranger):
    ledger.token.mint(stranger, 500, sender=stranger)
    ledger.token.approve(ledger.vault, 500, sender=stranger)
    receipt = ledger.vault.deposit(trader, 500, sender=stranger)
    assert event(receipt, "Deposited") == {"account": trader, "payer": stranger, "amount": 500}
    assert (ledger.vault.cashOf(trader), ledger.vault.cashOf(stranger)) == (500, 0)
    assert ledger.token.balanceOf(stranger) == 0


def test_one_unit_is_enough_and_nothing_is_not(ledger, trader):
    ledger.deposit(trader, 1)
    assert ledger.vault.cashOf(trader) == 1
    with reverts("ZeroAmount"):
        ledger.vault.deposit(trader, 0, sender=trader)


def test_nobody_deposits_for_the_zero_address(ledger, trader):
    with reverts("ZeroAddress"):
        ledger.vault.deposit(ZERO_ADDRESS, 1, sender=trader)


def test_a_deposit_needs_an_allowance(ledger, trader):
    ledger.token.mint(trader, 10, sender=trader)
    with reverts("ERC20InsufficientAllowance", allowance=0, needed=10):
        ledger.vault.deposit(trader, 10, sender=trader)


def test_more_than_cash_can_hold_is_refused(ledger, trader):
    amount = 2**120
    ledger.token.mint(trader, amount, sender=trader)
    ledger.token.approve(ledger.vault, amount, sender=trader)
    with reverts("Overflow"):
        ledger.vault.deposit(trader, amount, sender=trader)
    ledger.vault.deposit(trader, amount - 1, sender=trader)
    assert ledger.vault.cashOf(trader) == amount - 1


def test_a_deposit_pays_debts_first_lowest_market_first(ledger, trader):
    ledger.settle(trader, -300, market=5)
    ledger.settle(trader, -200, market=2)
    receipt = ledger.deposit(trader, 450)
    assert events(receipt, "DebtRepaid") == [
        {"account": trader, "market": 2, "fromCash": 200, "fromProfit": 0},
        {"account": trader, "market": 5, "fromCash": 250, "fromProfit": 0},
    ]
    assert [ledger.vault.debtOf(trader, market) for market in (2, 5)] == [0, 50]
    assert [ledger.pool(market) for market in (2, 5)] == [200, 250]
    assert (ledger.vault.cashOf(trader), ledger.vault.net(trader)) == (0, -50)
    assert ledger.vault.inDebt(trader)

    ledger.deposit(trader, 60)
    assert (ledger.vault.cashOf(trader), ledger.pool(5), ledger.vault.inDebt(trader)) == (10, 300, False)


def test_a_donation_is_nobodys(ledger, trader):
    ledger.deposit(trader, 100)
    ledger.token.mint(ledger.vault, 40, sender=trader)
    assert (ledger.held(), ledger.vault.cashOf(trader)) == (140, 100)
    ledger.deposit(trader, 5)
    assert ledger.vault.cashOf(trader) == 105


def test_accounts_are_listed_once_in_order(ledger, trader, other_trader, market_maker):
    for account in (trader, other_trader, trader, market_maker):
        ledger.deposit(account, 1)
    everyone = [trader, other_trader, market_maker]
    assert ledger.vault.accountCount() == 3
    for offset, limit in ((0, 3), (0, 2), (1, 1), (1, 9), (2, 2**256 - 1), (3, 1), (7, 5), (0, 0)):
        assert ledger.vault.accounts(offset, limit) == everyone[offset : offset + limit]


def test_a_vault_knows_its_asset(ledger):
    assert (ledger.vault.asset(), ledger.vault.assetDecimals()) == (ledger.token, 6)
    assert (ledger.vault.clearingHouse(), ledger.vault.fund()) == (ledger.house, ledger.fund)
    assert ledger.vault.collateral() != ZERO_ADDRESS


def test_a_vault_is_wired_to_addresses(ledger, project, deployer, stranger):
    authority, token = ledger.vault.authority(), ledger.token
    for missing in range(3):
        wiring = [ZERO_ADDRESS if i == missing else stranger for i in range(3)]
        with reverts("ZeroAddress"):
            deployer.deploy(project.Vault, authority, token, *wiring)


# ---- tokens


def test_a_token_that_keeps_a_fee_is_refused(deploy_ledger, project, deployer, trader):
    ledger = deploy_ledger(deployer.deploy(project.FeeToken, 6, 10_000))
    with reverts("InexactTransfer", expected=1_000, received=990):
        ledger.deposit(trader, 1_000)


def test_a_token_that_returns_nothing_is_taken(deploy_ledger, project, deployer, trader, stranger):
    ledger = deploy_ledger(deployer.deploy(project.SilentToken, 6))
    ledger.deposit(trader, 1_000)
    ledger.vault.withdraw(400, stranger, [], sender=trader)
    assert (ledger.vault.cashOf(trader), ledger.held(), ledger.token.balanceOf(stranger)) == (600, 600, 400)


def test_a_token_that_says_no_is_believed(deploy_ledger, project, deployer, trader):
    ledger = deploy_ledger(deployer.deploy(project.FalseToken, 6))
    ledger.token.approve(ledger.vault, 10, sender=trader)
    with reverts("SafeERC20FailedOperation", token=ledger.token):
        ledger.vault.deposit(trader, 10, sender=trader)


@pytest.fixture(scope="module")
def reentrant_ledger(deploy_ledger, project, deployer, trader):
    ledger = deploy_ledger(deployer.deploy(project.ReentrantToken, 6))
    ledger.deposit(trader, 1_000)
    return ledger


def reentry_was_refused(ledger):
    guard = ledger.vault.contract_type.errors["ReentrancyGuardReentrantCall"]
    selector = ledger.vault.provider.web3.keccak(text=guard.selector)[:4]
    return ledger.token.called() and not ledger.token.succeeded() and ledger.token.result() == selector


def test_a_token_can_not_reenter_a_deposit(reentrant_ledger, trader):
    ledger = reentrant_ledger
    call = ledger.vault.deposit.encode_input(trader, 1)
    ledger.token.arm(ledger.vault, call, sender=trader)
    ledger.deposit(trader, 200)
    assert reentry_was_refused(ledger)
    assert ledger.vault.cashOf(trader) == ledger.held() == 1_200


@pytest.mark.parametrize("entry", ["deposit", "withdraw"])
def test_a_token_can_not_reenter_a_withdrawal(reentrant_ledger, trader, stranger, entry):
    ledger = reentrant_ledger
    arguments = {"deposit": (trader, 1), "withdraw": (1, stranger, [])}[entry]
    call = getattr(ledger.vault, entry).encode_input(*arguments)
    ledger.token.arm(ledger.vault, call, sender=trader)
    ledger.vault.withdraw(300, stranger, [], sender=trader)
    assert reentry_was_refused(ledger)
    assert ledger.vault.cashOf(trader) == ledger.held() == 700
    assert ledger.token.balanceOf(stranger) == 300
