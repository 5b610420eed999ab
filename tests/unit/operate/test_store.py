"""The database of keepers and index: exact, all or nothing, on SQLite and on PostgreSQL alike."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from sqlalchemy import Column, Integer, String, Table, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from tests.databases import KINDS, database, postgresql
from weir import store as store_module
from weir.store import Store, StoreError, StoreUrlError, StoreVersionError, Whole, metadata

trials = Table(
    "trials",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("amount", Whole),
    Column("name", String(20)),
)


@pytest.fixture(scope="module", params=KINDS)
def trial_url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with database(request.param, tmp_path_factory.mktemp("db")) as url:
        yield url


@pytest.fixture(autouse=True)
def _patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk may be slow, and who waits does not get his turn in the order in which he came."""
    monkeypatch.setattr(store_module, "_BUSY_MS", 300_000)
    monkeypatch.setattr(store_module, "_LOCK_MS", 300_000)


@pytest.fixture
def store(trial_url: str) -> Iterator[Store]:
    opened = Store.open(trial_url)
    with opened.write() as connection:
        connection.execute(trials.delete())
    yield opened
    opened.close()


def rows(store: Store) -> int:
    with store.read() as connection:
        return connection.execute(select(func.count()).select_from(trials)).scalar_one()


@pytest.mark.parametrize("amount", [0, 1, -1, 2**63, -(2**255), 2**256 - 1, 10**97, None])
def test_a_whole_number_comes_back_as_it_was(store: Store, amount: int | None) -> None:
    with store.write() as connection:
        connection.execute(insert(trials).values(id=1, amount=amount))
    with store.read() as connection:
        assert connection.execute(select(trials.c.amount)).scalar_one() == amount
        wanted = trials.c.amount.is_(None) if amount is None else trials.c.amount == amount
        assert connection.execute(select(trials.c.id).where(wanted)).scalar_one() == 1


def test_what_fails_half_way_leaves_nothing(store: Store) -> None:
    def fail() -> None:
        with store.write() as connection:
            connection.execute(insert(trials).values(id=1))
            raise KeyError("half way")

    with pytest.raises(KeyError):
        fail()
    assert rows(store) == 0


def test_what_exists_already_is_told_from_a_database_in_trouble(store: Store) -> None:
    with store.write() as connection:
        connection.execute(insert(trials).values(id=1))
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(trials).values(id=1))
    assert rows(store) == 1


def test_a_reader_sees_one_state(store: Store) -> None:
    with store.read() as reading:
        assert reading.execute(select(func.count()).select_from(trials)).scalar() == 0
        with store.write() as writing:
            writing.execute(insert(trials).values(id=1))
        assert reading.execute(select(func.count()).select_from(trials)).scalar() == 0
    assert rows(store) == 1


def test_writers_take_turns(store: Store) -> None:
    """Reading and then writing what was read loses no update."""
    with store.write() as connection:
        connection.execute(insert(trials).values(id=1, amount=0))

    def count() -> None:
        for _ in range(25):
            with store.write(lock="count") as connection:
                found = connection.execute(select(trials.c.amount)).scalar_one()
                connection.execute(update(trials).values(amount=found + 1))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with store.read() as connection:
        assert connection.execute(select(trials.c.amount)).scalar_one() == 100


def test_it_is_told_when_nothing_was_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    url = f"sqlite:///{tmp_path / 'mistyped.sqlite3'}"
    for said in ([f"a new database: {url}"], []):
        caplog.clear()
        Store.open(url).close()
        assert [record.message for record in caplog.records] == said


def test_it_can_be_opened_by_many_at_once(trial_url: str) -> None:
    opened: list[Store] = []
    threads = [threading.Thread(target=lambda: opened.append(Store.open(trial_url))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(opened) == 4


def test_tables_of_another_version_are_refused(store: Store, trial_url: str) -> None:
    about = metadata.tables["about"]
    with store.write() as connection:
        connection.execute(update(about).values(schema=about.c.schema + 1))
    try:
        with pytest.raises(StoreVersionError, match="tables of version"):
            Store.open(trial_url)
    finally:
        with store.write() as connection:
            connection.execute(update(about).values(schema=about.c.schema - 1))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("nonsense", "not a database's address"),
        ("mysql://localhost/weir", "only sqlite and postgresql"),
        ("sqlite://", "a file is needed"),
        ("sqlite:///:memory:", "a file is needed"),
    ],
)
def test_other_addresses_are_refused(url: str, why: str) -> None:
    with pytest.raises(StoreUrlError, match=why):
        Store.open(url)


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    file = tmp_path / "weir.sqlite3"
    file.write_text("This is not a database, but long enough to be one's first page. " * 100)
    with pytest.raises(StoreError, match="not a database"):
        Store.open(f"sqlite:///{file}")
    assert file.read_text().startswith("This is not")


@pytest.mark.parametrize(
    "url", ["postgresql://weir:hidden@127.0.0.1:1/weir", "postgresql://weir@127.0.0.1:1/weir?password=hidden"]
)
def test_a_password_is_never_told(url: str) -> None:
    with pytest.raises(StoreError) as told:
        Store.open(url)
    assert "hidden" not in str(told.value)
    assert "127.0.0.1:1" in str(told.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgres://weir:hidden@host/weir",
        "postgresql://weir:hidden@host:port/weir",
        "postgresql:weir:hidden@host",
    ],
)
def test_nor_that_of_an_address_which_is_none(url: str) -> None:
    with pytest.raises(StoreUrlError) as told:
        Store.open(url)
    assert "hid" not in str(told.value)


def test_a_server_that_went_away_is_told_and_found_again() -> None:
    with postgresql() as server:
        store = Store.open(server.url)
        server.stop()
        with pytest.raises(StoreError), store.write() as connection:
            connection.execute(insert(trials).values(id=1))
        server.start()
        assert rows(store) == 0
        store.close()


def test_one_that_vanished_in_a_transaction_is_not_waited_for_for_ever(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Others are told after a while; the server ends the transaction, and it is their turn."""
    monkeypatch.setattr(store_module, "_LOCK_MS", 50)
    with postgresql() as server:
        vanished, store = Store.open(server.url), Store.open(server.url)
        with suppress(StoreError), vanished.write(lock="turn") as holder:
            holder.execute(insert(trials).values(id=1))
            with pytest.raises(StoreError, match="lock timeout"):
                _take_turn(store)
            # From now on: half a minute is long.
            holder.exec_driver_sql("SET LOCAL idle_in_transaction_session_timeout = 100")
            assert any(_takes_turn(store) for _ in range(2_000))
        assert rows(store) == 1
        vanished.close()
        store.close()


def test_a_reader_may_take_its_time() -> None:
    with postgresql() as server:
        store = Store.open(server.url)
        with store.read() as connection:
            limit = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        with store.write() as connection:
            writer = connection.exec_driver_sql("SHOW idle_in_transaction_session_timeout").scalar()
        assert (limit, writer) == ("0", "30s")
        store.close()


def _take_turn(store: Store) -> None:
    with store.write(lock="turn") as connection:
        connection.execute(insert(trials).values(id=2))


def _takes_turn(store: Store) -> bool:
    with suppress(StoreError):
        _take_turn(store)
        return True
    return False
