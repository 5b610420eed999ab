"""A made-up memo with figures as they may be: what tests of the page start from."""

from __future__ import annotations

import random
from typing import Any

from weir.risk.memo import (
    LAYERS,
    AccountRow,
    BacktestRow,
    BacktestSummary,
    Change,
    Estimate,
    ExceedanceCurve,
    FundingOutlook,
    HeatMap,
    LayerRow,
    Liquidations,
    MarketRow,
    Memo,
    PriceInput,
    ReverseRow,
    RiskMeasure,
    Signature,
    StressRow,
    Target,
    TargetPart,
)
from weir.risk.parameters import RiskParameters

MARKETS = ("BTC", "ETH", "SOL", "BNB", "XRP", "DOGE", "AVAX", "LINK")
SIZES = {"skin": 400_000.0, "junior": 900_000.0, "senior": 2_100_000.0, "mutual": 1_500_000.0}
SCALE = 450_000.0
"""USD: of the made-up losses' tail."""
DAY = 86_400
NOW = 1_790_000_000


def make_memo(markets: int = 3, accounts: int = 64, strips: int = 700, **changes: Any) -> Memo:
    """A memo of this many markets and accounts, unsigned and without a memo before it."""
    rng = random.Random(markets)
    names = MARKETS[:markets]
    rows = _accounts(rng, accounts)
    parameters = RiskParameters(seed=7)
    measures = [_measure(level) for level in (0.99, 0.995, 0.999)]
    largest = measures[-1].es.high
    target, assets, growth = largest / 0.955, sum(SIZES[layer] for layer in LAYERS[:3]), 1.268
    fields: dict[str, Any] = {
        "version": "0.6.0",
        "created": NOW,
        "model_hash": _hash(rng),
        "inputs": _hash(rng),
        "outputs": _hash(rng),
        "chain": 42161,
        "block": 287_654_321,
        "book_hash": _hash(rng),
        "accounts": accounts,
        "prices": [
            PriceInput(
                market=name,
                source="kraken, daily closes",
                bars=2_190,
                first=NOW - 2_190 * DAY,
                last=NOW - DAY,
                bar_seconds=DAY,
                hash=_hash(rng),
            )
            for name in names
        ],
        "parameters": parameters.canonical(),
        "confidence": parameters.confidence,
        "markets": [
            MarketRow(
                market=name,
                price=67_250.5 / 11**i,
                open_interest=42_000_000.0 / (i + 1),
                volatility=0.031 + 0.006 * i,
                var_99=0.078 + 0.013 * i,
                es_99=0.112 + 0.017 * i,
                tail_shape=0.28 - 0.04 * i if i < 2 else None,
                tail_shape_error=0.09 if i < 1 else None,
            )
            for i, name in enumerate(names)
        ],
        "dependence": "A t copula of 4.2 degrees of freedom; correlations from 0.58 to 0.83.",
        "measures": measures,
        "exceedance": make_curve(),
        "target": Target(
            parts=(
                TargetPart(
                    name="expected shortfall",
                    value=largest,
                    why="99.9% over 1 day, upper bound of its 95% interval",
                ),
                TargetPart(name="worst stress", value=3_312_345.0, why="Black Thursday"),
                TargetPart(name="cover 2", value=1_480_000.0, why="clusters of 3 and 2 accounts"),
                TargetPart(name="open interest", value=2_100_000.0, why="5% of $42.0M"),
            ),
            binding="expected shortfall",
            before_depeg=largest,
            depeg_left=0.955,
            depeg_why="USDC loses 12% of its par, and is 37.5% of the fund",
            value=target,
            assets=assets,
            coverage=assets / target,
        ),
        "layers": [
            LayerRow(
                layer=layer,
                size=SIZES.get(layer),
                attachment=_near(0.021 / 4**i, 0.05),
                exhaustion=_near(0.012 / 4**i, 0.08) if layer in SIZES else None,
                expected_loss=8_234.5 / 2**i,
                expected_loss_error=123.25 / 2**i,
                fair_premium=365 * 8_234.5 / 2**i,
                loaded_premium=365 * 8_234.5 / 2**i + 0.1 * SIZES.get(layer, 0.0),
            )
            for i, layer in enumerate(LAYERS)
        ],
        "stresses": [
            _stress("2024-08-05", "Yen carry unwinding", "2024-08-05", -0.18, 212_000.0, names),
            _stress("2020-03-12", "Black Thursday", "2020-03-12", -0.43, 3_312_345.0, names),
            _stress("2022-11-ftx", "FTX", "2022-11-08", -0.24, 690_500.0, names),
            _stress(
                "second-wave",
                "Our own: a second wave after a crash, with depth not yet back",
                "",
                -0.8,
                3_100_000.0,
                names,
            ),
            _stress("calm", "A quiet day", "2023-07-01", -0.01, 0.0, names),
        ],
        "reverse": [
            ReverseRow(
                layer="skin",
                direction="all markets down",
                moves=dict.fromkeys(names, -0.214),
                sigmas=5.1,
                why="",
            ),
            ReverseRow(
                layer="senior",
                direction="worst found",
                moves={name: (-1) ** i * 0.37 for i, name in enumerate(names)},
                sigmas=8.25,
                why="",
            ),
            ReverseRow(
                layer="mutual",
                direction="all markets up",
                moves=None,
                sigmas=None,
                why="shorts are hedged: at +300% the loss is $1.2M",
            ),
        ],
        "funding": FundingOutlook(
            ruin=Estimate(value=0.00731, low=0.0061, high=0.0088),
            days_to_target=146.0,
            half_life_days=61.5,
            recovery_days=88.0,
            income_day=7_412.0,
            trajectory_days=tuple(float(day) for day in range(0, 366, 5)),
            trajectory=tuple(
                target - (target - assets) * (1 - min(day, 146) / 146) ** growth for day in range(0, 366, 5)
            ),
            year_end=tuple(assets * growth for growth in (0.4, 0.9, 1.1, 1.2, 1.25)),
            assumptions="Turnover of 1 × open interest a day at 7 bp of both sides, and the policy’s shares.",
        ),
        "liquidations": Liquidations(
            probability=_near(0.083, 0.02), mean=1_234_567.0, level=0.999, most=31_400_000.0
        ),
        "heat_map": make_heat_map(names),
        "account_rows": rows,
        "backtest": BacktestSummary(
            rows=[row for name in names for row in _tests(rng, name)],
            strips={name: _strip(rng, strips) for name in names},
        ),
    }
    return Memo.model_validate(fields | changes)


def signed(memo: Memo, **changes: str) -> Memo:
    """The memo with a signature of the right form, which nobody made."""
    fields = {
        "signer": "0x" + "a1" * 20,
        "name": "Risk committee, chair",
        "digest": memo.digest,
        "signature": "0x" + "5e" * 65,
    }
    return memo.model_copy(update={"signature": Signature.model_validate(fields | changes)})


def with_changes(memo: Memo) -> Memo:
    """The memo with a memo before it."""
    changes = (
        Change(name="target", before=3_600_000.0, after=memo.target.value),
        Change(name="ruin", before=0.0125, after=0.00731),
        Change(name="binding", before="worst stress", after="expected shortfall"),
        Change(name="LINK", before=None, after=12.5),
    )
    return memo.model_copy(update={"changes": changes, "previous": "0x" + "9d" * 32})


def make_curve() -> ExceedanceCurve:
    """A tail of power 2 that begins at 2 %, and ends where no path lost more."""
    losses = [0.0, *(1_000.0 * 10 ** (i / 10) for i in range(41))]
    chances = [*(0.02 / (1 + loss / SCALE) ** 2 for loss in losses[:-1]), 0.0]
    return ExceedanceCurve(
        losses=tuple(losses),
        probability=tuple(chances),
        low=tuple(max(0.0, 0.93 * chance - 2e-5) for chance in chances),
        high=tuple(1.07 * chance + 2e-5 for chance in chances),
    )


def _measure(level: float) -> RiskMeasure:
    """Of the tail of `make_curve`."""
    var = SCALE * ((0.02 / (1 - level)) ** 0.5 - 1)
    return RiskMeasure(level=level, horizon_days=1.0, var=_near(var, 0.04), es=_near(2 * var + SCALE, 0.06))


def make_heat_map(names: tuple[str, ...]) -> HeatMap:
    """Of ten shocks; nothing is liquidated where prices rise."""
    shocks = (-0.6, -0.4, -0.3, -0.2, -0.1, -0.05, 0.05, 0.1, 0.2, 0.4)
    sizes = [sum(1 / (i + 1) for i in range(len(names))), *(1 / (i + 1) for i in range(len(names)))]
    return HeatMap(
        shocks=shocks,
        rows=("all markets", *names),
        liquidated=tuple(tuple(42e6 * size * max(0.0, -shock) ** 1.5 for shock in shocks) for size in sizes),
        loss=tuple(tuple(9e6 * size * max(0.0, -shock - 0.15) ** 2 for shock in shocks) for size in sizes),
    )


def _stress(id_: str, title: str, date: str, move: float, loss: float, names: tuple[str, ...]) -> StressRow:
    moves = {name: max(-0.85, move * (0.9 + 0.1 * i)) for i, name in enumerate(names)} | {"USDC": move / 20}
    left, layers = loss, {}
    for layer in LAYERS:
        layers[layer] = min(left, SIZES.get(layer, left))
        left -= layers[layer]
    return StressRow(
        id=id_,
        title=title,
        date=date,
        hours=24,
        sources=("Kraken daily closes", "https://example.org/crash?id=1&part=2") if date else (),
        moves=moves,
        close_out={name: 1.13 * value for name, value in moves.items() if name != "USDC"}
        | {"USDC": move / 20},
        loss=loss,
        layers=layers,
    )


def _accounts(rng: random.Random, count: int) -> tuple[AccountRow, ...]:
    rows = []
    for i in range(count):
        contribution = 1_050_000.0 / (i + 1) ** 1.2
        equity = rng.uniform(20_000, 900_000)
        rows.append(
            AccountRow(
                account=f"0x{rng.getrandbits(160):040x}",
                score=round(rng.uniform(100, 1_000), 1),
                tier_before=rng.choice([None, 0, 1, 2, 3]),
                tier=rng.randrange(5),
                reasons=(reasons := ("LEVERAGE", "CONCENTRATION", "ONE_STEP")[: rng.randrange(4)]),
                why=("leverage 12.0x: 87 points", "9.0% of a market", "tier 3 for now")[: len(reasons)],
                es_contribution=contribution,
                es_error=0.04 * contribution,
                required_contribution=1.1 * contribution,
                liquidation_probability=0.31 / (i + 1),
                default_probability=0.012 / (i + 1) ** 2,
                expected_loss=412.0 / (i + 1),
                equity=equity,
                notional=equity * rng.uniform(1, 18),
            )
        )
    return tuple(rows)


def _tests(rng: random.Random, market: str) -> list[BacktestRow]:
    return [
        BacktestRow(
            market=market,
            model="garch-evt",
            level=level,
            observations=1_690,
            exceptions=exceptions,
            expected=1_690 * (1 - level),
            p_values={
                "kupiec": kupiec,
                "independence": rng.uniform(0.1, 0.9),
                "conditional": rng.uniform(0.06, 0.9),
                "z2": None if level > 0.99 else 0.31,
            },
            zone=zone,
        )
        for level, exceptions, kupiec, zone in (
            (0.975, 44, 0.789, "green"),
            (0.99, 29, 0.0049, "yellow"),
            (0.999, 11, 0.0000031, "red"),
        )
    ]


def _strip(rng: random.Random, count: int) -> dict[str, Any]:
    variance, losses, var = 0.0009, [], []
    for _ in range(count):
        var.append(2.6 * variance**0.5)
        losses.append(rng.gauss(0, variance**0.5) * (1.4 if rng.random() < 0.05 else 1))
        variance = 0.00004 + 0.1 * losses[-1] ** 2 + 0.85 * variance
    return {
        "level": 0.99,
        "times": [NOW - (count - i) * DAY for i in range(count)],
        "losses": losses,
        "var": var,
        "exceptions": [i for i in range(count) if losses[i] > var[i]],
    }


def _near(value: float, width: float) -> Estimate:
    return Estimate(value=value, low=value * (1 - width), high=value * (1 + width))


def _hash(rng: random.Random) -> str:
    return f"0x{rng.getrandbits(256):064x}"
