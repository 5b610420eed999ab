"""A market that goes on: on a node that others use as well, with keepers that are processes of their own.

The chain's clock follows the wall clock at a chosen pace, in a block a second at least. Prices go through the
scenario and back, then through others of its kind, always from where they are; in between, who has lost its
money gets new money. What keepers take over, or buy, it sells for them, without sending from their accounts.
Started on a deployment in which it has been before, the market goes on there.
"""

from __future__ import annotations

import logging
import time as clock
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from threading import Event

from web3.contract import Contract

from weir.chain import ContractError
from weir.client import Weir
from weir.keeper.roles import MARGIN_USE
from weir.node import Node
from weir.scenarios import PricePoint, Scenario, available, load
from weir.simulation.market import LEAD, Market, Settings
from weir.simulation.population import Arbitrageur, Liquidator, Maker, Population
from weir.simulation.stage import DEPLOYER, FEED_DECIMALS
from weir.states import AccountState

__all__ = ["LiveMarket", "buyer", "journey", "liquidators"]

log = logging.getLogger(__name__)

BEAT = 1.0
"""Wall seconds from one block to the next, where nobody makes one."""
POOR = 0.3
"""Part of what someone came with, below which it has lost its money."""
SHORT = 0.9
"""Part of what a keeper came with, below which its owner pays in what is missing."""
_CENT, _PEG_STEP = Decimal("0.01"), Decimal("0.0001")


def journey(scenario: Scenario, start: PricePoint) -> Iterator[PricePoint]:
    """A scenario's price path and the same way back, scaled so that it begins, and ends, at `start`."""
    there = tuple(scenario.path())
    opening = there[0]
    half = timedelta(seconds=scenario.bar_seconds // 2)
    for number, point in enumerate((*there[1:], *there[-2::-1]), 1):
        yield PricePoint(
            time=start.time + number * half,
            bar=point.bar,
            kind="low" if number % 2 else "close",
            prices={
                symbol: (price * point.prices[symbol] / opening.prices[symbol]).quantize(_CENT)
                for symbol, price in start.prices.items()
            },
            assets={
                symbol: (price * point.assets[symbol] / opening.assets[symbol]).quantize(_PEG_STEP)
                for symbol, price in start.assets.items()
            },
        )


def buyer(population: Population) -> Arbitrageur | None:
    """With whose money a keeper buys other stablecoins at auction; None where there are none."""
    return next(iter(population.arbitrageurs), None)


def liquidators(population: Population) -> tuple[Liquidator, ...]:
    """Whose keepers are processes: those of a replay, but as careful as keepers are unless told otherwise.
    Prices jump by up to an eighth in the scenarios, and may do so before what was taken over is sold.
    """
    return tuple(
        replace(each, margin_use=min(each.margin_use, MARGIN_USE)) for each in population.liquidators
    )


class LiveMarket(Market):
    """A scenario's people on a running node, until `stop` is set.

    `pace` is how many seconds pass on the chain in one of ours, at most. Where `weir` is given, its people
    have been there before. Raises what a node does that is away.
    """

    def __init__(
        self,
        node: Node,
        scenario: Scenario,
        seed: int,
        settings: Settings | None = None,
        weir: Weir | None = None,
        *,
        pace: float,
        stop: Event,
    ) -> None:
        start = datetime.fromtimestamp(node.now() + (0 if weir else LEAD), UTC)
        scenario = scenario.model_copy(update={"start": start})
        super().__init__(node, scenario, seed, settings or Settings(), weir)
        self._pace = pace
        self._stop = stop
        self._origin = 0.0, 0
        self._returning = weir is not None

    def play(self, opened: Callable[[Weir], None]) -> None:
        """Lets the market live; `opened` is called once everybody has taken positions."""
        last = next(iter(self.scenario.path()))
        if self._returning:
            last = self._found(last)
            self._remember(last)
        else:
            self.arrive()
            self.open(last)
        self._origin = clock.monotonic(), max(self.stage.now, last.timestamp)
        self.stage.pass_to(self._clock())
        self.stage.report(last.prices, last.assets)  # it may be long until prices move
        opened(self.stage.weir)
        for number, scenario in enumerate(self._scenarios()):
            if number or self._returning:
                self._renew()
            log.info("%s, there and back", scenario.title)
            for point in journey(scenario, last):
                for step in self.walk(last, point):
                    self._wait(step.timestamp)
                    if self._stop.is_set():
                        return
                    self.tick(step, (point.timestamp - last.timestamp) // self.substeps)
                if point.kind == "close":
                    self.poster.close(point.prices)
                self.poster.posts.clear()
                last = point

    def _scenarios(self) -> Iterator[Scenario]:
        """The one that was asked for, then whichever: those with the same bars, and prices for all of it."""
        own, rng = self.scenario, Random(f"live:{self.seed}")
        others = [
            each
            for each in map(load, available())
            if each.bar_seconds == own.bar_seconds
            and each.markets.keys() >= own.markets.keys()
            and each.assets.keys() >= own.assets.keys()
        ]
        yield own
        while True:
            yield rng.choice(others or [own])

    # ---- time

    def keep_until(self, time: int) -> None:
        """Keepers have until then; what they took over, or bought, is sold for them, and their owners pay in
        what they have lost.
        """
        self._wait(time)
        states = self.stage.look()
        for liquidator in self.population.liquidators:
            self._refill(liquidator, states, below=SHORT)
            if self.stage.weir.assets:
                self._bring_back(liquidator)
        if (one := buyer(self.population)) is not None:
            wanted = {asset.symbol: (asset, money) for asset, money in self.wanted(one)}
            self.sell_on(one.name, keep=wanted)
            for symbol, (asset, money) in wanted.items():
                if not self.stage.held(one.name, symbol):
                    self.stock(one, asset, money)

    def _wait(self, time: int) -> None:
        """Blocks come, one each beat, until the chain's clock may show this time. What keepers took over
        is sold at once: prices may jump then.
        """
        while (now := self._clock()) < time and not self._stop.is_set():
            self.stage.pass_to(now)
            self.stage.node.rpc("evm_mine")
            self._stop.wait(BEAT)
            self._unload()
        self._unload()
        self.stage.pass_to(time)

    def _clock(self) -> int:
        started, time = self._origin
        return time + int(self._pace * (clock.monotonic() - started))

    def _unload(self) -> None:
        """Makers take what they bid for of the positions that liquidators have taken over."""
        names = [each.name for each in self.population.liquidators]
        addresses = [self.stage.accounts[name].address for name in names]
        states = self.stage.weir.accounts(addresses, block="pending")
        for name, state in zip(names, states, strict=True):
            for position in state.positions:
                self.venue.relieve(name, self.stage.symbols[position.market], position.size)

    # ---- money

    def _renew(self) -> None:
        """New money for those who have lost theirs, and for the fund: or else all would soon be quiet."""
        stage, states, fund = self.stage, self.stage.look(), self.population.fund
        for trader in self.population.traders:
            memory = self.memories[trader.name]
            if memory.reserve < 1 and self._equity(states, trader.name) < POOR * trader.deposit:
                money = stage.fund(trader.name, trader.deposit)
                stage.approve(trader.name, stage.weir.vault.address, money)
                memory.reserve += trader.deposit
        others: tuple[Maker | Liquidator, ...] = (*self.population.makers, *self.population.liquidators)
        for other in others:
            self._refill(other, states, below=POOR)
        if (one := buyer(self.population)) is not None:
            left = float(stage.weir.usd(stage.held(one.name)))
            if left < POOR * one.money:
                stage.fund(one.name, one.money - left)
        now = stage.weir.fund_state(block="pending")
        scale = 10**stage.weir.deployment.decimals
        if (missing := fund.skin - now.skin / scale) > 0:
            stage.approve(DEPLOYER, stage.weir.fund.address, stage.fund(DEPLOYER, missing))
            stage.attempt(DEPLOYER, stage.weir.fund.functions.contribute(stage.units(missing)))
        for layer, tranche in (("junior", stage.weir.junior), ("senior", stage.weir.senior)):
            name = f"{layer}-staker-1"
            if (missing := getattr(fund, layer) - getattr(now, layer) / scale) > 0:
                money = stage.fund(name, missing)
                stage.approve(name, tranche.address, money)
                stage.attempt(name, tranche.functions.deposit(money, stage.accounts[name].address))

    def _refill(self, who: Maker | Liquidator, states: Mapping[str, AccountState], below: float) -> None:
        """Its deposit again, where less than this part of it is left. Other stablecoins don't count: a
        liquidator pays for what it takes over of these, and only it could take them out of its account.

        Nobody pays for an account that owes more than it has: that is a default, to be resolved first.
        """
        state = states[self.stage.accounts[who.name].address]
        own = float(self.stage.weir.usd(state.equity - state.collateral))
        if state.equity >= 0 and own < below * who.deposit:
            self._pay_in(who.name, self.stage.fund(DEPLOYER, who.deposit - own))

    def _bring_back(self, liquidator: Liquidator) -> None:
        """What it has taken out of its account, of others' collateral, is sold and paid in again."""
        stage, market = self.stage, self.stage.accounts[DEPLOYER].address
        owner, got = stage.accounts[liquidator.name].address, self.sell_on(liquidator.name)
        taken = stage.weir.token.functions.transferFrom(owner, market, got)
        if got and not isinstance(stage.attempt(DEPLOYER, taken, count=False), ContractError):
            self._pay_in(liquidator.name, got)

    def _pay_in(self, name: str, money: int) -> None:
        """Money of the deployer's, units of S, for someone whose account others may be sending from."""
        stage, vault = self.stage, self.stage.weir.vault
        stage.approve(DEPLOYER, vault.address, money)
        stage.attempt(DEPLOYER, vault.functions.deposit(stage.accounts[name].address, money))

    def _equity(self, states: Mapping[str, AccountState], name: str) -> float:
        return float(self.stage.weir.usd(states[self.stage.accounts[name].address].equity))

    # ---- coming back

    def _found(self, opening: PricePoint) -> PricePoint:
        """Where prices are now."""
        weir = self.stage.weir

        def answer(feed: Contract) -> Decimal:
            return Decimal(weir.chain.call(feed.functions.latestRoundData())[1]).scaleb(-FEED_DECIMALS)

        return replace(
            opening,
            prices={symbol: answer(weir.feed(symbol)) for symbol in opening.prices},
            assets={symbol: answer(weir.assets.feed(symbol)) for symbol in opening.assets},
        )

    def _remember(self, now: PricePoint) -> None:
        """What the chain shows is all that traders know of before: their money, and who has positions."""
        stage, states = self.stage, self.stage.look()
        prices = {symbol: float(price) for symbol, price in now.prices.items()}
        self._past.append((now.timestamp, prices))
        self.poster.close(now.prices)
        balances = [
            stage.weir.token.functions.balanceOf(stage.accounts[trader.name].address)
            for trader in self.population.traders
        ]
        held = stage.weir.chain.call_many(balances)
        for trader, units in zip(self.population.traders, held, strict=True):
            memory = self.memories[trader.name]
            memory.present = not trader.arrival or bool(states[stage.accounts[trader.name].address].positions)
            memory.reserve = float(stage.weir.usd(units))
            memory.basis = max(self._equity(states, trader.name), POOR * trader.deposit)
            memory.acted_at, memory.anchors = now.timestamp, dict(prices)
