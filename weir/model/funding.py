"""The funding policy (SPECIFICATION.md section 6.1): what the fund should hold, what traders pay for risk.

Amounts are units of S; rates, shares and coverages ppm; times seconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from weir.model.environment import Clock
from weir.model.errors import (
    EvidenceOutOfOrder,
    MembershipRequired,
    NewRiskStopped,
    OpenInterestAboveFundCap,
    TargetStepTooLarge,
    TierOutOfBounds,
    TierTooSoon,
)
from weir.model.fund import Fund
from weir.model.markets import Market
from weir.model.numbers import DAY, MILLION, MOST_OBSERVED, NEW_TIER, WORST_TIER, ceil_div
from weir.model.parameters import FundingParameters


@dataclass(frozen=True)
class Tier:
    """An account's posted tier, when it was posted, and when a post last changed the account's tier."""

    tier: int
    time: int
    moved_at: int | None


@dataclass(frozen=True)
class Exposure:
    """An account in one market as a trade leaves it, its contribution not yet paid."""

    account: str
    new_risk: int  # 1e-18 of the underlying
    size: int  # 1e-18 of the underlying, of the account's position
    open_interest: int  # 1e-18 of the underlying, of the market
    equity: int
    notional: int  # of all the account's positions


@dataclass(frozen=True)
class Contribution:
    """What an account pays for new risk and the four rates it is made of; coverage is None when infinite."""

    amount: int
    scarcity: int
    concentration: int
    leverage: int
    tier_rate: int
    coverage: int | None
    tier: int


@dataclass
class FundingPolicy:
    """Parameters, the notional last observed in each market, and what has been posted with what evidence."""

    clock: Clock
    fund: Fund
    parameters: FundingParameters
    observed: dict[int, int] = field(default_factory=dict)
    posted: int = 0  # the last posted target
    posted_at: int | None = None
    anchor: int = 0  # what posted targets must lie near
    anchored_at: int = 0
    tiers: dict[str, Tier] = field(default_factory=dict)
    target_evidence: int = 0  # block of the last posted target's evidence
    tier_evidence: int = 0  # the same for tiers

    # ---- target and coverage

    def observe(self, market: int, notional: int) -> None:
        self.observed[market] = min(notional, MOST_OBSERVED)

    def notional_with(self, market: int, notional: int) -> int:
        """All markets' notional as a trade sees it that leaves its own market with `notional`."""
        return sum(self.observed.values()) - self.observed.get(market, 0) + notional

    def formula(self, notional: int) -> int:
        """The target without what is posted."""
        return notional * self.parameters.target_ratio // MILLION

    def target(self, notional: int) -> int:
        """What the fund should hold: a posted target only ever raises it, and only so far."""
        most = notional * self.parameters.max_target_ratio // MILLION
        return max(self.formula(notional), min(self._fresh_target(), most))

    def coverage(self, notional: int) -> int | None:
        """assets / target; None (infinite) when the target is 0."""
        target = self.target(notional)
        return self.fund.assets * MILLION // target if target else None

    # ---- what follows from coverage

    def stress(self, coverage: int | None) -> int:
        """From 0 (coverage of stressFrom or more) to MILLION (stopBelow or less)."""
        start, end = self.parameters.stress_from, self.parameters.stop_below
        if coverage is None or coverage >= start:
            return 0
        if coverage <= end:
            return MILLION
        return ceil_div((start - coverage) * MILLION, start - end)

    def fund_share(self, notional: int) -> int:
        """The fund's part of fees, the larger the less the fund has."""
        p, coverage = self.parameters, self.coverage(notional)
        if coverage is None:
            return p.share_min
        share = p.share_at_target + p.share_slope * (MILLION - coverage) // MILLION
        return min(max(share, p.share_min), p.share_max)

    def premium_rate(self) -> int:
        """What open interest pays a year on each side, at the coverage of what has been observed."""
        p, coverage = self.parameters, self.coverage(sum(self.observed.values()))
        return p.premium_min + ceil_div((p.premium_max - p.premium_min) * self.stress(coverage), MILLION)

    def check_growth(self, number: int, market: Market) -> None:
        """What a trade must meet that has raised the market's open interest."""
        p, notional = self.parameters, market.notional(market.open_interest)
        coverage = self.coverage(self.notional_with(number, notional))
        if coverage is not None and coverage < p.stop_below:
            raise NewRiskStopped(coverage, p.stop_below)
        cap = max(p.cap_floor, self.fund.assets * p.cap_multiple // MILLION)
        if notional > cap:
            raise OpenInterestAboveFundCap(number, notional, cap)

    # ---- membership

    def requirement(self, account: str, notional: int) -> int:
        """What an account of this notional must have in the guaranty fund to take new risk."""
        p = self.parameters
        ratio = p.member_ratio + self.tier(account) * p.member_step
        return ceil_div(max(0, notional - p.member_threshold) * ratio, MILLION)

    def _check_membership(self, after: Exposure) -> None:
        balance = self.fund.guaranty.balance(after.account)
        requirement = self.requirement(after.account, after.notional)
        if after.new_risk > 0 and balance < requirement:
            raise MembershipRequired(after.account, balance, requirement)

    # ---- contributions

    def contribution(self, number: int, market: Market, after: Exposure) -> Contribution:
        """What the account pays for the new risk of a trade in the market; no risk, no amount.

        Refused to an account with new risk that is not member enough for the notional it is left with.
        """
        self._check_membership(after)
        tier = self.tier(after.account)
        coverage = self.coverage(self.notional_with(number, market.notional(after.open_interest)))
        scarcity = ceil_div(self.parameters.max_scarcity * self.stress(coverage), MILLION)
        concentration = self._concentration(market, after)
        leverage = self.leverage(after.notional, after.equity)
        tier_rate = self.parameters.tier_rates[tier]
        rate = scarcity + concentration + leverage + tier_rate
        amount = market.requirement(max(0, after.new_risk), rate)
        return Contribution(amount, scarcity, concentration, leverage, tier_rate, coverage, tier)

    def _concentration(self, market: Market, after: Exposure) -> int:
        p = self.parameters
        whole = max(market.notional(after.open_interest), p.concentration_floor)
        mine = ceil_div(after.size * market.price, market.scale)
        share = min(MILLION, ceil_div(mine * MILLION, whole)) if whole else MILLION
        if share <= p.concentration_from:
            return 0
        return ceil_div(p.max_concentration * (share - p.concentration_from), MILLION - p.concentration_from)

    def leverage(self, notional: int, equity: int) -> int:
        """The rate for an account of this notional on this equity."""
        p = self.parameters
        ratio = ceil_div(notional * MILLION, equity) if equity > 0 else p.leverage_to
        if ratio <= p.leverage_from:
            return 0
        if ratio >= p.leverage_to:
            return p.max_leverage
        return ceil_div(p.max_leverage * (ratio - p.leverage_from), p.leverage_to - p.leverage_from)

    def withdrawal(self, notional: int, before: int, after: int) -> int:
        """What a withdrawal pays that takes the equity of an account from `before` to `after`."""
        rise = self.leverage(notional, after) - self.leverage(notional, before)
        return ceil_div(notional * max(0, rise), MILLION)

    def tier(self, account: str) -> int:
        """The posted tier while it is fresh, else that of a newcomer."""
        record = self.tiers.get(account)
        fresh = record is not None and self.clock.time < record.time + self.parameters.tier_lifetime
        return record.tier if record and fresh else NEW_TIER

    # ---- posting

    def _fresh_target(self) -> int:
        """The posted target; 0 once it has gone stale."""
        return self.posted if self.target_is_fresh() else 0

    def target_is_fresh(self) -> bool:
        lifetime = self.parameters.target_lifetime
        return self.posted_at is not None and self.clock.time < self.posted_at + lifetime

    def post_target(self, target: int, notional: int, evidence_block: int) -> None:
        """A target near its anchor; `notional` is that of all markets now."""
        self._check_evidence(evidence_block, self.target_evidence)
        if not self.target_is_fresh() or self.clock.time >= self.anchored_at + DAY:
            self.anchor = max(self.formula(notional), self._fresh_target())
            self.anchored_at = self.clock.time
        step = self.anchor * self.parameters.max_step // MILLION
        low, high = max(0, self.anchor - step), self.anchor + step
        if not low <= target <= high:
            raise TargetStepTooLarge(target, low, high)
        self.posted, self.posted_at = target, self.clock.time
        self.target_evidence = evidence_block

    def post_tiers(self, accounts: Sequence[str], tiers: Sequence[int], evidence_block: int) -> None:
        """Tiers one after the other, each at most one from what the account has."""
        self._check_evidence(evidence_block, self.tier_evidence)
        self.tier_evidence = evidence_block
        for account, tier in zip(accounts, tiers, strict=True):
            self._post_tier(account, tier)

    def _post_tier(self, account: str, tier: int) -> None:
        now, present, last = self.clock.time, self.tier(account), self.tiers.get(account)
        low, high = max(0, present - 1), min(WORST_TIER, present + 1)
        if not low <= tier <= high:
            raise TierOutOfBounds(account, tier, low, high)
        moved_at = last.moved_at if last else None
        if tier != present:
            if moved_at is not None and now < moved_at + DAY:
                raise TierTooSoon(account, moved_at + DAY)
            moved_at = now
        self.tiers[account] = Tier(tier, now, moved_at)

    def _check_evidence(self, block: int, last: int) -> None:
        """Not of the future, nor older than the last one of its kind."""
        if not last <= block <= self.clock.block:
            raise EvidenceOutOfOrder(block, last, self.clock.block)
