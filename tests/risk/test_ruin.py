"""Ruin: three ways to it, each against another."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.parameters import FundingParameters
from weir.risk.errors import RiskError
from weir.risk.measures.replenishment import Activity, daily_income
from weir.risk.measures.ruin import equilibrium, exponential_ruin, ruin, ruin_in_a_year

# Exponential claims of mean 1: exp(-loading·u/(1 + loading))/(1 + loading), Cramér–Lundberg, as in Asmussen
# and Albrecher: Ruin Probabilities, 2010, chapter IV.
KNOWN = [(0.2, 10, 0.157396), (0.5, 5, 0.125917), (1.0, 3, 0.111565)]
POLICY = FundingParameters()


@pytest.mark.parametrize(("loading", "reserve", "expected"), KNOWN)
def test_closed_form(loading: float, reserve: float, expected: float) -> None:
    assert exponential_ruin(loading, reserve) == pytest.approx(expected, abs=1e-6)
    assert exponential_ruin(loading, reserve * 7, mean=7) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize(("loading", "reserve", "expected"), KNOWN)
def test_the_grid_finds_the_closed_form(loading: float, reserve: float, expected: float) -> None:
    """An exponential claim's ladder heights are exponential, too."""
    found = ruin(loading, lambda x: -np.expm1(-x), reserve)
    assert found.value == pytest.approx(expected, abs=2e-6)
    assert found.low < expected < found.high
    assert found.high - found.low < 0.01


@settings(deadline=None, max_examples=20)
@given(st.floats(0.05, 3), st.floats(0.01, 20), st.integers(10, 300))
def test_the_bounds_hold_and_narrow(loading: float, reserve: float, steps: int) -> None:
    truth = exponential_ruin(loading, reserve)
    coarse, fine = (ruin(loading, lambda x: -np.expm1(-x), reserve, s) for s in (steps, 2 * steps))
    for found in (coarse, fine):
        assert found.low - 1e-12 <= truth <= found.high + 1e-12
    assert coarse.low - 1e-12 <= fine.low <= fine.high <= coarse.high + 1e-12


def test_constant_claims() -> None:
    """Claims of 1: ruin is 1 - (1 - r) Σ (-1)^k/k! (r(u - k))^k e^{r(u - k)}, r = 1/(1 + loading) (the
    waiting time of the M/D/1 queue, Erlang 1909)."""
    loading, reserve = 0.5, 3.5
    r = 1 / (1 + loading)
    terms = [
        (-1) ** k / math.factorial(k) * (r * (reserve - k)) ** k * math.exp(r * (reserve - k))
        for k in range(math.floor(reserve) + 1)
    ]
    found = ruin(loading, equilibrium([1.0]), reserve)
    assert found.value == pytest.approx(1 - (1 - r) * sum(terms), abs=1e-5)


def test_a_mixture_against_simulation() -> None:
    """Pareto claims, by the law of the largest loss: a geometric sum of ladder heights, drawn directly."""
    generator = np.random.default_rng(8)
    loading, reserve, shape = 0.3, 8.0, 2.5
    # Claims with survival (1 + x)^-shape have ladder heights of survival (1 + x)^-(shape - 1).
    numbers = generator.geometric(loading / (1 + loading), 200_000) - 1
    sums = np.zeros(len(numbers))
    np.add.at(sums, np.repeat(np.arange(len(numbers)), numbers), generator.pareto(shape - 1, numbers.sum()))
    found = ruin(loading, lambda x: 1 - (1 + x) ** (1 - shape), reserve)
    seen = float((sums > reserve).mean())
    assert found.value == pytest.approx(seen, abs=4 * math.sqrt(seen / len(numbers)))


def test_equilibrium_of_a_sample_is_its_integrated_tail() -> None:
    claims = [0.0, 1.0, 4.0]
    law = equilibrium(claims)
    for x in (0.0, 0.5, 1.0, 3.0, 4.0, 9.0):
        assert float(law(np.array([x]))[0]) == pytest.approx(np.minimum(claims, x).sum() / 5)


def test_no_loading_is_certain_ruin() -> None:
    assert exponential_ruin(0, 1e9) == ruin(-0.5, lambda x: x, 1e9).value == 1


def test_without_a_reserve_any_claims_are_alike() -> None:
    assert ruin(0.25, equilibrium([3.0, 9.0]), 0).value == exponential_ruin(0.25, 0) == pytest.approx(0.8)


# -------------------------------------------------------------- the actual fund


def test_the_year_of_a_fund_without_income_is_a_binomial() -> None:
    """A loss of 1 with probability p each day against 2 of assets: ruin is three or more of 365."""
    from scipy import stats

    losses = np.zeros(1_000)
    losses[:5] = 1.0
    found = ruin_in_a_year(losses, 1, 2.0, POLICY, Activity(0, 0), paths=20_000, seed=3)
    assert found.ruin.low <= stats.binom.sf(2, 365, 0.005) <= found.ruin.high


def test_a_depeg_takes_its_share_of_the_fund() -> None:
    """Half of it, in one of ten days: no ruin by itself, but by a loss that the whole could have paid."""
    halved = np.zeros(10)
    halved[0] = 5.0
    alone = ruin_in_a_year(np.zeros(10), 1, 10.0, POLICY, Activity(0, 0), reserve_losses=halved, paths=2_000)
    assert alone.ruin.value == 0
    assert alone.assets[2] < 1e-6
    loss = np.where(np.arange(10) == 0, 6.0, 0.0)
    both = ruin_in_a_year(loss, 365, 10.0, POLICY, Activity(0, 0), reserve_losses=halved, paths=2_000, seed=1)
    assert both.ruin.value == pytest.approx(0.1, abs=0.03)
    assert ruin_in_a_year(loss, 365, 10.0, POLICY, Activity(0, 0), paths=200).ruin.value == 0


@pytest.mark.parametrize("rare", [2e-5, 2e-4, 2e-3])
def test_the_interval_knows_how_little_the_sample_says(rare: float) -> None:
    """One loss beyond everything, now and then: of 20 samples of it, at most 3 may miss the truth."""
    truth = 1 - (1 - rare) ** 365
    covered = 0
    for seed in range(20):
        losses = (np.random.default_rng(seed).random(20_000) < rare) * 2.0
        found = ruin_in_a_year(losses, 1, 1.0, POLICY, Activity(0, 0), paths=2_000, seed=seed).ruin
        covered += found.low <= truth <= found.high
    assert covered >= 17


def test_an_empty_fund_that_loses_nothing_is_not_ruined() -> None:
    found = ruin_in_a_year(np.zeros(1_000), 1, 0.0, POLICY, Activity(0, 0), paths=100).ruin
    assert found.high < 1


def test_no_loss_yet_is_not_never() -> None:
    found = ruin_in_a_year(np.zeros(1_000), 1, 1.0, POLICY, Activity(0, 0), paths=100)
    assert found.ruin.value == found.ruin.low == 0
    assert found.ruin.high == pytest.approx(1 - (0.025 ** (1 / 1_000)) ** 365)


def test_income_accumulates_as_the_policy_says() -> None:
    activity, assets = Activity(fees=1_000, open_interest=2e6), 50_000.0
    found = ruin_in_a_year([0.0], 7, assets, POLICY, activity, paths=10)
    for _ in range(365):
        assets += float(daily_income(POLICY, assets, activity))
    assert found.ruin.value == 0
    np.testing.assert_allclose(found.assets, assets)


def test_losses_come_once_a_horizon() -> None:
    """52 whole weeks in a year: 52 is survived, 51.9 is not."""
    for assets, expected in ((52.0, 0.0), (51.9, 1.0)):
        assert ruin_in_a_year([1.0], 7, assets, POLICY, Activity(0, 0), paths=5).ruin.value == expected


def test_the_same_seed_is_the_same_year() -> None:
    losses = np.random.default_rng(0).exponential(size=500) * 500
    activity = Activity(fees=100, open_interest=1e6)
    one, again, other = (
        ruin_in_a_year(losses, 1, 5e3, POLICY, activity, paths=2_000, seed=s) for s in (1, 1, 2)
    )
    assert one.ruin == again.ruin
    assert (one.assets == again.assets).all()
    assert (one.assets != other.assets).any()
    assert 0 < one.ruin.value < 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"losses": [-1.0]}, "losses"),
        ({"horizon": 0}, "horizon"),
        ({"paths": 0}, "paths"),
        ({"assets": -1.0}, "assets"),
        ({"reserve_losses": [-1.0]}, "reserve_losses"),
        ({"reserve_losses": [1.0, 2.0]}, "reserve_losses"),
    ],
)
def test_bad_years_are_refused(change: dict[str, object], message: str) -> None:
    good = {"losses": [1.0], "horizon": 1, "assets": 1.0, "policy": POLICY, "activity": Activity(0, 0)}
    with pytest.raises(RiskError, match=message):
        ruin_in_a_year(**{**good, **change})


def test_bad_classical_input_is_refused() -> None:
    with pytest.raises(RiskError, match="reserve"):
        exponential_ruin(0.1, -1)
    with pytest.raises(RiskError, match="mean"):
        exponential_ruin(0.1, 1, 0)
    with pytest.raises(RiskError, match="steps"):
        ruin(0.1, lambda x: x, 1, 1)
    with pytest.raises(RiskError, match="ladder"):
        ruin(0.1, lambda x: -x, 1)
    with pytest.raises(RiskError, match="claims"):
        equilibrium([0.0])
