"""Calls of a deployment's contracts in words, checked against the ABI, and read back from bytes.

Such as `ClearingHouse.setMarketParameters BTC initialMarginRatio=100000`. Numbers are in the chain's units,
as in `weir.client`; markets, roles and contracts have names.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, cast

from web3.contract import Contract
from web3.exceptions import Web3Exception

from weir.accounts import checked_address
from weir.chain import Call, ContractError, encode_call
from weir.client import Weir
from weir.deployment import FIRST_ASSET_FEED
from weir.governance import ROLES
from weir.parameters import symbol_bytes
from weir.units import DAY

__all__ = ["CallError", "Calls", "Change"]

_UNITS = {"d": DAY, "h": 3_600}


class CallError(ValueError):
    """No call that there is, or not with such arguments; the message says which and why."""


@dataclass(frozen=True, slots=True)
class Change:
    """A call in words.

    `arguments`: the plain ones by name. `fields`: each parameter that would be another than now, with both
    values (the first is None where nothing stands yet).
    """

    call: Call
    contract: str
    function: str
    arguments: Mapping[str, str]
    fields: Mapping[str, tuple[str | None, str]]

    @property
    def text(self) -> str:
        """`ClearingHouse.closeMarket(market=BTC, price=…)`."""
        return f"{self.contract}.{self.function}({', '.join(f'{k}={v}' for k, v in self.arguments.items())})"

    def lines(self) -> list[str]:
        """A line for each parameter that changes."""
        return [
            f"{name}: {new}" if old is None else f"{name}: {old} -> {new}"
            for name, (old, new) in self.fields.items()
        ]


class Calls:
    """The contracts of a deployment (`contracts`, by name), and calls of them in words."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self.contracts: dict[str, Contract] = {
            name: weir.chain.contract(record.artifact, record.address)
            for name, record in weir.deployment.contracts.items()
            if not name.startswith(("Token", "Feed"))
        }

    # ---- from words

    def parse(self, text: str, arguments: Sequence[str]) -> Change:
        """A call from words: `Contract.function`, its arguments in order, then NAME=VALUE for parameters.

        Parameters that are not named keep their present value. Raises `CallError`.
        """
        name, _, function = text.partition(".")
        if name not in self.contracts:
            raise CallError(f"no contract {name!r}; there are {', '.join(sorted(self.contracts))}")
        entry = self._entry(name, function)
        given = [each for each in arguments if "=" not in each]
        named = dict(each.split("=", 1) for each in arguments if "=" in each)
        plain = [field for field in entry["inputs"] if field["type"] != "tuple"]
        structs = [field for field in entry["inputs"] if field["type"] == "tuple"]
        if len(given) != len(plain):
            names = " ".join(field["name"].strip("_") for field in plain) or "none"
            raise CallError(f"{text} takes {len(plain)} arguments ({names}), not {len(given)}")
        if named and not structs:
            raise CallError(f"{text} has no parameters by name ({', '.join(named)})")
        values: list[Any] = [self._value(name, *pair) for pair in zip(plain, given, strict=True)]
        # The last argument, of every function that has one.
        values += [self._filled(text, struct, values, named) for struct in structs]
        contract = self.contracts[name]
        try:
            data = encode_call(contract.get_function_by_name(function)(*values))
        except Web3Exception:
            raise CallError(f"{text}: a number is too large, or negative, for its type") from None
        change = self.read(contract.address, data)
        assert change is not None  # its own encoding
        return change

    def _entry(self, name: str, function: str) -> Mapping[str, Any]:
        entries: dict[str, Mapping[str, Any]] = {
            entry["name"]: entry
            for entry in cast(Any, self.contracts[name].abi)
            if entry["type"] == "function" and entry["stateMutability"] == "nonpayable"
        }
        if function not in entries:
            governed = {each.split("(")[0] for role in ROLES for each in role.functions.get(name, ())}
            known = ", ".join(sorted(governed or entries))
            raise CallError(f"no function {function!r} of {name}; there are {known or 'none'}")
        return entries[function]

    def _filled(
        self, text: str, struct: Mapping[str, Any], values: Sequence[Any], named: Mapping[str, str]
    ) -> dict[str, Any]:
        """The struct with these fields changed, the others as they stand."""
        name, _, function = text.partition(".")
        fields = {field["name"]: field for field in struct["components"]}
        if unknown := [each for each in named if each not in fields]:
            raise CallError(f"no parameter {unknown[0]!r} of {text}; there are {', '.join(fields)}")
        present = self._present(name, function, values)
        if missing := [each for each in fields if each not in named and each not in present]:
            raise CallError(f"{text}: nothing stands yet, so name {', '.join(missing)} too")
        return {
            each: self._value(name, field, named[each]) if each in named else present[each]
            for each, field in fields.items()
        }

    def _present(self, name: str, function: str, values: Sequence[Any]) -> dict[str, Any]:
        """What `setX` would replace: what the getter `x` answers; nothing where there is no such struct."""
        getter = re.sub("^set(.)", lambda match: match[1].lower(), function)
        for entry in cast(Any, self.contracts[name].abi):
            if entry.get("name") == getter and [o["type"] for o in entry.get("outputs", ())] == ["tuple"]:
                call = self.contracts[name].get_function_by_name(getter)(*values[: len(entry["inputs"])])
                try:
                    found = dict(self.weir.chain.call(call))
                    return dict(found.get("parameters", found))  # of an asset they are a part
                except ContractError:
                    break
        return {}

    def _value(self, contract: str, field: Mapping[str, Any], text: str) -> Any:
        kind, name = field["type"], field["name"].strip("_")
        try:
            if kind.endswith("]"):
                inner = {**field, "type": kind[: kind.rindex("[")]}
                return [self._value(contract, inner, each) for each in text.split(",") if each]
            if kind == "address":
                known = self.contracts.get(text)
                return known.address if known else checked_address(text)
            if kind == "bool":
                return {"true": True, "false": False}[text]
            if kind.startswith("bytes"):
                return bytes.fromhex(text[2:]) if text.startswith("0x") else symbol_bytes(text)
            names = self._names(contract, name)
            return names[text] if text in names else _whole(text)
        except (ValueError, KeyError, InvalidOperation):
            raise CallError(f"{name}: {text!r} is no {kind}") from None

    def _names(self, contract: str, argument: str) -> dict[str, int]:
        """The numbers that have names: roles, markets, and the feeds of assets."""
        if argument in ("roleId", "guardian"):
            return {role.name: role.id for role in ROLES}
        if argument != "market":
            return {}
        names = {market.symbol: market.id for market in self.weir.deployment.markets}
        if contract == "PriceOracle":
            names |= {asset.symbol: FIRST_ASSET_FEED + asset.id for asset in self.weir.deployment.assets}
        return names

    # ---- to words

    def read(self, target: str, data: bytes) -> Change | None:
        """A call from its bytes; None where no contract of this deployment has such a function."""
        name = next((each for each, at in self.contracts.items() if at.address == target), None)
        if name is None:
            return None
        try:
            found, values = self.contracts[name].decode_function_input(data)
        except (Web3Exception, ValueError):
            return None
        inputs = cast(Any, found.abi)["inputs"]
        function = found.abi["name"]
        plain = [field["name"] for field in inputs if field["type"] != "tuple"]
        present = self._present(name, function, [values[each] for each in plain])
        return Change(
            call=self.contracts[name].get_function_by_name(function)(*(values[f["name"]] for f in inputs)),
            contract=name,
            function=function,
            arguments={
                each.strip("_"): self.word(values[each], contract=name, argument=each) for each in plain
            },
            fields={
                parameter: (self.word(present[parameter]) if parameter in present else None, self.word(value))
                for field in inputs
                if field["type"] == "tuple"
                for parameter, value in dict(values[field["name"]]).items()
                if parameter not in present or self.word(present[parameter]) != self.word(value)
            },
        )

    def word(self, value: Any, *, contract: str = "", argument: str = "") -> str:
        """A value as it is read: names where there are any, lists with commas."""
        if isinstance(value, bytes):
            text = value.rstrip(b"\0")
            return text.decode() if text.isalnum() else "0x" + value.hex()
        if isinstance(value, (list, tuple)):
            return ",".join(self.word(each, contract=contract, argument=argument) for each in value)
        names: dict[Any, str] = {
            number: text for text, number in self._names(contract, argument.strip("_")).items()
        }
        names |= {at.address: each for each, at in self.contracts.items()}
        return names.get(value, str(value))


def _whole(text: str) -> int:
    """`5000`, `250e18`, `2d`, `12h`."""
    if match := re.fullmatch(r"(\d+)([dh])", text):
        return int(match[1]) * _UNITS[match[2]]
    value = Decimal(text.replace("_", ""))
    if not value.is_finite() or value != int(value):
        raise ValueError(text)
    return int(value)
