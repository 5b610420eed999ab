"""Who takes part in a simulated market: traders, market makers, liquidators, arbitrageurs and stakers, drawn
from a seed.

Money is in USD, as floats: these are intentions, and become exact amounts only when they are signed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from statistics import NormalDist
from typing import Literal

from weir.parameters import FundingParameters
from weir.scenarios import FundPreset

__all__ = [
    "OPEN_INTEREST",
    "Arbitrageur",
    "Fund",
    "Liquidator",
    "Maker",
    "Population",
    "Trader",
    "draw",
    "layers",
    "memberships",
]

MIN_LEVERAGE, MAX_LEVERAGE = 2.0, 25.0


@dataclass(frozen=True, slots=True)
class Trader:
    """Someone with an opinion.

    `skill` lies between 0 and 1: it is the chance of standing on the right side, of having a stop, and of
    acting on it. `pledged` is the part of its deposit that is another stablecoin. `stop` is the part of its
    money at whose loss it closes (None: never), `reserve` what it holds back for margin calls, `dip` the fall
    of the price (as a part) at which it buys more, `greed` the gain at which it takes profit.
    """

    name: str
    deposit: float
    reserve: float
    leverage: float
    skill: float
    bullish: bool
    taste: dict[str, float]
    stop: float | None
    dip: float
    greed: float
    patience: int
    arrival: float
    pledged: float = 0.0


@dataclass(frozen=True, slots=True)
class Maker:
    """Quotes both sides of every market; holds at most `leverage` times its equity in inventory."""

    name: str
    deposit: float
    leverage: float
    spread: float


@dataclass(frozen=True, slots=True)
class Liquidator:
    """Runs a keeper with money of its own.

    It waits for a bounty of `min_bounty_rate` (ppm) and lets initial margin take `margin_use` (ppm) of its
    equity.
    """

    name: str
    deposit: float
    min_bounty_rate: int
    margin_use: int
    name_winners: int


@dataclass(frozen=True, slots=True)
class Arbitrageur:
    """Buys other stablecoins at auction with money in its wallet, from a discount of `min_discount` (ppm) on,
    and sells them on in the market.
    """

    name: str
    money: float
    min_discount: int


@dataclass(frozen=True, slots=True)
class Fund:
    """The insurance fund at the start, USD: its layers, and what skin holds beside S, by asset."""

    skin: float
    junior: float
    senior: float
    reserve: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Population:
    """Everybody, in a fixed order."""

    traders: tuple[Trader, ...]
    makers: tuple[Maker, ...]
    liquidators: tuple[Liquidator, ...]
    fund: Fund
    arbitrageurs: tuple[Arbitrageur, ...] = ()

    def deposits(self) -> tuple[tuple[str, float], ...]:
        """Everybody who has an account in the vault, and the cash that each puts in, USD."""
        return (
            *((each.name, each.deposit) for each in self.makers),
            *((each.name, each.deposit) for each in self.liquidators),
            *((each.name, each.deposit * (1 - each.pledged)) for each in self.traders),
        )

    def pledges(self) -> tuple[tuple[str, float], ...]:
        """Who puts up other stablecoins as margin, and what they are worth at par, USD."""
        return tuple((each.name, each.deposit * each.pledged) for each in self.traders if each.pledged)


SPARE = 1.2
"""What a member's contribution is enough for, over what it means to hold."""
WORTH_IT = 1.25
"""Who means to hold less than so many times the threshold trades smaller instead."""
WORST_TIER = 3
"""The tier that a contribution is enough for: one worse than where nothing is posted."""


MAKERS = (
    Maker("maker-1", 600_000, 5.0, 0.0006),
    Maker("maker-2", 350_000, 6.0, 0.0009),
    Maker("maker-3", 200_000, 8.0, 0.0014),
)
LIQUIDATORS = (
    Liquidator("liquidator-1", 40_000, 4_000, 700_000, 0),
    Liquidator("liquidator-2", 20_000, 3_000, 800_000, 0),
    Liquidator("liquidator-3", 10_000, 2_500, 900_000, 0),
)
ARBITRAGEURS = (
    Arbitrageur("arbitrageur-1", 20_000, 3_000),
    Arbitrageur("arbitrageur-2", 50_000, 8_000),
    Arbitrageur("arbitrageur-3", 100_000, 15_000),
)
PLEDGING = 0.7
"""The part of traders who pledge, where another stablecoin counts."""
PLEDGED = 0.85
"""The part of their money that they pledge; fees and losses take the rest."""
FUND = Fund(skin=100_000, junior=200_000, senior=500_000)
OPEN_INTEREST = 7_500_000
"""USD, one side: about what makers and traders come to together, whoever they are."""


def draw(
    seed: int,
    markets: tuple[str, ...],
    *,
    traders: int = 46,
    leverage: float = 1.0,
    fund: FundPreset | None = None,
    fund_factor: float = 1.0,
    crowd: Literal["long", "short"] = "long",
    stablecoins: bool = False,
) -> Population:
    """The population of a seed: always the same for the same arguments.

    `leverage` multiplies what each trader would take, within 2 to 25; `fund` replaces layers, `fund_factor`
    scales them. Most traders are on the side `crowd`. With `stablecoins` most pledge another one, and
    somebody buys them at auction.
    """
    rng = Random(f"population:{seed}")
    people = tuple(_traders(rng, traders, markets, leverage))
    if crowd == "short":
        people = tuple(replace(trader, bullish=not trader.bullish) for trader in people)
    reserve = fund.reserve if fund else {}
    return Population(
        traders=_pledging(seed, people) if stablecoins else people,
        makers=MAKERS,
        liquidators=LIQUIDATORS,
        fund=Fund(
            **{layer: money * fund_factor for layer, money in layers(fund).items()},
            reserve={asset: float(money) * fund_factor for asset, money in reserve.items()},
        ),
        arbitrageurs=ARBITRAGEURS if stablecoins else (),
    )


def _pledging(seed: int, traders: tuple[Trader, ...]) -> tuple[Trader, ...]:
    """The same people, of whom most pledge; drawn apart, so that nobody's other traits change."""
    chosen = set(Random(f"pledges:{seed}").sample(range(len(traders)), round(PLEDGING * len(traders))))
    return tuple(
        replace(trader, pledged=PLEDGED) if i in chosen else trader for i, trader in enumerate(traders)
    )


def layers(fund: FundPreset | None) -> dict[str, float]:
    """The fund's layers, USD: those of the preset, and the usual ones for what it leaves out."""
    preset = fund or FundPreset()
    return {
        layer: float(given if (given := getattr(preset, layer)) is not None else getattr(FUND, layer))
        for layer in ("skin", "junior", "senior")
    }


def memberships(population: Population, funding: FundingParameters) -> tuple[tuple[str, float], ...]:
    """Who contributes to the guaranty fund before it trades, and how much, USD.

    That is who means to hold more than what is free, by so much that a contribution is worth it.
    """
    threshold = float(funding.member_threshold)
    rate = (funding.member_ratio + WORST_TIER * funding.member_step) / 1e6
    people: tuple[Maker | Trader, ...] = (*population.makers, *population.traders)
    return tuple(
        (each.name, round((SPARE * plan - threshold) * rate, 2))
        for each in people
        if rate and (plan := each.deposit * each.leverage) > WORTH_IT * threshold
    )


def _traders(rng: Random, count: int, markets: tuple[str, ...], factor: float) -> Iterator[Trader]:
    # Strata instead of free draws: every seed has its whale and its gamblers, only who is who differs.
    strata = zip(*(_strata(rng, count) for _ in range(4)), strict=True)
    for i, (talent, wealth, courage, opinion) in enumerate(strata):
        skill = talent**1.3
        # Money is heavy-tailed: most have a few thousand dollars, a few have most of it.
        large = wealth > 0.85
        deposit = min(5_000 / (1 - wealth) ** 1.2, 300_000)
        # A lognormal, around nine for those without skill and four for those with it.
        wanted = (9 - 5 * skill) * math.exp(0.6 * NormalDist().inv_cdf(courage)) * factor
        disciplined = rng.random() < 0.2 + 0.6 * skill
        weights = [rng.gammavariate(2 if m == 0 else 1, 1) for m in range(len(markets))]
        yield Trader(
            name=f"trader-{i + 1}",
            deposit=round(deposit, 2),
            reserve=round(deposit * rng.choice((0, 0, 0.25, 0.5, 1.0)), 2),
            leverage=round(min(max(wanted, MIN_LEVERAGE), MAX_LEVERAGE), 1),
            skill=round(skill, 3),
            # A crowd in a bull market: most are long, the skilled rather less so, the large from the start.
            bullish=large or opinion < 0.8 - 0.5 * skill,
            taste={market: weight / sum(weights) for market, weight in zip(markets, weights, strict=True)},
            stop=round(rng.uniform(0.3, 0.75), 2) if disciplined else None,
            dip=round(rng.uniform(0.05, 0.2), 3),
            greed=round(rng.uniform(0.3, 1.5), 2),
            patience=rng.choice((300, 900, 1_800, 3_600)),
            arrival=round(rng.uniform(0.05, 0.7), 2) if not large and rng.random() < 0.35 else 0.0,
        )


def _strata(rng: Random, count: int) -> list[float]:
    """Numbers in (0, 1), one in each of `count` equal parts, in an order of chance."""
    numbers = [(i + rng.uniform(0.001, 0.999)) / count for i in range(count)]
    rng.shuffle(numbers)
    return numbers
