"""What a monitor makes of an index: only of its deployment's, only what is new, and no more than it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import weir.index.queries
from tests.unit.monitor.reading import names, scrape
from weir.bench.stage import Stage, account
from weir.chain import connect
from weir.client import Weir
from weir.index.follow import Follower
from weir.index.tables import about
from weir.monitor.index import LATE, Index
from weir.monitor.page.model import Model, NoIndexError, View
from weir.monitor.watch import Watcher
from weir.store import Store

HOUR, DAY = 3_600, 86_400


class Monitored:
    """A stage with an index, and what a monitor with a page does with both, step by step."""

    def __init__(self, stage: Stage, folder: Path) -> None:
        self.stage = stage
        self.url = f"sqlite:///{folder / 'index.sqlite3'}"
        self.watcher = Watcher(self._client, self._open)
        self.model = Model(self.watcher, self._client, self._open, 2.0)
        self._follower = Follower(stage.weir.chain, stage.weir.deployment, self._open())

    def index(self) -> None:
        while self._follower.step().behind:
            pass

    def view(self) -> View:
        """Of now, after everything has been read once."""
        self.watcher.step()
        assert self.model._recalled is not None
        self.model._recalled.step()
        self.model._gathered.step()
        assert self.model._gathered.error() is None
        return self.model.view()

    def _open(self) -> Store:
        return Store.open(self.url)

    def _client(self) -> Weir:
        return Weir(connect(self.stage.node.url), self.stage.weir.deployment)


@pytest.fixture
def monitored(stage: Stage, tmp_path: Path) -> Monitored:
    found = Monitored(stage, tmp_path)
    found.index()
    return found


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Which of the index's larger queries were made."""
    found: list[str] = []

    def counted(name: str, query: Callable[..., Any]) -> Callable[..., Any]:
        def ask(*arguments: Any, **options: Any) -> Any:
            found.append(name)
            return query(*arguments, **options)

        return ask

    for name in ("layers", "income_by_source", "post_mortem"):
        monkeypatch.setattr(weir.index.queries, name, counted(name, getattr(weir.index.queries, name)))
    return found


# ------------------------------------------------------------------ whose index it is


def test_another_deployments_index_is_refused_by_metrics_and_page(
    monitored: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    monitored.stage.node.increase_time(2 * HOUR)
    monitored.stage.node.mine()
    monitored.index()
    assert monitored.view().replenishment is not None

    def another(store: Store) -> Any:
        found = about(store)
        return SimpleNamespace(chain=found.chain, addresses={**found.addresses, "Vault": "0x" + "11" * 20})

    monkeypatch.setattr("weir.index.tables.about", another)
    view = monitored.view()
    assert "of another deployment" in str(monitored.watcher.store_error())
    assert "of another deployment" in str(view.index_problem)
    assert monitored.watcher.days() is None
    assert view.replenishment is None, "what was measured before is not what it says now"
    assert "weir_replenishment_income_usd_per_day" not in names(scrape(monitored.watcher))
    with pytest.raises(NoIndexError, match="of another deployment"):
        monitored.model.history(account("trader").address, 5)


def test_a_database_is_opened_once(monitored: Monitored) -> None:
    opened = []

    def open_store() -> Store:
        opened.append(Store.open(monitored.url))
        return opened[-1]

    index, deployment = Index(open_store), monitored.stage.weir.deployment
    assert index.of(deployment) is index.of(deployment) is opened[0]
    assert len(opened) == 1


# ---------------------------------------------------------------------- fees of a day


def test_fees_are_a_days_whatever_the_age_of_the_deployment(monitored: Monitored) -> None:
    """Of trades at the beginning only: half a day later twice their fees are a day's, two days later none."""
    weir = monitored.stage.weir
    began = int(weir.chain.block(weir.deployment.block)["timestamp"], 16)
    young = monitored.view()
    assert weir.chain.timestamp() - began < HOUR
    assert young.memory is not None
    assert young.outlook is not None
    assert (young.memory.fees, young.outlook.measured) == (None, False)

    monitored.stage.node.increase_time(DAY // 2)
    monitored.stage.node.mine()
    monitored.index()
    first, last = weir.deployment.block, int(weir.chain.block()["number"], 16)
    trades = weir.chain.logs([weir.vault.address], first, last, ["Exchanged"])
    paid = float(weir.usd(sum(trade["payerFee"] + trade["payeeFee"] for trade in trades)))
    outlook = monitored.view().outlook
    assert paid > 0
    assert outlook is not None
    assert outlook.measured
    assert outlook.fees == pytest.approx(paid * DAY / (weir.chain.timestamp() - began))

    monitored.stage.node.increase_time(2 * DAY)
    monitored.stage.node.mine()
    monitored.index()
    outlook = monitored.view().outlook
    assert outlook is not None
    assert (outlook.fees, outlook.measured) == (0, True)


def test_an_index_that_lags_measures_nothing(monitored: Monitored) -> None:
    monitored.stage.node.increase_time(DAY)
    monitored.stage.node.mine()
    monitored.index()
    assert monitored.view().replenishment is not None
    monitored.stage.node.increase_time(LATE + 60)
    monitored.stage.node.mine()
    view = monitored.view()
    assert view.outlook is not None
    assert (view.outlook.measured, view.replenishment) == (False, None)


def test_an_index_without_income_is_no_failure(monitored: Monitored, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weir.index.queries, "income_by_source", lambda *_, **__: ())
    monitored.stage.node.increase_time(DAY)
    monitored.stage.node.mine()
    monitored.index()
    view = monitored.view()
    assert view.index_problem is None
    assert view.memory is not None
    assert view.memory.fees == 0


# ----------------------------------------------------------------- what is asked again


def test_history_is_read_again_only_where_something_is_new(monitored: Monitored, asked: list[str]) -> None:
    first = monitored.view().memory
    assert asked == ["layers"], "of what is younger than an hour fees aren't asked"
    monitored.stage.node.mine()
    monitored.index()
    second = monitored.view().memory
    assert asked == ["layers"]
    assert first is not None
    assert second is not None
    assert second.points is first.points
    assert second.until.number == first.until.number + 1
    assert second.end == first.end, "nothing has changed, and the index has come further"
    assert monitored.view().memory is second, "where there is no new block it is the same altogether"

    stage = monitored.stage
    stage.node.increase_time(HOUR)
    stage.send("keeper", stage.weir.fund.functions.collect())
    monitored.index()
    third = monitored.view().memory
    assert asked == ["layers", "layers", "income_by_source"]
    assert third is not None
    assert third.end.block > first.end.block


def test_a_post_mortem_is_asked_for_once_until_money_comes_back(
    monitored: Monitored, asked: list[str]
) -> None:
    stage = monitored.stage
    stage.price(BTC=15_000)
    stage.send("keeper", stage.weir.clearing_house.functions.refresh(stage.weir.market_id("BTC")))
    stage.send("keeper", stage.flag("trader"))
    stage.node.increase_time(700)
    stage.price(BTC=15_000)
    stage.weir.chain.send(account("keeper"), stage.deleverage("trader"), gas=3_000_000)
    monitored.watcher.step()
    with pytest.raises(NoIndexError):
        monitored.model.post_mortem(1)
    monitored.index()
    asked.clear()
    found = monitored.model.post_mortem(1)
    assert monitored.model.post_mortem(1) is found
    assert asked == ["post_mortem"]

    stage.mint("deployer", 5_000, stage.weir.fund)
    stage.send("deployer", stage.weir.fund.functions.recover(1, stage.units(1_000)))
    monitored.watcher.step()
    assert monitored.model.post_mortem(1).recovered == 0, "the index has not seen it yet"
    monitored.index()
    again = monitored.model.post_mortem(1)
    assert again.recovered == stage.units(1_000)
    assert monitored.model.post_mortem(1) is again
    assert asked == ["post_mortem"] * 3
