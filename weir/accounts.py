"""Development keys: the accounts that local nodes are started with, known to everybody."""

from __future__ import annotations

from functools import cache

from eth_account import Account
from eth_account.signers.local import LocalAccount

from weir.node import MNEMONIC

__all__ = ["LOCAL_CHAINS", "development_account", "is_development_address", "is_local_chain"]

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
