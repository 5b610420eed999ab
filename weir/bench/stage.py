"""The chain on which everything is measured, in use already, and the moves that scenarios are made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from functools import cache
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3.contract import Contract

from weir.accounts import development_account
from weir.chain import Call, Receipt, connect, pages
from weir.client import Weir
from weir.deployment import FEED_DECIMALS, Deployment, deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import AssetParameters, MarketParameters, Parameters, to_units
from weir.units import DAY

__all__ = ["GENESIS", "PARAMETERS", "Figures", "Stage", "account", "build"]

Figures = Iterator[tuple[str, int]]
"""Names of actions, and the gas that they took."""

GENESIS = 1_700_000_000
GAS = 600_000
"""Gas limit of every transaction; none comes near it."""
BLOCK = 50
"""Transactions that fit into a block."""

PARAMETERS = Parameters(
    markets=(
        MarketParameters(symbol="BTC", price=Decimal(59_000)),
        MarketParameters(symbol="ETH", price=Decimal(2_950), max_open_interest=Decimal(200_000)),
        # One for which the fund pays nothing, so that losses reach the opposing side once members have paid.
        MarketParameters(symbol="SOL", price=Decimal(95), max_open_interest=Decimal(10**6), budget_share=0),
    ),
    # Nobody holds any until a scenario has it so.
    assets=(
        AssetParameters(symbol="USDX", weight=200_000),
        AssetParameters(symbol="sUSDX", share_of="USDX"),
    ),
)

ROLES = (
    *("deployer", "governor", "guardian", "treasury", "poster", "keeper"),
    *("market_maker", "holder", "dealer", "trader", "other_trader", "buyer", "seller"),
    *("saver", "debtor", "liquidator", "staker", "other_staker", "stranger"),
)


@cache
def account(role: str) -> LocalAccount:
    """A role's key; that of anybody else follows from the name."""
    if role in ROLES:
        return development_account(ROLES.index(role))
    account: LocalAccount = Account.from_key(keccak(text=role))
    return account


class Stage:
    """A chain in use, and the moves that scenarios are made of: USD, sizes in units of the underlying."""

    def __init__(self, node: Node, deployment: Deployment, root: Path | None, salt: int = 0) -> None:
        self.node = node
        self.weir = Weir(connect(node.url), deployment, root=root)
        self._salt = salt

    def again(self) -> Stage:
        """The same, for a chain that has been set back to where it was now."""
        return Stage(self.node, self.weir.deployment, self.weir.chain.root, self._salt)

    # ---- sending

    def send(self, role: str, call: Call) -> int:
        """The gas it took."""
        return self.weir.chain.send(account(role), call, gas=GAS).gas_used

    def same_block(self, role: str, calls: Sequence[Call]) -> list[Receipt]:
        """One after the other in one block, `BLOCK` at most."""
        self.node.rpc("evm_setAutomine", False)
        sent = [self.weir.chain.submit(account(role), call, gas=GAS) for call in calls]
        self.node.mine()
        self.node.rpc("evm_setAutomine", True)
        return self.weir.chain.wait_all(sent)

    def in_few_blocks(self, role: str, calls: Sequence[Call]) -> None:
        """Many transactions, as fast as can be: nobody looks at what they cost."""
        for first, count in pages(len(calls), BLOCK):
            self.same_block(role, calls[first : first + count])

    def wait(self, seconds: int) -> None:
        self.node.increase_time(seconds)

    def price(self, **prices: Decimal | int) -> None:
        """New answers of the feeds, by symbol."""
        for symbol, price in prices.items():
            answer = to_units(Decimal(price), FEED_DECIMALS)
            self.send("deployer", self.weir.feed(symbol).functions.setAnswer(answer))

    # ---- moves

    def mint(self, role: str, usd: int, *spenders: Contract) -> None:
        """Gives a role money, of which these may take any amount."""
        amount, token = self.units(usd), self.weir.token.functions
        self.send("deployer", token.mint(account(role).address, amount))
        for spender in spenders:
            # Not without limit: a finite allowance is written at every use.
            self.send(role, token.approve(spender.address, 10**30))

    def deposit(self, role: str, usd: int) -> Call:
        return self.weir.vault.functions.deposit(account(role).address, self.units(usd))

    def order(
        self, maker: str, symbol: str, size: Decimal | int, price: Decimal | int, *, buys: bool
    ) -> Order:
        self._salt += 1
        return Order(
            maker=account(maker).address,
            market=self.weir.market_id(symbol),
            is_buy=buys,
            reduce_only=False,
            size=to_units(Decimal(size), 18),
            price=to_units(Decimal(price), 18),
            expiry=GENESIS + 365 * DAY,
            salt=self._salt,
        )

    def fill(self, order: Order, maker: str, size: Decimal | None = None) -> Call:
        """Takes `size`, by default all, of an order."""
        amount = order.size if size is None else to_units(size, 18)
        signature = self.weir.sign(order, account(maker))
        return self.weir.clearing_house.functions.trade(order.as_tuple(), signature, amount)

    def buy(self, buyer: str, seller: str, symbol: str, size: Decimal | int, price: Decimal | int) -> int:
        """`seller` makes, `buyer` takes; the gas it took."""
        return self.send(buyer, self.fill(self.order(seller, symbol, size, price, buys=False), seller))

    def settle(self, *roles: str) -> Call:
        return self.weir.clearing_house.functions.settle([account(role).address for role in roles])

    def flag(self, role: str) -> Call:
        return self.weir.clearing_house.functions.flag(account(role).address)

    def liquidate(self, role: str, fraction: str = "1") -> Call:
        part = to_units(Decimal(fraction), 18)
        return self.weir.clearing_house.functions.liquidate(account(role).address, part, [])

    def deleverage(self, role: str) -> Call:
        return self.weir.clearing_house.functions.deleverage(account(role).address, [])

    def stake(self, role: str, tranche: Contract, usd: int) -> Call:
        return tranche.functions.deposit(self.units(usd), account(role).address)

    def join(self, role: str, usd: int) -> Call:
        return self.weir.guaranty.functions.join(account(role).address, self.units(usd))

    def request(self, role: str, tranche: Contract, usd: int) -> Call:
        """Asks for shares back that were worth so much at the initial price."""
        address = account(role).address
        return tranche.functions.requestRedeem(self.units(usd) * 10**6, address, address)

    def claim(self, role: str, tranche: Contract, usd: int) -> Call:
        """Takes what a request for as much was priced at."""
        address = account(role).address
        return tranche.functions.redeem(self.units(usd) * 10**6, address, address)

    def units(self, usd: int) -> int:
        return self.weir.units(Decimal(usd))


def build(node: Node, root: Path | None) -> Stage:
    """Brings a fresh chain into use: fund, pools, fees, and the positions of a few hold something."""
    deployment = deploy(connect(node.url), development_account(0), PARAMETERS, root=root)
    stage = Stage(node, deployment, root)
    weir = stage.weir

    stage.mint("deployer", 200_000, weir.fund)
    stage.send("deployer", weir.fund.functions.contribute(stage.units(100_000)))
    for role in ("staker", "other_staker", "stranger"):
        stage.mint(role, 1_000_000, weir.junior, weir.senior)
    for role in ("staker", "other_staker"):
        stage.send(role, stage.stake(role, weir.junior, 50_000))
        stage.send(role, stage.stake(role, weir.senior, 400_000))

    cash = {"market_maker": 5_000_000, "liquidator": 1_000_000, "holder": 500_000, "debtor": 60_000}
    for role in ("dealer", "trader", "other_trader", "saver", "buyer", "seller"):
        cash[role] = 100_000
    for role, usd in cash.items():
        stage.mint(role, 2 * usd, weir.vault)
        stage.send(role, stage.deposit(role, usd))
    stage.mint("stranger", 10_000, weir.vault, weir.guaranty)
    for role, usd in (("market_maker", 100_000), ("trader", 2_000)):
        stage.mint(role, 2 * usd, weir.guaranty)
        stage.send(role, stage.join(role, usd))

    # The pools get what the market maker loses to the holder, who does not ask for it.
    for symbol, size, price in (("BTC", 10, 59_000), ("ETH", 100, 2_950), ("SOL", 1_000, 95)):
        stage.buy("holder", "market_maker", symbol, size, price)
    stage.buy("saver", "market_maker", "BTC", 1, 59_000)
    stage.price(BTC=60_000, ETH=3_000, SOL=100)
    stage.send("keeper", stage.settle("market_maker"))
    stage.buy("market_maker", "saver", "BTC", 1, 60_000)
    # A first income for the treasury and for the stream to the tranches; then come new fees.
    stage.send("keeper", weir.fund.functions.collect())
    stage.wait(600)
    stage.price(BTC=60_000, ETH=3_000, SOL=100)
    stage.buy("trader", "dealer", "BTC", 5, 60_010)
    for role in ("other_trader", "liquidator"):
        stage.buy(role, "market_maker", "BTC", 5, 60_010)
        stage.buy(role, "market_maker", "ETH", 50, 3_001)
    return stage
