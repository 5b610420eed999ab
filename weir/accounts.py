"""Addresses, and keys to sign with: those that are given, and those that local nodes are started with."""

from __future__ import annotations

import os
import re
from functools import cache
from pathlib import Path

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.address import is_checksum_address, to_checksum_address

from weir.node import MNEMONIC

__all__ = [
    "LOCAL_CHAINS",
    "AccountError",
    "checked_address",
    "choose_account",
    "development_account",
    "is_development_address",
    "is_local_chain",
]

LOCAL_CHAINS = frozenset({1337, 31337})
"""Chain ids of local nodes (Ganache, Anvil)."""

_KNOWN_MNEMONICS = (
    MNEMONIC,
    "myth like bonus scare over problem client lizard pioneer submit female collect",
    "candy maple cake sugar pudding cream honey rich smooth crumble sweet treat",
)
_KNOWN_ACCOUNTS = 20


def is_local_chain(chain_id: int) -> bool:
    """Whether the chain id is one that only local nodes use."""
    return chain_id in LOCAL_CHAINS


@cache
def development_account(index: int, mnemonic: str = MNEMONIC) -> LocalAccount:
    """The account at m/44'/60'/0'/0/index of the phrase. For local chains only: everybody has this key."""
    Account.enable_unaudited_hdwallet_features()
    account: LocalAccount = Account.from_mnemonic(mnemonic, account_path=f"m/44'/60'/0'/0/{index}")
    return account


def is_development_address(address: str) -> bool:
    """Whether the address is among the first 20 of a phrase that development tools ship with."""
    return address.lower() in _known_addresses()


@cache
def _known_addresses() -> frozenset[str]:
    pairs = ((index, phrase) for phrase in _KNOWN_MNEMONICS for index in range(_KNOWN_ACCOUNTS))
    return frozenset(development_account(index, phrase).address.lower() for index, phrase in pairs)


def checked_address(text: str) -> str:
    """An address in checksum form; raises `ValueError` for anything else, and for a wrong checksum."""
    if re.fullmatch(r"0x[0-9a-fA-F]{40}", text):
        digits = text[2:]
        if digits in (digits.lower(), digits.upper()) or is_checksum_address(text):
            return to_checksum_address(text)
        raise ValueError(f"{text!r} has a wrong checksum: a digit is mistyped")
    raise ValueError(f"{text!r} is not an address")


class AccountError(ValueError):
    """No key to sign with, or one that must not be used; the message says which and why."""


def choose_account(chain_id: int, keystore: Path | None = None, *, development: int = 0) -> LocalAccount:
    """The account that a command signs with.

    That of a keystore file (password in `WEIR_PASSWORD`), else of the key in `WEIR_PRIVATE_KEY`, else, on
    local chains, development account number `development`. Raises `AccountError` where there is none, and for
    development keys off local chains.
    """
    account = _from_keystore(keystore) if keystore else _from_environment()
    if account is None:
        if not is_local_chain(chain_id):
            raise AccountError(
                f"chain {chain_id} is not a local one: give --keystore FILE or set WEIR_PRIVATE_KEY"
            )
        return development_account(development)
    if not is_local_chain(chain_id) and is_development_address(account.address):
        raise AccountError(
            f"chain {chain_id} is not a local one, and everybody has the key of {account.address}"
        )
    return account


def _from_keystore(path: Path) -> LocalAccount:
    try:
        content = path.read_text(encoding="utf-8")
    except OSError as error:
        raise AccountError(f"{path}: {error.strerror or error}") from None
    try:
        return _local(Account.decrypt(content, os.environ.get("WEIR_PASSWORD", "")))
    except (ValueError, KeyError, TypeError):
        raise AccountError(f"{path}: not a keystore, or WEIR_PASSWORD is not its password") from None


def _from_environment() -> LocalAccount | None:
    key = os.environ.get("WEIR_PRIVATE_KEY")
    try:
        return _local(key) if key else None
    except ValueError:
        raise AccountError("WEIR_PRIVATE_KEY is not a private key (64 hex digits)") from None


def _local(key: str | bytes) -> LocalAccount:
    account: LocalAccount = Account.from_key(key)
    return account
