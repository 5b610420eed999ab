"""Insurance funds with a stub for all that they are wired to."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.fund_helpers import (
    BTC,
    ETH,
    MILLION,
    FundSystem,
    deploy_fund,
)
from tests.unit.insurance_fund.books import (
    advance,
    next_window,
    paid_by_layer,
    record_of,
)


@pytest.fixture(scope="module")
def deploy(project: Any, deployer: Any, treasury: Any) -> Any:
    def build(
        token: str = "TestToken", *arguments: Any, parameters: dict[str, int] | None = None
    ) -> FundSystem:
        made = deployer.deploy(getattr(project, token), *(arguments or ("Dollar", "USD", 6)))
        return deploy_fund(project, deployer, treasury, made, parameters)

    return build


@pytest.fixture(scope="module")
def system(deploy: Any) -> FundSystem:
    """Nobody has paid anything in; both markets are covered with half of the assets, without coinsurance."""
    made: FundSystem = deploy()
    for market in (BTC, ETH):
        made.cover(500_000, market=market)
    return made


@pytest.fixture(scope="module")
def full(deploy: Any, deployer: Any, staker: Any, other_staker: Any) -> FundSystem:
    """skin 100, junior 200, senior 300; a market may take everything."""
    system: FundSystem = deploy()
    system.contribute(deployer, 100)
    system.stake(system.junior, staker, 200)
    system.stake(system.senior, other_staker, 300)
    for market in (BTC, ETH):
        system.cover(MILLION, market=market)
    return system


@pytest.fixture
def owed(full: FundSystem, stranger: Any) -> FundSystem:
    """Default 1 cost own 50, skin 100, junior 140 (of 200, for the budget), mutual 60 (of 110)."""
    full.cover(400_000)
    next_window(full)
    full.house.setSources(full.units(50), full.units(110), False, sender=stranger)
    full.resolve(stranger, 350)
    assert paid_by_layer(record_of(full, 1)) == tuple(map(full.units, (50, 0, 100, 140, 0, 60, 0)))
    assert full.layers() == tuple(map(full.units, (0, 0, 60, 300)))
    return full


@pytest.fixture
def wiped(full: FundSystem, stranger: Any) -> FundSystem:
    """Default 1 cost skin 100, junior all of its 200, senior 150 of its 300."""
    full.resolve(stranger, 450)
    assert full.layers() == tuple(map(full.units, (0, 0, 0, 150)))
    return full


@pytest.fixture
def advanced(full: FundSystem, stranger: Any) -> FundSystem:
    """Default 1 cost 400 with 350 in the reserve: skin had 100, junior advanced its 200, senior 100."""
    advance(full, stranger, 350, 400)
    return full
