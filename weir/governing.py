"""Governance on a chain: who holds which role, which calls wait, and who may make a call, and when."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from weir.calls import CallError, Calls, Change
from weir.chain import ContractError, Event, encode_call
from weir.client import Weir
from weir.formatting import utc
from weir.governance import ROLES

__all__ = ["GovernRefusedError", "Governance", "Holder", "Waiting"]

_LETS_EVERYONE = "0x600160005260406000f3"
"""Code that answers every `canCall` with (true, 0)."""
_WIRES = {
    "authority": "Authority",
    "oracle": "PriceOracle",
    "vault": "Vault",
    "policy": "FundingPolicy",
    "liquidations": "Liquidations",
    "clearingHouse": "ClearingHouse",
    "fund": "InsuranceFund",
    "junior": "JuniorTranche",
    "senior": "SeniorTranche",
    "guaranty": "GuarantyFund",
    "stablecoins": "Stablecoins",
    "collateral": "Collateral",
    "reserve": "Reserve",
}
"""The contract that a getter of this name answers with, on whichever contract it stands."""


class GovernRefusedError(RuntimeError):
    """The Authority would refuse it; the message says why, or what to do instead."""


@dataclass(frozen=True, slots=True)
class Holder:
    """An account that holds a role now; `delay`: seconds that its calls wait."""

    role: str
    account: str
    delay: int


@dataclass(frozen=True, slots=True)
class Waiting:
    """A call that has been announced: by whom, from when on it may be made, when it lapses (Unix seconds).

    `change` is None where what is called is not a contract of this deployment.
    """

    id: str
    caller: str
    target: str
    data: bytes
    ready_at: int
    lapses_at: int
    change: Change | None


class Governance:
    """The Authority of a deployment, and what it governs."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self.calls = Calls(weir)

    # ---- reads

    def holders(self) -> list[Holder]:
        """Whoever holds a role now, in the order of the roles."""
        names = {role.id: role.name for role in ROLES}
        granted = dict.fromkeys((event["roleId"], event["account"]) for event in self._events("RoleGranted"))
        read = self.weir.authority.functions
        found = self.weir.chain.call_many([read.hasRole(*pair) for pair in granted])
        held = [
            (role, Holder(names.get(role, f"role {role}"), account, delay))
            for (role, account), (is_member, delay) in zip(granted, found, strict=True)
            if is_member
        ]
        return [holder for _, holder in sorted(held, key=lambda each: each[0])]

    def waiting(self) -> list[Waiting]:
        """Calls that were announced, neither made nor cancelled, and have not lapsed; first due first."""
        announced = {event["operationId"]: event for event in self._events("OperationScheduled")}
        read = self.weir.authority.functions
        lapse, *times = self.weir.chain.call_many(
            [read.expiration(), *(read.getSchedule(operation) for operation in announced)]
        )
        found = [
            Waiting(
                id="0x" + operation.hex(),
                caller=event["caller"],
                target=event["target"],
                data=event["data"],
                ready_at=time,
                lapses_at=time + lapse,
                change=self.calls.read(event["target"], event["data"]),
            )
            for (operation, event), time in zip(announced.items(), times, strict=True)
            if time
        ]
        return sorted(found, key=lambda each: each.ready_at)

    def find(self, prefix: str) -> Waiting:
        """The waiting call whose id begins so; raises `CallError` where it is not exactly one."""
        found = [each for each in self.waiting() if each.id.startswith(prefix.lower())]
        if len(found) != 1:
            raise CallError(f"{prefix}: the id of {len(found) or 'no'} waiting calls begins so")
        return found[0]

    def _events(self, name: str) -> tuple[Event, ...]:
        last = int(self.weir.chain.rpc("eth_blockNumber"), 16)
        address = self.weir.authority.address
        return tuple(self.weir.chain.logs([address], self.weir.deployment.block, last, [name]))

    # ---- who may

    def wait(self, sender: str, change: Change) -> int:
        """Seconds that the sender has to wait with this call, 0 where it, or anyone, may make it at once.

        Raises `GovernRefusedError` where it may not make it at all.
        """
        if not _is_restricted(change):
            return 0
        may = self.weir.authority.functions.canCall
        chosen = encode_call(change.call)[:4]
        at_once, delay = self.weir.chain.call(may(sender, change.call.address, chosen))
        if not at_once and not delay:
            raise GovernRefusedError(
                f"{sender} has no role that may call {change.contract}.{change.function}"
            )
        return int(delay)

    def objection(self, sender: str, change: Change) -> str | None:
        """Why the contract would refuse this call if the sender might make it now; None: it would not.

        The contract itself is asked, on a state in which the Authority lets everyone, so its bounds are its
        own. Of calls of the Authority nothing is known before.
        """
        if change.contract == "Authority":
            return None
        request = {"from": sender, "to": change.call.address, "data": "0x" + encode_call(change.call).hex()}
        state = {self.weir.authority.address: {"code": _LETS_EVERYONE}}
        try:
            self.weir.chain.rpc("eth_call", request, "latest", state)
        except ContractError as error:
            given = [f"{name}={self.calls.word(value)}" for name, value in error.arguments.items()]
            return f"{error.name}({', '.join(given)})" if error.name else str(error)
        return None

    def require_ready(self, sender: str, waiting: Waiting) -> None:
        """Raises `GovernRefusedError` where the sender may not make this call now."""
        if self.weir.chain.timestamp() < waiting.ready_at:
            raise GovernRefusedError(f"{waiting.id[:10]} may be made from {utc(waiting.ready_at)} UTC on")
        if waiting.caller != sender:
            raise GovernRefusedError(f"only {waiting.caller}, who announced it, may make it")

    # ---- what is not as it should be

    def problems(self) -> list[str]:
        """What is not as a deployment leaves it; nothing where all is well.

        Functions that answer to another role than in the table, roles that nobody holds, powers that the
        deployer kept, holders who need not wait as long as the parameters say, and contracts that know
        another than the one of this deployment. Who holds a role may have changed; that is no problem.
        """
        return [*self._functions_astray(), *self._holders_astray(), *self._wires_astray()]

    def _functions_astray(self) -> list[str]:
        wanted = [
            (role, name, signature, selector)
            for role in ROLES
            for name, signatures in role.functions.items()
            for signature, selector in zip(signatures, role.selectors(name), strict=True)
        ]
        read, at = self.weir.authority.functions, self.weir.deployment.address
        found = self.weir.chain.call_many(
            [read.getTargetFunctionRole(at(name), selector) for _, name, _, selector in wanted]
        )
        return [
            f"{name}.{signature.split('(')[0]} answers to role {there}, not to the {role.name} ({role.id})"
            for (role, name, signature, _), there in zip(wanted, found, strict=True)
            if there != role.id
        ]

    def _holders_astray(self) -> list[str]:
        deployment, holders = self.weir.deployment, self.holders()
        held, delay = {holder.role for holder in holders}, deployment.parameters.governance.delay
        slow = {role.name for role in ROLES if role.delay}
        return [
            *(f"nobody holds the role {role.name}" for role in ROLES if role.name not in held),
            *(
                f"the deployer, {holder.account}, holds the role {holder.role}"
                for holder in holders
                if holder.account == deployment.deployer
            ),
            *(
                f"{holder.account} waits {holder.delay} s as {holder.role}, not {delay} s"
                for holder in holders
                if holder.role in slow and holder.delay < delay
            ),
        ]

    def _wires_astray(self) -> list[str]:
        wires = [
            (name, entry["name"], contract.get_function_by_name(entry["name"])())
            for name, contract in self.calls.contracts.items()
            for entry in cast(Any, contract.abi)
            if entry["type"] == "function" and not entry["inputs"] and entry["name"] in _WIRES
        ]
        found = self.weir.chain.call_many([call for _, _, call in wires])
        return [
            f"{name}.{getter} is {there}, not the {_WIRES[getter]} of this deployment"
            for (name, getter, _), there in zip(wires, found, strict=True)
            if there != self.weir.deployment.address(_WIRES[getter])
        ]


def _is_restricted(change: Change) -> bool:
    """Whether it takes a role; everyone may lay down a role of its own."""
    if change.contract == "Authority":
        return change.function != "renounceRole"
    signatures = (each for role in ROLES for each in role.functions.get(change.contract, ()))
    return change.function in (each.split("(")[0] for each in signatures)
