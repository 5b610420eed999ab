"""An account whose cash is spent while its collateral is not: anyone buys just enough of it.

At 9,500 the trader owes 1,500; 10,000 USDX are its collateral.
"""

import pytest

from tests.expect import ZERO_ADDRESS, event, events, reverts
from tests.unit.collateral.moves import (
    ANY,
    BTC,
    DURATION,
    ETH,
    LIVE,
    ONE_SAVE,
    ONE_USDX,
    REVERTING,
    SAVE,
    USDX,
    buy,
    cash,
    fund_buyer,
    held,
    list_asset,
    pledge_share,
    ruin,
    start_sale,
)


@pytest.fixture
def owing(pledged_system):
    """The price has come; nothing is settled yet."""
    pledged_system.set_price(BTC, 9_500)
    return pledged_system


@pytest.fixture
def selling(owing, trader, stranger):
    """When it started; the stranger has 20,000 to spend."""
    fund_buyer(owing, stranger, 20_000)
    return start_sale(owing, trader)


def ceil_div(a, b):
    return -(-a // b)


def spent(system, buyer):
    return system.usd(20_000) - system.token.balanceOf(buyer)


# ---- its start


def test_anyone_starts_it_once_the_account_owes(owing, trader, keeper):
    """It is settled first: nobody has told it before what it has lost."""
    system, collateral = owing, owing.collateral
    assert collateral.dueOf(trader) == (0, 0)
    receipt = collateral.startSale(trader, sender=keeper)
    start = receipt.timestamp
    assert event(receipt, "SaleStarted") == {"account": trader, "endsAt": start + 3_600}
    assert collateral.saleOf(trader) == (start, start + 3_600)
    assert collateral.dueOf(trader) == (system.usd(1_500), 0)
    assert held(system, trader) == [10_000 * ONE_USDX]


def test_its_owner_may_start_it(owing, trader):
    owing.collateral.startSale(trader, sender=trader)
    assert owing.collateral.saleOf(trader)[0] != 0


def test_who_owes_nothing_is_not_sold(pledged_system, trader, keeper):
    pledged_system.set_price(BTC, 9_800)
    with reverts("NothingToSell", account=trader):
        pledged_system.collateral.startSale(trader, sender=keeper)


def test_who_has_earned_it_back_is_not_sold(owing, trader, keeper):
    system = owing
    system.settle(trader)
    assert system.vault.inDebt(trader)
    system.set_price(BTC, 9_900)
    with reverts("NothingToSell", account=trader):
        system.collateral.startSale(trader, sender=keeper)


def test_who_has_pledged_nothing_is_not_sold(pledged_system, market_maker, attacker, keeper):
    """Long 1 BTC with 500, it owes 200 at 9,300; the position is still open."""
    system = pledged_system
    system.deposit(attacker, 505)
    system.trade(attacker, market_maker, 1, 10_000)
    system.set_price(BTC, 9_300)
    with reverts("NothingToSell", account=attacker):
        system.collateral.startSale(attacker, sender=keeper)
    system.settle(attacker)
    assert system.collateral.dueOf(attacker) == (system.usd(200), 0)


def test_a_running_one_is_not_started_again(owing, trader, keeper, chain):
    """Not before its last second is over; then the price starts at par again."""
    system = owing
    start = start_sale(system, trader)
    chain.mine(timestamp=start + 3_500)
    system.renew_prices()
    with chain.isolate():
        chain.pending_timestamp = start + 3_599
        assert chain.pending_timestamp == start + 3_599
        with reverts("SaleRunning", account=trader, endsAt=start + 3_600):
            system.collateral.startSale(trader, sender=keeper)
    chain.pending_timestamp = start + 3_600
    assert start_sale(system, trader) == start + 3_600
    assert system.collateral.saleOf(trader) == (start + 3_600, start + 7_200)


# ---- its price


@pytest.mark.parametrize(
    ("elapsed", "off"),
    [(1, 27), (36, 1_000), (900, 25_000), (1_800, 50_000), (1_801, 50_000), (3_599, 50_000)],
)
def test_the_price_falls_to_the_discount_and_stays(owing, selling, trader, stranger, elapsed, off):
    """5% in half an hour. What is bought is the least that pays 1,500; a unit may be left over."""
    system = owing
    receipt = buy(system, trader, stranger, at=selling + elapsed)
    bought = ceil_div(1_500 * ONE_USDX * 1_000_000, 1_000_000 - off)
    cost = event(receipt, "Sold")["cost"]
    assert event(receipt, "Sold") == {
        "account": trader,
        "buyer": stranger,
        "asset": USDX,
        "amount": bought,
        "cost": cost,
        "id": 0,
    }
    assert cost == spent(system, stranger)
    assert cost - system.usd(1_500) in (0, 1)
    assert system.assets["USDX"].balanceOf(stranger) == bought
    assert held(system, trader) == [10_000 * ONE_USDX - bought]
    assert not system.vault.inDebt(trader)
    assert cash(system, trader) == [cost - system.usd(1_500)]


def test_by_hand(owing, selling, trader, stranger):
    """At half the way a dollar costs 0.975: 1,538.461538461538461539 of them pay 1,500."""
    receipt = buy(owing, trader, stranger, at=selling + 900)
    log = event(receipt, "Sold")
    assert log["amount"] == 1_538_461_538_461_538_461_539
    assert log["cost"] == owing.usd(1_500) + 1


def test_the_price_is_of_what_the_asset_is_worth(owing, selling, trader, stranger):
    """At 0.96, and 0.95 of that, 0.912."""
    owing.set_asset_price("USDX", "0.96")
    receipt = buy(owing, trader, stranger, 1_000 * ONE_USDX, at=selling + DURATION)
    log = event(receipt, "Sold")
    assert (log["amount"], log["cost"]) == (1_000 * ONE_USDX, owing.usd(912))


def test_nobody_pays_more_than_a_dollar(owing, selling, trader, stranger):
    owing.set_asset_price("USDX", "1.2")
    receipt = buy(owing, trader, stranger, 1_000 * ONE_USDX, at=selling + DURATION)
    assert event(receipt, "Sold")["cost"] == owing.usd(950)


def test_after_its_end_nothing_is_sold(owing, selling, trader, stranger, chain):
    with chain.isolate():
        chain.pending_timestamp = selling + 3_600
        with reverts("SaleNotRunning", account=trader):
            owing.collateral.buy(trader, USDX, ANY, stranger, ANY, sender=stranger)
    buy(owing, trader, stranger, at=selling + 3_599)


def test_without_a_start_nothing_is_sold(owing, trader, stranger):
    owing.settle(trader)
    fund_buyer(owing, stranger, 2_000)
    with reverts("SaleNotRunning", account=trader):
        buy(owing, trader, stranger)


def test_a_new_start_is_a_new_price(owing, selling, trader, stranger, chain):
    chain.mine(timestamp=selling + 3_600)
    owing.renew_prices()
    again = start_sale(owing, trader)
    receipt = buy(owing, trader, stranger, 100 * ONE_USDX, at=again + 36)
    assert event(receipt, "Sold")["cost"] == owing.usd("99.9")


# ---- how much


def test_a_part_leaves_the_rest_owed(owing, selling, trader, stranger):
    """100 USDX for 95."""
    system = owing
    receipt = buy(system, trader, stranger, 100 * ONE_USDX, at=selling + DURATION)
    assert (event(receipt, "Sold")["amount"], spent(system, stranger)) == (100 * ONE_USDX, system.usd(95))
    assert system.vault.debtOf(trader, BTC) == system.usd(1_405)
    assert system.collateral.dueOf(trader) == (system.usd(1_405), 0)
    pool = system.vault.marketLedger(BTC).pool
    receipt = buy(system, trader, stranger, at=selling + DURATION + 1)
    assert system.vault.marketLedger(BTC).pool == pool + system.usd(1_405)
    assert event(receipt, "DebtRepaid")["fromCash"] == system.usd(1_405)


def test_no_more_is_sold_than_is_held(pledged_system, trader, stranger):
    """At 7,800 it owes 10,000; half an hour later 10,000 USDX bring 9,500."""
    system = pledged_system
    system.set_price(BTC, 7_800)
    start = start_sale(system, trader)
    fund_buyer(system, stranger, 20_000)
    receipt = buy(system, trader, stranger, at=start + DURATION)
    log = event(receipt, "Sold")
    assert (log["amount"], log["cost"]) == (10_000 * ONE_USDX, system.usd(9_500))
    assert (held(system, trader), system.collateral.assetsOf(trader)) == ([0], 0)
    assert system.vault.debtOf(trader, BTC) == system.usd(500)
    assert system.vault.net(trader) == -system.usd(500)
    with reverts("NothingToSell", account=trader):
        buy(system, trader, stranger)


def test_what_it_does_not_hold_is_not_sold(owing, selling, trader, stranger):
    assert selling
    with reverts("NothingToSell", account=trader):
        buy(owing, trader, stranger, asset=SAVE)


def test_once_it_is_paid_nothing_more_is_sold(owing, selling, trader, stranger):
    assert selling
    owing.deposit(trader, 1_500)
    assert owing.collateral.dueOf(trader) == (0, 0)
    with reverts("NothingToSell", account=trader):
        buy(owing, trader, stranger)


def test_each_asset_is_sold_at_its_own_discount(owing, trader, stranger):
    """Of SAVE 2% at the end: 200 for 196, which leaves 1,304."""
    system = owing
    pledge_share(system, trader, 200)
    start = start_sale(system, trader)
    fund_buyer(system, stranger, 20_000)
    receipt = buy(system, trader, stranger, asset=SAVE, at=start + DURATION)
    log = event(receipt, "Sold")
    assert (log["asset"], log["amount"], log["cost"]) == (SAVE, 200 * ONE_SAVE, system.usd(196))
    assert system.collateral.assetsOf(trader) == 1
    receipt = buy(system, trader, stranger, at=start + DURATION + 1)
    assert event(receipt, "Sold")["amount"] == ceil_div(1_304 * ONE_USDX * 100, 95)
    assert system.assets["SAVE"].balanceOf(stranger) == 200 * ONE_SAVE


def test_debts_in_all_markets_are_paid_the_lowest_first(pledged_system, trader, market_maker, stranger):
    """It is long 40 ETH too: at 9,500 and 450 it has lost 2,500 and 2,000, of which 990 were in cash."""
    system = pledged_system
    system.trade(trader, market_maker, 40, 500, market=ETH)
    system.set_price(BTC, 9_500)
    system.set_price(ETH, 450)
    start = start_sale(system, trader)
    assert system.collateral.dueOf(trader) == (system.usd(3_510), 0)
    debts = [system.vault.debtOf(trader, market) for market in (BTC, ETH)]
    assert debts == [system.usd(1_510), system.usd(2_000)]
    fund_buyer(system, stranger, 20_000)
    receipt = buy(system, trader, stranger, 2_000 * ONE_USDX, at=start + DURATION)
    repaid = [(log["market"], log["fromCash"]) for log in events(receipt, "DebtRepaid")]
    assert repaid == [(BTC, system.usd(1_510)), (ETH, system.usd(390))]
    buy(system, trader, stranger)
    assert (system.vault.inDebt(trader), system.collateral.dueOf(trader)) == (False, (0, 0))


def test_what_is_left_over_is_the_account_s(owing, project, deployer, trader, stranger):
    """A token without decimals: 1,500 / 0.95 are 1,578.9, so 1,579 are sold, for 1,500.05."""
    system = owing
    token = deployer.deploy(project.TestToken, "Whole", "WHL", 0)
    list_asset(system, 2, token)
    token.mint(trader, 5_000, sender=trader)
    token.approve(system.collateral, 5_000, sender=trader)
    system.collateral.deposit(2, 5_000, sender=trader)
    start = start_sale(system, trader)
    fund_buyer(system, stranger, 20_000)
    receipt = buy(system, trader, stranger, asset=2, at=start + DURATION)
    log = event(receipt, "Sold")
    assert (log["amount"], log["cost"]) == (1_579, system.usd("1500.05"))
    assert cash(system, trader) == [system.usd("0.05")]
    assert held(system, trader, asset=2) == [3_421]


def test_after_the_sale_the_account_goes_on(owing, selling, trader, stranger, market_maker):
    """It has 8,500 USDX, which count for 7,650, and may trade and withdraw again."""
    system = owing
    with reverts("AccountInDebt", account=trader):
        system.trade(trader, market_maker, "0.1", 9_500)
    buy(system, trader, stranger, at=selling + 36)
    system.deposit(trader, 1)
    system.trade(trader, market_maker, "0.1", 9_500)
    system.collateral.withdraw(USDX, 1_000 * ONE_USDX, trader, [], sender=trader)


def test_a_debt_without_a_position_is_paid_all_the_same(pledged_system, trader, stranger):
    """Deleveraged at 8,200 it owes 8,000."""
    system = pledged_system
    ruin(system, trader, 8_200)
    start = start_sale(system, trader)
    fund_buyer(system, stranger, 20_000)
    receipt = buy(system, trader, stranger, at=start + 900)
    assert event(receipt, "Sold")["amount"] == ceil_div(8_000 * ONE_USDX * 1_000, 975)
    system.settle(trader)
    assert (system.vault.inDebt(trader), system.fund.defaultCount()) == (False, 0)
    left = held(system, trader)[0]
    system.collateral.withdraw(USDX, left, trader, [], sender=trader)
    assert system.collateral.assetsOf(trader) == 0


# ---- the buyer


def test_the_buyer_is_told_what_it_gets_and_says_where_it_goes(
    owing, selling, trader, stranger, keeper, chain
):
    """What a call would answer is what the transaction does."""
    system = owing
    chain.mine(timestamp=selling + DURATION)
    arguments = (trader, USDX, 100 * ONE_USDX, keeper, system.usd(95))
    answer = system.collateral.buy.call(*arguments, sender=stranger)
    assert answer == (100 * ONE_USDX, system.usd(95))
    receipt = system.collateral.buy(*arguments, sender=stranger)
    assert event(receipt, "Sold")["buyer"] == stranger
    assert system.assets["USDX"].balanceOf(keeper) == 100 * ONE_USDX
    assert spent(system, stranger) == system.usd(95)


def test_nothing_is_left_with_collateral(owing, selling, trader, stranger):
    system, collateral = owing, owing.collateral
    buy(system, trader, stranger, at=selling + 900)
    assert system.token.balanceOf(collateral) == 0
    assert system.token.allowance(collateral, system.vault) == 0
    assert system.assets["USDX"].balanceOf(collateral) == collateral.totalOf(USDX) == held(system, trader)[0]


def test_nobody_pays_more_than_it_said(owing, selling, trader, stranger, chain):
    limit = owing.usd("97.5") - 1
    with chain.isolate():
        chain.pending_timestamp = selling + 900
        with reverts("CostAboveMax", cost=limit + 1, maxCost=limit):
            owing.collateral.buy(trader, USDX, 100 * ONE_USDX, stranger, limit, sender=stranger)
    buy(owing, trader, stranger, 100 * ONE_USDX, at=selling + 900, max_cost=limit + 1)


def test_an_account_does_not_buy_its_own(owing, selling, trader):
    assert selling
    fund_buyer(owing, trader, 20_000)
    with reverts("OwnCollateral", account=trader):
        buy(owing, trader, trader)


def test_nothing_is_not_bought(owing, selling, trader, stranger):
    assert selling
    with reverts("ZeroAmount"):
        buy(owing, trader, stranger, 0)


def test_what_is_bought_goes_to_somebody(owing, selling, trader, stranger):
    assert selling
    with reverts("ZeroAddress"):
        buy(owing, trader, stranger, to=ZERO_ADDRESS)


def test_what_is_not_listed_is_not_bought(owing, selling, trader, stranger):
    assert selling
    with reverts("UnknownAsset", asset=2):
        buy(owing, trader, stranger, asset=2)


def test_what_has_no_price_is_not_sold(owing, selling, trader, stranger, deployer):
    """The auction goes on meanwhile."""
    owing.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    with reverts("NoPrice", asset=USDX):
        buy(owing, trader, stranger)
    owing.set_asset_price("USDX", 1)
    owing.asset_feeds["USDX"].setMode(LIVE, sender=deployer)
    receipt = buy(owing, trader, stranger, 100 * ONE_USDX, at=selling + DURATION)
    assert event(receipt, "Sold")["cost"] == owing.usd(95)


def test_who_has_not_the_money_buys_nothing(owing, selling, trader, keeper):
    assert selling
    owing.mint(keeper, 20_000)
    with reverts("ERC20InsufficientAllowance"):
        buy(owing, trader, keeper)
    assert held(owing, trader) == [10_000 * ONE_USDX]


def test_the_discount_bounds_what_a_sale_costs(owing, selling, trader, stranger):
    """In pieces too: what is rounded is rounded for the account."""
    system = owing
    before = system.vault.debtOf(trader, BTC)
    for i in range(5):
        buy(system, trader, stranger, 10 * ONE_USDX + 1, at=selling + DURATION + i)
    paid = before - system.vault.debtOf(trader, BTC)
    # Each piece is paid 9.500001, rounded up.
    assert paid == 5 * (system.usd("9.5") + 1)
