"""Section 6.2 and its layers in section 5: units, notices, losses, income, requirement, recoveries."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.stage import UNIT, Stage, units, wei
from tests.model.test_fund import new_fund
from weir.model import FundingParameters, FundParameters, GuarantyParameters, Revert, World, dump, errors
from weir.model.environment import Clock
from weir.model.fund import Cover, DefaultRecord
from weir.model.guaranty import GuarantyFund
from weir.model.house import FUND, GUARANTY, VAULT, Flag
from weir.model.properties import Moment, share_prices, waterfall

DAY = 86_400
START = 20_000 * DAY
MILLION = 10**6
AMOUNTS = st.integers(0, 10**15)


def new_guaranty(*, window: int = DAY, share: int = 250_000, **members: int) -> GuarantyFund:
    guaranty = GuarantyFund(Clock(START, 1), GuarantyParameters(loss_window=window, loss_share=share))
    for account, amount in members.items():
        guaranty.join(account, amount)
    return guaranty


def balances(guaranty: GuarantyFund, *accounts: str) -> list[int]:
    return [guaranty.balance(account) for account in accounts]


# ---- units


def test_a_balance_is_a_part_of_the_total() -> None:
    guaranty = new_guaranty(alice=100, bob=50)
    guaranty.earn(31)
    assert balances(guaranty, "alice", "bob", "carol") == [120, 60, 0]  # of 181, rounded down
    guaranty.join("carol", 12)
    assert guaranty.members["carol"].units == 9_944_751  # 12 x 150,000,000 / 181 = 9,944,751.4
    assert (guaranty.total, guaranty.units) == (193, 159_944_751)
    assert balances(guaranty, "alice", "bob", "carol") == [120, 60, 11]


def test_a_newcomer_needs_the_minimum() -> None:
    guaranty = new_guaranty(alice=100)
    guaranty.parameters = GuarantyParameters(min_contribution=20)
    with pytest.raises(errors.BelowMinimum) as refused:
        guaranty.join("bob", 19)
    assert refused.value.args == (19, 20)
    guaranty = new_guaranty(alice=1)
    guaranty.earn(2 * MILLION)
    with pytest.raises(errors.BelowMinimum) as refused:
        guaranty.join("bob", 2)  # no whole unit
    assert refused.value.args == (0, 1)


def test_a_part_burns_units_rounded_up() -> None:
    guaranty = new_guaranty(alice=100, bob=50)
    guaranty.earn(30)
    assert guaranty.bear_own("alice", 2) == 2  # 2 x 150,000,000 / 180 = 1,666,666.7 units
    assert (guaranty.members["alice"].units, guaranty.units, guaranty.total) == (98_333_333, 148_333_333, 178)
    assert balances(guaranty, "alice", "bob") == [117, 60]


def test_the_whole_balance_burns_all_units() -> None:
    guaranty = new_guaranty(alice=2, bob=1)
    guaranty.total = 2  # alice has 1.33
    assert guaranty.bear_own("alice", 5) == 1
    assert (guaranty.units, guaranty.total, {*guaranty.members}) == (MILLION, 1, {"bob"})
    guaranty = new_guaranty(alice=2, bob=3)
    guaranty.total = 2  # alice has 0.8, which reads 0
    assert guaranty.bear_own("alice", 5) == 0
    assert (guaranty.units, guaranty.total, {*guaranty.members}) == (3 * MILLION, 2, {"bob"})


def test_the_last_units_take_the_total_with_them() -> None:
    guaranty = new_guaranty(alice=10)
    guaranty.units = guaranty.members["alice"].units = 1  # after many burns
    assert guaranty.bear_own("alice", 5) == 5
    assert (guaranty.units, guaranty.total, guaranty.dust, guaranty.epoch) == (0, 0, 5, 0)
    guaranty.join("bob", 7)
    assert (guaranty.units, guaranty.total) == (7 * MILLION, 7)


@given(st.integers(1, 10**9), st.integers(1, 10**15), st.integers(1, 10**15))
def test_who_comes_after_a_burn_and_a_recovery_loses_a_millionth_of_what_is_there(
    left: int, recovered: int, amount: int
) -> None:
    """However small the first member's own default has left it, and however much all get back after."""
    guaranty = new_guaranty(alice=10**9 + left)
    assert guaranty.bear_own("alice", 10**9) == 10**9
    guaranty.earn(recovered)
    guaranty.restore("bob", amount)
    assert guaranty.balance("bob") >= amount - (left + recovered) // MILLION - 1


# ---- losses of the others


def test_a_loss_is_borne_pro_rata_within_the_budget() -> None:
    guaranty = new_guaranty(alice=300, bob=100)
    assert guaranty.available(0) == 100
    assert guaranty.bear(0, 60) == 60
    assert balances(guaranty, "alice", "bob") == [255, 85]
    assert guaranty.bear(0, 60) == 40  # the budget stays as it was opened
    assert guaranty.bear(0, 60) == 0
    assert guaranty.bear(1, 60) == 60  # each market has its own: a quarter of 300
    assert (guaranty.total, guaranty.available(1)) == (240, 15)


def test_a_budget_is_opened_by_the_first_payment_in_a_window() -> None:
    guaranty = new_guaranty(alice=400)
    assert guaranty.bear(0, 0) == 0
    assert guaranty.budgets == {}
    guaranty.join("alice", 400)
    guaranty.clock.time = START + DAY - 1
    assert guaranty.bear(0, 500) == 200
    guaranty.join("alice", 600)
    assert guaranty.available(0) == 0
    guaranty.clock.time += 1  # the next window, a second later
    assert guaranty.available(0) == 300
    assert guaranty.bear(0, 500) == 300


def test_a_budget_is_never_more_than_there_is() -> None:
    guaranty = new_guaranty(alice=300, bob=100, share=MILLION)
    assert guaranty.bear(0, 1) == 1
    guaranty.bear_own("alice", 1_000)
    assert guaranty.available(0) == 100  # of a budget of 399


@pytest.mark.parametrize(("left", "epoch"), [(10_000, 0), (9_999, 1), (0, 1)])
def test_a_total_below_a_millionth_of_what_was_first_brought_is_written_off(left: int, epoch: int) -> None:
    guaranty = new_guaranty(alice=10**10, share=MILLION)
    assert guaranty.bear(0, 10**10 - left) == 10**10 - left
    assert guaranty.epoch == epoch
    after = (guaranty.total, guaranty.units, guaranty.dust, guaranty.balance("alice"))
    assert after == ((0, 0, left, 0) if epoch else (10_000, 10**16, 0, 10_000))


def test_a_wipe_out_voids_units_and_notices() -> None:
    guaranty = new_guaranty(alice=100, bob=100, share=MILLION)
    guaranty.request_exit("alice", 100)
    guaranty.bear(0, 200)
    with pytest.raises(errors.NotAMember):
        guaranty.request_exit("bob", 1)
    assert guaranty.bear_own("bob", 10) == 0
    guaranty.join("alice", 30)
    assert (guaranty.total, guaranty.units, guaranty.balance("alice")) == (30, 30 * MILLION, 30)
    guaranty.clock.time += 14 * DAY
    with pytest.raises(errors.NoNotice):
        guaranty.check_notice("alice")


@settings(deadline=None, max_examples=300)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["join", "exit", "release", "own", "bear", "earn", "restore"]),
            st.sampled_from(["alice", "bob", "carol"]),
            st.integers(1, 10**12) | st.integers(1, 5),
        ),
        max_size=30,
    )
)
def test_only_what_all_bear_lowers_the_value_of_a_unit(operations: list[tuple[str, str, int]]) -> None:
    """And what comes in = what goes out + the total + dust; balances are the total, rounded down."""
    guaranty, held = new_guaranty(share=900_000), 0
    for name, account, amount in operations:
        guaranty.clock.time += DAY
        total, units, others = guaranty.total, guaranty.units, {*guaranty.members} - {account}
        before = {other: guaranty.balance(other) for other in others}
        match name:
            case "join":
                guaranty.parameters = GuarantyParameters(min_contribution=0, loss_share=900_000)
                guaranty.join(account, amount)
                held += amount
            case "exit" if guaranty.balance(account):
                guaranty.request_exit(account, amount)
            case "release":
                held -= guaranty.release(account)
            case "own":
                held -= guaranty.bear_own(account, amount)
            case "bear":
                held -= guaranty.bear(0, amount)
            case "earn" if guaranty.total:
                guaranty.earn(amount)
                held += amount
            case "restore":
                guaranty.restore(account, amount)
                held += amount
        assert held == guaranty.total + guaranty.dust
        assert guaranty.units == sum(m.units for m in guaranty.members.values() if m.epoch == guaranty.epoch)
        assert 0 <= guaranty.total - sum(balances(guaranty, *guaranty.members)) <= 2
        assert (guaranty.total == 0) == (guaranty.units == 0)
        if name != "bear":
            assert guaranty.total * units >= total * guaranty.units
            assert all(guaranty.balance(other) >= had for other, had in before.items())


# ---- layers


def member_fund(skin: int = 0, junior: int = 0, senior: int = 0, **members: int) -> tuple:  # type: ignore[type-arg]
    fund = new_fund(skin, junior, senior)
    for account, amount in members.items():
        fund.guaranty.join(account, amount)
    return fund, fund.guaranty


def paid(r: DefaultRecord) -> tuple[int, ...]:
    return r.own, r.coinsurance, r.skin, r.junior, r.senior, r.mutual, r.unpaid_profit, r.remainder


@pytest.mark.parametrize(
    ("shortfall", "unpaid", "expected"),
    [
        (40, 1_000, (40, 0, 0, 0, 0, 0, 0, 0)),
        (50, 1_000, (50, 0, 0, 0, 0, 0, 0, 0)),
        (150, 0, (50, 0, 100, 0, 0, 0, 0, 0)),
        (150, 1_000, (50, 20, 80, 0, 0, 0, 0, 0)),  # a fifth of what the own contribution leaves
        (650, 0, (50, 0, 100, 200, 300, 0, 0, 0)),
        (700, 0, (50, 0, 100, 200, 300, 50, 0, 0)),
        (900, 0, (50, 0, 100, 200, 300, 100, 0, 150)),  # a quarter of the others' 400
        (900, 1_000, (50, 170, 100, 200, 300, 80, 0, 0)),
        (1_050, 1_000, (50, 200, 100, 200, 300, 100, 100, 0)),
        (1_050, 210, (50, 200, 100, 200, 300, 100, 10, 90)),
    ],
)
def test_layers_pay_in_order(shortfall: int, unpaid: int, expected: tuple[int, ...]) -> None:
    fund, guaranty = member_fund(100, 200, 300, trader=50, alice=300, bob=100)
    fund.covers[0].coinsurance = 200_000 if unpaid else 0
    record = fund.resolve("trader", 0, shortfall, unpaid)
    assert paid(record) == expected
    assert all(check.holds for check in waterfall(record))
    own, mutual = expected[0], expected[5]
    assert guaranty.balance("trader") == 50 - own
    assert guaranty.total == 450 - own - mutual
    assert balances(guaranty, "alice", "bob") == [(400 - mutual) * 3 // 4, (400 - mutual) // 4]
    assert (record.from_guaranty, record.from_fund) == (own + mutual, sum(expected[2:6]) + own)


def test_the_insurance_funds_budget_does_not_bind_the_members() -> None:
    fund, guaranty = member_fund(1_000, trader=10, alice=40)
    assert paid(fund.resolve("trader", 1, 150, 0)) == (10, 0, 100, 0, 0, 10, 0, 30)
    assert paid(fund.resolve("alice", 1, 50, 0)) == (30, 0, 0, 0, 0, 0, 0, 20)
    assert (guaranty.total, guaranty.units, fund.skin) == (0, 0, 900)


@settings(deadline=None, max_examples=300)
@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, *[st.integers(0, MILLION)] * 3)
def test_the_waterfall_is_exact(
    skin: int,
    junior: int,
    own: int,
    others: int,
    shortfall: int,
    unpaid: int,
    share: int,
    coinsurance: int,
    loss_share: int,
) -> None:
    members = {"trader": own, "alice": others}
    fund, guaranty = member_fund(skin, junior, **{name: m for name, m in members.items() if m})
    guaranty.parameters = GuarantyParameters(loss_share=loss_share)
    fund.covers[0] = Cover(share, coinsurance)
    before, total = fund.assets, guaranty.total
    record = fund.resolve("trader", 0, shortfall, unpaid)
    assert all(check.holds for check in waterfall(record))
    assert record.own == min(own, shortfall)
    assert record.mutual <= (total - record.own) * loss_share // MILLION
    assert before - fund.assets == record.from_insurance
    assert total - guaranty.total - guaranty.dust == record.from_guaranty


# ---- in a world

CHEAP = GuarantyParameters(notice_period=DAY, exit_window=3_600, loss_share=250_000, min_contribution=1)


def crashing(coinsurance: int = 0) -> Stage:
    """A long of 10 at 100 dollars on 60; whoever else there is may join before the fall."""
    stage = Stage(100, guaranty=CHEAP, budget_share=MILLION, coinsurance=coinsurance)
    stage.fund_account(trader=60, market_maker=2_000)
    stage.trade("trader", "market_maker", 10)
    return stage


def crash(stage: Stage) -> DefaultRecord:
    """To 70: 300 are lost, 240 are missing, and the winner has claims of 300."""
    stage.price(70)
    stage.settle("market_maker")
    stage.deleverage("trader")
    return stage.world.fund.defaults[-1]


def test_an_own_contribution_covers_all() -> None:
    stage = crashing(coinsurance=500_000)
    stage.join(trader=500, alice=300)
    record = crash(stage)
    assert paid(record) == (units(240), 0, 0, 0, 0, 0, 0, 0)
    assert (stage.balance("trader"), stage.balance("alice")) == (260, 300)
    held = stage.world.token.balances
    assert (held[GUARANTY], held[FUND], held[VAULT]) == (units(560), 0, units(2_300))
    stage.settle("market_maker")
    assert stage.cash("market_maker") == 2_300


def test_an_own_contribution_covers_a_part() -> None:
    stage = crashing(coinsurance=500_000)
    stage.join(trader=100, alice=300, bob=100)
    record = crash(stage)
    # 140 are left, of which the winner bears half; a quarter of 400 would be 100
    assert paid(record) == (units(100), units(70), 0, 0, 0, units(70), 0, 0)
    assert (stage.balance("trader"), stage.balance("alice"), stage.balance("bob")) == (0, 247.5, 82.5)


def test_the_members_budget_leaves_the_rest_to_profit() -> None:
    stage = crashing()
    stage.join(trader=100, alice=300, bob=100)
    assert paid(crash(stage)) == (units(100), 0, 0, 0, 0, units(100), units(40), 0)


def test_a_noticed_contribution_bears_losses_until_released() -> None:
    stage = crashing()
    stage.join(alice=400, trader=40)
    stage.call("request_exit", "alice", units(400))
    stage.call("request_exit", "trader", units(40))
    crash(stage)
    assert stage.balance("trader") == 0
    stage.world.advance(DAY)
    assert stage.call("release", "alice") == units(300)
    with pytest.raises(errors.NoNotice):
        stage.call("release", "trader")
    assert stage.world.token.balances["alice"] == -units(100)


# ---- joining


def test_refusals_to_join() -> None:
    world = World(guaranty=GuarantyParameters(min_contribution=100))
    with pytest.raises(errors.ZeroAmount):
        world.join("alice", "alice", 0)
    with pytest.raises(errors.BelowMinimum):
        world.join("alice", "alice", 99)
    world.join("alice", "bob", 100)
    world.join("bob", "bob", 1)
    assert (world.guaranty_balance("alice"), world.guaranty_balance("bob")) == (0, 101)
    assert world.token.balances["alice"] == -100
    world.house.flags["trader"] = Flag(START, insolvent=True)
    with pytest.raises(errors.GateClosed):
        world.join("alice", "alice", 100)
    with pytest.raises(errors.ZeroAmount):
        world.join("alice", "alice", 0)


def test_nobody_joins_into_income_already_earned() -> None:
    stage = Stage(100, fund=FundParameters(member_share=MILLION), guaranty=CHEAP)
    stage.join(alice=100)
    stage.call("deposit", "payer", FUND, units(50))
    stage.join(sniper=10_000)
    assert stage.balance("alice") == 150
    assert stage.balance("sniper") == pytest.approx(10_000, abs=2e-6)


# ---- income


def test_members_earn_by_their_capital() -> None:
    fund, guaranty = member_fund(junior=300, alice=75, bob=25)
    fund.parameters = FundParameters(skin_target=20, member_share=500_000, stream_duration=DAY)
    # 20 restore skin; of 80, half of 100 / (100 + 300)
    assert fund.take_income(0, 100, fund_share=0, gate_open=True) == (0, 10)
    assert (fund.skin, fund.unvested, fund.remaining) == (20, 70, DAY)
    assert balances(guaranty, "alice", "bob") == [82, 27]


def test_what_members_earn_rounds_down_and_needs_members() -> None:
    fund, guaranty = member_fund(skin=200)
    fund.parameters = FundParameters(member_share=MILLION)
    assert fund.take_income(0, 10, fund_share=0, gate_open=True) == (0, 0)
    guaranty.join("alice", 100)
    assert fund.take_income(0, 10, fund_share=0, gate_open=True) == (0, 3)  # 10 x 100 / 310


def test_alone_members_may_earn_everything() -> None:
    fund, guaranty = member_fund(alice=1)
    fund.parameters = FundParameters(member_share=MILLION)
    assert fund.take_income(100, 10, fund_share=250_000, gate_open=True) == (75, 35)
    assert (fund.assets, fund.remaining, guaranty.total) == (0, 0, 36)


# ---- leaving


def test_a_notice_is_in_units() -> None:
    guaranty = new_guaranty(alice=100, bob=50)
    guaranty.earn(30)
    guaranty.request_exit("alice", 61)  # 50,833,333.3 units
    alice = guaranty.members["alice"]
    assert (alice.notice_units, alice.notice_from) == (50_833_334, START + 14 * DAY)
    guaranty.clock.time += DAY
    guaranty.request_exit("alice", 120)
    assert (alice.notice_units, alice.notice_from) == (100 * MILLION, START + 15 * DAY)
    guaranty.request_exit("alice", 10**9)
    assert alice.notice_units == 100 * MILLION
    guaranty.request_exit("alice", 0)
    assert (alice.notice_units, alice.notice_from) == (0, 0)
    with pytest.raises(errors.NotAMember) as refused:
        guaranty.request_exit("carol", 0)
    assert refused.value.args == ("carol",)


@pytest.fixture
def members() -> Stage:
    stage = Stage(100, guaranty=CHEAP)
    stage.join(alice=100, bob=300)
    return stage


@pytest.mark.parametrize(
    ("waited", "open_"),
    [(0, False), (DAY - 1, False), (DAY, True), (DAY + 3_599, True), (DAY + 3_600, False)],
)
def test_a_notice_opens_a_window(members: Stage, waited: int, open_: bool) -> None:
    now = members.world.clock.time
    members.call("request_exit", "alice", units(30))
    members.world.advance(waited)
    if open_:
        assert members.call("release", "alice") == units(30)
        assert (members.balance("alice"), members.balance("bob")) == (70, 300)
        assert members.world.token.balances["alice"] == -units(70)
        with pytest.raises(errors.NoNotice):
            members.call("release", "alice")
    else:
        with pytest.raises(errors.NotReleasable) as refused:
            members.call("release", "alice")
        assert refused.value.args == ("alice", now + DAY, now + DAY + 3_600)
        assert members.balance("alice") == 100


def test_a_lapsed_notice_can_be_given_anew(members: Stage) -> None:
    members.leave("alice", 100)
    members.world.advance(3_600)
    with pytest.raises(errors.NotReleasable):
        members.call("release", "alice")
    members.leave("alice", 100)
    assert members.call("release", "alice") == units(100)


def test_a_notice_taken_back_is_none(members: Stage) -> None:
    members.leave("alice", 100)
    members.call("request_exit", "alice", 0)
    with pytest.raises(errors.NoNotice) as refused:
        members.call("release", "alice")
    assert refused.value.args == ("alice",)
    with pytest.raises(errors.NoNotice):
        members.call("release", "carol")


def test_noticed_units_earn_and_lose(members: Stage) -> None:
    members.leave("alice", 50)
    members.leave("bob", 300)
    members.world.guaranty.earn(units(40))
    members.world.token.move("someone", GUARANTY, units(40))
    assert members.call("release", "bob") == units(330)
    assert members.balance("alice") == 110
    members.leave("alice", 55)
    members.world.guaranty.parameters = replace(CHEAP, loss_share=MILLION)
    assert members.world.guaranty.bear(0, units(22)) == units(22)
    members.world.token.move(GUARANTY, "someone", units(22))
    assert members.call("release", "alice") == units(44)
    assert members.balance("alice") == 44


def test_a_member_leaves_at_most_what_it_has(members: Stage) -> None:
    """Notice of all; its own loss takes a part, and who joins again has given no notice for that."""
    members.leave("alice", 60)
    members.world.guaranty.bear_own("alice", units(70))
    members.world.token.move(GUARANTY, "someone", units(70))
    assert members.call("release", "alice") == units(30)
    assert members.balance("alice") == 0
    assert "alice" not in members.world.guaranty.members


def test_what_stays_is_nothing_or_enough(members: Stage) -> None:
    members.world.set_guaranty_parameters(replace(CHEAP, min_contribution=units(20)))
    members.leave("alice", 80)
    assert members.call("release", "alice") == units(80)
    members.leave("alice", 0.000001)
    assert members.call("release", "alice") == units(20)
    assert members.balance("alice") == 0


def test_a_unit_that_somebody_adds_keeps_nobody_in(members: Stage) -> None:
    members.world.set_guaranty_parameters(replace(CHEAP, min_contribution=units(20)))
    members.leave("alice", 100)
    members.call("join", "bob", "alice", 1)
    assert members.call("release", "alice") == units(100) + 1
    assert "alice" not in members.world.guaranty.members


def test_nobody_leaves_while_an_insolvency_is_known(members: Stage) -> None:
    members.leave("alice", 10)
    members.world.house.flags["trader"] = Flag(START, insolvent=True)
    with pytest.raises(errors.GateClosed):
        members.call("release", "alice")
    members.world.advance(3_600)
    with pytest.raises(errors.NotReleasable):  # first
        members.call("release", "alice")


def test_nobody_leaves_below_initial_margin() -> None:
    stage = crashing()
    stage.join(trader=30)
    stage.leave("trader", 10)
    stage.price(98.95)  # 49.5 for 49.475
    assert stage.call("release", "trader") == units(10)
    stage.leave("trader", 10)
    stage.world.set_price(0, wei(98.9))  # 49 for 49.45, which the call itself finds out
    with pytest.raises(errors.InitialMarginNotMet) as refused:
        stage.call("release", "trader")
    assert refused.value.args == ("trader", units(49), units(49.45))
    stage.world.set_price(0, None)
    stage.world.advance(1)
    with pytest.raises(errors.PriceUnavailable):
        stage.call("release", "trader")


@pytest.mark.parametrize(("had", "own", "released"), [(50, 50, 0), (200, 90, 110)])
def test_a_loss_found_at_the_release_is_borne_first(had: float, own: float, released: float) -> None:
    stage = crashing()
    stage.join(trader=had)
    stage.call("request_exit", "trader", units(had))
    stage.world.set_price(0, None)
    stage.world.advance(DAY)
    stage.call("close_market", 0, 85 * UNIT)  # 150 are lost on 60
    assert stage.call("release", "trader") == units(released)
    assert stage.world.fund.defaults[0].own == units(own)
    assert (stage.balance("trader"), stage.world.guaranty.units) == (0, 0)


# ---- the requirement

REQUIRED = FundingParameters(member_threshold=units(1_000), member_ratio=10_000, member_step=5_000)


@pytest.mark.parametrize(
    ("notional", "requirement"),
    [(0, 0), (units(1_000), 0), (units(1_000) + 1, 1), (units(1_000) + 51, 2), (units(1_500), units(10))],
)
def test_the_requirement_starts_at_the_threshold(notional: int, requirement: int) -> None:
    """1% and 0.5% for each tier, of which a newcomer's is 2."""
    assert World(funding=REQUIRED).funding.requirement("trader", notional) == requirement


@pytest.mark.parametrize(("tier", "dollars"), [(0, 5), (1, 7.5), (2, 10), (3, 12.5), (4, 15)])
def test_a_worse_tier_needs_more(tier: int, dollars: float) -> None:
    world = World(funding=REQUIRED)
    while world.tier("trader") != tier:
        world.post_tiers(["trader"], [world.tier("trader") + (1 if tier > 2 else -1)], 1)
        world.advance(DAY)
    assert world.funding.requirement("trader", units(1_500)) == units(dollars)
    world.advance(30 * DAY)
    assert world.funding.requirement("trader", units(1_500)) == units(10)


@pytest.fixture
def required() -> Stage:
    stage = Stage(100, 10, guaranty=CHEAP, funding=REQUIRED)
    stage.fund_account(trader=1_000, market_maker=1_000, other_trader=1_000)
    stage.join(market_maker=100)
    return stage


def test_new_risk_beyond_the_threshold_needs_membership(required: Stage) -> None:
    required.trade("trader", "market_maker", 10)
    with pytest.raises(errors.MembershipRequired) as refused:
        required.trade("trader", "market_maker", 1)
    assert refused.value.args == ("trader", 0, units(2))
    with pytest.raises(errors.MembershipRequired):
        required.trade("trader", "market_maker", 0.001, market=1)  # all markets count
    with pytest.raises(errors.MembershipRequired):
        required.trade("other_trader", "market_maker", 11)
    required.join(trader=1.999999)
    with pytest.raises(errors.MembershipRequired):
        required.trade("trader", "market_maker", 1)
    required.call("join", "someone", "trader", 1)
    required.trade("trader", "market_maker", 1)
    assert required.world.requirement("trader") == required.world.guaranty_balance("trader") == units(2)


def test_either_side_needs_membership_whether_or_not_open_interest_grows(required: Stage) -> None:
    required.join(trader=10)
    required.trade("trader", "market_maker", 15)
    with pytest.raises(errors.MembershipRequired) as refused:
        required.trade("other_trader", "trader", 15)  # takes it over
    assert refused.value.args == ("other_trader", 0, units(10))
    with pytest.raises(errors.MembershipRequired) as refused:
        required.trade("market_maker", "other_trader", 15)  # as the taker
    assert refused.value.args == ("other_trader", 0, units(10))
    required.trade("other_trader", "trader", 5)


def test_turning_round_is_new_risk_even_when_smaller(required: Stage) -> None:
    required.join(trader=10)
    required.trade("trader", "market_maker", 15)
    required.world.guaranty.bear_own("trader", units(9))
    required.world.token.move(GUARANTY, "someone", units(9))
    with pytest.raises(errors.MembershipRequired) as refused:
        required.trade("market_maker", "trader", 26)  # from 15 long to 11 short
    assert refused.value.args == ("trader", units(1), units(2))
    required.trade("market_maker", "trader", 25.5)


def test_who_has_lost_its_contribution_keeps_its_position_and_owes(required: Stage) -> None:
    required.join(trader=10)
    required.trade("trader", "market_maker", 15)
    required.world.guaranty.bear_own("trader", units(4))
    required.world.token.move(GUARANTY, "someone", units(4))
    assert required.world.owed("trader") == units(4)
    required.trade("market_maker", "trader", 1)
    assert required.world.owed("trader") == units(2)
    required.call("withdraw", "trader", units(10), "trader")
    with pytest.raises(errors.MembershipRequired):
        required.trade("trader", "market_maker", 0.001)
    required.join(trader=2.002)
    required.trade("trader", "market_maker", 0.001)
    assert required.world.owed("market_maker") == 0


def test_stop_and_cap_come_before_membership(required: Stage) -> None:
    required.world.set_funding_parameters(replace(REQUIRED, stop_below=MILLION))
    with pytest.raises(errors.NewRiskStopped):
        required.trade("trader", "market_maker", 11)
    required.world.set_funding_parameters(replace(REQUIRED, cap_floor=1))
    with pytest.raises(errors.OpenInterestAboveFundCap):
        required.trade("trader", "market_maker", 11)


def test_a_preview_is_refused_as_the_trade_is(required: Stage) -> None:
    preview = required.world.preview_contribution
    with pytest.raises(errors.MembershipRequired) as refused:
        preview("trader", None, 0, True, wei(11), 100 * UNIT)
    assert refused.value.args == ("trader", 0, units(2))
    assert preview("trader", None, 0, True, wei(10), 100 * UNIT).amount == 0
    required.join(trader=10)
    required.trade("trader", "market_maker", 15)
    required.world.guaranty.bear_own("trader", units(10))
    assert required.world.preview_contribution("trader", None, 0, True, wei(-3), 100 * UNIT).amount == 0


def test_nobody_leaves_below_the_requirement(required: Stage) -> None:
    required.join(trader=30)
    required.trade("trader", "market_maker", 15)
    required.leave("trader", 20.000001)
    with pytest.raises(errors.MembershipRequired) as refused:
        required.call("release", "trader")
    assert refused.value.args == ("trader", units(9.999999), units(10))
    required.world.set_price(0, wei(110))  # 1,650 at the price of now
    required.leave("trader", 20)
    with pytest.raises(errors.MembershipRequired) as refused:
        required.call("release", "trader")
    assert refused.value.args == ("trader", units(10), units(13))
    required.leave("trader", 17)
    assert required.call("release", "trader") == units(17)
    required.trade("market_maker", "trader", 15)
    required.leave("trader", 13)
    assert required.call("release", "trader") == units(13)


# ---- recoveries


def test_recoveries_go_back_in_the_reverse_order_of_the_losses() -> None:
    stage = crashing()
    stage.join(trader=50, alice=300, bob=100)
    stage.call("contribute", "founder", units(20))
    stage.call("stake", "junior", "staker", units(30))
    stage.call("stake", "senior", "staker", units(60))
    assert paid(crash(stage)) == tuple(map(units, (50, 0, 20, 30, 60, 80, 0, 0)))
    assert (stage.balance("alice"), stage.balance("bob")) == (240, 80)

    assert stage.call("recover", "payer", 1, units(20)) == units(20)
    assert (stage.balance("alice"), stage.balance("bob")) == (255, 85)
    assert stage.call("recover", "payer", 1, units(80)) == units(80)
    fund = stage.world.fund
    assert (stage.balance("alice"), stage.balance("bob"), fund.skin) == (300, 100, units(20))  # wiped out
    assert stage.call("recover", "other", 1, units(75)) == units(75)
    assert (fund.senior.assets, fund.junior.assets) == (0, 0)
    assert stage.world.fund.skin == units(95)
    assert stage.call("recover", "other", 1, units(1_000)) == units(65)
    assert (stage.world.fund.skin, stage.balance("trader"), stage.balance("alice")) == (units(110), 50, 300)
    held = stage.world.token.balances
    assert (held["payer"], held["other"]) == (-units(100), -units(140))
    for amount in (0, 1):
        with pytest.raises(errors.NothingToRecover) as refused:
            stage.call("recover", "payer", 1, amount)
        assert refused.value.args == (1,)


def test_only_what_defaulted_can_be_recovered() -> None:
    stage = crashing()
    stage.join(alice=400)
    for number in (0, 1):
        with pytest.raises(errors.UnknownDefault) as refused:
            stage.call("recover", "payer", number, 1)
        assert refused.value.args == (number,)
    assert crash(stage).from_fund == units(100)
    with pytest.raises(errors.NothingToRecover):
        stage.call("recover", "payer", 1, 0)
    assert stage.call("recover", "payer", 1, units(101)) == units(100)
    with pytest.raises(errors.UnknownDefault):
        stage.call("recover", "payer", 2, 1)


def test_unpaid_profit_and_open_interest_get_nothing() -> None:
    stage = crashing()
    assert crash(stage).unpaid_profit == units(240)
    with pytest.raises(errors.NothingToRecover):
        stage.call("recover", "payer", 1, 1)


def test_a_tranche_that_was_not_wiped_out_is_paid_back() -> None:
    fund, _ = member_fund(skin=10, junior=200, senior=50)
    fund.resolve("trader", 0, 110, 0)
    fund.junior.deposit(100, "newcomer")  # at half the price: as many shares as there were
    assert fund.recover(1, 60) == (60, 0)
    assert (fund.junior.assets, fund.skin) == (260, 0)
    assert fund.junior.to_assets(fund.junior.shares["newcomer"]) == 129  # half, but for virtual shares
    assert fund.recover(1, 60) == (50, 0)
    assert (fund.junior.assets, fund.skin) == (300, 10)


def test_a_tranche_without_shares_is_not_paid_back() -> None:
    fund, _ = member_fund(junior=200)
    fund.resolve("trader", 0, 100, 0)
    fund.junior.request_redeem("staker", fund.junior.shares["staker"], "staker")
    for day in (1, 2):
        fund.junior.roll(START + day * DAY)
    assert (fund.junior.supply, fund.junior.assets) == (0, 0)
    assert fund.recover(1, 30) == (30, 0)
    assert (fund.junior.assets, fund.skin) == (0, 30)
    fund.junior.deposit(5, "newcomer")
    assert fund.recover(1, 70) == (70, 0)
    assert (fund.junior.assets, fund.skin) == (75, 30)


def test_a_wipe_out_between_two_defaults_divides_their_recoveries() -> None:
    """All in one second: a default, a bounty that takes the last of the tranche, new shares, a default."""
    fund, _ = member_fund(junior=100, senior=100)
    fund.resolve("trader", 0, 60, 0)
    assert fund.pay_bounty(0, 40) == 40
    fund.junior.deposit(10, "newcomer")
    fund.resolve("trader", 0, 4, 0)
    assert fund.recover(1, 60) == (60, 0)
    assert (fund.skin, fund.junior.assets) == (60, 6)
    assert fund.recover(2, 60) == (4, 0)
    assert (fund.skin, fund.junior.assets) == (60, 10)


def test_members_who_were_wiped_out_get_nothing_back() -> None:
    fund, guaranty = member_fund(alice=100)
    guaranty.parameters = GuarantyParameters(loss_share=MILLION)
    assert fund.resolve("trader", 0, 40, 0).mutual == 40
    assert fund.resolve("trader", 1, 80, 0).mutual == 60
    assert fund.recover(2, 10) == (10, 0)
    guaranty.join("bob", 30)
    assert (fund.recover(2, 10), fund.recover(1, 40)) == ((10, 0), (40, 0))
    assert (fund.skin, guaranty.total, guaranty.balance("alice")) == (60, 30, 0)
    assert fund.resolve("trader", 2 - 1, 80, 0).mutual == 0  # the budget of its window is spent
    guaranty.clock.time += DAY
    fund.skin = 0
    assert fund.resolve("trader", 1, 10, 0).mutual == 10
    assert fund.recover(4, 10) == (0, 10)
    assert guaranty.balance("bob") == 30


def test_without_members_the_others_part_goes_to_skin() -> None:
    fund, guaranty = member_fund(alice=100)
    fund.resolve("trader", 0, 20, 0)
    guaranty.request_exit("alice", 100)
    assert guaranty.release("alice") == 80
    assert fund.recover(1, 15) == (15, 0)
    guaranty.join("bob", 10)
    assert fund.recover(1, 15) == (0, 5)
    assert (fund.skin, guaranty.balance("bob")) == (15, 15)


def test_an_own_contribution_comes_back_as_units() -> None:
    fund, guaranty = member_fund(trader=60, alice=100)
    guaranty.parameters = GuarantyParameters(loss_share=MILLION)
    fund.resolve("trader", 0, 100, 0)  # 60 and 40
    assert fund.resolve("other", 0, 1_000, 0).mutual == 60  # a wipe-out
    guaranty.join("bob", 30)
    guaranty.earn(15)
    assert fund.recover(1, 50) == (40, 10)
    assert guaranty.members["trader"].units == 6_666_666  # 10 x 30,000,000 / 45
    assert (balances(guaranty, "trader", "bob"), guaranty.total) == ([9, 45], 55)
    assert fund.recover(1, 50) == (0, 50)
    assert (fund.skin, guaranty.total, balances(guaranty, "trader")) == (40, 105, [59])


def test_lost_unvested_income_comes_back_to_skin() -> None:
    fund, _ = member_fund(skin=10, junior=100)
    fund.take_income(0, 40, fund_share=MILLION, gate_open=True)
    assert fund.resolve("trader", 0, 30, 0).skin == 30
    assert fund.recover(1, 25) == (25, 0)
    assert (fund.skin, fund.unvested) == (25, 20)


def test_a_recovery_vests_first() -> None:
    fund, _ = member_fund(junior=100)
    fund.parameters = FundParameters(stream_duration=100)
    fund.take_income(0, 40, fund_share=MILLION, gate_open=True)
    fund.resolve("trader", 0, 50, 0)  # the income, and 10 of the tranche
    fund.take_income(0, 40, fund_share=MILLION, gate_open=True)
    fund.clock.time += 50
    assert fund.recover(1, 10) == (10, 0)
    assert (fund.since, fund.unvested, fund.junior.assets) == (fund.clock.time, 20, 120)


# ---- what shows


def test_the_dump_shows_members() -> None:
    stage = crashing()
    stage.join(trader=50, alice=400)
    stage.call("request_exit", "alice", units(100))
    crash(stage)
    stage.call("recover", "payer", 1, units(5))
    state = dump(stage.world)
    shown = {key: value for key, value in state.items() if key.startswith("guaranty.")}
    assert shown == {
        "guaranty.held": units(305),
        "guaranty.total": units(305),
        "guaranty.units": units(400) * MILLION,
        "guaranty.member[alice].balance": units(305),
        "guaranty.member[alice].units": units(400) * MILLION,
        "guaranty.member[alice].noticeUnits": units(100) * MILLION,
        "guaranty.member[alice].noticeFrom": shown["guaranty.member[alice].noticeFrom"],
        "guaranty.budget[0].window": stage.world.clock.time // DAY,
    }
    default = {key: value for key, value in state.items() if key.startswith("fund.default[1]")}
    assert default["fund.default[1].own"] == units(50)
    assert default["fund.default[1].mutual"] == units(100)
    assert default["fund.default[1].recovered"] == units(5)


def test_a_refused_call_changes_nothing(members: Stage) -> None:
    before = dump(members.world)
    for call, args in (
        ("join", ("carol", "carol", 0)),
        ("request_exit", ("carol", 1)),
        ("release", ("alice",)),
        ("recover", ("carol", 1, 1)),
    ):
        with pytest.raises(Revert):
            members.call(call, *args)
        assert dump(members.world) == before


def test_diluted_members_are_seen(members: Stage) -> None:
    before = Moment.of(members.world)
    members.world.guaranty.units += 1
    assert [c.name for c in share_prices(before, members.world) if not c.holds] == ["P7 guaranty"]
