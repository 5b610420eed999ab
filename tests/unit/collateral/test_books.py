"""P1 for other tokens: what Collateral holds of each is the sum of what accounts hold, whatever happens."""

import pytest

from tests.unit.collateral.moves import (
    BTC,
    ONE_SAVE,
    ONE_USDX,
    SAVE,
    USDX,
    buy,
    fund_buyer,
    pledge_share,
    ruin,
    start_sale,
)


@pytest.fixture
def check(pledged_system, actors):
    """Of both tokens, over all accounts; S passes through and never stays."""

    def books_are_right(gifts=(0, 0)):
        system, collateral = pledged_system, pledged_system.collateral
        for asset, symbol in enumerate(("USDX", "SAVE")):
            total = collateral.totalOf(asset)
            assert total == sum(collateral.heldOf(account, asset) for account in actors.values())
            assert system.assets[symbol].balanceOf(collateral) == total + gifts[asset]
            for account in actors.values():
                pledged = collateral.heldOf(account, asset) != 0
                assert bool(collateral.assetsOf(account) & 1 << asset) == pledged
        assert system.token.balanceOf(collateral) == 0

    return books_are_right


def test_what_is_held_is_what_accounts_hold(
    pledged_system, check, trader, other_trader, attacker, market_maker, liquidator, stranger
):
    system, collateral = pledged_system, pledged_system.collateral
    check()
    system.pledge(other_trader, "USDX", "777.000000000000000001")
    pledge_share(system, other_trader, "333.333333")
    pledge_share(system, trader, "150.000001")
    check()
    collateral.withdraw(SAVE, 33 * ONE_SAVE, stranger, [], sender=other_trader)
    system.deposit(attacker, 800)
    system.pledge(attacker, "USDX", 500)
    system.trade(attacker, market_maker, "2.2", 10_000)
    check()

    # The attacker, long 2.2 with 789 of cash and 500 USDX, owes 531 at 9,400.
    system.set_price(BTC, 9_400)
    system.flag(attacker)
    system.liquidate(attacker, liquidator, "0.3333")
    check()
    assert 0 < collateral.heldOf(liquidator, USDX) < 500 * ONE_USDX
    system.liquidate(attacker, market_maker)
    check()
    assert collateral.assetsOf(attacker) == 0

    # A gift of each belongs to nobody.
    system.assets["USDX"].mint(collateral, 5, sender=stranger)
    system.assets["SAVE"].transfer(collateral, 7, sender=stranger)
    check((5, 7))

    ruin(system, trader, 8_150)
    check((5, 7))
    fund_buyer(system, stranger, 20_000)
    start = start_sale(system, trader)
    buy(system, trader, stranger, 3_333 * ONE_USDX + 1, at=start + 77)
    check((5, 7))
    buy(system, trader, stranger, asset=SAVE, at=start + 1_234)
    check((5, 7))
    assert collateral.assetsOf(trader) == 1
    buy(system, trader, stranger, at=start + 2_000)
    check((5, 7))

    # Everyone leaves; the gifts stay.
    for account in (trader, other_trader, liquidator, market_maker):
        for asset in (USDX, SAVE):
            amount = collateral.heldOf(account, asset)
            if amount:
                collateral.withdraw(asset, amount, account, [], sender=account)
    check((5, 7))
    assert (collateral.totalOf(USDX), collateral.totalOf(SAVE)) == (0, 0)
