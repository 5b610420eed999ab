"""Events as the database keeps them: arguments as JSON, and whom they concern."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["concerned", "dump", "load", "plain"]

_NUMBER = re.compile(r"-?\d+")
_NOBODY = "0x" + "00" * 20
_ADDRESS_LENGTH = 42


def plain(value: Any) -> Any:
    """A decoded argument in JSON's types: bytes as 0x…, tuples as lists; integers stay what they are."""
    if isinstance(value, Mapping):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return "0x" + value.hex() if isinstance(value, bytes) else value


def dump(arguments: Mapping[str, Any]) -> str:
    """Plain arguments as JSON text, integers as strings: most readers of JSON know none so large."""
    return json.dumps(_written(arguments), separators=(",", ":"))


def load(text: str) -> dict[str, Any]:
    """What `dump` wrote: every other string begins with 0x."""
    found: dict[str, Any] = _read(json.loads(text))
    return found


def concerned(arguments: Any, others: frozenset[str] = frozenset()) -> Iterator[str]:
    """The addresses among plain arguments, but for nobody's and `others`."""
    if isinstance(arguments, Mapping):
        for value in arguments.values():
            yield from concerned(value, others)
    elif _is_address(arguments) and arguments not in others:
        yield arguments


def _is_address(value: Any) -> bool:
    return isinstance(value, str) and len(value) == _ADDRESS_LENGTH and value != _NOBODY


def _written(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _written(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_written(each) for each in value]
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _read(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _read(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_read(each) for each in value]
    return int(value) if isinstance(value, str) and _NUMBER.fullmatch(value) else value
