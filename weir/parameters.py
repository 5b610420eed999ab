"""What a deployment decides: parameters within the contracts' bounds, and the structs they become there."""

from __future__ import annotations

from decimal import ROUND_DOWN, Decimal, localcontext
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from weir.accounts import checked_address
from weir.decoding import camel_case
from weir.files import first_problem
from weir.governance import GOVERNOR
from weir.units import DAY, HOUR, MILLION

__all__ = [
    "FREE_FUNDING",
    "SETTLEMENT",
    "Address",
    "AssetParameters",
    "ConversionParameters",
    "DeploymentError",
    "FundParameters",
    "FundingParameters",
    "GovernanceParameters",
    "GuarantyParameters",
    "LiquidationParameters",
    "MarketParameters",
    "Model",
    "Parameters",
    "Usd",
    "asset_struct",
    "conversion_struct",
    "from_units",
    "fund_struct",
    "funding_struct",
    "guaranty_struct",
    "liquidation_struct",
    "load",
    "market_struct",
    "symbol_bytes",
    "to_units",
]

SETTLEMENT = "S"
"""The settlement token, where an asset says what it is a share of."""


class DeploymentError(ValueError):
    """Weir can't be deployed, or is not where its file says; the message says why and what to do."""


def to_units(amount: Decimal, decimals: int) -> int:
    """An amount of money or size in its smallest units, rounded down; exact for any number of digits."""
    with localcontext(prec=100):
        return int((amount * 10**decimals).to_integral_value(ROUND_DOWN))


def from_units(units: int, decimals: int) -> Decimal:
    """What so many smallest units are, exact."""
    with localcontext(prec=100):
        return Decimal(units).scaleb(-decimals)


# ------------------------------------------------------------------ parameters


Address = Annotated[str, AfterValidator(checked_address)]
Ppm = Annotated[int, Field(ge=0, le=MILLION)]
Seconds = Annotated[int, Field(ge=0, le=366 * DAY)]
Usd = Annotated[Decimal, Field(ge=0, le=10**15, allow_inf_nan=False)]
Price = Annotated[Decimal, Field(gt=0, le=10**15, allow_inf_nan=False)]


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_M = TypeVar("_M", bound=Model)


class MarketParameters(Model):
    """One perpetual. The defaults allow 20x on BTC and ETH; a thin market wants more margin and a maturity.

    `price` is the first answer of the development feed that is deployed where `feed` is left out.
    """

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]
    initial_margin_ratio: Annotated[Ppm, Field(ge=10_000)] = 50_000
    maintenance_margin_ratio: Annotated[Ppm, Field(ge=5_000)] = 30_000
    maker_fee: Annotated[Ppm, Field(le=10_000)] = 200
    taker_fee: Annotated[Ppm, Field(le=10_000)] = 500
    price_band: Annotated[Ppm, Field(ge=100, le=200_000)] = 20_000
    max_funding_rate: Annotated[Ppm, Field(le=100_000)] = 500
    funding_period: Annotated[Seconds, Field(ge=HOUR, le=7 * DAY)] = 8 * HOUR
    max_open_interest: Annotated[Decimal, Field(gt=0, le=10**15)] = Decimal(10_000)
    budget_share: Ppm = 500_000
    coinsurance: Ppm = 200_000
    maturity: Annotated[Seconds, Field(le=7 * DAY)] = 0
    feed: Address | None = None
    heartbeat: Annotated[Seconds, Field(ge=60, le=2 * DAY)] = 90 * 60
    min_price: Price = Decimal("0.01")
    max_price: Price = Decimal(10_000_000)
    price: Price | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.maintenance_margin_ratio >= self.initial_margin_ratio:
            raise ValueError(f"{self.symbol}: maintenance margin must be below initial margin")
        if self.min_price >= self.max_price:
            raise ValueError(f"{self.symbol}: min_price must be below max_price")
        return self


class LiquidationParameters(Model):
    """What a liquidation costs: a bounty that grows while the auction runs, and a penalty."""

    bounty_start: Ppm = 2_000
    bounty_max: Annotated[Ppm, Field(le=100_000)] = 15_000
    penalty: Annotated[Ppm, Field(le=50_000)] = 5_000
    auction_duration: Annotated[Seconds, Field(ge=60, le=DAY)] = 600
    min_notional: Annotated[Usd, Field(gt=0)] = Decimal(100)
    close_band: Annotated[Ppm, Field(le=500_000)] = 100_000

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.bounty_start > self.bounty_max:
            raise ValueError("bounty_start must not be above bounty_max")
        return self


class FundParameters(Model):
    """The insurance fund: its own stake, how income is shared, and the windows of the markets' budgets."""

    skin_target: Usd = Decimal(100_000)
    junior_share: Ppm = 600_000
    stream_duration: Annotated[Seconds, Field(ge=DAY, le=90 * DAY)] = 7 * DAY
    budget_window: Annotated[Seconds, Field(ge=HOUR, le=30 * DAY)] = DAY
    member_share: Ppm = 500_000
    epoch_duration: Annotated[Seconds, Field(ge=DAY, le=30 * DAY)] = 7 * DAY


class GuarantyParameters(Model):
    """The guaranty fund: how long members stay after notice, and how much a market may cost them together."""

    min_contribution: Annotated[Usd, Field(gt=0, le=10**9)] = Decimal(100)
    notice_period: Annotated[Seconds, Field(ge=DAY, le=90 * DAY)] = 14 * DAY
    exit_window: Annotated[Seconds, Field(ge=DAY, le=30 * DAY)] = 3 * DAY
    loss_window: Annotated[Seconds, Field(ge=HOUR, le=30 * DAY)] = DAY
    loss_share: Ppm = 500_000


Surcharge = Annotated[int, Field(ge=0, le=20_000)]
"""ppm of new notional, to 2%."""


class FundingParameters(Model):
    """The funding policy: what the fund should hold, and what fees, open interest and new risk pay to it.

    The defaults ask for 5% of open interest. At full coverage the fund gets 80% of fees and 0.5% of open
    interest a year from each side; below 80% new risk costs more, below 20% open interest may not grow.
    """

    target_ratio: Ppm = 50_000
    max_target_ratio: Ppm = 200_000
    share_at_target: Ppm = 800_000
    share_slope: Annotated[int, Field(ge=0, le=10 * MILLION)] = 400_000
    share_min: Annotated[Ppm, Field(ge=500_000)] = 500_000
    share_max: Annotated[Ppm, Field(ge=500_000)] = 1_000_000
    premium_min: Annotated[Ppm, Field(le=500_000)] = 5_000
    premium_max: Annotated[Ppm, Field(le=500_000)] = 100_000
    stress_from: Annotated[int, Field(ge=0, le=5 * MILLION)] = 800_000
    stop_below: Ppm = 200_000
    max_scarcity: Surcharge = 1_000
    concentration_from: Annotated[Ppm, Field(lt=MILLION)] = 100_000
    max_concentration: Surcharge = 2_000
    max_leverage: Surcharge = 300
    leverage_from: Annotated[int, Field(ge=0, lt=1_000 * MILLION)] = 5 * MILLION
    leverage_to: Annotated[int, Field(ge=1, le=1_000 * MILLION)] = 20 * MILLION
    cap_multiple: Annotated[int, Field(ge=0, lt=2**32)] = 20 * MILLION
    target_lifetime: Annotated[Seconds, Field(ge=HOUR, le=30 * DAY)] = 2 * DAY
    tier_lifetime: Annotated[Seconds, Field(ge=DAY, le=365 * DAY)] = 30 * DAY
    tier_rates: tuple[Surcharge, Surcharge, Surcharge, Surcharge, Surcharge] = (0, 50, 100, 300, 800)
    cap_floor: Annotated[Usd, Field(le=10**9)] = Decimal(1_000_000)
    concentration_floor: Annotated[Usd, Field(le=10**9)] = Decimal(1_000_000)
    max_step: Annotated[Ppm, Field(ge=10_000)] = 250_000
    member_threshold: Annotated[Usd, Field(le=10**9)] = Decimal(1_000_000)
    member_ratio: Annotated[Ppm, Field(le=200_000)] = 5_000
    member_step: Annotated[Ppm, Field(le=50_000)] = 2_500

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        rising = (
            ("target_ratio", "max_target_ratio"),
            ("share_min", "share_at_target"),
            ("share_at_target", "share_max"),
            ("premium_min", "premium_max"),
            ("stop_below", "stress_from"),
        )
        for low, high in rising:
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} must not be above {high}")
        if self.leverage_from >= self.leverage_to:
            raise ValueError("leverage_from must be below leverage_to")
        if list(self.tier_rates) != sorted(self.tier_rates):
            raise ValueError("tier_rates must not fall from one tier to the next")
        return self


FREE_FUNDING = FundingParameters(
    premium_min=0,
    premium_max=0,
    stop_below=0,
    max_scarcity=0,
    max_concentration=0,
    max_leverage=0,
    tier_rates=(0, 0, 0, 0, 0),
    cap_floor=Decimal(10**9),
    member_ratio=0,
    member_step=0,
)
"""A policy that asks nothing of traders and never stops them, where something else is looked at."""


class AssetParameters(Model):
    """Another stablecoin, or an ERC-4626 share: what it counts for as collateral and in the fund's reserve.

    `share_of`: S, or the symbol of an asset listed before. Caps are in whole tokens. `price` is the first
    answer of the development feed that is deployed where `feed` is left out, `decimals` are those of a
    development token.
    """

    symbol: Annotated[str, Field(pattern=r"^[A-Za-z0-9]{1,16}$")]
    share_of: str | None = None
    haircut: Annotated[Ppm, Field(ge=1_000, le=900_000)] = 50_000
    discount: Annotated[Ppm, Field(ge=1_000, le=200_000)] = 20_000
    weight: Ppm = 0
    max_growth: Ppm = 200_000
    collateral_cap: Usd = Decimal(10_000_000)
    reserve_cap: Usd = Decimal(10_000_000)
    token: Address | None = None
    decimals: Annotated[int, Field(ge=0, le=18)] = 6
    feed: Address | None = None
    heartbeat: Annotated[Seconds, Field(ge=60, le=2 * DAY)] = 25 * HOUR
    min_price: Price = Decimal("0.1")
    max_price: Price = Decimal(2)
    price: Price | None = Decimal(1)

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.symbol == SETTLEMENT:
            raise ValueError(f"{SETTLEMENT} is the settlement token's")
        if self.discount > self.haircut:
            raise ValueError(f"{self.symbol}: discount must not be above haircut")
        if self.min_price >= self.max_price:
            raise ValueError(f"{self.symbol}: min_price must be below max_price")
        return self


class ConversionParameters(Model):
    """The auction in which other assets turn into S, and the reserve's weights are kept."""

    sale_duration: Annotated[Seconds, Field(ge=60, le=DAY)] = HOUR // 2
    rebalance_band: Ppm = 20_000
    par_floor: Annotated[Decimal, Field(ge=Decimal("0.5"), le=1)] = Decimal("0.995")


class GovernanceParameters(Model):
    """Who holds the powers, and how long each change waits.

    Those left out are development accounts 1, 2, 3 and 4, on local chains; elsewhere all must be given.
    """

    governor: Address | None = None
    guardian: Address | None = None
    treasury: Address | None = None
    poster: Address | None = None
    delay: Annotated[Seconds, Field(le=30 * DAY)] = GOVERNOR.delay


class Parameters(Model):
    """Everything that a deployment decides: USD, ppm, seconds, and sizes in units of the underlying.

    The bounds are the contracts' own, so that what they would refuse is refused before the first transaction.

    Without a `token` (and without a market's feed) a development one is deployed, on local chains only.
    """

    markets: Annotated[tuple[MarketParameters, ...], Field(min_length=1, max_length=64)] = (
        MarketParameters(symbol="BTC", price=Decimal(60_000)),
        MarketParameters(symbol="ETH", price=Decimal(3_000), max_open_interest=Decimal(200_000)),
    )
    liquidation: LiquidationParameters = LiquidationParameters()
    fund: FundParameters = FundParameters()
    funding: FundingParameters = FundingParameters()
    guaranty: GuarantyParameters = GuarantyParameters()
    assets: Annotated[tuple[AssetParameters, ...], Field(max_length=8)] = ()
    conversion: ConversionParameters = ConversionParameters()
    governance: GovernanceParameters = GovernanceParameters()
    token: Address | None = None
    token_decimals: Annotated[int, Field(ge=6, le=18)] = 6
    sequencer_feed: Address | None = None
    sequencer_grace: Annotated[Seconds, Field(le=DAY)] = HOUR

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        symbols = [market.symbol for market in self.markets]
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"markets must have different symbols (got {', '.join(symbols)})")
        known = {SETTLEMENT}
        for asset in self.assets:
            if asset.share_of is not None and asset.share_of not in known:
                raise ValueError(f"{asset.symbol}: share_of must be one of {', '.join(sorted(known))}")
            if asset.symbol in known or asset.symbol in symbols:
                raise ValueError(f"assets must have symbols of their own (got {asset.symbol} twice)")
            known.add(asset.symbol)
        if (claimed := sum(asset.weight for asset in self.assets)) > MILLION:
            raise ValueError(f"weights of assets must sum to at most {MILLION} ppm (got {claimed})")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a JSON file; raises `DeploymentError` naming the field that is wrong."""
        return load(cls, path)


def load(kind: type[_M], path: Path) -> _M:
    """Reads a model from a JSON file; raises `DeploymentError` naming the field that is wrong."""
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeploymentError(f"{path}: {error.strerror or error}") from None
    except ValidationError as error:
        raise DeploymentError(first_problem(path, error)) from None


# --------------------------------------------------------------------- structs


def symbol_bytes(symbol: str) -> bytes:
    """A market's symbol as the clearing house keeps it, bytes32."""
    return symbol.encode("ascii").ljust(32, b"\0")


def market_struct(market: MarketParameters) -> dict[str, int]:
    """`IClearingHouse.MarketParameters`."""
    return {
        "initialMarginRatio": market.initial_margin_ratio,
        "maintenanceMarginRatio": market.maintenance_margin_ratio,
        "makerFee": market.maker_fee,
        "takerFee": market.taker_fee,
        "priceBand": market.price_band,
        "maxFundingRate": market.max_funding_rate,
        "fundingPeriod": market.funding_period,
        "maxOpenInterest": to_units(market.max_open_interest, 18),
    }


def liquidation_struct(liquidation: LiquidationParameters, decimals: int) -> dict[str, int]:
    """`IClearingHouse.LiquidationParameters`; `decimals` are the settlement token's."""
    return {
        "bountyStart": liquidation.bounty_start,
        "bountyMax": liquidation.bounty_max,
        "penalty": liquidation.penalty,
        "auctionDuration": liquidation.auction_duration,
        "minNotional": to_units(liquidation.min_notional, decimals),
        "closeBand": liquidation.close_band,
    }


def fund_struct(fund: FundParameters, decimals: int) -> dict[str, int]:
    """`IInsuranceFund.Parameters`; `decimals` are the settlement token's."""
    return {
        "skinTarget": to_units(fund.skin_target, decimals),
        "juniorShare": fund.junior_share,
        "streamDuration": fund.stream_duration,
        "budgetWindow": fund.budget_window,
        "memberShare": fund.member_share,
    }


def guaranty_struct(guaranty: GuarantyParameters, decimals: int) -> dict[str, int]:
    """`IGuarantyFund.Parameters`; `decimals` are the settlement token's."""
    return {
        "minContribution": to_units(guaranty.min_contribution, decimals),
        "noticePeriod": guaranty.notice_period,
        "exitWindow": guaranty.exit_window,
        "lossWindow": guaranty.loss_window,
        "lossShare": guaranty.loss_share,
    }


def asset_struct(asset: AssetParameters, decimals: int) -> dict[str, int]:
    """`IStablecoins.AssetParameters`; `decimals` are those of the asset's token."""
    return {
        "haircut": asset.haircut,
        "discount": asset.discount,
        "weight": asset.weight,
        "maxGrowth": asset.max_growth,
        "collateralCap": to_units(asset.collateral_cap, decimals),
        "reserveCap": to_units(asset.reserve_cap, decimals),
    }


def conversion_struct(conversion: ConversionParameters) -> dict[str, int]:
    """`IStablecoins.ConversionParameters`."""
    return {
        "saleDuration": conversion.sale_duration,
        "rebalanceBand": conversion.rebalance_band,
        "parFloor": to_units(conversion.par_floor, 18),
    }


_FUNDING_AMOUNTS = ("cap_floor", "concentration_floor", "member_threshold")


def funding_struct(funding: FundingParameters, decimals: int) -> dict[str, Any]:
    """`IFundingPolicy.Parameters`; `decimals` are the settlement token's."""
    values = {
        camel_case(name): to_units(value, decimals) if name in _FUNDING_AMOUNTS else value
        for name, value in dict(funding).items()
    }
    # As it comes back from a record in JSON.
    return values | {"tierRates": list(funding.tier_rates)}


def funding_parameters(struct: dict[str, Any], decimals: int) -> FundingParameters:
    """What `funding_struct` made a struct of, as a contract gives it back; the contract has checked it."""
    values = {name: struct[camel_case(name)] for name in FundingParameters.model_fields}
    amounts = {name: from_units(values[name], decimals) for name in _FUNDING_AMOUNTS}
    return FundingParameters.model_construct(**values | amounts | {"tier_rates": tuple(values["tier_rates"])})
