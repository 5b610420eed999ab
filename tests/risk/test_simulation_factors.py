"""The factors' paths: random numbers as published, the law that the model says, and a path's own numbers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numba import njit
from scipy import stats

from weir.risk.bench import made_up_model
from weir.risk.errors import RiskError
from weir.risk.simulation.factors import Law, draw
from weir.risk.simulation.model import Depeg, QuantileTable
from weir.risk.simulation.philox import philox, uniform

PATHS = np.arange(100_000)


@njit
def _words(counter, key):
    return philox(counter[0], counter[1], counter[2], counter[3], key[0], key[1])


@njit
def _uniform(high, low):
    return uniform(high, low)


@pytest.mark.parametrize(
    ("counter", "key", "expected"),
    [  # Random123's kat_vectors, philox4x32 with 10 rounds
        ("0 0 0 0", "0 0", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
        ("ffffffff " * 4, "ffffffff " * 2, "408f276d 41c83b0e a20bc7c6 6d5451fd"),
        (
            "243f6a88 85a308d3 13198a2e 03707344",
            "a4093822 299f31d0",
            "d16cfe09 94fdcceb 5001e420 24126ea1",
        ),
    ],
)
def test_philox_gives_the_published_numbers(counter, key, expected):
    words = [np.array([int(word, 16) for word in text.split()], np.uint64) for text in (counter, key)]
    assert [f"{int(word):08x}" for word in _words(*words)] == expected.split()


def test_uniforms_stay_inside_zero_and_one():
    assert 0 < _uniform(np.uint64(0), np.uint64(0)) < 1e-15
    assert 1 - 1e-15 < _uniform(np.uint64(0xFFFFFFFF), np.uint64(0xFFFFFFFF)) < 1


@pytest.mark.parametrize("degrees", [2.5, 4.0, 33.3, np.inf])
def test_variates_have_the_copulas_law(degrees):
    w = np.sinh(np.linspace(-16, 16, 4097))
    model = made_up_model(markets=3)
    model = replace(
        model, degrees=degrees, table=QuantileTable(16.0, np.tile(w, (3, 1))), next_variance=np.ones(3)
    )
    with np.errstate(divide="ignore"):  # a fall to nothing rounds to -1
        moves = np.log1p(draw(Law(model), PATHS, 3))
    law = stats.norm() if np.isinf(degrees) else stats.t(degrees)
    for k in range(3):
        x = moves[:, k]
        assert stats.kstest(law.cdf(x), "uniform").pvalue > 1e-3
    tau = stats.kendalltau(moves[:20_000, 0], moves[:20_000, 1]).statistic
    assert tau == pytest.approx(2 / np.pi * np.arcsin(0.7), abs=0.015)  # of every elliptical law
    both = np.mean((law.cdf(moves[:, 0]) < 0.01) & (law.cdf(moves[:, 1]) < 0.01)) / 0.01
    nu = 1e6 if np.isinf(degrees) else degrees
    expected = stats.multivariate_t([0, 0], [[1, 0.7], [0.7, 1]], nu).cdf([law.ppf(0.01)] * 2) / 0.01
    assert both == pytest.approx(expected, abs=0.06)


def test_returns_follow_the_recursion():
    """Two steps against NumPy, with the shocks of a one-step model whose numbers are the same."""
    model = made_up_model(markets=2, steps=2)
    model = replace(
        model,
        mean=np.array([0.001, -0.002]),
        ar=np.array([0.1, -0.2]),
        last_return=np.array([0.03, -0.01]),
    )
    few = PATHS[:50]
    unit = replace(model, next_variance=np.ones(2), mean=np.zeros(2), ar=np.zeros(2), omega=np.ones(2))
    unit = replace(unit, alpha=np.zeros(2), beta=np.zeros(2), last_return=np.zeros(2))
    first = np.log1p(draw(Law(replace(unit, steps=1)), few, 7))
    second = np.log1p(draw(Law(unit), few, 7)) - first
    total, r, variance = 0.0, model.last_return, model.next_variance
    for x in (first, second):
        shock = np.sqrt(variance) * x
        r = model.mean + model.ar * r + shock
        variance = model.omega + model.alpha * shock**2 + model.beta * variance
        total = total + r
    np.testing.assert_allclose(draw(Law(model), few, 7), np.expm1(total), rtol=1e-10)


def test_stablecoins_jump_as_often_and_as_far_as_their_law_says():
    depeg = Depeg(np.array([0.01, 0.0]), np.array([0.5, 0.2]), np.array([0.1, 0.3]), 0.1)
    model = replace(made_up_model(markets=3, coins=2), depeg=depeg)
    moves = draw(Law(model), PATHS, 5)
    crypto = np.log1p(moves[:, :3]).mean(axis=1)  # the marginals are alike, so the order is the factor's
    stressed = crypto < np.quantile(crypto, 0.1)
    for coin in range(2):
        jumped = moves[:, 3 + coin] < 0
        assert jumped[stressed].mean() == pytest.approx(depeg.stressed[coin], abs=0.02)
        assert jumped[~stressed].mean() == pytest.approx(depeg.base[coin], abs=0.003)
        sizes = -np.log1p(moves[jumped, 3 + coin])
        assert stats.kstest(sizes, "expon", (0, depeg.mean_size[coin])).pvalue > 1e-3


def test_a_path_is_the_same_in_any_company():
    law = Law(made_up_model(markets=3, coins=1, steps=3))
    all_of_them = draw(law, PATHS[:500], 11)
    some = np.array([499, 3, 77])
    np.testing.assert_array_equal(draw(law, some, 11), all_of_them[some])
    assert not np.array_equal(draw(law, PATHS[:500], 12), all_of_them)
    assert len(np.unique(draw(law, PATHS[:500] + 2**32, 11)[:, 0])) == 500


@pytest.mark.parametrize("wrong", [{"degrees": 2.0}, {"degrees": np.nan}, {"omega": np.full(3, np.nan)}])
def test_a_law_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(RiskError):
        Law(replace(made_up_model(), **wrong))


def test_a_seed_out_of_range_is_refused():
    with pytest.raises(RiskError, match="seed"):
        draw(Law(made_up_model()), PATHS[:1], -1)
