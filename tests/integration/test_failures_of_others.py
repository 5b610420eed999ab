"""What went wrong elsewhere, done here.

Each test is named after a protocol and says what happened there. Amounts in the comments are USD; there are
no fees or bounties where none are mentioned.
"""

from decimal import Decimal

import pytest
from ape import chain

from tests.expect import event, events, reverts
from tests.integration import books
from tests.integration.stage import (
    BTC,
    DAY,
    ETH,
    backing,
    begin_budget_window,
    borne,
    cover,
    fall_below,
    fill_fund,
    layers,
    plain_market,
    wealth,
    withdraw,
)
from weir.parameters import market_struct

MILLION = 10**6
WAD = 10**18
ONE_A, FLOOR_A = 10**36, 10**24
CASH = {
    "market_maker": 100_000,
    "liquidator": 100_000,
    "trader": 1_000,
    "other_trader": 1_000,
    "attacker": 1_000,
    "accomplice": 1_000,
    "stranger": 5_000,
}


@pytest.fixture(scope="module")
def people(plain, actors):
    """Everyone has deposited; the fund is empty; nobody has a position."""
    for role, amount in CASH.items():
        plain.deposit(actors[role], amount)
    return plain


@pytest.fixture(scope="module")
def everybody(actors):
    return [actors[role] for role in CASH]


def top_up(system, **amounts):
    for role, amount in amounts.items():
        system.deposit(system.actors[role], amount)


# ---- Perp v2


@pytest.mark.parametrize("skin", [0, 100])
def test_perp_v2_a_fund_smaller_than_the_deficit_blocks_nothing(
    people, trader, market_maker, liquidator, skin
):
    """Perp v2 takes a liquidated trader's deficit out of its insurance fund, and the transaction fails when
    the fund has less. The worst positions, those that most need closing, then stay open and grow.

    Here the fund pays what it has, and the rest goes down the waterfall in the same transaction.
    """
    fill_fund(people, skin=skin)
    people.trade(trader, market_maker, 1, 10_000)
    people.set_price(BTC, 6_000)
    people.flag(trader)
    receipt = people.liquidate(trader, liquidator)

    assert borne(people, 1) == {"shortfall": 3_000, "remainder": 3_000 - skin} | (
        {"skin": skin} if skin else {}
    )
    assert event(receipt, "Liquidated")["fraction"] == WAD
    assert people.size(trader) == 0
    assert people.size(liquidator) == WAD
    assert people.vault.net(trader) == people.clearing_house.flagOf(trader)[0] == 0
    assert people.clearing_house.insolvencies() == 0
    # The other side bears it: 4,000 of profit less what nobody paid for.
    assert people.equity(market_maker) == people.usd(100_000 + 4_000 - 3_000 + skin)


@pytest.mark.parametrize(
    ("budget_share", "coinsurance", "keeper_is_first", "gain"),
    [
        # Nobody settles the winner first, so it has no unpaid profit to coinsure with: the market's budget is
        # all.
        pytest.param(200_000, 500_000, False, 2_000, id="budget"),
        # Half of 3,000 is the winner's own.
        pytest.param(200_000, 500_000, True, 1_500, id="coinsurance"),
        pytest.param(200_000, 1_000_000, True, 0, id="all-coinsured"),
        pytest.param(50_000, 500_000, True, 500, id="small-budget"),
        pytest.param(0, 0, False, 0, id="no-budget"),
    ],
)
def test_perp_v2_an_owner_of_both_sides_takes_no_more_than_the_budget(
    people, actors, attacker, accomplice, stranger, keeper, budget_share, coinsurance, keeper_is_first, gain
):
    """On Perp v2 one owner took both sides of a trade, moved the price, walked away from the losing account
    and withdrew the winner's profit, about 30,000 dollars of it the insurance fund's.

    Here the attacker is long and the accomplice short 40 ETH with 1,000 each; at 400 the attacker misses
    3,000. A third account of theirs takes the position over. All the family can gain is what the fund pays,
    and that is bounded by coinsurance of the winner's profit once anyone has settled it, and by the market's
    budget in any case. Nobody else loses a cent.
    """
    family = [attacker, accomplice, stranger]
    others = [actors[role] for role in CASH if actors[role] not in family]
    fill_fund(people, skin=2_000, junior=3_000, senior=5_000)
    cover(people, ETH, budget_share=budget_share, coinsurance=coinsurance)
    people.trade(actors["trader"], actors["market_maker"], 1, 10_000)
    before, cash_of_others = wealth(people, family), [people.vault.cashOf(other) for other in others]

    people.trade(attacker, accomplice, 40, 500, market=ETH)
    people.set_price(ETH, 400)
    people.flag(attacker)
    if keeper_is_first:
        people.clearing_house.settle([accomplice], sender=keeper)
    people.liquidate(attacker, stranger)
    # They get out of what is left, among themselves, and take everything home.
    people.trade(accomplice, stranger, 40, 400, market=ETH)
    taken = sum(withdraw(people, member) for member in [*family, *family])

    assert taken == wealth(people, family) == before + people.usd(gain)
    assert people.fund.totalAssets() == people.usd(10_000 - gain)
    assert people.usd(gain) <= people.usd(10_000) * budget_share // MILLION
    assert [people.vault.cashOf(other) for other in others] == cash_of_others
    assert people.vault.marketLedger(BTC).pool == people.vault.marketLedger(ETH).pool == 0


def test_perp_v2_doing_it_again_yields_what_is_left_of_the_budget(people, attacker, accomplice, stranger):
    """The same attack, for 300, three times within a day: 5% of the fund's 10,000 in all, however often."""
    begin_budget_window(people)
    fill_fund(people, skin=10_000)
    cover(people, ETH, budget_share=50_000, coinsurance=0)
    family, gains = [attacker, accomplice, stranger], []
    for _ in range(3):
        people.set_price(ETH, 500)
        people.settle(*family)
        before = wealth(people, family)
        people.trade(attacker, accomplice, 40, 500, market=ETH)
        people.set_price(ETH, "467.5")
        people.flag(attacker)
        people.liquidate(attacker, stranger)
        people.trade(accomplice, stranger, 40, "467.5", market=ETH)
        people.settle(*family)
        gains.append(wealth(people, family) - before)
        top_up(people, attacker=1_000)
    assert gains == [people.usd(300), people.usd(200), 0]
    assert people.fund.totalAssets() == people.usd(9_500)


def test_perp_v2_income_is_not_handed_out_ahead_of_losses(
    people, governor, treasury, market_maker, trader, liquidator
):
    """Perp v2 lets anyone distribute the fund's surplus over a threshold, at a time when losses that have
    already happened have not reached the fund yet.

    Here nobody gets a share of fees while an insolvency is known, and what is collected first waits a week in
    the layer that pays first.
    """
    with_a_fee = market_struct(plain_market("BTC", 10_000, maker_fee=10_000))
    people.clearing_house.setMarketParameters(BTC, tuple(with_a_fee.values()), sender=governor)
    fill_fund(people, junior=1_000)
    share = 10 ** people.junior.decimals()
    people.trade(trader, market_maker, 1, 10_000)
    people.trade(liquidator, market_maker, 9, 10_000)
    people.set_price(BTC, 8_500)
    people.flag(trader)

    # 1,000 of fees; the trader misses 500.
    collected = event(people.fund.collect(sender=treasury), "IncomeCollected")
    assert (collected["fees"], collected["treasury"]) == (people.usd(1_000), 0)
    assert people.token.balanceOf(treasury) == 0
    price = people.junior.convertToAssets(share)
    people.liquidate(trader, liquidator)
    assert borne(people, 1) == {"shortfall": 500, "skin": 500}
    assert people.junior.convertToAssets(share) >= price
    assert people.usd(499) < layers(people)[1] <= people.usd(500)

    # Once the loss has landed, the treasury has its fifth of new fees, and of nothing older.
    people.trade(liquidator, market_maker, 1, 8_500)
    people.fund.collect(sender=treasury)
    assert people.token.balanceOf(treasury) == people.usd(17)


# ---- Drift v1, Perennial


def test_drift_and_perennial_winners_wait_for_losers(
    people, everybody, market_maker, trader, liquidator, other_trader
):
    """On Drift v1 (2022, about 10 million dollars) and in a finding against Perennial, winners withdrew
    profit that losers had not paid, from a vault shared by all; when the losers turned out to be broke, the
    deposits of others were gone.

    Here profit is a claim on what the losers of the same market have paid in. At 15,000 the short misses
    4,000 of 5,000.
    """
    for winner in (trader, liquidator):
        people.trade(winner, other_trader, "0.5", 10_000)
    people.set_price(BTC, 15_000)
    people.settle(trader, liquidator)
    assert people.vault.claimsOf(trader, BTC) == people.usd(2_500)
    assert people.equity(trader) == people.usd(3_500)
    with reverts("InsufficientCash", cash=people.usd(1_000), needed=people.usd(1_001)):
        people.vault.withdraw(people.usd(1_001), trader, [], sender=trader)
    # Naming the loser makes it pay what it has.
    people.vault.withdraw(people.usd(2_000), trader, [other_trader], sender=trader)
    with reverts("InsufficientCash", cash=0):
        people.vault.withdraw(1, trader, [other_trader], sender=trader)

    # Whoever had no part in it withdraws in full, before the default is resolved as well as after.
    assert withdraw(people, market_maker) == people.usd(100_000)
    assert backing(people, everybody) == 0
    people.flag(other_trader)
    people.deleverage(other_trader)
    people.settle(trader, liquidator)
    assert people.vault.claimsOf(trader, BTC) == people.vault.claimsOf(liquidator, BTC) == 0
    assert withdraw(people, liquidator) == people.usd(100_000)
    assert backing(people, everybody) == 0


# ---- Umbrella, Derive, Hubble


@pytest.fixture
def on_notice(people, staker, other_staker, trader, market_maker):
    """The staker has given notice and its batch is due; then the price falls, and the trader misses 600 of
    the junior 1,000.
    """
    fill_fund(people, junior=400)
    people.stake(people.junior, other_staker, 600)
    people.junior.requestRedeem(people.junior.balanceOf(staker), staker, staker, sender=staker)
    for _ in range(2):
        people.wait(7 * DAY)
        people.renew_prices()
        if people.junior.currentBatch() == 1:
            people.junior.roll(sender=staker)
    people.trade(trader, market_maker, 1, 10_000)
    people.set_price(BTC, 8_400)
    return people


def test_umbrella_derive_hubble_nobody_leaves_between_loss_and_slash(on_notice, staker, trader, liquidator):
    """Umbrella, Derive and Hubble let stakers whose notice is over leave after a loss has happened and before
    it is taken off the stake, so those who watch escape, and those who don't pay for them.

    Here one flag shuts the gate until the loss has been taken: not even a batch that is due is priced, and
    nobody buys in either.
    """
    on_notice.flag(trader)
    with reverts("GateClosed"):
        on_notice.junior.roll(sender=staker)
    with reverts("GateClosed"):
        on_notice.junior.deposit(1, staker, sender=staker)
    on_notice.liquidate(trader, liquidator)
    on_notice.junior.roll(sender=staker)
    # 40% of what is left of 1,000, to a rounding in favour of those who stay.
    left = on_notice.junior.maxWithdraw(staker)
    assert on_notice.usd(160) - 1 <= left <= on_notice.usd(160)
    on_notice.junior.withdraw(left, staker, staker, sender=staker)
    assert on_notice.token.balanceOf(staker) == left


def test_umbrella_derive_hubble_running_at_the_sight_of_a_loss_is_too_late(
    on_notice, other_staker, trader, liquidator
):
    """The other staker asks to leave when the price has fallen and nobody has flagged anyone. Its batch is
    priced a full epoch later at the earliest, whoever rolls.
    """
    junior = on_notice.junior
    junior.requestRedeem(junior.balanceOf(other_staker), other_staker, other_staker, sender=other_staker)
    on_notice.flag(trader)
    on_notice.liquidate(trader, liquidator)
    junior.roll(sender=other_staker)
    assert junior.maxRedeem(other_staker) == 0
    with reverts("EpochNotOver", endsAt=junior.lastRollAt() + 7 * DAY):
        junior.roll(sender=other_staker)
    on_notice.wait(7 * DAY)
    junior.roll(sender=other_staker)
    assert on_notice.usd(240) - 1 <= junior.maxWithdraw(other_staker) <= on_notice.usd(240)


# ---- GMX, dYdX, Hyperliquid


@pytest.fixture
def shorts_win(people, actors):
    """Longs of 3, 3 and 2 BTC with the least margin, and one of 2 that is safe, against shorts of 5, 3 and
    2; then 9,000.
    """
    top_up(people, trader=500, other_trader=500)
    longs = {"trader": 3, "other_trader": 3, "attacker": 2, "treasury": 2}
    shorts = {"market_maker": 5, "liquidator": 3, "stranger": 2}
    top_up(people, treasury=10_000)
    for role, size in longs.items():
        people.trade(actors[role], actors["market_maker"], size, 10_000)
    for role, size in shorts.items():
        if role != "market_maker":
            people.trade(actors["market_maker"], actors[role], size, 10_000)
    people.set_price(BTC, 9_000)
    people.clearing_house.refresh(BTC, sender=actors["keeper"])
    return people


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1)])
def test_gmx_dydx_deleveraging_has_no_order(shorts_win, actors, keeper, order):
    """GMX leaves it to a keeper which winner it closes; dYdX starts from a random account and goes on until
    it has enough. Who loses its position is luck, or favour.

    Here every position of the opposing side shrinks by the same fraction, whoever calls and whoever is
    settled when.
    """
    winners = [actors[role] for role in ("market_maker", "liquidator", "stranger")]
    equity = [shorts_win.equity(winner) for winner in winners]
    shorts_win.flag(actors["trader"])
    # An empty fund may not pay, so nobody has to wait for the auction.
    shorts_win.clearing_house.deleverage(actors["trader"], [], sender=keeper)
    shorts_win.settle(*[winners[i] for i in order])
    # 3 of 10 are closed; the trader misses 1,500.
    for winner, before, left, share in zip(
        winners, equity, ("3.5", "2.1", "1.4"), (750, 450, 300), strict=True
    ):
        assert 0 <= shorts_win.size(winner) + shorts_win.wad(left) <= 1
        assert 0 <= before - shorts_win.equity(winner) - shorts_win.usd(share) <= 2


def test_hyperliquid_winners_lose_what_is_missing_and_no_more(shorts_win, actors):
    """On 10 October 2025 Hyperliquid deleveraged 2.1 billion dollars in 12 minutes. Winners were closed at
    prices that took 45 to 52 million dollars more from them than the losers' accounts were short of.

    Here winners are closed at the mark, which costs them nothing, and bear the remainder of each default,
    which is what is missing after the fund: 1,500, 1,500 and 1,000. Sums may round by a unit for each charge
    and each settlement.
    """
    winners = [actors[role] for role in ("market_maker", "liquidator", "stranger")]
    before = [shorts_win.equity(winner) for winner in winners]
    remainders = []
    for role in ("trader", "other_trader", "attacker"):
        shorts_win.flag(actors[role])
        receipt = shorts_win.deleverage(actors[role])
        remainders.append(event(receipt, "RemainderCharged")["amount"])
        assert event(receipt, "Deleveraged")["price"] == shorts_win.wad(9_000)
    assert remainders == [shorts_win.usd(amount) for amount in (1_500, 1_500, 1_000)]

    lost = [was - shorts_win.equity(winner) for was, winner in zip(before, winners, strict=True)]
    assert 0 <= sum(lost) - sum(remainders) <= len(remainders) * len(winners)
    for amount, share in zip(lost, (5, 3, 2), strict=True):
        assert 0 <= amount - sum(remainders) * share // 10 <= len(remainders)
    # Booking it changes nothing but by a unit each.
    shorts_win.settle(*winners)
    booked = [was - shorts_win.equity(winner) for was, winner in zip(before, winners, strict=True)]
    assert all(0 <= after - amount <= 1 for amount, after in zip(lost, booked, strict=True))


def test_hyperliquid_solvent_deleveraging_costs_winners_nothing(people, trader, market_maker, liquidator):
    """An account below maintenance margin, but not below zero, is closed by its counterparts at the mark:
    nobody loses a unit.
    """
    people.trade(trader, market_maker, 1, 10_000)
    people.trade(trader, liquidator, 1, 10_000)
    people.set_price(BTC, 9_750)
    fall_below(people, trader)
    before = wealth(people, [market_maker, liquidator])
    receipt = people.deleverage(trader)
    assert events(receipt, "Defaulted") == []
    assert wealth(people, [market_maker, liquidator]) == before == people.usd(200_500)
    assert people.vault.cashOf(trader) == people.usd(500)


# ---- JELLY, YFI, Mango


def test_jelly_yfi_mango_a_thin_market_can_not_drain_the_fund(
    people, everybody, market_maker, trader, other_trader, attacker, accomplice, liquidator
):
    """JELLY on Hyperliquid (March 2025), YFI on dYdX (November 2023: 9 million dollars, 40% of the fund),
    Mango (2022): a thinly traded asset was pushed until positions in it had lost more than the whole venue
    could pay, from money that stood behind all markets.

    Here ETH plays the thin market: 5% of the fund a day stand behind it, and neither the cash nor the pool of
    another market.
    """
    begin_budget_window(people)
    fill_fund(people, skin=2_000, junior=3_000, senior=5_000)
    cover(people, ETH, budget_share=50_000, coinsurance=0)
    cover(people, BTC, budget_share=500_000, coinsurance=0)
    people.trade(trader, market_maker, 1, 10_000)
    people.trade(accomplice, attacker, 40, 500, market=ETH)
    people.set_price(BTC, 9_500)
    people.settle(trader)
    cash_of = {account: people.vault.cashOf(account) for account in everybody}

    # The short in ETH loses 20,000 and has 1,000.
    people.set_price(ETH, 1_000)
    people.flag(attacker)
    people.liquidate(attacker, liquidator)
    assert borne(people, 1) == {"shortfall": 19_000, "skin": 500, "remainder": 18_500}
    assert (people.fund.available(ETH), people.fund.totalAssets()) == (0, people.usd(9_500))
    for account in everybody:
        if account not in (attacker, accomplice):
            assert people.vault.cashOf(account) == cash_of[account]
    assert people.vault.marketLedger(BTC).pool == people.usd(500)

    # The fund is there for BTC, half of it, the same day.
    assert people.fund.available(BTC) == people.usd(4_750)
    people.trade(other_trader, market_maker, 1, 9_500)
    people.set_price(BTC, 8_000)
    people.flag(other_trader)
    people.liquidate(other_trader, liquidator)
    assert borne(people, 2) == {"shortfall": 500, "skin": 500}
    # Tomorrow ETH may cost 5% of what is left.
    begin_budget_window(people)
    assert people.fund.available(ETH) == people.usd(450)


# ---- Liquity


def test_liquity_a_long_chain_of_deleveragings_never_rounds_to_zero(
    people, market_maker, trader, other_trader
):
    """Liquity scales all deposits down by a product that shrinks with each liquidation; at one point it could
    be rounded to zero, and then no further liquidation went through.

    Here 99.8% of a side is deleveraged again and again. The multiplier falls by 500 each time; before it
    would pass its floor, the market is closed at the mark and starts afresh at one. Nothing is refused, no
    money is lost.
    """
    house = people.clearing_house
    people.trade(other_trader, market_maker, "0.02", 10_000)
    mark, multipliers = Decimal(10_000), []
    for _ in range(5):
        # 6% of margin; the fall by 4% leaves 2% of the old price, less than the 3% it takes.
        margin = mark * Decimal("9.98") * Decimal("0.06")
        top_up(people, trader=margin - people.vault.cashOf(trader) / Decimal(MILLION))
        people.trade(trader, market_maker, "9.98", mark)
        mark *= Decimal("0.96")
        people.set_price(BTC, mark)
        fall_below(people, trader)
        receipt = people.deleverage(trader)
        assert events(receipt, "Defaulted") == []
        multipliers.append(house.marketState(BTC).short.multiplier)
        people.settle(trader, market_maker)
        now = books.read(people).markets[BTC]
        # Each settlement and each deleveraging so far may have dropped a unit, or a wei of size.
        for gap in (now.surplus, now.missing(is_short=True), now.missing(is_short=False)):
            assert 0 <= gap <= 4 * len(multipliers)
    assert multipliers == [ONE_A // 500, ONE_A // 500**2, ONE_A // 500**3, ONE_A // 500**4, ONE_A]
    assert ONE_A // 500**5 < FLOOR_A

    # The last one closed everybody, also those who were not below anything; the market goes on.
    people.settle(other_trader, market_maker)
    assert people.size(other_trader) == people.size(market_maker) == 0
    people.trade(other_trader, market_maker, "0.02", mark)
    assert house.marketState(BTC).openInterest == people.wad("0.02")


# ---- Perp v3


def test_perp_v3_a_block_sees_one_price(people, attacker, market_maker):
    """Perp v3 took prices from the caller, so a trader could bring two of them to one transaction: buy at the
    lower, sell at the higher.

    Here the house reads its feed, and at most once a block. Whatever the feed says afterwards, the block's
    mark stays.
    """
    house, feed = people.clearing_house, people.feeds[BTC]
    low = people.order(market_maker, is_buy=False, size=1, price=10_000)
    high = people.order(market_maker, is_buy=True, size=1, price=11_000)
    buy, sell = (house.trade.encode_input(order.as_tuple(), people.sign(order), WAD) for order in (low, high))
    receipts = in_one_block(
        attacker,
        (feed, feed.setAnswer.encode_input(10_000 * 10**8)),
        (house, buy),
        (feed, feed.setAnswer.encode_input(11_000 * 10**8)),
        (house, sell),
        (house, house.settle.encode_input([attacker, market_maker])),
    )
    assert len({receipt["blockNumber"] for receipt in receipts}) == 1
    # 11,000 is outside the band of 10,000, which is the price of this block.
    assert [int(receipt["status"], 16) for receipt in receipts] == [1, 1, 1, 0, 1]
    assert house.marketState(BTC).price == people.wad(10_000)
    assert people.equity(attacker) == people.usd(1_000)
    # In the next one it is a long like any other.
    people.fill(high, attacker)
    assert people.equity(attacker) == people.usd(2_000)


def in_one_block(sender, *calls):
    """Sends (contract, data) one after the other in a block of their own; the raw receipts."""
    rpc = chain.provider.web3.provider.make_request
    rpc("evm_setAutomine", [False])
    try:
        requests = [
            {"from": sender.address, "to": to.address, "data": data.hex(), "gas": hex(2 * 10**6)}
            for to, data in calls
        ]
        hashes = [rpc("eth_sendTransaction", [request])["result"] for request in requests]
        rpc("evm_mine", [])
    finally:
        rpc("evm_setAutomine", [True])
    return [rpc("eth_getTransactionReceipt", [each])["result"] for each in hashes]


def test_perp_v3_dust_is_refused_and_what_becomes_dust_is_closed(
    people, trader, other_trader, market_maker, liquidator, stranger
):
    """On Perp v3 positions could be so small that closing them earned less than it cost, and their losses
    stayed with the venue.

    Here no trade and no liquidation leaves less than the minimum, and what shrinks below it anyway (a
    deleveraging takes 99.8% of this short) is taken over whole or closed by anyone.
    """
    people.trade(liquidator, trader, "0.02", 10_000)
    with reverts("PositionBelowMinimum", account=liquidator):
        people.trade(trader, liquidator, "0.0101", 10_000)
    top_up(people, other_trader=4_000)
    people.trade(other_trader, market_maker, "9.98", 10_000)
    people.set_price(BTC, 9_700)
    fall_below(people, other_trader)
    people.deleverage(other_trader)
    people.settle(trader)
    assert abs(people.size(trader) + people.wad("0.00004")) <= 1
    # 40 cents of BTC; three cents of margin stay behind it.
    people.vault.withdraw(people.vault.cashOf(trader) - people.usd("0.03"), trader, [], sender=trader)
    people.set_price(BTC, 12_000)
    people.flag(trader)
    receipt = people.liquidate(trader, stranger, "0.01")
    assert event(receipt, "Liquidated")["fraction"] == WAD
    assert people.size(trader) == 0
    assert people.vault.net(trader) == 0
    shortfall = people.default_record(1)["shortfall"]
    assert people.usd("0.06") <= shortfall <= people.usd("0.063")


# ---- Hubble


def test_hubble_donations_change_nothing(people, attacker, trader, market_maker, keeper):
    """Hubble's insurance fund priced its shares by the tokens it held, so that some sent there moved the
    price for others.

    Here balances are booked, never measured: what is merely sent belongs to nobody.
    """
    fill_fund(people, skin=10, junior=20, senior=40)
    people.trade(trader, market_maker, 1, 10_000)
    before = books.read(people)
    for target in (people.vault, people.fund, people.junior, people.senior, people.clearing_house):
        people.mint(attacker, 1_000)
        people.token.transfer(target, people.usd(1_000), sender=attacker)
    people.fund.collect(sender=keeper)
    people.settle(trader, market_maker)
    after = books.read(people)
    assert (before.donated, after.donated) == (0, people.usd(1_000))
    assert after.tranches == before.tranches
    assert after.layers == before.layers
    assert (after.cash, after.markets) == (before.cash, before.markets)


def test_hubble_a_first_staker_can_not_inflate_its_share(people, attacker, staker):
    """With shares priced by balance, the first staker of one unit sends a fortune after it, and the next
    staker's shares round to none.
    """
    people.mint(attacker, 10_000)
    people.token.approve(people.junior, 1, sender=attacker)
    people.junior.deposit(1, attacker, sender=attacker)
    for target in (people.junior, people.fund):
        people.token.transfer(target, people.usd(4_999), sender=attacker)
    people.stake(people.junior, staker, 1_000)
    assert people.junior.convertToAssets(people.junior.balanceOf(staker)) >= people.usd(1_000) - 1
    assert people.junior.convertToAssets(people.junior.balanceOf(attacker)) <= 1


def test_hubble_a_stablecoin_has_no_price(people, everybody, deployer, market_maker, trader):
    """Hubble took a stablecoin at one dollar whatever the market said; when it lost its peg, bad collateral
    bought good money.

    Here there is nothing to misprice: one token comes in, all profit and loss is counted in units of it, and
    the same one goes out. With every feed dead, each unit that came in leaves.
    """
    assert people.vault.asset() == people.fund.asset() == people.junior.asset() == people.token
    people.trade(trader, market_maker, 1, 10_000)
    people.trade(market_maker, trader, 1, 10_000)
    for feed in people.feeds:
        feed.setMode(1, sender=deployer)
    top_up(people, trader=7)
    assert withdraw(people, trader) == people.usd(1_007)
    assert [withdraw(people, account) for account in everybody if account != trader] == [
        people.usd(amount) for role, amount in CASH.items() if role != "trader"
    ]
    assert people.token.balanceOf(people.vault) == 0


@pytest.mark.parametrize("answer", [0, -1, "0.009", 10_000_001])
def test_hubble_and_luna_an_answer_at_the_end_of_a_feeds_range_is_none(
    people, deployer, trader, market_maker, liquidator, keeper, answer
):
    """Price feeds are bounded inside: when LUNA fell below a feed's least answer, lending markets went on
    with that answer, and loans were drawn against worthless tokens. Hubble read such feeds without looking.

    Here bounds of our own lie inside the feed's. Beyond them there is no price: nothing is traded, flagged or
    liquidated at it, and whoever has no position comes and goes.
    """
    house = people.clearing_house
    people.trade(trader, market_maker, 1, 10_000)
    people.feeds[BTC].setAnswer(round(float(answer) * 10**8), sender=deployer)
    out_of_bounds = 2
    assert people.oracle.peek(BTC)[1] == out_of_bounds
    for attempt in (
        lambda: people.trade(trader, market_maker, 1, 10_000),
        lambda: people.flag(trader),
        lambda: people.settle(trader),
        lambda: house.refresh(BTC, sender=keeper),
        lambda: people.vault.withdraw(1, trader, [], sender=trader),
    ):
        with reverts("PriceUnavailable", market=BTC, status=out_of_bounds):
            attempt()
    assert house.marketState(BTC).price == people.wad(10_000)
    assert withdraw(people, liquidator) == people.usd(100_000)
    people.set_price(BTC, 10_010)
    people.settle(trader)
    assert people.equity(trader) == people.usd(1_010)
