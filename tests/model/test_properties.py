"""A check that can't fail proves nothing: each property sees the damage it is there for."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.model.stage import DOLLAR, NEVER, UNIT, Stage
from weir.model import Order, World, properties


@pytest.fixture
def crashed() -> World:
    """A trader has defaulted through every layer; everyone else still has a position."""
    stage = Stage(100, budget_share=1_000_000, coinsurance=100_000)
    stage.fund_account(trader=60, market_maker=2_000, liquidator=2_000)
    stage.join(trader=5, member=8)
    stage.call("contribute", "founder", 20 * DOLLAR)
    stage.call("stake", "junior", "staker", 30 * DOLLAR)
    stage.call("stake", "senior", "other_staker", 40 * DOLLAR)
    stage.trade("trader", "market_maker", 10)
    stage.price(70)
    stage.settle("market_maker")
    stage.deleverage("trader")
    stage.trade("liquidator", "market_maker", 5)
    return stage.world


def _pay_from_nowhere(world: World) -> None:
    world.ledger.cash["market_maker"] += 1


def _drain_the_fund(world: World) -> None:
    world.token.move("fund", "thief", 1)


def _mint_claims(world: World) -> None:
    world.ledger.markets[0].total_claims += 100 * DOLLAR
    world.ledger.markets[0].total_units += 100 * DOLLAR


def _forget_a_short(world: World) -> None:
    del world.house.positions["market_maker"][0]


def _favour_senior(world: World) -> None:
    record = world.fund.defaults[0]
    world.fund.defaults[0] = replace(record, junior=record.junior - 1, senior=record.senior + 1)


def _drain_the_members(world: World) -> None:
    world.token.move("guaranty", "thief", 1)


def _give_a_unit(world: World) -> None:
    world.guaranty.members["member"].units += 1


def _enrich_a_member(world: World) -> None:
    world.guaranty.members["member"].units *= 2
    world.guaranty.total *= 2


def _spare_the_defaulter(world: World) -> None:
    record = world.fund.defaults[0]
    world.fund.defaults[0] = replace(record, own=record.own - 1, coinsurance=record.coinsurance + 1)


def _favour_the_members(world: World) -> None:
    record = world.fund.defaults[0]
    paid = replace(record, mutual=record.mutual - 1, unpaid_profit=record.unpaid_profit + 1)
    world.fund.defaults[0] = paid


def _overdraw_the_members(world: World) -> None:
    record = world.fund.defaults[0]
    world.fund.defaults[0] = replace(record, mutual=record.mutual + 1, junior=record.junior - 1)


def _keep_the_members_income(world: World) -> None:
    world.house.tally.to_members += 1


def _lose_a_unit(world: World) -> None:
    world.fund.defaults[0] = replace(world.fund.defaults[0], shortfall=0)


def _overfill(world: World) -> None:
    world.house.filled[Order("market_maker", 0, True, 5, UNIT, NEVER)] = 6


def _keep_a_fee(world: World) -> None:
    world.ledger.fees += 1
    world.ledger.cash["liquidator"] -= 1


def _invent_a_premium(world: World) -> None:
    world.ledger.cash["fund"] += DOLLAR


@pytest.mark.parametrize(
    ("damage", "name"),
    [
        (_pay_from_nowhere, "P1 vault"),
        (_drain_the_fund, "P1 fund"),
        (_drain_the_members, "P1 guaranty"),
        (_give_a_unit, "P1 guaranty units"),
        (_enrich_a_member, "P1 guaranty balances"),
        (_mint_claims, "P2 market 0"),
        (_forget_a_short, "P3 market 0 short"),
        (_favour_senior, "P4 order"),
        (_spare_the_defaulter, "P4 order"),
        (_favour_the_members, "P4 order"),
        (_overdraw_the_members, "P4 room"),
        (_lose_a_unit, "P4 signs"),
        (_overfill, "P9"),
        (_keep_a_fee, "P10 fees and levies"),
        (_keep_the_members_income, "P10 fees and levies"),
        (_invent_a_premium, "P10 premiums"),
    ],
)
def test_damage_is_seen(crashed: World, damage: Callable[[World], None], name: str) -> None:
    assert all(check.holds for check in properties.check(crashed))
    damage(crashed)
    assert name in {check.name for check in properties.check(crashed) if not check.holds}


def test_loss_moved_to_an_outsider_is_seen(crashed: World) -> None:
    before = crashed.clone()
    before.fund.defaults.clear()
    before.ledger.cash["bystander"] += 1
    checks = properties.seniority(properties.Moment.of(before), crashed)
    assert "P5 cash" in {check.name for check in checks if not check.holds}


def test_open_interest_charged_before_claims_is_seen(crashed: World) -> None:
    before = crashed.clone()
    record = before.fund.defaults.pop()
    spared = replace(record, unpaid_profit=record.unpaid_profit - 1)
    crashed.fund.defaults[0] = spared
    assert [c.name for c in properties.seniority(properties.Moment.of(before), crashed) if not c.holds] == [
        "P5 claims before open interest"
    ]


def test_an_account_that_nobody_can_resolve_is_seen(crashed: World) -> None:
    crashed.set_price(0, 100 * UNIT)
    assert properties.liveness(crashed).holds
    crashed.set_price(0, None)
    assert not properties.liveness(crashed).holds


def test_a_diluted_tranche_is_seen(crashed: World) -> None:
    crashed.tranche("junior").deposit(100, "staker")
    before = crashed.clone()
    crashed.tranche("junior").supply += 1_000_000
    checks = properties.share_prices(properties.Moment.of(before), crashed)
    assert [check.name for check in checks if not check.holds] == ["P7 junior"]


def test_a_free_lunch_is_seen(crashed: World) -> None:
    before = crashed.clone()
    crashed.ledger.cash["liquidator"] += 1
    assert not properties.no_free_lunch(before, crashed, ["liquidator"], [0]).holds
