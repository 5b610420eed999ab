"""Orders and trades (SPECIFICATION.md section 3), and what a withdrawal must meet (section 2)."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from weir.model import errors
from weir.model.funding import Contribution, Exposure
from weir.model.house import Change, Health, House
from weir.model.markets import Market
from weir.model.numbers import MAX_POSITIONS, MILLION, ceil_div


@dataclass(frozen=True)
class Order:
    """A maker's order, taken as authentic; it is its own key. size: 1e-18, price: 1e-18 of a dollar."""

    maker: str
    market: int
    is_buy: bool
    size: int
    price: int
    expiry: int
    reduce_only: bool = False
    generation: int = 0
    salt: int = 0


@dataclass
class Trading(House):
    """Fills of orders by the order, and the generation that each maker's orders must have."""

    filled: dict[Order, int] = field(default_factory=dict)
    generations: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))

    # ---- trading

    def cancel(self, caller: str, order: Order) -> None:
        if caller != order.maker:
            raise errors.NotMaker(caller, order.maker)
        self.filled[order] = order.size

    def cancel_all(self, caller: str) -> None:
        self.generations[caller] += 1

    def trade(self, taker: str, order: Order, size: int) -> None:
        """Fills `size` of an order with the taker."""
        market = self._open_market(order.market)
        self._accept(taker, order, size)
        pair = (order.maker, taker)
        self.refresh(order.market)
        self._check_band(market, order.price)
        for account in pair:
            self._settle_one(account, order.market)
        for account in pair:
            self._refresh_all(account)
        for account in pair:
            self.check_free(account)
        before = {account: self.health(account) for account in pair}
        oi_before = market.open_interest

        buyer, seller = pair if order.is_buy else pair[::-1]
        self._pay_for(market, buyer, seller, order, taker, size)
        bought, sold = self._move(order.market, buyer, seller, size)
        market.observe(order.price, size)
        changes = {buyer: bought, seller: sold}
        for account in pair:
            health = self.health(account)
            if changes[account].reduces:
                _check_eased(account, before[account], health)
            else:
                if order.reduce_only and account == order.maker:
                    raise errors.OrderReduceOnly(account)
                if market.open_interest > oi_before:
                    self.funding.check_growth(order.market, market)
                health = self._contribute(account, order.market, changes[account], health)
                self._check_new_risk(account, health)
            self._check_size(account, order.market, oi_before)
            if health.equity >= health.initial:
                self.flags.pop(account, None)

    def _accept(self, taker: str, order: Order, size: int) -> None:
        if size == 0:
            raise errors.ZeroSize
        if self.clock.time > order.expiry:
            raise errors.OrderExpired(order.expiry)
        if order.generation != self.generations[order.maker]:
            raise errors.OrderGenerationMismatch(order.generation, self.generations[order.maker])
        remaining = order.size - self.filled.get(order, 0)
        if size > remaining:
            raise errors.OrderOverfilled(size, remaining)
        if taker == order.maker:
            raise errors.SelfTrade(taker)
        self.filled[order] = order.size - remaining + size

    def _check_band(self, market: Market, price: int) -> None:
        band = market.parameters.price_band
        if abs(price - market.price) * MILLION > band * market.price:
            raise errors.PriceOutsideBand(price, market.price, band)

    def _pay_for(self, market: Market, buyer: str, seller: str, order: Order, taker: str, size: int) -> None:
        """The price difference between the two, then each one's fee."""
        payer, payee = (buyer, seller) if order.price > market.price else (seller, buyer)
        self.ledger.transfer(payer, payee, _difference(market, size, order.price))
        for account in (order.maker, taker):
            fee = _fee(market, size, order.price, is_maker=account == order.maker)
            self.ledger.charge_fee(account, fee)
            self.tally.fees += fee

    def _contribute(self, account: str, number: int, change: Change, health: Health) -> Health:
        """The account pays for its new risk in cash; returns its health afterwards."""
        market = self.markets[number]
        size, open_interest = abs(change.after), market.open_interest
        after = Exposure(account, change.new_risk, size, open_interest, health.equity, health.notional)
        self._charge_contribution(account, self.funding.contribution(number, market, after).amount)
        return self.health(account)

    def _charge_contribution(self, account: str, amount: int) -> None:
        self.ledger.charge_contribution(account, amount)
        self.tally.contributions += amount

    def _check_new_risk(self, account: str, health: Health) -> None:
        """What an account must meet that has not merely reduced, its contribution paid."""
        if health.equity < health.initial:
            raise errors.InitialMarginNotMet(account, health.equity, health.initial)
        if self.clock.time < self.paused_until:
            raise errors.NewRiskIsPaused(self.paused_until)
        if len(self.positions[account]) > MAX_POSITIONS:
            raise errors.TooManyPositions(account, MAX_POSITIONS)

    def _check_size(self, account: str, number: int, oi_before: int) -> None:
        """No dust, no more open interest than the market may have."""
        market, minimum = self.markets[number], self.liquidation.min_notional
        size = self.size(account, number)
        if size and market.notional(size) < minimum:
            raise errors.PositionBelowMinimum(account, market.notional(size), minimum)
        cap = market.parameters.max_open_interest
        if market.open_interest > oi_before and market.open_interest > cap:
            raise errors.OpenInterestAboveCap(number, market.open_interest, cap)

    # ---- preview

    def preview_contribution(
        self, account: str, counterparty: str | None, number: int, is_maker: bool, size: int, price: int
    ) -> Contribution:
        """What `account` would pay for a trade of a signed size, at the marks of the last refresh."""
        market, health = self.market(number), self.health(account)
        mine = self._change_by(account, number, size)
        theirs = self._change_by(counterparty, number, -size) if counterparty else Change(0, -size)
        difference = _difference(market, abs(size), price)
        gain = -difference if (size > 0) == (price > market.price) else difference
        after = Exposure(
            account=account,
            new_risk=mine.new_risk,
            size=abs(mine.after),
            open_interest=market.open_interest + mine.longs + theirs.longs,
            equity=health.equity + gain - _fee(market, abs(size), price, is_maker),
            notional=health.notional - market.notional(abs(mine.before)) + market.notional(abs(mine.after)),
        )
        return self.funding.contribution(number, market, after)

    def _change_by(self, account: str, number: int, delta: int) -> Change:
        before = self.signed_size(account, number)
        return Change(before, before + delta)

    # ---- withdrawal

    def authorize_withdrawal(
        self, account: str, cash: int, accounts: Sequence[str], collateral: int = 0
    ) -> None:
        """Settles the accounts and the account, refuses what its state forbids, charges added leverage.

        `cash` is to leave, and collateral of a value of `collateral`.
        """
        self.settle([*accounts, account])
        if account in self.flags:
            raise errors.AccountFlagged(account)
        self.check_free(account)
        if cash > self.ledger.cash[account]:
            raise errors.InsufficientCash(account, self.ledger.cash[account], cash)
        if self.open_markets(account):
            self._keep_margin(account, cash, cash + collateral)

    def _keep_margin(self, account: str, cash: int, amount: int) -> None:
        """Charges what a withdrawal of `amount`, of it `cash`, adds to leverage; enough equity must stay."""
        health, there = self.health(account), self.ledger.cash[account]
        contribution = self.funding.withdrawal(health.notional, health.equity, health.equity - amount)
        if cash + contribution > there:
            raise errors.InsufficientCash(account, there, cash + contribution)
        equity = health.equity - amount - contribution
        if equity < health.initial:
            raise errors.InitialMarginNotMet(account, equity, health.initial)
        self._charge_contribution(account, contribution)


def _difference(market: Market, size: int, price: int) -> int:
    """What moves between the two of a trade off the mark, units of S, rounded down."""
    return abs(price - market.price) * size // market.scale


def _fee(market: Market, size: int, price: int, is_maker: bool) -> int:
    """A fill's fee, units of S, rounded up."""
    rate = market.parameters.maker_fee if is_maker else market.parameters.taker_fee
    return ceil_div(size * price * rate, market.scale * MILLION)


def _check_eased(account: str, before: Health, after: Health) -> None:
    """A trade that only reduces must meet initial margin, or not worsen the ratio of equity to it."""
    eased = after.equity >= 0 and after.equity * before.initial >= before.equity * after.initial
    if after.equity < after.initial and not eased:
        raise errors.InitialMarginNotMet(account, after.equity, after.initial)
