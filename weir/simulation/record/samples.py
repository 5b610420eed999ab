"""The system as it is at one moment of a run, taken while it goes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from weir.client import Weir
from weir.stablecoins import AssetState
from weir.states import FundState

__all__ = ["Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """The system at one step of the price path, and the last block of it.

    `prices` of markets, and what the market gives for stablecoins (`asset_prices`), are in USD;
    `open_interest` is notional in units of S; `margin_used` is a part of all equity, None where that is 0.
    """

    time: int
    block: int
    prices: Mapping[str, Decimal]
    asset_prices: Mapping[str, Decimal]
    fund: FundState
    assets: tuple[AssetState, ...]
    open_interest: int
    margin_used: float | None

    @classmethod
    def take(
        cls, weir: Weir, time: int, prices: Mapping[str, Decimal], asset_prices: Mapping[str, Decimal]
    ) -> Self:
        """The system now, at the end of a step that began at `time`."""
        accounts = [each for each in weir.accounts(block="pending") if each.address != weir.fund.address]
        equity = sum(max(account.equity, 0) for account in accounts)
        margin = sum(account.initial_margin for account in accounts)
        return cls(
            time=time,
            block=int(weir.chain.rpc("eth_blockNumber"), 16),
            prices=dict(prices),
            asset_prices=dict(asset_prices),
            fund=weir.fund_state(block="pending"),
            assets=weir.assets.states(block="pending") if weir.assets else (),
            open_interest=sum(market.notional for market in weir.markets(block="pending")),
            margin_used=round(margin / equity, 6) if equity else None,
        )
