"""What the page asks of the risk engine, on books whose answers can be had by hand."""

from __future__ import annotations

import asyncio
import threading
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from nicegui import Client, ui

from weir.monitor.page.model import State, View
from weir.monitor.page.scenario import VOLATILITIES, Choice, ask, chosen, impact, scenario
from weir.monitor.page.whatif import ASKING, _WhatIf
from weir.risk.inputs.book import Account, Book, Fund, Market, Stablecoin
from weir.risk.simulation.engine import Scenarios
from weir.risk.stress.outcome import outcome


def book(*, long_equity: float = 1_000.0, guaranty: float = 0.0, reserve: float = 0.0) -> Book:
    """One long of 10,000 dollars against one short with enough."""
    return Book(
        markets={"BTC": Market(price=100.0, initial_margin=0.05, maintenance_margin=0.03)},
        stablecoins={"USDX": Stablecoin(reserve=reserve)},
        accounts=(
            Account(account="long", equity=long_equity, guaranty=guaranty, positions={"BTC": 100.0}),
            Account(account="short", equity=50_000.0, positions={"BTC": -100.0}),
        ),
        fund=Fund(skin=500.0 + reserve, junior=400.0, senior=300.0, guaranty=200.0 + guaranty),
    )


def test_layers_bear_a_loss_one_after_the_other() -> None:
    found = ask(book(), Choice({"BTC": -0.2}, volatility=0.0))
    assert found.outcome.loss == pytest.approx(1_000)
    assert dict(found.outcome.layers) == pytest.approx(
        {"skin": 500, "junior": 400, "senior": 100, "mutual": 0, "open interest": 0}
    )
    assert [(each.account, each.cost, each.equity) for each in found.defaulters] == [("long", 1_000, 1_000)]
    assert found.liquidated == 1


def test_what_no_layer_has_is_covered_by_nobody() -> None:
    found = ask(book(), Choice({"BTC": -0.5}, volatility=0.0))
    assert found.outcome.layers["open interest"] == pytest.approx(4_000 - 500 - 400 - 300 - 200)


def test_a_defaulters_own_contribution_pays_first_and_only_once() -> None:
    found = ask(book(guaranty=600.0), Choice({"BTC": -0.3}, volatility=0.0)).outcome
    assert found.own == pytest.approx(600)
    assert found.loss == pytest.approx(1_400)
    assert found.layers["mutual"] == pytest.approx(200), "what others have put in, without the defaulter's"


def test_a_reserve_that_loses_its_par_takes_from_the_fund() -> None:
    found = ask(book(reserve=1_000.0), Choice({"USDX": -0.1})).outcome
    assert (found.loss, found.reserve) == pytest.approx((0, 100))
    assert found.layers["skin"] == pytest.approx(100)


def test_thinner_markets_cost_more() -> None:
    # At -8% the long is below its margin, and closing it out costs what the market lacks in depth.
    losses = [ask(book(), Choice({"BTC": -0.08}, each)).outcome.loss for each in sorted(VOLATILITIES)]
    assert losses == sorted(losses)
    assert losses[0] == 0 < losses[-1]


def test_nothing_moves_where_nothing_is_chosen() -> None:
    found = ask(book(), Choice())
    assert Choice().empty
    assert found.outcome.loss == 0
    assert found.defaulters == ()


def test_a_scenario_moves_the_books_own_markets_and_is_left_when_a_slider_is() -> None:
    found = chosen("black-thursday", book(), 0.04)
    assert found.moves.keys() == {"BTC", "USDX"}
    assert found.moves["BTC"] < -0.4
    assert found.depth == scenario("black-thursday").depth
    assert found.moved("BTC", found.moves["BTC"]) is found
    assert found.moved("BTC", -0.1).scenario is None
    with pytest.raises(LookupError, match="no scenario"):
        scenario("never")


def test_the_same_as_asked_directly() -> None:
    choice = Choice({"BTC": -0.2}, depth=0.5)
    direct = outcome(book(), Scenarios(book().exposures()), impact(book(), choice), np.array([-0.2, 0.0]))
    assert ask(book(), choice).outcome.loss == direct.loss


def test_a_symbol_from_the_chain_is_a_name_and_nothing_more() -> None:
    """Whoever may add a market names it."""
    nasty = 'X" onclick="steal()'
    markets, seen = (SimpleNamespace(symbol=nasty, price=1),), SimpleNamespace(assets=())
    reading: Any = SimpleNamespace(block=1, markets=markets, seen=seen)
    with Client(ui.page("/nasty")):
        control = _WhatIf(cast(Any, None))
        control.show(View(State("live", "Live", ""), 0.0, reading=reading))
    [(slider, _)] = control._sliders.values()
    assert slider.props["aria-label"] == f"Move of {nasty}, percent"
    assert slider.props["data-shock"] == nasty
    assert "onclick" not in slider.props


class Slow:
    """A model that answers when it may."""

    def __init__(self, failure: Exception | None = None) -> None:
        self.may = threading.Event()
        self._failure = failure

    def scenario(self, name: str, volatility: float) -> Choice:
        assert self.may.wait(60)
        if self._failure:
            raise self._failure
        return chosen(name, book(), volatility)

    def what_if(self, choice: Choice) -> Any:
        return ask(book(), choice)


def told_while_computing(model: Slow) -> tuple[str, str, str]:
    """What the control says when a scenario is picked, at a block that comes meanwhile, and after an answer
    and one more block.
    """
    markets, seen = (SimpleNamespace(symbol="BTC", price=1),), SimpleNamespace(assets=())
    view = View(
        State("live", "Live", ""),
        0.0,
        reading=cast(Any, SimpleNamespace(block=1, markets=markets, seen=seen)),
    )

    async def run() -> tuple[str, str, str]:
        with Client(ui.page("/slow")):
            control = _WhatIf(cast(Any, model))
            control.show(view)
            control._picker.set_value("black-thursday")
            picked = control._chart._empty.text
            work = asyncio.create_task(control._work())
            await asyncio.sleep(0)
            control.show(view)
            meanwhile = control._chart._empty.text
            model.may.set()
            await work
            control.show(view)
            return picked, meanwhile, control._chart._empty.text

    return asyncio.run(run())


def test_a_scenario_that_is_being_computed_is_not_asked_for_again() -> None:
    assert told_while_computing(Slow()) == (ASKING, ASKING, ASKING)


def test_why_a_scenario_can_not_be_computed_stays_to_be_read() -> None:
    picked, meanwhile, after = told_while_computing(Slow(RuntimeError("the node is away")))
    assert (picked, meanwhile) == (ASKING, ASKING)
    assert after == "The risk engine can't answer: the node is away"
