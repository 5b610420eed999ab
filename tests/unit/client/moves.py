"""A small market, its people, and what they do: for tests of the client."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

from rich.console import Console

from weir.accounts import development_account
from weir.chain import connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import FundingParameters, Parameters
from weir.status import render

WAD = 10**18
GAS = 2_000_000

deployer = development_account(0)
poster = development_account(4)
market_maker = development_account(5)
trader = development_account(6)
liquidator = development_account(7)
staker = development_account(8)
stranger = development_account(9)


def deployed(node: Node, funding: FundingParameters) -> Weir:
    w3 = connect(node.url)
    markets = tuple(market.model_copy(update={"heartbeat": 86_400}) for market in Parameters().markets)
    system = Weir(w3, deploy(w3, deployer, Parameters(markets=markets, funding=funding)))
    for account, amount in ((market_maker, 1_000_000), (trader, 10_000), (liquidator, 500_000)):
        deposit(system, account, Decimal(amount))
    stake(system, system.junior, Decimal(1_000))
    stake(system, system.senior, Decimal(1_000))
    return system


def give(weir: Weir, account: Any, spender: Any, amount: Decimal) -> int:
    units = weir.units(amount)
    weir.chain.send(account, weir.token.functions.mint(account.address, units))
    weir.chain.send(account, weir.token.functions.approve(spender.address, units))
    return units


def deposit(weir: Weir, account: Any, amount: Decimal) -> None:
    units = give(weir, account, weir.vault, amount)
    weir.chain.send(account, weir.vault.functions.deposit(account.address, units))


def stake(weir: Weir, tranche: Any, amount: Decimal) -> None:
    units = give(weir, staker, tranche, amount)
    weir.chain.send(staker, tranche.functions.deposit(units, staker.address))


def an_order(weir: Weir, **changes: Any) -> Order:
    fields = {
        "maker": market_maker.address,
        "market": 0,
        "is_buy": False,
        "reduce_only": False,
        "size": 3 * WAD,
        "price": 60_000 * WAD,
        "expiry": weir.chain.timestamp() + 3_600,
    }
    return Order(**(fields | changes))


def trade(weir: Weir, size: int = 3 * WAD, **changes: Any) -> Any:
    order = an_order(weir, **changes)
    call = weir.clearing_house.functions.trade(order.as_tuple(), weir.sign(order, market_maker), size)
    return weir.chain.send(trader, call)


def crash(weir: Weir, price: int = 50_000) -> None:
    weir.chain.send(deployer, weir.feed("BTC").functions.setAnswer(price * 10**8))


def post_target(weir: Weir, usd: int) -> int:
    """Posts a target; returns when."""
    evidence = (b"\1" * 32, b"\2" * 32, weir.chain.w3.eth.block_number)
    weir.chain.send(poster, weir.policy.functions.postTarget(weir.units(Decimal(usd)), evidence))
    return weir.chain.timestamp()


def as_printed(status: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(status))
    return console.export_text()
