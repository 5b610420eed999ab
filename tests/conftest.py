"""Fixtures: the protocol, deployed as `weir.deployment` deploys it, and its actors by role.

A test that wants another protocol asks for `deploy_system` and names the parameters it changes. A fixture
that changes the chain has the scope of a module at most: what has been done for the session, ape undoes when
tests of other folders come between. It needs a name that no fixture of another scope has: ape undoes by name.
"""

import tempfile
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import ape
import pytest
from ape.api import AccountAPI
from ape_foundry import FoundryProvider
from hypothesis import HealthCheck, settings

from tests.system import ROLES, System
from weir.accounts import development_account
from weir.deployment import deploy
from weir.parameters import FREE_FUNDING as FREE
from weir.parameters import GovernanceParameters, MarketParameters, Parameters

GENESIS = 1_700_000_000
"""When the chain begins: no test depends on the hour at which it is run."""
HEARTBEAT = 7_000
"""Of the feeds: two hours make a price stale, one on top of what the suite has taken since does not."""
MARKETS = (
    MarketParameters(
        symbol="BTC",
        price=Decimal(10_000),
        max_funding_rate=5_000,
        max_open_interest=Decimal(1_000),
        heartbeat=HEARTBEAT,
    ),
    MarketParameters(
        symbol="ETH",
        price=Decimal(500),
        max_funding_rate=5_000,
        max_open_interest=Decimal(20_000),
        heartbeat=HEARTBEAT,
    ),
)
PARAMETERS = Parameters(markets=MARKETS, governance=GovernanceParameters(delay=0), funding=FREE)
"""Two markets; the governor acts without delay, so that tests of a parameter need no timelock."""

# The same examples each time, however slow the machine: to look for new ones is the fuzzer's task.
settings.register_profile(
    "weir", derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("weir")

DeploySystem = Callable[..., System]

_states = tempfile.TemporaryDirectory(prefix="weir-anvil-", ignore_cleanup_errors=True)
_build_command = FoundryProvider.build_command


def _command(provider: FoundryProvider) -> list[str]:
    # Old states are written there, gigabytes of them; by default they would stay in the user's home.
    return [*_build_command(provider), "--cache-path", _states.name, "--timestamp", str(GENESIS)]


FoundryProvider.build_command = _command


@pytest.fixture(scope="session")
def actors() -> dict[str, AccountAPI]:
    return {role: ape.accounts.test_accounts[i] for i, role in enumerate(ROLES)}


@pytest.fixture(scope="session")
def deploy_system(actors: dict[str, AccountAPI]) -> DeploySystem:
    """Deploys a protocol of its own, with the given fields of `Parameters` changed."""

    def build(**changes: Any) -> System:
        parameters = PARAMETERS.model_copy(update=changes)
        deployment = deploy(ape.chain.provider.web3, development_account(0), parameters)

        def at(name: str) -> Any:
            record = deployment.contracts[name]
            # A system of another shape, since undone, may have had another contract there; ape remembers it.
            del ape.chain.contracts[record.address]
            return getattr(ape.project, record.artifact).at(record.address)

        return System(
            deployment=deployment,
            token=at("Token")
            if "Token" in deployment.contracts
            else ape.project.TestToken.at(deployment.token),
            vault=at("Vault"),
            clearing_house=at("ClearingHouse"),
            policy=at("FundingPolicy"),
            guaranty=at("GuarantyFund"),
            stablecoins=at("Stablecoins"),
            collateral=at("Collateral"),
            reserve=at("Reserve"),
            fund=at("InsuranceFund"),
            junior=at("JuniorTranche"),
            senior=at("SeniorTranche"),
            oracle=at("PriceOracle"),
            lens=at("Lens"),
            asset_lens=at("AssetLens"),
            authority=at("Authority"),
            feeds=tuple(at(f"Feed:{market.symbol}") for market in parameters.markets),
            assets={
                asset.symbol: ape.project.TestToken.at(asset.token)
                if asset.token
                else at(f"Token:{asset.symbol}")
                for asset in parameters.assets
            },
            asset_feeds={
                asset.symbol: at(f"Feed:{asset.symbol}") for asset in parameters.assets if not asset.share_of
            },
            actors=actors,
        )

    return build


@pytest.fixture(scope="module")
def fresh_system(deploy_system: DeploySystem) -> System:
    """Deployed, and nobody has come yet."""
    return deploy_system()


@pytest.fixture(scope="module")
def system(fresh_system: System, actors: dict[str, AccountAPI]) -> System:
    """Traders have deposited, the fund's three layers hold money; no position is open."""
    for role, amount in {
        "market_maker": 1_000_000,
        "trader": 10_000,
        "other_trader": 10_000,
        "liquidator": 200_000,
    }.items():
        fresh_system.deposit(actors[role], amount)
    fresh_system.contribute(actors["deployer"], 10_000)
    fresh_system.stake(fresh_system.junior, actors["staker"], 20_000)
    fresh_system.stake(fresh_system.senior, actors["other_staker"], 40_000)
    return fresh_system


def _actor(role: str) -> Any:
    @pytest.fixture(scope="session", name=role)
    def actor(actors: dict[str, AccountAPI]) -> AccountAPI:
        return actors[role]

    return actor


for _role in ROLES:
    globals()[f"{_role}_fixture"] = _actor(_role)


@pytest.fixture(scope="session", autouse=True)
def _standing_clock() -> None:
    """Each block comes a second after the one before, as on a `Node`, however long that took."""
    ape.chain.provider.make_request("anvil_setBlockTimestampInterval", [1])


@pytest.fixture(scope="session", autouse=True)
def cast(request: pytest.FixtureRequest) -> None:
    """Everybody, first: for a latecomer of session scope ape would start its module over."""
    for role in ROLES:
        request.getfixturevalue(role)
