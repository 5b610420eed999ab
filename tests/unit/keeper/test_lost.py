"""Sending on a chain that is forgetful and changes its mind: answers, transactions and blocks get lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from tests.exchange import KEEPER, Exchange
from tests.unit.keeper.desk import BELOW, CRASH, ETHER, FLAGS, GWEI, LIMITS, Desk
from tests.unit.keeper.stores import an_intent, sent_twice
from weir.chain import Fees, RpcError, sign
from weir.keeper.following import NodeBehindError
from weir.keeper.memory import FIRST_DELAY
from weir.keeper.stuck import REPLACEMENTS, STUCK_BLOCKS
from weir.keeper.tables import Draft
from weir.store import Store, StoreError

# ------------------------------------------------------------- what gets lost


def test_a_lost_answer_is_not_a_lost_transaction(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store)
    broadcast = desk.sender.chain.broadcast

    def losing(raw: bytes) -> None:
        broadcast(raw)
        raise ConnectionResetError

    monkeypatch.setattr(desk.sender.chain, "broadcast", losing)
    sent = desk.step().count("sent").total()
    assert sent >= BELOW
    monkeypatch.undo()
    desk.settle_everything()
    assert sent_twice(store) == []
    assert desk.sender.totals().failed == {}


def test_a_lost_request_is_made_again(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store)

    def deaf(_: bytes) -> None:
        raise TimeoutError

    monkeypatch.setattr(desk.sender.chain, "broadcast", deaf)
    desk.step()
    meant = {each.hash for attempts in desk.journal.pending().values() for each in attempts}
    assert by_hand.nonce(block="pending") == by_hand.before
    monkeypatch.undo()
    desk.step()
    assert by_hand.nonce(block="pending") == by_hand.before + len(meant)
    desk.mine()
    assert {each.transaction for each in _mined(desk)} >= meant


def test_what_a_node_forgets_it_is_told_again(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    desk.step()
    by_hand.node.rpc("anvil_dropAllTransactions")
    desk.step()
    desk.settle_everything()
    assert sent_twice(store) == []
    assert desk.sender.totals().failed == {}


@pytest.mark.parametrize("depth", [1, 3, 12])
def test_what_was_mined_in_undone_blocks_is_mined_again(exchange: Exchange, store: Store, depth: int) -> None:
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    desk = Desk(exchange, store)
    desk.step()
    desk.mine()
    desk.step()
    desk.mine(depth - 1)
    desk.step()
    before = desk.sender.totals()
    assert before.sent["liquidate"] > 0
    exchange.node.rpc("anvil_reorg", depth, [])
    desk.mine()
    # What was in them has come back to the node's pool, or not: it is mined again in either case.
    exchange.node.rpc("anvil_dropAllTransactions")
    desk.step()
    assert desk.sender.tally.reorgs == 1
    desk.settle_everything()
    after = desk.sender.totals()
    assert after.sent["liquidate"] >= before.sent["liquidate"]
    assert sent_twice(store) == []
    assert exchange.weir.actionable(block="pending") == ()


def test_an_older_node_is_not_believed(by_hand: Exchange, store: Store) -> None:
    node = by_hand.node
    desk = Desk(by_hand, store)
    earlier = node.rpc("evm_snapshot")
    desk.mine(5)
    desk.sender.begin()
    node.rpc("evm_revert", earlier)
    with pytest.raises(NodeBehindError):
        desk.step()
    assert by_hand.nonce(block="pending") == by_hand.before
    desk.mine(6)
    assert desk.step().count("sent")["flag"] == BELOW


def test_a_nonce_that_somebody_else_used_is_lost_and_the_thing_done_anew(
    by_hand: Exchange, store: Store
) -> None:
    desk = Desk(by_hand, store)
    desk.step()
    node, nonce = by_hand.node, by_hand.before
    node.rpc("anvil_dropAllTransactions")
    raw = sign(KEEPER, 31337, nonce, Fees(GWEI, 100 * GWEI), 21_000, KEEPER.address, 0, b"")
    node.rpc("eth_sendRawTransaction", "0x" + raw.hex())
    desk.mine()
    desk.step()
    assert nonce in desk.journal.pending()
    desk.mine(3)
    report = desk.step()
    assert "dropped" in {each["outcome"] for each in report.settled}
    desk.settle_everything()
    assert by_hand.weir.actionable(block="pending") == ()


def test_a_gap_is_filled(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    desk.sender.begin()
    nonce, fees = by_hand.before + 1, Fees(GWEI, 100 * GWEI)
    raw = sign(KEEPER, 31337, nonce, fees, 21_000, KEEPER.address, 0, b"")
    made = desk.journal.intend(an_intent("other"), Draft(nonce, False, raw, 21_000, fees, 0, 0, 0))
    assert made is not None
    Desk(by_hand, store, replace(LIMITS, daily=1)).step()
    assert by_hand.nonce(block="pending") == by_hand.before  # the limit counts for gaps, too
    desk.step()
    desk.mine()
    assert by_hand.sent() >= 2
    desk.settle_everything()
    assert sent_twice(store) == []


def test_what_a_node_can_not_say_about_one_task_does_not_hold_up_the_others(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    estimate, asked = desk.sender.chain.estimate, []

    def failing(*arguments: Any, **names: Any) -> int:
        asked.append(arguments)
        if len(asked) == 2:
            raise RpcError("eth_estimateGas", -32000, "timeout")
        return estimate(*arguments, **names)

    monkeypatch.setattr(desk.sender.chain, "estimate", failing)
    assert desk.step().count("unanswered") == {"flag": 1}
    assert len(desk.journal.pending()) == BELOW - 1
    # It rests, and then it is tried again.
    assert desk.step().count("resting") == {"flag": 1}
    desk.node.mine(timestamp=desk.node.now() + FIRST_DELAY)
    assert desk.step().count("sent") == {"flag": 1}


def test_a_node_that_can_simulate_nothing_is_told_of(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)

    def failing(*_: Any, **__: Any) -> int:
        raise RpcError("eth_estimateGas", -32000, "InvalidOpcode")

    monkeypatch.setattr(desk.sender.chain, "estimate", failing)
    with pytest.raises(RpcError, match="InvalidOpcode"):
        desk.step()
    assert desk.step().count("resting") == {"flag": BELOW}


def test_a_node_that_lags_does_not_make_anything_lost(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    desk.mine(4)
    chain = desk.sender.chain
    batch, receipts = chain.rpc_batch, chain.receipts

    def lagging(requests: Any) -> list[Any]:
        """As a balancer that sends each request to another node, most of which lag."""
        methods = {method for method, _ in requests}
        if methods & {"eth_getTransactionReceipt", "eth_getTransactionByHash"}:
            return [None] * len(requests)
        return batch(requests)

    monkeypatch.setattr(chain, "rpc_batch", lagging)
    desk.sender.begin()
    assert len(desk.journal.pending()) == BELOW
    monkeypatch.setattr(chain, "rpc_batch", batch)

    # A node that has the block, and yet no receipt: what it makes lost is found again, and counts.
    monkeypatch.setattr(chain, "receipts", lambda hashes: [None] * len(hashes))
    answer = lambda requests: [  # noqa: E731
        None if method == "eth_getTransactionReceipt" else found
        for (method, _), found in zip(requests, batch(requests), strict=True)
    ]
    monkeypatch.setattr(chain, "rpc_batch", answer)
    assert {each.outcome for each in desk.sender.begin()} == {"dropped"}
    monkeypatch.setattr(chain, "rpc_batch", batch)
    monkeypatch.setattr(chain, "receipts", receipts)
    assert [each.outcome for each in desk.sender.begin()] == ["done"] * BELOW
    assert desk.sender.totals().sent == {"flag": BELOW}
    assert desk.sender.tally.spent > 0


def test_a_refusal_is_only_believed_of_what_no_other_node_can_have(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    sent = desk.flying()
    by_hand.node.rpc("anvil_dropAllTransactions")
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(10**12))
    desk.step()
    assert desk.flying() == sent
    assert desk.sender.tally.poor
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(ETHER))
    desk.settle_everything()
    assert desk.sender.totals().sent == {"flag": BELOW}
    assert sent_twice(store) == []


def test_without_a_journal_nothing_is_sent(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store)
    desk.sender.begin()

    def full(*_: object, **__: object) -> Any:
        raise StoreError("the disk is full")

    monkeypatch.setattr(desk.journal.lease.store, "write", full)
    for work in (desk.step, lambda: desk.journal.intend(an_intent(), _draft())):
        with pytest.raises(StoreError):
            work()
    assert by_hand.nonce(block="pending") == by_hand.before
    monkeypatch.undo()
    assert desk.step().count("sent")["flag"] == BELOW


def test_of_the_same_meant_again_after_a_reorganisation_one_is_given_up(
    exchange: Exchange, store: Store
) -> None:
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    desk = Desk(exchange, store, roles=FLAGS)
    desk.step()
    (flag,), *_ = desk.journal.pending().values()
    desk.mine()
    desk.step()
    nonce, fees = desk.journal.next_nonce(), Fees(GWEI, 100 * GWEI)
    raw = sign(KEEPER, 31337, nonce, fees, 21_000, KEEPER.address, 0, b"")
    again = Draft(nonce, False, raw, 21_000, fees, 0, desk.node.now(), desk.sender.newest)
    assert desk.journal.intend(an_intent(flag.key), again)
    exchange.node.rpc("anvil_reorg", 1, [])
    desk.mine()
    desk.step()
    tried = desk.journal.pending()
    assert [n for n, attempts in tried.items() if not attempts[0].is_wanted] == [flag.nonce]
    assert [n for n, attempts in tried.items() if attempts[-1].cancels] == [flag.nonce]
    desk.settle_everything()


def test_what_is_undone_has_all_its_chances_again(exchange: Exchange, store: Store) -> None:
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    desk = Desk(exchange, store, roles=FLAGS)
    desk.step()
    for _ in range(REPLACEMENTS):
        highest = max(fees.most for tried in desk.flying().values() for fees in tried)
        desk.mine(STUCK_BLOCKS, base=2 * highest)
        desk.step()
    desk.mine(base=GWEI)
    assert {each.outcome for each in desk.sender.begin()} == {"done"}
    desk.mine(STUCK_BLOCKS - 1)
    desk.sender.begin()
    exchange.node.rpc("anvil_reorg", STUCK_BLOCKS, [])
    exchange.node.rpc("anvil_dropAllTransactions")
    desk.mine(base=GWEI)
    desk.step()
    assert desk.sender.tally.reorgs == 1
    # It is sent again as it was: neither made dearer nor given up.
    assert desk.sender.tally.cancelled == 0
    assert {len(tried) for tried in desk.flying().values()} == {1 + REPLACEMENTS}
    desk.settle_everything()
    assert desk.sender.totals().sent == {"flag": BELOW}


def test_a_node_that_refuses_makes_nothing_rest(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)

    def refusing(_: bytes) -> None:
        raise RpcError("eth_sendRawTransaction", -32000, "transaction underpriced")

    monkeypatch.setattr(desk.sender.chain, "broadcast", refusing)
    for _ in range(3):
        assert desk.step().count("held") == {"flag": BELOW}
        desk.mine()
    monkeypatch.undo()
    assert desk.step().count("sent") == {"flag": BELOW}
    assert len(desk.sender.rests) == 0


def _mined(desk: Desk) -> list[Any]:
    hashes: list[str] = []
    last = int(desk.node.rpc("eth_blockNumber"), 16)
    for number in range(last + 1):
        hashes += desk.node.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
    return [receipt for receipt in desk.sender.chain.receipts(hashes) if receipt]


def _draft() -> Draft:
    return Draft(10**6, False, b"never sent", 1, Fees(1, 1), 0, 0, 0)
