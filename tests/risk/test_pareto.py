"""Pareto tails, against published estimates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.forecast.pareto import ParetoTail, fit_tail

DANISH = Path(__file__).parent / "data" / "danish.csv"


def test_danish_fire_losses():
    # McNeil, ASTIN Bulletin 27 (1997); McNeil, Frey, Embrechts, Quantitative Risk Management, example 5.23
    tail = fit_tail(np.loadtxt(DANISH), 10, of=2167)
    assert tail.shape == pytest.approx(0.497, abs=5e-4)
    assert tail.shape_error == pytest.approx(0.136, abs=5e-4)
    assert tail.scale == pytest.approx(6.98, abs=5e-3)
    assert tail.share == 109 / 2167
    assert float(tail.isf(0.001)) == pytest.approx(94.29, rel=1e-3)
    assert float(tail.shortfall(0.001)) == pytest.approx(191.37, rel=1e-3)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 0.2, 0.9])
def test_shape_and_scale_come_back(shape):
    u = np.random.default_rng(1).random(5_000)
    y = -np.log(u) if shape == 0 else (u**-shape - 1) / shape
    tail = fit_tail(3 * y, 0, of=20_000)
    assert abs(tail.shape - shape) < 3 * tail.shape_error
    assert tail.scale == pytest.approx(3, rel=0.1)
    # asymptotic variance (1 + xi)² over n: Smith, Annals of Statistics 15 (1987)
    assert tail.shape_error == pytest.approx((1 + shape) / 5_000**0.5, rel=0.1)


@pytest.mark.parametrize("shape", [-0.3, 0.0, 1e-12, 0.4, 0.99])
def test_quantile_and_probability_are_inverse_far_out(shape):
    tail = ParetoTail(2.0, shape, 1.5, 0.1, 0.0)
    p = np.array([0.1, 0.01, 1e-6, 1e-12, 1e-30])[
        : 3 if shape < 0 else None
    ]  # x runs out of digits at an end
    beyond = tail.share * stats.genpareto.sf(tail.isf(p), shape, tail.threshold, tail.scale)
    np.testing.assert_allclose(beyond, p, rtol=1e-9)


def test_shortfall_is_the_mean_beyond_the_quantile():
    for shape in (-0.3, 0.0, 0.4):
        tail = ParetoTail(2.0, shape, 1.5, 0.1, 0.0)
        edges = np.exp(-np.linspace(0, 60, 200_001))  # of shares of p = 0.02, from all of it down
        middle = (edges[:-1] + edges[1:]) / 2
        expected = tail.isf(0.02 * middle) @ -np.diff(edges)
        assert float(tail.shortfall(0.02)) == pytest.approx(expected, rel=1e-6)
    assert np.isinf(ParetoTail(2.0, 1.0, 1.5, 0.1, 0.0).shortfall(0.02))


def test_nothing_lies_beyond_the_end_of_a_bounded_tail():
    tail = ParetoTail(2.0, -0.5, 1.5, 0.1, 0.0)
    assert tail.isf(1e-30) == pytest.approx(5.0)  # 2 + 1.5/0.5
    assert (tail.isf(np.geomspace(1e-300, 0.1, 50)) <= 5.0).all()


def test_too_few_or_equal_exceedances_are_refused():
    with pytest.raises(RiskError, match="eth: 9 values beyond the threshold"):
        fit_tail(np.arange(10.0), 0, of=100, name="eth")
    with pytest.raises(RiskError, match="all values beyond the threshold are the same"):
        fit_tail(np.full(20, 3.0), 0, of=100)
