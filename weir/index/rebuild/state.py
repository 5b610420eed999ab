"""What events make of everything: plain records, amounts in units of S unless said otherwise.

Sizes are 1e-18 of an underlying, prices 1e-18 of a dollar, ratios ppm, times Unix seconds, as on the chain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from weir.model.numbers import ONE_A, size_scale

__all__ = [
    "Account",
    "Asset",
    "Batch",
    "Claim",
    "Default",
    "Fund",
    "Guaranty",
    "Market",
    "Member",
    "Policy",
    "Position",
    "Request",
    "Side",
    "State",
    "Tranche",
    "TrancheName",
]

TrancheName = Literal["junior", "senior"]

Struct = dict[str, Any]
"""Parameters by their names in the contract."""


@dataclass(slots=True)
class Side:
    """A side of a market: K = base +/- multiplier x V; `finals`: K at the end of each past epoch."""

    multiplier: int = ONE_A
    epoch: int = 0
    positions: int = 0
    base: int = 0
    finals: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class Market:
    """A market, its ledger in the vault, and what the funds may still pay for it.

    `status` is 1 while open, 2 when closed (0: not added yet). `observed` is the notional that the policy
    noted last. Of the insurance fund's budget opened in `budget_window`, and of the members' loss budget of
    `loss_window`, so much is left.
    """

    symbol: str = ""
    status: int = 0
    price: int = 0
    open_interest: int = 0
    value_index: int = 0
    premium: int = 0
    last_premium: int = 0
    updated_at: int = 0
    updated_block: int = 0
    long: Side = field(default_factory=Side)
    short: Side = field(default_factory=Side)
    parameters: Struct = field(default_factory=dict)
    pool: int = 0
    claims: int = 0
    claim_units: int = 0
    claims_epoch: int = 0
    residual: int = 0
    maturity: int = 0
    observed: int = 0
    budget_share: int = 0
    coinsurance: int = 0
    budget_left: int = 0
    budget_window: int = 0
    loss_left: int = 0
    loss_window: int = 0

    def side(self, is_short: bool) -> Side:
        return self.short if is_short else self.long

    def index(self, is_short: bool) -> int:
        """K of a side now."""
        side = self.side(is_short)
        scaled = side.multiplier * self.value_index
        return side.base - scaled if is_short else side.base + scaled


@dataclass(slots=True)
class Claim:
    """Unpaid profit in a market: units of its claims, void where the epoch is not the market's."""

    units: int
    epoch: int
    matures_at: int


@dataclass(slots=True)
class Position:
    """A record; `size` is that of when it last stood at its side's multiplier and index."""

    size: int
    multiplier: int
    epoch: int
    is_short: bool
    index: int


@dataclass(slots=True)
class Member:
    """In the guaranty fund: units, and those noticed, from when they may leave (0: no notice)."""

    units: int = 0
    epoch: int = 0
    noticed: int = 0
    opens_at: int = 0


@dataclass(slots=True)
class Account:
    """`claims`, `debts` and `positions` by market, `held` by asset (units of its token).

    `defaults` are those noted while it held collateral. `tier_at` is 0 where none was ever posted.
    """

    known: bool = False
    cash: int = 0
    flagged_at: int = 0
    insolvent: bool = False
    generation: int = 0
    claims: dict[int, Claim] = field(default_factory=dict)
    debts: dict[int, int] = field(default_factory=dict)
    positions: dict[int, Position] = field(default_factory=dict)
    held: dict[int, int] = field(default_factory=dict)
    sale_at: int = 0
    defaults: list[int] = field(default_factory=list)
    tier: int = 0
    tier_at: int = 0
    member: Member = field(default_factory=Member)


@dataclass(slots=True)
class Default:
    """A default's record as the fund keeps it, and what has come back."""

    record: Struct
    remainder: int
    recovered: int = 0

    @property
    def recoverable(self) -> int:
        """What layers with names paid."""
        r = self.record
        return int(r["own"] + r["skin"] + r["junior"] + r["senior"] + r["mutual"])


@dataclass(slots=True)
class Fund:
    """The insurance fund's book as its contract keeps it: `unvested` vests over `remaining` seconds from
    `since` on. `advanced_*` is what skin owes to a tranche.
    """

    skin: int = 0
    unvested: int = 0
    since: int = 0
    remaining: int = 0
    junior: int = 0
    senior: int = 0
    advanced_junior: int = 0
    advanced_senior: int = 0
    parameters: Struct = field(default_factory=dict)
    defaults: list[Default] = field(default_factory=list)

    @property
    def total(self) -> int:
        """S."""
        return self.skin + self.unvested + self.junior + self.senior


@dataclass(slots=True)
class Batch:
    """Redemptions of one epoch: `priced` ones are worth `assets`."""

    shares: int = 0
    share_epoch: int = 0
    assets: int = 0
    priced: bool = False


@dataclass(slots=True)
class Request:
    """What a controller has asked for in a batch, and not claimed yet."""

    batch: int
    shares: int
    share_epoch: int


@dataclass(slots=True)
class Tranche:
    """Shares of the present share epoch by holder, batches by number, requests by controller, oldest first.

    `shared`: the fund knows of somebody who holds shares, so income vests.
    """

    balances: dict[str, int] = field(default_factory=dict)
    supply: int = 0
    share_epoch: int = 0
    shared: bool = False
    epoch_duration: int = 0
    last_roll_at: int = 0
    batch: int = 1
    batches: dict[int, Batch] = field(default_factory=dict)
    requests: dict[str, list[Request]] = field(default_factory=dict)


@dataclass(slots=True)
class Guaranty:
    """The guaranty fund; its members are the accounts'."""

    total: int = 0
    units: int = 0
    epoch: int = 0
    parameters: Struct = field(default_factory=dict)


@dataclass(slots=True)
class Policy:
    """The funding policy: its parameters, and the target that was posted last."""

    parameters: Struct = field(default_factory=dict)
    posted: int = 0
    posted_at: int = 0
    reserve: int = 0
    """What the reserve counted for when the policy last looked, with what was bought and sold since."""


@dataclass(slots=True)
class Asset:
    """Another stablecoin: units pledged by all accounts, units in the reserve, the reserve's last auction."""

    token: str = ""
    parameters: Struct = field(default_factory=dict)
    rate: int = 0
    since: int = 0
    pledged: int = 0
    reserve: int = 0
    auction_at: int = 0
    buying: bool = False


@dataclass(slots=True)
class State:
    """Everything, after the events of `block` up to `log_index`; `time` is that block's. `events` so far."""

    decimals: int
    fund_address: str
    junior_address: str
    senior_address: str
    block: int = 0
    log_index: int = -1
    time: int = 0
    events: int = 0
    fees: int = 0
    levies: int = 0
    paused_until: int = 0
    insolvencies: int = 0
    liquidation: Struct = field(default_factory=dict)
    conversion: Struct = field(default_factory=dict)
    sequencer: Struct = field(default_factory=dict)
    feeds: dict[int, Struct] = field(default_factory=dict)
    markets: dict[int, Market] = field(default_factory=dict)
    accounts: dict[str, Account] = field(default_factory=dict)
    assets: dict[int, Asset] = field(default_factory=dict)
    fund: Fund = field(default_factory=Fund)
    junior: Tranche = field(default_factory=Tranche)
    senior: Tranche = field(default_factory=Tranche)
    guaranty: Guaranty = field(default_factory=Guaranty)
    policy: Policy = field(default_factory=Policy)

    @property
    def scale(self) -> int:
        """size x price / scale is an amount of S."""
        return size_scale(self.decimals)

    def account(self, address: str) -> Account:
        """An account, made where there is none yet."""
        found = self.accounts.get(address)
        if found is None:
            found = self.accounts[address] = Account()
        return found

    def market(self, number: int) -> Market:
        """A market, made where there is none yet."""
        found = self.markets.get(number)
        if found is None:
            found = self.markets[number] = Market()
        return found

    def tranche(self, name: TrancheName) -> Tranche:
        return self.junior if name == "junior" else self.senior

    def tranche_at(self, address: str) -> TrancheName:
        return "junior" if address == self.junior_address else "senior"
