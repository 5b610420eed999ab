"""The insurance fund: what it holds, what it should, the tranche gate, and what defaults have cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from weir.layers import WATERFALL
from weir.monitor.metrics.metric import Figure, Number, Sample, one, usd
from weir.monitor.watch import Reading
from weir.states import DefaultRecord
from weir.units import MILLION

__all__ = ["FIGURES", "open_since"]


def _amount(name: str) -> Callable[[Reading], Number | None]:
    return lambda reading: usd(reading, getattr(reading.fund, name))


def _ratio(name: str) -> Callable[[Reading], Number | None]:
    return lambda reading: getattr(reading.fund, name) / MILLION


def _each(**fields: str) -> Callable[[Reading], Iterator[Sample]]:
    """An amount of the fund for each value of a label."""
    return lambda reading: (
        ((label,), usd(reading, getattr(reading.fund, name))) for label, name in fields.items()
    )


def _coverage(reading: Reading) -> Number | None:
    coverage = reading.fund.coverage
    return None if coverage is None else coverage / MILLION


def _posted(read: Callable[[Reading], Number]) -> Callable[[Reading], Number | None]:
    return lambda reading: read(reading) if reading.fund.posted_at else None


def _gate_closed(reading: Reading) -> Number | None:
    return None if reading.closure is None else reading.time - reading.closure.gate


def open_since(reading: Reading) -> list[int]:
    """Since when each default that is not over yet is open, Unix seconds: accounts that are marked insolvent,
    and defaults whose defaulter's collateral is still to be sold, for them or for debts it left behind.
    """
    insolvent = reading.closure.accounts.values() if reading.closure else ()
    by_number = {default.id: default.time for default in reading.seen.defaults}
    last = {default.account: default.time for default in reading.seen.defaults}
    unsold = (
        by_number[pledge.default_id] if pledge.default_id else last.get(pledge.address)
        for pledge in reading.seen.pledges
        if pledge.due
    )
    return [*insolvent, *(time for time in unsold if time is not None)]


def _oldest(reading: Reading) -> Number | None:
    since = open_since(reading)
    return reading.time - min(since) if since else None


def _cost(reading: Reading) -> Iterator[Sample]:
    """Zero where a layer has not paid yet: a counter must begin there for its first rise to be seen."""
    return (((layer,), usd(reading, _total(reading.seen.defaults, layer))) for layer in WATERFALL)


def _total(defaults: tuple[DefaultRecord, ...], name: str) -> int:
    return sum(getattr(default, name) for default in defaults)


FIGURES = (
    Figure(
        "weir_fund_layer_usd",
        "Money in each layer of the insurance fund, in the order in which they pay for defaults. skin is the "
        "fund's own money, unvested its income that has not reached the tranches yet (part of what skin pays "
        "with), junior and senior are the stakers' tranches, reserve is what other stablecoins in skin count "
        "for.",
        _each(**{name: name for name in ("skin", "unvested", "reserve", "junior", "senior")}),
        ("layer",),
    ),
    Figure(
        "weir_fund_advanced_usd",
        "What each tranche has paid of what the fund's reserve owes, until the reserve has been sold.",
        _each(junior="advanced_junior", senior="advanced_senior"),
        ("tranche",),
    ),
    Figure(
        "weir_fund_assets_usd",
        "All that the insurance fund can pay defaults with, without the guaranty fund.",
        one(_amount("assets")),
    ),
    Figure(
        "weir_fund_target_usd",
        "What the insurance fund should hold for the open interest of now: the policy's formula or the "
        "posted target.",
        one(_amount("target")),
    ),
    Figure(
        "weir_fund_coverage_ratio",
        "The insurance fund's assets over its target; absent while the target is zero.",
        one(_coverage),
    ),
    Figure(
        "weir_fund_stress_ratio",
        "How far coverage has gone from where stress begins (0) to where new risk stops (1).",
        one(_ratio("stress")),
    ),
    Figure(
        "weir_fund_open_interest_cap_usd",
        "Notional that one market's open interest may reach.",
        one(_amount("open_interest_cap")),
    ),
    Figure(
        "weir_fund_posted_target_usd",
        "Target that the risk model's poster has put on chain; absent where none was.",
        one(_posted(lambda reading: usd(reading, reading.fund.posted_target))),
    ),
    Figure(
        "weir_fund_posted_target_age_seconds",
        "Time since the target was posted, by the chain's clock; absent where none was.",
        one(_posted(lambda reading: reading.time - reading.fund.posted_at)),
    ),
    Figure(
        "weir_fund_posted_target_fresh",
        "1 while the posted target counts, 0 once it is too old; absent where none was posted.",
        one(_posted(lambda reading: int(reading.fund.fresh))),
    ),
    Figure(
        "weir_fund_fee_share_ratio", "Share of trading fees that the fund keeps.", one(_ratio("fund_share"))
    ),
    Figure(
        "weir_fund_premium_ratio",
        "Premium that each side of open interest pays to the fund, of its notional a year.",
        one(_ratio("premium_rate")),
    ),
    Figure(
        "weir_fund_scarcity_ratio",
        "Contribution that new notional pays because the fund is scarce.",
        one(_ratio("scarcity")),
    ),
    Figure(
        "weir_fund_gate_open",
        "1 while stakers may enter and leave the tranches; 0 while an insolvency is known or an advance is "
        "open.",
        one(lambda reading: int(reading.fund.gate_open)),
    ),
    Figure(
        "weir_fund_gate_closed_seconds",
        "For how long the tranche gate has been closed, by the chain's clock; absent while it is open.",
        one(_gate_closed),
    ),
    Figure(
        "weir_fund_insolvency_count",
        "Accounts that are marked insolvent: they owe more than they have, and nobody has paid yet.",
        one(lambda reading: reading.fund.insolvencies),
    ),
    Figure(
        "weir_default_open_count",
        "Defaults that are not over: accounts marked insolvent, and defaults whose collateral is unsold.",
        one(lambda reading: len(open_since(reading))),
    ),
    Figure(
        "weir_default_open_seconds",
        "For how long the oldest default that is not over has been open, by the chain's clock; absent where "
        "there is none.",
        one(_oldest),
    ),
    Figure(
        "weir_default_total",
        "Defaults that the fund has on record.",
        one(lambda reading: reading.fund.defaults),
        kind="counter",
    ),
    Figure(
        "weir_default_cost_usd_total",
        "What all defaults have cost, by who bore it: own is the defaulter's guaranty contribution, mutual "
        "the other members'; coinsurance and unpaid_profit are winners' claims, remainder the other side's "
        "open positions.",
        _cost,
        ("layer",),
        kind="counter",
    ),
    Figure(
        "weir_default_recovered_usd_total",
        "What has come back of what defaults have cost.",
        one(lambda reading: usd(reading, _total(reading.seen.defaults, "recovered"))),
        kind="counter",
    ),
)
