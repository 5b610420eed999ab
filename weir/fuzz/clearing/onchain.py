"""Replays on a real node: the same steps, signed and sent through its RPC, in the same blocks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_typing import Hash32
from eth_utils.crypto import keccak

from weir.chain import Chain, ContractError, connect
from weir.fuzz.clearing.setting import ACCOUNTS, OPERATOR, STAKERS, START, Setting
from weir.fuzz.clearing.subject import Clearing
from weir.fuzz.clearing.system import Transaction, key_of
from weir.fuzz.evm import RefusedError
from weir.node import Node

__all__ = ["on_anvil"]

_GAS = 25_000_000
_FEE = 10**11  # wei for a unit of gas: far above any base fee that near-empty blocks lead to


class OnNode:
    """A node as a backend.

    Steps in one block are sent together: for the second the block is undone and mined again with both, and so
    on, so that each prefix of the block is seen as a node sees it.
    """

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._place = 0, 0
        self._group: list[Transaction] = []
        self._before = ""
        self._nonces: dict[str, int] = {}
        self._fresh: dict[str, int] = {}
        self.gas_used = 0

    def at(self, time: int, block: int) -> None:
        if self._group and (time, block) == self._place:
            return
        self._place = time, block
        self._group, self._fresh = [], dict(self._nonces)
        here = int(self._chain.rpc("eth_blockNumber"), 16)
        if block - 1 > here:
            self._chain.rpc("anvil_mine", hex(block - 1 - here), "0x1")
        self._before = self._chain.rpc("evm_snapshot")

    def send(self, transaction: Transaction) -> None:
        if self._group:
            self._chain.rpc("evm_revert", self._before)
            self._before = self._chain.rpc("evm_snapshot")
        self._group.append(transaction)
        self._nonces = dict(self._fresh)
        hashes = [self._submit(each) for each in self._group]
        self._chain.rpc("evm_setNextBlockTimestamp", self._place[0])
        self._chain.rpc("evm_mine")
        receipt = self._chain.rpc("eth_getTransactionReceipt", hashes[-1])
        self.gas_used = int(receipt["gasUsed"], 16)
        if int(receipt["status"], 16) == 0:
            trace = self._chain.rpc("debug_traceTransaction", hashes[-1], {"tracer": "callTracer"})
            output = bytes.fromhex(trace.get("output", "0x")[2:])
            raise RefusedError(output, "" if output else str(trace.get("error", "reverted")))

    def _submit(self, transaction: Transaction) -> str:
        sender = transaction.sender
        if sender.address not in self._nonces:
            count = self._chain.rpc("eth_getTransactionCount", sender.address, "latest")
            self._nonces[sender.address] = int(count, 16)
        nonce = self._nonces[sender.address]
        self._nonces[sender.address] = nonce + 1
        to = bytes.fromhex(transaction.to[2:])
        fields = [self._chain.id, nonce, 0, _FEE, _GAS // 8, to, 0, transaction.data, []]
        signed = sender.unsafe_sign_hash(Hash32(keccak(b"\x02" + rlp.encode(fields))))
        raw = b"\x02" + rlp.encode([*fields, signed.v - 27, signed.r, signed.s])
        found: str = self._chain.rpc("eth_sendRawTransaction", "0x" + raw.hex())
        return found

    def view(self, to: str, data: bytes) -> bytes:
        try:
            answer = self._chain.rpc("eth_call", {"to": to, "data": "0x" + data.hex()}, "latest")
        except ContractError as error:
            raise RefusedError(error.data) from None
        return bytes.fromhex(answer[2:])


@contextmanager
def on_anvil(setting: Setting, root: Path | None = None) -> Iterator[Clearing]:
    """Weir on an Anvil of its own, for one replay: there is no way back to the beginning."""
    with Node("anvil", timestamp=START) as node:
        chain = Chain(connect(node.url), root=root)
        for name in (*ACCOUNTS, *STAKERS, "founder", OPERATOR):
            chain.rpc("anvil_setBalance", key_of(name).address, hex(10**30))
        backend: Any = OnNode(chain)
        subject = Clearing(setting, root, backend, connect(node.url))
        chain.rpc("evm_setAutomine", False)
        yield subject
