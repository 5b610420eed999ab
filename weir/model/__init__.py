"""The exact reference model of the protocol, read from SPECIFICATION.md alone. Start at `World`."""

from weir.model.dump import dump
from weir.model.errors import Revert
from weir.model.funding import Contribution
from weir.model.numbers import WAD
from weir.model.parameters import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    StablecoinParameters,
)
from weir.model.trading import Order
from weir.model.world import World

__all__ = [
    "WAD",
    "AssetParameters",
    "Contribution",
    "FundParameters",
    "FundingParameters",
    "GuarantyParameters",
    "LiquidationParameters",
    "MarketParameters",
    "Order",
    "Revert",
    "StablecoinParameters",
    "World",
    "dump",
]
