"""The split of one shortfall over the layers: SPECIFICATION.md section 5, property P4."""

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
    unpaid_profit: int = 0
    budget: int = PLENTY
    skin: int = 0
    unvested: int = 0
    junior: int = 0
    senior: int = 0


class Split(NamedTuple):
    coinsurance: int = 0
    skin: int = 0
    unvested: int = 0
    junior: int = 0
    senior: int = 0
    unpaid_profit: int = 0
    remainder: int = 0


def expected_split(shortfall: int, coinsurance: int, sources: Sources) -> Split:
    """The table of section 5, read line by line."""
    due, budget, profit = shortfall, sources.budget, sources.unpaid_profit
    first = min(profit, shortfall * coinsurance // MILLION)
    due -= first
    paid = []
    for balance in sources[2:]:
        part = min(due, balance, budget)
        paid.append(part)
        due, budget = due - part, budget - part
    last = min(due, profit - first)
    return Split(first, *paid, last, due - last)


@pytest.fixture(scope="session")
def harness(project: Any, deployer: Any) -> Any:
    return deployer.deploy(project.WaterfallHarness)


def split(harness: Any, shortfall: int, coinsurance: int, sources: Sources) -> Split:
    return Split(*harness.split(shortfall, coinsurance, tuple(sources)))


FULL = Sources(unpaid_profit=50, skin=10, unvested=20, junior=30, senior=40)


@pytest.mark.parametrize(
    ("shortfall", "coinsurance", "sources", "paid"),
    [
        pytest.param(0, 500_000, FULL, Split(), id="nothing to bear"),
        pytest.param(100, 0, Sources(), Split(remainder=100), id="nothing there"),
        pytest.param(10, 0, FULL, Split(skin=10), id="skin to its last unit"),
        pytest.param(11, 0, FULL, Split(skin=10, unvested=1), id="then income not yet vested"),
        pytest.param(31, 0, FULL, Split(skin=10, unvested=20, junior=1), id="then junior"),
        pytest.param(61, 0, FULL, Split(0, 10, 20, 30, 1), id="then senior"),
        pytest.param(101, 0, FULL, Split(0, 10, 20, 30, 40, 1), id="then the rest of unpaid profit"),
        pytest.param(151, 0, FULL, Split(0, 10, 20, 30, 40, 50, 1), id="then open interest"),
        pytest.param(40, 500_000, FULL, Split(20, 10, 10), id="half coinsured"),
        pytest.param(40, 1_000_000, FULL, Split(40), id="fully coinsured"),
        pytest.param(60, 1_000_000, FULL, Split(50, 10), id="coinsurance beyond the profit there is"),
        pytest.param(3, 500_000, FULL, Split(1, 2), id="coinsurance rounds down"),
        pytest.param(40, 0, FULL._replace(skin=0), Split(0, 0, 20, 20), id="an empty layer is passed over"),
        pytest.param(200, 0, FULL._replace(budget=15), Split(0, 10, 5, 0, 0, 50, 135), id="budget"),
        pytest.param(200, 100_000, FULL._replace(budget=0), Split(20, 0, 0, 0, 0, 30, 150), id="no budget"),
    ],
)  # fmt: skip
def test_split(harness: Any, shortfall: int, coinsurance: int, sources: Sources, paid: Split) -> None:
    assert split(harness, shortfall, coinsurance, sources) == paid
    assert expected_split(shortfall, coinsurance, sources) == paid


amounts = st.one_of(st.integers(0, 100), st.integers(0, UINT96), st.sampled_from([0, 1, UINT96]))
shortfalls = st.one_of(st.integers(0, 400), st.integers(0, UINT128), st.sampled_from([0, 1, UINT128]))
ratios = st.one_of(st.sampled_from([0, 1, 500_000, 999_999, MILLION]), st.integers(0, MILLION))
all_sources = st.builds(Sources, shortfalls, amounts, amounts, amounts, amounts, amounts)


@settings(max_examples=EXAMPLES, deadline=None)
@given(shortfall=shortfalls, coinsurance=ratios, sources=all_sources)
def test_split_is_exact_and_in_order(
    harness: Any, shortfall: int, coinsurance: int, sources: Sources
) -> None:
    """P4: the parts sum to the shortfall; a layer pays only when all earlier ones are exhausted or capped."""
    paid = split(harness, shortfall, coinsurance, sources)
    assert paid == expected_split(shortfall, coinsurance, sources)
    assert sum(paid) == shortfall

    fund = paid[1:5]
    assert sum(fund) <= sources.budget
    for i, balance in enumerate(sources[2:]):
        assert fund[i] <= balance
        if fund[i] < balance and sum(fund) < sources.budget:
            assert not any(fund[i + 1 :])
            assert paid.unpaid_profit == paid.remainder == 0
    profit = paid.coinsurance + paid.unpaid_profit
    assert profit <= sources.unpaid_profit
    if profit < sources.unpaid_profit:
        assert paid.remainder == 0
