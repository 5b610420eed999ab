"""The whole of a sizing: how its figures hang together, and what they depend on."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.risk.books import BTC, ETH, VAULT, address, histories, make_book
from weir.risk.errors import RiskError
from weir.risk.inputs.book import Account, Book, Fund, Market, Source
from weir.risk.inputs.prices import PriceHistory
from weir.risk.memo import LAYERS, Memo
from weir.risk.parameters import DepegParameters, ImpactParameters, RiskParameters
from weir.risk.provenance import outputs_hash
from weir.risk.simulation.engine import simulate
from weir.risk.simulation.executors import Threads
from weir.risk.sizing import size
from weir.risk.sizing.case import Case, over
from weir.risk.stress.library import Scenario, library
from weir.units import DAY

PARAMETERS = RiskParameters(paths=30_000)


def sized(book: Book | None = None, **changes: Any) -> Memo:
    return size(book or make_book(), histories(), PARAMETERS.model_copy(update=changes), created=0)


@pytest.fixture(scope="module")
def memo() -> Memo:
    return sized()


@cache
def case(**changes: Any) -> Case:
    return Case.prepare(make_book(), histories(), PARAMETERS.model_copy(update=changes))


# ------------------------------------------------------------------- the target


def test_the_target_is_the_largest_part(memo: Memo) -> None:
    parts = {part.name: part.value for part in memo.target.parts}
    assert list(parts) == ["expected shortfall", "worst stress", "cover 2", "open interest"]
    assert memo.target.before_depeg == max(parts.values()) == parts[memo.target.binding]
    assert parts["worst stress"] == max(row.loss for row in memo.stresses)
    assert parts["cover 2"] > 0
    # Levels are compared as floats: 0.999 is among the measures.
    (es,) = [each.es for each in memo.measures if each.level == 0.999]
    assert parts["expected shortfall"] == es.high > es.value > es.low
    interest = sum(row.open_interest for row in memo.markets)
    assert parts["open interest"] == pytest.approx(0.05 * interest)
    assert memo.target.value == memo.target.before_depeg
    assert memo.target.coverage == pytest.approx(30_000 / memo.target.value)


def test_a_crisis_that_takes_the_reserve_asks_for_both() -> None:
    """What remains of the target when the reserve is at a tenth pays the scenario's loss."""
    terrible = {
        "name": "own",
        "title": "Own",
        "date": "2030-01-01",
        "kind": "own",
        "hours": 1,
        "default": 5.0,
    }
    own = Scenario.model_validate({**terrible, "stablecoins": {"USDX": -0.9}})
    memo = size(make_book(reserve=6_000), histories(), PARAMETERS, scenarios=[own], created=0)
    (row,) = [each for each in memo.stresses if each.id == "own"]
    assert memo.target.binding == "worst stress"
    assert memo.target.value * (1 - 0.2 * 0.9) == pytest.approx(row.loss)


def test_a_forced_default_costs_more_than_the_scenario_alone() -> None:
    """Cover 2 closes out whom the prices spare; here only a forced default costs anything."""
    rich = tuple(each.model_copy(update={"equity": 60_000.0}) for each in make_book().accounts)
    shallow = {name: ImpactParameters(depth=3e5, cap=0.95) for name in ("BTC", "ETH")}
    memo = sized(make_book(accounts=rich), impact=shallow)
    parts = {part.name: part for part in memo.target.parts}
    assert parts["cover 2"].value > 0
    assert parts["cover 2"].value > parts["worst stress"].value


def test_a_group_is_one_cluster() -> None:
    alone = {part.name: part for part in sized(cover=1).target.parts}["cover 1"]
    everybody = tuple(each.model_copy(update={"group": "one"}) for each in make_book().accounts)
    together = {part.name: part for part in sized(make_book(accounts=everybody), cover=1).target.parts}[
        "cover 1"
    ]
    assert together.value > alone.value
    assert "and 12 more" in together.why


def test_own_contributions_pay_once() -> None:
    """All that members have is the defaulter's own: no layer is left behind it."""
    (row,) = [each for each in sized(_lone_member()).stresses if each.id == "black-thursday"]
    assert row.loss > 30_000
    assert row.layers["mutual"] == 0
    assert row.layers["open interest"] == pytest.approx(row.loss - 30_000)


def _lone_member() -> Book:
    long = Account(account=address(1), equity=5_000.0, guaranty=1_000.0, positions={"BTC": 5.0})
    short = Account(account=address(2), equity=500_000.0, positions={"BTC": -5.0})
    return make_book(accounts=(long, short))


def test_the_simulation_counts_own_contributions_once() -> None:
    """Of the paths that reach the members, each is one on which the lone member's 1,000 are gone."""
    made = Case.prepare(_lone_member(), histories(), PARAMETERS)
    losses = simulate(made.exposures, made.model, made.impact, paths=30_000).losses
    spent = made.spent(losses)
    reached = losses > 30_000
    assert reached.sum() > 10
    assert spent[reached] == pytest.approx(np.full(reached.sum(), 1_000.0), rel=1e-3)
    assert not spent[~reached].any()
    mutual = sized(_lone_member()).layers[3]
    assert mutual.layer == "mutual"
    assert mutual.attachment.value > 0
    assert mutual.expected_loss < 1e-3


def test_doubts_are_told() -> None:
    assert "fund is exhausted" in " | ".join(sized(make_book(scale=3.0)).warnings)
    rich = tuple(each.model_copy(update={"equity": 90_000.0}) for each in make_book().accounts)
    told = " | ".join(sized(make_book(accounts=rich)).warnings)
    assert "fund is exhausted" not in told
    assert "paths cost the fund anything" in told
    swapped = {"BTC": histories()["ETH"], "ETH": histories()["BTC"]}
    told = " | ".join(size(make_book(), swapped, PARAMETERS, created=0).warnings)
    assert "BTC: the book's price is 60,000, the last of the history" in told
    uneven = make_book(accounts=make_book().accounts[:-1])
    assert "longs and shorts differ by" in " | ".join(sized(uneven).warnings)
    closes = histories()["BTC"].closes.copy()
    closes[500:] *= 1_000
    wrong = {**histories(), "BTC": replace(histories()["BTC"], closes=closes)}
    told = " | ".join(size(make_book(), wrong, PARAMETERS, created=0).warnings)
    assert "BTC: a price that changes by +" in told


def test_a_reserve_that_may_lose_its_par_asks_for_more() -> None:
    coins = {"USDX": DepegParameters(severity=0.5)}
    memo = sized(make_book(reserve=6_000), depeg=coins)
    assert memo.target.depeg_left == pytest.approx(1 - 6_000 / 30_000 * 0.5)
    assert memo.target.value == pytest.approx(memo.target.before_depeg / 0.9)
    assert "USDX, 20.0% of the fund, loses 50%" in memo.target.depeg_why
    # Layers bear the reserve's loss, too: skin is hit more often.
    assert memo.layers[0].attachment.value > sized(depeg=coins).layers[0].attachment.value


def test_kappa_alone_decides_for_a_book_that_can_not_lose() -> None:
    rich = tuple(each.model_copy(update={"equity": 1e9}) for each in make_book().accounts)
    memo = sized(make_book(accounts=rich))
    assert memo.target.binding == "open interest"
    assert all(each.es.value == each.var.value == 0 for each in memo.measures)
    assert all(row.es_contribution == row.required_contribution == 0 for row in memo.account_rows)
    assert memo.exceedance.losses == ()
    assert all(row.sigmas is None and "no move within" in row.why for row in memo.reverse)
    assert memo.funding.ruin.value == 0


def test_an_empty_book_needs_nothing() -> None:
    memo = sized(make_book(accounts=(), fund=Fund(skin=1, junior=0, senior=0)))
    assert memo.target.value == 0
    assert memo.target.coverage == 1
    assert memo.account_rows == ()


def test_more_risk_asks_for_more_and_more_margin_for_less(memo: Memo) -> None:
    larger = sized(make_book(scale=1.5))
    safer = sized(
        make_book(
            accounts=tuple(a.model_copy(update={"equity": a.equity + 3_000}) for a in make_book().accounts)
        )
    )
    for name in ("expected shortfall", "worst stress", "cover 2"):
        low, middle, high = (
            {part.name: part.value for part in each.target.parts}[name] for each in (safer, memo, larger)
        )
        assert low < middle < high, name


def test_depth_lessens_the_cascade(memo: Memo) -> None:
    deep = sized(impact={name: ImpactParameters(depth=1e30) for name in ("BTC", "ETH")})
    assert deep.measures[-1].es.value < memo.measures[-1].es.value
    for row in deep.stresses:
        assert row.close_out == pytest.approx(row.moves, abs=1e-4)
    # Liquidations only ever push a price further the way that hurt.
    assert any(row.close_out["BTC"] < row.moves["BTC"] - 1e-3 for row in memo.stresses)


# ------------------------------------------------------------------ the accounts


def test_shares_add_up_to_the_whole(memo: Memo) -> None:
    (es,) = [each.es.value for each in memo.measures if each.level == 0.999]
    assert sum(row.es_contribution for row in memo.account_rows) == pytest.approx(es, rel=1e-5)
    assert sum(row.required_contribution for row in memo.account_rows) == pytest.approx(memo.target.value)
    assert [row.es_contribution for row in memo.account_rows] == sorted(
        (row.es_contribution for row in memo.account_rows), reverse=True
    )


def test_errors_are_told_beside_figures(memo: Memo) -> None:
    assert all(row.es_error > 0 for row in memo.account_rows if row.es_contribution > 0)
    skin = memo.layers[0]
    assert 0 < skin.expected_loss_error < skin.expected_loss
    # A loss bounded by the layer's size deviates by half of it at most.
    assert skin.expected_loss_error <= 8_000 / 2 / PARAMETERS.paths**0.5


def test_who_defaults_was_liquidated(memo: Memo) -> None:
    for row in memo.account_rows:
        assert 0 <= row.default_probability <= row.liquidation_probability <= 1
    assert sum(row.expected_loss for row in memo.account_rows) == pytest.approx(
        sum(row.expected_loss for row in memo.layers), rel=1e-4
    )


def test_somebody_is_liquidated_where_an_account_is(memo: Memo) -> None:
    found, rows = memo.liquidations, memo.account_rows
    alone = [row.liquidation_probability for row in rows]
    assert max(alone) <= found.probability.value <= sum(alone)
    assert found.mean == pytest.approx(
        sum(row.liquidation_probability * row.notional for row in rows), rel=1e-4
    )
    assert (found.level, found.most > found.mean) == (0.999, True)


def test_tiers_move_by_one_at_most(memo: Memo) -> None:
    before = {each.account: each.tier for each in make_book().accounts}
    for row in memo.account_rows:
        assert row.tier_before == before[row.account]
        stands = 2 if row.tier_before is None else row.tier_before
        assert abs(row.tier - stands) <= 1
        assert len(row.reasons) == len(row.why)
    fixed = tuple(a.model_copy(update={"tier_fixed": True}) for a in make_book().accounts)
    for row in sized(make_book(accounts=fixed)).account_rows:
        assert row.tier == (2 if row.tier_before is None else row.tier_before)
        assert "FIXED" in row.reasons


# -------------------------------------------------------------------- the layers


def test_layers_are_hit_in_their_order(memo: Memo) -> None:
    assert [row.layer for row in memo.layers] == list(LAYERS)
    assert [row.size for row in memo.layers] == [8_000, 10_000, 12_000, 1_000, None]
    for first, second in zip(memo.layers, memo.layers[1:], strict=False):
        assert first.attachment.value >= second.attachment.value
        assert first.exhaustion is not None
        assert first.exhaustion.value >= second.attachment.value
    for row in memo.stresses:
        assert sum(row.layers.values()) == pytest.approx(row.loss)


def test_the_smallest_move_that_exhausts_a_layer_does(memo: Memo) -> None:
    tops = dict(zip(LAYERS, np.cumsum([8_000, 10_000, 12_000, 1_000]), strict=False))
    found = [row for row in memo.reverse if row.moves]
    assert {row.layer for row in found} == {"skin", "junior", "senior", "mutual"}
    for row in found:
        assert row.moves is not None
        moves = np.array([[row.moves[name] for name in ("BTC", "ETH", "USDX")]])
        assert case().losses_at(moves)[0][0] >= tops[row.layer] * (1 - 1e-6)
        assert moves[0, 2] == 0


def test_the_heat_map_is_of_the_same_losses(memo: Memo) -> None:
    heat = memo.heat_map
    assert heat.rows == ("all markets", "BTC", "ETH")
    at = heat.shocks.index(-0.3)
    for row, moves in enumerate(([-0.3, -0.3, 0], [-0.3, 0, 0], [0, -0.3, 0])):
        loss, after = case().losses_at(np.array([moves]))
        assert heat.loss[row][at] == pytest.approx(loss[0])
        assert after[0, 0] <= moves[0]
    for row in heat.liquidated:
        assert row[0] >= row[heat.shocks.index(-0.1)]


# ----------------------------------------------------------------------- inputs


def test_the_same_inputs_give_the_same_memo(memo: Memo) -> None:
    again = size(make_book(), histories(), PARAMETERS, executor=Threads(1), created=5)
    assert again.outputs == memo.outputs == outputs_hash(memo)
    assert again.inputs == memo.inputs
    other = sized(seed=1)
    assert other.inputs != memo.inputs
    assert other.outputs != memo.outputs
    assert other.model_hash == memo.model_hash


def test_where_prices_lie_is_no_result() -> None:
    moved = {name: replace(history, source=f"elsewhere/{name}.csv") for name, history in histories().items()}
    plain, other = (size(make_book(), prices, PARAMETERS, created=0) for prices in (histories(), moved))
    assert (other.inputs, other.outputs) == (plain.inputs, plain.outputs)
    assert other.digest != plain.digest
    tested = size(make_book(), histories(), PARAMETERS, with_backtest=True, created=0)
    assert (tested.inputs, tested.outputs) == (plain.inputs, plain.outputs)


def test_nobody_to_default() -> None:
    idle = (Account(account=address(1), equity=5.0),)
    (part,) = [part for part in sized(make_book(accounts=idle)).target.parts if part.name == "cover 2"]
    assert (part.value, part.why) == (0, "no forced default costs the fund anything")


def test_a_book_of_the_past_is_judged_by_its_past() -> None:
    block_time = 1_672_531_200  # 2023
    source = Source(chain=31337, block=5, time=block_time, vault=VAULT)
    memo = sized(make_book(source=source))
    assert (memo.chain, memo.block) == (31337, 5)
    for given in memo.prices:
        assert given.last + given.bar_seconds <= block_time
        assert given.last + 2 * given.bar_seconds > block_time
    cut = {name: history.until(block_time) for name, history in histories().items()}
    assert size(make_book(source=source), cut, PARAMETERS, created=0).outputs == memo.outputs


def test_stale_prices_and_broke_accounts_are_told() -> None:
    late = Source(chain=1, block=5, time=1_900_000_000, vault=VAULT)
    broke = Account(account=address(500), equity=-10.0)
    memo = sized(make_book(source=late, accounts=(*make_book().accounts, broke)))
    told = " | ".join(memo.warnings)
    assert "BTC: prices end" in told
    assert "1 account is below zero already" in told


def test_scenarios_of_ones_own_count() -> None:
    own = Scenario.model_validate(
        {
            "name": "own",
            "title": "Everything",
            "date": "2030-01-01",
            "kind": "own",
            "hours": 1,
            "default": 5.0,
        }
    )
    memo = size(make_book(), histories(), PARAMETERS, scenarios=[own], created=0)
    assert len(memo.stresses) == len(library()) + 1
    assert memo.target.binding == "worst stress"
    assert "Everything" in {part.name: part.why for part in memo.target.parts}["worst stress"]


@pytest.mark.parametrize(
    ("markets", "changes", "complaint"),
    [
        (("BTC",), {}, "prices: no history for ETH"),
        (("BTC", "ETH", "SOL"), {}, "prices: SOL: not a market of the book, which has BTC, ETH"),
        (("BTC", "ETH"), {"impact": {"SOL": ImpactParameters()}}, "impact: SOL: not in the book"),
        (("BTC", "ETH"), {"depeg": {"DAI": DepegParameters()}}, "depeg: DAI: not in the book"),
        (
            ("BTC", "ETH"),
            {"horizon_days": 1.5},
            r"horizon_days: whole bars of the prices, such as 1 or 2 \(got 1.5\)",
        ),
        (("BTC", "ETH"), {"model": "crystal-ball"}, "model: one of historical"),
        (("BTC", "ETH"), {"horizon_days": 1 / 24}, "horizon_days: whole bars of the prices, such as 1 "),
        (("BTC", "ETH"), {"paths": 2_000}, "paths: at least 30000 for a level of 0.999"),
    ],
)
def test_refuses_what_no_figure_could_be_trusted_for(
    markets: tuple[str, ...], changes: dict[str, Any], complaint: str
) -> None:
    prices = {name: histories().get(name, histories()["BTC"]) for name in markets}
    with pytest.raises(RiskError, match=complaint):
        size(make_book(), prices, PARAMETERS.model_copy(update=changes))


def test_refuses_too_short_a_history() -> None:
    short = {
        name: PriceHistory(name, history.times[:200], history.closes[:200], "short.csv")
        for name, history in histories().items()
    }
    with pytest.raises(RiskError, match="BTC: 199 returns, garch-evt needs at least 250"):
        size(make_book(), short, PARAMETERS)


# ---------------------------------------------------------------------- horizons


def hourly() -> dict[str, PriceHistory]:
    """The daily prices as if of hours, with a day's returns cut to an hour's size."""
    found = {}
    for name, history in histories().items():
        closes = 100 * np.exp(np.concatenate([[0.0], np.cumsum(history.returns / 24**0.5)]))
        found[name] = PriceHistory(name, history.times // 24, closes, f"{name} by the hour")
    return found


def test_bars_make_up_the_horizon() -> None:
    bar = case().model
    assert bar.steps == 1
    assert over(bar, 3.0, 1.0) == replace(bar, steps=3)
    assert over(bar, 1.0, 1 / 24).steps == 24
    for days in (0.5, 1.5):
        with pytest.raises(RiskError, match="whole bars"):
            over(bar, days, 1.0)


def test_longer_horizons_lose_more() -> None:
    day, week = (sized(horizon_days=days).measures[-1].es.value for days in (1.0, 7.0))
    assert day < week
    prices = hourly()
    hour, half = (
        size(make_book(), prices, PARAMETERS.model_copy(update={"horizon_days": days}), created=0)
        for days in (1 / 24, 0.5)
    )
    assert hour.measures[-1].es.value < half.measures[-1].es.value < day
    # Many small gaps are survived where few large ones are not.
    assert hour.funding.ruin.value <= half.funding.ruin.value


def test_every_model_sizes() -> None:
    for model in ("historical", "normal", "student-t", "evt", "garch-normal", "garch-t"):
        memo = sized(model=model)
        assert memo.measures[-1].es.value > 0, model
        assert memo.markets[0].volatility > 0


def test_the_tail_told_is_the_models(memo: Memo) -> None:
    for row in memo.markets:
        assert row.tail_shape is not None
        assert row.tail_shape_error is not None
        assert -0.5 <= row.tail_shape < 1
        assert 0 < row.tail_shape_error < 1
    assert {row.tail_shape for row in sized(model="garch-t").markets} == {None}


def test_the_volatility_told_is_the_horizon_s() -> None:
    day, week = sized(horizon_days=1.0).markets[0], sized(horizon_days=7.0).markets[0]
    assert week.volatility == pytest.approx(day.volatility * 7**0.5, rel=0.3)
    assert day.price == BTC
    assert ETH < BTC
    assert histories()["BTC"].bar_seconds == DAY


def test_one_market_is_enough() -> None:
    accounts = tuple(
        a.model_copy(update={"positions": {"BTC": a.positions["BTC"]}}) for a in make_book().accounts
    )
    btc = {"BTC": Market(price=BTC, initial_margin=0.05, maintenance_margin=0.03)}
    book = make_book(markets=btc, accounts=accounts)
    memo = size(book, {"BTC": histories()["BTC"]}, PARAMETERS, created=0)
    assert memo.target.value > 0
    assert memo.heat_map.rows == ("BTC",)
