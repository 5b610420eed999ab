"""Talking to a node: batched reads, signed transactions, typed errors and decoded events.

Everything goes through `Chain`. Contract functions are web3's (`contract.functions.deposit(account,
amount)`); they are encoded, and answers decoded, here on eth_abi, so that thousands of transactions take
seconds.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import rlp  # type: ignore[import-untyped]
from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.abi import (
    collapse_if_tuple,
    event_abi_to_log_topic,
    function_abi_to_4byte_selector,
)
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3._utils.encoding import Web3JsonEncoder
from web3.contract import Contract
from web3.contract.contract import ContractFunction
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from weir.artifacts import Artifact, artifact, artifacts

__all__ = [
    "Call",
    "Chain",
    "ContractError",
    "Event",
    "NodeUnreachableError",
    "NodeUrlError",
    "Receipt",
    "RpcError",
    "TransactionTimeoutError",
    "connect",
    "created_address",
    "encode_arguments",
    "encode_call",
    "pages",
]

Call: TypeAlias = ContractFunction
"""A contract function with its arguments, not yet called."""

_BATCH = 200  # requests in one HTTP body; nodes cap it near 1,000
_PRIORITY_FEE = 10**9  # wei
_FEE_SECONDS = 10.0  # for which a base fee is believed
_LOG_SPAN = 2_000  # blocks in one log query
_PANIC = {
    0x01: "assertion",
    0x11: "overflow",
    0x12: "division by zero",
    0x21: "enum out of range",
    0x32: "index out of bounds",
    0x41: "out of memory",
}


# ---------------------------------------------------------------------- errors


class RpcError(RuntimeError):
    """The node refused a request, for a reason that no contract gave."""

    def __init__(self, method: str, code: int, message: str) -> None:
        super().__init__(f"{method}: {message} ({code})")
        self.method = method
        self.code = code
        self.message = message


class ContractError(RuntimeError):
    """A contract reverted.

    `name` is the custom error's ("AccountFlagged"), "Error" for a reason string, "Panic" for a compiler's
    check, "" for no data at all; `arguments` are the error's by name, `data` the bytes as they came.
    """

    def __init__(
        self, name: str, arguments: Mapping[str, Any], data: bytes, transaction: str | None = None
    ) -> None:
        listed = ", ".join(f"{key}={value}" for key, value in arguments.items())
        text = f"{name}({listed})" if name else f"reverted without a reason (data 0x{data.hex()})"
        super().__init__(f"{text} in {transaction}" if transaction else text)
        self.name = name
        self.arguments = dict(arguments)
        self.data = data
        self.transaction = transaction


class NodeUrlError(ValueError):
    """Not an address at which a node could be."""


class NodeUnreachableError(ConnectionError):
    """No node answers."""


class TransactionTimeoutError(TimeoutError):
    """No block took a transaction in time; it may still be taken later."""


# --------------------------------------------------------------------- results


@dataclass(frozen=True, slots=True)
class Event:
    """A decoded log: `arguments` by their names in the ABI, structs as mappings."""

    name: str
    arguments: Mapping[str, Any]
    address: str
    block: int
    block_hash: str
    log_index: int
    transaction: str

    def __getitem__(self, argument: str) -> Any:
        return self.arguments[argument]


@dataclass(frozen=True, slots=True)
class Receipt:
    """A transaction in a block.

    `events` in order, logs of unknown contracts left out; gas price in wei; `contract` is what it created.
    """

    transaction: str
    sender: str
    block: int
    gas_used: int
    gas_price: int
    events: tuple[Event, ...]
    contract: str | None = None

    def named(self, name: str) -> tuple[Event, ...]:
        """The events of this name."""
        return tuple(event for event in self.events if event.name == name)

    def event(self, name: str) -> Event:
        """The one event of this name; raises `LookupError` where there is none or there are several."""
        found = self.named(name)
        if len(found) != 1:
            raise LookupError(f"{len(found)} events {name!r} in {self.transaction}")
        return found[0]


# ----------------------------------------------------------------------- codec


class _Fields:
    """A list of ABI fields, ready to encode and decode."""

    def __init__(self, fields: Iterable[Mapping[str, Any]]) -> None:
        self._fields = tuple(fields)
        self._types = [collapse_if_tuple(cast(Any, field)) for field in self._fields]
        self.names = tuple(field.get("name") or str(i) for i, field in enumerate(self._fields))

    def encode(self, values: Iterable[Any]) -> bytes:
        return encode(self._types, [_plain(value) for value in values])

    def decode(self, data: bytes) -> list[Any]:
        """The values; structs as mappings by name."""
        if not self._fields:
            return []
        values = decode(self._types, data)
        return [
            _named(field, field["type"], value) for field, value in zip(self._fields, values, strict=True)
        ]

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


class _Codec:
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
        topics = [bytes.fromhex(topic[2:]) for topic in log["topics"]]
        layout = self.events.get((topics[0], len(topics) - 1)) if topics else None
        if layout is None:
            return None
        return Event(
            name=layout.name,
            arguments=layout.decode(topics[1:], bytes.fromhex(log["data"][2:])),
            address=_address(log["address"]),
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


@lru_cache(maxsize=65_536)
def _address(text: str) -> str:
    return to_checksum_address(text)


def _named(field: Mapping[str, Any], kind: str, value: Any) -> Any:
    """A decoded value with names on its structs and checksums on its addresses."""
    if kind.endswith("]"):
        inner = kind[: kind.rindex("[")]
        return tuple(_named(field, inner, item) for item in value)
    if kind == "tuple":
        parts = zip(field["components"], value, strict=True)
        return {part["name"]: _named(part, part["type"], item) for part, item in parts}
    return _address(value) if kind == "address" else value


def encode_call(call: Call) -> bytes:
    """Selector and arguments of a contract function."""
    abi = cast(Any, call.abi)
    return _selector(abi) + encode_arguments(abi, call.arguments)


def encode_arguments(entry: Mapping[str, Any], arguments: Iterable[Any]) -> bytes:
    """The arguments of a constructor or function, by its ABI entry; structs as mappings or tuples."""
    return _Fields(entry.get("inputs", ())).encode(arguments)


def _plain(value: Any) -> Any:
    return tuple(value.values()) if isinstance(value, Mapping) else value


# ------------------------------------------------------------------ connection


def connect(url: str, *, timeout: float = 120.0) -> Web3:
    """A client of the node at an HTTP address; nothing is asked of it yet.

    Raises `NodeUrlError` for any other kind of address. A node on this machine gets a plain keep-alive
    connection, several times as fast as web3's own; others get web3's, with its retries and proxies.
    """
    address = urlsplit(url)
    if address.scheme not in ("http", "https") or not address.hostname:
        raise NodeUrlError(f"{url!r} is not the http address of a node")
    if address.scheme == "http" and address.hostname in ("127.0.0.1", "localhost", "::1"):
        return Web3(_LoopbackProvider(address.hostname, address.port or 80, address.path or "/", timeout))
    return Web3(Web3.HTTPProvider(url, request_kwargs={"timeout": timeout}))


class _LoopbackProvider(JSONBaseProvider):
    """JSON-RPC over one kept connection, for one thread."""

    def __init__(self, host: str, port: int, path: str, timeout: float) -> None:
        super().__init__()
        self.endpoint_uri = f"http://{host}:{port}{path}"
        self._connection = _OneSend(host, port, timeout=timeout)
        self._path = path

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        return cast(RPCResponse, self._post(_body(0, method, params)))

    def make_batch_request(self, requests: Sequence[tuple[RPCEndpoint, Any]]) -> Any:
        answers = self._post([_body(i, method, params) for i, (method, params) in enumerate(requests)])
        return sorted(answers, key=lambda answer: answer["id"]) if isinstance(answers, list) else answers

    def _post(self, body: object) -> Any:
        data = json.dumps(body, cls=Web3JsonEncoder)
        try:
            return self._exchange(data)
        except (ConnectionResetError, BrokenPipeError):
            # Nodes close idle connections. Nothing is done twice: a signed transaction counts once.
            self._connection.close()
            return self._exchange(data)
        except (HTTPException, OSError):
            self._connection.close()
            raise

    def _exchange(self, data: str) -> Any:
        self._connection.request("POST", self._path, data.encode(), {"Content-Type": "application/json"})
        self._connection.flush()
        return json.loads(self._connection.getresponse().read())


class _OneSend(HTTPConnection):
    """Sends a request in one piece: headers that go ahead would wake the node twice."""

    _held = b""

    def send(self, data: Any) -> None:
        self._held += data

    def flush(self) -> None:
        held, self._held = self._held, b""
        super().send(held)


def _body(number: int, method: str, params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params or []}


# ----------------------------------------------------------------------- chain


def created_address(sender: str, nonce: int) -> str:
    """Where a contract lies that `sender` creates with this nonce (CREATE)."""
    return to_checksum_address(keccak(rlp.encode([bytes.fromhex(sender[2:]), nonce]))[-20:])


def pages(count: int, size: int) -> Iterator[tuple[int, int]]:
    """Offset and limit of each page of at most `size` that together are `count` entries."""
    return ((offset, min(size, count - offset)) for offset in range(0, count, size))


class Chain:
    """A node, and this process's place in its senders' nonces.

    Nonces are counted here: another sender of the same account costs a retry, and a chain that is set back
    needs a new `Chain`. Not for several threads at once. `root` is the project whose compiled contracts
    name errors and events.
    """

    def __init__(self, w3: Web3, *, root: Path | None = None, timeout: float = 120.0) -> None:
        if w3.provider is None:
            raise ValueError("a Web3 without a provider can't reach a chain")
        self.w3 = w3
        self.root = root
        self.timeout = timeout
        self._nonces: dict[str, int] = {}
        self._fees: tuple[int, int] | None = None
        self._fees_until = 0.0

    @cached_property
    def id(self) -> int:
        """The chain id."""
        return int(self.rpc("eth_chainId"), 16)

    @cached_property
    def _codec(self) -> _Codec:
        return _Codec(artifacts(self.root).values())

    def contract(self, name: str, address: str) -> Contract:
        """A web3 contract with the ABI of the compiled contract `name`."""
        abi = list(artifact(name, self.root).abi)
        return self.w3.eth.contract(address=to_checksum_address(address), abi=cast(Any, abi))

    # ---- requests

    def rpc(self, method: str, *params: Any) -> Any:
        """The result of one JSON-RPC request; raises `ContractError` or `RpcError`."""
        return self._result(
            method, self._exchange(self._provider.make_request, RPCEndpoint(method), list(params))
        )

    def rpc_batch(self, requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        """The results of many requests, in order; an `Exception` stands where one failed."""
        results: list[Any] = []
        for offset, limit in pages(len(requests), _BATCH):
            chunk = requests[offset : offset + limit]
            named = [(RPCEndpoint(method), list(params)) for method, params in chunk]
            responses = self._exchange(self._provider.make_batch_request, named)
            if not isinstance(responses, list) or len(responses) != len(chunk):
                raise RpcError("batch", -1, f"the node did not answer a batch of {len(chunk)}: {responses}")
            for (method, _), response in zip(chunk, responses, strict=True):
                try:
                    results.append(self._result(method, cast(Any, response)))
                except (RpcError, ContractError) as error:
                    results.append(error)
        return results

    @property
    def _provider(self) -> Any:
        return self.w3.provider

    def _exchange(self, request: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return request(*arguments)
        except (OSError, HTTPException, json.JSONDecodeError) as error:
            where = getattr(self._provider, "endpoint_uri", self._provider)
            raise NodeUnreachableError(f"no node answers at {where}: {type(error).__name__}") from error

    def _result(self, method: str, response: Mapping[str, Any]) -> Any:
        if (error := response.get("error")) is None:
            return response["result"]
        if isinstance(error, str):
            raise RpcError(method, -1, error)
        message = str(error.get("message", ""))
        data = _revert_data(error.get("data"))
        if data is not None or "revert" in message:
            raise self._codec.error(data or b"")
        raise RpcError(method, int(error.get("code", -1)), message)

    # ---- reads

    def block(self, number: int | str = "latest") -> dict[str, Any]:
        """A block's header as the node gives it, without transactions' bodies."""
        tag = hex(number) if isinstance(number, int) else number
        found: dict[str, Any] | None = self.rpc("eth_getBlockByNumber", tag, False)
        if found is None:
            raise LookupError(f"no block {number}")
        return found

    def timestamp(self) -> int:
        """Time of the latest block, Unix seconds."""
        return int(self.block()["timestamp"], 16)

    def code(self, address: str) -> bytes:
        """The code at an address; empty where there is none."""
        return bytes.fromhex(self.rpc("eth_getCode", address, "latest")[2:])

    def call(self, call: Call, *, sender: str | None = None, block: int | str = "latest") -> Any:
        """What a function returns: its one value, or all by position in a tuple; structs as mappings by name.

        Also simulates a transaction of `sender`. Raises `ContractError` where the contract reverts.
        """
        method, parameters = _call_request(call, sender, block)
        return _decode_outputs(call, self.rpc(method, *parameters))

    def call_many(self, calls: Sequence[Call], *, block: int | str = "latest") -> list[Any]:
        """`call` for many functions in JSON-RPC batches; raises the first error."""
        results = self.rpc_batch([_call_request(call, None, block) for call in calls])
        return [_decode_outputs(call, _raised(result)) for call, result in zip(calls, results, strict=True)]

    def try_many(self, calls: Sequence[tuple[str, Call]], *, block: int | str = "latest") -> list[Any]:
        """Simulates many transactions `(sender, call)`, each alone; an `Exception` stands where one fails."""
        results = self.rpc_batch([_call_request(call, sender, block) for sender, call in calls])
        return [
            result if isinstance(result, Exception) else _decode_outputs(call, result)
            for (_, call), result in zip(calls, results, strict=True)
        ]

    def logs(self, addresses: Sequence[str], first: int, last: int, names: Iterable[str] = ()) -> list[Event]:
        """Events of these contracts in blocks first..last (both counted), only of `names` where given."""
        wanted = set(names)
        events = self._codec.events.items()
        topics = [["0x" + topic.hex() for (topic, _), layout in events if layout.name in wanted]]
        query = {"address": list(addresses)} | ({"topics": topics} if wanted else {})
        spans = [(first + offset, first + offset + n - 1) for offset, n in pages(last - first + 1, _LOG_SPAN)]
        requests = [("eth_getLogs", [query | {"fromBlock": hex(a), "toBlock": hex(b)}]) for a, b in spans]
        return self._events(log for logs in self.rpc_batch(requests) for log in _raised(logs))

    def _events(self, logs: Iterable[Mapping[str, Any]]) -> list[Event]:
        return [event for log in logs if (event := self._codec.event(log)) is not None]

    # ---- transactions

    def send(self, account: LocalAccount, call: Call, *, gas: int | None = None, value: int = 0) -> Receipt:
        """Signs, sends, and waits for a block.

        Without `gas` it is estimated first, and a call that would revert raises `ContractError` before it
        costs anything. With it the call is sent as it is; when it reverts the error names the transaction.
        """
        return self.wait(self.submit(account, call, gas=gas, value=value))

    def submit(self, account: LocalAccount, call: Call, *, gas: int | None = None, value: int = 0) -> str:
        """`send` without waiting: the transaction's hash, for `wait`."""
        return self.submit_raw(account, cast(str, call.address), encode_call(call), gas=gas, value=value)

    def submit_raw(
        self, account: LocalAccount, to: str | None, data: bytes, *, gas: int | None = None, value: int = 0
    ) -> str:
        """Sends bytes to an address, or creates a contract where `to` is None; the transaction's hash."""
        limit = self._estimate(account.address, to, data, value) if gas is None else gas
        try:
            return self._submit_once(account, to, data, limit, value)
        except RpcError as error:
            # Someone else used the account, or the base fee rose: both are cured by looking again.
            if not any(sign in error.message.lower() for sign in ("nonce", "fee")):
                raise
            return self._submit_once(account, to, data, limit, value)

    def send_all(self, calls: Iterable[tuple[LocalAccount, Call]], *, gas: int) -> list[Receipt]:
        """Sends many transactions at a fixed gas limit without waiting in between; their receipts, in order.

        The node gets them in this order; where it does not mine at once, it may take those of different
        senders in another. Raises the first error after all have been sent.
        """
        hashes = [self.submit(account, call, gas=gas) for account, call in calls]
        return self.wait_all(hashes)

    def wait(self, transaction: str) -> Receipt:
        """The receipt, once there is one; raises `ContractError` or `TransactionTimeoutError`."""
        return self.wait_all([transaction])[0]

    def wait_all(self, transactions: Sequence[str]) -> list[Receipt]:
        """`wait` for many, in batches."""
        found: dict[str, Any] = {}
        deadline, pause = time.monotonic() + self.timeout, 0.001
        while missing := [each for each in transactions if each not in found]:
            answers = self.rpc_batch([("eth_getTransactionReceipt", [each]) for each in missing])
            arrived = {each: _raised(answer) for each, answer in zip(missing, answers, strict=True) if answer}
            found |= arrived
            if len(arrived) < len(missing):
                if time.monotonic() > deadline:
                    raise TransactionTimeoutError(f"no receipt for {missing[0]} in {self.timeout:g} s")
                time.sleep(pause)
                pause = min(pause * 2, 0.5)
        return [self._receipt(found[each]) for each in transactions]

    def _receipt(self, raw: Mapping[str, Any]) -> Receipt:
        if int(raw["status"], 16) == 0:
            raise self._why(raw["transactionHash"], int(raw["blockNumber"], 16))
        return Receipt(
            transaction=raw["transactionHash"],
            sender=_address(raw["from"]),
            block=int(raw["blockNumber"], 16),
            gas_used=int(raw["gasUsed"], 16),
            gas_price=int(raw.get("effectiveGasPrice", "0x0"), 16),
            events=tuple(self._events(raw["logs"])),
            contract=_address(raw["contractAddress"]) if raw.get("contractAddress") else None,
        )

    def _why(self, transaction: str, block: int) -> ContractError:
        """Why a transaction reverted, from calling it again on the state before its block."""
        sent = self.rpc("eth_getTransactionByHash", transaction)
        again = {key: sent[key] for key in ("from", "to", "value", "gas") if sent.get(key) is not None}
        again["data"] = sent["input"]
        try:
            self.rpc("eth_call", again, hex(block - 1))
        except ContractError as error:
            return ContractError(error.name, error.arguments, error.data, transaction)
        except RpcError as error:
            return ContractError("Error", {"reason": error.message}, b"", transaction)
        return ContractError("", {}, b"", transaction)

    def _submit_once(self, account: LocalAccount, to: str | None, data: bytes, gas: int, value: int) -> str:
        if account.address not in self._nonces:
            count = self.rpc("eth_getTransactionCount", account.address, "pending")
            self._nonces[account.address] = int(count, 16)
        nonce = self._nonces[account.address]
        raw = _sign(account, self.id, nonce, self._fee(), gas, to, value, data)
        transaction = "0x" + keccak(raw).hex()
        try:
            self.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        except RpcError:
            # The answer to a first sending may have been lost: what the chain has is not sent again.
            if self.rpc("eth_getTransactionByHash", transaction) is None:
                self._nonces.pop(account.address)
                self._fees = None
                raise
        self._nonces[account.address] = nonce + 1
        return transaction

    def _estimate(self, sender: str, to: str | None, data: bytes, value: int) -> int:
        request = {"from": sender, "data": "0x" + data.hex(), "value": hex(value)}
        if to:
            request["to"] = to
        # A quarter more: prices and roundings may take another path in the block that takes it.
        return int(self.rpc("eth_estimateGas", request), 16) * 5 // 4

    def _fee(self) -> tuple[int, int]:
        """Priority fee and the most to be paid per gas, wei."""
        if self._fees is None or time.monotonic() > self._fees_until:
            base = int(self.block().get("baseFeePerGas", "0x0"), 16)
            # Twice the base fee leaves room for six full blocks.
            self._fees = _PRIORITY_FEE, 2 * base + _PRIORITY_FEE
            self._fees_until = time.monotonic() + _FEE_SECONDS
        return self._fees


def _sign(
    account: LocalAccount,
    chain_id: int,
    nonce: int,
    fees: tuple[int, int],
    gas: int,
    to: str | None,
    value: int,
    data: bytes,
) -> bytes:
    """A signed EIP-1559 transaction; by hand, because eth_account's checks cost ten times the signature."""
    target = bytes.fromhex(to[2:]) if to else b""
    fields = [chain_id, nonce, *fees, gas, target, value, data, []]
    signed = account.unsafe_sign_hash(Hash32(keccak(b"\x02" + rlp.encode(fields))))
    return b"\x02" + cast(bytes, rlp.encode([*fields, signed.v - 27, signed.r, signed.s]))


def _call_request(call: Call, sender: str | None, block: int | str) -> tuple[str, list[Any]]:
    request = {"to": call.address, "data": "0x" + encode_call(call).hex()}
    if sender:
        request["from"] = sender
    return "eth_call", [request, hex(block) if isinstance(block, int) else block]


def _decode_outputs(call: Call, result: str) -> Any:
    outputs = cast(Any, call.abi).get("outputs", ())
    data = bytes.fromhex(result[2:])
    if outputs and not data:
        raise ContractError("", {}, b"")  # no contract at the address
    values = _Fields(outputs).decode(data)
    return values[0] if len(values) == 1 else tuple(values)


def _raised(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result


def _revert_data(data: Any) -> bytes | None:
    # Anvil and geth put the bytes there; Ganache an object with `result`, older ones one per transaction.
    if isinstance(data, str) and data.startswith("0x"):
        return bytes.fromhex(data[2:])
    if isinstance(data, Mapping):
        return _revert_data(data.get("result", data.get("data")))
    return None
