"""Those who want what is not theirs, or want others not to get what is."""

from __future__ import annotations

from dataclasses import replace

from weir.fuzz.clearing.actions.keepers import wait, winners
from weir.fuzz.clearing.actions.moves import (
    TRANCHES,
    answer,
    book_order,
    dollars,
    main_market,
    size_for,
    soon,
    worst_first,
)
from weir.fuzz.clearing.actions.surroundings import PAYMENTS, payment
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, FAMILY, LIQUIDATORS, OPERATOR, STAKERS, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan
from weir.model import WAD


def both_sides(s: Scene, draw: Draw) -> Plan:
    """One owner, long and short in a thin market, moves its price; the winner leaves first."""
    market = s.setting.thin
    long, short = ("attacker", "accomplice") if draw.chance(50) else ("accomplice", "attacker")
    money = dollars(s, draw.magnitude(100, 100_000))
    for name in (long, short):
        if draw.chance(70):
            yield soon(name, "deposit", name, money)
    ratio = s.world.house.markets[market].parameters.initial_margin_ratio
    size = size_for(s, market, money * 10**6 // ratio * draw.integer(50, 99) // 100)
    order = book_order(s, draw, long, market, True, size, spread=draw.choice((0, 20, 490)))
    yield soon(short, "trade", order, size)
    up = draw.chance(50)
    winner, loser = (long, short) if up else (short, long)
    move = draw.integer(2, 60)
    yield answer(s, market, s.price(market) * (100 + (move if up else -move)) // 100)
    if draw.chance(70):
        yield soon(OPERATOR, "settle", (winner,), draw=draw)
        yield _take_all(s, winner)
    yield soon(OPERATOR, "flag", loser)
    if draw.chance(60):
        yield soon("puppet", "liquidate", loser, WAD, (winner,) if draw.chance(50) else ())
    if loser in s.world.house.flags:
        left = yield from wait(s, s.world.house.liquidation.auction_duration + 1)
        yield Step(OPERATOR, "deleverage", (loser, (winner,) if draw.chance(50) else ()), *left)
    yield soon(OPERATOR, "settle", FAMILY)
    for name in FAMILY:
        if draw.chance(70):
            yield _take_all(s, name)


def _take_all(s: Scene, name: str) -> Step:
    return soon(name, "withdraw", max(1, s.world.ledger.cash[name]), name, ())


def self_liquidation(s: Scene, draw: Draw) -> Plan:
    """An owner sells its own account to itself for the bounty, in pieces or at the end of the auction."""
    house = s.world.house
    held = [name for name in ("attacker", "accomplice") if house.positions[name]]
    if not held:
        return
    account = draw.choice(held)
    market = s.setting.thin
    sign = 1 if house.signed_size(account, market) < 0 else -1
    yield answer(s, market, s.price(market) * (100 + sign * draw.integer(1, 30)) // 100)
    if account not in house.flags and not (yield soon(OPERATOR, "flag", account)):
        return
    left = 1, 1
    if draw.chance(50):
        left = yield from wait(s, draw.integer(1, s.world.house.liquidation.auction_duration + 1))
    yield Step("puppet", "deposit", ("puppet", dollars(s, draw.choice((1, 50_000)))), *left)
    for _ in range(draw.integer(1, 3)):
        yield soon("puppet", "liquidate", account, draw.choice((WAD, WAD // 10, 1)), ())
    yield _take_all(s, "puppet")


def just_in_time(s: Scene, draw: Draw) -> Plan:
    """Stakes as income arrives, asks to leave at once, and takes what it can."""
    tranche = draw.choice(TRANCHES)
    if draw.chance(50):
        yield soon("sniper", "stake", tranche, dollars(s, draw.magnitude(1, 100_000)))
    yield soon(OPERATOR, "collect", draw=draw)
    shares = s.world.tranche(tranche).shares.get("sniper", 0)
    yield soon("sniper", "request_redeem", tranche, max(shares, 1), draw=draw)
    for _ in range(draw.integer(1, 2)):
        due = s.world.tranche(tranche).last_roll_at + s.world.tranche(tranche).epoch_duration - s.time
        left = (yield from wait(s, due)) if due > 0 else (1, 1)
        yield Step(OPERATOR, "roll", (tranche,), *left)
    state = s.world.tranche(tranche)
    ready = sum(
        n for (b, owner), n in state.requests.items() if owner == "sniper" and state.batches[b].priced
    )
    yield soon("sniper", "claim", tranche, ready)


def run(s: Scene, draw: Draw) -> Plan:
    """Stakers who see a loss coming ask to leave before anyone has flagged it, and push the batch through."""
    market = main_market(s, draw)
    crash = 100 + draw.choice((-60, -30, 30, 60))
    yield answer(s, market, s.price(market) * crash // 100)
    tranche = draw.choice(TRANCHES)
    name = draw.choice(STAKERS)
    shares = s.world.tranche(tranche).shares.get(name, 0)
    yield soon(name, "request_redeem", tranche, max(shares, 1), draw=draw)
    due = s.world.tranche(tranche).last_roll_at + s.world.tranche(tranche).epoch_duration - s.time
    left = (yield from wait(s, due)) if due > 0 and draw.chance(50) else (1, 1)
    yield Step(OPERATOR, "roll", (tranche,), *left)
    account = worst_first(s, draw)[0]
    yield soon(OPERATOR, "flag", account, draw=draw)
    yield soon(OPERATOR, "roll", tranche, draw=draw)


def donation(s: Scene, draw: Draw) -> Plan:
    """S sent to a contract unasked, in the hope that some balance is read as income."""
    amount = draw.magnitude(1, dollars(s, 1_000))
    holder = draw.choice(("vault", "fund", "guaranty", "collateral", "reserve", *TRANCHES))
    yield Step("attacker", "donate", (holder, amount), 1, 1)
    call = draw.choice(("collect", "roll", "settle", "contribute"))
    arguments: tuple[object, ...] = {
        "collect": (),
        "roll": (draw.choice(TRANCHES),),
        "settle": (FAMILY,),
        "contribute": (1,),
    }[call]
    yield soon("founder", call, *arguments, draw=draw)


def first_deposit(s: Scene, draw: Draw) -> Plan:
    """The first in a tranche stakes one unit and inflates what it can before the next one comes."""
    tranche = draw.choice(TRANCHES)
    yield soon("sniper", "stake", tranche, draw.choice((1, 2, 10**6)))
    if draw.chance(50):
        shares = s.world.tranche(tranche).shares.get("sniper", 0)
        yield soon("sniper", "request_redeem", tranche, max(1, shares - 1))
    yield Step(
        "attacker", "donate", (draw.choice((tranche, "fund")), dollars(s, draw.integer(1, 1_000))), 1, 1
    )
    yield soon(STAKERS[0], "stake", tranche, draw.magnitude(1, dollars(s, 1_000)))


def replay(s: Scene, draw: Draw) -> Plan:
    """An old order again: beyond its size, cancelled, of another generation, expired, or forged."""
    if not s.orders:
        return
    order = draw.choice(s.orders[-20:])
    taker = draw.choice([name for name in _peers(s, order.market) if name != order.maker])
    left = max(1, order.size - s.world.house.filled.get(order, 0))
    how = draw.choice(
        (
            "again",
            "beyond",
            "rest",
            "cancelled",
            "generation",
            "expired",
            "forged",
            "racing",
            "reducing",
            "theirs",
        )
    )
    if how == "cancelled":
        yield soon(order.maker, "cancel", order)
    elif how == "generation":
        yield soon(order.maker, "cancel_all")
    elif how == "expired":
        order = replace(order, expiry=s.time)
    elif how == "reducing":
        order = replace(order, reduce_only=True)
    elif how == "theirs":
        yield soon(taker, "cancel", order)
    elif how == "racing":  # both in one block: whoever comes first
        yield soon(taker, "trade", order, left)
        yield Step(order.maker, "cancel", (order,), 0, 0)
    size = {"beyond": left + 1, "again": max(1, order.size)}.get(how, left)
    if how == "forged":
        yield soon(taker, "trade", order, left, taker)
    else:
        yield soon(taker, "trade", order, size)


def _peers(s: Scene, market: int) -> tuple[str, ...]:
    return FAMILY if market == s.setting.thin else (*TRADERS, LIQUIDATORS[0])


def shut_the_gate(s: Scene, draw: Draw) -> Plan:
    """A small account goes insolvent on purpose, so that stakers can't leave; anyone opens the gate again."""
    market = s.setting.thin
    yield soon("puppet", "deposit", "puppet", draw.magnitude(1, dollars(s, 10)))
    house = s.world.house
    equity = max(1, house.health("puppet").equity)
    ratio = house.markets[market].parameters.initial_margin_ratio
    size = size_for(s, market, equity * 10**6 // ratio * draw.integer(30, 99) // 100)
    is_buy = draw.chance(50)
    order = book_order(s, draw, "puppet", market, is_buy, size)
    if not (yield soon("attacker", "trade", order, size)):
        return
    sign = -1 if is_buy else 1
    yield answer(s, market, s.price(market) * (100 + sign * draw.integer(5, 70)) // 100)
    yield soon(OPERATOR, "flag", "puppet")
    yield soon(STAKERS[0], "stake", draw.choice(TRANCHES), dollars(s, 1))
    if draw.chance(60):
        left = yield from wait(s, s.world.house.liquidation.auction_duration + 1)
        yield Step(OPERATOR, "deleverage", ("puppet", ()), *left)


def stall_the_auction(s: Scene, draw: Draw) -> Plan:
    """A flagged account fends off its sale: adds a unit, sells a sliver to a friend, trades with itself."""
    flagged = [name for name in s.world.house.flags if s.world.house.open_markets(name)]
    if not flagged:
        return
    account = draw.choice(sorted(flagged))
    market = draw.choice(s.world.house.open_markets(account))
    friends = [name for name in _peers(s, market) if name != account]
    for _ in range(draw.integer(1, 4)):
        how = draw.choice(("add", "sliver", "reduce", "withdraw", "flag"))
        if how == "add":
            yield soon(
                account, "deposit", account, draw.choice((1, dollars(s, 1), dollars(s, 1_000))), draw=draw
            )
        elif how == "sliver":
            yield soon(draw.choice(friends), "liquidate", account, 1, (), draw=draw)
        elif how == "withdraw":
            yield soon(account, "withdraw", 1, account, (), draw=draw)
        elif how == "flag":
            yield soon(account, "flag", account, draw=draw)
        else:
            mine = s.world.house.signed_size(account, market)
            size = max(1, abs(mine) * draw.integer(1, 100) // 100)
            order = book_order(s, draw, account, market, mine < 0, size, spread=draw.choice((0, 20, 490)))
            yield soon(draw.choice(friends), "trade", order, size, draw=draw)


def reenter(s: Scene, draw: Draw) -> Plan:
    """The token calls the protocol in the middle of a payment."""
    call = draw.choice(("settle", "refresh", "flag", "collect", "roll", "deleverage"))
    account = worst_first(s, draw)[0]
    arguments: tuple[object, ...] = {
        "settle": (tuple(draw.some(ACCOUNTS)),),
        "refresh": (draw.integer(0, s.setting.thin),),
        "flag": (account,),
        "collect": (),
        "roll": (draw.choice(TRANCHES),),
        "deleverage": (account, ()),
    }[call]
    yield Step("token", "turn", ("calls back", call, arguments), 0, 0)
    for _ in range(draw.integer(1, 2)):
        # Amid a loss, collect would end as in neither order, with nothing lost.
        if call == "collect":
            yield payment(s, draw, ("deposit", "withdraw"))
        elif s.world.house.flags and draw.chance(50):
            flagged = draw.choice(sorted(s.world.house.flags))
            yield soon(OPERATOR, "deleverage", flagged, winners(s, draw))
        else:
            # A refresh amid collect comes between what it takes from the vault and what it books: likewise.
            calls = PAYMENTS if call == "roll" else tuple(c for c in PAYMENTS if c not in ("collect", "join"))
            yield payment(s, draw, calls)
    yield Step("token", "turn", ("honest",), 0, 0)
