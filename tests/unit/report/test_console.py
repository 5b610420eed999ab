"""What the console shows of a run."""

from __future__ import annotations

from tests.unit.report.made_up import EXHAUSTED, identity, make_result, rendered
from weir import formatting
from weir.layers import GUARANTY_LAYERS, LAYERS


def test_defaults_layers_fund_and_identities() -> None:
    result = make_result(fund=EXHAUSTED)
    text = rendered(result, width=120)
    for default in result.defaults:
        assert formatting.address(default.account) in text
        assert formatting.usd(default.shortfall, 0) in text
    for _, amount in result.paid.items():
        assert formatting.usd(amount, 0) in text
    assert formatting.usd(result.fund.before.assets, 0) in text
    assert "P2:BTC" in text
    assert result.outcome in text


def test_no_figure_is_broken_on_a_narrow_console() -> None:
    result = make_result(fund=EXHAUSTED)
    text = rendered(result, width=80)
    assert max(map(len, text.splitlines())) <= 80
    for default in result.defaults:
        parts = [*default.paid.items(), ("remainder", default.remainder)]
        for amount in (default.shortfall, *(amount for _, amount in parts)):
            assert not amount or formatting.usd(amount, 0) in text
    for one in result.members:
        for name in ("contributed", "earned", *GUARANTY_LAYERS, "balance", "owed"):
            amount = getattr(one.membership, name)
            assert not amount or formatting.usd(amount, 0) in text


def test_the_waterfall_is_read_from_top_to_bottom() -> None:
    result = make_result(fund=EXHAUSTED)
    lines = rendered(result).splitlines()
    names = [*LAYERS.values(), "Open interest"]
    first = next(i for i, line in enumerate(lines) if line.strip().startswith(names[0]))
    amounts = [*(amount for _, amount in result.paid.items()), result.remainder]
    for line, name, amount in zip(lines[first:], names, amounts, strict=False):
        assert line.split(name)[1].split() == [
            formatting.usd(amount, 0) if amount else "–",
            formatting.percent(amount / result.shortfall),
        ]


def test_who_funded_the_fund() -> None:
    result = make_result()
    text = rendered(result)
    for name, amount in result.sources:
        assert name in text
        assert not amount or formatting.usd(amount, 0) in text
    for one in result.contributors(5):
        assert formatting.address(one.address) in text
    assert "NewRiskStopped 17" in text


def test_without_defaults_it_says_so() -> None:
    assert "No account defaulted" in rendered(make_result(defaults=0))


def test_markup_in_strings_is_text() -> None:
    broken = identity("P1", "[red]x[/nothing]", "0", "0")
    assert "[red]x[/nothing]" in rendered(make_result(identities=[broken], title="[bold]t[/]"))
