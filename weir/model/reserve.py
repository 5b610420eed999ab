"""The reserve (SPECIFICATION.md section 6.3): the fund's own capital that is not S.

Units are of an asset's own token; worth, value, cost and whatever is paid are units of S.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from weir.model import errors
from weir.model.environment import Clock, Feeds
from weir.model.numbers import MILLION
from weir.model.parameters import StablecoinParameters
from weir.model.stablecoins import Auction, Stablecoins


@dataclass
class Rebalance(Auction):
    """An auction of an asset, in which the reserve either buys it or sells it."""

    buying: bool = False


@dataclass(frozen=True)
class Books:
    """What the reserve must know of the fund: its skin, its open advances, whether the gate is open."""

    skin: int
    owed: int
    gate_open: bool = True


@dataclass
class Reserve:
    """How much of each asset there is, and the last auction of each."""

    clock: Clock
    stablecoins: Stablecoins
    amounts: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    auctions: dict[int, Rebalance] = field(default_factory=dict)

    # ---- what there is

    def worth(self, asset: int) -> int:
        """What is held of the asset, at its price."""
        return self.stablecoins.worth(asset, self.amounts[asset])

    def value(self) -> int:
        """R: everything held, each at its haircut."""
        assets = range(len(self.stablecoins.assets))
        return sum(self.stablecoins.value(asset, self.amounts[asset]) for asset in assets)

    def whole(self, skin: int) -> int:
        """W: what the weights are of, the reserve without its haircuts."""
        return skin + sum(self.worth(asset) for asset in range(len(self.stablecoins.assets)))

    @property
    def is_empty(self) -> bool:
        return not any(self.amounts.values())

    def target(self, asset: int, skin: int) -> int:
        """What the asset should be worth."""
        return self.whole(skin) * self.stablecoins.asset(asset).parameters.weight // MILLION

    def _band(self, skin: int) -> int:
        return self.whole(skin) * self.stablecoins.parameters.rebalance_band // MILLION

    def _on_peg(self, asset: int) -> bool:
        """What has no price is off its peg too: a share's vault may fail while its stablecoin holds."""
        floor = self.stablecoins.parameters.par_floor
        return self.stablecoins.par(asset) >= floor and self.stablecoins.price(asset) > 0

    # ---- in

    def contribute(self, asset: int, amount: int, owed: int) -> None:
        """A gift, within the asset's cap, while no advance is open."""
        if amount == 0:
            raise errors.ZeroAmount
        total, cap = self.amounts[asset] + amount, self.stablecoins.asset(asset).parameters.reserve_cap
        if owed:
            raise errors.AdvanceOpen
        if total > cap:
            raise errors.CapExceeded(asset, total, cap)
        self.amounts[asset] = total

    # ---- conversions

    def start(self, asset: int, books: Books) -> None:
        """Starts an auction in the direction that the books ask for; one in the other direction ends."""
        buying = self._direction(asset, books)
        now, duration = self.clock.time, self.stablecoins.parameters.sale_duration
        last = self.auctions.get(asset)
        if last and last.buying == buying and last.running(now, duration):
            raise errors.AuctionRunning(asset, last.ends_at(duration))
        self.auctions[asset] = Rebalance(now, buying)

    def _direction(self, asset: int, books: Books) -> bool:
        """True when the reserve should buy the asset, False when it should sell it."""
        price = self.stablecoins.price(asset)
        worth, target, band = self.worth(asset), self.target(asset, books.skin), self._band(books.skin)
        if self.amounts[asset] and price and (books.owed or worth > target + band):
            return False
        if worth >= target - band:
            raise errors.NothingToConvert(asset)
        self._check_purchase(asset, books)
        return True

    def _check_purchase(self, asset: int, books: Books) -> None:
        if not books.gate_open:
            raise errors.GateClosed
        if not self._on_peg(asset):
            raise errors.OffPeg(asset)

    def _off(self, asset: int, amount: int, *, buying: bool) -> int:
        """By how much the price of the running auction is off, ppm; it must be of this direction."""
        parameters = self.stablecoins.asset(asset).parameters
        if amount == 0:
            raise errors.ZeroAmount
        now, duration = self.clock.time, self.stablecoins.parameters.sale_duration
        last = self.auctions.get(asset)
        if last is None or last.buying != buying or not last.running(now, duration):
            raise errors.AuctionNotRunning(asset)
        return last.off(now, duration, parameters.discount)

    def sell(self, asset: int, amount: int, max_cost: int, books: Books) -> tuple[int, int]:
        """Sells what the advances, or else the weight, ask for; returns the units and what they cost."""
        ratio = MILLION - self._off(asset, amount, buying=False)
        held = self.amounts[asset]
        if not self.stablecoins.price(asset):
            raise errors.NoPrice(asset)
        need = books.owed or self.worth(asset) - self.target(asset, books.skin)
        units = min(amount, held, self.stablecoins.units_for(asset, max(0, need), ratio))
        if units == 0:
            raise errors.NothingToConvert(asset)
        cost = self.stablecoins.cost_up(asset, units, ratio)
        if cost > max_cost:
            raise errors.CostAboveMax(cost, max_cost)
        self.amounts[asset] = held - units
        return units, cost

    def buy(self, asset: int, amount: int, min_paid: int, books: Books) -> tuple[int, int]:
        """Buys up to the weight, as cap and skin allow; returns the units and what is paid."""
        ratio = MILLION + self._off(asset, amount, buying=True)
        self._check_purchase(asset, books)
        held, cap = self.amounts[asset], self.stablecoins.asset(asset).parameters.reserve_cap
        price, scale = self.stablecoins.price(asset), self.stablecoins.scale(asset)
        lacking = max(0, self.target(asset, books.skin) - self.worth(asset)) * scale // price
        affordable = books.skin * scale * MILLION // (price * ratio)
        units = min(amount, lacking, max(0, cap - held), affordable)
        if units == 0:
            raise errors.NothingToConvert(asset)
        paid = units * price * ratio // (scale * MILLION)
        if paid < min_paid:
            raise errors.PaymentBelowMin(paid, min_paid)
        self.amounts[asset] = held + units
        return units, paid


def without_assets() -> Reserve:
    """For a fund that holds S alone."""
    clock = Clock(0, 0)
    return Reserve(clock, Stablecoins(clock, Feeds(), StablecoinParameters(), 0))
