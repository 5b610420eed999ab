"""The run over time, for charts: each sample with what had happened by then."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from itertools import accumulate

from weir.results import SeriesPoint
from weir.simulation.record import balances
from weir.simulation.record.history import History
from weir.simulation.record.samples import Sample

__all__ = ["series"]


def series(history: History, samples: Iterable[Sample]) -> tuple[SeriesPoint, ...]:
    """A point for each sample."""
    liquidated = [event.block for event in history.named("Liquidated")]
    closed = {event.transaction: event.block for event in history.named("Deleveraged")}.values()
    contributions, premium = _Running(history, "ContributionPaid"), _Running(history, "PremiumCharged")

    def point(sample: Sample) -> SeriesPoint:
        fund = balances.fund(history, sample.fund)
        return SeriesPoint(
            time=sample.time,
            prices=dict(sample.prices),
            skin=fund.skin,
            junior=fund.junior,
            senior=fund.senior,
            guaranty=fund.guaranty,
            open_interest=history.usd(sample.open_interest),
            coverage=fund.coverage,
            liquidations=sum(block <= sample.block for block in liquidated),
            deleverages=sum(block <= sample.block for block in closed),
            margin_used=sample.margin_used,
            premium_rate=sample.fund.premium_rate,
            scarcity=sample.fund.scarcity,
            fund_share=sample.fund.fund_share,
            contributions=history.usd(contributions.until(sample.block)),
            premium=history.usd(premium.until(sample.block)),
        )

    return tuple(point(sample) for sample in samples)


class _Running:
    """Amounts of the events of a name, added up to any block."""

    def __init__(self, history: History, name: str) -> None:
        events = history.named(name)
        self._blocks = [event.block for event in events]
        self._sums = list(accumulate((event["amount"] for event in events), initial=0))

    def until(self, block: int) -> int:
        """The sum up to this block, it included."""
        return int(self._sums[bisect_right(self._blocks, block)])
