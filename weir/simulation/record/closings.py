"""Positions closed against their owners' will: liquidations and deleverages."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from weir.chain import Event
from weir.results import Closed, CloseOut
from weir.simulation.record.history import History, whole

__all__ = ["deleverages", "liquidations"]


def liquidations(history: History) -> tuple[CloseOut, ...]:
    """All of them, in order."""
    sizes: defaultdict[tuple[str, int], int] = defaultdict(int)
    found = []
    for events in history.by_transaction():
        changed: dict[tuple[str, int], list[int]] = {}
        for event in events:
            if event.name == "PositionChanged":
                changed.setdefault((event["account"], event["market"]), []).append(event["size"])
        for event in events:
            if event.name == "Liquidated":
                found.append(_liquidation(history, event, sizes, changed))
        sizes.update({key: each[-1] for key, each in changed.items()})
    return tuple(found)


def _liquidation(
    history: History,
    event: Event,
    before: Mapping[tuple[str, int], int],
    changed: Mapping[tuple[str, int], list[int]],
) -> CloseOut:
    """What a liquidation moved: each position as it was settled first, if it was, and as it was left."""
    positions = []
    for (account, market), sizes in changed.items():
        if account != event["account"]:
            continue
        first = sizes[0] if len(sizes) > 1 else before[account, market]
        if moved := first - sizes[-1]:
            positions.append(
                Closed(
                    market=history.symbol(market),
                    side="long" if moved > 0 else "short",
                    size=whole(abs(moved)),
                    price=history.price(market, event),
                )
            )
    return CloseOut(
        time=history.time(event),
        account=event["account"],
        caller=event["liquidator"],
        fraction=event["fraction"] / 10**18,
        positions=tuple(positions),
        bounty=history.usd(event["bountyFromAccount"] + event["bountyFromFund"]),
    )


def deleverages(history: History) -> tuple[CloseOut, ...]:
    """All of them, in order: one for each transaction, whatever it closed."""
    calls: dict[str, list[Event]] = {}
    for event in history.named("Deleveraged"):
        calls.setdefault(event.transaction, []).append(event)
    return tuple(
        CloseOut(
            time=history.time(events[0]),
            account=events[0]["account"],
            caller=history.sender(events[0]),
            positions=tuple(
                Closed(
                    market=history.symbol(event["market"]),
                    side="short" if event["isShort"] else "long",
                    size=whole(event["size"]),
                    price=whole(event["price"]),
                )
                for event in events
            ),
        )
        for events in calls.values()
    )
