"""What of the points was run, and what was missed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weir.fuzz.coverage.points import Branch, CoverageMap, Point, Statement

__all__ = ["CoverageReport", "FileCoverage", "Miss", "render", "report"]


@dataclass(frozen=True, slots=True)
class Miss(Point):
    """A way that was never taken."""

    condition: str
    outcome: bool

    def __str__(self) -> str:
        never = "never true" if self.outcome else "never false"
        return f"{self.file}:{self.line} {self.function}: {self.condition} is {never}"


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """One file: lines on which a statement starts, and two branches for each condition."""

    file: str
    lines: int
    branches: int
    missed_lines: tuple[int, ...]
    missed_branches: tuple[Miss, ...]

    @property
    def lines_hit(self) -> int:
        return self.lines - len(self.missed_lines)

    @property
    def branches_hit(self) -> int:
        return self.branches - len(self.missed_branches)


@dataclass(frozen=True, slots=True)
class CoverageReport:
    """What a campaign has run."""

    files: tuple[FileCoverage, ...]

    @property
    def missed_branches(self) -> tuple[Miss, ...]:
        return tuple(miss for file in self.files for miss in file.missed_branches)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            **_totals(self.files),
            "files": {
                file.file: {
                    **_totals([file]),
                    "missed_lines": list(file.missed_lines),
                    "missed_branches": [asdict(miss) for miss in file.missed_branches],
                }
                for file in self.files
            },
        }


def report(covered: CoverageMap, ids: Iterable[int]) -> CoverageReport:
    """What these ids, touched in one run or several, cover of the map."""
    hit = frozenset(ids)
    statements, branches = covered.points.statements, covered.points.branches
    files = sorted({statement.file for statement in statements} | {branch.file for branch in branches})
    return CoverageReport(
        tuple(
            _file_coverage(
                file,
                [statement for statement in statements if statement.file == file],
                [branch for branch in branches if branch.file == file],
                hit,
            )
            for file in files
        )
    )


def _file_coverage(
    file: str, statements: Sequence[Statement], branches: Sequence[Branch], hit: frozenset[int]
) -> FileCoverage:
    lines = {statement.line for statement in statements}
    lines_hit = {statement.line for statement in statements if not hit.isdisjoint(statement.ids)}
    misses = (
        Miss(file, branch.line, branch.function, branch.condition, outcome)
        for branch in branches
        for outcome in (True, False)
        if branch.id + (not outcome) not in hit
    )
    return FileCoverage(file, len(lines), 2 * len(branches), tuple(sorted(lines - lines_hit)), tuple(misses))


def _totals(files: Sequence[FileCoverage]) -> dict[str, int]:
    return {
        "lines": sum(file.lines for file in files),
        "lines_hit": sum(file.lines_hit for file in files),
        "branches": sum(file.branches for file in files),
        "branches_hit": sum(file.branches_hit for file in files),
    }


def render(found: CoverageReport) -> RenderableType:
    """A table of the files, and under it each branch that was missed."""
    table = Table(title="Coverage", title_justify="left", show_footer=True)
    totals = _totals(found.files)
    table.add_column("File", "All")
    for what in ("lines", "branches"):
        table.add_column(what.capitalize(), _share(totals, what), justify="right")
    for file in found.files:
        counts = _totals([file])
        table.add_row(Text(file.file), _share(counts, "lines"), _share(counts, "branches"))
    return Group(table, *(Text(str(miss)) for miss in found.missed_branches))


def _share(counts: Mapping[str, int], what: str) -> Text:
    hit, of = counts[f"{what}_hit"], counts[what]
    return Text(f"{hit}/{of} {100 * hit / of:5.1f}%" if of else "–")
