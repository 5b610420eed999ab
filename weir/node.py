"""Local chains for tests, demos and benchmarks: Anvil and Ganache behind one small interface.

Both run at the Shanghai rules with the same chain id, accounts, balances and block gas limit, mine each
transaction at once, and listen on a free loopback port. Their clocks stand still: each block comes one second
after the one before, unless its timestamp is chosen, so a run gives the same numbers however long it takes::

    with Node("ganache", timestamp=1_700_000_000) as node:
        node.mine(timestamp=1_700_003_600)
        node.web3.eth.get_block("latest")

A node is stopped at the end of its block, at exit, on SIGTERM, and on Linux even when this process is killed
(there it goes with the thread that started it: start it from one that lives as long as it is needed).
"""

import atexit
import ctypes
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any, Literal, Self

from web3 import HTTPProvider, Web3
from web3.types import RPCEndpoint, RPCResponse

from weir.toolchain import anvil, module, node

Kind = Literal["anvil", "ganache"]
KINDS: tuple[Kind, ...] = ("anvil", "ganache")

CHAIN_ID = 31337
MNEMONIC = "test test test test test test test test test test test junk"
HARDFORK = "shanghai"
HOST = "127.0.0.1"

START_SECONDS = 60.0
STOP_SECONDS = 5.0
START_ATTEMPTS = 2


class NodeError(RuntimeError):
    """A node did not start, or refused a request."""


class Node:
    """A local chain, run as a child process for as long as its context lasts."""

    def __init__(
        self,
        kind: Kind = "anvil",
        *,
        chain_id: int = CHAIN_ID,
        accounts: int = 64,
        balance: int = 10_000,
        gas_limit: int = 30_000_000,
        timestamp: int | None = None,
        port: int | None = None,
    ) -> None:
        """Describe the chain: ``balance`` is in ether, ``timestamp`` that of the first block (or now).

        It listens on this port of loopback, or on any that is free.
        """
        if kind not in KINDS:
            raise ValueError(f"unknown kind of node {kind!r}: choose one of {', '.join(KINDS)}")
        self.kind: Kind = kind
        self.chain_id = chain_id
        self.accounts = accounts
        self.balance = balance
        self.gas_limit = gas_limit
        self.timestamp = timestamp
        self.port = port
        self.url = ""
        self._process: subprocess.Popen[bytes] | None = None
        self._scratch: tempfile.TemporaryDirectory[str] | None = None

    @classmethod
    def at(cls, url: str, kind: Kind = "anvil") -> Self:
        """A chain that somebody else starts and stops: for requests, and to tell it the time."""
        node = cls(kind)
        node.url = url
        return node

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    # Life and death

    @property
    def running(self) -> bool:
        """Whether the node's process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def pid(self) -> int | None:
        """The process id, while started."""
        return self._process.pid if self._process else None

    def start(self) -> Self:
        """Start the node, unless it runs already, and wait until it answers."""
        if self.running:
            return self
        if self.port is not None:
            require_free(self.port)
        atexit.register(self.stop)
        _exit_on_sigterm()
        attempts = START_ATTEMPTS if self.port is None else 1
        for attempt in range(1, attempts + 1):
            self._launch(self.port or _free_port())
            try:
                self._wait()
            except NodeError:  # someone else may have taken the port in between
                self.stop()
                if attempt == attempts:
                    raise
            except BaseException:
                self.stop()
                raise
            else:
                break
        return self

    def stop(self) -> None:
        """Stop the node, politely first; stopping twice does no harm."""
        atexit.unregister(self.stop)
        process, self._process = self._process, None
        scratch, self._scratch = self._scratch, None
        if process is not None:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if scratch is not None:
            scratch.cleanup()

    # Requests

    @property
    def web3(self) -> Web3:
        """A client of this node."""
        return Web3(HTTPProvider(self.url, request_kwargs={"timeout": 120}))

    def rpc(self, method: str, *params: object) -> Any:
        """Call any JSON-RPC method and return its result."""
        response: RPCResponse = self.web3.provider.make_request(RPCEndpoint(method), list(params))
        if "error" in response:
            error = response["error"]
            raise NodeError(f"{method}: {error if isinstance(error, str) else error['message']}")
        return response["result"]

    def now(self) -> int:
        """The timestamp of the latest block."""
        return int(self.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16)

    def set_next_block_timestamp(self, timestamp: int) -> None:
        """Choose the timestamp of the next block, whatever makes it."""
        if self.kind == "anvil":
            self.rpc("evm_setNextBlockTimestamp", timestamp)
        else:  # Ganache sets the clock, which moves on by a second with the block
            self.rpc("evm_setTime", (timestamp - 1) * 1000)

    def mine(self, blocks: int = 1, timestamp: int | None = None) -> int:
        """Mine empty blocks, the first of them at ``timestamp`` if given; return the latest's timestamp."""
        if timestamp is not None:
            self.set_next_block_timestamp(timestamp)
        for _ in range(blocks):
            self.rpc("evm_mine")
        return self.now()

    def increase_time(self, seconds: int) -> int:
        """Mine one block that much after the latest; return its timestamp."""
        return self.mine(timestamp=self.now() + seconds)

    # Parts

    def _command(self, port: int, scratch: str) -> list[str]:
        if self.kind == "anvil":
            command = [
                *(str(anvil()), "--host", HOST, "--port", f"{port}"),
                *("--chain-id", f"{self.chain_id}", "--hardfork", HARDFORK),
                *("--mnemonic", MNEMONIC, "--accounts", f"{self.accounts}", "--balance", f"{self.balance}"),
                *("--gas-limit", f"{self.gas_limit}", "--quiet"),  # else its log grows with every request
                # Old states are written there, gigabytes of them, and stay when the node is killed.
                *("--cache-path", scratch),
            ]
            return command if self.timestamp is None else [*command, "--timestamp", f"{self.timestamp}"]
        command = [
            *(str(node()), str(module("ganache", "dist", "node", "cli.js"))),
            *("--server.host", HOST, "--server.port", f"{port}"),
            *("--chain.chainId", f"{self.chain_id}", "--chain.networkId", f"{self.chain_id}"),
            *("--chain.hardfork", HARDFORK, "--wallet.mnemonic", MNEMONIC),
            *("--wallet.totalAccounts", f"{self.accounts}", "--wallet.defaultBalance", f"{self.balance}"),
            *("--miner.blockGasLimit", f"{self.gas_limit}", "--miner.timestampIncrement", "1"),
        ]
        if self.timestamp is None:
            return command
        return [*command, "--chain.time", datetime.fromtimestamp(self.timestamp, UTC).isoformat()]

    def _launch(self, port: int) -> None:
        self._scratch = tempfile.TemporaryDirectory(prefix=f"weir-{self.kind}-", ignore_cleanup_errors=True)
        self.url = f"http://{HOST}:{port}"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(port, self._scratch.name),
                cwd=self._scratch.name,
                env={**os.environ, "TMPDIR": self._scratch.name},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us to handle
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )

    @property
    def _log(self) -> Path:
        assert self._scratch is not None
        return Path(self._scratch.name) / "log"

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            if not self.running:
                raise NodeError(f"{self.kind} stopped while starting: {self._last_words()}")
            if time.monotonic() > deadline:
                raise NodeError(
                    f"{self.kind} gave no answer within {START_SECONDS:.0f} s: {self._last_words()}"
                )
            time.sleep(0.05)
        if self.kind == "anvil":
            self.rpc("anvil_setBlockTimestampInterval", 1)

    def _answers(self) -> bool:
        try:
            return int(self.rpc("eth_chainId"), 16) == self.chain_id and self.running
        except (OSError, ValueError):
            return False

    def _last_words(self) -> str:
        return self._log.read_text(errors="replace").strip()[-1000:] or "(no output)"


def start_node(kind: Kind = "anvil", **options: Any) -> Node:
    """A node, started: to be stopped with :meth:`Node.stop`, or used as a context manager."""
    return Node(kind, **options).start()


def require_free(port: int) -> None:
    """Raises `NodeError` where others listen already: they would answer in the node's place."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as error:
            raise NodeError(f"port {port}: {error.strerror}") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


_PRCTL = ctypes.CDLL(None).prctl if sys.platform == "linux" else None


def die_with_parent() -> None:
    """In the child, on Linux: be sent SIGTERM when the parent is gone, however it went."""
    pr_set_pdeathsig = 1
    if _PRCTL is not None:
        _PRCTL(pr_set_pdeathsig, signal.SIGTERM)


def _exit_on_sigterm() -> None:
    """Have SIGTERM end this process as ``sys.exit`` does, unless the program handles it already."""

    def leave(number: int, _: FrameType | None) -> None:
        sys.exit(128 + number)

    in_main_thread = threading.current_thread() is threading.main_thread()
    if in_main_thread and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        signal.signal(signal.SIGTERM, leave)
