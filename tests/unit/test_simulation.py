"""Parts of the simulation that need no chain: the poster's rule, a scenario's policy, orders cut down."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import pytest

from weir.chain import Call, ContractError, Receipt
from weir.parameters import FundingParameters, FundParameters
from weir.scenarios import FundPreset, available, load
from weir.simulation import poster
from weir.simulation.agents import Quote
from weir.simulation.population import OPEN_INTEREST, draw, layers, memberships
from weir.simulation.stage import Stage, funding, parameters
from weir.simulation.venue import Venue


class TestPoster:
    def test_without_a_past_a_day_is_as_usual(self) -> None:
        assert poster.expected_shortfall([], 3_600) == poster.TAIL * poster.USUAL
        assert poster.expected_shortfall([100.0, 90.0], 3_600) == poster.TAIL * poster.USUAL

    def test_volatility_is_scaled_to_a_day(self) -> None:
        closes = [100.0, 101.0, 100.0, 101.0]
        hourly = poster.expected_shortfall(closes, 3_600)
        assert hourly == pytest.approx(2.665 * math.log(1.01) * 24**0.5)
        assert poster.expected_shortfall(closes, 4 * 3_600) == pytest.approx(hourly / 2)

    @pytest.mark.parametrize(
        ("leverage", "tier"), [(0.5, 0), (2.99, 0), (3.0, 1), (7.0, 2), (19.9, 3), (20.0, 4), (math.inf, 4)]
    )
    def test_tiers_by_leverage(self, leverage: float, tier: int) -> None:
        assert poster.tier_of(leverage) == tier


class TestFunding:
    @pytest.mark.parametrize("name", available())
    def test_the_fund_of_every_scenario_is_about_its_target(self, name: str) -> None:
        scenario = load(name)
        policy = funding(scenario)
        money = Decimal(sum(layers(scenario.fund).values()))
        # Of a reserve as much as its haircut leaves.
        money += sum(scenario.reserve.values(), Decimal(0)) * Decimal("0.95")
        target = Decimal(OPEN_INTEREST) * policy.target_ratio / 10**6
        assert Decimal("0.95") < money / target < Decimal("1.05")
        # One market may use a fund at half of its target; charges are on.
        assert money * policy.cap_multiple / 10**6 >= Decimal("1.9") * OPEN_INTEREST
        assert min(policy.max_scarcity, policy.max_concentration, policy.premium_max) > 0

    @pytest.mark.parametrize("money", [Decimal(0), Decimal(10**12)])
    def test_any_fund_has_a_policy(self, money: Decimal) -> None:
        scenario = load("2020-03-12")
        preset = FundPreset(skin=money, junior=money, senior=money)
        assert funding(scenario.model_copy(update={"fund": preset})).target_ratio in (1_000, 200_000)


class TestStablecoins:
    scenario = load("2023-03-usdc")

    def test_they_are_deployed_as_the_fund_begins(self) -> None:
        wanted = parameters(self.scenario, 100_000)
        assert [(a.symbol, a.share_of, a.decimals) for a in wanted.assets] == [
            ("USDC", None, 6),
            ("SAVE", "S", 6),
        ]
        assert {(asset.haircut, asset.discount) for asset in wanted.assets} == {(50_000, 20_000)}
        assert [asset.weight for asset in wanted.assets] == [666_666, 277_777]
        assert wanted.fund.skin_target == 5_000 + Decimal("0.95") * 85_000

    @pytest.mark.parametrize("name", [name for name in available() if name != "2023-03-usdc"])
    def test_elsewhere_there_is_none(self, name: str) -> None:
        wanted = parameters(load(name), 100_000)
        assert wanted.assets == ()
        assert wanted.fund == FundParameters()
        people = draw(1, tuple(load(name).markets))
        assert not people.pledges()
        assert not people.arbitrageurs
        assert not people.fund.reserve

    def test_who_pledges_is_drawn_apart(self) -> None:
        plain = draw(5, ("BTC",), leverage=2)
        people = draw(5, ("BTC",), leverage=2, stablecoins=True)
        assert tuple(replace(trader, pledged=0.0) for trader in people.traders) == plain.traders
        assert 0.6 < len(people.pledges()) / len(people.traders) < 0.8
        # Nobody has more or less money by it.
        money = sum(amount for _, amount in (*people.deposits(), *people.pledges()))
        assert money == pytest.approx(sum(amount for _, amount in plain.deposits()))
        assert draw(5, ("BTC",), leverage=2, stablecoins=True) == people
        assert draw(6, ("BTC",), leverage=2, stablecoins=True).pledges() != people.pledges()

    def test_a_crowd_that_is_short(self) -> None:
        long, short = (draw(1, ("BTC",), crowd=side) for side in ("long", "short"))
        assert sum(trader.bullish for trader in long.traders) > len(long.traders) / 2
        assert all(a.bullish != b.bullish for a, b in zip(long.traders, short.traders, strict=True))


class TestMemberships:
    @pytest.mark.parametrize("name", available())
    def test_makers_and_large_traders_contribute_and_nobody_else(self, name: str) -> None:
        """What is given is enough for what is meant to be held, where no tier is posted and one worse."""
        scenario = load(name)
        policy = funding(scenario)
        population = draw(1, tuple(scenario.markets), leverage=float(scenario.leverage or 1))
        given = dict(memberships(population, policy))
        assert {maker.name for maker in population.makers} <= given.keys()
        assert 0 < len(given.keys() - {maker.name for maker in population.makers}) < 10
        for each in (*population.makers, *population.traders):
            beyond = each.deposit * each.leverage - float(policy.member_threshold)
            for tier in (2, 3):
                needed = beyond * (policy.member_ratio + tier * policy.member_step) / 10**6
                assert (each.name not in given) or given[each.name] > needed
            assert (each.name in given) == (beyond > float(policy.member_threshold) / 4)

    def test_where_nothing_is_asked_nobody_contributes(self) -> None:
        policy = FundingParameters(member_ratio=0, member_step=0)
        assert memberships(draw(1, ("BTC",)), policy) == ()


class _Stage:
    """A stage where a trade is accepted if `allowed` has no reason against it."""

    def __init__(self, limits: dict[str, tuple[str, int]]) -> None:
        self.refused: Counter[str] = Counter()
        self.symbols = ("BTC",)
        self.accounts = {name: SimpleNamespace(address=f"0x{name}") for name in ("taker", "one", "two")}
        self.limits = limits
        self.traded: list[tuple[str, int]] = []
        functions = SimpleNamespace(trade=lambda order, _, size: (order[0], size))
        house = SimpleNamespace(functions=functions)
        self.weir = SimpleNamespace(clearing_house=house, sign=lambda *_: b"")

    def attempt(self, _: str, call: Call, *, count: bool = True) -> Receipt | ContractError:
        """Refuses what is above the maker's limit, for its reason."""
        assert not count
        maker, size = cast(tuple[str, int], call)
        error, most = self.limits[maker]
        if size > most:
            blamed = {} if error == "NewRiskStopped" else {"account": "0xtaker"}
            return ContractError(error, blamed, b"")
        self.traded.append((maker, size))
        return cast(Receipt, None)


def _venue(limits: dict[str, tuple[str, int]]) -> tuple[Venue, _Stage]:
    stage = _Stage(limits)
    venue = Venue(cast(Stage, cast(Any, stage)))
    for maker, price in (("one", 99.0), ("two", 100.0)):
        venue.quote(maker, [Quote("BTC", False, price, 1.0)], 10)
    return venue, stage


WHOLE = 10**18


class TestVenue:
    def test_an_order_that_is_accepted(self) -> None:
        venue, stage = _venue({"0xone": ("NewRiskStopped", WHOLE), "0xtwo": ("NewRiskStopped", WHOLE)})
        assert venue.fill("taker", "BTC", 1.5) == 1.5
        assert stage.traded == [("0xone", WHOLE), ("0xtwo", WHOLE // 2)]
        assert not stage.refused

    def test_too_much_for_the_fund_is_halved_and_the_rest_given_up(self) -> None:
        venue, stage = _venue({"0xone": ("NewRiskStopped", WHOLE // 4), "0xtwo": ("NewRiskStopped", 0)})
        assert venue.fill("taker", "BTC", 1.0) == 0.25
        assert stage.refused == {"NewRiskStopped": 1}

    def test_another_maker_may_be_one_whom_the_trade_makes_smaller(self) -> None:
        venue, stage = _venue({"0xone": ("NewRiskStopped", 0), "0xtwo": ("NewRiskStopped", WHOLE)})
        assert venue.fill("taker", "BTC", 1.0) == 1.0
        assert stage.traded == [("0xtwo", WHOLE)]
        # The quote that was refused for the fund's sake is still there for the next.
        stage.limits["0xone"] = ("NewRiskStopped", WHOLE)
        assert venue.fill("taker", "BTC", 1.0) == 1.0
        assert stage.traded[-1] == ("0xone", WHOLE)

    @pytest.mark.parametrize("reason", ["InitialMarginNotMet", "InsufficientCash", "MembershipRequired"])
    def test_too_much_for_the_taker_is_halved_twice_at_most(self, reason: str) -> None:
        limits = {"0xone": (reason, WHOLE // 2), "0xtwo": (reason, WHOLE)}
        venue, stage = _venue(limits)
        assert venue.fill("taker", "BTC", -0.0) == 0
        assert venue.fill("taker", "BTC", 1.0) == 0.5
        limits["0xone"] = (reason, 0)
        assert venue.fill("taker", "BTC", 1.0) == 0
        assert stage.refused == {reason: 2}

    def test_a_position_is_closed_to_its_last_part(self) -> None:
        venue, stage = _venue({"0xone": ("NewRiskStopped", WHOLE), "0xtwo": ("NewRiskStopped", WHOLE)})
        assert venue.close("taker", "BTC", -WHOLE - 123) == 0
        assert stage.traded == [("0xone", WHOLE), ("0xtwo", 123)]
        assert venue.close("taker", "BTC", -5 * WHOLE) == 4 * WHOLE + 123

    def test_what_can_not_be_closed_is_not_counted(self) -> None:
        venue, stage = _venue({"0xone": ("AccountFlagged", 0), "0xtwo": ("AccountFlagged", 0)})
        assert venue.close("taker", "BTC", -WHOLE) == WHOLE
        assert not stage.refused

    def test_for_other_reasons_nothing_smaller_is_tried(self) -> None:
        venue, stage = _venue({"0xone": ("AccountFlagged", WHOLE // 2), "0xtwo": ("AccountFlagged", WHOLE)})
        assert venue.fill("taker", "BTC", 1.0) == 0
        assert stage.refused == {"AccountFlagged": 1}
