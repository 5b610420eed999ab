"""A small market, and what happens in it: for tests of the client."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

from rich.console import Console

from tests.moves import (
    WAD,
    an_order,
    deployer,
    deposit,
    fill,
    liquidator,
    market_maker,
    poster,
    set_price,
    stake,
    trader,
)
from weir.chain import Receipt, connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.parameters import FundingParameters, Parameters
from weir.status import render

GAS = 2_000_000


def deployed(node: Node, funding: FundingParameters) -> Weir:
    w3 = connect(node.url)
    markets = tuple(market.model_copy(update={"heartbeat": 86_400}) for market in Parameters().markets)
    system = Weir(w3, deploy(w3, deployer, Parameters(markets=markets, funding=funding)))
    for account, amount in ((market_maker, 1_000_000), (trader, 10_000), (liquidator, 500_000)):
        deposit(system, account, amount)
    stake(system, system.junior, 1_000)
    stake(system, system.senior, 1_000)
    return system


def trade(weir: Weir, size: int = 3 * WAD, **changes: Any) -> Receipt:
    """The trader takes so much of `an_order`."""
    return fill(weir, trader, an_order(weir, **changes), size)


def crash(weir: Weir, price: int = 50_000) -> None:
    set_price(weir, weir.feed("BTC"), price)


def post_target(weir: Weir, usd: int) -> int:
    """Posts a target; returns when."""
    evidence = (b"\1" * 32, b"\2" * 32, weir.chain.w3.eth.block_number)
    weir.chain.send(poster, weir.policy.functions.postTarget(weir.units(Decimal(usd)), evidence))
    return weir.chain.timestamp()


def as_printed(status: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(status))
    return console.export_text()
