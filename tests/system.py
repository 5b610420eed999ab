"""The deployed protocol as tests see it: contracts, actors by role, and the moves that every test makes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

from ape import chain
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance

from weir.accounts import development_account
from weir.deployment import Deployment
from weir.orders import Order, sign_order
from weir.parameters import to_units

WAD = 10**18
MILLION = 10**6
FEED_UNIT = 10**8

ROLES = (
    "deployer",
    "governor",
    "guardian",
    "treasury",
    "poster",
    "market_maker",
    "trader",
    "other_trader",
    "liquidator",
    "staker",
    "other_staker",
    "attacker",
    "accomplice",
    "keeper",
    "stranger",
)
"""Actors, in the order of the development accounts (the first five as the deployment has them)."""


@dataclass
class System:
    """Contracts by name, and moves in human units: money in USD, sizes in units of the underlying."""

    deployment: Deployment
    token: ContractInstance
    vault: ContractInstance
    clearing_house: ContractInstance
    fund: ContractInstance
    policy: ContractInstance
    guaranty: ContractInstance
    stablecoins: ContractInstance
    collateral: ContractInstance
    reserve: ContractInstance
    junior: ContractInstance
    senior: ContractInstance
    oracle: ContractInstance
    lens: ContractInstance
    asset_lens: ContractInstance
    authority: ContractInstance
    feeds: tuple[ContractInstance, ...]
    assets: dict[str, ContractInstance]
    """Tokens of the other stablecoins, by symbol."""
    asset_feeds: dict[str, ContractInstance]
    actors: dict[str, AccountAPI]
    _salts: Any = field(default_factory=lambda: count(1))

    # ---- units

    def usd(self, amount: Any) -> int:
        """USD in units of the settlement token."""
        return to_units(Decimal(str(amount)), self.deployment.decimals)

    @staticmethod
    def wad(amount: Any) -> int:
        """A size or a price in 1e-18."""
        return to_units(Decimal(str(amount)), 18)

    # ---- time and prices

    @staticmethod
    def wait(seconds: int) -> None:
        chain.mine(deltatime=seconds)

    def set_price(self, market: int, price: Any) -> None:
        self.feeds[market].setAnswer(to_units(Decimal(str(price)), 8), sender=self.actors["deployer"])

    # ---- money

    def mint(self, to: AccountAPI, amount: Any) -> None:
        self.token.mint(to, self.usd(amount), sender=to)

    def deposit(self, account: AccountAPI, amount: Any) -> ReceiptAPI:
        """Mints, approves and deposits `amount` USD."""
        self.mint(account, amount)
        self.token.approve(self.vault, self.usd(amount), sender=account)
        return self.vault.deposit(account, self.usd(amount), sender=account)

    def stake(self, tranche: ContractInstance, account: AccountAPI, amount: Any) -> ReceiptAPI:
        """Mints, approves and stakes `amount` USD in a tranche."""
        self.mint(account, amount)
        self.token.approve(tranche, self.usd(amount), sender=account)
        return tranche.deposit(self.usd(amount), account, sender=account)

    def join(self, account: AccountAPI, amount: Any) -> ReceiptAPI:
        """Mints, approves and contributes `amount` USD to the guaranty fund."""
        self.mint(account, amount)
        self.token.approve(self.guaranty, self.usd(amount), sender=account)
        return self.guaranty.join(account, self.usd(amount), sender=account)

    def contribute(self, account: AccountAPI, amount: Any) -> ReceiptAPI:
        """Gives `amount` USD to the skin in the game."""
        self.mint(account, amount)
        self.token.approve(self.fund, self.usd(amount), sender=account)
        return self.fund.contribute(self.usd(amount), sender=account)

    # ---- other stablecoins

    def asset_id(self, symbol: str) -> int:
        return list(self.assets).index(symbol)

    def set_asset_price(self, symbol: str, price: Any) -> None:
        self.asset_feeds[symbol].setAnswer(to_units(Decimal(str(price)), 8), sender=self.actors["deployer"])

    def pledge(self, account: AccountAPI, symbol: str, amount: Any) -> ReceiptAPI:
        """Mints, approves and pledges so many whole tokens of a stablecoin."""
        token = self.assets[symbol]
        units = to_units(Decimal(str(amount)), token.decimals())
        token.mint(account, units, sender=account)
        token.approve(self.collateral, units, sender=account)
        return self.collateral.deposit(self.asset_id(symbol), units, sender=account)

    def donate(self, account: AccountAPI, symbol: str, amount: Any) -> ReceiptAPI:
        """Mints, approves and gives so many whole tokens of a stablecoin to the reserve."""
        token = self.assets[symbol]
        units = to_units(Decimal(str(amount)), token.decimals())
        token.mint(account, units, sender=account)
        token.approve(self.reserve, units, sender=account)
        return self.reserve.contribute(self.asset_id(symbol), units, sender=account)

    # ---- trading

    def order(
        self, maker: AccountAPI, *, market: int = 0, is_buy: bool, size: Any, price: Any, **changes: Any
    ) -> Order:
        """An order of `maker`, good for an hour unless `changes` say otherwise."""
        fields: dict[str, Any] = {
            "maker": maker.address,
            "market": market,
            "is_buy": is_buy,
            "reduce_only": False,
            "size": self.wad(size),
            "price": self.wad(price),
            "expiry": chain.pending_timestamp + 3600,
            "generation": self.clearing_house.generation(maker),
            "salt": next(self._salts),
        }
        return Order(**(fields | changes))

    def sign(self, order: Order) -> bytes:
        """The signature of the order's maker, one of the actors."""
        role = next(role for role, actor in self.actors.items() if actor.address == order.maker)
        key = development_account(ROLES.index(role))
        return sign_order(order, key, chain.chain_id, self.clearing_house.address)

    def fill(self, order: Order, taker: AccountAPI, size: Any = None) -> ReceiptAPI:
        """`taker` fills `size` (all by default) of a freshly signed order."""
        amount = order.size if size is None else self.wad(size)
        return self.clearing_house.trade(order.as_tuple(), self.sign(order), amount, sender=taker)

    def trade(
        self, buyer: AccountAPI, seller: AccountAPI, size: Any, price: Any, market: int = 0
    ) -> ReceiptAPI:
        """`seller` makes, `buyer` takes."""
        return self.fill(self.order(seller, market=market, is_buy=False, size=size, price=price), buyer)

    # ---- below maintenance margin

    def flag(self, account: AccountAPI) -> ReceiptAPI:
        return self.clearing_house.flag(account, sender=self.actors["keeper"])

    def liquidate(
        self, account: AccountAPI, liquidator: AccountAPI, fraction: Any = 1, first: Sequence[AccountAPI] = ()
    ) -> ReceiptAPI:
        return self.clearing_house.liquidate(account, self.wad(fraction), list(first), sender=liquidator)

    def deleverage(self, account: AccountAPI, first: Sequence[AccountAPI] = ()) -> ReceiptAPI:
        return self.clearing_house.deleverage(account, list(first), sender=self.actors["keeper"])

    def settle(self, *accounts: AccountAPI) -> ReceiptAPI:
        return self.clearing_house.settle(list(accounts), sender=self.actors["keeper"])

    def pass_auction(self) -> None:
        """Waits until a Dutch auction that starts now has run out."""
        self.wait(self.deployment.parameters.liquidation.auction_duration + 1)
        self.renew_prices()

    def renew_prices(self) -> None:
        """Feeds answer the same again, now."""
        for feed in self.feeds:
            _, answer, *_ = feed.latestRoundData()
            feed.setAnswer(answer, sender=self.actors["deployer"])

    # ---- reading

    def equity(self, account: AccountAPI) -> int:
        return self.clearing_house.health(account)[0]

    def default_record(self, number: int) -> dict[str, Any]:
        """What the fund remembers of a default, by the names of its fields, with the remainder."""
        outputs = self.fund.contract_type.view_methods["defaultRecord"].outputs
        record, remainder = self.fund.defaultRecord(number)
        fields = (component.name for component in outputs[0].components)
        return {**dict(zip(fields, record, strict=True)), "remainder": remainder}

    def size(self, account: AccountAPI, market: int = 0) -> int:
        """Signed stored size, 1e-18."""
        record = self.clearing_house.position(account, market)
        return -record["size"] if record["isShort"] else record["size"]
