"""Where the money was: the vault's ledger, and the insurance fund's layers."""

from __future__ import annotations

from decimal import Decimal

from weir.results import FundState as FundResult
from weir.results import Ledger
from weir.simulation.record.history import History
from weir.states import FundState, Identities

__all__ = ["fund", "ledger"]


def ledger(history: History, books: Identities) -> Ledger:
    """The vault's books in USD."""

    def by_market(name: str) -> dict[str, Decimal]:
        return {history.symbol(m.market): history.usd(getattr(m, name)) for m in books.markets}

    return Ledger(
        held=history.usd(books.held),
        cash=history.usd(books.cash),
        fees=history.usd(books.fees + books.levies),
        pools=by_market("pool"),
        claims=by_market("claims"),
        debt=by_market("debt"),
        unsettled=by_market("unsettled"),
    )


def fund(history: History, state: FundState) -> FundResult:
    """The fund's layers in USD, and their coverage."""
    return FundResult(
        skin=history.usd(state.skin),
        junior=history.usd(state.junior),
        senior=history.usd(state.senior),
        reserve=history.usd(state.reserve),
        advanced=history.usd(state.advanced_junior + state.advanced_senior),
        guaranty=history.usd(state.guaranty.total),
        streaming=history.usd(state.unvested),
        target=history.usd(state.target),
        coverage=None if state.coverage is None else state.coverage / 10**6,
    )
