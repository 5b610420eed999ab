"""How a crash is survived: keeper and index run through it with some trouble, and everything is checked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.integration.books import Reader
from tests.survival.crash import TREASURY, Course, Crash
from tests.survival.processes import Operation
from tests.survival.proxy import Proxy
from tests.survival.records import check_index, check_journal
from weir.store import Store

Trouble = Callable[[Operation, int, int], int]
"""What befalls an operation once the price (USD) of a tick has fallen; in how many ticks it was out of order
(0: it is to finish in this one).
"""


def nothing(_operation: Operation, _tick: int, _price: int) -> int:
    return 0


def survive(
    crash: Crash, proxy: Proxy, folder: Path, trouble: Trouble, *, store: str | None = None
) -> tuple[Course, Operation]:
    """Plays the crash; in the end the chain's properties hold, and nothing that happened is missing."""
    crash.again()
    proxy.calm()
    operation, course = Operation(crash, proxy, folder, store), Course()
    with operation:
        for tick, price in crash.ticks():
            if lost := trouble(operation, tick, price):
                course.outage += lost
            else:
                operation.catch_up()
            course.note(crash.below())
        proxy.calm()
        operation.catch_up()
        for each in operation.both:
            assert each.stop() == 0, f"{each.name}: {each.words()}"
    opened = Store.open(operation.store)
    try:
        assert check_journal(crash, opened) >= 10
        assert check_index(crash, opened) >= 100
    finally:
        opened.close()
    reader = Reader(crash.weir.chain, crash.weir.deployment, TREASURY.address)
    assert crash.check(reader) >= 5
    crash.check_end()
    return course, operation
