"""The colours of the page: those of the report's style sheet, so that a layer looks the same everywhere, and
its own.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import weir

__all__ = ["STYLES", "contrast", "mix", "palette"]

STYLES = (Path(weir.__file__).parent / "templates" / "report.css", Path(__file__).parent / "page.css")
"""In the order in which a browser reads them. Both begin with their colours, light and then dark."""

_ROOT = re.compile(r":root\s*{(.*?)}", re.DOTALL)
_COLOUR = re.compile(r"--([\w-]+):\s*(#[0-9a-f]{6});")


@cache
def palette(*, dark: bool) -> Mapping[str, str]:
    """By name as in the style sheets, such as `skin` or `ink`: "#rrggbb"."""
    found: dict[str, str] = {}
    for style in STYLES:
        light, darker = _ROOT.findall(style.read_text("utf-8"))[:2]
        found |= dict(_COLOUR.findall(light))
        found |= dict(_COLOUR.findall(darker)) if dark else {}
    return found


def mix(colour: str, other: str, part: float) -> str:
    """So much (0 to 1) of the first, the rest of the second."""
    pairs = zip(_channels(colour), _channels(other), strict=True)
    return "#" + "".join(f"{round(part * one + (1 - part) * two):02x}" for one, two in pairs)


def contrast(colour: str, other: str) -> float:
    """WCAG's ratio, from 1 (the same) to 21."""
    darker, lighter = sorted((_luminance(colour), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def _channels(colour: str) -> tuple[int, ...]:
    return tuple(int(colour[at : at + 2], 16) for at in (1, 3, 5))


def _luminance(colour: str) -> float:
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in _shares(colour)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _shares(colour: str) -> list[float]:
    return [channel / 255 for channel in _channels(colour)]
