"""The poster of a simulation: about once an hour it tells the funding policy what a model says.

The model is a plain rule, where `weir risk` has a history of prices and takes seconds. Every post commits to
what the rule read and what it answered, by the hashes of two JSON texts that the run's result keeps.
"""

from __future__ import annotations

import json
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from typing import Any, Literal

from eth_utils.crypto import keccak

from weir.chain import Call, ContractError
from weir.results import Post
from weir.simulation.stage import REPORTER, Stage
from weir.states import AccountState
from weir.units import DAY, HOUR

__all__ = ["Poster", "expected_shortfall", "tier_of"]

BARS = 24
"""Bars whose closes the rule looks back on."""
USUAL = 0.04
"""A day's volatility where less than two returns are known yet."""
TAIL = 2.665
"""Mean of a standard normal's worst 1%, in standard deviations."""
LARGEST = 10
"""Accounts that are given a tier."""
LEVERAGES = (3.0, 6.0, 12.0, 20.0)
"""Leverage from which an account belongs to tiers 1, 2, 3 and 4."""
DEFAULT_TIER = 2


def expected_shortfall(closes: Sequence[float], bar_seconds: int) -> float:
    """The mean loss of the worst 1% of days, as a part of the price.

    As if returns were normal, with the volatility of these closes: real days are worse.
    """
    returns = [math.log(after / before) for before, after in pairwise(closes)]
    if len(returns) < 2:
        return TAIL * USUAL
    variance = sum(each**2 for each in returns) / len(returns)
    return TAIL * math.sqrt(variance * DAY / bar_seconds)


def tier_of(leverage: float) -> int:
    """0 (best) to 4, by an account's leverage alone."""
    return sum(leverage >= least for least in LEVERAGES)


@dataclass(frozen=True, slots=True)
class _Evidence:
    inputs: str
    outputs: str
    block: int

    def as_tuple(self) -> tuple[bytes, bytes, int]:
        """`IFundingPolicy.Evidence`."""
        return keccak(text=self.inputs), keccak(text=self.outputs), self.block


class Poster:
    """Posts a target at the start and about every hour, and tiers where one has changed.

    The target is, summed over markets, open interest times what the expected shortfall of a day exceeds
    maintenance margin by: as if nobody could be liquidated for a day. It does not see who holds what, gives
    nothing for diversification, and knows no jumps but those it has seen.
    """

    def __init__(self, stage: Stage, bar_seconds: int) -> None:
        self.stage = stage
        self.posts: list[Post] = []
        self._bar_seconds = bar_seconds
        self._closes: dict[str, deque[float]] = {s: deque(maxlen=BARS + 1) for s in stage.symbols}
        self._last = -HOUR
        self._moved: dict[str, int] = {}

    def close(self, prices: Mapping[str, Decimal]) -> None:
        """A bar has ended at these prices."""
        for symbol, price in prices.items():
            self._closes[symbol].append(float(price))

    def post(self, time: int, states: Mapping[str, AccountState]) -> None:
        """Posts if the last time is an hour ago."""
        if time - self._last < HOUR:
            return
        self._last = time
        self._post_target(time)
        self._post_tiers(time, states)

    # ---- the target

    def _post_target(self, time: int) -> None:
        weir = self.stage.weir
        markets = {market.symbol: market for market in weir.markets(block="pending")}
        shortfalls = {
            symbol: round(expected_shortfall(tuple(closes), self._bar_seconds), 6)
            for symbol, closes in self._closes.items()
        }
        beyond = {
            symbol: max(0, round(shortfalls[symbol] * 10**6) - market.maintenance_margin_ratio)
            for symbol, market in markets.items()
        }
        wanted = sum(market.notional * beyond[symbol] for symbol, market in markets.items()) // 10**6
        target = self._within_steps(wanted)
        inputs = {
            "time": time,
            "bar_seconds": self._bar_seconds,
            "closes": {symbol: list(closes) for symbol, closes in self._closes.items()},
            "notional": {symbol: market.notional for symbol, market in markets.items()},
            "maintenance": {symbol: market.maintenance_margin_ratio for symbol, market in markets.items()},
        }
        outputs = {"shortfall": shortfalls, "wanted": wanted, "target": target}
        evidence = self._evidence(inputs, outputs)
        self._send("target", time, evidence, weir.policy.functions.postTarget(target, evidence.as_tuple()))

    def _within_steps(self, target: int) -> int:
        """The nearest target that the policy lets be posted now."""
        call = self.stage.weir.policy.functions.postTarget(target, self._evidence({}, {}).as_tuple())
        try:
            self.stage.weir.chain.call(call, sender=self.stage.accounts[REPORTER].address, block="pending")
        except ContractError as error:
            if error.name != "TargetStepTooLarge":
                raise
            return int(max(error.arguments["min"], min(error.arguments["max"], target)))
        return target

    # ---- tiers

    def _post_tiers(self, time: int, states: Mapping[str, AccountState]) -> None:
        weir = self.stage.weir
        known = [s for s in states.values() if s.notional and s.address != weir.fund.address]
        largest = sorted(known, key=lambda state: (-state.notional, state.address))[:LARGEST]
        inputs, outputs = {}, {}
        for state in largest:
            inputs[state.address] = {"notional": state.notional, "equity": state.equity}
            leverage = state.notional / state.equity if state.equity > 0 else math.inf
            tier, _ = weir.chain.call(weir.policy.functions.tierOf(state.address), block="pending")
            wanted = tier_of(leverage)
            # One step a day, and the policy's clock is the block's, a little later than ours.
            due = state.address not in self._moved or time >= self._moved[state.address] + DAY + HOUR
            if wanted != tier and due:
                outputs[state.address] = tier + (1 if wanted > tier else -1)
        if not outputs:
            return
        evidence = self._evidence({"time": time, "accounts": inputs}, {"tiers": outputs})
        call = weir.policy.functions.postTiers([*outputs], [*outputs.values()], evidence.as_tuple())
        if self._send("tiers", time, evidence, call):
            self._moved.update(dict.fromkeys(outputs, time))

    # ---- both

    def _evidence(self, inputs: Mapping[str, Any], outputs: Mapping[str, Any]) -> _Evidence:
        return _Evidence(_json(inputs), _json(outputs), int(self.stage.weir.chain.rpc("eth_blockNumber"), 16))

    def _send(self, kind: Literal["target", "tiers"], time: int, evidence: _Evidence, call: Call) -> bool:
        """Whether the policy took it; what it refuses is for the next time."""
        if isinstance(self.stage.attempt(REPORTER, call), ContractError):
            return False
        self.posts.append(
            Post(kind=kind, time=time, block=evidence.block, inputs=evidence.inputs, outputs=evidence.outputs)
        )
        return True


def _json(document: Mapping[str, Any]) -> str:
    """The text that is hashed: keys in order, no spaces."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"))
