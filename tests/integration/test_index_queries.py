"""A crash, indexed: the state at every block, and the queries beside the chain and the run's result."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from weir.cli import cli
from weir.client import Weir
from weir.index import scenarios
from weir.index.comparing import Difference
from weir.index.follow import Follower
from weir.index.queries import (
    account_history,
    contributions,
    days,
    income_by_source,
    layers,
    newest,
    post_mortem,
    state_at,
)
from weir.index.queries.history import AddressError
from weir.index.tables import NotIndexedError
from weir.index.verify import Verified, verify
from weir.layers import LAYERS
from weir.node import Node
from weir.results import FACTORS, RunResult
from weir.scenarios import load
from weir.simulation.engine import LEAD, Settings, Simulation
from weir.store import Store

NAME = "2023-03-usdc"
SCENARIO = load(NAME)
SETTINGS = Settings(substeps=1, traders=12, fund_factor=0.2)


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[RunResult, Weir]]:
    """Stablecoins as margin and in the reserve, a crash of one of them, a fund too small."""
    with Node("anvil", timestamp=int(SCENARIO.start.timestamp()) - LEAD) as node:
        run = Simulation(node, SCENARIO, 3, SETTINGS, lambda _: None)
        run.play()
        yield run.result(0.0), run.stage.weir


@pytest.fixture(scope="module")
def result(played: tuple[RunResult, Weir]) -> RunResult:
    return played[0]


@pytest.fixture(scope="module")
def weir(played: tuple[RunResult, Weir]) -> Weir:
    return played[1]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('index') / 'queries.sqlite3'}"


@pytest.fixture(scope="module")
def index(weir: Weir, url: str) -> Store:
    store = Store.open(url)
    follower = Follower(weir.chain, weir.deployment, store)
    while follower.step().behind:
        pass
    return store


def test_the_rebuilt_state_is_the_chains_at_every_block(weir: Weir, index: Store) -> None:
    found = verify(weir.chain, weir.deployment, index)
    assert not found.differences, list(map(str, found.differences))
    assert found.blocks == found.last - found.first + 1
    assert found.words > 400 * found.blocks


def test_the_scenario_has_what_is_to_be_shown(result: RunResult) -> None:
    assert result.defaults
    assert result.liquidations
    assert result.stablecoins is not None
    assert result.stablecoins.conversions


# -------------------------------------------------------------------- accounts


def test_the_states_accounts_are_the_clients(weir: Weir, index: Store) -> None:
    """Another way to the chain than the comparison's: what the lens adds up."""
    state = state_at(index)
    for account in weir.accounts():
        rebuilt = state.accounts[account.address]
        assert rebuilt.cash == account.cash
        assert sum(rebuilt.debts.values()) == account.debt
        assert rebuilt.flagged_at == account.flagged_at
        live = {position.market for position in account.positions if position.size}
        assert live <= set(rebuilt.positions)


def test_a_history_tells_all_that_concerns_an_account_in_order(weir: Weir, index: Store) -> None:
    traders = [each for each in weir.accounts() if each.address != weir.fund.address]
    for account in traders:
        history = account_history(index, account.address.lower())
        assert history == tuple(sorted(history, key=lambda each: (each.block, each.log_index)))
        assert history[0].text
        moved: Counter[str] = Counter()
        for each in history:
            if each.contract == "Vault":
                moved[each.name] += each.arguments.get("amount", 0)
        logs = weir.chain.logs([weir.vault.address], weir.deployment.block, history[-1].block, ["Deposited"])
        deposits = sum(log["amount"] for log in logs if log["account"] == account.address)
        assert moved["Deposited"] == deposits > 0
        assert account_history(index, account.address, limit=3) == history[-3:]
        middle = history[len(history) // 2].time
        early = account_history(index, account.address, until=middle)
        late = account_history(index, account.address, since=middle + 1)
        assert early + late == history


def test_nobody_has_no_history_and_no_address_is_refused(index: Store) -> None:
    assert account_history(index, "0x" + "77" * 20) == ()
    with pytest.raises(AddressError):
        account_history(index, "trader")


# -------------------------------------------------------------------- defaults


def test_post_mortems_are_the_records(weir: Weir, result: RunResult, index: Store) -> None:
    records = weir.defaults()
    assert len(records) == len(result.defaults)
    for record in records:
        found = post_mortem(index, record.id)
        assert (found.account, found.market, found.time) == (record.account, record.market, record.time)
        assert (found.shortfall, found.remainder) == (record.shortfall, record.remainder)
        paid = {use.layer: use.paid for use in found.layers}
        assert paid == {layer: getattr(record, layer) for layer in LAYERS} | {"remainder": record.remainder}
        assert sum(paid.values()) == record.shortfall
        assert (found.recovered, found.open) == (record.recovered, weir.recovered(record.id).open)
        assert found.recovered == sum(each.amount for each in found.repayments)
        assert found.flagged_at
        assert found.attempts[-1].transaction == found.transaction
        assert found.prices
        assert all(found.time - 3_600 <= each.time <= found.time for each in (*found.hour, *found.prices))
        assert any(each.name == "Defaulted" for each in found.hour)


def test_what_a_default_took_is_what_those_lost_who_were_charged(weir: Weir, index: Store) -> None:
    for record in weir.defaults():
        charged: Counter[str] = Counter()
        for bearer in post_mortem(index, record.id).charged:
            charged[bearer.what] += bearer.amount
        assert (charged["skin"], charged["junior"]) == (record.skin, record.junior)
        assert charged["senior"] == record.senior
        assert charged["contribution"] == record.own
        assert charged["open interest"] == record.remainder
        # Each claim, each balance rounds by itself.
        assert abs(charged["profit"] - record.coinsurance - record.unpaid_profit) <= 50
        assert abs(charged["mutual"] - record.mutual) <= 50


def test_layers_that_paid_less_than_was_asked_were_spent(weir: Weir, index: Store) -> None:
    """The first layer that had room left was the last to pay."""
    for record in weir.defaults():
        uses = {use.layer: use for use in post_mortem(index, record.id).layers}
        for layer, later in (("skin", "junior"), ("junior", "senior")):
            use = uses[layer]
            if uses[later].paid and not record.recovered:
                assert use.left == 0


def test_skin_without_s_still_has_what_can_be_advanced_on_its_reserve(weir: Weir, index: Store) -> None:
    """As the contracts count it: to the precision of an observed coverage, which is parts per million."""
    spent: set[bool] = set()
    for record in weir.defaults():
        found = post_mortem(index, record.id)
        fund = weir.fund_state(block=found.block)
        reserve = sum(asset.reserve_value for asset in weir.assets.states(block=found.block))
        open_ = max(0, reserve - fund.advanced_junior - fund.advanced_senior)
        uses = {use.layer: use for use in found.layers}
        exact = min(open_, fund.junior + fund.senior)
        assert abs(uses["skin"].advances - exact) <= 2 * fund.target // 10**6
        assert not any(use.advances for layer, use in uses.items() if layer != "skin")
        assert uses["skin"].left == 0
        # Only when no more can be advanced do the tranches pay for themselves.
        assert not (exact and uses["junior"].paid)
        spent.add(exact == 0)
    assert spent == {True, False}


def test_a_default_that_never_was(index: Store) -> None:
    with pytest.raises(LookupError, match="no default 999"):
        post_mortem(index, 999)


# ----------------------------------------------------------------------- money


def test_income_is_what_the_run_counted(weir: Weir, result: RunResult, index: Store) -> None:
    (total,) = income_by_source(index, period=None)
    fees, usd = result.fees, weir.usd
    assert usd(total.fees) == fees.trading
    assert usd(total.penalties) == fees.penalties
    for factor in FACTORS:
        assert usd(getattr(total, factor)) == getattr(fees.contributions, factor), factor
    assert usd(total.premium_charged) == fees.premium_charged
    assert usd(total.premium) == fees.premium
    assert usd(total.treasury) == fees.treasury
    assert usd(total.members) == fees.members
    assert total.collected == total.treasury + total.skin + total.stream + total.members
    state = state_at(index)
    cash = state.accounts[state.fund_address].cash
    assert total.paid == total.collected + state.fees + state.levies + cash
    by_hour = income_by_source(index, period=3_600)
    assert len(by_hour) > 5
    assert sum(each.paid for each in by_hour) == total.paid
    assert all(each.end - each.start == 3_600 for each in by_hour)


def test_contributors_are_the_runs(weir: Weir, result: RunResult, index: Store) -> None:
    found = contributions(index)
    traders = {each.account: each for each in found if each.part == "trader"}
    for participant in result.participants:
        paid = traders[participant.address].put_in if participant.address in traders else 0
        assert weir.usd(paid) == participant.contributions.total
    members = {each.account: each.put_in for each in found if each.part == "member"}
    for participant in result.members:
        if participant.membership is not None:
            assert weir.usd(members.get(participant.address, 0)) == participant.membership.contributed
    staked = sum(each.put_in - each.taken_out for each in found if each.part in ("junior", "senior"))
    logs = weir.chain.logs([weir.fund.address], weir.deployment.block, state_at(index).block, ["Staked"])
    assert staked == sum(log["assets"] for log in logs)
    assert sum(each.put_in for each in found if each.part == "gift") > 0
    assert any(each.part.startswith("gift of ") for each in found)
    assert [each.put_in for each in found if each.part == "trader"] == sorted(
        (each.put_in for each in traders.values()), reverse=True
    )


def test_days_add_up(weir: Weir, result: RunResult, index: Store) -> None:
    found = days(index)
    assert [each.start for each in found] == list(range(found[0].start, found[-1].start + 1, 86_400))
    (total,) = income_by_source(index, period=None)
    assert sum(each.income for each in found) == total.skin + total.stream
    assert sum(each.to_members for each in found) == total.members
    assert sum(each.defaults for each in found) == len(result.defaults)
    bounties = weir.chain.logs(
        [weir.fund.address], weir.deployment.block, state_at(index).block, ["BountyPaid"]
    )
    losses = sum(each.losses for each in found)
    assert weir.usd(losses - sum(log["amount"] for log in bounties)) == result.paid.fund
    assert sum(each.mutual for each in found) == sum(each.own + each.mutual for each in weir.defaults())
    for day in found:
        assert day.utilisation is None or day.utilisation == day.losses / day.fund
        assert day.replenishment is None or day.replenishment == day.income / day.fund
    middle = found[1].start + 40_000
    assert days(index, since=middle, until=middle) == (found[1],)
    assert days(index, since=middle) == found[1:]
    assert days(index, since=found[-1].start + 10 * 86_400) == ()


def test_the_last_point_of_the_layers_is_the_funds_state(weir: Weir, index: Store) -> None:
    series = layers(index, points=10**9)
    last, fund = series[-1], weir.fund_state(block=series[-1].block)
    assert (last.skin, last.unvested) == (fund.skin, fund.unvested)
    assert (last.junior, last.senior) == (fund.junior, fund.senior)
    assert last.advanced == fund.advanced_junior + fund.advanced_senior
    assert (last.guaranty, last.target) == (fund.guaranty.total, fund.target)
    # What the reserve counts for is as old as the last look of the policy.
    assert abs(last.reserve - fund.reserve) <= fund.reserve // 20 + fund.target // 10**5
    thin = layers(index, points=40)
    assert len(thin) <= 40
    assert (thin[0], thin[-1]) == (series[0], series[-1])
    assert min(point.assets for point in thin[1:]) == min(point.assets for point in series[1:])


def test_states_of_earlier_blocks(weir: Weir, index: Store) -> None:
    newest = state_at(index).block
    for block in (newest // 3, newest // 2, newest):
        state = state_at(index, block)
        assert state.fund.skin == weir.chain.call(weir.fund.functions.skin(), block=block)[0]
    with pytest.raises(LookupError, match="is not indexed"):
        state_at(index, newest + 10_000)


# ---------------------------------------------------------------- the commands


@pytest.mark.parametrize("query", ["income", "contributions", "days", "layers", "state", "default 1"])
def test_each_query_has_a_table_and_json(url: str, index: Store, query: str) -> None:
    assert index
    table = CliRunner().invoke(cli, ["index", *query.split(), "--store", url])
    assert table.exit_code == 0, table.output
    assert len(table.output.splitlines()) > 5
    answer = CliRunner().invoke(cli, ["index", *query.split(), "--store", url, "--json"])
    assert json.loads(answer.output)


def test_the_history_in_words(weir: Weir, url: str, index: Store) -> None:
    assert index
    account = weir.accounts()[0].address
    answer = CliRunner().invoke(cli, ["index", "history", account, "--store", url], env={"COLUMNS": "200"})
    assert "deposited $" in answer.output
    assert "fee $" in answer.output


def test_who_has_no_history_is_told_so(url: str, index: Store) -> None:
    nobody = "0x" + "ab" * 20
    last = newest(index).number
    command = ["index", "history", nobody, "--store", url]
    answer = CliRunner().invoke(cli, command)
    assert answer.exit_code == 0
    assert answer.output == f"Nothing has happened to {nobody}; the index goes up to block {last}.\n"
    answer = CliRunner().invoke(cli, [*command, "--until", "2001-01-01"])
    assert f"to {nobody} in that time;" in answer.output
    answer = CliRunner().invoke(cli, [*command, "--json"])
    assert (answer.exit_code, json.loads(answer.output)) == (0, [])


# -------------------------------------------------------------- make reconcile


@pytest.fixture
def reconciled(weir: Weir, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """`make reconcile` where the one scenario there is has been played already; where its page goes."""
    page = tmp_path / "reconcile.md"
    monkeypatch.setattr(scenarios, "PAGE", page)
    monkeypatch.setattr(scenarios, "available", lambda: (NAME,))
    monkeypatch.setattr(scenarios, "simulate", lambda *_, then, **__: then(None, weir))
    return page


def test_a_reconciliation_is_written_down(reconciled: Path) -> None:
    answer = CliRunner().invoke(scenarios.main, ["--write", "--every", "200", "--seed", "3"])
    assert answer.exit_code == 0, answer.output
    assert answer.output.endswith(" 0 differences\n")
    row = next(line for line in reconciled.read_text().splitlines() if line.startswith(f"| {NAME}"))
    _, _, seed, events, blocks, numbers, differences, _ = (cell.strip() for cell in row.split("|"))
    assert (seed, differences) == ("3", "0")
    assert int(numbers.replace(",", "")) > 100 * int(blocks.replace(",", "")) > 0
    assert int(events.replace(",", "")) > 1_000


def test_a_difference_is_written_down_too(reconciled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Verified(5, 6, 2, 300, (Difference(6, "Vault.cashOf", 0, 1, 2),))
    monkeypatch.setattr(scenarios, "verify", lambda *_, **__: wrong)
    answer = CliRunner().invoke(scenarios.main, ["--write"])
    assert answer.exit_code == 1
    assert "Vault.cashOf" in answer.output
    assert "| 2 | 300 | 1 |" in reconciled.read_text()


def test_a_part_is_no_record(reconciled: Path) -> None:
    assert CliRunner().invoke(scenarios.main, ["--write", NAME]).exit_code == 2
    assert not reconciled.exists()


def test_an_empty_database_says_what_to_do(tmp_path: Path) -> None:
    store = Store.open(f"sqlite:///{tmp_path / 'empty.sqlite3'}")
    with pytest.raises(NotIndexedError, match="weir index run"):
        layers(store)
