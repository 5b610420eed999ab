"""The memo: every figure of a sizing, what it was made from, and who stands for it.

A memo is JSON. `inputs` and `outputs` are hashes of what went in and of what came out, `model_hash` of the
code that did it: who has the files can do it again. `weir.risk.page` makes the HTML of it.
"""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any

from pydantic import BaseModel, ConfigDict

from weir.risk.measures import layers

__all__ = [
    "AccountRow",
    "BacktestRow",
    "BacktestSummary",
    "Change",
    "Estimate",
    "ExceedanceCurve",
    "FundingOutlook",
    "HeatMap",
    "LayerRow",
    "Liquidations",
    "MarketRow",
    "Memo",
    "PriceInput",
    "ReverseRow",
    "RiskMeasure",
    "Signature",
    "StressRow",
    "Target",
    "TargetPart",
]

LAYERS = (*layers.LAYERS, layers.OPEN_INTEREST)
"""Who bears a loss beyond the defaulter's own money, in this order; the last bears whatever is left."""


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Estimate(_Model):
    """A figure with its confidence interval (at the memo's `confidence`)."""

    value: float
    low: float
    high: float


class RiskMeasure(_Model):
    """VaR and expected shortfall of the fund's loss, USD."""

    level: float
    horizon_days: float
    var: Estimate
    es: Estimate


class TargetPart(_Model):
    """One of the figures that the target is the largest of."""

    name: str
    """`expected shortfall`, `worst stress`, `cover 2`, or `open interest`."""
    value: float
    """USD."""
    why: str
    """In words: level and horizon, the scenario's title, the clusters, the ratio."""


class Target(_Model):
    """What the fund should hold, USD, and how that came about."""

    parts: tuple[TargetPart, ...]
    binding: str
    """The name of the largest part."""
    before_depeg: float
    depeg_left: float
    """Fraction of the fund that a depeg of all its stablecoins leaves; the largest part is divided by it."""
    depeg_why: str
    value: float
    assets: float
    """USD that the fund has now."""
    coverage: float
    """assets / value."""


class LayerRow(_Model):
    """A layer of the waterfall over the horizon; premiums are USD a year."""

    layer: str
    size: float | None
    """USD; None for open interest, which bears what is left."""
    attachment: Estimate
    """Probability that it loses anything."""
    exhaustion: Estimate | None
    """Probability that it loses everything."""
    expected_loss: float
    """USD over the horizon."""
    expected_loss_error: float
    """Standard error of that."""
    fair_premium: float
    loaded_premium: float


class MarketRow(_Model):
    """A market: what it is, and the forecast of its next return."""

    market: str
    price: float
    open_interest: float
    """USD, one side."""
    volatility: float
    """Standard deviation of the log return over the horizon, as forecast now (0.05 is 5 %)."""
    var_99: float
    """Loss of a long over the next bar, fraction of its notional, at 99 %."""
    es_99: float
    tail_shape: float | None
    """Of the Pareto tail of a long's losses: the heavier the larger, without a mean from 1 on. None where the
    model has no such tail."""
    tail_shape_error: float | None
    """Standard error of that; None, too, where the shape is at the end of its range."""


class StressRow(_Model):
    """A scenario, and how its loss falls on the layers (USD, in the order of `LAYERS`)."""

    id: str
    title: str
    date: str
    hours: float
    """From the first price to the worst."""
    sources: tuple[str, ...]
    moves: dict[str, float]
    """By factor, the scenario's own."""
    close_out: dict[str, float]
    """By factor, after the cascade of liquidations."""
    loss: float
    layers: dict[str, float]


class ReverseRow(_Model):
    """The smallest move that exhausts a layer, and everything before it."""

    layer: str
    direction: str
    """Such as `all down`, `BTC up`, `smallest found`, or `any` where there is none."""
    moves: dict[str, float] | None
    """By factor; None: no move within bounds does."""
    sigmas: float | None
    """Its length in standard deviations of one day's moves."""
    why: str
    """In words, where there is none."""


class AccountRow(_Model):
    """An account's creditworthiness, and its share of the risk."""

    account: str
    score: float
    """From 0 to 1,000, the best."""
    tier_before: int | None
    tier: int
    reasons: tuple[str, ...]
    """Codes, the weightiest first..."""
    why: tuple[str, ...]
    """... and what they mean here, in words."""
    es_contribution: float
    """USD of the fund's expected shortfall (Euler); all accounts' add up to it."""
    es_error: float
    """Standard error of that, as if it were known which paths are the tail."""
    required_contribution: float
    """USD: its share of the target."""
    liquidation_probability: float
    default_probability: float
    expected_loss: float
    equity: float
    notional: float


class FundingOutlook(_Model):
    """Whether the fund lasts, and how fast it fills; days are None where it never gets there."""

    ruin: Estimate
    """Probability that losses exhaust skin, junior and senior within a year, with income under the policy."""
    days_to_target: float | None
    half_life_days: float | None
    """Until half of what is missing of the target has been earned; 0 where nothing is."""
    recovery_days: float | None
    """The same after a loss as large as the bound of expected shortfall that the target is built on."""
    income_day: float
    """USD, at today's coverage."""
    trajectory_days: tuple[float, ...]
    trajectory: tuple[float, ...]
    """USD that the fund has on those days, without losses."""
    year_end: tuple[float, ...]
    """USD after a year of income and losses: quantiles 5%, 25%, 50%, 75%, 95%; a ruined fund has 0."""
    assumptions: str


class ExceedanceCurve(_Model):
    """P(loss >= x) over the horizon, with its band."""

    losses: tuple[float, ...]
    probability: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


class Liquidations(_Model):
    """What is closed out over the horizon, USD of notional at the prices of now."""

    probability: Estimate
    """That anything is."""
    mean: float
    level: float
    most: float
    """Not exceeded with probability `level`: what liquidators must be able to take."""


class HeatMap(_Model):
    """What is liquidated, by market, when that market moves alone or all markets move alike."""

    shocks: tuple[float, ...]
    rows: tuple[str, ...]
    """`all markets`, where there are several, then each market."""
    liquidated: tuple[tuple[float, ...], ...]
    """USD closed out, rows by shocks."""
    loss: tuple[tuple[float, ...], ...]
    """USD beyond own resources, rows by shocks."""


class BacktestRow(_Model):
    """One model at one level on one series."""

    market: str
    model: str
    level: float
    observations: int
    exceptions: int
    expected: float
    p_values: dict[str, float | None]
    """By test (`kupiec`, `independence`, `conditional`, `z2`)."""
    zone: str | None
    """Basel's traffic light over the last 250 bars, green, yellow or red; at 99%, for which it is defined."""


class BacktestSummary(_Model):
    """How the model's forecasts have held: figures, and what a strip chart needs at the highest level."""

    rows: tuple[BacktestRow, ...]
    strips: dict[str, dict[str, Any]]
    """By market: `level`, and lists `times` (Unix seconds), `losses` and `var` (fractions of a long's
    notional), `exceptions` (indices).
    """


class PriceInput(_Model):
    """A history of prices that was read."""

    market: str
    source: str
    bars: int
    first: int
    last: int
    """Unix seconds of the first and last bar."""
    bar_seconds: int
    hash: str


class Change(_Model):
    """A figure then and now."""

    name: str
    before: float | str | None
    after: float | str | None


class Signature(_Model):
    """Who stands for the memo: an Ethereum account's signature (EIP-191) over its `digest`."""

    signer: str
    name: str
    digest: str
    signature: str


class Memo(_Model):
    """All of it. Money is USD, times Unix seconds, hashes 0x and 64 hex digits."""

    version: str
    """Weir's."""
    created: int
    model_hash: str
    inputs: str
    outputs: str
    chain: int | None
    block: int | None
    book_hash: str
    accounts: int
    prices: tuple[PriceInput, ...]
    parameters: dict[str, Any]
    confidence: float
    markets: tuple[MarketRow, ...]
    dependence: str
    """In words: the copula's degrees of freedom and correlations."""
    measures: tuple[RiskMeasure, ...]
    exceedance: ExceedanceCurve
    target: Target
    layers: tuple[LayerRow, ...]
    stresses: tuple[StressRow, ...]
    reverse: tuple[ReverseRow, ...]
    funding: FundingOutlook
    liquidations: Liquidations
    heat_map: HeatMap
    account_rows: tuple[AccountRow, ...]
    """All accounts, the largest contribution first."""
    backtest: BacktestSummary | None = None
    warnings: tuple[str, ...] = ()
    """What a reader must know before he trusts a figure, such as paths that did not come to rest."""
    changes: tuple[Change, ...] = ()
    """Against the memo before it."""
    previous: str | None = None
    """Digest of that memo."""
    signature: Signature | None = None

    @property
    def digest(self) -> str:
        """SHA-256 of all but the signature, as canonical JSON: what a signature is made over."""
        text = json.dumps(
            self.model_dump(mode="json", exclude={"signature"}), sort_keys=True, separators=(",", ":")
        )
        return "0x" + sha256(text.encode()).hexdigest()
