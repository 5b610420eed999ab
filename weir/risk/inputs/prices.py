"""A history of prices: read, checked, turned into returns. Nothing is repaired: what is wrong is refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from weir.formatting import utc
from weir.risk.errors import RiskError
from weir.risk.files import replacing
from weir.units import DAY

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["PriceHistory", "aligned_returns", "read_prices"]

COLUMNS = ("timestamp", "close")


@dataclass(frozen=True, slots=True)
class PriceHistory:
    """Closes of one series, oldest first, at strictly rising times."""

    name: str
    times: NDArray[np.int64]
    """(T,) Unix seconds."""
    closes: NDArray[np.float64]
    """(T,) USD for one unit, above 0."""
    source: str
    """Where it is from, in words."""

    def __post_init__(self) -> None:
        """Raises `RiskError` naming the first bar that is wrong, and what is wrong with it."""
        if self.times.shape != self.closes.shape or self.times.ndim != 1:
            raise RiskError(f"{self.source}: as many times as closes, one after another")
        if len(self.times) < 3:
            raise RiskError(f"{self.source}: at least 3 bars (got {len(self.times)})")
        if len(bad := np.flatnonzero(~np.isfinite(self.closes))):
            raise RiskError(f"{self.source}: close: a number is missing at {self._at(bad)}")
        if len(bad := np.flatnonzero(self.closes <= 0)):
            raise RiskError(f"{self.source}: close: above 0 (got {self.closes[bad[0]]:g} at {self._at(bad)})")
        steps = np.diff(self.times)
        if len(bad := np.flatnonzero(steps == 0)):
            raise RiskError(f"{self.source}: timestamp: {self._at(bad)} is there twice")
        if len(bad := np.flatnonzero(steps < 0)):
            raise RiskError(
                f"{self.source}: timestamp: oldest first (a later one stands before {self._at(bad + 1)})"
            )

    def _at(self, rows: NDArray[np.intp]) -> str:
        return f"{utc(int(self.times[rows[0]]), '%Y-%m-%d %H:%M:%S')} (row {rows[0] + 1})"

    @property
    def bar_seconds(self) -> int:
        """The commonest distance between two bars, seconds."""
        values, counts = np.unique(np.diff(self.times), return_counts=True)
        return int(values[counts.argmax()])

    @property
    def gaps(self) -> int:
        """Places where the next bar comes later than one and a half bars on, such as weekends."""
        return int((np.diff(self.times) > 1.5 * self.bar_seconds).sum())

    @property
    def longest_gap(self) -> int:
        """Seconds between the two bars that are furthest apart."""
        return int(np.diff(self.times).max())

    @property
    def returns(self) -> NDArray[np.float64]:
        """(T - 1,) log returns, fractions."""
        found: NDArray[np.float64] = np.diff(np.log(self.closes))
        return found

    @property
    def hash(self) -> str:
        """SHA-256 of times and closes, wherever they came from."""
        data = self.times.astype("<i8").tobytes() + self.closes.astype("<f8").tobytes()
        return "0x" + sha256(data).hexdigest()

    def since(self, time: int) -> PriceHistory:
        """Without the bars before a time, Unix seconds."""
        kept = self.times >= time
        return PriceHistory(self.name, self.times[kept], self.closes[kept], self.source)

    def until(self, time: int) -> PriceHistory:
        """Without the bars that had not ended by a time, Unix seconds; stamps are of their beginning."""
        kept = self.times + self.bar_seconds <= time
        if kept.all():
            return self
        return PriceHistory(self.name, self.times[kept], self.closes[kept], f"{self.source}, to {utc(time)}")

    def save(self, path: Path) -> None:
        """Writes a CSV or Parquet file that `read_prices` reads."""
        import pandas as pd

        table = pd.DataFrame(
            {"timestamp": pd.to_datetime(self.times, unit="s", utc=True), "close": self.closes}
        )
        with replacing(path) as part:
            if path.suffix == ".parquet":
                table.to_parquet(part, index=False)
            else:
                table.to_csv(part, index=False, date_format="%Y-%m-%dT%H:%M:%SZ")


def read_prices(path: Path, name: str | None = None) -> PriceHistory:
    """Reads a CSV or Parquet file with the columns `timestamp` and `close`; others are ignored.

    Times are ISO 8601 (UTC where they name no zone), or Unix seconds, milli-, micro- or nanoseconds. `name`
    is the file's, without its ending, where none is given. Raises `RiskError` naming the file and what is
    wrong.
    """
    import pandas as pd

    try:
        table = (
            pd.read_parquet(path)
            if path.suffix == ".parquet"
            else pd.read_csv(path, comment="#", float_precision="round_trip")
        )
    except OSError as error:
        raise RiskError(f"{path}: {error.strerror or error}") from None
    except ValueError as error:
        raise RiskError(f"{path}: not a table: {str(error).splitlines()[0]}") from None
    if not isinstance(table.index, pd.RangeIndex):
        raise RiskError(f"{path}: a row has more columns than the heading")
    table.columns = [str(column).strip().lower() for column in table.columns]
    for column in COLUMNS:
        if (found := list(table.columns).count(column)) != 1:
            raise RiskError(
                f"{path}: the columns {' and '.join(COLUMNS)} (found {', '.join(table.columns)})"
                if not found
                else f"{path}: {column}: is there {found} times"
            )
    closes = pd.to_numeric(table["close"], errors="coerce").to_numpy(np.float64)
    if len(strange := np.flatnonzero(np.isnan(closes) & table["close"].notna().to_numpy())):
        raise RiskError(
            f"{path}: close: a number (got {str(table['close'].iloc[strange[0]])!r} in row {strange[0] + 1})"
        )
    return PriceHistory(name or path.stem, _times(path, table["timestamp"]), closes, str(path))


def _times(path: Path, column: pd.Series[Any]) -> NDArray[np.int64]:
    import pandas as pd

    if len(missing := np.flatnonzero(column.isna())):
        raise RiskError(f"{path}: timestamp: missing in row {missing[0] + 1}")
    try:
        if pd.api.types.is_numeric_dtype(column):
            # Each unit is a thousand times the next: today is 1.7e9 seconds.
            unit = "s" if (top := float(column.abs().max())) < 1e11 else "ms" if top < 1e14 else "us"
            unit = "ns" if top >= 1e17 else unit
            moments = pd.to_datetime(column, unit=unit, utc=True)
        elif pd.api.types.is_datetime64_any_dtype(column):
            moments = pd.to_datetime(column, utc=True)
        else:
            # One by one: pandas would read a time without a zone in the zone of the one before it.
            moments = pd.to_datetime(pd.Series([_moment(str(text)) for text in column]), utc=True)
    except (ValueError, OverflowError) as error:
        raise RiskError(f"{path}: timestamp: {error}") from None
    found: NDArray[np.int64] = moments.astype("datetime64[ns, UTC]").astype("int64").to_numpy() // 10**9
    return found


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text.strip())
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def aligned_returns(histories: Mapping[str, PriceHistory]) -> NDArray[np.float64]:
    """(T, M) log returns between the bars that all M histories have, in their order.

    Bars of a day or longer are the same where they are of the same day. Raises `RiskError` where histories
    have bars of different length, or fewer than 3 bars in common.
    """
    lengths = {name: history.bar_seconds for name, history in histories.items()}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} {seconds}" for name, seconds in lengths.items())
        raise RiskError(f"prices: bars of one length for all markets (got seconds: {told})")
    bar = next(iter(lengths.values()))
    unit = DAY if bar >= DAY else 1
    keys = {name: history.times // unit for name, history in histories.items()}
    for name, times in keys.items():
        if len(np.unique(times)) < len(times):
            raise RiskError(f"{histories[name].source}: two bars of one day")
    common = np.array(
        sorted(set.intersection(*(set(times.tolist()) for times in keys.values()))), dtype=np.int64
    )
    if len(common) < 3:
        raise RiskError(f"prices: {', '.join(histories)} have {len(common)} bars in common, of 3 at least")
    closes = [histories[name].closes[np.searchsorted(keys[name], common)] for name in histories]
    found: NDArray[np.float64] = np.diff(np.log(np.column_stack(closes)), axis=0)
    return found
