"""Putting Weir on a chain, and the file that remembers where it lies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from web3 import Web3
from web3.contract import Contract

from weir.accounts import development_account, is_development_address, is_local_chain
from weir.artifacts import artifact
from weir.chain import Call, Chain, created_address, encode_arguments
from weir.files import write
from weir.governance import ADMIN, ROLES
from weir.parameters import (
    SETTLEMENT,
    Address,
    AssetParameters,
    DeploymentError,
    MarketParameters,
    Model,
    Parameters,
    asset_struct,
    conversion_struct,
    fund_struct,
    funding_struct,
    guaranty_struct,
    liquidation_struct,
    load,
    market_struct,
    symbol_bytes,
    to_units,
)
from weir.preflight import unfit

__all__ = [
    "AssetRecord",
    "ContractRecord",
    "Deployment",
    "MarketRecord",
    "deploy",
]

log = logging.getLogger(__name__)

FIRST_ASSET_FEED = 32_768
"""The oracle's number of the first asset's feed: those of markets come before."""

FEED_DECIMALS = 8
"""Of the feeds that are deployed for development, as of most real ones."""


# ------------------------------------------------------------------ deployment


class ContractRecord(Model):
    """A contract on the chain: what was compiled, its arguments, and the hash of the code that lies there."""

    address: Address
    artifact: str
    arguments: tuple[Any, ...]
    creation_hash: str
    code_hash: str


class MarketRecord(Model):
    """A market's number, its symbol, and its feed."""

    id: int
    symbol: str
    feed: Address


class AssetRecord(Model):
    """Another stablecoin, or a share of one: its number, its token, and its feed (None: a share of S)."""

    id: int
    symbol: str
    token: Address
    decimals: int
    feed: Address | None


class Deployment(Model):
    """Where Weir lies on one chain: the content of `deployments/<chainId>.json`.

    `block` is the last one before its first contract, `decimals` the settlement token's.
    """

    chain_id: int
    block: int
    deployer: Address
    decimals: int
    token: Address
    contracts: dict[str, ContractRecord]
    markets: tuple[MarketRecord, ...]
    assets: tuple[AssetRecord, ...]
    parameters: Parameters

    def address(self, name: str) -> str:
        """Address of a contract by name, e.g. "Vault", "JuniorTranche"; raises `KeyError`."""
        return self.contracts[name].address

    def save(self, path: Path) -> None:
        """Writes the JSON, making the folder where there is none."""
        write(path, self.model_dump_json(indent=2) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `DeploymentError` where there is nothing, or something else."""
        return load(cls, path)


# ---------------------------------------------------------------------- deploy


def deploy(
    w3: Web3,
    deployer: LocalAccount,
    parameters: Parameters,
    *,
    folder: Path | None = None,
    root: Path | None = None,
) -> Deployment:
    """Deploys Weir, or returns the deployment that `folder/<chainId>.json` records if it still is so.

    One that is not (other parameters, another build, other code at its addresses) is replaced on a local
    chain; elsewhere `DeploymentError` is raised, as it is for a development key, a role that is missing, a
    token or feed that is or does not answer, and for a nonce that moved in between. Without `folder` nothing
    is read or written. `root` is the project whose compiled contracts are used.
    """
    chain = Chain(w3, root=root)
    path = folder / f"{chain.id}.json" if folder else None
    if path and path.exists():
        deployment = Deployment.load(path)
        problem = why_not_reusable(chain, deployment, parameters)
        if problem is None:
            log.info("reusing the deployment in %s", path)
            return deployment
        if not is_local_chain(chain.id):
            raise DeploymentError(
                f"{path} records another deployment ({problem}): move it away to deploy anew"
            )
        log.info("replacing the deployment in %s: %s", path, problem)
    deployment = _Deployer(chain, deployer, parameters).run()
    if path:
        deployment.save(path)
    return deployment


def why_not_reusable(chain: Chain, deployment: Deployment, parameters: Parameters) -> str | None:
    """What makes the recorded deployment another than the one wanted now; None where nothing does."""
    if deployment.chain_id != chain.id:
        return f"it lies on chain {deployment.chain_id}"
    if deployment.parameters != parameters:
        return "its parameters are others"
    for name, record in deployment.contracts.items():
        if artifact(record.artifact, chain.root).code_hash != record.creation_hash:
            return f"{name} has been compiled anew"
    return what_moved(chain, deployment)


def what_moved(chain: Chain, deployment: Deployment) -> str | None:
    """The first contract whose code on the chain is not the recorded one; None where all are in place."""
    for name, record in deployment.contracts.items():
        if _code_hash(chain.code(record.address)) != record.code_hash:
            return f"{name} is not at {record.address}"
    return None


def _code_hash(code: bytes) -> str:
    return "0x" + keccak(code).hex()


class _Deployer:
    """One deployment, from its first transaction to its record."""

    def __init__(self, chain: Chain, account: LocalAccount, parameters: Parameters) -> None:
        self.chain = chain
        self.account = account
        self.parameters = parameters
        self.local = is_local_chain(chain.id)
        self.roles = self._roles()
        self.contracts: dict[str, ContractRecord] = {}
        self._refuse_what_is_missing()

    def run(self) -> Deployment:
        block = int(self.chain.rpc("eth_blockNumber"), 16)
        token = self.parameters.token or self._create(
            "Token", "TestToken", "Test Dollar", "tUSD", self.parameters.token_decimals
        )
        decimals: int = self.chain.call(self.chain.contract("TestToken", token).functions.decimals())
        feeds = [market.feed or self._development_feed(market) for market in self.parameters.markets]
        assets = self._assets(token)
        self._create_system(token, decimals)
        self._add_markets(feeds)
        self._list_assets(assets)
        self._hand_over()
        return Deployment(
            chain_id=self.chain.id,
            block=block,
            deployer=self.account.address,
            decimals=decimals,
            token=token,
            contracts=self._with_code_hashes(),
            markets=tuple(
                MarketRecord(id=i, symbol=market.symbol, feed=feed)
                for i, (market, feed) in enumerate(zip(self.parameters.markets, feeds, strict=True))
            ),
            assets=assets,
            parameters=self.parameters,
        )

    # ---- before

    def _roles(self) -> dict[str, str]:
        given = self.parameters.governance
        named = {
            "governor": given.governor,
            "guardian": given.guardian,
            "treasury": given.treasury,
            "poster": given.poster,
        }
        if self.local:
            return {
                role: holder or development_account(i).address
                for i, (role, holder) in enumerate(named.items(), start=1)
            }
        if missing := [role for role, holder in named.items() if holder is None]:
            raise self._refusal(f"parameters must name {', '.join(missing)}")
        return {role: holder for role, holder in named.items() if holder}

    def _refuse_what_is_missing(self) -> None:
        if self.roles["governor"] == self.account.address:
            raise DeploymentError("the governor can't be the deployer, who gives up every power at the end")
        if self.local:
            return
        for role, holder in {"deployer": self.account.address, **self.roles}.items():
            if is_development_address(holder):
                raise self._refusal(f"everybody has the key of {holder}, the {role}")
        without = [market.symbol for market in self.parameters.markets if market.feed is None]
        missing = [f"the feed of {symbol}" for symbol in without]
        for asset in self.parameters.assets:
            if asset.token is None:
                missing.append(f"the token of {asset.symbol}")
            if asset.feed is None and asset.share_of is None:
                missing.append(f"the feed of {asset.symbol}")
        if self.parameters.token is None:
            missing.insert(0, "the token")
        if missing:
            raise self._refusal(f"parameters must name {', '.join(missing)}")
        if reasons := unfit(self.chain, self.parameters):
            raise DeploymentError(f"nothing is deployed: {'; '.join(reasons)}")

    def _refusal(self, reason: str) -> DeploymentError:
        return DeploymentError(f"chain {self.chain.id} is not a local one: {reason}")

    # ---- contracts

    def _development_feed(self, quoted: MarketParameters | AssetParameters) -> str:
        if quoted.price is None:
            raise DeploymentError(f"{quoted.symbol}: a development feed needs a first price")
        answer = to_units(quoted.price, FEED_DECIMALS)
        return self._create(f"Feed:{quoted.symbol}", "TestFeed", FEED_DECIMALS, answer)

    def _assets(self, settlement: str) -> tuple[AssetRecord, ...]:
        """Development tokens and feeds where none is named; a share has the feed of what it is of."""
        records: dict[str, AssetRecord] = {}
        for i, asset in enumerate(self.parameters.assets):
            under = records.get(asset.share_of or "")
            name = f"Token:{asset.symbol}"
            if asset.token:
                token = asset.token
            elif asset.share_of:
                of = under.token if under else settlement
                token = self._create(name, "TestShares", of, f"Test {asset.symbol}", asset.symbol)
            else:
                token = self._create(name, "TestToken", f"Test {asset.symbol}", asset.symbol, asset.decimals)
            feed = asset.feed or (under.feed if under else None)
            if feed is None and asset.share_of != SETTLEMENT:
                feed = self._development_feed(asset)
            decimals = self.chain.call(self.chain.contract("TestToken", token).functions.decimals())
            records[asset.symbol] = AssetRecord(
                id=i, symbol=asset.symbol, token=token, decimals=decimals, feed=feed
            )
        return tuple(records.values())

    def _create_system(self, token: str, decimals: int) -> None:
        # Each of these knows others as immutables, so their addresses are computed from the nonces to come.
        names = (
            "Authority",
            "PriceOracle",
            "Vault",
            "FundingPolicy",
            "Liquidations",
            "ClearingHouse",
            "InsuranceFund",
            "JuniorTranche",
            "SeniorTranche",
            "GuarantyFund",
            "Lens",
            "Stablecoins",
            "Collateral",
            "Reserve",
            "AssetLens",
        )
        first = int(self.chain.rpc("eth_getTransactionCount", self.account.address, "pending"), 16)
        at = {name: created_address(self.account.address, first + i) for i, name in enumerate(names)}
        authority, oracle, vault, policy, liquidations, house, fund, junior, senior, guaranty = (
            at[name] for name in names[:10]
        )
        stablecoins, collateral, reserve = at["Stablecoins"], at["Collateral"], at["Reserve"]
        liquidation = liquidation_struct(self.parameters.liquidation, decimals)
        clearing = (authority, vault, fund, oracle, policy, liquidation)
        funding = funding_struct(self.parameters.funding, decimals)
        income = fund_struct(self.parameters.fund, decimals)
        mutual = guaranty_struct(self.parameters.guaranty, decimals)
        epoch = self.parameters.fund.epoch_duration
        arguments: dict[str, tuple[str, tuple[Any, ...]]] = {
            "Authority": ("Authority", (self.account.address,)),
            "PriceOracle": ("PriceOracle", (authority,)),
            "Vault": ("Vault", (authority, token, house, fund, collateral)),
            "FundingPolicy": ("FundingPolicy", (authority, vault, house, fund, guaranty, funding)),
            "Liquidations": ("Liquidations", clearing),
            "ClearingHouse": ("ClearingHouse", (*clearing, liquidations)),
            "InsuranceFund": (
                "InsuranceFund",
                (
                    *(authority, token, vault, house, junior, senior, guaranty, reserve),
                    *(self.roles["treasury"], policy, income),
                ),
            ),
            "JuniorTranche": ("Tranche", (authority, token, fund, "Weir Junior Tranche", "wJUN", epoch)),
            "SeniorTranche": ("Tranche", (authority, token, fund, "Weir Senior Tranche", "wSEN", epoch)),
            "GuarantyFund": (
                "GuarantyFund",
                (authority, token, vault, house, fund, policy, mutual),
            ),
            "Lens": ("Lens", (house, vault, fund, oracle)),
            "Stablecoins": (
                "Stablecoins",
                (authority, token, oracle, conversion_struct(self.parameters.conversion)),
            ),
            "Collateral": ("Collateral", (stablecoins, vault, house, fund)),
            "Reserve": ("Reserve", (stablecoins, fund)),
            "AssetLens": ("AssetLens", (collateral, reserve)),
        }
        for name, (kind, values) in arguments.items():
            address = self._create(name, kind, *values)
            if address != at[name]:
                reason = "the deployer's account was used meanwhile; deploy again"
                raise DeploymentError(f"{name} lies at {address}, not at {at[name]}: {reason}")

    def _create(self, name: str, kind: str, *arguments: Any) -> str:
        compiled = artifact(kind, self.chain.root)
        constructor = next((entry for entry in compiled.abi if entry["type"] == "constructor"), {})
        data = compiled.bytecode + encode_arguments(constructor, arguments)
        receipt = self.chain.wait(self.chain.submit_raw(self.account, None, data))
        if receipt.contract is None:
            raise DeploymentError(f"{name}: the node reports no address for {receipt.transaction}")
        self.contracts[name] = ContractRecord(
            address=receipt.contract,
            artifact=kind,
            arguments=arguments,
            creation_hash=compiled.code_hash,
            code_hash="",
        )
        log.info("%s at %s", name, receipt.contract)
        return receipt.contract

    def _with_code_hashes(self) -> dict[str, ContractRecord]:
        return {
            name: record.model_copy(update={"code_hash": _code_hash(self.chain.code(record.address))})
            for name, record in self.contracts.items()
        }

    # ---- settings

    def _add_markets(self, feeds: Sequence[str]) -> None:
        house, vault, fund, oracle = (
            self._bound(name) for name in ("ClearingHouse", "Vault", "InsuranceFund", "PriceOracle")
        )
        if sequencer := self.parameters.sequencer_feed:
            self._send(oracle.functions.setSequencerFeed(sequencer, self.parameters.sequencer_grace))
        for i, (market, feed) in enumerate(zip(self.parameters.markets, feeds, strict=True)):
            low, high = to_units(market.min_price, 18), to_units(market.max_price, 18)
            # The feed first: a market is opened at its price.
            self._send(oracle.functions.setFeed(i, feed, market.heartbeat, low, high))
            self._send(house.functions.addMarket(symbol_bytes(market.symbol), market_struct(market)))
            self._send(fund.functions.setMarketCover(i, market.budget_share, market.coinsurance))
            self._send(vault.functions.setMaturity(i, market.maturity))

    def _list_assets(self, records: Sequence[AssetRecord]) -> None:
        stablecoins, oracle = self._bound("Stablecoins"), self._bound("PriceOracle")
        for asset, record in zip(self.parameters.assets, records, strict=True):
            low, high = to_units(asset.min_price, 18), to_units(asset.max_price, 18)
            if record.feed is not None:
                number = FIRST_ASSET_FEED + record.id
                self._send(oracle.functions.setFeed(number, record.feed, asset.heartbeat, low, high))
            is_share, struct = asset.share_of is not None, asset_struct(asset, record.decimals)
            self._send(stablecoins.functions.setAsset(record.id, record.token, is_share, struct))

    def _hand_over(self) -> None:
        """Gives every role to its holder, and the deployer's own away."""
        authority = self._bound("Authority")
        delay = self.parameters.governance.delay
        for role in ROLES:
            for name in role.functions:
                target, selectors = self.contracts[name].address, list(role.selectors(name))
                self._send(authority.functions.setTargetFunctionRole(target, selectors, role.id))
            holder = self.roles.get(role.name, self.roles["governor"])
            # A role that acts at once by its nature keeps doing so.
            self._send(authority.functions.grantRole(role.id, holder, delay if role.delay else 0))
        self._send(authority.functions.renounceRole(ADMIN.id, self.account.address))

    def _bound(self, name: str) -> Contract:
        return self.chain.contract(self.contracts[name].artifact, self.contracts[name].address)

    def _send(self, call: Call) -> None:
        self.chain.send(self.account, call)
