"""Where choices come from: a seeded generator for campaigns, Hypothesis for its own.

Actions ask a `Draw` for everything that they leave to chance, so that one description serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Protocol, TypeVar

__all__ = ["Draw", "RandomDraw"]

T = TypeVar("T")


class Draw(Protocol):
    """A source of choices."""

    def integer(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        ...

    def magnitude(self, low: int, high: int) -> int:
        """An integer in [low, high], small ones as likely as large ones."""
        digits = self.integer(len(str(low)), len(str(high)))
        return max(low, min(high, self.integer(10 ** (digits - 1), 10**digits - 1)))

    def choice(self, options: Sequence[T]) -> T: ...

    def chance(self, percent: int) -> bool:
        """True `percent` times in a hundred."""
        ...

    def some(self, options: Sequence[T]) -> list[T]:
        """Any number of different ones, in any order."""
        ...


class RandomDraw(Draw):
    """Choices of a seeded generator."""

    def __init__(self, seed: object) -> None:
        self.random = Random(str(seed))
        self._uniform: Callable[[], float] = self.random.random

    def integer(self, low: int, high: int) -> int:
        # Uniform up to 2**53; beyond that the low bits come second.
        span = high - low + 1
        if span < 1 << 53:
            return low + int(self._uniform() * span)
        return low + self.random.randrange(span)

    def choice(self, options: Sequence[T]) -> T:
        return options[int(self._uniform() * len(options))]

    def chance(self, percent: int) -> bool:
        return self._uniform() * 100 < percent

    def some(self, options: Sequence[T]) -> list[T]:
        return self.random.sample(options, self.integer(0, len(options)))
