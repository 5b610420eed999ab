"""Who has pledged defaults on what its collateral does not count for; what that brings beyond goes back.

At a haircut of 50% the trader's 10,000 USDX count for 5,000. It is long 5 BTC at 10,000, and its cash pays
1,000 of what it loses. The fund has 10,000 of skin, 20,000 of junior, 40,000 of senior.
"""

import pytest

from tests.expect import event, events, reverts
from tests.unit.collateral.moves import (
    BTC,
    DURATION,
    ETH,
    LIVE,
    ONE_USDX,
    REVERTING,
    USDX,
    buy,
    cash,
    fund_buyer,
    held,
    list_asset,
    pledge_share,
    ruin,
    set_asset,
    start_sale,
)


@pytest.fixture
def half(pledged_system, stranger):
    """Half of what is pledged counts; the stranger has 20,000 to spend on it."""
    set_asset(pledged_system, USDX, pledged_system.assets["USDX"], haircut=500_000)
    fund_buyer(pledged_system, stranger, 20_000)
    return pledged_system


@pytest.fixture
def defaulted(half, trader):
    """At 8,600 it has lost 7,000: of 6,000 it can't pay 1,000; the other 5,000 are covered and stay owed."""
    ruin(half, trader, 8_600)
    return half


def record(system, number):
    """Shortfall, and what skin and junior paid of it."""
    found = system.default_record(number)
    return found["shortfall"], found["skin"], found["junior"]


# ---- what is resolved, and what waits


def test_the_haircut_is_counted_as_lost(half, trader):
    receipt = ruin(half, trader, 8_600)
    assert record(half, 1) == (half.usd(1_000), half.usd(1_000), 0)
    assert event(receipt, "DefaultNoted") == {"account": trader, "id": 1}
    assert half.vault.debtOf(trader, BTC) == half.usd(5_000)
    assert half.vault.net(trader) == 0
    assert held(half, trader) == [10_000 * ONE_USDX]
    assert list(half.collateral.defaultsOf(trader)) == [1]
    assert half.collateral.openDefaultOf(trader) == 1
    # Debts first.
    assert half.collateral.dueOf(trader) == (half.usd(5_000), 0)


def test_a_covered_debt_waits(half, trader):
    """At 8,800 it owes 5,000, and 5,000 count."""
    receipt = ruin(half, trader, 8_800)
    assert events(receipt, "Defaulted") == events(receipt, "DefaultNoted") == []
    half.settle(trader)
    assert half.fund.defaultCount() == 0
    assert half.vault.debtOf(trader, BTC) == half.usd(5_000)


def test_a_covered_debt_is_resolved_when_the_collateral_depegs(half, trader, keeper):
    """At 0.9 it counts for 4,500 of the 5,000 owed; at 0.8 for 4,000."""
    ruin(half, trader, 8_800)
    half.set_asset_price("USDX", "0.9")
    receipt = half.collateral.startSale(trader, sender=keeper)
    assert event(receipt, "DefaultNoted") == {"account": trader, "id": 1}
    assert record(half, 1)[0] == half.usd(500)
    assert half.vault.debtOf(trader, BTC) == half.usd(4_500)
    half.set_asset_price("USDX", "0.8")
    half.settle(trader)
    assert record(half, 2)[0] == half.usd(500)
    assert list(half.collateral.defaultsOf(trader)) == [1, 2]
    # What has come back of its worth does not make the default undone.
    half.set_asset_price("USDX", 1)
    half.settle(trader)
    assert half.vault.debtOf(trader, BTC) == half.usd(4_000)
    assert half.vault.net(trader) == half.usd(1_000)


def test_without_a_price_the_whole_debt_is_resolved(half, trader, stranger, deployer):
    """And what the collateral brings when it has one again goes back."""
    ruin(half, trader, 8_800)
    half.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    half.settle(trader)
    assert record(half, 1)[0] == half.usd(5_000)
    assert not half.vault.inDebt(trader)
    assert half.collateral.dueOf(trader) == (half.usd(5_000), 1)
    half.asset_feeds["USDX"].setMode(LIVE, sender=deployer)
    buy(half, trader, stranger, at=start_sale(half, trader) + DURATION)
    assert half.fund.recovered(1) == (half.usd(5_000), 0)


def test_who_has_pledged_nothing_has_nothing_noted(pledged_system, market_maker, attacker):
    system = pledged_system
    system.deposit(attacker, 505)
    system.trade(attacker, market_maker, 1, 10_000)
    receipt = ruin(system, attacker, 9_300)
    assert event(receipt, "Defaulted")["account"] == attacker
    assert events(receipt, "DefaultNoted") == []
    assert list(system.collateral.defaultsOf(attacker)) == []
    # Nor is it in the way of what it pledges later.
    system.pledge(attacker, "USDX", 1)
    assert system.collateral.openDefaultOf(attacker) == 0
    system.collateral.withdraw(USDX, ONE_USDX, attacker, [], sender=attacker)


# ---- what is refused meanwhile


def test_who_has_an_open_default_is_refused_what_a_debtor_is(defaulted, trader, market_maker):
    """With its debts paid it has 100 in cash and 10,000 USDX, and stays put until the fund has its 1,000."""
    system = defaulted
    system.deposit(trader, 5_100)
    assert (cash(system, trader), system.vault.inDebt(trader)) == ([system.usd(100)], False)
    with reverts("OpenDefault", account=trader, id=1):
        system.collateral.withdraw(USDX, 1, trader, [], sender=trader)
    with reverts("OpenDefault", account=trader, id=1):
        system.vault.withdraw(1, trader, [], sender=trader)
    with reverts("OpenDefault", account=trader, id=1):
        system.trade(trader, market_maker, "0.1", 8_600)
    with reverts("OpenDefault", account=trader, id=1):
        system.trade(market_maker, trader, "0.1", 8_600)


def test_a_debt_is_named_before_a_default(defaulted, trader, market_maker):
    with reverts("AccountInDebt", account=trader):
        defaulted.trade(trader, market_maker, "0.1", 8_600)


def test_anyone_may_pay_for_it(defaulted, trader, keeper):
    """Then it is free."""
    system = defaulted
    system.deposit(trader, 5_000)
    system.mint(keeper, 1_000)
    system.token.approve(system.fund, system.usd(1_000), sender=keeper)
    system.fund.recover(1, system.usd(999), sender=keeper)
    with reverts("OpenDefault", account=trader, id=1):
        system.collateral.withdraw(USDX, 1, trader, [], sender=trader)
    system.fund.recover(1, system.usd(1), sender=keeper)
    assert (system.collateral.openDefaultOf(trader), system.collateral.dueOf(trader)) == (0, (0, 0))
    system.collateral.withdraw(USDX, 10_000 * ONE_USDX, trader, [], sender=trader)


def test_a_default_that_only_winners_bore_is_not_open(half, trader, market_maker):
    """Its 1,000 are written off the claims of the market maker, settled before, and nobody is paid back."""
    system = half
    system.fund.setMarketCover(BTC, 0, 1_000_000, sender=system.actors["governor"])
    system.set_price(BTC, 8_600)
    system.flag(trader)
    system.pass_auction()
    receipt = system.deleverage(trader, [market_maker])
    assert event(receipt, "DefaultNoted") == {"account": trader, "id": 1}
    assert system.default_record(1)["coinsurance"] == system.usd(1_000)
    assert system.collateral.openDefaultOf(trader) == 0
    system.deposit(trader, 5_000)
    system.collateral.withdraw(USDX, 10_000 * ONE_USDX, trader, [], sender=trader)


def test_a_withdrawal_finds_the_default_that_it_settles(half, trader, deployer):
    """Its debt of 5,000 was covered; without a price it is resolved on the way out, which then is barred."""
    system = half
    ruin(system, trader, 8_800)
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    assert (system.fund.defaultCount(), system.collateral.valueOf(trader)) == (0, 0)
    with reverts("OpenDefault", account=trader, id=1):
        system.collateral.withdraw(USDX, 10_000 * ONE_USDX, trader, [], sender=trader)
    assert held(system, trader) == [10_000 * ONE_USDX]


def test_who_has_an_open_default_buys_no_collateral_of_others(
    defaulted, trader, market_maker, other_trader, liquidator
):
    system = defaulted
    system.deposit(trader, 10_000)
    system.deposit(other_trader, 110)
    system.pledge(other_trader, "USDX", 1_000)
    system.trade(other_trader, market_maker, 1, 8_600)
    system.set_price(BTC, 8_200)
    system.flag(other_trader)
    with reverts("OpenDefault", account=trader, id=1):
        system.liquidate(other_trader, trader)
    system.liquidate(other_trader, liquidator)


def test_who_has_an_open_default_takes_over_no_position(
    defaulted, trader, market_maker, other_trader, liquidator
):
    """Not even of who has pledged nothing: what a sale is to take would be margin, and be lost with it."""
    system = defaulted
    system.deposit(trader, 5_000)
    system.deposit(other_trader, 4_350)
    system.trade(other_trader, market_maker, 10, 8_600)
    system.set_price(BTC, 8_400)
    system.flag(other_trader)
    with reverts("OpenDefault", account=trader, id=1):
        system.liquidate(other_trader, trader, "0.5")
    system.liquidate(other_trader, liquidator, "0.5")


# ---- the sale


def test_debts_are_paid_first_then_those_who_bore_it_then_the_owner_is_free(defaulted, trader, stranger):
    """5,000 for the debts, 1,000 for skin; 4,000 USDX less 26 or so of discount stay."""
    system = defaulted
    skin = system.fund.skin().held
    start = start_sale(system, trader)
    receipt = buy(system, trader, stranger, at=start + 36)  # at 0.999
    log = event(receipt, "Sold")
    first = -(-5_000 * ONE_USDX * 1_000 // 999)
    assert (log["id"], log["amount"], log["cost"]) == (0, first, system.usd(5_000) + 1)
    assert cash(system, trader) == [1]
    assert system.collateral.dueOf(trader) == (system.usd(1_000), 1)
    assert system.fund.skin().held == skin

    receipt = buy(system, trader, stranger, at=start + 900)  # at 0.975
    log = event(receipt, "Sold")
    second = -(-1_000 * ONE_USDX * 1_000 // 975)
    assert (log["id"], log["amount"], log["cost"]) == (1, second, system.usd(1_000) + 1)
    assert event(receipt, "Recovered")["id"] == 1
    assert system.fund.recovered(1) == (system.usd(1_000), 0)
    assert system.fund.skin().held == skin + system.usd(1_000)
    assert cash(system, trader) == [2]

    with reverts("NothingToSell", account=trader):
        buy(system, trader, stranger)
    rest = 10_000 * ONE_USDX - first - second
    assert held(system, trader) == [rest]
    system.collateral.withdraw(USDX, rest, trader, [], sender=trader)
    system.vault.withdraw(2, trader, [], sender=trader)


def test_a_part_of_it_is_a_part_of_the_recovery(defaulted, trader, stranger):
    system = defaulted
    system.deposit(trader, 5_000)
    start = start_sale(system, trader)
    receipt = buy(system, trader, stranger, 100 * ONE_USDX, at=start + DURATION)
    assert (event(receipt, "Sold")["cost"], event(receipt, "Sold")["id"]) == (system.usd(95), 1)
    assert system.fund.recovered(1) == (system.usd(95), system.usd(905))
    assert system.collateral.dueOf(trader) == (system.usd(905), 1)


def test_what_is_left_over_is_the_account_s(defaulted, project, deployer, trader, stranger):
    """1,000 / 0.95 of a token without decimals: 1,053 for 1,000.35."""
    system = defaulted
    system.deposit(trader, 5_000)
    token = deployer.deploy(project.TestToken, "Whole", "WHL", 0)
    list_asset(system, 2, token)
    token.mint(trader, 2_000, sender=trader)
    token.approve(system.collateral, 2_000, sender=trader)
    system.collateral.deposit(2, 2_000, sender=trader)
    start = start_sale(system, trader)
    receipt = buy(system, trader, stranger, asset=2, at=start + DURATION)
    log = event(receipt, "Sold")
    assert (log["amount"], log["cost"], log["id"]) == (1_053, system.usd("1000.35"), 1)
    assert system.fund.recovered(1) == (system.usd(1_000), 0)
    assert cash(system, trader) == [system.usd("0.35")]
    assert system.token.balanceOf(system.collateral) == 0


def test_it_goes_back_in_the_reverse_order_of_the_loss(half, trader, stranger):
    """At 6,200 it has lost 19,000: 13,000 beyond, of which skin paid 10,000 and junior 3,000.

    10,000 USDX bring 5,000 for the debts and 5,000 at par: 3,000 for junior, 2,000 for skin.
    """
    system = half
    ruin(system, trader, 6_200)
    assert record(system, 1) == (system.usd(13_000), system.usd(10_000), system.usd(3_000))
    junior = system.junior.totalAssets()
    start = start_sale(system, trader)
    buy(system, trader, stranger, at=start + 1)
    receipt = buy(system, trader, stranger, at=start + 2)
    back = event(receipt, "Recovered")["recovery"]
    paid = event(receipt, "Sold")["cost"]
    assert back == [0, 0, system.usd(3_000), paid - system.usd(3_000), 0]  # junior, then skin
    assert system.usd(4_999) < paid < system.usd(5_000)
    assert system.junior.totalAssets() == junior + system.usd(3_000)
    assert (held(system, trader), system.collateral.assetsOf(trader)) == ([0], 0)
    # With nothing pledged any more it is as free as others whose default was not paid back.
    assert system.fund.recovered(1)[1] == system.usd(13_000) - paid
    system.deposit(trader, 10)
    system.vault.withdraw(system.usd(10), trader, [], sender=trader)


def test_who_pledges_again_pays_for_its_old_default(half, trader, stranger):
    """Once all its collateral is sold its default is still open; what it pledges then is held for it."""
    system = half
    ruin(system, trader, 6_200)
    start = start_sale(system, trader)
    for elapsed in (1, 2):
        buy(system, trader, stranger, at=start + elapsed)
    assert system.collateral.assetsOf(trader) == 0
    system.pledge(trader, "USDX", 10)
    assert system.collateral.openDefaultOf(trader) == 1
    with reverts("OpenDefault", account=trader, id=1):
        system.collateral.withdraw(USDX, ONE_USDX, trader, [], sender=trader)
    receipt = buy(system, trader, stranger, at=start + DURATION)
    assert (event(receipt, "Sold")["amount"], event(receipt, "Sold")["id"]) == (10 * ONE_USDX, 1)


def test_a_members_own_contribution_comes_back_last(half, trader, other_staker, stranger):
    """Of 1,300 beyond, 300 were its own: the first 1,000 are skin's."""
    system = half
    system.join(trader, 300)
    system.join(other_staker, 100)
    ruin(system, trader, 8_540)
    assert system.default_record(1)["own"] == system.usd(300)
    assert record(system, 1)[:2] == (system.usd(1_300), system.usd(1_000))
    system.deposit(trader, 5_000)
    start = start_sale(system, trader)
    buy(system, trader, stranger, 1_000 * ONE_USDX, at=start + DURATION)
    assert system.guaranty.balanceOf(trader) == 0
    buy(system, trader, stranger, at=start + DURATION + 1)
    assert system.guaranty.balanceOf(trader) == system.usd(300)
    assert system.collateral.openDefaultOf(trader) == 0


# ---- several


@pytest.fixture
def twice(half, trader, market_maker):
    """Long 40 ETH as well: it loses 7,000 in BTC and 4,000 in ETH, has 990 in cash, and 5,000 count.

    Of what it owes, 6,010 in BTC and 4,000 in ETH, 5,010 are beyond: all from BTC.
    """
    half.trade(trader, market_maker, 40, 500, market=ETH)
    half.set_price(ETH, 400)
    return half


def test_several_defaults_are_paid_one_after_the_other(twice, trader, stranger, deployer):
    """Then the price fails for a while, and what it still owes is resolved: 1,000 in BTC, 4,000 in ETH."""
    system = twice
    ruin(system, trader, 8_600)
    assert record(system, 1)[0] == system.usd(5_010)
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    receipt = system.settle(trader)
    assert [log["id"] for log in events(receipt, "DefaultNoted")] == [2, 3]
    assert list(system.collateral.defaultsOf(trader)) == [1, 2, 3]
    assert [record(system, i)[0] for i in (1, 2, 3)] == [system.usd(x) for x in (5_010, 1_000, 4_000)]
    system.asset_feeds["USDX"].setMode(LIVE, sender=deployer)

    start = start_sale(system, trader)
    sold = []
    for elapsed in (DURATION, DURATION + 1, DURATION + 2):
        log = event(buy(system, trader, stranger, at=start + elapsed), "Sold")
        sold.append((log["id"], log["cost"]))
    # 10,000 USDX bring 9,500: 5,010 and 1,000, each with a unit of rounding, and 3,490 of 4,000.
    assert sold == [(1, system.usd(5_010) + 1), (2, system.usd(1_000) + 1), (3, system.usd(3_490))]
    assert system.collateral.openDefaultOf(trader) == 3
    assert [system.fund.recovered(i)[1] == 0 for i in (1, 2, 3)] == [True, True, False]


def test_one_that_others_have_paid_is_passed_by(twice, trader, stranger, keeper, deployer):
    system = twice
    ruin(system, trader, 8_600)
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    system.settle(trader)
    system.asset_feeds["USDX"].setMode(LIVE, sender=deployer)
    system.mint(keeper, 10_000)
    system.token.approve(system.fund, system.usd(10_000), sender=keeper)
    system.fund.recover(1, system.usd(5_010), sender=keeper)
    assert system.collateral.dueOf(trader) == (system.usd(1_000), 2)
    # The last one first: the one between is still due.
    system.fund.recover(3, system.usd(4_000), sender=keeper)
    start = start_sale(system, trader)
    receipt = buy(system, trader, stranger, at=start + DURATION)
    assert event(receipt, "Sold")["id"] == 2
    assert (system.collateral.openDefaultOf(trader), system.collateral.dueOf(trader)) == (0, (0, 0))
    system.collateral.withdraw(USDX, ONE_USDX, trader, [], sender=trader)
    assert list(system.collateral.defaultsOf(trader)) == [1, 2, 3]


def test_a_running_sale_serves_what_comes_next(defaulted, trader, stranger, market_maker):
    """Its default paid, it trades and owes again; the auction, still running, goes on at its price."""
    system = defaulted
    start = start_sale(system, trader)
    buy(system, trader, stranger, at=start + 1)
    buy(system, trader, stranger, at=start + 2)
    system.deposit(trader, 100)
    system.trade(trader, market_maker, 1, 8_600)
    system.set_price(BTC, 8_400)
    system.settle(trader)
    due, number = system.collateral.dueOf(trader)
    assert (number, due > system.usd(100)) == (0, True)
    receipt = buy(system, trader, stranger, 10 * ONE_USDX, at=start + DURATION)
    assert (event(receipt, "Sold")["cost"], event(receipt, "Sold")["id"]) == (system.usd("9.5"), 0)


def test_a_default_of_whom_no_price_was_left_is_paid_when_it_is_back(
    pledged_system, trader, liquidator, stranger, deployer
):
    """A liquidation took the 200 SAVE and left the USDX, which had no price; 7,804 were resolved."""
    system = pledged_system
    pledge_share(system, trader, 200)
    fund_buyer(system, stranger, 20_000)
    system.set_price(BTC, 8_200)
    system.flag(trader)
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    system.liquidate(trader, liquidator)
    assert record(system, 1)[0] == system.usd(7_804)
    system.asset_feeds["USDX"].setMode(LIVE, sender=deployer)
    assert system.collateral.dueOf(trader) == (system.usd(7_804), 1)
    receipt = buy(system, trader, stranger, at=start_sale(system, trader) + DURATION)
    assert event(receipt, "Sold")["amount"] == -(-7_804 * ONE_USDX * 100 // 95)
    assert system.fund.recovered(1) == (system.usd(7_804), 0)
