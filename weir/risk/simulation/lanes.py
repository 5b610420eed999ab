"""Sums over accounts with paths in the lanes of vector registers: the loop that everything's speed rests on.

A block is some accounts by `WIDTH` paths. Its paths' changes are loaded into registers once, each account's
few numbers are broadcast, and sums stay in registers until the block's end: for K factors a shortfall costs K
multiply-adds, a maximum and an addition for each account and path, and no memory traffic but the account's
own numbers. LLVM's vectoriser keeps such sums in memory, at half the speed, and prefers vectors of 256 bits;
so the loop is put down as vectors of 16 lanes in LLVM's own language, which become what the machine has.

Products and sums of a block are float32, at most `GROUP` accounts long; blocks are added in float64. A lane
knows nothing of its neighbours, so a path's result does not depend on the paths computed beside it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic, register_jitable

__all__ = ["GROUP", "TOLERANCE", "WIDTH", "events", "pushed", "settle", "shortfalls"]

LANES = 16
VECTORS = 2  # a second vector for each broadcast; more leave no register for the sums
WIDTH = LANES * VECTORS
GROUP = 32  # accounts of a block: (GROUP - 1) * 2**-24 bounds the relative error of its sum of losses
TOLERANCE = 1e-9  # of the price: a push that grows by less does not grow
SLACK = 4e-6  # beyond what float32 rounds for 32 factors, relative to all that is added up

codegen: Any = cgutils  # which has no types

_FLOAT, _DOUBLE, _INDEX = ir.FloatType(), ir.DoubleType(), ir.IntType(64)
_LANE = ir.IntType(32)
_SINGLES, _DOUBLES = ir.VectorType(_FLOAT, LANES), ir.VectorType(_DOUBLE, LANES)
_ZERO = ir.Constant(_SINGLES, [0.0] * LANES)

Values = list[Any]
Body = Callable[[Any, Values, Values, Values], Values]
"""From a builder, the sums so far, an item's coefficients and the lanes' values: the sums after that item."""


def _affine(builder: Any, coefficients: Values, values: Values) -> Any:
    """coefficients[-1] + sum of products, one multiply-add for each, in order."""
    kind = ir.FunctionType(_SINGLES, [_SINGLES] * 3)
    fma = codegen.get_or_insert_function(builder.module, kind, "llvm.fma.v16f32")
    total = coefficients[-1]
    for coefficient, value in zip(coefficients[:-1], values, strict=True):
        total = builder.call(fma, [coefficient, value, total])
    return total


def _positive(builder: Any, value: Any) -> Any:
    return builder.fcmp_ordered(">", value, _ZERO)


def _shortfall(builder: Any, sums: Values, coefficients: Values, values: Values) -> Values:
    deficit = _affine(builder, coefficients, values)
    loss = builder.select(_positive(builder, deficit), deficit, _ZERO)
    return [builder.fadd(sums[0], loss)]


def _liquidation(builder: Any, sums: Values, coefficients: Values, values: Values) -> Values:
    k = len(values) + 1
    closed = _positive(builder, _affine(builder, coefficients[:k], values))
    return [
        builder.select(closed, builder.fadd(total, amount), total)
        for total, amount in zip(sums, coefficients[k:], strict=True)
    ]


def _event(builder: Any, sums: Values, coefficients: Values, values: Values) -> Values:
    """Here accounts are in the lanes: what liquidates each, then what it costs the fund; items are paths."""
    k = len(values) // 2
    one = ir.Constant(_SINGLES, [1.0] * LANES)
    closed = _positive(builder, _affine(builder, [*coefficients, values[k - 1]], values[: k - 1]))
    deficit = _affine(builder, [*coefficients, values[-1]], values[k:-1])
    lost = _positive(builder, deficit)
    return [
        builder.select(closed, builder.fadd(sums[0], one), sums[0]),
        builder.select(lost, builder.fadd(sums[1], one), sums[1]),
        builder.select(lost, builder.fadd(sums[2], deficit), sums[2]),
    ]


def _block(body: Body, width: Callable[[int, int], int]) -> Any:
    """A function of compiled code: adds `body` over items first..last to `out` for lanes from `start` on.

    `items` is (n, w) float32, w by `width` from the number of values and of sums; `values` and `out` are
    tuples of arrays, so that their number is known when the code is made.
    """

    def typed(
        context: Any, items: Any, first: Any, last: Any, values: Any, start: Any, out: Any
    ) -> tuple[Any, Callable[..., Any]]:
        del context, first, last, start  # whatever they are, they become whole numbers

        def code(context: Any, builder: Any, signature: Any, given: Any) -> Any:
            def pointers(place: int) -> Values:
                kind = signature.args[place]
                arrays = codegen.unpack_tuple(builder, given[place])
                return [context.make_array(kind.dtype)(context, builder, each).data for each in arrays]

            def vector(pointer: Any, at: Any, kind: Any) -> Any:
                return builder.bitcast(builder.gep(pointer, [at]), kind.as_pointer())

            def broadcast(pointer: Any, at: int) -> Any:
                value = builder.load(builder.gep(pointer, [ir.Constant(_INDEX, at)]))
                single = builder.insert_element(
                    ir.Constant(_SINGLES, ir.Undefined), value, ir.Constant(_LANE, 0)
                )
                everywhere = ir.Constant(ir.VectorType(_LANE, LANES), [0] * LANES)
                return builder.shuffle_vector(single, single, everywhere)

            table = context.make_array(signature.args[0])(context, builder, given[0]).data
            first, last, start = given[1], given[2], given[4]
            sources, targets = pointers(3), pointers(5)
            row = width(len(sources), len(targets))
            offsets = [builder.add(start, ir.Constant(_INDEX, LANES * v)) for v in range(VECTORS)]
            lanes = [
                [builder.load(vector(source, at, _SINGLES), align=4) for source in sources] for at in offsets
            ]
            before, loop, after = builder.block, *map(builder.append_basic_block, ("items", "sums"))
            builder.cbranch(builder.icmp_signed("<", first, last), loop, after)

            builder.position_at_end(loop)
            item = builder.phi(_INDEX)
            item.add_incoming(first, before)
            sums = [[builder.phi(_SINGLES) for _ in targets] for _ in offsets]
            here = builder.gep(table, [builder.mul(item, ir.Constant(_INDEX, row))])
            coefficients = [broadcast(here, at) for at in range(row)]
            new = [body(builder, was, coefficients, mine) for was, mine in zip(sums, lanes, strict=True)]
            following = builder.add(item, ir.Constant(_INDEX, 1))
            item.add_incoming(following, loop)
            for was, now in zip(sums, new, strict=True):
                for phi, value in zip(was, now, strict=True):
                    phi.add_incoming(_ZERO, before)
                    phi.add_incoming(value, loop)
            builder.cbranch(builder.icmp_signed("<", following, last), loop, after)

            builder.position_at_end(after)
            ends = [[builder.phi(_SINGLES) for _ in targets] for _ in offsets]
            for totals, now in zip(ends, new, strict=True):
                for phi, value in zip(totals, now, strict=True):
                    phi.add_incoming(_ZERO, before)
                    phi.add_incoming(value, loop)
            for at, totals in zip(offsets, ends, strict=True):
                for target, total in zip(targets, totals, strict=True):
                    place = vector(target, at, _DOUBLES)
                    grown = builder.fadd(builder.load(place, align=8), builder.fpext(total, _DOUBLES))
                    builder.store(grown, place, align=8)
            return context.get_dummy_value()

        return types.void(items, types.intp, types.intp, values, types.intp, out), code

    return intrinsic(typed)


_add_shortfalls = _block(_shortfall, lambda values, _: values + 1)
_add_liquidations = _block(_liquidation, lambda values, sums: values + 1 + sums)
_add_events = _block(_event, lambda values, _: values // 2 - 1)


@njit(nogil=True, cache=True)
def _survey(bounds: Any, values: Any, start: int, verdicts: Any) -> None:
    """For lanes from `start` on: -1 where no account of a group can be in deficit, 1 where all must, else 0.

    `bounds` (2, K, groups) are the least and greatest coefficient / buffer of each group's accounts: interval
    arithmetic with the lanes' least and greatest changes. NaN leaves the verdict at 0.
    """
    groups = bounds.shape[2]
    most, least, size = np.zeros(groups), np.zeros(groups), np.ones(groups)
    for k in range(bounds.shape[1]):
        low = high = np.float64(values[k][start])
        for j in range(start + 1, start + WIDTH):
            low, high = min(low, values[k][j]), max(high, values[k][j])
        for g in range(groups):
            a, b = bounds[0, k, g] * low, bounds[0, k, g] * high
            c, d = bounds[1, k, g] * low, bounds[1, k, g] * high
            up, down = max(max(a, b), max(c, d)), min(min(a, b), min(c, d))
            most[g] += up
            least[g] += down
            size[g] += max(abs(up), abs(down))
    for g in range(groups):
        none, every = most[g] < 1 - SLACK * size[g], least[g] > 1 + SLACK * size[g]
        verdicts[g] = 1 if every else (-1 if none else 0)


@njit(nogil=True, cache=True)
def shortfalls(items: Any, bounds: Any, values: Any, out: Any) -> None:
    """out[0][j] = sum over accounts of max(0, items[i, K] + sum_k items[i, k] * values[k][j]).

    `items` (n, K + 1) float32; `values` K arrays of float32 and `out` one of float64, all of the same
    multiple of `WIDTH` in length.
    """
    verdicts = np.empty(bounds.shape[2], np.int8)
    for start in range(0, len(out[0]), WIDTH):
        out[0][start : start + WIDTH] = 0
        _survey(bounds, values, start, verdicts)
        for group in range(len(verdicts)):
            if verdicts[group] >= 0:
                first = group * GROUP
                _add_shortfalls(items, first, min(first + GROUP, len(items)), values, start, out)


@register_jitable
def pushed(was: Any, flow: Any, depth: Any, exponent: Any, cap: Any) -> Any:
    """How far a price is pushed, of itself, after a net `flow` of closed notional; `was` is how far before.

    It only grows, in the direction of its first push, and by more than `TOLERANCE`.
    """
    size = (abs(flow) / depth) ** exponent
    now = -math.copysign(size if size < cap else cap, flow)
    return now if abs(now) > abs(was) + TOLERANCE and now * was >= 0 else was


@njit(nogil=True, cache=True)
def settle(
    items: Any,
    bounds: Any,
    totals: Any,
    own: Any,
    impact: Any,
    rounds: int,
    values: Any,
    sums: Any,
    push: Any,
    moving: Any,
) -> None:
    """Moves `values` from the factors' own changes to those at the fixed point of liquidations and prices.

    sums[f][j] becomes the sum of items[i, K + 1 + f] over accounts i with items[i, K] + sum_k items[i, k] *
    values[k][j] above 0: net notional for each market, then what else is counted. `own` (P, markets) float64
    are the markets' own changes, `impact` (3, markets) depth, exponent and cap, `totals` (groups, F) each
    group's amounts added up. `push` (P, markets) of zeros becomes how far prices are pushed; moving[j] tells
    whether prices still moved in the last round.
    """
    markets = own.shape[1]
    verdicts = np.empty(bounds.shape[2], np.int8)
    flows = np.empty((WIDTH, markets))
    for start in range(0, len(moving), WIDTH):
        flows[:] = 0
        moving[start : start + WIDTH] = True
        left = rounds
        while left and moving[start : start + WIDTH].any():
            left -= 1
            for each in sums:
                each[start : start + WIDTH] = 0
            _survey(bounds, values, start, verdicts)
            for group in range(len(verdicts)):
                if verdicts[group] == 0:
                    first = group * GROUP
                    _add_liquidations(items, first, min(first + GROUP, len(items)), values, start, sums)
                elif verdicts[group] == 1:
                    for f, each in enumerate(sums):
                        each[start : start + WIDTH] += totals[group, f]
            for j in range(min(WIDTH, len(own) - start)):
                moving[start + j] = False
                for k in range(markets):
                    # Valued before its own impact, as impact is measured.
                    flow = sums[k][start + j] * (1 + own[start + j, k])
                    if flow != flows[j, k]:
                        flows[j, k] = flow
                        now = pushed(push[start + j, k], flow, impact[0, k], impact[1, k], impact[2, k])
                        if now != push[start + j, k]:
                            push[start + j, k] = now
                            moving[start + j] = True
                            values[k][start + j] = own[start + j, k] + now * (1 + own[start + j, k])
            for j in range(min(WIDTH, len(own) - start), WIDTH):
                moving[start + j] = False


@njit(nogil=True, cache=True)
def events(items: Any, values: Any, out: Any) -> None:
    """Over all items (paths, (n, K) float32), for each lane (account): liquidations, losses, and their sum.

    `values`: the K coefficients and the constant of what liquidates an account, then those of what it costs.
    """
    for start in range(0, len(out[0]), WIDTH):
        for each in out:
            each[start : start + WIDTH] = 0
        for first in range(0, len(items), GROUP):
            _add_events(items, first, min(first + GROUP, len(items)), values, start, out)
