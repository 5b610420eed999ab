"""What new risk costs beyond its fee and why, and what accounts have paid for it so far.

Rates, shares and leverage are ppm; money and prices are in USD, sizes in units of the underlying, both exact
(strings in JSON).
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from weir.chain import ContractError
from weir.client import NOBODY, Weir
from weir.formatting import address, number, percent, usd
from weir.parameters import from_units, to_units
from weir.premiums import premiums_charged
from weir.states import AccountState, Charge, Contribution, MarketState

__all__ = [
    "FACTORS",
    "ContributionError",
    "ContributionRefusedError",
    "Factor",
    "Payer",
    "Preview",
    "paid",
    "paid_json",
    "preview",
    "preview_json",
    "render_paid",
    "render_preview",
]

MILLION = 1_000_000
WAD_DECIMALS = 18
MAX_SIZE = 2**112
"""What a market's sizes and prices fit in, 1e-18."""
ROWS = 20
"""Accounts that a table shows; the JSON has all."""

FACTORS = ("scarcity", "concentration", "leverage", "tier")
"""The parts of a contribution, in the contract's order."""


class ContributionError(ValueError):
    """A trade that can't be previewed as it was asked for; the message says why."""


class ContributionRefusedError(RuntimeError):
    """The policy would refuse the trade; the message names the contract's error, and says why in words."""


# --------------------------------------------------------------------- preview


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
        raise ContributionRefusedError(_refusal(weir, market, error)) from error
    trade = _Trade(weir, account, market, wad_size, wad_price, is_maker, counterparty, block)
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


def _refusal(weir: Weir, market: MarketState, error: ContractError) -> str:
    given = error.arguments
    if error.name == "NewRiskStopped":
        after, least = (_percent(given[name]) for name in ("coverage", "stopBelow"))
        why = f"the trade would leave coverage at {after}, and below {least} open interest may not grow"
    elif error.name == "OpenInterestAboveFundCap":
        notional, cap = (usd(weir.usd(given[name])) for name in ("notional", "cap"))
        why = f"{market.symbol} would have {notional} of open interest, and the fund allows {cap}"
    elif error.name == "MembershipRequired":
        balance, least = (usd(weir.usd(given[name])) for name in ("balance", "requirement"))
        why = f"the account has {balance} in the guaranty fund, and would need {least}"
    else:
        return str(error)
    return f"{error.name}: {why}"


def _factors(weir: Weir, found: Contribution, reasons: Mapping[str, str]) -> tuple[Factor, ...]:
    rates = _rates(found)
    amounts = _parts(found.amount, rates)
    return tuple(
        Factor(name, ppm, weir.usd(amount), reasons[name])
        for name, ppm, amount in zip(FACTORS, rates, amounts, strict=True)
    )


def _rates(charged: Contribution | Charge) -> tuple[int, int, int, int]:
    return charged.scarcity, charged.concentration, charged.leverage, charged.tier_rate


def _parts(amount: int, rates: Sequence[int]) -> list[int]:
    """The amount by factor: whole units that add up to it, each within one of its share."""
    total, parts, below = sum(rates), [], 0
    for i in range(len(rates)):
        upto = amount * sum(rates[: i + 1]) // total if total else 0
        parts.append(upto - below)
        below = upto
    return parts


class _Trade:
    """What the policy looks at: the account and the market as the trade would leave them."""

    def __init__(
        self,
        weir: Weir,
        account: str,
        market: MarketState,
        size: int,
        price: int,
        is_maker: bool,
        counterparty: str | None,
        block: int,
    ) -> None:
        house, policy = weir.clearing_house.functions, weir.policy.functions
        health, own, others, self._parameters, tier = weir.chain.call_many(
            [
                house.health(account),
                house.position(account, market.id),
                house.position(counterparty or NOBODY, market.id),
                policy.parameters(),
                policy.tierOf(account),
            ],
            block=block,
        )
        self._weir, self._market, self._block = weir, market, block
        self._mark = market.stored_price
        self._scale: int = 10 ** (36 - weir.deployment.decimals)
        self._posted = tier[1] != 0
        before, other = self._size(own), self._size(others)
        after = before + size
        held = abs(before) if before * after > 0 else 0
        self.increase = max(abs(after) - held, 0)
        self._after = abs(after)
        longs = max(after, 0) - max(before, 0) + max(other - size, 0) - max(other, 0)
        self._open_interest = self._notional(market.open_interest + longs)
        self._equity = health[0] - self._cost(size, price, is_maker)
        self._exposure = health[3] - self._notional(abs(before)) + self._notional(abs(after))

    def reasons(self, found: Contribution) -> dict[str, str]:
        """By factor, in words."""
        return {
            "scarcity": self._scarcity(found),
            "concentration": self._concentration(),
            "leverage": self._leverage(),
            "tier": f"tier {found.tier}" + ("" if self._posted else ", as none is posted for the account"),
        }

    def _scarcity(self, found: Contribution) -> str:
        if found.coverage is None:
            return "the fund need hold nothing"
        call = self._weir.policy.functions.stressAt(found.coverage)
        stress: int = self._weir.chain.call(call, block=self._block)
        words = f"stress {_percent(stress)}" if stress else "no stress"
        return f"coverage after the trade {_percent(found.coverage)} ({words})"

    def _concentration(self) -> str:
        floor: int = self._parameters["concentrationFloor"]
        base = max(self._open_interest, floor)
        own = _ceil(self._after * self._mark, self._scale)
        share = MILLION if own >= base else _ceil(own * MILLION, base)
        whole = "the market's open interest"
        if floor > self._open_interest:
            whole = f"{usd(self._weir.usd(floor), 0)}, which stand for {whole} while it is less"
        return f"{_percent(share)} of {whole}{_free(share, self._parameters['concentrationFrom'], _percent)}"

    def _leverage(self) -> str:
        if self._equity <= 0:
            return "no equity left"
        leverage = _ceil(self._exposure * MILLION, self._equity)
        return f"leverage {_times(leverage)}{_free(leverage, self._parameters['leverageFrom'], _times)}"

    def _size(self, position: Mapping[str, Any]) -> int:
        """Signed, as the market's side has scaled it since."""
        side = self._market.short if position["isShort"] else self._market.long
        if not position["size"] or position["epoch"] != side.epoch:
            return 0
        size: int = position["size"] * side.multiplier // position["multiplier"]
        return -size if position["isShort"] else size

    def _notional(self, size: int) -> int:
        units: int = size * self._mark // self._scale
        return units

    def _cost(self, size: int, price: int, is_maker: bool) -> int:
        """The fee, and the difference to the mark."""
        fee = self._market.maker_fee if is_maker else self._market.taker_fee
        difference = abs(size) * abs(price - self._mark) // self._scale
        pays = (size > 0) == (price > self._mark)
        paid_as_fee = _ceil(abs(size) * price * fee, self._scale * MILLION)
        return paid_as_fee + (difference if pays else -difference)


def _ceil(numerator: int, divisor: int) -> int:
    return -(-numerator // divisor)


def _percent(ppm: int) -> str:
    """Exact, but for no more than two decimals."""
    return _short(Decimal(ppm) / 10_000) + "%"


def _times(ppm: int) -> str:
    return _short(Decimal(ppm) / MILLION) + "x"


def _short(value: Decimal) -> str:
    text = f"{value:,.2f}"
    return text.rstrip("0").rstrip(".")


def _free(value: int, limit: int, show: Callable[[int], str]) -> str:
    return f" (free up to {show(limit)})" if value <= limit else ""


# ------------------------------------------------------------------------ paid


@dataclass(frozen=True, slots=True)
class Payer:
    """What an account has paid to the fund so far, by factor and in total, and what its positions pay it now.

    `guaranty` is what was contributed to the guaranty fund for it: not a charge, so no part of `total`.
    `premium_charged` is the premium on open interest so far, settled or not; `premium` is what it is a year
    on `notional`, at `premium_rate`, the policy's rate now: ppm, None without positions; the mean where
    markets differ, which are observed at different hours. All in USD.
    """

    account: str
    charges: int
    factors: Mapping[str, Decimal]
    total: Decimal
    guaranty: Decimal
    premium_charged: Decimal
    notional: Decimal
    premium: Decimal
    premium_rate: Decimal | None


def paid(weir: Weir, account: str | None = None) -> tuple[Payer, ...]:
    """This account, or all that have paid, contributed or have positions, those that paid most first."""
    block = int(weir.chain.rpc("eth_blockNumber"), 16)
    charges: dict[str, list[Charge]] = {}
    for charge in weir.contributions(account, last=block):
        charges.setdefault(charge.account, []).append(charge)
    rates = {market.id: market.premium_rate for market in weir.markets(block=block)}
    premiums = premiums_charged(weir, block)
    joined: Counter[str] = Counter()
    for event in weir.chain.logs([weir.guaranty.address], weir.deployment.block, block, ["Joined"]):
        joined[event["account"]] += event["amount"]
    payers = (
        _payer(
            weir,
            state,
            charges.get(state.address, []),
            joined[state.address],
            premiums.get(state.address, 0),
            rates,
        )
        for state in _states(weir, account, {*charges, *premiums, *joined}, block)
    )
    return tuple(sorted(payers, key=lambda payer: (-payer.total, -payer.premium, payer.account)))


def _states(weir: Weir, account: str | None, payers: Set[str], block: int) -> tuple[AccountState, ...]:
    """This account's state, or those of all payers and of all others that have positions."""
    if account is not None:
        return weir.accounts([account], block=block)
    known = weir.accounts(block=block)
    # Who is a member need not have an account in the vault.
    others = sorted(payers - {state.address for state in known})
    found = tuple(state for state in known if state.notional or state.address in payers)
    return (*found, *weir.accounts(others, block=block))


def _payer(
    weir: Weir,
    state: AccountState,
    charges: Iterable[Charge],
    joined: int,
    premium: int,
    rates: Mapping[int, int],
) -> Payer:
    sums, count = [0] * len(FACTORS), 0
    for count, charge in enumerate(charges, start=1):  # noqa: B007 (the last one is their number)
        parts = _parts(charge.amount, _rates(charge))
        sums = [a + b for a, b in zip(sums, parts, strict=True)]
    held = [(position.notional, rates[position.market]) for position in state.positions if position.live]
    notional = sum(amount for amount, _ in held)
    yearly = sum(amount * rate for amount, rate in held)
    return Payer(
        account=state.address,
        charges=count,
        factors={name: weir.usd(units) for name, units in zip(FACTORS, sums, strict=True)},
        total=weir.usd(sum(sums)),
        guaranty=weir.usd(joined),
        premium_charged=weir.usd(premium),
        notional=weir.usd(notional),
        premium=from_units(yearly, weir.deployment.decimals + 6),
        premium_rate=Decimal(yearly) / notional if notional else None,
    )


# ---------------------------------------------------------------------- output


def preview_json(found: Preview) -> str:
    """Rates, coverage in ppm; the rest as decimals in strings."""
    factors = [{"name": f.name, "ppm": f.ppm, "amount": f.amount, "reason": f.reason} for f in found.factors]
    return _json(
        {
            "account": found.account,
            "market": found.market,
            "block": found.block,
            "size": found.size,
            "price": found.price,
            "maker": found.is_maker,
            "against": found.counterparty,
            "new_risk": found.new_risk,
            "new_notional": found.new_notional,
            "coverage_ppm": found.coverage,
            "rate_ppm": found.rate,
            "amount": found.amount,
            "factors": factors,
        }
    )


def render_preview(found: Preview) -> RenderableType:
    """The factors as a table, ready for `rich.console.Console.print`."""
    side = "long" if found.size > 0 else "short"
    trade = (
        f"{abs(found.size).normalize():,f} {found.market} {side} at {usd(found.price)}, "
        f"as {'maker' if found.is_maker else 'taker'}"
    )
    if not found.factors:
        return Text(f"{trade}: nothing beyond the fee, for the trade adds no risk to the account.")
    table = _table(trade, "Factor", "ppm", "USD", "Why")
    for factor in found.factors:
        table.add_row(factor.name, number(factor.ppm), usd(factor.amount), factor.reason)
    table.add_section()
    risk = f"of {usd(found.new_notional)}, the new risk at the mark"
    table.add_row("contribution", number(found.rate), usd(found.amount), risk, style="bold")
    return table


def paid_json(payers: Sequence[Payer]) -> str:
    """Every payer; decimals in strings, the premium's rate in ppm."""
    return _json(
        [
            {
                "account": payer.account,
                "charges": payer.charges,
                **payer.factors,
                "total": payer.total,
                "guaranty": payer.guaranty,
                "premium_charged": payer.premium_charged,
                "notional": payer.notional,
                "premium_a_year": payer.premium,
                "premium_rate_ppm": payer.premium_rate,
            }
            for payer in payers
        ]
    )


def render_paid(payers: Sequence[Payer]) -> RenderableType:
    """The payers as a table, ready for `rich.console.Console.print`."""
    if not payers:
        return Text("Contributions: none, and no open position")
    title = "Contributions and premium paid, and the premium that positions pay now"
    factors = (name.capitalize() for name in FACTORS)
    columns = ("Charges", *factors, "Total", "Guaranty", "Premium", "Notional", "Premium a year")
    table = _table(title, "Account", *columns)
    for payer in payers[:ROWS]:
        rate = "" if payer.premium_rate is None else f" ({percent(payer.premium_rate / MILLION, 2)})"
        table.add_row(
            address(payer.account),
            number(payer.charges),
            *(usd(payer.factors[name]) for name in FACTORS),
            usd(payer.total),
            usd(payer.guaranty),
            usd(payer.premium_charged),
            usd(payer.notional),
            usd(payer.premium) + rate,
        )
    if len(payers) == 1:
        return table
    table.add_section()
    table.add_row(
        "all",
        number(sum(payer.charges for payer in payers)),
        *(usd(_sum(payer.factors[name] for payer in payers)) for name in FACTORS),
        usd(_sum(payer.total for payer in payers)),
        usd(_sum(payer.guaranty for payer in payers)),
        usd(_sum(payer.premium_charged for payer in payers)),
        usd(_sum(payer.notional for payer in payers)),
        usd(_sum(payer.premium for payer in payers)),
        style="bold",
    )
    more = len(payers) - ROWS
    return Group(table, Text(f"and {number(more)} accounts that paid less")) if more > 0 else table


def _sum(amounts: Iterable[Decimal]) -> Decimal:
    return sum(amounts, Decimal(0))


def _json(value: object) -> str:
    return json.dumps(value, indent=2, default=lambda item: format(item, "f"))


def _table(title: str, first: str, *others: str) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=box.SIMPLE_HEAD)
    table.add_column(first, overflow="fold")
    for name in others:
        table.add_column(name, justify="left" if name == "Why" else "right", overflow="fold")
    return table
