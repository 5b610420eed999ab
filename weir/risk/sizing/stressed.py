"""Stress scenarios, the target that they and the simulation ask for, reverse stress, and the heat map."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from weir.risk.measures.cover import clusters, cover
from weir.risk.measures.layers import split
from weir.risk.measures.quantiles import tail_risks
from weir.risk.memo import LAYERS, HeatMap, ReverseRow, StressRow, Target, TargetPart
from weir.risk.simulation.exposures import Exposures
from weir.risk.sizing.accounts import shortfalls
from weir.risk.sizing.case import Case
from weir.risk.stress.library import Scenario, apply
from weir.risk.stress.reverse import named_directions, reverse_stress

__all__ = ["SHOCKS", "heat_map", "reverse", "stresses", "target"]

Floats = NDArray[np.float64]

SHOCKS = (-0.5, -0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
"""Columns of the liquidation heat map."""


def stresses(case: Case, scenarios: Sequence[Scenario]) -> tuple[tuple[StressRow, ...], Floats]:
    """Rows, and (S, n) what each account costs in each."""
    interest = case.book.open_interest()
    rows, per_account = [], []
    for scenario in scenarios:
        moves = apply(scenario, tuple(case.book.markets), tuple(case.book.stablecoins), interest)
        (loss,), (after,) = case.losses_at(moves[None], scenario.depth)
        reserve = case.reserve_losses(after[None, case.exposures.markets :])
        (borne,) = split(np.array([loss]), case.sizes, reserve)
        rows.append(
            StressRow(
                id=scenario.name,
                title=scenario.title,
                date=scenario.date.isoformat(),
                sources=scenario.sources,
                moves=dict(zip(case.exposures.factors, moves.tolist(), strict=True)),
                close_out=dict(zip(case.exposures.factors, after.tolist(), strict=True)),
                loss=float(loss),
                layers=dict(zip(LAYERS, borne.tolist(), strict=True)),
            )
        )
        per_account.append(shortfalls(case, after))
    return tuple(rows), np.array(per_account)


def target(case: Case, losses: Floats, stresses: Sequence[StressRow], per_account: Floats) -> Target:
    p, fund = case.parameters, case.book.fund
    (tail_risk,) = tail_risks(losses, [p.level], p.confidence)
    worst = max(stresses, key=lambda row: row.loss)
    pair = _cover(case, stresses, per_account)
    interest = sum(case.book.open_interest().values())
    horizon = "a day" if p.horizon_days == 1 else f"{p.horizon_days:g} days"
    shortfall = f"upper bound ({p.confidence:.0%}) of ES {100 * p.level:g}% over {horizon}"
    parts = (
        TargetPart(name="expected shortfall", value=max(tail_risk.es.high, 0.0), why=shortfall),
        TargetPart(name="worst stress", value=worst.loss, why=f"{worst.title} ({worst.date})"),
        pair,
        TargetPart(
            name="open interest",
            value=p.open_interest_ratio * interest,
            why=f"{p.open_interest_ratio:.1%} of {interest:,.0f} USD",
        ),
    )
    binding = max(parts, key=lambda part: part.value)
    left, why = _depeg_left(case)
    value = binding.value / left
    return Target(
        parts=parts,
        binding=binding.name,
        before_depeg=binding.value,
        depeg_left=left,
        depeg_why=why,
        value=value,
        assets=fund.assets,
        coverage=fund.assets / value if value else 1.0,
    )


def _cover(case: Case, stresses: Sequence[StressRow], per_account: Floats) -> TargetPart:
    count, names = case.parameters.cover, case.exposures.accounts
    if not names:
        return TargetPart(name=f"cover {count}", value=0.0, why="no accounts")
    labels = clusters(
        case.exposures.notional[:, : case.exposures.markets],
        [account.group for account in case.book.accounts],
        case.parameters.same_owner,
    )
    found = cover(per_account, labels, count)
    owners = [np.flatnonzero(labels == label) for label in found.clusters]
    who = "; ".join(
        f"{names[owned[0]]}{f' and {len(owned) - 1} more' if len(owned) > 1 else ''}" for owned in owners
    )
    return TargetPart(
        name=f"cover {count}",
        value=found.loss,
        why=f"{who or 'no cluster loses'} in {stresses[found.scenario].title}",
    )


def _depeg_left(case: Case) -> tuple[float, str]:
    """Of the fund, after the depeg of the stablecoin that costs it most."""
    mix = case.book.reserve_mix()
    lost = {name: share * case.parameters.depeg_of(name).severity for name, share in mix.items()}
    if not (worst := max(lost, key=lambda name: lost[name], default=None)) or not lost[worst]:
        return 1.0, "the fund holds no other stablecoin"
    severity = case.parameters.depeg_of(worst).severity
    return 1 - lost[worst], f"{worst}, {mix[worst]:.1%} of the fund, loses {severity:.0%}"


def reverse(case: Case) -> tuple[ReverseRow, ...]:
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
