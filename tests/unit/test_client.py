"""The client against a chain: sending, errors, events, batches, and typed reads through a crash."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from decimal import Decimal
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.crypto import keccak
from rich.console import Console
from web3 import Web3

from tests.system import FREE
from weir import client as client_module
from weir.accounts import development_account
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
from weir.client import MemberState, Recovered, Weir
from weir.deployment import deploy
from weir.formatting import utc
from weir.node import Node
from weir.orders import Order, sign_order
from weir.parameters import DeploymentError, FundingParameters, Parameters
from weir.results import LAYERS
from weir.status import collect, render, to_json

WAD = 10**18
GAS = 2_000_000

deployer = development_account(0)
poster = development_account(4)
market_maker = development_account(5)
trader = development_account(6)
liquidator = development_account(7)
staker = development_account(8)
stranger = development_account(9)


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("anvil") as running:
        yield running


@pytest.fixture
def weir(node: Node) -> Iterator[Weir]:
    """A deployment with money in it; what a test does is undone after it."""
    snapshot = node.rpc("evm_snapshot")
    yield _deployed(node, FREE)
    node.rpc("evm_revert", snapshot)


@pytest.fixture
def charging(node: Node) -> Iterator[Weir]:
    """The same, under a policy that charges; feeds answer for a day."""
    snapshot = node.rpc("evm_snapshot")
    yield _deployed(node, FundingParameters())
    node.rpc("evm_revert", snapshot)


@pytest.fixture
def mutual(node: Node) -> Iterator[Weir]:
    """The same, where who has more than 100,000 must contribute 1% of the rest, unless a tier is posted."""
    snapshot = node.rpc("evm_snapshot")
    membership = {"member_threshold": Decimal(100_000), "member_ratio": 5_000, "member_step": 2_500}
    yield _deployed(node, FREE.model_copy(update=membership))
    node.rpc("evm_revert", snapshot)


def _deployed(node: Node, funding: FundingParameters) -> Weir:
    w3 = connect(node.url)
    markets = tuple(market.model_copy(update={"heartbeat": 86_400}) for market in Parameters().markets)
    system = Weir(w3, deploy(w3, deployer, Parameters(markets=markets, funding=funding)))
    for account, amount in ((market_maker, 1_000_000), (trader, 10_000), (liquidator, 500_000)):
        _deposit(system, account, Decimal(amount))
    _stake(system, system.junior, Decimal(1_000))
    _stake(system, system.senior, Decimal(1_000))
    return system


def _give(weir: Weir, account: Any, spender: Any, amount: Decimal) -> int:
    units = weir.units(amount)
    weir.chain.send(account, weir.token.functions.mint(account.address, units))
    weir.chain.send(account, weir.token.functions.approve(spender.address, units))
    return units


def _deposit(weir: Weir, account: Any, amount: Decimal) -> None:
    units = _give(weir, account, weir.vault, amount)
    weir.chain.send(account, weir.vault.functions.deposit(account.address, units))


def _stake(weir: Weir, tranche: Any, amount: Decimal) -> None:
    units = _give(weir, staker, tranche, amount)
    weir.chain.send(staker, tranche.functions.deposit(units, staker.address))


def _order(weir: Weir, **changes: Any) -> Order:
    fields = {
        "maker": market_maker.address,
        "market": 0,
        "is_buy": False,
        "reduce_only": False,
        "size": 3 * WAD,
        "price": 60_000 * WAD,
        "expiry": weir.chain.timestamp() + 3_600,
    }
    return Order(**(fields | changes))


def _trade(weir: Weir, size: int = 3 * WAD, **changes: Any) -> Any:
    order = _order(weir, **changes)
    call = weir.clearing_house.functions.trade(order.as_tuple(), weir.sign(order, market_maker), size)
    return weir.chain.send(trader, call)


def _crash(weir: Weir, price: int = 50_000) -> None:
    weir.chain.send(deployer, weir.feed("BTC").functions.setAnswer(price * 10**8))


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
    _deposit(weir, trader, Decimal(5))
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


# -------------------------------------------------------------------- orders


@pytest.mark.parametrize(
    "changes", [{}, {"is_buy": True, "reduce_only": True, "market": 1, "salt": 2**64 - 1}]
)
def test_order_hashes_are_the_clearing_house_s(weir: Weir, changes: dict[str, Any]) -> None:
    order = _order(weir, **changes)
    assert weir.chain.call(weir.clearing_house.functions.hashOrder(order.as_tuple())) == weir.order_hash(
        order
    )


def test_a_signed_order_is_filled(weir: Weir) -> None:
    receipt = _trade(weir, size=WAD)
    traded = receipt.event("Traded")
    assert (traded["maker"], traded["taker"]) == (market_maker.address, trader.address)
    assert (traded["size"], traded["price"], traded["makerBuys"]) == (WAD, 60_000 * WAD, False)
    assert weir.chain.call(weir.clearing_house.functions.filled(traded["orderHash"])) == WAD


def test_an_order_signed_for_another_chain_is_not(weir: Weir) -> None:
    order = _order(weir)
    elsewhere = sign_order(order, market_maker, 1, weir.deployment.address("ClearingHouse"))
    with pytest.raises(ContractError, match="OrderSignatureInvalid"):
        weir.chain.send(trader, weir.clearing_house.functions.trade(order.as_tuple(), elsewhere, WAD))


# ---------------------------------------------------------------- typed reads


def test_a_crash_as_the_client_tells_it(weir: Weir) -> None:
    _trade(weir)
    position = weir.account(trader.address).positions[0]
    assert (position.market, position.size, position.live) == (0, 3 * WAD, True)
    assert weir.usd(position.notional) == 180_000
    assert weir.account(market_maker.address).positions[0].size == -3 * WAD

    _crash(weir)
    account = weir.account(trader.address)
    assert weir.usd(account.unsettled) == -30_000
    assert account.equity == account.cash + account.unsettled
    assert account.margin_used is None
    assert weir.markets()[0].price == 50_000 * WAD
    assert weir.markets()[0].stored_price == 60_000 * WAD
    assert [(found.address, found.flag) for found in weir.actionable()] == [(trader.address, True)]

    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    (found,) = weir.actionable()
    assert (found.liquidate, found.flagged_at) == (True, weir.chain.timestamp())
    assert weir.account(trader.address).insolvent
    assert not weir.fund_state().gate_open
    assert weir.fund_state().insolvencies == 1

    weir.chain.send(liquidator, weir.clearing_house.functions.liquidate(trader.address, WAD, []))
    (default,) = weir.defaults()
    assert (default.id, default.account, default.market) == (1, trader.address, 0)
    paid = default.coinsurance + default.skin + default.junior + default.senior + default.unpaid_profit
    assert default.shortfall == paid + default.remainder > 0
    assert (default.own, default.mutual, default.recovered) == (0, 0, 0)
    fund = weir.fund_state()
    assert (fund.defaults, fund.gate_open) == (1, True)
    assert fund.assets == fund.skin + fund.unvested + fund.junior + fund.senior
    assert fund.junior_tranche.assets == fund.junior < weir.units(Decimal(1_000))
    assert weir.account(liquidator.address).positions[0].size == 3 * WAD
    assert weir.actionable() == ()


def test_the_books_balance_through_a_crash(weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ACCOUNTS_PER_CALL", 2)
    _trade(weir)
    _crash(weir, 58_000)
    found = weir.identities()
    assert (found.accounts, found.donations) == (3, 0)
    bitcoin, ether = found.markets
    assert bitcoin.surplus == 0 == bitcoin.mismatch
    assert bitcoin.long_size == bitcoin.short_size == bitcoin.open_interest == 3 * WAD
    assert (ether.surplus, ether.open_interest) == (0, 0)
    weir.chain.send(stranger, weir.clearing_house.functions.settle([trader.address]))
    after = weir.identities()
    assert weir.usd(after.pools) == 6_000
    assert (after.donations, after.markets[0].surplus) == (0, 0)
    weir.chain.send(stranger, weir.token.functions.mint(weir.vault.address, 9))
    assert weir.identities().donations == 9


def test_accounts_are_paged_and_picked(weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "ACCOUNTS_PER_CALL", 2)
    everyone = [account.address for account in (market_maker, trader, liquidator)]
    assert [found.address for found in weir.accounts()] == everyone
    picked = [liquidator.address, stranger.address, trader.address]
    found = weir.accounts(picked)
    assert [account.address for account in found] == picked
    assert [weir.usd(account.cash) for account in found] == [500_000, 0, 10_000]
    assert weir.accounts([]) == ()


def test_defaults_are_read_from_any_number_on(weir: Weir) -> None:
    assert weir.defaults() == ()
    _trade(weir)
    _crash(weir)
    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    weir.chain.send(liquidator, weir.clearing_house.functions.liquidate(trader.address, WAD, []))
    assert len(weir.defaults(1)) == 1
    assert weir.defaults(2) == ()


def test_status_shows_who_is_at_risk_and_who_defaulted(weir: Weir) -> None:
    _trade(weir)
    assert collect(weir)["accounts"]["at_risk"] == []
    _crash(weir, 58_500)
    (near,) = collect(weir)["accounts"]["at_risk"]
    assert (near["address"], near["flagged_at"], near["insolvent"]) == (trader.address, None, False)
    assert 0.8 < near["margin_used"] < 1
    assert near["positions"] == {"BTC": Decimal(3)}

    _crash(weir)
    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    before = collect(weir)
    (lost,) = before["accounts"]["at_risk"]
    assert (lost["margin_used"], lost["insolvent"]) == (None, True)
    assert lost["flagged_at"] == before["time"]
    assert "closed: 1 insolvent" in _printed(before)

    weir.chain.send(liquidator, weir.clearing_house.functions.liquidate(trader.address, WAD, []))
    after = json.loads(to_json(collect(weir)))
    assert after["accounts"] == {"count": 3, "at_risk": []}
    (default,) = after["defaults"]
    assert (default["account"], default["market"]) == (trader.address, "BTC")
    assert Decimal(default["shortfall"]) == weir.usd(weir.defaults()[0].shortfall)
    assert all(line["holds"] for line in after["identities"])
    assert "Defaults (the last 1 of 1)" in _printed(collect(weir))


def _printed(status: dict[str, Any]) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(render(status))
    return console.export_text()


def test_nothing_at_risk_means_no_coverage(weir: Weir) -> None:
    assert weir.fund_state().coverage is None
    _trade(weir)
    fund = weir.fund_state()
    assert fund.coverage == fund.assets * 10**6 // fund.target


def test_the_funding_policy_as_the_client_tells_it(charging: Weir) -> None:
    """The fund has 2,000; 180,000 of open interest asks for 9,000, so it has 22.2% of its target."""
    weir, read = charging, charging.policy.functions
    _trade(weir)
    fund = weir.fund_state()
    assert weir.usd(fund.target) == 9_000
    assert fund.coverage == 222_222
    for name, view in (
        ("stress", read.stressAt(222_222)),
        ("fund_share", read.fundShare()),
        ("premium_rate", read.premiumRateAt(222_222)),
        ("scarcity", read.scarcityAt(222_222)),
        ("open_interest_cap", read.openInterestCap()),
    ):
        assert getattr(fund, name) == weir.chain.call(view) > 0, name
    assert (fund.posted_target, fund.posted_at, fund.fresh) == (0, 0, False)
    at = _post(weir, 9_500)
    fund = weir.fund_state()
    assert (weir.usd(fund.posted_target), fund.posted_at, fund.fresh) == (9_500, at, True)
    assert weir.usd(fund.target) == 9_500


def _post(weir: Weir, usd: int) -> int:
    """Posts a target; returns when."""
    evidence = (b"\1" * 32, b"\2" * 32, weir.chain.w3.eth.block_number)
    weir.chain.send(poster, weir.policy.functions.postTarget(weir.units(Decimal(usd)), evidence))
    return weir.chain.timestamp()


def test_what_a_trade_costs_is_known_before_and_after(charging: Weir) -> None:
    weir = charging
    foreseen = weir.preview_contribution(
        trader.address, 0, 3 * WAD, 60_000 * WAD, counterparty=market_maker.address
    )
    block = _trade(weir).block
    made, taken = weir.contributions()
    assert [(charge.account, charge.market, charge.block) for charge in (made, taken)] == [
        (market_maker.address, 0, block),
        (trader.address, 0, block),
    ]
    assert (taken.amount, taken.scarcity, taken.concentration, taken.leverage, taken.tier_rate) == (
        foreseen.amount,
        foreseen.scarcity,
        foreseen.concentration,
        foreseen.leverage,
        foreseen.tier_rate,
    )
    assert taken.amount * 10**6 == weir.units(Decimal(180_000)) * foreseen.rate
    assert (foreseen.tier, foreseen.tier_rate, foreseen.coverage) == (2, 100, 222_222)
    assert weir.contributions(trader.address) == (taken,)
    assert weir.contributions(first=block + 1) == ()
    levies = weir.chain.call(weir.vault.functions.uncollected())[1]
    assert levies == made.amount + taken.amount

    # At such leverage a withdrawal costs, too.
    weir.chain.send(trader, weir.vault.functions.withdraw(weir.units(Decimal(100)), trader.address, []))
    (charge,) = weir.contributions(trader.address, block + 1)
    assert (charge.market, charge.scarcity, charge.concentration, charge.tier_rate) == (None, 0, 0, 0)
    assert charge.amount == weir.chain.call(weir.vault.functions.uncollected())[1] - levies > 0


# ------------------------------------------------------------ the guaranty fund


def _join(weir: Weir, account: Any, amount: int) -> None:
    """A contribution of the account's own, in USD."""
    _give(weir, account, weir.guaranty, Decimal(amount))
    weir.join(account, weir.units(Decimal(amount)))


def _members(weir: Weir) -> dict[str, MemberState]:
    return {member.address: member for member in weir.members()}


def _pass(node: Node, seconds: int) -> None:
    node.increase_time(seconds)
    node.mine()


def _bad_debt(weir: Weir) -> int:
    """Long 3 BTC from 60,000, the trader has 800 beside its 10,000; the maker has 900, the staker 500.

    What the fund paid of the bounty.
    """
    for account, amount in ((market_maker, 900), (trader, 800), (staker, 500)):
        _join(weir, account, amount)
    _trade(weir)
    _crash(weir)
    weir.chain.send(stranger, weir.clearing_house.functions.flag(trader.address))
    liquidate = weir.clearing_house.functions.liquidate(trader.address, WAD, [])
    return int(weir.chain.send(liquidator, liquidate).event("BountyPaid")["amount"])


def test_who_must_be_a_member_and_what_it_owes(mutual: Weir) -> None:
    weir = mutual
    assert weir.members() == ()
    _join(weir, market_maker, 900)
    with pytest.raises(ContractError) as refused:
        _trade(weir)
    assert (refused.value.name, refused.value.arguments["account"]) == ("MembershipRequired", trader.address)
    assert refused.value.arguments["requirement"] == weir.units(Decimal(800))

    # Anyone joins for anyone, and who joins approves no more than once.
    _give(weir, stranger, weir.vault, Decimal(800))
    receipt = weir.join(stranger, weir.units(Decimal(800)), trader.address)
    joined = receipt.event("Joined")
    assert (joined["account"], joined["payer"]) == (trader.address, stranger.address)
    _trade(weir)
    found = _members(weir)
    assert list(found) == [market_maker.address, trader.address]
    assert {weir.usd(member.requirement) for member in found.values()} == {800}
    for address, balance in ((market_maker.address, 900), (trader.address, 800)):
        member = found[address]
        assert (weir.usd(member.balance), member.owed, member.tier) == (balance, 0, 2)
        assert (weir.usd(member.notional), member.noticed, member.opens_at) == (180_000, 0, 0)

    # Chosen ones come as they are asked for, also those that are none.
    asked = [stranger.address, trader.address]
    none, member = weir.members(asked)
    assert [none.address, member.address] == asked
    assert (none.balance, none.requirement, member) == (0, 0, found[trader.address])
    assert weir.members([]) == ()
    fund = weir.fund_state().guaranty
    parameters = Parameters().guaranty
    assert (weir.usd(fund.total), fund.units, fund.epoch) == (1_700, fund.total * 10**6, 0)
    assert weir.usd(fund.min_contribution) == parameters.min_contribution
    for name in ("notice_period", "exit_window", "loss_window", "loss_share"):
        assert getattr(fund, name) == getattr(parameters, name), name


def test_a_member_outside_the_vault_is_found_and_pages_are_joined(
    mutual: Weir, monkeypatch: pytest.MonkeyPatch
) -> None:
    weir = mutual
    monkeypatch.setattr(client_module, "ACCOUNTS_PER_CALL", 1)
    monkeypatch.setattr(client_module, "ADDRESSES_PER_CALL", 2)
    before = weir.chain.w3.eth.block_number
    for account, amount in ((staker, 300), (liquidator, 200), (staker, 100)):
        _join(weir, account, amount)
    assert staker.address not in {account.address for account in weir.accounts()}
    assert [(m.address, weir.usd(m.balance)) for m in weir.members()] == [
        (liquidator.address, 200),
        (staker.address, 400),
    ]
    assert weir.members(block=before) == ()


def test_a_member_leaves_within_its_window(mutual: Weir, node: Node) -> None:
    weir = mutual
    _join(weir, staker, 500)
    weir.request_exit(staker, weir.units(Decimal(200)))
    weir.request_exit(staker, 0)
    assert _members(weir)[staker.address].noticed == 0
    weir.request_exit(staker, weir.units(Decimal(300)))
    member = _members(weir)[staker.address]
    period, window = (getattr(Parameters().guaranty, name) for name in ("notice_period", "exit_window"))
    assert weir.usd(member.noticed) == 300
    assert (member.opens_at, member.closes_at) == (
        weir.chain.timestamp() + period,
        weir.chain.timestamp() + period + window,
    )
    with pytest.raises(ContractError, match="NotReleasable"):
        weir.release(stranger, staker.address)
    _pass(node, period)
    released = weir.release(stranger, staker.address).event("Released")
    assert (released["account"], weir.usd(released["amount"])) == (staker.address, 300)
    assert weir.usd(weir.chain.call(weir.token.functions.balanceOf(staker.address))) == 300
    assert weir.usd(_members(weir)[staker.address].balance) == 200

    # A rest of 50 would be below the minimum: it comes along.
    weir.request_exit(staker, weir.units(Decimal(150)))
    _pass(node, period)
    assert weir.usd(weir.release(staker, staker.address).event("Released")["amount"]) == 200
    assert weir.members() == ()


def test_a_default_goes_through_both_funds_and_comes_back(mutual: Weir) -> None:
    """Half of the tranches' 2,000, bounty included, and half of the other members' 1,400 may be spent."""
    weir = mutual
    total = weir.units(Decimal(2_200))
    assert weir.loss_budget(0).left == 0
    bounty = weir.usd(_bad_debt(weir))
    (default,) = weir.defaults()
    junior = 1_000 - bounty
    assert 0 < bounty < 400
    assert [weir.usd(getattr(default, layer)) for layer in LAYERS] == [800, 0, 0, junior, 0, 700, 0]
    assert default.shortfall == sum(getattr(default, layer) for layer in LAYERS) + default.remainder
    assert default.remainder > 0 == default.recovered
    assert weir.fund_state().guaranty.total == total - default.own - default.mutual
    assert {address: weir.usd(m.balance) for address, m in _members(weir).items()} == {
        market_maker.address: 450,
        liquidator.address: 0,  # it should, with what it took over
        staker.address: 250,
    }
    spent, untouched = weir.loss_budget(0), weir.loss_budget(1)
    assert (spent.market, spent.left) == (0, 0)
    assert weir.usd(untouched.left) == 350
    assert spent.window == untouched.window == weir.chain.timestamp() // 86_400

    # 700 for the members, 300 of what a junior tranche paid that is gone, so to skin.
    named = default.own + default.junior + default.mutual
    assert weir.recovered(1) == Recovered(0, named)
    _give(weir, stranger, weir.vault, Decimal(3_000))
    back = weir.recover(stranger, 1, weir.units(Decimal(1_000))).event("Recovered")["recovery"]
    assert {name: weir.usd(amount) for name, amount in back.items()} == {
        "mutual": 700,
        "senior": 0,
        "junior": 0,
        "skin": 300,
        "own": 0,
    }
    thousand = weir.units(Decimal(1_000))
    assert weir.recovered(1) == Recovered(thousand, named - thousand)
    assert weir.defaults()[0].recovered == weir.units(Decimal(1_000))
    assert weir.usd(_members(weir)[market_maker.address].balance) == 900
    # More than is open is not taken; the defaulter's own comes last.
    weir.recover(stranger, 1, weir.units(Decimal(2_000)))
    left = weir.chain.call(weir.token.functions.balanceOf(stranger.address))
    assert left == 3 * thousand - named
    assert weir.usd(_members(weir)[trader.address].balance) == 800
    with pytest.raises(ContractError, match="NothingToRecover"):
        weir.recover(stranger, 1, 1)
    with pytest.raises(ContractError, match="UnknownDefault"):
        weir.recovered(2)


def test_status_shows_members_and_what_they_owe(mutual: Weir, node: Node) -> None:
    weir = mutual
    assert "Members: none" in _printed(collect(weir))
    assert json.loads(to_json(collect(weir)))["members"] == []
    _bad_debt(weir)
    status = json.loads(to_json(collect(weir)))
    members = {member["address"]: member for member in status["members"]}
    # 1% of 150,000 less 100,000, and the loss of half has left 450.
    maker = members[market_maker.address]
    assert (Decimal(maker["balance"]), Decimal(maker["requirement"])) == (450, 500)
    assert (Decimal(maker["owed"]), maker["tier"], maker["opens_at"]) == (50, 2, None)
    # Who took the position over need be no member for that.
    assert Decimal(members[liquidator.address]["owed"]) == 500
    fund = status["guaranty"]
    assert (Decimal(fund["total"]), fund["members"], Decimal(fund["owed"])) == (700, 2, 550)
    assert (fund["loss_share"], fund["loss_window"], fund["wipe_outs"]) == (0.5, 86_400, 0)
    assert [Decimal(market["members_may_pay"]) for market in status["markets"]] == [0, 350]
    (default,) = status["defaults"]
    assert (Decimal(default["own"]), Decimal(default["mutual"])) == (800, 700)
    printed = _printed(collect(weir))
    for text in ("Guaranty fund", "Members (3)", "$450.00", "$50.00", "owes: no new risk"):
        assert text in printed

    # Who paid stands in the order of the waterfall, and who did not pay is not named.
    junior, left = (f"${Decimal(default[name]):,.2f}" for name in ("junior", "remainder"))
    assert f"own $800.00, junior {junior}, mutual $700.00, open interest {left}" in printed

    weir.request_exit(staker, weir.units(Decimal(100)))
    member = _members(weir)[staker.address]
    assert f"leaves from {utc(member.opens_at)}" in _printed(collect(weir))
    _pass(node, Parameters().guaranty.notice_period)
    assert f"may leave until {utc(member.closes_at)}" in _printed(collect(weir))
    assert Decimal(json.loads(to_json(collect(weir)))["guaranty"]["noticed"]) == 100
    _pass(node, Parameters().guaranty.exit_window)
    lapsed = _printed(collect(weir))
    assert "may leave until" not in lapsed
    assert "leaves from" not in lapsed


def test_a_trade_that_the_policy_stops_is_named(charging: Weir) -> None:
    with pytest.raises(ContractError) as refused:
        charging.preview_contribution(trader.address, 0, 4 * WAD)
    assert refused.value.name == "NewRiskStopped"


def test_the_books_hold_while_a_premium_accrues(charging: Weir, node: Node) -> None:
    weir = charging
    _trade(weir)
    node.increase_time(5 * 3_600)
    node.mine()
    found = weir.identities()
    bitcoin = found.markets[0]
    assert bitcoin.accrued > 0 == found.donations
    assert 0 <= bitcoin.surplus <= 4
    assert weir.markets()[0].premium_rate > 0
    weir.chain.send(stranger, weir.clearing_house.functions.refresh(0))
    after = weir.identities().markets[0]
    assert (after.accrued, 0 <= after.surplus <= 4) == (0, True)
    assert after.claims >= bitcoin.accrued


def test_status_shows_the_funding_policy(charging: Weir, node: Node) -> None:
    weir = charging
    _trade(weir)
    fund = json.loads(to_json(collect(weir)))["fund"]
    assert Decimal(fund["target"]) == 9_000
    assert (fund["coverage"], fund["fund_share"]) == (0.222222, 1.0)
    assert (fund["premium_rate"], fund["scarcity"]) == (0.096482, 0.000963)
    assert Decimal(fund["open_interest_cap"]) == 1_000_000
    assert fund["posted_target"] is None
    shown = _printed(collect(weir))
    for text in ("Share of fees", "100.0%", "9.65%", "0.096%", "$1,000,000.00", "none"):
        assert text in shown

    _post(weir, 9_500)
    node.increase_time(7_200)
    node.mine()
    posted = json.loads(to_json(collect(weir)))["fund"]["posted_target"]
    assert (Decimal(posted["amount"]), posted["fresh"]) == (9_500, True)
    assert 7_200 <= posted["age"] < 7_300
    assert "$9,500.00, 2.0 h ago" in _printed(collect(weir))
    node.increase_time(2 * 86_400)
    node.mine()
    assert collect(weir)["fund"]["posted_target"]["fresh"] is False
    assert "h ago, expired" in _printed(collect(weir))


def test_without_a_target_status_has_no_coverage(weir: Weir) -> None:
    assert collect(weir)["fund"]["coverage"] is None
    assert "Funding policy" in _printed(collect(weir))


def test_markets_are_found_by_symbol(weir: Weir) -> None:
    assert [weir.market_id(symbol) for symbol in ("BTC", "ETH")] == [0, 1]
    with pytest.raises(LookupError, match="no market 'DOGE'; the markets are BTC, ETH"):
        weir.market_id("DOGE")


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


@pytest.mark.parametrize("url", ["localhost:8545", "ftp://localhost", "", "http://"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(NodeUrlError):
        connect(url)


def test_a_node_that_is_not_there_is_named() -> None:
    for w3 in (connect("http://127.0.0.1:1"), Web3(Web3.HTTPProvider("http://127.0.0.1:1"))):
        chain = Chain(w3)
        with pytest.raises(NodeUnreachableError, match=r"no node answers at http://127\.0\.0\.1:1"):
            chain.rpc("eth_chainId")


def test_a_connection_that_the_node_closed_is_opened_again() -> None:
    class OneAnswerEach(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            body = json.dumps({"jsonrpc": "2.0", "id": question["id"], "result": "0x7"}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True  # without having said so

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), OneAnswerEach) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            chain = Chain(connect(f"http://127.0.0.1:{server.server_port}"))
            assert [chain.rpc("eth_blockNumber") for _ in range(3)] == ["0x7"] * 3
        finally:
            server.shutdown()
            thread.join()


def test_an_answer_to_another_question_is_not_taken_for_ones_own() -> None:
    class Late(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["id"]
            number = 1 if question == 2 else question
            body = json.dumps({"jsonrpc": "2.0", "id": number, "result": hex(number)}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Late) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            chain = Chain(connect(f"http://127.0.0.1:{server.server_port}"))
            assert [chain.rpc("eth_blockNumber") for _ in range(2)] == ["0x0", "0x1"]
            with pytest.raises(NodeUnreachableError):
                chain.rpc("eth_blockNumber")
            assert chain.rpc("eth_blockNumber") == "0x3"
        finally:
            server.shutdown()
            thread.join()


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
