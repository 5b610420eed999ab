"""The Dutch auction: who may take how much of whom, and who pays for it (SPECIFICATION.md section 4)."""

import pytest

from tests.expect import event, events, reverts
from tests.unit.clearing_house.numbers import (
    BOUNTY_MAX,
    MILLION,
    PENALTY,
    WAD,
    bounty_rate,
    ceil_div,
    liquidated_fraction,
    notional,
    share,
    taken,
)

BTC, ETH = 0, 1
BELOW, INSOLVENT = 9_250, 8_900
"""At the first, equity is 2,450 of the 4,625 of initial margin; at the second it is -1,050."""

pytestmark = pytest.mark.usefixtures("opened")


@pytest.fixture
def flag_at(opened, trader):
    """Flags the trader at a price; returns the time."""

    def flag(price):
        opened.set_price(BTC, price)
        return opened.flag(trader).timestamp

    return flag


@pytest.fixture
def below(flag_at):
    return flag_at(BELOW)


@pytest.fixture
def insolvent(flag_at):
    return flag_at(INSOLVENT)


def liquidate_at(system, chain, time, fraction=1, liquidator=None, first=()):
    chain.pending_timestamp = time
    receipt = system.liquidate(
        system.actors["trader"], liquidator or system.actors["liquidator"], fraction, first
    )
    assert receipt.timestamp == time
    return receipt


# ---- bounty and penalty


@pytest.mark.parametrize("elapsed", [1, 299, 300, 600, 601, 5_000])
def test_the_bounty_grows_with_time_and_stops(opened, below, trader, liquidator, chain, elapsed):
    before = opened.vault.cashOf(liquidator)
    receipt = liquidate_at(opened, chain, below + elapsed)
    size, price, value = opened.wad(10), opened.wad(BELOW), opened.usd(92_500)
    rate = bounty_rate(elapsed)
    fraction = liquidated_fraction(value, opened.usd(2_450), opened.usd(4_625), rate)
    part = taken(size, fraction)
    assert event(receipt, "Liquidated") == {
        "account": trader,
        "liquidator": liquidator,
        "fraction": fraction,
        "notional": value,
        "bountyFromAccount": share(part, price, rate),
        "bountyFromFund": 0,
        "penalty": share(part, price, PENALTY),
    }
    assert opened.vault.cashOf(liquidator) - before == share(part, price, rate)
    assert (opened.size(trader), opened.size(liquidator)) == (size - part, part)


def test_the_ramp_by_hand():
    assert [bounty_rate(t) for t in (0, 1, 300, 600, 601)] == [2_000, 2_021, 8_500, BOUNTY_MAX, BOUNTY_MAX]


def test_the_penalty_is_collected_for_the_fund(opened, below, trader, liquidator, chain):
    receipt = liquidate_at(opened, chain, below + 300)
    log = event(receipt, "Liquidated")
    assert event(receipt, "LiquidationCharged") == {
        "account": trader,
        "liquidator": liquidator,
        "bounty": log["bountyFromAccount"],
        "penalty": log["penalty"],
    }
    assert opened.vault.uncollected()[1] == log["penalty"] > 0
    assert opened.vault.cashOf(trader) == opened.usd(2_450) - log["bountyFromAccount"] - log["penalty"]


# ---- how much


def test_no_more_is_taken_than_restores_initial_margin(opened, house, below, trader, chain):
    """r + g = 1.35%: (4,625 - 2,450) / (4,625 - 1,248.75) = 0.6442 of it."""
    receipt = liquidate_at(opened, chain, below + 300)
    fraction = event(receipt, "Liquidated")["fraction"]
    assert fraction == ceil_div(2_175 * WAD * MILLION, 3_376_250_000)
    equity, initial, _, _ = house.health(trader)
    assert initial <= equity <= initial + 2
    assert event(receipt, "Unflagged") == {"account": trader}
    assert house.flagOf(trader) == (0, False)


def test_a_smaller_part_leaves_the_flag(opened, house, below, trader, chain):
    receipt = liquidate_at(opened, chain, below + 300, "0.25")
    assert event(receipt, "Liquidated")["fraction"] == WAD // 4
    assert opened.size(trader) == opened.wad("7.5")
    assert house.flagOf(trader) == (below, False)
    assert events(receipt, "Unflagged") == []


def test_several_parts_are_taken_by_several(opened, house, below, trader, liquidator, market_maker, chain):
    liquidate_at(opened, chain, below + 200, "0.2")
    liquidate_at(opened, chain, below + 300, 1, market_maker)
    assert house.flagOf(trader)[0] == 0
    assert opened.size(liquidator) == opened.wad(2)
    long_after = opened.size(trader) + opened.size(liquidator)
    # The market maker was short: what it takes closes its own position.
    assert house.marketState(BTC).openInterest == long_after == -opened.size(market_maker)


@pytest.mark.parametrize(("equity_price", "elapsed"), [("9005.5", 600), (8_900, 300)])
def test_what_can_not_be_restored_is_taken_whole(opened, flag_at, trader, chain, equity_price, elapsed):
    """Without equity everything may be taken, and also where less would not restore initial margin."""
    since = flag_at(equity_price)
    receipt = liquidate_at(opened, chain, since + elapsed)
    assert event(receipt, "Liquidated")["fraction"] == WAD
    assert opened.size(trader) == 0


def test_a_piece_has_the_minimum_size(opened, below, liquidator, chain):
    receipt = liquidate_at(opened, chain, below + 300, "0.000001")
    fraction = ceil_div(100 * WAD, 92_500)
    assert event(receipt, "Liquidated")["fraction"] == fraction
    assert opened.size(liquidator) == taken(opened.wad(10), fraction)


@pytest.mark.parametrize(("wanted", "fraction"), [("0.9988", "0.9988"), ("0.9989", 1), (1, 1), (7, 1)])
def test_no_rest_is_left_below_the_minimum(opened, insolvent, chain, wanted, fraction):
    """Of 89,000, 0.0012 are 106.8, and 0.0011 are 97.9."""
    receipt = liquidate_at(opened, chain, insolvent + 300, wanted)
    assert event(receipt, "Liquidated")["fraction"] == opened.wad(fraction)


# ---- the liquidator


def test_the_liquidator_takes_over_at_the_mark(opened, house, below, liquidator, market_maker, chain):
    before = house.health(liquidator)[0]
    receipt = liquidate_at(opened, chain, below + 300)
    bounty = event(receipt, "Liquidated")["bountyFromAccount"]
    assert house.health(liquidator)[0] == before + bounty
    assert house.marketState(BTC).openInterest == opened.wad(10)
    assert house.marketState(BTC).long.positions == 2
    assert opened.size(market_maker) == opened.wad(-10)


def test_a_liquidator_nets_its_own_position(opened, house, trader, liquidator, other_trader, chain):
    opened.trade(other_trader, liquidator, 3, 10_000)
    opened.set_price(BTC, BELOW)
    since = opened.flag(trader).timestamp
    receipt = liquidate_at(opened, chain, since + 300, "0.2")
    assert (opened.size(trader), opened.size(liquidator)) == (opened.wad(8), opened.wad(-1))
    assert house.marketState(BTC).openInterest == opened.wad(11)
    assert event(receipt, "OpenInterestChanged") == {"market": BTC, "openInterest": opened.wad(11)}


def test_a_liquidator_needs_initial_margin(opened, below, stranger, chain):
    opened.deposit(stranger, 100)
    with reverts("InitialMarginNotMet", account=stranger):
        liquidate_at(opened, chain, below + 300, 1, stranger)


def test_nobody_liquidates_itself(opened, below, trader, chain):
    with reverts("SelfTrade", account=trader):
        liquidate_at(opened, chain, below + 300, 1, trader)


def test_a_flagged_account_does_not_liquidate(opened, trader, other_trader, market_maker, chain):
    opened.trade(other_trader, market_maker, 10, 10_000)
    opened.set_price(BTC, BELOW)
    opened.flag(other_trader)
    since = opened.flag(trader).timestamp
    with reverts("AccountFlagged", account=other_trader):
        liquidate_at(opened, chain, since + 300, 1, other_trader)


@pytest.fixture
def indebted(opened, other_trader, market_maker):
    """The other trader owes 170 for BTC, while unpaid profit in ETH would carry another position."""
    opened.trade(other_trader, market_maker, 10, 10_000)
    opened.trade(other_trader, market_maker, 80, 500, market=ETH)
    opened.set_price(ETH, 750)
    opened.settle(other_trader)
    opened.set_price(BTC, 8_990)
    opened.settle(other_trader)
    assert opened.vault.debtOf(other_trader, BTC) == opened.usd(170)
    return other_trader


def test_a_liquidator_is_not_left_in_debt(opened, indebted, trader, governor, chain):
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    since = opened.flag(trader).timestamp
    with reverts("AccountInDebt", account=indebted):
        liquidate_at(opened, chain, since + 600, 1, indebted)


def test_a_bounty_may_pay_a_liquidators_debt(opened, indebted, trader, chain):
    since = opened.flag(trader).timestamp
    receipt = liquidate_at(opened, chain, since + 600, 1, indebted)
    bounty = event(receipt, "Liquidated")["bountyFromFund"]
    assert opened.vault.cashOf(indebted) == bounty - opened.usd(170)
    assert not opened.vault.inDebt(indebted)


# ---- what it needs


def test_only_flagged_accounts_are_liquidated(opened, trader, liquidator):
    opened.set_price(BTC, BELOW)
    with reverts("AccountNotFlagged", account=trader):
        opened.liquidate(trader, liquidator)


@pytest.mark.usefixtures("below")
def test_an_account_above_initial_margin_is_safe(opened, house, trader, liquidator):
    opened.set_price(BTC, 9_600)
    # 5,950 of equity, 4,800 needed; the flag has not been taken away yet.
    with reverts("NotLiquidatable", account=trader, equity=opened.usd(5_950), required=opened.usd(4_800)):
        opened.liquidate(trader, liquidator)
    assert house.flagOf(trader)[0] != 0


@pytest.mark.usefixtures("below")
def test_between_the_margins_a_flagged_account_is_liquidated(opened, house, trader, liquidator):
    opened.set_price(BTC, 9_400)
    opened.liquidate(trader, liquidator)
    assert house.flagOf(trader)[0] == 0
    assert 0 < opened.size(liquidator) < opened.wad(5)


@pytest.mark.usefixtures("below")
def test_a_liquidation_takes_something(opened, trader, liquidator):
    with reverts("ZeroSize"):
        opened.liquidate(trader, liquidator, 0)


@pytest.mark.usefixtures("below")
def test_without_positions_there_is_nothing_to_liquidate(opened, house, trader, liquidator, governor, outage):
    outage()
    house.closeMarket(BTC, opened.wad(BELOW), sender=governor)
    with reverts("NothingToLiquidate", account=trader):
        opened.liquidate(trader, liquidator)


# ---- several markets


@pytest.fixture
def spread(opened, trader, market_maker):
    """The trader is also short 40 ETH: 7,950 of equity are 9,950 - 4 less the losses below."""
    opened.trade(market_maker, trader, 40, 500, market=ETH)
    return opened


def test_all_positions_move_together(spread, house, trader, liquidator, chain):
    spread.set_price(BTC, 9_400)
    spread.set_price(ETH, 530)
    equity, initial, maintenance, value = (
        spread.usd(2_746),
        spread.usd(5_760),
        spread.usd(3_456),
        spread.usd(115_200),
    )
    since = spread.flag(trader).timestamp
    assert house.health(trader) == (equity, initial, maintenance, value)
    receipt = liquidate_at(spread, chain, since + 120, "0.3")
    sizes = {BTC: spread.wad(10), ETH: spread.wad(40)}
    prices = {BTC: spread.wad(9_400), ETH: spread.wad(530)}
    part = {market: taken(size, spread.wad("0.3")) for market, size in sizes.items()}
    rate = bounty_rate(120)
    assert event(receipt, "Liquidated") == {
        "account": trader,
        "liquidator": liquidator,
        "fraction": spread.wad("0.3"),
        "notional": value,
        "bountyFromAccount": sum(share(part[m], prices[m], rate) for m in sizes),
        "bountyFromFund": 0,
        "penalty": sum(share(part[m], prices[m], PENALTY) for m in sizes),
    }
    assert (spread.size(liquidator, BTC), spread.size(liquidator, ETH)) == (part[BTC], -part[ETH])
    assert (spread.size(trader, BTC), spread.size(trader, ETH)) == (
        sizes[BTC] - part[BTC],
        part[ETH] - sizes[ETH],
    )


def test_the_cap_is_of_the_whole_account(spread, house, trader, chain):
    spread.set_price(BTC, 9_400)
    spread.set_price(ETH, 530)
    since = spread.flag(trader).timestamp
    receipt = liquidate_at(spread, chain, since + 120)
    fraction = liquidated_fraction(
        spread.usd(115_200), spread.usd(2_746), spread.usd(5_760), bounty_rate(120)
    )
    assert event(receipt, "Liquidated")["fraction"] == fraction < WAD
    equity, initial, *_ = house.health(trader)
    assert initial <= equity <= initial + 4


# ---- insolvent accounts


def test_the_fund_pays_the_bounty_of_an_account_without_anything(opened, insolvent, liquidator, chain):
    assets = opened.fund.totalAssets()
    receipt = liquidate_at(opened, chain, insolvent + 300, "0.5")
    bounty = share(opened.wad(5), opened.wad(INSOLVENT), bounty_rate(300))
    log = event(receipt, "Liquidated")
    assert (log["bountyFromAccount"], log["bountyFromFund"], log["penalty"]) == (0, bounty, 0)
    assert event(receipt, "CashCredited") == {"account": liquidator, "amount": bounty}
    assert assets - opened.fund.totalAssets() == bounty
    assert opened.vault.cashOf(liquidator) == opened.usd(200_000) + bounty
    assert opened.token.balanceOf(opened.fund) == opened.fund.totalAssets()


def test_a_part_of_an_insolvent_account_leaves_its_debt_and_its_mark(opened, house, insolvent, trader, chain):
    receipt = liquidate_at(opened, chain, insolvent + 300, "0.5")
    assert opened.fund.defaultCount() == 0
    assert opened.vault.debtOf(trader, BTC) == opened.usd(1_050)
    assert (house.flagOf(trader), house.insolvencies()) == ((insolvent, True), 1)
    assert events(receipt, "InsolvencyCleared") == []


def test_the_bounty_stays_within_the_markets_budget(opened, insolvent, governor, chain):
    opened.fund.setMarketCover(BTC, 1_000, 0, sender=governor)
    receipt = liquidate_at(opened, chain, insolvent + 300, "0.5")
    log = event(receipt, "Liquidated")
    # A thousandth of 70,000; the full bounty would be 378.25.
    assert (log["bountyFromAccount"], log["bountyFromFund"]) == (0, opened.usd(70))
    assert opened.fund.available(BTC) == 0


def test_without_a_budget_the_liquidator_goes_without(opened, insolvent, trader, governor, chain):
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    receipt = liquidate_at(opened, chain, insolvent + 300)
    log = event(receipt, "Liquidated")
    assert (log["bountyFromAccount"], log["bountyFromFund"], log["fraction"]) == (0, 0, WAD)
    assert opened.size(trader) == 0


def test_each_market_pays_no_more_than_its_own_bounty(spread, trader, governor, chain):
    """BTC has no budget: the fund pays ETH's part, and nothing instead of BTC's."""
    spread.fund.setMarketCover(BTC, 0, 0, sender=governor)
    spread.set_price(BTC, 8_900)
    since = spread.flag(trader).timestamp
    receipt = liquidate_at(spread, chain, since + 300)
    bounty = share(spread.wad(40), spread.wad(500), bounty_rate(300))
    log = event(receipt, "Liquidated")
    assert (log["bountyFromAccount"], log["bountyFromFund"]) == (0, bounty)


def test_cash_goes_first_and_the_fund_pays_the_rest(opened, flag_at, chain):
    """At 9,005.5 equity is 5 and cash 5; once it is paid away, nothing is left."""
    since = flag_at("9005.5")
    receipt = liquidate_at(opened, chain, since + 300)
    bounty = share(opened.wad(10), opened.wad("9005.5"), bounty_rate(300))
    log = event(receipt, "Liquidated")
    assert (log["bountyFromAccount"], log["bountyFromFund"]) == (opened.usd(5), bounty - opened.usd(5))
    assert log["penalty"] == 0


def test_while_an_account_has_claims_the_fund_pays_nothing(opened, trader, market_maker, chain):
    """It has no cash left, but is still worth something."""
    opened.trade(trader, market_maker, 60, 500, market=ETH)
    opened.set_price(ETH, 520)
    opened.settle(trader)
    opened.set_price(BTC, 8_950)
    since = opened.flag(trader).timestamp
    receipt = liquidate_at(opened, chain, since + 300, "0.1")
    log = event(receipt, "Liquidated")
    assert opened.vault.net(trader) > 0
    assert (log["bountyFromAccount"], log["bountyFromFund"], log["penalty"]) == (0, 0, 0)


def test_the_losses_of_a_whole_account_are_resolved_at_once(
    opened, house, insolvent, trader, liquidator, chain
):
    receipt = liquidate_at(opened, chain, insolvent + 300)
    assert event(receipt, "Defaulted")["account"] == trader
    assert opened.default_record(1)["shortfall"] == opened.usd(1_050)
    assert opened.vault.net(trader) == 0
    assert (house.flagOf(trader), house.insolvencies()) == ((0, False), 0)
    assert event(receipt, "InsolvencyCleared") == event(receipt, "Unflagged") == {"account": trader}
    assert house.positionMarkets(trader) == 0
    assert opened.size(liquidator) == opened.wad(10)


def test_losses_are_charged_before_positions_move(opened, house, insolvent, governor, market_maker, chain):
    """A market maker that is short can't shed its share of the remainder by taking the position over."""
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    before = opened.equity(market_maker)
    receipt = liquidate_at(opened, chain, insolvent + 300, 1, market_maker)
    assert event(receipt, "RemainderCharged") == {
        "market": BTC,
        "toShorts": True,
        "amount": opened.usd(1_050),
    }
    assert house.positionMarkets(market_maker) == 0
    assert opened.equity(market_maker) - before == -opened.usd(1_050)


def test_accounts_named_first_stand_in_line_as_winners(opened, insolvent, governor, market_maker, chain):
    """Their profit is unpaid profit then, and bears what the fund does not."""
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    receipt = liquidate_at(opened, chain, insolvent + 300, 1, first=[market_maker])
    assert events(receipt, "RemainderCharged") == []
    assert event(receipt, "ClaimsWrittenOff")["amount"] == opened.usd(1_050)
    # What it is still owed is what the trader could pay.
    assert (
        opened.vault.claimsOf(market_maker, BTC) == opened.vault.marketLedger(BTC).pool == opened.usd(9_950)
    )


def test_the_mark_follows_what_is_left(opened, house, insolvent, trader, chain):
    """Marked at 8,900; at 9,100 a part is taken, and equity is positive."""
    opened.set_price(BTC, 9_100)
    receipt = liquidate_at(opened, chain, insolvent + 300, "0.1")
    assert event(receipt, "InsolvencyCleared") == {"account": trader}
    assert house.flagOf(trader) == (insolvent, False)


def test_notional_by_hand(opened):
    assert notional(opened.wad(10), opened.wad(BELOW)) == opened.usd(92_500)
