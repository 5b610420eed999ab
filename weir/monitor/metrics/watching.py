"""What needs more than a reading: how the monitor itself does, and what it makes of the index's days."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from weir.monitor.replenishment import Replenishment, replenishment
from weir.monitor.watch import Reading, Watcher

__all__ = ["families"]

Source = Callable[[Watcher], float | None]


def _latest(read: Callable[[Reading], float]) -> Source:
    def figure(watcher: Watcher) -> float | None:
        reading = watcher.latest()
        return None if reading is None else read(reading)

    return figure


def _days(read: Callable[[Replenishment], float | None]) -> Source:
    def figure(watcher: Watcher) -> float | None:
        reading = watcher.latest()
        days = watcher.days()
        found = replenishment(reading, days) if reading and days else None
        return None if found is None else read(found)

    return figure


_GAUGES: tuple[tuple[str, str, Source], ...] = (
    (
        "weir_monitor_reading_ok",
        "1 while the monitor can read the chain, 0 since an attempt has failed: then all other figures are "
        "those of the last reading that succeeded.",
        lambda watcher: int(watcher.error() is None),
    ),
    (
        "weir_monitor_last_success_timestamp_seconds",
        "When the chain was read last, Unix time by the monitor's clock; absent before the first time.",
        _latest(lambda reading: reading.taken_at),
    ),
    (
        "weir_monitor_reading_seconds",
        "How long the last whole reading took.",
        _latest(lambda reading: reading.seconds),
    ),
    (
        "weir_monitor_behind_seconds",
        "The monitor's clock less the time of the block that was read. It says nothing on a local chain "
        "whose clock stands still or runs ahead.",
        _latest(lambda reading: time.time() - reading.time),
    ),
    (
        "weir_monitor_block_number",
        "Block that all figures are of.",
        _latest(lambda reading: reading.block),
    ),
    (
        "weir_replenishment_income_usd_per_day",
        "What has reached the insurance fund a day, over the last week (seven UTC days and what there is of "
        "today) or since the deployment; from the index, absent without one or where it is an hour behind.",
        _days(lambda found: found.income),
    ),
    (
        "weir_replenishment_utilisation_ratio",
        "What the insurance fund paid in the last week, over what it had at the week's beginning; from the "
        "index.",
        _days(lambda found: found.utilisation),
    ),
    (
        "weir_replenishment_days_to_target",
        "Days in which the fund would come to its target if the income of the last week stayed as it is, "
        "without a loss; 0 at the target, absent without income or index. The page's forecast differs: there "
        "income falls as the fund fills.",
        _days(lambda found: found.days_at_income),
    ),
)

_COUNTERS: tuple[tuple[str, str, Source], ...] = (
    (
        "weir_monitor_rpc_errors_total",
        "Attempts to read the chain that have failed: the node was away, or answered errors.",
        lambda watcher: watcher.failures,
    ),
    (
        "weir_monitor_chain_moved_total",
        "Attempts to read the chain that were given up because it was another than before: a reorganisation, "
        "or a node that is behind another.",
        lambda watcher: watcher.moves,
    ),
    (
        "weir_monitor_store_errors_total",
        "Attempts to read the index's database that have failed; absent where none is given.",
        lambda watcher: watcher.store_failures,
    ),
)


def families(watcher: Watcher) -> Iterator[Metric]:
    """As they are now."""
    for kind, figures in ((GaugeMetricFamily, _GAUGES), (CounterMetricFamily, _COUNTERS)):
        for name, text, read in figures:
            yield kind(name, text, value=read(watcher))
