"""What a keeper writes down, on both databases: nothing twice, no gap, and what reorganisations undo."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.databases import KINDS, postgresql
from tests.unit.keeper.stores import (
    DAY,
    HOUSE,
    TRADER,
    a_draft,
    a_journal,
    a_lease,
    a_receipt,
    an_intent,
    block,
)
from weir.heads import WINDOW
from weir.keeper.journal import Journal
from weir.keeper.lease import LeaseLostError
from weir.keeper.tables import Attempt, State
from weir.store import Store


@pytest.fixture(scope="module")
def journal_database() -> Iterator[str]:
    with postgresql() as server:
        yield server.url


@pytest.fixture(params=KINDS)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        url = f"sqlite:///{tmp_path / 'keeper.sqlite3'}"
    else:
        url = request.getfixturevalue("journal_database")
    opened = Store.open(url)
    with opened.write() as connection:
        for name in ("rests", "attempts", "intents", "heads", "accounts"):
            connection.exec_driver_sql(f"DELETE FROM keeper_{name}")
    yield opened
    opened.close()


@pytest.fixture
def journal(store: Store) -> Journal:
    return a_journal(store)


def intend(journal: Journal, nonce: int, key: str = "flag:0xtrader:0", **draft: int) -> Attempt:
    made = journal.intend(an_intent(key), a_draft(nonce, **draft))
    assert made is not None
    return made


def states(journal: Journal) -> list[tuple[int, State]]:
    return [(e.nonce, e.state) for attempts in journal.pending().values() for e in attempts]


# --------------------------------------------------------------------- intents


def test_what_is_on_its_way_is_not_intended_again(journal: Journal) -> None:
    first = intend(journal, 4)
    assert journal.due() == {"flag:0xtrader:0"}
    assert journal.intend(an_intent(), a_draft(5)) is None
    assert journal.intend(an_intent("flag:0xtrader:1700000000"), a_draft(5)) is not None
    journal.mined(first, a_receipt(first, block(10)), 0)
    assert journal.due() == {"flag:0xtrader:1700000000"}
    assert journal.intend(an_intent(), a_draft(6)) is not None


def test_a_restarted_keeper_finds_what_it_has_signed(store: Store, journal: Journal) -> None:
    made = intend(journal, 4, most=10**30)
    again = a_journal(store)
    assert again.pending() == {4: [made]}
    assert (made.kind, made.subject, made.key) == ("flag", TRADER, "flag:0xtrader:0")
    assert (made.fees.most, made.worst) == (10**30, 10**33)
    assert again.next_nonce() == 5
    assert again.due() == {"flag:0xtrader:0"}


def test_an_attempt_is_prepared_before_it_is_broadcast(journal: Journal) -> None:
    made = intend(journal, 0)
    assert states(journal) == [(0, State.PREPARED)]
    journal.became(made, State.BROADCAST)
    assert states(journal) == [(0, State.BROADCAST)]


def test_houses_share_nonces_and_nothing_else(store: Store, journal: Journal) -> None:
    intend(journal, 4)
    other = a_journal(store, house="0xother")
    assert other.due() == set()
    assert other.next_nonce() == 5
    assert list(other.pending()) == [4]


@pytest.mark.parametrize("changes", [{"chain_id": 1}, {"genesis": "0x" + "77" * 32}])
def test_chains_share_nothing(store: Store, journal: Journal, changes: dict[str, int | str]) -> None:
    intend(journal, 4)
    other = a_journal(store, **changes)  # type: ignore[arg-type]
    assert (other.next_nonce(), other.pending(), other.due()) == (0, {}, set())


# ------------------------------------------------------------------- outcomes


def test_one_of_a_nonce_is_mined_and_the_others_are_replaced(journal: Journal) -> None:
    first = intend(journal, 4)
    second = journal.again(first.intent, a_draft(4, most=200))
    assert [each.id for each in journal.pending()[4]] == [first.id, second.id]
    assert journal.mined(first, a_receipt(first, block(10)), 7) is State.DONE
    assert journal.pending() == {}
    totals = journal.totals()
    assert (totals.sent, totals.gas, totals.fees, totals.bounty) == ({"flag": 1}, 600, 30_000, 7)


def test_a_failure_is_one(journal: Journal) -> None:
    made = intend(journal, 4)
    assert journal.mined(made, a_receipt(made, block(10), succeeded=False), 0) is State.FAILED
    assert (journal.totals().sent, journal.totals().failed) == ({}, {"flag": 1})


def test_a_cancelled_nonce_did_nothing(journal: Journal) -> None:
    made = intend(journal, 4)
    empty = journal.again(made.intent, a_draft(4, cancels=True))
    assert journal.mined(empty, a_receipt(empty, block(10)), 0) is State.CANCELLED
    assert (journal.due(), journal.totals().sent, journal.totals().failed) == (set(), {}, {"flag": 1})


def test_a_refused_nonce_is_used_again(journal: Journal) -> None:
    made = intend(journal, 4)
    journal.became(made, State.REFUSED)
    assert (journal.next_nonce(), journal.due(), journal.pending()) == (0, set(), {})
    # To the last byte the same, as when nothing has changed since.
    same = journal.intend(an_intent(), a_draft(4, raw=made.raw))
    assert same is not None
    assert same.hash == made.hash
    assert states(journal) == [(4, State.PREPARED)]


def test_a_refused_replacement_leaves_the_first(journal: Journal) -> None:
    made = intend(journal, 4)
    journal.became(journal.again(made.intent, a_draft(4)), State.REFUSED)
    assert states(journal) == [(4, State.PREPARED), (4, State.REFUSED)]
    assert journal.due()


def test_what_was_refused_and_mined_after_all_ends_what_took_its_nonce(journal: Journal) -> None:
    liar = intend(journal, 4)
    journal.became(liar, State.REFUSED)
    intend(journal, 4, "flag:0xother:0")
    journal.mined(liar, a_receipt(liar, block(10)), 0)
    assert (journal.due(), journal.pending(), journal.next_nonce()) == (set(), {}, 5)


def test_a_nonce_that_something_else_used_is_lost(journal: Journal) -> None:
    intend(journal, 4)
    journal.lost(4, 10)
    assert (journal.due(), journal.pending(), journal.spent(0)) == (set(), {}, 0)


# -------------------------------------------------------------- reorganisations


def test_blocks_are_kept_within_a_window(journal: Journal) -> None:
    journal.move(None, [block(n) for n in range(1, WINDOW + 1)])
    journal.move(None, [block(n) for n in range(WINDOW + 1, WINDOW + 11)])
    known = journal.known()
    assert (known[0], known[-1], len(known)) == (block(11), block(WINDOW + 10), WINDOW)


def test_what_was_mined_in_undone_blocks_is_on_its_way_again(store: Store, journal: Journal) -> None:
    journal.move(None, [block(n) for n in range(98, 103)])
    early, late = intend(journal, 4, "early"), intend(journal, 5, "late")
    second = journal.again(late.intent, a_draft(5))
    for made, at in ((early, 99), (late, 101)):
        journal.mined(made, a_receipt(made, block(at)), 3)
    journal.move(100, [block(101, "b")])
    assert [each.hash for each in journal.known()] == ["a98", "a99", "a100", "b101"]
    assert journal.due() == {"late"}
    assert states(a_journal(store)) == [(5, State.BROADCAST), (5, State.BROADCAST)]
    assert (journal.totals().sent, journal.totals().bounty) == ({"flag": 1}, 3)
    # The other of the two may be the one that is mined now.
    journal.mined(second, a_receipt(second, block(101, "b")), 4)
    assert (journal.totals().bounty, journal.due()) == (7, set())


def test_what_was_meant_again_since_is_not_opened_twice(journal: Journal) -> None:
    journal.move(None, [block(n) for n in range(98, 104)])
    first = intend(journal, 4)
    journal.mined(first, a_receipt(first, block(101)), 0)
    intend(journal, 5)
    journal.move(100, [block(101, "b")])
    assert [(e.nonce, e.is_wanted) for each in journal.pending().values() for e in each] == [
        (4, False),
        (5, True),
    ]
    empty = journal.again(first.intent, a_draft(4, cancels=True))
    journal.mined(empty, a_receipt(empty, block(101, "b")), 0)
    assert journal.due() == {"flag:0xtrader:0"}


def test_of_two_that_are_undone_the_newest_is_opened(journal: Journal) -> None:
    journal.move(None, [block(n) for n in range(98, 104)])
    for nonce, at in ((4, 101), (5, 102)):
        made = intend(journal, nonce)
        journal.mined(made, a_receipt(made, block(at)), 0)
    journal.move(100, [block(101, "b")])
    assert [each.is_wanted for (each,) in journal.pending().values()] == [False, True]


def test_attempts_before_a_reorganisation_are_told_apart(journal: Journal) -> None:
    journal.move(None, [block(n) for n in range(98, 104)])
    first = intend(journal, 4)
    second = journal.again(first.intent, a_draft(4))
    journal.mined(second, a_receipt(second, block(101)), 0)
    journal.move(100, [block(101, "b")])
    assert [each.reorgs for each in journal.pending()[4]] == [1, 1]


def test_what_seemed_lost_is_on_its_way_again_where_that_is_undone(journal: Journal) -> None:
    journal.move(None, [block(n) for n in range(98, 104)])
    made = intend(journal, 4)
    journal.lost(4, 103)
    assert list(journal.pending(dropped=True)) == [4]
    journal.move(102, [block(103, "b")])
    assert states(journal) == [(4, State.BROADCAST)]
    # Or it was mined after all.
    journal.lost(4, 103)
    journal.mined(made, a_receipt(made, block(101)), 0)
    assert (journal.pending(dropped=True), journal.totals().sent) == ({}, {"flag": 1})


def test_what_nothing_can_undo_is_forgotten(store: Store, journal: Journal) -> None:
    journal.move(None, [block(100)])
    first = intend(journal, 4)
    second = journal.again(first.intent, a_draft(4))
    journal.mined(second, a_receipt(second, block(100)), 0)
    journal.became(intend(journal, 5, "refused"), State.REFUSED)
    intend(journal, 5, "lost")
    journal.lost(5, 100)
    open_still = intend(journal, 6, "open")
    before = journal.totals()
    journal.move(None, [block(n) for n in range(101, 100 + WINDOW)])
    assert _rows(store) == (4, 3)  # what was refused is gone: it was of block 7
    journal.move(None, [block(100 + WINDOW)])
    assert _rows(store) == (2, 2)
    with store.read() as connection:
        raws = connection.exec_driver_sql("SELECT nonce, raw FROM keeper_attempts ORDER BY nonce").all()
    assert [tuple(each) for each in raws] == [(4, ""), (6, open_still.raw.hex())]
    assert (journal.totals(), a_journal(store).totals()) == (before, before)


def _rows(store: Store) -> tuple[int, int]:
    """Of attempts, and of intents."""
    with store.read() as connection:
        found = [
            connection.exec_driver_sql(f"SELECT count(*) FROM keeper_{name}").scalar_one()
            for name in ("attempts", "intents")
        ]
    return found[0], found[1]


# ------------------------------------------------------------------------ sums


def test_the_history_is_read_once(journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    journal.move(None, [block(n) for n in range(98, 104)])
    assert journal.totals().gas == 0
    read = Journal._read_totals
    monkeypatch.setattr(Journal, "_read_totals", None)
    for nonce, good in ((4, True), (5, False)):
        made = intend(journal, nonce, str(nonce))
        journal.mined(made, a_receipt(made, block(99 + nonce - 2), succeeded=good), 7 * good)
    told = journal.totals()
    monkeypatch.setattr(Journal, "_read_totals", read)
    assert told == Journal(journal.lease, HOUSE).totals()
    assert (told.sent, told.failed, told.bounty) == ({"flag": 1}, {"flag": 1}, 7)
    journal.move(101, [block(102, "b")])
    assert journal.totals().failed == {}


def test_a_day_counts_as_if_more_were_sent(journal: Journal) -> None:
    made = intend(journal, 4, most=100, day=2)
    assert journal.spent(2, {4: 99_000}) == made.worst == 100_000
    assert journal.spent(2, {4: 150_000, 5: 1}) == 150_001
    # Of another day it has cost nothing yet.
    assert journal.spent(3, {4: 21_000}) == 21_000


def test_a_day_counts_the_worst_and_then_what_it_was(journal: Journal) -> None:
    made = intend(journal, 4, day=2)
    assert journal.spent(2) == 1_000 * 100
    dearer = journal.again(made.intent, a_draft(4, most=300, day=2))
    intend(journal, 5, "other", most=10, day=2)
    intend(journal, 6, "tomorrow", day=3)
    assert journal.spent(2) == 1_000 * 300 + 1_000 * 10
    journal.mined(dearer, a_receipt(dearer, block(10)), 0)
    assert (journal.spent(2), journal.spent(3)) == (600 * 50 + 1_000 * 10, 100_000)


def test_rests_come_back(store: Store, journal: Journal) -> None:
    rests = journal.rests()
    rests.failed("flag:0xtrader", "flag", 1_000)
    rests.failed("roll:junior", "roll", 1_000)
    rests.succeeded("roll:junior")
    again = a_journal(store).rests()
    assert (len(again), again["flag:0xtrader"].until) == (1, rests["flag:0xtrader"].until)
    assert len(a_journal(store, house="0xother").rests()) == 0
    again.forget(1_000 + DAY)
    assert len(a_journal(store).rests()) == 0


# -------------------------------------------------------------------- the lease


def test_without_the_lease_nothing_is_written(store: Store, journal: Journal) -> None:
    made = intend(journal, 4)
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE keeper_accounts SET holder = 'another'")
    for write in (
        lambda: journal.intend(an_intent("other"), a_draft(5)),
        lambda: journal.again(made.intent, a_draft(4)),
        lambda: journal.became(made, State.BROADCAST),
        lambda: journal.move(None, [block(9)]),
        lambda: journal.lease.renew(),
    ):
        with pytest.raises(LeaseLostError):
            write()
    assert states(journal) == [(4, State.PREPARED)]
    assert Journal(a_lease(store), HOUSE).known() == []
