"""What the client reads, as values: a market, an account, the funds, a default, the sums behind P1 to P3.

All in the units of the chain, as `weir.client` says.
"""

from __future__ import annotations

from dataclasses import dataclass

__all__ = [
    "AccountState",
    "Actions",
    "Charge",
    "Contribution",
    "DefaultRecord",
    "FundState",
    "GuarantyState",
    "Identities",
    "LossBudget",
    "MarketBooks",
    "MarketState",
    "MemberState",
    "PositionState",
    "Recovered",
    "SideState",
    "TrancheState",
]


@dataclass(frozen=True, slots=True)
class SideState:
    """One side of a market: its size multiplier (1e36 = one), epoch, number of live positions, index K."""

    multiplier: int
    epoch: int
    positions: int
    index: int


@dataclass(frozen=True, slots=True)
class MarketState:
    """A market as a refresh would leave it now, its ledger, its parameters, and what the fund may pay for it.

    `stored_price` is the mark of the last refresh; `feed_price` (0 when it can't be read) is the oracle's,
    good where `feed_status` is "ok". `notional` is one side's, `premium_rate` ppm of it a year, from each
    side to the fund. `claims` is all unpaid profit.
    """

    id: int
    symbol: str
    status: str
    price: int
    stored_price: int
    feed_price: int
    feed_status: str
    feed_updated_at: int
    open_interest: int
    notional: int
    value_index: int
    premium: int
    funding_rate: int
    updated_at: int
    long: SideState
    short: SideState
    pool: int
    claims: int
    claims_epoch: int
    residual: int
    maturity: int
    initial_margin_ratio: int
    maintenance_margin_ratio: int
    maker_fee: int
    taker_fee: int
    price_band: int
    max_funding_rate: int
    funding_period: int
    max_open_interest: int
    premium_rate: int
    budget_share: int
    coinsurance: int
    budget_left: int
    available: int


@dataclass(frozen=True, slots=True)
class PositionState:
    """An account's position in one market: signed size (long positive), unsettled profit, notional.

    One that is not `live` lost its size with its side's epoch; only its profit or loss is left to settle.
    """

    market: int
    size: int
    unsettled: int
    notional: int
    live: bool


@dataclass(frozen=True, slots=True)
class AccountState:
    """An account at the prices of now: equity = cash + claims - debt + collateral + unsettled.

    `collateral` is what its other stablecoins count for (`Weir.assets` has which they are). `flagged_at` is 0
    while it is not flagged; `priced` is false where an open market it is in has no price.
    """

    address: str
    cash: int
    claims: int
    debt: int
    collateral: int
    net: int
    unsettled: int
    equity: int
    initial_margin: int
    maintenance_margin: int
    notional: int
    flagged_at: int
    insolvent: bool
    priced: bool
    positions: tuple[PositionState, ...]

    @property
    def margin_used(self) -> float | None:
        """Maintenance margin over equity, from 1.0 on liable to be flagged; None without equity."""
        return self.maintenance_margin / self.equity if self.equity > 0 else None


@dataclass(frozen=True, slots=True)
class Actions:
    """What anyone may do with an account now (`ILens.Actions`); `bounty_rate`: ppm of what is taken over."""

    address: str
    settle: bool
    flag: bool
    unflag: bool
    mark: bool
    liquidate: bool
    deleverage: bool
    bounty_rate: int
    equity: int
    initial_margin: int
    maintenance_margin: int
    notional: int
    flagged_at: int

    @property
    def any(self) -> bool:
        """Whether there is anything to do."""
        return self.settle or self.flag or self.unflag or self.mark or self.liquidate or self.deleverage


@dataclass(frozen=True, slots=True)
class TrancheState:
    """A tranche of the fund; `share_price` in units of the settlement token for one whole share.

    `requested` shares joined the current batch, `noticed` the one before it, which may be priced from
    `rolls_from`.
    """

    address: str
    assets: int
    shares: int
    share_price: int
    share_epoch: int
    batch: int
    rolls_from: int
    requested: int
    noticed: int


@dataclass(frozen=True, slots=True)
class GuarantyState:
    """The guaranty fund: what its members have together (`total`), and its parameters.

    A balance is held in units at the index total / units; `epoch` is the number of wipe-outs. Of `total`, a
    market may cost at most `loss_share` (ppm) in a window of `loss_window` seconds.
    """

    total: int
    units: int
    epoch: int
    min_contribution: int
    notice_period: int
    exit_window: int
    loss_window: int
    loss_share: int


@dataclass(frozen=True, slots=True)
class MemberState:
    """What an account has in the guaranty fund, and what its positions ask for.

    `noticed` of the balance is to leave, from `opens_at` on and before `closes_at` (0 without a notice).
    While anything is `owed` of the `requirement`, the account may not take new risk.
    """

    address: str
    balance: int
    noticed: int
    opens_at: int
    closes_at: int
    notional: int
    tier: int
    requirement: int
    owed: int


@dataclass(frozen=True, slots=True)
class LossBudget:
    """What members may still pay for a market in this window: what is `left` of its budget."""

    market: int
    window: int
    left: int


@dataclass(frozen=True, slots=True)
class FundState:
    """The insurance fund with what has vested by now, and what its funding policy makes of that.

    `coverage`: ppm of the target; None while that is 0. `fund_share`: ppm of fees; `premium_rate`: ppm of
    notional a year, each side; `scarcity`: ppm of new notional; `open_interest_cap`: notional of one market.
    `skin`, `junior` and `senior` are S; `reserve` is what skin's other assets count for, and `advanced_*`
    what the tranches have paid of that already. `assets` are without the guaranty fund's.
    """

    skin: int
    unvested: int
    junior: int
    senior: int
    reserve: int
    advanced_junior: int
    advanced_senior: int
    assets: int
    target: int
    coverage: int | None
    stress: int
    fund_share: int
    premium_rate: int
    scarcity: int
    open_interest_cap: int
    posted_target: int
    posted_at: int
    fresh: bool
    gate_open: bool
    insolvencies: int
    defaults: int
    stream_since: int
    stream_end: int
    junior_tranche: TrancheState
    senior_tranche: TrancheState
    guaranty: GuarantyState


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a trade costs an account beyond its fee, and why (`IFundingPolicy.Contribution`).

    `amount` is the new notional at the sum of `scarcity`, `concentration`, `leverage` and `tier_rate`, in ppm
    each. `coverage` is that after the trade, ppm; None where the fund need hold nothing. Tiers go from 0, the
    best, to 4.
    """

    amount: int
    scarcity: int
    concentration: int
    leverage: int
    tier_rate: int
    coverage: int | None
    tier: int

    @property
    def rate(self) -> int:
        """ppm of the new notional."""
        return self.scarcity + self.concentration + self.leverage + self.tier_rate


@dataclass(frozen=True, slots=True)
class Charge:
    """A contribution that an account paid, with its factors in ppm.

    For new risk in `market`, of the new notional; for the leverage that a withdrawal added (`market` is
    None), of the account's whole notional.
    """

    account: str
    block: int
    transaction: str
    market: int | None
    amount: int
    scarcity: int
    concentration: int
    leverage: int
    tier_rate: int


@dataclass(frozen=True, slots=True)
class DefaultRecord:
    """What one default cost, and which layer paid what; the remainder was charged to open interest.

    `own` is the defaulter's guaranty contribution, `mutual` those of the other members; `recovered` has come
    back of what the layers with names paid.
    """

    id: int
    account: str
    market: int
    time: int
    shortfall: int
    own: int
    coinsurance: int
    skin: int
    junior: int
    senior: int
    mutual: int
    unpaid_profit: int
    remainder: int
    recovered: int


@dataclass(frozen=True, slots=True)
class Recovered:
    """What has come `back` of a default's cost, and what can still (`open`)."""

    back: int
    open: int


@dataclass(frozen=True, slots=True)
class MarketBooks:
    """The figures of P2 and P3 in one market, summed over all accounts."""

    market: int
    pool: int
    residual: int
    claims: int
    debt: int
    unsettled: int
    open_interest: int
    accrued: int
    long_size: int
    short_size: int

    @property
    def surplus(self) -> int:
        """P2: pool + residual - claims - unsettled + debt; what is below 0 is rounding slack.

        `accrued` premium will be the fund's claims with the next refresh.
        """
        return self.pool + self.residual - self.claims - self.accrued - self.unsettled + self.debt

    @property
    def mismatch(self) -> int:
        """P3: the larger difference between open interest and one side's sizes, 1e-18 of the underlying."""
        return max(abs(self.open_interest - self.long_size), abs(self.open_interest - self.short_size))


@dataclass(frozen=True, slots=True)
class Identities:
    """The figures of P1, and of P2 and P3 by market, all at one block."""

    block: int
    accounts: int
    held: int
    cash: int
    pools: int
    fees: int
    levies: int
    markets: tuple[MarketBooks, ...]

    @property
    def donations(self) -> int:
        """P1: what the vault holds beyond its books; below 0 it would owe what it does not have."""
        return self.held - self.cash - self.pools - self.fees - self.levies
