"""What must hold at the end of a run (SPECIFICATION.md), and by how much it does."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from weir.parameters import from_units
from weir.results import Default, Fees, Identity
from weir.simulation.record.assets import AssetHistory
from weir.simulation.record.history import History, whole
from weir.stablecoins import AssetBooks
from weir.states import Identities, MarketBooks
from weir.units import MILLION

__all__ = ["of_assets", "of_system"]


def of_system(
    history: History, books: Identities, defaults: Sequence[Default], skipped: int, fees: Fees
) -> tuple[Identity, ...]:
    """P1 to P4 and P10 of the settlement token; `skipped` are units of S (`waterfall.skipped`)."""
    return (
        _vault_holds(history, books),
        _guaranty_holds(history),
        *(_pool_covers(history, market) for market in books.markets),
        *(_sizes_add_up(history, market) for market in books.markets),
        _losses_were_paid(history, defaults, skipped),
        _income_adds_up(history, fees),
    )


def of_assets(assets: AssetHistory) -> tuple[Identity, ...]:
    """P1 of the insurance fund and of every other stablecoin, and the bound of every conversion."""
    return (
        _fund_holds(assets.history),
        *(_token_held(books) for books in assets.assets.books()),
        _conversions_bounded(assets),
    )


def _exact(id_: str, statement: str, slack: Decimal, unit: str = "USD") -> Identity:
    """One that allows no slack."""
    return Identity(id=id_, statement=statement, slack=slack, bound=Decimal(0), holds=slack == 0, unit=unit)


# ---- P1


def _vault_holds(history: History, books: Identities) -> Identity:
    return _exact("P1", "S held by the vault = cash + pools + fees + levies", history.usd(books.donations))


def _guaranty_holds(history: History) -> Identity:
    """What lies there, what it has booked, and what came and went."""
    weir = history.weir
    held = weir.chain.call(weir.token.functions.balanceOf(weir.guaranty.address))
    total = weir.fund_state().guaranty.total
    came = history.total("Joined", "amount") + history.total("Earned", "amount")
    came += history.total("Restored", "own", "mutual")
    gone = history.total("Released", "amount") + history.total("LossBorne", "own", "mutual")
    slack = abs(held - total) + abs(came - gone - total)
    return _exact(
        "P1:guaranty",
        "S held by the guaranty fund = contributions + income + recoveries − losses − releases",
        history.usd(slack),
    )


def _fund_holds(history: History) -> Identity:
    weir = history.weir
    fund = weir.fund_state()
    held = weir.chain.call(weir.token.functions.balanceOf(weir.fund.address))
    slack = held - fund.skin - fund.unvested - fund.junior - fund.senior
    return _exact(
        "P1:fund",
        "S held by the insurance fund = skin + unvested + tranches, without what they advanced",
        history.usd(slack),
    )


def _token_held(books: AssetBooks) -> Identity:
    slack = abs(books.donations) if books.holds else max(abs(books.donations), 1)
    return _exact(
        f"P1:{books.symbol}",
        f"{books.symbol} held for collateral = what accounts hold, by the reserve = its amount",
        from_units(slack, books.decimals),
        unit=books.symbol,
    )


# ---- P2 and P3, of a market


def _pool_covers(history: History, market: MarketBooks) -> Identity:
    """Each settlement rounds by a unit at most."""
    settled = sum(event["market"] == market.market for event in history.named("Settled", "ClaimsMinted"))
    return Identity(
        id=f"P2:{history.symbol(market.market)}",
        statement="pool + residual ≥ claims + unsettled − debt",
        slack=history.usd(market.surplus),
        bound=history.usd(settled),
        holds=-settled <= market.surplus,
    )


def _sizes_add_up(history: History, market: MarketBooks) -> Identity:
    """Each change of a position rounds by a unit at most."""
    name = history.symbol(market.market)
    changes = sum(event["market"] == market.market for event in history.named("PositionChanged"))
    return Identity(
        id=f"P3:{name}",
        statement="sizes of each side add up to open interest",
        slack=whole(market.mismatch),
        bound=whole(changes),
        holds=market.mismatch <= changes,
        unit=name,
    )


# ---- P4


def _losses_were_paid(history: History, defaults: Sequence[Default], skipped: int) -> Identity:
    gap = max((abs(default.difference) for default in defaults), default=Decimal(0))
    return Identity(
        id="P4",
        statement="paid by layers + remainder = shortfall, each layer after the one above it",
        slack=gap + history.usd(skipped),
        bound=Decimal(0),
        holds=gap == 0 and skipped == 0,
    )


# ---- P10


def _income_adds_up(history: History, fees: Fees) -> Identity:
    # What accounts paid is the vault's word, what for the policy's: they must agree to the unit.
    unexplained = history.usd(history.total("ContributionPaid", "amount")) - fees.contributions.total
    received = fees.fund + fees.members + fees.treasury + fees.liquidators
    difference = fees.paid - received - fees.undistributed + abs(unexplained)
    return _exact(
        "P10",
        "fees, levies, premium, bounties = funds + treasury + liquidators + uncollected, "
        "levies = contributions charged + penalties",
        difference,
    )


# ---- conversions


def _conversions_bounded(assets: AssetHistory) -> Identity:
    """The largest loss of a conversion, less a unit of rounding, and what its asset's auction allows."""
    unit = assets.history.usd(1)
    discounts = {each.symbol: each.discount for each in assets.states}
    worst, holds = Decimal(0), True
    for each in assets.conversions:
        lost = each.paid - each.worth if each.kind == "purchase" else each.worth - each.paid
        if each.worth and lost > unit:
            ppm = ((lost - unit) * MILLION / each.worth).quantize(Decimal("0.1"))
            worst = max(worst, ppm)
            holds = holds and (lost - unit) * MILLION <= discounts[each.asset] * each.worth
    return Identity(
        id="conversions",
        statement="no conversion lost more than its asset's discount, and a unit of rounding",
        slack=worst,
        bound=Decimal(max(discounts.values())),
        holds=holds,
        unit="ppm",
    )
