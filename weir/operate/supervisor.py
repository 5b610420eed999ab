"""Keeps a plan's processes running, and stops them in order.

A child that ends is started again, after a pause that doubles while it keeps ending. The chain is in memory
only: when it is gone everything begins anew, on a fresh one. On Linux children go when the supervisor is
killed; elsewhere, and where one outlives even that, `weir down` finds them by what `running` recorded.
"""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from dataclasses import dataclass
from threading import Event

from weir.node import Node, die_with_parent
from weir.operate.plan import BUYER, Child, Plan
from weir.operate.running import Mark, Running
from weir.simulation.market import LEAD

__all__ = ["StoreTakenError", "Supervisor", "stop_process"]

log = logging.getLogger(__name__)

FIRST_PAUSE, LAST_PAUSE = 0.5, 30.0
"""Seconds until a child that ended is started again: at first, and at most."""
STEADY = 60.0
"""Seconds after which a child that still runs has its pause forgotten."""
DRAIN = 30.0
"""Seconds that a child has to finish what it does once it is told to stop."""
LOOK = 0.2
"""Seconds from one look at the children to the next."""
_HEALTH_SECONDS = 2.0


class StoreTakenError(RuntimeError):
    """The database belongs to something else than a simulation."""


@dataclass(slots=True)
class _Held:
    """A child's process, or when there is to be one again (monotonic seconds)."""

    child: Child
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    due: float = 0.0
    pause: float = FIRST_PAUSE
    healthy: bool = False


class Supervisor:
    """Runs a plan until `stop` is set; to be called from the main thread, which children die with."""

    def __init__(self, plan: Plan, stop: Event) -> None:
        self.plan = plan
        self.stop = stop
        self.restarts: Counter[str] = Counter()
        me = Mark.of(os.getpid())
        assert me is not None
        self._me = me
        self._told: Running | None = None

    def run(self) -> None:
        """From a fresh chain to the last process's end; raises what a node raises that does not start."""
        try:
            while not self.stop.is_set():
                self._life()
        finally:
            Running.remove(self.plan.folder)

    def _life(self) -> None:
        """One chain's, with all that is on it."""
        self._forget()
        with Node("anvil", timestamp=int(time.time()) - LEAD, port=self.plan.port) as node:
            held = [_Held(child) for child in (self.plan.market(), *self.plan.others())]
            try:
                while not self.stop.is_set():
                    if not node.running:
                        log.error("the chain is gone, and with it everything on it: beginning anew")
                        self.restarts["chain"] += 1
                        return
                    for each in held:
                        self._look_after(each)
                    self._tell(node, held)
                    self.stop.wait(LOOK)
            finally:
                _stop_all(held)

    def _forget(self) -> None:
        """What was of another chain, which is no more."""
        self.plan.deployment.unlink(missing_ok=True)
        if self.plan.store is not None:
            _forget_index(self.plan.store)
            return
        for ending in ("", "-wal", "-shm"):
            self.plan.database.with_name(self.plan.database.name + ending).unlink(missing_ok=True)

    # ---- children

    def _look_after(self, held: _Held) -> None:
        now = time.monotonic()
        if held.process is not None and (code := held.process.poll()) is not None:
            log.warning("%s ended with %d, again in %.1f s", held.child.name, code, held.pause)
            held.process, held.healthy, held.due = None, False, now + held.pause
            held.pause = min(2 * held.pause, LAST_PAUSE)
            self.restarts[held.child.name] += 1
        elif held.process is None and now >= held.due and self._may_start(held):
            held.process, held.started = self._start(held.child), now
        elif held.process is not None and now - held.started > STEADY:
            held.pause = FIRST_PAUSE
        if held.process is not None and not held.healthy:
            held.healthy = self._is_healthy(held.child)

    def _may_start(self, held: _Held) -> bool:
        return held.child.name == "market" or self.plan.deployment.exists()

    def _is_healthy(self, child: Child) -> bool:
        return self.plan.deployment.exists() and all(_answers(url) for url in child.health)

    def _start(self, child: Child) -> subprocess.Popen[bytes]:
        with (self.plan.folder / f"{child.name}.log").open("ab") as output:
            process = subprocess.Popen(
                child.command,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **child.environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us to handle, in order
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        log.info("%s started, process %d", child.name, process.pid)
        return process

    # ---- what is told

    def _tell(self, node: Node, held: list[_Held]) -> None:
        pids = {"chain": node.pid} | {each.child.name: each.process.pid for each in held if each.process}
        children = {name: mark for name, pid in pids.items() if pid and (mark := Mark.of(pid))}
        missing = tuple(each.child.name for each in held if not each.healthy)
        now = Running(
            supervisor=self._me,
            children=children,
            places=self.plan.places,
            ready=not missing,
            waiting_for=missing,
            restarts=dict(self.restarts),
        )
        if now != self._told:
            now.write(self.plan.folder)
            self._told = now


def _forget_index(url: str) -> None:
    """Empties the index in a database that was given, where it is that of a local chain; others are kept."""
    from weir.accounts import is_local_chain
    from weir.index.queries import NotIndexedError, about
    from weir.store import Store, metadata

    store = Store.open(url)
    try:
        try:
            found = about(store)
        except NotIndexedError:
            return
        if not is_local_chain(found.chain):
            raise StoreTakenError(f"{store.where} is the index of chain {found.chain}: give another database")
        with store.write(lock="schema") as connection:
            for table in reversed(metadata.sorted_tables):
                if table.name.startswith("index_"):
                    connection.execute(table.delete())
    finally:
        store.close()


def _stop_all(held: list[_Held]) -> None:
    """The market first, so that nothing new happens; then keepers, who may finish what they began; then those
    who only look.
    """
    for each in sorted(held, key=lambda each: _turn(each.child.name)):
        if each.process is not None:
            log.info("stopping %s", each.child.name)
            stop_process(each.process)


def _turn(name: str) -> int:
    return 0 if name == "market" else 1 if name.startswith(("keeper", BUYER)) else 2


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """Tells it to finish, and ends it where it takes too long."""
    process.terminate()
    try:
        process.wait(DRAIN)
    except subprocess.TimeoutExpired:
        log.warning("process %d did not finish in %.0f s: killed", process.pid, DRAIN)
        process.kill()
        process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=_HEALTH_SECONDS) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False
