"""Mutation testing: what the operators make of a source, what compiles, what counts."""

import json
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from weir.artifacts import MANIFEST, artifact
from weir.compiler import VERSION
from weir.fuzz.mutation import campaign, compiling
from weir.fuzz.mutation.campaign import (
    Candidate,
    Fuzzer,
    FuzzerError,
    baseline,
    compile_all,
    judge,
    select,
)
from weir.fuzz.mutation.compiling import Workshop, write_root
from weir.fuzz.mutation.operators import OPERATORS, Mutant, generate
from weir.fuzz.mutation.results import (
    CRASH,
    Reason,
    Record,
    Results,
    ResultsError,
    Tally,
    Verdict,
    load_reasons,
    notes,
    rewrite_document,
)

FILE = "contracts/Till.sol"
FOUND = json.dumps({"violations": [{"rule": "P1", "detail": "1 is missing"}]})
SOURCE = f"""// SPDX-License-Identifier: MIT
pragma solidity {VERSION};

/// @title A till; `a + b` and `a < b` in a comment are left alone. É
contract Till {{
    struct Drawer {{
        uint128 coins;
        uint128 notes;
    }}

    error Missing(uint256 amount);
    error NotOwner();

    event Counted(uint256 amount, uint256 times);

    uint256 private constant LIMIT = 100;
    address private immutable _OWNER;
    Drawer private _drawer;
    uint256 private _times;
    bool private _open;

    modifier onlyOwner() {{
        if (msg.sender != _OWNER) revert NotOwner();
        _;
    }}

    constructor(uint256 start) {{
        if (start > LIMIT) revert Missing(start + 1);
        _OWNER = msg.sender;
    }}

    function put(uint128 coins, uint128 notes) external onlyOwner {{
        _drawer.coins += coins;
        _drawer.notes = _min(notes, _drawer.notes) + notes;
        emit Counted(coins + notes, ++_times);
        _open = coins != 0 && notes != 0;
    }}

    function share(uint256 amount, uint256 parts) external view returns (uint256) {{
        if (amount > LIMIT) revert Missing(amount - LIMIT);
        return _open ? _up(amount, parts) : _down(amount, parts);
    }}

    function change(int256 amount) external pure returns (int256) {{
        return -amount;
    }}

    function _up(uint256 amount, uint256 parts) private pure returns (uint256) {{
        return (amount + parts - 1) / parts;
    }}

    function _rest(uint256 amount, uint256 parts) private pure returns (uint256) {{
        return amount % parts;
    }}

    function _down(uint256 amount, uint256 parts) private pure returns (uint256) {{
        return amount / parts;
    }}

    function _min(uint128 a, uint128 b) private pure returns (uint128) {{
        return a < b ? a : b;
    }}
}}
"""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("project")
    (root / "contracts").mkdir()
    (root / FILE).write_text(SOURCE)
    return root


@pytest.fixture(scope="module")
def workshop(project: Path) -> Iterator[Workshop]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiling, "CODE_CACHE", project / "code")
        with Workshop(root=project) as shop:
            yield shop


@pytest.fixture(scope="module")
def mutants(workshop: Workshop) -> list[Mutant]:
    return generate(workshop.tree, [FILE])


@pytest.fixture(scope="module")
def candidates(workshop: Workshop, mutants: list[Mutant]) -> list[Candidate]:
    """One mutant of each operator, compiled; all of them do."""
    first = {mutant.operator: mutant for mutant in reversed(mutants)}
    compiled = list(compile_all(workshop, list(first.values()), 1, lambda: None))
    assert [each for each in compiled if isinstance(each, Record)] == []
    return [each for each in compiled if isinstance(each, Candidate)]


def changes(mutants: list[Mutant], operator: str) -> set[tuple[str, str]]:
    return {(mutant.old, mutant.new) for mutant in mutants if mutant.operator == operator}


# ------------------------------------------------------------------- operators


def test_every_operator_says_what_it_does_and_finds_something(mutants: list[Mutant]) -> None:
    assert all(operator.__doc__ for operator in OPERATORS.values())
    assert {mutant.operator for mutant in mutants} == set(OPERATORS)


@pytest.mark.parametrize(
    ("operator", "old", "new"),
    [
        ("boundary", "a < b", "a <= b"),
        ("relation", "coins != 0", "(coins == 0)"),
        ("arithmetic", "amount / parts", "amount * parts"),
        ("rounding", "(amount + parts - 1) / parts", "(amount) / parts"),
        ("rounding", "amount / parts", "(amount + parts - 1) / parts"),
        ("off-by-one", "0", "1"),
        ("off-by-one", "-amount", "-amount + 1"),
        ("constant", "100", "2 * (100)"),
        ("condition", "_open", "true"),
        ("guard", "amount > LIMIT", "false"),
        ("guard", "onlyOwner", ""),
        ("logic", "coins != 0 && notes != 0", "notes != 0"),
        ("negation", "-amount", "amount"),
        ("assignment", "_drawer.coins += coins", "_drawer.coins = coins"),
        ("assignment", "++_times", "--_times"),
        ("deletion", "_drawer.coins += coins;", "{}"),
        ("arguments", "amount, parts", "parts, amount"),
        ("bound", "_min(notes, _drawer.notes)", "notes"),
        ("callee", "_up", "_rest"),
        ("sibling", "coins", "notes"),
    ],
)
def test_an_operator(mutants: list[Mutant], operator: str, old: str, new: str) -> None:
    assert (old, new) in changes(mutants, operator)


def test_comments_errors_events_and_constructors_are_left_alone(mutants: list[Mutant]) -> None:
    first = SOURCE.index("contract Till")
    for mutant in mutants:
        before, changed = SOURCE.encode()[: mutant.start].decode(), mutant.apply(SOURCE)
        assert len(before) > first
        assert "constructor" not in mutant.function
        for kept in (
            "Missing(amount - LIMIT)",
            "Counted(coins + notes,",
            "start > LIMIT",
            "Missing(start + 1)",
        ):
            assert kept in changed


def test_a_mutant_knows_its_place(mutants: list[Mutant]) -> None:
    mutant = next(mutant for mutant in mutants if mutant.new == "a <= b")
    line = SOURCE.splitlines()[mutant.line - 1]
    assert line[mutant.column - 1 :].startswith("a < b")
    assert mutant.function == "Till._min"
    assert mutant.id == f"Till.sol:{mutant.line}:{mutant.column} boundary {mutant.digest}"
    assert mutant.apply(SOURCE) == SOURCE.replace("a < b ?", "a <= b ?")


def test_mutants_are_always_the_same_and_no_two_alike(workshop: Workshop, mutants: list[Mutant]) -> None:
    assert generate(workshop.tree, [FILE]) == mutants
    assert len({mutant.digest for mutant in mutants}) == len(mutants)
    assert len({mutant.apply(SOURCE) for mutant in mutants}) == len(mutants)


def test_the_digest_does_not_depend_on_the_line(mutants: list[Mutant], tmp_path: Path) -> None:
    (tmp_path / "contracts").mkdir()
    (tmp_path / FILE).write_text(SOURCE.replace("    struct", "    uint256 private _spare;\n\n    struct"))
    with Workshop(root=tmp_path) as moved:
        found = {mutant.digest: mutant for mutant in generate(moved.tree, [FILE])}
    inside = [mutant for mutant in mutants if mutant.function == "Till._down"]
    assert inside
    for mutant in inside:
        assert found[mutant.digest].line == mutant.line + 2


# ------------------------------------------------------------------- compiling


def test_every_operator_makes_something_that_compiles(candidates: list[Candidate]) -> None:
    assert {each.mutant.operator for each in candidates} == set(OPERATORS)
    codes = [each.codes["Till"] for each in candidates]
    assert len(set(codes)) == len(codes)


def test_what_needs_no_fuzzing(workshop: Workshop, mutants: list[Mutant]) -> None:
    mutant = next(mutant for mutant in mutants if mutant.new == "a <= b")
    compiled = compile_all(
        workshop,
        [
            replace(mutant, new="(a) < b", digest="same"),
            mutant,
            replace(mutant, new="(a <= b)", digest="again"),
            replace(mutant, new="a + b", digest="wrong"),
        ],
        2,
        lambda: None,
    )
    same, candidate, again, wrong = compiled
    assert isinstance(candidate, Candidate)
    assert same == Record.of(
        replace(mutant, new="(a) < b", digest="same"), Verdict.EQUIVALENT, "the same code"
    )
    assert isinstance(again, Record)
    assert (again.verdict, again.detail) == (Verdict.DUPLICATE, mutant.digest)
    assert isinstance(wrong, Record)
    assert wrong.verdict is Verdict.INVALID


def test_a_change_of_nothing_has_the_code_of_the_original(workshop: Workshop) -> None:
    same = SOURCE.replace("return amount / parts;", "return (amount) / parts;")
    assert workshop.compile("Till", {FILE: same}) == workshop.original("Till")
    assert workshop.compile("Till", {FILE: SOURCE.replace("return -amount", "return true")}) is None
    other = SOURCE.replace("return -amount", "return amount")
    assert workshop.compile("Till", {FILE: other}) != workshop.original("Till")


def test_a_contract_is_known_by_the_files_it_needs(workshop: Workshop) -> None:
    assert workshop.users(FILE) == ["Till"]


def test_a_project_with_other_code(project: Path, workshop: Workshop, tmp_path: Path) -> None:
    kind = {"contractName": "Till", "abi": [], "deploymentBytecode": {"bytecode": "0x00"}, "devdoc": {}}
    (project / MANIFEST).parent.mkdir(exist_ok=True)
    (project / MANIFEST).write_text(json.dumps({"contractTypes": {"Till": kind, "Other": kind}}))
    code = workshop.original("Till")
    write_root(tmp_path, {"Till": code}, root=project)
    assert artifact("Till", tmp_path).bytecode == bytes.fromhex(code.creation)
    assert artifact("Till", tmp_path).deployed_bytecode == bytes.fromhex(code.runtime)
    assert artifact("Other", tmp_path).bytecode == b"\0"


# --------------------------------------------------------------------- choosing


def test_a_sample_is_spread_evenly_and_always_the_same(mutants: list[Mutant]) -> None:
    half = select(mutants, len(mutants) // 2, seed=1)
    assert half == select(mutants, len(mutants) // 2, seed=1)
    assert half != select(mutants, len(mutants) // 2, seed=2)
    assert half == sorted(half, key=mutants.index)
    for operator in OPERATORS:
        among = [mutant.operator for mutant in mutants].count(operator)
        assert abs([mutant.operator for mutant in half].count(operator) - among / 2) <= 1
    assert select(mutants, 10**6, seed=1) == mutants


# --------------------------------------------------------------------- fuzzing


def fuzzer(folder: Path, script: str, limit: float = 300.0) -> Fuzzer:
    """A stand-in for the fuzzer; the folder that it is given is `$4`."""
    path = folder / "fuzzer"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return Fuzzer(command=(str(path),), limit=limit)


@pytest.fixture
def scratch(tmp_path: Path, project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where roots are written, in place of the checkout's build folder."""
    monkeypatch.setattr(campaign, "BUILD", tmp_path)
    monkeypatch.setattr(campaign, "ROOT", project)
    kind = {"contractName": "Till", "abi": [], "deploymentBytecode": {"bytecode": "0x00"}}
    manifest = project / MANIFEST
    manifest.parent.mkdir(exist_ok=True)
    manifest.write_text(json.dumps({"contractTypes": {"Till": kind}}))
    return tmp_path


def test_verdicts(candidates: list[Candidate], scratch: Path) -> None:
    first, second, third, *_ = candidates
    script = f"grep -q {second.codes['Till'].creation} $4/{MANIFEST} && {{ echo '{FOUND}'; exit 1; }}\nexit 0"
    records = list(judge(fuzzer(scratch, script), [first, second, third], 2, lambda: None))
    assert [record.verdict for record in records] == [Verdict.SURVIVED, Verdict.KILLED, Verdict.SURVIVED]
    assert [record.detail for record in records] == ["", "P1", ""]
    assert [record.digest for record in records] == [each.mutant.digest for each in (first, second, third)]
    assert not list((scratch / "mutation").iterdir())


def test_what_hangs_is_found_out(candidates: list[Candidate], scratch: Path) -> None:
    (found,) = judge(fuzzer(scratch, "exec sleep 600", limit=0.5), candidates[:1], 1, lambda: None)
    assert (found.verdict, found.detail) == (Verdict.KILLED, "hangs")
    assert not list((scratch / "mutation").iterdir())


def test_a_fuzzer_that_fails_is_no_verdict(candidates: list[Candidate], scratch: Path) -> None:
    for script in ("kill -9 $$", "exit 2"):
        with pytest.raises(FuzzerError):
            list(judge(fuzzer(scratch, script), candidates[:1], 1, lambda: None))


@pytest.mark.parametrize(
    ("complaint", "detail"),
    [("weir: Vault can't be deployed", "Vault can't be deployed"), ("KeyError: 1", f"{CRASH} KeyError: 1")],
)
def test_contracts_that_cannot_be_fuzzed_are_found_out(
    candidates: list[Candidate], scratch: Path, complaint: str, detail: str
) -> None:
    script = f'echo "{complaint}" >&2; exit 1'
    (found,) = judge(fuzzer(scratch, script), candidates[:1], 1, lambda: None)
    assert (found.verdict, found.detail) == (Verdict.KILLED, detail)


def test_the_original_must_pass(workshop: Workshop, scratch: Path) -> None:
    codes = {"Till": workshop.original("Till")}
    assert baseline(fuzzer(scratch, "exit 0"), codes) > 0
    with pytest.raises(FuzzerError, match="before they are changed"):
        baseline(fuzzer(scratch, f"echo '{FOUND}'; exit 1"), codes)


# --------------------------------------------------------------------- results


def record(digest: str, verdict: Verdict, file: str = "Till.sol", detail: str = "") -> Record:
    return Record(
        digest=digest,
        file=file,
        line=7,
        column=9,
        operator="relation",
        function="Till.put",
        old="a == b || c",
        new="a != b || c",
        verdict=verdict,
        detail=detail,
    )


RECORDS = (
    *(record(f"k{i}", Verdict.KILLED, detail="P1") for i in range(6)),
    record("e", Verdict.EQUIVALENT),
    record("d", Verdict.DUPLICATE, detail="k1"),
    record("i", Verdict.INVALID),
    record("s1", Verdict.SURVIVED, "Other.sol"),
    record("s2", Verdict.SURVIVED, "Other.sol"),
    record("s3", Verdict.SURVIVED, "Other.sol"),
)
REASONS = {
    "s1": Reason(where="Other.sol:7", kind="equivalent", reason="both are the same at zero"),
    "s2": Reason(where="Other.sol:7", kind="gap", reason="nobody deposits so much"),
}
RESULTS = Results(profile="quick", seed=1, generated=100, records=RECORDS)


def test_the_score_leaves_out_what_is_equivalent() -> None:
    tally = Tally.of(RECORDS, REASONS)
    assert tally == Tally(mutants=10, equivalent=2, killed=6)
    assert tally.survived == 2
    assert tally.score == 6 / 8
    assert Tally.of(RECORDS, {}).score == 6 / 9
    assert Tally.of([], {}).score == 1


def test_notes_name_what_is_unexplained_and_what_is_outdated() -> None:
    assert notes(RESULTS, REASONS) == ["Other.sol:7:9 relation s3 survives unexplained"]
    broken = RESULTS.model_copy(
        update={"records": (record("c", Verdict.KILLED, detail=f"{CRASH} KeyError: 1"),)}
    )
    assert notes(broken, {}) == [f"Till.sol:7:9 relation c: {CRASH} KeyError: 1"]
    late = {**REASONS, "s3": REASONS["s2"], "k1": REASONS["s1"]}
    assert notes(RESULTS, late) == ["Other.sol:7 (k1) has a reason to survive, but was killed: P1"]


def test_the_document() -> None:
    text = rewrite_document("Before\n<!-- measured -->\nold\n<!-- /measured -->\nAfter\n", RESULTS, REASONS)
    assert text.startswith("Before\n<!-- measured -->\n\nOf 100 mutants 12 were tried")
    assert text.endswith("<!-- /measured -->\nAfter\n")
    assert "old" not in text
    assert "| Till.sol | 7 | 1 | 6 | 0 | 100.0% |" in text
    assert "| Other.sol | 3 | 1 | 0 | 2 | 0.0% |" in text
    assert "| **all** | **10** | **2** | **6** | **2** | **75.0%** |" in text
    assert "`Other.sol:7:9 relation s2` in `Till.put`: *gap*: nobody deposits so much" in text
    assert "- a == b || c\n+ a != b || c" in text
    assert "`Other.sol:7:9 relation s3` in `Till.put`: *unexplained*" in text
    with pytest.raises(ResultsError, match="no place"):
        rewrite_document("Nothing", RESULTS, REASONS)


def test_results_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "analysis" / "mutation.json"
    RESULTS.save(path)
    assert Results.load(path) == RESULTS
    path.write_text("{}")
    with pytest.raises(ResultsError, match="run it first"):
        Results.load(path)


def test_reasons_are_kept_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    assert load_reasons(path) == {}
    path.write_text(
        '[s1]\nwhere = "Other.sol:7"\nkind = "equivalent"\nreason = "both are the same at zero"\n'
    )
    assert load_reasons(path) == {"s1": REASONS["s1"]}
    path.write_text('[s1]\nwhere = "Other.sol:7"\nkind = "unknown"\nreason = ""\n')
    with pytest.raises(ResultsError, match="kind"):
        load_reasons(path)
    path.write_text("[s1")
    with pytest.raises(ResultsError):
        load_reasons(path)


def test_the_kept_reasons_can_be_read() -> None:
    assert all(reason.reason.strip() and reason.where for reason in load_reasons().values())
