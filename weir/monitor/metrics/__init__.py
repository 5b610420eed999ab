"""Everything that a watcher knows, as metrics for Prometheus: each has a name with its unit, and a help text.

Nothing is made up: what is not known is absent, not zero. After a failed attempt the figures are those of the
last reading that succeeded, and `weir_monitor_reading_ok` is 0.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from weir.monitor.metrics import accounts, fund, markets, others, watching
from weir.monitor.watch import Watcher

__all__ = ["FIGURES", "registry"]

FIGURES = (*fund.FIGURES, *markets.FIGURES, *accounts.FIGURES, *others.FIGURES)
"""Those that a reading has; beside them `weir_monitor_…` and `weir_replenishment_…`."""


class _Collector(Collector):
    """The latest reading, whenever it is asked."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def collect(self) -> Iterator[Metric]:
        yield from watching.families(self._watcher)
        reading = self._watcher.latest()
        for figure in FIGURES:
            yield figure.family(reading)


def registry(watcher: Watcher) -> CollectorRegistry:
    """A registry with everything that the watcher knows at the time of each scrape."""
    found = CollectorRegistry()
    found.register(_Collector(watcher))
    return found
