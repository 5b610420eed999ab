"""What a reader must know before he trusts a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from weir.formatting import utc
from weir.risk.inputs.prices import PriceHistory
from weir.risk.measures.quantiles import tail_count
from weir.risk.memo import FundingOutlook, Target
from weir.risk.simulation.engine import Paths
from weir.risk.sizing.case import Case
from weir.risk.sizing.outlook import WINDOW
from weir.units import DAY

__all__ = ["doubts"]

FEW = 30
"""Losses in the tail below which its figures are weak."""
LATE = 3
"""Bars that prices may end before the book's block."""
APART = 0.2
"""By which the last close and the book's price may differ, as a part of the latter."""
STRANGE = 20
"""Standard deviations beyond which a return looks like an error."""
SHORT_LIVED = 0.1
"""Probability of ruin from which on the target is not the whole story."""
UNEVEN = 1e-6
"""Of open interest, by which longs and shorts may differ."""


def doubts(
    case: Case, prices: Mapping[str, PriceHistory], paths: Paths, wanted: Target, ahead: FundingOutlook
) -> tuple[str, ...]:
    """In words, one for each thing that is odd."""
    return (
        *_of_the_simulation(case, paths),
        *_of_the_fund(case, wanted, ahead, float(paths.losses.mean())),
        *_of_the_book(case),
        *_of_the_history(case),
        *(told for name in case.book.markets for told in _of_prices(case, name, prices[name])),
    )


def _of_the_simulation(case: Case, paths: Paths) -> Iterator[str]:
    total, hits = len(paths.losses), int((paths.losses > 0).sum())
    if paths.unconverged:
        yield f"on {paths.unconverged} of {total} paths the cascade had not come to rest"
    if hits < min(FEW, tail_count(total, case.parameters.level)):
        yield (
            f"only {hits} of {total} paths cost the fund anything: expected shortfall at "
            f"{100 * case.parameters.level:g}% and the accounts' shares of it rest on these, and its "
            "interval knows nothing of what did not happen"
        )


def _of_the_fund(case: Case, wanted: Target, ahead: FundingOutlook, lost: float) -> Iterator[str]:
    policy = case.parameters.funding.policy
    counted = sum(case.book.open_interest().values()) * policy.max_target_ratio / 1e6
    if wanted.value > counted:
        yield (
            f"the policy counts a posted target up to {policy.max_target_ratio / 1e6:.0%} of open interest, "
            f"{counted:,.0f} USD; the rest is for governance to decide"
        )
    if ahead.ruin.value > SHORT_LIVED:
        daily = lost / case.parameters.horizon_days
        yield (
            f"with this book on every day of a year, the fund is exhausted with a probability of "
            f"{ahead.ruin.value:.0%}: it is expected to lose {daily:,.0f} USD a day and to earn "
            f"{ahead.income_day:,.0f}; a target says how much one horizon takes, not how long it lasts"
        )


def _of_the_book(case: Case) -> Iterator[str]:
    if broke := int((case.exposures.equity < 0).sum()):
        yield f"{broke} {'account is' if broke == 1 else 'accounts are'} below zero already"
    gross = np.abs(case.exposures.notional[:, : case.exposures.markets]).sum(axis=0)
    net = case.exposures.notional[:, : case.exposures.markets].sum(axis=0)
    for name, total, rest in zip(case.book.markets, gross.tolist(), net.tolist(), strict=True):
        if abs(rest) > UNEVEN * total:
            yield f"{name}: longs and shorts differ by {abs(rest):,.0f} USD; on a chain they never do"


def _of_the_history(case: Case) -> Iterator[str]:
    if (bars := len(case.returns) + 1) < WINDOW:
        days = bars * case.bar_days
        yield f"only {bars} bars of prices, {days:.1f} days, are there for all markets: no more is known"


def _of_prices(case: Case, name: str, history: PriceHistory) -> Iterator[str]:
    returns, bar, source = history.returns, history.bar_seconds, case.book.source
    if history.gaps:
        count = "1 gap" if history.gaps == 1 else f"{history.gaps} gaps"
        longest = history.longest_gap / bar
        yield (
            f"{name}: {count} in the history of prices, the longest of {longest:.1f} bars; "
            "a return across one counts as one bar's"
        )
    if source is not None and (late := source.time - int(history.times[-1])) > LATE * bar:
        yield f"{name}: prices end {late / DAY:.1f} days before the book's block"
    price, last = case.book.markets[name].price, float(history.closes[-1])
    if abs(last - price) > APART * price:
        yield f"{name}: the book's price is {price:,.8g}, the last of the history {last:,.8g}"
    odd = np.flatnonzero(np.abs(returns - returns.mean()) > STRANGE * returns.std())
    if len(odd):
        when, change = utc(int(history.times[odd[0] + 1])), float(np.expm1(returns[odd[0]]))
        yield f"{name}: a price that changes by {change:+,.0%} in one bar ({when} UTC)"
