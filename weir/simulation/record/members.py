"""What members of the guaranty fund put in, earned there, lost to defaults, and have."""

from __future__ import annotations

from collections import Counter

from weir.chain import Event
from weir.results import Membership
from weir.simulation.record.history import History

__all__ = ["memberships"]


def memberships(history: History) -> dict[str, Membership]:
    """Of everybody who has contributed, or should have, by address."""
    shares = _Shares()
    for event in history.events:
        shares.take(event)
    members = {member.address: (member.balance, member.owed) for member in history.weir.members()}
    found = {}
    for address in dict.fromkeys([*members, *shares.contributed]):
        balance, owed = members.get(address, (0, 0))
        if shares.contributed[address] or owed:
            found[address] = Membership(
                contributed=history.usd(shares.contributed[address]),
                earned=history.usd(shares.earned[address]),
                own=history.usd(shares.own[address]),
                mutual=history.usd(shares.mutual[address]),
                balance=history.usd(balance),
                owed=history.usd(owed),
            )
    return found


class _Shares:
    """What each member has contributed, earned and lost, in units of S, from the events; in whole units."""

    def __init__(self) -> None:
        self.contributed: Counter[str] = Counter()
        self.earned: Counter[str] = Counter()
        self.own: Counter[str] = Counter()
        self.mutual: Counter[str] = Counter()
        self._total = 0
        self._units: Counter[str] = Counter()
        self._void = False

    def take(self, event: Event) -> None:
        """The next event."""
        match event.name:
            case "Joined":
                self.contributed[event["account"]] += event["amount"]
                self._move(event["account"], event["amount"], event["units"])
            case "Released":
                self._move(event["account"], -event["amount"], -event["units"])
            case "Restored":
                self._change(event["mutual"], self.mutual, -1)
                if event["own"]:
                    self.own[event["account"]] -= event["own"]
                    self._move(event["account"], event["own"], event["units"])
            case "Earned":
                self._change(event["amount"], self.earned, 1)
            case "LossBorne":
                self.own[event["account"]] += event["own"]
                self._move(event["account"], -event["own"], -event["units"])
                self._change(-event["mutual"], self.mutual, -1)
                if self._void:
                    self._total, self._units, self._void = 0, Counter(), False
            case "WipedOut":
                # By the loss whose event comes next.
                self._void = True

    def _move(self, account: str, amount: int, units: int) -> None:
        self._total += amount
        self._units[account] += units

    def _change(self, amount: int, book: Counter[str], sign: int) -> None:
        """All units gain the amount, which may be negative."""
        if not amount:
            return
        units = self._units.total()
        for account, held in self._units.items():
            before, after = held * self._total // units, held * (self._total + amount) // units
            book[account] += sign * (after - before)
        self._total += amount
