"""The simulation: a market is built, a crash runs through it, and keepers clean up behind it.

Between two known prices the path is straight, in `Settings.substeps` steps. At each of them the feeds jump
first, so that losses can exceed margins; then the quick act, then keepers in several rounds while the
auctions run, then the others. Everything that happens is a transaction in a block of its own; the same seed
on the same kind of node gives the same chain.
"""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from weir.chain import ContractError
from weir.client import Weir
from weir.keeper.policy import Kind as TaskKind
from weir.keeper.policy import Options
from weir.keeper.roles import USUAL, Role
from weir.keeper.runner import Keeper
from weir.keeper.view import Reader
from weir.node import Kind, Node
from weir.results import RunResult
from weir.scenarios import PricePoint, Scenario
from weir.simulation.market import LEAD, WORTH_SELLING, Market, Settings, steps
from weir.simulation.population import (
    Arbitrageur,
    Liquidator,
)
from weir.simulation.record import Recorder
from weir.simulation.stage import GAS

__all__ = ["LEAD", "Progress", "Settings", "Simulation", "simulate"]

log = logging.getLogger(__name__)

COLLECT_FROM = 50_000
"""USD of fees, levies and premium from which on a keeper takes the trouble to collect them."""
LAST_ROUNDS = 40
"""Rounds of keepers after the last price, at most."""


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


class Simulation(Market):
    """One run on one node, with keepers of its own."""

    def __init__(
        self,
        node: Node,
        scenario: Scenario,
        seed: int,
        settings: Settings,
        progress: Callable[[Progress], None],
    ) -> None:
        self.progress = progress
        self.total = 1 + scenario.bars * 2 * steps(scenario, settings)
        progress(Progress(0, self.total, "deploying"))
        super().__init__(node, scenario, seed, settings)
        self.keepers = self._keepers()
        self.buyers = self._buyers()
        self.recorder = Recorder(self.stage, self.population)
        self._loaded: set[str] = set()

    # ---- the whole

    def play(self) -> None:
        """From the first deposit to the last settlement."""
        opening, *points = self.scenario.path()
        self.arrive()
        self._tell(0, "opening positions", opening)
        self.open(opening)
        self.recorder.sample(opening.timestamp, opening.prices, opening.assets)
        last = opening
        done = 1
        for point in points:
            for step in self.walk(last, point):
                self.stage.pass_to(step.timestamp)
                self.tick(step, (point.timestamp - last.timestamp) // self.substeps)
                self.recorder.sample(step.timestamp, step.prices, step.assets)
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

    # ---- keepers

    def _keepers(self) -> list[tuple[Liquidator, Keeper]]:
        reader = Reader(self.stage.weir)
        return [
            (
                liquidator,
                self._keeper(
                    liquidator.name,
                    reader,
                    min_bounty_rate=liquidator.min_bounty_rate,
                    margin_use=liquidator.margin_use,
                    name_winners=liquidator.name_winners,
                ),
            )
            for liquidator in self.population.liquidators
        ]

    def _buyers(self) -> list[tuple[Arbitrageur, Keeper]]:
        """Keepers without a deposit: all that they can do for money is to buy."""
        reader = Reader(self.stage.weir)
        return [
            (
                arbitrageur,
                self._keeper(
                    arbitrageur.name,
                    reader,
                    roles=USUAL | {Role.BUY},
                    min_discount=arbitrageur.min_discount,
                ),
            )
            for arbitrageur in self.population.arbitrageurs
        ]

    def _keeper(self, name: str, reader: Reader, **options: Any) -> Keeper:
        stage = self.stage
        chosen = Options(
            execute=True,
            min_profit=stage.units(5),
            min_collect=stage.units(COLLECT_FROM),
            min_sale=stage.units(WORTH_SELLING),
            **options,
        )
        return Keeper(stage.weir, stage.accounts[name], chosen, gas=GAS, reader=reader)

    def keep_until(self, time: int) -> None:
        """A round of them at this time."""
        self.stage.pass_to(time)
        self._keep()

    def _keep(self) -> int:
        """One round: each keeper does what it finds, then sells what it took over to makers, if they buy."""
        sent = 0
        for liquidator, keeper in self.keepers:
            report = keeper.step()
            sent += report.count("sent").total()
            if report.count("sent")["liquidate"] and self.scenario.unloading:
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
                self.sell_on(arbitrageur.name)
            self._supply(arbitrageur)
        return sent

    def _supply(self, arbitrageur: Arbitrageur) -> None:
        """Sells to the reserve what it is buying, if it pays well enough, out of the market."""
        stage, reserve, name = self.stage, self.stage.weir.assets.reserve, arbitrageur.name
        for asset, wanted in self.wanted(arbitrageur):
            if units := self.stock(arbitrageur, asset, wanted):
                call = reserve.functions.sell(asset.id, units, stage.accounts[name].address, 0)
                stage.attempt(name, call, count=False)
                self.sell_on(name)

    def _unload(self, liquidator: Liquidator) -> None:
        (state,) = self.stage.weir.accounts([self.stage.accounts[liquidator.name].address], block="pending")
        left = sum(
            self.venue.close(liquidator.name, self.stage.symbols[position.market], position.size)
            for position in state.positions
        )
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
        if money := self.sell_on(liquidator.name):
            stage.approve(liquidator.name, stage.weir.vault.address, money)
            stage.send(liquidator.name, stage.weir.vault.functions.deposit(address, money))
            stage.brought_back[address] += money
        return left

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
