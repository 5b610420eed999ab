"""The Silverback bot, run by Silverback itself against a chain of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.exchange import KEEPER, Exchange
from weir.chain import RpcError
from weir.keeper.lease import LeaseLostError
from weir.keeper.runner import Keeper, StepReport
from weir.node import Node
from weir.toolchain import ROOT

PATIENCE = 300.0
"""Seconds after which a bot that has not done its work is taken to be stuck."""
SILVERBACK = """
from ape_ethereum.provider import Web3Provider
from silverback._cli import cli

poll = Web3Provider.poll_blocks
Web3Provider.poll_blocks = lambda self, **given: poll(self, **given | {"new_block_timeout": 600})
cli()
"""
"""Ape gives a local chain up that stands still for ten seconds: a busy machine may."""


class Bot:
    """`silverback run weir_bot` in a folder of its own, and what it says."""

    def __init__(self, exchange: Exchange, folder: Path, options: str) -> None:
        (folder / "bots").symlink_to(ROOT / "bots")
        self.node = exchange.node
        self.log = folder / "log"
        environment = {
            "WEIR_KEEPER": options,
            "WEIR_PRIVATE_KEY": KEEPER.key.hex(),
            "PYTHONPATH": str(ROOT),
        }
        network = f"ethereum:local:{exchange.node.url}"
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-c", SILVERBACK, "run", "weir_bot", "--network", network],
                cwd=folder,
                env=os.environ | environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def until(self, condition: Callable[[], bool]) -> None:
        """Mines on meanwhile: Silverback's bots act on blocks."""
        self._mine_until(lambda: condition() or self._ended())
        assert not self._ended(), self.said()

    def stop(self) -> int:
        """Told to stop; its exit code. Ape has no ear for that until the next block."""
        self.process.send_signal(signal.SIGTERM)
        self._mine_until(self._ended)
        return int(self.process.returncode)

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def _mine_until(self, condition: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            assert time.monotonic() < deadline, self.said()
            self.node.mine()
            time.sleep(0.5)


@contextmanager
def _running(exchange: Exchange, folder: Path, options: str) -> Iterator[Bot]:
    bot = Bot(exchange, folder, options)
    try:
        yield bot
    finally:
        bot.process.kill()
        bot.process.wait()


def test_it_liquidates_and_ends_in_order(tmp_path: Path) -> None:
    """With the journal of `weir keeper`; on SIGTERM it lets go of its account."""
    with Node("anvil") as node:
        crash = Exchange(node, tmp_path, traders=2)
        options = f"--deployment {crash.file} --execute --store sqlite:///{tmp_path / 'keeper.db'}"
        with _running(crash, tmp_path, options) as bot:
            bot.until(lambda: "Startup complete" in bot.said())
            crash.price(9_200)
            bot.until(lambda: crash.sent() > 0 and not crash.weir.actionable() and "tasks_sent" in bot.said())
            assert bot.stop() == 0, bot.said()
    assert "stop - Started" in bot.said()
    assert "step failed" not in bot.said()


@pytest.mark.parametrize("rubbish", [TypeError("int(None)"), KeyError("timestamp"), RpcError("", -1, "busy")])
def test_it_outlives_what_a_keeper_outlives(rubbish: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    from bots.weir_bot import Core  # Silverback wants a network as soon as it is imported

    core, keeper = Core(), idle()
    core._keeper = keeper
    monkeypatch.setattr(keeper, "step", fails(rubbish))
    assert core.step() == {"step_failed": 1}
    monkeypatch.setattr(keeper, "step", lambda: StepReport(block=7, time=0))
    assert core.step()["block"] == 7
    monkeypatch.setattr(keeper, "step", fails(LeaseLostError("gone")))
    with pytest.raises(LeaseLostError):
        core.step()


def idle() -> Keeper:
    chain = SimpleNamespace(id=31337)
    weir = SimpleNamespace(chain=chain, usd=Decimal)
    return Keeper(cast(Any, weir), cast(Any, SimpleNamespace(address="0x10")))


def fails(error: Exception) -> Callable[[], None]:
    def step() -> None:
        raise error

    return step
