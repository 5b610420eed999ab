"""What a keeper sees of the chain, in one reading: all of it as the next transaction will find it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from weir.client import AccountState, Actions, FundState, MarketState, Weir

__all__ = ["Reader", "Rules", "View"]


class Rules(NamedTuple):
    """What liquidations go by: ppm of notional, the smallest piece in units of S, and 10^(36 - decimals
    of S).
    """

    penalty: int
    min_notional: int
    scale: int


@dataclass(frozen=True, slots=True)
class View:
    """One reading. `time` is the next block's at the earliest; `uncollected`: what the fund would take out of
    the vault now, units of S.

    `accounts` has the keeper's own, all for which something may be done, and, where a loss is about to be
    shared, everybody.
    """

    block: int
    time: int
    rules: Rules
    markets: tuple[MarketState, ...]
    findings: tuple[Actions, ...]
    accounts: dict[str, AccountState]
    fund: FundState
    uncollected: int


class Reader:
    """Reads views for any number of keepers; most of a block is read once for all of them."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self._rules: Rules | None = None
        self._last: View | None = None

    def read(self, own: str) -> View:
        """The chain now, for the keeper whose account is `own`."""
        header = self.weir.chain.block()
        block, time = int(header["number"], 16), int(header["timestamp"], 16) + 1
        if self._last is None or (self._last.block, self._last.time) != (block, time):
            self._last = self._read(block, time)
        view = self._last
        if own not in view.accounts:
            (account,) = self.weir.accounts([own], block="pending")
            view.accounts[own] = account
        return view

    def _read(self, block: int, time: int) -> View:
        weir = self.weir
        findings = weir.actionable(block="pending")
        # Winners are named where a loss is about to be shared: rare, and worth reading everybody.
        losses = any(each.settle or each.equity < 0 for each in findings)
        wanted = None if losses else [each.address for each in findings]
        return View(
            block=block,
            time=time,
            rules=self._rules or self._read_rules(),
            markets=weir.markets(block="pending"),
            findings=findings,
            accounts={each.address: each for each in weir.accounts(wanted, block="pending")},
            fund=weir.fund_state(block="pending"),
            uncollected=self._uncollected(),
        )

    def _uncollected(self) -> int:
        """Fees, levies, and the premium as far as the fund's claims on it would turn into cash."""
        weir = self.weir
        return sum(weir.chain.call(weir.vault.functions.collect(), sender=weir.fund.address))

    def _read_rules(self) -> Rules:
        raw = self.weir.chain.call(self.weir.clearing_house.functions.liquidationParameters())
        self._rules = Rules(raw["penalty"], raw["minNotional"], 10 ** (36 - self.weir.deployment.decimals))
        return self._rules
