"""The whole protocol; in modules that begin with `usefixtures("opened")`, with one position in it."""

import pytest


@pytest.fixture(scope="session")
def house(system):
    return system.clearing_house


@pytest.fixture(scope="session", autouse=True)
def stage(
    house,
    deployer,
    governor,
    guardian,
    treasury,
    market_maker,
    trader,
    other_trader,
    liquidator,
    attacker,
    accomplice,
    keeper,
    stranger,
):
    """Everything of session scope, before any module builds on it: ape would have to start modules over for a latecomer."""


@pytest.fixture(scope="module")
def opened(system, trader, market_maker):
    """The trader has bought 10 BTC at 10,000 from the market maker: 9,950 of cash are left, 5,000 are initial margin."""
    system.trade(trader, market_maker, 10, 10_000)
    return system
