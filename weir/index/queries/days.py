"""How much of the fund was used, and how fast it filled up again, by day."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from weir.index.events import load
from weir.index.queries.layers import LayerPoint, last_of_days, last_point, layers
from weir.index.reading import applied, at_block, between, select_events
from weir.index.rebuild import Applied, views
from weir.index.tables import About, about, blocks, events
from weir.store import Store
from weir.units import DAY


@dataclass(frozen=True, slots=True)
class Day:
    """A UTC day; `start` is its first second.

    `losses` is what the insurance fund paid for defaults and bounties, `mutual` what members of the guaranty
    fund paid beside, a defaulter's own contribution with them. `income` is what reached the insurance fund,
    its layers and its stream, `to_members` what went to the guaranty fund's members instead. `fund` is what
    the insurance fund had as the day began (of one that was empty then: the most it had that day),
    `fund_end` and `target` are as it ended, or as of the last block indexed.

    `utilisation` is losses over that fund, `replenishment` income over it, None without a fund. `coverage`
    is as the day ended; None where the target is zero.
    """

    start: int
    losses: int
    mutual: int
    income: int
    to_members: int
    recovered: int
    defaults: int
    fund: int
    fund_end: int
    target: int
    utilisation: float | None
    replenishment: float | None
    coverage: float | None


_EVERY_POINT = 2**62
_NAMES = ("Defaulted", "BountyPaid", "IncomeCollected", "Recovered")


def days(store: Store, *, since: int | None = None, until: int | None = None) -> tuple[Day, ...]:
    """Every day from the first to the last indexed, or from that of one time to that of another; oldest
    first, none left out.
    """
    start = None if since is None else since // DAY * DAY
    stop = None if until is None else until // DAY * DAY + DAY - 1
    known = about(store)
    series = last_of_days(store, start, stop)
    before = None if start is None else last_point(store, start)
    if before is None and not series:
        return ()
    sums: dict[int, Counter[str]] = defaultdict(Counter)
    with store.read() as connection:
        for event in applied(connection, events.c.name.in_(_NAMES), *between(start, stop)):
            sums[event.time // DAY].update(_sums(event))
        newest: int = connection.execute(select(func.max(blocks.c.time))).scalar_one()
        targets = _Targets(connection)
    ends = {point.time // DAY: point for point in series}
    begin = series[0].time if before is None or start is None else start
    end = newest if stop is None else min(newest, stop)
    found: list[Day] = []
    for day in range(begin // DAY, end // DAY + 1):
        last = ends.get(day, before)
        opening = (before.assets if before else 0) or _first_money(store, day)
        if last is not None:
            target = targets.at(store, known, last, min((day + 1) * DAY - 1, newest))
            found.append(_day(day, sums[day], opening, last.assets, target))
        before = last
    return tuple(found)


def _sums(event: Applied) -> dict[str, int]:
    a = event.arguments
    match event.name:
        case "Defaulted":
            r = a["record"]
            losses = r["skin"] + r["junior"] + r["senior"]
            return {"losses": losses, "mutual": r["own"] + r["mutual"], "defaults": 1}
        case "BountyPaid":
            return {"losses": a["amount"]}
        case "IncomeCollected":
            members = a["toMembers"]
            income = a["fees"] + a["levies"] + a["premium"] - a["treasury"] - members
            return {"income": income, "to_members": members}
        case "Recovered":
            return {"recovered": sum(a["recovery"].values())}
    return {}


class _Targets:
    """Targets after a point: one that was posted expires by time alone, without an event."""

    def __init__(self, connection: Connection) -> None:
        posted = select_events(connection, events.c.name == "TargetPosted")
        set_ = select_events(
            connection, events.c.name == "ParametersSet", events.c.contract == "FundingPolicy"
        )
        self._posted = [row.time for row in posted]
        self._lifetimes = [load(row.arguments)["parameters"]["targetLifetime"] for row in set_]

    def at(self, store: Store, known: About, point: LayerPoint, time: int) -> int:
        """The target at a time, up to which nothing has happened since a point."""
        before = bisect_right(self._posted, point.time)
        if not before:
            return point.target
        since = self._posted[before - 1]
        if since + max(self._lifetimes) <= point.time or time < since + min(self._lifetimes):
            return point.target
        with store.read() as connection:
            return views.target(at_block(connection, known, point.block), time)


def _first_money(store: Store, day: int) -> int:
    """The most that a fund which was empty as the day began had in it."""
    start = day * DAY
    series = layers(store, points=_EVERY_POINT, since=start, until=start + DAY - 1)
    return max((point.assets for point in series), default=0)


def _day(day: int, sums: Counter[str], fund: int, fund_end: int, target: int) -> Day:
    return Day(
        start=day * DAY,
        losses=sums["losses"],
        mutual=sums["mutual"],
        income=sums["income"],
        to_members=sums["to_members"],
        recovered=sums["recovered"],
        defaults=sums["defaults"],
        fund=fund,
        fund_end=fund_end,
        target=target,
        utilisation=sums["losses"] / fund if fund else None,
        replenishment=sums["income"] / fund if fund else None,
        coverage=fund_end / target if target else None,
    )
