"""Local chains: both kinds start alike, keep time alike, and leave nothing behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.ports import free_ports
from weir.node import KINDS, Kind, Node, NodeError, start_node

GENESIS = 1_700_000_000
FIRST_ACCOUNT = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266"

pytestmark = pytest.mark.parametrize("kind", KINDS)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def gone(pid: int, seconds: float = 60) -> bool:
    deadline = time.monotonic() + seconds
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(pid)


def test_a_node_answers_as_it_was_described(kind: Kind) -> None:
    with Node(kind, chain_id=4242, accounts=3, balance=5, gas_limit=12_000_000, timestamp=GENESIS) as node:
        eth = node.web3.eth
        assert eth.chain_id == 4242
        assert len(eth.accounts) == 3
        assert eth.accounts[0] == FIRST_ACCOUNT
        assert eth.get_balance(eth.accounts[2]) == 5 * 10**18
        first = eth.get_block(0)
        assert first["gasLimit"] == 12_000_000
        assert first["timestamp"] == node.now() == GENESIS


def test_the_clock_moves_only_as_told(kind: Kind) -> None:
    with Node(kind, timestamp=GENESIS) as node:
        time.sleep(1.1)
        assert node.mine() == GENESIS + 1
        assert node.mine(3) == GENESIS + 4
        assert node.mine(timestamp=GENESIS + 100) == GENESIS + 100
        assert node.mine(2, timestamp=GENESIS + 200) == GENESIS + 201
        assert node.increase_time(3600) == GENESIS + 3801

        node.set_next_block_timestamp(GENESIS + 5000)
        time.sleep(1.1)
        node.web3.eth.send_transaction({"from": FIRST_ACCOUNT, "to": FIRST_ACCOUNT})
        assert node.now() == GENESIS + 5000
        node.web3.eth.send_transaction({"from": FIRST_ACCOUNT, "to": FIRST_ACCOUNT})
        assert node.now() == GENESIS + 5001


def test_the_rules_are_those_of_shanghai(kind: Kind) -> None:
    with Node(kind) as node:
        push0 = "0x5f5ff3"
        mcopy = "0x5f5f5f5e5f5ff3"
        node.rpc("eth_call", {"data": push0}, "latest")
        with pytest.raises(NodeError, match="eth_call"):
            node.rpc("eth_call", {"data": mcopy}, "latest")


def test_two_nodes_at_once(kind: Kind) -> None:
    with Node(kind) as one, Node(kind) as other:
        one.mine(5)
        assert one.url != other.url
        assert one.web3.eth.block_number == 5
        assert other.web3.eth.block_number == 0


def test_a_named_port_is_the_node_s_or_nobody_s(kind: Kind) -> None:
    (port,) = free_ports(1)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", port))
        listening.listen()
        with pytest.raises(NodeError, match=f"port {port}: "):
            Node(kind, port=port).start()
    with Node(kind, port=port) as node:
        assert node.url.endswith(f":{port}")
        with pytest.raises(NodeError, match=f"port {port}: "):
            Node(kind, port=port).start()


def test_a_node_is_gone_after_its_context(kind: Kind) -> None:
    with Node(kind) as node:
        pid = node.pid
        assert node.running
        assert pid is not None
        assert alive(pid)
    assert not node.running
    assert gone(pid)
    node.stop()


def test_a_node_is_gone_when_the_body_raises(kind: Kind) -> None:
    pids = []

    def fail() -> None:
        with Node(kind) as node:
            pids.append(node.pid)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert gone(pids[0])


def test_a_started_node_is_usable_as_it_is(kind: Kind) -> None:
    node = start_node(kind, chain_id=7)
    pid = node.pid
    assert pid is not None
    with node as same:
        assert same is node
        assert node.pid == pid
        assert node.web3.eth.chain_id == 7
    assert gone(pid)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGTERM,
        pytest.param(
            signal.SIGKILL,
            marks=pytest.mark.skipif(
                sys.platform != "linux", reason="only Linux tells a child that its parent died"
            ),
        ),
    ],
    ids=lambda number: number.name,
)
def test_a_node_does_not_outlive_its_program(kind: Kind, number: signal.Signals, tmp_path: Path) -> None:
    program = (
        "import sys, time; from weir.node import start_node\n"
        f"node = start_node({kind!r}); print(node.pid, flush=True); time.sleep(600)"
    )
    command = [sys.executable, "-c", program]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        assert alive(pid)
        parent.send_signal(number)
        parent.wait(60)
    assert gone(pid)


def test_a_node_that_cannot_start_says_why(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weir.node.HARDFORK", "atlantis")
    with pytest.raises(NodeError, match=f"(?s)^{kind} stopped while starting: .*atlantis"):
        Node(kind).start()


def test_an_unknown_kind_is_refused(kind: Kind) -> None:
    with pytest.raises(ValueError, match=f"unknown kind of node '{kind}2': choose one of anvil, ganache"):
        Node(f"{kind}2")  # type: ignore[arg-type]
