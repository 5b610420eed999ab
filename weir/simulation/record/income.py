"""What accounts paid, by source and by market, and to whom it went."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable

from weir.chain import Event
from weir.results import Contributions, Fees, MarketIncome
from weir.simulation.record.history import History

__all__ = ["by_market", "contributions", "fees"]


def fees(history: History) -> Fees:
    """Fees, levies, premium and bounties of the whole run."""
    trading = history.total("Exchanged", "payerFee", "payeeFee")
    penalties = history.total("LiquidationCharged", "penalty")
    levies = penalties + history.total("ContributionPaid", "amount")
    premium = _premium(history)
    bounties = history.total("LiquidationCharged", "bounty")
    treasury = history.total("IncomeCollected", "treasury")
    income = history.total("IncomeCollected", "fees", "levies", "premium")
    return Fees(
        paid=history.usd(trading + levies + bounties + premium),
        fund=history.usd(income - treasury - history.total("IncomeCollected", "toMembers")),
        members=history.usd(history.total("Earned", "amount")),
        treasury=history.usd(treasury),
        liquidators=history.usd(bounties),
        undistributed=history.usd(_uncollected(history)),
        trading=history.usd(trading),
        contributions=contributions(history, lambda _: "").get("", Contributions()),
        penalties=history.usd(penalties),
        premium_charged=history.usd(history.total("PremiumCharged", "amount")),
        premium=history.usd(premium),
        premium_collected=history.usd(history.total("IncomeCollected", "premium")),
    )


def by_market(history: History) -> dict[str, MarketIncome]:
    """Contributions for new risk, and premium, of each market by its symbol."""

    def market(event: Event) -> str:
        return history.symbol(event["market"]) if event.name == "ContributionCharged" else ""

    charged = contributions(history, market)
    premium = history.totals("PremiumCharged", "amount", by="market")
    return {
        symbol: MarketIncome(
            contributions=charged.get(symbol, Contributions()),
            premium_charged=history.usd(premium[number]),
        )
        for number, symbol in enumerate(history.symbols)
    }


def contributions(history: History, key: Callable[[Event], str]) -> dict[str, Contributions]:
    """What the policy charged, split by factor, added up by whatever `key` makes of the event."""
    found: defaultdict[str, list[Contributions]] = defaultdict(list)
    for event in history.named("ContributionCharged", "LeverageCharged"):
        found[key(event)].append(_split(event, history.weir.deployment.decimals))
    return {name: Contributions.sum(charges) for name, charges in found.items()}


def _split(event: Event, decimals: int) -> Contributions:
    """A contribution by factor; a withdrawal pays for nothing but leverage."""
    rates = {"leverage": event["leverage"]}
    if event.name == "ContributionCharged":
        rates = {
            "scarcity": event["scarcity"],
            "concentration": event["concentration"],
            "leverage": event["leverage"],
            "tier": event["tierRate"],
        }
    return Contributions.split(event["amount"], rates, decimals)


def _premium(history: History) -> int:
    """What the fund's own account got in cash; claims of it that wait are not yet paid."""
    fund = history.weir.fund.address
    at_once = history.totals("Settled", "cash", by="account")
    later = history.totals("ClaimsConverted", "amount", by="account")
    return at_once[fund] + later[fund]


def _uncollected(history: History) -> int:
    """Fees and levies, and premium in the fund's account."""
    weir = history.weir
    trading, levies = weir.chain.call(weir.vault.functions.uncollected())
    return int(trading + levies + weir.chain.call(weir.vault.functions.cashOf(weir.fund.address)))
