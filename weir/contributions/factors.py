"""The factors that a contribution is the sum of, and its amount parted among them."""

from __future__ import annotations

from collections.abc import Sequence

from weir.states import Charge, Contribution

FACTORS = ("scarcity", "concentration", "leverage", "tier")
"""The parts of a contribution, in the contract's order."""


def rates_of(charged: Contribution | Charge) -> tuple[int, int, int, int]:
    """Of the new notional, in ppm, in the order of `FACTORS`."""
    return charged.scarcity, charged.concentration, charged.leverage, charged.tier_rate


def parts_of(amount: int, rates: Sequence[int]) -> list[int]:
    """The amount by factor: whole units that add up to it, each within one of its share."""
    total, parts, below = sum(rates), [], 0
    for i in range(len(rates)):
        upto = amount * sum(rates[: i + 1]) // total if total else 0
        parts.append(upto - below)
        below = upto
    return parts
