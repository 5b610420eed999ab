"""One metric: its name, what it means, and how it is had from a reading."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from weir.monitor.watch import Reading
from weir.parameters import from_units
from weir.stablecoins import AssetState
from weir.states import MarketState

__all__ = ["Figure", "Number", "Sample", "by_asset", "by_market", "one", "size", "states", "usd"]


Number = Decimal | float | int
Sample = tuple[tuple[str, ...], Number | None]
"""Values of the labels, and the figure; None where it is not known, and so not told."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A metric of a reading; `help` is for people who see it for the first time."""

    name: str
    help: str
    read: Callable[[Reading], Iterable[Sample]]
    labels: tuple[str, ...] = ()
    kind: Literal["gauge", "counter"] = "gauge"

    def family(self, reading: Reading | None) -> Metric:
        """With the samples of a reading; without any where there is none."""
        kind = GaugeMetricFamily if self.kind == "gauge" else CounterMetricFamily
        family = kind(self.name, self.help, labels=self.labels)
        for labels, value in self.read(reading) if reading else ():
            if value is not None:
                family.add_metric(labels, float(value))
        return family


def one(read: Callable[[Reading], Number | None]) -> Callable[[Reading], Iterable[Sample]]:
    """A single figure."""
    return lambda reading: (((), read(reading)),)


def by_market(
    read: Callable[[Reading, MarketState], Number | None],
) -> Callable[[Reading], Iterable[Sample]]:
    """A figure for each market, labelled with its symbol."""
    return lambda reading: (((market.symbol,), read(reading, market)) for market in reading.markets)


def by_asset(read: Callable[[Reading, AssetState], Number | None]) -> Callable[[Reading], Iterable[Sample]]:
    """A figure for each stablecoin, labelled with its symbol."""
    return lambda reading: (((asset.symbol,), read(reading, asset)) for asset in reading.seen.assets)


def states(of: Iterable[tuple[str, str]], known: Iterable[str]) -> Iterator[Sample]:
    """For each name and the state that it is in: 1 for that, 0 for the others that are known."""
    known = tuple(known)
    return (((name, state), int(state == now)) for name, now in of for state in known)


def usd(reading: Reading, units: int) -> Decimal:
    """Units of the settlement token in USD."""
    return from_units(units, reading.deployment.decimals)


def size(wad: int) -> Decimal:
    """1e-18 of a unit of the underlying, or of a dollar, in whole ones."""
    return from_units(wad, 18)
