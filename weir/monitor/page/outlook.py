"""How fast the fund fills again, from what it takes now, by the risk engine's replenishment."""

from __future__ import annotations

from dataclasses import dataclass

from weir.monitor.watch import Reading
from weir.parameters import from_units
from weir.risk.measures.replenishment import Activity, daily_income, replenish
from weir.risk.parameters import FundingAssumptions

__all__ = ["DAYS", "Outlook", "outlook"]

DAYS = 3_650
"""Days that are looked ahead."""
SHOWN = 365


@dataclass(frozen=True, slots=True)
class Outlook:
    """Without another loss. Money is USD."""

    fees: float
    """Trading fees a day, all markets."""
    measured: bool
    """Those of the last day, or since a younger deployment; else assumed, `turnover` times open interest."""
    turnover: float
    income: float
    """What the fund takes a day now: its share of fees, and the premium on open interest."""
    target: float
    half_life: float | None
    """Days until half of what is missing is there; 0 where nothing is, None beyond `DAYS`."""
    days_to_target: float | None
    """With an income that falls as the fund fills, unlike `weir.monitor.replenishment`'s `days_at_income`."""
    path: tuple[float, ...]
    """The fund by day, from today on; up to the target, or a year."""


def outlook(reading: Reading, fees: float | None) -> Outlook:
    """`fees`: USD a day; None where nobody knows."""
    decimals, fund = reading.deployment.decimals, reading.fund
    policy, assumed = reading.seen.policy, FundingAssumptions()
    interest = float(from_units(sum(market.notional for market in reading.markets), decimals))
    daily = interest * assumed.turnover * assumed.fee if fees is None else fees
    posted = float(from_units(fund.posted_target, decimals)) if fund.fresh else 0.0
    assets, target = (float(from_units(units, decimals)) for units in (fund.assets, fund.target))
    activity = Activity(fees=daily, open_interest=interest, posted=posted)
    found = replenish(policy, assets, activity, days=DAYS, goal=target)
    last = SHOWN if found.days_to_target is None else min(SHOWN, max(int(1.25 * found.days_to_target) + 1, 7))
    return Outlook(
        fees=daily,
        measured=fees is not None,
        turnover=assumed.turnover,
        income=float(daily_income(policy, assets, activity)),
        target=target,
        half_life=found.half_life,
        days_to_target=found.days_to_target,
        path=tuple(found.assets[: last + 1].tolist()),
    )
