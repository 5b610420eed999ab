"""What the risk engine is told beside book and prices: one JSON file, every field of which has a default."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from weir.parameters import FundingParameters
from weir.risk.credit import CreditParameters
from weir.risk.errors import RiskError, told
from weir.risk.files import reading

__all__ = ["DepegParameters", "FundingAssumptions", "ImpactParameters", "RiskParameters"]

Level = Annotated[float, Field(gt=0.5, lt=1)]
Probability = Annotated[float, Field(ge=0, le=1)]
Share = Annotated[float, Field(ge=0, lt=1)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class ImpactParameters(_Model):
    """How closing positions moves a market's price (`weir.risk.simulation.Impact`).

    `depth` is USD that would move the price by the whole of itself. Where it is left out, it follows from the
    square-root law, impact = volatility · √(closed / traded a day), for a stressed day: `stress` times the
    market's own daily volatility, and one open interest traded. At 4 %, closing 1 % of open interest then
    costs 1 %, a quarter of it 5 %; a market twice as volatile pays twice that.
    """

    depth: Annotated[float, Field(gt=0, le=1e30)] | None = None
    stress: Annotated[float, Field(gt=0, le=1_000)] = 2.5
    exponent: Annotated[float, Field(gt=0, le=1)] = 0.5
    cap: Share = 0.5


class DepegParameters(_Model):
    """A stablecoin's jumps (`weir.risk.simulation.Depeg`), by day, and the loss of par that sizing allows.

    The defaults: once in five and a half years of calm days, twenty times as often while crypto is in the
    lower 5 %, so once in 2.8 years in all, by 6 % in the mean. `severity` is what USDC lost on 2023-03-11.
    """

    probability: Probability = 0.0005
    stressed: Probability = 0.01
    mean_size: Annotated[float, Field(gt=0, le=5)] = 0.06
    severity: Share = 0.12

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.stressed < self.probability:
            raise ValueError(f"stressed: at least probability, {self.probability} (got {self.stressed})")
        return self


class FundingAssumptions(_Model):
    """What the fund will earn: trading a day over open interest, its fee, and the policy that shares it."""

    turnover: Annotated[float, Field(ge=0, le=1000)] = 1.0
    """Notional traded a day, of open interest."""
    fee: Annotated[float, Field(ge=0, le=0.02)] = 0.0007
    """Both sides' fees, of notional."""
    policy: FundingParameters = FundingParameters()


class RiskParameters(_Model):
    """Everything that decides a figure and is not in the book or the prices."""

    model: str = "garch-evt"
    """`weir risk models` lists them."""
    level: Level = 0.999
    """Of the ES that the target is built on."""
    confidence: Level = 0.95
    """Of the intervals; the target takes their upper bound."""
    horizon_days: Annotated[float, Field(gt=0, le=30)] = 1.0
    paths: Annotated[int, Field(ge=30_000, le=100_000_000)] = 200_000
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    impact: dict[str, ImpactParameters] = {}
    """By market; others take `ImpactParameters()`."""
    depeg: dict[str, DepegParameters] = {}
    """By stablecoin; others take `DepegParameters()`."""
    crypto_tail: Probability = 0.05
    """A step in which the crypto factor is below this quantile is a stressed one for stablecoins."""
    cover: Annotated[int, Field(ge=1, le=10)] = 2
    """So many of the largest clusters' losses the fund must bear at once."""
    same_owner: Annotated[float, Field(gt=0.5, le=1)] = 0.995
    """Cosine of two accounts' positions from which they count as one."""
    open_interest_ratio: Probability = 0.05
    """kappa: the least target, of open interest."""
    sharpe: Annotated[float, Field(ge=0, le=5)] = 0.25
    """Of a year's deviation of a layer's loss, what its loaded premium adds to the fair one."""
    funding: FundingAssumptions = FundingAssumptions()
    credit: CreditParameters = CreditParameters()

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a JSON file; raises `RiskError` naming the file and the field that is wrong."""
        with reading(path):
            return cls.model_validate(json.loads(path.read_text(encoding="utf-8")))

    def changed(self, fields: Mapping[str, Any]) -> Self:
        """With these fields instead; raises `RiskError` naming one that is wrong."""
        try:
            return self.model_validate({**self.model_dump(), **fields})
        except ValidationError as error:
            raise RiskError(told(error)) from None

    def impact_of(self, market: str) -> ImpactParameters:
        """That of a market."""
        return self.impact.get(market, ImpactParameters())

    def depeg_of(self, stablecoin: str) -> DepegParameters:
        """That of a stablecoin."""
        return self.depeg.get(stablecoin, DepegParameters())

    def canonical(self) -> dict[str, Any]:
        """All fields, for the memo and its hash."""
        return self.model_dump(mode="json")
