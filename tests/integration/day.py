"""A hard day on three markets, step by step, with the books and the events of each: what test_properties.py
is about.

BTC has coinsurance, ETH a maturity, YFI is thin: a small budget and much coinsurance. All have fees, funding,
bounties and penalties, and the funding policy takes all it knows: a premium, and contributions for scarcity,
concentration, leverage and tier. The largest traders must be members of the guaranty fund; some others are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from ape import chain as ape_chain

from tests.expect import refusal
from tests.integration.books import reader_of
from tests.integration.properties import Step
from tests.integration.stage import DAY, begin_budget_window, refresh_all
from tests.system import System
from weir.chain import Chain
from weir.orders import Order
from weir.parameters import FundingParameters, FundParameters, GuarantyParameters, MarketParameters

BTC, ETH, YFI = 0, 1, 2
HOUR = 3_600
MARKETS = (
    MarketParameters(symbol="BTC", price=Decimal(10_000), budget_share=500_000, coinsurance=200_000),
    MarketParameters(
        symbol="ETH",
        price=Decimal(500),
        max_open_interest=Decimal(10**6),
        budget_share=300_000,
        coinsurance=0,
        maturity=HOUR,
    ),
    MarketParameters(
        symbol="YFI",
        price=Decimal(100),
        initial_margin_ratio=200_000,
        maintenance_margin_ratio=100_000,
        max_open_interest=Decimal(10**5),
        budget_share=50_000,
        coinsurance=500_000,
    ),
)
FUND = FundParameters(skin_target=Decimal(1_200), epoch_duration=DAY)
FUNDING = FundingParameters(
    target_ratio=10_000,
    max_target_ratio=30_000,
    premium_min=50_000,
    premium_max=500_000,
    stress_from=1_000_000,
    stop_below=20_000,
    max_scarcity=1_000,
    concentration_from=100_000,
    max_concentration=2_000,
    max_leverage=300,
    tier_rates=(0, 50, 100, 300, 800),
    concentration_floor=Decimal(1_000),
    cap_floor=Decimal(10**7),
)
"""The fund should have 1% of open interest; while it has 2% of that, open interest may grow."""
GUARANTY = GuarantyParameters(
    min_contribution=Decimal(100),
    notice_period=DAY,
    exit_window=DAY,
    loss_window=DAY,
    loss_share=5_000,
)
"""Members bear little together for one market, so that what follows them is reached too."""
FAMILY = ("attacker", "accomplice", "stranger")
"""They trade with nobody but each other, and nowhere but in YFI."""


@dataclass
class Day:
    """Plays the script on a fresh protocol."""

    system: System
    steps: list[Step] = field(default_factory=list)
    orders: dict[bytes, Order] = field(default_factory=dict)
    refused: dict[str, tuple[Order, str | None]] = field(default_factory=dict)
    part: str = ""

    def __post_init__(self) -> None:
        self.chain = Chain(ape_chain.provider.web3)
        self.reader = reader_of(self.system)
        self.books = self.reader.read()
        self.addresses = [record.address for record in self.system.deployment.contracts.values()]

    # ---- keeping the record

    def do(self, name: str, action: Callable[[], Any]) -> None:
        first = ape_chain.blocks.head.number + 1
        action()
        events = self.chain.logs(self.addresses, first, ape_chain.blocks.head.number)
        after = self.reader.read()
        self.steps.append(Step(self.part, name, self.books, after, tuple(events)))
        self.books = after

    def mark(self, market: int) -> int:
        return int(self.system.clearing_house.marketState(market).price)

    def who(self, *roles: str) -> list[Any]:
        return [self.system.actors[role] for role in roles]

    # ---- moves

    def price(self, market: int, price: Any) -> None:
        def move() -> None:
            self.system.set_price(market, price)
            self.system.clearing_house.refresh(market, sender=self.system.actors["keeper"])

        self.do(f"price of {market}: {price}", move)

    def wait(self, seconds: int) -> None:
        def pass_time() -> None:
            self.system.wait(seconds)
            self.system.renew_prices()
            refresh_all(self.system)

        self.do(f"{seconds} seconds", pass_time)

    def deposit(self, role: str, amount: Any) -> None:
        self.do(f"{role} deposits", lambda: self.system.deposit(self.system.actors[role], amount))

    def withdraw(self, role: str, amount: Any, *first: str) -> None:
        (account,), accounts, units = self.who(role), self.who(*first), self.system.usd(amount)
        self.do(
            f"{role} withdraws", lambda: self.system.vault.withdraw(units, account, accounts, sender=account)
        )

    def stake(self, tranche: str, role: str, amount: Any) -> None:
        contract = getattr(self.system, tranche)
        self.do(f"{role} stakes", lambda: self.system.stake(contract, self.system.actors[role], amount))

    def join(self, role: str, amount: Any) -> None:
        self.do(f"{role} joins", lambda: self.system.join(self.system.actors[role], amount))

    def leave(self, role: str, amount: Any) -> None:
        """Gives notice, and is released when it has run out."""
        guaranty, (account,) = self.system.guaranty, self.who(role)
        units = self.system.usd(amount)
        self.do(f"{role} gives notice", lambda: guaranty.requestExit(units, sender=account))
        self.wait(DAY)
        keeper = self.system.actors["keeper"]
        self.do(f"{role} is released", lambda: guaranty.release(account, sender=keeper))

    def recover(self, number: int, part: str) -> None:
        """Somebody pays back a part of what default `number` cost the funds."""
        fund, (payer,) = self.system.fund, self.who("deployer")
        _, still = fund.recovered(number)
        units = int(still * Decimal(part))
        self.do("money for a defaulter", lambda: self.system.mint(payer, Decimal(units) / 10**6))
        self.system.token.approve(fund, units, sender=payer)
        self.do(f"default {number} is recovered", lambda: fund.recover(number, units, sender=payer))

    def trade(
        self,
        buyer: str,
        seller: str,
        size: Any,
        market: int = BTC,
        off: str = "1",
        parts: Sequence[str] = ("1",),
    ) -> None:
        """The seller makes at the mark times `off`, the buyer takes it in parts."""
        mark = Decimal(self.mark(market)) / 10**18
        maker, taker = self.who(seller, buyer)
        order = self.system.order(maker, market=market, is_buy=False, size=size, price=mark * Decimal(off))
        self.orders[bytes(self.system.clearing_house.hashOrder(order.as_tuple()))] = order
        for part in parts:
            filled = Decimal(str(size)) * Decimal(part)
            self.do(f"{buyer} buys of {seller}", lambda filled=filled: self.system.fill(order, taker, filled))

    def settle(self, *roles: str) -> None:
        self.do(f"settle {roles}", lambda: self.system.settle(*self.who(*roles)))

    def flag(self, *roles: str) -> None:
        for role in roles:
            self.do(f"flag {role}", lambda role=role: self.system.flag(self.system.actors[role]))

    def liquidate(self, role: str, by: str, fraction: Any = 1, first: Sequence[str] = ()) -> None:
        account, liquidator = self.who(role, by)
        self.do(
            f"{by} liquidates {role}",
            lambda: self.system.liquidate(account, liquidator, fraction, self.who(*first)),
        )

    def deleverage(self, role: str, *first: str) -> None:
        (account,) = self.who(role)
        self.do(f"deleverage {role}", lambda: self.system.deleverage(account, self.who(*first)))

    def collect(self) -> None:
        self.do("collect", lambda: self.system.fund.collect(sender=self.system.actors["keeper"]))

    def post_tiers(self, **tiers: int) -> None:
        accounts = [account.address for account in self.who(*tiers)]
        self.post("tiers", lambda policy, evidence: (policy.postTiers, accounts, [*tiers.values()], evidence))

    def post_target(self, times: str) -> None:
        """A multiple of what it is now."""

        def target(policy: Any, evidence: Any) -> tuple[Any, ...]:
            return policy.postTarget, int(policy.target() * Decimal(times)), evidence

        self.post("target", target)

    def post(self, what: str, call: Callable[[Any, Any], tuple[Any, ...]]) -> None:
        evidence = b"\1" * 32, b"\2" * 32, ape_chain.blocks.head.number
        method, *arguments = call(self.system.policy, evidence)
        poster = self.system.actors["poster"]
        self.do(f"the poster posts a {what}", lambda: method(*arguments, sender=poster))

    def roll(self) -> None:
        def both() -> None:
            for tranche in (self.system.junior, self.system.senior):
                tranche.roll(sender=self.system.actors["keeper"])

        self.do("roll", both)

    def request(self, tranche: str, role: str, part: int = 1) -> None:
        contract, (account,) = getattr(self.system, tranche), self.who(role)
        shares = contract.balanceOf(account) // part
        self.do(
            f"{role} gives notice", lambda: contract.requestRedeem(shares, account, account, sender=account)
        )

    def claim(self, tranche: str, role: str) -> None:
        contract, (account,) = getattr(self.system, tranche), self.who(role)
        shares = contract.maxRedeem(account)
        self.do(f"{role} claims", lambda: contract.redeem(shares, account, account, sender=account))

    # ---- the day

    def play(self) -> None:
        begin_budget_window(self.system)
        for part in (
            self.arrive,
            self.an_ordinary_morning,
            self.btc_crashes,
            self.the_family_pushes_yfi,
            self.eth_gaps_through_everything,
            self.the_fund_recovers,
            self.the_evening,
            self.a_feed_dies,
        ):
            self.part = part.__name__
            part()

    def arrive(self) -> None:
        for role, amount in {
            "market_maker": 200_000,
            "liquidator": 200_000,
            "trader": 10_000,
            "other_trader": 10_000,
            "keeper": 3_000,
            "attacker": 2_000,
            "accomplice": 2_000,
            "stranger": 5_000,
            "staker": 200,
        }.items():
            self.deposit(role, amount)
        deployer = self.system.actors["deployer"]
        self.do("skin", lambda: self.system.contribute(deployer, 1_000))
        self.stake("junior", "staker", 3_000)
        self.stake("senior", "other_staker", 5_000)
        for role, amount in {
            "market_maker": 20_000,
            "liquidator": 15_000,
            "trader": 300,
            "staker": 500,
        }.items():
            self.join(role, amount)
        self.post_tiers(market_maker=1, trader=3)

    def an_ordinary_morning(self) -> None:
        """Trades around the mark, in parts; funding; winners who settle and withdraw first; a position
        that crosses zero.
        """
        self.trade("trader", "market_maker", 10, BTC, off="1.002", parts=("0.25", "0.5", "0.25"))
        self.trade("market_maker", "other_trader", 100, ETH, off="0.999")
        self.trade("keeper", "liquidator", 2, BTC)
        self.post_target("1.2")
        self.wait(HOUR)
        self.settle("trader", "market_maker")
        self.price(BTC, 10_300)
        self.settle("trader")
        self.withdraw("trader", 4_000, "market_maker")
        self.price(ETH, 480)
        self.settle("other_trader", "trader", "market_maker")
        self.trade("other_trader", "market_maker", 150, ETH, off="1.001")
        self.wait(HOUR)
        self.collect()
        self.request("junior", "staker", part=3)
        self.wait(DAY)
        self.roll()

    def btc_crashes(self) -> None:
        """The trader is liquidated in part and then whole, the keeper deleveraged; the gate is shut in
        between.
        """
        self.trade("trader", "market_maker", 5, BTC)
        self.price(BTC, 8_700)
        self.flag("trader", "keeper")
        self.settle("liquidator")
        self.liquidate("trader", "liquidator", "0.4")
        self.request("senior", "other_staker", part=10)
        self.wait(120)
        self.liquidate("trader", "market_maker", 1, first=["liquidator"])
        self.collect()
        self.wait(601)
        self.deleverage("keeper", "market_maker")
        self.settle("market_maker", "liquidator", "keeper")

    def the_family_pushes_yfi(self) -> None:
        """One owner on both sides, and a third account to take over; somebody else settles the winner in
        between.
        """
        self.trade("attacker", "accomplice", 95, YFI)
        self.price(YFI, 55)
        self.flag("attacker")
        self.settle("accomplice")
        self.liquidate("attacker", "stranger", 1)
        self.trade("accomplice", "stranger", 95, YFI)
        self.settle(*FAMILY)
        self.price(YFI, 100)
        self.deposit("attacker", 1_900)
        self.trade("accomplice", "attacker", 80, YFI)
        self.price(YFI, 150)
        self.flag("attacker")
        # The day's budget is spent, so the auction need not run out.
        self.deleverage("attacker")
        self.settle(*FAMILY, *FAMILY)

    def eth_gaps_through_everything(self) -> None:
        """Two shorts miss more than the fund has: tranches are wiped out, open interest is charged, claims
        are written off.
        """
        fund, governor = self.system.fund, self.system.actors["governor"]
        self.do("ETH has the whole fund", lambda: fund.setMarketCover(ETH, 1_000_000, 0, sender=governor))
        self.do("a new window", lambda: begin_budget_window(self.system))
        self.deposit("trader", 5_000)
        self.trade("market_maker", "trader", 190, ETH)
        self.trade("market_maker", "other_trader", 300, ETH)
        self.price(ETH, 700)
        self.flag("trader", "other_trader")
        self.liquidate("trader", "liquidator", 1)
        self.settle("market_maker")
        self.wait(601)
        self.liquidate("other_trader", "liquidator", "0.5")
        self.deposit("other_trader", 1_000)
        self.deleverage("other_trader")
        self.wait(HOUR)
        self.settle("market_maker", "liquidator", "market_maker")

    def the_fund_recovers(self) -> None:
        """New stakers at the first price, income that restores skin and then vests, notices that come due."""
        self.stake("junior", "other_staker", 700)
        self.stake("senior", "staker", 900)
        self.trade("market_maker", "liquidator", 60, BTC)
        self.trade("liquidator", "market_maker", 2_000, ETH)
        self.collect()
        self.request("junior", "other_staker", part=2)
        self.wait(DAY)
        self.roll()
        self.trade("market_maker", "liquidator", 60, BTC)
        self.collect()
        self.wait(DAY)
        self.roll()
        self.claim("junior", "other_staker")
        for number in range(1, self.books.defaults + 1):
            if self.system.fund.recovered(number)[1]:
                self.recover(number, "0.4")
        self.recover(1, "1")
        self.leave("staker", 200)

    def the_evening(self) -> None:
        """Orders that expire, are cancelled, and outdated."""
        house, (maker,) = self.system.clearing_house, self.who("market_maker")
        self.deposit("trader", 20_000)
        self.deposit("other_trader", 20_000)
        self.end_order("OrderExpired", lambda _: self.system.wait(HOUR + 1))
        self.end_order("OrderOverfilled", lambda order: house.cancel(order.as_tuple(), sender=maker))
        self.end_order("OrderGenerationMismatch", lambda _: house.cancelAll(sender=maker))
        self.trade("market_maker", "other_trader", 200, ETH)
        self.trade("other_trader", "trader", 50, YFI)
        self.wait(HOUR)

    def end_order(self, error: str, end: Callable[[Order], Any]) -> None:
        """A quarter of an order is filled, then it comes to its end; notes what more of it is refused
        with.
        """
        maker, taker = self.who("market_maker", "trader")
        order = self.system.order(
            maker, market=BTC, is_buy=False, size=4, price=Decimal(self.mark(BTC)) / 10**18
        )
        self.orders[bytes(self.system.clearing_house.hashOrder(order.as_tuple()))] = order
        self.do("a quarter is filled", lambda: self.system.fill(order, taker, 1))
        self.do(f"more would be refused: {error}", lambda: end(order))
        call = self.system.clearing_house.trade.encode_input(
            order.as_tuple(), self.system.sign(order), 10**18
        )
        self.refused[error] = order, refusal(taker, self.system.clearing_house, call)

    def a_feed_dies(self) -> None:
        """YFI falls silent and is closed below its last price; a loser defaults without a position, and
        the next profits bear it.
        """
        feed, deployer, governor = self.system.feeds[YFI], *self.who("deployer", "governor")
        self.deposit("keeper", 3_200)
        self.trade("keeper", "market_maker", 100, YFI)
        self.price(YFI, 115)
        feed.setMode(1, sender=deployer)
        self.do("a day of silence", lambda: self.system.wait(DAY))
        price = self.mark(YFI) * 905 // 1_000
        self.do("YFI is closed", lambda: self.system.clearing_house.closeMarket(YFI, price, sender=governor))
        feed.setMode(0, sender=deployer)
        self.wait(60)
        self.settle("keeper")
        self.settle("market_maker")
        self.settle("trader", "other_trader", "trader")
