"""What must hold after every call (SPECIFICATION.md section 9), and what the campaign has come across.

P1 to P5, P7, P9 and P10 after every call, P8 by accounting for the attacker's whole family, P6 at the end of
every sequence, on the chain.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from weir.fuzz.clearing.setting import ACCOUNTS, FAMILY, OPERATOR
from weir.fuzz.steps import Step
from weir.fuzz.subject import Slack, ViolationError
from weir.model import Order, World, properties
from weir.model.fund import DefaultRecord
from weir.model.markets import Status
from weir.model.numbers import MILLION, MOST
from weir.model.properties import Check, Moment

if TYPE_CHECKING:
    from weir.fuzz.clearing.subject import Clearing

__all__ = ["GAS_BOUND", "LAYERS", "Oracle"]

LAYERS = ("own", "coinsurance", "skin", "junior", "senior", "mutual", "unpaid profit", "open interest")

GAS_BOUND = 2_500_000
"""For closing one account in all markets (P6), in-process gas: far below any block's limit."""


class _BeyondWidthsError(Exception):
    """Prices have multiplied positions to more than amounts can be (section 1): there is no end to be had."""


class Oracle:
    """The properties over one sequence of a `Clearing`."""

    def __init__(self, subject: Clearing) -> None:
        self.subject = subject
        self.fills: dict[Order, int] = {}
        self.cancelled: set[Order] = set()
        self.budgets: dict[int, tuple[int | None, int, int]] = {}  # window, limit, spent
        self.loss_budgets: dict[int, tuple[int | None, int, int]] = {}
        self.family_had = self._family_money()
        self.family_covered = 0
        self.first_default = 1

    # ---- around a call

    def before(self) -> None:
        world = self.subject.world
        self.moment = Moment.of(world)
        self.first_default = self.moment.defaults + 1
        self.assets, self.pooled = world.fund.assets, world.guaranty.total
        self.earned, self.recovered = world.house.tally.to_members, sum(world.fund.recovered.values())
        self.marks = _Marks.of(world)

    def after(self, step: Step, refused: str | None) -> None:
        """Raises `ViolationError` where something does not hold."""
        if refused is not None:
            return
        world = self.subject.world
        checks = properties.check(world, self.moment.defaults)
        checks += properties.over_a_call(self.moment, world)
        self._require(checks)
        if step.call in ("trade", "cancel"):
            self._check_order(step)
        fresh = world.fund.defaults[self.moment.defaults :]
        bounties = world.house.tally.fund_bounties - self.moment.fund_bounties
        self._check_budgets(fresh)
        self._cover_family(step, fresh, bounties)
        self._check_family()
        self._observe(step, fresh)

    def _require(self, checks: list[Check]) -> None:
        slack = self.subject.slack
        for check in checks:
            if not check.slack:
                if check.low <= 0 <= check.high:
                    continue
            elif check.holds:
                rule = f"{check.name.split(' ', 1)[0]} {self.subject.name}"  # units differ by setting
                one = Slack.of(float(check.slack))
                slack[rule] = slack[rule] + one if rule in slack else one
                continue
            raise ViolationError(
                check.name, f"slack {check.slack} outside [{float(check.low):g}, {float(check.high):g}]"
            )

    # ---- P9, on the fuzzer's own record

    def _check_order(self, step: Step) -> None:
        order: Order = step.arguments[0]
        if step.call == "cancel":
            self.cancelled.add(order)
            return
        filled = self.fills[order] = self.fills.get(order, 0) + step.arguments[1]
        wrong = (
            ("beyond its size", filled > order.size),
            ("after it was cancelled", order in self.cancelled),
            ("after it expired", self.subject.time > order.expiry),
            ("in another generation", order.generation != self.subject.world.house.generations[order.maker]),
            ("with another's signature", len(step.arguments) > 2),
        )
        for how, is_so in wrong:
            if is_so:
                raise ViolationError("P9", f"an order was filled {how}: {order}")

    # ---- budgets, and P8

    def _check_budgets(self, fresh: list[DefaultRecord]) -> None:
        """What a fund pays for a market in a window is at most the share of what it held at first."""
        world = self.subject.world
        for number, budget in world.guaranty.budgets.items():
            opened, limit, spent = self.loss_budgets.get(number, (None, 0, 0))
            if budget.window != opened:
                limit, spent = self.pooled * world.guaranty.parameters.loss_share // MILLION, 0
            spent += sum(record.mutual for record in fresh if record.market == number)
            self.loss_budgets[number] = budget.window, limit, spent
            if spent > limit:
                raise ViolationError("budget", f"market {number}: members paid {spent} of {limit}")
        for number, cover in world.fund.covers.items():
            if cover.window is None:
                continue
            opened, limit, spent = self.budgets.get(number, (None, 0, 0))
            if cover.window != opened:
                limit, spent = min(self.assets * cover.budget_share // MILLION, MOST), 0
            spent += sum(record.from_insurance for record in fresh if record.market == number)
            self.budgets[number] = cover.window, limit, spent
            if spent > limit:
                raise ViolationError("budget", f"market {number}: {spent} paid of {limit}")

    def _family_money(self) -> int:
        """What the family could ever carry away: wallets, cash, contributions, the pool of its own market."""
        world = self.subject.world
        pool = world.ledger.markets[self.subject.setting.thin].pool
        return pool + sum(
            world.token.balances[name] + world.ledger.cash[name] + world.guaranty_balance(name)
            for name in FAMILY
        )

    def _cover_family(self, step: Step, fresh: list[DefaultRecord], bounties: int) -> None:
        world, thin = self.subject.world, self.subject.setting.thin
        self.family_covered += sum(record.from_fund - record.own for record in fresh if record.market == thin)
        # As members it may earn, and get back what others recover.
        self.family_covered += world.house.tally.to_members - self.earned
        self.family_covered += sum(world.fund.recovered.values()) - self.recovered
        if step.call == "liquidate" and step.arguments[0] in FAMILY:
            self.family_covered += bounties

    def _check_family(self) -> None:
        gained = self._family_money() - self.family_had - self.family_covered
        if gained > 0:
            raise ViolationError("P8", f"the family has {gained} more than it brought and the fund paid")

    # ---- P6

    def finish(self) -> None:
        """With live prices and an empty fund, everyone who is below maintenance margin can be closed."""
        try:
            self._finish()
        except _BeyondWidthsError:
            self.subject.seen["amounts beyond their widths"] += 1

    def _finish(self) -> None:
        subject = self.subject
        self._make_ready()
        left = 2 * len(ACCOUNTS)  # what one can't pay may put others below in turn
        owed: int | None = None
        while True:
            self._expect(Step(OPERATOR, "settle", (ACCOUNTS,)))
            below = [account for account in ACCOUNTS if self._is_below(account)]
            before, owed = owed, sum(subject.world.ledger.debts.values())
            if below and left:
                self._close(below[0])
                left, owed = left - 1, None
            elif below:
                raise ViolationError("P6", f"still below maintenance margin: {below}")
            elif not self._lost():
                break
            elif before is not None and owed >= before:
                raise ViolationError("P6", f"a loss without a position stays: {self._lost()}")
        world = subject.world
        for account, flag in sorted(world.house.flags.items()):
            if flag.insolvent:  # it has recovered, and nobody has said so yet
                self._expect(Step(OPERATOR, "flag", (account,)))
        if insolvencies := subject.world.house.insolvencies:
            raise ViolationError("P6", f"{insolvencies} marked insolvent when all are resolved")

    def _make_ready(self) -> None:
        subject = self.subject
        if subject.mode != "honest":
            subject.execute(Step("token", "turn", ("honest",), 0, 0))
        subject.execute(Step("governor", "set_sequencer", (-1,), 0, 0))
        world = subject.world
        for number, cover in world.fund.covers.items():
            self._expect(Step("governor", "set_cover", (number, 0, cover.coinsurance), 0, 0))
        nothing = replace(world.guaranty.parameters, loss_share=0)
        self._expect(Step("governor", "set_guaranty", (nothing,), 0, 0))
        self._pass(subject.world.fund.parameters.budget_window)

    def _pass(self, seconds: int) -> None:
        """Lets time go by; the feeds of open markets answer anew, as before."""
        subject, blocks = self.subject, 1
        for number, market in enumerate(subject.world.house.markets):
            if market.status is Status.OPEN:
                answer = (number, max(1, market.price // 10**10), subject.now(seconds), "live")
                subject.execute(Step("oracle", "answer", answer, seconds, blocks))
                seconds = blocks = 0

    def _lost(self) -> list[str]:
        """Who has a loss and no position: claims elsewhere, since written off, were its margin.

        Where such claims and debts form a circle, each settlement takes off a part of what is owed.
        """
        house, ledger = self.subject.world.house, self.subject.world.ledger
        debtors = sorted({name for name, _ in ledger.debts})
        return [name for name in debtors if not house.open_markets(name) and ledger.net(name) < 0]

    def _is_below(self, account: str) -> bool:
        house = self.subject.world.house
        health = house.health(account)
        return bool(house.open_markets(account)) and health.equity < health.maintenance

    def _close(self, account: str) -> None:
        world = self.subject.world
        if account not in world.house.flags:
            self._expect(Step(OPERATOR, "flag", (account,)))
        self._pass(world.house.liquidation.auction_duration + 1)
        self._expect(Step(OPERATOR, "settle", ((account,),)))
        if self._is_below(account):
            self._expect(Step(OPERATOR, "deleverage", (account, ())))
            if (gas := self.subject.backend.gas_used) > GAS_BOUND:
                raise ViolationError("P6", f"{gas} gas to close {account}")

    def _expect(self, step: Step) -> None:
        refused = self.subject.execute(step)
        if refused == "Overflow":
            raise _BeyondWidthsError
        if refused:
            raise ViolationError("P6", f"{step} is refused: {refused}")

    # ---- what has been seen

    def _observe(self, step: Step, fresh: list[DefaultRecord]) -> None:
        world, seen = self.subject.world, self.subject.seen
        for record in fresh:
            _observe_default(record, seen)
        if step.call == "deleverage":
            seen["deleveraged"] += 1
        last, marks = self.marks, _Marks.of(world)
        if marks == last:
            return
        for old, new in zip(last.markets, marks.markets, strict=True):
            seen["claims written off"] += new[0] > old[0]
            seen["residual left"] += new[1] > old[1]
            seen["residual borne"] += new[1] < old[1]
            seen["epochs ended"] += new[2] > old[2]
            seen["epochs ended by a floor"] += new[2] > old[2] and step.call == "deleverage"
            seen["A below 1e-6"] += new[3] < 10**30 <= old[3]
            seen["market closed"] += new[4] is not old[4]
        both = zip(last.share_epochs, marks.share_epochs, strict=True)
        seen["tranche wiped out"] += sum(b > a for a, b in both)
        seen["marked insolvent"] += marks.insolvencies > last.insolvencies
        seen["bounty from the fund"] += marks.fund_bounties > last.fund_bounties
        seen["contribution paid"] += marks.contributions > last.contributions
        seen["premium earned"] += marks.premiums > last.premiums
        seen["target raised by a post"] += marks.raised and not last.raised
        seen["guaranty fund wiped out"] += marks.guaranty_epoch > last.guaranty_epoch
        seen["members earned"] += marks.to_members > last.to_members
        seen["recovered"] += marks.recovered > last.recovered
        seen["members released"] += step.call == "release"
        seen["advance opened"] += marks.owed > last.owed
        seen["advance repaid"] += marks.owed < last.owed and marks.reserve > 0
        seen["advance written off"] += marks.tranches_assets < last.tranches_assets and marks.owed < last.owed
        seen["reserve sold"] += step.call == "buy_from_reserve"
        seen["reserve bought"] += step.call == "sell_to_reserve"
        seen["collateral sold"] += step.call == "buy_collateral"
        seen["collateral gave back"] += step.call == "buy_collateral" and marks.recovered > last.recovered
        seen["collateral taken over"] += step.call == "liquidate" and marks.takings > last.takings
        seen["debt stands on collateral"] += marks.covered > last.covered


def _observe_default(record: DefaultRecord, seen: dict[str, int]) -> None:
    room = record.room
    paid = (
        (record.own, room.own),
        (record.coinsurance, room.coinsurance),
        (record.skin, room.skin),
        (record.junior, room.junior),
        (record.senior, room.senior),
        (record.mutual, room.mutual),
        (record.unpaid_profit, room.unpaid_profit - record.coinsurance),
        (record.remainder, 0),
    )
    seen["defaults"] += 1
    deepest = "nothing"
    for layer, (amount, most) in zip(LAYERS, paid, strict=True):
        if amount:
            deepest = layer
            if amount == most:
                seen[f"{layer} exhausted"] += 1
    seen[f"deepest: {deepest}"] += 1


@dataclass(frozen=True)
class _Marks:
    """What a campaign counts changes of."""

    markets: tuple[tuple[int, int, int, int, Status], ...]
    share_epochs: tuple[int, int]
    insolvencies: int
    fund_bounties: int
    contributions: int
    premiums: int
    raised: bool  # the target is above the formula's
    guaranty_epoch: int
    to_members: int
    recovered: int
    owed: int  # to the tranches
    reserve: int  # its value
    tranches_assets: int
    takings: int  # conversions of collateral so far
    covered: int  # accounts in debt that are not insolvent for what they have pledged

    @classmethod
    def of(cls, world: World) -> _Marks:
        house, fund = world.house, world.fund
        pairs = zip(world.ledger.markets, house.markets, strict=True)
        return cls(
            markets=tuple(
                (
                    ledger.claims_epoch,
                    ledger.residual,
                    market.long.epoch,
                    min(market.long.multiplier, market.short.multiplier),
                    market.status,
                )
                for ledger, market in pairs
            ),
            share_epochs=(fund.junior.share_epoch, fund.senior.share_epoch),
            insolvencies=house.insolvencies,
            fund_bounties=house.tally.fund_bounties,
            contributions=house.tally.contributions,
            premiums=house.tally.premiums,
            raised=world.target() > world.funding.formula(house.open_interest_notional()),
            guaranty_epoch=world.guaranty.epoch,
            to_members=house.tally.to_members,
            recovered=sum(fund.recovered.values()),
            owed=fund.owed,
            reserve=fund.reserve.value(),
            tranches_assets=fund.junior.assets + fund.senior.assets,
            takings=len(world.collateral.conversions),
            covered=sum(
                world.collateral.holds_any(name) and world.ledger.net(name) >= 0
                for name in {name for name, _ in world.ledger.debts}
            ),
        )
