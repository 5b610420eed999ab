"""Which block is the newest, on a chain that is made up."""

from typing import Any, cast

import pytest

from weir.chain import Chain
from weir.heads import WINDOW, ChainMovedError, Head
from weir.keeper.following import NodeBehindError, Remembered, follow


class Branches:
    """A node that has the blocks of one branch after another."""

    def __init__(self, length: int) -> None:
        self.blocks = [f"a{number}" for number in range(length)]
        self.requests = 0

    def fork(self, keep: int, branch: str, length: int) -> None:
        self.blocks = [*self.blocks[:keep], *(f"{branch}{n}" for n in range(keep, length))]

    def block(self, _: str) -> dict[str, Any]:
        return self.header(len(self.blocks) - 1)

    def header(self, number: int) -> dict[str, Any]:
        parent = self.blocks[number - 1] if number else "nothing"
        found = {"hash": self.blocks[number], "parentHash": parent}
        return {"number": hex(number), "timestamp": hex(1_000 + number)} | found

    def rpc_batch(self, requests: list[tuple[str, Any]]) -> list[Any]:
        numbers = [int(parameters[0], 16) for _, parameters in requests]
        self.requests += len(numbers)
        return [self.header(n) if n < len(self.blocks) else None for n in numbers]


def went(node: Branches, heads: Remembered) -> tuple[str, int]:
    moved = follow(cast(Chain, node), heads)
    return moved.head.hash, moved.undone


def hashes(heads: Remembered) -> list[str]:
    return [head.hash for head in heads.known()]


def test_it_begins_with_the_latest_and_goes_on_block_by_block() -> None:
    node, heads = Branches(10), Remembered()
    assert went(node, heads) == ("a9", 0)
    node.fork(10, "a", 13)
    assert went(node, heads) == ("a12", 0)
    assert hashes(heads) == ["a9", "a10", "a11", "a12"]
    assert went(node, heads) == ("a12", 0)


@pytest.mark.parametrize("depth", [1, 3, 12])
@pytest.mark.parametrize("longer", [0, 2])
def test_a_fork_is_undone_to_where_it_began(depth: int, longer: int) -> None:
    node, heads = Branches(1), Remembered()
    went(node, heads)
    node.fork(1, "a", 30)
    went(node, heads)
    node.fork(30 - depth, "b", 30 + longer)
    assert went(node, heads) == (f"b{29 + longer}", depth)
    assert hashes(heads) == [node.blocks[n] for n in range(30 + longer)]


def test_a_fork_deeper_than_the_window_undoes_all_that_is_known() -> None:
    node, heads = Branches(1), Remembered()
    went(node, heads)
    node.fork(1, "a", WINDOW + 50)
    went(node, heads)
    assert len(heads.known()) == WINDOW
    node.fork(10, "b", WINDOW + 60)
    assert went(node, heads) == (f"b{WINDOW + 59}", WINDOW)
    assert hashes(heads) == node.blocks[-WINDOW:]


def test_an_older_head_is_waited_out() -> None:
    node, heads = Branches(20), Remembered()
    went(node, heads)
    node.blocks.pop()
    with pytest.raises(NodeBehindError, match="block 18, after 19 was seen"):
        went(node, heads)
    assert hashes(heads) == ["a19"]
    node.fork(19, "a", 22)
    assert went(node, heads) == ("a21", 0)


def test_after_a_long_absence_only_the_window_is_read() -> None:
    node, heads = Branches(10), Remembered()
    went(node, heads)
    node.fork(10, "a", 5_000)
    node.requests = 0
    assert went(node, heads) == ("a4999", 0)
    assert len(heads.known()) == WINDOW
    assert node.requests <= WINDOW + 1


def test_a_chain_that_moves_while_it_is_looked_at_changes_nothing() -> None:
    node, heads = Branches(10), Remembered()
    went(node, heads)
    node.fork(10, "a", 13)
    answer = node.rpc_batch

    def moving(requests: list[tuple[str, Any]]) -> list[Any]:
        found = answer(requests)
        if len(requests) > 1:
            node.fork(10, "b", 14)
            found = answer(requests)
        return found

    node.rpc_batch = moving  # type: ignore[method-assign]
    with pytest.raises(ChainMovedError):
        went(node, heads)
    assert hashes(heads) == ["a9"]
    assert isinstance(heads.known()[0], Head)
