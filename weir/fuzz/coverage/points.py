"""What there is to run: statements and branches, and the ids of their probes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

__all__ = ["Branch", "CoverageMap", "Point", "Points", "Statement"]


@dataclass(frozen=True, slots=True)
class Point:
    """A place in the sources; `function` with its contract, as in `Vault.settle`."""

    file: str
    line: int
    function: str


@dataclass(frozen=True, slots=True)
class Statement(Point):
    """It ran where any of its ids was touched: one of its own, or those of the branch it is the body of."""

    ids: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Branch(Point):
    """A condition, or one operand of it: `id` is touched where it is true, `id + 1` where it is false.

    `kind` is what it decides: if, for, while, ?:, require, assert, try (the call succeeded), or, where it is
    an operand of a value that decides nothing here, && or ||.
    """

    id: int
    kind: str
    condition: str


@dataclass(frozen=True, slots=True)
class Points:
    """All there is to run."""

    statements: tuple[Statement, ...]
    branches: tuple[Branch, ...]


@dataclass(frozen=True, slots=True)
class CoverageMap:
    """An instrumented build: its points, and the folder to deploy it from."""

    root: Path
    points: Points
