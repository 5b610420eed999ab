"""A chain inside this process: the compiled bytecode on pyrevm, without a node, signatures or JSON.

`Evm.web3` answers as much JSON-RPC as deploying needs, so that `weir.deployment.deploy` works here as it
does on a node. Block number and time stand where `at` puts them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import pyrevm
import rlp  # type: ignore[import-untyped]
from eth_abi.abi import decode
from eth_account import Account
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from eth_utils.crypto import keccak
from web3 import Web3
from web3.providers.base import JSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from weir.artifacts import Artifact, artifact
from weir.chain import encode_arguments
from weir.node import CHAIN_ID

__all__ = ["Deployed", "Evm", "RefusedError", "creation_code"]

_OUTPUT = re.compile(r"output: 0x([0-9a-f]*)")
_BALANCE = 10**30  # wei; gas costs nothing here
_GAS = 30_000_000  # of a call, as a block of the local nodes has


class RefusedError(RuntimeError):
    """A call reverted; `data` as the contract gave it, empty where it stopped for want of gas or the like."""

    def __init__(self, data: bytes, halt: str = "") -> None:
        super().__init__(halt or f"0x{data.hex()}")
        self.data = data
        self.halt = halt


class Evm:
    """State, a clock, calls. `at` moves the clock; `mark` and `back` are a snapshot and the way to it."""

    def __init__(self, *, time: int, block: int = 1) -> None:
        # Mutants and instrumented builds may be larger than a chain allows.
        config = pyrevm.CfgEnv(chain_id=CHAIN_ID, limit_contract_code_size=2**32)
        self._evm = pyrevm.EVM(env=pyrevm.Env(cfg=config), spec_id="SHANGHAI")
        self.at(time, block)

    def at(self, time: int, block: int) -> None:
        """The next calls land in this block."""
        self.time, self.block = time, block
        self._evm.set_block_env(pyrevm.BlockEnv(number=block, timestamp=time))

    def call(self, sender: str, to: str, data: bytes, *, gas: int = _GAS) -> bytes:
        """Runs a transaction; what it returns. Raises `RefusedError` and changes nothing where it reverts."""
        try:
            return self._evm.message_call(sender, to, calldata=data, gas=gas)
        except RuntimeError as error:
            raise _refusal(str(error)) from None

    def view(self, to: str, data: bytes, *, gas: int = 2**40) -> bytes:
        """What a call would return; nothing changes."""
        try:
            return self._evm.message_call(_NOBODY, to, calldata=data, gas=gas, is_static=True)
        except RuntimeError as error:
            raise _refusal(str(error)) from None

    def create(self, sender: str, code: bytes) -> str:
        """Deploys a contract; its address."""
        self._evm.set_balance(sender, _BALANCE)
        try:
            return Web3.to_checksum_address(self._evm.deploy(sender, code))
        except RuntimeError as error:
            raise _refusal(str(error)) from None

    def mark(self) -> tuple[Any, int, int]:
        return self._evm.snapshot(), self.time, self.block

    def back(self, mark: tuple[Any, int, int]) -> None:
        """To where the mark was taken, which it uses up."""
        checkpoint, time, block = mark
        self._evm.revert(checkpoint)
        self.at(time, block)

    @property
    def gas_used(self) -> int:
        """Of the last call. A measure of work, not what a receipt would show."""
        return self._evm.result.gas_used if self._evm.result else 0

    def nonce(self, address: str) -> int:
        return self._evm.basic(address).nonce

    def code(self, address: str) -> bytes:
        return bytes(self._evm.get_code(address) or b"")

    @property
    def revm(self) -> pyrevm.EVM:
        """What it runs on."""
        return self._evm

    @cached_property
    def web3(self) -> Web3:
        """A client of this chain."""
        return Web3(_Provider(self))


_NOBODY = "0x" + "00" * 19 + "aa"


def _refusal(message: str) -> RefusedError:
    if found := _OUTPUT.search(message):
        return RefusedError(bytes.fromhex(found[1]))
    return RefusedError(b"", message)


class _Provider(JSONBaseProvider):
    """The JSON-RPC methods that `weir.chain` uses to deploy and read; each transaction is a block."""

    endpoint_uri = "in this process"

    def __init__(self, evm: Evm) -> None:
        super().__init__()
        self._evm = evm
        self._receipts: dict[str, dict[str, Any]] = {}

    def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        answer: dict[str, Any] = {"jsonrpc": "2.0", "id": 0}
        try:
            answer["result"] = getattr(self, f"_{method}")(*params)
        except RefusedError as error:
            answer["error"] = {"code": 3, "message": "execution reverted", "data": "0x" + error.data.hex()}
        return cast(RPCResponse, answer)

    def make_batch_request(self, requests: Sequence[tuple[RPCEndpoint, Any]]) -> Any:
        return [self.make_request(method, params) for method, params in requests]

    # The rest are the methods' own names.

    def _eth_chainId(self) -> str:  # noqa: N802
        return hex(CHAIN_ID)

    def _eth_blockNumber(self) -> str:  # noqa: N802
        return hex(self._evm.block)

    def _eth_getBlockByNumber(self, _tag: str, _full: bool) -> dict[str, str]:  # noqa: N802
        return {
            "number": hex(self._evm.block),
            "timestamp": hex(self._evm.time),
            "baseFeePerGas": "0x0",
        }

    def _eth_getTransactionCount(self, address: str, _tag: str = "latest") -> str:  # noqa: N802
        return hex(self._evm.nonce(address))

    def _eth_getCode(self, address: str, _tag: str) -> str:  # noqa: N802
        return "0x" + self._evm.code(address).hex()

    def _eth_call(self, request: dict[str, str], _tag: str) -> str:
        return "0x" + self._evm.view(request["to"], bytes.fromhex(request["data"][2:])).hex()

    def _eth_estimateGas(self, _request: dict[str, str]) -> str:  # noqa: N802
        return hex(_GAS)  # what reverts, reverts when it is sent

    def _eth_sendRawTransaction(self, raw: str) -> str:  # noqa: N802
        data = bytes.fromhex(raw[2:])
        fields = rlp.decode(data[1:])
        to, payload = fields[5], fields[7]
        sender = Account.recover_transaction(raw)
        self._evm.at(self._evm.time + 1, self._evm.block + 1)
        created = None
        if to:
            self._evm.call(sender, Web3.to_checksum_address(to), payload)
        else:
            created = self._evm.create(sender, payload)
        transaction = "0x" + keccak(data).hex()
        self._receipts[transaction] = {
            "transactionHash": transaction,
            "from": sender,
            "blockNumber": hex(self._evm.block),
            "blockHash": "0x" + keccak(text=f"block {self._evm.block}").hex(),
            "gasUsed": hex(self._evm.gas_used),
            "status": "0x1",
            "logs": [],
            "contractAddress": created,
        }
        return transaction

    def _eth_getTransactionReceipt(self, transaction: str) -> dict[str, Any] | None:  # noqa: N802
        return self._receipts.get(transaction)

    def _eth_getTransactionByHash(self, _transaction: str) -> None:  # noqa: N802
        return None


def creation_code(compiled: Artifact, arguments: Sequence[Any]) -> bytes:
    """What creates a contract with these constructor arguments."""
    constructor = next((entry for entry in compiled.abi if entry["type"] == "constructor"), {})
    return compiled.bytecode + encode_arguments(constructor, arguments)


class Deployed:
    """A contract on an `Evm`, called by its functions' names."""

    def __init__(self, evm: Evm, name: str, *arguments: Any, sender: str, root: Path | None = None) -> None:
        compiled = artifact(name, root)
        self.evm = evm
        self.address = evm.create(sender, creation_code(compiled, arguments))
        self._functions = {entry["name"]: entry for entry in compiled.abi if entry["type"] == "function"}

    def call(self, sender: str, function: str, *arguments: Any) -> Any:
        """Sends a call; what it returns, structs as tuples. Raises `RefusedError`."""
        entry = self._functions[function]
        selector = function_abi_to_4byte_selector(entry)  # type: ignore[arg-type]
        answer = self.evm.call(sender, self.address, selector + encode_arguments(entry, arguments))
        values = decode([collapse_if_tuple(field) for field in entry["outputs"]], answer)
        return values[0] if len(values) == 1 else values
