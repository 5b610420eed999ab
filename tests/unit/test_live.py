"""A market that goes on: its prices, those who buy and keep in it; and a soak's judgement."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest

from weir.chain import Call
from weir.client import Weir
from weir.keeper.roles import MARGIN_USE
from weir.node import Node
from weir.operate.plan import Plan
from weir.operate.running import AlreadyRunningError, only_one
from weir.orders import Order
from weir.scenarios import PricePoint, load
from weir.simulation.live import LiveMarket, buyer, journey, liquidators
from weir.simulation.market import Settings
from weir.simulation.population import Arbitrageur
from weir.simulation.stage import SPREAD
from weir.soak import Sample, growth


def test_a_journey_leads_there_and_back_from_any_price() -> None:
    scenario = load("2020-03-12")
    start = PricePoint(datetime(2026, 1, 1, tzinfo=UTC), 0, "open", {"BTC": Decimal(50_000)})
    points = list(journey(scenario, start))
    there = list(scenario.path())
    assert len(points) == 2 * (len(there) - 1)
    assert points[-1].prices == start.prices
    lowest = min(point.prices["BTC"] for point in points)
    ratio = min(p.prices["BTC"] for p in there) / there[0].prices["BTC"]
    assert lowest == (50_000 * ratio).quantize(Decimal("0.01"))
    # The way back has the same prices, and time goes on evenly.
    assert [p.prices for p in points[: len(there) - 2]] == [
        p.prices for p in points[-2 : len(there) - 2 : -1]
    ]
    times = [start.timestamp, *(point.timestamp for point in points)]
    assert {b - a for a, b in pairwise(times)} == {scenario.bar_seconds // 2}
    assert {point.kind for point in points[1::2]} == {"close"}


# ------------------------------------------------------- other stablecoins


def test_where_there_are_other_stablecoins_a_keeper_buys_them(tmp_path: Path) -> None:
    plan, without = Plan(tmp_path, scenario="2023-03-usdc"), Plan(tmp_path)
    names = [child.name for child in plan.others()]
    assert names == ["index", "monitor", "keeper-1", "keeper-2", "buyer"]
    assert [child.name for child in without.others()] == names[:-1]
    child = plan.others()[-1]
    roles = [value for option, value in pairwise(child.command) if option == "--role"]
    assert roles == ["auction", "buy"]
    # An account and a port of its own, which `weir up` has looked at before.
    keys = {each.environment["WEIR_PRIVATE_KEY"] for each in plan.others() if "--execute" in each.command}
    assert len(keys) == 3
    assert plan.ports == (*without.ports, plan.pages + 5)
    assert child.health == (f"http://127.0.0.1:{plan.pages + 5}/healthz",)
    assert plan.places["metrics of buyer"] == f"http://127.0.0.1:{plan.pages + 5}/metrics"


def test_keepers_behave_as_the_populations_liquidators_do(tmp_path: Path) -> None:
    plan = Plan(tmp_path, keepers=3)
    found = [dict(pairwise(child.command)) for child in plan.others() if child.name.startswith("keeper-")]
    people = liquidators(plan._people())
    assert {each.margin_use for each in people} == {MARGIN_USE}
    assert [int(each["--margin-use"]) for each in found] == [each.margin_use for each in people]
    assert [int(each["--min-bounty"]) for each in found] == [each.min_bounty_rate for each in people]


@pytest.fixture(scope="module")
def depeg() -> Iterator[LiveMarket]:
    """A live market with two stablecoins, in which everybody is and nobody trades."""
    with Node("anvil", timestamp=1_800_000_000) as node:
        stop = Event()
        stop.set()  # nobody waits for the wall clock
        market = LiveMarket(node, load("2023-03-usdc"), 1, Settings(traders=4), pace=60, stop=stop)
        market.arrive()
        yield market


def _buyer(market: LiveMarket) -> Arbitrageur:
    found = buyer(market.population)
    assert found is not None
    return found


def _sent(market: LiveMarket, name: str) -> int:
    """Transactions from someone's account so far: a keeper has to know of each."""
    address = market.stage.accounts[name].address
    return int(market.stage.node.rpc("eth_getTransactionCount", address, "pending"), 16)


def _keep(market: LiveMarket, seconds: int = 1) -> None:
    market.keep_until(market.stage.now + seconds)


def test_what_a_buyer_bought_is_sold_on_for_it(depeg: LiveMarket) -> None:
    stage, name = depeg.stage, _buyer(depeg).name
    bought = {"USDC": 5_000, "SAVE": 2_000}
    for symbol, usd in bought.items():
        stage.mint(name, symbol, usd)
    money, sent = stage.held(name), _sent(depeg, name)
    _keep(depeg)
    assert [stage.held(name, symbol) for symbol in bought] == [0, 0]
    assert stage.held(name) - money == pytest.approx(int(7_000 * 10**6 * (1 - SPREAD)), abs=10)
    assert _sent(depeg, name) == sent


def test_a_buyer_has_in_stock_what_the_reserve_is_buying(depeg: LiveMarket) -> None:
    """Skin has grown, and the reserve may be a part of it."""
    stage, one = depeg.stage, _buyer(depeg)
    reserve, fund = stage.weir.assets.reserve, stage.weir.fund
    stage.approve("deployer", fund.address, stage.fund("deployer", 100_000))
    stage.send("deployer", fund.functions.contribute(stage.units(100_000)))
    stage.send("deployer", reserve.functions.start(stage.weir.assets.id("USDC")))
    (usdc,) = (state for state in stage.weir.assets.states() if state.symbol == "USDC")
    _keep(depeg)
    assert stage.held(one.name, "USDC") == 0  # it does not pay well enough yet
    started, money = usdc.auction.started_at, stage.held(one.name)
    _keep(depeg, started + (usdc.auction.ends_at - started) // 2 - stage.now)
    stock = stage.held(one.name, "USDC")
    missing = usdc.reserve_target - usdc.reserve_worth
    assert stock == pytest.approx(min(money, missing), rel=0.002)
    _keep(depeg)
    assert stage.held(one.name, "USDC") == stock
    # Its keeper may sell at once what it has.
    before = usdc.reserve
    call = reserve.functions.sell(usdc.id, stock, stage.accounts[one.name].address, 0)
    stage.send(one.name, call)
    (usdc,) = (state for state in stage.weir.assets.states() if state.symbol == "USDC")
    assert usdc.reserve - before == stock
    # What is left when nothing is bought any more becomes money.
    stage.mint(one.name, "USDC", 100)
    _keep(depeg, usdc.auction.ends_at - stage.now)
    assert stage.held(one.name, "USDC") == 0


def test_what_a_liquidator_took_over_is_sold_for_it_to_the_last_unit(depeg: LiveMarket) -> None:
    stage, one = depeg.stage, depeg.population.liquidators[0]
    opening = next(iter(depeg.scenario.path()))
    stage.report(opening.prices, opening.assets)
    prices = {symbol: float(price) for symbol, price in opening.prices.items()}
    depeg._quote(stage.look(), prices, dict.fromkeys(prices, 0.0), stage.now + 3_600)
    # Liquidations take fractions: sizes are no whole steps of anything.
    order = Order(
        maker=stage.accounts["maker-1"].address,
        market=0,
        is_buy=False,
        reduce_only=False,
        size=5 * 10**18 + 123_456_789,
        price=int(opening.prices["BTC"] * 10**18),
        expiry=stage.now + 3_600,
        salt=10**9,
    )
    signature = stage.weir.sign(order, stage.accounts["maker-1"])
    trade = stage.weir.clearing_house.functions.trade(order.as_tuple(), signature, order.size)
    stage.send(one.name, trade)
    address, sent = stage.accounts[one.name].address, _sent(depeg, one.name)
    assert [position.size for position in stage.look()[address].positions] == [order.size]
    _keep(depeg)
    assert stage.look()[address].positions == ()
    assert _sent(depeg, one.name) == sent


def test_who_buys_and_who_liquidates_does_not_run_out_of_money(depeg: LiveMarket) -> None:
    stage, one = depeg.stage, _buyer(depeg)
    rich, poor, pledged = depeg.population.liquidators
    vault = stage.weir.vault.functions

    def cash(name: str) -> int:
        (state,) = stage.weir.accounts([stage.accounts[name].address])
        return state.cash

    # One has lost a fifth, one has paid as much for collateral, which it has now; one has lost less.
    stage.pledge(pledged.name, "USDC", pledged.deposit)
    for who, left in ((poor, 0.8), (pledged, 0.8), (rich, 0.95)):
        away = cash(who.name) - stage.units(left * who.deposit)
        spent: Call = vault.withdraw(away, stage.accounts["deployer"].address, [])
        stage.send(who.name, spent)
    sent = _sent(depeg, poor.name)
    _keep(depeg)
    assert cash(poor.name) == stage.units(poor.deposit)
    assert cash(pledged.name) == stage.units(pledged.deposit)
    assert cash(rich.name) == stage.units(0.95 * rich.deposit)
    assert _sent(depeg, poor.name) == sent

    away = stage.weir.token.functions.transfer(stage.accounts["deployer"].address, stage.held(one.name))
    stage.send(one.name, away)
    depeg._renew()
    assert stage.held(one.name) == stage.units(one.money)


def test_collateral_that_a_liquidator_has_taken_out_becomes_its_cash(depeg: LiveMarket) -> None:
    stage, one = depeg.stage, depeg.population.liquidators[0]
    stage.mint(one.name, "USDC", 5_000)
    address, sent = stage.accounts[one.name].address, _sent(depeg, one.name)
    before = stage.look()[address].cash
    _keep(depeg)
    assert stage.held(one.name, "USDC") == 0
    assert stage.look()[address].cash - before == pytest.approx(int(5_000 * 10**6 * (1 - SPREAD)), abs=10)
    assert _sent(depeg, one.name) == sent


def test_nobody_pays_for_a_keeper_that_owes_more_than_it_has(depeg: LiveMarket) -> None:
    """Its default is the fund's; then it begins anew."""
    stage, one = depeg.stage, depeg.population.liquidators[1]
    state = stage.look()[stage.accounts[one.name].address]
    before = state.cash
    depeg._refill(one, {state.address: replace(state, equity=-1)}, below=1.0)
    assert stage.look()[state.address].cash == before
    depeg._refill(one, {state.address: replace(state, equity=0)}, below=1.0)
    assert stage.look()[state.address].cash == before + stage.units(one.deposit)


def test_prices_are_fresh_when_everybody_else_begins() -> None:
    """However long everybody took to arrive, and however long the first bar is."""
    with Node("anvil", timestamp=1_800_000_000) as node:
        stop = Event()
        stop.set()
        market = LiveMarket(node, load("2023-03-usdc"), 1, Settings(traders=4), pace=60, stop=stop)
        opened: list[Weir] = []
        market.play(opened.append)
        node.mine()  # when the first prices come
        (weir,) = opened
        first = market.scenario.start.timestamp() + market.scenario.bar_seconds // 2 // market.substeps
        assert weir.chain.timestamp() == first
        assert {each.feed_status for each in weir.markets()} == {"ok"}
        assert {each.status for each in weir.assets.states()} == {"ok"}


# -------------------------------------------------------------------- a soak


def _run(memory: list[int]) -> list[Sample]:
    return [Sample(100 * i, {"index": bytes_}, {}) for i, bytes_ in enumerate(memory)]


def test_memory_that_rises_while_warming_up_is_steady() -> None:
    found = growth("index", _run([50, 90, 100, *[100, 101] * 10]))
    assert found.steady
    assert found.level == pytest.approx(100, abs=1)


def test_memory_that_keeps_rising_is_seen() -> None:
    found = growth("index", _run([100 + i for i in range(24)]))
    assert not found.steady
    assert found.growth == pytest.approx(20 / found.level)


def test_one_supervisor_at_a_time(tmp_path: Path) -> None:
    with only_one(tmp_path), pytest.raises(AlreadyRunningError), only_one(tmp_path):
        pass
    with only_one(tmp_path):
        pass
