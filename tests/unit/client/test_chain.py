"""The client of a node: sending, reading, errors, events, batches, and connections that fail."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from web3 import Web3

from tests.moves import deployer, deposit, liquidator, market_maker, stranger, trader
from tests.unit.client.moves import GAS
from weir.artifacts import artifacts
from weir.chain import (
    Chain,
    ContractError,
    NodeUnreachableError,
    NodeUrlError,
    RpcError,
    TransactionTimeoutError,
    connect,
    pages,
)
from weir.chain import client as chain_module
from weir.chain import codec as codec_module
from weir.chain import connection as connection_module
from weir.client import Weir
from weir.deployment import deploy
from weir.node import Node
from weir.parameters import DeploymentError, Parameters

# ---------------------------------------------------------------------- sending


def test_a_call_that_would_revert_costs_nothing(weir: Weir) -> None:
    before = weir.chain.w3.eth.get_balance(stranger.address)
    with pytest.raises(ContractError) as refused:
        weir.chain.send(stranger, weir.vault.functions.withdraw(7, stranger.address, []))
    assert refused.value.name == "InsufficientCash"
    assert refused.value.arguments == {"account": stranger.address, "cash": 0, "needed": 7}
    assert refused.value.transaction is None
    assert weir.chain.w3.eth.get_balance(stranger.address) == before


def test_a_sent_call_that_reverts_says_why_and_where(weir: Weir) -> None:
    with pytest.raises(ContractError) as refused:
        weir.chain.send(stranger, weir.vault.functions.withdraw(7, stranger.address, []), gas=GAS)
    assert refused.value.name == "InsufficientCash"
    assert refused.value.transaction is not None
    assert str(refused.value).endswith(refused.value.transaction)
    receipt = weir.chain.w3.eth.get_transaction_receipt(refused.value.transaction)  # type: ignore[arg-type]
    assert receipt["status"] == 0
    # The nonce it used is counted.
    weir.chain.send(stranger, weir.token.functions.mint(stranger.address, 1), gas=GAS)


def test_receipts_carry_decoded_events(weir: Weir) -> None:
    receipt = weir.chain.send(trader, weir.token.functions.mint(trader.address, 5))
    event = receipt.event("Transfer")
    assert event.arguments == {"from": "0x" + "0" * 40, "to": trader.address, "value": 5}
    assert (event.address, event.block, event.transaction) == (
        weir.deployment.token,
        receipt.block,
        receipt.transaction,
    )
    assert (receipt.sender, receipt.contract) == (trader.address, None)
    assert receipt.gas_used * receipt.gas_price > 0
    with pytest.raises(LookupError, match="0 events 'Approval'"):
        receipt.event("Approval")


def test_many_are_sent_in_their_order(weir: Weir) -> None:
    senders = [trader, stranger, market_maker]
    calls = [(senders[i % 3], weir.token.functions.mint(stranger.address, i + 1)) for i in range(30)]
    receipts = weir.chain.send_all(calls, gas=GAS)
    assert [receipt.event("Transfer")["value"] for receipt in receipts] == list(range(1, 31))
    assert [receipt.block for receipt in receipts] == sorted(receipt.block for receipt in receipts)


def test_the_first_of_many_that_reverts_is_raised_and_the_rest_are_done(weir: Weir) -> None:
    bad = weir.token.functions.transfer(trader.address, 10**30)
    good = weir.token.functions.mint(stranger.address, 3)
    with pytest.raises(ContractError, match="ERC20InsufficientBalance"):
        weir.chain.send_all([(stranger, bad), (stranger, good)], gas=GAS)
    assert weir.chain.call(weir.token.functions.balanceOf(stranger.address)) == 3


def test_somebody_else_using_the_account_does_no_harm(weir: Weir) -> None:
    elsewhere = Chain(weir.chain.w3)
    for amount, chain in ((1, weir.chain), (2, elsewhere), (4, weir.chain), (8, elsewhere)):
        chain.send(stranger, weir.token.functions.mint(stranger.address, amount))
    assert weir.chain.call(weir.token.functions.balanceOf(stranger.address)) == 15


def test_a_rising_base_fee_does_no_harm() -> None:
    with Node("anvil") as node:  # its own: a base fee outlives the snapshot it was set after
        chain = Chain(connect(node.url))
        prices = []
        for base_fee in (10**9, 10**12, 10**10):
            node.rpc("anvil_setNextBlockBaseFeePerGas", hex(base_fee))
            node.mine()
            prices.append(chain.wait(chain.submit_raw(stranger, stranger.address, b"")).gas_price)
        assert prices[0] < prices[2] < prices[1] < 2 * 10**12


def test_what_is_refused_for_good_is_raised(weir: Weir) -> None:
    with pytest.raises(RpcError) as refused:
        weir.chain.send(stranger, weir.token.functions.mint(stranger.address, 1), gas=10**9)
    assert refused.value.method == "eth_sendRawTransaction"
    weir.chain.send(stranger, weir.token.functions.mint(stranger.address, 1), gas=GAS)


def test_a_transaction_whose_answer_is_lost_is_not_sent_twice(
    weir: Weir, monkeypatch: pytest.MonkeyPatch
) -> None:
    mint = weir.token.functions.mint(stranger.address, 1)
    weir.chain.send(stranger, mint, gas=GAS)
    exchange, lost = connection_module._LoopbackProvider._exchange, []

    def losing(self: Any, data: str) -> Any:
        answer = exchange(self, data)
        if "eth_sendRawTransaction" in data and not lost:
            lost.append(answer)
            raise ConnectionResetError
        return answer

    monkeypatch.setattr(connection_module._LoopbackProvider, "_exchange", losing)
    receipt = weir.chain.send(stranger, mint, gas=GAS)
    assert receipt.transaction == lost[0]["result"]
    weir.chain.send(stranger, mint, gas=GAS)
    assert weir.chain.call(weir.token.functions.balanceOf(stranger.address)) == 3


def test_waiting_has_an_end(weir: Weir, node: Node) -> None:
    hasty = Chain(weir.chain.w3, timeout=0.05)
    node.rpc("evm_setAutomine", False)
    try:
        sent = hasty.submit(stranger, weir.token.functions.mint(stranger.address, 1), gas=GAS)
        with pytest.raises(TransactionTimeoutError, match=sent):
            hasty.wait(sent)
        node.mine()
        assert hasty.wait(sent).transaction == sent
    finally:
        node.rpc("evm_setAutomine", True)


# ------------------------------------------------------------------ reading


def test_structs_have_names(weir: Weir) -> None:
    side = weir.chain.call(weir.clearing_house.functions.marketState(0))["long"]
    assert (side["multiplier"], side["epoch"], side["positions"]) == (10**36, 0, 0)


def test_several_values_come_by_position(weir: Weir) -> None:
    assert weir.chain.call(weir.clearing_house.functions.flagOf(trader.address)) == (0, False)


def test_batches_keep_their_order(weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "_BATCH", 2)
    owners = [market_maker, trader, liquidator, stranger, trader]
    cash = weir.chain.call_many([weir.vault.functions.cashOf(owner.address) for owner in owners])
    assert [weir.usd(amount) for amount in cash] == [1_000_000, 10_000, 500_000, 0, 10_000]
    assert weir.chain.call_many([]) == []


def test_batches_raise_the_first_error(weir: Weir) -> None:
    calls = [weir.vault.functions.cashOf(trader.address), weir.clearing_house.functions.refresh(99)]
    with pytest.raises(ContractError) as refused:
        weir.chain.call_many(calls)
    assert (refused.value.name, refused.value.arguments) == ("UnknownMarket", {"market": 99})


def test_simulations_fail_one_by_one(weir: Weir) -> None:
    withdraw = weir.vault.functions.withdraw(weir.units(Decimal(1)), stranger.address, [])
    found = weir.chain.try_many([(trader.address, withdraw), (stranger.address, withdraw)])
    assert found[0] == ()
    assert isinstance(found[1], ContractError)
    assert weir.usd(weir.account(trader.address).cash) == 10_000


def test_the_past_can_be_read(weir: Weir) -> None:
    block = weir.chain.w3.eth.block_number
    deposit(weir, trader, 5)
    assert weir.usd(weir.account(trader.address, block=block).cash) == 10_000
    assert weir.usd(weir.account(trader.address).cash) == 10_005


def test_logs_are_found_across_spans(weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chain_module, "_LOG_SPAN", 7)
    last = weir.chain.w3.eth.block_number
    addresses = [weir.vault.address, weir.deployment.address("ClearingHouse")]
    found = weir.chain.logs(addresses, weir.deployment.block, last, ["Deposited", "MarketAdded"])
    assert [event.name for event in found] == ["MarketAdded"] * 2 + ["Deposited"] * 3
    assert [event["account"] for event in found[2:]] == [
        a.address for a in (market_maker, trader, liquidator)
    ]
    everything = weir.chain.logs(addresses, weir.deployment.block, last)
    assert len(everything) > len(found)


def test_a_call_to_nobody_is_an_error(weir: Weir) -> None:
    nobody = weir.chain.contract("Vault", "0x" + "11" * 20)
    with pytest.raises(ContractError, match="reverted without a reason"):
        weir.chain.call(nobody.functions.accountCount())


@pytest.mark.parametrize(
    ("data", "name", "arguments"),
    [
        (keccak(text="Error(string)")[:4] + encode(["string"], ["no"]), "Error", {"reason": "no"}),
        (
            keccak(text="Panic(uint256)")[:4] + encode(["uint256"], [17]),
            "Panic",
            {"code": 17, "reason": "overflow"},
        ),
        (keccak(text="ZeroSize()")[:4], "ZeroSize", {}),
        (keccak(text="NobodyKnowsThis(uint256)")[:4] + encode(["uint256"], [1]), "", {}),
        (keccak(text="UnknownMarket(uint16)")[:4] + b"\xff", "", {}),
        (b"", "", {}),
    ],
)
def test_errors_have_names_and_arguments(data: bytes, name: str, arguments: dict[str, Any]) -> None:
    error = codec_module.Codec(artifacts().values()).error(data)
    assert (error.name, error.arguments, error.data) == (name, arguments, data)


def test_pages_cover_everything_once() -> None:
    assert list(pages(5, 2)) == [(0, 2), (2, 2), (4, 1)]
    assert list(pages(0, 2)) == []


# ---------------------------------------------------------------- connecting


def test_a_recorded_deployment_is_loaded(weir: Weir, node: Node, tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    weir.deployment.save(file)
    again = Weir.connect(node.url, file)
    assert again.deployment == weir.deployment
    assert again.markets() == weir.markets()


def test_a_record_of_another_chain_is_refused(weir: Weir, tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    weir.deployment.save(file)
    with Node("anvil", chain_id=1337) as other, pytest.raises(DeploymentError, match="of chain 31337"):
        Weir.connect(other.url, file)
    with Node("anvil") as fresh, pytest.raises(DeploymentError, match=r"is not at .* deploy anew"):
        Weir.connect(fresh.url, file)


@pytest.mark.parametrize(
    "url", ["localhost:8545", "ftp://localhost", "", "http://", "http://[::1", "http://host:hidden/"]
)
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(NodeUrlError) as told:
        connect(url)
    assert "hidden" not in str(told.value)


def test_a_node_that_is_not_there_is_named() -> None:
    for w3 in (connect("http://127.0.0.1:1"), Web3(Web3.HTTPProvider("http://127.0.0.1:1"))):
        chain = Chain(w3)
        with pytest.raises(NodeUnreachableError, match=r"no node answers at http://127\.0\.0\.1:1"):
            chain.rpc("eth_chainId")


def test_keys_in_an_address_are_not_told() -> None:
    address = "http://user:hidden@127.0.0.1:1/v3/hidden?key=hidden#hidden"
    for w3 in (connect(address), Web3(Web3.HTTPProvider(address))):
        with pytest.raises(NodeUnreachableError) as told:
            Chain(w3).rpc("eth_chainId")
        assert str(told.value).startswith("no node answers at http://127.0.0.1:1: ")
        assert "hidden" not in str(told.value)


@contextmanager
def _answering(answer: Callable[[int], dict[str, Any]], *, hangs_up: bool = False) -> Iterator[Chain]:
    """Asks what answers so to the question with this number, and may then close the connection unasked."""

    class Node(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            found = [{"jsonrpc": "2.0", **answer(each["id"])} for each in _listed(asked)]
            body = json.dumps(found if isinstance(asked, list) else found[0]).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = hangs_up

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Node) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Chain(connect(f"http://127.0.0.1:{server.server_port}"))
        finally:
            server.shutdown()
            thread.join()


def _listed(asked: Any) -> list[Any]:
    return asked if isinstance(asked, list) else [asked]


def test_a_connection_that_the_node_closed_is_opened_again() -> None:
    with _answering(lambda question: {"id": question, "result": "0x7"}, hangs_up=True) as chain:
        assert [chain.rpc("eth_blockNumber") for _ in range(3)] == ["0x7"] * 3


def test_an_answer_to_another_question_is_not_taken_for_ones_own() -> None:
    def late(question: int) -> dict[str, Any]:
        number = 1 if question == 2 else question
        return {"id": number, "result": hex(number)}

    with _answering(late) as chain:
        assert [chain.rpc("eth_blockNumber") for _ in range(2)] == ["0x0", "0x1"]
        with pytest.raises(NodeUnreachableError):
            chain.rpc("eth_blockNumber")
        assert chain.rpc("eth_blockNumber") == "0x3"


@pytest.mark.parametrize("panics", [0, 4, 5])
@pytest.mark.parametrize("many", [False, True])
def test_a_read_that_panics_is_tried_again(weir: Weir, panics: int, many: bool) -> None:
    """A node that makes a block meanwhile may answer from between two; what always panics does in the end."""
    panic = "0x4e487b71" + (0x11).to_bytes(32).hex()
    asked = []

    def between_blocks(question: int) -> dict[str, Any]:
        asked.append(question)
        if len(asked) <= panics:
            return {"id": question, "error": {"code": 3, "message": "execution reverted", "data": panic}}
        return {"id": question, "result": "0x" + (7).to_bytes(32).hex()}

    with _answering(between_blocks) as chain:
        count = weir.vault.functions.accountCount()

        def read() -> Any:
            return chain.call_many([count]) if many else chain.call(count)

        if panics < 5:
            assert read() == ([7] if many else 7)
        else:
            with pytest.raises(ContractError, match="Panic"):
                read()
    assert len(asked) == min(panics + 1, 5)


@pytest.mark.parametrize("kind", ["anvil", "ganache"])
def test_both_nodes_tell_the_same_errors(kind: Any) -> None:
    with Node(kind) as running:
        w3 = connect(running.url)
        weir = Weir(w3, deploy(w3, deployer, Parameters()))
        withdraw = weir.vault.functions.withdraw(7, stranger.address, [])
        for gas in (None, GAS):
            with pytest.raises(ContractError) as refused:
                weir.chain.send(stranger, withdraw, gas=gas)
            assert refused.value.name == "InsufficientCash"
            assert refused.value.arguments["needed"] == 7
