"""Who put money into the funds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from weir.store import Store


@dataclass(frozen=True, slots=True)
class Contributor:
    """An account in one of its parts.

    "trader": contributions for new risk and leverage, by factor; "junior" and "senior": what stakers put in
    and took out; "member": the guaranty fund; "gift": to skin; "gift of <symbol>": to the reserve, in units
    of that token. `put_in` is the sum, `taken_out` what left again, `times` how often it put in.
    """

    account: str
    part: Literal["trader", "junior", "senior", "member", "gift"] | str
    put_in: int
    taken_out: int
    times: int
    scarcity: int = 0
    concentration: int = 0
    leverage: int = 0
    tier: int = 0


def contributions(
    store: Store, *, since: int | None = None, until: int | None = None
) -> tuple[Contributor, ...]:
    """Every contributor between two times; by part, largest first."""
    raise NotImplementedError
