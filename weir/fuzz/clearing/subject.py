"""Weir under fuzz: each call is made on the contracts and on the reference model, and everything compared."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeAlias

from eth_abi.exceptions import EncodingError
from eth_utils.abi import function_abi_to_4byte_selector

from weir.artifacts import artifacts
from weir.fuzz.clearing import actions
from weir.fuzz.clearing.actions.trespassers import everything_forbidden
from weir.fuzz.clearing.audit import MAX_ASSETS, MAX_SUPPLY, audit
from weir.fuzz.clearing.oracle import Oracle
from weir.fuzz.clearing.setting import (
    ACCOUNTS,
    COIN,
    HEARTBEAT,
    OPERATOR,
    SHARE,
    STAKERS,
    Setting,
    model_asset,
    model_conversion,
    model_fund,
    model_funding,
    model_guaranty,
    model_liquidation,
    model_market,
)
from weir.fuzz.clearing.system import System, Transaction
from weir.fuzz.clearing.views import ModelView
from weir.fuzz.draw import Draw, RandomDraw
from weir.fuzz.evm import Evm, RefusedError
from weir.fuzz.steps import Step
from weir.fuzz.subject import ImpossibleStepError, Plan, Subject, ViolationError
from weir.model import (
    AssetParameters,
    FundingParameters,
    FundParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Order,
    Revert,
    StablecoinParameters,
    World,
    dump,
)
from weir.model.numbers import ASSET_FEEDS

__all__ = ["START", "Clearing", "InProcess"]

START = 1_700_000_000  # time of the first block
_DEPLOYED = START + 3_600  # sequences begin then, whatever the set-up took
_BLOCK = 1_000

SURROUNDINGS = frozenset(
    {"answer", "donate", "donate_asset", "quote_coin", "sequence", "set_rate", "set_sequencer", "turn"}
)
GOVERNANCE = frozenset(
    {
        "set_asset",
        "set_conversion",
        "set_cover",
        "set_fund",
        "set_funding",
        "set_guaranty",
        "set_liquidation",
        "set_market",
        "set_maturity",
    }
)
REENTRANT = ("settle", "refresh", "flag", "collect", "roll", "deleverage")
"""Calls that the token makes in the middle of a transfer; anyone may make them."""

_TRADE = frozenset(
    {
        "AccountInDebt",
        "InitialMarginNotMet",
        "InsufficientCash",
        "MarketNotOpen",
        "MembershipRequired",
        "NewRiskIsPaused",
        "NewRiskStopped",
        "OpenDefault",
        "OpenInterestAboveCap",
        "OpenInterestAboveFundCap",
        "OrderReduceOnly",
        "OrderExpired",
        "OrderGenerationMismatch",
        "OrderOverfilled",
        "PositionBelowMinimum",
        "PriceOutsideBand",
        "PriceUnavailable",
        "SelfTrade",
        "TooManyPositions",
        "ZeroSize",
    }
)
BOTH_TRUE = (
    _TRADE,
    frozenset({"InsufficientCash", "InitialMarginNotMet", "AccountInDebt", "AccountFlagged", "OpenDefault"}),
    frozenset({"OffPeg", "NoPrice"}),
    frozenset({"AccountNotFlagged", "SelfTrade", "AccountFlagged", "PriceUnavailable"}),
    frozenset({"NothingToLiquidate", "NotLiquidatable"}),
    frozenset({"GateClosed", "EpochNotOver"}),
    frozenset({"GateClosed", "NoNotice", "NotReleasable", "ZeroAmount"}),
    frozenset({"BelowMinimum", "MembershipRequired"}),
    frozenset({"PriceOutsideBand", "ClosePriceOutOfBand"}),
)
"""Reasons to refuse that can hold at once, or are one: which is named first is nobody's rule."""

Difference: TypeAlias = tuple[str, int, int]

_WIDTHS: dict[str, Callable[[World], bool]] = {
    "Overflow": lambda world: _most(world) >= 2**111,
    "CapacityExceeded": lambda world: max(world.fund.liquid, world.guaranty.total) > MAX_ASSETS,
    "SupplyCapExceeded": lambda world: (
        max(t.supply for t in (world.fund.junior, world.fund.senior)) > MAX_SUPPLY
    ),
    "SafeCastOverflowedUintDowncast": lambda world: world.funding.anchor >= 2**96,
}
"""Refusals for the sake of storage, and whether a world would be beyond it."""

_ALIASES = {
    "ERC20InsufficientBalance": "InsufficientShares",
    "ERC20InsufficientAllowance": "InsufficientAllowance",
}


class Backend(Protocol):
    """A chain on which a sequence runs."""

    def at(self, time: int, block: int) -> None: ...
    def send(self, transaction: Transaction) -> None: ...
    def view(self, to: str, data: bytes) -> bytes: ...
    @property
    def gas_used(self) -> int: ...


class InProcess:
    """The EVM in this process as a backend."""

    def __init__(self, evm: Evm) -> None:
        self.evm = evm
        self.at, self.view = evm.at, evm.view

    def send(self, transaction: Transaction) -> None:
        self.evm.call(transaction.sender.address, transaction.to, transaction.data)

    @property
    def gas_used(self) -> int:
        return self.evm.gas_used


class Feed:
    """What the development feed of a market answers (SPECIFICATION.md section 7)."""

    def __init__(self, answer: int, updated_at: int) -> None:
        self.answer, self.updated_at, self.mode = answer, updated_at, "live"

    def price(self, now: int, low: int, high: int) -> int | None:
        """1e-18 of a dollar; None while the oracle's status is not Ok."""
        if self.mode != "live" or not 0 < self.updated_at <= now or now - self.updated_at > HEARTBEAT:
            return None
        price = self.answer * 10**10
        return price if low <= price <= high and self.answer > 0 else None


class Clearing(Subject):
    """The protocol in one setting. Deployed once; each sequence starts from the same snapshot."""

    known: Mapping[str, type] = {
        kind.__name__: kind
        for kind in (
            Order,
            MarketParameters,
            LiquidationParameters,
            FundParameters,
            FundingParameters,
            GuarantyParameters,
            AssetParameters,
            StablecoinParameters,
        )
    }

    def __init__(
        self, setting: Setting, root: Path | None = None, backend: Backend | None = None, w3: Any = None
    ) -> None:
        self.name = setting.name
        self.setting = setting
        self.actions = actions.ALL
        if backend is None:
            evm = Evm(time=START)
            backend, w3 = InProcess(evm), evm.web3
            self.evm = evm
        self.backend: Backend = backend
        self.system = System(w3, setting, root)
        self.view = ModelView(
            self.system.addresses, self.system.minted, self.system.minted_assets, len(setting.prices)
        )
        self.reasons = _reasons(root)
        self._origin = self._world()
        self._bounds = [
            (int(market.min_price * 10**18), int(market.max_price * 10**18))
            for market in setting.parameters().markets
        ]
        coin = setting.parameters().assets[COIN]
        self._coin_since = self.system.read(self.backend.view, "coinfeed.latestRoundData")[3]
        self._coin_bounds = int(coin.min_price * 10**18), int(coin.max_price * 10**18)
        self._mark: Any = None
        self.world = self._origin.clone()
        self.begin()

    def _world(self) -> World:
        """The model where the chain is after its set-up."""
        parameters, chain = self.setting.parameters(), self.system.chain
        decimals, weir = self.setting.decimals, self.system.weir
        world = World(
            decimals=decimals,
            fund=model_fund(parameters.fund, decimals),
            funding=model_funding(parameters.funding, decimals),
            guaranty=model_guaranty(parameters.guaranty, decimals),
            liquidation=model_liquidation(parameters.liquidation, decimals),
            stablecoins=model_conversion(parameters.conversion),
            epoch_duration=parameters.fund.epoch_duration,
        )
        for number, market in enumerate(parameters.markets):
            state = chain.call(weir.clearing_house.functions.marketState(number))
            world.at(state["updatedAt"], state["updatedBlock"])
            world.set_price(number, state["price"])
            world.add_market(
                model_market(market),
                budget_share=market.budget_share,
                coinsurance=market.coinsurance,
                maturity=market.maturity,
            )
        stablecoins = chain.contract("Stablecoins", weir.deployment.address("Stablecoins"))
        for number in range(len(parameters.assets)):
            listed = chain.call(stablecoins.functions.asset(number))
            world.stablecoins.answers[number] = listed["rate"]
            world.set_asset(number, model_asset(self.setting, number))
            world.stablecoins.assets[number].since = listed["since"]
        for tranche in (weir.junior, weir.senior):
            name = "junior" if tranche is weir.junior else "senior"
            world.tranche(name).last_roll_at = chain.call(tranche.functions.lastRollAt())
        world.fund.since = chain.call(weir.fund.functions.stream())[1]
        return world

    # ---- a sequence

    def begin(self) -> None:
        super().begin()
        if isinstance(self.backend, InProcess):
            if self._mark is not None:
                self.backend.evm.back(self._mark)
            self._mark = self.backend.evm.mark()
        self.world = self._origin.clone()
        self.time, self.block = _DEPLOYED, _BLOCK
        self.feeds = [Feed(int(price * 10**8), _DEPLOYED) for price in self.setting.prices]
        self.coin = Feed(10**8, self._coin_since)
        self.orders: list[Order] = []
        self.sequencer_answer, self.sequencer_grace = (0, 0), -1
        self.mode, self.inner, self.calls_back = "honest", ("", ()), 0
        self.view.start()
        self.oracle = Oracle(self)

    def open_plan(self, draw: Draw) -> Plan:
        return actions.open_plan(self, draw)

    def is_call(self, step: Step) -> bool:
        return step.call not in SURROUNDINGS

    def now(self, seconds: int) -> int:
        """The time of a step that comes `seconds` later."""
        return self.time + seconds

    def execute(self, step: Step) -> str | None:
        self.time, self.block = self.time + step.seconds, self.block + step.blocks
        self.backend.at(self.time, self.block)
        self.world.at(self.time, self.block)
        try:
            transactions = self.system.encode(step)
        except (EncodingError, AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise ImpossibleStepError(f"{step}: {type(error).__name__}: {error}") from None
        if step.call in SURROUNDINGS:
            for transaction in transactions:
                self._send_unrefused(transaction)
            self._surround(step)
            return None
        for number in range(len(self.feeds)):
            self.world.feeds.prices[number] = self.next_price(number)
        coin = self.coin.price(self.time, *self._coin_bounds) if self._sequencer_is_up() else None
        for asset in (COIN, SHARE):
            self.world.feeds.prices[ASSET_FEEDS + asset] = coin
        self.oracle.before()
        refused = self._send(transactions[0])
        if refused is None:
            self._accepted(step)
        else:
            self._refused(step, refused)
        self.oracle.after(step, refused)
        return refused

    def _send(self, transaction: Transaction) -> str | None:
        """Why the contracts refused, or None."""
        try:
            self.backend.send(transaction)
        except RefusedError as error:
            if error.halt:
                raise ViolationError("halt", error.halt) from None
            name = self.reasons.get(error.data[:4], error.data.hex() or "nothing said")
            if name == "Panic" and self.mode == "honest":
                raise ViolationError("panic", f"code {int.from_bytes(error.data[4:36], 'big'):#x}") from None
            return _ALIASES.get(name, name)
        return None

    def _send_unrefused(self, transaction: Transaction) -> None:
        if reason := self._send(transaction):
            raise RuntimeError(f"the surroundings refused: {reason}")

    # ---- the model's side

    def _accepted(self, step: Step) -> None:
        """The contracts went on: so must the model, to the same state."""
        if step.call == "forbidden":
            raise ViolationError(f"{step.arguments[0]} accepted", str(step))
        calls_back = self._calls_back() if self.mode == "calls back" else 0
        if calls_back:
            self._as_if_in_order(step, calls_back)
            return
        try:
            self._model(self.world, step, guarded=False)
        except Revert as error:
            raise ViolationError(
                f"{step.call} accepted", f"the model refuses: {type(error).__name__}{error.args}"
            ) from None
        if self.mode == "keeps fee":
            self._take_wallets()
        if different := self._differences():
            raise ViolationError(f"{step.call} differs", _listed(different))

    def _refused(self, step: Step, reason: str) -> None:
        """The contracts refused, and by that have changed nothing: so must the model, for the same reason."""
        if step.call == "forbidden":
            if reason not in step.arguments[2]:
                raise ViolationError(f"{step.arguments[0]} refused", f"for {reason}, not {step.arguments[2]}")
            return
        if self.mode != "honest" or (step.call == "trade" and len(step.arguments) > 2):
            return  # no reason of the model's: the token, or the signature
        if reason in _WIDTHS:
            self._require_width(step, reason)
            return
        try:
            self._model(self.world, step, guarded=True)
        except Revert as error:
            expected = type(error).__name__
            if reason != expected and not any({reason, expected} <= both for both in BOTH_TRUE):
                raise ViolationError(
                    f"{step.call} refused", f"for {reason}, but the model says {expected}{error.args}"
                ) from None
            return
        raise ViolationError(f"{step.call} refused", f"for {reason}, but the model accepts")

    def _require_width(self, step: Step, reason: str) -> None:
        """Numbers beyond their widths, which the model does not have: it refuses too, or goes beyond them."""
        trial = self.world.clone()
        try:
            self._model(trial, step, guarded=False)
        except Revert:
            return
        if not _WIDTHS[reason](trial):
            raise ViolationError(f"{step.call} refused", f"for {reason}, but the model has room")

    @staticmethod
    def _model(world: World, step: Step, *, guarded: bool) -> None:
        """The step on the model; unguarded, a refusal would leave a broken world."""
        name, arguments = _MODEL.get(step.call, _as_it_stands)(step)
        method: Callable[..., object] = getattr(type(world), name)
        if not guarded:
            method = getattr(method, "__wrapped__", method)
        method(world, *arguments)

    def _differences(self) -> list[Difference]:
        """What the contracts and the model do not agree on, by name: the model's, the chain's."""
        first = self.oracle.first_default
        wanted = self.view.wanted(self.world, everything=self.thorough)
        numbers = [at for at, _ in wanted]
        try:
            raw = self.system.words(self.backend.view, sum(1 << at for at in numbers), first)
        except RefusedError as error:
            raise ViolationError("view", f"a view reverts: {error}") from None
        sections = [*(section for _, section in wanted), *self.view.defaults(self.world, first)]
        words = [word for section in sections for word in section]
        self.seen["quantities compared"] += len(words)
        if raw == b"".join([word.to_bytes(32, "big") for word in words]):
            return []
        found = [int.from_bytes(raw[at : at + 32], "big") for at in range(0, len(raw), 32)]
        if len(found) != len(words):
            return [("words", len(words), len(found))]
        pairs = zip(self.view.names(self.world, numbers, first), words, found, strict=True)
        return [(name, _signed(a), _signed(b)) for name, a, b in pairs if a != b]

    # ---- the surroundings

    def _surround(self, step: Step) -> None:
        if step.call == "answer":
            market, answer, updated_at, mode = step.arguments
            feed = self.feeds[market]
            feed.answer, feed.updated_at, feed.mode = answer, updated_at, mode
        elif step.call == "quote_coin":
            self.coin.answer, self.coin.updated_at, self.coin.mode = step.arguments
        elif step.call == "set_rate":
            asset, rate, answers = step.arguments
            self.world.set_rate(asset, rate if answers else None)
        elif step.call == "donate_asset":
            asset, holder, amount = step.arguments
            self.world.donate(step.sender, holder, amount, asset)
        elif step.call == "sequence":
            self.sequencer_answer = step.arguments
        elif step.call == "set_sequencer":
            self.sequencer_grace = step.arguments[0]
        elif step.call == "donate":
            if self.mode == "honest":
                self.world.donate(step.sender, *step.arguments)
        else:
            self.mode = step.arguments[0]
            self.inner = tuple(step.arguments[1:]) or ("", ())

    def _take_wallets(self) -> None:
        """What the token kept of payments out of the contracts is nobody's rule."""
        probe = self.system
        for name in (*ACCOUNTS, *STAKERS, "founder"):
            held = probe.balance(self.backend.view, probe.addresses[name])
            self.world.token.balances[name] = held - probe.minted
        self.world.token.balances["treasury"] = probe.balance(self.backend.view, probe.treasury)

    def _calls_back(self) -> int:
        accepted = self.system.calls_back_accepted(self.backend.view)
        fresh, self.calls_back = accepted - self.calls_back, accepted
        return fresh

    def _as_if_in_order(self, step: Step, count: int) -> None:
        """A call in the middle of another must end where some order of the two would have ended."""
        inner, before = Step(OPERATOR, self.inner[0], tuple(self.inner[1])), self.world
        tried = []
        for order in ([inner] * count + [step], [step] + [inner] * count):
            self.world = before.clone()
            try:
                for each in order:
                    self._model(self.world, each, guarded=False)
            except Revert as error:
                tried.append(type(error).__name__)
                continue
            if not (different := self._differences()):
                self.seen["calls back accepted"] += 1
                return
            tried.append(_listed(different))
        raise ViolationError(f"{inner.call} inside {step.call}", " | ".join(tried))

    # ---- the end

    def finish(self) -> None:
        """All other views; then P6: with live prices and an empty fund, all below margin are closed."""
        audit(self)
        for step in everything_forbidden(self, RandomDraw(self.time)):
            self.execute(step)
        self.oracle.finish()
        audit(self)

    def ledger(self) -> Mapping[str, int]:
        return dump(self.world)

    # ---- what actions look at

    def price(self, market: int) -> int:
        """The mark, 1e-18 of a dollar."""
        return self.world.house.markets[market].price

    def next_price(self, market: int) -> int | None:
        """What the feed answers now; the mark of the next refresh."""
        return self.feeds[market].price(self.time, *self._bounds[market]) if self._sequencer_is_up() else None

    def _sequencer_is_up(self) -> bool:
        """It is not asked, or has answered 0 since at least the grace period."""
        answer, since = self.sequencer_answer
        asked = self.sequencer_grace >= 0
        return not asked or (
            answer == 0 and 0 < since <= self.time and self.time - since >= self.sequencer_grace
        )


def _most(world: World) -> int:
    """The largest amount in the ledger, or that has just gone through it."""
    ledger = world.ledger
    markets = (max(m.pool, m.total_claims, m.total_units) for m in ledger.markets)
    defaults = (record.shortfall for record in world.fund.defaults[-len(ACCOUNTS) :])
    return max(*markets, *defaults, *ledger.cash.values(), *ledger.debts.values(), 0)


def _listed(different: Sequence[Difference]) -> str:
    listed = [f"{name}: model {model}, chain {chain}" for name, model, chain in different]
    return "; ".join(listed[:8]) + (f"; and {len(listed) - 8} more" if len(listed) > 8 else "")


def _signed(word: int) -> int:
    return word - 2**256 if word >= 2**255 else word


def _as_it_stands(step: Step) -> tuple[str, Sequence[Any]]:
    return step.call, step.arguments


def _by_sender(name: str) -> Callable[[Step], tuple[str, Sequence[Any]]]:
    return lambda step: (name, (step.sender, *step.arguments))


def _in_tranche(name: str) -> Callable[[Step], tuple[str, Sequence[Any]]]:
    return lambda step: (name, (step.arguments[0], step.sender, *step.arguments[1:]))


_MODEL: dict[str, Callable[[Step], tuple[str, Sequence[Any]]]] = {
    "deposit": _by_sender("deposit"),
    "withdraw": _by_sender("withdraw"),
    "trade": lambda step: ("trade", (step.sender, *step.arguments[:2])),
    "cancel": _by_sender("cancel"),
    "cancel_all": _by_sender("cancel_all"),
    "liquidate": _by_sender("liquidate"),
    "contribute": _by_sender("contribute"),
    "recover": _by_sender("recover"),
    "deposit_collateral": _by_sender("deposit_collateral"),
    "withdraw_collateral": _by_sender("withdraw_collateral"),
    "buy_collateral": _by_sender("buy_collateral"),
    "contribute_asset": _by_sender("contribute_asset"),
    "buy_from_reserve": _by_sender("buy_from_reserve"),
    "sell_to_reserve": _by_sender("sell_to_reserve"),
    "set_conversion": lambda step: ("set_stablecoin_parameters", step.arguments),
    "join": _by_sender("join"),
    "request_exit": _by_sender("request_exit"),
    "stake": _in_tranche("stake"),
    "mint": _in_tranche("mint"),
    "request_redeem": _in_tranche("request_redeem"),
    "transfer_shares": _in_tranche("transfer_shares"),
    "approve": _in_tranche("approve"),
    "transfer_from": _in_tranche("transfer_from"),
    "set_operator": _in_tranche("set_operator"),
    "request_redeem_for": _in_tranche("request_redeem_for"),
    "claim_for": _in_tranche("claim_for"),
    "claim": _in_tranche("claim"),
    "claim_assets": _in_tranche("claim_assets"),
    "set_market": lambda step: ("set_market_parameters", step.arguments),
    "set_cover": lambda step: ("set_market_cover", step.arguments),
    "set_liquidation": lambda step: ("set_liquidation_parameters", step.arguments),
    "set_fund": lambda step: ("set_fund_parameters", step.arguments),
    "set_funding": lambda step: ("set_funding_parameters", step.arguments),
    "set_guaranty": lambda step: ("set_guaranty_parameters", step.arguments),
}
"""How a step is called on the model, where not by its own name and arguments."""


def _reasons(root: Path | None) -> dict[bytes, str]:
    """Names of all errors by selector."""
    errors = (entry for kind in artifacts(root).values() for entry in kind.abi if entry["type"] == "error")
    known = {function_abi_to_4byte_selector(entry): entry["name"] for entry in errors}  # type: ignore[arg-type]
    of_libraries = {"4e487b71": "Panic", "08c379a0": "Error", "35278d12": "Overflow"}
    return known | {bytes.fromhex(selector): name for selector, name in of_libraries.items()}
