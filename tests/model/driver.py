"""A seeded random driver of the model: traders, keepers, stakers, gaps; every property after every step."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from random import Random

from weir.layers import WATERFALL
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
from weir.model.markets import Status
from weir.model.numbers import ASSET_FEEDS
from weir.model.properties import Check

UNIT = 10**18  # of size and price
FOREVER = 2**40 - 1
TRANCHES = ("junior", "senior")


@dataclass(frozen=True)
class Setting:
    """One kind of world to drive."""

    decimals: int = 6
    prices: tuple[int, ...] = (20_000, 1_500)  # dollars, one market each
    traders: int = 8
    maturity: int = 0
    coinsurance: int = 0
    budget_share: int = 100_000
    fund_dollars: int = 2_000
    min_notional_dollars: int = 0
    gap: float = 0.25  # of the price, the largest jump
    gaps: float = 0.1  # probability of one at each price move
    feed_failures: float = 0.01
    settling: int = 10  # how often accounts are settled without need, relative to other calls
    governance: bool = False  # pauses, and closes markets whose feed has died
    funding: FundingParameters | None = None  # and a poster of targets and tiers
    guaranty: GuarantyParameters | None = None  # and members who join, leave, and are paid back
    member_dollars: int = 100  # the largest contribution
    member_share: int = 0
    assets: tuple[AssetParameters, ...] = ()  # other stablecoins, which traders pledge
    depegs: float = 0.2  # probability of one at each move of their prices


@dataclass
class Campaign:
    """Drives one world; counts calls done and refused and the paths they took, and keeps the worst slack."""

    setting: Setting
    seed: int
    random: Random = field(init=False)
    world: World = field(init=False)
    done: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    worst: dict[str, tuple[float, float]] = field(default_factory=dict)
    log: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        setting = self.setting
        self.random = Random(self.seed)
        self.dollar = 10**setting.decimals
        self.traders = [f"trader{i}" for i in range(setting.traders)]
        self.keepers = ["keeper0", "keeper1"]
        self.stakers = ["staker0", "staker1"]
        self.world = World(
            decimals=setting.decimals,
            liquidation=LiquidationParameters(min_notional=setting.min_notional_dollars * self.dollar),
            fund=FundParameters(
                skin_target=setting.fund_dollars * self.dollar // 5, member_share=setting.member_share
            ),
            funding=setting.funding,
            guaranty=setting.guaranty,
            epoch_duration=86_400,
        )
        for number, price in enumerate(setting.prices):
            self.world.set_price(number, price * UNIT)
            self.world.add_market(
                MarketParameters(),
                budget_share=setting.budget_share,
                coinsurance=setting.coinsurance,
                maturity=setting.maturity,
            )
        for asset, parameters in enumerate(setting.assets):
            self.world.set_price(ASSET_FEEDS + asset, UNIT)
            self.world.set_rate(asset, 11 * self._whole(asset) // 10)
            self.world.set_asset(asset, parameters)
        for account in self.traders:
            self.world.deposit(account, account, self.random.randint(100, 5_000) * self.dollar)
            for asset, parameters in enumerate(setting.assets):
                coins = self.random.choice((0, 1_000, 3_000)) * 10**parameters.decimals
                room = parameters.collateral_cap - self.world.collateral.totals[asset]
                if 0 < coins <= room:
                    self.world.deposit_collateral(account, asset, coins)
        for account in self.keepers:
            self.world.deposit(account, account, 200_000 * self.dollar)
        if setting.fund_dollars:
            self.world.contribute("founder", setting.fund_dollars * self.dollar // 10)
            self.world.stake("junior", "staker0", setting.fund_dollars * self.dollar // 4)
            self.world.stake("senior", "staker1", setting.fund_dollars * self.dollar)
        if setting.guaranty:
            for account in self.members():
                self.world.join(account, account, setting.member_dollars * self.dollar)

    def members(self) -> list[str]:
        return [*self.traders, *self.keepers, "patron"]

    def _whole(self, asset: int) -> int:
        """A unit of what a share of the asset stands for."""
        parameters = self.setting.assets[asset]
        return int(
            10 ** (self.setting.decimals if parameters.of_settlement else parameters.underlying_decimals)
        )

    # ---- running

    def run(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        action, weight = zip(*self.actions(), strict=True)
        self.attempt(self.random.choices(action, weight)[0])

    def attempt(self, action: Callable[[], None]) -> bool:
        """Runs an action and checks everything after it; True when it went through."""
        before, name = self.world.clone(), action.__name__
        moment = properties.Moment.of(before)
        try:
            action()
        except Revert as error:
            self.refused[f"{name}: {type(error).__name__}"] += 1
            after_refusal = properties.check(self.world, len(self.world.fund.defaults))
            self.verify(after_refusal)
            return False
        self.done[name] += 1
        self.verify(
            [
                *properties.check(self.world, len(before.fund.defaults)),
                *properties.over_a_call(moment, self.world),
            ]
        )
        self._observe(before)
        return True

    def verify(self, checks: list[Check]) -> None:
        for check in checks:
            low, high = self.worst.get(check.name, (0.0, 0.0))
            self.worst[check.name] = (min(low, float(check.slack)), max(high, float(check.slack)))
        broken = [check for check in checks if not check.holds]
        assert not broken, f"{broken} after {len(self.log)} calls of seed {self.seed}: {self.log[-12:]}"

    def _call(self, method: str, *args: object) -> object:
        self.log.append(f"{method}{args}")
        return getattr(self.world, method)(*args)

    def _observe(self, before: World) -> None:
        world, seen = self.world, self.seen
        for record in world.fund.defaults[len(before.fund.defaults) :]:
            for layer in WATERFALL:
                seen[layer] += getattr(record, layer) > 0
            seen["own, all of the loss"] += record.own == record.shortfall
            seen["mutual, all of the budget"] += 0 < record.mutual == record.room.mutual
        self._observe_members(before)
        self._observe_collateral(before)
        for old, new in zip(before.ledger.markets, world.ledger.markets, strict=True):
            seen["full write-off"] += new.claims_epoch > old.claims_epoch
            seen["residual added"] += new.residual > old.residual
            seen["residual absorbed"] += new.residual < old.residual
        for market, (was, now) in enumerate(zip(before.house.markets, world.house.markets, strict=True)):
            seen["epochs ended"] += now.long.epoch > was.long.epoch
            seen["market closed"] += now.status is not was.status
            seen["multiplier scaled"] += now.long.multiplier < was.long.multiplier
            kept = [r[market] for r in world.house.positions.values() if market in r]
            seen["record kept for its debt"] += any(record.size == 0 for record in kept)
        for name in TRANCHES:
            seen["wipe-out"] += world.tranche(name).share_epoch > before.tranche(name).share_epoch
        tally, past = world.house.tally, before.house.tally
        seen["income of members"] += tally.to_members > past.to_members
        seen["contribution"] += tally.contributions > past.contributions
        seen["premium"] += tally.premiums > past.premiums
        seen["premium collected"] += tally.from_own_account > past.from_own_account
        seen["insolvency"] += world.house.insolvencies > before.house.insolvencies
        seen["fund bounty"] += tally.fund_bounties > past.fund_bounties

    def _observe_members(self, before: World) -> None:
        world, seen = self.world, self.seen
        guaranty, past = world.guaranty, before.guaranty
        seen["members' full write-off"] += guaranty.epoch > past.epoch
        seen["rejoined after it"] += any(
            account in guaranty.members and past.members[account].epoch < guaranty.members[account].epoch
            for account in past.members
        )
        for number, paid in world.fund.recovered.items():
            old, record = before.fund.recovered.get(number, 0), world.fund.defaults[number - 1]
            if paid > old:
                seen["recovered"] += 1
                seen["recovered in steps"] += old > 0
                seen["recovered of own"] += paid > record.from_fund - record.own
                seen["recovered of mutual"] += 0 < record.mutual > old
                wiped = world.fund.guaranty.epoch > record.epochs.mutual and record.mutual > old
                seen["recovered after a wipe-out"] += wiped

    def _observe_collateral(self, before: World) -> None:
        world, seen = self.world, self.seen
        collateral, ledger = world.collateral, world.ledger
        for account in [*self.traders, *self.keepers] if self.setting.assets else []:
            value, net = collateral.value(account), ledger.net(account)
            seen["debt covered by collateral"] += ledger.in_debt(account) and 0 <= net < value
            noted = collateral.noted[account]
            unpaid = [
                n for n in noted if world.fund.defaults[n - 1].from_fund > world.fund.recovered.get(n, 0)
            ]
            seen["second default while one is open"] += len(unpaid) > 1
        fresh = collateral.conversions[len(before.collateral.conversions) :]
        if collateral.totals == before.collateral.totals:
            seen["collateral liquidated"] += bool(fresh)
            seen["collateral of two kinds liquidated"] += len(fresh) > 1
        for asset, total in collateral.totals.items():
            seen["an asset without a price"] += total > 0 == world.stablecoins.price(asset)

    # ---- what can happen

    def actions(self) -> list[tuple[Callable[[], None], int]]:
        return [
            (self.trade, 30),
            (self.move_prices, 14),
            (self.close_position, 8),
            (self.settle, self.setting.settling),
            (self.flag, 12),
            (self.liquidate, 8),
            (self.deleverage, 8),
            (self.deposit, 6),
            (self.withdraw, 6),
            (self.collect, 2),
            (self.stake, 2),
            (self.request_redeem, 2),
            (self.roll, 4),
            (self.claim, 1),
            (self.wait_for_auction, 3),
            (self.pause, int(self.setting.governance)),
            (self.close_dead_market, int(self.setting.governance)),
            (self.post_target, 2 * bool(self.setting.funding)),
            (self.post_tiers, 4 * bool(self.setting.funding)),
            (self.join, 10 * bool(self.setting.guaranty)),
            (self.request_exit, 4 * bool(self.setting.guaranty)),
            (self.release, 8 * bool(self.setting.guaranty)),
            (self.recover, 4 * bool(self.setting.guaranty)),
            (self.move_pegs, 8 * bool(self.setting.assets)),
            (self.pledge, 8 * bool(self.setting.assets)),
            (self.take_back, 8 * bool(self.setting.assets)),
            (self.start_sale, 10 * bool(self.setting.assets)),
            (self.buy_collateral, 16 * bool(self.setting.assets)),
        ]

    def _market(self) -> int:
        return self.random.randrange(len(self.world.house.markets))

    def _some(self) -> list[str]:
        return self.random.sample(self.traders, self.random.randint(0, len(self.traders)))

    def _order(self, maker: str, market: int, is_buy: bool, size: int) -> Order:
        mark = self.world.house.markets[market].price
        feed = self.world.feeds.prices[market] or mark
        spread = self.random.choice((20, 20, 20, 300))
        price = feed * self.random.randint(10_000 - spread, 10_000 + spread) // 10_000
        salt = self.random.getrandbits(64)
        generation = self.world.house.generations[maker]
        return Order(maker, market, is_buy, size, price, FOREVER, generation=generation, salt=salt)

    def trade(self) -> None:
        maker, taker = self.random.sample([*self.traders, self.keepers[0]], 2)
        market = self._market()
        price = self.world.house.markets[market].price
        power = max(1, min(self.world.house.health(a).equity for a in (maker, taker)))
        share = self.random.choice((0.01, 0.3, 0.9, 1.0))
        dollars = power * share * self.random.uniform(1, 20)
        size = int(dollars * UNIT * UNIT / price / self.dollar)
        if self.random.random() < 0.03:
            size = self.random.randint(1, 1_000)
        self._call("trade", taker, self._order(maker, market, self.random.random() < 0.5, size), size)

    def close_position(self) -> None:
        maker = self.random.choice(self.traders)
        mine = self.world.house.open_markets(maker)
        market = self.random.choice(mine) if mine else self._market()
        sizes = {a: self.world.house.signed_size(a, market) for a in self.traders}
        against = [a for a in self.traders if sizes[a] * sizes[maker] < 0] or self.keepers[:1]
        taker = self.random.choice(against)
        size = min(abs(sizes[maker]), abs(sizes.get(taker, 0)) or abs(sizes[maker]))
        if self.random.random() < 0.3:
            size = size * self.random.randint(1, 1_000) // 1_000
        self._call("trade", taker, self._order(maker, market, sizes[maker] < 0, size), size)

    def move_prices(self) -> None:
        setting, r = self.setting, self.random
        self.world.advance(r.choice((1, 12, 60, 600, 3_600, 86_400)), r.randint(1, 3))
        for market, anchor in enumerate(setting.prices):
            last = self.world.house.markets[market].price
            jump = setting.gap if r.random() < setting.gaps else 0.01
            pull = 0.1 if last < anchor * UNIT // 2 else -0.1 if last > anchor * UNIT * 2 else 0
            price = max(UNIT // 100, int(last * (1 + r.uniform(-jump, jump) + pull)))
            if self.world.house.markets[market].status is Status.OPEN:
                self.world.set_price(market, None if r.random() < setting.feed_failures else price)
        for market in range(len(setting.prices)):
            if r.random() < 0.5:
                self._call("refresh", market)

    def wait_for_auction(self) -> None:
        self.world.advance(self.world.house.liquidation.auction_duration + 1)

    def settle(self) -> None:
        self._call("settle", self._some())

    def _worst_first(self) -> list[str]:
        """Accounts, those in most need of a keeper first; a third of the time in any order."""
        accounts = [a for a in [*self.traders, *self.keepers] if self.world.house.open_markets(a)]
        self.random.shuffle(accounts)
        if self.random.random() < 0.7:
            health = self.world.house.health
            accounts.sort(key=lambda a: health(a).equity - health(a).maintenance)
        return accounts or self.traders

    def flag(self) -> None:
        self._call("flag", self._worst_first()[0])

    def _flagged(self) -> str:
        return self.random.choice(sorted(self.world.house.flags) or self.traders)

    def liquidate(self) -> None:
        fraction = self.random.choice((WAD, WAD, self.random.randint(1, WAD)))
        liquidator = self.random.choice([*self.keepers, *self.keepers, *self.traders])
        self._call("liquidate", liquidator, self._flagged(), fraction, self._some())

    def deleverage(self) -> None:
        self._call("deleverage", self._flagged(), self._some())

    def deposit(self) -> None:
        account = self.random.choice(self.traders)
        self._call("deposit", account, account, self.random.randint(1, 2_000 * self.dollar))

    def withdraw(self) -> None:
        account = self.random.choice(self.traders)
        cash = self.world.ledger.cash[account]
        amount = self.random.choice((cash, cash // 3, cash // 3, self.random.randint(1, self.dollar)))
        self._call("withdraw", account, amount, account, self._some())

    def collect(self) -> None:
        self._call("collect")

    def stake(self) -> None:
        tranche, staker = self.random.choice(TRANCHES), self.random.choice(self.stakers)
        self._call(
            "stake", tranche, staker, self.random.choice((1, self.random.randint(1, 500 * self.dollar)))
        )

    def request_redeem(self) -> None:
        tranche, staker = self.random.choice(TRANCHES), self.random.choice(self.stakers)
        shares = self.world.tranche(tranche).shares[staker]
        self._call("request_redeem", tranche, staker, self.random.choice((shares, shares // 3)))

    def roll(self) -> None:
        self._call("roll", self.random.choice(TRANCHES))

    def claim(self) -> None:
        self._call("claim", self.random.choice(TRANCHES), self.random.choice(self.stakers))

    def pause(self) -> None:
        self._call("pause", self.random.randint(1, 3 * 86_400))

    def close_dead_market(self) -> None:
        """Closes the last open market if its feed is dead, never the first one; a price within the band."""
        market = len(self.setting.prices) - 1
        while market and self.world.house.markets[market].status is Status.CLOSED:
            market -= 1
        if market and self.random.random() < 0.2:
            self.world.set_price(market, None)
            self.world.advance(86_400)
        price = self.world.house.markets[market].price * self.random.randint(85, 115) // 100
        self._call("close_market", market, price)

    def post_target(self) -> None:
        target = self.world.target() * self.random.randint(70, 130) // 100
        self._call("post_target", target, self.world.clock.block)

    def post_tiers(self) -> None:
        accounts = self._some()
        tiers = [self.world.tier(account) + self.random.choice((-1, 0, 1)) for account in accounts]
        self._call("post_tiers", accounts, tiers, self.world.clock.block)

    def join(self) -> None:
        account, payer = self.random.choice(self.members()), self.random.choice(self.members())
        amount = self.random.randint(0, self.setting.member_dollars * self.dollar)
        amount = self.random.choice((amount, amount, amount // 10**6, self.world.owed(account)))
        self._call("join", payer, account, amount)

    def request_exit(self) -> None:
        account = self.random.choice(self.members())
        balance = self.world.guaranty_balance(account)
        amount = self.random.choice((balance, balance, balance // 2, self.random.randint(0, 2 * balance), 0))
        self._call("request_exit", account, amount)

    def release(self) -> None:
        given = [account for account, member in self.world.guaranty.members.items() if member.notice_units]
        self._call("release", self.random.choice(given or self.members()))

    def recover(self) -> None:
        records = self.world.fund.defaults
        number = self.random.randint(max(0, len(records) - 20), len(records))
        cost = records[number - 1].from_fund if number else 0
        amount = self.random.choice((cost, cost // 2, cost // 3, 1))
        self._call("recover", "patron", number, amount)

    # ---- collateral

    def move_pegs(self) -> None:
        """Prices around a dollar, depegs, none at all; what shares stand for, with gifts and falls."""
        world, r = self.world, self.random
        for asset, parameters in enumerate(self.setting.assets):
            depeg = r.random() < self.setting.depegs
            price = UNIT * r.randint(10, 95) // 100 if depeg else UNIT * r.randint(985, 1_010) // 1_000
            world.set_price(ASSET_FEEDS + asset, None if r.random() < 0.1 else price)
            rate = self._whole(asset) * r.choice((110, 110, 111, 130, 80, 20)) // 100
            world.set_rate(asset, None if r.random() < 0.05 else rate)
            if r.random() < 0.05:
                world.set_asset(asset, parameters)

    def _asset(self) -> int:
        return self.random.randrange(len(self.setting.assets))

    def _held(self, account: str) -> tuple[int, int]:
        """An asset, one that the account holds where there is one, and how much it holds."""
        held = self.world.collateral.held[account]
        asset = self.random.choice([a for a in sorted(held) if held[a]] or [self._asset()])
        return asset, held[asset]

    def pledge(self) -> None:
        account, asset = self.random.choice([*self.traders, *self.keepers]), self._asset()
        some = self.random.randint(0, 2_000 * 10 ** self.setting.assets[asset].decimals)
        self._call("deposit_collateral", account, asset, self.random.choice((some, some, 7, 0)))

    def take_back(self) -> None:
        account = self.random.choice([*self.traders, *self.keepers])
        asset, held = self._held(account)
        amount = self.random.choice((held, held // 2, self.random.randint(0, held + held // 10), 1))
        self._call("withdraw_collateral", account, asset, amount, self._some())

    def _owing(self) -> list[str]:
        """Who has something to be sold for."""
        return [account for account in self.traders if self.world.house.due(account)[0]]

    def start_sale(self) -> None:
        self._call("start_sale", self.random.choice([*self._owing(), self.random.choice(self.traders)]))

    def buy_collateral(self) -> None:
        world, r = self.world, self.random
        duration, now = world.stablecoins.parameters.sale_duration, world.clock.time
        if r.random() < 0.3:
            world.advance(r.randint(1, duration))
        selling = [a for a in self._owing() if a in world.collateral.sales]
        selling = [a for a in selling if world.collateral.sales[a].running(now, duration)]
        account = r.choice(selling * 9 + self.traders)
        asset, held = self._held(account)
        amount = r.choice((held, held, held // 3, r.randint(0, 2 * held)))
        most = r.choice((10**40, 10**40, 10**40, r.randint(0, 1_000 * self.dollar)))
        need, default = world.house.due(account)
        past = world.fund.recovered.get(default, 0) if default else 0
        buyer = r.choice(["arbitrageur"] * 4 + [self.keepers[0], account])
        self._call("buy_collateral", buyer, account, asset, amount, most)
        self.seen["a sale paid a debt"] += default is None
        self.seen["a sale gave back to a default"] += default is not None
        self.seen["a sale gave back to a default in steps"] += past > 0
        self.seen["a sale left something for the account"] += world.collateral.conversions[-1].paid > need

    # ---- the end

    def finish(self) -> None:
        """Live prices, then P6."""
        for market, state in enumerate(self.world.house.markets):
            self.world.set_price(market, state.price)
        self.verify([properties.liveness(self.world)])


def counted(runs: Iterable[Campaign]) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """What all of them together have seen, done, and been refused."""
    seen, done, refused = Counter[str](), Counter[str](), Counter[str]()
    for run in runs:
        seen, done, refused = seen + run.seen, done + run.done, refused + run.refused
    return seen, done, refused
