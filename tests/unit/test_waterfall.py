"""How one shortfall is split over the layers, and what comes back of it: SPECIFICATION.md section 5, P4."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

MILLION = 10**6
UINT96, UINT128 = 2**96 - 1, 2**128 - 1
PLENTY = UINT96
EXAMPLES = 60


class Sources(NamedTuple):
    own: int = 0
    unpaid_profit: int = 0
    budget: int = PLENTY
    skin: int = 0
    unvested: int = 0
    advance: int = 0
    junior: int = 0
    senior: int = 0
    mutual: int = 0


class Split(NamedTuple):
    own: int = 0
    coinsurance: int = 0
    skin: int = 0
    unvested: int = 0
    advanced: int = 0
    junior: int = 0
    senior: int = 0
    mutual: int = 0
    unpaid_profit: int = 0
    remainder: int = 0


def expected_split(shortfall: int, coinsurance: int, sources: Sources) -> Split:
    """The table of section 5, read line by line."""
    due, budget, profit = shortfall, sources.budget, sources.unpaid_profit
    own = min(due, sources.own)
    due -= own
    first = min(profit, due * coinsurance // MILLION)
    due -= first
    fund = []
    for balance in sources[3:8]:
        part = min(due, balance, budget)
        fund.append(part)
        due, budget = due - part, budget - part
    mutual = min(due, sources.mutual)
    due -= mutual
    last = min(due, profit - first)
    return Split(own, first, *fund, mutual, last, due - last)


def expected_recovery(paid: Split, done: int, amount: int) -> Split:
    """Who paid last gets first; what has come back before is skipped."""
    back = {}
    for layer in ("mutual", "senior", "junior", "skin", "own"):
        room = getattr(paid, layer)
        before = min(room, done)
        now = min(room - before, amount)
        back[layer] = now
        done, amount = done - before, amount - now
    return Split(**back)


@pytest.fixture(scope="module")
def harness(project: Any, deployer: Any) -> Any:
    return deployer.deploy(project.WaterfallHarness)


def split(harness: Any, shortfall: int, coinsurance: int, sources: Sources) -> Split:
    return Split(*harness.split(shortfall, coinsurance, tuple(sources)))


def recovery(harness: Any, paid: Split, done: int, amount: int) -> Split:
    return Split(*harness.recovery(tuple(paid), done, amount))


FULL = Sources(own=5, unpaid_profit=50, skin=10, unvested=20, advance=25, junior=30, senior=40, mutual=15)
NOTHING_OF_ITS_OWN = FULL._replace(own=0)


@pytest.mark.parametrize(
    ("shortfall", "coinsurance", "sources", "paid"),
    [
        pytest.param(0, 500_000, FULL, Split(), id="nothing to bear"),
        pytest.param(100, 0, Sources(), Split(remainder=100), id="nothing there"),
        pytest.param(5, 1_000_000, FULL, Split(5), id="its own to the last unit"),
        pytest.param(6, 1_000_000, FULL, Split(5, 1), id="then coinsurance"),
        pytest.param(45, 500_000, FULL, Split(5, 20, 10, 10), id="half of what its own leaves"),
        pytest.param(15, 0, FULL, Split(5, 0, 10), id="skin to its last unit"),
        pytest.param(16, 0, FULL, Split(5, skin=10, unvested=1), id="then income not yet vested"),
        pytest.param(36, 0, FULL, Split(5, skin=10, unvested=20, advanced=1), id="then the tranches advance"),
        pytest.param(61, 0, FULL, Split(5, 0, 10, 20, 25, 1), id="then junior"),
        pytest.param(91, 0, FULL, Split(5, 0, 10, 20, 25, 30, 1), id="then senior"),
        pytest.param(131, 0, FULL, Split(5, 0, 10, 20, 25, 30, 40, 1), id="then the other members"),
        pytest.param(
            146, 0, FULL, Split(5, 0, 10, 20, 25, 30, 40, 15, 1), id="then the rest of unpaid profit"
        ),
        pytest.param(196, 0, FULL, Split(5, 0, 10, 20, 25, 30, 40, 15, 50, 1), id="then open interest"),
        pytest.param(40, 500_000, NOTHING_OF_ITS_OWN, Split(0, 20, 10, 10), id="half coinsured"),
        pytest.param(40, 1_000_000, NOTHING_OF_ITS_OWN, Split(0, 40), id="fully coinsured"),
        pytest.param(65, 1_000_000, FULL, Split(5, 50, 10), id="coinsurance beyond the profit there is"),
        pytest.param(8, 500_000, FULL, Split(5, 1, 2), id="coinsurance rounds down"),
        pytest.param(45, 0, FULL._replace(advance=0), Split(5, 0, 10, 20, 0, 10), id="an empty layer"),
        pytest.param(205, 0, FULL._replace(budget=15), Split(5, 0, 10, 5, 0, 0, 0, 15, 50, 120), id="budget"),
        pytest.param(
            205, 100_000, FULL._replace(budget=0), Split(5, 20, 0, 0, 0, 0, 0, 15, 30, 135), id="no budget"
        ),
        pytest.param(
            205, 0, FULL._replace(budget=40), Split(5, 0, 10, 20, 10, 0, 0, 15, 50, 95), id="advances too"
        ),
        pytest.param(20, 0, FULL._replace(budget=3), Split(5, 0, 3, mutual=12), id="members have their own"),
    ],
)  # fmt: skip
def test_split(harness: Any, shortfall: int, coinsurance: int, sources: Sources, paid: Split) -> None:
    assert split(harness, shortfall, coinsurance, sources) == paid
    assert expected_split(shortfall, coinsurance, sources) == paid


amounts = st.one_of(st.integers(0, 100), st.integers(0, UINT96), st.sampled_from([0, 1, UINT96]))
shortfalls = st.one_of(st.integers(0, 400), st.integers(0, UINT128), st.sampled_from([0, 1, UINT128]))
ratios = st.one_of(st.sampled_from([0, 1, 500_000, 999_999, MILLION]), st.integers(0, MILLION))
all_sources = st.builds(Sources, amounts, shortfalls, *[amounts] * 7)


@settings(max_examples=EXAMPLES, deadline=None)
@given(shortfall=shortfalls, coinsurance=ratios, sources=all_sources)
def test_split_is_exact_and_in_order(
    harness: Any, shortfall: int, coinsurance: int, sources: Sources
) -> None:
    """P4: the parts sum to the shortfall; a layer pays only when all earlier ones are exhausted or capped."""
    paid = split(harness, shortfall, coinsurance, sources)
    assert paid == expected_split(shortfall, coinsurance, sources)
    assert sum(paid) == shortfall

    assert paid.own <= sources.own
    if paid.own < sources.own:
        assert not any(paid[1:])
    fund, balances = paid[2:7], sources[3:8]
    assert sum(fund) <= sources.budget
    for i, balance in enumerate(balances):
        assert fund[i] <= balance
        if fund[i] < balance and sum(fund) < sources.budget:
            assert not any(fund[i + 1 :])
            assert paid.mutual == paid.unpaid_profit == paid.remainder == 0
    assert paid.mutual <= sources.mutual
    if paid.mutual < sources.mutual:
        assert paid.unpaid_profit == paid.remainder == 0
    profit = paid.coinsurance + paid.unpaid_profit
    assert profit <= sources.unpaid_profit
    if profit < sources.unpaid_profit:
        assert paid.remainder == 0


@pytest.mark.parametrize("coinsurance", [0, 1, 200_000, 999_999, MILLION])
def test_coinsurance_is_of_what_its_own_leaves(harness: Any, coinsurance: int) -> None:
    """A contribution moves where coinsurance starts, and nothing else of it."""
    for own in (0, 1, 500, 1_000, 1_001):
        sources = Sources(own=own, unpaid_profit=PLENTY, skin=PLENTY)
        paid = split(harness, 1_000, coinsurance, sources)
        assert paid.coinsurance == max(0, 1_000 - own) * coinsurance // MILLION


# ------------------------------------------------------------------- recovery

BORNE = Split(5, 99, 10, 0, 0, 30, 40, 15, 99, 99)
"""What has no name any more, 99 each, gets nothing."""


@pytest.mark.parametrize(
    ("done", "amount", "back"),
    [
        pytest.param(0, 0, Split(), id="nothing"),
        pytest.param(0, 15, Split(mutual=15), id="members to the last unit"),
        pytest.param(0, 16, Split(mutual=15, senior=1), id="then senior"),
        pytest.param(0, 56, Split(mutual=15, senior=40, junior=1), id="then junior"),
        pytest.param(0, 86, Split(mutual=15, senior=40, junior=30, skin=1), id="then skin"),
        pytest.param(0, 96, Split(1, skin=10, junior=30, senior=40, mutual=15), id="then the defaulter"),
        pytest.param(0, 100, Split(5, skin=10, junior=30, senior=40, mutual=15), id="everything"),
        pytest.param(14, 2, Split(mutual=1, senior=1), id="from within one layer into the next"),
        pytest.param(15, 1, Split(senior=1), id="from a boundary on"),
        pytest.param(60, 40, Split(5, skin=10, junior=25), id="the rest"),
        pytest.param(100, 0, Split(), id="nothing is left"),
    ],
)
def test_recovery(harness: Any, done: int, amount: int, back: Split) -> None:
    assert recovery(harness, BORNE, done, amount) == back
    assert expected_recovery(BORNE, done, amount) == back


@st.composite
def recoveries(draw: st.DrawFn) -> tuple[Split, tuple[int, ...]]:
    """What layers paid, and in which steps some or all of it comes back."""
    own, skin, junior, senior, mutual = (draw(amounts) for _ in range(5))
    paid = Split(own, draw(amounts), skin, 0, 0, junior, senior, mutual, draw(amounts), draw(amounts))
    total = own + skin + junior + senior + mutual
    cuts = sorted(draw(st.lists(st.integers(0, total), min_size=1, max_size=4)))
    return paid, tuple(b - a for a, b in zip([0, *cuts], cuts, strict=False))


@settings(max_examples=EXAMPLES, deadline=None)
@given(case=recoveries())
def test_recovery_is_exact_and_in_order(harness: Any, case: tuple[Split, tuple[int, ...]]) -> None:
    """Step by step or at once: the parts sum to the amount, and who paid later is made whole before."""
    paid, steps = case
    done, got = 0, [0] * len(Split())
    for amount in steps:
        back = recovery(harness, paid, done, amount)
        assert back == expected_recovery(paid, done, amount)
        assert sum(back) == amount
        got = [a + b for a, b in zip(got, back, strict=True)]
        done += amount
    so_far = Split(*got)
    assert so_far == recovery(harness, paid, 0, done)
    assert so_far.coinsurance == so_far.unvested == so_far.advanced == 0
    assert so_far.unpaid_profit == so_far.remainder == 0
    order = ("mutual", "senior", "junior", "skin", "own")
    for i, layer in enumerate(order):
        assert getattr(so_far, layer) <= getattr(paid, layer)
        if getattr(so_far, layer) < getattr(paid, layer):
            assert not any(getattr(so_far, later) for later in order[i + 1 :])
