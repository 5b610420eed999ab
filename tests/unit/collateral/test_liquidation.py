"""A liquidation takes its part of the collateral, for the liquidator's cash; deleveraging takes none.

At 8,200 the trader, long 5 BTC, has lost 9,000: it owes 8,000, and its 10,000 USDX count for 9,000. Its
equity of 1,000 is below the maintenance margin of 1,230, and initial margin is 2,050.
"""

import pytest

from tests.expect import event, events, reverts
from tests.unit.collateral.moves import (
    BTC,
    ETH,
    ONE_SAVE,
    ONE_USDX,
    REVERTING,
    SAVE,
    USDX,
    cash,
    held,
    pledge_share,
    ruin,
)

WAD = 10**18
MILLION = 10**6
BELOW = 8_200


@pytest.fixture
def below(pledged_system, trader):
    """When it was flagged."""
    pledged_system.set_price(BTC, BELOW)
    return pledged_system.flag(trader).timestamp


@pytest.fixture
def liquidate(pledged_system, trader, liquidator, chain):
    """300 seconds after the flag, when the bounty is 8,500 ppm; the penalty is 5,000."""

    def at(since, fraction=1, by=liquidator):
        chain.pending_timestamp = since + 300
        receipt = pledged_system.liquidate(trader, by, fraction)
        assert receipt.timestamp == since + 300
        return receipt

    return at


# ---- a part, and all


def test_a_part_of_the_account_is_a_part_of_its_collateral(
    pledged_system, below, liquidate, trader, liquidator
):
    """Half of it: 5,000 USDX for 4,750, which go to the debt of 8,000. No cash is left for the bounty."""
    system = pledged_system
    receipt = liquidate(below, "0.5")
    assert event(receipt, "Taken") == {
        "account": trader,
        "liquidator": liquidator,
        "asset": USDX,
        "amount": 5_000 * ONE_USDX,
        "cost": system.usd(4_750),
    }
    assert event(receipt, "CollateralPaid") == {
        "account": trader,
        "liquidator": liquidator,
        "cost": system.usd(4_750),
    }
    assert event(receipt, "DebtRepaid")["fromCash"] == system.usd(4_750)
    assert system.vault.debtOf(trader, BTC) == system.usd(3_250)
    log = event(receipt, "Liquidated")
    assert (log["fraction"], log["bountyFromAccount"], log["bountyFromFund"], log["penalty"]) == (
        WAD // 2,
        0,
        0,  # the fund pays for who has nothing, not for who has no cash
        0,
    )
    assert cash(system, trader, liquidator) == [0, system.usd(195_250)]
    assert held(system, trader, liquidator) == [5_000 * ONE_USDX, 5_000 * ONE_USDX]
    # 4,500 less 3,250 are more than the 1,025 that half the position needs.
    assert event(receipt, "Unflagged") == {"account": trader}
    assert (system.size(trader), system.size(liquidator)) == (system.wad("2.5"), system.wad("2.5"))


def test_no_token_moves(pledged_system, below, liquidate):
    system = pledged_system
    before = system.assets["USDX"].balanceOf(system.collateral)
    liquidate(below, "0.5")
    assert system.assets["USDX"].balanceOf(system.collateral) == before == 10_000 * ONE_USDX
    assert system.collateral.totalOf(USDX) == 10_000 * ONE_USDX


def test_the_cap_is_computed_before(pledged_system, below, liquidate, trader, liquidator):
    """r + g = 13,500 ppm of 41,000 are 553.5: (2,050 - 1,000) / (2,050 - 553.5) = 0.7016."""
    system = pledged_system
    fraction = -(-1_050 * WAD * 10 // 14_965)
    receipt = liquidate(below)
    assert event(receipt, "Liquidated")["fraction"] == fraction
    amount = 10_000 * ONE_USDX * fraction // WAD
    assert held(system, trader, liquidator) == [10_000 * ONE_USDX - amount, amount]
    # 95%, rounded up
    assert event(receipt, "Taken")["cost"] == -(-amount * 95 // (100 * 10**12))


def test_the_money_pays_debts_then_bounty_then_penalty(pledged_system, liquidate, trader, liquidator):
    """8,300 in cash and 2,000 USDX: at 8,200 it owes 700, and has an equity of 1,100.

    0.6 of 41,000 are 24,600: 1,200 USDX for 1,140, of which 700 go to the debt, 209.1 are the bounty, and
    123 the penalty.
    """
    system = pledged_system
    system.collateral.withdraw(USDX, 8_000 * ONE_USDX, trader, [], sender=trader)
    system.deposit(trader, 7_300)
    system.set_price(BTC, BELOW)
    receipt = liquidate(system.flag(trader).timestamp, "0.6")
    assert event(receipt, "Taken")["cost"] == system.usd(1_140)
    assert event(receipt, "DebtRepaid")["fromCash"] == system.usd(700)
    assert event(receipt, "LiquidationCharged") == {
        "account": trader,
        "liquidator": liquidator,
        "bounty": system.usd("209.1"),
        "penalty": system.usd(123),
    }
    assert cash(system, trader, liquidator) == [system.usd("107.9"), system.usd("199069.1")]
    assert system.vault.uncollected()[1] == system.usd(123)
    assert system.vault.net(trader) == system.usd("107.9") + system.usd(720)


def test_the_penalty_takes_what_bounty_and_debts_leave(pledged_system, liquidate, trader):
    """0.5: 1,000 USDX for 950, less 700 and 174.25, leave 75.75 for a penalty of 102.5."""
    system = pledged_system
    system.collateral.withdraw(USDX, 8_000 * ONE_USDX, trader, [], sender=trader)
    system.deposit(trader, 7_300)
    system.set_price(BTC, BELOW)
    receipt = liquidate(system.flag(trader).timestamp, "0.5")
    log = event(receipt, "LiquidationCharged")
    assert (log["bounty"], log["penalty"]) == (system.usd("174.25"), system.usd("75.75"))
    assert cash(system, trader) == [0]


def test_who_has_no_equity_is_taken_whole_and_need_not_default(pledged_system, liquidate, trader, liquidator):
    """At 8,000 it owes what its collateral counts for; 9,500 pay 9,000, the bounty of 340, and 160 of 200."""
    system = pledged_system
    system.set_price(BTC, 8_000)
    receipt = liquidate(system.flag(trader).timestamp)
    log = event(receipt, "Liquidated")
    assert (log["fraction"], log["bountyFromAccount"], log["bountyFromFund"], log["penalty"]) == (
        WAD,
        system.usd(340),
        0,
        system.usd(160),
    )
    assert (system.fund.defaultCount(), system.vault.inDebt(trader)) == (0, False)
    assert held(system, trader, liquidator) == [0, 10_000 * ONE_USDX]
    assert (system.collateral.assetsOf(trader), system.vault.net(trader)) == (0, 0)
    assert cash(system, liquidator) == [system.usd(200_000 - 9_500 + 340)]


def test_what_the_sale_brings_beyond_the_haircut_lessens_the_default(pledged_system, liquidate, trader):
    """At 7,800 its net is -1,000, but 9,500 for the collateral leave 500 to be resolved.

    The fund pays the bounty, 331.5, since the account has nothing. Nothing is left that could be sold, so
    no default is noted.
    """
    system = pledged_system
    system.set_price(BTC, 7_800)
    receipt = liquidate(system.flag(trader).timestamp)
    log = event(receipt, "Liquidated")
    assert (log["bountyFromAccount"], log["bountyFromFund"]) == (0, system.usd("331.5"))
    assert system.fund.defaultCount() == 1
    assert system.default_record(1)["shortfall"] == system.usd(500)
    assert events(receipt, "DefaultNoted") == []
    assert list(system.collateral.defaultsOf(trader)) == []


def test_each_asset_is_taken_in_its_part_and_at_its_discount(pledged_system, liquidate, trader, liquidator):
    """10,000 USDX at 0.98 count for 8,820, 200 SAVE for 190. Half of them for 5,000 x 0.931 and 98."""
    system = pledged_system
    pledge_share(system, trader, 200)
    system.set_asset_price("USDX", "0.98")
    system.set_price(BTC, BELOW)
    receipt = liquidate(system.flag(trader).timestamp, "0.5")
    taken = [(log["asset"], log["amount"], log["cost"]) for log in events(receipt, "Taken")]
    assert taken == [
        (USDX, 5_000 * ONE_USDX, system.usd(4_655)),
        (SAVE, 100 * ONE_SAVE, system.usd(98)),
    ]
    assert event(receipt, "CollateralPaid")["cost"] == system.usd(4_753)
    assert held(system, trader, liquidator, asset=SAVE) == [100 * ONE_SAVE, 100 * ONE_SAVE]


def test_amounts_are_rounded_down_and_costs_up(pledged_system, liquidate, trader, liquidator):
    """Of 3 units of SAVE half is one; it costs a unit, at 98%."""
    system = pledged_system
    pledge_share(system, trader, "0.000003")
    system.set_price(BTC, BELOW)
    receipt = liquidate(system.flag(trader).timestamp, "0.5")
    log = events(receipt, "Taken")[1]
    assert (log["asset"], log["amount"], log["cost"]) == (SAVE, 1, 1)
    assert held(system, trader, liquidator, asset=SAVE) == [2, 1]


def test_too_little_to_take_is_left(pledged_system, liquidate, trader):
    system = pledged_system
    pledge_share(system, trader, "0.000001")
    system.set_price(BTC, BELOW)
    receipt = liquidate(system.flag(trader).timestamp, "0.5")
    assert event(receipt, "Taken")["asset"] == USDX
    assert held(system, trader, asset=SAVE) == [1]


def test_what_has_no_price_stays(pledged_system, below, liquidate, trader, liquidator, deployer):
    """200 SAVE for 196 alone; of what is owed 7,804 is resolved without the 10,000 USDX, and noted."""
    system = pledged_system
    pledge_share(system, trader, 200)
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    receipt = liquidate(below)
    log = event(receipt, "Taken")
    assert (log["asset"], log["amount"], log["cost"]) == (SAVE, 200 * ONE_SAVE, system.usd(196))
    assert held(system, trader, liquidator) == [10_000 * ONE_USDX, 0]
    assert system.default_record(1)["shortfall"] == system.usd(7_804)
    assert event(receipt, "DefaultNoted") == {"account": trader, "id": 1}
    assert system.vault.inDebt(trader) is False


def test_who_has_pledged_only_what_has_no_price_costs_nothing(
    pledged_system, liquidate, trader, attacker, deployer
):
    """A liquidator who owes would be refused where there is something to pay: nothing is paid here."""
    system = pledged_system
    system.asset_feeds["USDX"].setMode(REVERTING, sender=deployer)
    system.deposit(attacker, 3_000)
    system.set_price(BTC, BELOW)
    receipt = liquidate(system.flag(trader).timestamp, 1, attacker)
    assert events(receipt, "Taken") == events(receipt, "CollateralPaid") == []
    assert system.size(attacker) == system.wad(5)


# ---- the liquidator


def test_a_liquidator_pays_in_cash(pledged_system, below, liquidate, attacker):
    """Whatever else it has."""
    system = pledged_system
    system.deposit(attacker, "4749.999999")
    system.pledge(attacker, "USDX", 100_000)
    with reverts("InsufficientCash", account=attacker, cash=system.usd(4_750) - 1, needed=system.usd(4_750)):
        liquidate(below, "0.5", attacker)
    system.deposit(attacker, "0.000001")
    liquidate(below + 60, "0.5", attacker)  # the refusal may have taken the block of its time
    assert cash(system, attacker) == [0]
    assert held(system, attacker) == [105_000 * ONE_USDX]


def test_what_a_liquidator_takes_is_margin_for_it(pledged_system, below, liquidate, attacker):
    """4,750 of cash become 5,000 USDX, which count for 4,500; 2.5 BTC need 1,025."""
    system = pledged_system
    count = system.vault.accountCount()
    system.deposit(attacker, 4_750)
    liquidate(below, "0.5", attacker)
    assert system.equity(attacker) == system.usd(4_500)
    assert (system.collateral.assetsOf(attacker), system.vault.accountCount()) == (1, count + 1)


def test_a_liquidator_needs_initial_margin_after_it_has_paid(
    pledged_system, below, liquidate, market_maker, attacker
):
    """It has 4,750 and is long 150 ETH at 500, which need 3,750. Afterwards 4,500 are left for 4,775."""
    system = pledged_system
    system.deposit(attacker, "4787.5")
    system.trade(attacker, market_maker, 150, 500, market=ETH)
    assert system.equity(attacker) == system.usd(4_750)
    with reverts(
        "InitialMarginNotMet", account=attacker, equity=system.usd(4_500), required=system.usd(4_775)
    ):
        liquidate(below, "0.5", attacker)
    system.deposit(attacker, 275)
    liquidate(below + 10, "0.5", attacker)  # later: the deposit may have taken the time of the first attempt
    assert system.equity(attacker) == system.usd(4_775)


def test_a_liquidator_in_debt_is_refused(pledged_system, liquidate, trader, market_maker, attacker):
    """It is long 1 BTC with 1,000, and at 8,200 owes 800."""
    system = pledged_system
    system.deposit(attacker, 1_005)
    system.pledge(attacker, "USDX", 10_000)
    system.trade(attacker, market_maker, 1, 10_000)
    system.set_price(BTC, BELOW)
    system.settle(attacker)
    since = system.flag(trader).timestamp
    assert system.vault.debtOf(attacker, BTC) == system.usd(800)
    with reverts("AccountInDebt", account=attacker):
        liquidate(since, "0.5", attacker)


def test_nobody_takes_its_own(below, liquidate, trader):
    with reverts("SelfTrade", account=trader):
        liquidate(below, 1, trader)


# ---- deleveraging


def test_deleveraging_leaves_collateral(pledged_system, trader):
    """What it owes then, 8,000, is covered by what it counts for, and waits for the sale."""
    system = pledged_system
    receipt = ruin(system, trader, BELOW)
    assert events(receipt, "Taken") == events(receipt, "Defaulted") == []
    assert event(receipt, "Unflagged") == {"account": trader}
    assert held(system, trader) == [10_000 * ONE_USDX]
    assert system.vault.debtOf(trader, BTC) == system.usd(8_000)
    assert (system.size(trader), system.vault.net(trader)) == (0, system.usd(1_000))
