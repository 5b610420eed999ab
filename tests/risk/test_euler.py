"""Shares of expected shortfall: known ones, and that they always add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.risk.errors import RiskError
from weir.risk.forecast.laws import Normal
from weir.risk.measures.euler import allocate, tail
from weir.risk.measures.quantiles import expected_shortfall

# Jointly normal losses at 99%: (Σ1)ᵢ/√(1ᵀΣ1) · φ(z)/(1 - a), Tasche: Risk contributions and performance
# measurement, 1999; McNeil, Frey, Embrechts: Quantitative Risk Management, 2015, section 8.5.
COVARIANCE = np.array([[1, 0.3, 0.1], [0.3, 4, 0.5], [0.1, 0.5, 9]])
SHARES = np.array([0.93871, 3.21844, 6.43687])


def test_the_known_shares_are_the_formulas() -> None:
    rows = COVARIANCE.sum(axis=1)
    np.testing.assert_allclose(rows / np.sqrt(rows.sum()) * Normal().upper_mean(0.01), SHARES, atol=1e-5)


def test_simulated_shares_are_the_gaussian_ones_within_their_error() -> None:
    generator = np.random.Generator(np.random.Philox(7))
    components = generator.multivariate_normal(np.zeros(3), COVARIANCE, size=400_000)
    found = tail(components.sum(axis=1), 0.99)
    rows = components[found.indices]
    allocation = allocate(lambda i: rows[i], found)
    assert (np.abs(allocation.shares - SHARES) <= 3 * allocation.errors + 0.02).all()
    assert (allocation.errors < 0.08).all()
    assert allocation.shares.sum() == pytest.approx(expected_shortfall(components.sum(axis=1), 0.99))


def test_errors_are_the_scatter_of_many_samples() -> None:
    generator = np.random.default_rng(2)
    shares, errors = [], []
    for _ in range(200):
        components = generator.exponential(size=(4_000, 2)) * [1, 3]
        found = tail(components.sum(axis=1), 0.95)
        rows = components[found.indices]
        allocation = allocate(lambda i, rows=rows: rows[i], found)
        shares.append(allocation.shares)
        errors.append(allocation.errors)
    # The first is all but independent of the total, so VaR's error, which is left out, is nothing to it.
    assert np.mean(errors, axis=0)[0] == pytest.approx(np.std(shares, axis=0)[0], rel=0.15)


losses = st.lists(
    st.lists(st.integers(0, 4).map(float), min_size=3, max_size=3), min_size=2, max_size=40
).map(np.array)


@settings(deadline=None)
@given(losses, st.floats(0.05, 0.95))
def test_shares_add_up_to_es_with_any_ties(components: np.ndarray, level: float) -> None:
    total = components.sum(axis=1)
    found = tail(total, level)
    es = expected_shortfall(total, level)
    assert found.weights @ total[found.indices] == pytest.approx(es, abs=1e-9)
    if es > 0:
        rows = components[found.indices]
        assert allocate(lambda i: rows[i], found).shares.sum() == pytest.approx(es, abs=1e-9)


@settings(deadline=None)
@given(losses, st.floats(0.05, 0.95), st.randoms())
def test_shares_do_not_depend_on_the_order_of_paths(
    components: np.ndarray, level: float, random: object
) -> None:
    order = np.arange(len(components))
    random.shuffle(order)
    shares = []
    for sample in (components, components[order]):
        found = tail(sample.sum(axis=1), level)
        rows = sample[found.indices]
        shares.append(allocate(lambda i, rows=rows: rows[i], found).shares if len(rows) else np.zeros(3))
    np.testing.assert_allclose(shares[0], shares[1], atol=1e-9)


def test_ties_share_what_is_left_of_the_tail() -> None:
    """Tail of 2.5 of 10 paths: 1.0 for the path above, 1.5 for the three that are VaR."""
    found = tail([0, 0, 0, 0, 0, 0, 5, 5, 5, 9], 0.75)
    assert found.indices.tolist() == [6, 7, 8, 9]
    np.testing.assert_allclose(found.weights, [0.2, 0.2, 0.2, 0.4])


def test_paths_without_loss_are_left_out() -> None:
    found = tail([0, 0, 0, 4], 0.5)
    assert found.indices.tolist() == [3]
    assert found.weights.tolist() == [0.5]
    empty = tail([0, 0, 0, 0], 0.5)
    with pytest.raises(RiskError, match="nothing to share"):
        allocate(lambda _: np.zeros(2), empty)
