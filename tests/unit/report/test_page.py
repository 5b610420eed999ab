"""The page that reports a run: its tables and its charts."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.page import Page
from tests.unit.report.made_up import (
    EXHAUSTED,
    GUARANTY,
    SENIOR,
    SMALL,
    Amounts,
    default_of,
    identity,
    make_result,
    rendered,
    with_defaults,
)
from weir import formatting, report
from weir.layers import FUND_LAYERS, GUARANTY_LAYERS, LAYERS
from weir.results import Contributions, Paid


@pytest.mark.parametrize("fund", [SMALL, SENIOR, EXHAUSTED], ids=["suffices", "senior", "exhausted"])
def test_loads_nothing(fund: Amounts) -> None:
    page = Page(report.render(make_result(fund=fund)))
    assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "base", "object", "embed"}
    assert not [attrs for _, attrs in page.tags if attrs.keys() & {"src", "href", "srcset", "action"}]
    policies = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
    assert len(policies) == 1
    assert (policies[0] or "").startswith("default-src 'none'")


def test_every_default_is_in_the_table_and_in_the_charts() -> None:
    result = make_result(fund=SENIOR)
    page = Page(report.render(result))
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    for default in result.defaults:
        assert formatting.address(default.account) in page.text
        assert f"{default.shortfall} USD" in titles
        assert {f"{amount} USD" for _, amount in default.paid.items()} <= titles
    marks = page.figures["fund"]["data"][-1]
    assert len(marks["x"]) == len(result.defaults)


def test_totals_are_the_sums() -> None:
    result = make_result(fund=EXHAUSTED)
    page = Page(report.render(result))
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    assert {f"{result.shortfall} USD", *(f"{amount} USD" for _, amount in result.paid.items())} <= titles


def test_the_waterfall_falls_to_zero() -> None:
    result = make_result(fund=EXHAUSTED)
    bars = Page(report.render(result)).figures["waterfall"]["data"][0]
    assert bars["y"] == ["Shortfall", *LAYERS.values(), "Open interest"]
    assert bars["x"][0] == float(result.shortfall)
    # Each layer's bar ends where the one before began; the last begins at what nobody paid.
    for i in range(2, len(LAYERS) + 1):
        assert bars["base"][i] + bars["x"][i] == pytest.approx(bars["base"][i - 1])
    assert bars["base"][len(LAYERS)] == pytest.approx(float(result.remainder))


def test_the_guaranty_fund_is_a_line_of_its_own() -> None:
    result = make_result(fund=EXHAUSTED)
    page = Page(report.render(result))
    *stack, members, _ = page.figures["fund"]["data"]
    assert members["y"] == [float(point.guaranty) for point in result.series]
    assert members["y"][0] == float(GUARANTY) > members["y"][-1]
    assert "stackgroup" not in members
    assert [line["name"] for line in stack] == [LAYERS[layer] for layer in reversed(FUND_LAYERS)]
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    after = result.fund.after
    assert {f"{GUARANTY} USD", f"{after.guaranty} USD", f"{result.paid.guaranty} USD"} <= titles
    assert f"{after.skin + after.junior + after.senior} USD" in titles


def test_members_and_what_they_owe() -> None:
    result = make_result(fund=EXHAUSTED)
    page, console = Page(report.render(result)), rendered(result, width=160)
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    fields = ("contributed", "earned", *GUARANTY_LAYERS, "balance", "owed")
    for one in result.members:
        assert formatting.address(one.address) in console
        for name in fields:
            amount = getattr(one.membership, name)
            assert f"{amount} USD" in titles
            assert not amount or formatting.usd(amount, 0) in console
    assert f"{result.fees.members} USD" in titles
    (line,) = [line for line in console.splitlines() if line.lstrip().startswith("Guaranty fund")]
    net = result.fund.after.guaranty - GUARANTY + result.paid.guaranty
    shown = (GUARANTY, *([net] if net else []), result.paid.guaranty)
    assert [word for word in line.split() if word.startswith("$")][: len(shown)] == [
        formatting.usd(amount, 0) for amount in shown
    ]


def test_without_members_nobody_is_named() -> None:
    people = tuple(one.model_copy(update={"membership": None}) for one in make_result().participants)
    alone = make_result(participants=people)
    assert "Members of the guaranty fund" not in Page(report.render(alone)).text
    assert "No account contributed to the guaranty fund" in rendered(alone)


def test_one_price_chart_per_market_with_every_liquidation() -> None:
    result = make_result("2022-05-luna")
    figures = Page(report.render(result)).figures
    for market in ("BTC", "ETH"):
        line, liquidated, *_ = figures[f"price-{market}"]["data"]
        assert line["y"] == [float(point.prices[market]) for point in result.series]
        closed = [p for event in result.liquidation_events for p in event.positions if p.market == market]
        marks = [int(text.split()[1]) for text in liquidated["text"]]
        assert sum(marks) == len(closed) > 0


def test_every_chart_has_its_figure() -> None:
    page = Page(report.render(make_result("2024-08-05")))
    charts = [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs]
    assert sorted(filter(None, charts)) == sorted(page.figures)


def test_who_funded_the_fund() -> None:
    result = make_result()
    page = Page(report.render(result))
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    assert {f"{amount} USD" for _, amount in result.sources} <= titles
    assert f"{result.fees.income} USD" in titles
    for one in result.contributors(10):
        assert formatting.address(one.address) in page.text
        assert {f"{amount} USD" for _, amount in one.contributions.items()} <= titles
    for income in result.income.values():
        assert f"{income.premium_charged} USD" in titles
    assert "NewRiskStopped 17" in page.text


def test_rates_of_the_policy_have_an_axis_of_their_own() -> None:
    result = make_result()
    coverage, premium, scarcity = Page(report.render(result)).figures["coverage"]["data"]
    assert "yaxis" not in coverage
    assert premium["yaxis"] == scarcity["yaxis"] == "y2"
    assert premium["y"] == [point.premium_rate / 10**4 for point in result.series]
    assert scarcity["y"] == [point.scarcity / 100 for point in result.series]


def test_without_contributions_nobody_is_named() -> None:
    result = make_result(income={}, refusals={}, posts=[])
    people = tuple(one.model_copy(update={"contributions": Contributions()}) for one in result.participants)
    quiet = result.model_copy(update={"participants": people})
    assert "contributed most" not in Page(report.render(quiet)).text
    assert "No account paid a contribution" in rendered(quiet)


def test_without_defaults_it_says_so() -> None:
    page = Page(report.render(make_result(defaults=0)))
    assert "No account defaulted in this run" in page.text
    assert "waterfall" not in page.figures


def test_a_run_of_one_point_without_anything() -> None:
    result = make_result(defaults=0)
    quiet = result.model_copy(
        update={
            "series": (result.series[0].model_copy(update={"coverage": None, "margin_used": None}),),
            "liquidations": 0,
            "liquidation_events": (),
            "gas": {},
            "parameters": {},
        }
    )
    page = Page(report.render(quiet))
    assert "margin" not in page.figures
    assert page.figures["coverage"]["data"][0]["y"] == [None]


def test_a_record_that_does_not_add_up_is_shown() -> None:
    wrong = default_of(Paid(skin=Decimal(4)), shortfall=Decimal(5))
    page = Page(report.render(with_defaults(wrong)))
    assert "does not add up" in page.text


def test_a_broken_identity_is_shown() -> None:
    broken = identity("P1", "S held = cash", "-1", "0").model_copy(update={"holds": False})
    text = Page(report.render(make_result(identities=[broken]))).text
    assert "✗ broken" in text
    assert "0 of 1" in text


def test_strings_are_escaped() -> None:
    evil = "</script><script>alert('x')</script>"
    result = make_result(title=evil, description=evil, node=evil, parameters={evil: {evil: evil}})
    people = [result.participants[0].model_copy(update={"role": evil}), *result.participants[1:]]
    html = report.render(result.model_copy(update={"participants": tuple(people)}))
    page = Page(html)
    assert "<script>alert" not in html
    assert [tag for tag, _ in page.tags].count("script") == 3
    assert page.text.count(evil) >= 6


def test_markets_are_escaped_in_charts() -> None:
    result = make_result(defaults=0)
    series = tuple(p.model_copy(update={"prices": {"<b>B</b>": Decimal(1)}}) for p in result.series)
    figures = Page(report.render(result.model_copy(update={"series": series}))).figures
    assert figures["price-<b>B</b>"]["layout"]["yaxis"]["title"]["text"].startswith("&lt;b&gt;B")


def test_write_makes_the_folder(tmp_path: Path) -> None:
    file = tmp_path / "build" / "report.html"
    report.write(make_result(), file)
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
