"""`weir govern`: who may what, calls in words, and what waits, on a chain of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account

from weir.accounts import development_account
from weir.calls import CallError, Calls
from weir.chain import connect, encode_call
from weir.cli import main
from weir.client import Weir
from weir.deployment import deploy
from weir.governance import ADMIN, GOVERNOR, GUARDIAN, POSTER, ROLES
from weir.governing import Governance
from weir.node import Node
from weir.parameters import AssetParameters, MarketParameters, Parameters
from weir.units import DAY

DELAY = 2 * DAY
LAPSE = 7 * DAY
deployer, governor, guardian, _, poster = (development_account(i) for i in range(5))
stranger = development_account(9)
PARAMETERS = Parameters(
    markets=(
        MarketParameters(symbol="BTC", price=Decimal(60_000), heartbeat=DAY),
        MarketParameters(symbol="ETH", price=Decimal(3_000), heartbeat=DAY),
    ),
    assets=(AssetParameters(symbol="DAI"),),
)

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def govern_node() -> Iterator[Node]:
    with Node("anvil", timestamp=1_700_000_000) as running:
        yield running


@pytest.fixture(scope="module")
def governed_weir(govern_node: Node, tmp_path_factory: pytest.TempPathFactory) -> tuple[Weir, Path]:
    folder = tmp_path_factory.mktemp("deployments")
    w3 = connect(govern_node.url)
    return Weir(w3, deploy(w3, deployer, PARAMETERS, folder=folder)), folder / "31337.json"


@pytest.fixture(autouse=True)
def _as_it_was(governed_weir: tuple[Weir, Path], monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("WEIR_RPC", "WEIR_PRIVATE_KEY", "WEIR_PASSWORD"):
        monkeypatch.delenv(name, raising=False)
    chain = governed_weir[0].chain
    snapshot = chain.rpc("evm_snapshot")
    yield
    chain.rpc("evm_revert", snapshot)


@pytest.fixture
def weir(govern_node: Node, governed_weir: tuple[Weir, Path]) -> Weir:
    """Anew, since the chain is set back after each test."""
    return Weir(connect(govern_node.url), governed_weir[0].deployment)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], govern_node: Node, governed_weir: tuple[Weir, Path]) -> Run:
    """Exit code, output and errors of `weir govern …`."""

    def govern(command: str, *arguments: object) -> tuple[int, str, str]:
        where = ["--rpc", govern_node.url, "--deployment", str(governed_weir[1])]
        with pytest.raises(SystemExit) as ended:
            main(["govern", command, *map(str, arguments), *where])
        output = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, output.out, output.err

    return govern


def announced(run: Run, *arguments: object) -> str:
    """The id of a call that has been announced."""
    code, out, err = run("schedule", *arguments, "--send")
    assert code == 0, out + err
    found = re.search(r"id (0x[0-9a-f]{64})", out)
    assert found
    return found[1]


MARGIN = ("ClearingHouse.setMarketParameters", "BTC", "initialMarginRatio=100000")

# --------------------------------------------------------------------- reading


def test_show_has_every_role_and_its_holder(run: Run) -> None:
    code, out, _ = run("show", "--json")
    assert code == 0
    assert json.loads(out) == {
        "roles": [
            {"role": "admin", "account": governor.address, "delay": DELAY},
            {"role": "governor", "account": governor.address, "delay": DELAY},
            {"role": "guardian", "account": guardian.address, "delay": 0},
            {"role": "poster", "account": poster.address, "delay": 0},
        ],
        "waiting": [],
    }
    _, out, _ = run("show")
    assert all(role.name in out for role in ROLES)
    assert guardian.address in out
    assert "Calls that wait: none" in out


def test_show_has_the_calls_that_wait(run: Run, govern_node: Node) -> None:
    first = announced(run, *MARGIN)
    govern_node.increase_time(60)
    second = announced(run, "Authority.revokeRole", "poster", poster.address)
    waiting = json.loads(run("show", "--json")[1])["waiting"]
    assert [each["id"] for each in waiting] == [first, second]
    assert [each["words"] for each in waiting] == [
        [
            "ClearingHouse.setMarketParameters(market=BTC)",
            "initialMarginRatio: 50000 -> 100000",
        ],
        [f"Authority.revokeRole(roleId=poster, account={poster.address})"],
    ]
    assert waiting[1]["ready_at"] - waiting[0]["ready_at"] == 61
    assert {each["lapses_at"] - each["ready_at"] for each in waiting} == {LAPSE}
    assert {each["caller"] for each in waiting} == {governor.address}
    _, out, _ = run("show")
    assert first[:10] in out
    assert "50000 -> 100000" in out


def test_a_lapsed_call_waits_no_more(run: Run, govern_node: Node) -> None:
    announced(run, *MARGIN)
    govern_node.increase_time(DELAY + LAPSE)
    assert json.loads(run("show", "--json")[1])["waiting"] == []


def test_check_finds_nothing_in_a_deployment(run: Run) -> None:
    assert run("check") == (0, "roles, delays and wiring are as a deployment leaves them\n", "")


# ------------------------------------------------------------------ what waits


def test_a_change_is_announced_waits_and_is_made(run: Run, weir: Weir, govern_node: Node) -> None:
    code, out, _ = run("schedule", *MARGIN)
    assert code == 0
    assert f"dry run as {governor.address}: accepted" in out
    assert json.loads(run("show", "--json")[1])["waiting"] == []

    identity = announced(run, *MARGIN)
    code, _, err = run("execute", identity[:10], "--send")
    assert code == 1
    assert "may be made from" in err
    govern_node.increase_time(DELAY)
    code, out, _ = run("execute", identity[:10])
    assert (code, "accepted" in out) == (0, True)
    assert weir.markets()[0].initial_margin_ratio == 50_000
    assert run("execute", identity[:10], "--send")[0] == 0
    market = weir.markets()[0]
    assert (market.initial_margin_ratio, market.maintenance_margin_ratio) == (100_000, 30_000)
    code, _, err = run("execute", identity, "--send")
    assert (code, err) == (2, f"weir: {identity}: the id of no waiting calls begins so\n")


def test_only_who_announced_it_makes_it(run: Run, govern_node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = announced(run, *MARGIN)
    govern_node.increase_time(DELAY)
    monkeypatch.setenv("WEIR_PRIVATE_KEY", stranger.key.to_0x_hex())
    code, _, err = run("execute", identity, "--send")
    assert code == 1
    assert f"only {governor.address}" in err


def test_a_call_is_taken_back(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    identity = announced(run, *MARGIN)
    for other in (guardian, poster, stranger):
        monkeypatch.setenv("WEIR_PRIVATE_KEY", other.key.to_0x_hex())
        code, _, err = run("cancel", identity, "--send")
        assert code == 1
        assert "AccessManagerUnauthorizedCancel" in err
    monkeypatch.delenv("WEIR_PRIVATE_KEY")
    assert run("cancel", identity, "--send")[0] == 0
    assert json.loads(run("show", "--json")[1])["waiting"] == []


def test_what_the_contract_would_refuse_is_told_before(run: Run) -> None:
    """By the contract's own bounds, though the delay is not over."""
    code, out, _ = run(
        "schedule", "ClearingHouse.setMarketParameters", "BTC", "initialMarginRatio=2000000", "--send"
    )
    assert code == 1
    bound = "ParameterOutOfBounds(name=initialMarginRatio, value=2000000, min=10000, max=1000000)"
    assert f"would be refused now: {bound}" in out
    assert json.loads(run("show", "--json")[1])["waiting"] == []


def test_what_is_due_only_later_is_announced_anyway(run: Run) -> None:
    close = ("ClearingHouse.closeMarket", "BTC", "59000e18")
    code, out, _ = run("schedule", *close, "--send")
    assert (code, "PriceStillLive(market=0)" in out) == (1, True)
    announced(run, *close, "--anyway")


def test_a_multisignature_gets_what_it_has_to_send(run: Run, weir: Weir) -> None:
    code, out, _ = run("schedule", *MARGIN, "--as", governor.address)
    assert code == 0
    to, data = re.findall(r"(?:to|data) (0x\w+)", out)
    assert to == weir.authority.address
    weir.chain.wait(weir.chain.submit_raw(governor, to, bytes.fromhex(data[2:])))
    assert len(Governance(weir).waiting()) == 1


# ---------------------------------------------------------------- what does not


def test_the_guardian_pauses(run: Run, weir: Weir) -> None:
    code, out, _ = run("call", "ClearingHouse.pauseNewRisk", "1d")
    assert (code, "accepted" in out) == (0, True)
    assert weir.chain.call(weir.clearing_house.functions.pausedUntil()) == 0
    assert run("call", "ClearingHouse.pauseNewRisk", "1d", "--send")[0] == 0
    ends = weir.chain.call(weir.clearing_house.functions.pausedUntil())
    assert ends == weir.chain.timestamp() + DAY
    code, _, err = run("call", "ClearingHouse.pauseNewRisk", "1d", "--send")
    assert (code, err.startswith("weir: PauseTooSoon")) == (1, True)


def test_a_role_is_laid_down_at_once(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_PRIVATE_KEY", poster.key.to_0x_hex())
    assert run("call", "Authority.renounceRole", "poster", poster.address, "--send")[0] == 0
    assert run("check") == (1, "nobody holds the role poster\n", "")


def test_what_anyone_may_do_anyone_does(run: Run, weir: Weir, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEIR_PRIVATE_KEY", stranger.key.to_0x_hex())
    weir.chain.send(deployer, weir.feed("BTC").functions.setAnswer(61_000 * 10**8))
    assert run("call", "ClearingHouse.refresh", "BTC", "--send")[0] == 0
    assert weir.markets()[0].stored_price == 61_000 * 10**18


def test_a_guardian_may_be_let_cancel(run: Run, govern_node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """Changes of parameters, that is; of roles never."""
    allowed = announced(run, "Authority.setRoleGuardian", "governor", "guardian")
    govern_node.increase_time(DELAY)
    assert run("execute", allowed, "--send")[0] == 0
    margin, role = announced(run, *MARGIN), announced(run, "Authority.revokeRole", "poster", poster.address)
    monkeypatch.setenv("WEIR_PRIVATE_KEY", guardian.key.to_0x_hex())
    assert run("cancel", margin, "--send")[0] == 0
    code, _, err = run("cancel", role, "--send")
    assert (code, "AccessManagerUnauthorizedCancel" in err) == (1, True)


def test_who_has_to_wait_is_told_so(run: Run) -> None:
    code, _, err = run("call", *MARGIN, "--send")
    assert (code, err) == (1, f"weir: {governor.address} has to announce this: weir govern schedule\n")


def test_who_need_not_wait_is_told_so(run: Run) -> None:
    code, _, err = run("schedule", "ClearingHouse.pauseNewRisk", "1d", "--send")
    assert (code, err) == (1, f"weir: {guardian.address} need not wait with this: weir govern call\n")


@pytest.mark.parametrize("command", ["schedule", "call"])
def test_who_has_no_role_is_told_so(run: Run, command: str) -> None:
    code, _, err = run(command, *MARGIN, "--as", stranger.address)
    assert code == 1
    assert err == (f"weir: {stranger.address} has no role that may call ClearingHouse.setMarketParameters\n")


# ---------------------------------------------------------------------- problems


def test_check_tells_what_has_been_moved(run: Run, govern_node: Node) -> None:
    """A function under another role, the guardian gone, the deployer a guardian, a second governor that need
    not wait.
    """
    pause = "0x" + GUARDIAN.selectors("ClearingHouse")[0].hex()
    changes = (
        ("Authority.setTargetFunctionRole", "ClearingHouse", pause, "governor"),
        ("Authority.revokeRole", "poster", poster.address),
        ("Authority.grantRole", "guardian", deployer.address, "0"),
        ("Authority.grantRole", "governor", stranger.address, "0"),
    )
    identities = [announced(run, *change) for change in changes]
    govern_node.increase_time(DELAY)
    for identity in identities:
        assert run("execute", identity, "--send")[0] == 0
    code, out, _ = run("check")
    assert code == 1
    assert out.splitlines() == [
        "ClearingHouse.pauseNewRisk answers to role 1, not to the guardian (2)",
        "nobody holds the role poster",
        f"the deployer, {deployer.address}, holds the role guardian",
        f"{stranger.address} waits 0 s as governor, not {DELAY} s",
    ]


def test_check_tells_of_contracts_that_do_not_know_each_other(weir: Weir) -> None:
    """As where a file puts parts of two deployments together."""
    other = deploy(weir.chain.w3, stranger, PARAMETERS)
    mixed = weir.deployment.contracts | {"Vault": other.contracts["Vault"]}
    found = Governance(Weir(weir.chain.w3, weir.deployment.model_copy(update={"contracts": mixed})))
    told = found.problems()
    vault, house = other.address("Vault"), other.address("ClearingHouse")
    assert (
        f"ClearingHouse.vault is {weir.deployment.address('Vault')}, not the Vault of this deployment" in told
    )
    assert f"Vault.clearingHouse is {house}, not the ClearingHouse of this deployment" in told
    assert vault not in " ".join(told)


# ------------------------------------------------------------------- in words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("Bank.rob",), "no contract 'Bank'; there are AssetLens, Authority, "),
        (("Vault.setMaturities", "BTC"), "no function 'setMaturities' of Vault; there are setMaturity"),
        (("Lens.set",), "no function 'set' of Lens; there are none"),
        (("Vault.setMaturity", "BTC"), "takes 2 arguments (market maturity), not 1"),
        (("Vault.setMaturity", "BTC", "1d", "at=1"), "has no parameters by name (at)"),
        (("Vault.setMaturity", "SOL", "1d"), "market: 'SOL' is no uint16"),
        (("Vault.setMaturity", "BTC", "1.5"), "maturity: '1.5' is no uint24"),
        (("Vault.setMaturity", "BTC", "nan"), "maturity: 'nan' is no uint24"),
        (("Vault.setMaturity", "BTC", "1e9"), "a number is too large, or negative, for its type"),
        (("Vault.setMaturity", "BTC", "-1"), "a number is too large, or negative, for its type"),
        (("PriceOracle.setSequencerFeed", "0x12", "1h"), "feed: '0x12' is no address"),
        (("Stablecoins.setAsset", "0", "Vault", "maybe"), "isShare: 'maybe' is no bool"),
        (("ClearingHouse.setMarketParameters", "BTC", "margin=1"), "no parameter 'margin' of Clearing"),
        (("ClearingHouse.addMarket", "SOL", "makerFee=1"), "nothing stands yet, so name initialMarginRatio"),
    ],
)
def test_a_call_that_makes_no_sense_is_told(weir: Weir, words: tuple[str, ...], message: str) -> None:
    with pytest.raises(CallError, match=re.escape(message)):
        Calls(weir).parse(words[0], words[1:])


def test_numbers_have_names_and_units(weir: Weir) -> None:
    calls = Calls(weir)
    maturity = calls.parse("Vault.setMaturity", ["ETH", "12h"])
    assert tuple(maturity.call.arguments) == (1, 43_200)
    feed = weir.deployment.markets[0].feed
    for symbol, number in (("BTC", 0), ("DAI", 32_768)):
        change = calls.parse("PriceOracle.setFeed", [symbol, feed, "2d", "1e16", "1_000e18"])
        assert tuple(change.call.arguments) == (number, feed, 172_800, 10**16, 10**21)
        assert change.arguments["market"] == symbol
    granted = calls.parse("Authority.grantRole", ["poster", stranger.address.lower(), "0"])
    assert tuple(granted.call.arguments) == (POSTER.id, stranger.address, 0)


@pytest.mark.parametrize("role", [GOVERNOR, ADMIN, GUARDIAN])
def test_roles_have_names(weir: Weir, role: Any) -> None:
    change = Calls(weir).parse("Authority.revokeRole", [role.name, stranger.address])
    assert next(iter(change.call.arguments)) == role.id


def test_parameters_that_are_not_named_stay(weir: Weir) -> None:
    """Of every function that replaces some, as the chain has them."""
    calls = Calls(weir)
    for text, arguments in (
        ("ClearingHouse.setMarketParameters", ["ETH"]),
        ("ClearingHouse.setLiquidationParameters", []),
        ("InsuranceFund.setParameters", []),
        ("GuarantyFund.setParameters", []),
        ("FundingPolicy.setParameters", []),
        ("Stablecoins.setConversionParameters", []),
    ):
        same = calls.parse(text, arguments)
        assert same.lines() == [], text
        assert len(encode_call(same.call)) > 4 + 32 * len(arguments)
    tiers = calls.parse("FundingPolicy.setParameters", ["tierRates=0,50,100,300,900"])
    assert tiers.lines() == ["tierRates: 0,50,100,300,800 -> 0,50,100,300,900"]


def test_an_asset_keeps_its_parameters_too(weir: Weir) -> None:
    token = weir.deployment.assets[0].token
    change = Calls(weir).parse("Stablecoins.setAsset", ["0", token, "false", "haircut=60000"])
    assert change.lines() == ["haircut: 50000 -> 60000"]


def test_what_is_called_elsewhere_is_shown_as_unknown(weir: Weir) -> None:
    assert Calls(weir).read(Account.create().address, b"\1\2\3\4") is None
    assert Calls(weir).read(weir.vault.address, b"\1\2\3\4") is None
