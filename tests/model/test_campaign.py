"""Seeded random campaigns: P1 to P5, P7, P9 and P10 after every step, P6 at the end."""

from dataclasses import replace
from functools import cache

import pytest

from tests.model.driver import Campaign, Setting, counted
from weir.model import AssetParameters, FundingParameters, GuarantyParameters

POLICY = FundingParameters(
    target_ratio=200_000,
    max_target_ratio=500_000,
    premium_min=20_000,
    premium_max=500_000,
    stop_below=200_000,
    max_scarcity=5_000,
    concentration_from=100_000,
    max_concentration=10_000,
    max_leverage=10_000,
    leverage_from=2_000_000,
    cap_multiple=15_000_000,
    cap_floor=0,
    concentration_floor=1,
    tier_rates=(0, 100, 500, 2_000, 10_000),
)
MEMBERS = GuarantyParameters(
    notice_period=7_200, exit_window=2 * 86_400, loss_share=400_000, min_contribution=1_000
)
MEMBERSHIP = FundingParameters(
    member_threshold=2_000 * 10**6, member_ratio=5_000, member_step=2_500, cap_floor=10**30
)
COINS = (
    AssetParameters(decimals=6, haircut=100_000, discount=50_000, collateral_cap=12_000 * 10**6),
    AssetParameters(decimals=18, haircut=20_000, discount=20_000),
    AssetParameters(decimals=18, is_share=True, haircut=150_000, discount=30_000, max_growth=10**6),
    AssetParameters(decimals=2, is_share=True, of_settlement=True, haircut=50_000, discount=10_000),
)
STEPS = 400
SEEDS = (20, 22)
SETTINGS = {
    "two markets": Setting(),
    "18 decimals, three markets": Setting(
        decimals=18, prices=(20_000, 1_500, 3), maturity=3_600, coinsurance=500_000
    ),
    "8 decimals, full coinsurance": Setting(
        decimals=8, coinsurance=1_000_000, maturity=86_400, gap=0.5, gaps=0.3
    ),
    "no fund": Setting(fund_dollars=0, gap=0.4, gaps=0.3, governance=True),
    "tiny fund, few traders": Setting(fund_dollars=1, gap=0.6, gaps=0.4, traders=4, prices=(20_000,)),
    "whole fund behind each market": Setting(
        budget_share=1_000_000, gap=0.5, gaps=0.3, min_notional_dollars=10
    ),
    "many markets": Setting(prices=(20_000, 1_500, 100, 1), traders=12, gap=0.4, gaps=0.2, governance=True),
    "two traders": Setting(prices=(100, 7), traders=2, gap=0.5, gaps=0.3, fund_dollars=100),
    "seldom settled": Setting(traders=3, gap=0.5, gaps=0.4, settling=1, maturity=3_600, fund_dollars=100),
    "funding policy": Setting(funding=POLICY, fund_dollars=1_000, governance=True),
    "funding policy, crashes": Setting(
        decimals=18,
        funding=replace(POLICY, stop_below=0, cap_floor=10**30),
        fund_dollars=100,
        maturity=3_600,
        coinsurance=500_000,
        gap=0.5,
        gaps=0.3,
    ),
    "guaranty fund": Setting(
        funding=MEMBERSHIP, guaranty=MEMBERS, fund_dollars=500, member_share=800_000, coinsurance=200_000
    ),
    "guaranty fund, small insurance": Setting(
        funding=MEMBERSHIP,
        guaranty=replace(MEMBERS, loss_share=1_000_000, loss_window=7_200),
        fund_dollars=20,
        member_dollars=30,
        member_share=1_000_000,
        budget_share=1_000_000,
        gap=0.5,
        gaps=0.4,
        maturity=600,
    ),
    "guaranty fund alone": Setting(
        decimals=18,
        funding=replace(MEMBERSHIP, member_threshold=2_000 * 10**18),
        guaranty=replace(MEMBERS, loss_window=600, min_contribution=1),
        fund_dollars=0,
        member_dollars=1_000,
        member_share=500_000,
        gap=0.5,
        gaps=0.3,
    ),
    "collateral": Setting(assets=COINS, traders=6, gap=0.4, gaps=0.3, budget_share=500_000),
    "collateral, members, 18 decimals": Setting(
        assets=COINS[:3],
        decimals=18,
        guaranty=replace(MEMBERS, loss_share=500_000),
        fund_dollars=500,
        budget_share=1_000_000,
        traders=5,
        gap=0.5,
        gaps=0.3,
        maturity=3_600,
        depegs=0.4,
    ),
    "collateral, 8 decimals, funding policy": Setting(
        assets=COINS, decimals=8, funding=POLICY, fund_dollars=5_000, governance=True, gap=0.4, gaps=0.2
    ),
    "nothing but crashes": Setting(gap=0.7, gaps=0.8, maturity=600, feed_failures=0.05, governance=True),
}
PATHS = {
    "own",
    "own, all of the loss",
    "mutual",
    "mutual, all of the budget",
    "members' full write-off",
    "rejoined after it",
    "income of members",
    "recovered",
    "recovered in steps",
    "recovered of own",
    "recovered of mutual",
    "recovered after a wipe-out",
    "coinsurance",
    "skin",
    "junior",
    "senior",
    "unpaid_profit",
    "remainder",
    "full write-off",
    "multiplier scaled",
    "epochs ended",
    "record kept for its debt",
    "residual added",
    "wipe-out",
    "insolvency",
    "fund bounty",
    "market closed",
    "contribution",
    "debt covered by collateral",
    "second default while one is open",
    "collateral liquidated",
    "collateral of two kinds liquidated",
    "an asset without a price",
    "a sale paid a debt",
    "a sale gave back to a default",
    "a sale gave back to a default in steps",
    "a sale left something for the account",
    "premium",
    "premium collected",
}
REFUSALS = {
    "trade: MembershipRequired",
    "join: GateClosed",
    "join: BelowMinimum",
    "request_exit: NotAMember",
    "release: GateClosed",
    "release: InitialMarginNotMet",
    "release: MembershipRequired",
    "release: NoNotice",
    "release: NotReleasable",
    "recover: NothingToRecover",
    "recover: UnknownDefault",
    "pledge: CapExceeded",
    "pledge: ZeroAmount",
    "take_back: AccountFlagged",
    "take_back: AccountInDebt",
    "take_back: InitialMarginNotMet",
    "take_back: InsufficientCollateral",
    "take_back: OpenDefault",
    "start_sale: NothingToSell",
    "start_sale: SaleRunning",
    "buy_collateral: CostAboveMax",
    "buy_collateral: NoPrice",
    "buy_collateral: NothingToSell",
    "buy_collateral: OwnCollateral",
    "buy_collateral: SaleNotRunning",
    "liquidate: InsufficientCash",
    "liquidate: AccountInDebt",
    "trade: NewRiskStopped",
    "trade: OpenInterestAboveFundCap",
    "post_target: TargetStepTooLarge",
    "post_tiers: TierOutOfBounds",
    "post_tiers: TierTooSoon",
}


@cache
def campaign(name: str, seed: int) -> Campaign:
    run = Campaign(SETTINGS[name], seed)
    run.run(4 * STEPS if run.setting.guaranty or run.setting.assets else STEPS)
    run.finish()
    return run


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", SETTINGS)
def test_every_property_holds_after_every_step(name: str, seed: int) -> None:
    run = campaign(name, seed)
    assert sum(run.done.values()) > STEPS // 4


def test_campaigns_reach_every_path() -> None:
    """Else the campaigns above would prove less than they seem to."""
    runs = [campaign(name, seed) for name in SETTINGS for seed in SEEDS]
    seen, done, refused = counted(runs)
    assert {path for path in PATHS if not seen[path]} == set()
    assert REFUSALS - set(refused) == set()
    assert {action.__name__ for action, _ in runs[0].actions()} - set(done) == set()
