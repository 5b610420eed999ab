"""What a sequence plays in, as its actors see it: the model's world, the clock, feeds, and the token's mode.

Actions draw from a scene, properties are checked on it; it knows nothing of contracts.
"""

from __future__ import annotations

from typing import Any

from weir.fuzz.clearing.setting import COIN, HEARTBEAT, SHARE, START, Setting
from weir.fuzz.steps import Step
from weir.model import Order, World
from weir.model.numbers import ASSET_FEEDS
from weir.parameters import AssetParameters, MarketParameters

__all__ = ["SURROUNDINGS", "Feed", "Scene"]

_DEPLOYED = START + 3_600  # sequences begin then, whatever the set-up took
_BLOCK = 1_000

SURROUNDINGS = frozenset(
    {"answer", "donate", "donate_asset", "quote_coin", "sequence", "set_rate", "set_sequencer", "turn"}
)
"""Steps that are no calls of the protocol."""


class Feed:
    """What the development feed of a market answers (SPECIFICATION.md section 7)."""

    def __init__(self, rules: MarketParameters | AssetParameters, answer: int, updated_at: int) -> None:
        self.answer, self.updated_at, self.mode = answer, updated_at, "live"
        self._low, self._high = int(rules.min_price * 10**18), int(rules.max_price * 10**18)

    def price(self, now: int) -> int | None:
        """1e-18 of a dollar; None while the oracle's status is not Ok."""
        if self.mode != "live" or not 0 < self.updated_at <= now or now - self.updated_at > HEARTBEAT:
            return None
        price = self.answer * 10**10
        return price if self._low <= price <= self._high and self.answer > 0 else None


class Scene:
    """One sequence, from its beginning. The world is the model's, and may be replaced by another.

    `mode` is what the token does, and `inner` the call, with its arguments, that it makes amid a transfer.
    `orders` are all that were drawn, for replays.
    """

    def __init__(self, setting: Setting, world: World, coin_since: int) -> None:
        self.setting, self.world = setting, world
        self.time, self.block = _DEPLOYED, _BLOCK
        rules = setting.parameters()
        self.feeds = [
            Feed(market, int(price * 10**8), _DEPLOYED)
            for market, price in zip(rules.markets, setting.prices, strict=True)
        ]
        self.coin = Feed(rules.assets[COIN], 10**8, coin_since)
        self.orders: list[Order] = []
        self.mode = "honest"
        self.inner: tuple[Any, ...] = ("", ())
        self._sequencer_answer, self._sequencer_grace = (0, 0), -1

    # ---- what actions look at

    def now(self, seconds: int) -> int:
        """The time of a step that comes `seconds` later."""
        return self.time + seconds

    def price(self, market: int) -> int:
        """The mark, 1e-18 of a dollar."""
        return self.world.house.markets[market].price

    def next_price(self, market: int) -> int | None:
        """What the feed answers now; the mark of the next refresh."""
        return self.feeds[market].price(self.time) if self._sequencer_is_up() else None

    def _sequencer_is_up(self) -> bool:
        """It is not asked, or has answered 0 since at least the grace period."""
        answer, since = self._sequencer_answer
        asked = self._sequencer_grace >= 0
        return not asked or (
            answer == 0 and 0 < since <= self.time and self.time - since >= self._sequencer_grace
        )

    # ---- what steps change

    def advance(self, step: Step) -> None:
        """To the time and block of a step."""
        self.time, self.block = self.time + step.seconds, self.block + step.blocks
        self.world.at(self.time, self.block)

    def quote(self) -> None:
        """The world's feeds answer what they answer now."""
        for number in range(len(self.feeds)):
            self.world.feeds.prices[number] = self.next_price(number)
        coin = self.coin.price(self.time) if self._sequencer_is_up() else None
        for asset in (COIN, SHARE):
            self.world.feeds.prices[ASSET_FEEDS + asset] = coin

    def surround(self, step: Step) -> None:
        """What a step of the surroundings changes."""
        if step.call == "answer":
            market, answer, updated_at, mode = step.arguments
            feed = self.feeds[market]
            feed.answer, feed.updated_at, feed.mode = answer, updated_at, mode
        elif step.call == "quote_coin":
            self.coin.answer, self.coin.updated_at, self.coin.mode = step.arguments
        elif step.call == "set_rate":
            asset, rate, answers = step.arguments
            self.world.set_rate(asset, rate if answers else None)
        elif step.call == "donate_asset":
            asset, holder, amount = step.arguments
            self.world.donate(step.sender, holder, amount, asset)
        elif step.call == "sequence":
            self._sequencer_answer = step.arguments
        elif step.call == "set_sequencer":
            self._sequencer_grace = step.arguments[0]
        elif step.call == "donate":
            if self.mode == "honest":
                self.world.donate(step.sender, *step.arguments)
        else:
            self.mode = step.arguments[0]
            self.inner = tuple(step.arguments[1:]) or ("", ())
