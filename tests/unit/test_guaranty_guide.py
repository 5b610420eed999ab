"""docs/guaranty.md says what the exact model finds with the defaults, and its bounds are the contracts'."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest

from tests.expect import reverts
from tests.guide import Guide
from tests.system import System
from weir import model
from weir.model.environment import Clock
from weir.model.fund import Cover, DefaultRecord, Fund
from weir.model.funding import FundingPolicy, Tier
from weir.model.guaranty import GuarantyFund
from weir.model.tranche import Tranche
from weir.parameters import (
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    MarketParameters,
    fund_struct,
    funding_struct,
    guaranty_struct,
    to_units,
)

GUIDE = Guide("guaranty")
TEXT = GUIDE.text
MILLION, DAY = 10**6, 86_400
START = 20_000 * DAY
UINT96 = 2**96 - 1
BTC = 0
NOTIONAL = 3_000_000
MEMBERS = {"A": 20_000, "B": 45_000, "C": 15_000}
LAYERS = {"skin": 100_000, "junior": 30_000, "senior": 190_000}
SHORTFALL, UNPAID_PROFIT, INCOME, RECOVERY = 320_000, 80_000, 10_000, 50_000

Values = dict[str, Any]


def dollars(units: int) -> str:
    assert units % MILLION == 0
    return f"${units // MILLION:,}"


def units(amount: int | Decimal) -> int:
    return to_units(Decimal(amount), 6)


def chosen(names: type, values: Any, **others: int) -> Values:
    """The model's parameters of this kind, from a deployment's."""
    return {name: value for name, value in dict(values).items() if name in vars(names)} | others


class Stage:
    """The guide's: three members, an insurance fund, a market with the defaults."""

    def __init__(self) -> None:
        given, funding, market = GuarantyParameters(), FundingParameters(), MarketParameters(symbol="BTC")
        clock = Clock(START, 1)
        guaranty = model.GuarantyParameters(
            **chosen(model.GuarantyParameters, given, min_contribution=units(given.min_contribution))
        )
        amounts = ("cap_floor", "concentration_floor", "member_threshold")
        self.guaranty = GuarantyFund(clock, guaranty)
        income = FundParameters()
        self.fund = Fund(
            clock,
            model.FundParameters(
                **chosen(model.FundParameters, income, skin_target=units(income.skin_target))
            ),
            Tranche("junior", DAY, START),
            Tranche("senior", DAY, START),
            self.guaranty,
            skin=units(LAYERS["skin"]),
            since=START,
            covers={BTC: Cover(budget_share=market.budget_share, coinsurance=market.coinsurance)},
        )
        self.fund.junior.deposit(units(LAYERS["junior"]), "staker")
        self.fund.senior.deposit(units(LAYERS["senior"]), "staker")
        self.policy = FundingPolicy(
            clock,
            self.fund,
            model.FundingParameters(
                **dict(funding) | {name: units(getattr(funding, name)) for name in amounts}
            ),
        )
        for account, amount in MEMBERS.items():
            self.guaranty.join(account, units(amount))

    def requirement(self, tier: int) -> int:
        self.policy.tiers["A"] = Tier(tier, START, START)
        return self.policy.requirement("A", units(NOTIONAL))

    def default(self) -> DefaultRecord:
        return self.fund.resolve("A", BTC, units(SHORTFALL), units(UNPAID_PROFIT))

    def balances(self) -> dict[str, str]:
        return {account: dollars(self.guaranty.balance(account)) for account in MEMBERS}


@pytest.fixture
def worked() -> Stage:
    return Stage()


# -------------------------------------------------------------------- examples


def test_what_a_member_contributes(worked: Stage) -> None:
    p = FundingParameters()
    rows = [
        [
            str(tier),
            f"{(p.member_ratio + tier * p.member_step) / 10_000:.2f}%",
            dollars(worked.requirement(tier)),
        ]
        for tier in range(5)
    ]
    assert GUIDE.table("tier", "rate", "contribution") == rows
    beyond = dollars(units(NOTIONAL) - units(p.member_threshold))
    assert f"an account with ${NOTIONAL:,} of positions is asked for a part of {beyond}:" in TEXT


def test_the_example_s_member_has_what_it_needs(worked: Stage) -> None:
    """A is of the tier of who has none posted."""
    assert worked.policy.requirement("A", units(NOTIONAL)) == units(MEMBERS["A"])
    assert "(2 where none is posted)" in TEXT


def test_what_a_default_costs_each_layer(worked: Stage) -> None:
    a, b, c = (f"${amount:,}" for amount in MEMBERS.values())
    assert f"A, the account above, with {a}, B with {b}, C with {c}." in TEXT
    skin, junior, senior = (f"${amount:,}" for amount in LAYERS.values())
    assert f"has {skin} of skin, {junior} junior, {senior} senior;" in TEXT
    assert f"can't pay ${SHORTFALL:,}; the market's winners have ${UNPAID_PROFIT:,} of unpaid profit." in TEXT

    record = worked.default()
    room = record.room
    assert f"half of that ({dollars(room.budget)}), its coinsurance is 20%." in TEXT
    others = units(sum(MEMBERS.values())) - record.own
    assert GUIDE.table("layer", "pays at most", "pays") == [
        ["A's own contribution", dollars(room.own), dollars(record.own)],
        ["coinsurance, 20% of the rest", dollars(room.coinsurance), dollars(record.coinsurance)],
        ["skin", dollars(room.skin), dollars(record.skin)],
        ["junior", dollars(room.junior), dollars(record.junior)],
        [
            "senior, what is left of the budget",
            dollars(room.budget - record.skin - record.junior),
            dollars(record.senior),
        ],
        [f"members, half of {dollars(others)}", dollars(room.mutual), dollars(record.mutual)],
        [
            "the rest of unpaid profit",
            dollars(room.unpaid_profit - record.coinsurance),
            dollars(record.unpaid_profit),
        ],
        ["opposing open interest", "–", dollars(record.remainder)],
    ]
    market = MarketParameters(symbol="BTC")
    assert (market.budget_share, market.coinsurance) == (500_000, 200_000)
    left = worked.balances()
    b, c = (dollars(units(MEMBERS[name]) - worked.guaranty.balance(name)) for name in "BC")
    assert f"B bears {b} and has {left['B']} left, C bears {c} and has {left['C']} left." in TEXT
    assert left["A"] == "$0"


def test_what_members_earn(worked: Stage) -> None:
    total, assets = worked.guaranty.total, worked.fund.assets
    assert f"members have {dollars(total)} and the insurance fund has {dollars(assets)}." in TEXT
    treasury, earned = worked.fund.take_income(0, units(INCOME), MILLION, gate_open=True)
    assert treasury == 0
    own = dollars(worked.guaranty.balance("A") - units(MEMBERS["A"]))
    part = FundParameters().member_share // 10_000
    shown = f"{part}% × {total // MILLION:,}/{(total + assets) // MILLION:,} = **{dollars(earned)}**"
    assert f"Of ${INCOME:,} of income members get {shown}, of which A {own}." in TEXT


def test_what_comes_back(worked: Stage) -> None:
    record = worked.default()
    fund, guaranty = worked.fund, worked.guaranty
    before = (guaranty.total, fund.senior.assets, fund.junior.assets, fund.skin, guaranty.balance("A"))
    fund.recover(1, units(RECOVERY))
    after = (guaranty.total, fund.senior.assets, fund.junior.assets, fund.skin, guaranty.balance("A"))
    bore = (record.mutual, record.senior, record.junior, record.skin, record.own)
    names = ("members", "senior", "junior", "skin", "A's own contribution")
    assert GUIDE.table("layer", "bore", "gets") == [
        [name, dollars(lost), dollars(now - then)]
        for name, lost, then, now in zip(names, bore, before, after, strict=True)
    ]
    assert (
        f"Of the {dollars(record.from_fund)} that had names above, the first ${RECOVERY:,} come back" in TEXT
    )
    assert f"B has {worked.balances()['B']} again." in TEXT

    fund.recover(1, record.from_fund - units(RECOVERY) - record.own)
    assert guaranty.balance("A") == 0
    fund.recover(1, record.own)
    assert guaranty.balance("A") == record.own
    assert f"The last {dollars(record.own)} of all would be A's" in TEXT


def test_how_long_a_door_is_open() -> None:
    p = GuarantyParameters()
    opened, period = p.exit_window // DAY, (p.notice_period + p.exit_window) // DAY
    assert f"only in an open window, {opened} days of {period} with the defaults," in TEXT


def test_what_the_poster_s_key_moves(worked: Stage) -> None:
    best, middle, worst = (worked.requirement(tier) for tier in (0, 2, 4))
    assert (2 * best, 2 * worst) == (middle, 3 * middle)
    assert "half as much again to contribute before it adds risk, or to tier 0, half of it." in TEXT


# ------------------------------------------------------------------ parameters

ROWS = {
    row[0].strip("`"): row[1:] for row in GUIDE.table("parameter", "unit", "within", "default", "meaning")
}


def defaults() -> Values:
    funding = dict(FundingParameters())
    return {
        **dict(GuarantyParameters()),
        "member_share": FundParameters().member_share,
        **{name: value for name, value in funding.items() if name.startswith("member_")},
    }


def test_the_guide_lists_every_parameter_with_its_default() -> None:
    assert {name: row[2] for name, row in ROWS.items()} == {
        name: f"{value:,}" for name, value in defaults().items()
    }
    assert list(ROWS) == list(defaults())


def bounds(name: str) -> tuple[int, int]:
    """As the guide says them, in the contract's units."""
    within = ROWS[name][1]
    if within.endswith("any amount that fits 96 bits"):
        return int(within.startswith("one unit of the token to")), UINT96
    found = re.fullmatch(r"([\d,]+) to ([\d,]+)", within)
    assert found, within
    low, high = (int(number.replace(",", "")) for number in found.groups())
    return low, high


@pytest.mark.parametrize("name", list(ROWS))
def test_the_contract_holds_the_bounds(fresh_system: System, governor: Any, name: str) -> None:
    decimals = fresh_system.deployment.decimals
    first, *rest = name.split("_")
    key = first + "".join(part.capitalize() for part in rest)
    contract, values = next(
        (contract, values)
        for contract, values in (
            (fresh_system.guaranty, guaranty_struct(GuarantyParameters(), decimals)),
            (fresh_system.fund, fund_struct(FundParameters(), decimals)),
            (fresh_system.policy, funding_struct(FundingParameters(), decimals)),
        )
        if key in values
    )
    low, high = bounds(name)

    def given(value: int) -> tuple[Any, ...]:
        return tuple((values | {key: value}).values())

    for good in (low, high):
        contract.setParameters(given(good), sender=governor)
    for bad in (low - 1, high + 1):
        if 0 <= bad <= UINT96:
            with reverts("ParameterOutOfBounds", value=bad, min=low, max=high):
                contract.setParameters(given(bad), sender=governor)
