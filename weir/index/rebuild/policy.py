"""What was posted and observed (`IFundingPolicy`)."""

from __future__ import annotations

from weir.index.rebuild import views
from weir.index.rebuild.handlers import Arguments, Handlers
from weir.index.rebuild.state import State
from weir.model.numbers import MILLION

__all__ = ["POLICY"]

POLICY = Handlers()
POLICY.ignore("ContributionCharged", "LeverageCharged", "TiersPosted")

NO_TARGET = 2**256 - 1


@POLICY("MarketObserved")
def _market_observed(state: State, a: Arguments) -> None:
    state.market(a["market"]).observed = a["notional"]
    if not views.reserve_held(state):
        state.policy.reserve = 0
    elif a["coverage"] != NO_TARGET:
        # Coverage is the fund's assets over its target: with the S taken off, what the reserve counts for.
        observed = sum(market.observed for market in state.markets.values())
        assets = a["coverage"] * views.target_at(state, observed, state.time) // MILLION
        state.policy.reserve = max(0, assets - state.fund.total)


@POLICY("TargetPosted")
def _target_posted(state: State, a: Arguments) -> None:
    state.policy.posted, state.policy.posted_at = a["target"], state.time


@POLICY("TierPosted")
def _tier_posted(state: State, a: Arguments) -> None:
    account = state.account(a["account"])
    account.tier, account.tier_at = a["tier"], state.time


@POLICY("ParametersSet")
def _parameters_set(state: State, a: Arguments) -> None:
    state.policy.parameters = a["parameters"]
