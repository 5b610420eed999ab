"""Stress scenarios, reverse stress, and the heat map: losses at given moves, not at simulated ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weir.risk.memo import HeatMap, ReverseRow, StressRow
from weir.risk.simulation.exposures import Exposures
from weir.risk.sizing.case import Case
from weir.risk.stress.library import Scenario, apply
from weir.risk.stress.outcome import outcome
from weir.risk.stress.reverse import named_directions, reverse_stress

__all__ = ["SHOCKS", "heat_map", "reverse", "stresses"]

Floats = NDArray[np.float64]

SHOCKS = (-0.5, -0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
"""Columns of the liquidation heat map."""


def stresses(case: Case, scenarios: Sequence[Scenario]) -> tuple[tuple[StressRow, ...], Floats]:
    """Rows, and (S, n) what each account costs in each."""
    interest = case.book.open_interest()
    rows, per_account = [], []
    for scenario in scenarios:
        moves = apply(scenario, tuple(case.book.markets), tuple(case.book.stablecoins), interest)
        found = outcome(case.book, case.scenarios, case.impact.thinned(scenario.depth), moves)
        rows.append(
            StressRow(
                id=scenario.name,
                title=scenario.title,
                date=scenario.date.isoformat(),
                hours=scenario.hours,
                sources=scenario.sources,
                moves=dict(zip(case.exposures.factors, moves.tolist(), strict=True)),
                close_out=dict(zip(case.exposures.factors, found.close_out.tolist(), strict=True)),
                loss=found.loss,
                layers=dict(found.layers),
            )
        )
        per_account.append(found.costs)
    return tuple(rows), np.array(per_account)


def reverse(case: Case) -> tuple[ReverseRow, ...]:
    """For each layer the smallest move found that exhausts it, and the smallest in each named direction."""
    daily = case.daily_covariance
    found = reverse_stress(
        lambda changes: case.losses_at(changes)[0],
        case.sizes,
        daily,
        named_directions(daily, case.exposures.factors),
    )
    rows = []
    for each in found:
        named = {**each.along, **({"smallest found": each.smallest} if each.smallest else {})}
        if each.smallest is None:
            rows.append(
                ReverseRow(layer=each.layer, direction="any", moves=None, sigmas=None, why=each.reason)
            )
        for direction, breach in named.items():
            if breach is not None:
                moves = dict(zip(case.exposures.factors, breach.changes.tolist(), strict=True))
                rows.append(
                    ReverseRow(layer=each.layer, direction=direction, moves=moves, sigmas=breach.norm, why="")
                )
    return tuple(rows)


def heat_map(case: Case) -> HeatMap:
    """What is liquidated and lost when all markets, or one, move by each of `SHOCKS`."""
    markets, k = tuple(case.book.markets), len(case.exposures.factors)
    rows = ["all markets", *markets] if len(markets) > 1 else list(markets)
    liquidated, loss = [], []
    for row in rows:
        changes = np.zeros((len(SHOCKS), k))
        moved = [i for i, name in enumerate(markets) if row in (name, "all markets")]
        changes[:, moved] = np.array(SHOCKS)[:, None]
        found, after = case.losses_at(changes)
        liquidated.append(tuple(float(_liquidated(case.exposures, each)) for each in after))
        loss.append(tuple(found.tolist()))
    return HeatMap(shocks=SHOCKS, rows=tuple(rows), liquidated=tuple(liquidated), loss=tuple(loss))


def _liquidated(exposures: Exposures, changes: Floats) -> float:
    """USD notional, at close-out prices, of the accounts below maintenance margin there."""
    below = exposures.equity + exposures.notional @ changes < exposures.margin @ (1 + changes)
    k = exposures.markets
    return float((np.abs(exposures.notional[below, :k]) @ (1 + changes[:k])).sum())
