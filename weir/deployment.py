"""Putting Weir on a chain, and the file that remembers where it lies."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from decimal import ROUND_DOWN, Decimal, localcontext
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

from eth_account.signers.local import LocalAccount
from eth_utils.crypto import keccak
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator
from web3 import Web3
from web3.contract import Contract

from weir.accounts import checked_address, development_account, is_development_address, is_local_chain
from weir.artifacts import artifact
from weir.chain import Call, Chain, created_address, encode_arguments
from weir.governance import ADMIN, GOVERNOR, ROLES

__all__ = [
    "ContractRecord",
    "Deployment",
    "DeploymentError",
    "FundParameters",
    "FundingParameters",
    "GovernanceParameters",
    "GuarantyParameters",
    "LiquidationParameters",
    "MarketParameters",
    "MarketRecord",
    "Parameters",
    "deploy",
    "from_units",
    "to_units",
]

log = logging.getLogger(__name__)

MILLION = 1_000_000
HOUR, DAY = 3_600, 86_400
FEED_DECIMALS = 8
"""Of the feeds that are deployed for development, as of most real ones."""


class DeploymentError(ValueError):
    """Weir can't be deployed, or is not where its file says; the message says why and what to do."""


def to_units(amount: Decimal, decimals: int) -> int:
    """An amount of money or size in its smallest units, rounded down; exact for any number of digits."""
    with localcontext(prec=100):
        return int((amount * 10**decimals).to_integral_value(ROUND_DOWN))


def from_units(units: int, decimals: int) -> Decimal:
    """What so many smallest units are, exact."""
    with localcontext(prec=100):
        return Decimal(units).scaleb(-decimals)


# ------------------------------------------------------------------ parameters


Address = Annotated[str, AfterValidator(checked_address)]
Ppm = Annotated[int, Field(ge=0, le=MILLION)]
Seconds = Annotated[int, Field(ge=0, le=366 * DAY)]
Usd = Annotated[Decimal, Field(ge=0, le=10**15, allow_inf_nan=False)]
Price = Annotated[Decimal, Field(gt=0, le=10**15, allow_inf_nan=False)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_M = TypeVar("_M", bound=_Model)


class MarketParameters(_Model):
    """One perpetual. The defaults allow 20x on BTC and ETH; a thin market wants more margin and a maturity.

    `price` is the first answer of the development feed that is deployed where `feed` is left out.
    """

    symbol: Annotated[str, Field(pattern=r"^[A-Z0-9]{1,16}$")]
    initial_margin_ratio: Annotated[Ppm, Field(ge=10_000)] = 50_000
    maintenance_margin_ratio: Annotated[Ppm, Field(ge=5_000)] = 30_000
    maker_fee: Annotated[Ppm, Field(le=10_000)] = 200
    taker_fee: Annotated[Ppm, Field(le=10_000)] = 500
    price_band: Annotated[Ppm, Field(ge=100, le=200_000)] = 20_000
    max_funding_rate: Annotated[Ppm, Field(le=100_000)] = 500
    funding_period: Annotated[Seconds, Field(ge=HOUR, le=7 * DAY)] = 8 * HOUR
    max_open_interest: Annotated[Decimal, Field(gt=0, le=10**15)] = Decimal(10_000)
    budget_share: Ppm = 500_000
    coinsurance: Ppm = 200_000
    maturity: Annotated[Seconds, Field(le=7 * DAY)] = 0
    feed: Address | None = None
    heartbeat: Annotated[Seconds, Field(ge=60, le=2 * DAY)] = 90 * 60
    min_price: Price = Decimal("0.01")
    max_price: Price = Decimal(10_000_000)
    price: Price | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.maintenance_margin_ratio >= self.initial_margin_ratio:
            raise ValueError(f"{self.symbol}: maintenance margin must be below initial margin")
        if self.min_price >= self.max_price:
            raise ValueError(f"{self.symbol}: min_price must be below max_price")
        return self


class LiquidationParameters(_Model):
    """What a liquidation costs: a bounty that grows while the auction runs, and a penalty."""

    bounty_start: Ppm = 2_000
    bounty_max: Annotated[Ppm, Field(le=100_000)] = 15_000
    penalty: Annotated[Ppm, Field(le=50_000)] = 5_000
    auction_duration: Annotated[Seconds, Field(ge=60, le=DAY)] = 600
    min_notional: Annotated[Usd, Field(gt=0)] = Decimal(100)
    close_band: Annotated[Ppm, Field(le=500_000)] = 100_000

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.bounty_start > self.bounty_max:
            raise ValueError("bounty_start must not be above bounty_max")
        return self


class FundParameters(_Model):
    """The insurance fund: its own stake, how income is shared, and the windows of the markets' budgets."""

    skin_target: Usd = Decimal(100_000)
    junior_share: Ppm = 600_000
    stream_duration: Annotated[Seconds, Field(ge=DAY, le=90 * DAY)] = 7 * DAY
    budget_window: Annotated[Seconds, Field(ge=HOUR, le=30 * DAY)] = DAY
    member_share: Ppm = 500_000
    epoch_duration: Annotated[Seconds, Field(ge=DAY, le=30 * DAY)] = 7 * DAY


class GuarantyParameters(_Model):
    """The guaranty fund: how long members stay after notice, and how much a market may cost them together."""

    min_contribution: Annotated[Usd, Field(gt=0, le=10**9)] = Decimal(100)
    notice_period: Annotated[Seconds, Field(ge=DAY, le=90 * DAY)] = 14 * DAY
    exit_window: Annotated[Seconds, Field(ge=DAY, le=30 * DAY)] = 3 * DAY
    loss_window: Annotated[Seconds, Field(ge=HOUR, le=30 * DAY)] = DAY
    loss_share: Ppm = 500_000


Surcharge = Annotated[int, Field(ge=0, le=20_000)]
"""ppm of new notional, to 2%."""


class FundingParameters(_Model):
    """The funding policy: what the fund should hold, and what fees, open interest and new risk pay to it.

    The defaults ask for 5% of open interest. At full coverage the fund gets 80% of fees and 0.5% of open
    interest a year from each side; below 80% new risk costs more, below 20% open interest may not grow.
    """

    target_ratio: Ppm = 50_000
    max_target_ratio: Ppm = 200_000
    share_at_target: Ppm = 800_000
    share_slope: Annotated[int, Field(ge=0, le=10 * MILLION)] = 400_000
    share_min: Annotated[Ppm, Field(ge=500_000)] = 500_000
    share_max: Annotated[Ppm, Field(ge=500_000)] = 1_000_000
    premium_min: Annotated[Ppm, Field(le=500_000)] = 5_000
    premium_max: Annotated[Ppm, Field(le=500_000)] = 100_000
    stress_from: Annotated[int, Field(ge=0, le=5 * MILLION)] = 800_000
    stop_below: Ppm = 200_000
    max_scarcity: Surcharge = 1_000
    concentration_from: Annotated[Ppm, Field(lt=MILLION)] = 100_000
    max_concentration: Surcharge = 2_000
    max_leverage: Surcharge = 300
    leverage_from: Annotated[int, Field(ge=0, lt=1_000 * MILLION)] = 5 * MILLION
    leverage_to: Annotated[int, Field(ge=1, le=1_000 * MILLION)] = 20 * MILLION
    cap_multiple: Annotated[int, Field(ge=0, lt=2**32)] = 20 * MILLION
    target_lifetime: Annotated[Seconds, Field(ge=HOUR, le=30 * DAY)] = 2 * DAY
    tier_lifetime: Annotated[Seconds, Field(ge=DAY, le=365 * DAY)] = 30 * DAY
    tier_rates: tuple[Surcharge, Surcharge, Surcharge, Surcharge, Surcharge] = (0, 50, 100, 300, 800)
    cap_floor: Annotated[Usd, Field(le=10**9)] = Decimal(1_000_000)
    concentration_floor: Annotated[Usd, Field(le=10**9)] = Decimal(1_000_000)
    max_step: Annotated[Ppm, Field(ge=10_000)] = 250_000
    member_threshold: Annotated[Usd, Field(le=10**9)] = Decimal(1_000_000)
    member_ratio: Annotated[Ppm, Field(le=200_000)] = 5_000
    member_step: Annotated[Ppm, Field(le=50_000)] = 2_500

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        rising = (
            ("target_ratio", "max_target_ratio"),
            ("share_min", "share_at_target"),
            ("share_at_target", "share_max"),
            ("premium_min", "premium_max"),
            ("stop_below", "stress_from"),
        )
        for low, high in rising:
            if getattr(self, low) > getattr(self, high):
                raise ValueError(f"{low} must not be above {high}")
        if self.leverage_from >= self.leverage_to:
            raise ValueError("leverage_from must be below leverage_to")
        if list(self.tier_rates) != sorted(self.tier_rates):
            raise ValueError("tier_rates must not fall from one tier to the next")
        return self


class GovernanceParameters(_Model):
    """Who holds the powers, and how long each change waits.

    Those left out are development accounts 1, 2, 3 and 4, on local chains; elsewhere all must be given.
    """

    governor: Address | None = None
    guardian: Address | None = None
    treasury: Address | None = None
    poster: Address | None = None
    delay: Annotated[Seconds, Field(le=30 * DAY)] = GOVERNOR.delay


class Parameters(_Model):
    """Everything that a deployment decides: USD, ppm, seconds, and sizes in units of the underlying.

    The bounds are the contracts' own, so that what they would refuse is refused before the first transaction.

    Without a `token` (and without a market's feed) a development one is deployed, on local chains only.
    """

    markets: Annotated[tuple[MarketParameters, ...], Field(min_length=1, max_length=64)] = (
        MarketParameters(symbol="BTC", price=Decimal(60_000)),
        MarketParameters(symbol="ETH", price=Decimal(3_000), max_open_interest=Decimal(200_000)),
    )
    liquidation: LiquidationParameters = LiquidationParameters()
    fund: FundParameters = FundParameters()
    funding: FundingParameters = FundingParameters()
    guaranty: GuarantyParameters = GuarantyParameters()
    governance: GovernanceParameters = GovernanceParameters()
    token: Address | None = None
    token_decimals: Annotated[int, Field(ge=6, le=18)] = 6
    sequencer_feed: Address | None = None
    sequencer_grace: Annotated[Seconds, Field(le=DAY)] = HOUR

    @model_validator(mode="after")
    def _distinct(self) -> Self:
        symbols = [market.symbol for market in self.markets]
        if len(set(symbols)) < len(symbols):
            raise ValueError(f"markets must have different symbols (got {', '.join(symbols)})")
        return self

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads a JSON file; raises `DeploymentError` naming the field that is wrong."""
        return _load(cls, path)


# ------------------------------------------------------------------ deployment


class ContractRecord(_Model):
    """A contract on the chain: what was compiled, its arguments, and the hash of the code that lies there."""

    address: Address
    artifact: str
    arguments: tuple[Any, ...]
    creation_hash: str
    code_hash: str


class MarketRecord(_Model):
    """A market's number, its symbol, and its feed."""

    id: int
    symbol: str
    feed: Address


class Deployment(_Model):
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
    parameters: Parameters

    def address(self, name: str) -> str:
        """Address of a contract by name, e.g. "Vault", "JuniorTranche"; raises `KeyError`."""
        return self.contracts[name].address

    def save(self, path: Path) -> None:
        """Writes the JSON, making the folder where there is none."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(self.model_dump_json(indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Reads what `save` wrote; raises `DeploymentError` where there is nothing, or something else."""
        return _load(cls, path)


def _load(kind: type[_M], path: Path) -> _M:
    try:
        return kind.model_validate_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DeploymentError(f"{path}: {error.strerror or error}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise DeploymentError(f"{path}: {place}: {first['msg']}".replace(": : ", ": ")) from None


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
    chain; elsewhere `DeploymentError` is raised, as it is for a development key, a missing token, feed or
    role, and for a nonce that moved in between. Without `folder` nothing is read or written. `root` is the
    project whose compiled contracts are used.
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
        self._create_system(token, decimals)
        self._add_markets(feeds)
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
        if self.parameters.token is None:
            missing.insert(0, "the token")
        if missing:
            raise self._refusal(f"parameters must name {', '.join(missing)}")

    def _refusal(self, reason: str) -> DeploymentError:
        return DeploymentError(f"chain {self.chain.id} is not a local one: {reason}")

    # ---- contracts

    def _development_feed(self, market: MarketParameters) -> str:
        if market.price is None:
            raise DeploymentError(f"{market.symbol}: a development feed needs a first price")
        answer = to_units(market.price, FEED_DECIMALS)
        return self._create(f"Feed:{market.symbol}", "TestFeed", FEED_DECIMALS, answer)

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
        )
        first = int(self.chain.rpc("eth_getTransactionCount", self.account.address, "pending"), 16)
        at = {name: created_address(self.account.address, first + i) for i, name in enumerate(names)}
        authority, oracle, vault, policy, liquidations, house, fund, junior, senior, guaranty, _ = at.values()
        liquidation = liquidation_struct(self.parameters.liquidation, decimals)
        clearing = (authority, vault, fund, oracle, policy, liquidation)
        funding = funding_struct(self.parameters.funding, decimals)
        income = fund_struct(self.parameters.fund, decimals)
        mutual = guaranty_struct(self.parameters.guaranty, decimals)
        epoch = self.parameters.fund.epoch_duration
        arguments: dict[str, tuple[str, tuple[Any, ...]]] = {
            "Authority": ("Authority", (self.account.address,)),
            "PriceOracle": ("PriceOracle", (authority,)),
            "Vault": ("Vault", (authority, token, house, fund)),
            "FundingPolicy": ("FundingPolicy", (authority, vault, house, fund, guaranty, funding)),
            "Liquidations": ("Liquidations", clearing),
            "ClearingHouse": ("ClearingHouse", (*clearing, liquidations)),
            "InsuranceFund": (
                "InsuranceFund",
                (
                    *(authority, token, vault, house, junior, senior, guaranty),
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


# --------------------------------------------------------------------- structs


def symbol_bytes(symbol: str) -> bytes:
    """A market's symbol as the clearing house keeps it, bytes32."""
    return symbol.encode("ascii").ljust(32, b"\0")


def market_struct(market: MarketParameters) -> dict[str, int]:
    """`IClearingHouse.MarketParameters`."""
    return {
        "initialMarginRatio": market.initial_margin_ratio,
        "maintenanceMarginRatio": market.maintenance_margin_ratio,
        "makerFee": market.maker_fee,
        "takerFee": market.taker_fee,
        "priceBand": market.price_band,
        "maxFundingRate": market.max_funding_rate,
        "fundingPeriod": market.funding_period,
        "maxOpenInterest": to_units(market.max_open_interest, 18),
    }


def liquidation_struct(liquidation: LiquidationParameters, decimals: int) -> dict[str, int]:
    """`IClearingHouse.LiquidationParameters`; `decimals` are the settlement token's."""
    return {
        "bountyStart": liquidation.bounty_start,
        "bountyMax": liquidation.bounty_max,
        "penalty": liquidation.penalty,
        "auctionDuration": liquidation.auction_duration,
        "minNotional": to_units(liquidation.min_notional, decimals),
        "closeBand": liquidation.close_band,
    }


def fund_struct(fund: FundParameters, decimals: int) -> dict[str, int]:
    """`IInsuranceFund.Parameters`; `decimals` are the settlement token's."""
    return {
        "skinTarget": to_units(fund.skin_target, decimals),
        "juniorShare": fund.junior_share,
        "streamDuration": fund.stream_duration,
        "budgetWindow": fund.budget_window,
        "memberShare": fund.member_share,
    }


def guaranty_struct(guaranty: GuarantyParameters, decimals: int) -> dict[str, int]:
    """`IGuarantyFund.Parameters`; `decimals` are the settlement token's."""
    return {
        "minContribution": to_units(guaranty.min_contribution, decimals),
        "noticePeriod": guaranty.notice_period,
        "exitWindow": guaranty.exit_window,
        "lossWindow": guaranty.loss_window,
        "lossShare": guaranty.loss_share,
    }


def funding_struct(funding: FundingParameters, decimals: int) -> dict[str, Any]:
    """`IFundingPolicy.Parameters`; `decimals` are the settlement token's."""
    amounts = ("cap_floor", "concentration_floor", "member_threshold")
    values = {
        _camel_case(name): to_units(value, decimals) if name in amounts else value
        for name, value in dict(funding).items()
    }
    # As it comes back from a record in JSON.
    return values | {"tierRates": list(funding.tier_rates)}


def _camel_case(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)
