"""How reports print numbers, times and addresses."""

from __future__ import annotations

from decimal import Decimal

import pytest

from weir import formatting


@pytest.mark.parametrize(
    ("value", "long", "short"),
    [
        ("0", "$0.00", "$0"),
        ("0.000001", "<$0.01", "<$0.01"),
        ("-0.001", "−<$0.01", "−<$0.01"),
        ("12.345", "$12.34", "$12.34"),
        ("999.4", "$999.40", "$999.40"),
        ("999.6", "$999.60", "$1.00k"),
        ("1234.5", "$1,234.50", "$1.23k"),
        ("-123456", "−$123,456.00", "−$123k"),
        ("999600", "$999,600.00", "$1.00M"),
        ("45678901", "$45,678,901.00", "$45.7M"),
        ("1e9", "$1,000,000,000.00", "$1.00B"),
    ],
)
def test_usd(value: str, long: str, short: str) -> None:
    assert formatting.usd(Decimal(value)) == long
    assert formatting.usd_short(Decimal(value)) == short


def test_usd_in_whole_dollars() -> None:
    assert formatting.usd(Decimal("1234.5"), 0) == "$1,234"
    assert formatting.usd(Decimal("0.2"), 0) == "<$1"


def test_percent_and_the_rest() -> None:
    assert formatting.percent(0.1234) == "12.3%"
    assert formatting.percent(-0.5, 0) == "−50%"
    assert formatting.percent(None) == "–"
    assert formatting.utc(1_583_971_200) == "2020-03-12 00:00"
    assert formatting.address("0x" + "ab" * 20) == "0xabab…abab"
    assert formatting.address("alice") == "alice"
