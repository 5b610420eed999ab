"""Keepers as processes: killed at every step of sending and started again, told to stop, started twice. In
the end everything is resolved, and nothing was sent twice.
"""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select, update

from tests.databases import postgresql
from tests.exchange import AUCTION, KEEPER, OTHER_KEEPER, Exchange
from tests.unit.keeper.stores import sent_twice
from weir.client import Weir
from weir.keeper.lease import Lease
from weir.keeper.tables import State, accounts, attempts, heads
from weir.node import Node
from weir.store import Store

PROGRAM = "from weir.cli import main; main()"
DYING = """
import os, signal, sys
from weir.chain import Chain
from weir.keeper.journal import Journal

place, when, number = sys.argv.pop(1), sys.argv.pop(1), int(sys.argv.pop(1))
owner = Chain if hasattr(Chain, place) else Journal
real, calls = getattr(owner, place), []

def die_at_the_last(*arguments, **names):
    calls.append(place)
    last = len(calls) == number
    if last and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    found = real(*arguments, **names)
    if last:
        os.kill(os.getpid(), signal.SIGKILL)
    return found

setattr(owner, place, die_at_the_last)
"""
"""A keeper that is killed before or after it does something for the n-th time."""
TELLING = """
import os
from weir.keeper.signals import Signals

leave = Signals._leave

def leave_and_tell(*arguments):
    leave(*arguments)
    os.write(2, b"it was told\\n")

Signals._leave = leave_and_tell
"""
"""A keeper that says so once it has heeded a signal: two that come together would be one to it."""
CRASH = 9_200


@pytest.fixture(scope="module")
def calm_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        yield Exchange(node, tmp_path_factory.mktemp("exchange"), traders=12)


@pytest.fixture
def exchange(calm_exchange: Exchange) -> Iterator[Exchange]:
    node = calm_exchange.node
    before = node.rpc("evm_snapshot")
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(10**9))
    calm_exchange.fresh()
    yield calm_exchange
    node.rpc("anvil_dropAllTransactions")
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_revert", before)


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'keeper.sqlite3'}"


@contextmanager
def keeper(
    exchange: Exchange,
    store: str,
    *more: str,
    dies: Sequence[str] = (),
    tells: bool = False,
    account: Any = KEEPER,
    execute: bool = True,
) -> Iterator[subprocess.Popen[str]]:
    """A keeper process, as an operator would start it; killed at the end if it still runs."""
    program = (DYING if dies else "") + (TELLING if tells else "") + PROGRAM
    command = [sys.executable, "-c", program, *dies, "-v", "keeper", "--rpc", exchange.node.url, "--json"]
    command += ["--deployment", str(exchange.file), "--interval", "0.05", *more]
    environment = {**os.environ, "WEIR_PRIVATE_KEY": account.key.hex(), "WEIR_STORE": store}
    process = subprocess.Popen(
        [*command, *(["--execute", "--native-price", "0"] if execute else [])],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait(
    condition: Callable[[], bool], process: subprocess.Popen[str] | None = None, seconds: float = 300
) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never came to this"
        time.sleep(0.02)


def ended(process: subprocess.Popen[str]) -> bool:
    return process.poll() is not None


def resolve(exchange: Exchange, url: str, process: subprocess.Popen[str]) -> None:
    """Blocks and time, as fast as the keeper follows, until nobody is left below margin, and it, which may
    find nothing to do when it comes up, sends with its account and has nothing on its way.
    """

    def is_over() -> bool:
        if not (sends(url, process) and newest(url) == int(exchange.node.rpc("eth_blockNumber"), 16)):
            return False
        if not exchange.weir.actionable() and left_open(url) == []:
            return exchange.nonce() == exchange.nonce(block="pending")
        exchange.node.increase_time(AUCTION // 10)
        exchange.node.mine()
        return False

    wait(is_over, process)


def summary(exchange: Exchange, process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a keeper says in the end that has been told to stop, while blocks go on."""
    wait(lambda: bool(exchange.node.mine()) and ended(process))
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    found: dict[str, Any] = json.loads(output)
    return found


@contextmanager
def opened(url: str) -> Iterator[Store]:
    store = Store.open(url)
    yield store
    store.close()


def sends(url: str, process: subprocess.Popen[str]) -> bool:
    """Whether this process holds its account's lease: then it has started, and heeds signals."""
    with opened(url) as store, store.read() as connection:
        holder = connection.execute(select(accounts.c.holder)).scalar_one()
    return holder is not None and holder.split()[1] == str(process.pid)


def newest(url: str) -> int | None:
    """The newest block that the keeper has seen."""
    with opened(url) as store, store.read() as connection:
        return connection.execute(select(func.max(heads.c.number))).scalar()


def left_open(url: str) -> list[int]:
    """Nonces that the journal takes to be on their way still."""
    with opened(url) as store, store.read() as connection:
        query = select(attempts.c.nonce).where(attempts.c.state.in_((State.PREPARED, State.BROADCAST)))
        return sorted(set(connection.execute(query).scalars()))


def is_sound(exchange: Exchange, url: str, said: dict[str, Any]) -> None:
    """The journal and the chain agree, nothing was sent twice, nobody is left in debt without a position or
    insolvent, and P1 to P4 hold.
    """
    assert left_open(url) == []
    with opened(url) as store:
        assert sent_twice(store) == []
    totals = said["totals"]
    assert totals["failed"] == {}
    assert (
        sum(totals["sent"].values()) == exchange.sent() == exchange.nonce(block="pending") - exchange.before
    )
    weir: Weir = exchange.weir
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


# ------------------------------------------------------------------------ kill -9

STEPS = [
    ("intend", "before", 4),  # nothing is written down yet
    ("_draft", "after", 4),  # written, but not for good
    ("intend", "after", 4),  # written down, and not sent
    ("broadcast", "after", 4),  # sent, and not noted
    ("became", "after", 4),  # sent and noted
    ("mined", "before", 3),  # mined, and not noted
    ("move", "after", 2),  # a block was seen, and nothing done about it
]


@pytest.mark.parametrize(("place", "when", "number"), STEPS)
def test_a_keeper_killed_at_any_step_sends_nothing_twice(
    exchange: Exchange, url: str, place: str, when: str, number: int
) -> None:
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    below = {each.address for each in exchange.weir.actionable(block="pending")}
    with keeper(exchange, url, dies=[place, when, str(number)]) as first:
        if place in ("mined", "move"):
            wait(lambda: exchange.nonce(block="pending") > exchange.before + 3 or ended(first))
            wait(lambda: bool(exchange.node.mine()) and ended(first))
        else:
            wait(lambda: ended(first))
        assert first.returncode == -signal.SIGKILL, first.communicate()
    flying = left_open(url)
    assert flying == ([*range(flying[0], flying[0] + len(flying))] if flying else [])
    with keeper(exchange, url) as second:
        resolve(exchange, url, second)
        second.send_signal(signal.SIGTERM)
        said = summary(exchange, second)
    is_sound(exchange, url, said)
    assert said["totals"]["sent"]["flag"] >= len(below)


def test_a_keeper_killed_again_and_again_comes_to_the_same_end(exchange: Exchange) -> None:
    chance = random.Random(7)
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    with postgresql() as server:
        url = server.url
        for _ in range(3):
            with keeper(exchange, url) as process:
                sent = exchange.nonce(block="pending")

                def acts(sent: int = sent) -> bool:
                    """It sends, or has nothing left to send."""
                    return exchange.nonce(block="pending") > sent or not exchange.weir.actionable(
                        block="pending"
                    )

                wait(acts, process)
                time.sleep(chance.uniform(0, 0.2))
                process.send_signal(signal.SIGKILL)
                process.wait()
            exchange.node.mine()
            exchange.price_by_hand(CRASH - 50)
        with keeper(exchange, url) as process:
            resolve(exchange, url, process)
            process.send_signal(signal.SIGTERM)
            said = summary(exchange, process)
        is_sound(exchange, url, said)


# ------------------------------------------------------------------- told to stop


def test_told_to_stop_it_waits_for_what_it_has_sent(exchange: Exchange, url: str) -> None:
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    with keeper(exchange, url) as process:
        wait(lambda: exchange.nonce(block="pending") > exchange.before, process)
        process.send_signal(signal.SIGTERM)
        wait(lambda: len(left_open(url)) == exchange.nonce(block="pending") - exchange.before, process)
        assert not ended(process)
        said = summary(exchange, process)
    assert left_open(url) == []
    assert sum(said["totals"]["sent"].values()) == exchange.sent() > 0
    with opened(url) as store, store.read() as connection:
        assert connection.execute(select(accounts.c.holder)).scalar_one() is None


def test_told_twice_it_leaves_at_once_and_loses_nothing(exchange: Exchange, url: str) -> None:
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    with keeper(exchange, url, tells=True) as process:
        wait(lambda: exchange.nonce(block="pending") > exchange.before, process)
        process.send_signal(signal.SIGTERM)
        assert process.stderr is not None
        while "it was told" not in (line := process.stderr.readline()):
            assert line, "it has ended"
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=300)
    assert process.returncode == 128 + signal.SIGTERM
    # At most one was written down and had not left yet.
    sent = exchange.nonce(block="pending") - exchange.before
    assert 0 < sent <= len(left_open(url)) <= sent + 1


# ----------------------------------------------------------------------- together


def test_one_account_has_one_keeper(exchange: Exchange, url: str) -> None:
    with keeper(exchange, url, "--port", "0") as first:
        address = _address(first)
        wait(lambda: _health(address)["reason"] == "ok", first)
        with keeper(exchange, url, "--steps", "1") as second:
            _, errors = second.communicate(timeout=300)
        assert second.returncode == 1
        last = errors.strip().splitlines()[-1]
        assert last == f"weir: process {first.pid} sends with {KEEPER.address}: one account, one keeper"
        with keeper(exchange, url, "--steps", "1", account=OTHER_KEEPER) as other:
            _, errors = other.communicate(timeout=300)
        assert other.returncode == 0, errors

        well = {"healthy": True, "reason": "ok", "block": int(exchange.node.rpc("eth_blockNumber"), 16)}
        wait(lambda: _health(address).items() >= well.items(), first)
        with urllib.request.urlopen(address.replace("/healthz", "/metrics")) as answer:
            metrics = answer.read().decode()
        assert "weir_keeper_balance_ether 9999." in metrics
        assert "weir_keeper_equity_usd 15000.0" in metrics


def _address(process: subprocess.Popen[str]) -> str:
    """Where it answers, which is the first that it says."""
    assert process.stderr is not None
    address = process.stderr.readline().split()[0]
    assert address.startswith("http://127.0.0.1:")
    return address


def _health(address: str) -> dict[str, Any]:
    """What it says of itself, which its status must say too."""
    try:
        with urllib.request.urlopen(address) as answer:
            status, body = answer.status, answer.read()
    except urllib.error.HTTPError as error:
        status, body = error.code, error.read()
    found: dict[str, Any] = json.loads(body)
    assert status == (200 if found["healthy"] else 503)
    return found


def test_keys_are_told_to_nobody(exchange: Exchange, url: str, tmp_path: Path) -> None:
    exchange.price(CRASH)
    with keeper(exchange, url, "--steps", "3") as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert "sent liquidate" in errors
    secret = KEEPER.key.hex().removeprefix("0x")
    assert secret not in output.lower() + errors.lower()
    for file in tmp_path.iterdir():
        content = file.read_bytes()
        assert KEEPER.key not in content
        assert secret.encode() not in content.lower()


def test_a_dry_run_needs_no_store_and_sends_nothing(exchange: Exchange, tmp_path: Path) -> None:
    exchange.price(CRASH)
    file = tmp_path / "none" / "keeper.sqlite3"
    with keeper(exchange, f"sqlite:///{file}", "--steps", "2", execute=False) as process:
        output, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert not file.exists()
    assert exchange.sent() == 0
    assert {each["outcome"] for each in json.loads(output)["last_step"]["tasks"]} == {"planned"}


# ----------------------------------------------------------------- not there yet


def _held_elsewhere(exchange: Exchange, url: str, seconds: float) -> None:
    """Another machine's process has the account, for so long from now."""
    chain = exchange.weir.chain
    with opened(url) as store:
        Lease.of(store, chain.id, chain.block(0)["hash"], KEEPER.address, holder="elsewhere 1 2 x").take()
        with store.write() as connection:
            connection.execute(update(accounts).values(held_until=time.time() + seconds))


@pytest.mark.parametrize("away", ["node", "database", "lease"])
def test_while_it_waits_it_says_why_and_can_be_told_to_stop(
    exchange: Exchange, url: str, away: str, tmp_path: Path
) -> None:
    more, why = ["--port", "0"], "not yet: "
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        if away == "node":
            node = f"http://127.0.0.1:{nobody.getsockname()[1]}"
            more, why = [*more, "--rpc", node], f"not yet: no node answers at {node}"
        elif away == "database":
            (tmp_path / "file").touch()
            url = f"sqlite:///{tmp_path / 'file' / 'keeper.sqlite3'}"
        else:
            _held_elsewhere(exchange, url, 10_000)
            why = f"a process on another machine may send with {KEEPER.address}: waiting"
        with keeper(exchange, url, *more) as process:
            address = _address(process)
            wait(lambda: _health(address)["reason"].startswith(why), process)
            with urllib.request.urlopen(address.replace("/healthz", "/metrics")) as answer:
                assert "weir_keeper_last_step_time_seconds 0.0" in answer.read().decode()
            process.send_signal(signal.SIGTERM)
            output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (0, ""), errors


def test_what_it_waited_for_comes_and_it_is_well(exchange: Exchange, url: str) -> None:
    _held_elsewhere(exchange, url, 10_000)
    with keeper(exchange, url, "--port", "0") as process:
        address = _address(process)
        wait(lambda: _health(address)["reason"].endswith("waiting"), process)
        with opened(url) as store, store.write() as connection:
            connection.execute(update(accounts).values(held_until=time.time() - 1))
        wait(lambda: _health(address)["reason"] == "ok", process)
        process.send_signal(signal.SIGTERM)
        said = summary(exchange, process)
    assert said["account"] == KEEPER.address
