"""The engine: the same bits however its work is split, and each path found again by its number."""

from __future__ import annotations

import os
import signal
from dataclasses import replace

import distributed
import numpy as np
import pytest

from weir.risk.bench import made_up_book, made_up_impact, made_up_model
from weir.risk.errors import RiskError
from weir.risk.simulation.engine import (
    CHUNK,
    Paths,
    Scenarios,
    _events,
    account_statistics,
    moves,
    simulate,
)
from weir.risk.simulation.executors import Cluster, Threads, executor

BOOK = made_up_book(400, 3, 2)
MODEL = made_up_model(3, 2)
IMPACT = made_up_impact(BOOK, 20)
N = 3 * CHUNK + 77


@pytest.fixture(scope="module")
def paths() -> Paths:
    return simulate(BOOK, MODEL, IMPACT, paths=N, seed=9)


def _same(a: Paths, b: Paths) -> None:
    for name in ("losses", "stablecoins", "closed_out"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
    assert a.unconverged == b.unconverged


@pytest.mark.parametrize("workers", [2, 4])
def test_threads_give_the_same_bits(paths, workers):
    done: list[int] = []
    _same(
        simulate(BOOK, MODEL, IMPACT, paths=N, seed=9, executor=Threads(workers), progress=done.append), paths
    )
    assert done == [CHUNK, 2 * CHUNK, 3 * CHUNK, N]


@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_cluster_gives_the_same_bits_though_a_worker_dies(paths, number, monkeypatch):
    monkeypatch.setattr(Cluster, "PATIENCE", "300s")
    with (
        distributed.LocalCluster(
            n_workers=number, threads_per_worker=1, dashboard_address=None, silence_logs="CRITICAL"
        ) as cluster,
        distributed.Client(cluster, set_as_default=False) as client,
    ):
        workers = client.run(os.getpid)
        killed: list[int] = []

        def kill(_: int) -> None:
            if not killed:
                killed.append(next(iter(workers.values())))
                os.kill(killed[0], signal.SIGKILL)

        on_cluster = executor(scheduler=cluster.scheduler_address)
        assert isinstance(on_cluster, Cluster)
        _same(simulate(BOOK, MODEL, IMPACT, paths=N, seed=9, executor=on_cluster, progress=kill), paths)
        assert killed


def test_fewer_paths_are_the_first_of_more(paths):
    few = simulate(BOOK, MODEL, IMPACT, paths=CHUNK + 5, seed=9)
    np.testing.assert_array_equal(few.losses, paths.losses[: CHUNK + 5])
    other = simulate(BOOK, MODEL, IMPACT, paths=CHUNK, seed=10)
    assert not np.array_equal(other.losses, paths.losses[:CHUNK])


def test_a_tails_paths_are_found_again(paths):
    tail = np.argsort(paths.losses)[-200:]
    changes = moves(BOOK, MODEL, IMPACT, tail, 9)
    losses, _ = Scenarios(BOOK).losses_at(IMPACT, changes, cascade=False)
    np.testing.assert_array_equal(losses, paths.losses[tail])
    np.testing.assert_array_equal(changes[:, 3:].astype(np.float32), paths.stablecoins[tail])
    # Contributions of accounts add up to the tail's mean.
    assert _events(BOOK, changes)[2].sum() == pytest.approx(paths.losses[tail].sum(), rel=1e-6)


def test_accounts_expected_losses_add_up_to_the_funds(paths):
    found = account_statistics(BOOK, MODEL, IMPACT, paths=CHUNK + 9, seed=9, executor=Threads(2))
    assert found.loss.sum() == pytest.approx(paths.losses[: CHUNK + 9].mean(), rel=1e-6)
    assert (found.defaulted <= found.liquidated).all()
    assert found.defaulted.max() > 0
    again = account_statistics(BOOK, MODEL, IMPACT, paths=CHUNK + 9, seed=9)
    np.testing.assert_array_equal(again.loss, found.loss)


def test_nearly_all_paths_settle(paths):
    assert paths.unconverged == 0
    assert (paths.closed_out > 0).mean() > 0.1


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"exposures": made_up_book(5, 2)}, "factors"),
        ({"impact": replace(IMPACT, cap=np.ones(5))}, "impact.cap"),
        ({"paths": 0}, "paths"),
        ({"seed": -1}, "seed"),
    ],
)
def test_what_makes_no_sense_is_refused(wrong, name):
    given = {"exposures": BOOK, "model": MODEL, "impact": IMPACT, "paths": 10, "seed": 0} | wrong
    with pytest.raises(RiskError, match=name):
        simulate(**given)


@pytest.mark.parametrize(
    "wrong",
    [
        {"workers": 0},
        {"device": "tpu"},
        {"workers": 1, "scheduler": "tcp://127.0.0.1:1"},
    ],
)
def test_options_that_do_not_go_together_are_refused(wrong):
    with pytest.raises(RiskError):
        executor(**wrong)


def test_a_scheduler_that_is_not_there_is_refused(monkeypatch):
    monkeypatch.setattr(Cluster, "PATIENCE", "1s")
    with pytest.raises(RiskError, match="scheduler"):
        simulate(BOOK, MODEL, IMPACT, paths=10, executor=executor(scheduler="tcp://127.0.0.1:9"))
