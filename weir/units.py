"""Units that numbers come in."""

from __future__ import annotations

__all__ = ["DAY", "HOUR", "MILLION"]

MILLION = 1_000_000
"""Parts per million (ppm) in one."""
HOUR, DAY = 3_600, 86_400
"""Seconds."""
