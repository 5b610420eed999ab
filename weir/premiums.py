"""What positions have been charged as premium on open interest, from the clearing house's events.

The house charges a side at once, by size (SPECIFICATION.md section 3): a position's part is its size times
the charges of its side since it last changed. Deleveraging shrinks sizes between the events of an account;
the side's multiplier tells by how much.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from fractions import Fraction
from typing import TypeAlias

from weir.client import Weir

__all__ = ["premiums_charged"]

ONE_A = 10**36
"""The size multiplier of a new epoch."""
_NAMES = ("PositionChanged", "SideChanged", "EpochEnded", "PremiumCharged")

_Side: TypeAlias = tuple[int, bool, int]
"""A market's side in one of its epochs: market, whether it is the short one, the epoch's number."""


@dataclass(frozen=True, slots=True)
class _Held:
    """A position since its last event: its size then, 1e-18, and its side's multiplier and charges."""

    side: _Side
    size: int
    multiplier: int
    charges: int


class _Ledger:
    """Charges by side, in price times multiplier, and what each position has borne of them."""

    def __init__(self) -> None:
        self.charged: defaultdict[str, Fraction] = defaultdict(Fraction)
        self._epochs: defaultdict[tuple[int, bool], int] = defaultdict(int)
        self._multipliers: defaultdict[tuple[int, bool], int] = defaultdict(lambda: ONE_A)
        self._charges: defaultdict[_Side, int] = defaultdict(int)
        self._held: dict[tuple[str, int], _Held] = {}

    def change(self, account: str, market: int, size: int) -> None:
        self._close(account, market)
        if size:
            of = market, size < 0
            side = (*of, self._epochs[of])
            self._held[account, market] = _Held(side, abs(size), self._multipliers[of], self._charges[side])

    def charge(self, market: int, per_unit: int) -> None:
        for of in ((market, False), (market, True)):
            self._charges[(*of, self._epochs[of])] += per_unit * self._multipliers[of]

    def scale(self, market: int, is_short: bool, multiplier: int) -> None:
        self._multipliers[market, is_short] = multiplier

    def end_epoch(self, market: int, is_short: bool) -> None:
        self._epochs[market, is_short] += 1

    def finish(self) -> None:
        for account, market in list(self._held):
            self._close(account, market)

    def _close(self, account: str, market: int) -> None:
        if held := self._held.pop((account, market), None):
            rise = self._charges[held.side] - held.charges
            self.charged[account] += Fraction(held.size * rise, held.multiplier)


def premiums_charged(weir: Weir, last: int | None = None) -> dict[str, int]:
    """By account, units of the settlement token up to block `last`, rounded up; only those above 0.

    Whether it is settled yet or not: what is not is part of the account's unsettled loss.
    """
    last = int(weir.chain.rpc("eth_blockNumber"), 16) if last is None else last
    ledger = _Ledger()
    house = weir.clearing_house.address
    for event in weir.chain.logs([house], weir.deployment.block, last, _NAMES):
        if event.name == "PositionChanged":
            ledger.change(event["account"], event["market"], event["size"])
        elif event.name == "PremiumCharged":
            ledger.charge(event["market"], event["perUnit"])
        elif event.name == "SideChanged":
            ledger.scale(event["market"], event["isShort"], event["multiplier"])
        else:
            ledger.end_epoch(event["market"], event["isShort"])
    ledger.finish()
    scale = 10 ** (36 - weir.deployment.decimals)
    return {account: -int(-amount // scale) for account, amount in ledger.charged.items() if amount}
