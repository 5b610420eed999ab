"""Known blocks against those that a node has now: the same chain, another one, or one that lags."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest

from weir.chain import Chain, connect
from weir.heads import ChainMovedError, Head, headers, look
from weir.node import Node


@pytest.fixture
def following_node() -> Iterator[Node]:
    with Node(timestamp=1_700_000_000, accounts=1) as node:
        node.mine(40)
        yield node


@pytest.fixture
def chain(following_node: Node) -> Chain:
    return Chain(connect(following_node.url))


def seen(chain: Chain, count: int = 40) -> list[Head]:
    last = int(chain.block()["number"], 16)
    return headers(chain, last - count + 1, last)


def test_headers_follow_each_other(chain: Chain) -> None:
    found = seen(chain, 10)
    assert [head.number for head in found] == list(range(31, 41))
    assert all(after.parent == before.hash for before, after in pairwise(found))
    assert found[-1] == Head.of(chain.block())


def test_headers_beyond_the_head_are_refused(chain: Chain) -> None:
    with pytest.raises(ChainMovedError, match="no block 41"):
        headers(chain, 38, 45)


def test_headers_of_two_chains_are_refused(chain: Chain, monkeypatch: pytest.MonkeyPatch) -> None:
    ask = chain.rpc_batch

    def another_node_answers_the_last(requests: object) -> list[object]:
        *first, last = ask(requests)  # type: ignore[arg-type]
        return [*first, last | {"parentHash": "0x" + "ab" * 32}]

    monkeypatch.setattr(chain, "rpc_batch", another_node_answers_the_last)
    with pytest.raises(ChainMovedError, match="40 does not follow 39"):
        headers(chain, 38, 40)


def test_the_same_chain_agrees(chain: Chain, following_node: Node) -> None:
    known = seen(chain)
    assert look(chain, known) == (now := look(chain, known))
    assert (now.agreed, now.behind) == (known[-1], False)
    following_node.mine(3)
    later = look(chain, known)
    assert (later.agreed, later.latest.number, later.behind) == (known[-1], 43, False)


def test_nothing_known_agrees_with_nothing(chain: Chain) -> None:
    assert look(chain, []).agreed is None
    assert not look(chain, []).behind


@pytest.mark.parametrize("depth", [1, 2, 12, 15, 16, 17, 39])
def test_a_reorganisation_is_found_where_it_began(chain: Chain, following_node: Node, depth: int) -> None:
    known = seen(chain)
    following_node.rpc("anvil_reorg", depth, [])
    found = look(chain, known)
    assert (found.agreed, found.behind) == (known[-1 - depth], False)


def test_one_that_is_deeper_than_what_is_known_is_told(chain: Chain, following_node: Node) -> None:
    known = seen(chain, 5)
    following_node.rpc("anvil_reorg", 10, [])
    assert look(chain, known).agreed is None


def test_a_reorganisation_to_a_longer_chain_is_found(chain: Chain, following_node: Node) -> None:
    known = seen(chain)
    following_node.rpc("anvil_reorg", 4, [])
    following_node.mine(9)
    found = look(chain, known)
    assert (found.agreed, found.latest.number) == (known[-5], 49)


def test_an_older_head_is_no_reorganisation(chain: Chain, following_node: Node) -> None:
    following_node.mine(2)
    known = seen(chain)
    following_node.rpc("anvil_rollback", 2)
    found = look(chain, known)
    assert found.behind
    assert found.agreed == known[-3]
    following_node.rpc("anvil_rollback", 30)
    assert look(chain, known[-5:]).behind


def test_a_lagging_node_on_another_chain_is_a_reorganisation(chain: Chain, following_node: Node) -> None:
    known = seen(chain)
    following_node.rpc("anvil_reorg", 5, [])
    following_node.rpc("anvil_rollback", 2)
    found = look(chain, known)
    assert (found.agreed, found.behind) == (known[-6], False)
