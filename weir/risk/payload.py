"""What `weir post` takes: the memo's target and tiers, within what the contract allows, with its evidence."""

from __future__ import annotations

import json
import math
from typing import Any

from weir.posting import Posting
from weir.risk.errors import RiskError
from weir.risk.inputs.book import Source
from weir.risk.memo import Memo

__all__ = ["payload", "payload_json"]


def payload(memo: Memo, source: Source) -> Posting:
    """The posting of a memo whose book was read from a chain (`source`).

    The target is rounded up to a cent. Where it lies outside what one post may say, the nearest that it may:
    the next post goes on from there. Every account's tier is in it; `weir post` leaves out those that stand.
    Raises `RiskError` for another book's source.
    """
    if (memo.chain, memo.block) != (source.chain, source.block):
        raise RiskError(
            f"memo: of block {memo.block} of chain {memo.chain}, the book of block {source.block}"
        )
    return Posting.model_validate(
        {
            "target": f"{allowed_target(memo.target.value, source):.2f}",
            "tiers": {row.account: row.tier for row in memo.account_rows},
            "evidence": {"inputs": memo.inputs, "outputs": memo.outputs, "block": source.block},
        }
    )


def allowed_target(target: float, source: Source) -> float:
    """USD: the target, or the nearest bound of what may be posted."""
    cents = math.ceil(target * 100) / 100
    low = source.target_low if source.target_low is not None else 0.0
    high = source.target_high if source.target_high is not None else math.inf
    # Inwards to a cent: the bounds are exact to a millionth.
    return min(
        max(cents, math.ceil(low * 100) / 100), math.floor(high * 100) / 100 if high < math.inf else high
    )


def payload_json(posting: Posting) -> str:
    """The file that `weir post` reads."""
    content: dict[str, Any] = posting.model_dump(mode="json")
    return json.dumps(content, indent=2) + "\n"
