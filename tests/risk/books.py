"""A book for tests: three kinds of accounts in two markets, one of them thin of margin."""

from __future__ import annotations

from functools import cache
from typing import Any

from weir.risk.inputs.book import Account, Book, Fund, Market, Source, Stablecoin
from weir.risk.inputs.prices import PriceHistory
from weir.risk.inputs.sources import package_history

BTC, ETH = 60_000.0, 2_400.0
VAULT = "0x" + "11" * 20


def address(i: int) -> str:
    return f"0x{i:040x}"


def make_book(
    *, source: Source | None = None, reserve: float = 0.0, scale: float = 1.0, **changes: Any
) -> Book:
    """`scale` multiplies positions; `reserve` is USDX of the fund's skin."""
    traders = [
        Account(
            account=address(i + 1),
            equity=2_000.0 + 500 * i,
            guaranty=200.0 if i % 3 == 0 else 0.0,
            positions={"BTC": scale * (0.3 + 0.02 * i) * (-1) ** (i // 4), "ETH": scale * (i % 5 - 2)},
            collateral={"USDX": 500.0} if i % 2 else {},
            tier=[None, 1, 3][i % 3],
            group="friends" if i in (3, 4) else None,
        )
        for i in range(12)
    ]
    rest = {name: -sum(trader.positions[name] for trader in traders) for name in ("BTC", "ETH")}
    maker = Account(account=address(99), equity=400_000.0, positions=rest, tier=0)
    fields: dict[str, Any] = {
        "markets": {
            "BTC": Market(price=BTC, initial_margin=0.05, maintenance_margin=0.03),
            "ETH": Market(price=ETH, initial_margin=0.05, maintenance_margin=0.03),
        },
        "stablecoins": {"USDX": Stablecoin(reserve=reserve)},
        "accounts": (*traders, maker),
        "fund": Fund(skin=8_000, junior=10_000, senior=12_000, guaranty=1_000),
        "source": source,
    }
    return Book(**(fields | changes))


@cache
def histories() -> dict[str, PriceHistory]:
    """BTC and ETH, by day, from 2019 on."""
    return {name: package_history(name).since(1_546_300_800) for name in ("BTC", "ETH")}
