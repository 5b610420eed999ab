"""P8: accounts of one owner, alone in a market that jumps as they please, gain at most what the fund owes."""

from random import Random

import pytest

from tests.model.stage import DOLLAR, NEVER, UNIT
from weir.model import (
    WAD,
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Order,
    Revert,
    World,
    properties,
)
from weir.model.numbers import ASSET_FEEDS

CLUB = ("puppet0", "puppet1", "puppet2", "banker")
HONEST, THIN = 0, 1
DUST = 1_000  # wei of size that deleveraging may leave without a counterpart


class Club:
    """Colluders who make the price, trade among themselves, sell each other, and pick who settles when."""

    def __init__(
        self,
        seed: int,
        coinsurance: int,
        maturity: int,
        budget_share: int,
        funding: FundingParameters | None = None,
        guaranty: GuarantyParameters | None = None,
    ) -> None:
        self.random = Random(seed)
        world = self.world = World(
            fund=FundParameters(skin_target=50 * DOLLAR),
            liquidation=LiquidationParameters(bounty_max=30_000),
            funding=funding,
            guaranty=guaranty,
        )
        for market, price in ((HONEST, 20_000), (THIN, 10)):
            world.set_price(market, price * UNIT)
            world.add_market(
                MarketParameters(), coinsurance=coinsurance, maturity=maturity, budget_share=budget_share
            )
        for account in ("bull", "bear"):
            world.deposit(account, account, 20_000 * DOLLAR)
        world.contribute("founder", 100 * DOLLAR)
        world.stake("junior", "staker", 500 * DOLLAR)
        world.stake("senior", "staker", 2_000 * DOLLAR)
        world.trade("bear", Order("bull", HONEST, True, 5 * UNIT, 20_000 * UNIT, NEVER), 5 * UNIT)
        for account in CLUB:
            world.deposit(account, account, (10_000 if account == "banker" else 100) * DOLLAR)
        self.start = world.clone()

    def attempt(self, method: str, *args: object) -> None:
        try:
            getattr(self.world, method)(*args)
        except Revert:
            return
        assert all(check.holds for check in properties.check(self.world))

    def jump(self) -> None:
        last = self.world.house.markets[THIN].price
        self.world.advance(self.random.choice((1, 60, 700, 100_000)))
        self.world.set_price(
            THIN, max(UNIT // 100, int(last * self.random.choice((0.5, 0.9, 0.98, 1.02, 1.1, 1.6))))
        )

    def trade(self, maker: str, taker: str, is_buy: bool, size: int) -> None:
        feed = self.world.feeds.prices[THIN] or 0
        price = feed * self.random.randint(951, 1_049) // 1_000
        order = Order(maker, THIN, is_buy, size, price, NEVER, salt=self.random.getrandbits(64))
        self.attempt("trade", taker, order, size)

    def step(self) -> None:
        r = self.random
        one, other = r.sample(CLUB, 2)
        some = r.sample(CLUB, r.randint(0, len(CLUB)))
        match r.randrange(9):
            case 0 | 1:
                equity = max(0, self.world.house.health(one).equity, self.world.house.health(other).equity)
                size = (
                    int(equity * r.uniform(1, 19))
                    * UNIT
                    * UNIT
                    // DOLLAR
                    // self.world.house.markets[THIN].price
                )
                self.trade(one, other, r.random() < 0.5, size)
            case 2:
                self.jump()
            case 3:
                self.attempt("settle", some)
            case 4:
                self.attempt("flag", one)
            case 5:
                self.attempt("liquidate", other, one, r.choice((WAD, r.randint(1, WAD))), some)
            case 6:
                self.attempt("deleverage", one, some)
            case 7:
                cash = self.world.ledger.cash[one]
                self.attempt("withdraw", one, r.choice((cash, r.randint(1, DOLLAR))), one, some)
            case _:
                self.attempt("deposit", one, one, r.randint(1, 50 * DOLLAR))

    def go_flat(self) -> None:
        """Trades everything back, rescuing whoever lacks the cash to do so; sells those beyond rescue."""
        house = self.world.house
        for _ in range(40):
            for account in CLUB:
                self.attempt("flag", account)
            self.world.advance(house.liquidation.auction_duration + 1)
            for account in CLUB:
                self.attempt("deleverage", account, ())
            self.attempt("settle", CLUB)
            house = self.world.house
            sizes = {account: house.signed_size(account, THIN) for account in CLUB}
            longs = [a for a in CLUB if sizes[a] > DUST]
            shorts = [a for a in CLUB if sizes[a] < -DUST]
            if not longs and not shorts:
                return
            if longs and shorts:
                size = min(sizes[longs[0]], -sizes[shorts[0]])
                price = house.markets[THIN].price
                order = Order(longs[0], THIN, False, size, price, NEVER, salt=self.random.getrandbits(64))
                self.attempt("deposit", longs[0], longs[0], 100 * DOLLAR)
                self.attempt("deposit", shorts[0], shorts[0], 100 * DOLLAR)
                self.attempt("trade", shorts[0], order, size)
        raise AssertionError(f"never flat: {sizes}")


CHARGED = FundingParameters(
    premium_min=500_000, max_scarcity=2_000, max_leverage=5_000, tier_rates=(0, 100, 500, 2_000, 9_000)
)


@pytest.mark.parametrize("budget_share", [0, 20_000, 1_000_000])
@pytest.mark.parametrize(
    ("coinsurance", "maturity", "funding"),
    [
        (0, 0, None),
        (500_000, 3_600, None),
        (1_000_000, 86_400, None),
        (0, 0, CHARGED),
        (500_000, 3_600, CHARGED),
    ],
)
def test_colluders_gain_at_most_what_the_fund_owes(
    coinsurance: int, maturity: int, funding: FundingParameters | None, budget_share: int
) -> None:
    paid = 0
    for seed in range(6):
        club = Club(seed, coinsurance, maturity, budget_share, funding)
        for _ in range(150):
            club.step()
        club.go_flat()
        world = club.world
        check = properties.no_free_lunch(club.start, world, CLUB, [THIN])
        assert check.holds, (seed, check)
        paid += sum(record.from_fund for record in world.fund.defaults)
        assert world.ledger.cash["bull"] == club.start.ledger.cash["bull"]
        assert world.ledger.cash["bear"] == club.start.ledger.cash["bear"]
        assert world.ledger.markets[HONEST] == club.start.ledger.markets[HONEST]
    assert (paid > 0) == (budget_share > 0)


class Members(Club):
    """The same, who join and leave the guaranty fund as well, in which there are honest members."""

    def __init__(self, seed: int, loss_share: int, budget_share: int) -> None:
        terms = GuarantyParameters(
            notice_period=700, exit_window=100_000, loss_share=loss_share, loss_window=86_400
        )
        super().__init__(seed, 200_000, 3_600, budget_share, None, terms)
        for account, dollars in (("bull", 2_000), ("banker", 500)):
            self.world.join(account, account, dollars * DOLLAR)
        self.start = self.world.clone()

    def step(self) -> None:
        r, account = self.random, self.random.choice(CLUB)
        match r.randrange(12):
            case 0:
                self.attempt("join", r.choice(CLUB), account, r.randint(1, 200 * DOLLAR))
            case 1:
                self.attempt("request_exit", account, r.randint(0, 200 * DOLLAR))
            case 2:
                self.attempt("release", account)
            case _:
                super().step()


@pytest.mark.parametrize("budget_share", [0, 20_000])
@pytest.mark.parametrize("loss_share", [0, 100_000, 1_000_000])
def test_colluders_gain_at_most_what_the_members_owe(loss_share: int, budget_share: int) -> None:
    own = mutual = 0
    for seed in range(6):
        club = Members(seed, loss_share, budget_share)
        for _ in range(200):
            club.step()
        club.go_flat()
        world, records = club.world, club.world.fund.defaults
        check = properties.no_free_lunch(club.start, world, CLUB, [THIN])
        assert check.holds, (seed, check)
        borne = sum(record.mutual for record in records)
        assert world.guaranty_balance("bull") >= club.start.guaranty_balance("bull") - borne
        own, mutual = own + sum(record.own for record in records), mutual + borne
    assert own > 0
    assert (mutual > 0) == (loss_share > 0)


class Pledgers(Club):
    """The same over collateral whose price jumps as they please, which they sell to each other."""

    def __init__(self, seed: int, discount: int, budget_share: int) -> None:
        super().__init__(seed, 200_000, 0, budget_share)
        for asset, decimals in enumerate((6, 18)):
            self.world.set_price(ASSET_FEEDS + asset, UNIT)
            self.world.set_asset(asset, AssetParameters(decimals=decimals, discount=discount))
            for account in CLUB:
                self.world.deposit_collateral(account, asset, 200 * 10**decimals)
        self.start = self.world.clone()

    def step(self) -> None:
        r, world = self.random, self.world
        one, other = r.sample(CLUB, 2)
        asset = r.randrange(2)
        held = world.collateral.held[one][asset]
        match r.randrange(14):
            case 0 | 1:
                price = r.choice((UNIT, UNIT, UNIT // 2, 99 * UNIT // 100, None))
                world.set_price(ASSET_FEEDS + asset, price)
            case 2:
                self.attempt("deposit_collateral", one, asset, r.randint(1, 50 * 10 ** (6 + 12 * asset)))
            case 3:
                self.attempt("withdraw_collateral", one, asset, r.choice((held, r.randint(0, held))), [other])
            case 4:
                self.attempt("start_sale", one)
            case 5 | 6:
                self.attempt(
                    "buy_collateral", other, one, asset, r.choice((held, r.randint(0, held))), 10**40
                )
            case _:
                super().step()


@pytest.mark.parametrize("budget_share", [0, 20_000, 1_000_000])
@pytest.mark.parametrize("discount", [0, 50_000])
def test_colluders_gain_nothing_more_by_collateral(discount: int, budget_share: int) -> None:
    sold = recovered = 0
    for seed in range(6):
        club = Pledgers(seed, discount, budget_share)
        for _ in range(300):
            club.step()
        club.go_flat()
        world = club.world
        for asset in range(2):
            world.set_price(ASSET_FEEDS + asset, UNIT)
        check = properties.no_free_lunch(club.start, world, CLUB, [THIN])
        assert check.holds, (seed, check)
        assert world.ledger.cash["bull"] == club.start.ledger.cash["bull"]
        assert world.ledger.markets[HONEST] == club.start.ledger.markets[HONEST]
        sold += len(world.collateral.conversions)
        recovered += sum(world.fund.recovered.values())
    assert sold > 0
    assert (recovered > 0) == (budget_share > 0)
