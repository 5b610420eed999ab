"""A keeper's memory in a database: what it meant to do, what it has signed, and which blocks it has seen.

An attempt is written before it leaves. A process killed at any moment therefore finds, when it is started
again, everything that may be on its way, with its nonce, and sends nothing twice. The rules that follow from
these records are in `sender`; here they are kept true: each write is one transaction, made by the process
that holds the account's lease, or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from copy import deepcopy
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
_ENDED = (*_MINED, State.REPLACED, State.DROPPED)
"""Those of nonces that have been used."""
_FUTILE = (State.REFUSED, State.REPLACED, State.DROPPED)


class Journal:
    """What one account remembers on one chain, for one clearing house. Not for several threads at once."""

    def __init__(self, lease: Lease, clearing_house: str) -> None:
        self.lease = lease
        self.clearing_house = clearing_house
        self._totals: Totals | None = None
        self._pruned = -1

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
                deep = new[-1].number - WINDOW
                connection.execute(delete(heads).where(mine, heads.c.number <= deep))
                self._prune(connection, deep)

    def _undo(self, connection: Connection, after: int) -> None:
        """Opens every nonce again that was used, or seemed to be, in the blocks after this one."""
        undone = self._attempts, attempts.c.block > after, attempts.c.state.in_(_ENDED)
        which = select(attempts.c.intent_id).where(*undone, attempts.c.state != State.REPLACED)
        ended = set(connection.execute(which).scalars())
        nothing = dict.fromkeys(("block", "block_hash", "gas_used", "fee", "bounty"))
        again = attempts.c.reorgs + 1
        connection.execute(
            update(attempts).where(*undone).values(state=State.BROADCAST, reorgs=again, **nothing)
        )
        self._reopen(connection, ended)
        self._totals = None

    def _reopen(self, connection: Connection, ended: set[int | None]) -> None:
        """Those of which the same was meant again since stay closed: the newest of a key is enough."""
        columns = intents.c.clearing_house, intents.c.key
        is_open = intents.c.account_id == self._id, intents.c.state == State.OPEN
        taken = {(house, key) for house, key in connection.execute(select(*columns).where(*is_open))}
        which = intents.c.id.in_([each for each in ended if each is not None])
        for number, *key in connection.execute(
            select(intents.c.id, *columns).where(which).order_by(intents.c.id.desc())
        ).all():
            came_to = State.CANCELLED if tuple(key) in taken else State.OPEN
            self._conclude(connection, [number], came_to)
            taken.add((key[0], key[1]))

    def _prune(self, connection: Connection, deep: int) -> None:
        """Forgets what no reorganisation brings back: what was signed, and attempts that came to nothing."""
        settled = self._attempts, attempts.c.block > self._pruned, attempts.c.block <= deep
        connection.execute(update(attempts).where(*settled, attempts.c.raw != "").values(raw=""))
        old = func.coalesce(attempts.c.block, attempts.c.sent_block) <= deep
        gone = self._attempts, attempts.c.state.in_(_FUTILE), old
        of = set(connection.execute(select(attempts.c.intent_id).where(*gone)).scalars()) - {None}
        connection.execute(delete(attempts).where(*gone))
        if of:
            left = select(attempts.c.id).where(attempts.c.intent_id == intents.c.id).exists()
            connection.execute(
                delete(intents).where(intents.c.id.in_(of), intents.c.state == State.DROPPED, ~left)
            )
        self._pruned = deep

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
        values |= {"block": None}
        # One that was refused before may be the very same, to the last byte.
        same = select(attempts.c.id).where(self._attempts, attempts.c.hash == values["hash"])
        number = connection.execute(same).scalar()
        if number is None:
            number = key_of(connection.execute(insert(attempts).values(**values)))
        else:
            connection.execute(update(attempts).where(attempts.c.id == number).values(**values))
        return _attempt(connection.execute(_whole.where(attempts.c.id == number)).one())

    def pending(self, *, dropped: bool = False) -> dict[int, list[Attempt]]:
        """By nonce, lowest first: the attempts of those that are on their way, oldest first, with those that
        the node refused. With `dropped` also nonces that something else seems to have used, not long ago.
        """
        live = (*_OPEN, State.DROPPED) if dropped else _OPEN
        nonces = select(attempts.c.nonce).where(self._attempts, attempts.c.state.in_(live))
        found: dict[int, list[Attempt]] = {}
        with self._read() as connection:
            for row in connection.execute(
                _whole.where(
                    self._attempts,
                    attempts.c.nonce.in_(nonces),
                    attempts.c.state.in_((*live, State.REFUSED)),
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
        fee = receipt.fee
        with self._write() as connection:
            self._end(connection, attempt.nonce, State.REPLACED, receipt.block)
            connection.execute(
                update(attempts)
                .where(attempts.c.id == attempt.id)
                .values(
                    state=state,
                    block=receipt.block,
                    block_hash=receipt.block_hash,
                    gas_used=receipt.gas_used,
                    fee=fee,
                    bounty=bounty,
                )
            )
            came_to = State.CANCELLED if attempt.cancels else state
            self._conclude(connection, [attempt.intent], came_to)
        if self._totals is not None and attempt.house == self.clearing_house:
            self._totals.add(attempt.kind, came_to is State.DONE, receipt.gas_used, fee, bounty)
        return came_to

    def lost(self, nonce: int, block: int) -> None:
        """Notes that something else was mined at this nonce, as it seems at this block."""
        with self._write() as connection:
            self._end(connection, nonce, State.DROPPED, block)

    def _end(self, connection: Connection, nonce: int, state: State, block: int) -> None:
        """Nothing of this nonce is on its way any more."""
        here = self._attempts, attempts.c.nonce == nonce, attempts.c.state.in_((*_OPEN, State.DROPPED))
        ended = connection.execute(select(attempts.c.intent_id).where(*here)).scalars().all()
        connection.execute(update(attempts).where(*here).values(state=state, block=block))
        self._conclude(connection, ended, State.DROPPED)

    def _conclude(self, connection: Connection, which: Sequence[int | None], state: State) -> None:
        mine = intents.c.id.in_([each for each in which if each is not None])
        connection.execute(update(intents).where(mine).values(state=state))

    @property
    def _attempts(self) -> Any:
        return attempts.c.account_id == self._id

    # ---- sums

    def spent(self, day: int, more: Mapping[int, int] | None = None) -> int:
        """Wei that the day's transactions have cost, or can cost at worst while they are on their way; as if
        there were `more` of them, by nonce with the most that each can cost.
        """
        by_nonce = dict(more or {})
        with self._read() as connection:
            found = select(attempts.c.nonce, attempts.c.fee, attempts.c.gas, attempts.c.max_fee).where(
                self._attempts, attempts.c.day == day, attempts.c.state.in_((*_OPEN, *_MINED))
            )
            for nonce, fee, gas, most in connection.execute(found):
                by_nonce[nonce] = max(by_nonce.get(nonce, 0), gas * most if fee is None else fee)
        return sum(by_nonce.values())

    def totals(self) -> Totals:
        """All that has come of what was sent, for this clearing house. Only read once, and after blocks were
        undone: the history is long.
        """
        if self._totals is None:
            self._totals = self._read_totals()
        return deepcopy(self._totals)

    def _read_totals(self) -> Totals:
        totals = Totals()
        columns = intents.c.kind, intents.c.state, attempts.c.gas_used, attempts.c.fee, attempts.c.bounty
        here = self._attempts, intents.c.clearing_house == self.clearing_house
        found = select(*columns).join_from(attempts, intents).where(*here, attempts.c.state.in_(_MINED))
        with self._read() as connection:
            for kind, state, *sums in connection.execute(found):
                totals.add(kind, state == State.DONE, *sums)
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
    *(
        func.coalesce(intents.c[column], "").label(label)
        for column, label in {
            "clearing_house": "house",
            "key": "key",
            "kind": "kind",
            "subject": "subject",
            "reason": "reason",
            "state": "intent_state",
        }.items()
    ),
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
        sent_at=row.sent_at,
        sent_block=row.sent_block,
        state=State(row.state),
        reorgs=row.reorgs,
        house=row.house,
        key=row.key,
        kind=row.kind,
        subject=row.subject,
        reason=row.reason,
        allowed=row.allowed or 0,
        is_wanted=row.intent_state == State.OPEN,
    )
