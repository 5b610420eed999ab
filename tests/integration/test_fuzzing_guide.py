"""What docs/fuzzing.md shows runs, and stays as short as it promises."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from weir.fuzz.clearing.actions import ALL
from weir.fuzz.clearing.actions.moves import answer
from weir.fuzz.clearing.factory import clearing
from weir.fuzz.draw import Draw, RandomDraw
from weir.fuzz.sequence import follow
from weir.fuzz.steps import Step
from weir.toolchain import ROOT

GUIDE = (ROOT / "docs" / "fuzzing.md").read_text(encoding="utf-8")


def block(language: str) -> str:
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    assert isinstance(found, str)
    return found


@pytest.mark.parametrize("command", block("bash").splitlines())
def test_a_command_runs(command: str, tmp_path: Path) -> None:
    weir = [sys.executable, "-m", "weir", *shlex.split(command)[1:]]
    done = subprocess.run(weir, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "2,000 calls" in done.stdout or '"calls": 2000' in done.stdout


def test_ones_own_waterfall_takes_less_than_sixty_lines(tmp_path: Path) -> None:
    program = block("python")
    assert len(program.splitlines()) < 60
    path = tmp_path / "test_my_waterfall.py"
    path.write_text(program)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:ape_test", str(path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_ones_own_waterfall_bites(tmp_path: Path) -> None:
    """With a property that does not hold it fails: the fund may pay all of its budget."""
    program = block("python").replace("sum(fund) > budget", "sum(fund) >= budget > 0")
    path = tmp_path / "wrong.py"
    path.write_text(program)
    done = subprocess.run(
        [sys.executable, str(path)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "AssertionError" in done.stderr


def test_ones_own_action_plays() -> None:
    names = {"Step": Step, "answer": answer, "Scene": object, "Draw": Draw, "Plan": object}
    exec(block("text"), names)
    subject = clearing("six", None)
    subject.execute(Step("trader0", "deposit", ("trader0", 5)))
    steps: list[Step] = []
    outcomes = [
        refused for _, refused in follow(subject, names["drain"](subject.scene, RandomDraw(1)), steps)
    ]
    assert outcomes == [None, None]
    assert steps[1].call == "answer"
    assert "drain" not in {action.name for action in ALL}
