"""Coverage: probes change no result, and tell which lines and branches ran, reverted ones too."""

import json
import re
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from eth_abi import encode
from eth_utils.crypto import keccak
from rich.console import Console

from weir.artifacts import artifact
from weir.compiler import compile_standard, standard_input
from weir.fuzz import coverage
from weir.fuzz.coverage import CoverageError, CoverageMap, instrument, probes, render, report, touched
from weir.fuzz.evm import Evm, RefusedError
from weir.toolchain import ROOT

FILE = "contracts/Sample.sol"
SAMPLE = """
// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

interface IPure {
    function pureOfInterface(uint256 x) external pure returns (uint256);
}

function free(uint256 x) pure returns (uint256) {
    return x > 2 ? x : 2 * x; // “free”, of every contract
}

library Steps {
    uint256 private constant HALF = true && false ? 1 : 2;

    function half(uint256 x) internal pure returns (uint256) {
        if (x % HALF == 1) revert("odd");
        return x / HALF;
    }
}

contract Base {
    uint256 public immutable start;

    constructor(uint256 x) {
        start = x;
    }

    modifier below(uint256 x, uint256 limit) {
        require(x < limit, x == 9 ? "nine" : "limit");
        _;
    }
}

contract Sample is IPure, Base {
    error Refused(uint256 x);
    event Seen(uint256 indexed x);

    uint256 public total;

    constructor(uint256 x) Base(x > 5 ? x : 5) {
        for (uint256 i; i < 3; ++i) if (x == i) revert Refused(x);
    }

    function chain(uint256 x) external returns (uint256) {
        if (x == 0) revert Refused(x);
        else if (x == 1) total += 1;
        else
            total += 2;
        emit Seen(x);
        return total;
    }

    function both(uint256 x) external pure returns (uint256 y) {
        if (x > 2 && (x < 8 || x == 9)) y = 1;
        else y = 2;
    }

    function neither(uint256 x) external pure returns (bool) {
        if (!(x > 2 && x < 8)) return true;
        return false;
    }

    function value(uint256 x) external pure returns (bool, bool) {
        bool within = x > 2 && x < 8;
        return (within, !within || x == 7);
    }

    function nested(uint256 x) external pure returns (uint256) {
        return (x > 2 ? x > 4 : x > 1) ? 1 : 0;
    }

    function loops(uint256 x) external pure returns (uint256 y) {
        for (uint256 i = x > 5 ? 5 : 0; i < x; ++i) y += i;
        for (;;) {
            if (y > 20) break;
            y += 3;
        }
        while (y > 22) --y;
        do ++y;
        while (y < x);
        unchecked {
            y -= 100;
        }
    }

    function pureOfInterface(uint256 x) external pure below(x, 8) returns (uint256) {
        return free(x);
    }

    function late(uint256 x) external returns (uint256 y) {
        total = x;
        y = Steps.half(x);
        total = y;
    }

    function tries(uint256 x) external returns (uint256) {
        try this.late(x) returns (uint256 y) {
            return y;
        } catch Error(string memory) {
            total = 7;
        } catch {
            total = 8;
        }
        return 0;
    }

    function raw(uint256 x) external view returns (uint256 y) {
        assembly ("memory-safe") {
            if gt(x, 5) {
                y := sload(total.slot)
            }
        }
    }
}
"""
SMALL = """
// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

contract Small {
    uint256 public least;

    constructor(uint256 x) {
        least = x > 1 ? x : 1;
    }
}
"""
FUNCTIONS = (
    "chain",
    "both",
    "neither",
    "value",
    "nested",
    "loops",
    "pureOfInterface",
    "late",
    "tries",
    "raw",
    "total",
    "start",
)
WITHOUT_ARGUMENT = ("total", "start")
SENDER = "0x" + "11" * 20
LINES = SAMPLE.splitlines()


@dataclass
class Sample:
    """The contract of this name, compiled once as it is and once with probes."""

    plain: dict
    probed: dict
    covered: CoverageMap

    def deploy(self, probed: bool = True, start: int = 9) -> "Deployed":
        evm = Evm(time=1_000_000)
        built = self.probed if probed else self.plain
        code = bytes.fromhex(built["evm"]["bytecode"]["object"])
        return Deployed(evm, evm.create(SENDER, code + encode(["uint256"], [start])))


@dataclass
class Deployed:
    evm: Evm
    address: str

    def call(self, function: str, x: int, static: bool = False) -> tuple:
        """What came of it: data returned, or of the revert, and logs."""
        kind, data = ("", b"") if function in WITHOUT_ARGUMENT else ("uint256", encode(["uint256"], [x]))
        data = keccak(text=f"{function}({kind})")[:4] + data
        try:
            if static:
                return True, self.evm.view(self.address, data)
            returned = self.evm.call(SENDER, self.address, data)
            logs = [(log.topics, log.data[1]) for log in self.evm.revm.result.logs]
            return True, returned, logs
        except RefusedError as error:
            return False, error.data, error.halt.split(",")[0]


def compiled(sources: dict) -> dict:
    answer = compile_standard(standard_input(sources))
    assert [error for error in answer.get("errors", []) if error["severity"] == "error"] == []
    return answer["contracts"]


@pytest.fixture(scope="module")
def sample() -> Sample:
    sources = {FILE: SAMPLE}
    probed, points = instrument(sources)
    return Sample(
        plain=compiled(sources)[FILE]["Sample"],
        probed=compiled(probed)[FILE]["Sample"],
        covered=CoverageMap(Path(), points),
    )


def covered_by(sample: Sample, function: str, *inputs: int, within: str = "") -> tuple[set, set]:
    """Lines and branches of a function that these calls of it add to what its deployment ran."""
    deployed = sample.deploy()
    before = touched(deployed.evm.revm)
    for x in inputs:
        deployed.call(function, x)
    ids = touched(deployed.evm.revm) - before
    place = within or f"Sample.{function}"
    lines = {
        LINES[statement.line - 1].strip()
        for statement in sample.covered.points.statements
        if statement.function == place and not ids.isdisjoint(statement.ids)
    }
    branches = {
        (branch.condition, outcome)
        for branch in sample.covered.points.branches
        for outcome in (True, False)
        if branch.function == place and branch.id + (not outcome) in ids
    }
    return lines, branches


# ------------------------------------------------------------------- no change


def test_lines_and_interface_stay(sample):
    probed, _ = instrument({FILE: SAMPLE})
    lines = probed[FILE].splitlines()
    for line, original in zip(lines, LINES, strict=False):
        without = re.sub(r"Cov\.mark\(\d+\); |Cov\.branch\(\d+, ", "", line)
        assert re.sub("[ )]", "", without) == re.sub("[ )]", "", original)
    assert sample.probed["abi"] == sample.plain["abi"]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_probes_change_no_result(sample, function):
    plain, probed = sample.deploy(probed=False), sample.deploy()
    for x in range(12):
        for static in (True, False):
            assert probed.call(function, x, static) == plain.call(function, x, static)
        assert probed.call("total", 0) == plain.call("total", 0)


# ------------------------------------------------------------------ what is hit


@pytest.mark.parametrize(
    ("function", "inputs", "branches"),
    [
        ("chain", [0], {("x == 0", True)}),
        ("chain", [1], {("x == 0", False), ("x == 1", True)}),
        ("both", [1], {("x > 2", False)}),
        ("both", [3], {("x > 2", True), ("x < 8", True)}),
        ("both", [9], {("x > 2", True), ("x < 8", False), ("x == 9", True)}),
        ("both", [10], {("x > 2", True), ("x < 8", False), ("x == 9", False)}),
        ("value", [1], {("x > 2", False), ("!within", True)}),
        (
            "value",
            [3, 7],
            {("x > 2", True), ("x < 8", True), ("!within", False), ("x == 7", True), ("x == 7", False)},
        ),
        ("nested", [2], {("x > 2", False), ("x > 2 ? x > 4 : x > 1", True)}),
        ("nested", [3], {("x > 2", True), ("x > 2 ? x > 4 : x > 1", False)}),
        ("tries", [2], {("this.late(x)", True)}),
        ("tries", [3], {("this.late(x)", False)}),
        ("raw", [3], set()),
    ],
)
def test_branches(sample, function, inputs, branches):
    assert covered_by(sample, function, *inputs)[1] == branches


@pytest.mark.parametrize(
    ("x", "branches"),
    [
        (1, {("x < limit", True)}),
        (8, {("x < limit", False), ("x == 9", False)}),
        (9, {("x < limit", False), ("x == 9", True)}),
    ],
)
def test_branches_of_a_modifier(sample, x, branches):
    lines, found = covered_by(sample, "pureOfInterface", x, within="Base.below")
    # The message is found before the condition is judged, and so whether or not it is needed.
    assert found >= branches
    assert ("_;" in lines) == (x < 8)


@pytest.mark.parametrize(
    ("function", "x", "lines"),
    [
        ("chain", 0, {"if (x == 0) revert Refused(x);"}),
        ("chain", 1, {"if (x == 0) revert Refused(x);", "else if (x == 1) total += 1;", "emit Seen(x);"}),
        ("chain", 2, {"if (x == 0) revert Refused(x);", "else if (x == 1) total += 1;", "total += 2;"}),
        ("neither", 1, {"if (!(x > 2 && x < 8)) return true;"}),
        ("neither", 3, {"if (!(x > 2 && x < 8)) return true;", "return false;"}),
        ("both", 1, {"if (x > 2 && (x < 8 || x == 9)) y = 1;", "else y = 2;"}),
        ("both", 9, {"if (x > 2 && (x < 8 || x == 9)) y = 1;"}),
        ("both", 10, {"if (x > 2 && (x < 8 || x == 9)) y = 1;", "else y = 2;"}),
        ("late", 2, {"total = x;", "y = Steps.half(x);", "total = y;"}),
        ("tries", 3, {"try this.late(x) returns (uint256 y) {", "total = 7;", "return 0;"}),
    ],
)
def test_lines(sample, function, x, lines):
    found = covered_by(sample, function, x)[0]
    assert found >= lines
    assert found - lines <= {"emit Seen(x);", "return total;"}


def test_a_loop_whose_body_never_ran(sample):
    _, branches = covered_by(sample, "loops", 0)
    assert {("i < x", False), ("y > 20", True)} <= branches
    assert ("i < x", True) not in branches
    never = [
        s
        for s in sample.covered.points.statements
        if LINES[s.line - 1].strip().startswith("for (uint256 i = x")
    ]
    assert len(never) == 2  # the loop and its body, which has no block


def test_the_constructor_counts(sample):
    ids = touched(sample.deploy(start=9).evm.revm)
    hit = {
        (branch.condition, outcome)
        for branch in sample.covered.points.branches
        for outcome in (True, False)
        if branch.id + (not outcome) in ids
    }
    assert hit == {("x > 5", True), ("i < 3", True), ("i < 3", False), ("x == i", False)}


def test_what_was_reverted_counts(sample):
    # Until the revert, in a call within that succeeds and in one that does not.
    for function in ("late", "tries"):
        lines, _ = covered_by(sample, function, 3, within="Sample.late")
        assert lines == {"total = x;", "y = Steps.half(x);"}
        _, branches = covered_by(sample, function, 3, within="Steps.half")
        assert branches == {("x % HALF == 1", True)}


def test_what_went_back_to_a_mark_counts(sample):
    deployed = sample.deploy()
    before = touched(deployed.evm.revm)
    mark = deployed.evm.mark()
    deployed.call("chain", 1)
    after = touched(deployed.evm.revm)
    deployed.evm.back(mark)
    assert deployed.call("total", 0)[1] == bytes(32)
    assert touched(deployed.evm.revm) == after > before


def test_static_calls_count(sample):
    deployed, other = sample.deploy(), sample.deploy()
    deployed.call("both", 3, static=True)
    other.call("both", 3)
    assert touched(deployed.evm.revm) == touched(other.evm.revm)


def test_without_probes_nothing_is_touched(sample):
    deployed = sample.deploy(probed=False)
    deployed.call("chain", 1)
    assert touched(deployed.evm.revm) == frozenset()


# ---------------------------------------------------------------------- report


def test_report(sample):
    everything = {
        id_
        for points in (sample.covered.points.statements, sample.covered.points.branches)
        for point in points
        for id_ in (point.ids if hasattr(point, "ids") else (point.id, point.id + 1))
    }
    (full,) = report(sample.covered, everything).files
    assert (full.missed_lines, full.missed_branches) == ((), ())
    assert full.branches == full.branches_hit == 2 * len(sample.covered.points.branches)
    (nothing,) = report(sample.covered, ()).files
    assert (nothing.lines, nothing.lines_hit, nothing.branches_hit) == (full.lines, 0, 0)

    branch = next(b for b in sample.covered.points.branches if b.condition == "x == 1")
    found = report(sample.covered, everything - {branch.id})
    (miss,) = found.missed_branches
    assert str(miss) == f"{FILE}:{branch.line} Sample.chain: x == 1 is never true"
    # What it is the condition of never ran either, but stands on the line of the condition.
    assert found.files[0].missed_lines == ()
    parsed = json.loads(json.dumps(found.to_dict()))
    assert parsed["branches"] - parsed["branches_hit"] == 1
    assert parsed["files"][FILE]["missed_branches"][0]["condition"] == "x == 1"

    written = StringIO()
    Console(width=200, file=written).print(render(found))
    text = written.getvalue()
    assert f"{full.lines}/{full.lines} 100.0%" in text
    assert str(miss) in text


# ----------------------------------------------------------------------- build


@pytest.fixture
def project(tmp_path) -> Path:
    (tmp_path / "contracts" / "mocks").mkdir(parents=True)
    (tmp_path / "contracts" / "Small.sol").write_text(SMALL)
    (tmp_path / "contracts" / "mocks" / "Mock.sol").write_text(SMALL.replace("Small", "Mock"))
    return tmp_path


def test_a_build_is_deployed_like_any_other(project, monkeypatch):
    covered = coverage.build(project)
    assert {point.file for point in covered.points.statements} == {"contracts/Small.sol"}
    evm = Evm(time=1_000_000)
    evm.create(SENDER, artifact("Mock", covered.root).bytecode + encode(["uint256"], [9]))
    assert touched(evm.revm) == frozenset()
    evm.create(SENDER, artifact("Small", covered.root).bytecode + encode(["uint256"], [9]))
    (miss,) = report(covered, touched(evm.revm)).missed_branches
    assert str(miss) == "contracts/Small.sol:9 Small.constructor: x > 1 is never false"

    def compiles_again(*_):
        raise AssertionError

    monkeypatch.setattr(probes, "compile_standard", compiles_again)
    assert coverage.build(project) == covered
    (project / "contracts" / "Small.sol").write_text(SMALL.replace("x > 1", "x > 2"))
    with pytest.raises(AssertionError):
        coverage.build(project)


def test_sources_that_do_not_compile(project):
    (project / "contracts" / "Small.sol").write_text(SMALL.replace("x > 1", "y > 1"))
    with pytest.raises(CoverageError, match="Undeclared identifier"):
        coverage.build(project)


def test_the_contracts_take_probes():
    paths = sorted((ROOT / "contracts").rglob("*.sol"))
    sources = {path.relative_to(ROOT).as_posix(): path.read_text() for path in paths}
    probed, points = instrument(sources)
    assert {"contracts/Vault.sol", "contracts/clearing/Solvency.sol"} <= {s.file for s in points.statements}
    assert not any(s.file.startswith(("contracts/mocks", "contracts/interfaces")) for s in points.statements)
    ids = [branch.id for branch in points.branches]
    assert len(ids) == len(set(ids))
    # The types, not the code: that takes minutes.
    request = standard_input(probed)
    request["settings"]["outputSelection"] = {}
    errors = compile_standard(request).get("errors", [])
    assert [error["formattedMessage"] for error in errors if error["severity"] == "error"] == []
