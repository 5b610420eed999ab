"""An exchange on a node of its own, about to crash: what keepers are tried on."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from eth_account.signers.local import LocalAccount

from weir.accounts import development_account
from weir.chain import connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import LiquidationParameters, MarketParameters, Parameters

__all__ = ["AUCTION", "KEEPER", "OTHER_KEEPER", "Exchange"]

GAS = 3_000_000
DEPLOYER, MAKER, KEEPER, OTHER_KEEPER = (development_account(i) for i in (0, 10, 11, 12))
OPENING = 10_000
AUCTION = 120
"""Seconds until what nobody liquidates can be deleveraged."""


class Exchange:
    """A market in which longs at 10x and more stand against one maker, with a small fund. Each of `traders`
    has 1,000 USD, and one leverage more than the one before. `file` records the deployment.
    """

    def __init__(self, node: Node, folder: Path, *, traders: int = 16) -> None:
        self.node = node
        web3 = connect(node.url)
        market = MarketParameters(
            symbol="BTC",
            price=Decimal(OPENING),
            initial_margin_ratio=40_000,
            maintenance_margin_ratio=25_000,
            budget_share=1_000_000,
        )
        auction = LiquidationParameters(auction_duration=AUCTION)
        deployment = deploy(web3, DEPLOYER, Parameters(markets=(market,), liquidation=auction, funding=FREE))
        self.file = folder / "deployment.json"
        deployment.save(self.file)
        self.weir = Weir(web3, deployment)
        self._deposit(MAKER, 500_000)
        for keeper in (KEEPER, OTHER_KEEPER):
            self._deposit(keeper, 15_000)
        self._contribute(10_000)
        self.traders = [development_account(i) for i in range(20, 20 + traders)]
        for i, trader in enumerate(self.traders):
            self._deposit(trader, 1_000)
            self._buy(trader, Decimal(1_000) * (10 + i) / OPENING)
        self.before = self.nonce()

    def fresh(self) -> Weir:
        """Another client: after the chain was set back, those of before count wrong nonces."""
        self.weir = Weir(connect(self.node.url), self.weir.deployment)
        return self.weir

    def price(self, usd: int) -> None:
        """What the feed says from now on."""
        answer = self.weir.feed("BTC").functions.setAnswer(usd * 10**8)
        self.weir.chain.send(DEPLOYER, answer, gas=GAS)

    def price_by_hand(self, usd: int) -> None:
        """The same where blocks are made by hand: in one of its own."""
        answer = self.weir.feed("BTC").functions.setAnswer(usd * 10**8)
        sent = self.weir.chain.submit(DEPLOYER, answer, gas=GAS)
        self.node.mine()
        self.weir.chain.wait(sent)

    def nonce(self, keeper: LocalAccount = KEEPER, block: str = "latest") -> int:
        """The number of transactions that the account has sent."""
        return int(self.weir.chain.rpc("eth_getTransactionCount", keeper.address, block), 16)

    def sent(self) -> int:
        """How many transactions the keeper has sent as a keeper."""
        return self.nonce() - self.before

    # ---- before the crash

    def _money(self, owner: LocalAccount, spender: str, usd: int) -> int:
        amount = self.weir.units(Decimal(usd))
        token = self.weir.token.functions
        self.weir.chain.send(DEPLOYER, token.mint(owner.address, amount), gas=GAS)
        self.weir.chain.send(owner, token.approve(spender, amount), gas=GAS)
        return amount

    def _deposit(self, owner: LocalAccount, usd: int) -> None:
        amount = self._money(owner, self.weir.vault.address, usd)
        call = self.weir.vault.functions.deposit(owner.address, amount)
        self.weir.chain.send(owner, call, gas=GAS)

    def _contribute(self, usd: int) -> None:
        amount = self._money(DEPLOYER, self.weir.fund.address, usd)
        self.weir.chain.send(DEPLOYER, self.weir.fund.functions.contribute(amount), gas=GAS)

    def _buy(self, trader: LocalAccount, size: Decimal) -> None:
        wad = int(size * 10**18 * Decimal("0.98"))
        order = Order(
            MAKER.address, 0, False, False, wad, OPENING * 10**18, self.node.now() + 3_600, salt=wad
        )
        signature = self.weir.sign(order, MAKER)
        call = self.weir.clearing_house.functions.trade(order.as_tuple(), signature, wad)
        self.weir.chain.send(trader, call, gas=GAS)
