"""VaR and ES of samples, and how honest their intervals are."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.forecast.laws import Student
from weir.risk.measures.intervals import probability, probability_bounds
from weir.risk.measures.quantiles import (
    LEAST_TAIL,
    exceedance_curve,
    expected_shortfall,
    paths_needed,
    tail_count,
    tail_risks,
    value_at_risk,
)


def exact(losses: list[int], level: Fraction) -> tuple[int, Fraction]:
    """VaR, and ES as the integral of the sample's quantile function, in rational numbers."""
    ordered, n = sorted(losses), len(losses)
    var = next(x for i, x in enumerate(ordered, start=1) if Fraction(i, n) >= level)
    area = Fraction(0)
    for i, x in enumerate(ordered):
        area += x * max(Fraction(0), Fraction(i + 1, n) - max(Fraction(i, n), level))
    return var, area / (1 - level)


@settings(deadline=None)
@given(
    st.lists(st.integers(-5, 100), min_size=1, max_size=60),
    st.integers(1, 199).map(lambda k: Fraction(k, 200)),
)
def test_against_rational_arithmetic(losses: list[int], level: Fraction) -> None:
    var, es = exact(losses, level)
    assert value_at_risk(losses, float(level)) == var
    assert expected_shortfall(losses, float(level)) == pytest.approx(float(es), abs=1e-9)


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=100), st.floats(0.001, 0.999), st.floats(0.001, 0.999)
)
def test_es_is_at_least_var_and_both_rise_with_the_level(losses: list[float], a: float, b: float) -> None:
    low, high = sorted((a, b))
    for measure in (value_at_risk, expected_shortfall):
        assert measure(losses, high) >= measure(losses, low) - 1e-6
    assert expected_shortfall(losses, a) >= value_at_risk(losses, a) - 1e-6


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.floats(0, 1e6), st.floats(0, 1e6)), min_size=2, max_size=60), st.floats(0.01, 0.99)
)
def test_es_is_subadditive(pairs: list[tuple[float, float]], level: float) -> None:
    """Acerbi and Tasche 2002: what VaR is not."""
    one, other = np.array(pairs).T
    together = expected_shortfall(one + other, level)
    assert together <= expected_shortfall(one, level) + expected_shortfall(other, level) + 1e-6


def test_tail_count_is_what_is_meant() -> None:
    assert 100_000 * (1 - 0.999) != 100
    assert tail_count(100_000, 0.999) == 100
    assert tail_count(1_000, 0.9975) == pytest.approx(2.5)


def test_intervals_cover_as_often_as_they_say() -> None:
    """400 samples of a law with heavy tails (Student, 4 degrees), whose VaR and ES are known."""
    generator = np.random.default_rng(11)
    level, hits = 0.99, np.zeros(2)
    truth = Student(4).isf(1 - level), Student(4).upper_mean(1 - level)
    runs = 400
    for _ in range(runs):
        (risk,) = tail_risks(generator.standard_t(4, 6_000), [level])
        hits += [e.low <= t <= e.high for e, t in zip((risk.var, risk.es), truth, strict=True)]
    # VaR's is exact: 95% less three standard errors. ES's is asymptotic, and the tail heavy.
    assert hits[0] / runs >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)
    assert hits[1] / runs >= 0.90


@pytest.mark.parametrize("paths", [60, 101, 3_000, 3_017])
@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.95])
def test_the_ranks_of_vars_interval_cover(paths: int, confidence: float) -> None:
    """With ranks for losses the interval is of ranks: P(low <= B < high), by the binomial itself."""
    level = 0.5 if paths < 3_000 else 0.99
    (risk,) = tail_risks(np.arange(1, paths + 1), [level], confidence)
    low, high = int(risk.var.low), int(risk.var.high)
    covered = stats.binom(paths, level).cdf(high - 1) - stats.binom(paths, level).cdf(low - 1)
    # One rank less on either side would not.
    narrower = stats.binom(paths, level).cdf(high - 2) - stats.binom(paths, level).cdf(low)
    assert narrower < confidence <= covered + 1e-12


def test_the_interval_of_es_is_as_wide_as_its_scatter() -> None:
    """The variance of Manistre and Hancock against that of many samples."""
    generator = np.random.default_rng(5)
    values, widths = [], []
    for _ in range(300):
        (risk,) = tail_risks(generator.standard_normal(10_000), [0.99])
        values.append(risk.es.value)
        widths.append((risk.es.high - risk.es.low) / 2 / stats.t.ppf(0.975, 99))
    assert np.mean(widths) == pytest.approx(np.std(values), rel=0.12)


def test_wider_at_more_confidence() -> None:
    losses = np.random.default_rng(1).exponential(size=20_000)
    (at90,), (at99,) = tail_risks(losses, [0.99], 0.90), tail_risks(losses, [0.99], 0.99)
    assert at99.var.low < at90.var.low <= at90.var.value <= at90.var.high < at99.var.high
    assert at99.es.low < at90.es.low < at90.es.value < at90.es.high < at99.es.high
    assert at90.es.value == expected_shortfall(losses, 0.99)
    assert at90.var.value == value_at_risk(losses, 0.99)


@pytest.mark.parametrize("level", [0.5, 0.9, 0.99, 0.999])
def test_too_few_paths_are_refused_with_the_number_that_is_enough(level: float) -> None:
    needed = paths_needed(level)
    assert tail_count(needed, level) >= LEAST_TAIL
    losses = np.arange(needed, dtype=float)
    tail_risks(losses, [level])
    with pytest.raises(RiskError, match=f"it takes {needed}"):
        tail_risks(losses[:-1], [level])


def test_paths_needed_is_not_a_rounding_error_too_many() -> None:
    assert [paths_needed(level) for level in (0.99, 0.999, 0.9999)] == [3_000, 30_000, 300_000]


@pytest.mark.parametrize("losses", [[], [[1.0]], [1.0, math.nan], [math.inf]])
def test_bad_samples_are_refused(losses: list[float]) -> None:
    with pytest.raises(RiskError, match="losses"):
        value_at_risk(losses, 0.5)


@pytest.mark.parametrize("level", [0, 1, -0.1, 99, math.nan])
def test_bad_levels_are_refused(level: float) -> None:
    with pytest.raises(RiskError, match="level: between 0 and 1"):
        expected_shortfall([1.0, 2.0], level)


# ---------------------------------------------------------------- exceedance


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30).map(float), min_size=1, max_size=200))
def test_the_curve_counts(losses: list[float]) -> None:
    curve, sample = exceedance_curve(losses, points=10), np.array(losses)
    assert (np.diff(curve.loss) > 0).all()
    for x, p, low, high in zip(curve.loss, curve.probability, curve.low, curve.high, strict=True):
        assert x > 0
        assert p == pytest.approx((sample >= x).mean())
        assert low < p <= high
    assert len(curve.loss) == 0 or curve.loss[-1] == sample.max()


def test_the_band_holds_the_truth_where_it_is_known() -> None:
    curve = exceedance_curve(np.random.default_rng(3).exponential(size=100_000), 0.999)
    truth = np.exp(-curve.loss)
    # Each point with 99.9%; they are dependent, so a few together may miss.
    assert ((curve.low <= truth) & (truth <= curve.high)).mean() >= 0.98


def test_no_loss_no_curve() -> None:
    assert len(exceedance_curve([0.0, 0.0]).loss) == 0


# ----------------------------------------------------------------- intervals


def test_clopper_pearson_of_nothing_is_the_rule_of_three() -> None:
    """0 of n: 1 - (alpha/2)^(1/n) (Clopper and Pearson 1934); one-sided, about 3/n."""
    assert probability(0, 100).high == pytest.approx(1 - 0.025 ** (1 / 100))
    assert probability(0, 1_000, 0.9).high == pytest.approx(3 / 1_000, rel=0.01)
    assert probability(100, 100).low == pytest.approx(0.025 ** (1 / 100))


def test_clopper_pearson_against_the_binomial_itself() -> None:
    """At the bounds, what was seen or more, or less, has half of what the confidence leaves."""
    low, high = probability_bounds([7], 50, 0.9)
    assert stats.binom.sf(6, 50, low[0]) == pytest.approx(0.05)
    assert stats.binom.cdf(7, 50, high[0]) == pytest.approx(0.05)


def test_impossible_counts_are_refused() -> None:
    for count, trials in ((-1, 5), (6, 5), (0, 0)):
        with pytest.raises(RiskError, match="counts"):
            probability(count, trials)
