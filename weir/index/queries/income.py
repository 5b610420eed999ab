"""What the fund lives on, and where it went."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, fields

from weir.index.reading import applied, between
from weir.index.rebuild import Applied
from weir.index.tables import about, events
from weir.store import Store
from weir.units import DAY


@dataclass(frozen=True, slots=True)
class Income:
    """One period [`start`, `end`).

    What accounts paid: trading `fees`, `penalties`, contributions by factor (`scarcity`, `concentration`,
    `leverage`, `tier`), and `premium`, what of it became the fund's cash (`premium_charged`: what positions
    were charged). What was collected of that, and where it went: `treasury`, `skin`, `stream` (to the
    tranches, over time), `members`. `junior` and `senior` are what vested to them; gifts are not income.
    """

    start: int
    end: int
    fees: int
    penalties: int
    scarcity: int
    concentration: int
    leverage: int
    tier: int
    premium: int
    premium_charged: int
    collected: int
    treasury: int
    skin: int
    stream: int
    members: int
    junior: int
    senior: int

    @property
    def contributions(self) -> int:
        """All four factors."""
        return self.scarcity + self.concentration + self.leverage + self.tier

    @property
    def paid(self) -> int:
        """What accounts paid, by all sources."""
        return self.fees + self.penalties + self.contributions + self.premium


_NONE = {field.name: 0 for field in fields(Income) if field.name not in ("start", "end")}
_FACTORS = ("scarcity", "concentration", "leverage", "tier")
_NAMES = (
    *("Exchanged", "LiquidationCharged", "ContributionCharged", "LeverageCharged", "PremiumCharged"),
    *("Settled", "ClaimsConverted", "IncomeCollected", "Vested"),
)


def income_by_source(
    store: Store, *, period: int | None = DAY, since: int | None = None, until: int | None = None
) -> tuple[Income, ...]:
    """Income in periods of so many seconds of the UTC clock, those without any left out; one for everything,
    even of nothing, where `period` is None.
    """
    known = about(store)
    found: dict[int, Counter[str]] = defaultdict(Counter)
    first = last = None
    with store.read() as connection:
        for event in applied(connection, events.c.name.in_(_NAMES), *between(since, until)):
            first, last = first or event.time, event.time
            start = 0 if period is None else event.time // period * period
            found[start].update(_amounts(event, known.addresses["InsuranceFund"]))
    if period is None:
        return (Income(first or 0, (last or 0) + 1, **(_NONE | dict(found[0]))),)
    return tuple(
        Income(start, start + period, **(_NONE | dict(found[start])))
        for start in sorted(found)
        if found[start].total()
    )


def _amounts(event: Applied, fund: str) -> dict[str, int]:
    """What an event adds, by the names of `Income`."""
    a = event.arguments
    match event.contract, event.name:
        case "Vault", "Exchanged":
            return {"fees": a["payerFee"] + a["payeeFee"]}
        case "Vault", "LiquidationCharged":
            return {"penalties": a["penalty"]}
        case "FundingPolicy", ("ContributionCharged" | "LeverageCharged"):
            return factors(a)
        case "ClearingHouse", "PremiumCharged":
            return {"premium_charged": a["amount"]}
        case "Vault", "Settled" if a["account"] == fund:
            return {"premium": a["cash"]}
        case "Vault", "ClaimsConverted" if a["account"] == fund:
            return {"premium": a["amount"]}
        case "InsuranceFund", "IncomeCollected":
            income = a["fees"] + a["levies"] + a["premium"]
            return {
                "collected": income,
                "treasury": a["treasury"],
                "skin": a["toSkin"],
                "members": a["toMembers"],
                "stream": income - a["treasury"] - a["toSkin"] - a["toMembers"],
            }
        case "InsuranceFund", "Vested":
            return {"junior": a["junior"], "senior": a["senior"]}
    return {}


def factors(charge: Mapping[str, int]) -> dict[str, int]:
    """A contribution by factor, in proportion to the rates; the first of the largest has what is left."""
    rates = {name: charge.get("tierRate" if name == "tier" else name, 0) for name in _FACTORS}
    whole = sum(rates.values())
    parts = {name: charge["amount"] * rate // whole for name, rate in rates.items()}
    parts[max(rates, key=lambda name: rates[name])] += charge["amount"] - sum(parts.values())
    return parts
