"""A fund's losses on many paths: the factors' moves, the cascade they set off, and what that costs.

Work is cut into chunks of `CHUNK` paths by number. A chunk is a pure function of the job and its number, and
chunks are put together in order: results are the same bits for any number of workers, wherever they are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir.risk.errors import RiskError
from weir.risk.simulation import lanes
from weir.risk.simulation.cascade import CloseOut, check_impact, close_out, margin_deficits, margin_slopes
from weir.risk.simulation.executors import Executor, Threads
from weir.risk.simulation.exposures import Exposures, Impact
from weir.risk.simulation.factors import Law, draw
from weir.risk.simulation.kernel import Deficits, columns, shortfall_deficits, shortfalls
from weir.risk.simulation.model import FactorModel
from weir.risk.simulation.order import neighbours

__all__ = [
    "CHUNK",
    "AccountEvents",
    "Job",
    "Paths",
    "Scenarios",
    "account_shortfalls",
    "account_statistics",
    "moves",
    "simulate",
]

Floats = NDArray[np.float64]
Progress = Callable[[int], None]

CHUNK = 16_384


@dataclass(frozen=True, slots=True)
class Job:
    """All that a chunk of paths depends on, prepared once."""

    law: Law
    margins: Deficits
    owed: Deficits
    impact: Impact
    markets: int
    paths: int
    seed: int
    device: str

    @classmethod
    def of(
        cls,
        exposures: Exposures,
        model: FactorModel,
        impact: Impact,
        paths: int,
        seed: int,
        device: str = "cpu",
    ) -> Job:
        if exposures.factors != model.factors or exposures.markets != len(model.mean):
            raise RiskError(f"factors: {exposures.factors} in the book, where the model has {model.factors}")
        if paths < 1:
            raise RiskError(f"paths: at least 1 (got {paths})")
        if not 0 <= seed < 2**64:
            raise RiskError(f"seed: from 0 to 2**64 - 1 (got {seed})")
        check_impact(impact, len(exposures.factors))
        margins, owed = margin_deficits(exposures), shortfall_deficits(exposures, exposures.resources)
        return cls(Law(model), margins, owed, impact, exposures.markets, paths, seed, device)

    @property
    def chunks(self) -> range:
        """The numbers of its chunks."""
        return range(-(-self.paths // CHUNK))

    def indices(self, number: int) -> NDArray[np.int64]:
        """The paths of a chunk."""
        return np.arange(number * CHUNK, min((number + 1) * CHUNK, self.paths))


@dataclass(frozen=True, slots=True)
class Paths:
    """What happened on N paths."""

    losses: Floats
    """(N,) USD that the fund pays."""
    stablecoins: NDArray[np.float32]
    """(N, A) relative change of each stablecoin."""
    closed_out: Floats
    """(N,) USD: gross notional liquidated, at the prices of now."""
    unconverged: int
    """Paths on which liquidations still moved prices after the last round."""


@dataclass(frozen=True, slots=True)
class AccountEvents:
    """What happens to each of n accounts, over the paths asked about."""

    liquidated: Floats
    """(n,) share of paths on which the account is liquidated."""
    defaulted: Floats
    """(n,) share on which it costs the fund."""
    loss: Floats
    """(n,) USD: mean cost to the fund, over all paths."""


def simulate(
    exposures: Exposures,
    model: FactorModel,
    impact: Impact,
    *,
    paths: int,
    seed: int = 0,
    executor: Executor | None = None,
    progress: Progress | None = None,
) -> Paths:
    """The fund's losses on `paths` paths.

    `executor` is one of `weir.risk.simulation.executors` (None: this thread), and `progress` is told how many
    paths are done. Raises RiskError for factors that differ, or parameters outside their range.
    """
    executor = executor or Threads(1)
    job = Job.of(exposures, model, impact, paths, seed, executor.device)
    coins = len(exposures.factors) - exposures.markets
    losses, closed, unconverged = np.empty(paths), np.empty(paths), 0
    stablecoins = np.empty((paths, coins), np.float32)
    done = 0
    for part in executor.map(_run, job, job.chunks):
        here = slice(done, done + len(part.losses))
        losses[here], closed[here], stablecoins[here] = part.losses, part.closed_out, part.stablecoins
        unconverged += part.unconverged
        done = here.stop
        if progress is not None:
            progress(done)
    return Paths(losses, stablecoins, closed, unconverged)


def moves(
    exposures: Exposures, model: FactorModel, impact: Impact, indices: NDArray[np.integer[Any]], seed: int
) -> Floats:
    """(P, K) close-out changes of the paths of these indices: the same that `simulate` had with this seed."""
    job = Job.of(exposures, model, impact, 1, seed)
    return _closed_out(job, indices)[0].changes


class Scenarios:
    """A book put down once, to ask for its losses at any number of given moves."""

    def __init__(self, exposures: Exposures) -> None:
        self.exposures = exposures
        self._margins = margin_deficits(exposures)
        self._owed = shortfall_deficits(exposures, exposures.resources)

    def losses_at(self, impact: Impact, changes: Floats, *, cascade: bool = True) -> tuple[Floats, Floats]:
        """(S,) USD losses, and their close-out changes (S, K).

        `changes` (S, K) are the factors' own; without the cascade accounts close at these.
        """
        changes = _checked(self.exposures, changes)
        if cascade:
            check_impact(impact, len(self.exposures.factors))
            changes = close_out(self._margins, self.exposures.markets, impact, changes).changes
        return shortfalls(self._owed, changes), changes


def account_shortfalls(exposures: Exposures, changes: Floats) -> Floats:
    """(P,) USD: what accounts owe beyond their equity, before anything in the guaranty fund pays."""
    return shortfalls(shortfall_deficits(exposures, exposures.equity), _checked(exposures, changes))


def account_statistics(
    exposures: Exposures,
    model: FactorModel,
    impact: Impact,
    *,
    paths: int,
    seed: int = 0,
    executor: Executor | None = None,
) -> AccountEvents:
    """Each account over the first `paths` paths: its probability of default, its expected loss."""
    executor = executor or Threads(1)
    job = Job.of(exposures, model, impact, paths, seed, executor.device)
    total = np.zeros((3, len(exposures.accounts)))
    for part in executor.map(_run_events, (job, exposures), job.chunks):
        total += part
    liquidated, defaulted, loss = total / paths
    return AccountEvents(liquidated, defaulted, loss)


# ---------------------------------------------------------------------- chunks


def _closed_out(job: Job, numbers: NDArray[np.integer[Any]]) -> tuple[CloseOut, Floats]:
    """Where paths end, and (P,) what they cost the fund, in the order of `numbers`."""
    if job.device == "cuda":
        from weir.risk.simulation.cuda import closed_out

        return closed_out(job.law, job.margins, job.owed, job.impact, job.markets, numbers, job.seed)
    changes = draw(job.law, numbers, job.seed)
    order = neighbours(changes, lanes.WIDTH)
    out = close_out(job.margins, job.markets, job.impact, changes[order])
    losses = shortfalls(job.owed, out.changes)
    back = np.argsort(order)
    return replace(out, changes=out.changes[back], closed=out.closed[back]), losses[back]


def _run(job: Job, number: int) -> Paths:
    """A chunk of `simulate`."""
    out, losses = _closed_out(job, job.indices(number))
    return Paths(losses, out.changes[:, job.markets :].astype(np.float32), out.closed, out.unconverged)


def _run_events(work: tuple[Job, Exposures], number: int) -> Floats:
    """A chunk of `account_statistics`: sums over its paths."""
    job, exposures = work
    out, _ = _closed_out(job, job.indices(number))
    return _events(exposures, out.changes)


def _events(exposures: Exposures, changes: Floats) -> Floats:
    """(3, n) over rows of changes: liquidations, losses, and USD lost."""
    close, owed = margin_slopes(exposures), (-exposures.notional, -exposures.resources)
    values = columns(np.column_stack([*close, *owed]))
    out = np.empty((3, len(values[0])))
    lanes.events(np.ascontiguousarray(changes, np.float32), values, tuple(out))
    return out[:, : len(exposures.accounts)]


def _checked(exposures: Exposures, changes: Floats) -> Floats:
    changes = np.asarray(changes, np.float64)
    if changes.ndim != 2 or not len(changes) or changes.shape[1] != len(exposures.factors):
        wanted = f"(rows, {len(exposures.factors)})"
        raise RiskError(f"changes: of shape {wanted}, at least one row (got {changes.shape})")
    if not (changes >= -1).all() or not np.isfinite(changes).all():
        raise RiskError("changes: finite, and at least -1 everywhere")
    return changes
