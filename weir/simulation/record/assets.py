"""What happened to other stablecoins: collateral, the fund's reserve, and what the tranches advanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from functools import cached_property
from typing import Literal

from weir.chain import Event
from weir.parameters import from_units
from weir.results import Advance, Conversion, ListedAsset, StablecoinPoint, Stablecoins
from weir.simulation.record.history import History, whole
from weir.simulation.record.samples import Sample
from weir.stablecoins import AssetState, worth
from weir.units import MILLION

__all__ = ["AssetHistory"]

_Kind = Literal["debt", "default", "takeover", "sale", "purchase"]
_ADVANCES: dict[str, Literal["opened", "repaid", "written off"]] = {
    "Advanced": "opened",
    "AdvanceRepaid": "repaid",
    "AdvanceWrittenOff": "written off",
}


class AssetHistory:
    """The events of collateral and reserve in the blocks of a history, and the assets' state at its end."""

    def __init__(self, history: History) -> None:
        self.history = history
        self.weir = history.weir
        self.assets = history.weir.assets
        self.states = self.assets.states(block=history.last)
        contracts = (self.assets.collateral, self.assets.reserve)
        self.events = self.weir.chain.logs([each.address for each in contracts], history.first, history.last)
        self._prices: dict[tuple[int, int], int] = {}

    def result(self, samples: Iterable[Sample]) -> Stablecoins:
        """What a report tells of them."""
        return Stablecoins(
            assets=tuple(
                ListedAsset(
                    symbol=each.symbol,
                    is_share=each.is_share,
                    haircut=each.haircut / MILLION,
                    discount=each.discount / MILLION,
                    weight=each.weight / MILLION,
                )
                for each in self.states
            ),
            conversions=self.conversions,
            advances=self._advances(),
            series=tuple(self._point(sample) for sample in samples),
        )

    # ---- money of people

    def pledged(self) -> dict[str, int]:
        """What each account's own tokens were worth when they were pledged, units of S."""
        found: Counter[str] = Counter()
        for event in self.events:
            if event.name == "Deposited":
                found[event["account"]] += self._worth_then(event)
        return dict(found)

    def haircuts(self) -> dict[str, int]:
        """What each account's pledged tokens are worth at the end beyond what they count for, units of S."""
        found = {}
        for pledge in self.assets.pledges():
            units = zip(self.states, pledge.held, strict=True)
            found[pledge.address] = sum(self._worth(asset, held) for asset, held in units) - pledge.value
        return found

    def refunded(self) -> dict[str, int]:
        """What sales of its collateral brought into each account: no deposit of its owner, units of S."""
        found: Counter[str] = Counter()
        for event in self.events:
            if event.name == "Sold":
                found[event["account"]] += event["cost"] - self._recovered(event)
        return dict(found)

    # ---- what was converted

    @cached_property
    def conversions(self) -> tuple[Conversion, ...]:
        """All of them, in order."""
        return tuple(found for event in self.events if (found := self._conversion(event)))

    def _conversion(self, event: Event) -> Conversion | None:
        match event.name:
            case "Sold":
                kind: _Kind = "default" if event["id"] else "debt"
                owner, other, paid = event["account"], event["buyer"], event["cost"]
            case "Taken":
                kind, owner, other, paid = "takeover", event["account"], event["liquidator"], event["cost"]
            case "AssetSold":
                kind, owner, other, paid = "sale", "", event["buyer"], event["cost"]
            case "AssetBought":
                kind, owner, other, paid = "purchase", "", event["seller"], event["paid"]
            case _:
                return None
        asset = self.states[event["asset"]]
        return Conversion(
            kind=kind,
            time=self.history.time(event),
            account=owner,
            other=other,
            asset=asset.symbol,
            amount=from_units(event["amount"], asset.decimals),
            worth=self.weir.usd(self._worth_then(event)),
            paid=self.weir.usd(paid),
            recovered=self.weir.usd(self._recovered(event)),
        )

    def _recovered(self, event: Event) -> int:
        """What of a sale of collateral went to those who bore the default that it was for."""
        if event.name != "Sold" or not event["id"]:
            return 0
        parts = [
            each["recovery"]
            for each in self.history.named("Recovered")
            if each.transaction == event.transaction
        ]
        return sum(sum(part.values()) for part in parts)

    def _advances(self) -> tuple[Advance, ...]:
        return tuple(
            Advance(
                kind=_ADVANCES[event.name],
                time=self.history.time(event),
                junior=self.weir.usd(event["junior"]),
                senior=self.weir.usd(event["senior"]),
            )
            for event in self.history.named(*_ADVANCES)
        )

    # ---- over time

    def _point(self, sample: Sample) -> StablecoinPoint:
        def by_asset(name: str) -> dict[str, Decimal]:
            return {each.symbol: self.weir.usd(getattr(each, name)) for each in sample.assets}

        prices = {each.symbol: whole(each.price) for each in sample.assets}
        return StablecoinPoint(
            time=sample.time,
            market={name: sample.asset_prices.get(name, price) for name, price in prices.items()},
            prices=prices,
            collateral={
                each.symbol: self.weir.usd(self._worth(each, each.pledged)) for each in sample.assets
            },
            collateral_counts=by_asset("pledged_value"),
            reserve=by_asset("reserve_worth"),
            reserve_counts=by_asset("reserve_value"),
            skin=self.weir.usd(sample.fund.skin),
            advanced=self.weir.usd(sample.fund.advanced_junior + sample.fund.advanced_senior),
        )

    # ---- worth

    def _worth(self, asset: AssetState, units: int) -> int:
        """What units of an asset are worth at its price, units of S."""
        return worth(asset, units, self.weir.deployment.decimals)

    def _worth_then(self, event: Event) -> int:
        """What the units of an event were worth in its block, units of S."""
        asset = event["asset"]
        key = asset, event.block
        if key not in self._prices:
            terms = self.weir.chain.call(self.assets.registry.functions.terms(asset), block=event.block)
            self._prices[key] = terms["price"]
        return self._worth(replace(self.states[asset], price=self._prices[key]), event["amount"])
