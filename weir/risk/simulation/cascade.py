"""Closing out moves prices, which liquidates more: the fixed point of that, for each path.

On a path the prices' changes are f. Accounts below their margin at the present prices are closed; what they
hold in a market, net and valued at f, moves that market's price as `Impact` says: closing longs sells, and
pushes it down. At the pushed prices more accounts may be below their margin. A price once pushed does not
come back within the path, and is not pushed beyond its cap: pushes only grow, and end at a fixed point after
finitely many rounds, since a push depends on nothing but who is liquidated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weir.risk.errors import RiskError
from weir.risk.simulation import lanes
from weir.risk.simulation.exposures import Exposures, Impact
from weir.risk.simulation.kernel import Deficits, columns

__all__ = ["ROUNDS", "CloseOut", "check_impact", "close_out", "margin_deficits", "margin_slopes"]

Floats = NDArray[np.float64]

ROUNDS = 64


@dataclass(frozen=True, slots=True)
class CloseOut:
    """Where P paths end."""

    changes: Floats
    """(P, K) the factors' changes, impact included."""
    closed: Floats
    """(P,) USD: gross notional of liquidated accounts in markets, at the prices of now."""
    unconverged: int
    """Paths whose prices still moved after the last round."""


def check_impact(impact: Impact, factors: int) -> None:
    """Raises RiskError where an impact makes no sense."""
    for name, values, allowed, valid in (
        ("depth", impact.depth, "above 0", impact.depth > 0),
        ("exponent", impact.exponent, "above 0, at most 1", (impact.exponent > 0) & (impact.exponent <= 1)),
        ("cap", impact.cap, "from 0 to below 1", (impact.cap >= 0) & (impact.cap < 1)),
    ):
        if values.shape != (factors,):
            raise RiskError(
                f"impact.{name}: one value for each of {factors} factors (got shape {values.shape})"
            )
        if not valid.all():
            raise RiskError(f"impact.{name}: {allowed} (got {values[~valid][0]})")


def margin_slopes(exposures: Exposures) -> tuple[Floats, Floats]:
    """(n, K) and (n,): what each account lacks of its maintenance margin, by change and at no change.

    Liquidated where equity + notional @ m < margin @ (1 + m).
    """
    return exposures.margin - exposures.notional, exposures.margin.sum(axis=1) - exposures.equity


def margin_deficits(exposures: Exposures) -> Deficits:
    """Counted of accounts below their margin: notional by market, and all of it, gross."""
    held = exposures.notional[:, : exposures.markets]
    return Deficits.of(
        *margin_slopes(exposures),
        np.column_stack([held, np.abs(held).sum(axis=1)]),
    )


def close_out(
    margins: Deficits, markets: int, impact: Impact, changes: Floats, rounds: int = ROUNDS
) -> CloseOut:
    """The fixed point on each row of changes (P, K), the factors' own moves.

    Similar rows next to each other make it faster, and change nothing. Fixed points of default cascades:
    Eisenberg and Noe, Management Science 47 (2001); with prices that respond: Cifuentes, Ferrucci and Shin,
    JEEA 3 (2005).
    """
    paths = len(changes)
    values, own = columns(changes), np.ascontiguousarray(changes[:, :markets])
    sums = np.empty((markets + 1, len(values[0])))
    push, moving = np.zeros((paths, markets)), np.empty(len(values[0]), np.bool_)
    law = np.stack([impact.depth, impact.exponent, impact.cap])[:, :markets]
    table = (margins.items, margins.bounds, margins.totals)
    lanes.settle(*table, own, law, rounds, values, tuple(sums), push, moving)
    pushed = changes.copy()
    pushed[:, :markets] = own + push * (1 + own)  # exactly its own change where there is no push
    return CloseOut(pushed, sums[markets, :paths], int(moving.sum()))
