"""A test network on which the operating manual is followed, word by word."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from importlib.util import find_spec
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from weir.artifacts import artifact
from weir.chain import Chain, connect, encode_arguments
from weir.cli import main
from weir.client import Weir
from weir.governing import Governance
from weir.node import Node
from weir.orders import Order
from weir.toolchain import ROOT

__all__ = ["CHAIN_ID", "PATIENCE", "Followed", "Network", "running", "shell"]

CHAIN_ID = 11_155_111
"""Sepolia's: development keys are refused there, and nothing is made up."""
RICH = hex(10**20)


@dataclass(frozen=True, slots=True)
class Followed:
    """A command that was run, its exit code, and what it said."""

    command: str
    code: int
    out: str


@dataclass
class Network:
    """A node that is no local one to Weir, a folder to work in, and what words in capitals stand for."""

    node: Node
    folder: Path
    names: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)
    deployed_at: int = 0
    """The block after which the deployment was complete."""
    salts: Iterator[int] = field(default_factory=lambda: count(1))
    _weir: Weir | None = None

    # ---- following the manual

    def write(self, name: str, text: str) -> None:
        """A file that the manual shows."""
        (self.folder / name).write_text(self.filled(text), encoding="utf-8")

    def filled(self, text: str) -> str:
        """With values in the places of the words in capitals."""
        return re.sub(r"\b[A-Z_]{2,}\b", lambda word: self.names.get(word[0], word[0]), text)

    def run(self, script: str) -> list[Followed]:
        """Each command of a block of `sh`, one after another; the first that fails fails the test."""
        done = []
        for line in script.splitlines():
            if line.startswith(("read ", "export ")):
                self.set(line)
                continue
            followed = self.try_to(line)
            assert followed.code == 0, f"{followed.command}: {followed.out}"
            done.append(followed)
        return done

    def set(self, line: str) -> None:
        """A variable of the shell: typed in, or exported."""
        command, *words = shlex.split(self.filled(line), comments=True)
        if command == "read":
            self.environment[words[1]] = "correct horse"
        else:
            name, _, value = words[0].partition("=")
            self.environment[name] = value

    def try_to(self, line: str) -> Followed:
        """One command, in this process: an interpreter for each would take minutes."""
        words = shlex.split(self.filled(line), comments=True)
        assert words[0] == "weir", line
        said = io.StringIO()
        with (
            self.at_work(),
            redirect_stdout(said),
            redirect_stderr(said),
            pytest.raises(SystemExit) as ended,
        ):
            main(words[1:])
        return Followed(line, int(ended.value.code or 0), said.getvalue())

    def python(self, name: str) -> None:
        """A program that the manual shows."""
        with self.at_work():
            exec(compile((self.folder / name).read_text(), name, "exec"), {"__name__": "__main__"})

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """In the folder, with the environment that the manual sets; commands handle signals as they like."""
        handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with pytest.MonkeyPatch.context() as patch:
            patch.chdir(self.folder)
            for name in ("WEIR_PRIVATE_KEY", "WEIR_STORE"):
                patch.delenv(name, raising=False)
            for name, value in self.environment.items():
                patch.setenv(name, value)
            try:
                yield
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)

    def forget(self) -> None:
        """Loses the database."""
        for path in self.folder.glob("weir.sqlite3*"):
            path.unlink()

    def remember_waiting(self) -> None:
        """ID and OTHER_ID: the calls that wait, in the order in which they are due."""
        waiting = Governance(self.weir()).waiting()
        self.names |= dict(zip(("ID", "OTHER_ID"), (each.id[:10] for each in waiting), strict=False))

    # ---- the network

    def weir(self) -> Weir:
        """What the manual has deployed."""
        if self._weir is None:
            self._weir = Weir.connect(self.node.url, self.folder / "deployments" / f"{CHAIN_ID}.json")
        return self._weir

    @contextmanager
    def set_back(self) -> Iterator[None]:
        """Undoes what happens inside: on the chain, in the database, and to names."""
        snapshot = self.node.rpc("evm_snapshot")
        names, environment = dict(self.names), dict(self.environment)
        yield
        self.node.rpc("evm_revert", snapshot)
        self.forget()
        # A client counts nonces.
        self.names, self.environment, self._weir = names, environment, None

    def key(self, name: str) -> LocalAccount:
        """That of a keystore."""
        text = (self.folder / "keys" / f"{name}.json").read_text()
        account: LocalAccount = Account.from_key(Account.decrypt(text, self.environment["WEIR_PASSWORD"]))
        return account

    def person(self) -> LocalAccount:
        """Somebody with coins."""
        account: LocalAccount = Account.create()
        self.give_coins(account.address)
        return account

    def give_coins(self, address: str) -> None:
        self.node.rpc("anvil_setBalance", address, RICH)

    def create(self, kind: str, *arguments: Any) -> str:
        """The address of a contract that others have deployed."""
        compiled = artifact(kind)
        constructor = next(entry for entry in compiled.abi if entry["type"] == "constructor")
        data = compiled.bytecode + encode_arguments(constructor, arguments)
        chain = Chain(connect(self.node.url))
        receipt = chain.wait(chain.submit_raw(self.person(), None, data))
        assert receipt.contract is not None
        return receipt.contract

    # ---- the market

    def set_price(self, symbol: str, price: int) -> None:
        weir = self.weir()
        weir.chain.send(self.person(), weir.feed(symbol).functions.setAnswer(price * 10**8))

    def wait(self, seconds: int, **prices: int) -> None:
        """Time passes; these feeds answer anew."""
        self.node.increase_time(seconds)
        for symbol, price in prices.items():
            self.set_price(symbol, price)

    def give(self, to: str, usd: int) -> None:
        weir = self.weir()
        weir.chain.send(self.person(), weir.token.functions.mint(to, usd * 10**weir.deployment.decimals))

    def deposit(self, trader: LocalAccount, usd: int) -> None:
        self.give(trader.address, usd)
        weir, amount = self.weir(), usd * 10**6
        weir.chain.send(trader, weir.token.functions.approve(weir.vault.address, amount))
        weir.chain.send(trader, weir.vault.functions.deposit(trader.address, amount))

    def withdraw_all(self, trader: LocalAccount) -> int:
        """Cash that left, units of S."""
        weir = self.weir()
        cash: int = weir.chain.call(weir.vault.functions.cashOf(trader.address))
        weir.chain.send(trader, weir.vault.functions.withdraw(cash, trader.address, []))
        return cash

    def trade(self, buyer: LocalAccount, seller: LocalAccount, symbol: str, size: float) -> None:
        """At the feed's price; the seller signs, the buyer fills."""
        weir = self.weir()
        market = weir.markets()[weir.market_id(symbol)]
        order = Order(
            maker=seller.address,
            market=market.id,
            is_buy=False,
            reduce_only=False,
            size=int(size * 10**18),
            price=market.feed_price,
            expiry=weir.chain.timestamp() + 600,
            salt=next(self.salts),
        )
        trade = weir.clearing_house.functions.trade
        weir.chain.send(buyer, trade(order.as_tuple(), weir.sign(order, seller), order.size))


# ------------------------------------------------------- what is not Weir's, and what goes on

PATIENCE = 300
"""Seconds in which a process must have become healthy, done its work, and ended."""
_PG = find_spec("pgserver")
PG_BIN = [str(Path(_PG.origin).parent / "pginstall" / "bin")] if _PG and _PG.origin else []
"""Where the packaged PostgreSQL has `pg_dump`."""


def shell(command: str, folder: Path, **environment: str) -> str:
    """A command that is not Weir's."""
    path = os.pathsep.join([str(ROOT / ".venv" / "bin"), *PG_BIN, os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": path, **environment},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@contextmanager
def running(network: Network, line: str, health: str) -> Iterator[subprocess.Popen[str]]:
    """A command that goes on, once it says that it is healthy."""
    outside = {name: value for name, value in os.environ.items() if not name.startswith("WEIR_")}
    words = [sys.executable, "-m", *shlex.split(network.filled(line), comments=True)]
    with (network.folder / "processes.txt").open("a") as said:
        process = subprocess.Popen(
            words,
            cwd=network.folder,
            stdout=said,
            stderr=said,
            text=True,
            env={**outside, **network.environment, "PYTHONPATH": str(ROOT)},
        )
    try:
        deadline = time.monotonic() + PATIENCE
        while not healthy(health):
            assert process.poll() is None, (network.folder / "processes.txt").read_text()
            assert time.monotonic() < deadline, f"{line} is not healthy"
            time.sleep(0.2)
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


def healthy(port: str) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=5) as answer:
            return bool(json.load(answer)["healthy"])
    except OSError:
        return False
