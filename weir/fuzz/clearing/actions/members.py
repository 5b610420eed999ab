"""Members of the guaranty fund: in, out by notice, out ahead of a loss, and debtors who pay late."""

from __future__ import annotations

from weir.fuzz.clearing.actions.keepers import wait
from weir.fuzz.clearing.actions.moves import answer, dollars, main_market, soon, worst_first
from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, FAMILY, OPERATOR, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Plan


def join(s: Scene, draw: Draw) -> Plan:
    """For oneself, what is owed or any amount; now and then for another, or as income comes."""
    name = draw.choice((*TRADERS, *FAMILY))
    # At extreme prices more is owed than anybody has.
    amount = min(s.world.owed(name), dollars(s, 10**10)) if draw.chance(50) else 0
    amount = amount or draw.magnitude(1, dollars(s, 20_000))
    payer = name if name in FAMILY or draw.chance(80) else "founder"  # nobody gives to the family
    yield soon(payer, "join", name, amount, draw=draw)
    if draw.chance(20):
        yield soon(OPERATOR, "collect", draw=draw)


def _members(s: Scene) -> list[str]:
    return [name for name in ACCOUNTS if s.world.guaranty_balance(name)]


def give_notice(s: Scene, draw: Draw) -> Plan:
    """For all, a part, more than there is, or nothing any more."""
    name = draw.choice(_members(s) or TRADERS)
    balance = s.world.guaranty_balance(name)
    yield soon(
        name, "request_exit", draw.choice((balance, balance, balance // 3, 1, balance + 1, 0)), draw=draw
    )


def release(s: Scene, draw: Draw) -> Plan:
    """Before the notice has run out, within the window, at its edges, or after it."""
    guaranty = s.world.guaranty
    noticed = [name for name in ACCOUNTS if (m := guaranty.member(name)) and m.notice_units]
    name = draw.choice(noticed or TRADERS)
    member = guaranty.member(name)
    left = 1, 1
    if member and member.notice_units and draw.chance(85):
        end = guaranty.parameters.exit_window
        due = member.notice_from + draw.choice((0, 0, 0, -1, end - 1, end)) - s.time
        if due > 0:
            left = yield from wait(s, due)
    yield Step(OPERATOR, "release", (name,), *left)


def run(s: Scene, draw: Draw) -> Plan:
    """A member who sees a loss coming, perhaps its own, is out before anybody has flagged it."""
    market = main_market(s, draw)
    name = draw.choice(_members(s) or TRADERS)
    yield soon(name, "request_exit", s.world.guaranty_balance(name))
    left = (yield from wait(s, s.world.guaranty.parameters.notice_period)) if draw.chance(80) else (1, 1)
    yield Step(OPERATOR, "collect", (), *left)
    crash = 100 + draw.choice((-60, -30, 30, 60))
    yield answer(s, market, s.price(market) * crash // 100)
    if draw.chance(50):
        yield soon(OPERATOR, "flag", worst_first(s, draw)[0], draw=draw)
    yield soon(OPERATOR, "release", name, draw=draw)


def recover(s: Scene, draw: Draw) -> Plan:
    """A default is made good: all, a part, more than is open."""
    defaults = s.world.fund.defaults
    if not defaults:
        return
    number = draw.integer(max(1, len(defaults) - 5), len(defaults))
    left = defaults[number - 1].from_fund - s.world.fund.recovered.get(number, 0)
    amount = draw.choice((left, left // 2, left // 7, left + 1, 1))
    yield soon(
        draw.choice(("founder", defaults[number - 1].account)), "recover", number, max(1, amount), draw=draw
    )
