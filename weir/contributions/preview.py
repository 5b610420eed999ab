"""What a trade would cost beyond its fee, factor by factor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal

from weir.chain import ContractError
from weir.client import Weir
from weir.contributions.factors import FACTORS, parts_of, rates_of
from weir.contributions.reasons import Trade, refusal
from weir.parameters import from_units, to_units
from weir.states import Contribution, MarketState

WAD_DECIMALS = 18
MAX_SIZE = 2**112
"""What a market's sizes and prices fit in, 1e-18."""


class ContributionError(ValueError):
    """A trade that can't be previewed as it was asked for; the message says why."""


class ContributionRefusedError(RuntimeError):
    """The policy would refuse the trade; the message names the contract's error, and says why in words."""


@dataclass(frozen=True, slots=True)
class Factor:
    """One part of a contribution: its rate of the new notional, what that is in USD, and why."""

    name: str
    ppm: int
    amount: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class Preview:
    """What a trade would cost an account beyond its fee; `factors` add up to `amount` exactly.

    `new_risk` is the size by which the position grows, all of it where it changes side; 0 where the trade
    only reduces: then there are no factors. `coverage` is that after the trade, None where the fund need hold
    nothing.
    """

    account: str
    market: str
    block: int
    size: Decimal
    price: Decimal
    is_maker: bool
    counterparty: str | None
    new_risk: Decimal
    new_notional: Decimal
    coverage: int | None
    rate: int
    amount: Decimal
    factors: tuple[Factor, ...]


def preview(
    weir: Weir,
    account: str,
    symbol: str,
    size: Decimal,
    price: Decimal | None = None,
    *,
    is_maker: bool = False,
    counterparty: str | None = None,
) -> Preview:
    """Asks the policy, and finds in the account's state why it answers so; all at the latest block.

    `size` is signed, long positive; `price` is by default the mark of the last refresh, at which the policy
    values everything. Raises `ContributionError`, and `ContributionRefusedError` where the policy would stop
    the trade.
    """
    if counterparty == account:
        raise ContributionError("an account can't trade with itself")
    block = int(weir.chain.rpc("eth_blockNumber"), 16)
    market = _market(weir, symbol, block)
    wad_size = _wad(size, "size")
    wad_price = market.stored_price if price is None else _wad(price, "price")
    try:
        found = weir.preview_contribution(
            account,
            market.id,
            wad_size,
            wad_price,
            is_maker=is_maker,
            counterparty=counterparty,
            block=block,
        )
    except ContractError as error:
        raise ContributionRefusedError(refusal(weir, market, error)) from error
    trade = Trade(weir, account, market, wad_size, wad_price, is_maker, counterparty, block)
    adds = trade.increase != 0
    return Preview(
        account=account,
        market=symbol,
        block=block,
        size=from_units(wad_size, WAD_DECIMALS),
        price=from_units(wad_price, WAD_DECIMALS),
        is_maker=is_maker,
        counterparty=counterparty,
        new_risk=from_units(trade.increase, WAD_DECIMALS),
        new_notional=from_units(trade.increase * market.stored_price, 2 * WAD_DECIMALS),
        coverage=found.coverage if adds else None,
        rate=found.rate,
        amount=weir.usd(found.amount),
        factors=_factors(weir, found, trade.reasons(found)) if adds else (),
    )


def _market(weir: Weir, symbol: str, block: int) -> MarketState:
    # Not by the deployment's file: governance may have added markets since.
    markets = weir.markets(block=block)
    for market in markets:
        if market.symbol == symbol:
            if market.status != "open":
                raise ContributionError(f"the market {symbol} is {market.status}")
            return market
    known = ", ".join(market.symbol for market in markets)
    raise ContributionError(f"no market {symbol!r}; the markets are {known}")


def _wad(value: Decimal, name: str) -> int:
    units = to_units(value, WAD_DECIMALS)
    if units == 0 or from_units(units, WAD_DECIMALS) != value:
        raise ContributionError(f"{name} must be a multiple of 1e-18 other than 0 (got {value})")
    if abs(units) >= MAX_SIZE:
        raise ContributionError(f"{name} must be below 2^112 of 1e-18 (got {value})")
    return units


def _factors(weir: Weir, found: Contribution, reasons: Mapping[str, str]) -> tuple[Factor, ...]:
    rates = rates_of(found)
    amounts = parts_of(found.amount, rates)
    return tuple(
        Factor(name, ppm, weir.usd(amount), reasons[name])
        for name, ppm, amount in zip(FACTORS, rates, amounts, strict=True)
    )
