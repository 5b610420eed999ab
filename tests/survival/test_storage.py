"""Keeper and index survive a database that is full, or away for a while: nothing is sent that could not be
written down, and nothing that was written is lost.
"""

import resource
import subprocess
import sys
from pathlib import Path

import pytest

from tests.databases import postgresql
from tests.survival.conftest import Survive
from tests.survival.processes import Operation

CORE = 3
"""The tick in which it happens: flags and liquidations are behind, the defaults ahead."""
SPARE = 8_192
"""Bytes that can still be written when it becomes full."""


def _errors(operation: Operation) -> bool:
    """Whether keeper and index have met the database's refusal; who has nothing to write gets a block."""
    words = "sqlite3", "StoreError", "psycopg", "postgresql"
    unaware = [each for each in operation.both if not each.has_said(*words)]
    if unaware and all(each.block() >= operation.crash.head for each in unaware):
        operation.crash.node.mine()
    return not unaware


@pytest.mark.skipif(sys.platform != "linux", reason="limits of other processes are Linux's")
def test_files_that_may_not_grow(survives: Survive, tmp_path: Path) -> None:
    """No file of theirs may become larger, until there is room again."""

    def limit(operation: Operation, most: int) -> None:
        for each in operation.both:
            resource.prlimit(each.pid, resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        if tick == CORE:
            limit(operation, max(file.stat().st_size for file in tmp_path.glob("weir.sqlite3*")) + SPARE)
            operation.until(lambda: _errors(operation))
        if tick == CORE + 1:
            limit(operation, resource.RLIM_INFINITY)
        return int(tick == CORE)

    survives(trouble)


def test_a_full_disk(survives: Survive, tmp_path: Path) -> None:
    """A small disk is filled by something else, which is removed later."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16m", "weir-test", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk can only be mounted by root, where mounting is allowed")
    ballast = disk / "ballast"

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        if tick == CORE:
            _fill(ballast)
            operation.until(lambda: _errors(operation))
        if tick == CORE + 1:
            ballast.unlink()
        return int(tick == CORE)

    try:
        survives(trouble, store=f"sqlite:///{disk / 'weir.sqlite3'}")
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def _fill(file: Path) -> None:
    with file.open("wb", buffering=0) as content:
        for size in (2**20, 2**12, 1):
            try:
                while content.write(b"\0" * size) == size:
                    pass
            except OSError:
                continue


def test_a_folder_that_is_away(survives: Survive, tmp_path: Path) -> None:
    """Both are started again while their database's folder is not there, as when a volume is mounted late."""
    folder, aside = tmp_path / "volume", tmp_path / "aside"

    def trouble(operation: Operation, tick: int, _price: int) -> int:
        if tick == CORE:
            operation.kill()
            folder.rename(aside)
            folder.write_text("nothing is mounted here", encoding="utf-8")
            operation.supervised = True
            operation.start()
            operation.until(lambda: _errors(operation))
        if tick == CORE + 1:
            folder.unlink()
            aside.rename(folder)
        return int(tick == CORE)

    survives(trouble, store=f"sqlite:///{folder / 'weir.sqlite3'}")


def test_a_server_that_is_stopped_and_started(survives: Survive) -> None:
    """PostgreSQL goes away at once, as when its machine is cut off, and comes back."""
    with postgresql() as server:

        def trouble(operation: Operation, tick: int, _price: int) -> int:
            if tick == CORE:
                server.stop()
                operation.until(lambda: _errors(operation))
            if tick == CORE + 1:
                server.start()
            return int(tick == CORE)

        survives(trouble, store=server.url)
