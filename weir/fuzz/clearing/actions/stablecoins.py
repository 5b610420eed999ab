"""Other stablecoins: who pledges them, who sells and buys them, the reserve, and pegs that break.

The attacker's family keeps away from them, so that what it carries away can be counted in one token;
colluders who pledge are in tests/model/test_collusion.py.
"""

from __future__ import annotations

from weir.fuzz.clearing.actions.keepers import wait
from weir.fuzz.clearing.actions.moves import answer, is_open, soon
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import (
    ASSETS,
    COIN,
    HEARTBEAT,
    LIQUIDATORS,
    OPERATOR,
    SAVINGS,
    SHARE,
    TRADERS,
)
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan
from weir.model import AssetParameters, StablecoinParameters
from weir.model.numbers import MILLION

__all__ = ["asset_parameters", "conversion_parameters", "units"]

WITHOUT_LIMIT = 2**255
HOUR, DAY = 3_600, 86_400
BUYERS = (*LIQUIDATORS, *TRADERS)


def units(s: Scene, asset: int, money: int) -> int:
    """Units of an asset for about so many dollars."""
    return int(money * 10 ** s.setting.asset_decimals[asset])


def _asset(draw: Draw) -> int:
    return draw.choice((COIN, COIN, SHARE, SAVINGS))


# ------------------------------------------------------------------ collateral


def pledge(s: Scene, draw: Draw) -> Plan:
    """Any amount, beyond the cap now and then."""
    asset = _asset(draw)
    amount = units(s, asset, draw.magnitude(1, 100_000))
    if draw.chance(5):
        amount = s.world.stablecoins.assets[asset].parameters.collateral_cap + 1
    yield soon(draw.choice(TRADERS), "deposit_collateral", asset, draw.choice((amount, amount, 1)), draw=draw)


def take_back(s: Scene, draw: Draw) -> Plan:
    """All, a part, a unit, more than there is."""
    name, asset = draw.choice(_pledgers(s) or TRADERS), _asset(draw)
    held = s.world.collateral.held[name][asset]
    amount = draw.choice((held, held, held // 2, 1, held + 1))
    others = tuple(draw.some(TRADERS)) if draw.chance(20) else ()
    yield soon(name, "withdraw_collateral", asset, amount, others, draw=draw)


def _pledgers(s: Scene) -> list[str]:
    return [name for name in BUYERS if s.world.collateral.holds_any(name)]


def _owing(s: Scene) -> list[str]:
    """Pledgers with debts or an open default."""
    return [name for name in _pledgers(s) if s.world.house.due(name)[0]]


def sale(s: Scene, draw: Draw) -> Plan:
    """An auction from its start, to some way, past its end, or of somebody who owes nothing."""
    account = draw.choice(_owing(s) or _pledgers(s) or TRADERS)
    yield soon(OPERATOR, "start_sale", account, draw=draw)
    duration = s.world.stablecoins.parameters.sale_duration
    for _ in range(draw.integer(1, 3)):
        if draw.chance(60):
            yield Step(OPERATOR, "collect", (), draw.integer(1, 2 * duration // 3 + 1), 1)
        yield _purchase(s, draw, account)


def buy(s: Scene, draw: Draw) -> Plan:
    yield _purchase(s, draw, draw.choice(_owing(s) or _pledgers(s) or TRADERS))


def _purchase(s: Scene, draw: Draw, account: str) -> Step:
    asset = _asset(draw)
    held = s.world.collateral.held[account][asset]
    amount = draw.choice((held, held + 1, held // 3, 1, WITHOUT_LIMIT))
    limit = draw.choice((WITHOUT_LIMIT, WITHOUT_LIMIT, WITHOUT_LIMIT, 1, 0))
    return soon(draw.choice(BUYERS), "buy_collateral", account, asset, amount, limit, draw=draw)


def spent(s: Scene, draw: Draw) -> Plan:
    """An account takes its cash away and stands on what it has pledged; then its market moves against it."""
    house, ledger = s.world.house, s.world.ledger
    holders = [(a, m) for a in _pledgers(s) for m in house.open_markets(a) if is_open(s, m)]
    if not holders:
        return
    account, market = draw.choice(holders)
    if (cash := ledger.cash[account]) and draw.chance(80):
        yield soon(account, "withdraw", draw.choice((cash, cash * 9 // 10 + 1)), account, ())
    state, size = s.world.house.markets[market], s.world.house.signed_size(account, market)
    if size == 0:
        return
    value = s.world.collateral.value(account)
    lose = s.world.ledger.cash[account] + value * draw.choice((20, 50, 95, 100, 110, 150)) // 100
    price = state.price - (1 if size > 0 else -1) * lose * state.scale // abs(size)
    if price > 0:
        yield answer(s, market, price, 12, 1)
    yield soon(OPERATOR, "settle", (account,))
    yield soon(OPERATOR, "flag", account)
    how = draw.choice(("liquidate", "deleverage", "sell"))
    if how == "liquidate":
        yield soon(draw.choice(LIQUIDATORS), "liquidate", account, draw.choice((10**18, 10**17)), ())
    elif how == "deleverage":
        left = yield from wait(s, s.world.house.liquidation.auction_duration + 1)
        yield Step(OPERATOR, "deleverage", (account, ()), *left)
    yield from sale(s, draw)


# --------------------------------------------------------------------- the peg


def depeg(s: Scene, draw: Draw) -> Plan:
    """The coin falls, recovers, goes beyond its peg or its bounds, or has no price; somebody is settled."""
    percent = draw.choice((100, 100, 101, 99, 87, 60, 30, 5, 250))
    updated_at = s.now(1) - (HEARTBEAT + 5 if draw.chance(5) else 0)
    mode = draw.choice(("reverting", "unset")) if draw.chance(5) else "live"
    yield Step("oracle", "quote_coin", (percent * 10**6, updated_at, mode))
    for name in draw.some(_pledgers(s) or TRADERS):
        yield soon(OPERATOR, "settle", (name,), draw=draw)


def quote(s: Scene, draw: Draw) -> Plan:  # noqa: ARG001
    """The feed says again what it said: prices grow old otherwise."""
    yield Step("oracle", "quote_coin", (max(1, s.coin.answer), s.now(1), "live"))


def vault_turns(s: Scene, draw: Draw) -> Plan:
    """What a share stands for rises, within and beyond what may count, falls, or is not told."""
    asset = draw.choice((SHARE, SAVINGS))
    rate = s.world.stablecoins.answers[asset] or s.world.stablecoins.assets[asset].rate
    percent = draw.choice((100, 101, 130, 300, 90, 50, 1))
    yield Step("token", "set_rate", (asset, min(2**90, rate * percent // 100), draw.chance(90)))


# ----------------------------------------------------------------- the reserve


def give(s: Scene, draw: Draw) -> Plan:
    asset = _asset(draw)
    amount = units(s, asset, draw.magnitude(1, 20_000))
    yield soon("founder", "contribute_asset", asset, draw.choice((amount, amount, amount, 1)), draw=draw)


def convert(s: Scene, draw: Draw) -> Plan:
    """An auction of the reserve, and who takes part in it, in the right direction or the other."""
    asset = _asset(draw)
    yield soon(OPERATOR, "start_conversion", asset, draw=draw)
    duration = s.world.stablecoins.parameters.sale_duration
    for _ in range(draw.integer(1, 2)):
        if draw.chance(50):
            yield Step(OPERATOR, "collect", (), draw.integer(1, duration), 1)
        auction = s.world.fund.reserve.auctions.get(asset)
        buying = auction.buying if auction and draw.chance(95) else draw.chance(50)
        amount = draw.choice((WITHOUT_LIMIT, WITHOUT_LIMIT, units(s, asset, draw.magnitude(1, 5_000)), 1))
        name = draw.choice(BUYERS)
        if buying:
            amount = min(amount, units(s, asset, 10**9))
            yield soon(name, "sell_to_reserve", asset, amount, draw.choice((0, 0, 0, WITHOUT_LIMIT)))
        else:
            yield soon(name, "buy_from_reserve", asset, amount, draw.choice((WITHOUT_LIMIT,) * 4 + (0,)))


def advance(s: Scene, draw: Draw) -> Plan:
    """Skin that is hardly liquid meets a loss, and what the tranches advanced is paid back, or lost."""
    if not s.world.fund.owed:
        yield soon("founder", "contribute_asset", COIN, units(s, COIN, draw.magnitude(100, 50_000)))
        return
    how = draw.choice(("sell", "sell", "income", "depeg", "write off"))
    if how == "income":
        yield soon("founder", "contribute", max(1, s.world.fund.owed * draw.choice((1, 2)) // 2))
        return
    if how == "depeg":
        yield Step("oracle", "quote_coin", (draw.choice((87, 40, 10)) * 10**6, s.now(1), "live"))
    if how == "write off":
        yield Step("oracle", "quote_coin", (10**8, s.now(1), "unset"))
        for asset in (SHARE, SAVINGS):
            yield Step("token", "set_rate", (asset, 1, False), 0, 0)
        yield soon("governor", "write_off_advances")
        return
    for asset in range(len(ASSETS)):
        if s.world.fund.reserve.amounts[asset]:
            yield soon(OPERATOR, "start_conversion", asset)
            yield soon(draw.choice(BUYERS), "buy_from_reserve", asset, WITHOUT_LIMIT, WITHOUT_LIMIT)


def donate_asset(s: Scene, draw: Draw) -> Plan:
    """Tokens sent to a contract unasked: nobody's."""
    asset = _asset(draw)
    holder = draw.choice(("collateral", "reserve", "vault", "fund"))
    yield Step("trader0", "donate_asset", (asset, holder, units(s, asset, 10)))


# ------------------------------------------------------------------ governance


def asset_parameters(s: Scene, draw: Draw, asset: int) -> AssetParameters:
    """Within bounds, and with weights that leave something to S."""
    deployed = s.world.stablecoins.assets[asset].parameters
    haircut = draw.choice((1_000, 50_000, 200_000, 900_000))
    return AssetParameters(
        decimals=deployed.decimals,
        is_share=deployed.is_share,
        underlying_decimals=deployed.underlying_decimals,
        of_settlement=deployed.of_settlement,
        max_growth=draw.choice((0, 50_000, MILLION)),
        haircut=haircut,
        discount=draw.choice((1_000, min(haircut, 20_000), min(haircut, 200_000))),
        collateral_cap=draw.choice((2**96 - 1, units(s, asset, 1_000_000), units(s, asset, 1_000))),
        weight=draw.choice((0, 100_000, 300_000)),
        reserve_cap=draw.choice((2**96 - 1, units(s, asset, 100_000), units(s, asset, 100))),
    )


def conversion_parameters(draw: Draw) -> StablecoinParameters:
    return StablecoinParameters(
        sale_duration=draw.choice((60, 1_800, DAY)),
        rebalance_band=draw.choice((0, 20_000, 100_000)),
        par_floor=draw.choice((5 * 10**17, 995 * 10**15, 10**18)),
    )


def govern(s: Scene, draw: Draw) -> Plan:
    if draw.chance(40):
        yield Step("governor", "set_conversion", (conversion_parameters(draw),))
        return
    asset = _asset(draw)
    yield Step("governor", "set_asset", (asset, asset_parameters(s, draw, asset)))
