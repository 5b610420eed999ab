"""As many markets as can be, and as many positions as an account can have (SPECIFICATION.md section 3)."""

import pytest

from tests.expect import events, reverts

ETH = 1
SYMBOL = b"SOL".ljust(32, b"\0")

pytestmark = pytest.mark.usefixtures("many")


@pytest.fixture(scope="module")
def many(system, house, governor):
    """64 markets on one feed, added in two transactions."""
    add = house.addMarket.encode_input(SYMBOL, tuple(house.marketParameters(ETH)))
    calls = []
    for market in range(2, 64):
        feed = system.oracle.setFeed.encode_input(market, system.feeds[ETH], 5_400, 1, 10**27)
        calls.append(system.authority.execute.encode_input(system.oracle, feed))
        calls.append(system.authority.execute.encode_input(house, add))
    for half in (calls[:62], calls[62:]):
        system.authority.multicall(half, sender=governor)
    return system


def test_there_are_at_most_64_markets(house, governor):
    assert house.marketCount() == 64
    with reverts("TooManyMarkets", max=64):
        house.addMarket(SYMBOL, tuple(house.marketParameters(ETH)), sender=governor)


def test_an_account_has_at_most_8_positions(many, house, trader, market_maker, liquidator):
    # The last market is as good as any: the bitmaps have 64 bits.
    for market in (0, 1, 2, 3, 4, 5, 6):
        many.trade(trader, liquidator, "0.5", house.marketState(market).price // 10**18, market=market)
    many.trade(trader, market_maker, "0.5", 500, market=63)
    assert house.positionMarkets(trader) == 0b1111111 | 1 << 63
    with reverts("TooManyPositions", account=trader, max=8):
        many.trade(trader, market_maker, "0.5", 500, market=62)
    many.trade(liquidator, trader, "0.5", 500, market=6)
    many.trade(trader, market_maker, "0.5", 500, market=62)
    receipt = many.settle(trader)
    assert events(receipt, "PositionChanged") == []
