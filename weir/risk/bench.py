"""How fast the simulation is, beside a clean NumPy version and JAX, on this machine, in one run.

python -m weir.risk.bench --write
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click
import numba.cuda
import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from weir.risk.simulation.engine import simulate
from weir.risk.simulation.executors import Threads
from weir.risk.simulation.exposures import Exposures, Impact
from weir.risk.simulation.factors import Law, draw
from weir.risk.simulation.kernel import Deficits, shortfall_deficits, shortfalls
from weir.risk.simulation.model import Depeg, FactorModel, QuantileTable

__all__ = [
    "command",
    "made_up_book",
    "made_up_impact",
    "made_up_model",
    "measure",
    "numpy_shortfalls",
    "report",
]

Floats = NDArray[np.float64]

ACCOUNTS, MARKETS, PATHS = 10_000, 3, 1_000_000
CHUNK = 16_384
ROWS = 16, 64, 256, 1024
"""Paths at a time that NumPy and JAX are tried with."""
CLEAN = 64
"""Those of a clean NumPy version: 5 MB of float64 at a time."""
ROUNDS = 3


# ---------------------------------------------------------------- what is simulated


def made_up_book(accounts: int, markets: int = MARKETS, coins: int = 0, seed: int = 1) -> Exposures:
    """Accounts of lognormal equity and leverage (median 2.7, at most 19), rather long than short."""
    rng = np.random.default_rng(seed)
    equity = rng.lognormal(9, 1.5, accounts)
    leverage = np.minimum(rng.lognormal(1, 0.7, accounts), 19)
    weights = (rng.normal(size=(accounts, markets)) + 0.3) * (rng.random((accounts, markets)) < 0.5)
    weights[np.abs(weights).sum(axis=1) == 0, 0] = 1
    positions = (equity * leverage / np.abs(weights).sum(axis=1))[:, None] * weights
    collateral = np.outer(equity, np.full(coins, 1 / max(coins, 1)))
    return Exposures(
        accounts=tuple(f"account-{i}" for i in range(accounts)),
        factors=_names(markets, coins),
        markets=markets,
        equity=equity,
        resources=equity * 1.001,
        notional=np.hstack([positions, collateral]),
        margin=np.hstack([np.abs(positions) * 0.03, np.zeros((accounts, coins))]),
    )


def made_up_model(markets: int = MARKETS, coins: int = 0, steps: int = 1, degrees: float = 4) -> FactorModel:
    """Daily returns of 4 % deviation, correlated by 0.7, with Student marginals and copula."""
    w = np.sinh(np.linspace(-16, 16, 4097))
    shape = w * math.sqrt(1 - 2 / degrees)
    one = np.ones(markets)
    return FactorModel(
        factors=_names(markets, coins),
        steps=steps,
        mean=0 * one,
        ar=0 * one,
        omega=0.05 * 0.04**2 * one,
        alpha=0.1 * one,
        beta=0.85 * one,
        last_return=0 * one,
        next_variance=0.04**2 * one,
        cholesky=np.linalg.cholesky(0.3 * np.eye(markets) + 0.7),
        degrees=degrees,
        table=QuantileTable(16.0, np.tile(shape, (markets, 1))),
        depeg=Depeg(np.full(coins, 0.0003), np.full(coins, 0.01), np.full(coins, 0.1), 0.02),
    )


def made_up_impact(exposures: Exposures, depth: float = 100) -> Impact:
    """Square-root impact, with `depth` times the book's gross notional as depth: a thin market's."""
    gross = np.abs(exposures.notional).sum(axis=0)
    deep = np.where(np.arange(len(gross)) < exposures.markets, depth * gross, np.inf)
    return Impact(deep, np.full(len(gross), 0.5), np.full(len(gross), 0.3))


def _names(markets: int, coins: int) -> tuple[str, ...]:
    return (*(f"market-{i}" for i in range(markets)), *(f"coin-{i}" for i in range(coins)))


# --------------------------------------------------------------------- the peers


def numpy_shortfalls(resources: Floats, notional: Floats, changes: Floats, rows: int = 64) -> Floats:
    """The same in plain NumPy, float64, `rows` paths at a time so that they stay in the cache."""
    out = np.empty(len(changes))
    for first in range(0, len(changes), rows):
        worth = changes[first : first + rows] @ notional.T
        worth += resources
        np.negative(worth, out=worth)
        np.maximum(worth, 0, out=worth)
        out[first : first + rows] = worth.sum(axis=1)
    return out


def _numpy(exposures: Exposures, changes: Floats, workers: int, rows: int) -> Floats:
    """On all cores: NumPy lets go of the interpreter's lock."""
    parts = np.array_split(changes, workers)
    with ThreadPoolExecutor(workers) as pool:
        one = partial(numpy_shortfalls, exposures.resources, exposures.notional, rows=rows)
        return np.concatenate(list(pool.map(one, parts)))


def _kernel(owed: Deficits, changes: Floats, workers: int) -> Floats:
    parts = [changes[i : i + CHUNK] for i in range(0, len(changes), CHUNK)]
    with ThreadPoolExecutor(workers) as pool:
        return np.concatenate(list(pool.map(lambda part: shortfalls(owed, part), parts)))


def _jax(exposures: Exposures, changes: Floats, rows: int, double: bool) -> Callable[[], Any]:
    """The same under jit: XLA fuses product, maximum and sum, `rows` paths at a time."""
    tools: Any = import_module("jax")
    precision: Any = import_module("jax.experimental").enable_x64
    numbers = tools.numpy
    kind = np.float64 if double else np.float32
    with precision(double):
        resources = numbers.asarray(exposures.resources.astype(kind))
        notional = numbers.asarray(exposures.notional.astype(kind))
        given = numbers.asarray(changes.astype(kind)).reshape(-1, rows, changes.shape[1])

    def some(part: Any) -> Any:
        worth = resources[None, :]
        for k in range(notional.shape[1]):
            worth = worth + part[:, k, None] * notional[None, :, k]
        return numbers.maximum(-worth, 0).sum(axis=1)

    compiled = tools.jit(lambda parts: tools.lax.map(some, parts))

    def run() -> Floats:
        with precision(double):
            return np.asarray(compiled(given).block_until_ready()).ravel()

    return run


# ------------------------------------------------------------------- measurements


def _seconds(work: Callable[[], Any]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _best(**works: Callable[[], Any]) -> dict[str, float]:
    """Seconds of the best of `ROUNDS`, taking turns: what else the machine does falls on all alike."""
    best = dict.fromkeys(works, math.inf)
    for turn in range(ROUNDS + 1):
        for name, work in works.items():
            seconds = _seconds(work)
            if turn:  # the first compiles
                best[name] = min(best[name], seconds)
    return best


def _peers(workers: int) -> dict[str, dict[str, float]]:
    """Account-scenarios a second of each, and its greatest error, as a part of the greatest loss."""
    exposures = made_up_book(ACCOUNTS)
    changes = draw(Law(made_up_model()), np.arange(PATHS), 0)
    few = changes[:CHUNK]
    owed = shortfall_deficits(exposures, exposures.resources)
    works: dict[str, tuple[Callable[[], Floats], int]] = {
        **{_named(rows): (partial(_numpy, exposures, few, workers, rows), len(few)) for rows in ROWS},
        "weir": (lambda: _kernel(owed.without_bounds(), changes, workers), PATHS),
        "weir with bounds": (lambda: _kernel(owed, changes, workers), PATHS),
    }
    if find_spec("jax"):
        for double in (True, False):
            runs = {rows: _jax(exposures, few, rows, double) for rows in ROWS}
            works[f"jax float{64 if double else 32}"] = (_fastest(runs), len(few))
    exact = works[_named(CLEAN)][0]()
    best = _best(**{name: work for name, (work, _) in works.items()})
    return {
        name: {
            "rate": ACCOUNTS * paths / best[name],
            "error": float(np.abs(work()[: len(few)] - exact).max() / exact.max()),
        }
        for name, (work, paths) in works.items()
    }


def _named(rows: int) -> str:
    return f"numpy float64, {rows} paths at a time"


def _fastest_numpy(peers: dict[str, dict[str, float]]) -> float:
    return max(peers[_named(rows)]["rate"] for rows in ROWS)


def _fastest(runs: Mapping[int, Callable[[], Floats]]) -> Callable[[], Floats]:
    """That of these sizes of batch, after each has run once."""
    for run in runs.values():
        run()
    return runs[min(runs, key=lambda rows: _seconds(runs[rows]))]


def _scaling(workers: int) -> list[dict[str, float]]:
    """Seconds of the kernel and of the full model over three decades of accounts times paths."""
    rows = []
    for accounts, paths in ((1_000, 10_000), (1_000, 100_000), (10_000, 100_000), (ACCOUNTS, PATHS)):
        exposures, model = made_up_book(accounts), made_up_model()
        impact, threads = made_up_impact(exposures), Threads(workers)
        owed = shortfall_deficits(exposures, exposures.resources).without_bounds()
        changes = draw(Law(model), np.arange(paths), 0)
        best = _best(
            kernel=partial(_kernel, owed, changes, workers),
            full=partial(simulate, exposures, model, impact, paths=paths, executor=threads),
        )
        rows.append({"accounts": accounts, "paths": paths, **best})
    return rows


def _peak_memory() -> float:
    """MiB that a process takes at most for the full model at full size."""
    code = (
        "import resource\n"
        "from weir.risk import bench\n"
        "book = bench.made_up_book(bench.ACCOUNTS)\n"
        "threads, impact = bench.Threads(), bench.made_up_impact(book)\n"
        "bench.simulate(book, bench.made_up_model(), impact, paths=bench.PATHS, executor=threads)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


gpus: Any = numba.cuda  # which has no types


def measure(workers: int, progress: Callable[[str], None] = lambda _: None) -> dict[str, Any]:
    """All figures, in one run."""
    progress("the kernel and its peers")
    peers = _peers(workers)
    progress("cost by accounts and paths")
    scaling = _scaling(workers)
    progress("memory")
    return {
        "machine": {"cores": workers, "processor": _processor(), "gpu": bool(gpus.is_available())},
        "peers": peers,
        "kernel_over_numpy": peers["weir"]["rate"] / peers[_named(CLEAN)]["rate"],
        "kernel_over_fastest_numpy": peers["weir"]["rate"] / _fastest_numpy(peers),
        "scaling": scaling,
        "full_over_kernel": scaling[-1]["full"] / scaling[-1]["kernel"],
        "peak_mib": _peak_memory(),
    }


def report(figures: dict[str, Any]) -> str:
    """The figures as Markdown."""
    machine, peers, scaling = figures["machine"], figures["peers"], figures["scaling"]
    clean, best = peers[_named(CLEAN)]["rate"], _fastest_numpy(peers)
    lines = [
        "# Speed of the simulation",
        "",
        f"By `make bench-risk`, in one run on {machine['cores']} cores ({machine['processor']}); best of "
        f"{ROUNDS}, taking turns. The ratios are what counts.",
        "",
        f"## The sum of shortfalls: {ACCOUNTS:,} accounts, {MARKETS} factors",
        "",
        f"| | account-scenarios a second | times NumPy, {CLEAN} | times the fastest NumPy | greatest error |",
        "| --- | ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {name} | {each['rate'] / 1e9:.2f} billion | {each['rate'] / clean:.1f} "
        f"| {each['rate'] / best:.1f} | {each['error']:.0e} |"
        for name, each in peers.items()
    ]
    lines += [
        "",
        f"NumPy: product, maximum and sum, a part of the paths on each core. JAX: `jit` on the CPU"
        f"{'' if any(name.startswith('jax') for name in peers) else '; it is not installed here'}. Both on "
        f"{CHUNK:,} paths, JAX in the fastest of batches of {', '.join(map(str, ROWS))}; Weir on {PATHS:,}. "
        "Errors are parts of the greatest loss. "
        "QuantLib prices instruments and has nothing that sums shortfalls of accounts: no peer. "
        "With bounds, blocks that can have no loss are left out: the same bits; how much faster depends "
        "on the book.",
        "",
        "## The full model",
        "",
        "Factors, cascade and losses against the kernel alone without bounds, on the same book (three "
        "markets, daily steps, square-root impact with a depth of 100 times all positions' notional).",
        "",
        "Ns are for an account on a path.",
        "",
        "| accounts | paths | kernel, s | kernel, ns | full, s | full, ns | full / kernel |",
        "| ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in scaling:
        size = row["accounts"] * row["paths"] / 1e9
        lines.append(
            f"| {row['accounts']:,} | {row['paths']:,} | {row['kernel']:.4f} | {row['kernel'] / size:.3f} "
            f"| {row['full']:.4f} | {row['full'] / size:.3f} | {row['full'] / row['kernel']:.1f} |"
        )
    gpu = "A GPU is there." if machine["gpu"] else "There is no GPU here, so `device=cuda` was not measured."
    memory = f"Peak memory of the largest full run, interpreter included: {figures['peak_mib']:.0f} MiB."
    return "\n".join([*lines, "", memory, "", gpu, ""])


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option("--workers", type=click.IntRange(min=1), default=os.cpu_count(), show_default=True)
@click.option("--write", is_flag=True, help="Also write docs/risk-speed.md and bench/risk.json.")
def command(as_json: bool, workers: int, write: bool) -> None:
    """Measure the simulation's speed beside its peers."""
    with Console(stderr=True).status("measuring") as status:
        figures = measure(workers, status.update)
    if write:
        Path("docs/risk-speed.md").write_text(report(figures), encoding="utf-8")
        Path("bench/risk.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    click.echo(json.dumps(figures, indent=1) if as_json else report(figures))


if __name__ == "__main__":
    command()
