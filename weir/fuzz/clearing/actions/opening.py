"""How a sequence begins: governance chooses the parameters, everyone brings money."""

from __future__ import annotations

from weir.fuzz.clearing.actions.moves import TRANCHES, dollars
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ASSETS, FAMILY, LIQUIDATORS, STAKERS, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan
from weir.model import (
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
)

__all__ = [
    "fund_parameters",
    "funding_parameters",
    "guaranty_parameters",
    "liquidation_parameters",
    "market_parameters",
    "open_plan",
]

MILLION, HOUR, DAY = 10**6, 3_600, 86_400


def open_plan(s: Scene, draw: Draw) -> Plan:
    """Parameters and money; what is left out stays as deployed."""
    for market in range(len(s.setting.prices)):
        if draw.chance(50):
            yield _govern("set_cover", market, *cover(draw))
        if draw.chance(50):
            yield _govern("set_maturity", market, draw.choice((0, 0, 60, HOUR, DAY)))
        if draw.chance(40):
            yield _govern("set_market", market, market_parameters(draw))
    if draw.chance(60):
        yield _govern("set_liquidation", liquidation_parameters(s, draw))
    if draw.chance(60):
        yield _govern("set_fund", fund_parameters(s, draw))
    if draw.chance(70):
        yield _govern("set_funding", funding_parameters(s, draw))
    if draw.chance(70):
        yield _govern("set_guaranty", guaranty_parameters(s, draw))

    for name in (*TRADERS, *FAMILY):
        if draw.chance(90):
            yield Step(name, "deposit", (name, dollars(s, draw.magnitude(10, 100_000))), 0, 0)
    for name in LIQUIDATORS:
        yield Step(name, "deposit", (name, dollars(s, 10_000_000)), 0, 0)
    if draw.chance(85):
        yield Step("founder", "contribute", (dollars(s, draw.magnitude(1, 10_000)),))
        for tranche in TRANCHES:
            if draw.chance(85):
                amount = dollars(s, draw.magnitude(10, 50_000))
                yield Step(draw.choice(STAKERS), "stake", (tranche, amount))
    if draw.chance(60):
        yield from _assets(s, draw)
    for name in (*TRADERS, *FAMILY):
        if draw.chance(40):
            yield Step(name, "join", (name, dollars(s, draw.magnitude(1, 20_000))), 0, 0)


def _assets(s: Scene, draw: Draw) -> Plan:
    """Some pledge, some of them with hardly any cash; the reserve holds something."""
    for asset in range(len(ASSETS)):
        whole = 10 ** s.setting.asset_decimals[asset]
        if draw.chance(60):
            yield Step("founder", "contribute_asset", (asset, draw.magnitude(10, 20_000) * whole), 0, 0)
        for name in TRADERS:
            if draw.chance(30):
                amount = draw.magnitude(10, 100_000) * whole
                yield Step(name, "deposit_collateral", (asset, amount), 0, 0)


def _govern(call: str, *arguments: object) -> Step:
    return Step("governor", call, arguments, 0, 0)


def cover(draw: Draw) -> tuple[int, int]:
    """Budget share and coinsurance, ppm."""
    return draw.choice((20_000, 200_000, 1_000_000, 1_000_000)), draw.choice((0, 0, 200_000, 1_000_000))


def market_parameters(draw: Draw) -> MarketParameters:
    initial = draw.choice((10_000, 20_000, 50_000, 200_000, 1_000_000))
    return MarketParameters(
        initial_margin_ratio=initial,
        maintenance_margin_ratio=max(5_000, initial * draw.integer(30, 95) // 100),
        maker_fee=draw.choice((0, 1, 200, 10_000)),
        taker_fee=draw.choice((0, 1, 500, 10_000)),
        price_band=draw.choice((100, 50_000, 200_000)),
        max_funding_rate=draw.choice((0, 500, 100_000)),
        funding_period=draw.choice((HOUR, 8 * HOUR, 7 * DAY)),
        max_open_interest=10**33 if draw.chance(90) else 10 ** draw.integer(15, 24),
    )


def liquidation_parameters(s: Scene, draw: Draw) -> LiquidationParameters:
    highest = draw.choice((0, 2_000, 15_000, 100_000))
    return LiquidationParameters(
        bounty_start=draw.integer(0, highest),
        bounty_max=highest,
        penalty=draw.choice((0, 1, 5_000, 50_000)),
        auction_duration=draw.choice((60, 600, DAY)),
        min_notional=max(1, draw.choice((1, 1, dollars(s, 1) // 100, dollars(s, 1), dollars(s, 10)))),
        close_band=draw.choice((0, 100_000, 500_000)),
    )


def fund_parameters(s: Scene, draw: Draw) -> FundParameters:
    return FundParameters(
        skin_target=dollars(s, draw.choice((0, 100, 1_000_000))),
        junior_share=draw.choice((0, 600_000, 1_000_000)),
        stream_duration=draw.choice((DAY, 7 * DAY, 90 * DAY)),
        budget_window=draw.choice((HOUR, DAY, 30 * DAY)),
        member_share=draw.choice((0, 500_000, 1_000_000)),
    )


def guaranty_parameters(s: Scene, draw: Draw) -> GuarantyParameters:
    return GuarantyParameters(
        notice_period=draw.choice((DAY, DAY, 14 * DAY)),
        exit_window=draw.choice((DAY, 30 * DAY)),
        loss_share=draw.choice((0, 250_000, 1_000_000, 1_000_000)),
        loss_window=draw.choice((HOUR, DAY, 30 * DAY)),
        min_contribution=max(1, draw.choice((1, dollars(s, 1), dollars(s, 100)))),
    )


def funding_parameters(s: Scene, draw: Draw) -> FundingParameters:
    """Mostly of a policy that charges and rarely stops; sometimes at its bounds."""
    ratio = draw.choice((0, 10_000, 50_000, 200_000, MILLION))
    least, most = sorted((draw.integer(500_000, MILLION), draw.integer(500_000, MILLION)))
    premiums = sorted((draw.choice((0, 1, 5_000, 500_000)), draw.choice((0, 100_000, 500_000))))
    stress_from = draw.choice((0, 500_000, MILLION, 5 * MILLION))
    leverage_from = draw.choice((0, 1_000_000, 5_000_000))
    first, second, third, fourth, last = sorted(_surcharge(draw) for _ in range(5))
    return FundingParameters(
        target_ratio=ratio,
        max_target_ratio=draw.choice((ratio, MILLION, draw.integer(ratio, MILLION))),
        share_at_target=draw.integer(least, most),
        share_slope=draw.choice((0, 400_000, 10 * MILLION)),
        share_min=least,
        share_max=most,
        premium_min=premiums[0],
        premium_max=premiums[1],
        stress_from=stress_from,
        stop_below=min(stress_from, draw.choice((0, 0, 0, 10_000, 200_000, MILLION))),
        max_scarcity=_surcharge(draw),
        concentration_from=draw.choice((0, 100_000, 999_999)),
        max_concentration=_surcharge(draw),
        max_leverage=_surcharge(draw),
        leverage_from=leverage_from,
        leverage_to=leverage_from + draw.choice((1, 5_000_000, 995_000_000)),
        cap_multiple=draw.choice((0, 20 * MILLION, 2**32 - 1)),
        target_lifetime=draw.choice((HOUR, DAY, 30 * DAY)),
        tier_lifetime=draw.choice((DAY, 365 * DAY)),
        tier_rates=(first, second, third, fourth, last),
        cap_floor=dollars(s, draw.choice((0, 100_000, 10**9, 10**9, 10**9))),
        concentration_floor=dollars(s, draw.choice((0, 1_000, 10**6))),
        max_step=draw.choice((10_000, 250_000, MILLION)),
        member_threshold=dollars(s, draw.choice((0, 10_000, 1_000_000, 10**9, 10**9))),
        member_ratio=draw.choice((0, 1, 5_000, 200_000)),
        member_step=draw.choice((0, 2_500, 50_000)),
    )


def _surcharge(draw: Draw) -> int:
    """ppm of new notional."""
    return draw.choice((0, 0, 1, 300, 20_000))
