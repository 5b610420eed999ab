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
    """skinTarget: units of S. juniorShare, memberShare: ppm. Durations: seconds."""

    skin_target: int = 0
    junior_share: int = 700_000
    stream_duration: int = 7 * 86_400
    budget_window: int = 86_400
    member_share: int = 0


@dataclass(frozen=True)
class GuarantyParameters:
    """minContribution: units of S. lossShare: ppm. Times: seconds."""

    notice_period: int = 14 * 86_400
    exit_window: int = 3 * 86_400
    loss_share: int = 250_000
    loss_window: int = 86_400
    min_contribution: int = 1


@dataclass(frozen=True)
class FundingParameters:
    """Ratios, shares, rates, coverages, steps: ppm (leverage too). Lifetimes: seconds.

    Floors and the threshold (of notional): units of S. Premium rates are a year's, of notional; the other
    rates are of the notional of new risk, that of membership of all of it beyond the threshold. By default
    traders are charged nothing, nothing is stopped, and nobody need be a member.
    """

    target_ratio: int = 50_000
    max_target_ratio: int = 200_000
    share_at_target: int = 800_000
    share_slope: int = 400_000
    share_min: int = 500_000
    share_max: int = 1_000_000
    premium_min: int = 0
    premium_max: int = 0
    stress_from: int = 1_000_000
    stop_below: int = 0
    max_scarcity: int = 0
    concentration_from: int = 200_000
    max_concentration: int = 0
    max_leverage: int = 0
    leverage_from: int = 5_000_000
    leverage_to: int = 20_000_000
    cap_multiple: int = 0
    target_lifetime: int = 86_400
    tier_lifetime: int = 30 * 86_400
    tier_rates: tuple[int, ...] = (0, 0, 0, 0, 0)  # of tiers 0 to 4
    cap_floor: int = 2**96 - 1
    concentration_floor: int = 0
    max_step: int = 200_000
    member_threshold: int = 2**96 - 1
    member_ratio: int = 0
    member_step: int = 0  # for each tier


@dataclass(frozen=True)
class AssetParameters:
    """Another stablecoin, or an ERC-4626 share of one. Caps: units of its token.

    haircut, discount (at most the haircut), weight: ppm. maxGrowth, of what a share stands for: ppm a year.
    """

    decimals: int = 6
    is_share: bool = False
    underlying_decimals: int = 6  # of what it is a share of
    of_settlement: bool = False  # a share of S itself, which has no feed
    max_growth: int = 200_000
    haircut: int = 50_000
    discount: int = 20_000
    collateral_cap: int = 2**96 - 1
    weight: int = 0  # of the fund's own capital
    reserve_cap: int = 2**96 - 1


@dataclass(frozen=True)
class StablecoinParameters:
    """saleDuration: seconds. rebalanceBand: ppm. parFloor: 1e-18 of a dollar."""

    sale_duration: int = 1_800
    rebalance_band: int = 20_000
    par_floor: int = 995_000 * 10**12
