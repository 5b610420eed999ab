"""What the contracts find around them: the clock, the price feeds, the tokens."""

from collections import defaultdict
from dataclasses import dataclass, field

from weir.model.errors import PriceUnavailable


@dataclass
class Clock:
    """The timestamp (seconds) and number of the block in which the next call lands."""

    time: int
    block: int


@dataclass
class Feeds:
    """Price by number of the feed (markets, and other assets from 32768), 1e-18 of a dollar; None: not Ok."""

    prices: dict[int, int | None] = field(default_factory=dict)

    def price(self, market: int) -> int:
        """The price, or PriceUnavailable."""
        price = self.prices.get(market)
        if price is None:
            raise PriceUnavailable(market)
        return price

    def is_ok(self, market: int) -> bool:
        return self.prices.get(market) is not None


@dataclass
class Token:
    """Balances of S, or of another asset.

    Outside wallets start at 0; a negative one is what its owner has put in.
    """

    balances: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    donated: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))  # to contracts, unasked

    def move(self, source: str, to: str, amount: int) -> None:
        self.balances[source] -= amount
        self.balances[to] += amount
