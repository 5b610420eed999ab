"""How fast the fund fills again: what the funding policy takes from fees and open interest, day by day.

SPECIFICATION.md, section 6.1, with its roundings of rates to whole ppm. Two things it says are left out, and
work against each other: contributions for new risk, and the members' part of income once skin is full.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from weir.parameters import FundingParameters
from weir.risk.errors import RiskError
from weir.units import MILLION

__all__ = [
    "Activity",
    "Replenishment",
    "daily_income",
    "fund_share",
    "premium_rate",
    "replenish",
]

Floats = NDArray[np.float64]

DAYS_A_YEAR = 365
"""The policy's: 8,760 hours."""
MOST_DAYS = 36_500


@dataclass(frozen=True, slots=True)
class Activity:
    """What traders do on a day, and what is asked of the fund for it. USD."""

    fees: float
    """Trading fees of all markets in a day."""
    open_interest: float
    """Notional of one side, all markets together."""
    posted: float = 0.0
    """The posted target; 0: none is fresh."""

    def __post_init__(self) -> None:
        for name in ("fees", "open_interest", "posted"):
            value = getattr(self, name)
            if not (value >= 0 and math.isfinite(value)):
                raise RiskError(f"{name}: at least 0 (got {value})")

    def target(self, policy: FundingParameters) -> float:
        """What the fund should hold: the formula's target, or a larger posted one up to its bound."""
        most = self.open_interest * policy.max_target_ratio / MILLION
        return max(self.open_interest * policy.target_ratio / MILLION, min(self.posted, most))


@dataclass(frozen=True, slots=True)
class Replenishment:
    """The fund's way back, without another loss."""

    assets: Floats
    """(days + 1,) USD, the first after the loss."""
    days_to_target: float | None
    """None: not within the days looked at."""
    half_life: float | None
    """Days until half of the gap to the target is filled; 0 where there is none, None as above."""


def fund_share(policy: FundingParameters, assets: ArrayLike, activity: Activity) -> Floats:
    """The fund's share of fees, a fraction, of the shape of `assets` (USD; below 0 counts as 0)."""
    coverage = _coverage(assets, activity.target(policy))
    with np.errstate(invalid="ignore"):
        share = policy.share_at_target + np.floor(policy.share_slope * (MILLION - coverage) / MILLION)
    share = np.where(np.isinf(coverage), policy.share_min, share)
    return np.asarray(np.clip(share, policy.share_min, policy.share_max) / MILLION)


def premium_rate(policy: FundingParameters, assets: ArrayLike, activity: Activity) -> Floats:
    """What open interest pays a year on each side, a fraction, of the shape of `assets`."""
    coverage, start, end = _coverage(assets, activity.target(policy)), policy.stress_from, policy.stop_below
    # Where both are one there is nothing between: at `start` stress is 0, and below it full.
    slope = np.ceil((start - np.minimum(coverage, start)) * MILLION / max(start - end, 1))
    stress = np.where(coverage >= start, 0, np.where(coverage <= end, MILLION, slope))
    extra = np.ceil((policy.premium_max - policy.premium_min) * stress / MILLION)
    return np.asarray((policy.premium_min + extra) / MILLION)


def daily_income(policy: FundingParameters, assets: ArrayLike, activity: Activity) -> Floats:
    """A day's income at these assets, USD, of their shape: the share of fees, and both sides' premium.

    It never rises with assets.
    """
    premium = 2 * activity.open_interest * premium_rate(policy, assets, activity) / DAYS_A_YEAR
    return np.asarray(fund_share(policy, assets, activity) * activity.fees + premium)


def replenish(
    policy: FundingParameters,
    assets: float,
    activity: Activity,
    loss: float = 0.0,
    days: int = 3_650,
    goal: float | None = None,
) -> Replenishment:
    """The fund from `assets` less `loss` on (USD, at least 0 left), the same activity every day.

    The target is the policy's, or `goal` where the fund should hold more than the policy counts. Days to a
    level are counted within a day in proportion. Raises `RiskError` for amounts below 0 or not finite, and
    for days outside 1 to 36,500.
    """
    for name, value in (("assets", assets), ("loss", loss)):
        if not (value >= 0 and math.isfinite(value)):
            raise RiskError(f"{name}: at least 0 (got {value})")
    if not 1 <= days <= MOST_DAYS:
        raise RiskError(f"days: from 1 to {MOST_DAYS} (got {days})")
    path = np.empty(days + 1)
    path[0] = max(assets - loss, 0.0)
    for day in range(days):
        path[day + 1] = path[day] + daily_income(policy, path[day], activity)
    target = activity.target(policy) if goal is None else goal
    return Replenishment(
        assets=path,
        days_to_target=_first(path, target),
        half_life=_first(path, target - (target - path[0]) / 2) if path[0] < target else 0.0,
    )


def _coverage(assets: ArrayLike, target: float) -> Floats:
    """ppm, whole; infinite where nothing is asked for."""
    held = np.maximum(np.asarray(assets, dtype=np.float64), 0)
    if not target:
        return np.full(held.shape, math.inf)
    with np.errstate(over="ignore"):
        # Beyond any bend of the curves, and still finite.
        return np.asarray(np.floor(np.minimum(held * MILLION / target, 1e15)))


def _first(path: Floats, level: float) -> float | None:
    """The day, a fraction among them, on which a rising path reaches a level."""
    if path[0] >= level:
        return 0.0
    after = int(np.searchsorted(path, level))
    if after == len(path):
        return None
    return after - 1 + float((level - path[after - 1]) / (path[after] - path[after - 1]))
