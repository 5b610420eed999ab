"""Smaller sequences that break the same property: fewer steps (Zeller's ddmin), then smaller numbers."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from typing import Any

from weir.fuzz.sequence import replay
from weir.fuzz.steps import Step
from weir.fuzz.subject import ImpossibleStepError, Subject

__all__ = ["shrink"]


def shrink(
    subject: Subject,
    steps: Sequence[Step],
    *,
    seconds: float = 60.0,
    progress: Callable[[int], None] = lambda _: None,
) -> tuple[tuple[Step, ...], str, str]:
    """The shortest sequence found in the time given, the rule that it breaks, and how.

    The rule is the one that a thorough replay finds first. Raises `ValueError` where the steps break nothing.
    """
    subject.thorough = True
    until = time.monotonic() + seconds
    first = replay(subject, steps)
    if first.violation is None:
        raise ValueError("steps: replayed, they break nothing")
    best, (rule, detail) = list(first.steps), first.violation

    def breaks(candidate: Sequence[Step]) -> bool:
        nonlocal best, detail
        try:
            again = replay(subject, candidate)
        except ImpossibleStepError:
            return False
        if again.violation is None or again.violation[0] != rule:
            return False
        best, detail = list(again.steps), again.violation[1]
        progress(len(best))
        return True

    try:
        _drop(lambda: best, breaks, until)
        _reduce(lambda: best, breaks, until)
        _drop(lambda: best, breaks, until)
    finally:
        subject.thorough = False
    return tuple(best), rule, detail


def _drop(best: Callable[[], list[Step]], breaks: Callable[[Sequence[Step]], bool], until: float) -> None:
    """Leaves out ever smaller pieces, from the end on."""
    size = max(1, len(best()) // 2)
    while size:
        at = len(best()) - size
        while at >= 0 and time.monotonic() < until:
            steps = best()
            breaks([*steps[:at], *_joined(steps[at : at + size], steps[at + size :])])
            at -= size
            at = min(at, len(best()) - size)
        size //= 2


def _joined(dropped: Sequence[Step], rest: Sequence[Step]) -> list[Step]:
    """What follows, with the time that the dropped steps took: answers name times."""
    if not rest:
        return []
    seconds = rest[0].seconds + sum(step.seconds for step in dropped)
    blocks = rest[0].blocks + sum(step.blocks for step in dropped)
    return [replace(rest[0], seconds=seconds, blocks=blocks), *rest[1:]]


def _reduce(best: Callable[[], list[Step]], breaks: Callable[[Sequence[Step]], bool], until: float) -> None:
    """Tries rounder and smaller numbers in every step."""
    for at in range(len(best())):
        for smaller in _variants(best()[at]):
            if time.monotonic() > until or at >= len(best()):
                return
            steps = best()
            if breaks([*steps[:at], smaller, *steps[at + 1 :]]):
                break


def _variants(step: Step) -> Iterator[Step]:
    for index, value in enumerate(step.arguments):
        for simpler in _simpler(value):
            yield replace(step, arguments=(*step.arguments[:index], simpler, *step.arguments[index + 1 :]))


def _simpler(value: Any) -> Iterator[Any]:
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return
    if isinstance(value, int):
        if value > 9:
            power = 10 ** (len(str(value)) - 1)
            yield from (candidate for candidate in (power, value // power * power) if candidate != value)
    elif isinstance(value, tuple):
        if value:
            yield ()
    elif is_dataclass(value) and not isinstance(value, type):
        for field in fields(value):
            if field.name in ("size", "price"):
                for simpler in _simpler(getattr(value, field.name)):
                    yield replace(value, **{field.name: simpler})
