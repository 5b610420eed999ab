"""The benchmark of what keepers see, on a small crowd: it runs, checks itself, and says what it found."""

import json

from weir.bench.keeper import DOCUMENT, RESULTS, Figures, measure, report


def test_it_measures_and_compares_with_the_chain() -> None:
    figures = measure(accounts=40, blocks=2)
    assert (figures["accounts"], figures["blocks"]) == (41, 2)
    assert 20 < figures["with_positions"] <= 41
    assert 0 < figures["block"] <= figures["slowest_block"]
    assert figures["pages"][0]["gas"] < figures["pages"][-1]["gas"]
    text = report(figures)
    assert "**the watch list, each block**" in text
    assert all(text.count("|", text.index(line), text.index(line) + len(line)) == 6 for line in _table(text))


def _table(text: str) -> list[str]:
    rows = text.split("| --- | ---: | ---: | ---: | ---: |\n")[1].splitlines()
    return rows[: rows.index("")]


def test_the_committed_figures_are_those_of_the_document() -> None:
    figures: Figures = json.loads(RESULTS.read_text(encoding="utf-8"))
    assert DOCUMENT.read_text(encoding="utf-8") == report(figures)
    one_by_one = figures["web3_call"] * figures["accounts"]
    assert figures["accounts"] > 10_000
    assert one_by_one / figures["block"] > 20
    assert one_by_one / next(p["seconds"] for p in figures["pages"] if p["size"] == 50) > 20
