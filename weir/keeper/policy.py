"""What a keeper does about what it sees: pure functions of one view of the chain."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from weir.chain import Call
from weir.keeper.distance import distance
from weir.keeper.roles import MARGIN_USE, USUAL, Kind, Role
from weir.keeper.view import Rules, View
from weir.stablecoins import cost, worth
from weir.states import AccountState, Actions
from weir.units import MILLION

__all__ = [
    "WAD",
    "Kind",
    "Options",
    "Task",
    "affordable",
    "expected_bounty",
    "flags",
    "housekeeping",
    "resolutions",
    "settlements",
    "taken",
    "winners",
    "worth_sending",
]

WAD = 10**18
LIQUIDATION_GAS = 400_000
"""What a liquidation is taken to use when its gas is weighed against its bounty."""
SETTLE_BATCH = 20
_HALVINGS = 40


@dataclass(frozen=True, slots=True)
class Options:
    """How a keeper behaves; it only simulates unless `execute`, and does only what its `roles` are.

    What is done for money must be expected to bring `min_profit` (units of S) beyond its gas, at the gas
    price of the view and with the chain's own coin at `native_price` (units of S per wei). A liquidation
    must bring a bounty of at least `min_bounty_rate` (ppm of what is taken over), too; afterwards, initial
    margin may take up to `margin_use` (ppm) of the keeper's equity. With each default `name_winners` accounts
    are settled first. Fees are collected from `min_collect` (units of S) on. Collateral is put up for sale
    where it counts for `min_sale` (units of S), and the keeper's own taken out where it is worth that. Other
    stablecoins are bought and sold at auction, with what the keeper's wallet has approved, from
    `min_discount` (ppm) off their price on.
    """

    roles: frozenset[Role] = USUAL
    execute: bool = False
    min_profit: int = 0
    native_price: float = 0.0
    min_bounty_rate: int = 0
    margin_use: int = MARGIN_USE
    name_winners: int = 8
    min_collect: int = 1
    min_sale: int = 1
    min_discount: int = 0


@dataclass(frozen=True, slots=True)
class Task:
    """Something to send about `subject`, an account, a part of the fund, or an asset (its symbol).

    `bounty` is what it should bring the keeper, units of S. Liquidations have the `fraction` to ask for
    (1e18 = all; 0: the keeper can't afford any, and nothing is to be sent); purchases the `asset`, how many
    units of it, and the most to be paid (`cost`, units of S), sales the least to be got. The reserve's
    conversions have the asset, too, and withdrawals the asset and how many units. A posting has its `call`,
    ready to be sent. What moves money says how much it `moves`, units of S: gas must be small beside it.
    """

    kind: Kind
    subject: str
    settle_first: tuple[str, ...] = ()
    fraction: int = 0
    bounty: int = 0
    reason: str = ""
    asset: int | None = None
    units: int = 0
    cost: int = 0
    moves: int | None = None
    call: Call | None = field(default=None, repr=False, compare=False)

    @property
    def is_affordable(self) -> bool:
        """Whether the keeper's own margin and cash allow it."""
        return self.kind is not Kind.LIQUIDATE or self.fraction > 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON: everything but the call."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name != "call"}


# ------------------------------------------------------------ settle and flag


def settlements(view: View, options: Options) -> list[Task]:
    """Accounts without a position that owe something (each resolved, the winners first), or with records of
    no size.
    """
    if Role.SETTLE not in options.roles:
        return []
    found = _by_urgency(view, (each for each in view.findings if each.settle))
    empty = [each.address for each in found if each.equity >= 0]
    tasks = [
        Task(
            Kind.SETTLE,
            each.address,
            winners(view, (), options.name_winners, (each.address,)),
            reason=f"owes {-each.equity} and has no position",
        )
        for each in found
        if each.equity < 0
    ]
    for i in range(0, len(empty), SETTLE_BATCH):
        *first, last = empty[i : i + SETTLE_BATCH]
        tasks.append(Task(Kind.SETTLE, last, tuple(first), reason="records of no size"))
    return tasks


def flags(view: View, options: Options) -> list[Task]:
    """Accounts whose flag, or mark of insolvency, is not what their equity says; the deepest under
    water first.
    """
    if Role.FLAG not in options.roles:
        return []
    wrong = (e for e in view.findings if (e.flag or e.unflag or e.mark) and not e.settle)
    found = _by_urgency(view, wrong)
    return [Task(Kind.FLAG, each.address, reason=_reason(each)) for each in found]


def winners(view: View, markets: Sequence[int], count: int, but: Sequence[str]) -> tuple[str, ...]:
    """The accounts with the largest unsettled profit in these markets (in all, where none is named),
    largest first.

    Settled before a default is resolved, they stand in line with what they have won: unpaid profit bears
    loss, and what is not settled yet could bear nothing.
    """
    profits = []
    for address, account in view.accounts.items():
        profit = sum(p.unsettled for p in account.positions if not markets or p.market in markets)
        if profit > 0 and address not in but:
            profits.append((-profit, address))
    return tuple(address for _, address in sorted(profits)[:count])


# ----------------------------------------------------------------- resolutions


def resolutions(view: View, own: str, options: Options) -> list[Task]:
    """One task for each flagged account that something can be done about, or could with more margin; the most
    urgent first.
    """
    found = _by_urgency(view, (each for each in view.findings if each.liquidate or each.deleverage))
    tasks = (_resolution(view, each, own, options) for each in found if each.address != own)
    return [task for task in tasks if task]


def _resolution(view: View, finding: Actions, own: str, options: Options) -> Task | None:
    """A liquidation where bounty and own margin allow it, else a deleveraging where the rules allow that;
    of the two only what the keeper's roles are. What only its margin keeps it from is still a task.
    """
    target = view.accounts[finding.address]
    named: tuple[str, ...] = ()
    if finding.equity < 0:
        named = winners(view, _markets(target), options.name_winners, (target.address, own))
    liquidation = _liquidation(view, finding, own, options, named)
    if liquidation and liquidation.is_affordable:
        return liquidation
    if Role.DELEVERAGE in options.roles and finding.deleverage:
        return Task(Kind.DELEVERAGE, target.address, named, reason=_reason(finding))
    return liquidation


def _liquidation(
    view: View, finding: Actions, own: str, options: Options, named: tuple[str, ...]
) -> Task | None:
    """As much of it as the keeper can afford, if that pays; nothing of it where only more would pay."""
    if Role.LIQUIDATE not in options.roles or not finding.liquidate:
        return None
    if finding.bounty_rate < options.min_bounty_rate:
        return None
    target, least = view.accounts[finding.address], worth_sending(view, options, LIQUIDATION_GAS)
    fraction = affordable(view, view.accounts[own], target, finding, options.margin_use)
    bounty = expected_bounty(view, target, finding, fraction)
    if fraction and bounty >= least:
        first = named if fraction == WAD else ()
        return Task(Kind.LIQUIDATE, target.address, first, fraction, bounty, _reason(finding))
    missed = expected_bounty(view, target, finding, taken(view.rules, finding, WAD))
    if missed < least:
        return None
    return Task(Kind.LIQUIDATE, target.address, bounty=missed, reason=_reason(finding))


def taken(rules: Rules, target: Actions, wanted: int) -> int:
    """The fraction that is taken when `wanted` is asked for (SPECIFICATION.md section 4), 1e18 = all."""
    cost = -(-target.notional * (target.bounty_rate + rules.penalty) // MILLION)
    fraction = min(wanted, WAD)
    if target.equity > 0 and target.initial_margin > cost:
        fraction = min(
            fraction, -(-(target.initial_margin - target.equity) * WAD // (target.initial_margin - cost))
        )
    least = rules.min_notional * WAD
    if target.notional * fraction < least:
        fraction = min(WAD, -(-least // target.notional)) if target.notional else WAD
    return WAD if target.notional * (WAD - fraction) < least else fraction


def affordable(view: View, own: AccountState, target: AccountState, finding: Actions, margin_use: int) -> int:
    """The largest fraction of the target that leaves the keeper enough initial margin; 0 where none does.

    At most `margin_use` (ppm) of the keeper's equity may be required afterwards, and its cash must pay for
    the target's collateral, which then counts for it. The bounty is not counted on.
    """
    if own.flagged_at or own.debt:
        return 0

    def fits(fraction: int) -> bool:
        price, value = _collateral(view, target.address, fraction)
        if price > own.cash:
            return False
        budget = (own.equity - price + value) * margin_use // MILLION
        sizes = {p.market: p.size for p in own.positions}
        for p in target.positions:
            part = abs(p.size) * fraction // WAD
            sizes[p.market] = sizes.get(p.market, 0) + (part if p.size > 0 else -part)
        return _initial(view, sizes) <= budget

    wanted = taken(view.rules, finding, WAD)
    if fits(wanted):
        return wanted
    if not fits(0):
        return 0
    low, high = 0, wanted
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        low, high = (middle, high) if fits(middle) else (low, middle)
    fraction = taken(view.rules, finding, low) if low else 0
    return fraction if fraction and fits(fraction) else 0


def _initial(view: View, sizes: Mapping[int, int]) -> int:
    markets = ((view.markets[m], abs(size)) for m, size in sizes.items())
    divisor = view.rules.scale * MILLION
    return sum(-(-size * market.price * market.initial_margin_ratio // divisor) for market, size in markets)


def expected_bounty(view: View, target: AccountState, finding: Actions, fraction: int) -> int:
    """What a liquidation will pay: the account's cash, with what the keeper pays for its collateral, and,
    once nothing is left of the account, the fund: in each market at most that market's own bounty, and what
    may still be spent there.

    Cash that a profit may yet bring is not counted on.
    """
    full = target.notional * fraction // WAD * finding.bounty_rate // MILLION
    # A loss that is not settled yet takes claims first, then cash; collateral brings cash.
    loss = max(0, -target.unsettled - target.claims)
    price, value = _collateral(view, target.address, fraction)
    paid = min(full, max(0, target.cash + price - target.debt - loss))
    if paid < full and target.equity + price - value - paid <= 0:
        own = {
            p.market: p.notional * fraction // WAD * finding.bounty_rate // MILLION for p in target.positions
        }
        funded = sum(min(bounty, view.markets[m].available) for m, bounty in own.items())
        paid += min(full - paid, funded, view.fund.assets)
    return paid


def _collateral(view: View, account: str, fraction: int) -> tuple[int, int]:
    """What a liquidator pays for a fraction of an account's collateral, and what that counts for."""
    pledge = view.pledges.get(account)
    price = value = 0
    for asset, held in zip(view.assets, pledge.held if pledge else (), strict=False):
        units = held * fraction // WAD if asset.price else 0
        price += cost(asset, units, MILLION - asset.discount, view.decimals)
        value += worth(asset, units, view.decimals) * (MILLION - asset.haircut) // MILLION
    return price, value


# ---------------------------------------------------------------- housekeeping


def housekeeping(view: View, options: Options) -> list[Task]:
    """Fees to hand on, and tranches whose epoch is over and for whose batch somebody waits."""
    tasks = []
    if Role.COLLECT in options.roles and view.uncollected >= options.min_collect:
        reason = f"{view.uncollected} uncollected"
        tasks.append(Task(Kind.COLLECT, "fund", reason=reason, moves=view.uncollected))
    if Role.ROLL in options.roles and view.fund.gate_open:
        for name, tranche in (("junior", view.fund.junior_tranche), ("senior", view.fund.senior_tranche)):
            waiting = tranche.requested + tranche.noticed
            if waiting and view.time >= tranche.rolls_from:
                moves = waiting * tranche.assets // max(tranche.shares, 1)
                tasks.append(Task(Kind.ROLL, name, reason="its epoch is over", moves=moves))
    return tasks


def worth_sending(view: View, options: Options, gas: int) -> float:
    """What a transaction done for money must bring, units of S."""
    return options.min_profit + gas * view.gas_price * options.native_price


def _markets(account: AccountState) -> tuple[int, ...]:
    return tuple(position.market for position in account.positions if position.size)


def _by_urgency(view: View, findings: Iterable[Actions]) -> list[Actions]:
    """The deepest under water first: by distance to liquidation, without a position by equity."""

    def depth(finding: Actions) -> tuple[float, str]:
        far = distance(view.accounts[finding.address], view.markets)
        return float(finding.equity) if far is None else far, finding.address

    return sorted(findings, key=depth)


def _reason(finding: Actions) -> str:
    return f"equity {finding.equity}, maintenance margin {finding.maintenance_margin}"
