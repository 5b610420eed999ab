"""The fuzzer's peer: the same campaign as `bench/forge`, run by Foundry, for the comparison of speed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

from weir import toolchain
from weir.artifacts import artifact
from weir.compiler import NAME, ensure_compiler
from weir.toolchain import BUILD, ROOT

__all__ = ["PeerError", "PeerResult", "forge"]

CONFIG = ROOT / "bench" / "forge" / "foundry.toml"
FOLDER = BUILD / "forge"
COUNTS = FOLDER / "counts.txt"
DEPTH = 100
"""Calls in each of forge's runs, all of which start from the same deployment."""

_PASSED = re.compile(r"^\[PASS\] invariant_\w+\(\) \(runs: (\d+), calls: (\d+), reverts: (\d+)\)", re.M)
# The second duration is that of the campaign, the first includes the deployment; neither includes compiling.
_SECONDS = re.compile(r"; finished in [\d.]+m?s \(([\d.]+)(m?)s CPU time\)")
_ACTION = re.compile(r"^\| \w+ +\| (\w+) +\| (\d+) +\| (\d+) +\| \d+ +\|$", re.M)


class PeerError(RuntimeError):
    """Forge found a property broken, or did not run; the message ends with what it said."""


@dataclass(frozen=True, slots=True)
class PeerResult:
    """One campaign. `seconds` are its wall time without compiling and deploying; reverted calls count.

    `charged` are the defaults with a remainder for open interest, `from_fund` those that the fund paid to.
    """

    calls: int
    seconds: float
    reverts: int
    runs: int
    defaults: int
    from_fund: int
    charged: int
    actions: Mapping[str, tuple[int, int]]
    """Calls, and those of them that reverted, by action."""

    @property
    def calls_per_second(self) -> float:
        return self.calls / self.seconds


def forge(calls: int, seed: int, *, depth: int = DEPTH) -> PeerResult:
    """Runs at least so many calls in one thread, in runs of `depth`; the same seed makes the same calls.

    What it needs is compiled first, once; the contracts' creation code is the one that `make setup` left.
    Raises `PeerError` where a property is broken.
    """
    artifact("ClearingHouse")  # says what to do where nothing has been compiled
    _run("build", {})
    shutil.rmtree(FOLDER / "failures", ignore_errors=True)  # forge would try those again first
    COUNTS.unlink(missing_ok=True)
    runs = -(-calls // depth)
    size = {"FOUNDRY_INVARIANT_RUNS": str(runs), "FOUNDRY_INVARIANT_DEPTH": str(depth)}
    output = _run("test", size, "--threads", "1", "--fuzz-seed", str(seed))
    passed, lasted = _PASSED.search(output), _SECONDS.search(output)
    if passed is None or lasted is None:
        raise PeerError(f"forge said something else than expected:\n{_tail(output)}")
    # After the campaign forge replays its last run for the traces, and so counts it again.
    counts = [tuple(map(int, line.split())) for line in COUNTS.read_text().splitlines()[:runs]]
    _, defaults, from_fund, charged = map(sum, zip(*counts, strict=True))
    return PeerResult(
        calls=int(passed[2]),
        seconds=float(lasted[1]) / (1000 if lasted[2] else 1),
        reverts=int(passed[3]),
        runs=int(passed[1]),
        defaults=defaults,
        from_fund=from_fund,
        charged=charged,
        actions={name: (int(done), int(reverted)) for name, done, reverted in _ACTION.findall(output)},
    )


def _run(command: str, variables: Mapping[str, str], *options: str) -> str:
    # Only the settings in its file count, whatever else the user has set for forge.
    own = {name: value for name, value in os.environ.items() if not name.startswith(("FOUNDRY_", "DAPP_"))}
    compiler = ensure_compiler() / NAME
    run = subprocess.run(
        [str(toolchain.forge()), command, "--root", str(ROOT), "--use", str(compiler), *options],
        cwd=ROOT,
        env={**own, "FOUNDRY_CONFIG": str(CONFIG), "NO_COLOR": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode != 0:
        raise PeerError(f"forge {command} failed:\n{_tail(run.stdout + run.stderr)}")
    return run.stdout


def _tail(output: str) -> str:
    return "\n".join(output.splitlines()[-250:])
