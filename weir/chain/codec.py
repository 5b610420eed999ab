"""Calls, answers, errors and events as bytes, by the ABI of the compiled contracts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias, cast

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_utils.abi import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
)
from eth_utils.crypto import keccak
from web3.contract.contract import ContractFunction

from weir.artifacts import Artifact
from weir.chain.errors import ContractError
from weir.chain.results import Event
from weir.chain.words import checksummed, decoder

__all__ = [
    "Call",
    "Codec",
    "call_request",
    "decode_outputs",
    "encode_arguments",
    "encode_call",
    "revert_data",
]

Call: TypeAlias = ContractFunction
"""A contract function with its arguments, not yet called."""

_PANIC = {
    0x01: "assertion",
    0x11: "overflow",
    0x12: "division by zero",
    0x21: "enum out of range",
    0x32: "index out of bounds",
    0x41: "out of memory",
}


class _Fields:
    """A list of ABI fields, ready to encode and decode."""

    def __init__(self, fields: Iterable[Mapping[str, Any]]) -> None:
        self._fields = tuple(fields)
        self._types = [collapse_if_tuple(cast(Any, field)) for field in self._fields]
        self.names = tuple(field.get("name") or str(i) for i, field in enumerate(self._fields))
        self._decode = decoder(self._fields)

    def encode(self, values: Iterable[Any]) -> bytes:
        return encode(self._types, [_plain(value) for value in values])

    def decode(self, data: bytes) -> list[Any]:
        """The values; structs as mappings by name."""
        return self._decode(data)

    def decode_named(self, data: bytes) -> dict[str, Any]:
        return dict(zip(self.names, self.decode(data), strict=True))


class _Layout:
    """How an event's arguments lie in topics and data."""

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.name: str = entry["name"]
        self.names = [field["name"] for field in entry["inputs"]]
        self.plain = _Fields(field for field in entry["inputs"] if not field["indexed"])
        self.indexed = _Fields(
            # Of an indexed string, bytes, array or struct only the hash is in the log.
            field | {"type": "bytes32"} if _is_hashed(field["type"]) else field
            for field in entry["inputs"]
            if field["indexed"]
        )

    def decode(self, topics: Sequence[bytes], data: bytes) -> dict[str, Any]:
        values = self.indexed.decode_named(b"".join(topics)) | self.plain.decode_named(data)
        return {name: values[name] for name in self.names}


class Codec:
    """Everything that the compiled contracts can emit or revert with."""

    def __init__(self, compiled: Iterable[Artifact]) -> None:
        self.errors: dict[bytes, tuple[str, _Fields]] = {}
        self.events: dict[tuple[bytes, int], _Layout] = {}
        for entry in (entry for item in compiled for entry in item.abi):
            if entry["type"] == "error":
                self.errors[_selector(entry)] = entry["name"], _Fields(entry["inputs"])
            elif entry["type"] == "event" and not entry.get("anonymous"):
                # Standards that share an event's signature may index different arguments.
                indexed = sum(field["indexed"] for field in entry["inputs"])
                self.events[event_abi_to_log_topic(cast(Any, entry)), indexed] = _Layout(entry)

    def error(self, data: bytes, transaction: str | None = None) -> ContractError:
        """What a contract reverted with."""
        name: str = ""
        arguments: dict[str, Any] = {}
        if len(data) % _WORD != len(_ERROR_STRING):  # a selector and whole words; decoders may pad
            return ContractError(name, arguments, data, transaction)
        try:
            if data[:4] == _ERROR_STRING:
                name, arguments = "Error", {"reason": decode(["string"], data[4:])[0]}
            elif data[:4] == _PANIC_CODE:
                code = decode(["uint256"], data[4:])[0]
                name, arguments = "Panic", {"code": code, "reason": _PANIC.get(code, "?")}
            elif known := self.errors.get(data[:4]):
                name, arguments = known[0], known[1].decode_named(data[4:])
        except DecodingError:
            name = ""
        return ContractError(name, arguments, data, transaction)

    def event(self, log: Mapping[str, Any]) -> Event | None:
        """A log, decoded; None where no compiled contract emits its like."""
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        layout = self.events.get((topics[0], len(topics) - 1)) if topics else None
        if layout is None:
            return None
        return Event(
            name=layout.name,
            arguments=layout.decode(topics[1:], bytes.fromhex(log["data"][2:])),
            address=checksummed(log["address"]),
            block=int(log["blockNumber"], 16),
            block_hash=log["blockHash"],
            log_index=int(log["logIndex"], 16),
            transaction=log["transactionHash"],
        )


_WORD = 32
_ERROR_STRING = keccak(text="Error(string)")[:4]
_PANIC_CODE = keccak(text="Panic(uint256)")[:4]


def _selector(entry: Mapping[str, Any]) -> bytes:
    return function_abi_to_4byte_selector(cast(Any, entry))


def _is_hashed(kind: str) -> bool:
    return kind in ("string", "bytes") or kind.startswith("tuple") or kind.endswith("]")


def encode_call(call: Call) -> bytes:
    """Selector and arguments of a contract function."""
    abi = cast(Any, call.abi)
    return _selector(abi) + encode_arguments(abi, call.arguments)


def encode_arguments(entry: Mapping[str, Any], arguments: Iterable[Any]) -> bytes:
    """The arguments of a constructor or function, by its ABI entry; structs as mappings or tuples."""
    return _Fields(entry.get("inputs", ())).encode(arguments)


def _plain(value: Any) -> Any:
    return tuple(value.values()) if isinstance(value, Mapping) else value


def call_request(call: Call, sender: str | None, block: int | str) -> tuple[str, list[Any]]:
    """The JSON-RPC request that calls a function on the state of a block."""
    request = {"to": call.address, "data": "0x" + encode_call(call).hex()}
    if sender:
        request["from"] = sender
    return "eth_call", [request, hex(block) if isinstance(block, int) else block]


def decode_outputs(call: Call, result: str) -> Any:
    """What a function returned: its one value, or all in a tuple."""
    outputs = cast(Any, call.abi).get("outputs", ())
    data = bytes.fromhex(result[2:])
    if outputs and not data:
        raise ContractError("", {}, b"")  # no contract at the address
    values = _Fields(outputs).decode(data)
    return values[0] if len(values) == 1 else tuple(values)


def revert_data(data: Any) -> bytes | None:
    """What a contract reverted with, from the `data` of a node's error; None where that has no bytes."""
    # Anvil and geth put the bytes there; Ganache an object with `result`, older ones one per transaction.
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    if isinstance(data, Mapping):
        return revert_data(data.get("result", data.get("data")))
    return None
