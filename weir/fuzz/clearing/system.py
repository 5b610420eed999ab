"""Weir deployed on a chain, with everyone equipped: addresses by name, its functions, and how it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_abi.encoding import TupleEncoder
from eth_abi.registry import registry
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from eth_utils.crypto import keccak
from web3 import Web3

from weir.accounts import development_account
from weir.artifacts import artifact
from weir.chain import Chain
from weir.client import Weir
from weir.deployment import deploy
from weir.fuzz.clearing.setting import ACCOUNTS, ASSETS, COIN, OPERATOR, SHARE, STAKERS, Setting
from weir.fuzz.evm import creation_code

__all__ = ["System", "Transaction", "key_of"]

DEPLOYER, GOVERNOR, GUARDIAN, TREASURY, POSTER = (development_account(i) for i in range(5))


@cache
def key_of(name: str) -> LocalAccount:
    """The account of an actor; everybody can know its key, so only for chains on this machine."""
    named = {
        "governor": GOVERNOR,
        "guardian": GUARDIAN,
        "poster": POSTER,
        "oracle": DEPLOYER,
        "token": DEPLOYER,
    }
    if name in named:
        return named[name]
    account: LocalAccount = Account.from_key(keccak(text=f"weir fuzz {name}"))
    return account


@dataclass(frozen=True, slots=True)
class Transaction:
    """What is sent: by whom, to where, which bytes."""

    sender: LocalAccount
    to: str
    data: bytes


class _Function:
    """A contract's function, ready to be encoded many times."""

    def __init__(self, to: str, abi: dict[str, Any]) -> None:
        self.to = to
        self._selector = function_abi_to_4byte_selector(abi)  # type: ignore[arg-type]
        self.outputs = [collapse_if_tuple(field) for field in abi["outputs"]]
        kinds = [collapse_if_tuple(field) for field in abi["inputs"]]
        # What eth_abi.encode does, with the encoders kept.
        self._encoder: Any = TupleEncoder(  # type: ignore[no-untyped-call]
            encoders=[registry.get_encoder(kind) for kind in kinds]
        )

    def encode(self, *arguments: Any) -> bytes:
        encoded: bytes = self._encoder(arguments)
        return self._selector + encoded

    def __call__(self, sender: LocalAccount, *arguments: Any) -> Transaction:
        return Transaction(sender, self.to, self.encode(*arguments))


class System:
    """What a campaign plays against; the chain is left at the end of the set-up."""

    def __init__(self, w3: Web3, setting: Setting, root: Path | None = None) -> None:
        self.setting = setting
        self.chain = Chain(w3, root=root)
        self.root = root
        token = self._create("FuzzToken", setting.decimals)
        self.assets = self._create_assets(token)
        given = setting.parameters()
        named = zip(given.assets, self.assets, strict=True)
        assets = tuple(asset.model_copy(update={"token": at}) for asset, at in named)
        parameters = given.model_copy(update={"token": token, "assets": assets})
        self.weir = Weir(w3, deploy(w3, DEPLOYER, parameters, root=root))
        self.token = token
        self.treasury = TREASURY.address
        self.holders = {
            "vault": self.weir.vault.address,
            "fund": self.weir.fund.address,
            "guaranty": self.weir.guaranty.address,
            "junior": self.weir.junior.address,
            "senior": self.weir.senior.address,
            "collateral": self.weir.deployment.address("Collateral"),
            "reserve": self.weir.deployment.address("Reserve"),
        }
        self.addresses = {name: key_of(name).address for name in (*ACCOUNTS, *STAKERS, "founder", OPERATOR)}
        feed = self.weir.feed("M0").address
        tokens = dict(zip(ASSETS, self.assets, strict=True))
        others = {"feed": feed, "S": token, "nobody": "0x" + "00" * 20}
        self._places = {**self.addresses, **self.holders, **tokens, **others}
        arrays = self.listed(ACCOUNTS), self.listed(STAKERS)
        self.probe = self._create("FuzzProbe", self.weir.clearing_house.address, *arrays)
        self.sequencer = self._create("TestFeed", 8, 0)
        self._functions = self._bind()
        for name in self.addresses:
            for transaction in self._equipment(name):
                self.chain.wait(
                    self.chain.submit_raw(transaction.sender, transaction.to, transaction.data, gas=5_000_000)
                )

    # ---- set-up

    def _create(self, kind: str, *arguments: Any) -> str:
        code = creation_code(artifact(kind, self.root), arguments)
        created = self.chain.wait(self.chain.submit_raw(DEPLOYER, None, code)).contract
        if created is None:
            raise RuntimeError(f"{kind}: no address in the receipt")
        return created

    def _create_assets(self, settlement: str) -> tuple[str, ...]:
        """A share is worth five quarters of what it is a share of."""
        coin, share, savings = self.setting.asset_decimals
        at = self._create("FuzzToken", coin)
        return (
            at,
            self._create("FuzzShares", at, share, max(1, 5 * 10**coin // 4)),
            self._create("FuzzShares", settlement, savings, 5 * 10**self.setting.decimals // 4),
        )

    def _bind(self) -> dict[str, _Function]:
        """Functions by `contract.function`."""
        weir = self.weir
        contracts = {
            "vault": ("Vault", weir.vault.address),
            "house": ("ClearingHouse", weir.clearing_house.address),
            "fund": ("InsuranceFund", weir.fund.address),
            "policy": ("FundingPolicy", weir.policy.address),
            "guaranty": ("GuarantyFund", weir.guaranty.address),
            "junior": ("Tranche", weir.junior.address),
            "senior": ("Tranche", weir.senior.address),
            "token": ("FuzzToken", self.token),
            "probe": ("FuzzProbe", self.probe),
            "oracle": ("PriceOracle", weir.deployment.contracts["PriceOracle"].address),
            "sequencer": ("TestFeed", self.sequencer),
            "stablecoins": ("Stablecoins", weir.deployment.address("Stablecoins")),
            "collateral": ("Collateral", self.holders["collateral"]),
            "reserve": ("Reserve", self.holders["reserve"]),
            "coinfeed": ("TestFeed", weir.deployment.address(f"Feed:{ASSETS[COIN]}")),
        }
        for asset, token in enumerate(self.assets):
            contracts[f"asset{asset}"] = ("FuzzShares" if asset >= SHARE else "FuzzToken", token)
        for number in range(len(self.setting.prices)):
            contracts[f"feed{number}"] = ("TestFeed", weir.feed(f"M{number}").address)
        return {
            f"{name}.{entry['name']}": _Function(address, entry)
            for name, (kind, address) in contracts.items()
            for entry in artifact(kind, self.root).abi
            if entry["type"] == "function"
        }

    def _equipment(self, name: str) -> Iterable[Transaction]:
        """All the tokens it may ever need, and consent to whoever takes them."""
        account = key_of(name)
        yield self._functions["token.mint"](account, account.address, self.setting.minted)
        for holder in self.holders.values():
            yield self._functions["token.approve"](account, holder, 2**256 - 1)
        for asset, minted in enumerate(self.setting.minted_assets):
            yield self._functions[f"asset{asset}.mint"](account, account.address, minted)
            for holder in (self.holders["collateral"], self.holders["reserve"]):
                yield self._functions[f"asset{asset}.approve"](account, holder, 2**256 - 1)

    # ---- calling

    def call(self, function: str, sender: LocalAccount, *arguments: Any) -> Transaction:
        """One of a function, called as `contract.function`."""
        return self._functions[function](sender, *arguments)

    def listed(self, names: Iterable[str]) -> list[str]:
        """Addresses of accounts."""
        return [self.addresses[name] for name in names]

    def resolved(self, argument: Any) -> Any:
        """The argument with addresses for names; `nobody` is the zero address."""
        if isinstance(argument, str):
            return self._places[argument]
        if isinstance(argument, tuple):
            return tuple(self.resolved(each) for each in argument)
        return argument

    # ---- reading

    def words(self, view: Callable[[str, bytes], bytes], wanted: int, first_default: int) -> bytes:
        """The words of these sections and of the defaults from an id on, 32 bytes each."""
        return view(self.probe, self._functions["probe.read"].encode(wanted, first_default))

    def calls_back_accepted(self, view: Callable[[str, bytes], bytes]) -> int:
        """How many calls that the token made in the middle of a transfer did not revert."""
        call = self._functions["token.callsBackAccepted"](DEPLOYER)
        count: int = decode(["uint256"], view(call.to, call.data))[0]
        return count

    def read(self, view: Callable[[str, bytes], bytes], function: str, *arguments: Any) -> Any:
        """What a view returns: one value, or all in a tuple; accounts by name among the arguments."""
        bound = self._functions[function]
        answer = view(bound.to, bound.encode(*(self.resolved(each) for each in arguments)))
        values = decode(bound.outputs, answer)
        return values[0] if len(values) == 1 else values

    def balance(self, view: Callable[[str, bytes], bytes], holder: str) -> int:
        call = self._functions["token.balanceOf"](DEPLOYER, holder)
        held: int = decode(["uint256"], view(call.to, call.data))[0]
        return held
