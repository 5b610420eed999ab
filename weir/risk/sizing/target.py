"""What the fund should hold: the largest of four figures, over what a depeg would leave of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from weir.risk.measures.cover import clusters, largest
from weir.risk.measures.quantiles import tail_risks
from weir.risk.memo import StressRow, Target, TargetPart
from weir.risk.sizing.accounts import shortfalls
from weir.risk.sizing.case import Case
from weir.risk.stress.library import Scenario

__all__ = ["target"]

Floats = NDArray[np.float64]

BROKE = -1e15
"""USD of equity with which an account is closed out whatever prices do."""


def target(
    case: Case,
    losses: Floats,
    scenarios: Sequence[Scenario],
    stresses: Sequence[StressRow],
    account_losses: Floats,
) -> Target:
    """From simulated losses (N,), and scenarios with their rows and what each account costs there (S, n)."""
    p, fund = case.parameters, case.book.fund
    (tail_risk,) = tail_risks(losses, [p.level], p.confidence)
    interest = sum(case.book.open_interest().values())
    horizon = "a day" if p.horizon_days == 1 else f"{p.horizon_days:g} days"
    left, why = _depeg_left(case)
    parts = (
        TargetPart(
            name="expected shortfall",
            value=max(tail_risk.es.high, 0.0),
            why=f"upper bound ({p.confidence:.0%}) of ES {100 * p.level:g}% over {horizon}",
        ),
        _worst_stress(case, stresses, left),
        _cover(case, scenarios, stresses, account_losses),
        TargetPart(
            name="open interest",
            value=p.open_interest_ratio * interest,
            why=f"{p.open_interest_ratio:.1%} of {interest:,.0f} USD",
        ),
    )
    binding = max(parts, key=lambda part: part.value)
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


def _depeg_left(case: Case) -> tuple[float, str]:
    """Of the fund, after a depeg of all its stablecoins at once."""
    mix = {name: share for name, share in case.book.reserve_mix().items() if share}
    if not mix:
        return 1.0, "the fund holds no other stablecoin"
    severity = {name: case.parameters.depeg_of(name).severity for name in mix}
    told = (f"{name}, {share:.1%} of the fund, loses {severity[name]:.0%}" for name, share in mix.items())
    return 1 - sum(share * severity[name] for name, share in mix.items()), "; ".join(told)


def _worst_stress(case: Case, stresses: Sequence[StressRow], left: float) -> TargetPart:
    """The scenario that asks for most: one that takes more of the reserve than sizing allows for is charged
    so that what remains of the target in it pays its loss.
    """
    mix = case.book.reserve_mix()
    asked = [
        row.loss * max(1.0, left / (1 + sum(share * row.moves[name] for name, share in mix.items())))
        for row in stresses
    ]
    worst = int(np.argmax(asked))
    row = stresses[worst]
    more = f"; it costs {row.loss:,.0f} USD, and more of the reserve" if asked[worst] > row.loss else ""
    return TargetPart(
        name="worst stress", value=asked[worst], why=f"{row.title} ({row.date}, {row.hours:g} h){more}"
    )


def _cover(
    case: Case, scenarios: Sequence[Scenario], stresses: Sequence[StressRow], account_losses: Floats
) -> TargetPart:
    """The N clusters that cost most when they default in the worst scenario: all they hold is closed out
    there, whether or not their margin would have done, and moves prices further (CPMI-IOSCO, Principles for
    financial market infrastructures, 2012, principle 4). Tried are the N that lose most, and the N largest.
    """
    count, names, markets = case.parameters.cover, case.exposures.accounts, case.exposures.markets
    if not names:
        return TargetPart(name=f"cover {count}", value=0.0, why="no accounts")
    positions = case.exposures.notional[:, :markets]
    labels = clusters(positions, [a.group for a in case.book.accounts], case.parameters.same_owner)
    biggest = largest(np.abs(positions).sum(axis=1), labels, count)
    worst, who, where = 0.0, biggest, stresses[0]
    for scenario, row, costs in zip(scenarios, stresses, account_losses, strict=True):
        moves = np.array([list(row.moves.values())])
        for chosen in (largest(costs, labels, count), biggest):
            loss = _forced(case, moves, scenario.depth, np.isin(labels, chosen))
            if loss > worst:
                worst, who, where = loss, chosen, row
    if not worst:
        return TargetPart(name=f"cover {count}", value=0.0, why="no forced default costs the fund anything")
    members = (np.flatnonzero(labels == label) for label in who)
    told = (f"{names[m[0]]}{f' and {len(m) - 1} more' if len(m) > 1 else ''}" for m in members)
    return TargetPart(name=f"cover {count}", value=worst, why=f"{'; '.join(told)} in {where.title}")


def _forced(case: Case, moves: Floats, depth: float, broke: NDArray[np.bool_]) -> float:
    """USD that these accounts cost where they default whatever they have."""
    if not broke.any():
        return 0.0
    equity = np.where(broke, BROKE, case.exposures.equity)
    defaulting = replace(case, exposures=replace(case.exposures, equity=equity))
    _, (after,) = defaulting.losses_at(moves, depth)
    return float(shortfalls(case, after)[broke].sum())
