"""Tests of forecasts, against the tables of those who proposed them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from weir.risk.backtest.coverage import (
    acerbi_szekely,
    christoffersen,
    conditional_coverage,
    kupiec,
    traffic_light,
)
from weir.risk.errors import RiskError


@pytest.mark.parametrize(
    ("level", "observations", "above", "below"),
    # Kupiec, Journal of Derivatives 3 (1995), table 3: N between these is not rejected at 5 %
    [
        (0.99, 255, 0, 7),  # the table prints N < 7, though its ratio of 0 exceptions is 5.1, above 3.84
        (0.99, 510, 1, 11),
        (0.99, 1000, 4, 17),
        (0.95, 255, 6, 21),
        (0.95, 510, 16, 36),
        (0.95, 1000, 37, 65),
    ],
)
def test_kupiecs_regions(level, observations, above, below):
    kept = [n for n in range(observations + 1) if kupiec(n, observations, level).p_value >= 0.05]
    assert kept == list(range(above + 1, below))


def test_kupiec_without_exceptions():
    # the likelihood ratio is then -2·n·ln(level)
    assert kupiec(0, 300, 0.99).statistic == pytest.approx(-600 * math.log(0.99))
    assert kupiec(300, 300, 0.99).statistic == pytest.approx(-600 * math.log(0.01))
    assert kupiec(3, 300, 0.99).p_value == pytest.approx(1)


def test_the_basel_zones():
    # Basel Committee, Supervisory framework for the use of "backtesting" (1996), table 2
    expected = (8.11, 28.58, 54.32, 75.81, 89.22, 95.88, 98.63, 99.60, 99.89, 99.97, 99.99)
    zones = ["green"] * 5 + ["yellow"] * 5 + ["red"]
    for exceptions, (percent, zone) in enumerate(zip(expected, zones, strict=True)):
        found, cumulative = traffic_light(exceptions)
        assert (found, round(100 * cumulative, 2)) == (zone, percent)


def test_christoffersen_by_hand():
    hits = [0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 0]
    # after none: 8, of which 3 exceptions; after an exception: 6, of which 3
    free = 3 * math.log(3 / 8) + 5 * math.log(5 / 8) + 6 * math.log(1 / 2)
    tied = 6 * math.log(6 / 14) + 8 * math.log(8 / 14)
    assert christoffersen(hits).statistic == pytest.approx(2 * (free - tied))
    assert christoffersen(hits).p_value == pytest.approx(stats.chi2.sf(2 * (free - tied), 1))
    both = conditional_coverage(hits, 0.9)
    assert both.statistic == pytest.approx(2 * (free - tied) + kupiec(6, 15, 0.9).statistic)
    assert both.p_value == pytest.approx(math.exp(-both.statistic / 2))  # chi² of 2 degrees


def test_christoffersen_where_little_happened():
    assert christoffersen([0] * 50).p_value == 1
    assert christoffersen([0] * 49 + [1]).p_value == 1  # nothing follows it
    assert christoffersen([1] * 50).p_value == 1
    apart = christoffersen([0] * 20 + [1] + [0] * 29)
    assert 0.5 < apart.p_value < 1
    assert conditional_coverage([0] * 50, 0.99).statistic == pytest.approx(kupiec(0, 50, 0.99).statistic)


def test_christoffersen_sees_clusters():
    clustered = ([1] * 5 + [0] * 95) * 5
    spread = ([1] + [0] * 19) * 25
    assert christoffersen(clustered).p_value < 1e-6
    assert christoffersen(spread).p_value > 0.05


def test_z2_has_its_critical_value():
    # Acerbi, Székely, Risk (December 2014): -0.70 at 5 %, for 250 bars and level 97.5 %
    random = np.random.default_rng(6)
    losses = random.standard_normal((20_000, 250))
    var = stats.norm.ppf(0.975)
    shortfall = stats.norm.pdf(var) / 0.025
    z = acerbi_szekely(losses, np.full(250, var), np.full(250, shortfall), 0.975)
    assert z.mean() == pytest.approx(0, abs=0.01)
    assert np.quantile(z, 0.05) == pytest.approx(-0.70, abs=0.03)


def test_z2_by_hand():
    losses, var, shortfall = [1.0, 3.0, 0.0, 5.0], [2.0] * 4, [2.5] * 4
    assert float(acerbi_szekely(losses, var, shortfall, 0.5)) == pytest.approx(1 - (3 + 5) / 2.5 / 2)
    assert float(acerbi_szekely([0.0] * 4, var, shortfall, 0.5)) == 1


def test_bad_arguments_are_refused():
    for bad in (lambda: kupiec(-1, 10, 0.9), lambda: kupiec(11, 10, 0.9), lambda: traffic_light(0, 0)):
        with pytest.raises(RiskError, match="exceptions"):
            bad()
    with pytest.raises(RiskError, match="level"):
        kupiec(1, 10, 1.0)
    with pytest.raises(RiskError, match="shortfall"):
        acerbi_szekely([1.0], [0.0], [0.0], 0.9)
