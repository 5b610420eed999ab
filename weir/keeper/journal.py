"""A keeper's memory in a database: what it meant to do, what it has signed, and which blocks it has seen.

An attempt is written before it leaves. A process killed at any moment therefore finds, when it is started
again, everything that may be on its way, with its nonce, and sends nothing twice. The rules that follow from
these records are in `sender`; here they are kept true: each write is one transaction, made by the process
that holds the account's lease, or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from weir.chain import Fees, Receipt, transaction_hash
from weir.heads import WINDOW, Head
from weir.keeper.lease import Lease
from weir.keeper.memory import Rest, Rests, Totals
from weir.keeper.tables import (
    Attempt,
    Draft,
    Intent,
    State,
    attempts,
    heads,
    intents,
    key_of,
    rests,
)

__all__ = ["Journal"]

_OPEN = (State.PREPARED, State.BROADCAST)
_MINED = (State.DONE, State.FAILED)


class Journal:
    """What one account remembers on one chain, for one clearing house. Not for several threads at once."""

    def __init__(self, lease: Lease, clearing_house: str) -> None:
        self.lease = lease
        self.clearing_house = clearing_house

    @property
    def _id(self) -> int:
        return self.lease.account_id

    def _read(self) -> AbstractContextManager[Connection]:
        return self.lease.store.read()

    def _write(self) -> AbstractContextManager[Connection]:
        return self.lease.write()

    # ---- blocks

    def known(self) -> list[Head]:
        """The last blocks seen, oldest first."""
        with self._read() as connection:
            rows = connection.execute(
                select(heads.c.number, heads.c.hash, heads.c.parent, heads.c.time)
                .where(heads.c.account_id == self._id)
                .order_by(heads.c.number)
            )
            return [Head(*row) for row in rows]

    def move(self, after: int | None, new: Sequence[Head]) -> None:
        """Adds blocks. What was mined after block `after` (where given) is on its way again."""
        with self._write() as connection:
            mine = heads.c.account_id == self._id
            if after is not None:
                connection.execute(delete(heads).where(mine, heads.c.number > after))
                self._undo(connection, after)
            if new:
                rows = [
                    {"account_id": self._id, "number": h.number, "hash": h.hash}
                    | {"parent": h.parent, "time": h.time}
                    for h in new
                ]
                connection.execute(insert(heads), rows)
                connection.execute(delete(heads).where(mine, heads.c.number <= new[-1].number - WINDOW))

    def _undo(self, connection: Connection, after: int) -> None:
        undone = select(attempts.c.nonce, attempts.c.intent_id).where(
            self._attempts, attempts.c.state.in_(_MINED), attempts.c.block > after
        )
        rows = connection.execute(undone).all()
        nonces = [nonce for nonce, _ in rows]
        connection.execute(
            update(attempts)
            .where(self._attempts, attempts.c.nonce.in_(nonces), attempts.c.state.in_(_MINED))
            .values(reorgs=attempts.c.reorgs + 1)
        )
        connection.execute(
            update(attempts)
            .where(
                self._attempts,
                attempts.c.nonce.in_(nonces),
                attempts.c.state.in_((*_MINED, State.REPLACED)),
            )
            .values(state=State.BROADCAST, block=None, block_hash=None, gas_used=None, fee=None, bounty=None)
        )
        self._conclude(connection, [intent for _, intent in rows], State.OPEN)

    # ---- intents and attempts

    def due(self) -> set[str]:
        """The keys of what is on its way."""
        with self._read() as connection:
            return set(connection.execute(select(intents.c.key).where(*self._due)).scalars())

    @property
    def _due(self) -> tuple[Any, ...]:
        here = intents.c.account_id == self._id, intents.c.clearing_house == self.clearing_house
        return *here, intents.c.state == State.OPEN

    def intend(self, intent: Intent, draft: Draft) -> Attempt | None:
        """Writes down what is to be done, and its first attempt; None where the same is on its way."""
        with self._write() as connection:
            same = select(intents.c.id).where(*self._due, intents.c.key == intent.key)
            if connection.execute(same).first():
                return None
            values = intent._asdict() | {"account_id": self._id, "clearing_house": self.clearing_house}
            made = connection.execute(insert(intents).values(**values, state=State.OPEN))
            return self._draft(connection, key_of(made), draft)

    def again(self, intent: int | None, draft: Draft) -> Attempt:
        """Writes down one more attempt at the same."""
        with self._write() as connection:
            return self._draft(connection, intent, draft)

    def _draft(self, connection: Connection, intent: int | None, draft: Draft) -> Attempt:
        values = draft._asdict()
        fees: Fees = values.pop("fees")
        values |= {"raw": draft.raw.hex(), "hash": transaction_hash(draft.raw)}
        values |= {"priority_fee": fees.priority, "max_fee": fees.most}
        values |= {"account_id": self._id, "intent_id": intent, "state": State.PREPARED, "reorgs": 0}
        # One that was refused before may be the very same, to the last byte.
        same = select(attempts.c.id).where(self._attempts, attempts.c.hash == values["hash"])
        number = connection.execute(same).scalar()
        if number is None:
            number = key_of(connection.execute(insert(attempts).values(**values)))
        else:
            connection.execute(update(attempts).where(attempts.c.id == number).values(**values))
        return _attempt(connection.execute(_whole.where(attempts.c.id == number)).one())

    def pending(self) -> dict[int, list[Attempt]]:
        """By nonce, lowest first: the attempts of those that are on their way, oldest first, with those that
        the node refused.
        """
        open_nonces = select(attempts.c.nonce).where(self._attempts, attempts.c.state.in_(_OPEN))
        found: dict[int, list[Attempt]] = {}
        with self._read() as connection:
            for row in connection.execute(
                _whole.where(
                    self._attempts,
                    attempts.c.nonce.in_(open_nonces),
                    attempts.c.state.in_((*_OPEN, State.REFUSED)),
                ).order_by(attempts.c.nonce, attempts.c.id)
            ):
                found.setdefault(row.nonce, []).append(_attempt(row))
        return found

    def next_nonce(self) -> int:
        """The lowest after all that were used and not given back."""
        with self._read() as connection:
            used = select(func.max(attempts.c.nonce)).where(
                self._attempts, attempts.c.state.not_in((State.DROPPED, State.REFUSED))
            )
            last = connection.execute(used).scalar()
            return 0 if last is None else last + 1

    def last_mined(self) -> int:
        """The highest nonce of which something was mined; -1 without any."""
        with self._read() as connection:
            mined = select(func.max(attempts.c.nonce)).where(self._attempts, attempts.c.state.in_(_MINED))
            last = connection.execute(mined).scalar()
            return -1 if last is None else last

    def became(self, attempt: Attempt, state: State) -> None:
        """Notes that an attempt was broadcast, or refused. With the last that may be mined at a nonce, its
        intent ends too.
        """
        with self._write() as connection:
            connection.execute(update(attempts).where(attempts.c.id == attempt.id).values(state=state))
            if state is State.REFUSED and attempt.intent is not None:
                left = select(attempts.c.id).where(
                    attempts.c.intent_id == attempt.intent, attempts.c.state.in_(_OPEN)
                )
                if connection.execute(left).first() is None:
                    self._conclude(connection, [attempt.intent], State.DROPPED)

    def mined(self, attempt: Attempt, receipt: Receipt, bounty: int) -> State:
        """Notes what came of a nonce; the intent's new state."""
        state = State.DONE if receipt.succeeded else State.FAILED
        with self._write() as connection:
            others = self._attempts, attempts.c.nonce == attempt.nonce, attempts.c.state.in_(_OPEN)
            ended = connection.execute(select(attempts.c.intent_id).where(*others)).scalars().all()
            self._conclude(connection, ended, State.DROPPED)
            connection.execute(update(attempts).where(*others).values(state=State.REPLACED))
            connection.execute(
                update(attempts)
                .where(attempts.c.id == attempt.id)
                .values(
                    state=state,
                    block=receipt.block,
                    block_hash=receipt.block_hash,
                    gas_used=receipt.gas_used,
                    fee=receipt.gas_used * receipt.gas_price,
                    bounty=bounty,
                )
            )
            came_to = State.CANCELLED if attempt.cancels else state
            self._conclude(connection, [attempt.intent], came_to)
        return came_to

    def lost(self, nonce: int) -> None:
        """Notes that something else was mined at this nonce."""
        with self._write() as connection:
            here = (self._attempts, attempts.c.nonce == nonce, attempts.c.state.in_(_OPEN))
            ended = connection.execute(select(attempts.c.intent_id).where(*here)).scalars().all()
            connection.execute(update(attempts).where(*here).values(state=State.DROPPED))
            self._conclude(connection, ended, State.DROPPED)

    def _conclude(self, connection: Connection, which: Sequence[int | None], state: State) -> None:
        mine = intents.c.id.in_([each for each in which if each is not None])
        connection.execute(update(intents).where(mine).values(state=state))

    @property
    def _attempts(self) -> Any:
        return attempts.c.account_id == self._id

    # ---- sums

    def spent(self, day: int) -> int:
        """Wei that the day's transactions have cost, or can cost at worst while they are on their way."""
        by_nonce: dict[int, int] = {}
        with self._read() as connection:
            found = select(attempts.c.nonce, attempts.c.fee, attempts.c.gas, attempts.c.max_fee).where(
                self._attempts, attempts.c.day == day, attempts.c.state.in_((*_OPEN, *_MINED))
            )
            for nonce, fee, gas, most in connection.execute(found):
                by_nonce[nonce] = max(by_nonce.get(nonce, 0), gas * most if fee is None else fee)
        return sum(by_nonce.values())

    def totals(self) -> Totals:
        """All that has come of what was sent, for this clearing house."""
        totals = Totals()
        with self._read() as connection:
            columns = (
                intents.c.kind,
                intents.c.state,
                attempts.c.gas_used,
                attempts.c.fee,
                attempts.c.bounty,
            )
            found = (
                select(*columns)
                .join_from(attempts, intents)
                .where(
                    self._attempts,
                    intents.c.clearing_house == self.clearing_house,
                    attempts.c.state.in_(_MINED),
                )
            )
            for kind, state, gas, fee, bounty in connection.execute(found):
                counter: Counter[str] = totals.sent if state == State.DONE else totals.failed
                counter[kind] += 1
                totals.gas += gas
                totals.fees += fee
                totals.bounty += bounty
        return totals

    def rests(self) -> Rests:
        """The actions that failed lately, as they are kept here."""
        with self._read() as connection:
            found = select(rests.c.key, rests.c.failures, rests.c.until).where(*self._resting)
            return _Kept(
                self, {key: Rest(failures, until) for key, failures, until in connection.execute(found)}
            )

    @property
    def _resting(self) -> tuple[Any, Any]:
        return rests.c.account_id == self._id, rests.c.clearing_house == self.clearing_house

    def rest(self, key: str, rest: Rest | None) -> None:
        """Notes that an action rests, or no longer."""
        with self._write() as connection:
            connection.execute(delete(rests).where(*self._resting, rests.c.key == key))
            if rest:
                connection.execute(
                    insert(rests).values(
                        account_id=self._id,
                        clearing_house=self.clearing_house,
                        key=key,
                        failures=rest.failures,
                        until=rest.until,
                    )
                )


class _Kept(Rests):
    def __init__(self, journal: Journal, known: dict[str, Rest]) -> None:
        super().__init__(known)
        self._journal = journal

    def keep(self, key: str, rest: Rest | None) -> None:
        self._journal.rest(key, rest)


_whole = select(
    attempts,
    func.coalesce(intents.c.kind, "").label("kind"),
    func.coalesce(intents.c.subject, "").label("subject"),
    func.coalesce(intents.c.reason, "").label("reason"),
    func.coalesce(intents.c.rest_key, "").label("rest_key"),
    intents.c.allowed,
).outerjoin_from(attempts, intents)


def _attempt(row: Any) -> Attempt:
    return Attempt(
        id=row.id,
        intent=row.intent_id,
        nonce=row.nonce,
        cancels=row.cancels,
        hash=row.hash,
        raw=bytes.fromhex(row.raw),
        gas=row.gas,
        fees=Fees(row.priority_fee, row.max_fee),
        sent_block=row.sent_block,
        state=State(row.state),
        kind=row.kind,
        subject=row.subject,
        reason=row.reason,
        rest_key=row.rest_key,
        allowed=row.allowed or 0,
    )
