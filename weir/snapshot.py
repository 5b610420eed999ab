"""Everything that a deployment says of itself at one block, as typed states in the units of the chain."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from weir.client import Weir
from weir.decoding import Block
from weir.deployment import Deployment
from weir.parameters import FundingParameters, funding_parameters
from weir.stablecoins import AssetBooks, AssetState, PledgeState
from weir.states import (
    AccountState,
    DefaultRecord,
    FundState,
    Identities,
    LossBudget,
    MarketState,
    MemberState,
)

__all__ = ["Snapshot", "take"]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All of it at block number `block`, whose time is `time` (Unix seconds).

    By market: `budgets`, what members may still pay, and `heartbeats`, seconds after which a feed's answer is
    stale. `policy` is what governance has made of the funding policy by then. `members`, as far as they have
    a balance or should; `pledges` of all who have pledged anything.
    """

    deployment: Deployment
    block: int
    time: int
    markets: tuple[MarketState, ...]
    budgets: tuple[LossBudget, ...]
    heartbeats: tuple[int, ...]
    policy: FundingParameters
    fund: FundState
    accounts: tuple[AccountState, ...]
    members: tuple[MemberState, ...]
    assets: tuple[AssetState, ...]
    pledges: tuple[PledgeState, ...]
    defaults: tuple[DefaultRecord, ...]
    identities: Identities
    asset_books: tuple[AssetBooks, ...]


def take(weir: Weir, block: Block = "latest", *, joined: Iterable[str] | None = None) -> Snapshot:
    """Reads it: some requests to the node per hundred accounts.

    `joined` has all for whom somebody has joined the guaranty fund, if they are known; else the logs of the
    whole chain are searched for them.
    """
    header = weir.chain.block(block)
    at = int(header["number"], 16)
    markets = weir.markets(block=at)
    policy, *feeds = weir.chain.call_many(
        [weir.policy.functions.parameters(), *(weir.oracle.functions.feedOf(each.id) for each in markets)],
        block=at,
    )
    has_assets = bool(weir.assets)
    accounts = weir.accounts(block=at)
    return Snapshot(
        deployment=weir.deployment,
        block=at,
        time=int(header["timestamp"], 16),
        markets=markets,
        budgets=tuple(weir.loss_budget(market.id, block=at) for market in markets),
        heartbeats=tuple(feed["heartbeat"] for feed in feeds),
        policy=funding_parameters(policy, weir.deployment.decimals),
        fund=weir.fund_state(block=at),
        accounts=accounts,
        members=weir.members(block=at) if joined is None else _members(weir, accounts, joined, at),
        assets=weir.assets.states(block=at) if has_assets else (),
        pledges=weir.assets.pledges(block=at) if has_assets else (),
        defaults=weir.defaults(block=at),
        identities=weir.identities(block=at),
        asset_books=weir.assets.books(block=at) if has_assets else (),
    )


def _members(
    weir: Weir, accounts: Iterable[AccountState], joined: Iterable[str], block: int
) -> tuple[MemberState, ...]:
    known = dict.fromkeys([*(account.address for account in accounts), *joined])
    found = weir.members([*known], block=block)
    return tuple(member for member in found if member.balance or member.requirement)
