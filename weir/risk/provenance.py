"""What a memo's figures can be traced by: hashes of code, inputs and outputs, and a signature."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from hashlib import sha256
from importlib.metadata import version
from pathlib import Path
from typing import Any

from eth_account import Account
from eth_account.messages import SignableMessage, encode_defunct
from eth_account.signers.local import LocalAccount
from eth_keys.exceptions import BadSignature
from eth_utils.exceptions import ValidationError as EthValidationError

from weir.risk.errors import RiskError
from weir.risk.files import reading
from weir.risk.inputs.book import Book
from weir.risk.inputs.prices import PriceHistory
from weir.risk.memo import Change, Memo, Signature
from weir.risk.parameters import RiskParameters

__all__ = [
    "changes_since",
    "digest",
    "inputs_hash",
    "load_memo",
    "model_hash",
    "outputs_hash",
    "sign",
    "verify",
]

LIBRARIES = ("arch", "numba", "numpy", "scipy")
"""What figures also depend on."""
NOT_RESULTS = ("version", "created", "outputs", "changes", "previous", "signature", "backtest", "prices")
"""Fields of a memo that say when, by whom and from where, or come with it; the digest covers them, too."""
DIGITS = 9
"""Significant ones that count: the last few hang on the processor and on how a library adds up."""


def digest(content: Any) -> str:
    """SHA-256 of JSON with sorted keys and without spaces, as 0x and 64 hex digits."""
    return "0x" + sha256(json.dumps(content, sort_keys=True, separators=(",", ":")).encode()).hexdigest()


@cache
def model_hash() -> str:
    """Of every source file of `weir.risk` and the versions of the libraries that compute for it."""
    root = Path(__file__).parent
    files = {
        path.relative_to(root).as_posix(): sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()
        for path in sorted(root.rglob("*"))
        if path.suffix in (".py", ".json")
    }
    return digest({"files": files, "libraries": {name: version(name) for name in LIBRARIES}})


def inputs_hash(
    book: Book, prices: Mapping[str, PriceHistory], parameters: RiskParameters, scenarios: Any
) -> str:
    """Of all that a sizing reads: the same inputs and the same model give the same outputs."""
    return digest(
        {
            "book": book.hash,
            "prices": {name: history.hash for name, history in prices.items()},
            "parameters": parameters.canonical(),
            "scenarios": scenarios,
        }
    )


def outputs_hash(memo: Memo) -> str:
    """Of every figure of the memo, to nine digits."""
    return digest(_rounded(memo.model_dump(mode="json", exclude=set(NOT_RESULTS))))


def _rounded(content: Any) -> Any:
    if isinstance(content, float):
        return float(f"{content:.{DIGITS}g}")
    if isinstance(content, dict):
        return {name: _rounded(each) for name, each in content.items()}
    return [_rounded(each) for each in content] if isinstance(content, list) else content


# ------------------------------------------------------------------- signatures


def sign(memo: Memo, signer: LocalAccount, name: str) -> Memo:
    """The memo with this account's signature over its digest and this name (EIP-191, a personal message)."""
    signed = signer.sign_message(_message(memo, name))
    return memo.model_copy(
        update={
            "signature": Signature(
                signer=signer.address,
                name=name,
                digest=memo.digest,
                signature="0x" + bytes(signed.signature).hex(),
            )
        }
    )


def verify(memo: Memo) -> str:
    """Who signed it; raises `RiskError` where nobody did, or it was changed since: figures, or who signs."""
    if outputs_hash(memo) != memo.outputs:
        raise RiskError("memo: a figure was changed: outputs are not what its figures hash to")
    if (given := memo.signature) is None:
        raise RiskError("memo: not signed")
    if given.digest != memo.digest:
        raise RiskError("memo: changed since it was signed")
    try:
        found: str = Account.recover_message(_message(memo, given.name), signature=given.signature)
    except (ValueError, BadSignature, EthValidationError):
        raise RiskError(f"memo: {given.signature[:20]} is no signature") from None
    if found != given.signer:
        raise RiskError(f"memo: signed by {found}, not by {given.signer}")
    return found


def _message(memo: Memo, name: str) -> SignableMessage:
    return encode_defunct(text=f"Weir risk memo {memo.digest}, signed off by {name}")


# ------------------------------------------------------------------- memo before


def load_memo(path: Path) -> Memo:
    """Reads a memo's JSON; raises `RiskError` naming the file and what is wrong."""
    with reading(path, "a memo"):
        return Memo.model_validate_json(path.read_text(encoding="utf-8"))


def changes_since(before: Memo, after: Memo) -> tuple[Change, ...]:
    """Headline figures of two memos, side by side; those that did not change are left out."""
    old, new = _headlines(before), _headlines(after)
    names = dict.fromkeys([*old, *new])
    return tuple(
        Change(name=name, before=old.get(name), after=new.get(name))
        for name in names
        if old.get(name) != new.get(name)
    )


def _headlines(memo: Memo) -> dict[str, float | str | None]:
    tiers = {f"tier of {row.account}": row.tier for row in memo.account_rows}
    return {
        "target": memo.target.value,
        "binding": memo.target.binding,
        "coverage": memo.target.coverage,
        **{part.name: part.value for part in memo.target.parts},
        "left by a depeg": memo.target.depeg_left,
        "accounts": memo.accounts,
        **{f"open interest of {row.market}": row.open_interest for row in memo.markets},
        **{f"volatility of {row.market}": row.volatility for row in memo.markets},
        **{f"exhaustion of {row.layer}": row.exhaustion.value for row in memo.layers if row.exhaustion},
        "ruin within a year": memo.funding.ruin.value,
        "days to target": memo.funding.days_to_target,
        "model": memo.model_hash,
        "block": memo.block,
        **tiers,
    }
