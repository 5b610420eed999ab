"""Who put money into the funds."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass

from weir.index.queries.income import factors
from weir.index.reading import applied, between
from weir.index.rebuild import Applied
from weir.index.tables import About, about, events
from weir.store import Store


@dataclass(frozen=True, slots=True)
class Contributor:
    """An account in one of its parts.

    "trader": contributions for new risk and leverage, by factor; "junior" and "senior": what stakers put in
    and took out; "member": the guaranty fund; "gift": to skin; "gift of <symbol>": to the reserve, in units
    of that token. `put_in` is the sum, `taken_out` what left again, `times` how often it put in.
    """

    account: str
    part: str
    put_in: int
    taken_out: int
    times: int
    scarcity: int = 0
    concentration: int = 0
    leverage: int = 0
    tier: int = 0


_PARTS = ("trader", "junior", "senior", "member", "gift")
_NAMES = (
    *("ContributionCharged", "LeverageCharged", "Deposit", "Withdraw", "Joined", "Released"),
    "Contributed",
)


def contributions(
    store: Store, *, since: int | None = None, until: int | None = None
) -> tuple[Contributor, ...]:
    """Every contributor between two times; by part, largest first."""
    known = about(store)
    found: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    with store.read() as connection:
        for event in applied(connection, events.c.name.in_(_NAMES), *between(since, until)):
            account, part, amounts = _contribution(event, known)
            found[part, account].update(amounts)
    rows = [Contributor(account, part, **_counted(counts)) for (part, account), counts in found.items()]
    return tuple(sorted(rows, key=_rank))


def _contribution(event: Applied, known: About) -> tuple[str, str, dict[str, int]]:
    """Whose, in which part, and what it adds, by the names of `Contributor`."""
    a = event.arguments
    match event.contract, event.name:
        case "FundingPolicy", _:
            return a["account"], "trader", {"put_in": a["amount"], "times": 1, **factors(a)}
        case ("JuniorTranche" | "SeniorTranche") as contract, name:
            part = "junior" if contract == "JuniorTranche" else "senior"
            if name == "Deposit":
                return a["owner"], part, {"put_in": a["assets"], "times": 1}
            return a["owner"], part, {"taken_out": a["assets"]}
        case "GuarantyFund", "Joined":
            return a["account"], "member", {"put_in": a["amount"], "times": 1}
        case "GuarantyFund", _:
            return a["account"], "member", {"taken_out": a["amount"]}
        case "Reserve", _:
            symbol = known.assets[a["asset"]][0] if a["asset"] < len(known.assets) else f"asset {a['asset']}"
            return a["from"], f"gift of {symbol}", {"put_in": a["amount"], "times": 1}
    return a["from"], "gift", {"put_in": a["amount"], "times": 1}


def _counted(counts: Counter[str]) -> dict[str, int]:
    return {"put_in": 0, "taken_out": 0, "times": 0} | dict(counts)


def _rank(row: Contributor) -> tuple[int, str, int, str]:
    place = _PARTS.index(row.part) if row.part in _PARTS else len(_PARTS)
    return place, row.part, -row.put_in, row.account
