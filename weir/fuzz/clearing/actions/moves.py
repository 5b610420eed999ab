"""What the actions have in common: amounts, orders, times, and whom to pick."""

from __future__ import annotations

from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, FAMILY, LIQUIDATORS, TRADERS
from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.model import Order
from weir.model.markets import Status

__all__ = [
    "FOREVER",
    "TRANCHES",
    "answer",
    "book_order",
    "dollars",
    "is_open",
    "main_market",
    "size_for",
    "soon",
    "tick",
    "traders_in",
    "worst_first",
]

FOREVER = 2**40 - 1
TRANCHES = ("junior", "senior")
SIZE_LIMIT = 2**112 - 1
_TICKS = ((0, 0), (0, 0), (0, 0), *((n * each, n) for n in (1, 2, 3) for each in (1, 2, 12)))


def dollars(s: Scene, amount: int) -> int:
    """Units of the settlement token."""
    return int(amount * 10**s.setting.decimals)


def tick(draw: Draw) -> tuple[int, int]:
    """Seconds and blocks until the next call: often the same block, or the next."""
    return draw.choice(_TICKS)


def soon(sender: str, call: str, *arguments: object, draw: Draw | None = None) -> Step:
    """A step in the next block; with a draw, in the same one sometimes."""
    seconds, blocks = tick(draw) if draw else (1, 1)
    return Step(sender, call, arguments, seconds, blocks)


def main_market(s: Scene, draw: Draw) -> int:
    """Any market but the thin one."""
    return draw.integer(0, s.setting.thin - 1)


def size_for(s: Scene, market: int, notional: int) -> int:
    """The size worth this many units of the settlement token at the mark."""
    state = s.world.house.markets[market]
    return min(SIZE_LIMIT, notional * state.scale // state.price)


def book_order(
    s: Scene, draw: Draw, maker: str, market: int, is_buy: bool, size: int, *, spread: int = 20
) -> Order:
    """A fresh order near the price that the market will have, remembered for replays; `spread` in bp."""
    state = s.world.house.markets[market]
    fresh = s.next_price(market) or state.price
    price = fresh * draw.integer(10_000 - spread, 10_000 + spread) // 10_000
    order = Order(
        maker=maker,
        market=market,
        is_buy=is_buy,
        size=max(0, min(size, SIZE_LIMIT)),
        price=max(price, 1),
        expiry=FOREVER,
        generation=s.world.house.generations[maker],
        salt=draw.integer(0, 2**32),
    )
    s.orders.append(order)
    return order


def answer(s: Scene, market: int, price: int, seconds: int = 1, blocks: int = 1) -> Step:
    """A live answer of a market's feed, as close to this price as feeds and bounds allow."""
    value = max(1, min(price // 10**10, 10**21))
    return Step("oracle", "answer", (market, value, s.now(seconds), "live"), seconds, blocks)


def traders_in(s: Scene, market: int) -> tuple[str, ...]:
    """Who may trade there: the family alone in the thin one."""
    return FAMILY if market == s.setting.thin else (*TRADERS, LIQUIDATORS[0])


def worst_first(s: Scene, draw: Draw) -> list[str]:
    """Accounts with positions, those in most need of a keeper first; a third of the time in any order."""
    house = s.world.house
    accounts = [a for a in ACCOUNTS if house.positions[a] and house.open_markets(a)]
    if not draw.chance(30):
        healths = {account: house.health(account) for account in accounts}
        accounts.sort(key=lambda account: healths[account].equity - healths[account].maintenance)
    elif accounts:
        accounts = [draw.choice(accounts)]
    return accounts or [TRADERS[0]]


def is_open(s: Scene, market: int) -> bool:
    return s.world.house.markets[market].status is Status.OPEN
