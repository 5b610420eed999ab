"""Markets, sides, positions, flags (`IMarkets`, `ILiquidations`, `IClearingHouse`)."""

from __future__ import annotations

from weir.index.rebuild.handlers import Arguments, Handlers
from weir.index.rebuild.state import Account, Market, Position, Side, State
from weir.model.numbers import MILLION, ONE_A, trunc_div

__all__ = ["HOUSE", "present"]

HOUSE = Handlers()
HOUSE.ignore("PremiumCharged", "RemainderCharged", "Liquidated", "Deleveraged", "OrderCancelled")

OPEN, CLOSED = 1, 2


# --------------------------------------------------------------------- markets


@HOUSE("MarketAdded")
def _market_added(state: State, a: Arguments) -> None:
    symbol = bytes.fromhex(a["symbol"][2:]).rstrip(b"\0").decode("ascii", "replace")
    market = state.market(a["market"])  # its maturity or cover may have been set before
    market.symbol, market.status = symbol, OPEN


@HOUSE("MarketParametersSet")
def _market_parameters_set(state: State, a: Arguments) -> None:
    state.markets[a["market"]].parameters = a["parameters"]


@HOUSE("LiquidationParametersSet")
def _liquidation_parameters_set(state: State, a: Arguments) -> None:
    state.liquidation = a["parameters"]


@HOUSE("MarketRefreshed")
def _market_refreshed(state: State, a: Arguments) -> None:
    market = state.markets[a["market"]]
    market.price, market.value_index, market.premium = a["price"], a["valueIndex"], a["premium"]
    if market.status == OPEN:
        market.updated_at, market.updated_block = state.time, state.block


@HOUSE("MarketClosed")
def _market_closed(state: State, a: Arguments) -> None:
    state.markets[a["market"]].status = CLOSED


@HOUSE("OpenInterestChanged")
def _open_interest_changed(state: State, a: Arguments) -> None:
    state.markets[a["market"]].open_interest = a["openInterest"]


@HOUSE("SideChanged")
def _side_changed(state: State, a: Arguments) -> None:
    side = state.markets[a["market"]].side(a["isShort"])
    side.multiplier, side.base = a["multiplier"], a["base"]


@HOUSE("EpochEnded")
def _epoch_ended(state: State, a: Arguments) -> None:
    side = state.markets[a["market"]].side(a["isShort"])
    side.finals[a["epoch"]] = a["finalIndex"]
    side.epoch, side.positions = a["epoch"] + 1, 0


@HOUSE("NewRiskPaused")
def _new_risk_paused(state: State, a: Arguments) -> None:
    state.paused_until = a["until"]


@HOUSE("Traded")
def _traded(state: State, a: Arguments) -> None:
    """Open interest, and the premium over the mark at which the market trades: the last one moves toward the
    trade's by its share of open interest.
    """
    market = state.markets[a["market"]]
    market.open_interest = a["openInterest"]
    premium = trunc_div((a["price"] - market.price) * MILLION, market.price)
    if a["size"] < a["openInterest"]:
        moved = trunc_div((premium - market.last_premium) * a["size"], a["openInterest"])
        premium = market.last_premium + moved
    market.last_premium = premium


@HOUSE("AllOrdersCancelled")
def _all_orders_cancelled(state: State, a: Arguments) -> None:
    state.account(a["maker"]).generation = a["generation"]


# ------------------------------------------------------------------- positions


def present(market: Market, position: Position) -> None:
    """Brings a record to its side's multiplier and index, as a settlement does that books something."""
    side = market.side(position.is_short)
    if position.epoch == side.epoch:
        if position.multiplier != side.multiplier:
            position.size = position.size * side.multiplier // position.multiplier
        position.index = market.index(position.is_short)
    else:
        position.size, position.index = 0, side.finals[position.epoch]
    position.multiplier = side.multiplier if position.size else ONE_A


@HOUSE("PositionChanged")
def _position_changed(state: State, a: Arguments) -> None:
    account, market = state.account(a["account"]), state.markets[a["market"]]
    before = account.positions.get(a["market"])
    if a["size"] == 0:
        _emptied(account, a["market"], market, before)
        return
    is_short = a["size"] < 0
    side = market.side(is_short)
    if before is None or before.is_short != is_short or before.epoch != side.epoch:
        _left(market, before)
        side.positions += 1
    account.positions[a["market"]] = Position(
        size=abs(a["size"]),
        multiplier=side.multiplier,
        epoch=side.epoch,
        is_short=is_short,
        index=market.index(is_short),
    )


def _emptied(account: Account, number: int, market: Market, before: Position | None) -> None:
    """The record is gone, or kept, empty, for the account's debt in the market."""
    if before is None:
        return
    if number in account.debts:
        present(market, before)
        before.size, before.multiplier = 0, ONE_A
        return
    _left(market, before)
    del account.positions[number]


def _left(market: Market, position: Position | None) -> None:
    if position is not None:
        side: Side = market.side(position.is_short)
        side.positions -= position.epoch == side.epoch


# ----------------------------------------------------------------------- flags


@HOUSE("Flagged")
def _flagged(state: State, a: Arguments) -> None:
    state.account(a["account"]).flagged_at = state.time


@HOUSE("Unflagged")
def _unflagged(state: State, a: Arguments) -> None:
    state.account(a["account"]).flagged_at = 0


@HOUSE("InsolvencyMarked")
def _insolvency_marked(state: State, a: Arguments) -> None:
    state.account(a["account"]).insolvent = True
    state.insolvencies += 1


@HOUSE("InsolvencyCleared")
def _insolvency_cleared(state: State, a: Arguments) -> None:
    state.account(a["account"]).insolvent = False
    state.insolvencies -= 1
