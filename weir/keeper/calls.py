"""What is sent for a task, and which state of its subject the task is about."""

from __future__ import annotations

from weir.chain import Call
from weir.client import Weir
from weir.keeper.policy import Task
from weir.keeper.roles import Kind
from weir.keeper.view import View

__all__ = ["call_of", "intent_key"]


def call_of(weir: Weir, task: Task, own: str) -> Call:
    """The contract function that does it, for the keeper whose account is `own`."""
    house = weir.clearing_house.functions
    match task.kind:
        case Kind.SETTLE:
            return house.settle([*task.settle_first, task.subject])
        case Kind.FLAG:
            return house.flag(task.subject)
        case Kind.LIQUIDATE:
            return house.liquidate(task.subject, task.fraction, list(task.settle_first))
        case Kind.DELEVERAGE:
            return house.deleverage(task.subject, list(task.settle_first))
        case Kind.START_SALE:
            return weir.assets.collateral.functions.startSale(task.subject)
        case Kind.BUY_COLLATERAL:
            terms = task.asset, task.units, own, task.cost
            return weir.assets.collateral.functions.buy(task.subject, *terms)
        case Kind.START_CONVERSION:
            return weir.assets.reserve.functions.start(task.asset)
        case Kind.BUY_FROM_RESERVE:
            return weir.assets.reserve.functions.buy(task.asset, task.units, own, task.cost)
        case Kind.SELL_TO_RESERVE:
            return weir.assets.reserve.functions.sell(task.asset, task.units, own, task.cost)
        case Kind.WITHDRAW:
            return weir.assets.collateral.functions.withdraw(task.asset, task.units, own, [])
        case Kind.COLLECT:
            return weir.fund.functions.collect()
        case Kind.ROLL:
            tranche = weir.junior if task.subject == "junior" else weir.senior
            return tranche.functions.roll()
        case Kind.POST:
            assert task.call is not None
            return task.call


def intent_key(task: Task, view: View) -> str:
    """What is to be done, about whom, and on which state: two tasks with the same key are the same thing.

    While one is on its way the other is not sent, however often the chain is read in between. An account is
    liquidated or deleveraged, not both; a flag, an auction or a batch that began later is another.
    """
    kind = "resolve" if task.kind in (Kind.LIQUIDATE, Kind.DELEVERAGE) else task.kind
    return ":".join(str(part) for part in (kind, task.subject, *_state(task, view)))


def _state(task: Task, view: View) -> tuple[object, ...]:
    match task.kind:
        case Kind.FLAG | Kind.LIQUIDATE | Kind.DELEVERAGE:
            found = view.accounts.get(task.subject)
            return (found.flagged_at if found else 0,)
        case Kind.START_SALE | Kind.BUY_COLLATERAL:
            pledge = view.pledges.get(task.subject)
            began = pledge.sale_started_at if pledge else 0
            return (began,) if task.asset is None else (task.asset, began)
        case Kind.START_CONVERSION | Kind.BUY_FROM_RESERVE | Kind.SELL_TO_RESERVE:
            began = next((each.auction.started_at for each in view.assets if each.id == task.asset), 0)
            return task.asset, began
        case Kind.ROLL:
            fund = view.fund
            return ((fund.junior_tranche if task.subject == "junior" else fund.senior_tranche).batch,)
        case _:
            return ()
