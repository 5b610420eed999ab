"""How far accounts are from liquidation, and what they are worth at other prices than they were read at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from weir.stablecoins import AssetState, PledgeState, worth
from weir.states import AccountState, MarketState, PositionState, SideState
from weir.units import MILLION

__all__ = ["distance", "pledge_value", "revalued"]


def distance(account: AccountState, markets: Sequence[MarketState]) -> float | None:
    """The relative price move, the same in each of its markets and against it in each, at which the account's
    equity reaches its maintenance margin; None without a position.

        (equity - maintenance margin) / sum of notional * (1 - r for longs, 1 + r for shorts)

    with r the market's maintenance margin ratio: of each dollar that prices move against it, the account
    loses one of equity, while a long's margin falls by r and a short's rises by r. Negative once liquidation
    is due. Exact up to rounding: no moves that are all smaller, whatever their directions, reach it.
    """
    weight = 0
    for position in account.positions:
        ratio = markets[position.market].maintenance_margin_ratio
        weight += position.notional * (MILLION - ratio if position.size > 0 else MILLION + ratio)
    return (account.equity - account.maintenance_margin) * MILLION / weight if weight else None


def revalued(
    account: AccountState,
    pledge: PledgeState | None,
    then: Sequence[MarketState],
    now: Sequence[MarketState],
    assets: Sequence[AssetState],
    decimals: int,
) -> AccountState | None:
    """The account as the lens would show it now, from what it showed when the markets were as they were
    `then`, up to a unit of S for each position, while nothing but prices, funding and premium has moved it.

    The markets' indices say exactly what each unit of size has won or lost since. None where a side's epoch
    has ended: what is left of its positions is only on the chain.
    """
    scale = 10 ** (36 - decimals)
    positions = []
    unsettled = notional = initial = maintenance = 0
    priced = True
    for held in account.positions:
        position, market = held, now[held.market]
        if held.size:
            before, after = _side(then[held.market], held.size), _side(market, held.size)
            if before.epoch != after.epoch:
                return None
            position = _moved(held, before, after, market.price, scale)
            priced = priced and (market.status != "open" or market.feed_status == "ok")
        value = abs(position.size) * market.price
        unsettled += position.unsettled
        notional += position.notional
        initial += -(-value * market.initial_margin_ratio // (scale * MILLION))
        maintenance += -(-value * market.maintenance_margin_ratio // (scale * MILLION))
        positions.append(position)
    collateral = pledge_value(pledge, assets, decimals) if pledge else 0
    net = account.net - account.collateral + collateral
    return replace(
        account,
        collateral=collateral,
        net=net,
        unsettled=unsettled,
        equity=net + unsettled,
        initial_margin=initial,
        maintenance_margin=maintenance,
        notional=notional,
        priced=priced,
        positions=tuple(positions),
    )


def pledge_value(pledge: PledgeState, assets: Sequence[AssetState], decimals: int) -> int:
    """What pledged assets count for at these prices, units of S."""
    return sum(
        worth(asset, held, decimals) * (MILLION - asset.haircut) // MILLION
        for asset, held in zip(assets, pledge.held, strict=False)
    )


def _side(market: MarketState, size: int) -> SideState:
    return market.long if size > 0 else market.short


def _moved(held: PositionState, before: SideState, after: SideState, price: int, scale: int) -> PositionState:
    size = abs(held.size)
    profit = size * (after.index - before.index) // (before.multiplier * scale)
    if after.multiplier != before.multiplier:
        size = size * after.multiplier // before.multiplier
    return replace(
        held,
        size=size if held.size > 0 else -size,
        unsettled=held.unsettled + profit,
        notional=size * price // scale,
    )
