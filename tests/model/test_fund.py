"""Sections 5 and 6: budgets, layers, income, tranches."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weir.model import FundParameters, GuarantyParameters, World, errors
from weir.model.environment import Clock
from weir.model.fund import Cover, Fund
from weir.model.guaranty import GuarantyFund
from weir.model.house import Flag
from weir.model.properties import Moment, share_prices, waterfall
from weir.model.tranche import Tranche

DAY = 86_400
START = 20_000 * DAY
AMOUNTS = st.integers(0, 10**15)


def new_fund(skin: int = 0, junior: int = 0, senior: int = 0, **parameters: int) -> Fund:
    clock = Clock(START, 1)
    fund = Fund(
        clock,
        FundParameters(**parameters),
        Tranche("junior", DAY, START),
        Tranche("senior", DAY, START),
        GuarantyFund(clock, GuarantyParameters()),
        skin=skin,
        since=START,
        covers={0: Cover(budget_share=1_000_000), 1: Cover(budget_share=100_000)},
    )
    for tranche, assets in ((fund.junior, junior), (fund.senior, senior)):
        if assets:
            tranche.deposit(assets, "staker")
    return fund


# ---- budgets


def test_a_budget_is_set_at_its_first_use_in_a_window() -> None:
    fund = new_fund(skin=1_000)
    assert fund.available(1) == 100
    assert fund.pay_bounty(1, 60) == 60
    fund.contribute(10_000)
    assert fund.available(1) == 40  # the budget stays as it was opened
    assert fund.resolve("trader", 1, 500, unpaid_profit=0).from_fund == 40
    fund.clock.time += DAY
    assert fund.available(1) == (11_000 - 100) // 10


def test_one_market_leaves_the_others_their_budgets() -> None:
    fund = new_fund(skin=1_000)
    fund.resolve("trader", 1, 10**6, unpaid_profit=0)
    assert (fund.assets, fund.available(0)) == (900, 900)


def test_a_cut_share_leaves_nothing_negative() -> None:
    fund = new_fund(skin=1_000)
    fund.pay_bounty(0, 900)
    assert fund.available(0) == 100
    fund.skin = 50
    assert fund.available(0) == 50


# ---- layers


@pytest.mark.parametrize(
    ("shortfall", "unpaid", "paid"),
    [
        (50, 0, (0, 50, 0, 0, 0, 0)),
        (250, 0, (0, 100, 150, 0, 0, 0)),
        (900, 0, (0, 100, 200, 300, 0, 300)),
        (900, 1_000, (180, 100, 200, 300, 120, 0)),
        (900, 100, (100, 100, 200, 300, 0, 200)),
    ],
)
def test_layers_pay_in_order(shortfall: int, unpaid: int, paid: tuple[int, ...]) -> None:
    fund = new_fund(skin=100, junior=200, senior=300)
    fund.covers[0].coinsurance = 200_000 if unpaid else 0
    r = fund.resolve("trader", 0, shortfall, unpaid)
    assert (r.coinsurance, r.skin, r.junior, r.senior, r.unpaid_profit, r.remainder) == paid


def test_unvested_income_is_lost_after_skin() -> None:
    fund = new_fund(skin=10, junior=100)
    fund.take_income(0, 40, fund_share=10**6, gate_open=True)
    record = fund.resolve("trader", 0, 30, unpaid_profit=0)
    assert (record.skin, fund.skin, fund.unvested, fund.junior.assets) == (30, 0, 20, 100)


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, st.integers(0, 10**6), st.integers(0, 10**6))
def test_the_waterfall_is_exact(
    skin: int, junior: int, senior: int, shortfall: int, unpaid: int, share: int, coinsurance: int
) -> None:
    fund = new_fund(skin, junior, senior)
    fund.covers[0] = Cover(share, coinsurance)
    before = fund.assets
    record = fund.resolve("trader", 0, shortfall, unpaid)
    assert all(check.holds for check in waterfall(record))
    assert before - fund.assets == record.from_fund <= before * share // 10**6
    assert record.from_profit <= unpaid


# ---- income


def test_income_restores_skin_then_streams_by_share() -> None:
    fund = new_fund(skin=70, junior=10**6, senior=10**6, skin_target=100, stream_duration=100)
    assert fund.take_income(500, 530, fund_share=10**6, gate_open=True) == (0, 0)
    assert (fund.skin, fund.unvested) == (100, 1_000)
    fund.clock.time += 25
    fund.vest()
    assert (fund.unvested, fund.junior.assets, fund.senior.assets) == (750, 10**6 + 175, 10**6 + 75)
    fund.clock.time += 1_000
    fund.vest()
    assert (fund.unvested, fund.remaining, fund.junior.assets) == (0, 0, 10**6 + 700)


@pytest.mark.parametrize(
    ("fund_share", "gate_open", "treasury"),
    [(800_000, True, 20), (800_001, True, 19), (0, True, 100), (10**6, True, 0), (800_000, False, 0)],
)
def test_the_treasury_is_paid_from_fees_alone(fund_share: int, gate_open: bool, treasury: int) -> None:
    fund = new_fund(skin=100)
    assert fund.take_income(100, 1_000, fund_share, gate_open) == (treasury, 0)
    assert fund.assets == 100 + 1_100 - treasury


def test_dust_does_not_put_off_what_is_due() -> None:
    fund = new_fund(junior=10**6, stream_duration=7 * DAY)
    fund.take_income(0, 7_000_000, fund_share=10**6, gate_open=True)
    for _ in range(7 * 24):
        fund.clock.time += 3_600
        fund.take_income(0, 1, fund_share=10**6, gate_open=True)
    assert fund.junior.assets - 10**6 > 6_900_000


def test_a_stream_waits_while_nobody_has_shares() -> None:
    fund = new_fund(stream_duration=100)
    fund.take_income(0, 1_000, fund_share=10**6, gate_open=True)
    fund.clock.time += 10_000
    fund.vest()
    fund.junior.deposit(10, "staker")
    fund.vest()
    assert (fund.unvested, fund.junior.assets) == (1_000, 10)
    fund.clock.time += 10
    assert fund.vestable() == (100, 0)  # the senior tranche has no shares: all of it is junior's


# ---- tranches


@pytest.fixture
def staked() -> World:
    world = World(epoch_duration=7 * DAY)
    world.stake("junior", "staker", 1_000)
    return world


def test_exit_takes_at_least_one_full_epoch(staked: World) -> None:
    staked.advance(7 * DAY - 1)
    assert staked.request_redeem("junior", "staker", 400 * 10**6) == 1
    staked.advance(1)
    staked.roll("junior")  # prices the empty batch before
    with pytest.raises(errors.ZeroShares):
        staked.claim("junior", "staker")
    with pytest.raises(errors.EpochNotOver):
        staked.roll("junior")
    staked.advance(7 * DAY)
    staked.roll("junior")
    assert staked.claim("junior", "staker") == 400
    assert (staked.fund.junior.assets, staked.fund.junior.supply) == (600, 600 * 10**6)


def test_requested_shares_bear_losses_and_earn_until_priced(staked: World) -> None:
    staked.request_redeem("junior", "staker", 500 * 10**6)
    staked.fund.junior.lose(500)
    for _ in range(2):
        staked.advance(7 * DAY)
        staked.roll("junior")
    assert staked.claim("junior", "staker") == 250


def test_the_gate_closes_while_an_insolvency_is_known(staked: World) -> None:
    staked.house.flags["trader"] = Flag(START, insolvent=True)
    staked.advance(7 * DAY)
    for call, args in ((staked.stake, ("junior", "staker", 1)), (staked.roll, ("junior",))):
        with pytest.raises(errors.GateClosed):
            call(*args)
    staked.request_redeem("junior", "staker", 1)


def test_a_wipe_out_voids_all_shares_but_no_priced_claim(staked: World) -> None:
    staked.request_redeem("junior", "staker", 100 * 10**6)
    for _ in range(2):
        staked.advance(7 * DAY)
        staked.roll("junior")
    staked.request_redeem("junior", "staker", 100 * 10**6)
    junior = staked.fund.junior
    assert junior.lose(10**6) == 900
    assert (junior.supply, junior.share_epoch, junior.shares["staker"]) == (0, 1, 0)
    assert staked.claim("junior", "staker") == 100
    assert staked.stake("junior", "other_staker", 5) == 5 * 10**6
    for _ in range(2):
        staked.advance(7 * DAY)
        staked.roll("junior")
    with pytest.raises(errors.ZeroShares):
        staked.claim("junior", "staker")
    assert staked.fund.junior.assets == 5


def test_a_first_depositor_cannot_take_the_next_ones_stake() -> None:
    """One unit in, a gift to the layer, then the victim: the gift costs more than it takes."""
    world = World()
    world.stake("senior", "attacker", 1)
    world.fund.senior.balance += 10_000
    world.token.move("attacker", "fund", 10_000)
    shares = world.stake("senior", "victim", 10_000)
    assert world.fund.senior.to_assets(shares) >= 9_990


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.tuples(st.sampled_from(["stake", "leave", "income"]), st.integers(1, 10**12)), max_size=20)
)
def test_the_share_price_never_falls_without_a_loss(operations: list[tuple[str, int]]) -> None:
    world = World(epoch_duration=1)
    for name, amount in operations:
        before = Moment.of(world)
        shares = world.fund.junior.shares["staker"]
        if name == "stake":
            _try(world, "stake", "junior", "staker", amount)
        elif name == "income":
            world.ledger.levies += amount
            world.token.move("trader", "vault", amount)
            world.collect()
        elif shares:
            world.request_redeem("junior", "staker", 1 + amount % shares)
        world.advance(10_000)
        world.roll("junior")
        assert all(check.holds for check in share_prices(before, world))


def _try(world: World, call: str, *args: object) -> None:
    try:
        getattr(world, call)(*args)
    except errors.ZeroShares:
        return
