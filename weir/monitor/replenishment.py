"""How fast the fund fills up, and how long it would go on to its target, from the index's days."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from weir.monitor.watch import Reading
from weir.status import DAY, HOUR

if TYPE_CHECKING:
    from weir.index.queries import Day

__all__ = ["WEEK", "Replenishment", "replenishment"]

WEEK = 7 * DAY
LEAST = HOUR
"""Seconds that the days must span before a rate is made of them."""


@dataclass(frozen=True, slots=True)
class Replenishment:
    """Of the last week, or since the deployment where that is later, up to a reading.

    `income` is USD a day that reached the insurance and the guaranty fund; `utilisation` what the insurance
    fund paid, over what it had at the beginning (None where it had nothing); `days_to_target` how long that
    income would take from the assets of now to the target: 0 at it or above, None where there is no income.
    """

    income: float
    utilisation: float | None
    days_to_target: float | None


def replenishment(reading: Reading, days: Sequence[Day]) -> Replenishment | None:
    """None where the days that are indexed span less than an hour."""
    week = [day for day in days if day.start > reading.time - WEEK - DAY]
    if not week:
        return None
    began = max(reading.deployed_at, week[0].start)
    elapsed = reading.time - began
    if elapsed < LEAST:
        return None
    scale = 10**reading.deployment.decimals
    income = sum(day.income for day in week) / scale * DAY / elapsed
    missing = max(0, reading.fund.target - reading.fund.assets) / scale
    return Replenishment(
        income=income,
        utilisation=sum(day.losses for day in week) / week[0].fund if week[0].fund else None,
        days_to_target=missing / income if income > 0 else None if missing else 0.0,
    )
