"""Other stablecoins, from Python: what accounts have pledged, the fund's reserve, and the auctions of both.

Assets are named by symbol. Amounts of an asset are units of its token, worth, value and cost units of the
settlement token, prices 1e-18 of a dollar for one whole token, ratios ppm, times Unix seconds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any

from eth_account.signers.local import LocalAccount
from web3.contract import Contract

from weir.chain import Chain, Receipt, pages
from weir.decoding import PRICE_STATUS, Block, taken
from weir.deployment import AssetRecord, Deployment
from weir.parameters import from_units, to_units
from weir.units import MILLION

__all__ = [
    "AssetBooks",
    "AssetState",
    "Assets",
    "AuctionState",
    "PledgeState",
    "cost",
    "price_off",
    "proceeds",
    "worth",
]

ACCOUNTS_PER_CALL = 50


# ---------------------------------------------------------------------- states


@dataclass(frozen=True, slots=True)
class AuctionState:
    """The reserve's last auction of an asset (`started_at` 0: there was none), which runs before `ends_at`.

    `factor` is what it takes or gives now, ppm of the price; 0 while it does not run. `startable`: anyone may
    start one now.
    """

    started_at: int
    ends_at: int
    buying: bool
    startable: bool
    factor: int

    @property
    def off(self) -> int:
        """ppm by which the price is off, against the reserve; 0 while none runs."""
        return abs(MILLION - self.factor) if self.factor else 0


@dataclass(frozen=True, slots=True)
class AssetState:
    """Another stablecoin, or an ERC-4626 share of one or of the settlement token (`is_share`).

    `par` is what its feed says of a dollar, at most one; `price` that of a whole token, 0 where there is
    none. `pledged` is what all accounts hold as collateral, `reserve` what the fund's skin holds.
    """

    id: int
    symbol: str
    token: str
    decimals: int
    is_share: bool
    status: str
    par: int
    price: int
    haircut: int
    discount: int
    weight: int
    collateral_cap: int
    reserve_cap: int
    pledged: int
    pledged_value: int
    reserve: int
    reserve_worth: int
    reserve_value: int
    reserve_target: int
    auction: AuctionState


@dataclass(frozen=True, slots=True)
class PledgeState:
    """What an account has pledged (`held`, by asset id) and counts for it (`value`), and its sale.

    `due` is what a sale would pay now: its debts, or what is open of default `default_id`. `startable`:
    anyone may start its auction now, which runs before `sale_ends_at` (0: never started).
    """

    address: str
    value: int
    held: tuple[int, ...]
    due: int
    default_id: int
    sale_started_at: int
    sale_ends_at: int
    startable: bool


@dataclass(frozen=True, slots=True)
class AssetBooks:
    """The figures of P1 of an asset, in its units: tokens that lie in a contract, and those it has booked."""

    symbol: str
    decimals: int
    held_for_collateral: int
    pledged: int
    of_accounts: int
    held_by_reserve: int
    reserve: int

    @property
    def donations(self) -> int:
        """Tokens beyond the books, of both contracts; below 0 they would owe what they do not have."""
        return self.held_for_collateral - self.of_accounts + self.held_by_reserve - self.reserve

    @property
    def holds(self) -> bool:
        """Whether both contracts have what they owe, and the sum of accounts is what is booked for them."""
        backed = self.held_for_collateral >= self.pledged and self.held_by_reserve >= self.reserve
        return backed and self.pledged == self.of_accounts


# ------------------------------------------------------------------ arithmetic


def price_off(discount: int, started_at: int, now: int, sale_duration: int) -> int:
    """ppm by which an auction's price is off at a time while it runs (SPECIFICATION.md section 2.1)."""
    return discount * min(max(now - started_at, 0), sale_duration) // sale_duration


def worth(asset: AssetState, units: int, decimals: int) -> int:
    """What units of an asset are worth, rounded down; `decimals` are the settlement token's."""
    return int(units * asset.price // 10 ** (18 + asset.decimals - decimals))


def cost(asset: AssetState, units: int, factor: int, decimals: int) -> int:
    """What a buyer pays for units of an asset at so many ppm of its price."""
    return int(-(-units * asset.price * factor // (10 ** (18 + asset.decimals - decimals) * MILLION)))


def proceeds(asset: AssetState, units: int, factor: int, decimals: int) -> int:
    """What a seller gets for units of an asset at so many ppm of its price."""
    return int(units * asset.price * factor // (10 ** (18 + asset.decimals - decimals) * MILLION))


# ---------------------------------------------------------------------- client


class Assets:
    """The other stablecoins of a deployment, to read and to send; `Weir.assets`. False where it has none."""

    def __init__(self, chain: Chain, deployment: Deployment) -> None:
        self.chain = chain
        self.deployment = deployment

    def __bool__(self) -> bool:
        return bool(self.deployment.assets)

    # ---- contracts

    @cached_property
    def registry(self) -> Contract:
        """What each asset counts for (`IStablecoins`)."""
        return self._contract("Stablecoins")

    @cached_property
    def collateral(self) -> Contract:
        return self._contract("Collateral")

    @cached_property
    def reserve(self) -> Contract:
        return self._contract("Reserve")

    @cached_property
    def lens(self) -> Contract:
        return self._contract("AssetLens")

    def token(self, symbol: str) -> Contract:
        """An asset's token; where it is a development one it can be minted (`mint(to, amount)`)."""
        record = self.record(symbol)
        name = f"Token:{symbol}"
        known = self.deployment.contracts.get(name)
        return self.chain.contract(known.artifact if known else "TestToken", record.token)

    def feed(self, symbol: str) -> Contract:
        """An asset's price feed; raises `LookupError` for a share of the settlement token, which has none."""
        address = self.record(symbol).feed
        if address is None:
            raise LookupError(f"{symbol} has no feed: it is a share of the settlement token")
        return self.chain.contract("TestFeed", address)

    def _contract(self, name: str) -> Contract:
        record = self.deployment.contracts[name]
        return self.chain.contract(record.artifact, record.address)

    # ---- names and units

    def record(self, symbol: str) -> AssetRecord:
        """An asset by its symbol; raises `LookupError`."""
        for asset in self.deployment.assets:
            if asset.symbol == symbol:
                return asset
        known = ", ".join(asset.symbol for asset in self.deployment.assets)
        raise LookupError(
            f"no asset {symbol!r}; " + (f"the assets are {known}" if known else "there is none")
        )

    def id(self, symbol: str) -> int:
        """The number of the asset with this symbol; raises `LookupError`."""
        return self.record(symbol).id

    def units(self, symbol: str, tokens: Decimal) -> int:
        """Whole tokens of an asset in its units, rounded down."""
        return to_units(tokens, self.record(symbol).decimals)

    def tokens(self, symbol: str, units: int) -> Decimal:
        """Units of an asset in whole tokens, exact."""
        return from_units(units, self.record(symbol).decimals)

    # ---- collateral

    def pledge(self, owner: LocalAccount, symbol: str, units: int) -> Receipt:
        """Pledges the owner's tokens as margin."""
        self._allow(owner, self.token(symbol), self.collateral, units)
        return self.chain.send(owner, self.collateral.functions.deposit(self.id(symbol), units))

    def take_back(
        self,
        owner: LocalAccount,
        symbol: str,
        units: int,
        *,
        to: str | None = None,
        settle_first: Sequence[str] = (),
    ) -> Receipt:
        """Takes pledged tokens back, as far as margin allows; `settle_first`: who owes what the owner won."""
        call = self.collateral.functions.withdraw(
            self.id(symbol), units, to or owner.address, list(settle_first)
        )
        return self.chain.send(owner, call)

    def start_sale(self, sender: LocalAccount, account: str) -> Receipt:
        """Starts the auction of an account's collateral: it is in debt, or has an open default."""
        return self.chain.send(sender, self.collateral.functions.startSale(account))

    def buy_collateral(
        self,
        buyer: LocalAccount,
        account: str,
        symbol: str,
        units: int,
        max_cost: int,
        *,
        to: str | None = None,
    ) -> Receipt:
        """Buys at most so many units of what is for sale, and no more than the account owes."""
        self._allow(buyer, self._settlement, self.collateral, max_cost)
        asset, to = self.id(symbol), to or buyer.address
        return self.chain.send(buyer, self.collateral.functions.buy(account, asset, units, to, max_cost))

    # ---- the reserve

    def contribute(self, giver: LocalAccount, symbol: str, units: int) -> Receipt:
        """Gives tokens to the fund's skin; nothing takes them back."""
        self._allow(giver, self.token(symbol), self.reserve, units)
        return self.chain.send(giver, self.reserve.functions.contribute(self.id(symbol), units))

    def start_conversion(self, sender: LocalAccount, symbol: str) -> Receipt:
        """Starts the auction in which the reserve sells or buys an asset, whichever is due."""
        return self.chain.send(sender, self.reserve.functions.start(self.id(symbol)))

    def buy_from_reserve(
        self, buyer: LocalAccount, symbol: str, units: int, max_cost: int, *, to: str | None = None
    ) -> Receipt:
        """Buys at most so many units of what the reserve is selling."""
        self._allow(buyer, self._settlement, self.reserve, max_cost)
        call = self.reserve.functions.buy(self.id(symbol), units, to or buyer.address, max_cost)
        return self.chain.send(buyer, call)

    def sell_to_reserve(
        self, seller: LocalAccount, symbol: str, units: int, min_paid: int, *, to: str | None = None
    ) -> Receipt:
        """Sells at most so many units of what the reserve is buying."""
        self._allow(seller, self.token(symbol), self.reserve, units)
        call = self.reserve.functions.sell(self.id(symbol), units, to or seller.address, min_paid)
        return self.chain.send(seller, call)

    # ---- reads

    def states(self, *, block: Block = "latest") -> tuple[AssetState, ...]:
        """Every asset."""
        return tuple(self._state(raw) for raw in self.chain.call(self.lens.functions.assets(), block=block))

    def pledges(
        self, addresses: Sequence[str] | None = None, *, block: Block = "latest"
    ) -> tuple[PledgeState, ...]:
        """What these accounts have pledged; where none are given, all accounts that have pledged anything."""
        read = self.lens.functions
        if addresses is None:
            count: int = self.chain.call(self._contract("Vault").functions.accountCount(), block=block)
            calls = [read.pledges(*span) for span in pages(count, ACCOUNTS_PER_CALL)]
        else:
            spans = pages(len(addresses), ACCOUNTS_PER_CALL)
            calls = [read.pledgesOf(list(addresses[a : a + n])) for a, n in spans]
        found = self.chain.call_many(calls, block=block)
        return tuple(taken(PledgeState, raw, held=tuple(raw["held"])) for page in found for raw in page)

    def books(self, *, block: Block = "latest") -> tuple[AssetBooks, ...]:
        """The sums behind P1 for every asset, over all accounts."""
        states, pledges = self.states(block=block), self.pledges(block=block)
        holders = (self.collateral.address, self.reserve.address)
        calls = [
            self.chain.contract("TestToken", state.token).functions.balanceOf(holder)
            for state in states
            for holder in holders
        ]
        held = iter(self.chain.call_many(calls, block=block))
        return tuple(
            AssetBooks(
                symbol=state.symbol,
                decimals=state.decimals,
                held_for_collateral=next(held),
                pledged=state.pledged,
                of_accounts=sum(pledge.held[state.id] for pledge in pledges),
                held_by_reserve=next(held),
                reserve=state.reserve,
            )
            for state in states
        )

    def sale_duration(self, *, block: Block = "latest") -> int:
        """Seconds in which an auction's price goes from par to the discount."""
        raw = self.chain.call(self.registry.functions.conversionParameters(), block=block)
        return int(raw["saleDuration"])

    def _state(self, raw: Mapping[str, Any]) -> AssetState:
        return taken(
            AssetState,
            {**raw["listing"]["parameters"], **raw["listing"], **raw},
            symbol=self._symbol(raw["id"]),
            status=PRICE_STATUS[raw["status"]],
            auction=taken(AuctionState, raw["auction"]),
        )

    def _symbol(self, asset: int) -> str:
        """What the deployment calls it; one that was listed since has only its number."""
        records = self.deployment.assets
        return records[asset].symbol if asset < len(records) else f"#{asset}"

    # ---- sending

    @cached_property
    def _settlement(self) -> Contract:
        return self.chain.contract("TestToken", self.deployment.token)

    def _allow(self, owner: LocalAccount, token: Contract, spender: Contract, amount: int) -> None:
        """Approves the amount where less is allowed yet."""
        if self.chain.call(token.functions.allowance(owner.address, spender.address)) < amount:
            self.chain.send(owner, token.functions.approve(spender.address, amount))
