"""The tail of a loss above a high threshold, as a generalised Pareto distribution."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize_scalar
from scipy.special import boxcox

from weir.risk.errors import RiskError

__all__ = ["ParetoTail", "fit_tail"]

Floats = NDArray[np.float64]

FLATTEST = -0.5
"""Smallest shape that is fitted: maximum likelihood is regular above it (Smith, Biometrika 72, 1985)."""
FEWEST = 10
"""Exceedances that a fit needs at least."""


@dataclass(frozen=True, slots=True)
class ParetoTail:
    """P(L > x) = share · (1 + shape·(x - threshold)/scale)^(-1/shape) for x at or above the threshold."""

    threshold: float
    shape: float
    scale: float
    share: float
    """P(L > threshold), as the share of losses above it."""
    shape_error: float
    """Its standard error, from the observed information; NaN where it is at the end of its range."""

    def isf(self, p: ArrayLike) -> Floats:
        """The loss exceeded with probability p, for p of any shape, at most `share`.

        The tail quantile of McNeil, Estimating the tails of loss severity distributions using extreme value
        theory, ASTIN Bulletin 27 (1997), with p = 1 - level.
        """
        ratio = self.share / np.asarray(p, dtype=np.float64)
        return np.asarray(self.threshold + self.scale * boxcox(ratio, self.shape))

    def shortfall(self, p: ArrayLike) -> Floats:
        """The mean of the losses beyond `isf(p)`; infinite for a shape of 1 or more.

        McNeil, Frey, Embrechts: Quantitative Risk Management (2015), equation 5.19.
        """
        quantile = self.isf(p)
        if self.shape >= 1:
            return np.full_like(quantile, np.inf)
        beyond = (self.scale + self.shape * (quantile - self.threshold)) / (1 - self.shape)
        return np.asarray(quantile + beyond)


def fit_tail(losses: ArrayLike, threshold: float, *, of: int, name: str = "losses") -> ParetoTail:
    """The tail above the threshold, by maximum likelihood.

    `losses`: (n,), of which those above the threshold count; `of`: how many losses there were in all, which
    `losses` need not hold. The likelihood is maximised along theta = shape/scale, where the best shape for a
    given theta is known (Grimshaw, Technometrics 35, 1993). RiskError for fewer than 10 exceedances, or for
    exceedances that are all the same.
    """
    excess = np.asarray(losses, dtype=np.float64) - threshold
    excess = excess[excess > 0]
    if len(excess) < FEWEST:
        raise RiskError(f"{name}: {len(excess)} values beyond the threshold, at least {FEWEST} belong there")
    unit = float(excess.mean())
    y = excess / unit
    if y.max() - y.min() < 1e-12:
        raise RiskError(f"{name}: all values beyond the threshold are the same ({excess[0] + threshold:g})")

    def shape_at(theta: Floats) -> Floats:
        return np.asarray(np.log1p(theta[..., None] * y).mean(axis=-1))

    def cost(theta: Floats) -> Floats:
        shape = shape_at(theta)
        flat = np.abs(theta) < 1e-9
        return np.asarray(np.log(np.where(flat, 1, shape / np.where(flat, 1, theta))) + shape)

    lowest = -(1 - 1e-12) / float(y.max())
    if shape_at(np.asarray(lowest)) < FLATTEST:  # the shape grows with theta
        lowest = float(brentq(lambda theta: float(shape_at(np.asarray(theta))) - FLATTEST, lowest, 0))
    grid = np.concatenate([lowest * np.geomspace(1, 1e-4, 100), [0], np.geomspace(1e-4, 1e4, 200)])
    best = int(np.argmin(cost(grid)))
    found = minimize_scalar(
        lambda theta: float(cost(np.asarray(theta))),
        bounds=(grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]),
        method="bounded",
        options={"xatol": 1e-12},
    )
    theta = float(found.x) if found.fun <= cost(grid[best]) else float(grid[best])
    shape = float(shape_at(np.asarray(theta)))
    scale = unit * (shape / theta if abs(theta) >= 1e-9 else 1.0)
    return ParetoTail(float(threshold), shape, scale, len(excess) / of, _shape_error(excess, shape, scale))


def _shape_error(excess: Floats, shape: float, scale: float) -> float:
    """From the inverse of minus the log likelihood's second derivatives in shape and scale."""
    if abs(shape) < 1e-4:
        shape = 1e-4  # the formulas cancel at 0, and hardly change this close to it
    v = excess / scale
    w = v / (1 + shape * v)
    log = np.log1p(shape * v)
    aa = np.sum(2 * w / shape**2 - 2 * log / shape**3 + (1 + 1 / shape) * w**2)
    ab = np.sum(w - (1 + shape) * w**2) / scale
    bb = np.sum(1 - (1 + shape) * w - (1 + shape) * w * (1 - shape * w)) / scale**2
    determinant = aa * bb - ab**2
    if determinant <= 0 or aa >= 0:
        return math.nan
    return math.sqrt(-bb / determinant)
