"""What a keeper sees of the chain, in one reading: all of it as the next transaction will find it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from web3.contract import Contract

from weir.client import AccountState, Actions, FundState, MarketState, Weir
from weir.stablecoins import AssetState, PledgeState

__all__ = ["NOTHING", "Reader", "Rules", "View", "Wallet"]


class Rules(NamedTuple):
    """What liquidations go by: ppm of notional, the smallest piece in units of S, and 10^(36 - decimals
    of S).
    """

    penalty: int
    min_notional: int
    scale: int


class Wallet(NamedTuple):
    """S that a keeper has in its wallet and has approved, for collateral and for the reserve's assets."""

    for_collateral: int
    for_reserve: int


NOTHING = Wallet(0, 0)


@dataclass(frozen=True, slots=True)
class View:
    """One reading. `time` is the next block's at the earliest; `uncollected`: what the fund would take out of
    the vault now, units of S.

    `accounts` has the keeper's own, all for which something may be done, those that have pledged stablecoins
    (`pledges`), and, where a loss is about to be shared, everybody. `wallets` has that of a keeper who buys.
    `decimals` are those of S, `gas_price` is in wei.
    """

    block: int
    time: int
    rules: Rules
    markets: tuple[MarketState, ...]
    findings: tuple[Actions, ...]
    accounts: dict[str, AccountState]
    fund: FundState
    uncollected: int
    decimals: int = 6
    gas_price: int = 0
    assets: tuple[AssetState, ...] = ()
    pledges: Mapping[str, PledgeState] = field(default_factory=dict)
    sale_duration: int = 1
    wallets: dict[str, Wallet] = field(default_factory=dict)


class Reader:
    """Reads views for any number of keepers; most of a block is read once for all of them."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self._rules: Rules | None = None
        self._last: View | None = None

    def read(self, own: str, *, wallet: bool = False) -> View:
        """The chain now, for the keeper whose account is `own`; with its `wallet`, where it buys."""
        header = self.weir.chain.block()
        block, time = int(header["number"], 16), int(header["timestamp"], 16) + 1
        if self.weir.assets:
            # An auction's price is of the moment: what the node takes the next block's time to be.
            time = max(time, int(self.weir.chain.block("pending")["timestamp"], 16))
        if self._last is None or (self._last.block, self._last.time) != (block, time):
            self._last = self._read(block, time)
        view = self._last
        if own not in view.accounts:
            (account,) = self.weir.accounts([own], block="pending")
            view.accounts[own] = account
        if wallet and own not in view.wallets:
            assets = self.weir.assets
            view.wallets[own] = Wallet(*(self._approved(own, c) for c in (assets.collateral, assets.reserve)))
        return view

    def forget(self) -> None:
        """Has the next reading look again, although no block has come: the pending one may have changed."""
        self._last = None

    def _read(self, block: int, time: int) -> View:
        weir = self.weir
        findings = weir.actionable(block="pending")
        pledges = weir.assets.pledges(block="pending") if weir.assets else ()
        # Winners are named where a loss is about to be shared: rare, and worth reading everybody.
        losses = any(each.settle or each.equity < 0 for each in findings)
        known = dict.fromkeys([*(each.address for each in findings), *(each.address for each in pledges)])
        wanted = None if losses else [*known]
        return View(
            block=block,
            time=time,
            rules=self._rules or self._read_rules(),
            markets=weir.markets(block="pending"),
            findings=findings,
            accounts={each.address: each for each in weir.accounts(wanted, block="pending")},
            fund=weir.fund_state(block="pending"),
            uncollected=self._uncollected(),
            decimals=weir.deployment.decimals,
            gas_price=int(weir.chain.rpc("eth_gasPrice"), 16),
            assets=weir.assets.states(block="pending") if weir.assets else (),
            pledges={each.address: each for each in pledges},
            sale_duration=weir.assets.sale_duration() if weir.assets else 1,
        )

    def _approved(self, own: str, spender: Contract) -> int:
        token = self.weir.token.functions
        calls = [token.balanceOf(own), token.allowance(own, spender.address)]
        return int(min(self.weir.chain.call_many(calls, block="pending")))

    def _uncollected(self) -> int:
        """Fees, levies, and the premium as far as the fund's claims on it would turn into cash."""
        weir = self.weir
        return sum(weir.chain.call(weir.vault.functions.collect(), sender=weir.fund.address))

    def _read_rules(self) -> Rules:
        raw = self.weir.chain.call(self.weir.clearing_house.functions.liquidationParameters())
        self._rules = Rules(raw["penalty"], raw["minNotional"], 10 ** (36 - self.weir.deployment.decimals))
        return self._rules
