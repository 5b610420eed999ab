"""Markets and parameters, and the bounds that governance can't leave (SPECIFICATION.md section 8)."""

import pytest

from tests.expect import event, reverts

BTC, ETH = 0, 1
MARKET = {
    "initialMarginRatio": 50_000,
    "maintenanceMarginRatio": 30_000,
    "makerFee": 200,
    "takerFee": 500,
    "priceBand": 20_000,
    "maxFundingRate": 5_000,
    "fundingPeriod": 8 * 3_600,
    "maxOpenInterest": 1_000 * 10**18,
}
LIQUIDATION = {
    "bountyStart": 2_000,
    "bountyMax": 15_000,
    "penalty": 5_000,
    "auctionDuration": 600,
    "minNotional": 100 * 10**6,
    "closeBand": 100_000,
}
SYMBOL = b"SOL".ljust(32, b"\0")
SOL_PRICE = 500 * 10**18


def name(text):
    return text.encode().ljust(32, b"\0")


@pytest.fixture
def feed_for_next(system, governor):
    """The next market has the feed of ETH."""
    system.oracle.setFeed(2, system.feeds[ETH], 5_400, 1, 10**27, sender=governor)


# ---- markets


@pytest.mark.usefixtures("feed_for_next")
def test_a_market_starts_at_the_price_of_its_feed(house, governor):
    receipt = house.addMarket(SYMBOL, tuple(MARKET.values()), sender=governor)
    assert event(receipt, "MarketAdded") == {"market": 2, "symbol": SYMBOL}
    assert event(receipt, "MarketParametersSet")["market"] == 2
    assert event(receipt, "MarketRefreshed") == {
        "market": 2,
        "price": SOL_PRICE,
        "valueIndex": SOL_PRICE,
        "premium": 0,
    }
    state = house.marketState(2)
    assert (state.status, state.price, state.valueIndex, state.openInterest) == (1, SOL_PRICE, SOL_PRICE, 0)
    assert (state.premium, state.lastPremium, state.updatedAt) == (0, 0, receipt.timestamp)
    for side in (state.long, state.short):
        assert (side.multiplier, side.epoch, side.positions, side.base) == (10**36, 0, 0, 0)
    assert (house.marketCount(), house.symbolOf(2)) == (3, SYMBOL)


def test_a_market_needs_a_live_feed(house, governor):
    with reverts("PriceUnavailable", market=2, status=4):
        house.addMarket(SYMBOL, tuple(MARKET.values()), sender=governor)


@pytest.mark.usefixtures("feed_for_next")
def test_a_new_market_trades(system, house, governor, trader, market_maker):
    house.addMarket(SYMBOL, tuple(MARKET.values()), sender=governor)
    system.trade(trader, market_maker, 10, 500, market=2)
    assert system.size(trader, 2) == system.wad(10)


def test_the_deployed_markets_are_as_their_deployment_says(system, house):
    assert house.marketCount() == 2
    assert [house.symbolOf(market) for market in (BTC, ETH)] == [name("BTC"), name("ETH")]
    assert list(house.marketParameters(BTC)) == list(MARKET.values())
    assert list(house.liquidationParameters()) == list(LIQUIDATION.values())
    wiring = (house.vault(), house.fund(), house.oracle())
    assert wiring == (system.vault, system.fund, system.oracle)


def test_open_interest_is_valued_over_all_markets(system, house, trader, market_maker):
    system.trade(trader, market_maker, 3, 10_000)
    system.trade(trader, market_maker, 4, 500, market=ETH)
    assert house.openInterestNotional() == system.usd(32_000)


# ---- parameters


def test_market_parameters_are_stored_and_announced(house, governor):
    changed = MARKET | {"initialMarginRatio": 60_000, "takerFee": 700}
    receipt = house.setMarketParameters(ETH, tuple(changed.values()), sender=governor)
    log = event(receipt, "MarketParametersSet")
    assert log["market"] == ETH
    assert list(house.marketParameters(ETH)) == list(changed.values())
    assert log["parameters"] == house.marketParameters(ETH)
    assert list(house.marketParameters(BTC)) == list(MARKET.values())


def test_parameters_can_be_set_while_a_feed_is_dead(system, house, governor, deployer):
    system.feeds[ETH].setMode(1, sender=deployer)
    house.setMarketParameters(ETH, tuple((MARKET | {"takerFee": 0}).values()), sender=governor)
    assert house.marketParameters(ETH).takerFee == 0


def test_an_unknown_market_has_no_parameters(house, governor):
    with reverts("UnknownMarket", market=2):
        house.setMarketParameters(2, tuple(MARKET.values()), sender=governor)


def test_liquidation_parameters_are_stored_and_announced(house, governor):
    changed = LIQUIDATION | {"bountyMax": 20_000, "closeBand": 50_000}
    receipt = house.setLiquidationParameters(tuple(changed.values()), sender=governor)
    assert list(house.liquidationParameters()) == list(changed.values())
    assert event(receipt, "LiquidationParametersSet")["parameters"] == house.liquidationParameters()


MARKET_BOUNDS = {
    "initialMarginRatio": (30_001, 1_000_000),  # above maintenance; the lower bound itself is below
    "maintenanceMarginRatio": (5_000, 49_999),
    "makerFee": (0, 10_000),
    "takerFee": (0, 10_000),
    "priceBand": (100, 200_000),
    "maxFundingRate": (0, 100_000),
    "fundingPeriod": (3_600, 7 * 86_400),
}
LIQUIDATION_BOUNDS = {
    "bountyStart": (0, 15_000),
    "bountyMax": (2_000, 100_000),
    "penalty": (0, 50_000),
    "auctionDuration": (60, 86_400),
    "minNotional": (1, 2**96 - 1),
    "closeBand": (0, 500_000),
}


@pytest.mark.parametrize("field", MARKET_BOUNDS)
def test_market_parameters_have_bounds(house, governor, field):
    low, high = MARKET_BOUNDS[field]
    for value in (low, high):
        house.setMarketParameters(BTC, tuple((MARKET | {field: value}).values()), sender=governor)
        assert getattr(house.marketParameters(BTC), field) == value
    for value in (low - 1, high + 1):
        if value < 0:
            continue
        with reverts("ParameterOutOfBounds"):
            house.setMarketParameters(BTC, tuple((MARKET | {field: value}).values()), sender=governor)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        (
            {"initialMarginRatio": 9_999, "maintenanceMarginRatio": 5_000},
            ("initialMarginRatio", 9_999, 10_000, 1_000_000),
        ),
        ({"maintenanceMarginRatio": 50_000}, ("maintenanceMarginRatio", 50_000, 5_000, 49_999)),
        ({"takerFee": 10_001}, ("takerFee", 10_001, 0, 10_000)),
    ],
)
def test_a_refusal_names_the_parameter_and_its_bounds(house, governor, changes, refusal):
    expected = dict(zip(("name", "value", "min", "max"), (name(refusal[0]), *refusal[1:]), strict=True))
    with reverts("ParameterOutOfBounds", **expected):
        house.setMarketParameters(BTC, tuple((MARKET | changes).values()), sender=governor)


@pytest.mark.usefixtures("feed_for_next")
def test_a_new_market_is_within_the_bounds_too(house, governor):
    with reverts("ParameterOutOfBounds", name=name("priceBand")):
        house.addMarket(SYMBOL, tuple((MARKET | {"priceBand": 99}).values()), sender=governor)


@pytest.mark.parametrize("field", LIQUIDATION_BOUNDS)
def test_liquidation_parameters_have_bounds(house, governor, field):
    low, high = LIQUIDATION_BOUNDS[field]
    for value in (low, high):
        house.setLiquidationParameters(tuple((LIQUIDATION | {field: value}).values()), sender=governor)
        assert getattr(house.liquidationParameters(), field) == value
    for value in (low - 1, high + 1):
        if value < 0:
            continue
        with reverts("ParameterOutOfBounds"):
            house.setLiquidationParameters(tuple((LIQUIDATION | {field: value}).values()), sender=governor)
