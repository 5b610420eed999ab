"""Cover-N: whose default a fund must be able to bear together, the largest participants'.

Two of them is what the PFMI ask of a central counterparty in several jurisdictions (CPMI-IOSCO: Principles
for financial market infrastructures, 2012, principle 4, key consideration 4; EMIR, Regulation (EU) 648/2012,
articles 42 and 43). A participant counts with its affiliates, so accounts are first put into clusters.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from weir.risk.errors import RiskError

__all__ = ["clusters", "largest"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 1_024


def clusters(
    positions: ArrayLike,
    groups: Sequence[str | None],
    cosine: float = 0.995,
    sizeable: float = 0.01,
    least_markets: int = 2,
) -> Ints:
    """Labels (n,) from 0 of accounts that may be one owner's, by first account; a heuristic.

    Joined, and with whom they are joined, are accounts of one declared group (None: of none), and accounts
    whose `positions` (n, M; signed, USD of notional or of margin) point in nearly the same direction, so on
    the same side: a cosine of at least `cosine`. That is evidence only where both hold at least
    `least_markets` markets (everybody long one market is parallel), and matters only where both have at least
    `sizeable` of all accounts' gross positions. Raises `RiskError` for shapes that don't fit and parameters
    out of range.
    """
    held = np.asarray(positions, dtype=np.float64)
    if held.ndim != 2 or len(groups) != len(held):
        raise RiskError(f"positions: one row for each of {len(groups)} accounts (got shape {held.shape})")
    if not 0 < cosine <= 1:
        raise RiskError(f"cosine: above 0, at most 1 (got {cosine})")
    if not 0 <= sizeable <= 1:
        raise RiskError(f"sizeable: from 0 to 1 (got {sizeable})")
    pairs = [_by_group(groups), *_parallel(held, cosine, sizeable, least_markets)]
    left, right = (np.concatenate(side) for side in zip(*pairs, strict=True))
    graph = coo_array((np.ones(len(left), dtype=np.int8), (left, right)), shape=(len(held), len(held)))
    _, labels = connected_components(graph, directed=False)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    return np.asarray(np.argsort(np.argsort(first))[inverse], dtype=np.int64)


def largest(amounts: ArrayLike, labels: Ints, count: int) -> Ints:
    """Up to `count` clusters with the largest sums of `amounts` (n,), of those that have any, largest first.

    `labels` (n,) as of `clusters`; of equals the first. Raises `RiskError` for shapes that don't fit, amounts
    below 0, or a count below 1.
    """
    each = np.asarray(amounts, dtype=np.float64)
    if each.shape != (len(labels),) or not (each >= 0).all():
        raise RiskError(
            f"amounts: one for each of {len(labels)} accounts, at least 0 (got shape {each.shape})"
        )
    if count < 1:
        raise RiskError(f"count: at least 1 (got {count})")
    sums = np.bincount(labels, weights=each)
    order = np.argsort(-sums, kind="stable")[:count]
    return np.asarray(order[sums[order] > 0], dtype=np.int64)


def _by_group(groups: Sequence[str | None]) -> tuple[Ints, Ints]:
    """Each account with the first of its group."""
    first: dict[str, int] = {}
    joined = [(first.setdefault(group, i), i) for i, group in enumerate(groups) if group is not None]
    array = np.array(joined, dtype=np.int64).reshape(-1, 2)
    return array[:, 0], array[:, 1]


def _parallel(held: Floats, cosine: float, sizeable: float, least_markets: int) -> list[tuple[Ints, Ints]]:
    gross = np.abs(held).sum(axis=1)
    eligible = (gross > 0) & (gross >= sizeable * gross.sum()) & ((held != 0).sum(axis=1) >= least_markets)
    chosen = np.flatnonzero(eligible)
    units = held[chosen] / np.linalg.norm(held[chosen], axis=1, keepdims=True)
    found = []
    for start in range(0, len(chosen), BLOCK):
        # Only later ones: the relation is symmetric. Rounding may bring a cosine of 1 just below it.
        near = units[start : start + BLOCK] @ units[start:].T >= cosine - 1e-12
        left, right = np.nonzero(np.triu(near, 1))
        found.append((chosen[left + start], chosen[right + start]))
    return found
