"""What the vault knows of collateral: who holds some. What it counts for and is paid for it is told."""

import ape
import pytest

from tests.expect import event, events, reverts
from tests.unit.vault.conftest import COLLATERAL
from weir.governance import selector

BTC, ETH = range(2)
ALL = 10**18


@pytest.fixture
def tell():
    """What Collateral answers: a number to whatever it is asked, and a default to `openDefaultOf`."""

    def answer(number, default=0):
        asked = "60003560e01c63" + selector("openDefaultOf(address)").hex() + "14603857"
        # MSTORE at 0, RETURN 32 bytes; the second one is where the jump goes.
        answers = ["7f" + value.to_bytes(32, "big").hex() + "60005260206000f3" for value in (number, default)]
        ape.chain.provider.set_code(COLLATERAL, "0x" + asked + "5b".join(answers))

    return answer


@pytest.fixture
def custodian(tell):
    """Collateral, as an account that sends; its answers are 0."""
    ape.chain.provider.set_balance(COLLATERAL, 10**21)
    account = ape.accounts.test_accounts.impersonate_account(COLLATERAL)
    tell(0)
    return account


@pytest.fixture
def pledging(ledger, custodian, tell, trader):
    """The trader holds collateral that counts for 500, and 1,000 in cash."""
    ledger.deposit(trader, 1_000)
    ledger.vault.setPledging(trader, True, sender=custodian)
    tell(500)
    return ledger


@pytest.fixture
def house_call(pledging):
    """What the clearing house would be answered."""

    def call(function, *arguments):
        return getattr(pledging.vault, function).call(*arguments, sender=pledging.house)

    return call


# ---- who holds some


def test_who_pledges_is_an_account(ledger, custodian, trader):
    for pledging in (True, False, True):
        ledger.vault.setPledging(trader, pledging, sender=custodian)
        assert list(ledger.vault.accounts(0, 10)) == [trader]
    ledger.deposit(trader, 5)
    assert ledger.vault.accountCount() == 1


def test_collateral_counts_in_net_while_it_is_held(pledging, custodian, tell, trader, other_trader):
    vault = pledging.vault
    pledging.deposit(other_trader, 10)
    assert (vault.net(trader), vault.net(other_trader)) == (1_500, 10)
    tell(700)
    assert vault.net(trader) == 1_700
    vault.setPledging(trader, False, sender=custodian)
    assert vault.net(trader) == 1_000


def test_it_counts_against_debts_and_with_claims(pledging, trader):
    pledging.settle(trader, 300, ETH)
    pledging.settle(trader, -1_800, BTC)
    # 1,000 in cash went, 800 are owed; claims of 300 and collateral of 500 cover that.
    assert pledging.vault.debtOf(trader, BTC) == 800
    assert pledging.vault.net(trader) == 0


def test_the_clearing_house_hears_of_it(pledging, trader, other_trader, house_call):
    """Whatever it books, the net that it is told has the collateral in it."""
    pledging.deposit(other_trader, 100)
    assert house_call("convert", trader) == 1_500
    assert house_call("exchange", other_trader, trader, 7, 2, 3) == (91, 1_504)
    assert house_call("chargeLiquidation", trader, other_trader, 0, 20, 30) == (20, 30, 1_450)


# ---- what it lets pass


def test_collateral_leaves_with_what_a_withdrawal_would_be_refused_for(pledging, custodian, tell, trader):
    vault = pledging.vault
    vault.authorizeCollateral(trader, 5, [], sender=custodian)
    tell(500, default=9)
    with reverts("OpenDefault", account=trader, id=9):
        vault.authorizeCollateral(trader, 5, [], sender=custodian)
    pledging.settle(trader, -1_001)
    with reverts("AccountInDebt", account=trader):
        vault.authorizeCollateral(trader, 5, [], sender=custodian)


def test_an_open_default_bars_cash_too(pledging, custodian, tell, trader, other_trader):
    """As long as something is pledged."""
    vault = pledging.vault
    pledging.deposit(other_trader, 100)
    tell(500, default=3)
    moves = (
        lambda: vault.withdraw(1, trader, [], sender=trader),
        lambda: pledging.send("exchange", trader, other_trader, 0, 0, 0),
        lambda: pledging.send("exchange", other_trader, trader, 0, 0, 0),
        lambda: pledging.send("chargeContribution", trader, 1),
    )
    for move in moves:
        with reverts("OpenDefault", account=trader, id=3):
            move()
    vault.setPledging(trader, False, sender=custodian)
    for move in moves:
        move()


# ---- a liquidation


@pytest.fixture
def owing(pledging, trader, liquidator):
    """It owes 300 in BTC and 100 in ETH; the liquidator has 1,000."""
    pledging.settle(trader, -1_300, BTC)
    pledging.settle(trader, -100, ETH)
    pledging.deposit(liquidator, 1_000)
    return pledging


def test_what_the_liquidator_pays_goes_to_debts_then_bounty_then_penalty(owing, trader, liquidator):
    """500 for collateral: 300 and 100 are owed, 60 of bounty, 40 of 50 of penalty."""
    receipt = owing.send("chargeLiquidation", trader, liquidator, ALL, 60, 50)
    assert event(receipt, "CollateralPaid") == {"account": trader, "liquidator": liquidator, "cost": 500}
    repaid = [(log["market"], log["fromCash"]) for log in events(receipt, "DebtRepaid")]
    assert repaid == [(BTC, 300), (ETH, 100)]
    assert event(receipt, "LiquidationCharged") == {
        "account": trader,
        "liquidator": liquidator,
        "bounty": 60,
        "penalty": 40,
    }
    assert [owing.vault.cashOf(account) for account in (trader, liquidator)] == [0, 560]
    assert [owing.pool(market) for market in (BTC, ETH)] == [1_300, 100]
    assert owing.vault.uncollected() == (0, 40)
    assert owing.held() == 2_000


def test_a_liquidator_without_the_cash_is_refused(owing, tell, trader, liquidator):
    tell(1_001)
    with reverts("InsufficientCash", account=liquidator, cash=1_000, needed=1_001):
        owing.send("chargeLiquidation", trader, liquidator, ALL, 0, 0)


def test_a_liquidator_in_debt_buys_nothing(owing, trader, liquidator):
    owing.settle(liquidator, -1_001)
    with reverts("AccountInDebt", account=liquidator):
        owing.send("chargeLiquidation", trader, liquidator, ALL, 0, 0)


def test_where_nothing_is_taken_nothing_is_paid(owing, tell, trader, liquidator):
    """Nor is the liquidator asked whether it might pay."""
    tell(0)
    owing.settle(liquidator, -1_001)
    receipt = owing.send("chargeLiquidation", trader, liquidator, ALL, 0, 0)
    assert events(receipt, "CollateralPaid") == []


@pytest.mark.parametrize("held", [True, False])
def test_no_part_is_no_collateral(owing, custodian, trader, liquidator, held):
    """Deleveraging takes none; nor is there any to take of who has pledged nothing."""
    owing.vault.setPledging(trader, held, sender=custodian)
    receipt = owing.send("chargeLiquidation", trader, liquidator, 0 if held else ALL, 0, 0)
    assert events(receipt, "CollateralPaid") == []
    assert owing.vault.cashOf(liquidator) == 1_000


# ---- a default


def test_a_default_is_noted_where_collateral_is_held(owing, custodian, trader):
    """A note that is refused stops the resolution, and is asked for only where something is pledged."""
    ape.chain.provider.set_code(COLLATERAL, "0x60006000fd")
    with reverts(""):
        owing.send("resolveDebt", trader, BTC, 300, 0, 300)
    owing.vault.setPledging(trader, False, sender=custodian)
    owing.token.mint(owing.vault, 300, sender=trader)
    owing.send("resolveDebt", trader, BTC, 300, 0, 300)
    assert owing.vault.debtOf(trader, BTC) == 0
