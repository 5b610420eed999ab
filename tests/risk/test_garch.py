"""AR(1)-GARCH(1,1), against the figures and the filter of the arch package."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from arch.data import sp500
from arch.univariate import ARX, GARCH

from weir.risk.forecast.garch import fit_flat, fit_garch


@pytest.fixture(scope="module")
def returns():
    return sp500.load()["Adj Close"].pct_change().dropna().to_numpy()


def test_the_example_of_archs_documentation(returns):
    # arch documentation, "ARCH Modeling": S&P 500 1999-2018, constant mean, returns in per cent
    dynamics, residuals = fit_garch(returns, ar=False)
    assert 100 * dynamics.mean == pytest.approx(0.0564, abs=1e-4)
    assert 1e4 * dynamics.omega == pytest.approx(0.0175, abs=1e-4)
    assert dynamics.alpha == pytest.approx(0.1022, abs=1e-4)
    assert dynamics.beta == pytest.approx(0.8852, abs=1e-4)
    assert dynamics.ar == 0
    sigma = 100 * (returns - dynamics.mean) / residuals
    likelihood = -0.5 * np.sum(np.log(2 * np.pi) + 2 * np.log(sigma) + residuals**2)
    assert likelihood == pytest.approx(-6936.7, abs=0.05)


def test_the_filter_is_archs(returns):
    dynamics, residuals = fit_garch(returns)
    theirs = ARX(returns / returns.std(), lags=1, volatility=GARCH(), rescale=False).fit(disp="off")
    np.testing.assert_array_equal(residuals, theirs.std_resid[1:])
    sigma = returns.std() * theirs.conditional_volatility
    start = replace(dynamics, last_return=returns[0], next_variance=sigma[1] ** 2)
    means, sigmas, after = start.forecasts(returns[1:])
    np.testing.assert_allclose(sigmas, sigma[1:], rtol=1e-9)
    np.testing.assert_allclose((returns[1:] - means) / sigmas, residuals, rtol=1e-9, atol=1e-12)
    assert after.next_variance == pytest.approx(dynamics.next_variance, rel=1e-9)
    forecast = theirs.forecast(horizon=1)
    variance = returns.std() ** 2 * float(forecast.variance.iloc[-1, 0])
    assert dynamics.next_variance == pytest.approx(variance, rel=1e-9)
    assert dynamics.next_mean == pytest.approx(returns.std() * float(forecast.mean.iloc[-1, 0]), rel=1e-9)


def test_filtering_on_is_filtering_at_once(returns):
    dynamics, _ = fit_garch(returns[:2_000])
    means, sigmas, after = dynamics.forecasts(returns[2_000:2_100])
    first_means, first_sigmas, between = dynamics.forecasts(returns[2_000:2_040])
    then_means, then_sigmas, end = between.forecasts(returns[2_040:2_100])
    np.testing.assert_array_equal(np.concatenate([first_means, then_means]), means)
    np.testing.assert_array_equal(np.concatenate([first_sigmas, then_sigmas]), sigmas)
    assert end == after
    assert means[0] == dynamics.next_mean
    assert sigmas[0] ** 2 == pytest.approx(dynamics.next_variance)
    assert after.forecasts([])[2] == after


def test_a_simulated_process_comes_back():
    random = np.random.default_rng(5)
    variance, last, returns = 1e-4, 0.0, []
    for _ in range(20_000):
        error = variance**0.5 * random.standard_normal()
        last = 1e-4 + 0.1 * last + error
        returns.append(last)
        variance = 2e-6 + 0.08 * error**2 + 0.9 * variance
    dynamics, residuals = fit_garch(returns)
    assert dynamics.ar == pytest.approx(0.1, abs=0.02)
    assert dynamics.omega == pytest.approx(2e-6, rel=0.2)
    assert dynamics.alpha == pytest.approx(0.08, abs=0.01)
    assert dynamics.beta == pytest.approx(0.9, abs=0.015)
    assert residuals.std() == pytest.approx(1, abs=0.01)


@pytest.mark.parametrize("unit", [1e-4, 100.0])
def test_bars_of_any_size_are_fitted_alike(returns, unit):
    one, residuals = fit_garch(returns[:1_000])
    other, same = fit_garch(unit * returns[:1_000])
    assert (other.alpha, other.beta) == pytest.approx((one.alpha, one.beta), rel=1e-3)
    assert other.next_variance == pytest.approx(unit**2 * one.next_variance, rel=1e-3)
    np.testing.assert_allclose(same, residuals, atol=1e-3)


def test_volatility_that_only_grows_is_fitted():
    # alpha + beta at its bound of 1, where arch's optimiser stops with flag 8
    noise = np.random.default_rng(0).standard_normal(1_000)
    dynamics, residuals = fit_garch(noise * np.linspace(0.1, 3, 1_000))
    assert dynamics.alpha + dynamics.beta == pytest.approx(1, abs=1e-4)
    assert residuals.std() == pytest.approx(1, abs=0.1)


def test_flat_dynamics_are_mean_and_variance(returns):
    dynamics, residuals = fit_flat(returns)
    means, sigmas, after = dynamics.forecasts(returns[:5])
    np.testing.assert_allclose(means, returns.mean())
    np.testing.assert_allclose(sigmas, returns.std())
    assert (residuals.mean(), residuals.std()) == pytest.approx((0, 1), abs=1e-9)
    assert after.last_return == returns[4]
