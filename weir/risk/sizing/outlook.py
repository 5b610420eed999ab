"""Whether the fund lasts a year, how fast it fills, and how the model has held on these prices."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from weir.risk.backtest.rolling import backtest
from weir.risk.inputs.prices import PriceHistory
from weir.risk.measures.replenishment import Activity, daily_income, replenish
from weir.risk.measures.ruin import ruin_in_a_year
from weir.risk.memo import BacktestRow, BacktestSummary, FundingOutlook, Target
from weir.risk.parameters import RiskParameters
from weir.risk.simulation import engine
from weir.risk.simulation.executors import Executor
from weir.risk.sizing.case import Case, over
from weir.risk.sizing.figures import estimate

__all__ = ["Progress", "backtested", "outlook"]

Floats = NDArray[np.float64]
Progress = Callable[[str, float], None]
"""Called with what is being done, and how much of it is (0 to 1)."""

TRAJECTORY_DAYS = 365


def outlook(case: Case, target: Target, executor: Executor) -> FundingOutlook:
    """Ruin, growth and recovery, with income under the funding policy."""
    p, assets = case.parameters.funding, case.book.fund.assets
    interest = sum(case.book.open_interest().values())
    fees = interest * p.turnover * p.fee
    activity = Activity(fees=fees, open_interest=interest, posted=target.value)
    path = replenish(p.policy, assets, activity, goal=target.value)
    shortfall = target.parts[0].value
    after = replenish(p.policy, assets, activity, loss=shortfall, goal=target.value)
    ruin = ruin_in_a_year(
        _losses_of_a_day(case, executor),
        1,
        assets,
        p.policy,
        activity,
        cover=case.book.fund.guaranty,
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
        assumptions=(
            f"{p.turnover:g} times open interest is traded a day at {p.fee:.3%} for both sides, "
            f"{fees:,.0f} USD of fees; open interest stays at {interest:,.0f} USD; the target is posted; "
            f"recovery is from a loss of {shortfall:,.0f} USD; for ruin, each day has {_gaps(case)} moves as "
            "forecast now, within which nobody is liquidated"
        ),
    )


def _gaps(case: Case) -> int:
    return round(24 / case.parameters.liquidation_hours)


def _losses_of_a_day(case: Case, executor: Executor) -> Floats:
    """(N,) USD: the sum of what each of a day's gaps costs, drawn independently from one gap's losses."""
    p, gaps = case.parameters, _gaps(case)
    model = case.model if p.horizon_days == 1 == gaps else over(case.bar, 1 / gaps, case.bar_days)
    found = engine.simulate(case.exposures, model, case.impact, paths=p.paths, seed=p.seed, executor=executor)
    generator = np.random.Generator(np.random.Philox(p.seed))
    total = np.zeros(p.paths)
    for _ in range(gaps):
        total += generator.choice(found.losses, p.paths)
    return total


def backtested(
    prices: Mapping[str, PriceHistory], parameters: RiskParameters, tell: Progress
) -> BacktestSummary:
    rows: list[BacktestRow] = []
    strips: dict[str, dict[str, Any]] = {}
    for done, (name, history) in enumerate(prices.items()):

        def advance(step: int, steps: int, done: int = done) -> None:
            tell("backtest", (done + step / steps) / len(prices))

        found = backtest(history.times, history.closes, models=(parameters.model,), progress=advance)
        rows += [
            BacktestRow(
                market=name,
                model=each.model,
                level=each.level,
                observations=len(each.hits),
                exceptions=each.exceptions,
                expected=each.expected,
                p_values=dict(each.p_values),
                zone=each.zone,
            )
            for each in found.results
        ]
        shown = max(found.results, key=lambda each: each.level)
        strips[name] = {
            "level": shown.level,
            "times": found.times.astype("datetime64[s]").astype(np.int64).tolist(),
            "losses": (-found.returns).tolist(),
            "var": shown.var.tolist(),
            "exceptions": np.flatnonzero(shown.hits).tolist(),
        }
    return BacktestSummary(rows=tuple(rows), strips=strips)
