"""Sending on a chain that is slow, dear, forgetful, and changes its mind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from tests.exchange import KEEPER, OTHER_KEEPER, Exchange
from tests.unit.keeper.stores import an_intent, sent_twice
from weir.chain import Fees, RpcError, sign
from weir.keeper.following import NodeBehindError, Remembered
from weir.keeper.journal import Journal
from weir.keeper.lease import Lease
from weir.keeper.limits import Limits
from weir.keeper.outbox import Rehearsal
from weir.keeper.policy import Options
from weir.keeper.roles import USUAL, Role
from weir.keeper.runner import Keeper, StepReport
from weir.keeper.sender import CANCELS, DAY, REPLACEMENTS, STUCK_BLOCKS, Sender
from weir.keeper.tables import Draft
from weir.node import Node
from weir.store import Store, StoreError

GWEI, ETHER = 10**9, 10**18
LIMITS = Limits(max_fee=10_000 * GWEI, daily=100 * ETHER)
CRASH, BELOW = 9_300, 7
"""A price, and how many of the eight traders it takes below maintenance margin."""
FLAGS = frozenset({Role.FLAG})


@pytest.fixture(scope="module")
def quiet_exchange(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exchange]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        exchange = Exchange(node, tmp_path_factory.mktemp("exchange"), traders=8)
        yield exchange


@pytest.fixture
def exchange(quiet_exchange: Exchange) -> Iterator[Exchange]:
    node = quiet_exchange.node
    before = node.rpc("evm_snapshot")
    node.rpc("anvil_setNextBlockBaseFeePerGas", hex(GWEI))  # which going back does not restore
    quiet_exchange.fresh()
    yield quiet_exchange
    node.rpc("anvil_dropAllTransactions")
    node.rpc("evm_setAutomine", True)
    node.rpc("evm_revert", before)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(f"sqlite:///{tmp_path / 'keeper.sqlite3'}")
    yield opened
    opened.close()


class Desk:
    """A keeper with its sender and journal, on the exchange."""

    def __init__(
        self,
        exchange: Exchange,
        store: Store,
        limits: Limits = LIMITS,
        account: LocalAccount = KEEPER,
        roles: frozenset[Role] = USUAL,
    ) -> None:
        self.exchange, self.node, self.account = exchange, exchange.node, account
        weir = exchange.fresh()
        lease = Lease.of(store, weir.chain.id, weir.chain.block(0)["hash"], account.address)
        lease.take()
        self.journal = Journal(lease, weir.clearing_house.address)
        self.sender = Sender(weir, account, self.journal, limits)
        self.keeper = Keeper(weir, account, Options(roles, execute=True), outbox=self.sender)
        self.step = self.keeper.step

    def flying(self) -> dict[int, list[Fees]]:
        return {n: [e.fees for e in attempts] for n, attempts in self.journal.pending().items()}

    def mine(self, blocks: int = 1, *, base: int | None = None) -> None:
        """Blocks of this base fee (wei) each, by hand."""
        for _ in range(blocks):
            if base is not None:
                self.node.rpc("anvil_setNextBlockBaseFeePerGas", hex(base))
            self.node.mine()

    def settle_everything(self) -> StepReport:
        """Steps and blocks, until nothing is left to do."""
        for _ in range(20):
            report = self.step()
            self.mine()
            if not (report.tasks or self.journal.pending()):
                return report
        raise AssertionError("it never ends")


def outcomes(report: StepReport) -> Counter[tuple[str, str]]:
    return Counter((each["kind"], each["outcome"]) for each in (*report.tasks, *report.settled))


@pytest.fixture
def by_hand(exchange: Exchange) -> Exchange:
    """The price has fallen, and from here on only `Desk.mine` makes blocks."""
    exchange.price(CRASH)
    exchange.node.rpc("evm_setAutomine", False)
    return exchange


# --------------------------------------------------------------------- the rule


def test_a_step_sends_and_does_not_wait(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    report = desk.step()
    sent = outcomes(report)
    assert sent["flag", "sent"] == BELOW
    # The pending block shows the flags, and each liquidation to the next.
    assert sent["liquidate", "sent"] > 3
    assert by_hand.sent() == 0
    assert len(desk.flying()) == sum(sent.values())

    again = desk.step()
    assert not [each for each in again.tasks if each["outcome"] == "sent"]
    desk.mine()
    later = desk.step()
    assert outcomes(later)["flag", "done"] == BELOW
    desk.settle_everything()
    assert sent_twice(store) == []
    totals = desk.sender.totals()
    assert totals.failed == {}
    assert totals.sent.total() == by_hand.sent()
    equity = by_hand.weir.account(KEEPER.address).equity
    assert totals.bounty > 0
    assert equity >= by_hand.weir.units(Decimal(15_000)) + totals.bounty - 100


def test_a_restarted_keeper_sends_nothing_twice(by_hand: Exchange, store: Store) -> None:
    before = Desk(by_hand, store)
    before.step()
    desk = Desk(by_hand, store)
    assert "sent" not in {each["outcome"] for each in desk.step().tasks}
    assert desk.flying() == before.flying()
    desk.settle_everything()
    assert sent_twice(store) == []


def test_no_more_is_on_its_way_than_nodes_keep(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weir.keeper.sender.MOST_IN_FLIGHT", 4)
    desk = Desk(by_hand, store, roles=FLAGS)
    assert outcomes(desk.step()) == {("flag", "sent"): 4, ("flag", "waiting"): BELOW - 4}
    desk.mine()
    assert outcomes(desk.step()) == {("flag", "done"): 4, ("flag", "sent"): BELOW - 4}


def test_a_dry_run_sends_nothing(by_hand: Exchange) -> None:
    weir = by_hand.fresh()
    keeper = Keeper(weir, KEEPER, outbox=Rehearsal(weir, Remembered()))
    assert outcomes(keeper.step()) == {("flag", "planned"): BELOW, ("collect", "planned"): 1}
    assert by_hand.nonce(block="pending") == by_hand.before


# ------------------------------------------------------------------------- fees


def test_what_is_stuck_is_replaced_and_mined_once(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    desk.step()
    first = desk.flying()
    dear = 1 + max(fees.most for (fees,) in first.values())
    desk.mine(STUCK_BLOCKS - 1, base=dear)
    desk.step()
    assert desk.flying() == first
    desk.mine(base=dear)
    desk.step()
    for nonce, (old, new) in desk.flying().items():
        assert old == first[nonce][0]
        assert new.most * 1000 >= old.most * 1125
        assert new.priority * 1000 >= old.priority * 1125
        assert new.most >= dear
    assert desk.sender.tally.replaced == len(first)
    desk.mine(base=dear)
    desk.settle_everything()
    assert sent_twice(store) == []
    assert desk.sender.totals().failed == {}


def test_it_is_given_up_in_the_end_and_holds_nothing_up(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    nonces = list(desk.flying())
    for _ in range(REPLACEMENTS + CANCELS + 2):
        highest = max(fees.most for tried in desk.flying().values() for fees in tried)
        desk.mine(STUCK_BLOCKS, base=highest + 1)
        desk.step()
    tried = desk.journal.pending()
    assert list(tried) == nonces
    for attempts in tried.values():
        assert [each.cancels for each in attempts] == [False] * (1 + REPLACEMENTS) + [True] * CANCELS
        assert attempts[-1].gas == 21_000
    desk.mine(base=GWEI)
    report = desk.step()
    assert {each["outcome"] for each in report.settled} == {"cancelled"}
    assert not desk.sender.totals().sent
    desk.settle_everything()
    assert desk.sender.totals().sent == {"flag": BELOW}
    assert sent_twice(store) == []


def test_no_fee_passes_the_ceiling(by_hand: Exchange, store: Store) -> None:
    base = int(by_hand.node.rpc("eth_getBlockByNumber", "latest", False)["baseFeePerGas"], 16)
    ceiling = 9 * (base + 2 * GWEI)
    desk = Desk(by_hand, store, replace(LIMITS, max_fee=ceiling), roles=FLAGS)
    desk.step()
    for _ in range(8):
        highest = max(fees.most for tried in desk.flying().values() for fees in tried)
        desk.mine(STUCK_BLOCKS, base=min(highest + 1, ceiling - GWEI))
        desk.step()
    for attempts in desk.journal.pending().values():
        assert max(each.fees.most for each in attempts if not each.cancels) <= ceiling * 8 // 9
        assert max(each.fees.most for each in attempts) <= ceiling
    desk.mine(STUCK_BLOCKS, base=2 * ceiling)
    before = desk.flying()
    report = desk.step()
    assert desk.flying() == before
    assert {each["outcome"] for each in report.tasks} <= {"held", "waiting"}


def test_what_would_only_revert_by_now_is_cancelled(by_hand: Exchange, store: Store) -> None:
    desk, other = Desk(by_hand, store), Desk(by_hand, store, account=OTHER_KEEPER)
    desk.step()
    held = [each.raw for attempts in desk.journal.pending().values() for each in attempts]
    by_hand.node.rpc("anvil_dropAllTransactions")
    other.settle_everything()
    desk.mine(STUCK_BLOCKS)
    desk.step()
    tried = [each for attempts in desk.journal.pending().values() for each in attempts]
    assert any(each.cancels for each in tried)
    desk.settle_everything()
    assert len(held) == by_hand.sent()
    assert "cancelled" in {kind for _, kind in desk.sender.tally.settled}


# ------------------------------------------------------------------------- money


def test_the_days_limit_ends_sending_but_not_looking(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    report = desk.step()
    one = desk.sender.tally.spent // report.count("sent").total()
    by_hand.node.rpc("anvil_dropAllTransactions")

    poor = Desk(by_hand, store, replace(LIMITS, daily=3 * one), account=OTHER_KEEPER)
    report = poor.step()
    assert 0 < report.count("sent").total() < BELOW
    assert report.count("limit").total() > 0
    assert poor.sender.tally.limited
    assert poor.sender.tally.spent <= 3 * one
    sent = report.count("sent").total()
    poor.mine()
    # What it has really cost is less than the worst: a little more may be sent.
    report = poor.step()
    assert poor.sender.tally.spent <= 3 * one
    for _ in range(12):
        report = poor.step()
        poor.mine()
    assert poor.sender.tally.limited
    assert by_hand.nonce(OTHER_KEEPER) - by_hand.before >= sent
    by_hand.node.mine(timestamp=(by_hand.node.now() // DAY + 1) * DAY)
    by_hand.node.rpc("evm_setAutomine", True)
    by_hand.price(CRASH)
    assert poor.step().count("sent").total() > 0
    assert not poor.journal.spent(by_hand.node.now() // DAY) > 3 * one


def test_gas_may_cost_only_so_much(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, replace(LIMITS, native_price=1e-9, max_gas_cost=1))
    report = desk.step()
    assert outcomes(report) == {("flag", "too dear"): BELOW, ("collect", "too dear"): 1}
    assert by_hand.nonce(block="pending") == by_hand.before


def test_a_liquidation_must_pay_for_its_gas(exchange: Exchange, store: Store) -> None:
    exchange.price(CRASH)
    dear = replace(LIMITS, native_price=1e-3, max_gas_cost=10**12)
    report = Desk(exchange, store, dear).step()
    assert report.count("sent")["flag"] == BELOW
    assert report.count("sent")["liquidate"] == 0
    assert report.count("too dear")["liquidate"] == BELOW
    assert Desk(exchange, store).step().count("sent")["liquidate"] > 0


def test_without_money_nothing_is_sent(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(10**12))
    report = desk.step()
    assert {each["outcome"] for each in report.tasks} == {"held"}
    assert desk.sender.tally.poor
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(ETHER))
    assert desk.step().count("sent")["flag"] == BELOW
    assert not desk.sender.tally.poor


def test_a_node_that_finds_too_little_money_gives_the_nonce_back(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store)
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(10**12))
    counts = desk.sender._counts
    monkeypatch.setattr(desk.sender, "_counts", lambda: (ETHER, *counts()[1:]))
    report = desk.step()
    assert {each["outcome"] for each in report.tasks} == {"held"}
    assert desk.journal.pending() == {}
    monkeypatch.undo()
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(ETHER))
    desk.mine(20)
    assert desk.step().count("sent")["flag"] == BELOW
    assert min(desk.journal.pending()) == by_hand.before
    desk.settle_everything()
    assert sent_twice(store) == []


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
    with pytest.raises(RpcError, match="timeout"):
        desk.step()
    assert len(desk.journal.pending()) == BELOW - 1
    assert desk.step().count("sent") == {"flag": 1}


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


# ------------------------------------------------------------------- two keepers


def test_two_keepers_waste_gas_at_most(by_hand: Exchange, store: Store) -> None:
    weir = by_hand.weir
    one, other = Desk(by_hand, store), Desk(by_hand, store, account=OTHER_KEEPER)
    first = one.step().count("sent")
    # The second does not see what the first has sent: each has a node of its own.
    by_hand.node.rpc("anvil_dropAllTransactions")
    assert other.step().count("sent") == first
    one.step()
    one.mine()
    for _ in range(3):
        one.step()
        other.step()
        one.mine()
    totals = [desk.sender.totals() for desk in (one, other)]
    assert sum(each.failed.total() for each in totals) > 0
    assert sum(each.sent["liquidate"] for each in totals) >= first["liquidate"]
    for desk, total in zip((one, other), totals, strict=True):
        own = weir.account(desk.account.address)
        # Equity only grows by bounties: whoever came second has paid for gas, in the chain's own coin.
        assert own.equity >= weir.units(Decimal(15_000)) + total.bounty - 100
        assert sent_twice(store) == []
    assert weir.actionable(block="pending") == ()


def _mined(desk: Desk) -> list[Any]:
    hashes: list[str] = []
    last = int(desk.node.rpc("eth_blockNumber"), 16)
    for number in range(last + 1):
        hashes += desk.node.rpc("eth_getBlockByNumber", hex(number), False)["transactions"]
    return [receipt for receipt in desk.sender.chain.receipts(hashes) if receipt]


def _draft() -> Draft:
    return Draft(10**6, False, b"never sent", 1, Fees(1, 1), 0, 0, 0)
