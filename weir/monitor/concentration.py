"""How much of a market a few accounts hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weir.states import AccountState

__all__ = ["TOP", "Concentration", "concentration"]

TOP = 5
"""Accounts that count as the largest."""


@dataclass(frozen=True, slots=True)
class Concentration:
    """Of one side of a market, shares as fractions of that side; all 0 where nobody holds it."""

    accounts: int
    largest: float
    top: float
    """The `TOP` largest together."""
    hhi: float
    """Herfindahl and Hirschman's index: the sum of squared shares, 1 where one account holds everything."""


def concentration(accounts: Iterable[AccountState], market: int) -> tuple[Concentration, Concentration]:
    """Of the longs and of the shorts of a market."""
    sizes = [
        position.size
        for account in accounts
        for position in account.positions
        if position.market == market and position.live
    ]
    longs, shorts = [size for size in sizes if size > 0], [-size for size in sizes if size < 0]
    return _of(longs), _of(shorts)


def _of(sizes: Sequence[int]) -> Concentration:
    total = sum(sizes)
    shares = sorted((size / total for size in sizes), reverse=True)
    return Concentration(
        accounts=len(shares),
        largest=shares[0] if shares else 0.0,
        top=sum(shares[:TOP]),
        hhi=sum(share * share for share in shares),
    )
