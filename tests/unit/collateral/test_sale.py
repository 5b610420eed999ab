"""An account whose cash is spent while its collateral is not: anyone buys just enough of it."""


def test_a_debt_is_paid_by_a_sale(pledged_system, trader, stranger, keeper):
    system = pledged_system
    assert system.vault.net(trader) == system.usd(1_000 + 9_000)
    system.set_price(0, 9_500)
    system.settle(trader)
    assert system.vault.debtOf(trader, 0) == system.usd(1_500)
    assert system.vault.net(trader) == system.usd(9_000 - 1_500)
    system.collateral.startSale(trader, sender=keeper)
    system.wait(1_800)
    system.mint(stranger, 5_000)
    system.token.approve(system.collateral, system.usd(5_000), sender=stranger)
    system.collateral.buy(trader, 0, 2**256 - 1, stranger, 2**256 - 1, sender=stranger)
    assert not system.vault.inDebt(trader)
    assert system.token.balanceOf(stranger) == system.usd(3_500) - 1
    got = system.assets["USDX"].balanceOf(stranger)
    assert got == -(-1_500 * 10**18 * 100 // 95)
    assert system.collateral.heldOf(trader, 0) == 10_000 * 10**18 - got
