"""What goes to `weir post`: the target within what one post may say, and every account's tier."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.risk.memos import make_memo
from weir.posting import Posting
from weir.risk.errors import RiskError
from weir.risk.inputs.book import Source
from weir.risk.memo import Memo
from weir.risk.payload import allowed_target, payload, payload_json

VAULT = "0x" + "11" * 20


def source(low: float | None = None, high: float | None = None, block: int = 7) -> Source:
    return Source(chain=31337, block=block, time=1, vault=VAULT, target_low=low, target_high=high)


@pytest.mark.parametrize(
    ("target", "low", "high", "posted"),
    [
        (100.0, None, None, 100.0),
        (100.001, None, None, 100.01),  # up to a cent
        (100.0, 50.0, 200.0, 100.0),
        (100.0, 150.004, 200.0, 150.01),  # never below what is allowed
        (300.0, 150.0, 200.009, 200.0),  # nor above
        (0.0, 0.0, 0.0, 0.0),
    ],
)
def test_the_target_stays_within_a_step(
    target: float, low: float | None, high: float | None, posted: float
) -> None:
    assert allowed_target(target, source(low, high)) == pytest.approx(posted, abs=1e-9)


def memo_of(block: int | None) -> Memo:
    made = make_memo()
    rows = tuple(
        row.model_copy(update={"account": f"0x{i + 1:040x}"}) for i, row in enumerate(made.account_rows)
    )
    return made.model_copy(update={"chain": 31337, "block": block, "account_rows": rows})


def test_the_poster_s_file_is_what_it_reads(tmp_path: Path) -> None:
    memo = memo_of(7)
    path = tmp_path / "post.json"
    path.write_text(payload_json(payload(memo, source(high=1e12))), encoding="utf-8")
    found = Posting.load(path)
    assert found.target is not None
    assert float(found.target) == pytest.approx(memo.target.value, abs=0.01)
    assert found.target >= memo.target.value
    assert list(found.tiers.values()) == [row.tier for row in memo.account_rows]
    assert (found.evidence.inputs, found.evidence.outputs) == (memo.inputs, memo.outputs)
    assert found.evidence.block == 7
    assert json.loads(path.read_text())["target"] == str(found.target)


def test_a_memo_of_another_block_is_refused() -> None:
    with pytest.raises(RiskError, match=r"of block 7 .* of block 8"):
        payload(memo_of(7), source(block=8))
