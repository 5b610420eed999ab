"""Who paid for defaults, and whether each layer paid only after the one above it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from weir.layers import LAYERS
from weir.results import Default, Paid
from weir.simulation.record.history import History
from weir.states import DefaultRecord

__all__ = ["paid_for", "skipped"]


def paid_for(history: History, records: Iterable[DefaultRecord]) -> tuple[Default, ...]:
    """Each default with what its layers paid."""
    return tuple(
        Default(
            id=record.id,
            time=record.time,
            account=record.account,
            market=history.symbol(record.market),
            shortfall=history.usd(record.shortfall),
            paid=Paid(**{layer: history.usd(getattr(record, layer)) for layer in LAYERS}),
            remainder=history.usd(record.remainder),
        )
        for record in records
    )


def skipped(history: History, records: Iterable[DefaultRecord]) -> int:
    """What layers still had, in units of S, when the next one paid for a default."""
    blocks = {event["id"]: event.block for event in history.named("Defaulted")}
    return sum(_left(history, record, blocks[record.id]) for record in records) + _claims_spared(history)


def _left(history: History, default: DefaultRecord, block: int) -> int:
    """What the layers above one that paid for a default had after its block."""
    weir, left = history.weir, 0
    fund = weir.fund_state(block=block)
    market = weir.markets(block=block)[default.market]
    if default.shortfall > default.own:
        left += weir.members([default.account], block=block)[0].balance
    if default.junior or default.senior:
        left += fund.skin + fund.unvested
        # What the tranches could still have advanced instead.
        unpledged = max(0, fund.reserve - fund.advanced_junior - fund.advanced_senior)
        left += min(unpledged, fund.junior + fund.senior)
    if default.senior:
        left += fund.junior
    if default.mutual or default.unpaid_profit or default.remainder:
        left += market.available
    if default.unpaid_profit or default.remainder:
        left += min(weir.loss_budget(default.market, block=block).left, fund.guaranty.total)
    return left


def _claims_spared(history: History) -> int:
    """Unpaid profit that was left in a market when open interest, or its residual, was charged there."""
    claims: defaultdict[int, int] = defaultdict(int)
    units: defaultdict[int, int] = defaultdict(int)
    epochs: defaultdict[int, int] = defaultdict(int)
    spared = 0
    for event in history.events:
        match event.name:
            case "ClaimsMinted":
                claims[event["market"]] += event["amount"]
                units[event["market"]] += event["units"]
            case "ClaimsBurned" | "ClaimsConverted":
                claims[event["market"]] -= event["amount"]
                units[event["market"]] -= event["units"]
                if units[event["market"]] == 0:
                    claims[event["market"]] = 0
            case "ClaimsWrittenOff":
                claims[event["market"]] -= event["amount"]
                if event["claimsEpoch"] != epochs[event["market"]]:
                    epochs[event["market"]] = event["claimsEpoch"]
                    claims[event["market"]] = units[event["market"]] = 0
            case "RemainderCharged" | "ResidualAdded":
                spared += claims[event["market"]]
    return spared
