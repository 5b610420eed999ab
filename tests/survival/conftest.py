"""One crash for all tests of survival, played again for each, and how it goes when nothing is the matter."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.survival.crash import Course, Crash
from tests.survival.processes import Operation
from tests.survival.proxy import Proxy
from tests.survival.surviving import Trouble, nothing, survive
from weir.node import Node

Survive = Callable[..., tuple[Course, Operation]]


@pytest.fixture(scope="session")
def survival_crash(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crash]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        yield Crash(node, tmp_path_factory.mktemp("crash"))


@pytest.fixture(scope="session")
def survival_proxy(survival_crash: Crash) -> Iterator[Proxy]:
    with Proxy(survival_crash.node.url) as proxy:
        yield proxy


@pytest.fixture(scope="session")
def untroubled(
    survival_crash: Crash, survival_proxy: Proxy, tmp_path_factory: pytest.TempPathFactory
) -> Course:
    """The crash without any fault: what others are measured by."""
    course, _ = survive(survival_crash, survival_proxy, tmp_path_factory.mktemp("untroubled"), nothing)
    return course


@pytest.fixture
def survives(
    survival_crash: Crash, survival_proxy: Proxy, untroubled: Course, tmp_path: Path
) -> Iterator[Callable[..., Operation]]:
    """Plays the crash with a trouble, and checks everything that must hold in the end."""

    def play(trouble: Trouble, **options: str) -> Operation:
        course, operation = survive(survival_crash, survival_proxy, tmp_path, trouble, **options)
        allowed = untroubled.slowest + course.outage
        assert course.slowest <= allowed, (course.longest, allowed)
        return operation

    try:
        yield play
    finally:
        survival_proxy.calm()
