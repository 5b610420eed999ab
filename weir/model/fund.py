"""The insurance fund (SPECIFICATION.md sections 5 and 6): layers, budgets, defaults, recoveries, income.

Of the reserve (section 6.3) it keeps what the tranches have advanced for it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from weir.model.environment import Clock
from weir.model.errors import AdvancesBacked, NoAdvance, NothingToRecover, UnknownDefault, ZeroAmount
from weir.model.guaranty import GuarantyFund
from weir.model.numbers import MILLION, MOST, ceil_div
from weir.model.parameters import FundParameters
from weir.model.reserve import Books, Reserve, without_assets
from weir.model.tranche import Tranche


@dataclass
class Cover:
    """The fund's offer to a market: ppm of its assets per window, coinsurance in ppm, this budget."""

    budget_share: int = 0
    coinsurance: int = 0
    budget: int = 0
    spent: int = 0
    window: int | None = None


@dataclass(frozen=True)
class Room:
    """What each layer could have paid when a default was resolved; kept for P4 and P5 only."""

    own: int
    coinsurance: int
    budget: int
    skin: int  # with what is unvested and what the tranches can advance
    junior: int  # what it has not advanced
    senior: int  # what it has not advanced
    mutual: int  # what the members' loss budget allowed
    unpaid_profit: int  # all claims of the market, coinsurance included


@dataclass(frozen=True)
class Epochs:
    """Whose shares bore a default: the epochs before its loss, each of which a wipe-out ends."""

    junior: int
    senior: int
    mutual: int


@dataclass(frozen=True)
class DefaultRecord:
    """What a default cost and who bore it, in units of S."""

    account: str
    market: int
    time: int
    shortfall: int
    own: int
    coinsurance: int
    skin: int  # with what was unvested or advanced
    junior: int
    senior: int
    mutual: int
    unpaid_profit: int
    room: Room
    epochs: Epochs

    @property
    def from_insurance(self) -> int:
        """What the insurance fund paid."""
        return self.skin + self.junior + self.senior

    @property
    def from_guaranty(self) -> int:
        """What the guaranty fund paid, the defaulter's part and the others'."""
        return self.own + self.mutual

    @property
    def from_fund(self) -> int:
        """All that was paid in S."""
        return self.from_insurance + self.from_guaranty

    @property
    def from_profit(self) -> int:
        return self.coinsurance + self.unpaid_profit

    @property
    def remainder(self) -> int:
        return self.shortfall - self.from_fund - self.from_profit


@dataclass
class Fund:
    """skin, income streaming to the tranches, and what holds its own: the two tranches, and the reserve."""

    clock: Clock
    parameters: FundParameters
    junior: Tranche
    senior: Tranche
    guaranty: GuarantyFund
    reserve: Reserve = field(default_factory=without_assets)
    skin: int = 0
    unvested: int = 0
    since: int = 0  # of the last vesting
    remaining: int = 0  # seconds of the stream after it
    covers: dict[int, Cover] = field(default_factory=dict)
    defaults: list[DefaultRecord] = field(default_factory=list)
    recovered: dict[int, int] = field(default_factory=dict)  # by the id of the default

    @property
    def liquid(self) -> int:
        """The S there is, the only thing that pays."""
        return self.skin + self.unvested + self.junior.balance + self.senior.balance

    @property
    def assets(self) -> int:
        """All there is, the reserve at its haircuts. Advances are claims on the reserve, and not counted."""
        return self.liquid + self.in_reserve

    @property
    def in_reserve(self) -> int:
        """R, at most what the fund can count."""
        return min(self.reserve.value(), MOST)

    @property
    def owed(self) -> int:
        """What the tranches have advanced."""
        return self.junior.advanced + self.senior.advanced

    # ---- income

    def _elapsed(self) -> int:
        """Seconds of the stream since the last vesting; it stands still while nobody has shares."""
        if self.junior.supply == 0 and self.senior.supply == 0:
            return 0
        return min(self.clock.time - self.since, self.remaining)

    def vestable(self) -> tuple[int, int]:
        """What has vested since the last time, for the junior and the senior tranche."""
        elapsed = self._elapsed()
        vested = self.unvested * elapsed // self.remaining if elapsed else 0
        junior = vested * self.parameters.junior_share // MILLION
        if self.junior.supply == 0:
            junior = 0
        elif self.senior.supply == 0:
            junior = vested
        return junior, vested - junior

    def vest(self) -> None:
        """Moves vested income to the tranches; comes before anything that reads or changes the balances."""
        (junior, senior), elapsed = self.vestable(), self._elapsed()
        self.since = self.clock.time
        self.remaining -= elapsed
        self.unvested -= junior + senior
        self.junior.balance += junior
        self.senior.balance += senior

    def take_income(self, fees: int, others: int, fund_share: int, gate_open: bool) -> tuple[int, int]:
        """Shares out what came from the vault; returns the treasury's part (of fees alone), the members'."""
        self.vest()
        assets = self.assets
        treasury = fees - ceil_div(fees * fund_share, MILLION) if gate_open else 0
        income = fees - treasury + others
        lacking = self.parameters.skin_target + self.owed - self.skin - self.in_reserve
        to_skin = min(income, max(0, lacking))
        self._add_to_skin(to_skin)
        income -= to_skin
        to_members = self.guaranty.share(income, self.parameters.member_share, assets)
        self.guaranty.earn(to_members)
        if income > to_members:
            self._stream(income - to_members)
        return treasury, to_members

    def _stream(self, income: int) -> None:
        """Income joins what is unvested; the time left is averaged, so dust can't put off what is due."""
        waiting = self.unvested * self.remaining + income * self.parameters.stream_duration
        self.unvested += income
        self.remaining = ceil_div(waiting, self.unvested)

    def contribute(self, amount: int) -> None:
        if amount == 0:
            raise ZeroAmount
        self.vest()
        self._add_to_skin(amount)

    def _add_to_skin(self, amount: int) -> None:
        """Whatever comes to skin repays the advances first, senior's before junior's."""
        amount -= self.senior.repay(amount)
        amount -= self.junior.repay(amount)
        self.skin += amount

    # ---- budgets

    def available(self, market: int) -> int:
        """What the fund may still pay for the market in this window."""
        cover = self.covers[market]
        budget, spent = cover.budget, cover.spent
        if cover.window != self._window():
            budget, spent = self._fresh_budget(cover), 0
        return max(0, min(budget - spent, self.liquid))

    def _window(self) -> int:
        return self.clock.time // self.parameters.budget_window

    def _fresh_budget(self, cover: Cover) -> int:
        return min(self.assets * cover.budget_share // MILLION, MOST)

    def _open_budget(self, market: int) -> Cover:
        cover = self.covers[market]
        if cover.window != self._window():
            cover.budget, cover.spent, cover.window = self._fresh_budget(cover), 0, self._window()
        return cover

    # ---- paying

    def _advanceable(self) -> int:
        """A: what the tranches can pay in skin's place, as far as the reserve stands for it."""
        return min(max(0, self.in_reserve - self.owed), self.junior.balance + self.senior.balance)

    def _spend(self, market: int, amount: int) -> tuple[int, int, int]:
        """Takes `amount`, which the budget allows, from skin, junior, senior.

        Skin's part is skin itself, then unvested income, then what the tranches advance, junior first.
        """
        self._open_budget(market).spent += amount
        advanceable, rest = self._advanceable(), amount
        skin = min(rest, self.skin)
        unvested = min(rest - skin, self.unvested)
        self.skin -= skin
        self.unvested -= unvested
        rest -= skin + unvested
        advanced = min(rest, advanceable)
        self.senior.advance(advanced - self.junior.advance(advanced))
        rest -= advanced
        junior = self.junior.lose(rest)
        senior = self.senior.lose(rest - junior)
        return skin + unvested + advanced, junior, senior

    def pay_bounty(self, market: int, amount: int) -> int:
        """Pays what the market's budget allows of a liquidation bounty."""
        self.vest()
        self._open_budget(market)
        paid = min(amount, self.available(market))
        self._spend(market, paid)
        return paid

    def resolve(self, account: str, market: int, shortfall: int, unpaid_profit: int) -> DefaultRecord:
        """Splits a default's shortfall over the layers and records it."""
        self.vest()
        cover = self._open_budget(market)
        epochs = Epochs(self.junior.share_epoch, self.senior.share_epoch, self.guaranty.epoch)
        balance = self.guaranty.balance(account)
        own = self.guaranty.bear_own(account, shortfall)
        rest = shortfall - own
        advanceable = self._advanceable()
        from_junior = min(advanceable, self.junior.balance)
        room = Room(
            own=balance,
            coinsurance=min(unpaid_profit, rest * cover.coinsurance // MILLION),
            budget=self.available(market),
            skin=self.skin + self.unvested + advanceable,
            junior=self.junior.balance - from_junior,
            senior=self.senior.balance - (advanceable - from_junior),
            mutual=self.guaranty.available(market),
            unpaid_profit=unpaid_profit,
        )
        rest -= room.coinsurance
        skin, junior, senior = self._spend(market, min(rest, room.budget))
        rest -= skin + junior + senior
        mutual = self.guaranty.bear(market, rest)
        rest -= mutual
        record = DefaultRecord(
            account=account,
            market=market,
            time=self.clock.time,
            shortfall=shortfall,
            own=own,
            coinsurance=room.coinsurance,
            skin=skin,
            junior=junior,
            senior=senior,
            mutual=mutual,
            unpaid_profit=min(rest, unpaid_profit - room.coinsurance),
            room=room,
            epochs=epochs,
        )
        self.defaults.append(record)
        return record

    # ---- recoveries

    def recover(self, number: int, amount: int) -> tuple[int, int]:
        """Gives money back to who bore a default (ids from 1), the last layer first, as far as any is open.

        Returns what comes to this fund and what to the guaranty fund.
        """
        if not 1 <= number <= len(self.defaults):
            raise UnknownDefault(number)
        record, before = self.defaults[number - 1], self.recovered.get(number, 0)
        paid = min(amount, record.from_fund - before)
        if paid == 0:
            raise NothingToRecover(number)
        self.vest()
        self.recovered[number] = before + paid
        layers = (record.mutual, record.senior, record.junior, record.skin, record.own)
        mutual, senior, junior, skin, own = _slice(layers, before, paid)
        if not self._restore(self.senior, record.epochs.senior, senior):
            skin += senior
        if not self._restore(self.junior, record.epochs.junior, junior):
            skin += junior
        if self.guaranty.units and self.guaranty.epoch == record.epochs.mutual:
            self.guaranty.earn(mutual)
        else:
            skin, mutual = skin + mutual, 0
        self._add_to_skin(skin)
        if own:
            self.guaranty.restore(record.account, own)
        return paid - mutual - own, mutual + own

    @staticmethod
    def _restore(tranche: Tranche, share_epoch: int, amount: int) -> bool:
        """Gives a tranche back what it bore; False when those shares were wiped out, or nobody holds any."""
        if tranche.supply == 0 or tranche.share_epoch != share_epoch:
            return False
        tranche.balance += amount
        return True

    # ---- the reserve

    def start_conversion(self, asset: int, gate_open: bool) -> None:
        self.reserve.start(asset, Books(self.skin, self.owed, gate_open))

    def sell_asset(self, asset: int, amount: int, max_cost: int) -> tuple[int, int]:
        """Sells of the reserve to skin; what nothing stands for then is written off.

        Returns the units and their cost.
        """
        self.vest()
        units, cost = self.reserve.sell(asset, amount, max_cost, Books(self.skin, self.owed))
        self._add_to_skin(cost)
        if self.reserve.is_empty:
            self._write_off()
        return units, cost

    def buy_asset(self, asset: int, amount: int, min_paid: int, gate_open: bool) -> tuple[int, int]:
        """Buys for the reserve from skin; returns the units and what was paid."""
        self.vest()
        books = Books(self.skin, self.owed, gate_open)
        units, paid = self.reserve.buy(asset, amount, min_paid, books)
        self.skin -= paid
        return units, paid

    def write_off_advances(self) -> None:
        """Advances that nothing of value stands for are the tranches' loss."""
        if not self.owed:
            raise NoAdvance
        if self.in_reserve:
            raise AdvancesBacked
        self.vest()
        self._write_off()

    def _write_off(self) -> None:
        self.junior.write_off()
        self.senior.write_off()


def _slice(layers: Sequence[int], start: int, length: int) -> list[int]:
    """Of layers laid end to end, how much of each lies in the `length` units from `start`."""
    parts, end = [], start + length
    for layer in layers:
        parts.append(max(0, min(layer, end) - max(0, start)))
        start, end = start - layer, end - layer
    return parts
