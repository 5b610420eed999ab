"""What happened to an account."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from weir.store import Store


@dataclass(frozen=True, slots=True)
class Happening:
    """One event, in words (`text`) and numbers (`arguments`, as the contract gave them)."""

    block: int
    time: int
    log_index: int
    transaction: str
    contract: str
    name: str
    text: str
    arguments: Mapping[str, Any]


def account_history(
    store: Store,
    account: str,
    *,
    since: int | None = None,
    until: int | None = None,
    limit: int | None = None,
) -> tuple[Happening, ...]:
    """Everything that concerns an account between two times, oldest first; the last `limit` where given."""
    raise NotImplementedError
