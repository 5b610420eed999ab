"""What a sequence is made of: calls with everything in them that it takes to make them again.

A step names its sender and arguments as the model does (accounts by name), so that it can be read, saved,
shrunk, and replayed on any chain.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, is_dataclass
from typing import Any, TypeAlias

from weir.model import Order

__all__ = ["Json", "Step", "from_json", "to_json"]

Json: TypeAlias = Any


@dataclass(frozen=True)
class Step:
    """One call: who calls what, and how long after the step before it.

    With `blocks` 0 it lands in the same block, and `seconds` is 0; else each block takes a second or more.
    """

    sender: str
    call: str
    arguments: tuple[Any, ...] = ()
    seconds: int = 1
    blocks: int = 1

    def __post_init__(self) -> None:
        if self.blocks < 0 or self.seconds < self.blocks or (self.seconds and not self.blocks):
            raise ValueError(f"seconds: {self.seconds} can't pass in {self.blocks} blocks")

    def __str__(self) -> str:
        wait = f"+{self.seconds}s" if self.blocks else "same block"
        return f"[{wait}] {self.sender}: {self.call}({', '.join(map(_text, self.arguments))})"


def _text(value: Any) -> str:
    if isinstance(value, Order):
        side = "buy" if value.is_buy else "sell"
        kind = " reduce-only" if value.reduce_only else ""
        return f"{value.maker}'s{kind} order to {side} {value.size} at {value.price} in market {value.market}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_text, value)) + "]"
    if is_dataclass(value):
        shown = ", ".join(f"{field.name}={getattr(value, field.name)}" for field in fields(value))
        return f"{{{shown}}}"
    return str(value)


def to_json(step: Step, known: dict[str, type]) -> Json:
    """A step as plain data; `known` are the dataclasses that may stand among its arguments."""
    return {
        "sender": step.sender,
        "call": step.call,
        "arguments": [_plain(value, known) for value in step.arguments],
        "seconds": step.seconds,
        "blocks": step.blocks,
    }


def _plain(value: Any, known: dict[str, type]) -> Json:
    if is_dataclass(value) and not isinstance(value, type):
        name = type(value).__name__
        if known.get(name) is not type(value):
            raise TypeError(f"a {name} can't be saved")
        return {"type": name, **{field.name: getattr(value, field.name) for field in fields(value)}}
    if isinstance(value, (list, tuple)):
        return [_plain(each, known) for each in value]
    if isinstance(value, bytes):
        return {"type": "bytes", "hex": value.hex()}
    return value


def from_json(data: Json, known: dict[str, type]) -> Step:
    """The step that `to_json` wrote; raises `KeyError`, `TypeError` or `ValueError` for anything else."""
    return Step(
        sender=str(data["sender"]),
        call=str(data["call"]),
        arguments=tuple(_value(each, known) for each in data["arguments"]),
        seconds=int(data["seconds"]),
        blocks=int(data["blocks"]),
    )


def _value(data: Json, known: dict[str, type]) -> Any:
    if isinstance(data, dict):
        parts = dict(data)
        kind = parts.pop("type")
        return bytes.fromhex(parts["hex"]) if kind == "bytes" else known[kind](**parts)
    if isinstance(data, list):
        return tuple(_value(each, known) for each in data)
    return data
