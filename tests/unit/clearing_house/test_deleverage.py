"""Closing an account against the other side: when, and who gives up what (SPECIFICATION.md section 4)."""

import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import AUCTION, FLOOR_A, ONE_A, PENALTY, index, share

BTC, ETH = 0, 1
BELOW, INSOLVENT = 9_250, 8_900
"""At the first, equity is 2,450 of the 2,775 of maintenance margin; at the second it is -1,050."""

pytestmark = pytest.mark.usefixtures("opened")


def flag_at(system, price):
    system.set_price(BTC, price)
    return system.flag(system.actors["trader"]).timestamp


def deleverage_at(system, chain, time, first=()):
    chain.pending_timestamp = time
    return system.deleverage(system.actors["trader"], first)


@pytest.fixture
def shared(opened, accomplice, other_trader):
    """Longs: the trader 10 and the other trader 5. Shorts: the market maker 10 and the accomplice 5."""
    opened.deposit(accomplice, 10_000)
    opened.trade(other_trader, accomplice, 5, 10_000)
    return opened


# ---- when


def test_the_auction_must_have_run_out(opened, trader, chain):
    since = flag_at(opened, BELOW)
    with reverts("AuctionStillRunning", account=trader, endsAt=since + AUCTION):
        deleverage_at(opened, chain, since + AUCTION)
    deleverage_at(opened, chain, since + AUCTION + 1)
    assert opened.size(trader) == 0


def test_an_insolvent_account_waits_while_the_fund_can_pay(opened, trader, chain):
    since = flag_at(opened, INSOLVENT)
    with reverts("AuctionStillRunning", account=trader, endsAt=since + AUCTION):
        deleverage_at(opened, chain, since + AUCTION)


def test_an_insolvent_account_does_not_wait_for_a_fund_that_may_not_pay(opened, trader, governor, chain):
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    since = flag_at(opened, INSOLVENT)
    deleverage_at(opened, chain, since + 1)
    assert opened.size(trader) == 0


def test_one_market_that_the_fund_does_not_cover_is_enough(opened, trader, market_maker, governor, chain):
    opened.trade(trader, market_maker, 1, 500, market=ETH)
    opened.fund.setMarketCover(ETH, 0, 0, sender=governor)
    since = flag_at(opened, INSOLVENT)
    deleverage_at(opened, chain, since + 1)
    assert (opened.size(trader), opened.size(trader, ETH)) == (0, 0)


def test_a_market_without_a_position_does_not_count(opened, governor, chain):
    opened.fund.setMarketCover(ETH, 0, 0, sender=governor)
    since = flag_at(opened, INSOLVENT)
    with reverts("AuctionStillRunning"):
        deleverage_at(opened, chain, since + 1)


def test_a_solvent_account_waits_whatever_the_fund_has(opened, governor, chain):
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    since = flag_at(opened, BELOW)
    with reverts("AuctionStillRunning"):
        deleverage_at(opened, chain, since + 1)


def test_only_flagged_accounts_are_deleveraged(opened, trader):
    opened.set_price(BTC, BELOW)
    with reverts("AccountNotFlagged", account=trader):
        opened.deleverage(trader)


def test_an_account_above_maintenance_margin_is_not_deleveraged(opened, trader, chain):
    """Though it may still be liquidated."""
    since = flag_at(opened, BELOW)
    opened.set_price(BTC, 9_400)
    with reverts("NotLiquidatable", account=trader, equity=opened.usd(3_950), required=opened.usd(2_820)):
        deleverage_at(opened, chain, since + AUCTION + 1)


def test_without_positions_there_is_nothing_to_deleverage(opened, house, trader, governor, outage):
    flag_at(opened, BELOW)
    outage()
    house.closeMarket(BTC, opened.wad(BELOW), sender=governor)
    with reverts("NothingToLiquidate", account=trader):
        opened.deleverage(trader)


# ---- the account


def test_a_solvent_account_keeps_what_it_has_but_the_penalty(opened, house, trader, keeper, chain):
    since = flag_at(opened, BELOW)
    receipt = deleverage_at(opened, chain, since + AUCTION + 1)
    penalty = share(opened.wad(10), opened.wad(BELOW), PENALTY)
    assert event(receipt, "LiquidationCharged") == {
        "account": trader,
        "liquidator": keeper,
        "bounty": 0,
        "penalty": penalty,
    }
    assert penalty == opened.usd("462.5")
    assert opened.vault.cashOf(trader) == opened.usd(2_450) - penalty
    assert event(receipt, "Unflagged") == {"account": trader}
    assert (house.flagOf(trader), house.positionMarkets(trader)) == ((0, False), 0)
    assert event(receipt, "PositionChanged") == {"account": trader, "market": BTC, "size": 0}
    assert event(receipt, "Deleveraged") == {
        "account": trader,
        "market": BTC,
        "isShort": False,
        "size": opened.wad(10),
        "price": opened.wad(BELOW),
    }
    assert opened.fund.defaultCount() == 0


def test_the_penalty_takes_no_more_than_cash(opened, trader, chain):
    """At 9,010 equity is 50, all of it cash; the penalty would be 450.5."""
    since = flag_at(opened, 9_010)
    receipt = deleverage_at(opened, chain, since + AUCTION + 1)
    assert event(receipt, "LiquidationCharged")["penalty"] == opened.usd(50)
    assert opened.vault.net(trader) == 0


def test_an_insolvent_account_defaults(opened, house, trader, chain):
    since = flag_at(opened, INSOLVENT)
    receipt = deleverage_at(opened, chain, since + AUCTION + 1)
    assert event(receipt, "Defaulted")["account"] == trader
    assert event(receipt, "InsolvencyCleared") == event(receipt, "Unflagged") == {"account": trader}
    assert (opened.vault.net(trader), house.insolvencies(), opened.fund.gateOpen()) == (0, 0, True)


def test_all_markets_are_closed(opened, trader, market_maker, chain):
    opened.trade(market_maker, trader, 40, 500, market=ETH)
    since = flag_at(opened, 9_200)
    receipt = deleverage_at(opened, chain, since + AUCTION + 1)
    closed = [(log["market"], log["isShort"], log["size"]) for log in events(receipt, "Deleveraged")]
    assert closed == [(BTC, False, opened.wad(10)), (ETH, True, opened.wad(40))]
    assert (opened.size(trader), opened.size(trader, ETH)) == (0, 0)


# ---- the other side


def test_the_other_side_gives_up_the_same_share(shared, house, market_maker, accomplice, other_trader, chain):
    since = flag_at(shared, BELOW)
    before = house.marketState(BTC)
    shorts = (market_maker, accomplice)
    equities = [house.health(account)[0] for account in shorts]
    receipt = deleverage_at(shared, chain, since + AUCTION + 1)

    multiplier = ONE_A * 5 // 15
    base = -(ONE_A - multiplier) * before.valueIndex
    state = house.marketState(BTC)
    assert (state.short.multiplier, state.short.base, state.openInterest) == (multiplier, base, shared.wad(5))
    assert (state.short.epoch, state.short.positions) == (0, 2)
    assert (state.long.multiplier, state.long.base, state.long.positions) == (ONE_A, 0, 1)
    side = {"market": BTC, "isShort": True, "multiplier": multiplier, "base": base}
    assert event(receipt, "SideChanged") == side
    assert event(receipt, "OpenInterestChanged") == {"market": BTC, "openInterest": shared.wad(5)}
    # K does not jump, so nobody gains or loses by it.
    after = index(True, state.valueIndex, state.short.multiplier, state.short.base)
    assert after == index(True, before.valueIndex, before.short.multiplier, before.short.base)
    assert [house.health(account)[0] for account in shorts] == equities

    # The sizes that are left are a third, rounded down; the records learn of it when they are settled.
    sizes = [shared.wad(10) * multiplier // ONE_A, shared.wad(5) * multiplier // ONE_A]
    values = [house.health(account)[3] for account in shorts]
    assert values == [size * shared.wad(BELOW) // 10**30 for size in sizes]
    settled = shared.settle(*shorts)
    assert [shared.size(account) for account in shorts] == [-size for size in sizes]
    assert [log["size"] for log in events(settled, "PositionChanged")] == [-size for size in sizes]
    assert 0 <= shared.wad(5) - sum(sizes) <= 2
    assert shared.size(other_trader) == shared.wad(5)


def test_what_is_left_of_the_other_side_goes_on(shared, house, market_maker, accomplice, other_trader, chain):
    since = flag_at(shared, BELOW)
    deleverage_at(shared, chain, since + AUCTION + 1)
    shared.settle(market_maker, accomplice)
    before = [house.health(account)[0] for account in (market_maker, accomplice, other_trader)]
    shared.set_price(BTC, 9_550)
    shared.settle(other_trader, market_maker, accomplice)
    gained = [
        house.health(account)[0] - equity
        for account, equity in zip((market_maker, accomplice, other_trader), before, strict=True)
    ]
    # 300 on a third of 10, a third of 5, and 5; what one wei of size is worth is less than a unit.
    assert gained[0] in (-shared.usd(1_000), -shared.usd(1_000) + 1)
    assert gained[1] in (-shared.usd(500), -shared.usd(500) + 1)
    # The other trader's earlier loss of 3,750 has been booked; only the new gain counts.
    assert gained[2] == shared.usd(1_500)


def test_a_deleveraged_side_trades_on(shared, house, market_maker, accomplice, chain):
    since = flag_at(shared, BELOW)
    deleverage_at(shared, chain, since + AUCTION + 1)
    shared.trade(accomplice, market_maker, 1, BELOW)
    sizes = [shared.wad(10) * (ONE_A * 5 // 15) // ONE_A, shared.wad(5) * (ONE_A * 5 // 15) // ONE_A]
    assert shared.size(market_maker) == -sizes[0] - shared.wad(1)
    assert shared.size(accomplice) == -sizes[1] + shared.wad(1)
    record = house.position(market_maker, BTC)
    assert record.multiplier == house.marketState(BTC).short.multiplier


def test_shorts_are_deleveraged_against_longs(opened, house, trader, other_trader, market_maker, chain):
    opened.trade(market_maker, other_trader, 5, 10_000)
    # Now the trader is long 10; short are the market maker 5 and the other trader 5.
    opened.set_price(BTC, 11_800)
    since = opened.flag(other_trader).timestamp
    chain.pending_timestamp = since + AUCTION + 1
    receipt = opened.deleverage(other_trader)
    assert event(receipt, "Deleveraged")["isShort"]
    state = house.marketState(BTC)
    assert (state.long.multiplier, state.long.base) == (ONE_A // 2, ONE_A // 2 * state.valueIndex)
    assert house.health(trader)[3] == opened.usd(59_000)


def test_a_remainder_is_charged_before_sizes_shrink(shared, house, market_maker, accomplice, governor, chain):
    shared.fund.setMarketCover(BTC, 0, 0, sender=governor)
    since = flag_at(shared, INSOLVENT)
    before = [house.health(account)[0] for account in (market_maker, accomplice)]
    receipt = deleverage_at(shared, chain, since + 1)
    remainder = {"market": BTC, "toShorts": True, "amount": shared.usd(1_050)}
    assert event(receipt, "RemainderCharged") == remainder
    after = [house.health(account)[0] for account in (market_maker, accomplice)]
    # By size: two thirds and one third.
    lost = [b - a for a, b in zip(after, before, strict=True)]
    assert [0 <= x - y <= 1 for x, y in zip(lost, (shared.usd(700), shared.usd(350)), strict=True)] == [
        True,
        True,
    ]


def test_the_cost_does_not_depend_on_how_many_stand_opposite(opened, market_maker, actors, chain):
    """One short of 20 against four shorts of 5 each."""
    makers = [actors[role] for role in ("staker", "other_staker", "attacker", "accomplice")]
    for maker in makers:
        opened.deposit(maker, 10_000)
    gas = []
    snapshot = chain.snapshot()
    for shorts in ([(market_maker, 10)], [(maker, "2.5") for maker in makers]):
        for maker, size in shorts:
            opened.trade(actors["other_trader"], maker, size, 10_000)
        since = flag_at(opened, BELOW)
        gas.append(deleverage_at(opened, chain, since + AUCTION + 1).gas_used)
        chain.restore(snapshot)
        snapshot = chain.snapshot()
    assert abs(gas[0] - gas[1]) < 500
    assert max(gas) < 300_000


# ---- the end of an epoch


def test_without_anyone_else_both_sides_end_their_epoch(opened, house, market_maker, chain):
    since = flag_at(opened, BELOW)
    value_index = house.marketState(BTC).valueIndex
    receipt = deleverage_at(opened, chain, since + AUCTION + 1)
    finals = {True: index(True, value_index), False: index(False, value_index)}
    assert sorted(events(receipt, "EpochEnded"), key=lambda log: log["isShort"]) == [
        {"market": BTC, "isShort": is_short, "epoch": 0, "finalIndex": finals[is_short]}
        for is_short in (False, True)
    ]
    state = house.marketState(BTC)
    assert state.openInterest == 0
    for is_short, side in ((False, state.long), (True, state.short)):
        assert (side.multiplier, side.base, side.epoch, side.positions) == (ONE_A, 0, 1, 0)
        assert house.finalIndex(BTC, is_short, 0) == finals[is_short]
    # The market maker is closed at the mark: later prices are not its own.
    opened.set_price(BTC, 20_000)
    receipt = opened.settle(market_maker)
    assert event(receipt, "Settled")["pnl"] == opened.usd(7_500)
    assert event(receipt, "PositionChanged") == {"account": market_maker, "market": BTC, "size": 0}
    assert house.positionMarkets(market_maker) == 0


def test_a_stale_record_needs_no_price(opened, market_maker, deployer, chain):
    since = flag_at(opened, BELOW)
    deleverage_at(opened, chain, since + AUCTION + 1)
    opened.feeds[BTC].setMode(1, sender=deployer)
    cash = opened.vault.cashOf(market_maker) + opened.usd(7_500)
    opened.vault.withdraw(cash, market_maker, [], sender=market_maker)
    assert opened.vault.cashOf(market_maker) == 0


def test_a_new_epoch_is_a_new_market(opened, house, other_trader, market_maker, chain):
    since = flag_at(opened, BELOW)
    deleverage_at(opened, chain, since + AUCTION + 1)
    # The market maker's stale record makes room for a new one, on whichever side.
    opened.trade(market_maker, other_trader, 3, BELOW)
    record = house.position(market_maker, BTC)
    assert (record.size, record.isShort, record.epoch) == (opened.wad(3), False, 1)
    state = house.marketState(BTC)
    assert (state.openInterest, state.long.positions, state.short.positions) == (opened.wad(3), 1, 1)


@pytest.fixture
def vast(opened, house, governor, trader):
    """Positions may be of any size; the trader and the market maker can carry 1,100 BTC."""
    parameters = list(house.marketParameters(BTC))
    parameters[7] = opened.wad(10_000)
    house.setMarketParameters(BTC, tuple(parameters), sender=governor)
    liquidation = list(house.liquidationParameters())
    liquidation[4] = 1
    house.setLiquidationParameters(tuple(liquidation), sender=governor)
    opened.deposit(trader, 700_000)
    return opened


@pytest.mark.parametrize(
    ("size", "rest", "ends"),
    [
        (900, 10**9, False),  # A' is 1.1e24
        (900, 10**9 - 1, True),  # less than DUST of open interest would be left
        (1_100, 10**9, True),  # A' would be 9.1e23, less than FLOOR_A
    ],
)
def test_too_little_of_a_side_ends_the_epoch(
    vast, house, trader, other_trader, market_maker, chain, size, rest, ends
):
    vast.trade(trader, market_maker, size - 10, 10_000)
    vast.fill(vast.order(market_maker, is_buy=False, size=f"{rest}e-18", price=10_000), other_trader)
    open_interest = house.marketState(BTC).openInterest
    assert open_interest == vast.wad(size) + rest
    since = flag_at(vast, 9_200)
    deleverage_at(vast, chain, since + AUCTION + 1)
    multiplier = ONE_A * rest // open_interest
    state = house.marketState(BTC)
    assert (state.short.epoch, state.long.epoch) == ((1, 1) if ends else (0, 0))
    if ends:
        assert (state.openInterest, state.short.multiplier) == (0, ONE_A)
    else:
        assert multiplier >= FLOOR_A
        assert (state.openInterest, state.short.multiplier) == (rest, multiplier)
        vast.settle(market_maker)
        assert 0 <= rest + vast.size(market_maker) <= 1
