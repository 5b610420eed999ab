"""Every command and every example of the README runs."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from weir.accounts import development_account
from weir.chain import connect
from weir.deployment import deploy
from weir.node import Node
from weir.parameters import Parameters
from weir.toolchain import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


COMMANDS = [
    line.split("#")[0].strip() for block in blocks("sh") for line in block.splitlines() if line.strip()
]


def test_the_readme_shows_the_two_commands() -> None:
    assert COMMANDS[:2] == ["make demo", "make test"]


@pytest.mark.parametrize("command", [c for c in COMMANDS if not c.startswith("make ")])
def test_a_command_runs(command: str) -> None:
    done = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.parametrize("command", [c for c in COMMANDS if c.startswith("make ")])
def test_make_knows_the_command(command: str) -> None:
    """What they do is tested elsewhere; here, that make would do it, with these variables passed on."""
    words = shlex.split(command)
    done = subprocess.run([*words, "--dry-run"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    for name, value in (word.split("=") for word in words if "=" in word):
        assert f"--{name.lower()} {value}" in done.stdout


def test_the_library_example_runs(tmp_path: Path) -> None:
    (example,) = blocks("python")
    with Node("anvil") as node:
        url = node.web3.provider.endpoint_uri  # type: ignore[attr-defined]
        deploy(connect(url), development_account(0), Parameters(), folder=tmp_path)
        program = example.replace("http://127.0.0.1:8545", url).replace("deployments/", f"{tmp_path}/")
        done = subprocess.run(
            [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert "skin" in done.stdout
