"""The clearing house (SPECIFICATION.md sections 3 to 5): trade, settle, flag, liquidate, deleverage, loss."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

from weir.model import errors
from weir.model.environment import Clock, Feeds, Token
from weir.model.fund import Fund
from weir.model.ledger import Ledger, MarketLedger
from weir.model.markets import Market, Position, Status
from weir.model.numbers import (
    CLOSE_AFTER,
    DUST,
    MAX_MARKETS,
    MAX_PAUSE,
    MAX_POSITIONS,
    MILLION,
    ONE_A,
    PAUSE_INTERVAL,
    WAD,
    ceil_div,
    size_scale,
    trunc_div,
)
from weir.model.parameters import LiquidationParameters, MarketParameters

VAULT, FUND = "vault", "fund"


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
class Flag:
    """Since when an account may be sold, and whether it is known to be insolvent."""

    time: int
    insolvent: bool = False


@dataclass(frozen=True)
class Health:
    """An account at the marks: equity, requirements and notional in units of S."""

    equity: int
    initial: int
    maintenance: int
    notional: int


@dataclass(frozen=True)
class Change:
    """A position's signed size before and after."""

    before: int
    after: int

    @property
    def reduces(self) -> bool:
        """Same side or flat, and smaller."""
        return abs(self.after) < abs(self.before) and self.before * self.after >= 0


@dataclass
class Tally:
    """Sums since the beginning, units of S; for P10 only."""

    fees: int = 0
    penalties: int = 0
    bounties: int = 0  # that accounts paid
    to_liquidators: int = 0  # bounties that accounts paid, as received
    fund_bounties: int = 0  # that the fund paid, by whatever market's budget
    to_treasury: int = 0
    to_fund: int = 0


@dataclass
class ClearingHouse:
    """Everything the contracts ClearingHouse keeps, over the ledger and the fund."""

    clock: Clock
    feeds: Feeds
    token: Token
    ledger: Ledger
    fund: Fund
    liquidation: LiquidationParameters
    decimals: int
    markets: list[Market] = field(default_factory=list)
    positions: defaultdict[str, dict[int, Position]] = field(default_factory=lambda: defaultdict(dict))
    flags: dict[str, Flag] = field(default_factory=dict)
    filled: dict[Order, int] = field(default_factory=dict)
    generations: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    paused_until: int = 0
    pause_began: int | None = None
    tally: Tally = field(default_factory=Tally)

    # ---- governance

    def add_market(self, parameters: MarketParameters) -> int:
        if len(self.markets) == MAX_MARKETS:
            raise errors.TooManyMarkets(MAX_MARKETS)
        price, clock = self.feeds.price(len(self.markets)), self.clock
        self.markets.append(
            Market(parameters, size_scale(self.decimals), price, clock.time, clock.block, value_index=price)
        )
        self.ledger.markets.append(MarketLedger())
        return len(self.markets) - 1

    def close_market(self, number: int, price: int) -> None:
        market = self._open_market(number)
        if self.feeds.is_ok(number) or self.clock.time < market.updated_at + CLOSE_AFTER:
            raise errors.PriceStillLive(number)
        band = self.liquidation.close_band
        if abs(price - market.price) * MILLION > band * market.price:
            low, high = market.price * (MILLION - band), market.price * (MILLION + band)
            raise errors.ClosePriceOutOfBand(price, ceil_div(low, MILLION), high // MILLION)
        market.move_price(price)
        market.end_both()
        market.status = Status.CLOSED

    def pause(self, duration: int) -> None:
        if duration > MAX_PAUSE:
            raise errors.PauseTooLong(duration, MAX_PAUSE)
        if self.pause_began is not None and self.clock.time < self.pause_began + PAUSE_INTERVAL:
            raise errors.PauseTooSoon(self.pause_began + PAUSE_INTERVAL)
        self.pause_began, self.paused_until = self.clock.time, self.clock.time + duration

    # ---- views

    def market(self, number: int) -> Market:
        if not 0 <= number < len(self.markets):
            raise errors.UnknownMarket(number)
        return self.markets[number]

    def _open_market(self, number: int) -> Market:
        market = self.market(number)
        if market.status is not Status.OPEN:
            raise errors.MarketNotOpen(number)
        return market

    def size(self, account: str, market: int) -> int:
        return self.markets[market].size(self.positions[account].get(market))

    def signed_size(self, account: str, market: int) -> int:
        """Size now, negative for a short."""
        record = self.positions[account].get(market)
        return record.sign * self.markets[market].size(record) if record else 0

    def open_markets(self, account: str) -> list[int]:
        """Markets in which the account has a position of size > 0, rising."""
        return [m for m in sorted(self.positions[account]) if self.size(account, m)]

    def health(self, account: str) -> Health:
        """Equity, requirements and notional at the marks of the last refresh."""
        equity, initial, maintenance, notional = self.ledger.net(account), 0, 0, 0
        for number, record in self.positions[account].items():
            market = self.markets[number]
            size = market.size(record)
            equity += market.unsettled(record)
            initial += market.requirement(size, market.parameters.initial_margin_ratio)
            maintenance += market.requirement(size, market.parameters.maintenance_margin_ratio)
            notional += market.notional(size)
        return Health(equity, initial, maintenance, notional)

    @property
    def insolvencies(self) -> int:
        return sum(flag.insolvent for flag in self.flags.values())

    @property
    def gate_open(self) -> bool:
        return self.insolvencies == 0

    def open_interest_notional(self) -> int:
        return sum(market.notional(market.open_interest) for market in self.markets)

    def target(self) -> int:
        """What the fund should hold, units of S, rounded down."""
        return self.open_interest_notional() * self.fund.parameters.target_ratio // MILLION

    # ---- refresh

    def refresh(self, number: int) -> None:
        """Brings a market to the present, at most once a block; a closed one stays as it is."""
        market = self.market(number)
        if market.status is Status.OPEN and market.updated_block != self.clock.block:
            market.refresh(self.clock.time, self.clock.block, self.feeds.price(number))

    def _refresh_all(self, account: str) -> None:
        """Every market in which the account has a live record of a size."""
        for number, record in sorted(self.positions[account].items()):
            if record.size and self.markets[number].is_live(record):
                self.refresh(number)

    # ---- settlement

    def settle(self, accounts: Iterable[str]) -> None:
        """Settles each account in all its markets; one left with debt and no position is resolved at once."""
        for account in accounts:
            self._settle_all(account)
            if not self.open_markets(account):
                self._resolve(account)
                for number in sorted(self.positions[account]):
                    self._delete(account, number)
                self.flags.pop(account, None)  # its equity is now at least the initial margin of nothing

    def _settle_all(self, account: str) -> None:
        self._refresh_all(account)
        for number in sorted(self.positions[account]):
            self._settle_one(account, number)
        self.ledger.convert(account)

    def _settle_one(self, account: str, number: int) -> None:
        market, record = self.markets[number], self.positions[account].get(number)
        if record is None:
            return
        size, unsettled = market.size(record), market.unsettled(record)
        if unsettled:
            self.ledger.settle(account, number, unsettled)
        market.trail.kept += 1
        if market.is_live(record):
            side = market.side(record.sign)
            side.dropped += Fraction(record.size * side.multiplier, record.multiplier) - size
        if size and (unsettled or size != record.size):
            self.positions[account][number] = market.record(record.sign * size)
        elif size:
            return
        elif self.ledger.debt(account, number):
            self.positions[account][number] = replace(record, size=0, multiplier=ONE_A, index=0)
        else:
            self._delete(account, number)

    def _delete(self, account: str, number: int) -> None:
        market, record = self.markets[number], self.positions[account].pop(number)
        if market.is_live(record):
            market.side(record.sign).positions -= 1
            market.after_change()

    # ---- changing positions

    def _change(self, account: str, number: int, delta: int) -> Change:
        """Adds a signed size to a settled position."""
        market, mine = self.markets[number], self.positions[account]
        before = self.signed_size(account, number)
        after = before + delta
        record = mine.pop(number, None)
        if record is not None and market.is_live(record):
            market.side(record.sign).positions -= 1
        if after:
            mine[number] = market.record(after)
            market.side(after).positions += 1
        return Change(before, after)

    def _move(self, number: int, buyer: str, seller: str, size: int) -> tuple[Change, Change]:
        """Moves `size` from the seller to the buyer; returns the change of each."""
        market = self.markets[number]
        bought, sold = self._change(buyer, number, size), self._change(seller, number, -size)
        market.open_interest += sum(max(c.after, 0) - max(c.before, 0) for c in (bought, sold))
        market.after_change()
        return bought, sold

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
        for account in pair:
            self._refresh_all(account)
        self.refresh(order.market)
        self._check_band(market, order.price)
        for account in pair:
            self._settle_one(account, order.market)
        for account in pair:
            if self.ledger.in_debt(account):
                raise errors.AccountInDebt(account)
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
                self._check_new_risk(account, health, order.reduce_only and account == order.maker)
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
        difference = abs(order.price - market.price) * size // market.scale
        payer, payee = (buyer, seller) if order.price > market.price else (seller, buyer)
        self.ledger.transfer(payer, payee, difference)
        rates = {order.maker: market.parameters.maker_fee, taker: market.parameters.taker_fee}
        for account, rate in rates.items():
            fee = ceil_div(size * order.price * rate, market.scale * MILLION)
            self.ledger.charge_fee(account, fee)
            self.tally.fees += fee

    def _check_new_risk(self, account: str, health: Health, reduce_only: bool) -> None:
        """What a trade that doesn't merely reduce must meet."""
        if reduce_only:
            raise errors.OrderReduceOnly(account)
        if self.clock.time < self.paused_until:
            raise errors.NewRiskIsPaused(self.paused_until)
        if len(self.positions[account]) > MAX_POSITIONS:
            raise errors.TooManyPositions(account, MAX_POSITIONS)
        if health.equity < health.initial:
            raise errors.InitialMarginNotMet(account, health.equity, health.initial)

    def _check_size(self, account: str, number: int, oi_before: int) -> None:
        """No dust, no more open interest than the market may have."""
        market, minimum = self.markets[number], self.liquidation.min_notional
        size = self.size(account, number)
        if size and market.notional(size) < minimum:
            raise errors.PositionBelowMinimum(account, market.notional(size), minimum)
        cap = market.parameters.max_open_interest
        if market.open_interest > oi_before and market.open_interest > cap:
            raise errors.OpenInterestAboveCap(number, market.open_interest, cap)

    # ---- withdrawal

    def authorize_withdrawal(self, account: str, amount: int, accounts: Sequence[str]) -> None:
        """Settles the accounts and the account, then refuses a withdrawal that its state forbids."""
        self.settle([*accounts, account])
        if account in self.flags:
            raise errors.AccountFlagged(account)
        if self.ledger.in_debt(account):
            raise errors.AccountInDebt(account)
        if amount > self.ledger.cash[account]:
            raise errors.InsufficientCash(account, self.ledger.cash[account], amount)
        health = self.health(account)
        if self.open_markets(account) and health.equity - amount < health.initial:
            raise errors.InitialMarginNotMet(account, health.equity - amount, health.initial)

    # ---- below maintenance margin

    def flag(self, account: str) -> None:
        """Sets, clears, or marks the account's flag as its equity says; reverts when nothing changes."""
        self._refresh_all(account)
        health, flag = self.health(account), self.flags.get(account)
        before = replace(flag) if flag else None
        if health.equity >= health.initial:
            self.flags.pop(account, None)
        elif flag is None and health.equity < health.maintenance:
            self.flags[account] = Flag(self.clock.time)
        self._mark(account, health.equity)
        if self.flags.get(account) == before:
            raise errors.NothingToFlag(account, health.equity, health.maintenance)

    def _mark(self, account: str, equity: int) -> None:
        if account in self.flags:
            self.flags[account].insolvent = equity < 0

    def _flagged(self, account: str) -> Flag:
        if account not in self.flags:
            raise errors.AccountNotFlagged(account)
        return self.flags[account]

    def liquidate(self, liquidator: str, account: str, fraction: int, accounts: Sequence[str]) -> None:
        """The liquidator takes over a fraction (WAD = all) of the account at the mark, for a bounty."""
        if fraction == 0:
            raise errors.ZeroSize
        self.settle(accounts)
        self._settle_all(account)
        flag = self._flagged(account)
        if liquidator == account:
            raise errors.SelfTrade(account)
        if liquidator in self.flags:
            raise errors.AccountFlagged(liquidator)
        health = self.health(account)
        if health.equity >= health.initial:
            raise errors.NotLiquidatable(account, health.equity, health.initial)
        if not self.open_markets(account):
            raise errors.NothingToLiquidate(account)

        parameters = self.liquidation
        rate = self._bounty_rate(self.clock.time - flag.time)
        fraction = min(fraction, self._fraction_cap(health, rate + parameters.penalty))
        fraction = self._without_dust(fraction, health.notional)
        sizes = {m: self.signed_size(account, m) for m in self.open_markets(account)}
        taken = {m: _part(size, fraction) for m, size in sizes.items()}
        notionals = {m: self.markets[m].notional(abs(x)) for m, x in taken.items()}
        self._pay_bounties(account, liquidator, {m: n * rate // MILLION for m, n in notionals.items()})
        self._charge_penalty(account, sum(n * parameters.penalty // MILLION for n in notionals.values()))
        if fraction == WAD:
            self._resolve(account)

        self._refresh_all(liquidator)
        for number, part in taken.items():
            self._settle_one(liquidator, number)
            pair = (liquidator, account) if part > 0 else (account, liquidator)
            self._move(number, *pair, abs(part))
        self._check_liquidator(liquidator)
        self._after_sale(account)

    def _bounty_rate(self, waited: int) -> int:
        p = self.liquidation
        if p.auction_duration == 0:
            return p.bounty_max
        rise = (p.bounty_max - p.bounty_start) * min(waited, p.auction_duration)
        return p.bounty_start + rise // p.auction_duration

    def _fraction_cap(self, health: Health, rate: int) -> int:
        """What restores initial margin after bounty and penalty."""
        cost = ceil_div(health.notional * rate, MILLION)
        if health.initial <= cost or health.equity <= 0:
            return WAD
        return min(WAD, ceil_div((health.initial - health.equity) * WAD, health.initial - cost))

    def _without_dust(self, fraction: int, notional: int) -> int:
        """A piece is at least minNotional and leaves at least minNotional, or it is everything."""
        minimum = self.liquidation.min_notional
        if notional * fraction < minimum * WAD:
            fraction = min(WAD, ceil_div(minimum * WAD, notional)) if notional else WAD
        if notional * (WAD - fraction) < minimum * WAD:
            fraction = WAD
        return fraction

    def _pay_bounties(self, account: str, liquidator: str, bounties: dict[int, int]) -> None:
        due = sum(bounties.values())
        paid = min(due, self.ledger.cash[account])
        self.ledger.transfer(account, liquidator, paid)
        self.tally.bounties += paid
        self.tally.to_liquidators += paid
        due -= paid
        if self.ledger.net(account) > 0:
            return
        for number, bounty in bounties.items():
            asked = min(due, bounty)
            if asked:
                paid = self.fund.pay_bounty(number, asked)
                self.token.move(FUND, VAULT, paid)
                self.ledger.credit(liquidator, paid)
                self.tally.fund_bounties += paid
                due -= paid

    def _charge_penalty(self, account: str, penalty: int) -> None:
        self.tally.penalties += self.ledger.charge_penalty(account, penalty)

    def _check_liquidator(self, liquidator: str) -> None:
        health = self.health(liquidator)
        if len(self.positions[liquidator]) > MAX_POSITIONS:
            raise errors.TooManyPositions(liquidator, MAX_POSITIONS)
        if health.equity < health.initial:
            raise errors.InitialMarginNotMet(liquidator, health.equity, health.initial)
        if self.ledger.in_debt(liquidator):
            raise errors.AccountInDebt(liquidator)

    def _after_sale(self, account: str) -> None:
        health = self.health(account)
        if health.equity >= health.initial or not self.open_markets(account):
            del self.flags[account]
        else:
            self._mark(account, health.equity)

    def deleverage(self, account: str, accounts: Sequence[str]) -> None:
        """Closes the account at the mark against the opposing open interest, pro rata."""
        self.settle(accounts)
        self._settle_all(account)
        flag, health, mine = self._flagged(account), self.health(account), self.open_markets(account)
        if health.equity >= health.maintenance:
            raise errors.NotLiquidatable(account, health.equity, health.maintenance)
        if not mine:
            raise errors.NothingToLiquidate(account)
        ends_at = flag.time + self.liquidation.auction_duration
        fund_is_dry = health.equity < 0 and any(self.fund.available(m) == 0 for m in mine)
        if self.clock.time <= ends_at and not fund_is_dry:
            raise errors.AuctionStillRunning(account, ends_at)
        notionals = (self.markets[m].notional(self.size(account, m)) for m in mine)
        self._charge_penalty(account, sum(n * self.liquidation.penalty // MILLION for n in notionals))
        self._resolve(account)
        for number in sorted(self.positions[account]):
            market, size = self.markets[number], self.signed_size(account, number)
            if size:
                market.deleverage(-1 if size > 0 else 1, abs(size))
            self._delete(account, number)
        del self.flags[account]

    # ---- loss

    def _resolve(self, account: str) -> None:
        """Puts what the account's claims don't cover of its debts through the layers, in rising id."""
        missing = -self.ledger.net(account)
        for number in self.ledger.debt_markets(account):
            shortfall = min(missing, self.ledger.debt(account, number))
            if shortfall <= 0:
                return
            missing -= shortfall
            unpaid_profit = self.ledger.markets[number].total_claims
            record = self.fund.resolve(account, number, shortfall, unpaid_profit)
            self.token.move(FUND, VAULT, record.from_fund)
            self.ledger.resolve_debt(account, number, shortfall, record.from_profit, record.from_fund)
            if record.remainder:
                self._charge_remainder(account, number, record.remainder)

    def _charge_remainder(self, account: str, number: int, amount: int) -> None:
        """Charges the opposite open interest or, when nobody live can be, the next profits settled there."""
        market, record = self.markets[number], self.positions[account].get(number)
        live = record is not None and market.is_live(record)
        if record and live and market.side(-record.sign).positions and market.open_interest >= DUST:
            market.charge(-record.sign, amount)
        else:
            self.ledger.markets[number].residual += amount


def _check_eased(account: str, before: Health, after: Health) -> None:
    """A trade that only reduces must meet initial margin, or not worsen the ratio of equity to it."""
    eased = after.equity >= 0 and after.equity * before.initial >= before.equity * after.initial
    if after.equity < after.initial and not eased:
        raise errors.InitialMarginNotMet(account, after.equity, after.initial)


def _part(signed_size: int, fraction: int) -> int:
    """The fraction of a signed size, rounded toward zero."""
    return trunc_div(signed_size * fraction, WAD)
