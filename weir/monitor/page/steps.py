"""A loss as steps: who bore how much of it, in the order of the waterfall, down to what nobody bore."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from weir.layers import LAYERS
from weir.risk.measures.layers import OPEN_INTEREST
from weir.risk.stress.outcome import Outcome

__all__ = ["Step", "of_default", "of_outcome"]

_OPEN_INTEREST = "Opposing open interest"


@dataclass(frozen=True, slots=True)
class Step:
    """What one layer bears, USD; `colour` is a name of the palette."""

    name: str
    colour: str
    amount: Decimal
    left: Decimal
    """What later layers bear."""


def of_default(default: dict[str, Any]) -> tuple[Step, ...]:
    """The eight of the waterfall, of a default as `weir.status` has it; the last leaves nothing."""
    names = {**LAYERS, "remainder": _OPEN_INTEREST}
    steps, left = [], default["shortfall"]
    for layer, name in names.items():
        left -= default[layer]
        colour = "open_interest" if layer == "remainder" else layer
        steps.append(Step(name, colour, default[layer], left))
    return tuple(steps)


def of_outcome(found: Outcome) -> tuple[Step, ...]:
    """Of what the risk engine says that a move would cost: first the defaulters' own contributions."""
    names = {
        "own": "Defaulters' contributions",
        **{layer: LAYERS[layer] for layer in found.layers if layer != OPEN_INTEREST},
        OPEN_INTEREST: _OPEN_INTEREST,
    }
    amounts = {layer: Decimal(amount) for layer, amount in {"own": found.own, **found.layers}.items()}
    left, steps = sum(amounts.values(), Decimal(0)), []
    for layer, name in names.items():
        left = max(left - amounts[layer], Decimal(0))
        steps.append(Step(name, layer.replace(" ", "_"), amounts[layer], left))
    return tuple(steps)
