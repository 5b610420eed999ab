"""Scores, tiers and reasons of accounts."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from weir.risk.credit import CODES, RISKS, CreditParameters, Risks, assess, measure, score, tiers
from weir.risk.errors import RiskError
from weir.risk.simulation.exposures import Exposures

PARAMETERS = CreditParameters()
COVARIANCE = np.array([[0.0016, 0.0008, 0], [0.0008, 0.0025, 0], [0, 0, 1e-6]])


def exposures(
    equity: list[float], positions: list[list[float]], coins: list[float] | None = None, ratio: float = 0.03
) -> Exposures:
    held = np.array(positions, dtype=float)
    n = len(equity)
    collateral = np.zeros((n, 1)) if coins is None else np.array(coins, dtype=float)[:, None]
    return Exposures(
        accounts=tuple(f"a{i}" for i in range(n)),
        factors=("BTC", "ETH", "USDC"),
        markets=2,
        equity=np.array(equity, dtype=float),
        resources=np.array(equity, dtype=float),
        notional=np.hstack([held, collateral]),
        margin=np.hstack([np.abs(held) * ratio, np.zeros((n, 1))]),
    )


def risks(**values: float) -> Risks:
    clean = {
        "default": 0.0,
        "tail": 0.0,
        "distance": 100.0,
        "leverage": 0.0,
        "concentration": 0.0,
        "collateral": 0.0,
    }
    found = {name: np.array([value]) for name, value in {**clean, "alone": 0.0, **values}.items()}
    return Risks(**found)


# ----------------------------------------------------------------------- risks


def test_the_six_risks_of_an_account() -> None:
    """Figures by hand: 100,000 long BTC and 50,000 short ETH on 20,000 of equity, half of it USDC."""
    book = exposures([20_000, 90_000], [[100_000, -50_000], [-100_000, 50_000]], [10_000, 0])
    found = measure(book, COVARIANCE, [0.02, 0.0], [1_500, 0], [None, None])
    assert found.default[0] == 0.02
    assert found.tail[0] == pytest.approx(1_500 / 150_000)
    assert found.leverage[0] == pytest.approx(7.5)
    assert found.concentration[0] == 1
    assert found.collateral[0] == pytest.approx(0.5)
    # Room 20,000 - 4,500; P&L against margin: 97,000 of BTC, -51,500 of ETH, 10,000 of USDC.
    v = np.array([97_000, -51_500, 10_000])
    assert found.distance[0] == pytest.approx(15_500 / np.sqrt(v @ COVARIANCE @ v))


def test_distance_is_where_liquidation_begins() -> None:
    """Along a ray of the account's own loss, the engine's rule and the distance agree: it is linear."""
    book = exposures([10_000], [[80_000, 40_000]])
    (distance,) = measure(book, COVARIANCE, [0.0], [0.0], [None]).distance
    v = book.notional[0] - book.margin[0]
    move = -distance * COVARIANCE @ v / np.sqrt(v @ COVARIANCE @ v)
    assert book.equity[0] + book.notional[0] @ move == pytest.approx(book.margin[0] @ (1 + move))


def test_no_positions_no_risk() -> None:
    book = exposures([0, -5, 100], [[0, 0]] * 3, [0, 0, 100])
    found = measure(book, COVARIANCE, [0.5, 1, 0], [7, 7, 7], ["g", "g", None])
    scores, _ = score(found)
    assert scores[[0, 2]].tolist() == [1_000] * 2
    # But for who owes money already.
    assert scores[1] < 200


def test_no_equity_is_the_worst() -> None:
    book = exposures([-10, 0], [[1_000, 0], [-1_000, 0]], [5, 0])
    found = measure(book, COVARIANCE, [1, 1], [1_000, 1_000], [None, None])
    assert np.isinf(found.leverage).all()
    assert found.distance.tolist() == [0, 0]
    assert score(found)[0][0] == 0


def test_a_groups_positions_count_together() -> None:
    positions = [[40, 0], [30, 10], [30, 90], [-100, -100]]
    book = exposures([100] * 4, positions)
    alone = measure(book, COVARIANCE, [0] * 4, [0] * 4, [None] * 4)
    grouped = measure(book, COVARIANCE, [0] * 4, [0] * 4, ["x", "x", None, "y"])
    assert alone.concentration.tolist() == [0.4, 0.3, 0.9, 1.0]
    assert grouped.concentration.tolist() == [0.7, 0.7, 0.9, 1.0]
    assert grouped.alone.tolist() == alone.concentration.tolist()
    # A group that hedges itself is no less concentrated than its members are.
    hedged = measure(exposures([100] * 2, [[50, 0], [-50, 0]]), COVARIANCE, [0, 0], [0, 0], ["x", "x"])
    assert hedged.concentration.tolist() == [1, 1]


# ---------------------------------------------------------------------- scores

numbers = {
    "default": st.floats(0, 1),
    "tail": st.floats(0, 0.1),
    "distance": st.floats(0, 20),
    "leverage": st.floats(0, 50),
    "concentration": st.floats(0, 1),
    "collateral": st.floats(0, 1),
}


@settings(deadline=None)
@given(st.fixed_dictionaries(numbers), st.sampled_from(RISKS), st.data())
def test_the_score_is_monotone_in_every_risk(
    values: dict[str, float], risk: str, data: st.DataObject
) -> None:
    worse = data.draw(numbers[risk])
    low, high = sorted((values[risk], worse), reverse=risk == "distance")
    better_score, costs = score(risks(**{**values, risk: low}))
    worse_score, _ = score(risks(**{**values, risk: high}))
    assert 0 <= worse_score[0] <= better_score[0] + 1e-9 <= 1_000 + 1e-9
    assert better_score[0] == pytest.approx(1_000 - costs[0].sum())
    assert (costs >= 0).all()


def test_marks_are_where_points_begin_and_end() -> None:
    assert score(risks())[0][0] == 1_000
    # Half of the logarithm between 1e-5 and 0.1 is 1e-3: half of 300 points.
    assert score(risks(default=1e-3))[0][0] == pytest.approx(850)
    assert score(risks(default=0.1))[0][0] == score(risks(default=0.9))[0][0] == pytest.approx(700)
    assert score(risks(tail=0.01))[0][0] == pytest.approx(900)
    assert score(risks(distance=3))[0][0] == pytest.approx(900)
    assert score(risks(leverage=20))[0][0] == pytest.approx(850)
    assert score(risks(concentration=0.5))[0][0] == pytest.approx(900)
    assert score(risks(collateral=1))[0][0] == pytest.approx(950)


# ----------------------------------------------------------------------- tiers


def step(points: float, standing: int, fixed: bool = False) -> tuple[int, bool, bool]:
    found, held, limited = tiers([points], [standing], [fixed])
    return int(found[0]), bool(held[0]), bool(limited[0])


def test_a_tier_moves_by_one_beyond_the_margin() -> None:
    assert step(725, 2) == (1, False, False)
    assert step(724.9, 2) == (2, True, False)
    assert step(475, 2) == (2, True, False)
    assert step(474.9, 2) == (3, False, False)
    assert step(600, 2) == (2, False, False)
    assert step(1_000, 4) == (3, False, True)
    assert step(0, 0) == (1, False, True)
    assert step(0, 4) == (4, False, False)
    assert step(1_000, 0) == (0, False, False)


def test_who_has_none_starts_from_two() -> None:
    assert [step(points, -1)[0] for points in (1_000, 600, 0)] == [1, 2, 3]


@settings(deadline=None)
@given(st.floats(0, 1_000), st.integers(-1, 4))
def test_a_fixed_tier_stays(points: float, standing: int) -> None:
    assert step(points, standing, fixed=True) == (2 if standing < 0 else standing, False, False)


@settings(deadline=None)
@given(st.sampled_from(PARAMETERS.thresholds), st.lists(st.floats(-1, 1), min_size=1), st.integers(0, 4))
def test_within_the_margin_of_a_threshold_nothing_flaps(
    center: float, noise: list[float], start: int
) -> None:
    """A score that stays within the margin settles on one side, and there it stays."""
    scores = [center + PARAMETERS.margin * 0.999 * x for x in noise]
    tier = start
    for _ in range(5):
        tier = step(center, tier)[0]
    for points in scores:
        assert step(points, tier)[0] == tier


@settings(deadline=None)
@given(st.floats(0, 1_000), st.integers(0, 4))
def test_a_steady_score_comes_to_rest_next_to_its_tier(points: float, start: int) -> None:
    seen, tier = [start], start
    for _ in range(6):
        after = step(points, tier)[0]
        assert abs(after - tier) <= 1
        tier = after
        seen.append(tier)
    assert seen[-1] == seen[-2]
    assert sorted(seen) in (seen, seen[::-1])
    plain = sum(points < threshold for threshold in PARAMETERS.thresholds)
    assert abs(tier - plain) <= 1
    if all(abs(points - threshold) > PARAMETERS.margin for threshold in PARAMETERS.thresholds):
        assert tier == plain


@settings(deadline=None)
@given(st.floats(0, 1_000), st.floats(0, 1_000), st.integers(0, 4), st.integers(0, 4))
def test_better_scores_and_tiers_never_end_worse(a: float, b: float, one: int, two: int) -> None:
    low, high = sorted((a, b))
    better, worse = sorted((one, two))
    assert step(high, better)[0] <= step(low, worse)[0]


def test_unknown_tiers_are_refused() -> None:
    for bad in (-2, 5):
        with pytest.raises(RiskError, match="standing"):
            tiers([500], [bad], [False])


# ------------------------------------------------------------------ everything


def test_contributions_are_euler_shares_of_the_target() -> None:
    book = exposures([100, 100, 100], [[10, 0], [20, 0], [-30, 0]])
    found = assess(book, COVARIANCE, [0] * 3, [10, 30, 0], [2] * 3, [False] * 3, [None] * 3, 1_000)
    assert found.contributions.tolist() == [250, 750, 0]
    nobody = assess(book, COVARIANCE, [0] * 3, [0] * 3, [2] * 3, [False] * 3, [None] * 3, 1_000)
    assert nobody.contributions.tolist() == [0, 0, 0]


def test_reasons_name_what_costs_most_first() -> None:
    book = exposures([5_200, 200_000, 1e6], [[100_000, 0], [50_000, 0], [-150_000, 0]])
    found = assess(
        book,
        COVARIANCE,
        [0.08, 1e-7, 1e-7],
        [1_900, 0, 0],
        [1, -1, 0],
        [False, False, True],
        ["g", "g", None],
        1e5,
    )
    codes = [reason.code for reason in found.reasons(0)]
    assert codes[:4] == ["DEFAULT_RISK", "TAIL_LOSS", "NEAR_LIQUIDATION", "LEVERAGE"]
    assert codes[4:6] == ["CONCENTRATION", "GROUP"]
    assert codes[-1] == "ONE_STEP"
    assert found.tiers.tolist() == [2, 1, 0]
    assert found.standing.tolist() == [1, 2, 0]
    words = {reason.code: reason.words for reason in found.reasons(0)}
    assert words["DEFAULT_RISK"].startswith("defaults with a probability of 8.00%: ")
    assert words["LEVERAGE"].startswith("leverage 19.2x: ")
    assert words["GROUP"] == "counted with its group, alone it would be 66.7%"
    assert [reason.code for reason in found.reasons(2)] == ["CONCENTRATION", "FIXED"]


def test_hysteresis_and_collateral_are_reasons() -> None:
    held = assess(
        exposures([1_000, 1_000], [[6_000, 0], [-6_000, 0]], [900, 0]),
        COVARIANCE,
        [3.7e-5, 0],
        [0, 0],
        [1, 1],
        [False, False],
        [None, None],
        0,
    )
    codes = [reason.code for reason in held.reasons(0)]
    assert "COLLATERAL_DEPEG" in codes
    assert 675 <= held.scores[0] < 700
    assert codes[-1] == "HYSTERESIS"
    assert len(CODES) == len(RISKS) == held.costs.shape[1]


def test_ten_thousand_accounts_take_no_time() -> None:
    n, generator = 10_000, np.random.default_rng(1)
    positions = generator.normal(size=(n, 2)) * 1e4
    book = exposures(list(np.abs(positions).sum(axis=1) * generator.uniform(0.04, 1, n)), positions.tolist())
    groups = [f"g{i % 500}" if i % 3 else None for i in range(n)]
    start = time.process_time()
    found = assess(
        book, COVARIANCE, generator.uniform(0, 0.1, n), generator.uniform(0, 100, n), np.full(n, -1),
        np.zeros(n, dtype=bool), groups, 1e6,
    )  # fmt: skip
    assert time.process_time() - start < 1
    assert found.contributions.sum() == pytest.approx(1e6)
    for i in (0, 17, 9_999):
        alone = score(
            Risks(**{f.name: getattr(found.risks, f.name)[[i]] for f in dataclasses.fields(Risks)})
        )[0][0]
        assert alone == found.scores[i]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covariance": np.eye(2)}, "covariance"),
        ({"default_probability": [2.0]}, "default_probability: from 0 to 1"),
        ({"default_probability": [0.1, 0.1]}, "default_probability: one for each"),
        ({"shortfall": [-1.0]}, "shortfall"),
        ({"shortfall": [float("nan")]}, "shortfall"),
        ({"groups": []}, "groups"),
        ({"target": -1.0}, "target"),
        ({"standing": [7]}, "standing"),
        ({"standing": [2, 2]}, "standing, fixed: one for each of 1"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    good = {
        "exposures": exposures([1], [[1, 1]]),
        "covariance": COVARIANCE,
        "default_probability": [0.1],
        "shortfall": [1.0],
        "standing": [2],
        "fixed": [False],
        "groups": [None],
        "target": 1.0,
    }
    with pytest.raises(RiskError, match=message):
        assess(**{**good, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"thresholds": (500, 700, 300, 100)},
        {"margin": -1},
        {"leverage": {"weight": 0.5, "good": 1, "bad": 20}},
        {"leverage": {"weight": 0.15, "good": 20, "bad": 1}},
        {"distance": {"weight": 0.2, "good": 0, "bad": 6}},
        {"default": {"weight": 0.3, "good": 0, "bad": 0.1}},
    ],
)
def test_unsound_parameters_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        CreditParameters(**change)
