"""How a step becomes a transaction: a method of the encoder for each call of `weir.fuzz.steps.Step`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eth_account.signers.local import LocalAccount
from eth_typing import Hash32

from weir import orders
from weir.fuzz.clearing.setting import OPERATOR
from weir.fuzz.clearing.system import System, Transaction, key_of
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

__all__ = ["Encoder"]

TOKEN_MODES = ("honest", "keeps fee", "answers false", "reverts", "calls back")
FEED_MODES = ("live", "reverting", "unset")
_HASHES = b"\1" * 32, b"\2" * 32  # of inputs and outputs; nothing depends on them


class Encoder:
    """Encodes calls of one system."""

    def __init__(self, system: System) -> None:
        self._system = system
        self._addresses, self._holders = system.addresses, system.holders
        self._call, self._list = system.call, system.listed

    def encode(self, step: Step) -> Transaction:
        """The transaction of a step, by its sender."""
        transaction: Transaction = getattr(self, f"_{step.call}")(key_of(step.sender), *step.arguments)
        return transaction

    def _deposit(self, by: LocalAccount, account: str, amount: int) -> Transaction:
        return self._call("vault.deposit", by, self._addresses[account], amount)

    def _withdraw(self, by: LocalAccount, amount: int, to: str, accounts: Sequence[str]) -> Transaction:
        return self._call("vault.withdraw", by, amount, self._addresses[to], self._list(accounts))

    def _order(self, order: Order) -> orders.Order:
        return orders.Order(
            maker=self._addresses[order.maker],
            market=order.market,
            is_buy=order.is_buy,
            reduce_only=order.reduce_only,
            size=order.size,
            price=order.price,
            expiry=order.expiry,
            generation=order.generation,
            salt=order.salt,
        )

    def _trade(self, by: LocalAccount, order: Order, size: int, signer: str = "") -> Transaction:
        signed = self._order(order)
        digest = orders.order_hash(signed, CHAIN_ID, self._system.weir.clearing_house.address)
        signature = bytes(key_of(signer or order.maker).unsafe_sign_hash(Hash32(digest)).signature)
        return self._call("house.trade", by, signed.as_tuple(), signature, size)

    def _cancel(self, by: LocalAccount, order: Order) -> Transaction:
        return self._call("house.cancel", by, self._order(order).as_tuple())

    def _cancel_all(self, by: LocalAccount) -> Transaction:
        return self._call("house.cancelAll", by)

    def _settle(self, by: LocalAccount, accounts: Sequence[str]) -> Transaction:
        return self._call("house.settle", by, self._list(accounts))

    def _refresh(self, by: LocalAccount, market: int) -> Transaction:
        return self._call("house.refresh", by, market)

    def _flag(self, by: LocalAccount, account: str) -> Transaction:
        return self._call("house.flag", by, self._addresses[account])

    def _liquidate(
        self, by: LocalAccount, account: str, fraction: int, accounts: Sequence[str]
    ) -> Transaction:
        return self._call("house.liquidate", by, self._addresses[account], fraction, self._list(accounts))

    def _deleverage(self, by: LocalAccount, account: str, accounts: Sequence[str]) -> Transaction:
        return self._call("house.deleverage", by, self._addresses[account], self._list(accounts))

    def _collect(self, by: LocalAccount) -> Transaction:
        return self._call("fund.collect", by)

    def _contribute(self, by: LocalAccount, amount: int) -> Transaction:
        return self._call("fund.contribute", by, amount)

    def _recover(self, by: LocalAccount, number: int, amount: int) -> Transaction:
        return self._call("fund.recover", by, number, amount)

    # ---- other stablecoins

    def _deposit_collateral(self, by: LocalAccount, asset: int, amount: int) -> Transaction:
        return self._call("collateral.deposit", by, asset, amount)

    def _withdraw_collateral(
        self, by: LocalAccount, asset: int, amount: int, accounts: Sequence[str]
    ) -> Transaction:
        return self._call("collateral.withdraw", by, asset, amount, by.address, self._list(accounts))

    def _start_sale(self, by: LocalAccount, account: str) -> Transaction:
        return self._call("collateral.startSale", by, self._addresses[account])

    def _buy_collateral(
        self, by: LocalAccount, account: str, asset: int, amount: int, max_cost: int
    ) -> Transaction:
        arguments = self._addresses[account], asset, amount, by.address, max_cost
        return self._call("collateral.buy", by, *arguments)

    def _contribute_asset(self, by: LocalAccount, asset: int, amount: int) -> Transaction:
        return self._call("reserve.contribute", by, asset, amount)

    def _start_conversion(self, by: LocalAccount, asset: int) -> Transaction:
        return self._call("reserve.start", by, asset)

    def _buy_from_reserve(self, by: LocalAccount, asset: int, amount: int, max_cost: int) -> Transaction:
        return self._call("reserve.buy", by, asset, amount, by.address, max_cost)

    def _sell_to_reserve(self, by: LocalAccount, asset: int, amount: int, min_paid: int) -> Transaction:
        return self._call("reserve.sell", by, asset, amount, by.address, min_paid)

    # ---- members of the guaranty fund

    def _join(self, by: LocalAccount, account: str, amount: int) -> Transaction:
        return self._call("guaranty.join", by, self._addresses[account], amount)

    def _request_exit(self, by: LocalAccount, amount: int) -> Transaction:
        return self._call("guaranty.requestExit", by, amount)

    def _release(self, by: LocalAccount, account: str) -> Transaction:
        return self._call("guaranty.release", by, self._addresses[account])

    def _stake(self, by: LocalAccount, tranche: str, assets: int) -> Transaction:
        return self._call(f"{tranche}.deposit", by, assets, by.address)

    def _mint(self, by: LocalAccount, tranche: str, shares: int) -> Transaction:
        return self._call(f"{tranche}.mint", by, shares, by.address)

    def _transfer_shares(self, by: LocalAccount, tranche: str, to: str, shares: int) -> Transaction:
        return self._call(f"{tranche}.transfer", by, self._addresses[to], shares)

    def _request_redeem(self, by: LocalAccount, tranche: str, shares: int) -> Transaction:
        return self._call(f"{tranche}.requestRedeem", by, shares, by.address, by.address)

    def _roll(self, by: LocalAccount, tranche: str) -> Transaction:
        return self._call(f"{tranche}.roll", by)

    def _claim(self, by: LocalAccount, tranche: str, shares: int) -> Transaction:
        return self._call(f"{tranche}.redeem", by, shares, by.address, by.address)

    def _claim_assets(self, by: LocalAccount, tranche: str, assets: int) -> Transaction:
        return self._call(f"{tranche}.withdraw", by, assets, by.address, by.address)

    def _approve(self, by: LocalAccount, tranche: str, spender: str, shares: int) -> Transaction:
        return self._call(f"{tranche}.approve", by, self._addresses[spender], shares)

    def _transfer_from(self, by: LocalAccount, tranche: str, owner: str, to: str, shares: int) -> Transaction:
        return self._call(f"{tranche}.transferFrom", by, *self._list((owner, to)), shares)

    def _set_operator(self, by: LocalAccount, tranche: str, operator: str, approved: bool) -> Transaction:
        return self._call(f"{tranche}.setOperator", by, self._addresses[operator], approved)

    def _request_redeem_for(
        self, by: LocalAccount, tranche: str, shares: int, controller: str, owner: str
    ) -> Transaction:
        return self._call(f"{tranche}.requestRedeem", by, shares, *self._list((controller, owner)))

    def _claim_for(
        self, by: LocalAccount, tranche: str, shares: int, receiver: str, controller: str
    ) -> Transaction:
        return self._call(f"{tranche}.redeem", by, shares, *self._list((receiver, controller)))

    def _forbidden(
        self, by: LocalAccount, function: str, arguments: Sequence[Any], _errors: Sequence[str]
    ) -> Transaction:
        """Any function; accounts and contracts among the arguments by name, `nobody` for the zero address."""
        return self._call(function, by, *(self._system.resolved(each) for each in arguments))

    # ---- governance

    def _pause(self, by: LocalAccount, duration: int) -> Transaction:
        return self._call("house.pauseNewRisk", by, duration)

    def _close_market(self, by: LocalAccount, market: int, price: int) -> Transaction:
        return self._call("house.closeMarket", by, market, price)

    def _set_market(self, by: LocalAccount, market: int, p: MarketParameters) -> Transaction:
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

    def _set_cover(self, by: LocalAccount, market: int, budget_share: int, coinsurance: int) -> Transaction:
        return self._call("fund.setMarketCover", by, market, budget_share, coinsurance)

    def _set_maturity(self, by: LocalAccount, market: int, maturity: int) -> Transaction:
        return self._call("vault.setMaturity", by, market, maturity)

    def _set_liquidation(self, by: LocalAccount, p: LiquidationParameters) -> Transaction:
        struct = (
            p.bounty_start,
            p.bounty_max,
            p.penalty,
            p.auction_duration,
            p.min_notional,
            p.close_band,
        )
        return self._call("house.setLiquidationParameters", by, struct)

    def _set_funding(self, by: LocalAccount, p: FundingParameters) -> Transaction:
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

    def _post_target(self, by: LocalAccount, target: int, block: int) -> Transaction:
        return self._call("policy.postTarget", by, target, (*_HASHES, block))

    def _post_tiers(
        self, by: LocalAccount, accounts: Sequence[str], tiers: Sequence[int], block: int
    ) -> Transaction:
        return self._call("policy.postTiers", by, self._list(accounts), tiers, (*_HASHES, block))

    def _set_fund(self, by: LocalAccount, p: FundParameters) -> Transaction:
        struct = (
            p.skin_target,
            p.junior_share,
            p.stream_duration,
            p.budget_window,
            p.member_share,
        )
        return self._call("fund.setParameters", by, struct)

    def _set_guaranty(self, by: LocalAccount, p: GuarantyParameters) -> Transaction:
        struct = (
            p.min_contribution,
            p.notice_period,
            p.exit_window,
            p.loss_window,
            p.loss_share,
        )
        return self._call("guaranty.setParameters", by, struct)

    def _set_asset(self, by: LocalAccount, asset: int, p: AssetParameters) -> Transaction:
        struct = (p.haircut, p.discount, p.weight, p.max_growth, p.collateral_cap, p.reserve_cap)
        return self._call("stablecoins.setAsset", by, asset, self._system.assets[asset], p.is_share, struct)

    def _set_conversion(self, by: LocalAccount, p: StablecoinParameters) -> Transaction:
        struct = (p.sale_duration, p.rebalance_band, p.par_floor)
        return self._call("stablecoins.setConversionParameters", by, struct)

    def _write_off_advances(self, by: LocalAccount) -> Transaction:
        return self._call("fund.writeOffAdvances", by)

    def _set_epoch_duration(self, by: LocalAccount, tranche: str, duration: int) -> Transaction:
        return self._call(f"{tranche}.setEpochDuration", by, duration)

    def _set_sequencer(self, by: LocalAccount, grace: int) -> Transaction:
        """From now on the oracle asks the sequencer feed; with a grace below 0 no longer."""
        feed = self._system.sequencer if grace >= 0 else self._system.resolved("nobody")
        return self._call("oracle.setSequencerFeed", by, feed, max(grace, 0))

    # ---- surroundings

    def _sequence(self, by: LocalAccount, answer: int, since: int) -> Transaction:
        return self._call("sequencer.setAnswerAt", by, answer, since)

    def _answer(self, by: LocalAccount, market: int, answer: int, updated_at: int, mode: str) -> Transaction:
        return self._call(f"feed{market}.setRound", by, answer, updated_at, FEED_MODES.index(mode))

    def _quote_coin(self, by: LocalAccount, answer: int, updated_at: int, mode: str) -> Transaction:
        return self._call("coinfeed.setRound", by, answer, updated_at, FEED_MODES.index(mode))

    def _set_rate(self, by: LocalAccount, asset: int, rate: int, answers: bool) -> Transaction:
        return self._call(f"asset{asset}.setRate", by, rate, answers)

    def _donate_asset(self, by: LocalAccount, asset: int, holder: str, amount: int) -> Transaction:
        return self._call(f"asset{asset}.transfer", by, self._holders[holder], amount)

    def _donate(self, by: LocalAccount, holder: str, amount: int) -> Transaction:
        return self._call("token.transfer", by, self._holders[holder], amount)

    def _turn(
        self, by: LocalAccount, mode: str, call: str = "", arguments: Sequence[Any] = ()
    ) -> Transaction:
        target, data = str(by.address), b""
        if call:
            inner = self.encode(Step(OPERATOR, call, tuple(arguments)))
            target, data = inner.to, inner.data
        return self._call("token.setMode", by, TOKEN_MODES.index(mode), target, data)
