"""What the protocol has no power over: prices, failing feeds, a token that turns bad; and governance."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from weir.fuzz.clearing.actions.moves import TRANCHES, answer, dollars, is_open, main_market, soon
from weir.fuzz.clearing.actions.opening import (
    cover,
    fund_parameters,
    funding_parameters,
    guaranty_parameters,
    liquidation_parameters,
    market_parameters,
)
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import (
    ACCOUNTS,
    FAMILY,
    HEARTBEAT,
    LIQUIDATORS,
    OPERATOR,
    STAKERS,
    TRADERS,
)
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan
from weir.model import WAD

DAY = 86_400


def _pulled(s: Scene, market: int, price: int) -> int:
    """Within a factor of a thousand of where the market began, so that walks don't end at a bound."""
    anchor = int(s.setting.prices[market] * 10**18)
    return max(anchor // 1_000, min(anchor * 1_000, price))


def move_prices(s: Scene, draw: Draw) -> Plan:
    """Some time, and every market a step further; a few of them refreshed."""
    blocks = draw.integer(1, 3)
    seconds = max(blocks, draw.choice((1, 12, 60, 600, 3_600, 20_000)))
    for market in range(len(s.setting.prices)):
        fresh = s.now(seconds) - s.feeds[market].updated_at < HEARTBEAT // 2
        if not is_open(s, market) or (fresh and draw.chance(50)):
            continue
        width = draw.choice((5, 100, 100, 1_000))  # bp
        price = s.price(market) * (10_000 + draw.integer(-width, width)) // 10_000
        yield answer(s, market, _pulled(s, market, price), seconds, blocks)
        seconds = blocks = 0
    if draw.chance(40) or blocks:
        yield Step(OPERATOR, "refresh", (draw.integer(0, s.setting.thin),), seconds, blocks)


def crash(s: Scene, draw: Draw) -> Plan:
    """A gap in one market, and whoever it puts below margin is flagged."""
    market = draw.integer(0, s.setting.thin)
    if not is_open(s, market):
        return
    percent = draw.integer(10, 70)
    factor = 100 - percent if draw.chance(50) else 100 + percent
    yield answer(s, market, _pulled(s, market, s.price(market) * factor // 100), 12, 1)
    yield Step(OPERATOR, "refresh", (market,), 0, 0)
    if draw.chance(70):
        house = s.world.house
        below = [a for a, r in house.positions.items() if market in r and _is_below(s, a)]
        for account in sorted(below)[:2]:
            yield soon(OPERATOR, "flag", account, draw=draw)


def aimed_crash(s: Scene, draw: Draw) -> Plan:
    """A price that leaves somebody just so much: nothing, less than a bounty, less than the margin."""
    house = s.world.house
    holders = [(a, m) for a in ACCOUNTS if house.positions[a] for m in house.open_markets(a) if is_open(s, m)]
    if not holders:
        return
    account, market = draw.choice(holders)
    state, size = house.markets[market], house.signed_size(account, market)
    notional = state.notional(abs(size))
    if draw.chance(30):
        yield Step("governor", "set_liquidation", (liquidation_parameters(s, draw),), 0, 0)
    left = notional * draw.choice((-100, 0, 10, 1_000, 10_000, 50_000, draw.integer(0, 100_000))) // 10**6
    lose = house.health(account).equity - left
    price = state.price - (1 if size > 0 else -1) * lose * state.scale // abs(size)
    if price <= 0:
        return
    yield answer(s, market, _pulled(s, market, price), 12, 1)
    yield Step(OPERATOR, "flag", (account,), 0, 0)
    if draw.chance(60):
        liquidator = "puppet" if account in FAMILY else LIQUIDATORS[0]
        yield soon(liquidator, "liquidate", account, draw.choice((WAD, WAD, WAD // 3)), ())


def _is_below(s: Scene, account: str) -> bool:
    health = s.world.house.health(account)
    return health.equity < health.maintenance


def bad_feed(s: Scene, draw: Draw) -> Plan:
    """Stale, from the future, zero, negative, beyond its bounds, unset or reverting; and well again."""
    market = main_market(s, draw)
    good = s.feeds[market].answer
    bad = draw.choice(("stale", "future", "zero", "negative", "low", "high", "unset", "reverting"))
    value = {"zero": 0, "negative": -good, "low": 0, "high": 10**21 + 1}.get(bad, good)
    updated_at = {"stale": s.now(1) - HEARTBEAT - 1, "future": s.now(1) + 1_000}.get(bad, s.now(1))
    mode = bad if bad in ("unset", "reverting") else "live"
    yield Step("oracle", "answer", (market, value, updated_at, mode))
    for _ in range(draw.integer(0, 3)):
        call = draw.choice(("refresh", "settle", "flag"))
        name = draw.choice(TRADERS)
        argument: object = {"refresh": market, "settle": (name,), "flag": name}[call]
        yield soon(OPERATOR, call, argument, draw=draw)
    if draw.chance(80):
        yield answer(s, market, good * 10**10)


def sequencer(s: Scene, draw: Draw) -> Plan:
    """The chain's sequencer is down, or has just come back: no price counts."""
    grace = draw.choice((0, 60, 3_600))
    yield Step("governor", "set_sequencer", (grace,), 0, 0)
    answer_, since = draw.choice(
        ((1, s.now(0)), (0, s.now(0)), (0, 0), (0, s.now(0) + 50), (0, s.now(0) - 3_600))
    )
    yield Step("oracle", "sequence", (answer_, since), 0, 0)
    for _ in range(draw.integer(1, 3)):
        yield soon(OPERATOR, "refresh", main_market(s, draw), draw=draw)
    if draw.chance(80):
        yield Step("governor", "set_sequencer", (-1,), 0, 0)


def bad_token(s: Scene, draw: Draw) -> Plan:
    """The token keeps a fee, answers false or reverts for a few calls."""
    yield Step("token", "turn", (draw.choice(("keeps fee", "answers false", "reverts")),), 0, 0)
    for _ in range(draw.integer(1, 3)):
        yield payment(s, draw)
    yield Step("token", "turn", ("honest",), 0, 0)


PAYMENTS = ("deposit", "withdraw", "stake", "contribute", "collect", "roll", "join", "release")


def payment(s: Scene, draw: Draw, calls: Sequence[str] = PAYMENTS) -> Step:
    """A call that moves the token."""
    call = draw.choice(calls)
    name, staker, amount = draw.choice(TRADERS), draw.choice(STAKERS), draw.integer(1, dollars(s, 10))
    if call == "deposit":
        return soon(name, call, name, amount)
    if call == "withdraw":
        return soon(name, call, max(1, min(amount, s.world.ledger.cash[name])), name, ())
    if call == "stake":
        return soon(staker, call, draw.choice(TRANCHES), amount)
    if call == "contribute":
        return soon("founder", call, amount)
    if call == "join":
        return soon(name, call, name, amount)
    if call == "release":
        return soon(OPERATOR, call, name)
    return soon(OPERATOR, call, *((draw.choice(TRANCHES),) if call == "roll" else ()))


def govern(s: Scene, draw: Draw) -> Plan:
    """Changes a parameter while everything is running."""
    market = draw.integer(0, s.setting.thin)
    choices: dict[str, Callable[[], tuple[object, ...]]] = {
        "set_cover": lambda: (market, *cover(draw)),
        "set_maturity": lambda: (market, draw.choice((0, 3_600, 7 * DAY, 7 * DAY + 1))),
        "set_market": lambda: (market, market_parameters(draw)),
        "set_liquidation": lambda: (liquidation_parameters(s, draw),),
        "set_fund": lambda: (fund_parameters(s, draw),),
        "set_funding": lambda: (funding_parameters(s, draw),),
        "set_guaranty": lambda: (guaranty_parameters(s, draw),),
        "set_epoch_duration": lambda: (draw.choice(TRANCHES), draw.choice((DAY, DAY, 7 * DAY, 30 * DAY))),
    }
    call = draw.choice(tuple(choices))
    yield Step("governor", call, choices[call]())


def pause(s: Scene, draw: Draw) -> Plan:  # noqa: ARG001
    yield Step("guardian", "pause", (draw.choice((draw.integer(0, 3 * DAY), 3 * DAY + 1)),))


def close_market(s: Scene, draw: Draw) -> Plan:
    """A main market whose feed has died is closed after a day, or tried too early; the first one never."""
    market = s.setting.thin - 1
    if market < 1 or (not is_open(s, market) and draw.chance(70)):
        return
    mark, percent = s.price(market), draw.integer(70, 130)
    if draw.chance(60):
        yield Step("oracle", "answer", (market, s.feeds[market].answer, s.now(1), "reverting"))
        yield Step(OPERATOR, "collect", (), DAY, 1)
    closed = yield Step("governor", "close_market", (market, max(1, mark * percent // 100)))
    if not closed:
        yield answer(s, market, mark)
