"""The stage of a simulation: a local chain with a clock of its own, the system deployed on it, and its
people.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from eth_account.signers.local import LocalAccount

from weir.accounts import development_account
from weir.chain import Call, ContractError, Receipt, connect
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node, NodeError
from weir.parameters import (
    SETTLEMENT,
    AssetParameters,
    ConversionParameters,
    FundingParameters,
    FundParameters,
    LiquidationParameters,
    MarketParameters,
    Parameters,
)
from weir.scenarios import Scenario
from weir.simulation.agents import Seen
from weir.simulation.population import OPEN_INTEREST, Population, layers
from weir.states import AccountState
from weir.units import MILLION

__all__ = ["DEPLOYER", "REPORTER", "UNLIMITED", "Stage", "accounts", "parameters"]

log = logging.getLogger(__name__)

GAS = 3_000_000
"""Gas limit of every transaction: fixed, so that none has to be estimated."""
FEED_DECIMALS = 8
UNLIMITED = 2**256 - 1

HAIRCUT, DISCOUNT = 50_000, 20_000
"""Of every stablecoin, ppm."""
SALE_DURATION = 3_600
"""Seconds from par to the discount: keepers come around every half an hour."""
SPREAD = Decimal("0.001")
"""What selling a stablecoin in the market costs, of its price."""

DEPLOYER, REPORTER = "deployer", "reporter"
_NAMED = 5
"""Development accounts 0 to 4: deployer, governor, guardian, treasury, and the reporter of prices.

The last is also the poster of targets and tiers, whom a local deployment takes to be account 4.
"""


def parameters(scenario: Scenario, coinsurance: int) -> Parameters:
    """What is deployed for a scenario: 25x at most, and a fund whose budget is the whole of it for one
    market.
    """
    opening = next(iter(scenario.path())).prices
    share = 1_000_000 if len(opening) == 1 else 600_000
    return Parameters(
        markets=tuple(
            MarketParameters(
                symbol=symbol,
                price=price,
                initial_margin_ratio=40_000,
                maintenance_margin_ratio=25_000,
                price_band=50_000,
                max_open_interest=Decimal(10**9) / price,
                budget_share=share,
                coinsurance=coinsurance,
                heartbeat=2 * 3_600,
            )
            for symbol, price in opening.items()
        ),
        liquidation=LiquidationParameters(),
        fund=_fund(scenario),
        funding=funding(scenario),
        assets=assets(scenario),
        conversion=ConversionParameters(sale_duration=SALE_DURATION),
    )


def assets(scenario: Scenario) -> tuple[AssetParameters, ...]:
    """The scenario's stablecoins, and shares of S in the fund's reserve, which is to stay as it begins."""
    pegs = next(iter(scenario.path())).assets
    skin = Decimal(str(layers(scenario.fund)["skin"])) + sum(scenario.reserve.values())
    names = [*pegs, *(name for name in scenario.reserve if name not in pegs)]
    return tuple(
        AssetParameters(
            symbol=name,
            share_of=None if name in pegs else SETTLEMENT,
            haircut=HAIRCUT,
            discount=DISCOUNT,
            weight=int(scenario.reserve.get(name, Decimal(0)) * MILLION / skin) if skin else 0,
            price=pegs.get(name),
        )
        for name in names
    )


def _fund(scenario: Scenario) -> FundParameters:
    """A skin that holds other assets too is at its target: income goes to those who may have to advance."""
    if not scenario.reserve:
        return FundParameters()
    return FundParameters(skin_target=Decimal(str(layers(scenario.fund)["skin"])) + _counted(scenario))


def _counted(scenario: Scenario) -> Decimal:
    """What the fund's reserve counts for at the start, USD."""
    return sum(scenario.reserve.values(), Decimal(0)) * (MILLION - HAIRCUT) / MILLION


def funding(scenario: Scenario) -> FundingParameters:
    """A policy under which the scenario's fund is about what the crowd's open interest asks for.

    The target is what that fund can fill, so a venue with a token fund has a token target: that such a fund
    fails is what those scenarios show. Less money than the scenario's (`weir demo --fund`) is less coverage.
    Charges are the defaults.
    """
    money = Decimal(sum(layers(scenario.fund).values()))
    money += _counted(scenario)
    ratio = max(1_000, min(200_000, int(money * 1_000_000 / OPEN_INTEREST)))
    # One market may use all of a fund that covers half of its target.
    return FundingParameters(target_ratio=ratio, cap_multiple=2 * 10**12 // ratio)


def accounts(population: Population) -> dict[str, LocalAccount]:
    """Everybody's account by name: development accounts, in the population's order."""
    names = [
        *("junior-staker-1", "junior-staker-2", "senior-staker-1", "senior-staker-2"),
        *(name for name, _ in population.deposits()),
        *(each.name for each in population.arbitrageurs),
    ]
    return {
        DEPLOYER: development_account(0),
        REPORTER: development_account(_NAMED - 1),
        **{name: development_account(_NAMED + i) for i, name in enumerate(names)},
    }


class Stage:
    """Everybody's account by name, and the means to send, to read, and to let time pass."""

    def __init__(self, node: Node, weir: Weir, population: Population) -> None:
        self.node = node
        self.weir = weir
        self.refused: Counter[str] = Counter()
        self.brought_back: Counter[str] = Counter()
        """S by address, units: deposits that are what others' collateral was sold for, no new money."""
        market = weir.deployment.parameters.markets[0]
        self.ratios = market.initial_margin_ratio / 1e6, market.maintenance_margin_ratio / 1e6
        self.accounts = accounts(population)
        self.symbols = tuple(market.symbol for market in weir.deployment.markets)

    @classmethod
    def build(cls, node: Node, population: Population, wanted: Parameters) -> Stage:
        """Deploys on a fresh chain."""
        web3 = connect(node.url)
        weir = Weir(web3, deploy(web3, development_account(0), wanted))
        return cls(node, weir, population)

    # ---- time and prices

    @property
    def now(self) -> int:
        """Time of the latest block."""
        return self.weir.chain.timestamp()

    def pass_to(self, time: int) -> None:
        """The next block comes at this time, or a second after the latest where that is later."""
        if time > self.now + 1:
            try:
                self.node.set_next_block_timestamp(time)
            except NodeError:
                if self.now < time:  # else others' blocks have come that far in between
                    raise

    def report(
        self, prices: Mapping[str, Decimal], assets: Mapping[str, Decimal] = MappingProxyType({})
    ) -> None:
        """The feeds answer with these prices of markets and of stablecoins, USD."""
        feeds = [
            *((self.weir.feed(symbol), price) for symbol, price in prices.items()),
            *((self.weir.assets.feed(symbol), price) for symbol, price in assets.items()),
        ]
        for feed, price in feeds:
            answer = int(price * 10**FEED_DECIMALS)
            self.weir.chain.send(self.accounts[REPORTER], feed.functions.setAnswer(answer), gas=GAS)

    # ---- sending

    def send(self, name: str, call: Call) -> Receipt:
        """Sends as `name`; raises `ContractError`."""
        return self.weir.chain.send(self.accounts[name], call, gas=GAS)

    def attempt(self, name: str, call: Call, *, count: bool = True) -> Receipt | ContractError:
        """Sends as `name` what a simulation accepts; what the contracts refuse is returned, and counted."""
        try:
            self.weir.chain.call(call, sender=self.accounts[name].address, block="pending")
            return self.send(name, call)  # may be refused too, where others were faster
        except ContractError as error:
            if count:
                self.refused[error.name] += 1
            log.debug("%s: %s refused: %s", name, call.fn_name, error)
            return error

    def fund(self, name: str, usd: float) -> int:
        """Mints money to someone, who lets vault, fund and tranches take it; the amount in units of S."""
        amount = self.units(usd)
        self.send(DEPLOYER, self.weir.token.functions.mint(self.accounts[name].address, amount))
        return amount

    def deposit(self, name: str, usd: float) -> None:
        """Mints money to someone and puts it into the vault."""
        amount = self.fund(name, usd)
        self.approve(name, self.weir.vault.address, amount)
        self.send(name, self.weir.vault.functions.deposit(self.accounts[name].address, amount))

    def join(self, name: str, usd: float) -> None:
        """Mints money to someone, who contributes it to the guaranty fund; no less than is allowed."""
        least = float(self.weir.deployment.parameters.guaranty.min_contribution)
        amount = self.fund(name, max(usd, least))
        self.approve(name, self.weir.guaranty.address, amount)
        self.send(name, self.weir.guaranty.functions.join(self.accounts[name].address, amount))

    # ---- other stablecoins

    def mint(self, name: str, symbol: str, usd: float) -> int:
        """Gives someone tokens of an asset that are worth this much at par; the amount in its units."""
        assets, to = self.weir.assets, self.accounts[name].address
        token = assets.token(symbol)
        if assets.record(symbol).feed is not None:
            amount = assets.units(symbol, Decimal(f"{usd:.2f}"))
            self.send(DEPLOYER, token.functions.mint(to, amount))
            return amount
        # A share of S comes for S.
        self.approve(DEPLOYER, token.address, self.fund(DEPLOYER, usd))
        receipt = self.send(DEPLOYER, token.functions.deposit(self.units(usd), to))
        return sum(event["shares"] for event in receipt.named("Deposit"))

    def pledge(self, name: str, symbol: str, usd: float) -> None:
        """Gives someone a stablecoin, who pledges it."""
        collateral = self.weir.assets.collateral
        amount = self.mint(name, symbol, usd)
        self.approve(name, collateral.address, amount, symbol)
        self.send(name, collateral.functions.deposit(self.weir.assets.id(symbol), amount))

    def reserve(self, symbol: str, usd: float) -> None:
        """Gives the fund's reserve an asset."""
        reserve = self.weir.assets.reserve
        amount = self.mint(DEPLOYER, symbol, usd)
        self.approve(DEPLOYER, reserve.address, amount, symbol)
        self.send(DEPLOYER, reserve.functions.contribute(self.weir.assets.id(symbol), amount))

    def admit(self, name: str) -> None:
        """Lets the market for stablecoins take what someone sells or pays there: nothing more has to be sent
        from its account, which a keeper may be sending from.
        """
        for symbol in (None, *(each.symbol for each in self.weir.deployment.assets)):
            self.approve(name, self.accounts[DEPLOYER].address, UNLIMITED, symbol)

    def held(self, name: str, symbol: str | None = None) -> int:
        """What is in someone's wallet of S, or of the asset `symbol`, units."""
        token = self.weir.assets.token(symbol) if symbol else self.weir.token
        balance = token.functions.balanceOf(self.accounts[name].address)
        return int(self.weir.chain.call(balance, block="pending"))

    def exchange(self, name: str, symbol: str, price: Decimal) -> int:
        """Sells all that someone has of a stablecoin in a deep market, at this price less the spread: for how
        many units of S; 0 where it is gone meanwhile.
        """
        assets, owner, market = self.weir.assets, self.accounts[name].address, self.accounts[DEPLOYER].address
        units = self.held(name, symbol)
        taken = assets.token(symbol).functions.transferFrom(owner, market, units)
        if not units or isinstance(self.attempt(DEPLOYER, taken, count=False), ContractError):
            return 0
        got = self.weir.units(assets.tokens(symbol, units) * price * (1 - SPREAD))
        self.send(DEPLOYER, self.weir.token.functions.mint(owner, got))
        return got

    def acquire(self, name: str, symbol: str, money: int, price: Decimal) -> int:
        """Buys a stablecoin there for so many units of someone's S: its units; 0 where S is gone by now."""
        assets, owner, market = self.weir.assets, self.accounts[name].address, self.accounts[DEPLOYER].address
        paid = self.weir.token.functions.transferFrom(owner, market, money)
        if isinstance(self.attempt(DEPLOYER, paid, count=False), ContractError):
            return 0
        units = assets.units(symbol, self.weir.usd(money) / (price * (1 + SPREAD)))
        self.send(DEPLOYER, assets.token(symbol).functions.mint(owner, units))
        return units

    def approve(self, name: str, spender: str, amount: int, symbol: str | None = None) -> None:
        """Lets `spender` take an amount of S, or of the asset `symbol`, from someone."""
        token = self.weir.assets.token(symbol) if symbol else self.weir.token
        self.send(name, token.functions.approve(spender, amount))

    # ---- reading

    def units(self, usd: float) -> int:
        """USD in units of S, to the cent."""
        return self.weir.units(Decimal(f"{usd:.2f}"))

    def look(self) -> dict[str, AccountState]:
        """Every account's state now, by address."""
        return {state.address: state for state in self.weir.accounts(block="pending")}

    def seen(
        self, state: AccountState, time: int, prices: Mapping[str, float], moves: Mapping[str, float]
    ) -> Seen:
        """An account as its owner sees it."""
        scale = 10**self.weir.deployment.decimals
        return Seen(
            time=time,
            prices=prices,
            moves=moves,
            initial_ratio=self.ratios[0],
            maintenance_ratio=self.ratios[1],
            equity=state.equity / scale,
            cash=state.cash / scale,
            sizes={self.symbols[p.market]: p.size / 10**18 for p in state.positions if p.size},
            flagged=state.flagged_at != 0,
        )
