"""Small worlds for worked examples: dollars in, properties checked after every call."""

from collections.abc import Sequence
from typing import Any

from weir.model import (
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Order,
    World,
    properties,
)

UNIT = 10**18  # of size and price
DOLLAR = 10**6
NEVER = 2**40 - 1  # an expiry

FREE = MarketParameters(maker_fee=0, taker_fee=0)
UNPAID = LiquidationParameters(bounty_start=0, bounty_max=0, penalty=0)


class Stage:
    """A world with 6 decimals and markets at the given prices; no fees, bounties or penalties unless set."""

    def __init__(
        self,
        *prices: float,
        parameters: MarketParameters = FREE,
        liquidation: LiquidationParameters = UNPAID,
        fund: FundParameters | None = None,
        funding: FundingParameters | None = None,
        guaranty: GuarantyParameters | None = None,
        **market: int,
    ) -> None:
        self.world = World(liquidation=liquidation, fund=fund, funding=funding, guaranty=guaranty)
        self.salt = 0
        for number, price in enumerate(prices):
            self.world.set_price(number, wei(price))
            self.world.add_market(parameters, **market)

    def call(self, method: str, *args: Any) -> Any:
        """A call of the world, all properties checked after it."""
        before = properties.Moment.of(self.world)
        result = getattr(self.world, method)(*args)
        checks = properties.check(self.world)
        checks += properties.over_a_call(before, self.world)
        assert [check for check in checks if not check.holds] == []
        return result

    def fund_account(self, **dollars: float) -> None:
        for account, amount in dollars.items():
            self.call("deposit", account, account, units(amount))

    def order(
        self, maker: str, is_buy: bool, size: float, price: float | None = None, **changes: Any
    ) -> Order:
        market = changes.pop("market", 0)
        self.salt += 1
        mark = self.world.feeds.prices[market]
        at = mark if price is None else wei(price)
        assert at is not None
        fields = {"expiry": NEVER, "generation": self.world.house.generations[maker], "salt": self.salt}
        return Order(maker, market, is_buy, wei(size), at, **{**fields, **changes})

    def trade(
        self, buyer: str, seller: str, size: float, price: float | None = None, market: int = 0
    ) -> None:
        """The seller fills the buyer's order."""
        order = self.order(buyer, True, size, price, market=market)
        self.call("trade", seller, order, order.size)

    def price(self, price: float, market: int = 0, seconds: int = 1) -> None:
        """A new price in a new block; the other markets keep theirs."""
        self.world.advance(seconds)
        self.world.set_price(market, wei(price))
        self.call("refresh", market)

    def settle(self, *accounts: str) -> None:
        self.call("settle", accounts)

    def deleverage(self, account: str, accounts: Sequence[str] = ()) -> None:
        """Flags the account if it isn't, waits for the auction to end, deleverages."""
        if account not in self.world.house.flags:
            self.call("flag", account)
        self.world.advance(self.world.house.liquidation.auction_duration + 1)
        self.call("deleverage", account, accounts)

    # ---- members

    def join(self, **dollars: float) -> None:
        for account, amount in dollars.items():
            self.call("join", account, account, units(amount))

    def leave(self, account: str, dollars: float) -> None:
        """Gives notice and waits until it may be released."""
        self.call("request_exit", account, units(dollars))
        self.world.advance(self.world.guaranty.parameters.notice_period)

    # ---- what there is, in dollars

    def balance(self, account: str) -> float:
        return self.world.guaranty_balance(account) / DOLLAR

    def cash(self, account: str) -> float:
        return float(self.world.ledger.cash[account] / DOLLAR)

    def claims(self, account: str, market: int = 0) -> float:
        return self.world.ledger.value(account, market) / DOLLAR

    def debt(self, account: str, market: int = 0) -> float:
        return self.world.ledger.debt(account, market) / DOLLAR

    def pool(self, market: int = 0) -> float:
        return self.world.ledger.markets[market].pool / DOLLAR

    def equity(self, account: str) -> float:
        return self.world.house.health(account).equity / DOLLAR

    def size(self, account: str, market: int = 0) -> float:
        return self.world.house.signed_size(account, market) / UNIT


def wei(amount: float) -> int:
    """A size or a price, exact to 1e-6."""
    return round(amount * 10**6) * 10**12


def units(dollars: float) -> int:
    return round(dollars * DOLLAR)
