"""What must hold after every call (SPECIFICATION.md section 9), and what the campaign has come across.

P1 to P5, P7, P9 and P10, P8 by accounting for the attacker's whole family; P6 is in `unwinding`.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import FAMILY
from weir.fuzz.steps import Step
from weir.fuzz.subject import Slack, ViolationError
from weir.layers import BRIEFLY
from weir.model import Order, World, properties
from weir.model.fund import DefaultRecord
from weir.model.markets import Status
from weir.model.numbers import MILLION, MOST
from weir.model.properties import Check, Moment

__all__ = ["Oracle"]


class Oracle:
    """The properties over one sequence; what it finds goes into `slack` and `seen` of the subject."""

    def __init__(self, scene: Scene, slack: dict[str, Slack], seen: Counter[str]) -> None:
        self.scene, self.slack, self.seen = scene, slack, seen
        self.fills: dict[Order, int] = {}
        self.cancelled: set[Order] = set()
        self.budgets: dict[int, tuple[int | None, int, int]] = {}  # window, limit, spent
        self.loss_budgets: dict[int, tuple[int | None, int, int]] = {}
        self.family_had = self._family_money()
        self.family_covered = 0
        self.first_default = 1

    # ---- around a call

    def before(self) -> None:
        world = self.scene.world
        self.moment = Moment.of(world)
        self.first_default = self.moment.defaults + 1
        self.assets, self.pooled = world.fund.assets, world.guaranty.total
        self.earned, self.recovered = world.house.tally.to_members, sum(world.fund.recovered.values())
        self.marks = _Marks.of(world)

    def after(self, step: Step, refused: str | None) -> None:
        """Raises `ViolationError` where something does not hold."""
        if refused is not None:
            return
        world = self.scene.world
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
        slack = self.slack
        for check in checks:
            if not check.slack:
                if check.low <= 0 <= check.high:
                    continue
            elif check.holds:
                rule = f"{check.name.split(' ', 1)[0]} {self.scene.setting.name}"  # units differ by setting
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
            ("after it expired", self.scene.time > order.expiry),
            ("in another generation", order.generation != self.scene.world.house.generations[order.maker]),
            ("with another's signature", len(step.arguments) > 2),
        )
        for how, is_so in wrong:
            if is_so:
                raise ViolationError("P9", f"an order was filled {how}: {order}")

    # ---- budgets, and P8

    def _check_budgets(self, fresh: list[DefaultRecord]) -> None:
        """What a fund pays for a market in a window is at most the share of what it held at first."""
        world = self.scene.world
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
        world = self.scene.world
        pool = world.ledger.markets[self.scene.setting.thin].pool
        return pool + sum(
            world.token.balances[name] + world.ledger.cash[name] + world.guaranty_balance(name)
            for name in FAMILY
        )

    def _cover_family(self, step: Step, fresh: list[DefaultRecord], bounties: int) -> None:
        world, thin = self.scene.world, self.scene.setting.thin
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

    # ---- what has been seen

    def _observe(self, step: Step, fresh: list[DefaultRecord]) -> None:
        world, seen = self.scene.world, self.seen
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
    for layer, (amount, most) in zip(BRIEFLY.values(), paid, strict=True):
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
