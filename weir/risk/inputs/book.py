"""The book: who holds what, in which markets, and what the fund has for it. From a file, or from a chain.

A book is a JSON file, or a Parquet file with one row for each account whose metadata (key `weir.book`) has
the rest. Both are described in docs/risk.md.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Any, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from weir.files import unique
from weir.risk.files import reading, replacing, write
from weir.risk.simulation.exposures import Exposures

__all__ = ["Account", "Book", "Fund", "Market", "Source", "Stablecoin"]

MOST = 1e15
"""USD, and units of an underlying: far beyond what any market has, and within what is computed exactly."""
Finite = Annotated[float, Field(ge=-MOST, le=MOST, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, le=MOST, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, le=MOST, allow_inf_nan=False)]
Ratio = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1, max_length=64)]

METADATA = b"weir.book"


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Market(_Model):
    """A market at the price of now."""

    price: Positive
    """USD for one unit of the underlying."""
    initial_margin: Ratio
    """Of notional, what a new position needs."""
    maintenance_margin: Ratio
    """Of notional, below which an account is liquidated."""

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.maintenance_margin > self.initial_margin:
            raise ValueError("maintenance_margin: at most initial_margin")
        return self


class Stablecoin(_Model):
    """A stablecoin, which may lose its par."""

    reserve: NotNegative = 0
    """USD: what the fund holds in it, counted at the prices of now."""


class Account(_Model):
    """One account."""

    account: Name
    equity: Finite
    """USD: cash, what collateral counts for, and unsettled profit or loss, at the prices of now."""
    guaranty: NotNegative = 0
    """USD: its own contribution to the guaranty fund, which pays for its default first."""
    positions: dict[Name, Finite] = {}
    """By market, units of the underlying; short below 0."""
    collateral: dict[Name, NotNegative] = {}
    """By stablecoin, USD that it counts for; a part of equity."""
    tier: Annotated[int, Field(ge=0, le=4)] | None = None
    """The creditworthiness that stands: 0, the best, to 4; none: never posted."""
    tier_fixed: bool = False
    """The tier was posted less than a day ago and may not move yet."""
    group: Name | None = None
    """Accounts of one group are one owner's as far as is known."""


class Fund(_Model):
    """What stands between a default and open interest, USD."""

    skin: NotNegative
    """The fund's own money (skin in the game), with what its reserve counts for."""
    junior: NotNegative
    senior: NotNegative
    guaranty: NotNegative = 0
    """All members' contributions together."""

    @property
    def assets(self) -> float:
        """USD of the layers that belong to the fund: what coverage is measured by."""
        return self.skin + self.junior + self.senior

    @property
    def layers(self) -> dict[str, float]:
        """USD by layer, in the order in which they bear losses, the members' last."""
        return {"skin": self.skin, "junior": self.junior, "senior": self.senior, "mutual": self.guaranty}


class Source(_Model):
    """Where a book was read. A file without one was made by hand."""

    chain: int
    block: Annotated[int, Field(ge=0)]
    time: Annotated[int, Field(ge=0)]
    """Unix seconds of that block."""
    vault: str
    """The vault's address: which deployment it is."""
    target_low: NotNegative | None = None
    """USD: the least that the poster may post now as the fund's target..."""
    target_high: NotNegative | None = None
    """... and the most. Neither where nobody is known to be the poster."""


class Book(_Model):
    """Markets, stablecoins (the settlement token's name first, if it may depeg), accounts, and the fund."""

    markets: Annotated[dict[Name, Market], Field(min_length=1)]
    stablecoins: dict[Name, Stablecoin] = {}
    accounts: tuple[Account, ...]
    fund: Fund
    source: Source | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if both := self.markets.keys() & self.stablecoins.keys():
            raise ValueError(f"stablecoins: {_listed(both)} is a market, too")
        if twice := _twice(account.account for account in self.accounts):
            raise ValueError(f"accounts: {twice} is there twice")
        for account in self.accounts:
            if unknown := account.positions.keys() - self.markets.keys():
                raise ValueError(
                    f"accounts: {account.account}: a position in the unknown market {_listed(unknown)}; "
                    f"known are {_listed(self.markets)}"
                )
            for name, size in account.positions.items():
                if (notional := abs(size) * self.markets[name].price) > MOST:
                    raise ValueError(
                        f"accounts: {account.account}: a position of at most {MOST:.0e} USD in {name} "
                        f"(got {notional:.3g})"
                    )
            if unknown := account.collateral.keys() - self.stablecoins.keys():
                raise ValueError(
                    f"accounts: {account.account}: collateral in the unknown stablecoin {_listed(unknown)}; "
                    f"known are {_listed(self.stablecoins)}"
                )
        contributed = sum(account.guaranty for account in self.accounts)
        if contributed > self.fund.guaranty * (1 + 1e-9) + 1e-6:
            raise ValueError(
                f"fund: guaranty: {self.fund.guaranty} is less than its members' contributions, {contributed}"
            )
        reserve = sum(coin.reserve for coin in self.stablecoins.values())
        if reserve > self.fund.assets * (1 + 1e-9) + 1e-6:
            raise ValueError(f"stablecoins: a reserve of {reserve}, beyond the fund's {self.fund.assets}")
        return self

    # ------------------------------------------------------------------ figures

    @property
    def factors(self) -> tuple[str, ...]:
        """Names of what may move: the markets, then the stablecoins."""
        return (*self.markets, *self.stablecoins)

    def open_interest(self) -> dict[str, float]:
        """USD by market: the larger side's notional (both are one on a chain)."""
        found = {}
        for name, market in self.markets.items():
            sizes = [account.positions.get(name, 0.0) for account in self.accounts]
            longs, shorts = sum(s for s in sizes if s > 0), -sum(s for s in sizes if s < 0)
            found[name] = max(longs, shorts) * market.price
        return found

    def reserve_mix(self) -> dict[str, float]:
        """Fraction of the fund's assets by stablecoin; what is left is in the settlement token."""
        assets = self.fund.assets
        return {name: coin.reserve / assets if assets else 0.0 for name, coin in self.stablecoins.items()}

    def exposures(self) -> Exposures:
        """The same as arrays, accounts and factors in the book's order."""
        prices = np.array([market.price for market in self.markets.values()])
        ratios = np.array([market.maintenance_margin for market in self.markets.values()])
        sizes = np.array([[a.positions.get(name, 0.0) for name in self.markets] for a in self.accounts])
        sizes = sizes.reshape(len(self.accounts), len(prices))
        coins = np.array([[a.collateral.get(name, 0.0) for name in self.stablecoins] for a in self.accounts])
        coins = coins.reshape(len(self.accounts), len(self.stablecoins))
        equity = np.array([a.equity for a in self.accounts], dtype=np.float64)
        return Exposures(
            accounts=tuple(a.account for a in self.accounts),
            factors=self.factors,
            markets=len(prices),
            equity=equity,
            resources=equity + np.array([a.guaranty for a in self.accounts], dtype=np.float64),
            notional=np.hstack([sizes * prices, coins]),
            margin=np.hstack([np.abs(sizes) * prices * ratios, np.zeros_like(coins)]),
        )

    # -------------------------------------------------------------------- files

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a JSON or Parquet file; raises `RiskError` naming the file and the field that is wrong."""
        with reading(path):
            raw = _from_parquet(path) if path.suffix == ".parquet" else _from_json(path)
            return cls.model_validate(raw)

    def save(self, path: Path) -> None:
        """Writes JSON, or Parquet where the name ends so; what `load` reads."""
        if path.suffix == ".parquet":
            with replacing(path) as part:
                _to_parquet(self, part)
        else:
            write(path, self.to_json() + "\n")

    @property
    def hash(self) -> str:
        """SHA-256 of `to_json`."""
        return "0x" + sha256(self.to_json().encode()).hexdigest()

    def to_json(self) -> str:
        """Canonical: the same book is the same text, whatever it was read from."""
        return json.dumps(self.model_dump(mode="json", exclude_defaults=True), indent=1, sort_keys=False)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def _twice(names: Iterable[str]) -> str | None:
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            return name
        seen.add(name.lower())
    return None


def _from_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=unique)


def _from_parquet(path: Path) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with path.open("rb") as file:
            table = pq.read_table(file)
    except pa.ArrowException as error:
        raise ValueError(f"not a Parquet file: {str(error).splitlines()[0]}") from None
    try:
        rest = json.loads((table.schema.metadata or {})[METADATA])
    except KeyError:
        raise ValueError(f"no metadata {METADATA.decode()} (markets, stablecoins, fund)") from None
    if not isinstance(rest, dict):
        raise ValueError(f"metadata {METADATA.decode()}: must be an object")
    try:
        rows = table.to_pylist(maps_as_pydicts="strict")
    except KeyError:
        raise ValueError("accounts: a name stands twice in one account's positions or collateral") from None
    return {**rest, "accounts": [{k: v for k, v in row.items() if v is not None} for row in rows]}


def _to_parquet(book: Book, path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    amounts = pa.map_(pa.string(), pa.float64())
    columns = {
        "account": pa.string(),
        "equity": pa.float64(),
        "guaranty": pa.float64(),
        "positions": amounts,
        "collateral": amounts,
        "tier": pa.int8(),
        "tier_fixed": pa.bool_(),
        "group": pa.string(),
    }
    rest = book.model_dump_json(exclude={"accounts"}, exclude_defaults=True).encode()
    schema = pa.schema(list(columns.items()), metadata={METADATA: rest})
    rows = [account.model_dump() for account in book.accounts]
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), path)
