"""Creditworthiness of accounts: a score, the tier to post, why, and each account's part of the target.

The score is 1000 · Σ weight · quality over six risks, each quality falling from 1 (no concern) to 0 (worst)
between two documented marks, in the logarithm for probabilities and else evenly. It is monotone in every
risk, and says what each one costs: an expert scorecard, not a fitted model, for there are no defaults to fit
one to. Everything is vectorised over accounts.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from weir.risk.errors import RiskError
from weir.risk.simulation.exposures import Exposures

__all__ = ["Credit", "CreditParameters", "Marks", "Reason", "Risks", "assess", "measure", "score", "tiers"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

NEW_TIER, WORST_TIER = 2, 4
"""SPECIFICATION.md section 6.1: without a posted tier, and the last one."""

_Weight = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class Marks(BaseModel):
    """Where a risk starts to cost points, and where it costs all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weight: _Weight
    """Of the score."""
    good: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    bad: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class CreditParameters(BaseModel):
    """Weights sum to 1; thresholds fall; of the marks only the distance's good one is the larger."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    default: Marks = Marks(weight=0.30, good=1e-5, bad=0.1)
    """Probability of default over the horizon."""
    tail: Marks = Marks(weight=0.20, good=0.0, bad=0.02)
    """The account's part of expected shortfall over its notional."""
    distance: Marks = Marks(weight=0.20, good=6.0, bad=0.0)
    """Daily deviations of its own profit and loss to its liquidation."""
    leverage: Marks = Marks(weight=0.15, good=1.0, bad=20.0)
    """Notional over equity."""
    concentration: Marks = Marks(weight=0.10, good=0.02, bad=0.5)
    """The largest share of a market's open interest that its owner has."""
    collateral: Marks = Marks(weight=0.05, good=0.0, bad=1.0)
    """Part of equity that is other stablecoins."""
    thresholds: tuple[float, float, float, float] = (850.0, 700.0, 500.0, 300.0)
    """Least scores of the tiers 0 to 3."""
    margin: Annotated[float, Field(ge=0, le=200)] = 25.0
    """How far beyond a threshold a score must be for the tier to change."""
    notable: Annotated[float, Field(gt=0, le=1_000)] = 25.0
    """Points that a risk costs from which on it is a reason."""

    @model_validator(mode="after")
    def _sound(self) -> Self:
        marks = {name: getattr(self, name) for name in RISKS}
        if not math.isclose(total := sum(m.weight for m in marks.values()), 1, abs_tol=1e-9):
            raise ValueError(f"weights must sum to 1 (got {total})")
        for name, m in marks.items():
            if (m.good <= m.bad) if name == "distance" else (m.good >= m.bad):
                raise ValueError(f"{name}: good must be {'above' if name == 'distance' else 'below'} bad")
        if self.default.good <= 0 or self.default.bad > 1:
            raise ValueError("default: probabilities, above 0")
        bounds = (1_000.0, *self.thresholds, 0.0)
        if any(high <= low for high, low in itertools.pairwise(bounds)):
            raise ValueError("thresholds must fall, between 1000 and 0")
        return self


RISKS = ("default", "tail", "distance", "leverage", "concentration", "collateral")
CODES = ("DEFAULT_RISK", "TAIL_LOSS", "NEAR_LIQUIDATION", "LEVERAGE", "CONCENTRATION", "COLLATERAL_DEPEG")
"""Of the risks, in their order."""
DEFAULTS = CreditParameters()


@dataclass(frozen=True, slots=True)
class Risks:
    """(n,) each, as `CreditParameters` says; accounts without positions have none."""

    default: Floats
    tail: Floats
    distance: Floats
    leverage: Floats
    concentration: Floats
    collateral: Floats
    alone: Floats
    """Concentration without the rest of the group."""


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a score or tier is what it is: for machines, and for people."""

    code: str
    words: str


@dataclass(frozen=True, slots=True)
class Credit:
    """(n,) each."""

    scores: Floats
    """0 to 1000, higher is better."""
    tiers: Ints
    """What to post."""
    standing: Ints
    """What stood; 2 where none was posted."""
    contributions: Floats
    """USD: what the account's risk asks of the fund; they sum to the target."""
    risks: Risks
    costs: Floats
    """(n, 6) points that each risk costs."""
    fixed: Bools
    """Held, as the last move is less than a day old."""
    held: Bools
    """Held by hysteresis: the score is beyond a threshold, but not by the margin."""
    limited: Bools
    """More than one tier was due."""
    notable: float

    def reasons(self, i: int) -> tuple[Reason, ...]:
        """Account i's, the costliest risk first, then what became of its tier."""
        found = []
        for j in np.argsort(-self.costs[i], kind="stable"):
            if self.costs[i, j] >= self.notable:
                found.append(Reason(CODES[j], f"{self._words(RISKS[j], i)}: {self.costs[i, j]:.0f} points"))
                if RISKS[j] == "concentration" and self.risks.concentration[i] > self.risks.alone[i]:
                    own = f"{self.risks.alone[i]:.1%}"
                    found.append(Reason("GROUP", f"counted with its group, alone it would be {own}"))
        if self.fixed[i]:
            found.append(Reason("FIXED", f"tier {self.tiers[i]} was posted less than a day ago"))
        elif self.held[i]:
            found.append(
                Reason("HYSTERESIS", f"tier {self.tiers[i]} stays until the score has passed the margin")
            )
        elif self.limited[i]:
            found.append(
                Reason("ONE_STEP", f"tier {self.tiers[i]} for now, as a tier moves by one at a time")
            )
        return tuple(found)

    def _words(self, risk: str, i: int) -> str:
        value = float(getattr(self.risks, risk)[i])
        return {
            "default": f"defaults with a probability of {value:.2%}",
            "tail": f"costs the fund {value:.2%} of its notional in the tail",
            "distance": f"{value:.1f} daily deviations from liquidation",
            "leverage": f"leverage {value:.1f}x" if value < math.inf else "no equity left",
            "concentration": f"{value:.1%} of a market's open interest",
            "collateral": f"{value:.0%} of equity in stablecoins that may lose their par",
        }[risk]


def measure(
    exposures: Exposures,
    covariance: ArrayLike,
    default_probability: ArrayLike,
    shortfall: ArrayLike,
    groups: Sequence[str | None],
) -> Risks:
    """The six risks of n accounts.

    `covariance` (K, K) of the factors' daily relative changes; `default_probability` (n,) over the horizon;
    `shortfall` (n,) USD, each account's Euler share of ES; `groups` (n,), None: of none, whose members'
    positions count together in concentration. The distance to liquidation is, to first order, what equity is
    beyond margin over the deviation of `(notional - margin) @ m`. Raises `RiskError` for shapes that don't
    fit, and for figures out of range.
    """
    n, k = exposures.notional.shape
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (k, k):
        raise RiskError(f"covariance: {k} by {k} (got shape {matrix.shape})")
    default = _column("default_probability", default_probability, n, 1.0)
    share = _column("shortfall", shortfall, n, math.inf)
    if len(groups) != n:
        raise RiskError(f"groups: one for each of {n} accounts (got {len(groups)})")
    positions, coins = np.split(exposures.notional, [exposures.markets], axis=1)
    gross = np.abs(positions).sum(axis=1)
    # An account that owes without a position can only default.
    active, equity = (gross > 0) | (exposures.resources < 0), exposures.equity
    room = equity - exposures.margin.sum(axis=1)
    sensitive = exposures.notional - exposures.margin
    deviation = np.sqrt(np.maximum(np.einsum("ij,ij->i", sensitive @ matrix, sensitive), 0))
    positive = equity > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where(room > 0, room / deviation, 0.0)
        leverage = np.where(positive, gross / equity, math.inf)
        collateral = np.where(positive, np.clip(coins.sum(axis=1) / equity, 0, 1), (coins > 0).any(axis=1))
        tail = np.where(gross > 0, share / gross, math.inf)
    alone, together = _concentration(positions, groups)
    return Risks(
        default=np.where(active, default, 0.0),
        tail=np.where(active, tail, 0.0),
        distance=np.where(active, distance, math.inf),
        leverage=np.where(active, leverage, 0.0),
        concentration=np.where(active, together, 0.0),
        collateral=np.where(active, collateral, 0.0),
        alone=np.where(active, alone, 0.0),
    )


def score(risks: Risks, parameters: CreditParameters = DEFAULTS) -> tuple[Floats, Floats]:
    """Scores (n,) from 0 to 1000, and (n, 6) the points that each risk costs: 1000 less their sum."""
    costs = []
    for name in RISKS:
        marks: Marks = getattr(parameters, name)
        value, good, bad = getattr(risks, name), marks.good, marks.bad
        if name == "default":
            value, good, bad = np.log(np.maximum(value, good)), math.log(good), math.log(bad)
        costs.append(1_000 * marks.weight * np.clip((value - good) / (bad - good), 0, 1))
    found = np.stack(costs, axis=1)
    return np.clip(1_000 - found.sum(axis=1), 0, 1_000), found


def tiers(
    scores: ArrayLike,
    standing: ArrayLike,
    fixed: ArrayLike,
    parameters: CreditParameters = DEFAULTS,
) -> tuple[Ints, Bools, Bools]:
    """The next tiers (n,), and where hysteresis held one, and where one step was not all that was due.

    `standing` (n,) are those that stand, from 0 to 4, -1 where none is posted, which counts as 2; `fixed`
    (n,) says which may not move. A tier gets better by one when the score is at least the better tier's
    threshold plus the margin, worse by one when it is below its own threshold less the margin: a score that
    stays within the margin of a threshold never moves a tier, whichever side it came from. Raises `RiskError`
    for tiers that don't exist.
    """
    now, held_still = np.asarray(standing), np.asarray(fixed, dtype=np.bool_)
    points = np.asarray(scores, dtype=np.float64)
    if not points.shape == now.shape == held_still.shape:
        raise RiskError(f"standing, fixed: one for each of {len(points)} accounts (got {len(now)})")
    if now.size and (now.min() < -1 or now.max() > WORST_TIER):
        raise RiskError(f"standing: tiers from 0 to {WORST_TIER}, or -1 (got {now.min()} to {now.max()})")
    now = np.where(now < 0, NEW_TIER, now).astype(np.int64)
    least = np.array([*parameters.thresholds, -math.inf])
    above = np.array([math.inf, *parameters.thresholds])
    step = np.where(points >= above[now] + parameters.margin, -1, 0)
    step = np.where(points < least[now] - parameters.margin, 1, step)
    plain = (points[:, None] < np.array(parameters.thresholds)).sum(axis=1)
    moved = np.where(held_still, 0, step)
    held = ~held_still & (step == 0) & (plain != now)
    limited = (moved != 0) & (np.abs(plain - now) > 1)
    return now + moved, held, limited


def assess(
    exposures: Exposures,
    covariance: ArrayLike,
    default_probability: ArrayLike,
    shortfall: ArrayLike,
    standing: ArrayLike,
    fixed: ArrayLike,
    groups: Sequence[str | None],
    target: float,
    parameters: CreditParameters = DEFAULTS,
) -> Credit:
    """Everything at once; arguments as of `measure` and `tiers`, `target` in USD.

    An account's contribution is its Euler share of the target, target · shortfall/Σ shortfall: what of it the
    fund needs because of this account. All 0 where nobody contributes to the tail.
    """
    if not (target >= 0 and math.isfinite(target)):
        raise RiskError(f"target: at least 0 (got {target})")
    risks = measure(exposures, covariance, default_probability, shortfall, groups)
    scores, costs = score(risks, parameters)
    posted, held, limited = tiers(scores, standing, fixed, parameters)
    share = np.asarray(shortfall, dtype=np.float64)
    total = share.sum()
    before = np.asarray(standing)
    return Credit(
        scores=scores,
        tiers=posted,
        standing=np.where(before < 0, NEW_TIER, before).astype(np.int64),
        contributions=share * (target / total) if total > 0 else np.zeros_like(share),
        risks=risks,
        costs=costs,
        fixed=np.asarray(fixed, dtype=np.bool_),
        held=held,
        limited=limited,
        notable=parameters.notable,
    )


def _concentration(positions: Floats, groups: Sequence[str | None]) -> tuple[Floats, Floats]:
    """The largest share of a market's open interest: of the account alone, and with its group if more."""
    longs, shorts = np.maximum(positions, 0).sum(axis=0), np.maximum(-positions, 0).sum(axis=0)
    open_interest = np.maximum(longs, shorts)
    shares = np.divide(positions, open_interest, out=np.zeros_like(positions), where=open_interest > 0)
    alone = np.abs(shares).max(axis=1, initial=0)
    numbers = {group: i for i, group in enumerate(dict.fromkeys(g for g in groups if g is not None))}
    member = np.array(
        [numbers.get(group, -1) if group is not None else -1 for group in groups], dtype=np.int64
    )
    inside = member >= 0
    sums = np.zeros((len(numbers), positions.shape[1]))
    np.add.at(sums, member[inside], shares[inside])
    together = alone.copy()
    together[inside] = np.maximum(alone[inside], np.abs(sums).max(axis=1, initial=0)[member[inside]])
    return alone, together


def _column(name: str, values: ArrayLike, n: int, most: float) -> Floats:
    column = np.asarray(values, dtype=np.float64)
    if column.shape != (n,):
        raise RiskError(f"{name}: one for each of {n} accounts (got shape {column.shape})")
    if not ((column >= 0) & (column <= most) & np.isfinite(column)).all():
        raise RiskError(f"{name}: from 0 to {most} (got {column.min()} to {column.max()})")
    return column
