"""A market's present: one price a block, funding, the value index (SPECIFICATION.md sections 3 and 7)."""

import ape
import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import MILLION, trunc_div
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import funding_struct

BTC, ETH = 0, 1
PRICE = 10_000 * 10**18
HOUR = 3_600
PERIOD, MAX_RATE = 8 * HOUR, 5_000


def refresh(system, market=BTC):
    return system.clearing_house.refresh(market, sender=system.actors["keeper"])


# ---- price


def test_a_price_moves_the_value_index_by_as_much(system, house):
    system.set_price(BTC, 10_250)
    receipt = refresh(system)
    state = house.marketState(BTC)
    assert (state.price, state.valueIndex) == (PRICE + 250 * 10**18, PRICE + 250 * 10**18)
    assert (state.updatedAt, state.updatedBlock) == (receipt.timestamp, receipt.block_number)
    assert event(receipt, "MarketRefreshed") == {
        "market": BTC,
        "price": state.price,
        "valueIndex": state.valueIndex,
        "premium": 0,
    }
    assert house.marketState(ETH).price == 500 * 10**18


def test_the_sides_of_a_market_do_not_change_with_its_price(system, house):
    trade_at(system, 10_000)
    before = house.marketState(BTC)
    system.set_price(BTC, 9_000)
    refresh(system)
    after = house.marketState(BTC)
    assert (after.long, after.short) == (before.long, before.short)


def test_a_block_has_one_price(system, house, keeper, chain):
    rpc = chain.provider.web3.provider.make_request
    feed = system.feeds[BTC]
    # In one block: an answer, a refresh, a newer answer, a refresh.
    calls = [
        (feed, feed.setAnswer.encode_input(9_000 * 10**8)),
        (house, house.refresh.encode_input(BTC)),
        (feed, feed.setAnswer.encode_input(8_000 * 10**8)),
        (house, house.refresh.encode_input(BTC)),
    ]
    rpc("evm_setAutomine", [False])
    hashes = []
    for to, data in calls:
        request = {"from": keeper.address, "to": to.address, "data": data.hex(), "gas": hex(10**6)}
        hashes.append(rpc("eth_sendTransaction", [request])["result"])
    rpc("evm_mine", [])
    rpc("evm_setAutomine", [True])
    blocks = {int(rpc("eth_getTransactionReceipt", [h])["result"]["blockNumber"], 16) for h in hashes}
    assert len(blocks) == 1
    assert house.marketState(BTC).price == 9_000 * 10**18
    refresh(system)
    assert house.marketState(BTC).price == 8_000 * 10**18


def test_an_unknown_market_has_no_present(system):
    with reverts("UnknownMarket", market=2):
        refresh(system, 2)


@pytest.mark.parametrize(("fault", "status"), [("stale", 1), ("reverting", 1), ("out of bounds", 2)])
def test_a_market_without_a_price_stays_as_it_is(system, house, deployer, fault, status):
    before = house.marketState(BTC)
    if fault == "stale":
        system.wait(2 * 3_600)
    elif fault == "reverting":
        system.feeds[BTC].setMode(1, sender=deployer)
    else:
        system.set_price(BTC, 20_000_000)
    with reverts("PriceUnavailable", market=BTC, status=status):
        refresh(system)
    assert house.marketState(BTC) == before


def test_anyone_refreshes(system, house, stranger):
    system.set_price(BTC, 10_001)
    house.refresh(BTC, sender=stranger)
    assert house.marketState(BTC).price == 10_001 * 10**18


# ---- funding


def trade_at(system, price):
    """All open interest trades at a price: the trader buys 10 BTC. Returns the time."""
    return system.trade(system.actors["trader"], system.actors["market_maker"], 10, price).timestamp


def refresh_at(system, time, price=10_000):
    chain = ape.chain
    chain.pending_timestamp = time - 1
    system.set_price(BTC, price)
    chain.pending_timestamp = time
    receipt = refresh(system)
    assert receipt.timestamp == time
    return receipt


@pytest.mark.parametrize(
    ("price", "elapsed", "ema", "rate"),
    [
        (10_100, PERIOD // 10, 1_000, 1_000),
        (10_100, PERIOD, 10_000, MAX_RATE),  # the rate has its bound, the average has not
        (10_100, 2 * PERIOD, 10_000, MAX_RATE),
        (10_100, PERIOD // 4, 2_500, 2_500),
        (9_900, PERIOD // 10, -1_000, -1_000),
        (9_900, PERIOD, -10_000, -MAX_RATE),
        (10_100, 7, 2, 2),  # trunc(10,000 * 7 / 28,800)
        (9_900, 7, -2, -2),
    ],
)
def test_longs_pay_shorts_the_averaged_premium(system, house, price, elapsed, ema, rate):
    start = trade_at(system, price)
    receipt = refresh_at(system, start + elapsed)
    funding = trunc_div(PRICE * rate * elapsed, MILLION * PERIOD)
    state = house.marketState(BTC)
    assert (state.premium, state.valueIndex, state.price) == (ema, PRICE - funding, PRICE)
    assert event(receipt, "MarketRefreshed")["premium"] == ema
    assert event(receipt, "MarketRefreshed")["valueIndex"] == state.valueIndex


def test_funding_is_zero_sum(system, trader, market_maker):
    start = trade_at(system, 10_100)
    before = [system.vault.net(account) for account in (trader, market_maker)]
    refresh_at(system, start + PERIOD // 10)
    receipt = system.settle(trader, market_maker)
    # 0.1% of a tenth of a period on 10 BTC at 10,000, and what a second or two more adds.
    elapsed = receipt.timestamp - start
    funding = trunc_div(PRICE * 1_000 * (PERIOD // 10), MILLION * PERIOD)
    premium = 1_000 + trunc_div(9_000 * (elapsed - PERIOD // 10), PERIOD)
    funding += trunc_div(PRICE * premium * (elapsed - PERIOD // 10), MILLION * PERIOD)
    paid = -(-10 * 10**18 * funding // 10**30)
    after = [system.vault.net(account) for account in (trader, market_maker)]
    assert after[0] - before[0] == -paid
    assert paid - 1 <= after[1] - before[1] <= paid


def test_the_average_approaches_the_last_premium(system, house, trader, market_maker):
    start = trade_at(system, 10_100)
    refresh_at(system, start + 2_880)
    refresh_at(system, start + 2 * 2_880)
    # 1,000, then a tenth of the 9,000 that are missing.
    assert house.marketState(BTC).premium == 1_900
    # Closing at the mark leaves no premium to approach.
    later = system.trade(market_maker, trader, 10, 10_000).timestamp
    base = house.marketState(BTC).premium
    refresh_at(system, later + 2_880)
    assert house.marketState(BTC).premium == base + trunc_div(-base * 2_880, PERIOD)


def test_funding_is_on_the_price_before(system, house):
    start = trade_at(system, 10_100)
    refresh_at(system, start + 2_880, price=12_000)
    state = house.marketState(BTC)
    assert state.valueIndex == PRICE + 2_000 * 10**18 - trunc_div(PRICE * 1_000 * 2_880, MILLION * PERIOD)


def test_without_a_premium_there_is_no_funding(system, house):
    start = trade_at(system, 10_000)
    refresh_at(system, start + 4_000)
    state = house.marketState(BTC)
    assert (state.premium, state.valueIndex) == (0, PRICE)


def test_new_parameters_apply_from_now_on(system, house, governor, chain):
    """What accrued under the old ones is booked first."""
    start = trade_at(system, 10_100)
    parameters = list(house.marketParameters(BTC))
    parameters[5] = 0
    chain.pending_timestamp = start + 2_879
    system.set_price(BTC, 10_000)
    chain.pending_timestamp = start + 2_880
    receipt = house.setMarketParameters(BTC, tuple(parameters), sender=governor)
    assert events(receipt, "MarketRefreshed")[0]["premium"] == 1_000
    booked = house.marketState(BTC).valueIndex
    assert booked == PRICE - trunc_div(PRICE * 1_000 * 2_880, MILLION * PERIOD)
    refresh_at(system, start + 2 * 2_880)
    assert house.marketState(BTC).valueIndex == booked


# ---- the premium, for the fund


@pytest.fixture
def charging(system, governor, chain):
    """10% a year; in the first minutes of an hour."""
    wanted = FREE.model_copy(update={"premium_min": 100_000, "premium_max": 100_000})
    system.policy.setParameters(funding_struct(wanted, 6), sender=governor)
    chain.mine(timestamp=(chain.blocks.head.timestamp // HOUR + 1) * HOUR)
    system.renew_prices()
    return system


def per_unit(price, hours, rate=100_000):
    return price * rate * hours // (MILLION * 8_760)


def test_open_interest_owes_a_premium_each_hour(charging, house, chain):
    trade_at(charging, 10_000)
    before = house.marketState(BTC)
    chain.mine(deltatime=HOUR)
    charging.set_price(BTC, 10_250)
    receipt = refresh(charging)
    after = house.marketState(BTC)
    owed = per_unit(PRICE, 1)  # at the price before
    amount = 2 * (before.openInterest * owed // 10**30)
    assert event(receipt, "PremiumCharged") == {"market": BTC, "perUnit": owed, "amount": amount}
    for old, new in ((before.long, after.long), (before.short, after.short)):
        assert new.base == old.base - old.multiplier * owed
        assert (new.multiplier, new.epoch, new.positions) == (old.multiplier, old.epoch, old.positions)
    settled = event(receipt, "Settled")
    assert (settled["account"], settled["market"], settled["pnl"]) == (charging.fund.address, BTC, amount)


def test_an_hour_begins_by_the_clock(charging, chain):
    """Not an hour after the trade: the premium of an hour is charged once, however often one refreshes."""
    trade_at(charging, 10_000)
    start = (chain.blocks.head.timestamp // HOUR + 1) * HOUR
    charged = []
    for time in (start - 60, start, start + 60, start + HOUR - 60, start + HOUR):
        chain.pending_timestamp = time - 30
        charging.renew_prices()
        chain.pending_timestamp = time
        charged.append(len(events(refresh(charging), "PremiumCharged")))
    assert charged == [0, 1, 0, 0, 1]


def test_without_open_interest_nobody_owes(charging, house, chain):
    chain.mine(deltatime=HOUR)
    charging.renew_prices()
    receipt = refresh(charging)
    assert events(receipt, "PremiumCharged") == events(receipt, "Settled") == []
    assert len(events(receipt, "MarketObserved")) == 1
    assert house.marketState(BTC).long.base == 0
