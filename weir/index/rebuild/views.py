"""What follows from a state and a time: what has vested, what is due, what the policy makes of it."""

from __future__ import annotations

from dataclasses import dataclass

from weir.index.rebuild.state import Account, Market, State, TrancheName
from weir.model.numbers import MILLION, MOST, NEW_TIER

__all__ = [
    "Layers",
    "budget",
    "claim_value",
    "claimable",
    "gate_open",
    "layers",
    "loss_budget",
    "member_balance",
    "notional",
    "open_default",
    "open_interest",
    "reserve_held",
    "target",
    "target_at",
    "tier",
    "tranche_assets",
]


@dataclass(frozen=True, slots=True)
class Layers:
    """The insurance fund's S at a time, and what the tranches have advanced beside."""

    skin: int
    unvested: int
    junior: int
    senior: int
    advanced_junior: int
    advanced_senior: int

    @property
    def total(self) -> int:
        """S."""
        return self.skin + self.unvested + self.junior + self.senior


# -------------------------------------------------------------------- the fund


def layers(state: State, time: int) -> Layers:
    """With what has vested by then."""
    fund = state.fund
    vested, to_junior = 0, 0
    elapsed = min(time - fund.since, fund.remaining)
    if elapsed and (state.junior.shared or state.senior.shared):
        vested = fund.unvested * elapsed // fund.remaining
        if not state.senior.shared:
            to_junior = vested
        elif state.junior.shared:
            to_junior = vested * fund.parameters["juniorShare"] // MILLION
    return Layers(
        skin=fund.skin,
        unvested=fund.unvested - vested,
        junior=fund.junior + to_junior,
        senior=fund.senior + vested - to_junior,
        advanced_junior=fund.advanced_junior,
        advanced_senior=fund.advanced_senior,
    )


def tranche_assets(state: State, name: TrancheName, time: int) -> int:
    """Its S, and what it has advanced."""
    found = layers(state, time)
    if name == "junior":
        return found.junior + found.advanced_junior
    return found.senior + found.advanced_senior


def reserve_held(state: State) -> bool:
    """Whether the reserve holds anything: what that counts for is told by feeds, not by events."""
    return any(asset.reserve for asset in state.assets.values())


def gate_open(state: State) -> bool:
    """No insolvency is known and no advance is open."""
    return not (state.insolvencies or state.fund.advanced_junior or state.fund.advanced_senior)


def budget(state: State, market: Market, time: int) -> tuple[int | None, int]:
    """What is left of the fund's budget for a market, and the window; None: a budget that is not opened yet,
    of a fund with a reserve.
    """
    window = time // state.fund.parameters["budgetWindow"]
    if market.budget_window == window:
        return market.budget_left, window
    if reserve_held(state):
        return None, window
    return min(state.fund.total * market.budget_share // MILLION, MOST), window


# ------------------------------------------------------------------ the policy


def notional(state: State, market: Market) -> int:
    """One side's, at the mark of the last refresh."""
    return market.open_interest * market.price // state.scale


def open_interest(state: State) -> int:
    """Notional of one side of all markets."""
    return sum(notional(state, market) for market in state.markets.values())


def is_fresh(posted_at: int, lifetime: int, time: int) -> bool:
    """Whether what was posted then counts."""
    return posted_at != 0 and time < posted_at + lifetime


def target(state: State, time: int) -> int:
    """What the fund should hold."""
    return target_at(state, open_interest(state), time)


def target_at(state: State, risk: int, time: int) -> int:
    """`target` at this notional of open interest."""
    policy = state.policy
    formula: int = risk * policy.parameters["targetRatio"] // MILLION
    if not is_fresh(policy.posted_at, policy.parameters["targetLifetime"], time):
        return formula
    most: int = risk * policy.parameters["maxTargetRatio"] // MILLION
    return max(formula, min(policy.posted, most))


def tier(state: State, account: Account, time: int) -> tuple[int, int]:
    """The tier that counts, and when it was posted (0: none is fresh)."""
    if is_fresh(account.tier_at, state.policy.parameters["tierLifetime"], time):
        return account.tier, account.tier_at
    return NEW_TIER, 0


# ---------------------------------------------------------------- the guaranty


def member_balance(state: State, account: Account, units: int | None = None) -> int:
    """What an account has in the guaranty fund, or what so many of its units are."""
    guaranty, member = state.guaranty, account.member
    if member.epoch != guaranty.epoch or not guaranty.units:
        return 0
    held = member.units if units is None else min(units, member.units)
    return held * guaranty.total // guaranty.units


def loss_budget(state: State, market: Market, time: int) -> tuple[int, int]:
    """What members may still pay for a market, and the window."""
    parameters = state.guaranty.parameters
    window = time // parameters["lossWindow"]
    if market.loss_window == window:
        return market.loss_left, window
    return state.guaranty.total * parameters["lossShare"] // MILLION, window


# -------------------------------------------------------------------- accounts


def claim_value(market: Market, account: Account, number: int) -> tuple[int, int, int]:
    """Value, units and time of maturity of its claims in a market."""
    claim = account.claims.get(number)
    if claim is None or claim.epoch != market.claims_epoch:
        return 0, 0, 0
    value = claim.units * market.claims // market.claim_units if market.claim_units else 0
    return value, claim.units, claim.matures_at


def open_default(state: State, account: Account) -> int:
    """The first of its noted defaults of which something is open; 0: none."""
    for number in account.defaults:
        default = state.fund.defaults[number - 1]
        if default.recovered < default.recoverable:
            return number
    return 0


# -------------------------------------------------------------------- tranches


def claimable(state: State, name: TrancheName, controller: str) -> tuple[int, int]:
    """Shares and S that a controller can take out of priced batches."""
    tranche = state.tranche(name)
    shares = assets = 0
    for request in tranche.requests.get(controller, []):
        batch = tranche.batches[request.batch]
        if not batch.priced:
            break
        if batch.shares and batch.share_epoch == request.share_epoch:
            shares += request.shares
            assets += request.shares * batch.assets // batch.shares
    return shares, assets
