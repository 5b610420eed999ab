"""Files that people give and get: written with the folder they are in, and refused in one line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import ValidationError

__all__ = ["first_problem", "unique", "write"]


def write(path: Path, text: str) -> None:
    """Writes a text, making the folder where there is none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An `object_pairs_hook` for JSON that people write: raises `ValueError` for a name that stands twice,
    since the second would silently replace the first.
    """
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        found[name] = value
    return found


def first_problem(path: Path, error: ValidationError) -> str:
    """The file, the first field that is wrong in it, and why."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    return f"{path}: {place}: {first['msg']}".replace(": : ", ": ")
