"""Other stablecoins in a result, on the page and on the console."""

from __future__ import annotations

from decimal import Decimal

import pytest

from tests.page import Page
from tests.unit.report.made_up import (
    default_of,
    make_result,
    make_stablecoins,
    rendered,
    with_defaults,
    with_stablecoins,
)
from weir import report
from weir.results import CONVERSIONS, Paid, Stablecoins


def test_conversions_add_up_by_kind() -> None:
    found = make_stablecoins()
    assert [kind for kind, *_ in found.totals] == list(CONVERSIONS)
    assert [times for _, times, *_ in found.totals] == [1] * len(CONVERSIONS)
    losses = {kind: lost for kind, *_, lost in found.totals}
    assert losses["debt"] == pytest.approx(1 / 100)
    assert losses["purchase"] == pytest.approx(2 / 104)
    assert [one.loss for one in found.conversions] == list(losses.values())
    assert (found.debts_paid, found.recovered) == (Decimal(99), Decimal("5.5"))
    assert [found.advanced(kind) for kind in ("opened", "repaid", "written off")] == [250, 210, 40]
    assert found.lowest == ("USDC", Decimal("0.9"))


def test_an_advance_is_told_with_the_outcome() -> None:
    result = with_defaults(default_of(Paid(skin=Decimal(5))))
    advanced = result.model_copy(update={"stablecoins": make_stablecoins()})
    assert result.outcome.endswith("no tranche was touched.")
    assert advanced.outcome.endswith("the tranches advanced $250 of it and had it back.")
    after = result.fund.after.model_copy(update={"advanced": Decimal(1)})
    owed = advanced.model_copy(update={"fund": result.fund.model_copy(update={"after": after})})
    assert owed.outcome.endswith("have not yet had all of it back.")


def test_the_reserve_is_part_of_the_assets() -> None:
    state = make_result().fund.before
    more = state.model_copy(update={"reserve": Decimal(70), "advanced": Decimal(3)})
    assert more.assets == state.assets + 70


def test_every_chart_has_its_figure() -> None:
    page = Page(report.render(with_stablecoins()))
    charts = [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs]
    assert sorted(filter(None, charts)) == sorted(page.figures)
    assert {"pegs", "collateral", "reserve"} <= page.figures.keys()


def test_charts_show_prices_and_what_counts() -> None:
    result = with_stablecoins()
    assert result.stablecoins is not None
    series = result.stablecoins.series
    figures = Page(report.render(result)).figures
    usdc, counts, save, _ = figures["pegs"]["data"]
    assert usdc["y"] == [float(point.market["USDC"]) for point in series]
    assert counts["y"][0] == pytest.approx(0.95)
    assert save["name"] == "SAVE"
    *stack, counted, advanced = figures["reserve"]["data"]
    assert [line["name"] for line in stack] == ["S", "USDC", "SAVE"]
    assert stack[0]["y"] == [float(point.skin) for point in series]
    assert counted["y"][0] == pytest.approx(77 + 570 + 287.85)
    assert max(advanced["y"]) == 250
    *stack, counted = figures["collateral"]["data"]
    assert stack[0]["y"][0] == 4_000
    assert counted["y"][0] == 3_800


def test_the_page_has_every_conversion() -> None:
    result = with_stablecoins()
    assert result.stablecoins is not None
    page = Page(report.render(result))
    titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
    for one in result.stablecoins.conversions:
        assert {f"{one.worth} USD", f"{one.paid} USD"} <= titles
        assert CONVERSIONS[one.kind] in page.text
    for one in result.stablecoins.advances:
        assert f"{one.junior} USD" in titles
    assert "$0.9000" in page.text
    assert "Reserve, at its haircut" in page.text


def test_the_console_tells_the_story() -> None:
    text = rendered(with_stablecoins())
    for name in CONVERSIONS.values():
        assert name in text
    assert "USDC fell to $0.9000" in text
    assert "paid $99 of debts" in text
    assert "The tranches advanced $250, got $210 back and wrote $40 off." in " ".join(text.split())
    assert "Reserve, at its haircut" in text


def test_no_line_is_too_long_for_a_narrow_console() -> None:
    assert max(map(len, rendered(with_stablecoins(), width=80).splitlines())) <= 80


def test_quiet_coins_say_so() -> None:
    quiet = make_stablecoins().model_copy(update={"conversions": (), "advances": ()})
    result = make_result().model_copy(update={"stablecoins": quiet})
    assert "No other stablecoin was converted." in rendered(result)
    assert "Advances (" not in Page(report.render(result)).text


def test_without_them_nothing_is_said_of_them() -> None:
    result = make_result()
    page = Page(report.render(result))
    for text in (page.text, rendered(result)):
        assert "tablecoin" not in text
        assert "Reserve" not in text
    assert not {"pegs", "collateral", "reserve"} & page.figures.keys()


def test_names_are_escaped_in_charts() -> None:
    text = make_stablecoins().model_dump_json().replace("USDC", "<b>U")
    result = make_result().model_copy(update={"stablecoins": Stablecoins.model_validate_json(text)})
    assert Page(report.render(result)).figures["pegs"]["data"][0]["name"] == "&lt;b&gt;U"
