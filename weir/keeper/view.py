"""What a keeper sees of the chain, in one reading: all of it as the next transaction will find it."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from weir.client import Weir
from weir.heads import Head
from weir.keeper.distance import distance
from weir.keeper.watchlist import WatchList, is_suspect
from weir.stablecoins import AssetState, PledgeState
from weir.states import AccountState, Actions, FundState, MarketState

__all__ = ["NOTHING", "Reader", "Rules", "View", "Wallet"]


PAGED_FROM = 10
"""Where more than one account of so many is suspect, the lens looks at all of them."""


class Rules(NamedTuple):
    """What liquidations go by: ppm of notional, the smallest piece in units of S, and 10^(36 - decimals
    of S).
    """

    penalty: int
    min_notional: int
    scale: int


class Wallet(NamedTuple):
    """What a keeper has in its wallet and has approved: S for collateral and for the reserve's assets, and
    units of each asset for a reserve that buys.
    """

    for_collateral: int
    for_reserve: int
    assets: tuple[int, ...] = ()


NOTHING = Wallet(0, 0)


@dataclass(frozen=True, slots=True)
class View:
    """One reading. `time` is the next block's at the earliest; `uncollected`: what the fund would take out of
    the vault now, units of S.

    `accounts` has everybody, those for which something may be done read anew, and the keeper's own;
    `pledges` those that have pledged stablecoins. `wallets` has that of a keeper who buys. `decimals` are
    those of S, `gas_price` is in wei.
    """

    block: int
    time: int
    rules: Rules
    markets: tuple[MarketState, ...]
    findings: tuple[Actions, ...]
    accounts: Mapping[str, AccountState]
    fund: FundState
    uncollected: int
    decimals: int = 6
    gas_price: int = 0
    assets: tuple[AssetState, ...] = ()
    pledges: Mapping[str, PledgeState] = field(default_factory=dict)
    sale_duration: int = 1
    wallets: Mapping[str, Wallet] = field(default_factory=dict)

    def nearest(self, count: int) -> list[tuple[float, str]]:
        """The accounts nearest to liquidation, with their distances (`weir.keeper.distance`)."""
        ranked = ((distance(account, self.markets), who) for who, account in self.accounts.items())
        return heapq.nsmallest(count, ((far, who) for far, who in ranked if far is not None))


class Reader:
    """Reads views for any number of keepers; most of a block is read once for all of them."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self.watch = WatchList(weir)
        self._last: tuple[Head, View] | None = None

    def read(self, own: str, *, wallet: bool = False) -> View:
        """The chain now, for the keeper whose account is `own`; with its `wallet`, where it buys."""
        head = self.watch.follow()
        time = head.time + 1
        if self.weir.assets:
            # An auction's price is of the moment: what the node takes the next block's time to be.
            time = max(time, int(self.weir.chain.block("pending")["timestamp"], 16))
        if self._last is None or (self._last[0], self._last[1].time) != (head, time):
            self._last = head, self._read(head.number, time)
        view = self._last[1]
        (account,) = self.weir.accounts([own], block="pending")
        wallets = {own: self._wallet(own, view)} if wallet and self.weir.assets else {}
        return replace(view, accounts={**view.accounts, own: account}, wallets=wallets)

    def forget(self) -> None:
        """Has the next reading look again, although no block has come: the pending one may have changed."""
        self._last = None

    def _read(self, block: int, time: int) -> View:
        weir = self.weir
        markets = weir.markets(block="pending")
        assets = weir.assets.states(block="pending") if weir.assets else ()
        everybody = self.watch.accounts(markets, assets)
        findings = self._findings(everybody)
        asked = {each.address for each in findings} | {who for who, known in everybody.items() if not known}
        fresh = {each.address: each for each in weir.accounts(sorted(asked), block="pending")}
        return View(
            block=block,
            time=time,
            rules=self._rules(),
            markets=markets,
            findings=findings,
            accounts={who: known for who, known in everybody.items() if known} | fresh,
            fund=weir.fund_state(block="pending"),
            uncollected=self._uncollected(),
            decimals=weir.deployment.decimals,
            gas_price=int(weir.chain.rpc("eth_gasPrice"), 16),
            assets=assets,
            pledges={each.address: each for each in self.watch.pledges(assets, time)},
            sale_duration=weir.assets.sale_duration() if weir.assets else 1,
        )

    def _findings(self, everybody: Mapping[str, AccountState | None]) -> tuple[Actions, ...]:
        """What may be done, in the vault's order: asked for the suspects one by one, unless they are many."""
        suspects = [who for who, account in everybody.items() if is_suspect(account)]
        if len(suspects) * PAGED_FROM > len(everybody):
            return self.weir.actionable(block="pending")
        return self.weir.actions(suspects, block="pending")

    def _wallet(self, own: str, view: View) -> Wallet:
        collateral, reserve = self.weir.assets.collateral.address, self.weir.assets.reserve.address
        tokens = [self.weir.chain.contract("TestToken", asset.token) for asset in view.assets]
        wanted = [(self.weir.token, collateral), *((token, reserve) for token in (self.weir.token, *tokens))]
        calls = [
            call
            for token, spender in wanted
            for call in (token.functions.balanceOf(own), token.functions.allowance(own, spender))
        ]
        found = self.weir.chain.call_many(calls, block="pending")
        for_collateral, for_reserve, *units = map(min, zip(found[::2], found[1::2], strict=True))
        return Wallet(for_collateral, for_reserve, tuple(units))

    def _uncollected(self) -> int:
        """Fees, levies, and the premium as far as the fund's claims on it would turn into cash."""
        weir = self.weir
        return sum(weir.chain.call(weir.vault.functions.collect(), sender=weir.fund.address))

    def _rules(self) -> Rules:
        """As governance has them now."""
        parameters = self.weir.clearing_house.functions.liquidationParameters()
        raw = self.weir.chain.call(parameters, block="pending")
        return Rules(raw["penalty"], raw["minNotional"], 10 ** (36 - self.weir.deployment.decimals))
