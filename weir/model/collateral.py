"""Collateral (SPECIFICATION.md section 2.2): other stablecoins that accounts have pledged, and their sale.

Units are of each asset's own token, cost, need and value units of S.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from weir.model.environment import Clock
from weir.model.errors import (
    CapExceeded,
    CostAboveMax,
    InsufficientCollateral,
    NoPrice,
    NothingToSell,
    OwnCollateral,
    SaleNotRunning,
    SaleRunning,
    ZeroAmount,
)
from weir.model.numbers import MILLION, WAD
from weir.model.stablecoins import Auction, Conversion, Stablecoins


@dataclass
class Collateral:
    """What each account holds of each asset, the auctions of those that owe, and their noted defaults."""

    clock: Clock
    stablecoins: Stablecoins
    held: defaultdict[str, defaultdict[int, int]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(int))
    )
    totals: defaultdict[int, int] = field(default_factory=lambda: defaultdict(int))
    sales: dict[str, Auction] = field(default_factory=dict)
    noted: defaultdict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    conversions: list[Conversion] = field(default_factory=list)  # for the properties only

    # ---- what an account has

    def value(self, account: str) -> int:
        """What the account's collateral counts for."""
        return sum(self.stablecoins.value(asset, units) for asset, units in self.held[account].items())

    def holds_any(self, account: str) -> bool:
        """With or without a price."""
        return any(self.held[account].values())

    def fall(self, account: str, asset: int, amount: int) -> int:
        """By how much the value falls when so many units leave, rounding included."""
        held = self.held[account][asset]
        return self.stablecoins.value(asset, held) - self.stablecoins.value(asset, held - amount)

    # ---- in and out

    def deposit(self, account: str, asset: int, amount: int) -> None:
        if amount == 0:
            raise ZeroAmount
        cap = self.stablecoins.asset(asset).parameters.collateral_cap
        total = self.totals[asset] + amount
        if total > cap:
            raise CapExceeded(asset, total, cap)
        self.held[account][asset] += amount
        self.totals[asset] = total

    def check_held(self, account: str, asset: int, amount: int) -> None:
        """Refuses to part with nothing, or with more than there is."""
        if amount == 0:
            raise ZeroAmount
        self.stablecoins.asset(asset)
        held = self.held[account][asset]
        if amount > held:
            raise InsufficientCollateral(account, asset, held, amount)

    def withdraw(self, account: str, asset: int, amount: int) -> None:
        """Units leave; whether they may is for the caller to know."""
        self.held[account][asset] -= amount
        self.totals[asset] -= amount

    # ---- defaults

    def note(self, account: str, number: int) -> None:
        """Remembers a default of an account that holds something: it may be good for it later."""
        if self.holds_any(account):
            self.noted[account].append(number)

    # ---- conversions

    def take(self, account: str, liquidator: str, fraction: int) -> int:
        """A fraction (WAD = all) of whatever has a price becomes the liquidator's; returns its cost."""
        cost = 0
        for asset, held in sorted(self.held[account].items()):
            units = held * fraction // WAD
            if units and self.stablecoins.price(asset):
                discount = self.stablecoins.asset(asset).parameters.discount
                self.held[account][asset] -= units
                self.held[liquidator][asset] += units
                cost += self._cost(asset, units, MILLION - discount)
        return cost

    def start(self, account: str, need: int) -> None:
        """Starts the account's auction, for what it owes once it has been settled."""
        sale, duration = self.sales.get(account), self.stablecoins.parameters.sale_duration
        if sale and sale.running(self.clock.time, duration):
            raise SaleRunning(account, sale.ends_at(duration))
        if need == 0 or not self.holds_any(account):
            raise NothingToSell(account)
        self.sales[account] = Auction(self.clock.time)

    def sell(
        self, account: str, buyer: str, asset: int, amount: int, need: int, max_cost: int
    ) -> tuple[int, int]:
        """Units leave to a buyer, no more than bring what the account needs; returns them and their cost."""
        coins, now = self.stablecoins, self.clock.time
        parameters, duration = coins.asset(asset).parameters, coins.parameters.sale_duration
        if buyer == account:
            raise OwnCollateral(account)
        if amount == 0:
            raise ZeroAmount
        sale = self.sales.get(account)
        if sale is None or not sale.running(now, duration):
            raise SaleNotRunning(account)
        if coins.price(asset) == 0:
            raise NoPrice(asset)
        ratio = MILLION - sale.off(now, duration, parameters.discount)
        units = min(amount, self.held[account][asset], coins.units_for(asset, need, ratio))
        if units == 0:
            raise NothingToSell(account)
        cost = self._cost(asset, units, ratio)
        if cost > max_cost:
            raise CostAboveMax(cost, max_cost)
        self.withdraw(account, asset, units)
        return units, cost

    def _cost(self, asset: int, units: int, ratio: int) -> int:
        cost = self.stablecoins.cost_up(asset, units, ratio)
        self.conversions.append(self.stablecoins.conversion(asset, units, cost))
        return cost
