"""Stress scenarios: what happened in named crises, and what a user adds, as moves of the book's factors.

The built-in ones are files in `scenarios/`, one each, with their sources; their figures are rounded press
levels where the file's note says so. A scenario is a move of prices, not a forecast, and has no probability.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from weir.risk.errors import RiskError, told
from weir.risk.files import reading

__all__ = ["HIGHEST", "LOWEST", "Scenario", "apply", "library", "load_scenarios"]

Floats = NDArray[np.float64]

LOWEST, HIGHEST = -0.99, 5.0
"""The relative changes of a price that scenarios are made of."""
THIN = 0.1
"""Share of all open interest up to which a market is a thin one, that a single owner may move."""
Change = Annotated[float, Field(ge=LOWEST, le=HIGHEST, allow_inf_nan=False)]
Loss = Annotated[float, Field(ge=LOWEST, le=0.1, allow_inf_nan=False)]
Symbol = Annotated[str, Field(min_length=1, max_length=64)]

_DIRECTORY = Path(__file__).parent / "scenarios"


class Scenario(BaseModel):
    """A crisis: relative changes of prices (-0.5: half is gone), from before it to its worst."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$")]
    title: Annotated[str, Field(min_length=1, max_length=200)]
    date: date
    """The worst day's, UTC."""
    kind: Literal["crisis", "single", "own"] = "crisis"
    """A crisis of all markets, one of a single market, or a user's own."""
    sources: tuple[str, ...] = ()
    """What the figures are from: addresses, or publications."""
    hours: Annotated[float, Field(gt=0, le=8_760, allow_inf_nan=False)]
    """From the first price to the last."""
    shocks: dict[Symbol, Change] = {}
    """By market."""
    default: Change
    """Of markets that `shocks` does not name."""
    thinnest: Change | None = None
    """Of the market with the least open interest, where that is thin; none: it is like the others."""
    stablecoins: dict[Symbol, Loss] = {}
    """By stablecoin; those that are not named keep their par."""
    depth: Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)] = 1.0
    """What is left of the markets' depth."""
    note: str = ""

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if self.kind != "own" and not self.sources:
            raise ValueError("sources: at least one, but for a user's own")
        for names in (self.shocks, self.stablecoins):
            if len({_base(name) for name in names}) < len(names):
                raise ValueError(f"shocks, stablecoins: one name twice among {', '.join(names)}")
        return self


def apply(
    scenario: Scenario,
    markets: Sequence[str],
    stablecoins: Sequence[str] = (),
    open_interest: Mapping[str, float] | None = None,
) -> Floats:
    """The scenario's move of the book's factors: (markets + stablecoins,), relative changes in their order.

    Names are compared without case and without a quote (BTC-USD, btc/usdc and BTC-PERP are BTC).
    `open_interest`, USD by market, says which market is thinnest, the first of equals, and whether it is
    thin: has at most `THIN` of it all. A book without a thin market is spared what happened to one. Raises
    `RiskError` where the scenario needs it and a market is missing there.
    """
    shocks = {_base(name): change for name, change in scenario.shocks.items()}
    coins = {_base(name): change for name, change in scenario.stablecoins.items()}
    changes = [shocks.get(_base(name), scenario.default) for name in markets]
    if scenario.thinnest is not None and markets:
        if open_interest is None or (missing := [name for name in markets if name not in open_interest]):
            lacking = ", ".join(missing) if open_interest is not None else "all markets"
            raise RiskError(
                f"open_interest: {scenario.name} moves the thinnest market, and it lacks {lacking}"
            )
        thinnest = min(range(len(markets)), key=lambda i: open_interest[markets[i]])
        if open_interest[markets[thinnest]] <= THIN * sum(open_interest[name] for name in markets):
            changes[thinnest] = scenario.thinnest
    changes += [coins.get(_base(name), 0.0) for name in stablecoins]
    return np.array(changes, dtype=np.float64)


@cache
def library() -> tuple[Scenario, ...]:
    """The built-in scenarios, by date."""
    found = [_read(path) for path in sorted(_DIRECTORY.glob("*.json"))]
    return tuple(sorted((s for each in found for s in each), key=lambda s: (s.date, s.name)))


def load_scenarios(path: Path) -> tuple[Scenario, ...]:
    """A user's scenarios from a JSON file: one, or a list; with `kind` own (where none is said) no source is
    asked.

    Raises `RiskError` naming the file and the field, and for a name that is there twice or is a built-in
    one's.
    """
    found = _read(path)
    names = [scenario.name for scenario in (*library(), *found)]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise RiskError(f"{path}: name: {', '.join(twice)} is taken")
    return found


def _read(path: Path) -> tuple[Scenario, ...]:
    built_in = path.parent == _DIRECTORY
    with reading(path):
        raw = json.loads(path.read_text(encoding="utf-8"))
    found = []
    for i, item in enumerate(raw if isinstance(raw, list) else [raw]):
        if isinstance(item, dict) and not built_in:
            item = {"kind": "own", **item}
        try:
            found.append(Scenario.model_validate(item))
        except ValidationError as error:
            raise RiskError(f"{path}: {told(error, i)}") from None
    return tuple(found)


def _base(name: str) -> str:
    """BTC of BTC-USD, btc/usdc, BTC_PERP."""
    return re.split(r"[-/_:]", name.upper(), maxsplit=1)[0]
