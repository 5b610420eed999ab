"""The settlement ledger (SPECIFICATION.md section 2): cash, claims, debt, pools. Amounts are units of S."""

from collections import defaultdict
from dataclasses import dataclass, field

from weir.model.collateral import Collateral
from weir.model.environment import Clock
from weir.model.errors import InsufficientCash
from weir.model.numbers import FULL_WRITE_OFF, ceil_div


@dataclass
class MarketLedger:
    """A market's side of the ledger; the claims index is total_claims / total_units, at most 1."""

    pool: int = 0
    total_claims: int = 0
    total_units: int = 0
    claims_epoch: int = 0
    residual: int = 0
    maturity: int = 0  # seconds
    dust: int = 0  # for the properties only: what full write-offs took beyond what was asked
    burns: int = 0  # for the properties only: each may leave less than one unit of S to the other claims


@dataclass
class Claim:
    """An account's claims in one market; void when its epoch is not the market's."""

    units: int
    epoch: int
    matures_at: int


@dataclass
class Ledger:
    """Cash per account; claims or debt (never both) per account and market; pools per market."""

    clock: Clock
    collateral: Collateral
    markets: list[MarketLedger] = field(default_factory=list)
    cash: defaultdict[str, int] = field(default_factory=lambda: defaultdict(int))
    claims: dict[tuple[str, int], Claim] = field(default_factory=dict)
    debts: dict[tuple[str, int], int] = field(default_factory=dict)
    fees: int = 0
    levies: int = 0  # penalties and contributions

    # ---- what an account has

    def value(self, account: str, market: int) -> int:
        """Value of the account's claims in the market, rounded down."""
        claim, ledger = self.claims.get((account, market)), self.markets[market]
        if claim is None or claim.epoch != ledger.claims_epoch:
            return 0
        return claim.units * ledger.total_claims // ledger.total_units

    def debt(self, account: str, market: int) -> int:
        return self.debts.get((account, market), 0)

    def debt_markets(self, account: str) -> list[int]:
        """Markets in which the account is in debt, rising."""
        return [m for m in range(len(self.markets)) if (account, m) in self.debts]

    def in_debt(self, account: str) -> bool:
        return bool(self.debt_markets(account))

    def net(self, account: str) -> int:
        """cash + value of claims - debt + the value of collateral."""
        booked = sum(self.value(account, m) - self.debt(account, m) for m in range(len(self.markets)))
        return self.cash[account] + booked + self.collateral.value(account)

    # ---- claims

    def _touch(self, account: str, market: int) -> Claim | None:
        """The account's claims, if it has any; void ones are dropped."""
        claim = self.claims.get((account, market))
        if claim is not None and claim.epoch != self.markets[market].claims_epoch:
            del self.claims[account, market]
            return None
        return claim

    def _mint(self, account: str, market: int, amount: int) -> None:
        ledger, value, now = self.markets[market], self.value(account, market), self.clock.time
        claim = self._touch(account, market) or Claim(0, ledger.claims_epoch, matures_at=0)
        waiting = amount * ledger.maturity + value * max(0, claim.matures_at - now)
        claim.matures_at = now + ceil_div(waiting, amount + value)
        fresh = ledger.total_units == 0
        units = amount if fresh else amount * ledger.total_units // ledger.total_claims
        claim.units += units
        ledger.total_units += units
        ledger.total_claims += amount
        self.claims[account, market] = claim

    def _burn(self, account: str, market: int, amount: int) -> None:
        ledger, claim = self.markets[market], self.claims[account, market]
        ledger.burns += 1
        if amount == self.value(account, market):
            units = claim.units
        else:
            units = min(claim.units, ceil_div(amount * ledger.total_units, ledger.total_claims))
        claim.units -= units
        ledger.total_units -= units
        ledger.total_claims -= amount
        if ledger.total_units == 0:
            ledger.dust += ledger.total_claims
            ledger.total_claims = 0
        if claim.units == 0:
            del self.claims[account, market]

    def write_off(self, market: int, amount: int) -> None:
        """All claims of the market bear `amount` pro rata; a rest below 1e-9 of the units goes entirely."""
        ledger = self.markets[market]
        ledger.total_claims -= amount
        if ledger.total_claims * FULL_WRITE_OFF < ledger.total_units:
            ledger.dust += ledger.total_claims
            ledger.total_claims = ledger.total_units = 0
            ledger.claims_epoch += 1

    # ---- settlement

    def settle(self, account: str, market: int, pnl: int) -> None:
        """Books a position's profit or loss.

        Profit bears the residual, repays debt here, then becomes claims. Loss burns claims here, takes cash,
        takes what claims elsewhere convert to, and the rest is debt.
        """
        ledger = self.markets[market]
        if pnl > 0:
            absorbed = min(pnl, ledger.residual)
            ledger.residual -= absorbed
            pnl -= absorbed
            repaid = min(pnl, self.debt(account, market))
            self._reduce_debt(account, market, repaid)
            if pnl > repaid:
                self._mint(account, market, pnl - repaid)
        elif pnl < 0:
            self._take_loss(account, market, -pnl)
        self._convert(account, market)
        self.pay_debts(account)

    def _take_loss(self, account: str, market: int, loss: int) -> None:
        if self._touch(account, market):
            burnt = min(loss, self.value(account, market))
            self._burn(account, market, burnt)
            loss -= burnt
        loss -= self._take_cash(account, market, loss)
        if loss:
            self._convert_all(account)
            loss -= self._take_cash(account, market, loss)
        if loss:
            self.debts[account, market] = self.debt(account, market) + loss

    def _take_cash(self, account: str, market: int, amount: int) -> int:
        taken = min(amount, self.cash[account])
        self.cash[account] -= taken
        self.markets[market].pool += taken
        return taken

    def _convert(self, account: str, market: int) -> None:
        """Claims into cash at par, as far as the pool goes, once they have matured."""
        ledger, claim = self.markets[market], self._touch(account, market)
        if claim and ledger.pool and self.clock.time >= claim.matures_at:
            paid = min(self.value(account, market), ledger.pool)
            self._burn(account, market, paid)
            ledger.pool -= paid
            self.cash[account] += paid

    def _convert_all(self, account: str) -> None:
        for market in range(len(self.markets)):
            self._convert(account, market)

    def convert(self, account: str) -> None:
        """Turns what claims of the account can be turned into cash, and pays its debts from it."""
        self._convert_all(account)
        self.pay_debts(account)

    def pay_debts(self, account: str) -> None:
        for market in self.debt_markets(account):
            paid = self._take_cash(account, market, self.debt(account, market))
            self._reduce_debt(account, market, paid)

    def _reduce_debt(self, account: str, market: int, amount: int) -> None:
        rest = self.debt(account, market) - amount
        if rest:
            self.debts[account, market] = rest
        else:
            self.debts.pop((account, market), None)

    # ---- cash

    def credit(self, account: str, amount: int) -> None:
        """Cash for S that has just arrived; the account's debts are paid from it first."""
        self.cash[account] += amount
        self.pay_debts(account)

    def debit(self, account: str, amount: int) -> None:
        if amount > self.cash[account]:
            raise InsufficientCash(account, self.cash[account], amount)
        self.cash[account] -= amount

    def transfer(self, source: str, to: str, amount: int) -> None:
        self.debit(source, amount)
        self.credit(to, amount)

    def charge_fee(self, account: str, amount: int) -> None:
        self.debit(account, amount)
        self.fees += amount

    def charge_penalty(self, account: str, amount: int) -> int:
        """Takes the penalty as far as the account's cash goes; returns what was paid."""
        paid = min(amount, self.cash[account])
        self.charge_contribution(account, paid)
        return paid

    def charge_contribution(self, account: str, amount: int) -> None:
        self.debit(account, amount)
        self.levies += amount

    # ---- loss

    def resolve_debt(
        self, account: str, market: int, shortfall: int, from_profit: int, from_fund: int
    ) -> None:
        """Takes a shortfall off the account's debt: a write-off of claims, and S from the fund."""
        self._reduce_debt(account, market, shortfall)
        self.write_off(market, from_profit)
        self.markets[market].pool += from_fund

    def collect(self, own: str) -> tuple[int, int, int]:
        """Hands over fees, levies, and the cash of the fund's own account, whose claims convert first."""
        self.convert(own)
        taken = self.fees, self.levies, self.cash[own]
        self.fees = self.levies = self.cash[own] = 0
        return taken
