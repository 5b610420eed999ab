"""The funding policy on chain: target, coverage, premium, contributions, stop, cap, posting (section 6.1).
And who has to be a member of the guaranty fund (section 6.2).

The fund holds 70,000; BTC stands at 10,000 and ETH at 500. The numbers here are worked by hand.
"""

from decimal import Decimal

import ape
import pytest

from tests.expect import event, events, reverts
from weir.parameters import FundingParameters, funding_struct

BTC, ETH = 0, 1
MILLION = 10**6
HOUR, DAY = 3_600, 86_400
UNLIMITED = 2**256 - 1
NOBODY = "0x" + "00" * 20

FUNDING = FundingParameters(
    target_ratio=50_000,
    max_target_ratio=200_000,
    share_at_target=800_000,
    share_slope=400_000,
    share_min=500_000,
    share_max=1_000_000,
    premium_min=10_000,
    premium_max=100_000,
    stress_from=1_000_000,
    stop_below=250_000,
    max_scarcity=1_000,
    concentration_from=200_000,
    max_concentration=2_000,
    max_leverage=300,
    leverage_from=5_000_000,
    leverage_to=20_000_000,
    cap_multiple=100 * MILLION,
    target_lifetime=2 * DAY,
    tier_lifetime=30 * DAY,
    tier_rates=(0, 50, 100, 300, 800),
    cap_floor=Decimal(1_000_000),
    concentration_floor=Decimal(100_000),
    max_step=250_000,
    member_threshold=Decimal(100_000),
    member_ratio=0,
    member_step=0,
)
MEMBERSHIP = {"member_ratio": 10_000, "member_step": 5_000}
"""Of notional beyond 100,000: 1% in the best tier, half a percent more in each below, so 2% in the middle."""


@pytest.fixture(scope="module")
def charging_system(deploy_system, actors):
    """The system of the other tests, under a policy that charges; nobody has a position."""
    made = deploy_system(funding=FUNDING)
    for role in ("market_maker", "liquidator"):
        made.deposit(actors[role], 1_000_000)
    for role in ("trader", "other_trader", "attacker", "accomplice"):
        made.deposit(actors[role], 100_000)
    made.contribute(actors["deployer"], 10_000)
    made.stake(made.junior, actors["staker"], 20_000)
    made.stake(made.senior, actors["other_staker"], 40_000)
    return made


@pytest.fixture
def policy(charging_system):
    return charging_system.policy


@pytest.fixture
def evidence():
    """What a post says it is based on, as of the latest block."""

    def made(block=None):
        return b"\1" * 32, b"\2" * 32, ape.chain.blocks.head.number if block is None else block

    return made


def preview(system, account, size, *, against=NOBODY, market=BTC, is_maker=False, price=None):
    mark = system.clearing_house.marketState(market).price
    intent = (account, against, market, is_maker, system.wad(size), mark if price is None else price)
    return system.policy.previewContribution(intent)


def set_funding(system, governor, **changes):
    values = funding_struct(FUNDING.model_copy(update=changes), system.deployment.decimals)
    return system.policy.setParameters(values, sender=governor)


def to_next_hour(system):
    """Into the first minute of the next clock hour."""
    now = ape.chain.blocks.head.timestamp
    ape.chain.mine(timestamp=(now // HOUR + 1) * HOUR + 30)
    system.set_price(BTC, 10_000)


# ------------------------------------------------------------ target, coverage


def test_nothing_at_risk_needs_no_fund(policy):
    assert policy.target() == 0
    assert policy.coverage() == UNLIMITED
    assert policy.fundShare() == FUNDING.share_min
    assert policy.observed(BTC) == (0, 0)


def test_the_target_follows_open_interest_and_coverage_the_fund(
    charging_system, policy, trader, market_maker
):
    charging_system.trade(trader, market_maker, 100, 10_000)
    assert policy.target() == charging_system.usd(50_000)
    assert policy.coverage() == 1_400_000
    charging_system.contribute(trader, 30_000)
    assert policy.coverage() == 2_000_000


def test_a_trade_sees_its_own_market_as_it_leaves_it(charging_system, policy, trader, market_maker):
    # 1,400,000 of open interest would be covered exactly, 2,000,000 by 70%: a stress of 0.3/0.75 = 40%.
    charging_system.trade(trader, market_maker, 100, 10_000)
    assert policy.coverageWith(BTC, charging_system.usd(1_400_000)) == 1_000_000
    c = preview(charging_system, trader, 100)
    assert (c.coverage, c.scarcity) == (700_000, 400)


def test_other_markets_count_as_last_observed(charging_system, policy, trader, market_maker):
    charging_system.trade(trader, market_maker, 50, 10_000)
    assert policy.coverageWith(ETH, charging_system.usd(500_000)) == 2_800_000
    to_next_hour(charging_system)
    charging_system.clearing_house.refresh(BTC, sender=trader)
    assert policy.observed(BTC) == (charging_system.usd(500_000), charging_system.usd(500_000))
    assert policy.coverageWith(ETH, charging_system.usd(500_000)) == 1_400_000
    assert policy.coverageWith(BTC, charging_system.usd(1_000_000)) == 1_400_000


# --------------------------------------------------------------------- curves


@pytest.mark.parametrize(
    ("coverage", "stress", "share", "premium", "scarcity"),
    [
        (UNLIMITED, 0, 500_000, 10_000, 0),
        (2_000_000, 0, 500_000, 10_000, 0),
        (1_500_000, 0, 600_000, 10_000, 0),
        (1_000_000, 0, 800_000, 10_000, 0),
        (999_999, 2, 800_000, 10_001, 1),  # (1/0.75) and what follows, rounded up
        (700_000, 400_000, 920_000, 46_000, 400),
        (250_000, 1_000_000, 1_000_000, 100_000, 1_000),
        (0, 1_000_000, 1_000_000, 100_000, 1_000),
    ],
)
def test_what_follows_from_coverage(policy, coverage, stress, share, premium, scarcity):
    assert policy.stressAt(coverage) == stress
    assert policy.fundShareAt(coverage) == share
    assert policy.premiumRateAt(coverage) == premium
    assert policy.scarcityAt(coverage) == scarcity


@pytest.mark.parametrize(
    ("share", "rate"), [(0, 0), (200_000, 0), (200_001, 1), (600_000, 1_000), (1_000_000, 2_000)]
)
def test_concentration(policy, share, rate):
    assert policy.concentrationAt(share) == rate


@pytest.mark.parametrize(
    ("leverage", "rate"),
    [(0, 0), (5_000_000, 0), (5_000_001, 1), (12_500_000, 150), (20_000_000, 300), (UNLIMITED, 300)],
)
def test_leverage(policy, leverage, rate):
    assert policy.leverageAt(leverage) == rate


def test_a_flat_stress_curve_divides_by_nothing(charging_system, policy, governor):
    set_funding(charging_system, governor, stress_from=250_000, stop_below=250_000)
    assert [policy.stressAt(c) for c in (249_999, 250_000)] == [MILLION, 0]


# -------------------------------------------------------------- contributions


def test_what_is_foreseen_is_what_is_charged(charging_system, trader, market_maker):
    charging_system.trade(trader, market_maker, 60, 10_000)  # someone to be concentrated beside
    size, price = 90, 10_050
    mark = charging_system.wad(price)
    foreseen = {
        trader.address: preview(charging_system, trader, size, against=market_maker, price=mark),
        market_maker.address: preview(
            charging_system, market_maker, -size, against=trader, is_maker=True, price=mark
        ),
    }
    cash = {account: charging_system.vault.cashOf(account) for account in foreseen}
    levies = charging_system.vault.uncollected().levies
    receipt = charging_system.trade(trader, market_maker, size, price)
    charged = events(receipt, "ContributionCharged")
    assert [log["account"] for log in charged] == [market_maker.address, trader.address]
    for log in charged:
        c = foreseen[log["account"]]
        assert (log["amount"], log["market"]) == (c.amount, BTC)
        rates = (log["scarcity"], log["concentration"], log["leverage"], log["tierRate"])
        assert rates == (c.scarcity, c.concentration, c.leverage, c.tierRate)
    total = sum(log["amount"] for log in charged)
    assert charging_system.vault.uncollected().levies - levies == total
    paid = events(receipt, "ContributionPaid")
    assert {log["account"]: log["amount"] for log in paid} == {
        log["account"]: log["amount"] for log in charged
    }
    # Fees of 180.90 and 452.25; the taker buys 50 above the mark.
    for account, other in (
        (trader, -452_250_000 - 4_500_000_000),
        (market_maker, -180_900_000 + 4_500_000_000),
    ):
        assert (
            charging_system.vault.cashOf(account)
            == cash[account.address] + other - foreseen[account.address].amount
        )


def test_every_factor_by_hand(charging_system, trader):
    # 140 BTC = 1,400,000 of notional: coverage 1, no scarcity. The trader has 100,000 - 700 in fees.
    c = preview(charging_system, trader, 140)
    assert (c.coverage, c.scarcity) == (1_000_000, 0)
    assert (c.concentration, c.tier, c.tierRate) == (2_000, 2, 100)
    leverage = -(-1_400_000 * MILLION * MILLION // (99_300 * MILLION))
    assert c.leverage == -(-300 * (leverage - 5 * MILLION) // (15 * MILLION)) == 182
    assert c.amount == charging_system.usd(Decimal(1_400_000) * (2_000 + 100 + 182) / MILLION)


def test_small_markets_are_measured_against_the_floor(charging_system, trader):
    # 2 BTC are 20% of 100,000, not 100% of 20,000.
    assert preview(charging_system, trader, 2).concentration == 0
    assert preview(charging_system, trader, 6).concentration == 1_000


def test_less_risk_pays_nothing(charging_system, trader, market_maker):
    charging_system.trade(trader, market_maker, 20, 10_000)
    assert preview(charging_system, trader, -20).amount == 0
    assert preview(charging_system, trader, -20) == preview(charging_system, trader, 0)
    # Through zero: 5 of the 25 that are sold are new.
    small, more = preview(charging_system, trader, -25), preview(charging_system, trader, 5)
    assert (small.concentration, more.concentration) == (0, 2_000)
    assert more.amount > small.amount > 0
    receipt = charging_system.trade(market_maker, trader, 20, 10_000)
    assert events(receipt, "ContributionCharged") == []


def test_dearer_with_size_leverage_concentration_tier(charging_system, policy, trader, poster, evidence):
    amounts = [preview(charging_system, trader, size).amount for size in (1, 2, 5, 10, 50, 140, 190)]
    assert amounts == sorted(amounts)
    assert len(set(amounts)) == len(amounts)
    rates = [preview(charging_system, trader, size) for size in (1, 5, 10, 50, 140, 190)]
    for factor in ("scarcity", "concentration", "leverage"):
        values = [getattr(c, factor) for c in rates]
        assert values == sorted(values)
        assert values[-1] > values[0]
    before = preview(charging_system, trader, 10)
    policy.postTiers([trader], [3], evidence(), sender=poster)
    after = preview(charging_system, trader, 10)
    assert after.amount - before.amount == charging_system.usd(20)  # 200 ppm more of 100,000


def test_an_account_that_cannot_pay_its_contribution_does_not_trade(charging_system, stranger, market_maker):
    charging_system.deposit(stranger, 5_000)
    # 99,000 of notional: initial margin 4,950 and a fee of 49.50 leave 0.50 for a contribution of hundreds.
    order = charging_system.order(market_maker, is_buy=False, size="9.9", price=10_000)
    with reverts("InitialMarginNotMet", account=stranger, required=charging_system.usd(4_950)):
        charging_system.fill(order, stranger)


# ----------------------------------------------------------------- membership


@pytest.fixture
def membership(charging_system, governor):
    """Nobody is a member yet."""
    set_funding(charging_system, governor, **MEMBERSHIP)
    return charging_system


@pytest.mark.parametrize(
    ("notional", "requirement"),
    [
        pytest.param("0", "0", id="nothing"),
        pytest.param("100000", "0", id="at the threshold"),
        pytest.param("100000.000001", "0.000001", id="beyond it, rounded up"),
        pytest.param("100000.00005", "0.000001", id="to one unit"),
        pytest.param("100000.000051", "0.000002", id="to two"),
        pytest.param("150000", "1000", id="half as much again"),
        pytest.param("1100000", "20000", id="ten times"),
    ],
)
def test_the_requirement_is_of_the_notional_beyond_the_threshold(
    membership, policy, trader, notional, requirement
):
    assert policy.requirementAt(trader, membership.usd(notional)) == membership.usd(requirement)


def test_the_requirement_depends_on_the_tier(membership, policy, poster, trader, evidence):
    """From the middle one to the best, then to the worst; a stale tier is the middle one again."""
    notional, asked = membership.usd(200_000), {}
    for tier in (1, 0, 1, 2, 3, 4):
        policy.postTiers([trader], [tier], evidence(), sender=poster)
        asked[tier] = policy.requirementAt(trader, notional)
        membership.wait(DAY)
    assert asked == {tier: membership.usd(1_000 + 500 * tier) for tier in range(5)}
    membership.wait(30 * DAY)
    assert policy.requirementAt(trader, notional) == membership.usd(2_000)


def test_the_requirement_never_falls_with_notional_or_tier(membership, policy, poster, trader, evidence):
    notionals = sorted({0, 1, *(100_000 * 10**6 + 10**i for i in range(14)), 2**112})
    rows = []
    for tier in (1, 2, 3, 4):
        policy.postTiers([trader], [tier], evidence(), sender=poster)
        rows.append([policy.requirementAt(trader, notional) for notional in notionals])
        membership.wait(DAY)
    assert all(row == sorted(row) for row in rows)
    assert all(list(column) == sorted(column) for column in zip(*rows, strict=True))


def test_without_a_ratio_nothing_is_required(policy, trader):
    assert policy.requirementAt(trader, 2**112) == 0


def test_new_risk_beyond_the_threshold_needs_membership(membership, trader, market_maker):
    """10 BTC are free; 11 need 2% of 10,000, whoever is on the other side."""
    membership.trade(trader, market_maker, 10, 10_000)
    asked = {"requirement": membership.usd(200)}
    with reverts("MembershipRequired", account=market_maker, balance=0, **asked):
        membership.trade(trader, market_maker, 1, 10_000)
    membership.join(market_maker, 200)
    membership.join(trader, "199.999999")
    with reverts("MembershipRequired", account=trader, balance=membership.usd(200) - 1, **asked):
        membership.trade(trader, market_maker, 1, 10_000)
    membership.join(trader, "0.000001")
    membership.trade(trader, market_maker, 1, 10_000)


def test_what_is_asked_is_of_all_markets_together(membership, trader, market_maker, liquidator):
    membership.join(market_maker, 10_000)
    membership.trade(trader, market_maker, 8, 10_000)
    membership.trade(trader, market_maker, 40, 500, market=ETH)
    with reverts("MembershipRequired", account=trader, balance=0, requirement=membership.usd(10)):
        membership.trade(trader, liquidator, 1, 500, market=ETH)


def test_the_preview_refuses_alike(membership, policy, trader, market_maker):
    intent = (trader, NOBODY, BTC, False, membership.wad(11), membership.wad(10_000))
    with ape.reverts(policy.MembershipRequired, account=trader, balance=0, requirement=membership.usd(200)):
        policy.previewContribution(intent)
    assert preview(membership, trader, 10).amount > 0
    membership.join(trader, 200)
    foreseen = preview(membership, trader, 11)
    membership.join(market_maker, 200)
    receipt = membership.trade(trader, market_maker, 11, 10_000)
    charged = {log["account"]: log["amount"] for log in events(receipt, "ContributionCharged")}
    assert charged[trader.address] == foreseen.amount, "membership makes nothing dearer or cheaper"


def test_who_is_below_the_requirement_may_reduce_and_pass_on(
    charging_system, governor, trader, market_maker, liquidator
):
    """Big positions that were there before anything was asked of them."""
    charging_system.trade(trader, market_maker, 50, 10_000)
    set_funding(charging_system, governor, **MEMBERSHIP)
    assert tuple(charging_system.guaranty.requirementOf(trader)) == (charging_system.usd(8_000),) * 2
    with reverts("MembershipRequired", account=trader, balance=0):
        charging_system.trade(trader, liquidator, "0.1", 10_000)
    charging_system.trade(liquidator, trader, 5, 10_000)  # passes risk on, to who may take it
    charging_system.trade(market_maker, trader, 10, 10_000)  # both reduce
    charging_system.trade(market_maker, trader, 35, 10_000)
    assert charging_system.size(trader) == 0


def test_through_zero_the_new_side_counts(membership, trader, market_maker):
    """Long 10, then short 11: the requirement is that of 11, and of 10 there is none."""
    membership.join(market_maker, 10_000)
    membership.trade(trader, market_maker, 10, 10_000)
    with reverts("MembershipRequired", account=trader, balance=0, requirement=membership.usd(200)):
        membership.trade(market_maker, trader, 21, 10_000)
    membership.trade(market_maker, trader, 20, 10_000)
    assert membership.size(trader) == -membership.wad(10)


def test_a_liquidator_is_asked_for_nothing(charging_system, governor, trader, market_maker, liquidator):
    """Whoever takes a position over saves the fund a loss; after that it adds nothing without membership."""
    charging_system.trade(trader, market_maker, 50, 10_000)
    set_funding(charging_system, governor, **MEMBERSHIP)
    charging_system.set_price(BTC, 8_200)
    charging_system.flag(trader)
    charging_system.liquidate(trader, liquidator)
    assert charging_system.size(liquidator) > charging_system.wad(13)
    charging_system.join(market_maker, 10_000)
    with reverts("MembershipRequired", account=liquidator, balance=0):
        charging_system.trade(liquidator, market_maker, "0.001", 8_200)


def test_a_withdrawal_is_asked_for_nothing(charging_system, governor, trader, market_maker):
    """Membership is for new risk; leverage pays for itself."""
    charging_system.trade(trader, market_maker, 20, 10_000)
    set_funding(charging_system, governor, **MEMBERSHIP)
    charging_system.vault.withdraw(charging_system.usd(1_000), trader, [], sender=trader)


# ----------------------------------------------------------- stop and the cap


def test_new_risk_stops_when_the_fund_is_low(charging_system, liquidator, market_maker, trader):
    # 70,000 cover a quarter of the target of 5,600,000 of open interest.
    charging_system.trade(liquidator, market_maker, 560, 10_000)
    with reverts("NewRiskStopped", coverage=249_955, stopBelow=250_000):
        charging_system.trade(trader, market_maker, "0.1", 10_000)
    assert charging_system.policy.coverage() == 250_000

    # Whoever holds risk can pass it on or give it up, and nobody is liquidated for it.
    receipt = charging_system.trade(trader, liquidator, 10, 10_000)
    assert [log["account"] for log in events(receipt, "ContributionCharged")] == [trader.address]
    charging_system.trade(market_maker, liquidator, 10, 10_000)
    with reverts("NothingToFlag"):
        charging_system.flag(liquidator)


def test_open_interest_is_capped_by_the_fund(charging_system, governor, trader, market_maker):
    set_funding(charging_system, governor, stop_below=0, cap_multiple=20 * MILLION)
    assert charging_system.policy.openInterestCap() == charging_system.usd(1_400_000)
    charging_system.trade(trader, market_maker, 140, 10_000)
    with reverts(
        "OpenInterestAboveFundCap",
        market=BTC,
        notional=charging_system.usd(1_401_000),
        cap=charging_system.usd(1_400_000),
    ):
        charging_system.trade(trader, market_maker, "0.1", 10_000)
    charging_system.contribute(trader, 50)
    charging_system.trade(trader, market_maker, "0.1", 10_000)


def test_a_market_may_have_the_floor_with_an_empty_fund(charging_system, governor):
    set_funding(charging_system, governor, cap_multiple=0)
    assert charging_system.policy.openInterestCap() == charging_system.usd(1_000_000)


# ---------------------------------------------------------------- withdrawals


def test_a_withdrawal_pays_for_the_leverage_it_adds(charging_system, trader, market_maker):
    charging_system.trade(trader, market_maker, 40, 10_000)
    equity, _, _, notional = charging_system.clearing_house.health(trader)
    levies = charging_system.vault.uncollected().levies
    cash, amount = charging_system.vault.cashOf(trader), charging_system.usd(70_000)
    receipt = charging_system.vault.withdraw(amount, trader, [], sender=trader)
    log = event(receipt, "LeverageCharged")
    leverage = -(-notional * MILLION // (equity - amount))
    rate = -(-300 * (leverage - 5 * MILLION) // (15 * MILLION))
    assert equity > notional // 5, "no leverage rate before"
    assert log == {"account": trader.address, "amount": -(-notional * rate // MILLION), "leverage": rate}
    assert charging_system.vault.cashOf(trader) == cash - amount - log["amount"]
    assert charging_system.vault.uncollected().levies == levies + log["amount"]


def test_a_withdrawal_that_adds_no_leverage_is_free(charging_system, trader, market_maker):
    charging_system.trade(trader, market_maker, 10, 10_000)
    receipt = charging_system.vault.withdraw(charging_system.usd(10_000), trader, [], sender=trader)
    assert events(receipt, "LeverageCharged") == []
    charging_system.deposit(trader, 10_000)
    receipt = charging_system.vault.withdraw(1, trader, [], sender=trader)
    assert events(receipt, "ContributionPaid") == []


def test_equity_after_the_contribution_meets_initial_margin(charging_system, trader, market_maker):
    charging_system.trade(trader, market_maker, 40, 10_000)
    equity, initial, _, notional = charging_system.clearing_house.health(trader)
    with reverts("InitialMarginNotMet", account=trader, equity=initial - notional * 300 // MILLION):
        charging_system.vault.withdraw(equity - initial, trader, [], sender=trader)


# ---------------------------------------------------------------- the premium


def test_open_interest_owes_the_fund_a_premium_each_hour(charging_system, trader, market_maker, keeper):
    charging_system.trade(trader, market_maker, 10, 10_000)
    house, vault, fund = charging_system.clearing_house, charging_system.vault, charging_system.fund
    charging_system.clearing_house.refresh(BTC, sender=keeper)
    before = [house.health(a)[0] for a in (trader, market_maker)]
    for _ in range(2):
        to_next_hour(charging_system)
    receipt = house.refresh(BTC, sender=keeper)
    # 1% a year of 100,000, for two hours, from each side: 0.228310...
    log = event(receipt, "PremiumCharged")
    per_unit = 10_000 * 10**18 * 10_000 * 2 // (MILLION * 8_760)
    assert log == {"market": BTC, "perUnit": per_unit, "amount": 2 * (10 * 10**18 * per_unit // 10**30)}
    assert log["amount"] == 2 * 228_310
    assert vault.claimsOf(fund, BTC) == log["amount"]
    after = [house.health(a)[0] for a in (trader, market_maker)]
    assert [b - a for a, b in zip(before, after, strict=True)] == [-228_311, -228_311]

    # The losers pay, then it is income like any other.
    house.settle([trader, market_maker], sender=keeper)
    collected = event(fund.collect(sender=keeper), "IncomeCollected")
    assert collected["premium"] == log["amount"]
    assert vault.claimsOf(fund, BTC) == vault.cashOf(fund) == 0
    assert vault.accounts(vault.accountCount() - 1, 1) == [fund.address]


def test_an_hour_is_charged_once(charging_system, trader, market_maker, keeper):
    charging_system.trade(trader, market_maker, 10, 10_000)
    to_next_hour(charging_system)
    assert len(events(charging_system.clearing_house.refresh(BTC, sender=keeper), "PremiumCharged")) == 1
    charging_system.set_price(BTC, 10_100)
    receipt = charging_system.clearing_house.refresh(BTC, sender=keeper)
    assert len(events(receipt, "MarketRefreshed")) == 1
    assert events(receipt, "PremiumCharged") == events(receipt, "MarketObserved") == []


def test_the_premium_rises_as_coverage_falls(charging_system, liquidator, market_maker, keeper):
    charging_system.trade(liquidator, market_maker, 200, 10_000)
    to_next_hour(charging_system)
    log = event(charging_system.clearing_house.refresh(BTC, sender=keeper), "MarketObserved")
    assert log == {
        "market": BTC,
        "notional": charging_system.usd(2_000_000),
        "coverage": 700_000,
        "premiumRate": 46_000,
    }


def test_a_closed_market_is_at_risk_no_more(
    charging_system, policy, governor, deployer, trader, market_maker, keeper
):
    charging_system.trade(trader, market_maker, 10, 10_000)
    to_next_hour(charging_system)
    charging_system.clearing_house.refresh(BTC, sender=keeper)
    charging_system.feeds[BTC].setMode(1, sender=deployer)
    charging_system.wait(DAY)
    receipt = charging_system.clearing_house.closeMarket(BTC, charging_system.wad(10_000), sender=governor)
    assert event(receipt, "MarketObserved")["notional"] == 0
    assert policy.observed(BTC) == (0, 0)


def test_the_treasury_gets_what_the_policy_leaves(charging_system, trader, market_maker, keeper):
    charging_system.trade(trader, market_maker, 140, 10_000)  # fees of 980, coverage of 1
    log = event(charging_system.fund.collect(sender=keeper), "IncomeCollected")
    assert (log["fees"], log["treasury"]) == (charging_system.usd(980), charging_system.usd(196))
    assert charging_system.token.balanceOf(charging_system.actors["treasury"]) == charging_system.usd(196)


# -------------------------------------------------------------------- posting


@pytest.fixture
def at_risk(charging_system, trader, market_maker):
    """1,000,000 of open interest: the formula's target is 50,000."""
    charging_system.trade(trader, market_maker, 100, 10_000)
    return charging_system


def test_a_posted_target_counts_where_it_is_larger(at_risk, policy, poster, evidence):
    receipt = policy.postTarget(at_risk.usd(60_000), evidence(), sender=poster)
    inputs, outputs, block = evidence(receipt.block_number - 1)
    assert event(receipt, "TargetPosted")["target"] == at_risk.usd(60_000)
    assert tuple(event(receipt, "TargetPosted")["evidence"]) == (inputs, outputs, block)
    assert policy.target() == at_risk.usd(60_000)
    assert policy.postedTarget()[2] is True
    policy.postTarget(at_risk.usd(45_000), evidence(), sender=poster)
    assert policy.target() == at_risk.usd(50_000), "never below the formula"


def test_a_posted_target_moves_by_bounded_steps(at_risk, policy, poster, evidence):
    limits = {"min": at_risk.usd(37_500), "max": at_risk.usd(62_500)}
    for wrong in (62_500 * MILLION + 1, 37_500 * MILLION - 1):
        with reverts("TargetStepTooLarge", target=wrong, **limits):
            policy.postTarget(wrong, evidence(), sender=poster)
    policy.postTarget(limits["max"], evidence(), sender=poster)
    with reverts("TargetStepTooLarge", **limits):  # the same day's anchor
        policy.postTarget(limits["max"] + 1, evidence(), sender=poster)
    at_risk.wait(DAY)
    policy.postTarget(limits["max"] * 5 // 4, evidence(), sender=poster)


def test_a_hostile_poster_stays_below_the_bound(at_risk, policy, poster, evidence):
    for _ in range(8):
        top = policy.target()
        posted, _, fresh = policy.postedTarget()
        policy.postTarget(max(posted if fresh else 0, top) * 5 // 4, evidence(), sender=poster)
        at_risk.wait(DAY)
    assert policy.postedTarget()[0] > at_risk.usd(200_000)
    assert policy.target() == at_risk.usd(200_000)  # 20% of open interest


def test_a_stale_target_leaves_the_formula(at_risk, policy, poster, evidence):
    policy.postTarget(at_risk.usd(60_000), evidence(), sender=poster)
    at_risk.wait(2 * DAY)
    assert policy.target() == at_risk.usd(50_000)
    assert policy.postedTarget()[2] is False


def test_evidence_is_of_the_past_and_in_order(at_risk, policy, poster, evidence):
    head = ape.chain.blocks.head.number
    with reverts("EvidenceOutOfOrder", blockNumber=head + 9, min=0):
        policy.postTarget(at_risk.usd(50_000), evidence(head + 9), sender=poster)
    policy.postTarget(at_risk.usd(50_000), evidence(head), sender=poster)
    policy.postTiers([poster], [2], evidence(head - 1), sender=poster)  # an order of its own
    with reverts("EvidenceOutOfOrder", blockNumber=head - 1, min=head):
        policy.postTarget(at_risk.usd(50_000), evidence(head - 1), sender=poster)


def test_tiers_move_by_one_a_day_from_the_middle(charging_system, policy, poster, trader, attacker, evidence):
    assert policy.tierOf(trader) == (2, 0)
    for wrong in (0, 4, 5):
        with reverts("TierOutOfBounds", account=trader, tier=wrong, min=1, max=3):
            policy.postTiers([trader], [wrong], evidence(), sender=poster)
    receipt = policy.postTiers([trader, attacker], [1, 3], evidence(), sender=poster)
    assert [(log["account"], log["tier"]) for log in events(receipt, "TierPosted")] == [
        (trader.address, 1),
        (attacker.address, 3),
    ]
    assert event(receipt, "TiersPosted")["count"] == 2
    assert (policy.tierOf(trader).tier, policy.tierOf(attacker).tier) == (1, 3)
    with reverts("TierTooSoon", account=trader):
        policy.postTiers([trader], [0], evidence(), sender=poster)
    policy.postTiers([trader], [1], evidence(), sender=poster)  # renews it
    charging_system.wait(DAY)
    policy.postTiers([attacker], [4], evidence(), sender=poster)
    with reverts("TierOutOfBounds", tier=5, min=3, max=4):
        policy.postTiers([attacker], [5], evidence(), sender=poster)


def test_a_stale_tier_is_the_middle_one(charging_system, policy, poster, trader, evidence):
    policy.postTiers([trader], [3], evidence(), sender=poster)
    charging_system.wait(30 * DAY)
    assert policy.tierOf(trader) == (2, 0)
    with reverts("TierOutOfBounds", min=1, max=3):
        policy.postTiers([trader], [4], evidence(), sender=poster)


def test_accounts_and_tiers_come_in_pairs(policy, poster, trader, evidence):
    with reverts("LengthMismatch", accounts=1, tiers=2):
        policy.postTiers([trader], [1, 2], evidence(), sender=poster)


@pytest.mark.parametrize("role", ["governor", "guardian", "keeper", "deployer"])
def test_only_the_poster_posts(policy, actors, role, evidence):
    with reverts("AccessManagedUnauthorized"):
        policy.postTarget(1, evidence(), sender=actors[role])
    with reverts("AccessManagedUnauthorized"):
        policy.postTiers([], [], evidence(), sender=actors[role])


@pytest.mark.parametrize("role", ["governor", "poster", "keeper"])
def test_only_the_clearing_house_is_answered(policy, actors, role):
    risk = (NOBODY, BTC, True, 1, 1, 1, 1, 1, 1)
    for call, arguments in (
        (policy.admit, (risk,)),
        (policy.admitWithdrawal, (NOBODY, 1, 1, 1)),
        (policy.observe, (BTC, 1)),
    ):
        with reverts("OnlyClearingHouse"):
            call(*arguments, sender=actors[role])


# ----------------------------------------------------------------- parameters


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("targetRatio", 0, 200_000),
        ("maxTargetRatio", 50_000, MILLION),
        ("shareMin", 500_000, 800_000),
        ("shareMax", 800_000, MILLION),
        ("shareAtTarget", 500_000, MILLION),
        ("shareSlope", 0, 10 * MILLION),
        ("premiumMax", 10_000, 500_000),
        ("premiumMin", 0, 100_000),
        ("stressFrom", 250_000, 5 * MILLION),
        ("stopBelow", 0, MILLION),
        ("maxScarcity", 0, 20_000),
        ("maxConcentration", 0, 20_000),
        ("maxLeverage", 0, 20_000),
        ("concentrationFrom", 0, MILLION - 1),
        ("leverageTo", 5 * MILLION + 1, 1_000 * MILLION),
        ("targetLifetime", HOUR, 30 * DAY),
        ("tierLifetime", DAY, 365 * DAY),
        ("maxStep", 10_000, MILLION),
        ("memberThreshold", 0, 2**96 - 1),
        ("memberRatio", 0, 200_000),
        ("memberStep", 0, 50_000),
    ],
)
def test_parameters_have_hard_bounds(policy, governor, name, low, high):
    values = funding_struct(FUNDING, 6)
    for good in (low, high):
        receipt = policy.setParameters(values | {name: good}, sender=governor)
        assert good in tuple(event(receipt, "ParametersSet")["parameters"])
        assert getattr(policy.parameters(), name) == good
    for bad in (low - 1, high + 1):
        if 0 <= bad < 2**96:
            with reverts("ParameterOutOfBounds"):
                policy.setParameters(values | {name: bad}, sender=governor)


@pytest.mark.parametrize("rates", [(0, 0, 0, 0, 20_001), (5, 4, 4, 4, 4), (0, 1, 2, 3, 2)])
def test_tier_rates_rise_within_bounds(policy, governor, rates):
    with reverts("ParameterOutOfBounds", name=b"tierRates".ljust(32, b"\0")):
        policy.setParameters(funding_struct(FUNDING, 6) | {"tierRates": rates}, sender=governor)


def test_parameters_are_read_as_they_were_set(policy):
    shown = policy.parameters()
    for name, value in funding_struct(FUNDING, 6).items():
        found = getattr(shown, name)
        assert (list(found) if name == "tierRates" else found) == value


@pytest.mark.parametrize("missing", ["vault", "clearing house", "fund", "guaranty"])
def test_wiring_is_complete(charging_system, deployer, missing):
    wiring = {
        "vault": charging_system.vault.address,
        "clearing house": charging_system.clearing_house.address,
        "fund": charging_system.fund.address,
        "guaranty": charging_system.guaranty.address,
    }
    with reverts("ZeroAddress"):
        deployer.deploy(
            ape.project.FundingPolicy,
            charging_system.authority,
            *(wiring | {missing: NOBODY}).values(),
            funding_struct(FUNDING, 6),
        )
