"""The deployed system, from Python: typed reads of its state, and its contracts to send to.

Everything read is in the units of the chain: amounts in units of the settlement token, sizes 1e-18 of the
underlying, prices 1e-18 of a dollar, ratios in ppm, times in Unix seconds. `Weir.usd` and `Weir.units`
convert amounts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Self, cast

from eth_account.signers.local import LocalAccount
from web3 import Web3
from web3.contract import Contract

from weir.chain import Chain, Event, Receipt, connect, pages
from weir.decoding import PRICE_STATUS, Block, taken
from weir.deployment import Deployment, MarketRecord, what_moved
from weir.orders import Order, order_hash, sign_order
from weir.parameters import DeploymentError, from_units, to_units
from weir.stablecoins import Assets
from weir.states import (
    AccountState,
    Actions,
    Charge,
    Contribution,
    DefaultRecord,
    FundState,
    GuarantyState,
    Identities,
    LossBudget,
    MarketBooks,
    MarketState,
    MemberState,
    PositionState,
    Recovered,
    SideState,
    TrancheState,
)

__all__ = ["Weir"]

MARKET_STATUS = ("none", "open", "closed")

ACCOUNTS_PER_CALL = 50
"""Accounts that one call of the lens looks at: few enough for any node's gas limit of a call."""
DEFAULTS_PER_CALL = 200
ADDRESSES_PER_CALL = 2_000

NOBODY = "0x" + "00" * 20
UNLIMITED = 2**256 - 1


# ---------------------------------------------------------------------- client


class Weir:
    """A deployment, to read and to send to.

    Its contracts are web3 contracts: `weir.chain.send(trader, weir.vault.functions.deposit(trader.address,
    amount))`.
    """

    def __init__(self, w3: Web3, deployment: Deployment, *, root: Path | None = None) -> None:
        self.chain = Chain(w3, root=root)
        self.deployment = deployment

    @classmethod
    def load(cls, w3: Web3, path: Path | None = None) -> Self:
        """The deployment that a file records, by default `deployments/<chainId>.json`.

        Raises `DeploymentError` where there is no such file, or something else at its addresses here.
        """
        chain = Chain(w3)
        file = path or Path("deployments") / f"{chain.id}.json"
        deployment = Deployment.load(file)
        if deployment.chain_id != chain.id:
            raise DeploymentError(f"{file} is of chain {deployment.chain_id}, the node of chain {chain.id}")
        if problem := what_moved(chain, deployment):
            raise DeploymentError(f"{problem}: this chain is not the one that {file} is of; deploy anew")
        return cls(w3, deployment)

    @classmethod
    def connect(cls, url: str, path: Path | None = None) -> Self:
        """`load` on the node at an HTTP address."""
        return cls.load(connect(url), path)

    # ---- contracts

    @cached_property
    def vault(self) -> Contract:
        return self._contract("Vault")

    @cached_property
    def clearing_house(self) -> Contract:
        return self._contract("ClearingHouse")

    @cached_property
    def fund(self) -> Contract:
        return self._contract("InsuranceFund")

    @cached_property
    def oracle(self) -> Contract:
        return self._contract("PriceOracle")

    @cached_property
    def policy(self) -> Contract:
        return self._contract("FundingPolicy")

    @cached_property
    def guaranty(self) -> Contract:
        return self._contract("GuarantyFund")

    @cached_property
    def junior(self) -> Contract:
        return self._contract("JuniorTranche")

    @cached_property
    def senior(self) -> Contract:
        return self._contract("SeniorTranche")

    @cached_property
    def lens(self) -> Contract:
        return self._contract("Lens")

    @cached_property
    def assets(self) -> Assets:
        """Other stablecoins: what accounts have pledged, and the fund's reserve."""
        return Assets(self.chain, self.deployment)

    @cached_property
    def authority(self) -> Contract:
        return self._contract("Authority")

    @cached_property
    def token(self) -> Contract:
        """The settlement token; it can be minted (`mint(to, amount)`) where it is a development one."""
        return self.chain.contract("TestToken", self.deployment.token)

    def feed(self, symbol: str) -> Contract:
        """A market's price feed; it can be set (`setAnswer(answer)`) where it is a development one."""
        return self.chain.contract("TestFeed", self._market(symbol).feed)

    def _contract(self, name: str) -> Contract:
        record = self.deployment.contracts[name]
        return self.chain.contract(record.artifact, record.address)

    def _market(self, symbol: str) -> MarketRecord:
        for market in self.deployment.markets:
            if market.symbol == symbol:
                return market
        known = ", ".join(market.symbol for market in self.deployment.markets)
        raise LookupError(f"no market {symbol!r}; the markets are {known}")

    # ---- units

    def market_id(self, symbol: str) -> int:
        """The number of the market with this symbol; raises `LookupError`."""
        return self._market(symbol).id

    def units(self, usd: Decimal) -> int:
        """An amount in units of the settlement token, rounded down."""
        return to_units(usd, self.deployment.decimals)

    def usd(self, units: int) -> Decimal:
        """Units of the settlement token in USD, exact."""
        return from_units(units, self.deployment.decimals)

    # ---- orders

    def sign(self, order: Order, maker: LocalAccount) -> bytes:
        """The maker's signature of an order for this clearing house."""
        return sign_order(order, maker, self.chain.id, self.deployment.address("ClearingHouse"))

    def order_hash(self, order: Order) -> bytes:
        """The order's id on this clearing house."""
        return order_hash(order, self.chain.id, self.deployment.address("ClearingHouse"))

    # ---- the guaranty fund, to write

    def join(self, payer: LocalAccount, amount: int, account: str | None = None) -> Receipt:
        """Contributes the payer's money to the guaranty fund, for itself or for `account`."""
        self._allow(payer, self.guaranty, amount)
        return self.chain.send(payer, self.guaranty.functions.join(account or payer.address, amount))

    def request_exit(self, member: LocalAccount, amount: int) -> Receipt:
        """Gives notice for a part of the balance, or all of it where it is less; 0 takes a notice back."""
        return self.chain.send(member, self.guaranty.functions.requestExit(amount))

    def release(self, sender: LocalAccount, account: str) -> Receipt:
        """Pays an account what it gave notice for, and with it a rest below the minimum; for anyone."""
        return self.chain.send(sender, self.guaranty.functions.release(account))

    def recover(self, payer: LocalAccount, default: int, amount: int) -> Receipt:
        """Gives money back to those who bore a default: at most what is still open of it."""
        self._allow(payer, self.fund, amount)
        return self.chain.send(payer, self.fund.functions.recover(default, amount))

    def _allow(self, owner: LocalAccount, spender: Contract, amount: int) -> None:
        """Approves the amount where less is allowed yet."""
        token = self.token.functions
        if self.chain.call(token.allowance(owner.address, spender.address)) < amount:
            self.chain.send(owner, token.approve(spender.address, amount))

    # ---- reads

    def markets(self, *, block: Block = "latest") -> tuple[MarketState, ...]:
        """Every market."""
        return tuple(_market(raw) for raw in self.chain.call(self.lens.functions.markets(), block=block))

    def account(self, address: str, *, block: Block = "latest") -> AccountState:
        """One account; of an unknown address everything is 0."""
        return _account(self.chain.call(self.lens.functions.accountHealth(address), block=block))

    def accounts(
        self, addresses: Sequence[str] | None = None, *, block: Block = "latest"
    ) -> tuple[AccountState, ...]:
        """These accounts; all that the vault knows, in its order, where none are given."""
        read = self.lens.functions
        if addresses is None:
            return tuple(_account(raw) for raw in self._all_accounts(read.accountsHealth, block))
        calls = [
            read.healthOf(list(addresses[offset : offset + limit]))
            for offset, limit in pages(len(addresses), ACCOUNTS_PER_CALL)
        ]
        return tuple(_account(raw) for page in self.chain.call_many(calls, block=block) for raw in page)

    def actionable(self, *, block: Block = "latest") -> tuple[Actions, ...]:
        """The accounts for which anyone may do something now."""
        return tuple(taken(Actions, raw) for raw in self._all_accounts(self.lens.functions.actionable, block))

    def actions(self, addresses: Sequence[str], *, block: Block = "latest") -> tuple[Actions, ...]:
        """Those of these accounts for which anyone may do something now."""
        calls = [self.lens.functions.actionsOf(each) for each in addresses]
        found = (taken(Actions, raw) for raw in self.chain.call_many(calls, block=block))
        return tuple(each for each in found if each.any)

    def fund_state(self, *, block: Block = "latest") -> FundState:
        """The insurance fund and its tranches."""
        raw = self.chain.call(self.lens.functions.fundState(), block=block)
        return taken(
            FundState,
            raw | raw["layers"] | raw["funding"],
            coverage=raw["funding"]["coverage"] if raw["funding"]["target"] else None,
            junior_tranche=taken(TrancheState, raw["junior"], address=raw["junior"]["tranche"]),
            senior_tranche=taken(TrancheState, raw["senior"], address=raw["senior"]["tranche"]),
            guaranty=taken(GuarantyState, raw["guaranty"] | raw["guaranty"]["parameters"]),
        )

    def members(
        self, addresses: Sequence[str] | None = None, *, block: Block = "latest"
    ) -> tuple[MemberState, ...]:
        """These accounts in the guaranty fund; where none are given, all that have a balance or should."""
        chosen = self._candidates(block) if addresses is None else addresses
        calls = [
            self.lens.functions.membersOf(list(chosen[offset : offset + limit]))
            for offset, limit in pages(len(chosen), ACCOUNTS_PER_CALL)
        ]
        found = tuple(
            taken(MemberState, raw) for page in self.chain.call_many(calls, block=block) for raw in page
        )
        return (
            tuple(member for member in found if member.balance or member.requirement)
            if addresses is None
            else found
        )

    def _candidates(self, block: Block) -> tuple[str, ...]:
        """The vault's accounts, then others that somebody has joined for."""
        count: int = self.chain.call(self.vault.functions.accountCount(), block=block)
        calls = [self.vault.functions.accounts(*span) for span in pages(count, ADDRESSES_PER_CALL)]
        known = [each for page in self.chain.call_many(calls, block=block) for each in page]
        last = int(self.chain.block(block)["number"], 16) if isinstance(block, str) else block
        joined = self.chain.logs([self.guaranty.address], self.deployment.block, last, ["Joined"])
        return tuple(dict.fromkeys([*known, *(event["account"] for event in joined)]))

    def loss_budget(self, market: int, *, block: Block = "latest") -> LossBudget:
        """What the members of the guaranty fund may still pay for a market, but for what they have."""
        left, window = self.chain.call(self.guaranty.functions.lossBudget(market), block=block)
        return LossBudget(market, window, left)

    def recovered(self, default: int, *, block: Block = "latest") -> Recovered:
        """How much of a default's cost has come back; raises `ContractError` for one that never was."""
        return Recovered(*self.chain.call(self.fund.functions.recovered(default), block=block))

    def preview_contribution(
        self,
        account: str,
        market: int,
        size: int,
        price: int | None = None,
        *,
        is_maker: bool = False,
        counterparty: str | None = None,
        block: Block = "latest",
    ) -> Contribution:
        """What a trade would cost the account now beyond its fee.

        `size` is signed, 1e-18, long positive; `price` is by default the mark of the last refresh, at which
        all is valued. Without a counterparty the other side is somebody new. Raises `ContractError` where the
        funding policy would refuse the trade.
        """
        if price is None:
            state = self.chain.call(self.clearing_house.functions.marketState(market), block=block)
            price = cast(int, state["price"])
        intent = (account, counterparty or NOBODY, market, is_maker, size, price)
        raw = self.chain.call(self.policy.functions.previewContribution(intent), block=block)
        unlimited = raw["coverage"] == UNLIMITED
        return taken(Contribution, raw, coverage=None if unlimited else raw["coverage"])

    def contributions(
        self, account: str | None = None, first: int | None = None, last: int | None = None
    ) -> tuple[Charge, ...]:
        """What accounts, or this one, paid to the fund for new risk and leverage, and why; in order.

        From one block to another: by default everything since the deployment.
        """
        first = self.deployment.block if first is None else first
        last = int(self.chain.rpc("eth_blockNumber"), 16) if last is None else last
        names = ("ContributionCharged", "LeverageCharged")
        return tuple(
            _charge(event)
            for event in self.chain.logs([self.policy.address], first, last, names)
            if account is None or event["account"] == account
        )

    def defaults(self, first: int = 1, *, block: Block = "latest") -> tuple[DefaultRecord, ...]:
        """The records of the defaults from number `first` on, oldest first."""
        count: int = self.chain.call(self.fund.functions.defaultCount(), block=block)
        calls = [
            self.lens.functions.defaults(first - 1 + offset, limit)
            for offset, limit in pages(count - first + 1, DEFAULTS_PER_CALL)
        ]
        found = self.chain.call_many(calls, block=block)
        return tuple(taken(DefaultRecord, raw | raw["record"]) for page in found for raw in page)

    def identities(self, *, block: Block = "latest") -> Identities:
        """The sums behind P1, P2 and P3, over all accounts, at one block."""
        at = int(self.chain.block(block)["number"], 16) if isinstance(block, str) else block
        read = self.lens.functions
        backing = self.chain.call(read.backing(), block=at)
        spans = list(pages(backing["accounts"], ACCOUNTS_PER_CALL))
        cash: list[int] = self.chain.call_many([read.cashSum(*span) for span in spans], block=at)
        markets: int = self.chain.call(self.clearing_house.functions.marketCount(), block=at)
        return taken(
            Identities,
            backing,
            block=at,
            cash=sum(cash),
            markets=tuple(self._books(market, spans, at) for market in range(markets)),
        )

    def _books(self, market: int, spans: Sequence[tuple[int, int]], block: int) -> MarketBooks:
        read = self.lens.functions
        calls = [read.poolTotals(market), *(read.poolIdentity(market, *span) for span in spans)]
        totals, *parts = self.chain.call_many(calls, block=block)

        def total(name: str) -> int:
            return sum(part[name] for part in parts)

        return taken(
            MarketBooks,
            totals,
            market=market,
            claims=total("claims"),
            debt=total("debts"),
            unsettled=total("unsettled"),
            long_size=total("longSize"),
            short_size=total("shortSize"),
        )

    def _all_accounts(self, function: Callable[[int, int], Any], block: Block) -> Iterator[dict[str, Any]]:
        count: int = self.chain.call(self.vault.functions.accountCount(), block=block)
        calls = [function(*span) for span in pages(count, ACCOUNTS_PER_CALL)]
        return (raw for page in self.chain.call_many(calls, block=block) for raw in page)


# -------------------------------------------------------------------- decoding


def _market(raw: Mapping[str, Any]) -> MarketState:
    state, quote, ledger, cover = raw["state"], raw["oracle"], raw["ledger"], raw["cover"]
    return taken(
        MarketState,
        {**ledger, **cover, **raw["parameters"], **state, **raw},
        symbol=raw["symbol"].rstrip(b"\0").decode("ascii", "replace"),
        status=MARKET_STATUS[state["status"]],
        feed_price=quote["price"],
        feed_status=PRICE_STATUS[quote["status"]],
        feed_updated_at=quote["updatedAt"],
        long=taken(SideState, state["long"], index=raw["indexLong"]),
        short=taken(SideState, state["short"], index=raw["indexShort"]),
        claims=ledger["totalClaims"],
        budget_left=cover["left"],
    )


def _charge(event: Event) -> Charge:
    for_risk = event.name == "ContributionCharged"
    return Charge(
        account=event["account"],
        block=event.block,
        transaction=event.transaction,
        market=event["market"] if for_risk else None,
        amount=event["amount"],
        scarcity=event["scarcity"] if for_risk else 0,
        concentration=event["concentration"] if for_risk else 0,
        leverage=event["leverage"],
        tier_rate=event["tierRate"] if for_risk else 0,
    )


def _account(raw: Mapping[str, Any]) -> AccountState:
    return taken(AccountState, raw, positions=tuple(_position(position) for position in raw["positions"]))


def _position(raw: Mapping[str, Any]) -> PositionState:
    return taken(PositionState, raw, size=-raw["size"] if raw["isShort"] else raw["size"])
