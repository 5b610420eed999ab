"""Histories of prices: what is read, and what is refused in one line."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from weir.risk.errors import RiskError
from weir.risk.inputs.prices import PriceHistory, aligned_returns, read_prices
from weir.units import DAY

HEADER = "timestamp,close\n"
GOOD = "2024-01-01,100\n2024-01-02,110\n2024-01-03,99\n"


def write(folder: Path, text: str, name: str = "BTC.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def daily(name: str, closes: list[float], start: int = 0, late: int = 0) -> PriceHistory:
    times = (np.arange(len(closes), dtype=np.int64) + start) * DAY + late
    return PriceHistory(name, times, np.array(closes), name)


def test_reads_a_csv(tmp_path: Path) -> None:
    found = read_prices(write(tmp_path, HEADER + GOOD))
    assert found.name == "BTC"
    assert found.times.tolist() == [1704067200, 1704153600, 1704240000]
    assert found.closes.tolist() == [100, 110, 99]
    assert found.bar_seconds == DAY
    assert found.gaps == 0
    assert found.returns == pytest.approx(np.log([1.1, 0.9]))


def test_other_columns_comments_and_capitals_do_not_matter(tmp_path: Path) -> None:
    rows = "1,2024-01-01,5,100\n1,2024-01-02,5,110\n1,2024-01-03,5,99\n"
    text = f"# from an exchange\n Open , Timestamp,Volume,CLOSE\n{rows}"
    assert read_prices(write(tmp_path, text)).closes.tolist() == [100, 110, 99]


@pytest.mark.parametrize(
    ("stamps", "unit"),
    [
        ((1704067200, 1704070800, 1704074400), "seconds"),
        ((1704067200000, 1704070800000, 1704074400000), "milliseconds"),
        ((1704067200000000, 1704070800000000, 1704074400000000), "microseconds"),
        ((1704067200000000000, 1704070800000000000, 1704074400000000000), "nanoseconds"),
        (("2024-01-01T00:00:00Z", "2024-01-01T02:00:00+01:00", "2024-01-01 02:00"), "ISO 8601"),
    ],
)
def test_times_are_understood(tmp_path: Path, stamps: tuple[int | str, ...], unit: str) -> None:
    rows = "".join(f"{stamp},{100 + i}\n" for i, stamp in enumerate(stamps))
    found = read_prices(write(tmp_path, HEADER + rows))
    assert found.times.tolist() == [1704067200, 1704070800, 1704074400], unit
    assert found.bar_seconds == 3600


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a table"),
        ("time,price\n1,2\n", "the columns timestamp and close"),
        ("timestamp,close,close \n2024-01-01,1,1\n", "close: is there 2 times"),
        (HEADER + "2024-01-01,1\n2024-01-02,2\n", "at least 3 bars"),
        (
            HEADER + "2024-01-01,1\n2024-01-02,\n2024-01-03,1\n",
            r"close: a number is missing at 2024-01-02 .*row 2",
        ),
        (HEADER + "2024-01-01,1\n2024-01-02,abc\n2024-01-03,1\n", r"close: a number \(got 'abc' in row 2"),
        (HEADER + "2024-01-01,1\n2024-01-02,inf\n2024-01-03,1\n", "close: a number is missing"),
        (HEADER + "2024-01-01,1\n2024-01-02,0\n2024-01-03,1\n", r"close: above 0 \(got 0 at 2024-01-02"),
        (HEADER + "2024-01-01,1\n2024-01-02,-5\n2024-01-03,1\n", r"close: above 0 \(got -5"),
        (HEADER + "2024-01-01,1\n2024-01-01,2\n2024-01-03,1\n", "timestamp: 2024-01-01 .* is there twice"),
        (HEADER + "2024-01-01,1\n2024-01-03,2\n2024-01-02,1\n", "timestamp: oldest first"),
        (HEADER + "2024-01-01,1\n,2\n2024-01-02,1\n", "timestamp: missing in row 2"),
        (HEADER + "2024-01-01,1\nyesterday,2\n2024-01-02,1\n", "timestamp: .*yesterday"),
        (
            HEADER + "2024-01-01,1,5\n2024-01-02,2,5\n2024-01-03,3,5\n",
            "a row has more columns than the heading",
        ),
        (HEADER + "01/02/2024,1\n02/02/2024,2\n03/02/2024,1\n", "timestamp: .*01/02/2024"),
    ],
)
def test_refuses_what_is_wrong(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(RiskError, match=complaint) as caught:
        read_prices(write(tmp_path, text))
    assert "BTC.csv" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RiskError, match="No such file"):
        read_prices(tmp_path / "none.csv")
    with pytest.raises(RiskError, match=r"none\.parquet"):
        read_prices(tmp_path / "none.parquet")
    with pytest.raises(RiskError, match="not a table"):
        read_prices(write(tmp_path, "no parquet", "bad.parquet"))


@pytest.mark.parametrize("name", ["copy.csv", "copy.parquet"])
def test_what_is_saved_is_read_again(tmp_path: Path, name: str) -> None:
    history = PriceHistory(
        "ETH", np.array([1, 3601, 7201], dtype=np.int64), np.array([0.1 + 0.2, 1e-9, 12345.678901234567]), "x"
    )
    history.save(tmp_path / name)
    found = read_prices(tmp_path / name, "ETH")
    assert found.hash == history.hash
    assert found.closes.tolist() == history.closes.tolist()


def test_hash_sees_every_price() -> None:
    assert daily("a", [1, 2, 3]).hash == daily("b", [1, 2, 3]).hash
    assert daily("a", [1, 2, 3]).hash != daily("a", [1, 2, 3.0000000001]).hash
    assert daily("a", [1, 2, 3]).hash != daily("a", [1, 2, 3], start=1).hash


def test_parquet_times_may_be_any_type(tmp_path: Path) -> None:
    for times in (
        pd.date_range("2024-01-01", periods=3, tz="Asia/Tokyo"),
        pd.date_range("2024-01-01", periods=3),
    ):
        path = tmp_path / "x.parquet"
        pd.DataFrame({"timestamp": times, "close": [1.0, 2.0, 3.0]}).to_parquet(path)
        assert np.diff(read_prices(path).times).tolist() == [DAY, DAY]


def test_gaps_are_counted() -> None:
    times = np.array([0, 1, 2, 5, 6, 7, 10], dtype=np.int64) * DAY
    assert PriceHistory("x", times, np.ones(7), "x").gaps == 2


def test_aligns_days_by_date() -> None:
    a, b = daily("a", [1, 2, 4, 8, 16]), daily("b", [3, 9, 27, 81], start=1, late=82_800)
    found = aligned_returns({"a": a, "b": b})
    assert found == pytest.approx(np.log([[2, 3], [2, 3], [2, 3]]))


def test_aligns_what_both_have() -> None:
    a = daily("a", [1, 2, 4, 8, 16])
    holed = PriceHistory("b", np.array([0, 1, 3, 4], dtype=np.int64) * DAY, np.array([1.0, 3, 9, 27]), "b")
    assert aligned_returns({"a": a, "b": holed}) == pytest.approx(np.log([[2, 3], [4, 3], [2, 3]]))


def test_refuses_what_can_not_be_aligned() -> None:
    a = daily("a", [1, 2, 4])
    hourly = PriceHistory("h", np.arange(3, dtype=np.int64) * 3600, np.ones(3), "h")
    with pytest.raises(RiskError, match="bars of one length"):
        aligned_returns({"a": a, "h": hourly})
    with pytest.raises(RiskError, match="0 bars in common"):
        aligned_returns({"a": a, "b": daily("b", [1, 2, 3], start=100)})
    twice = PriceHistory(
        "t", np.array([0, DAY, DAY + 5, 3 * DAY, 4 * DAY], dtype=np.int64), np.ones(5), "t.csv"
    )
    with pytest.raises(RiskError, match="two bars of one day"):
        aligned_returns({"a": a, "t": twice})


def test_a_file_is_there_whole_or_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "BTC.csv"
    daily("BTC", [1, 2, 3]).save(path)
    before = path.read_bytes()

    def full(_table: pd.DataFrame, target: Path, **_: object) -> None:
        target.write_text("timestamp,close\n2024-01-01,6")
        raise OSError("no space left on device")

    monkeypatch.setattr(pd.DataFrame, "to_csv", full)
    with pytest.raises(OSError, match="no space"):
        daily("BTC", [1, 2, 3, 4]).save(path)
    assert path.read_bytes() == before
    assert [each.name for each in tmp_path.iterdir()] == ["BTC.csv"]
