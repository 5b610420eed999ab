"""Runs every scenario from the same chain in use."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from weir.bench import scenarios, stablecoins
from weir.bench.stage import GENESIS, build
from weir.node import Node

__all__ = ["measurements"]


def measurements(root: Path | None = None) -> Iterator[tuple[str, int]]:
    """Measures every action, in the order of `ACTIONS`: its name, and the gas that its transaction used.

    Starts a chain, and stops it at the end. `root` is the project whose compiled contracts are measured.
    """
    with Node("anvil", timestamp=GENESIS) as node:
        stage = build(node, root)
        for scenario in (*scenarios.SCENARIOS, *stablecoins.SCENARIOS):
            mark = node.rpc("evm_snapshot")
            yield from scenario(stage.again())
            node.rpc("evm_revert", mark)
