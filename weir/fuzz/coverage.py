"""Which lines and branches of the contracts a campaign has run: the sources are compiled with probes in them.

A probe reads the balance of an address that stands for its id. That is allowed in any call, a static one too,
and what was read stays among the accounts that the EVM has loaded, whatever is reverted later: `touched`
finds it there, once, at the end. Behaviour stays as it is but for gas and the size of code.

Not covered: libraries of others, interfaces, mocks, assembly, and the initial values of state variables.

    covered = build()
    deploy(evm.web3, deployer, parameters, root=covered.root)
    ...
    report(covered, touched(evm.revm))
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pyrevm
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weir.artifacts import MANIFEST
from weir.compiler import compile_standard, standard_input
from weir.toolchain import ROOT

__all__ = [
    "Branch",
    "CoverageError",
    "CoverageMap",
    "CoverageReport",
    "FileCoverage",
    "Miss",
    "Point",
    "Points",
    "Statement",
    "build",
    "instrument",
    "render",
    "report",
    "touched",
]

CONTRACTS = "contracts"
NOT_COVERED = ("contracts/interfaces/", "contracts/mocks/")
FOLDER = Path("build") / "coverage"
POINTS = "points.json"

_BASE = int.from_bytes(b"weir coverage".ljust(20, b"\0"), "big")
_ID_BITS = 56  # the zeros at the end of _BASE
_LIBRARY = "weir/coverage/Cov.sol"

# The function pointer turns a view into a pure function, so that no signature has to change. `gas()` adds
# nothing, but without it the optimiser might move the balance out of a loop; without the `if`, drop it.
_COV = f"""// SPDX-License-Identifier: MIT
pragma solidity >=0.8.0;

library Cov {{
    function mark(uint256 id) internal pure {{
        function(uint256) internal view reading = _touch;
        function(uint256) internal pure touching;
        assembly ("memory-safe") {{
            touching := reading
        }}
        touching(id);
    }}

    function branch(uint256 id, bool condition) internal pure returns (bool) {{
        if (condition) mark(id);
        else mark(id + 1);
        return condition;
    }}

    function _touch(uint256 id) private view {{
        assembly ("memory-safe") {{
            if shr(160, balance(add(add({_BASE:#x}, id), shr(64, gas())))) {{
                invalid()
            }}
        }}
    }}
}}
"""
_IMPORT = f'\nimport {{Cov}} from "{_LIBRARY}";\n'

_Node = Mapping[str, Any]  # of solc's AST


class CoverageError(RuntimeError):
    """The instrumented sources can't be had; the message has the compiler's."""


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


# ----------------------------------------------------------------- instrumenting


def instrument(sources: Mapping[str, str]) -> tuple[dict[str, str], Points]:
    """The sources (path → text) with probes in the contracts that are covered; raises `CoverageError`."""
    trees = _syntax_trees(sources)
    ids = count()
    instrumented = dict(sources)
    statements: list[Statement] = []
    branches: list[Branch] = []
    for file in sorted(sources):
        if file.startswith(NOT_COVERED):
            continue
        probes = _Probes(file, sources[file], ids)
        probes.visit(trees[file])
        if probes.statements or probes.branches:
            instrumented[file] = probes.text()
            statements += probes.statements
            branches += probes.branches
    instrumented[_LIBRARY] = _COV
    return instrumented, Points(tuple(statements), tuple(branches))


def _syntax_trees(sources: Mapping[str, str]) -> dict[str, _Node]:
    request = standard_input(sources)
    request["settings"]["outputSelection"] = {name: {"": ["ast"]} for name in sources}
    answer = _compile(request)["sources"]
    return {name: answer[name]["ast"] for name in sources}


class _Probes:
    """The probes of one file, found by walking its syntax tree."""

    def __init__(self, file: str, text: str, ids: Iterator[int]) -> None:
        self.file = file
        self.statements: list[Statement] = []
        self.branches: list[Branch] = []
        self._source = text.encode()
        self._ids = ids
        self._scope: tuple[str, ...] = ()
        self._insertions: list[tuple[int, int, str]] = []  # offset, rank among those at the same offset, text

    def text(self) -> str:
        """The source with its probes, on the same lines as before."""
        parts: list[bytes] = []
        end = 0
        for offset, _, text in sorted(self._insertions):
            parts += [self._source[end:offset], text.encode()]
            end = offset
        return b"".join([*parts, self._source[end:]]).decode() + _IMPORT

    def visit(self, node: _Node, here: tuple[int, ...] = ()) -> None:
        """Sets the probes in a node; `here` are the ids that tell that this statement ran."""
        match node:
            case {"nodeType": "ContractDefinition" | "FunctionDefinition" | "ModifierDefinition"}:
                outer = self._scope
                self._scope = (*outer, node["name"] or node["kind"])
                self._visit_children(node)
                self._scope = outer
            case {"nodeType": "VariableDeclaration" | "InlineAssembly"}:
                pass  # constants admit no calls, and assembly is not Solidity
            case {"nodeType": "Block" | "UncheckedBlock"}:
                for statement in node["statements"]:
                    self._mark(statement)
            case {"nodeType": "IfStatement"}:
                when_true, when_false = self._condition(node["condition"], "if")
                self._body(node["trueBody"], when_true)
                if other := node.get("falseBody"):
                    self._body(other, when_false)
            case {"nodeType": "ForStatement"}:
                for part in (node.get("initializationExpression"), node.get("loopExpression")):
                    if part:
                        self.visit(part)
                condition = node.get("condition")
                self._body(node["body"], self._condition(condition, "for")[0] if condition else here)
            case {"nodeType": "WhileStatement"}:
                self._body(node["body"], self._condition(node["condition"], "while")[0])
            case {"nodeType": "DoWhileStatement"}:
                self._condition(node["condition"], "while")
                self._body(node["body"], here)
            case {"nodeType": "TryStatement"}:
                self._try(node)
            case {"nodeType": "Conditional"}:
                self._condition(node["condition"], "?:")
                self.visit(node["trueExpression"])
                self.visit(node["falseExpression"])
            case {"nodeType": "BinaryOperation", "operator": "&&" | "||"}:
                self._condition(node, node["operator"])
            case {"nodeType": "FunctionCall", "expression": {"name": "require" | "assert" as name}}:
                self._condition(node["arguments"][0], name)
                for argument in node["arguments"][1:]:
                    self.visit(argument)
            case _:
                self._visit_children(node)

    def _visit_children(self, node: _Node) -> None:
        for value in node.values():
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, dict) and "nodeType" in child:
                    self.visit(child)

    def _mark(self, node: _Node) -> None:
        """A statement in a block."""
        if node["nodeType"] in ("Block", "UncheckedBlock"):
            self.visit(node)
            return
        id_ = next(self._ids)
        self._insert(_start(node), f"Cov.mark({id_}); ")
        self._state(node, (id_,))

    def _body(self, node: _Node, here: tuple[int, ...]) -> None:
        """What follows a condition: a single statement needs no probe, since those of the condition tell."""
        if node["nodeType"] == "Block":
            self.visit(node)
        else:
            self._state(node, here)

    def _state(self, node: _Node, here: tuple[int, ...]) -> None:
        self.statements.append(Statement(self.file, self._line(node), self._function, here))
        self.visit(node, here)

    def _condition(self, node: _Node, kind: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """Wraps the operands; returns the ids that tell that the whole was true, and those for false."""
        match node:
            case {"nodeType": "TupleExpression", "components": [inner]}:
                return self._condition(inner, kind)
            case {"nodeType": "UnaryOperation", "operator": "!", "subExpression": inner}:
                if _is_compound(inner):
                    when_true, when_false = self._condition(inner, kind)
                    return when_false, when_true
            case {"nodeType": "BinaryOperation", "operator": "&&" | "||" as operator}:
                left = self._condition(node["leftExpression"], kind)
                right = self._condition(node["rightExpression"], kind)
                # The operand that was looked at last decides.
                if operator == "&&":
                    return right[0], left[1] + right[1]
                return left[0] + right[0], right[1]
        id_ = self._branch(node, kind)
        self._insert(_start(node), f"Cov.branch({id_}, ")
        self._insert(_end(node), ")", closing=True)
        self.visit(node)
        return (id_,), (id_ + 1,)

    def _branch(self, node: _Node, kind: str) -> int:
        id_, _ = next(self._ids), next(self._ids)
        condition = " ".join(self._source[_start(node) : _end(node)].decode().split())
        self.branches.append(Branch(self.file, self._line(node), self._function, id_, kind, condition))
        return id_

    def _try(self, node: _Node) -> None:
        self.visit(node["externalCall"])
        id_ = self._branch(node["externalCall"], "try")
        for i, clause in enumerate(node["clauses"]):
            self._insert(_start(clause["block"]) + 1, f" Cov.mark({id_ + (i > 0)}); ")
            self.visit(clause["block"])

    @property
    def _function(self) -> str:
        return ".".join(self._scope)

    def _line(self, node: _Node) -> int:
        return self._source.count(b"\n", 0, _start(node)) + 1

    def _insert(self, offset: int, text: str, *, closing: bool = False) -> None:
        # What encloses comes first: it opens before, and closes after, what it encloses.
        rank = len(self._insertions) + 1
        self._insertions.append((offset, -rank if closing else rank, text))


def _start(node: _Node) -> int:
    return int(node["src"].split(":")[0])


def _end(node: _Node) -> int:
    start, length, _ = node["src"].split(":")
    return int(start) + int(length)


def _is_compound(node: _Node) -> bool:
    match node:
        case {"nodeType": "TupleExpression", "components": [inner]}:
            return _is_compound(inner)
        case {"nodeType": "BinaryOperation", "operator": "&&" | "||"}:
            return True
    return False


# ----------------------------------------------------------------------- building


def build(root: Path | None = None) -> CoverageMap:
    """Compiles a project's contracts with probes into its `build/coverage`; minutes, unless nothing changed.

    The project is this checkout if none is given. Raises `CoverageError` where the contracts don't compile.
    """
    root = root or ROOT
    folder = root / FOLDER
    sources = {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / CONTRACTS).rglob("*.sol"))
        if not any(part.startswith(".") for part in path.relative_to(root).parts)
    }
    key = _key(sources)
    points = _load(folder / POINTS, key)
    if points is None:
        instrumented, points = instrument(sources)
        compiled = _compile(standard_input(instrumented))["contracts"]
        # Gone first and back last: with it, the manifest is that of the key.
        (folder / POINTS).unlink(missing_ok=True)
        _save_manifest(folder / MANIFEST, compiled)
        (folder / POINTS).write_text(json.dumps({"key": key} | asdict(points)), encoding="utf-8")
    return CoverageMap(folder, points)


def _key(sources: Mapping[str, str]) -> str:
    """Changes with whatever the build depends on."""
    digest = hashlib.sha256(json.dumps(standard_input(sources), sort_keys=True).encode())
    for path in (Path(__file__), ROOT / "package-lock.json"):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _load(path: Path, key: str) -> Points | None:
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if saved["key"] != key:
        return None
    return Points(
        tuple(Statement(**each | {"ids": tuple(each["ids"])}) for each in saved["statements"]),
        tuple(Branch(**each) for each in saved["branches"]),
    )


def _save_manifest(path: Path, compiled: Mapping[str, Mapping[str, Any]]) -> None:
    """As `ape compile` would, as far as `weir.artifacts` reads it."""
    types = {
        name: {
            "contractName": name,
            "sourceId": source,
            "abi": built["abi"],
            "deploymentBytecode": {"bytecode": "0x" + built["evm"]["bytecode"]["object"]},
            "runtimeBytecode": {"bytecode": "0x" + built["evm"]["deployedBytecode"]["object"]},
        }
        for source, contracts in compiled.items()
        if source.startswith(f"{CONTRACTS}/")
        for name, built in contracts.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"manifest": "ethpm/3", "contractTypes": types}), encoding="utf-8")


def _compile(request: Mapping[str, Any]) -> dict[str, Any]:
    answer = compile_standard(request)
    errors = [each["formattedMessage"] for each in answer.get("errors", []) if each["severity"] == "error"]
    if errors:
        raise CoverageError("\n".join(errors))
    return answer


# ---------------------------------------------------------------------- reporting


def touched(evm: pyrevm.EVM) -> frozenset[int]:
    """The ids of all that has run on this EVM so far, reverted or not."""
    accounts = (int(address, 16) for address in evm.db_accounts)
    return frozenset(account - _BASE for account in accounts if account >> _ID_BITS == _BASE >> _ID_BITS)


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
