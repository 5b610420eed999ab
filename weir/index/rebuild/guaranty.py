"""The guaranty fund's total, units, members and loss budgets (`IGuarantyFund`)."""

from __future__ import annotations

from weir.index.rebuild.handlers import Arguments, Handlers
from weir.index.rebuild.state import Member, State

__all__ = ["GUARANTY"]

GUARANTY = Handlers()


def _member(state: State, address: str) -> Member:
    """Without what a wipe-out has voided."""
    account = state.account(address)
    if account.member.epoch != state.guaranty.epoch:
        account.member = Member(epoch=state.guaranty.epoch)
    return account.member


def _credit(state: State, address: str, amount: int, units: int) -> None:
    _member(state, address).units += units
    state.guaranty.units += units
    state.guaranty.total += amount


@GUARANTY("Joined")
def _joined(state: State, a: Arguments) -> None:
    _credit(state, a["account"], a["amount"], a["units"])


@GUARANTY("ExitRequested")
def _exit_requested(state: State, a: Arguments) -> None:
    member = _member(state, a["account"])
    member.noticed, member.opens_at = a["units"], a["from"]


@GUARANTY("Released")
def _released(state: State, a: Arguments) -> None:
    member = _member(state, a["account"])
    member.units -= a["units"]
    member.noticed, member.opens_at = 0, 0
    state.guaranty.units -= a["units"]
    state.guaranty.total -= a["amount"]


@GUARANTY("Earned")
def _earned(state: State, a: Arguments) -> None:
    state.guaranty.total += a["amount"]


@GUARANTY("LossBorne")
def _loss_borne(state: State, a: Arguments) -> None:
    guaranty = state.guaranty
    state.market(a["market"]).loss_left -= a["mutual"]
    if not guaranty.units:  # all have just been voided by it
        return
    member = _member(state, a["account"])
    member.units -= a["units"]
    if not member.units:
        member.noticed, member.opens_at = 0, 0
    guaranty.units -= a["units"]
    guaranty.total -= a["own"] + a["mutual"]
    if not guaranty.units:
        guaranty.total = 0


@GUARANTY("LossBudgetOpened")
def _loss_budget_opened(state: State, a: Arguments) -> None:
    market = state.market(a["market"])
    market.loss_left, market.loss_window = a["budget"], a["window"]


@GUARANTY("WipedOut")
def _wiped_out(state: State, a: Arguments) -> None:
    guaranty = state.guaranty
    guaranty.total, guaranty.units, guaranty.epoch = 0, 0, a["epoch"]


@GUARANTY("Restored")
def _restored(state: State, a: Arguments) -> None:
    state.guaranty.total += a["mutual"]
    if a["own"]:
        _credit(state, a["account"], a["own"], a["units"])


@GUARANTY("ParametersSet")
def _parameters_set(state: State, a: Arguments) -> None:
    state.guaranty.parameters = a["parameters"]
