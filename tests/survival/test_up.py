"""`weir up` and `weir down`: everything runs, goes on when a part of it ends, and leaves nothing behind."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from tests.ports import free_ports
from weir.node import Node
from weir.operate.running import Running

PATIENCE = 300.0


class Up:
    """The commands, on a folder and ports of a test."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, *_ = free_ports(6)

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        arguments = [sys.executable, "-m", "weir", *command, "--folder", str(self.folder)]
        environment = {name: value for name, value in os.environ.items() if name != "WEIR_STORE"}
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, timeout=600, check=False
        )

    def up(self) -> subprocess.CompletedProcess[str]:
        ports = ("--port", f"{self.port}", "--pages", f"{self.port + 1}")
        return self.run("up", *ports, "--keepers", "1", "--pace", "600")

    def down(self) -> subprocess.CompletedProcess[str]:
        return self.run("down")

    @property
    def running(self) -> Running:
        found = Running.read(self.folder)
        assert found is not None
        return found

    def pids(self) -> dict[str, int]:
        return {name: mark.pid for name, mark in self.running.children.items()}

    def block(self) -> int:
        return int(Node.at(self.running.places["rpc"]).rpc("eth_blockNumber"), 16)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@pytest.fixture
def everything(tmp_path: Path) -> Iterator[Up]:
    up = Up(tmp_path / "up")
    try:
        yield up
    finally:
        up.down()


def test_it_runs_goes_on_and_leaves_nothing(everything: Up) -> None:
    started = everything.up()
    assert started.returncode == 0, started.stderr
    assert started.stdout.splitlines()[0].split() == ["page", everything.running.places["page"]]
    with urllib.request.urlopen(everything.running.places["page"], timeout=30) as answer:
        assert b"Weir" in answer.read()
    first = everything.pids()
    assert first.keys() == {"chain", "market", "index", "monitor", "keeper-1"}

    again = everything.up()
    assert again.returncode == 0
    assert "runs already" in again.stdout
    assert everything.pids() == first

    # A market that is killed comes back to the same deployment, and prices go on.
    deployment = (everything.folder / "deployment.json").read_text()
    for name in ("market", "keeper-1", "index"):
        os.kill(first[name], signal.SIGKILL)
    until(lambda: everything.running.restarts.keys() >= {"market", "keeper-1", "index"})
    until(lambda: everything.running.ready)
    block = everything.block()
    until(lambda: everything.block() > block + 20)
    assert (everything.folder / "deployment.json").read_text() == deployment
    assert everything.pids()["chain"] == first["chain"]

    last = everything.pids()
    stopped = everything.down()
    assert (stopped.returncode, stopped.stdout) == (0, "Stopped.\n")
    assert not [name for name, pid in last.items() if psutil.pid_exists(pid)]
    assert everything.down().stdout == "Nothing runs.\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere `weir down` is needed first")
def test_a_killed_supervisor_leaves_no_orphan(everything: Up) -> None:
    assert everything.up().returncode == 0
    children = everything.pids()
    supervisor = everything.running.supervisor.pid
    os.kill(supervisor, signal.SIGKILL)
    until(lambda: not [name for name, pid in children.items() if psutil.pid_exists(pid)])
    # What it has left of itself is no obstacle.
    assert everything.down().returncode == 0
    assert not (everything.folder / "running.json").exists()


def test_a_child_that_outlives_its_supervisor_is_found(tmp_path: Path) -> None:
    """By what it is, not by its number alone."""
    sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    with subprocess.Popen(sleep) as left, subprocess.Popen(sleep) as other:
        try:
            began = {name: psutil.Process(p.pid).create_time() for name, p in (("l", left), ("o", other))}
            running = {
                "supervisor": {"pid": 2**22 - 1, "began": 0},
                "children": {
                    "keeper-1": {"pid": left.pid, "began": began["l"]},
                    # Another program has got this number since.
                    "keeper-2": {"pid": other.pid, "began": began["o"] - 1_000},
                },
            }
            (tmp_path / "running.json").write_text(json.dumps(running), encoding="utf-8")
            stopped = Up(tmp_path).down()
            assert stopped.stdout == "The supervisor was gone; stopped what it had left: keeper-1.\n"
            assert left.wait(PATIENCE) == -signal.SIGTERM
            assert other.poll() is None
        finally:
            left.kill()
            other.kill()


def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    up = Up(tmp_path / "up")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", up.port + 1))
        taken.listen()
        started = up.up()
    assert started.returncode == 1
    assert started.stderr.startswith(f"weir: port {up.port + 1}: ")
