"""The models on the prices of the past."""

from __future__ import annotations

import json

import numpy as np
import pytest

from weir.risk.backtest.rolling import Backtest, Result, backtest
from weir.risk.errors import RiskError
from weir.risk.inputs.sources import package_history


def of(found: Backtest, model: str, level: float, side: str = "long") -> Result:
    """The one result for these."""
    (result,) = (
        each for each in found.results if (each.model, each.level, each.side) == (model, level, side)
    )
    return result


@pytest.mark.parametrize("coin", ["BTC", "ETH"])
def test_the_default_model_holds_where_normal_residuals_do_not(coin):
    # all days there are, in windows of 1,000 as in McNeil and Frey (2000), fitted anew every 20 days
    history = package_history(coin)
    found = backtest(history.times, history.closes, models=("garch-normal", "garch-evt"))
    for level in (0.95, 0.99, 0.995):
        assert of(found, "garch-evt", level).rejected() == ()
    assert {"kupiec", "conditional", "z2"} <= set(of(found, "garch-normal", 0.99).rejected())
    assert {"kupiec", "conditional", "z2"} <= set(of(found, "garch-normal", 0.995).rejected())


@pytest.fixture(scope="module")
def history():
    returns = 0.02 * np.random.default_rng(8).standard_normal(900)
    times = np.datetime64("2020-01-01T00") + np.arange(901) * np.timedelta64(1, "h")
    return times, 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))


@pytest.fixture(scope="module")
def found(history):
    return backtest(
        *history,
        models=("normal", "historical"),
        sides=("long", "short"),
        window=400,
        refit=25,
        levels=(0.95, 0.99),
    )


def test_each_bar_is_forecast_from_the_past_alone(history, found):
    times, closes = history
    changed = closes.copy()
    changed[700:] *= 2
    other = backtest(times, changed, models=("historical",), window=400, refit=25, levels=(0.95,))
    before, after = of(other, "historical", 0.95), of(found, "historical", 0.95)
    np.testing.assert_array_equal(before.var[:300], after.var[:300])  # bars 401 to 700
    returns = np.diff(np.log(closes))
    start = 275  # a refit: the window ends at the bar before
    past = returns[start : start + 400]
    assert after.var[start] == pytest.approx(-np.sort(past)[19])
    assert after.shortfall[start] == pytest.approx(-np.sort(past)[:20].mean())
    assert found.times[start] == times[start + 401]
    assert found.returns[start] == returns[start + 400]


def test_right_forecasts_are_kept_and_wrong_ones_rejected(history):
    right = of(backtest(*history, models=("normal",), window=400), "normal", 0.95)
    assert right.rejected() == ()
    times, closes = history
    swings = np.diff(np.log(closes), prepend=np.log(closes[0])) * np.where(np.arange(901) > 500, 2, 1)
    wrong = of(
        backtest(times, 100 * np.exp(np.cumsum(swings)), models=("normal",), window=400), "normal", 0.99
    )
    assert {"kupiec", "z2"} <= set(wrong.rejected())
    assert wrong.zone != "green"


def test_p_values_of_z2_are_those_of_the_forecast(history):
    # one-sided: uniform over right histories
    p_values = []
    for seed in range(40):
        returns = 0.02 * np.random.default_rng(100 + seed).standard_normal(800)
        closes = 100 * np.exp(np.concatenate([[0.0], np.cumsum(returns)]))
        result = backtest(history[0][:801], closes, models=("normal",), window=400, refit=400, levels=(0.95,))
        p_values.append(of(result, "normal", 0.95).z2.p_value)
    assert 0.3 < np.mean(p_values) < 0.7
    assert min(p_values) < 0.3
    assert max(p_values) > 0.7


def test_sides_mirror_each_other(history, found):
    times, closes = history
    mirrored = backtest(times, 1 / closes, models=("normal",), window=400, refit=25, levels=(0.99,))
    np.testing.assert_allclose(of(mirrored, "normal", 0.99).var, of(found, "normal", 0.99, "short").var)
    np.testing.assert_array_equal(of(mirrored, "normal", 0.99).hits, of(found, "normal", 0.99, "short").hits)


def test_it_becomes_json_and_is_the_same_again(history, found):
    text = json.dumps(found.as_dict(), allow_nan=False)
    again = backtest(
        *history,
        models=("normal", "historical"),
        sides=("long", "short"),
        window=400,
        refit=25,
        levels=(0.95, 0.99),
    )
    assert json.dumps(again.as_dict()) == text
    read = json.loads(text)
    assert (read["observations"], len(read["results"])) == (500, 8)
    first = read["results"][0]
    assert (first["model"], first["side"], first["level"]) == ("normal", "long", 0.95)
    assert first["exceptions"] == len(first["dates"])
    assert all(day["loss"] > day["var"] for result in read["results"] for day in result["dates"])
    assert first["dates"][0]["time"].startswith("2020-01-")


def test_progress_is_told(history):
    calls = []
    backtest(*history, models=("normal",), window=400, refit=60, progress=lambda *call: calls.append(call))
    assert calls == [(k + 1, 9) for k in range(9)]


def test_bad_histories_are_refused(history):
    times, closes = history
    with pytest.raises(RiskError, match="closes: 901 bars; a window of 900 needs at least 931"):
        backtest(times, closes, window=900)
    with pytest.raises(RiskError, match=r"closes: above 0 \(got 0 at 2020-01-01T03\)"):
        backtest(times, np.where(np.arange(901) == 3, 0, closes), models=("normal",))
    with pytest.raises(RiskError, match="times: each later"):
        backtest(times[::-1], closes)
    with pytest.raises(RiskError, match="closes: one for each"):
        backtest(times[:-1], closes)
    with pytest.raises(RiskError, match="model: one of"):
        backtest(times, closes, models=("crystal-ball",))
    with pytest.raises(RiskError, match=r"level: above 0\.5"):
        backtest(times, closes, levels=(0.05,))
    with pytest.raises(RiskError, match="refit: at least 1"):
        backtest(times, closes, refit=0)
    with pytest.raises(
        RiskError, match="returns up to 2020-01-11T00: 240 returns, garch-evt needs at least 250"
    ):
        backtest(times, closes, window=240)
    seconds = times.astype("datetime64[s]").astype(np.int64)
    by_number = backtest(seconds, closes, models=("normal",), window=400)
    assert by_number.times[-1] == times[-1]
