"""The properties P1 to P10 (SPECIFICATION.md section 9) as functions over the state, each with its slack.

State properties take a world; P5 and P7 compare a `Moment` before a call with the world after it, P8 two
worlds; P6 tries on a copy.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

from weir.model.errors import Revert
from weir.model.fund import DefaultRecord
from weir.model.guaranty import GuarantyFund
from weir.model.house import COLLATERAL, FUND, GUARANTY, RESERVE, VAULT
from weir.model.numbers import MILLION, SHARE_OFFSET, ceil_div
from weir.model.tranche import Tranche
from weir.model.world import JUNIOR, SENIOR, TREASURY, World

TRANCHES = (JUNIOR, SENIOR)
MOST_ROUNDS = 500  # of P6: circles of debt unwind by a part in each (section 10), down to the last unit

Number = int | Fraction


class Check(NamedTuple):
    """A property measured: slack in [low, high] holds. Units of S, or wei of size for P3."""

    name: str
    slack: Number
    low: Number = 0
    high: Number = 0

    @property
    def holds(self) -> bool:
        return self.low <= self.slack <= self.high


@dataclass(frozen=True)
class Moment:
    """What P5, P7 and the properties of conversions need of the state before a call."""

    defaults: int
    conversions: int
    fund_bounties: int
    outsiders: Mapping[str, int]  # cash and wallet of those without position and debt
    assets: Mapping[str, Mapping[int, int]]  # units of other assets, pledged or in the wallet, of the same
    tranches: Mapping[str, tuple[int, int, int]]  # assets, supply, share epoch
    guaranty: tuple[int, int, int]  # total, units, epoch
    written_off: Mapping[str, int]  # advances that were lost, by tranche
    liquid: int  # S in the fund
    reserve: Mapping[int, int]  # units by asset

    @classmethod
    def of(cls, world: World) -> "Moment":
        fund, house, ledger = world.fund, world.house, world.ledger
        debtors = {account for account, _ in ledger.debts}
        outsiders = [a for a in ledger.cash if not house.positions[a] and a not in debtors]
        return cls(
            defaults=len(fund.defaults),
            conversions=len(world.collateral.conversions),
            fund_bounties=house.tally.fund_bounties,
            outsiders={account: _money(world, account) for account in outsiders},
            assets={account: _assets(world, account) for account in outsiders},
            tranches={t.name: (t.assets, t.supply, t.share_epoch) for t in (fund.junior, fund.senior)},
            guaranty=(fund.guaranty.total, fund.guaranty.units, fund.guaranty.epoch),
            written_off={t.name: t.written_off for t in (fund.junior, fund.senior)},
            liquid=fund.liquid,
            reserve=dict(fund.reserve.amounts),
        )


# ---- P1


def backing(world: World) -> list[Check]:
    """P1: the S that each contract holds is what its books say (a tranche keeps what claims round off)."""
    ledger, fund = world.ledger, world.fund
    guaranty, token = fund.guaranty, world.token
    holders = (VAULT, FUND, GUARANTY, *TRANCHES)
    held = {name: token.balances[name] - token.donated[name] for name in holders}
    booked = sum(ledger.cash.values()) + sum(m.pool for m in ledger.markets) + ledger.fees + ledger.levies
    checks = [
        Check("P1 vault", held[VAULT] - booked),
        Check("P1 fund", held[FUND] - fund.liquid),
        Check("P1 guaranty", held[GUARANTY] - guaranty.total - guaranty.dust),
        *_membership(guaranty),
        *_pledges(world),
        *_reserve(world),
    ]
    for tranche in (fund.junior, fund.senior):
        owed = sum(_claimable(tranche, batch, shares) for (batch, _), shares in tranche.requests.items())
        rounded = tranche.rounded_off + len(tranche.requests)
        checks.append(Check(f"P1 {tranche.name}", held[tranche.name] - owed, 0, rounded))
    return checks


def _pledges(world: World) -> list[Check]:
    """P1 of each asset held for collateral: the tokens are what accounts hold, none of them less than 0."""
    collateral = world.collateral
    checks = []
    for asset in range(len(world.stablecoins.assets)):
        token, mine = world.tokens[asset], [units[asset] for units in collateral.held.values()]
        held = token.balances[COLLATERAL] - token.donated[COLLATERAL]
        checks += [
            Check(f"P1 collateral {asset}", held - collateral.totals[asset]),
            Check(f"P1 collateral {asset} accounts", collateral.totals[asset] - sum(mine)),
            Check(f"P1 collateral {asset} signs", min([*mine, 0])),
        ]
    return checks


def _reserve(world: World) -> list[Check]:
    """P1 of each asset in the reserve."""
    amounts, checks = world.fund.reserve.amounts, []
    for asset, token in world.tokens.items():
        held = token.balances[RESERVE] - token.donated[RESERVE]
        checks.append(Check(f"P1 reserve {asset}", held - amounts[asset]))
    return checks


def _membership(guaranty: GuarantyFund) -> list[Check]:
    """P1 within the guaranty fund: members' units are its units, their balances what it has, rounded down."""
    units = sum(member.units for member in guaranty.members.values() if member.epoch == guaranty.epoch)
    balances = sum(guaranty.balance(account) for account in guaranty.members)
    rounded = max(0, len(guaranty.members) - 1)
    return [
        Check("P1 guaranty units", guaranty.units - units),
        Check("P1 guaranty balances", guaranty.total - balances, 0, rounded),
    ]


def _claimable(tranche: Tranche, number: int, shares: int) -> int:
    batch = tranche.batches[number]
    return shares * batch.assets // batch.shares if batch.priced else 0


# ---- P2, P3


def book(world: World, number: int) -> list[Check]:
    """P2 and P3 of a market.

    P2: pool + residual - (claims + unsettled - debt), bounded by what rounding so far can have done. P3: open
    interest - sum of sizes, for each side, at most what rounding has taken off the side; and each side counts
    its live records.
    """
    house, ledger = world.house, world.ledger.markets[number]
    market = house.markets[number]
    records, unsettled = 0, 0
    sizes, lives, sided = {1: 0, -1: 0}, {1: 0, -1: 0}, {1: 0, -1: 0}
    for mine in house.positions.values():
        if (record := mine.get(number)) is None:
            continue
        records += 1
        sided[record.sign] += 1
        unsettled += market.unsettled(record)
        if market.is_live(record):
            lives[record.sign] += 1
            sizes[record.sign] += market.size(record)
    debt = sum(amount for (_, m), amount in world.ledger.debts.items() if m == number)
    slack = ledger.pool + ledger.residual - ledger.total_claims - unsettled + debt
    drift = market.trail.drift
    checks = [Check(f"P2 market {number}", slack, -drift, market.trail.kept + records + ledger.dust + drift)]
    for side, name in ((market.long, "long"), (market.short, "short")):
        open_interest = market.open_interest - sizes[side.sign]
        checks += (
            Check(f"P3 market {number} {name}", open_interest, 0, side.dropped + sided[side.sign]),
            Check(f"P3 market {number} records {name}", side.positions - lives[side.sign]),
        )
    return checks


# ---- P4, P5: defaults


def waterfall(record: DefaultRecord) -> list[Check]:
    """P4: the layers and the remainder sum to the shortfall; none pays while an earlier one has room."""
    room, budget = record.room, record.room.budget
    rooms = [room.own, room.coinsurance]
    for paid, balance in (
        (record.skin, room.skin),
        (record.junior, room.junior),
        (record.senior, room.senior),
    ):
        rooms.append(min(balance, budget))
        budget -= paid
    rooms += (room.mutual, room.unpaid_profit - record.coinsurance)
    insured = (record.skin, record.junior, record.senior)
    payments = [record.own, record.coinsurance, *insured, record.mutual, record.unpaid_profit]
    out_of_order = sum(
        sum(payments[layer + 1 :]) + record.remainder
        for layer, (paid, most) in enumerate(zip(payments, rooms, strict=True))
        if paid < most
    )
    beyond = sum(max(0, paid - most) for paid, most in zip(payments, rooms, strict=True))
    negative = sum(min(0, amount) for amount in (*payments, record.remainder))
    return [
        Check("P4 sum", record.shortfall - sum(payments) - record.remainder),
        Check("P4 order", out_of_order),
        Check("P4 room", beyond),
        Check("P4 signs", negative),
    ]


def seniority(before: Moment, after: World) -> list[Check]:
    """P5, over one call of which `before` is the state before it.

    With defaults in it: no cash is taken from an account that had no position, but for other assets of that
    worth; open interest is charged only once all claims are written off.
    """
    fresh = after.fund.defaults[before.defaults :]
    if not fresh:
        return []
    taken = sum(max(0, _lost(before, after, account)) for account in before.outsiders)
    claims_left = sum(r.room.unpaid_profit - r.from_profit for r in fresh if r.remainder)
    rounded = len(after.stablecoins.assets)  # a liquidator pays for each asset, rounded up
    return [Check("P5 cash", taken, 0, rounded), Check("P5 claims before open interest", claims_left)]


def _lost(before: Moment, after: World, account: str) -> Number:
    """What an outsider has less of, other assets at the prices of now."""
    now = _money(after, account) + _worth(after, _assets(after, account))
    return before.outsiders[account] + _worth(after, before.assets[account]) - now


def _assets(world: World, account: str) -> dict[int, int]:
    """Units of other assets by number, pledged or in the wallet."""
    held = world.collateral.held[account]
    return {a: held[a] + world.tokens[a].balances[account] for a in range(len(world.stablecoins.assets))}


def _worth(world: World, assets: Mapping[int, int]) -> Number:
    """In units of S, exact."""
    coins = world.stablecoins
    return sum((Fraction(n * coins.price(a), coins.scale(a)) for a, n in assets.items()), start=Fraction(0))


def _money(world: World, account: str) -> int:
    """Cash and wallet, so that its own deposits and withdrawals don't count; the fund's wallet does pay."""
    return world.ledger.cash[account] + (world.token.balances[account] if account != FUND else 0)


# ---- P6


def liveness(world: World) -> Check:
    """P6: on a copy, with no budget left, whoever is below maintenance margin can be resolved.

    The slack counts accounts that nobody could resolve, and those left with a loss and without a position.
    """
    trial = world.clone()
    for cover in trial.fund.covers.values():
        cover.budget, cover.spent, cover.budget_share = 0, 0, 0
    guaranty = trial.guaranty
    guaranty.total, guaranty.units, guaranty.epoch = 0, 0, guaranty.epoch + 1
    everyone = trial.accounts()
    for _ in range(MOST_ROUNDS):  # what one can't pay may put others below in turn
        trial.advance(1)
        if not _try(trial.settle, everyone):
            return Check("P6", len(everyone))
        below = [account for account in everyone if _is_below(trial, account)]
        house, ledger = trial.house, trial.ledger
        lost = [a for a, _ in ledger.debts if not house.open_markets(a) and ledger.net(a) < 0]
        if not below and not lost:
            return Check("P6", 0)
        stuck = sum(not _deleverage(trial, account) for account in below)
        if stuck:
            return Check("P6", stuck)
    return Check("P6", len(below) + len(lost))


def _is_below(world: World, account: str) -> bool:
    health = world.house.health(account)
    return bool(world.house.open_markets(account)) and health.equity < health.maintenance


def _deleverage(world: World, account: str) -> bool:
    """True when the account, if still below, could be closed after at most one auction."""
    _try(world.settle, [account])
    if not _is_below(world, account):
        return True
    _try(world.flag, account)
    world.advance(world.house.liquidation.auction_duration + 1)
    return _try(world.deleverage, account)


def _try(call: Callable[[Any], None], argument: Any) -> bool:
    try:
        call(argument)
    except Revert:
        return False
    return True


# ---- P7


def share_prices(before: Moment, after: World) -> list[Check]:
    """P7: cross-multiplied fall of each tranche's share price over a call without a loss; at most 0.

    A tranche's losses are its own layer of a default, a bounty that the fund paid, and an advance written
    off; an advance is none. The same of a unit of the guaranty fund, which only layer 7 may lower.
    """
    fresh = after.fund.defaults[before.defaults :]
    bounties = after.house.tally.fund_bounties - before.fund_bounties
    checks = _unit_value(before, after) if not any(record.mutual for record in fresh) else []
    for name, (assets, supply, share_epoch) in before.tranches.items():
        tranche = after.tranche(name)
        losses = bounties + tranche.written_off - before.written_off[name]
        losses += sum(getattr(record, name) for record in fresh)
        if losses:
            continue
        if share_epoch != tranche.share_epoch:
            checks.append(Check(f"P7 {name}", assets + 1))
            continue
        fall = (assets + 1) * (tranche.supply + SHARE_OFFSET) - (tranche.assets + 1) * (supply + SHARE_OFFSET)
        checks.append(Check(f"P7 {name}", max(0, fall)))
    return checks


def _unit_value(before: Moment, after: World) -> list[Check]:
    """The fall of a unit's value; an end of the epoch, which needs a loss, is one."""
    (total, units, epoch), guaranty = before.guaranty, after.guaranty
    fall = total * guaranty.units - guaranty.total * units
    return [Check("P7 guaranty", max(0, fall, guaranty.epoch - epoch))]


# ---- P8


def wealth(world: World, accounts: Iterable[str]) -> Number:
    """What flat accounts own: wallets, contributions, cash, and unpaid profit at value less debt.

    Their other assets at what they are worth, pledged or not.
    """
    return sum(
        world.token.balances[account]
        + world.guaranty_balance(account)
        + world.ledger.net(account)
        - world.collateral.value(account)
        + _worth(world, _assets(world, account))
        for account in accounts
    )


def no_free_lunch(before: World, after: World, colluders: Iterable[str], markets: Iterable[int]) -> Check:
    """P8 for accounts alone in `markets`, that traded nowhere else, flat before and flat after.

    Slack: what they gained beyond what the funds paid for those markets, their own contributions apart, and
    beyond what members earned in that time; at most 0.
    """
    alone, where = list(colluders), set(markets)
    gained = wealth(after, alone) - wealth(before, alone)
    fresh = after.fund.defaults[len(before.fund.defaults) :]
    paid = sum(record.from_fund - record.own for record in fresh if record.market in where)
    paid += after.house.tally.to_members - before.house.tally.to_members
    bounties = after.house.tally.fund_bounties - before.house.tally.fund_bounties
    return Check("P8", max(0, gained - paid - bounties))


# ---- P9, P10


def orders(world: World) -> Check:
    """P9: by how much fills exceed the sizes signed, cancelled orders counting as filled."""
    return Check("P9", sum(max(0, filled - order.size) for order, filled in world.house.filled.items()))


def fees(world: World) -> list[Check]:
    """P10: what accounts paid = what funds, treasury and liquidators received, or is not yet collected."""
    tally, ledger = world.house.tally, world.ledger
    received = tally.to_fund + tally.to_members + tally.to_treasury + ledger.fees + ledger.levies
    return [
        Check("P10 fees and levies", tally.fees + tally.penalties + tally.contributions - received),
        Check("P10 bounties", tally.bounties - tally.to_liquidators),
        Check("P10 treasury", world.token.balances[TREASURY] - tally.to_treasury),
        _premiums(world),
    ]


def _premiums(world: World) -> Check:
    """P10 for the fund's own account: what it has had or has left is no more than what was put there.

    It may be less, since its claims bear losses like all others. Slack: the excess, up to what the rounding
    of others' burns has left to its claims.
    """
    tally, ledger = world.house.tally, world.ledger
    claims = sum(ledger.value(FUND, market) for market in range(len(ledger.markets)))
    excess = tally.from_own_account + ledger.cash[FUND] + claims - tally.premiums - tally.gifts
    return Check("P10 premiums", max(0, excess), 0, sum(market.burns for market in ledger.markets))


# ---- collateral, the reserve


def conversions(before: Moment, after: World) -> list[Check]:
    """Section 2.1, over one call: none loses more than its discount, nor costs more than its worth.

    Slack: units of S by which what was paid is off; the payments are rounded up.
    """
    below, above = 0, 0
    for sold in after.collateral.conversions[before.conversions :]:
        least = ceil_div(sold.units * sold.price * (MILLION - sold.discount), sold.scale * MILLION)
        below += max(0, least - sold.paid)
        above += max(0, sold.paid - ceil_div(sold.units * sold.price, sold.scale))
    return [Check("conversion floor", below), Check("conversion ceiling", above)]


def rebalances(before: Moment, after: World) -> list[Check]:
    """Section 2.1 of the reserve, over one call: what its conversions lose beyond the asset's discount.

    Slack: units of S, exact, by the balances: every rounding is the reserve's gain, and so is a gift.
    """
    past, amounts = before.reserve, after.fund.reserve.amounts
    moved = {a: n - past.get(a, 0) for a, n in amounts.items() if n != past.get(a, 0)}
    lost = before.liquid - after.fund.liquid - _worth(after, moved)
    for asset, units in moved.items():
        discount = after.stablecoins.asset(asset).parameters.discount
        lost -= _worth(after, {asset: abs(units)}) * Fraction(discount, MILLION)
    return [Check("rebalance", max(0, lost))] if moved else []


def advances(world: World) -> list[Check]:
    """Section 6.3: no advance is open while skin could repay it, or while the reserve holds nothing."""
    fund = world.fund
    return [
        Check("advances and skin", min(fund.owed, fund.skin)),
        Check("advances without a reserve", fund.owed if fund.reserve.is_empty else 0),
    ]


def notes(world: World) -> Check:
    """Section 2.2: defaults noted with an account's collateral are its own, in order; how many are not."""
    wrong = 0
    for account, noted in world.collateral.noted.items():
        wrong += sum(world.fund.defaults[number - 1].account != account for number in noted)
        wrong += noted != sorted({*noted})
    return Check("noted defaults", wrong)


# ---- all


def check(world: World, defaults_from: int = 0) -> list[Check]:
    """P1 to P4 (defaults after the first `defaults_from`), P9 and P10 of a state, and what they rest on."""
    checks = [*backing(world), orders(world), *fees(world), *ledger_shape(world), notes(world)]
    checks += advances(world)
    for number in range(len(world.house.markets)):
        checks += book(world, number)
    for record in world.fund.defaults[defaults_from:]:
        checks += waterfall(record)
    return checks


def over_a_call(before: Moment, after: World) -> list[Check]:
    """What must hold of a call: P5, P7, and what conversions paid."""
    checks = [*seniority(before, after), *share_prices(before, after)]
    return [*checks, *conversions(before, after), *rebalances(before, after)]


def ledger_shape(world: World) -> list[Check]:
    """Section 2's own invariants: debt excludes claims in its market and cash; the claims index is <= 1."""
    ledger = world.ledger
    both = sum(ledger.value(account, market) > 0 for account, market in ledger.debts)
    idle = sum(ledger.cash[account] for account, _ in ledger.debts)
    index = sum(max(0, market.total_claims - market.total_units) for market in ledger.markets)
    least = min([*ledger.cash.values(), *ledger.debts.values(), *(m.pool for m in ledger.markets), 0])
    return [
        Check("claims and debt", both),
        Check("cash while in debt", idle),
        Check("claims index", index),
        Check("negative balance", least),
    ]
