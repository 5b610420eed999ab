"""docs/funding.md and its picture say what the contract does: redrawn here from a fresh deployment."""

from __future__ import annotations

import re
from typing import Any
from xml.etree import ElementTree

import ape
import pytest

from weir.client import Weir
from weir.funding_curves import PICTURE, Curve, draw, read
from weir.parameters import FundingParameters
from weir.posting import Posting
from weir.toolchain import ROOT

GUIDE = (ROOT / "docs" / "funding.md").read_text(encoding="utf-8")
MILLION = 10**6
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def curves(deploy_system: Any) -> tuple[Curve, ...]:
    return read(Weir(ape.chain.provider.web3, deploy_system(funding=FundingParameters()).deployment))


def drawn(curve: Curve) -> ElementTree.Element:
    return ElementTree.fromstring(draw([curve]))


def flat(answer: int) -> Curve:
    return Curve("stressAt", "A title", "a unit", "a place", False, ((0, answer), (MILLION, answer)))


# ----------------------------------------------------------------- the picture


def test_the_committed_picture_is_the_contract_s(curves: tuple[Curve, ...]) -> None:
    assert draw(curves) == PICTURE.read_text("utf-8"), "renew it with `make curves`"


def test_the_curves_bend_where_the_parameters_say(curves: tuple[Curve, ...]) -> None:
    p = FundingParameters()
    at = {curve.name: dict(curve.points) for curve in curves}
    assert (at["stressAt"][p.stop_below], at["stressAt"][p.stress_from]) == (MILLION, 0)
    assert at["fundShareAt"][MILLION] == p.share_at_target
    assert (at["fundShareAt"][0], at["fundShareAt"][2 * MILLION]) == (p.share_max, p.share_min)
    assert at["premiumRateAt"][0] == p.premium_max
    assert at["premiumRateAt"][p.stress_from] == p.premium_min
    assert at["scarcityAt"][p.stop_below] == p.max_scarcity
    assert at["concentrationAt"][p.concentration_from] == 0
    assert at["concentrationAt"][MILLION] == p.max_concentration
    assert (at["leverageAt"][p.leverage_from], at["leverageAt"][p.leverage_to]) == (0, p.max_leverage)


def test_the_picture_needs_nothing_from_elsewhere() -> None:
    text = PICTURE.read_text("utf-8")
    found = ElementTree.fromstring(text)
    assert {element.tag.removeprefix(SVG) for element in found.iter()} <= {
        *("svg", "title", "desc", "style", "rect", "g", "text", "line", "polyline")
    }
    assert "url(" not in text
    assert "@import" not in text
    assert "href" not in text
    assert "prefers-color-scheme: dark" in text


def test_a_curve_stays_within_its_panel(curves: tuple[Curve, ...]) -> None:
    for curve in curves:
        [line] = drawn(curve).iter(f"{SVG}polyline")
        places = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert all(0 <= x <= 250 and 0 <= y <= 160 for x, y in places)
        assert [x for x, _ in places] == sorted(x for x, _ in places)


@pytest.mark.parametrize("answer", [0, 1, 7, 300, 999_999, MILLION])
def test_any_height_has_a_scale(answer: int) -> None:
    labels = [text.text for text in drawn(flat(answer)).iter(f"{SVG}text") if text.get("class") == "y"]
    assert 2 <= len(labels) <= 7
    assert len(set(labels)) == len(labels)
    assert labels[0] == "0%"
    assert float(str(labels[-1]).rstrip("%")) * 10_000 >= answer


def test_names_are_escaped() -> None:
    curve = Curve("x", "<Title> & more", "%", "place", True, ((0, 0), (MILLION, 5)))
    assert "&lt;Title&gt; &amp; more" in draw([curve])


# ------------------------------------------------------------------- the guide


def test_the_guide_lists_every_parameter_with_its_default() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|[^|\n]*\|[^|\n]*\| ([^|\n]*) \|", GUIDE, re.MULTILINE))
    defaults = dict(FundingParameters())
    assert list(rows) == list(defaults)
    for name, value in defaults.items():
        shown = ", ".join(f"{one:,}" for one in value) if isinstance(value, tuple) else f"{value:,}"
        assert rows[name] == shown, name


def test_the_guide_s_file_can_be_posted() -> None:
    [example] = re.findall(r"^```json\n(.*?)^```", GUIDE, re.MULTILINE | re.DOTALL)
    posting = Posting.model_validate_json(example)
    assert posting.target == 52_500
    assert sorted(posting.tiers.values()) == [1, 3]
    for field in ("target", "tiers", "evidence.inputs", "evidence.outputs", "evidence.block"):
        assert re.search(rf"^\|[^|]*`{field}`", GUIDE, re.MULTILINE), field
