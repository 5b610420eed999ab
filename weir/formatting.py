"""How reports print numbers, times, addresses, and JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal

__all__ = ["address", "exact_json", "number", "percent", "usd", "usd_short", "utc"]

_MINUS = "\N{MINUS SIGN}"


def number(value: Decimal | float, decimals: int = 0) -> str:
    """`1,234.50`: thousands separators and a fixed number of decimals."""
    return f"{value:,.{decimals}f}".replace("-", _MINUS)


def usd(value: Decimal | float, decimals: int = 2) -> str:
    """`$1,234.56`; what is not zero but would look like it says `<$0.01`."""
    sign = _MINUS if value < 0 else ""
    size = abs(Decimal(value))
    least = Decimal(1).scaleb(-decimals)
    if 0 < size < least / 2:
        return f"{sign}<${least}"
    return f"{sign}${size:,.{decimals}f}"


def usd_short(value: Decimal | float) -> str:
    """`$1.23M`: three significant digits, for headlines and labels."""
    if not value:
        return "$0"
    size = abs(Decimal(value))
    for unit, letter in ((Decimal(10**9), "B"), (Decimal(10**6), "M"), (Decimal(1000), "k")):
        if size >= unit * Decimal("0.9995"):
            scaled = size / unit
            decimals = 2 if scaled < Decimal("9.995") else 1 if scaled < Decimal("99.95") else 0
            return f"{_MINUS if value < 0 else ''}${scaled:.{decimals}f}{letter}"
    return usd(value)


def percent(ratio: float | Decimal | None, decimals: int = 1) -> str:
    """`12.3%` for 0.123; a dash for None."""
    return "\N{EN DASH}" if ratio is None else f"{number(ratio * 100, decimals)}%"


def utc(time: int, pattern: str = "%Y-%m-%d %H:%M") -> str:
    """A Unix time in seconds as UTC."""
    return datetime.fromtimestamp(time, UTC).strftime(pattern)


def address(text: str) -> str:
    """`0x1234…abcd`: the ends of a long address; anything short as it is."""
    return f"{text[:6]}…{text[-4:]}" if len(text) > 16 else text


def exact_json(value: object) -> str:
    """For machines: decimals become strings with every digit, never floats."""
    return json.dumps(value, indent=2, default=lambda item: format(item, "f"))
