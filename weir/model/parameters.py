"""What governance sets. Its bounds are the contracts' business; the model takes what it is given."""

from dataclasses import dataclass


@dataclass(frozen=True)
class MarketParameters:
    """Ratios, fees, band, rates: ppm. maxOpenInterest: 1e-18 of the underlying. fundingPeriod: seconds."""

    initial_margin_ratio: int = 50_000
    maintenance_margin_ratio: int = 30_000
    maker_fee: int = 200
    taker_fee: int = 500
    price_band: int = 50_000
    max_funding_rate: int = 10_000
    funding_period: int = 28_800
    max_open_interest: int = 10**12 * 10**18


@dataclass(frozen=True)
class LiquidationParameters:
    """Bounties, penalty: ppm of notional. Band: ppm of price. Duration: seconds. minNotional: units of S."""

    bounty_start: int = 2_000
    bounty_max: int = 15_000
    penalty: int = 5_000
    auction_duration: int = 600
    min_notional: int = 0
    close_band: int = 200_000


@dataclass(frozen=True)
class FundParameters:
    """skinTarget: units of S. targetRatio: ppm of open interest. Shares: ppm. Durations: seconds."""

    skin_target: int = 0
    target_ratio: int = 50_000
    treasury_share: int = 200_000
    junior_share: int = 700_000
    stream_duration: int = 7 * 86_400
    budget_window: int = 86_400
