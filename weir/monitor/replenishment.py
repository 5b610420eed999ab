"""How fast the fund fills up, and how long it would go on to its target, from the index's days."""

from __future__ import annotations

from dataclasses import dataclass

from weir.monitor.index import LATE, IndexedDays
from weir.monitor.watch import Reading
from weir.units import DAY, HOUR

__all__ = ["WEEK", "Replenishment", "replenishment"]

WEEK = 7 * DAY
LEAST = HOUR
"""Seconds that the days must span before a rate is made of them."""


@dataclass(frozen=True, slots=True)
class Replenishment:
    """Of the last week: the seven UTC days before the index's newest block's, and that day up to it; or since
    the deployment, where that is later.

    `income` is USD a day that reached the insurance fund, without the members' part; `utilisation` what the
    fund paid, over what it had at the beginning (None where it had nothing); `days_at_income` how long that
    income would take from the assets of now to the target: 0 at it or above, None where there is no income.
    """

    income: float
    utilisation: float | None
    days_at_income: float | None


def replenishment(reading: Reading, indexed: IndexedDays) -> Replenishment | None:
    """None where the days that are indexed span less than an hour, or end long before the reading."""
    week = [day for day in indexed.days if day.start > indexed.until - WEEK - DAY]
    if not week or reading.time - indexed.until > LATE:
        return None
    began = max(reading.deployed_at, week[0].start)
    elapsed = indexed.until - began
    if elapsed < LEAST:
        return None
    scale = 10**reading.deployment.decimals
    income = sum(day.income for day in week) / scale * DAY / elapsed
    missing = max(0, reading.fund.target - reading.fund.assets) / scale
    return Replenishment(
        income=income,
        utilisation=sum(day.losses for day in week) / week[0].fund if week[0].fund else None,
        days_at_income=missing / income if income > 0 else None if missing else 0.0,
    )
