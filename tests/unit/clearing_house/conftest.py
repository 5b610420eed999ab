"""The whole protocol; in modules that begin with `usefixtures("opened")`, with one position in it."""

import pytest


@pytest.fixture(scope="module")
def house(system):
    return system.clearing_house


@pytest.fixture(scope="module")
def opened(system, trader, market_maker):
    """The trader has bought 10 BTC at 10,000 from the market maker: it has 9,950 in cash and needs 5,000."""
    system.trade(trader, market_maker, 10, 10_000)
    return system


@pytest.fixture
def outage(system, deployer):
    """Lets the feed of BTC die, and a day pass; ETH has a price again."""

    def begin():
        system.feeds[0].setMode(1, sender=deployer)
        system.wait(86_400)
        system.set_price(1, 500)

    return begin
