"""What a keeper decides, on made-up views."""

import json
from dataclasses import replace
from typing import Any, cast

import pytest

from tests.unit.keeper.made_up import (
    LIQUIDATOR,
    OPTIONS,
    OTHER,
    RULES,
    TRADER,
    USD,
    WINNER,
    account,
    finding,
    for_sale,
    market,
    pledge,
    pledged,
    view,
)
from weir.keeper.policy import (
    WAD,
    Kind,
    Options,
    Task,
    affordable,
    expected_bounty,
    flags,
    housekeeping,
    resolutions,
    settlements,
    taken,
    winners,
)
from weir.keeper.roles import Role
from weir.states import AccountState
from weir.units import MILLION

# ------------------------------------------------------------------- fractions


class TestTaken:
    def test_everything_of_an_insolvent_account(self) -> None:
        assert taken(RULES, for_sale(account(TRADER, -5, 1)), WAD) == WAD

    def test_what_restores_initial_margin_and_no_more(self) -> None:
        below = for_sale(account(TRADER, 250, 1))
        fraction = taken(RULES, below, WAD)
        cost = below.notional * (below.bounty_rate + RULES.penalty) // MILLION

        def restored(part: int) -> bool:
            equity = below.equity - cost * part // WAD
            return equity >= below.initial_margin * (WAD - part) // WAD

        assert restored(fraction)
        assert not restored(fraction - WAD // 10**6)

    def test_less_when_less_is_wanted(self) -> None:
        assert taken(RULES, for_sale(account(TRADER, 250, 1)), WAD // 10) == WAD // 10

    def test_everything_when_the_cost_eats_the_margin(self) -> None:
        dear = RULES._replace(penalty=50_000)
        assert taken(dear, for_sale(account(TRADER, 250, 1)), WAD) == WAD

    def test_at_least_the_smallest_piece(self) -> None:
        small = for_sale(account(TRADER, 250, 1))
        assert taken(RULES, small, 1) == -(-RULES.min_notional * WAD // small.notional)

    def test_no_rest_below_the_smallest_piece(self) -> None:
        assert taken(RULES, for_sale(account(TRADER, -5, 1)), WAD - WAD // 1000) == WAD

    def test_dust_goes_whole(self) -> None:
        assert taken(RULES, for_sale(account(TRADER, 0, 0), notional=0), 1) == WAD


class TestAffordable:
    def test_all_that_may_be_taken_with_enough_margin(self) -> None:
        target = account(TRADER, -5, 1)
        rich = account(LIQUIDATOR, 10_000)
        assert affordable(view(rich, target), rich, target, for_sale(target), 900_000) == WAD

    def test_the_most_that_margin_allows(self) -> None:
        target = account(TRADER, -5, 10)
        own = account(LIQUIDATOR, 1_000)
        fraction = affordable(view(own, target), own, target, for_sale(target), MILLION)
        # 5 % of 100,000 USD is 5,000; a thousand carries a fifth.
        assert abs(fraction - WAD // 5) < WAD // 10**9

    def test_only_a_part_of_the_margin_is_used(self) -> None:
        target = account(TRADER, -5, 10)
        own = account(LIQUIDATOR, 1_000)
        half = affordable(view(own, target), own, target, for_sale(target), MILLION // 2)
        assert abs(half - WAD // 10) < WAD // 10**9

    def test_positions_of_ones_own_count(self) -> None:
        target = account(TRADER, -5, 10)
        long, short = account(LIQUIDATOR, 1_000, 1), account(LIQUIDATOR, 1_000, -1)
        to_long = affordable(view(long, target), long, target, for_sale(target), MILLION)
        to_short = affordable(view(short, target), short, target, for_sale(target), MILLION)
        assert abs(to_long - WAD // 10) < WAD // 10**9
        assert abs(to_short - 3 * WAD // 10) < WAD // 10**9

    def test_nothing_without_margin_for_the_smallest_piece(self) -> None:
        target = account(TRADER, -5, 10)
        poor = account(LIQUIDATOR, 4)
        assert affordable(view(poor, target), poor, target, for_sale(target), MILLION) == 0

    @pytest.mark.parametrize("state", [{"flagged_at": 7}, {"debt": 1}])
    def test_nothing_while_flagged_or_in_debt(self, state: dict[str, int]) -> None:
        target = account(TRADER, -5, 1)
        own = account(LIQUIDATOR, 10_000, **state)
        assert affordable(view(own, target), own, target, for_sale(target), MILLION) == 0


class TestExpectedBounty:
    def test_from_cash(self) -> None:
        target = account(TRADER, 250, 1)
        assert expected_bounty(view(target), target, for_sale(target), WAD) == 20 * USD

    def test_a_loss_takes_claims_and_then_cash_before_it(self) -> None:
        covered = account(TRADER, 25, 1, unsettled=-300, cash=5 * USD, claims=320 * USD, net=325 * USD)
        assert expected_bounty(view(covered), covered, for_sale(covered), WAD) == 5 * USD
        bare = account(TRADER, 18, 1, unsettled=-300, cash=305 * USD, claims=13 * USD, net=318 * USD)
        assert expected_bounty(view(bare), bare, for_sale(bare), WAD) == 18 * USD + 2 * USD
        rich = account(TRADER, 25, 1, unsettled=-300, cash=320 * USD, claims=5 * USD, net=325 * USD)
        assert expected_bounty(view(rich), rich, for_sale(rich), WAD) == 20 * USD

    def test_from_the_fund_once_nothing_is_left(self) -> None:
        target = account(TRADER, -100, 1, unsettled=-300, cash=200 * USD)
        assert expected_bounty(view(target), target, for_sale(target), WAD) == 20 * USD

    def test_no_more_than_the_fund_may_pay(self) -> None:
        target = account(TRADER, -100, 1, unsettled=-300, cash=200 * USD)
        tight = view(target, markets=(market(available=7 * USD),))
        assert expected_bounty(tight, target, for_sale(target), WAD) == 7 * USD

    def test_no_market_pays_for_another(self) -> None:
        """20 for one market and 10 for the other; all they may pay comes out of one purse."""
        target = account(TRADER, -100, 1, 0.5, cash=0)
        rich = view(target, markets=(market(0, available=5 * USD), market(1)))
        assert expected_bounty(rich, target, for_sale(target), WAD) == 15 * USD
        assert expected_bounty(rich, target, for_sale(target), WAD // 2) == 5 * USD + 5 * USD
        poor = replace(rich, fund=replace(rich.fund, assets=12 * USD))
        assert expected_bounty(poor, target, for_sale(target), WAD) == 12 * USD


# ----------------------------------------------------------------------- tasks


class TestResolutions:
    def test_the_deepest_first(self) -> None:
        own, first, second = account(LIQUIDATOR, 50_000), account(TRADER, -900, 1), account(OTHER, 100, 1)
        found = resolutions(
            view(own, second, first, findings=(for_sale(second), for_sale(first))), LIQUIDATOR, OPTIONS
        )
        assert [task.subject for task in found] == [TRADER, OTHER]
        assert {task.kind for task in found} == {Kind.LIQUIDATE}

    def test_never_itself(self) -> None:
        own = account(LIQUIDATOR, 10, 1)
        assert resolutions(view(own, findings=(for_sale(own),)), LIQUIDATOR, OPTIONS) == []

    def test_winners_stand_in_line_when_a_loss_is_to_be_resolved(self) -> None:
        own, target = account(LIQUIDATOR, 50_000), account(TRADER, -900, 1)
        winner = account(WINNER, 9_000, -1, unsettled=800)
        (task,) = resolutions(view(own, target, winner, findings=(for_sale(target),)), LIQUIDATOR, OPTIONS)
        assert (task.fraction, task.settle_first) == (WAD, (WINNER,))

    def test_nobody_is_named_where_nothing_is_lost(self) -> None:
        own, target = account(LIQUIDATOR, 50_000), account(TRADER, 250, 1)
        winner = account(WINNER, 9_000, -1, unsettled=800)
        (task,) = resolutions(view(own, target, winner, findings=(for_sale(target),)), LIQUIDATOR, OPTIONS)
        assert task.settle_first == ()
        assert 0 < task.fraction < WAD

    def test_deleverages_without_margin_of_its_own(self) -> None:
        own, target = account(LIQUIDATOR, 1), account(TRADER, -900, 1)
        ready = for_sale(target, deleverage=True)
        (task,) = resolutions(view(own, target, findings=(ready,)), LIQUIDATOR, OPTIONS)
        assert task.kind is Kind.DELEVERAGE

    def test_waits_while_the_auction_runs(self) -> None:
        own, target = account(LIQUIDATOR, 1), account(TRADER, -900, 1)
        found = resolutions(view(own, target, findings=(for_sale(target),)), LIQUIDATOR, OPTIONS)
        assert [(task.kind, task.is_affordable) for task in found] == [(Kind.LIQUIDATE, False)]

    def test_what_only_its_own_margin_keeps_it_from_is_told(self) -> None:
        """The bounty is 20 for all of it; for the tenth that the poor one can afford it is 2."""
        target = account(TRADER, -900, 1)

        def found(equity: int, **options: Any) -> list[tuple[int, bool]]:
            own = account(LIQUIDATOR, equity)
            seen = view(own, target, findings=(for_sale(target),))
            told = resolutions(seen, LIQUIDATOR, Options(**{"margin_use": MILLION} | options))
            return [(task.bounty, task.is_affordable) for task in told]

        assert found(0) == [(20 * USD, False)]
        assert found(0, min_profit=20 * USD) == [(20 * USD, False)]
        assert found(0, min_profit=20 * USD + 1) == []
        assert found(0, min_bounty_rate=2_001) == []
        assert found(0, roles=frozenset({Role.DELEVERAGE})) == []
        ((paid, sent),) = found(50)
        assert sent
        assert 199 * USD // 100 < paid <= 2 * USD
        assert found(50, min_profit=3 * USD) == [(20 * USD, False)]
        assert found(500, min_profit=3 * USD) == [(20 * USD, True)]

    def test_a_third_of_equity_carries_six_times_as_much_and_no_more(self) -> None:
        target = account(TRADER, -900, 10)
        own = account(LIQUIDATOR, 10_000)
        (task,) = resolutions(view(own, target, findings=(for_sale(target),)), LIQUIDATOR, OPTIONS)
        assert task.fraction * target.notional // WAD == pytest.approx(60_000 * USD, abs=USD)

    @pytest.mark.parametrize(
        ("options", "wanted"),
        [
            (Options(min_bounty_rate=2_000), True),
            (Options(min_bounty_rate=2_001), False),
            (Options(min_profit=20 * USD), True),
            (Options(min_profit=20 * USD + 1), False),
            (Options(min_profit=10 * USD, native_price=10 * USD / 400_000), True),
            (Options(min_profit=10 * USD, native_price=10.1 * USD / 400_000), False),
        ],
    )
    def test_only_for_its_price(self, options: Options, wanted: bool) -> None:
        own, target = account(LIQUIDATOR, 50_000), account(TRADER, -900, 1)
        found = resolutions(view(own, target, findings=(for_sale(target),)), LIQUIDATOR, options)
        assert bool(found) is wanted


class TestWinners:
    def test_the_largest_first_and_no_more_than_asked_for(self) -> None:
        small, large = account("0x31", 100, -1, unsettled=5), account("0x32", 100, -1, unsettled=50)
        loser = account("0x33", 100, 1, unsettled=-50)
        seen = view(small, large, loser)
        assert winners(seen, (0,), 8, ()) == ("0x32", "0x31")
        assert winners(seen, (0,), 1, ()) == ("0x32",)
        assert winners(seen, (0,), 8, ("0x32",)) == ("0x31",)

    def test_only_of_the_market(self) -> None:
        seen = view(account("0x31", 100, -1, unsettled=5))
        assert winners(seen, (1,), 8, ()) == ()
        assert winners(seen, (), 8, ()) == ("0x31",)


class TestSettleAndFlag:
    def test_a_loss_without_a_position_is_settled_after_the_winners(self) -> None:
        loser, winner = account(TRADER, -40), account(WINNER, 100, -1, unsettled=5)
        (task,) = settlements(view(loser, winner, findings=(finding(loser, settle=True),)), OPTIONS)
        assert (task.subject, task.settle_first) == (TRADER, (WINNER,))

    def test_empty_records_go_together(self) -> None:
        people = [account(f"0x{i:02}", 10) for i in range(45)]
        tasks = settlements(view(*people, findings=tuple(finding(p, settle=True) for p in people)), OPTIONS)
        named = [address for task in tasks for address in (*task.settle_first, task.subject)]
        assert len(tasks) == 3
        assert sorted(named) == sorted(person.address for person in people)

    def test_what_is_settled_is_not_flagged(self) -> None:
        loser = account(TRADER, -40)
        assert flags(view(loser, findings=(finding(loser, settle=True, flag=True),)), OPTIONS) == []

    @pytest.mark.parametrize("verdict", ["flag", "unflag", "mark"])
    def test_flags_follow_the_verdict(self, verdict: str) -> None:
        person = account(TRADER, 10, 1)
        (task,) = flags(view(person, findings=(finding(person, **{verdict: True}),)), OPTIONS)
        assert (task.kind, task.subject) == (Kind.FLAG, TRADER)

    def test_the_deepest_is_flagged_first(self) -> None:
        people = account(TRADER, 200, 1), account(OTHER, -200, 1)
        tasks = flags(view(*people, findings=tuple(finding(p, flag=True) for p in people)), OPTIONS)
        assert [task.subject for task in tasks] == [OTHER, TRADER]


class TestHousekeeping:
    def test_collects_from_a_threshold_on(self) -> None:
        options = Options(min_collect=100)
        assert housekeeping(view(uncollected=99), options) == []
        (task,) = housekeeping(view(uncollected=100), options)
        assert (task.kind, task.moves) == (Kind.COLLECT, 100)

    @pytest.mark.parametrize(
        ("changes", "gate", "due"),
        [
            ({"requested": 1}, True, True),
            ({"noticed": 1}, True, True),
            ({}, True, False),
            ({"noticed": 1}, False, False),
            ({"noticed": 1, "rolls_from": 1_001}, True, False),
        ],
    )
    def test_rolls_for_those_who_wait(self, changes: dict[str, int], gate: bool, due: bool) -> None:
        seen = view()
        fund = replace(seen.fund, junior_tranche=replace(seen.fund.junior_tranche, **changes), gate_open=gate)
        tasks = housekeeping(replace(seen, fund=fund), Options(min_collect=1))
        assert [task.subject for task in tasks] == (["junior"] if due else [])

    def test_a_batch_moves_what_its_shares_are_worth(self) -> None:
        seen = view()
        tranche = replace(seen.fund.senior_tranche, assets=900, shares=600, requested=30, noticed=10)
        (task,) = housekeeping(replace(seen, fund=replace(seen.fund, senior_tranche=tranche)), Options())
        assert (task.subject, task.moves) == ("senior", 60)


# ------------------------------------------------------------- stablecoins


class TestCollateralInLiquidations:
    """A target whose equity is 4,000 of cash and 9,500 tokens (8,122.5 at the haircut), long 40 at 10,000."""

    target = account(TRADER, 12_122, 40, cash=4_000 * USD, collateral=8_122 * USD)
    seen = finding(target, bounty_rate=2_000)

    def fraction(self, own: AccountState) -> int:
        world = view(own, self.target, **pledged(pledge(TRADER, 9_500)))
        return affordable(world, own, self.target, self.seen, MILLION)

    def test_its_price_must_be_there_in_cash(self) -> None:
        rich = account(LIQUIDATOR, 100_000)
        whole = self.fraction(rich)
        assert whole > 0
        # 9,500 at 90 cents less 2 %.
        price = 8_379 * USD * whole // WAD
        assert self.fraction(account(LIQUIDATOR, 100_000, cash=price + 1)) == whole
        assert 0 < self.fraction(account(LIQUIDATOR, 100_000, cash=price // 2)) <= whole // 2
        assert self.fraction(account(LIQUIDATOR, 100_000, cash=0)) == 0

    def test_it_pays_the_bounty_too(self) -> None:
        poor = account(TRADER, 8_122, 40, cash=0, collateral=8_122 * USD)
        world = view(poor, **pledged(pledge(TRADER, 9_500)))
        assert expected_bounty(view(poor), poor, self.seen, WAD) == 0
        assert expected_bounty(world, poor, self.seen, WAD) == 400_000 * USD * 2_000 // MILLION
        # Debts come first.
        owing = account(TRADER, 122, 40, cash=0, debt=8_000 * USD, collateral=8_122 * USD)
        alone = {"markets": (market(0, available=0), market(1))}
        world = view(owing, **pledged(pledge(TRADER, 9_500)), **alone)
        assert expected_bounty(world, owing, self.seen, WAD) == 379 * USD


# ----------------------------------------------------------------------- roles


class TestRoles:
    """A keeper does what its roles are, and nothing else that it sees."""

    own, target = account(LIQUIDATOR, 50_000), account(TRADER, -900, 1)
    winner = account(WINNER, 9_000, -1, unsettled=800)
    seen = view(
        *(own, target, winner, account(OTHER, -40)),
        findings=(
            finding(account(OTHER, -40), settle=True),
            for_sale(target, deleverage=True, mark=True),
        ),
        uncollected=10 * USD,
    )

    def sent(self, *roles: Role) -> list[Task]:
        options = Options(roles=frozenset(roles))
        before = [*settlements(self.seen, options), *flags(self.seen, options)]
        after = [*resolutions(self.seen, LIQUIDATOR, options), *housekeeping(self.seen, options)]
        return [*before, *after]

    @pytest.mark.parametrize(
        ("roles", "kinds"),
        [
            ((Role.SETTLE,), {Kind.SETTLE}),
            ((Role.FLAG,), {Kind.FLAG}),
            ((Role.LIQUIDATE,), {Kind.LIQUIDATE}),
            ((Role.DELEVERAGE,), {Kind.DELEVERAGE}),
            ((Role.FLAG, Role.DELEVERAGE), {Kind.FLAG, Kind.DELEVERAGE}),
            ((Role.LIQUIDATE, Role.DELEVERAGE), {Kind.LIQUIDATE}),
            ((Role.COLLECT,), {Kind.COLLECT}),
            ((Role.ROLL, Role.POST, Role.AUCTION, Role.BUY), set()),
            (tuple(Role), {Kind.SETTLE, Kind.FLAG, Kind.LIQUIDATE, Kind.COLLECT}),
        ],
    )
    def test_any_subset_does_its_part(self, roles: tuple[Role, ...], kinds: set[Kind]) -> None:
        assert {task.kind for task in self.sent(*roles)} == kinds

    @pytest.mark.parametrize("role", [Role.LIQUIDATE, Role.DELEVERAGE, Role.SETTLE])
    def test_winners_are_named_by_whoever_resolves_a_loss(self, role: Role) -> None:
        (task,) = self.sent(role)
        assert WINNER in task.settle_first

    def test_what_is_too_dear_for_a_liquidator_is_left_to_deleveraging(self) -> None:
        dear = Options(roles=frozenset({Role.LIQUIDATE}), min_bounty_rate=2_001)
        both = replace(dear, roles=dear.roles | {Role.DELEVERAGE})
        assert resolutions(self.seen, LIQUIDATOR, dear) == []
        assert [t.kind for t in resolutions(self.seen, LIQUIDATOR, both)] == [Kind.DELEVERAGE]


class TestGas:
    def test_it_is_weighed_at_the_price_of_the_block(self) -> None:
        """A bounty of 20 against 400,000 gas, with the coin at 2,000 USD."""
        own, target = account(LIQUIDATOR, 50_000), account(TRADER, -900, 1)
        options = Options(native_price=2_000 * USD / 10**18)
        for gwei, wanted in ((24, True), (26, False)):
            seen = view(own, target, findings=(for_sale(target),), gas_price=gwei * 10**9)
            assert bool(resolutions(seen, LIQUIDATOR, options)) is wanted


class TestTask:
    def test_it_goes_into_json_without_its_call(self) -> None:
        task = Task(Kind.POST, "target", reason="because", call=cast(Any, object()))
        assert json.loads(json.dumps(task.as_dict()))["subject"] == "target"
        assert "call" not in task.as_dict()
