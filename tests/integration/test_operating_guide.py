"""docs/operating.md: every command of it runs, where nothing is made up, and does what the page says."""

from __future__ import annotations

import json
import re
import shutil
import signal
import time
from collections.abc import Iterator
from functools import partial

import pytest
import yaml
from eth_account import Account
from eth_account.signers.local import LocalAccount

from tests.guide import Guide
from tests.integration.guided import CHAIN_ID, PATIENCE, Network, running, shell
from tests.ports import free_ports
from weir.chain import ContractError
from weir.governing import Governance
from weir.keeper.roles import MARGIN_USE
from weir.node import Node
from weir.status import collect

GUIDE = Guide("operating")
DAY = 86_400
PRICES = {"BTC": 60_000, "ETH": 3_000, "DAI": 1}


DEPLOY, ROTATE, GUARDIAN, CLOSE, BOOK, ALERTS, DATABASE = (
    "Deploy to a test network",
    "Rotate keys",
    "The guardian",
    "Close a market",
    "The keeper's own book",
    "Alerts",
    "The database",
)


@pytest.fixture(scope="module", autouse=True)
def _quick_keystores() -> Iterator[None]:
    """A second for every key is well spent, but not here."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Account, "encrypt", partial(Account.encrypt, kdf="scrypt", iterations=2))
        yield


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Network]:
    """The manual's second section, as far as the keeper: parameters, keys, deployment, and a look at it."""
    with Node("anvil", chain_id=CHAIN_ID, timestamp=1_700_000_000) as node:
        network = Network(node, tmp_path_factory.mktemp("testnet"))
        network.names |= {
            "URL": node.url,
            "TOKEN": network.create("TestToken", "Dollar", "USD", 6),
            "DAI_TOKEN": network.create("TestToken", "Dai", "DAI", 18),
            **{f"{symbol}_FEED": network.create("TestFeed", 8, p * 10**8) for symbol, p in PRICES.items()},
            "TREASURY": Account.create().address,
        }
        keys, deploy, *_ = GUIDE.blocks(DEPLOY, "sh")
        network.run(keys)
        # Those that the manual leaves to their holders.
        for role in ("governor", "guardian", "poster"):
            network.run(f"weir keystore keys/{role}.json")
            network.names[role.upper()] = network.key(role).address
        (parameters,) = GUIDE.blocks(DEPLOY, "json")
        network.write("parameters.json", parameters)
        (money,) = GUIDE.blocks(DEPLOY, "python")
        network.write("money.py", money)
        for name in ("deployer", "keeper", "governor", "guardian", "poster"):
            network.give_coins(network.key(name).address)
        network.run(deploy)
        network.deployed_at = int(node.rpc("eth_blockNumber"), 16)
        for name in ("deployer", "keeper"):
            network.give(network.key(name).address, 50_000)
        network.python("money.py")
        yield network


@pytest.fixture
def network(deployed: Network) -> Iterator[Network]:
    """As deployed, and set back afterwards."""
    with deployed.set_back():
        yield deployed


def read(network: Network, name: str, *arguments: object) -> object:
    weir = network.weir()
    return weir.chain.call(weir.clearing_house.get_function_by_name(name)(*arguments))


# -------------------------------------------------------------------- deploying


def test_what_lies_there_is_what_was_wanted(network: Network) -> None:
    check, show, status = network.run(GUIDE.blocks(DEPLOY, "sh")[2])
    assert check.out == "roles, delays and wiring are as a deployment leaves them\n"
    for role in ("GOVERNOR", "GUARDIAN", "POSTER"):
        assert network.names[role] in show.out
    assert "Calls that wait: none" in show.out
    assert "BTC" in status.out
    record = json.loads((network.folder / "deployments" / f"{CHAIN_ID}.json").read_text())
    assert record["token"] == network.names["TOKEN"]
    assert record["parameters"]["governance"]["treasury"] == network.names["TREASURY"]


def test_a_deployment_costs_what_the_manual_says(network: Network) -> None:
    weir = network.weir()
    sent = [weir.chain.block(n) for n in range(weir.deployment.block + 1, network.deployed_at + 1)]
    gas = [int(block["gasUsed"], 16) for block in sent]
    assert "some 45 million gas, in forty transactions" in GUIDE.text
    assert 44_000_000 < sum(gas) < 46_000_000
    assert 36 <= len(gas) <= 44


def test_deploying_again_finds_it(network: Network) -> None:
    before = network.node.rpc("eth_blockNumber")
    network.run(GUIDE.blocks(DEPLOY, "sh")[1])
    assert network.node.rpc("eth_blockNumber") == before


def test_keeper_index_and_monitor_run_as_shown(network: Network) -> None:
    """First dry; then each of them says that it is healthy, does its work, and ends when it is told to."""
    (dry, keeper), (store, index, monitor, files) = (
        block.splitlines() for block in GUIDE.blocks(DEPLOY, "sh")[3:]
    )
    network.run(store)
    trader, market_maker = network.person(), network.person()
    for each, usd in ((trader, 4_000), (market_maker, 100_000)):
        network.deposit(each, usd)
    network.trade(trader, market_maker, "BTC", 1)
    network.set_price("BTC", 57_500)
    network.run(dry)
    weir, liquidator = network.weir(), network.key("keeper")
    assert weir.account(trader.address).flagged_at == 0

    shown = ("8600", "8601", "8602", "8603")
    # At the manual's, others of this machine may listen.
    ports = dict(zip(shown, map(str, free_ports(len(shown))), strict=True))

    def moved(line: str) -> str:
        return re.sub(r"\b860\d\b", lambda port: ports[port[0]], line)

    with (
        running(network, moved(index), ports["8602"]) as indexing,
        running(network, moved(monitor), ports["8601"]) as monitoring,
        running(network, moved(keeper), ports["8603"]) as keeping,
    ):
        deadline = time.monotonic() + PATIENCE
        while not weir.account(liquidator.address).positions:
            assert time.monotonic() < deadline, (network.folder / "processes.txt").read_text()
            time.sleep(0.2)
        processes = (indexing, monitoring, keeping)
    # What serves pages ends by the signal that it was sent, once it has cleaned up.
    assert {process.returncode for process in processes} <= {0, -signal.SIGTERM}
    network.run(files)
    settings = yaml.safe_load((network.folder / "observe" / "prometheus.yml").read_text())
    scraped = {job["job_name"]: job["static_configs"][0]["targets"] for job in settings["scrape_configs"]}
    for name, line in (("monitor", monitor), ("keeper", keeper), ("index", index)):
        *_, port = re.findall(r"port (\d+)", line)  # the monitor's second
        assert f"127.0.0.1:{port}" in scraped[f"weir-{name}"]


# ------------------------------------------------------------------ rotating keys


def test_a_keeper_s_key_is_rotated(network: Network) -> None:
    """With positions, cash, and another stablecoin."""
    keeper, market_maker = network.key("keeper"), network.person()
    network.deposit(market_maker, 100_000)
    pledge_dai(network, keeper, 9_000)
    network.trade(keeper, market_maker, "BTC", 2)
    network.trade(market_maker, keeper, "ETH", 10)
    successor = successor_of_keeper(network)
    network.python("move.py")
    weir = network.weir()
    old, new = weir.account(keeper.address), weir.account(successor.address)
    assert [position.size for position in old.positions] == []
    assert [position.size for position in new.positions] == [2 * 10**18, -10 * 10**18]
    assert old.cash == old.collateral == 0
    assert (new.cash > 49_000 * 10**6, new.collateral) == (True, 8_550 * 10**6)
    assert dai_of(network, keeper) == dai_of(network, successor) == 0


def test_a_keeper_s_key_is_rotated_as_full_as_it_gets(network: Network) -> None:
    """At the default margin use, with as much of another stablecoin as of cash; and again."""
    keeper, market_maker = network.key("keeper"), network.person()
    network.deposit(market_maker, 500_000)
    pledge_dai(network, keeper, 50_000)
    state = network.weir().account(keeper.address)
    network.trade(keeper, market_maker, "BTC", state.equity * MARGIN_USE / 10**6 / 0.05 / 60_000 / 10**6)
    successor = successor_of_keeper(network)
    for _ in range(2):
        network.python("move.py")
        old, new = (network.weir().account(each.address) for each in (keeper, successor))
        assert (old.positions, old.equity) == ((), 0)
        assert new.collateral == 47_500 * 10**6
        assert new.positions


def test_a_keeper_takes_out_what_it_took_over(network: Network) -> None:
    keeper = network.key("keeper")
    pledge_dai(network, keeper, 9_000)
    network.run(GUIDE.blocks(BOOK, "sh")[0])
    assert dai_of(network, keeper) == 9_000 * 10**18
    assert network.weir().account(keeper.address).collateral == 0


def successor_of_keeper(network: Network) -> LocalAccount:
    """The new account, with coins, and the program that moves everything to it."""
    (network.folder / "keys" / "keeper-2.json").unlink(missing_ok=True)
    network.run("weir keystore keys/keeper-2.json")
    successor = network.key("keeper-2")
    network.give_coins(successor.address)
    (move,) = GUIDE.blocks(ROTATE, "python")
    network.write("move.py", move)
    return successor


def pledge_dai(network: Network, keeper: LocalAccount, amount: int) -> None:
    weir, units = network.weir(), amount * 10**18
    weir.chain.send(keeper, weir.assets.token("DAI").functions.mint(keeper.address, units))
    weir.assets.pledge(keeper, "DAI", units)


def dai_of(network: Network, account: LocalAccount) -> int:
    weir = network.weir()
    held: int = weir.chain.call(weir.assets.token("DAI").functions.balanceOf(account.address))
    return held


def test_a_poster_s_key_is_rotated(network: Network) -> None:
    network.names["NEW_POSTER"] = Account.create().address
    announce, make = GUIDE.blocks(ROTATE, "sh")[:2]
    *_, shown = network.run(announce)
    assert f"account={network.names['NEW_POSTER']}" in shown.out.replace("\n", "")
    network.remember_waiting()
    early = network.try_to(make.splitlines()[0])
    assert (early.code, "may be made from" in early.out) == (1, True)
    network.wait(2 * DAY)
    network.run(make)
    held = {each.account for each in Governance(network.weir()).holders() if each.role == "poster"}
    assert held == {network.names["NEW_POSTER"]}


def test_a_key_that_has_leaked_is_laid_down(network: Network) -> None:
    network.run(GUIDE.blocks(ROTATE, "sh")[2])
    assert all(each.role != "poster" for each in Governance(network.weir()).holders())


def test_who_governs_is_rotated(network: Network) -> None:
    network.names["NEW_GOVERNOR"] = Account.create().address
    script = GUIDE.blocks(ROTATE, "sh")[3].splitlines()
    network.run("\n".join(script[:2]))
    network.remember_waiting()
    network.wait(2 * DAY)
    network.run("\n".join(script[2:]))
    held = {(each.role, each.account, each.delay) for each in Governance(network.weir()).holders()}
    new = network.names["NEW_GOVERNOR"]
    assert {each for each in held if each[0] in ("admin", "governor")} == {
        ("admin", new, 2 * DAY),
        ("governor", new, 2 * DAY),
    }
    network.run("weir govern check")


# ------------------------------------------------------------------ the guardian


def test_a_pause_stops_new_risk_and_nothing_else(network: Network) -> None:
    trader, market_maker, liquidator, staker = (network.person() for _ in range(4))
    for each, usd in ((trader, 5_000), (market_maker, 100_000), (liquidator, 50_000)):
        network.deposit(each, usd)
    network.trade(trader, market_maker, "BTC", 1)
    dry, real = GUIDE.blocks(GUARDIAN, "sh")[0].splitlines()
    network.run(dry)
    assert read(network, "pausedUntil") == 0
    network.run(real)
    began = network.node.now()
    assert read(network, "pausedUntil") == began + DAY

    with pytest.raises(ContractError, match="NewRiskIsPaused"):
        network.trade(trader, market_maker, "BTC", 0.01)
    network.trade(market_maker, trader, "BTC", 0.5)
    network.deposit(trader, 100)
    assert network.withdraw_all(liquidator) == 50_000 * 10**6
    network.deposit(liquidator, 50_000)
    weir = network.weir()
    network.give(staker.address, 1_000)
    weir.chain.send(staker, weir.token.functions.approve(weir.junior.address, 10**9))
    weir.chain.send(staker, weir.junior.functions.deposit(10**9, staker.address))
    network.set_price("BTC", 51_000)
    house = weir.clearing_house.functions
    weir.chain.send(liquidator, house.flag(trader.address))
    weir.chain.send(liquidator, house.liquidate(trader.address, 10**18, []))
    assert weir.account(liquidator.address).positions[0].size > 0

    network.wait(7 * DAY - 60)
    again = network.try_to(real)
    assert (again.code, "PauseTooSoon" in again.out) == (1, True)
    network.wait(60)
    network.run(real)
    long = network.try_to(real.replace("1d", "73h"))
    assert (long.code, "PauseTooLong" in long.out) == (1, True)


def test_the_guardian_cancels_nothing_unless_it_is_let(network: Network) -> None:
    governor, guardian = "--keystore keys/governor.json --send", "--keystore keys/guardian.json --send"
    change = f"weir govern schedule Vault.setMaturity BTC 1d {governor}"
    network.run(change)
    network.remember_waiting()
    refused = network.try_to(f"weir govern cancel ID {guardian}")
    assert (refused.code, "UnauthorizedCancel" in refused.out) == (1, True)
    network.run(f"weir govern cancel ID {governor}")

    let = re.search(r"`(weir govern schedule Authority\.setRoleGuardian[^`]*)`", GUIDE.text)
    assert let
    network.run(f"{let[1]} {governor}")
    network.remember_waiting()
    network.wait(2 * DAY)
    network.run(f"weir govern execute ID {governor}")
    network.run(change)
    network.remember_waiting()
    network.run(f"weir govern cancel ID {guardian}")


# ------------------------------------------------------------------- closing


def test_a_market_is_closed_in_order(network: Network) -> None:
    """A winner, losers, one of whom loses more than it has, and somebody with a position elsewhere too."""
    winner, loser, defaulter, elsewhere = (network.person() for _ in range(4))
    for each, usd in ((winner, 200_000), (loser, 20_000), (defaulter, 4_000), (elsewhere, 20_000)):
        network.deposit(each, usd)
    weir = network.weir()
    for each in (loser, defaulter, elsewhere):
        network.trade(each, winner, "BTC", 1)
    network.trade(elsewhere, winner, "ETH", 1)

    limit, make, end_feed, close, refresh, *execute = GUIDE.blocks(CLOSE, "sh")[0].splitlines()
    network.names["PRICE"] = "55000e18"
    network.run(limit)
    network.remember_waiting()
    network.wait(2 * DAY, BTC=60_000, ETH=3_000)
    network.run(make)
    assert weir.markets()[0].initial_margin_ratio == 100_000
    with pytest.raises(ContractError, match="OpenInterestAboveCap"):
        network.trade(loser, winner, "BTC", 0.01)

    network.wait(28 * DAY, BTC=60_000, ETH=3_000)
    network.run(end_feed)
    network.wait(DAY, BTC=55_500, ETH=3_000)
    refused = network.try_to(close.replace(" --anyway", ""))
    assert (refused.code, "PriceStillLive" in refused.out) == (1, True)
    network.run(close)
    network.remember_waiting()
    network.wait(DAY, BTC=55_500, ETH=3_000)
    network.run(refresh)
    network.run(execute[0])
    with pytest.raises(ContractError, match="PriceUnavailable"):
        network.withdraw_all(loser)
    network.wait(DAY - 60, ETH=3_000)
    early = network.try_to(execute[1])
    assert (early.code, "PriceStillLive" in early.out or "may be made from" in early.out) == (1, True)
    network.wait(60, ETH=3_000)
    network.run(execute[1])
    market = weir.markets()[0]
    assert (market.status, market.open_interest, market.price) == ("closed", 0, 55_000 * 10**18)

    network.names |= {"ACCOUNT": elsewhere.address, "OTHER_ACCOUNT": winner.address}
    network.run(GUIDE.blocks(CLOSE, "sh")[1])
    (record,) = weir.defaults()
    # 1,000 beyond what it had, fees, and a month's premium.
    assert record.account == defaulter.address
    assert 1_000 * 10**6 < record.shortfall < 1_100 * 10**6
    assert record.skin + record.coinsurance == record.shortfall
    market = weir.markets()[0]
    assert all(account.debt == 0 for account in weir.accounts())
    assert [p.market for p in weir.account(elsewhere.address).positions] == [1]
    assert network.withdraw_all(loser) > 14_000 * 10**6
    assert weir.account(winner.address).claims == market.claims == 0
    for line in collect(weir)["identities"]:
        assert line["holds"], line


# --------------------------------------------------------------------- alerts


def test_a_default_that_is_left_open_is_closed_by_hand(network: Network) -> None:
    trader, market_maker = network.person(), network.person()
    for each, usd in ((trader, 4_000), (market_maker, 100_000)):
        network.deposit(each, usd)
    network.trade(trader, market_maker, "BTC", 1)
    network.set_price("BTC", 55_000)
    network.names["ACCOUNT"] = trader.address
    (script, _) = GUIDE.blocks(ALERTS, "sh")
    flag, deleverage = script.splitlines()
    network.run(flag)
    assert network.weir().account(trader.address).insolvent
    network.wait(10 * 60)
    network.run(deleverage)
    weir = network.weir()
    account = weir.account(trader.address)
    assert (account.positions, account.debt, account.insolvent) == ((), 0, False)
    assert [record.account for record in weir.defaults()] == [trader.address]
    # And what the runbooks ask the index about it.
    network.run("weir index run --once")
    network.names["NUMBER"] = "1"
    asked = {
        line: network.try_to(line) for line in re.findall(r"`(weir index [^`]+)`", GUIDE.section(ALERTS))
    }
    for line, answer in asked.items():
        assert answer.code == 0, answer
        assert answer.out.strip(), line
    assert {line.split()[2] for line in asked} == {"--help", "days", "default", "history", "verify"}


def test_the_reserve_is_made_to_sell(network: Network) -> None:
    (_, script) = GUIDE.blocks(ALERTS, "sh")
    (announced,) = network.run(script)
    assert "weight: 100000 -> 0" in announced.out
    network.remember_waiting()
    network.wait(2 * DAY)
    network.run("weir govern execute ID --keystore keys/governor.json --send")
    (asset,) = network.weir().assets.states()
    assert asset.weight == 0


def test_advances_are_written_off_only_where_there_are_any(network: Network) -> None:
    (written_off,) = re.findall(r"`(weir govern [^`]*writeOffAdvances)`", GUIDE.text)
    dry = network.try_to(f"{written_off} --keystore keys/governor.json")
    assert (dry.code, "would be refused now: NoAdvance()" in dry.out) == (1, True), dry.out


# ------------------------------------------------------------------- database


def test_a_keeper_goes_on_with_an_older_journal_and_with_none(network: Network) -> None:
    """Each time somebody else is liquidated, though its nonce is not the one that it remembers."""
    (_, keeper) = GUIDE.blocks(DEPLOY, "sh")[3].splitlines()
    market_maker = network.person()
    network.deposit(market_maker, 100_000)
    journal, backup = network.folder / "weir.sqlite3", network.folder / "backup.sqlite3"
    (copy, _) = GUIDE.blocks(DATABASE, "sh")
    weir = network.weir()

    def keep_for_somebody() -> None:
        trader = network.person()
        network.deposit(trader, 4_000)
        network.set_price("BTC", 60_000)
        network.trade(trader, market_maker, "BTC", 1)
        network.set_price("BTC", 57_500)
        network.run(keeper.replace("--port 8603", "--steps 1"))
        assert weir.account(trader.address).positions[0].size < 10**18

    keep_for_somebody()
    shell(copy, network.folder)
    keep_for_somebody()
    network.forget()
    shutil.copy(backup, journal)
    keep_for_somebody()
    network.forget()
    keep_for_somebody()
