"""Reverse stress: the smallest move that exhausts each layer.

Moves are of log prices, so that a ray leads on whatever has fallen already, and are measured in daily
standard deviations: by the Mahalanobis norm √(x'Σ⁻¹x), which says how unlikely a move is as a whole where
moves are elliptical (Breuer, Jandačka, Rheinberger, Summer: How to find plausible, severe and useful stress
scenarios, Int. J. Central Banking 5, 2009).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm, qmc

from weir.risk.errors import RiskError
from weir.risk.stress.library import HIGHEST, LOWEST

__all__ = ["Breach", "Reverse", "named_directions", "reverse_stress"]

Floats = NDArray[np.float64]
Loss = Callable[[Floats], Floats]

GRID = 48
"""Points of a ray that are looked at first: a layer exhausted only between two of them is missed."""
COARSE = 12
"""The same, in the search, up to the smallest move known so far."""
CONE = 24
"""Directions in each cone."""
BISECTIONS = 40
SEED = 0


@dataclass(frozen=True, slots=True)
class Breach:
    """A move that exhausts a layer."""

    norm: float
    """Mahalanobis, in daily deviations."""
    changes: Floats
    """(K,) relative changes."""


@dataclass(frozen=True, slots=True)
class Reverse:
    """A layer's smallest move found, and the smallest along each named direction."""

    layer: str
    smallest: Breach | None
    along: Mapping[str, Breach | None]
    reason: str
    """Why there is none; else empty."""


def named_directions(covariance: ArrayLike, names: Sequence[str]) -> dict[str, Floats]:
    """All down, all up, and each factor alone either way, one daily deviation each: (K,) by name.

    `covariance` (K, K) is of daily log returns; factors that do not move in it, as a stablecoin without
    history, are left alone.
    """
    sigma = np.sqrt(np.diag(_covariance(covariance, len(names))))
    found = {"all down": -sigma, "all up": sigma}
    for i in np.flatnonzero(sigma):
        alone = np.zeros(len(names))
        alone[i] = sigma[i]
        found |= {f"{names[i]} down": -alone, f"{names[i]} up": alone}
    return found


def reverse_stress(
    loss: Loss,
    layers: Mapping[str, float],
    covariance: ArrayLike,
    directions: Mapping[str, Floats],
    samples: int = 128,
    rounds: int = 10,
    lowest: ArrayLike = LOWEST,
    highest: ArrayLike = HIGHEST,
) -> tuple[Reverse, ...]:
    """For each layer, in order, the smallest move after which losses are at least its size and those before
    it.

    `loss` takes relative changes (S, K) and answers (S,) USD; `layers` are sizes in USD; `covariance` (K, K)
    is of daily log returns; `directions` are of log returns, as `named_directions` makes them. A factor stops
    where it has changed by `lowest` or `highest` (each a number, or one for each factor), the ray goes on
    with the others. Along a ray the first breach on a grid is bisected to a millionth of the ray, so the loss
    need not be monotone. Then `samples` directions that fill the sphere evenly (Sobol), in coordinates in
    which the norm is Euclid's, and `rounds` of ever narrower cones around the best one. Deterministic; an
    upper bound of the smallest, as any search is. Raises `RiskError` for what does not fit.
    """
    names = list(directions)
    rays = np.stack([np.asarray(directions[name], dtype=np.float64) for name in names])
    matrix = _covariance(covariance, rays.shape[1])
    if any(not (size >= 0 and math.isfinite(size)) for size in layers.values()):
        raise RiskError(f"layers: sizes of at least 0 (got {dict(layers)})")
    space = _Space(loss, matrix, *_bounds(lowest, highest, rays.shape[1]))
    thresholds = np.cumsum(list(layers.values()))
    found = space.breaches(rays, thresholds)
    answers = []
    for j, (layer, threshold) in enumerate(zip(layers, thresholds, strict=True)):
        along = {name: space.breach(found[i][j]) for i, name in enumerate(names)}
        smallest = min((b for b in along.values() if b is not None), key=lambda b: b.norm, default=None)
        start = None if smallest is None else np.log1p(smallest.changes)
        best = space.search(float(threshold), start, samples, rounds)
        # Named where the search found nothing that is smaller by more than its tolerance.
        if best is not None and (smallest is None or space.norm(best) < smallest.norm * (1 - 1e-5)):
            smallest = space.breach(best)
        reason = "" if smallest else space.reason(rays, samples, float(threshold))
        answers.append(Reverse(layer, smallest, along, reason))
    return tuple(answers)


class _Space:
    """Moves of log prices within bounds, and what they cost."""

    def __init__(self, loss: Loss, covariance: Floats, low: Floats, high: Floats) -> None:
        self._loss, self._low, self._high = loss, low, high
        values, vectors = np.linalg.eigh(covariance)
        kept = values > max(values.max(), 0) * 1e-12
        self.root: Floats = vectors[:, kept] * np.sqrt(values[kept])
        """(K, r), its product with its transpose the covariance."""
        self._inverse: Floats = vectors[:, kept] / np.sqrt(values[kept])

    def clip(self, moves: Floats) -> Floats:
        return np.clip(moves, self._low, self._high)

    def costs(self, moves: Floats) -> Floats:
        losses = np.asarray(self._loss(np.expm1(moves)), dtype=np.float64)
        if losses.shape != (len(moves),) or np.isnan(losses).any():
            raise RiskError(f"loss: one figure for each of {len(moves)} moves (got shape {losses.shape})")
        return losses

    def norm(self, move: Floats) -> float:
        return float(np.linalg.norm(move @ self._inverse))

    def ends(self, rays: Floats) -> Floats:
        """(D,) how far each ray leads until every factor that it moves is at its bound."""
        with np.errstate(divide="ignore", invalid="ignore"):
            reach = np.where(rays > 0, self._high / rays, np.where(rays < 0, self._low / rays, 0.0))
        return np.asarray(reach.max(axis=1))

    def breaches(self, rays: Floats, thresholds: Floats) -> list[list[Floats | None]]:
        """By ray and threshold, the first move along the ray that costs as much; None where none does."""
        ends = self.ends(rays)
        # Denser near 0: what is looked for is small.
        places = np.linspace(0, 1, GRID + 1) ** 2 * ends[:, None]
        points = self.clip(places[:, :, None] * rays[:, None, :])
        costs = self.costs(points.reshape(-1, rays.shape[1])).reshape(len(rays), GRID + 1)
        ray, layer = np.nonzero((costs[:, :, None] >= thresholds).any(axis=1))
        first = (costs[ray] >= thresholds[layer, None]).argmax(axis=1)
        high = places[ray, first]
        low = places[ray, np.maximum(first - 1, 0)]
        for _ in range(BISECTIONS if len(ray) else 0):
            if (high - low <= 1e-6 * ends[ray]).all():
                break
            middle = (low + high) / 2
            over = self.costs(self.clip(middle[:, None] * rays[ray])) >= thresholds[layer]
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        found: list[list[Floats | None]] = [[None] * len(thresholds) for _ in rays]
        for i, j, move in zip(ray, layer, self.clip(high[:, None] * rays[ray]), strict=True):
            found[i][j] = move
        return found

    def search(self, threshold: float, best: Floats | None, samples: int, rounds: int) -> Floats | None:
        """A move smaller than `best`: over the sphere, then in ever narrower cones around the best."""
        best = self._smaller(_sphere(self.root.shape[1], samples), threshold, best)
        generator, width = np.random.Generator(np.random.Philox(SEED)), 0.5
        for _ in range(rounds):
            if best is None or self.norm(best) == 0:
                break
            middle = best @ self._inverse
            middle = middle / np.linalg.norm(middle)
            around = middle + width * generator.standard_normal((CONE, len(middle))) / math.sqrt(len(middle))
            best = self._smaller(around / np.linalg.norm(around, axis=1, keepdims=True), threshold, best)
            width *= 0.6
        return best

    def _smaller(self, units: Floats, threshold: float, best: Floats | None) -> Floats | None:
        """The same, among rays of unit norm; those that can no longer be the smallest are given up."""
        rays = units @ self.root.T
        ends = np.minimum(self.ends(rays), math.inf if best is None else self.norm(best))
        places = np.linspace(0, 1, COARSE + 1) * ends[:, None]
        points = self.clip(places[:, :, None] * rays[:, None, :])
        over = self.costs(points.reshape(-1, rays.shape[1])).reshape(places.shape) >= threshold
        alive = np.flatnonzero(over.any(axis=1))
        if not len(alive):
            return best
        first = over[alive].argmax(axis=1)
        low, high = places[alive, np.maximum(first - 1, 0)], places[alive, first]
        for _ in range(BISECTIONS):
            still = low < high.min()
            if not still.any() or (high - low).max() <= 1e-6 * high.max():
                break
            alive, low, high = alive[still], low[still], high[still]
            middle = (low + high) / 2
            hit = self.costs(self.clip(middle[:, None] * rays[alive])) >= threshold
            low, high = np.where(hit, low, middle), np.where(hit, middle, high)
        found: Floats = self.clip(high.min() * rays[alive[high.argmin()]][None])[0]
        return found if best is None or self.norm(found) < self.norm(best) else best

    def breach(self, move: Floats | None) -> Breach | None:
        return None if move is None else Breach(self.norm(move), np.expm1(move))

    def reason(self, named: Floats, samples: int, threshold: float) -> str:
        rays = np.vstack([named, _sphere(self.root.shape[1], samples) @ self.root.T])
        worst = self.costs(self.clip(self.ends(rays)[:, None] * rays)).max()
        low, high = np.expm1(self._low.min()), np.expm1(self._high.max())
        return (
            f"no move within {low:+.0%} and {high:+.0%} costs {threshold:,.0f} USD: at the ends of "
            f"{len(rays)} directions at most {worst:,.0f} USD are lost"
        )


def _sphere(dimensions: int, samples: int) -> Floats:
    """(samples, dimensions): unit vectors evenly over the sphere."""
    if samples < 1 or not dimensions:
        return np.empty((0, dimensions))
    points = qmc.Sobol(dimensions, scramble=True, seed=SEED).random_base2(math.ceil(math.log2(samples)))
    normal = norm.ppf(np.clip(points[:samples], 1e-12, 1 - 1e-12))
    units: Floats = normal / np.linalg.norm(normal, axis=1, keepdims=True)
    return units


def _covariance(covariance: ArrayLike, factors: int) -> Floats:
    matrix = np.asarray(covariance, dtype=np.float64)
    if matrix.shape != (factors, factors) or not np.isfinite(matrix).all():
        raise RiskError(f"covariance: finite, {factors} by {factors} (got shape {matrix.shape})")
    if np.linalg.eigvalsh(matrix).min(initial=0) < -1e-9 * np.abs(matrix).max(initial=0):
        raise RiskError("covariance: not positive semidefinite")
    return matrix


def _bounds(lowest: ArrayLike, highest: ArrayLike, factors: int) -> tuple[Floats, Floats]:
    low, high = (np.broadcast_to(np.asarray(b, dtype=np.float64), factors) for b in (lowest, highest))
    if not ((low > -1) & (low <= 0) & (high >= 0)).all() or not np.isfinite(high).all():
        raise RiskError("lowest, highest: above -1 and at most 0, and at least 0")
    return np.log1p(low), np.log1p(high)
