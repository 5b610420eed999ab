"""Other stablecoins (SPECIFICATION.md section 2.1): their prices, and the auction by which they become S.

Units are of the asset's own token. Par and price are 1e-18 of a dollar, worth, value and cost units of S.
"""

from dataclasses import dataclass, field

from weir.model.environment import Clock, Feeds
from weir.model.errors import UnknownAsset
from weir.model.numbers import (
    ASSET_FEEDS,
    MAX_ASSETS,
    MAX_PRICE,
    MILLION,
    PAR,
    YEAR_SECONDS,
    ceil_div,
)
from weir.model.parameters import AssetParameters, StablecoinParameters


@dataclass
class Asset:
    """A stablecoin, or an ERC-4626 share of one: what its vault answered when its parameters were set."""

    parameters: AssetParameters
    rate: int = 0
    since: int = 0  # when that was


@dataclass(frozen=True)
class Conversion:
    """Units that somebody had to turn into S; for the properties only."""

    asset: int
    units: int
    paid: int  # units of S
    price: int  # of the asset
    scale: int
    discount: int  # the most that it may have lost, ppm


@dataclass
class Auction:
    """The one form of a conversion: the price falls from its start, until somebody may start it anew."""

    started_at: int | None = None

    def running(self, now: int, duration: int) -> bool:
        """Until twice the duration after its start, that moment excluded."""
        return self.started_at is not None and now < self.ends_at(duration)

    def ends_at(self, duration: int) -> int:
        assert self.started_at is not None
        return self.started_at + 2 * duration

    def off(self, now: int, duration: int, discount: int) -> int:
        """By how much the price is off now, ppm: rising to the discount over the duration, then there."""
        assert self.started_at is not None
        return discount * min(now - self.started_at, duration) // duration if duration else discount


@dataclass
class Stablecoins:
    """The assets that count beside S; `decimals` are those of S."""

    clock: Clock
    feeds: Feeds
    parameters: StablecoinParameters
    decimals: int
    assets: list[Asset] = field(default_factory=list)
    answers: dict[int, int | None] = field(default_factory=dict)  # convertToAssets(10^da); None: no answer

    # ---- governance

    def set_asset(self, asset: int, parameters: AssetParameters) -> None:
        """Adds the next asset, or sets one anew; a share may grow from what its vault answers, if it does."""
        if asset == len(self.assets) < MAX_ASSETS:
            self.assets.append(Asset(parameters))
        state = self.asset(asset)
        state.parameters = parameters
        if answer := self._answer(asset):
            state.rate, state.since = answer, self.clock.time

    def asset(self, asset: int) -> Asset:
        """The asset, or UnknownAsset."""
        if not 0 <= asset < len(self.assets):
            raise UnknownAsset(asset)
        return self.assets[asset]

    def _answer(self, asset: int) -> int:
        return self.answers.get(asset) or 0

    # ---- prices

    def par(self, asset: int) -> int:
        """u: the price of the stablecoin itself, at most a dollar; 0 while its feed is not Ok."""
        if self.asset(asset).parameters.of_settlement:
            return PAR
        return min(PAR, self.feeds.prices.get(ASSET_FEEDS + asset) or 0)

    def price(self, asset: int) -> int:
        """p: for a share, par times what it stands for; 0: it counts for nothing and can't be sold."""
        parameters = self.asset(asset).parameters
        if not parameters.is_share:
            return self.par(asset)
        underlying = self.decimals if parameters.of_settlement else parameters.underlying_decimals
        return min(MAX_PRICE, self.par(asset) * self.rate(asset) // int(10**underlying))

    def rate(self, asset: int) -> int:
        """r: what a whole share stands for: it falls at once, and rises no faster than maxGrowth allows."""
        state = self.asset(asset)
        year = MILLION * YEAR_SECONDS
        grown = year + state.parameters.max_growth * (self.clock.time - state.since)
        return min(self._answer(asset), state.rate * grown // year)

    def scale(self, asset: int) -> int:
        """Units of the asset x price / scale is an amount of S."""
        return int(10 ** (18 + self.asset(asset).parameters.decimals - self.decimals))

    # ---- amounts

    def worth(self, asset: int, units: int) -> int:
        return units * self.price(asset) // self.scale(asset)

    def value(self, asset: int, units: int) -> int:
        """Worth less the haircut."""
        return self.worth(asset, units) * (MILLION - self.asset(asset).parameters.haircut) // MILLION

    def cost_up(self, asset: int, units: int, ratio: int) -> int:
        """What a buyer pays for units at `ratio` ppm of the price."""
        return ceil_div(units * self.price(asset) * ratio, self.scale(asset) * MILLION)

    def units_for(self, asset: int, amount: int, ratio: int) -> int:
        """How many units bring the amount at `ratio` ppm of the price, rounded up; the price is not 0."""
        return ceil_div(amount * self.scale(asset) * MILLION, self.price(asset) * ratio)

    def conversion(self, asset: int, units: int, paid: int) -> Conversion:
        """The record of a sale of units for S, as of now."""
        discount = self.asset(asset).parameters.discount
        return Conversion(asset, units, paid, self.price(asset), self.scale(asset), discount)
