"""The clearing house runs the code of Liquidations on its own storage: both agree where everything lies."""

from typing import Any

import pytest

from weir.compiler import compile_standard, standard_input
from weir.toolchain import ROOT

HOUSE = ("contracts/ClearingHouse.sol", "ClearingHouse")
MODULE = ("contracts/clearing/Liquidations.sol", "Liquidations")

Layout = dict[str, Any]


@pytest.fixture(scope="module")
def layouts() -> tuple[Layout, Layout]:
    """The house's and the module's, as the compiler tells them; no code is generated."""
    sources = {file: (ROOT / file).read_text("utf-8") for file, _ in (HOUSE, MODULE)}
    answer = compile_standard(standard_input(sources, artefacts=("storageLayout",)))
    assert [error for error in answer.get("errors", []) if error["severity"] == "error"] == []
    house, module = (answer["contracts"][file][name]["storageLayout"] for file, name in (HOUSE, MODULE))
    return house, module


def variables(layout: Layout) -> list[tuple[str, int, int, Any]]:
    """Label, slot, offset and type of each state variable, in order."""
    return [
        (each["label"], int(each["slot"]), each["offset"], meaning(layout, each["type"]))
        for each in layout["storage"]
    ]


def meaning(layout: Layout, name: str) -> Any:
    """A type down to its elements; its name alone would do, but for the members of structs."""
    kind = layout["types"][name]
    parts = {key: meaning(layout, kind[key]) for key in ("key", "value", "base") if key in kind}
    members = [
        (each["label"], int(each["slot"]), each["offset"], meaning(layout, each["type"]))
        for each in kind.get("members", ())
    ]
    return kind["label"], kind["encoding"], kind["numberOfBytes"], parts, members


def test_the_module_s_layout_is_the_beginning_of_the_house_s(layouts: tuple[Layout, Layout]) -> None:
    house, module = (variables(layout) for layout in layouts)
    assert house[: len(module)] == module


def test_what_only_the_house_has_comes_after(layouts: tuple[Layout, Layout]) -> None:
    house, module = (variables(layout) for layout in layouts)
    assert [label for label, *_ in house[len(module) :]] == ["filled"]
    last = max(slot for _, slot, *_ in module)
    assert all(slot > last for _, slot, *_ in house[len(module) :])


def test_the_layouts_are_of_the_parts_that_both_inherit(layouts: tuple[Layout, Layout]) -> None:
    """So that comparing them means something: one of each part's variables is there."""
    labels = {label for label, *_ in variables(layouts[1])}
    assert {"_authority", "_liquidation", "_markets", "_positions", "insolvencies"} <= labels
