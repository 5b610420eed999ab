"""The premium that accounts were charged, from events, beside what their equity lost by it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import ape
import pytest

from tests.expect import events
from tests.system import System
from weir.client import Weir
from weir.parameters import FREE_FUNDING as FREE
from weir.premiums import premiums_charged

BTC, ETH = 0, 1
HOUR = 3_600


@pytest.fixture(scope="module")
def dear(deploy_system: Any, actors: Any) -> System:
    """Nothing is charged but a premium of 50% a year; nobody has a position."""
    funding = FREE.model_copy(update={"premium_min": 500_000, "premium_max": 500_000})
    system: System = deploy_system(funding=funding)
    for role in ("market_maker", "liquidator"):
        system.deposit(actors[role], 1_000_000)
    for role in ("trader", "other_trader"):
        system.deposit(actors[role], 10_000)
    return system


@pytest.fixture
def weir(dear: System) -> Weir:
    return Weir(ape.chain.provider.web3, dear.deployment)


def pass_hours(system: System, keeper: Any, hours: int = 1) -> list[Any]:
    """Hours later, at the same prices, both markets are refreshed: what they charged."""
    now = ape.chain.blocks.head.timestamp
    ape.chain.mine(timestamp=(now // HOUR + hours) * HOUR + 30)
    for market in (BTC, ETH):
        price = Decimal(system.clearing_house.marketState(market).price) / 10**18
        system.set_price(market, price)
    receipts = [system.clearing_house.refresh(market, sender=keeper) for market in (BTC, ETH)]
    return [log for receipt in receipts for log in events(receipt, "PremiumCharged")]


def equities(system: System, accounts: Sequence[Any]) -> list[int]:
    return [system.clearing_house.health(account)[0] for account in accounts]


def test_nobody_is_charged_without_a_position(weir: Weir) -> None:
    assert premiums_charged(weir) == {}


def test_what_equity_loses(
    dear: System, weir: Weir, trader: Any, other_trader: Any, market_maker: Any, keeper: Any
) -> None:
    accounts = (trader, other_trader, market_maker)
    dear.trade(trader, market_maker, 7, 10_000)
    dear.trade(other_trader, market_maker, 30, 500, market=ETH)
    pass_hours(dear, keeper)
    begun, before = premiums_charged(weir), equities(dear, accounts)
    minted = sum(log["amount"] for log in pass_hours(dear, keeper, hours=5))
    charged = premiums_charged(weir)
    rises = [charged[a.address] - begun.get(a.address, 0) for a in accounts]
    lost = [a - b for a, b in zip(before, equities(dear, accounts), strict=True)]
    for rise, loss in zip(rises, lost, strict=True):
        assert rise > 0
        assert abs(rise - loss) <= 2  # each is rounded up, by market in the equity
    assert 0 <= sum(rises) - minted <= 8


def test_changes_between_the_hours(
    dear: System, weir: Weir, trader: Any, market_maker: Any, keeper: Any
) -> None:
    """Grows, passes zero, leaves: each hour is charged for the size that it found."""
    per_unit, sizes = [], []
    for size, buyer, seller in (
        (4, trader, market_maker),
        (2, trader, market_maker),
        (9, market_maker, trader),
        (3, trader, market_maker),
    ):
        dear.trade(buyer, seller, size, 10_000)
        sizes.append(abs(dear.clearing_house.position(trader, BTC).size))
        logs = pass_hours(dear, keeper)
        per_unit.append(logs[0]["perUnit"] if logs else 0)
    assert sizes == [4 * 10**18, 6 * 10**18, 3 * 10**18, 0]
    exact = sum(size * charge for size, charge in zip(sizes, per_unit, strict=True))
    assert premiums_charged(weir)[trader.address] == -(-exact // 10**30)


def test_deleveraging_shrinks_what_is_charged(
    dear: System, weir: Weir, trader: Any, other_trader: Any, market_maker: Any, keeper: Any
) -> None:
    """Half of the maker's short goes against the one that is closed, without an event of its own."""
    dear.trade(trader, market_maker, 10, 10_000)
    dear.trade(other_trader, market_maker, 10, 10_000)
    dear.vault.withdraw(dear.usd(4_500), trader, [], sender=trader)
    dear.set_price(BTC, 9_500)
    dear.flag(trader)
    dear.wait(700)
    dear.set_price(BTC, 9_500)
    dear.deleverage(trader)
    held = dear.clearing_house.position(market_maker, BTC).size
    assert held == 20 * 10**18, "its record still says what it had"
    pass_hours(dear, keeper)
    begun = premiums_charged(weir)
    [log] = pass_hours(dear, keeper)
    rise = premiums_charged(weir)[market_maker.address] - begun[market_maker.address]
    assert abs(rise - 10 * 10**18 * log["perUnit"] // 10**30) <= 1


def test_a_position_that_ended_with_its_epoch_is_charged_no_more(
    dear: System, weir: Weir, trader: Any, market_maker: Any, keeper: Any
) -> None:
    dear.trade(trader, market_maker, 10, 10_000)
    pass_hours(dear, keeper)
    dear.vault.withdraw(dear.usd(4_500), trader, [], sender=trader)
    dear.set_price(BTC, 9_500)
    dear.flag(trader)
    dear.wait(700)
    dear.set_price(BTC, 9_500)
    dear.deleverage(trader)
    assert dear.clearing_house.marketState(BTC).openInterest == 0
    charged = premiums_charged(weir)
    assert pass_hours(dear, keeper) == []
    assert premiums_charged(weir) == charged
    assert charged[market_maker.address] > 0
