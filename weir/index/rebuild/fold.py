"""Events onto a state, one after the other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from weir.index.rebuild.assets import COLLATERAL, ORACLE, RESERVE, STABLECOINS
from weir.index.rebuild.fund import FUND
from weir.index.rebuild.guaranty import GUARANTY
from weir.index.rebuild.handlers import Handlers
from weir.index.rebuild.house import HOUSE
from weir.index.rebuild.policy import POLICY
from weir.index.rebuild.state import State
from weir.index.rebuild.tranches import tranche_handlers
from weir.index.rebuild.vault import VAULT

__all__ = ["Applied", "UnknownEventError", "apply", "fold", "genesis"]

_AUTHORITY = Handlers()
_AUTHORITY.ignore(
    *("OperationScheduled", "OperationExecuted", "OperationCanceled"),
    *("RoleLabel", "RoleGranted", "RoleRevoked", "RoleAdminChanged", "RoleGuardianChanged"),
    *("RoleGrantDelayChanged", "TargetClosed", "TargetFunctionRoleUpdated", "TargetAdminDelayUpdated"),
)
for _managed in (HOUSE, VAULT, FUND, POLICY, GUARANTY, STABLECOINS, ORACLE):
    _managed.ignore("AuthorityUpdated")
HOUSE.ignore("EIP712DomainChanged")

HANDLERS: dict[str, Handlers] = {
    "Authority": _AUTHORITY,
    "ClearingHouse": HOUSE,
    "Vault": VAULT,
    "InsuranceFund": FUND,
    "JuniorTranche": tranche_handlers("junior"),
    "SeniorTranche": tranche_handlers("senior"),
    "GuarantyFund": GUARANTY,
    "FundingPolicy": POLICY,
    "Stablecoins": STABLECOINS,
    "Collateral": COLLATERAL,
    "Reserve": RESERVE,
    "PriceOracle": ORACLE,
}
"""Contracts by their names in a deployment: those that have a state."""


class UnknownEventError(RuntimeError):
    """A contract told of something that the index does not know: it is older than the contracts."""


@dataclass(frozen=True, slots=True)
class Applied:
    """An event as the fold takes it: integers as such, bytes and addresses as 0x…, structs as mappings."""

    block: int
    time: int
    log_index: int
    contract: str
    name: str
    arguments: Mapping[str, Any]


def genesis(decimals: int, addresses: Mapping[str, str]) -> State:
    """Before the first event of a deployment, whose contracts lie at these addresses by name."""
    return State(
        decimals=decimals,
        fund_address=addresses["InsuranceFund"],
        junior_address=addresses["JuniorTranche"],
        senior_address=addresses["SeniorTranche"],
    )


def apply(state: State, event: Applied) -> None:
    """Changes the state to what it is after the event; raises `UnknownEventError`."""
    handler = HANDLERS[event.contract].get(event.name)
    if handler is None:
        raise UnknownEventError(f"{event.contract}.{event.name} in block {event.block}")
    state.block, state.time, state.log_index = event.block, event.time, event.log_index
    state.events += 1
    handler(state, event.arguments)


def fold(state: State, events: Iterable[Applied]) -> State:
    """`apply` for many; returns the same state."""
    for event in events:
        apply(state, event)
    return state
