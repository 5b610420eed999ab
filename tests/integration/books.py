"""Everything the contracts say about everybody at one block, and the sums that section 9 of SPECIFICATION.md
is about.

Read account by account from the views of the contracts themselves, so that the Lens, which computes the same,
is no witness here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ape import chain as ape_chain

from tests.system import System
from weir.chain import Chain, connect
from weir.deployment import Deployment

VIRTUAL_SHARES = 10**6
TRANCHES = ("JuniorTranche", "SeniorTranche")


@dataclass(frozen=True)
class Record:
    """A position as it is stored, and the index and multiplier that it stands at now (those of its epoch's
    end, if it is over).
    """

    is_short: bool
    stored: int
    multiplier0: int
    index0: int
    live: bool
    multiplier: int
    index: int

    @property
    def size(self) -> int:
        """Now, 1e-18; 0 when its epoch is over."""
        return self.stored * self.multiplier // self.multiplier0 if self.live else 0

    def unsettled(self, scale: int) -> int:
        """Units of S, toward minus infinity."""
        return self.stored * (self.index - self.index0) // (self.multiplier0 * scale)


@dataclass(frozen=True)
class MarketBooks:
    """One market: its ledger, its state, and who has what in it. Claims and debts in units of S."""

    pool: int
    residual: int
    total_claims: int
    claim_units: int
    claims_epoch: int
    open_interest: int
    value_index: int
    available: int
    members_left: int
    claims: dict[str, int]
    debts: dict[str, int]
    records: dict[str, Record]
    scale: int

    @property
    def surplus(self) -> int:
        """P2: pool + residual beyond what is claimed, unsettled and not covered by debt; units of S."""
        unsettled = sum(record.unsettled(self.scale) for record in self.records.values())
        return self.pool + self.residual + sum(self.debts.values()) - self.total_claims - unsettled

    def missing(self, is_short: bool) -> int:
        """P3: open interest beyond the sizes of a side, 1e-18."""
        sizes = (record.size for record in self.records.values() if record.is_short == is_short)
        return self.open_interest - sum(sizes)


@dataclass(frozen=True)
class TrancheBooks:
    assets: int
    supply: int
    share_epoch: int

    @property
    def price(self) -> tuple[int, int]:
        """Of a share: numerator and denominator, with the virtual unit and shares."""
        return self.assets + 1, self.supply + VIRTUAL_SHARES


@dataclass(frozen=True)
class GuarantyBooks:
    """Units of S, and what members have of them."""

    total: int
    units: int
    epoch: int
    balances: dict[str, int]

    @property
    def price(self) -> tuple[int, int]:
        """Of a unit: numerator and denominator; that of the first ones while there are none."""
        return (self.total, self.units) if self.units else (1, 10**6)


@dataclass(frozen=True)
class Books:
    """Amounts in units of S."""

    held: int
    cash: dict[str, int]
    wallets: dict[str, int]
    fees: int
    levies: int
    insolvencies: int
    markets: tuple[MarketBooks, ...]
    fund_held: int
    layers: dict[str, int]
    tranches: tuple[TrancheBooks, TrancheBooks]
    guaranty_held: int
    guaranty: GuarantyBooks
    treasury: int
    defaults: int

    @property
    def donated(self) -> int:
        """P1: what the vault holds beyond what it has booked."""
        pools = sum(market.pool for market in self.markets)
        return self.held - sum(self.cash.values()) - pools - self.fees - self.levies

    def net(self, account: str) -> int:
        """Cash, and claims less debts, before anything unsettled."""
        both = (market.claims.get(account, 0) - market.debts.get(account, 0) for market in self.markets)
        return self.cash[account] + sum(both)


def read(system: System) -> Books:
    """The books after the latest block."""
    return reader_of(system).read()


def reader_of(system: System) -> Reader:
    """A reader of ape's chain."""
    chain = Chain(connect(ape_chain.provider.web3.provider.endpoint_uri))
    return Reader(chain, system.deployment, system.actors["treasury"].address)


class Reader:
    """Reads the books of one protocol, again and again: a few batches each time, and what they ask is put
    into words once.
    """

    def __init__(self, chain: Chain, deployment: Deployment, treasury: str) -> None:
        self.chain = chain
        self.deployment = deployment
        self.treasury = treasury
        self.markets = range(len(deployment.markets))
        self._block: int | str = "latest"
        self._contracts: dict[str, Any] = {}
        self._calls: dict[tuple[Any, ...], Any] = {}

    def read(self, block: int | str = "latest") -> Books:
        """The books after this block."""
        self._block = block
        at = self.deployment.address
        held, fund_held, treasury, (fees, levies), insolvencies, layers, defaults, accounts = self._ask(
            ("Token", "balanceOf", at("Vault")),
            ("Token", "balanceOf", at("InsuranceFund")),
            ("Token", "balanceOf", self.treasury),
            ("Vault", "uncollected"),
            ("ClearingHouse", "insolvencies"),
            ("InsuranceFund", "layers"),
            ("InsuranceFund", "defaultCount"),
            ("Vault", "accounts", 0, 10**6),
        )
        cash, wallets, positions, ledgers, balances = self._of_each(
            accounts,
            ("Vault", "cashOf"),
            ("Token", "balanceOf"),
            ("ClearingHouse", "positionMarkets"),
            ("Vault", "ledgerMarkets"),
            ("GuarantyFund", "balanceOf"),
        )
        guaranty_held, guaranty = self._ask(
            ("Token", "balanceOf", at("GuarantyFund")), ("GuarantyFund", "book")
        )
        tranches = self._ask(
            *(
                (tranche, view)
                for tranche in TRANCHES
                for view in ("totalAssets", "totalSupply", "shareEpoch")
            )
        )
        claims = {account: held for account, (held, _) in ledgers.items()}
        debts = {account: held for account, (_, held) in ledgers.items()}
        return Books(
            held=held,
            cash=cash,
            wallets=wallets,
            fees=fees,
            levies=levies,
            insolvencies=insolvencies,
            markets=tuple(
                self._market(market, *(_holders(market, bits) for bits in (positions, claims, debts)))
                for market in self.markets
            ),
            fund_held=fund_held,
            layers=layers,
            tranches=(TrancheBooks(*tranches[:3]), TrancheBooks(*tranches[3:])),
            guaranty_held=guaranty_held,
            guaranty=GuarantyBooks(*guaranty, balances),
            treasury=treasury,
            defaults=defaults,
        )

    def _market(
        self, market: int, holders: list[str], claimants: list[str], debtors: list[str]
    ) -> MarketBooks:
        ledger, state, available, (loss_budget, _), total, *more = self._ask(
            ("Vault", "marketLedger", market),
            ("ClearingHouse", "marketState", market),
            ("InsuranceFund", "available", market),
            ("GuarantyFund", "lossBudget", market),
            ("GuarantyFund", "totalAssets"),
            *(("ClearingHouse", "position", account, market) for account in holders),
            *(("Vault", "claimsOf", account, market) for account in claimants),
            *(("Vault", "debtOf", account, market) for account in debtors),
        )
        answers = iter(more)
        return MarketBooks(
            records={account: self._record(market, state, next(answers)) for account in holders},
            claims={account: next(answers) for account in claimants},
            debts={account: next(answers) for account in debtors},
            pool=ledger["pool"],
            residual=ledger["residual"],
            total_claims=ledger["totalClaims"],
            claim_units=ledger["totalClaimUnits"],
            claims_epoch=ledger["claimsEpoch"],
            open_interest=state["openInterest"],
            value_index=state["valueIndex"],
            available=available,
            members_left=min(loss_budget, total),
            scale=10 ** (36 - self.deployment.decimals),
        )

    def _record(self, market: int, state: dict[str, Any], position: dict[str, Any]) -> Record:
        is_short, epoch = position["isShort"], position["epoch"]
        side = state["short" if is_short else "long"]
        live = epoch == side["epoch"]
        if live:
            index = side["base"] + (-1 if is_short else 1) * side["multiplier"] * state["valueIndex"]
        else:
            (index,) = self._ask(("ClearingHouse", "finalIndex", market, is_short, epoch))
        return Record(
            is_short=is_short,
            stored=position["size"],
            multiplier0=position["multiplier"],
            index0=position["index"],
            live=live,
            multiplier=side["multiplier"],
            index=index,
        )

    def _of_each(self, accounts: Sequence[str], *views: tuple[str, str]) -> list[dict[str, Any]]:
        """For each view, its answer by account."""
        answers = iter(self._ask(*((*view, account) for view in views for account in accounts)))
        return [{account: next(answers) for account in accounts} for _ in views]

    def _ask(self, *questions: tuple[Any, ...]) -> list[Any]:
        """Contract, view and arguments of each."""
        calls = [self._call(*question) for question in questions]
        return self.chain.call_many(calls, block=self._block)

    def _call(self, contract: str, view: str, *arguments: Any) -> Any:
        key = contract, view, *arguments
        if key not in self._calls:
            self._calls[key] = getattr(self._contract(contract).functions, view)(*arguments)
        return self._calls[key]

    def _contract(self, name: str) -> Any:
        if name not in self._contracts:
            record = self.deployment.contracts[name]
            self._contracts[name] = self.chain.contract(record.artifact, record.address)
        return self._contracts[name]


def _holders(market: int, bits: dict[str, int]) -> list[str]:
    """The accounts whose bit of the market is set."""
    return [account for account, markets in bits.items() if markets >> market & 1]
