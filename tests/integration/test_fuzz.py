"""The fuzzer on this repo's contracts: it agrees with the model everywhere, reaches everything, and bites."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis.stateful import run_state_machine_as_test

from weir.cli import cli
from weir.compiler import FOLDER, NAME, compile_standard, ensure_compiler, standard_input
from weir.fuzz.campaign import Campaign, Result, conduct
from weir.fuzz.clearing.actions import ALL, LEDGER
from weir.fuzz.clearing.factory import clearing
from weir.fuzz.clearing.onchain import on_anvil
from weir.fuzz.clearing.setting import SETTINGS
from weir.fuzz.machine import PROFILES, state_machine
from weir.fuzz.sequence import replay, run
from weir.layers import BRIEFLY, LAYERS
from weir.toolchain import ROOT

CALLS = 12_000


@pytest.fixture(scope="module")
def result() -> Result:
    """The default campaign, a part of it."""
    return conduct(Campaign(clearing, tuple(SETTINGS), CALLS, seed=20), jobs=2)


def test_contracts_and_model_agree_and_every_property_holds(result: Result) -> None:
    assert result.violations == []
    assert result.calls == CALLS
    assert result.seen["quantities compared"] > 50 * CALLS


def test_every_path_of_a_default_is_reached(result: Result) -> None:
    """In proportion to 500 defaults, 100 deleveragings and 20 times each layer in 100,000 calls."""
    assert result.seen["defaults"] >= 500 * CALLS // 100_000
    assert result.seen["deleveraged"] >= 100 * CALLS // 100_000
    for layer in LAYERS:
        assert result.seen[f"{BRIEFLY[layer]} exhausted"] >= 20 * CALLS // 100_000, layer
    assert result.seen["deepest: open interest"] > 0


def test_most_calls_go_through(result: Result) -> None:
    assert result.accepted > CALLS / 2


@pytest.mark.parametrize(
    "path",
    [
        "A below 1e-6",
        "bounty from the fund",
        "calls back accepted",
        "claims written off",
        "epochs ended by a floor",
        "guaranty fund wiped out",
        "market closed",
        "marked insolvent",
        "members earned",
        "members released",
        "recovered",
        "tranche wiped out",
    ],
)
def test_the_edges_are_reached(result: Result, path: str) -> None:
    assert result.seen[path] > 0


def test_rounding_slack_is_reported(result: Result) -> None:
    assert set(SETTINGS) <= {name.split(" ", 1)[1] for name in result.slack if name.startswith("P2 ")}
    assert result.slack["P2 six"].high > 0
    assert all(slack.high <= 100 for name, slack in result.slack.items() if name.startswith("P3 "))


def test_every_actor_gets_its_way_now_and_then(result: Result) -> None:
    """A call that is always refused, or never, tells nothing."""
    accepted = {call for (call, outcome), n in result.outcomes.items() if outcome == "ok" and n}
    refused = {call for (call, outcome), n in result.outcomes.items() if outcome != "ok" and n}
    assert accepted >= {
        "trade",
        "liquidate",
        "deleverage",
        "withdraw",
        "claim",
        "claim_assets",
        "close_market",
    }
    assert refused >= {
        "trade",
        "liquidate",
        "deleverage",
        "withdraw",
        "stake",
        "roll",
        "close_market",
        "pause",
    }


# ------------------------------------------------------------------- a real node


@pytest.mark.parametrize(("setting", "seed"), [("six", 1), ("edges-eighteen", 2)])
def test_a_sequence_ends_alike_on_anvil(setting: str, seed: int) -> None:
    """Every step on a real node, everything compared with the model after each; gaps, same blocks and all."""
    here = run(clearing(setting, None), seed, 120)
    assert here.violation is None
    assert any(step.blocks == 0 for step in here.steps)
    with on_anvil(SETTINGS[setting]) as subject:
        subject.thorough = True
        there = replay(subject, here.steps)
    assert there.violation is None
    assert there.outcomes == here.outcomes


# ------------------------------------------------------------------- Hypothesis


def test_hypothesis_plays_the_ledger() -> None:
    machine = state_machine(lambda: clearing("eight", None), LEDGER, whole=False)
    run_state_machine_as_test(machine, settings=PROFILES["quick"])  # type: ignore[no-untyped-call]


def test_hypothesis_plays_everything() -> None:
    machine = state_machine(lambda: clearing("six", None), ALL)
    run_state_machine_as_test(machine, settings=PROFILES["quick"])  # type: ignore[no-untyped-call]


# ------------------------------------------------------------------ planted bugs


BUGS: dict[str, tuple[str, str, Callable[[str], str]]] = {
    "the fund pays twice the skin": (
        "InsuranceFund",
        "contracts/libraries/Waterfall.sol",
        lambda text: text.replace(
            "(paid.skin, due) = _take(due, sources.skin);", "(paid.skin, ) = _take(due, sources.skin);"
        ),
    ),
    "a burn rounds down": (
        "Vault",
        "contracts/libraries/ClaimsMath.sol",
        lambda text: text.replace(
            "units = (amount * totalUnits + totalClaims - 1) / totalClaims;",
            "units = (amount * totalUnits) / totalClaims;",
        ),
    ),
    "a batch is priced without virtual shares": (
        "Tranche",
        "contracts/Tranche.sol",
        lambda text: text.replace(
            "uint256 assets = shares.mulDiv(total + 1, supply + VIRTUAL_SHARES);",
            "uint256 assets = shares.mulDiv(total, supply);",
        ),
    ),
    "members leave at once": (
        "GuarantyFund",
        "contracts/GuarantyFund.sol",
        lambda text: text.replace("block.timestamp < h.noticeFrom || ", ""),
    ),
    "collateral counts without its haircut": (
        "Collateral",
        "contracts/libraries/Conversion.sol",
        lambda text: text.replace("(MILLION - t.parameters.haircut)", "MILLION"),
    ),
}


@pytest.fixture
def planted(tmp_path: Path) -> Callable[[str], Path]:
    """A project like this one, but for one bug."""

    def plant(bug: str) -> Path:
        contract, changed, change = BUGS[bug]
        sources = {f"contracts/{contract}.sol": (ROOT / "contracts" / f"{contract}.sol").read_text()}
        before = (ROOT / changed).read_text()
        sources[changed] = change(before)
        assert sources[changed] != before
        request = standard_input(sources, ("abi", "evm.bytecode.object", "evm.deployedBytecode.object"))
        request["settings"]["viaIR"] = False  # quicker, and these have room on the stack
        ensure_compiler()
        answer = compile_standard(request, FOLDER / NAME)
        made = answer["contracts"][f"contracts/{contract}.sol"][contract]
        manifest: dict[str, Any] = json.loads((ROOT / ".build" / "__local__.json").read_text())
        kind = manifest["contractTypes"][contract]
        kind["deploymentBytecode"]["bytecode"] = "0x" + made["evm"]["bytecode"]["object"]
        kind["runtimeBytecode"]["bytecode"] = "0x" + made["evm"]["deployedBytecode"]["object"]
        (tmp_path / ".build").mkdir()
        (tmp_path / ".build" / "__local__.json").write_text(json.dumps(manifest))
        return tmp_path

    return plant


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_found_shrunk_saved_and_replayed(bug: str, planted: Callable[[str], Path]) -> None:
    root = planted(bug)
    folder = root / "findings"
    options = ["fuzz", "--root", str(root), "--findings", str(folder), "--json", "--shrink-seconds", "300"]
    found = CliRunner().invoke(cli, options)
    assert found.exit_code == 1, found.output
    assert isinstance(found.exception, SystemExit), found.exception
    report = json.loads(found.stdout)
    violation = report["violations"][0]
    assert violation["steps"] < 40
    saved = Path(violation["file"])
    assert saved.parent == folder

    again = CliRunner().invoke(cli, ["fuzz", "--replay", str(saved), "--root", str(root), "--json"])
    assert again.exit_code == 1
    assert json.loads(again.stdout)["violation"]["rule"] == violation["rule"]
    on_a_node = ["fuzz", "--replay", str(saved), "--root", str(root), "--on", "anvil", "--json"]
    there = CliRunner().invoke(cli, on_a_node)
    assert there.exit_code == 1
    assert json.loads(there.stdout)["violation"]["rule"] == violation["rule"]

    unharmed = CliRunner().invoke(cli, ["fuzz", "--replay", str(saved), "--json"])
    assert unharmed.exit_code == 0, unharmed.output
    assert json.loads(unharmed.stdout)["violation"] is None
