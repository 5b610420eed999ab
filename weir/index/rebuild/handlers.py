"""How events find the functions that apply them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from weir.index.rebuild.state import State

__all__ = ["Arguments", "Handler", "Handlers"]

Arguments: TypeAlias = Mapping[str, Any]
Handler: TypeAlias = Callable[[State, Arguments], None]


class Handlers(dict[str, Handler]):
    """The functions of one contract, by the event they apply."""

    def __call__(self, event: str) -> Callable[[Handler], Handler]:
        def note(handler: Handler) -> Handler:
            self[event] = handler
            return handler

        return note

    def ignore(self, *events: str) -> None:
        """What tells of something that other events change, or that is no part of the state."""
        for event in events:
            self[event] = _nothing


def _nothing(_state: State, _arguments: Arguments) -> None:
    pass
