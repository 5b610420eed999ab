"""The file of risk parameters: what it may say, and what is refused in one line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weir.risk.errors import RiskError
from weir.risk.parameters import RiskParameters


def load(folder: Path, content: object) -> RiskParameters:
    path = folder / "parameters.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return RiskParameters.load(path)


def test_what_is_left_out_is_the_default(tmp_path: Path) -> None:
    assert load(tmp_path, {}) == RiskParameters()
    found = load(
        tmp_path, {"impact": {"BTC": {"depth": 1e9}}, "funding": {"policy": {"target_ratio": 10_000}}}
    )
    assert found.impact_of("BTC").depth == 1e9
    assert found.impact_of("ETH").depth is None
    assert found.funding.policy.target_ratio == 10_000
    assert RiskParameters.model_validate(found.canonical()) == found


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("{", "not JSON"),
        ("[]", "must be an object"),
        ({"levle": 0.99}, "levle: Extra inputs are not permitted"),
        ({"level": 0.3}, r"level: must be greater than 0.5 \(got 0.3\)"),
        ({"paths": 29_999}, "paths: must be greater than or equal to 30000"),
        ({"depeg": {"USDC": {"probability": 0.1, "stressed": 0.01}}}, "stressed: at least probability, 0.1"),
        ('{"impact": {"BTC": {"depth": Infinity}}}', "impact.BTC.depth: "),
        ({"impact": {"BTC": {"stress": 1e200}}}, "impact.BTC.stress: "),
        ({"credit": {"thresholds": [1, 2, 3, 4]}}, "credit: thresholds must fall"),
    ],
)
def test_refuses_what_is_wrong(tmp_path: Path, content: object, complaint: str) -> None:
    with pytest.raises(RiskError, match=complaint) as caught:
        load(tmp_path, content)
    assert "parameters.json" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_options_are_checked_alike() -> None:
    assert RiskParameters().changed({"level": 0.99}).level == 0.99
    with pytest.raises(RiskError, match="horizon_days: must be"):
        RiskParameters().changed({"horizon_days": float("nan")})
    with pytest.raises(RiskError, match="No such file"):
        RiskParameters.load(Path("nowhere.json"))
