"""Gas: what each action costs in a transaction of its own, and how that compares with a committed snapshot.

Figures come from receipts of Anvil, one transaction a block, the 21,000 of every transaction included. Each
scenario starts from the same chain in use: three funded layers, open positions, pools and fees that are not
empty. Time, keys and order are fixed, so the same contracts always give the same figures::

    measured = dict(measurements())
    moved = compare(Snapshot.load(SNAPSHOT), Snapshot(gas=measured))
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Self

from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from pydantic import BaseModel, ConfigDict, ValidationError
from rich import box
from rich.console import RenderableType
from rich.table import Table
from rich.text import Text
from web3.contract import Contract

from weir.accounts import development_account
from weir.artifacts import artifact
from weir.chain import Call, Receipt, connect, encode_arguments, pages
from weir.client import DefaultRecord, Weir
from weir.deployment import FEED_DECIMALS, Deployment, deploy
from weir.node import Node
from weir.orders import Order
from weir.parameters import DAY, HOUR, MarketParameters, Parameters, to_units
from weir.toolchain import ROOT

__all__ = [
    "ACTIONS",
    "DOCUMENT",
    "SNAPSHOT",
    "TOLERANCE",
    "Action",
    "BenchError",
    "Change",
    "Snapshot",
    "compare",
    "measurements",
    "render",
    "render_changes",
    "rewrite_table",
    "table",
]

SNAPSHOT = ROOT / "bench" / "gas.json"
DOCUMENT = ROOT / "docs" / "gas.md"
TOLERANCE = 0.01
"""By which part a figure may move before a comparison reports it."""

FEW, MANY = 10, 1_000
"""Accounts on the side that a deleveraging takes from."""
LEAVES = 10_000
"""Accounts in the Merkle tree that the funding policy might have had instead of a mapping."""


class BenchError(ValueError):
    """A snapshot or document that is not what it should be; the message says which and what to do."""


# --------------------------------------------------------------------- actions


@dataclass(frozen=True, slots=True)
class Action:
    """Something that costs gas: `limit` is the most that it should, `elsewhere` what other systems need."""

    name: str
    text: str
    limit: int | None = None
    elsewhere: str = ""

    def exceeded_by(self, gas: int) -> bool:
        """Whether so much is above the limit."""
        return self.limit is not None and gas > self.limit


_LIQUIDATE = "Perp v2 2,240,165 · Derive v2 608,081"
_UMBRELLA_STAKE = "Derive v2 260,609 · Umbrella 86,000–132,000"

ACTIONS = (
    Action(
        "deposit",
        "deposit, not the first",
        65_000,
        "Perp v2 62,718–77,730 · Derive v2 228,934 · Morpho supply 126,648",
    ),
    Action("deposit_first", "deposit, the account's first"),
    Action("withdraw", "withdraw, flat account", 80_000, "Perp v2 154,447 · Derive v2 319,888"),
    Action(
        "open",
        "open: one trade, both accounts new",
        260_000,
        "Perp v2 836,686–1,075,552 · Derive v2 757,229",
    ),
    Action("trade", "trade between two existing positions", 170_000),
    Action("trade_partly_filled", "the same, with an order already partly filled", 170_000),
    Action("trade_two_markets", "the same, each of the two in another market too"),
    Action("close", "close: a trade that ends the taker's position", None, "Perp v2 549,347"),
    Action("settle_loss", "settle one account, one market: loss, the price moves", 70_000),
    Action("settle_profit", "settle one account, one market: profit, the price moves", 70_000),
    Action("settle_loss_again", "the same loss, market already refreshed in the block", 70_000),
    Action("settle_profit_again", "the same profit, market already refreshed in the block", 70_000),
    Action("settle_profit_unpaid", "a profit that the pool can't pay: it becomes claims"),
    Action("settle_profit_beside_claims", "a profit that the pool pays while others have claims on it"),
    Action("flag", "flag an account with two markets"),
    Action("liquidate_part", "liquidate a part, solvent, two markets", 260_000, _LIQUIDATE),
    Action("liquidate_all", "liquidate all, solvent, two markets", 260_000, _LIQUIDATE),
    Action("liquidate_all_new", "the same, by a liquidator without positions there"),
    Action(
        "liquidate_bad_debt",
        "liquidate with bad debt: own guaranty contribution, all three layers of the fund",
        330_000,
        "Perp v2 1,934,830 · Derive v2 731,548 · Umbrella slash 48,000–74,000",
    ),
    Action("liquidate_bad_debt_mutual", "the same, the other members of the guaranty fund pay too"),
    Action("recover", "recover a part of that: the other members and the senior tranche get it back"),
    Action("deleverage_few", f"deleverage, one market, loss uncovered, {FEW} accounts opposite", 250_000),
    Action("deleverage_many", f"deleverage, one market, loss uncovered, {MANY:,} accounts opposite", 250_000),
    Action("deleverage_solvent", f"deleverage, one market, solvent, {FEW} accounts opposite", 250_000),
    Action("collect", "collect fees", 90_000, "Perp v2 277,065"),
    Action("stake", "stake, a holder", 95_000, _UMBRELLA_STAKE),
    Action("stake_new", "stake, the account's first", None, _UMBRELLA_STAKE),
    Action("request_first", "request redemption, the account's first"),
    Action("request", "request redemption, not the account's first", 95_000),
    Action("roll", "roll: price a batch"),
    Action("claim", "claim a priced redemption", None, "Umbrella redeem 124,000"),
    Action("join_first", "join the guaranty fund, the account's first contribution"),
    Action("join", "join, a member"),
    Action("request_exit", "give notice to the guaranty fund"),
    Action("release", "release what notice was given for, one position"),
    Action("refresh", "refresh a market in the same hour, the price moves"),
    Action("refresh_hour", "the same, in a new hour: premium on open interest, not the first"),
    Action("withdraw_position", "withdraw, one position, leverage rises"),
    Action("post_target", "post a target, not the first"),
    Action("post_tiers_first", f"post tiers of {FEW} accounts, their first"),
    Action("post_tiers", f"post tiers of {FEW} accounts, not their first"),
    Action("tier_mapping", "a tier read from a mapping (a transaction of its own)"),
    Action("tier_proof", f"a tier proven by a Merkle path, {LEAVES:,} accounts (the same)"),
)
"""Every figure, in the order in which they are measured and shown."""


# ----------------------------------------------------------------------- stage

GENESIS = 1_700_000_000
GAS = 600_000
"""Gas limit of every transaction; none comes near it."""
BLOCK = 50
"""Transactions that fit into a block."""

PARAMETERS = Parameters(
    markets=(
        MarketParameters(symbol="BTC", price=Decimal(59_000)),
        MarketParameters(symbol="ETH", price=Decimal(2_950), max_open_interest=Decimal(200_000)),
        # One for which the fund pays nothing, so that losses reach the opposing side once members have paid.
        MarketParameters(symbol="SOL", price=Decimal(95), max_open_interest=Decimal(10**6), budget_share=0),
    )
)

ROLES = (
    *("deployer", "governor", "guardian", "treasury", "poster", "keeper"),
    *("market_maker", "holder", "dealer", "trader", "other_trader", "buyer", "seller"),
    *("saver", "debtor", "liquidator", "staker", "other_staker", "stranger"),
)


@cache
def _account(role: str) -> LocalAccount:
    """A role's key; that of anybody else follows from the name."""
    if role in ROLES:
        return development_account(ROLES.index(role))
    account: LocalAccount = Account.from_key(keccak(text=role))
    return account


class _Stage:
    """A chain in use, and the moves that scenarios are made of: USD, sizes in units of the underlying."""

    def __init__(self, node: Node, deployment: Deployment, root: Path | None, salt: int = 0) -> None:
        self.node = node
        self.weir = Weir(connect(node.url), deployment, root=root)
        self._salt = salt

    def again(self) -> _Stage:
        """The same, for a chain that has been set back to where it was now."""
        return _Stage(self.node, self.weir.deployment, self.weir.chain.root, self._salt)

    # ---- sending

    def send(self, role: str, call: Call) -> int:
        """The gas it took."""
        return self.weir.chain.send(_account(role), call, gas=GAS).gas_used

    def same_block(self, role: str, calls: Sequence[Call]) -> list[Receipt]:
        """One after the other in one block, `BLOCK` at most."""
        self.node.rpc("evm_setAutomine", False)
        sent = [self.weir.chain.submit(_account(role), call, gas=GAS) for call in calls]
        self.node.mine()
        self.node.rpc("evm_setAutomine", True)
        return self.weir.chain.wait_all(sent)

    def in_few_blocks(self, role: str, calls: Sequence[Call]) -> None:
        """Many transactions, as fast as can be: nobody looks at what they cost."""
        for first, count in pages(len(calls), BLOCK):
            self.same_block(role, calls[first : first + count])

    def wait(self, seconds: int) -> None:
        self.node.increase_time(seconds)

    def price(self, **prices: Decimal | int) -> None:
        """New answers of the feeds, by symbol."""
        for symbol, price in prices.items():
            answer = to_units(Decimal(price), FEED_DECIMALS)
            self.send("deployer", self.weir.feed(symbol).functions.setAnswer(answer))

    # ---- moves

    def mint(self, role: str, usd: int, *spenders: Contract) -> None:
        """Gives a role money, of which these may take any amount."""
        amount, token = self.units(usd), self.weir.token.functions
        self.send("deployer", token.mint(_account(role).address, amount))
        for spender in spenders:
            # Not without limit: a finite allowance is written at every use.
            self.send(role, token.approve(spender.address, 10**30))

    def deposit(self, role: str, usd: int) -> Call:
        return self.weir.vault.functions.deposit(_account(role).address, self.units(usd))

    def order(
        self, maker: str, symbol: str, size: Decimal | int, price: Decimal | int, *, buys: bool
    ) -> Order:
        self._salt += 1
        return Order(
            maker=_account(maker).address,
            market=self.weir.market_id(symbol),
            is_buy=buys,
            reduce_only=False,
            size=to_units(Decimal(size), 18),
            price=to_units(Decimal(price), 18),
            expiry=GENESIS + 365 * DAY,
            salt=self._salt,
        )

    def fill(self, order: Order, maker: str, size: Decimal | None = None) -> Call:
        """Takes `size`, by default all, of an order."""
        amount = order.size if size is None else to_units(size, 18)
        signature = self.weir.sign(order, _account(maker))
        return self.weir.clearing_house.functions.trade(order.as_tuple(), signature, amount)

    def buy(self, buyer: str, seller: str, symbol: str, size: Decimal | int, price: Decimal | int) -> int:
        """`seller` makes, `buyer` takes; the gas it took."""
        return self.send(buyer, self.fill(self.order(seller, symbol, size, price, buys=False), seller))

    def settle(self, *roles: str) -> Call:
        return self.weir.clearing_house.functions.settle([_account(role).address for role in roles])

    def flag(self, role: str) -> Call:
        return self.weir.clearing_house.functions.flag(_account(role).address)

    def liquidate(self, role: str, fraction: str = "1") -> Call:
        part = to_units(Decimal(fraction), 18)
        return self.weir.clearing_house.functions.liquidate(_account(role).address, part, [])

    def deleverage(self, role: str) -> Call:
        return self.weir.clearing_house.functions.deleverage(_account(role).address, [])

    def stake(self, role: str, tranche: Contract, usd: int) -> Call:
        return tranche.functions.deposit(self.units(usd), _account(role).address)

    def join(self, role: str, usd: int) -> Call:
        return self.weir.guaranty.functions.join(_account(role).address, self.units(usd))

    def request(self, role: str, tranche: Contract, usd: int) -> Call:
        """Asks for shares back that were worth so much at the initial price."""
        address = _account(role).address
        return tranche.functions.requestRedeem(self.units(usd) * 10**6, address, address)

    def claim(self, role: str, tranche: Contract, usd: int) -> Call:
        """Takes what a request for as much was priced at."""
        address = _account(role).address
        return tranche.functions.redeem(self.units(usd) * 10**6, address, address)

    def units(self, usd: int) -> int:
        return self.weir.units(Decimal(usd))


def _build(node: Node, root: Path | None) -> _Stage:
    """Brings a fresh chain into use: fund, pools, fees, and the positions of a few hold something."""
    deployment = deploy(connect(node.url), development_account(0), PARAMETERS, root=root)
    stage = _Stage(node, deployment, root)
    weir = stage.weir

    stage.mint("deployer", 200_000, weir.fund)
    stage.send("deployer", weir.fund.functions.contribute(stage.units(100_000)))
    for role in ("staker", "other_staker", "stranger"):
        stage.mint(role, 1_000_000, weir.junior, weir.senior)
    for role in ("staker", "other_staker"):
        stage.send(role, stage.stake(role, weir.junior, 50_000))
        stage.send(role, stage.stake(role, weir.senior, 400_000))

    cash = {"market_maker": 5_000_000, "liquidator": 1_000_000, "holder": 500_000, "debtor": 60_000}
    for role in ("dealer", "trader", "other_trader", "saver", "buyer", "seller"):
        cash[role] = 100_000
    for role, usd in cash.items():
        stage.mint(role, 2 * usd, weir.vault)
        stage.send(role, stage.deposit(role, usd))
    stage.mint("stranger", 10_000, weir.vault, weir.guaranty)
    for role, usd in (("market_maker", 100_000), ("trader", 2_000)):
        stage.mint(role, 2 * usd, weir.guaranty)
        stage.send(role, stage.join(role, usd))

    # The pools get what the market maker loses to the holder, who does not ask for it.
    for symbol, size, price in (("BTC", 10, 59_000), ("ETH", 100, 2_950), ("SOL", 1_000, 95)):
        stage.buy("holder", "market_maker", symbol, size, price)
    stage.buy("saver", "market_maker", "BTC", 1, 59_000)
    stage.price(BTC=60_000, ETH=3_000, SOL=100)
    stage.send("keeper", stage.settle("market_maker"))
    stage.buy("market_maker", "saver", "BTC", 1, 60_000)
    # A first income for the treasury and for the stream to the tranches; then come new fees.
    stage.send("keeper", weir.fund.functions.collect())
    stage.wait(600)
    stage.price(BTC=60_000, ETH=3_000, SOL=100)
    stage.buy("trader", "dealer", "BTC", 5, 60_010)
    for role in ("other_trader", "liquidator"):
        stage.buy(role, "market_maker", "BTC", 5, 60_010)
        stage.buy(role, "market_maker", "ETH", 50, 3_001)
    return stage


# ------------------------------------------------------------------- scenarios

Figures = Iterator[tuple[str, int]]


def _money(stage: _Stage) -> Figures:
    yield "deposit", stage.send("trader", stage.deposit("trader", 1_000))
    yield "deposit_first", stage.send("stranger", stage.deposit("stranger", 1_000))
    saver = _account("saver").address
    withdraw = stage.weir.vault.functions.withdraw(stage.units(1_000), saver, [])
    yield "withdraw", stage.send("saver", withdraw)


def _trades(stage: _Stage) -> Figures:
    stage.price(BTC=60_300)
    yield "open", stage.buy("buyer", "seller", "BTC", 1, 60_330)

    order = stage.order("dealer", "BTC", 2, 60_130, buys=False)
    stage.price(BTC=60_100)
    yield "trade", stage.send("trader", stage.fill(order, "dealer", Decimal(1)))
    stage.price(BTC=60_200)
    yield "trade_partly_filled", stage.send("trader", stage.fill(order, "dealer", Decimal("0.5")))
    yield "trade_two_markets", stage.buy("other_trader", "market_maker", "BTC", 1, 60_230)

    order = stage.order("dealer", "BTC", 1, 60_080, buys=True)
    stage.price(BTC=60_100)
    yield "close", stage.send("buyer", stage.fill(order, "dealer"))


def _settlements(stage: _Stage) -> Figures:
    stage.price(BTC=60_100)
    yield "settle_loss", stage.send("keeper", stage.settle("dealer"))
    stage.price(BTC=60_200)
    yield "settle_profit", stage.send("keeper", stage.settle("trader"))

    refresh = stage.weir.clearing_house.functions.refresh(stage.weir.market_id("BTC"))
    stage.price(BTC=60_300)
    _, loss, profit = stage.same_block("keeper", [refresh, stage.settle("dealer"), stage.settle("trader")])
    yield "settle_loss_again", loss.gas_used
    yield "settle_profit_again", profit.gas_used


def _settlements_with_claims(stage: _Stage) -> Figures:
    stage.price(BTC=60_300)
    stage.send("keeper", stage.settle("holder"))  # empties the pool, and has claims on it now
    stage.price(BTC=60_400)
    yield "settle_profit_unpaid", stage.send("keeper", stage.settle("trader"))
    stage.price(BTC=59_800)
    stage.send("keeper", stage.settle("other_trader", "liquidator"))  # losers: the pool has something again
    stage.price(BTC=59_750)
    yield "settle_profit_beside_claims", stage.send("keeper", stage.settle("dealer"))


def _indebted(stage: _Stage) -> None:
    """The debtor is long 600,000 dollars of BTC and 300,000 of ETH, with 60,000 of cash."""
    stage.buy("debtor", "market_maker", "BTC", 10, 60_010)
    stage.buy("debtor", "market_maker", "ETH", 100, 3_001)


def _liquidation_of_a_part(stage: _Stage) -> Figures:
    _indebted(stage)
    stage.price(BTC=57_300, ETH=2_865)
    yield "flag", stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=57_350, ETH=2_870)
    yield "liquidate_part", stage.send("liquidator", stage.liquidate("debtor", "0.3"))


def _liquidation_of_all(stage: _Stage, liquidator: str = "liquidator") -> Figures:
    _indebted(stage)
    stage.price(BTC=56_400, ETH=2_820)
    stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=56_350, ETH=2_815)
    name = "liquidate_all" if liquidator == "liquidator" else "liquidate_all_new"
    yield name, stage.send(liquidator, stage.liquidate("debtor"))


def _liquidation_by_a_newcomer(stage: _Stage) -> Figures:
    return _liquidation_of_all(stage, "saver")


def _bad_debt(stage: _Stage) -> Figures:
    """More than a member's own contribution, skin and junior tranche have, less than the budget."""
    gas, default = _default(stage, Decimal(50_950))
    if not (default.own and default.skin and default.junior and default.senior) or default.mutual:
        raise BenchError(f"not all three layers paid, or more than they: {default}")
    yield "liquidate_bad_debt", gas


def _bad_debt_for_members(stage: _Stage) -> Figures:
    """More than a member's own contribution and the fund's budget, less than the members' budget on top."""
    gas, default = _default(stage, Decimal(45_000))
    if not (default.own and default.skin and default.junior and default.senior and default.mutual):
        raise BenchError(f"not all five layers paid: {default}")
    if default.unpaid_profit or default.remainder:
        raise BenchError(f"more than they paid: {default}")
    yield "liquidate_bad_debt_mutual", gas
    stage.mint("debtor", 200_000, stage.weir.fund)
    amount = default.mutual + stage.units(100)
    yield "recover", stage.send("debtor", stage.weir.fund.functions.recover(default.id, amount))


def _default(stage: _Stage, price: Decimal) -> tuple[int, DefaultRecord]:
    """What it takes to liquidate 50 BTC at this price, bought at 60,010 on 200,000 and a contribution."""
    stage.mint("debtor", 230_000, stage.weir.guaranty)
    stage.send("debtor", stage.join("debtor", 25_000))
    stage.send("debtor", stage.deposit("debtor", 140_000))
    stage.buy("debtor", "market_maker", "BTC", 50, 60_010)
    stage.price(BTC=price + 50)
    stage.send("keeper", stage.flag("debtor"))
    stage.price(BTC=price)
    gas = stage.send("liquidator", stage.liquidate("debtor"))
    [default] = stage.weir.defaults()
    return gas, default


def _deleveraging(stage: _Stage, name: str, opposite: int, fall: Decimal) -> Figures:
    """Of a long whose price fell to `fall`, against so many accounts and the market maker, all short."""
    shorts = [f"short {i}" for i in range(opposite)]
    for large in ("buyer", "liquidator"):  # above the threshold of membership
        stage.mint(large, 10_000, stage.weir.guaranty)
        stage.send(large, stage.join(large, 10_000))
    stage.mint("keeper", 200 * opposite, stage.weir.vault)
    stage.in_few_blocks("keeper", [stage.deposit(short, 200) for short in shorts])
    orders = [(short, stage.order(short, "SOL", 10, 100, buys=False)) for short in shorts]
    stage.in_few_blocks("liquidator", [stage.fill(order, short) for short, order in orders])
    stage.buy("buyer", "market_maker", "SOL", 16_000, 100)
    stage.buy("debtor", "market_maker", "SOL", 10_000, 100)
    side = stage.weir.markets()[stage.weir.market_id("SOL")].short
    if side.positions != opposite + 1:
        raise BenchError(f"{side.positions} accounts are short instead of {opposite + 1}")

    stage.price(SOL=fall)
    for role in ("buyer", "debtor"):
        stage.send("keeper", stage.flag(role))
    stage.wait(PARAMETERS.liquidation.auction_duration)
    stage.price(SOL=fall)
    stage.send("keeper", stage.deleverage("buyer"))  # not to be the first of its epoch
    stage.price(SOL=fall)
    yield name, stage.send("keeper", stage.deleverage("debtor"))


def _deleveraging_uncovered(stage: _Stage, name: str, opposite: int) -> Figures:
    """The account before has spent what members pay for the market: open interest bears all of the loss."""
    yield from _deleveraging(stage, name, opposite, Decimal(88))
    default = stage.weir.defaults()[-1]
    if default.account != _account("debtor").address or default.remainder != default.shortfall:
        raise BenchError(f"somebody paid for what should be uncovered: {default}")


def _deleveraging_few(stage: _Stage) -> Figures:
    return _deleveraging_uncovered(stage, "deleverage_few", FEW)


def _deleveraging_many(stage: _Stage) -> Figures:
    return _deleveraging_uncovered(stage, "deleverage_many", MANY)


def _deleveraging_solvent(stage: _Stage) -> Figures:
    return _deleveraging(stage, "deleverage_solvent", FEW, Decimal("96.5"))


def _income(stage: _Stage) -> Figures:
    stage.wait(HOUR)
    collect = stage.weir.fund.functions.collect()
    yield "collect", stage.send("keeper", collect)


def _tranche(stage: _Stage) -> Figures:
    junior = stage.weir.junior
    stage.wait(HOUR)
    yield "stake", stage.send("staker", stage.stake("staker", junior, 1_000))
    yield "stake_new", stage.send("stranger", stage.stake("stranger", junior, 1_000))

    stage.send("stranger", stage.request("stranger", junior, 500))
    yield "request_first", stage.send("staker", stage.request("staker", junior, 1_000))
    for _ in range(2):
        stage.wait(PARAMETERS.fund.epoch_duration)
        stage.send("keeper", junior.functions.roll())
    stage.send("staker", stage.claim("staker", junior, 1_000))

    stage.send("other_staker", stage.request("other_staker", junior, 1_000))
    yield "request", stage.send("staker", stage.request("staker", junior, 2_000))
    stage.wait(PARAMETERS.fund.epoch_duration)
    stage.send("keeper", junior.functions.roll())
    stage.wait(PARAMETERS.fund.epoch_duration)
    yield "roll", stage.send("keeper", junior.functions.roll())
    yield "claim", stage.send("staker", stage.claim("staker", junior, 2_000))


def _guaranty(stage: _Stage) -> Figures:
    stage.wait(HOUR)
    yield "join_first", stage.send("stranger", stage.join("stranger", 1_000))
    stage.wait(HOUR)
    yield "join", stage.send("trader", stage.join("trader", 500))
    guaranty = stage.weir.guaranty.functions
    yield "request_exit", stage.send("trader", guaranty.requestExit(stage.units(1_000)))
    stage.wait(PARAMETERS.guaranty.notice_period)
    stage.price(BTC=60_050, ETH=3_001)
    yield "release", stage.send("trader", guaranty.release(_account("trader").address))


def _policy(stage: _Stage) -> Figures:
    house, policy = stage.weir.clearing_house.functions, stage.weir.policy.functions
    refresh = house.refresh(stage.weir.market_id("BTC"))
    stage.price(BTC=60_050)
    stage.send("keeper", refresh)
    stage.price(BTC=60_100)
    yield "refresh", stage.send("keeper", refresh)
    for price in (60_050, 60_100):
        stage.wait(HOUR)
        stage.price(BTC=price)
        gas = stage.send("keeper", refresh)
    yield "refresh_hour", gas
    amount = stage.units(60_000)
    withdraw = stage.weir.vault.functions.withdraw(amount, _account("trader").address, [])
    yield "withdraw_position", stage.send("trader", withdraw)

    evidence = (keccak(text="inputs"), keccak(text="outputs"), 1)
    target = stage.weir.fund_state().target
    stage.send("poster", policy.postTarget(target, evidence))
    yield "post_target", stage.send("poster", policy.postTarget(target * 11 // 10, evidence))
    accounts = [_account(f"trader {i}").address for i in range(FEW)]
    yield "post_tiers_first", stage.send("poster", policy.postTiers(accounts, [1] * FEW, evidence))
    stage.wait(DAY)
    yield "post_tiers", stage.send("poster", policy.postTiers(accounts, [0] * FEW, evidence))
    yield from _tier_lookups(stage, accounts[0])


def _tier_lookups(stage: _Stage, account: str) -> Figures:
    """Reading one account's tier, kept in a mapping or proven against a root."""
    chain = stage.weir.chain
    leaves = [keccak(encode(["address", "uint256"], [account, 1]))]
    leaves += [keccak(text=f"leaf {i}") for i in range(LEAVES - 1)]
    root, proof = _merkle_path(leaves)
    compiled = artifact("MerkleTiers", chain.root)
    constructor = next(entry for entry in compiled.abi if entry["type"] == "constructor")
    data = compiled.bytecode + encode_arguments(constructor, (root, account, 1))
    made = chain.wait(chain.submit_raw(_account("deployer"), None, data)).contract
    if made is None:
        raise BenchError("MerkleTiers: the node reports no address")
    tiers = chain.contract("MerkleTiers", made).functions
    yield "tier_mapping", stage.send("stranger", tiers.byMapping(account))
    yield "tier_proof", stage.send("stranger", tiers.byProof(account, 1, proof))


def _merkle_path(leaves: Sequence[bytes]) -> tuple[bytes, list[bytes]]:
    """Root, and the path of the first leaf; pairs are hashed in order of size, an odd last node goes up."""
    level, path = list(leaves), []
    while len(level) > 1:
        path.append(level[1])
        pairs = [sorted(level[i : i + 2]) for i in range(0, len(level), 2)]
        level = [keccak(b"".join(pair)) if len(pair) == 2 else pair[0] for pair in pairs]
    return level[0], path


SCENARIOS: tuple[Callable[[_Stage], Figures], ...] = (
    _money,
    _trades,
    _settlements,
    _settlements_with_claims,
    _liquidation_of_a_part,
    _liquidation_of_all,
    _liquidation_by_a_newcomer,
    _bad_debt,
    _bad_debt_for_members,
    _deleveraging_few,
    _deleveraging_many,
    _deleveraging_solvent,
    _income,
    _tranche,
    _guaranty,
    _policy,
)


def measurements(root: Path | None = None) -> Iterator[tuple[str, int]]:
    """Measures every action, in the order of `ACTIONS`: its name, and the gas that its transaction used.

    Starts a chain, and stops it at the end. `root` is the project whose compiled contracts are measured.
    """
    with Node("anvil", timestamp=GENESIS) as node:
        stage = _build(node, root)
        for scenario in SCENARIOS:
            mark = node.rpc("evm_snapshot")
            yield from scenario(stage.again())
            node.rpc("evm_revert", mark)


# -------------------------------------------------------------------- snapshot


class Snapshot(BaseModel):
    """Figures as they are committed: gas by action."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gas: dict[str, int]

    def save(self, path: Path) -> None:
        """Writes the JSON, making the folder where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `BenchError` where there is nothing, or something else."""
        try:
            return cls.model_validate_json(path.read_text(encoding="utf-8"))
        except (OSError, ValidationError) as error:
            raise BenchError(f"{path} is not a snapshot of gas: write one with --write ({error})") from None


@dataclass(frozen=True, slots=True)
class Change:
    """A figure that moved beyond the tolerance; None where it was not, or is no longer, measured."""

    name: str
    before: int | None
    after: int | None

    @property
    def regression(self) -> bool:
        """Whether it costs more now, or can't be compared."""
        return self.before is None or self.after is None or self.after > self.before

    @property
    def ratio(self) -> float | None:
        """By which part it moved: 0.05 for five per cent more."""
        return self.after / self.before - 1 if self.before and self.after else None

    def exceeds(self, tolerance: float) -> bool:
        """Whether it is more than this part of what it was."""
        if self.before is None or self.after is None:
            return True
        return abs(self.after - self.before) > tolerance * self.before


def compare(before: Snapshot, after: Snapshot, tolerance: float = TOLERANCE) -> tuple[Change, ...]:
    """What moved by more than `tolerance` of what it was, in the order of the figures."""
    names = dict.fromkeys((*after.gas, *before.gas))
    changes = (Change(name, before.gas.get(name), after.gas.get(name)) for name in names)
    return tuple(change for change in changes if change.exceeds(tolerance))


# ---------------------------------------------------------------------- report

_START, _END = "<!-- measured -->", "<!-- /measured -->"
_HEADINGS = ("action", "gas", "at most", "elsewhere")


def render(snapshot: Snapshot) -> RenderableType:
    """The figures, ready for `rich.console.Console.print`; those above their limit in red."""
    shown = Table(box=box.SIMPLE_HEAD)
    for heading in _HEADINGS:
        shown.add_column(heading, justify="right" if heading in ("gas", "at most") else "left")
    for action, gas in _rows(snapshot):
        style = "red" if action.exceeded_by(gas) else ""
        shown.add_row(action.text, Text(f"{gas:,}", style), _limit(action), action.elsewhere)
    return shown


def render_changes(changes: Sequence[Change]) -> RenderableType:
    """What a comparison found."""
    if not changes:
        return Text(f"Nothing moved by more than {TOLERANCE:.0%}.", "green")
    shown = Table("action", box=box.SIMPLE_HEAD, title="Moved since the committed snapshot")
    for heading in ("before", "after", "change"):
        shown.add_column(heading, justify="right")
    for change in changes:
        before, after = ("–" if gas is None else f"{gas:,}" for gas in (change.before, change.after))
        moved = "" if change.ratio is None else f"{change.ratio:+.1%}"
        shown.add_row(change.name, before, after, Text(moved, "red" if change.regression else "green"))
    return shown


def table(snapshot: Snapshot) -> str:
    """The figures in Markdown; those above their limit in bold."""
    lines = [f"| {' | '.join(_HEADINGS)} |", "|---|--:|--:|---|"]
    for action, gas in _rows(snapshot):
        figure = f"**{gas:,}**" if action.exceeded_by(gas) else f"{gas:,}"
        lines.append(f"| {action.text} | {figure} | {_limit(action)} | {action.elsewhere} |")
    return "\n".join(lines)


def rewrite_table(document: str, snapshot: Snapshot) -> str:
    """A document with its table renewed; raises `BenchError` where it has no place for one."""
    head, start, rest = document.partition(_START)
    _, end, tail = rest.partition(_END)
    if not (start and end):
        raise BenchError(f"the document has no table between {_START} and {_END}")
    return f"{head}{start}\n\n{table(snapshot)}\n\n{end}{tail}"


def _rows(snapshot: Snapshot) -> Iterator[tuple[Action, int]]:
    return ((action, snapshot.gas[action.name]) for action in ACTIONS)


def _limit(action: Action) -> str:
    return "" if action.limit is None else f"{action.limit:,}"
