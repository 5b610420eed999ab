"""One process sends with an account at a time."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.keeper.stores import a_lease
from weir.keeper.lease import GLANCE, LeaseHeldError, LeaseLostError, myself
from weir.store import Store


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Store]:
    store = Store.open(f"sqlite:///{tmp_path / 'keeper.sqlite3'}")
    yield store
    store.close()


def never(_: float) -> None:
    raise AssertionError("nothing is to be waited for")


def ran_out(store: Store) -> None:
    with store.write() as connection:
        connection.exec_driver_sql("UPDATE keeper_accounts SET held_until = held_until - 1000")


def test_it_is_taken_and_taken_again_and_given_back(kept: Store) -> None:
    lease = a_lease(kept)
    lease.take(sleep=never)
    a_lease(kept).take(sleep=never)
    lease.renew()
    lease.release()
    with pytest.raises(LeaseLostError):
        lease.renew()
    a_lease(kept, holder="elsewhere 1 2 3").take(sleep=never)


def the_parent() -> str:
    """A process here that has not ended."""
    machine, _, _, _ = myself().split(" ")
    parent = os.getppid()
    began = Path(f"/proc/{parent}/stat")
    if not began.exists():
        pytest.skip("there is no /proc to tell when a process began")
    since = began.read_text().rpartition(")")[2].split()[19]
    return f"{machine} {parent} {since} x"


def test_a_living_process_here_keeps_others_out(kept: Store) -> None:
    living = a_lease(kept, holder=the_parent())
    living.take()
    with pytest.raises(LeaseHeldError, match=f"^process {os.getppid()} sends with 0xliquidator"):
        a_lease(kept).take(sleep=lambda _: living.renew())


def test_one_here_that_hangs_is_waited_for_like_any_other(kept: Store) -> None:
    a_lease(kept, holder=the_parent()).take()
    a_lease(kept).take(sleep=lambda _: ran_out(kept))


def test_who_is_told_to_stop_waits_no_longer(kept: Store) -> None:
    def leave(_: float) -> None:
        raise SystemExit(0)

    a_lease(kept, holder="elsewhere 12 345 x").take()
    heard: list[str] = []
    with pytest.raises(SystemExit):
        a_lease(kept).take(sleep=leave, tell=heard.append)
    assert heard == ["a process on another machine may send with 0xliquidator: waiting"]


def test_an_ended_process_that_its_parent_has_not_asked_after_is_followed_at_once(kept: Store) -> None:
    code = "from weir.keeper.lease import myself; print(myself())"
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        holder = process.stdout.read().strip()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        a_lease(kept, holder=holder).take()
        a_lease(kept).take(sleep=never)


def test_an_ended_process_here_is_followed_at_once(kept: Store) -> None:
    code = "from weir.keeper.lease import myself; print(myself())"
    holder = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    a_lease(kept, holder=holder.strip()).take()
    a_lease(kept).take(sleep=never)


def test_a_number_that_is_used_again_is_another_process(kept: Store) -> None:
    machine, _, _, _ = myself().split(" ")
    if not Path("/proc/self/stat").exists():
        pytest.skip("there is no /proc to tell when a process began")
    a_lease(kept, holder=f"{machine} {os.getppid()} 1 x").take()
    a_lease(kept).take(sleep=never)


def test_one_elsewhere_is_waited_for(kept: Store) -> None:
    elsewhere = a_lease(kept, holder="elsewhere 12 345 x")
    elsewhere.take()
    waited = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        if len(waited) == 3:
            ran_out(kept)

    mine = a_lease(kept)
    mine.take(sleep=sleep)
    assert waited == [GLANCE] * 3
    with pytest.raises(LeaseLostError):
        elsewhere.renew()
    mine.renew()


def test_one_elsewhere_that_gives_signs_of_life_keeps_it(kept: Store) -> None:
    elsewhere = a_lease(kept, holder="elsewhere 12 345 x")
    elsewhere.take()
    with pytest.raises(LeaseHeldError, match="on another machine"):
        a_lease(kept).take(sleep=lambda _: elsewhere.renew())


def test_one_that_ran_out_and_was_not_taken_goes_on(kept: Store) -> None:
    lease = a_lease(kept)
    lease.take()
    ran_out(kept)
    lease.renew()
