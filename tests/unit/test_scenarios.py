"""The shipped price scenarios, the path they stand for, and what a wrong file is told."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from weir.scenarios import WAD, Bar, FundPreset, Scenario, ScenarioError, available, load

SHIPPED = {
    # id: (markets, bars, start, bar seconds)
    "2020-03-12": (("BTC",), 22, datetime(2020, 3, 12, 9, tzinfo=UTC), 3600),
    "2021-05-19": (("BTC",), 16, datetime(2021, 5, 19, 3, tzinfo=UTC), 3600),
    "2022-05-luna": (("BTC", "ETH"), 14, datetime(2022, 5, 9, 0, tzinfo=UTC), 6 * 3600),
    "2022-11-ftx": (("BTC", "ETH"), 16, datetime(2022, 11, 8, 0, tzinfo=UTC), 3 * 3600),
    "2023-03-usdc": (("BTC",), 14, datetime(2023, 3, 10, 12, tzinfo=UTC), 6 * 3600),
    "2024-08-05": (("BTC", "ETH"), 18, datetime(2024, 8, 4, 20, tzinfo=UTC), 3600),
    "2025-10-10": (("BTC", "ETH"), 14, datetime(2025, 10, 10, 13, tzinfo=UTC), 3600),
}


def test_available_lists_exactly_the_shipped_scenarios() -> None:
    assert available() == tuple(sorted(SHIPPED))


@pytest.mark.parametrize("name", sorted(SHIPPED))
def test_shipped_scenario_loads(name: str) -> None:
    scenario = load(name)
    markets, bars, start, bar_seconds = SHIPPED[name]
    assert scenario.id == name
    assert tuple(scenario.markets) == markets
    assert (scenario.bars, scenario.start, scenario.bar_seconds) == (bars, start, bar_seconds)
    approximate = "approximate levels, rounded, from press reports of Kraken, Binance and Bitstamp prices"
    assert scenario.source.startswith(approximate if scenario.assets else "Binance spot, USD")
    assert bool(scenario.assets) == (name == "2023-03-usdc")
    assert scenario.end == start + bars * timedelta(seconds=bar_seconds)


@pytest.mark.parametrize(
    ("name", "market", "index", "low", "close"),
    [
        ("2020-03-12", "BTC", 0, 7342, 7356),
        ("2020-03-12", "BTC", 17, 3800, 4850),
        ("2020-03-12", "BTC", 21, 4500, 5194),
        ("2021-05-19", "BTC", 10, 29000, 35765),
        ("2021-05-19", "BTC", 15, 37579, 37971),
        ("2022-05-luna", "BTC", 0, 33267, 33511),
        ("2022-05-luna", "ETH", 12, 1800, 1835),
        ("2022-05-luna", "ETH", 13, 1800, 1953),
        ("2022-11-ftx", "BTC", 15, 15588, 15923),
        ("2022-11-ftx", "ETH", 6, 1233, 1311),
        ("2023-03-usdc", "BTC", 12, 22200, 24200),
        ("2024-08-05", "BTC", 10, 49000, 51588),
        ("2024-08-05", "ETH", 5, 2111, 2319),
        ("2025-10-10", "BTC", 3, 118206, 118206),
        ("2025-10-10", "BTC", 8, 102000, 113452),
        ("2025-10-10", "ETH", 13, 3730, 3841),
    ],
)
def test_figures(name: str, market: str, index: int, low: int, close: int) -> None:
    assert load(name).markets[market][index] == Bar(low=Decimal(low), close=Decimal(close))


@pytest.mark.parametrize(
    ("name", "market", "lows", "closes"),
    [
        ("2020-03-12", "BTC", 118_236, 123_850),
        ("2021-05-19", "BTC", 593_846, 619_926),
        ("2022-05-luna", "BTC", 419_989, 431_729),
        ("2022-05-luna", "ETH", 30_730, 31_778),
        ("2022-11-ftx", "BTC", 290_049, 294_307),
        ("2022-11-ftx", "ETH", 20_804, 21_255),
        ("2023-03-usdc", "BTC", 291_350, 298_250),
        ("2024-08-05", "BTC", 959_535, 974_100),
        ("2024-08-05", "ETH", 42_348, 43_435),
        ("2025-10-10", "BTC", 1_601_632, 1_621_925),
        ("2025-10-10", "ETH", 55_039, 55_912),
    ],
)
def test_checksums_over_all_figures(name: str, market: str, lows: int, closes: int) -> None:
    bars = load(name).markets[market]
    assert (sum(bar.low for bar in bars), sum(bar.close for bar in bars)) == (lows, closes)


def test_path_goes_to_the_low_then_to_the_close() -> None:
    points = list(load("2024-08-05").path())
    start = datetime(2024, 8, 4, 20, tzinfo=UTC)
    assert len(points) == 1 + 2 * 18
    first, low, close = points[:3]
    assert [point.kind for point in (first, low, close)] == ["open", "low", "close"]
    assert [point.time - start for point in (first, low, close)] == [
        timedelta(minutes=m) for m in (0, 30, 60)
    ]
    assert first.prices == {"BTC": Decimal(59158), "ETH": Decimal(2752)}
    assert low.prices == {"BTC": Decimal(58850), "ETH": Decimal(2734)}
    assert close.prices == {"BTC": Decimal(59158), "ETH": Decimal(2752)}
    assert close.timestamp == int(start.timestamp()) + 3600
    assert close.wad == {"BTC": 59158 * WAD, "ETH": 2752 * WAD}
    assert [point.bar for point in points[:5]] == [0, 0, 0, 1, 1]
    assert all(a.time < b.time for a, b in pairwise(points))
    assert points[-1].time == load("2024-08-05").end


def test_stablecoins_have_a_path_of_their_own_in_the_same_bars() -> None:
    scenario = load("2023-03-usdc")
    points = list(scenario.path())
    assert all(point.assets.keys() == {"USDC"} for point in points)
    assert points[0].assets == {"USDC": Decimal("1.0")}
    low = min(points, key=lambda point: point.assets["USDC"])
    assert (low.kind, low.assets["USDC"]) == ("low", Decimal("0.87"))
    # The morning of 11 March, UTC; and back on the evening of the 13th.
    assert low.time == datetime(2023, 3, 11, 9, tzinfo=UTC)
    assert points[-1].assets["USDC"] > Decimal("0.99")
    assert scenario.reserve == {"USDC": Decimal(60_000), "SAVE": Decimal(25_000)}
    assert (scenario.crowd, scenario.steps) == ("short", 2)


@pytest.mark.parametrize("name", sorted(SHIPPED.keys() - {"2023-03-usdc"}))
def test_the_others_know_no_stablecoins(name: str) -> None:
    scenario = load(name)
    assert not any(point.assets for point in scenario.path())
    assert (scenario.reserve, scenario.crowd, scenario.steps) == ({}, "long", None)


def write(path: Path, **changes: Any) -> Path:
    """A small valid scenario file, with fields changed or (value `...`) removed."""
    data: dict[str, Any] = {
        "id": "mine",
        "title": "Mine",
        "description": "",
        "source": "made up",
        "start": "2020-01-01T00:00:00Z",
        "bar_seconds": 60,
        "markets": {"BTC": [[99, 100], [80.1, 90]], "ETH": [[9, 10], [7, 8]]},
    } | changes
    file = path / "mine.json"
    file.write_text(json.dumps({key: value for key, value in data.items() if value is not ...}))
    return file


def test_a_file_of_ones_own_with_every_option(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        start="2020-01-01T02:00:00+02:00",
        open={"BTC": 101.5, "ETH": 11},
        fund={"skin": 0, "junior": 1000.25},
        leverage=1.5,
    )
    scenario = load(file)
    assert load(str(file)) == scenario
    assert scenario.start == datetime(2020, 1, 1, tzinfo=UTC)
    assert scenario.fund is not None
    assert scenario.fund == FundPreset(skin=Decimal(0), junior=Decimal("1000.25"))
    assert scenario.fund.senior is None
    assert scenario.leverage == Decimal("1.5")
    points = list(scenario.path())
    assert points[0].prices == {"BTC": Decimal("101.5"), "ETH": Decimal(11)}
    assert points[3].wad["BTC"] == 80_100_000_000_000_000_000


def test_decimals_are_read_from_the_text(tmp_path: Path) -> None:
    file = write(tmp_path)
    file.write_text(
        file.read_text().replace("80.1, 90", "80.123456789012345678, 999999999999.999999999999999999")
    )
    assert load(file).markets["BTC"][1].low == Decimal("80.123456789012345678")
    assert list(load(file).path())[3].wad["BTC"] == 80_123456789012345678
    assert list(load(file).path())[4].wad["BTC"] == 10**30 - 1


def test_optional_fields_are_absent_by_default(tmp_path: Path) -> None:
    scenario = load(write(tmp_path))
    assert (scenario.open, scenario.fund, scenario.leverage) == (None, None, None)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"title": ...}, "title: field required"),
        ({"colour": "red"}, "colour: extra inputs are not permitted"),
        ({"id": "Not An Id"}, "id: "),
        ({"start": "2020-01-01T00:00:00"}, "start: must have timezone info"),
        ({"start": "2020-01-01T00:00:00.5Z"}, "start: must be a whole second"),
        ({"bar_seconds": 0}, "bar_seconds: must be greater than or equal to 2 (got 0)"),
        ({"bar_seconds": 61}, "bar_seconds: must be a multiple of 2 (got 61)"),
        ({"markets": {}}, "markets: "),
        ({"markets": {"btc": [[1, 2]]}}, "markets.btc"),
        ({"markets": {"BTC": []}}, "markets: every market must have the same number of bars, at least 1"),
        ({"markets": {"BTC": [[1, 2]], "ETH": [[1, 2], [1, 2]]}}, "(got {'BTC': 1, 'ETH': 2})"),
        ({"markets": {"BTC": [[1, 2], [0, 2]]}}, "markets.BTC[1].low: must be greater than 0 (got 0)"),
        ({"markets": {"BTC": [[1, -2]]}}, "markets.BTC[0].close: must be greater than 0 (got -2)"),
        ({"markets": {"BTC": [[1, 2e12]]}}, "markets.BTC[0].close: must be less than or equal to"),
        ({"markets": {"BTC": [[1, 2, 3]]}}, "markets.BTC[0]: must be a pair [low, close] (got 3 numbers)"),
        ({"markets": {"BTC": [[3, 2]]}}, "markets.BTC[0]: low must be at most close (got low 3, close 2)"),
        ({"markets": {"BTC": [["x", 2]]}}, "markets.BTC[0].low: "),
        ({"open": {"BTC": 1}}, "open: must name the markets ['BTC', 'ETH'] (got ['BTC'])"),
        ({"fund": {"skin": -1}}, "fund.skin: must be greater than or equal to 0 (got -1)"),
        ({"leverage": 0}, "leverage: must be greater than 0 (got 0)"),
        ({"crowd": "flat"}, "crowd: must be 'long' or 'short' (got flat)"),
        ({"steps": 0}, "steps: must be greater than or equal to 1 (got 0)"),
        (
            {"assets": {"USDC": [[1, 1]]}},
            "assets: must have as many bars as the markets, 2 (got {'USDC': 1})",
        ),
        ({"assets": {"USDC": [[1, 1], [1.1, 1]]}}, "assets.USDC[1]: low must be at most close"),
        ({"assets": {"S": [[1, 1], [1, 1]]}}, "assets.S"),
        ({"assets": {"BTC": [[1, 1], [1, 1]]}}, "assets: must have names that no market has (got BTC)"),
        ({"fund": {"reserve": {"ETH": 5}}}, "assets: must have names that no market has (got ETH)"),
        ({"fund": {"reserve": {f"A{i}": 5 for i in range(9)}}}, "assets: must be at most 8"),
        ({"fund": {"reserve": {"SAVE": -1}}}, "fund.reserve.SAVE: must be greater than or equal to 0"),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    file = write(tmp_path, **changes)
    with pytest.raises(ScenarioError) as raised:
        load(file)
    assert str(raised.value).startswith(f"{file}: ")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not valid JSON"),
        ('{"leverage": NaN}', "NaN is not a number"),
        ('{"markets": {"BTC": [[1, 2]], "BTC": [[3, 4]]}}', "'BTC' stands twice"),
        ("[]", "must be"),
    ],
)
def test_a_file_that_is_no_scenario(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "broken.json"
    file.write_text(text)
    with pytest.raises(ScenarioError, match=message):
        load(file)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match="no file 'nope'; the scenarios are 2020-03-12, 2021-05-19"):
        load("nope")


def test_a_folder_is_no_scenario(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match="can't be read"):
        load(tmp_path)


def test_scenarios_are_immutable() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load("2020-03-12").title = "other"


def test_round_trip_through_json() -> None:
    scenario = load("2022-05-luna")
    assert Scenario.model_validate_json(scenario.model_dump_json()) == scenario
