"""What can go wrong between here and a contract."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["ContractError", "NodeUnreachableError", "NodeUrlError", "RpcError", "TransactionTimeoutError"]


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
