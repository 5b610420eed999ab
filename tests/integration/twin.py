"""Two witnesses: the reference model and the deployed contracts, driven by the same calls.

A `Twin` is a campaign of the model whose every call is also sent to a chain, in a block of its own, at the
same time and number. Both must accept it or refuse it with the same error, and then every balance, index and
record must be equal.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from eth_account import Account
from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak

from tests.model.driver import FOREVER, TRANCHES, UNIT, Campaign, Setting
from weir import orders
from weir.accounts import development_account
from weir.chain import ContractError, connect
from weir.client import Weir
from weir.deployment import (
    FundParameters,
    GovernanceParameters,
    LiquidationParameters,
    MarketParameters,
    Parameters,
    deploy,
)
from weir.model import MarketParameters as ModelMarket
from weir.model import Order, Revert, World, dump
from weir.node import Node

FEED_STEP = 10**10  # feeds answer with 8 decimals
FEED_DAY = 2 * 86_400 - 60  # renewed before the heartbeat runs out
GAS = 5_000_000
PLENTY = 10**30

BOTH_TRUE = (
    {"InsufficientCash", "InitialMarginNotMet"},
    {"InsufficientCash", "AccountInDebt"},
    {"AccountInDebt", "InitialMarginNotMet"},
    {"AccountNotFlagged", "SelfTrade"},
    {"AccountNotFlagged", "AccountFlagged"},
    {"AccountNotFlagged", "PriceUnavailable"},
    {"AccountInDebt", "PriceUnavailable"},
    {"GateClosed", "EpochNotOver"},
    {"InitialMarginNotMet", "NewRiskIsPaused"},
    {"MarketNotOpen", "ZeroSize"},
)
"""Reasons to refuse that can hold at once; which is named first is nobody's rule."""

DEPLOYER, GOVERNOR, GUARDIAN = (development_account(i) for i in range(3))


@cache
def key_of(name: str) -> LocalAccount:
    """The account of an actor of the model, on a local chain only."""
    account: LocalAccount = Account.from_key(keccak(text=f"twin {name}"))
    return account


class Twin(Campaign):
    """A campaign on the model and on a chain at once. `compared` counts the equal quantities."""

    def __init__(self, setting: Setting, seed: int, node: Node) -> None:
        self.node = node
        self.compared = 0
        super().__init__(setting, seed)

    # ---- the beginning

    def __post_init__(self) -> None:
        super().__post_init__()  # the model's own world is thrown away, its draws of balances kept
        deposits = {name: -self.world.token.balances[name] for name in [*self.traders, *self.keepers]}
        self._deploy()
        self._start_model_where_the_chain_is()
        for name in [*self.traders, *self.keepers, *self.stakers, "founder", "operator"]:
            self._equip(name)
        for name, amount in deposits.items():
            self._call("deposit", name, name, amount)
        if self.setting.fund_dollars:
            self._call("contribute", "founder", self.setting.fund_dollars * self.dollar // 10)
            self._call("stake", "junior", "staker0", self.setting.fund_dollars * self.dollar // 4)
            self._call("stake", "senior", "staker1", self.setting.fund_dollars * self.dollar)

    def _deploy(self) -> None:
        setting = self.setting
        market = ModelMarket()
        liquidation = self.world.house.liquidation
        fund = self.world.fund.parameters
        parameters = Parameters(
            markets=tuple(
                MarketParameters(
                    symbol=f"M{number}",
                    price=Decimal(price),
                    initial_margin_ratio=market.initial_margin_ratio,
                    maintenance_margin_ratio=market.maintenance_margin_ratio,
                    maker_fee=market.maker_fee,
                    taker_fee=market.taker_fee,
                    price_band=market.price_band,
                    max_funding_rate=market.max_funding_rate,
                    funding_period=market.funding_period,
                    max_open_interest=Decimal(market.max_open_interest) / UNIT,
                    budget_share=setting.budget_share,
                    coinsurance=setting.coinsurance,
                    maturity=setting.maturity,
                    heartbeat=2 * 86_400,
                    min_price=Decimal("0.00000001"),
                    max_price=Decimal(10**12),
                )
                for number, price in enumerate(setting.prices)
            ),
            liquidation=LiquidationParameters(
                bounty_start=liquidation.bounty_start,
                bounty_max=liquidation.bounty_max,
                penalty=liquidation.penalty,
                auction_duration=liquidation.auction_duration,
                min_notional=Decimal(setting.min_notional_dollars),
                close_band=liquidation.close_band,
            ),
            fund=FundParameters(
                skin_target=Decimal(fund.skin_target) / self.dollar,
                target_ratio=fund.target_ratio,
                treasury_share=fund.treasury_share,
                junior_share=fund.junior_share,
                stream_duration=fund.stream_duration,
                budget_window=fund.budget_window,
                epoch_duration=86_400,
            ),
            governance=GovernanceParameters(delay=0),
            token_decimals=setting.decimals,
        )
        w3 = connect(self.node.web3.provider.endpoint_uri)  # type: ignore[attr-defined]
        self.weir = Weir(w3, deploy(w3, DEPLOYER, parameters))
        self.chain = self.weir.chain
        self.treasury = development_account(3).address

    def _start_model_where_the_chain_is(self) -> None:
        """The same parameters, the same block and time for every market and tranche."""
        model, fund = self.world, self.weir.fund.functions
        self.world = World(
            decimals=self.setting.decimals,
            fund=model.fund.parameters,
            liquidation=model.house.liquidation,
            epoch_duration=86_400,
        )
        for number, price in enumerate(self.setting.prices):
            state = self.chain.call(self.weir.clearing_house.functions.marketState(number))
            self.world.at(state["updatedAt"], state["updatedBlock"])
            self.world.set_price(number, price * UNIT)
            self.world.add_market(
                ModelMarket(),
                budget_share=self.setting.budget_share,
                coinsurance=self.setting.coinsurance,
                maturity=self.setting.maturity,
            )
        for name in ("junior", "senior"):
            last = self.chain.call(self._tranche(name).functions.lastRollAt())
            self.world.tranche(name).last_roll_at = last
        _, self.world.fund.since, _ = self.chain.call(fund.stream())
        self.posted = {number: price * UNIT for number, price in enumerate(self.setting.prices)}
        self.posted_at = self._now()

    def _equip(self, name: str) -> None:
        """Money for gas, all the tokens it may ever need, and consent to whoever takes them."""
        account = key_of(name)
        self.chain.rpc("anvil_setBalance", account.address, hex(10**24))
        token = self.weir.token.functions
        self.chain.send(account, token.mint(account.address, PLENTY * self.dollar // 10**6), gas=GAS)
        for spender in (self.weir.vault, self.weir.fund, self.weir.junior, self.weir.senior):
            self.chain.send(account, token.approve(spender.address, 2**256 - 1), gas=GAS)

    # ---- the same call on both

    def _call(self, method: str, *args: Any) -> object:
        self.log.append(f"{method}{args}")
        self._post_prices()
        block = self.chain.block("latest")
        time = max(self.world.clock.time, int(block["timestamp"], 16) + 1)
        self.world.at(time, int(block["number"], 16) + 1)
        self.node.set_next_block_timestamp(time)
        refused = self._send(method, *args)
        result, error = None, None
        try:
            result = getattr(self.world, method)(*args)
        except Revert as raised:
            error = raised
        reasons = {refused, type(error).__name__ if error else None}
        assert len(reasons) == 1 or reasons in BOTH_TRUE, f"(model, chain): {reasons} in {self.log[-3:]}"
        self.compare()
        if error:
            raise error
        return result

    def _send(self, method: str, *args: Any) -> str | None:
        """Sends the call in a block of its own; the name of the error that it reverted with."""
        sender, call = getattr(self, f"_chain_{method}")(*args)
        try:
            self.chain.send(sender, call, gas=GAS)
        except ContractError as error:
            return error.name
        return None

    def _post_prices(self) -> None:
        """Feeds answer what the model's do; a dead one reverts."""
        renew = max(self.world.clock.time, self._now()) - self.posted_at > FEED_DAY
        for number, price in self.world.feeds.prices.items():
            rounded = price and max(price // FEED_STEP, 1) * FEED_STEP
            self.world.set_price(number, rounded)
            if rounded == self.posted[number] and not renew:
                continue
            self._catch_up()
            feed = self.weir.feed(f"M{number}").functions
            self.chain.send(DEPLOYER, feed.setMode(0 if rounded else 1), gas=GAS)
            if rounded:
                self.chain.send(DEPLOYER, feed.setAnswer(rounded // FEED_STEP), gas=GAS)
            self.posted[number] = rounded
            self.posted_at = self._now()

    def _catch_up(self) -> None:
        """Brings the chain's clock close to the model's, so that answers are as fresh as it thinks."""
        if self.world.clock.time > self._now() + 10:
            self.node.set_next_block_timestamp(self.world.clock.time - 5)

    def _now(self) -> int:
        return int(self.chain.block("latest")["timestamp"], 16)

    def claim(self) -> None:
        """Where nothing is claimable the model refuses and the contract does nothing: that is left out."""
        tranche, staker = self.random.choice(TRANCHES), self.random.choice(self.stakers)
        if self.chain.call(self._tranche(tranche).functions.maxRedeem(key_of(staker).address)):
            self._call("claim", tranche, staker)

    # ---- how the chain is called

    def _addresses(self, names: Any) -> list[str]:
        return [key_of(name).address for name in names]

    def _tranche(self, name: str) -> Any:
        return self.weir.junior if name == "junior" else self.weir.senior

    def _chain_deposit(self, payer: str, account: str, amount: int) -> Any:
        return key_of(payer), self.weir.vault.functions.deposit(key_of(account).address, amount)

    def _chain_withdraw(self, account: str, amount: int, to: str, accounts: Any = ()) -> Any:
        arguments = (amount, key_of(to).address, self._addresses(accounts))
        return key_of(account), self.weir.vault.functions.withdraw(*arguments)

    def _chain_order(self, order: Order) -> orders.Order:
        maker = key_of(order.maker).address
        return orders.Order(
            maker,
            order.market,
            order.is_buy,
            order.reduce_only,
            order.size,
            order.price,
            min(order.expiry, FOREVER),
            order.generation,
            order.salt,
        )

    def _chain_trade(self, taker: str, order: Order, size: int) -> Any:
        signed = self._chain_order(order)
        signature = self.weir.sign(signed, key_of(order.maker))
        return key_of(taker), self.weir.clearing_house.functions.trade(signed.as_tuple(), signature, size)

    def _chain_settle(self, accounts: Any) -> Any:
        return key_of("operator"), self.weir.clearing_house.functions.settle(self._addresses(accounts))

    def _chain_refresh(self, market: int) -> Any:
        return key_of("operator"), self.weir.clearing_house.functions.refresh(market)

    def _chain_flag(self, account: str) -> Any:
        return key_of("operator"), self.weir.clearing_house.functions.flag(key_of(account).address)

    def _chain_liquidate(self, liquidator: str, account: str, fraction: int, accounts: Any = ()) -> Any:
        arguments = (key_of(account).address, fraction, self._addresses(accounts))
        return key_of(liquidator), self.weir.clearing_house.functions.liquidate(*arguments)

    def _chain_deleverage(self, account: str, accounts: Any = ()) -> Any:
        arguments = (key_of(account).address, self._addresses(accounts))
        return key_of("operator"), self.weir.clearing_house.functions.deleverage(*arguments)

    def _chain_close_market(self, market: int, price: int) -> Any:
        return GOVERNOR, self.weir.clearing_house.functions.closeMarket(market, price)

    def _chain_pause(self, duration: int) -> Any:
        return GUARDIAN, self.weir.clearing_house.functions.pauseNewRisk(duration)

    def _chain_collect(self) -> Any:
        return key_of("operator"), self.weir.fund.functions.collect()

    def _chain_contribute(self, payer: str, amount: int) -> Any:
        return key_of(payer), self.weir.fund.functions.contribute(amount)

    def _chain_stake(self, tranche: str, owner: str, assets: int) -> Any:
        return key_of(owner), self._tranche(tranche).functions.deposit(assets, key_of(owner).address)

    def _chain_request_redeem(self, tranche: str, owner: str, shares: int) -> Any:
        address = key_of(owner).address
        return key_of(owner), self._tranche(tranche).functions.requestRedeem(shares, address, address)

    def _chain_roll(self, tranche: str) -> Any:
        return key_of("operator"), self._tranche(tranche).functions.roll()

    def _chain_claim(self, tranche: str, controller: str) -> Any:
        address = key_of(controller).address
        shares = self.chain.call(self._tranche(tranche).functions.maxRedeem(address))
        return key_of(controller), self._tranche(tranche).functions.redeem(shares, address, address)

    # ---- comparing

    def compare(self) -> None:
        """Every quantity that the contracts' views show equals the model's."""
        # What is stored of a budget is another matter in each; what is available must agree.
        model = {key: v for key, v in dump(self.world).items() if not key.endswith((".left", ".window"))}
        seen = ChainDump(self).read()
        different = {
            key: (model.get(key, 0), seen.get(key, 0))
            for key in sorted({*model, *seen})
            if model.get(key, 0) != seen.get(key, 0)
        }
        assert not different, f"(model, chain): {different} after {self.log[-3:]}"
        self.compared += len({*model, *seen})


class ChainDump:
    """The contracts' state under the names of `weir.model.dump`, zeros left out."""

    def __init__(self, twin: Twin) -> None:
        self.twin = twin
        self.names = [*twin.traders, *twin.keepers, *twin.stakers, "founder", "operator"]
        self.markets = range(len(twin.setting.prices))
        self.wanted: list[tuple[Callable[[Any], dict[str, Any]], Any]] = []

    def read(self) -> dict[str, int]:
        self._vault()
        self._house()
        self._fund()
        self._tranches()
        answers = self.twin.chain.call_many([call for _, call in self.wanted])
        found: dict[str, Any] = {}
        for (name, _), answer in zip(self.wanted, answers, strict=True):
            found |= name(answer)
        return {key: int(value) for key, value in found.items() if value}

    def _ask(self, call: Any, name: Callable[[Any], dict[str, Any]]) -> None:
        self.wanted.append((name, call))

    def _ask_one(self, call: Any, key: str) -> None:
        self._ask(call, lambda value: {key: value})

    def _ask_fields(self, call: Any, at: str, *fields: str) -> None:
        """Fields of a struct by name, or all the values that a call returns, in their order."""

        def named(value: Any) -> dict[str, Any]:
            values = [value[field] for field in fields] if isinstance(value, dict) else value
            return {f"{at}.{field}": each for field, each in zip(fields, values, strict=True)}

        self._ask(call, named)

    def _vault(self) -> None:
        twin, vault = self.twin, self.twin.weir.vault.functions
        token = twin.weir.token.functions
        self._ask_one(token.balanceOf(twin.weir.vault.address), "vault.held")
        self._ask_fields(vault.uncollected(), "vault", "fees", "penalties")
        for number in self.markets:
            self._ask_fields(
                vault.marketLedger(number),
                f"vault.market[{number}]",
                "pool",
                "totalClaims",
                "totalClaimUnits",
                "residual",
                "claimsEpoch",
                "maturity",
            )
        for name in self.names:
            address = key_of(name).address
            self._ask_one(vault.cashOf(address), f"vault.cash[{name}]")
            for number in self.markets:
                self._ask_one(vault.debtOf(address, number), f"vault.debt[{name}][{number}]")
                self._ask(vault.claimOf(address, number), self._claim(f"vault.claims[{name}][{number}]"))

    @staticmethod
    def _claim(at: str) -> Callable[[Any], dict[str, Any]]:
        def fields(value: Any) -> dict[str, Any]:
            worth, units, matures_at = value
            if not worth:  # units worth nothing are dropped at the next touch
                return {}
            return {f"{at}.value": worth, f"{at}.units": units, f"{at}.maturesAt": matures_at}

        return fields

    def _house(self) -> None:
        house = self.twin.weir.clearing_house.functions
        self._ask_one(house.insolvencies(), "house.insolvencies")
        self._ask_one(house.pausedUntil(), "house.pausedUntil")
        self._ask_one(house.openInterestNotional(), "house.openInterestNotional")
        for number in self.markets:
            self._ask(house.marketState(number), self._market(number))
            market = self.twin.world.house.markets[number]
            for name, side, is_short in (("long", market.long, False), ("short", market.short, True)):
                for epoch in range(len(side.final_indices)):
                    key = f"house.market[{number}].{name}.finalIndex[{epoch}]"
                    self._ask_one(house.finalIndex(number, is_short, epoch), key)
        for name in self.names:
            address = key_of(name).address
            self._ask_fields(house.flagOf(address), f"house.flag[{name}]", "flaggedAt", "insolvent")
            self._ask_one(house.generation(address), f"house.generation[{name}]")
            self._ask(house.health(address), self._equity(name))
            for number in self.markets:
                self._ask(house.position(address, number), self._position(name, number))

    @staticmethod
    def _equity(name: str) -> Callable[[Any], dict[str, Any]]:
        return lambda value: {f"house.equity[{name}]": value[0]}

    @staticmethod
    def _market(number: int) -> Callable[[Any], dict[str, Any]]:
        at = f"house.market[{number}]"
        plain = ("price", "openInterest", "valueIndex", "premium", "lastPremium", "updatedAt", "updatedBlock")

        def fields(state: Any) -> dict[str, Any]:
            found = {f"{at}.{field}": state[field] for field in ("status", *plain)}
            for name in ("long", "short"):
                side = state[name]
                found[f"{at}.base{name.capitalize()}"] = side["base"]
                found |= {f"{at}.{name}.{key}": side[key] for key in ("multiplier", "epoch", "positions")}
            return found

        return fields

    @staticmethod
    def _position(name: str, number: int) -> Callable[[Any], dict[str, Any]]:
        at = f"house.position[{name}][{number}]"

        def fields(record: Any) -> dict[str, Any]:
            found = {f"{at}.{key}": record[key] for key in ("size", "multiplier", "epoch", "isShort")}
            return found | {f"{at}.index": record["index"] if record["size"] else 0}

        return fields

    def _fund(self) -> None:
        twin, fund = self.twin, self.twin.weir.fund.functions
        token = twin.weir.token.functions
        self._ask_one(token.balanceOf(twin.weir.fund.address), "fund.held")
        self._ask_one(token.balanceOf(twin.treasury), "treasury.held")
        self._ask_fields(fund.layers(), "fund.layers", "skin", "unvested", "junior", "senior")
        self._ask_fields(fund.stream(), "fund.stream", "unvested", "since", "end")
        self._ask_one(fund.target(), "fund.target")
        self._ask_one(fund.defaultCount(), "fund.defaultCount")
        for number in self.markets:
            self._ask_one(fund.available(number), f"fund.cover[{number}].available")
        for number in range(1, len(twin.world.fund.defaults) + 1):
            self._ask(fund.defaultRecord(number), self._default(number))

    @staticmethod
    def _default(number: int) -> Callable[[Any], dict[str, Any]]:
        at = f"fund.default[{number}]"
        layers = ("market", "time", "shortfall", "coinsurance", "skin", "junior", "senior", "unpaidProfit")

        def fields(answer: Any) -> dict[str, Any]:
            record, remainder = answer
            return {f"{at}.{key}": record[key] for key in layers} | {f"{at}.remainder": remainder}

        return fields

    def _requests(self, key: str, read: Any, batch: int, address: str) -> None:
        """Shares of a request, pending or claimable: one of the two is 0."""
        for call in (read.pendingRedeemRequest, read.claimableRedeemRequest):
            self._ask(call(batch, address), lambda value: {key: value} if value else {})

    def _tranches(self) -> None:
        twin = self.twin
        for name in ("junior", "senior"):
            contract, model = twin._tranche(name), twin.world.tranche(name)
            read = contract.functions
            self._ask_one(twin.weir.token.functions.balanceOf(contract.address), f"{name}.held")
            for key in ("totalSupply", "shareEpoch", "currentBatch", "lastRollAt"):
                self._ask_one(getattr(read, key)(), f"{name}.{key}")
            for staker in twin.stakers:
                self._ask_one(read.balanceOf(key_of(staker).address), f"{name}.balance[{staker}]")
            for batch, owner in model.requests:
                address = key_of(owner).address
                self._requests(f"{name}.request[{owner}][{batch}]", read, batch, address)
            for batch in model.batches:
                self._ask_fields(read.batch(batch), f"{name}.batch[{batch}]", "shares", "assets", "priced")
