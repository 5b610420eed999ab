"""docs/risk.md: its tutorial runs on a demo's chain, its book is read, its tables are the code's."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.guide import Guide
from tests.ports import free_ports
from weir.chain import connect
from weir.client import Weir
from weir.risk.backtest.rolling import backtest
from weir.risk.inputs.book import Account, Book
from weir.risk.inputs.sources import package_history
from weir.risk.memo import Memo
from weir.risk.parameters import DepegParameters, FundingAssumptions, ImpactParameters, RiskParameters
from weir.risk.stress.library import apply, library, load_scenarios
from weir.toolchain import ROOT

GUIDE = Guide("risk")
SHELL, JSON = (
    re.findall(rf"^```{kind}\n(.*?)^```", GUIDE.source, re.MULTILINE | re.DOTALL) for kind in ("sh", "json")
)
TUTORIAL = [line.split(" #")[0].strip() for line in SHELL[0].splitlines()]
TESTS = ("Kupiec", "independence", "both", "Z₂")
INNER = {"impact": ImpactParameters(), "depeg": DepegParameters(), "funding": FundingAssumptions()}
PATIENCE = 1_800
"""Seconds in which a demo must have come to its end."""


def test_the_tutorial_has_at_most_ten_lines() -> None:
    assert len(TUTORIAL) <= 10
    assert TUTORIAL[0].endswith("&")


@pytest.fixture(scope="module")
def port() -> str:
    """A free one: at the guide's, others of this machine may listen."""
    (found,) = free_ports(1)
    return str(found)


@pytest.fixture(scope="module")
def stayed(tmp_path_factory: pytest.TempPathFactory, port: str) -> Iterator[Path]:
    """The folder of the tutorial, after its first line; the chain is up."""
    folder = tmp_path_factory.mktemp("tutorial")
    words = shlex.split(TUTORIAL[0].removesuffix("&").replace("8545", port))
    with (folder / "demo.txt").open("w") as output:
        demo = subprocess.Popen(words, cwd=folder, stdout=output, stderr=output, env=_environment(port))
        try:
            ends = time.monotonic() + PATIENCE
            while "The chain stays" not in (folder / "demo.txt").read_text():
                assert demo.poll() is None, (folder / "demo.txt").read_text()[-2_000:]
                assert time.monotonic() < ends
                time.sleep(1)
            yield folder
        finally:
            demo.terminate()
            demo.wait(PATIENCE)


def _environment(port: str) -> dict[str, str]:
    path = f"{ROOT / '.venv' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "WEIR_RPC": f"http://127.0.0.1:{port}"}


def test_the_tutorial_goes_from_prices_to_a_posted_target(stayed: Path, port: str) -> None:
    """Each line as it stands there, one after another."""
    weir = Weir.load(connect(f"http://127.0.0.1:{port}"), stayed / "deployments" / "31337.json")
    before = weir.fund_state().posted_at
    for line in TUTORIAL[1:]:
        done = subprocess.run(
            shlex.split(line), cwd=stayed, capture_output=True, text=True, check=False, env=_environment(port)
        )
        assert done.returncode == 0, f"{line}: {done.stderr}"
        assert done.stdout.strip(), line
    post = json.loads((stayed / "build" / "post.json").read_text())
    state = weir.fund_state()
    assert state.posted_at > before
    assert state.fresh
    assert float(weir.usd(state.posted_target)) == float(post["target"]) > 0
    memo = Memo.model_validate_json((stayed / "build" / "memo" / "memo.json").read_text())
    assert memo.signature is not None
    assert post["evidence"] == {"inputs": memo.inputs, "outputs": memo.outputs, "block": memo.block}
    posted = {row.account: row.tier for row in memo.account_rows}
    for account, tier in post["tiers"].items():
        stands, _ = weir.chain.call(weir.policy.functions.tierOf(account))
        assert stands == tier == posted[account]


def test_the_book_of_the_guide_is_one(tmp_path: Path) -> None:
    path = tmp_path / "book.json"
    path.write_text(JSON[0])
    book = Book.load(path)
    assert len(book.accounts) == 2
    rows = (name for row in GUIDE.table("field", "means") for name in row[0].split(", "))
    assert {name.strip("`") for name in rows} == {
        *("markets", "stablecoins", "fund", "source"),
        *(f"accounts.{field}" for field in Account.model_fields if field != "account"),
    }


def test_the_scenario_of_the_guide_is_one(tmp_path: Path) -> None:
    path = tmp_path / "own.json"
    path.write_text(JSON[1])
    (found,) = load_scenarios(path)
    assert apply(found, ["BTC", "ETH"], ["USDC", "DAI"]).tolist() == [-0.3, -0.45, -0.05, 0]
    assert (found.kind, found.depth) == ("own", 0.25)


def test_parameters_and_their_defaults() -> None:
    rows = {row[0].strip("`"): (row[1], row[2]) for row in GUIDE.table("parameter", "default", "means")}
    defaults = RiskParameters()
    assert set(rows) == set(RiskParameters.model_fields)
    for name, (default, means) in rows.items():
        if default != "{}":
            assert json.loads(default) == getattr(defaults, name), name
        for field, value in re.findall(r"`(\w+)`[^,(]*\(([\d.]+)\)", means) if name in INNER else ():
            assert getattr(INNER[name], field) == float(value), f"{name}.{field}"


def test_what_the_guide_counts() -> None:
    assert f"the worst of {len(library())} scenarios" in GUIDE.text


def test_the_backtest_that_the_guide_shows() -> None:
    """Figures of all history that the package has, as printed."""
    shown = {
        (row[0], row[1], row[2]): row[3:]
        for row in GUIDE.table("coin", "model", "level", "beyond VaR", "expected", *TESTS)
    }
    assert len(shown) == 12
    for coin in ("BTC", "ETH"):
        history = package_history(coin)
        found = backtest(history.times, history.closes, models=("garch-evt", "garch-normal"))
        for each in found.results:
            row = shown[coin, each.model, f"{100 * each.level:g} %"]
            assert row[:2] == [str(each.exceptions), f"{each.expected:.1f}"]
            for cell, p in zip(row[2:], each.p_values.values(), strict=True):
                told = f"{p:.3f}" if p >= 0.001 else "<0.001"
                assert cell == (told if p >= 0.05 else f"**{told}**")
