"""The house's module: one that knows other contracts is refused, and nobody gains by calling it directly."""

import pytest
from ape import project

from tests.expect import event, reverts

BTC = 0
INSOLVENT = 8_900

pytestmark = pytest.mark.usefixtures("opened")


@pytest.fixture
def module(system):
    return project.Liquidations.at(system.deployment.address("Liquidations"))


def arguments(system, **others):
    """Of the module's constructor, and the first of the house's; with some addresses changed."""
    changed = {getattr(system, name).address: other.address for name, other in others.items()}
    return [
        tuple(each.values()) if isinstance(each, dict) else changed.get(each, each)
        for each in system.deployment.contracts["Liquidations"].arguments
    ]


def test_the_house_names_its_module(house, module):
    assert house.liquidations() == module
    for contract in ("vault", "fund", "oracle", "policy", "authority"):
        assert getattr(module, contract)() == getattr(house, contract)()


@pytest.mark.parametrize("other", ["vault", "fund", "oracle", "policy"])
def test_a_module_wired_otherwise_is_refused(system, deployer, other):
    own = getattr(system, other)
    replacement = deployer.deploy(project.Vault, system.authority, system.token, *[deployer] * 3)
    foreign = deployer.deploy(project.Liquidations, *arguments(system, **{other: replacement}))
    assert getattr(foreign, other)() == replacement != own
    with reverts("LiquidationsMismatch", liquidations=foreign):
        deployer.deploy(project.ClearingHouse, *arguments(system), foreign)


def test_a_module_without_code_is_refused(system, deployer, stranger):
    with reverts(""):
        deployer.deploy(project.ClearingHouse, *arguments(system), stranger)


def test_what_the_module_emits_comes_from_the_house(opened, house, trader, liquidator):
    opened.set_price(BTC, 9_250)
    opened.flag(trader)
    receipt = opened.liquidate(trader, liquidator)
    assert event(receipt, "Liquidated")["liquidator"] == liquidator
    names = ("Liquidated", "PositionChanged", "Unflagged")
    assert {log.contract_address for log in receipt.events if log.event_name in names} == {house.address}


def test_errors_come_through(opened, trader, liquidator):
    with reverts("AccountNotFlagged", account=trader):
        opened.liquidate(trader, liquidator)
    with reverts("AccountNotFlagged", account=trader):
        opened.deleverage(trader)


# ---- called by itself


@pytest.fixture
def insolvent(opened, trader):
    """The trader owes 1,050 more than it has; nobody has flagged it."""
    opened.set_price(BTC, INSOLVENT)
    opened.settle(trader)
    assert opened.vault.net(trader) == -opened.usd(1_050)
    return opened


def test_it_knows_no_market_no_flag_and_no_way_to_the_ledger(insolvent, module, trader, liquidator):
    insolvent.flag(trader)
    for call, error in (
        (lambda: module.liquidate(trader, 10**18, [], sender=liquidator), "AccountNotFlagged"),
        (lambda: module.deleverage(trader, [], sender=liquidator), "AccountNotFlagged"),
        (lambda: module.liquidate(trader, 10**18, [trader], sender=liquidator), "OnlyClearingHouse"),
        (lambda: module.settle([trader], sender=liquidator), "OnlyClearingHouse"),
        (lambda: module.refresh(BTC, sender=liquidator), "UnknownMarket"),
    ):
        with reverts(error):
            call()


def test_a_flag_set_there_is_nowhere_else(insolvent, house, module, trader, liquidator):
    module.flag(trader, sender=liquidator)
    assert module.flagOf(trader)[1]
    assert module.insolvencies() == 1
    assert tuple(house.flagOf(trader)) == (0, False)
    assert house.insolvencies() == 0
    assert insolvent.fund.gateOpen()
    # The auction of that flag sells nothing, now or later.
    with reverts("OnlyClearingHouse"):
        module.liquidate(trader, 10**18, [], sender=liquidator)
    insolvent.pass_auction()
    with reverts("OnlyClearingHouse"):
        module.deleverage(trader, [], sender=liquidator)


def test_parameters_set_there_are_nowhere_else(house, module, governor, stranger):
    parameters = tuple(house.liquidationParameters())
    changed = (0, 0, *parameters[2:])
    with reverts("AccessManagedUnauthorized", caller=stranger):
        module.setLiquidationParameters(changed, sender=stranger)
    # As the admin, whose are all functions without a role.
    module.setLiquidationParameters(changed, sender=governor)
    module.pauseNewRisk(86_400, sender=governor)
    assert tuple(house.liquidationParameters()) == parameters
    assert house.pausedUntil() == 0
