"""What the factors do on each path: correlated, fat-tailed steps through AR-GARCH, and stablecoins' jumps.

Each path's numbers come from its own index: a subset of paths, in any order, is the same paths.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import njit
from numba.extending import register_jitable
from numpy.typing import NDArray
from scipy import stats

from weir.risk.errors import RiskError
from weir.risk.simulation.model import FactorModel
from weir.risk.simulation.philox import philox, uniform

__all__ = ["Law", "draw", "travel"]

Floats = NDArray[np.float64]

# Slots of a path's step: pairs of normals from 0 on, tries of the chi-square, then one for all coins.
_TRIES, _COINS = np.uint64(1 << 30), np.uint64(1 << 31)
_LOW, _WORD = np.uint64(0xFFFFFFFF), np.uint64(32)
_TURN = 2 * math.pi


@register_jitable
def chi_square(degrees: Any, low: Any, high: Any, step: Any, key: Any, lock: Any) -> Any:
    """A chi-square variate of any real number of degrees of at least 2.

    Twice a gamma variate by Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS
    26 (2000): exact, a second try needed in under 5 % of cases.
    """
    d = degrees / 2 - 1 / 3
    c = 1 / math.sqrt(9 * d)
    slot = _TRIES
    while True:
        a, b, e, f = philox(low, high, step, slot, key, lock)
        normal = math.sqrt(-2 * math.log(uniform(a, b))) * math.cos(_TURN * (np.float64(e) + 0.5) * 2.0**-32)
        u = (np.float64(f) + 0.5) * 2.0**-32
        v = (1 + c * normal) ** 3
        if v > 0 and math.log(u) < 0.5 * normal * normal + d * (1 - v + math.log(v)):
            return 2 * d * v
        slot += np.uint64(1)


@register_jitable
def travel(
    law: Any, limits: Any, steps: Any, numbers: Any, seed: Any, scratch: Any, first: Any, last: Any, out: Any
) -> None:
    """Rows first..last of `out` (P, K) become their paths' relative changes over `steps`; any target's code.

    `law` and `limits` are Law's, `scratch` (5, M + 1 or A, the greater) has any content. min and max are left
    out: Numba does not compile them in code that two targets share.
    """
    mean, ar, omega, alpha, beta, returned, variances, cholesky, weights, table, base, stressed, size = law
    degrees, limit, reach = limits
    normals, variates, returns, variance, lost = scratch[0], scratch[1], scratch[2], scratch[3], scratch[4]
    markets, coins, points = len(mean), len(base), table.shape[1]
    scale = (points - 1) / (2 * reach)
    key, lock = seed & _LOW, seed >> _WORD
    for path in range(first, last):
        low, high = numbers[path] & _LOW, numbers[path] >> _WORD
        for k in range(markets):
            returns[k], variance[k], out[path, k] = returned[k], variances[k], 0.0
        for coin in range(coins):
            lost[coin] = 0.0
        for bar in range(steps):
            step = np.uint64(bar)
            for k in range(0, markets, 2):
                a, b, c, d = philox(low, high, step, np.uint64(k // 2), key, lock)
                radius = math.sqrt(-2 * math.log(uniform(a, b)))  # Box and Muller, 1958
                angle = _TURN * uniform(c, d)
                normals[k], normals[k + 1] = radius * math.cos(angle), radius * math.sin(angle)
            wide = 1.0
            if degrees < math.inf:
                wide = math.sqrt(degrees / chi_square(degrees, low, high, step, key, lock))
            common = 0.0
            for k in range(markets):
                total = 0.0
                for i in range(k + 1):
                    total += cholesky[k, i] * normals[i]
                variates[k] = total * wide
                common += weights[k] * variates[k]
            for k in range(markets):
                w = abs(variates[k])
                s = math.copysign(math.log(w + math.sqrt(w * w + 1)), variates[k])  # asinh
                spot = (s + reach) * scale
                if spot <= 0:
                    x = table[k, 0]
                elif spot >= points - 1:
                    x = table[k, points - 1]
                else:
                    i = int(spot)
                    x = table[k, i] + (spot - i) * (table[k, i + 1] - table[k, i])
                shock = math.sqrt(variance[k]) * x
                returns[k] = mean[k] + ar[k] * returns[k] + shock
                variance[k] = omega[k] + alpha[k] * shock * shock + beta[k] * variance[k]
                out[path, k] += returns[k]
            for coin in range(coins):
                chance = stressed[coin] if common < limit else base[coin]
                if chance > 0:
                    a, b, c, d = philox(low, high, step, _COINS, key, lock)
                    if uniform(a, b) < chance:
                        lost[coin] -= size[coin] * math.log(uniform(c, d))
        for k in range(markets):
            out[path, k] = math.expm1(out[path, k])
        for coin in range(coins):
            out[path, markets + coin] = math.expm1(-lost[coin])


@njit(nogil=True, cache=True)
def _draw(law: Any, limits: Any, steps: int, indices: Any, seed: Any, out: Any) -> None:
    scratch = np.empty((5, max(len(law[0]) + 1, len(law[10]))))
    travel(law, limits, steps, indices, seed, scratch, 0, len(indices), out)


class Law:
    """A model in the form that `draw` reads: checked once, used for many chunks.

    The crypto factor of `Depeg` is the mean of the markets' copula variates divided by the deviation of the
    mean of their normals, sqrt(1'R1) / M. All share one chi-square, so this is exactly a t variate of the
    same degrees, and "its uniform is below the threshold" means it is below the t quantile of the threshold.
    """

    __slots__ = ("arrays", "factors", "limits", "steps")

    def __init__(self, model: FactorModel) -> None:
        if not model.degrees > 2:
            raise RiskError(f"degrees: above 2, or infinite (got {model.degrees})")
        if not 0 <= model.depeg.threshold <= 1:
            raise RiskError(f"depeg.threshold: from 0 to 1 (got {model.depeg.threshold})")
        if not model.table.reach > 0 or model.table.values.shape[1] < 2:
            raise RiskError("table: a reach above 0 and at least 2 points")
        markets = len(model.mean)
        loads = model.cholesky.sum(axis=0)
        weights = np.full(markets, 1 / math.sqrt(float(loads @ loads)) if markets else 0.0)
        depeg = model.depeg
        arrays: Sequence[Any] = (
            *(
                model.mean,
                model.ar,
                model.omega,
                model.alpha,
                model.beta,
                model.last_return,
                model.next_variance,
            ),
            *(model.cholesky, weights, model.table.values, depeg.base, depeg.stressed, depeg.mean_size),
        )
        self.arrays: tuple[Floats, ...] = tuple(np.ascontiguousarray(each, np.float64) for each in arrays)
        if not all(np.isfinite(each).all() for each in self.arrays):
            raise RiskError("factor model: not finite everywhere")
        self.factors = len(model.factors)
        law = stats.norm if math.isinf(model.degrees) else stats.t(model.degrees)
        limit = law.ppf(depeg.threshold)
        self.limits = float(model.degrees), float(limit), float(model.table.reach)
        self.steps = int(model.steps)


def draw(law: Law, indices: NDArray[np.integer[Any]], seed: int) -> Floats:
    """(P, K) relative changes of the factors over the horizon on the paths of these indices.

    Markets: t copula (Demarta and McNeil, Int. Stat. Review 73, 2005), marginals by table, AR(1)-GARCH(1,1)
    (Bollerslev, J. Econometrics 31, 1986), `exp(sum of returns) - 1`. Stablecoins: `exp(-sum of jumps) - 1`.
    Raises RiskError for a seed outside 0 to 2**64 - 1.
    """
    if not 0 <= seed < 2**64:
        raise RiskError(f"seed: from 0 to 2**64 - 1 (got {seed})")
    out = np.empty((len(indices), law.factors))
    numbers = np.ascontiguousarray(indices, np.uint64)
    _draw(law.arrays, law.limits, law.steps, numbers, np.uint64(seed), out)
    return out
