"""The curves of a funding policy as a picture, drawn from the contract's own view functions.

`read` samples them, `draw` makes an SVG of small multiples that needs nothing from elsewhere; the same
answers always give the same text.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from weir.client import Weir
from weir.pages import templates
from weir.toolchain import ROOT
from weir.units import MILLION

__all__ = ["PICTURE", "Curve", "draw", "read"]

PICTURE = ROOT / "docs" / "funding.svg"
"""The committed one: of the default parameters."""

SAMPLES = 100
"""Steps between the ends of a curve, besides the places where it bends."""
COVERAGE = 2 * MILLION
"""How far the pictures go that are drawn over coverage, ppm."""

_COLUMNS = 3
_PANEL = 250, 160
_CELL = 350, 270
_MARGIN = 66, 56
"""From the picture's corner to the first panel's."""


@dataclass(frozen=True, slots=True)
class Curve:
    """What a function of the policy answers at growing places; places and answers in ppm.

    `unit` is what an answer is a part of, `marks` are places with a name.
    """

    name: str
    title: str
    unit: str
    over: str
    times: bool
    points: tuple[tuple[int, int], ...]
    marks: tuple[tuple[int, str], ...] = ()


# ------------------------------------------------------------------------ read


@dataclass(frozen=True, slots=True)
class _Kind:
    title: str
    unit: str
    over: str


_OVER_COVERAGE = "coverage: the fund's assets ÷ its target"
_KINDS = {
    "stressAt": _Kind("Stress", "% of full stress", _OVER_COVERAGE),
    "fundShareAt": _Kind("The fund's share of fees", "% of fees", _OVER_COVERAGE),
    "premiumRateAt": _Kind("Premium on open interest", "% of notional a year, each side", _OVER_COVERAGE),
    "scarcityAt": _Kind("Contribution: scarcity", "% of new notional", _OVER_COVERAGE),
    "concentrationAt": _Kind(
        "Contribution: concentration",
        "% of new notional",
        "the account's share of the market's open interest",
    ),
    "leverageAt": _Kind("Contribution: leverage", "% of new notional", "the account's notional ÷ its equity"),
}


def read(weir: Weir) -> tuple[Curve, ...]:
    """Asks the deployment's policy for every curve, at its latest block."""
    block = int(weir.chain.rpc("eth_blockNumber"), 16)
    functions = weir.policy.functions
    p: Mapping[str, int] = weir.chain.call(functions.parameters(), block=block)
    stress = ((p["stopBelow"], "stop below"), (p["stressFrom"], "stress below"))
    target = ((MILLION, "target met"),)
    above, below = p["shareAtTarget"] - p["shareMin"], p["shareMax"] - p["shareAtTarget"]
    slope = max(p["shareSlope"], 1)
    bends = (MILLION - below * MILLION // slope, MILLION + above * MILLION // slope)
    share, leverage = p["concentrationFrom"], (p["leverageFrom"], p["leverageTo"])
    ends: dict[str, tuple[int, Sequence[int], tuple[tuple[int, str], ...]]] = {
        "stressAt": (COVERAGE, [place for place, _ in stress], stress),
        "fundShareAt": (COVERAGE, bends, target),
        "premiumRateAt": (COVERAGE, [place for place, _ in stress], stress),
        "scarcityAt": (COVERAGE, [place for place, _ in stress], stress),
        "concentrationAt": (MILLION, [share], ((share, "free up to here"),)),
        "leverageAt": (p["leverageTo"] * 5 // 4, leverage, ((leverage[0], "free up to here"),)),
    }
    curves = []
    for name, (end, corners, marks) in ends.items():
        steps = (end * i // SAMPLES for i in range(SAMPLES + 1))
        places = sorted({*steps, *(corner for corner in corners if 0 <= corner <= end)})
        answers: list[int] = weir.chain.call_many([functions[name](place) for place in places], block=block)
        kind = _KINDS[name]
        points = tuple(zip(places, answers, strict=True))
        curves.append(Curve(name, kind.title, kind.unit, kind.over, name == "leverageAt", points, marks))
    return tuple(curves)


# ------------------------------------------------------------------------ draw


@dataclass(frozen=True, slots=True)
class _Tick:
    at: str
    label: str


@dataclass(frozen=True, slots=True)
class _Mark:
    at: str
    label: str
    height: int


@dataclass(frozen=True, slots=True)
class _Panel:
    """A curve in the picture's units, its origin in the upper left corner."""

    title: str
    unit: str
    over: str
    told: str
    left: int
    top: int
    width: int
    height: int
    points: str
    x_ticks: tuple[_Tick, ...]
    y_ticks: tuple[_Tick, ...]
    marks: tuple[_Mark, ...]


def draw(curves: Sequence[Curve]) -> str:
    """The picture, an SVG document."""
    rows = -(-len(curves) // _COLUMNS)
    return (
        templates(keep_trailing_newline=True)
        .get_template("funding.svg.j2")
        .render(
            width=_CELL[0] * _COLUMNS,
            height=_CELL[1] * rows,
            panels=[_panel(curve, i) for i, curve in enumerate(curves)],
        )
    )


def _panel(curve: Curve, index: int) -> _Panel:
    width, height = _PANEL
    row, column = divmod(index, _COLUMNS)
    right = curve.points[-1][0]
    ticks = _ticks(max(answer for _, answer in curve.points))
    top = ticks[-1]

    def x(place: int) -> str:
        return _fixed(place * width, right)

    def y(answer: int) -> str:
        return _fixed((top - answer) * height, top)

    show = _times if curve.times else _percent
    first, last = curve.points[0], curve.points[-1]
    return _Panel(
        title=curve.title,
        unit=curve.unit,
        over=curve.over,
        told=f"{_percent(first[1])} at {show(first[0])}, {_percent(last[1])} at {show(last[0])}",
        left=_MARGIN[0] + column * _CELL[0],
        top=_MARGIN[1] + row * _CELL[1],
        width=width,
        height=height,
        points=" ".join(f"{x(place)},{y(answer)}" for place, answer in _bends(curve.points)),
        x_ticks=tuple(_Tick(x(tick), show(tick)) for tick in _ticks(right) if tick <= right),
        y_ticks=tuple(_Tick(y(tick), _percent(tick)) for tick in ticks),
        # A curve with two marks falls between them: the first label has room below it, the second above.
        marks=tuple(
            _Mark(x(place), label, 12 if i == len(curve.marks) else height - 6)
            for i, (place, label) in enumerate(curve.marks, start=1)
        ),
    )


def _bends(points: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Without the points that lie on a level line between their neighbours."""
    inner = (
        here
        for before, here, after in zip(points, points[1:], points[2:], strict=False)
        if not before[1] == here[1] == after[1]
    )
    return [points[0], *inner, points[-1]]


def _ticks(end: int) -> list[int]:
    """Up to seven round numbers, from 0 to `end` or just above it."""
    unit = 1
    while unit * 6 < end:
        unit *= 10
    # The finest of 10, 20, 25, 50 hundredths of it, and itself, that takes no more than six steps.
    step = next((s for s in (unit // 10, unit // 5, unit // 4, unit // 2) if s and s * 6 >= end), unit)
    return [step * i for i in range(-(-max(end, 1) // step) + 1)]


def _fixed(numerator: int, divisor: int) -> str:
    """Rounded to a tenth; without floats, so that the picture is the same everywhere."""
    tenths = (2 * 10 * numerator + divisor) // (2 * divisor)
    return f"{tenths // 10}.{tenths % 10}"


def _percent(ppm: int) -> str:
    return _short(Decimal(ppm) / 10_000) + "%"


def _times(ppm: int) -> str:
    return _short(Decimal(ppm) / MILLION) + "x"


def _short(value: Decimal) -> str:
    return f"{value.normalize():f}"
