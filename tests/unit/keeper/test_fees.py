"""What is offered for gas, first and when a transaction is stuck."""

from typing import Any, cast

import pytest

from weir.chain import Chain, Fees, RpcError
from weir.keeper.fees import Quote, higher, quote

GWEI = 10**9


class Node:
    """Answers the three questions about fees; an exception stands for a method that it does not know."""

    def __init__(self, tip: Any, history: Any, base: int = 7 * GWEI) -> None:
        self.answers = [tip, history, {"baseFeePerGas": hex(base)}]

    def rpc_batch(self, requests: list[Any]) -> list[Any]:
        assert requests[0][0] == "eth_maxPriorityFeePerGas"
        return self.answers


UNKNOWN = RpcError("eth_feeHistory", -32601, "the method does not exist")
HISTORY = {
    "baseFeePerGas": [hex(5 * GWEI), hex(6 * GWEI)],
    "reward": [[hex(3)], [hex(5)], [hex(90)]],
}


@pytest.mark.parametrize(
    ("tip", "history", "wanted"),
    [
        (hex(2), HISTORY, Quote(6 * GWEI, 2)),
        (UNKNOWN, HISTORY, Quote(6 * GWEI, 5)),
        (hex(2), UNKNOWN, Quote(7 * GWEI * 9 // 8, 2)),
        (UNKNOWN, UNKNOWN, Quote(7 * GWEI * 9 // 8, GWEI)),
        (UNKNOWN, {"baseFeePerGas": [hex(4)], "reward": None}, Quote(4, GWEI)),
        (hex(0), HISTORY, Quote(6 * GWEI, 1)),
    ],
)
def test_a_quote_is_had_from_whatever_the_node_knows(tip: Any, history: Any, wanted: Quote) -> None:
    assert quote(cast(Chain, Node(tip, history))) == wanted


def test_fees_leave_room_for_full_blocks_up_to_a_ceiling() -> None:
    now = Quote(base=10, tip=3)
    assert now.price == 13
    assert now.fees(1_000) == Fees(3, 23)
    assert now.fees(15) == Fees(3, 15)
    assert now.fees(12) == Fees(2, 12)
    assert now.fees(10) is None


def test_a_replacement_is_an_eighth_dearer_in_both_fees_and_no_less_than_usual() -> None:
    assert higher([Fees(1_000, 8_000)], Quote(1, 1), 10**6) == Fees(1_125, 9_000)
    assert higher([Fees(7, 7)], Quote(1, 1), 10**6) == Fees(8, 8)
    assert higher([Fees(1_000, 8_000)], Quote(9_000, 2_000), 10**6) == Fees(2_000, 20_000)
    assert higher([Fees(1_000, 8_000), Fees(5_000, 9_000)], Quote(1, 1), 10**6) == Fees(5_625, 10_125)


def test_no_replacement_passes_the_ceiling() -> None:
    assert higher([Fees(1_000, 8_000)], Quote(1, 1), 9_000) == Fees(1_125, 9_000)
    assert higher([Fees(1_000, 8_000)], Quote(1, 1), 8_999) is None
    assert higher([Fees(1_000, 8_000)], Quote(7_000, 2_000), 10_000) == Fees(2_000, 10_000)
