"""Section 6.3: the reserve, its conversions, what the tranches advance for it. Dollars, by hand."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.model.stage import DOLLAR, UNIT, Stage, units, wei
from weir.model import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    World,
    dump,
    errors,
    properties,
)
from weir.model.environment import Clock, Feeds
from weir.model.fund import Cover, Fund
from weir.model.guaranty import GuarantyFund
from weir.model.house import Flag
from weir.model.numbers import ASSET_FEEDS, MILLION
from weir.model.parameters import StablecoinParameters
from weir.model.reserve import Reserve
from weir.model.stablecoins import Stablecoins
from weir.model.tranche import Tranche

MINUTE, DAY = 60, 86_400
START = 20_000 * DAY
PLENTY = 10**12  # units: more than anybody has
COIN = AssetParameters(haircut=100_000, discount=20_000)  # counts for 90 %, sold at 98 % or more
WEIGHTED = AssetParameters(haircut=100_000, discount=20_000, weight=300_000)
SHARE = AssetParameters(
    decimals=18, is_share=True, underlying_decimals=6, max_growth=0, haircut=100_000, discount=20_000
)
AMOUNTS = st.integers(0, 10**15)


class Scene(Stage):
    """A market whose traders default at will, and assets at a dollar."""

    def __init__(self, *assets: AssetParameters, **options: Any) -> None:
        super().__init__(100, budget_share=MILLION, **options)
        self.traders = 0
        for number, parameters in enumerate(assets):
            self.peg(1, number)
            self.world.set_rate(number, 1_000_000)
            self.call("set_asset", number, parameters)
        self.fund_account(market_maker=10_000)

    def peg(self, price: float | None, asset: int = 0) -> None:
        self.world.set_price(ASSET_FEEDS + asset, None if price is None else wei(price))

    def capital(self, skin: float = 0, junior: float = 0, senior: float = 0, reserve: float = 0) -> None:
        if skin:
            self.call("contribute", "founder", units(skin))
        for tranche, assets in (("junior", junior), ("senior", senior)):
            if assets:
                self.call("stake", tranche, "staker", units(assets))
        if reserve:
            self.give(reserve)

    def give(self, amount: float, asset: int = 0) -> None:
        self.call("contribute_asset", "founder", asset, units(amount))

    def lose(self, dollars: float) -> None:
        """A trader with 60 of margin defaults on this much; everything else is as before."""
        trader, self.traders = f"trader{self.traders}", self.traders + 1
        self.fund_account(**{trader: 60})
        self.trade(trader, "market_maker", 10)
        self.price(100 - (60 + dollars) / 10)
        self.deleverage(trader)
        self.price(100)

    def wait(self, seconds: int) -> None:
        self.world.advance(seconds)

    def start(self, asset: int = 0) -> None:
        self.call("start_conversion", asset)

    def buy(self, amount: float = 10**6, asset: int = 0, max_cost: int = PLENTY) -> tuple[float, float]:
        """Units and dollars of a purchase from the reserve."""
        bought, cost = self.call("buy_from_reserve", "buyer", asset, units(amount), max_cost)
        return bought / DOLLAR, cost / DOLLAR

    def sell(self, amount: float = 10**6, asset: int = 0, min_paid: int = 0) -> tuple[float, float]:
        """Units and dollars of a sale to the reserve."""
        sold, paid = self.call("sell_to_reserve", "seller", asset, units(amount), min_paid)
        return sold / DOLLAR, paid / DOLLAR

    def layers(self) -> tuple[float, ...]:
        """skin, junior, senior, advanced by junior, by senior."""
        fund = self.world.fund
        balances = fund.skin, fund.junior.balance, fund.senior.balance
        return tuple(x / DOLLAR for x in (*balances, fund.junior.advanced, fund.senior.advanced))

    def held(self, asset: int = 0) -> float:
        return self.world.fund.reserve.amounts[asset] / DOLLAR

    def refused(self, error: type[errors.Revert], method: str, *args: Any) -> tuple[Any, ...]:
        """The error's arguments; nothing has changed."""
        before = dump(self.world)
        with pytest.raises(error) as caught:
            self.call(method, *args)
        assert dump(self.world) == before
        return caught.value.args


def in_debt_to_the_tranches(*assets: AssetParameters, **options: Any) -> Scene:
    """Skin of 10 and 50 coins (45 at the haircut) have met a loss of 50: 30 + 10 of it are advanced."""
    scene = Scene(*(assets or (COIN,)), **options)
    scene.capital(skin=10, junior=30, senior=40, reserve=50)
    scene.lose(50)
    return scene


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


def _earn(scene: Scene, dollars: float) -> None:
    """A deposit for the fund's own account is income."""
    scene.call("deposit", "patron", "fund", units(dollars))
    scene.call("collect")


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


# ---- gifts


def test_a_gift_of_an_asset() -> None:
    scene = Scene(AssetParameters(haircut=100_000, reserve_cap=units(60)))
    scene.give(50)
    assert scene.world.fund.reserve.value() == units(45)
    assert scene.refused(errors.CapExceeded, "contribute_asset", "founder", 0, units(10) + 1) == (
        0,
        units(60) + 1,
        units(60),
    )
    scene.give(10)
    assert dump(scene.world)["reserve.amount[0]"] == units(60)
    assert dump(scene.world)["reserve.held[0]"] == units(60)


def test_a_gift_waits_while_an_advance_is_open() -> None:
    """Else dust could keep a reserve without any price from being written off."""
    scene = in_debt_to_the_tranches()
    assert scene.refused(errors.AdvanceOpen, "contribute_asset", "founder", 0, 1) == ()


# ---- weights and bands


@pytest.mark.parametrize(
    ("skin", "held", "outcome"),
    [  # W = 100: target 30, band 2
        (68, 32, None),
        (67.999999, 32.000001, False),
        (72, 28, None),
        (72.000001, 27.999999, True),
        (100, 0, True),
        (0, 100, False),
    ],
)
def test_a_conversion_starts_beyond_the_band(skin: float, held: float, outcome: bool | None) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=skin, reserve=held)
    if outcome is None:
        assert scene.refused(errors.NothingToConvert, "start_conversion", 0) == (0,)
        return
    scene.start()
    assert scene.world.fund.reserve.auctions[0].buying is outcome


def test_an_advance_sells_within_the_band_too() -> None:
    scene = in_debt_to_the_tranches(AssetParameters(haircut=100_000, discount=20_000, weight=MILLION))
    scene.start()
    assert scene.buy() == (40, 40)
    scene.refused(errors.NothingToConvert, "buy_from_reserve", "buyer", 0, 1, PLENTY)


def test_a_band_wider_than_the_target_means_no_purchase() -> None:
    scene = Scene(AssetParameters(weight=10_000))
    scene.capital(skin=100)
    scene.refused(errors.NothingToConvert, "start_conversion", 0)


def test_the_weight_is_of_skin_and_all_assets_without_haircuts() -> None:
    scene = Scene(WEIGHTED, COIN)
    scene.capital(skin=40, junior=1_000, senior=1_000)
    scene.give(60, asset=1)
    scene.start()
    assert scene.sell() == (30, 30)


@pytest.mark.parametrize(
    ("seconds", "paid"),
    [(0, 30), (MINUTE, 30.01998), (15 * MINUTE, 30.3), (30 * MINUTE, 30.6), (3_599, 30.6)],
)
def test_the_reserve_pays_more_the_longer_it_waits(seconds: int, paid: float) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    scene.wait(seconds)
    assert scene.sell() == (30, paid)
    assert (scene.held(), scene.layers()[0]) == (30, pytest.approx(100 - paid))
    assert scene.world.token.balances["seller"] == units(paid)


@pytest.mark.parametrize(
    ("seconds", "sold", "cost"),
    [(0, 20, 20), (15 * MINUTE, 20.202021, 20.000001), (3_599, 20.408164, 20.000001)],
)
def test_the_reserve_sells_down_to_its_weight(seconds: int, sold: float, cost: float) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=50, reserve=50)
    scene.start()
    scene.wait(seconds)
    assert scene.buy() == (sold, cost)
    assert scene.layers()[0] == 50 + cost


def test_a_purchase_ends_at_the_weight() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    assert scene.sell(10) == (10, 10)
    assert scene.sell(50) == (20, 20)
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)


def test_an_auction_whose_reason_is_gone_converts_nothing() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    scene.give(50)
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)
    scene.start()
    scene.call("contribute", "founder", units(100))
    scene.refused(errors.NothingToConvert, "buy_from_reserve", "buyer", 0, 1, PLENTY)


def test_a_purchase_ends_at_the_cap() -> None:
    scene = Scene(AssetParameters(weight=300_000, reserve_cap=units(12)))
    scene.capital(skin=100)
    scene.start()
    assert scene.sell() == (12, 12)
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)
    scene.call("set_asset", 0, AssetParameters(weight=300_000, reserve_cap=units(10)))
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, 0)


def test_a_purchase_ends_where_skin_does() -> None:
    scene = Scene(WEIGHTED, COIN)
    scene.capital(skin=1)
    scene.give(99, asset=1)
    scene.start()
    scene.wait(30 * MINUTE)
    assert scene.sell() == (0.980392, 0.999999)  # 1 / 1.02
    assert scene.layers()[0] == 0.000001
    scene.call("contribute", "founder", 1)
    assert scene.sell() == (0.000001, 0.000001)


@pytest.mark.parametrize("price", [0.994999, None])
def test_nothing_is_bought_off_its_peg(price: float | None) -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.peg(price)
    assert scene.refused(errors.OffPeg, "start_conversion", 0) == (0,)
    scene.peg(0.995)
    scene.start()
    assert scene.sell(10) == (10, 9.95)
    scene.peg(price)
    assert scene.refused(errors.OffPeg, "sell_to_reserve", "seller", 0, 1, 0) == (0,)


def test_what_is_off_its_peg_is_sold() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(reserve=100)
    scene.peg(0.5)  # 50, of which 15 may stay
    scene.start()
    assert scene.buy() == (70, 35)


def test_nothing_counts_for_more_than_a_dollar() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.peg(1.25)
    scene.start()
    assert scene.sell() == (30, 30)


def test_nothing_is_bought_while_the_gate_is_shut() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.refused(errors.GateClosed, "start_conversion", 0)
    del scene.world.house.flags["trader"]
    scene.start()
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.refused(errors.GateClosed, "sell_to_reserve", "seller", 0, 1, 0)


def test_sales_go_on_while_the_gate_is_shut() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=50, reserve=50)
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.start()
    assert scene.buy(5) == (5, 5)


# ---- auctions


def test_an_auction_runs_for_an_hour_and_starts_anew() -> None:
    scene = in_debt_to_the_tranches()
    scene.start()
    end = scene.world.clock.time + 3_600
    assert scene.refused(errors.AuctionRunning, "start_conversion", 0) == (0, end)
    scene.wait(3_599)
    scene.refused(errors.AuctionRunning, "start_conversion", 0)
    assert scene.buy(1) == (1, 0.98)
    scene.wait(1)
    assert scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 0, 1, PLENTY) == (0,)
    scene.start()
    assert scene.buy(1) == (1, 1)


def test_an_auction_of_the_other_direction_ends() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=50, reserve=50)
    scene.start()
    scene.call("contribute", "founder", units(1_000))
    scene.refused(errors.AuctionNotRunning, "sell_to_reserve", "seller", 0, 1, 0)
    scene.wait(MINUTE)
    scene.start()
    scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 0, 1, PLENTY)
    assert scene.sell(10) == (10, 10)  # it has begun anew
    scene.give(1_000)
    scene.start()
    scene.refused(errors.AuctionNotRunning, "sell_to_reserve", "seller", 0, 1, 0)
    assert scene.buy(1) == (1, 1)


def test_a_sale_by_weight_becomes_one_for_the_advances() -> None:
    """An auction that runs when an advance opens serves it, at its own price."""
    scene = Scene(WEIGHTED)
    scene.capital(junior=100, reserve=50)
    scene.start()
    scene.lose(45)
    off = 20_000 * (scene.world.clock.time - scene.world.fund.reserve.auctions[0].started_at) // 1_800
    assert scene.world.fund.owed == units(45)
    bought, cost = scene.buy()
    assert bought == pytest.approx(45 / (1 - off / MILLION), abs=1e-6)
    assert cost == pytest.approx(45, abs=2e-6)
    assert scene.world.fund.owed == 0


def test_assets_are_converted_each_by_itself() -> None:
    scene = Scene(COIN, COIN)
    scene.capital(junior=90, reserve=50)
    scene.give(50, asset=1)
    scene.lose(80)
    scene.start()
    scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 1, 1, PLENTY)
    scene.wait(30 * MINUTE)
    scene.start(1)
    assert scene.buy(10) == (10, 9.8)
    assert scene.buy(10, asset=1) == (10, 10)


def test_a_limit_on_the_cost() -> None:
    scene = in_debt_to_the_tranches()
    scene.start()
    args = ("buy_from_reserve", "buyer", 0, units(10))
    assert scene.refused(errors.CostAboveMax, *args, units(10) - 1) == (units(10), units(10) - 1)
    assert scene.buy(10, max_cost=units(10)) == (10, 10)


def test_a_limit_on_the_payment() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100)
    scene.start()
    args = ("sell_to_reserve", "seller", 0, units(10))
    assert scene.refused(errors.PaymentBelowMin, *args, units(10) + 1) == (units(10), units(10) + 1)
    assert scene.sell(10, min_paid=units(10)) == (10, 10)


def test_what_is_wrong_first_is_told_first() -> None:
    """In each list, a call that breaks the rule named and all that follow it."""
    scene = Scene(WEIGHTED)
    scene.refused(errors.ZeroAmount, "contribute_asset", "founder", 9, 0)
    scene.refused(errors.UnknownAsset, "contribute_asset", "founder", 9, PLENTY)
    scene.refused(errors.UnknownAsset, "start_conversion", 9)
    scene.refused(errors.UnknownAsset, "buy_from_reserve", "buyer", 9, 0, 0)
    scene.refused(errors.ZeroAmount, "buy_from_reserve", "buyer", 0, 0, 0)
    scene.refused(errors.AuctionNotRunning, "buy_from_reserve", "buyer", 0, 1, 0)
    scene.refused(errors.UnknownAsset, "sell_to_reserve", "seller", 9, 0, PLENTY)
    scene.refused(errors.ZeroAmount, "sell_to_reserve", "seller", 0, 0, PLENTY)
    scene.refused(errors.AuctionNotRunning, "sell_to_reserve", "seller", 0, 1, PLENTY)
    scene.capital(skin=50, reserve=50)
    scene.start()
    scene.buy()
    scene.peg(None)
    scene.refused(errors.NoPrice, "buy_from_reserve", "buyer", 0, 1, 0)
    scene.peg(1)
    scene.refused(errors.NothingToConvert, "buy_from_reserve", "buyer", 0, 1, 0)
    scene.call("contribute", "founder", units(1_000))
    scene.start()
    scene.peg(0.5)
    scene.world.house.flags["trader"] = Flag(START, insolvent=True)
    scene.refused(errors.GateClosed, "start_conversion", 0)
    scene.refused(errors.GateClosed, "sell_to_reserve", "seller", 0, 1, PLENTY)
    del scene.world.house.flags["trader"]
    scene.refused(errors.OffPeg, "start_conversion", 0)
    scene.refused(errors.OffPeg, "sell_to_reserve", "seller", 0, 1, PLENTY)
    scene.peg(1)
    scene.refused(errors.AuctionRunning, "start_conversion", 0)
    scene.sell()
    scene.refused(errors.NothingToConvert, "sell_to_reserve", "seller", 0, 1, PLENTY)


def test_a_conversion_vests_first() -> None:
    scene = Scene(WEIGHTED)
    scene.capital(skin=100, junior=100)
    _earn(scene, 10)
    scene.start()
    scene.wait(MINUTE)
    scene.sell(10)
    assert scene.world.fund.since == scene.world.clock.time
    scene.give(100)
    scene.start()
    scene.wait(MINUTE)
    scene.buy(10)
    assert scene.world.fund.since == scene.world.clock.time


# ---- shares of vaults


def test_a_share_counts_for_what_it_stands_for() -> None:
    scene = Scene(COIN, SHARE)
    scene.world.set_rate(1, 1_100_000)
    scene.call("set_asset", 1, SHARE)
    scene.call("contribute_asset", "founder", 1, 10 * 10**18)
    assert scene.world.fund.reserve.value() == units(9.9)  # 11 at the haircut
    scene.world.set_rate(1, 2_200_000)  # a donation to the vault
    assert scene.world.fund.reserve.value() == units(9.9)
    scene.world.set_rate(1, 550_000)
    assert scene.world.fund.reserve.value() == units(4.95)
    scene.peg(0.8, 1)
    assert scene.world.fund.reserve.value() == units(3.96)


def test_shares_are_sold_at_their_price() -> None:
    scene = Scene(COIN, SHARE)
    scene.world.set_rate(1, 1_250_000)
    scene.call("set_asset", 1, SHARE)
    scene.capital(junior=100)
    scene.call("contribute_asset", "founder", 1, 40 * 10**18)  # 50, counted as 45
    scene.lose(45)
    scene.start(1)
    scene.wait(30 * MINUTE)
    bought, cost = scene.call("buy_from_reserve", "buyer", 1, 100 * 10**18, PLENTY)
    assert (bought, cost) == (36_734_693_877_551_020_409, units(45) + 1)  # 45 / (1.25 x 0.98), both up
    assert scene.layers() == (0.000001, 100, 0, 0, 0)


def test_shares_are_bought_at_their_price() -> None:
    weighted = AssetParameters(decimals=18, is_share=True, max_growth=0, discount=20_000, weight=500_000)
    scene = Scene(weighted)
    scene.world.set_rate(0, 1_250_000)
    scene.call("set_asset", 0, weighted)
    scene.capital(skin=100)
    scene.start()
    scene.wait(30 * MINUTE)
    assert scene.call("sell_to_reserve", "seller", 0, 10**21, 0) == (40 * 10**18, units(51))


def test_the_peg_of_a_share_is_that_of_its_stablecoin() -> None:
    weighted = AssetParameters(decimals=18, is_share=True, weight=500_000)
    scene = Scene(weighted)
    scene.capital(skin=100)
    scene.world.set_rate(0, 1_250_000)
    scene.call("set_asset", 0, weighted)
    scene.peg(0.99)  # a share is worth 1.2375
    scene.refused(errors.OffPeg, "start_conversion", 0)
    scene.peg(1)
    scene.world.set_rate(0, 500_000)
    scene.start()
    assert scene.call("sell_to_reserve", "seller", 0, 10**21, 0) == (100 * 10**18, units(50))


def test_a_vault_that_does_not_answer_leaves_its_share_without_a_price() -> None:
    """Its stablecoin holds its peg, but nobody could say what to pay for the share."""
    weighted = AssetParameters(decimals=18, is_share=True, weight=500_000)
    scene = Scene(weighted)
    scene.capital(skin=100)
    scene.start()
    scene.world.set_rate(0, None)
    scene.refused(errors.OffPeg, "sell_to_reserve", "seller", 0, 1, 0)
    scene.wait(3_600)
    scene.refused(errors.OffPeg, "start_conversion", 0)


# ---- the properties can fail


@pytest.fixture
def advanced() -> World:
    return in_debt_to_the_tranches().world


def test_missing_tokens_are_seen(advanced: World) -> None:
    advanced.tokens[0].move("reserve", "thief", 1)
    assert "P1 reserve 0" in _broken(properties.check(advanced))


def test_an_advance_that_skin_could_repay_is_seen(advanced: World) -> None:
    advanced.fund.skin += 1
    assert "advances and skin" in _broken(properties.check(advanced))


def test_an_advance_that_nothing_stands_for_is_seen(advanced: World) -> None:
    advanced.fund.reserve.amounts[0] = 0
    assert "advances without a reserve" in _broken(properties.check(advanced))


def test_an_advance_charged_as_a_loss_is_seen() -> None:
    scene = Scene(COIN)
    scene.capital(skin=10, junior=30, senior=40, reserve=50)
    before = properties.Moment.of(scene.world)
    scene.lose(50)
    assert _broken(properties.share_prices(before, scene.world)) == set()
    scene.world.fund.junior.advanced = 0
    assert _broken(properties.share_prices(before, scene.world)) == {"P7 junior"}
    scene.world.fund.junior.share_epoch += 1
    assert _broken(properties.share_prices(before, scene.world)) == {"P7 junior"}


def test_a_sale_beneath_the_discount_is_seen(advanced: World) -> None:
    before = properties.Moment.of(advanced)
    advanced.fund.reserve.amounts[0] -= units(10)
    advanced.fund.skin += units(9.8)
    assert _broken(properties.rebalances(before, advanced)) == set()
    advanced.fund.skin -= 1
    assert _broken(properties.rebalances(before, advanced)) == {"rebalance"}


def test_a_purchase_beyond_the_discount_is_seen(advanced: World) -> None:
    before = properties.Moment.of(advanced)
    advanced.fund.reserve.amounts[0] += units(10)
    advanced.fund.skin -= units(10.2)
    assert _broken(properties.rebalances(before, advanced)) == set()
    advanced.fund.skin -= 1
    assert _broken(properties.rebalances(before, advanced)) == {"rebalance"}


def _broken(checks: list[properties.Check]) -> set[str]:
    return {check.name for check in checks if not check.holds}
