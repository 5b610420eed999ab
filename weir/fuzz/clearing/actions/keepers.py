"""Those who close what is below margin, and keep the fund's books going."""

from __future__ import annotations

from collections.abc import Generator

from weir.fuzz.clearing.actions.honest import claim
from weir.fuzz.clearing.actions.moves import TRANCHES, answer, dollars, is_open, soon, worst_first
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, FAMILY, HEARTBEAT, LIQUIDATORS, OPERATOR, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan
from weir.model import WAD


def flag(s: Scene, draw: Draw) -> Plan:
    account = worst_first(s, draw)[0]
    yield soon(OPERATOR, "flag", account, draw=draw)


def _flagged(s: Scene, draw: Draw) -> str:
    return draw.choice(sorted(s.world.house.flags) or TRADERS)


def winners(s: Scene, draw: Draw) -> tuple[str, ...]:
    """Whom to settle first: nobody, some, or those with unsettled profit."""
    if draw.chance(40):
        return ()
    if draw.chance(50):
        return tuple(draw.some(ACCOUNTS))
    house = s.world.house
    return tuple(
        account
        for account in ACCOUNTS
        if any(house.markets[m].unsettled(r) > 0 for m, r in house.positions[account].items())
    )


def liquidate(s: Scene, draw: Draw) -> Plan:
    """All or a part; the family's accounts only by the family, so that it stays alone in its market."""
    account = _flagged(s, draw)
    if account in FAMILY:
        liquidator = draw.choice(FAMILY)
    else:
        liquidator = draw.choice((*LIQUIDATORS, *LIQUIDATORS, *TRADERS))
    fraction = draw.choice((WAD, WAD, WAD, draw.integer(1, WAD), draw.integer(1, WAD), 1, 0))
    yield soon(liquidator, "liquidate", account, fraction, winners(s, draw), draw=draw)


def deleverage(s: Scene, draw: Draw) -> Plan:
    """Waits for the auction to end, most of the time; flags first where nobody is flagged."""
    account = _flagged(s, draw)
    if account not in s.world.house.flags:
        account = worst_first(s, draw)[0]
        if not (yield soon(OPERATOR, "flag", account)):
            return
    left = 1, 1
    if draw.chance(85):
        left = yield from wait(s, s.world.house.liquidation.auction_duration + 1)
    yield Step(OPERATOR, "deleverage", (account, winners(s, draw)), *left)


def wait(s: Scene, seconds: int) -> Generator[Step, bool, tuple[int, int]]:
    """Time is to go by: live feeds that would be stale by then answer as before.

    Returns the seconds and blocks that the next step must still bring.
    """
    blocks = 1
    for market, feed in enumerate(s.feeds):
        stale = s.now(seconds) + HEARTBEAT // 2 > feed.updated_at + HEARTBEAT
        if stale and is_open(s, market) and feed.mode == "live":
            yield answer(s, market, feed.answer * 10**10, seconds, blocks)
            seconds = blocks = 0
    return seconds, blocks


def collect(s: Scene, draw: Draw) -> Plan:  # noqa: ARG001
    yield Step(OPERATOR, "collect", (), 1, 1)


def roll(s: Scene, draw: Draw) -> Plan:
    """At once, or when the batch may be priced."""
    tranche = draw.choice(TRANCHES)
    state = s.world.tranche(tranche)
    due = state.last_roll_at + state.epoch_duration - s.time
    left = 1, 1
    if due > 0 and draw.chance(80):
        left = yield from wait(s, due)
    if (yield Step(OPERATOR, "roll", (tranche,), *left)):
        yield from claim(s, draw)
        yield from claim(s, draw)


def post_target(s: Scene, draw: Draw) -> Plan:
    """Near the last one or the formula's, or beyond a step; evidence of now, of before, of tomorrow."""
    world = s.world
    near = draw.choice((world.target(), world.funding.posted, dollars(s, draw.magnitude(1, 10**7))))
    percent = draw.choice((100, 90, 110, 75, 125, 200, 0))
    target = near * percent // 100 + draw.integer(0, 1)
    yield soon("poster", "post_target", min(target, 2**96 - 1), s.block + draw.choice((1, 1, 1, 0, -1, 2)))


def post_tiers(s: Scene, draw: Draw) -> Plan:
    """Some accounts a tier up or down, or as they are, or where they may not go."""
    accounts = tuple(draw.some(ACCOUNTS))
    tiers = tuple(max(0, s.world.tier(name) + draw.choice((-1, 0, 1, 1, 2))) for name in accounts)
    yield soon("poster", "post_tiers", accounts, tiers, s.block + draw.choice((1, 1, 1, 0, 2)))


def refresh(s: Scene, draw: Draw) -> Plan:
    yield soon(OPERATOR, "refresh", draw.integer(0, s.setting.thin), draw=draw)
