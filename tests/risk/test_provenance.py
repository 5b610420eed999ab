"""What a memo's figures are traced by: hashes that see every change, and a signature that does."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.risk.books import histories, make_book
from tests.risk.memos import make_memo
from weir.accounts import development_account
from weir.risk import provenance
from weir.risk.errors import RiskError
from weir.risk.memo import Memo
from weir.risk.parameters import RiskParameters
from weir.risk.provenance import (
    changes_since,
    digest,
    inputs_hash,
    load_memo,
    model_hash,
    outputs_hash,
    sign,
    verify,
)

risk_officer = development_account(4)


@pytest.fixture
def memo() -> Memo:
    made = make_memo().model_copy(update={"signature": None})
    return made.model_copy(update={"outputs": outputs_hash(made)})


def test_a_digest_is_of_content_not_of_order() -> None:
    assert digest({"a": 1, "b": [2.5, None]}) == digest({"b": [2.5, None], "a": 1})
    assert digest({"a": 1}) != digest({"a": 2})
    # sha256 of {"a":1}
    assert digest({"a": 1}) == "0x015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"


def test_inputs_are_seen_one_and_all() -> None:
    book, prices, parameters = make_book(), histories(), RiskParameters()
    given = (book, prices, parameters, [])
    hashes = {
        inputs_hash(*given),
        inputs_hash(make_book(scale=1.0000001), *given[1:]),
        inputs_hash(book, {**prices, "ETH": prices["BTC"]}, parameters, []),
        inputs_hash(book, prices, RiskParameters(seed=1), []),
        inputs_hash(book, prices, parameters, [{"name": "own"}]),
    }
    assert len(hashes) == 5
    assert inputs_hash(make_book(), histories(), RiskParameters(), []) in hashes


def test_the_model_s_hash_is_of_its_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = model_hash()
    model_hash.cache_clear()
    assert model_hash() == first
    model_hash.cache_clear()
    (tmp_path / "a.py").write_text("x = 1\n")
    (tmp_path / "here.py").touch()
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "here.py"))
    one = model_hash()
    model_hash.cache_clear()
    (tmp_path / "a.py").write_text("x = 2\n")
    assert model_hash() != one
    model_hash.cache_clear()
    (tmp_path / "a.py").write_bytes(b"x = 1\r\n")
    assert model_hash() == one
    model_hash.cache_clear()


def test_outputs_do_not_say_when_or_by_whom(memo: Memo) -> None:
    assert outputs_hash(memo.model_copy(update={"created": 1, "previous": digest(1)})) == memo.outputs
    assert outputs_hash(sign(memo, risk_officer, "Risk")) == memo.outputs
    target = memo.target.model_copy(update={"value": memo.target.value + 0.01})
    assert outputs_hash(memo.model_copy(update={"target": target})) != memo.outputs


def test_who_signed_is_found(memo: Memo, tmp_path: Path) -> None:
    signed = sign(memo, risk_officer, "Risk committee")
    path = tmp_path / "memo.json"
    path.write_text(signed.model_dump_json(indent=1), encoding="utf-8")
    found = load_memo(path)
    assert found == signed
    assert verify(found) == risk_officer.address
    assert found.signature is not None
    assert found.signature.name == "Risk committee"


def test_whatever_is_changed_is_found(memo: Memo) -> None:
    signed = sign(memo, risk_officer, "Risk")
    assert signed.signature is not None
    with pytest.raises(RiskError, match="not signed"):
        verify(memo)
    target = memo.target.model_copy(update={"value": 1.0})
    with pytest.raises(RiskError, match="a figure was changed"):
        verify(signed.model_copy(update={"target": target}))
    cheated = signed.model_copy(update={"target": target})
    with pytest.raises(RiskError, match="changed since it was signed"):
        verify(cheated.model_copy(update={"outputs": outputs_hash(cheated)}))
    with pytest.raises(RiskError, match="changed since it was signed"):
        verify(signed.model_copy(update={"created": signed.created + 1}))
    someone = signed.signature.model_copy(update={"signer": development_account(5).address})
    with pytest.raises(RiskError, match="signed by"):
        verify(signed.model_copy(update={"signature": someone}))
    broken = signed.signature.model_copy(update={"signature": "0x1234"})
    with pytest.raises(RiskError, match="0x1234 is no signature"):
        verify(signed.model_copy(update={"signature": broken}))


def test_the_name_beside_the_signature_can_not_be_changed(memo: Memo) -> None:
    signed = sign(memo, risk_officer, "Risk committee")
    assert signed.signature is not None
    other = signed.signature.model_copy(update={"name": "Somebody else"})
    with pytest.raises(RiskError, match="signed by"):
        verify(signed.model_copy(update={"signature": other}))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "not a memo"), ("{}", "not a memo: version: Field required"), ('{"x": 1}', "not a memo")],
)
def test_what_is_no_memo_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "memo.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RiskError, match=complaint) as caught:
        load_memo(path)
    assert "\n" not in str(caught.value)
    with pytest.raises(RiskError, match="No such file"):
        load_memo(tmp_path / "none.json")


def test_changes_are_told_and_nothing_else(memo: Memo) -> None:
    assert changes_since(memo, memo) == ()
    first = memo.account_rows[0]
    moved = (first.model_copy(update={"tier": (first.tier + 1) % 5}), *memo.account_rows[1:-1])
    target = memo.target.model_copy(update={"value": 2 * memo.target.value})
    after = memo.model_copy(update={"target": target, "account_rows": moved})
    found = {change.name: (change.before, change.after) for change in changes_since(memo, after)}
    gone = memo.account_rows[-1]
    assert found == {
        "target": (memo.target.value, 2 * memo.target.value),
        f"tier of {first.account}": (first.tier, (first.tier + 1) % 5),
        f"tier of {gone.account}": (gone.tier, None),
    }
