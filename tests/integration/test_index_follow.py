"""The index of a real chain: whole, once, after kills, on both databases, and through reorganisations.

The chain's history is a sequence of the fuzzer, so that every block does something else. Tests that change
the chain come last.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from tests.databases import KINDS, database
from tests.integration.indexing import TRADER, catch_up, check, elsewhere, rows, tip_of, young_weir
from weir.accounts import development_account
from weir.chain import Chain, RpcError
from weir.cli import cli
from weir.client import Weir
from weir.deployment import Deployment
from weir.fuzz.clearing.factory import clearing
from weir.fuzz.clearing.onchain import on_anvil
from weir.fuzz.clearing.setting import SETTINGS
from weir.fuzz.sequence import run
from weir.heads import WINDOW
from weir.index import tables
from weir.index.follow import Follower
from weir.index.queries import days, layers, state_at
from weir.index.rebuild.checkpoint import dump
from weir.index.tables import OtherDeploymentError
from weir.index.verify import verify
from weir.store import Store
from weir.toolchain import ROOT

SETTING, SEED, CALLS = "edges-six", 14, 100


@pytest.fixture(scope="module")
def weir() -> Iterator[Weir]:
    """Weir on a node, with a history behind it; blocks come when they are asked for."""
    steps = run(clearing(SETTING, None), SEED, CALLS).steps
    with on_anvil(SETTINGS[SETTING]) as subject:
        for step in steps:
            subject.execute(step)
        yield subject.system.weir


@pytest.fixture
def young() -> Iterator[Weir]:
    with young_weir() as weir:
        yield weir


@pytest.fixture(scope="module")
def chain(weir: Weir) -> Chain:
    return weir.chain


@pytest.fixture(scope="module")
def whole(weir: Weir, tmp_path_factory: pytest.TempPathFactory) -> Store:
    """The index of that history, made without trouble."""
    store = Store.open(f"sqlite:///{tmp_path_factory.mktemp('index') / 'whole.sqlite3'}")
    catch_up(weir, store)
    return store


# ----------------------------------------------------------------- undisturbed


def test_the_rebuilt_state_is_the_chains_at_every_block(weir: Weir, whole: Store) -> None:
    tip = int(weir.chain.rpc("eth_blockNumber"), 16)
    sequence = verify(weir.chain, weir.deployment, whole, first=tip - CALLS)
    assert not sequence.differences, list(map(str, sequence.differences))
    assert sequence.blocks == CALLS + 1
    before = verify(weir.chain, weir.deployment, whole, every=20, last=tip - CALLS)
    assert not before.differences


def test_a_difference_is_found_and_told(weir: Weir, whole: Store, tmp_path: Path) -> None:
    """One event less in a copy of the database: the comparison names the view, and ends with 1."""
    with whole.read() as connection:
        data = connection.connection.driver_connection.serialize()
    copy = tmp_path / "copy.sqlite3"
    copy.write_bytes(data)
    store = Store.open(f"sqlite:///{copy}")
    with store.write() as connection:
        gone = connection.execute(
            select(tables.events).where(tables.events.c.name == "Deposited").order_by(tables.events.c.block)
        ).first()
        connection.execute(
            tables.events.delete().where(
                tables.events.c.block == gone.block, tables.events.c.log_index == gone.log_index
            )
        )
        connection.execute(tables.checkpoints.delete())
    file = tmp_path / "deployment.json"
    weir.deployment.save(file)
    options = [
        *on(weir, file),
        "--store",
        f"sqlite:///{copy}",
        "--from",
        str(gone.block),
        "--to",
        str(gone.block),
    ]
    answer = CliRunner().invoke(cli, ["index", "verify", *options], standalone_mode=False)
    assert answer.return_value == 1
    assert f"block {gone.block}: Vault.accountCount(), word 0" in answer.output


def test_indexing_twice_changes_nothing(weir: Weir, whole: Store) -> None:
    before = rows(whole)
    (step,) = catch_up(weir, whole)
    assert (step.events, step.undone, step.behind) == (0, 0, 0)
    assert rows(whole) == before


@pytest.mark.parametrize("kind", KINDS)
def test_both_databases_hold_the_same(
    weir: Weir, whole: Store, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    with database(kind, tmp_path_factory.mktemp("db")) as url:
        store = Store.open(url)
        catch_up(weir, store)
        wanted = (tables.blocks, tables.events, tables.concerns, tables.points)
        assert rows(store, *wanted) == rows(whole, *wanted)
        assert dump(state_at(store)) == dump(state_at(whole))
        assert layers(store, points=7) == layers(whole, points=7)
        assert days(store) == days(whole)
        check(weir, store)
        store.close()


def test_a_span_that_the_node_refuses_is_halved(
    weir: Weir, whole: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []
    batch = weir.chain.rpc_batch

    def stingy(requests: Any) -> Any:
        for method, parameters in requests:
            if method == "eth_getLogs" and "fromBlock" in parameters[0]:
                asked.append(int(parameters[0]["toBlock"], 16) - int(parameters[0]["fromBlock"], 16) + 1)
                if asked[-1] > 60:
                    return [RpcError(method, -32005, "query returns more than 10000 results")]
        return batch(requests)

    monkeypatch.setattr(weir.chain, "rpc_batch", stingy)
    store = Store.open(f"sqlite:///{tmp_path / 'halved.sqlite3'}")
    catch_up(weir, store)
    assert max(asked) > 60
    wanted = (tables.events, tables.concerns, tables.points)
    assert rows(store, *wanted) == rows(whole, *wanted)


def test_another_deployments_database_is_refused(weir: Weir, whole: Store) -> None:
    record = weir.deployment.contracts["Vault"]
    moved = record.model_copy(update={"address": "0x" + "12" * 20})
    other: Deployment = weir.deployment.model_copy(
        update={"contracts": {**weir.deployment.contracts, "Vault": moved}}
    )
    with pytest.raises(OtherDeploymentError, match="another deployment"):
        Follower(weir.chain, other, whole)
    later = weir.deployment.model_copy(update={"block": weir.deployment.block + 1})
    with pytest.raises(OtherDeploymentError, match="another chain"):
        Follower(weir.chain, later, whole)


# ---------------------------------------------------------------------- killed


def on(weir: Weir, file: Path) -> list[str]:
    return ["--rpc", str(weir.chain.w3.provider.endpoint_uri), "--deployment", str(file)]  # type: ignore[union-attr]


def launch(code: str, arguments: list[str]) -> subprocess.Popen[str]:
    program = f"{code}\nfrom weir.cli import main\nmain({arguments!r})"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_killed_at_any_moment_it_leaves_a_prefix_and_goes_on(
    weir: Weir, whole: Store, tmp_path: Path
) -> None:
    """In small spans, killed three times on the way."""
    file, url = tmp_path / "deployment.json", f"sqlite:///{tmp_path / 'killed.sqlite3'}"
    weir.deployment.save(file)
    store, full = Store.open(url), rows(whole)
    small = "from weir.index import follow; follow._FIRST_SPAN = follow._WIDEST_SPAN = 5"
    arguments = ["index", "run", "--once", *on(weir, file), "--store", url]
    newest = full["index_block"][-1][0]
    for part in range(1, 4):
        process = launch(small, arguments)
        while tip_of(store) < newest * part // 4 and process.poll() is None:
            time.sleep(0.002)
        process.kill()
        process.wait()
        tip = tip_of(store)
        for name, column in (("index_event", 0), ("index_concern", 1), ("index_point", 0)):
            assert rows(store)[name] == [row for row in full[name] if row[column] <= tip], name
    last = launch(small, arguments)
    assert last.wait() == 0, last.communicate()
    wanted = (tables.events, tables.concerns, tables.points)
    assert rows(store, *wanted) == {table.name: full[table.name] for table in wanted}
    check(weir, store)


def test_it_follows_tells_how_it_is_and_ends_when_asked_to(weir: Weir, tmp_path: Path) -> None:
    file, url = tmp_path / "deployment.json", f"sqlite:///{tmp_path / 'followed.sqlite3'}"
    weir.deployment.save(file)
    arguments = ["index", "run", *on(weir, file), "--store", url, "--interval", "0.05", "--port", "0"]
    process = launch("", arguments)
    try:
        assert process.stderr is not None
        address = next(line.strip() for line in process.stderr if line.startswith("http"))
        latest = int(weir.chain.rpc("eth_blockNumber"), 16)
        while json.loads(urlopen(address.replace("metrics", "healthz")).read()).get("block", 0) < latest:
            time.sleep(0.05)
        metrics = urlopen(address).read().decode()
        assert f"weir_index_block {float(latest)}" in metrics
        assert "weir_index_behind_blocks 0.0" in metrics
        assert "weir_index_reorgs_total 0.0" in metrics
    finally:
        process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=120) == 0
    check(weir, Store.open(url))


# ----------------------------------------------------------- the chain changes


def test_a_chain_that_is_set_back_is_waited_for_then_followed(
    weir: Weir, chain: Chain, tmp_path: Path
) -> None:
    before = chain.rpc("evm_snapshot")
    chain.rpc("anvil_mine", hex(3))
    store = Store.open(f"sqlite:///{tmp_path / 'back.sqlite3'}")
    catch_up(weir, store)
    follower = Follower(chain, weir.deployment, store)
    kept = rows(store)
    chain.rpc("evm_revert", before)
    assert follower.step().waiting
    assert rows(store) == kept
    elsewhere(chain, 5)
    step = follower.step()
    assert (step.undone, step.waiting) == (3, False)
    check(weir, store, last=2)


def test_a_chain_that_changed_deeper_than_is_remembered_is_indexed_anew(
    weir: Weir, chain: Chain, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before = chain.rpc("evm_snapshot")
    chain.rpc("anvil_mine", hex(WINDOW + 10))
    store = Store.open(f"sqlite:///{tmp_path / 'deep.sqlite3'}")
    catch_up(weir, store)
    follower = Follower(chain, weir.deployment, store)
    chain.rpc("evm_revert", before)
    elsewhere(chain, WINDOW + 20)
    step = follower.step()
    assert step.rebuilt
    assert f"more than {WINDOW} blocks deep" in caplog.text
    while step.behind:
        step = follower.step()
    check(weir, store, last=2)


@pytest.mark.parametrize("kind", KINDS)
def test_reorganisations_of_every_depth_are_followed(
    young: Weir, kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """From 1 to 12 blocks, one after the other: what is undone goes, what comes instead is taken in."""
    weir, chain = young, young.chain
    for amount in range(1, 15):
        chain.send(TRADER, weir.vault.functions.deposit(TRADER.address, amount), gas=500_000)
    nobody = development_account(9).address
    with database(kind, tmp_path_factory.mktemp("db")) as url:
        store = Store.open(url)
        catch_up(weir, store)
        cash = [state_at(store).accounts[TRADER.address].cash]
        follower = Follower(chain, weir.deployment, store)
        for depth in range(1, 13):
            here = tip_of(store)
            transfer = {"from": nobody, "to": nobody, "value": hex(depth), "gas": hex(21_000)}
            chain.rpc("anvil_reorg", depth, [[transfer, 0]])
            step = follower.step()
            assert (step.undone, step.rebuilt, step.block) == (depth, False, here)
            cash.append(state_at(store).accounts[TRADER.address].cash)
            check(weir, store, last=2)
        assert [after - before for before, after in pairwise(cash)] == [-each for each in range(14, 2, -1)]
        anew = Store.open(f"sqlite:///{tmp_path_factory.mktemp('db') / 'anew.sqlite3'}")
        catch_up(weir, anew)
        wanted = (tables.events, tables.concerns, tables.points)
        assert rows(store, *wanted) == rows(anew, *wanted)
        store.close()
