"""Results of runs, made up over shipped scenarios, and what the console shows of one."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from io import StringIO
from typing import Any, get_args

from rich.console import Console

from weir import report_console
from weir.layers import FUND_LAYERS
from weir.results import (
    Advance,
    Chain,
    Closed,
    CloseOut,
    Contributions,
    Conversion,
    Default,
    Fees,
    Fund,
    FundState,
    Gas,
    Identity,
    Ledger,
    ListedAsset,
    MarketIncome,
    Membership,
    Paid,
    Participant,
    Post,
    RunResult,
    SeriesPoint,
    Slack,
    StablecoinPoint,
    Stablecoins,
)
from weir.scenarios import PricePoint, Scenario, load

Amounts = dict[str, Decimal]

SMALL: Amounts = {"skin": Decimal(150_000), "junior": Decimal(300_000), "senior": Decimal(900_000)}
SENIOR: Amounts = {"skin": Decimal(40_000), "junior": Decimal(90_000), "senior": Decimal(900_000)}
GUARANTY = Decimal(30_000)
EXHAUSTED: Amounts = {"skin": Decimal(20_000), "junior": Decimal(30_000), "senior": Decimal(60_000)}
UNDISTRIBUTED = Decimal("120.50")
"""Fees that no fund has yet."""


def make_result(
    name: str = "2020-03-12",
    *,
    fund: Amounts | None = None,
    defaults: int = 6,
    coinsurance: Decimal = Decimal("0.1"),
    **changes: Any,
) -> RunResult:
    """A made-up run over a shipped scenario: liquidations on the way down, defaults at the lows."""
    rng = random.Random(name)
    scenario = load(name)
    people = [_participant(rng, i) for i in range(46)]
    contributed = Contributions.sum(one.contributions for one in people)
    crash = _Crash(rng, people, dict(fund or SMALL) | {"guaranty": GUARANTY}, coinsurance)
    before = _state(crash.layers, Decimal(8_000_000))
    crash.play(scenario, defaults)
    after = _state(crash.layers, Decimal(4_000_000), streaming=Decimal("811.25"))
    fields: dict[str, Any] = {
        "scenario": scenario.id,
        "title": scenario.title,
        "description": scenario.description,
        "source": scenario.source,
        "node": "anvil",
        "seed": 7,
        "seconds": 41.3,
        "chain": Chain(id=31337, first_block=1, last_block=1_912, transactions=4_321),
        "accounts": len(people),
        "participants": people,
        "trades": 812,
        "liquidations": len(crash.liquidations),
        "liquidation_events": crash.liquidations,
        "deleverages": len(crash.deleverages),
        "deleverage_events": crash.deleverages,
        "defaults": crash.defaults,
        "fees": _fees(contributed),
        "income": {
            market: MarketIncome(
                contributions=contributed if i == 0 else Contributions(), premium_charged=Decimal("65.125")
            )
            for i, market in enumerate(scenario.markets)
        },
        "refusals": {"InitialMarginNotMet": 3, "NewRiskStopped": 17},
        "posts": [Post(kind="target", time=crash.series[0].time, block=9, inputs="{}", outputs="{}")],
        "ledger": _ledger(scenario.markets),
        "fund": Fund(before=before, after=after),
        "series": crash.series,
        "identities": _identities(scenario.markets),
        "slack": Slack(max=Decimal("0.000004"), mean=Decimal("0.0000011")),
        "gas": {
            "trade": Gas(count=812, mean=161_234.5, max=244_120),
            "liquidate": Gas(count=80, mean=231_000, max=329_000),
        },
        "parameters": {
            "Fund": {"Coinsurance": "10%", "Budget per market": "$1,000,000"},
            "BTC": {"Initial margin": "4%"},
        },
    }
    return RunResult(**fields | changes)


def make_stablecoins(times: Iterable[int] | None = None) -> Stablecoins:
    """A coin that loses a tenth in the middle of the run, and a share of S; one conversion of each kind."""
    times = list(times or (1_000, 2_000, 3_000))
    points = []
    for i, time in enumerate(times):
        price = Decimal("0.9") if i == len(times) // 2 else Decimal("1.0002")
        counted = min(price, Decimal(1))
        points.append(
            StablecoinPoint(
                time=time,
                market={"USDC": price, "SAVE": Decimal("1.01")},
                prices={"USDC": counted, "SAVE": Decimal("1.01")},
                collateral={"USDC": 4_000 * counted, "SAVE": Decimal(0)},
                collateral_counts={"USDC": 3_800 * counted, "SAVE": Decimal(0)},
                reserve={"USDC": 600 * counted, "SAVE": Decimal(303)},
                reserve_counts={"USDC": 570 * counted, "SAVE": Decimal("287.85")},
                skin=Decimal(77 + i),
                advanced=Decimal(250) if i == len(times) // 2 else Decimal(0),
            )
        )
    return Stablecoins(
        assets=(
            ListedAsset(symbol="USDC", haircut=0.05, discount=0.02, weight=0.6),
            ListedAsset(symbol="SAVE", is_share=True, haircut=0.05, discount=0.02, weight=0.3),
        ),
        conversions=tuple(
            Conversion(
                kind=kind,
                time=times[0] + i,
                account="" if kind in ("sale", "purchase") else f"0x{i:02x}" + "ab" * 19,
                other="0xcd" + "ef" * 19,
                asset="USDC",
                amount=Decimal("123.456"),
                worth=Decimal(100 + i),
                paid=Decimal(102 + i) if kind == "purchase" else Decimal(99 + i),
                recovered=Decimal("5.5") if kind == "default" else Decimal(0),
            )
            for i, kind in enumerate(get_args(Conversion.model_fields["kind"].annotation))
        ),
        advances=(
            Advance(kind="opened", time=times[0], junior=Decimal(200), senior=Decimal(50)),
            Advance(kind="repaid", time=times[-1], junior=Decimal(160), senior=Decimal(50)),
            Advance(kind="written off", time=times[-1], junior=Decimal(40), senior=Decimal(0)),
        ),
        series=tuple(points),
    )


def with_stablecoins(**changes: Any) -> RunResult:
    """A made-up run in which other stablecoins counted."""
    result = make_result(**changes)
    return result.model_copy(update={"stablecoins": make_stablecoins(point.time for point in result.series)})


def default_of(paid: Paid, **changes: Any) -> Default:
    """A default whose shortfall is what was paid."""
    fields = {"id": 1, "time": 1, "account": "0x1", "market": "BTC", "shortfall": paid.total, "paid": paid}
    return Default.model_validate(fields | changes)


def with_defaults(*defaults: Default) -> RunResult:
    """A made-up run with exactly these defaults."""
    return make_result(defaults=0).model_copy(update={"defaults": defaults})


def rendered(result: RunResult, width: int = 140) -> str:
    """What the console shows."""
    console = Console(file=StringIO(), width=width, no_color=True)
    console.print(report_console.render(result))
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


def identity(name: str, statement: str, slack: str, bound: str) -> Identity:
    """One that holds."""
    return Identity(id=name, statement=statement, slack=Decimal(slack), bound=Decimal(bound), holds=True)


@dataclass
class _Crash:
    """What happens on the way down; `layers` is what the funds have left."""

    rng: random.Random
    people: list[Participant]
    layers: Amounts
    coinsurance: Decimal
    series: list[SeriesPoint] = field(default_factory=list)
    liquidations: list[CloseOut] = field(default_factory=list)
    deleverages: list[CloseOut] = field(default_factory=list)
    defaults: list[Default] = field(default_factory=list)

    def play(self, scenario: Scenario, defaults: int) -> None:
        """Follows the path; so many accounts default, two at each of the lowest lows."""
        points = list(scenario.path())
        lows = sorted((p for p in points if p.kind == "low"), key=lambda p: p.prices["BTC"])
        lowest = {low.timestamp for low in lows[: defaults // 2 + 1]}
        for point in points:
            drop = 1 - float(point.prices["BTC"] / points[0].prices["BTC"])
            for market in scenario.markets:
                for _ in range(self.rng.randrange(0, 1 + int(14 * max(0.0, drop)))):
                    self._liquidate(market, point)
            if point.timestamp in lowest:
                for _ in range(min(2, defaults - len(self.defaults))):
                    self._fall_short(point.timestamp + 24)
            self._observe(point, drop)

    def _liquidate(self, market: str, point: PricePoint) -> None:
        position = Closed(
            market=market,
            side="long",
            size=Decimal(self.rng.randrange(1, 900)) / 100,
            price=point.prices[market],
        )
        self.liquidations.append(
            CloseOut(
                time=point.timestamp + 12,
                account=self.rng.choice(self.people).address,
                caller=self.people[0].address,
                fraction=self.rng.choice([0.25, 0.5, 1.0]),
                positions=(position,),
                bounty=Decimal(self.rng.randrange(100, 90_000)) / 100,
            )
        )

    def _fall_short(self, time: int) -> None:
        shortfall = Decimal(self.rng.randrange(1_000_000, 9_000_000)) / 100
        who = self.people[-len(self.defaults) - 1]
        number = len(self.defaults) + 1
        self.defaults.append(_default(number, time, who, shortfall, self.layers, self.coinsurance))
        if self.defaults[-1].paid.unpaid_profit:
            self.deleverages.append(self.liquidations[-1].model_copy(update={"bounty": Decimal(0)}))

    def _observe(self, point: PricePoint, drop: float) -> None:
        exposure = Decimal(round(9_000_000 * (1 - max(0.0, drop) * 1.4), 2))
        state = _state(self.layers, max(exposure, Decimal(100_000)))
        self.series.append(
            SeriesPoint(
                time=point.timestamp,
                prices=dict(point.prices),
                **self.layers,
                open_interest=exposure,
                coverage=state.coverage,
                liquidations=len(self.liquidations),
                deleverages=len(self.deleverages),
                margin_used=0.3 + max(0.0, drop),
                premium_rate=5_000 + int(40_000 * max(0.0, drop)),
                scarcity=int(900 * max(0.0, drop)),
                fund_share=800_000,
                contributions=Contributions.sum(one.contributions for one in self.people).total,
                premium=Decimal("12.5"),
            )
        )


def _participant(rng: random.Random, i: int) -> Participant:
    """Three market makers, then traders; the first five are members, the first twenty paid for their risk."""
    return Participant(
        address=f"0x{rng.getrandbits(160):040x}",
        role="market maker" if i < 3 else "trader",
        leverage=None if i < 3 else round(rng.uniform(2, 25), 1),
        skill=None if i < 3 else round(rng.random(), 2),
        deposited=Decimal(500_000 if i < 3 else rng.randrange(2_000, 90_000)),
        equity=Decimal(rng.randrange(0, 9_000_000)) / 100,
        liquidations=rng.randrange(0, 2),
        fees=Decimal(rng.randrange(0, 90_000)) / 100,
        membership=_membership(i) if i < 5 else None,
        contributions=Contributions(
            concentration=Decimal(rng.randrange(0, 9_000)) / 100 if i < 20 else Decimal(0),
            tier=Decimal(rng.randrange(1, 9_000)) / 100 if i < 20 else Decimal(0),
        ),
    )


def _membership(number: int) -> Membership:
    return Membership(
        contributed=Decimal(9_000 - number),
        earned=Decimal("12.25") + number,
        own=Decimal("1000.5") if number == 4 else Decimal(0),
        mutual=Decimal(77 + number),
        balance=Decimal(8_800 + number),
        owed=Decimal("312.75") if number == 3 else Decimal(0),
    )


def _default(
    number: int, time: int, who: Participant, shortfall: Decimal, layers: Amounts, coinsurance: Decimal
) -> Default:
    paid = {"own": Decimal("1000.5") if number == 2 else Decimal(0)}
    layers["guaranty"] -= paid["own"]
    paid["coinsurance"] = round((shortfall - paid["own"]) * coinsurance, 2)
    left = shortfall - paid["own"] - paid["coinsurance"]
    for layer in FUND_LAYERS:
        paid[layer] = min(left, layers[layer])
        layers[layer] -= paid[layer]
        left -= paid[layer]
    paid["mutual"] = min(left, round(layers["guaranty"] / 2, 2))
    layers["guaranty"] -= paid["mutual"]
    left -= paid["mutual"]
    paid["unpaid_profit"] = round(left * Decimal("0.7"), 2)
    remainder = left - paid["unpaid_profit"]
    changes = {"shortfall": shortfall, "remainder": remainder}
    return default_of(Paid(**paid), id=number, time=time, account=who.address, **changes)


def _state(layers: Amounts, exposure: Decimal, streaming: Decimal = Decimal(0)) -> FundState:
    target = exposure * Decimal("0.2")
    coverage = float(sum(layers[layer] for layer in FUND_LAYERS) / target)
    return FundState(**layers, target=target, coverage=coverage, streaming=streaming)


def _fees(contributed: Contributions) -> Fees:
    withdrawn = Contributions(leverage=Decimal("3.25"))
    return Fees(
        paid=Decimal("51234.56"),
        fund=Decimal("20393.57"),
        members=Decimal("100.25"),
        treasury=Decimal("10120.24"),
        liquidators=Decimal("20500.00"),
        undistributed=UNDISTRIBUTED,
        trading=Decimal("24310.06"),
        contributions=Contributions.sum([contributed, withdrawn]),
        penalties=Decimal("6310.5"),
        premium_charged=Decimal("130.25"),
        premium=Decimal("114.75"),
        premium_collected=Decimal("100.75"),
    )


def _ledger(markets: Iterable[str]) -> Ledger:
    cash, pools = Decimal("2456789.123456"), dict.fromkeys(markets, Decimal("12345.67"))
    return Ledger(
        held=cash + sum(pools.values()) + UNDISTRIBUTED,
        cash=cash,
        fees=UNDISTRIBUTED,
        pools=pools,
        claims=dict.fromkeys(pools, Decimal("12000.00")),
        debt=dict.fromkeys(pools, Decimal(0)),
        unsettled=dict.fromkeys(pools, Decimal("345.669997")),
    )


def _identities(markets: Iterable[str]) -> list[Identity]:
    return [
        identity("P1", "S held = cash + pools + undistributed fees", "0", "0"),
        *(
            identity(f"P2:{market}", "pool ≥ claims + unsettled − debt", "0.000003", "0.0002")
            for market in markets
        ),
        identity("P4", "paid by layers + remainder = shortfall, each default", "0", "0"),
        identity("P10", "fees paid = fund + treasury + liquidators", "0", "0"),
    ]
