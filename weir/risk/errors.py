"""What the risk engine refuses."""

from __future__ import annotations

__all__ = ["RiskError"]


class RiskError(ValueError):
    """Input that no figure could be trusted for; the message names the field, what was given, what may be."""
