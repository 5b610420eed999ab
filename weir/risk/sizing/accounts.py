"""Each account: its share of the fund's expected shortfall, its score, its tier, its contribution."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from weir.risk.credit import assess
from weir.risk.measures.euler import allocate, tail
from weir.risk.memo import AccountRow, Target
from weir.risk.simulation import engine
from weir.risk.simulation.executors import Executor
from weir.risk.sizing.case import Case

__all__ = ["accounts"]

Floats = NDArray[np.float64]


def accounts(case: Case, losses: Floats, target: Target, executor: Executor) -> tuple[AccountRow, ...]:
    """All accounts, the largest contribution to expected shortfall first.

    Shares are Euler's (`weir.risk.measures.euler`), from the paths of the tail, which are made again from
    their numbers.
    """
    p, book = case.parameters, case.book
    if not book.accounts:
        return ()
    found = tail(losses, p.level)
    shares, errors = np.zeros((2, len(book.accounts)))
    if len(found.indices):
        changes = engine.moves(case.exposures, case.model, case.impact, found.indices, p.seed)
        allocation = allocate(lambda i: shortfalls(case, changes[i]), found)
        shares, errors = allocation.shares, allocation.errors
    events = engine.account_statistics(
        case.exposures, case.model, case.impact, paths=p.paths, seed=p.seed, executor=executor
    )
    credit = assess(
        case.exposures,
        case.daily_covariance,
        events.defaulted,
        shares,
        [-1 if account.tier is None else account.tier for account in book.accounts],
        [account.tier_fixed for account in book.accounts],
        [account.group for account in book.accounts],
        target.value,
        p.credit,
    )
    gross = np.abs(case.exposures.notional[:, : case.exposures.markets]).sum(axis=1)
    return tuple(
        AccountRow(
            account=book.accounts[i].account,
            score=float(credit.scores[i]),
            tier_before=book.accounts[i].tier,
            tier=int(credit.tiers[i]),
            reasons=tuple(reason.code for reason in credit.reasons(i)),
            why=tuple(reason.words for reason in credit.reasons(i)),
            es_contribution=float(shares[i]),
            es_error=float(errors[i]),
            required_contribution=float(credit.contributions[i]),
            liquidation_probability=float(events.liquidated[i]),
            default_probability=float(events.defaulted[i]),
            expected_loss=float(events.loss[i]),
            equity=float(case.exposures.equity[i]),
            notional=float(gross[i]),
        )
        for i in np.lexsort((-gross, -shares)).tolist()
    )


def shortfalls(case: Case, changes: Floats) -> Floats:
    """(n,) USD that each account costs the fund at one close-out (K,)."""
    exposures = case.exposures
    return np.maximum(-(exposures.resources + exposures.notional @ changes), 0.0)
