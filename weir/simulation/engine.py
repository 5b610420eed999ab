"""The simulation: a market is built, a crash runs through it, and keepers clean up behind it.

Between two known prices the path is straight, in `Settings.substeps` steps. At each of them the feeds jump
first, so that losses can exceed margins; then the quick act, then keepers in several rounds while the
auctions run, then the others. Everything that happens is a transaction in a block of its own; the same seed
on the same kind of node gives the same chain.
"""

from __future__ import annotations

import logging
import time as clock
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from random import Random

from weir.chain import ContractError
from weir.client import AccountState, Weir
from weir.keeper.policy import Kind as TaskKind
from weir.keeper.policy import Options
from weir.keeper.roles import USUAL, Role
from weir.keeper.runner import Keeper
from weir.keeper.view import Reader
from weir.node import Kind, Node
from weir.results import RunResult
from weir.scenarios import PricePoint, Scenario
from weir.simulation import agents
from weir.simulation.agents import Deposit, Memory, Seen, Trade, Withdraw
from weir.simulation.population import (
    Arbitrageur,
    Liquidator,
    Maker,
    Population,
    Trader,
    draw,
    memberships,
)
from weir.simulation.poster import Poster
from weir.simulation.record import Recorder
from weir.simulation.stage import GAS, Stage, parameters
from weir.simulation.venue import Venue

__all__ = ["Progress", "Settings", "Simulation", "simulate"]

log = logging.getLogger(__name__)

LEAD = 2 * 3_600
"""Seconds before the scenario's start in which everybody arrives."""
COLLECT_FROM = 50_000
"""USD of fees, levies and premium from which on a keeper takes the trouble to collect them."""
MEMORY = 3_600
"""Seconds that recent moves are measured over."""
WORTH_SELLING = 1
"""USD of collateral from which on a keeper puts it up for sale."""
UNLIMITED = 2**256 - 1
STEPS = 4
"""From one known price to the next, where nobody says otherwise."""
_CENT, _PEG_STEP = Decimal("0.01"), Decimal("0.0001")
"""Steps of the prices between two known ones, of markets and of stablecoins."""
LAST_ROUNDS = 40
"""Rounds of keepers after the last price, at most."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run can be told besides scenario, node and seed.

    `substeps` divide the way from one known price to the next; `rounds` of keepers follow each. `fund_factor`
    scales the fund's layers, `leverage` what traders take; `coinsurance` in ppm. Substeps and leverage are
    the scenario's own where None.
    """

    substeps: int | None = None
    rounds: int = 2
    traders: int = 44
    leverage: float | None = None
    fund_factor: float = 1.0
    coinsurance: int = 100_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run has come: steps done and to do, and what is happening."""

    done: int
    total: int
    stage: str
    prices: Mapping[str, Decimal] = field(default_factory=dict)
    liquidations: int = 0
    defaults: int = 0


def simulate(
    scenario: Scenario,
    kind: Kind = "anvil",
    seed: int = 1,
    settings: Settings | None = None,
    progress: Callable[[Progress], None] | None = None,
    *,
    port: int | None = None,
    then: Callable[[RunResult, Weir], None] | None = None,
) -> RunResult:
    """Runs a scenario on a fresh local chain, from an empty one to a checked result.

    The chain listens on `port` of loopback, or on any; `then` is called before it stops. Raises
    `weir.node.NodeError` where no node starts, `weir.artifacts.ArtifactError` where nothing is compiled.
    """
    started = clock.monotonic()
    with Node(kind, timestamp=int(scenario.start.timestamp()) - LEAD, port=port) as node:
        run = Simulation(node, scenario, seed, settings or Settings(), progress or (lambda _: None))
        run.play()
        result = run.result(clock.monotonic() - started)
        if then is not None:
            then(result, run.stage.weir)
        return result


def _between(
    last: Mapping[str, Decimal], now: Mapping[str, Decimal], part: Decimal, step: Decimal
) -> dict[str, Decimal]:
    return {name: (price + (now[name] - price) * part).quantize(step) for name, price in last.items()}


class Simulation:
    """One run on one node."""

    def __init__(
        self,
        node: Node,
        scenario: Scenario,
        seed: int,
        settings: Settings,
        progress: Callable[[Progress], None],
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.substeps = settings.substeps or scenario.steps or STEPS
        self.settings = replace(settings, substeps=self.substeps)
        self.progress = progress
        self.rng = Random(f"simulation:{seed}")
        leverage = settings.leverage if settings.leverage is not None else float(scenario.leverage or 1)
        self.population: Population = draw(
            seed,
            tuple(scenario.markets),
            traders=settings.traders,
            leverage=leverage,
            fund=scenario.fund,
            fund_factor=settings.fund_factor,
            crowd=scenario.crowd,
            stablecoins=bool(scenario.assets),
        )
        self.total = 1 + scenario.bars * 2 * self.substeps
        progress(Progress(0, self.total, "deploying"))
        self.stage = Stage.build(node, self.population, parameters(scenario, settings.coinsurance))
        self.venue = Venue(self.stage)
        self.memories = {
            trader.name: Memory(trader.deposit, trader.reserve, Random(f"{trader.name}:{seed}"))
            for trader in self.population.traders
        }
        self.keepers = self._keepers()
        self.buyers = self._buyers()
        self.poster = Poster(self.stage, scenario.bar_seconds)
        self.recorder = Recorder(self.stage, self.population)
        self._loaded: set[str] = set()
        self._past: deque[tuple[int, dict[str, float]]] = deque()

    # ---- the whole

    def play(self) -> None:
        """From the first deposit to the last settlement."""
        opening, *points = self.scenario.path()
        self._arrive()
        self._tell(0, "opening positions", opening)
        self._open(opening)
        self.poster.close(opening.prices)
        self.poster.post(opening.timestamp, self.stage.look())
        self.recorder.begin(opening.timestamp, opening.prices, opening.assets)
        last = opening
        done = 1
        for point in points:
            for step in self._walk(last, point):
                self.stage.pass_to(step.timestamp)
                self._tick(step, (point.timestamp - last.timestamp) // self.substeps)
                done += 1
                self._tell(done, f"bar {point.bar + 1} of {self.scenario.bars}", point)
            self.recorder.check()
            if point.kind == "close":
                self.poster.close(point.prices)
            last = point
        self._tell(done, "settling", last)
        self._wind_up(last)
        self.recorder.check()

    def result(self, seconds: float) -> RunResult:
        """What happened, read back from the chain."""
        return self.recorder.result(
            self.scenario, self.seed, seconds, self.settings, tuple(self.poster.posts)
        )

    def _tell(self, done: int, what: str, point: PricePoint | None = None) -> None:
        prices = point.prices if point else {}
        liquidations = sum(keeper.outbox.totals().sent["liquidate"] for _, keeper in self.keepers)
        self.progress(Progress(done, self.total, what, prices, liquidations, self.recorder.defaults))

    def _walk(self, last: PricePoint, point: PricePoint) -> Iterator[PricePoint]:
        """The way from one known price to the next: to a low ever faster, away from it ever slower."""
        steps = self.substeps
        for i in range(1, steps):
            part = Decimal(i) / steps
            part = part**2 if point.kind == "low" else 1 - (1 - part) ** 2
            yield replace(
                point,
                time=last.time + (point.time - last.time) * i // steps,
                prices=_between(last.prices, point.prices, part, _CENT),
                assets=_between(last.assets, point.assets, part, _PEG_STEP),
            )
        yield point

    # ---- before the crash

    def _arrive(self) -> None:
        stage, fund = self.stage, self.population.fund
        for name, money in self.population.deposits():
            stage.deposit(name, money)
        for name, money in self.population.pledges():
            stage.pledge(name, next(iter(self.scenario.assets)), money)
        for symbol, money in fund.reserve.items():
            stage.reserve(symbol, money)
        for arbitrageur in self.population.arbitrageurs:
            stage.fund(arbitrageur.name, arbitrageur.money)
            for spender in (stage.weir.assets.collateral, stage.weir.assets.reserve):
                stage.approve(arbitrageur.name, spender.address, UNLIMITED)
        for trader in self.population.traders:
            if trader.reserve:
                stage.approve(trader.name, stage.weir.vault.address, stage.fund(trader.name, trader.reserve))
        for name, money in memberships(self.population, stage.weir.deployment.parameters.funding):
            stage.join(name, money)
        if fund.skin:
            amount = stage.fund("deployer", fund.skin)
            stage.approve("deployer", stage.weir.fund.address, amount)
            stage.send("deployer", stage.weir.fund.functions.contribute(amount))
        for layer, tranche in (("junior", stage.weir.junior), ("senior", stage.weir.senior)):
            for number, part in ((1, 0.7), (2, 0.3)):
                name = f"{layer}-staker-{number}"
                if money := getattr(fund, layer) * part:
                    amount = stage.fund(name, money)
                    stage.approve(name, tranche.address, amount)
                    stage.send(name, tranche.functions.deposit(amount, stage.accounts[name].address))

    def _open(self, opening: PricePoint) -> None:
        """The crowd takes its positions, in an order of chance, while makers keep quoting."""
        prices = {symbol: float(price) for symbol, price in opening.prices.items()}
        traders = [trader for trader in self.population.traders if not trader.arrival]
        self.rng.shuffle(traders)
        for i, trader in enumerate(traders):
            if i % 6 == 0:
                self._quote(self.stage.look(), prices, dict.fromkeys(prices, 0.0), opening.timestamp)
            self._enter(trader, opening.timestamp, prices)
        self._past.append((opening.timestamp, prices))

    def _enter(self, trader: Trader, time: int, prices: Mapping[str, float]) -> None:
        for order in agents.opening(trader, prices):
            self.venue.fill(trader.name, order.market, order.size)
        memory = self.memories[trader.name]
        memory.present, memory.acted_at, memory.anchors = True, time, dict(prices)

    # ---- one step of the price

    def _tick(self, point: PricePoint, seconds: int) -> None:
        stage, time = self.stage, point.timestamp
        prices = {symbol: float(price) for symbol, price in point.prices.items()}
        moves = self._moves(time, prices)
        stage.report(point.prices, point.assets)
        states = stage.look()
        self.poster.post(time, states)
        self._quote(states, prices, moves, time + seconds)
        quick = [trader for trader in self.population.traders if trader.skill >= 0.5]
        slow = [trader for trader in self.population.traders if trader.skill < 0.5]
        self._act(quick, states, time, prices, moves)
        for i in range(self.settings.rounds):
            stage.pass_to(time + seconds * (i + 1) // (self.settings.rounds + 1))
            self._keep()
        self._act(slow, stage.look(), time, prices, moves)
        self.recorder.sample(time, point.prices, point.assets)

    def _moves(self, time: int, prices: dict[str, float]) -> dict[str, float]:
        """How far each price is from where it was an hour ago, as a part of it."""
        while len(self._past) > 1 and self._past[1][0] <= time - MEMORY:
            self._past.popleft()
        before = self._past[0][1]
        self._past.append((time, prices))
        return {symbol: price / before[symbol] - 1 for symbol, price in prices.items()}

    def _quote(
        self,
        states: Mapping[str, AccountState],
        prices: Mapping[str, float],
        moves: Mapping[str, float],
        expiry: int,
    ) -> None:
        self.venue.clear()
        for maker in self.population.makers:
            seen = self._seen(maker, states, 0, prices, moves)
            self.venue.quote(maker.name, agents.quotes(maker, seen), expiry)

    def _act(
        self,
        traders: list[Trader],
        states: Mapping[str, AccountState],
        time: int,
        prices: Mapping[str, float],
        moves: Mapping[str, float],
    ) -> None:
        start, end = self.scenario.start.timestamp(), self.scenario.end.timestamp()
        for trader in traders:
            if not self.memories[trader.name].present:
                if time >= start + trader.arrival * (end - start):
                    self._enter(trader, time, prices)
                continue
            seen = self._seen(trader, states, time, prices, moves)
            for act in agents.decide(trader, self.memories[trader.name], seen):
                self._do(trader, act)

    def _do(self, trader: Trader, act: agents.Act) -> None:
        stage, vault = self.stage, self.stage.weir.vault.functions
        address = stage.accounts[trader.name].address
        match act:
            case Trade(market, size):
                self.venue.fill(trader.name, market, size)
            case Deposit(amount):
                stage.attempt(trader.name, vault.deposit(address, stage.units(amount)))
            case Withdraw(amount):
                stage.attempt(trader.name, vault.withdraw(stage.units(amount), address, []))

    def _seen(
        self,
        who: Trader | Maker | Liquidator,
        states: Mapping[str, AccountState],
        time: int,
        prices: Mapping[str, float],
        moves: Mapping[str, float],
    ) -> Seen:
        return self.stage.seen(states[self.stage.accounts[who.name].address], time, prices, moves)

    # ---- keepers

    def _keepers(self) -> list[tuple[Liquidator, Keeper]]:
        stage = self.stage
        reader = Reader(stage.weir)
        return [
            (
                liquidator,
                Keeper(
                    stage.weir,
                    stage.accounts[liquidator.name],
                    Options(
                        execute=True,
                        min_bounty_rate=liquidator.min_bounty_rate,
                        min_profit=stage.units(5),
                        margin_use=liquidator.margin_use,
                        name_winners=liquidator.name_winners,
                        min_collect=stage.units(COLLECT_FROM),
                        min_sale=stage.units(WORTH_SELLING),
                    ),
                    gas=GAS,
                    reader=reader,
                ),
            )
            for liquidator in self.population.liquidators
        ]

    def _buyers(self) -> list[tuple[Arbitrageur, Keeper]]:
        """Keepers without a deposit: all that they can do for money is to buy."""
        stage = self.stage
        reader = Reader(stage.weir)
        return [
            (
                arbitrageur,
                Keeper(
                    stage.weir,
                    stage.accounts[arbitrageur.name],
                    Options(
                        execute=True,
                        min_profit=stage.units(5),
                        min_collect=stage.units(COLLECT_FROM),
                        min_sale=stage.units(WORTH_SELLING),
                        roles=USUAL | {Role.BUY},
                        min_discount=arbitrageur.min_discount,
                    ),
                    gas=GAS,
                    reader=reader,
                ),
            )
            for arbitrageur in self.population.arbitrageurs
        ]

    def _keep(self) -> int:
        """One round: each keeper does what it finds, then sells what it took over to the makers."""
        sent = 0
        for liquidator, keeper in self.keepers:
            report = keeper.step()
            sent += report.count("sent").total()
            if report.count("sent")["liquidate"]:
                self._loaded.add(liquidator.name)
            if liquidator.name in self._loaded:
                self._unload(liquidator)
        self.keepers = [*self.keepers[1:], self.keepers[0]]
        for arbitrageur, keeper in self.buyers:
            report = keeper.step()
            sent += report.count("sent").total()
            if (
                report.count("sent")[TaskKind.BUY_COLLATERAL]
                or report.count("sent")[TaskKind.BUY_FROM_RESERVE]
            ):
                self._sell_on(arbitrageur.name)
            self._supply(arbitrageur)
        return sent

    def _supply(self, arbitrageur: Arbitrageur) -> None:
        """Sells to the reserve what it is buying, if it pays well enough, out of the market."""
        stage, weir, name = self.stage, self.stage.weir, arbitrageur.name
        for asset in weir.assets.states(block="pending"):
            wanted = asset.auction.buying and asset.auction.off >= arbitrageur.min_discount
            if not wanted or weir.assets.record(asset.symbol).feed is None:
                continue
            money = weir.chain.call(weir.token.functions.balanceOf(stage.accounts[name].address))
            price = Decimal(asset.price).scaleb(-18)
            missing = asset.reserve_target - asset.reserve_worth
            if (money := min(money, missing)) < stage.units(WORTH_SELLING):
                continue
            units = stage.acquire(name, asset.symbol, money, price)
            stage.approve(name, weir.assets.reserve.address, units, asset.symbol)
            call = weir.assets.reserve.functions.sell(asset.id, units, stage.accounts[name].address, 0)
            stage.attempt(name, call, count=False)
            self._sell_on(name)

    def _unload(self, liquidator: Liquidator) -> None:
        (state,) = self.stage.weir.accounts([self.stage.accounts[liquidator.name].address], block="pending")
        left = 0.0
        for position in state.positions:
            size = position.size / 10**18
            # Not counted: what is too small to sell would be refused at every round.
            symbol = self.stage.symbols[position.market]
            left += abs(size + self.venue.fill(liquidator.name, symbol, -size, count=False))
        left += self._take_back(liquidator)
        if not left:
            self._loaded.discard(liquidator.name)

    def _take_back(self, liquidator: Liquidator) -> int:
        """What it took over of others' collateral becomes cash again, as far as its margin allows."""
        stage, assets = self.stage, self.stage.weir.assets
        if not assets:
            return 0
        address, collateral = stage.accounts[liquidator.name].address, assets.collateral.functions
        (pledge,) = assets.pledges([address], block="pending")
        left = 0
        for record, held in zip(stage.weir.deployment.assets, pledge.held, strict=True):
            if not held:
                continue
            call = collateral.withdraw(record.id, held, address, [])
            if isinstance(stage.attempt(liquidator.name, call, count=False), ContractError):
                left += held
        if money := self._sell_on(liquidator.name):
            stage.approve(liquidator.name, stage.weir.vault.address, money)
            stage.send(liquidator.name, stage.weir.vault.functions.deposit(address, money))
            stage.brought_back[address] += money
        return left

    def _sell_on(self, name: str) -> int:
        """Someone sells its stablecoins in the market; the S that it got."""
        states = self.stage.weir.assets.states(block="pending")
        return sum(self.stage.exchange(name, each.symbol, Decimal(each.price).scaleb(-18)) for each in states)

    # ---- after the crash

    def _wind_up(self, last: PricePoint) -> None:
        """At the last price keepers go on until nothing is left to do, then everybody is settled."""
        stage = self.stage
        prices = {symbol: float(price) for symbol, price in last.prices.items()}
        time, moves = stage.now, dict.fromkeys(prices, 0.0)
        auction = stage.weir.deployment.parameters.liquidation.auction_duration
        for _ in range(LAST_ROUNDS):
            time = max(time, stage.now) + auction // 2
            stage.pass_to(time)
            stage.report(last.prices, last.assets)
            self._quote(stage.look(), prices, moves, time + auction)
            done = not self._keep() and not stage.weir.actionable(block="pending")
            if done and not self._converting():
                break
        everybody = [state.address for state in stage.weir.accounts()]
        for i in range(0, len(everybody), 20):
            stage.send("deployer", stage.weir.clearing_house.functions.settle(everybody[i : i + 20]))
        stage.send("deployer", stage.weir.fund.functions.collect())
        self.recorder.sample(stage.now, last.prices, last.assets)

    def _converting(self) -> bool:
        """Whether an auction still has to bring what somebody owes."""
        weir = self.stage.weir
        if not weir.assets:
            return False
        fund, least = weir.fund_state(block="pending"), self.stage.units(WORTH_SELLING)
        owing = any(each.due and each.value >= least for each in weir.assets.pledges(block="pending"))
        return owing or bool(fund.advanced_junior + fund.advanced_senior)
