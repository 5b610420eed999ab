"""The live page in a real browser, served by `weir monitor` from a real chain."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from tests.ports import free_ports
from weir.bench.stage import GENESIS, Stage, account, build
from weir.client import Weir
from weir.layers import WATERFALL
from weir.monitor.page.scenario import Choice, ask, chosen
from weir.monitor.page.shocks import shocked
from weir.node import Node
from weir.parameters import from_units
from weir.risk.inputs.chain import read_book
from weir.units import DAY

NOT_YET = "has no index yet"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
PATIENCE = 120
"""Seconds that a page may take to show something, and a process to end: far more than anything takes."""

expect.set_options(timeout=1_000 * PATIENCE)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine (Debian: chromium)")


class Viewer:
    """A page that is open, with what its browser asked for and complained about."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.asked: list[str] = []
        self.complaints: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("websocket", lambda channel: self.asked.append(channel.url))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda line: self._said(line.type, line.text))
        page.goto(url)
        page.evaluate("window.never_reloaded = true")

    def _said(self, kind: str, text: str) -> None:
        if kind == "error":
            self.complaints.append(text)

    def find(self, name: str, within: str = "") -> Locator:
        return self.page.locator(f"{within} [data-test={name}]")

    def has(self, name: str, value: object, within: str = "") -> None:
        """Waits until the figure of this name is exactly this."""
        expect(self.find(name, within)).to_have_attribute("data-value", str(value))

    def says(self, name: str, text: str) -> None:
        expect(self.find(name)).to_contain_text(text)

    def value(self, name: str) -> float:
        return float(self.find(name).get_attribute("data-value") or "nan")

    @property
    def reloaded(self) -> bool:
        return not self.page.evaluate("window.never_reloaded === true")


@pytest.fixture(scope="module")
def watched_stage() -> Iterator[Stage]:
    """A chain in use, on a port that it keeps when it is stopped and started again."""
    (port,) = free_ports(1)
    with Node("anvil", timestamp=GENESIS, port=port) as node:
        stage = build(node, None)
        assets = stage.weir.assets
        units = assets.units("USDX", Decimal(20_000))
        stage.send("deployer", assets.token("USDX").functions.mint(account("deployer").address, units))
        assets.contribute(account("deployer"), "USDX", units)
        yield stage


@pytest.fixture(scope="module")
def page_folder(watched_stage: Stage, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run, with the deployment's file."""
    folder = tmp_path_factory.mktemp("live-page")
    watched_stage.weir.deployment.save(folder / "deployment.json")
    return folder


@pytest.fixture(scope="module")
def page_url(watched_stage: Stage, page_folder: Path) -> Iterator[str]:
    """Where `weir monitor` shows the page."""
    with Monitor(watched_stage.node.url, page_folder) as url:
        yield url


def weir_command(name: str, *arguments: str, rpc: str) -> list[str]:
    """One of `weir`'s, on this chain and its index."""
    shared = ("--rpc", rpc, "--deployment", "deployment.json", "--store", "sqlite:///index.sqlite3")
    return [sys.executable, "-m", "weir", name, *arguments, *shared]


class Monitor:
    """`weir monitor` as long as the context lasts."""

    def __init__(self, rpc: str, folder: Path) -> None:
        command = weir_command("monitor", "--port=0", "--metrics-port=0", "--interval=0.3", rpc=rpc)
        self._log = (folder / "monitor.log").open("w+")
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=self._log, text=True, cwd=folder, env=ENVIRONMENT
        )

    def __enter__(self) -> str:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if found := re.match(r"page on (http://\S+)", line):
                return found[1]
        self._log.seek(0)
        raise AssertionError(f"weir monitor ended: {self._log.read()[-2000:]}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE)
        finally:
            self._process.kill()
            self._log.close()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"], timeout=1_000 * PATIENCE
        )
        yield browser
        browser.close()


def opened(browser: Browser, **options: Any) -> Page:
    """A page that is as patient as these tests are."""
    page = browser.new_page(**options)
    page.set_default_timeout(1_000 * PATIENCE)
    return page


@pytest.fixture(scope="module")
def viewer(chromium: Browser, page_url: str) -> Viewer:
    """One that stays open through all of this, at a desk."""
    return Viewer(opened(chromium, viewport={"width": 1300, "height": 900}), page_url)


def test_a_fund_that_has_never_paid_says_so(viewer: Viewer) -> None:
    viewer.has("state", "live")
    viewer.says("headline", "The fund")
    expect(viewer.page.locator("[data-empty=defaults]")).to_have_text("No defaults yet.")
    expect(viewer.page.locator("[data-empty=default]")).to_contain_text("nothing has had to be paid")
    viewer.says("utilisation", "–")
    expect(viewer.page.get_by_text(NOT_YET)).to_be_visible()


def test_figures_are_the_chains(viewer: Viewer, watched_stage: Stage) -> None:
    weir = watched_stage.weir
    fund = weir.fund_state()
    viewer.has("block", int(weir.chain.block()["number"], 16))
    viewer.has("assets", exact(weir, fund.assets))
    viewer.has("target", exact(weir, fund.target))
    assert viewer.value("coverage") == fund.coverage / 1e6
    for layer in ("skin", "junior", "senior", "reserve"):
        viewer.has(f"layer-{layer}", exact(weir, getattr(fund, layer)))
    viewer.has("guaranty", exact(weir, fund.guaranty.total))
    viewer.has("gate", True)
    for market in weir.markets():
        row = f"[data-market={market.symbol}]"
        viewer.has("price", plain(from_units(market.price, 18)), row)
        viewer.has("open-interest", plain(from_units(market.open_interest, 18)), row)
        viewer.has("fund-budget", exact(weir, market.available), row)
        members = min(weir.loss_budget(market.id).left, fund.guaranty.total)
        viewer.has("member-budget", exact(weir, members), row)
    for asset in weir.assets.states():
        row = f"[data-asset={asset.symbol}]"
        viewer.has("peg", plain(from_units(asset.price, 18)), row)
        viewer.has("reserve", plain(from_units(asset.reserve, asset.decimals)), row)


def test_accounts_stand_as_the_chain_says_and_fall_as_computed(viewer: Viewer, watched_stage: Stage) -> None:
    holder = watched_stage.weir.account(account("holder").address)
    prices = {market.id: market for market in watched_stage.weir.markets()}
    cells = viewer.page.locator(f"[data-account='{holder.address}'] td")
    shown = [float(text or "nan") for text in (cells.nth(i).get_attribute("data-value") for i in (1, 7))]
    equity, margin = Decimal(holder.equity), Decimal(holder.maintenance_margin)
    for position in holder.positions:
        moved = Decimal(position.notional) * Decimal("-0.3")
        equity += moved if position.size > 0 else -moved
        margin += moved * prices[position.market].maintenance_margin_ratio / 10**6
    assert shown[1] == holder.equity / holder.maintenance_margin
    assert shown[0] == pytest.approx(float(equity / margin), rel=1e-12)


def test_a_scenario_is_answered_as_the_risk_engine_does(viewer: Viewer, watched_stage: Stage) -> None:
    viewer.page.get_by_label("Scenario").click()
    viewer.page.get_by_role("option", name=re.compile("Black Thursday")).click()
    viewer.find("what-if").wait_for()
    book = read_book(watched_stage.weir)
    expected = ask(book, chosen("black-thursday", book, 0.04))
    viewer.has("what-if", expected.outcome.loss)
    shown = {
        layer: float(viewer.page.locator(f"[data-layer='{layer}']").get_attribute("data-value") or "nan")
        for layer in expected.outcome.layers
    }
    assert shown == dict(expected.outcome.layers)
    assert shown["skin"] > 0, "a scenario that reaches nothing shows nothing"


def test_a_slider_is_a_move_of_ones_own(viewer: Viewer, watched_stage: Stage) -> None:
    viewer.find("reset").click()
    expect(viewer.page.locator("[data-empty=what-if]")).to_have_text("Choose a scenario, or move a slider.")
    slider = viewer.page.locator("[data-shock=BTC]")
    expect(slider).to_have_attribute("aria-valuenow", "0")
    for _ in range(6):
        slider.locator("[tabindex='0']").press("PageDown")
    expect(slider).to_have_attribute("aria-valuenow", "-60")
    book = read_book(watched_stage.weir)
    expected = ask(book, Choice({"BTC": -0.6}))
    viewer.has("what-if", expected.outcome.loss)
    assert expected.outcome.loss > 0


def test_a_price_arrives_without_a_reload_and_does_what_the_heat_map_says(
    viewer: Viewer, watched_stage: Stage
) -> None:
    weir = watched_stage.weir
    [btc, *_] = weir.markets()
    expected = [shocked(each, (btc,), -10) for each in weir.accounts() if each.positions]
    viewer.page.evaluate("scrollTo(0, 700)")
    viewer.has("price", plain(from_units(60_000 * 10**18, 18)), "[data-market=BTC]")
    watched_stage.price(BTC=Decimal("59999.4"))
    watched_stage.send("keeper", weir.clearing_house.functions.refresh(btc.id))
    viewer.has("price", plain(from_units(599_994 * 10**17, 18)), "[data-market=BTC]")
    viewer.has("block", int(weir.chain.block()["number"], 16))
    after = [each for each in weir.accounts() if each.positions]
    for cell, account_after in zip(expected, after, strict=True):
        assert abs(account_after.equity - cell.equity) <= 2, "a unit for each rounding"
        assert abs(account_after.maintenance_margin - cell.margin) <= 2
    assert viewer.page.evaluate("scrollY") == 700
    assert not viewer.reloaded


def test_a_default_opens_and_adds_up(viewer: Viewer, watched_stage: Stage) -> None:
    default_of_the_debtor(watched_stage)
    weir = watched_stage.weir
    [default] = weir.defaults()
    viewer.page.locator(f"[data-default='{default.id}']").click()
    viewer.has("default", default.id)
    viewer.has("shortfall", exact(weir, default.shortfall))
    rows = viewer.page.locator("[data-test=default] [data-step]")
    steps = [
        (
            Decimal(rows.nth(i).get_attribute("data-value") or "NaN"),
            Decimal(rows.nth(i).get_attribute("data-left") or "NaN"),
        )
        for i in range(rows.count())
    ]
    assert [amount for amount, _ in steps] == [weir.usd(getattr(default, name)) for name in WATERFALL]
    assert sum(amount for amount, _ in steps) == weir.usd(default.shortfall) > 0
    assert steps[-1][1] == 0
    viewer.says("post-mortem", NOT_YET)

    watched_stage.mint("debtor", 200_000, weir.fund)
    watched_stage.send("debtor", weir.fund.functions.recover(default.id, watched_stage.units(1_000)))
    viewer.has("recovered", exact(weir, watched_stage.units(1_000)))
    assert not viewer.reloaded


def test_an_account_leads_to_its_history_or_to_what_is_missing(
    viewer: Viewer, watched_stage: Stage, page_folder: Path, chromium: Browser, page_url: str
) -> None:
    target = viewer.find("account-link").get_attribute("href") or ""
    page = opened(chromium)
    page.goto(page_url + target)
    expect(page.locator("[data-test=problem]")).to_contain_text(NOT_YET)

    indexing = weir_command("index", "run", "--once", rpc=watched_stage.node.url)
    subprocess.run(indexing, cwd=page_folder, env=ENVIRONMENT, check=True, capture_output=True, timeout=600)
    page.reload()
    history = page.locator("[data-test=history] tbody tr")
    expect(history.first).to_be_visible()
    expect(history.filter(has_text="Liquidated")).to_have_count(1)
    page.goto(f"{page_url}/account/nobody")
    expect(page.locator("[data-test=problem]")).to_contain_text("'nobody' is not the address of an account")
    page.close()


def test_what_the_index_knows_appears_without_a_reload(viewer: Viewer) -> None:
    source = viewer.page.get_by_text(re.compile("From the index, up to block"))
    expect(source).to_be_visible()
    viewer.says("post-mortem", "liquidated")
    assert not viewer.reloaded


def test_a_phone_shows_it_all_without_scrolling_sideways(chromium: Browser, page_url: str) -> None:
    page = opened(chromium, viewport={"width": 375, "height": 800}, is_mobile=True, has_touch=True)
    phone = Viewer(page, page_url)
    phone.has("state", "live")
    page.locator("[data-chart=heat] canvas").first.wait_for()
    page.wait_for_function("document.documentElement.scrollWidth === 375")
    page.close()


def test_charts_have_names_for_who_does_not_see_them(viewer: Viewer) -> None:
    charts = viewer.page.locator("[data-chart]")
    assert charts.count() == 5
    for i in range(charts.count()):
        assert charts.nth(i).get_attribute("role") == "img"
        assert len(charts.nth(i).get_attribute("aria-label") or "") > 20


def test_nothing_is_asked_of_any_other_machine(viewer: Viewer) -> None:
    hosts = {urlsplit(url).hostname for url in viewer.asked if not url.startswith(("data:", "blob:"))}
    assert hosts == {"127.0.0.1"}
    assert viewer.complaints == []


def test_without_a_price_nothing_is_called_well(viewer: Viewer, watched_stage: Stage) -> None:
    prices = {each.symbol: from_units(each.price, 18) for each in watched_stage.weir.markets()}
    watched_stage.wait(DAY + 1)
    watched_stage.node.mine()
    holders = sum(bool(each.positions) for each in watched_stage.weir.accounts())
    lack = f"{holders} accounts can't be priced: {', '.join(prices)} have no price"
    expect(viewer.page.locator("[data-empty=heat]")).to_have_text(f"{lack}.")
    viewer.says("near", "–")
    viewer.has("near", "")
    expect(viewer.page.locator(".tile", has=viewer.find("near"))).to_contain_text(lack)
    watched_stage.price(**prices)
    viewer.has("near", 0)
    assert not viewer.reloaded


def test_a_node_that_goes_away_is_told_and_comes_back(viewer: Viewer, watched_stage: Stage) -> None:
    node = watched_stage.node
    state = node.rpc("anvil_dumpState")
    block = viewer.find("block").get_attribute("data-value")
    node.stop()
    viewer.has("state", "stale")
    viewer.says("notice", f"These numbers are of block {int(block or 0):,}")
    assert viewer.find("block").get_attribute("data-value") == block, "the last numbers stay, marked as old"
    node.start()
    viewer.says("notice", "deploy")
    node.rpc("anvil_loadState", state)
    viewer.has("state", "live")
    expect(viewer.find("notice")).to_have_count(0)
    assert not viewer.reloaded


def default_of_the_debtor(stage: Stage) -> None:
    """A member that is 50 BTC long falls below zero by more than the fund's budget for the market."""
    stage.mint("debtor", 230_000, stage.weir.guaranty)
    stage.send("debtor", stage.join("debtor", 25_000))
    stage.send("debtor", stage.deposit("debtor", 140_000))
    stage.buy("debtor", "market_maker", "BTC", 50, 60_010)
    stage.price(BTC=45_050)
    stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=45_000)
    stage.send("liquidator", stage.liquidate("debtor"))


def exact(weir: Weir, units: int) -> str:
    """As the page writes an amount."""
    return plain(weir.usd(units))


def plain(value: Decimal) -> str:
    return str(value)
