"""How workers get their subject."""

from __future__ import annotations

from pathlib import Path

from weir.fuzz.clearing.setting import SETTINGS
from weir.fuzz.clearing.subject import Clearing

__all__ = ["clearing"]


def clearing(setting: str, root: Path | None) -> Clearing:
    """Weir in the setting of this name."""
    return Clearing(SETTINGS[setting], root)
