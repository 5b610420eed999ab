"""Hypothesis' front end: the same actions in a state machine, with its shrinking and reproducible blobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from weir.fuzz.draw import Draw
from weir.fuzz.sequence import follow
from weir.fuzz.steps import Step
from weir.fuzz.subject import Action, Subject

__all__ = ["PROFILES", "state_machine"]

T = TypeVar("T")

_COMMON = {
    "deadline": None,  # a step may deploy, or sit on a loaded machine
    "suppress_health_check": list(HealthCheck),
    "print_blob": True,
}
PROFILES = {
    "quick": settings(max_examples=20, stateful_step_count=50, **_COMMON),  # type: ignore[arg-type]
    "ci": settings(max_examples=60, stateful_step_count=60, **_COMMON),  # type: ignore[arg-type]
    "deep": settings(max_examples=2_000, stateful_step_count=200, **_COMMON),  # type: ignore[arg-type]
}


class _Draw(Draw):
    """Choices of Hypothesis, through the `data` of one rule.

    A draw of Hypothesis costs more than a call of the contracts, so each brings bytes for several choices.
    """

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        self._bits, self._room = 0, 1

    def integer(self, low: int, high: int) -> int:
        span = high - low + 1
        if span > self._room:
            size = max(16, span.bit_length() // 8 + 4)
            self._bits, self._room = int.from_bytes(self._data.draw(_bytes(size)), "big"), 1 << 8 * size
        self._bits, offset = divmod(self._bits, span)
        self._room //= span
        return low + offset

    def choice(self, options: Sequence[T]) -> T:
        return options[self.integer(0, len(options) - 1)]

    def chance(self, percent: int) -> bool:
        return self.integer(0, 99) < percent

    def some(self, options: Sequence[T]) -> list[T]:
        # One number: which, and who comes first.
        number = self.integer(0, (len(options) << len(options)) - 1)
        chosen = [each for at, each in enumerate(options) if number >> at & 1]
        first = (number >> len(options)) % max(1, len(chosen))
        return chosen[first:] + chosen[:first]


@lru_cache(maxsize=64)
def _bytes(size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size)


def state_machine(
    subject: Callable[[], Subject], actions: Sequence[Action], *, whole: bool = True
) -> type[RuleBasedStateMachine]:
    """A state machine of these actions; `subject` is called once, its snapshot serves all examples.

    Each example begins as sequences do, and ends with their last checks, unless it is not to be `whole`.
    """
    shared: list[Subject] = []
    turns = [action for action in actions for _ in range(action.weight)]

    class Machine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            if not shared:
                shared.append(subject())
            self.subject = shared[0]
            self.subject.begin()
            self.steps: list[Step] = []
            self.opened = not whole

        @rule(data=st.data())
        def act(self, data: st.DataObject) -> None:
            draw: Any = _Draw(data)
            if not self.opened:
                self.opened = True
                self._follow(self.subject.open_plan(draw))
            self._follow(self.subject.plan(draw.choice(turns), draw))

        def _follow(self, plan: Any) -> None:
            if plan is not None:
                for _ in follow(self.subject, plan, self.steps):
                    pass

        def teardown(self) -> None:
            if whole:
                self.subject.finish()

    return Machine
