"""Sums of shortfalls and the cascade, against plain NumPy in float64."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from weir.risk.bench import made_up_book, made_up_impact, made_up_model, numpy_shortfalls
from weir.risk.errors import RiskError
from weir.risk.simulation.cascade import close_out, margin_deficits
from weir.risk.simulation.engine import Scenarios, _events, account_shortfalls
from weir.risk.simulation.exposures import Exposures, Impact
from weir.risk.simulation.factors import Law, draw
from weir.risk.simulation.kernel import shortfall_deficits, shortfalls


def _changes(markets: int, coins: int, paths: int = 700) -> np.ndarray:
    return draw(Law(made_up_model(markets, coins, steps=4)), np.arange(paths), 1)


def _reference(exposures: Exposures, impact: Impact, own: np.ndarray) -> tuple[np.ndarray, float]:
    """The cascade of one path, from the definition and nothing else."""
    push = np.zeros(len(own))
    while True:
        m = own + push * (1 + own)
        closed = exposures.equity + exposures.notional @ m < exposures.margin @ (1 + m)
        flow = exposures.notional[closed].sum(axis=0) * (1 + own)
        wanted = -np.sign(flow) * np.minimum(impact.cap, (np.abs(flow) / impact.depth) ** impact.exponent)
        wanted[exposures.markets :] = 0
        grown = (np.abs(wanted) > np.abs(push) + 1e-9) & (wanted * push >= 0)
        if not grown.any():
            return m, float(np.abs(exposures.notional[closed, : exposures.markets]).sum())
        push = np.where(grown, wanted, push)


@pytest.mark.parametrize(("markets", "coins"), [(1, 0), (3, 0), (3, 2), (7, 1), (12, 4)])
def test_shortfalls_are_numpys(markets, coins):
    exposures = made_up_book(500, markets, coins)
    changes = _changes(markets, coins)
    owed = shortfall_deficits(exposures, exposures.resources)
    found = shortfalls(owed, changes)
    exact = numpy_shortfalls(exposures.resources, exposures.notional, changes)
    gross = exposures.resources + np.abs(changes) @ np.abs(exposures.notional).T
    losing = exposures.resources + changes @ exposures.notional.T < 0
    bound = (gross * losing).sum(axis=1) * (markets + coins + 4) * 2.0**-24 + exact * 31 * 2.0**-24
    assert exact.max() > 0
    assert (np.abs(found - exact) <= bound + 1e-3).all()
    # What bounds leave out changes nothing, and neither does where a path stands.
    np.testing.assert_array_equal(shortfalls(owed.without_bounds(), changes), found)
    some = np.array([699, 5, 31, 32, 300])
    np.testing.assert_array_equal(shortfalls(owed, changes[some]), found[some])


@pytest.mark.parametrize(("markets", "coins", "depth"), [(1, 0, 20), (3, 2, 20), (3, 0, 2), (5, 1, 100)])
def test_the_cascade_ends_where_the_definition_does(markets, coins, depth):
    exposures = made_up_book(300, markets, coins)
    impact, changes = made_up_impact(exposures, depth), _changes(markets, coins)
    deficits = margin_deficits(exposures)
    out = close_out(deficits, markets, impact, changes)
    assert out.unconverged == 0
    expected = [_reference(exposures, impact, own) for own in changes]
    np.testing.assert_allclose(out.changes, [m for m, _ in expected], atol=1e-6)
    np.testing.assert_allclose(out.closed, [gross for _, gross in expected], rtol=1e-6)
    assert np.abs(out.changes - changes).max() > 0.01
    dense = close_out(deficits.without_bounds(), markets, impact, changes)
    np.testing.assert_array_equal(dense.changes, out.changes)
    np.testing.assert_array_equal(dense.closed, out.closed)


def test_one_liquidation_sets_off_the_next():
    """By hand: the first account's sale pushes the price by 10 %, which the second does not survive."""
    exposures = Exposures(
        accounts=("first", "second", "short"),
        factors=("market",),
        markets=1,
        equity=np.array([5.0, 14.0, 50.0]),
        resources=np.array([5.0, 14.0, 50.0]),
        notional=np.array([[100.0], [100.0], [-100.0]]),
        margin=np.array([[2.0], [2.0], [2.0]]),
    )
    impact = Impact(np.array([950.0]), np.array([1.0]), np.array([0.5]))
    own = np.array([[-0.05], [0.0], [0.60]])
    losses, changes = Scenarios(exposures).losses_at(impact, own)
    # Path 0: sells 95 of 950, then 190 of 950: 20 % of 0.95. Path 2: the short buys back 160 of 950.
    np.testing.assert_allclose(changes[:, 0], [0.95 * 0.8 - 1, 0.0, 1.6 * (1 + 160 / 950) - 1], rtol=1e-6)
    np.testing.assert_allclose(losses, [(24 - 5) + (24 - 14), 0, 160 * 160 / 950 + 60 - 50], rtol=1e-6)
    alone, same = Scenarios(exposures).losses_at(impact, own, cascade=False)
    np.testing.assert_array_equal(same, own)
    np.testing.assert_allclose(alone, [0, 0, 10], rtol=1e-6, atol=1e-5)


def test_markets_without_impact_leave_the_kernel():
    exposures = made_up_book(300, 3, 1)
    changes = _changes(3, 1)
    nothing = Impact(np.full(4, np.inf), np.full(4, 0.5), np.full(4, 0.3))
    losses, same = Scenarios(exposures).losses_at(nothing, changes)
    np.testing.assert_array_equal(same, changes)
    np.testing.assert_array_equal(losses, Scenarios(exposures).losses_at(nothing, changes, cascade=False)[0])


def test_a_push_is_never_beyond_its_cap():
    exposures = made_up_book(300, 2)
    impact = replace(made_up_impact(exposures, 0.01), cap=np.array([0.1, 0.2]))
    changes = _changes(2, 0)
    _, after = Scenarios(exposures).losses_at(impact, changes)
    pushed = np.abs((1 + after) / (1 + changes) - 1)
    np.testing.assert_allclose(pushed.max(axis=0), [0.1, 0.2], rtol=1e-9)


def test_rounds_that_do_not_suffice_are_counted():
    exposures = made_up_book(300, 3)
    impact, changes = made_up_impact(exposures, 2), _changes(3, 0)
    assert close_out(margin_deficits(exposures), 3, impact, changes, rounds=2).unconverged > 10


def test_what_happens_to_accounts_is_numpys():
    exposures = made_up_book(301, 3, 2)
    changes = _changes(3, 2)
    liquidated, defaulted, loss = _events(exposures, changes) / len(changes)
    worth = exposures.resources + changes @ exposures.notional.T
    close = exposures.equity + changes @ exposures.notional.T < (1 + changes) @ exposures.margin.T
    np.testing.assert_allclose(liquidated, close.mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(defaulted, (worth < 0).mean(axis=0), atol=2e-3)
    np.testing.assert_allclose(loss, np.maximum(-worth, 0).mean(axis=0), rtol=1e-5, atol=1e-3)
    total = numpy_shortfalls(exposures.equity, exposures.notional, changes)
    np.testing.assert_allclose(account_shortfalls(exposures, changes), total, rtol=1e-5, atol=2)


def test_a_book_without_accounts_loses_nothing():
    exposures = made_up_book(0, 2, 1)
    losses, _ = Scenarios(exposures).losses_at(made_up_impact(made_up_book(5, 2, 1)), _changes(2, 1))
    assert not losses.any()


@pytest.mark.parametrize("name", ["depth", "exponent", "cap"])
def test_an_impact_that_makes_no_sense_is_refused(name):
    exposures = made_up_book(5, 2)
    wrong = replace(made_up_impact(exposures), **{name: np.array([0.5, -1.0])})
    with pytest.raises(RiskError, match=f"impact.{name}"):
        Scenarios(exposures).losses_at(wrong, _changes(2, 0))


def test_changes_that_make_no_sense_are_refused():
    exposures = made_up_book(5, 2)
    for wrong in (np.zeros((3, 3)), np.zeros((0, 2)), np.full((1, 2), -1.1), np.full((1, 2), np.nan)):
        with pytest.raises(RiskError, match="changes"):
            account_shortfalls(exposures, wrong)
