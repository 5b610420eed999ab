"""What contracts answer, as the client's states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from typing import Any, TypeVar, cast

__all__ = ["PRICE_STATUS", "Block", "camel_case", "taken"]

PRICE_STATUS = ("ok", "stale", "out of bounds", "sequencer down", "unset")

Block = int | str
"""A block's number, or "latest" or "pending"."""

_T = TypeVar("_T")


def taken(kind: type[_T], raw: Mapping[str, Any], **own: Any) -> _T:
    """A state from a lens's struct: fields of the same name (in camel case there), and our `own`."""
    names = [field.name for field in fields(cast(Any, kind)) if field.name not in own]
    return kind(**{name: raw["account" if name == "address" else camel_case(name)] for name in names}, **own)


@cache
def camel_case(name: str) -> str:
    """A field's name as a contract has it."""
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
