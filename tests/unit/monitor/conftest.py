"""A chain in use that a module has for itself."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.unit.monitor.reading import stage_in_use
from weir.bench.stage import Stage


@pytest.fixture(scope="module")
def used_stage() -> Iterator[Stage]:
    with stage_in_use() as stage:
        yield stage


@pytest.fixture
def stage(used_stage: Stage) -> Iterator[Stage]:
    """What a test does to it is undone."""
    snapshot = used_stage.node.rpc("evm_snapshot")
    yield used_stage.again()
    used_stage.node.rpc("evm_revert", snapshot)
