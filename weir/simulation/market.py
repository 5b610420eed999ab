"""The people of a simulated market: how they arrive, take positions, and act when the price moves.

Who keeps order while they do, and where the price goes, is for those who run it: `engine` replays one crash
with keepers of its own, `live` goes on without an end and leaves keeping to others.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from random import Random

from weir.client import Weir
from weir.node import Node
from weir.scenarios import PricePoint, Scenario
from weir.simulation import agents
from weir.simulation.agents import Deposit, Memory, Seen, Trade, Withdraw
from weir.simulation.population import Arbitrageur, Liquidator, Maker, Population, Trader, draw, memberships
from weir.simulation.poster import Poster
from weir.simulation.stage import UNLIMITED, Stage, parameters
from weir.simulation.venue import Venue
from weir.stablecoins import AssetState
from weir.states import AccountState

__all__ = ["LEAD", "WORTH_SELLING", "Market", "Settings", "people", "steps"]

LEAD = 2 * 3_600
"""Seconds before the scenario's start in which everybody arrives."""
MEMORY = 3_600
"""Seconds that recent moves are measured over."""
WORTH_SELLING = 1
"""USD of a stablecoin from which on it is worth an auction, and a purchase."""
STEPS = 4
"""From one known price to the next, where nobody says otherwise."""
_CENT, _PEG_STEP = Decimal("0.01"), Decimal("0.0001")
"""Steps of the prices between two known ones, of markets and of stablecoins."""


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


def _between(
    last: Mapping[str, Decimal], now: Mapping[str, Decimal], part: Decimal, step: Decimal
) -> dict[str, Decimal]:
    return {name: (price + (now[name] - price) * part).quantize(step) for name, price in last.items()}


def steps(scenario: Scenario, settings: Settings) -> int:
    """From one known price to the next."""
    return settings.substeps or scenario.steps or STEPS


def people(scenario: Scenario, seed: int, settings: Settings) -> Population:
    """Who takes part: always the same for the same arguments."""
    leverage = settings.leverage if settings.leverage is not None else float(scenario.leverage or 1)
    return draw(
        seed,
        tuple(scenario.markets),
        traders=settings.traders,
        leverage=leverage,
        fund=scenario.fund,
        fund_factor=settings.fund_factor,
        crowd=scenario.crowd,
        stablecoins=bool(scenario.assets),
    )


class Market:
    """A scenario's people on a node: on a deployment of their own, or on the one that is given."""

    def __init__(
        self, node: Node, scenario: Scenario, seed: int, settings: Settings, weir: Weir | None = None
    ) -> None:
        self.scenario = scenario
        self.seed = seed
        self.substeps = steps(scenario, settings)
        self.settings = replace(settings, substeps=self.substeps)
        self.rng = Random(f"simulation:{seed}")
        self.population = people(scenario, seed, settings)
        self.stage = (
            Stage(node, weir, self.population)
            if weir is not None
            else Stage.build(node, self.population, parameters(scenario, settings.coinsurance))
        )
        self.venue = Venue(self.stage)
        self.memories = {
            trader.name: Memory(trader.deposit, trader.reserve, Random(f"{trader.name}:{seed}"))
            for trader in self.population.traders
        }
        self.poster = Poster(self.stage, scenario.bar_seconds)
        self._past: deque[tuple[int, dict[str, float]]] = deque()

    def keep_until(self, time: int) -> None:
        """A round of keepers, at this time: it follows those who act at once, and comes before the others."""
        raise NotImplementedError

    # ---- the path

    def walk(self, last: PricePoint, point: PricePoint) -> Iterator[PricePoint]:
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

    def arrive(self) -> None:
        """Everybody comes and puts money in."""
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
            for asset in stage.weir.deployment.assets:
                stage.approve(arbitrageur.name, stage.weir.assets.reserve.address, UNLIMITED, asset.symbol)
        if stage.weir.deployment.assets:
            for dealers in (self.population.arbitrageurs, self.population.liquidators):
                for dealer in dealers:
                    stage.admit(dealer.name)
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

    def open(self, opening: PricePoint) -> None:
        """The crowd takes its positions, in an order of chance, while makers keep quoting."""
        prices = {symbol: float(price) for symbol, price in opening.prices.items()}
        traders = [trader for trader in self.population.traders if not trader.arrival]
        self.rng.shuffle(traders)
        for i, trader in enumerate(traders):
            if i % 6 == 0:
                self._quote(self.stage.look(), prices, dict.fromkeys(prices, 0.0), opening.timestamp)
            self._enter(trader, opening.timestamp, prices)
        self._past.append((opening.timestamp, prices))
        self.poster.close(opening.prices)
        self.poster.post(opening.timestamp, self.stage.look())

    def _enter(self, trader: Trader, time: int, prices: Mapping[str, float]) -> None:
        for order in agents.opening(trader, prices):
            self.venue.fill(trader.name, order.market, order.size)
        memory = self.memories[trader.name]
        memory.present, memory.acted_at, memory.anchors = True, time, dict(prices)

    # ---- one step of the price

    def tick(self, point: PricePoint, seconds: int) -> None:
        """The price jumps here, and everybody has this long until it jumps again."""
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
            self.keep_until(time + seconds * (i + 1) // (self.settings.rounds + 1))
        self._act(slow, stage.look(), time, prices, moves)

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

    # ---- other stablecoins

    def sell_on(self, name: str, *, keep: Container[str] = ()) -> int:
        """Sells someone's stablecoins in the market, but those to keep: the units of S that it got."""
        return sum(
            self.stage.exchange(name, asset.symbol, Decimal(asset.price).scaleb(-18))
            for asset in self.stage.weir.assets.states(block="pending")
            if asset.price and asset.symbol not in keep
        )

    def stock(self, arbitrageur: Arbitrageur, asset: AssetState, wanted: int) -> int:
        """Buys in the market what the reserve wants of a stablecoin, as far as the money goes: its units."""
        money = min(self.stage.held(arbitrageur.name), wanted)
        if money < self.stage.units(WORTH_SELLING):
            return 0
        return self.stage.acquire(arbitrageur.name, asset.symbol, money, Decimal(asset.price).scaleb(-18))

    def wanted(self, arbitrageur: Arbitrageur) -> Iterator[tuple[AssetState, int]]:
        """The stablecoins that the reserve is buying, if it pays well enough, and for how many units of S."""
        assets, least = self.stage.weir.assets, self.stage.units(WORTH_SELLING)
        for asset in assets.states(block="pending"):
            missing = asset.reserve_target - asset.reserve_worth
            pays = asset.auction.buying and asset.auction.off >= arbitrageur.min_discount
            if pays and missing >= least and assets.record(asset.symbol).feed is not None:
                yield asset, missing

    def _seen(
        self,
        who: Trader | Maker | Liquidator,
        states: Mapping[str, AccountState],
        time: int,
        prices: Mapping[str, float],
        moves: Mapping[str, float],
    ) -> Seen:
        return self.stage.seen(states[self.stage.accounts[who.name].address], time, prices, moves)
