"""What runs, as a file: who it is that others may stop, and where it can be reached."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Self

import psutil  # type: ignore[import-untyped]
from pydantic import BaseModel, ConfigDict, ValidationError

__all__ = ["AlreadyRunningError", "Mark", "Running", "only_one"]

FILE, LOCK = "running.json", "lock"
_SAME_START = 2.0
"""Seconds by which two readings of when a process began may differ: the machine's clock is set in between."""


class AlreadyRunningError(RuntimeError):
    """Another supervisor works in this folder."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Mark(_Model):
    """A process: its number, and when it began (Unix seconds), since numbers are used again."""

    pid: int
    began: float

    @classmethod
    def of(cls, pid: int) -> Self | None:
        """The process that has this number now; None where there is none."""
        try:
            return cls(pid=pid, began=psutil.Process(pid).create_time())
        except psutil.Error:
            return None

    def found(self) -> psutil.Process | None:
        """The process, if it is still there and still the same."""
        try:
            process = psutil.Process(self.pid)
            same = abs(process.create_time() - self.began) < _SAME_START
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.Error:
            return None


class Running(_Model):
    """What a supervisor says of itself and of its children.

    `places` are addresses by what is there; `ready` once all of them have been seen healthy. `restarts` count
    how often a child was started again.
    """

    supervisor: Mark
    children: Mapping[str, Mark] = {}
    places: Mapping[str, str] = {}
    ready: bool = False
    waiting_for: tuple[str, ...] = ()
    restarts: Mapping[str, int] = {}

    @classmethod
    def read(cls, folder: Path) -> Self | None:
        """What the folder's file says; None where there is none, or none that makes sense."""
        try:
            return cls.model_validate_json((folder / FILE).read_text(encoding="utf-8"))
        except (OSError, ValidationError, UnicodeDecodeError):
            return None

    def write(self, folder: Path) -> None:
        """Replaces the file in one step."""
        new = folder / f"{FILE}.new"
        new.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")
        new.replace(folder / FILE)

    @staticmethod
    def remove(folder: Path) -> None:
        """Nothing runs any more."""
        (folder / FILE).unlink(missing_ok=True)


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Makes the folder and holds its lock, which the system takes back however this process ends; raises
    `AlreadyRunningError` where another has it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise AlreadyRunningError(f"what is in {folder} runs already: `weir down` stops it") from None
    try:
        yield
    finally:
        os.close(handle)
