"""A keeper in the role of the poster: what a file says is posted once, and what it says next after that."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.unit.keeper.walk import STRANGER
from weir.accounts import development_account
from weir.chain import RpcError, connect
from weir.client import Weir
from weir.deployment import deploy
from weir.keeper.policy import Options
from weir.keeper.posting import RECHECK, Poster
from weir.keeper.roles import Kind, Role
from weir.keeper.runner import Keeper, StepReport
from weir.node import Node
from weir.orders import Order
from weir.parameters import MarketParameters, Parameters
from weir.posting import POSTER_ACCOUNT

DAY = 86_400
WAD = 10**18
POSTER = development_account(POSTER_ACCOUNT)
MARKET_MAKER, TRADER = development_account(10), development_account(11)
ANYBODY = tuple(development_account(i).address for i in (20, 21))


@pytest.fixture(scope="module")
def posting_node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        yield node


@pytest.fixture(scope="module")
def posting_weir(posting_node: Node) -> Weir:
    """1,000,000 of open interest: the formula's target is 50,000."""
    w3 = connect(posting_node.url)
    market = MarketParameters(symbol="BTC", price=Decimal(10_000), heartbeat=DAY)
    weir = Weir(w3, deploy(w3, development_account(0), Parameters(markets=(market,))))
    token, amount = weir.token.functions, weir.units(Decimal(1_000_000))
    for account, spender in ((MARKET_MAKER, weir.vault), (TRADER, weir.vault), (STRANGER, weir.fund)):
        weir.chain.send(account, token.mint(account.address, amount))
        weir.chain.send(account, token.approve(spender.address, amount))
    for account in (MARKET_MAKER, TRADER):
        weir.chain.send(account, weir.vault.functions.deposit(account.address, amount))
    weir.chain.send(STRANGER, weir.fund.functions.contribute(weir.units(Decimal(50_000))))
    order = Order(MARKET_MAKER.address, 0, False, False, 100 * WAD, 10_000 * WAD, 2**39)
    trade = weir.clearing_house.functions.trade(order.as_tuple(), weir.sign(order, MARKET_MAKER), order.size)
    weir.chain.send(TRADER, trade)
    return weir


class Desk:
    """A poster's keeper and its file."""

    def __init__(self, node: Node, weir: Weir, path: Path) -> None:
        self.node = node
        self.path = path
        self.weir = Weir(weir.chain.w3, weir.deployment)
        self.keeper = self.restarted()

    def restarted(self, account: Any = POSTER) -> Keeper:
        options = Options(roles=frozenset({Role.POST}), execute=True)
        poster = Poster(self.weir, account.address, self.path)
        self.keeper = Keeper(self.weir, account, options, poster=poster)
        return self.keeper

    def write(self, outputs: int = 1, **content: Any) -> None:
        block = int(self.weir.chain.rpc("eth_blockNumber"), 16)
        evidence = {"inputs": f"0x{'ab' * 32}", "outputs": f"0x{outputs:064x}", "block": block}
        self.path.write_text(json.dumps({"evidence": evidence} | content))

    def step(self) -> list[str]:
        """Subjects of what was sent."""
        return [task["subject"] for task in self.stepped().tasks if task["outcome"] == "sent"]

    def stepped(self) -> StepReport:
        report = self.keeper.step()
        assert {task["kind"] for task in report.tasks} <= {Kind.POST}
        return report

    def later(self, seconds: int = RECHECK) -> None:
        self.node.increase_time(seconds)
        feed = self.weir.feed("BTC").functions.setAnswer(10_000 * 10**8)
        self.weir.chain.send(development_account(0), feed)

    def target(self) -> Decimal:
        return self.weir.usd(self.weir.fund_state().posted_target)


@pytest.fixture
def desk(posting_node: Node, posting_weir: Weir, tmp_path: Path) -> Iterator[Desk]:
    snapshot = posting_node.rpc("evm_snapshot")
    yield Desk(posting_node, posting_weir, tmp_path / "post.json")
    posting_node.rpc("evm_revert", snapshot)


def test_a_target_and_tiers_are_posted_once(desk: Desk) -> None:
    desk.write(target="55000", tiers=dict.fromkeys(ANYBODY, 3))
    first, second = desk.step()
    assert (first, second[:6]) == ("target", "tiers ")
    assert desk.target() == 55_000
    for _ in range(3):
        assert desk.step() == []
        desk.later()
    desk.restarted()
    assert desk.step() == []


def test_what_a_node_did_not_answer_is_asked_again_at_the_next_step(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.write(target="55000")
    with monkeypatch.context() as broken:
        broken.setattr(Poster, "_posted", _fails)
        with pytest.raises(RpcError, match="busy"):
            desk.step()
    assert desk.step() == ["target"]


def _fails(*_: object) -> None:
    raise RpcError("eth_getLogs", -32000, "busy")


def test_what_the_file_says_next_is_posted_next(desk: Desk) -> None:
    desk.write(target="55000")
    assert desk.step() == ["target"]
    desk.later()
    desk.write(2, target="52000", tiers={ANYBODY[0]: 3})
    assert desk.step()[0] == "target"
    assert desk.target() == 52_000
    desk.write(3, target="51000")
    # The clock may stand still: the file has changed.
    assert desk.step() == ["target"]


def test_a_target_that_stands_is_left_until_half_of_its_lifetime_is_over(desk: Desk) -> None:
    desk.write(target="55000")
    assert desk.step() == ["target"]
    desk.later()
    desk.write(2, target="55000")
    assert desk.step() == []
    desk.later(DAY)
    assert desk.step() == ["target"]


def test_evidence_that_has_been_posted_is_not_posted_again(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    """Not even when the target runs out, nor under the clothes of another target."""
    desk.write(target="55000", tiers={ANYBODY[0]: 3})
    content = json.loads(desk.path.read_text())
    assert len(desk.step()) == 2
    desk.later(DAY)
    with caplog.at_level(logging.WARNING):
        assert desk.step() == []
        desk.later()
        assert desk.step() == []
    assert caplog.text.count("a newer report is needed") == 1
    desk.path.write_text(json.dumps(content | {"target": "56000"}))
    assert desk.step() == []
    assert desk.target() == 55_000


def test_what_was_lost_in_a_reorganisation_is_posted_again(desk: Desk) -> None:
    desk.write(target="55000")
    before = desk.node.rpc("evm_snapshot")
    assert desk.step() == ["target"]
    desk.node.rpc("evm_revert", before)
    desk.weir.chain._nonces.clear()
    desk.later()
    assert desk.step() == ["target"]
    assert desk.target() == 55_000


def test_tiers_go_in_pieces_and_what_has_gone_does_not_go_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weir.posting.ACCOUNTS_PER_POST", 1)
    desk.write(tiers=dict.fromkeys(ANYBODY, 3))
    assert len(set(desk.step())) == 2
    desk.later()
    assert desk.step() == []


def test_refusals_are_reported_with_reasons(desk: Desk) -> None:
    desk.write(target="70000", tiers={ANYBODY[0]: 0})
    tasks = desk.stepped().tasks
    assert [task["outcome"] for task in tasks] == ["refused", "refused"]
    assert "TargetStepTooLarge: a target of $70,000.00 is too large a step" in tasks[0]["reason"]
    assert "TierOutOfBounds: tier 0 is too large a step" in tasks[1]["reason"]


def test_only_the_poster_can(desk: Desk) -> None:
    desk.restarted(STRANGER)
    desk.write(target="55000")
    (task,) = desk.stepped().tasks
    assert task["outcome"] == "refused"
    assert f"{STRANGER.address} is not the poster" in task["reason"]


@pytest.mark.parametrize(
    ("content", "said"), [(None, "No such file"), ("{", "post.json"), ("{}", "evidence: Field required")]
)
def test_a_file_that_says_nothing_is_named_once(
    desk: Desk, content: str | None, said: str, caplog: pytest.LogCaptureFixture
) -> None:
    if content is not None:
        desk.path.write_text(content)
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            assert desk.stepped().tasks == []
            desk.later()
    assert [said in record.message for record in caplog.records] == [True]
    desk.write(target="55000")
    assert desk.step() == ["target"]


def test_without_the_role_nothing_is_posted(desk: Desk) -> None:
    desk.write(target="55000")
    poster = Poster(desk.weir, POSTER.address, desk.path)
    keeper = Keeper(
        desk.weir, POSTER, Options(roles=frozenset({Role.COLLECT}), min_collect=10**18), poster=poster
    )
    assert keeper.step().tasks == []
