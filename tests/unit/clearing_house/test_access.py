"""Powers: each restricted function is one role's, and nobody else calls it (SPECIFICATION.md section 8)."""

import re

import pytest

from tests.expect import refusal, reverts
from weir.governance import GOVERNOR, GUARDIAN, POSTER, ROLES, selector

CONTRACTS = (
    *("Vault", "ClearingHouse", "InsuranceFund", "FundingPolicy", "PriceOracle"),
    *("JuniorTranche", "SeniorTranche", "GuarantyFund", "Stablecoins"),
)
HOLDERS = {"governor": GOVERNOR, "guardian": GUARDIAN, "poster": POSTER}
POWERS = [
    (role, contract, signature)
    for role in ROLES
    for contract, signatures in role.functions.items()
    for signature in signatures
]
EVERYONE = ("deployer", "governor", "guardian", "treasury", "poster", "market_maker", "stranger")


def contract_of(system, name):
    fields = {
        "Vault": "vault",
        "ClearingHouse": "clearing_house",
        "InsuranceFund": "fund",
        "GuarantyFund": "guaranty",
        "FundingPolicy": "policy",
        "PriceOracle": "oracle",
        "JuniorTranche": "junior",
        "SeniorTranche": "senior",
        "Stablecoins": "stablecoins",
    }
    return getattr(system, fields[name])


def zeros(components):
    """Arguments of the right types, each of them zero."""
    values = []
    for component in components:
        if array := re.search(r"\[(\d*)\]$", component.type):
            values.append([0] * int(array[1] or 0))
        elif component.components:
            values.append(tuple(zeros(component.components)))
        elif component.type == "address":
            values.append("0x" + "00" * 20)
        else:
            values.append({"bytes32": b"\0" * 32, "bool": False}.get(component.type, 0))
    return values


def method_of(contract, signature):
    return next(m for m in contract.contract_type.mutable_methods if m.selector == signature)


@pytest.mark.parametrize(
    ("role", "contract", "signature"), POWERS, ids=[f"{c}.{s.split('(')[0]}" for _, c, s in POWERS]
)
def test_a_restricted_function_is_of_its_role_alone(system, role, contract, signature):
    target = contract_of(system, contract)
    method = method_of(target, signature)
    call = getattr(target, method.name)
    for actor in EVERYONE:
        if HOLDERS.get(actor) is role:
            continue
        account = system.actors[actor]
        with reverts("AccessManagedUnauthorized", caller=account):
            call(*zeros(method.inputs), sender=account)
    holder = next(system.actors[actor] for actor, held in HOLDERS.items() if held is role)
    allowed, delay = system.authority.canCall(holder, target, selector(signature))
    assert (allowed, delay) == (True, 0)


@pytest.mark.parametrize("contract", CONTRACTS)
def test_every_restricted_function_has_a_role(system, contract, stranger):
    """No function that governance may call is left to the admin, and none is in the table for nothing."""
    target = contract_of(system, contract)
    methods = {method.selector for method in target.contract_type.mutable_methods} - {"setAuthority(address)"}
    restricted = {
        method
        for method in methods
        if refusal(stranger, target, selector(method) + bytes(32 * 30)) == "AccessManagedUnauthorized"
    }
    assert restricted == {signature for _, name, signature in POWERS if name == contract}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_authority_of_a_contract_is_its_own(system, contract):
    assert contract_of(system, contract).authority() == system.authority


def test_the_deployer_keeps_no_power(system, deployer):
    for role in ROLES:
        assert system.authority.hasRole(role.id, deployer)[0] is False


def test_a_power_with_a_delay_waits(system, house, governor, stranger, chain):
    """A governor whose role has a delay schedules, waits, and then calls."""
    system.authority.grantRole(GOVERNOR.id, stranger, 86_400, sender=governor)
    parameters = house.liquidationParameters()
    call = house.setLiquidationParameters.encode_input(tuple(parameters))
    with reverts("AccessManagerNotScheduled"):
        house.setLiquidationParameters(tuple(parameters), sender=stranger)
    system.authority.schedule(house, call, 0, sender=stranger)
    with reverts("AccessManagerNotReady"):
        house.setLiquidationParameters(tuple(parameters), sender=stranger)
    chain.mine(deltatime=86_400)
    house.setLiquidationParameters(tuple(parameters), sender=stranger)
