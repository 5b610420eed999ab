"""How much of the fund was used, and how fast it filled up again, by day."""

from __future__ import annotations

from dataclasses import dataclass

from weir.store import Store


@dataclass(frozen=True, slots=True)
class Day:
    """A UTC day; `start` is its first second.

    `losses` is what the insurance fund paid for defaults and bounties, `mutual` what members of the guaranty
    fund paid beside, `income` what reached both funds, without the treasury's. `fund` is what the insurance
    fund had in S as the day began (or with its first money), `fund_end` and `target` as it ended.

    `utilisation` is losses over that fund, `replenishment` income over it, None without a fund. `coverage`
    is as the day ended; None where the target is zero.
    """

    start: int
    losses: int
    mutual: int
    income: int
    recovered: int
    defaults: int
    fund: int
    fund_end: int
    target: int
    utilisation: float | None
    replenishment: float | None
    coverage: float | None


def days(store: Store, *, since: int | None = None, until: int | None = None) -> tuple[Day, ...]:
    """Every day from the first to the last indexed, or between two times; oldest first, none left out."""
    raise NotImplementedError
