"""The worlds in which campaigns run: decimals, markets at ordinary and extreme prices, and who is there."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from weir.model import AssetParameters as ModelAsset
from weir.model import FundingParameters as ModelFunding
from weir.model import FundParameters as ModelFund
from weir.model import GuarantyParameters as ModelGuaranty
from weir.model import LiquidationParameters as ModelLiquidation
from weir.model import MarketParameters as ModelMarket
from weir.model import StablecoinParameters as ModelStablecoins
from weir.parameters import (
    FREE_FUNDING,
    SETTLEMENT,
    AssetParameters,
    ConversionParameters,
    FundingParameters,
    FundParameters,
    GovernanceParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Parameters,
    to_units,
)

__all__ = [
    "ACCOUNTS",
    "ASSETS",
    "FAMILY",
    "LIQUIDATORS",
    "OPERATOR",
    "SETTINGS",
    "STAKERS",
    "START",
    "TRADERS",
    "Setting",
    "model_asset",
    "model_conversion",
    "model_fund",
    "model_funding",
    "model_guaranty",
    "model_liquidation",
    "model_market",
]

TRADERS = ("market_maker", "trader0", "trader1", "trader2", "trader3")
LIQUIDATORS = ("liquidator0", "liquidator1")
FAMILY = ("attacker", "accomplice", "puppet")
"""One owner's accounts, alone in the last market, the thin one."""
STAKERS = ("staker0", "staker1", "sniper")
OPERATOR = "operator"  # calls what anyone may call
ACCOUNTS = (*TRADERS, *LIQUIDATORS, *FAMILY)

START = 1_700_000_000  # time of the first block
HEARTBEAT = 6 * 3_600  # seconds
MINTED = 10**12  # dollars that everyone starts with, in each token
COIN, SHARE, SAVINGS = range(3)
ASSETS = ("COIN", "SHARE", "SAVINGS")
"""Another stablecoin, a share of it, and a share of the settlement token."""


@dataclass(frozen=True)
class Setting:
    """What is fixed when a system is deployed. Prices in dollars; the last market is the thin one.

    `decimals` are those of the settlement token, `asset_decimals` of the other stablecoin and the shares.
    """

    name: str
    decimals: int
    prices: tuple[Decimal, ...]
    asset_decimals: tuple[int, int, int] = (6, 6, 6)

    @property
    def thin(self) -> int:
        """The market that only the attacker's family trades."""
        return len(self.prices) - 1

    @property
    def minted(self) -> int:
        """Units of the settlement token that everyone starts with."""
        return int(MINTED * 10**self.decimals)

    @property
    def minted_assets(self) -> tuple[int, ...]:
        """Units of each other asset that everyone starts with."""
        return tuple(MINTED * 10**decimals for decimals in self.asset_decimals)

    def parameters(self) -> Parameters:
        """What is deployed; sequences change most of it by governance."""
        return Parameters(
            markets=tuple(
                MarketParameters(
                    symbol=f"M{number}",
                    price=price,
                    price_band=50_000,
                    max_funding_rate=10_000,
                    max_open_interest=Decimal(10**15),
                    budget_share=200_000,
                    coinsurance=0,
                    heartbeat=HEARTBEAT,
                    min_price=Decimal("0.00000001"),
                    max_price=Decimal(10**13),
                )
                for number, price in enumerate(self.prices)
            ),
            liquidation=LiquidationParameters(
                min_notional=Decimal(10) ** -min(self.decimals, 6), close_band=200_000
            ),
            fund=FundParameters(
                skin_target=Decimal(1_000), junior_share=700_000, epoch_duration=86_400, member_share=0
            ),
            guaranty=GuarantyParameters(
                min_contribution=Decimal(1), notice_period=86_400, exit_window=86_400
            ),
            funding=FREE_FUNDING,
            assets=tuple(
                AssetParameters(
                    symbol=symbol,
                    decimals=decimals,
                    share_of=of,
                    haircut=100_000,
                    discount=50_000,
                    weight=200_000,
                    max_growth=200_000,
                    collateral_cap=Decimal(10**9),
                    reserve_cap=Decimal(10**9),
                    heartbeat=HEARTBEAT,
                )
                for symbol, decimals, of in zip(
                    ASSETS, self.asset_decimals, (None, ASSETS[COIN], SETTLEMENT), strict=True
                )
            ),
            conversion=ConversionParameters(),
            governance=GovernanceParameters(delay=0),
            token_decimals=self.decimals,
        )


def _setting(name: str, decimals: int, *prices: str, assets: tuple[int, int, int] = (18, 6, 12)) -> Setting:
    return Setting(name, decimals, tuple(map(Decimal, prices)), assets)


SETTINGS = {
    setting.name: setting
    for setting in (
        _setting("six", 6, "20000", "1500", "1"),
        _setting("eight", 8, "100", "7", "0.05", assets=(6, 8, 18)),
        _setting("eighteen", 18, "20000", "3", "1", assets=(6, 18, 18)),
        _setting("many", 6, "20000", "1500", "300", "100", "70", "20", "5", "2", "0.3", "1"),
        _setting("edges-six", 6, "1000000000000", "0.00000100", "1", assets=(0, 0, 6)),
        _setting("edges-eighteen", 18, "0.00000001", "1000000000000", "0.001", assets=(0, 18, 0)),
    )
}


def model_market(market: MarketParameters) -> ModelMarket:
    """The same parameters for the reference model."""
    return ModelMarket(
        initial_margin_ratio=market.initial_margin_ratio,
        maintenance_margin_ratio=market.maintenance_margin_ratio,
        maker_fee=market.maker_fee,
        taker_fee=market.taker_fee,
        price_band=market.price_band,
        max_funding_rate=market.max_funding_rate,
        funding_period=market.funding_period,
        max_open_interest=to_units(market.max_open_interest, 18),
    )


def model_liquidation(liquidation: LiquidationParameters, decimals: int) -> ModelLiquidation:
    """The same parameters for the reference model."""
    return ModelLiquidation(
        bounty_start=liquidation.bounty_start,
        bounty_max=liquidation.bounty_max,
        penalty=liquidation.penalty,
        auction_duration=liquidation.auction_duration,
        min_notional=to_units(liquidation.min_notional, decimals),
        close_band=liquidation.close_band,
    )


def model_fund(fund: FundParameters, decimals: int) -> ModelFund:
    """The same parameters for the reference model."""
    return ModelFund(
        skin_target=to_units(fund.skin_target, decimals),
        junior_share=fund.junior_share,
        stream_duration=fund.stream_duration,
        budget_window=fund.budget_window,
        member_share=fund.member_share,
    )


def model_guaranty(guaranty: GuarantyParameters, decimals: int) -> ModelGuaranty:
    """The same parameters for the reference model."""
    return ModelGuaranty(
        notice_period=guaranty.notice_period,
        exit_window=guaranty.exit_window,
        loss_share=guaranty.loss_share,
        loss_window=guaranty.loss_window,
        min_contribution=to_units(guaranty.min_contribution, decimals),
    )


def model_asset(setting: Setting, asset: int) -> ModelAsset:
    """The deployed parameters for the reference model; caps in units."""
    given = setting.parameters().assets[asset]
    return ModelAsset(
        decimals=given.decimals,
        is_share=given.share_of is not None,
        underlying_decimals=setting.asset_decimals[COIN] if asset == SHARE else setting.decimals,
        of_settlement=given.share_of == SETTLEMENT,
        max_growth=given.max_growth,
        haircut=given.haircut,
        discount=given.discount,
        collateral_cap=to_units(given.collateral_cap, given.decimals),
        weight=given.weight,
        reserve_cap=to_units(given.reserve_cap, given.decimals),
    )


def model_conversion(conversion: ConversionParameters) -> ModelStablecoins:
    """The same parameters for the reference model."""
    return ModelStablecoins(
        sale_duration=conversion.sale_duration,
        rebalance_band=conversion.rebalance_band,
        par_floor=to_units(conversion.par_floor, 18),
    )


def model_funding(funding: FundingParameters, decimals: int) -> ModelFunding:
    """The same parameters for the reference model."""
    return ModelFunding(
        target_ratio=funding.target_ratio,
        max_target_ratio=funding.max_target_ratio,
        share_at_target=funding.share_at_target,
        share_slope=funding.share_slope,
        share_min=funding.share_min,
        share_max=funding.share_max,
        premium_min=funding.premium_min,
        premium_max=funding.premium_max,
        stress_from=funding.stress_from,
        stop_below=funding.stop_below,
        max_scarcity=funding.max_scarcity,
        concentration_from=funding.concentration_from,
        max_concentration=funding.max_concentration,
        max_leverage=funding.max_leverage,
        leverage_from=funding.leverage_from,
        leverage_to=funding.leverage_to,
        cap_multiple=funding.cap_multiple,
        target_lifetime=funding.target_lifetime,
        tier_lifetime=funding.tier_lifetime,
        tier_rates=funding.tier_rates,
        cap_floor=to_units(funding.cap_floor, decimals),
        concentration_floor=to_units(funding.concentration_floor, decimals),
        max_step=funding.max_step,
        member_threshold=to_units(funding.member_threshold, decimals),
        member_ratio=funding.member_ratio,
        member_step=funding.member_step,
    )
