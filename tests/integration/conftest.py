"""Deployments for the tests of the whole protocol."""

from decimal import Decimal

import pytest

from tests.integration import day
from tests.integration.stage import FLAT, FREE, SKINLESS, plain_market
from tests.system import System
from weir.parameters import GovernanceParameters, MarketParameters


@pytest.fixture(scope="module")
def plain(deploy_system) -> System:
    """Two markets without friction, an empty fund, nobody has come yet."""
    return deploy_system(
        markets=(plain_market("BTC", 10_000), plain_market("ETH", 500)),
        liquidation=FREE,
        fund=SKINLESS,
        funding=FLAT,
    )


@pytest.fixture(scope="module")
def timelocked(deploy_system) -> System:
    """The same, with a governor who waits as long as a real one."""
    return deploy_system(
        markets=(plain_market("BTC", 10_000), plain_market("ETH", 500)),
        liquidation=FREE,
        fund=SKINLESS,
        funding=FLAT,
        governance=GovernanceParameters(),
    )


@pytest.fixture(scope="module")
def crowded(deploy_system) -> System:
    """8 markets with all that real ones have: fees, funding, bounties, coinsurance."""
    markets = (MarketParameters(symbol=f"M{i}", price=Decimal(1_000)) for i in range(8))
    return deploy_system(markets=tuple(markets))


@pytest.fixture(scope="module")
def stormy(deploy_system) -> System:
    """What the day of day.py is played on."""
    return deploy_system(markets=day.MARKETS, fund=day.FUND, funding=day.FUNDING, guaranty=day.GUARANTY)
