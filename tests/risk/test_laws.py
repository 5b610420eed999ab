"""Laws of a residual: published values, and what holds for every one of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.forecast.garch import Dynamics
from weir.risk.forecast.laws import Empirical, Law, Normal, Student
from weir.risk.forecast.models import Forecast
from weir.risk.forecast.pareto import ParetoTail
from weir.risk.forecast.semiparametric import SemiParametric

SAMPLE = np.random.default_rng(7).standard_t(4, 1_000)
LAWS: dict[str, Law] = {
    "normal": Normal(),
    "student": Student(3.5, 0.1, 0.8),
    "semiparametric": SemiParametric.fit(SAMPLE),
    "empirical": Empirical.fit(SAMPLE),
}
CONTINUOUS = ("normal", "student", "semiparametric")
NIST = (0.90, 0.95, 0.975, 0.99)
probability = st.floats(1e-9, 1 - 1e-9)


@pytest.mark.parametrize(
    ("law", "var", "shortfall"),
    [
        (Normal(), (162.1, 208.1, 247.9, 294.3, 325.8), (222.0, 260.9, 295.7, 337.1, 365.8)),
        # scaled to variance 1
        (
            Student(4, 0, math.sqrt(0.5)),
            (137.1, 190.7, 248.3, 335.1, 411.8),
            (223.5, 286.5, 357.2, 466.9, 565.7),
        ),
    ],
)
def test_var_and_shortfall_of_a_position(law, var, shortfall):
    # 10,000 with a volatility of 20 % a year:
    # McNeil, Frey, Embrechts, Quantitative Risk Management, example 2.16
    variance = 0.2**2 / 250
    forecast = Forecast(Dynamics(0, 0, variance, 0, 0, 0, variance), law, np.empty(0))
    levels = np.array([0.90, 0.95, 0.975, 0.99, 0.995])
    for side in ("long", "short"):
        np.testing.assert_allclose(10_000 * forecast.quantile(levels, side), var, atol=0.05)
        np.testing.assert_allclose(10_000 * forecast.shortfall(levels, side), shortfall, atol=0.05)


@pytest.mark.parametrize(
    ("law", "var"),
    [(Normal(), (1.282, 1.645, 1.960, 2.326)), (Student(4), (1.533, 2.132, 2.776, 3.747))],
)
def test_quantiles_of_the_tables(law, var):
    # NIST/SEMATECH e-Handbook of Statistical Methods, sections 1.3.6.7.1 and 1.3.6.7.2
    np.testing.assert_allclose(law.ppf(NIST), var, atol=6e-4)


def _beyond(law: Law, x: float) -> tuple[float, float]:
    """P(X <= x) and P(X > x), by SciPy's distributions."""
    if isinstance(law, Normal):
        return stats.norm.cdf(x), stats.norm.sf(x)
    if isinstance(law, Student):
        same = stats.t(law.degrees, law.centre, law.scale)
        return same.cdf(x), same.sf(x)
    assert isinstance(law, SemiParametric)
    if x < law.values[0]:
        below = _tail_probability(law.lower, -x)
        return below, 1 - below
    if x > law.values[-1]:
        above = _tail_probability(law.upper, x)
        return 1 - above, above
    below = float(np.interp(x, law.values, law.levels))
    return below, 1 - below


def _tail_probability(tail: ParetoTail, x: float) -> float:
    return float(tail.share * stats.genpareto.sf(x, tail.shape, tail.threshold, tail.scale))


@pytest.mark.parametrize("name", CONTINUOUS)
@given(p=probability)
@settings(max_examples=60, deadline=None)
def test_quantile_and_probability_are_inverse(name, p):
    law = LAWS[name]
    assert _beyond(law, float(law.ppf(p)))[0] == pytest.approx(p, rel=1e-6)
    assert _beyond(law, float(law.isf(p)))[1] == pytest.approx(p, rel=1e-6)


@pytest.mark.parametrize("name", LAWS)
@given(p=probability, q=probability)
@settings(max_examples=60, deadline=None)
def test_quantiles_rise_and_means_lie_beyond_them(name, p, q):
    law = LAWS[name]
    low, high = min(p, q), max(p, q)
    assert law.ppf(low) <= law.ppf(high)
    assert law.isf(low) >= law.isf(high)
    assert law.lower_mean(low) <= law.lower_mean(high) + 1e-12
    assert law.lower_mean(p) <= law.ppf(p) + 1e-12
    assert law.upper_mean(p) >= law.isf(p) - 1e-12


@pytest.mark.parametrize("name", LAWS)
@pytest.mark.parametrize("p", [0.005, 0.05, 0.1, 0.25, 0.7, 0.95])
def test_means_are_the_averages_of_quantiles(name, p):
    law = LAWS[name]
    # q = p·s³ puts points into the tail, where quantiles change fastest
    s = (np.arange(200_000) + 0.5) / 200_000
    weights = 3 * s**2 / 200_000
    assert float(law.lower_mean(p)) == pytest.approx(weights @ law.ppf(p * s**3), abs=2e-4)
    assert float(law.upper_mean(p)) == pytest.approx(weights @ law.isf(p * s**3), abs=2e-4)


def test_the_semiparametric_law_keeps_the_order_statistics():
    law = LAWS["semiparametric"]
    ordered = np.sort(SAMPLE)
    assert float(law.ppf(0.1)) == ordered[100]  # 100 values lie below the threshold
    assert float(law.isf(0.1)) == ordered[-101]
    assert law.lower.share == law.levels[0] == 0.1
    inner = np.searchsorted(ordered, law.ppf([0.25, 0.5, 0.75]))
    np.testing.assert_allclose(inner, [250, 500, 750], atol=1)


def test_upper_tails_keep_their_digits():
    law = LAWS["semiparametric"]
    p = np.array([1e-20, 1e-30])
    np.testing.assert_allclose([_beyond(law, x)[1] for x in law.isf(p)], p, rtol=1e-9)
    np.testing.assert_allclose(Student(4).isf(p), -Student(4).ppf(p))


def test_equal_values_make_a_step():
    sample = np.concatenate([np.zeros(500), SAMPLE[:500]])
    law = SemiParametric.fit(sample)
    step = law.ppf(np.linspace(0.01, 0.99, 981)) == 0
    assert step.mean() == pytest.approx(0.5 / 0.98, abs=0.01)
    assert float(law.ppf(0.5)) == 0


def test_the_empirical_law_is_that_of_the_sample():
    law = Empirical.fit(np.arange(100.0))
    assert float(law.ppf(1 - 0.99)) == 0.0  # not the second, for all that 1 - 0.99 is a little above 0.01
    assert float(law.isf(1 - 0.95)) == 95.0
    assert float(law.lower_mean(0.05)) == pytest.approx(2.0)  # of 0, 1, 2, 3, 4
    assert float(law.upper_mean(0.025)) == pytest.approx((99 + 98 + 0.5 * 97) / 2.5)


def test_student_degrees_come_back():
    law = Student.fit(0.3 + 0.7 * np.random.default_rng(3).standard_t(5, 20_000))
    assert law.degrees == pytest.approx(5, rel=0.1)
    assert law.centre == pytest.approx(0.3, abs=0.02)
    assert law.scale == pytest.approx(0.7, rel=0.02)


def test_samples_without_tails_are_refused():
    with pytest.raises(RiskError, match="btc, lower tail: 5 values"):
        SemiParametric.fit(SAMPLE[:50], name="btc")
    with pytest.raises(RiskError, match=r"tail: above 0 and below 0\.5"):
        SemiParametric.fit(SAMPLE, tail=0.5)
    with pytest.raises(RiskError, match="empty"):
        Empirical.fit([])
