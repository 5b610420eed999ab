"""The copula, and the joint law that the simulation reads."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.forecast.copula import TCopula, fit_copula, nearest_correlation
from weir.risk.forecast.joint import fit_joint, quantile_table
from weir.risk.forecast.laws import Student
from weir.risk.forecast.models import MODELS
from weir.risk.forecast.semiparametric import SemiParametric
from weir.risk.simulation.model import Depeg

CORRELATION = np.array([[1, 0.7, 0.2], [0.7, 1, 0.4], [0.2, 0.4, 1]])
NO_COINS = Depeg(np.empty(0), np.empty(0), np.empty(0), 0.05)


def _returns(n=800, m=3, seed=1):
    uniforms = TCopula(CORRELATION[:m, :m], 4.0).sample(n, np.random.default_rng(seed))
    return {name: 0.03 * stats.t.ppf(uniforms[:, k], 5) for k, name in enumerate(("btc", "eth", "sol")[:m])}


@pytest.mark.parametrize("degrees", [2.5, 5.0])
def test_a_copula_comes_back(degrees):
    uniforms = TCopula(CORRELATION, degrees).sample(8_000, np.random.default_rng(2))
    found = fit_copula(uniforms)
    np.testing.assert_allclose(found.correlation, CORRELATION, atol=0.03)
    assert found.degrees == pytest.approx(degrees, rel=0.1)
    np.testing.assert_allclose(found.cholesky @ found.cholesky.T, found.correlation, atol=1e-12)


def test_a_gaussian_copula_has_many_degrees():
    uniforms = TCopula(CORRELATION, math.inf).sample(8_000, np.random.default_rng(2))
    assert fit_copula(uniforms).degrees > 50


def test_samples_are_uniform_and_fall_together():
    copula = TCopula(CORRELATION, 3.0)
    u = copula.sample(400_000, np.random.default_rng(3))
    for k in range(3):
        assert stats.kstest(u[::40, k], "uniform").pvalue > 1e-3
    # coefficient of tail dependence: McNeil, Frey, Embrechts, Quantitative Risk Management, equation 7.38
    rho, nu = 0.7, 3.0
    limit = 2 * stats.t.cdf(-math.sqrt((nu + 1) * (1 - rho) / (1 + rho)), nu + 1)
    both = np.mean((u[:, 0] < 0.002) & (u[:, 1] < 0.002)) / 0.002
    assert both == pytest.approx(limit, abs=0.05)


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
    joint = fit_joint(returns, model=model, steps=3, depeg=depeg, stablecoins=("usdc",))
    assert joint.factors == ("btc", "eth", "sol", "usdc")
    assert (joint.steps, joint.depeg) == (3, depeg)
    alone = MODELS[model].fit(returns["eth"])
    for field in ("mean", "ar", "omega", "alpha", "beta", "last_return", "next_variance"):
        assert getattr(joint, field)[1] == getattr(alone.dynamics, field)
    np.testing.assert_allclose(joint.cholesky @ joint.cholesky.T, CORRELATION, atol=0.1)
    assert 2.5 < joint.degrees < 7
    middle = joint.table.values[:, joint.table.values.shape[1] // 2]
    assert middle[1] == alone.law.ppf(0.5)


def test_one_market_is_enough():
    joint = fit_joint(_returns(m=1), steps=1, depeg=NO_COINS)
    np.testing.assert_array_equal(joint.cholesky, [[1.0]])
    assert joint.table.values.shape[0] == 1


def test_a_market_listed_later_is_fitted_to_what_it_has():
    returns = _returns()
    late = {**returns, "sol": np.concatenate([np.full(500, np.nan), returns["sol"][500:]])}
    joint = fit_joint(late, steps=1, depeg=NO_COINS)
    whole = fit_joint(returns, steps=1, depeg=NO_COINS)
    assert joint.omega[0] == whole.omega[0]
    assert joint.omega[2] == MODELS["garch-evt"].fit(returns["sol"][500:]).dynamics.omega
    shared = fit_copula(
        np.column_stack(
            [
                MODELS["garch-evt"].fit(r[500 if k == "sol" else 0 :]).residuals[-299:]
                for k, r in returns.items()
            ]
        )
    )
    np.testing.assert_array_equal(joint.cholesky, shared.cholesky)


def test_bad_histories_are_refused_by_name():
    returns = _returns()
    heavy = -np.abs(np.random.default_rng(1).standard_t(0.6, 800))
    short = np.concatenate([np.full(600, np.nan), returns["sol"][600:]])
    gap = np.where(np.arange(800) == 5, np.nan, returns["eth"])
    for bad, model, message in (
        ({**returns, "sol": short}, "garch-evt", "sol: 200 returns, garch-evt needs at least 250"),
        ({**returns, "eth": gap}, "garch-evt", "eth: return 5 is not a finite number"),
        ({**returns, "sol": returns["sol"][:700]}, "garch-evt", "sol: returns of shape"),
        ({"btc": heavy}, "evt", "btc: the tail of a long's losses is too heavy"),
        ({}, "garch-evt", "returns: of at least one market"),
    ):
        with pytest.raises(RiskError, match=message):
            fit_joint(bad, model=model, steps=1, depeg=NO_COINS)
