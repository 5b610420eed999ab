"""The result of a run, its JSON, and the reports made from it."""

from __future__ import annotations

import json
import random
from collections.abc import Iterable
from decimal import Decimal
from io import StringIO
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from rich.console import Console

from tests.page import Page
from weir import formatting, report, report_console
from weir.results import (
    CONVERSIONS,
    FACTORS,
    FUND_LAYERS,
    GUARANTY_LAYERS,
    LAYERS,
    Advance,
    Chain,
    Closed,
    CloseOut,
    Contributions,
    Conversion,
    Default,
    Fees,
    Fund,
    FundState,
    Gas,
    Identity,
    Ledger,
    ListedAsset,
    MarketIncome,
    Membership,
    Paid,
    Participant,
    Post,
    RunResult,
    SeriesPoint,
    Slack,
    StablecoinPoint,
    Stablecoins,
)
from weir.scenarios import load

Amounts = dict[str, Decimal]

SMALL: Amounts = {"skin": Decimal(150_000), "junior": Decimal(300_000), "senior": Decimal(900_000)}
SENIOR: Amounts = {"skin": Decimal(40_000), "junior": Decimal(90_000), "senior": Decimal(900_000)}
GUARANTY = Decimal(30_000)
EXHAUSTED: Amounts = {"skin": Decimal(20_000), "junior": Decimal(30_000), "senior": Decimal(60_000)}


def make_result(
    name: str = "2020-03-12",
    *,
    fund: Amounts | None = None,
    defaults: int = 6,
    coinsurance: Decimal = Decimal("0.1"),
    **changes: Any,
) -> RunResult:
    """A made-up run over a shipped scenario: liquidations on the way down, defaults at the lows."""
    rng = random.Random(name)
    scenario = load(name)
    points = list(scenario.path())
    layers = dict(fund or SMALL) | {"guaranty": GUARANTY}
    before = _state(layers, Decimal(8_000_000))
    people = [
        Participant(
            address=f"0x{rng.getrandbits(160):040x}",
            role="market maker" if i < 3 else "trader",
            leverage=None if i < 3 else round(rng.uniform(2, 25), 1),
            skill=None if i < 3 else round(rng.random(), 2),
            deposited=Decimal(500_000 if i < 3 else rng.randrange(2_000, 90_000)),
            equity=Decimal(rng.randrange(0, 9_000_000)) / 100,
            liquidations=rng.randrange(0, 2),
            fees=Decimal(rng.randrange(0, 90_000)) / 100,
            membership=_membership(i) if i < 5 else None,
            contributions=Contributions(
                concentration=Decimal(rng.randrange(0, 9_000)) / 100 if i < 20 else Decimal(0),
                tier=Decimal(rng.randrange(1, 9_000)) / 100 if i < 20 else Decimal(0),
            ),
        )
        for i in range(46)
    ]
    contributed = Contributions.sum(one.contributions for one in people)
    withdrawn = Contributions(leverage=Decimal("3.25"))
    lows = sorted((p for p in points if p.kind == "low"), key=lambda p: p.prices["BTC"])[: defaults // 2 + 1]
    default_times = {low.timestamp: low for low in lows}
    series: list[SeriesPoint] = []
    liquidations: list[CloseOut] = []
    deleverages: list[CloseOut] = []
    records: list[Default] = []
    for point in points:
        drop = 1 - float(point.prices["BTC"] / points[0].prices["BTC"])
        for market in scenario.markets:
            for _ in range(rng.randrange(0, 1 + int(14 * max(0.0, drop)))):
                position = Closed(
                    market=market,
                    side="long",
                    size=Decimal(rng.randrange(1, 900)) / 100,
                    price=point.prices[market],
                )
                liquidations.append(
                    CloseOut(
                        time=point.timestamp + 12,
                        account=rng.choice(people).address,
                        caller=people[0].address,
                        fraction=rng.choice([0.25, 0.5, 1.0]),
                        positions=(position,),
                        bounty=Decimal(rng.randrange(100, 90_000)) / 100,
                    )
                )
        if point.timestamp in default_times:
            for _ in range(2):
                if len(records) == defaults:
                    break
                shortfall = Decimal(rng.randrange(1_000_000, 9_000_000)) / 100
                who = people[-len(records) - 1]
                time = point.timestamp + 24
                records.append(_default(len(records) + 1, time, who, shortfall, layers, coinsurance))
                if records[-1].paid.unpaid_profit:
                    deleverages.append(liquidations[-1].model_copy(update={"bounty": Decimal(0)}))
        exposure = Decimal(round(9_000_000 * (1 - max(0.0, drop) * 1.4), 2))
        state = _state(layers, max(exposure, Decimal(100_000)))
        series.append(
            SeriesPoint(
                time=point.timestamp,
                prices=dict(point.prices),
                **layers,
                open_interest=exposure,
                coverage=state.coverage,
                liquidations=len(liquidations),
                deleverages=len(deleverages),
                margin_used=0.3 + max(0.0, drop),
                premium_rate=5_000 + int(40_000 * max(0.0, drop)),
                scarcity=int(900 * max(0.0, drop)),
                fund_share=800_000,
                contributions=contributed.total,
                premium=Decimal("12.5"),
            )
        )
    pools = {market: Decimal("12345.67") for market in scenario.markets}
    zero = dict.fromkeys(scenario.markets, Decimal(0))
    cash, fees = Decimal("2456789.123456"), Decimal("120.50")
    fields: dict[str, Any] = {
        "scenario": scenario.id,
        "title": scenario.title,
        "description": scenario.description,
        "source": scenario.source,
        "node": "anvil",
        "seed": 7,
        "seconds": 41.3,
        "chain": Chain(id=31337, first_block=1, last_block=1_912, transactions=4_321),
        "accounts": len(people),
        "participants": people,
        "trades": 812,
        "liquidations": len(liquidations),
        "liquidation_events": liquidations,
        "deleverages": len(deleverages),
        "deleverage_events": deleverages,
        "defaults": records,
        "fees": Fees(
            paid=Decimal("51234.56"),
            fund=Decimal("20393.57"),
            members=Decimal("100.25"),
            treasury=Decimal("10120.24"),
            liquidators=Decimal("20500.00"),
            undistributed=fees,
            trading=Decimal("24310.06"),
            contributions=Contributions.sum([contributed, withdrawn]),
            penalties=Decimal("6310.5"),
            premium_charged=Decimal("130.25"),
            premium=Decimal("114.75"),
            premium_collected=Decimal("100.75"),
        ),
        "income": {
            market: MarketIncome(
                contributions=contributed if i == 0 else Contributions(), premium_charged=Decimal("65.125")
            )
            for i, market in enumerate(scenario.markets)
        },
        "refusals": {"InitialMarginNotMet": 3, "NewRiskStopped": 17},
        "posts": [Post(kind="target", time=points[0].timestamp, block=9, inputs="{}", outputs="{}")],
        "ledger": Ledger(
            held=cash + sum(pools.values()) + fees,
            cash=cash,
            fees=fees,
            pools=pools,
            claims=dict.fromkeys(scenario.markets, Decimal("12000.00")),
            debt=zero,
            unsettled=dict.fromkeys(scenario.markets, Decimal("345.669997")),
        ),
        "fund": Fund(before=before, after=_state(layers, Decimal(4_000_000), streaming=Decimal("811.25"))),
        "series": series,
        "identities": [
            _identity("P1", "S held = cash + pools + undistributed fees", "0", "0"),
            *(
                _identity(f"P2:{market}", "pool ≥ claims + unsettled − debt", "0.000003", "0.0002")
                for market in scenario.markets
            ),
            _identity("P4", "paid by layers + remainder = shortfall, each default", "0", "0"),
            _identity("P10", "fees paid = fund + treasury + liquidators", "0", "0"),
        ],
        "slack": Slack(max=Decimal("0.000004"), mean=Decimal("0.0000011")),
        "gas": {
            "trade": Gas(count=812, mean=161_234.5, max=244_120),
            "liquidate": Gas(count=80, mean=231_000, max=329_000),
        },
        "parameters": {
            "Fund": {"Coinsurance": "10%", "Budget per market": "$1,000,000"},
            "BTC": {"Initial margin": "4%"},
        },
    }
    return RunResult(**fields | changes)


def make_stablecoins(times: Iterable[int] | None = None) -> Stablecoins:
    """A coin that loses a tenth in the middle of the run, and a share of S; one conversion of each kind."""
    times = list(times or (1_000, 2_000, 3_000))
    points = []
    for i, time in enumerate(times):
        price = Decimal("0.9") if i == len(times) // 2 else Decimal("1.0002")
        counted = min(price, Decimal(1))
        points.append(
            StablecoinPoint(
                time=time,
                market={"USDC": price, "SAVE": Decimal("1.01")},
                prices={"USDC": counted, "SAVE": Decimal("1.01")},
                collateral={"USDC": 4_000 * counted, "SAVE": Decimal(0)},
                collateral_counts={"USDC": 3_800 * counted, "SAVE": Decimal(0)},
                reserve={"USDC": 600 * counted, "SAVE": Decimal(303)},
                reserve_counts={"USDC": 570 * counted, "SAVE": Decimal("287.85")},
                skin=Decimal(77 + i),
                advanced=Decimal(250) if i == len(times) // 2 else Decimal(0),
            )
        )
    return Stablecoins(
        assets=(
            ListedAsset(symbol="USDC", haircut=0.05, discount=0.02, weight=0.6),
            ListedAsset(symbol="SAVE", is_share=True, haircut=0.05, discount=0.02, weight=0.3),
        ),
        conversions=tuple(
            Conversion(
                kind=kind,
                time=times[0] + i,
                account="" if kind in ("sale", "purchase") else f"0x{i:02x}" + "ab" * 19,
                other="0xcd" + "ef" * 19,
                asset="USDC",
                amount=Decimal("123.456"),
                worth=Decimal(100 + i),
                paid=Decimal(102 + i) if kind == "purchase" else Decimal(99 + i),
                recovered=Decimal("5.5") if kind == "default" else Decimal(0),
            )
            for i, kind in enumerate(get_args(Conversion.model_fields["kind"].annotation))
        ),
        advances=(
            Advance(kind="opened", time=times[0], junior=Decimal(200), senior=Decimal(50)),
            Advance(kind="repaid", time=times[-1], junior=Decimal(160), senior=Decimal(50)),
            Advance(kind="written off", time=times[-1], junior=Decimal(40), senior=Decimal(0)),
        ),
        series=tuple(points),
    )


def with_stablecoins(**changes: Any) -> RunResult:
    """A made-up run in which other stablecoins counted."""
    result = make_result(**changes)
    return result.model_copy(update={"stablecoins": make_stablecoins(point.time for point in result.series)})


def _state(layers: Amounts, exposure: Decimal, streaming: Decimal = Decimal(0)) -> FundState:
    target = exposure * Decimal("0.2")
    coverage = float(sum(layers[layer] for layer in FUND_LAYERS) / target)
    return FundState(**layers, target=target, coverage=coverage, streaming=streaming)


def _membership(number: int) -> Membership:
    return Membership(
        contributed=Decimal(9_000 - number),
        earned=Decimal("12.25") + number,
        own=Decimal("1000.5") if number == 4 else Decimal(0),
        mutual=Decimal(77 + number),
        balance=Decimal(8_800 + number),
        owed=Decimal("312.75") if number == 3 else Decimal(0),
    )


def _identity(name: str, statement: str, slack: str, bound: str) -> Identity:
    return Identity(id=name, statement=statement, slack=Decimal(slack), bound=Decimal(bound), holds=True)


def _default(
    number: int, time: int, who: Participant, shortfall: Decimal, layers: Amounts, coinsurance: Decimal
) -> Default:
    paid = {"own": Decimal("1000.5") if number == 2 else Decimal(0)}
    layers["guaranty"] -= paid["own"]
    paid["coinsurance"] = round((shortfall - paid["own"]) * coinsurance, 2)
    left = shortfall - paid["own"] - paid["coinsurance"]
    for layer in FUND_LAYERS:
        paid[layer] = min(left, layers[layer])
        layers[layer] -= paid[layer]
        left -= paid[layer]
    paid["mutual"] = min(left, round(layers["guaranty"] / 2, 2))
    layers["guaranty"] -= paid["mutual"]
    left -= paid["mutual"]
    paid["unpaid_profit"] = round(left * Decimal("0.7"), 2)
    remainder = left - paid["unpaid_profit"]
    changes = {"shortfall": shortfall, "remainder": remainder}
    return default_of(Paid(**paid), id=number, time=time, account=who.address, **changes)


def default_of(paid: Paid, **changes: Any) -> Default:
    """A default whose shortfall is what was paid."""
    fields = {"id": 1, "time": 1, "account": "0x1", "market": "BTC", "shortfall": paid.total, "paid": paid}
    return Default.model_validate(fields | changes)


def with_defaults(*defaults: Default) -> RunResult:
    """A made-up run with exactly these defaults."""
    return make_result(defaults=0).model_copy(update={"defaults": defaults})


def rendered(result: RunResult, width: int = 140) -> str:
    """What the console shows."""
    console = Console(file=StringIO(), width=width, no_color=True)
    console.print(report_console.render(result))
    output = console.file
    assert isinstance(output, StringIO)
    return output.getvalue()


class TestResult:
    def test_json_keeps_every_digit(self, tmp_path: Path) -> None:
        result = make_result(fund=EXHAUSTED)
        file = tmp_path / "deep" / "run.json"
        result.save(file)
        assert RunResult.load(file) == result
        data = json.loads(file.read_text())
        assert data["ledger"]["cash"] == "2456789.123456"
        assert data["slack"]["mean"] == "0.0000011"

    def test_json_has_the_promised_keys(self) -> None:
        data = json.loads(make_result().model_dump_json())
        counts = {"accounts", "trades", "liquidations", "deleverages"}
        assert data.keys() >= counts | {"scenario", "node", "seed", "defaults", "fees", "ledger", "slack"}
        assert all(isinstance(data[count], int) for count in counts)
        assert isinstance(data["seconds"], float)
        assert data["defaults"][0].keys() >= {"id", "account", "shortfall", "paid", "remainder"}
        assert list(data["defaults"][0]["paid"]) == list(LAYERS)
        assert data["fees"].keys() >= {"paid", "fund", "treasury", "liquidators"}
        assert data["ledger"].keys() == {"held", "cash", "pools", "fees", "claims", "debt", "unsettled"}

    def test_sums_over_defaults(self) -> None:
        result = make_result(fund=EXHAUSTED)
        assert result.paid.total + result.remainder == result.shortfall
        assert result.paid.fund == sum(EXHAUSTED.values())
        assert result.paid.guaranty == GUARANTY - result.fund.after.guaranty > 0
        assert all(default.difference == 0 for default in result.defaults)

    def test_the_layers_come_in_the_order_of_the_waterfall(self) -> None:
        assert (
            tuple(LAYERS)
            == tuple(Paid.model_fields)
            == (*("own", "coinsurance", "skin", "junior", "senior", "mutual", "unpaid_profit"),)
        )
        paid = Paid(**{layer: Decimal(10**i) for i, layer in enumerate(LAYERS)})
        assert (paid.total, paid.fund, paid.guaranty) == (1_111_111, 11_100, 100_001)

    def test_members_are_those_who_contributed_most(self) -> None:
        result = make_result()
        assert result.members == result.participants[:5]
        assert make_result(participants=result.participants[5:], accounts=41).members == ()

    def test_sources_add_up_to_the_income(self) -> None:
        result = make_result()
        assert sum(amount for _, amount in result.sources) == result.fees.income > 0
        assert result.withdrawal_contributions == Contributions(leverage=Decimal("3.25"))

    def test_contributors_are_those_who_paid_most(self) -> None:
        result = make_result()
        paid = [one.contributions.total for one in result.participants]
        assert [one.contributions.total for one in result.contributors(7)] == sorted(paid)[:-8:-1]
        assert all(one.contributions.total for one in result.contributors(99))
        assert len(result.contributors(99)) == 20

    @given(
        st.integers(1, 10**15),
        st.lists(st.integers(0, 20_000), min_size=4, max_size=4).filter(any),
        st.integers(6, 18),
    )
    def test_a_charge_is_split_in_proportion_and_to_the_unit(
        self, units: int, rates: list[int], decimals: int
    ) -> None:
        named = dict(zip(FACTORS, rates, strict=True))
        parts = Contributions.split(units, named, decimals)
        assert parts.total == Decimal(units).scaleb(-decimals)
        for factor, amount in parts.factors():
            exact = Decimal(units * named[factor]) / sum(rates)
            assert abs(amount.scaleb(decimals) - exact) < len(FACTORS)
            assert amount == 0 or named[factor]

    def test_a_charge_of_nothing_and_a_charge_for_nothing(self) -> None:
        assert Contributions.split(0, {"leverage": 0}, 6) == Contributions()
        with pytest.raises(ValueError, match="needs a rate"):
            Contributions.split(5, {"leverage": 0}, 6)

    @pytest.mark.parametrize("name", ["accounts", "liquidations", "deleverages"])
    def test_a_wrong_count_is_refused(self, name: str) -> None:
        fields = make_result().model_dump() | {name: 999_999}
        with pytest.raises(ValidationError, match=f"{name} must count its entries"):
            RunResult.model_validate(fields)

    def test_an_unknown_field_is_refused(self) -> None:
        with pytest.raises(ValidationError, match="extra"):
            make_result(colour="red")

    @pytest.mark.parametrize(
        ("paid", "outcome"),
        [
            ({"coinsurance": 5}, "not called upon"),
            ({"coinsurance": 5, "skin": 1}, "skin in the game"),
            ({"skin": 4, "junior": 1}, "junior tranche"),
            ({"skin": 4, "junior": 1, "senior": 3}, "senior tranche"),
            ({"senior": 4, "mutual": 1}, "members bore the rest"),
            ({"senior": 4, "mutual": 1, "unpaid_profit": 1}, "unpaid profit bore the rest"),
            ({"own": 4}, "Own contributions bore every default"),
            ({"own": 4, "coinsurance": 1}, "Own contributions and coinsurance bore every default"),
            ({"own": 4, "skin": 1}, "skin in the game"),
        ],
    )
    def test_outcome(self, paid: dict[str, int], outcome: str) -> None:
        default = default_of(Paid.model_validate(paid))
        assert outcome in with_defaults(default).outcome

    def test_outcome_without_defaults_and_with_a_remainder(self) -> None:
        assert "No account defaulted" in with_defaults().outcome
        remaining = default_of(Paid(), shortfall=Decimal(1), remainder=Decimal(1))
        assert "open interest bore the rest" in with_defaults(remaining).outcome

    def test_conversions_add_up_by_kind(self) -> None:
        found = make_stablecoins()
        assert [kind for kind, *_ in found.totals] == list(CONVERSIONS)
        assert [times for _, times, *_ in found.totals] == [1] * len(CONVERSIONS)
        losses = {kind: lost for kind, *_, lost in found.totals}
        assert losses["debt"] == pytest.approx(1 / 100)
        assert losses["purchase"] == pytest.approx(2 / 104)
        assert [one.loss for one in found.conversions] == list(losses.values())
        assert (found.debts_paid, found.recovered) == (Decimal(99), Decimal("5.5"))
        assert [found.advanced(kind) for kind in ("opened", "repaid", "written off")] == [250, 210, 40]
        assert found.lowest == ("USDC", Decimal("0.9"))

    def test_an_advance_is_told_with_the_outcome(self) -> None:
        result = with_defaults(default_of(Paid(skin=Decimal(5))))
        advanced = result.model_copy(update={"stablecoins": make_stablecoins()})
        assert result.outcome.endswith("no tranche was touched.")
        assert advanced.outcome.endswith("the tranches advanced $250 of it and had it back.")
        after = result.fund.after.model_copy(update={"advanced": Decimal(1)})
        owed = advanced.model_copy(update={"fund": result.fund.model_copy(update={"after": after})})
        assert owed.outcome.endswith("have not yet had all of it back.")

    def test_the_reserve_is_part_of_the_assets(self) -> None:
        state = make_result().fund.before
        more = state.model_copy(update={"reserve": Decimal(70), "advanced": Decimal(3)})
        assert more.assets == state.assets + 70


class TestStablecoins:
    def test_every_chart_has_its_figure(self) -> None:
        page = Page(report.render(with_stablecoins()))
        charts = [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs]
        assert sorted(filter(None, charts)) == sorted(page.figures)
        assert {"pegs", "collateral", "reserve"} <= page.figures.keys()

    def test_charts_show_prices_and_what_counts(self) -> None:
        result = with_stablecoins()
        assert result.stablecoins is not None
        series = result.stablecoins.series
        figures = Page(report.render(result)).figures
        usdc, counts, save, _ = figures["pegs"]["data"]
        assert usdc["y"] == [float(point.market["USDC"]) for point in series]
        assert counts["y"][0] == pytest.approx(0.95)
        assert save["name"] == "SAVE"
        *stack, counted, advanced = figures["reserve"]["data"]
        assert [line["name"] for line in stack] == ["S", "USDC", "SAVE"]
        assert stack[0]["y"] == [float(point.skin) for point in series]
        assert counted["y"][0] == pytest.approx(77 + 570 + 287.85)
        assert max(advanced["y"]) == 250
        *stack, counted = figures["collateral"]["data"]
        assert stack[0]["y"][0] == 4_000
        assert counted["y"][0] == 3_800

    def test_the_page_has_every_conversion(self) -> None:
        result = with_stablecoins()
        assert result.stablecoins is not None
        page = Page(report.render(result))
        titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
        for one in result.stablecoins.conversions:
            assert {f"{one.worth} USD", f"{one.paid} USD"} <= titles
            assert CONVERSIONS[one.kind] in page.text
        for one in result.stablecoins.advances:
            assert f"{one.junior} USD" in titles
        assert "$0.9000" in page.text
        assert "Reserve, at its haircut" in page.text

    def test_the_console_tells_the_story(self) -> None:
        text = rendered(with_stablecoins())
        for name in CONVERSIONS.values():
            assert name in text
        assert "USDC fell to $0.9000" in text
        assert "paid $99 of debts" in text
        assert "The tranches advanced $250, got $210 back and wrote $40 off." in " ".join(text.split())
        assert "Reserve, at its haircut" in text

    def test_no_line_is_too_long_for_a_narrow_console(self) -> None:
        assert max(map(len, rendered(with_stablecoins(), width=80).splitlines())) <= 80

    def test_quiet_coins_say_so(self) -> None:
        quiet = make_stablecoins().model_copy(update={"conversions": (), "advances": ()})
        result = make_result().model_copy(update={"stablecoins": quiet})
        assert "No other stablecoin was converted." in rendered(result)
        assert "Advances (" not in Page(report.render(result)).text

    def test_without_them_nothing_is_said_of_them(self) -> None:
        result = make_result()
        page = Page(report.render(result))
        for text in (page.text, rendered(result)):
            assert "tablecoin" not in text
            assert "Reserve" not in text
        assert not {"pegs", "collateral", "reserve"} & page.figures.keys()

    def test_names_are_escaped_in_charts(self) -> None:
        text = make_stablecoins().model_dump_json().replace("USDC", "<b>U")
        result = make_result().model_copy(update={"stablecoins": Stablecoins.model_validate_json(text)})
        assert Page(report.render(result)).figures["pegs"]["data"][0]["name"] == "&lt;b&gt;U"


class TestPage:
    @pytest.mark.parametrize("fund", [SMALL, SENIOR, EXHAUSTED], ids=["suffices", "senior", "exhausted"])
    def test_loads_nothing(self, fund: Amounts) -> None:
        page = Page(report.render(make_result(fund=fund)))
        assert not {tag for tag, _ in page.tags} & {"link", "img", "iframe", "base", "object", "embed"}
        assert not [attrs for _, attrs in page.tags if attrs.keys() & {"src", "href", "srcset", "action"}]
        policies = [attrs["content"] for _, attrs in page.tags if "http-equiv" in attrs]
        assert len(policies) == 1
        assert (policies[0] or "").startswith("default-src 'none'")

    def test_every_default_is_in_the_table_and_in_the_charts(self) -> None:
        result = make_result(fund=SENIOR)
        page = Page(report.render(result))
        titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
        for default in result.defaults:
            assert formatting.address(default.account) in page.text
            assert f"{default.shortfall} USD" in titles
            assert {f"{amount} USD" for _, amount in default.paid.layers()} <= titles
        marks = page.figures["fund"]["data"][-1]
        assert len(marks["x"]) == len(result.defaults)

    def test_totals_are_the_sums(self) -> None:
        result = make_result(fund=EXHAUSTED)
        page = Page(report.render(result))
        titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
        assert {f"{result.shortfall} USD", *(f"{amount} USD" for _, amount in result.paid.layers())} <= titles

    def test_the_waterfall_falls_to_zero(self) -> None:
        result = make_result(fund=EXHAUSTED)
        bars = Page(report.render(result)).figures["waterfall"]["data"][0]
        assert bars["y"] == ["Shortfall", *LAYERS.values(), "Open interest"]
        assert bars["x"][0] == float(result.shortfall)
        # Each layer's bar ends where the one before began; the last begins at what nobody paid.
        for i in range(2, len(LAYERS) + 1):
            assert bars["base"][i] + bars["x"][i] == pytest.approx(bars["base"][i - 1])
        assert bars["base"][len(LAYERS)] == pytest.approx(float(result.remainder))

    def test_the_guaranty_fund_is_a_line_of_its_own(self) -> None:
        result = make_result(fund=EXHAUSTED)
        page = Page(report.render(result))
        *stack, members, _ = page.figures["fund"]["data"]
        assert members["y"] == [float(point.guaranty) for point in result.series]
        assert members["y"][0] == float(GUARANTY) > members["y"][-1]
        assert "stackgroup" not in members
        assert [line["name"] for line in stack] == [LAYERS[layer] for layer in reversed(FUND_LAYERS)]
        titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
        after = result.fund.after
        assert {f"{GUARANTY} USD", f"{after.guaranty} USD", f"{result.paid.guaranty} USD"} <= titles
        assert f"{after.skin + after.junior + after.senior} USD" in titles

    def test_members_and_what_they_owe(self) -> None:
        result = make_result(fund=EXHAUSTED)
        page, console = Page(report.render(result)), rendered(result, width=160)
        titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
        fields = ("contributed", "earned", *GUARANTY_LAYERS, "balance", "owed")
        for one in result.members:
            assert formatting.address(one.address) in console
            for name in fields:
                amount = getattr(one.membership, name)
                assert f"{amount} USD" in titles
                assert not amount or formatting.usd(amount, 0) in console
        assert f"{result.fees.members} USD" in titles
        (line,) = [line for line in console.splitlines() if line.lstrip().startswith("Guaranty fund")]
        net = result.fund.after.guaranty - GUARANTY + result.paid.guaranty
        shown = (GUARANTY, *([net] if net else []), result.paid.guaranty)
        assert [word for word in line.split() if word.startswith("$")][: len(shown)] == [
            formatting.usd(amount, 0) for amount in shown
        ]

    def test_without_members_nobody_is_named(self) -> None:
        people = tuple(one.model_copy(update={"membership": None}) for one in make_result().participants)
        alone = make_result(participants=people)
        assert "Members of the guaranty fund" not in Page(report.render(alone)).text
        assert "No account contributed to the guaranty fund" in rendered(alone)

    def test_one_price_chart_per_market_with_every_liquidation(self) -> None:
        result = make_result("2022-05-luna")
        figures = Page(report.render(result)).figures
        for market in ("BTC", "ETH"):
            line, liquidated, *_ = figures[f"price-{market}"]["data"]
            assert line["y"] == [float(point.prices[market]) for point in result.series]
            closed = [p for event in result.liquidation_events for p in event.positions if p.market == market]
            marks = [int(text.split()[1]) for text in liquidated["text"]]
            assert sum(marks) == len(closed) > 0

    def test_every_chart_has_its_figure(self) -> None:
        page = Page(report.render(make_result("2024-08-05")))
        charts = [attrs["data-figure"] for _, attrs in page.tags if "data-figure" in attrs]
        assert sorted(filter(None, charts)) == sorted(page.figures)

    def test_who_funded_the_fund(self) -> None:
        result = make_result()
        page = Page(report.render(result))
        titles = {attrs.get("title") for tag, attrs in page.tags if tag == "td"}
        assert {f"{amount} USD" for _, amount in result.sources} <= titles
        assert f"{result.fees.income} USD" in titles
        for one in result.contributors(10):
            assert formatting.address(one.address) in page.text
            assert {f"{amount} USD" for _, amount in one.contributions.factors()} <= titles
        for income in result.income.values():
            assert f"{income.premium_charged} USD" in titles
        assert "NewRiskStopped 17" in page.text

    def test_rates_of_the_policy_have_an_axis_of_their_own(self) -> None:
        result = make_result()
        coverage, premium, scarcity = Page(report.render(result)).figures["coverage"]["data"]
        assert "yaxis" not in coverage
        assert premium["yaxis"] == scarcity["yaxis"] == "y2"
        assert premium["y"] == [point.premium_rate / 10**4 for point in result.series]
        assert scarcity["y"] == [point.scarcity / 100 for point in result.series]

    def test_without_contributions_nobody_is_named(self) -> None:
        result = make_result(income={}, refusals={}, posts=[])
        people = tuple(
            one.model_copy(update={"contributions": Contributions()}) for one in result.participants
        )
        quiet = result.model_copy(update={"participants": people})
        assert "contributed most" not in Page(report.render(quiet)).text
        assert "No account paid a contribution" in rendered(quiet)

    def test_without_defaults_it_says_so(self) -> None:
        page = Page(report.render(make_result(defaults=0)))
        assert "No account defaulted in this run" in page.text
        assert "waterfall" not in page.figures

    def test_a_run_of_one_point_without_anything(self) -> None:
        result = make_result(defaults=0)
        quiet = result.model_copy(
            update={
                "series": (result.series[0].model_copy(update={"coverage": None, "margin_used": None}),),
                "liquidations": 0,
                "liquidation_events": (),
                "gas": {},
                "parameters": {},
            }
        )
        page = Page(report.render(quiet))
        assert "margin" not in page.figures
        assert page.figures["coverage"]["data"][0]["y"] == [None]

    def test_a_record_that_does_not_add_up_is_shown(self) -> None:
        wrong = default_of(Paid(skin=Decimal(4)), shortfall=Decimal(5))
        page = Page(report.render(with_defaults(wrong)))
        assert "does not add up" in page.text

    def test_a_broken_identity_is_shown(self) -> None:
        broken = _identity("P1", "S held = cash", "-1", "0").model_copy(update={"holds": False})
        text = Page(report.render(make_result(identities=[broken]))).text
        assert "✗ broken" in text
        assert "0 of 1" in text

    def test_strings_are_escaped(self) -> None:
        evil = "</script><script>alert('x')</script>"
        result = make_result(title=evil, description=evil, node=evil, parameters={evil: {evil: evil}})
        people = [result.participants[0].model_copy(update={"role": evil}), *result.participants[1:]]
        html = report.render(result.model_copy(update={"participants": tuple(people)}))
        page = Page(html)
        assert "<script>alert" not in html
        assert [tag for tag, _ in page.tags].count("script") == 3
        assert page.text.count(evil) >= 6

    def test_markets_are_escaped_in_charts(self) -> None:
        result = make_result(defaults=0)
        series = tuple(p.model_copy(update={"prices": {"<b>B</b>": Decimal(1)}}) for p in result.series)
        figures = Page(report.render(result.model_copy(update={"series": series}))).figures
        assert figures["price-<b>B</b>"]["layout"]["yaxis"]["title"]["text"].startswith("&lt;b&gt;B")

    def test_write_makes_the_folder(self, tmp_path: Path) -> None:
        file = tmp_path / "build" / "report.html"
        report.write(make_result(), file)
        assert file.read_text(encoding="utf-8").startswith("<!doctype html>")


class TestConsole:
    def test_defaults_layers_fund_and_identities(self) -> None:
        result = make_result(fund=EXHAUSTED)
        text = rendered(result, width=120)
        for default in result.defaults:
            assert formatting.address(default.account) in text
            assert formatting.usd(default.shortfall, 0) in text
        for _, amount in result.paid.layers():
            assert formatting.usd(amount, 0) in text
        assert formatting.usd(result.fund.before.assets, 0) in text
        assert "P2:BTC" in text
        assert result.outcome in text

    def test_no_figure_is_broken_on_a_narrow_console(self) -> None:
        result = make_result(fund=EXHAUSTED)
        text = rendered(result, width=80)
        assert max(map(len, text.splitlines())) <= 80
        for default in result.defaults:
            parts = [*default.paid.layers(), ("remainder", default.remainder)]
            for amount in (default.shortfall, *(amount for _, amount in parts)):
                assert not amount or formatting.usd(amount, 0) in text
        for one in result.members:
            for name in ("contributed", "earned", *GUARANTY_LAYERS, "balance", "owed"):
                amount = getattr(one.membership, name)
                assert not amount or formatting.usd(amount, 0) in text

    def test_the_waterfall_is_read_from_top_to_bottom(self) -> None:
        result = make_result(fund=EXHAUSTED)
        lines = rendered(result).splitlines()
        names = [*LAYERS.values(), "Open interest"]
        first = next(i for i, line in enumerate(lines) if line.strip().startswith(names[0]))
        amounts = [*(amount for _, amount in result.paid.layers()), result.remainder]
        for line, name, amount in zip(lines[first:], names, amounts, strict=False):
            assert line.split(name)[1].split() == [
                formatting.usd(amount, 0) if amount else "–",
                formatting.percent(amount / result.shortfall),
            ]

    def test_who_funded_the_fund(self) -> None:
        result = make_result()
        text = rendered(result)
        for name, amount in result.sources:
            assert name in text
            assert not amount or formatting.usd(amount, 0) in text
        for one in result.contributors(5):
            assert formatting.address(one.address) in text
        assert "NewRiskStopped 17" in text

    def test_without_defaults_it_says_so(self) -> None:
        assert "No account defaulted" in rendered(make_result(defaults=0))

    def test_markup_in_strings_is_text(self) -> None:
        broken = _identity("P1", "[red]x[/nothing]", "0", "0")
        assert "[red]x[/nothing]" in rendered(make_result(identities=[broken], title="[bold]t[/]"))


class TestFormatting:
    @pytest.mark.parametrize(
        ("value", "long", "short"),
        [
            ("0", "$0.00", "$0"),
            ("0.000001", "<$0.01", "<$0.01"),
            ("-0.001", "−<$0.01", "−<$0.01"),
            ("12.345", "$12.34", "$12.34"),
            ("999.4", "$999.40", "$999.40"),
            ("999.6", "$999.60", "$1.00k"),
            ("1234.5", "$1,234.50", "$1.23k"),
            ("-123456", "−$123,456.00", "−$123k"),
            ("999600", "$999,600.00", "$1.00M"),
            ("45678901", "$45,678,901.00", "$45.7M"),
            ("1e9", "$1,000,000,000.00", "$1.00B"),
        ],
    )
    def test_usd(self, value: str, long: str, short: str) -> None:
        assert formatting.usd(Decimal(value)) == long
        assert formatting.usd_short(Decimal(value)) == short

    def test_usd_in_whole_dollars(self) -> None:
        assert formatting.usd(Decimal("1234.5"), 0) == "$1,234"
        assert formatting.usd(Decimal("0.2"), 0) == "<$1"

    def test_percent_and_the_rest(self) -> None:
        assert formatting.percent(0.1234) == "12.3%"
        assert formatting.percent(-0.5, 0) == "−50%"
        assert formatting.percent(None) == "–"
        assert formatting.utc(1_583_971_200) == "2020-03-12 00:00"
        assert formatting.address("0x" + "ab" * 20) == "0xabab…abab"
        assert formatting.address("alice") == "alice"
