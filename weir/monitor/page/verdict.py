"""Whether the fund is enough and what is wrong, in words: what the first screen answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from weir.formatting import number, percent, usd, utc
from weir.monitor.watch import Reading
from weir.parameters import from_units
from weir.states import MarketState
from weir.units import MILLION

__all__ = ["PAR", "Trouble", "coverage_level", "troubles", "unpriced"]

PAR = 99 * 10**16
"""1e-18 of a dollar below which a stablecoin counts as off its par."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that a person should know; `level` is bad or warn."""

    level: str
    text: str


def coverage_level(reading: Reading) -> str:
    """good, warn or bad: at the target, below it, or below where the policy sees stress."""
    coverage = reading.fund.coverage
    if coverage is None or coverage >= MILLION:
        return "good"
    return "warn" if coverage >= reading.seen.policy.stress_from else "bad"


def unpriced(reading: Reading) -> str | None:
    """Who can't be judged because markets have no price, in words; None where everybody can."""
    if not (count := sum(not account.priced for account in reading.accounts)):
        return None
    without = [market.symbol for market in reading.markets if _lacks_price(market)]
    accounts = "account" if count == 1 else "accounts"
    return (
        f"{number(count)} {accounts} can't be priced: "
        f"{', '.join(without)} {'has' if len(without) == 1 else 'have'} no price"
    )


def _lacks_price(market: MarketState) -> bool:
    return market.status == "open" and market.feed_status != "ok"


def troubles(reading: Reading) -> tuple[Trouble, ...]:
    """What is wrong at this reading, the worst first."""
    found = [*_identities(reading), *_fund(reading), *_feeds(reading), *_accounts(reading)]
    return tuple(sorted(found, key=lambda trouble: trouble.level != "bad"))


def _identities(reading: Reading) -> Iterator[Trouble]:
    for line in reading.status["identities"]:
        if not line["holds"]:
            yield Trouble(
                "bad", f"Identity {line['id']} is broken by {number(line['difference'], 6)} {line['unit']}"
            )


def _fund(reading: Reading) -> Iterator[Trouble]:
    fund, policy = reading.fund, reading.seen.policy
    status: dict[str, Any] = reading.status["fund"]
    if fund.coverage is not None and fund.coverage < policy.stop_below:
        least = percent(policy.stop_below / MILLION, 0)
        yield Trouble("bad", f"New risk is stopped: the fund covers less than {least} of its target")
    elif fund.coverage is not None and fund.coverage < policy.stress_from:
        premium = percent(status["premium_rate"])
        yield Trouble("warn", f"The fund is under stress: open interest pays {premium} a year")
    if fund.insolvencies:
        what = "account is" if fund.insolvencies == 1 else "accounts are"
        yield Trouble("bad", f"{number(fund.insolvencies)} {what} insolvent and not closed out yet")
    if not fund.gate_open:
        since = f" since {utc(reading.closure.gate)} UTC" if reading.closure else ""
        yield Trouble("bad", f"The tranche gate is closed{since}: nobody can redeem")
    for name in ("junior", "senior"):
        if not status[name]:
            yield Trouble("warn", f"The {name} tranche stands at zero: it can bear no loss")
    if advanced := status["advanced_junior"] + status["advanced_senior"]:
        yield Trouble("warn", f"The tranches have advanced {usd(advanced, 0)} that the reserve owes")
    if fund.posted_at and not fund.fresh:
        yield Trouble("warn", "The posted target has expired: the target is the formula's")


def _feeds(reading: Reading) -> Iterator[Trouble]:
    for market in reading.markets:
        if _lacks_price(market):
            yield Trouble("bad", f"{market.symbol}: the price feed is {market.feed_status}")
    for asset in reading.seen.assets:
        if asset.status != "ok":
            yield Trouble("bad", f"{asset.symbol}: the price feed is {asset.status}")
        elif asset.par < PAR:
            yield Trouble("warn", f"{asset.symbol} is off its par: {usd(from_units(asset.par, 18), 4)}")


def _accounts(reading: Reading) -> Iterator[Trouble]:
    below = [
        account
        for account in reading.accounts
        if account.priced
        and account.maintenance_margin
        and account.equity < account.maintenance_margin
        and not account.insolvent
    ]
    if below:
        what = "account is" if len(below) == 1 else "accounts are"
        yield Trouble("warn", f"{number(len(below))} {what} below maintenance margin")
    if owing := reading.status["stablecoins"]["owing"]:
        yield Trouble("warn", f"Collateral of {number(len(owing))} accounts is to be sold for what they owe")
