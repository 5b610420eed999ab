"""What the page computes itself: shocks, concentration, steps of a waterfall, series, words."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import pytest

from weir.formatting import usd_short
from weir.monitor.concentration import concentration
from weir.monitor.page.fund import days
from weir.monitor.page.header import ago, headline
from weir.monitor.page.history import MOST, Point, remembered, thinned
from weir.monitor.page.model import View, state
from weir.monitor.page.outlook import outlook
from weir.monitor.page.reserve import mix
from weir.monitor.page.shocks import nearest, shocked
from weir.monitor.page.steps import of_default, of_outcome
from weir.monitor.page.verdict import coverage_level, troubles, unpriced
from weir.monitor.watch import STILL_SECONDS
from weir.parameters import FundingParameters
from weir.risk.measures.replenishment import Activity, daily_income, replenish
from weir.states import AccountState, PositionState

USD = 10**6
WAD = 10**18
BTC, ETH = (
    SimpleNamespace(id=i, symbol=symbol, maintenance_margin_ratio=ratio, status="open", feed_status="ok")
    for i, (symbol, ratio) in enumerate((("BTC", 30_000), ("ETH", 50_000)))
)


def replace_market(market: Any, **changes: Any) -> Any:
    return SimpleNamespace(**{**vars(market), **changes})


def trader(equity: int, address: str = "0x01", *, priced: bool = True, **usd: int) -> Any:
    """With this equity and these signed notionals, USD, at 3% and 5% of margin."""
    markets = {"BTC": BTC, "ETH": ETH}
    positions = tuple(
        PositionState(
            market=markets[symbol].id,
            size=notional * WAD,
            unsettled=0,
            notional=abs(notional) * USD,
            live=True,
        )
        for symbol, notional in usd.items()
    )
    margin = sum(p.notional * (BTC, ETH)[p.market].maintenance_margin_ratio for p in positions) // 10**6
    fields = dict.fromkeys(AccountState.__dataclass_fields__, 0) | {
        "address": address,
        "equity": equity * USD,
        "maintenance_margin": margin,
        "insolvent": False,
        "priced": priced,
        "positions": positions,
    }
    return AccountState(**fields)


# --------------------------------------------------------------------- shocks


def test_a_fall_takes_from_a_long_and_lowers_what_it_must_hold() -> None:
    cell = shocked(trader(1_000, BTC=10_000), (BTC,), -50_000)
    assert cell.equity == 500 * USD
    assert cell.margin == 285 * USD
    assert cell.ratio == 500 / 285


def test_a_short_gains_what_a_long_loses() -> None:
    assert shocked(trader(1_000, BTC=-10_000), (BTC,), -50_000).equity == 1_500 * USD


def test_markets_that_do_not_move_keep_their_margin() -> None:
    both = trader(1_000, BTC=10_000, ETH=2_000)
    assert shocked(both, (ETH,), 100_000).equity == 1_200 * USD
    assert shocked(both, (ETH,), 100_000).margin == (300 + 110) * USD
    assert shocked(both, (BTC, ETH), 0).margin == both.maintenance_margin


def test_shocks_are_exact_beyond_what_floats_hold() -> None:
    huge = trader(10**12 + 1, BTC=10**13 + 7)
    gained = Fraction((10**13 + 7) * USD, 10**6)
    assert shocked(huge, (BTC,), 1).equity == (10**12 + 1) * USD + gained


def test_the_nearest_come_first_whichever_way_they_fall() -> None:
    far, near, short = (
        trader(5_000, "0xfa", BTC=10_000),
        trader(800, "0xae", BTC=10_000),
        trader(700, "0x50", BTC=-10_000),
    )
    gone = trader(100, "0x90", BTC=10_000)
    idle, unpriced = trader(50, "0x1d"), trader(1, "0x44", priced=False, BTC=1_000)
    rows = nearest((far, near, short, gone, idle, unpriced), (BTC,))
    assert [row.account.address for row in rows] == ["0x90", "0x50", "0xae", "0xfa"]
    gone_row, short_row, near_row, _ = rows
    assert gone_row.distance == 0
    assert short_row.distance == Fraction(400, 10_300)
    assert near_row.distance == Fraction(-500, 9_700)
    at = shocked(near, (BTC,), 0).equity + near_row.distance * 10_000 * USD
    assert at == near.maintenance_margin * (1 + near_row.distance)


def test_only_as_many_as_asked_for_and_only_of_these_markets() -> None:
    accounts = [trader(1_000 + i, f"0x{i}", BTC=10_000) for i in range(30)]
    assert len(nearest(accounts, (BTC,), most=20)) == 20
    assert nearest(accounts, (ETH,)) == ()


# -------------------------------------------------------------- concentration


def test_concentration_of_each_side() -> None:
    accounts = [trader(1, BTC=60), trader(1, BTC=40), trader(1, BTC=-100), trader(1, ETH=5)]
    longs, shorts = concentration(accounts, BTC.id)
    assert (longs.accounts, longs.largest, longs.top) == (2, 0.6, 1.0)
    assert longs.hhi == pytest.approx(0.52)
    assert (shorts.accounts, shorts.largest, shorts.hhi) == (1, 1.0, 1.0)
    assert concentration([], 0)[0].hhi == 0


def test_sizes_that_ended_with_their_side_are_nobodys() -> None:
    ended = trader(1, BTC=60)
    ended = replace(ended, positions=(replace(ended.positions[0], live=False),))
    assert concentration([ended], BTC.id)[0].accounts == 0


# ----------------------------------------------------------------------- steps


def test_a_default_comes_down_to_zero_in_the_order_of_the_waterfall() -> None:
    layers = ("own", "coinsurance", "skin", "junior", "senior", "mutual", "unpaid_profit", "remainder")
    parts = {layer: Decimal(i) for i, layer in enumerate(layers)}
    steps = of_default({"shortfall": Decimal(28), **parts})
    assert [step.amount for step in steps] == [Decimal(i) for i in range(8)]
    assert [step.left for step in steps] == [28, 27, 25, 22, 18, 13, 7, 0]
    assert steps[0].name == "Defaulter's contribution"


def test_an_outcome_begins_with_what_defaulters_have_put_in() -> None:
    layers = {"skin": 10.0, "junior": 5.0, "senior": 0.0, "mutual": 0.0, "open interest": 0.0}
    steps = of_outcome(SimpleNamespace(own=2.0, layers=layers))  # type: ignore[arg-type]
    assert [(step.amount, step.left) for step in steps[:3]] == [(2, 15), (10, 5), (5, 0)]
    assert steps[-1].colour == "open_interest"


# ------------------------------------------------------------------ what is said


def reading(**changes: Any) -> Any:
    """At its target, with nothing wrong, but for these changes of the fund."""
    fund = {
        "assets": 100 * USD,
        "target": 100 * USD,
        "coverage": 1_000_000,
        "posted_target": 0,
        "posted_at": 0,
        "fresh": False,
        "gate_open": True,
        "insolvencies": 0,
    } | changes
    told = {
        "assets": Decimal(fund["assets"]) / USD,
        "target": Decimal(fund["target"]) / USD,
        "coverage": None if fund["coverage"] is None else fund["coverage"] / 10**6,
        "premium_rate": 0.1,
        "skin": Decimal(60),
        "unvested": Decimal(5),
        "junior": Decimal(20),
        "senior": Decimal(30),
        "advanced_junior": Decimal(0),
        "advanced_senior": Decimal(0),
    }
    coin = {"symbol": "USDX", "reserve": {"counts": Decimal(30)}}
    return SimpleNamespace(
        fund=SimpleNamespace(**fund),
        status={"fund": told, "identities": [], "stablecoins": {"owing": [], "assets": [coin]}},
        deployment=SimpleNamespace(decimals=6),
        markets=(SimpleNamespace(symbol="BTC", status="open", feed_status="ok", notional=1_000 * USD),),
        seen=SimpleNamespace(assets=(), policy=FundingParameters()),
        accounts=(),
        closure=None,
        taken_at=1_000.0,
        new_at=1_000.0,
        seconds=0.1,
    )


def test_a_fund_at_its_target_is_enough() -> None:
    assert headline(reading()) == "The fund is enough: $100.00 for a target of $100.00"
    assert coverage_level(reading()) == "good"
    assert troubles(reading()) == ()


def test_a_fund_below_its_target_says_what_is_missing() -> None:
    below = reading(assets=60 * USD, coverage=600_000)
    assert headline(below) == "The fund covers 60% of its target; $40.00 is missing"
    assert coverage_level(below) == "bad"
    assert coverage_level(reading(coverage=FundingParameters().stress_from)) == "warn"
    assert [each.level for each in troubles(below)] == ["warn"]


def test_stress_is_where_governance_has_put_it() -> None:
    below = reading(assets=60 * USD, coverage=600_000)
    below.seen.policy = FundingParameters(stress_from=600_000, stop_below=500_000)
    assert (coverage_level(below), troubles(below)) == ("warn", ())
    below.seen.policy = FundingParameters(stop_below=700_000)
    assert [each.text for each in troubles(below)] == [
        "New risk is stopped: the fund covers less than 70% of its target"
    ]


def test_a_fund_of_which_nothing_is_asked() -> None:
    assert headline(reading(coverage=None, target=0)).endswith("nothing is asked of it")
    assert coverage_level(reading(coverage=None)) == "good"


def test_the_worst_is_said_first() -> None:
    wrong = reading(coverage=100_000, insolvencies=1, gate_open=False, posted_at=5)
    wrong.status["identities"] = [
        {"id": "P1", "holds": False, "difference": Decimal("-0.5"), "unit": "USD"},
        {"id": "P2:BTC", "holds": True, "difference": Decimal(0), "unit": "USD"},
    ]
    wrong.markets = (SimpleNamespace(symbol="BTC", status="open", feed_status="stale"),)
    wrong.seen.assets = (SimpleNamespace(symbol="USDX", status="ok", par=97 * 10**16),)
    wrong.accounts = (trader(100, BTC=10_000),)
    said = troubles(wrong)
    assert [each.level for each in said] == ["bad"] * 5 + ["warn"] * 3
    told = " / ".join(each.text for each in said)
    for part in (
        "P1 is broken by −0.500000 USD",
        "New risk is stopped",
        "1 account is insolvent",
        "gate is closed",
        "BTC: the price feed is stale",
        "posted target has expired",
        "USDX is off its par: $0.9700",
        "1 account is below maintenance margin",
    ):
        assert part in told


def test_a_tranche_that_stands_at_zero_is_named() -> None:
    wiped = reading()
    wiped.status["fund"]["junior"] = Decimal(0)
    assert [(each.level, each.text) for each in troubles(wiped)] == [
        ("warn", "The junior tranche stands at zero: it can bear no loss")
    ]


def test_who_can_not_be_priced_is_said_with_the_markets_that_have_no_price() -> None:
    lost = reading()
    btc, eth = (replace_market(market, feed_status="stale") for market in (BTC, ETH))
    lost.accounts = (trader(1, "0x01", priced=False, BTC=10), trader(1, "0x02", BTC=10))
    lost.markets = (btc, ETH)
    assert unpriced(lost) == "1 account can't be priced: BTC has no price"
    lost.accounts = (*lost.accounts, trader(1, "0x03", priced=False, ETH=10))
    lost.markets = (btc, eth, replace_market(BTC, symbol="LUNA", status="closed", feed_status="unset"))
    assert unpriced(lost) == "2 accounts can't be priced: BTC, ETH have no price"
    assert unpriced(reading()) is None


def test_a_closed_market_may_have_no_price() -> None:
    closed = reading()
    closed.markets = (SimpleNamespace(symbol="BTC", status="closed", feed_status="unset"),)
    assert troubles(closed) == ()


def test_ages_and_days_in_words() -> None:
    said = [ago(seconds) for seconds in (0.2, 119, 120, 7_200, 200_000)]
    assert said == ["0 s", "119 s", "2 min", "2 h", "2 d"]
    assert [days(d) for d in (None, 0.0, 0.5, 40.2, 800.0)] == [
        *("over 10 years", "none", "12 h", "40 days", "2.2 years")
    ]


def test_skin_by_what_it_is_in() -> None:
    assert mix(reading().status) == {"settlement token": Decimal(65), "USDX": Decimal(30)}


# ----------------------------------------------------------------------- outlook


def test_the_outlook_is_the_risk_engines() -> None:
    below = reading(assets=60 * USD, coverage=600_000, posted_target=100 * USD, fresh=True)
    found = outlook(below, 3.0)
    activity = Activity(fees=3.0, open_interest=1_000.0, posted=100.0)
    expected = replenish(FundingParameters(), 60.0, activity, goal=100.0)
    assert found.days_to_target == expected.days_to_target is not None
    assert found.half_life == expected.half_life
    assert found.income == float(daily_income(FundingParameters(), 60.0, activity))
    assert found.path[0] == 60.0
    assert found.path[-1] >= 100.0


def test_fees_that_nobody_measured_are_assumed_and_called_so() -> None:
    found = outlook(reading(assets=60 * USD), None)
    assert not found.measured
    assert found.fees == pytest.approx(1_000 * 0.0007)


# ------------------------------------------------------------------------- series


def at(time: int) -> Point:
    return Point(time, *[1.0] * 7, coverage=1.0)


def test_a_series_is_thinned_evenly_and_keeps_its_ends() -> None:
    found = thinned([at(i) for i in range(5 * MOST)])
    assert len(found) == MOST
    assert (found[0].time, found[-1].time) == (0, 5 * MOST - 1)
    assert len(thinned([at(1), at(2)])) == 2


def test_what_a_chain_took_back_is_forgotten() -> None:
    assert [each.time for each in remembered([at(1), at(5), at(9)], at(6))] == [1, 5, 6]
    assert [each.time for each in remembered([at(1)], at(1))] == [1]


def test_memory_is_bounded() -> None:
    seen: tuple[Point, ...] = ()
    for time in range(3 * MOST):
        seen = remembered(seen, at(time))
    assert len(seen) < 2 * MOST + 1
    assert (seen[0].time, seen[-1].time) == (0, 3 * MOST - 1)


# -------------------------------------------------------------------------- state


def test_old_numbers_are_never_called_live() -> None:
    now = reading()
    assert state(now, None, 1_002.0, 2.0).kind == "live"
    assert state(now, None, 1_060.0, 2.0).kind == "stale"
    told = state(now, "no answer", 1_002.0, 2.0)
    assert (told.kind, told.detail) == ("stale", "no answer")
    assert state(None, None, 0.0, 2.0).title == "Connecting"
    nothing = state(None, "no deployment", 0.0, 2.0)
    assert (nothing.kind, nothing.title, nothing.detail) == ("waiting", "No data", "no deployment")


def test_a_chain_without_new_blocks_is_not_called_live() -> None:
    """However well its node answers: what it shows may be hours old."""
    read = reading()
    read.taken_at = 1_000.0 + STILL_SECONDS
    assert state(read, None, read.taken_at, 2.0).kind == "live"
    still = state(read, None, read.taken_at + 1, 2.0)
    assert (still.kind, still.title) == ("still", "Stands still")
    assert "1970-01-01 00:16:40 UTC" in still.detail
    assert state(read, "away", read.taken_at + 1, 2.0).kind == "stale", "a node that is away is worse"


def test_a_view_is_the_same_until_something_but_the_time_changes() -> None:
    first = View(state(None, None, 0.0, 2.0), 0.0, reading=reading())
    assert first.same(replace(first, now=5.0))
    assert not first.same(replace(first, index_problem="away"))
    assert not first.same(replace(first, reading=reading()))


def test_amounts_read_short() -> None:
    assert usd_short(Decimal("247000")) == "$247k"
