"""What the clearing house keeps (SPECIFICATION.md sections 3, 5): markets, positions, settlement, losses."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction

from weir.model import errors
from weir.model.environment import Clock, Feeds, Token
from weir.model.fund import Fund
from weir.model.funding import FundingPolicy
from weir.model.ledger import Ledger, MarketLedger
from weir.model.markets import Market, Position, Status
from weir.model.numbers import (
    CLOSE_AFTER,
    DUST,
    MAX_MARKETS,
    MAX_PAUSE,
    MILLION,
    ONE_A,
    PAUSE_INTERVAL,
    ceil_div,
    size_scale,
)
from weir.model.parameters import LiquidationParameters, MarketParameters

VAULT, GUARANTY, COLLATERAL, RESERVE = "vault", "guaranty", "collateral", "reserve"
FUND = "fund"  # an account in the ledger too, for the premiums it earns


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

    @property
    def new_risk(self) -> int:
        """The size after, less the size before when that was on the same side; negative when it reduces."""
        return abs(self.after) - (abs(self.before) if self.before * self.after > 0 else 0)

    @property
    def longs(self) -> int:
        """By how much the long side grows."""
        return max(self.after, 0) - max(self.before, 0)


@dataclass
class Tally:
    """Sums since the beginning, units of S; for P10 only."""

    fees: int = 0
    penalties: int = 0
    contributions: int = 0
    bounties: int = 0  # that accounts paid
    to_liquidators: int = 0  # bounties that accounts paid, as received
    fund_bounties: int = 0  # that the fund paid, by whatever market's budget
    to_treasury: int = 0
    to_fund: int = 0  # of fees and levies, less the members' part of all income
    to_members: int = 0
    premiums: int = 0  # settled as a profit of the fund's own account
    gifts: int = 0  # deposited for the fund's own account
    from_own_account: int = 0  # what the fund has collected of it


@dataclass
class House:
    """Markets, positions and flags, over the ledger and the fund."""

    clock: Clock
    feeds: Feeds
    token: Token
    ledger: Ledger
    fund: Fund
    funding: FundingPolicy
    liquidation: LiquidationParameters
    decimals: int
    markets: list[Market] = field(default_factory=list)
    positions: defaultdict[str, dict[int, Position]] = field(default_factory=lambda: defaultdict(dict))
    flags: dict[str, Flag] = field(default_factory=dict)
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
        self.funding.observe(number, 0)

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

    # ---- refresh

    def refresh(self, number: int) -> None:
        """Brings a market to the present, at most once a block; a closed one stays as it is."""
        market = self.market(number)
        now = (self.clock.time, self.clock.block)
        if market.status is Status.OPEN and (market.updated_at, market.updated_block) != now:
            price, rate = self.feeds.price(number), self._premium_rate(number)
            if earned := market.refresh(*now, price, rate):
                self.ledger.settle(FUND, number, earned)
                self.tally.premiums += earned

    def _premium_rate(self, number: int) -> int:
        """What the policy asks of open interest; when an hour has begun, it observes the market first."""
        market = self.markets[number]
        if market.hours(self.clock.time) == 0:
            return 0
        self.funding.observe(number, market.notional(market.open_interest))
        return self.funding.premium_rate()

    def _refresh_all(self, account: str) -> None:
        """Every market in which the account has a live record of a size."""
        for number in sorted(self.positions[account]):
            self._refresh_for(account, number)

    def _refresh_for(self, account: str, number: int) -> None:
        record = self.positions[account].get(number)
        if record and record.size and self.markets[number].is_live(record):
            self.refresh(number)

    # ---- settlement

    def settle(self, accounts: Iterable[str]) -> None:
        """Settles each account in all its markets; one left without a position is resolved at once."""
        for account in accounts:
            self._settle_all(account)
            if not self.open_markets(account):
                self._resolve(account)
                for number in sorted(self.positions[account]):
                    self._empty(account, number)
                self.flags.pop(account, None)  # its equity is now at least the initial margin of nothing

    def _settle_all(self, account: str) -> None:
        """Market by market: the refresh of one, which may pay the fund, comes after the settlement before."""
        for number in sorted(self.positions[account]):
            self._refresh_for(account, number)
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
        if size:
            if unsettled or size != record.size:
                self.positions[account][number] = market.record(record.sign * size)
        else:
            self._empty(account, number)

    def _empty(self, account: str, number: int) -> None:
        """A record without size goes, unless a debt there needs it: it tells who bears a remainder."""
        market, record = self.markets[number], self.positions[account][number]
        if self.ledger.debt(account, number):
            self.positions[account][number] = replace(record, size=0, multiplier=ONE_A, index=0)
            return
        del self.positions[account][number]
        if market.is_live(record):
            market.side(record.sign).positions -= 1
            market.after_change()

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
            self.ledger.collateral.note(account, len(self.fund.defaults))
            self.token.move(FUND, VAULT, record.from_insurance)
            self.token.move(GUARANTY, VAULT, record.from_guaranty)
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

    def open_default(self, account: str) -> tuple[int, int] | None:
        """The first default noted with the account's collateral that is open: its id, and its open part."""
        for number in self.ledger.collateral.noted[account]:
            still = self.fund.defaults[number - 1].from_fund - self.fund.recovered.get(number, 0)
            if still:
                return number, still
        return None

    def due(self, account: str) -> tuple[int, int | None]:
        """What a sale of the account's collateral is for: its debts (no id), else its first open default."""
        if debts := sum(self.ledger.debt(account, number) for number in self.ledger.debt_markets(account)):
            return debts, None
        number, still = self.open_default(account) or (None, 0)
        return still, number

    def check_free(self, account: str) -> None:
        """Who may trade or withdraw: not in debt, nor holding collateral that is to pay for its default."""
        if self.ledger.in_debt(account):
            raise errors.AccountInDebt(account)
        if self.ledger.collateral.holds_any(account) and (found := self.open_default(account)):
            raise errors.OpenDefault(account, found[0])

    # ---- changing positions

    def _change(self, account: str, number: int, delta: int) -> Change:
        """Adds a signed size to a settled position."""
        market, mine = self.markets[number], self.positions[account]
        before = self.signed_size(account, number)
        after = before + delta
        record = mine.get(number)
        if record is not None and not after:
            self._empty(account, number)
            return Change(before, after)
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
        market.open_interest += bought.longs + sold.longs
        market.after_change()
        return bought, sold
