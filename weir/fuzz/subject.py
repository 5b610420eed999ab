"""What can be fuzzed: a `Subject` is a state that steps change, with actions that draw them and properties.

The engine (campaigns, shrinking, replays, Hypothesis) knows nothing else. `weir.fuzz.clearing` is Weir's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step

__all__ = ["Action", "ImpossibleStepError", "Plan", "Slack", "Subject", "ViolationError"]

Plan: TypeAlias = Generator[Step, bool, None]
"""Steps in a row; each `yield` tells whether the step went through."""


class ViolationError(RuntimeError):
    """A property does not hold. `rule` names it shortly, the same for every way to break it."""

    def __init__(self, rule: str, detail: str) -> None:
        super().__init__(f"{rule}: {detail}")
        self.rule = rule
        self.detail = detail

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.rule, self.detail)


class ImpossibleStepError(ValueError):
    """A step that can't be made at all; `execute` raises it for what no action would draw."""


@dataclass(frozen=True)
class Slack:
    """How far rounding has moved a property, where it has: how often, in sum, least and most."""

    count: int
    total: float
    low: float
    high: float

    def __add__(self, other: Slack) -> Slack:
        return Slack(
            self.count + other.count,
            self.total + other.total,
            min(self.low, other.low),
            max(self.high, other.high),
        )

    @classmethod
    def of(cls, value: float) -> Slack:
        return cls(1, value, value, value)


@dataclass(frozen=True)
class Action:
    """Something that an actor may set about. `weight` is how often, relative to the others."""

    name: str
    weight: int
    plan: Callable[[Any, Draw], Plan]


class Subject(ABC):
    """A state with a way back to its beginning.

    Since the beginning, `slack` collects by property what rounding has moved, and `seen` counts the paths
    that were taken.
    """

    name: str
    actions: Sequence[Action]
    known: Mapping[str, type] = {}  # dataclasses that may stand among the arguments of steps

    thorough = False  # check everything after every step, even what costs too much to check always

    def begin(self) -> None:
        """Back to the beginning. Extend this."""
        self.slack: dict[str, Slack] = {}
        self.seen: Counter[str] = Counter()

    @abstractmethod
    def execute(self, step: Step) -> str | None:
        """Makes the step and checks every property.

        The reason if it was refused; raises `ViolationError`.
        """

    def finish(self) -> None:  # noqa: B027 - most need no more than the checks of each step
        """Checks that come at the end of a sequence; raises `ViolationError`."""

    def is_call(self, step: Step) -> bool:  # noqa: ARG002
        """Whether the step is a call of what is being fuzzed, not of its surroundings."""
        return True

    def ledger(self) -> Mapping[str, int]:
        """The state by name, zeros left out, to be shown before and after a step."""
        return {}

    def plan(self, action: Action, draw: Draw) -> Plan:
        """The steps of an action, which sees the subject; override this to show it less."""
        return action.plan(self, draw)

    def open_plan(self, draw: Draw) -> Plan | None:  # noqa: ARG002
        """Steps that every sequence starts with."""
        return None
