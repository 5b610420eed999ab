"""How a keeper goes on: after failures ever more slowly, until it is told to stop."""

import json
import os
import signal
import threading
from types import SimpleNamespace
from typing import Any, cast

import pytest

from weir.chain import RpcError
from weir.keeper.lease import LeaseLostError
from weir.keeper.outbox import Settled
from weir.keeper.policy import Kind
from weir.keeper.runner import Keeper, StepReport
from weir.keeper.signals import Signals


class Flaky(Keeper):
    """A keeper whose steps fail as often as it is told."""

    def __init__(self, failures: int, error: Exception | None = None) -> None:
        weir = SimpleNamespace(chain=SimpleNamespace(id=31337))
        super().__init__(cast(Any, weir), cast(Any, SimpleNamespace(address="0x10")))
        self.failures = failures
        self.error = error or RpcError("eth_call", -32000, "busy")
        self.calls = 0

    def step(self) -> StepReport:
        self.calls += 1
        if self.calls <= self.failures:
            raise self.error
        return StepReport(block=self.calls, time=0)


class Waits(threading.Event):
    """Never waits; remembers how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return False


def test_it_goes_on_after_failures_ever_more_slowly() -> None:
    keeper, stop, told = Flaky(failures=5), Waits(), []
    report = keeper.run(interval=5, steps=7, stop=stop, fail=told.append)
    assert report is not None
    assert report.block == 7
    assert len(told) == 5
    for pause, longest in zip(stop.pauses, [10, 15, 15, 15, 15], strict=False):
        assert longest * 0.75 <= pause <= longest
    assert stop.pauses[5:] == [5]


@pytest.mark.parametrize("rubbish", [KeyError("timestamp"), TypeError("int(None)"), ValueError("0xzz")])
def test_it_outlives_whatever_a_node_answers(rubbish: Exception) -> None:
    keeper = Flaky(failures=2, error=rubbish)
    assert keeper.run(interval=0, steps=3, stop=Waits()) is not None


def test_a_failure_at_the_end_is_raised() -> None:
    with pytest.raises(RpcError, match="busy"):
        Flaky(failures=3).run(interval=0, steps=3, stop=Waits())


def test_it_ends_when_its_account_is_anothers() -> None:
    with pytest.raises(LeaseLostError):
        Flaky(failures=1, error=LeaseLostError("gone")).run(interval=0, stop=Waits())


def test_it_stops_when_told() -> None:
    keeper, stop = Flaky(failures=0), threading.Event()
    keeper.run(interval=0, stop=stop, observe=lambda report: stop.set() if report.block == 3 else None)
    assert keeper.calls == 3


def test_a_signal_ends_a_wait_and_a_second_one_the_process() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    stop = Signals()
    try:
        stop.listen()
        assert not stop.wait(0)
        os.kill(os.getpid(), signal.SIGTERM)
        assert stop.wait(60)
        assert stop.is_set()
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGINT)
        assert ended.value.code == 130
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_report_counts_and_can_be_json() -> None:
    report = StepReport(block=1, time=2)
    report.tasks += [
        {"kind": Kind.FLAG, "outcome": "sent", "subject": "0x20", "reason": ""},
        {"kind": Kind.FLAG, "outcome": "resting", "subject": "0x21", "reason": ""},
    ]
    assert report.count("sent") == {"flag": 1}
    assert not report.failed
    report.note([Settled("liquidate", "0x20", "below", "failed", gas=7, bounty=0)])
    assert report.failed
    assert json.loads(json.dumps(report.as_dict()))["settled"][0]["kind"] == "liquidate"
    assert report.lines()[0] == "block 1: failed liquidate 0x20 (below)"


def test_what_is_as_before_is_not_told_again() -> None:
    report = StepReport(block=1, time=2)
    for subject, is_news in (("0x20", True), ("0x21", False)):
        task = {"kind": Kind.FLAG, "outcome": "resting", "subject": subject, "reason": ""}
        report.tasks.append(task | {"news": is_news})
    assert report.lines() == ["block 1: resting flag 0x20 ()"]
