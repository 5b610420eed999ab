"""The clearing house moves the ledger, the fund collects, governance sets maturities, and nobody else."""

import pytest

from tests.expect import reverts

OF_THE_HOUSE = {
    "settle": lambda account: (account, 0, 5),
    "convert": lambda account: (account,),
    "creditCash": lambda account: (account, 5),
    "exchange": lambda account: (account, account, 0, 0, 0),
    "chargeContribution": lambda account: (account, 0),
    "chargeLiquidation": lambda account: (account, account, 0, 0, 0),
    "resolveDebt": lambda account: (account, 0, 0, 0, 0),
    "addResidual": lambda _: (0, 5),
}
OF_COLLATERAL = {
    "authorizeCollateral": lambda account: (account, 0, []),
    "setPledging": lambda account: (account, True),
}
FOR_ANYONE = {"deposit", "withdraw"}


def test_every_function_that_writes_has_its_caller(ledger):
    writing = {entry.name for entry in ledger.vault.contract_type.mutable_methods}
    assert writing - {"setAuthority"} == {
        *OF_THE_HOUSE,
        *OF_COLLATERAL,
        *FOR_ANYONE,
        "collect",
        "setMaturity",
    }


@pytest.mark.parametrize("function", OF_THE_HOUSE)
def test_only_the_clearing_house_moves_the_ledger(ledger, trader, governor, function):
    arguments = OF_THE_HOUSE[function](trader)
    for caller in (trader, governor, ledger.fund):
        with reverts("OnlyClearingHouse"):
            getattr(ledger.vault, function)(*arguments, sender=caller)


@pytest.mark.parametrize("function", OF_COLLATERAL)
def test_only_collateral_authorizes_itself(ledger, trader, governor, function):
    arguments = OF_COLLATERAL[function](trader)
    for caller in (trader, governor, ledger.house, ledger.fund):
        with reverts("OnlyCollateral"):
            getattr(ledger.vault, function)(*arguments, sender=caller)


def test_only_the_fund_collects(ledger, trader, governor):
    for caller in (trader, governor, ledger.house):
        with reverts("OnlyFund"):
            ledger.vault.collect(sender=caller)


def test_only_governance_sets_a_maturity(ledger, trader):
    for caller in (trader, ledger.house, ledger.fund):
        with reverts("AccessManagedUnauthorized", caller=caller):
            ledger.vault.setMaturity(0, 60, sender=caller)
