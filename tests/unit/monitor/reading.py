"""A chain in use to be watched, and what a scrape of its metrics says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal

from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from weir.bench.stage import GENESIS, Stage, account, build
from weir.chain import connect
from weir.client import Weir
from weir.monitor.metrics import registry
from weir.monitor.watch import Watcher
from weir.node import Node


@contextmanager
def stage_in_use() -> Iterator[Stage]:
    """Traders, a fund, members; the trader has pledged a stablecoin, and the fund holds some."""
    with Node("anvil", timestamp=GENESIS) as node:
        stage = build(node, None)
        _give_stablecoins(stage)
        yield stage


def _give_stablecoins(stage: Stage) -> None:
    assets = stage.weir.assets
    units = assets.units("USDX", Decimal(20_000))
    for role in ("trader", "deployer"):
        mint = assets.token("USDX").functions.mint(account(role).address, units)
        stage.send("deployer", mint)
    assets.pledge(account("trader"), "USDX", units)
    assets.contribute(account("deployer"), "USDX", units)


def watcher_of(stage: Stage) -> Watcher:
    """Has read once."""
    watcher = Watcher(lambda: Weir(connect(stage.node.url), stage.weir.deployment))
    watcher.step()
    assert watcher.error() is None
    return watcher


Scrape = dict[tuple[str, tuple[str, ...]], float]


def scrape(watcher: Watcher) -> Scrape:
    """Figures by name and values of labels."""
    text = generate_latest(registry(watcher)).decode()
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def names(found: Scrape) -> set[str]:
    return {name for name, _ in found}
