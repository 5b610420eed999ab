"""The committed gas figures are complete and shown as they are, and a comparison finds what got worse."""

from pathlib import Path

import pytest
from rich.console import Console

from weir.bench import (
    ACTIONS,
    DOCUMENT,
    SNAPSHOT,
    BenchError,
    Change,
    Snapshot,
    compare,
    render,
    render_changes,
    rewrite_table,
    table,
)

LIMITED = next(action for action in ACTIONS if action.limit)


@pytest.fixture
def snapshot() -> Snapshot:
    return Snapshot(gas={action.name: 50_000 for action in ACTIONS})


def changed(snapshot: Snapshot, **gas: int) -> Snapshot:
    return Snapshot(gas=snapshot.gas | gas)


def text(renderable: object) -> str:
    console = Console(width=200)
    with console.capture() as capture:
        console.print(renderable)
    return capture.get()


def test_the_committed_snapshot_has_every_action() -> None:
    assert list(Snapshot.load(SNAPSHOT).gas) == [action.name for action in ACTIONS]


def test_the_document_shows_the_committed_snapshot() -> None:
    document = DOCUMENT.read_text("utf-8")
    assert rewrite_table(document, Snapshot.load(SNAPSHOT)) == document


def test_a_deleveraging_costs_the_same_for_any_number_of_accounts() -> None:
    gas = Snapshot.load(SNAPSHOT).gas
    assert abs(gas["deleverage_many"] - gas["deleverage_few"]) < 100


def test_what_stays_within_the_tolerance_is_no_change(snapshot: Snapshot) -> None:
    assert compare(snapshot, changed(snapshot, trade=50_500)) == ()


def test_more_gas_is_a_regression(snapshot: Snapshot) -> None:
    [change] = compare(snapshot, changed(snapshot, trade=50_501))
    assert change == Change("trade", 50_000, 50_501)
    assert change.regression


def test_less_gas_is_reported_and_no_regression(snapshot: Snapshot) -> None:
    [change] = compare(snapshot, changed(snapshot, trade=40_000))
    assert change.ratio == pytest.approx(-0.2)
    assert not change.regression


@pytest.mark.parametrize("before_has_it", [True, False])
def test_a_figure_that_only_one_of_two_snapshots_has_is_a_regression(
    snapshot: Snapshot, before_has_it: bool
) -> None:
    more = changed(snapshot, new=1)
    [change] = compare(more, snapshot) if before_has_it else compare(snapshot, more)
    assert change.name == "new"
    assert change.regression


def test_a_snapshot_survives_its_file(snapshot: Snapshot, tmp_path: Path) -> None:
    path = tmp_path / "folder" / "gas.json"
    snapshot.save(path)
    assert Snapshot.load(path) == snapshot


@pytest.mark.parametrize("content", [None, "{}", '{"gas": {"trade": "much"}}'])
def test_what_is_no_snapshot_is_refused(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "gas.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(BenchError, match=r"gas\.json"):
        Snapshot.load(path)


def test_figures_above_their_limit_stand_out(snapshot: Snapshot) -> None:
    assert LIMITED.limit is not None
    row = f"| {LIMITED.text} | {{}} | {LIMITED.limit:,} | {LIMITED.elsewhere} |"
    at, above = LIMITED.limit, LIMITED.limit + 1
    assert row.format(f"{at:,}") in table(changed(snapshot, **{LIMITED.name: at}))
    assert row.format(f"**{above:,}**") in table(changed(snapshot, **{LIMITED.name: above}))


def test_reports_name_every_action_and_every_change(snapshot: Snapshot) -> None:
    report = text(render(snapshot))
    assert all(action.text in report for action in ACTIONS)
    changes = compare(snapshot, changed(snapshot, trade=60_000, new=1))
    assert "+20.0%" in text(render_changes(changes))
    assert "Nothing moved" in text(render_changes([]))


def test_a_document_without_a_place_for_the_table_is_refused(snapshot: Snapshot) -> None:
    with pytest.raises(BenchError, match="no table"):
        rewrite_table("# Gas", snapshot)
