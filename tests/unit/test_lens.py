"""Lens: what it foresees is what happens."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum
from typing import Any

import pytest
from ape import chain

from tests.conftest import MARKETS
from tests.expect import event
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import MarketParameters

DAY = 86_400
BTC, ETH = 0, 1
EVERYTHING = 2**256 - 1
HOUR = 3_600
ACTIONS = ("settle", "flag", "unflag", "mark", "liquidate", "deleverage")
SLACK = 4  # settlements that may have rounded by one unit each


class Status(IntEnum):
    OK = 0
    STALE = 1
    OUT_OF_BOUNDS = 2


@pytest.fixture
def foresee(chain):
    """Looks from `seconds` ahead, comes back, and lets the next transaction happen at just that time."""

    def look_from(seconds: int, look: Any) -> Any:
        time = chain.blocks.head.timestamp + seconds
        here = chain.snapshot()
        chain.mine(timestamp=time)
        seen = look()
        chain.restore(here)
        chain.pending_timestamp = time
        return seen

    return look_from


@pytest.fixture
def book(system, market_maker, trader, other_trader):
    """The trader is long 15 BTC with 7.5% of margin, the other trader long 60 ETH and short 2 BTC."""
    system.trade(trader, market_maker, 15, 10_050, market=BTC)
    system.trade(market_maker, other_trader, 2, 9_990, market=BTC)
    system.trade(other_trader, market_maker, 60, 502, market=ETH)
    return system


@pytest.fixture
def accruing(deploy_system, deployer, market_maker, trader, other_trader, keeper):
    """180,000 of open interest, of which the fund has half of what it should: a premium of 27.5% a year.

    Prices are good for a day; both markets are refreshed in the first minutes of an hour.
    """
    funding = {"premium_min": 50_000, "premium_max": 500_000, "stress_from": 1_000_000}
    markets = tuple(market.model_copy(update={"heartbeat": DAY}) for market in MARKETS)
    system = deploy_system(markets=markets, funding=FREE.model_copy(update=funding))
    for account, amount in ((market_maker, 100_000), (trader, 20_000), (other_trader, 20_000)):
        system.deposit(account, amount)
    system.contribute(deployer, 4_500)
    system.trade(trader, market_maker, 15, 10_000, market=BTC)
    system.trade(other_trader, market_maker, 60, 500, market=ETH)
    chain.mine(timestamp=(chain.blocks.head.timestamp // HOUR + 1) * HOUR)
    refresh_all(system, keeper)
    return system


@pytest.fixture
def pledged(deploy_system, market_maker, trader, staker):
    """Beyond 100,000 an account must contribute 1%: the trader, with 150,000, has just that."""
    membership = {"member_threshold": Decimal(100_000), "member_ratio": 5_000, "member_step": 2_500}
    system = deploy_system(funding=FREE.model_copy(update=membership))
    for account, amount in ((market_maker, 100_000), (trader, 20_000)):
        system.deposit(account, amount)
    for account, amount in ((market_maker, 600), (trader, 500), (staker, 300)):
        system.join(account, amount)
    system.trade(trader, market_maker, 15, 10_000, market=BTC)
    return system


def refresh_all(system, keeper) -> None:
    for market in range(system.clearing_house.marketCount()):
        system.clearing_house.refresh(market, sender=keeper)


def actions(system, account) -> set[str]:
    """What may be done with the account; actionable() has to agree."""
    own = system.lens.actionsOf(account)
    listed = {entry.account: entry for entry in system.lens.actionable(0, EVERYTHING)}
    possible = {name for name in ACTIONS if getattr(own, name)}
    assert listed.get(account.address) == (own if possible else None)
    return possible


def totals(system, market: int) -> tuple[Any, Any]:
    return system.lens.poolTotals(market), system.lens.poolIdentity(market, 0, EVERYTHING)


def assert_identities(system, slack: int = SLACK) -> None:
    """P1 exactly; P2 and P3 within the slack."""
    backing = system.lens.backing()
    cash = system.lens.cashSum(0, EVERYTHING)
    assert backing.held == cash + backing.pools + backing.fees + backing.levies
    for market in range(system.clearing_house.marketCount()):
        own, sums = totals(system, market)
        excess = own.pool + own.residual - (own.totalClaims + own.accrued + sums.unsettled - sums.debts)
        assert 0 <= excess <= slack
        assert own.totalClaims - SLACK <= sums.claims <= own.totalClaims
        for size in (sums.longSize, sums.shortSize):
            assert own.openInterest - SLACK <= size <= own.openInterest


# ---- markets


def test_a_new_market_is_described_in_full(fresh_system):
    system = fresh_system
    first, second = system.lens.markets()
    assert (first.id, second.id) == (BTC, ETH)
    assert (first.symbol.rstrip(b"\0"), second.symbol.rstrip(b"\0")) == (b"BTC", b"ETH")
    assert first.oracle == system.oracle.peek(BTC)
    assert first.oracle.price == first.storedPrice == first.state.price == system.wad(10_000)
    assert first.parameters == system.clearing_house.marketParameters(BTC)
    assert first.ledger == system.vault.marketLedger(BTC)
    assert (first.notional, first.fundingRate, first.indexLong, first.indexShort) == (
        0,
        0,
        10**36 * first.state.valueIndex,
        -(10**36) * first.state.valueIndex,
    )


def test_a_refresh_is_foreseen(book, foresee, keeper):
    system = book
    system.set_price(BTC, 9_876.54321)
    seen = foresee(HOUR, lambda: system.lens.markets()[BTC])
    receipt = system.clearing_house.refresh(BTC, sender=keeper)
    after = system.clearing_house.marketState(BTC)

    assert seen.storedPrice == system.wad(10_000)
    assert seen.state.premium != 0
    for name in ("status", "price", "openInterest", "valueIndex", "premium", "lastPremium", "long", "short"):
        assert seen.state[name] == after[name]
    assert seen.state.updatedAt < after.updatedAt == receipt.timestamp
    assert seen.fundingRate == after.premium
    assert seen.notional == after.openInterest * after.price // 10**30
    assert seen.indexLong == after.long.base + after.long.multiplier * after.valueIndex
    assert seen.indexShort == after.short.base - after.short.multiplier * after.valueIndex


def test_the_funding_rate_is_clamped(deploy_system, market_maker, trader):
    market = MarketParameters(symbol="BTC", price=10_000, max_funding_rate=100)
    system = deploy_system(markets=(market,))
    for account in (market_maker, trader):
        system.deposit(account, 10_000)
    system.trade(market_maker, trader, 1, 9_900)
    system.wait(HOUR)
    seen = system.lens.markets()[0]
    assert seen.state.premium < -100
    assert seen.fundingRate == -100


def test_a_market_without_a_price_shows_what_is_stored(book, stranger):
    system = book
    stored = system.clearing_house.marketState(BTC)
    system.feeds[BTC].setMode(1, sender=stranger)
    seen = system.lens.markets()[BTC]
    assert (seen.oracle.price, seen.oracle.status) == (0, Status.STALE)
    assert seen.state == stored


def test_cover_is_the_funds(book):
    system = book
    seen = system.lens.markets()[BTC].cover
    share, coinsurance, left, window = system.fund.marketCover(BTC)
    assert (seen.budgetShare, seen.coinsurance, seen.left, seen.window) == (share, coinsurance, left, window)
    assert seen.available == system.fund.available(BTC) > 0


# ---- accounts


@pytest.mark.parametrize("price", [9_400, 10_000, 12_345.678])
def test_health_is_that_of_the_next_refresh(book, foresee, keeper, price):
    system = book
    # Both anew: the other price's age grows while the suite runs, and an hour is added to it.
    system.set_price(BTC, price)
    system.set_price(ETH, 500)
    seen = foresee(HOUR, lambda: system.lens.accountsHealth(0, EVERYTHING))
    refresh_all(system, keeper)
    assert len(seen) == system.vault.accountCount()
    for account in seen:
        equity, initial, maintenance, notional = system.clearing_house.health(account.account)
        # The second market is refreshed a second later, and funding goes on.
        assert abs(account.equity - equity) <= system.usd(1)
        assert account.notional == notional
        assert (account.initialMargin, account.maintenanceMargin) == (initial, maintenance)
        assert account.equity == account.net + account.unsettled
        assert (
            account.net
            == account.cash + account.claims - account.debt + account.collateral
            == system.vault.net(account.account)
        )
        assert account.unsettled == sum(position.unsettled for position in account.positions)
        assert account.priced


def test_health_is_exact_in_one_market(system, market_maker, trader, foresee, keeper):
    system.trade(trader, market_maker, 15, 10_050)
    system.set_price(BTC, 9_876.54321)
    seen = foresee(HOUR, lambda: system.lens.accountHealth(trader))
    system.clearing_house.refresh(BTC, sender=keeper)
    figures = (seen.equity, seen.initialMargin, seen.maintenanceMargin, seen.notional)
    assert figures == tuple(system.clearing_house.health(trader))


def test_positions_are_listed(book, other_trader):
    system = book
    system.set_price(ETH, 510)
    btc, eth = system.lens.accountHealth(other_trader).positions
    assert (btc.market, btc.isShort, btc.live, btc.size) == (BTC, True, True, system.wad(2))
    assert (eth.market, eth.isShort, eth.live, eth.size) == (ETH, False, True, system.wad(60))
    assert btc.notional == system.usd(20_000)
    assert eth.notional == system.usd(30_600)
    # What the price moved, but for a few seconds of funding.
    assert abs(eth.unsettled - system.usd(600)) < system.usd(1)


def test_health_of_chosen_accounts(book, trader, stranger):
    system = book
    seen = system.lens.healthOf([stranger, trader])
    assert [account.account for account in seen] == [stranger.address, trader.address]
    assert seen[0].equity == 0
    assert seen[0].positions == []
    assert seen[1] == system.lens.accountHealth(trader)


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_amounts_have_the_decimals_of_the_token(deploy_system, market_maker, trader, decimals):
    system = deploy_system(token_decimals=decimals)
    for account in (market_maker, trader):
        system.deposit(account, 10_000)
    system.trade(trader, market_maker, 10, 10_000)
    seen = system.lens.accountHealth(trader)
    assert seen.notional == 100_000 * 10**decimals
    assert seen.initialMargin == 5_000 * 10**decimals
    assert seen.cash == 9_950 * 10**decimals
    assert_identities(system)


def test_an_account_without_a_price_says_so(book, trader, other_trader, market_maker, stranger):
    system = book
    system.feeds[ETH].setAnswer(0, sender=stranger)
    assert system.lens.markets()[ETH].oracle.status == Status.OUT_OF_BOUNDS
    assert system.lens.accountHealth(trader).priced
    assert not system.lens.accountHealth(other_trader).priced
    assert not system.lens.accountHealth(market_maker).priced


def test_a_stale_position_has_no_size(book, governor, trader, stranger):
    system = book
    system.feeds[BTC].setMode(1, sender=stranger)
    system.wait(DAY)
    system.clearing_house.closeMarket(BTC, system.wad(10_100), sender=governor)
    (position,) = system.lens.accountHealth(trader).positions
    assert (position.live, position.size, position.notional) == (False, 0, 0)
    assert position.storedSize == system.wad(15)
    assert abs(position.unsettled - system.usd(1_500)) < system.usd(1)
    assert system.lens.accountHealth(trader).priced
    assert actions(system, trader) == {"settle"}

    system.settle(trader)
    assert system.lens.accountHealth(trader).positions == []
    assert actions(system, trader) == set()
    assert_identities(system)


# ---- actions


def test_a_healthy_account_is_left_alone(book, trader):
    system = book
    assert actions(system, trader) == set()
    assert system.lens.actionable(0, EVERYTHING) == []


def test_from_the_flag_to_the_liquidation(book, trader, liquidator):
    system = book
    system.set_price(BTC, 9_600)
    assert actions(system, trader) == {"flag"}
    assert system.lens.actionsOf(trader).bountyRate == 0

    system.flag(trader)
    assert actions(system, trader) == {"liquidate"}
    seen = system.lens.actionsOf(trader)
    assert seen.equity == system.lens.accountHealth(trader).equity
    assert seen.initialMargin > seen.equity
    assert seen.notional == system.usd(15 * 9_600)

    system.liquidate(trader, liquidator)
    assert actions(system, trader) == set()


def test_the_bounty_rate_follows_the_auction(book, chain, trader):
    system = book
    system.set_price(BTC, 9_600)
    flagged_at = system.flag(trader).timestamp
    terms = system.deployment.parameters.liquidation
    for elapsed, rate in (
        (terms.auction_duration // 2, (terms.bounty_start + terms.bounty_max) // 2),
        (terms.auction_duration, terms.bounty_max),
        (terms.auction_duration + HOUR // 2, terms.bounty_max),
    ):
        chain.mine(timestamp=flagged_at + elapsed)
        assert system.lens.actionsOf(trader).bountyRate == rate


def test_deleveraging_waits_for_the_auction(book, chain, trader):
    system = book
    system.set_price(BTC, 9_600)
    ends_at = system.flag(trader).timestamp + system.deployment.parameters.liquidation.auction_duration
    chain.mine(timestamp=ends_at)
    assert actions(system, trader) == {"liquidate"}
    chain.mine(timestamp=ends_at + 1)
    assert actions(system, trader) == {"liquidate", "deleverage"}
    system.deleverage(trader)
    assert actions(system, trader) == set()
    assert_identities(system)


def test_deleveraging_does_not_wait_for_an_insolvent_account_once_the_fund_is_spent(book, governor, trader):
    system = book
    system.set_price(BTC, 9_200)
    assert actions(system, trader) == {"flag"}
    system.flag(trader)
    assert actions(system, trader) == {"liquidate"}
    system.fund.setMarketCover(BTC, 0, 0, sender=governor)
    system.wait(system.deployment.parameters.fund.budget_window)
    system.renew_prices()
    assert system.fund.available(BTC) == 0
    assert "deleverage" in actions(system, trader)
    system.deleverage(trader)
    assert_identities(system)


def test_recovery_shows_as_unflag(book, trader):
    system = book
    system.set_price(BTC, 9_600)
    system.flag(trader)
    system.set_price(BTC, 10_000)
    assert actions(system, trader) == {"unflag"}
    system.flag(trader)
    assert actions(system, trader) == set()


def test_the_insolvency_mark_follows_the_price(book, trader):
    system = book
    system.set_price(BTC, 9_600)
    system.flag(trader)
    system.set_price(BTC, 9_200)
    assert actions(system, trader) == {"mark", "liquidate"}
    system.flag(trader)
    assert actions(system, trader) == {"liquidate"}
    assert [account.account for account in system.lens.openDefaults(0, EVERYTHING)] == [trader.address]
    system.set_price(BTC, 9_600)
    assert actions(system, trader) == {"mark", "liquidate"}
    system.flag(trader)
    assert system.lens.openDefaults(0, EVERYTHING) == []


def test_a_debt_covered_by_claims_waits(deploy_system, market_maker, trader, governor):
    """It is an open default without anything to do, until the claims can be converted."""
    system = deploy_system()
    for account, amount in ((market_maker, 100_000), (trader, 1_300)):
        system.deposit(account, amount)
    system.vault.setMaturity(ETH, HOUR, sender=governor)
    system.trade(trader, market_maker, 1, 10_000, market=BTC)
    system.trade(trader, market_maker, 10, 500, market=ETH)
    system.set_price(ETH, 600)
    system.settle(trader)
    system.set_price(BTC, 8_000)
    system.flag(trader)
    system.pass_auction()
    system.deleverage(trader)

    seen = system.lens.accountHealth(trader)
    assert 0 < seen.debt < seen.claims
    assert [position.storedSize for position in seen.positions] == [0]
    assert actions(system, trader) == set()
    assert [account.account for account in system.lens.openDefaults(0, EVERYTHING)] == [trader.address]
    assert_identities(system)

    system.settle(market_maker)
    system.wait(HOUR)
    system.renew_prices()
    system.settle(trader)
    assert system.lens.openDefaults(0, EVERYTHING) == []
    assert_identities(system)


def test_debt_without_a_position_is_to_be_settled(book, governor, trader, stranger):
    """A market is closed under an account that can't pay what it lost there."""
    system = book
    system.set_price(BTC, 9_250)
    system.clearing_house.refresh(BTC, sender=stranger)
    system.feeds[BTC].setMode(1, sender=stranger)
    system.wait(DAY)
    system.clearing_house.closeMarket(BTC, system.wad(9_000), sender=governor)
    assert system.lens.accountHealth(trader).equity < 0
    assert actions(system, trader) == {"settle", "flag"}
    system.settle(trader)
    assert actions(system, trader) == set()
    assert system.lens.accountHealth(trader).positions == []
    assert len(system.lens.defaults(0, EVERYTHING)) == 1
    assert_identities(system)


def test_nothing_can_be_done_without_a_price(book, trader, stranger):
    system = book
    system.set_price(BTC, 9_600)
    system.flag(trader)
    system.feeds[BTC].setMode(1, sender=stranger)
    assert actions(system, trader) == set()


# ---- the premium


def test_the_premium_is_foreseen(accruing, foresee, keeper):
    """Rate, indices and the fund's claims are those that a refresh leaves, at the price before it."""
    system, house = accruing, accruing.clearing_house
    system.set_price(BTC, 9_876.54321)

    def look():
        return system.lens.markets()[BTC], system.lens.poolTotals(BTC)

    assert look()[0].premiumRate == 275_000
    seen, books = foresee(3 * HOUR, look)
    before = system.vault.totalClaims(BTC)
    receipt = house.refresh(BTC, sender=keeper)
    after, log = house.marketState(BTC), event(receipt, "PremiumCharged")

    assert seen.premiumRate == event(receipt, "MarketObserved")["premiumRate"] == 275_000
    per_unit = 10_000 * 10**18 * 275_000 * 3 // (10**6 * 8_760)
    assert (log["perUnit"], log["amount"]) == (per_unit, 2 * (15 * 10**18 * per_unit // 10**30))
    assert books.accrued == log["amount"] == system.vault.totalClaims(BTC) - before
    for name in ("price", "valueIndex", "long", "short"):
        assert seen.state[name] == after[name]
    assert seen.state.long.base == seen.state.short.base < 0
    assert seen.indexLong == after.long.base + after.long.multiplier * after.valueIndex
    assert seen.indexShort == after.short.base - after.short.multiplier * after.valueIndex
    assert system.lens.poolTotals(BTC).accrued == 0


def test_within_an_hour_nothing_accrues(accruing):
    system = accruing
    system.wait(HOUR // 2)
    assert system.lens.poolTotals(BTC).accrued == 0
    system.wait(HOUR // 2)
    assert system.lens.poolTotals(BTC).accrued > 0


def test_accounts_are_seen_as_the_premium_leaves_them(accruing, foresee, trader, market_maker):
    system, accounts = accruing, (trader, market_maker)
    before = [system.lens.accountHealth(account).equity for account in accounts]
    seen = foresee(5 * HOUR, lambda: [system.lens.accountHealth(account).equity for account in accounts])
    system.settle(*accounts)
    assert [system.equity(account) for account in accounts] == seen
    # The market maker pays for both markets.
    for paid, notional in zip(map(int.__sub__, before, seen), (150_000, 180_000), strict=True):
        assert paid == pytest.approx(system.usd(notional) * 0.275 * 5 / 8_760, abs=2)


def test_a_market_without_a_price_accrues_nothing(accruing, stranger):
    accruing.feeds[BTC].setMode(1, sender=stranger)
    accruing.wait(2 * HOUR)
    assert accruing.lens.poolTotals(BTC).accrued == 0
    assert accruing.lens.markets()[BTC].premiumRate == 275_000


def test_identities_hold_while_a_premium_accrues(accruing, keeper, trader, market_maker):
    system, slack = accruing, 2 * SLACK  # what both sides owe is rounded down each time, too
    system.wait(7 * HOUR)
    system.renew_prices()
    assert all(system.lens.poolTotals(market).accrued for market in (BTC, ETH))
    assert_identities(system, slack)
    refresh_all(system, keeper)
    assert_identities(system, slack)
    assert system.lens.accountHealth(system.fund).claims == system.vault.net(system.fund) > 0
    system.settle(trader, market_maker)
    assert_identities(system, slack)
    system.fund.collect(sender=keeper)
    assert_identities(system, slack)
    system.wait(7 * HOUR)
    system.set_price(BTC, 9_900)
    system.set_price(ETH, 505)
    assert_identities(system, slack)


# ---- the fund


def test_the_funding_policy_is_described(accruing, chain, poster):
    system, policy = accruing, accruing.policy
    seen = system.lens.fundState().funding
    assert (
        (seen.target, seen.coverage) == (policy.target(), policy.coverage()) == (system.usd(9_000), 500_000)
    )
    assert (seen.stress, seen.premiumRate, seen.scarcity) == (500_000, 275_000, 0)
    assert seen.fundShare == policy.fundShare() == 1_000_000
    assert seen.openInterestCap == policy.openInterestCap() == system.usd(10**9)
    assert (seen.postedTarget, seen.postedAt, seen.fresh) == (0, 0, False)
    assert seen.parameters == policy.parameters()

    evidence = (b"\1" * 32, b"\2" * 32, chain.blocks.head.number)
    at = policy.postTarget(system.usd(10_000), evidence, sender=poster).timestamp
    seen = system.lens.fundState().funding
    assert (seen.postedTarget, seen.postedAt, seen.fresh) == (system.usd(10_000), at, True)
    assert (seen.target, seen.coverage) == (system.usd(10_000), 450_000)
    assert seen.stress == policy.stressAt(450_000)
    chain.mine(timestamp=at + policy.parameters().targetLifetime)
    seen = system.lens.fundState().funding
    assert (seen.postedTarget, seen.fresh, seen.target) == (system.usd(10_000), False, system.usd(9_000))


def test_fund_state_is_the_funds(book):
    system = book
    seen = system.lens.fundState()
    assert seen.layers == system.fund.layers()
    assert seen.assets == system.fund.totalAssets() == system.usd(70_000)
    assert (seen.gateOpen, seen.insolvencies, seen.defaults) == (True, 0, 0)
    assert (seen.streamSince, seen.streamEnd) == system.fund.stream()[1:]
    assert seen.parameters == system.fund.parameters()


def test_the_guaranty_fund_is_described(pledged):
    seen = pledged.lens.fundState()
    assert (seen.guaranty.total, seen.guaranty.units, seen.guaranty.epoch) == pledged.guaranty.book()
    assert seen.guaranty.total == pledged.usd(1_400)
    assert seen.guaranty.parameters == pledged.guaranty.parameters()
    assert seen.assets == pledged.fund.totalAssets() == 0


def test_members_are_seen_at_the_price_of_the_next_refresh(pledged, trader, staker, stranger, keeper):
    """At 11,000 the trader has 165,000, and is asked for 650."""
    system = pledged
    asked = [stranger, trader, staker]
    none, member, saver = system.lens.membersOf(asked)
    assert (member.account, member.tier, member.notional) == (trader.address, 2, system.usd(150_000))
    assert (member.balance, member.requirement, member.owed) == (system.usd(500), system.usd(500), 0)
    assert (saver.account, saver.balance, saver.requirement) == (staker.address, system.usd(300), 0)
    assert (none.account, none.balance, none.requirement, none.owed) == (stranger.address, 0, 0, 0)

    system.set_price(BTC, 11_000)
    member = system.lens.membersOf([trader])[0]
    foreseen = member.requirement, member.owed
    assert foreseen == (system.usd(650), system.usd(150))
    assert tuple(system.guaranty.requirementOf(trader)) == (system.usd(500), 0)
    system.clearing_house.refresh(BTC, sender=keeper)
    assert tuple(system.guaranty.requirementOf(trader)) == foreseen
    assert system.lens.membersOf([]) == []


def test_a_notice_and_a_tier_are_seen(pledged, trader, staker, poster, chain):
    system = pledged
    system.guaranty.requestExit(system.usd(120), sender=staker)
    seen, own = system.lens.membersOf([staker])[0], system.guaranty.member(staker)
    assert (seen.noticed, seen.opensAt, seen.closesAt) == (own.noticed, own.opensAt, own.closesAt)
    period = system.guaranty.parameters().noticePeriod
    assert (seen.noticed, seen.opensAt) == (system.usd(120), chain.blocks.head.timestamp + period)
    evidence = b"\1" * 32, b"\2" * 32, chain.blocks.head.number
    system.policy.postTiers([trader], [3], evidence, sender=poster)
    member = system.lens.membersOf([trader])[0]
    assert (member.tier, member.requirement, member.owed) == (3, system.usd(625), system.usd(125))


def test_what_the_members_bore_and_got_back_is_seen(pledged, trader, liquidator, stranger):
    """Nothing in the insurance fund: the trader's own 500, and half of the 900 of the others."""
    system = pledged
    system.deposit(liquidator, 100_000)
    system.set_price(BTC, 8_000)
    system.flag(trader)
    system.liquidate(trader, liquidator)
    (default,) = system.lens.defaults(0, EVERYTHING)
    assert (default.record.own, default.record.mutual) == (system.usd(500), system.usd(450))
    assert (default.record, default.remainder) == tuple(system.fund.defaultRecord(1))
    assert default.recovered == 0
    system.mint(stranger, 600)
    system.token.approve(system.fund, system.usd(600), sender=stranger)
    system.fund.recover(1, system.usd(600), sender=stranger)
    (default,) = system.lens.defaults(0, EVERYTHING)
    assert default.recovered == system.fund.recovered(1).back == system.usd(600)
    assert system.lens.membersOf([trader])[0].balance == system.usd(150)


def test_tranches_are_described(book, staker, chain):
    system = book
    before = system.lens.fundState().junior
    assert (before.tranche, before.assets) == (system.junior.address, system.usd(20_000))
    assert (before.shares, before.sharePrice) == (system.junior.balanceOf(staker), system.usd(1))
    assert (before.batch, before.requested, before.noticed, before.shareEpoch) == (1, 0, 0, 0)
    assert before.rollsFrom == system.junior.lastRollAt() + system.junior.epochDuration()

    system.junior.requestRedeem(before.shares // 4, staker, staker, sender=staker)
    assert system.lens.fundState().junior.requested == before.shares // 4
    chain.mine(timestamp=before.rollsFrom)
    system.junior.roll(sender=staker)
    after = system.lens.fundState().junior
    assert (after.batch, after.requested, after.noticed) == (2, 0, before.shares // 4)
    assert system.lens.fundState().senior.tranche == system.senior.address


def test_a_default_is_recorded_and_the_gate_shown(book, trader, liquidator):
    system = book
    system.set_price(BTC, 9_200)
    system.flag(trader)
    seen = system.lens.fundState()
    assert (seen.gateOpen, seen.insolvencies) == (False, 1)

    system.liquidate(trader, liquidator)
    seen = system.lens.fundState()
    assert (seen.gateOpen, seen.insolvencies, seen.defaults) == (True, 0, 1)
    (default,) = system.lens.defaults(0, EVERYTHING)
    record, remainder = system.fund.defaultRecord(1)
    assert (default.id, default.record, default.remainder) == (1, record, remainder)
    assert default.record.account == trader.address
    assert_identities(system)


def test_defaults_are_paged(system, market_maker, trader, other_trader, liquidator):
    for account in (trader, other_trader):
        system.trade(account, market_maker, 15, 10_000)
    system.set_price(BTC, 9_100)
    for account in (trader, other_trader):
        system.flag(account)
        system.liquidate(account, liquidator)
    assert [default.id for default in system.lens.defaults(0, EVERYTHING)] == [1, 2]
    assert [default.id for default in system.lens.defaults(1, 1)] == [2]
    assert system.lens.defaults(2, 1) == system.lens.defaults(EVERYTHING, EVERYTHING) == []


# ---- identities


def test_identities_hold_through_a_crash(book, trader, other_trader, market_maker, liquidator):
    system = book
    assert_identities(system)
    for price in (9_600, 9_100, 11_000):
        system.set_price(BTC, price)
        assert_identities(system)
        system.settle(other_trader, market_maker)
        assert_identities(system)
    system.set_price(BTC, 9_000)
    system.flag(trader)
    system.liquidate(trader, liquidator, first=[market_maker])
    assert_identities(system)
    system.fund.collect(sender=market_maker)
    assert_identities(system)


def test_identities_can_fail(book, trader):
    """S that is merely sent to the vault is nobody's."""
    system = book
    system.mint(trader, 5)
    system.token.transfer(system.vault, system.usd(5), sender=trader)
    backing = system.lens.backing()
    cash = system.lens.cashSum(0, EVERYTHING)
    assert backing.held - cash - backing.pools - backing.fees - backing.levies == system.usd(5)


def test_pages_add_up(book):
    system = book
    system.set_price(BTC, 9_700)
    count = system.lens.backing().accounts
    assert count == system.vault.accountCount() == 4
    assert sum(system.lens.cashSum(i, 1) for i in range(count)) == system.lens.cashSum(0, EVERYTHING)
    whole = system.lens.poolIdentity(BTC, 0, EVERYTHING)
    pages = [system.lens.poolIdentity(BTC, i, 1) for i in range(count)]
    for name in ("claims", "debts", "unsettled", "longSize", "shortSize"):
        assert sum(page[name] for page in pages) == whole[name]
    health = system.lens.accountsHealth(0, EVERYTHING)
    assert [system.lens.accountsHealth(i, 1)[0] for i in range(count)] == health


@pytest.mark.parametrize(("offset", "limit"), [(4, 1), (EVERYTHING, EVERYTHING), (0, 0)])
def test_an_empty_page_is_empty(book, offset, limit):
    system = book
    system.set_price(BTC, 9_000)
    assert system.lens.accountsHealth(offset, limit) == []
    assert system.lens.actionable(offset, limit) == []
    assert system.lens.openDefaults(offset, limit) == []
    assert system.lens.cashSum(offset, limit) == 0
    assert system.lens.poolIdentity(BTC, offset, limit).longSize == 0


def test_cash_without_a_deposit_is_counted(deploy_system, market_maker, stranger):
    """A stranger sells far above the mark: the difference is its first cash, and its margin."""
    market = MarketParameters(symbol="BTC", price=10_000, price_band=200_000)
    system = deploy_system(markets=(market,))
    system.deposit(market_maker, 100_000)
    system.trade(market_maker, stranger, 1, 12_000)
    assert system.vault.cashOf(stranger) > 0
    assert [account.account for account in system.lens.accountsHealth(1, 1)] == [stranger.address]
    assert_identities(system)
