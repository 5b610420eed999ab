"""Options of the page's charts, and its colours."""

from __future__ import annotations

import itertools
from decimal import Decimal
from fractions import Fraction
from types import SimpleNamespace

import pytest

from weir.layers import LAYERS
from weir.monitor.page import charts
from weir.monitor.page.colours import contrast, mix, palette
from weir.monitor.page.history import Point
from weir.monitor.page.outlook import Outlook
from weir.monitor.page.shocks import Cell, Row
from weir.monitor.page.steps import Step

SCHEMES = [pytest.param(palette(dark=dark), id="dark" if dark else "light") for dark in (False, True)]
LIGHT = palette(dark=False)


def point(time: int, **usd: float) -> Point:
    fields = dict.fromkeys(("skin", "unvested", "reserve", "junior", "senior", "guaranty", "target"), 0.0)
    return Point(time=time, coverage=0.5, **(fields | usd))


def test_layers_are_stacked_in_the_order_of_losses_without_those_that_never_were() -> None:
    series = charts.layers_over_time([point(10, skin=1, senior=3, guaranty=2)], LIGHT)["series"]
    assert [each["name"] for each in series] == [
        *("Skin in the game", "Senior tranche", "Guaranty fund (members)", "Target", "Coverage")
    ]
    assert ["stack" in each for each in series] == [True, True, True, False, False]
    assert series[1]["data"] == [[10_000, 3]]


def test_every_axis_has_a_name_or_names_its_rows() -> None:
    found = Outlook(1.0, True, 1.0, 1.0, 10.0, 1.0, 2.0, (5.0, 8.0, 11.0))
    steps = (Step("Skin in the game", "skin", Decimal(1), Decimal(0)),)
    for options in (
        charts.refill(found, LIGHT),
        charts.waterfall("Shortfall", steps, LIGHT),
        charts.layers_over_time([point(1, skin=1)], LIGHT),
    ):
        for axis in itertools.chain(_each(options["xAxis"]), _each(options["yAxis"])):
            assert axis.get("name") or axis["type"] == "category" or not axis["axisLabel"]["show"]


def test_a_waterfall_hangs_each_layer_from_the_one_before() -> None:
    steps = (
        Step("Skin in the game", "skin", Decimal(30), Decimal(10)),
        Step("Junior tranche", "junior", Decimal(0), Decimal(10)),
        Step("Senior tranche", "senior", Decimal(10), Decimal(0)),
    )
    options = charts.waterfall("Shortfall", steps, LIGHT)
    base, bars = (each["data"] for each in options["series"])
    assert base == [0, 10, 10, 0]
    assert [bar["value"] for bar in bars] == [40, 30, 0, 10]
    assert [bar["label"]["formatter"] for bar in bars] == ["$40.00", "$30.00", "–", "$10.00"]
    assert options["yAxis"]["data"][0] == "Shortfall"


@pytest.mark.parametrize(
    ("equity", "margin", "name", "text"),
    [
        (-1, 100, "insolvent", "<0"),
        (0, 100, "liquidated", "0.0"),
        (99, 100, "liquidated", "1.0"),
        (124, 100, "near", "1.2"),
        (125, 100, "calm", "1.2"),
        (200, 100, "safe", "2.0"),
        (1_234, 100, "safe", "12"),
        (123_400, 100, "safe", "99+"),
        (5, 0, "safe", "99+"),
    ],
)
def test_a_cell_says_what_its_colour_means(equity: int, margin: int, name: str, text: str) -> None:
    cell = Cell(-100_000, Fraction(equity * 10**6), Fraction(margin * 10**6))
    assert charts.band(cell) == name
    row = Row(SimpleNamespace(address="0x" + "ab" * 20), None, (cell,))  # type: ignore[arg-type]
    [drawn] = charts.heat_map([row], 6, LIGHT)["series"][0]["data"]
    assert drawn["label"]["formatter"] == text
    assert drawn["itemStyle"]["color"] == LIGHT[f"band-{name}"]
    assert "at −10%" in drawn["tip"]


def test_names_from_a_chain_are_not_read_as_html() -> None:
    cell = Cell(0, Fraction(1), Fraction(1))
    row = Row(SimpleNamespace(address="<b>x</b>"), None, (cell,))  # type: ignore[arg-type]
    [drawn] = charts.heat_map([row], 6, LIGHT)["series"][0]["data"]
    assert "<b>x" not in drawn["tip"]
    steps = (Step("<i>", "skin", Decimal(1), Decimal(0)),)
    assert "<i>" not in charts.waterfall("x", steps, LIGHT)["series"][1]["data"][1]["tip"]


# -------------------------------------------------------------------- colours


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)
    assert mix("#ff0000", "#0000ff", 0.5) == "#800080"


@pytest.mark.parametrize("colours", SCHEMES)
def test_text_can_be_read(colours: dict[str, str]) -> None:
    for ink, ground in (
        *(("ink", ground) for ground in ("page", "card", "bad-tint", "grid")),
        *(("muted", ground) for ground in ("page", "card")),
        *((tone, f"{tone}-tint") for tone in ("good", "bad")),
    ):
        assert contrast(colours[ink], colours[ground]) >= 4.5, (ink, ground)


@pytest.mark.parametrize("colours", SCHEMES)
def test_the_edge_of_every_bar_can_be_seen(colours: dict[str, str]) -> None:
    """Colours alone may be near the ground; the edge around them is not (WCAG 1.4.11)."""
    for layer in (*LAYERS, "open_interest"):
        assert contrast(mix(colours[layer], colours["ink"], 0.6), colours["card"]) >= 3, layer


@pytest.mark.parametrize("colours", SCHEMES)
def test_numbers_in_the_heat_map_can_be_read(colours: dict[str, str]) -> None:
    for name in charts.BANDS:
        assert max(contrast(ink, colours[f"band-{name}"]) for ink in charts.INKS) >= 4.5


def _each(axis: object) -> list[dict[str, object]]:
    return axis if isinstance(axis, list) else [axis]  # type: ignore[list-item]
