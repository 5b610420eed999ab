"""The insurance fund and its tranches, wired to a stub that plays house, vault, policy and reserve."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import ape
from ape.api import AccountAPI, ReceiptAPI
from ape.contracts import ContractInstance

from weir.chain import created_address

MILLION = 10**6
DAY = 86_400
VIRTUAL_SHARES = 10**6
BTC, ETH = 0, 1

PARAMETERS: dict[str, int] = {
    "skinTarget": 0,
    "juniorShare": 600_000,
    "streamDuration": 7 * DAY,
    "budgetWindow": DAY,
    "memberShare": 0,
}
"""Without a skin target all income streams, which most tests want."""

EPOCH = 7 * DAY
FUND_SHARE = 800_000
"""Of fees, ppm: what the stub answers until it is told otherwise."""


@dataclass(frozen=True)
class FundSystem:
    """Contracts by name, and moves whose amounts are in whole tokens."""

    token: ContractInstance
    authority: ContractInstance
    house: ContractInstance
    fund: ContractInstance
    junior: ContractInstance
    senior: ContractInstance
    governor: AccountAPI
    treasury: AccountAPI
    unit: int

    def units(self, tokens: float) -> int:
        return round(tokens * 1000) * self.unit // 1000

    def fill(self, account: AccountAPI, spender: Any, tokens: float) -> int:
        """Mints and approves; returns the amount in units."""
        amount = self.units(tokens)
        self.token.mint(account, amount, sender=account)
        self.token.approve(spender, amount, sender=account)
        return amount

    def stake(self, tranche: ContractInstance, staker: AccountAPI, tokens: float) -> ReceiptAPI:
        amount = self.fill(staker, tranche, tokens)
        return tranche.deposit(amount, staker, sender=staker)

    def contribute(self, giver: AccountAPI, tokens: float) -> ReceiptAPI:
        return self.fund.contribute(self.fill(giver, self.fund, tokens), sender=giver)

    def collect(self, caller: AccountAPI, fees: float, levies: float = 0, premium: float = 0) -> ReceiptAPI:
        """Gives the vault this income and lets the caller collect it."""
        income = self.units(fees), self.units(levies), self.units(premium)
        self.token.mint(self.house, sum(income), sender=caller)
        self.house.setIncome(*income, 0, sender=caller)
        return self.fund.collect(sender=caller)

    def resolve(
        self, account: Any, shortfall: float, unpaid_profit: float = 0, market: int = BTC
    ) -> ReceiptAPI:
        return self.house.resolve(
            account, market, self.units(shortfall), self.units(unpaid_profit), sender=self.governor
        )

    def cover(self, share: int, coinsurance: int = 0, market: int = BTC) -> ReceiptAPI:
        return self.fund.setMarketCover(market, share, coinsurance, sender=self.governor)

    def hold(self, tokens: float) -> ReceiptAPI:
        """From now on the reserve holds something, and counts for this."""
        return self.house.setReserve(self.units(tokens), True, sender=self.governor)

    def revalue(self, tokens: float) -> None:
        self.house.setValue(self.units(tokens), sender=self.governor)

    def convert(self, tokens: float, left: float) -> ReceiptAPI:
        """The reserve sells something for so much; what is left counts for `left`, and 0 is nothing."""
        self.revalue(left)
        self.token.mint(self.house, self.units(tokens), sender=self.governor)
        return self.house.sellFromReserve(self.units(tokens), left > 0, sender=self.governor)

    def close_gate(self) -> None:
        self.house.setInsolvencies(1, sender=self.governor)

    def open_gate(self) -> None:
        self.house.setInsolvencies(0, sender=self.governor)

    def roll(self, tranche: ContractInstance) -> ReceiptAPI:
        """Waits until the epoch is over and rolls."""
        wait_until(tranche.lastRollAt() + tranche.epochDuration())
        return tranche.roll(sender=self.governor)

    def layers(self) -> tuple[int, int, int, int]:
        now = self.fund.layers()
        return now.skin, now.unvested, now.junior, now.senior

    def advanced(self) -> tuple[int, int]:
        """What junior and senior have advanced."""
        now = self.fund.layers()
        return now.advancedJunior, now.advancedSenior


def deploy_fund(
    project: Any,
    governor: AccountAPI,
    treasury: AccountAPI,
    token: ContractInstance,
    parameters: dict[str, int] | None = None,
) -> FundSystem:
    authority = governor.deploy(project.Authority, governor)
    house = governor.deploy(project.FundClearingHouseStub, token)
    fund_address = created_address(governor.address, governor.nonce + 2)
    tranches = [
        governor.deploy(project.Tranche, authority, token, fund_address, f"{name} tranche", name, EPOCH)
        for name in ("JUN", "SEN")
    ]
    values = PARAMETERS | (parameters or {})
    wiring = (authority, token, house, house, *tranches, house, house, treasury, house)
    fund = governor.deploy(project.InsuranceFund, *wiring, tuple(values.values()))
    assert fund.address == fund_address
    house.setFund(fund, sender=governor)
    return FundSystem(
        token=token,
        authority=authority,
        house=house,
        fund=fund,
        junior=tranches[0],
        senior=tranches[1],
        governor=governor,
        treasury=treasury,
        unit=10 ** token.decimals(),
    )


def wait(seconds: int) -> None:
    ape.chain.mine(deltatime=seconds)


def wait_until(timestamp: int) -> None:
    """The next block comes at `timestamp` or later."""
    now = ape.chain.blocks.head.timestamp
    if timestamp > now + 1:
        ape.chain.mine(timestamp=timestamp)


def next_block_at(timestamp: int) -> None:
    """The next transaction is mined at exactly this time."""
    ape.chain.pending_timestamp = timestamp
