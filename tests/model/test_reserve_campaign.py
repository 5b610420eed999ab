"""Seeded random campaigns with a reserve: every property after every step, through advances and their ends.

Their traders pledge collateral too.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache

import pytest

from tests.model.driver import TRANCHES, UNIT, Campaign, Setting, counted
from weir.model import AssetParameters, GuarantyParameters, World
from weir.model.numbers import ASSET_FEEDS

STEPS = 1_200
SEEDS = (20, 21, 22)
CAPS = 40_000
COIN = AssetParameters(haircut=100_000, discount=50_000, weight=300_000, reserve_cap=CAPS * 10**6)
OTHER = AssetParameters(decimals=18, haircut=20_000, discount=20_000, weight=200_000)
SHARE = AssetParameters(
    decimals=18, is_share=True, haircut=150_000, discount=30_000, max_growth=10**6, weight=400_000
)
OF_SETTLEMENT = AssetParameters(decimals=2, is_share=True, of_settlement=True, weight=100_000)
BASE = Setting(gap=0.5, gaps=0.4, budget_share=1_000_000, fund_dollars=3_000, traders=6)
SETTINGS = {
    "one coin": replace(BASE, assets=(COIN,), depegs=0.05),
    "a coin that seldom holds": replace(BASE, assets=(OTHER,), depegs=0.5, decimals=18),
    "coins and shares": replace(BASE, assets=(COIN, OTHER, SHARE, OF_SETTLEMENT), fund_dollars=1_000),
    "members": replace(
        BASE,
        assets=(COIN, SHARE),
        decimals=8,
        guaranty=GuarantyParameters(notice_period=7_200, exit_window=2 * 86_400, min_contribution=1_000),
        member_share=500_000,
        coinsurance=100_000,
    ),
    "a market's own budget": replace(BASE, assets=(COIN, OTHER), budget_share=200_000, maturity=3_600),
    "small fund, all of it a coin": replace(
        BASE, assets=(replace(COIN, weight=1_000_000),), fund_dollars=50, gap=0.6
    ),
}
PATHS = {
    "advance",
    "advance by senior",
    "advance beside a loss of the tranches",
    "second advance",
    "advance for a bounty",
    "repaid by a sale",
    "repaid by income",
    "repaid by a gift",
    "repaid by a recovery",
    "tranche kept by its advance",
    "written off by a sale",
    "written off by governance",
    "wiped out by a write-off",
    "sold for an advance",
    "sold by weight",
    "bought by weight",
    "bought up to what skin can pay",
    "auction turned",
    "auction restarted",
    "reserve worth less than is owed",
}
REFUSALS = {
    "give_asset: CapExceeded",
    "give_asset: ZeroAmount",
    "start_conversion: AuctionRunning",
    "start_conversion: GateClosed",
    "start_conversion: NothingToConvert",
    "start_conversion: OffPeg",
    "buy_from_reserve: AuctionNotRunning",
    "buy_from_reserve: CostAboveMax",
    "buy_from_reserve: NoPrice",
    "buy_from_reserve: NothingToConvert",
    "sell_to_reserve: AuctionNotRunning",
    "sell_to_reserve: GateClosed",
    "sell_to_reserve: NothingToConvert",
    "sell_to_reserve: OffPeg",
    "sell_to_reserve: PaymentBelowMin",
    "write_off_advances: AdvancesBacked",
    "write_off_advances: NoAdvance",
    "stake: GateClosed",
    "roll: GateClosed",
}


@dataclass
class ReserveCampaign(Campaign):
    """The driver, with givers to the reserve, and arbitrageurs who trade with it."""

    action: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for asset in range(len(self.setting.assets)):
            self._give(asset, self.setting.fund_dollars // 2)

    def attempt(self, action: Callable[[], None]) -> bool:
        self.action = action.__name__
        return super().attempt(action)

    def _give(self, asset: int, dollars: int) -> None:
        units = dollars * 10 ** self.setting.assets[asset].decimals
        self._call("contribute_asset", "founder", asset, units)

    # ---- what can happen besides

    def actions(self) -> list[tuple[Callable[[], None], int]]:
        return [
            *super().actions(),
            (self.give_asset, 3),
            (self.give, 3),
            (self.start_conversion, 12),
            (self.buy_from_reserve, 12),
            (self.sell_to_reserve, 10),
            (self.write_off_advances, 4),
            (self.recover, 3),
            (self.hold_pegs, 8),
            (self.sell_out, 2),
        ]

    def give_asset(self) -> None:
        asset, most = self._asset(), self.setting.fund_dollars
        self._give(asset, self.random.choice((0, self.random.randint(0, most), CAPS + 1)))

    def give(self) -> None:
        most = self.setting.fund_dollars * self.dollar // 5
        self._call("contribute", "founder", self.random.choice((1, self.random.randint(1, most))))

    def hold_pegs(self) -> None:
        """What has been off its peg comes back."""
        for asset in range(len(self.setting.assets)):
            self.world.set_price(ASSET_FEEDS + asset, UNIT)
            self.world.set_rate(asset, 11 * self._whole(asset) // 10)

    def sell_out(self) -> None:
        """All assets fall, and whoever may buy one takes all of it."""
        self._peg(UNIT // self.random.randint(2, 10))
        reserve, now = self.world.fund.reserve, self.world.clock.time
        duration = self.world.stablecoins.parameters.sale_duration
        for asset in [a for a, amount in reserve.amounts.items() if amount]:
            auction = self.world.fund.reserve.auctions.get(asset)
            if auction is None or auction.buying or not auction.running(now, duration):
                self._call("start_conversion", asset)
            self._call("buy_from_reserve", "arbitrageur", asset, 10**40, 10**40)

    def _peg(self, price: int | None) -> None:
        for asset in range(len(self.setting.assets)):
            self.world.set_price(ASSET_FEEDS + asset, price)
            self.world.set_rate(asset, price and self._whole(asset))

    def start_conversion(self) -> None:
        self._call("start_conversion", self._asset())

    def _converting(self, *, buying: bool) -> int:
        """An asset whose last auction is in this direction, where there is one."""
        auctions = self.world.fund.reserve.auctions
        if self.random.random() < 0.3:
            self.world.advance(self.random.randint(1, 1_800))
        found = [asset for asset, auction in auctions.items() if auction.buying == buying]
        return self.random.choice(found * 5 + [self._asset()])

    def buy_from_reserve(self) -> None:
        asset, r = self._converting(buying=False), self.random
        held = self.world.fund.reserve.amounts[asset]
        amount = r.choice((2 * held, 2 * held, held // 3, r.randint(0, held)))
        most = r.choice((10**40, 10**40, 10**40, r.randint(0, self.setting.fund_dollars * self.dollar)))
        self._call("buy_from_reserve", "arbitrageur", asset, amount, most)

    def sell_to_reserve(self) -> None:
        asset, r = self._converting(buying=True), self.random
        whole = 10 ** self.setting.assets[asset].decimals
        amount = r.choice((10**30, 10**30, r.randint(0, self.setting.fund_dollars * whole // 5), 3))
        least = r.choice((0, 0, 0, r.randint(0, self.setting.fund_dollars * self.dollar)))
        self._call("sell_to_reserve", "arbitrageur", asset, amount, least)

    def write_off_advances(self) -> None:
        if self.random.random() < 0.4:
            self._peg(None)
        self._call("write_off_advances")

    # ---- what has happened

    def _observe(self, before: World) -> None:
        super()._observe(before)
        self._observe_advances(before)
        self._observe_conversions(before)

    def _observe_advances(self, before: World) -> None:
        seen, fund, past = self.seen, self.world.fund, before.fund
        grown, repaid = fund.owed > past.owed, fund.owed < past.owed
        borne = sum(record.junior + record.senior for record in fund.defaults[len(past.defaults) :])
        written_off = any(
            self.world.tranche(name).written_off > before.tranche(name).written_off for name in TRANCHES
        )
        wiped = any(
            self.world.tranche(name).share_epoch > before.tranche(name).share_epoch for name in TRANCHES
        )
        kept = any(t.supply and t.advanced and not t.balance for t in (fund.junior, fund.senior))
        seen["advance"] += grown
        seen["advance by senior"] += fund.senior.advanced > past.senior.advanced
        seen["advance beside a loss of the tranches"] += grown and borne > 0
        seen["second advance"] += grown and past.owed > 0
        seen["advance for a bounty"] += grown and self.action == "liquidate" and not borne
        names = {"buy_from_reserve": "a sale", "sell_out": "a sale", "collect": "income", "give": "a gift"}
        names |= {"recover": "a recovery", "buy_collateral": "a recovery", "join": "income"}
        seen[f"repaid by {names.get(self.action, self.action)}"] += repaid and not written_off
        seen["tranche kept by its advance"] += kept
        seen["written off by a sale"] += written_off and self.action in ("buy_from_reserve", "sell_out")
        seen["written off by governance"] += written_off and self.action == "write_off_advances"
        seen["wiped out by a write-off"] += written_off and wiped
        seen["reserve worth less than is owed"] += 0 < fund.reserve.value() < fund.owed

    def _observe_conversions(self, before: World) -> None:
        seen, fund, past = self.seen, self.world.fund, before.fund
        seen["sold for an advance"] += self.action == "buy_from_reserve" and past.owed > 0
        seen["sold by weight"] += self.action == "buy_from_reserve" and past.owed == 0
        bought = self.action == "sell_to_reserve"
        seen["bought by weight"] += bought
        seen["bought up to what skin can pay"] += bought and fund.skin * 10**4 < past.skin
        if self.action == "start_conversion":
            for asset, auction in fund.reserve.auctions.items():
                last = past.reserve.auctions.get(asset)
                seen["auction turned"] += last is not None and last.buying != auction.buying
                fresh = last is not None and last.started_at != auction.started_at
                seen["auction restarted"] += last is not None and fresh and last.buying == auction.buying


@cache
def campaign(name: str, seed: int) -> ReserveCampaign:
    run = ReserveCampaign(SETTINGS[name], seed)
    run.run(STEPS)
    run.finish()
    return run


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_every_property_holds_after_every_step(name: str, seed: int) -> None:
    run = campaign(name, seed)
    assert sum(run.done.values()) > STEPS // 4


def test_campaigns_reach_every_path() -> None:
    """Else the campaigns above would prove less than they seem to."""
    runs = [campaign(name, seed) for name in SETTINGS for seed in SEEDS]
    seen, done, refused = counted(runs)
    assert {path for path in PATHS if not seen[path]} == set()
    assert REFUSALS - set(refused) == set()
    assert {"give_asset", "start_conversion", "buy_from_reserve", "sell_to_reserve"} - set(done) == set()
