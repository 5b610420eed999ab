"""What the index answers, beside numbers that were worked out by hand; nothing here needs a chain."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import pytest
from sqlalchemy import delete, insert

from weir.index import tables
from weir.index.command import _Time
from weir.index.events import dump
from weir.index.queries import Day, NotIndexedError, days, income_by_source, last_point, layers, newest
from weir.index.rebuild.fold import HANDLERS
from weir.index.tables import About, blocks, events, points
from weir.store import Store

DAY = 86_400
START = 19_000 * DAY
ZERO = "0x" + "00" * 20
LAYERS = ("skin", "unvested", "junior", "senior", "advanced", "guaranty", "reserve", "target")


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """The index of a deployment in which nothing has happened yet."""
    found = Store.open(f"sqlite:///{tmp_path / 'index.sqlite3'}")
    about = About(31_337, 1, "0x" + "11" * 32, 6, dict.fromkeys(HANDLERS, ZERO), ("BTC",), ())
    tables.claim(found, about)
    return found


def block(
    store: Store, number: int, time: int, *happened: tuple[str, str, dict[str, Any]], **amounts: int
) -> None:
    """One block, its events (contract, name, arguments), and what the fund had after it."""
    with store.write() as connection:
        row = {"number": number, "hash": hex(number), "parent": hex(number - 1), "time": time}
        connection.execute(insert(blocks).values(row))
        for at, (contract, name, arguments) in enumerate(happened):
            row = {"block": number, "log_index": at, "transaction": "0x", "contract": contract, "name": name}
            connection.execute(insert(events).values(row | {"arguments": dump(arguments)}))
        if amounts:
            row = {"block": number, "time": time} | dict.fromkeys(LAYERS, 0) | amounts
            connection.execute(insert(points).values(row))


def collected(
    fees: int, levies: int, premium: int, *, treasury: int, skin: int, members: int
) -> tuple[Any, ...]:
    arguments = {
        "fees": fees,
        "levies": levies,
        "premium": premium,
        "treasury": treasury,
        "toSkin": skin,
        "toMembers": members,
    }
    return "InsuranceFund", "IncomeCollected", arguments


# ----------------------------------------------------------------------- income


def test_income_of_everything_is_one_row_also_of_nothing(store: Store) -> None:
    (nothing,) = income_by_source(store, period=None)
    assert (nothing.paid, nothing.collected) == (0, 0)
    assert income_by_source(store) == ()
    block(store, 2, START, collected(0, 0, 0, treasury=0, skin=0, members=0))
    (zeros,) = income_by_source(store, period=None)
    assert (zeros.start, zeros.end, zeros.collected) == (START, START + 1, 0)
    assert income_by_source(store) == ()


# ------------------------------------------------------------------------- days


def test_what_members_get_does_not_replenish_the_fund(store: Store) -> None:
    """Of 100 that are collected 10 go to the treasury and 30 to members: the fund of 1,000 grows by 60."""
    block(store, 2, START - 10, skin=1_000, target=2_000)
    block(
        store,
        3,
        START + 10,
        collected(70, 20, 10, treasury=10, skin=15, members=30),
        skin=1_060,
        target=2_000,
    )
    day = days(store)[-1]
    assert (day.income, day.to_members, day.fund, day.fund_end) == (60, 30, 1_000, 1_060)
    assert (day.replenishment, day.coverage) == (0.06, 0.53)


def test_a_fund_that_began_empty_is_measured_by_the_most_it_had(store: Store) -> None:
    block(store, 2, START, collected(30, 0, 0, treasury=0, skin=0, members=0), skin=300)
    block(store, 3, START + 10, skin=600)
    block(store, 4, START + 20, skin=500)
    (day,) = days(store)
    assert (day.fund, day.fund_end, day.replenishment, day.coverage) == (600, 500, 0.05, None)


LIFETIME = 35 * 3_600
POLICY = {"targetRatio": 0, "maxTargetRatio": 1_000_000, "targetLifetime": LIFETIME}


def test_a_posted_target_expires_on_a_day_without_events(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Posted at noon for 35 hours it stands as that day ends, and not as the next does."""
    noon = START + 12 * 3_600
    monkeypatch.setattr("weir.index.rebuild.views.open_interest", lambda _: 1_000)
    set_ = ("FundingPolicy", "ParametersSet", {"parameters": POLICY})
    block(store, 2, noon, set_, ("FundingPolicy", "TargetPosted", {"target": 400}), skin=100, target=400)
    block(store, 3, START + 3 * DAY)
    found = days(store)
    assert [day.target for day in found] == [400, 0, 0, 0]
    assert [day.coverage for day in found] == [0.25, None, None, None]
    assert found[0] == days(store, until=noon)[0]
    with store.write() as connection:
        connection.execute(delete(events).where(events.c.name == "TargetPosted"))
    assert [day.target for day in days(store)] == [400] * 4


def test_days_before_anything_are_none(store: Store) -> None:
    none: tuple[Day, ...] = ()
    assert days(store) == none


# ----------------------------------------------------------------------- layers


def test_a_thinned_series_keeps_its_ends_and_its_lows(store: Store) -> None:
    """100 blocks to 12 points: each ten inner blocks, or so, are told by their least."""
    for number in range(2, 102):
        block(
            store, number, START + number, skin=10**24 + (-1) ** number * number * 10**12, reserve=number % 2
        )
    whole = layers(store, points=100)
    assert [point.block for point in whole] == list(range(2, 102))
    thin = layers(store, points=12)
    assert len(thin) == 12
    assert (thin[0], thin[-1]) == (whole[0], whole[-1])
    stretches = [whole[1:-1][98 * i // 10 : 98 * (i + 1) // 10] for i in range(10)]
    for point, stretch in zip(thin[1:-1], stretches, strict=True):
        assert abs(point.block - min(stretch, key=lambda each: each.assets).block) <= 2
        assert point.block % 2
    assert layers(store, points=2) == (whole[0], whole[-1])
    part = layers(store, points=5, since=START + 50, until=START + 80)
    assert (part[0].block, part[-1].block, len(part)) == (50, 80, 5)
    assert set(part) <= set(whole)


def test_the_newest_block_tells_whether_anything_is_new(store: Store) -> None:
    with pytest.raises(NotIndexedError):
        newest(store)
    assert last_point(store) is None
    block(store, 2, START, skin=1)
    block(store, 3, START + 12)
    found = newest(store)
    assert (found.number, found.hash, found.time) == (3, "0x3", START + 12)


# ------------------------------------------------------------------------ times


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("1668000000", 1_668_000_000, 1_668_000_000),
        ("2022-11-09T12:00", 1_667_995_200, 1_667_995_200),
        ("2022-11-09T12:00+02:00", 1_667_988_000, 1_667_988_000),
        ("2022-11-09T12:00Z", 1_667_995_200, 1_667_995_200),
        ("2022-11-09", 1_667_952_000, 1_668_038_399),
    ],
)
def test_times_are_taken_as_they_are_written(text: str, first: int, last: int) -> None:
    """With an offset, by it; a date is its first second where something begins and its last where it ends."""
    assert _Time().convert(text, None, None) == first
    assert _Time(ends=True).convert(text, None, None) == last


def test_what_is_no_time_is_refused() -> None:
    with pytest.raises(click.BadParameter, match="neither Unix seconds nor"):
        _Time().convert("yesterday", None, None)
