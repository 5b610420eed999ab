"""A subject as small as can be: a counter that must not reach its limit in one way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weir.fuzz.draw import Draw
from weir.fuzz.steps import Step
from weir.fuzz.subject import Action, Plan, Slack, Subject, ViolationError

LIMIT = 40


def add(_: Any, draw: Draw) -> Plan:
    yield Step("adder", "add", (draw.integer(1, 9),))


def reset(_: Any, draw: Draw) -> Plan:
    if draw.chance(30):
        yield Step("adder", "reset", ())


def nothing(_: Any, __: Draw) -> Plan:
    yield from ()


def twice(_: Any, draw: Draw) -> Plan:
    """The second step depends on how the first went."""
    if (yield Step("adder", "add", (draw.integer(1, 20),))):
        yield Step("adder", "add", (1,), 0, 0)


class Counter(Subject):
    """`add` refuses more than 9; without a reset the counter runs into its limit."""

    name = "counter"
    actions = (Action("add", 3, add), Action("reset", 1, reset), Action("twice", 1, twice))

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self.begin()

    def begin(self) -> None:
        super().begin()
        self.count = 0

    def execute(self, step: Step) -> str | None:
        if step.call == "reset":
            self.count = 0
            return None
        if step.arguments[0] > 9:
            return "TooMuch"
        self.count += step.arguments[0]
        self.seen["added"] += 1
        self.slack["sum"] = Slack.of(self.count) + self.slack.get("sum", Slack.of(0))
        if self.count >= self.limit:
            raise ViolationError("limit", f"{self.count} of {self.limit}")
        return None

    def is_call(self, step: Step) -> bool:
        return step.call != "reset"

    def ledger(self) -> Mapping[str, int]:
        return {"count": self.count} if self.count else {}


def counter(_setting: str, _root: Path | None) -> Counter:
    """Its limit is out of reach."""
    return Counter(10**9)


def tight_counter(_setting: str, _root: Path | None) -> Counter:
    return Counter(400)
