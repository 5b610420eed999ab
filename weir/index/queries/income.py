"""What the fund lives on, and where it went."""

from __future__ import annotations

from dataclasses import dataclass

from weir.store import Store

DAY = 86_400


@dataclass(frozen=True, slots=True)
class Income:
    """One period [`start`, `end`).

    What accounts paid: trading `fees`, `penalties`, contributions by factor (`scarcity`, `concentration`,
    `leverage`, `tier`), and `premium`, what of it became the fund's cash (`premium_charged`: what positions
    were charged). What was collected of that, and where it went: `treasury`, `skin`, `stream` (to the
    tranches, over time), `members`. `junior` and `senior` are what vested to them; gifts are not income.
    """

    start: int
    end: int
    fees: int
    penalties: int
    scarcity: int
    concentration: int
    leverage: int
    tier: int
    premium: int
    premium_charged: int
    collected: int
    treasury: int
    skin: int
    stream: int
    members: int
    junior: int
    senior: int

    @property
    def contributions(self) -> int:
        """All four factors."""
        return self.scarcity + self.concentration + self.leverage + self.tier

    @property
    def paid(self) -> int:
        """What accounts paid, by all sources."""
        return self.fees + self.penalties + self.contributions + self.premium


def income_by_source(
    store: Store, *, period: int | None = DAY, since: int | None = None, until: int | None = None
) -> tuple[Income, ...]:
    """Income in periods of so many seconds of the UTC clock, those without any left out; one for everything
    where `period` is None.
    """
    raise NotImplementedError
