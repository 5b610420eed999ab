"""The book: what a file may say, what is refused, and what it is as arrays."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from weir.risk.errors import RiskError
from weir.risk.inputs.book import Book

BOOK: dict[str, Any] = {
    "markets": {
        "BTC": {"price": 50_000, "initial_margin": 0.05, "maintenance_margin": 0.03},
        "ETH": {"price": 2_500, "initial_margin": 0.1, "maintenance_margin": 0.05},
    },
    "stablecoins": {"USDX": {"reserve": 500}},
    "accounts": [
        {
            "account": "whale",
            "equity": 90_000,
            "guaranty": 1_000,
            "positions": {"BTC": 20, "ETH": -8},
            "tier": 3,
        },
        {"account": "hedger", "equity": 40_000, "positions": {"BTC": -20}, "collateral": {"USDX": 10_000}},
        {"account": "buyer", "equity": 5_000, "positions": {"ETH": 8}, "group": "fund one"},
    ],
    "fund": {"skin": 2_000, "junior": 3_000, "senior": 4_000, "guaranty": 1_500},
}


def changed(**parts: Any) -> dict[str, Any]:
    return json.loads(json.dumps(BOOK)) | parts


def account(**parts: Any) -> dict[str, Any]:
    return changed(accounts=[{"account": "a", "equity": 1} | parts])


def write(folder: Path, book: Any) -> Path:
    path = folder / "book.json"
    path.write_text(book if isinstance(book, str) else json.dumps(book), encoding="utf-8")
    return path


def test_is_arrays_of_dollars(tmp_path: Path) -> None:
    found = Book.load(write(tmp_path, BOOK)).exposures()
    assert found.accounts == ("whale", "hedger", "buyer")
    assert found.factors == ("BTC", "ETH", "USDX")
    assert found.markets == 2
    assert found.equity.tolist() == [90_000, 40_000, 5_000]
    assert found.resources.tolist() == [91_000, 40_000, 5_000]
    assert found.notional.tolist() == [[1_000_000, -20_000, 0], [-1_000_000, 0, 10_000], [0, 20_000, 0]]
    assert found.margin == pytest.approx(np.array([[30_000, 1_000, 0], [30_000, 0, 0], [0, 1_000, 0]]))


def test_open_interest_and_reserve(tmp_path: Path) -> None:
    book = Book.load(write(tmp_path, BOOK))
    assert book.open_interest() == {"BTC": 1_000_000, "ETH": 20_000}
    assert book.fund.assets == 9_000
    assert book.reserve_mix() == {"USDX": 500 / 9_000}


@pytest.mark.parametrize("name", ["copy.json", "copy.parquet"])
def test_what_is_saved_is_read_again(tmp_path: Path, name: str) -> None:
    book = Book.load(write(tmp_path, BOOK))
    book.save(tmp_path / name)
    found = Book.load(tmp_path / name)
    assert found == book
    assert found.to_json() == book.to_json()


def test_a_book_may_be_empty(tmp_path: Path) -> None:
    book = Book.load(write(tmp_path, changed(accounts=[])))
    assert book.exposures().notional.shape == (0, 3)
    assert book.open_interest() == {"BTC": 0, "ETH": 0}


@pytest.mark.parametrize(
    ("book", "complaint"),
    [
        ("{", "Expecting property name"),
        ('{"markets": {}, "markets": {}}', "'markets' stands twice"),
        (changed(markets={}), "markets: Dictionary should have at least 1 item"),
        (account(positions={"DOGE": 1}), "a: a position in the unknown market DOGE; known are BTC, ETH"),
        (account(collateral={"EURX": 1}), "a: collateral in the unknown stablecoin EURX; known are USDX"),
        (
            account(positions={"BTC": float("nan")}),
            "accounts.0.positions.BTC: must be a finite number",
        ),
        (account(equity=float("inf")), "accounts.0.equity: must be a finite number"),
        (account(equity="much"), r"accounts.0.equity: .*got 'much'"),
        (account(guaranty=-1), r"accounts.0.guaranty: .*greater than or equal to 0 \(got -1\)"),
        (account(guaranty=2_000), "fund: guaranty: 1500.0 is less than its members' contributions, 2000.0"),
        (account(tier=5), r"accounts.0.tier: .*less than or equal to 4 \(got 5\)"),
        (
            account(equity=1e16),
            r"accounts.0.equity: must be less than .*got 1e\+16",
        ),
        (account(colour="red"), "accounts.0.colour: Extra inputs are not permitted"),
        (
            changed(accounts=[{"account": "a", "equity": 1}, {"account": "A", "equity": 1}]),
            "A is there twice",
        ),
        (changed(stablecoins={"BTC": {}}, accounts=[]), "stablecoins: BTC is a market, too"),
        (changed(stablecoins={"USDX": {"reserve": 9_001}}), "a reserve of 9001.0, beyond the fund's 9000.0"),
        (
            changed(markets={"BTC": {"price": 0, "initial_margin": 0.1, "maintenance_margin": 0.05}}),
            r"markets.BTC.price: .*greater than 0 \(got 0\)",
        ),
        (
            changed(markets={"BTC": {"price": 1, "initial_margin": 0.1, "maintenance_margin": 0.2}}),
            "markets.BTC: maintenance_margin: at most initial_margin",
        ),
    ],
)
def test_refuses_what_is_wrong(tmp_path: Path, book: Any, complaint: str) -> None:
    with pytest.raises(RiskError, match=complaint) as caught:
        Book.load(write(tmp_path, book))
    assert "book.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_refuses_files_that_are_no_book(tmp_path: Path) -> None:
    with pytest.raises(RiskError, match="No such file"):
        Book.load(tmp_path / "none.json")
    with pytest.raises(RiskError, match="No such file"):
        Book.load(tmp_path / "none.parquet")
    twice = pa.array([[("BTC", 1.0), ("BTC", 2.0)]], pa.map_(pa.string(), pa.float64()))
    for metadata, complaint in ((b"{}", "a name stands twice in one account"), (b"[1]", "must be an object")):
        schema = pa.schema([("positions", twice.type)], metadata={b"weir.book": metadata})
        pq.write_table(pa.Table.from_arrays([twice], schema=schema), tmp_path / "odd.parquet")
        with pytest.raises(RiskError, match=complaint):
            Book.load(tmp_path / "odd.parquet")
    bad = tmp_path / "bad.parquet"
    bad.write_text("no", encoding="utf-8")
    with pytest.raises(RiskError, match="not a Parquet file"):
        Book.load(bad)
