"""What a test expects of a transaction: a refusal with its error and arguments, or events with theirs.

`ape.reverts` compares no arguments of an error, takes any revert without a custom error for the expected one,
and traces each failure for seconds. Here a transaction is simulated first, in the block that would come next,
and what it reverts with is compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import ape
import pytest
from ape.api import ProviderAPI, ReceiptAPI, TransactionAPI
from eth_abi import decode
from eth_utils import keccak, to_checksum_address

from weir.artifacts import artifacts

ZERO_ADDRESS = "0x" + "00" * 20
PANIC_ARITHMETIC = 0x11

_UNDECLARED: tuple[tuple[str, tuple[tuple[str, str], ...]], ...] = (
    ("Error", (("string", "message"),)),
    ("Panic", (("uint256", "code"),)),
    ("Overflow", ()),  # of Solady's casts
)
"""Errors that no ABI lists."""


class _RefusedError(Exception):
    def __init__(self, data: bytes) -> None:
        self.name, self.arguments = _decoded(data)
        super().__init__(f"{self.name}({self.arguments})")


@contextmanager
def reverts(name: str, /, **arguments: Any) -> Iterator[None]:
    """The transaction inside reverts with this error, and with these of its arguments.

    "" is a revert without data. Transactions before the one that reverts are sent.
    """
    provider = type(ape.chain.provider)
    send = provider.send_transaction

    def simulate_and_send(self: ProviderAPI, txn: TransactionAPI) -> ReceiptAPI:
        _simulate(self, txn.sender, txn.receiver or None, txn.data)
        return send(self, txn)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(provider, "send_transaction", simulate_and_send)
        try:
            yield
        except _RefusedError as refusal:
            found = refusal
        else:
            pytest.fail(f"expected a revert with {name}, and nothing reverted")
    assert found.name == name, f"expected a revert with {name}, got {found}"
    expected = {key: _plain(value) for key, value in arguments.items()}
    assert {key: found.arguments[key] for key in arguments} == expected


def refusal(sender: Any, receiver: Any, data: bytes) -> str | None:
    """The name of the error that such a call would revert with now; None where it would not."""
    try:
        _simulate(ape.chain.provider, _plain(sender), _plain(receiver), data)
    except _RefusedError as refused:
        return refused.name
    return None


def events(receipt: ReceiptAPI, name: str) -> list[dict[str, Any]]:
    """The arguments of each event of this name, in order."""
    found = [log for log in receipt.events if log.event_name == name]
    return [{key: _plain(value) for key, value in log.event_arguments.items()} for log in found]


def event(receipt: ReceiptAPI, name: str) -> dict[str, Any]:
    """The arguments of the only event of this name."""
    found = events(receipt, name)
    assert len(found) == 1, f"{name} was emitted {len(found)} times"
    return found[0]


def _plain(value: Any) -> Any:
    """An account or contract as its address, an address in checksum form; anything else as it is."""
    value = getattr(value, "address", value)
    return to_checksum_address(value) if isinstance(value, str) and len(value) == 42 else value


def _simulate(provider: ProviderAPI, sender: str, receiver: str | None, data: bytes) -> None:
    request = {"from": sender, "to": receiver, "data": "0x" + bytes(data).hex()}
    answer = provider.web3.provider.make_request("eth_call", [request, "pending"])
    if error := answer.get("error"):
        raise _RefusedError(bytes.fromhex((error.get("data") or "0x")[2:]))


def _decoded(data: bytes) -> tuple[str, dict[str, Any]]:
    selector = data[:4]
    if selector not in _errors():
        return selector.hex(), {}
    name, inputs = _errors()[selector]
    values = decode([kind for kind, _ in inputs], data[4:])
    return name, {key: _plain(value) for (_, key), value in zip(inputs, values, strict=True)}


@lru_cache(maxsize=1)
def _errors() -> Mapping[bytes, tuple[str, tuple[tuple[str, str], ...]]]:
    """Every error that a contract of the project declares, by selector."""
    declared = {
        (entry["name"], tuple((field["type"], field["name"]) for field in entry["inputs"]))
        for contract in artifacts().values()
        for entry in contract.abi
        if entry["type"] == "error"
    }
    return {
        keccak(text=f"{name}({','.join(kind for kind, _ in inputs)})")[:4]: (name, inputs)
        for name, inputs in declared | set(_UNDECLARED)
    }
