"""Numbers at their edges: dust, indices at their floors, epochs turning over, tranches wiped and reborn."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from weir.fuzz.clearing.actions.keepers import wait, winners
from weir.fuzz.clearing.actions.moves import (
    TRANCHES,
    answer,
    book_order,
    dollars,
    is_open,
    main_market,
    size_for,
    soon,
    traders_in,
)
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, LIQUIDATORS, OPERATOR, STAKERS, TRADERS
from weir.fuzz.clearing.widths import most_shares
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan
from weir.model.numbers import FLOOR_A


def dust(s: Scene, draw: Draw) -> Plan:
    """The smallest size that the market takes, and a little less or more."""
    market = draw.integer(0, s.setting.thin)
    state, least = s.world.house.markets[market], s.world.house.liquidation.min_notional
    smallest = max(1, -(-least * state.scale // state.price))
    size = max(1, smallest + draw.choice((-1, 0, 0, 1, draw.integer(1, 1_000))))
    maker, taker = draw.choice(traders_in(s, market)), draw.choice(traders_in(s, market))
    order = book_order(s, draw, maker, market, draw.chance(50), size, spread=1)
    yield soon(taker, "trade", order, size, draw=draw)


def dead_market(s: Scene, draw: Draw) -> Plan:
    """A market is closed far from its last price; who lost more than they had are settled first."""
    market = s.setting.thin - 1
    if market < 1 or not is_open(s, market):
        return
    loser, winner = TRADERS[3], LIQUIDATORS[1]
    margin = dollars(s, draw.integer(10, 10_000))
    parameters = replace(s.world.house.liquidation, close_band=500_000)
    yield Step("governor", "set_liquidation", (parameters,), 0, 0)
    yield Step("governor", "set_cover", (market, draw.choice((0, 0, 200_000)), 0), 0, 0)
    yield soon(loser, "deposit", loser, margin)
    ratio = s.world.house.markets[market].parameters.initial_margin_ratio
    size = size_for(s, market, margin * 10**6 // ratio * 9 // 10)
    is_buy = draw.chance(50)
    order = book_order(s, draw, winner, market, not is_buy, size, spread=0)
    yield soon(loser, "trade", order, size)
    yield Step("oracle", "answer", (market, s.feeds[market].answer, s.now(1), "reverting"))
    yield Step(OPERATOR, "collect", (), 86_400, 1)
    percent = draw.integer(51, 80) if is_buy else draw.integer(120, 149)
    yield Step("governor", "close_market", (market, max(1, s.price(market) * percent // 100)))
    house = s.world.house
    profits = {
        name: house.markets[market].unsettled(house.positions[name][market])
        for name in ACCOUNTS
        if market in house.positions[name]
    }
    for name in sorted(profits, key=lambda each: profits[each], reverse=draw.chance(20)):
        yield soon(OPERATOR, "settle", (name,), draw=draw)


def spread(s: Scene, draw: Draw) -> Plan:
    """One account goes into every market, until it may go into no more."""
    name = draw.choice(TRADERS)
    yield soon(name, "deposit", name, dollars(s, 10_000))
    for market in range(s.setting.thin):
        if not is_open(s, market) or name in s.world.house.flags:
            continue
        size = size_for(s, market, dollars(s, draw.integer(1, 50)))
        order = book_order(s, draw, name, market, draw.chance(50), size, spread=1)
        yield soon(LIQUIDATORS[0], "trade", order, size, draw=draw)


def whale(s: Scene, draw: Draw) -> Plan:
    """Who holds all but a thousandth of a side is deleveraged, again and again: A goes to its floor."""
    market = main_market(s, draw)
    if not is_open(s, market):
        return
    maker, anchor, name = LIQUIDATORS[0], TRADERS[2], TRADERS[4]
    is_buy = draw.chance(50)
    tiny = dollars(s, draw.integer(1, 5))
    yield soon(anchor, "deposit", anchor, dollars(s, 20_000))
    for _ in range(draw.integer(1, 6)):
        parameters = s.world.house.markets[market].parameters
        size = size_for(s, market, tiny)
        order = book_order(s, draw, maker, market, not is_buy, size, spread=0)
        yield soon(anchor, "trade", order, size)
        size = size_for(s, market, tiny * draw.choice((1_000, 10_000)))
        state = s.world.house.markets[market]
        shrinking = state.side(-1 if is_buy else 1).multiplier
        if shrinking < FLOOR_A * 10**5 and draw.chance(70):  # to just above the floor, or just below
            size = state.open_interest * (shrinking * 10 // FLOOR_A) // draw.choice((6, 9, 11, 19))
        notional = state.notional(size)
        yield soon(
            name, "deposit", name, notional * parameters.initial_margin_ratio // 10**6 + notional // 40
        )
        order = book_order(s, draw, maker, market, not is_buy, size, spread=0)
        if not (yield soon(name, "trade", order, size)):
            return
        # Just below maintenance margin, or far beyond it.
        gap = parameters.initial_margin_ratio * draw.choice((90, 90, 130)) // 100 + 30_000
        factor = 10**6 - min(gap, 900_000) if is_buy else 10**6 + gap
        yield answer(s, market, s.price(market) * factor // 10**6)
        if not (yield soon(OPERATOR, "flag", name)):
            return
        left = yield from wait(s, s.world.house.liquidation.auction_duration + 1)
        yield Step(OPERATOR, "deleverage", (name, (maker,) if draw.chance(50) else ()), *left)


def wipe_out(s: Scene, draw: Draw) -> Plan:
    """A default larger than the whole fund; then the tranches start again."""
    market = main_market(s, draw)
    if not is_open(s, market):
        return
    coinsurance = draw.choice((0, 0, 300_000))
    yield Step("governor", "set_cover", (market, 1_000_000, coinsurance))
    loser, loss = TRADERS[1], max(dollars(s, 100), s.world.fund.assets * draw.integer(30, 250) // 100)
    if not (yield from _indebted(s, draw, market, loss)):
        return
    yield soon(OPERATOR, "deleverage", loser, winners(s, draw))
    for tranche in TRANCHES:
        if draw.chance(70):
            yield soon(draw.choice(STAKERS), "stake", tranche, draw.magnitude(1, dollars(s, 10_000)))


def _indebted(s: Scene, draw: Draw, market: int, loss: int) -> Generator[Step, bool, bool]:
    """A trader loses more than this in a market and is flagged, its auction and the budget's window over."""
    winner, loser = LIQUIDATORS[1], TRADERS[1]
    ratio, notional = s.world.house.markets[market].parameters.initial_margin_ratio, 3 * loss
    yield soon(loser, "deposit", loser, notional * ratio // 10**6 + notional // 20)
    is_buy = draw.chance(50)
    size = size_for(s, market, notional)
    order = book_order(s, draw, winner, market, not is_buy, size, spread=0)
    if not (yield soon(loser, "trade", order, size)):
        return False
    factor = 40 if is_buy else 160
    yield answer(s, market, s.price(market) * factor // 100, 12, 1)
    if not (yield soon(OPERATOR, "flag", loser)):
        return False
    over = max(s.world.house.liquidation.auction_duration, s.world.fund.parameters.budget_window) + 1
    left = yield from wait(s, over)
    return (yield Step(OPERATOR, "settle", ((winner, loser),), *left))


def collapse(s: Scene, draw: Draw) -> Plan:
    """A default takes all but a few units of the fund: its shares are worth nearly nothing, new ones many."""
    market, loser = main_market(s, draw), TRADERS[1]
    if not is_open(s, market) or s.world.fund.assets < 10**4:
        return
    yield Step("governor", "set_cover", (market, 1_000_000, 0))
    if not (yield from _indebted(s, draw, market, s.world.fund.assets)):
        return
    spare = -s.world.ledger.net(loser) - s.world.fund.assets + draw.choice((1, 2, 5, 1_000))
    if spare > 0:
        yield Step(loser, "deposit", (loser, spare), 0, 0)
    yield Step(OPERATOR, "deleverage", (loser, ()), 0, 0)
    for tranche in TRANCHES:
        name = draw.choice(STAKERS)
        yield soon(name, "stake", tranche, dollars(s, draw.choice((1, 10**6, 10**9))))
        most = most_shares(s.world, tranche)
        price = s.world.tranche(tranche).to_assets(most)
        if price * 2 < s.setting.minted + s.world.token.balances[name]:
            for shares in (most + 1, most):
                yield soon(name, "mint", tranche, shares)


def last_claims(s: Scene, draw: Draw) -> Plan:
    """A write-off that leaves about a billionth of the claims, where a full one begins."""
    market, loser = main_market(s, draw), TRADERS[1]
    if not is_open(s, market):
        return
    yield Step("governor", "set_cover", (market, 0, 1_000_000))
    if not (yield from _indebted(s, draw, market, dollars(s, draw.integer(1_000, 100_000)))):
        return
    ledger = s.world.ledger.markets[market]
    rest = ledger.total_units * draw.choice((3, 9, 10, 11, 15, 30)) // 10**10
    spare = -s.world.ledger.net(loser) - ledger.total_claims + rest
    if spare > 0:
        yield Step(loser, "deposit", (loser, spare), 0, 0)
    yield Step(OPERATOR, "deleverage", (loser, ()), 0, 0)


def many_settlements(s: Scene, draw: Draw) -> Plan:
    """Small moves, everyone settled after each: roundings add up."""
    for _ in range(draw.integer(5, 40)):
        seconds = blocks = 1
        for market in range(len(s.setting.prices)):
            if is_open(s, market):
                change = draw.integer(-1_000, 1_000)
                yield answer(s, market, s.price(market) * (10**6 + change) // 10**6, seconds, blocks)
                seconds = blocks = 0
        yield Step(OPERATOR, "settle", (ACCOUNTS,), seconds, blocks)


def everyone_out(s: Scene, draw: Draw) -> Plan:
    """Longs close against shorts until nobody is left, and the epochs end."""
    market = draw.integer(0, s.setting.thin)
    for _ in range(8):
        house = s.world.house
        sizes = {name: house.signed_size(name, market) for name in ACCOUNTS if house.positions[name]}
        longs = [name for name, size in sizes.items() if size > 0]
        shorts = [name for name, size in sizes.items() if size < 0]
        if not longs or not shorts:
            return
        maker, taker = draw.choice(longs), draw.choice(shorts)
        size = min(sizes[maker], -sizes[taker])
        order = book_order(s, draw, maker, market, False, size, spread=2)
        if not (yield soon(taker, "trade", order, size)):
            return
