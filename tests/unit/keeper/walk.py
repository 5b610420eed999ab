"""A small venue with stablecoins as margin on which anything may happen, for what keepers see and do."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

from eth_account.signers.local import LocalAccount

from weir.accounts import development_account
from weir.chain import Call, ContractError, connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import AssetParameters, ConversionParameters, MarketParameters, Parameters

__all__ = ["DEPLOYER", "LIQUIDATOR", "STRANGER", "TRADERS", "Venue", "Walk"]

WAD = 10**18
DAY = 86_400
GAS = 5_000_000
DEPLOYER, MARKET_MAKER, LIQUIDATOR, STRANGER = (development_account(i) for i in (0, 5, 6, 7))
TRADERS = [development_account(i) for i in range(20, 44)]
PRICES = {"BTC": 60_000, "ETH": 3_000}

PARAMETERS = Parameters(
    markets=(
        MarketParameters(symbol="BTC", price=Decimal(60_000), heartbeat=DAY),
        # Losses reach other traders here: the fund pays nothing.
        MarketParameters(symbol="ETH", price=Decimal(3_000), heartbeat=DAY, budget_share=0),
    ),
    assets=(
        AssetParameters(symbol="USDC", weight=500_000, heartbeat=2 * DAY),
        AssetParameters(symbol="SAVE", share_of="USDC"),
    ),
    conversion=ConversionParameters(sale_duration=600),
    funding=FREE,
)


class Venue:
    """The deployment, with moves in USD and in units of the underlying."""

    def __init__(self, node: Node, traders: int = len(TRADERS)) -> None:
        self.node = node
        w3 = connect(node.url)
        self.weir = Weir(w3, deploy(w3, DEPLOYER, PARAMETERS))
        self.traders = TRADERS[:traders]
        self._salt = 0
        weir = self.weir
        for account, usd in ((MARKET_MAKER, 1_000_000), (LIQUIDATOR, 200_000), (STRANGER, 0)):
            self.mint(account, usd or 10_000)
            if usd:
                self.deposit(account, usd)
        self.send(STRANGER, weir.token.functions.approve(weir.fund.address, 10**30))
        self.send(STRANGER, weir.fund.functions.contribute(weir.units(Decimal(5_000))))

    # ---- moves

    def send(self, account: LocalAccount, call: Call) -> None:
        self.weir.chain.send(account, call, gas=GAS)

    def mint(self, account: LocalAccount, usd: int) -> None:
        weir = self.weir
        self.send(account, weir.token.functions.mint(account.address, weir.units(Decimal(usd))))
        self.send(account, weir.token.functions.approve(weir.vault.address, 10**30))

    def deposit(self, account: LocalAccount, usd: int) -> None:
        units = self.weir.units(Decimal(usd))
        self.send(account, self.weir.vault.functions.deposit(account.address, units))

    def pledge(self, account: LocalAccount, symbol: str, tokens: int) -> None:
        assets = self.weir.assets
        usdc, units = assets.token("USDC"), assets.units("USDC", Decimal(tokens))
        self.send(account, usdc.functions.mint(account.address, units))
        if symbol == "SAVE":
            share = assets.token("SAVE")
            self.send(account, usdc.functions.approve(share.address, units))
            self.send(account, share.functions.deposit(units, account.address))
            units = self.weir.chain.call(share.functions.balanceOf(account.address))
        assets.pledge(account, symbol, units)

    def trade(self, taker: LocalAccount, market: int, size: float, maker: LocalAccount | None = None) -> None:
        """Signed size, at the mark."""
        maker, self._salt = maker or MARKET_MAKER, self._salt + 1
        order = Order(
            maker=maker.address,
            market=market,
            is_buy=size < 0,
            reduce_only=False,
            size=max(1, round(abs(size) * WAD)),
            price=self.weir.markets(block="pending")[market].price,
            expiry=2**39,
            salt=self._salt,
        )
        signature = self.weir.sign(order, maker)
        self.send(taker, self.weir.clearing_house.functions.trade(order.as_tuple(), signature, order.size))

    def price(self, symbol: str, price: float) -> None:
        source = self.weir.feed(symbol) if symbol in PRICES else self.weir.assets.feed(symbol)
        self.send(DEPLOYER, source.functions.setAnswer(round(price * 10**8)))


class Walk:
    """Random moves of everybody on a venue; one that the contracts refuse changes nothing."""

    def __init__(self, venue: Venue, seed: int) -> None:
        self.venue = venue
        self.rng = random.Random(seed)
        for trader in venue.traders:
            venue.mint(trader, 2_000)
            venue.deposit(trader, self.rng.randint(500, 2_000))
        self.prices = {**{symbol: float(price) for symbol, price in PRICES.items()}, "USDC": 1.0}

    def step(self) -> None:
        """A move or two, and time."""
        moves: list[tuple[Callable[[], None], int]] = [
            (self._price, 6),
            (self._peg, 2),
            (self._trade, 6),
            (self._deposit, 2),
            (self._withdraw, 1),
            (self._pledge, 5),
            (self._take_back, 1),
            (self._settle, 1),
            (self._collect, 1),
            (self._wait, 2),
        ]
        functions, weights = zip(*moves, strict=True)
        for move in self.rng.choices(functions, weights, k=self.rng.choice((1, 1, 2))):
            try:
                move()
            except ContractError:
                continue

    def _price(self) -> None:
        symbol = self.rng.choice(list(PRICES))
        self.prices[symbol] *= 1 + self.rng.gauss(0, self.rng.choice((0.01, 0.02, 0.08)))
        self.venue.price(symbol, self.prices[symbol])

    def _peg(self) -> None:
        self.prices["USDC"] = min(1.02, max(0.6, self.prices["USDC"] * (1 + self.rng.gauss(0, 0.03))))
        self.venue.price("USDC", self.prices["USDC"])

    def _trade(self) -> None:
        taker, other = self.rng.sample(self.venue.traders, 2)
        equity = max(0, self.venue.weir.account(taker.address, block="pending").equity) / 10**6
        market = self.rng.randrange(2)
        size = equity * self.rng.uniform(2, 19) / self.prices[("BTC", "ETH")[market]]
        maker = other if self.rng.random() < 0.2 else None
        self.venue.trade(taker, market, size * self.rng.choice((1, -1)), maker)

    def _deposit(self) -> None:
        trader = self.rng.choice(self.venue.traders)
        self.venue.mint(trader, 2_000)
        self.venue.deposit(trader, self.rng.randint(1, 2_000))

    def _withdraw(self) -> None:
        trader = self.rng.choice(self.venue.traders)
        units = max(1, self.venue.weir.account(trader.address).cash // 3)
        self.venue.send(trader, self.venue.weir.vault.functions.withdraw(units, trader.address, []))

    def _pledge(self) -> None:
        trader = self.rng.choice(self.venue.traders)
        self.venue.pledge(trader, self.rng.choice(("USDC", "USDC", "SAVE")), self.rng.randint(1, 3_000))

    def _take_back(self) -> None:
        trader = self.rng.choice(self.venue.traders)
        assets = self.venue.weir.assets
        held = assets.pledges([trader.address])[0].held[0]
        assets.take_back(trader, "USDC", held // 2)

    def _settle(self) -> None:
        names = [each.address for each in self.rng.sample(self.venue.traders, 3)]
        self.venue.send(STRANGER, self.venue.weir.clearing_house.functions.settle(names))

    def _collect(self) -> None:
        self.venue.send(STRANGER, self.venue.weir.fund.functions.collect())

    def _wait(self) -> None:
        self.venue.node.increase_time(self.rng.choice((30, 600, 4_000)))
