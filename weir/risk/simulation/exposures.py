"""A book as arrays: what each account has, and what it gains or loses as prices move."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weir.risk.errors import RiskError

__all__ = ["Exposures", "Impact"]

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Exposures:
    """n accounts by K factors: first the book's markets, then its stablecoins.

    With m the factors' relative changes (m = price after / price before - 1; for a stablecoin, minus what it
    loses of its par), an account is worth `equity + notional @ m`; it is liquidated where that is below
    `margin @ (1 + m)`, and costs the fund `max(0, -(resources + notional @ m))`.
    """

    accounts: tuple[str, ...]
    factors: tuple[str, ...]
    markets: int
    """How many of the factors are markets."""
    equity: Floats
    """(n,) USD, at the prices of now."""
    resources: Floats
    """(n,) USD: equity, and its own contribution to the guaranty fund, which pays for its default first."""
    notional: Floats
    """(n, K) USD: positions at the prices of now, signed (long above 0); collateral by stablecoin."""
    margin: Floats
    """(n, K) USD: maintenance margin of each position at the prices of now; 0 for stablecoins."""

    def __post_init__(self) -> None:
        n, k = len(self.accounts), len(self.factors)
        for name, shape in (("equity", (n,)), ("resources", (n,)), ("notional", (n, k)), ("margin", (n, k))):
            found: Floats = getattr(self, name)
            if found.shape != shape:
                raise RiskError(f"{name}: of shape {found.shape}, where {shape} belongs")
            if not np.isfinite(found).all():
                raise RiskError(f"{name}: not finite everywhere")


@dataclass(frozen=True, slots=True)
class Impact:
    """How far closing positions moves a market: depth and exponent of a power law, one of each per factor.

    Closing a net notional of Q USD in a market moves its price against the seller (or buyer) by
    `min(cap, (|Q| / depth) ** exponent)` of itself, Q valued before its own impact. The square root is that
    of Tóth et al., Phys. Rev. X 1, 2011; Almgren, Thum, Hauptmann and Li, Risk 2005, found 0.6.
    """

    depth: Floats
    """(K,) USD that would move the price by the whole of itself; infinite: no impact."""
    exponent: Floats
    """(K,) above 0, at most 1."""
    cap: Floats
    """(K,) from 0 to below 1: the most that closing out moves the price."""

    def thinned(self, depth: float) -> Impact:
        """Where so much of the depth is left: 1 is all of it."""
        return Impact(self.depth * depth, self.exponent, self.cap)
