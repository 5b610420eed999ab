"""What the index does not believe: another process's database, a node that waits, lies or was replaced."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest
from sqlalchemy import insert, select

from tests.integration.indexing import TRADER, catch_up, check, elsewhere, rows, tip_of, young_weir
from tests.ports import free_ports
from weir.chain import Chain, NodeUnreachableError, RpcError, connect
from weir.client import Weir
from weir.heads import WINDOW, ChainMovedError
from weir.index import bloom, follow, running, tables
from weir.index.follow import Follower
from weir.index.queries import state_at
from weir.index.rebuild import checkpoint
from weir.index.running import Runner
from weir.index.tables import OtherDeploymentError
from weir.store import Store
from weir.toolchain import anvil


@pytest.fixture(scope="module")
def small() -> Iterator[Weir]:
    """A deployment with a few deposits behind it."""
    with young_weir() as weir:
        for amount in (1_000, 2_000, 3_000):
            deposit(weir, amount)
        yield weir


@pytest.fixture(autouse=True)
def as_it_was(small: Weir) -> Iterator[None]:
    """Each test has the chain to itself."""
    before = small.chain.rpc("evm_snapshot")
    yield
    small.chain.rpc("evm_revert", before)


@pytest.fixture
def fresh(tmp_path: Path) -> Store:
    return Store.open(f"sqlite:///{tmp_path / 'index.sqlite3'}")


def url_of(weir: Weir) -> str:
    return str(weir.chain.w3.provider.endpoint_uri)  # type: ignore[union-attr]


def deposit(weir: Weir, amount: int) -> None:
    """By a client of its own: another may remember a nonce of blocks that are gone."""
    chain = Chain(connect(url_of(weir)))
    chain.send(TRADER, weir.vault.functions.deposit(TRADER.address, amount), gas=500_000)


# ------------------------------------------------------------- two on one database


@contextmanager
def fork_of(weir: Weir) -> Iterator[Weir]:
    """The same deployment behind another node, which goes its own way from now on."""
    latest = int(weir.chain.block("latest")["number"], 16)
    (port,) = free_ports(1)
    source = ("--fork-url", url_of(weir), "--fork-block-number", str(latest))
    command = [str(anvil()), *source, "--port", str(port), "--no-mining", "--silent"]
    with subprocess.Popen(command) as process:
        try:
            other = Weir(connect(f"http://127.0.0.1:{port}"), weir.deployment)
            while True:
                try:
                    assert int(other.chain.block("latest")["number"], 16) == latest
                    break
                except NodeUnreachableError:
                    assert process.poll() is None
                    time.sleep(0.05)
            yield other
        finally:
            process.terminate()


@pytest.mark.parametrize("undoing", [False, True])
def test_two_processes_behind_two_nodes_do_not_mix_their_branches(
    small: Weir, fresh: Store, undoing: bool
) -> None:
    """One follows a branch, another one of the same length; the first goes on, or undoes a block."""
    chain = small.chain
    with fork_of(small) as other:
        for amount in (10, 20):
            deposit(small, amount)
        last = chain.rpc("evm_snapshot")
        deposit(small, 30)
        other.chain.rpc("anvil_mine", hex(3))
        first = Follower(chain, small.deployment, fresh)
        while first.step().behind:
            pass
        assert catch_up(other, fresh)[0].undone == 3
        if undoing:
            chain.rpc("evm_revert", last)
            elsewhere(chain, 1)
        deposit(small, 40)
        with pytest.raises(ChainMovedError, match="another process"):
            first.step()
        while first.step().behind:
            pass
    for number, block_hash, *_ in rows(fresh, tables.blocks)["index_block"]:
        assert chain.block(number)["hash"] == block_hash
    check(small, fresh)


# ---------------------------------------------------------------------- waiting


def test_a_node_that_is_set_back_for_good_is_believed_at_last(small: Weir, fresh: Store) -> None:
    before = small.chain.rpc("evm_snapshot")
    small.chain.rpc("anvil_mine", hex(60))
    catch_up(small, fresh)
    follower = Follower(small.chain, small.deployment, fresh)
    kept = tip_of(fresh)
    small.chain.rpc("evm_revert", before)
    for _ in range(follow._PATIENCE):
        assert follower.step().waiting
    assert tip_of(fresh) == kept
    step = follower.step()
    assert (step.undone, step.waiting, step.rebuilt) == (60, False, False)
    check(small, fresh)


def test_who_waits_does_not_tell_of_success(
    small: Weir, fresh: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its health goes bad, its metrics say so, and `once` does not end before the node is believed."""
    clock = [1_000.0]
    monkeypatch.setattr(running.time, "monotonic", lambda: clock[0])
    before = small.chain.rpc("evm_snapshot")
    small.chain.rpc("anvil_mine", hex(5))
    runner = Runner(lambda: Follower(small.chain, small.deployment, fresh), 0.001)
    runner.run(once=True)
    told = metrics(runner)
    small.chain.rpc("evm_revert", before)
    waits = []

    def later(step: follow.Step) -> None:
        clock[0] += 61
        if step.waiting:
            now = metrics(runner)
            waits.append(runner.health())
            assert now["weir_index_waiting"] == 1
            assert (
                now["weir_index_last_success_timestamp_seconds"]
                == told["weir_index_last_success_timestamp_seconds"]
            )

    runner.run(once=True, progress=later)
    assert len(waits) == follow._PATIENCE
    assert all("waiting" in health.reason for health in waits)
    assert not any(health.healthy for health in waits[2:])
    assert metrics(runner)["weir_index_waiting"] == 0
    check(small, fresh)


def metrics(runner: Runner) -> dict[str, float]:
    lines = generate_latest(runner.registry).decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


# ---------------------------------------------------------- what is not the chain


def test_a_replaced_chain_is_not_indexed_as_the_old_one(
    small: Weir, fresh: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every block is another one, the deployment's too: refused, and what there is stays."""
    catch_up(small, fresh)
    follower = Follower(small.chain, small.deployment, fresh)
    kept, ask = rows(fresh), small.chain.rpc_batch

    def replaced(requests: Any) -> list[Any]:
        answers = ask(requests)
        for (method, _), answer in zip(requests, answers, strict=True):
            if method == "eth_getBlockByNumber":
                for name in ("hash", "parentHash"):
                    answer[name] = "0x" + answer[name][:1:-1]
        return answers

    monkeypatch.setattr(small.chain, "rpc_batch", replaced)
    with pytest.raises(OtherDeploymentError, match="was replaced"):
        follower.step()
    assert rows(fresh) == kept


@pytest.mark.parametrize("short", [False, True])
def test_logs_that_are_late_are_asked_for_again(
    small: Weir, fresh: Store, short: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A node that gives nothing, or another contract's logs only, the first time that it is asked."""
    ask, asked = small.chain.rpc_batch, set()
    vault = small.vault.address.lower()

    def late(requests: Any) -> list[Any]:
        answers = ask(requests)
        for at, (method, parameters) in enumerate(requests):
            if method == "eth_getLogs" and (key := str(parameters)) not in asked:
                asked.add(key)
                answers[at] = [log for log in answers[at] if short and log["address"].lower() != vault]
        return answers

    monkeypatch.setattr(small.chain, "rpc_batch", late)
    catch_up(small, fresh)
    assert state_at(fresh).accounts[TRADER.address].cash == 6_000
    check(small, fresh)


def test_no_answer_is_the_nodes_error(small: Weir, fresh: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = small.chain.rpc_batch

    def mute(requests: Any) -> list[Any]:
        return [
            None if method == "eth_getLogs" else answer
            for (method, _), answer in zip(requests, ask(requests), strict=True)
        ]

    follower = Follower(small.chain, small.deployment, fresh)
    monkeypatch.setattr(small.chain, "rpc_batch", mute)
    with pytest.raises(RpcError, match="eth_getLogs"):
        follower.step()


def test_a_filter_has_all_that_logged(small: Weir) -> None:
    header = small.chain.block("latest")
    told, silent = small.vault.address, small.guaranty.address
    assert bloom.has(int(header["logsBloom"], 16), told)
    assert not bloom.has(int(header["logsBloom"], 16), silent)


# -------------------------------------------------------------- what is not kept


def test_old_blocks_without_events_are_forgotten(small: Weir, fresh: Store) -> None:
    follower = Follower(small.chain, small.deployment, fresh)
    for blocks in (1, WINDOW, 40):
        small.chain.rpc("anvil_mine", hex(blocks))
        while follower.step().behind:
            pass
    kept = rows(fresh)
    numbers = [row[0] for row in kept["index_block"]]
    told = {row[0] for row in kept["index_event"]}
    last = numbers[-1]
    assert set(numbers) == told | set(range(last - WINDOW + 1, last + 1))
    check(small, fresh)


def test_checkpoints_of_an_older_program_do_not_hinder_new_ones(
    small: Weir, fresh: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    follower = Follower(small.chain, small.deployment, fresh)
    with fresh.write() as connection:
        old = {"block": small.deployment.block + 1, "events": 10**6, "shape": "old", "state": b""}
        connection.execute(insert(tables.checkpoints).values(old))
    monkeypatch.setattr(follow, "_BETWEEN_CHECKPOINTS", 1)
    while follower.step().behind:
        pass
    with fresh.read() as connection:
        shapes = set(connection.execute(select(tables.checkpoints.c.shape)).scalars())
    assert shapes == {checkpoint.shape()}
