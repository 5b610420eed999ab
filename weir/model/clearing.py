"""Accounts below maintenance margin (SPECIFICATION.md section 4): flag, liquidate, deleverage."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weir.model import errors
from weir.model.house import FUND, VAULT, Flag, Health
from weir.model.numbers import MAX_POSITIONS, MILLION, WAD, ceil_div, trunc_div
from weir.model.trading import Trading


@dataclass
class ClearingHouse(Trading):
    """The whole clearing house."""

    # ---- flag

    def flag(self, account: str) -> None:
        """Sets, clears, or marks the account's flag as its equity says; reverts when nothing changes."""
        self._refresh_all(account)
        health, flag = self.health(account), self.flags.get(account)
        before = replace(flag) if flag else None
        if health.equity >= health.initial:
            self.flags.pop(account, None)
        elif flag is None and health.equity < health.maintenance:
            self.flags[account] = Flag(self.clock.time)
        self._mark(account, health.equity)
        if self.flags.get(account) == before:
            raise errors.NothingToFlag(account, health.equity, health.maintenance)

    def _mark(self, account: str, equity: int) -> None:
        if account in self.flags:
            self.flags[account].insolvent = equity < 0

    def _flagged(self, account: str) -> Flag:
        if account not in self.flags:
            raise errors.AccountNotFlagged(account)
        return self.flags[account]

    # ---- liquidate

    def liquidate(self, liquidator: str, account: str, fraction: int, accounts: Sequence[str]) -> None:
        """The liquidator takes over a fraction (WAD = all) of the account at the mark, for a bounty."""
        if fraction == 0:
            raise errors.ZeroSize
        self.settle(accounts)
        self._settle_all(account)
        flag = self._flagged(account)
        if liquidator == account:
            raise errors.SelfTrade(account)
        if liquidator in self.flags:
            raise errors.AccountFlagged(liquidator)
        health = self.health(account)
        if health.equity >= health.initial:
            raise errors.NotLiquidatable(account, health.equity, health.initial)
        if not self.open_markets(account):
            raise errors.NothingToLiquidate(account)

        parameters = self.liquidation
        rate = self._bounty_rate(self.clock.time - flag.time)
        fraction = min(fraction, self._fraction_cap(health, rate + parameters.penalty))
        fraction = self._without_dust(fraction, health.notional)
        sizes = {m: self.signed_size(account, m) for m in self.open_markets(account)}
        taken = {m: _part(size, fraction) for m, size in sizes.items()}
        notionals = {m: self.markets[m].notional(abs(x)) for m, x in taken.items()}
        self._sell_collateral(account, liquidator, fraction)
        self._pay_bounties(account, liquidator, {m: n * rate // MILLION for m, n in notionals.items()})
        self._charge_penalty(account, sum(n * parameters.penalty // MILLION for n in notionals.values()))
        if fraction == WAD:
            self._resolve(account)

        self._refresh_all(liquidator)
        for number in sorted(self.positions[account]):
            if part := taken.get(number, 0):
                self._settle_one(liquidator, number)
                pair = (liquidator, account) if part > 0 else (account, liquidator)
                self._move(number, *pair, abs(part))
            elif fraction == WAD:
                self._empty(account, number)
        self._check_liquidator(liquidator)
        self._after_sale(account)

    def _bounty_rate(self, waited: int) -> int:
        p = self.liquidation
        if p.auction_duration == 0:
            return p.bounty_max
        rise = (p.bounty_max - p.bounty_start) * min(waited, p.auction_duration)
        return p.bounty_start + rise // p.auction_duration

    def _fraction_cap(self, health: Health, rate: int) -> int:
        """What restores initial margin after bounty and penalty."""
        cost = ceil_div(health.notional * rate, MILLION)
        if health.initial <= cost or health.equity <= 0:
            return WAD
        return min(WAD, ceil_div((health.initial - health.equity) * WAD, health.initial - cost))

    def _without_dust(self, fraction: int, notional: int) -> int:
        """A piece is at least minNotional and leaves at least minNotional, or it is everything."""
        minimum = self.liquidation.min_notional
        if notional * fraction < minimum * WAD:
            fraction = min(WAD, ceil_div(minimum * WAD, notional)) if notional else WAD
        if notional * (WAD - fraction) < minimum * WAD:
            fraction = WAD
        return fraction

    def _sell_collateral(self, account: str, liquidator: str, fraction: int) -> None:
        """The liquidator buys a fraction of the account's collateral, at its discount."""
        cost = self.ledger.collateral.take(account, liquidator, fraction)
        if cost == 0:
            return
        self.check_free(liquidator)
        self.ledger.transfer(liquidator, account, cost)

    def _pay_bounties(self, account: str, liquidator: str, bounties: dict[int, int]) -> None:
        due = sum(bounties.values())
        paid = min(due, self.ledger.cash[account])
        self.ledger.transfer(account, liquidator, paid)
        self.tally.bounties += paid
        self.tally.to_liquidators += paid
        due -= paid
        if self.ledger.net(account) > 0:
            return
        for number, bounty in bounties.items():
            asked = min(due, bounty)
            if asked:
                paid = self.fund.pay_bounty(number, asked)
                self.token.move(FUND, VAULT, paid)
                self.ledger.credit(liquidator, paid)
                self.tally.fund_bounties += paid
                due -= paid

    def _charge_penalty(self, account: str, penalty: int) -> None:
        self.tally.penalties += self.ledger.charge_penalty(account, penalty)

    def _check_liquidator(self, liquidator: str) -> None:
        health = self.health(liquidator)
        if len(self.positions[liquidator]) > MAX_POSITIONS:
            raise errors.TooManyPositions(liquidator, MAX_POSITIONS)
        if health.equity < health.initial:
            raise errors.InitialMarginNotMet(liquidator, health.equity, health.initial)
        self.check_free(liquidator)

    def _after_sale(self, account: str) -> None:
        health = self.health(account)
        if health.equity >= health.initial or not self.open_markets(account):
            del self.flags[account]
        else:
            self._mark(account, health.equity)

    # ---- deleverage

    def deleverage(self, account: str, accounts: Sequence[str]) -> None:
        """Closes the account at the mark against the opposing open interest, pro rata."""
        self.settle(accounts)
        self._settle_all(account)
        flag, health, mine = self._flagged(account), self.health(account), self.open_markets(account)
        if health.equity >= health.maintenance:
            raise errors.NotLiquidatable(account, health.equity, health.maintenance)
        if not mine:
            raise errors.NothingToLiquidate(account)
        ends_at = flag.time + self.liquidation.auction_duration
        fund_is_dry = health.equity < 0 and any(self.fund.available(m) == 0 for m in mine)
        if self.clock.time <= ends_at and not fund_is_dry:
            raise errors.AuctionStillRunning(account, ends_at)
        self._charge_penalty(account, health.notional * self.liquidation.penalty // MILLION)
        self._resolve(account)
        for number in sorted(self.positions[account]):
            market, size = self.markets[number], self.signed_size(account, number)
            if size:
                market.deleverage(-1 if size > 0 else 1, abs(size))
            self._empty(account, number)
        del self.flags[account]


def _part(signed_size: int, fraction: int) -> int:
    """The fraction of a signed size, rounded toward zero."""
    return trunc_div(signed_size * fraction, WAD)
