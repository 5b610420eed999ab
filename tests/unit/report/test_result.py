"""The result of a run: its sums, its outcome in words, and its JSON."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tests.unit.report.made_up import EXHAUSTED, GUARANTY, default_of, make_result, with_defaults
from weir.layers import LAYERS
from weir.results import FACTORS, Contributions, Paid, RunResult


def test_json_keeps_every_digit(tmp_path: Path) -> None:
    result = make_result(fund=EXHAUSTED)
    file = tmp_path / "deep" / "run.json"
    result.save(file)
    assert RunResult.load(file) == result
    data = json.loads(file.read_text())
    assert data["ledger"]["cash"] == "2456789.123456"
    assert data["slack"]["mean"] == "0.0000011"


def test_json_has_the_promised_keys() -> None:
    data = json.loads(make_result().model_dump_json())
    counts = {"accounts", "trades", "liquidations", "deleverages"}
    assert data.keys() >= counts | {"scenario", "node", "seed", "defaults", "fees", "ledger", "slack"}
    assert all(isinstance(data[count], int) for count in counts)
    assert isinstance(data["seconds"], float)
    assert data["defaults"][0].keys() >= {"id", "account", "shortfall", "paid", "remainder"}
    assert list(data["defaults"][0]["paid"]) == list(LAYERS)
    assert data["fees"].keys() >= {"paid", "fund", "treasury", "liquidators"}
    assert data["ledger"].keys() == {"held", "cash", "pools", "fees", "claims", "debt", "unsettled"}


def test_sums_over_defaults() -> None:
    result = make_result(fund=EXHAUSTED)
    assert result.paid.total + result.remainder == result.shortfall
    assert result.paid.fund == sum(EXHAUSTED.values())
    assert result.paid.guaranty == GUARANTY - result.fund.after.guaranty > 0
    assert all(default.difference == 0 for default in result.defaults)


def test_the_layers_come_in_the_order_of_the_waterfall() -> None:
    assert (
        tuple(LAYERS)
        == tuple(Paid.model_fields)
        == (*("own", "coinsurance", "skin", "junior", "senior", "mutual", "unpaid_profit"),)
    )
    paid = Paid(**{layer: Decimal(10**i) for i, layer in enumerate(LAYERS)})
    assert (paid.total, paid.fund, paid.guaranty) == (1_111_111, 11_100, 100_001)


def test_members_are_those_who_contributed_most() -> None:
    result = make_result()
    assert result.members == result.participants[:5]
    assert make_result(participants=result.participants[5:], accounts=41).members == ()


def test_sources_add_up_to_the_income() -> None:
    result = make_result()
    assert sum(amount for _, amount in result.sources) == result.fees.income > 0
    assert result.withdrawal_contributions == Contributions(leverage=Decimal("3.25"))


def test_contributors_are_those_who_paid_most() -> None:
    result = make_result()
    paid = [one.contributions.total for one in result.participants]
    assert [one.contributions.total for one in result.contributors(7)] == sorted(paid)[:-8:-1]
    assert all(one.contributions.total for one in result.contributors(99))
    assert len(result.contributors(99)) == 20


@given(
    st.integers(1, 10**15),
    st.lists(st.integers(0, 20_000), min_size=4, max_size=4).filter(any),
    st.integers(6, 18),
)
def test_a_charge_is_split_in_proportion_and_to_the_unit(units: int, rates: list[int], decimals: int) -> None:
    named = dict(zip(FACTORS, rates, strict=True))
    parts = Contributions.split(units, named, decimals)
    assert parts.total == Decimal(units).scaleb(-decimals)
    for factor, amount in parts.items():
        exact = Decimal(units * named[factor]) / sum(rates)
        assert abs(amount.scaleb(decimals) - exact) < len(FACTORS)
        assert amount == 0 or named[factor]


def test_a_charge_of_nothing_and_a_charge_for_nothing() -> None:
    assert Contributions.split(0, {"leverage": 0}, 6) == Contributions()
    with pytest.raises(ValueError, match="needs a rate"):
        Contributions.split(5, {"leverage": 0}, 6)


@pytest.mark.parametrize("name", ["accounts", "liquidations", "deleverages"])
def test_a_wrong_count_is_refused(name: str) -> None:
    fields = make_result().model_dump() | {name: 999_999}
    with pytest.raises(ValidationError, match=f"{name} must count its entries"):
        RunResult.model_validate(fields)


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="extra"):
        make_result(colour="red")


@pytest.mark.parametrize(
    ("paid", "outcome"),
    [
        ({"coinsurance": 5}, "not called upon"),
        ({"coinsurance": 5, "skin": 1}, "skin in the game"),
        ({"skin": 4, "junior": 1}, "junior tranche"),
        ({"skin": 4, "junior": 1, "senior": 3}, "senior tranche"),
        ({"senior": 4, "mutual": 1}, "members bore the rest"),
        ({"senior": 4, "mutual": 1, "unpaid_profit": 1}, "unpaid profit bore the rest"),
        ({"own": 4}, "Own contributions bore every default"),
        ({"own": 4, "coinsurance": 1}, "Own contributions and coinsurance bore every default"),
        ({"own": 4, "skin": 1}, "skin in the game"),
    ],
)
def test_outcome(paid: dict[str, int], outcome: str) -> None:
    default = default_of(Paid.model_validate(paid))
    assert outcome in with_defaults(default).outcome


def test_outcome_without_defaults_and_with_a_remainder() -> None:
    assert "No account defaulted" in with_defaults().outcome
    remaining = default_of(Paid(), shortfall=Decimal(1), remainder=Decimal(1))
    assert "open interest bore the rest" in with_defaults(remaining).outcome
