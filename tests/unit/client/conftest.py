"""Deployments with money in them, each undone after its test."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import pytest

from tests.unit.client.moves import deployed
from weir.client import Weir
from weir.node import Node
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import FundingParameters


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as running:
        yield running


@pytest.fixture
def weir(node: Node) -> Iterator[Weir]:
    """A deployment with money in it; what a test does is undone after it."""
    snapshot = node.rpc("evm_snapshot")
    yield deployed(node, FREE)
    node.rpc("evm_revert", snapshot)


@pytest.fixture
def charging(node: Node) -> Iterator[Weir]:
    """The same, under a policy that charges; feeds answer for a day."""
    snapshot = node.rpc("evm_snapshot")
    yield deployed(node, FundingParameters())
    node.rpc("evm_revert", snapshot)


@pytest.fixture
def mutual(node: Node) -> Iterator[Weir]:
    """The same, where who has more than 100,000 must contribute 1% of the rest, unless a tier is posted."""
    snapshot = node.rpc("evm_snapshot")
    membership = {"member_threshold": Decimal(100_000), "member_ratio": 5_000, "member_step": 2_500}
    yield deployed(node, FREE.model_copy(update=membership))
    node.rpc("evm_revert", snapshot)
