"""The model's reserve: advances, from the loss to the repayment or the write-off."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.reserve.books import COIN, DAY, MINUTE, START, Scene, _earn, in_debt_to_the_tranches
from tests.model.stage import DOLLAR, UNIT, units
from weir.model import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    errors,
    properties,
)
from weir.model.environment import Clock, Feeds
from weir.model.fund import Cover, Fund
from weir.model.guaranty import GuarantyFund
from weir.model.numbers import ASSET_FEEDS, MILLION
from weir.model.parameters import StablecoinParameters
from weir.model.reserve import Reserve
from weir.model.stablecoins import Stablecoins
from weir.model.tranche import Tranche

AMOUNTS = st.integers(0, 10**15)

# ---- the waterfall


def new_fund(
    skin: int = 0,
    junior: int = 0,
    senior: int = 0,
    reserve: int = 0,
    haircut: int = 100_000,
    **parameters: int,
) -> Fund:
    """A fund with coins in its reserve; each unit is worth one of S."""
    clock, feeds = Clock(START, 1), Feeds({ASSET_FEEDS: UNIT})
    stablecoins = Stablecoins(clock, feeds, StablecoinParameters(), 6)
    stablecoins.set_asset(0, AssetParameters(haircut=haircut))
    fund = Fund(
        clock,
        FundParameters(**parameters),
        Tranche("junior", DAY, START),
        Tranche("senior", DAY, START),
        GuarantyFund(clock, GuarantyParameters()),
        Reserve(clock, stablecoins),
        skin=skin,
        since=START,
        covers={0: Cover(budget_share=MILLION), 1: Cover(budget_share=100_000)},
    )
    fund.reserve.amounts[0] = reserve
    for tranche, assets in ((fund.junior, junior), (fund.senior, senior)):
        if assets:
            tranche.deposit(assets, "staker")
    return fund


@pytest.mark.parametrize(
    ("reserve", "loss", "paid", "advanced", "left"),
    [
        (50, 8, (8, 0, 0, 0), (0, 0), (2, 30, 40)),  # skin alone
        (50, 30, (30, 0, 0, 0), (20, 0), (0, 10, 40)),
        (50, 50, (50, 0, 0, 0), (30, 10), (0, 0, 30)),
        (50, 60, (55, 0, 5, 0), (30, 15), (0, 0, 20)),  # 45 can be advanced, junior has nothing beyond
        (20, 35, (28, 7, 0, 0), (18, 0), (0, 5, 40)),  # 18 can be advanced, all of it by junior
        (20, 45, (28, 12, 5, 0), (18, 0), (0, 0, 35)),
        (1_000, 90, (80, 0, 0, 10), (30, 40), (0, 0, 0)),  # the tranches have no more than 70
        (0, 45, (10, 30, 5, 0), (0, 0), (0, 0, 35)),
    ],
)
def test_skin_is_advanced_what_the_reserve_stands_for(
    reserve: int,
    loss: int,
    paid: tuple[int, ...],
    advanced: tuple[int, int],
    left: tuple[int, ...],
) -> None:
    fund = new_fund(skin=10, junior=30, senior=40, reserve=reserve)
    record = fund.resolve("trader", 0, loss, unpaid_profit=0)
    assert (record.skin, record.junior, record.senior, record.remainder) == paid
    assert (fund.junior.advanced, fund.senior.advanced) == advanced
    assert (fund.skin, fund.junior.balance, fund.senior.balance) == left
    assert [check for check in properties.waterfall(record) if not check.holds] == []


def test_unvested_income_pays_before_anything_is_advanced() -> None:
    fund = new_fund(junior=30, reserve=50)
    fund.take_income(0, 20, MILLION, gate_open=True)
    fund.resolve("trader", 0, 35, unpaid_profit=0)
    assert (fund.unvested, fund.junior.balance, fund.junior.advanced) == (0, 15, 15)


def test_what_is_owed_is_not_advanced_again() -> None:
    fund = new_fund(junior=30, senior=40, reserve=50)  # 45 at the haircut
    fund.resolve("trader", 0, 40, unpaid_profit=0)
    record = fund.resolve("trader", 0, 12, unpaid_profit=0)
    assert (record.skin, record.junior, record.senior) == (5, 0, 7)
    assert (fund.junior.advanced, fund.senior.advanced, fund.senior.balance) == (30, 15, 18)


def test_nothing_is_advanced_on_a_reserve_worth_less_than_is_owed() -> None:
    fund = new_fund(junior=30, senior=40, reserve=50)
    fund.resolve("trader", 0, 20, unpaid_profit=0)
    fund.reserve.stablecoins.feeds.prices[ASSET_FEEDS] = UNIT // 4  # 11.25 at the haircut
    record = fund.resolve("trader", 0, 12, unpaid_profit=0)
    assert (record.skin, record.junior, record.senior) == (0, 10, 2)
    assert (fund.owed, record.room.skin) == (20, 0)


def test_a_bounty_is_advanced_too() -> None:
    fund = new_fund(skin=10, junior=30, senior=40, reserve=50)
    assert fund.pay_bounty(0, 45) == 45
    assert (fund.junior.advanced, fund.senior.advanced, fund.owed) == (30, 5, 35)


def test_the_reserve_widens_budgets_and_pays_nothing_itself() -> None:
    fund = new_fund(skin=100, junior=100, reserve=1_000)
    assert (fund.assets, fund.liquid) == (1_100, 200)
    assert fund.available(1) == 110  # a tenth of assets
    assert fund.available(0) == 200  # all of assets, but for what is not there
    fund.pay_bounty(1, 50)
    assert fund.assets == 1_050
    assert fund.available(1) == 60


@settings(deadline=None)
@given(AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, AMOUNTS, st.integers(0, MILLION), st.integers(0, MILLION))
def test_the_waterfall_is_exact(
    skin: int, junior: int, senior: int, reserve: int, shortfall: int, share: int, haircut: int
) -> None:
    fund = new_fund(skin, junior, senior, reserve, haircut)
    fund.covers[0] = Cover(share)
    before, worth = fund.assets, reserve * (MILLION - haircut) // MILLION
    for _ in range(2):
        liquid = fund.liquid
        tranches = fund.junior.assets + fund.senior.assets
        record = fund.resolve("trader", 0, shortfall, unpaid_profit=0)
        assert all(check.holds for check in properties.waterfall(record))
        assert liquid - fund.liquid == record.from_fund
        assert tranches - fund.junior.assets - fund.senior.assets == record.junior + record.senior
        assert fund.owed <= worth
        assert min(fund.owed, fund.skin + fund.unvested) == 0
    assert before - fund.assets <= before * share // MILLION


# ---- repayment


def test_what_comes_to_skin_repays_senior_first() -> None:
    scene = in_debt_to_the_tranches()
    assert scene.layers() == (0, 0, 30, 30, 10)
    scene.call("contribute", "founder", units(4))
    assert scene.layers() == (0, 0, 34, 30, 6)
    scene.call("contribute", "founder", units(20))
    assert scene.layers() == (0, 14, 40, 16, 0)
    scene.call("contribute", "founder", units(20))
    assert scene.layers() == (4, 30, 40, 0, 0)


def test_a_sale_repays_and_asks_for_no_more() -> None:
    scene = in_debt_to_the_tranches()
    scene.start()
    scene.wait(15 * MINUTE)  # the price is 1 % off: 40 / 0.99
    assert scene.buy() == (40.404041, 40.000001)
    assert scene.layers() == (0.000001, 30, 40, 0, 0)
    assert scene.held() == 9.595959
    wallet = scene.world.token.balances["buyer"], scene.world.tokens[0].balances["buyer"]
    assert wallet == (-40_000_001, 40_404_041)


def test_a_part_of_a_sale_repays_a_part() -> None:
    scene = in_debt_to_the_tranches()
    scene.start()
    assert scene.buy(25) == (25, 25)
    assert scene.layers() == (0, 15, 40, 15, 0)


@pytest.mark.parametrize(
    ("skin_target", "income", "after", "unvested"),
    [
        (100, 30, (0, 20, 40, 10, 0), 0),  # 100 + 40 - 0 - 45 = 95 are lacking
        (10, 9, (0, 0, 35, 30, 5), 4),  # 10 + 40 - 45 = 5 are lacking; what is left streams
        (10, 5, (0, 0, 35, 30, 5), 0),
        (5, 30, (0, 0, 30, 30, 10), 30),  # the reserve is worth the target and what is owed
        (0, 30, (0, 0, 30, 30, 10), 30),
    ],
)
def test_income_repays_as_far_as_the_reserve_is_not_worth_it(
    skin_target: int, income: int, after: tuple[float, ...], unvested: int
) -> None:
    scene = in_debt_to_the_tranches(fund=FundParameters(skin_target=units(skin_target)))
    _earn(scene, income)
    assert scene.layers() == after
    assert scene.world.fund.unvested == units(unvested)


def test_income_restores_skin_and_reserve_together() -> None:
    scene = Scene(COIN, fund=FundParameters(skin_target=units(100)))
    scene.capital(skin=20, junior=30, reserve=50)  # 20 + 45 of 100
    _earn(scene, 50)
    assert scene.layers() == (55, 30, 0, 0, 0)
    assert scene.world.fund.unvested == units(15)


def test_a_recovery_of_skins_part_repays() -> None:
    scene = in_debt_to_the_tranches()
    scene.call("recover", "patron", 1, units(25))
    assert scene.layers() == (0, 15, 40, 15, 0)


def test_a_recovery_goes_to_the_tranche_for_what_it_bore_itself() -> None:
    scene = Scene(COIN)
    scene.capital(junior=30, senior=40, reserve=20)
    scene.lose(25)  # 18 advanced, 7 of junior's own
    assert scene.layers() == (0, 5, 40, 18, 0)
    scene.call("recover", "patron", 1, units(10))
    assert scene.layers() == (0, 15, 40, 15, 0)


# ---- wipe-out, write-off


def test_a_tranche_that_has_advanced_is_not_wiped_out() -> None:
    scene = Scene(COIN)
    scene.capital(junior=30, senior=40, reserve=20)
    scene.lose(40)  # 18 advanced, 12 of junior's own, 10 of senior's
    junior = scene.world.fund.junior
    assert scene.layers() == (0, 0, 30, 18, 0)
    assert (junior.share_epoch, junior.supply, junior.assets) == (0, 30 * 10**12, 18 * DOLLAR)
    scene.start()
    scene.buy()
    assert scene.layers() == (0, 18, 30, 0, 0)
    assert junior.to_assets(junior.shares["staker"]) == units(18)


def test_a_tranche_without_advances_is_wiped_out_by_its_last_unit() -> None:
    scene = Scene(COIN)
    scene.capital(junior=30, senior=40)
    scene.lose(30)
    assert (scene.world.fund.junior.share_epoch, scene.world.fund.senior.share_epoch) == (1, 0)


def test_an_advance_alone_wipes_nobody_out_and_moves_no_share_price() -> None:
    scene = Scene(COIN)
    scene.capital(junior=30, senior=40, reserve=100)
    junior, senior = scene.world.fund.junior, scene.world.fund.senior
    prices = junior.to_assets(10**12), senior.to_assets(10**12)
    scene.lose(70)
    junior, senior = scene.world.fund.junior, scene.world.fund.senior
    assert scene.layers() == (0, 0, 0, 30, 40)
    assert (junior.to_assets(10**12), senior.to_assets(10**12)) == prices
    assert (junior.share_epoch, senior.share_epoch) == (0, 0)


@pytest.mark.parametrize(
    ("price", "after", "wiped"),
    [
        (0.87, (0.000001, 30, 40, 0, 0), (0, 0)),  # the haircut is enough
        (0.5, (0, 10, 40, 0, 0), (0, 0)),  # junior loses 20 of what it has advanced
        (0.4, (0, 0, 40, 0, 0), (1, 0)),  # all of it, and has no S
        (0.35, (0, 0, 35, 0, 0), (1, 0)),
    ],
)
def test_what_the_last_unit_leaves_unpaid_is_the_tranches_loss(
    price: float, after: tuple[float, ...], wiped: tuple[int, int]
) -> None:
    scene = Scene(AssetParameters(haircut=50_000, discount=20_000))
    scene.capital(skin=10, junior=30, senior=40, reserve=100)
    scene.lose(80)
    assert scene.layers() == (0, 0, 0, 30, 40)
    scene.peg(price)
    scene.start()
    scene.buy()
    assert scene.layers() == after
    fund = scene.world.fund
    assert (fund.junior.share_epoch, fund.senior.share_epoch) == wiped
    assert scene.world.gate_open


def test_a_depeg_during_an_advance_is_sold_at_its_price() -> None:
    """95 are advanced on 100 coins that fall to 0.87; they bring 0.87 x 0.98 each at the auction's end."""
    scene = Scene(AssetParameters(haircut=50_000, discount=20_000))
    scene.capital(junior=30, senior=100, reserve=100)
    scene.lose(95)
    assert scene.layers() == (0, 0, 35, 30, 65)
    scene.start()
    scene.wait(30 * MINUTE)
    scene.peg(0.87)
    assert scene.world.fund.assets == units(35 + 0.87 * 95)
    assert scene.buy() == (100, 85.26)
    assert scene.layers() == (0, 20.26, 100, 0, 0)
    assert scene.world.fund.junior.share_epoch == 0


def test_nothing_is_written_off_while_another_asset_is_held() -> None:
    scene = Scene(COIN, COIN)
    scene.capital(junior=30, senior=40, reserve=20)
    scene.give(20, asset=1)
    scene.lose(36)
    scene.peg(0.5)
    scene.start()
    assert scene.buy() == (20, 10)
    assert scene.layers() == (0, 4, 40, 26, 0)
    scene.start(1)
    scene.peg(0.1, 1)
    assert scene.buy(asset=1) == (20, 2)
    assert scene.layers() == (0, 6, 40, 0, 0)


def test_governance_writes_off_what_has_no_price() -> None:
    scene = in_debt_to_the_tranches()
    scene.refused(errors.AdvancesBacked, "write_off_advances")
    scene.peg(None)
    scene.refused(errors.NothingToConvert, "start_conversion", 0)
    scene.call("write_off_advances")
    assert scene.layers() == (0, 0, 30, 0, 0)
    fund = scene.world.fund
    assert (fund.junior.share_epoch, fund.junior.supply, fund.senior.share_epoch) == (1, 0, 0)
    scene.refused(errors.NoAdvance, "write_off_advances")
    scene.peg(1)
    assert scene.world.fund.assets == units(75)  # the coins are skin's again
    scene.call("recover", "patron", 1, units(50))
    assert scene.layers() == (50, 0, 30, 0, 0)


def test_a_write_off_comes_after_what_has_vested() -> None:
    """What has vested is S of the tranche's, so it is not wiped out."""
    scene = Scene(COIN, fund=FundParameters(stream_duration=1_000))
    scene.capital(junior=30, reserve=100)
    scene.lose(30)
    _earn(scene, 10)
    scene.peg(None)
    scene.wait(100)
    scene.call("write_off_advances")
    assert scene.layers() == (0, 1, 0, 0, 0)
    assert scene.world.fund.junior.share_epoch == 0


# ---- the gate


def test_the_gate_is_shut_while_an_advance_is_open() -> None:
    scene = in_debt_to_the_tranches(guaranty=GuarantyParameters(min_contribution=1))
    scene.wait(8 * DAY)
    assert not scene.world.gate_open
    scene.refused(errors.GateClosed, "stake", "senior", "staker", 1)
    scene.refused(errors.GateClosed, "mint", "senior", "staker", 10**6)
    scene.refused(errors.GateClosed, "roll", "senior")
    scene.call("request_redeem", "senior", "staker", 1)
    scene.join(member=5)
    scene.leave("member", 5)
    scene.call("release", "member")
    scene.call("contribute", "founder", units(40))
    assert scene.world.gate_open
    scene.call("roll", "senior")
    scene.call("stake", "senior", "staker", 1)


def test_the_treasury_waits_while_an_advance_is_open() -> None:
    funding = FundingParameters(share_at_target=500_000, share_slope=0, share_min=500_000, share_max=500_000)
    scene = in_debt_to_the_tranches(funding=funding)
    scene.world.ledger.fees += 10
    scene.world.house.tally.fees += 10
    scene.world.token.move("trader", "vault", 10)
    clear = scene.world.clone()
    scene.call("collect")
    assert scene.world.token.balances["treasury"] == 0
    scene.world = clear
    scene.call("contribute", "founder", units(40))
    scene.call("collect")
    assert scene.world.token.balances["treasury"] == 5


# ---- assets, wherever they count


def test_coverage_counts_the_reserve_at_its_haircut() -> None:
    scene = Scene(COIN, funding=FundingParameters(target_ratio=100_000))
    scene.capital(skin=10, reserve=100)
    scene.fund_account(trader=500)
    scene.trade("trader", "market_maker", 10)  # notional 1000, target 100
    assert scene.world.coverage() == MILLION  # 10 + 90
    scene.peg(0.5)
    assert scene.world.coverage() == 550_000


def test_the_cap_on_open_interest_counts_the_reserve() -> None:
    scene = Scene(COIN, funding=FundingParameters(cap_multiple=10 * MILLION, cap_floor=0))
    scene.capital(skin=10, reserve=100)
    scene.fund_account(trader=500)
    scene.trade("trader", "market_maker", 10)  # 1000 of 10 x 100
    order = scene.order("trader", True, 0.01)
    assert scene.refused(errors.OpenInterestAboveFundCap, "trade", "market_maker", order, order.size) == (
        0,
        units(1_001),
        units(1_000),
    )


def test_members_earn_beside_the_reserve() -> None:
    scene = Scene(COIN, fund=FundParameters(member_share=MILLION))
    scene.capital(skin=10, junior=50, reserve=100)
    scene.join(member=50)
    _earn(scene, 20)
    assert scene.world.guaranty.total == units(55)  # 20 x 50 / (50 + 150)
