"""`make bench-fuzz`: how fast the fuzzer is, beside its peers on the same contracts and machine.

Four campaigns take turns, three times, and the best of each counts, so that what else the machine is doing
falls on all alike: ours in this process, ours over Anvil's RPC, Foundry's invariants with the same kinds of
handlers and checks (`bench/forge`), and Hypothesis on ledger actions. What counts are the ratios.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path

import click
from hypothesis import Phase, settings
from hypothesis.stateful import run_state_machine_as_test
from rich.console import Console
from rich.table import Table

from weir.cli import json_option
from weir.fuzz.clearing.actions import LEDGER
from weir.fuzz.clearing.factory import clearing
from weir.fuzz.clearing.onchain import on_anvil
from weir.fuzz.clearing.setting import SETTINGS
from weir.fuzz.clearing.subject import Clearing
from weir.fuzz.machine import PROFILES, state_machine
from weir.fuzz.peers import forge
from weir.fuzz.sequence import run
from weir.fuzz.steps import Step
from weir.toolchain import activate

__all__ = ["command", "measure"]

SETTING = "six"
ROUNDS = 3
CALLS = 4_000
CALLS_ON_ANVIL = 150
SEQUENCE = 200


def _in_process(round_: int) -> float:
    subject = clearing(SETTING, None)
    start, calls = time.perf_counter(), 0
    for number in range(CALLS // SEQUENCE):
        done = run(subject, f"bench {round_} {number}", SEQUENCE)
        if done.violation:
            raise RuntimeError(f"a violation: {done.violation}")
        calls += done.calls
    return calls / (time.perf_counter() - start)


def _over_anvil(round_: int) -> float:
    with on_anvil(SETTINGS[SETTING]) as subject:
        start = time.perf_counter()
        done = run(subject, f"bench {round_} 0", CALLS_ON_ANVIL)
        return done.calls / (time.perf_counter() - start)


def _foundry(round_: int) -> float:
    return forge(CALLS, round_).calls_per_second


def _hypothesis(_: int) -> float:
    """Steps a second on ledger actions, everything checked after each."""
    counted = _Counted(clearing(SETTING, None))
    machine = state_machine(lambda: counted.subject, LEDGER, whole=False)
    profile = settings(
        PROFILES["quick"], max_examples=60, stateful_step_count=100, database=None, phases=[Phase.generate]
    )
    start = time.perf_counter()
    run_state_machine_as_test(machine, settings=profile)
    return counted.steps / (time.perf_counter() - start)


class _Counted:
    """Counts the steps that a subject makes."""

    def __init__(self, subject: Clearing) -> None:
        self.subject, self.steps = subject, 0
        execute = subject.execute

        def counting(step: Step) -> str | None:
            self.steps += 1
            return execute(step)

        subject.execute = counting  # type: ignore[method-assign]


PEERS: dict[str, Callable[[int], float]] = {
    "in process": _in_process,
    "Foundry invariants": _foundry,
    "over Anvil": _over_anvil,
    "Hypothesis, ledger actions": _hypothesis,
}


def measure(progress: Callable[[str], None] = lambda _: None) -> dict[str, float]:
    """Calls (steps, for Hypothesis) a second of each, the best of the rounds."""
    best = dict.fromkeys(PEERS, 0.0)
    for round_ in range(ROUNDS):
        for name, peer in PEERS.items():
            progress(f"round {round_ + 1} of {ROUNDS}: {name}")
            best[name] = max(best[name], peer(round_ + 1))
    return best


@click.command()
@json_option
@click.option("--write", type=click.Path(dir_okay=False, path_type=Path), help="Also write the figures here.")
def command(as_json: bool, write: Path | None) -> None:
    """Measure the fuzzer's speed beside its peers, on one core each."""
    activate()
    console = Console(stderr=as_json)
    with console.status("measuring") as status:
        rates = measure(status.update)
    ours = rates["in process"]
    figures = {
        name: {"per_second": round(rate), "ours_is_times": round(ours / rate, 2)}
        for name, rate in rates.items()
    }
    if write:
        write.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(figures, indent=1))
        return
    table = Table(title="Calls a second on one core, every property checked after each", title_justify="left")
    table.add_column("campaign")
    table.add_column("calls/s", justify="right")
    table.add_column("ours is times as fast", justify="right")
    for name, figure in figures.items():
        table.add_row(name, f"{figure['per_second']:,}", f"{figure['ours_is_times']:g}")
    console.print(table)


if __name__ == "__main__":
    command()
