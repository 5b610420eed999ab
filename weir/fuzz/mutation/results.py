"""What became of the mutants: the file that is kept, the reasons why some live, the score, the tables.

The score is killed / (all − equivalent). Equivalent is what compiles to the code of the original, and a
survivor whose reason says so; the reasons are kept by hand, by digest. Mutants that do not compile, or that
compile to the code of another mutant, count nowhere.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from rich.table import Table

from weir.files import write
from weir.fuzz.mutation.operators import OPERATORS, OWN, Mutant
from weir.toolchain import ROOT

__all__ = [
    "CRASH",
    "DOCUMENT",
    "GOAL",
    "REASONS",
    "RESULTS",
    "Reason",
    "Record",
    "Results",
    "ResultsError",
    "Tally",
    "Verdict",
    "load_reasons",
    "notes",
    "render",
    "rewrite_document",
]

RESULTS = ROOT / "analysis" / "mutation.json"
REASONS = ROOT / "analysis" / "survivors.toml"
DOCUMENT = ROOT / "docs" / "mutation.md"
GOAL = 0.95
"""The part of the mutants that are not equivalent that the fuzzer must kill."""

CRASH = "the fuzzer breaks down:"
"""How the detail begins where only an error of the fuzzer's own killed a mutant."""

_START, _END = "<!-- measured -->", "<!-- /measured -->"


class ResultsError(ValueError):
    """A file that is not what it should be; the message says which and what to do."""


class Verdict(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    EQUIVALENT = "equivalent"  # the code of the original
    DUPLICATE = "duplicate"  # the code of another mutant
    INVALID = "invalid"  # does not compile


class Record(BaseModel):
    """A mutant and its verdict; `detail` is what killed it, or which mutant it repeats."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    digest: str
    file: str
    line: int
    column: int
    operator: str
    function: str
    old: str
    new: str
    verdict: Verdict
    detail: str = ""

    @classmethod
    def of(cls, mutant: Mutant, verdict: Verdict, detail: str = "") -> Self:
        return cls(
            digest=mutant.digest,
            file=mutant.file.removeprefix(OWN),
            line=mutant.line,
            column=mutant.column,
            operator=mutant.operator,
            function=mutant.function,
            old=mutant.old,
            new=mutant.new,
            verdict=verdict,
            detail=detail,
        )


class Results(BaseModel):
    """Everything that a run found out: of `generated` mutants those that were chosen."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: str
    seed: int
    generated: int
    records: tuple[Record, ...]

    def save(self, path: Path) -> None:
        """Writes the JSON, making the folder where there is none."""
        write(path, self.model_dump_json(indent=1) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `ResultsError` where there is nothing, or something else."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise ResultsError(
                f"{path} holds no results of mutation testing: run it first ({error})"
            ) from None


class Reason(BaseModel):
    """Why a mutant lives: it behaves like the original, or the fuzzer has a gap. `where` is for readers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    where: str
    kind: Literal["equivalent", "gap"]
    reason: str


def load_reasons(path: Path = REASONS) -> dict[str, Reason]:
    """The reasons by digest; raises `ResultsError` where the file is not what it should be."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return TypeAdapter(dict[str, Reason]).validate_python(data)
    except FileNotFoundError:
        return {}
    except (ValidationError, tomllib.TOMLDecodeError) as error:
        raise ResultsError(f"{path}: {error}") from None


# ----------------------------------------------------------------------- score


@dataclass(frozen=True, slots=True)
class Tally:
    """How many of some mutants, those apart that do not compile or repeat another."""

    mutants: int
    equivalent: int
    killed: int

    @classmethod
    def of(cls, records: Iterable[Record], reasons: Mapping[str, Reason]) -> Self:
        kinds = [_standing(record, reasons) for record in records]
        return cls(
            mutants=sum(kind in ("killed", "equivalent", "gap", "unexplained") for kind in kinds),
            equivalent=kinds.count("equivalent"),
            killed=kinds.count("killed"),
        )

    @property
    def survived(self) -> int:
        return self.mutants - self.equivalent - self.killed

    @property
    def score(self) -> float:
        """1 where there is nothing to kill."""
        return self.killed / (self.mutants - self.equivalent) if self.mutants > self.equivalent else 1.0


def _standing(record: Record, reasons: Mapping[str, Reason]) -> str:
    """The verdict, and of a survivor the kind of its reason."""
    if record.verdict is not Verdict.SURVIVED:
        return record.verdict.value
    return reasons[record.digest].kind if record.digest in reasons else "unexplained"


def notes(results: Results, reasons: Mapping[str, Reason]) -> list[str]:
    """What should be looked at: survivors without a reason, reasons of the dead, crashes of the fuzzer."""
    by_digest = {record.digest: record for record in results.records}
    found = [
        f"{_title(record)} survives unexplained"
        for record in results.records
        if _standing(record, reasons) == "unexplained"
    ]
    found += [
        f"{_title(record)}: {record.detail}" for record in results.records if record.detail.startswith(CRASH)
    ]
    for digest, reason in reasons.items():
        record = by_digest.get(digest)
        if record is not None and record.verdict is Verdict.KILLED:
            found.append(
                f"{reason.where} ({digest}) has a reason to survive, but was killed: {record.detail}"
            )
    return found


# ---------------------------------------------------------------------- tables

_HEADINGS = ("mutants", "equivalent", "killed", "survived", "score")


def _by(records: Sequence[Record], key: Callable[[Record], str]) -> dict[str, list[Record]]:
    groups: dict[str, list[Record]] = {}
    for record in records:
        groups.setdefault(key(record), []).append(record)
    return groups


def _cells(tally: Tally) -> tuple[str, ...]:
    counts = (tally.mutants, tally.equivalent, tally.killed, tally.survived)
    return (*map(str, counts), f"{tally.score:.1%}")


def render(results: Results, reasons: Mapping[str, Reason]) -> Table:
    """The score of each file, for the console."""
    table = Table("file", show_footer=True)
    totals = _cells(Tally.of(results.records, reasons))
    table.columns[0].footer = "all"
    for heading, total in zip(_HEADINGS, totals, strict=True):
        table.add_column(heading, total, justify="right")
    for file, records in _by(results.records, lambda record: record.file).items():
        table.add_row(file, *_cells(Tally.of(records, reasons)))
    return table


def rewrite_document(document: str, results: Results, reasons: Mapping[str, Reason]) -> str:
    """A document with its results renewed; raises `ResultsError` where it has no place for them."""
    head, start, rest = document.partition(_START)
    _, end, tail = rest.partition(_END)
    if not (start and end):
        raise ResultsError(f"the document has no place for results between {_START} and {_END}")
    return f"{head}{start}\n\n{_markdown(results, reasons)}\n\n{end}{tail}"


def _markdown(results: Results, reasons: Mapping[str, Reason]) -> str:
    records = results.records
    total = Tally.of(records, reasons)
    verdicts = [record.verdict for record in records]
    parts = [
        f"Of {results.generated:,} mutants {len(records):,} were tried, with the profile `{results.profile}` "
        f"(seed {results.seed} chose them). {verdicts.count(Verdict.INVALID)} do not compile and "
        f"{verdicts.count(Verdict.DUPLICATE)} compile to the code of another; of the rest the fuzzer killed "
        f"**{total.score:.1%}**.",
        _table(
            "file",
            {file: Tally.of(some, reasons) for file, some in _by(records, lambda r: r.file).items()},
            total,
        ),
        _table(
            "operator",
            {
                f"{name}: {(operator.__doc__ or '').strip()}": Tally.of(
                    [record for record in records if record.operator == name], reasons
                )
                for name, operator in OPERATORS.items()
            },
        ),
        "### Survivors",
    ]
    survivors = [record for record in records if record.verdict is Verdict.SURVIVED]
    parts += [_survivor(record, reasons.get(record.digest)) for record in survivors] or ["None."]
    return "\n\n".join(parts)


def _table(title: str, rows: Mapping[str, Tally], total: Tally | None = None) -> str:
    lines = [f"| {title} | {' | '.join(_HEADINGS)} |", "|---" + "|--:" * len(_HEADINGS) + "|"]
    lines += [
        f"| {name.replace('|', chr(92) + '|')} | {' | '.join(_cells(tally))} |"
        for name, tally in rows.items()
    ]
    if total is not None:
        lines.append(f"| **all** | {' | '.join(f'**{cell}**' for cell in _cells(total))} |")
    return "\n".join(lines)


def _title(record: Record) -> str:
    return f"{record.file}:{record.line}:{record.column} {record.operator} {record.digest}"


def _survivor(record: Record, reason: Reason | None) -> str:
    standing = f"*{reason.kind}*: {reason.reason.strip()}" if reason else "*unexplained*"
    diff = [f"- {line}" for line in _lines(record.old)] + [f"+ {line}" for line in _lines(record.new)]
    return "\n".join([f"`{_title(record)}` in `{record.function}`: {standing}", "", "```diff", *diff, "```"])


def _lines(text: str) -> list[str]:
    return [" ".join(text.split())]
