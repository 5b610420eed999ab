"""The insurance fund's layers, its stream, budgets and records (`IInsuranceFund`)."""

from __future__ import annotations

from weir.index.rebuild.handlers import Arguments, Handlers
from weir.index.rebuild.state import Default, State, TrancheName
from weir.model.numbers import ceil_div

__all__ = ["FUND", "bring_up"]

FUND = Handlers()


def bring_up(state: State) -> None:
    """The stream stands at the present: the fund notes that with everything it does. While nobody has shares
    it waits; what has vested, `Vested` tells.
    """
    fund = state.fund
    elapsed = min(state.time - fund.since, fund.remaining)
    fund.since = state.time
    if state.junior.shared or state.senior.shared:
        fund.remaining -= elapsed


@FUND("Vested")
def _vested(state: State, a: Arguments) -> None:
    bring_up(state)
    fund = state.fund
    fund.unvested -= a["junior"] + a["senior"]
    fund.junior += a["junior"]
    fund.senior += a["senior"]


# ---------------------------------------------------------------------- income


@FUND("IncomeCollected")
def _income_collected(state: State, a: Arguments) -> None:
    bring_up(state)
    fund = state.fund
    fund.skin += a["toSkin"]
    income = a["fees"] + a["levies"] + a["premium"]
    streams = income - a["treasury"] - a["toSkin"] - a["toMembers"]
    if streams:
        # The average of what is left to wait and a whole duration, by amount.
        weighted = fund.unvested * fund.remaining + streams * fund.parameters["streamDuration"]
        fund.unvested += streams
        fund.remaining = ceil_div(weighted, fund.unvested)


@FUND("Contributed")
def _contributed(state: State, a: Arguments) -> None:
    bring_up(state)
    state.fund.skin += a["amount"]


# -------------------------------------------------------------------- tranches


@FUND("Staked")
def _staked(state: State, a: Arguments) -> None:
    bring_up(state)
    _add(state, state.tranche_at(a["tranche"]), a["assets"])
    state.tranche(state.tranche_at(a["tranche"])).shared = True


@FUND("Unstaked")
def _unstaked(state: State, a: Arguments) -> None:
    bring_up(state)
    _add(state, state.tranche_at(a["tranche"]), -a["assets"])


def _add(state: State, layer: TrancheName, amount: int) -> None:
    if layer == "junior":
        state.fund.junior += amount
    else:
        state.fund.senior += amount


@FUND("TrancheWiped")
def _tranche_wiped(state: State, a: Arguments) -> None:
    bring_up(state)
    tranche = state.tranche(state.tranche_at(a["tranche"]))
    tranche.balances.clear()
    tranche.supply, tranche.shared, tranche.share_epoch = 0, False, a["shareEpoch"]


# ----------------------------------------------------------------- the reserve


@FUND("FromReserve")
def _from_reserve(state: State, a: Arguments) -> None:
    if a["amount"]:
        bring_up(state)
    state.fund.skin += a["amount"]


@FUND("PaidForReserve")
def _paid_for_reserve(state: State, a: Arguments) -> None:
    bring_up(state)
    state.fund.skin -= a["amount"]


@FUND("Advanced")
def _advanced(state: State, a: Arguments) -> None:
    """To skin, which pays with it at once."""
    bring_up(state)
    fund = state.fund
    fund.junior -= a["junior"]
    fund.senior -= a["senior"]
    fund.advanced_junior += a["junior"]
    fund.advanced_senior += a["senior"]
    fund.skin += a["junior"] + a["senior"]


@FUND("AdvanceRepaid")
def _advance_repaid(state: State, a: Arguments) -> None:
    """From what comes to skin."""
    fund = state.fund
    fund.skin -= a["junior"] + a["senior"]
    fund.junior += a["junior"]
    fund.senior += a["senior"]
    fund.advanced_junior -= a["junior"]
    fund.advanced_senior -= a["senior"]


@FUND("AdvanceWrittenOff")
def _advance_written_off(state: State, a: Arguments) -> None:
    bring_up(state)
    state.fund.advanced_junior -= a["junior"]
    state.fund.advanced_senior -= a["senior"]


# ---------------------------------------------------------------------- losses


def _pay(state: State, market: int, skin: int, junior: int, senior: int) -> None:
    """Skin's layer is its S first, with what was advanced, then what is unvested."""
    bring_up(state)
    fund = state.fund
    held = min(skin, fund.skin)
    fund.skin -= held
    fund.unvested -= skin - held
    fund.junior -= junior
    fund.senior -= senior
    state.markets[market].budget_left -= skin + junior + senior


@FUND("BudgetOpened")
def _budget_opened(state: State, a: Arguments) -> None:
    market = state.markets[a["market"]]
    market.budget_left, market.budget_window = a["budget"], a["window"]


@FUND("BountyPaid")
def _bounty_paid(state: State, a: Arguments) -> None:
    _pay(state, a["market"], a["skin"], a["junior"], a["senior"])


@FUND("Defaulted")
def _defaulted(state: State, a: Arguments) -> None:
    record = a["record"]
    _pay(state, a["market"], record["skin"], record["junior"], record["senior"])
    state.fund.defaults.append(Default(dict(record), a["remainder"]))


@FUND("Recovered")
def _recovered(state: State, a: Arguments) -> None:
    bring_up(state)
    back, fund = a["recovery"], state.fund
    fund.skin += back["skin"]
    fund.junior += back["junior"]
    fund.senior += back["senior"]
    fund.defaults[a["id"] - 1].recovered += sum(back.values())


# ------------------------------------------------------------------ parameters


@FUND("ParametersSet")
def _parameters_set(state: State, a: Arguments) -> None:
    bring_up(state)
    state.fund.parameters = a["parameters"]


@FUND("MarketCoverSet")
def _market_cover_set(state: State, a: Arguments) -> None:
    market = state.market(a["market"])
    market.budget_share, market.coinsurance = a["budgetShare"], a["coinsurance"]
