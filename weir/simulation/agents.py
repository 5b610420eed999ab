"""What the people of a simulated market do: pure decisions, from what they see, in USD and units of the
underlying.

Nobody knows what comes next. A trader sees prices, the last hour's moves, and its own account; a maker its
inventory. Each draws from its own generator, so that one's choices never change another's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random

from weir.simulation.population import Maker, Trader

__all__ = ["Deposit", "Memory", "Quote", "Seen", "Trade", "Withdraw", "decide", "quotes"]

DUST = 150.0
"""USD of notional below which nobody bothers to trade; above the smallest position the venue allows."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What an account's owner sees: prices and recent moves (as parts) by market, and its own account,
    USD.
    """

    time: int
    prices: Mapping[str, float]
    moves: Mapping[str, float]
    initial_ratio: float
    maintenance_ratio: float
    equity: float
    cash: float
    sizes: Mapping[str, float]
    flagged: bool

    @property
    def notional(self) -> float:
        """Size of all positions, USD."""
        return sum(abs(size) * self.prices[market] for market, size in self.sizes.items())

    @property
    def margin(self) -> float:
        """Equity over notional; infinite without positions."""
        notional = self.notional
        return self.equity / notional if notional else float("inf")


@dataclass(slots=True)
class Memory:
    """What a trader remembers: the money it counts from, its reserve, when it last acted and at what
    prices.
    """

    basis: float
    reserve: float
    rng: Random
    present: bool = False
    acted_at: int = 0
    anchors: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Trade:
    """Buy (size > 0) or sell at the best quotes, units of the underlying."""

    market: str
    size: float


@dataclass(frozen=True, slots=True)
class Deposit:
    """Margin from the trader's reserve, USD."""

    amount: float


@dataclass(frozen=True, slots=True)
class Withdraw:
    """Profit taken home, USD."""

    amount: float


Act = Trade | Deposit | Withdraw


@dataclass(frozen=True, slots=True)
class Quote:
    """A maker's offer for one market: it buys or sells up to `size` at `price`."""

    market: str
    is_buy: bool
    price: float
    size: float


# --------------------------------------------------------------------- traders


def opening(trader: Trader, prices: Mapping[str, float]) -> list[Trade]:
    """The positions a trader takes when it arrives: its leverage, spread by its taste."""
    side = 1 if trader.bullish else -1
    orders = [
        Trade(market, side * trader.deposit * trader.leverage * part / prices[market])
        for market, part in trader.taste.items()
    ]
    return [order for order in orders if abs(order.size) * prices[order.market] >= DUST]


def decide(trader: Trader, memory: Memory, seen: Seen) -> list[Act]:
    """What the trader does now; mostly nothing."""
    acts = _urgent(trader, memory, seen)
    if not acts and seen.time - memory.acted_at >= trader.patience:
        acts = _considered(trader, memory, seen)
    if acts:
        memory.acted_at = seen.time
        memory.anchors = dict(seen.prices)
    return acts


def _urgent(trader: Trader, memory: Memory, seen: Seen) -> list[Act]:
    if not seen.sizes:
        return []
    rng = memory.rng
    # Attention is drawn first, whatever follows: the draws of a trader must not depend on its luck.
    alert, calm = rng.random() < 0.15 + 0.7 * trader.skill, rng.random()
    if seen.margin < 1.6 * seen.maintenance_ratio and memory.reserve > 0 and alert:
        missing = (1.5 * seen.initial_ratio - seen.margin) * seen.notional
        amount = min(memory.reserve, max(missing, 0.25 * memory.reserve))
        memory.reserve -= amount
        memory.basis += amount
        return [Deposit(amount)]
    if seen.flagged:
        return []
    loss = 1 - seen.equity / memory.basis
    if trader.stop is not None and loss > trader.stop and alert:
        return _reduce(seen, 1.0)
    if seen.margin < 1.3 * seen.maintenance_ratio and calm < 0.35:
        return _reduce(seen, 0.5)
    return []


def _considered(trader: Trader, memory: Memory, seen: Seen) -> list[Act]:
    rng = memory.rng
    mood, keen = rng.random(), rng.random()
    if not seen.sizes:
        return _return(trader, memory, seen, mood) if keen < 0.12 else []
    gain = seen.equity / memory.basis - 1
    if gain > trader.greed:
        memory.basis = seen.equity
        home = min(seen.cash, 0.5 * gain / (1 + gain) * seen.equity)
        return [*_reduce(seen, 0.5), *([Withdraw(home)] if home > 100 else [])]
    room = seen.equity * trader.leverage - seen.notional
    fallen = [
        m for m, price in seen.prices.items() if price < memory.anchors.get(m, price) * (1 - trader.dip)
    ]
    if fallen and trader.bullish and mood > trader.skill:
        return [Trade(m, room / len(fallen) / seen.prices[m]) for m in fallen if room / len(fallen) > DUST]
    if keen < 0.15 and seen.margin > 1.5 * seen.initial_ratio:
        # Now and then a position is brought nearer to what its owner wants; nobody wants the same every day.
        wanted = (0.4 + mood) * trader.leverage * seen.equity
        part = max(-0.5, min(0.5, wanted / seen.notional - 1))
        trades = [Trade(m, size * part) for m, size in seen.sizes.items()]
        return [trade for trade in trades if abs(trade.size) * seen.prices[trade.market] > DUST]
    return []


def _return(trader: Trader, memory: Memory, seen: Seen, mood: float) -> list[Act]:
    """Someone who is out comes back, with new money where there is any; the skilled follow the move."""
    if seen.equity < 0.3 * trader.deposit and memory.reserve > 0:
        amount, memory.reserve = memory.reserve, 0.0
        return [Deposit(amount)]
    if seen.equity < 500:
        return []
    falling = min(seen.moves.values()) < -0.02
    memory.basis = seen.equity
    return _bet(trader, seen, -0.6 if falling and mood < trader.skill else 0.6)


def _bet(trader: Trader, seen: Seen, part: float) -> list[Act]:
    money = seen.equity * trader.leverage * part
    return [
        Trade(market, money * taste / seen.prices[market])
        for market, taste in trader.taste.items()
        if abs(money) * taste > DUST
    ]


def _reduce(seen: Seen, part: float) -> list[Act]:
    return [Trade(market, -size * part) for market, size in seen.sizes.items()]


# ---------------------------------------------------------------------- makers


def quotes(maker: Maker, seen: Seen) -> list[Quote]:
    """Both sides of every market, as large as inventory allows; wider and smaller the more prices have
    moved.
    """
    if seen.equity <= 0 or seen.flagged:
        return []
    limit = maker.leverage * seen.equity / len(seen.prices)
    room = maker.leverage * seen.equity - seen.notional
    offers = []
    for market, price in seen.prices.items():
        stress = min(abs(seen.moves[market]) / 0.1, 1.0)
        half = maker.spread * (1 + 12 * stress)
        inventory = seen.sizes.get(market, 0.0) * price
        # Quotes lean against the inventory: who is long sells cheaper, and buys less.
        lean = max(-1.0, min(1.0, inventory / limit)) * half
        for is_buy, held in ((True, inventory), (False, -inventory)):
            money = min(limit - held, max(room, 0.0) + max(-2 * held, 0.0)) * (1 - 0.85 * stress)
            if money > DUST:
                at = price * (1 - half - lean if is_buy else 1 + half - lean)
                offers.append(Quote(market, is_buy, at, money / price))
    return offers
