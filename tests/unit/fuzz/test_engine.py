"""Sequences, campaigns, shrinking and findings, on a subject whose faults are known."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.unit.fuzz.toys import LIMIT, Counter, counter, nothing, tight_counter
from weir.fuzz.campaign import EVERY, LENGTH, LONG, Campaign, Result, conduct
from weir.fuzz.draw import RandomDraw
from weir.fuzz.findings import Finding, FindingError, told
from weir.fuzz.sequence import replay, run
from weir.fuzz.shrink import shrink
from weir.fuzz.steps import Step, from_json, to_json
from weir.fuzz.subject import Action
from weir.model import Order

KNOWN: dict[str, type] = {"Order": Order}


# ------------------------------------------------------------------------ steps


def test_a_step_survives_saving() -> None:
    order = Order("trader0", 1, True, 10**30, 7, 2**40 - 1, salt=3)
    step = Step("trader1", "trade", (order, 5, ("a", ("b",)), True), 12, 2)
    assert from_json(json.loads(json.dumps(to_json(step, KNOWN))), KNOWN) == step


def test_what_is_not_known_can_not_be_saved() -> None:
    with pytest.raises(TypeError, match="Order"):
        to_json(Step("a", "trade", (Order("a", 0, True, 1, 1, 1),)), {})


@pytest.mark.parametrize(("seconds", "blocks"), [(1, 0), (0, 1), (2, 3), (0, -1)])
def test_time_must_pass_in_blocks(seconds: int, blocks: int) -> None:
    with pytest.raises(ValueError, match="seconds"):
        Step("a", "call", (), seconds, blocks)


# ------------------------------------------------------------------------ draws


def test_draws_stay_in_their_range_and_reach_its_ends() -> None:
    draw = RandomDraw(1)
    assert {draw.integer(3, 5) for _ in range(100)} == {3, 4, 5}
    assert all(0 <= draw.integer(0, 2**200) <= 2**200 for _ in range(100))
    assert max(draw.integer(0, 2**200) for _ in range(100)) > 2**190
    assert {len(draw.some("abc")) for _ in range(100)} == {0, 1, 2, 3}
    assert not any(draw.chance(0) for _ in range(100))
    assert all(draw.chance(100) for _ in range(100))


# -------------------------------------------------------------------- sequences


def test_the_same_seed_is_the_same_sequence() -> None:
    first, again, other = (
        run(Counter(10**9), "7", 50),
        run(Counter(10**9), "7", 50),
        run(Counter(10**9), "8", 50),
    )
    assert first.steps == again.steps != other.steps
    assert first.calls == 50
    assert sum(first.outcomes.values()) == 50
    assert first.outcomes["add", "TooMuch"] > 0


def test_a_plan_learns_how_its_steps_went() -> None:
    done = next(
        each for seed in range(20) if (each := run(Counter(10**9), seed, 300)).outcomes["add", "TooMuch"]
    )
    refused = [at for at, step in enumerate(done.steps) if step.arguments and step.arguments[0] > 9]
    followed = [at for at, step in enumerate(done.steps) if step.blocks == 0]
    assert followed
    assert not {at + 1 for at in refused} & set(followed)


def test_a_violation_ends_the_sequence_and_replays() -> None:
    done = run(Counter(), "1", 10_000)
    assert done.violation
    assert done.violation[0] == "limit"
    assert replay(Counter(), done.steps).violation == done.violation
    assert replay(Counter(), done.steps[:-1]).violation is None


def test_actions_that_never_call_are_an_error() -> None:
    class Idle(Counter):
        actions = (Action("idle", 1, nothing),)

    with pytest.raises(ValueError, match="actions"):
        run(Idle(10**9), "1", 1)


# -------------------------------------------------------------------- shrinking


def test_shrinking_leaves_what_is_needed() -> None:
    done = run(Counter(), "1", 10_000)
    steps, rule, _ = shrink(Counter(), done.steps)
    assert rule == "limit"
    assert all(step.call == "add" for step in steps)
    assert len(steps) <= LIMIT
    assert not any(replay(Counter(), steps[:at] + steps[at + 1 :]).violation for at in range(len(steps)))


def test_what_breaks_nothing_can_not_be_shrunk() -> None:
    with pytest.raises(ValueError, match="break nothing"):
        shrink(Counter(), [Step("adder", "add", (1,))])


# --------------------------------------------------------------------- findings


def test_a_finding_survives_saving_and_is_told(tmp_path: Path) -> None:
    steps = tuple(Step("adder", "add", (9,)) for _ in range(5))
    finding = Finding("any", 1, 2, "limit", "45 of 40", steps)
    path = finding.save(tmp_path / "new", KNOWN)
    assert Finding.load(path, KNOWN) == finding
    story = told(Counter(), Finding.load(path, KNOWN).steps)
    assert len(story.lines) == 5
    assert story.lines[-1].endswith("breaks limit")
    assert story.changes == (("count", 36, 45),)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": 2}', '{"version": 1, "steps": [{}]}'])
def test_other_files_are_no_findings(tmp_path: Path, text: str) -> None:
    path = tmp_path / "finding.json"
    path.write_text(text)
    with pytest.raises(FindingError, match="finding"):
        Finding.load(path, KNOWN)


# -------------------------------------------------------------------- campaigns


def _counts(result: Result) -> tuple[object, ...]:
    return result.calls, result.sequences, result.outcomes, result.seen, result.slack, result.violations


def test_a_campaign_is_the_same_however_it_is_split() -> None:
    campaign = Campaign(counter, ("any",), 3_000, seed=3)
    alone = conduct(campaign)
    assert alone.calls == 3_000
    assert alone.sequences == 3_000 // LENGTH
    assert alone.seen["added"] == alone.outcomes["add", "ok"] == alone.accepted
    assert _counts(alone) == _counts(conduct(campaign, jobs=2))


def test_a_violation_is_the_same_however_the_work_is_split() -> None:
    campaign = Campaign(tight_counter, ("any",), 20_000, seed=3)
    alone = conduct(campaign)
    assert len(alone.violations) == 1
    assert alone.violations[0].rule == "limit"
    assert _counts(alone) == _counts(conduct(campaign, jobs=2))


def test_dask_finds_the_same() -> None:
    campaign = Campaign(counter, ("any",), 1_000, seed=5)
    assert _counts(conduct(campaign)) == _counts(conduct(campaign, jobs=1, dask="local"))


def test_some_sequences_are_long() -> None:
    sequences = Campaign(counter, ("a", "b"), LENGTH * (EVERY - 1 + LONG) + 1).sequences()
    assert [calls for _, _, calls in sequences[-2:]] == [LENGTH * LONG, 1]
    assert {setting for _, setting, _ in sequences} == {"a", "b"}


def test_an_interrupt_keeps_what_was_done() -> None:
    def stop(result: Result) -> None:
        if result.sequences >= 4:
            raise KeyboardInterrupt

    result = conduct(Campaign(counter, ("any",), 100_000), progress=stop)
    assert result.interrupted
    assert 4 <= result.sequences < 100
