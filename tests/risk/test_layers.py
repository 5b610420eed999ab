"""Who bears a loss, and what a layer should be paid."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.risk.errors import RiskError
from weir.risk.measures.layers import LAYERS, OPEN_INTEREST, layer_risks, split

SIZES = {"skin": 100.0, "junior": 30.0, "senior": 190.0, "mutual": 60.0}
amounts = st.floats(0, 1_000)


def waterfall(loss: float, reserve: float, sizes: dict[str, float]) -> list[float]:
    """Second witness: the reserve shrinks the fund's layers, then defaults take what is left."""
    left = dict(sizes)
    lost = dict.fromkeys((*LAYERS, OPEN_INTEREST), 0.0)
    for name in ("skin", "junior", "senior"):
        part = min(reserve, left[name])
        reserve, left[name], lost[name] = reserve - part, left[name] - part, lost[name] + part
    for name in LAYERS:
        part = min(loss, left[name])
        loss, left[name], lost[name] = loss - part, left[name] - part, lost[name] + part
    lost[OPEN_INTEREST] = loss
    return list(lost.values())


def test_a_loss_goes_up_the_layers() -> None:
    found = split([0, 50, 100, 350, 500], SIZES)
    assert found.tolist() == [
        [0, 0, 0, 0, 0],
        [50, 0, 0, 0, 0],
        [100, 0, 0, 0, 0],
        [100, 30, 190, 30, 0],
        [100, 30, 190, 60, 120],
    ]


@settings(deadline=None)
@given(st.lists(st.tuples(amounts, amounts), min_size=1, max_size=20), st.tuples(*[st.floats(0, 300)] * 4))
def test_against_the_waterfall_step_by_step(
    pairs: list[tuple[float, float]], sizes: tuple[float, ...]
) -> None:
    named = dict(zip(LAYERS, sizes, strict=True))
    losses, reserves = np.array(pairs).T
    found = split(losses, named, reserves)
    for row, (loss, reserve) in zip(found, pairs, strict=True):
        np.testing.assert_allclose(row, waterfall(loss, reserve, named), atol=1e-9)
        assert row.sum() == pytest.approx(loss + min(reserve, sum(sizes[:3])))


def test_probabilities_and_premiums_of_a_known_law() -> None:
    """Uniform losses on (0, 400): every figure of skin (0 to 100) and junior (100 to 130) is elementary."""
    losses = (np.arange(100_000) + 0.5) / 100_000 * 400
    skin, junior, senior, mutual, open_interest = layer_risks(losses, SIZES, days=1, sharpe=0.5)
    assert skin.attachment.value == 1
    assert skin.exhaustion.value == pytest.approx(0.75)
    assert junior.attachment.value == pytest.approx(0.75)
    assert junior.exhaustion.value == pytest.approx(0.675)
    assert skin.expected_loss == pytest.approx(0.25 * 50 + 0.75 * 100)
    # The deviation of min(L, 100): E[X²] is 0.25 · 100²/3 + 0.75 · 100².
    deviation = math.sqrt(0.25 * 1e4 / 3 + 0.75 * 1e4 - 87.5**2)
    assert skin.loaded_premium == pytest.approx(
        0.875 * 365 + 0.5 * deviation / 100 * math.sqrt(365), rel=1e-4
    )
    assert skin.error == pytest.approx(deviation / math.sqrt(100_000), rel=1e-3)
    assert mutual.exhaustion.value == pytest.approx(20 / 400)
    assert open_interest.attachment.value == pytest.approx(20 / 400)
    assert open_interest.exhaustion.value == 0
    assert open_interest.loaded_premium is None
    assert open_interest.expected_loss == pytest.approx(20 / 400 * 10)
    assert senior.attachment.low < senior.attachment.value < senior.attachment.high


@settings(deadline=None)
@given(st.lists(amounts, min_size=2, max_size=50), st.floats(0.5, 30))
def test_layers_add_up_and_are_nested(losses: list[float], days: float) -> None:
    found = layer_risks(losses, SIZES, days)
    assert sum(layer.expected_loss for layer in found) == pytest.approx(np.mean(losses))
    for lower, upper in itertools.pairwise(found):
        assert lower.attachment.value >= lower.exhaustion.value >= upper.attachment.value
        assert lower.attachment.low <= lower.attachment.value <= lower.attachment.high
    for layer in found[:-1]:
        rate = layer.expected_loss / layer.size
        assert 0 <= rate <= 1
        assert layer.loaded_premium is not None
        assert layer.loaded_premium >= rate * 365 / days * (1 - 1e-12)


def test_a_loss_of_exactly_a_layer_exhausts_it() -> None:
    skin, junior, *_ = layer_risks([99.0, 100.0, 100.5], SIZES, 1)
    assert skin.exhaustion.value == pytest.approx(2 / 3)
    assert junior.attachment.value == pytest.approx(1 / 3)


def test_a_layer_of_nothing() -> None:
    risk = layer_risks([0.0, 100.0, 200.0], {**SIZES, "junior": 0.0}, 1)[1]
    assert risk.loaded_premium is None
    assert risk.attachment.value == risk.exhaustion.value == pytest.approx(1 / 3)


def test_a_depeg_reaches_the_fund_but_not_its_members() -> None:
    found = split([0.0], SIZES, [10_000.0])
    assert found.tolist() == [[100, 30, 190, 0, 0]]
    assert layer_risks([0.0, 0.0], SIZES, 1, [0.0, 50.0])[0].attachment.value == 0.5


@pytest.mark.parametrize(
    ("losses", "sizes", "reserve", "message"),
    [
        ([-1.0], SIZES, None, "losses: at least 0"),
        ([1.0], {"skin": 1.0}, None, "sizes: one for each"),
        ([1.0], {**SIZES, "skin": -1.0}, None, "skin"),
        ([1.0], {**SIZES, "skin": math.nan}, None, "skin"),
        ([1.0], SIZES, [1.0, 2.0], "reserve_losses"),
        ([1.0], SIZES, [-1.0], "reserve_losses"),
    ],
)
def test_bad_input_is_refused(
    losses: list[float], sizes: dict[str, float], reserve: list[float], message: str
) -> None:
    with pytest.raises(RiskError, match=message):
        split(losses, sizes, reserve)


def test_bad_horizons_and_loads_are_refused() -> None:
    with pytest.raises(RiskError, match="days"):
        layer_risks([1.0], SIZES, 0)
    with pytest.raises(RiskError, match="sharpe"):
        layer_risks([1.0], SIZES, 1, sharpe=-1)
