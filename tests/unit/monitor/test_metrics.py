"""Metrics equal what the contracts say, and are absent where nothing is known."""

from __future__ import annotations

import time
import urllib.error
import urllib.request
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.monitor.reading import Scrape, names, scrape, watcher_of
from weir.accounts import development_account
from weir.bench.stage import Stage, account
from weir.chain import connect
from weir.client import Weir
from weir.decoding import PRICE_STATUS
from weir.deployment import deploy
from weir.index.follow import Follower
from weir.monitor.command import health
from weir.monitor.index import IndexedDays
from weir.monitor.metrics import registry
from weir.monitor.metrics.accounts import STATES
from weir.monitor.replenishment import replenishment
from weir.monitor.watch import STILL_SECONDS, Watcher
from weir.node import Node
from weir.parameters import Parameters
from weir.serving import serve
from weir.states import AccountState
from weir.store import Store

WAD = 10**18
MILLION = 10**6
HOUR, DAY = 3_600, 86_400


def ask(stage: Stage, contract: Any, view: str, *arguments: Any) -> Any:
    return stage.weir.chain.call(getattr(contract.functions, view)(*arguments))


def found(stage: Stage) -> Scrape:
    return scrape(watcher_of(stage))


# ------------------------------------------------------------- equal to the chain


def test_the_fund_is_what_its_contracts_say(stage: Stage) -> None:
    weir, figures = stage.weir, found(stage)
    held = ask(stage, weir.fund, "layers")
    usd = {name: float(weir.usd(held[name])) for name in ("skin", "unvested", "junior", "senior")}
    assert min(usd.values()) > 0
    for layer, amount in usd.items():
        assert figures["weir_fund_layer_usd", (layer,)] == amount
    assert figures["weir_fund_layer_usd", ("reserve",)] == 20_000 * 0.95  # less the haircut, by default 5%
    assert figures["weir_fund_assets_usd", ()] == pytest.approx(sum(usd.values()) + 19_000, abs=1e-9)
    coverage = ask(stage, weir.policy, "coverage")
    assert figures["weir_fund_coverage_ratio", ()] == coverage / MILLION
    assert figures["weir_fund_stress_ratio", ()] == ask(stage, weir.policy, "stressAt", coverage) / MILLION
    assert figures["weir_fund_fee_share_ratio", ()] == ask(stage, weir.policy, "fundShare") / MILLION
    assert figures["weir_fund_premium_ratio", ()] == (
        ask(stage, weir.policy, "premiumRateAt", coverage) / MILLION
    )
    assert figures["weir_fund_gate_open", ()] == 1


def test_a_market_is_what_its_contracts_say(stage: Stage) -> None:
    weir, figures = stage.weir, found(stage)
    stage.node.increase_time(100)
    late = found(stage)
    for symbol in ("BTC", "ETH", "SOL"):
        market = weir.market_id(symbol)
        state = ask(stage, weir.clearing_house, "marketState", market)
        ledger = ask(stage, weir.vault, "marketLedger", market)
        price, _, updated_at = ask(stage, weir.oracle, "peek", market)
        feed = ask(stage, weir.oracle, "feedOf", market)
        assert figures["weir_market_price_usd", (symbol,)] == price / WAD
        assert figures["weir_market_open_interest_size", (symbol,)] == state["openInterest"] / WAD > 0
        assert figures["weir_market_notional_usd", (symbol,)] == pytest.approx(
            state["openInterest"] * price / WAD**2
        )
        assert figures["weir_market_pool_usd", (symbol,)] == float(weir.usd(ledger["pool"]))
        assert figures["weir_market_unpaid_profit_usd", (symbol,)] == float(weir.usd(ledger["totalClaims"]))
        assert figures["weir_market_feed_heartbeat_seconds", (symbol,)] == feed["heartbeat"] > 0
        assert late["weir_market_feed_age_seconds", (symbol,)] == weir.chain.timestamp() - updated_at > 100
        assert {state: figures["weir_market_feed_status", (symbol, state)] for state in PRICE_STATUS} == {
            state: float(state == "ok") for state in PRICE_STATUS
        }
        assert figures["weir_market_fund_may_pay_usd", (symbol,)] == float(
            weir.usd(ask(stage, weir.fund, "available", market))
        )


def test_shares_are_of_each_sides_positions(stage: Stage) -> None:
    """BTC: longs are the holder's 10, and 5 each of the trader, the other trader and the liquidator."""
    figures = found(stage)
    longs = [10, 5, 5, 5]
    assert figures["weir_market_largest_share_ratio", ("BTC", "long")] == pytest.approx(10 / 25)
    squares = sum((size / 25) ** 2 for size in longs)
    assert figures["weir_market_herfindahl_ratio", ("BTC", "long")] == pytest.approx(squares)
    # The market maker is the other side of all but the trader's, which is the dealer's.
    assert figures["weir_market_largest_share_ratio", ("BTC", "short")] == pytest.approx(20 / 25)


def test_stablecoins_and_members_are_what_their_contracts_say(stage: Stage) -> None:
    weir, figures = stage.weir, found(stage)
    assert figures["weir_stablecoin_collateral_tokens", ("USDX",)] == 20_000
    assert figures["weir_stablecoin_collateral_usd", ("USDX",)] == 19_000
    assert figures["weir_reserve_tokens", ("USDX",)] == 20_000
    assert figures["weir_reserve_worth_usd", ("USDX",)] == 20_000
    assert figures["weir_stablecoin_depeg_ratio", ("USDX",)] == 0
    assert figures["weir_guaranty_total_usd", ()] == float(weir.usd(ask(stage, weir.guaranty, "totalAssets")))
    assert figures["weir_guaranty_member_count", ()] == 2
    owed = sum(member.owed for member in weir.members())
    assert figures["weir_guaranty_owed_usd", ()] == float(weir.usd(owed))

    stage.send("deployer", weir.assets.feed("USDX").functions.setAnswer(97_000_000))
    figures = found(stage)
    assert figures["weir_stablecoin_depeg_ratio", ("USDX",)] == pytest.approx(0.03)
    assert figures["weir_reserve_worth_usd", ("USDX",)] == pytest.approx(19_400)
    assert figures["weir_stablecoin_price_usd", ("USDX",)] == pytest.approx(0.97)


def test_identities_hold_with_their_differences(stage: Stage) -> None:
    stage.send("deployer", stage.weir.token.functions.mint(stage.weir.vault.address, 7))
    figures = found(stage)
    held = {labels: value for (name, labels), value in figures.items() if name == "weir_identity_holds"}
    markets = [(identity, symbol) for symbol in ("BTC", "ETH", "SOL") for identity in ("P2", "P3")]
    assert held == dict.fromkeys([("P1", "S"), ("P1", "USDX"), ("P1", "sUSDX"), *markets], 1)
    assert figures["weir_identity_difference_usd", ("P1", "S")] == pytest.approx(7e-6)
    books = stage.weir.identities()
    for market, symbol in zip(books.markets, ("BTC", "ETH", "SOL"), strict=True):
        used = max(0, -market.surplus) / books.accounts
        assert figures["weir_identity_slack_used_ratio", ("P2", symbol)] == used
        assert figures["weir_identity_slack_used_ratio", ("P3", symbol)] == market.mismatch / 10**9


# ------------------------------------------------------------ a default, step by step


def test_a_default_from_due_to_paid(stage: Stage) -> None:
    weir, node = stage.weir, stage.node
    states = found(stage)
    assert states["weir_account_count", ("due",)] == states["weir_account_count", ("insolvent",)] == 0
    assert sum(states["weir_account_count", (state,)] for state in STATES) == len(weir.accounts())
    assert not {"weir_default_open_seconds", "weir_account_flagged_seconds"} & names(states)

    # The trader is long 5 BTC at 60,010 with some 120,000 of margin.
    stage.price(BTC=33_000)
    figures = found(stage)
    # The other trader, with 100,000 behind as much BTC and 50 ETH, falls with it.
    assert figures["weir_account_count", ("due",)] == 2
    below = sum(-each.equity for each in weir.accounts() if each.equity < 0)
    assert figures["weir_account_deficit_usd", ()] == float(weir.usd(below)) > 10_000

    stage.send("keeper", weir.clearing_house.functions.refresh(weir.market_id("BTC")))
    stage.send("keeper", stage.flag("trader"))
    marked_at = weir.chain.timestamp()
    stage.send("keeper", stage.flag("other_trader"))
    node.increase_time(700)
    stage.price(BTC=33_000)
    figures = found(stage)
    assert figures["weir_account_count", ("insolvent",)] == 2
    assert figures["weir_fund_insolvency_count", ()] == figures["weir_default_open_count", ()] == 2
    assert figures["weir_fund_gate_open", ()] == 0
    age = weir.chain.timestamp() - marked_at
    assert age > 700
    assert figures["weir_fund_gate_closed_seconds", ()] == figures["weir_default_open_seconds", ()] == age

    stage.send("keeper", stage.deleverage("trader"))
    figures = found(stage)
    (default,) = weir.defaults()
    assert figures["weir_default_total", ()] == 1
    assert figures["weir_account_count", ("insolvent",)] == 1
    borne = {
        labels[0]: value for (name, labels), value in figures.items() if name == "weir_default_cost_usd_total"
    }
    assert sum(borne.values()) == pytest.approx(float(weir.usd(default.shortfall)))
    assert borne["own"] == float(weir.usd(default.own)) > 0
    # The gate has been closed since the first mark, though what is open was marked a block later.
    now = weir.chain.timestamp()
    assert figures["weir_fund_gate_closed_seconds", ()] == now - marked_at
    assert figures["weir_default_open_seconds", ()] == now - marked_at - 1
    # The trader's collateral is still to be sold: its default is not over.
    assert figures["weir_stablecoin_collateral_due_usd", ()] > 0
    assert figures["weir_default_open_count", ()] == 2
    weir.chain.send(account("keeper"), stage.deleverage("other_trader"), gas=3_000_000)
    now = weir.chain.timestamp()
    figures = found(stage)
    assert "weir_fund_gate_closed_seconds" not in names(figures)
    assert figures["weir_default_open_seconds", ()] == now - default.time
    assert figures["weir_default_total", ()] == len(weir.defaults()) == 3  # one a market


def test_a_flag_is_told_while_the_account_is_below_maintenance_margin(stage: Stage) -> None:
    """One that nobody marks when it goes below zero is due again; one that has recovered is left out."""
    weir = stage.weir

    def now(price: int) -> tuple[Scrape, AccountState]:
        stage.price(BTC=price)
        stage.send("keeper", weir.clearing_house.functions.refresh(weir.market_id("BTC")))
        return found(stage), weir.account(account("trader").address)

    _, trader = now(36_500)
    assert 0 < trader.equity < trader.maintenance_margin
    stage.send("keeper", stage.flag("trader"))
    flagged_at = weir.chain.timestamp()
    stage.node.increase_time(900)
    figures, trader = now(36_500)
    assert not trader.insolvent
    assert figures["weir_account_count", ("flagged",)] == 1
    assert figures["weir_account_flagged_seconds", ()] == weir.chain.timestamp() - flagged_at > 900
    others = figures["weir_account_count", ("due",)]

    figures, trader = now(33_000)
    assert trader.equity < 0
    assert not trader.insolvent
    assert figures["weir_account_count", ("due",)] == others + 1
    assert figures["weir_account_count", ("flagged",)] == figures["weir_account_count", ("insolvent",)] == 0
    assert figures["weir_account_flagged_seconds", ()] == weir.chain.timestamp() - flagged_at

    stage.send("keeper", stage.flag("trader"))
    figures = found(stage)
    assert figures["weir_account_count", ("due",)] == others
    assert figures["weir_account_count", ("insolvent",)] == 1
    assert figures["weir_account_flagged_seconds", ()] == weir.chain.timestamp() - flagged_at
    stage.send("deployer", weir.feed("BTC").functions.setAnswer(0))
    assert "weir_account_flagged_seconds" not in names(found(stage))

    figures, trader = now(37_500)
    assert trader.maintenance_margin <= trader.equity < trader.initial_margin
    assert trader.flagged_at == flagged_at
    assert "weir_account_flagged_seconds" not in names(figures)


# ------------------------------------------------------------------------ absence


def test_what_is_not_known_is_absent() -> None:
    with Node("anvil", timestamp=1_700_000_000) as node:
        deployment = deploy(connect(node.url), development_account(0), Parameters())
        watcher = Watcher(lambda: Weir(connect(node.url), deployment))
        before = scrape(watcher)
        assert before == {
            ("weir_monitor_reading_ok", ()): 1,
            ("weir_monitor_rpc_errors_total", ()): 0,
            ("weir_monitor_chain_moved_total", ()): 0,
        }
        watcher.step()
        figures = scrape(watcher)
    told = names(figures)
    assert "weir_fund_target_usd" in told
    assert figures["weir_default_total", ()] == 0
    for name in (
        *(
            "weir_fund_posted_target_usd",
            "weir_fund_posted_target_age_seconds",
            "weir_fund_posted_target_fresh",
        ),
        *("weir_fund_gate_closed_seconds", "weir_default_open_seconds", "weir_market_largest_share_ratio"),
        *(
            "weir_stablecoin_price_usd",
            "weir_stablecoin_collateral_due_usd",
            "weir_monitor_store_errors_total",
        ),
        *("weir_replenishment_income_usd_per_day", "weir_replenishment_days_to_target"),
    ):
        assert name not in told
    assert ("weir_fund_coverage_ratio" in told) == (figures["weir_fund_target_usd", ()] > 0)


def test_a_price_that_can_not_be_had_is_absent_and_its_state_told(stage: Stage) -> None:
    stage.send("deployer", stage.weir.assets.feed("USDX").functions.setAnswer(0))
    stage.send("deployer", stage.weir.feed("BTC").functions.setAnswer(0))
    figures = found(stage)
    assert ("weir_stablecoin_price_usd", ("USDX",)) not in figures
    assert ("weir_stablecoin_depeg_ratio", ("USDX",)) not in figures
    assert figures["weir_stablecoin_feed_status", ("USDX", "ok")] == 0
    assert figures["weir_market_feed_status", ("BTC", "ok")] == 0
    assert figures["weir_market_feed_status", ("ETH", "ok")] == 1
    assert figures["weir_market_price_usd", ("BTC",)] == 60_000  # the mark stays
    assert figures["weir_account_count", ("unpriced",)] > 0


# ------------------------------------------------------------------ replenishment


def _days(*rows: tuple[int, int, int, int], until: int) -> IndexedDays:
    """Start, losses, income and fund at the beginning, in USD."""
    days: Any = tuple(
        SimpleNamespace(start=start, losses=losses * MILLION, income=income * MILLION, fund=fund * MILLION)
        for start, losses, income, fund in rows
    )
    return IndexedDays(days, until)


def _reading(*, time: int, deployed_at: int, assets: int, target: int) -> Any:
    return SimpleNamespace(
        time=time,
        deployed_at=deployed_at,
        deployment=SimpleNamespace(decimals=6),
        fund=SimpleNamespace(assets=assets * MILLION, target=target * MILLION),
    )


def test_replenishment_is_income_over_the_time_it_took() -> None:
    start = 20_000 * DAY
    reading = _reading(time=start + DAY * 3 // 2, deployed_at=start, assets=900, target=1_000)
    days = _days((start, 50, 20, 500), (start + DAY, 0, 10, 470), until=reading.time)
    found = replenishment(reading, days)
    assert found is not None
    assert found.income == pytest.approx(20)  # 30 in one day and a half
    assert found.utilisation == 50 / 500
    assert found.days_at_income == pytest.approx(5)


def test_replenishment_is_what_the_index_has_seen(stage: Stage, tmp_path: Path) -> None:
    weir, database = stage.weir, f"sqlite:///{tmp_path / 'index.sqlite3'}"
    stage.node.increase_time(DAY)
    stage.send("keeper", weir.fund.functions.collect())
    store = Store.open(database)
    follower = Follower(weir.chain, weir.deployment, store)
    while follower.step().behind:
        pass

    def client() -> Weir:
        return Weir(connect(stage.node.url), weir.deployment)

    watcher = Watcher(client, lambda: Store.open(database))
    watcher.step()
    assert watcher.store_error() is None
    figures = scrape(watcher)
    now, first = weir.chain.timestamp(), weir.deployment.block
    last = int(figures["weir_monitor_block_number", ()])
    collected = weir.chain.logs([weir.fund.address], first, last, ["IncomeCollected"])
    income = sum(e["fees"] + e["levies"] + e["premium"] - e["treasury"] - e["toMembers"] for e in collected)
    began = int(weir.chain.block(first)["timestamp"], 16)
    a_day = float(weir.usd(income)) * DAY / (now - began)
    assert a_day > 0
    assert figures["weir_replenishment_income_usd_per_day", ()] == pytest.approx(a_day)
    assert figures["weir_replenishment_utilisation_ratio", ()] == 0
    missing = figures["weir_fund_target_usd", ()] - figures["weir_fund_assets_usd", ()]
    assert figures["weir_replenishment_days_to_target", ()] == pytest.approx(max(0, missing) / a_day)
    assert figures["weir_monitor_store_errors_total", ()] == 0


def test_replenishment_looks_back_a_week() -> None:
    start = 20_000 * DAY
    reading = _reading(time=start + 10 * DAY, deployed_at=start, assets=1_000, target=1_000)
    rows = [(start + DAY * day, 1, 1_000 if day < 3 else 7, 100) for day in range(11)]
    found = replenishment(reading, _days(*rows, until=reading.time))
    assert found is not None
    assert found.income == pytest.approx(7 * 8 / 7)
    assert found.days_at_income == 0


def test_replenishment_ends_where_the_index_does() -> None:
    """What is not indexed yet is not taken for a time without income; of what is long ago nothing is said."""
    start = 20_000 * DAY
    rows = [(start + DAY * day, 0, 24, 100) for day in range(2)]
    reading = _reading(time=start + 2 * DAY, deployed_at=start, assets=1, target=2)
    late = replenishment(reading, _days(*rows, until=start + 47 * HOUR))
    assert late is not None
    assert late.income == pytest.approx(48 / 47 * 24)
    assert replenishment(reading, _days(*rows, until=start + 47 * HOUR - 1)) is None


def test_replenishment_is_not_made_up() -> None:
    start = 20_000 * DAY
    young = _reading(time=start + 1_800, deployed_at=start, assets=1, target=2)
    assert replenishment(young, _days((start, 0, 5, 1), until=young.time)) is None
    assert replenishment(young, _days(until=young.time)) is None
    idle = _reading(time=start + DAY, deployed_at=start, assets=1, target=2)
    found = replenishment(idle, _days((start, 0, 0, 0), until=idle.time))
    assert found is not None
    assert (found.income, found.utilisation, found.days_at_income) == (0, None, None)


# ---------------------------------------------------------------------- over HTTP


def test_a_scrape_over_http_is_complete_and_explained(stage: Stage) -> None:
    watcher = watcher_of(stage)
    with serve(0, registry(watcher), lambda: health(watcher, 2.0)) as port:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            families = list(text_string_to_metric_families(answer.read().decode()))
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
    assert len(families) > 60
    for family in families:
        assert family.name.startswith("weir_")
        assert family.documentation.endswith("."), family.name
        assert family.type in ("gauge", "counter")


def test_a_chain_that_stands_still_is_told(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """The monitor works; starting it again would change nothing."""
    watcher = watcher_of(stage)
    began = time.time()
    assert health(watcher, 2.0).reason == "ok"
    monkeypatch.setattr("time.time", lambda: began + STILL_SECONDS + 1)
    watcher.step()
    still = health(watcher, 2.0)
    assert (still.healthy, still.reason) == (True, "the node shows no new block")


def test_a_monitor_that_has_read_nothing_is_not_healthy() -> None:
    watcher = Watcher(lambda: Weir.connect("http://127.0.0.1:1"))
    watcher.step()
    with serve(0, registry(watcher), lambda: health(watcher, 2.0)) as port:
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz")
        assert refused.value.code == 503
        assert b"no node answers" in refused.value.read()


def test_units_are_in_the_names(stage: Stage) -> None:
    endings = (
        *("_usd", "_usd_total", "_seconds", "_ratio", "_size", "_tokens", "_count", "_total", "_per_day"),
        *("_open", "_fresh", "_status", "_holds", "_ok", "_running", "_due", "_number", "_to_target"),
    )
    assert [name for name in names(found(stage)) if not name.endswith(endings)] == []
