"""Who bears a loss: the fund's layers in the order of the waterfall, and what each should be paid for it.

SPECIFICATION.md, section 5: skin, junior, senior, the members' mutual guaranty, then opposing open interest,
which nobody covers. A market's budget, its coinsurance and the members' loss budget are not looked at here:
sizes are what may be used.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.layers import FUND_LAYERS
from weir.risk.errors import RiskError
from weir.risk.measures.intervals import Estimate, check_sample, probability

__all__ = ["LAYERS", "OPEN_INTEREST", "LayerRisk", "layer_risks", "split"]

Floats = NDArray[np.float64]

LAYERS = (*FUND_LAYERS, "mutual")
OPEN_INTEREST = "open interest"
YEAR = 365


@dataclass(frozen=True, slots=True)
class LayerRisk:
    """What a layer bears over the horizon, and what it should be paid a year."""

    name: str
    size: float
    """USD; infinite for open interest."""
    attachment: Estimate
    """Probability that it bears anything: that the loss is beyond the layers before it."""
    exhaustion: Estimate
    """Probability that it is gone."""
    expected_loss: float
    """USD in a horizon."""
    error: float
    """Standard error of that."""
    loaded_premium: float | None
    """Of size, a year: what pays the loss, and a load for risk; None where the size is 0 or infinite."""


def split(
    losses: ArrayLike,
    sizes: Mapping[str, float],
    reserve_losses: ArrayLike | None = None,
    spent: ArrayLike = 0.0,
) -> Floats:
    """What each layer loses on each path: (N, 5), USD, in the order of `LAYERS`, then open interest.

    `losses` (N,) are those of defaults. `reserve_losses` (N,) are what the fund's reserve lost as stablecoins
    left their par: skin's, then junior's and senior's, which have advanced for it (section 6.3), and never
    others'. Both eat layers from below, so that a layer loses the same whichever comes first. `spent` (N,) is
    what the defaulters' own contributions have paid already: the mutual layer is the others', and so much
    smaller. Each row sums to its losses. Raises `RiskError` for sizes that are missing, unknown, or below 0,
    and for losses below 0.
    """
    total, edges = _total(losses, sizes, reserve_losses), _edges(sizes, spent)
    borne: Floats = np.diff(np.minimum(total[:, None], edges), axis=1)
    return borne


def layer_risks(
    losses: ArrayLike,
    sizes: Mapping[str, float],
    days: float,
    reserve_losses: ArrayLike | None = None,
    spent: ArrayLike = 0.0,
    sharpe: float = 0.25,
    confidence: float = 0.95,
) -> tuple[LayerRisk, ...]:
    """Each layer's risk, and open interest's last; arguments as for `split`, whose errors are raised, too.

    A year has 365/days horizons, taken as independent, and the layer is made whole after each, so nothing
    compounds: a year's loss is the expected loss · 365/days. The loaded premium adds `sharpe` times the
    deviation of the year's loss over size, √(365/days) that of a horizon (the standard deviation principle,
    Bühlmann: Mathematical Methods in Risk Theory, 1970; as a reinsurer's load Kreps, Proc. CAS 77, 1990):
    what earns that ratio of mean to deviation on full collateral. Intervals are Clopper–Pearson's at
    `confidence`.
    """
    if not (days > 0 and math.isfinite(days)):
        raise RiskError(f"days: above 0 (got {days})")
    if not (sharpe >= 0 and math.isfinite(sharpe)):
        raise RiskError(f"sharpe: at least 0 (got {sharpe})")
    total, capacity = _total(losses, sizes, reserve_losses), [*_capacity(sizes), math.inf]
    borne, edges = split(losses, sizes, reserve_losses, spent), _edges(sizes, spent)
    horizons, paths, found = YEAR / days, len(total), []
    for i, (name, size) in enumerate(zip((*LAYERS, OPEN_INTEREST), capacity, strict=True)):
        reached = total > edges[:, i]
        gone = reached & (total >= edges[:, i + 1])
        mean, deviation = float(borne[:, i].mean()), float(borne[:, i].std(ddof=1)) if paths > 1 else math.nan
        rate = mean / size if 0 < size < math.inf else None
        found.append(
            LayerRisk(
                name=name,
                size=size,
                attachment=probability(int(reached.sum()), paths, confidence),
                exhaustion=probability(int(gone.sum()), paths, confidence),
                expected_loss=mean,
                error=deviation / math.sqrt(paths),
                loaded_premium=None
                if rate is None
                else rate * horizons + sharpe * deviation / size * math.sqrt(horizons),
            )
        )
    return tuple(found)


def _edges(sizes: Mapping[str, float], spent: ArrayLike) -> Floats:
    """(N or 1, 6) USD of loss at which each layer begins, and the last ends."""
    used = np.atleast_1d(np.asarray(spent, dtype=np.float64))
    capacity = np.repeat(_capacity(sizes)[None], len(used), axis=0)
    capacity[:, -1] = np.maximum(capacity[:, -1] - used, 0)
    ends = np.full((len(used), 1), math.inf)
    return np.hstack([np.zeros((len(used), 1)), np.cumsum(capacity, axis=1), ends])


def _capacity(sizes: Mapping[str, float]) -> Floats:
    if sizes.keys() != set(LAYERS):
        raise RiskError(f"sizes: one for each of {', '.join(LAYERS)} (got {', '.join(sizes)})")
    for name, size in sizes.items():
        if not (size >= 0 and math.isfinite(size)):
            raise RiskError(f"sizes: {name}: at least 0 (got {size})")
    return np.array([sizes[name] for name in LAYERS], dtype=np.float64)


def _total(losses: ArrayLike, sizes: Mapping[str, float], reserve_losses: ArrayLike | None) -> Floats:
    """What the layers lose together: a reserve's loss counts as far as there is a fund that can lose it."""
    defaults = check_sample("losses", losses)
    if (defaults < 0).any():
        raise RiskError(f"losses: at least 0 (got {defaults.min()})")
    if reserve_losses is None:
        return defaults
    reserve = check_sample("reserve_losses", reserve_losses)
    if reserve.shape != defaults.shape or (reserve < 0).any():
        raise RiskError("reserve_losses: one for each loss, and at least 0")
    _capacity(sizes)
    total: Floats = defaults + np.minimum(reserve, sum(sizes[name] for name in FUND_LAYERS))
    return total
