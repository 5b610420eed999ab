"""What the chain's own views must answer, if a state is right."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from weir.index.rebuild import views
from weir.index.rebuild.state import Account, Market, Side, State, TrancheName

__all__ = ["Expectation", "expected"]

Word = int | None
"""A word of an answer; None: not told by events."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """A view of a contract (by its name in a deployment), and the words of its answer."""

    contract: str
    function: str
    arguments: tuple[Any, ...]
    words: tuple[Word, ...]

    def __str__(self) -> str:
        return f"{self.contract}.{self.function}({', '.join(map(str, self.arguments))})"


def expected(state: State, time: int) -> Iterator[Expectation]:
    """Everything, at a time."""
    yield from _vault(state)
    yield from _house(state)
    yield from _fund(state, time)
    yield from _policy(state, time)
    yield from _guaranty(state, time)
    yield from _assets(state)
    yield from _tranche(state, "JuniorTranche", "junior", time)
    yield from _tranche(state, "SeniorTranche", "senior", time)
    for number, market in state.markets.items():
        yield from _market(state, number, market, time)
    for address, account in state.accounts.items():
        yield from _account(state, address, account, time)
    for number, default in enumerate(state.fund.defaults, start=1):
        record = _struct(default.record)
        yield Expectation("InsuranceFund", "defaultRecord", (number,), (*record, default.remainder))
        left = default.recoverable - default.recovered
        yield Expectation("InsuranceFund", "recovered", (number,), (default.recovered, left))


def _vault(state: State) -> Iterator[Expectation]:
    known = sum(account.known for account in state.accounts.values())
    yield Expectation("Vault", "uncollected", (), (state.fees, state.levies))
    yield Expectation("Vault", "accountCount", (), (known,))


def _house(state: State) -> Iterator[Expectation]:
    added = sum(market.status != 0 for market in state.markets.values())
    yield Expectation("ClearingHouse", "marketCount", (), (added,))
    yield Expectation("ClearingHouse", "insolvencies", (), (state.insolvencies,))
    yield Expectation("ClearingHouse", "pausedUntil", (), (state.paused_until,))
    yield Expectation("ClearingHouse", "liquidationParameters", (), _struct(state.liquidation))
    yield Expectation("ClearingHouse", "openInterestNotional", (), (views.open_interest(state),))


def _fund(state: State, time: int) -> Iterator[Expectation]:
    fund, now = state.fund, views.layers(state, time)
    reserve = None if views.reserve_held(state) else 0
    owed = fund.advanced_junior + fund.advanced_senior
    layers = (now.skin, now.unvested, now.junior, now.senior, reserve)
    stream = (fund.unvested, fund.since, fund.since + fund.remaining)
    name = "InsuranceFund"
    yield Expectation(name, "layers", (), (*layers, fund.advanced_junior, fund.advanced_senior))
    yield Expectation(name, "skin", (), (fund.skin, owed))
    yield Expectation(name, "stream", (), stream)
    yield Expectation(name, "totalAssets", (), (fund.total if reserve == 0 else None,))
    yield Expectation(name, "gateOpen", (), (int(views.gate_open(state)),))
    yield Expectation(name, "defaultCount", (), (len(fund.defaults),))
    yield Expectation(name, "parameters", (), _struct(fund.parameters))


def _policy(state: State, time: int) -> Iterator[Expectation]:
    policy = state.policy
    fresh = views.is_fresh(policy.posted_at, policy.parameters["targetLifetime"], time)
    posted = (policy.posted, policy.posted_at, int(fresh))
    yield Expectation("FundingPolicy", "parameters", (), _struct(policy.parameters))
    yield Expectation("FundingPolicy", "postedTarget", (), posted)
    yield Expectation("FundingPolicy", "target", (), (views.target(state, time),))


def _guaranty(state: State, _time: int) -> Iterator[Expectation]:
    book = state.guaranty
    yield Expectation("GuarantyFund", "book", (), (book.total, book.units, book.epoch))
    yield Expectation("GuarantyFund", "parameters", (), _struct(book.parameters))


def _market(state: State, number: int, market: Market, time: int) -> Iterator[Expectation]:
    house, at = "ClearingHouse", (number,)
    ledger = (market.pool, market.claims, market.claims_epoch, market.claim_units, market.residual)
    yield Expectation("Vault", "marketLedger", at, (*ledger, market.maturity))
    figures = (market.status, market.price, market.open_interest, market.value_index, market.premium)
    updated = (market.last_premium, market.updated_at, market.updated_block)
    sides = (*_side(market.long), *_side(market.short))
    if market.status:
        yield Expectation(house, "marketState", at, (*figures, *updated, *sides))
        yield Expectation(house, "marketParameters", at, _struct(market.parameters))
        symbol = int.from_bytes(market.symbol.encode().ljust(32, b"\0"), "big")
        yield Expectation(house, "symbolOf", at, (symbol,))
    for is_short in (False, True):
        for epoch, index in market.side(is_short).finals.items():
            yield Expectation(house, "finalIndex", (number, is_short, epoch), (index,))
    cover = (market.budget_share, market.coinsurance, *views.budget(state, market, time))
    yield Expectation("InsuranceFund", "marketCover", at, cover)
    total = sum(each.observed for each in state.markets.values())
    yield Expectation("FundingPolicy", "observed", at, (market.observed, total))
    yield Expectation("GuarantyFund", "lossBudget", at, views.loss_budget(state, market, time))


def _side(side: Side) -> tuple[int, ...]:
    return side.multiplier, side.epoch, side.positions, side.base


def _account(state: State, address: str, account: Account, time: int) -> Iterator[Expectation]:
    of, house = (address,), "ClearingHouse"
    yield Expectation("Vault", "cashOf", of, (account.cash,))
    yield Expectation("Vault", "ledgerMarkets", of, (None, _bits(account.debts)))
    for number, market in state.markets.items():
        value = views.claim_value(market, account, number)
        yield Expectation("Vault", "claimOf", (address, number), value)
    for number, debt in account.debts.items():
        yield Expectation("Vault", "debtOf", (address, number), (debt,))
    yield Expectation(house, "flagOf", of, (account.flagged_at, int(account.insolvent)))
    yield Expectation(house, "generation", of, (account.generation,))
    yield Expectation(house, "positionMarkets", of, (_bits(account.positions),))
    for number, p in account.positions.items():
        record = (p.size, p.multiplier, p.epoch, int(p.is_short), p.index)
        yield Expectation(house, "position", (address, number), record)
    yield Expectation("FundingPolicy", "tierOf", of, views.tier(state, account, time))
    yield Expectation("GuarantyFund", "member", of, _member(state, account))
    yield Expectation("Collateral", "assetsOf", of, (_bits(account.held),))
    for asset, held in account.held.items():
        yield Expectation("Collateral", "heldOf", (address, asset), (held,))
    yield Expectation("Collateral", "saleOf", of, (account.sale_at, _ends(state, account.sale_at)))
    yield Expectation("Collateral", "openDefaultOf", of, (views.open_default(state, account),))


def _member(state: State, account: Account) -> tuple[int, ...]:
    member = account.member
    if member.epoch != state.guaranty.epoch:
        return 0, 0, 0, 0
    closes = member.opens_at + state.guaranty.parameters["exitWindow"] if member.opens_at else 0
    noticed = views.member_balance(state, account, member.noticed)
    return views.member_balance(state, account), noticed, member.opens_at, closes


def _assets(state: State) -> Iterator[Expectation]:
    yield Expectation("Stablecoins", "conversionParameters", (), _struct(state.conversion))
    yield Expectation("Stablecoins", "assetCount", (), (len(state.assets),))
    for number, asset in state.assets.items():
        of_token = (int(asset.token, 16), None, None, None, None)
        listing = (*of_token, *_struct(asset.parameters), asset.since, asset.rate)
        auction = (asset.auction_at, _ends(state, asset.auction_at), int(asset.buying))
        yield Expectation("Stablecoins", "asset", (number,), listing)
        yield Expectation("Collateral", "totalOf", (number,), (asset.pledged,))
        yield Expectation("Reserve", "amountOf", (number,), (asset.reserve,))
        yield Expectation("Reserve", "auctionOf", (number,), auction)
    for number, feed in state.feeds.items():
        words = (int(feed["feed"], 16), feed["heartbeat"], None, feed["minPrice"], feed["maxPrice"])
        yield Expectation("PriceOracle", "feedOf", (number,), words)
    sequencer = _struct(state.sequencer) if state.sequencer else (0, 0)
    yield Expectation("PriceOracle", "sequencerFeed", (), sequencer)


def _ends(state: State, started_at: int) -> int:
    """The first moment at which an auction no longer runs."""
    return started_at + 2 * int(state.conversion["saleDuration"]) if started_at else 0


def _tranche(state: State, contract: str, name: TrancheName, time: int) -> Iterator[Expectation]:
    tranche = state.tranche(name)
    held = (views.tranche_assets(state, name, time), tranche.share_epoch)
    address = state.junior_address if name == "junior" else state.senior_address
    yield Expectation("InsuranceFund", "trancheState", (address,), held)
    yield Expectation(contract, "totalSupply", (), (tranche.supply,))
    yield Expectation(contract, "currentBatch", (), (tranche.batch,))
    yield Expectation(contract, "lastRollAt", (), (tranche.last_roll_at,))
    yield Expectation(contract, "epochDuration", (), (tranche.epoch_duration,))
    for holder, balance in tranche.balances.items():
        yield Expectation(contract, "balanceOf", (holder,), (balance,))
    for number, batch in tranche.batches.items():
        counts = batch.priced or batch.share_epoch == tranche.share_epoch
        words = (batch.shares if counts else 0, batch.assets, int(batch.priced))
        yield Expectation(contract, "batch", (number,), words)
    for controller, requests in tranche.requests.items():
        shares, assets = views.claimable(state, name, controller)
        yield Expectation(contract, "maxRedeem", (controller,), (shares,))
        yield Expectation(contract, "maxWithdraw", (controller,), (assets,))
        for request in requests:
            batch = tranche.batches[request.batch]
            pending = 0 if batch.priced or request.share_epoch != tranche.share_epoch else request.shares
            of = (request.batch, controller)
            yield Expectation(contract, "pendingRedeemRequest", of, (pending,))


def _bits(numbers: Iterable[int]) -> int:
    return sum(1 << number for number in numbers)


def _struct(values: Mapping[str, Any]) -> tuple[int, ...]:
    """Its fields as words, in order."""
    words: list[int] = []
    for value in values.values():
        if isinstance(value, list | tuple):
            words += value
        else:
            words.append(int(value, 16) if isinstance(value, str) else int(value))
    return tuple(words)
