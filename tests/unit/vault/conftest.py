"""The vault alone: an address that lets every withdrawal pass plays the clearing house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import ape
import pytest
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance
from eth_utils import to_checksum_address

HOUSE = to_checksum_address("0x" + "c1ea".ljust(40, "0"))
FUND = to_checksum_address("0x" + "f0d0".ljust(40, "0"))
COLLATERAL = to_checksum_address("0x" + "c011".ljust(40, "0"))
"""Asked only about accounts that hold collateral: in test_collateral.py."""
STOP = "0x00"
"""Code that accepts every call and returns nothing."""


@dataclass(frozen=True)
class Ledger:
    """Amounts are units of S; `house` and `fund` send as the clearing house and the insurance fund."""

    vault: ContractInstance
    token: ContractInstance
    house: AccountAPI
    fund: AccountAPI

    def deposit(self, account: AccountAPI, amount: int) -> ReceiptAPI:
        self.token.mint(account, amount, sender=account)
        self.token.approve(self.vault, amount, sender=account)
        return self.vault.deposit(account, amount, sender=account)

    def settle(self, account: Any, pnl: int, market: int = 0) -> ReceiptAPI:
        return self.vault.settle(account, market, pnl, sender=self.house)

    def convert(self, account: Any) -> ReceiptAPI:
        return self.vault.convert(account, sender=self.house)

    def send(self, function: str, *arguments: Any) -> ReceiptAPI:
        """A call by the clearing house."""
        return getattr(self.vault, function)(*arguments, sender=self.house)

    def fill_pool(self, loser: AccountAPI, amount: int, market: int = 0) -> None:
        """A loser with nothing else brings `amount` and loses it."""
        self.deposit(loser, amount)
        self.settle(loser, -amount, market)

    def write_off(self, amount: int, debtor: AccountAPI, market: int = 0) -> ReceiptAPI:
        """The market's claims bear a default of `amount`."""
        self.settle(debtor, -amount, market)
        return self.send("resolveDebt", debtor, market, amount, amount, 0)

    def claims(self, *accounts: Any, market: int = 0) -> list[int]:
        return [self.vault.claimsOf(account, market) for account in accounts]

    def pool(self, market: int = 0) -> int:
        return self.vault.marketLedger(market).pool

    def held(self) -> int:
        return self.token.balanceOf(self.vault)


DeployLedger = Callable[[ContractInstance], Ledger]


@pytest.fixture(scope="module")
def deploy_ledger(project, actors) -> DeployLedger:
    """Deploys a vault for a token; the governor is its authority's admin."""
    provider = ape.chain.provider
    for address in (HOUSE, FUND):
        provider.set_balance(address, 10**21)
    provider.set_code(HOUSE, STOP)
    authority = actors["deployer"].deploy(project.Authority, actors["governor"])

    def deploy(token: ContractInstance) -> Ledger:
        vault = actors["deployer"].deploy(project.Vault, authority, token, HOUSE, FUND, COLLATERAL)
        house, fund = (ape.accounts.test_accounts.impersonate_account(a) for a in (HOUSE, FUND))
        return Ledger(vault, token, house, fund)

    return deploy


@pytest.fixture(scope="module")
def ledger(deploy_ledger, project, actors) -> Ledger:
    """Over a token of 6 decimals; nobody has deposited."""
    return deploy_ledger(actors["deployer"].deploy(project.TestToken, "Test Dollar", "tUSD", 6))
