"""What a run leaves behind of other stablecoins: collateral, the reserve, and what the tranches advanced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from weir.chain import Event
from weir.parameters import from_units
from weir.results import (
    Advance,
    Conversion,
    Identity,
    ListedAsset,
    StablecoinPoint,
    Stablecoins,
)
from weir.simulation.stage import Stage
from weir.stablecoins import AssetBooks, AssetState
from weir.states import FundState

__all__ = ["AssetHistory", "AssetSample"]

MILLION = 10**6
_Kind = Literal["debt", "default", "takeover", "sale", "purchase"]
_ADVANCES: dict[str, Literal["opened", "repaid", "written off"]] = {
    "Advanced": "opened",
    "AdvanceRepaid": "repaid",
    "AdvanceWrittenOff": "written off",
}


@dataclass(frozen=True, slots=True)
class AssetSample:
    """The stablecoins at one step of the price path, what the market gave for them, and the fund beside."""

    time: int
    market: Mapping[str, Decimal]
    states: tuple[AssetState, ...]
    fund: FundState


class AssetHistory:
    """The same from the events of a whole run, `first` to `last` block, and from the state at its end."""

    def __init__(self, stage: Stage, first: int, last: int) -> None:
        self.stage = stage
        self.weir = stage.weir
        self.assets = stage.weir.assets
        self.states = self.assets.states(block=last)
        contracts = (self.assets.collateral, self.assets.reserve)
        self.events = self.weir.chain.logs([each.address for each in contracts], first, last)
        named = (*_ADVANCES, "Recovered")
        self.of_fund = self.weir.chain.logs([self.weir.fund.address], first, last, named)
        self._times: dict[int, int] = {}
        self._prices: dict[tuple[int, int], int] = {}

    def result(self, samples: Sequence[AssetSample]) -> Stablecoins:
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
            conversions=self.conversions(),
            advances=self._advances(),
            series=tuple(self._point(sample) for sample in samples),
        )

    # ---- money of people

    def pledged(self) -> dict[str, int]:
        """What each account's own tokens were worth when they were pledged, units of S."""
        found: Counter[str] = Counter()
        for event in self.events:
            if event.name == "Deposited":
                found[event["account"]] += self._worth(event)
        return dict(found)

    def haircuts(self) -> dict[str, int]:
        """What each account's pledged tokens are worth at the end beyond what they count for, units of S."""
        found = {}
        for pledge in self.assets.pledges():
            units = zip(self.states, pledge.held, strict=True)
            whole = sum(held * asset.price // self._scale(asset.id) for asset, held in units)
            found[pledge.address] = whole - pledge.value
        return found

    def refunded(self) -> dict[str, int]:
        """What sales of its collateral brought into each account: no deposit of its owner, units of S."""
        found: Counter[str] = Counter()
        for event in self.events:
            if event.name == "Sold":
                found[event["account"]] += event["cost"] - self._recovered(event)
        return dict(found)

    # ---- what was converted

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
            time=self._time(event),
            account=owner,
            other=other,
            asset=asset.symbol,
            amount=from_units(event["amount"], asset.decimals),
            worth=self.weir.usd(self._worth(event)),
            paid=self.weir.usd(paid),
            recovered=self.weir.usd(self._recovered(event)),
        )

    def _recovered(self, event: Event) -> int:
        """What of a sale of collateral went to those who bore the default that it was for."""
        if event.name != "Sold" or not event["id"]:
            return 0
        parts = [
            each["recovery"]
            for each in self.of_fund
            if each.name == "Recovered" and each.transaction == event.transaction
        ]
        return sum(sum(part.values()) for part in parts)

    def _advances(self) -> tuple[Advance, ...]:
        return tuple(
            Advance(
                kind=_ADVANCES[event.name],
                time=self._time(event),
                junior=self.weir.usd(event["junior"]),
                senior=self.weir.usd(event["senior"]),
            )
            for event in self.of_fund
            if event.name in _ADVANCES
        )

    # ---- what must hold

    def identities(self) -> tuple[Identity, ...]:
        """P1 of every token and of the fund, and the bound of every conversion."""
        return (self._fund_holds(), *(self._held(books) for books in self.assets.books()), self._bounded())

    def _fund_holds(self) -> Identity:
        weir = self.weir
        fund = weir.fund_state()
        held = weir.chain.call(weir.token.functions.balanceOf(weir.fund.address))
        slack = held - fund.skin - fund.unvested - fund.junior - fund.senior
        return Identity(
            id="P1:fund",
            statement="S held by the insurance fund = skin + unvested + tranches, without what they advanced",
            slack=weir.usd(slack),
            bound=Decimal(0),
            holds=slack == 0,
        )

    def _held(self, books: AssetBooks) -> Identity:
        slack = abs(books.donations) if books.holds else max(abs(books.donations), 1)
        return Identity(
            id=f"P1:{books.symbol}",
            statement=f"{books.symbol} held for collateral = what accounts hold, by the reserve = its amount",
            slack=from_units(slack, books.decimals),
            bound=Decimal(0),
            holds=slack == 0,
            unit=books.symbol,
        )

    def _bounded(self) -> Identity:
        """The largest loss of a conversion, less a unit of rounding, and what its asset's auction allows."""
        unit = self.weir.usd(1)
        worst, bound, holds = Decimal(0), Decimal(max(each.discount for each in self.states)), True
        discounts = {each.symbol: each.discount for each in self.states}
        for each in self.conversions():
            lost = each.paid - each.worth if each.kind == "purchase" else each.worth - each.paid
            if each.worth and lost > unit:
                ppm = ((lost - unit) * MILLION / each.worth).quantize(Decimal("0.1"))
                worst = max(worst, ppm)
                holds = holds and (lost - unit) * MILLION <= discounts[each.asset] * each.worth
        return Identity(
            id="conversions",
            statement="no conversion lost more than its asset's discount, and a unit of rounding",
            slack=worst,
            bound=bound,
            holds=holds,
            unit="ppm",
        )

    # ---- units, prices and times

    def _point(self, sample: AssetSample) -> StablecoinPoint:
        def by_asset(name: str) -> dict[str, Decimal]:
            return {each.symbol: self.weir.usd(getattr(each, name)) for each in sample.states}

        pledged = {
            each.symbol: self.weir.usd(each.pledged * each.price // self._scale(each.id))
            for each in sample.states
        }
        prices = {each.symbol: from_units(each.price, 18) for each in sample.states}
        return StablecoinPoint(
            time=sample.time,
            market={name: sample.market.get(name, price) for name, price in prices.items()},
            prices=prices,
            collateral=pledged,
            collateral_counts=by_asset("pledged_value"),
            reserve=by_asset("reserve_worth"),
            reserve_counts=by_asset("reserve_value"),
            skin=self.weir.usd(sample.fund.skin),
            advanced=self.weir.usd(sample.fund.advanced_junior + sample.fund.advanced_senior),
        )

    def _worth(self, event: Event) -> int:
        """What the units of an event were worth in its block, units of S."""
        asset = event["asset"]
        key = asset, event.block
        if key not in self._prices:
            terms = self.weir.chain.call(self.assets.registry.functions.terms(asset), block=event.block)
            self._prices[key] = terms["price"]
        return int(event["amount"] * self._prices[key] // self._scale(asset))

    def _scale(self, asset: int) -> int:
        return int(10 ** (18 + self.states[asset].decimals - self.weir.deployment.decimals))

    def _time(self, event: Event) -> int:
        if event.block not in self._times:
            self._times[event.block] = int(self.weir.chain.block(event.block)["timestamp"], 16)
        return self._times[event.block]
