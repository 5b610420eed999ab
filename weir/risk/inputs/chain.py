"""The book as a chain has it at a block, read through the Lens."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from weir.accounts import development_account, is_local_chain
from weir.chain import ContractError
from weir.client import Weir
from weir.parameters import from_units
from weir.posting import LARGEST_TARGET, POSTER_ACCOUNT
from weir.risk.errors import RiskError
from weir.risk.inputs.book import Account, Book, Fund, Market, Source, Stablecoin
from weir.stablecoins import AssetState, worth
from weir.states import AccountState, FundState, MarketState

__all__ = ["read_book"]

MILLION, DAY = 10**6, 86_400
PRICE_DECIMALS = SIZE_DECIMALS = 18


def read_book(weir: Weir, *, block: int | None = None) -> Book:
    """Every account with money or a position, every market, stablecoin and layer, at one block.

    `block`: the latest where it is None. Raises `RiskError` where a market with positions has no price then.
    """
    try:
        header = weir.chain.block("latest" if block is None else block)
    except LookupError:
        raise RiskError(f"block: one that the chain has (got {block})") from None
    if block is not None and block <= weir.deployment.block:
        raise RiskError(f"block: one after the deployment, {weir.deployment.block} (got {block})")
    number, time = int(header["number"], 16), int(header["timestamp"], 16)
    markets = weir.markets(block=number)
    assets = weir.assets.states(block=number) if weir.assets else ()
    accounts = weir.accounts(block=number)
    fund = weir.fund_state(block=number)
    symbols = [*(market.symbol for market in markets), *(asset.symbol for asset in assets)]
    if twice := sorted({symbol for symbol in symbols if symbols.count(symbol) > 1}):
        raise RiskError(f"markets, stablecoins: {', '.join(twice)}: a symbol that stands twice on this chain")
    low, high = _target_bounds(weir, number)
    return Book(
        markets={market.symbol: _market(market) for market in _priced(markets)},
        stablecoins={asset.symbol: Stablecoin(reserve=_usd(weir, asset.reserve_value)) for asset in assets},
        accounts=tuple(_accounts(weir, markets, assets, accounts, number, time)),
        fund=_fund(weir, fund),
        source=Source(
            chain=weir.chain.id,
            block=number,
            time=time,
            vault=weir.vault.address,
            target_low=low,
            target_high=high,
        ),
    )


def _usd(weir: Weir, units: int) -> float:
    return float(weir.usd(units))


def _priced(markets: Iterable[MarketState]) -> list[MarketState]:
    """Those with a price that are open or have open interest; of others there is nothing to say."""
    found = [
        market for market in markets if market.price and (market.open_interest or market.status == "open")
    ]
    if missing := [each.symbol for each in markets if each.open_interest and not each.price]:
        raise RiskError(f"markets: {', '.join(missing)}: no price at this block")
    return found


def _market(state: MarketState) -> Market:
    return Market(
        price=float(from_units(state.price, PRICE_DECIMALS)),
        initial_margin=state.initial_margin_ratio / MILLION,
        maintenance_margin=state.maintenance_margin_ratio / MILLION,
    )


def _fund(weir: Weir, state: FundState) -> Fund:
    # What tranches have advanced to skin is theirs, as a part of what skin's reserve counts for.
    advanced = state.advanced_junior + state.advanced_senior
    return Fund(
        skin=_usd(weir, max(state.skin + state.unvested + state.reserve - advanced, 0)),
        junior=_usd(weir, state.junior + state.advanced_junior),
        senior=_usd(weir, state.senior + state.advanced_senior),
        guaranty=_usd(weir, state.guaranty.total),
    )


def _accounts(
    weir: Weir,
    markets: Iterable[MarketState],
    assets: tuple[AssetState, ...],
    accounts: tuple[AccountState, ...],
    block: int,
    time: int,
) -> Iterable[Account]:
    symbols = {market.id: market.symbol for market in markets}
    balances = {member.address: member.balance for member in weir.members(block=block)}
    pledges = {each.address: each for each in weir.assets.pledges(block=block)} if assets else {}
    tiers = _tiers(weir, accounts, block, time)
    for state in accounts:
        positions = {
            symbols[position.market]: float(from_units(position.size, SIZE_DECIMALS))
            for position in state.positions
            if position.size
        }
        guaranty = balances.pop(state.address, 0)
        if not (positions or guaranty or state.equity):
            continue
        if positions and not state.priced:
            raise RiskError(f"accounts: {state.address} has a position without a price at this block")
        pledge = pledges.get(state.address)
        tier, fixed = tiers[state.address]
        yield Account(
            account=state.address,
            equity=_usd(weir, state.equity),
            guaranty=_usd(weir, guaranty),
            positions=positions,
            collateral=_collateral(weir, assets, pledge.held) if pledge else {},
            tier=tier,
            tier_fixed=fixed,
        )
    for address, balance in balances.items():
        if balance:
            yield Account(account=address, equity=0.0, guaranty=_usd(weir, balance))


def _collateral(weir: Weir, assets: tuple[AssetState, ...], held: tuple[int, ...]) -> dict[str, float]:
    """What each asset counts for, after its haircut; `held` is by asset id."""
    decimals = weir.deployment.decimals
    counted = {
        asset.symbol: _usd(weir, worth(asset, held[asset.id], decimals)) * (1 - asset.haircut / MILLION)
        for asset in assets
        if asset.id < len(held)
    }
    return {symbol: amount for symbol, amount in counted.items() if amount}


# ------------------------------------------------------------- what may be posted


def _poster(weir: Weir) -> str | None:
    named: str | None = weir.deployment.parameters.governance.poster
    local = is_local_chain(weir.chain.id)
    return named or (development_account(POSTER_ACCOUNT).address if local else None)


def _target_bounds(weir: Weir, block: int) -> tuple[float | None, float | None]:
    """The contract says what it would take where it is asked for what it never takes."""
    if (poster := _poster(weir)) is None:
        return None, None
    evidence = (bytes(32), bytes(32), block)
    call = weir.policy.functions.postTarget(LARGEST_TARGET, evidence)
    (answer,) = weir.chain.try_many([(poster, call)], block=block)
    if not isinstance(answer, ContractError) or answer.name != "TargetStepTooLarge":
        return None, None
    return _usd(weir, answer.arguments["min"]), _usd(weir, answer.arguments["max"])


def _tiers(
    weir: Weir, accounts: tuple[AccountState, ...], block: int, time: int
) -> Mapping[str, tuple[int | None, bool]]:
    """By account: the tier that stands (None: none was posted), and whether it may not move yet."""
    read = weir.policy.functions
    found = weir.chain.call_many([read.tierOf(each.address) for each in accounts], block=block)
    stands = {each.address: (int(tier), int(at)) for each, (tier, at) in zip(accounts, found, strict=True)}
    recent = [address for address, (_, at) in stands.items() if at and at > time - DAY]
    fixed: set[str] = set()
    if (poster := _poster(weir)) is not None:
        evidence = (bytes(32), bytes(32), block)
        # One up, or down from the worst: refused as too soon where it moved within a day.
        tried = [
            (poster, read.postTiers([each], [tier + 1 if tier < 4 else tier - 1], evidence))
            for each in recent
            for tier in (stands[each][0],)
        ]
        answers = weir.chain.try_many(tried, block=block)
        fixed = {
            address
            for address, answer in zip(recent, answers, strict=True)
            if isinstance(answer, ContractError) and answer.name == "TierTooSoon"
        }
    return {address: (tier if at else None, address in fixed) for address, (tier, at) in stands.items()}
