"""What a keeper tells of itself, after steps that succeed and steps that fail."""

import math
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from weir.chain import NodeUnreachableError
from weir.heads import Head
from weir.keeper.limits import Limits, Tally
from weir.keeper.memory import Rests, Totals
from weir.keeper.metrics import LEAST_PATIENCE, STILL_SECONDS, STUCK_SECONDS, Metrics
from weir.keeper.outbox import Settled
from weir.keeper.runner import StepReport
from weir.keeper.sender import Sender
from weir.keeper.tables import State
from weir.store import StoreError

ETHER = 10**18


class Sent(Sender):
    """A sender that has sent; nothing stands behind it."""

    def __init__(self) -> None:
        self.tally = Tally(
            head=Head(7, "0x7", "0x6", 1_000), balance=3 * ETHER, spent=ETHER // 4, in_flight=2
        )
        self.limits = Limits(max_fee=1, daily=ETHER // 2)
        self.rests = Rests()
        self.summed = 0

    def totals(self) -> Totals:
        self.summed += 1
        return Totals(gas=21_000, fees=ETHER // 8, bounty=5_000_000)


@pytest.fixture
def sender() -> Sent:
    return Sent()


@pytest.fixture
def metrics(sender: Sent) -> Metrics:
    weir = SimpleNamespace(usd=lambda units: Decimal(units) / 10**6)
    made = Metrics(interval=1.0)
    made.begin(cast(Any, SimpleNamespace(outbox=sender, weir=weir)))
    return made


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(f"weir_keeper_{name}", labels)


def a_report() -> StepReport:
    report = StepReport(block=7, time=1_001, equity=15_000_000)
    report.tasks.append({"kind": "flag", "outcome": "sent"})
    report.note([Settled("liquidate", "0x20", "below", State.DONE, gas=7, bounty=5_000_000)])
    return report


def test_figures_follow_steps(metrics: Metrics, sender: Sent) -> None:
    metrics.stepped(a_report())
    sender.tally.replaced = 3
    metrics.stepped(a_report())
    found = {
        name: value(metrics, name)
        for name in (
            *("head_block", "equity_usd", "balance_ether", "spent_today_ether"),
            *("daily_limit_ether", "in_flight", "replacements_total", "bounty_usd", "fees_paid_ether"),
        )
    }
    assert list(found.values()) == [7, 15, 3, 0.25, 0.5, 2, 3, 5, 0.125]
    assert value(metrics, "actions_total", kind="flag", outcome="sent") == 2
    assert value(metrics, "actions_total", kind="liquidate", outcome="done") == 2
    assert value(metrics, "steps_total", outcome="done") == 2
    behind = value(metrics, "behind_seconds")
    assert behind is not None
    assert behind > 10**9


def test_failures_are_told_apart(metrics: Metrics) -> None:
    metrics.failed(NodeUnreachableError("no node answers"))
    metrics.failed(StoreError("the disk is full"))
    assert value(metrics, "rpc_errors_total") == 1
    assert value(metrics, "store_errors_total") == 1
    assert value(metrics, "steps_total", outcome="failed") == 2


def test_what_is_wrong_here_is_not_put_down_to_the_node(metrics: Metrics) -> None:
    metrics.failed(ZeroDivisionError("here"))
    assert value(metrics, "rpc_errors_total") == 0
    assert value(metrics, "steps_total", outcome="failed") == 1


def test_sums_are_read_anew_where_they_may_have_changed(metrics: Metrics, sender: Sent) -> None:
    quiet = StepReport(block=7, time=1_001)
    for step in (quiet, quiet):
        metrics.stepped(step)
    assert sender.summed == 1
    sender.tally.reorgs = 1
    for step in (quiet, quiet, quiet):
        metrics.stepped(step)
    assert sender.summed == 2


def test_a_chain_that_stands_still_is_told(
    metrics: Metrics, sender: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    metrics.stepped(a_report())
    began = metrics._last
    monkeypatch.setattr("time.monotonic", lambda: began + STILL_SECONDS + 1)
    metrics.stepped(a_report())
    found = metrics.health()
    assert (found.healthy, found.reason) == (True, "degraded: no block has come for 121 s")
    assert value(metrics, "head_age_seconds") == STILL_SECONDS + 1
    sender.tally.head = Head(8, "0x8", "0x7", 1_012)
    metrics.stepped(a_report())
    assert metrics.health().reason == "ok"


def test_what_is_stuck_is_unhealthy(metrics: Metrics, sender: Sent) -> None:
    sender.tally.oldest = STUCK_SECONDS + 1
    metrics.stepped(a_report())
    found = metrics.health()
    assert (found.healthy, found.reason) == (False, "a transaction has been on its way for 601 s")
    assert value(metrics, "oldest_in_flight_seconds") == 601


def test_while_there_is_no_keeper_yet_it_says_why(sender: Sent) -> None:
    metrics = Metrics(interval=1.0)
    assert (metrics.health().healthy, metrics.health().reason) == (False, "starting")
    metrics.waits("not yet: no node answers")
    assert (metrics.health().healthy, metrics.health().reason) == (False, "not yet: no node answers")
    metrics.begin(cast(Any, SimpleNamespace(outbox=sender)))
    assert (metrics.health().healthy, metrics.health().reason) == (True, "starting")


def test_health_is_lost_without_steps_and_comes_back(
    metrics: Metrics, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert metrics.health().reason == "starting"
    metrics.stepped(a_report())
    assert (metrics.health().healthy, metrics.health().reason) == (True, "ok")
    metrics.failed(NodeUnreachableError("no node answers"))
    assert metrics.health().reason == "the last step failed: no node answers"
    last = metrics._last
    monkeypatch.setattr("time.monotonic", lambda: last + LEAST_PATIENCE + 1)
    found = metrics.health()
    assert not found.healthy
    assert found.reason == "no step has succeeded for 31 s: no node answers"
    metrics.stepped(a_report())
    assert metrics.health().healthy


def test_what_it_passes_over_for_want_of_margin_is_told(metrics: Metrics) -> None:
    poor = StepReport(block=7, time=1_001, equity=10_000_000, cash=4_000_000, margin=9_000_000)
    poor.tasks += [{"kind": "liquidate", "outcome": "no margin"}] * 2
    poor.tasks.append({"kind": "liquidate", "outcome": "too dear"})
    metrics.stepped(poor)
    names = "cash_usd", "margin_used_ratio", "passed_over"
    assert [value(metrics, name) for name in names] == [4, 0.9, 2]
    found = metrics.health()
    assert found.healthy
    assert found.reason == "degraded: 2 accounts are left alone for want of margin or cash of its own"
    metrics.stepped(StepReport(block=8, time=1_002, equity=-1, margin=9_000_000))
    assert [value(metrics, name) for name in names] == [0, math.inf, 0]
    assert metrics.health().reason == "ok"
    metrics.stepped(StepReport(block=9, time=1_003))
    assert value(metrics, "margin_used_ratio") == 0


def test_too_little_money_is_unhealthy_and_a_limit_is_not(metrics: Metrics, sender: Sent) -> None:
    metrics.stepped(a_report())
    sender.tally.dear = True
    assert metrics.health().reason.startswith("degraded: gas costs more")
    sender.tally.halved = True
    assert metrics.health().healthy
    assert metrics.health().reason == "degraded: half of the daily limit is kept for what is urgent"
    sender.tally.limited = True
    found = metrics.health()
    assert found.healthy
    assert found.reason.startswith("degraded: the daily limit is reached")
    sender.tally.poor = True
    assert not metrics.health().healthy
    assert "balance is too low: 3.000000" in metrics.health().reason
    metrics.stepped(a_report())
    assert (value(metrics, "balance_low"), value(metrics, "limit_reached")) == (1, 1)
