"""The committed figures, how they compare with new ones, and both as tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, ValidationError
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from weir.bench.actions import ACTIONS, Action, BenchError
from weir.files import write
from weir.toolchain import ROOT

__all__ = [
    "DOCUMENT",
    "SNAPSHOT",
    "TOLERANCE",
    "Change",
    "Snapshot",
    "compare",
    "render",
    "render_changes",
    "rewrite_table",
    "table",
]

SNAPSHOT = ROOT / "bench" / "gas.json"
DOCUMENT = ROOT / "docs" / "gas.md"
TOLERANCE = 0.01
"""By which part a figure may move before a comparison reports it."""


# -------------------------------------------------------------------- snapshot


class Snapshot(BaseModel):
    """Figures as they are committed: gas by action."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gas: dict[str, int]

    def save(self, path: Path) -> None:
        """Writes the JSON, making the folder where there is none."""
        write(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `BenchError` where there is nothing, or something else."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise BenchError(f"{path} is not a snapshot of gas: write one with --write ({error})") from None


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that moved beyond the tolerance; None where it was not, or is no longer, measured."""

    name: str
    before: int | None
    after: int | None

    @property
    def regression(self) -> bool:
        """Whether it costs more now, or can't be compared."""
        return self.before is None or self.after is None or self.after > self.before

    @property
    def ratio(self) -> float | None:
        """By which part it moved: 0.05 for five per cent more."""
        return self.after / self.before - 1 if self.before and self.after else None

    def exceeds(self, tolerance: float) -> bool:
        """Whether it is more than this part of what it was."""
        if self.before is None or self.after is None:
            return True
        return abs(self.after - self.before) > tolerance * self.before


def compare(before: Snapshot, after: Snapshot, tolerance: float = TOLERANCE) -> tuple[Change, ...]:
    """What moved by more than `tolerance` of what it was, in the order of the figures."""
    names = dict.fromkeys((*after.gas, *before.gas))
    changes = (Change(name, before.gas.get(name), after.gas.get(name)) for name in names)
    return tuple(change for change in changes if change.exceeds(tolerance))


# ---------------------------------------------------------------------- report

_START, _END = "<!-- measured -->", "<!-- /measured -->"
_HEADINGS = ("action", "gas", "at most", "elsewhere")


def render(snapshot: Snapshot) -> RenderableType:
    """The figures, ready for `rich.console.Console.print`; those above their limit in red."""
    shown = Table(box=box.SIMPLE_HEAD)
    for heading in _HEADINGS:
        shown.add_column(heading, justify="right" if heading in ("gas", "at most") else "left")
    for action, gas in _rows(snapshot):
        style = "red" if action.exceeded_by(gas) else ""
        shown.add_row(action.text, Text(f"{gas:,}", style), _limit(action), action.elsewhere)
    return shown


def render_changes(changes: Sequence[Change]) -> RenderableType:
    """What a comparison found."""
    if not changes:
        return Text(f"Nothing moved by more than {TOLERANCE:.0%}.", "green")
    shown = Table("action", box=box.SIMPLE_HEAD, title="Moved since the committed snapshot")
    for heading in ("before", "after", "change"):
        shown.add_column(heading, justify="right")
    for change in changes:
        before, after = ("–" if gas is None else f"{gas:,}" for gas in (change.before, change.after))
        moved = "" if change.ratio is None else f"{change.ratio:+.1%}"
        shown.add_row(change.name, before, after, Text(moved, "red" if change.regression else "green"))
    return shown


def table(snapshot: Snapshot) -> str:
    """The figures in Markdown; those above their limit in bold."""
    lines = [f"| {' | '.join(_HEADINGS)} |", "|---|--:|--:|---|"]
    for action, gas in _rows(snapshot):
        figure = f"**{gas:,}**" if action.exceeded_by(gas) else f"{gas:,}"
        lines.append(f"| {action.text} | {figure} | {_limit(action)} | {action.elsewhere} |")
    return "\n".join(lines)


def rewrite_table(document: str, snapshot: Snapshot) -> str:
    """A document with its table renewed; raises `BenchError` where it has no place for one."""
    head, start, rest = document.partition(_START)
    _, end, tail = rest.partition(_END)
    if not (start and end):
        raise BenchError(f"the document has no table between {_START} and {_END}")
    return f"{head}{start}\n\n{table(snapshot)}\n\n{end}{tail}"


def _rows(snapshot: Snapshot) -> Iterator[tuple[Action, int]]:
    return ((action, snapshot.gas[action.name]) for action in ACTIONS)


def _limit(action: Action) -> str:
    return "" if action.limit is None else f"{action.limit:,}"
