"""Section 2: claims, debt, pools, and the order in which a settlement moves them."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.model.collateral import Collateral
from weir.model.environment import Clock, Feeds
from weir.model.ledger import Ledger, MarketLedger
from weir.model.numbers import ceil_div
from weir.model.parameters import StablecoinParameters
from weir.model.stablecoins import Stablecoins

NOW = 1_000_000
OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["profit", "loss", "write off"]),
        st.sampled_from(["ann", "bea", "cid"]),
        st.integers(1, 10**13),
    ),
    max_size=30,
)


def new_ledger(markets: int) -> Ledger:
    """Nothing in it, nor any collateral."""
    clock = Clock(NOW, 1)
    collateral = Collateral(clock, Stablecoins(clock, Feeds(), StablecoinParameters(), 6))
    return Ledger(clock, collateral, [MarketLedger() for _ in range(markets)])


@pytest.fixture
def ledger() -> Ledger:
    """Two markets, nothing in them."""
    return new_ledger(2)


def test_profit_is_paid_only_from_the_pool(ledger: Ledger) -> None:
    ledger.settle("winner", 0, 100)
    assert (ledger.cash["winner"], ledger.value("winner", 0)) == (0, 100)

    ledger.credit("loser", 60)
    ledger.settle("loser", 0, -80)
    assert (ledger.cash["loser"], ledger.debt("loser", 0), ledger.markets[0].pool) == (0, 20, 60)

    ledger.settle("winner", 0, 0)
    assert (ledger.cash["winner"], ledger.value("winner", 0), ledger.markets[0].pool) == (60, 40, 0)


def test_profit_repays_debt_in_its_market_first(ledger: Ledger) -> None:
    ledger.settle("trader", 0, -30)
    ledger.settle("trader", 0, 50)
    assert (ledger.debt("trader", 0), ledger.value("trader", 0)) == (0, 20)


def test_loss_takes_claims_then_cash_then_other_claims_then_is_debt(ledger: Ledger) -> None:
    ledger.settle("trader", 0, 10)
    ledger.settle("trader", 1, 40)
    ledger.markets[1].pool = 25
    ledger.cash["trader"] = 7
    ledger.settle("trader", 0, -100)
    assert ledger.value("trader", 0) == 0
    assert ledger.markets[0].pool == 7 + 25
    assert ledger.value("trader", 1) == 15
    assert ledger.debt("trader", 0) == 100 - 10 - 7 - 25


def test_cash_pays_debts_lowest_market_first(ledger: Ledger) -> None:
    ledger.settle("trader", 1, -30)
    ledger.settle("trader", 0, -20)
    ledger.credit("trader", 25)
    assert (ledger.debt("trader", 0), ledger.debt("trader", 1), ledger.cash["trader"]) == (0, 25, 0)


def test_claims_convert_after_their_maturity(ledger: Ledger) -> None:
    market = ledger.markets[0]
    market.maturity, market.pool = 100, 50
    ledger.settle("winner", 0, 30)
    ledger.clock.time = NOW + 99
    ledger.settle("winner", 0, 0)
    assert ledger.cash["winner"] == 0
    ledger.clock.time = NOW + 100
    ledger.settle("winner", 0, 0)
    assert (ledger.cash["winner"], market.pool, market.total_units) == (30, 20, 0)


def test_small_profits_cannot_postpone_a_large_one(ledger: Ledger) -> None:
    ledger.markets[0].maturity = 1_000
    ledger.settle("winner", 0, 10**6)
    for _ in range(100):
        ledger.clock.time += 5
        ledger.settle("winner", 0, 1)
    waiting = ledger.claims["winner", 0].matures_at - ledger.clock.time
    assert 500 <= waiting <= 600  # half of it has passed; each rounding adds a second at most
    assert ceil_div(1 * 1_000 + 10**6 * 500, 10**6 + 1) == 501


def test_write_off_is_borne_pro_rata(ledger: Ledger) -> None:
    ledger.settle("ann", 0, 300)
    ledger.settle("bea", 0, 100)
    ledger.write_off(0, 200)
    assert (ledger.value("ann", 0), ledger.value("bea", 0)) == (150, 50)
    ledger.settle("cid", 0, 100)
    assert (ledger.value("ann", 0), ledger.value("cid", 0)) == (150, 100)


def test_full_write_off_voids_every_unit(ledger: Ledger) -> None:
    ledger.settle("ann", 0, 10**10)
    ledger.write_off(0, 10**10 - 9)  # 9 left of 1e10 units is less than 1e-9 of them
    market = ledger.markets[0]
    assert (market.total_claims, market.total_units, market.claims_epoch, market.dust) == (0, 0, 1, 9)
    assert ledger.value("ann", 0) == 0
    ledger.settle("ann", 0, 5)
    assert (ledger.value("ann", 0), market.total_units) == (5, 5)


def test_write_off_to_the_threshold_keeps_the_units(ledger: Ledger) -> None:
    ledger.settle("ann", 0, 10**10)
    ledger.write_off(0, 10**10 - 10)
    assert (ledger.value("ann", 0), ledger.markets[0].claims_epoch) == (10, 0)


def test_the_next_profits_bear_the_residual(ledger: Ledger) -> None:
    ledger.markets[0].residual = 40
    ledger.settle("ann", 0, 30)
    ledger.settle("bea", 0, 30)
    assert (ledger.value("ann", 0), ledger.value("bea", 0), ledger.markets[0].residual) == (0, 20, 0)


def test_claims_worth_nothing_are_dropped_when_touched(ledger: Ledger) -> None:
    ledger.settle("ann", 0, 1)
    ledger.settle("bea", 0, 9)
    ledger.write_off(0, 5)
    assert ledger.value("ann", 0) == 0  # one unit worth a half
    ledger.credit("ann", 3)
    ledger.settle("ann", 0, -3)
    assert (ledger.markets[0].total_units, ledger.cash["ann"], ledger.markets[0].pool) == (9, 0, 3)


def test_resolving_takes_the_shortfall_off_the_debt(ledger: Ledger) -> None:
    ledger.settle("winner", 0, 100)
    ledger.settle("loser", 0, -100)
    ledger.resolve_debt("loser", 0, 70, from_profit=30, from_fund=25)
    market = ledger.markets[0]
    assert (ledger.debt("loser", 0), market.total_claims, market.pool) == (30, 70, 25)


@settings(max_examples=300, deadline=None)
@given(OPERATIONS)
def test_rounding_of_claims_favours_those_who_stay(operations: list[tuple[str, str, int]]) -> None:
    """Index at most 1, values never above the total, and nobody loses by another's mint or burn."""
    ledger = new_ledger(1)
    market = ledger.markets[0]
    for name, account, amount in operations:
        others = {a: ledger.value(a, 0) for a in ("ann", "bea", "cid") if a != account}
        if name == "write off":
            ledger.write_off(0, amount % (market.total_claims + 1))
        else:
            before, debt = ledger.value(account, 0), ledger.debt(account, 0)
            pnl = amount if name == "profit" else -amount
            ledger.settle(account, 0, pnl)
            exact = max(0, before + pnl - debt)
            assert exact - 1 <= ledger.value(account, 0) <= exact
            assert all(value <= ledger.value(a, 0) for a, value in others.items())
        assert market.total_claims <= market.total_units
        assert (market.total_claims == 0) == (market.total_units == 0)
        assert sum(ledger.value(a, 0) for a in ("ann", "bea", "cid")) <= market.total_claims
