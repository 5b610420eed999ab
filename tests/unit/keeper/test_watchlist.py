"""The watch list against the chain: whoever the lens says something may be done about is found, always."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.keeper.walk import LIQUIDATOR, STRANGER, Venue, Walk
from weir.chain import Call, RpcError
from weir.client import Weir
from weir.heads import ChainMovedError, Head, headers
from weir.keeper import view, watchlist
from weir.keeper.following import NodeBehindError
from weir.keeper.policy import Options
from weir.keeper.roles import USUAL, Role
from weir.keeper.runner import Keeper
from weir.keeper.view import Reader
from weir.keeper.watchlist import WatchList, is_suspect
from weir.node import Node
from weir.states import AccountState

ROUNDED = 20
"""Units of S that an account's figures may be off: one for each time that something is rounded."""


@pytest.fixture(scope="module")
def watched_node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as node:
        yield node


@pytest.fixture
def venue(watched_node: Node) -> Iterator[Venue]:
    """Fresh; what a test does is undone."""
    snapshot = watched_node.rpc("evm_snapshot")
    yield Venue(watched_node)
    watched_node.rpc("evm_revert", snapshot)


@pytest.fixture(autouse=True)
def _nobody_in_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is missed is not found by chance."""
    monkeypatch.setattr(watchlist, "IN_TURN", 0)


def _seen(watch: WatchList, weir: Weir) -> dict[str, AccountState | None]:
    watch.follow()
    return watch.accounts(weir.markets(block="pending"), weir.assets.states(block="pending"))


def _check(watch: WatchList, weir: Weir) -> int:
    """That the list misses nobody, and is wrong about nobody; the number of those to be looked at."""
    seen = _seen(watch, weir)
    truth = weir.accounts(block="pending")
    assert list(seen) == [account.address for account in truth]
    suspects = {who for who, account in seen.items() if is_suspect(account)}
    assert {each.address for each in weir.actionable(block="pending")} <= suspects
    for account in truth:
        known = seen[account.address]
        if known is not None:
            _check_account(known, account)
    head = weir.chain.block("pending")
    pledges = watch.pledges(weir.assets.states(block="pending"), int(head["timestamp"], 16))
    assert pledges == list(weir.assets.pledges(block="pending"))
    return len(suspects)


def _check_account(known: AccountState, truth: AccountState) -> None:
    for name in ("cash", "debt", "collateral", "flagged_at", "insolvent", "priced"):
        assert getattr(known, name) == getattr(truth, name), (name, known, truth)
    for name in ("claims", "net", "unsettled", "equity", "notional", "initial_margin", "maintenance_margin"):
        assert abs(getattr(known, name) - getattr(truth, name)) <= ROUNDED, (name, known, truth)
    assert len(known.positions) == len(truth.positions)
    for mine, theirs in zip(known.positions, truth.positions, strict=True):
        assert (mine.market, mine.live) == (theirs.market, theirs.live)
        assert abs(mine.size - theirs.size) <= 10


# ------------------------------------------------------------ whatever happens


@pytest.mark.parametrize("seed", [1, 2])
def test_nobody_is_missed_whatever_happens(venue: Venue, seed: int) -> None:
    weir, walk = venue.weir, Walk(venue, seed)
    watch, reader = WatchList(weir), Reader(weir)
    roles = USUAL | {Role.BUY}
    keepers = [
        Keeper(weir, account, Options(execute=True, roles=roles), gas=5_000_000, reader=reader)
        for account in (LIQUIDATOR, STRANGER)
    ]
    looked_at, accounts = 0, 0
    for _ in range(80):
        walk.step()
        looked_at += _check(watch, weir)
        accounts += len(watch)
        assert reader.read(STRANGER.address).findings == weir.actionable(block="pending")
        if walk.rng.random() < 0.25:
            walk.rng.choice(keepers).step()
    assert 0 < looked_at < accounts / 2
    assert _happened(weir) >= {"Flagged", "Unflagged", "Liquidated", "Defaulted", "ClaimsWrittenOff"}


def _happened(weir: Weir) -> set[str]:
    names = ("Vault", "ClearingHouse", "InsuranceFund", "Collateral")
    contracts = [weir.deployment.contracts[name].address for name in names]
    last = int(weir.chain.rpc("eth_blockNumber"), 16)
    return {event.name for event in weir.chain.logs(contracts, weir.deployment.block, last)}


# ------------------------------------------------------------------- one by one


def test_a_side_whose_epoch_has_ended_is_read_again(venue: Venue) -> None:
    """All longs are deleveraged against the one short, of whose position nothing is left but its profit."""
    weir, watch = venue.weir, WatchList(venue.weir)
    trader, other = venue.traders[:2]
    for account in (trader, other):
        venue.mint(account, 1_000)
        venue.deposit(account, 1_000)
    venue.trade(trader, 1, 6, other)
    _check(watch, weir)
    venue.price("ETH", 2_800)
    house = weir.clearing_house.functions
    venue.send(STRANGER, house.flag(trader.address))
    _check(watch, weir)
    venue.node.increase_time(700)
    venue.send(STRANGER, house.deleverage(trader.address, []))
    assert "EpochEnded" in _happened(weir)
    _check(watch, weir)
    short = _seen(watch, weir)[other.address]
    assert short is not None
    assert [position.live for position in short.positions] == [False]
    assert is_suspect(short)


def test_a_crowd_is_asked_about_one_by_one(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same findings either way: of a few suspects, and of a page of all."""
    weir, trader = venue.weir, venue.traders[0]
    venue.mint(trader, 1_000)
    venue.deposit(trader, 1_000)
    venue.trade(trader, 0, 0.3)
    venue.price("BTC", 57_000)
    expected = weir.actionable(block="pending")
    assert [each.flag for each in expected] == [True]
    for size in (0, 10**6):
        monkeypatch.setattr(view, "PAGED_FROM", size)
        assert Reader(weir).read(STRANGER.address).findings == expected


def test_what_governance_changes_is_in_the_next_view(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    chain, reader = venue.weir.chain, Reader(venue.weir)
    before, ask = reader.read(STRANGER.address).rules, chain.call

    def changed(call: Call, **state: Any) -> Any:
        found = ask(call, **state)
        return found | {"penalty": 7_777} if call.fn_name == "liquidationParameters" else found

    monkeypatch.setattr(chain, "call", changed)
    venue.node.mine()
    assert reader.read(STRANGER.address).rules == before._replace(penalty=7_777) != before


def test_a_reorganisation_is_followed(venue: Venue) -> None:
    """A deposit and a trade are undone, and another trader trades instead, in blocks of the same numbers."""
    weir, watch, reader = venue.weir, WatchList(venue.weir), Reader(venue.weir)
    first, second = venue.traders[:2]
    for account in (first, second):
        venue.mint(account, 5_000)
        venue.deposit(account, 1_000)
    _check(watch, weir)
    before = venue.node.rpc("evm_snapshot")
    venue.deposit(first, 1_000)
    venue.trade(first, 0, 0.3)
    _check(watch, weir)
    assert reader.read(STRANGER.address).accounts[first.address].positions
    venue.node.rpc("evm_revert", before)
    venue.weir = weir = Weir(weir.chain.w3, weir.deployment)
    venue.deposit(second, 1_000)
    venue.trade(second, 0, -0.3)
    _check(watch, weir)
    seen = reader.read(STRANGER.address).accounts
    assert not seen[first.address].positions
    assert seen[second.address].positions


def test_a_chain_that_goes_back_is_followed(venue: Venue) -> None:
    watch, trader = WatchList(venue.weir), venue.traders[0]
    venue.mint(trader, 5_000)
    before = venue.node.rpc("evm_snapshot")
    venue.deposit(trader, 1_000)
    known = _check(watch, venue.weir), len(watch)
    venue.node.rpc("evm_revert", before)
    for _ in range(watchlist.LOOKS):
        with pytest.raises(NodeBehindError):
            watch.follow()
    _check(watch, venue.weir)
    assert len(watch) == known[1] - 1


def test_one_older_answer_costs_nothing(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind one address there may be several nodes, not all of them as far."""
    watch, chain = WatchList(venue.weir), venue.weir.chain
    older = chain.block("latest")
    venue.mint(venue.traders[0], 5_000)
    watch.follow()
    monkeypatch.setattr(WatchList, "_read_all", None)
    with monkeypatch.context() as another:
        another.setattr(chain, "block", lambda _: older)
        with pytest.raises(NodeBehindError):
            watch.follow()
    venue.deposit(venue.traders[0], 1_000)
    _check(watch, venue.weir)


def test_blocks_that_do_not_follow_the_last_one_are_not_believed(
    venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The chain changes between two requests: nothing is taken over, and the next look finds out."""
    weir, watch, trader = venue.weir, WatchList(venue.weir), venue.traders[0]
    watch.follow()
    venue.mint(trader, 5_000)
    venue.deposit(trader, 1_000)
    with monkeypatch.context() as another:
        another.setattr(watchlist, "headers", _of_another_chain)
        with pytest.raises(ChainMovedError):
            watch.follow()
    assert trader.address not in watch.accounts(weir.markets(), weir.assets.states())
    _check(watch, weir)


def _of_another_chain(*arguments: Any) -> list[Head]:
    return [replace(head, parent="0x00") for head in headers(*arguments)]


def test_after_a_long_absence_all_are_read(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    weir, watch, trader = venue.weir, WatchList(venue.weir), venue.traders[0]
    monkeypatch.setattr(watchlist, "WINDOW", 5)
    monkeypatch.setattr(weir.chain, "logs_of", None)
    watch.follow()
    venue.mint(trader, 5_000)
    venue.deposit(trader, 1_000)
    venue.node.mine(5)
    _check(watch, weir)


def test_all_are_read_again_in_turn(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    """What no event tells (here: because it is hidden) is found out all the same."""
    weir, watch, trader = venue.weir, WatchList(venue.weir), venue.traders[0]
    venue.mint(trader, 5_000)
    venue.deposit(trader, 1_000)
    watch.follow()
    monkeypatch.setattr(watch, "_touched", lambda _: iter(()))
    venue.deposit(trader, 500)
    assert _cash(_seen(watch, weir)[trader.address]) == 1_000 * 10**6
    monkeypatch.setattr(watchlist, "IN_TURN", 1)
    for _ in range(len(watch)):
        venue.node.mine()
        watch.follow()
    assert _cash(_seen(watch, weir)[trader.address]) == 1_500 * 10**6


def _cash(account: AccountState | None) -> int:
    assert account is not None
    return account.cash


def test_a_node_that_fails_changes_nothing(venue: Venue, monkeypatch: pytest.MonkeyPatch) -> None:
    weir, watch, trader = venue.weir, WatchList(venue.weir), venue.traders[0]
    watch.follow()
    venue.mint(trader, 5_000)
    venue.deposit(trader, 1_000)
    with monkeypatch.context() as broken:
        broken.setattr(Weir, "accounts", _fails)
        with pytest.raises(RpcError, match="busy"):
            watch.follow()
    assert trader.address not in watch.accounts(weir.markets(), weir.assets.states())
    _check(watch, weir)


def _fails(*_: object, **__: object) -> None:
    raise RpcError("eth_call", -32000, "busy")


def test_the_nearest_come_first(venue: Venue) -> None:
    weir, traders = venue.weir, venue.traders[:4]
    for trader, leverage in zip(traders, (3, 15, 0, 8), strict=True):
        venue.mint(trader, 1_000)
        venue.deposit(trader, 1_000)
        if leverage:
            venue.trade(trader, 0, leverage * 1_000 / 60_000)
    ranked = Reader(weir).read(STRANGER.address).nearest(3)
    assert [who for _, who in ranked] == [traders[1].address, traders[3].address, traders[0].address]
    # 15x with 3 % of maintenance margin: 1 - 15 * 0.03 of equity for 15 * 0.97 of each move.
    assert ranked[0][0] == pytest.approx(0.55 / 14.55, rel=0.02)
