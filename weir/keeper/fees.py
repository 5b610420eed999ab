"""What a transaction should pay for its gas now, and what replaces one that is stuck."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weir.chain import Chain, Fees

__all__ = ["Quote", "higher", "quote"]

_BLOCKS = 8
"""Blocks whose tips are looked at where the node names none."""
_USUAL_TIP = 10**9
_RAISE = 1125
"""Per mille of both fees that a replacement offers: nodes want a tenth more."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The next block's base fee and a usual tip, wei per gas."""

    base: int
    tip: int

    @property
    def price(self) -> int:
        """What gas costs now, wei."""
        return self.base + self.tip

    def fees(self, ceiling: int) -> Fees | None:
        """Fees that outlast six full blocks, as far as the ceiling allows; None where it is below the price
        of now.
        """
        if self.base >= ceiling:
            return None
        return Fees(min(self.tip, ceiling - self.base), min(2 * self.base + self.tip, ceiling))


def quote(chain: Chain) -> Quote:
    """What the node says about fees: from the next block's base fee, its own tip or else recent ones."""
    tip, history, latest = chain.rpc_batch(
        [
            ("eth_maxPriorityFeePerGas", []),
            ("eth_feeHistory", [hex(_BLOCKS), "latest", [50]]),
            ("eth_getBlockByNumber", ["latest", False]),
        ]
    )
    base = _next_base(history)
    if base is None:
        if isinstance(latest, Exception):
            raise latest
        base = int(latest.get("baseFeePerGas") or "0x0", 16) * 9 // 8
    found = int(tip, 16) if isinstance(tip, str) else _median_tip(history)
    return Quote(base, max(1, _USUAL_TIP if found is None else found))


def higher(last: Sequence[Fees], now: Quote, ceiling: int) -> Fees | None:
    """Fees that replace all of `last` at the same nonce, and no less than is usual now; None where the
    ceiling is in the way.
    """
    tip = max(_raised(fees.priority) for fees in last)
    least = max(tip, *(_raised(fees.most) for fees in last))
    if least > ceiling:
        return None
    usual = now.fees(ceiling) or Fees(0, 0)
    return Fees(max(tip, usual.priority), max(least, usual.most))


def _raised(fee: int) -> int:
    return -(-fee * _RAISE // 1000)


def _next_base(history: Any) -> int | None:
    fees = history.get("baseFeePerGas") if isinstance(history, Mapping) else None
    return int(fees[-1], 16) if fees else None


def _median_tip(history: Any) -> int | None:
    rewards = history.get("reward") if isinstance(history, Mapping) else None
    tips = sorted(int(row[0], 16) for row in rewards or () if row)
    return tips[len(tips) // 2] if tips else None
