"""The fund's income against the exact model of the contracts, and how it fills again."""

from __future__ import annotations

import dataclasses
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.model.environment import Clock
from weir.model.funding import FundingPolicy
from weir.model.parameters import FundingParameters as ModelParameters
from weir.parameters import FundingParameters
from weir.risk.errors import RiskError
from weir.risk.measures.replenishment import (
    Activity,
    daily_income,
    fund_share,
    premium_rate,
    replenish,
)

POLICY = FundingParameters()
policies = st.builds(
    lambda shares, slope, premiums, coverages: FundingParameters(
        share_min=shares[0],
        share_at_target=shares[1],
        share_max=shares[2],
        share_slope=slope,
        premium_min=premiums[0],
        premium_max=premiums[1],
        stop_below=coverages[0],
        stress_from=coverages[1],
    ),
    st.lists(st.integers(500_000, 1_000_000), min_size=3, max_size=3).map(sorted),
    st.integers(0, 10_000_000),
    st.lists(st.integers(0, 500_000), min_size=2, max_size=2).map(sorted),
    st.tuples(st.integers(0, 1_000_000), st.integers(1_000_000, 5_000_000)),
)


def model(policy: FundingParameters, assets: int, notional: int, posted: int) -> FundingPolicy:
    """The contracts' exact model, a unit of S for a dollar."""
    known = {f.name for f in dataclasses.fields(ModelParameters)}
    shared = {k: v for k, v in policy.model_dump().items() if k in known}
    for name in ("cap_floor", "concentration_floor", "member_threshold"):
        shared[name] = int(shared[name])
    found = FundingPolicy(Clock(1_000_000, 1), SimpleNamespace(assets=assets), ModelParameters(**shared))
    found.observed[0] = notional
    if posted:
        found.posted, found.posted_at = posted, found.clock.time
    return found


@settings(deadline=None)
@given(policies, st.integers(0, 10**9), st.integers(0, 10**5).map(lambda n: n * 10**5), st.integers(0, 10**9))
def test_rates_are_the_models(policy: FundingParameters, assets: int, notional: int, posted: int) -> None:
    exact, activity = model(policy, assets, notional, posted), Activity(1.0, notional, posted)
    assert activity.target(policy) == exact.target(notional)
    assert fund_share(policy, assets, activity) * 1e6 == pytest.approx(exact.fund_share(notional), abs=1e-6)
    assert premium_rate(policy, assets, activity) * 1e6 == pytest.approx(exact.premium_rate(), abs=1e-6)


def test_the_worked_example_of_the_guide() -> None:
    """docs/funding.md: $70,000 for $2,000,000 of open interest is 70%, and the premium 2.08% a year."""
    activity = Activity(fees=0, open_interest=2_000_000)
    assert activity.target(POLICY) == 100_000
    assert float(premium_rate(POLICY, 70_000, activity)) == pytest.approx(0.0208, abs=1e-4)
    # Both sides: 2 · 2,000,000 · 2.0833…% / 365.
    assert float(daily_income(POLICY, 70_000, activity)) == pytest.approx(2 * 2e6 * 0.020834 / 365, rel=1e-4)
    # 80% at the target, 40 points more for each whole coverage that is missing.
    assert float(fund_share(POLICY, 70_000, activity)) == pytest.approx(0.92)


@settings(deadline=None)
@given(policies, st.floats(0, 1e6), st.floats(0, 1e6), st.floats(0, 1e7), st.floats(0, 1e4))
def test_income_never_rises_with_assets(
    policy: FundingParameters, a: float, b: float, open_interest: float, fees: float
) -> None:
    activity = Activity(fees, open_interest)
    less, more = daily_income(policy, np.sort([a, b]), activity)
    assert less >= more >= 0.5 * fees


def test_stress_without_a_slope() -> None:
    policy = POLICY.model_copy(update={"stress_from": 500_000, "stop_below": 500_000})
    activity = Activity(0, 2_000_000)
    assert premium_rate(policy, [49_999.0, 50_000.0], activity).tolist() == [0.1, 0.005]


def test_the_way_back() -> None:
    activity = Activity(fees=500, open_interest=2e6)
    found = replenish(POLICY, 100_000, activity, loss=60_000)
    assert found.assets[0] == 40_000
    assert found.half_life is not None
    assert found.days_to_target is not None
    assert 0 < found.half_life < found.days_to_target
    for days, level in ((found.half_life, 70_000), (found.days_to_target, 100_000)):
        before = math.floor(days)
        inside = found.assets[before] + (days - before) * (found.assets[before + 1] - found.assets[before])
        assert inside == pytest.approx(level)
    steps = np.diff(found.assets)
    np.testing.assert_allclose(steps, daily_income(POLICY, found.assets[:-1], activity))


def test_constant_income_is_a_straight_line() -> None:
    """With one share and one premium at any coverage, days are a division."""
    policy = FundingParameters(
        share_min=600_000, share_at_target=600_000, share_max=600_000, premium_min=36_500, premium_max=36_500
    )
    activity = Activity(fees=1_000, open_interest=1_000_000)  # 600 + 2 · 1,000,000 · 3.65%/365 = 800 a day
    found = replenish(policy, 50_000, activity, loss=40_000)
    assert found.days_to_target == pytest.approx(40_000 / 800)
    assert found.half_life == pytest.approx(20_000 / 800)
    more = replenish(policy, 50_000, activity, loss=40_000, goal=90_000)
    assert (more.days_to_target, more.half_life) == pytest.approx((100, 50))


def test_never_and_at_once() -> None:
    nothing = replenish(POLICY, 1_000, Activity(fees=0, open_interest=0), days=10)
    assert nothing.days_to_target == nothing.half_life == 0
    slow = replenish(POLICY, 0, Activity(fees=0.01, open_interest=0, posted=0), days=10)
    assert slow.days_to_target == 0
    free = POLICY.model_copy(update={"premium_min": 0, "premium_max": 0})
    never = replenish(free, 10, Activity(fees=0, open_interest=1e6), days=50)
    assert never.days_to_target is None
    assert never.half_life is None
    assert (never.assets == 10).all()
    assert replenish(POLICY, 5, Activity(1, 1e6), loss=7).assets[0] == 0


@pytest.mark.parametrize("arguments", [(-1, 0), (0, -1), (math.nan, 0), (0, math.inf), (0, 0, -1)])
def test_bad_activity_is_refused(arguments: tuple[float, ...]) -> None:
    with pytest.raises(RiskError, match="at least 0"):
        Activity(*arguments)


def test_bad_input_is_refused() -> None:
    activity = Activity(1, 1)
    with pytest.raises(RiskError, match="days"):
        replenish(POLICY, 1, activity, days=0)
    with pytest.raises(RiskError, match="assets"):
        replenish(POLICY, -1, activity)
