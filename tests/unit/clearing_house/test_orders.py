"""Signed orders: who signed, how much, until when (SPECIFICATION.md section 3, P9)."""

from dataclasses import replace

import pytest

from tests.expect import event, reverts
from weir.accounts import development_account
from weir.orders import order_hash, sign_order


@pytest.fixture
def order(system, market_maker):
    """The market maker sells 5 BTC at 10,000."""
    return system.order(market_maker, is_buy=False, size=5, price=10_000)


# ---- the signature


def test_an_order_is_hashed_as_typed_data(house, order, chain):
    assert house.hashOrder(order.as_tuple()) == order_hash(order, chain.chain_id, house.address)
    largest = replace(
        order,
        market=2**16 - 1,
        is_buy=True,
        reduce_only=True,
        size=2**112 - 1,
        price=2**128 - 1,
        expiry=2**40 - 1,
        generation=2**64 - 1,
        salt=2**64 - 1,
    )
    assert house.hashOrder(largest.as_tuple()) == order_hash(largest, chain.chain_id, house.address)


@pytest.mark.parametrize(
    "change",
    [
        {"is_buy": True},
        {"reduce_only": True},
        {"size": 6 * 10**18},
        {"price": 10_001 * 10**18},
        {"expiry": 2**40 - 1},
        {"salt": 2**64 - 1},
        {"market": 1},
    ],
)
def test_a_signature_is_of_one_order(system, house, order, trader, change):
    changed = replace(order, **change)
    with reverts("OrderSignatureInvalid", maker=order.maker):
        house.trade(changed.as_tuple(), system.sign(order), 10**18, sender=trader)


@pytest.mark.parametrize("signature", [b"", b"\x00" * 65, b"\xff" * 64])
def test_rubbish_is_no_signature(house, order, trader, signature):
    with reverts("OrderSignatureInvalid", maker=order.maker):
        house.trade(order.as_tuple(), signature, 10**18, sender=trader)


def test_nobody_signs_for_another(system, house, order, trader):
    forged = system.sign(replace(order, maker=trader.address))
    with reverts("OrderSignatureInvalid", maker=order.maker):
        house.trade(order.as_tuple(), forged, 10**18, sender=trader)


def test_the_zero_address_signs_nothing(house, order, trader):
    nobody = replace(order, maker="0x" + "00" * 20)
    with reverts("OrderSignatureInvalid"):
        house.trade(nobody.as_tuple(), b"\x00" * 65, 10**18, sender=trader)


@pytest.mark.parametrize("elsewhere", ["chain", "house"])
def test_a_signature_is_for_one_deployment(system, house, order, trader, market_maker, chain, elsewhere):
    key = development_account(list(system.actors.values()).index(market_maker))
    chain_id = chain.chain_id + (elsewhere == "chain")
    address = system.vault.address if elsewhere == "house" else house.address
    signature = sign_order(order, key, chain_id, address)
    with reverts("OrderSignatureInvalid", maker=order.maker):
        house.trade(order.as_tuple(), signature, 10**18, sender=trader)


# ---- contracts as makers and takers (ERC-1271)


@pytest.fixture
def wallet(project, system, accomplice):
    """A contract account of the accomplice, with 10,000 in the vault."""
    wallet = accomplice.deploy(project.TestWallet, accomplice)
    system.mint(accomplice, 10_000)
    system.token.approve(system.vault, system.usd(10_000), sender=accomplice)
    system.vault.deposit(wallet, system.usd(10_000), sender=accomplice)
    return wallet


def sign_as(system, order, signer, chain):
    """The signer's signature under an order that names another maker."""
    key = development_account(list(system.actors.values()).index(signer))
    digest = order_hash(order, chain.chain_id, system.clearing_house.address)
    return bytes(key.unsafe_sign_hash(digest).signature)


def test_a_contract_makes_an_order(system, house, wallet, trader, accomplice, chain):
    order = system.order(wallet, is_buy=True, size=1, price=10_000)
    receipt = house.trade(order.as_tuple(), sign_as(system, order, accomplice, chain), 10**18, sender=trader)
    assert event(receipt, "Traded")["maker"] == wallet
    assert (system.size(wallet), system.size(trader)) == (10**18, -(10**18))


def test_a_contract_refuses_what_its_owner_did_not_sign(system, house, wallet, trader, chain):
    order = system.order(wallet, is_buy=True, size=1, price=10_000)
    with reverts("OrderSignatureInvalid", maker=wallet):
        house.trade(order.as_tuple(), sign_as(system, order, trader, chain), 10**18, sender=trader)


def test_a_contract_without_erc1271_signs_nothing(system, house, trader, chain):
    order = system.order(system.token, is_buy=True, size=1, price=10_000)
    with reverts("OrderSignatureInvalid", maker=system.token):
        house.trade(order.as_tuple(), sign_as(system, order, trader, chain), 10**18, sender=trader)


def test_a_contract_takes_an_order(system, house, wallet, order, accomplice):
    call = house.trade.encode_input(order.as_tuple(), system.sign(order), 10**18)
    wallet.execute(house, call, sender=accomplice)
    assert system.size(wallet) == 10**18


# ---- how much


def test_an_order_is_filled_in_parts_by_anyone(system, house, order, trader, other_trader):
    system.fill(order, trader, 1)
    receipt = system.fill(order, other_trader, "1.5")
    assert event(receipt, "Traded")["size"] == system.wad("1.5")
    hashed = house.hashOrder(order.as_tuple())
    assert house.filled(hashed) == system.wad("2.5")
    system.fill(order, trader, "2.5")
    assert house.filled(hashed) == order.size
    assert (system.size(trader), system.size(other_trader)) == (system.wad("3.5"), system.wad("1.5"))


def test_an_order_is_never_filled_beyond_its_size(system, order, trader):
    with reverts("OrderOverfilled", requested=order.size + 1, remaining=order.size):
        system.clearing_house.trade(order.as_tuple(), system.sign(order), order.size + 1, sender=trader)
    system.fill(order, trader, 4)
    with reverts("OrderOverfilled", requested=10**18 + 1, remaining=10**18):
        system.clearing_house.trade(order.as_tuple(), system.sign(order), 10**18 + 1, sender=trader)
    system.fill(order, trader, 1)
    with reverts("OrderOverfilled", requested=10**18, remaining=0):
        system.fill(order, trader, 1)


def test_orders_that_differ_in_salt_alone_are_two(system, house, order, trader):
    other = replace(order, salt=order.salt + 10**6)
    system.fill(order, trader)
    assert house.filled(house.hashOrder(other.as_tuple())) == 0
    system.fill(other, trader, 1)


def test_a_trade_that_reverts_fills_nothing(system, house, order, stranger):
    with reverts("InsufficientCash"):
        system.fill(order, stranger)
    assert house.filled(house.hashOrder(order.as_tuple())) == 0


# ---- until when


def test_an_order_is_good_through_its_last_second(system, order, trader, chain):
    chain.pending_timestamp = order.expiry - 2
    system.set_price(0, 10_000)
    signature = system.sign(order)
    chain.pending_timestamp = order.expiry + 1
    with reverts("OrderExpired", expiry=order.expiry):
        system.clearing_house.trade(order.as_tuple(), signature, 10**18, sender=trader)
    chain.pending_timestamp = order.expiry
    receipt = system.clearing_house.trade(order.as_tuple(), signature, 10**18, sender=trader)
    assert receipt.timestamp == order.expiry


def test_a_cancelled_order_is_as_good_as_filled(system, house, order, trader, market_maker):
    system.fill(order, trader, 1)
    receipt = house.cancel(order.as_tuple(), sender=market_maker)
    hashed = house.hashOrder(order.as_tuple())
    assert event(receipt, "OrderCancelled") == {"orderHash": hashed, "maker": market_maker}
    assert house.filled(hashed) == order.size
    with reverts("OrderOverfilled", requested=10**18, remaining=0):
        system.fill(order, trader, 1)
    assert system.size(trader) == 10**18


def test_an_order_can_be_cancelled_before_anyone_saw_it(system, house, order, trader, market_maker):
    house.cancel(order.as_tuple(), sender=market_maker)
    with reverts("OrderOverfilled", remaining=0):
        system.fill(order, trader)


def test_only_its_maker_cancels_an_order(house, order, trader, governor):
    for caller in (trader, governor):
        with reverts("NotMaker", caller=caller, maker=order.maker):
            house.cancel(order.as_tuple(), sender=caller)


def test_a_new_generation_ends_all_orders_of_the_old(system, house, order, trader, market_maker):
    other = system.order(market_maker, is_buy=True, size=1, price=10_000)
    receipt = house.cancelAll(sender=market_maker)
    assert event(receipt, "AllOrdersCancelled") == {"maker": market_maker, "generation": 1}
    assert house.generation(market_maker) == 1
    for old in (order, other):
        with reverts("OrderGenerationMismatch", generation=0, current=1):
            system.fill(old, trader)
    system.fill(system.order(market_maker, is_buy=False, size=1, price=10_000), trader)
    assert system.size(trader) == 10**18


def test_a_generation_is_its_makers_own(system, house, order, trader):
    house.cancelAll(sender=trader)
    system.fill(order, trader)


def test_an_order_of_a_later_generation_waits_for_it(system, house, order, trader, market_maker):
    later = replace(order, generation=1)
    with reverts("OrderGenerationMismatch", generation=1, current=0):
        system.fill(later, trader)
    house.cancelAll(sender=market_maker)
    system.fill(later, trader)
