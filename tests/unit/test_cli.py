"""The console command: what it prints, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from eth_account import Account

from weir.accounts import AccountError, choose_account, development_account
from weir.cli import main
from weir.node import Node
from weir.scenarios import available

NOWHERE = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_settings_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("WEIR_RPC", "WEIR_PRIVATE_KEY", "WEIR_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Exit code, output and errors of `weir …`."""
    with pytest.raises(SystemExit) as ended:
        main([str(argument) for argument in arguments])
    output = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, output.out, output.err


# --------------------------------------------------------------------- commands


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for command in ("demo", "deploy", "keeper", "report", "scenarios", "status"):
        assert f"\n  {command} " in out


@pytest.mark.parametrize("command", ["demo", "deploy", "keeper", "report", "scenarios", "status"])
def test_every_command_has_help(capsys: pytest.CaptureFixture[str], command: str) -> None:
    code, out, _ = run(capsys, command, "--help")
    assert code == 0
    assert out.startswith(f"Usage: weir {command}")


def test_scenarios_lists_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run(capsys, "scenarios")
    assert code == 0
    assert tuple(line.split()[0] for line in out.splitlines()) == available()


def test_deploy_then_status(capsys: pytest.CaptureFixture[str], node: Node, tmp_path: Path) -> None:
    folder = tmp_path / "deployments"
    code, out, _ = run(capsys, "deploy", "--rpc", node.url, "--folder", folder)
    assert code == 0
    file = folder / "31337.json"
    recorded = json.loads(file.read_text())
    assert recorded["contracts"]["Vault"]["address"] in out
    assert str(file) in out

    assert run(capsys, "deploy", "--rpc", node.url, "--folder", folder) == (0, out, "")

    code, out, _ = run(capsys, "status", "--rpc", node.url, "--deployment", file, "--json")
    assert code == 0
    status = json.loads(out)
    assert (status["chain_id"], status["block"]) == (31337, int(node.rpc("eth_blockNumber"), 16))
    assert [(m["symbol"], m["price"]) for m in status["markets"]] == [
        ("BTC", "60000.000000000000000000"),
        ("ETH", "3000.000000000000000000"),
    ]
    assert status["fund"]["coverage"] is None
    assert status["accounts"] == {"count": 0, "at_risk": []}
    assert (status["guaranty"]["total"], status["guaranty"]["members"], status["members"]) == (
        "0.000000",
        0,
        [],
    )
    assert {line["id"] for line in status["identities"]} == {"P1", "P2:BTC", "P3:BTC", "P2:ETH", "P3:ETH"}
    assert all(line["holds"] for line in status["identities"])

    code, out, _ = run(capsys, "status", "--rpc", node.url, "--deployment", file)
    assert code == 0
    for title in (
        "Markets",
        "Insurance fund",
        "Guaranty fund",
        "Members: none",
        "Defaults: none",
        "Identities",
    ):
        assert title in out


def test_deploy_reads_its_parameters_from_a_file(
    capsys: pytest.CaptureFixture[str], node: Node, tmp_path: Path
) -> None:
    file = tmp_path / "parameters.json"
    file.write_text('{"markets": [{"symbol": "SOL", "price": "20"}]}')
    code, out, _ = run(capsys, "deploy", "--rpc", node.url, "--parameters", file, "--folder", tmp_path)
    assert code == 0
    assert "Feed:SOL" in out


# ----------------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["liquidate-everyone"], "No such command 'liquidate-everyone'"),
        (["status", "--everything"], "No such option: --everything"),
        (["status", "--rpc", "here"], "is not the http address of a node"),
        (["report", "none.json", "page.html"], "none.json"),
        (["deploy", "--parameters", "none.json"], "none.json"),
        (["report"], "Missing argument 'JSON'"),
    ],
)
def test_bad_input_is_one_line_and_code_2(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert err.startswith("weir: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize("command", ["status", "deploy"])
def test_a_node_that_is_not_there_is_one_line_and_code_1(
    capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert run(capsys, command, "--rpc", NOWHERE) == (
        1,
        "",
        f"weir: no node answers at {NOWHERE}: ConnectionRefusedError\n",
    )


def test_a_missing_or_wrong_file_is_named(
    capsys: pytest.CaptureFixture[str], node: Node, tmp_path: Path
) -> None:
    wrong = tmp_path / "wrong.json"
    code, _, err = run(capsys, "status", "--rpc", node.url, "--deployment", wrong)
    assert (code, err) == (2, f"weir: {wrong}: No such file or directory\n")
    wrong.write_text('{"markets": 7}')
    code, _, err = run(capsys, "deploy", "--rpc", node.url, "--parameters", wrong, "--folder", tmp_path)
    assert (code, err.count("\n")) == (2, 1)
    assert f"{wrong}: markets: " in err
    code, _, err = run(capsys, "report", wrong, tmp_path / "page.html")
    assert (code, err.count("\n")) == (2, 1)
    assert "is not what a demo writes" in err
    assert not (tmp_path / "page.html").exists()


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    code = "import sys, weir.cli; print([m for m in ('ape', 'web3', 'rich', 'pydantic') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"


# --------------------------------------------------------------- keys to sign with


def test_local_chains_have_a_development_key() -> None:
    assert choose_account(31337) == development_account(0)
    assert choose_account(1337, development=3) == development_account(3)


def test_other_chains_have_none() -> None:
    with pytest.raises(AccountError, match="chain 1 is not a local one: give --keystore"):
        choose_account(1)


def test_a_key_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    owner = Account.create()
    monkeypatch.setenv("WEIR_PRIVATE_KEY", owner.key.to_0x_hex())
    assert choose_account(1).address == choose_account(31337).address == owner.address
    monkeypatch.setenv("WEIR_PRIVATE_KEY", "0x12")
    with pytest.raises(AccountError, match="not a private key"):
        choose_account(1)
    monkeypatch.setenv("WEIR_PRIVATE_KEY", development_account(1).key.to_0x_hex())
    with pytest.raises(AccountError, match="everybody has the key"):
        choose_account(1)


def test_a_key_comes_from_a_keystore(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    owner = Account.create()
    file = tmp_path / "owner.json"
    file.write_text(json.dumps(owner.encrypt("secret", iterations=2)))
    monkeypatch.setenv("WEIR_PASSWORD", "secret")
    assert choose_account(1, file).address == owner.address
    monkeypatch.setenv("WEIR_PASSWORD", "wrong")
    with pytest.raises(AccountError, match=r"owner\.json: not a keystore, or WEIR_PASSWORD"):
        choose_account(1, file)
    file.write_text("{}")
    with pytest.raises(AccountError, match=r"owner\.json: not a keystore"):
        choose_account(1, file)
