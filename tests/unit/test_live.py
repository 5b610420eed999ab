"""A market that goes on: its prices; and a soak's judgement."""

from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

import pytest

from weir.operate.running import AlreadyRunningError, only_one
from weir.scenarios import PricePoint, load
from weir.simulation.live import journey
from weir.soak import Sample, growth


def test_a_journey_leads_there_and_back_from_any_price() -> None:
    scenario = load("2020-03-12")
    start = PricePoint(datetime(2026, 1, 1, tzinfo=UTC), 0, "open", {"BTC": Decimal(50_000)})
    points = list(journey(scenario, start))
    there = list(scenario.path())
    assert len(points) == 2 * (len(there) - 1)
    assert points[-1].prices == start.prices
    lowest = min(point.prices["BTC"] for point in points)
    ratio = min(p.prices["BTC"] for p in there) / there[0].prices["BTC"]
    assert lowest == (50_000 * ratio).quantize(Decimal("0.01"))
    # The way back has the same prices, and time goes on evenly.
    assert [p.prices for p in points[: len(there) - 2]] == [
        p.prices for p in points[-2 : len(there) - 2 : -1]
    ]
    times = [start.timestamp, *(point.timestamp for point in points)]
    assert {b - a for a, b in pairwise(times)} == {scenario.bar_seconds // 2}
    assert {point.kind for point in points[1::2]} == {"close"}


def _run(memory: list[int]) -> list[Sample]:
    return [Sample(100 * i, {"index": bytes_}, {}) for i, bytes_ in enumerate(memory)]


def test_memory_that_rises_while_warming_up_is_steady() -> None:
    found = growth("index", _run([50, 90, 100, *[100, 101] * 10]))
    assert found.steady
    assert found.level == pytest.approx(100, abs=1)


def test_memory_that_keeps_rising_is_seen() -> None:
    found = growth("index", _run([100 + i for i in range(24)]))
    assert not found.steady
    assert found.growth == pytest.approx(20 / found.level)


def test_one_supervisor_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyRunningError), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
