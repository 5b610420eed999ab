"""One default, as deep as it goes: who bears what, to the unit (SPECIFICATION.md section 5).

The trader is long 1 BTC from 10,000 with 1,000 of cash; the market maker is short 0.8, the other trader 0.2.
The fund holds 100 of skin, 200 junior, 300 senior. The price falls by `fall`. The other trader is settled
before the default, so 0.2 of the fall is unpaid profit U then; the trader misses D = fall - 1,000. There are
no fees, bounties or penalties.
"""

from dataclasses import dataclass

import pytest

from tests.expect import event, events
from tests.integration.stage import (
    BTC,
    begin_budget_window,
    borne,
    cover,
    fall_below,
    fill_fund,
    layers,
    plain_market,
)
from weir.parameters import market_struct

SKIN, JUNIOR, SENIOR = 100, 200, 300
FUND = SKIN + JUNIOR + SENIOR
SHORTS = {"market_maker": "0.8", "other_trader": "0.2"}


@dataclass(frozen=True)
class Case:
    """USD. What each layer bears when the price has fallen so far; worked out by hand."""

    stops_in: str
    fall: int
    shortfall: int = 0
    coinsurance: int = 0
    skin: int = 0
    junior: int = 0
    senior: int = 0
    unpaid_profit: int = 0
    remainder: int = 0
    ratio: int = 200_000  # coinsurance, ppm of the shortfall

    @property
    def borne(self) -> dict[str, int]:
        """By the names of a default's record."""
        parts = {
            "shortfall": self.shortfall,
            "coinsurance": self.coinsurance,
            "skin": self.skin,
            "junior": self.junior,
            "senior": self.senior,
            "unpaidProfit": self.unpaid_profit,
            "remainder": self.remainder,
        }
        return {part: amount for part, amount in parts.items() if amount}

    @property
    def from_fund(self) -> int:
        return self.skin + self.junior + self.senior

    @property
    def from_profit(self) -> int:
        return self.coinsurance + self.unpaid_profit


CASES = [
    # Its own 1,000 are enough.
    Case("margin", fall=900),
    # U = 240 stands before the fund for all of D = 200.
    Case("coinsurance", fall=1_200, shortfall=200, coinsurance=200, ratio=1_000_000),
    # A fifth of D is coinsured in all that follow.
    Case("skin", fall=1_100, shortfall=100, coinsurance=20, skin=80),
    Case("junior", fall=1_300, shortfall=300, coinsurance=60, skin=100, junior=140),
    Case("senior", fall=1_600, shortfall=600, coinsurance=120, skin=100, junior=200, senior=180),
    # U - coinsurance = 370 - 170 = 200, of which 80 are needed.
    Case(
        "profit",
        fall=1_850,
        shortfall=850,
        coinsurance=170,
        skin=100,
        junior=200,
        senior=300,
        unpaid_profit=80,
    ),
    # U - coinsurance = 450 - 250 = 200, and it takes 400 more.
    Case(
        "interest",
        fall=2_250,
        shortfall=1_250,
        coinsurance=250,
        skin=100,
        junior=200,
        senior=300,
        unpaid_profit=200,
        remainder=200,
    ),
]
CASE = pytest.mark.parametrize("case", [pytest.param(case, id=case.stops_in) for case in CASES])
"""By the layer that it stops in."""


@pytest.fixture(scope="module")
def opened(plain, market_maker, trader, other_trader, liquidator):
    plain.deposit(trader, 1_000)
    for account in (market_maker, other_trader, liquidator):
        plain.deposit(account, 10_000)
    fill_fund(plain, skin=SKIN, junior=JUNIOR, senior=SENIOR)
    for role, size in SHORTS.items():
        plain.trade(trader, plain.actors[role], size, 10_000)
    return plain


@pytest.fixture(params=["deleverage", "liquidate"])
def resolve(request, opened, trader, other_trader, liquidator):
    """Has the trader closed by deleveraging, or taken over by the liquidator, when the price has fallen;
    the receipt.
    """

    def run(case):
        cover(opened, BTC, budget_share=1_000_000, coinsurance=case.ratio)
        opened.set_price(BTC, 10_000 - case.fall)
        fall_below(opened, trader)
        if request.param == "deleverage":
            return opened.deleverage(trader, [other_trader])
        return opened.liquidate(trader, liquidator, 1, [other_trader])

    return run


@CASE
def test_a_default_is_borne_in_order(opened, resolve, case):
    receipt = resolve(case)
    check_record(opened, receipt, case)
    check_ledger(opened, receipt, case)
    check_layers(opened, receipt, case)
    check_outcome(opened, case)


def check_record(system, receipt, case):
    """What the fund keeps and emits about the default."""
    defaults = events(receipt, "Defaulted")
    assert system.fund.defaultCount() == len(defaults) == (case.shortfall > 0)
    if not defaults:
        return
    record, trader = system.default_record(1), system.actors["trader"]
    assert (record["account"], record["market"], record["time"]) == (trader, BTC, receipt.timestamp)
    assert borne(system, 1) == case.borne
    log = defaults[0]
    assert (log["id"], log["account"], log["market"]) == (1, trader, BTC)
    assert [*log["record"][1:], log["remainder"]] == list(record.values())[1:]


def check_ledger(system, receipt, case):
    """The trader owes nothing more; the pool has what it and the fund paid; claims are written down in one
    go.
    """
    vault, trader = system.vault, system.actors["trader"]
    assert vault.marketLedger(BTC).pool == system.usd(min(case.fall, 1_000) + case.from_fund)
    assert vault.net(trader) == vault.cashOf(trader) == system.usd(max(0, 1_000 - case.fall))
    assert vault.totalClaims(BTC) == system.usd(case.fall) // 5 - system.usd(case.from_profit)
    written_off = [log["amount"] for log in events(receipt, "ClaimsWrittenOff")]
    assert written_off == ([system.usd(case.from_profit)] if case.from_profit else [])
    charged = [(log["toShorts"], log["amount"]) for log in events(receipt, "RemainderCharged")]
    assert charged == ([(True, system.usd(case.remainder))] if case.remainder else [])
    assert vault.marketLedger(BTC).residual == 0


def check_layers(system, receipt, case):
    """Each has what it did not pay; one that paid its last unit is wiped out."""
    left = SKIN - case.skin, 0, JUNIOR - case.junior, SENIOR - case.senior
    assert layers(system) == tuple(map(system.usd, left))
    assert (
        system.token.balanceOf(system.fund) == system.fund.available(BTC) == system.usd(FUND - case.from_fund)
    )
    wiped = [log["tranche"] for log in events(receipt, "TrancheWiped")]
    assert wiped == [system.junior] * (case.junior == JUNIOR) + [system.senior] * (case.senior == SENIOR)


def check_outcome(system, case):
    """Coinsured, and first to lose unpaid profit, is the winner who had settled; the remainder falls on
    both by size.
    """
    market_maker, other_trader, liquidator = (
        system.actors[role] for role in ("market_maker", "other_trader", "liquidator")
    )
    system.settle(other_trader, market_maker, liquidator, other_trader)
    gains = {
        other_trader: case.fall * 0.2 - case.from_profit - case.remainder * 0.2,
        market_maker: (case.fall - case.remainder) * 0.8,
        liquidator: 0,
    }
    for account, gain in gains.items():
        assert system.vault.cashOf(account) == system.equity(account) == system.usd(10_000) + system.usd(gain)
    assert system.vault.marketLedger(BTC).pool == system.vault.totalClaims(BTC) == 0


def test_the_cases_are_sums():
    """The table above keeps to section 5: the parts make the whole, and U is a fifth of the fall."""
    for case in CASES:
        assert case.shortfall == case.from_fund + case.from_profit + case.remainder
        assert case.shortfall == max(0, case.fall - 1_000)
        assert case.from_profit <= case.fall / 5


# ---- what else decides how deep it goes


def default(system, fall, first=()):
    """The trader is taken over by the liquidator when the price has fallen so far; the receipt."""
    system.set_price(BTC, 10_000 - fall)
    system.flag(system.actors["trader"])
    return system.liquidate(system.actors["trader"], system.actors["liquidator"], 1, first)


def test_the_budget_ends_the_fund_before_its_layers_do(opened, other_trader):
    """Half of 600 is for BTC today: 100 of skin, all 200 junior, nothing senior. Then the rest of U, then
    open interest.
    """
    cover(opened, BTC, budget_share=500_000, coinsurance=200_000)
    default(opened, 1_850, [other_trader])
    assert borne(opened, 1) == {
        "shortfall": 850,
        "coinsurance": 170,
        "skin": 100,
        "junior": 200,
        "unpaidProfit": 200,
        "remainder": 180,
    }
    assert opened.fund.available(BTC) == 0


def test_a_second_default_finds_what_the_first_has_left(
    opened, trader, other_trader, market_maker, liquidator
):
    """Of the 300 for today the first takes 80; a day later there is half of what is left then."""
    begin_budget_window(opened)
    cover(opened, BTC, budget_share=500_000, coinsurance=200_000)
    default(opened, 1_100, [other_trader])
    assert borne(opened, 1) == {"shortfall": 100, "coinsurance": 20, "skin": 80}
    assert opened.fund.available(BTC) == opened.usd(220)
    opened.deposit(trader, 900)
    opened.trade(trader, market_maker, 1, 8_900)
    # It misses 500, and U is the 200 that the other trader was left with.
    opened.set_price(BTC, 7_500)
    opened.flag(trader)
    opened.liquidate(trader, liquidator)
    assert borne(opened, 2) == {
        "shortfall": 500,
        "coinsurance": 100,
        "skin": 20,
        "junior": 200,
        "unpaidProfit": 100,
        "remainder": 80,
    }
    assert opened.fund.available(BTC) == 0
    begin_budget_window(opened)
    assert opened.fund.available(BTC) == opened.usd(150)


def test_the_bounty_of_an_insolvent_account_comes_first_and_out_of_the_same_budget(
    opened, governor, other_trader
):
    """1% of 8,900 for the liquidator; the trader's cash is gone, so skin pays it, and junior what skin can
    no longer.
    """
    free = tuple(opened.clearing_house.liquidationParameters())
    opened.clearing_house.setLiquidationParameters((10_000, 10_000, 5_000, *free[3:]), sender=governor)
    cover(opened, BTC, budget_share=1_000_000, coinsurance=200_000)
    receipt = default(opened, 1_100, [other_trader])
    assert event(receipt, "BountyPaid")["skin"] == opened.usd(89)
    log = event(receipt, "Liquidated")
    assert (log["bountyFromAccount"], log["bountyFromFund"], log["penalty"]) == (0, opened.usd(89), 0)
    assert borne(opened, 1) == {"shortfall": 100, "coinsurance": 20, "skin": 11, "junior": 69}
    assert opened.fund.available(BTC) == opened.usd(FUND - 89 - 80)


def test_income_that_has_not_vested_pays_with_the_skin(
    opened, governor, keeper, market_maker, other_trader, liquidator
):
    """A fee of 100 has come in: 20 for the treasury, 80 to vest over a week. An hour later 80 less what
    has vested stand behind the skin.
    """
    with_a_fee = market_struct(plain_market("BTC", 10_000, maker_fee=10_000))
    opened.clearing_house.setMarketParameters(BTC, tuple(with_a_fee.values()), sender=governor)
    opened.trade(market_maker, liquidator, 1, 10_000)
    opened.fund.collect(sender=keeper)
    opened.wait(3_600)
    cover(opened, BTC, budget_share=1_000_000, coinsurance=0)
    unvested, since, end = opened.fund.stream()
    receipt = default(opened, 1_300, [other_trader])
    vested = unvested * (receipt.timestamp - since) // (end - since)
    assert opened.usd("0.4") < vested < opened.usd("0.6")
    record = opened.default_record(1)
    assert record["skin"] == opened.usd(SKIN) + unvested - vested
    # Junior's part of what has vested is there to pay as well.
    assert record["skin"] + record["junior"] == opened.usd(300)
    assert layers(opened)[1] == 0


@pytest.mark.parametrize("named", [False, True])
def test_winners_named_first_spare_those_who_have_won_nothing(
    opened, market_maker, other_trader, liquidator, stranger, named
):
    """A remainder falls on all shorts by size, on one opened at the present price too. Unpaid profit
    stands before that, and whoever resolves a default makes profit unpaid by naming the winners.
    """
    cover(opened, BTC, budget_share=0, coinsurance=0)
    opened.set_price(BTC, 7_000)
    opened.deposit(stranger, 5_000)
    opened.trade(liquidator, stranger, 1, 7_000)
    default(opened, 3_000, [market_maker, other_trader] if named else [])
    # 2,000 out of 3,000 of unpaid profit, or over 2 BTC.
    assert borne(opened, 1) == {"shortfall": 2_000, "unpaidProfit" if named else "remainder": 2_000}
    assert opened.equity(stranger) == opened.usd(5_000 - 1_000 * (not named))
