"""The guaranty fund (SPECIFICATION.md section 6.2): what members have pooled, and what they bear of losses.

Amounts are units of S. Units are the members' parts of them; times and durations are seconds.
"""

from dataclasses import dataclass, field

from weir.model.environment import Clock
from weir.model.errors import BelowMinimum, NoNotice, NotAMember, NotReleasable
from weir.model.numbers import FIRST_UNITS, FULL_LOSS, MILLION, ceil_div
from weir.model.parameters import GuarantyParameters


@dataclass
class Member:
    """Units, void when their epoch is not the fund's; by the member's notice, how many may go from when."""

    units: int
    epoch: int
    notice_units: int = 0  # 0: no notice
    notice_from: int = 0


@dataclass
class LossBudget:
    """What the members bear for a market in a window of time."""

    budget: int = 0
    spent: int = 0
    window: int | None = None


@dataclass
class GuarantyFund:
    """Members' balances are units x total / all units, rounded down."""

    clock: Clock
    parameters: GuarantyParameters
    total: int = 0
    units: int = 0
    epoch: int = 0
    members: dict[str, Member] = field(default_factory=dict)
    budgets: dict[int, LossBudget] = field(default_factory=dict)
    dust: int = 0  # for the properties only: what full write-offs and burns of the last units have left

    # ---- what a member has

    def member(self, account: str) -> Member | None:
        """The account's entry, unless it has no units or void ones."""
        member = self.members.get(account)
        return member if member is not None and member.epoch == self.epoch else None

    def balance(self, account: str) -> int:
        member = self.member(account)
        return self._value(member.units) if member else 0

    def _value(self, units: int) -> int:
        return units * self.total // self.units

    def _touch(self, account: str) -> Member | None:
        """The account's entry; a void one is dropped, its notice with it."""
        member = self.member(account)
        if member is None:
            self.members.pop(account, None)
        return member

    # ---- units

    def _mint(self, account: str, amount: int) -> None:
        member = self._touch(account)
        units = amount * self.units // self.total if self.units else amount * FIRST_UNITS
        self.units += units
        self.total += amount
        if member is not None:
            member.units += units
        elif units:
            self.members[account] = Member(units, self.epoch)

    def _units_for(self, member: Member, amount: int) -> int:
        """The units that a burn of the amount takes: all of them for the whole balance."""
        if amount >= self._value(member.units):
            return member.units
        return min(member.units, ceil_div(amount * self.units, self.total))

    def _burn(self, account: str, member: Member, units: int, amount: int) -> None:
        member.units -= units
        self.units -= units
        self.total -= amount
        if self.units == 0:
            self._drop_total()
        if member.units == 0:
            del self.members[account]

    def _drop_total(self) -> None:
        self.dust += self.total
        self.total = 0

    # ---- in and out

    def join(self, account: str, amount: int) -> None:
        self._mint(account, amount)
        balance = self.balance(account)
        if balance < self.parameters.min_contribution:
            raise BelowMinimum(balance, self.parameters.min_contribution)

    def request_exit(self, account: str, amount: int) -> None:
        """A notice, in place of the one before; 0 takes that back."""
        member = self._touch(account)
        if member is None:
            raise NotAMember(account)
        member.notice_units = self._units_for(member, amount) if amount else 0
        member.notice_from = self.clock.time + self.parameters.notice_period if amount else 0

    def check_notice(self, account: str) -> None:
        """Refuses where there is no notice, or this is not its window."""
        member = self._touch(account)
        if member is None or member.notice_units == 0:
            raise NoNotice(account)
        start = member.notice_from
        end = start + self.parameters.exit_window
        if not start <= self.clock.time < end:
            raise NotReleasable(account, start, end)

    def release(self, account: str) -> int:
        """Burns what is left of the noticed units, and the notice; returns what they were worth.

        The rest goes with them where it is less than the smallest contribution.
        """
        member = self._touch(account)
        if member is None:
            return 0
        units = min(member.notice_units, member.units)
        if units and self._value(member.units - units) < self.parameters.min_contribution:
            units = member.units
        paid = self._value(units)
        member.notice_units = member.notice_from = 0
        self._burn(account, member, units, paid)
        return paid

    # ---- income

    def share(self, income: int, member_share: int, assets: int) -> int:
        """The members' part of income, in proportion to what they stand for beside the fund's assets."""
        if self.total == 0:
            return 0
        return income * member_share * self.total // (MILLION * (self.total + assets))

    def earn(self, amount: int) -> None:
        """Income, or money for losses that today's members or their predecessors bore."""
        self.total += amount

    def restore(self, account: str, amount: int) -> None:
        """Gives a defaulter units for what has come back of its own contribution."""
        self._mint(account, amount)

    # ---- loss

    def bear_own(self, account: str, loss: int) -> int:
        """Takes a loss from the account's own balance, as far as it goes; returns what that paid."""
        member = self._touch(account)
        if member is None:
            return 0
        paid = min(loss, self._value(member.units))
        self._burn(account, member, self._units_for(member, paid), paid)
        return paid

    def available(self, market: int) -> int:
        """What the members may still bear for the market in this window."""
        budget = self._budget(market)
        return min(budget.budget - budget.spent, self.total)

    def _budget(self, market: int) -> LossBudget:
        """The market's budget in this window; not opened unless it is kept."""
        window = self.clock.time // self.parameters.loss_window
        budget = self.budgets.get(market)
        if budget is None or budget.window != window:
            budget = LossBudget(self.total * self.parameters.loss_share // MILLION, 0, window)
        return budget

    def bear(self, market: int, loss: int) -> int:
        """All members bear a loss pro rata, as far as the budget goes; returns what they paid.

        A total left below 1e-12 of the units is written off entirely.
        """
        paid = min(loss, self.available(market))
        if paid:
            self.budgets[market] = self._budget(market)
            self.budgets[market].spent += paid
            self.total -= paid
            if self.total * FULL_LOSS < self.units:
                self._drop_total()
                self.units = 0
                self.epoch += 1
        return paid
