"""The state as the probe's words, from the reference model, in the order of contracts/mocks/FuzzProbe.sol.

The words come in sections: totals, each market, what is stored of each account, each account's health, both
tranches, other assets. `ModelView.wanted` says which to compare after a call: all that the model says have
changed, and some others in turn, so that what changed without the model's knowing is found soon after.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

from weir.fuzz.clearing.setting import ACCOUNTS, ASSETS, STAKERS, Setting
from weir.model import World
from weir.model.fund import DefaultRecord
from weir.model.guaranty import GuarantyFund
from weir.model.house import COLLATERAL, FUND, RESERVE
from weir.model.markets import Side
from weir.model.numbers import MILLION
from weir.model.tranche import Batch, Tranche

__all__ = ["ModelView", "claimable", "loss_budget", "membership"]

Section: TypeAlias = tuple[int, ...]

IN_TURN = 2  # sections that are compared though nothing in them should have changed

_TOTALS = [
    "vault.held",
    "fund.held",
    "treasury.held",
    "vault.fees",
    "vault.levies",
    "house.insolvencies",
    "house.pausedUntil",
    "fund.layers.skin",
    "fund.layers.unvested",
    "fund.layers.junior",
    "fund.layers.senior",
    "fund.stream.unvested",
    "fund.stream.since",
    "fund.stream.end",
    "fund.defaultCount",
    "policy.target",
    "policy.observed",
    "policy.posted",
    "policy.postedAt",
    "policy.fresh",
    "fund.cash",
    "guaranty.held",
    "guaranty.total",
    "guaranty.units",
    "guaranty.epoch",
]
_SIDE = ["multiplier", "epoch", "positions", "base", "finalIndex"]
_MARKET = [
    *[
        "pool",
        "totalClaims",
        "totalClaimUnits",
        "residual",
        "claimsEpoch",
        "maturity",
        "status",
        "price",
        "openInterest",
        "valueIndex",
        "premium",
        "lastPremium",
        "updatedAt",
        "updatedBlock",
    ],
    *(f"long.{field}" for field in _SIDE),
    *(f"short.{field}" for field in _SIDE),
    "available",
    "observed",
    "fund.claims.units",
    "fund.claims.maturesAt",
    "lossBudget",
]
_ACCOUNT = [
    "wallet",
    "cash",
    "flaggedAt",
    "insolvent",
    "generation",
    "positionMarkets",
    "debtMarkets",
    "tier",
    "tier.postedAt",
    "contributed",
    "noticed",
    "noticed.from",
    "sale.startedAt",
    *(f"{symbol}.{field}" for symbol in ASSETS for field in ("held", "wallet")),
]
_ACCOUNT_MARKET = [
    "debt",
    "claims.units",
    "claims.maturesAt",
    "size",
    "multiplier",
    "epoch",
    "isShort",
    "index",
]
_HEALTH = [
    "equity",
    "initialMargin",
    "maintenanceMargin",
    "notional",
    "net",
    "requirement",
    "collateral",
    "due",
    "due.default",
]
_ASSETS = [
    "fund.layers.reserve",
    "fund.layers.advancedJunior",
    "fund.layers.advancedSenior",
    "reserve.worth",
    "collateral.held",
    "reserve.held",
    *(
        f"{symbol}.{field}"
        for symbol in ASSETS
        for field in (
            "par",
            "price",
            "pledged",
            "pledged.held",
            "reserve",
            "reserve.held",
            "auction.startedAt",
            "auction.buying",
        )
    ),
]
_TRANCHE = ["held", "assets", "totalSupply", "shareEpoch", "currentBatch", "lastRollAt"]
_DEFAULT = [
    "account",
    "market",
    "time",
    "shortfall",
    "own",
    "coinsurance",
    "skin",
    "junior",
    "senior",
    "mutual",
    "unpaidProfit",
    "remainder",
]

_WORD = 2**256
_NO_POSITION = (0, 0, 0, 0, 0)
_NO_BATCH = Batch()


def loss_budget(guaranty: GuarantyFund, number: int) -> int:
    """What the members may still pay for the market in this window, but for what they have."""
    p, budget = guaranty.parameters, guaranty.budgets.get(number)
    if budget is None or budget.window != guaranty.clock.time // p.loss_window:
        return guaranty.total * p.loss_share // MILLION
    return budget.budget - budget.spent


def membership(world: World, account: str) -> Section:
    """Balance, the part of it under notice, and when that may first be released."""
    guaranty = world.guaranty
    member = guaranty.member(account)
    if member is None:
        return 0, 0, 0
    noticed = min(member.notice_units, member.units) * guaranty.total // guaranty.units
    return guaranty.balance(account), noticed, member.notice_from


def claimable(tranche: Tranche, staker: str) -> int:
    """Assets of the staker's priced requests, each rounded down."""
    return sum(
        shares * tranche.batches[number].assets // tranche.batches[number].shares
        for (number, owner), shares in tranche.requests.items()
        if owner == staker and tranche.batches[number].priced
    )


class ModelView:
    """Reads a world as the contracts' views would show it now."""

    def __init__(self, setting: Setting, addresses: Mapping[str, str]) -> None:
        markets = len(setting.prices)
        self._numbers = {name: int(address, 16) for name, address in addresses.items()}
        self._minted, self._minted_assets = setting.minted, setting.minted_assets
        self._markets = range(markets)
        self._empty = (0,) * (len(_ACCOUNT_MARKET) * markets)
        self._first_account = 1 + markets
        self._first_health = self._first_account + len(ACCOUNTS)
        self._first_tranche = self._first_health + len(ACCOUNTS)
        self._of_assets = self._first_tranche + 2
        self.count = self._of_assets + 1
        self.start()

    def start(self) -> None:
        """Nothing has been compared yet: everything is wanted next."""
        self._last: dict[int, Section] = {}
        self._turn = 0

    # ---- which

    def wanted(self, world: World, *, everything: bool = False) -> list[tuple[int, Section]]:
        """The sections to compare, by number, in order."""
        self._entered = {name for name, _ in (*world.ledger.claims, *world.ledger.debts)}
        found = {0: self._totals(world)}
        for number in self._markets:
            found[1 + number] = self._market(world, number)
        for at, account in enumerate(ACCOUNTS, start=self._first_account):
            found[at] = self._account(world, account)
        for at, tranche in enumerate((world.fund.junior, world.fund.senior), start=self._first_tranche):
            found[at] = self._tranche(world, tranche)
        found[self._of_assets] = self._assets(world)
        if everything:
            chosen = set(range(self.count))
        else:
            chosen = {at for at, section in found.items() if section != self._last.get(at)}
            chosen |= {at + len(ACCOUNTS) for at in chosen if self._first_account <= at < self._first_health}
            chosen |= {(self._turn + k) % self.count for k in range(IN_TURN)}
            self._turn += IN_TURN
        self._last = found
        return [(at, found[at] if at in found else self._health(world, at)) for at in sorted(chosen)]

    def defaults(self, world: World, first: int) -> list[Section]:
        """Records of the defaults from this id on."""
        return [self._default(record) for record in world.fund.defaults[first - 1 :]]

    # ---- words

    @staticmethod
    def _totals(world: World) -> Section:
        held, house, fund, ledger = world.token.balances, world.house, world.fund, world.ledger
        policy, guaranty = world.funding, world.guaranty
        junior, senior = fund.vestable()
        return (
            held["vault"],
            held["fund"],
            held["treasury"],
            ledger.fees,
            ledger.levies,
            house.insolvencies,
            house.paused_until,
            fund.skin,
            fund.unvested - junior - senior,
            fund.junior.balance + junior,
            fund.senior.balance + senior,
            fund.unvested,
            fund.since,
            fund.since + fund.remaining,
            len(fund.defaults),
            world.target(),
            sum(policy.observed.values()),
            policy.posted,
            policy.posted_at or 0,
            int(policy.target_is_fresh()),
            ledger.cash[FUND],
            held["guaranty"],
            guaranty.total,
            guaranty.units,
            guaranty.epoch,
        )

    @staticmethod
    def _side(side: Side) -> Section:
        final = side.final_indices[-1] if side.final_indices else 0
        return side.multiplier, side.epoch, side.positions, side.base % _WORD, final % _WORD

    def _market(self, world: World, number: int) -> Section:
        ledger, market = world.ledger.markets[number], world.house.markets[number]
        return (
            ledger.pool,
            ledger.total_claims,
            ledger.total_units,
            ledger.residual,
            ledger.claims_epoch,
            ledger.maturity,
            market.status.value,
            market.price,
            market.open_interest,
            market.value_index % _WORD,
            market.premium % _WORD,
            market.last_premium % _WORD,
            market.updated_at,
            market.updated_block,
            *self._side(market.long),
            *self._side(market.short),
            world.fund.available(number),
            world.observed(number),
            *self._claim(world, FUND, number),
            loss_budget(world.guaranty, number),
        )

    @staticmethod
    def _claim(world: World, account: str, number: int) -> Section:
        """Units and when they mature; claims of no value are dropped at the next touch."""
        claim = world.ledger.claims.get((account, number))
        return (claim.units, claim.matures_at) if claim and world.ledger.value(account, number) else (0, 0)

    @staticmethod
    def _tier(world: World, account: str) -> Section:
        """The tier that counts, and when it was posted: 0 where none was, or it has gone stale."""
        record, policy = world.funding.tiers.get(account), world.funding
        fresh = record is not None and world.clock.time < record.time + policy.parameters.tier_lifetime
        return policy.tier(account), record.time if record and fresh else 0

    def _account(self, world: World, account: str) -> Section:
        house, ledger = world.house, world.ledger
        flag, records = house.flags.get(account), house.positions[account]
        if not records and flag is None and account not in self._entered:
            money = self._minted + world.token.balances[account], ledger.cash[account]
            rest = (
                *self._tier(world, account),
                *membership(world, account),
                *self._pledge(world, account),
                *self._empty,
            )
            return *money, 0, 0, house.generations[account], 0, 0, *rest
        debts, by_market = 0, []
        for number in self._markets:
            debt = ledger.debts.get((account, number), 0)
            debts |= (debt > 0) << number
            by_market += [debt, *self._claim(world, account, number)]
            record = records.get(number)
            if record is None:
                by_market += _NO_POSITION
            else:
                index = record.index % _WORD if record.size else 0
                by_market += [record.size, record.multiplier, record.epoch, int(record.sign < 0), index]
        return (
            self._minted + world.token.balances[account],
            ledger.cash[account],
            flag.time if flag else 0,
            1 if flag and flag.insolvent else 0,
            house.generations[account],
            sum(1 << number for number in records),
            debts,
            *self._tier(world, account),
            *membership(world, account),
            *self._pledge(world, account),
            *by_market,
        )

    def _health(self, world: World, at: int) -> Section:
        account = ACCOUNTS[at - self._first_health]
        health = world.house.health(account)
        due, default = world.house.due(account)
        return (
            health.equity % _WORD,
            health.initial,
            health.maintenance,
            health.notional,
            world.ledger.net(account) % _WORD,
            world.requirement(account),
            world.collateral.value(account),
            due,
            default or 0,
        )

    def _pledge(self, world: World, account: str) -> Section:
        """When its auction was started, and of each asset what it has pledged and has in its wallet."""
        sale, held = world.collateral.sales.get(account), world.collateral.held[account]
        words = [sale.started_at or 0 if sale else 0]
        for asset, minted in enumerate(self._minted_assets):
            words += held[asset], minted + world.tokens[asset].balances[account]
        return tuple(words)

    @staticmethod
    def _assets(world: World) -> Section:
        fund, coins, reserve = world.fund, world.stablecoins, world.fund.reserve
        words = [
            fund.in_reserve,
            fund.junior.advanced,
            fund.senior.advanced,
            reserve.whole(fund.skin),
            world.token.balances[COLLATERAL],
            world.token.balances[RESERVE],
        ]
        for asset in range(len(coins.assets)):
            tokens, auction = world.tokens[asset].balances, reserve.auctions.get(asset)
            words += coins.par(asset), coins.price(asset)
            words += world.collateral.totals[asset], tokens[COLLATERAL]
            words += reserve.amounts[asset], tokens[RESERVE]
            words.append(auction.started_at or 0 if auction else 0)
            words.append(int(auction.buying) if auction else 0)
        return tuple(words)

    def _tranche(self, world: World, tranche: Tranche) -> Section:
        current, balances = tranche.current_batch, world.token.balances
        vested = world.fund.vestable()[0 if tranche is world.fund.junior else 1]
        words = [
            balances[tranche.name],
            tranche.assets + vested,
            tranche.supply,
            tranche.share_epoch,
            current,
            tranche.last_roll_at,
        ]
        for number in range(max(current - 2, 0), current + 1):
            batch = tranche.batches.get(number, _NO_BATCH)
            words += batch.shares, batch.assets, int(batch.priced)
            words += (tranche.requests.get((number, staker), 0) for staker in STAKERS)
        for staker in STAKERS:
            words += self._minted + balances[staker], tranche.shares.get(staker, 0)
            words.append(claimable(tranche, staker))
        return tuple(words)

    def _default(self, record: DefaultRecord) -> Section:
        return (
            self._numbers[record.account],
            record.market,
            record.time,
            record.shortfall,
            record.own,
            record.coinsurance,
            record.skin,
            record.junior,
            record.senior,
            record.mutual,
            record.unpaid_profit,
            record.remainder,
        )

    # ---- names

    def names(self, world: World, sections: Sequence[int], first_default: int) -> Iterator[str]:
        """What each word of these sections and of the defaults is, e.g. `trader0[1].debt`."""
        yield from chain.from_iterable(self._names(world, at) for at in sections)
        for number in range(first_default, len(world.fund.defaults) + 1):
            yield from (f"default[{number}].{field}" for field in _DEFAULT)

    def _names(self, world: World, at: int) -> Iterator[str]:
        if at == 0:
            yield from _TOTALS
        elif at < self._first_account:
            yield from (f"market[{at - 1}].{field}" for field in _MARKET)
        elif at < self._first_health:
            account = ACCOUNTS[at - self._first_account]
            yield from (f"{account}.{field}" for field in _ACCOUNT)
            for number in self._markets:
                yield from (f"{account}[{number}].{field}" for field in _ACCOUNT_MARKET)
        elif at < self._first_tranche:
            yield from (f"{ACCOUNTS[at - self._first_health]}.{field}" for field in _HEALTH)
        elif at == self._of_assets:
            yield from _ASSETS
        else:
            name = ("junior", "senior")[at - self._first_tranche]
            current = world.tranche(name).current_batch
            yield from (f"{name}.{field}" for field in _TRANCHE)
            for number in range(max(current - 2, 0), current + 1):
                yield from (f"{name}.batch[{number}].{field}" for field in ("shares", "assets", "priced"))
                yield from (f"{name}.request[{number}][{staker}]" for staker in STAKERS)
            for staker in STAKERS:
                yield f"{staker}.wallet"
                yield from (f"{name}.balance[{staker}]", f"{name}.claimable[{staker}]")
