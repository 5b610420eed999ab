"""Clusters of accounts, and the cost of the largest ones' default."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from weir.risk.errors import RiskError
from weir.risk.measures.cover import clusters, largest


def brute_force(positions: np.ndarray, groups: list[str | None], cosine: float, sizeable: float) -> list[int]:
    """Second witness: joins pairs until nothing changes."""
    n, gross = len(positions), np.abs(positions).sum(axis=1)
    labels = list(range(n))

    def near(i: int, j: int) -> bool:
        if groups[i] is not None and groups[i] == groups[j]:
            return True
        if any(g == 0 or g < sizeable * gross.sum() for g in (gross[i], gross[j])):
            return False
        if any((positions[k] != 0).sum() < 2 for k in (i, j)):
            return False
        lengths = np.linalg.norm(positions[i]) * np.linalg.norm(positions[j])
        return bool(positions[i] @ positions[j] / lengths >= cosine - 1e-9)

    for _ in range(n):
        for i, j in itertools.combinations(range(n), 2):
            if near(i, j):
                labels[i] = labels[j] = min(labels[i], labels[j])
    known: dict[int, int] = {}
    return [known.setdefault(label, len(known)) for label in labels]


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, (9, 3), elements=st.integers(-2, 2).map(float)),
    st.lists(st.sampled_from([None, None, "a", "b"]), min_size=9, max_size=9),
    st.sampled_from([0.9, 0.995, 1.0]),
    st.sampled_from([0.0, 0.08, 0.15]),
)
def test_against_brute_force(
    positions: np.ndarray, groups: list[str | None], cosine: float, size: float
) -> None:
    assert clusters(positions, groups, cosine, size).tolist() == brute_force(positions, groups, cosine, size)


def test_who_is_joined() -> None:
    positions = np.array(
        [
            [100.0, 50.0],  # 0
            [201.0, 100.0],  # 1: parallel to 0
            [-100.0, -50.0],  # 2: the other side
            [300.0, 0.0],  # 3: one market is no evidence
            [600.0, 0.0],  # 4: the same
            [1.0, 0.5],  # 5: parallel, but small
            [0.0, 70.0],  # 6: in 2's group
        ]
    )
    groups = [None, None, "x", None, None, None, "x"]
    assert clusters(positions, groups).tolist() == [0, 0, 1, 2, 3, 4, 1]
    assert clusters(positions, groups, sizeable=0).tolist() == [0, 0, 1, 2, 3, 0, 1]
    assert clusters(positions, groups, least_markets=1).tolist() == [0, 0, 1, 2, 2, 3, 1]


def test_the_two_largest_clusters() -> None:
    labels = np.array([0, 0, 1, 2])
    assert largest([1, 1, 5, 4], labels, 2).tolist() == [1, 2]
    assert largest([6, 5, 3, 2], labels, 2).tolist() == [0, 1]
    assert largest([0, 0, 0, 13], labels, 2).tolist() == [2]
    assert largest([0, 0, 0, 0], labels, 2).tolist() == []


@settings(deadline=None)
@given(
    arrays.arrays(np.float64, 8, elements=st.integers(0, 50).map(float)),
    st.lists(st.integers(0, 4), min_size=8, max_size=8),
    st.integers(1, 4),
)
def test_no_choice_of_clusters_is_larger(amounts: np.ndarray, raw: list[int], count: int) -> None:
    known: dict[int, int] = {}
    labels = np.array([known.setdefault(r, len(known)) for r in raw])
    sums = np.array([amounts[labels == c].sum() for c in range(len(known))])
    choices = itertools.combinations(range(len(known)), min(count, len(known)))
    assert sums[largest(amounts, labels, count)].sum() == max(sums[list(chosen)].sum() for chosen in choices)


def test_ten_thousand_accounts_with_two_pairs_among_them() -> None:
    """The worst case: all are looked at, none is small."""
    generator = np.random.default_rng(4)
    positions = generator.standard_normal((10_000, 12))
    positions[5_000] = positions[17] * 3
    positions[9_000] = positions[6_000] / 3
    labels = clusters(positions, [None] * 10_000, sizeable=0)
    assert labels[5_000] == labels[17]
    assert labels[9_000] == labels[6_000]
    assert labels[7_000] != labels[6_000]
    assert labels.max() >= 9_990


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"groups": [None]}, "positions"),
        ({"cosine": 0.0}, "cosine"),
        ({"sizeable": 2.0}, "sizeable"),
    ],
)
def test_bad_clusters_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(RiskError, match=message):
        clusters(**{"positions": np.ones((2, 2)), "groups": [None, None], **arguments})


def test_bad_amounts_are_refused() -> None:
    labels = np.array([0, 1])
    for amounts in (np.ones(3), np.ones((2, 2)), -np.ones(2)):
        with pytest.raises(RiskError, match="amounts"):
            largest(amounts, labels, 2)
    with pytest.raises(RiskError, match="count"):
        largest(np.ones(2), labels, 0)
