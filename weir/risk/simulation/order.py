"""Neighbours next to each other: the order of a k-d tree's leaves (Bentley, Comm. ACM 18, 1975)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["neighbours"]


@njit(nogil=True, cache=True)
def _split(points: Any, order: Any, first: int, last: int, middle: int, axis: int) -> None:
    """Quickselect (Hoare, 1961): what belongs before `middle` along `axis` comes before it."""
    low, high = first, last - 1
    while low < high:
        pivot = points[order[(low + high) // 2], axis]
        i, j = low, high
        while i <= j:
            while points[order[i], axis] < pivot:
                i += 1
            while points[order[j], axis] > pivot:
                j -= 1
            if i <= j:
                order[i], order[j] = order[j], order[i]
                i += 1
                j -= 1
        if middle <= j:
            high = j
        elif middle >= i:
            low = i
        else:
            return


@njit(nogil=True, cache=True)
def neighbours(points: Any, leaf: int) -> Any:
    """An order of `points` (n, K), finite, in which each `leaf` in turn are near each other.

    Halves along the widest axis, at a multiple of `leaf`, until a leaf is left. Takes n log n.
    """
    n, axes = points.shape
    order = np.arange(n)
    stack = [(0, n)]
    while stack:
        first, last = stack.pop()
        if last - first <= leaf:
            continue
        axis, widest = 0, -1.0
        for k in range(axes):
            low = high = points[order[first], k]
            for i in range(first + 1, last):
                low, high = min(low, points[order[i], k]), max(high, points[order[i], k])
            if high - low > widest:
                axis, widest = k, high - low
        middle = first + ((last - first + leaf - 1) // leaf // 2) * leaf
        _split(points, order, first, last, middle, axis)
        stack.append((first, middle))
        stack.append((middle, last))
    return order
