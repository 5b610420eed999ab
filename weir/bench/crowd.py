"""A chain with a crowd on it: thousands of accounts, most with positions, in few blocks and seconds."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any, cast

from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak

from weir.accounts import development_account
from weir.chain import Call, connect, encode_call, pages
from weir.client import Weir
from weir.deployment import FEED_DECIMALS, deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import FREE_FUNDING, MarketParameters, Parameters, to_units
from weir.units import DAY

__all__ = ["GENESIS", "Crowd", "build", "crowd_node"]

GENESIS = 1_700_000_000
BLOCK_GAS = 2_000_000_000
"""Gas of a block of the chain, for hundreds of trades at once."""
BLOCK = 500
"""Transactions in such a block."""
GAS = 1_500_000
MARKETS = (("BTC", 60_000), ("ETH", 3_000), ("SOL", 100))


def crowd_node() -> Node:
    """A chain with room in its blocks."""
    return Node("anvil", timestamp=GENESIS, gas_limit=BLOCK_GAS)


class Crowd:
    """Accounts that nobody has the keys of; the node sends for them."""

    def __init__(self, node: Node, weir: Weir, maker: LocalAccount) -> None:
        self.node = node
        self.weir = weir
        self.maker = maker
        self._salt = 0

    # ---- what may be sent

    def price(self, prices: Sequence[Decimal]) -> list[tuple[str, Call]]:
        """New answers of all markets' feeds, to be sent."""
        answers = [to_units(price, FEED_DECIMALS) for price in prices]
        feeds = [self.weir.feed(symbol).functions for symbol, _ in MARKETS]
        sender = development_account(0).address
        return [(sender, feed.setAnswer(answer)) for feed, answer in zip(feeds, answers, strict=True)]

    def deposit(self, amounts: Iterable[tuple[str, int]]) -> list[tuple[str, Call]]:
        """USD for accounts, paid by the maker, to be sent."""
        deposit, units = self.weir.vault.functions.deposit, self.weir.units
        return [(self.maker.address, deposit(who, units(Decimal(usd)))) for who, usd in amounts]

    def trade(self, market: int, takers: Sequence[tuple[str, int]]) -> list[tuple[str, Call]]:
        """Signed sizes (1e-18, long positive) at the first prices, each against the maker, to be sent."""
        calls: list[tuple[str, Call]] = []
        for is_long in (True, False):
            wanted = [(who, abs(size)) for who, size in takers if (size > 0) == is_long]
            order = self._order(market, not is_long, sum(size for _, size in wanted))
            signature = self.weir.sign(order, self.maker)
            trade = self.weir.clearing_house.functions.trade
            calls += [(who, trade(order.as_tuple(), signature, size)) for who, size in wanted]
        return calls

    def _order(self, market: int, buys: bool, size: int) -> Order:
        self._salt += 1
        return Order(
            maker=self.maker.address,
            market=market,
            is_buy=buys,
            reduce_only=False,
            size=max(size, 1),
            price=to_units(Decimal(MARKETS[market][1]), 18),
            expiry=GENESIS + 365 * DAY,
            salt=self._salt,
        )

    # ---- sending

    def send(self, calls: Iterable[tuple[str, Call]]) -> None:
        """Many transactions in few blocks, each sender's in order; raises where one fails."""
        everything = list(calls)
        for first, size in pages(len(everything), BLOCK):
            chunk = everything[first : first + size]
            nonces = self._nonces({sender for sender, _ in chunk})
            requests = [
                ("eth_sendTransaction", [_transaction(sender, call, next(nonces[sender]))])
                for sender, call in chunk
            ]
            sent = self.weir.chain.rpc_batch(requests)
            self.node.mine()
            self.weir.chain.wait_all([_raised(each) for each in sent])

    def _nonces(self, senders: Iterable[str]) -> dict[str, Iterator[int]]:
        """Counted here: the node answers the requests of a batch in any order."""
        named = list(senders)
        found = self.weir.chain.rpc_batch([("eth_getTransactionCount", [each, "latest"]) for each in named])
        return {each: count(int(_raised(answer), 16)) for each, answer in zip(named, found, strict=True)}


def build(node: Node, accounts: int, root: Path | None = None, seed: int = 1) -> Crowd:
    """`accounts` accounts with 1,000 to 20,000 USD; four in five have one to three positions, up to 15x.

    From then on the chain's blocks are mined by `Crowd.send` only.
    """
    weir = Weir(
        connect(node.url), deploy(connect(node.url), development_account(0), _parameters(), root=root)
    )
    crowd = Crowd(node, weir, development_account(10))
    rng = random.Random(seed)
    people: list[str] = [to_checksum_address(keccak(text=f"crowd {i}")[-20:]) for i in range(accounts)]
    _fund_maker(crowd, accounts)
    node.rpc("anvil_autoImpersonateAccount", True)
    node.rpc("evm_setAutomine", False)
    for first, size in pages(accounts, 1_000):
        chunk = people[first : first + size]
        weir.chain.rpc_batch([("anvil_setBalance", [each, hex(10**18)]) for each in chunk])
    equity = {each: rng.randint(1_000, 20_000) for each in people}
    crowd.send(crowd.deposit(equity.items()))
    for market, takers in enumerate(_positions(rng, equity)):
        crowd.send(crowd.trade(market, takers))
    return crowd


def _positions(rng: random.Random, equity: dict[str, int]) -> list[list[tuple[str, int]]]:
    """Signed sizes by market."""
    found: list[list[tuple[str, int]]] = [[] for _ in MARKETS]
    for who, usd in equity.items():
        held = [market for market in range(len(MARKETS)) if rng.random() < 0.42]
        leverage = min(rng.lognormvariate(1.0, 0.7), 15.0)
        for market in held:
            size = usd * leverage / len(held) / MARKETS[market][1]
            found[market].append((who, round(size * 10**18) * rng.choice((1, 1, -1))))
    return found


def _fund_maker(crowd: Crowd, accounts: int) -> None:
    weir, maker = crowd.weir, crowd.maker
    money = weir.units(Decimal(accounts) * 200_000)
    weir.chain.send(maker, weir.token.functions.mint(maker.address, 2 * money))
    weir.chain.send(maker, weir.token.functions.approve(weir.vault.address, 2 * money))
    weir.chain.send(maker, weir.vault.functions.deposit(maker.address, money))


def _parameters() -> Parameters:
    markets = tuple(
        MarketParameters(symbol=symbol, price=Decimal(price), max_open_interest=Decimal(10**9), heartbeat=DAY)
        for symbol, price in MARKETS
    )
    return Parameters(markets=markets, funding=FREE_FUNDING)


def _transaction(sender: str, call: Call, nonce: int) -> dict[str, str]:
    data = "0x" + encode_call(call).hex()
    return {"from": sender, "to": cast(str, call.address), "data": data, "gas": hex(GAS), "nonce": hex(nonce)}


def _raised(answer: Any) -> str:
    if isinstance(answer, Exception):
        raise answer
    return cast(str, answer)
