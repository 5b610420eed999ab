"""The role of the poster: puts on chain what a file says, once, whenever it says something new.

`weir risk report --payload FILE` writes the file; `weir.posting` says what it holds. A target is posted when
it is another than the one that stands, or that one has used up half of its lifetime; a tier likewise. No
evidence is posted twice for the same target or account: what has been posted under it is read from the
policy's events, so that a keeper that starts anew, or whose chain was reorganised, knows.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from eth_utils.crypto import keccak

from weir.chain import encode_call
from weir.client import Weir
from weir.keeper.policy import Task
from weir.keeper.roles import Kind
from weir.keeper.view import View
from weir.posting import Evidence, PostError, Posting, PostReport, Step

__all__ = ["Poster"]

log = logging.getLogger(__name__)

RECHECK = 60
"""Seconds on the chain's clock after which a file that has not changed is compared with the chain again."""


class Poster:
    """Turns a posting file into tasks, for the account `own`, which needs the poster's role."""

    def __init__(self, weir: Weir, own: str, path: Path) -> None:
        self.weir = weir
        self.own = own
        self.path = path
        self._content: bytes | None = None
        self._posting: Posting | None = None
        self._looked_at: int | None = None
        self._warned: tuple[str, ...] = ()

    def tasks(self, view: View) -> list[Task]:
        """What is to be posted now; nothing while the file is as it was and was just looked at.

        What the contract would refuse is among it, with why. A file that says nothing that could be posted is
        named in the log, and read again when it changes.
        """
        self._load()
        if self._posting is None or not self._is_due(view.time):
            return []
        left = self._left(self._posting, view)
        steps = PostReport.plan(self.weir, self.own, left).steps if left else ()
        self._looked_at = view.time  # only now: where the node fails, the next step looks again
        return [_task(step, self._posting.evidence) for step in steps]

    def _is_due(self, now: int) -> bool:
        # Earlier than the last time: the chain has gone back.
        return self._looked_at is None or not self._looked_at <= now < self._looked_at + RECHECK

    # ---- the file

    def _load(self) -> None:
        """Reads the file; where it says something else than before, that has not been looked at."""
        try:
            content = self.path.read_bytes()
        except OSError as error:
            self._warn(f"{self.path}: {error.strerror or error}")
            self._content = self._posting = None
            return
        if content == self._content:
            return
        self._content, self._looked_at = content, None
        try:
            self._posting = Posting.load(self.path)
        except PostError as error:
            self._warn(str(error))
            self._posting = None

    def _warn(self, *message: str) -> None:
        if message != self._warned:
            log.warning("%s", message[0])
        self._warned = message

    # ---- the chain

    def _left(self, posting: Posting, view: View) -> Posting | None:
        """What of it has not been posted under its evidence and should be; None: nothing."""
        has_target, accounts = self._posted(posting.evidence, view.block)
        target = posting.target
        if target is not None and (has_target or not self._is_wanted(self.weir.units(target), view)):
            if has_target and self._is_old(view):
                self._warn(
                    f"{self.path}: its target was posted already and stands for less than half of its "
                    "lifetime: a newer report is needed",
                    posting.evidence.outputs,
                )
            target = None
        tiers = {account: tier for account, tier in posting.tiers.items() if account not in accounts}
        if target is None and not tiers:
            return None
        return posting.model_copy(update={"target": target, "tiers": tiers})

    def _is_wanted(self, target: int, view: View) -> bool:
        return target != view.fund.posted_target or self._is_old(view)

    def _is_old(self, view: View) -> bool:
        """Whether the posted target has used up half of its lifetime, or more."""
        lifetime = self.weir.chain.call(self.weir.policy.functions.parameters())["targetLifetime"]
        return not view.fund.fresh or view.time >= view.fund.posted_at + int(lifetime) // 2

    def _posted(self, evidence: Evidence, block: int) -> tuple[bool, set[str]]:
        """Whether a target, and for which accounts tiers, were posted under this evidence."""
        names = ("TargetPosted", "TierPosted", "TiersPosted")
        # Evidence is of a block before that which posts it.
        events = self.weir.chain.logs([self.weir.policy.address], evidence.block, block, names)
        wanted = evidence.as_tuple()
        ours = [e for e in events if e.name != "TierPosted" and _evidence(e["evidence"]) == wanted]
        tiers = {each.transaction for each in ours if each.name == "TiersPosted"}
        named = {e["account"] for e in events if e.name == "TierPosted" and e.transaction in tiers}
        return any(each.name == "TargetPosted" for each in ours), named


def _evidence(raw: Mapping[str, Any]) -> tuple[bytes, bytes, int]:
    return raw["inputs"], raw["outputs"], raw["blockNumber"]


def _task(step: Step, evidence: Evidence) -> Task:
    subject = "target" if step.target is not None else f"tiers {keccak(encode_call(step.call)).hex()[:8]}"
    refused = f", which would be refused: {'; '.join(step.refused)}" if step.refused else ""
    reason = f"{step.text}, by evidence of block {evidence.block}{refused}"
    return Task(Kind.POST, subject, reason=reason, call=step.call)
