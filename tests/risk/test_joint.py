"""The copula, and the joint law that the simulation reads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.forecast.copula import fit_copula, nearest_correlation
from weir.risk.forecast.joint import fit_joint, fit_markets, quantile_table
from weir.risk.forecast.laws import Student
from weir.risk.forecast.models import MODELS
from weir.risk.forecast.semiparametric import SemiParametric
from weir.risk.simulation.model import Depeg

CORRELATION = np.array([[1, 0.7, 0.2], [0.7, 1, 0.4], [0.2, 0.4, 1]])
NO_COINS = Depeg(np.empty(0), np.empty(0), np.empty(0), 0.05)


MARKETS = ("btc", "eth", "sol")


def _uniforms(n, degrees, seed):
    """(n, 3) of a t copula (of the Gaussian one for an infinite number of degrees)."""
    if math.isinf(degrees):
        law, margin = stats.multivariate_normal(cov=CORRELATION), stats.norm
    else:
        law, margin = stats.multivariate_t(shape=CORRELATION, df=degrees), stats.t(degrees)
    return margin.cdf(law.rvs(n, random_state=seed))


def _returns():
    return 0.03 * stats.t.ppf(_uniforms(800, 4.0, 1), 5)


@pytest.mark.parametrize("degrees", [2.5, 5.0])
def test_a_copula_comes_back(degrees):
    uniforms = _uniforms(8_000, degrees, 2)
    found = fit_copula(uniforms)
    np.testing.assert_allclose(found.correlation, CORRELATION, atol=0.03)
    assert found.degrees == pytest.approx(degrees, rel=0.1)
    np.testing.assert_allclose(found.cholesky @ found.cholesky.T, found.correlation, atol=1e-12)


def test_a_gaussian_copula_has_many_degrees():
    assert fit_copula(_uniforms(8_000, math.inf, 2)).degrees > 50


def test_a_matrix_that_is_none_of_correlations_is_moved():
    broken = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    moved = nearest_correlation(broken)
    np.testing.assert_allclose(np.diag(moved), 1)
    assert np.linalg.eigvalsh(moved)[0] > 0
    np.testing.assert_array_equal(nearest_correlation(CORRELATION), CORRELATION)
    same = np.random.default_rng(0).standard_normal(300)
    assert np.isfinite(fit_copula(np.column_stack([same, same])).cholesky).all()


@pytest.mark.parametrize("degrees", [2.5, 5.0, 30.0, math.inf])
def test_the_table_gives_the_laws_quantiles(degrees):
    laws = [SemiParametric.fit(np.random.default_rng(4).standard_t(4, 1_000)), Student(4.0, 0.1, 0.7)]
    table = quantile_table(laws, degrees)
    grid = np.linspace(-table.reach, table.reach, table.values.shape[1])
    p = np.geomspace(1e-14, 0.02, 400)
    below = stats.t.ppf(p, degrees) if math.isfinite(degrees) else stats.norm.ppf(p)
    for law, values in zip(laws, table.values, strict=True):
        np.testing.assert_allclose(np.interp(np.arcsinh(below), grid, values), law.ppf(p), rtol=1e-3)
        np.testing.assert_allclose(np.interp(np.arcsinh(-below), grid, values), law.isf(p), rtol=1e-3)
        assert (np.diff(values) >= 0).all()
        assert np.isfinite(values).all()


@pytest.mark.parametrize("model", MODELS)
def test_the_joint_law_holds_what_each_market_was_fitted_to(model):
    returns = _returns()
    depeg = Depeg(np.array([0.001]), np.array([0.01]), np.array([0.1]), 0.05)
    forecasts = fit_markets(MARKETS, returns, model=model)
    joint = fit_joint(forecasts, steps=3, depeg=depeg, stablecoins=("usdc",))
    assert joint.factors == ("btc", "eth", "sol", "usdc")
    assert (joint.steps, joint.depeg) == (3, depeg)
    alone = MODELS[model].fit(returns[:, 1])
    for field in ("mean", "ar", "omega", "alpha", "beta", "last_return", "next_variance"):
        assert getattr(joint, field)[1] == getattr(alone.dynamics, field)
    np.testing.assert_allclose(joint.cholesky @ joint.cholesky.T, CORRELATION, atol=0.1)
    assert 2.5 < joint.degrees < 7
    middle = joint.table.values[:, joint.table.values.shape[1] // 2]
    assert middle[1] == alone.law.ppf(0.5)


def test_one_market_is_enough():
    joint = fit_joint(fit_markets(("btc",), _returns()), steps=1, depeg=NO_COINS)
    np.testing.assert_array_equal(joint.cholesky, [[1.0]])
    assert joint.table.values.shape[0] == 1


def test_bad_histories_are_refused_by_name():
    returns = _returns()
    heavy = -np.abs(np.random.default_rng(1).standard_t(0.6, (800, 1)))
    gap = returns.copy()
    gap[5, 1] = np.nan
    for bad, model, message in (
        (returns[:200], "garch-evt", "btc: 200 returns, garch-evt needs at least 250"),
        (gap, "garch-evt", "eth: return 5 is not a finite number"),
        (heavy, "evt", "btc: the tail of a long's losses is too heavy"),
    ):
        with pytest.raises(RiskError, match=message):
            fit_markets(MARKETS[: bad.shape[1]], bad, model=model)
