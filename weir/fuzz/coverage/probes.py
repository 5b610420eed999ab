"""Probes: how they are set into the sources, and which of them an EVM has run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import count
from typing import Any

import pyrevm

from weir.compiler import compile_standard, standard_input
from weir.fuzz.coverage.points import Branch, Points, Statement

__all__ = ["CoverageError", "compiled", "instrument", "touched"]

NOT_COVERED = ("contracts/interfaces/", "contracts/mocks/")

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
    answer = compiled(request)["sources"]
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


def compiled(request: Mapping[str, Any]) -> dict[str, Any]:
    """What the compiler answers; raises `CoverageError` with its errors."""
    answer = compile_standard(request)
    errors = [each["formattedMessage"] for each in answer.get("errors", []) if each["severity"] == "error"]
    if errors:
        raise CoverageError("\n".join(errors))
    return answer


def touched(evm: pyrevm.EVM) -> frozenset[int]:
    """The ids of all that has run on this EVM so far, reverted or not."""
    accounts = (int(address, 16) for address in evm.db_accounts)
    return frozenset(account - _BASE for account in accounts if account >> _ID_BITS == _BASE >> _ID_BITS)
