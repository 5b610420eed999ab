"""Cover-N: what it would cost if the largest participants defaulted together, in the worst scenario.

Two of them is what the PFMI ask of a central counterparty in several jurisdictions (CPMI-IOSCO: Principles
for financial market infrastructures, 2012, principle 4, key consideration 4; EMIR, Regulation (EU) 648/2012,
articles 42 and 43). A participant counts with its affiliates, so accounts are first put into clusters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from weir.risk.errors import RiskError

__all__ = ["Cover", "clusters", "cover"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 1_024


@dataclass(frozen=True, slots=True)
class Cover:
    """The worst scenario for the N largest clusters."""

    loss: float
    """USD: theirs together."""
    scenario: int
    """Which row."""
    clusters: tuple[int, ...]
    """Labels, the largest loss first; fewer than N where fewer lose anything."""
    losses: tuple[float, ...]
    """USD: each one's."""
    by_scenario: Floats
    """(S,) USD: the N largest clusters' losses in every scenario."""


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


def cover(account_losses: ArrayLike, labels: Ints, count: int = 2) -> Cover:
    """The worst of S scenarios; `account_losses` (S, n), USD, each at least 0; `labels` (n,) as of
    `clusters`.

    Raises `RiskError` for shapes that don't fit, losses below 0, no scenario, or a count below 1.
    """
    losses = np.asarray(account_losses, dtype=np.float64)
    if losses.ndim != 2 or losses.shape[1] != len(labels) or not losses.size:
        raise RiskError(f"account_losses: scenarios by {len(labels)} accounts (got shape {losses.shape})")
    if not (losses >= 0).all():
        raise RiskError("account_losses: at least 0")
    if count < 1:
        raise RiskError(f"count: at least 1 (got {count})")
    sums = np.stack([np.bincount(labels, weights=row) for row in losses])
    count = min(count, sums.shape[1])
    largest = np.partition(sums, sums.shape[1] - count, axis=1)[:, sums.shape[1] - count :].sum(axis=1)
    worst = int(largest.argmax())
    # Stable, so that of equal ones the first is named.
    chosen = [int(c) for c in np.argsort(-sums[worst], kind="stable")[:count] if sums[worst, c] > 0]
    each = tuple(float(sums[worst, c]) for c in chosen)
    return Cover(float(largest[worst]), worst, tuple(chosen), each, largest)


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
