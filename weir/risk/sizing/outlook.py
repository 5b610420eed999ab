"""Whether the fund lasts a year, how fast it fills, and how the model has held on these prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir.risk.backtest.coverage import ZONED
from weir.risk.backtest.rolling import LEAST_FORECASTS, backtest
from weir.risk.inputs.prices import PriceHistory
from weir.risk.measures.replenishment import Activity, daily_income, replenish
from weir.risk.measures.ruin import ruin_in_a_year
from weir.risk.memo import BacktestRow, BacktestSummary, FundingOutlook, Target
from weir.risk.parameters import RiskParameters
from weir.risk.simulation import engine
from weir.risk.sizing.case import Case
from weir.risk.sizing.figures import estimate

__all__ = ["WINDOW", "Progress", "backtested", "outlook"]

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of it is (0 to 1)."""

WINDOW = 1_000
"""Bars from which each forecast of the backtest is made."""
TRAJECTORY_DAYS = 365


def outlook(case: Case, paths: engine.Paths, target: Target) -> FundingOutlook:
    """Ruin, growth and recovery, with income under the funding policy."""
    p, assets = case.parameters.funding, case.book.fund.assets
    interest = sum(case.book.open_interest().values())
    fees = interest * p.turnover * p.fee
    activity = Activity(fees=fees, open_interest=interest, posted=target.value)
    path = replenish(p.policy, assets, activity, goal=target.value)
    shortfall = target.parts[0].value
    after = replenish(p.policy, assets, activity, loss=shortfall, goal=target.value)
    taken, days = _of_whole_days(case, paths)
    ruin = ruin_in_a_year(
        taken[0],
        days,
        assets,
        p.policy,
        activity,
        reserve_losses=taken[1],
        seed=case.parameters.seed,
        confidence=case.parameters.confidence,
    )
    return FundingOutlook(
        ruin=estimate(ruin.ruin),
        days_to_target=path.days_to_target,
        half_life_days=path.half_life,
        recovery_days=after.half_life,
        income_day=float(daily_income(p.policy, assets, activity)),
        trajectory_days=tuple(float(day) for day in range(TRAJECTORY_DAYS + 1)),
        trajectory=tuple(path.assets[: TRAJECTORY_DAYS + 1].tolist()),
        year_end=tuple(ruin.assets.tolist()),
        assumptions=(
            f"{p.turnover:g} times open interest is traded a day at {p.fee:.3%} for both sides, "
            f"{fees:,.0f} USD of fees; open interest stays at {interest:,.0f} USD; the target is posted; "
            f"recovery is from a loss of {shortfall:,.0f} USD; for ruin, every horizon is like the next"
        ),
    )


def _of_whole_days(case: Case, paths: engine.Paths) -> tuple[tuple[Floats, Floats], int]:
    """(N,) losses, (N,) reserve losses, in how many days; of one, where the horizon is a part of it."""
    losses, reserve = paths.losses, case.reserve_losses(paths.stablecoins)
    parts = round(1 / case.parameters.horizon_days)
    if parts <= 1:
        return (losses, reserve), max(round(case.parameters.horizon_days), 1)
    generator = np.random.Generator(np.random.Philox(case.parameters.seed))
    drawn = np.zeros((2, len(losses)))
    for _ in range(parts):
        drawn += np.stack([losses, reserve])[:, generator.integers(len(losses), size=len(losses))]
    return (drawn[0], drawn[1]), 1


def backtested(
    prices: Mapping[str, PriceHistory], parameters: RiskParameters, tell: Progress
) -> BacktestSummary | None:
    """Of the markets whose history is long enough; None where none is."""
    rows: list[BacktestRow] = []
    strips: dict[str, dict[str, Any]] = {}
    long_enough = {n: h for n, h in prices.items() if len(h.times) > WINDOW + LEAST_FORECASTS}
    for done, (name, history) in enumerate(long_enough.items()):

        def advance(step: int, steps: int, done: int = done) -> None:
            tell("backtest", (done + step / steps) / len(long_enough))

        found = backtest(
            history.times, history.closes, models=(parameters.model,), window=WINDOW, progress=advance
        )
        rows += [
            BacktestRow(
                market=name,
                model=each.model,
                level=each.level,
                observations=len(each.hits),
                exceptions=each.exceptions,
                expected=each.expected,
                p_values=dict(each.p_values),
                zone=each.zone if each.level == ZONED else None,
            )
            for each in found.results
        ]
        shown = max(found.results, key=lambda each: each.level)
        strips[name] = {
            "level": shown.level,
            "times": found.times.astype("datetime64[s]").astype(np.int64).tolist(),
            "losses": (-np.expm1(found.returns)).tolist(),
            "var": (-np.expm1(-shown.var)).tolist(),
            "exceptions": np.flatnonzero(shown.hits).tolist(),
        }
    return BacktestSummary(rows=tuple(rows), strips=strips) if rows else None
