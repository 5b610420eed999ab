"""A keeper is killed in the middle of a crash and started again: in the end everything is resolved."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest
from eth_account.signers.local import LocalAccount

from tests.system import FREE
from weir.accounts import development_account
from weir.chain import connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import LiquidationParameters, MarketParameters, Parameters

GAS = 3_000_000
DEPLOYER, MAKER, KEEPER = (development_account(i) for i in (0, 10, 11))
TRADERS = [development_account(i) for i in range(20, 36)]
OPENING = 10_000
AUCTION = 120


class Exchange:
    """A market in which sixteen longs at 10x to 25x stand against one maker, with a small fund."""

    def __init__(self, node: Node, folder: Path) -> None:
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
        self._deposit(KEEPER, 15_000)
        self._contribute(10_000)
        for i, trader in enumerate(TRADERS):
            self._deposit(trader, 1_000)
            self._buy(trader, Decimal(1_000) * (10 + i) / OPENING)
        self._before = self._nonce()

    def price(self, usd: int) -> None:
        answer = self.weir.feed("BTC").functions.setAnswer(usd * 10**8)
        self.weir.chain.send(DEPLOYER, answer, gas=GAS)

    def sent(self) -> int:
        """How many transactions the keeper has sent as a keeper."""
        return self._nonce() - self._before

    def _nonce(self) -> int:
        return int(self.weir.chain.rpc("eth_getTransactionCount", KEEPER.address, "latest"), 16)

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


@contextmanager
def keeper(exchange: Exchange, state: Path) -> Iterator[subprocess.Popen[str]]:
    """A keeper process, as an operator would start it; killed at the end if it still runs."""
    program = "from weir.cli import main; main()"
    command = [sys.executable, "-c", program, "keeper", "--rpc", exchange.node.url, "--execute", "--json"]
    files = ["--deployment", str(exchange.file), "--state", str(state), "--interval", "0.05"]
    environment = {**os.environ, "WEIR_PRIVATE_KEY": KEEPER.key.hex()}
    process = subprocess.Popen(
        [*command, *files], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def wait(condition: Callable[[], bool], process: subprocess.Popen[str], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline, "the keeper did nothing"
        time.sleep(0.01)


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        yield Exchange(node, tmp_path)


def test_a_killed_keeper_goes_on_where_it_was(exchange: Exchange, tmp_path: Path) -> None:
    weir, state = exchange.weir, tmp_path / "state.json"
    with keeper(exchange, state) as first:
        exchange.price(9_450)
        wait(lambda: exchange.sent() >= 3, first)
        first.send_signal(signal.SIGKILL)
        first.wait()
    sent = exchange.sent()
    assert weir.actionable(block="pending"), "the crash must not be over when the keeper is killed"
    assert json.loads(state.read_text())["clearing_house"] == weir.clearing_house.address

    exchange.price(8_700)
    with keeper(exchange, state) as second:
        for _ in range(40):
            if not weir.actionable(block="pending"):
                break
            exchange.node.increase_time(AUCTION // 3)
            time.sleep(0.3)
        second.send_signal(signal.SIGTERM)
        output, _ = second.communicate(timeout=60)
        assert second.returncode in (0, 1), output

    assert exchange.sent() > sent
    summary = json.loads(output)
    assert sum(summary["totals"]["sent"].values()) >= exchange.sent() - sent
    assert not weir.actionable(block="pending")
    _is_sound(weir)


def test_a_damaged_state_stops_nothing(exchange: Exchange, tmp_path: Path) -> None:
    state = tmp_path / "state.json"
    state.write_text("{ this is not", encoding="utf-8")
    exchange.price(9_600)
    with keeper(exchange, state) as process:
        wait(lambda: exchange.sent() >= 2, process)
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert json.loads(state.read_text())["totals"]["sent"]


def _is_sound(weir: Weir) -> None:
    """Nobody is left in debt without a position, nobody is insolvent, and P1 to P4 hold."""
    books = weir.identities()
    assert books.donations == 0
    for market in books.markets:
        assert market.surplus >= -100
        assert market.mismatch <= 100
    assert weir.fund_state().insolvencies == 0
    assert all(account.debt == 0 for account in weir.accounts())
    defaults = weir.defaults()
    assert defaults, "the crash was meant to leave bad debt"
    for record in defaults:
        paid = record.coinsurance + record.skin + record.junior + record.senior + record.unpaid_profit
        assert paid + record.remainder == record.shortfall
