"""Mutants of Solidity sources: each is one small change of one expression or statement.

Changes are found on the compiler's typed syntax tree, so none falls into a comment, and each knows what it
stands in: what only an event or an error would show is left alone, and constructors, which nobody can call::

    mutants = generate(tree, ["contracts/Vault.sol"])
    source = mutants[0].apply(tree.sources["contracts/Vault.sol"])

A mutant's digest names it by what it changes, and where in its function, but not by its line: it stays the
same while other functions are edited.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Any, TypeAlias

__all__ = ["OPERATORS", "Mutant", "Node", "Operator", "SyntaxTree", "generate"]

Node: TypeAlias = Mapping[str, Any]
"""A node of solc's syntax tree."""

OWN = "contracts/"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A change of one source, from byte `start` to byte `end`. `function` is where it stands."""

    file: str
    line: int
    column: int
    operator: str
    function: str
    start: int
    end: int
    old: str
    new: str
    digest: str

    @property
    def id(self) -> str:
        """Where it is, what it does, and the digest that tells it from all others."""
        return f"{self.file.removeprefix(OWN)}:{self.line}:{self.column} {self.operator} {self.digest}"

    def apply(self, source: str) -> str:
        """The source with the change."""
        data = source.encode()
        return (data[: self.start] + self.new.encode() + data[self.end :]).decode()


@dataclass(frozen=True)
class SyntaxTree:
    """Sources (path → text) and their syntax trees, as one compilation gave them."""

    sources: Mapping[str, str]
    roots: Mapping[str, Node]

    def source_of(self, file: str) -> bytes:
        return self._bytes[file]

    @cached_property
    def _bytes(self) -> dict[str, bytes]:
        return {file: text.encode() for file, text in self.sources.items()}

    @cached_property
    def nodes(self) -> dict[int, Node]:
        """All nodes by their number."""
        return {node["id"]: node for node, _ in self._walked if "id" in node}

    @cached_property
    def parents(self) -> dict[int, Node]:
        """The node around each."""
        return {node["id"]: parent for node, parent in self._walked if "id" in node and parent is not None}

    @cached_property
    def _walked(self) -> list[tuple[Node, Node | None]]:
        return [pair for root in self.roots.values() for pair in _walk(root, None)]

    def parent(self, node: Node) -> Node | None:
        return self.parents.get(node["id"])

    def around(self, node: Node, kind: str) -> Node | None:
        """The nearest node of this kind that the node stands in."""
        found = self.parent(node)
        while found is not None and found["nodeType"] != kind:
            found = self.parent(found)
        return found

    def declaration(self, node: Node) -> Node | None:
        """What an identifier or a member means; None for what the language brings with it."""
        return self.nodes.get(node.get("referencedDeclaration") or 0)

    def imports(self, file: str) -> set[str]:
        """The files that a file imports, directly or not, and itself."""
        found, waiting = set[str](), [file]
        while waiting:
            if (name := waiting.pop()) in found:
                continue
            found.add(name)
            directives = self.roots[name]["nodes"] if name in self.roots else ()
            waiting += [node["absolutePath"] for node in directives if node["nodeType"] == "ImportDirective"]
        return found


def _walk(node: Any, parent: Node | None) -> Iterator[tuple[Node, Node | None]]:
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, parent)
    elif isinstance(node, dict):
        if "nodeType" in node:
            yield node, parent
            parent = node
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from _walk(value, parent)


# ------------------------------------------------------------------ one change


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    new: str


@dataclass(frozen=True)
class _View:
    """A file as the operators see it."""

    tree: SyntaxTree
    file: str

    def span(self, node: Node, key: str = "src") -> tuple[int, int]:
        start, length, _ = map(int, node[key].split(":"))
        return start, start + length

    def text(self, node: Node) -> str:
        start, end = self.span(node)
        return self.tree.source_of(self.file)[start:end].decode()

    def replace(self, node: Node, new: str, key: str = "src") -> _Edit:
        return _Edit(*self.span(node, key), new)

    def operand(self, node: Node) -> str:
        """The text, in brackets where an operator beside it could tear it apart."""
        text = self.text(node)
        return f"({text})" if node["nodeType"] in ("BinaryOperation", "Conditional", "Assignment") else text

    def rewrite(self, node: Node, new: str) -> _Edit:
        """Replaces an expression by one with an operator, in brackets where it stands beside others."""
        parent = self.tree.parent(node)
        beside = ("BinaryOperation", "UnaryOperation", "MemberAccess")
        loose = parent is not None and parent["nodeType"] in beside
        return self.replace(node, f"({new})" if loose else new)


Operator: TypeAlias = Callable[[_View, Node], Iterator[_Edit]]
_BOUNDARIES = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
_OPPOSITES = {"<": ">=", ">=": "<", ">": "<=", "<=": ">", "==": "!=", "!=": "=="}
_ARITHMETIC = {"+": "-", "-": "+", "*": "/", "/": "*", "%": "/"}
_INTEGER = re.compile(r"(u?int)\d*\b|int_const\b")


def _kind(node: Node) -> str:
    return str(node["nodeType"])


def _type(node: Node) -> str:
    return str((node.get("typeDescriptions") or {}).get("typeString") or "")


def _is_integer(node: Node) -> bool:
    return bool(_INTEGER.match(_type(node)))


def _is_unsigned(node: Node) -> bool:
    return _type(node).startswith("uint")


def _boundary(view: _View, node: Node) -> Iterator[_Edit]:
    """a comparison with and without equality"""
    yield from _other_operator(view, node, _BOUNDARIES)


def _relation(view: _View, node: Node) -> Iterator[_Edit]:
    """a comparison by its opposite"""
    yield from _other_operator(view, node, _OPPOSITES)


def _arithmetic(view: _View, node: Node) -> Iterator[_Edit]:
    """`+` and `-`, `*` and `/` for each other"""
    if not _is_constant(view, node):
        yield from _other_operator(view, node, _ARITHMETIC)


def _other_operator(view: _View, node: Node, others: Mapping[str, str]) -> Iterator[_Edit]:
    if _kind(node) == "BinaryOperation" and node["operator"] in others:
        left, right = node["leftExpression"], node["rightExpression"]
        yield view.rewrite(node, f"{view.text(left)} {others[node['operator']]} {view.text(right)}")


def _is_constant(view: _View, node: Node) -> bool:
    """Whether it stands in the definition of a constant, which has an operator of its own."""
    around = view.tree.around(node, "VariableDeclaration")
    return around is not None and bool(around["constant"])


def _rounding(view: _View, node: Node) -> Iterator[_Edit]:
    """a division by the one that rounds the other way"""
    if _is_constant(view, node):
        return
    if _kind(node) == "BinaryOperation" and node["operator"] == "/" and _is_unsigned(node):
        above, below = view.operand(node["leftExpression"]), view.operand(node["rightExpression"])
        raised = re.fullmatch(r"\(+(.*) \+ (.*) - 1\)+", above)
        if raised and raised[2] == below:
            yield view.rewrite(node, f"({raised[1]}) / {below}")
        else:
            yield view.rewrite(node, f"({above} + {below} - 1) / {below}")
    elif _kind(node) == "FunctionCall" and node["kind"] == "functionCall":
        name, values = _called(node), node["arguments"]
        if name in ("divUp", "ceilDiv"):
            yield view.rewrite(node, " / ".join(map(view.operand, values)))
        elif name in ("fullMulDivUp", "fullMulDiv"):
            other = "fullMulDiv" if name == "fullMulDivUp" else "fullMulDivUp"
            yield view.replace(node["expression"], other, "memberLocation")
        elif name == "mulDiv":
            last = view.text(values[-1])
            if last == "Math.Rounding.Ceil":
                yield view.replace(values[-1], "Math.Rounding.Floor")
            else:
                yield view.replace(values[-1], f"{last}, Math.Rounding.Ceil")


def _called(node: Node) -> str:
    called = node["expression"]
    return str(called.get("memberName") or called.get("name") or "")


def _off_by_one(view: _View, node: Node) -> Iterator[_Edit]:
    """one more: a literal, a returned amount"""
    if _kind(node) == "Literal" and node["kind"] == "number" and not _is_constant(view, node):
        if node["value"].isdigit() and not node.get("subdenomination"):
            yield view.replace(node, str(int(node["value"]) + 1))
    elif (
        (value := _returned(node))
        and _is_integer(value)
        and _kind(value) not in ("Literal", "TupleExpression")
    ):
        yield view.replace(value, f"{view.operand(value)} + 1")


def _returned(node: Node) -> Node | None:
    """The value that a `return` gives."""
    return node.get("expression") if _kind(node) == "Return" else None


def _constant(view: _View, node: Node) -> Iterator[_Edit]:
    """a constant doubled, halved"""
    if _kind(node) == "VariableDeclaration" and node["constant"] and _is_unsigned(node):
        yield view.replace(node["value"], f"2 * ({view.text(node['value'])})")
        yield view.replace(node["value"], f"({view.text(node['value'])}) / 2")


def _condition(view: _View, node: Node) -> Iterator[_Edit]:
    """the condition of a branch by `true`, by `false`"""
    if _kind(node) == "Conditional" or (_kind(node) == "IfStatement" and not _is_guard(node)):
        yield view.replace(node["condition"], "true")
        yield view.replace(node["condition"], "false")
    elif _kind(node) == "ForStatement" and node.get("condition"):
        yield view.replace(node["condition"], "false")  # true might never end


def _guard(view: _View, node: Node) -> Iterator[_Edit]:
    """a check that reverts, or a modifier, left out"""
    if _kind(node) == "IfStatement" and _is_guard(node):
        yield view.replace(node["condition"], "false")
    elif _kind(node) == "ModifierInvocation" and node["kind"] == "modifierInvocation":
        yield view.replace(node, "")


def _is_guard(node: Node) -> bool:
    body = node["trueBody"]
    statements = body["statements"] if _kind(body) == "Block" else [body]
    return not node.get("falseBody") and [_kind(each) for each in statements] == ["RevertStatement"]


def _logic(view: _View, node: Node) -> Iterator[_Edit]:
    """`&&` and `||` for each other, or one of the two sides left out"""
    if _kind(node) != "BinaryOperation" or node["operator"] not in ("&&", "||"):
        return
    left, right = node["leftExpression"], node["rightExpression"]
    other = "||" if node["operator"] == "&&" else "&&"
    yield view.rewrite(node, f"{view.operand(left)} {other} {view.operand(right)}")
    yield view.replace(node, view.text(left))
    yield view.replace(node, view.text(right))


_NAMED = ("FunctionCall", "Identifier", "MemberAccess", "IndexAccess")


def _negation(view: _View, node: Node) -> Iterator[_Edit]:
    """`-x` and `!x` by x, `true` by `false`, a returned truth by its opposite"""
    if _kind(node) == "UnaryOperation" and node["operator"] in ("-", "!", "~"):
        yield view.replace(node, view.text(node["subExpression"]))
    elif _kind(node) == "Literal" and node["kind"] == "bool":
        yield view.replace(node, "false" if node["value"] == "true" else "true")
    elif (value := _returned(node)) and _type(value) == "bool" and _kind(value) in _NAMED:
        yield view.replace(value, f"!{view.text(value)}")


def _assignment(view: _View, node: Node) -> Iterator[_Edit]:
    """`+=` and `-=` for each other and by `=`, `++` and `--` for each other"""
    if _kind(node) == "Assignment" and node["operator"] in ("+=", "-="):
        left, right = view.text(node["leftHandSide"]), view.text(node["rightHandSide"])
        yield view.replace(node, f"{left} {'-=' if node['operator'] == '+=' else '+='} {right}")
        yield view.replace(node, f"{left} = {right}")
    elif _kind(node) == "UnaryOperation" and node["operator"] in ("++", "--"):
        operator, operand = "--" if node["operator"] == "++" else "++", view.text(node["subExpression"])
        yield view.replace(node, f"{operator}{operand}" if node["prefix"] else f"{operand}{operator}")


def _deletion(view: _View, node: Node) -> Iterator[_Edit]:
    """a statement left out"""
    if _kind(node) not in ("ExpressionStatement", "Break", "Continue"):
        return
    parent = view.tree.parent(node)
    if parent is not None and _kind(parent) == "IfStatement" and not parent.get("falseBody"):
        return  # the same as the condition `false`
    if parent is not None and _kind(parent) == "ForStatement" and parent.get("loopExpression") is node:
        return  # might never end
    start, end = view.span(node)
    yield _Edit(start, view.tree.source_of(view.file).index(b";", end) + 1, "{}")  # the node ends before it


_COMMUTATIVE = ("min", "_min", "max", "dist", "fullMulDiv", "fullMulDivUp", "mulDiv", "mulDivUp")


def _arguments(view: _View, node: Node) -> Iterator[_Edit]:
    """two values of one type, side by side in a list, for each other"""
    first = 0
    if _kind(node) == "FunctionCall" and node["kind"] != "typeConversion":
        values, types = node["arguments"], _parameter_types(node)
        if _called(node) in _COMMUTATIVE and not _is_attached(node):
            first = 1
    elif _kind(node) == "TupleExpression" and not node["isInlineArray"] and not node["lValueRequested"]:
        values = [each for each in node["components"] if each]
        types = list(map(_type, values))
    else:
        return
    for (left, kind), (right, other) in pairwise(list(zip(values, types, strict=True))[first:]):
        alike = kind == other or (_is_integer(left) and _is_integer(right) and "int_const" in kind + other)
        if alike and view.text(left) != view.text(right):
            start, end = view.span(left)[0], view.span(right)[1]
            between = view.tree.source_of(view.file)[view.span(left)[1] : view.span(right)[0]].decode()
            yield _Edit(start, end, view.text(right) + between + view.text(left))


def _is_attached(call: Node) -> bool:
    """Whether it is written as a method of its first argument."""
    return "attached_to" in str(call["expression"]["typeDescriptions"]["typeIdentifier"])


def _parameter_types(call: Node) -> list[str]:
    """The types that a call's arguments must have; their own where the function does not tell."""
    found = re.match(r"function \(([^()]*)\)", _type(call["expression"]))
    types = found[1].split(",") if found else []
    types = types[1:] if _is_attached(call) else types
    values = call["arguments"]
    return types if len(types) == len(values) else list(map(_type, values))


def _bound(view: _View, node: Node) -> Iterator[_Edit]:
    """`min` by either value and by the larger, other limits left out"""
    if _kind(node) != "FunctionCall" or node["kind"] != "functionCall":
        return
    name, values = _called(node), [view.operand(each) for each in node["arguments"]]
    if name in ("min", "_min") and len(values) == 2:
        yield view.replace(node, values[0])
        yield view.replace(node, values[1])
        yield view.replace(node, f"({values[0]} > {values[1]} ? {values[0]} : {values[1]})")
    elif name == "clamp":
        yield view.replace(node, values[0])
    elif name == "saturatingSub" and len(values) == 2:
        yield view.replace(node, f"({values[0]} - {values[1]})")


def _callee(view: _View, node: Node) -> Iterator[_Edit]:
    """a function by another of the same contract that takes and returns the same"""
    if _kind(node) != "FunctionCall" or node["kind"] != "functionCall":
        return
    called = node["expression"]
    function = view.tree.declaration(called)
    if function is None or _kind(function) != "FunctionDefinition":
        return
    contract = view.tree.parent(function)
    if contract is None or _kind(contract) != "ContractDefinition":
        return
    home = view.tree.around(contract, "SourceUnit")
    if home is None or not home["absolutePath"].startswith(OWN):
        return
    within = view.tree.around(node, "FunctionDefinition")
    alike = [
        each
        for each in contract["nodes"]
        if _kind(each) == "FunctionDefinition"
        and each["kind"] in ("function", "freeFunction")
        and _signature(each) == _signature(function)
        and (each is function or within is None or each["name"] != within["name"])
    ]
    if len(alike) > 1:
        other = alike[(alike.index(function) + 1) % len(alike)]
        yield view.replace(called, other["name"], "memberLocation" if "memberLocation" in called else "src")


def _signature(function: Node) -> tuple[Any, ...]:
    lists = (function["parameters"], function["returnParameters"])
    types = tuple(tuple(_type(each) for each in values["parameters"]) for values in lists)
    return *types, function["visibility"] in ("internal", "private")


def _sibling(view: _View, node: Node) -> Iterator[_Edit]:
    """a variable of the contract, or a member of a struct, by another of its type"""
    if _kind(node) not in ("Identifier", "MemberAccess"):
        return
    variable = view.tree.declaration(node)
    if variable is None or _kind(variable) != "VariableDeclaration" or variable["constant"]:
        return
    group = view.tree.parent(variable)
    if group is None or _kind(group) not in ("StructDefinition", "ContractDefinition"):
        return
    members = group["members"] if _kind(group) == "StructDefinition" else group["nodes"]
    alike = [
        each
        for each in members
        if _kind(each) == "VariableDeclaration"
        and not each["constant"]
        and _type(each) == _type(variable)
        and each["mutability"] == variable["mutability"]
    ]
    if len(alike) > 1:
        other = alike[(alike.index(variable) + 1) % len(alike)]
        yield view.replace(node, other["name"], "memberLocation" if "memberLocation" in node else "src")


OPERATORS: Mapping[str, Operator] = {
    "boundary": _boundary,
    "relation": _relation,
    "arithmetic": _arithmetic,
    "rounding": _rounding,
    "off-by-one": _off_by_one,
    "constant": _constant,
    "condition": _condition,
    "guard": _guard,
    "logic": _logic,
    "negation": _negation,
    "assignment": _assignment,
    "deletion": _deletion,
    "arguments": _arguments,
    "bound": _bound,
    "callee": _callee,
    "sibling": _sibling,
}
"""What can be changed; the first line of each one's documentation says how."""


# ---------------------------------------------------------------- all of them


def generate(tree: SyntaxTree, files: Iterable[str]) -> list[Mutant]:
    """Every mutant of these files, in the order of the sources; no two give the same text."""
    return [mutant for file in files for mutant in _mutants(tree, file)]


def _mutants(tree: SyntaxTree, file: str) -> Iterator[Mutant]:
    view = _View(tree, file)
    data = tree.source_of(file)
    seen: set[tuple[int, int, str]] = set()
    found = []
    for node, inside_event in _reachable(tree.roots[file]):
        for name, operator in OPERATORS.items():
            if inside_event and not (name == "assignment" and _kind(node) == "UnaryOperation"):
                continue
            for edit in operator(view, node):
                key = (edit.start, edit.end, edit.new)
                if key not in seen and data[edit.start : edit.end].decode() != edit.new:
                    seen.add(key)
                    found.append((edit, name, _function(tree, node)))
    found.sort(key=lambda each: (each[0].start, each[0].end, list(OPERATORS).index(each[1]), each[0].new))
    counts: Counter[tuple[str, ...]] = Counter()
    for edit, name, function in found:
        old = data[edit.start : edit.end].decode()
        what = (file, function, name, old, edit.new)
        digest = hashlib.sha256("\0".join((*what, str(counts[what]))).encode()).hexdigest()[:8]
        counts[what] += 1
        before = data[: edit.start].decode()
        line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
        yield Mutant(file, line, column, name, function, edit.start, edit.end, old, edit.new, digest)


def _reachable(node: Any, inside_event: bool = False) -> Iterator[tuple[Node, bool]]:
    """The nodes that a mutant may change, and whether each stands in an event."""
    if isinstance(node, list):
        for item in node:
            yield from _reachable(item, inside_event)
    elif isinstance(node, dict):
        kind = node.get("nodeType")
        if kind == "RevertStatement" or node.get("kind") == "constructor":
            return
        if kind is not None:
            yield node, inside_event
        for value in node.values():
            if isinstance(value, (dict, list)):
                yield from _reachable(value, inside_event or kind == "EmitStatement")


def _function(tree: SyntaxTree, node: Node) -> str:
    """The names of what is around a node: contract, and function, modifier or constant."""
    named = ("ContractDefinition", "FunctionDefinition", "ModifierDefinition")
    names = []
    around: Node | None = node
    while around is not None:
        if _kind(around) in named or around.get("constant"):
            names.append(around["name"])
        around = tree.parent(around)
    return ".".join(reversed(names))
