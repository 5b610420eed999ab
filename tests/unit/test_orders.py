"""Orders off the chain: hashing and signing agree with EIP-712 as eth_account has it (P9 rests on them)."""

from dataclasses import replace

import pytest
from eth_abi.exceptions import EncodingError
from eth_account import Account
from eth_account.messages import _hash_eip191_message, encode_typed_data

from weir.accounts import development_account, is_development_address
from weir.orders import Order, order_hash, sign_order, typed_data

CHAIN_ID = 31337
CLEARING_HOUSE = "0x5FbDB2315678afecb367f032d93F642f64180aa3"


@pytest.fixture
def market_maker():
    return development_account(0)


@pytest.fixture
def stranger():
    return development_account(1)


@pytest.fixture
def order(market_maker):
    return Order(
        maker=market_maker.address,
        market=1,
        is_buy=True,
        reduce_only=False,
        size=25 * 10**17,
        price=7_900 * 10**18,
        expiry=1_584_000_000,
        generation=3,
        salt=42,
    )


def standard_hash(order, chain_id=CHAIN_ID, clearing_house=CLEARING_HOUSE):
    return bytes(
        _hash_eip191_message(encode_typed_data(full_message=typed_data(order, chain_id, clearing_house)))
    )


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"is_buy": False},
        {"reduce_only": True},
        {"market": 2**16 - 1},
        {"size": 2**112 - 1, "price": 2**128 - 1, "expiry": 2**40 - 1},
        {"generation": 2**64 - 1, "salt": 2**64 - 1},
        {"size": 0, "price": 0, "expiry": 0, "generation": 0, "salt": 0},
    ],
)
def test_hash_is_that_of_the_typed_data(order, change):
    changed = replace(order, **change)
    assert order_hash(changed, CHAIN_ID, CLEARING_HOUSE) == standard_hash(changed)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("maker", "0x" + "11" * 20),
        ("market", 0),
        ("is_buy", False),
        ("reduce_only", True),
        ("size", 1),
        ("price", 1),
        ("expiry", 1),
        ("generation", 1),
        ("salt", 1),
    ],
)
def test_hash_depends_on_every_field(order, field, value):
    changed = replace(order, **{field: value})
    assert order_hash(changed, CHAIN_ID, CLEARING_HOUSE) != order_hash(order, CHAIN_ID, CLEARING_HOUSE)


def test_hash_depends_on_chain_and_clearing_house(order):
    hashes = {
        order_hash(order, CHAIN_ID, CLEARING_HOUSE),
        order_hash(order, 1, CLEARING_HOUSE),
        order_hash(order, CHAIN_ID, "0x" + "22" * 20),
    }
    assert len(hashes) == 3


def test_signature_is_what_a_wallet_would_sign(order, market_maker):
    signature = sign_order(order, market_maker, CHAIN_ID, CLEARING_HOUSE)
    message = encode_typed_data(full_message=typed_data(order, CHAIN_ID, CLEARING_HOUSE))
    assert Account.recover_message(message, signature=signature) == market_maker.address
    assert signature == market_maker.sign_message(message).signature
    assert len(signature) == 65


def test_private_key_signs_like_its_account(order, market_maker):
    by_account = sign_order(order, market_maker, CHAIN_ID, CLEARING_HOUSE)
    assert sign_order(order, market_maker.key, CHAIN_ID, CLEARING_HOUSE) == by_account
    assert sign_order(order, market_maker.key.to_0x_hex(), CHAIN_ID, CLEARING_HOUSE) == by_account


def test_nobody_signs_for_another_maker(order, stranger):
    with pytest.raises(ValueError, match="can't sign an order of"):
        sign_order(order, stranger, CHAIN_ID, CLEARING_HOUSE)


@pytest.mark.parametrize(
    "change", [{"size": 2**112}, {"price": -1}, {"market": 2**16}, {"expiry": 2**40}, {"maker": "0x12"}]
)
def test_a_field_that_does_not_fit_is_refused(order, change):
    with pytest.raises(EncodingError):
        order_hash(replace(order, **change), CHAIN_ID, CLEARING_HOUSE)


def test_known_development_addresses():
    # The first accounts of Anvil, Ganache (--deterministic) and Truffle, as their documentation prints them.
    assert is_development_address("0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266")
    assert is_development_address("0x90F8bf6A479f320ead074411a4B0e7944Ea8c9C1")
    assert is_development_address("0x627306090abaB3A6e1400e9345bC60c78a8BEf57".lower())
    assert not is_development_address("0x" + "11" * 20)
