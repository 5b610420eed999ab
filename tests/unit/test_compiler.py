"""The compiler: the native one and its stand-in take the same requests and give the same artefacts."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from weir import compiler
from weir.compiler import NAME, VERSION, compile_standard, ensure_compiler, is_native, standard_input
from weir.toolchain import ROOT

SOURCE = f"""
// SPDX-License-Identifier: MIT
pragma solidity {VERSION};

import {{FixedPointMathLib}} from "solady/utils/FixedPointMathLib.sol";

contract Half {{
    error Odd(uint256 amount);

    function half(uint256 amount) external pure returns (uint256) {{
        if (amount % 2 == 1) revert Odd(amount);
        return FixedPointMathLib.mulDiv(amount, 1, 2);
    }}
}}
"""
ABI = [
    {
        "type": "error",
        "name": "Odd",
        "inputs": [{"name": "amount", "type": "uint256", "internalType": "uint256"}],
    },
    {
        "type": "function",
        "name": "half",
        "inputs": [{"name": "amount", "type": "uint256", "internalType": "uint256"}],
        "outputs": [{"name": "", "type": "uint256", "internalType": "uint256"}],
        "stateMutability": "pure",
    },
]


@pytest.fixture(scope="module")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiler.write_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture(scope="module")
def native() -> Path:
    executable = ensure_compiler() / NAME
    if not is_native(executable):
        pytest.skip(f"native solc {VERSION} could not be downloaded when this checkout was set up")
    return executable


def half(executable: Path) -> dict:
    answer = compile_standard(standard_input({"contracts/Half.sol": SOURCE}), executable)
    assert [error for error in answer.get("errors", []) if error["severity"] == "error"] == []
    return answer["contracts"]["contracts/Half.sol"]["Half"]


def check(artefact: dict) -> None:
    assert set(artefact) == {"abi", "evm"}
    assert set(artefact["evm"]) == {"bytecode", "deployedBytecode"}
    assert artefact["abi"] == ABI
    for code in artefact["evm"].values():
        assert set(code) == {"object"}
        assert re.fullmatch(r"(?:[0-9a-f]{2})+", code["object"])
    assert artefact["evm"]["deployedBytecode"]["object"] in artefact["evm"]["bytecode"]["object"]


def test_the_stand_in_compiles(shim: Path) -> None:
    assert not is_native(shim)
    assert compiler.version_of(shim) == VERSION
    check(half(shim))


def test_the_native_compiler_compiles(native: Path) -> None:
    assert compiler.version_of(native) == VERSION
    check(half(native))


def test_both_give_the_same_artefact(shim: Path, native: Path) -> None:
    assert half(shim) == half(native)


def test_errors_in_a_source_are_part_of_the_answer(shim: Path) -> None:
    answer = compile_standard(standard_input({"Bad.sol": SOURCE.replace("Half {", "Half")}), shim)
    assert [error["type"] for error in answer["errors"]] == ["ParserError"]
    assert "Bad.sol" in answer["errors"][0]["formattedMessage"]


def test_a_missing_import_is_named(shim: Path) -> None:
    answer = compile_standard(standard_input({"Bad.sol": SOURCE.replace("solady/utils", "nowhere")}), shim)
    assert any("File not found" in error["message"] for error in answer["errors"])


def test_the_stand_in_reads_nothing_outside_its_roots(shim: Path, tmp_path: Path) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    (tmp_path / "Secret.sol").write_text("contract Secret {}")
    request = standard_input({"A.sol": 'import "../Secret.sol"; contract A {}'})
    request["sources"]["B.sol"] = {"urls": [str(tmp_path / "Secret.sol")]}
    answer = compile_standard(request, shim, base=inner)
    assert answer.get("contracts", {}) == {}
    assert sum("not found" in error["message"] for error in answer["errors"]) == 2


def test_the_stand_in_refuses_what_it_does_not_know(shim: Path) -> None:
    run = subprocess.run([shim, "--optimize"], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr == "unrecognised option '--optimize'\n"


def test_the_compiler_is_ready_and_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SOLCX_BINARY_PATH", raising=False)
    folder = ensure_compiler()
    assert compiler.version_of(folder / NAME) == VERSION
    assert compiler.os.environ["SOLCX_BINARY_PATH"] == str(folder)


def test_the_network_is_asked_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    asked = []
    monkeypatch.setenv("SOLCX_BINARY_PATH", "")
    monkeypatch.setattr(compiler, "FOLDER", tmp_path / "solc")
    monkeypatch.setattr(compiler, "install_native", lambda folder: bool(asked.append(folder)))
    for _ in range(3):
        assert not is_native(ensure_compiler() / NAME)
    assert asked == [tmp_path / "solc"]
    ensure_compiler(retry=True)
    assert asked == [tmp_path / "solc"] * 2


def test_without_a_network_the_native_compiler_is_given_up_soon(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(compiler, "_PROBE", "import time; time.sleep(60)")
    monkeypatch.setattr(compiler, "PROBE_SECONDS", 0.2)
    assert not compiler.install_native(tmp_path / "solc")
    assert list(tmp_path.rglob("solc-*")) == []


def test_both_are_of_the_version_that_the_project_pins() -> None:
    assert json.loads((ROOT / "package.json").read_text())["devDependencies"]["solc"] == VERSION
