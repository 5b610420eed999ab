"""Reserves in a whole system: empty, filled, and of odd assets."""

from __future__ import annotations

from typing import Any

import pytest

from tests.system import System
from tests.unit.reserve.books import (
    USDX,
    deploy_reserve,
    offer,
)
from weir.parameters import AssetParameters, ConversionParameters


@pytest.fixture(scope="module")
def empty_reserve(deploy_system: Any, governor: Any) -> System:
    """The fund has nothing; a market may take everything, and nothing is coinsured."""
    return deploy_reserve(deploy_system, governor)


@pytest.fixture(scope="module")
def filled_reserve(
    deploy_system: Any, governor: Any, deployer: Any, staker: Any, other_staker: Any
) -> System:
    """Skin 100,000, the reserve 10,000 USDX, junior 20,000, senior 40,000."""
    system = deploy_reserve(deploy_system, governor)
    system.contribute(deployer, 100_000)
    system.stake(system.junior, staker, 20_000)
    system.stake(system.senior, other_staker, 40_000)
    system.donate(deployer, "USDX", 10_000)
    return system


@pytest.fixture(scope="module")
def odd_reserve(deploy_system: Any, project: Any, deployer: Any) -> System:
    """Assets whose tokens take a fee, return nothing, call back; skin 1,000."""
    listed = [
        AssetParameters(symbol=symbol, token=deployer.deploy(*made).address, weight=200_000)
        for symbol, made in {
            "FEE": (project.FeeToken, 6, 10_000),
            "SILENT": (project.SilentToken, 6),
            "HOOK": (project.ReentrantToken, 6),
        }.items()
    ]
    system: System = deploy_system(assets=tuple(listed), conversion=ConversionParameters(rebalance_band=0))
    system.contribute(deployer, 1_000)
    return system


@pytest.fixture
def buying(filled_reserve: System, keeper: Any, stranger: Any) -> System:
    """10,000 USDX of 110,000: 12,000 are below the weight. The stranger has USDX."""
    filled_reserve.reserve.start(USDX, sender=keeper)
    offer(filled_reserve, stranger, "USDX", 100_000)
    return filled_reserve
