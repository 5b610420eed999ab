"""Sending on a real chain: every transaction is written down before it leaves, followed until it is mined,
replaced while it is stuck, and sent again when a reorganisation or a node has lost it.

A step never waits for a block. It looks at what is on its way, settles what was mined, and sends what is new.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import cast

from eth_account.signers.local import LocalAccount

from weir.chain import Call, ContractError, Fees, Receipt, RpcError, encode_call, sign
from weir.client import Weir
from weir.heads import Head
from weir.keeper.fees import Quote, quote
from weir.keeper.following import follow
from weir.keeper.journal import Journal
from weir.keeper.lease import LeaseLostError
from weir.keeper.limits import Limits, Tally
from weir.keeper.memory import Totals
from weir.keeper.outbox import Outcome, Settled, bounty_of
from weir.keeper.policy import Task
from weir.keeper.refusals import Refusal, refusal
from weir.keeper.roles import Kind
from weir.keeper.stuck import STUCK_BLOCKS, Waiting, replacement
from weir.keeper.tables import Attempt, Draft, Intent, State
from weir.units import DAY

__all__ = ["Sender"]

log = logging.getLogger(__name__)

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
        self._worst: dict[int, int] = {}
        self._first = (-1, 0)
        self._told: dict[str, int] = {}
        self._refused: dict[str, str] = {}
        self._room = REFRESH_GAS * min(len(weir.deployment.markets), MOST_MARKETS)

    # ---- a step's beginning

    def begin(self) -> Sequence[Settled]:
        """Goes on to the newest block, and does what is to be done about everything on its way."""
        self._follow()
        self._quote = quote(self.chain)
        balance, pool, latest, before = self._counts()
        self.tally.balance, self._count = balance, max(pool, latest)
        self.tally.limited = self.tally.halved = self.tally.poor = False
        self.tally.dear = self._quote.fees(self.limits.action_fee) is None
        settled, waiting = self._look(latest, before)
        if latest != self._first[0]:
            self._first = latest, self._head.number
        self._worst = {each.last.nonce: _worst(each.attempts) for each in waiting}
        self._fill_gap(waiting, max(pool, latest))
        for each in waiting:
            self._press(each)
        self._take_stock()
        return settled

    def _follow(self) -> None:
        moved = follow(self.chain, self.journal)
        if moved.undone:
            self.tally.reorgs += 1
            self._first = (-1, 0)
            self._told.clear()
            log.warning("%d blocks were undone; what they held is on its way again", moved.undone)
        if moved.head == self._head:
            self.journal.lease.renew()
        self._head = self.tally.head = moved.head
        self.newest = moved.head.number

    def _counts(self) -> tuple[int, int, int, int]:
        """The account's balance, and its number of transactions in the pool, now, and some blocks ago."""
        blocks = ("pending", "latest", self._certain)
        counts = [("eth_getTransactionCount", [self.own, block]) for block in blocks]
        answers = self.chain.rpc_batch([("eth_getBalance", [self.own, "latest"]), *counts])
        for answer in (answers[0], answers[2]):
            if isinstance(answer, Exception):
                raise answer
        numbers = [int(answer, 16) if isinstance(answer, str) else 0 for answer in answers]
        return cast(tuple[int, int, int, int], tuple(numbers))

    @property
    def _certain(self) -> str:
        return hex(max(0, self._head.number - CERTAIN_BLOCKS))

    def _take_stock(self) -> None:
        """What is on its way, after all that was done about it."""
        pending = self.journal.pending()
        self._flying = {n: {each.hash for each in attempts} for n, attempts in pending.items()}
        self._worst = {n: _worst(attempts) for n, attempts in pending.items()}
        self._due = self.journal.due()
        flying = {each.hash: each for attempts in pending.values() for each in attempts}
        self._told = {each: block for each, block in self._told.items() if each in flying}
        self._refused = {each: why for each, why in self._refused.items() if each in flying}
        self.tally.in_flight = len(pending)
        sent = [each.sent_at for each in next(iter(pending.values()), ())]
        self.tally.oldest = max(0, self._head.time - min(sent, default=self._head.time))
        self.tally.spent = self.journal.spent(self._day)
        self.tally.poor |= self.tally.balance < LOW_GAS * self._quote.price

    @property
    def _day(self) -> int:
        return self._head.time // DAY

    # ---- what is on its way

    def _look(self, latest: int, before: int) -> tuple[list[Settled], list[Waiting]]:
        """Settles what was mined, or can't be any more; the others, by nonce.

        What seemed to be lost is looked for as long as blocks are remembered: it may be mined yet.
        """
        pending = self.journal.pending(dropped=True)
        hashes = [each.hash for attempts in pending.values() for each in attempts]
        receipts = dict(zip(hashes, self.chain.receipts(hashes), strict=True))
        asked = self.chain.rpc_batch([("eth_getTransactionByHash", [each]) for each in hashes])
        known = {each for each, answer in zip(hashes, asked, strict=True) if answer is not None}
        blocks = {head.number: head.hash for head in self.journal.known()} if hashes else {}
        settled, left = [], []
        for nonce, attempts in pending.items():
            mined = [(e, r) for e in attempts if (r := receipts[e.hash]) and self._on_chain(r, blocks)]
            if mined:
                settled.append(self._settle(*mined[0]))
            elif not any(each.is_open for each in attempts):
                continue
            elif before > nonce and self._is_lost(attempts):
                self.journal.lost(nonce, self._head.number)
                settled.append(_settled(attempts[-1], State.DROPPED))
                log.warning("nonce %d was used by something else than %s", nonce, _name(attempts[-1]))
            else:
                left.append(attempts)
        last = left[-1][0].nonce if left else -1
        return settled, [
            Waiting(
                attempts,
                known=any(each.hash in known for each in attempts),
                first=attempts[0].nonce == latest,
                others=attempts[0].nonce < last,
            )
            for attempts in left
        ]

    def _is_lost(self, attempts: Sequence[Attempt]) -> bool:
        """Whether the chain has used a nonce for something else. All of it is asked in one request, of a node
        that has the newest block: behind one address there may be others, which lag.
        """
        head, count, *receipts = self.chain.rpc_batch(
            [
                ("eth_getBlockByNumber", [hex(self._head.number), False]),
                ("eth_getTransactionCount", [self.own, self._certain]),
                *(("eth_getTransactionReceipt", [each.hash]) for each in attempts),
            ]
        )
        is_there = isinstance(head, dict) and head["hash"] == self._head.hash
        used = isinstance(count, str) and int(count, 16) > attempts[0].nonce
        return is_there and used and all(each is None for each in receipts)

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
            self.rests.failed(attempt.key, attempt.kind, self._head.time)
        elif state is State.DONE:
            self.rests.succeeded(attempt.key)
        return _settled(attempt, state, receipt.gas_used, bounty)

    def _press(self, nonce: Waiting) -> None:
        """Sends again what the node does not have (any more), and replaces what is stuck or of no use."""
        last, now = nonce.last, self._head.number
        over = nonce.first and nonce.unsent and self._is_over(last)
        to_go = over or nonce.is_unwanted
        if nonce.unsent and not to_go:
            self._broadcast(last)
        since = max(nonce.tried_at, self._told.get(last.hash, 0), self._first[1] if nonce.first else 0)
        if now - since >= STUCK_BLOCKS or (to_go and nonce.tried_at < now):
            useless = over or self._too_dear(last.gas - self._room, last.allowed)
            useless = useless or (nonce.first and self._is_over(last))
            found = replacement(nonce, self._quote, self.limits, useless=useless)
            if found and self._replace(last, found.fees, cancels=found.cancels):
                return
        if nonce.unsent and to_go:
            self._broadcast(last)

    def _replace(self, last: Attempt, fees: Fees, *, cancels: bool) -> bool:
        """Sends another with the same nonce, or an empty one, if the day's limit and the balance allow it."""
        to, data = (self.own, b"") if cancels else last.target
        gas = TRANSFER_GAS if cancels else last.gas
        if self._objection(last.nonce, gas * fees.most):
            return False
        made = self.journal.again(last.intent, self._draft(last.nonce, to, data, gas, fees, cancels=cancels))
        how = "cancelled" if cancels else "sent again"
        log.info("nonce %d is stuck: %s at %d wei", last.nonce, how, fees.most)
        self.tally.cancelled += cancels
        self.tally.replaced += not cancels
        return self._broadcast(made, fresh=True)

    def _is_over(self, attempt: Attempt) -> bool:
        """Whether the next of the account's transactions would only revert by now."""
        to, data = attempt.target
        request = {"from": self.own, "to": to, "data": "0x" + data.hex()}
        try:
            self.chain.rpc("eth_call", request, "latest")
        except ContractError:
            return True
        except RpcError as error:
            log.debug("no answer about %s: %s", _name(attempt), error)
        return False

    def _fill_gap(self, waiting: Sequence[Waiting], count: int) -> None:
        """Nonces that are free below those on their way hold all of them up: empty transactions fill them."""
        if not waiting or (fees := self._quote.fees(self.limits.max_fee)) is None:
            return
        for nonce in range(max(count, self.journal.last_mined() + 1), waiting[0].last.nonce):
            if self._objection(nonce, TRANSFER_GAS * fees.most):
                return
            log.warning("nonce %d is missing: filled with an empty transaction", nonce)
            draft = self._draft(nonce, self.own, b"", TRANSFER_GAS, fees, cancels=True)
            self._broadcast(self.journal.again(None, draft), fresh=True)

    def _objection(self, nonce: int, worst: int, kind: Kind | None = None) -> str:
        """What is against a transaction that may cost so much (wei): the day's "limit", or the day would be
        "over half" of it and its kind is not urgent, the balance ("held"), or nothing (""). Where another of
        its nonce may cost as much already, it adds nothing.

        Without a kind it has the whole limit: it is sent again, or fills a gap, and others wait behind it.
        """
        most = self.limits.daily if kind is None else self.limits.of_day(kind)
        if self.journal.spent(self._day, {nonce: worst}) > max(self.journal.spent(self._day), most):
            if most < self.limits.daily:
                self.tally.halved = True
                return "over half"
            self.tally.limited = True
            return "limit"
        more = worst - self._worst.get(nonce, 0)
        if more > 0 and sum(self._worst.values()) + more > self.tally.balance:
            self.tally.poor = True
            return "held"
        return ""

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
        weighed = task.kind, task.bounty, task.moves
        if why := self.limits.too_dear(needed * self._quote.price, *weighed):
            return Outcome(why)
        gas = needed + self._room
        worst = gas * fees.most
        nonce = max(self._count, self.journal.next_nonce())
        if objection := self._objection(nonce, worst, task.kind):
            return Outcome(objection)
        intent = Intent(key, task.kind, task.subject, task.reason, self.limits.allowed(*weighed))
        made = self.journal.intend(intent, self._draft(nonce, to, data, gas, fees))
        if made is None:
            return Outcome("waiting")
        if not self._broadcast(made, fresh=True):
            return Outcome("held")
        self._due.add(key)
        self._flying[nonce], self._worst[nonce] = {made.hash}, worst
        self.tally.spent, self.tally.in_flight = self.journal.spent(self._day), len(self._flying)
        return Outcome("sent")

    def _too_dear(self, gas: int, allowed: int) -> bool:
        return self.limits.is_too_dear(gas * self._quote.price, allowed)

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
                self._say(attempt, f"the node did not take it: {error}")
            self.tally.poor |= reason is Refusal.POOR
            if fresh and reason in (Refusal.POOR, Refusal.UNDERPRICED) and self._can_go(attempt):
                self.journal.became(attempt, State.REFUSED)
                return False
            if reason is not Refusal.KNOWN:
                return True
        except OSError as error:
            self._say(attempt, f"no answer: {error}")
            self._told[attempt.hash] = self._head.number  # a node that hears nothing needs no higher fee
            return True
        if not fresh:
            self._told.setdefault(attempt.hash, self._head.number)  # it is given as long as at first, once
        if attempt.state is State.PREPARED:
            self.journal.became(attempt, State.BROADCAST)
        return True

    def _say(self, attempt: Attempt, why: str) -> None:
        """A warning, once."""
        if self._refused.get(attempt.hash) != why:
            log.warning("%s: %s", _name(attempt), why)
        self._refused[attempt.hash] = why

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


def _worst(attempts: Sequence[Attempt]) -> int:
    """The most that a nonce can cost, wei."""
    return max(each.worst for each in attempts if each.is_open)


def _settled(attempt: Attempt, state: State, gas: int = 0, bounty: int = 0) -> Settled:
    return Settled(attempt.kind, attempt.subject, attempt.reason, state.value, gas, bounty)


def _name(attempt: Attempt) -> str:
    return f"{attempt.kind or 'an empty transaction'} {attempt.subject} (nonce {attempt.nonce})"
