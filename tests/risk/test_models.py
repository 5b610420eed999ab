"""Forecasting models: what holds for each, and what each refuses."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.risk.errors import RiskError
from weir.risk.forecast.models import DEFAULT, MODELS, model_named

RETURNS = 0.02 * np.random.default_rng(11).standard_t(4, 600)
LEVELS = np.array([0.9, 0.95, 0.99, 0.999])
FLAT = ("historical", "normal", "student-t", "evt")
REFERENCE = {name: MODELS[name].fit(RETURNS) for name in MODELS}


def _figures(forecast):
    return np.concatenate(
        [f(LEVELS, s) for f in (forecast.quantile, forecast.shortfall) for s in ("long", "short")]
    )


@pytest.mark.parametrize("name", FLAT)
@given(scale=st.floats(1e-3, 1e3), shift=st.floats(-0.05, 0.05))
@settings(max_examples=15, deadline=None)
def test_figures_scale_and_shift_with_returns(name, scale, shift):
    # positive homogeneity and translation: Artzner, Delbaen, Eber, Heath, Mathematical Finance 9 (1999)
    moved = _figures(MODELS[name].fit(scale * RETURNS + shift))
    sign = np.tile(np.repeat([-1, 1], len(LEVELS)), 2)
    np.testing.assert_allclose(
        moved, scale * _figures(REFERENCE[name]) + sign * shift, rtol=2e-3, atol=scale * 2e-5
    )


@pytest.mark.parametrize("name", ["garch-normal", "garch-t", "garch-evt"])
def test_conditional_figures_scale_with_returns(name):
    np.testing.assert_allclose(
        _figures(MODELS[name].fit(3 * RETURNS)), 3 * _figures(REFERENCE[name]), rtol=2e-3
    )


@pytest.mark.parametrize("name", MODELS)
def test_sides_mirror_each_other(name):
    mirrored = MODELS[name].fit(-RETURNS)
    np.testing.assert_allclose(
        mirrored.quantile(LEVELS, "short"), REFERENCE[name].quantile(LEVELS, "long"), rtol=2e-3
    )


@pytest.mark.parametrize("name", MODELS)
def test_quantiles_are_those_of_the_next_return(name):
    forecast = REFERENCE[name]
    sigma = forecast.dynamics.next_variance**0.5
    for side, residual in (("long", forecast.law.ppf(1 - LEVELS)), ("short", forecast.law.isf(1 - LEVELS))):
        moved = forecast.dynamics.next_mean + sigma * residual
        np.testing.assert_allclose(forecast.quantile(LEVELS, side), moved if side == "short" else -moved)
    assert (forecast.shortfall(LEVELS) >= forecast.quantile(LEVELS) - 1e-15).all()
    assert len(forecast.residuals) == len(RETURNS) - name.startswith("garch")


def test_volatility_follows_the_last_returns():
    calm = np.concatenate([RETURNS, np.full(20, 0.001)])
    wild = np.concatenate([RETURNS, np.tile([0.1, -0.1], 10)])
    assert MODELS["garch-evt"].fit(wild).quantile(0.99) > 1.5 * MODELS["garch-evt"].fit(calm).quantile(0.99)


@pytest.mark.parametrize("name", MODELS)
def test_bad_returns_are_refused(name):
    model = MODELS[name]
    with pytest.raises(
        RiskError, match=f"eth: {model.fewest - 1} returns, {name} needs at least {model.fewest}"
    ):
        model.fit(RETURNS[: model.fewest - 1], name="eth")
    with pytest.raises(RiskError, match="eth: return 3 is not a finite number"):
        model.fit(np.where(np.arange(600) == 3, np.nan, RETURNS), name="eth")
    with pytest.raises(RiskError, match="eth: all returns are the same"):
        model.fit(np.full(600, 0.01), name="eth")
    with pytest.raises(RiskError, match="one dimension"):
        model.fit(RETURNS.reshape(2, -1))


def test_models_have_names():
    assert model_named(DEFAULT).name == "garch-evt"
    with pytest.raises(RiskError, match=r"model: one of historical, .* \(got egarch\)"):
        model_named("egarch")
