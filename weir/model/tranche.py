"""A tranche of the fund (SPECIFICATION.md section 6): ERC-4626 shares, 6 extra decimals, redeemed in batches.

The layer's `balance` lies in the fund; priced batches' S lies with the tranche. What the layer has advanced
for skin (section 6.3) is gone from the balance, and still its shareholders'.
"""

from collections import defaultdict
from dataclasses import dataclass, field

from weir.model.errors import (
    ClaimExceeded,
    EpochNotOver,
    InsufficientAllowance,
    InsufficientShares,
    NotOwnerOrOperator,
    ZeroAmount,
    ZeroShares,
)
from weir.model.numbers import SHARE_OFFSET, ceil_div

UNLIMITED = 2**256 - 1  # an allowance that is not used up


@dataclass
class Batch:
    """Shares requested in one batch and, once priced, the assets they are worth."""

    shares: int = 0
    assets: int = 0
    priced: bool = False


@dataclass
class Tranche:
    """Shares, balances (requested shares excluded), batches, and requests by (batch, controller)."""

    name: str
    epoch_duration: int  # seconds
    last_roll_at: int
    balance: int = 0  # units of S
    advanced: int = 0  # units of S that skin owes it
    supply: int = 0
    share_epoch: int = 0
    current_batch: int = 1
    shares: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    batches: defaultdict[int, Batch] = field(default_factory=lambda: defaultdict(Batch))
    requests: dict[tuple[int, str], int] = field(default_factory=dict)
    allowances: dict[tuple[str, str], int] = field(default_factory=dict)  # by (owner, spender)
    operators: dict[tuple[str, str], bool] = field(default_factory=dict)  # (controller, operator)
    rounded_off: int = 0  # for the properties only: at most what claims have left here
    written_off: int = 0  # for the properties only: advances that were lost

    @property
    def assets(self) -> int:
        """What the shares stand for."""
        return self.balance + self.advanced

    def to_shares(self, assets: int) -> int:
        return assets * (self.supply + SHARE_OFFSET) // (self.assets + 1)

    def to_assets(self, shares: int) -> int:
        return shares * (self.assets + 1) // (self.supply + SHARE_OFFSET)

    def deposit(self, assets: int, receiver: str) -> int:
        """Mints shares for assets that join the layer; returns the shares, rounded down."""
        if assets == 0:
            raise ZeroAmount
        shares = self.to_shares(assets)
        if shares == 0:
            raise ZeroShares
        self.shares[receiver] += shares
        self.supply += shares
        self.balance += assets
        return shares

    # ---- by others

    def approve(self, owner: str, spender: str, shares: int) -> None:
        self.allowances[owner, spender] = shares

    def spend_allowance(self, owner: str, spender: str, shares: int) -> None:
        """Takes shares off an allowance, which one without limit does not notice."""
        allowed = self.allowances.get((owner, spender), 0)
        if allowed == UNLIMITED:
            return
        if allowed < shares:
            raise InsufficientAllowance(spender, allowed, shares)
        self.allowances[owner, spender] = allowed - shares

    def require_operator(self, controller: str, caller: str) -> None:
        if caller != controller and (controller, caller) not in self.operators:
            raise NotOwnerOrOperator(caller, controller)

    # ---- in and out

    def mint(self, shares: int, receiver: str) -> int:
        """Deposit by the number of shares; returns the assets, rounded up."""
        if shares == 0:
            raise ZeroShares
        assets = ceil_div(shares * (self.assets + 1), self.supply + SHARE_OFFSET)
        if assets == 0:
            raise ZeroAmount
        self.shares[receiver] += shares
        self.supply += shares
        self.balance += assets
        return assets

    def request_redeem(self, owner: str, shares: int, controller: str) -> int:
        """Puts shares into the current batch; returns its id. They bear losses until priced."""
        if shares == 0:
            raise ZeroShares
        if shares > self.shares[owner]:
            raise InsufficientShares(owner, self.shares[owner], shares)
        self.shares[owner] -= shares
        batch = self.current_batch
        self.batches[batch].shares += shares
        self.requests[batch, controller] = self.requests.get((batch, controller), 0) + shares
        return batch

    def roll(self, now: int) -> int:
        """Prices the batch before the current one, starts the next; returns the assets leaving the layer."""
        if now < self.last_roll_at + self.epoch_duration:
            raise EpochNotOver(self.last_roll_at + self.epoch_duration)
        batch = self.batches[self.current_batch - 1]
        batch.assets = self.to_assets(batch.shares)
        batch.priced = True
        self.supply -= batch.shares
        self.balance -= batch.assets
        self.current_batch += 1
        self.last_roll_at = now
        return batch.assets

    def claim(self, controller: str, shares: int | None = None) -> int:
        """Takes priced shares of the controller's, oldest first, all by default; returns the assets."""
        ready = self._ready(controller)
        if shares is None:
            if not ready:
                raise ZeroShares
            shares = sum(self.requests[key] for key in ready)
        wanted, paid = shares, 0
        for key in ready:
            taken = min(shares, self.requests[key])
            if taken:
                shares -= taken
                paid += self._worth(key[0], taken)
                self._take(key, taken)
        if shares:
            raise ClaimExceeded(wanted, wanted - shares)
        return paid

    def claim_assets(self, controller: str, assets: int) -> int:
        """Takes assets out of priced requests, oldest first; returns the shares, rounded up in a part."""
        wanted, gone = assets, 0
        for key in self._ready(controller):
            batch, all_of_it = self.batches[key[0]], self._worth(key[0], self.requests[key])
            if not assets:
                break
            taken = (
                self.requests[key] if assets >= all_of_it else ceil_div(assets * batch.shares, batch.assets)
            )
            if assets < all_of_it:
                self.rounded_off += ceil_div(batch.assets, batch.shares)
            assets -= min(assets, all_of_it)
            gone += taken
            self._take(key, taken)
        if assets:
            raise ClaimExceeded(wanted, wanted - assets)
        return gone

    def _ready(self, controller: str) -> list[tuple[int, str]]:
        """The controller's priced requests, oldest first."""
        return sorted(key for key in self.requests if key[1] == controller and self.batches[key[0]].priced)

    def _worth(self, number: int, shares: int) -> int:
        """What shares of a priced batch have become, rounded down."""
        batch = self.batches[number]
        return shares * batch.assets // batch.shares

    def _take(self, key: tuple[int, str], shares: int) -> None:
        self.rounded_off += 1
        self.requests[key] -= shares
        if not self.requests[key]:
            del self.requests[key]

    def transfer(self, owner: str, to: str, shares: int) -> None:
        if shares > self.shares[owner]:
            raise InsufficientShares(owner, self.shares[owner], shares)
        self.shares[owner] -= shares
        self.shares[to] += shares

    # ---- loss and advances

    def lose(self, amount: int) -> int:
        """Takes up to `amount` from the layer; the last of its assets voids all shares."""
        lost = min(amount, self.balance)
        self.balance -= lost
        if lost and self.assets == 0:
            self._wipe_out()
        return lost

    def advance(self, amount: int) -> int:
        """Pays up to `amount` in skin's place; returns what it paid."""
        paid = min(amount, self.balance)
        self.balance -= paid
        self.advanced += paid
        return paid

    def repay(self, amount: int) -> int:
        """Takes back up to `amount` of what it has advanced; returns what it took."""
        repaid = min(amount, self.advanced)
        self.advanced -= repaid
        self.balance += repaid
        return repaid

    def write_off(self) -> None:
        """Loses what it has advanced; without anything else, its shares are void."""
        lost, self.advanced = self.advanced, 0
        self.written_off += lost
        if lost and self.assets == 0:
            self._wipe_out()

    def _wipe_out(self) -> None:
        """Voids all shares, requested ones included."""
        self.share_epoch += 1
        self.supply = 0
        self.shares.clear()
        for number in (self.current_batch - 1, self.current_batch):
            if not self.batches[number].priced:
                self.batches[number].shares = 0
        self.requests = {key: s for key, s in self.requests.items() if self.batches[key[0]].priced}
