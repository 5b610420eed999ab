"""What is stuck: raised while that helps, given up where others wait, and never dearer than it may be."""

from __future__ import annotations

from dataclasses import replace

from tests.exchange import KEEPER, OTHER_KEEPER, Exchange
from tests.unit.keeper.desk import BELOW, ETHER, FLAGS, GWEI, LIMITS, Desk
from tests.unit.keeper.stores import sent_twice
from weir.keeper.stuck import CANCELS, REPLACEMENTS, STUCK_BLOCKS
from weir.store import Store

# ------------------------------------------------------------------------- fees


def test_what_is_stuck_is_replaced_and_mined_once(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store)
    desk.step()
    first = desk.flying()
    dear = 2 * max(fees.most for (fees,) in first.values())
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


def test_however_far_gas_climbs_all_is_mined_once_it_settles(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    for _ in range(REPLACEMENTS + CANCELS + 3):
        highest = max(fees.most for tried in desk.flying().values() for fees in tried)
        desk.mine(STUCK_BLOCKS, base=2 * highest)
        desk.step()
    assert desk.sender.tally.oldest > STUCK_BLOCKS * (REPLACEMENTS + CANCELS)
    for _ in range(BELOW + 2):
        desk.mine(STUCK_BLOCKS, base=LIMITS.max_fee // 4)
        desk.step()
    assert desk.journal.pending() == {}
    assert desk.sender.totals().sent == {"flag": BELOW}
    assert desk.sender.tally.oldest == 0
    assert sent_twice(store) == []


def test_only_the_next_is_raised_where_the_fee_is_not_too_low(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    first, *others = desk.flying()
    for _ in range(4):  # what the node has lost is sent again first, and raised if that does not help
        by_hand.node.rpc("anvil_dropAllTransactions")
        desk.mine(STUCK_BLOCKS, base=GWEI)
        desk.step()
    flying = desk.flying()
    assert len(flying[first]) == 3
    assert {len(flying[nonce]) for nonce in others} == {1}
    desk.mine(base=GWEI)
    desk.settle_everything()
    assert desk.sender.totals().sent == {"flag": BELOW}


def test_refused_replacements_do_not_use_up_the_nonce(by_hand: Exchange, store: Store) -> None:
    desk = Desk(by_hand, store, roles=FLAGS)
    desk.step()
    highest = max(fees.most for (fees,) in desk.flying().values())
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(10**12))
    for _ in range(REPLACEMENTS + CANCELS + 3):
        desk.mine(base=2 * highest)
        desk.step()
    assert desk.sender.tally.poor
    assert {len(tried) for tried in desk.flying().values()} == {1}
    by_hand.node.rpc("anvil_setBalance", KEEPER.address, hex(ETHER))
    for _ in range(2):
        desk.mine(STUCK_BLOCKS, base=2 * highest)
        desk.step()
    assert desk.sender.totals().sent == {"flag": BELOW}


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
    first, *_ = desk.journal.pending().values()
    assert [each.cancels for each in first] == [False, True]
    desk.mine()
    assert "cancelled" in {each["outcome"] for each in desk.step().settled}
    desk.settle_everything()
    assert len(held) == by_hand.sent()
