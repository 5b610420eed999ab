"""The demo, end to end: the outcomes that scenarios promise, the same result twice, and either node."""

import json
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from eth_utils.crypto import keccak

from weir.chain import Event
from weir.client import Weir
from weir.node import Node
from weir.results import FACTORS, RunResult
from weir.scenarios import available, load
from weir.simulation.engine import LEAD, Progress, Settings, Simulation, simulate
from weir.simulation.population import draw
from weir.states import Charge

COARSE = Settings(substeps=1, rounds=1)
"""One jump from each known price to the next: enough to go through everything, in seconds."""
PROPERTIES = {"P1", "P2", "P3", "P4", "P10"}


def demo(scenario: str, folder: Path, *options: str) -> dict[str, Any]:
    """Runs the command as a user does; its JSON."""
    output = folder / "demo.json"
    page = folder / "report.html"
    program = "from weir.cli import main; main()"
    command = [sys.executable, "-c", program, "demo", "--scenario", scenario]
    files = ["--json", str(output), "--report", str(page)]
    done = subprocess.run(
        [*command, *files, *options], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "bar 1 of" in done.stderr
    found: dict[str, Any] = json.loads(output.read_text(encoding="utf-8"))
    RunResult.load(output)
    return found


def total(result: dict[str, Any], layer: str) -> Decimal:
    return sum((Decimal(default["paid"][layer]) for default in result["defaults"]), Decimal(0))


def remainder(result: dict[str, Any]) -> Decimal:
    return sum((Decimal(default["remainder"]) for default in result["defaults"]), Decimal(0))


def test_the_fund_suffices(tmp_path: Path) -> None:
    result = demo("2022-11-ftx", tmp_path)
    assert len(result["defaults"]) > 0
    assert total(result, "skin") > 0
    assert total(result, "junior") == total(result, "senior") == 0
    assert total(result, "unpaid_profit") == remainder(result) == 0
    assert total(result, "mutual") == 0
    # Nobody lost anything of it, and its members had their part of the income.
    fund = result["fund"]
    assert Decimal(fund["after"]["guaranty"]) > Decimal(fund["before"]["guaranty"]) > 0
    assert Decimal(result["fees"]["members"]) > 0


def test_black_thursday_reaches_the_senior_tranche(tmp_path: Path) -> None:
    result = demo("2020-03-12", tmp_path)
    assert result["deleverages"] > 0
    assert total(result, "senior") > 0
    assert total(result, "unpaid_profit") == remainder(result) == 0
    assert Decimal(result["fund"]["after"]["senior"]) > 0
    # Large traders defaulted, and what they had contributed paid first; the others lost nothing by it.
    assert total(result, "own") > 0 == total(result, "mutual")


def test_everything_is_exhausted_and_accounts_are_deleveraged(tmp_path: Path) -> None:
    result = demo("2021-05-19", tmp_path)
    assert result["deleverages"] > 0
    for layer in ("own", "skin", "junior", "senior", "mutual", "unpaid_profit"):
        assert total(result, layer) > 0
    assert remainder(result) > 0
    # No more than half of what the members had, for the market and a day.
    assert Decimal(result["fund"]["after"]["guaranty"]) > 0


def test_a_coin_loses_its_peg(tmp_path: Path) -> None:
    """Debts are paid by sales of collateral, and what skin can't pay at once is advanced and comes back."""
    result = demo("2023-03-usdc", tmp_path)
    coins = result["stablecoins"]
    kinds = {each["kind"] for each in coins["conversions"]}
    assert {"debt", "default", "takeover", "sale"} <= kinds
    recovered = sum(Decimal(each["recovered"]) for each in coins["conversions"])
    assert 0 < recovered < total(result, "skin")
    # The first of them after the first morning, when the coin was at its lowest.
    low = min(coins["series"], key=lambda point: Decimal(point["market"]["USDC"]))
    assert Decimal(low["market"]["USDC"]) == Decimal("0.87")
    assert Decimal(low["collateral_counts"]["USDC"]) < Decimal("0.96") * Decimal(low["collateral"]["USDC"])
    # Skin paid all, first with what it had and then with what the tranches advanced.
    assert total(result, "skin") > Decimal(result["fund"]["before"]["skin"])
    assert total(result, "junior") == total(result, "senior") == 0
    sums: defaultdict[str, Decimal] = defaultdict(Decimal)
    for each in coins["advances"]:
        sums[each["kind"]] += Decimal(each["junior"]) + Decimal(each["senior"])
    assert sums["opened"] == sums["repaid"] > 0
    assert sums["written off"] == 0 == Decimal(result["fund"]["after"]["advanced"])
    opened = [each["time"] for each in coins["advances"] if each["kind"] == "opened"]
    repaid = [each["time"] for each in coins["advances"] if each["kind"] == "repaid"]
    assert min(opened) < min(repaid) <= max(repaid) < min(opened) + 6 * 3_600
    assert any(Decimal(point["advanced"]) > 0 for point in coins["series"])
    # Arbitrageurs bought at a discount, and none lost by it.
    for person in result["participants"]:
        if person["role"] == "arbitrageur":
            assert Decimal(person["equity"]) >= Decimal(person["deposited"])


@pytest.fixture(scope="module")
def coarse() -> RunResult:
    return simulate(load("2024-08-05"), seed=3, settings=COARSE)


def test_the_result_has_everybody_and_everything(coarse: RunResult) -> None:
    roles = [person.role for person in coarse.participants]
    traders = [person for person in coarse.participants if person.role == "trader"]
    assert len(traders) >= 40
    assert roles.count("market maker") == 3
    assert len({trader.leverage for trader in traders}) > 10
    assert len({trader.skill for trader in traders}) > 10
    assert coarse.markets == ("BTC", "ETH")
    assert coarse.trades > 40
    assert coarse.liquidations > 0
    assert len(coarse.series) == 2 * load("2024-08-05").bars + 2
    assert coarse.stablecoins is None
    assert all(person.pledged == 0 for person in coarse.participants)
    assert coarse.series[-2].prices == dict(list(load("2024-08-05").path())[-1].prices)


def test_identities_are_checked_and_hold(coarse: RunResult) -> None:
    assert {identity.id.split(":")[0] for identity in coarse.identities} == PROPERTIES
    assert all(identity.holds for identity in coarse.identities)


def test_the_books_of_the_result_add_up(coarse: RunResult) -> None:
    ledger, fees = coarse.ledger, coarse.fees
    assert ledger.held == ledger.cash + sum(ledger.pools.values()) + ledger.fees
    received = fees.fund + fees.members + fees.treasury + fees.liquidators
    assert fees.paid == received + fees.undistributed
    assert fees.paid > 0
    assert fees.paid == (
        fees.trading + fees.contributions.total + fees.penalties + fees.premium + fees.liquidators
    )
    for default in coarse.defaults:
        assert default.difference == 0
    for event in (*coarse.liquidation_events, *coarse.deleverage_events):
        assert event.positions
        assert all(position.size > 0 for position in event.positions)


@pytest.fixture(scope="module")
def short() -> tuple[RunResult, tuple[Charge, ...], list[Event]]:
    """The first bars of a crash; what the client reads of contributions, and all events of the system."""
    scenario = load("2020-03-12")
    bars = {market: bars[:6] for market, bars in scenario.markets.items()}
    with Node("anvil", timestamp=int(scenario.start.timestamp()) - LEAD) as node:
        run = Simulation(
            node, scenario.model_copy(update={"markets": bars}), 2, COARSE, progress=lambda _: None
        )
        run.play()
        weir = run.stage.weir
        contracts = (weir.vault, weir.clearing_house, weir.fund, weir.guaranty, weir.policy)
        last = int(weir.chain.rpc("eth_blockNumber"), 16)
        events = weir.chain.logs([each.address for each in contracts], weir.deployment.block, last)
        return run.result(0), weir.contributions(), events


def test_contributions_are_those_of_the_events(
    short: tuple[RunResult, tuple[Charge, ...], list[Event]],
) -> None:
    result, charges, events = short
    by_account: defaultdict[str, int] = defaultdict(int)
    by_market: defaultdict[int | None, int] = defaultdict(int)
    for charge in charges:
        by_account[charge.account] += charge.amount
        by_market[charge.market] += charge.amount
    total = sum(charge.amount for charge in charges)
    assert total == sum(event["amount"] for event in events if event.name == "ContributionPaid") > 0
    assert result.fees.contributions.total == Decimal(total) / 10**6
    assert result.income["BTC"].contributions.total == Decimal(by_market[0]) / 10**6
    assert result.withdrawal_contributions.total == Decimal(by_market[None]) / 10**6
    for person in result.participants:
        assert person.contributions.total == Decimal(by_account[person.address]) / 10**6
    assert result.series[-1].contributions == result.fees.contributions.total
    # Each factor, to the few units that the splits of single charges round.
    rates = dict(zip(FACTORS, ("scarcity", "concentration", "leverage", "tier_rate"), strict=True))
    for factor, amount in result.fees.contributions.items():
        exact = sum(
            Decimal(charge.amount * getattr(charge, rates[factor]))
            / (charge.scarcity + charge.concentration + charge.leverage + charge.tier_rate)
            for charge in charges
        )
        assert abs(amount * 10**6 - exact) < 4 * len(charges)


def test_premium_and_fees_are_those_of_the_events(
    short: tuple[RunResult, tuple[Charge, ...], list[Event]],
) -> None:
    result, _, events = short

    def total(name: str, *arguments: str) -> Decimal:
        return Decimal(sum(e[a] for e in events if e.name == name for a in arguments)) / 10**6

    fees = result.fees
    assert fees.premium_charged == total("PremiumCharged", "amount") > 0
    assert fees.premium_charged == sum(income.premium_charged for income in result.income.values())
    assert fees.premium_charged == result.series[-1].premium
    assert fees.premium_collected == total("IncomeCollected", "premium")
    assert fees.premium_collected <= fees.premium <= fees.premium_charged
    assert fees.trading == total("Exchanged", "payerFee", "payeeFee")
    assert fees.trading == sum(person.fees for person in result.participants)
    assert fees.fund + fees.members == total("IncomeCollected", "fees", "levies", "premium") - fees.treasury
    assert fees.members == total("Earned", "amount")
    # The wind-up collects everything there is.
    assert fees.income == fees.fund + fees.members
    assert fees.undistributed == 0


def test_memberships_are_those_of_the_events(
    short: tuple[RunResult, tuple[Charge, ...], list[Event]],
) -> None:
    result, _, events = short
    roles = {person.role for person in result.members}
    assert roles == {"market maker", "trader"}
    joined: defaultdict[str, int] = defaultdict(int)
    own: defaultdict[str, int] = defaultdict(int)
    mutual = 0
    for event in events:
        if event.name == "Joined":
            joined[event["account"]] += event["amount"]
        elif event.name == "LossBorne":
            own[event["account"]] += event["own"]
            mutual += event["mutual"]
    assert {person.address for person in result.members} >= joined.keys()
    books = {person.address: person.membership for person in result.members if person.membership}
    slack = Decimal(len(books) * (1 + len(result.defaults))) / 10**6
    for address, membership in books.items():
        assert membership.contributed == Decimal(joined[address]) / 10**6
        assert membership.own == Decimal(own[address]) / 10**6
        gained = membership.earned - membership.own - membership.mutual
        assert abs(membership.balance - membership.contributed - gained) <= slack
    assert sum(own.values()) == sum(d.paid.own for d in result.defaults) * 10**6 > 0
    assert Decimal(mutual) / 10**6 == result.paid.mutual
    assert abs(sum(membership.mutual for membership in books.values()) - result.paid.mutual) <= slack
    # They joined before anybody traded.
    first = next(i for i, event in enumerate(events) if event.name == "Traded")
    assert sum(event.name == "Joined" for event in events[:first]) == len(joined)
    # What they have together is the fund's.
    after = result.fund.after.guaranty
    assert after == result.fund.before.guaranty + result.fees.members - result.paid.guaranty
    assert 0 <= after - sum(membership.balance for membership in books.values()) <= slack


def test_a_loss_past_the_tranches_is_borne_by_all_members() -> None:
    """In one market within a day they pay half of what they have, and no more."""
    result = simulate(load("2021-05-19"), settings=COARSE)
    before, after = result.fund.before.guaranty, result.fund.after.guaranty
    assert before - result.paid.guaranty + result.fees.members == after
    assert 0 < result.paid.mutual <= (before + result.fees.members) / 2
    bearers = [one.membership for one in result.members if one.membership and one.membership.mutual]
    assert len(bearers) > 2
    assert abs(sum(each.mutual for each in bearers) - result.paid.mutual) < Decimal("0.0001")
    assert all(identity.holds for identity in result.identities)


def test_every_post_is_what_its_hashes_say(
    short: tuple[RunResult, tuple[Charge, ...], list[Event]],
) -> None:
    result, _, events = short
    posted = [event for event in events if event.name in ("TargetPosted", "TiersPosted")]
    assert len(posted) == len(result.posts) >= 6
    for event, post in zip(posted, result.posts, strict=True):
        assert (event.name == "TargetPosted") == (post.kind == "target")
        assert event["evidence"]["inputs"] == keccak(text=post.inputs)
        assert event["evidence"]["outputs"] == keccak(text=post.outputs)
        assert event["evidence"]["blockNumber"] == post.block < event.block
        outputs = json.loads(post.outputs)
        if post.kind == "target":
            assert event["target"] == outputs["target"]
        else:
            assert event["count"] == len(outputs["tiers"])


@pytest.fixture(scope="module")
def depegged() -> Iterator[tuple[RunResult, Weir]]:
    """The depeg in single jumps, and its chain."""
    scenario = load("2023-03-usdc")
    with Node("anvil", timestamp=int(scenario.start.timestamp()) - LEAD) as node:
        run = Simulation(node, scenario, 1, COARSE, progress=lambda _: None)
        run.play()
        yield run.result(0), run.stage.weir


def test_conversions_are_those_of_the_events(depegged: tuple[RunResult, Weir]) -> None:
    result, weir = depegged
    assert result.stablecoins is not None
    contracts = (weir.assets.collateral, weir.assets.reserve, weir.fund)
    last = int(weir.chain.rpc("eth_blockNumber"), 16)
    events = weir.chain.logs([each.address for each in contracts], weir.deployment.block, last)

    def amount(name: str, argument: str, **where: bool) -> Decimal:
        chosen = (event for event in events if event.name == name)
        return (
            Decimal(sum(e[argument] for e in chosen if all(bool(e[k]) == v for k, v in where.items())))
            / 10**6
        )

    found = {kind: paid for kind, _, _, paid, _ in result.stablecoins.totals}
    assert found["debt"] == amount("Sold", "cost", id=False) > 0
    assert found.get("default", 0) == amount("Sold", "cost", id=True)
    assert found.get("takeover", 0) == amount("Taken", "cost")
    assert found["sale"] == amount("AssetSold", "cost") > 0
    opened, repaid = (result.stablecoins.advanced(kind) for kind in ("opened", "repaid"))
    assert opened == amount("Advanced", "junior") + amount("Advanced", "senior") > 0
    assert repaid == amount("AdvanceRepaid", "junior") + amount("AdvanceRepaid", "senior")
    assert all(each.loss <= 0.02 + 1e-9 for each in result.stablecoins.conversions)


def test_stablecoins_of_the_result_are_those_of_the_chain(depegged: tuple[RunResult, Weir]) -> None:
    result, weir = depegged
    assert result.stablecoins is not None
    last = result.stablecoins.series[-1]
    usdc, save = weir.assets.states()
    assert last.reserve == {"USDC": weir.usd(usdc.reserve_worth), "SAVE": weir.usd(save.reserve_worth)}
    assert last.collateral_counts["USDC"] == weir.usd(usdc.pledged_value)
    assert result.fund.after.reserve == weir.usd(usdc.reserve_value + save.reserve_value)
    assert len(result.stablecoins.series) == len(result.series)
    assert [point.time for point in result.stablecoins.series] == [point.time for point in result.series]
    ids = {identity.id for identity in result.identities}
    assert {"P1:USDC", "P1:SAVE", "P1:fund", "conversions"} <= ids
    assert all(identity.holds for identity in result.identities)


def test_money_of_traders_and_liquidators_is_counted_once(depegged: tuple[RunResult, Weir]) -> None:
    """What was put in is what the scenario's people had, however often collateral has changed hands."""
    result, _ = depegged
    scenario = load("2023-03-usdc")
    people = draw(1, ("BTC",), leverage=2, traders=44, fund=scenario.fund, crowd="short", stablecoins=True)
    planned = dict((*people.deposits(),))
    pledges = dict(people.pledges())
    liquidators = [one for one in result.participants if one.role == "liquidator"]
    assert [one.deposited for one in liquidators] == [planned[each.name] for each in people.liquidators]
    traders = [one for one in result.participants if one.role == "trader"]
    for one, trader in zip(traders, people.traders, strict=True):
        pledged = Decimal(f"{pledges.get(trader.name, 0):.2f}")
        assert one.pledged == pledged
        # Nobody has put in less than planned, nor more than his reserve besides.
        put_in = one.deposited - pledged - Decimal(f"{planned[trader.name]:.2f}")
        assert 0 <= put_in <= Decimal(f"{trader.reserve:.2f}")


def test_a_depeg_with_the_same_seed_is_the_same(depegged: tuple[RunResult, Weir]) -> None:
    result, _ = depegged
    again = simulate(load("2023-03-usdc"), settings=COARSE)
    assert again.model_copy(update={"seconds": result.seconds}) == result


def test_a_fund_too_small_caps_new_risk_and_makes_it_dear() -> None:
    scenario = load("2020-03-12")
    bars = {market: bars[:2] for market, bars in scenario.markets.items()}
    settings = Settings(substeps=1, rounds=1, fund_factor=0.1)
    result = simulate(scenario.model_copy(update={"markets": bars}), seed=3, settings=settings)
    first = result.series[0]
    cap = result.fund.before.assets * int(result.parameters["funding"]["cap_multiple"]) / 10**6
    assert result.refusals["OpenInterestAboveFundCap"] > 0
    assert 0 < first.open_interest <= cap
    assert first.scarcity > 0
    assert result.fees.contributions.scarcity > 0
    assert all(identity.holds for identity in result.identities)


def test_same_seed_same_result(coarse: RunResult) -> None:
    seen: list[Progress] = []
    again = simulate(load("2024-08-05"), seed=3, settings=COARSE, progress=seen.append)
    assert again.model_copy(update={"seconds": coarse.seconds}) == coarse
    assert seen[-1].done == seen[-1].total


def test_another_seed_another_result(coarse: RunResult) -> None:
    other = simulate(load("2024-08-05"), seed=4, settings=COARSE)
    assert [person.deposited for person in other.participants] != [
        person.deposited for person in coarse.participants
    ]


def test_ganache_runs_it_too() -> None:
    """Two bars and a small crowd: its EVM is written in JavaScript, and takes its time."""
    scenario = load("2020-03-12")
    short = {market: bars[:2] for market, bars in scenario.markets.items()}
    settings = Settings(substeps=1, rounds=1, traders=8)
    result = simulate(scenario.model_copy(update={"markets": short}), "ganache", seed=3, settings=settings)
    assert result.node == "ganache"
    assert all(identity.holds for identity in result.identities)
    assert result.liquidations > 0
    assert result.defaults


@pytest.mark.parametrize(
    "name",
    sorted({*available()} - {"2020-03-12", "2021-05-19", "2022-11-ftx", "2023-03-usdc", "2024-08-05"}),
)
def test_every_scenario_runs(name: str) -> None:
    result = simulate(load(name), settings=COARSE)
    assert all(identity.holds for identity in result.identities)
    assert result.liquidations > 0
