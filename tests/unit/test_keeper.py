"""What a keeper remembers, on real files, and how it goes on."""

import json
import logging
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from weir.chain import RpcError
from weir.keeper.policy import Kind
from weir.keeper.runner import Keeper, StepReport
from weir.keeper.state import FIRST_DELAY, LAST_DELAY, InFlight, KeeperState

LIQUIDATOR, TRADER, OTHER = "0x10", "0x20", "0x21"


# ----------------------------------------------------------------------- state


class TestState:
    def test_comes_back_as_it_was(self, tmp_path: Path) -> None:
        path = tmp_path / "keeper" / "state.json"
        state = KeeperState.open(path, 31337, "0xhouse")
        state.in_flight.append(InFlight(transaction="0x1", kind="flag", subject=TRADER))
        state.totals.sent["flag"] += 2
        state.failed("flag:0x20", 1_000)
        state.save()
        assert KeeperState.open(path, 31337, "0xhouse") == state
        assert [file.name for file in path.parent.iterdir()] == ["state.json"]

    @pytest.mark.parametrize("content", ["", "{", '{"version": 2}', "[1]", '{"chain_id": 1}'])
    def test_damage_is_forgotten(
        self, content: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "state.json"
        path.write_text(content)
        with caplog.at_level(logging.WARNING):
            state = KeeperState.open(path, 31337, "0xhouse")
        assert state.steps == 0
        assert "starting anew" in caplog.text

    def test_another_deployment_is_another_story(self, tmp_path: Path) -> None:
        path = tmp_path / "state.json"
        old = KeeperState.open(path, 31337, "0xold")
        old.steps = 9
        old.save()
        assert KeeperState.open(path, 31337, "0xnew").steps == 0
        assert KeeperState.open(path, 1, "0xold").steps == 0

    def test_a_failed_save_leaves_the_old_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "state.json"
        state = KeeperState.open(path, 31337, "0xhouse")
        state.save()
        before = path.read_text()

        def fail(*_: object) -> None:
            raise OSError("disk full")

        monkeypatch.setattr("os.fsync", fail)
        state.steps = 5
        with pytest.raises(OSError, match="disk full"):
            state.save()
        assert path.read_text() == before
        assert [file.name for file in tmp_path.iterdir()] == ["state.json"]

    def test_rests_double_up_to_a_limit_and_end_with_success(self) -> None:
        state = KeeperState.open(None, 31337, "0xhouse")
        rests = []
        for _ in range(8):
            state.failed("flag:0x20", 0)
            rests.append(state.backoff["flag:0x20"].until)
        assert rests[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
        assert rests[-1] == LAST_DELAY
        assert state.rests("flag:0x20", LAST_DELAY - 1)
        assert not state.rests("flag:0x20", LAST_DELAY)
        state.succeeded("flag:0x20")
        assert not state.rests("flag:0x20", 0)

    def test_old_failures_are_dropped(self) -> None:
        state = KeeperState.open(None, 31337, "0xhouse")
        state.failed("flag:0x20", 0)
        state.forget(LAST_DELAY + FIRST_DELAY)
        assert state.backoff == {}


# ------------------------------------------------------------------------ loop


class _Flaky(Keeper):
    """A keeper whose node fails as often as it is told."""

    def __init__(self, failures: int) -> None:
        house = SimpleNamespace(address="0xhouse")
        weir = SimpleNamespace(chain=SimpleNamespace(id=31337), clearing_house=house)
        super().__init__(cast(Any, weir), cast(Any, SimpleNamespace(address=LIQUIDATOR)))
        self.failures = failures
        self.calls = 0

    def step(self) -> StepReport:
        self.calls += 1
        if self.calls <= self.failures:
            raise RpcError("eth_call", -32000, "busy")
        return StepReport(block=self.calls, time=0)


class _Waits(threading.Event):
    """Never waits; remembers how long it should have."""

    def __init__(self) -> None:
        super().__init__()
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0.0)
        return False


class TestLoop:
    def test_goes_on_after_failures_ever_more_slowly(self) -> None:
        keeper, stop = _Flaky(failures=5), _Waits()
        report = keeper.run(interval=5, steps=7, stop=stop)
        assert report is not None
        assert report.block == 7
        assert stop.pauses == [10, 20, 40, 60, 60, 5]

    def test_a_failure_at_the_end_is_raised(self) -> None:
        with pytest.raises(RpcError, match="busy"):
            _Flaky(failures=3).run(interval=0, steps=3, stop=_Waits())

    def test_stops_when_told(self) -> None:
        keeper, stop = _Flaky(failures=0), threading.Event()
        keeper.run(interval=0, stop=stop, observe=lambda report: stop.set() if report.block == 3 else None)
        assert keeper.calls == 3

    def test_a_report_counts_and_can_be_json(self) -> None:
        report = StepReport(block=1, time=2)
        report.tasks += [
            {"kind": Kind.FLAG, "outcome": "sent", "subject": TRADER, "reason": ""},
            {"kind": Kind.FLAG, "outcome": "refused", "subject": OTHER, "reason": ""},
        ]
        assert report.count("sent") == {"flag": 1}
        assert report.failed
        assert json.loads(json.dumps(report.as_dict()))["tasks"][0]["kind"] == "flag"
