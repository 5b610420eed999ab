"""Weir deployed on a chain, with everyone equipped, and how a step becomes its transactions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from eth_abi.abi import decode
from eth_abi.encoding import TupleEncoder
from eth_abi.registry import registry
from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_typing import Hash32
from eth_utils.abi import collapse_if_tuple, function_abi_to_4byte_selector
from eth_utils.crypto import keccak
from web3 import Web3

from weir import orders
from weir.accounts import development_account
from weir.artifacts import artifact
from weir.chain import Chain
from weir.client import Weir
from weir.deployment import deploy
from weir.fuzz.clearing.setting import ACCOUNTS, ASSETS, COIN, OPERATOR, SHARE, STAKERS, Setting
from weir.fuzz.evm import creation_code
from weir.fuzz.steps import Step
from weir.model import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Order,
    StablecoinParameters,
)
from weir.node import CHAIN_ID

__all__ = ["System", "Transaction", "key_of"]

TOKEN_MODES = ("honest", "keeps fee", "answers false", "reverts", "calls back")
_HASHES = b"\1" * 32, b"\2" * 32  # of inputs and outputs; nothing depends on them
FEED_MODES = ("live", "reverting", "unset")

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
    """Addresses, and the encoding of each call of a sequence. The chain is left at the end of the set-up."""

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
        arrays = self._list(ACCOUNTS), self._list(STAKERS)
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
        answer = view(bound.to, bound.encode(*(self._resolved(each) for each in arguments)))
        values = decode(bound.outputs, answer)
        return values[0] if len(values) == 1 else values

    def balance(self, view: Callable[[str, bytes], bytes], holder: str) -> int:
        call = self._functions["token.balanceOf"](DEPLOYER, holder)
        held: int = decode(["uint256"], view(call.to, call.data))[0]
        return held

    # ---- steps

    def encode(self, step: Step) -> list[Transaction]:
        """The transactions of a step, in order; one but for what the surroundings do."""
        return [*getattr(self, f"_{step.call}")(key_of(step.sender), *step.arguments)]

    def _call(self, function: str, sender: LocalAccount, *arguments: Any) -> Sequence[Transaction]:
        return (self._functions[function](sender, *arguments),)

    def _list(self, names: Iterable[str]) -> list[str]:
        return [self.addresses[name] for name in names]

    def _deposit(self, by: LocalAccount, account: str, amount: int) -> Any:
        return self._call("vault.deposit", by, self.addresses[account], amount)

    def _withdraw(self, by: LocalAccount, amount: int, to: str, accounts: Sequence[str]) -> Any:
        return self._call("vault.withdraw", by, amount, self.addresses[to], self._list(accounts))

    def _order(self, order: Order) -> orders.Order:
        return orders.Order(
            maker=self.addresses[order.maker],
            market=order.market,
            is_buy=order.is_buy,
            reduce_only=order.reduce_only,
            size=order.size,
            price=order.price,
            expiry=order.expiry,
            generation=order.generation,
            salt=order.salt,
        )

    def _trade(self, by: LocalAccount, order: Order, size: int, signer: str = "") -> Any:
        signed = self._order(order)
        digest = orders.order_hash(signed, CHAIN_ID, self.weir.clearing_house.address)
        signature = bytes(key_of(signer or order.maker).unsafe_sign_hash(Hash32(digest)).signature)
        return self._call("house.trade", by, signed.as_tuple(), signature, size)

    def _cancel(self, by: LocalAccount, order: Order) -> Any:
        return self._call("house.cancel", by, self._order(order).as_tuple())

    def _cancel_all(self, by: LocalAccount) -> Any:
        return self._call("house.cancelAll", by)

    def _settle(self, by: LocalAccount, accounts: Sequence[str]) -> Any:
        return self._call("house.settle", by, self._list(accounts))

    def _refresh(self, by: LocalAccount, market: int) -> Any:
        return self._call("house.refresh", by, market)

    def _flag(self, by: LocalAccount, account: str) -> Any:
        return self._call("house.flag", by, self.addresses[account])

    def _liquidate(self, by: LocalAccount, account: str, fraction: int, accounts: Sequence[str]) -> Any:
        return self._call("house.liquidate", by, self.addresses[account], fraction, self._list(accounts))

    def _deleverage(self, by: LocalAccount, account: str, accounts: Sequence[str]) -> Any:
        return self._call("house.deleverage", by, self.addresses[account], self._list(accounts))

    def _collect(self, by: LocalAccount) -> Any:
        return self._call("fund.collect", by)

    def _contribute(self, by: LocalAccount, amount: int) -> Any:
        return self._call("fund.contribute", by, amount)

    def _recover(self, by: LocalAccount, number: int, amount: int) -> Any:
        return self._call("fund.recover", by, number, amount)

    # ---- other stablecoins

    def _deposit_collateral(self, by: LocalAccount, asset: int, amount: int) -> Any:
        return self._call("collateral.deposit", by, asset, amount)

    def _withdraw_collateral(self, by: LocalAccount, asset: int, amount: int, accounts: Sequence[str]) -> Any:
        return self._call("collateral.withdraw", by, asset, amount, by.address, self._list(accounts))

    def _start_sale(self, by: LocalAccount, account: str) -> Any:
        return self._call("collateral.startSale", by, self.addresses[account])

    def _buy_collateral(self, by: LocalAccount, account: str, asset: int, amount: int, max_cost: int) -> Any:
        arguments = self.addresses[account], asset, amount, by.address, max_cost
        return self._call("collateral.buy", by, *arguments)

    def _contribute_asset(self, by: LocalAccount, asset: int, amount: int) -> Any:
        return self._call("reserve.contribute", by, asset, amount)

    def _start_conversion(self, by: LocalAccount, asset: int) -> Any:
        return self._call("reserve.start", by, asset)

    def _buy_from_reserve(self, by: LocalAccount, asset: int, amount: int, max_cost: int) -> Any:
        return self._call("reserve.buy", by, asset, amount, by.address, max_cost)

    def _sell_to_reserve(self, by: LocalAccount, asset: int, amount: int, min_paid: int) -> Any:
        return self._call("reserve.sell", by, asset, amount, by.address, min_paid)

    # ---- members of the guaranty fund

    def _join(self, by: LocalAccount, account: str, amount: int) -> Any:
        return self._call("guaranty.join", by, self.addresses[account], amount)

    def _request_exit(self, by: LocalAccount, amount: int) -> Any:
        return self._call("guaranty.requestExit", by, amount)

    def _release(self, by: LocalAccount, account: str) -> Any:
        return self._call("guaranty.release", by, self.addresses[account])

    def _stake(self, by: LocalAccount, tranche: str, assets: int) -> Any:
        return self._call(f"{tranche}.deposit", by, assets, by.address)

    def _mint(self, by: LocalAccount, tranche: str, shares: int) -> Any:
        return self._call(f"{tranche}.mint", by, shares, by.address)

    def _transfer_shares(self, by: LocalAccount, tranche: str, to: str, shares: int) -> Any:
        return self._call(f"{tranche}.transfer", by, self.addresses[to], shares)

    def _request_redeem(self, by: LocalAccount, tranche: str, shares: int) -> Any:
        return self._call(f"{tranche}.requestRedeem", by, shares, by.address, by.address)

    def _roll(self, by: LocalAccount, tranche: str) -> Any:
        return self._call(f"{tranche}.roll", by)

    def _claim(self, by: LocalAccount, tranche: str, shares: int) -> Any:
        return self._call(f"{tranche}.redeem", by, shares, by.address, by.address)

    def _claim_assets(self, by: LocalAccount, tranche: str, assets: int) -> Any:
        return self._call(f"{tranche}.withdraw", by, assets, by.address, by.address)

    def _approve(self, by: LocalAccount, tranche: str, spender: str, shares: int) -> Any:
        return self._call(f"{tranche}.approve", by, self.addresses[spender], shares)

    def _transfer_from(self, by: LocalAccount, tranche: str, owner: str, to: str, shares: int) -> Any:
        return self._call(f"{tranche}.transferFrom", by, *self._list((owner, to)), shares)

    def _set_operator(self, by: LocalAccount, tranche: str, operator: str, approved: bool) -> Any:
        return self._call(f"{tranche}.setOperator", by, self.addresses[operator], approved)

    def _request_redeem_for(
        self, by: LocalAccount, tranche: str, shares: int, controller: str, owner: str
    ) -> Any:
        return self._call(f"{tranche}.requestRedeem", by, shares, *self._list((controller, owner)))

    def _claim_for(self, by: LocalAccount, tranche: str, shares: int, receiver: str, controller: str) -> Any:
        return self._call(f"{tranche}.redeem", by, shares, *self._list((receiver, controller)))

    def _forbidden(
        self, by: LocalAccount, function: str, arguments: Sequence[Any], _errors: Sequence[str]
    ) -> Any:
        """Any function; accounts and contracts among the arguments by name, `nobody` for the zero address."""
        return self._call(function, by, *(self._resolved(each) for each in arguments))

    def _resolved(self, argument: Any) -> Any:
        if isinstance(argument, str):
            return self._places[argument]
        if isinstance(argument, tuple):
            return tuple(self._resolved(each) for each in argument)
        return argument

    # ---- governance

    def _pause(self, by: LocalAccount, duration: int) -> Any:
        return self._call("house.pauseNewRisk", by, duration)

    def _close_market(self, by: LocalAccount, market: int, price: int) -> Any:
        return self._call("house.closeMarket", by, market, price)

    def _set_market(self, by: LocalAccount, market: int, p: MarketParameters) -> Any:
        struct = (
            p.initial_margin_ratio,
            p.maintenance_margin_ratio,
            p.maker_fee,
            p.taker_fee,
            p.price_band,
            p.max_funding_rate,
            p.funding_period,
            p.max_open_interest,
        )
        return self._call("house.setMarketParameters", by, market, struct)

    def _set_cover(self, by: LocalAccount, market: int, budget_share: int, coinsurance: int) -> Any:
        return self._call("fund.setMarketCover", by, market, budget_share, coinsurance)

    def _set_maturity(self, by: LocalAccount, market: int, maturity: int) -> Any:
        return self._call("vault.setMaturity", by, market, maturity)

    def _set_liquidation(self, by: LocalAccount, p: LiquidationParameters) -> Any:
        struct = (
            p.bounty_start,
            p.bounty_max,
            p.penalty,
            p.auction_duration,
            p.min_notional,
            p.close_band,
        )
        return self._call("house.setLiquidationParameters", by, struct)

    def _set_funding(self, by: LocalAccount, p: FundingParameters) -> Any:
        struct = (
            p.target_ratio,
            p.max_target_ratio,
            p.share_at_target,
            p.share_slope,
            p.share_min,
            p.share_max,
            p.premium_min,
            p.premium_max,
            p.stress_from,
            p.stop_below,
            p.max_scarcity,
            p.concentration_from,
            p.max_concentration,
            p.max_leverage,
            p.leverage_from,
            p.leverage_to,
            p.cap_multiple,
            p.target_lifetime,
            p.tier_lifetime,
            p.tier_rates,
            p.cap_floor,
            p.concentration_floor,
            p.max_step,
            p.member_threshold,
            p.member_ratio,
            p.member_step,
        )
        return self._call("policy.setParameters", by, struct)

    def _post_target(self, by: LocalAccount, target: int, block: int) -> Any:
        return self._call("policy.postTarget", by, target, (*_HASHES, block))

    def _post_tiers(self, by: LocalAccount, accounts: Sequence[str], tiers: Sequence[int], block: int) -> Any:
        return self._call("policy.postTiers", by, self._list(accounts), tiers, (*_HASHES, block))

    def _set_fund(self, by: LocalAccount, p: FundParameters) -> Any:
        struct = (
            p.skin_target,
            p.junior_share,
            p.stream_duration,
            p.budget_window,
            p.member_share,
        )
        return self._call("fund.setParameters", by, struct)

    def _set_guaranty(self, by: LocalAccount, p: GuarantyParameters) -> Any:
        struct = (
            p.min_contribution,
            p.notice_period,
            p.exit_window,
            p.loss_window,
            p.loss_share,
        )
        return self._call("guaranty.setParameters", by, struct)

    def _set_asset(self, by: LocalAccount, asset: int, p: AssetParameters) -> Any:
        struct = (p.haircut, p.discount, p.weight, p.max_growth, p.collateral_cap, p.reserve_cap)
        return self._call("stablecoins.setAsset", by, asset, self.assets[asset], p.is_share, struct)

    def _set_conversion(self, by: LocalAccount, p: StablecoinParameters) -> Any:
        struct = (p.sale_duration, p.rebalance_band, p.par_floor)
        return self._call("stablecoins.setConversionParameters", by, struct)

    def _write_off_advances(self, by: LocalAccount) -> Any:
        return self._call("fund.writeOffAdvances", by)

    def _set_epoch_duration(self, by: LocalAccount, tranche: str, duration: int) -> Any:
        return self._call(f"{tranche}.setEpochDuration", by, duration)

    def _set_sequencer(self, by: LocalAccount, grace: int) -> Any:
        """From now on the oracle asks the sequencer feed; with a grace below 0 no longer."""
        feed = self.sequencer if grace >= 0 else self._places["nobody"]
        return self._call("oracle.setSequencerFeed", by, feed, max(grace, 0))

    # ---- surroundings

    def _sequence(self, by: LocalAccount, answer: int, since: int) -> Any:
        return self._call("sequencer.setAnswerAt", by, answer, since)

    def _answer(self, by: LocalAccount, market: int, answer: int, updated_at: int, mode: str) -> Any:
        return self._call(f"feed{market}.setRound", by, answer, updated_at, FEED_MODES.index(mode))

    def _quote_coin(self, by: LocalAccount, answer: int, updated_at: int, mode: str) -> Any:
        return self._call("coinfeed.setRound", by, answer, updated_at, FEED_MODES.index(mode))

    def _set_rate(self, by: LocalAccount, asset: int, rate: int, answers: bool) -> Any:
        return self._call(f"asset{asset}.setRate", by, rate, answers)

    def _donate_asset(self, by: LocalAccount, asset: int, holder: str, amount: int) -> Any:
        return self._call(f"asset{asset}.transfer", by, self.holders[holder], amount)

    def _donate(self, by: LocalAccount, holder: str, amount: int) -> Any:
        return self._call("token.transfer", by, self.holders[holder], amount)

    def _turn(self, by: LocalAccount, mode: str, call: str = "", arguments: Sequence[Any] = ()) -> Any:
        target, data = str(by.address), b""
        if call:
            inner = self.encode(Step(OPERATOR, call, tuple(arguments)))[0]
            target, data = inner.to, inner.data
        return self._call("token.setMode", by, TOKEN_MODES.index(mode), target, data)
