"""The page of a memo: every figure is there, strings are text, nothing is loaded, and empty parts say so."""

from __future__ import annotations

import math
from typing import Any

import pytest

from tests.page import Page
from tests.risk.memos import MARKETS, make_curve, make_heat_map, make_memo, signed, with_changes
from weir import formatting
from weir.risk import page
from weir.risk.errors import RiskError
from weir.risk.memo import LAYERS, Estimate, Memo


def page_of(memo: Memo) -> Page:
    return Page(page.render(memo))


def words(found: Page) -> str:
    """The visible text in one line."""
    return " ".join(found.text.split())


def titles(found: Page) -> set[str | None]:
    """What the cells of tables say exactly."""
    return {attrs.get("title") for tag, attrs in found.tags if tag == "td"}


def replaced(memo: Memo, name: str, **changes: Any) -> Memo:
    """The memo with changes to one of its parts."""
    return memo.model_copy(update={name: getattr(memo, name).model_copy(update=changes)})


@pytest.fixture(scope="module")
def memo() -> Memo:
    return make_memo()


@pytest.fixture(scope="module")
def found(memo: Memo) -> Page:
    return page_of(memo)


class TestFigures:
    def test_title_block(self, memo: Memo, found: Page) -> None:
        text = words(found)
        for figure in ("42161", "287,654,321", "2026-09-21 14:13 UTC", "85.7%", "$567,977 too little"):
            assert figure in text
        for value in (memo.model_hash, memo.inputs, memo.outputs, memo.book_hash, memo.digest):
            assert value in text
        assert "No warnings" in text

    def test_target_is_the_binding_part_over_what_a_depeg_leaves(self, memo: Memo, found: Page) -> None:
        text, exact = words(found), titles(found)
        assert "expected shortfall binding" in text
        for part in memo.target.parts:
            assert f"{part.value} USD" in exact
            assert part.why in text
        assert {f"{memo.target.value} USD", f"{memo.target.assets} USD"} <= exact
        assert f"÷ left by a depeg0.955{memo.target.depeg_why}" in text
        bars, added, held = found.figures["target"]["data"]
        assert bars["x"] == [*(part.value for part in memo.target.parts), memo.target.before_depeg]
        assert bars["x"][-1] + added["x"][0] == pytest.approx(memo.target.value)
        assert held["x"] == [memo.target.assets] * 2
        colours = bars["marker"]["color"]
        assert colours[0] == colours[-1] not in colours[1:-1]
        assert found.figures["target"]["layout"]["yaxis"]["ticktext"][0] == "Expected shortfall,<br>binding"

    def test_without_a_depeg_nothing_is_added(self, memo: Memo) -> None:
        largest = memo.target.before_depeg
        safe = page_of(
            replaced(memo, "target", depeg_left=1.0, value=largest, coverage=2.0, assets=2 * largest)
        )
        bars, _ = safe.figures["target"]["data"]
        assert len(bars["x"]) == len(memo.target.parts)
        assert "more than the target" in words(safe)
        assert "Hatched" not in safe.text

    def test_every_measure_has_level_horizon_and_interval(self, memo: Memo, found: Page) -> None:
        text, exact = words(found), titles(found)
        for one in memo.measures:
            assert f"{100 * one.level:.10g}% 1 day" in text
            for each in (one.var, one.es):
                assert f"{each.value} USD, {each.low} to {each.high}" in exact
                interval = f"{formatting.usd(each.low, 0)} to {formatting.usd(each.high, 0)}"
                assert f"{formatting.usd(each.value, 0)}{interval}" in text

    def test_exceedance_lies_within_its_band_and_meets_the_quantiles(self, memo: Memo, found: Page) -> None:
        figure = found.figures["exceedance"]
        high, low, curve, quantiles, *_ = figure["data"]
        assert figure["layout"]["xaxis"]["type"] == figure["layout"]["yaxis"]["type"] == "log"
        assert curve["x"] == list(memo.exceedance.losses[1:])
        assert all(x > 0 for x in curve["x"])
        assert all(0 < a <= b for a, b in zip(low["y"], high["y"], strict=True))
        assert curve["y"][:-1] == list(memo.exceedance.probability[1:-1])
        # Logarithmic axes have no place for 0.
        assert curve["y"][-1] is None
        assert quantiles["x"] == [one.var.value for one in memo.measures]
        assert quantiles["y"] == pytest.approx([0.01, 0.005, 0.001])

    def test_quantiles_of_another_horizon_are_not_on_the_curve(self, memo: Memo) -> None:
        later = memo.model_copy(
            update={"measures": tuple(one.model_copy(update={"horizon_days": 10.0}) for one in memo.measures)}
        )
        result = page_of(later)
        assert "VaR" not in [trace.get("name") for trace in result.figures["exceedance"]["data"]]
        assert "99.9% 10 days" in words(result)

    def test_fund_against_target(self, memo: Memo, found: Page) -> None:
        fund, target, today, half, reached = found.figures["funding"]["data"]
        assert fund["y"] == list(memo.funding.trajectory)
        assert target["y"] == [memo.target.value] * 2
        assert (today["x"], today["y"]) == ([0.0], [memo.target.assets])
        assert (half["x"], reached["x"]) == ([61.5], [146.0])
        assert half["y"][0] == (memo.target.assets + memo.target.value) / 2
        text = words(found)
        for figure in ("$7,412", "61.5 days", "146 days", "0.731%0.610% to 0.880%", memo.funding.assumptions):
            assert figure in text
        low, _, middle, _, high = (formatting.usd(amount, 0) for amount in memo.funding.year_end)
        assert f"{middle}{low} to {high}" in text

    def test_what_is_liquidated_and_how_heavy_tails_are(self, found: Page) -> None:
        text = words(found)
        assert "anything is liquidated is 8.30% (8.13% to 8.47%); $1,234,567 of notional" in text
        assert "no more than $31,400,000 with 99.9%" in text
        assert "0.28± 0.09" in text

    def test_layers(self, memo: Memo, found: Page) -> None:
        exact = titles(found)
        for row in memo.layers:
            for one in filter(None, (row.attachment, row.exhaustion)):
                assert f"{one.value}, {one.low} to {one.high}" in exact
            amounts = (row.size, row.fair_premium, row.loaded_premium)
            assert {f"{amount} USD" for amount in amounts if amount is not None} <= exact
            assert f"{row.expected_loss} USD, standard error {row.expected_loss_error}" in exact
        for name in ("Skin in the game", "Junior tranche", "Senior tranche", "Mutual guaranty"):
            assert name in found.text

    def test_waterfall_is_sorted_by_loss_and_adds_up(self, memo: Memo, found: Page) -> None:
        figure, exact = found.figures["waterfall"], titles(found)
        totals = [sum(layer["x"][i] for layer in figure["data"]) for i in range(len(memo.stresses))]
        assert totals == sorted((row.loss for row in memo.stresses), reverse=True)
        assert [layer["x"][-1] for layer in figure["data"]] == [row.size or 0.0 for row in memo.layers]
        assert figure["data"][0]["y"] == [1, 2, 3, 4, 5, 0]
        assert len(figure["data"]) == len(LAYERS)
        assert figure["layout"]["yaxis"]["ticktext"][:2] == ["What the layers have", "Black Thursday"]
        for row in memo.stresses:
            assert {f"{amount} USD" for amount in row.layers.values() if amount} <= exact

    def test_small_losses_are_not_slivers(self, memo: Memo) -> None:
        small = [row for row in memo.stresses if row.id in ("calm", "2024-08-05")]
        result = page_of(memo.model_copy(update={"stresses": tuple(small)}))
        assert result.figures["waterfall"]["layout"]["xaxis"]["range"] == [0, 1.5 * 212_000]
        assert "runs off the chart" in result.text

    def test_moves_before_and_after_the_cascade_with_sources(self, found: Page) -> None:
        text = words(found)
        assert "−38.7%→ −43.7%" in text
        assert "−2.1%the same" in text
        assert "Kraken daily closes; https://example.org/crash?id=1&part=2" in text

    def test_reverse_stress(self, found: Page) -> None:
        text = words(found)
        assert "all markets down BTC −21.4%, ETH −21.4%, SOL −21.4% 5.1" in text
        assert "all markets up No such move: shorts are hedged: at +300% the loss is $1.2M –" in text

    def test_heat_maps(self, memo: Memo, found: Page) -> None:
        cells = {
            attrs["title"]: attrs.get("style") or ""
            for tag, attrs in found.tags
            if tag == "td" and (attrs.get("title") or "").startswith(("all markets,", *MARKETS))
        }
        assert len(cells) == 2 * 4 * len(memo.heat_map.shocks) - sum(
            a == b == 0
            for rows in zip(memo.heat_map.liquidated, memo.heat_map.loss, strict=True)
            for a, b in zip(*rows, strict=True)
        )
        for values in (memo.heat_map.liquidated, memo.heat_map.loss):
            assert "--of-most: 1.000" in cells[f"all markets, −60%: {values[0][0]} USD"]
            assert cells["all markets, +40%: 0.0 USD"] == ""
            share = math.sqrt(values[1][1] / values[0][0])
            assert f"--of-most: {share:.3f}" in cells[f"BTC, −40%: {values[1][1]} USD"]

    def test_accounts_with_reasons_in_words_and_codes(self, memo: Memo) -> None:
        rows = [*memo.account_rows[:3]]
        rows[0] = rows[0].model_copy(
            update={
                "reasons": ("NEAR_LIQUIDATION", "OF_TOMORROW"),
                "why": ("1.2 daily deviations from liquidation", "says <i>nobody</i>"),
                "tier_before": 1,
                "tier": 3,
            }
        )
        result = page_of(memo.model_copy(update={"account_rows": tuple(rows)}))
        text = words(result)
        assert "1.2 daily deviations from liquidation NEAR_LIQUIDATION" in text
        assert "says <i>nobody</i> OF_TOMORROW" in text
        assert "1 → 3worse" in text
        assert "more are in the memo’s JSON" not in text
        assert formatting.address(rows[0].account) in text

    def test_fifty_accounts_are_shown(self, memo: Memo, found: Page) -> None:
        shown = [attrs["title"] for tag, attrs in found.tags if tag == "code" and "title" in attrs]
        assert shown == [row.account for row in memo.account_rows[:50]]
        rest = sum(row.es_contribution for row in memo.account_rows[50:])
        assert f"14 more are in the memo’s JSON; together they contribute {formatting.usd(rest, 0)}" in words(
            found
        )

    def test_backtest(self, memo: Memo, found: Page) -> None:
        assert memo.backtest is not None
        for market, strip in memo.backtest.strips.items():
            losses, var, exceptions = found.figures[f"strip-{market}"]["data"]
            assert losses["y"] == strip["losses"]
            assert var["y"] == strip["var"]
            assert exceptions["y"] == [strip["losses"][i] for i in strip["exceptions"]]
            assert all(loss > strip["var"][losses["y"].index(loss)] for loss in exceptions["y"])
        text = words(found)
        # A rejection stands out without colour.
        assert "99% 1,690 29 16.9 ✗ 0.005" in text
        assert "99.9% 1,690 11 1.7 ✗ <0.001" in text
        assert "97.5% 1,690 44 42.3 0.789" in text
        assert text.count("✗") == 2 * len(memo.markets) + 1
        for zone in ("● green", "▲ yellow", "■ red"):
            assert zone in text

    def test_inputs_and_parameters(self, memo: Memo, found: Page) -> None:
        text = words(found)
        for one in memo.prices:
            assert (
                f"{one.market} {one.source} 2,190 86,400 2020-09-22 14:13 2026-09-20 14:13 {one.hash}" in text
            )
        for row in memo.markets:
            assert row.market in text
        assert "horizon_days1 " in text
        assert "sharpe0.25 " in text
        assert "funding.turnover1 " in text

    def test_changes(self, memo: Memo) -> None:
        result = with_changes(memo)
        text = words(page_of(result))
        assert f"target 3,600,000 {formatting.number(result.changes[0].after)} +10.2%" in text
        assert "ruin 0.0125 0.00731 −41.5%" in text
        assert "binding worst stress expected shortfall changed" in text
        assert "LINK – 12.5 new" in text
        assert str(result.previous) in text

    def test_warnings_come_before_any_figure(self, memo: Memo) -> None:
        text = words(page_of(memo.model_copy(update={"warnings": ("12 paths did not rest",)})))
        assert text.index("12 paths did not rest") < text.index("Coverage 85.7%")
        assert "No warnings" not in text

    def test_signature(self, memo: Memo, found: Page) -> None:
        assert words(found).count("not signed") == 3
        good = words(page_of(signed(memo)))
        assert "signed Risk committee, chair" in good
        assert "✓ this memo’s" in good
        assert "not signed" not in good
        wrong = words(page_of(signed(memo, digest="0x" + "00" * 32)))
        assert "The signature is over another memo." in wrong
        assert "✗ not this memo’s" in wrong


class TestSafety:
    EVIL = "</script><script>alert('x')</script>\"'><img src=x onerror=alert(1)>"

    def test_loads_nothing(self, found: Page) -> None:
        assert not {tag for tag, _ in found.tags} & {"link", "img", "iframe", "base", "object", "embed"}
        assert not [attrs for _, attrs in found.tags if attrs.keys() & {"src", "srcset", "action"}]
        links = [attrs["href"] or "" for _, attrs in found.tags if "href" in attrs]
        ids = {attrs["id"] for _, attrs in found.tags if "id" in attrs}
        assert links
        assert {link.removeprefix("#") for link in links} <= ids
        policies = [attrs["content"] for _, attrs in found.tags if "http-equiv" in attrs]
        assert [policy for policy in policies if (policy or "").startswith("default-src 'none'")] == policies
        assert len(policies) == 1

    def test_strings_are_escaped(self, memo: Memo) -> None:
        result = with_changes(signed(memo, name=self.EVIL))
        evil = self._evil(result.model_dump())
        html = page.render(Memo.model_validate(evil))
        read = Page(html)
        assert "<script>alert" not in html
        assert "<img" not in html.split("<script>")[0]
        assert [tag for tag, _ in read.tags].count("script") == 3
        assert not {tag for tag, _ in read.tags} & {"img"}
        assert not [attrs for _, attrs in read.tags if "onerror" in attrs]
        assert read.text.count(self.EVIL) > 100

    def test_names_are_escaped_in_charts(self, memo: Memo) -> None:
        evil = Memo.model_validate(self._evil(memo.model_dump()))
        figures = page_of(evil).figures
        labels = [
            label
            for name in ("target", "waterfall")
            for label in figures[name]["layout"]["yaxis"]["ticktext"]
        ]
        assert [label for label in labels if "&lt;" in label]
        for label in labels:
            assert "<" not in label.replace("<br>", "")
        assert not [text for text in figures["target"]["data"][0]["hovertext"] if "<" in text]

    def _evil(self, value: Any, name: str = "") -> Any:
        """The value with every word made hostile, but for those that pages look up."""
        if name in ("layers", "zone"):
            return value
        if name == "strips":
            return {self.EVIL: next(iter(value.values()))}
        if isinstance(value, dict):
            names = name in ("moves", "close_out", "p_values", "parameters")
            return {f"{self.EVIL}{k}" if names else k: self._evil(v, k) for k, v in value.items()}
        if isinstance(value, tuple | list):
            return [self._evil(each, name) for each in value]
        return self.EVIL if isinstance(value, str) else value

    @pytest.mark.parametrize("bad", [math.inf, -math.inf, math.nan])
    @pytest.mark.parametrize(("name", "field"), [("target", "coverage"), ("funding", "half_life_days")])
    def test_what_is_not_finite_is_refused(self, memo: Memo, name: str, field: str, bad: float) -> None:
        with pytest.raises(RiskError, match=rf"^{name}\.{field}: a finite number \(got"):
            page.render(replaced(memo, name, **{field: bad}))

    def test_what_is_not_finite_in_lists_is_refused(self, memo: Memo) -> None:
        market = memo.markets[1].model_copy(update={"es_99": math.nan})
        with pytest.raises(RiskError, match=r"^markets\[1\]\.es_99: "):
            page.render(memo.model_copy(update={"markets": (memo.markets[0], market)}))

    @pytest.mark.parametrize(
        ("name", "field", "value", "message"),
        [
            ("exceedance", "low", (0.1,), "exceedance: lists of one length (got 42, 42, 1, 42)"),
            ("funding", "trajectory", (1.0,), "funding.trajectory: lists of one length (got 74, 1)"),
            ("heat_map", "loss", ((1.0,),), "heat_map.loss: 4 rows of 10 figures"),
        ],
    )
    def test_lists_that_do_not_match_are_refused(
        self, memo: Memo, name: str, field: str, value: object, message: str
    ) -> None:
        with pytest.raises(RiskError) as caught:
            page.render(replaced(memo, name, **{field: value}))
        assert str(caught.value) == message

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"var": [0.1]}, "lists of one length (got 700, 700, 1)"),
            ({"exceptions": [700]}, "exceptions: from 0 to below 700, the number of times"),
        ],
    )
    def test_a_strip_that_does_not_match_is_refused(
        self, memo: Memo, change: dict[str, Any], message: str
    ) -> None:
        assert memo.backtest is not None
        strip = memo.backtest.strips["BTC"]
        for broken in (strip | change, {k: v for k, v in strip.items() if k != "level"}):
            with pytest.raises(RiskError, match=r"^backtest\.strips\.BTC") as caught:
                page.render(replaced(memo, "backtest", strips={"BTC": broken}))
            assert message in str(caught.value) or "level missing" in str(caught.value)


class TestEdges:
    def test_every_chart_has_its_figure_and_says_what_it_is(self, found: Page) -> None:
        charts = [attrs for _, attrs in found.tags if "data-figure" in attrs]
        assert sorted(attrs["data-figure"] or "" for attrs in charts) == sorted(found.figures)
        assert all(attrs["role"] == "img" and attrs["aria-label"] for attrs in charts)
        captions = [tag for tag, _ in found.tags].count("figcaption")
        assert captions == len(charts)

    @pytest.mark.parametrize("markets", [1, 8])
    def test_few_and_many_markets(self, markets: int) -> None:
        memo = make_memo(markets, strips=30)
        result = page_of(memo)
        strips = [name for name in result.figures if name.startswith("strip-")]
        assert strips == sorted(f"strip-{name}" for name in MARKETS[:markets])
        for row in memo.markets:
            assert f"{row.open_interest} USD" in titles(result)

    def test_without_a_backtest(self, memo: Memo) -> None:
        result = page_of(memo.model_copy(update={"backtest": None}))
        assert "This memo has no backtest" in result.text
        assert not [name for name in result.figures if name.startswith("strip")]
        assert "✗ marks" not in result.text

    def test_without_accounts(self, memo: Memo) -> None:
        result = page_of(memo.model_copy(update={"account_rows": (), "accounts": 0}))
        assert "The book has no account at risk." in result.text

    def test_without_a_memo_before(self, found: Page) -> None:
        assert "There is no memo before this one." in found.text

    def test_a_memo_before_that_was_the_same(self, memo: Memo) -> None:
        same = page_of(memo.model_copy(update={"previous": "0x" + "12" * 32}))
        assert "Nothing changed since the memo before." in same.text

    def test_no_losses_at_all(self) -> None:
        nothing = Estimate(value=0.0, low=0.0, high=0.0)
        memo = make_memo(accounts=3)
        curve, heat = make_curve(), make_heat_map(("BTC",))
        zeros = tuple(0.0 for _ in curve.losses)
        none = tuple(tuple(0.0 for _ in heat.shocks) for _ in heat.rows)
        quiet = memo.model_copy(
            update={
                "exceedance": curve.model_copy(
                    update={"probability": zeros, "low": zeros, "high": tuple(1.8e-5 for _ in zeros)}
                ),
                "measures": tuple(
                    one.model_copy(update={"var": nothing, "es": nothing}) for one in memo.measures
                ),
                "stresses": tuple(
                    row.model_copy(update={"loss": 0.0, "layers": dict.fromkeys(LAYERS, 0.0)})
                    for row in memo.stresses
                ),
                "heat_map": heat.model_copy(update={"liquidated": none, "loss": none}),
                "account_rows": tuple(
                    row.model_copy(update={"es_contribution": 0.0}) for row in memo.account_rows
                ),
            }
        )
        result = page_of(quiet)
        assert not {"exceedance", "waterfall"} & result.figures.keys()
        text = words(result)
        assert "No path lost the fund anything over 1 day; at most 0.00180%" in text
        assert "No scenario costs the fund anything." in text

    def test_a_fund_that_never_gets_there(self, memo: Memo) -> None:
        result = page_of(replaced(memo, "funding", days_to_target=None, half_life_days=None))
        text = words(result)
        assert "neveruntil the fund is at its target" in text
        assert "The target is reached after never" not in text
        assert text.count("never: income does not suffice") == 2
        assert len(result.figures["funding"]["data"]) == 3

    def test_a_fund_that_is_there(self, memo: Memo) -> None:
        there = replaced(memo, "target", assets=9_000_000.0, coverage=2.3)
        there = replaced(there, "funding", days_to_target=0.0, half_life_days=0.0)
        result = page_of(there)
        assert len(result.figures["funding"]["data"]) == 3
        assert "it is reached" in result.text

    def test_days_beyond_the_trajectory_do_not_stretch_it(self, memo: Memo) -> None:
        result = page_of(replaced(memo, "funding", days_to_target=4_000.0, half_life_days=900.0))
        assert len(result.figures["funding"]["data"]) == 3
        assert "4,000 days (11.0 years)" in words(result)

    def test_nothing_but_what_must_be(self, memo: Memo) -> None:
        bare = memo.model_copy(
            update={
                **dict.fromkeys(("prices", "measures", "stresses", "reverse", "account_rows", "markets"), ()),
                "parameters": {},
                "chain": None,
                "block": None,
                "backtest": None,
            }
        )
        bare = replaced(bare, "heat_map", shocks=(), rows=(), liquidated=(), loss=())
        bare = replaced(bare, "funding", trajectory=(), trajectory_days=())
        bare = replaced(bare, "exceedance", losses=(), probability=(), low=(), high=())
        result = page_of(bare)
        assert result.figures.keys() == {"target"}
        for text in ("No scenario was run.", "No shock was tried.", "None was sought.", "Chainnone"):
            assert text in words(result)
