"""The watcher goes on whatever the node, the chain and the database do, and says what is wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from tests.ports import free_ports
from tests.unit.monitor.reading import watcher_of
from weir.accounts import development_account
from weir.bench.stage import Stage, account
from weir.chain import connect, encode_call
from weir.client import Weir
from weir.deployment import deploy
from weir.monitor import history, repeated
from weir.monitor.history import Closure
from weir.monitor.repeated import Repeated
from weir.monitor.watch import LAGS, Watcher
from weir.node import Node
from weir.parameters import MarketParameters, Parameters, funding_struct
from weir.snapshot import take
from weir.status import collect
from weir.store import Store, StoreError


def wait(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


# ------------------------------------------------------------------------ a reading


def test_a_reading_is_everything_at_one_block(stage: Stage) -> None:
    weir = stage.weir
    reading = watcher_of(stage).latest()
    assert reading is not None
    assert reading.block == int(weir.chain.block()["number"], 16)
    assert reading.time == weir.chain.timestamp()
    assert reading.status == collect(weir)
    assert (reading.accounts, reading.markets, reading.fund) == (
        weir.accounts(),
        weir.markets(),
        weir.fund_state(),
    )
    assert reading.closure is None


def test_the_policy_is_what_governance_has_made_of_it(stage: Stage) -> None:
    """The deployment's file still has what it began with."""
    weir = stage.weir
    began = weir.deployment.parameters.funding
    assert take(weir).policy == began
    wanted = began.model_copy(update={"stress_from": 900_000, "cap_floor": Decimal("123456.789")})
    change = weir.policy.functions.setParameters(funding_struct(wanted, weir.deployment.decimals))
    before = int(weir.chain.block()["number"], 16)
    announced = weir.authority.functions.schedule(weir.policy.address, encode_call(change), 0)
    stage.send("governor", announced)
    stage.wait(weir.deployment.parameters.governance.delay)
    stage.send("governor", change)
    reading = watcher_of(stage).latest()
    assert reading is not None
    assert reading.seen.policy == wanted
    assert take(weir, before).policy == began


def test_a_block_is_read_once(stage: Stage) -> None:
    watcher = watcher_of(stage)
    first = watcher.latest()
    watcher.step()
    again = watcher.latest()
    assert first is not None
    assert again is not None
    assert again.seen is first.seen
    assert again.taken_at > first.taken_at
    assert again.new_at == first.new_at <= first.taken_at, "it was first seen when it was"
    stage.node.mine()
    watcher.step()
    latest = watcher.latest()
    assert latest is not None
    assert latest.block == first.block + 1
    assert latest.new_at > again.taken_at


# ------------------------------------------------------------------- nodes and chains


def test_a_node_that_goes_back_is_waited_for_and_then_believed(stage: Stage) -> None:
    node = stage.node
    snapshot = node.rpc("evm_snapshot")
    node.mine(5)
    watcher = watcher_of(stage)
    seen = watcher.latest()
    assert seen is not None
    node.rpc("evm_revert", snapshot)
    for attempt in range(1, LAGS + 1):
        watcher.step()
        assert watcher.latest() == seen
        assert f"and has shown {seen.block} before" in str(watcher.error())
        assert (watcher.moves, watcher.failures) == (attempt, 0), "the node has done nothing wrong"
    watcher.step()
    assert watcher.error() is None
    latest = watcher.latest()
    assert latest is not None
    assert latest.block == seen.block - 5


def test_a_node_that_catches_up_is_read_on(stage: Stage) -> None:
    node = stage.node
    snapshot = node.rpc("evm_snapshot")
    node.mine(3)
    watcher = watcher_of(stage)
    seen = watcher.latest()
    assert seen is not None
    node.rpc("evm_revert", snapshot)
    watcher.step()
    assert watcher.error() is not None
    node.mine(4)
    watcher.step()
    latest = watcher.latest()
    assert watcher.error() is None
    assert latest is not None
    assert latest.block == seen.block + 1


def test_it_outlives_the_node_the_chain_and_the_deployment(tmp_path: Path) -> None:
    """A node dies; another comes with an empty chain; then something else is deployed there."""
    file = tmp_path / "31337.json"

    def put_up(node: Node, symbol: str) -> None:
        market = MarketParameters(symbol=symbol, price=100)
        deploy(connect(node.url), development_account(0), Parameters(markets=(market,)), folder=tmp_path)

    def symbols() -> list[str]:
        reading = watcher.latest()
        return [market.symbol for market in reading.markets] if reading else []

    (port,) = free_ports(1)
    with Node("anvil", port=port) as node:
        url = node.url
        watcher = Watcher(lambda: Weir.connect(url, file), interval=0.05)
        watcher.start()
        try:
            wait(lambda: "deployment" in str(watcher.error()) or "31337.json" in str(watcher.error()))
            put_up(node, "BTC")
            wait(lambda: symbols() == ["BTC"])
            node.stop()
            wait(lambda: "no node answers" in str(watcher.error()))
            assert symbols() == ["BTC"]
            with Node("anvil", port=port) as another:
                wait(lambda: "deploy anew" in str(watcher.error()))
                put_up(another, "ETH")
                wait(lambda: symbols() == ["ETH"])
                assert watcher.error() is None
                assert watcher.failures > 2
        finally:
            watcher.stop()


# ------------------------------------------------------------------------- the closure


def test_since_when_it_is_so_is_read_from_the_chain_not_remembered(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "SPAN", 10)
    node = stage.node
    stage.price(BTC=30_000)
    stage.send("keeper", stage.weir.clearing_house.functions.refresh(stage.weir.market_id("BTC")))
    stage.send("keeper", stage.flag("trader"))
    marked_at = stage.weir.chain.timestamp()
    node.rpc("anvil_mine", hex(45))  # further back than one look at the logs goes
    closed = _closure(stage)
    assert closed.gate == marked_at
    assert closed.accounts == {account("trader").address: marked_at}

    node.rpc("anvil_mine", hex(100))  # and further than is looked at all: it is at least so old
    reading = watcher_of(stage).latest()
    assert reading is not None
    oldest = stage.weir.chain.block(reading.block - history.SPAN * history.SPANS + 1)
    closed = _closure(stage)
    assert closed.gate == int(oldest["timestamp"], 16) > marked_at
    assert [*closed.accounts.values()] == [closed.gate]


def test_the_gate_stays_closed_from_a_mark_to_the_last_advance(stage: Stage) -> None:
    """The default is over, and nobody insolvent any more: what the reserve owes to the tranches is left."""
    weir, node = stage.weir, stage.node
    stage.price(BTC=15_000)
    stage.send("keeper", weir.clearing_house.functions.refresh(weir.market_id("BTC")))
    stage.send("keeper", stage.flag("trader"))
    marked_at = weir.chain.timestamp()
    node.increase_time(700)
    stage.price(BTC=15_000)
    weir.chain.send(account("keeper"), stage.deleverage("trader"), gas=3_000_000)
    fund = weir.fund_state()
    assert fund.insolvencies == 0
    assert fund.advanced_junior + fund.advanced_senior > 0
    closed = _closure(stage)
    assert (closed.gate, closed.accounts) == (marked_at, {})


def _closure(stage: Stage) -> Closure:
    reading = watcher_of(stage).latest()
    assert reading is not None
    assert reading.closure is not None
    return reading.closure


def test_members_who_never_came_to_the_vault_are_found_as_they_join(stage: Stage) -> None:
    watcher = watcher_of(stage)
    stage.send("stranger", stage.join("stranger", 5_000))
    watcher.step()
    reading = watcher.latest()
    assert reading is not None
    assert account("stranger").address not in {each.address for each in reading.accounts}
    members = {member.address: member.balance for member in reading.seen.members}
    assert members[account("stranger").address] == pytest.approx(stage.units(5_000), abs=1)
    assert reading.seen.members == stage.weir.members()


# ---------------------------------------------------------------------------- the store


def test_a_store_that_is_away_leaves_the_chain_readable(stage: Stage) -> None:
    def away() -> Store:
        raise StoreError("the database is away")

    watcher = Watcher(lambda: Weir(connect(stage.node.url), stage.weir.deployment), away)
    watcher.step()
    assert watcher.latest() is not None
    assert watcher.error() is None
    assert watcher.days() is None
    assert watcher.store_error() == "the database is away"
    assert watcher.store_failures == 1


# ----------------------------------------------------------------------------- repeating


class Clock:
    """Stands still but for what an attempt takes."""

    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(repeated, "time", found)
    return found


def test_what_fails_is_tried_after_ever_longer_pauses(clock: Clock) -> None:  # noqa: ARG001
    answers = iter([ValueError("one\n  line"), *[OSError("away")] * 9])

    def attempt() -> int:
        if (answer := next(answers, None)) is not None:
            raise answer
        return 7

    job = Repeated("job", attempt, 2.0)
    job.step()
    assert (job.error(), job.latest(), job.pause()) == ("one line", None, 2)
    pauses = []
    for _ in range(9):
        job.step()
        pauses.append(job.pause())
    assert pauses == [4, 8, 16, 30, 30, 30, 30, 30, 30]
    assert (job.error(), job.failures) == ("away", 10)
    job.step()
    assert (job.error(), job.latest(), job.pause(), job.failures) == (None, 7, 2, 10)


def test_what_is_slow_is_done_less_often(clock: Clock) -> None:
    def attempt() -> None:
        clock.now += 6

    job = Repeated("job", attempt, 2.0)
    job.step()
    assert job.pause() == pytest.approx(12)
