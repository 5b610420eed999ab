"""Sending on a real chain: every transaction is written down before it leaves, followed until it is mined,
replaced while it is stuck, and sent again when a reorganisation or a node has lost it.

A step never waits for a block. It looks at what is on its way, settles what was mined, and sends what is new.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

import rlp  # type: ignore[import-untyped]
from eth_account.signers.local import LocalAccount
from eth_utils.address import to_checksum_address

from weir.chain import Call, ContractError, Fees, Receipt, RpcError, encode_call, sign
from weir.client import Weir
from weir.heads import Head
from weir.keeper.fees import Quote, higher, quote
from weir.keeper.following import follow
from weir.keeper.journal import Journal
from weir.keeper.lease import LeaseLostError
from weir.keeper.limits import Limits, Tally
from weir.keeper.memory import Totals
from weir.keeper.outbox import Outcome, Settled, bounty_of
from weir.keeper.policy import Task
from weir.keeper.refusals import Refusal, refusal
from weir.keeper.roles import Kind
from weir.keeper.tables import Attempt, Draft, Intent, State

__all__ = ["Sender"]

log = logging.getLogger(__name__)

STUCK_BLOCKS = 3
"""Blocks without a transaction after which its fee is taken to be too low."""
REPLACEMENTS = 5
"""Times that one is sent again with a higher fee, before its nonce is given up."""
CANCELS = 3
"""Times that an empty one is sent in its place, each with a higher fee."""
CERTAIN_BLOCKS = 2
"""Blocks after which a nonce that somebody else has used is believed to be lost."""
MOST_IN_FLIGHT = 64
"""Transactions on their way at once: nodes drop what is too far from an account's next nonce."""
TRANSFER_GAS = 21_000
REFRESH_GAS, MOST_MARKETS = 80_000, 8
"""The first transaction of a block refreshes the markets it touches, at most as many as an account is in. On
the pending block, where gas is estimated, one before may have done so; it may be mined in another.
"""
LOW_GAS = 2_000_000
"""Gas that an account should be able to pay for at the fee of now."""
DAY = 86_400
FOR_MONEY = frozenset({Kind.LIQUIDATE, Kind.BUY_COLLATERAL, Kind.BUY_FROM_RESERVE, Kind.SELL_TO_RESERVE})
"""What is done for what it brings; all else is done for the common good."""


class Sender:
    """The outbox of a keeper on a real chain, which remembers in a journal. Its lease must be held."""

    def __init__(self, weir: Weir, account: LocalAccount, journal: Journal, limits: Limits) -> None:
        self.weir = weir
        self.chain = weir.chain
        self.account = account
        self.own = account.address
        self.journal = journal
        self.limits = limits
        self.rests = journal.rests()
        self.tally = Tally()
        self.newest = 0
        self._head = Head(0, "", "", 0)
        self._quote = Quote(0, 0)
        self._count = 0
        self._due: set[str] = set()
        self._flying: dict[int, set[str]] = {}
        self._committed = 0
        self._room = REFRESH_GAS * min(len(weir.deployment.markets), MOST_MARKETS)

    # ---- a step's beginning

    def begin(self) -> Sequence[Settled]:
        """Goes on to the newest block, and does what is to be done about everything on its way."""
        self._follow()
        self._quote = quote(self.chain)
        balance, pool, latest, before = self._counts()
        self.tally.balance, self._count = balance, max(pool, latest)
        self.tally.limited = self.tally.poor = False
        self.tally.dear = self._quote.fees(self.limits.action_fee) is None
        settled, waiting = self._look(before)
        self._fill_gap(waiting, max(pool, latest))
        for attempts, known in waiting:
            self._press(attempts, known, first=attempts[0].nonce == latest)
        self._take_stock()
        return settled

    def _follow(self) -> None:
        moved = follow(self.chain, self.journal)
        if moved.undone:
            self.tally.reorgs += 1
            log.warning("%d blocks were undone; what they held is on its way again", moved.undone)
        if moved.head == self._head:
            self.journal.lease.renew()
        self._head = self.tally.head = moved.head
        self.newest = moved.head.number

    def _counts(self) -> tuple[int, int, int, int]:
        """The account's balance, and its number of transactions in the pool, now, and some blocks ago."""
        then = hex(max(0, self._head.number - CERTAIN_BLOCKS))
        blocks = ("pending", "latest", then)
        counts = [("eth_getTransactionCount", [self.own, block]) for block in blocks]
        answers = self.chain.rpc_batch([("eth_getBalance", [self.own, "latest"]), *counts])
        for answer in (answers[0], answers[2]):
            if isinstance(answer, Exception):
                raise answer
        numbers = [int(answer, 16) if isinstance(answer, str) else 0 for answer in answers]
        return cast(tuple[int, int, int, int], tuple(numbers))

    def _take_stock(self) -> None:
        """What is on its way, after all that was done about it."""
        pending = self.journal.pending()
        self._flying = {n: {each.hash for each in attempts} for n, attempts in pending.items()}
        self._committed = sum(max(e.worst for e in each) for each in pending.values())
        self._due = self.journal.due()
        self.tally.in_flight = len(pending)
        self.tally.spent = self.journal.spent(self._day)
        self.tally.poor |= self.tally.balance < LOW_GAS * self._quote.price

    @property
    def _day(self) -> int:
        return self._head.time // DAY

    # ---- what is on its way

    def _look(self, before: int) -> tuple[list[Settled], list[tuple[list[Attempt], bool]]]:
        """Settles what was mined, or can't be any more; the others, and whether the node has them."""
        pending = self.journal.pending()
        hashes = [each.hash for attempts in pending.values() for each in attempts]
        receipts = dict(zip(hashes, self.chain.receipts(hashes), strict=True))
        asked = self.chain.rpc_batch([("eth_getTransactionByHash", [each]) for each in hashes])
        known = {each for each, answer in zip(hashes, asked, strict=True) if answer is not None}
        blocks = {head.number: head.hash for head in self.journal.known()} if hashes else {}
        settled, waiting = [], []
        for nonce, attempts in pending.items():
            mined = [(e, r) for e in attempts if (r := receipts[e.hash]) and self._on_chain(r, blocks)]
            if mined:
                settled.append(self._settle(*mined[0]))
            elif before > nonce and not any(receipts[each.hash] for each in attempts):
                self.journal.lost(nonce)
                settled.append(_settled(attempts[-1], State.DROPPED))
                log.warning("nonce %d was used by something else than %s", nonce, _name(attempts[-1]))
            else:
                waiting.append((attempts, any(each.hash in known for each in attempts)))
        self.tally.settled.update((each.kind, each.outcome) for each in settled)
        return settled, waiting

    def _on_chain(self, receipt: Receipt, blocks: dict[int, str]) -> bool:
        """Whether the receipt is of a block that has been seen: what is undone later must be known before."""
        found = blocks.get(receipt.block, receipt.block_hash)
        return receipt.block <= self._head.number and found == receipt.block_hash

    def _settle(self, attempt: Attempt, receipt: Receipt) -> Settled:
        bounty = bounty_of(receipt)
        state = self.journal.mined(attempt, receipt, bounty)
        if state is State.FAILED:
            with suppress(RpcError, OSError, LookupError, TypeError):
                log.info("%s failed: %s", _name(attempt), self.chain.why(receipt))
            self.rests.failed(attempt.rest_key, self._head.time)
        elif state is State.DONE:
            self.rests.succeeded(attempt.rest_key)
        return _settled(attempt, state, receipt.gas_used, bounty)

    def _press(self, attempts: list[Attempt], known: bool, *, first: bool) -> None:
        """Raises the fee of what is stuck; sends again what the node does not have (any more)."""
        last = [each for each in attempts if each.is_open][-1]
        stuck = self._head.number - last.sent_block >= STUCK_BLOCKS
        if stuck and self._replace(attempts, last, first=first):
            return
        if last.state is State.PREPARED or not known:
            self._broadcast(last)

    def _replace(self, attempts: list[Attempt], last: Attempt, *, first: bool) -> bool:
        """Sends another with the same nonce and a higher fee, if it may be; an empty one in the end."""
        if self._quote.fees(self.limits.max_fee) is None:
            return False  # no fee that may be paid would help
        ours = [each for each in attempts if each.intent == last.intent]
        before = [each.fees for each in attempts]
        fees = None if last.cancels else higher(before, self._quote, self.limits.action_fee)
        tried = sum(not each.cancels for each in ours)
        to, data, gas, cancels = *_target(last.raw), last.gas, False
        if (
            fees is None
            or tried > REPLACEMENTS
            or self._too_dear(gas - self._room, last.allowed)
            or (first and self._is_over(to, data))
        ):
            to, data, gas, cancels = self.own, b"", TRANSFER_GAS, True
            fees = higher(before, self._quote, self.limits.max_fee)
        if fees is None or len(ours) - tried >= CANCELS:
            return False
        more = gas * fees.most - max(each.worst for each in attempts)
        if self.journal.spent(self._day) + max(0, more) > self.limits.daily:
            self.tally.limited = True
            return False
        draft = self._draft(last.nonce, to, data, gas, fees, cancels=cancels)
        made = self.journal.again(last.intent, draft)
        how = "cancelled" if cancels else "sent again"
        log.info("nonce %d is stuck: %s at %d wei", last.nonce, how, fees.most)
        self.tally.cancelled += cancels
        self.tally.replaced += not cancels
        self._broadcast(made, fresh=True)
        return True

    def _is_over(self, to: str, data: bytes) -> bool:
        """Whether the next of the account's transactions would only revert by now."""
        request = {"from": self.own, "to": to, "data": "0x" + data.hex()}
        try:
            self.chain.rpc("eth_call", request, "latest")
        except ContractError:
            return True
        return False

    def _fill_gap(self, waiting: Sequence[tuple[list[Attempt], bool]], count: int) -> None:
        """Nonces that are free below those on their way hold all of them up: empty transactions fill them."""
        if not waiting or (fees := self._quote.fees(self.limits.max_fee)) is None:
            return
        for nonce in range(max(count, self.journal.last_mined() + 1), waiting[0][0][0].nonce):
            log.warning("nonce %d is missing: filled with an empty transaction", nonce)
            draft = self._draft(nonce, self.own, b"", TRANSFER_GAS, fees, cancels=True)
            self._broadcast(self.journal.again(None, draft), fresh=True)

    # ---- new transactions

    def busy(self, key: str) -> bool:
        """Whether the same is on its way, or as much as nodes keep of one account."""
        return key in self._due or len(self._flying) >= MOST_IN_FLIGHT

    def send(self, task: Task, call: Call, key: str) -> Outcome:
        """Writes down and broadcasts what the task needs, if nothing is against it; does not wait."""
        fees = self._quote.fees(self.limits.action_fee)
        if fees is None:
            return Outcome("held")
        to, data = cast(str, call.address), encode_call(call)
        needed = self.chain.estimate(self.own, to, data, block="pending")
        allowed = self._allowed(task)
        if self._too_dear(needed, allowed):
            return Outcome("too dear")
        gas = needed + self._room
        worst = gas * fees.most
        spent = self.journal.spent(self._day) + worst
        if spent > self.limits.daily:
            self.tally.limited = True
            return Outcome("limit")
        if self._committed + worst > self.tally.balance:
            self.tally.poor = True
            return Outcome("held")
        nonce = max(self._count, self.journal.next_nonce())
        intent = Intent(key, task.kind, task.subject, task.reason, task.key, allowed)
        made = self.journal.intend(intent, self._draft(nonce, to, data, gas, fees))
        if made is None:
            return Outcome("waiting")
        self._due.add(key)
        self._flying[nonce] = {made.hash}
        self._committed += worst
        self.tally.spent, self.tally.in_flight = spent, len(self._flying)
        if self._broadcast(made, fresh=True):
            return Outcome("sent")
        self.rests.failed(task.key, self._head.time)
        return Outcome("held")

    def _allowed(self, task: Task) -> int:
        if task.kind in FOR_MONEY:
            return task.bounty - self.limits.min_profit
        return self.limits.max_gas_cost

    def _too_dear(self, gas: int, allowed: int) -> bool:
        """Whether the gas costs more now than it may."""
        price = self._quote.price * self.limits.native_price
        return price > 0 and gas * price > allowed

    def _draft(
        self, nonce: int, to: str, data: bytes, gas: int, fees: Fees, *, cancels: bool = False
    ) -> Draft:
        raw = sign(self.account, self.chain.id, nonce, fees, gas, to, 0, data)
        return Draft(nonce, cancels, raw, gas, fees, self._day, self._head.time, self._head.number)

    def _broadcast(self, attempt: Attempt, *, fresh: bool = False) -> bool:
        """Hands it to the node; False where it is certain that it will not be mined: the node has refused it,
        and it is `fresh`, so that no other can have it.

        A node that does not answer may have taken it: the next look will tell, or it is sent again.
        """
        try:
            self.chain.broadcast(attempt.raw)
        except (RpcError, ContractError) as error:
            reason = refusal(error)
            if reason not in (Refusal.KNOWN, Refusal.SPENT):
                log.warning("the node did not take %s: %s", _name(attempt), error)
            self.tally.poor |= reason is Refusal.POOR
            if fresh and reason in (Refusal.POOR, Refusal.UNDERPRICED) and self._can_go(attempt):
                self.journal.became(attempt, State.REFUSED)
                self._flying.pop(attempt.nonce, None)
                return False
            if reason is not Refusal.KNOWN:
                return True
        except OSError as error:
            log.warning("no answer about %s: %s", _name(attempt), error)
            return True
        if attempt.state is State.PREPARED:
            self.journal.became(attempt, State.BROADCAST)
        return True

    def _can_go(self, attempt: Attempt) -> bool:
        """Whether giving it up leaves no gap: its nonce is the last, or has another that may be mined."""
        others = [each for each in self.journal.pending().get(attempt.nonce, ()) if each.is_open]
        return len(others) > 1 or attempt.nonce + 1 == self.journal.next_nonce()

    def visible(self) -> bool:
        """Whether the node's pending block, or one since, has everything that is on its way."""
        if not self._flying:
            return True
        pending = set(self.chain.rpc("eth_getBlockByNumber", "pending", False)["transactions"])
        missing = [hashes for hashes in self._flying.values() if not hashes & pending]
        flat = [each for hashes in missing for each in hashes]
        mined = {r.transaction for r in self.chain.receipts(flat) if r}
        return all(hashes & mined for hashes in missing)

    def drain(self, seconds: float, *, sleep: Callable[[float], object] = time.sleep) -> list[Settled]:
        """Waits until nothing is on its way, or for so long; what is left then is not lost."""
        settled: list[Settled] = []
        until, pause = time.monotonic() + seconds, 0.05
        while self._flying and time.monotonic() < until:
            sleep(pause)
            pause = min(2 * pause, 1.0)
            try:
                settled += self.begin()
            except LeaseLostError:
                raise
            except Exception as error:  # noqa: BLE001 (as in a step: a node may answer anything)
                log.warning("waiting for %d transactions: %s", len(self._flying), error)
        return settled

    def totals(self) -> Totals:
        """What has come of all that this account has sent to this clearing house."""
        return self.journal.totals()


def _target(raw: bytes) -> tuple[str, bytes]:
    """Whom a signed transaction calls, and with what."""
    fields: Any = rlp.decode(raw[1:])
    return to_checksum_address(fields[5]), fields[7]


def _settled(attempt: Attempt, state: State, gas: int = 0, bounty: int = 0) -> Settled:
    return Settled(attempt.kind, attempt.subject, attempt.reason, state.value, gas, bounty)


def _name(attempt: Attempt) -> str:
    return f"{attempt.kind or 'an empty transaction'} {attempt.subject} (nonce {attempt.nonce})"
