"""The views that no call depends on, against the model, at the end of a sequence."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

from weir.fuzz.clearing.scene import Scene
from weir.fuzz.clearing.setting import ACCOUNTS, STAKERS
from weir.fuzz.clearing.views import loss_budget, membership
from weir.fuzz.clearing.widths import MAX_ASSETS, MAX_SUPPLY, most_shares
from weir.fuzz.subject import ViolationError
from weir.model import World
from weir.model.errors import MembershipRequired
from weir.model.numbers import MILLION, SHARE_OFFSET, ceil_div
from weir.model.tranche import Tranche

__all__ = ["audit"]

Read: TypeAlias = Callable[..., Any]
"""What the contracts' view of this name shows for these arguments."""

UNLIMITED = 2**256 - 1
INTERFACES = ("01ffc9a7", "e3bc4e65", "620ee8e4", "2f0a18c5", "ffffffff")
"""ERC-165, ERC-7540 operator and asynchronous redemption, ERC-7575; and none, by ERC-165."""


def audit(s: Scene, read: Read, addresses: Mapping[str, str]) -> None:
    """Raises `ViolationError` where a view does not show what the model knows."""
    for function, arguments, expected in _views(s):
        shown = read(function, *arguments)
        if shown != expected:
            listed = ", ".join(map(str, arguments))
            raise ViolationError("view", f"{function}({listed}) shows {shown}, the model has {expected}")
    _audit_listing(s.world, read, addresses)


def _views(s: Scene) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """Function, arguments, and what it should return."""
    world = s.world
    ledger, fund, house = world.ledger, world.fund, world.house
    rules = fund.parameters
    yield "fund.totalAssets", (), fund.assets
    yield "fund.capacity", (), MAX_ASSETS - fund.liquid
    yield "fund.gateOpen", (), world.gate_open
    yield "fund.skin", (), (fund.skin, fund.owed)
    parameters = (
        rules.skin_target,
        rules.junior_share,
        rules.stream_duration,
        rules.budget_window,
        rules.member_share,
    )
    yield "fund.parameters", (), parameters
    yield "house.openInterestNotional", (), house.open_interest_notional()
    for number in range(len(house.markets)):
        cover = fund.covers[number]
        window = s.time // rules.budget_window
        left = cover.budget - cover.spent
        if cover.window != window:
            left = min(fund.assets * cover.budget_share // MILLION, MAX_ASSETS)
        yield "fund.marketCover", (number,), (cover.budget_share, cover.coinsurance, left, window)
        yield "vault.totalClaims", (number,), ledger.markets[number].total_claims
        for account in ACCOUNTS:
            value = ledger.value(account, number)
            yield "vault.claimsOf", (account, number), value
            if not value and (account, number) not in ledger.claims:
                yield "vault.claimOf", (account, number), (0, 0, 0)
    for account in ACCOUNTS:
        yield "vault.inDebt", (account,), ledger.in_debt(account)
    for number, record in enumerate(fund.defaults, start=1):
        back = fund.recovered.get(number, 0)
        yield "fund.recovered", (number,), (back, record.from_fund - back)
    yield from _asset_views(s)
    yield from _guaranty_views(s)
    yield from _policy_views(s)
    for tranche in (fund.junior, fund.senior):
        yield from _tranche_views(s, tranche)


def _asset_views(s: Scene) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    world, reserve, skin = s.world, s.world.fund.reserve, s.world.fund.skin
    duration = world.stablecoins.parameters.sale_duration
    yield "reserve.value", (), reserve.value()
    for asset in range(len(world.stablecoins.assets)):
        band = reserve.whole(skin) * world.stablecoins.parameters.rebalance_band // MILLION
        yield "reserve.weighing", (asset,), (reserve.worth(asset), reserve.target(asset, skin), band)
        auction = reserve.auctions.get(asset)
        ends_at = auction.ends_at(duration) if auction else 0
        started_at = auction.started_at if auction else 0
        yield "reserve.auctionOf", (asset,), (started_at, ends_at, bool(auction and auction.buying))
    for account in ACCOUNTS:
        held = world.collateral.held[account]
        bits = sum(1 << asset for asset, units in held.items() if units)
        yield "collateral.assetsOf", (account,), bits
        yield "collateral.defaultsOf", (account,), tuple(world.collateral.noted[account])
        still = world.house.open_default(account)
        yield "collateral.openDefaultOf", (account,), still[0] if still else 0
        sale = world.collateral.sales.get(account)
        times = (sale.started_at, sale.ends_at(duration)) if sale else (0, 0)
        yield "collateral.saleOf", (account,), times


def _guaranty_views(s: Scene) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    world, guaranty = s.world, s.world.guaranty
    p = guaranty.parameters
    rules = (p.min_contribution, p.notice_period, p.exit_window, p.loss_window, p.loss_share)
    yield "guaranty.parameters", (), rules
    yield "guaranty.totalAssets", (), guaranty.total
    for number in range(len(world.house.markets)):
        yield "guaranty.lossBudget", (number,), (loss_budget(guaranty, number), s.time // p.loss_window)
    for account in ACCOUNTS:
        own, number = guaranty.balance(account), len(account) % len(world.house.markets)
        yield "guaranty.balanceOf", (account,), own
        yield "guaranty.requirementOf", (account,), (world.requirement(account), world.owed(account))
        member = guaranty.member(account)
        until = member.notice_from + p.exit_window if member and member.notice_from else 0
        yield "guaranty.member", (account,), (*membership(world, account), until)
        budget = guaranty.budgets.get(number)
        if budget is None or budget.window != s.time // p.loss_window:
            left = (guaranty.total - own) * p.loss_share // MILLION
        else:
            left = budget.budget - budget.spent
        yield "guaranty.sources", (account, number), (own, min(left, guaranty.total - own))
        for notional in (0, world.funding.parameters.member_threshold, 10**30):
            required = world.funding.requirement(account, notional)
            yield "policy.requirementAt", (account, notional), required


def _policy_views(s: Scene) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    world, policy = s.world, s.world.funding
    p, coverage = policy.parameters, world.coverage()
    yield "policy.coverage", (), UNLIMITED if coverage is None else coverage
    yield "policy.fundShare", (), world.fund_share()
    yield "policy.openInterestCap", (), max(p.cap_floor, world.fund.assets * p.cap_multiple // MILLION)
    levels = (0, p.stop_below, p.stop_below + 1, p.stress_from - 1, p.stress_from, MILLION)
    for level in (each for each in levels if each >= 0):
        stress = policy.stress(level)
        yield "policy.stressAt", (level,), stress
        yield "policy.scarcityAt", (level,), ceil_div(p.max_scarcity * stress, MILLION)
        yield (
            "policy.premiumRateAt",
            (level,),
            p.premium_min + ceil_div((p.premium_max - p.premium_min) * stress, MILLION),
        )
    for number, market in enumerate(world.house.markets):
        for notional in (0, market.notional(market.open_interest), 10**12):
            seen = policy.coverage(policy.notional_with(number, notional))
            yield "policy.coverageWith", (number, notional), UNLIMITED if seen is None else seen
    yield from _previews(s)


def _previews(s: Scene) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    """What trades of some sizes would cost, where the policy would let them pass."""
    house = s.world.house
    for at, account in enumerate(ACCOUNTS):
        number, is_maker = at % len(house.markets), at % 2 == 0
        held = house.signed_size(account, number)
        for size in (-2 * held, held or 10**15, -held // 2, -(10**18)):
            for other in (None, ACCOUNTS[at - 1]):
                intent = (account, other, number, is_maker, size, house.markets[number].price)
                if (shown := _foreseen(s.world, *intent)) is not None:
                    arguments = ((account, other or "nobody", *intent[2:]),)
                    yield "policy.previewContribution", arguments, shown


def _foreseen(
    world: World, account: str, other: str | None, number: int, is_maker: bool, size: int, price: int
) -> tuple[int, ...] | None:
    """The fields of a contribution; None where the policy would refuse the trade."""
    house, policy = world.house, world.funding
    market, before = house.markets[number], house.signed_size(account, number)
    after, theirs = before + size, house.signed_size(other, number) if other else 0
    if abs(after) <= (abs(before) if before * after > 0 else 0):
        return (0,) * 7
    growth = max(after, 0) - max(before, 0) + max(theirs - size, 0) - max(theirs, 0)
    try:
        c = world.preview_contribution(account, other, number, is_maker, size, price)
    except MembershipRequired:
        return None
    if growth > 0:
        p, notional = policy.parameters, market.notional(market.open_interest + growth)
        cap = max(p.cap_floor, world.fund.assets * p.cap_multiple // MILLION)
        if notional > cap or (c.coverage is not None and c.coverage < p.stop_below):
            return None
    coverage = UNLIMITED if c.coverage is None else c.coverage
    return c.amount, c.scarcity, c.concentration, c.leverage, c.tier_rate, coverage, c.tier


def _tranche_views(s: Scene, tranche: Tranche) -> Iterator[tuple[str, tuple[Any, ...], Any]]:
    fund, name = s.world.fund, tranche.name
    total = tranche.assets + fund.vestable()[0 if tranche is fund.junior else 1]
    supply = tranche.supply
    yield "fund.trancheState", (name,), (total, tranche.share_epoch)
    yield "fund.shareEpochOf", (name,), tranche.share_epoch
    yield f"{name}.epochDuration", (), tranche.epoch_duration
    for interface in INTERFACES:
        yield f"{name}.supportsInterface", (bytes.fromhex(interface),), interface != "ffffffff"
    for amount in (1, 10**s.setting.decimals + 7):
        yield f"{name}.convertToShares", (amount,), amount * (supply + SHARE_OFFSET) // (total + 1)
        yield f"{name}.previewDeposit", (amount,), amount * (supply + SHARE_OFFSET) // (total + 1)
        yield f"{name}.convertToAssets", (amount,), amount * (total + 1) // (supply + SHARE_OFFSET)
        yield f"{name}.previewMint", (amount,), ceil_div(amount * (total + 1), supply + SHARE_OFFSET)
    most = min(MAX_ASSETS - fund.liquid, (MAX_SUPPLY - supply) * (total + 1) // (supply + SHARE_OFFSET))
    is_open = s.world.gate_open
    yield f"{name}.maxDeposit", (STAKERS[0],), most if is_open else 0
    yield f"{name}.maxMint", (STAKERS[0],), most_shares(s.world, name) if is_open else 0
    for staker in STAKERS:
        ready = [key for key in tranche.requests if key[1] == staker and tranche.batches[key[0]].priced]
        yield f"{name}.maxRedeem", (staker,), sum(tranche.requests[key] for key in ready)
        for other in STAKERS:
            yield f"{name}.allowance", (staker, other), tranche.allowances.get((staker, other), 0)
            yield f"{name}.isOperator", (staker, other), (staker, other) in tranche.operators


def _audit_listing(world: World, read: Read, addresses: Mapping[str, str]) -> None:
    """The vault lists everyone who ever had cash, once, and its pages are pieces of that list."""
    count = read("vault.accountCount")
    everyone = read("vault.accounts", 0, count + 5)
    cash = world.ledger.cash
    known = {addresses[a].lower() for a in world.accounts() if a in addresses and cash[a]}
    listed = [address.lower() for address in everyone]
    if len(listed) != count or len(set(listed)) != count or not known <= set(listed):
        raise ViolationError(
            "view", f"vault.accounts: {count} accounts, {len(set(listed))} listed, {len(known)} known"
        )
    middle, page = count // 2, 2
    if tuple(read("vault.accounts", middle, page)) != tuple(everyone[middle : middle + page]):
        raise ViolationError("view", "vault.accounts: a page is not a piece of the list")
    if any(read("vault.accounts", *page) for page in ((count, 1), (count + 1, 5), (0, 0))):
        raise ViolationError("view", "vault.accounts: something beyond the end")
    if tuple(read("vault.accounts", 1, 2**256 - 1)) != tuple(everyone[1:]):
        raise ViolationError("view", "vault.accounts: a page without limit is not the rest")
