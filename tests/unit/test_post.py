"""`weir post` against the contracts: what the file says is posted, in bounded steps, or nothing is."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import ape
import pytest
from eth_utils import to_checksum_address

from tests.system import ROLES, System
from weir.accounts import development_account
from weir.cli import main
from weir.client import Weir
from weir.parameters import FundingParameters
from weir.posting import ACCOUNTS_PER_POST, POSTER_ACCOUNT, PostError, Posting, PostRefusedError, PostReport

DAY = 86_400
INPUTS, OUTPUTS = "0x" + "ab" * 32, "0x" + "cd" * 32


@pytest.fixture(scope="module")
def posted_to(deploy_system: Any, actors: Any) -> System:
    """1,000,000 of open interest: the formula's target is 50,000."""
    made: System = deploy_system(funding=FundingParameters())
    for role in ("market_maker", "liquidator"):
        made.deposit(actors[role], 1_000_000)
    made.contribute(actors["deployer"], 50_000)
    made.trade(actors["liquidator"], actors["market_maker"], 100, 10_000)
    return made


@pytest.fixture
def weir(posted_to: System) -> Weir:
    return Weir(ape.chain.provider.web3, posted_to.deployment)


@pytest.fixture
def post(posted_to: System, tmp_path: Path, capsys: Any, monkeypatch: Any) -> Any:
    """Exit code, output and errors of `weir post` on this chain with a file of this content."""
    for name in ("WEIR_RPC", "WEIR_PRIVATE_KEY", "WEIR_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    deployment, file = tmp_path / "deployment.json", tmp_path / "post.json"
    posted_to.deployment.save(deployment)
    where = ["--rpc", ape.chain.provider.web3.provider.endpoint_uri, "--deployment", str(deployment)]

    def run(content: Any, *options: str) -> tuple[int, str, str]:
        file.write_text(content if isinstance(content, str) else json.dumps(content))
        with pytest.raises(SystemExit) as ended:
            main(["post", *where, *options, str(file)])
        output = capsys.readouterr()
        return ended.value.code, output.out, output.err  # type: ignore[return-value]

    return run


def content(**fields: Any) -> dict[str, Any]:
    head = ape.chain.blocks.head.number
    return {"evidence": {"inputs": INPUTS, "outputs": OUTPUTS, "block": head}} | fields


def address(i: int) -> str:
    return to_checksum_address(f"0x{i:040x}")


def nonce(account: Any) -> int:
    return int(ape.chain.provider.get_nonce(account.address))


def test_the_poster_is_the_deployment_s(poster: Any) -> None:
    assert ROLES[POSTER_ACCOUNT] == "poster"
    assert development_account(POSTER_ACCOUNT).address == poster.address


# --------------------------------------------------------------------- posting


def test_a_target_and_tiers_are_posted(
    post: Any, posted_to: System, weir: Weir, trader: Any, other_trader: Any
) -> None:
    tiers = {trader.address.lower(): 1, other_trader.address: 3}
    code, out, err = post(content(target="60000.00", tiers=tiers))
    assert (code, err) == (0, "")
    first, second = out.splitlines()
    assert first.startswith("posted a target of $60,000.00 in 0x")
    assert second.startswith("posted the tiers of 2 accounts in 0x")
    assert posted_to.policy.target() == posted_to.usd(60_000)
    assert [posted_to.policy.tierOf(a).tier for a in (trader, other_trader)] == [1, 3]
    logs = weir.chain.logs([weir.policy.address], 0, ape.chain.blocks.head.number, ["TargetPosted"])
    evidence = logs[-1]["evidence"]
    assert ("0x" + evidence["inputs"].hex(), "0x" + evidence["outputs"].hex()) == (INPUTS, OUTPUTS)


def test_null_is_no_target(post: Any, posted_to: System, trader: Any) -> None:
    code, out, _ = post(content(target=None, tiers={trader.address: 1}))
    assert (code, out.count("\n")) == (0, 1)
    assert posted_to.policy.postedTarget()[1] == 0


def test_json_tells_what_was_posted(post: Any, trader: Any, poster: Any) -> None:
    code, out, _ = post(content(target="55000.5", tiers={trader.address: 3}), "--json")
    report = json.loads(out)
    target, tiers = report["steps"]
    assert code == 0
    assert (report["poster"], report["dry_run"], report["unchanged"]) == (poster.address, False, 0)
    assert Decimal(target["target"]) == Decimal("55000.5")
    assert tiers["tiers"] == {trader.address: 3}
    for step in report["steps"]:
        assert step["accepted"]
        assert step["transaction"].startswith("0x")


def test_many_accounts_take_several_transactions(post: Any, posted_to: System, poster: Any) -> None:
    before = nonce(poster)
    tiers = {address(i + 1): 1 + i % 3 for i in range(2 * ACCOUNTS_PER_POST + 1)}
    code, out, _ = post(content(tiers=tiers))
    assert code == 0
    assert [line.split(" in 0x")[0] for line in out.splitlines()] == [
        "posted the tiers of 100 accounts",
        "posted the tiers of 100 accounts",
        "posted the tier of 1 account",
    ]
    assert nonce(poster) == before + 3
    assert all(posted_to.policy.tierOf(account).tier == tier for account, tier in tiers.items())


def test_what_stands_is_left_out_until_half_of_its_life_is_over(
    post: Any, posted_to: System, trader: Any, other_trader: Any, stranger: Any
) -> None:
    tiers = {trader.address: 1, other_trader.address: 2}
    assert post(content(tiers=tiers))[0] == 0
    posted_to.wait(14 * DAY)
    code, out, _ = post(content(tiers=tiers))
    assert (code, out.splitlines()) == (
        0,
        [
            "left out 2 accounts: the tier is posted already, and fresh for more than half its lifetime",
            "nothing to post",
        ],
    )
    # Another tier, and 2 for somebody who has it only by default, are news.
    code, out, _ = post(content(tiers=tiers | {trader.address: 0, stranger.address: 2}))
    first, second = out.splitlines()
    assert first.startswith("posted the tiers of 2 accounts in ")
    assert second.startswith("left out 1 account:")
    posted_to.wait(1 * DAY)
    code, out, _ = post(content(tiers={other_trader.address: 2}))
    assert out.startswith("posted the tier of 1 account in ")


# -------------------------------------------------------------------- refusals


def test_a_step_too_large_is_said_with_its_bounds_and_nothing_is_sent(
    post: Any, posted_to: System, trader: Any, poster: Any
) -> None:
    before = nonce(poster)
    code, out, err = post(content(target="70000", tiers={trader.address: 1}))
    assert (code, out) == (1, "")
    assert err == (
        "weir: nothing is posted: TargetStepTooLarge: a target of $70,000.00 is too large a step; "
        "from $37,500.00 to $62,500.00 is allowed now\n"
    )
    assert nonce(poster) == before
    assert posted_to.policy.tierOf(trader).postedAt == 0


def test_every_refused_account_is_named(post: Any, posted_to: System, actors: Any) -> None:
    trader, other, stranger = (actors[role].address for role in ("trader", "other_trader", "stranger"))
    assert post(content(tiers={trader: 1}))[0] == 0
    code, _, err = post(content(tiers={other: 4, stranger: 3, trader: 0}))
    allowed = ape.chain.blocks.head.timestamp + DAY
    assert code == 1
    assert f"TierOutOfBounds: tier 4 is too large a step for {other}; from 1 to 3 is allowed now" in err
    assert f"TierTooSoon: the tier of {trader} may move again from " in err
    assert stranger not in err
    assert err.count("\n") == 1
    assert posted_to.policy.tierOf(trader).postedAt + DAY == allowed


def test_old_and_future_evidence_is_refused(post: Any, trader: Any) -> None:
    head = ape.chain.blocks.head.number
    assert post(content(tiers={trader.address: 1}))[0] == 0
    for block in (head - 1, head + 100):
        code, _, err = post(
            content(
                tiers={trader.address: 2}, evidence={"inputs": INPUTS, "outputs": OUTPUTS, "block": block}
            )
        )
        assert code == 1
        assert f"EvidenceOutOfOrder: the evidence is of block {block}; from {head}, " in err


def test_only_the_poster_posts(post: Any, monkeypatch: Any) -> None:
    somebody = development_account(ROLES.index("stranger"))
    monkeypatch.setenv("WEIR_PRIVATE_KEY", somebody.key.to_0x_hex())
    code, _, err = post(content(target="50000"))
    reason = f"AccessManagedUnauthorized: {somebody.address} is not the poster"
    assert (code, err) == (1, f"weir: nothing is posted: {reason}\n")


def test_what_was_posted_before_a_failure_is_told(weir: Weir, trader: Any, monkeypatch: Any) -> None:
    posting = Posting.model_validate(content(target="60000", tiers={trader.address: 1}))
    poster = development_account(POSTER_ACCOUNT)
    report = PostReport.plan(weir, poster.address, posting)
    lines = report.send(weir, poster)
    assert next(lines).startswith("posted a target of $60,000.00")
    monkeypatch.setattr(type(weir.chain), "send", _unreachable)
    with pytest.raises(ConnectionError):
        next(lines)
    target, tiers = json.loads(report.to_json(dry_run=False))["steps"]
    assert target["transaction"]
    assert tiers["transaction"] is None


def _unreachable(*_: object) -> None:
    raise ConnectionError("no node")


# --------------------------------------------------------------------- dry run


def test_a_dry_run_sends_nothing(post: Any, posted_to: System, trader: Any, poster: Any) -> None:
    before = nonce(poster)
    code, out, err = post(content(target="60000", tiers={trader.address: 1}), "--dry-run")
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "would post a target of $60,000.00: accepted",
        "would post the tier of 1 account: accepted",
    ]
    assert nonce(poster) == before
    assert posted_to.policy.postedTarget()[1] == 0


def test_a_dry_run_tells_what_would_be_refused(post: Any, trader: Any) -> None:
    code, out, err = post(content(target="60000", tiers={trader.address: 4}), "--dry-run")
    assert (code, err) == (1, "")
    assert out.splitlines() == [
        "would post a target of $60,000.00: accepted",
        "would post the tier of 1 account: refused",
        f"  TierOutOfBounds: tier 4 is too large a step for {trader.address}; from 1 to 3 is allowed now",
    ]
    code, out, _ = post(content(target="60000", tiers={trader.address: 4}), "--dry-run", "--json")
    report = json.loads(out)
    assert (code, report["dry_run"]) == (1, True)
    assert [step["accepted"] for step in report["steps"]] == [True, False]
    assert [step["transaction"] for step in report["steps"]] == [None, None]


# -------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "Expecting property name"),
        ("[]", "valid dictionary"),
        ("{}", "evidence: Field required"),
        ('{"evidence": EVIDENCE}', "neither a target nor tiers: nothing to post"),
        ('{"evidence": EVIDENCE, "target": "-1"}', "target: Input should be greater than or equal to 0"),
        ('{"evidence": EVIDENCE, "target": "much"}', "target: Input should be a valid decimal"),
        ('{"evidence": EVIDENCE, "tiers": {"0x12": 1}}', "'0x12' is not an address"),
        ('{"evidence": EVIDENCE, "tiers": {"ADDRESS": 5}}', "Input should be less than or equal to 4"),
        ('{"evidence": EVIDENCE, "tiers": {"ADDRESS": true}}', "Input should be a valid integer"),
        ('{"evidence": EVIDENCE, "tiers": {"ADDRESS": 1, "ADDRESS": 2}}', "stands twice"),
        ('{"evidence": EVIDENCE, "tiers": {"ADDRESS": 1, "LOWER": 2}}', "an account is named twice"),
        ('{"evidence": EVIDENCE, "tier": {"ADDRESS": 1}}', "tier: Extra inputs are not permitted"),
        ('{"evidence": {"inputs": "0x12", "outputs": "OUT", "block": 1}, "target": 1}', "must be 32 bytes"),
        ('{"evidence": {"inputs": "OUT", "outputs": "OUT", "block": "1"}, "target": 1}', "valid integer"),
        ('{"evidence": {"inputs": "OUT", "outputs": "OUT"}, "target": 1}', "evidence.block: Field required"),
    ],
)
def test_a_wrong_file_is_one_line_and_code_2(post: Any, poster: Any, text: str, message: str) -> None:
    evidence = f'{{"inputs": "{INPUTS}", "outputs": "{OUTPUTS}", "block": 1}}'
    text = text.replace("EVIDENCE", evidence).replace("OUT", OUTPUTS)
    code, out, err = post(text.replace("ADDRESS", poster.address).replace("LOWER", poster.address.lower()))
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert err.startswith("weir: ")
    assert "post.json: " in err
    assert message in err


def test_decimals_keep_their_digits(tmp_path: Path) -> None:
    file = tmp_path / "post.json"
    evidence = json.dumps({"inputs": INPUTS, "outputs": OUTPUTS, "block": 1})
    file.write_text(f'{{"target": 123456789012.123456789, "evidence": {evidence}}}')
    assert Posting.load(file).target == Decimal("123456789012.123456789")


def test_a_target_that_the_contract_cannot_hold(weir: Weir, poster: Any) -> None:
    weir.deployment = weir.deployment.model_copy(update={"decimals": 18})
    with pytest.raises(PostError, match=r"^target: at most \$79,228,162,514 "):
        PostReport.plan(weir, poster.address, Posting.model_validate(content(target="80000000000")))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(PostError, match="No such file"):
        Posting.load(tmp_path / "none.json")


def test_require_accepted_is_quiet_where_all_is_well(weir: Weir, poster: Any, trader: Any) -> None:
    PostReport.plan(weir, poster.address, Posting.model_validate(content(target="50000"))).require_accepted()
    wrong = Posting.model_validate(content(tiers={trader.address: 0}))
    with pytest.raises(PostRefusedError, match="TierOutOfBounds"):
        PostReport.plan(weir, poster.address, wrong).require_accepted()
