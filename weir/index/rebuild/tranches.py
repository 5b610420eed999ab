"""Shares, batches and requests of a tranche (`ITranche`)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from weir.index.rebuild.fund import bring_up
from weir.index.rebuild.handlers import Arguments, Handler, Handlers
from weir.index.rebuild.state import Batch, Request, State, Tranche, TrancheName

__all__ = ["tranche_handlers"]

NOBODY = "0x" + "00" * 20

_OfTranche: TypeAlias = Callable[[State, Tranche, Arguments], None]


def tranche_handlers(name: TrancheName) -> Handlers:
    """Those of the junior or the senior tranche."""

    def bound(apply: _OfTranche) -> Handler:
        return lambda state, arguments: apply(state, state.tranche(name), arguments)

    handlers = Handlers({event: bound(apply) for event, apply in _EVENTS.items()})
    handlers.ignore("Deposit", "Approval", "OperatorSet", "AuthorityUpdated")
    return handlers


def _transfer(_state: State, tranche: Tranche, a: Arguments) -> None:
    value = a["value"]
    if a["from"] == NOBODY:
        tranche.supply += value
    else:
        _move(tranche, a["from"], -value)
    if a["to"] == NOBODY:
        tranche.supply -= value
    else:
        _move(tranche, a["to"], value)


def _move(tranche: Tranche, holder: str, value: int) -> None:
    balance = tranche.balances.get(holder, 0) + value
    if balance:
        tranche.balances[holder] = balance
    else:
        tranche.balances.pop(holder, None)


def _redeem_request(_state: State, tranche: Tranche, a: Arguments) -> None:
    number, shares, epoch = a["requestId"], a["shares"], tranche.share_epoch
    batch = tranche.batches.setdefault(number, Batch(share_epoch=epoch))
    if batch.share_epoch != epoch:
        batch.shares, batch.share_epoch = 0, epoch
    batch.shares += shares
    requests = tranche.requests.setdefault(a["controller"], [])
    if requests and requests[-1].batch == number:
        last = requests[-1]
        if last.share_epoch != epoch:
            last.shares, last.share_epoch = 0, epoch
        last.shares += shares
    else:
        requests.append(Request(number, shares, epoch))


def _batch_priced(state: State, tranche: Tranche, a: Arguments) -> None:
    bring_up(state)  # the fund pays for it
    number = a["batch"]
    batch = tranche.batches.setdefault(number, Batch())
    batch.shares, batch.assets, batch.priced = a["shares"], a["assets"], True
    tranche.batch, tranche.last_roll_at = number + 2, state.time
    tranche.shared = a["shares"] < tranche.supply


def _withdraw(_state: State, tranche: Tranche, a: Arguments) -> None:
    """Claims priced requests, oldest first; those that a wipe-out has voided are passed by."""
    left, requests = a["shares"], tranche.requests.get(a["owner"], [])
    while left and requests:
        first = requests[0]
        batch = tranche.batches[first.batch]
        if first.share_epoch != batch.share_epoch or not batch.shares or not first.shares:
            requests.pop(0)
            continue
        taken = min(left, first.shares)
        first.shares -= taken
        left -= taken
        if not first.shares:
            requests.pop(0)
    if not requests:
        tranche.requests.pop(a["owner"], None)


def _epoch_duration_set(state: State, tranche: Tranche, a: Arguments) -> None:
    tranche.epoch_duration = a["duration"]
    if not tranche.last_roll_at:  # the first is set as the tranche is made
        tranche.last_roll_at = state.time


_EVENTS: dict[str, _OfTranche] = {
    "Transfer": _transfer,
    "RedeemRequest": _redeem_request,
    "BatchPriced": _batch_priced,
    "Withdraw": _withdraw,
    "EpochDurationSet": _epoch_duration_set,
}
