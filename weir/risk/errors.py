"""What the risk engine refuses."""

from __future__ import annotations

from pydantic import ValidationError

__all__ = ["RiskError", "told"]


class RiskError(ValueError):
    """Input that no figure could be trusted for; the message names the field, what was given, what may be."""


def told(error: ValidationError, *before: object) -> str:
    """The first thing that is wrong, in one line: the field (below `before`), what may be there, what is."""
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in (*before, *first["loc"]))
    reason = first["msg"].removeprefix("Value error, ").replace("Input should be", "must be")
    reason = "must be an object" if first["type"] == "model_type" else reason
    shown = isinstance(first["input"], str | int | float) and first["type"] != "json_invalid"
    given = f" (got {first['input']!r})" if shown else ""
    return f"{f'{place}: ' if place else ''}{reason}{given}"
