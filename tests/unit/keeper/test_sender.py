"""Sending on a chain that is slow and dear: what a step sends, what it may cost, and two keepers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from tests.exchange import KEEPER, OTHER_KEEPER, Exchange
from tests.unit.keeper.desk import BELOW, CRASH, ETHER, FLAGS, GWEI, LIMITS, Desk, outcomes
from tests.unit.keeper.stores import sent_twice
from weir.chain import ContractError
from weir.keeper.following import Remembered
from weir.keeper.outbox import Rehearsal
from weir.keeper.roles import Kind, Role
from weir.keeper.runner import Keeper
from weir.keeper.stuck import STUCK_BLOCKS
from weir.store import Store
from weir.units import DAY

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


def test_half_of_the_days_limit_is_kept_for_what_is_urgent(by_hand: Exchange, store: Store) -> None:
    both = frozenset({Role.COLLECT, Role.FLAG})
    rich = Desk(by_hand, store, roles=both)
    rich.step()
    sent = [attempts[0] for attempts in rich.journal.pending().values()]
    (collecting,) = (each.worst for each in sent if each.kind == Kind.COLLECT)
    flagging = sum(each.worst for each in sent if each.kind == Kind.FLAG)
    by_hand.node.rpc("anvil_dropAllTransactions")

    frugal = replace(LIMITS, daily=2 * collecting - 2)
    desk = Desk(by_hand, store, frugal, OTHER_KEEPER, frozenset({Role.COLLECT}))
    assert outcomes(desk.step()) == {("collect", "over half"): 1}
    desk = Desk(by_hand, store, replace(LIMITS, daily=2 * flagging), OTHER_KEEPER, both)
    assert outcomes(desk.step()) == {("flag", "sent"): BELOW, ("collect", "over half"): 1}
    assert desk.sender.tally.halved
    assert not desk.sender.tally.limited
    desk.mine()
    # What they have really cost is less than the worst, and leaves room in the half.
    assert outcomes(desk.step()) == {("flag", "done"): BELOW, ("collect", "sent"): 1}
    assert not desk.sender.tally.halved


def test_a_limit_that_is_passed_already_keeps_nothing_from_being_given_up(
    by_hand: Exchange, store: Store
) -> None:
    Desk(by_hand, store, roles=FLAGS).step()
    by_hand.node.rpc("anvil_dropAllTransactions")
    Desk(by_hand, store, account=OTHER_KEEPER, roles=FLAGS).settle_everything()
    # Started again with a lower limit: an empty transaction costs less than what it replaces.
    desk = Desk(by_hand, store, replace(LIMITS, daily=1), roles=FLAGS)
    desk.step()
    first, *_ = desk.journal.pending().values()
    assert first[-1].cancels
    assert not desk.sender.tally.limited


def test_what_was_sent_yesterday_counts_for_today_when_sent_again(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    node = by_hand.node
    node.rpc("anvil_dropAllTransactions")
    node.mine(timestamp=(node.now() // DAY + 1) * DAY)
    poor = Desk(by_hand, store, replace(LIMITS, daily=1), roles=FLAGS)
    poor.step()
    poor.mine(STUCK_BLOCKS, base=10 * 10**9)
    poor.step()
    assert poor.sender.tally.limited
    assert {len(tried) for tried in poor.flying().values()} == {1}
    assert poor.sender.tally.spent == 0


def test_gas_may_cost_only_so_much(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, replace(LIMITS, native_price=1e-9, max_gas_cost=1))
    report = desk.step()
    assert outcomes(report) == {("flag", "too dear"): BELOW, ("collect", "too dear"): 1}
    assert by_hand.nonce(block="pending") == by_hand.before


def test_gas_for_what_moves_money_may_cost_a_hundredth_of_it(by_hand: Exchange, store: Store) -> None:
    fees = by_hand.weir.chain.call(
        by_hand.weir.vault.functions.collect(), sender=by_hand.weir.fund.address, block="pending"
    )
    limits = replace(LIMITS, native_price=1e-9, max_gas_cost=10**12)
    desk = Desk(by_hand, store, limits, roles=frozenset({Role.COLLECT}))
    assert outcomes(desk.step()) == {("collect", "sent"): 1}
    (attempts,) = desk.journal.pending().values()
    assert attempts[0].allowed == sum(fees) // 100
    by_hand.node.rpc("anvil_dropAllTransactions")

    dear = replace(limits, native_price=sum(fees) / (50_000 * GWEI))
    housekeeper = Desk(by_hand, store, dear, OTHER_KEEPER, frozenset({Role.COLLECT, Role.FLAG}))
    assert outcomes(housekeeper.step()) == {("flag", "sent"): BELOW, ("collect", "too little"): 1}


def test_what_a_rollup_takes_for_its_data_is_part_of_the_fee(
    by_hand: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(by_hand, store, roles=frozenset({Role.COLLECT}))
    chain, asked = desk.sender.chain, desk.sender.chain.rpc_batch

    def with_l1_fee(requests: Sequence[tuple[str, Sequence[Any]]]) -> list[Any]:
        return [
            answer | {"l1Fee": hex(ETHER)} if method == "eth_getTransactionReceipt" and answer else answer
            for (method, _), answer in zip(requests, asked(requests), strict=True)
        ]

    monkeypatch.setattr(chain, "rpc_batch", with_l1_fee)
    desk.step()
    assert desk.sender.tally.spent < ETHER
    desk.mine()
    desk.step()
    (receipt,) = chain.receipts(chain.block()["transactions"])
    assert receipt is not None
    assert receipt.fee == receipt.gas_used * receipt.gas_price + ETHER
    assert desk.sender.tally.spent == desk.sender.totals().fees == receipt.fee


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


def test_failures_are_remembered_of_the_state_that_they_were_about(
    exchange: Exchange, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    exchange.price(CRASH)
    desk = Desk(exchange, store, roles=FLAGS)
    desk.step()
    flagged = {each.address: each.flagged_at for each in exchange.weir.accounts() if each.flagged_at}
    liquidator = Desk(exchange, store, account=OTHER_KEEPER, roles=frozenset({Role.LIQUIDATE}))

    call = liquidator.sender.chain.call

    def reverting(what: Any, *, sender: str | None = None, **names: Any) -> Any:
        if sender == OTHER_KEEPER.address:
            raise ContractError("SomebodyWasFirst", {}, b"")
        return call(what, sender=sender, **names)

    monkeypatch.setattr(liquidator.sender.chain, "call", reverting)
    assert liquidator.step().count("refused") == {"liquidate": BELOW}
    rests = liquidator.sender.rests
    assert len(rests) == BELOW
    for account, since in flagged.items():
        assert rests.rests(f"resolve:{account}:{since}", exchange.node.now())
        assert not rests.rests(f"resolve:{account}:{since + 1}", exchange.node.now())


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
