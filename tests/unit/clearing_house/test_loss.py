"""Who bears what a defaulter can't pay, layer by layer (SPECIFICATION.md section 5, P1, P4, P5)."""

import pytest

from tests.expect import event, events
from tests.unit.clearing_house.numbers import AUCTION, MILLION, ONE_A, ceil_div

BTC, ETH = 0, 1
SKIN, JUNIOR, SENIOR = 10_000, 20_000, 40_000
"""What the fund's layers hold, in USD."""

pytestmark = pytest.mark.usefixtures("opened")


def waterfall(shortfall, profit, coinsurance, budget, skin, junior, senior):
    """What each layer pays, and the remainder, where nobody has joined the guaranty fund."""
    first = min(profit, shortfall * coinsurance // MILLION)
    due = min(shortfall - first, budget)
    layers = []
    for balance in (skin, junior, senior):
        layers.append(min(due - sum(layers), balance))
    rest = shortfall - first - sum(layers)
    last = min(rest, profit - first)
    return {
        "own": 0,
        "coinsurance": first,
        "skin": layers[0],
        "junior": layers[1],
        "senior": layers[2],
        "mutual": 0,
        "unpaidProfit": last,
        "remainder": rest - last,
    }


def paid(system, **usd):
    """The same by hand, in USD."""
    names = ("own", "coinsurance", "skin", "junior", "senior", "mutual", "unpaidProfit", "remainder")
    return {name: system.usd(usd.get(name, 0)) for name in names}


def default_at(system, chain, price, first=()):
    """The price falls, the trader is flagged and, after its auction, deleveraged."""
    trader = system.actors["trader"]
    system.set_price(BTC, price)
    since = system.flag(trader).timestamp
    chain.pending_timestamp = since + AUCTION + 1
    return system.deleverage(trader, first)


def assert_backed(system):
    """P1: S held = cash + pools + what is not yet collected."""
    vault = system.vault
    cash = sum(vault.cashOf(account) for account in vault.accounts(0, 100))
    pools = sum(vault.marketLedger(market).pool for market in (BTC, ETH))
    assert system.token.balanceOf(vault) == cash + pools + sum(vault.uncollected())
    for fund in (system.fund, system.guaranty):
        assert system.token.balanceOf(fund) == fund.totalAssets()


# ---- the layers


@pytest.mark.parametrize(
    ("price", "shares", "expected"),
    [
        (8_900, (500_000, 200_000), {"coinsurance": 210, "skin": 840}),
        (8_000, (500_000, 0), {"skin": 10_000, "junior": 50}),
        (7_000, (500_000, 200_000), {"coinsurance": 4_010, "skin": 10_000, "junior": 6_040}),
        (
            5_000,
            (500_000, 200_000),
            {"coinsurance": 8_010, "skin": 10_000, "junior": 20_000, "senior": 2_040},
        ),
        # Half of 70,000 is the budget; unpaid profit bears the rest.
        (
            1_000,
            (500_000, 200_000),
            {
                "coinsurance": 16_010,
                "skin": 10_000,
                "junior": 20_000,
                "senior": 5_000,
                "unpaidProfit": 29_040,
            },
        ),
        # All of the fund, to its last unit.
        (
            100,
            (1_000_000, 200_000),
            {
                "coinsurance": 17_810,
                "skin": 10_000,
                "junior": 20_000,
                "senior": 40_000,
                "unpaidProfit": 1_240,
            },
        ),
        (5_000, (0, 200_000), {"coinsurance": 8_010, "unpaidProfit": 32_040}),
        (5_000, (500_000, 1_000_000), {"coinsurance": 40_050}),
        (8_900, (10_000, 0), {"skin": 700, "unpaidProfit": 350}),
    ],
)
def test_each_layer_pays_once_those_before_it_are_exhausted(
    opened, trader, market_maker, governor, chain, price, shares, expected
):
    """The winner is settled first, so that all of its profit is unpaid when the default comes."""
    opened.fund.setMarketCover(BTC, *shares, sender=governor)
    budget = opened.fund.available(BTC)
    receipt = default_at(opened, chain, price, [market_maker])

    shortfall = opened.usd(10 * (10_000 - price) - 9_950)
    profit = opened.usd(10 * (10_000 - price))
    by_hand = paid(opened, **expected)
    balances = [opened.usd(balance) for balance in (SKIN, JUNIOR, SENIOR)]
    assert by_hand == waterfall(shortfall, profit, shares[1], budget, *balances)
    assert opened.default_record(1) == {
        "account": trader.address,
        "market": BTC,
        "time": receipt.timestamp,
        "shortfall": shortfall,
        **by_hand,
    }
    assert sum(by_hand.values()) == shortfall

    from_fund = by_hand["skin"] + by_hand["junior"] + by_hand["senior"]
    from_profit = by_hand["coinsurance"] + by_hand["unpaidProfit"]
    layers = opened.fund.layers()
    assert [layers.skin, layers.junior, layers.senior] == [
        balance - by_hand[name] for balance, name in zip(balances, ("skin", "junior", "senior"), strict=True)
    ]
    assert event(receipt, "DebtResolved") == {
        "account": trader,
        "market": BTC,
        "shortfall": shortfall,
        "fromProfit": from_profit,
        "fromFund": from_fund,
    }
    # What the winner is left with is there: what the loser had, and what the fund has paid.
    ledger = opened.vault.marketLedger(BTC)
    assert ledger.pool == opened.usd(9_950) + from_fund
    assert ledger.totalClaims == profit - from_profit == ledger.pool
    assert_backed(opened)


def test_the_guaranty_fund_pays_into_the_market_too(opened, trader, market_maker, staker, governor, chain):
    """A fifth of what its own leaves is coinsured; the budget ends in the skin, the other member bears 59."""
    opened.join(trader, 100)
    opened.join(staker, 600)
    assets = opened.fund.totalAssets()
    opened.contribute(market_maker, 70_100 - assets / 10**6)
    opened.fund.setMarketCover(BTC, 10_000, 200_000, sender=governor)
    receipt = default_at(opened, chain, 8_900, [market_maker])
    expected = paid(opened, own=100, coinsurance=190, skin=701, mutual=59)
    record = opened.default_record(1)
    assert {name: record[name] for name in expected} == expected
    log = event(receipt, "DebtResolved")
    assert (log["fromProfit"], log["fromFund"]) == (opened.usd(190), opened.usd(860))
    assert opened.vault.marketLedger(BTC).pool == opened.usd(9_950 + 860)
    assert opened.guaranty.balanceOf(trader) == 0
    assert opened.guaranty.balanceOf(staker) == opened.usd(541)
    assert_backed(opened)


def test_without_settled_winners_open_interest_bears_the_rest(opened, market_maker, governor, chain):
    opened.fund.setMarketCover(BTC, 10_000, 200_000, sender=governor)
    receipt = default_at(opened, chain, 8_900)
    assert opened.default_record(1)["remainder"] == opened.usd(350)
    charged = {"market": BTC, "toShorts": True, "amount": opened.usd(350)}
    assert event(receipt, "RemainderCharged") == charged
    # Both sides have ended: the winner's profit of 11,000 is 350 less.
    settled = event(opened.settle(market_maker), "Settled")
    assert settled["pnl"] in (opened.usd(10_650) - 1, opened.usd(10_650))
    assert opened.vault.marketLedger(BTC).totalClaims == 0
    assert_backed(opened)


def test_open_interest_pays_nothing_while_there_is_unpaid_profit(
    opened, other_trader, market_maker, governor, chain
):
    """P5. One of two shorts has been settled: its claims go first, and both are charged with the rest."""
    opened.trade(market_maker, other_trader, 5, 10_000)
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    receipt = default_at(opened, chain, 7_900, [other_trader])
    # Of 11,050, the other trader's profit of 10,500 bears all that it is.
    expected = paid(opened, unpaidProfit=10_500, remainder=550)
    record = opened.default_record(1)
    assert {name: record[name] for name in expected} == expected
    assert event(receipt, "RemainderCharged")["amount"] == opened.usd(550)
    assert event(receipt, "ClaimsWrittenOff") == {
        "market": BTC,
        "amount": opened.usd(10_500),
        "claimsEpoch": 1,
    }
    assert opened.vault.claimsOf(other_trader, BTC) == 0


def test_the_charge_is_in_the_index_of_the_side(
    opened, house, trader, other_trader, liquidator, market_maker, governor
):
    """K falls by ⌈A·x·SCALE/oi⌉; 13 BTC do not divide it."""
    opened.trade(other_trader, market_maker, 3, 10_000)
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    opened.set_price(BTC, "8899.99999993")
    opened.flag(trader)
    before = opened.equity(market_maker)
    receipt = opened.liquidate(trader, liquidator)
    amount = event(receipt, "RemainderCharged")["amount"]
    assert amount == opened.usd(1_050) + 1
    drop = ceil_div(ONE_A * amount * 10**30, opened.wad(13))
    assert house.marketState(BTC).short.base == -drop
    assert house.marketState(BTC).long.base == 0
    assert event(receipt, "SideChanged") == {
        "market": BTC,
        "isShort": True,
        "multiplier": ONE_A,
        "base": -drop,
    }
    assert amount <= before - opened.equity(market_maker) <= amount + 1
    # The liquidator has taken the position over after the loss, and bears none of it.
    assert house.health(liquidator)[0] == opened.usd(200_000)


def test_a_short_that_defaults_is_borne_by_longs(
    opened,
    house,
    trader,
    other_trader,
    market_maker,
    governor,
):
    opened.trade(market_maker, other_trader, 10, 10_000)
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    opened.set_price(BTC, 11_100)
    opened.flag(other_trader)
    receipt = opened.liquidate(other_trader, opened.actors["liquidator"])
    # 11,000 of loss, 9,980 of cash.
    assert event(receipt, "RemainderCharged") == {
        "market": BTC,
        "toShorts": False,
        "amount": opened.usd(1_020),
    }
    assert house.health(trader)[0] in (opened.usd(19_930) - 1, opened.usd(19_930))


def test_a_market_pays_for_its_own_defaults_only(opened, trader, market_maker, governor, chain):
    """Two debts of one account are two defaults, in rising order, each within its own market."""
    opened.trade(trader, market_maker, 20, 500, market=ETH)
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    opened.fund.setMarketCover(ETH, 0, 0, sender=governor)
    opened.set_price(BTC, 8_900)
    opened.settle(trader)
    opened.set_price(ETH, 480)
    receipt = default_at(opened, chain, 8_900)
    shortfalls = [(log["market"], log["shortfall"]) for log in events(receipt, "DebtResolved")]
    assert shortfalls == [(BTC, opened.usd(1_055)), (ETH, opened.usd(400))]
    assert [opened.default_record(number)["market"] for number in (1, 2)] == [BTC, ETH]
    charged = [(log["market"], log["amount"]) for log in events(receipt, "RemainderCharged")]
    assert charged == shortfalls


def test_defaults_are_counted_from_one(opened, other_trader, market_maker, chain):
    opened.trade(other_trader, market_maker, 10, 10_000)
    default_at(opened, chain, 8_900)
    opened.flag(other_trader)
    chain.mine(deltatime=AUCTION + 1)
    opened.deleverage(other_trader)
    assert opened.fund.defaultCount() == 2
    assert [opened.default_record(number)["account"] for number in (1, 2)] == [
        opened.actors["trader"].address,
        other_trader.address,
    ]


# ---- debts that claims elsewhere cover


@pytest.fixture
def waiting(opened, trader, market_maker, governor):
    """The trader's profit of 300 in ETH waits for a day; in BTC it will owe 305 more than it has."""
    opened.vault.setMaturity(ETH, 86_400, sender=governor)
    opened.trade(trader, market_maker, 60, 500, market=ETH)
    opened.set_price(ETH, 505)
    opened.settle(trader)
    return opened


def test_claims_elsewhere_are_margin(waiting, house, trader, chain):
    receipt = default_at(waiting, chain, 8_976)
    assert waiting.default_record(1)["shortfall"] == waiting.usd(5)
    assert event(receipt, "Defaulted")["market"] == BTC
    vault = waiting.vault
    assert (vault.debtOf(trader, BTC), vault.claimsOf(trader, ETH), vault.net(trader)) == (
        waiting.usd(300),
        waiting.usd(300),
        0,
    )
    # The empty record of BTC waits with its debt, though no position is left; neither flag nor mark do.
    assert house.positionMarkets(trader) == 1 << BTC
    assert (waiting.size(trader), waiting.size(trader, ETH)) == (0, 0)
    assert (house.flagOf(trader), house.insolvencies()) == ((0, False), 0)
    assert_backed(waiting)


def test_the_claims_pay_the_debt_when_they_mature(waiting, house, trader, market_maker, chain):
    default_at(waiting, chain, 8_976)
    chain.mine(deltatime=86_400)
    waiting.settle(market_maker)
    pool = waiting.vault.marketLedger(BTC).pool
    receipt = waiting.settle(trader)
    assert event(receipt, "DebtRepaid") == {
        "account": trader,
        "market": BTC,
        "fromCash": waiting.usd(300),
        "fromProfit": 0,
    }
    assert waiting.vault.marketLedger(BTC).pool == pool + waiting.usd(300)
    assert not waiting.vault.inDebt(trader)
    waiting.settle(trader)
    assert house.positionMarkets(trader) == 0
    assert waiting.fund.defaultCount() == 1


def test_an_account_whose_claims_cover_its_debt_has_not_defaulted(waiting, trader, chain):
    """8,977: 295 are missing in BTC, and 300 wait in ETH."""
    receipt = default_at(waiting, chain, 8_977)
    assert events(receipt, "Defaulted") == []
    assert waiting.vault.debtOf(trader, BTC) == waiting.usd(295)
    assert waiting.vault.net(trader) == waiting.usd(5)


# ---- nobody live


@pytest.fixture
def closed(opened, house, governor, outage):
    """The feed has died and the market is closed at 9,000: the trader owes 50 more than it has."""
    opened.fund.setMarketCover(BTC, 0, 0, sender=governor)
    outage()
    house.closeMarket(BTC, opened.wad(9_000), sender=governor)
    return opened


def test_a_stale_default_is_borne_by_the_profits_to_come(closed, house, trader, market_maker):
    receipt = closed.settle(trader)
    assert event(receipt, "ResidualAdded") == {"market": BTC, "amount": closed.usd(50)}
    assert events(receipt, "RemainderCharged") == []
    assert closed.vault.marketLedger(BTC).residual == closed.usd(50)
    assert closed.default_record(1)["remainder"] == closed.usd(50)
    assert house.positionMarkets(trader) == 0

    cash = closed.vault.cashOf(market_maker)
    settled = event(closed.settle(market_maker), "Settled")
    assert (settled["pnl"], settled["absorbed"]) == (closed.usd(10_000), closed.usd(50))
    assert closed.vault.cashOf(market_maker) == cash + closed.usd(9_950)
    ledger = closed.vault.marketLedger(BTC)
    assert (ledger.residual, ledger.pool, ledger.totalClaims) == (0, 0, 0)
    assert_backed(closed)


def test_a_stale_default_is_first_borne_by_profits_that_are_there(closed, market_maker, trader):
    closed.settle(market_maker)
    receipt = closed.settle(trader)
    assert events(receipt, "ResidualAdded") == []
    assert closed.default_record(1)["unpaidProfit"] == closed.usd(50)
    closed.settle(market_maker)
    assert closed.vault.marketLedger(BTC).pool == 0
    assert_backed(closed)


def test_settling_a_marked_account_that_has_become_stale_takes_the_mark_away(
    opened, house, trader, governor, outage
):
    opened.set_price(BTC, 8_900)
    opened.flag(trader)
    outage()
    house.closeMarket(BTC, opened.wad(8_900), sender=governor)
    assert house.insolvencies() == 1
    receipt = opened.settle(trader)
    assert event(receipt, "InsolvencyCleared") == event(receipt, "Unflagged") == {"account": trader}
    assert (house.flagOf(trader), house.insolvencies()) == ((0, False), 0)
    assert opened.default_record(1)["shortfall"] == opened.usd(1_050)


def test_open_interest_that_is_dust_is_not_charged(opened, house, governor, trader, market_maker, chain):
    """In ETH: 5e8 wei against 5e8 wei. Their holder owes one unit there, and more in BTC."""
    liquidation = list(house.liquidationParameters())
    liquidation[4] = 1
    house.setLiquidationParameters(tuple(liquidation), sender=governor)
    for market in (BTC, ETH):
        opened.fund.setMarketCover(market, 0, 0, sender=governor)
    opened.set_price(ETH, 2_500)
    opened.trade(trader, market_maker, "0.0000000005", 2_500, market=ETH)
    assert house.marketState(ETH).openInterest == 5 * 10**8 < 10**9
    opened.set_price(BTC, 8_900)
    opened.settle(trader)
    opened.set_price(ETH, 2_400)
    receipt = default_at(opened, chain, 8_900)
    assert [(log["market"], log["shortfall"]) for log in events(receipt, "DebtResolved")][1] == (ETH, 1)
    assert event(receipt, "ResidualAdded") == {"market": ETH, "amount": 1}
    assert event(receipt, "RemainderCharged")["market"] == BTC
