"""The table of roles is complete, and a deployment puts it in force."""

from __future__ import annotations

import re
from pathlib import Path

import ape
import pytest

from tests.expect import reverts
from weir.governance import ADMIN, GOVERNOR, ROLES, selector
from weir.parameters import GovernanceParameters

CONTRACTS = Path(__file__).parents[2] / "contracts"
RESTRICTED = re.compile(r"function (\w+)\([^{;]*\brestricted\b")
TABLE = [
    pytest.param(role, contract, signature, id=f"{contract}.{signature.split('(')[0]}")
    for role in ROLES
    for contract, signatures in role.functions.items()
    for signature in signatures
]


HOLDERS = {"guardian": "guardian", "poster": "poster"}
"""Who holds a role; all others are the governor's."""


@pytest.fixture(scope="module")
def timelocked(deploy_system):
    """A deployment whose governor has to wait as long as the table says."""
    return deploy_system(governance=GovernanceParameters())


def target_of(system, contract):
    return {
        "ClearingHouse": system.clearing_house,
        "PriceOracle": system.oracle,
        "Vault": system.vault,
        "Stablecoins": system.stablecoins,
        "InsuranceFund": system.fund,
        "GuarantyFund": system.guaranty,
        "FundingPolicy": system.policy,
        "JuniorTranche": system.junior,
        "SeniorTranche": system.senior,
    }[contract]


def test_every_restricted_function_is_in_the_table():
    in_sources = {name for path in CONTRACTS.rglob("*.sol") for name in RESTRICTED.findall(path.read_text())}
    assert in_sources == {entry.values[2].split("(")[0] for entry in TABLE}


def test_no_function_belongs_to_two_roles():
    entries = [entry.values[1:] for entry in TABLE]
    assert len(set(entries)) == len(entries)
    assert len({role.id for role in ROLES}) == len(ROLES)


@pytest.mark.parametrize(("role", "contract", "signature"), TABLE)
def test_each_function_answers_to_its_role_alone(timelocked, actors, role, contract, signature):
    system, target = timelocked, target_of(timelocked, contract)
    chosen = selector(signature)
    assert system.authority.getTargetFunctionRole(target, chosen) == role.id

    holder = HOLDERS.get(role.name, "governor")
    for name, actor in actors.items():
        immediate, delay = system.authority.canCall(actor, target, chosen)
        assert immediate == (name == holder and role.delay == 0)
        assert delay == (role.delay if name == holder else 0)


@pytest.mark.parametrize(("role", "contract", "signature"), TABLE)
def test_only_the_holder_of_the_role_gets_in(timelocked, actors, role, contract, signature):
    target = target_of(timelocked, contract)
    wrong = {"governor", *HOLDERS.values()} - {HOLDERS.get(role.name, "governor")}
    for name in ("stranger", "deployer", *sorted(wrong)):
        with reverts("AccessManagedUnauthorized", caller=actors[name]):
            actors[name].transfer(target, 0, data=selector(signature) + bytes(32 * 30))


def test_the_deployer_keeps_no_power(timelocked, deployer, governor):
    authority = timelocked.authority
    for role in ROLES:
        assert not authority.hasRole(role.id, deployer)[0]
    assert authority.hasRole(ADMIN.id, governor) == (True, ADMIN.delay)


def test_who_governs_changes_as_slowly_as_what_they_set(timelocked, governor, stranger):
    authority = timelocked.authority
    with ape.reverts(authority.AccessManagerNotScheduled):
        authority.grantRole(GOVERNOR.id, stranger, 0, sender=governor)
    authority.schedule(
        authority, authority.grantRole.encode_input(GOVERNOR.id, stranger, 0), 0, sender=governor
    )
    timelocked.wait(ADMIN.delay)
    authority.grantRole(GOVERNOR.id, stranger, 0, sender=governor)
    assert authority.hasRole(GOVERNOR.id, stranger) == (True, 0)


def test_the_guardian_pauses_at_once(timelocked, guardian):
    timelocked.clearing_house.pauseNewRisk(3600, sender=guardian)
    assert timelocked.clearing_house.pausedUntil() != 0
