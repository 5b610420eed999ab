"""Static analysis: Slither over the production contracts, against the findings that have been reviewed.

It fails on a finding that ``analysis/accepted.yaml`` does not list, on a listed one that is gone, and on code
that Slither could not analyse. Findings of high impact can't be accepted, those of medium impact only place
by place. What lies wholly in ``node_modules`` is left to the libraries' own audits.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import yaml
from crytic_compile import CryticCompile
from crytic_compile.compilation_unit import CompilationUnit
from crytic_compile.compiler.compiler import CompilerVersion
from crytic_compile.platform.solc_standard_json import SolcStandardJson, parse_standard_json_output
from slither import Slither
from slither.core.solidity_types.elementary_type import ElementaryType, Int, Uint
from slither.detectors import all_detectors
from slither.detectors.abstract_detector import AbstractDetector
from slither.slithir import convert
from slither.slithir.operations import Binary
from slither.slithir.variables import TemporaryVariable

from weir.compiler import CONFIG, VERSION, compile_standard, standard_input
from weir.toolchain import ROOT

ACCEPTED = Path(__file__).with_name("accepted.yaml")
OURS = "contracts/"
LEFT_OUT = {"mocks", ".cache"}
ANYWHERE = "anywhere"
NEVER = "High"
PLACE_BY_PLACE = "Medium"
SYNTAX_TREES = {"*": {"*": ["abi", "devdoc", "userdoc"], "": ["ast"]}}


@dataclass(frozen=True, slots=True)
class Finding:
    """Where it is: contract.function, contract.variable, contract or file."""

    detector: str
    impact: str
    place: str
    text: str


@dataclass(frozen=True, slots=True)
class Acceptance:
    """Findings of one detector, reviewed and found harmless. A place is named once for each finding in it."""

    detector: str
    places: tuple[str, ...]
    why: str

    @property
    def anywhere(self) -> bool:
        return self.places == (ANYWHERE,)


class Project(SolcStandardJson):  # type: ignore[misc]
    """The contracts as our own compiler and settings see them.

    Slither reads syntax trees, so no code is generated.
    """

    def compile(self, crytic_compile: CryticCompile, **_options: Any) -> None:
        unit = CompilationUnit(crytic_compile, "weir")
        unit.compiler_version = CompilerVersion(
            compiler="solc",
            version=VERSION,
            optimized=CONFIG["optimize"],
            optimize_runs=CONFIG["optimization_runs"],
            via_ir=CONFIG["via_ir"],
        )
        answer = compile_standard(self.to_dict())
        errors = [error for error in answer.get("errors", []) if error["severity"] == "error"]
        if errors:
            raise click.ClickException("\n".join(error["formattedMessage"] for error in errors))
        for contracts in answer["contracts"].values():
            for contract in contracts.values():
                code = {"object": "", "sourceMap": ""}
                contract["evm"] = {"bytecode": code, "deployedBytecode": code}
        parse_standard_json_output(answer, unit)


class Unanalysed(logging.Handler):
    """Collects what Slither merely logs: the functions it gave up on."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(" ".join(record.getMessage().split()))


def widen_sums() -> None:
    """Give ``uint120 + uint256`` its type.

    Slither 0.11.6 takes the left operand's, doesn't find the library function that is then called on the
    sum, and drops the whole function that does so.
    """
    original = convert.propagate_types

    def propagate_types(operation: Any, node: Any) -> Any:
        replaced = original(operation, node)
        if isinstance(operation, Binary) and isinstance(operation.lvalue, TemporaryVariable):
            left, right = operation.variable_left.type, operation.variable_right.type
            if operation.lvalue.type == left and _is_wider(right, left):
                operation.lvalue.set_type(right)
        return replaced

    convert.propagate_types = propagate_types


def _is_wider(one: Any, other: Any) -> bool:
    if not isinstance(one, ElementaryType) or not isinstance(other, ElementaryType):
        return False
    same = any(one.type in family and other.type in family for family in (Uint, Int))
    return same and one.size > other.size


def production_sources(root: Path = ROOT) -> dict[str, str]:
    """Path and text of each contract that gets deployed or is part of one that does."""
    paths = (path.relative_to(root) for path in sorted((root / "contracts").rglob("*.sol")))
    return {path.as_posix(): (root / path).read_text() for path in paths if not LEFT_OUT & set(path.parts)}


def place_of(element: Mapping[str, Any]) -> str:
    """A statement's function, a function's or variable's name behind its contract's, else the plain name."""
    parent = element.get("type_specific_fields", {}).get("parent")
    if element["type"] == "node" and parent:
        return place_of(parent)
    name = str(element["name"])
    return f"{place_of(parent)}.{name}" if parent and parent["type"] in ("contract", "function") else name


def findings_of(results: Iterable[Mapping[str, Any]]) -> list[Finding]:
    """Those that touch our own contracts, at the first place of ours that each names."""
    found = []
    for result in results:
        own = [
            element
            for element in result["elements"]
            if element.get("source_mapping", {}).get("filename_relative", "").startswith(OURS)
        ]
        if own:
            text = result["description"].strip()
            found.append(Finding(result["check"], result["impact"], place_of(own[0]), text))
    return sorted(found, key=lambda f: (f.detector, f.place, f.text))


def analyse() -> tuple[list[Finding], list[str]]:
    """Every finding in our contracts, and what Slither could not analyse."""
    request = standard_input(production_sources())
    request["settings"]["outputSelection"] = SYNTAX_TREES
    unanalysed = Unanalysed()
    logging.getLogger().addHandler(unanalysed)
    widen_sums()
    slither = Slither(CryticCompile(Project(request)))
    for _, detector in inspect.getmembers(all_detectors, inspect.isclass):
        if issubclass(detector, AbstractDetector):
            slither.register_detector(detector)
    results = [result for results in slither.run_detectors() for result in results]
    return findings_of(results), unanalysed.messages


def read_accepted(path: Path) -> list[Acceptance]:
    accepted = []
    for entry in yaml.safe_load(path.read_text()):
        where = entry["where"]
        places = (where,) if isinstance(where, str) else tuple(where)
        accepted.append(Acceptance(entry["detector"], places, entry["why"]))
    return accepted


def compare(findings: Iterable[Finding], accepted: Iterable[Acceptance]) -> tuple[list[Finding], list[str]]:
    """The findings that are not accepted, and the acceptances that accept nothing (any more)."""
    anywhere = {acceptance.detector for acceptance in accepted if acceptance.anywhere}
    places = Counter(
        (acceptance.detector, place)
        for acceptance in accepted
        if not acceptance.anywhere
        for place in acceptance.places
    )
    seen, used, new = set(), Counter[tuple[str, str]](), []
    for finding in findings:
        key = (finding.detector, finding.place)
        if finding.impact == NEVER:
            new.append(finding)
        elif finding.impact != PLACE_BY_PLACE and finding.detector in anywhere:
            seen.add(finding.detector)
        elif used[key] < places[key]:
            used[key] += 1
        else:
            new.append(finding)
    stale = [f"{detector} {ANYWHERE}" for detector in sorted(anywhere - seen)]
    stale += [f"{detector} at {place}" for detector, place in sorted((places - used).elements())]
    return new, stale


@click.command()
@click.option("--json", "as_json", is_flag=True, help="For machines.")
def main(as_json: bool) -> None:
    """Run Slither over the contracts; exit with 1 if it finds what has not been reviewed."""
    os.chdir(ROOT)  # Slither names files relative to the working directory
    findings, unanalysed = analyse()
    new, stale = compare(findings, read_accepted(ACCEPTED))
    if as_json:
        report = {
            "accepted": len(findings) - len(new),
            "new": [{name: getattr(finding, name) for name in Finding.__slots__} for finding in new],
            "stale": stale,
            "unanalysed": unanalysed,
        }
        click.echo(json.dumps(report, indent=2))
    else:
        for finding in new:
            click.echo(f"{finding.impact}: {finding.detector} at {finding.place}\n  {finding.text}")
        for entry in stale:
            click.echo(f"Accepted, but not found: {entry}")
        for message in unanalysed:
            click.echo(f"Not analysed: {message}")
        click.echo(
            f"{len(findings)} findings: {len(findings) - len(new)} accepted, {len(new)} not;"
            f" {len(stale)} stale acceptances; {len(unanalysed)} failures to analyse"
        )
    if new or stale or unanalysed:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
