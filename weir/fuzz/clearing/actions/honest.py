"""Traders, market makers and stakers going about their business."""

from __future__ import annotations

from dataclasses import replace

from weir.fuzz.clearing.actions.moves import (
    TRANCHES,
    book_order,
    dollars,
    size_for,
    soon,
    tick,
    traders_in,
)
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, FAMILY, LIQUIDATORS, OPERATOR, STAKERS, TRADERS
from weir.fuzz.clearing.views import claimable
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan


def trade(s: Scene, draw: Draw) -> Plan:
    """Two who are not flagged, a market, as much as the poorer can carry or a little more."""
    market = draw.integer(0, s.setting.thin)
    house = s.world.house
    able = [name for name in traders_in(s, market) if s.world.ledger.cash[name] and name not in house.flags]
    if len(able) < 2:
        able = [*traders_in(s, market)]
    maker = draw.choice(able)
    taker = draw.choice([name for name in able if name != maker])
    # In the others' markets the liquidator makes prices to whoever wants them.
    power = max(1, min(house.health(name).equity for name in (maker, taker)))
    ratio = house.markets[market].parameters.initial_margin_ratio
    percent = draw.choice((1, 10, 30, 60, 90, 101))
    notional = power * draw.integer(1, 100) * percent * 10**6 // (ratio * 10**4)
    size = size_for(s, market, notional)
    order = book_order(s, draw, maker, market, draw.chance(50), size, spread=draw.choice((5, 20, 20, 300)))
    filled = size if draw.chance(70) else size * draw.integer(1, 99) // 100
    yield soon(taker, "trade", order, filled, draw=draw)


def close(s: Scene, draw: Draw) -> Plan:
    """Someone closes against someone on the other side, in part or in full."""
    house = s.world.house
    holders = [a for a in ACCOUNTS if house.positions[a] and house.open_markets(a)]
    if not holders:
        return
    maker = draw.choice(holders)
    market = draw.choice(house.open_markets(maker))
    mine = house.signed_size(maker, market)
    others = [a for a in traders_in(s, market) if a != maker]
    against = [a for a in others if house.signed_size(a, market) * mine < 0] or others
    taker = draw.choice(against)
    size = min(abs(mine), abs(house.signed_size(taker, market)) or abs(mine))
    if draw.chance(30):
        size = size * draw.integer(1, 1_000) // 1_000
    order = book_order(s, draw, maker, market, mine < 0, size)
    if draw.chance(30):
        order = replace(order, reduce_only=True)
    yield soon(taker, "trade", order, size, draw=draw)


def deposit(s: Scene, draw: Draw) -> Plan:
    name = draw.choice((*TRADERS, *FAMILY))
    yield soon(name, "deposit", name, draw.magnitude(1, dollars(s, 10_000)), draw=draw)


def withdraw(s: Scene, draw: Draw) -> Plan:
    """Cash, in part or all, and now and then more than there is."""
    name = draw.choice(ACCOUNTS)
    cash = s.world.ledger.cash[name]
    amount = draw.choice((cash, cash // 3, cash // 3, 0, cash + 1)) or draw.integer(1, dollars(s, 1))
    first = tuple(draw.some(ACCOUNTS)) if draw.chance(30) else ()
    yield soon(name, "withdraw", max(amount, 1), name, first, draw=draw)


def settle(s: Scene, draw: Draw) -> Plan:  # noqa: ARG001
    yield soon(OPERATOR, "settle", tuple(draw.some(ACCOUNTS)), draw=draw)


def stake(s: Scene, draw: Draw) -> Plan:
    tranche, amount = draw.choice(TRANCHES), draw.magnitude(1, dollars(s, 20_000))
    if s.setting.decimals == 18 and draw.chance(3):
        amount = dollars(s, 10**11)
    if draw.chance(20):
        shares = s.world.tranche(tranche).to_shares(amount)
        yield soon(draw.choice(STAKERS), "mint", tranche, shares, draw=draw)
    else:
        yield soon(draw.choice(STAKERS), "stake", tranche, amount, draw=draw)


def _with_shares(s: Scene, draw: Draw) -> tuple[str, str, int]:
    """A tranche and a staker with shares in it, where there is one."""
    holders = [(t, n) for t in TRANCHES for n in STAKERS if s.world.tranche(t).shares.get(n)]
    tranche, name = draw.choice(holders or [(TRANCHES[0], STAKERS[0])])
    return tranche, name, s.world.tranche(tranche).shares.get(name, 0)


def request_redeem(s: Scene, draw: Draw) -> Plan:
    tranche, name, shares = _with_shares(s, draw)
    yield soon(name, "request_redeem", tranche, draw.choice((shares, shares // 3, 1, shares + 1)), draw=draw)
    if draw.chance(40):  # everyone in one batch
        for other in STAKERS:
            if held := s.world.tranche(tranche).shares.get(other):
                yield Step(other, "request_redeem", (tranche, held - held // 3), 0, 0)


def transfer_shares(s: Scene, draw: Draw) -> Plan:
    tranche, name, shares = _with_shares(s, draw)
    to = draw.choice(STAKERS)
    yield soon(
        name, "transfer_shares", tranche, to, draw.choice((shares, shares // 2, shares + 1)), draw=draw
    )


def claim(s: Scene, draw: Draw) -> Plan:
    """Priced shares or their assets, all, in part, or more than there is."""
    for tranche in TRANCHES:
        for name in STAKERS:
            state = s.world.tranche(tranche)
            ready = [key for key in state.requests if key[1] == name and state.batches[key[0]].priced]
            if not ready:
                continue
            shares = sum(state.requests[key] for key in ready)
            if draw.chance(30):
                assets = claimable(state, name)
                amount = draw.choice((assets, assets // 2, assets + 1))
                yield soon(name, "claim_assets", tranche, amount, draw=draw)
            else:
                yield soon(name, "claim", tranche, draw.choice((shares, shares // 2, shares + 1)), draw=draw)
            return


def contribute(s: Scene, draw: Draw) -> Plan:
    amount = draw.magnitude(1, dollars(s, 5_000))
    if s.setting.decimals == 18 and draw.chance(15):
        amount = dollars(s, 10**11)  # more than the fund may hold
    yield soon("founder", "contribute", amount, draw=draw)


def cancel(s: Scene, draw: Draw) -> Plan:
    """An order of one's own, or all of them."""
    if s.orders and draw.chance(70):
        order = draw.choice(s.orders)
        yield soon(order.maker if draw.chance(90) else OPERATOR, "cancel", order, draw=draw)
    else:
        name = draw.choice((*TRADERS, *FAMILY, *LIQUIDATORS))
        seconds, blocks = tick(draw)
        yield Step(name, "cancel_all", (), seconds, blocks)
