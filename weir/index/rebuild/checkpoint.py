"""States in a database: JSON, compressed."""

from __future__ import annotations

import hashlib
import zlib
from functools import cache
from pathlib import Path

from pydantic import TypeAdapter

from weir.index.rebuild.state import State

__all__ = ["dump", "load", "shape"]


@cache
def _adapter() -> TypeAdapter[State]:
    return TypeAdapter(State)


@cache
def shape() -> str:
    """Changes with the code here: what another wrote is not to be loaded."""
    sources = sorted(Path(__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(source.read_bytes() for source in sources)).hexdigest()[:16]


def dump(state: State) -> bytes:
    """The state as bytes."""
    return zlib.compress(_adapter().dump_json(state), 1)


def load(data: bytes) -> State:
    """What `dump` wrote."""
    return _adapter().validate_json(zlib.decompress(data))
