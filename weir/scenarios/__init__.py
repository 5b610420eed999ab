"""Price scenarios: real crashes as bars of low and close, and the price path they stand for.

A scenario is a JSON file. Those that come with the package lie beside this module; `load` takes the name of
one of them or the path of a file of your own:

    {
      "id": "my-crash", "title": "…", "description": "…", "source": "Binance spot, USD",
      "start": "2020-03-12T09:00:00Z", "bar_seconds": 3600,
      "markets": {"BTC": [[7342, 7356], [5570, 6074]]},
      "open": {"BTC": 7900},
      "fund": {"skin": 100000, "junior": 250000, "senior": 500000, "target": 850000},
      "leverage": 1.5,
      "crowd": "long",
      "steps": 4
    }

Each bar is `[low, close]` in USD. `open`, `fund` (and each of its fields), `leverage`, `crowd` and `steps`
may be left out.

A scenario in which other stablecoins count has `"assets": {"USDC": [[0.95, 0.99], …]}` as well: their prices,
in the same bars. Its fund may hold some of them: `"reserve": {"USDC": 50000, "SAVE": 25000}` within `fund`,
in USD; what has no price of its own there is an ERC-4626 share of the settlement token.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NoReturn, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from weir import files

__all__ = ["WAD", "Bar", "FundPreset", "PricePoint", "Scenario", "ScenarioError", "available", "load"]

MAX_ASSETS = 8
"""Other stablecoins that the protocol can list."""

WAD = 10**18
"""One USD, as the integer with 18 decimals that contracts use."""

_SHIPPED = Path(__file__).parent

_Price = Annotated[Decimal, Field(gt=0, le=10**12, decimal_places=18)]
_Amount = Annotated[Decimal, Field(ge=0, le=10**15)]
_Market = Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]
_Asset = Annotated[str, Field(pattern=r"^[A-Za-z0-9]{2,16}$")]
"""Two letters at least: S is the settlement token."""


class ScenarioError(ValueError):
    """A scenario that does not exist or is not valid; the message names file, field and what is allowed."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Bar(_Model):
    """One bar of one market, in USD: the lowest price within it and the price at its end."""

    low: _Price
    close: _Price

    @model_validator(mode="before")
    @classmethod
    def _from_pair(cls, value: object) -> object:
        if not isinstance(value, list | tuple):
            return value
        if len(value) != 2:
            raise ValueError(f"must be a pair [low, close] (got {len(value)} numbers)")
        return {"low": value[0], "close": value[1]}

    @model_validator(mode="after")
    def _low_is_lowest(self) -> Self:
        if self.low > self.close:
            raise ValueError(f"low must be at most close (got low {self.low}, close {self.close})")
        return self


class FundPreset(_Model):
    """The insurance fund at the start, in USD: its layers, and the risk target that coverage is measured by.

    `skin` is in the settlement token, `reserve` what skin holds beside it, by asset. What is left out is for
    the user of the scenario to choose.
    """

    skin: _Amount | None = None
    junior: _Amount | None = None
    senior: _Amount | None = None
    target: _Amount | None = None
    reserve: dict[_Asset, _Amount] = {}


@dataclass(frozen=True, slots=True)
class PricePoint:
    """One step of the price path: every market's price in USD at one instant (UTC), and every stablecoin's.

    `bar` is the index of the bar that the step lies in, 0 for the open as well.
    """

    time: datetime
    bar: int
    kind: Literal["open", "low", "close"]
    prices: Mapping[str, Decimal]
    assets: Mapping[str, Decimal] = field(default_factory=dict)

    @property
    def timestamp(self) -> int:
        """Unix time in seconds."""
        return int(self.time.timestamp())

    @property
    def wad(self) -> dict[str, int]:
        """The prices as integers with 18 decimals; exact."""
        # By integers: decimal arithmetic would round to the precision of the caller's context.
        ratios = {market: price.as_integer_ratio() for market, price in self.prices.items()}
        return {market: n * WAD // d for market, (n, d) in ratios.items()}


class Scenario(_Model):
    """Bars of one or more markets, and of other stablecoins where there are any, over the same span of time.

    `leverage`, where given, multiplies the leverage of the traders that a simulation draws; `crowd` is the
    side that most of them take. It goes from one known price to the next in `steps`: the fewer, the larger
    the gaps. Without `unloading` nobody buys what liquidators have taken over.
    """

    id: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9.-]{0,63}$")]
    title: Annotated[str, Field(min_length=1, max_length=120)]
    description: Annotated[str, Field(max_length=1000)]
    source: Annotated[str, Field(min_length=1, max_length=200)]
    start: AwareDatetime
    bar_seconds: Annotated[int, Field(ge=2, le=7 * 86_400, multiple_of=2, strict=True)]
    markets: Annotated[dict[_Market, tuple[Bar, ...]], Field(min_length=1)]
    assets: dict[_Asset, tuple[Bar, ...]] = {}
    open: dict[_Market, _Price] | None = None
    fund: FundPreset | None = None
    leverage: Annotated[Decimal, Field(gt=0, le=100)] | None = None
    crowd: Literal["long", "short"] = "long"
    steps: Annotated[int, Field(ge=1, le=60, strict=True)] | None = None
    unloading: bool = True

    @field_validator("start")
    @classmethod
    def _whole_second_utc(cls, start: datetime) -> datetime:
        if start.microsecond:
            raise ValueError("must be a whole second")
        return start.astimezone(UTC)

    @field_validator("markets")
    @classmethod
    def _same_length(cls, markets: dict[str, tuple[Bar, ...]]) -> dict[str, tuple[Bar, ...]]:
        lengths = {market: len(bars) for market, bars in markets.items()}
        if len(set(lengths.values())) > 1 or 0 in lengths.values():
            raise ValueError(f"every market must have the same number of bars, at least 1 (got {lengths})")
        return markets

    @model_validator(mode="after")
    def _open_of_every_market(self) -> Self:
        if self.open is not None and self.open.keys() != self.markets.keys():
            raise ValueError(f"open: must name the markets {sorted(self.markets)} (got {sorted(self.open)})")
        return self

    @model_validator(mode="after")
    def _assets_fit(self) -> Self:
        lengths = {asset: len(bars) for asset, bars in self.assets.items()}
        if wrong := {asset: n for asset, n in lengths.items() if n != self.bars}:
            raise ValueError(f"assets: must have as many bars as the markets, {self.bars} (got {wrong})")
        names = [*self.assets, *(name for name in self.reserve if name not in self.assets)]
        if both := sorted(set(names) & self.markets.keys()):
            raise ValueError(f"assets: must have names that no market has (got {', '.join(both)})")
        if len(names) > MAX_ASSETS:
            raise ValueError(
                f"assets: must be at most {MAX_ASSETS}, the reserve's included (got {len(names)})"
            )
        return self

    @property
    def reserve(self) -> dict[str, Decimal]:
        """What the fund's skin holds beside the settlement token at the start, USD by asset."""
        return self.fund.reserve if self.fund else {}

    @property
    def bars(self) -> int:
        """Number of bars, the same in every market."""
        return len(next(iter(self.markets.values())))

    @property
    def end(self) -> datetime:
        """End of the last bar (UTC)."""
        return self.start + timedelta(seconds=self.bars * self.bar_seconds)

    def path(self) -> Iterator[PricePoint]:
        """The price path, `1 + 2 × bars` points in order of time.

        It starts at the open (where none is given, at the close of the first bar); then each bar goes to its
        low, in the middle of the bar, and to its close, at the end of it. Lows of all markets and stablecoins
        coincide.
        """
        opening = self.open or {market: bars[0].close for market, bars in self.markets.items()}
        pegs = {asset: bars[0].close for asset, bars in self.assets.items()}
        yield PricePoint(self.start, 0, "open", opening, pegs)
        half = timedelta(seconds=self.bar_seconds // 2)
        for i in range(self.bars):
            markets = {market: bars[i] for market, bars in self.markets.items()}
            assets = {asset: bars[i] for asset, bars in self.assets.items()}
            middle = self.start + (2 * i + 1) * half
            yield PricePoint(middle, i, "low", _lows(markets), _lows(assets))
            yield PricePoint(middle + half, i, "close", _closes(markets), _closes(assets))


def _lows(bars: Mapping[str, Bar]) -> dict[str, Decimal]:
    return {name: bar.low for name, bar in bars.items()}


def _closes(bars: Mapping[str, Bar]) -> dict[str, Decimal]:
    return {name: bar.close for name, bar in bars.items()}


def available() -> tuple[str, ...]:
    """Names of the scenarios that come with the package, sorted."""
    return tuple(sorted(file.stem for file in _SHIPPED.glob("*.json")))


def load(name_or_path: str | Path) -> Scenario:
    """The scenario with this name, else the one in the file at this path.

    Raises `ScenarioError` where there is neither, and where the file is not a valid scenario.
    """
    names = available()
    file = _SHIPPED / f"{name_or_path}.json" if str(name_or_path) in names else Path(name_or_path)
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ScenarioError(
            f"no scenario and no file {str(name_or_path)!r}; the scenarios are {', '.join(names)}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise ScenarioError(f"{file}: can't be read: {error}") from error
    try:
        # Decimal from the text itself: a price must not pass through binary floating point.
        data = json.loads(
            text, parse_float=Decimal, parse_constant=_no_constant, object_pairs_hook=files.unique
        )
    except ValueError as error:
        raise ScenarioError(f"{file}: not valid JSON: {error}") from error
    try:
        return Scenario.model_validate(data)
    except ValidationError as error:
        raise ScenarioError(f"{file}: {_explain(error)}") from None


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _explain(error: ValidationError) -> str:
    return "; ".join(_explain_one(dict(detail)) for detail in error.errors(include_url=False))


def _explain_one(detail: dict[str, Any]) -> str:
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in detail["loc"])
    place = "".join(parts).lstrip(".")
    message = str(detail["msg"]).removeprefix("Value error, ").replace("Input should", "must")
    message = message[:1].lower() + message[1:]
    # The rules of this module already say what they got; a missing field got nothing.
    got = "" if detail["type"] in ("value_error", "missing") else f" (got {detail['input']})"
    return f"{place}: {message}{got}" if place else f"{message}{got}"
