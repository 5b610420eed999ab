"""An exchange about to crash, on a node that a module has for itself, and a store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exchange import Exchange
from tests.unit.keeper.desk import CRASH, GWEI
from weir.node import Node
from weir.store import Store


@pytest.fixture(scope="module")
def quiet_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        exchange = Exchange(node, tmp_path_factory.mktemp("exchange"), traders=8)
        yield exchange


@pytest.fixture
def exchange(quiet_exchange: Exchange) -> Iterator[Exchange]:
    node = quiet_exchange.node
    before = node.rpc("evm_snapshot")
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))  # which going back does not restore
    quiet_exchange.fresh()
    yield quiet_exchange
    node.rpc("anvil_dropAllTransactions")
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_revert", before)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'keeper.sqlite3'}")
    yield opened
    opened.close()


@pytest.fixture
def by_hand(exchange: Exchange) -> Exchange:
    """The price has fallen, and from here on only `Desk.mine` makes blocks."""
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    return exchange
