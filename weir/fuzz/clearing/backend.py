"""Where a sequence runs: the EVM in this process; `onchain` has a node."""

from __future__ import annotations

from typing import Protocol

from weir.fuzz.clearing.system import Transaction
from weir.fuzz.evm import Evm

__all__ = ["Backend", "InProcess"]


class Backend(Protocol):
    """A chain on which a sequence runs."""

    def at(self, time: int, block: int) -> None: ...
    def send(self, transaction: Transaction) -> None: ...
    def view(self, to: str, data: bytes) -> bytes: ...
    @property
    def gas_used(self) -> int: ...


class InProcess:
    """The EVM in this process as a backend."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self.at, self.view = evm.at, evm.view

    def send(self, transaction: Transaction) -> None:
        self.evm.call(transaction.sender.address, transaction.to, transaction.data)

    @property
    def gas_used(self) -> int:
        return self.evm.gas_used
