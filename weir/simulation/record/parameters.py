"""What a run was deployed and told with."""

from __future__ import annotations

from dataclasses import asdict

from weir.parameters import Parameters
from weir.simulation.market import Settings

__all__ = ["parameters"]


def parameters(deployed: Parameters, settings: Settings) -> dict[str, dict[str, str | int | float]]:
    """Names and values in groups: of each market and asset, of the whole system, and of the simulation."""
    groups = {
        **{f"market {m.symbol}": m.model_dump(mode="json") for m in deployed.markets},
        "liquidation": deployed.liquidation.model_dump(mode="json"),
        "fund": deployed.fund.model_dump(mode="json"),
        "funding": deployed.funding.model_dump(mode="json"),
        "guaranty": deployed.guaranty.model_dump(mode="json"),
        **{f"asset {asset.symbol}": asset.model_dump(mode="json") for asset in deployed.assets},
        **({"conversion": deployed.conversion.model_dump(mode="json")} if deployed.assets else {}),
        "simulation": asdict(settings),
    }
    return {
        group: {name: value for name, value in values.items() if isinstance(value, str | int | float)}
        for group, values in groups.items()
    }
