"""Every account at the present prices, most of them without asking the node again.

An account is read when something happens to it: contracts say whose books they change. In between, prices,
funding and premium move it, and the markets' indices say by exactly how much; so a block costs a look at the
markets and at the accounts that it touched, however many there are. In turn, all of them are read again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple

from weir.chain import Event, pages
from weir.client import ADDRESSES_PER_CALL, Weir
from weir.heads import WINDOW, ChainMovedError, Head, headers, look
from weir.keeper.distance import pledge_value, revalued
from weir.keeper.following import NodeBehindError
from weir.stablecoins import AssetState, PledgeState
from weir.states import AccountState, MarketState

__all__ = ["WatchList", "is_suspect"]

log = logging.getLogger(__name__)

LOOKS = 10
"""After which a node that stays behind what was seen is believed: its chain has gone back."""
IN_TURN = 50
"""Accounts that are read again at each block though nothing is known to have happened to them."""
MARGIN = 100
"""ppm of an account's notional by which its equity may be nearer to its maintenance margin than it seems."""
UNITS = 100
"""Units of S of the same, for what is rounded."""


class _Record(NamedTuple):
    """An account as it was read, with what it has pledged, when the markets were as they were `then`."""

    account: AccountState
    pledge: PledgeState | None
    then: tuple[MarketState, ...]


class WatchList:
    """All accounts of a deployment, in the vault's order; kept up with the latest block by `follow`."""

    def __init__(self, weir: Weir) -> None:
        self.weir = weir
        self._records: dict[str, _Record] = {}
        self._head: Head | None = None
        self._turn = 0
        self._behind = 0

    def __len__(self) -> int:
        return len(self._records)

    # ---- following the chain

    def follow(self) -> Head:
        """Reads what the blocks since the last one changed, all where they do not follow it; the latest one.

        A failure leaves the list as it was, to be tried again; so does a chain that changes while it is read
        (`ChainMovedError`), and a node that has not come to the block last seen (`NodeBehindError`) until it
        has been so for `LOOKS` looks.
        """
        seen = look(self.weir.chain, [self._head] if self._head else [])
        self._behind = self._behind + 1 if seen.behind else 0
        if self._head and 0 < self._behind <= LOOKS:
            raise NodeBehindError(
                f"the node is at block {seen.latest.number}, after {self._head.number} was seen"
            )
        if self._head is None or seen.agreed is None:
            if self._head:
                log.info("block %d is not on the chain any more: reading all accounts", self._head.number)
            self._read_all(seen.latest.number)
        elif seen.latest.number - self._head.number > WINDOW:
            self._read_all(seen.latest.number)
        elif seen.latest != self._head:
            self._read_changes(self._head, seen.latest)
        self._head = seen.latest
        return seen.latest

    def _read_all(self, block: int) -> None:
        weir = self.weir
        markets = weir.markets(block=block)
        pledges = {each.address: each for each in weir.assets.pledges(block=block)} if weir.assets else {}
        accounts = weir.accounts(block=block)
        self._records = {each.address: _Record(each, pledges.get(each.address), markets) for each in accounts}

    def _read_changes(self, before: Head, latest: Head) -> None:
        weir, last = self.weir, latest.number
        blocks = headers(weir.chain, before.number + 1, last)
        if (blocks[0].parent, blocks[-1]) != (before.hash, latest):
            raise ChainMovedError(f"block {last} has changed while it was read")
        contracts = [weir.vault, weir.clearing_house, *([weir.assets.collateral] if weir.assets else [])]
        events = weir.chain.logs_of([each.address for each in contracts], [each.hash for each in blocks])
        known = [*self._records, *self._new(last)]
        moved = [*self._touched(events), *self._recovering(), *known[len(self._records) :]]
        self._read([*dict.fromkeys([*moved, *self._next(known)])], last)

    def _new(self, block: int) -> list[str]:
        """Accounts that the vault has learnt of."""
        weir, known = self.weir, len(self._records)
        count: int = weir.chain.call(weir.vault.functions.accountCount(), block=block)
        spans = pages(count - known, ADDRESSES_PER_CALL)
        calls = [weir.vault.functions.accounts(known + offset, limit) for offset, limit in spans]
        return [each for page in weir.chain.call_many(calls, block=block) for each in page]

    def _touched(self, events: Iterable[Event]) -> Iterator[str]:
        """Whose books these events changed: those of accounts that they name, and those that all share."""
        for event in events:
            names = {each for each in event.arguments.values() if isinstance(each, str)}
            if event.name == "Collected":
                names.add(self.weir.fund.address)
            yield from (each for each in names if each in self._records)
            if event.name == "ClaimsWrittenOff":
                yield from (who for who, record in self._records.items() if record.account.claims)
            elif event.name == "EpochEnded":
                yield from self._in_market(event["market"])

    def _recovering(self) -> Iterator[str]:
        """Whose collateral pays for a default: anyone else may, and no event says whose default it was."""
        records = self._records.items()
        return (who for who, record in records if record.pledge and record.pledge.default_id)

    def _in_market(self, market: int) -> Iterator[str]:
        for who, record in self._records.items():
            if any(position.market == market for position in record.account.positions):
                yield who

    def _next(self, known: Sequence[str]) -> Sequence[str]:
        """The next ones in turn."""
        self._turn = 0 if self._turn >= len(known) else self._turn
        first, self._turn = self._turn, self._turn + IN_TURN
        return known[first : self._turn]

    def _read(self, addresses: Sequence[str], block: int) -> None:
        weir = self.weir
        markets = weir.markets(block=block)
        pledges: dict[str, PledgeState] = {}
        if weir.assets:
            found = weir.assets.pledges(addresses, block=block)
            pledges = {each.address: each for each in found if any(each.held)}
        for account in weir.accounts(addresses, block=block):
            record = _Record(account, pledges.get(account.address), markets)
            self._records[account.address] = record

    # ---- what it knows

    def accounts(
        self, markets: Sequence[MarketState], assets: Sequence[AssetState]
    ) -> dict[str, AccountState | None]:
        """Everybody with these markets and assets; None for those of whom only the chain knows."""
        decimals = self.weir.deployment.decimals
        return {
            who: revalued(record.account, record.pledge, record.then, markets, assets, decimals)
            for who, record in self._records.items()
        }

    def pledges(self, assets: Sequence[AssetState], time: int) -> list[PledgeState]:
        """What has been pledged, at these prices and this time."""
        decimals = self.weir.deployment.decimals
        return [
            replace(
                pledge,
                value=pledge_value(pledge, assets, decimals),
                startable=pledge.due != 0 and time >= pledge.sale_ends_at,
            )
            for record in self._records.values()
            if (pledge := record.pledge)
        ]


def is_suspect(account: AccountState | None) -> bool:
    """Whether anyone might have to do something about the account: the chain is to be asked."""
    if account is None or account.flagged_at or account.insolvent:
        return True
    if account.positions and not account.initial_margin:
        return True
    slack = UNITS + account.notional * MARGIN // 10**6
    return account.equity - account.maintenance_margin < slack
