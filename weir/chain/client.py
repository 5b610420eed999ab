"""A node's client: batched reads, signed transactions, decoded events."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from http.client import HTTPException
from pathlib import Path
from typing import Any, NamedTuple, cast

import rlp  # type: ignore[import-untyped]
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract
from web3.types import RPCEndpoint

from weir.artifacts import artifact, artifacts
from weir.chain.codec import (
    Call,
    Codec,
    call_request,
    decode_outputs,
    encode_call,
    revert_data,
)
from weir.chain.connection import place
from weir.chain.errors import ContractError, NodeUnreachableError, RpcError, TransactionTimeoutError
from weir.chain.results import Event, Receipt
from weir.chain.words import checksummed

__all__ = ["Chain", "Fees", "created_address", "pages", "sign", "transaction_hash"]

_BATCH = 200  # requests in one HTTP body; nodes cap it near 1,000
_PRIORITY_FEE = 10**9  # wei
_FEE_SECONDS = 10.0  # for which a base fee is believed
_LOG_SPAN = 2_000  # blocks in one log query
_LOOKS, _BLINK = 5, 0.02
"""How often, and with how many seconds in between, one looks at what panics: while Anvil makes a block it may
answer from that block's state at the time of the one before, and no time goes backwards in the contracts.
"""


class Fees(NamedTuple):
    """What a transaction pays for its gas, wei: to whoever makes the block, and at most in all."""

    priority: int
    most: int


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
        self._fees: Fees | None = None
        self._fees_until = 0.0

    @cached_property
    def id(self) -> int:
        """The chain id."""
        return int(self.rpc("eth_chainId"), 16)

    @cached_property
    def _codec(self) -> Codec:
        return Codec(artifacts(self.root).values())

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

    def _tried(self, method: str, *params: Any) -> Any:
        try:
            return self.rpc(method, *params)
        except ContractError as error:
            return error

    @property
    def _provider(self) -> Any:
        return self.w3.provider

    def _exchange(self, request: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return request(*arguments)
        except (OSError, HTTPException, ValueError) as error:
            where = place(str(getattr(self._provider, "endpoint_uri", ""))) or type(self._provider).__name__
            raise NodeUnreachableError(f"no node answers at {where}: {type(error).__name__}") from error

    def _result(self, method: str, response: Mapping[str, Any]) -> Any:
        if not isinstance(response, Mapping) or not response.keys() & {"result", "error"}:
            raise RpcError(method, -1, f"the node answered {str(response)[:80]!r}")
        if (error := response.get("error")) is None:
            return response.get("result")
        if isinstance(error, str):
            raise RpcError(method, -1, error)
        message = str(error.get("message", ""))
        data = revert_data(error.get("data"))
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
        method, parameters = call_request(call, sender, block)
        (result,) = _looked_at(lambda: [self._tried(method, *parameters)])
        return decode_outputs(call, _raised(result))

    def call_many(self, calls: Sequence[Call], *, block: int | str = "latest") -> list[Any]:
        """`call` for many functions in JSON-RPC batches; raises the first error."""
        requests = [call_request(call, None, block) for call in calls]
        results = _looked_at(lambda: self.rpc_batch(requests))
        return [decode_outputs(call, _raised(result)) for call, result in zip(calls, results, strict=True)]

    def try_many(self, calls: Sequence[tuple[str, Call]], *, block: int | str = "latest") -> list[Any]:
        """Simulates many transactions `(sender, call)`, each alone; an `Exception` stands where one fails."""
        results = self.rpc_batch([call_request(call, sender, block) for sender, call in calls])
        return [
            result if isinstance(result, Exception) else decode_outputs(call, result)
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
        return self.events(log for logs in self.rpc_batch(requests) for log in _raised(logs))

    def logs_of(self, addresses: Sequence[str], blocks: Sequence[str]) -> list[Event]:
        """Events of these contracts in the blocks with these hashes.

        A node that does not know one refuses (`RpcError`); of a number it would say that nothing happened.
        """
        queries = [{"address": list(addresses), "blockHash": each} for each in blocks]
        found = self.rpc_batch([("eth_getLogs", [query]) for query in queries])
        return self.events(log for logs in found for log in _raised(logs))

    def events(self, logs: Iterable[Mapping[str, Any]]) -> list[Event]:
        """Raw logs, decoded; those that no compiled contract can emit are left out."""
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
        limit = self.estimate(account.address, to, data, value=value) if gas is None else gas
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
        receipts = [self._receipt(found[each]) for each in transactions]
        for receipt in receipts:
            if not receipt.succeeded:
                raise self.why(receipt)
        return receipts

    def receipts(self, transactions: Sequence[str]) -> list[Receipt | None]:
        """Those that there are now, of transactions that succeeded or failed; None where no block has it."""
        answers = self.rpc_batch([("eth_getTransactionReceipt", [each]) for each in transactions])
        return [self._receipt(raw) if (raw := _raised(answer)) else None for answer in answers]

    def _receipt(self, raw: Mapping[str, Any]) -> Receipt:
        return Receipt(
            transaction=raw["transactionHash"],
            sender=checksummed(raw["from"]),
            block=int(raw["blockNumber"], 16),
            gas_used=int(raw["gasUsed"], 16),
            gas_price=int(raw.get("effectiveGasPrice", "0x0"), 16),
            events=tuple(self.events(raw["logs"])),
            contract=checksummed(raw["contractAddress"]) if raw.get("contractAddress") else None,
            block_hash=raw["blockHash"],
            succeeded=int(raw["status"], 16) != 0,
            l1_fee=int(raw.get("l1Fee") or "0x0", 16),
        )

    def why(self, failed: Receipt) -> ContractError:
        """Why a transaction reverted, from calling it again on the state before its block."""
        transaction, block = failed.transaction, failed.block
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

    def broadcast(self, raw: bytes) -> None:
        """Hands a signed transaction to the node; raises `RpcError` where it does not want it."""
        self.rpc("eth_sendRawTransaction", "0x" + raw.hex())

    def _submit_once(self, account: LocalAccount, to: str | None, data: bytes, gas: int, value: int) -> str:
        if account.address not in self._nonces:
            count = self.rpc("eth_getTransactionCount", account.address, "pending")
            self._nonces[account.address] = int(count, 16)
        nonce = self._nonces[account.address]
        raw = sign(account, self.id, nonce, self._fee(), gas, to, value, data)
        transaction = transaction_hash(raw)
        try:
            self.broadcast(raw)
        except RpcError:
            # The answer to a first sending may have been lost: what the chain has is not sent again.
            if self.rpc("eth_getTransactionByHash", transaction) is None:
                self._nonces.pop(account.address)
                self._fees = None
                raise
        self._nonces[account.address] = nonce + 1
        return transaction

    def estimate(
        self, sender: str, to: str | None, data: bytes, *, value: int = 0, block: str | None = None
    ) -> int:
        """The gas limit that a transaction needs, on the state of a block (without: as the node likes)."""
        request = {"from": sender, "data": "0x" + data.hex(), "value": hex(value)}
        if to:
            request["to"] = to
        found = self.rpc("eth_estimateGas", request, *([block] if block else []))
        # A quarter more: prices and roundings may take another path in the block that takes it.
        return int(found, 16) * 5 // 4

    def _fee(self) -> Fees:
        if self._fees is None or time.monotonic() > self._fees_until:
            base = int(self.block().get("baseFeePerGas", "0x0"), 16)
            # Twice the base fee leaves room for six full blocks.
            self._fees = Fees(_PRIORITY_FEE, 2 * base + _PRIORITY_FEE)
            self._fees_until = time.monotonic() + _FEE_SECONDS
        return self._fees


def sign(
    account: LocalAccount,
    chain_id: int,
    nonce: int,
    fees: Fees,
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


def transaction_hash(raw: bytes) -> str:
    """The hash that a signed transaction has on every chain (0x…)."""
    return "0x" + keccak(raw).hex()


def _looked_at(ask: Callable[[], list[Any]]) -> list[Any]:
    """What it comes to, asked again while there is a panic in it."""
    for _ in range(_LOOKS - 1):
        results = ask()
        if not any(isinstance(each, ContractError) and each.name == "Panic" for each in results):
            return results
        time.sleep(_BLINK)
    return ask()


def _raised(result: Any) -> Any:
    if isinstance(result, Exception):
        raise result
    return result
