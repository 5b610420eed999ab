"""Reverse stress, where the smallest move is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest

from weir.risk.errors import RiskError
from weir.risk.stress.reverse import named_directions, reverse_stress

NAMES = ("BTC", "ETH", "USDC")
COVARIANCE = np.array([[0.0016, 0.0016, 0], [0.0016, 0.0025, 0], [0, 0, 0]])
LAYERS = {"skin": 100.0, "junior": 200.0}


def linear(weights: list[float]) -> Callable[[np.ndarray], np.ndarray]:
    """A loss that is linear in log prices, so that the smallest move is known in closed form."""

    def loss(changes: np.ndarray) -> np.ndarray:
        return np.maximum(np.log1p(changes) @ np.array(weights), 0)

    return loss


def test_the_smallest_move_of_a_linear_loss() -> None:
    """min √(x'Σ⁻¹x) with w·x = c is c/√(w'Σw), at x = Σw c/(w'Σw) (Lagrange; Breuer et al. 2009)."""
    weights = np.array([-800.0, -300.0, 0])
    variance = weights @ COVARIANCE @ weights
    found = reverse_stress(linear(list(weights)), LAYERS, COVARIANCE, named_directions(COVARIANCE, NAMES))
    for answer, threshold in zip(found, (100, 300), strict=True):
        assert answer.smallest is not None
        assert answer.smallest.norm == pytest.approx(threshold / math.sqrt(variance), rel=2e-3)
        best = COVARIANCE @ weights * threshold / variance
        np.testing.assert_allclose(np.log1p(answer.smallest.changes), best, atol=0.03 * np.abs(best).max())
        assert linear(list(weights))(answer.smallest.changes) >= threshold
        assert answer.reason == ""


def test_the_named_directions() -> None:
    """One position: long 1000 of BTC. Down alone, and all down, take ln-moves of 0.1 for a loss of 100."""
    found = reverse_stress(
        linear([-1_000, 0, 0]), {"skin": 100.0}, COVARIANCE, named_directions(COVARIANCE, NAMES)
    )
    along = found[0].along
    assert set(along) == {"all down", "all up", "BTC down", "BTC up", "ETH down", "ETH up"}
    for name in ("all down", "BTC down"):
        breach = along[name]
        assert breach is not None
        assert np.log1p(breach.changes[0]) == pytest.approx(-0.1, rel=1e-4)
    # Alone is less likely than together: √(x'Σ⁻¹x) with correlation 0.8 is 2.5/√(1 - 0.64).
    assert along["BTC down"].norm == pytest.approx(2.5 / 0.6, rel=1e-3)
    for name in ("all up", "BTC up", "ETH down", "ETH up"):
        assert along[name] is None
    # Given BTC's move, the likeliest move of ETH goes with it.
    assert found[0].smallest.norm == pytest.approx(2.5, rel=1e-3)


def test_a_loss_that_falls_again_is_found_at_its_first_breach() -> None:
    """Not monotone: 500 are lost where BTC is between 30% and 50% down, and again below 80%."""

    def loss(changes: np.ndarray) -> np.ndarray:
        down = -changes[:, 0]
        return np.where(((down >= 0.3) & (down <= 0.5)) | (down >= 0.8), 500.0, 0.0)

    (found,) = reverse_stress(loss, {"skin": 400.0}, COVARIANCE, named_directions(COVARIANCE, NAMES))
    assert found.along["BTC down"].changes[0] == pytest.approx(-0.3, abs=1e-4)
    assert found.smallest.norm == pytest.approx(-math.log(0.7) / 0.04, rel=2e-3)


def test_a_layer_that_no_move_exhausts() -> None:
    """A long position of 1000 loses at most 990 within -99%."""
    found = reverse_stress(
        lambda changes: np.maximum(-1_000 * changes[:, 0], 0),
        {"skin": 900.0, "junior": 100.0},
        COVARIANCE,
        named_directions(COVARIANCE, NAMES),
    )
    assert found[0].smallest is not None
    assert found[1].smallest is None
    assert all(breach is None for breach in found[1].along.values())
    assert "no move within -99% and +500% costs 1,000 USD" in found[1].reason
    assert "at most 990 USD" in found[1].reason


def test_beyond_a_bound_the_others_go_on() -> None:
    """All down: BTC's loss ends at -99%, ETH's, of a smaller deviation here, adds what is missing."""
    covariance = np.diag([0.01, 0.0001, 0])
    found = reverse_stress(
        lambda changes: np.maximum(-changes @ [1_000, 1_000, 0], 0),
        {"skin": 1_500.0},
        covariance,
        {"all down": named_directions(covariance, NAMES)["all down"]},
        samples=0,
        rounds=0,
    )
    breach = found[0].along["all down"]
    assert breach is not None
    np.testing.assert_allclose(breach.changes, [-0.99, -0.51, 0], atol=1e-4)


def test_a_stablecoin_may_be_a_direction_of_its_own() -> None:
    found = reverse_stress(
        lambda changes: np.maximum(-1_000 * changes[:, 2], 0),
        {"skin": 100.0},
        COVARIANCE,
        {"USDC depegs": np.array([0, 0, -0.01])},
        highest=[5.0, 5.0, 0.0],
    )
    assert found[0].along["USDC depegs"].changes[2] == pytest.approx(-0.1, abs=1e-5)


def test_an_empty_layer_is_exhausted_already() -> None:
    (found,) = reverse_stress(
        linear([1, 1, 0]), {"skin": 0.0}, COVARIANCE, named_directions(COVARIANCE, NAMES)
    )
    assert found.smallest is not None
    assert found.smallest.norm == 0


def test_against_a_fine_grid_over_all_directions() -> None:
    """Real accounts, two markets: every direction and size on a grid, the second witness."""
    generator = np.random.default_rng(6)
    positions = generator.normal(size=(60, 2)) * 1_000
    equity = np.abs(positions).sum(axis=1) * 0.08
    covariance = COVARIANCE[:2, :2]

    def loss(changes: np.ndarray) -> np.ndarray:
        return np.maximum(0, -(equity + changes @ positions.T)).sum(axis=1)

    (found,) = reverse_stress(loss, {"skin": 2_000.0}, covariance, named_directions(covariance, NAMES[:2]))
    angles = np.linspace(0, 2 * math.pi, 721)[:-1]
    root = np.linalg.cholesky(covariance)
    sizes = np.arange(0.01, 12, 0.01)
    rays = np.stack([np.cos(angles), np.sin(angles)], axis=1) @ root.T
    moves = np.expm1(sizes[:, None, None] * rays)
    least = next(s for s, m in zip(sizes, moves, strict=True) if (loss(m) >= 2_000).any())
    assert found.smallest is not None
    assert least - 0.02 <= found.smallest.norm <= least * 1.002


def test_twice_is_the_same() -> None:
    directions = named_directions(COVARIANCE, NAMES)
    one, two = (reverse_stress(linear([-800, 300, 0]), LAYERS, COVARIANCE, directions) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert a.smallest is not None
        assert b.smallest is not None
        assert (a.smallest.changes == b.smallest.changes).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"covariance": np.eye(2)}, "covariance"),
        ({"covariance": -np.eye(3)}, "semidefinite"),
        ({"layers": {"skin": -1.0}}, "layers"),
        ({"lowest": -1.0}, "lowest"),
        ({"loss": lambda _: np.zeros(1)}, "loss: one figure"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], message: str) -> None:
    good = {
        "loss": linear([-1, 0, 0]),
        "layers": LAYERS,
        "covariance": COVARIANCE,
        "directions": named_directions(COVARIANCE, NAMES),
    }
    with pytest.raises(RiskError, match=message):
        reverse_stress(**{**good, **change})
