"""Runs Halmos over the proofs, one contract after the other.

Halmos asks z3 within its own process whether a branch can be taken, with a limit of a millisecond, which z3
at times ignores: it then computes for hours, and signals do not reach it. Asked anew it answers. So each
contract has a limit of time, many times what it takes, and is tried again when that has passed. A proof that
fails, or that no solver decides, is not tried again.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

SECONDS = 240
TRIES = 6


def prove(contract: str) -> int:
    """The exit code of Halmos on one contract; 1 where it has never come to an end."""
    command = [
        str(Path(sys.executable).with_name("halmos")),
        "--config",
        "proofs/halmos.toml",
        "--contract",
        contract,
    ]
    for _ in range(TRIES):
        with subprocess.Popen(command, start_new_session=True) as halmos:
            try:
                return halmos.wait(SECONDS)
            except subprocess.TimeoutExpired:
                # With the solvers that it has started.
                os.killpg(halmos.pid, signal.SIGKILL)
        sys.stdout.write(f"{contract}: no end after {SECONDS} seconds, once more\n")
        sys.stdout.flush()
    return 1


def main() -> int:
    """All contracts in this folder; the first exit code that is not 0."""
    sources = sorted(Path("proofs").glob("*.t.sol"))
    contracts = [name for path in sources for name in re.findall(r"^contract (\w+)", path.read_text(), re.M)]
    return next((code for code in map(prove, contracts) if code), 0)


if __name__ == "__main__":
    sys.exit(main())
