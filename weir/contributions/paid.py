"""What accounts have paid for new risk so far, and what their positions pay now."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass
from decimal import Decimal

from weir.client import Weir
from weir.contributions.factors import FACTORS, parts_of, rates_of
from weir.parameters import from_units
from weir.premiums import premiums_charged
from weir.states import AccountState, Charge


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
        parts = parts_of(charge.amount, rates_of(charge))
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
