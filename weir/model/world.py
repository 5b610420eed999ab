"""The whole protocol behind one object: a method for each external call of the contracts, time and prices."""

from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Concatenate, ParamSpec, TypeVar

from weir.model import errors
from weir.model.clearing import ClearingHouse
from weir.model.collateral import Collateral
from weir.model.copying import copied
from weir.model.environment import Clock, Feeds, Token
from weir.model.fund import Cover, Fund
from weir.model.funding import Contribution, FundingPolicy
from weir.model.guaranty import GuarantyFund
from weir.model.house import COLLATERAL, FUND, GUARANTY, RESERVE, VAULT
from weir.model.ledger import Ledger
from weir.model.numbers import MAX_MATURITY
from weir.model.parameters import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    StablecoinParameters,
)
from weir.model.reserve import Reserve
from weir.model.stablecoins import Stablecoins
from weir.model.trading import Order
from weir.model.tranche import Tranche

JUNIOR, SENIOR, TREASURY = "junior", "senior", "treasury"

P = ParamSpec("P")
R = TypeVar("R")


def _atomic(call: Callable[Concatenate["World", P], R]) -> Callable[Concatenate["World", P], R]:
    """A call that raises leaves the world as it was."""

    @wraps(call)
    def guarded(world: "World", /, *args: P.args, **kwargs: P.kwargs) -> R:
        before = copied(vars(world))
        try:
            return call(world, *args, **kwargs)
        except BaseException:
            vars(world).update(before)
            raise

    return guarded


class World:
    """Accounts are strings; `vault`, `fund`, `guaranty`, `collateral`, `reserve`, `junior`, `senior` and
    `treasury` are the protocol's.

    `fund` is also the fund's own account in the ledger.

    Amounts are units of a settlement token with `decimals`; sizes and prices 1e-18. A call either returns, or
    raises a `Revert` named as the contracts' error and changes nothing. After a revert the parts (`house`,
    `ledger`, `fund`) are new objects: reach them through the world each time.
    """

    def __init__(
        self,
        *,
        decimals: int = 6,
        fund: FundParameters | None = None,
        funding: FundingParameters | None = None,
        guaranty: GuarantyParameters | None = None,
        liquidation: LiquidationParameters | None = None,
        stablecoins: StablecoinParameters | None = None,
        epoch_duration: int = 7 * 86_400,
        time: int = 1_600_000_000,
        block: int = 1,
    ) -> None:
        self.clock = Clock(time, block)
        self.feeds = Feeds()
        self.token = Token()
        self.tokens: defaultdict[int, Token] = defaultdict(Token)  # of the other assets
        self.stablecoins = Stablecoins(
            self.clock, self.feeds, stablecoins or StablecoinParameters(), decimals
        )
        self.collateral = Collateral(self.clock, self.stablecoins)
        self.ledger = Ledger(self.clock, self.collateral)
        junior, senior = (Tranche(name, epoch_duration, time) for name in (JUNIOR, SENIOR))
        self.guaranty = GuarantyFund(self.clock, guaranty or GuarantyParameters())
        reserve = Reserve(self.clock, self.stablecoins)
        self.fund = Fund(self.clock, fund or FundParameters(), junior, senior, self.guaranty, reserve)
        self.funding = FundingPolicy(self.clock, self.fund, funding or FundingParameters())
        self.house = ClearingHouse(
            clock=self.clock,
            feeds=self.feeds,
            token=self.token,
            ledger=self.ledger,
            fund=self.fund,
            funding=self.funding,
            liquidation=liquidation or LiquidationParameters(),
            decimals=decimals,
        )

    def clone(self) -> "World":
        """An independent copy."""
        copy = object.__new__(World)
        vars(copy).update(copied(vars(self)))
        return copy

    # ---- time and prices

    def at(self, time: int, block: int) -> None:
        """The next calls land in this block."""
        self.clock.time, self.clock.block = time, block

    def advance(self, seconds: int, blocks: int = 1) -> None:
        self.at(self.clock.time + seconds, self.clock.block + blocks)

    def set_price(self, market: int, price: int | None) -> None:
        """What the market's feed answers, 1e-18 of a dollar; None: it is not Ok."""
        self.feeds.prices[market] = price

    def set_rate(self, asset: int, answer: int | None) -> None:
        """What a share's vault answers to convertToAssets(one whole share); None: it does not."""
        self.stablecoins.answers[asset] = answer

    # ---- governance (parameters are not checked against the contracts' bounds)

    @_atomic
    def add_market(
        self, parameters: MarketParameters, *, budget_share: int = 0, coinsurance: int = 0, maturity: int = 0
    ) -> int:
        """Opens a market at its feed's price; cover in ppm, maturity of claims in seconds."""
        market = self.house.add_market(parameters)
        self.fund.covers[market] = Cover(budget_share, coinsurance)
        self.set_maturity(market, maturity)
        return market

    def set_market_parameters(self, market: int, parameters: MarketParameters) -> None:
        """Funding up to now accrues at the old rate, where there is a price."""
        state = self.house.market(market)
        if self.feeds.is_ok(market):
            self.house.refresh(market)
        state.parameters = parameters

    def set_market_cover(self, market: int, budget_share: int, coinsurance: int) -> None:
        """A budget already opened in this window stays."""
        self.house.market(market)
        cover = self.fund.covers[market]
        cover.budget_share, cover.coinsurance = budget_share, coinsurance

    def set_maturity(self, market: int, maturity: int) -> None:
        self.house.market(market)
        if maturity > MAX_MATURITY:
            raise errors.MaturityOutOfBounds(maturity, MAX_MATURITY)
        self.ledger.markets[market].maturity = maturity

    def set_epoch_duration(self, tranche: str, duration: int) -> None:
        self.tranche(tranche).epoch_duration = duration

    def set_liquidation_parameters(self, parameters: LiquidationParameters) -> None:
        self.house.liquidation = parameters

    def set_fund_parameters(self, parameters: FundParameters) -> None:
        self.fund.vest()
        self.fund.parameters = parameters

    @_atomic
    def set_funding_parameters(self, parameters: FundingParameters) -> None:
        """The next refresh of each market charges the hours up to it at the new premium rate."""
        self.funding.parameters = parameters

    @_atomic
    def set_guaranty_parameters(self, parameters: GuarantyParameters) -> None:
        """A loss budget already opened in its window stays; notices keep the day they begin."""
        self.guaranty.parameters = parameters

    @_atomic
    def set_asset(self, asset: int, parameters: AssetParameters) -> None:
        """Adds the next asset, or sets one anew."""
        self.stablecoins.set_asset(asset, parameters)

    def set_stablecoin_parameters(self, parameters: StablecoinParameters) -> None:
        """Auctions that are running go on with them."""
        self.stablecoins.parameters = parameters

    @_atomic
    def close_market(self, market: int, price: int) -> None:
        self.house.close_market(market, price)

    @_atomic
    def pause(self, duration: int) -> None:
        self.house.pause(duration)

    # ---- the poster

    @_atomic
    def post_target(self, target: int, evidence_block: int) -> None:
        """What the fund should hold, units of S; the block is that of the model's inputs and outputs."""
        self.funding.post_target(target, self.house.open_interest_notional(), evidence_block)

    @_atomic
    def post_tiers(self, accounts: Sequence[str], tiers: Sequence[int], evidence_block: int) -> None:
        """Risk tiers, 0 (best) to 4, one for each account, applied in order."""
        self.funding.post_tiers(accounts, tiers, evidence_block)

    # ---- the token

    def donate(self, payer: str, holder: str, amount: int, asset: int | None = None) -> None:
        """A plain transfer of S, or of another asset, to one of the contracts, which changes no books."""
        token = self.token if asset is None else self.tokens[asset]
        token.move(payer, holder, amount)
        token.donated[holder] += amount

    # ---- vault

    @_atomic
    def deposit(self, payer: str, account: str, amount: int) -> None:
        if amount == 0:
            raise errors.ZeroAmount
        self._deposit(payer, account, amount)

    def _deposit(self, payer: str, account: str, amount: int) -> None:
        self.token.move(payer, VAULT, amount)
        self.ledger.credit(account, amount)
        if account == FUND:
            self.house.tally.gifts += amount

    @_atomic
    def withdraw(self, account: str, amount: int, to: str, accounts: Sequence[str] = ()) -> None:
        if amount == 0:
            raise errors.ZeroAmount
        self.house.authorize_withdrawal(account, amount, accounts)
        self.ledger.debit(account, amount)
        self.token.move(VAULT, to, amount)

    # ---- collateral

    @_atomic
    def deposit_collateral(self, account: str, asset: int, amount: int) -> None:
        """Pledges units of another asset."""
        self.collateral.deposit(account, asset, amount)
        self.tokens[asset].move(account, COLLATERAL, amount)

    @_atomic
    def withdraw_collateral(
        self, account: str, asset: int, amount: int, settle_first: Sequence[str] = ()
    ) -> None:
        """Takes units back, as cash of the value they count for."""
        self.collateral.check_held(account, asset, amount)
        fall = self.collateral.fall(account, asset, amount)
        self.house.authorize_withdrawal(account, 0, settle_first, fall)
        self.collateral.withdraw(account, asset, amount)
        self.tokens[asset].move(COLLATERAL, account, amount)

    @_atomic
    def start_sale(self, account: str) -> None:
        """Settles an account and, if it owes something then, starts the auction of its collateral."""
        self.house.settle([account])
        self.collateral.start(account, self.house.due(account)[0])

    @_atomic
    def buy_collateral(
        self, buyer: str, account: str, asset: int, amount: int, max_cost: int
    ) -> tuple[int, int]:
        """Buys at most `amount` units in the account's auction; returns the units and what they cost.

        The money pays the account's debts, else its first open default, and the rest is the account's.
        """
        need, default = self.house.due(account)
        units, cost = self.collateral.sell(account, buyer, asset, amount, need, max_cost)
        self.tokens[asset].move(COLLATERAL, buyer, units)
        returned = self._recover(buyer, default, min(cost, need)) if default else 0
        if cost > returned:
            self._deposit(buyer, account, cost - returned)
        return units, cost

    # ---- clearing house

    @_atomic
    def trade(self, taker: str, order: Order, size: int) -> None:
        self.house.trade(taker, order, size)

    @_atomic
    def cancel(self, caller: str, order: Order) -> None:
        self.house.cancel(caller, order)

    @_atomic
    def cancel_all(self, caller: str) -> None:
        self.house.cancel_all(caller)

    @_atomic
    def settle(self, accounts: Sequence[str]) -> None:
        self.house.settle(accounts)

    @_atomic
    def refresh(self, market: int) -> None:
        self.house.refresh(market)

    @_atomic
    def flag(self, account: str) -> None:
        self.house.flag(account)

    @_atomic
    def liquidate(self, liquidator: str, account: str, fraction: int, accounts: Sequence[str] = ()) -> None:
        self.house.liquidate(liquidator, account, fraction, accounts)

    @_atomic
    def deleverage(self, account: str, accounts: Sequence[str] = ()) -> None:
        self.house.deleverage(account, accounts)

    # ---- fund

    @_atomic
    def collect(self) -> int:
        """Takes all income from the vault; returns what stays in the fund."""
        return self._collect()

    def _collect(self) -> int:
        tally, share = self.house.tally, self.fund_share()
        fees, levies, own = self.ledger.collect(FUND)
        self.token.move(VAULT, FUND, fees + levies + own)
        treasury, to_members = self.fund.take_income(fees, levies + own, share, self.gate_open)
        self.token.move(FUND, TREASURY, treasury)
        self.token.move(FUND, GUARANTY, to_members)
        tally.to_treasury += treasury
        tally.to_members += to_members
        tally.to_fund += fees + levies - treasury - to_members
        tally.from_own_account += own
        return fees + levies + own - treasury - to_members

    @_atomic
    def contribute(self, payer: str, amount: int) -> None:
        self.fund.contribute(amount)
        self.token.move(payer, FUND, amount)

    @_atomic
    def recover(self, payer: str, number: int, amount: int) -> int:
        """Gives back what a default (ids from 1) cost the funds, as far as it is open; returns the sum."""
        return self._recover(payer, number, amount)

    def _recover(self, payer: str, number: int, amount: int) -> int:
        to_fund, to_guaranty = self.fund.recover(number, amount)
        self.token.move(payer, FUND, to_fund)
        self.token.move(payer, GUARANTY, to_guaranty)
        return to_fund + to_guaranty

    # ---- reserve

    @_atomic
    def contribute_asset(self, giver: str, asset: int, amount: int) -> None:
        """Gives the reserve units of an asset."""
        self.fund.reserve.contribute(asset, amount, self.fund.owed)
        self.tokens[asset].move(giver, RESERVE, amount)

    @_atomic
    def start_conversion(self, asset: int) -> None:
        """Starts the auction in which the reserve sells the asset, or buys it."""
        self.fund.start_conversion(asset, self.gate_open)

    @_atomic
    def buy_from_reserve(self, buyer: str, asset: int, amount: int, max_cost: int) -> tuple[int, int]:
        """Buys up to `amount` units of what the reserve sells; returns the units and their cost."""
        units, cost = self.fund.sell_asset(asset, amount, max_cost)
        self.token.move(buyer, FUND, cost)
        self.tokens[asset].move(RESERVE, buyer, units)
        return units, cost

    @_atomic
    def sell_to_reserve(self, seller: str, asset: int, amount: int, min_paid: int) -> tuple[int, int]:
        """Sells up to `amount` units of what the reserve buys; returns the units and what it paid."""
        units, paid = self.fund.buy_asset(asset, amount, min_paid, self.gate_open)
        self.tokens[asset].move(seller, RESERVE, units)
        self.token.move(FUND, seller, paid)
        return units, paid

    @_atomic
    def write_off_advances(self) -> None:
        """Governance: what is advanced is lost, since nothing that the reserve holds has a price."""
        self.fund.write_off_advances()

    # ---- guaranty fund

    @_atomic
    def join(self, payer: str, account: str, amount: int) -> None:
        """Adds to the account's contribution; income so far is the others'."""
        if amount == 0:
            raise errors.ZeroAmount
        if not self.house.gate_open:
            raise errors.GateClosed
        self._collect()
        self.token.move(payer, GUARANTY, amount)
        self.guaranty.join(account, amount)

    @_atomic
    def request_exit(self, account: str, amount: int) -> None:
        """Gives notice for a part of the account's contribution; 0 takes it back."""
        self.guaranty.request_exit(account, amount)

    @_atomic
    def release(self, account: str) -> int:
        """Pays the account what it has given notice for, if its margin allows it; returns the amount."""
        self.guaranty.check_notice(account)
        if not self.house.gate_open:
            raise errors.GateClosed
        self.house.settle([account])
        health = self.house.health(account)
        if health.equity < health.initial:
            raise errors.InitialMarginNotMet(account, health.equity, health.initial)
        paid = self.guaranty.release(account)
        rest, requirement = self.guaranty_balance(account), self.requirement(account)
        if rest < requirement:
            raise errors.MembershipRequired(account, rest, requirement)
        self.token.move(GUARANTY, account, paid)
        return paid

    # ---- tranches

    def tranche(self, name: str) -> Tranche:
        """`junior` or `senior`."""
        return {JUNIOR: self.fund.junior, SENIOR: self.fund.senior}[name]

    @_atomic
    def stake(self, tranche: str, owner: str, assets: int) -> int:
        """Tranche deposit; returns the shares."""
        self._pass_gate()
        shares = self.tranche(tranche).deposit(assets, owner)
        self.token.move(owner, FUND, assets)
        return shares

    @_atomic
    def mint(self, tranche: str, owner: str, shares: int) -> int:
        """Tranche deposit by the number of shares; returns the assets."""
        self._pass_gate()
        assets = self.tranche(tranche).mint(shares, owner)
        self.token.move(owner, FUND, assets)
        return assets

    @_atomic
    def request_redeem(self, tranche: str, owner: str, shares: int) -> int:
        """Puts the owner's shares into the current batch; returns its id."""
        return self.tranche(tranche).request_redeem(owner, shares, owner)

    @_atomic
    def roll(self, tranche: str) -> None:
        self._pass_gate()
        assets = self.tranche(tranche).roll(self.clock.time)
        self.token.move(FUND, tranche, assets)

    @_atomic
    def claim(self, tranche: str, controller: str, shares: int | None = None) -> int:
        """Takes priced shares of the controller's, all by default; returns the assets."""
        assets = self.tranche(tranche).claim(controller, shares)
        self.token.move(tranche, controller, assets)
        return assets

    @_atomic
    def claim_assets(self, tranche: str, controller: str, assets: int) -> int:
        """Takes assets for priced shares of the controller's; returns the shares."""
        shares = self.tranche(tranche).claim_assets(controller, assets)
        self.token.move(tranche, controller, assets)
        return shares

    def transfer_shares(self, tranche: str, owner: str, to: str, shares: int) -> None:
        self.tranche(tranche).transfer(owner, to, shares)

    # ---- tranches, by others

    def approve(self, tranche: str, owner: str, spender: str, shares: int) -> None:
        self.tranche(tranche).approve(owner, spender, shares)

    @_atomic
    def transfer_from(self, tranche: str, spender: str, owner: str, to: str, shares: int) -> None:
        self.tranche(tranche).spend_allowance(owner, spender, shares)
        self.tranche(tranche).transfer(owner, to, shares)

    def set_operator(self, tranche: str, controller: str, operator: str, approved: bool) -> None:
        """An operator may redeem and claim for the controller (ERC-7540)."""
        operators = self.tranche(tranche).operators
        operators.pop((controller, operator), None)
        if approved:
            operators[controller, operator] = True

    @_atomic
    def request_redeem_for(self, tranche: str, caller: str, shares: int, controller: str, owner: str) -> int:
        """Puts the owner's shares into the current batch for the controller, as its operator or spender."""
        state = self.tranche(tranche)
        if shares and caller != owner and (owner, caller) not in state.operators:
            state.spend_allowance(owner, caller, shares)
        return state.request_redeem(owner, shares, controller)

    @_atomic
    def claim_for(self, tranche: str, caller: str, shares: int, receiver: str, controller: str) -> int:
        """Takes priced shares of the controller's for the receiver; returns the assets."""
        state = self.tranche(tranche)
        state.require_operator(controller, caller)
        assets = state.claim(controller, shares)
        self.token.move(tranche, receiver, assets)
        return assets

    @property
    def gate_open(self) -> bool:
        """Whether the tranches may be entered and left: no insolvency is known, and no advance is open."""
        return self.house.gate_open and not self.fund.owed

    def _pass_gate(self) -> None:
        if not self.gate_open:
            raise errors.GateClosed
        self.fund.vest()

    # ---- views

    def target(self) -> int:
        """What the fund should hold at the present open interest, units of S."""
        return self.funding.target(self.house.open_interest_notional())

    def coverage(self) -> int | None:
        """assets / target, ppm; None (infinite) when the target is 0."""
        return self.funding.coverage(self.house.open_interest_notional())

    def fund_share(self) -> int:
        """The fund's part of fees at the present coverage, ppm."""
        return self.funding.fund_share(self.house.open_interest_notional())

    def observed(self, market: int) -> int:
        """The market's notional as the funding policy last observed it, units of S."""
        return self.funding.observed.get(market, 0)

    def tier(self, account: str) -> int:
        """The account's risk tier now."""
        return self.funding.tier(account)

    def guaranty_balance(self, account: str) -> int:
        """The account's contribution to the guaranty fund, after losses and income."""
        return self.guaranty.balance(account)

    def requirement(self, account: str) -> int:
        """What the account must have in the guaranty fund for its positions, at the marks last refreshed."""
        return self.funding.requirement(account, self.house.health(account).notional)

    def owed(self, account: str) -> int:
        """What the account lacks of its requirement."""
        return max(0, self.requirement(account) - self.guaranty_balance(account))

    def preview_contribution(
        self, account: str, counterparty: str | None, market: int, is_maker: bool, size: int, price: int
    ) -> Contribution:
        """What a trade would cost `account`: a signed size (1e-18) at a price, at the marks last refreshed.

        Open interest after it is as if against `counterparty`, or against someone without a position there.
        """
        return self.house.preview_contribution(account, counterparty, market, is_maker, size, price)

    def accounts(self) -> list[str]:
        """Everyone with an entry in the ledger, the house, the collateral or the guaranty fund, sorted."""
        ledger, house = self.ledger, self.house
        named = {account for account, _ in (*ledger.claims, *ledger.debts)}
        members, pledgers = self.guaranty.members, self.collateral.held
        traders = {*house.positions, *house.flags, *house.generations}
        return sorted({*ledger.cash, *traders, *named, *members, *pledgers})
