"""A run of mutation testing: choose mutants, compile them, let the fuzzer loose on each.

All but the time that it takes is the same each time: which mutants are chosen, and what the fuzzer does.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from weir.fuzz.mutation.compiling import Code, Workshop, write_root
from weir.fuzz.mutation.operators import Mutant
from weir.fuzz.mutation.results import CRASH, Record, Verdict
from weir.toolchain import BUILD, ROOT

__all__ = [
    "PROFILE",
    "SCOPE",
    "Candidate",
    "Fuzzer",
    "FuzzerError",
    "baseline",
    "compile_all",
    "in_order",
    "judge",
    "select",
]

SCOPE: tuple[str, ...] = (
    "contracts/Vault.sol",
    "contracts/libraries/ClaimsMath.sol",
    "contracts/clearing/Positions.sol",
    "contracts/clearing/Solvency.sol",
    "contracts/libraries/SideMath.sol",
    "contracts/libraries/Waterfall.sol",
    "contracts/InsuranceFund.sol",
    "contracts/GuarantyFund.sol",
    "contracts/fund/Balances.sol",
    "contracts/fund/Defaults.sol",
    "contracts/Tranche.sol",
    "contracts/EpochShares.sol",
)
"""The ledger, the settlement, the waterfall and the shares of the tranches."""

PROFILE = "quick"
PATIENCE = 4.0
"""How many times longer than on the original the fuzzer may take before a mutant counts as hanging."""

T = TypeVar("T")
R = TypeVar("R")


class FuzzerError(RuntimeError):
    """The fuzzer failed in a way that says nothing about the contracts."""


def select(mutants: Sequence[Mutant], size: int, seed: int) -> list[Mutant]:
    """So many of the mutants, spread evenly over files and operators, in the order they came in."""

    def place(mutant: Mutant) -> tuple[str, str, bytes]:
        lot = hashlib.sha256(f"{seed} {mutant.digest}".encode()).digest()
        return mutant.file, mutant.operator, lot

    ordered = sorted(mutants, key=place)
    size = min(size, len(ordered))
    chosen = {ordered[int((i + 0.5) * len(ordered) / size)].digest for i in range(size)}
    return [mutant for mutant in mutants if mutant.digest in chosen]


# ------------------------------------------------------------------- compiling


@dataclass(frozen=True, slots=True)
class Candidate:
    """A mutant that compiles to something else than the original and all before it."""

    mutant: Mutant
    codes: Mapping[str, Code]


def compile_all(
    workshop: Workshop, mutants: Sequence[Mutant], jobs: int, tick: Callable[[], None]
) -> Iterator[Candidate | Record]:
    """Each mutant in turn: with its code, or the verdict where none is needed any more."""

    def compiled(mutant: Mutant) -> dict[str, Code] | None:
        source = mutant.apply(workshop.tree.sources[mutant.file])
        codes: dict[str, Code] = {}
        for contract in workshop.users(mutant.file):
            code = workshop.compile(contract, {mutant.file: source})
            if code is None:
                return None
            codes[contract] = code
        return codes

    known: dict[tuple[Code, ...], str] = {}
    for mutant, codes in zip(mutants, _parallel(compiled, mutants, jobs, tick), strict=True):
        if codes is None:
            yield Record.of(mutant, Verdict.INVALID)
            continue
        changed = {
            name: code for name, code in codes.items() if code != workshop.original(name, via_ir=code.via_ir)
        }
        key = tuple(codes.values())
        if not changed:
            yield Record.of(mutant, Verdict.EQUIVALENT, "the same code")
        elif key in known:
            yield Record.of(mutant, Verdict.DUPLICATE, known[key])
        else:
            known[key] = mutant.digest
            yield Candidate(mutant, changed)


def _parallel(work: Callable[[T], R], items: Sequence[T], jobs: int, tick: Callable[[], None]) -> Iterator[R]:
    def ticking(item: T) -> R:
        result = work(item)
        tick()
        return result

    with ThreadPoolExecutor(jobs) as pool:
        try:
            yield from pool.map(ticking, items)
        finally:
            pool.shutdown(cancel_futures=True)


# --------------------------------------------------------------------- fuzzing


@dataclass(frozen=True)
class Fuzzer:
    """The command that is put to the test, and how long it may take, in seconds."""

    command: Sequence[str] = (sys.executable, "-m", "weir", "fuzz")
    limit: float = 3600.0

    def run(self, root: Path) -> str | None:
        """What it finds in the contracts of a project's folder; None where it finds nothing.

        Raises `FuzzerError` where it was stopped from outside.
        """
        command = [
            *self.command,
            "--profile",
            PROFILE,
            "--root",
            str(root),
            "--findings",
            str(root / "findings"),
        ]
        with subprocess.Popen(
            [*command, "--shrink-seconds", "0", "--json"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        ) as process:
            try:
                output, complaint = process.communicate(timeout=self.limit)
            except BaseException as error:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
                if isinstance(error, subprocess.TimeoutExpired):
                    return "hangs"
                raise
        return _finding(process.returncode, output, complaint)


def _finding(code: int, output: str, complaint: str) -> str | None:
    if code == 0:
        return None
    last = (complaint.strip().splitlines() or [f"exit code {code}"])[-1]
    if code != 1:
        raise FuzzerError(f"the fuzzer failed: {last}")
    try:
        return str(json.loads(output)["violations"][0]["rule"])
    except (ValueError, LookupError):
        # It could not begin, or go on: what it says is the finding, if it knows what it says.
        return last.removeprefix("weir: ") if last.startswith("weir: ") else f"{CRASH} {last}"


def baseline(fuzzer: Fuzzer, codes: Mapping[str, Code]) -> float:
    """How many seconds the fuzzer takes for the original; raises `FuzzerError` where it finds something."""
    began = time.monotonic()
    if found := _fuzz(fuzzer, codes):
        raise FuzzerError(f"the contracts fail before they are changed: {found}")
    return time.monotonic() - began


def judge(
    fuzzer: Fuzzer, candidates: Sequence[Candidate], jobs: int, tick: Callable[[], None]
) -> Iterator[Record]:
    """The verdict on each of the candidates, in turn."""

    def verdict(candidate: Candidate) -> Record:
        found = _fuzz(fuzzer, candidate.codes)
        return Record.of(candidate.mutant, Verdict.KILLED if found else Verdict.SURVIVED, found or "")

    yield from _parallel(verdict, candidates, jobs, tick)


def _fuzz(fuzzer: Fuzzer, codes: Mapping[str, Code]) -> str | None:
    scratch = BUILD / "mutation"
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch, prefix="root-") as folder:
        write_root(Path(folder), codes, root=ROOT)
        return fuzzer.run(Path(folder))


def in_order(mutants: Iterable[Mutant], records: Iterable[Record]) -> tuple[Record, ...]:
    """The records in the order of their mutants."""
    by_digest = {record.digest: record for record in records}
    return tuple(by_digest[mutant.digest] for mutant in mutants)
