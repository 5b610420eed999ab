"""What a deployment puts on the chain; when it is reused, replaced or refused; its parameters."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from pydantic import ValidationError

from weir import deployment as module
from weir.accounts import development_account
from weir.artifacts import ArtifactError, artifact
from weir.chain import Chain, ContractError, connect, created_address, encode_arguments
from weir.client import Weir
from weir.deployment import Deployment, deploy
from weir.governance import ADMIN, GOVERNOR, GUARDIAN, POSTER, ROLES
from weir.node import Node
from weir.parameters import (
    AssetParameters,
    DeploymentError,
    FundingParameters,
    FundParameters,
    GovernanceParameters,
    GuarantyParameters,
    LiquidationParameters,
    MarketParameters,
    Parameters,
    from_units,
    funding_struct,
    guaranty_struct,
    to_units,
)

PUBLIC_CHAIN = 777
"""A chain id that no local node uses."""

deployer = development_account(0)
governor, guardian, treasury, poster = (development_account(i).address for i in (1, 2, 3, 4))


@pytest.fixture(scope="module")
def node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as running:
        yield running


@pytest.fixture(scope="module")
def weir(node: Node) -> Weir:
    w3 = connect(node.url)
    return Weir(w3, deploy(w3, deployer, Parameters()))


@pytest.fixture(scope="module")
def public_node() -> Iterator[Node]:
    with Node("anvil", chain_id=PUBLIC_CHAIN) as running:
        yield running


@pytest.fixture
def owner(public_node: Node) -> Any:
    """A deployer whose key nobody else has, with ether."""
    account = Account.create()
    public_node.rpc("anvil_setBalance", account.address, hex(10**20))
    return account


# ------------------------------------------------------------------ on the chain


def test_contracts_know_each_other(weir: Weir) -> None:
    at = weir.deployment.address
    read = weir.chain.call
    assert read(weir.vault.functions.clearingHouse()) == at("ClearingHouse")
    assert read(weir.vault.functions.fund()) == at("InsuranceFund")
    assert read(weir.vault.functions.asset()) == weir.deployment.token
    assert read(weir.clearing_house.functions.vault()) == at("Vault")
    assert read(weir.clearing_house.functions.fund()) == at("InsuranceFund")
    assert read(weir.clearing_house.functions.oracle()) == at("PriceOracle")
    assert read(weir.clearing_house.functions.policy()) == at("FundingPolicy")
    assert read(weir.clearing_house.functions.liquidations()) == at("Liquidations")
    assert read(weir.fund.functions.vault()) == at("Vault")
    assert read(weir.fund.functions.clearingHouse()) == at("ClearingHouse")
    assert read(weir.fund.functions.junior()) == at("JuniorTranche")
    assert read(weir.fund.functions.senior()) == at("SeniorTranche")
    assert read(weir.fund.functions.treasury()) == treasury
    assert read(weir.fund.functions.policy()) == at("FundingPolicy")
    assert read(weir.fund.functions.guaranty()) == at("GuarantyFund")
    assert read(weir.fund.functions.reserve()) == at("Reserve")
    reserve = weir.chain.contract("Reserve", at("Reserve"))
    assert read(reserve.functions.fund()) == at("InsuranceFund")
    assert read(reserve.functions.stablecoins()) == at("Stablecoins")
    assert read(weir.policy.functions.clearingHouse()) == at("ClearingHouse")
    assert read(weir.policy.functions.fund()) == at("InsuranceFund")
    assert read(weir.policy.functions.guaranty()) == at("GuarantyFund")
    guaranty = weir.chain.contract("GuarantyFund", at("GuarantyFund"))
    assert read(guaranty.functions.asset()) == weir.deployment.token
    assert read(guaranty.functions.vault()) == at("Vault")
    assert read(guaranty.functions.clearingHouse()) == at("ClearingHouse")
    assert read(guaranty.functions.fund()) == at("InsuranceFund")
    assert read(guaranty.functions.policy()) == at("FundingPolicy")
    module = weir.chain.contract("Liquidations", at("Liquidations"))
    for name in ("vault", "fund", "oracle", "policy"):
        assert read(module.get_function_by_name(name)()) == read(
            weir.clearing_house.get_function_by_name(name)()
        )
    restricted = ("PriceOracle", "Vault", "FundingPolicy", "Liquidations", "ClearingHouse", "InsuranceFund")
    for name in (*restricted, "JuniorTranche", "SeniorTranche", "GuarantyFund"):
        contract = weir.chain.contract(weir.deployment.contracts[name].artifact, at(name))
        assert read(contract.functions.authority()) == at("Authority")


def test_markets_have_their_parameters(weir: Weir) -> None:
    wanted = weir.deployment.parameters.markets
    found = weir.markets()
    assert [market.symbol for market in found] == [market.symbol for market in wanted] == ["BTC", "ETH"]
    for market, parameters, record in zip(found, wanted, weir.deployment.markets, strict=True):
        assert (market.id, market.status, market.feed_status) == (record.id, "open", "ok")
        assert market.price == market.feed_price == to_units(parameters.price or Decimal(0), 18)
        assert market.max_open_interest == to_units(parameters.max_open_interest, 18)
        for name in (
            *("initial_margin_ratio", "maintenance_margin_ratio", "maker_fee", "taker_fee", "price_band"),
            *("max_funding_rate", "funding_period", "budget_share", "coinsurance", "maturity"),
        ):
            assert getattr(market, name) == getattr(parameters, name), name
        feed = weir.chain.call(weir.oracle.functions.feedOf(market.id))
        assert feed == {
            "feed": record.feed,
            "heartbeat": parameters.heartbeat,
            "decimals": 8,
            "minPrice": to_units(parameters.min_price, 18),
            "maxPrice": to_units(parameters.max_price, 18),
        }


def test_fund_and_liquidations_have_their_parameters(weir: Weir) -> None:
    wanted = weir.deployment.parameters
    fund = weir.chain.call(weir.fund.functions.parameters())
    assert fund["skinTarget"] == weir.units(wanted.fund.skin_target)
    assert fund["juniorShare"] == wanted.fund.junior_share
    assert fund["streamDuration"] == wanted.fund.stream_duration
    assert fund["budgetWindow"] == wanted.fund.budget_window
    assert fund["memberShare"] == wanted.fund.member_share
    liquidation = weir.chain.call(weir.clearing_house.functions.liquidationParameters())
    assert liquidation["bountyStart"] == wanted.liquidation.bounty_start
    assert liquidation["bountyMax"] == wanted.liquidation.bounty_max
    assert liquidation["penalty"] == wanted.liquidation.penalty
    assert liquidation["auctionDuration"] == wanted.liquidation.auction_duration
    assert liquidation["minNotional"] == weir.units(wanted.liquidation.min_notional)
    assert liquidation["closeBand"] == wanted.liquidation.close_band
    for tranche in (weir.junior, weir.senior):
        assert weir.chain.call(tranche.functions.epochDuration()) == wanted.fund.epoch_duration


def test_the_guaranty_fund_has_its_parameters(weir: Weir) -> None:
    wanted = weir.deployment.parameters.guaranty
    guaranty = weir.chain.contract("GuarantyFund", weir.deployment.address("GuarantyFund"))
    found = weir.chain.call(guaranty.functions.parameters())
    assert list(found) == list(guaranty_struct(wanted, 6))  # each, and in the order of the struct
    assert found == {
        "minContribution": weir.units(wanted.min_contribution),
        "noticePeriod": wanted.notice_period,
        "exitWindow": wanted.exit_window,
        "lossWindow": wanted.loss_window,
        "lossShare": wanted.loss_share,
    }


def test_the_funding_policy_has_its_parameters(weir: Weir) -> None:
    wanted = weir.deployment.parameters.funding
    found = weir.chain.call(weir.policy.functions.parameters())
    amounts = {
        "capFloor": wanted.cap_floor,
        "concentrationFloor": wanted.concentration_floor,
        "memberThreshold": wanted.member_threshold,
    }
    assert list(found) == list(funding_struct(wanted, 6))  # each, and in the order of the struct
    for name, value in dict(wanted).items():
        head, *rest = name.split("_")
        field = head + "".join(part.capitalize() for part in rest)
        assert found[field] == (weir.units(amounts[field]) if field in amounts else value), name


def test_roles_lie_with_their_holders_and_nothing_with_the_deployer(weir: Weir) -> None:
    has = weir.authority.functions.hasRole
    delay = GOVERNOR.delay
    assert weir.chain.call(has(ADMIN.id, governor)) == (True, delay)
    assert weir.chain.call(has(GOVERNOR.id, governor)) == (True, delay)
    assert weir.chain.call(has(GUARDIAN.id, guardian)) == (True, 0)
    assert weir.chain.call(has(POSTER.id, poster)) == (True, 0)
    assert weir.chain.call(has(POSTER.id, governor)) == (False, 0)
    for role in ROLES:
        assert weir.chain.call(has(role.id, deployer.address)) == (False, 0)
        for contract in role.functions:
            for selector in role.selectors(contract):
                of = weir.authority.functions.getTargetFunctionRole(
                    weir.deployment.address(contract), selector
                )
                assert weir.chain.call(of) == role.id


def test_the_deployer_has_no_power_left(weir: Weir) -> None:
    with pytest.raises(ContractError) as refused:
        weir.chain.send(deployer, weir.vault.functions.setMaturity(0, 60))
    assert refused.value.name == "AccessManagedUnauthorized"
    assert refused.value.arguments == {"caller": deployer.address}


@pytest.mark.parametrize("decimals", [6, 8, 18])
def test_amounts_are_in_the_token_s_decimals(node: Node, decimals: int) -> None:
    w3 = connect(node.url)
    found = deploy(w3, deployer, Parameters(token_decimals=decimals))
    assert found.decimals == decimals
    weir = Weir(w3, found)
    assert weir.chain.call(weir.fund.functions.parameters())["skinTarget"] == 100_000 * 10**decimals
    assert weir.usd(weir.units(Decimal("1.25"))) == Decimal("1.25")


def test_ganache_gets_the_same_system(weir: Weir) -> None:
    with Node("ganache") as ganache:
        there = deploy(connect(ganache.url), deployer, Parameters())
    here = weir.deployment
    assert {name: record.address for name, record in there.contracts.items()} == {
        name: record.address for name, record in here.contracts.items()
    }
    assert {name: record.code_hash for name, record in there.contracts.items()} == {
        name: record.code_hash for name, record in here.contracts.items()
    }


def test_created_addresses_are_those_of_the_protocol() -> None:
    sender = "0x6ac7ea33f8831ea9dcc53393aaa88b25a785dbf0"
    assert created_address(sender, 0) == "0xcd234A471b72ba2F1Ccf0A70FCABA648a5eeCD8d"
    assert created_address(sender, 1) == "0x343c43A37D37dfF08AE8C4A11544c718AbB4fCF8"


def test_a_deployer_that_is_used_meanwhile_is_noticed(node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "created_address", lambda sender, nonce: created_address(sender, nonce + 1))
    with pytest.raises(DeploymentError, match="used meanwhile"):
        deploy(connect(node.url), deployer, Parameters())


# ----------------------------------------------------------- once, again, anew


def test_the_second_time_finds_the_first(node: Node, tmp_path: Path) -> None:
    w3 = connect(node.url)
    first = deploy(w3, deployer, Parameters(), folder=tmp_path)
    block = w3.eth.block_number
    assert deploy(w3, deployer, Parameters(), folder=tmp_path) == first
    assert w3.eth.block_number == block
    assert Deployment.load(tmp_path / "31337.json") == first
    assert first.block < block


def test_other_parameters_are_deployed_anew_on_a_local_chain(node: Node, tmp_path: Path) -> None:
    w3 = connect(node.url)
    first = deploy(w3, deployer, Parameters(), folder=tmp_path)
    wanted = Parameters(liquidation=LiquidationParameters(penalty=1_000))
    second = deploy(w3, deployer, wanted, folder=tmp_path)
    assert second.address("Vault") != first.address("Vault")
    assert Deployment.load(tmp_path / "31337.json") == second


def test_a_record_of_a_chain_that_is_gone_is_replaced(weir: Weir, tmp_path: Path) -> None:
    weir.deployment.save(tmp_path / "31337.json")
    with Node("anvil") as another:
        w3 = connect(another.url)
        assert not Chain(w3).code(weir.deployment.address("Vault"))
        found = deploy(w3, deployer, Parameters(), folder=tmp_path)
        assert Chain(w3).code(found.address("Vault"))


def test_other_code_at_an_address_is_not_ours(weir: Weir) -> None:
    vault = weir.deployment.contracts["Vault"]
    contracts = weir.deployment.contracts | {
        "Vault": vault.model_copy(update={"code_hash": "0x" + "00" * 32})
    }
    tampered = weir.deployment.model_copy(update={"contracts": contracts})
    assert module.what_moved(weir.chain, weir.deployment) is None
    assert module.what_moved(weir.chain, tampered) == f"Vault is not at {vault.address}"


def test_another_build_is_not_reused(weir: Weir) -> None:
    vault = weir.deployment.contracts["Vault"]
    contracts = weir.deployment.contracts | {
        "Vault": vault.model_copy(update={"creation_hash": "0x" + "00" * 32})
    }
    older = weir.deployment.model_copy(update={"contracts": contracts})
    assert module.why_not_reusable(weir.chain, weir.deployment, Parameters()) is None
    assert module.why_not_reusable(weir.chain, older, Parameters()) == "Vault has been compiled anew"


# ------------------------------------------------------------- off local chains


def test_development_keys_are_refused_off_local_chains(public_node: Node) -> None:
    parameters = Parameters(governance=_named())
    with pytest.raises(DeploymentError, match=f"everybody has the key of {deployer.address}, the deployer"):
        deploy(connect(public_node.url), deployer, parameters)


@pytest.mark.parametrize("role", ["governor", "guardian", "treasury", "poster"])
def test_development_addresses_hold_no_role_off_local_chains(
    public_node: Node, owner: Any, role: str
) -> None:
    known = development_account(9).address
    parameters = Parameters(governance=_named().model_copy(update={role: known}))
    with pytest.raises(DeploymentError, match=f"everybody has the key of {known}, the {role}"):
        deploy(connect(public_node.url), owner, parameters)


def test_nothing_is_left_to_chance_off_local_chains(public_node: Node, owner: Any) -> None:
    w3 = connect(public_node.url)
    with pytest.raises(DeploymentError, match="must name governor, guardian, treasury, poster"):
        deploy(w3, owner, Parameters())
    with pytest.raises(DeploymentError, match="must name the token, the feed of BTC, the feed of ETH"):
        deploy(w3, owner, Parameters(governance=_named()))


def test_what_would_not_do_is_told_before_anything_is_sent(public_node: Node, owner: Any) -> None:
    """A token and feeds that are none, one that is old, and one out of its bounds."""
    w3 = connect(public_node.url)
    chain = Chain(w3)
    token = _create(chain, owner, "TestToken", "Dollar", "USD", 5)
    feed = _create(chain, owner, "TestFeed", 8, 60_000 * 10**8)
    public_node.increase_time(121)
    nonce = int(chain.rpc("eth_getTransactionCount", owner.address, "latest"), 16)
    wanted = Parameters(
        token=token,
        markets=(
            MarketParameters(symbol="BTC", feed=feed, heartbeat=120),
            MarketParameters(symbol="ETH", feed=feed, max_price=Decimal(50_000)),
            MarketParameters(symbol="SOL", feed=token),
        ),
        assets=(AssetParameters(symbol="DAI", token=owner.address, feed=owner.address),),
        governance=_named(),
    )
    with pytest.raises(DeploymentError) as refused:
        deploy(w3, owner, wanted)
    assert str(refused.value) == "nothing is deployed: " + "; ".join(
        (
            "the token has 5 decimals, not 6 to 18",
            f"the token of DAI at {owner.address} does not answer",
            "the feed of BTC is 121 s old, its heartbeat 120 s",
            "the feed of ETH answers 6000000000000, not 1000000 to 5000000000000",
            f"the feed of SOL at {token} does not answer",
            f"the feed of DAI at {owner.address} does not answer",
        )
    )
    assert int(chain.rpc("eth_getTransactionCount", owner.address, "latest"), 16) == nonce


def test_a_public_deployment_is_found_again_but_never_replaced(
    public_node: Node, owner: Any, tmp_path: Path
) -> None:
    w3 = connect(public_node.url)
    chain = Chain(w3)
    token = _create(chain, owner, "TestToken", "Dollar", "USD", 6)
    feed = _create(chain, owner, "TestFeed", 8, 60_000 * 10**8)
    wanted = Parameters(
        token=token, markets=(MarketParameters(symbol="BTC", feed=feed),), governance=_named()
    )
    first = deploy(w3, owner, wanted, folder=tmp_path)
    assert "Token" not in first.contracts
    assert first.token == token
    assert deploy(w3, owner, wanted, folder=tmp_path) == first
    changed = wanted.model_copy(update={"liquidation": LiquidationParameters(penalty=0)})
    with pytest.raises(DeploymentError, match=r"its parameters are others.*move it away"):
        deploy(w3, owner, changed, folder=tmp_path)
    assert Deployment.load(tmp_path / f"{PUBLIC_CHAIN}.json") == first


def test_the_deployer_does_not_govern(node: Node) -> None:
    parameters = Parameters(governance=GovernanceParameters(governor=deployer.address))
    with pytest.raises(DeploymentError, match="governor can't be the deployer"):
        deploy(connect(node.url), deployer, parameters)


def test_a_development_feed_needs_a_price(node: Node) -> None:
    with pytest.raises(DeploymentError, match="DOGE: a development feed needs a first price"):
        deploy(connect(node.url), deployer, Parameters(markets=(MarketParameters(symbol="DOGE"),)))


def _named() -> GovernanceParameters:
    roles = ("governor", "guardian", "treasury", "poster")
    return GovernanceParameters(**{role: Account.create().address for role in roles})


def _create(chain: Chain, account: Any, name: str, *arguments: Any) -> str:
    compiled = artifact(name)
    constructor = next(entry for entry in compiled.abi if entry["type"] == "constructor")
    data = compiled.bytecode + encode_arguments(constructor, arguments)
    address = chain.wait(chain.submit_raw(account, None, data)).contract
    assert address
    return address


# ------------------------------------------------------- parameters, and files


@pytest.mark.parametrize(
    "fields",
    [
        {"maintenance_margin_ratio": 50_000, "initial_margin_ratio": 50_000},
        {"initial_margin_ratio": 9_999, "maintenance_margin_ratio": 5_000},
        {"maker_fee": 10_001},
        {"price_band": 99},
        {"funding_period": 3_599},
        {"max_open_interest": 0},
        {"coinsurance": 1_000_001},
        {"maturity": 7 * 86_400 + 1},
        {"min_price": 5, "max_price": 5},
        {"feed": "0x1234"},
        {"symbol": "btc"},
        {"leverage": 20},
    ],
)
def test_a_market_out_of_bounds_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        MarketParameters(**({"symbol": "BTC"} | fields))


def test_a_bounty_does_not_fall() -> None:
    with pytest.raises(ValidationError, match="bounty_start must not be above bounty_max"):
        LiquidationParameters(bounty_start=20_000, bounty_max=10_000)


@pytest.mark.parametrize(
    ("name", "low", "high"),
    [
        ("share_min", 500_000, 1_000_000),
        ("share_max", 500_000, 1_000_000),
        ("share_slope", 0, 10_000_000),
        ("premium_max", 0, 500_000),
        ("stress_from", 0, 5_000_000),
        ("max_scarcity", 0, 20_000),
        ("concentration_from", 0, 999_999),
        ("max_concentration", 0, 20_000),
        ("max_leverage", 0, 20_000),
        ("leverage_to", 1, 1_000_000_000),
        ("target_lifetime", 3_600, 30 * 86_400),
        ("tier_lifetime", 86_400, 365 * 86_400),
        ("member_threshold", 0, 10**9),
        ("member_ratio", 0, 200_000),
        ("member_step", 0, 50_000),
        ("max_step", 10_000, 1_000_000),
        ("cap_multiple", 0, 2**32 - 1),
        ("cap_floor", 0, 10**9),
        ("concentration_floor", 0, 10**9),
    ],
)
def test_a_funding_parameter_out_of_bounds_is_named(name: str, low: int, high: int) -> None:
    # So that order among them does not matter.
    loose = {"share_min": 500_000, "share_max": 1_000_000, "stop_below": 0, "premium_min": 0}
    loose |= {"leverage_from": 0, "share_at_target": 500_000 if name != "share_min" else 1_000_000}
    for value in (low, high):
        assert getattr(FundingParameters(**(loose | {name: value})), name) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValidationError, match=name):
            FundingParameters(**(loose | {name: value}))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"target_ratio": 200_001}, "target_ratio must not be above max_target_ratio"),
        ({"share_min": 800_001}, "share_min must not be above share_at_target"),
        ({"share_max": 799_999}, "share_at_target must not be above share_max"),
        ({"premium_min": 100_001}, "premium_min must not be above premium_max"),
        ({"stop_below": 800_001}, "stop_below must not be above stress_from"),
        ({"leverage_from": 20_000_000}, "leverage_from must be below leverage_to"),
        ({"tier_rates": (0, 50, 49, 300, 800)}, "tier_rates must not fall"),
    ],
)
def test_funding_parameters_out_of_order_are_named(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FundingParameters(**fields)


@pytest.mark.parametrize("rates", [(0, 1, 2, 3), (0, 1, 2, 3, 4, 5), (0, 1, 2, 3, 20_001), (-1, 0, 0, 0, 0)])
def test_there_are_five_tiers_each_within_its_bounds(rates: tuple[int, ...]) -> None:
    with pytest.raises(ValidationError, match="tier_rates"):
        FundingParameters(tier_rates=rates)  # type: ignore[arg-type]


def test_two_markets_with_one_symbol_are_refused() -> None:
    with pytest.raises(ValidationError, match="different symbols"):
        Parameters(markets=(MarketParameters(symbol="BTC"), MarketParameters(symbol="BTC")))


def test_the_contracts_accept_the_bounds_themselves(node: Node) -> None:
    """Python's bounds are not wider than the contracts'."""
    widest = MarketParameters(
        symbol="X",
        price=Decimal(1),
        initial_margin_ratio=10_000,
        maintenance_margin_ratio=5_000,
        maker_fee=10_000,
        taker_fee=10_000,
        price_band=200_000,
        max_funding_rate=100_000,
        funding_period=3_600,
        budget_share=1_000_000,
        coinsurance=1_000_000,
        maturity=7 * 86_400,
        heartbeat=60,
    )
    liquidation = LiquidationParameters(
        bounty_start=100_000,
        bounty_max=100_000,
        penalty=50_000,
        auction_duration=60,
        min_notional=Decimal("0.000001"),
        close_band=500_000,
    )
    fund = FundParameters(stream_duration=86_400, budget_window=3_600, epoch_duration=86_400)
    for funding, guaranty in ((DEAREST, LONGEST), (CHEAPEST, SHORTEST)):
        wanted = Parameters(
            markets=(widest,), liquidation=liquidation, fund=fund, funding=funding, guaranty=guaranty
        )
        assert deploy(connect(node.url), deployer, wanted).parameters == wanted


DEAREST = FundingParameters(
    target_ratio=1_000_000,
    max_target_ratio=1_000_000,
    share_at_target=1_000_000,
    share_slope=10_000_000,
    share_min=1_000_000,
    share_max=1_000_000,
    premium_min=500_000,
    premium_max=500_000,
    stress_from=5_000_000,
    stop_below=1_000_000,
    max_scarcity=20_000,
    concentration_from=999_999,
    max_concentration=20_000,
    max_leverage=20_000,
    leverage_from=999_999_999,
    leverage_to=1_000_000_000,
    cap_multiple=2**32 - 1,
    target_lifetime=30 * 86_400,
    tier_lifetime=365 * 86_400,
    tier_rates=(20_000, 20_000, 20_000, 20_000, 20_000),
    cap_floor=Decimal(10**9),
    concentration_floor=Decimal(10**9),
    max_step=1_000_000,
    member_threshold=Decimal(10**9),
    member_ratio=200_000,
    member_step=50_000,
)
CHEAPEST = FundingParameters(
    target_ratio=0,
    max_target_ratio=0,
    share_at_target=500_000,
    share_slope=0,
    share_min=500_000,
    share_max=500_000,
    premium_min=0,
    premium_max=0,
    stress_from=0,
    stop_below=0,
    max_scarcity=0,
    concentration_from=0,
    max_concentration=0,
    max_leverage=0,
    leverage_from=0,
    leverage_to=1,
    cap_multiple=0,
    target_lifetime=3_600,
    tier_lifetime=86_400,
    tier_rates=(0, 0, 0, 0, 0),
    cap_floor=Decimal(0),
    concentration_floor=Decimal(0),
    max_step=10_000,
    member_threshold=Decimal(0),
    member_ratio=0,
    member_step=0,
)
LONGEST = GuarantyParameters(
    min_contribution=Decimal(10**9),
    notice_period=90 * 86_400,
    exit_window=30 * 86_400,
    loss_window=30 * 86_400,
    loss_share=1_000_000,
)
SHORTEST = GuarantyParameters(
    min_contribution=Decimal("0.000001"),
    notice_period=86_400,
    exit_window=86_400,
    loss_window=3_600,
    loss_share=0,
)


def test_parameters_come_from_a_file(tmp_path: Path) -> None:
    file = tmp_path / "parameters.json"
    file.write_text('{"markets": [{"symbol": "SOL", "price": "20.5"}], "token_decimals": 18}')
    found = Parameters.load(file)
    assert (found.markets[0].price, found.token_decimals) == (Decimal("20.5"), 18)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"token_decimals": 5}', "token_decimals"),
        ('{"markets": [{"symbol": "BTC", "maker_fee": -1}]}', r"markets\.0\.maker_fee"),
        ("[]", "should be an object"),
        ("{", "JSON"),
    ],
)
def test_a_wrong_file_is_told_where(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "parameters.json"
    file.write_text(text)
    with pytest.raises(DeploymentError, match=message):
        Parameters.load(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DeploymentError, match=r"none\.json: No such file"):
        Deployment.load(tmp_path / "none.json")


@pytest.mark.parametrize("decimals", [0, 6, 18])
@pytest.mark.parametrize("amount", ["0", "1", "123456789012345.999999999999999999", "0.000001"])
def test_units_round_down_and_come_back(amount: str, decimals: int) -> None:
    units = to_units(Decimal(amount), decimals)
    assert 0 <= Fraction(amount) * 10**decimals - units < 1
    assert to_units(from_units(units, decimals), decimals) == units


def test_without_compiled_contracts_it_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="make setup"):
        artifact("Vault", tmp_path)
    (tmp_path / ".build").mkdir()
    (tmp_path / ".build" / "__local__.json").write_text(json.dumps({"contractTypes": {}}))
    with pytest.raises(ArtifactError, match="no compiled contract 'Vault'"):
        artifact("Vault", tmp_path)
