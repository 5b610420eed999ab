"""What the poster puts on chain: the fund's target and accounts' tiers, from a file, with their evidence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Self

from eth_account.signers.local import LocalAccount
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from weir.accounts import checked_address
from weir.chain import Call, ContractError, pages
from weir.client import Weir
from weir.files import first_problem, unique
from weir.formatting import exact_json, number, usd, utc
from weir.parameters import Usd

__all__ = [
    "ACCOUNTS_PER_POST",
    "LARGEST_TARGET",
    "POSTER_ACCOUNT",
    "Evidence",
    "PostError",
    "PostRefusedError",
    "PostReport",
    "Posting",
    "Step",
]

ACCOUNTS_PER_POST = 100
"""Accounts whose tiers one transaction posts: some four million gas where all are new."""
LARGEST_TARGET = 2**96 - 1
"""Units of the settlement token."""
POSTER_ACCOUNT = 4
"""Development account that has the poster's role on local chains."""


class PostError(ValueError):
    """A file that says nothing that could be posted; the message says which and why."""


class PostRefusedError(RuntimeError):
    """The contract would refuse something; the message says what, and within which bounds it would not."""


# ------------------------------------------------------------------------ file


def _hash(text: str) -> str:
    try:
        if text.startswith("0x") and len(bytes.fromhex(text[2:])) == 32:
            return text.lower()
    except ValueError:
        pass
    raise ValueError(f"must be 32 bytes in hex after 0x (got {text!r})")


Address = Annotated[str, AfterValidator(checked_address)]
Hash = Annotated[str, AfterValidator(_hash)]
Tier = Annotated[int, Field(strict=True, ge=0, le=4)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Evidence(_Model):
    """Where the numbers come from: hashes of what the model read and answered, and the block it read."""

    inputs: Hash
    outputs: Hash
    block: Annotated[int, Field(strict=True, ge=0, lt=2**40)]

    def as_tuple(self) -> tuple[bytes, bytes, int]:
        """`IFundingPolicy.Evidence`."""
        return bytes.fromhex(self.inputs[2:]), bytes.fromhex(self.outputs[2:]), self.block


class Posting(_Model):
    """The file of `weir post`: a target in USD, tiers by account, or both, and their evidence."""

    target: Usd | None = None
    tiers: dict[Address, Tier] = {}
    evidence: Evidence

    @model_validator(mode="before")
    @classmethod
    def _distinct(cls, given: Any) -> Any:
        # Addresses that differ in case alone would silently become one.
        tiers = given.get("tiers") if isinstance(given, dict) else None
        if isinstance(tiers, dict) and len({str(account).lower() for account in tiers}) < len(tiers):
            raise ValueError("tiers: an account is named twice")
        return given

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.target is None and not self.tiers:
            raise ValueError("neither a target nor tiers: nothing to post")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a JSON file; raises `PostError` naming the field that is wrong."""
        try:
            text = path.read_text(encoding="utf-8")
            # By hand: a decimal keeps its digits, and a key that stands there twice is not overlooked.
            return cls.model_validate(json.loads(text, parse_float=Decimal, object_pairs_hook=unique))
        except OSError as error:
            raise PostError(f"{path}: {error.strerror or error}") from None
        except ValidationError as error:
            raise PostError(first_problem(path, error)) from None
        except ValueError as error:
            raise PostError(f"{path}: {error}") from None


# ---------------------------------------------------------------------- report


@dataclass(slots=True)
class Step:
    """One transaction: its call, what it posts in words, and why it would be refused where it would."""

    call: Call
    text: str
    target: Decimal | None
    tiers: Mapping[str, int]
    refused: list[str] = field(default_factory=list)
    transaction: str | None = None


@dataclass(slots=True)
class PostReport:
    """What is to be posted, and what has been: `plan`, then `intended` or `send`."""

    poster: str
    steps: list[Step]
    unchanged: int

    @classmethod
    def plan(cls, weir: Weir, poster: str, posting: Posting) -> Self:
        """Cuts the posting into transactions and simulates each as the poster.

        Accounts are left out whose posted tier is the wanted one and has more than half of its lifetime left.
        """
        steps = [_target(weir, posting)] if posting.target is not None else []
        wanted = _due(weir, posting.tiers)
        accounts = list(wanted)
        steps += [
            _tiers(weir, posting, {account: wanted[account] for account in accounts[offset : offset + size]})
            for offset, size in pages(len(accounts), ACCOUNTS_PER_POST)
        ]
        _simulate(weir, poster, posting, steps)
        return cls(poster, steps, len(posting.tiers) - len(wanted))

    @property
    def accepted(self) -> bool:
        """Whether the contract would take all of it."""
        return not any(step.refused for step in self.steps)

    def require_accepted(self) -> None:
        """Raises `PostRefusedError` where the contract would not take all of it."""
        if reasons := [reason for step in self.steps for reason in step.refused]:
            raise PostRefusedError(f"nothing is posted: {'; '.join(reasons)}")

    def intended(self) -> Iterator[str]:
        """A line for each transaction that would be sent, and for each reason why one would be refused."""
        for step in self.steps:
            yield f"would post {step.text}: {'refused' if step.refused else 'accepted'}"
            yield from (f"  {reason}" for reason in step.refused)
        yield from self._left_out()

    def send(self, weir: Weir, poster: LocalAccount) -> Iterator[str]:
        """Sends what was planned, one transaction after another; a line for each that is in a block."""
        for step in self.steps:
            step.transaction = weir.chain.send(poster, step.call).transaction
            yield f"posted {step.text} in {step.transaction}"
        yield from self._left_out()

    def _left_out(self) -> Iterator[str]:
        if self.unchanged:
            which = "1 account" if self.unchanged == 1 else f"{number(self.unchanged)} accounts"
            yield f"left out {which}: the tier is posted already, and fresh for more than half its lifetime"
        if not self.steps:
            yield "nothing to post"

    def to_json(self, *, dry_run: bool) -> str:
        """Every transaction, with its hash where it was sent."""
        steps = [
            {
                "target": step.target,
                "tiers": step.tiers,
                "accepted": not step.refused,
                "refused": step.refused,
                "transaction": step.transaction,
            }
            for step in self.steps
        ]
        report = {"poster": self.poster, "dry_run": dry_run, "steps": steps, "unchanged": self.unchanged}
        return exact_json(report)


def _target(weir: Weir, posting: Posting) -> Step:
    units = weir.units(posting.target or Decimal(0))
    if units > LARGEST_TARGET:
        raise PostError(f"target: at most {usd(weir.usd(LARGEST_TARGET), 0)} (got {posting.target})")
    target = weir.usd(units)
    call = weir.policy.functions.postTarget(units, posting.evidence.as_tuple())
    return Step(call, f"a target of {usd(target)}", target, {})


def _tiers(weir: Weir, posting: Posting, tiers: Mapping[str, int]) -> Step:
    call = weir.policy.functions.postTiers(list(tiers), list(tiers.values()), posting.evidence.as_tuple())
    text = "the tier of 1 account" if len(tiers) == 1 else f"the tiers of {len(tiers)} accounts"
    return Step(call, text, None, tiers)


def _due(weir: Weir, tiers: Mapping[str, int]) -> dict[str, int]:
    """Without those whose tier stands, and will for more than half of its lifetime."""
    if not tiers:
        return {}
    read = weir.policy.functions
    parameters, *found = weir.chain.call_many([read.parameters(), *(read.tierOf(each) for each in tiers)])
    renewed_after = weir.chain.timestamp() - parameters["tierLifetime"] // 2
    return {
        account: tier
        for (account, tier), (stands, posted_at) in zip(tiers.items(), found, strict=True)
        if stands != tier or posted_at <= renewed_after
    }


def _simulate(weir: Weir, poster: str, posting: Posting, steps: Sequence[Step]) -> None:
    """Fills in why steps would be refused.

    The contract names only the first account that it refuses, so those of a refused batch are tried singly.
    """
    answers = weir.chain.try_many([(poster, step.call) for step in steps])
    for step, answer in zip(steps, answers, strict=True):
        if not isinstance(answer, Exception):
            continue
        reasons = [_reason(weir, poster, answer)]
        if isinstance(answer, ContractError) and answer.name in ("TierOutOfBounds", "TierTooSoon"):
            singly = [_tiers(weir, posting, {account: tier}) for account, tier in step.tiers.items()]
            each = weir.chain.try_many([(poster, single.call) for single in singly])
            reasons = [_reason(weir, poster, error) for error in each if isinstance(error, Exception)]
        step.refused.extend(reasons)


def _reason(weir: Weir, poster: str, error: Exception) -> str:
    """In words. Raises what is no refusal."""
    if not isinstance(error, ContractError):
        raise error  # a node that can't simulate says nothing about the posting
    given = error.arguments
    match error.name:
        case "TargetStepTooLarge":
            target, low, high = (usd(weir.usd(given[name])) for name in ("target", "min", "max"))
            return (
                f"{error.name}: a target of {target} is too large a step; from {low} to {high} is allowed now"
            )
        case "TierOutOfBounds":
            return (
                f"{error.name}: tier {given['tier']} is too large a step for {given['account']}; "
                f"from {given['min']} to {given['max']} is allowed now"
            )
        case "TierTooSoon":
            when = utc(given["allowedFrom"])
            return f"{error.name}: the tier of {given['account']} may move again from {when} UTC on"
        case "EvidenceOutOfOrder":
            return (
                f"{error.name}: the evidence is of block {given['blockNumber']}; "
                f"from {given['min']}, that of the last post, to {given['max']} is allowed now"
            )
        case "AccessManagedUnauthorized":
            return f"{error.name}: {poster} is not the poster"
        case _:
            return str(error)
