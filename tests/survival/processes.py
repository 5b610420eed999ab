"""Keeper and index as an operator runs them: processes behind a bad node, which tests kill and start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Self

from tests.exchange import KEEPER
from tests.ports import free_ports
from tests.survival.crash import Crash
from tests.survival.proxy import HOST, Proxy

KEEPING = ("--execute", "--margin-use", "20000", "--daily-limit", "100")
"""Little margin is used, so that the keeper does not go under itself with what it has taken over."""
PATIENCE = 300.0
"""Wall seconds for which a test waits until it fails: far more than anything takes."""


class Process:
    """`weir keeper` or `weir index run`: started and killed as often as a test likes, with one log."""

    def __init__(self, name: str, command: list[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        (self.port,) = free_ports(1)
        self._command = [sys.executable, "-m", "weir", "-v", *command, "--port", str(self.port)]
        self._environment = environment
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None
        self.killed = False

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def start(self, **environment: str) -> None:
        """Starts it, with more in its environment for this time."""
        assert not self.running, f"{self.name} runs"
        self.killed = False
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                self._command,
                env={**os.environ, **self._environment, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def kill(self) -> None:
        """As `kill -9` does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.killed = True

    def stop(self) -> int:
        """As a supervisor does; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        try:
            return self._process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"{self.name} does not stop: {self.words()}") from None

    def block(self) -> int:
        """The last block that it has come to, by its own word; -1 while it says nothing."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/healthz", timeout=5) as answer:
                told: dict[str, Any] = json.load(answer)
        except urllib.error.HTTPError as error:  # not healthy: it says why
            told = json.load(error)
        except OSError:
            return -1
        return int(told.get("block") or -1)

    def has_said(self, *words: str) -> bool:
        """Whether one of these words is in its log."""
        said = self._log.read_text(errors="replace")
        return any(word in said for word in words)

    def words(self) -> str:
        """The end of its log, for a failure's message."""
        return self._log.read_text(errors="replace")[-3_000:] if self._log.exists() else ""


class Operation:
    """A keeper and an index of one crash, with a database, behind a proxy."""

    def __init__(self, crash: Crash, proxy: Proxy, folder: Path, store: str | None = None) -> None:
        self.crash = crash
        self.proxy = proxy
        self.supervised = False
        """Whether who ends by itself is started again."""
        self.store = store or f"sqlite:///{folder / 'weir.sqlite3'}"
        common = ["--rpc", proxy.url, "--deployment", str(crash.file)]
        environment = {"WEIR_STORE": self.store, "WEIR_PRIVATE_KEY": KEEPER.key.hex()}
        eager = ["--interval", "0.1"]
        self.keeper = Process("keeper", ["keeper", *KEEPING, *common, *eager], environment, folder)
        self.index = Process("index", ["index", "run", *common, *eager], environment, folder)

    @property
    def both(self) -> tuple[Process, Process]:
        return self.keeper, self.index

    def __enter__(self) -> Self:
        self.start()
        return self

    def start(self, **environment: str) -> None:
        """Starts whichever does not run, as a supervisor would."""
        for each in self.both:
            if not each.running:
                each.start(**environment)

    def kill(self) -> None:
        """Both at once, as when the machine goes."""
        for each in self.both:
            each.kill()

    def __exit__(self, *_: object) -> None:
        self.kill()

    def catch_up(self) -> None:
        """Waits until the keeper has found nothing more to do at the newest block, and the index has it. Who
        was killed meanwhile is started again.
        """
        self.until(self._has_caught_up)

    def until(self, condition: Callable[[], bool]) -> None:
        """Waits for something that the processes, or what is done to them, brings about."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            for each in self.both:
                if not each.running:
                    assert each.killed or self.supervised, f"{each.name} has ended: {each.words()}"
                    each.start()
            if time.monotonic() > deadline:
                told = {each.name: each.block() for each in self.both}
                words = "\n".join(each.words() for each in self.both)
                raise AssertionError(f"block {self.crash.head}, {told}: {words}")
            time.sleep(0.02)

    def _has_caught_up(self) -> bool:
        head = self.crash.head
        return all(each.block() == head for each in self.both) and self.crash.head == head
