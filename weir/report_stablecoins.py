"""The charts of other stablecoins in a report: their prices, what accounts pledged, the fund's reserve."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from weir import charts
from weir.charts import Figure
from weir.results import ListedAsset, Stablecoins

__all__ = ["figures"]

_COLOURS = (
    *("@senior", "@mutual", "@coinsurance", "@junior"),
    *("@own", "@unpaid_profit", "@open_interest", "@liquidated"),
)
"""Of assets, by their number; there are at most eight."""


def figures(stablecoins: Stablecoins) -> dict[str, Figure]:
    """By the names that the page's template has for them."""
    return {
        "pegs": _pegs(stablecoins),
        "collateral": _collateral(stablecoins),
        "reserve": _reserve(stablecoins),
    }


def _pegs(stablecoins: Stablecoins) -> Figure:
    """What the market gives for each; a share of S, which has no market of its own, at what it counts at."""
    lines = []
    for asset, colour in _coloured(stablecoins):
        name = asset.symbol
        lines.append(_line(stablecoins, name, [p.market[name] for p in stablecoins.series], colour, "$.4f"))
        # Prices between two known ones lie on a line, those of markets too.
        lines[-1]["line"]["shape"] = "linear"
        counts = [p.prices[name] * (1 - Decimal(str(asset.haircut))) for p in stablecoins.series]
        lines.append(_line(stablecoins, f"{name} counts for", counts, colour, "$.4f"))
        lines[-1]["line"] |= {"dash": "dot", "shape": "linear"}
    return {
        "data": lines,
        "layout": {"yaxis": {"title": {"text": "Price, USD"}, "tickformat": "$.2f"}},
    }


def _collateral(stablecoins: Stablecoins) -> Figure:
    data = [
        _line(
            stablecoins,
            asset.symbol,
            [point.collateral[asset.symbol] for point in stablecoins.series],
            colour,
            "$,.0f",
            stackgroup="collateral",
            fillcolor=colour,
        )
        for asset, colour in _coloured(stablecoins)
    ]
    for each in data:
        each["line"]["width"] = 0
    counts = [_sum(point.collateral_counts) for point in stablecoins.series]
    data.append(_line(stablecoins, "Counts for", counts, "@ink", "$,.0f"))
    return {"data": data, "layout": {"yaxis": _dollars("Collateral of all accounts, USD")}}


def _reserve(stablecoins: Stablecoins) -> Figure:
    """Skin as it is worth, S at the bottom; what counts, and what the tranches have advanced, as lines."""
    series = stablecoins.series
    stack = [("S", [point.skin for point in series], "@skin")]
    stack += [
        (asset.symbol, [point.reserve[asset.symbol] for point in series], colour)
        for asset, colour in _coloured(stablecoins)
    ]
    data = [
        _line(stablecoins, name, values, colour, "$,.0f", stackgroup="reserve", fillcolor=colour)
        for name, values, colour in stack
    ]
    for each in data:
        each["line"]["width"] = 0
    counts = [point.skin + _sum(point.reserve_counts) for point in series]
    data.append(_line(stablecoins, "Counts for", counts, "@ink", "$,.0f"))
    data.append(_line(stablecoins, "Advanced by tranches", [p.advanced for p in series], "@bad", "$,.0f"))
    return {"data": data, "layout": {"yaxis": _dollars("Skin in the game, USD")}}


def _line(
    stablecoins: Stablecoins, name: str, values: list[Decimal], colour: str, pattern: str, **more: object
) -> Figure:
    return charts.line(name, (point.time for point in stablecoins.series), values, colour, pattern, **more)


def _coloured(stablecoins: Stablecoins) -> list[tuple[ListedAsset, str]]:
    return list(zip(stablecoins.assets, _COLOURS, strict=False))


def _dollars(title: str) -> Mapping[str, object]:
    return {"title": {"text": title}, "tickformat": "$~s", "rangemode": "tozero"}


def _sum(amounts: Mapping[str, Decimal]) -> Decimal:
    return sum(amounts.values(), Decimal(0))
