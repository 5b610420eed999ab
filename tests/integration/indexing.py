"""What tests of the index share: a young deployment, and looks at what has been indexed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from sqlalchemy import select

from weir.accounts import development_account
from weir.chain import Chain, connect
from weir.client import Weir
from weir.deployment import deploy
from weir.index import tables
from weir.index.follow import Follower, Step
from weir.index.verify import verify
from weir.node import Node
from weir.parameters import MarketParameters, Parameters
from weir.store import Store

TRADER = development_account(8)
TABLES = (tables.blocks, tables.events, tables.concerns, tables.checkpoints, tables.points)


@contextmanager
def young_weir() -> Iterator[Weir]:
    """Weir as it is after its deployment, on a node that mines at once; a trader may deposit."""
    market = MarketParameters(symbol="BTC", price=Decimal(10_000))
    with Node("anvil", timestamp=1_700_000_000) as node:
        w3 = connect(node.url)
        weir = Weir(w3, deploy(w3, development_account(0), Parameters(markets=(market,))))
        weir.chain.send(TRADER, weir.token.functions.mint(TRADER.address, 10**12))
        weir.chain.send(TRADER, weir.token.functions.approve(weir.vault.address, 10**12))
        yield weir


def catch_up(weir: Weir, store: Store) -> list[Step]:
    follower = Follower(weir.chain, weir.deployment, store)
    steps = [follower.step()]
    while steps[-1].behind:
        steps.append(follower.step())
    return steps


def rows(store: Store, *wanted: Any) -> dict[str, list[tuple[Any, ...]]]:
    """All that is in these tables, by default in all."""
    with store.read() as connection:
        return {
            table.name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for table in wanted or TABLES
        }


def check(weir: Weir, store: Store, last: int = 3) -> None:
    """The state rebuilt is the chain's at the last blocks."""
    tip = rows(store, tables.blocks)["index_block"][-1][0]
    found = verify(weir.chain, weir.deployment, store, first=tip - last + 1)
    assert found.blocks == last
    assert found.words > 150 * last
    assert not found.differences, list(map(str, found.differences))


def tip_of(store: Store) -> int:
    with store.read() as connection:
        return tables.tip(connection) or 0


def elsewhere(chain: Chain, blocks: int) -> None:
    """So many blocks, at other times than those that were there before."""
    chain.rpc("evm_setNextBlockTimestamp", chain.timestamp() + 77)
    chain.rpc("anvil_mine", hex(blocks))
