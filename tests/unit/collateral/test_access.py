"""Anyone pledges, withdraws its own, starts a sale and buys; the vault alone moves what others hold."""

import pytest

from tests.expect import reverts
from tests.unit.collateral.moves import ONE_USDX, USDX, held

OF_THE_VAULT = {
    "take": lambda account, other: (account, other, 10**18),
    "noteDefault": lambda account, _: (account,),
}
FOR_ANYONE = {"deposit", "withdraw", "startSale", "buy"}


def test_every_function_that_writes_has_its_caller(pledged_system):
    writing = {entry.name for entry in pledged_system.collateral.contract_type.mutable_methods}
    assert writing == {*OF_THE_VAULT, *FOR_ANYONE}


@pytest.mark.parametrize("function", OF_THE_VAULT)
def test_only_the_vault_moves_what_others_hold(
    pledged_system, actors, trader, liquidator, impersonated, function
):
    system = pledged_system
    contracts = (system.clearing_house, system.fund, system.stablecoins, system.collateral)
    arguments = OF_THE_VAULT[function](trader, liquidator)
    for caller in (*actors.values(), *map(impersonated, contracts)):
        with reverts("OnlyVault"):
            getattr(system.collateral, function)(*arguments, sender=caller)


def test_the_vault_moves_it(pledged_system, trader, liquidator, impersonated):
    """So the test above refuses callers, not calls."""
    system, vault = pledged_system, impersonated(pledged_system.vault)
    system.collateral.take(trader, liquidator, 10**17, sender=vault)
    assert held(system, trader, liquidator) == [9_000 * ONE_USDX, 1_000 * ONE_USDX]
    system.collateral.noteDefault(trader, sender=vault)
    assert list(system.collateral.defaultsOf(trader)) == [0]


def test_nobody_withdraws_what_is_another_s(pledged_system, trader, attacker):
    with reverts("InsufficientCollateral", account=attacker, held=0):
        pledged_system.collateral.withdraw(USDX, 1, attacker, [trader], sender=attacker)
