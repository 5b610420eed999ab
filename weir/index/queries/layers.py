"""The fund's layers, its target and its coverage over time."""

from __future__ import annotations

from dataclasses import dataclass

from weir.store import Store


@dataclass(frozen=True, slots=True)
class LayerPoint:
    """The funds as a block left them, what has vested by then in the tranches.

    `advanced` is what the tranches have paid for skin beside their S, `guaranty` the guaranty fund's.
    `target` is the funding policy's. `reserve` is what the reserve counts for: its prices are no events, so
    it follows from the last coverage that the policy observed (0 while the reserve holds nothing).
    """

    block: int
    time: int
    skin: int
    unvested: int
    junior: int
    senior: int
    advanced: int
    guaranty: int
    reserve: int
    target: int

    @property
    def assets(self) -> int:
        """Of the insurance fund, as its policy counts them."""
        return self.skin + self.unvested + self.junior + self.senior + self.reserve

    @property
    def coverage(self) -> float | None:
        """Assets over target; None where the target is zero."""
        return self.assets / self.target if self.target else None


def layers(
    store: Store, *, points: int = 500, since: int | None = None, until: int | None = None
) -> tuple[LayerPoint, ...]:
    """The series between two times, oldest first, thinned to about so many points: first and last stay, and
    of each stretch in between the point with the least assets.
    """
    raise NotImplementedError
