"""Orders: what a maker signs and anyone may fill (EIP-712, SPECIFICATION.md section 3).

Sizes are 1e-18 of the underlying, prices 1e-18 of a dollar, times Unix seconds.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from functools import lru_cache
from typing import Any

from eth_abi.abi import encode
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.crypto import keccak

__all__ = ["DOMAIN_NAME", "DOMAIN_VERSION", "Order", "order_hash", "sign_order", "typed_data"]

DOMAIN_NAME = "Weir"
DOMAIN_VERSION = "1"

_DOMAIN: tuple[tuple[str, str], ...] = (
    ("name", "string"),
    ("version", "string"),
    ("chainId", "uint256"),
    ("verifyingContract", "address"),
)

_ORDER: tuple[tuple[str, str], ...] = (
    ("maker", "address"),
    ("market", "uint16"),
    ("isBuy", "bool"),
    ("reduceOnly", "bool"),
    ("size", "uint112"),
    ("price", "uint128"),
    ("expiry", "uint40"),
    ("generation", "uint64"),
    ("salt", "uint64"),
)


def _type_hash(name: str, fields: tuple[tuple[str, str], ...]) -> bytes:
    return keccak(text=f"{name}({','.join(f'{kind} {field}' for field, kind in fields)})")


@dataclass(frozen=True, slots=True)
class Order:
    """A maker's offer; the fields stand in the order of the contract's struct.

    `generation` must be the maker's current one; `expiry` is the last second at which the order may be
    filled. Two orders that are equal in every other field need different `salt`s.
    """

    maker: str
    market: int
    is_buy: bool
    reduce_only: bool
    size: int
    price: int
    expiry: int
    generation: int = 0
    salt: int = 0

    def as_tuple(self) -> tuple[Any, ...]:
        """The struct as contract calls take it."""
        return astuple(self)


def typed_data(order: Order, chain_id: int, clearing_house: str) -> dict[str, Any]:
    """The EIP-712 message in the form that wallets take (`eth_signTypedData_v4`)."""
    return {
        "types": {
            "EIP712Domain": [{"name": name, "type": kind} for name, kind in _DOMAIN],
            "Order": [{"name": name, "type": kind} for name, kind in _ORDER],
        },
        "primaryType": "Order",
        "domain": {
            "name": DOMAIN_NAME,
            "version": DOMAIN_VERSION,
            "chainId": chain_id,
            "verifyingContract": clearing_house,
        },
        "message": dict(zip((name for name, _ in _ORDER), order.as_tuple(), strict=True)),
    }


def order_hash(order: Order, chain_id: int, clearing_house: str) -> bytes:
    """The 32 bytes that the maker signs, equal to `ClearingHouse.hashOrder`; the order's id on the chain.

    Raises `eth_abi.exceptions.EncodingError` where a field does not fit its type.
    """
    struct = keccak(encode(["bytes32", *(kind for _, kind in _ORDER)], [_ORDER_TYPE_HASH, *order.as_tuple()]))
    return keccak(b"\x19\x01" + _domain_separator(chain_id, clearing_house) + struct)


def sign_order(order: Order, key: LocalAccount | str | bytes, chain_id: int, clearing_house: str) -> bytes:
    """The maker's signature, 65 bytes r ‖ s ‖ v.

    `key` is the maker's account or its private key; a key of another address raises `ValueError`. Makers that
    are contracts (ERC-1271) bring a signature of their own instead.
    """
    account = key if isinstance(key, LocalAccount) else Account.from_key(key)
    if account.address.lower() != order.maker.lower():
        raise ValueError(f"the key of {account.address} can't sign an order of {order.maker}")
    digest = order_hash(order, chain_id, clearing_house)
    return bytes(account.unsafe_sign_hash(Hash32(digest)).signature)


_ORDER_TYPE_HASH = _type_hash("Order", _ORDER)
_DOMAIN_TYPE_HASH = _type_hash("EIP712Domain", _DOMAIN)


@lru_cache(maxsize=16)
def _domain_separator(chain_id: int, clearing_house: str) -> bytes:
    name, version = keccak(text=DOMAIN_NAME), keccak(text=DOMAIN_VERSION)
    kinds = ["bytes32", "bytes32", "bytes32", "uint256", "address"]
    return keccak(encode(kinds, [_DOMAIN_TYPE_HASH, name, version, chain_id, clearing_house]))
