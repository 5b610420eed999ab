"""The layers of the waterfall, in the order in which they bear a default (SPECIFICATION.md, section 5).

A layer is called as the field of `weir.states.DefaultRecord` that says what it paid.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

__all__ = ["BRIEFLY", "FUND_LAYERS", "GUARANTY_LAYERS", "LAYERS", "WATERFALL"]

LAYERS: Mapping[str, str] = MappingProxyType(
    {
        "own": "Defaulter's contribution",
        "coinsurance": "Coinsurance",
        "skin": "Skin in the game",
        "junior": "Junior tranche",
        "senior": "Senior tranche",
        "mutual": "Mutual guaranty",
        "unpaid_profit": "Unpaid profit",
    }
)
"""Those that pay, with their names for a heading or a row."""

WATERFALL: Mapping[str, str] = MappingProxyType({**LAYERS, "remainder": "Open interest"})
"""The same, and last what none of them has paid, by the name of who bears it."""

BRIEFLY: Mapping[str, str] = MappingProxyType(
    {layer: layer.replace("_", " ") for layer in LAYERS} | {"remainder": WATERFALL["remainder"].lower()}
)
"""Names for a list in a line of text, of all of `WATERFALL`."""

FUND_LAYERS: tuple[str, ...] = ("skin", "junior", "senior")
"""The layers that the insurance fund pays."""

GUARANTY_LAYERS: tuple[str, ...] = ("own", "mutual")
"""The layers that the guaranty fund pays; what is neither's is borne by traders of the market."""
