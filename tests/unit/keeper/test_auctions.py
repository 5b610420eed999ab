"""What a keeper does about other stablecoins, on made-up views."""

from dataclasses import replace
from typing import Any

import pytest

from tests.unit.keeper.made_up import (
    LIQUIDATOR,
    OPTIONS,
    OTHER,
    QUIET,
    TRADER,
    USD,
    WINNER,
    account,
    asset,
    pledge,
    pledged,
    view,
)
from weir.keeper.auctions import conversions, purchases, sales, withdrawals
from weir.keeper.policy import Options, Task
from weir.keeper.roles import Kind, Role
from weir.keeper.view import Wallet
from weir.stablecoins import AuctionState, PledgeState, worth
from weir.states import AccountState
from weir.units import MILLION


def buyer(**changes: Any) -> Options:
    """Of a keeper that does nothing but buy."""
    return Options(roles=frozenset({Role.BUY}), **changes)


class TestSales:
    def test_who_owes_most_comes_first(self) -> None:
        pledges = (
            pledge(TRADER, 100, due=50 * USD, startable=True),
            pledge(OTHER, 100, due=80 * USD, startable=True, default_id=3),
            pledge(WINNER, 100),
        )
        accounts = [account(each.address, 1_000, collateral=each.value) for each in pledges]
        tasks = sales(view(*accounts, **pledged(*pledges)), OPTIONS)
        assert [(task.kind, task.subject, task.moves) for task in tasks] == [
            (Kind.START_SALE, OTHER, 80 * USD),
            (Kind.START_SALE, TRADER, 50 * USD),
        ]

    def test_it_moves_no_more_than_the_collateral_counts_for(self) -> None:
        held = pledge(TRADER, 100, due=90 * USD)
        (task,) = sales(view(account(TRADER, 0, collateral=held.value), **pledged(held)), OPTIONS)
        assert task.moves == held.value < 90 * USD

    def test_a_loss_that_settling_will_make_a_debt_counts(self) -> None:
        losing = account(TRADER, 60, 1, unsettled=-40, cash=15 * USD, collateral=85 * USD)
        assert [t.subject for t in sales(view(losing, **pledged(pledge(TRADER, 100))), OPTIONS)] == [TRADER]
        covered = account(TRADER, 100, 1, unsettled=-15, cash=30 * USD, collateral=85 * USD)
        assert sales(view(covered, **pledged(pledge(TRADER, 100))), OPTIONS) == []

    @pytest.mark.parametrize(("ends_at", "due"), [(1_000, True), (1_001, False), (0, True)])
    def test_one_at_a_time(self, ends_at: int, due: bool) -> None:
        held = pledge(TRADER, 100, due=50 * USD, sale_ends_at=ends_at)
        world = view(account(TRADER, 0, collateral=held.value), **pledged(held))
        assert bool(sales(world, OPTIONS)) == due

    def test_dust_is_left_alone(self) -> None:
        held = pledge(TRADER, 1, due=50 * USD)
        world = view(account(TRADER, 0, collateral=held.value), **pledged(held))
        assert sales(world, Options(min_sale=held.value))
        assert not sales(world, Options(min_sale=held.value + 1))


class TestConversions:
    def test_what_is_due_is_started(self) -> None:
        due = asset(id=1, symbol="SAVE", auction=replace(QUIET, startable=True))
        (task,) = conversions(view(**pledged(of=(asset(), due))), OPTIONS)
        assert (task.kind, task.subject, task.asset) == (Kind.START_CONVERSION, "SAVE", 1)

    @pytest.mark.parametrize(
        ("worth", "target", "advanced", "skin", "moves"),
        [
            (900, 600, 0, 5_000, 300),  # too much of it
            (900, 1_200, 0, 5_000, 300),  # too little
            (900, 1_200, 0, 200, 200),  # and no money for more
            (900, 1_200, 500, 5_000, 500),  # the tranches are paid back first
            (900, 600, 2_000, 5_000, 900),
            (0, 400, 2_000, 5_000, 400),  # there is none of it to pay them with
        ],
    )
    def test_it_moves_what_can_be_traded(
        self, worth: int, target: int, advanced: int, skin: int, moves: int
    ) -> None:
        due = asset(auction=replace(QUIET, startable=True), reserve_worth=worth, reserve_target=target)
        fund = replace(view().fund, advanced_junior=advanced // 2, advanced_senior=advanced // 2, skin=skin)
        (task,) = conversions(view(**pledged(of=(due,)), fund=fund), OPTIONS)
        assert task.moves == moves


class TestPurchases:
    """An auction that began 300 seconds ago, of 600: 1 % off; the keeper has 500 in its wallet for each."""

    selling = replace(QUIET, started_at=700, ends_at=1_900, factor=990_000)

    def bought(self, options: Options, *pledges: PledgeState, **changes: Any) -> list[tuple[Any, ...]]:
        wallets = {"wallets": {LIQUIDATOR: Wallet(500 * USD, 500 * USD)}}
        world = view(**pledged(*pledges, **wallets | changes))
        return [(t.kind, t.subject, t.units, t.cost) for t in purchases(world, LIQUIDATOR, options)]

    @staticmethod
    def for_sale(address: str = TRADER, **changes: Any) -> PledgeState:
        fields = {"due": 2_000 * USD, "sale_started_at": 700, "sale_ends_at": 1_900}
        return replace(pledge(address, 400), **fields | changes)

    def test_what_is_for_sale_at_the_price_of_now(self) -> None:
        assert self.bought(buyer(min_discount=10_000), self.for_sale()) == [
            (Kind.BUY_COLLATERAL, TRADER, 400 * USD, 356_400_000)
        ]

    @pytest.mark.parametrize("options", [OPTIONS, buyer(min_discount=10_001)])
    def test_never_unless_told_and_never_too_dear(self, options: Options) -> None:
        assert self.bought(options, self.for_sale()) == []

    def test_no_more_than_the_wallet_has(self) -> None:
        poor = {"wallets": {LIQUIDATOR: Wallet(89_100_000, 0)}}
        assert self.bought(buyer(min_discount=0), self.for_sale(), **poor) == [
            (Kind.BUY_COLLATERAL, TRADER, 100 * USD, 89_100_000)
        ]
        assert self.bought(buyer(min_discount=0), self.for_sale(), wallets={}) == []

    def test_no_more_than_is_due(self) -> None:
        (found,) = self.bought(buyer(min_discount=0), self.for_sale(due=89_100_000))
        assert 100 * USD <= found[2] <= 100 * USD + 1

    @pytest.mark.parametrize(
        "changes", [{"due": 0}, {"sale_ends_at": 1_000}, {"address": LIQUIDATOR}, {"held": (0,)}]
    )
    def test_not_what_is_not_for_sale(self, changes: dict[str, Any]) -> None:
        address = changes.pop("address", TRADER)
        assert self.bought(buyer(min_discount=0), self.for_sale(address, **changes)) == []

    def test_not_what_has_no_price(self) -> None:
        assert self.bought(buyer(min_discount=0), self.for_sale(), of=(asset(price=0),)) == []

    def test_gains_must_pay(self) -> None:
        # 3.6 of worth are gained.
        assert self.bought(buyer(min_discount=0, min_profit=3_600_000), self.for_sale())
        assert not self.bought(buyer(min_discount=0, min_profit=3_600_001), self.for_sale())
        assert not self.bought(buyer(min_discount=0, native_price=20.0), self.for_sale())

    def test_the_reserve_sells_what_is_above_its_target_or_pays_an_advance(self) -> None:
        sold = (asset(auction=self.selling, reserve_target=810 * USD),)
        (found,) = self.bought(buyer(min_discount=0), of=sold)
        assert found[:2] == (Kind.BUY_FROM_RESERVE, "USDC")
        # 90 are above the target: 101.01… tokens at 0.891, and one unit at most beyond.
        assert 101_010_101 <= found[2] <= 101_010_102
        fund = replace(view().fund, advanced_junior=300 * USD, advanced_senior=59_400_000)
        (found,) = self.bought(buyer(min_discount=0), of=sold, fund=fund)
        assert 403_367_003 <= found[2] <= 403_367_004

    def test_the_largest_discount_first_then_the_largest_lot(self) -> None:
        pledges = (self.for_sale(), self.for_sale(OTHER, sale_started_at=100, sale_ends_at=1_300))
        found = self.bought(buyer(min_discount=0), *pledges, of=(asset(auction=self.selling),))
        assert [each[1] for each in found] == [OTHER, "USDC", TRADER]

    def test_without_the_role_nothing_is_tried(self) -> None:
        assert purchases(view(**pledged(self.for_sale())), LIQUIDATOR, Options(min_discount=0)) == []
        assert self.bought(buyer(), of=()) == []


class TestSalesToTheReserve:
    """The reserve holds 900 worth of 1,200 that it should, at 90 cents a token, and now pays 1 % more; the
    keeper has 1,000 tokens, and the fund 5,000 of skin.
    """

    buying = AuctionState(started_at=700, ends_at=1_900, buying=True, startable=False, factor=1_010_000)

    def sold(self, options: Options, *, skin: int = 5_000, held: int = 1_000, **changes: Any) -> list[Task]:
        coin = {"reserve_target": 1_200 * USD, "reserve_cap": 10**12, "auction": self.buying}
        world = view(
            **pledged(of=(asset(**coin | changes),)),
            fund=replace(view().fund, skin=skin * USD),
            wallets={LIQUIDATOR: Wallet(0, 0, (held * USD,))},
        )
        return purchases(world, LIQUIDATOR, options)

    def test_what_it_lacks_is_sold_to_it(self) -> None:
        (task,) = self.sold(buyer(min_discount=10_000))
        assert (task.kind, task.subject, task.asset) == (Kind.SELL_TO_RESERVE, "USDC", 0)
        # 300 worth of it at 90 cents, for 1 % more.
        assert task.units == 333_333_333
        assert task.cost == task.units * 909 // 1_000

    def test_no_more_than_the_wallet_has(self) -> None:
        (task,) = self.sold(buyer(), held=100)
        assert (task.units, task.cost) == (100 * USD, 90_900_000)
        assert self.sold(buyer(), held=0) == []

    def test_no_more_than_skin_pays_for_and_the_cap_allows(self) -> None:
        (task,) = self.sold(buyer(), skin=100)
        assert task.cost <= 100 * USD < (task.units + 2) * 909 // 1_000
        (task,) = self.sold(buyer(), reserve_cap=1_050 * USD)
        assert task.units == 50 * USD

    @pytest.mark.parametrize(
        "changes",
        [{"reserve_target": 900 * USD}, {"price": 0}, {"reserve_cap": 0}, {"auction": QUIET}, {"skin": 0}],
    )
    def test_not_what_it_does_not_want(self, changes: dict[str, Any]) -> None:
        assert self.sold(buyer(), **changes) == []

    def test_only_for_its_price_and_its_gas(self) -> None:
        assert self.sold(buyer(min_discount=10_001)) == []
        # 3 are gained on what was worth 300.
        assert self.sold(buyer(min_profit=3_000_000))
        assert not self.sold(buyer(min_profit=3_000_001))
        assert not self.sold(buyer(native_price=20.0))

    def test_without_the_role_nothing_is_tried(self) -> None:
        assert self.sold(Options()) == []


class TestWithdrawals:
    """The keeper has 2,000 tokens, which count for 1,710, beside 8,000 in cash."""

    held = pledge(LIQUIDATOR, 2_000)
    flat = account(LIQUIDATOR, 9_710, cash=8_000 * USD, collateral=1_710 * USD)
    long = account(LIQUIDATOR, 9_710, 5, cash=8_000 * USD, collateral=1_710 * USD)
    """Its initial margin is 2,500."""

    @staticmethod
    def options(**changes: Any) -> Options:
        return Options(**{"roles": frozenset({Role.WITHDRAW})} | changes)

    def out(self, own: AccountState, options: Options, **changes: Any) -> list[Task]:
        return withdrawals(view(own, **pledged(self.held, **changes)), LIQUIDATOR, options)

    def test_all_that_margin_does_not_need(self) -> None:
        (task,) = self.out(self.flat, self.options())
        assert (task.kind, task.subject, task.asset, task.units) == (Kind.WITHDRAW, "USDC", 0, 2_000 * USD)
        (task,) = self.out(self.long, self.options(margin_use=500_000))
        assert task.units == 2_000 * USD

    def test_margin_takes_its_part_of_equity_and_no_more_afterwards(self) -> None:
        """At 300,000 ppm an initial margin of 2,500 needs 8,333.33 of equity: 1,376.66 may leave."""
        (task,) = self.out(self.long, self.options())

        def equity_without(units: int) -> int:
            return self.long.equity - self.held.value + self.counts(self.held.held[0] - units)

        needed = self.long.initial_margin * MILLION / 300_000
        assert equity_without(task.units) >= needed
        assert equity_without(task.units + 5) < needed
        assert 1_610 * USD < task.units < 1_611 * USD

    @staticmethod
    def counts(units: int) -> int:
        return worth(asset(), units, 6) * 95 // 100

    def test_nothing_where_margin_needs_it_all(self) -> None:
        assert self.out(self.long, self.options(margin_use=250_000)) == []

    @pytest.mark.parametrize("state", [{"flagged_at": 7}, {"debt": 1}, {"priced": False}])
    def test_nothing_that_would_be_refused(self, state: dict[str, Any]) -> None:
        assert self.out(replace(self.flat, **state), self.options()) == []

    def test_nothing_of_a_default_that_is_open(self) -> None:
        owing = replace(self.held, default_id=3, due=50 * USD)
        assert withdrawals(view(self.flat, **pledged(owing)), LIQUIDATOR, self.options()) == []

    def test_only_what_is_worth_it(self) -> None:
        # 2,000 tokens are worth 1,800: their gas is weighed against that.
        (task,) = self.out(self.flat, self.options(min_sale=1_800 * USD))
        assert task.moves == 1_800 * USD
        assert not self.out(self.flat, self.options(min_sale=1_800 * USD + 1))
        assert not self.out(self.flat, self.options(), of=(asset(price=0),))

    def test_only_its_own_and_only_when_told(self) -> None:
        assert self.out(self.flat, Options()) == []
        others = view(self.flat, account(TRADER, 5_000), **pledged(pledge(TRADER, 2_000)))
        assert withdrawals(others, LIQUIDATOR, self.options()) == []
