"""States in a database: JSON, compressed."""

from __future__ import annotations

import hashlib
import inspect
import zlib
from functools import cache

from pydantic import TypeAdapter

from weir.index.rebuild import state as shapes
from weir.index.rebuild.state import State

__all__ = ["dump", "load", "shape"]


@cache
def _adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)


@cache
def shape() -> str:
    """Changes with the definition of the state: a checkpoint of another shape is not to be loaded."""
    return hashlib.sha256(inspect.getsource(shapes).encode()).hexdigest()[:16]


def dump(state: State) -> bytes:
    """The state as bytes."""
    return zlib.compress(_adapter().dump_json(state), 1)


def load(data: bytes) -> State:
    """What `dump` wrote."""
    return _adapter().validate_json(zlib.decompress(data))
